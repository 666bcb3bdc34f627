package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tocsin"
	"tocsin/pipeline/fold"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// ApplyEarlier matches what is stored since a time with a watchlist as it now
// stands, and stores the events that this calls for, marked Earlier. It returns
// how many. Whoever is subscribed gets them as late deliveries, baseline
// statements too. An alert that is known gets the further match; nothing that has
// it already is stored again, so the command may be repeated and may run beside a
// service, which decides by the same log.
func (l *Logs) ApplyEarlier(ctx context.Context, by, name string, since time.Time, progress func(done, total uint64)) (events int, err error) {
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	log := slog.New(slog.DiscardHandler)
	// What was published at a time can be part of a statement that was open then.
	first, err := l.seqAt(ctx, l.alerts, since.Add(-fold.Window))
	if err != nil {
		return 0, err
	}
	m := &matcher{
		logs: l, book: newBook(first, log), view: newView(log), log: log, earlier: true,
		count: &Counts{}, report: func(string, string) {},
	}
	ctx, cancel := context.WithCancel(ctx)
	g, following := errgroup.WithContext(ctx)
	g.Go(func() error { return m.book.follow(following, l) })
	g.Go(func() error { return m.view.follow(following, l) })
	g.Go(func() (err error) {
		defer cancel()
		if err := l.catchUp(following, m.book, m.view); err != nil {
			return err
		}
		events, err = m.applyEarlier(following, name, since, progress)
		return err
	})
	if err := g.Wait(); err != nil {
		return events, fmt.Errorf("apply %s to what is stored: %w", name, err)
	}
	ctx = context.WithoutCancel(ctx)
	return events, l.audit(ctx, "watchlist", name, Audited{Who: by, After: struct {
		Earlier time.Time `json:"earlier"` // applied to what was stored since
		Events  int       `json:"events"`
	}{since.UTC(), events}})
}

func (m *matcher) applyEarlier(ctx context.Context, name string, since time.Time, progress func(done, total uint64)) (events int, err error) {
	w := m.view.snapshot().rules[name]
	switch {
	case m.view.compiler.broken["watchlist."+name]:
		return 0, errors.New("its newest version does not work: edit it first")
	case w == nil:
		return 0, m.logs.unknown(ctx, "watchlist", name)
	}
	only := &ruleset{seq: m.view.snapshot().seq, rules: map[string]*compiled{name: w}}
	skip, err := m.logs.quarantinedItems(ctx)
	if err != nil {
		return 0, err
	}
	from, to, err := m.logs.handledItems(ctx, since)
	if err != nil {
		return 0, err
	}
	failed := 0
	for r, err := range m.logs.read(ctx, streamItems, "items.*", from) {
		if err != nil {
			return events, err
		}
		if r.Sequence > to {
			break
		}
		it, err := decode[tocsin.Item](r.Data)
		if _, newer := errors.AsType[*NewerError](err); newer {
			return events, err
		}
		if err != nil || skip[r.Sequence] {
			continue
		}
		before := m.count.events()
		err = m.item(ctx, it, r.Sequence, only, nil)
		if _, bad := errors.AsType[*poison](err); bad {
			failed++
		} else if err != nil {
			return events, err
		}
		events += m.count.events() - before
		progress(r.Sequence-from+1, to-from+1)
	}
	if failed > 0 {
		return events, fmt.Errorf("%d items could not be matched; the others are done", failed)
	}
	return events, nil
}

// handledItems are the first item stored since a time and the last one that the
// match stage is done with: what comes after it is matched with the watchlists as
// they now are anyway.
func (l *Logs) handledItems(ctx context.Context, since time.Time) (from, to uint64, err error) {
	if from, err = l.seqAt(ctx, l.items, since); err != nil {
		return 0, 0, err
	}
	info, err := l.items.Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("read ITEMS: %w", err)
	}
	c, err := l.items.Consumer(ctx, matchConsumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return from, info.State.LastSeq, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read ITEMS: %w", err)
	}
	i := c.CachedInfo()
	if i.NumPending == 0 && i.NumAckPending == 0 {
		return from, info.State.LastSeq, nil
	}
	// What waits for its page holds the floor back; what came after it was handled.
	return from, max(i.AckFloor.Stream, i.Delivered.Stream), nil
}

// quarantinedItems are the sequences of the items in quarantine.
func (l *Logs) quarantinedItems(ctx context.Context) (map[uint64]bool, error) {
	out := map[uint64]bool{}
	for m, err := range l.read(ctx, streamItems, "quarantine.*", 1) {
		if err != nil {
			return nil, err
		}
		if q, err := decode[Quarantined](m.Data); err == nil && q.Seq != 0 {
			out[q.Seq] = true
		}
	}
	return out, nil
}
