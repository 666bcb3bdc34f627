// Package fold decides whether two texts are one statement. It is pure: it
// reads no clock and keeps nothing but what it is given.
//
// Two items are one statement when their title and text are equal after
// normalisation, or when their texts alone are equal, have at least MinLetters
// letters and come from different sources: one source that repeats a long text
// under new titles publishes new statements with a common summary, another
// source that does is reprinting.
//
// Normalisation keeps letters and digits only, in lower case and compatibility
// form, so that markup, hyphens, quotes and white space never tell copies
// apart.
package fold

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MinLetters is how many letters and digits a text needs to identify a
// statement without its title.
const MinLetters = 200

// Window is how long a statement stays open for copies, counted from its last
// publication.
const Window = 30 * 24 * time.Hour

// A Sketch is what folding keeps of a text. It is stored with alerts: at most
// 256 bytes.
type Sketch struct {
	Whole string `json:"whole"`          // of title and text; 32 hex digits
	Text  string `json:"text,omitempty"` // of the text; "" if it is shorter than MinLetters
}

// Of sketches a title and a text in a language, BCP 47 or "" for what the text
// shows.
func Of(title, text, lang string) Sketch {
	t := appendFolded(nil, title)
	n := len(t)
	t = appendFolded(t, text)
	s := Sketch{Whole: digest(t)}
	if utf8.RuneCount(t[n:]) >= MinLetters {
		s.Text = digest(t[n:])
	}
	return s
}

// IsZero reports whether nothing was sketched.
func (s Sketch) IsZero() bool { return s.Whole == "" }

func digest(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:16])
}

// appendFolded appends the letters and digits of s, normalised.
func appendFolded(dst []byte, s string) []byte {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return appendFoldedRunes(dst, s)
		}
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			dst = append(dst, c)
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		}
	}
	return dst
}

func appendFoldedRunes(dst []byte, s string) []byte {
	for _, r := range norm.NFKC.String(strings.ToValidUTF8(s, "")) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		}
	}
	return dst
}

// A Kind is what a new text is to the statements that are open.
type Kind string

const (
	New  Kind = "new"  // none of them
	Near Kind = "near" // a report about one
	Same Kind = "same" // a copy of one
)

// A Decision says which open statement a text belongs to, and why.
type Decision struct {
	Kind      Kind
	Statement string  // with Same and Near
	Reason    string  // "equal title and text", "equal text in another source"
	Score     float64 // 1 is certain, 0 is not at all
}

// An Index holds the open statements. The zero value is empty and ready.
type Index struct {
	whole, text map[string]Member // sketch -> who published it
	open        map[string]*statement
	of          map[Member]string // -> statement
}

// A Member is an item of a statement.
type Member struct{ Source, Item string }

type statement struct {
	sources map[string]bool
	last    time.Time
}

// Add records that an item, as first seen at a time, is of the statement.
func (x *Index) Add(id string, m Member, s Sketch, at time.Time) {
	if x.open == nil {
		x.whole, x.text, x.open, x.of = map[string]Member{}, map[string]Member{}, map[string]*statement{}, map[Member]string{}
	}
	st := x.open[id]
	if st == nil {
		st = &statement{sources: map[string]bool{}}
		x.open[id] = st
	}
	st.sources[m.Source] = true
	if at.After(st.last) {
		st.last = at
	}
	x.of[m] = id
	if s.Whole != "" {
		x.whole[s.Whole] = m
	}
	if s.Text != "" {
		x.text[s.Text] = m
	}
}

// Move gives items of one statement to another, which may be new: some of them
// where a person parted them, or all, with no items given, where two were found
// to be one.
func (x *Index) Move(from, to string, items ...Member) {
	old := x.open[from]
	if old == nil {
		return
	}
	if x.open[to] == nil {
		x.open[to] = &statement{sources: map[string]bool{}}
	}
	st := x.open[to]
	if old.last.After(st.last) {
		st.last = old.last
	}
	left := map[string]bool{}
	for m, id := range x.of {
		switch {
		case id != from:
		case len(items) == 0 || slices.Contains(items, m):
			x.of[m] = to
			st.sources[m.Source] = true
		default:
			left[m.Source] = true
		}
	}
	old.sources = left
	if len(left) == 0 {
		delete(x.open, from)
	}
}

// Keep forgets the statements of which keep is false.
func (x *Index) Keep(keep func(id string) bool) {
	maps.DeleteFunc(x.of, func(_ Member, id string) bool { return !keep(id) })
	gone := func(_ string, m Member) bool { return x.of[m] == "" }
	maps.DeleteFunc(x.whole, gone)
	maps.DeleteFunc(x.text, gone)
	maps.DeleteFunc(x.open, func(id string, _ *statement) bool { return !keep(id) })
}

// Decide says what an item that is seen at a time is.
func (x *Index) Decide(m Member, s Sketch, at time.Time) Decision {
	if id := x.of[x.whole[s.Whole]]; x.isOpen(id, at) {
		return Decision{Kind: Same, Statement: id, Reason: "equal title and text", Score: 1}
	}
	if id := x.of[x.text[s.Text]]; s.Text != "" && x.isOpen(id, at) && !x.open[id].sources[m.Source] {
		return Decision{Kind: Same, Statement: id, Reason: "equal text in another source", Score: 1}
	}
	return Decision{Kind: New}
}

func (x *Index) isOpen(id string, at time.Time) bool {
	st := x.open[id]
	return st != nil && at.Sub(st.last) <= Window
}
