package watchlist

import (
	"slices"
	"strings"

	"tocsin/pipeline/watchlist/words"
)

// A mending is one way to understand what a query leaves open.
type mending struct {
	side      byte // what words side by side are
	order     byte // what OR binds closer than
	lastFirst bool // of proximities in a row the last binds closest, or else the first
	way       int  // of tokens that have several: which of their ways
	local     bool // NOT beside a proximity is NOT NEAR, or else it is about the whole statement
	notLast   bool // what stands after NOT is all that AND joins
}

const (
	aPhrase byte = iota
	allOf
	anyOf
)

const (
	andFirst byte = iota
	orFirst
	orClosest // than proximities: Lexis
)

// doubts are the things that a query leaves open.
type doubts byte

const (
	sideBySide doubts = 1 << iota
	mixedOperators
	looseProximity
	mixedProximities
	severalWays
	notInside
	notBeforeAnd
)

// The limits of what is offered.
const (
	maxRewritten = 16 << 10 // bytes of a query; beyond it a person would not read them
	maxReadings  = 6
	maxTried     = 48
	maxWays      = 3
	localNear    = 10 // the n of NOT NEAR where it is offered for NOT
)

// offers are the queries that what was lexed can be understood as, canonical.
func offers(l *lexer) []string {
	if len(l.query) > maxRewritten {
		return nil
	}
	if !l.hashed {
		return rewrites(l)
	}
	ways := rewrites(lex(l.query, hashWord))
	for _, way := range rewrites(lex(l.query, hashComment)) {
		if len(ways) < maxReadings && !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
	}
	return ways
}

func rewrites(l *lexer) []string {
	toks := findables(l.toks)
	var ways []string
	var met doubts
	tried := 0
	for i := range 3 * 3 * 2 * maxWays * 2 * 2 {
		m, about := mendingOf(i)
		if about&^met != 0 || i > 0 && about == 0 || tried == maxTried || len(ways) == maxReadings {
			continue
		}
		tried++
		p := parser{toks: replaced(toks, m.way), loose: l.loose, mend: &m, weight: 1}
		if m.side == aPhrase {
			p.toks = phrases(p.toks)
		}
		root, err := p.query()
		met |= p.met | doubtsOf(toks)
		if err != nil {
			continue
		}
		if way := root.String(); !slices.Contains(ways, way) && accepted(way) {
			ways = append(ways, way)
		}
	}
	return ways
}

// mendingOf is the i-th mending, and what it is about.
func mendingOf(i int) (mending, doubts) {
	digit := func(base int, about ...doubts) (int, doubts) {
		d := i % base
		i /= base
		if d == 0 {
			return 0, 0
		}
		return d, about[min(d, len(about))-1]
	}
	side, a := digit(3, sideBySide)
	order, b := digit(3, mixedOperators, looseProximity)
	last, c := digit(2, mixedProximities)
	way, d := digit(maxWays, severalWays)
	local, e := digit(2, notInside)
	notLast, f := digit(2, notBeforeAnd)
	return mending{byte(side), byte(order), last == 1, way, local == 1, notLast == 1}, a | b | c | d | e | f
}

// doubtsOf are those that are to be seen before a query is parsed.
func doubtsOf(toks []token) doubts {
	var met doubts
	for i, t := range toks {
		if len(t.ways) > 1 {
			met |= severalWays
		}
		if i > 0 && t.begins() && toks[i-1].ends() {
			met |= sideBySide
		}
	}
	return met
}

// findables are the tokens without those that a rewrite leaves out: what has
// nothing to find, and commas that part nothing.
func findables(toks []token) []token {
	var out []token
	parted := false
	var called []bool // of the parentheses that are open: commas part what is in them
	for _, t := range toks {
		switch {
		case t.kind == emptyToken && len(t.ways) == 0, t.words() && len(t.ways) == 0 && !t.value && !findable(t.text):
			continue
		case t.kind == commaToken && (len(called) == 0 || !called[len(called)-1]):
			parted = true
			continue
		case t.kind == openToken:
			called = append(called, len(out) > 0 && out[len(out)-1].kind == funcToken)
		case t.kind == closeToken && len(called) > 0:
			called = called[:len(called)-1]
		}
		t.apart, parted = parted, false
		out = append(out, t)
	}
	return out
}

// findable reports whether text has a word to look for.
func findable(text string) bool {
	_, err := words.Patterns(text, words.How{})
	return err == nil
}

// replaced are tokens with one of their ways in place of those that have any.
func replaced(toks []token, way int) []token {
	if !slices.ContainsFunc(toks, func(t token) bool { return len(t.ways) > 0 }) {
		return toks
	}
	var out []token
	for _, t := range toks {
		if len(t.ways) == 0 {
			out = append(out, t)
		} else {
			out = append(out, t.ways[min(way, len(t.ways)-1)]...)
		}
	}
	return out
}

// accepted reports whether a rewrite is a query, canonical as it is.
func accepted(query string) bool {
	if len(query) > MaxBytes {
		return false
	}
	l := lex(query, hashRefused)
	p := parser{toks: l.toks, loose: l.loose, weight: 1}
	root, err := p.query()
	return err == nil && root.String() == query
}

// phrases makes words side by side one phrase.
func phrases(toks []token) []token {
	var out []token
	for i := 0; i < len(toks); {
		var texts []string
		from := i
		for ; toks[i].words() && toks[i].mark == toks[from].mark && (i == from || !toks[i].apart); i++ {
			texts = append(texts, toks[i].text)
			if i > 0 && toks[i-1].sign {
				i++
				break
			}
		}
		if len(texts) > 1 {
			text := strings.Trim(strings.Join(texts, " "), "'‘’‚‛")
			out = append(out, token{kind: phraseToken, text: text, mark: toks[from].mark, value: toks[from].value, pos: toks[from].pos})
			continue
		}
		i = from + 1
		out = append(out, toks[from])
	}
	return out
}

// maxDistributed bounds the parts that a rewrite makes of a proximity.
const maxDistributed = 64

// distribute puts a proximity beside each part of AND, OR and NOT in its sides.
func (p *parser) distribute(t token, a, b *Node) (*Node, bool) {
	if excludesOnly(a) || excludesOnly(b) {
		return nil, false
	}
	if p.mend.local {
		a, b = locally(a), locally(b)
	}
	if a.Op == Not || b.Op == Not {
		p.met |= notInside
	}
	left, ok := maxDistributed, true
	pair := func(x, y *Node) *Node {
		if left--; left < 0 {
			ok = false
		}
		return &Node{Op: t.op, N: t.n, Kids: []*Node{x, y}}
	}
	if t.op == NotNear {
		n, fine := p.within(a, func(x *Node) *Node {
			y, fine := without(x, b, pair)
			if ok = ok && fine; !fine {
				return x
			}
			return y
		}, func(v *Node) *Node { return both([]*Node{v, {Op: Not, Kids: []*Node{nil, b}}}) })
		return n, ok && fine && n.Op != Value
	}
	n, fine := p.within(a, func(x *Node) *Node {
		if left < 0 {
			return x
		}
		y, fine := p.within(b, func(y *Node) *Node { return pair(x, y) }, func(v *Node) *Node { return both([]*Node{x, v}) })
		if ok = ok && fine; !ok {
			return x
		}
		return y
	}, func(v *Node) *Node { return both([]*Node{v, b}) })
	return n, ok && fine
}

// within applies f to each part of n that stands for places, and of to each value.
func (p *parser) within(n *Node, f, of func(*Node) *Node) (*Node, bool) {
	switch {
	case n == nil || excludesOnly(n):
		return nil, false
	case n.places():
		return f(n), true
	case n.Op == Value:
		return of(n), true
	case n.Op == ScopeOf:
		return nil, false
	}
	kids := slices.Clone(n.Kids)
	for i, k := range kids {
		if n.Op == Not && i > 0 {
			break
		}
		var ok bool
		if kids[i], ok = p.within(k, f, of); !ok {
			return nil, false
		}
	}
	out := *n
	switch out.Kids = kids; {
	case n.Op == And:
		return both(kids), true
	case n.Op == Or:
		return alternatives(kids), true
	case n.Op == Not:
		return both([]*Node{&out}), true
	case n.Op == AtLeast && !kids[0].places():
		return nil, false
	}
	return &out, true
}

// without leaves out of x what has y near it, where y may be AND, OR and values.
func without(x, y *Node, pair func(x, y *Node) *Node) (*Node, bool) {
	switch {
	case y.places():
		return pair(x, y), true
	case y.Op == Value:
		return both([]*Node{x, {Op: Not, Kids: []*Node{nil, y}}}), true
	case y.Op == And:
		var sides []*Node
		for _, k := range y.Kids {
			n, ok := without(x, k, pair)
			if !ok {
				return nil, false
			}
			sides = append(sides, n)
		}
		return alternatives(sides), true
	case y.Op == Or:
		for _, k := range y.Kids {
			if !x.places() {
				return nil, false
			}
			n, ok := without(x, k, pair)
			if !ok {
				return nil, false
			}
			x = n
		}
		return x, true
	}
	return nil, false
}

// locally is n with what it excludes left out only where it is near.
func locally(n *Node) *Node {
	if n.Op != Not || slices.ContainsFunc(n.Kids, func(k *Node) bool { return k == nil || !k.places() }) {
		return n
	}
	out := n.Kids[0]
	for _, k := range n.Kids[1:] {
		out = &Node{Op: NotNear, N: localNear, Pos: n.Pos, Kids: []*Node{out, k}}
	}
	return out
}
