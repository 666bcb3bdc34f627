// Package pipeline carries items from sources to people over NATS JetStream. It
// is the only package that speaks NATS.
//
//	poll -> [ITEMS] -> match + fold -> [ALERTS] -> lanes -> people
//	                                                 └-> [LEDGER]
//
// There are two durable hops and one rule for the three logs: append with the
// expected last sequence; when someone else appended first, read what was
// appended and decide again. So any number of processes may do the same work at
// once, be frozen or die at any point, and still every item is decided once and
// every message sent once.
//
// # Properties
//
//   - An item is acknowledged only after the event it causes is stored, and after
//     a look at WATCH that found the watchlists it was matched with still valid.
//     So an item that was stored is matched with the version of every watchlist
//     in force when it was stored, or a later one.
//   - An item causes at most one event of each kind, however often it is handled.
//   - Which alerts go to a destination is a function of ALERTS and WATCH alone.
//     They leave in the order of ALERTS; nothing is promised between
//     destinations, and none delays another.
//   - A message is sent again only after it was looked for where that is
//     possible, and is marked as a possible repeat where it is not.
//   - Acknowledgements reach the disk late. They are a hint of where to resume;
//     what was done is read from ALERTS and LEDGER.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tocsin"
	"tocsin/pipeline/fold"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// Config says what the stages do and how.
type Config struct {
	Match bool // run the match stage
	Send  bool // run the lanes
	Poll  bool // share the sources with other processes, see Own

	// Own is called with which sources this process polls, at first and whenever
	// that changes. Required with Poll.
	Own func(mine func(source string) bool)
	// Reading says how far the first reading of sources has come, by source id.
	// Required with Poll.
	Reading func() map[string]Reading

	// Sources is called with the sources that people added to those of the file,
	// in order, whenever they change. Nil means nothing.
	Sources func(added []tocsin.Source)

	// Visit has the page of a new item, at seq of ITEMS, fetched and stored, and then calls done;
	// again means that it is another process's to fetch. Nil means that no page is.
	Visit func(it tocsin.Item, seq uint64, done func(again bool))
	// Watch is told of every item of an alert, and of what evidence for it is to be
	// kept and is not. Required with Visit.
	Watch func(c tocsin.Copy, lacks []string)

	// Due reports whether the page of an item of a source is one that pollers visit. It
	// is asked by Match: a second alert waits for it. Nil means every page.
	Due func(it tocsin.Item, s tocsin.Source) bool

	Canary bool // match and send canaries, see CanarySource

	Traits  func(kind string) Traits                                                   // required with Send
	Prepare func(context.Context, tocsin.Delivery) (Ready, error)                      // required with Send
	Find    func(context.Context, tocsin.Delivery) (ref string, found bool, err error) // required with Send
	Observe func(to tocsin.Destination, r Record)                                      // after every outcome of a call; nil means nothing
	Report  func(key, text string)                                                     // tells operators of trouble; nil means nothing
	Clear   func(key string)                                                           // tells them that it is over; nil means nothing
	Tell    func(ctx context.Context, d tocsin.Destination, text string) bool          // tells a destination's owner by another way, and reports whether it need not do so later; nil means nothing
	Hand    func(ctx context.Context, d tocsin.Delivery, why string) bool              // sends a destination's owner by mail what that refused, and reports whether it could; nil means nothing
	Probe   func(context.Context, Trial) (killers []Stored, err error)                 // after an unclean stop: tries items in another process; nil means nothing
	Nudge   <-chan struct{}                                                            // tries at once what waits for a person: the configuration changed; nil is allowed
	Ready   func()                                                                     // once everything that was stored is known; nil means nothing
	Before  func(tocsin.Item)                                                          // a test's, before an item is matched; nil means nothing
	Counts  *Counts                                                                    // nil means that nobody looks
	Off     Off                                                                        // mechanisms that a test switches off
	Log     *slog.Logger                                                               // nil means slog.Default()

	lag    func()             // a test's delay before a change of WATCH is seen
	freeze func(point string) // a test's delay of a lane: "intent", "sent" or "record"
}

// Off switches mechanisms off, so that tests can show what they are for.
type Off struct {
	Match   bool // nothing matches
	Fold    bool // no two items are one statement
	Repeat  bool // an item that was handled is not recognised
	Version bool // WATCH is not looked at before acknowledging
	Wait    bool // no alert waits for its page
	Lookup  bool // a message is not looked for before it is sent again

	takeover bool // another process's intent is taken over at once
}

// Counts are what the stages did since the start.
type Counts struct {
	Items, Matched, Quarantined    atomic.Int64 // items evaluated, acknowledged, quarantined
	Disagreements                  atomic.Int64 // times that the engine said something else than the reference matcher, which counts
	Opened, Added, Copied, Revised atomic.Int64 // events, by kind; Added are Matched ones
	Withdrawn, Paged, Merged       atomic.Int64
}

func (c *Counts) events() int {
	return int(c.Opened.Load() + c.Added.Load() + c.Copied.Load() + c.Revised.Load() + c.Withdrawn.Load() + c.Paged.Load() + c.Merged.Load())
}

func (c *Counts) event(ev *Event) {
	switch ev.Kind {
	case Opened:
		c.Opened.Add(1)
	case Matched:
		c.Added.Add(1)
	case Copied:
		c.Copied.Add(1)
	case Revised:
		c.Revised.Add(1)
	case Withdrawn:
		c.Withdrawn.Add(1)
	case Paged:
		c.Paged.Add(1)
	case tocsin.Merged:
		c.Merged.Add(1)
	}
}

// Run runs the stages that cfg names until ctx ends, and then returns nil once
// what was in hand is recorded.
func Run(ctx context.Context, logs *Logs, cfg Config) error {
	cfg.setDefaults()
	from, oldest, err := logs.starts(ctx)
	bk, vw := newBook(from, cfg.Log), newView(cfg.Log)
	if err == nil {
		err = bk.recallRounds(ctx, logs)
	}
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("start pipeline: %w", err)
	}
	vw.lag, vw.report, vw.clear, vw.restock = cfg.lag, cfg.Report, cfg.Clear, cfg.Sources
	g, run := errgroup.WithContext(ctx)
	g.Go(func() error { return bk.follow(run, logs) })
	g.Go(func() error { return vw.follow(run, logs) })
	g.Go(func() error { return logs.tidy(run, bk, cfg.Log) })
	g.Go(func() error {
		if err := logs.catchUp(run, bk, vw); err != nil {
			return fmt.Errorf("start pipeline: %w", err)
		}
		return cfg.stages(run, g, logs, bk, vw, oldest)
	})
	if err := g.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// tidyEvery is how often a process forgets what it would not read at a start.
const tidyEvery = time.Hour

// tidy keeps the book from growing for ever.
func (l *Logs) tidy(ctx context.Context, bk *book, log *slog.Logger) error {
	for pause(ctx, tidyEvery) == nil {
		from, _, err := l.starts(ctx)
		switch {
		case err == nil:
			bk.prune(from)
		case ctx.Err() == nil:
			log.WarnContext(ctx, "old alerts not forgotten", "err", err)
		}
	}
	return nil
}

func (cfg *Config) setDefaults() {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Counts == nil {
		cfg.Counts = &Counts{}
	}
	if cfg.Observe == nil {
		cfg.Observe = func(tocsin.Destination, Record) {}
	}
	if cfg.Report == nil {
		cfg.Report = func(string, string) {}
	}
	if cfg.Clear == nil {
		cfg.Clear = func(string) {}
	}
	if cfg.Tell == nil {
		cfg.Tell = func(context.Context, tocsin.Destination, string) bool { return true }
	}
	if cfg.Hand == nil {
		cfg.Hand = func(context.Context, tocsin.Delivery, string) bool { return false }
	}
	if cfg.Ready == nil {
		cfg.Ready = func() {}
	}
	if cfg.freeze == nil {
		cfg.freeze = func(string) {}
	}
}

// stages starts what cfg names. Everything that was stored is known by now.
func (cfg Config) stages(ctx context.Context, g *errgroup.Group, logs *Logs, bk *book, vw *view, oldest uint64) error {
	var polling, sending *leases // nil: everything is ours
	if !logs.b.Embedded {
		var errs [2]error
		polling, errs[0] = newLeases(ctx, logs.b, "poll", cfg.Log)
		sending, errs[1] = newLeases(ctx, logs.b, "send", cfg.Log)
		if err := errors.Join(errs[:]...); err != nil {
			return err
		}
	}
	m := &matcher{logs: logs, book: bk, view: vw, log: cfg.Log, off: cfg.Off, count: cfg.Counts, probe: cfg.Probe, before: cfg.Before, report: cfg.Report, due: cfg.Due}
	if cfg.Match {
		g.Go(func() error { return m.run(ctx) })
		if cfg.Canary {
			g.Go(func() error { return m.canaries(ctx) })
		}
	}
	if cfg.Poll {
		g.Go(func() error { return polling.hold(ctx, func() error { return share(ctx, polling.owned, cfg.Own) }) })
	}
	if cfg.Poll && (cfg.Match || !logs.b.Embedded) { // or nobody will match what is read
		r := &rounds{logs: logs, book: bk, log: cfg.Log, reading: cfg.Reading, matched: logs.matched}
		g.Go(func() error { return r.run(ctx) })
	}
	if cfg.Poll && cfg.Visit != nil {
		p := &pages{logs: logs, book: bk, log: cfg.Log, visit: cfg.Visit, watch: cfg.Watch, hand: map[jetstream.Msg]bool{}}
		g.Go(func() error { return p.run(ctx) })
	}
	if cfg.Send {
		ls := &lanes{
			logs: logs, book: bk, view: vw, log: cfg.Log, off: cfg.Off, oldest: oldest, startedAt: time.Now(),
			traitsOf: cfg.Traits, prepare: cfg.Prepare, find: cfg.Find,
			report: cfg.Report, clear: cfg.Clear, tell: cfg.Tell, hand: cfg.Hand, observe: cfg.Observe, nudge: cfg.Nudge, freeze: cfg.freeze,
			gates: &gates{}, mu: new(sync.Mutex), running: map[string]*lane{},
		}
		g.Go(func() error { return sending.hold(ctx, func() error { return ls.run(ctx, sending.owned) }) })
		if cfg.Canary {
			g.Go(func() error { return cfg.sendCanaries(ctx, logs) })
		}
	}
	cfg.Ready()
	return nil
}

// share calls own with the sources of the shards that this process holds.
func share(ctx context.Context, owned func() (func(int) bool, <-chan struct{}), own func(func(string) bool)) error {
	for ctx.Err() == nil {
		holds, moved := owned()
		own(func(source string) bool { return holds(shardOf(source)) })
		select {
		case <-ctx.Done():
		case <-moved:
		}
	}
	return nil
}

// starts are the sequences of ALERTS and of LEDGER from which they are read: all
// of the fold window, and all that a destination has not settled.
func (l *Logs) starts(ctx context.Context) (alerts, ledger uint64, err error) {
	begin := time.Now().Add(-fold.Window)
	if alerts, err = l.seqAt(ctx, l.alerts, begin); err != nil {
		return 0, 0, err
	}
	if ledger, err = l.seqAt(ctx, l.ledger, begin); err != nil {
		return 0, 0, err
	}
	_, dests, err := l.readWatch(ctx, "destination.*", "subscription.*.*")
	if err != nil {
		return 0, 0, err
	}
	for _, w := range dests {
		if w.Destination == nil || w.Suspended {
			continue
		}
		m, err := lastRecord(ctx, l.b, streamLedger, ledgerSubject(w.Destination.Name))
		if err != nil {
			return 0, 0, err
		}
		if m == nil {
			continue // what it is subscribed to began no earlier than the window, or is not settled: see below
		}
		r, err := decode[Record](m.Data)
		if err != nil {
			return 0, 0, err
		}
		alerts = min(alerts, r.Through+1)
	}
	past, err := l.forgotten(ctx)
	if err != nil {
		return 0, 0, err
	}
	for _, w := range dests {
		if s := w.Subscription; s != nil && !w.Suspended {
			if m, err := lastRecord(ctx, l.b, streamLedger, ledgerSubject(s.To)); err != nil {
				return 0, 0, err
			} else if m == nil {
				alerts = min(alerts, max(s.From, past)+1)
			}
		}
	}
	return alerts, ledger, nil
}

// forgotten is the last sequence of ALERTS of which no ledger can say any more
// whether it was delivered.
func (l *Logs) forgotten(ctx context.Context) (uint64, error) {
	first, err := l.seqAt(ctx, l.alerts, time.Now().Add(-keepLedger))
	if err != nil {
		return 0, err
	}
	return first - 1, nil
}

// catchUp returns once the book and the view hold what is stored now. It has no
// time-out: a long log takes its time.
func (l *Logs) catchUp(ctx context.Context, bk *book, vw *view) error {
	info, err := l.alerts.Info(ctx)
	if err != nil {
		return err
	}
	if info.State.Msgs > 0 && info.State.LastSeq >= bk.first {
		if err := bk.waitFor(ctx, info.State.LastSeq); err != nil {
			return err
		}
	} else {
		bk.skipTo(info.State.LastSeq)
	}
	now, err := l.watchSeq(ctx)
	if err != nil {
		return err
	}
	return vw.waitFor(ctx, now)
}

// skipTo notes that nothing up to seq is there to be read.
func (b *book) skipTo(seq uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = max(b.last, seq)
}

// matched returns once the shared consumer has no item up to seq left.
func (l *Logs) matched(ctx context.Context, seq uint64) error {
	for {
		c, err := l.items.Consumer(ctx, matchConsumer)
		if err != nil {
			return fmt.Errorf("wait for matching: %w", err)
		}
		if i := c.CachedInfo(); i.AckFloor.Stream >= seq || i.NumPending == 0 && i.NumAckPending == 0 {
			return nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
