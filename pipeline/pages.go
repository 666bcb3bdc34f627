package pipeline

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"tocsin"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// pages hands to the poller the items whose addresses are to be looked at: new
// ones as they are stored, and those of alerts as the alerts grow.
//
// A new item is acknowledged once its page is stored or given up, so that a
// crash forgets none. A page that is fetched twice changes nothing.
type pages struct {
	logs *Logs
	book *book
	log  *slog.Logger

	visit func(it tocsin.Item, seq uint64, done func(again bool))
	watch func(c tocsin.Copy, lacks []string)

	mu   sync.Mutex
	hand map[jetstream.Msg]bool
}

const (
	pagesConsumer = "pages"
	pagesInHand   = 10_000           // pages that wait at most: many new items of one slow site must not keep others from theirs
	pagesWait     = 5 * time.Minute  // after which another process fetches what one has in hand and died with
	pagesAgain    = 2 * time.Second  // after which an item that is not ours, or could not be stored, is offered again; after the fifth time twice as long each time
	pagesSlowest  = 10 * time.Minute // but no longer than this
	pagesBack     = time.Hour        // how far back a first start looks for items without a page
)

func (p *pages) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.followAlerts(ctx) })
	g.Go(func() error { return p.stayInHand(ctx) })
	g.Go(func() error {
		for ctx.Err() == nil {
			if err := p.consume(ctx); err != nil && ctx.Err() == nil {
				if newer, ok := errors.AsType[*NewerError](err); ok {
					return newer
				}
				p.log.WarnContext(ctx, "items not read for their pages, trying again", "stage", "poll", "err", err)
			}
			_ = pause(ctx, refollow)
		}
		return nil
	})
	return g.Wait()
}

// consumer is the shared durable consumer. Where this process is the only one it
// is made anew, so that what was in hand at a kill comes back at once.
func (p *pages) consumer(ctx context.Context) (jetstream.Consumer, error) {
	cfg := jetstream.ConsumerConfig{
		Durable: pagesConsumer, FilterSubject: "items.*",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: pagesWait, MaxAckPending: pagesInHand, MaxDeliver: -1,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
	}
	old, err := p.logs.items.Consumer(ctx, pagesConsumer)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		if cfg.OptStartSeq, err = p.logs.seqAt(ctx, p.logs.items, time.Now().Add(-pagesBack)); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case !p.logs.b.Embedded:
		return old, nil
	default:
		cfg.OptStartSeq = old.CachedInfo().AckFloor.Stream + 1
		if err := p.logs.items.DeleteConsumer(ctx, pagesConsumer); err != nil {
			return nil, err
		}
	}
	c, err := p.logs.items.CreateConsumer(ctx, cfg)
	if errors.Is(err, jetstream.ErrConsumerExists) { // another process was first
		return p.logs.items.Consumer(ctx, pagesConsumer)
	}
	return c, err
}

// consume offers items until the server ends the reading.
func (p *pages) consume(ctx context.Context) error {
	c, err := p.consumer(ctx)
	if err != nil {
		return err
	}
	info, err := p.logs.items.Info(ctx)
	if err != nil {
		return err
	}
	it, err := c.Messages(jetstream.PullMaxMessages(inHand))
	if err != nil {
		return err
	}
	defer it.Stop()
	defer context.AfterFunc(ctx, it.Stop)()
	forgotten := unasked(ctx, c)
	for ctx.Err() == nil {
		msg, err := nextOf(it, c.CachedInfo().Cluster != nil, forgotten)
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.offer(ctx, msg, info.State.LastSeq); err != nil {
			return err
		}
	}
	return nil
}

// offer hands an item to the poller if its page is to be fetched. One that was
// stored before we began may have its page already.
func (p *pages) offer(ctx context.Context, msg jetstream.Msg, before uint64) error {
	if !mayBeVisited(msg.Data()) {
		return msg.Ack()
	}
	it, err := decode[tocsin.Item](msg.Data())
	if _, newer := errors.AsType[*NewerError](err); newer {
		return err
	}
	if err != nil || it.Baseline || it.Page != nil || it.URL == "" || it.Shared || !it.Withdrawn.IsZero() {
		return msg.Ack()
	}
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	seq := meta.Sequence.Stream
	if seq <= before || meta.NumDelivered > 1 {
		if settled, err := p.logs.settled(ctx, it, seq); settled || err != nil {
			return errors.Join(err, msg.Ack())
		}
	}
	p.hold(msg, true)
	p.visit(it, seq, func(again bool) {
		p.hold(msg, false)
		if again {
			_ = msg.NakWithDelay(backOff(meta.NumDelivered))
			return
		}
		_ = msg.Ack() // lost, it is offered again and found settled
	})
	return nil
}

// backOff is how long an item waits that was offered so often without success:
// its page is fetched anew each time. The first few times it may just have come
// to a process that does not poll its source.
func backOff(offered uint64) time.Duration {
	return min(pagesAgain<<min(max(offered, 5)-5, 16), pagesSlowest)
}

// mayBeVisited tells most items that have no page to fetch without decoding them.
// In a text the quotes of what looks like a key are escaped.
func mayBeVisited(record []byte) bool {
	return bytes.Contains(record, []byte(`"url":"`)) && !bytes.Contains(record, []byte(`"baseline":true`))
}

// settled reports whether a later record of an item holds its page or another
// revision.
func (l *Logs) settled(ctx context.Context, it tocsin.Item, seq uint64) (bool, error) {
	for r, err := range l.Tail(ctx, it.Source, seq) {
		if err != nil {
			return false, err
		}
		if r.Item.ID == it.ID && (r.Item.Rev > it.Rev || r.Item.Page != nil) {
			return true, nil
		}
	}
	return false, nil
}

func (p *pages) hold(msg jetstream.Msg, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if on {
		p.hand[msg] = true
	} else {
		delete(p.hand, msg)
	}
}

// stayInHand keeps the server from offering elsewhere what is in hand here.
func (p *pages) stayInHand(ctx context.Context) error {
	for pause(ctx, pagesWait/3) == nil {
		p.mu.Lock()
		for msg := range p.hand {
			_ = msg.InProgress()
		}
		p.mu.Unlock()
	}
	return nil
}

// followAlerts tells the poller of every item of an alert.
func (p *pages) followAlerts(ctx context.Context) error {
	var looked uint64
	for ctx.Err() == nil {
		evs, through, moved := p.book.after(looked, walk)
		for _, ev := range evs {
			if err := p.tell(ctx, ev); err != nil {
				p.log.WarnContext(ctx, "evidence not looked for", "alert", ev.Alert, "err", err)
			}
		}
		looked = max(looked, through)
		if len(evs) == walk {
			continue
		}
		select {
		case <-ctx.Done():
		case <-moved:
		}
	}
	return nil
}

func (p *pages) tell(ctx context.Context, ev posted) error {
	if ev.Copy.Item == "" { // it is of no item
		return nil
	}
	var lacks []string
	var err error
	if ev.Kind != Withdrawn {
		lacks, err = p.logs.lacks(ctx, ev.Copy)
	}
	p.watch(ev.Copy, lacks)
	return err
}
