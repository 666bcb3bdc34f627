package pipeline

import (
	"context"
	"errors"
	"fmt"

	"tocsin"
	"tocsin/pipeline/fold"
	"tocsin/pipeline/watchlist"
	"tocsin/pipeline/watchlist/engine"
)

// inspect tries what was in hand when the process died in another process, and
// quarantines what kills that too.
func (m *matcher) inspect(ctx context.Context) error {
	if m.probe == nil {
		return nil
	}
	c, err := m.logs.items.Consumer(ctx, matchConsumer)
	if err != nil {
		return fmt.Errorf("match: %w", err)
	}
	var suspects []Stored
	for r, err := range m.logs.read(ctx, streamItems, "items.*", c.CachedInfo().AckFloor.Stream+1) {
		if err != nil {
			return fmt.Errorf("match: %w", err)
		}
		if it, err := decode[tocsin.Item](r.Data); err == nil {
			suspects = append(suspects, Stored{r.Sequence, it})
		}
		if len(suspects) == maxSuspects {
			break
		}
	}
	w, err := m.logs.Wanted(ctx)
	if err != nil {
		return fmt.Errorf("match: %w", err)
	}
	killers, err := m.probe(ctx, w.trial(suspects))
	for _, k := range killers {
		if err := m.banish(ctx, k.Seq, k.Item, errors.New("it ended the process that tried it")); err != nil {
			return err
		}
	}
	return err
}

// maxSuspects bounds what is tried after an unclean stop: a process holds far
// fewer items in hand, but what it had handled may not be acknowledged on disk.
const maxSuspects = 512

// poison means that an item cannot be handled, however often it is tried.
type poison struct{ err error }

func (p *poison) Error() string { return p.err.Error() }

// banish quarantines an item, so that it is not handled again.
func (m *matcher) banish(ctx context.Context, seq uint64, it tocsin.Item, cause error) error {
	why := clip(cause.Error(), maxWhy)
	if err := m.logs.quarantine(ctx, Quarantined{Source: it.Source, Reason: why, Seq: seq, Item: &it}); err != nil {
		return err
	}
	m.banished.Store(seq, true)
	m.count.Quarantined.Add(1)
	m.log.ErrorContext(ctx, "item quarantined", "stage", "match", "source", it.Source, "item", it.ID, "seq", seq, "err", why)
	m.report("quarantine."+it.Source, fmt.Sprintf("an item of %s could not be matched and is in quarantine: %s", it.Source, why))
	return nil
}

// A Trial is what an item is tried with in another process. It travels as JSON.
type Trial struct {
	Items      []Stored           `json:"items"`
	Watchlists []tocsin.Watchlist `json:"watchlists"`
	Lists      []tocsin.List      `json:"lists"`
	Sources    []tocsin.Source    `json:"sources"`
}

func (w *Wanted) trial(items []Stored) Trial {
	t := Trial{Items: items}
	for _, v := range w.Watchlists {
		if v.lives() {
			t.Watchlists = append(t.Watchlists, *v.Watchlist)
		}
	}
	for _, v := range w.Lists {
		if v.lives() {
			t.Lists = append(t.Lists, *v.List)
		}
	}
	for _, v := range w.Sources {
		t.Sources = append(t.Sources, *v.Source)
	}
	return t
}

// Run does with the items what the match stage does, in their order. It calls
// before with the text of each, and survived after it.
func (t Trial) Run(before func(text string), survived func(Stored) error) error {
	w := &Wanted{Lists: map[string]Version{}, Sources: map[string]Version{}}
	for _, x := range t.Lists {
		w.Lists[x.Name] = Version{Watched: Watched{V: 2, List: &x}}
	}
	for _, s := range t.Sources {
		w.Sources[s.ID] = Version{Watched: Watched{V: 2, Source: &s}}
	}
	var rules []*watchlist.Rule
	var changes []engine.Change
	for _, x := range t.Watchlists {
		if r, err := w.Rule(x); err == nil {
			rules, changes = append(rules, r), append(changes, engine.Change{Name: x.Name, Rule: r})
		}
	}
	m := engine.New().With(changes...).Matcher()
	for _, it := range t.Items {
		before(it.Item.Said())
		doc := Document(it.Item, w.Source(it.Item.Source))
		m.Match(doc, func(string) {})
		for _, r := range rules {
			r.Match(doc)
		}
		fold.Of(it.Item.Title, it.Item.Said(), it.Item.Lang)
		if err := survived(it); err != nil {
			return err
		}
	}
	return nil
}
