package watchlist

import (
	"cmp"
	"slices"
	"strings"

	"tocsin"
)

// A Document is a statement made ready for many queries.
type Document struct {
	title, text folded
}

// NewDocument folds a statement's title and text. Folding is the same for all
// languages, so that a query finds names in any of them: lang, a BCP 47 tag or
// "", changes nothing in this form of the language.
func NewDocument(title, text, _ string) Document {
	return Document{title: fold(title), text: fold(text)}
}

// Match reports whether d satisfies q, and where: every span of every term that
// had a part in it, title first, in order of Start. Terms after NOT have no
// spans. A phrase is named without its quotes.
func (q *Query) Match(d Document) ([]tocsin.Span, bool) {
	if !q.root.holds(d) {
		return nil, false
	}
	var m marks
	q.root.mark(d, &m)
	return m.sorted(), true
}

func (a *all) holds(d Document) bool {
	for _, n := range a.must {
		if !n.holds(d) {
			return false
		}
	}
	for _, n := range a.never {
		if n.holds(d) {
			return false
		}
	}
	return true
}

func (a *all) mark(d Document, m *marks) {
	for _, n := range a.must {
		n.mark(d, m)
	}
}

func (a some) holds(d Document) bool {
	for _, n := range a {
		if n.holds(d) {
			return true
		}
	}
	return false
}

func (a some) mark(d Document, m *marks) {
	for _, n := range a {
		if n.holds(d) {
			n.mark(d, m)
		}
	}
}

func (t *term) holds(d Document) bool {
	if _, _, ok := t.find(d.title.text, 0); ok {
		return true
	}
	_, _, ok := t.find(d.text.text, 0)
	return ok
}

func (t *term) mark(d Document, m *marks) {
	m.field(t, tocsin.FieldTitle, d.title)
	m.field(t, tocsin.FieldText, d.text)
}

// find is the next place in folded text, from the byte from on, where t's words
// stand: from the edge before the first word to the edge after the last.
func (t *term) find(text string, from int) (start, end int, ok bool) {
	for {
		i := strings.Index(text[from:], t.head)
		if i < 0 {
			return 0, 0, false
		}
		start = from + i - 1
		if end, ok := t.follow(text, start); ok {
			return start, end, true
		}
		from += i + 1
	}
}

// follow reports whether t's words stand one after the other from the edge at
// start on, and where the edge after them is.
func (t *term) follow(text string, start int) (end int, ok bool) {
	at := start
	for _, w := range t.words {
		if text[at] != edge || !strings.HasPrefix(text[at+1:], w.form) {
			return 0, false
		}
		at += 1 + len(w.form)
		if w.prefix {
			at += strings.IndexByte(text[at:], edge)
		}
		if text[at] != edge {
			return 0, false
		}
	}
	return at, true
}

// marks gathers spans.
type marks struct{ spans []tocsin.Span }

func (m *marks) field(t *term, name string, f folded) {
	for from := 0; ; {
		start, end, ok := t.find(f.text, from)
		if !ok {
			return
		}
		first, last := f.unit(start), f.unit(end-1)
		m.spans = append(m.spans, tocsin.Span{Term: t.text, Field: name, Start: first.start, End: last.end})
		from = end
	}
}

// unit is the unit that the byte at of the folded text belongs to.
func (f folded) unit(at int) unit {
	i, found := slices.BinarySearchFunc(f.units, at, func(u unit, at int) int { return cmp.Compare(u.at, at) })
	if !found {
		i--
	}
	return f.units[i]
}

// sorted is what was gathered, title first, each once: a query may hold a term
// twice.
func (m *marks) sorted() []tocsin.Span {
	slices.SortFunc(m.spans, func(a, b tocsin.Span) int {
		return cmp.Or(
			-cmp.Compare(a.Field, b.Field), // "title" after "text" in the alphabet
			cmp.Compare(a.Start, b.Start),
			cmp.Compare(a.End, b.End),
			cmp.Compare(a.Term, b.Term))
	})
	return slices.Compact(m.spans)
}
