package feeds

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tocsin"
)

// Limits of an item, in bytes. What is longer is cut and marked Repaired: a
// record of a log may have 1 MiB.
const (
	maxItemTitle = 8 << 10
	maxItemText  = 512 << 10
)

// What a Note tells.
const (
	Migrated = "migrated" // entries came back with other aliases: recognised, nothing published
	Conflict = "conflict" // aliases pointed at two known entries
	Flapping = "flapping" // an entry goes to and fro between two texts: published once a day
	Overrun  = "overrun"  // none of what was newest in the last document is left: some may have come and gone unseen
	Churning = "churning" // GUIDs or links change with every document: they are ignored from now on
)

// A Note is something about a document that people may want to know.
type Note struct {
	Kind  string // Migrated, Conflict, Flapping, Overrun or Churning
	Count int    // entries that it is about
	Text  string // what it means, one sentence
}

// Decide tells which entries of a document are new or revised. It returns their
// items in publishing order, oldest first, and what is known once those are
// stored. It is a function of its arguments: after a crash the same document
// gives the same items. Nothing that an entry says of its date has a part in it.
//
// An alias (GUID, link, fingerprint of title and text) identifies an entry only
// while it discriminates. Where signs disagree the entry is a new item: a repeat
// is folded later, a miss is never made up for.
func Decide(st State, s tocsin.Source, d Document, at time.Time) (items []tocsin.Item, next State, notes []Note) {
	c := decide(st, s, d, at)
	return c.items, c.State, c.notes
}

func decide(st State, s tocsin.Source, d Document, at time.Time) *decision {
	c := &decision{State: st.clone(), source: s, doc: d, at: at, today: dayOf(at)}
	baseline := !c.Read && (c.begun == 0 || at.Unix()-c.begun < baselineFor)
	if c.look(); c.blind {
		return c
	}
	c.discriminate()
	c.pair()
	for i := range c.looks {
		c.looks[i].to, c.looks[i].sure = c.recognise(&c.looks[i])
	}
	c.migrate()
	c.claim()
	c.countChurn()
	c.items = c.settle(baseline)
	c.listen(c.items)
	c.leave(baseline, slices.ContainsFunc(c.items, func(it tocsin.Item) bool { return it.Rev == 1 }))
	c.tidyUp(baseline)
	return c
}

// A sight is an entry as it stands in a document.
type sight struct {
	look
	marks marks
	entry *Entry
	text  string // the item's
	cut   bool   // the item does not hold all of it
	raw   uint64 // its fingerprint, also where that does not discriminate; 0 where another entry of the document has it too
	twin  int    // the one entry of the last document that says the same, if this is the only one here to do so; otherwise -1
	to    int    // the known entry that it is, or -1
	sure  int    // how many signs say so
}

type decision struct {
	State
	source tocsin.Source
	doc    Document
	at     time.Time
	today  uint16
	looks  []sight
	apart  [2]int            // by aliasGUID, aliasLink: how many values that discriminate the document holds
	common map[[16]byte]bool // texts, by sketch, that two entries of the document share
	last   int               // entries in the last document
	notes  []Note
	items  []tocsin.Item
	told   int  // looks that a memo gave
	blind  bool // an entry that was not parsed is to be published, or nothing is known of it
}

func (c *decision) note(kind string, count int, format string, args ...any) {
	c.notes = append(c.notes, Note{kind, count, fmt.Sprintf(format, args...)})
}

// look reads the document. An entry that stands in it twice counts once.
func (c *decision) look() {
	var f folder
	own := map[uint64]bool{}
	for _, u := range []string{c.doc.Feed.Link, c.source.URL} {
		l, _ := canonicalLink(u)
		own[f.hash(c.source.ID, aliasLink, l)] = true
		own[f.hash(c.source.ID, aliasGUID, canonicalGUID(u))] = true
	}
	c.looks = make([]sight, 0, len(c.doc.Items))
	there := make(map[uint64]bool, len(c.doc.Items))
	said := make(map[uint64]gist, len(c.doc.Items)) // most entries say what they said
	for x := range c.entries {
		if e := &c.entries[x]; e.now {
			said[e.exact] = e.gist
		}
	}
	for i := range c.doc.Items {
		e := &c.doc.Items[i]
		var text string
		var cut bool
		var exact uint64
		var m marks
		if e.recalled != nil {
			exact, m = e.recalled.exact, e.recalled.marks
		} else {
			text, cut = itemText(e)
			exact, m = f.exact(itemTitle(e), text), f.marks(c.source.ID, e.GUID, e.URL)
		}
		g, ok := said[exact]
		if !ok && e.recalled != nil {
			c.blind = true
			return
		}
		if !ok {
			g = f.folded(c.source.ID, itemTitle(e), text, exact)
		}
		v := c.State.sees(&f, c.source.ID, m, g)
		if there[v.whole] || v.print == 0 && v.all == [2]uint64{} {
			continue
		}
		there[v.whole] = true
		for k := range aliasPrint {
			if own[v.alias[k]] {
				v.alias[k] = 0
			}
		}
		if e.recalled != nil {
			c.told++
		}
		c.looks = append(c.looks, sight{look: v, marks: m, entry: e, text: text, cut: cut || len(e.Title) > maxItemTitle, raw: v.print, twin: -1, to: -1})
	}
}

func itemTitle(e *Entry) string { return cutText(e.Title, maxItemTitle) }

func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// itemText is the longer of text and summary, or both where neither holds what
// the other says.
func itemText(e *Entry) (text string, cut bool) {
	long, brief := e.Text, e.Summary
	if len(long) < len(brief) {
		long, brief = brief, long
	}
	switch {
	case holds(long, brief):
		text = long
	default:
		text = e.Summary + "\n\n" + e.Text
	}
	return cutText(text, maxItemText), len(text) > maxItemText
}

// holds reports whether long says all that brief says, in whole words. Where
// brief ends in dots its last word may be cut.
func holds(long, brief string) bool {
	if brief == "" {
		return true
	}
	said := strings.TrimRight(brief, " \n\u00a0.…[]()")
	dots := strings.ContainsRune(brief[len(said):], '…') || strings.Contains(brief[len(said):], "..")
	if rest, ok := strings.CutPrefix(long, said); ok && (dots || rest == "" || strings.IndexByte(" .,;:\n", rest[0]) >= 0) {
		return true
	}
	l, b := folder{buf: []byte(" ")}, folder{buf: []byte(" ")}
	l.fold(long, false)
	b.fold(said, false)
	if dots {
		b.buf = bytes.TrimSuffix(b.buf, []byte(" "))
	}
	return bytes.Contains(l.buf, b.buf)
}

// discriminate leaves of the aliases in the document those that point at one
// entry.
func (c *decision) discriminate() {
	seen := make(map[uint64]int, len(c.looks)*3)
	texts := make(map[[16]byte]int, len(c.looks))
	for i := range c.looks {
		for _, h := range c.looks[i].alias {
			seen[h]++
		}
		texts[c.looks[i].gist.text]++
	}
	c.common = map[[16]byte]bool{}
	for t, n := range texts {
		if n > 1 {
			c.common[t] = true
		}
	}
	for i := range c.looks {
		v := &c.looks[i]
		if seen[v.alias[aliasPrint]] > 1 {
			v.raw = 0
		}
		for k, h := range v.alias {
			kind := aliasKind(k)
			switch {
			case h == 0:
			case seen[h] > 1:
				c.lose(h, kind, c.today)
				v.alias[k] = 0
			case c.isLost(h):
				v.alias[k] = 0
			case kind < aliasPrint:
				c.apart[kind]++
			}
		}
	}
}

// pair finds the twins. Where two entries or more say what another entry said
// under the GUID or link that they now have, that kind of alias tells positions,
// not entries.
func (c *decision) pair() {
	said := make(map[uint64]int, len(c.entries))
	for x := range c.entries {
		if e := &c.entries[x]; e.now && e.print != 0 {
			c.last++
			if _, twice := said[e.print]; twice {
				x = -1
			}
			said[e.print] = x
		} else if e.now {
			c.last++
		}
	}
	var moved [2]int
	for i := range c.looks {
		v := &c.looks[i]
		x, ok := said[v.raw]
		if !ok || v.raw == 0 || x < 0 {
			continue
		}
		v.twin = x
		for k := range aliasPrint {
			if y := c.find(v.alias[k]); y >= 0 && y != x {
				moved[k]++
			}
		}
	}
	for k, n := range moved {
		if n > 1 {
			c.reused[k] = true
		}
	}
}

// proven reports whether values of a kind have told entries apart, and never
// failed to.
func (c *decision) proven(kind aliasKind) bool {
	if c.reused[kind] {
		return false
	}
	if c.apart[kind] > 1 {
		return true
	}
	one := -1
	for _, a := range c.alias {
		if a.kind == kind && one >= 0 && int(a.entry) != one {
			return true
		}
		if a.kind == kind {
			one = int(a.entry)
		}
	}
	return false
}

// recognise is the known entry that v is by its own aliases, or -1, and how many
// signs say so.
func (c *decision) recognise(v *sight) (x, sure int) {
	guid, link := v.alias[aliasGUID], v.alias[aliasLink]
	switch g, l := c.find(guid), c.find(link); {
	case guid != 0 && g < 0:
		return c.newGUID(v, l)
	case guid != 0 && link != 0 && l < 0:
		return c.newLink(v, g)
	case guid != 0 && link != 0 && l != g:
		return c.conflict(v, g, l)
	case guid != 0:
		return c.byAlias(v, g, aliasGUID, l == g)
	case link != 0 && l < 0:
		return -1, 0
	case link != 0:
		return c.byAlias(v, l, aliasLink, false)
	case v.alias[aliasPrint] != 0:
		return c.find(v.alias[aliasPrint]), 1
	}
	return c.find(v.whole), 1
}

// says reports whether entry x is known to say what v says.
func (c *decision) says(v *sight, x int) bool {
	return x >= 0 && v.print != 0 && (c.entries[x].print == v.print || c.find(v.alias[aliasPrint]) == x)
}

// newGUID: two of three, link and fingerprint, make v the entry l all the same.
// A short text adds nothing to a link that may be that of every entry.
func (c *decision) newGUID(v *sight, l int) (x, sure int) {
	mute := l >= 0 && v.print == 0 && c.entries[l].print == 0 // a link is all that there is
	if (mute || c.says(v, l)) && (v.telling || c.proven(aliasLink)) {
		return l, 2
	}
	return -1, 0
}

// newLink: g keeps its GUID if that is to be relied on and says something like it.
func (c *decision) newLink(v *sight, g int) (x, sure int) {
	switch {
	case c.says(v, g) && (v.telling || c.proven(aliasGUID)):
		return g, 2
	case c.says(v, g), !c.proven(aliasGUID), c.differs(v, g, shaken):
		return -1, 0
	}
	return g, 1
}

func (c *decision) conflict(v *sight, g, l int) (x, sure int) {
	c.note(Conflict, 1, "aliases pointed at two known entries")
	if c.says(v, g) {
		return g, 2
	}
	if c.says(v, l) {
		return l, 2
	}
	dg, dl := c.differs(v, g, c.trust(aliasGUID)), c.differs(v, l, c.trust(aliasLink))
	switch {
	case dg && dl:
		return -1, 0
	case dg, !dl && c.reused[aliasGUID]:
		return l, 1
	}
	return g, 1
}

// byAlias: x is known by its GUID, its link or both. What it says may be that of
// another entry: then the alias has moved.
func (c *decision) byAlias(v *sight, x int, kind aliasKind, both bool) (to, sure int) {
	sure = 1
	sign := c.trust(kind)
	if both {
		sure, sign = 2, max(sign, c.trust(aliasLink))
	}
	if c.says(v, x) {
		return x, sure + 1
	}
	differs := c.differs(v, x, sign)
	y := v.twin
	if y < 0 {
		y = c.find(v.alias[aliasPrint])
	}
	if y >= 0 && (differs || c.reused[kind] && v.twin == y) {
		return y, 1
	}
	if differs {
		return -1, 0
	}
	return x, sure
}

// A trust is what an alias that points at an entry is worth.
type trust int

const (
	doubtful trust = iota // its kind has failed, or was never put to the test
	shaken                // its kind is proven, but another alias is new
	good
)

func (c *decision) trust(kind aliasKind) trust {
	if c.proven(kind) {
		return good
	}
	return doubtful
}

// differs reports whether v says something else than entry x last did. Behind a
// proven alias that takes a text that is wholly different, and, where nothing
// else speaks against it, a title that is too; a text that many have tells
// nothing. Otherwise a title or a text that is not nearly the same is enough.
func (c *decision) differs(v *sight, x int, sign trust) bool {
	e := &c.entries[x]
	title, titles := alike(v.gist.title[:], e.title[:])
	text, texts := alike(v.gist.text[:], e.text[:])
	if sign == doubtful {
		return (title*5 < titles*3 || text*5 < texts*3) && !(v.telling && e.telling && text*10 >= texts*9)
	}
	if c.common[v.gist.text] {
		texts = 0
	}
	retitled, rewritten := title*3 < titles, text*10 < texts
	switch {
	case texts == 0:
		return retitled
	case titles == 0 || sign == shaken:
		return rewritten
	}
	return retitled && rewritten
}

// migrate maps a whole source by what its entries say, where half and at least
// minMigration of them came back with other aliases.
func (c *decision) migrate() {
	n := 0
	for i := range c.looks {
		if v := &c.looks[i]; v.twin >= 0 && v.to != v.twin {
			n++
		}
	}
	of := c.last
	if c.loose { // the last document is not known
		of = min(of, len(c.looks))
	}
	if n < minMigration || n*2 < of {
		return
	}
	for i := range c.looks {
		if v := &c.looks[i]; v.twin >= 0 && v.to != v.twin {
			v.to, v.sure = v.twin, mapped
		}
	}
	c.note(Migrated, n, "%d of %d known entries came back with other GUIDs or links: recognised by what they say, nothing was published", n, of)
}

const (
	minMigration = 5
	mapped       = 4 // sight.sure of what was recognised by migration
)

// claim gives a known entry to the one sight that is surest of it.
func (c *decision) claim() {
	order := make([]int, 0, len(c.looks))
	for i := range c.looks {
		if c.looks[i].to >= 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(c.looks[b].sure, c.looks[a].sure) })
	taken := make(map[int]bool, len(order))
	for _, i := range order {
		if v := &c.looks[i]; taken[v.to] {
			v.to = -1
		} else {
			taken[v.to] = true
		}
	}
}

// countChurn finds kinds of alias that change with every document. Only texts
// that identify entries by themselves, or many of them, can show it.
func (c *decision) countChurn() {
	for kind := range aliasPrint {
		other, same := 0, 0
		for i := range c.looks {
			v := &c.looks[i]
			x := v.to
			if x < 0 && v.telling {
				x = v.twin
			}
			if x < 0 || !c.entries[x].now || v.alias[kind] == 0 {
				continue
			}
			if c.find(v.alias[kind]) == x {
				same++
			} else if v.telling || v.sure == mapped || c.apart[kind] >= minMigration {
				other++
			}
		}
		switch {
		case same > 0 && c.churn[kind] > 0 && c.churn[kind] < churned:
			c.churn[kind], c.changed = 0, true
		case other*2 >= max(c.last, 1) && same == 0 && c.churn[kind] < churned:
			c.churn[kind]++
			c.changed = true
			if c.churn[kind] == churned {
				c.ignore(kind)
				c.overlook(kind)
				name := [...]string{"GUIDs", "links"}[kind]
				c.note(Churning, other, "all %s have changed with each of the last %d documents: they are ignored from now on", name, churned)
			}
		}
	}
}

// overlook takes a kind of alias out of the document.
func (c *decision) overlook(kind aliasKind) {
	var f folder
	for i := range c.looks {
		v := &c.looks[i]
		v.all[kind], v.alias[kind] = 0, 0
		v.whole = f.whole(c.source.ID, v.look)
	}
}

// settle learns the document, and makes the items: oldest first, which is the
// reverse of document order.
func (c *decision) settle(baseline bool) (items []tocsin.Item) {
	flapping := 0
	for i := len(c.looks) - 1; i >= 0; i-- {
		v := &c.looks[i]
		fresh := v.to < 0
		if fresh {
			v.to = c.add(c.newID(v))
		}
		c.learn(v.to, v.look, c.today)
		if fresh || c.revised(v, &flapping) {
			rev := int(c.entries[v.to].rev) + 1
			c.revise(v.to, v.gist, rev, c.at)
			items = append(items, c.item(v, rev, baseline))
		}
	}
	if flapping > 0 {
		c.note(Flapping, flapping, "%d entries go to and fro between texts: published once a day", flapping)
	}
	return items
}

// revised reports whether the change of a known entry is to be published.
func (c *decision) revised(v *sight, flapping *int) bool {
	e := &c.entries[v.to]
	if e.more != nil && e.more.withdrawn {
		return true
	}
	if v.exact == e.exact {
		c.hold(v.to, false)
		return false
	}
	if v.sure == mapped {
		e.exact, c.changed = v.exact, true
		return false
	}
	if e.more == nil || !slices.Contains(e.more.texts, v.exact) || !c.at.Before(e.settles()) {
		return true
	}
	if !e.more.held {
		*flapping++
	}
	c.hold(v.to, true)
	return false
}

// newID is the ID of a new item: from its first alias that was never seen.
func (c *decision) newID(v *sight) string {
	h := v.whole
	for k := range v.alias {
		if a := v.alias[k]; a != 0 && c.place(a) < 0 {
			h = a
			break
		}
	}
	id := fmt.Sprintf("%016x", h)
	for n := byte(0); c.named(id) >= 0; n++ {
		var f folder
		more := f.hash(c.source.ID, aliasWhole, fmt.Sprintf("%x %d", v.whole, n))
		id = fmt.Sprintf("%016x%08x", h, uint32(more))
	}
	return id
}

// itemFormat is the oldest format whose readers understand the poller's items.
const itemFormat = 2

func (c *decision) item(v *sight, rev int, baseline bool) tocsin.Item {
	e := v.entry
	c.blind = c.blind || e.recalled != nil
	return tocsin.Item{
		V: itemFormat, Source: c.source.ID, ID: c.id(v.to), Rev: rev,
		GUID: e.GUID, URL: e.URL, Shared: c.isLost(v.all[aliasLink]), Title: itemTitle(e), Text: v.text,
		Lang:      cmp.Or(e.Lang, c.source.Lang, c.doc.Feed.Lang),
		Published: e.Published, Updated: e.Updated, Authors: e.Authors, Tags: e.Tags,
		Seen: c.at.UTC(), Baseline: baseline, Repaired: v.cut || len(c.doc.Repairs) > 0,
	}
}

// leave notes which entries are in the last document. One that was cut, or holds
// nothing, says of no entry that it has gone.
func (c *decision) leave(baseline, fresh bool) {
	if len(c.looks) == 0 {
		return
	}
	here := make([]bool, len(c.entries))
	for i := range c.looks {
		here[c.looks[i].to] = true
	}
	left, stayed, returned := 0, 0, false
	var was []bool // of the entries of the last document, in the order they came: whether they are left
	for x := range c.entries {
		e := &c.entries[x]
		if e.now && e.rev > 0 && e.seen > 0 {
			was = append(was, here[x])
		}
		switch {
		case here[x]:
			if e.now && e.rev > 0 && e.seen > 0 {
				stayed++
			}
			if !e.now {
				e.now, c.changed = true, true
				returned = true
			}
			e.seen = c.today
		case e.now && !c.doc.Cut:
			left++
			e.now, c.changed = false, true
			if !c.loose {
				e.seen = c.today
			}
		}
	}
	// A list that begins anew is no full window, nor is one that reaches back to
	// what had left.
	if left < 2 || baseline || c.loose || returned || len(c.looks)*2 <= left+stayed {
		return
	}
	if stayed == 0 {
		c.note(Overrun, left, "none of the %d entries of the last document is left: others may have come and gone between two looks", left)
	} else if fresh && newestLeft(was) {
		c.note(Overrun, left, "the newest of the last document's entries are gone and %d older ones stay: others may have come and gone between two looks", stayed)
	}
}

// newestLeft reports whether none of the newer half of some entries, at least
// two, is there: what stays is pinned, as the oldest leave first.
func newestLeft(was []bool) bool {
	newer := was[len(was)-max(min(2, len(was)), len(was)/2):]
	return len(newer) > 1 && !slices.Contains(newer, true)
}

// baselineFor bounds, in seconds, how long documents that are never whole keep
// what is new from being told.
const baselineFor = 60 * 60

func (c *decision) tidyUp(baseline bool) {
	if c.begun == 0 {
		c.begun, c.changed = max(1, c.at.Unix()), true
	}
	if !c.Read && (!baseline || !c.doc.Cut) {
		c.Read, c.changed = true, true
	}
	if c.loose {
		c.loose, c.changed = false, true
	}
	c.forget(c.today)
	if c.index != nil {
		c.tidy()
	}
	c.foldNotes()
}

// foldNotes makes one of the notes of a kind that each count one.
func (c *decision) foldNotes() {
	n := 0
	c.notes = slices.DeleteFunc(c.notes, func(k Note) bool {
		if k.Kind == Conflict {
			n++
		}
		return k.Kind == Conflict
	})
	if n > 0 {
		c.note(Conflict, n, "%d entries had aliases of two known entries: two of three decided, or the GUID", n)
	}
}
