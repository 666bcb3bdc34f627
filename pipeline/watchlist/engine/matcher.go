package engine

import (
	"tocsin/pipeline/watchlist"
)

// A Matcher holds documents against an index. One goroutine at a time may use
// it. It keeps what it has learnt of words, so it gets faster as it goes.
type Matcher struct {
	index *Index

	// What runs are, see forget.
	table      []entry
	shift      uint8
	entries    int
	age        uint32
	longs      map[string]known
	composites []composite
	pool       []token
	hashes     []uint64 // of the pool's words
	more       []uint32 // by wordSymbol, where its meanings are, or 0
	pseudos    []uint32
	pseudoOf   map[string]token
	meanings   []uint32
	scratch    []byte
	stems      map[stemKey]string
	full, lost bool

	// The document's tokens.
	edges      [64*chunk + 128]uint32
	cells      []cell
	k          int
	limit      int // the first token after title and text
	fields     []field
	last       int  // where the run before ended, or -1
	lastLength uint // what it had, or 1 if it is a single letter
	skip       int  // runs that begin before were part of another
	broke      bool // since the last packed letter
	slowAt     int  // how many tokens there were after add last added some
	slowFrom   int  // where its run began
	slowTok    int  // how many tokens there were before

	asked   filter   // the runs of ASCII letters and digits that are looked up
	phrases filter   // the first two words of phrases
	forms   []uint64 // the hashes of tokens' forms
	pairs   []uint32 // tokens that may be the second of a phrase
	pairsN  int
	alone   []uint32 // those with tokenAlone
	aloneN  int

	// What is there.
	present   bitset // symbols in title and text
	beyond    bitset // symbols in other fields
	marked    []symbol
	anchors   []out
	rules     bitset   // candidates and matches, each once
	found     []uint32 // candidates
	hits      []uint32
	lists     [][]follow
	programs  []program
	strange   bitset // pseudos that were looked at
	strangers []uint32
	touched   uint64 // so that touch is not optimised away

	positions
	knownHolds, doHold bitset // shared nodes that were run, and that hold
	memos              []uint32

	doc  *watchlist.Document
	lang uint32 // of the document; 0 is unknown
}

// Matcher is a new matcher of an index.
func (x *Index) Matcher() *Matcher {
	m := &Matcher{
		table: make([]entry, minEntries), shift: 64 - 12,
		longs: map[string]known{}, pseudoOf: map[string]token{}, stems: map[stemKey]string{},
	}
	m.Use(x)
	return m
}

// Use makes the matcher follow another index, in most cases a newer one.
func (m *Matcher) Use(x *Index) {
	if m.index == x {
		return
	}
	old := m.index
	m.index = x
	m.present.grow(2 * (int(max(x.vocabulary.free.n, x.phraseIDs.n)) + 1))
	m.beyond.grow(len(m.present) * 64)
	m.rules.grow(int(x.ruleIDs.n) + 1)
	m.knownHolds.grow(len(m.present) * 64)
	m.doHold.grow(len(m.present) * 64)
	m.positions.grow(x)
	if n := int(x.vocabulary.free.n) + 1; n > len(m.more) {
		m.more = append(m.more, make([]uint32, n-len(m.more))...)
	}
	m.phrases, m.asked = x.trie.pairs, x.vocabulary.asked
	if x.vocabulary.patterns() {
		m.asked = everything
	}
	if old == nil || old.vocabulary.stamp != x.vocabulary.stamp {
		m.forget()
	}
}

// everything is the filter of an index with patterns, which any word may fit.
var everything = filter{bits: []uint64{^uint64(0), ^uint64(0)}, shift: 63}

// Match calls hit with the name of every rule that the document matches, each
// once, in no order.
func (m *Matcher) Match(d *watchlist.Document, hit func(name string)) {
	x := m.index
	if x.Len() == 0 {
		return
	}
	if m.full {
		m.forget()
	}
	m.doc = d
	m.k = 0
	m.fields = m.fields[:0]
	m.field(watchlist.InTitle, d.Title, &m.present)
	m.field(watchlist.InText, d.Text, &m.present)
	m.limit = m.k
	if x.wide > 0 {
		m.others(d)
	}
	m.run()
	if m.lost {
		m.plainly()
	}
	for _, n := range m.hits {
		hit(x.rules.get(n).name)
	}
	m.clean()
	m.doc = nil
}

// plainly holds the document against each rule by itself: it has more words of
// different meanings than there are numbers.
func (m *Matcher) plainly() {
	for _, n := range m.hits {
		m.rules.remove(n)
	}
	m.hits = m.hits[:0]
	for n := uint32(1); n <= m.index.ruleIDs.n; n++ {
		if r := m.index.rules.get(n); r.rule != nil && r.rule.Holds(m.doc) {
			m.hits = append(m.hits, n)
		}
	}
	m.full = true
}

// A field is a part of the document that no place goes out of: one of its
// fields, or one of several authors or tags.
type field struct {
	in   watchlist.Fields
	from int // its first token, a break
	text string
}

// field reads a field and finds its symbols.
func (m *Matcher) field(in watchlist.Fields, text string, into *bitset) {
	m.fields = append(m.fields, field{in, m.k, text})
	from := m.k
	m.scan(text)
	m.find(from)
	m.touch()
	for _, i := range m.alone[:m.aloneN] {
		if c := m.cells[i]; c.token()&tokenRaw != 0 {
			m.cells[i] = cellOf(m.raw(text, c, m.forms[i])|c.token()&tokenEnds, c.start())
		}
	}
	marked := len(m.marked)
	for _, i := range m.alone[:m.aloneN] {
		if w := m.cells[i].token(); w&tokenAlone != 0 {
			m.look(w, into)
		}
	}
	for _, s := range m.marked[marked:] {
		m.follow(m.index.vocabulary.words.get(s.n()).out, into)
	}
	for _, i := range m.pairs[:m.pairsN] {
		m.walk(int(i), into)
	}
}

// touch reads what look and walk are going to, and has nothing to wait for in
// between: so the memory answers all at once, and not one after the other.
func (m *Matcher) touch() {
	sum := uint64(0)
	mask, shift := uint64(len(m.table)-1), m.shift&63
	for _, i := range m.alone[:m.aloneN] {
		sum += m.table[m.forms[i]>>shift&mask].lo
	}
	edges := &m.index.trie.edges
	for _, i := range m.pairs[:m.pairsN] {
		k := pairHash(m.forms[i-1], m.forms[i])
		sum += edges.dir[k>>(edges.shift&63)].slots[homeOf(k)].k
	}
	m.touched = sum
}

// others reads the fields that few rules look in.
func (m *Matcher) others(d *watchlist.Document) {
	m.forgetStrangers()
	m.field(watchlist.InRest, d.Rest, &m.beyond)
	m.field(watchlist.InURL, d.URL, &m.beyond)
	for _, v := range d.Authors {
		m.field(watchlist.InAuthor, v, &m.beyond)
	}
	for _, v := range d.Tags {
		m.field(watchlist.InTag, v, &m.beyond)
	}
}

// look notes the symbols of a token that are asked for.
func (m *Matcher) look(w token, into *bitset) {
	n := w & tokenNumber
	switch {
	case n >= firstPseudo:
		if !m.strange.add(n - firstPseudo) {
			return
		}
		m.strangers = append(m.strangers, n-firstPseudo)
	case into.add(uint32(wordOf(n))):
		m.marked = append(m.marked, wordOf(n))
	default:
		return
	}
	if w&tokenMore == 0 {
		return
	}
	for _, n := range m.meaningsOf(w) {
		if into.add(uint32(wordOf(n))) {
			m.marked = append(m.marked, wordOf(n))
		}
	}
}

// forgetStrangers makes look note the meanings of pseudos again.
func (m *Matcher) forgetStrangers() {
	for _, n := range m.strangers {
		m.strange.remove(n)
	}
	m.strangers = m.strangers[:0]
}

// mark notes a symbol that was found for the first time, and what follows.
func (m *Matcher) mark(s symbol, u out, into *bitset) {
	m.marked = append(m.marked, s)
	m.follow(u, into)
}

func (m *Matcher) follow(u out, into *bitset) {
	switch {
	case u == 0:
	case u.list():
		m.anchors = append(m.anchors, u)
		if u&outAtOnce == 0 {
			return
		}
		for _, f := range m.index.lists.get(u.n()) {
			n := f.rule & followed
			switch {
			case f.rule&isComplete == 0:
				return
			case f.rule&isShared != 0:
				if into.add(uint32(wordOf(n))) {
					m.mark(wordOf(n), m.index.vocabulary.words.get(n).out, into)
				}
			case into == &m.present:
				m.matched(n)
			}
		}
	case into == &m.present:
		m.matched(u.n())
	}
}

// matched notes a rule that matches, once.
func (m *Matcher) matched(n uint32) {
	if m.rules.add(n) {
		m.hits = append(m.hits, n)
	}
}

// walk finds the phrases whose second word is token i.
func (m *Matcher) walk(i int, into *bitset) {
	x, first := m.index, i-1
	k := pairHash(m.forms[i-1], m.forms[i])
	for {
		e := x.trie.edge(k)
		if e.k == 0 {
			return
		}
		if e.out.phrase() {
			m.logged = append(m.logged, occurrence{e.out.n(), int32(first), int32(i)})
			if s := phraseOf(e.out.n()); into.add(uint32(s)) {
				m.mark(s, x.phrases.get(e.out.n()).out, into)
			}
		} else {
			m.follow(e.out, into)
		}
		if i++; e.kids == 0 || i >= m.k {
			return
		}
		k = pairHash(k, m.forms[i])
	}
}

// run runs the programs of the rules whose anchors are there.
func (m *Matcher) run() {
	x := m.index
	m.lang = m.language()
	// What is far away in memory is asked for in loops that do little else, so
	// that it comes all at once.
	lists := m.lists[:0]
	for _, u := range m.anchors {
		lists = append(lists, x.lists.get(u.n()))
	}
	sum := m.touched
	for _, list := range lists {
		sum += uint64(list[0].rule)
	}
	for _, list := range lists {
		for i := range list {
			f := &list[i]
			if f.rule&isComplete == 0 && (m.has(f.need[0]) || m.has(f.need[1])) && m.rules.add(f.rule) {
				m.found = append(m.found, f.rule)
			}
		}
	}
	clear(lists)
	m.lists = lists
	programs := m.programs[:0]
	for _, n := range m.found {
		programs = append(programs, x.programs.get(n))
	}
	for _, p := range programs {
		sum += uint64(p[0])
	}
	m.touched = sum
	for i, n := range m.found {
		m.try(n, programs[i])
	}
	clear(programs)
	m.programs = programs
	for _, n := range x.always {
		m.try(n, x.programs.get(n))
	}
}

// has reports whether a symbol is in any field. Symbol 0 always is.
func (m *Matcher) has(s symbol) bool {
	return s == 0 || m.present.has(uint32(s)) || m.beyond.has(uint32(s))
}

func (m *Matcher) try(n uint32, p program) {
	m.arena = m.arena[:0]
	if m.holds(p.code()) && (p[0]&asksReference == 0 || m.index.rules.get(n).rule.Holds(m.doc)) {
		m.hits = append(m.hits, n)
	}
}

// language is the number of the document's language: 0 is unknown, and one that
// no rule names is a number of its own.
func (m *Matcher) language() uint32 {
	if m.doc.Lang == "" {
		return 0
	}
	for i, l := range m.index.langs {
		if l == m.doc.Lang {
			return uint32(i + 1)
		}
	}
	return uint32(len(m.index.langs) + 1)
}

// clean makes the matcher ready for the next document.
func (m *Matcher) clean() {
	for _, s := range m.marked {
		m.present.remove(uint32(s))
		m.beyond.remove(uint32(s))
	}
	m.forgetStrangers()
	for _, n := range m.found {
		m.rules.remove(n)
	}
	for _, n := range m.hits {
		m.rules.remove(n)
	}
	m.marked, m.found, m.hits, m.anchors = m.marked[:0], m.found[:0], m.hits[:0], m.anchors[:0]
	for _, s := range m.memos {
		m.knownHolds.remove(s)
		m.doHold.remove(s)
	}
	m.memos, m.logged, m.built = m.memos[:0], m.logged[:0], false
	clear(m.fields) // they hold the document
}

// A bitset is a set of small numbers.
type bitset []uint64

// grow makes the set one of numbers below n.
func (b *bitset) grow(n int) {
	if need := n/64 + 1; need > len(*b) {
		*b = append(*b, make([]uint64, need-len(*b))...)
	}
}

// add reports whether n was not in the set.
func (b bitset) add(n uint32) bool {
	w, bit := &b[n>>6], uint64(1)<<(n&63)
	if *w&bit != 0 {
		return false
	}
	*w |= bit
	return true
}

func (b bitset) has(n uint32) bool { return b[n>>6]>>(n&63)&1 != 0 }

func (b bitset) remove(n uint32) { b[n>>6] &^= 1 << (n & 63) }
