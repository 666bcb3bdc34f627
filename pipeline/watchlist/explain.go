package watchlist

import (
	"cmp"
	"fmt"
	"slices"

	"tocsin"
)

const (
	// MaxSpans is how many spans a [Result] has at most.
	MaxSpans = 10_000

	// MaxBranch is how many bytes a [Result]'s Branch has at most. Of an OR, and
	// of a word with its inflected forms, it shows what held, of more than three
	// the first; a list by its name; nothing of what NOT and NOT NEAR leave out.
	MaxBranch = 300

	branchKids = 3
)

// An account is what of a query had a part in a match.
type account struct {
	*matching
	spans []tocsin.Span
}

func (m *matching) result(r *Rule) Result {
	a := account{matching: m}
	branch := a.whole(r.query, r.Root)
	a.settle()
	return Result{Spans: a.spans, Branch: clip(branch.String(), MaxBranch)}
}

func (n *Node) with(kids ...*Node) *Node {
	c := *n
	c.Kids = kids
	return &c
}

// whole accounts for e, which holds and is what the query writes as n. It
// returns what of n held.
func (a *account) whole(n *Node, e *Expr) *Node {
	kids := func() (out []*Node) {
		for _, i := range a.holding(e.Kids) {
			out = append(out, a.whole(n.Kids[i], e.Kids[i]))
		}
		return out
	}
	switch n.Op {
	case ScopeOf:
		return n.with(a.whole(n.Kids[0], e))
	case And:
		return both(kids())
	case Or:
		return some(n, kids())
	case Any:
		return n.with(kids()...)
	case Not:
		return a.whole(n.Kids[0], e.Kids[0])
	case AtLeast:
		return n.with(a.part(n.Kids[0], e.Kids[0], bothSides, a.places(e.Kids[0], bothSides)))
	case Value:
		a.spans = append(a.spans, tocsin.Span{Term: e.Text, Field: e.Field, End: len(a.d.Value(e.Field))})
		return n
	}
	return a.part(n, e, bothSides, a.places(e, bothSides))
}

// part accounts for the places s of e.
func (a *account) part(n *Node, e *Expr, want side, s *set) *Node {
	switch n.Op {
	case ScopeOf:
		return n.with(a.part(n.Kids[0], e, want, s))
	case Or:
		var kids []*Node
		for i, k := range e.Kids {
			if of := s.common(a.places(k, want)); len(of.places) > 0 {
				kids = append(kids, a.part(n.Kids[i], k, want, of))
			}
		}
		return some(n, kids)
	case NotNear:
		return a.part(n.Kids[0], e.Kids[0], want, s)
	case Near, Before, SameSentence, SameParagraph:
		left, right := a.partners(e, want, s)
		first, last := bothSides, bothSides
		if e.Op == Before {
			first, last = lastSide, firstSide
		}
		return n.with(a.part(n.Kids[0], e.Kids[0], first, left), a.part(n.Kids[1], e.Kids[1], last, right))
	}
	a.mark(e, s)
	return n
}

// partners are the places of the kids of e that are among its places s, or that
// those are near.
func (a *account) partners(e *Expr, want side, s *set) (left, right *set) {
	left, right = a.sides(e, want)
	left, right = a.partnered(e, left, right, 0), a.partnered(e, right, left, 1)
	inLeft, inRight := s.common(left), s.common(right)
	if e.Op == Before && want == firstSide {
		inRight = nothing
	}
	if e.Op == Before && want == lastSide {
		inLeft = nothing
	}
	return union(inLeft, a.partnered(e, left, inRight, 0)), union(inRight, a.partnered(e, right, inLeft, 1))
}

// some is an OR of what held of it.
func some(n *Node, held []*Node) *Node {
	if len(held) == 1 {
		return held[0]
	}
	if len(held) > branchKids {
		held = append(held[:branchKids:branchKids], &Node{Op: Term, Text: "…"})
	}
	return n.with(held...)
}

// mark adds the spans of the places s of e, a term, a regular expression or an
// Or of terms.
func (a *account) mark(e *Expr, s *set) {
	if e.Op == Or {
		for _, k := range e.Kids {
			if of := a.places(k, bothSides); len(of.places) > 0 {
				a.mark(k, s.common(of))
			}
		}
		return
	}
	a.spans = append(a.spans, a.spansOf(e, s.places[:min(len(s.places), MaxSpans)])...)
	if len(a.spans) >= 2*MaxSpans {
		a.settle()
	}
}

func (m *matching) spansOf(e *Expr, places []place) []tocsin.Span {
	var out []tocsin.Span
	for _, p := range places {
		f := m.d.field(int(p.field))
		out = append(out, tocsin.Span{
			Term: e.Text, List: e.List, Field: spanFields[p.field],
			Start: int(f.Words[p.first].Start), End: int(f.Words[p.last].End),
		})
	}
	return out
}

// settle puts spans in order, each once.
func (a *account) settle() {
	slices.SortFunc(a.spans, func(a, b tocsin.Span) int {
		return cmp.Or(
			cmp.Compare(fieldOrder(a.Field), fieldOrder(b.Field)), cmp.Compare(a.Field, b.Field),
			cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End),
			cmp.Compare(a.Term, b.Term), cmp.Compare(a.List, b.List))
	})
	a.spans = slices.Compact(a.spans)
	a.spans = a.spans[:min(len(a.spans), MaxSpans)]
}

func fieldOrder(name string) int {
	if i := slices.Index(spanFields[:], name); i >= 0 {
		return i
	}
	return len(spanFields)
}

// operator is how a query writes an operator of places.
func operator(op Op, n int) string {
	switch op {
	case Near:
		return fmt.Sprintf("NEAR/%d", n)
	case Before:
		return fmt.Sprintf("BEFORE/%d", n)
	case NotNear:
		return fmt.Sprintf("NOT NEAR/%d", n)
	case SameSentence:
		return "SAME/S"
	case SameParagraph:
		return "SAME/P"
	}
	return ""
}

// clip is s, at most n bytes of it.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
