package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tocsin"
	"tocsin/pipeline"
	"tocsin/pipeline/watchlist"
	"tocsin/pipeline/watchlist/engine"
)

// A vocabulary is the watchlists and lists that a command may name: those of the
// configuration it reads, and beside them what people added at run time. What is
// stored is looked at only for a name that the configuration has not.
type vocabulary struct {
	a      *app
	cfg    *Config
	wanted *pipeline.Wanted // nil before it is needed, and where nothing is stored
	looked bool
	made   *watchlist.Lists
	needed []string // the names of the lists that made is for
}

func (a *app) vocabulary() (*vocabulary, error) {
	cfg, err := a.look()
	if err != nil {
		return nil, err
	}
	return &vocabulary{a: a, cfg: cfg}, nil
}

// stored are the records of WATCH, or none where nothing is stored yet.
func (v *vocabulary) stored() (*pipeline.Wanted, error) {
	if v.looked {
		return v.wanted, nil
	}
	err := v.a.logs(func(l *pipeline.Logs) (err error) {
		v.wanted, err = l.Wanted(v.a.ctx)
		return err
	})
	if errors.Is(err, pipeline.ErrNoData) || errors.Is(err, errNoData) {
		v.wanted, err = nil, nil
	}
	v.looked = err == nil
	return v.wanted, err
}

// use makes what is stored the only thing that counts: changes are decided by it.
func (v *vocabulary) use(w *pipeline.Wanted) {
	only := *v.cfg
	only.Watchlists, only.Lists = nil, nil
	v.cfg, v.wanted, v.looked = &only, w, true
}

// watchlist is the watchlist of a name.
func (v *vocabulary) watchlist(name string) (tocsin.Watchlist, error) {
	var names []string
	for _, w := range v.cfg.Watchlists {
		if w.Name == name {
			return w, nil
		}
		names = append(names, w.Name)
	}
	stored, err := v.stored()
	if err != nil {
		return tocsin.Watchlist{}, err
	}
	if stored != nil {
		if w, ok := stored.Watchlists[name]; ok && !w.Suspended {
			return *w.Watchlist, nil
		}
		for other, w := range stored.Watchlists {
			if !w.Suspended {
				names = append(names, other)
			}
		}
	}
	return tocsin.Watchlist{}, usageError(errors.New(unknownName("watchlist", name, names)))
}

// unknownName says that there is nothing of a name, and what may be meant.
func unknownName(kind, name string, known []string) string {
	slices.Sort(known)
	known = slices.Compact(known)
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("there is no %s %q; did you mean %q?", kind, name, near)
	}
	if len(known) == 0 {
		return fmt.Sprintf("there is no %s %q, and none at all", kind, name)
	}
	const few = 12
	more := ""
	if len(known) > few {
		more = fmt.Sprintf(" and %d more", len(known)-few)
		known = known[:few]
	}
	return fmt.Sprintf("there is no %s %q; there are %s%s", kind, name, strings.Join(known, ", "), more)
}

// watchlists are all: those of the configuration, then those that people added.
func (v *vocabulary) watchlists() ([]tocsin.Watchlist, error) {
	out := slices.Clone(v.cfg.Watchlists)
	stored, err := v.stored()
	if err != nil || stored == nil {
		return out, err
	}
	for _, name := range slices.Sorted(maps.Keys(stored.Watchlists)) {
		w := stored.Watchlists[name]
		if !w.Suspended && !slices.ContainsFunc(v.cfg.Watchlists, func(c tocsin.Watchlist) bool { return c.Name == name }) {
			out = append(out, *w.Watchlist)
		}
	}
	return out, nil
}

// lists are the lists for a query. The stored ones are among them if it, or a list
// of it, names one that the configuration has not.
func (v *vocabulary) lists(q *watchlist.Query) (*watchlist.Lists, error) {
	known := v.terms()
	needed := reachable(append(q.Lists(), v.needed...), known)
	has := func(name string) bool {
		return slices.ContainsFunc(known, func(l tocsin.List) bool { return l.Name == name })
	}
	lacks := func() bool { return slices.ContainsFunc(needed, func(n string) bool { return !has(n) }) }
	if lacks() {
		if _, err := v.stored(); err != nil {
			return nil, err
		}
		known = v.terms()
		needed = reachable(needed, known)
	}
	if v.made != nil && len(needed) == len(v.needed) {
		return v.made, nil
	}
	if v.needed = needed; !lacks() { // where one is unknown, all tell what may be meant
		known = slices.DeleteFunc(known, func(l tocsin.List) bool { return !slices.Contains(needed, l.Name) })
	}
	var err error
	v.made, err = madeLists(known)
	return v.made, err
}

func madeLists(lists []tocsin.List) (*watchlist.Lists, error) {
	var made []*watchlist.List
	for _, l := range lists {
		x, err := watchlist.NewList(l)
		if err != nil {
			return nil, err
		}
		made = append(made, x)
	}
	return watchlist.NewLists(made...), nil
}

// terms are the lists that are known by now.
func (v *vocabulary) terms() []tocsin.List {
	all := slices.Clone(v.cfg.Lists)
	if v.wanted == nil {
		return all
	}
	for _, name := range slices.Sorted(maps.Keys(v.wanted.Lists)) {
		l := v.wanted.Lists[name]
		if !l.Suspended && !slices.ContainsFunc(v.cfg.Lists, func(c tocsin.List) bool { return c.Name == name }) {
			all = append(all, *l.List)
		}
	}
	return all
}

// loader reads watchlists whose queries may name these lists.
func (v *vocabulary) loader() Loader {
	l := v.a.loader()
	l.Lists = v.terms()
	return l
}

// rule is a watchlist ready to be held against documents.
func (v *vocabulary) rule(w tocsin.Watchlist) (*watchlist.Rule, error) {
	q, err := watchlist.Parse(w.Query)
	if err != nil {
		return nil, usageError(err)
	}
	lists, err := v.lists(q)
	if err != nil {
		return nil, err
	}
	r, err := q.Resolve(lists, w.Stem)
	if err != nil {
		return nil, usageError(err)
	}
	return r, nil
}

// A judge holds documents against one rule: the engine says no to most of them,
// and the rule says where the words of the others stand.
type judge struct {
	rule   *watchlist.Rule
	m      *engine.Matcher
	speaks bool // the rule asks for the language of a document
}

func newJudge(r *watchlist.Rule) *judge {
	return &judge{r, engine.New().With(engine.Change{Name: "it", Rule: r}).Matcher(), asksLanguage(r.Root)}
}

func (j *judge) match(d *watchlist.Document) (watchlist.Result, bool) {
	found := false
	j.m.Match(d, func(string) { found = true })
	if !found {
		return watchlist.Result{}, false
	}
	return j.rule.Match(d)
}

// asksLanguage reports whether what e finds depends on the language of a document.
func asksLanguage(e *watchlist.Expr) bool {
	return e.Lang != "" || e.Field == "lang" || slices.ContainsFunc(e.Kids, asksLanguage)
}
