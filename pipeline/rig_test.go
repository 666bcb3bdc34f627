package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"

	"github.com/nats-io/nats-server/v2/server/ats"
)

// thorough is for the long run: make torture sets it. Without it tests take samples
// of what they try one by one.
var thorough = os.Getenv("TOCSIN_THOROUGH") != ""

// stride is how many steps further the next trial goes, unless all are tried.
func stride(n int) int {
	if thorough {
		return 1
	}
	return n
}

// bubble runs f on a fake clock, with JetStream inside. The clock starts at the
// real time: the file store takes ages from a clock outside the bubble. The NATS
// client pools its timers, and one of another clock must not come back here or
// go on from here: two collections empty the pool.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	empty := func() { runtime.GC(); runtime.GC() }
	empty()
	defer empty()
	ats.Register()
	defer ats.Unregister()
	start := time.Now()
	settle = synctest.Wait
	defer func() { settle = func() {} }()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(start))
		f(t)
	})
}

// settle returns, in a bubble, when everything else waits. A server sleeps with a
// lock as it stops; whoever still waits for that lock, as a request does that was
// given up, would hold the fake clock for ever.
var settle = func() {}

// A rig is one process's pipeline over an embedded server in dir.
type rig struct {
	t    *testing.T
	srv  *Server
	logs *Logs
	desk *desk
	cfg  Config
	end  func()
}

// newRig starts a server and applies p, but runs nothing yet.
func newRig(t *testing.T, dir string, p Provision) *rig {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	srv, err := Embed(t.Context(), EmbedConfig{Dir: dir, Log: log, Floor: 1, every: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, srv: srv, desk: &desk{refs: map[string]string{}}}
	if err := Setup(t.Context(), srv.Bus(), 1, 0); err != nil {
		t.Fatal(err)
	}
	if r.logs, err = OpenLogs(t.Context(), srv.Bus()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.logs.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	r.cfg = Config{Match: true, Send: true, Log: log, Traits: r.desk.traits, Prepare: r.desk.prepare, Find: r.desk.find}
	return r
}

// run starts the stages; stop ends them, close the server too.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(r.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := Run(ctx, r.logs, r.cfg); err != nil {
			r.t.Errorf("Run: %v", err)
		}
	})
	r.end = func() { cancel(); wg.Wait(); r.end = nil }
}

func (r *rig) stop() {
	if r.end != nil {
		r.end()
	}
}

func (r *rig) close() {
	r.stop()
	settle()
	if err := r.srv.Close(); err != nil {
		r.t.Error(err)
	}
}

// dieAt has a lane's goroutine end at a step, as a kill would end it: as it prepares a
// message, or at a point where it can freeze. Nobody dies once alive was called, which
// reports whether there were fewer steps.
func (r *rig) dieAt(step int) (alive func() bool) {
	n, mu := 0, sync.Mutex{}
	die := func(string) {
		mu.Lock()
		n++
		now := n == step
		mu.Unlock()
		if now {
			runtime.Goexit()
		}
	}
	r.cfg.freeze = die
	r.cfg.Prepare = func(ctx context.Context, d tocsin.Delivery) (Ready, error) {
		die("prepare")
		return r.desk.prepare(ctx, d)
	}
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		survived := n < step
		step = 0
		return survived
	}
}

// put appends an item to its source's log.
func (r *rig) put(it tocsin.Item) uint64 {
	r.t.Helper()
	if it.Rev == 0 {
		it.Rev = 1
	}
	if it.Seen.IsZero() {
		it.Seen = time.Now().UTC()
	}
	last, err := lastSeq(r.t.Context(), r.srv.Bus(), streamItems, "items."+it.Source)
	if err != nil {
		r.t.Fatal(err)
	}
	seq, err := r.logs.Append(r.t.Context(), it.Source, last, []tocsin.Item{it})
	if err != nil {
		r.t.Fatal(err)
	}
	return seq
}

// events reads all of ALERTS.
func (r *rig) events() []Event {
	r.t.Helper()
	var out []Event
	for m, err := range r.logs.read(r.t.Context(), streamAlerts, "alerts.*", 1) {
		if err != nil {
			r.t.Fatal(err)
		}
		ev, err := decode[Event](m.Data)
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, ev)
	}
	return out
}

// A desk is a provider: what arrives stays, whatever it answers.
type desk struct {
	mu      sync.Mutex
	refs    map[string]string // delivery id -> ref
	got     []tocsin.Delivery // every call that was applied, in order
	edits   bool
	finds   bool
	threads bool
	answers bool
	rate    Traits
	answer  func(n int, d tocsin.Delivery) (apply bool, err error) // nil: apply, no error
	hidden  bool                                                   // history cannot be read
	calls   int
}

func (k *desk) traits(string) Traits {
	return Traits{Edits: k.edits, Finds: k.finds, Threads: k.threads, Answers: k.answers, Every: k.rate.Every, Burst: k.rate.Burst, EditEvery: k.rate.EditEvery, EditBurst: k.rate.EditBurst}
}

type call struct {
	k *desk
	d tocsin.Delivery
}

func (k *desk) prepare(_ context.Context, d tocsin.Delivery) (Ready, error) { return &call{k, d}, nil }

func (c *call) Close() {}

func (c *call) Send(context.Context) (string, error) {
	k := c.k
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Now().After(c.d.NotAfter) {
		return "", &tocsin.Outcome{Verdict: tocsin.Withheld}
	}
	k.calls++
	apply, err := true, error(nil)
	if k.answer != nil {
		apply, err = k.answer(k.calls, c.d)
	}
	if !apply {
		return "", err
	}
	k.got = append(k.got, c.d)
	ref := c.d.Ref
	if c.d.Kind != tocsin.Edit {
		ref = fmt.Sprintf("m%d", len(k.got))
		k.refs[c.d.ID] = ref
	}
	return ref, err
}

func (k *desk) find(_ context.Context, d tocsin.Delivery) (string, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.hidden {
		return "", false, errors.New("history: no permission")
	}
	ref, ok := k.refs[d.ID]
	return ref, ok, nil
}

// all are the calls that were applied, in order.
func (k *desk) all() []tocsin.Delivery {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.got)
}

// called is how many calls were made.
func (k *desk) called() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls
}

// set changes what calls are answered.
func (k *desk) set(answer func(n int, d tocsin.Delivery) (apply bool, err error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answer = answer
}

// posts are the messages that arrived, edits left out.
func (k *desk) posts() []tocsin.Delivery {
	var out []tocsin.Delivery
	for _, d := range k.all() {
		if d.Kind != tocsin.Edit {
			out = append(out, d)
		}
	}
	return out
}

// missiles is a watchlist and a channel subscribed to it.
func missiles() Provision {
	return Provision{
		Sources:       []tocsin.Source{{ID: "fr", Title: "France"}, {ID: "jp", Title: "Japan"}},
		Watchlists:    []tocsin.Watchlist{{Name: "missiles", Query: `missile*`}},
		Destinations:  []tocsin.Destination{{Name: "desk", Kind: "slack", To: "C1"}},
		Subscriptions: []tocsin.Subscription{{Watchlist: "missiles", To: "desk"}},
	}
}

func item(source, id, title, text string) tocsin.Item {
	return tocsin.Item{Source: source, ID: id, GUID: id, Title: title, Text: text}
}

// quiet is for tests that cause trouble by the hundred.
var quiet = slog.New(slog.DiscardHandler)
