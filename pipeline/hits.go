package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tocsin"
	"tocsin/pipeline/watchlist"
	"tocsin/pipeline/watchlist/engine"
)

// match holds an item against every watchlist. They come in the order of their
// names.
func (m *matcher) match(it tocsin.Item, now *ruleset) (out []tocsin.Match) {
	if m.off.Match {
		return nil
	}
	m.count.Items.Add(1)
	if m.before != nil {
		m.before(it)
	}
	doc := Document(it, m.view.source(it.Source))
	for _, name := range m.hits(doc, now) {
		w := now.rules[name]
		res, ok := w.rule.Match(doc)
		if !ok {
			m.disagree(name, it)
			continue
		}
		out = append(out, tocsin.Match{Watchlist: name, Version: w.version, Branch: res.Branch, Spans: limitSpans(res.Spans)})
	}
	slices.SortFunc(out, func(a, b tocsin.Match) int { return strings.Compare(a.Watchlist, b.Watchlist) })
	return out
}

// hits are the watchlists that the engine finds. Where it panics, the reference
// answers in its place: a fault of what makes matching fast must cost no alert.
func (m *matcher) hits(doc *watchlist.Document, now *ruleset) (names []string) {
	if now.index == nil { // a single rule is not worth one
		return plainHits(doc, now)
	}
	x, _ := m.matchers.Get().(*engine.Matcher)
	defer func() {
		if r := recover(); r != nil {
			m.count.Disagreements.Add(1)
			m.log.Error("the engine failed; every watchlist is matched without it", "stage", "match", "err", fmt.Sprint(r))
			m.report("engine", fmt.Sprintf("matching by the fast way failed on a statement of %s and was done the slow way: %v; please report this", doc.Source, r))
			names = plainHits(doc, now)
		}
	}()
	if x == nil {
		x = now.index.Matcher()
	}
	x.Use(now.index)
	x.Match(doc, func(name string) { names = append(names, name) })
	m.matchers.Put(x)
	return names
}

func plainHits(doc *watchlist.Document, now *ruleset) (names []string) {
	for name, w := range now.rules {
		if w.rule.Holds(doc) {
			names = append(names, name)
		}
	}
	return names
}

// disagree notes that the engine found what the reference does not: it does not
// alert.
func (m *matcher) disagree(name string, it tocsin.Item) {
	m.count.Disagreements.Add(1)
	if _, told := m.differed.LoadOrStore(name, true); told {
		return
	}
	m.log.ErrorContext(context.Background(), "the engine found a match that is none", "stage", "match", "watchlist", name, "source", it.Source, "item", it.ID)
	m.report("engine."+name, fmt.Sprintf("watchlist %s: the fast way of matching found a match in %s/%s that the exact one does not confirm; nothing was sent. Please report this with the query", name, it.Source, it.ID))
}
