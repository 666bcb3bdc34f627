package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"tocsin"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// Ready is a message that is rendered and whose way is open.
type Ready interface {
	// Send makes the call. Its first write of the message refuses after the
	// Delivery's NotAfter. It returns the provider's id of the message.
	Send(ctx context.Context) (ref string, err error)
	Close()
}

// Traits are what the lanes need to know of a kind of destination.
type Traits struct {
	Edits   bool          // a message can be changed after it was sent
	Finds   bool          // a message can be looked for
	Threads bool          // all that happens to an alert is told beneath its message
	Answers bool          // what people must not miss is told in a further message that refers to the first
	Every   time.Duration // between messages to one destination; 0 is no limit
	Burst   int           // how many may go at once

	EditEvery time.Duration // between edits in one workspace; 0 is no limit
	EditBurst int           // how many of them may go at once
}

// lanes run one lane for each destination that this process owns.
type lanes struct {
	logs      *Logs
	book      *book
	view      *view
	log       *slog.Logger
	off       Off
	oldest    uint64 // ledger records before this are not read at start
	startedAt time.Time

	traitsOf func(kind string) Traits
	prepare  func(context.Context, tocsin.Delivery) (Ready, error)
	find     func(context.Context, tocsin.Delivery) (ref string, found bool, err error)
	report   func(key, text string)
	clear    func(key string)
	tell     func(context.Context, tocsin.Destination, string) bool
	hand     func(context.Context, tocsin.Delivery, string) bool
	observe  func(tocsin.Destination, Record)
	nudge    <-chan struct{}
	freeze   func(point string)

	traits Traits // of a lane's own kind; set in the copy that the lane holds

	gates   *gates
	mu      *sync.Mutex
	running map[string]*lane
}

// run starts and stops lanes as destinations come, change and go, until ctx
// ends. owns says which shards are this process's; moved is closed when that
// changes.
func (ls *lanes) run(ctx context.Context, owned func() (func(shard int) bool, <-chan struct{})) error {
	g, ctx := errgroup.WithContext(ctx)
	info, err := ls.logs.ledger.Info(ctx)
	if err != nil {
		return fmt.Errorf("run lanes: %w", err)
	}
	g.Go(func() error { return ls.listen(ctx, info.State.LastSeq+1) })
	g.Go(func() error {
		stops := map[string]func(){}
		defer func() {
			for _, stop := range stops {
				stop()
			}
		}()
		have := map[string]tocsin.Destination{}
		for ctx.Err() == nil {
			dests, changed := ls.view.destinations()
			owns, moved := owned()
			for name, stop := range stops {
				if d, ok := dests[name]; !ok || d != have[name] || !owns(shardOf(name)) {
					stop()
					delete(stops, name)
				}
			}
			for name, d := range dests {
				if _, ok := stops[name]; !ok && owns(shardOf(name)) {
					have[name] = d
					stops[name] = ls.start(ctx, g, d)
				}
			}
			select {
			case <-ctx.Done():
			case <-changed:
			case <-moved:
			case <-ls.nudge:
				ls.hurry()
			}
		}
		return nil
	})
	return g.Wait()
}

// hurry has the deliveries that wait for a person tried now.
func (ls *lanes) hurry() {
	ls.gates.openAll()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.running {
		l.hurry.Store(true)
		l.wakeUp()
	}
}

func (l *lane) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// start runs a lane and returns what stops it and waits for its end.
func (ls *lanes) start(ctx context.Context, g *errgroup.Group, d tocsin.Destination) (stop func()) {
	own := *ls
	own.traits = ls.traitsOf(d.Kind)
	l := newLane(&own, d)
	l.log = ls.log.With("stage", "send", "to", d.Name)
	l.bucket = bucket{every: own.traits.Every, burst: own.traits.Burst}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	ls.mu.Lock()
	ls.running[l.subject] = l
	ls.mu.Unlock()
	g.Go(func() error {
		defer close(done)
		for ctx.Err() == nil {
			err := l.guarded(ctx)
			if err == nil || ctx.Err() != nil {
				return nil
			}
			l.log.ErrorContext(ctx, "lane stopped, starting again", "err", err)
			ls.report("lane."+d.Name, fmt.Sprintf("destination %s: its lane stopped: %v", d.Name, err))
			_ = pause(ctx, 30*time.Second)
		}
		return nil
	})
	return func() {
		cancel()
		<-done
		ls.mu.Lock()
		delete(ls.running, l.subject)
		ls.mu.Unlock()
	}
}

func newLane(ls *lanes, d tocsin.Destination) *lane {
	return &lane{
		lanes: ls, dest: d, subject: ledgerSubject(d.Name), wake: make(chan struct{}, 1),
		msgs: map[string]*message{}, told: map[uint64]bool{}, dirty: map[string]uint64{}, owing: map[string][]owed{}, parked: map[string]Record{}, held: map[string]held{}, replyHeld: map[string]string{}, tried: map[string]Record{},
	}
}

// guarded runs the lane and turns a panic into an error: one message must not
// end the process.
func (l *lane) guarded(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return l.run(ctx)
}

// listen wakes a lane when its ledger holds what another process, or a person's
// command, wrote.
func (ls *lanes) listen(ctx context.Context, from uint64) error {
	return follow(ctx, ls.logs.ledger, from, ls.log, func(m jetstream.Msg, _ *jetstream.MsgMetadata) error {
		ls.mu.Lock()
		l := ls.running[m.Subject()]
		ls.mu.Unlock()
		if l == nil || !strings.Contains(string(m.Data()), `"kind":"`+Replay+`"`) && strings.Contains(string(m.Data()), `"owner":"`+ls.logs.b.Owner+`"`) {
			return nil
		}
		l.wakeUp()
		return nil
	})
}
