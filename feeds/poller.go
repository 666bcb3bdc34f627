package feeds

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// A Record is an item with its sequence in the log.
type Record struct {
	Seq  uint64
	Item tocsin.Item
}

// A Log is where items are stored for good: one log for each source, and beside
// it a cache of what is known of the source.
type Log interface {
	// Load is what Save kept last or at some time before, nil if nothing.
	Load(ctx context.Context, source string) (state []byte, err error)
	// Tail reads the records of a source after a sequence, oldest first.
	Tail(ctx context.Context, source string, after uint64) iter.Seq2[Record, error]
	// Append stores items, all or nothing where there are more than about ten,
	// otherwise one by one in their order, if the last record of the source has
	// sequence expect. It returns the sequence of the last item, and
	// *tocsin.BehindError when the log holds something else. After any other
	// error some or all may have been stored.
	Append(ctx context.Context, source string, expect uint64, items []tocsin.Item) (last uint64, err error)
	// Save keeps state, a cache: it may be lost or overtaken.
	Save(ctx context.Context, source string, state []byte) error
}

// A Poller looks at sources, each at its interval, and stores what is new.
//
// # Properties
//
//   - What is decided from a document counts only if the source's log is what it
//     was known to be: otherwise the log's tail is read, the document is dropped
//     and fetched anew. So pollers of one source, a paused one and a crash
//     between any two steps lose nothing and store nothing twice.
//   - A source is polled by one goroutine at a time, a host by at most two.
//   - A failing source is asked less and less often, at least once an hour, and
//     is never given up; after one success it has its interval again.
//   - A poll that finds nothing changed writes nothing.
type Poller struct {
	Log        Log                                                                               // required
	Get        func(ctx context.Context, url string, v fetch.Validators) (fetch.Response, error) // required
	Probe      func(ctx context.Context, s tocsin.Source, r fetch.Response) error                // tries the first document of each source elsewhere before it is read here; an error means that it is not to be read. nil means that none is tried
	Before     func(r fetch.Response)                                                            // a test's, before a document is read; nil is allowed
	Quarantine func(ctx context.Context, source, reason string, body []byte) error               // keeps a document that could not be read; nil means that none is kept
	Fetched    func(source string, at time.Time)                                                 // a source answered; nil is allowed
	Report     func(Trouble)                                                                     // in the order in which troubles begin, change and end; must not block for long; nil is allowed
	Slog       *slog.Logger                                                                      // nil means slog.Default()
	Workers    int                                                                               // most polls at a time; 0 means 64
	Paused     func() bool                                                                       // true keeps every source from being polled, looked at each second: our disk is full; nil means never
	Least      time.Duration                                                                     // shortest time between polls of a source; 0 means 10 s

	kinds []Kind // nil means Kinds; for tests

	once  sync.Once
	wake  chan struct{}
	reads chan struct{} // bounds documents in memory: what is being read takes ten times its size
	tell  sync.Mutex    // orders calls of Report
	mu    sync.Mutex    // guards what follows
	tasks map[string]*task
	queue queue
	until time.Time          // Run sleeps, if it sleeps
	busy  map[string]int     // polls in flight, by host
	held  map[string][]*task // due, but their host is busy
	hosts map[string]int     // sources, by host
	net   network
	log   Trouble // open while the log fails
	stuck bool    // the log cannot be written
	out   []Trouble
}

const (
	perHost     = 2
	defaultPace = 60 * time.Second
	minPace     = 10 * time.Second
	gather      = 100 * time.Millisecond // within which polls start together
	firstSpread = 3 * time.Second        // over which sources that were just set are polled first
	fetches     = 4                      // of one poll, while the log moves
	storeWithin = time.Minute            // bounds what is finished after the poller was told to stop
	saveEvery   = time.Hour              // that validators alone are saved
	keepEntries = 512                    // more, and a state is not kept in memory between documents
)

// A task is a source and when to poll it.
type task struct {
	source tocsin.Source
	host   string
	next   time.Time
	place  int  // in the queue; -1 if it is not there
	flying bool // a poll is in flight
	gone   bool // the source is no longer set
	health health

	// Only the poll in flight touches these.
	loaded     bool
	probed     bool
	state      *State // nil before the first document, or when it is too large to keep
	validators fetch.Validators
	of         tocsin.Source // what validators are of
	settles    time.Time     // from when on the document is read again although it has not changed
	saved      time.Time
	unsaved    bool     // more than validators is not saved
	bad        [32]byte // hash of the last body that was quarantined
	listed     *listed
	sighting   *sighting // of the poll in flight
	short      time.Time // since when the page has had too few entries; zero while it has not
}

func (p *Poller) least() time.Duration { return cmp.Or(p.Least, minPace) }

func (p *Poller) init() {
	p.once.Do(func() {
		p.wake = make(chan struct{}, 1)
		p.reads = make(chan struct{}, 2*runtime.GOMAXPROCS(0))
		p.tasks, p.busy, p.held, p.hosts = map[string]*task{}, map[string]int{}, map[string][]*task{}, map[string]int{}
		p.Slog = cmp.Or(p.Slog, slog.Default())
		p.Workers = cmp.Or(p.Workers, 64)
	})
}

// Set makes sources the ones that are polled: new ones soon, changed ones as
// they are now, and those that are not among them no more. It may be called at
// any time.
func (p *Poller) Set(sources []tocsin.Source) {
	p.init()
	p.mu.Lock()
	now := time.Now()
	want := make(map[string]bool, len(sources))
	spread := min(firstSpread, time.Duration(len(sources))*10*time.Millisecond)
	for _, s := range sources {
		want[s.ID] = true
		p.set(s, now, spread)
	}
	for id, t := range p.tasks {
		if !want[id] && !t.gone {
			p.remove(t, now)
		}
	}
	p.mu.Unlock()
	p.wakeUp()
	p.flush()
}

func (p *Poller) set(s tocsin.Source, now time.Time, spread time.Duration) {
	s.Every = max(cmp.Or(s.Every, defaultPace), p.least())
	t := p.tasks[s.ID]
	if t == nil {
		t = &task{source: s, host: hostOf(s.URL), place: -1, next: now.Add(rand.N(spread + 1)), health: health{condition: Waiting, since: now}}
		p.tasks[s.ID] = t
		p.hosts[t.host]++
		heap.Push(&p.queue, t)
		return
	}
	if t.gone {
		t.gone = false
		p.hosts[t.host]++
	}
	moved := !sameDocument(t.source, s)
	t.source = s
	if !moved {
		if soon := now.Add(s.Every); t.place >= 0 && soon.Before(t.next) {
			t.next = soon
			heap.Fix(&p.queue, t.place)
		}
		return
	}
	p.unhold(t)
	p.drop(p.hosts, t.host)
	t.host = hostOf(s.URL)
	p.hosts[t.host]++
	t.health.failures = 0
	if !t.flying {
		t.next = now.Add(rand.N(spread + 1))
		p.requeue(t)
	}
}

func (p *Poller) requeue(t *task) {
	if t.place >= 0 {
		heap.Fix(&p.queue, t.place)
	} else {
		heap.Push(&p.queue, t)
	}
}

func (p *Poller) unhold(t *task) {
	p.held[t.host] = slices.DeleteFunc(p.held[t.host], func(o *task) bool { return o == t })
}

func (p *Poller) drop(counts map[string]int, host string) {
	if counts[host]--; counts[host] <= 0 {
		delete(counts, host)
	}
}

func (p *Poller) remove(t *task, now time.Time) {
	t.gone = true
	if p.drop(p.hosts, t.host); p.hosts[t.host] == 0 {
		delete(p.net.hosts, t.host)
	}
	p.unhold(t)
	if t.place >= 0 {
		heap.Remove(&p.queue, t.place)
	}
	if !t.flying {
		delete(p.tasks, t.source.ID)
	}
	p.out = append(p.out, t.health.end(now, "the source is no longer watched")...)
	p.out = append(p.out, t.health.pass(now, 0)...)
}

func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return strings.ToLower(u.Host)
	}
	return address
}

func (p *Poller) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run polls until ctx is done, waits for what is in flight, and returns nil.
// What was fetched by then is still stored.
func (p *Poller) Run(ctx context.Context) error {
	p.init()
	var polls sync.WaitGroup
	defer polls.Wait()
	slots := make(chan struct{}, p.Workers)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case slots <- struct{}{}:
		}
		t, s, host, wait := p.due(time.Now())
		if t != nil {
			polls.Go(func() {
				defer func() { <-slots }()
				p.finish(t, s, host, p.poll(ctx, t, s))
			})
			continue
		}
		<-slots
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		case <-timer.C:
		}
	}
}

// due is a source whose turn has come and its host, marked as in flight, or nil
// and how long there is none.
func (p *Poller) due(now time.Time) (*task, tocsin.Source, string, time.Duration) {
	if p.Paused != nil && p.Paused() {
		return nil, tocsin.Source{}, "", time.Second
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) > 0 {
		t := p.queue[0]
		if wait := t.next.Sub(now); wait > 0 {
			// Polls that are due within the same moment start together: waking up for
			// each costs more than asking.
			wait = max(wait, min(gather, p.least()/10))
			p.until = now.Add(wait)
			return nil, tocsin.Source{}, "", wait
		}
		heap.Pop(&p.queue)
		if p.busy[t.host] >= perHost {
			p.held[t.host] = append(p.held[t.host], t)
			continue
		}
		p.busy[t.host]++
		t.flying = true
		return t, t.source, t.host, 0
	}
	p.until = now.Add(time.Hour)
	return nil, tocsin.Source{}, "", time.Hour
}

// finish notes what a poll came to and when the next is.
func (p *Poller) finish(t *task, s tocsin.Source, host string, r result) {
	now := time.Now()
	p.mu.Lock()
	t.flying = false
	p.drop(p.busy, host)
	held := p.held[host]
	if len(held) > 0 {
		p.held[host] = held[1:]
		heap.Push(&p.queue, held[0])
	} else {
		delete(p.held, host)
	}
	if t.gone {
		delete(p.tasks, t.source.ID)
	} else {
		p.note(t, s, host, &r, now)
		heap.Push(&p.queue, t)
	}
	changed := t.health.since.Equal(now)
	sooner := len(held) > 0 || t.next.Before(p.until)
	p.mu.Unlock()
	if sooner {
		p.wakeUp()
	}
	p.flush()
	if p.Fetched != nil && r.answered() {
		p.Fetched(s.ID, cmp.Or(r.at, now.UTC()))
	}
	level := slog.LevelDebug // what is as it was is in Status
	if changed {
		level = slog.LevelInfo
	}
	switch {
	case r.err != nil:
		p.Slog.Log(context.Background(), level, "poll failed", "stage", "poll", "source", s.ID, "condition", string(r.condition), "err", r.err)
	case r.items > 0 || r.poll == PollRead && r.condition != OK:
		p.Slog.Info("read", "stage", "poll", "source", s.ID, "condition", string(r.condition), "items", r.items, "repairs", len(r.repairs))
	}
	for _, n := range r.notes {
		p.Slog.Info("identity", "stage", "poll", "source", s.ID, "note", n.Kind, "entries", n.Count, "detail", n.Text)
	}
}

func (p *Poller) note(t *task, s tocsin.Source, host string, r *result, now time.Time) {
	if errors.Is(r.err, context.Canceled) { // we end
		t.next = now.Add(t.source.Every)
		return
	}
	p.listen(host, r, now)
	p.logged(*r, now)
	if t.state != nil {
		t.health.known = t.state.Len()
		t.health.answered = t.health.answered || t.state.Read || t.state.Len() > 0
	}
	first := t.health.polls == [len(t.health.polls)]uint64{}
	p.out = append(p.out, t.health.record(s, *r, now)...)
	t.next = now.Add(t.pace(*r, first, p.least()))
	if !sameDocument(t.source, s) { // changed meanwhile
		t.next = now
	}
}

// pace is how long to wait after a poll. After the first, sources that were
// set together are spread over their interval.
func (t *task) pace(r result, first bool, least time.Duration) time.Duration {
	every := t.source.Every
	wait := every - every/10 + rand.N(every/5)
	switch {
	case r.poll == PollLimited:
		wait = max(wait, r.wait)
	case r.failed():
		off := every
		for range t.health.failures - 1 {
			if off *= 2; off >= maxBackoff {
				off = max(every, maxBackoff)
				break
			}
		}
		wait = min(off-off/10+rand.N(off/5), max(every, maxBackoff))
	case first:
		wait = every/2 + rand.N(every/2)
	}
	return max(wait, least)
}

// Status is how each source is, in order of their IDs.
func (p *Poller) Status() []SourceStatus {
	p.init()
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]SourceStatus, 0, len(p.tasks))
	for _, t := range p.tasks {
		if t.gone {
			continue
		}
		next := t.next
		if t.flying {
			next = time.Time{}
		}
		out = append(out, t.health.status(t.source, next))
	}
	slices.SortFunc(out, func(a, b SourceStatus) int { return cmp.Compare(a.Source.ID, b.Source.ID) })
	return out
}
