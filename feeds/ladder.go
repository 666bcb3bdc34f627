package feeds

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// The ladder by which a document costs no more than what is new in it: not
// modified; the same bytes; and then entry by entry, where those whose bytes stood
// in the last document are not parsed again. They take part in Decide by what a
// memo says of them. Where one of them is to be published after all, or the scan
// is not certain, the document is parsed whole.

// Entries that are held in memory for all sources. What has no room is parsed whole,
// and its state loaded when its document has changed.
const (
	maxMemo   = 1 << 20 // in memos, 40 bytes each
	maxStates = 1 << 19 // in states, 200 bytes each
)

var blockSeed = maphash.MakeSeed()

// A memo is what identity sees of the entries of a source's documents, by their
// bytes. It depends on nothing else, so it does not age; it is never changed.
type memo struct {
	context uint64     // what else the meaning of an entry's bytes depends on
	entries []recalled // by block
}

// What identity sees of one entry.
type recalled struct {
	block uint64 // hash of its bytes; 0 where that tells nothing
	exact uint64 // of what it says, as gist has it
	marks
}

func (m *memo) find(block uint64) *recalled {
	if m == nil || block == 0 {
		return nil
	}
	i, ok := slices.BinarySearchFunc(m.entries, block, func(s recalled, b uint64) int { return cmp.Compare(s.block, b) })
	if !ok {
		return nil
	}
	return &m.entries[i]
}

func (m *memo) len() int {
	if m == nil {
		return 0
	}
	return len(m.entries)
}

// remember is the memo of the document that c decided on, or the one before where
// that holds no less.
func (c *decision) remember(before *memo) *memo {
	d := &c.doc
	if d.context == 0 || len(d.Repairs) > 0 || len(c.looks) > keepEntries {
		return nil
	}
	if before != nil && before.context == d.context && (d.Cut || c.told == len(before.entries) && c.told == len(c.looks)) {
		return before
	}
	m := &memo{context: d.context, entries: make([]recalled, 0, len(c.looks))}
	for i := range c.looks {
		if v := &c.looks[i]; v.entry.block != 0 {
			m.entries = append(m.entries, recalled{v.entry.block, v.exact, v.marks})
		}
	}
	slices.SortFunc(m.entries, func(a, b recalled) int { return cmp.Compare(a.block, b.block) })
	return m
}

// contextOf is the hash of all that the meaning of an entry's bytes depends on, or
// 0 where the scan is not certain: entries may then mean what others say.
func (k *skeleton) contextOf() uint64 {
	o := k.outline
	if k.s.work < workFactor*len(k.text)/2 {
		return 0
	}
	for _, b := range o.blocks {
		if bytes.Contains(k.text[b.start:b.inner.start], []byte("xmlns")) { // it holds for those that follow
			return 0
		}
	}
	var h maphash.Hash
	h.SetSeed(blockSeed)
	write := func(s string) { _, _ = h.WriteString(s); _ = h.WriteByte(0) }
	write(o.kind)
	write(string(o.root.name))
	write(k.lang)
	if k.base != nil {
		write(k.base.String())
	}
	for _, p := range slices.Sorted(maps.Keys(k.spaces)) {
		write(p)
		write(k.spaces[p])
	}
	return max(1, h.Sum64())
}

// block is the hash of an entry's bytes.
func (k *skeleton) block(b block) uint64 {
	return max(1, maphash.Bytes(blockSeed, k.text[b.start:b.inner.end]))
}

// A slot is an entry in the order of the document: parsed, or known.
type slot struct {
	block    uint64
	recalled *recalled // nil where it was parsed
}

// weave puts the entries that were not parsed to their places.
func (k *skeleton) weave(doc *Document) {
	if doc.context = k.context; k.context == 0 {
		return
	}
	parsed := doc.Items
	doc.Items = make([]Entry, len(k.slots))
	for i, p := range k.slots {
		if p.recalled == nil {
			doc.Items[i], parsed = parsed[0], parsed[1:]
		}
		doc.Items[i].block, doc.Items[i].recalled = p.block, p.recalled
	}
}

// readFeedAgain is ParseFeed, and leaves out the entries that m knows.
func readFeedAgain(src tocsin.Source, r fetch.Response, m *memo) (Document, error) {
	return parseFeed(src, r, m)
}

// decide is Decide, with what was not parsed. It parses d whole where it has to.
func (p *Poller) decide(t *task, s tocsin.Source, r fetch.Response, d *Document, at time.Time) (items []tocsin.Item, next State, notes []Note) {
	c := decide(*t.state, s, *d, at)
	if c.blind {
		p.whole(s, r, d)
		c = decide(*t.state, s, *d, at)
	}
	p.memorise(t, c.remember(t.memo))
	return c.items, c.State, c.notes
}

// whole parses d once more, with all its entries.
func (p *Poller) whole(s tocsin.Source, r fetch.Response, d *Document) {
	if !slices.ContainsFunc(d.Items, func(e Entry) bool { return e.recalled != nil }) {
		return
	}
	all, _, err := p.parse(s, r, nil)
	if err != nil { // which read it a moment ago: what is not known does not exist
		d.Items, d.context, d.Cut = slices.DeleteFunc(d.Items, func(e Entry) bool { return e.recalled != nil }), 0, true
		return
	}
	d.Items, d.context = all.Items, all.context
}

// memorise keeps m, if there is room.
func (p *Poller) memorise(t *task, m *memo) {
	if !p.memos.take(&t.recalls, m.len(), maxMemo) {
		m = nil
	}
	t.memo = m
}

// forget gives the room of t to others.
func (p *Poller) forget(t *task) {
	p.memos.take(&t.recalls, 0, maxMemo)
	p.states.take(&t.holds, 0, maxStates)
	delete(p.tasks, t.source.ID)
}

// A room is shared by all sources: how many entries are held in it.
type room struct{ used atomic.Int64 }

// take changes what one source holds to n, and reports whether there is room: if
// not, it holds none.
func (r *room) take(held *atomic.Int64, n int, most int64) bool {
	had := held.Load()
	if r.used.Add(int64(n)-had) > most && int64(n) > had {
		r.used.Add(-int64(n))
		held.Store(0)
		return false
	}
	held.Store(int64(n))
	return true
}

// known reports whether an entry need not be read, and notes where it stands.
func (k *skeleton) known(b block) bool {
	if k.context == 0 {
		return false
	}
	p := slot{block: k.block(b)}
	p.recalled = k.memo.find(p.block)
	k.slots = append(k.slots, p)
	return p.recalled != nil
}
