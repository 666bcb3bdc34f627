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

// Of sketches a title and a text.
func Of(title, text string) Sketch {
	t := appendFolded(nil, title)
	n := len(t)
	t = appendFolded(t, text)
	s := Sketch{Whole: digest(t)}
	if utf8.RuneCount(t[n:]) >= MinLetters {
		s.Text = digest(t[n:])
	}
	return s
}

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
	Same Kind = "same" // a copy of one
)

// A Decision says which open statement a text belongs to, and why.
type Decision struct {
	Kind      Kind
	Statement string  // with Same
	Reason    string  // "equal title and text", "equal text in another source"
	Score     float64 // 1 is certain, 0 is not at all
}

// An Index holds the open statements. The zero value is empty and ready.
type Index struct {
	whole, text map[string]string // sketch -> statement
	open        map[string]*statement
}

type statement struct {
	sources map[string]bool
	last    time.Time
}

// Add records that source published a text of the statement at a time.
func (x *Index) Add(id, source string, s Sketch, at time.Time) {
	if x.open == nil {
		x.whole, x.text, x.open = map[string]string{}, map[string]string{}, map[string]*statement{}
	}
	st := x.open[id]
	if st == nil {
		st = &statement{sources: map[string]bool{}}
		x.open[id] = st
	}
	st.sources[source] = true
	if at.After(st.last) {
		st.last = at
	}
	if s.Whole != "" {
		x.whole[s.Whole] = id
	}
	if s.Text != "" {
		x.text[s.Text] = id
	}
}

// Keep forgets the statements of which keep is false.
func (x *Index) Keep(keep func(id string) bool) {
	gone := func(_, id string) bool { return !keep(id) }
	maps.DeleteFunc(x.whole, gone)
	maps.DeleteFunc(x.text, gone)
	maps.DeleteFunc(x.open, func(id string, _ *statement) bool { return !keep(id) })
}

// Decide says what a text that source publishes at a time is.
func (x *Index) Decide(source string, s Sketch, at time.Time) Decision {
	if id, ok := x.whole[s.Whole]; ok && x.isOpen(id, at) {
		return Decision{Kind: Same, Statement: id, Reason: "equal title and text", Score: 1}
	}
	if id, ok := x.text[s.Text]; ok && s.Text != "" && x.isOpen(id, at) && !x.open[id].sources[source] {
		return Decision{Kind: Same, Statement: id, Reason: "equal text in another source", Score: 1}
	}
	return Decision{Kind: New}
}

func (x *Index) isOpen(id string, at time.Time) bool {
	return at.Sub(x.open[id].last) <= Window
}
