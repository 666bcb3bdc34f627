package engine

// An out is what follows from finding something. Its zero value is nothing.
type out uint32

const (
	outList   = 1 << 31         // or else one rule matches
	outPhrase = outList | 1<<30 // of an edge: a phraseSymbol was found
	outAtOnce = 1 << 29         // of a list: some of it isComplete
	outNumber = 1<<29 - 1
)

func (u out) phrase() bool { return u >= outPhrase }
func (u out) list() bool   { return u >= outList && u < outPhrase }
func (u out) n() uint32    { return uint32(u & outNumber) }

// A phraseSymbol is two or more words that follow one another.
type phraseSymbol struct {
	refs  uint32
	out   out
	words uint32
}

// An edge of the trie of phrases is where the first words of some of them lead.
// It goes by the hash of these words, of which 64 bits with a secret seed are
// all that is compared: that two differ and agree there is not to be expected in
// centuries.
type edge struct {
	k    uint64
	kids uint32 // edges that go on from here
	out
}

func (e edge) hash() uint64 { return e.k }

// A trie holds phrases of closed words, as two and more that begin at a word.
// The filter has all edges of two words.
type trie struct {
	edges table[edge]

	pairs  filter
	paired int // how many were added
}

func newTrie() trie { return trie{edges: newTable[edge](), pairs: newFilter(0, 0)} }

func (t trie) clone() trie {
	t.edges = t.edges.clone()
	return t
}

func (t *trie) find(k uint64) (edge, bool) {
	e := t.edges.find(k, func(e edge) bool { return e.k == k })
	if e == nil {
		return edge{}, false
	}
	return *e, true
}

// edge is the edge that k leads to, or one without k. It is find for those who
// have asked the filter.
func (t *trie) edge(k uint64) edge {
	b := t.edges.dir[k>>(t.edges.shift&63)]
	for i := homeOf(k); ; i++ {
		if e := b.slots[i&(bucketSize-1)]; e.k == k || e.k == 0 {
			return e
		}
	}
}

// path is the hashes of a phrase's first two words, first three, and so on.
func path(forms []key) []uint64 {
	at := hashForm(forms[0].form)
	var ks []uint64
	for _, k := range forms[1:] {
		at = pairHash(at, hashForm(k.form))
		ks = append(ks, at)
	}
	return ks
}

// out is what follows from a phrase that may be there.
func (t *trie) out(ks []uint64) out {
	e, _ := t.find(ks[len(ks)-1])
	return e.out
}

// set gives a phrase something to follow, or nothing.
func (t *trie) set(o owner, ks []uint64, u out) {
	if u == 0 {
		t.unset(o, ks)
		return
	}
	for i, k := range ks {
		old, ok := t.find(k)
		e := old
		if e.k = k; i == len(ks)-1 {
			e.out = u
		} else if _, next := t.find(ks[i+1]); !next {
			e.kids++
		}
		if ok {
			t.edges.change(o, old, e)
			continue
		}
		t.edges.insert(o, e)
		if i == 0 {
			t.pair(o, k)
		}
	}
}

// unset removes the edges that lead to a phrase and nowhere else.
func (t *trie) unset(o owner, ks []uint64) {
	for i := len(ks) - 1; i >= 0; i-- {
		old, ok := t.find(ks[i])
		if !ok {
			return
		}
		e := old
		if i == len(ks)-1 {
			e.out = 0
		} else {
			e.kids--
		}
		if e.kids > 0 || e.out != 0 {
			t.edges.change(o, old, e)
			return
		}
		t.edges.remove(o, old)
	}
}

// pair lets a phrase's first two words through the filter.
func (t *trie) pair(o owner, k uint64) {
	if t.paired++; !t.pairs.full(t.paired) {
		t.pairs.add(o, k)
		return
	}
	t.pairs, t.paired = newFilter(o, t.edges.n/2), 0
	for i, b := range t.edges.dir {
		if i > 0 && b == t.edges.dir[i-1] {
			continue
		}
		for _, e := range b.slots {
			if e.k != 0 { // longer ones too: which they are is not known
				t.pairs.add(o, e.k)
				t.paired++
			}
		}
	}
}
