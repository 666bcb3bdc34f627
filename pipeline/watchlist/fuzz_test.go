package watchlist

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"tocsin"
)

// FuzzParse holds that no query makes Parse panic, that a canonical form is one,
// and that what an error offers is a query.
func FuzzParse(f *testing.F) {
	for _, r := range refused {
		f.Add(r.query)
	}
	f.Add(strings.Repeat("(a OR -b ", 30))
	f.Add(strings.Repeat("=title:", 300) + "a")
	f.Add("a NOT (b OR “c*” AND 彈道 d) l'é* 북")
	f.Fuzz(func(t *testing.T, query string) {
		if len(query) > 4<<10 {
			return
		}
		q, err := Parse(query)
		if err == nil {
			again, err := Parse(q.String())
			if err != nil || !reflect.DeepEqual(again, q) {
				t.Errorf("%q has the canonical form %q, which is %v, %v", query, q, again, err)
			}
			return
		}
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Pos < 0 || e.Pos > len(query) || !utf8.RuneStart(append([]byte(query), 0)[e.Pos]) && utf8.ValidString(query) {
			t.Fatalf("Parse(%q) = %#v", query, err)
		}
		for _, r := range append(e.Readings, e.Fix) {
			if r == "" {
				continue
			}
			if again, err := Parse(r); err != nil || again.String() != r {
				t.Errorf("%q is offered as %q, which is %v, %v", query, r, again, err)
			}
		}
	})
}

// FuzzMatch writes a statement and a query of the same few words, and holds
// Match against an oracle that knows the words and never folds. What it reads
// from data is a choice each time.
func FuzzMatch(f *testing.F) {
	f.Add([]byte("transfer of ballistic missiles"))
	f.Add([]byte{7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 3, 1, 0, 5, 2, 2})
	for i := range 64 {
		seed := make([]byte, 120)
		x := uint32(i)*2654435761 + 1
		for j := range seed {
			x = x*1664525 + 1013904223
			seed[j] = byte(x >> 24)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<10 {
			return
		}
		c := &choices{data: data}
		title, text := c.words(6), c.words(30)
		ask := c.ask(3)
		d := NewDocument(title.text, text.text, "")
		q, err := Parse(ask.query)
		if err != nil {
			t.Fatalf("Parse(%s): %v", ask.query, err)
		}
		spans, ok := q.Match(d)
		if want := ask.holds(title, text); ok != want {
			t.Fatalf("%s in %q, %q: Match = %v, want %v", ask.query, title.text, text.text, ok, want)
		}
		if !ok {
			return
		}
		var want []tocsin.Span
		ask.spans(title, text, &want)
		slices.SortFunc(want, bySpan)
		if want = slices.Compact(want); !slices.Equal(spans, want) {
			t.Fatalf("%s in %q, %q: spans are\n%v, want\n%v", ask.query, title.text, text.text, spans, want)
		}
		for _, s := range spans {
			checkSpan(t, s, map[string]string{tocsin.FieldTitle: title.text, tocsin.FieldText: text.text}[s.Field])
		}
	})
}

// checkSpan holds that what a span covers is, by itself, what its term finds.
func checkSpan(t *testing.T, s tocsin.Span, text string) {
	t.Helper()
	part := text[s.Start:s.End]
	term, err := newTerm(s.Term, true)
	if err != nil {
		t.Fatal(err)
	}
	again, ok := (&Query{term}).Match(NewDocument("", part, ""))
	if !ok || len(again) != 1 || again[0].Start != 0 || again[0].End != len(part) {
		t.Errorf("%q in %q alone: %v, %v", s.Term, part, again, ok)
	}
	if !utf8.ValidString(part) {
		t.Errorf("%q is cut within a letter", part)
	}
}

func bySpan(a, b tocsin.Span) int {
	if a.Field != b.Field {
		return strings.Compare(b.Field, a.Field)
	}
	if a.Start != b.Start {
		return a.Start - b.Start
	}
	if a.End != b.End {
		return a.End - b.End
	}
	return strings.Compare(a.Term, b.Term)
}

type choices struct{ data []byte }

// pick is a number below n; 0 when there is no more to choose from.
func (c *choices) pick(n int) int {
	if len(c.data) == 0 {
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return int(b) % n
}

// vocabulary holds words with ways to write each. The first is the word itself;
// those of Hangul match by their beginning.
var vocabulary = [][]string{
	{"missile", "Missile", "MISSILE", "míssile", "mi\u0301ssile", "mis\u00adsile", "ｍｉｓｓｉｌｅ", "𝐦issile", "missile\u200b"},
	{"missiles", "Missiles", "missilés"},
	{"office", "oﬃce", "OFFICE", "oﬀice"},
	{"strasse", "Straße", "STRAẞE"},
	{"iran", "İran", "Iran", "ıran", "IRAN"},
	{"1718", "١٧١٨", "۱۷۱۸", "１７１８"},
	{"ракета", "Ракета", "РАКЕТА"},
	{"самолет", "самолёт", "САМОЛЁТ"},
	{"λογος", "ΛΌΓΟΣ", "λόγος"},
	{"كره", "کره", "كـره", "كُره", "كرة"},
	{"미사일"},
	{"미사일의"},
	{"a", "A", "ä", "Å"},
	{"the"},
}

const hangulFrom, hangulTo = 10, 11

// separators part words and mean nothing else.
var separators = []string{" ", " ", "-", "\u00a0", "\n", ", ", " — ", "’s ", " “", "/", " \u200f", ". "}

// A written text knows its words and where they stand.
type written struct {
	text  string
	words []int // in vocabulary
	at    [][2]int
}

func (c *choices) words(most int) written {
	var w written
	for range c.pick(most + 1) {
		i := c.pick(len(vocabulary))
		form := vocabulary[i][c.pick(len(vocabulary[i]))]
		w.words = append(w.words, i)
		end := len(w.text) + len(strings.TrimSuffix(form, "\u200b"))
		w.at = append(w.at, [2]int{len(w.text), end})
		sep := separators[c.pick(len(separators))]
		if sep == "’s " && i > 4 { // the possessive is English
			sep = " "
		}
		w.text += form + sep
	}
	return w
}

// An ask is a query that knows what it finds.
type ask struct {
	query string
	// of a term
	text  string
	words []int
	stars []bool
	// of AND, and of OR
	kids   []*ask
	not    *ask
	either bool
}

func (c *choices) ask(depth int) *ask {
	kind := c.pick(5)
	if depth == 0 || kind < 2 {
		return c.term()
	}
	a := &ask{either: kind == 2}
	op := map[bool]string{true: " OR ", false: " and "}[a.either]
	for i := range 1 + c.pick(3) {
		k := c.ask(depth - 1)
		a.kids = append(a.kids, k)
		if i > 0 {
			a.query += op
		}
		a.query += "(" + k.query + ")"
	}
	if kind == 4 {
		a.not = c.ask(depth - 1)
		a.query += " NOT (" + a.not.query + ")"
	}
	return a
}

func (c *choices) term() *ask {
	a := new(ask)
	for i := range 1 + c.pick(3) {
		w := c.pick(len(vocabulary))
		form := vocabulary[w][c.pick(len(vocabulary[w]))]
		star := utf8.RuneCountInString(vocabulary[w][0]) >= 3 && c.pick(3) == 0
		if star {
			form = strings.TrimSuffix(form, "\u200b") + "*"
		}
		if i > 0 {
			a.text += " "
		}
		a.text += form
		a.words, a.stars = append(a.words, w), append(a.stars, star)
	}
	a.query = `"` + a.text + `"`
	return a
}

// finds are the places in w where a term stands, none over another.
func (a *ask) finds(w written) (places [][2]int) {
	for i := 0; i+len(a.words) <= len(w.words); {
		ok := true
		for j, want := range a.words {
			have := w.words[i+j]
			beginning := a.stars[j] || want == hangulFrom || want == hangulTo
			ok = ok && (have == want || beginning && strings.HasPrefix(vocabulary[have][0], vocabulary[want][0]))
		}
		if !ok {
			i++
			continue
		}
		places = append(places, [2]int{w.at[i][0], w.at[i+len(a.words)-1][1]})
		i += len(a.words)
	}
	return places
}

func (a *ask) holds(title, text written) bool {
	if a.kids == nil {
		return len(a.finds(title))+len(a.finds(text)) > 0
	}
	n := 0
	for _, k := range a.kids {
		if k.holds(title, text) {
			n++
		}
	}
	return (n == len(a.kids) || a.either && n > 0) && (a.not == nil || !a.not.holds(title, text))
}

func (a *ask) spans(title, text written, out *[]tocsin.Span) {
	if a.kids == nil {
		for name, w := range map[string]written{tocsin.FieldTitle: title, tocsin.FieldText: text} {
			for _, p := range a.finds(w) {
				*out = append(*out, tocsin.Span{Term: a.text, Field: name, Start: p[0], End: p[1]})
			}
		}
		return
	}
	for _, k := range a.kids {
		if k.holds(title, text) {
			k.spans(title, text, out)
		}
	}
}

// FuzzFold holds that no bytes make folding panic, and that units lie in the
// original in order, on rune boundaries.
func FuzzFold(f *testing.F) {
	for _, s := range []string{"l'Iran’s", "d'", "'s", "\xff\xfe’s", "カ\u3099、\u3099サ", "\u1100\u1161\u11a8\u1161", "a’b’s’c’ya", "กี ำ", "ﷺ ﹰ ͺ ŉ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := fold(s)
		before := unit{at: -1}
		for _, u := range d.units {
			if u.at <= before.at || d.text[u.at] != edge || u.start < before.start || u.end <= u.start || u.end > len(s) {
				t.Fatalf("fold(%q): unit %+v after %+v in %q", s, u, before, d.text)
			}
			if r, n := utf8.DecodeRuneInString(s[u.start:]); r == utf8.RuneError && n == 1 {
				t.Fatalf("fold(%q): unit %+v begins in a rune", s, u)
			}
			if r, n := utf8.DecodeLastRuneInString(s[u.start:u.end]); r == utf8.RuneError && n == 1 {
				t.Fatalf("fold(%q): unit %+v ends in a rune", s, u)
			}
			before = u
		}
	})
}
