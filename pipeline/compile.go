package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"tocsin"
	"tocsin/pipeline/watchlist"
	"tocsin/pipeline/watchlist/engine"
)

// A ruleset is the watchlists as of one sequence of WATCH. It does not change.
type ruleset struct {
	seq   uint64
	rules map[string]*compiled
	index *engine.Index // of rules
}

func newRuleset() *ruleset { return &ruleset{rules: map[string]*compiled{}, index: engine.New()} }

// A compiled watchlist is in force.
type compiled struct {
	tocsin.Watchlist
	version uint64    // the WATCH sequence of the watchlist or, if that is later, of a list that it uses
	written time.Time // when that was stored
	rule    *watchlist.Rule
}

// A compiler makes rulesets of what WATCH says. One goroutine uses it.
//
// What no longer compiles, because a list changed or a newer tocsin reads the
// language otherwise, keeps its last version that does: people are told, and no
// watchlist falls silent.
type compiler struct {
	watchlists map[string]Version // as WATCH has them, suspended ones too
	lists      map[string]Version // the same; heads
	dirty      map[string]bool    // watchlists that are not compiled
	stale      map[string]bool    // lists that are not, or what names them is not

	names    map[string][]string   // of a watchlist, the lists that it names, and those that they name, and so on
	usable   map[string]usableList // lists
	resolver *watchlist.Lists      // of usable
	broken   map[string]bool       // by key
	fresh    []trouble
}

// A usableList is the version of a list that queries get.
type usableList struct {
	Version
	list  *watchlist.List
	names []string // lists that it names
}

// A trouble is a watchlist or list whose newest version does not work, or one
// that works again.
type trouble struct {
	key  string // "watchlist.missiles"
	by   string
	err  error     // nil: it works
	kept time.Time // when the version that is in force was stored; zero if there is none
}

func (t trouble) text() string {
	stays := "no version of it works"
	if !t.kept.IsZero() {
		stays = "its version of " + t.kept.UTC().Format(time.DateTime) + " stays in force"
	}
	return fmt.Sprintf("%s does not work as %s wrote it, and %s: %v", t.key, t.by, stays, t.err)
}

func newCompiler() *compiler {
	return &compiler{
		watchlists: map[string]Version{}, lists: map[string]Version{}, dirty: map[string]bool{}, stale: map[string]bool{},
		names: map[string][]string{}, usable: map[string]usableList{}, resolver: watchlist.NewLists(), broken: map[string]bool{},
	}
}

// troubles are what changed since it was last asked.
func (c *compiler) troubles() []trouble {
	out := c.fresh
	c.fresh = nil
	return out
}

func (c *compiler) note(t trouble) {
	if t.err != nil || c.broken[t.key] {
		c.fresh = append(c.fresh, t)
	}
	c.broken[t.key] = t.err != nil
}

// compile is the ruleset of what was noted up to seq. An error is one of
// reading: what was noted is still to be compiled.
func (c *compiler) compile(ctx context.Context, logs *Logs, old *ruleset, seq uint64) (*ruleset, error) {
	if err := c.compileLists(ctx, logs); err != nil {
		return nil, err
	}
	next := &ruleset{seq: seq, rules: old.rules, index: old.index}
	if len(c.dirty) == 0 {
		return next, nil
	}
	next.rules = maps.Clone(old.rules)
	var changes []engine.Change
	for name := range c.dirty {
		w, err := c.watchlist(ctx, logs, name, old.rules[name])
		if err != nil {
			return nil, err
		}
		change := engine.Change{Name: name}
		delete(next.rules, name)
		if w != nil {
			next.rules[name], change.Rule = w, w.rule
		}
		changes = append(changes, change)
	}
	next.index = old.index.With(changes...)
	clear(c.dirty)
	return next, nil
}

// compileLists compiles the lists that changed, and notes which watchlists that
// concerns.
func (c *compiler) compileLists(ctx context.Context, logs *Logs) error {
	if len(c.stale) == 0 {
		return nil
	}
	for name := range c.stale {
		if err := c.list(ctx, logs, name); err != nil {
			return err
		}
	}
	var all []*watchlist.List
	for _, u := range c.usable {
		all = append(all, u.list)
	}
	c.resolver = watchlist.NewLists(all...)
	for name, lists := range c.names {
		if slices.ContainsFunc(lists, func(l string) bool { return c.stale[l] }) {
			c.dirty[name] = true
		}
	}
	clear(c.stale)
	return nil
}

// list makes the newest version of a list that can be used the one in use.
func (c *compiler) list(ctx context.Context, logs *Logs, name string) error {
	rec, key := c.lists[name], "list."+name
	if !rec.lives() {
		delete(c.usable, name)
		c.note(trouble{key: key})
		return nil
	}
	u, bad, err := usableOf(ctx, logs, rec)
	if err != nil {
		return err
	}
	if bad == nil {
		c.usable[name] = u
		c.note(trouble{key: key})
		return nil
	}
	if _, ok := c.usable[name]; !ok {
		past, err := logs.versions(ctx, key)
		if err != nil {
			return err
		}
		if err := c.lastList(ctx, logs, name, past); err != nil {
			return err
		}
	}
	c.note(trouble{key, rec.By, bad, c.usable[name].Time})
	return nil
}

// lastList takes the newest of the versions of a list that can be used, if there
// is one.
func (c *compiler) lastList(ctx context.Context, logs *Logs, name string, past []Version) error {
	for _, rec := range slices.Backward(past) {
		if !rec.lives() {
			return nil
		}
		u, bad, err := usableOf(ctx, logs, rec)
		if err != nil {
			return err
		}
		if bad == nil {
			c.usable[name] = u
			return nil
		}
	}
	return nil
}

// usableOf is a list ready for use, or why it cannot be, or else an error of
// reading.
func usableOf(ctx context.Context, logs *Logs, rec Version) (u usableList, bad, err error) {
	w, err := logs.whole(ctx, rec.Watched)
	if err != nil {
		return u, nil, err
	}
	x, bad := watchlist.NewList(*w.List)
	return usableList{rec, x, named(*w.List)}, bad, nil
}

// watchlist is the newest version of a watchlist that compiles, or nil.
func (c *compiler) watchlist(ctx context.Context, logs *Logs, name string, inForce *compiled) (*compiled, error) {
	rec, key := c.watchlists[name], "watchlist."+name
	if !rec.lives() {
		delete(c.names, name)
		c.note(trouble{key: key})
		return nil, nil
	}
	w, names, bad := compileOne(rec, c.usable, c.resolver)
	c.names[name] = names
	if bad == nil {
		c.note(trouble{key: key})
		return w, nil
	}
	kept := inForce
	if kept == nil {
		var err error
		if kept, err = lastCompiled(ctx, logs, name); err != nil {
			return nil, err
		}
	}
	t := trouble{key: key, by: rec.By, err: bad}
	if kept != nil {
		t.kept = kept.written
	}
	c.note(t)
	return kept, nil
}

// compileOne compiles a version of a watchlist with lists, and names the lists
// that it depends on.
func compileOne(rec Version, usable map[string]usableList, lists *watchlist.Lists) (w *compiled, names []string, bad error) {
	q, err := watchlist.Parse(rec.Watchlist.Query)
	if err != nil {
		return nil, nil, err
	}
	names = reach(q.Lists(), func(list string) []string { return usable[list].names })
	r, err := q.Resolve(lists, rec.Watchlist.Stem)
	if err != nil {
		return nil, names, err
	}
	w = &compiled{Watchlist: *rec.Watchlist, version: rec.Seq, written: rec.Time, rule: r}
	for _, list := range names {
		if u := usable[list]; u.Seq > w.version {
			w.version, w.written = u.Seq, u.Time
		}
	}
	return w, names, nil
}

// lastCompiled is a watchlist as it stood, with the lists as they stood, when it
// last compiled; nil if it did not since it was added.
func lastCompiled(ctx context.Context, logs *Logs, name string) (*compiled, error) {
	past, err := logs.pastOf(ctx, name)
	if err != nil {
		return nil, err
	}
	var moments []uint64
	for _, versions := range past {
		for _, v := range versions {
			moments = append(moments, v.Seq)
		}
	}
	slices.SortFunc(moments, func(a, b uint64) int { return cmp.Compare(b, a) })
	for _, at := range slices.Compact(moments) {
		rec := versionAt(past[""], at)
		if !rec.lives() {
			return nil, nil
		}
		then := newCompiler()
		for list, versions := range past {
			if i := slices.IndexFunc(versions, func(v Version) bool { return v.Seq > at }); list != "" {
				if i < 0 {
					i = len(versions)
				}
				if err := then.lastList(ctx, logs, list, versions[:i]); err != nil {
					return nil, err
				}
			}
		}
		var lists []*watchlist.List
		for _, u := range then.usable {
			lists = append(lists, u.list)
		}
		if w, _, bad := compileOne(rec, then.usable, watchlist.NewLists(lists...)); bad == nil {
			return w, nil
		}
	}
	return nil, nil
}

// versionAt is the newest of versions at a sequence of WATCH.
func versionAt(versions []Version, at uint64) (out Version) {
	for _, v := range versions {
		if v.Seq <= at {
			out = v
		}
	}
	return out
}

// pastOf are the versions of a watchlist, under "", and of every list that any of
// them depended on, oldest first.
func (l *Logs) pastOf(ctx context.Context, name string) (map[string][]Version, error) {
	own, err := l.versions(ctx, "watchlist."+name)
	if err != nil {
		return nil, err
	}
	past := map[string][]Version{"": own}
	var lists []string
	for _, v := range own {
		if v.Watchlist == nil {
			continue
		}
		if q, err := watchlist.Parse(v.Watchlist.Query); err == nil {
			lists = append(lists, q.Lists()...)
		}
	}
	for i := 0; i < len(lists); i++ {
		if _, ok := past[lists[i]]; ok {
			continue
		}
		versions, err := l.versions(ctx, "list."+lists[i])
		if err != nil {
			return nil, err
		}
		past[lists[i]] = versions
		for _, v := range versions {
			if v.List == nil {
				continue
			}
			w, err := l.whole(ctx, v.Watched)
			if err != nil {
				return nil, err
			}
			lists = append(lists, named(*w.List)...)
		}
	}
	return past, nil
}
