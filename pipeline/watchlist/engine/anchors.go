package engine

import (
	"cmp"
	"slices"
)

// An anchor is a symbol that a program waits for, and what else has to be there
// for it to be worth running: one of two symbols.
type anchor struct {
	at   symbol
	need [2]symbol
	cost float64 // of the need; 0 is none
}

// never is the cost of what cannot be waited for.
const never = 1e18

// anchor puts a rule behind the cheapest symbols of which one is there wherever
// it matches.
func (e *edit) anchor(p pending) {
	if p.code == nil {
		return
	}
	cost, as := e.cover(p.code)
	if cost >= never || len(as) > anchorCount {
		e.always = append(e.always[:len(e.always):len(e.always)], p.rule)
		as = nil
	}
	prog := make(program, 0, 1+len(as)+len(p.code))
	prog = append(prog, uint32(len(as)))
	if p.with.reference {
		prog[0] |= asksReference
	}
	for _, a := range as {
		prog = append(prog, uint32(a.at))
		e.wait(a, p.rule)
	}
	*e.programs.at(e.owner, p.rule) = append(prog, p.code...)
}

// wait lets a rule follow from an anchor.
func (e *edit) wait(a anchor, rule uint32) {
	at := e.outOf(a.at)
	*at = e.append(*at, follow{rule, a.need})
}

func (e *edit) outOf(s symbol) *out {
	if s.phrase() {
		return &e.phrases.at(e.owner, s.n()).out
	}
	return &e.vocabulary.words.at(e.owner, s.n()).out
}

// detach undoes anchor.
func (e *edit) detach(rule uint32, p program) {
	if len(p.anchors()) == 0 {
		e.always = without(e.always, rule)
	}
	for _, a := range p.anchors() {
		at := e.outOf(symbol(a))
		*at = e.drop(*at, rule)
	}
}

// anchorShared puts a shared node behind its anchors. One that has none always
// may hold, and so do the rules that wait for nothing else.
func (e *edit) anchorShared(n uint32) {
	cost, as := e.cover(e.shared.get(n))
	e.costs[n] = cost
	if cost >= never {
		return
	}
	for _, a := range as {
		at := e.outOf(a.at)
		*at = e.append(*at, follow{rule: n | isShared})
	}
}

// detachShared undoes anchorShared, whatever its anchors were.
func (e *edit) detachShared(n uint32) {
	e.eachSymbol(e.shared.get(n), func(s symbol) {
		at := e.outOf(s)
		*at = e.drop(*at, n|isShared)
	})
	delete(e.costs, n)
}

// eachSymbol calls f with the symbols of a node, among them its anchors.
func (e *edit) eachSymbol(code []uint32, f func(symbol)) {
	switch opOf(code[0]) {
	case opTrue, opValue:
	case opSymbol:
		f(symbol(argOf(code[0])))
	case opShared:
		f(wordOf(argOf(code[0])))
	case opSequence:
		for _, s := range code[1:][:argOf(code[0])] {
			f(symbol(s))
		}
	default:
		for _, k := range kids(code) {
			e.eachSymbol(k, f)
		}
	}
}

func (e *edit) sharedCost(n uint32) float64 {
	c, ok := e.costs[n]
	if !ok {
		c, _ = e.cover(e.shared.get(n))
		e.costs[n] = c
	}
	return c
}

// cover is the cheapest set of symbols of which one is present wherever a node
// holds.
func (e *edit) cover(code []uint32) (float64, []anchor) {
	switch op := opOf(code[0]); op {
	case opShared:
		return e.sharedCost(argOf(code[0])), []anchor{{at: wordOf(argOf(code[0]))}}
	case opSymbol:
		s := symbol(argOf(code[0]))
		return e.cost(s), []anchor{{at: s}}
	case opSequence:
		return e.rarest(code[1:][:argOf(code[0])])
	case opScoped, opAtLeast, opNot, opNotNear:
		return e.cover(code[head(op):])
	case opOr:
		return together(e.coverings(code))
	case opAny:
		return e.coverAny(code)
	case opAnd, opNear, opBefore:
		return e.coverAnd(code)
	}
	return never, nil
}

// kids are the kids of a node.
func kids(code []uint32) [][]uint32 {
	n := argOf(code[0])
	out := make([][]uint32, 0, n)
	rest := code[head(opOf(code[0])):]
	for range n {
		s := size(rest)
		out = append(out, rest[:s])
		rest = rest[s:]
	}
	return out
}

// rarest is the symbol of a sequence that is found least, with the next as its
// need.
func (e *edit) rarest(ss []uint32) (float64, []anchor) {
	best, second := -1, -1
	for i := range ss {
		switch c := e.cost(symbol(ss[i])); {
		case best < 0 || c < e.cost(symbol(ss[best])):
			best, second = i, best
		case ss[i] != ss[best] && (second < 0 || c < e.cost(symbol(ss[second]))):
			second = i
		}
	}
	a := anchor{at: symbol(ss[best])}
	if second >= 0 {
		a.need = [2]symbol{symbol(ss[second]), symbol(ss[second])}
		a.cost = e.cost(symbol(ss[second]))
	}
	return e.cost(a.at), []anchor{a}
}

// A covering is what cover says of one node.
type covering struct {
	cost float64
	by   []anchor
}

func (e *edit) coverings(code []uint32) []covering {
	ks := kids(code)
	cs := make([]covering, len(ks))
	for i, k := range ks {
		cs[i].cost, cs[i].by = e.cover(k)
	}
	return cs
}

// together covers all of several nodes.
func together(cs []covering) (float64, []anchor) {
	sum := 0.0
	var all []anchor
	for _, c := range cs {
		if c.cost >= never {
			return never, nil
		}
		sum += c.cost
		all = append(all, c.by...)
	}
	return sum, all
}

// coverAny covers all kids but N-1, the cheapest: one of them holds.
func (e *edit) coverAny(code []uint32) (float64, []anchor) {
	cs := e.coverings(code)
	n := len(cs) - int(code[2]) + 1
	if code[2] == 0 || n <= 0 {
		return never, nil
	}
	slices.SortFunc(cs, func(a, b covering) int { return cmp.Compare(a.cost, b.cost) })
	return together(cs[:n])
}

// coverAnd covers the cheapest kid; the cheapest of the others is what its
// anchors need.
func (e *edit) coverAnd(code []uint32) (float64, []anchor) {
	cs := e.coverings(code)
	best := slices.MinFunc(cs, func(a, b covering) int { return cmp.Compare(a.cost, b.cost) })
	if best.cost >= never {
		return never, nil
	}
	need, skipped := anchor{cost: never}, false
	for _, c := range cs {
		if !skipped && c.cost == best.cost {
			skipped = true
			continue
		}
		if n := len(c.by); c.cost < need.cost && (n == 1 || n == 2) {
			need = anchor{need: [2]symbol{c.by[0].at, c.by[n-1].at}, cost: c.cost}
		}
	}
	if need.cost < never {
		for i, a := range best.by {
			if a.cost == 0 || need.cost < a.cost {
				best.by[i].need, best.by[i].cost = need.need, need.cost
			}
		}
	}
	return best.cost, best.by
}

// cost is how often a symbol is found, guessed.
func (e *edit) cost(s symbol) float64 {
	if s.phrase() {
		return 8 / float64(e.phrases.get(s.n()).words)
	}
	w := e.vocabulary.words.get(s.n())
	c := 4*float64(w.refs) + 1000/float64(uint(1)<<min(len(w.form), 30))
	if w.kind != closed {
		c *= 3
	}
	return c
}
