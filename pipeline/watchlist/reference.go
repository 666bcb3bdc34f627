package watchlist

import (
	"slices"

	"tocsin"
	"tocsin/pipeline/watchlist/words"
)

// A Result says why a document matches.
type Result struct {
	// Spans are the places of the terms that had a part in it: title, text,
	// rest, url, author, tag, then values; by Start, and of those that begin
	// together the shorter first. Each is there once, and at most the first
	// MaxSpans are. They may overlap. Terms after NOT have none.
	Spans []tocsin.Span
	// Branch is the query cut down to what was found, see MaxBranch.
	Branch string
}

// Match holds a rule against a document, plainly: it is what every faster way
// is checked against, and what is asked before an alert. Of a document of w
// words it takes time of w log w for each part of the rule, and for each word
// of a term.
func (r *Rule) Match(d *Document) (Result, bool) {
	m := newMatching(d)
	if !m.holds(r.Root) {
		return Result{}, false
	}
	return m.result(r), true
}

// Holds is Match without the why.
func (r *Rule) Holds(d *Document) bool { return newMatching(d).holds(r.Root) }

// A side is which of its kids' places a Before stands for.
type side uint8

const (
	bothSides side = iota
	lastSide       // those that end it
	firstSide      // those that begin it
)

type asked struct {
	e    *Expr
	side side
}

// A matching is one document and what was found in it so far.
type matching struct {
	d     *Document
	held  map[*Expr]bool
	found map[asked]*set
	lists map[*Expr]missed // see miss
	steps int              // words and places looked at: what a test bounds
}

func newMatching(d *Document) *matching {
	return &matching{d: d, held: map[*Expr]bool{}, found: map[asked]*set{}, lists: map[*Expr]missed{}}
}

func (m *matching) holds(e *Expr) bool {
	if e.Op == Term {
		return m.decide(e)
	}
	held, ok := m.held[e]
	if !ok {
		held = m.decide(e)
		m.held[e] = held
	}
	return held
}

func (m *matching) decide(e *Expr) bool {
	switch e.Op {
	case And:
		return !slices.ContainsFunc(e.Kids, func(k *Expr) bool { return !m.holds(k) })
	case Or:
		return slices.ContainsFunc(e.Kids, m.holds)
	case Not:
		return m.holds(e.Kids[0]) && !slices.ContainsFunc(e.Kids[1:], m.holds)
	case Any:
		return len(m.holding(e.Kids)) >= e.N
	case AtLeast:
		return m.places(e.Kids[0], bothSides).distinct() >= e.N
	case Value:
		return m.d.Fits(e)
	}
	return len(m.places(e, bothSides).places) > 0
}

// holding are the numbers of the kids that hold.
func (m *matching) holding(kids []*Expr) []int {
	var out []int
	for i, k := range kids {
		if m.holds(k) {
			out = append(out, i)
		}
	}
	return out
}

// places are those of e, which stands for places.
func (m *matching) places(e *Expr, want side) *set {
	if e.Op == Term {
		return m.term(e) // sooner found than remembered
	}
	if e.Op != Before && e.Op != Or && e.Op != NotNear {
		want = bothSides
	}
	key := asked{e, want}
	s := m.found[key]
	if s == nil {
		s = m.find(e, want)
		m.found[key] = s
		m.steps += len(s.places)
	}
	return s
}

func (m *matching) find(e *Expr, want side) *set {
	switch e.Op {
	case Term:
		return m.term(e)
	case Regex:
		return m.regex(e)
	case Or:
		var all []*set
		for _, k := range e.Kids {
			if s := m.places(k, want); len(s.places) > 0 {
				all = append(all, s)
			}
		}
		return union(all...)
	case NotNear:
		a, b := m.sides(e, want)
		return a.keep(func(p place) bool { return !b.overlaps(p) && !m.near(b, p, e.N) })
	case Before:
		a, b := m.sides(e, want)
		switch want {
		case firstSide:
			return m.partnered(e, a, b, 0)
		case lastSide:
			return m.partnered(e, b, a, 1)
		}
		return union(m.partnered(e, a, b, 0), m.partnered(e, b, a, 1))
	}
	a, b := m.sides(e, want)
	return union(m.partnered(e, a, b, 0), m.partnered(e, b, a, 1))
}

// sides are the places of the two kids of e that it relates to each other. If
// the first has none, it does not matter what the second has.
func (m *matching) sides(e *Expr, want side) (a, b *set) {
	first, second := bothSides, bothSides
	switch e.Op {
	case Before:
		first, second = lastSide, firstSide
	case NotNear:
		first = want
	}
	if a = m.places(e.Kids[0], first); len(a.places) == 0 {
		return nothing, nothing
	}
	return a, m.places(e.Kids[1], second)
}

// partnered are the places of the kid of e with the number n that have a
// partner among those of the other.
func (m *matching) partnered(e *Expr, kid, other *set, n int) *set {
	m.steps += len(kid.places) + len(other.places)
	switch e.Op {
	case Near:
		return kid.keep(func(p place) bool { return m.near(other, p, e.N) })
	case Before:
		if n == 0 {
			return kid.keep(func(p place) bool { return m.follows(other, p, e.N) })
		}
		return kid.keep(func(p place) bool { return m.precedes(other, p, e.N) })
	}
	with := m.stretches(other, e.Op)
	return kid.keep(func(p place) bool {
		s, ok := with[m.stretch(p, e.Op)]
		return ok && (s.endsFirst < p.first || s.beginsLast > p.last)
	})
}

// near reports whether a place of s has at most n words between it and p.
func (m *matching) near(s *set, p place, n int) bool {
	return m.precedes(s, p, n) || m.follows(s, p, n)
}

// precedes reports whether a place of s ends at most n words before p.
func (m *matching) precedes(s *set, p place, n int) bool {
	q, ok := s.previous(p)
	return ok && m.within(q, p, n)
}

// follows reports whether a place of s begins at most n words after p.
func (m *matching) follows(s *set, p place, n int) bool {
	q, ok := s.next(p)
	return ok && m.within(p, q, n)
}

// within reports whether at most n words stand between a and b, which is later.
func (m *matching) within(a, b place, n int) bool {
	gap, ok := m.gap(a, b)
	return ok && gap <= 2*n
}

// gap is how many half-words stand between a and b, which is later. It reports
// false if they are in different values.
func (m *matching) gap(a, b place) (int, bool) {
	f := m.d.field(int(a.field))
	return int(f.Gap(int(a.last), int(b.first))), f.part(int(a.last)) == f.part(int(b.first))
}

// term finds the places where the words of a term follow one another.
func (m *matching) term(e *Expr) *set {
	var out []place
	if !m.d.speaks(e.Lang) {
		return nothing
	}
	for n := range fields {
		if e.Scope.In&fieldBits[n] == 0 {
			continue
		}
		f := m.d.field(n)
		at := f.candidates(e.Words[0])
		m.steps += len(at)
		for _, i := range at {
			p := place{int32(n), i, i + int32(len(e.Words)) - 1}
			if f.follow(int(i), e.Words) && f.inScope(p, e.Scope) {
				out = append(out, p)
			}
		}
	}
	if out == nil {
		return nothing
	}
	return &set{places: out}
}

// follow reports whether the words from i on are ps, with nothing between that
// no place goes over.
func (f *cutField) follow(i int, ps []words.Pattern) bool {
	if i+len(ps) > len(f.Words) {
		return false
	}
	for j, p := range ps {
		if j > 0 && f.Words[i+j].Broken && !p.Broken || !p.Matches(f.Text, i+j) {
			return false
		}
	}
	return f.part(i) == f.part(i+len(ps)-1)
}

func (f *cutField) inScope(p place, s Scope) bool {
	if p.field == textField && s.In&InText == 0 && int(p.last) >= f.lead {
		return false
	}
	return s.First == 0 || int(f.Words[p.last].Next) <= 2*s.First
}

// A stretchKey is a sentence or paragraph of a value of a field.
type stretchKey struct {
	field, number int32
	part          int
}

// A stretch is where the places in a sentence or paragraph lie that end first
// and begin last.
type stretch struct{ endsFirst, beginsLast int32 }

func (m *matching) stretch(p place, op Op) stretchKey {
	f := m.d.field(int(p.field))
	key := stretchKey{field: p.field, part: f.part(int(p.first))}
	switch {
	case p.field == titleField, p.field == authorField, p.field == tagField:
	case op == SameSentence:
		key.number = f.Sentence(int(p.first))
	default:
		key.number = f.Paragraph(int(p.first))
	}
	return key
}

func (m *matching) stretches(s *set, op Op) map[stretchKey]stretch {
	out := map[stretchKey]stretch{}
	for _, p := range s.places {
		key := m.stretch(p, op)
		s, ok := out[key]
		if !ok {
			s = stretch{p.last, p.first}
		}
		out[key] = stretch{min(s.endsFirst, p.last), max(s.beginsLast, p.first)}
	}
	return out
}
