package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"

	"tocsin"
	"tocsin/pipeline/fold"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// A matcher turns items into events: it matches each against every watchlist
// and folds it into the open statements.
//
//	match(item, seq):
//	  v := WATCH as seen here
//	  until an event is stored or none is needed:
//	    decide with what ALERTS says up to n; append expecting n
//	    when another was first: read what it wrote, decide again
//	  if WATCH moved past v meanwhile: the same with the watchlists that changed
//	  acknowledge
//
// So an item that is handled twice, by whomever, has one event, and an item
// stored after a watchlist was changed is matched by that change or a later one.
type matcher struct {
	logs  *Logs
	book  *book
	view  *view
	log   *slog.Logger
	off   Off
	count *Counts

	earlier bool // what is stored is matched again, see [Logs.ApplyEarlier]

	// probe is nil, or tries items in another process and returns those that end
	// it. It is set after an unclean stop.
	probe  func(context.Context, Trial) ([]Stored, error)
	before func(tocsin.Item) // a test's; may be nil
	report func(key, text string)
	due    func(tocsin.Item, tocsin.Source) bool // Config.Due

	waits    waits
	matchers sync.Pool  // of *engine.Matcher
	deciding sync.Mutex // one decision at a time in this process: the log takes one anyway
	banished sync.Map   // sequences in quarantine
	differed sync.Map   // watchlists of which the engine said something else than the reference
}

const (
	matchConsumer = "match"
	inHand        = 16 // items a process asks for ahead: what a kill delays
	ackWait       = 5 * time.Second
)

// consumer is the shared durable consumer of ITEMS. Where this process is the
// only one it is made anew at its acknowledged place, so that what was in hand
// at a kill comes back at once and not after ackWait.
func (m *matcher) consumer(ctx context.Context) (jetstream.Consumer, error) {
	cfg := jetstream.ConsumerConfig{
		Durable: matchConsumer, FilterSubject: "items.*",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: -1, MaxDeliver: -1,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
	}
	old, err := m.logs.items.Consumer(ctx, matchConsumer)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		// Older items are unknown to folding: they would all alert again.
		if cfg.OptStartSeq, err = m.logs.seqAt(ctx, m.logs.items, time.Now().Add(-fold.Window)); err != nil {
			return nil, fmt.Errorf("match: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("match: %w", err)
	case !m.logs.b.Embedded:
		return old, nil
	default:
		cfg.OptStartSeq = old.CachedInfo().AckFloor.Stream + 1
		if err := m.logs.items.DeleteConsumer(ctx, matchConsumer); err != nil {
			return nil, fmt.Errorf("match: %w", err)
		}
	}
	c, err := m.logs.items.CreateConsumer(ctx, cfg)
	if errors.Is(err, jetstream.ErrConsumerExists) { // another process was first
		c, err = m.logs.items.Consumer(ctx, matchConsumer)
	}
	if err != nil {
		return nil, fmt.Errorf("match: %w", err)
	}
	return c, nil
}

// run matches items until ctx ends.
func (m *matcher) run(ctx context.Context) error {
	c, err := m.consumer(ctx)
	if err != nil {
		return err
	}
	if err := m.inspect(ctx); err != nil {
		return err
	}
	done := make(chan handled, inHand)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.settle(ctx, done) })
	g.Go(func() error {
		for ctx.Err() == nil {
			if err := m.consume(ctx, c, done); err != nil {
				return err
			}
			_ = pause(ctx, refollow)
		}
		return nil
	})
	return g.Wait()
}

// handled is an item that was matched with WATCH at a sequence and waits for
// its acknowledgement.
type handled struct {
	msg   jetstream.Msg
	watch uint64
}

// consume handles items as they come. It returns nil when it has to begin
// again.
func (m *matcher) consume(ctx context.Context, c jetstream.Consumer, done chan<- handled) error {
	it, err := c.Messages(jetstream.PullMaxMessages(inHand))
	if err != nil {
		m.log.WarnContext(ctx, "items not read", "stage", "match", "err", err)
		return nil
	}
	defer it.Stop()
	var waiting sync.WaitGroup // for pages: outside the limit and the order
	defer waiting.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	defer context.AfterFunc(ctx, it.Stop)()
	forgotten := unasked(ctx, c)
	turn := make(chan struct{}) // of the item before: ALERTS follows the order of ITEMS
	close(turn)
	for ctx.Err() == nil {
		msg, err := nextOf(it, c.CachedInfo().Cluster != nil, forgotten)
		if err != nil {
			if !errors.Is(err, jetstream.ErrMsgIteratorClosed) {
				m.log.WarnContext(ctx, "items not read", "stage", "match", "err", err)
			}
			break
		}
		before, mine := turn, make(chan struct{})
		turn = mine
		g.Go(func() error {
			defer close(mine)
			until, err := m.handle(ctx, msg, before, done)
			if until != nil {
				waiting.Go(func() { m.waitAndHandle(ctx, msg, until, done) })
			}
			return err
		})
	}
	return g.Wait()
}

// handle matches one item until that succeeds, and decides what it needs once
// the item before it is decided. It gives up only when ctx ends or a newer tocsin
// wrote what it has to read.
//
// An item that waits for its page is left with what it waits for.
func (m *matcher) handle(ctx context.Context, msg jetstream.Msg, before <-chan struct{}, done chan<- handled) (*awaitPage, error) {
	for {
		v, err := m.message(ctx, msg, before)
		if err == nil {
			select {
			case done <- handled{msg, v}:
			case <-ctx.Done():
			}
			return nil, nil
		}
		if ctx.Err() != nil {
			return nil, nil
		}
		if await, ok := errors.AsType[*awaitPage](err); ok {
			return await, nil
		}
		if newer, ok := errors.AsType[*NewerError](err); ok {
			return nil, fmt.Errorf("match: %w", newer)
		}
		m.log.WarnContext(ctx, "item not matched, trying again", "stage", "match", "err", err)
		_ = msg.InProgress()
		_ = pause(ctx, refollow)
	}
}

// settle acknowledges what was handled, many at once, after a look at WATCH: if
// it moved past what they were matched with they are matched again.
func (m *matcher) settle(ctx context.Context, done <-chan handled) error {
	for {
		var batch []handled
		select {
		case <-ctx.Done():
			return nil
		case h := <-done:
			batch = append(batch, h)
		}
		for more := true; more; {
			select {
			case h := <-done:
				batch = append(batch, h)
			default:
				more = false
			}
		}
		for err := m.acknowledge(ctx, batch); err != nil && ctx.Err() == nil; err = m.acknowledge(ctx, batch) {
			if newer, ok := errors.AsType[*NewerError](err); ok {
				return fmt.Errorf("match: %w", newer)
			}
			m.log.WarnContext(ctx, "items not acknowledged, trying again", "stage", "match", "err", err)
			_ = pause(ctx, refollow)
		}
	}
}

func (m *matcher) acknowledge(ctx context.Context, batch []handled) error {
	for stale := !m.off.Version; stale; {
		stale = false
		now, err := m.logs.watchSeq(ctx)
		if err != nil {
			return err
		}
		for i, h := range batch {
			if h.watch >= now {
				continue
			}
			stale = true
			if err := m.view.waitFor(ctx, now); err != nil {
				return err
			}
			if batch[i].watch, err = m.message(ctx, h.msg, nil); err != nil {
				return err
			}
		}
	}
	for _, h := range batch {
		if err := h.msg.Ack(); err != nil {
			return fmt.Errorf("acknowledge: %w", err)
		}
		m.count.Matched.Add(1)
	}
	return nil
}

// message handles one item and says with which WATCH sequence.
func (m *matcher) message(ctx context.Context, msg jetstream.Msg, before <-chan struct{}) (uint64, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return 0, fmt.Errorf("match: %w", err)
	}
	seq := meta.Sequence.Stream
	now := m.view.snapshot()
	v := now.seq
	if _, gone := m.banished.Load(seq); gone {
		return v, nil
	}
	it, err := decode[tocsin.Item](msg.Data())
	if _, newer := errors.AsType[*NewerError](err); newer {
		return v, err
	}
	if err != nil {
		return v, m.banish(ctx, seq, tocsin.Item{Source: strings.TrimPrefix(msg.Subject(), "items.")}, err)
	}
	defer m.waits.arrived(it)
	err = m.item(ctx, it, seq, now, before)
	if p, ok := errors.AsType[*poison](err); ok {
		return v, m.banish(ctx, seq, it, p)
	}
	return v, err
}
