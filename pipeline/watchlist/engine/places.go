package engine

import (
	"cmp"
	"slices"
	"sort"

	"tocsin/pipeline/watchlist"
)

// A place is a run of tokens, from the first to the last, as watchlist.Expr
// explains.
type place struct{ first, last int32 }

// An occurrence is a place of a phraseSymbol.
type occurrence struct {
	phrase      uint32
	first, last int32
}

// A side is which of its kids' places a node of opBefore stands for.
type side uint8

const (
	bothSides side = iota
	lastSide       // those that end it
	firstSide      // those that begin it
	sides
)

// positions say where the words of a document stand. They are worked out when a
// program asks for the first.
type positions struct {
	logged []occurrence // every phraseSymbol that was found

	built       bool
	epoch       uint32    // of the document: what is of another is no more
	at          []int32   // half-words before each token, see words.Word; fields lie far apart
	next        []int32   // the next token of the same number, or -1
	heads       []stamped // by wordSymbol, the first token
	pseudoHeads []stamped // the same by pseudo
	bears       []stamped // by wordSymbol, the first of those bearers that have it among their meanings
	bearer      []bearer
	logs        []stamped // by phraseSymbol, its first occurrence
	after       []int32   // the next occurrence of the same
	cached      []stamped // by symbol, which of sets is its
	sets        []cachedSet
	spots       []place // of sets
	arena       []place // of the program that is run
}

// A stamped number is one of the document with the epoch in its upper half.
type stamped uint64

// A bearer is a token number that has a meaning.
type bearer struct {
	token uint32
	next  int32
}

type cachedSet struct {
	done [sides]bool
	by   [sides][]place
}

func grown[T any](s []T, n int) []T {
	if n <= len(s) {
		return s
	}
	return append(s, make([]T, n-len(s))...)
}

func (p *positions) grow(x *Index) {
	ws, ps := int(x.vocabulary.free.n)+1, int(x.phraseIDs.n)+1
	p.heads, p.bears = grown(p.heads, ws), grown(p.bears, ws)
	p.logs, p.cached = grown(p.logs, ps), grown(p.cached, 2*max(ws, ps))
}

func (p *positions) of(list []stamped, n uint32) int32 {
	if s := list[n]; uint32(s>>32) == p.epoch {
		return int32(uint32(s))
	}
	return -1
}

func (p *positions) set(list []stamped, n uint32, i int32) {
	list[n] = stamped(p.epoch)<<32 | stamped(uint32(i))
}

// fieldGap is how many half-words lie between fields: more than any distance that a
// query may ask for.
const fieldGap = 1 << 15

// build works out where words stand.
func (m *Matcher) build() {
	if m.built {
		return
	}
	m.built = true
	if m.epoch++; m.epoch == 0 { // stamps of long ago would be valid again
		m.epoch = 1
		for _, list := range [][]stamped{m.heads, m.pseudoHeads, m.bears, m.logs, m.cached} {
			clear(list)
		}
	}
	m.pseudoHeads = grown(m.pseudoHeads, len(m.pseudos))
	m.bearer, m.spots = m.bearer[:0], m.spots[:0]
	m.sets = m.sets[:0]
	m.measure()
	m.next = grown(m.next, m.k)
	for i := m.k - 1; i >= 0; i-- {
		w := m.cells[i].token()
		if w&tokenAlone == 0 {
			continue
		}
		list, n := m.heads, w&tokenNumber
		if n >= firstPseudo {
			list, n = m.pseudoHeads, n-firstPseudo
		}
		after := m.of(list, n)
		m.next[i] = after
		m.set(list, n, int32(i))
		if after < 0 && w&tokenMore != 0 {
			for _, p := range m.meaningsOf(w) {
				m.bearer = append(m.bearer, bearer{w & tokenNumber, m.of(m.bears, p)})
				m.set(m.bears, p, int32(len(m.bearer)-1))
			}
		}
	}
	m.after = grown(m.after, len(m.logged))
	for i := len(m.logged) - 1; i >= 0; i-- {
		n := m.logged[i].phrase
		m.after[i] = m.of(m.logs, n)
		m.set(m.logs, n, int32(i))
	}
}

// measure works out how many half-words stand before each token.
func (m *Matcher) measure() {
	m.at = grown(m.at, m.k+1)
	at := int32(0)
	for i, f := range m.fields {
		end := m.k
		if i+1 < len(m.fields) {
			end = m.fields[i+1].from
		}
		m.at[f.from] = at // the last word before it is followed by nothing
		at += fieldGap
		for j := f.from + 1; j < end; j++ {
			m.at[j] = at
			switch w := m.cells[j].token(); {
			case w&tokenJoined != 0:
			case w&tokenPacked != 0:
				at++
			case !m.joins(f.text, j):
				at += 2
			}
		}
	}
	m.at[m.k] = at
}

// joins reports whether a hyphen or a dot alone stands between token i and the
// one before, which are of two runs.
func (m *Matcher) joins(text string, i int) bool {
	s := m.cells[i].start()
	if s < 2 || text[s-1] != '-' && text[s-1] != '.' {
		return false
	}
	return m.cells[i].token()&tokenBegins == 0 && m.cells[i-1].token()&(tokenEnds|tokenPacked) == 0 && inRun(text[s-2])
}

// gap is how many half-words stand between a and b, which is later.
func (m *Matcher) gap(a, b place) int32 { return m.at[b.first] - m.at[a.last+1] }

// cache is where the places of a symbol are kept.
func (m *Matcher) cache(s symbol) *cachedSet {
	i := m.of(m.cached, uint32(s))
	if i < 0 {
		i = int32(len(m.sets))
		m.set(m.cached, uint32(s), i)
		m.sets = append(m.sets, cachedSet{})
	}
	return &m.sets[i]
}

// spotsOf is the places of a word or phrase, in any field.
func (m *Matcher) spotsOf(s symbol) []place {
	m.build()
	c := m.cache(s)
	if c.done[bothSides] {
		return c.by[bothSides]
	}
	from := len(m.spots)
	if s.phrase() {
		for i := m.of(m.logs, s.n()); i >= 0; i = m.after[i] {
			m.spots = append(m.spots, place{m.logged[i].first, m.logged[i].last})
		}
	} else {
		m.collect(m.of(m.heads, s.n()))
		for b := m.of(m.bears, s.n()); b >= 0; b = m.bearer[b].next {
			if n := m.bearer[b].token; n >= firstPseudo {
				m.collect(m.of(m.pseudoHeads, n-firstPseudo))
			} else {
				m.collect(m.of(m.heads, n))
			}
		}
		order(m.spots[from:])
	}
	c.done[bothSides], c.by[bothSides] = true, m.spots[from:len(m.spots):len(m.spots)]
	return c.by[bothSides]
}

// collect adds the tokens of a chain.
func (m *Matcher) collect(i int32) {
	for ; i >= 0; i = m.next[i] {
		m.spots = append(m.spots, place{i, i})
	}
}

func byFirst(a, b place) int {
	return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last))
}

func order(ps []place) {
	if !slices.IsSortedFunc(ps, byFirst) {
		slices.SortFunc(ps, byFirst)
	}
}

// places are those of a node, in order. They are valid until the next program
// is run.
func (m *Matcher) places(code []uint32, want side) []place {
	m.build()
	switch w := code[0]; opOf(w) {
	case opSymbol:
		return m.inside(m.spotsOf(symbol(argOf(w))))
	case opShared:
		return m.sharedPlaces(argOf(w), want)
	case opSequence:
		return m.inside(m.sequence(code[1:][:argOf(w)]))
	case opScoped:
		return m.scopedPlaces(code)
	case opOr:
		return m.union(code, want)
	case opNear:
		a, b := code[3:], code[3+size(code[3:]):]
		as, bs := m.places(a, bothSides), m.places(b, bothSides)
		return m.merge(m.partners(as, bs, code[2], true, true), m.partners(bs, as, code[2], true, true))
	case opBefore:
		return m.before(code, want)
	case opNotNear:
		a, b := code[3:], code[3+size(code[3:]):]
		return m.notNear(m.places(a, want), m.places(b, bothSides), code[2])
	}
	return nil
}

// inside is the places in title and text.
func (m *Matcher) inside(ps []place) []place {
	if m.limit == m.k {
		return ps
	}
	return ps[:sort.Search(len(ps), func(i int) bool { return int(ps[i].first) >= m.limit })]
}

// kept is what was added to the arena since it had n places, in order and each
// once.
func (m *Matcher) kept(n int) []place {
	order(m.arena[n:])
	ps := slices.Compact(m.arena[n:])
	m.arena = m.arena[:n+len(ps)]
	return m.arena[n : n+len(ps) : n+len(ps)]
}

// sequence finds where symbols stand side by side.
func (m *Matcher) sequence(ss []uint32) []place {
	from, at := len(m.arena), 0
	var rare []place
	for i, s := range ss { // the rarest tells where to look
		if ps := m.spotsOf(symbol(s)); i == 0 || len(ps) < len(rare) {
			rare, at = ps, i
		}
	}
	for _, p := range rare {
		first := int(p.first) - at
		if first < 0 || first+len(ss) > m.k {
			continue
		}
		if m.stand(first, ss) {
			m.arena = append(m.arena, place{int32(first), int32(first + len(ss) - 1)})
		}
	}
	return m.kept(from)
}

func (m *Matcher) stand(first int, ss []uint32) bool {
	for i, s := range ss {
		if !m.means(m.cells[first+i].token(), symbol(s).n()) {
			return false
		}
	}
	return true
}

// means reports whether a token is, or stands for, a wordSymbol.
func (m *Matcher) means(w token, n uint32) bool {
	return w&(tokenNumber|tokenRaw) == n || w&tokenMore != 0 && slices.Contains(m.meaningsOf(w), n)
}

func (m *Matcher) sharedPlaces(n uint32, want side) []place {
	if c := m.cache(wordOf(n)); c.done[want] {
		return c.by[want]
	}
	found := m.places(m.index.shared.get(n), want)
	from := len(m.spots)
	m.spots = append(m.spots, found...)
	c := m.cache(wordOf(n))
	c.done[want], c.by[want] = true, m.spots[from:len(m.spots):len(m.spots)]
	return c.by[want]
}

func (m *Matcher) scopedPlaces(code []uint32) []place {
	if lang := code[3]; lang != 0 && m.lang != 0 && m.lang != lang {
		return nil
	}
	from := len(m.arena)
	var all []place
	if inner := code[4:]; opOf(inner[0]) == opSymbol {
		all = m.spotsOf(symbol(argOf(inner[0])))
	} else {
		all = m.sequence(inner[1:][:argOf(inner[0])])
		from = len(m.arena)
	}
	for _, p := range all {
		if m.within(p, code[2]) {
			m.arena = append(m.arena, p)
		}
	}
	return m.arena[from:len(m.arena):len(m.arena)]
}

// within reports whether a place is in scope.
func (m *Matcher) within(p place, scope uint32) bool {
	f := &m.fields[sort.Search(len(m.fields), func(i int) bool { return m.fields[i].from > int(p.first) })-1]
	if f.in&watchlist.Fields(scope) == 0 {
		return false
	}
	first := int32(scope >> firstBit)
	return first == 0 || m.at[p.last+1]-m.at[f.from+1] <= 2*first
}

func (m *Matcher) union(code []uint32, want side) []place {
	from := len(m.arena)
	rest := code[2:]
	for range argOf(code[0]) {
		if m.may(rest) {
			// Places of the kid that lie in the arena lie behind from, and are
			// then there twice, or with others that led to them.
			at := len(m.arena)
			ps := m.places(rest, want)
			m.arena = append(m.arena[:at], ps...)
		}
		rest = rest[size(rest):]
	}
	return m.kept(from)
}

func (m *Matcher) merge(a, b []place) []place {
	from := len(m.arena)
	m.arena = append(append(m.arena, a...), b...)
	return m.kept(from)
}

// partners are the places of ps that have one of others at most n words before
// or after them.
func (m *Matcher) partners(ps, others []place, n uint32, before, after bool) []place {
	from := len(m.arena)
	var ends []place
	if before {
		ends = m.ends(others)
		from = len(m.arena)
	}
	for _, p := range ps {
		if before && m.precedes(ends, p, n) || after && m.follows(others, p, n) {
			m.arena = append(m.arena, p)
		}
	}
	return m.arena[from:len(m.arena):len(m.arena)]
}

// ends is places in the order of their last tokens.
func (m *Matcher) ends(ps []place) []place {
	byLast := func(a, b place) int { return cmp.Or(cmp.Compare(a.last, b.last), cmp.Compare(a.first, b.first)) }
	if slices.IsSortedFunc(ps, byLast) {
		return ps
	}
	from := len(m.arena)
	m.arena = append(m.arena, ps...)
	slices.SortFunc(m.arena[from:], byLast)
	return m.arena[from:len(m.arena):len(m.arena)]
}

// precedes reports whether one of places in the order of their ends stands at
// most n words before p.
func (m *Matcher) precedes(ends []place, p place, n uint32) bool {
	i := sort.Search(len(ends), func(i int) bool { return ends[i].last >= p.first })
	return i > 0 && m.gap(ends[i-1], p) <= 2*int32(n)
}

func (m *Matcher) follows(ps []place, p place, n uint32) bool {
	i := sort.Search(len(ps), func(i int) bool { return ps[i].first > p.last })
	return i < len(ps) && m.gap(p, ps[i]) <= 2*int32(n)
}

func (m *Matcher) before(code []uint32, want side) []place {
	a, b := code[3:], code[3+size(code[3:]):]
	as, bs := m.places(a, lastSide), m.places(b, firstSide)
	switch want {
	case firstSide:
		return m.partners(as, bs, code[2], false, true)
	case lastSide:
		return m.partners(bs, as, code[2], true, false)
	}
	return m.merge(m.partners(as, bs, code[2], false, true), m.partners(bs, as, code[2], true, false))
}

// notNear is the places of as that share no token with any of bs, and have none
// of them at most n words away.
func (m *Matcher) notNear(as, bs []place, n uint32) []place {
	ends, long := m.ends(bs), longest(bs)
	from := len(m.arena)
	for _, p := range as {
		if !m.precedes(ends, p, n) && !m.follows(bs, p, n) && !overlaps(bs, long, p) {
			m.arena = append(m.arena, p)
		}
	}
	return m.arena[from:len(m.arena):len(m.arena)]
}

// overlaps reports whether one of ps, of which none has more than long tokens,
// shares one with p.
func overlaps(ps []place, long int32, p place) bool {
	i := sort.Search(len(ps), func(i int) bool { return ps[i].first > p.last }) - 1
	for ; i >= 0 && ps[i].first+long > p.first; i-- {
		if ps[i].last >= p.first {
			return true
		}
	}
	return false
}

// longest is how many tokens a place has at most.
func longest(ps []place) int32 {
	n := int32(0)
	for _, p := range ps {
		n = max(n, p.last-p.first+1)
	}
	return n
}

// near reports whether a node of opNear holds.
func (m *Matcher) near(code []uint32) bool {
	a, b := code[3:], code[3+size(code[3:]):]
	as, bs := m.places(a, bothSides), m.places(b, bothSides)
	if len(as) > len(bs) {
		as, bs = bs, as
	}
	ends := m.ends(bs)
	for _, p := range as {
		if m.precedes(ends, p, code[2]) || m.follows(bs, p, code[2]) {
			return true
		}
	}
	return false
}
