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
	"sync/atomic"
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
	Recall     func(source string) SourceStatus                                                  // how a source was when it was last watched, the zero value if that is not known; must be quick; nil means that nothing is
	Report     func(Trouble)                                                                     // in the order in which troubles begin, change and end; must not block for long; nil is allowed
	Keep       func(ctx context.Context, r tocsin.Raw) error                                     // keeps the evidence for an item of an alert; nil means that none is kept
	Stored     func(ctx context.Context, seq uint64) (tocsin.Item, error)                        // reads a record of the log of items; nil means that nothing is told as withdrawn
	Slog       *slog.Logger                                                                      // nil means slog.Default()
	Workers    int                                                                               // most polls at a time; 0 means 64
	Paused     func() bool                                                                       // true keeps every source from being polled, looked at each second: our disk is full; nil means never
	Least      time.Duration                                                                     // shortest time between polls of a source; 0 means 10 s
	Hubs       *Subscriber                                                                       // of sources of kind websub; nil means that they are polled only

	visits visits

	kinds []Kind // nil means Kinds; for tests

	once          sync.Once
	wake          chan struct{}
	polls         sync.WaitGroup
	memos, states room
	reads         chan struct{} // bounds documents in memory: what is being read takes ten times its size
	tell          sync.Mutex    // orders calls of Report
	mu            sync.Mutex    // guards what follows
	tasks         map[string]*task
	queue         queue
	until         time.Time           // Run sleeps, if it sleeps
	busy          map[string]int      // polls in flight, by host
	held          map[string][]*task  // due, but their host is busy
	slow          map[string]*task    // in flight and failed the last time, by host
	hosts         map[string]int      // sources, by host
	wary          map[string]wariness // of hosts that have refused, by host
	net           network
	log           Trouble // open while the log fails
	stuck         bool    // the log cannot be written
	out           []Trouble
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
	source         tocsin.Source
	host           string
	next           time.Time
	place          int           // in the queue; -1 if it is not there
	flying         bool          // a poll is in flight
	gone           bool          // the source is no longer set
	ended          time.Time     // when the last poll ended
	news           time.Time     // when it last had something new
	recalls, holds atomic.Int64  // entries in memo and in state, as far as there is room
	adapts         bool          // it has no interval of its own
	again          bool          // a poll is wanted as soon as the one in flight has ended
	turn           chan struct{} // held by whoever polls the source or takes what was pushed
	health         health

	// Only who holds turn touches these.
	loaded     bool
	probed     bool
	state      *State // nil before the first document, or when it is too large to keep
	rhythm     *rhythm
	memo       *memo
	validators fetch.Validators
	of         tocsin.Source // what validators are of
	hints      hints         // of the last document
	begun      time.Time     // when the source was first read
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
		p.tasks, p.busy, p.held, p.slow, p.hosts, p.wary = map[string]*task{}, map[string]int{}, map[string][]*task{}, map[string]*task{}, map[string]int{}, map[string]wariness{}
		p.Slog = cmp.Or(p.Slog, slog.Default())
		p.Workers = cmp.Or(p.Workers, 64)
		p.visits.init()
		if p.Hubs != nil {
			p.Hubs.serve(p)
		}
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
	spread := min(firstSpread, time.Duration(p.unknown(sources))*10*time.Millisecond)
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

// unknown counts the sources that are new, or elsewhere now: one that is added to
// thousands is polled at once.
func (p *Poller) unknown(sources []tocsin.Source) (n int) {
	for _, s := range sources {
		if t := p.tasks[s.ID]; t == nil || t.source.URL != s.URL || t.source.Kind != s.Kind {
			n++
		}
	}
	return n
}

func (p *Poller) set(s tocsin.Source, now time.Time, spread time.Duration) {
	adapts := s.Every == 0
	s.Every = max(cmp.Or(s.Every, defaultPace), p.least())
	t := p.tasks[s.ID]
	if t == nil {
		t = &task{source: s, adapts: adapts, place: -1, turn: make(chan struct{}, 1), next: now.Add(rand.N(spread + 1)), health: health{condition: Waiting, since: now}}
		if p.Recall != nil {
			t.health.restore(s, p.Recall(s.ID))
		}
		t.host = hostOf(t.polled().URL)
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
	t.source, t.adapts = s, adapts
	if !moved {
		if soon := now.Add(s.Every); t.place >= 0 && soon.Before(t.next) {
			t.next = soon
			heap.Fix(&p.queue, t.place)
		}
		return
	}
	t.health.move = Move{}
	p.rehost(t)
	t.health.failures = 0
	if !t.flying {
		t.next = now.Add(rand.N(spread + 1))
		p.requeue(t)
	}
}

// rehost counts a source for the host that it is polled at now.
func (p *Poller) rehost(t *task) {
	p.unhold(t)
	p.drop(p.hosts, t.host)
	t.host = hostOf(t.polled().URL)
	p.hosts[t.host]++
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
		delete(p.wary, t.host)
	}
	p.unhold(t)
	if t.place >= 0 {
		heap.Remove(&p.queue, t.place)
	}
	if !t.flying {
		p.forget(t)
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

func (p *Poller) wakeUp() { wakeUp(p.wake) }

func wakeUp(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run polls until ctx is done, waits for what is in flight, and returns nil.
// What was fetched by then is still stored.
func (p *Poller) Run(ctx context.Context) error {
	p.init()
	defer p.polls.Wait()
	p.polls.Go(func() { p.runVisits(ctx) })
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
			p.polls.Go(func() {
				defer func() { <-slots }()
				p.look(ctx, t, s, host)
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
		if p.full(t) {
			p.held[t.host] = append(p.held[t.host], t)
			continue
		}
		p.busy[t.host]++
		if t.fails() {
			p.slow[t.host] = t
		}
		t.flying = true
		return t, t.polled(), t.host, 0
	}
	p.until = now.Add(time.Hour)
	return nil, tocsin.Source{}, "", time.Hour
}

// fails reports whether the last poll failed: the next may take as long as a poll
// is allowed to. One such source at a time is asked of a host, so that there is
// room for the others.
func (t *task) fails() bool { return t.health.failures > 0 }

func (p *Poller) full(t *task) bool {
	return p.busy[t.host] >= perHost || t.fails() && p.slow[t.host] != nil
}

// release gives the host's room to who waits for it. Where that is a source that
// fails, which may not have it, another is let in too.
func (p *Poller) release(host string, held []*task) {
	free := 1
	if held[0].fails() {
		if i := slices.IndexFunc(held, func(t *task) bool { return !t.fails() }); i > 0 {
			held[1], held[i] = held[i], held[1]
			free = 2
		}
	}
	for _, t := range held[:free] {
		heap.Push(&p.queue, t)
	}
	if p.held[host] = held[free:]; len(p.held[host]) == 0 {
		delete(p.held, host)
	}
}

// finish notes what a poll came to and when the next is.
func (p *Poller) finish(t *task, s tocsin.Source, host string, r result) {
	now := time.Now()
	p.mu.Lock()
	t.flying, t.ended = false, now
	p.drop(p.busy, host)
	if p.slow[host] == t {
		delete(p.slow, host)
	}
	held := p.held[host]
	if len(held) > 0 {
		p.release(host, held)
	} else {
		delete(p.held, host)
	}
	if t.gone {
		p.forget(t)
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
	case s.Canary:
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
	if s.Canary { // what becomes of it is told by where it does not arrive
		t.next = now.Add(max(s.Every, p.least())) // nobody else asks there: nothing has to be spread
		return
	}
	p.listen(host, r, now)
	p.refused(host, *r, now)
	p.logged(*r, now)
	if t.state != nil {
		t.health.known = t.state.Len()
		t.health.answered = t.health.answered || t.state.Read || t.state.Len() > 0
	}
	t.health.follow(t.rhythm)
	first := t.health.polls == [len(t.health.polls)]uint64{}
	p.out = append(p.out, t.health.record(t.source, *r, now)...)
	if r.items > 0 && !first {
		t.news = now
	}
	t.next = now.Add(t.pace(*r, first, p.least(), p.every(t, *r, now)))
	if t.again {
		t.again, t.next = false, now.Add(p.least())
	}
	if !sameDocument(t.polled(), s) { // changed meanwhile, or moved
		t.next = now
		p.rehost(t)
	}
}

// pace is how long to wait after a poll. After the first, sources that were
// set together are spread over their interval.
func (t *task) pace(r result, first bool, least, every time.Duration) time.Duration {
	wait := every - every/10 + rand.N(every/5)
	switch {
	case r.poll == PollLimited:
		wait = max(wait, min(r.wait, maxBackoff))
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
	case t.adapts:
		wait = min(wait, ceilingPace)
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
		if t.gone || t.source.Canary {
			continue
		}
		next := t.next
		if t.flying {
			next = time.Time{}
		}
		st := t.health.status(t.source, next)
		st.Push = p.pushStatus(t.source)
		out = append(out, st)
	}
	slices.SortFunc(out, func(a, b SourceStatus) int { return cmp.Compare(a.Source.ID, b.Source.ID) })
	return out
}
