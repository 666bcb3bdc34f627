package pipeline

import (
	"context"
	"errors"
	"fmt"

	"tocsin"
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
	_, lists := m.view.snapshot()
	killers, err := m.probe(ctx, suspects, watchlistsOf(lists))
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

func watchlistsOf(lists map[string]*compiled) []tocsin.Watchlist {
	var out []tocsin.Watchlist
	for _, l := range lists {
		out = append(out, l.Watchlist)
	}
	return out
}
