// Package engine holds a document against all watchlists at once. It says what
// [watchlist.Rule.Match] says of each, and finds the few rules that are worth a
// look without looking at the others.
//
// A document is cut into runs of letters and each run is looked up once in a
// dictionary that a [Matcher] keeps of what it has seen: it gives the words that
// the run is, as numbers, so that folding, clitics, stems and wildcards cost
// nothing but the first time. Phrases are found by numbers in one hash table.
// Every other rule waits behind anchors, words of which at least one has to be
// there; when one is, and so is another word that the rule needs, its program is
// run. What programs cannot tell (regular expressions, sentences and
// paragraphs, capitals) is asked of the reference matcher, for the rules that
// are left.
//
// # Properties
//
//   - An [Index] never changes. With makes a new one that shares nearly all of
//     it, copying some KB, however many rules it holds.
//   - Any number of goroutines may use an Index, each with a Matcher of its own.
//   - A Matcher that has seen the words of a document allocates nothing for it,
//     but where the reference matcher is asked.
//   - What a Matcher remembers is bounded, whatever it is given to read.
package engine

import (
	"slices"

	"tocsin/pipeline/watchlist"
)

// An Index is a set of rules by name. It is immutable.
type Index struct {
	vocabulary vocabulary
	trie       trie
	phrases    pages[phraseSymbol]
	phraseIDs  ids
	lists      pages[[]follow]
	listIDs    ids

	rules    pages[rule]
	ruleIDs  ids
	programs pages[program]
	byName   table[link]
	shared   pages[program] // the code of shared nodes, by their wordSymbols
	always   []uint32       // rules that every document is held against
	wide     int            // rules that look beyond title and text
	langs    []string       // that terms are kept to, from number 1
}

// A rule that needs no program follows from one word or phrase.
type rule struct {
	name string
	rule *watchlist.Rule
}

// A follow is a rule that may match where its anchor is.
type follow struct {
	rule uint32    // and what of it follows, see below
	need [2]symbol // one of them has to be there as well
}

const (
	matches    = 1 << 31 // the rule matches
	isShared   = 1 << 30 // not a rule: a shared node, by its wordSymbol, may hold
	followed   = 1<<30 - 1
	isComplete = matches | isShared // it follows at once: such follows come first in a list
)

// A Change adds the rule of a name, in place of one it may have, or with no
// Rule removes it.
type Change struct {
	Name string
	Rule *watchlist.Rule
}

// New is an index without rules.
func New() *Index {
	return &Index{vocabulary: newVocabulary(), trie: newTrie(), byName: newTable[link]()}
}

func (x *Index) clone() *Index {
	c := *x
	c.vocabulary, c.trie = x.vocabulary.clone(), x.trie.clone()
	c.phrases, c.phraseIDs = x.phrases.clone(), x.phraseIDs.clone()
	c.lists, c.listIDs = x.lists.clone(), x.listIDs.clone()
	c.rules, c.ruleIDs = x.rules.clone(), x.ruleIDs.clone()
	c.programs, c.byName, c.shared = x.programs.clone(), x.byName.clone(), x.shared.clone()
	return &c
}

// With is an index that has the changes, taken in order. x stays as it is.
func (x *Index) With(changes ...Change) *Index {
	e := &edit{Index: x.clone(), owner: newOwner(), grown: map[uint32]bool{}, costs: map[uint32]float64{}}
	last := make(map[string]int, len(changes))
	for i, c := range changes {
		last[c.Name] = i
	}
	var added []pending
	for i, c := range changes {
		if last[c.Name] != i {
			continue
		}
		e.remove(c.Name)
		if c.Rule != nil {
			added = append(added, e.add(c.Name, c.Rule))
		}
	}
	for _, n := range e.fresh { // inner ones come first
		e.anchorShared(n)
	}
	for _, p := range added { // now that it is known how often words are asked for
		e.anchor(p)
	}
	e.settle()
	return e.Index
}

// Len is how many rules the index has.
func (x *Index) Len() int { return x.byName.n }

func (x *Index) ruleOf(name string) uint32 {
	h := key{form: name}.hash()
	l := x.byName.find(linkTo(h, 0).hash(), func(l link) bool {
		return uint64(l)>>32 == h>>32 && x.rules.get(l.n()).name == name
	})
	if l == nil {
		return 0
	}
	return l.n()
}

// An edit is an index while it is made.
type edit struct {
	*Index
	owner owner
	grown map[uint32]bool    // lists that are this edit's own, with room to grow
	fresh []uint32           // shared nodes without anchors yet
	costs map[uint32]float64 // of shared nodes
}

// A pending rule is entered, and waits for its anchors.
type pending struct {
	rule uint32
	code []uint32
	with compiled
}

// maxWords is how many words and patterns may be known when a rule is read that
// may have as many more as a list may: beyond, rules are left to the reference.
var maxWords = uint32(firstPseudo - 1<<17)

// add enters a rule that is not there.
func (e *edit) add(name string, r *watchlist.Rule) pending {
	n := e.ruleIDs.take(e.owner)
	e.rules.grow(n + 1)
	e.programs.grow(n + 1)
	*e.rules.at(e.owner, n) = rule{name, r}
	e.byName.insert(e.owner, linkTo(key{form: name}.hash(), n))
	if t, ok := direct(r.Root); ok && e.vocabulary.free.n <= maxWords {
		e.follows(t, n)
		return pending{rule: n}
	}
	if e.vocabulary.free.n > maxWords {
		e.always = append(e.always[:len(e.always):len(e.always)], n)
		*e.programs.at(e.owner, n) = program{asksReference | unread, opTrue}
		return pending{rule: n}
	}
	c := compiler{edit: e}
	c.expr(r.Root)
	if c.wide {
		e.wide++
	}
	return pending{n, c.code, c.compiled}
}

// remove takes the rule of a name out, if it is there.
func (e *edit) remove(name string) {
	n := e.ruleOf(name)
	if n == 0 {
		return
	}
	r := e.rules.get(n)
	if p := e.programs.get(n); p == nil {
		t, _ := direct(r.rule.Root)
		e.unfollows(t, n)
	} else if p[0]&unread != 0 {
		e.always = without(e.always, n)
		*e.programs.at(e.owner, n) = nil
	} else {
		e.detach(n, p)
		c := compiler{edit: e, mode: looking, shares: map[uint32]uint32{}}
		c.expr(r.rule.Root)
		for n, times := range c.shares {
			if e.vocabulary.words.get(n).refs == times {
				e.detachShared(n)
			}
		}
		c = compiler{edit: e, mode: releasing}
		c.expr(r.rule.Root)
		if c.wide {
			e.wide--
		}
		*e.programs.at(e.owner, n) = nil
	}
	*e.rules.at(e.owner, n) = rule{}
	e.byName.remove(e.owner, linkTo(key{form: name}.hash(), n))
	e.ruleIDs.give(e.owner, n)
}

// settle gives back the room that lists did not need.
func (e *edit) settle() {
	for n := range e.grown {
		at := e.lists.at(e.owner, n)
		if cap(*at) > len(*at) {
			*at = slices.Clip(append(make([]follow, 0, len(*at)), *at...))
		}
	}
}

// append puts a follow behind what u has, and is what u then becomes.
func (e *edit) append(u out, f follow) out {
	switch {
	case u == 0 && f.rule&matches != 0:
		return out(f.rule &^ matches)
	case !u.list():
		n := e.listIDs.take(e.owner)
		e.lists.grow(n + 1)
		var list []follow
		if u != 0 {
			list = append(list, follow{rule: u.n() | matches})
		}
		*e.lists.at(e.owner, n) = append(list, f) // what list has is complete
		e.grown[n] = true
		if u != 0 || f.rule&isComplete != 0 {
			n |= outAtOnce
		}
		return outList | out(n)
	}
	n := u.n()
	list := e.lists.at(e.owner, n)
	if !e.grown[n] {
		*list = slices.Clip(*list)
		e.grown[n] = true
	}
	if f.rule&isComplete != 0 {
		*list = slices.Insert(*list, 0, f)
		u |= outAtOnce
	} else {
		*list = append(*list, f)
	}
	return u
}

// drop takes the follows of a rule, or of a shared node with isShared set, out
// of u, and is what u then becomes.
func (e *edit) drop(u out, rule uint32) out {
	if !u.list() {
		if u.n() == rule {
			return 0
		}
		return u
	}
	n := u.n()
	list := e.lists.at(e.owner, n)
	var rest []follow
	for _, f := range *list {
		if f.rule&^matches != rule {
			rest = append(rest, f)
		}
	}
	*list = rest
	e.grown[n] = true
	if len(rest) == 0 {
		delete(e.grown, n)
		e.listIDs.give(e.owner, n)
		return 0
	}
	return u
}
