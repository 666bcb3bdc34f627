package fold

import (
	"cmp"
	"slices"
	"time"
)

// An Index holds the open statements. The zero value is empty and ready. It is
// not safe for use by several goroutines at once.
type Index struct {
	open    map[string]*statement
	of      map[Member]string            // -> statement
	members []member                     // those that texts are compared with
	exact   map[[digestSize]byte]int32   // digest of title and text, or of a long text -> member
	posting [families]map[uint16][]int32 // by family: what says it -> members, in the order they came
	common  [families]map[uint16]int32   // by family: how many statements say it
	scores  []float32                    // by member; all zero but within likely
}

// Families of what members are found by.
const (
	bySlot = iota
	byShingle
	families
)

// A statement is one that is open.
type statement struct {
	sources []string // of its items, each as often as it has items
	last    time.Time
	members []int32
}

// A member is an item with its sketch.
type member struct {
	Member
	statement *statement
	id        string // of the statement
	sketch    Sketch
	at        int64 // in seconds
	report    bool  // it tells of the statement and is none
}

// maxMembers is how many sketches of a statement are compared with. The first of a
// further language is one more, so that each copy after it finds one of its own.
const maxMembers = 8

// Add records that an item, as first seen at a time, is of the statement.
func (x *Index) Add(id string, m Member, s Sketch, at time.Time) { x.add(id, m, s, at, false) }

// AddReport records that an item, as first seen at a time, tells of the statement.
// What is the same as it tells of the statement too.
func (x *Index) AddReport(id string, m Member, s Sketch, at time.Time) { x.add(id, m, s, at, true) }

func (x *Index) add(id string, m Member, s Sketch, at time.Time, report bool) {
	if x.open == nil {
		x.open, x.of, x.exact = map[string]*statement{}, map[Member]string{}, map[[digestSize]byte]int32{}
		for i := range x.posting {
			x.posting[i], x.common[i] = map[uint16][]int32{}, map[uint16]int32{}
		}
	}
	st := x.opened(id)
	if x.of[m] != id {
		x.of[m] = id
		st.sources = append(st.sources, m.Source)
	}
	if at.After(st.last) {
		st.last = at
	}
	f, err := s.facts()
	if err != nil {
		return
	}
	n := int32(len(x.members))
	x.members = append(x.members, member{m, st, id, s, at.Unix(), report})
	x.exact[f.whole] = n
	if f.text != [digestSize]byte{} {
		x.exact[f.text] = n
	}
	if x.repeats(st, f) {
		return
	}
	x.count(st, f)
	st.members = append(st.members, n)
	for family, keys := range f.keys() {
		for _, k := range keys {
			x.posting[family][k] = append(x.posting[family][k], n)
		}
	}
}

func (x *Index) opened(id string) *statement {
	st := x.open[id]
	if st == nil {
		st = &statement{}
		x.open[id] = st
	}
	return st
}

// repeats reports whether a statement has enough sketches already, or one that
// says just this.
func (x *Index) repeats(st *statement, f facts) bool {
	spoken := false
	for _, n := range st.members {
		have, err := x.members[n].sketch.facts()
		if err != nil || have.lang != f.lang {
			continue
		}
		if spoken = true; have.text == f.text && f.text != [digestSize]byte{} {
			return true
		}
	}
	return spoken && len(st.members) >= maxMembers
}

// count counts what a statement says that its other members do not.
func (x *Index) count(st *statement, f facts) {
	var said [families]map[uint16]bool
	for i := range said {
		said[i] = map[uint16]bool{}
	}
	for _, n := range st.members {
		if have, err := x.members[n].sketch.facts(); err == nil {
			for family, keys := range have.keys() {
				for _, k := range keys {
					said[family][k] = true
				}
			}
		}
	}
	for family, keys := range f.keys() {
		for _, k := range keys {
			if !said[family][k] {
				said[family][k] = true
				x.common[family][k]++
			}
		}
	}
}

// keys are by what a member is found, by family, each once.
func (f facts) keys() [families][]uint16 {
	var out [families][]uint16
	for _, s := range f.slots {
		out[bySlot] = append(out[bySlot], uint16(s))
	}
	out[byShingle] = append(out[byShingle], f.worded.low...)
	for _, k := range f.lead.low {
		if !slices.Contains(f.worded.low, k) {
			out[byShingle] = append(out[byShingle], k)
		}
	}
	return out
}

// Move gives items of one statement to another, which may be new: some of them
// where a person parted them, or all, with no items given, where two were found
// to be one. What is parted is no report, but another statement.
func (x *Index) Move(from, to string, items ...Member) {
	old := x.open[from]
	if old == nil || from == to {
		return
	}
	st := x.opened(to)
	if old.last.After(st.last) {
		st.last = old.last
	}
	moves := func(m Member) bool { return len(items) == 0 || slices.Contains(items, m) }
	for m, id := range x.of {
		if id == from && moves(m) {
			x.of[m] = to
			st.sources = append(st.sources, m.Source)
			at := slices.Index(old.sources, m.Source)
			old.sources = slices.Delete(old.sources, at, at+1)
		}
	}
	for i := range x.members {
		if m := &x.members[i]; m.id == from && moves(m.Member) {
			m.id, m.statement = to, st
			m.report = m.report && len(items) == 0
		}
	}
	old.members = slices.DeleteFunc(old.members, func(n int32) bool {
		if x.members[n].id != to {
			return false
		}
		st.members = append(st.members, n)
		return true
	})
	if len(old.sources) == 0 {
		delete(x.open, from)
	}
}

// Keep forgets the statements of which keep is false.
func (x *Index) Keep(keep func(id string) bool) {
	old := *x
	*x = Index{}
	for _, m := range old.members {
		if keep(m.id) {
			x.add(m.id, m.Member, m.sketch, time.Unix(m.at, 0), m.report)
		}
	}
	for id, st := range x.open {
		st.last = old.open[id].last
	}
}

// Decide says what an item that is seen at a time is. One that is of a statement
// already is compared with the others.
func (x *Index) Decide(m Member, s Sketch, at time.Time) Decision {
	f, err := s.facts()
	if err != nil || x.open == nil {
		return Decision{Kind: New, Reason: "nothing is open"}
	}
	if f.whole == nothing {
		return Decision{Kind: New, Reason: "it says nothing"}
	}
	own, known := x.of[m]
	if d, ok := x.equal(m, f, at); ok && !(known && d.Statement == own) {
		return d
	}
	best, told := Decision{Kind: New, Reason: "nothing open is like it"}, Decision{Kind: New} // told: of reports
	spoken := map[string]Decision{}                                                           // by texts of its own language, of each statement
	for _, n := range x.likely(f, at) {
		c := &x.members[n]
		if known && c.id == own {
			continue
		}
		other, err := c.sketch.facts()
		if err != nil {
			continue
		}
		apart := time.Duration(at.Unix()-c.at) * time.Second
		d := x.weigh(f, other, apart.Abs(), m.Source != "" && slices.Contains(c.statement.sources, m.Source))
		most := &best
		if c.report {
			most = &told
		}
		if d.over(*most) {
			*most, most.Statement = d.like(c), c.id
		}
		if other.lang == f.lang && !c.report && d.Score > spoken[c.id].Score {
			spoken[c.id] = d
		}
	}
	if d := spoken[best.Statement]; best.Kind == Same && d.Kind == Near {
		best.Kind, best.Reason = d.Kind, d.Reason // how much it leaves out, its own language tells best
	}
	if told.over(best) && !(best.Kind != New && best.Statement == told.Statement) {
		best = told
	}
	if best.Kind == New {
		best.Statement = ""
	}
	return best
}

// over reports whether a decision goes before another: what folds does.
func (d Decision) over(e Decision) bool {
	if (d.Kind == New) != (e.Kind == New) {
		return e.Kind == New
	}
	return d.Score > e.Score
}

// like is what a text is that is decided to be like a member.
func (d Decision) like(c *member) Decision {
	if c.report && d.Kind == Same {
		d.Kind, d.Reason = Near, "like a report of it: "+d.Reason
	}
	return d
}

// nothing is the digest of a text without a letter or digit.
var nothing = [digestSize]byte(appendDigest(nil, nil))

// equal decides by digests.
func (x *Index) equal(m Member, f facts, at time.Time) (Decision, bool) {
	if c := x.known(f.whole, at); c != nil {
		if have, err := c.sketch.facts(); err == nil && have.whole == f.whole && !f.brief(have) {
			return Decision{Kind: Same, Statement: c.id, Reason: "equal title and text", Score: 1}.like(c), true
		}
	}
	if f.text == [digestSize]byte{} || f.bare {
		return Decision{}, false
	}
	if c := x.known(f.text, at); c != nil && !slices.Contains(c.statement.sources, m.Source) {
		if have, err := c.sketch.facts(); err == nil && !(f.more(have) && have.more(f)) {
			return Decision{Kind: Same, Statement: c.id, Reason: "equal text in another source", Score: 1}.like(c), true
		}
	}
	return Decision{}, false
}

// brief reports whether two equal texts are too short to be one for certain where
// two governments publish them: each has its own "Statement by the Minister".
func (f facts) brief(g facts) bool {
	return f.text == [digestSize]byte{} && f.severally(g)
}

// more reports whether a text names anything that another does not. Of equal texts
// that is their titles: if each names its own, the text may be what a site says
// instead of one, such as that it uses cookies.
func (f facts) more(g facts) bool {
	return slices.ContainsFunc(f.slots, func(s slot) bool { return s.class() != topic && !slices.Contains(g.slots, s) })
}

// known is the newest member with a digest, if its statement is open.
func (x *Index) known(digest [digestSize]byte, at time.Time) *member {
	n, ok := x.exact[digest]
	if !ok || !x.members[n].statement.isOpen(at) {
		return nil
	}
	return &x.members[n]
}

func (st *statement) isOpen(at time.Time) bool { return at.Sub(st.last) <= Window }

const (
	maxLikely   = 24     // members that a text is compared with
	maxPostings = 2_000  // of one key: the newest are looked at
	maxLooked   = 12_000 // postings of all keys: the rarest first
)

// A clue is a key by which members are found.
type clue struct {
	members []int32
	weight  float32
}

// likely are the members that have most in common with a text.
func (x *Index) likely(f facts, at time.Time) []int32 {
	var clues []clue
	for family, keys := range f.keys() {
		for _, k := range keys {
			if ps := x.posting[family][k]; len(ps) > 0 {
				clues = append(clues, clue{ps[max(0, len(ps)-maxPostings):], max(0.01, float32(x.rarity(family, k)))})
			}
		}
	}
	slices.SortFunc(clues, func(a, b clue) int { return len(a.members) - len(b.members) })
	if len(x.scores) < len(x.members) {
		x.scores = make([]float32, cap(x.members))
	}
	var found []int32
	looked := 0
	for _, c := range clues {
		if looked += len(c.members); looked > maxLooked {
			break
		}
		for _, n := range c.members {
			if x.scores[n] == 0 {
				found = append(found, n)
			}
			x.scores[n] += c.weight
		}
	}
	out := x.best(found, at)
	for _, n := range found {
		x.scores[n] = 0
	}
	return out
}

// best are those of found with the highest scores, the newest first among equals.
func (x *Index) best(found []int32, at time.Time) []int32 {
	out := make([]int32, 0, maxLikely+1)
	for _, n := range found {
		if len(out) == maxLikely && x.scores[n] < x.scores[out[maxLikely-1]] || !x.members[n].statement.isOpen(at) {
			continue
		}
		i, _ := slices.BinarySearchFunc(out, n, func(a, b int32) int { return cmp.Or(cmp.Compare(x.scores[b], x.scores[a]), cmp.Compare(b, a)) })
		out = slices.Insert(out, i, n)
		out = out[:min(len(out), maxLikely)]
	}
	return out
}
