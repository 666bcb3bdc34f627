package watchlist

import (
	"tocsin"
	"tocsin/pipeline/watchlist/words"
)

// Reaches reports whether a statement of a source could satisfy the rule: what
// the rule says of source:, country: and kind: does not speak against it.
func (r *Rule) Reaches(s tocsin.Source) bool {
	kind := s.Kind
	if kind == "" {
		kind = "feed"
	}
	could, _ := r.Root.could(map[string]string{"source": s.ID, "country": s.Country, "kind": kind})
	return could
}

// could reports whether e could hold, and whether it could not, in documents that
// have some values and anything else.
func (e *Expr) could(values map[string]string) (hold, fail bool) {
	switch e.Op {
	case And, Near, Before, SameSentence, SameParagraph:
		return e.some(values, len(e.Kids))
	case Or:
		return e.some(values, 1)
	case Any:
		return e.some(values, e.N)
	case AtLeast, NotNear:
		hold, _ = e.Kids[0].could(values)
		return hold, true
	case Not:
		hold, fail = e.Kids[0].could(values)
		for _, k := range e.Kids[1:] {
			h, f := k.could(values)
			hold, fail = hold && f, fail || h
		}
		return hold, fail
	case Value:
		v, known := values[e.Field]
		fits := v != "" && words.Globbed(e.Glob, words.Fold(v))
		return fits || !known, !fits || !known
	}
	return true, true
}

// some is could of at least n of the kids.
func (e *Expr) some(values map[string]string, n int) (hold, fail bool) {
	can, must := 0, 0
	for _, k := range e.Kids {
		h, f := k.could(values)
		if h {
			can++
		}
		if !f {
			must++
		}
	}
	return can >= n, must < n
}
