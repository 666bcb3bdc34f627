package feeds

import (
	"cmp"
	binenc "encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// State is what is known of a source: a cache of its log items.<source>, which
// Apply rebuilds. The zero value knows nothing. States made from one another
// share memory; a State is changed only by Apply, and only where its caller
// owns it.
type State struct {
	V          int
	Seq        uint64           // sequence in ITEMS of the source's last record that it includes; 0 means none
	Validators fetch.Validators // of the last document that it includes
	Read       bool             // what is new is no longer baseline: a whole document was read, or the source has history

	address uint64   // what Validators were got from
	begun   int64    // when the first document was read, Unix seconds; 0 before
	loose   bool     // items were learned from the log since the last document
	reused  [2]bool  // by aliasGUID, aliasLink: a value has been seen on two entries
	churn   [2]uint8 // documents in a row in which every known entry came with another value
	entries []known  // in the order they were first seen
	alias   []alias  // by hash, unless index is set
	lost    []lost   // values that do not discriminate, by hash
	rhythm  *rhythm  // of what was new; nil before the first document
	index   *indexes // while much is looked up and changed
	changed bool     // more than dates, validators and Seq differs from what was decoded or decided on
}

// A known entry.
type known struct {
	id   uint64   // the first 8 bytes of Item.ID
	rev  uint32   // the last that was published
	seen uint16   // day it was last in a document
	now  bool     // it is in the last document
	gist          // of the last revision
	more *history // where that is not all
}

// The history of an entry that was revised, or whose ID is long. It is never
// changed, only replaced.
type history struct {
	id       string   // Item.ID if it is longer than 8 bytes, otherwise ""
	texts    []uint64 // the exact hashes of its last revisions, at most maxTexts, oldest first
	returned int64    // when it was last published going back to one of them, Unix seconds; 0 never
	held     bool     // it went back again within a day: what it says is not published

	withdrawn bool // it was published as withdrawn, and no revision since
}

const (
	maxTexts   = 8
	day        = 24 * 60 * 60 // seconds
	keepDays   = 400          // that an identity is kept after it was last in a document
	maxAliases = 8            // of one kind, of one entry
	churned    = 3            // documents in a row that show that a kind of alias means nothing
)

// The kinds of alias.
type aliasKind uint8

const (
	aliasGUID aliasKind = iota
	aliasLink
	aliasPrint // fingerprint of title and text
	aliasWhole // all of them together, where none discriminates by itself
	aliasKinds
)

// An alias is a value by which an entry is recognised.
type alias struct {
	hash  uint64
	entry uint32
	day   uint16 // it was last carried; exact to some days
	kind  aliasKind
}

// A lost alias is a value that was seen on two entries.
type lost struct {
	hash uint64
	day  uint16 // it was last seen on two
}

type indexes struct {
	alias map[uint64]int // places in State.alias
	id    map[uint64]uint32
}

func dayOf(t time.Time) uint16 { return uint16(max(0, t.Unix()) / day) }

// since is when the source was first read; zero before.
func (st *State) since() time.Time {
	if st.begun == 0 {
		return time.Time{}
	}
	return time.Unix(st.begun, 0)
}

// Len is the number of entries that are known.
func (st *State) Len() int { return len(st.entries) }

// clone is a copy of st that can be changed.
func (st *State) clone() State {
	c := *st
	c.V, c.changed, c.index = stateVersion, false, nil
	c.entries = slices.Clone(st.entries)
	c.alias = slices.Clone(st.alias)
	c.lost = slices.Clone(st.lost)
	if st.index != nil {
		c.tidy()
	}
	return c
}

func byHash(a, b alias) int { return cmp.Compare(a.hash, b.hash) }

// tidy ends a time of many changes.
func (st *State) tidy() {
	slices.SortFunc(st.alias, byHash)
	st.index = nil
}

// busy begins a time of many changes.
func (st *State) busy() *indexes {
	if st.index == nil {
		st.index = &indexes{make(map[uint64]int, len(st.alias)+64), make(map[uint64]uint32, len(st.entries)+16)}
		for i, a := range st.alias {
			st.index.alias[a.hash] = i
		}
		for i, e := range st.entries {
			if _, taken := st.index.id[e.id]; !taken {
				st.index.id[e.id] = uint32(i)
			}
		}
	}
	return st.index
}

// place is where st.alias holds h, or -1.
func (st *State) place(h uint64) int {
	if st.index != nil {
		if i, ok := st.index.alias[h]; ok {
			return i
		}
		return -1
	}
	if i, ok := slices.BinarySearchFunc(st.alias, h, func(a alias, h uint64) int { return cmp.Compare(a.hash, h) }); ok {
		return i
	}
	return -1
}

// find is the entry that carries h, or -1 if none does, h is 0 or does not
// discriminate.
func (st *State) find(h uint64) int {
	if h == 0 {
		return -1
	}
	if i := st.place(h); i >= 0 && !st.isLost(h) {
		return int(st.alias[i].entry)
	}
	return -1
}

func lostAt(l lost, h uint64) int { return cmp.Compare(l.hash, h) }

func (st *State) isLost(h uint64) bool {
	_, ok := slices.BinarySearchFunc(st.lost, h, lostAt)
	return ok
}

// lose records that h was seen on two entries.
func (st *State) lose(h uint64, kind aliasKind, today uint16) {
	if kind < aliasPrint {
		st.reused[kind] = true
	}
	i, ok := slices.BinarySearchFunc(st.lost, h, lostAt)
	if ok {
		st.lost[i].day = max(st.lost[i].day, today)
		return
	}
	st.lost = slices.Insert(st.lost, i, lost{h, today})
	st.changed = true
}

// carry records that entry x carries h, which discriminates.
func (st *State) carry(x int, h uint64, kind aliasKind, today uint16) {
	if i := st.place(h); i >= 0 {
		a := &st.alias[i]
		if int(a.entry) != x {
			a.entry, st.changed = uint32(x), true
		}
		a.day = max(a.day, today)
		return
	}
	st.changed = true
	in := st.busy()
	oldest, n := -1, 0
	if st.entries[x].rev > 0 { // it may have some
		for i, a := range st.alias {
			if int(a.entry) == x && a.kind == kind {
				if n++; oldest < 0 || a.day < st.alias[oldest].day {
					oldest = i
				}
			}
		}
	}
	if n >= maxAliases {
		delete(in.alias, st.alias[oldest].hash)
		st.alias[oldest] = alias{h, uint32(x), today, kind}
		in.alias[h] = oldest
		return
	}
	in.alias[h] = len(st.alias)
	st.alias = append(st.alias, alias{h, uint32(x), today, kind})
}

// named is the entry with an Item.ID, or -1.
func (st *State) named(id string) int {
	short := shortID(id)
	x, ok := st.busy().id[short]
	if !ok {
		return -1
	}
	if st.id(int(x)) == id {
		return int(x)
	}
	for i := range st.entries {
		if st.entries[i].id == short && st.id(i) == id {
			return i
		}
	}
	return -1
}

func shortID(id string) uint64 {
	var b [8]byte
	_, _ = hex.Decode(b[:], []byte(id[:min(len(id), 16)]))
	return binenc.BigEndian.Uint64(b[:])
}

// id is the Item.ID of entry x.
func (st *State) id(x int) string {
	e := &st.entries[x]
	if e.more != nil && e.more.id != "" {
		return e.more.id
	}
	var b [8]byte
	binenc.BigEndian.PutUint64(b[:], e.id)
	return hex.EncodeToString(b[:])
}

// add makes an entry that nothing was published of.
func (st *State) add(id string) int {
	e := known{id: shortID(id), now: true}
	if len(id) != 16 {
		e.more = &history{id: id}
	}
	in := st.busy()
	if _, taken := in.id[e.id]; !taken {
		in.id[e.id] = uint32(len(st.entries))
	}
	st.entries = append(st.entries, e)
	st.changed = true
	return len(st.entries) - 1
}

// revise records that g was published of entry x at a time.
func (st *State) revise(x int, g gist, rev int, at time.Time) {
	e := &st.entries[x]
	if e.rev > 0 || e.more != nil {
		var h history
		if e.more != nil {
			h = *e.more
		}
		if e.rev > 0 && h.texts == nil {
			h.texts = []uint64{e.exact}
		}
		if slices.Contains(h.texts, g.exact) {
			h.returned = at.Unix()
		}
		h.texts = append(slices.Clone(h.texts), g.exact)
		h.texts = h.texts[max(0, len(h.texts)-maxTexts):]
		h.held, h.withdrawn = false, false
		e.more = &h
	}
	e.gist, e.rev, st.changed = g, uint32(rev), true
}

// hold records whether entry x goes to and fro faster than is published.
func (st *State) hold(x int, held bool) {
	e := &st.entries[x]
	if e.more == nil || e.more.held == held {
		return
	}
	h := *e.more
	h.held = held
	e.more, st.changed = &h, true
}

// settles is when what entry x says may be published again: a day after it was
// last published going back to an earlier text.
func (e *known) settles() time.Time {
	if e.more == nil || e.more.returned == 0 {
		return time.Time{}
	}
	return time.Unix(e.more.returned+day, 0)
}

// Settles is the earliest time from which the last document should be read
// again even if it has not changed, because it holds a revision that came too
// soon; zero if there is none.
func (st *State) Settles() time.Time {
	var first time.Time
	for i := range st.entries {
		if e := &st.entries[i]; e.now && e.more != nil && e.more.held {
			if t := e.settles(); first.IsZero() || t.Before(first) {
				first = t
			}
		}
	}
	return first
}

// forget drops what was not in a document for keepDays.
func (st *State) forget(today uint16) {
	old := func(d uint16) bool { return int(today)-int(d) > keepDays }
	gone := func(e known) bool { return !e.now && old(e.seen) }
	st.lost = slices.DeleteFunc(st.lost, func(l lost) bool { return old(l.day) })
	if !slices.ContainsFunc(st.entries, gone) {
		return
	}
	st.index, st.changed = nil, true
	to := make([]int, len(st.entries))
	n := 0
	for i, e := range st.entries {
		if to[i] = n; gone(e) {
			to[i] = -1
			continue
		}
		n++
	}
	st.entries = slices.DeleteFunc(st.entries, gone)
	st.alias = slices.DeleteFunc(st.alias, func(a alias) bool { return to[a.entry] < 0 })
	for i := range st.alias {
		st.alias[i].entry = uint32(to[st.alias[i].entry])
	}
	slices.SortFunc(st.alias, byHash)
}

// ignore drops a kind of alias that turned out to mean nothing.
func (st *State) ignore(kind aliasKind) {
	st.index, st.changed = nil, true
	st.alias = slices.DeleteFunc(st.alias, func(a alias) bool { return a.kind == kind })
	slices.SortFunc(st.alias, byHash)
}

// Apply learns an item from the source's log; items come in the order of the
// log, each any number of times. Whoever applies a record sets Seq to its
// sequence.
func (st *State) Apply(it tocsin.Item) {
	if x := st.named(it.ID); x >= 0 && (it.Page != nil || !it.Withdrawn.IsZero()) && it.Rev <= int(st.entries[x].rev) {
		if !it.Withdrawn.IsZero() && it.Rev == int(st.entries[x].rev) {
			st.withdraw(it.ID)
		}
		return
	}
	st.V, st.Read, st.loose, st.changed = stateVersion, true, true, true
	if st.begun == 0 {
		st.begun = max(1, it.Seen.Unix())
	}
	if it.Rev == 1 {
		st.hear(it.Seen, it.Baseline)
	}
	var f folder
	v := st.look(&f, it.Source, it.GUID, it.URL, f.gist(it.Source, it.Title, it.Text))
	x, today := st.named(it.ID), dayOf(it.Seen)
	switch {
	case x < 0:
		x = st.add(it.ID)
	case it.Rev <= int(st.entries[x].rev):
		return
	}
	st.learn(x, v, today)
	st.revise(x, v.gist, it.Rev, it.Seen)
	st.entries[x].now, st.entries[x].seen = true, max(st.entries[x].seen, today)
}

// A look is what identity sees of an entry.
type look struct {
	gist
	alias [aliasPrint + 1]uint64 // what it carries that may discriminate; 0 none
	all   [2]uint64              // its GUID and link, also where they do not discriminate; 0 none
	whole uint64
}

func (st *State) look(f *folder, source, guid, link string, g gist) look {
	return st.sees(f, source, f.marks(source, guid, link), g)
}

// The marks of an entry are what it carries beside what it says.
type marks struct {
	all  [2]uint64 // its GUID and link; 0 none
	home [2]bool   // which of them is the address of a site, not of a page
}

func (f *folder) marks(source, guid, link string) (m marks) {
	var l string
	l, m.home[aliasLink] = canonicalLink(link)
	_, m.home[aliasGUID] = canonicalLink(guid)
	m.all = [...]uint64{f.hash(source, aliasGUID, canonicalGUID(guid)), f.hash(source, aliasLink, l)}
	return m
}

func (st *State) sees(f *folder, source string, m marks, g gist) look {
	v := look{gist: g, all: m.all}
	for kind := range aliasPrint {
		if st.churn[kind] >= churned {
			v.all[kind] = 0
		}
	}
	v.alias = [...]uint64{v.all[0], v.all[1], v.print}
	for kind, home := range m.home {
		if home {
			v.alias[kind] = 0
		}
	}
	v.whole = f.whole(source, v)
	return v
}

func (f *folder) whole(source string, v look) uint64 {
	f.buf = append(append(f.buf[:0], source...), 0, byte(aliasWhole), 0)
	for _, h := range []uint64{v.all[0], v.all[1], v.print} {
		f.buf = binenc.BigEndian.AppendUint64(f.buf, h)
	}
	return f.sum(f.buf)
}

func (f *folder) hash(source string, kind aliasKind, value string) uint64 {
	if value == "" {
		return 0
	}
	f.buf = append(append(f.buf[:0], source...), 0, byte(kind), 0)
	f.buf = append(f.buf, value...)
	return f.sum(f.buf)
}

// learn makes the aliases of v those of entry x. A value that was another
// entry's moves, which shows that its kind is no sure sign; a short text that
// another entry carries too is none at all.
func (st *State) learn(x int, v look, today uint16) {
	any := false
	for k, h := range v.alias {
		kind := aliasKind(k)
		if h == 0 || st.isLost(h) {
			continue
		}
		if y := st.find(h); y >= 0 && y != x {
			if kind < aliasPrint {
				st.reused[kind] = true
			} else if !v.telling {
				st.lose(h, kind, today)
				continue
			}
		}
		st.carry(x, h, kind, today)
		any = true
	}
	if !any {
		st.carry(x, v.whole, aliasWhole, today)
	}
}
