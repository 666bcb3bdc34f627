package engine

import (
	"encoding/binary"
	"slices"

	"tocsin/pipeline/watchlist"
	"tocsin/pipeline/watchlist/words"
)

// A program is what a rule asks for, in numbers. Its first word says how many
// anchors follow; then comes one node. A node is an op with an argument in one
// word and, of those that have kids, its length in the next.
type program []uint32

// Bits of a program's first word, above the number of its anchors.
const (
	asksReference = 1 << 31 // what the program says yes to, the reference matcher decides
	unread        = 1 << 30 // the program has no symbols, because there were too many
	anchorCount   = 1<<16 - 1
)

func (p program) anchors() []uint32 { return p[1 : 1+p[0]&anchorCount] }
func (p program) code() []uint32    { return p[1+p[0]&anchorCount:] }

const (
	opBits = 5
	opMask = 1<<opBits - 1
)

const (
	opSymbol   uint32 = iota // a symbol, in title or text
	opTrue                   // what only the reference matcher can tell
	opValue                  // a value of the document, by its wordSymbol
	opShared                 // a node that other rules have too, by its wordSymbol
	opSequence               // argument is how many symbols follow, which must stand side by side
	opScoped                 // length, scope, language; a symbol or sequence
	opAnd                    // these have a length, and as many kids as the argument says
	opOr
	opNot
	opAny     // length, N
	opAtLeast // length, N
	opNear    // length, N; as do the following
	opBefore
	opNotNear
)

// A scope in a program is Scope.In, Scope.First from bit firstBit on, or presence:
// the words have to be in the document, and the reference says whether they
// stand where they should.
const (
	firstBit = 8
	presence = 1 << 31
)

func node(op, arg uint32) uint32 { return op | arg<<opBits }

func opOf(w uint32) uint32  { return w & opMask }
func argOf(w uint32) uint32 { return w >> opBits }

// size is how many words the node at the beginning of code has.
func size(code []uint32) uint32 {
	switch opOf(code[0]) {
	case opSymbol, opTrue, opValue, opShared:
		return 1
	case opSequence:
		return 1 + argOf(code[0])
	}
	return code[1]
}

// head is how many words a node has before its kids.
func head(op uint32) uint32 {
	switch op {
	case opAnd, opOr, opNot:
		return 2
	case opScoped:
		return 4
	}
	return 3
}

// compiled is what is known of a rule besides its code.
type compiled struct {
	reference bool // the reference matcher has the last word
	wide      bool // it looks beyond title and text
}

// A compiler writes the program of one rule.
type compiler struct {
	*edit
	compiled
	mode   mode
	code   []uint32
	shares map[uint32]uint32 // while looking, how often the rule has each shared node
}

// A mode says what becomes of the symbols that a rule has.
type mode uint8

const (
	adding    mode = iota // they are entered, or get one more reference
	looking               // nothing
	releasing             // they get one reference less
)

func (c *compiler) emit(ws ...uint32) { c.code = append(c.code, ws...) }

// open begins a node that has a length, and close ends it.
func (c *compiler) open(op, kids uint32, more ...uint32) int {
	at := len(c.code)
	c.emit(node(op, kids), 0)
	c.emit(more...)
	return at
}

func (c *compiler) close(at int) { c.code[at+1] = uint32(len(c.code) - at) }

// expr writes a node that holds at least where e does.
func (c *compiler) expr(e *watchlist.Expr) {
	switch e.Op {
	case watchlist.Term:
		c.term(e)
	case watchlist.Regex:
		c.reference = true
		if e.Scope.In&^watchlist.InDefault != 0 {
			c.wide = true
		}
		c.emit(opTrue)
	case watchlist.Value:
		c.emit(node(opValue, c.word(key{kind: value, form: e.Field + "\x00" + e.Glob})))
	case watchlist.And:
		c.kids(opAnd, e)
	case watchlist.Or:
		at := len(c.code)
		c.kids(opOr, e)
		if len(e.Kids) >= sharedKids {
			c.share(at)
		}
	case watchlist.Any:
		c.kids(opAny, e, uint32(e.N))
	case watchlist.Not:
		c.not(e)
	case watchlist.AtLeast:
		c.places(opAtLeast, e)
	case watchlist.Near:
		c.places(opNear, e)
	case watchlist.Before:
		c.places(opBefore, e)
	case watchlist.NotNear:
		c.places(opNotNear, e)
	default:
		c.reference = true
		c.kids(opAnd, e)
	}
}

// sharedKids is how many kids an Or has at least that is shared by the rules
// that have it: a list, as a rule.
const sharedKids = 8

// share puts in the place of the node at at a reference to it.
func (c *compiler) share(at int) {
	k := key{kind: shared, form: packed(c.code[at:])}
	n := c.vocabulary.find(k)
	switch {
	case c.mode == looking:
		c.shares[n]++
	case c.mode == releasing:
		if c.vocabulary.release(c.owner, n); c.vocabulary.find(k) == 0 {
			*c.edit.shared.at(c.owner, n) = nil
		}
	case n == 0:
		n = c.vocabulary.intern(c.owner, k)
		c.edit.shared.grow(n + 1)
		*c.edit.shared.at(c.owner, n) = slices.Clone(c.code[at:])
		c.fresh = append(c.fresh, n)
	default:
		c.vocabulary.intern(c.owner, k)
	}
	c.code = append(c.code[:at], node(opShared, n))
}

// packed is code as a string.
func packed(code []uint32) string {
	b := make([]byte, 0, 4*len(code))
	for _, w := range code {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return string(b)
}

// places writes a node that relates places. If it cannot tell where the places
// of a kid are, it asks for less and leaves the rest to the reference.
func (c *compiler) places(op uint32, e *watchlist.Expr) {
	outer := c.reference
	c.reference = false
	at := c.open(op, uint32(len(e.Kids)), uint32(e.N))
	c.expr(e.Kids[0])
	second := len(c.code)
	if len(e.Kids) > 1 {
		c.expr(e.Kids[1])
	}
	switch {
	case !c.reference:
		c.reference = outer
		c.close(at)
		return
	case op == opAtLeast || op == opNotNear:
		c.code = append(c.code[:at], c.code[at+3:second]...)
		return
	}
	c.code = append(c.code[:at+2], c.code[at+3:]...)
	c.code[at] = node(opAnd, uint32(len(e.Kids)))
	c.close(at)
}

func (c *compiler) kids(op uint32, e *watchlist.Expr, more ...uint32) {
	if len(e.Kids) == 1 && (op == opAnd || op == opOr) {
		c.expr(e.Kids[0])
		return
	}
	at := c.open(op, uint32(len(e.Kids)), more...)
	for _, k := range e.Kids {
		c.expr(k)
	}
	c.close(at)
}

// not writes the first kid and those of the others that are exact: one that may
// hold where the reference says no must not take anything away.
func (c *compiler) not(e *watchlist.Expr) {
	at := c.open(opNot, 0)
	c.expr(e.Kids[0])
	n := uint32(1)
	outer := c.reference
	for _, k := range e.Kids[1:] {
		from := len(c.code)
		c.reference = false
		c.expr(k)
		if c.reference {
			c.code = c.code[:from]
			outer = true
			continue
		}
		n++
	}
	c.reference = outer
	c.code[at] = node(opNot, n)
	c.close(at)
}

func (c *compiler) term(e *watchlist.Expr) {
	if broken(e.Words) { // the trie and sequences go over no break
		at := c.open(opAnd, uint32(len(e.Words)))
		for i := range e.Words {
			one := *e
			one.Words = e.Words[i : i+1]
			c.term(&one)
		}
		c.close(at)
		c.reference = true
		return
	}
	for _, p := range e.Words {
		if p.Raw != "" {
			c.reference = true
		}
	}
	if e.Scope.In&^watchlist.InDefault != 0 {
		c.wide = true
	}
	scope := uint32(e.Scope.In) | uint32(min(e.Scope.First, 1<<16))<<firstBit
	if e.Scope.In&(watchlist.InLead|watchlist.InText) == watchlist.InLead ||
		e.Scope.First != 0 && e.Scope.In&(watchlist.InAuthor|watchlist.InTag) != 0 {
		scope |= presence
		c.reference = true
	}
	if scope == uint32(watchlist.InDefault) && e.Lang == "" {
		c.place(e.Words)
		return
	}
	if broken(e.Words) {
		scope |= presence
	}
	at := c.open(opScoped, 1, scope, c.lang(e.Lang))
	c.place(e.Words)
	c.close(at)
}

// place writes the node of words that follow one another.
func (c *compiler) place(ps []words.Pattern) {
	keys, trie := c.keys(ps)
	switch {
	case trie:
		c.emit(node(opSymbol, uint32(phraseOf(c.phrase(keys)))))
		return
	case len(keys) > 1:
		c.emit(node(opSequence, uint32(len(keys))))
	}
	for _, k := range keys {
		n := c.word(k)
		if c.mode == adding {
			c.vocabulary.use(c.owner, n)
		}
		if s := uint32(wordOf(n)); len(keys) > 1 {
			c.emit(s)
		} else {
			c.emit(node(opSymbol, s))
		}
	}
}

// broken reports whether a phrase may go over something between its letters.
func broken(ps []words.Pattern) bool {
	for _, p := range ps[1:] {
		if p.Broken {
			return true
		}
	}
	return false
}

// lang is the number of a language that terms are kept to; 0 is all.
func (e *edit) lang(name string) uint32 {
	if name == "" {
		return 0
	}
	for i, have := range e.langs {
		if have == name {
			return uint32(i + 1)
		}
	}
	e.langs = append(e.langs[:len(e.langs):len(e.langs)], name)
	return uint32(len(e.langs))
}

// word is the number of a wordSymbol: one more reference to it, or one less.
func (c *compiler) word(k key) uint32 {
	if c.mode == adding {
		return c.vocabulary.intern(c.owner, k)
	}
	n := c.vocabulary.find(k)
	if c.mode == releasing {
		c.vocabulary.release(c.owner, n)
	}
	return n
}

// keys are the wordSymbols of a term, and whether the trie can hold them.
func (e *edit) keys(ps []words.Pattern) (keys []key, trie bool) {
	trie = len(ps) > 1
	for _, p := range ps {
		k := e.vocabulary.keyOf(p)
		keys = append(keys, k)
		trie = trie && k.kind == closed
	}
	return keys, trie
}

// phrase is the number of a phraseSymbol: one more reference, or one less.
func (c *compiler) phrase(keys []key) uint32 {
	ks := path(keys)
	u := c.trie.out(ks)
	n := u.n()
	switch {
	case c.mode == looking:
		return n
	case c.mode == releasing:
		p := c.phrases.at(c.owner, n)
		if p.refs--; p.refs == 0 {
			c.trie.set(c.owner, ks, p.out)
			*p = phraseSymbol{}
			c.phraseIDs.give(c.owner, n)
		}
		return n
	case !u.phrase():
		n = c.phraseIDs.take(c.owner)
		c.phrases.grow(n + 1)
		*c.phrases.at(c.owner, n) = phraseSymbol{out: u, words: uint32(len(keys))}
		c.trie.set(c.owner, ks, outPhrase|out(n))
	}
	c.phrases.at(c.owner, n).refs++
	return n
}

// direct is the term that a rule consists of, if to find it is all there is to
// do.
func direct(e *watchlist.Expr) (*watchlist.Expr, bool) {
	if e.Op == watchlist.Or && len(e.Kids) == 1 {
		return direct(e.Kids[0])
	}
	if e.Op != watchlist.Term || e.Lang != "" || e.Scope != (watchlist.Scope{In: watchlist.InDefault}) {
		return nil, false
	}
	if broken(e.Words) {
		return nil, false
	}
	var v vocabulary
	for _, p := range e.Words {
		if p.Raw != "" || len(e.Words) > 1 && v.keyOf(p).kind != closed {
			return nil, false
		}
	}
	return e, true
}

// follows makes a rule match wherever a direct term is found.
func (e *edit) follows(t *watchlist.Expr, rule uint32) {
	keys, _ := e.keys(t.Words)
	f := follow{rule: rule | matches}
	if len(keys) == 1 {
		n := e.vocabulary.intern(e.owner, keys[0])
		e.vocabulary.use(e.owner, n)
		w := e.vocabulary.words.at(e.owner, n)
		w.out = e.append(w.out, f)
		return
	}
	ks := path(keys)
	u := e.trie.out(ks)
	if u.phrase() {
		p := e.phrases.at(e.owner, u.n())
		p.out = e.append(p.out, f)
		return
	}
	e.trie.set(e.owner, ks, e.append(u, f))
}

// unfollows undoes follows.
func (e *edit) unfollows(t *watchlist.Expr, rule uint32) {
	keys, _ := e.keys(t.Words)
	if len(keys) == 1 {
		n := e.vocabulary.find(keys[0])
		w := e.vocabulary.words.at(e.owner, n)
		w.out = e.drop(w.out, rule)
		e.vocabulary.release(e.owner, n)
		return
	}
	ks := path(keys)
	u := e.trie.out(ks)
	if u.phrase() {
		p := e.phrases.at(e.owner, u.n())
		p.out = e.drop(p.out, rule)
		return
	}
	e.trie.set(e.owner, ks, e.drop(u, rule))
}
