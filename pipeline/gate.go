package pipeline

import (
	"fmt"
	"sync"
	"time"

	"tocsin"
)

// Where a credential does not work no destination that needs it does: one lane
// tries now and then, and the others wait without a try. Where the provider limits
// what a workspace may change in a minute, its lanes share that.

// probing is how long the lane that tries a shut gate has it for itself.
const probing = sendTimeout + 5*time.Second

// gates are of what destinations share: a workspace, or a mail server.
type gates struct {
	mu  sync.Mutex
	all map[string]*gate
}

// A gate is shut while its credential does not work.
type gate struct {
	tries int
	until time.Time            // nobody tries before
	full  map[string]time.Time // by act: when its bucket would be full again
	hold  map[string]time.Time // by act: the provider wants none before
}

func gateOf(d tocsin.Destination) string { return d.Kind + "." + d.Workspace }

func (g *gates) of(key string) *gate {
	if g.all == nil {
		g.all = map[string]*gate{}
	}
	if g.all[key] == nil {
		g.all[key] = &gate{full: map[string]time.Time{}, hold: map[string]time.Time{}}
	}
	return g.all[key]
}

// shut is until when nobody may try; zero if the gate is open or may be tried.
func (g *gates) shut(key string) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if x := g.of(key); x.tries > 0 && time.Now().Before(x.until) {
		return x.until
	}
	return time.Time{}
}

// enter reports whether a lane may try. Of a gate that was shut it lets in one.
func (g *gates) enter(key string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.of(key)
	if x.tries == 0 {
		return true
	}
	if time.Now().Before(x.until) {
		return false
	}
	x.until = time.Now().Add(probing)
	return true
}

// close shuts a gate and says until when, and whether it was open.
func (g *gates) close(key string) (until time.Time, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.of(key)
	x.tries++
	x.until = time.Now().Add(backoff(x.tries + 4)) // 16 s to 5 min: a person has to act
	return x.until.UTC(), x.tries == 1
}

// open opens a gate and reports whether it was shut.
func (g *gates) open(key string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.of(key)
	was := x.tries > 0
	x.tries, x.until = 0, time.Time{}
	return was
}

// works reports whether nothing is known against a gate.
func (g *gates) works(key string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.of(key).tries == 0
}

// openAll lets every gate be tried now: a person may have mended something.
func (g *gates) openAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, x := range g.all {
		x.until = time.Time{}
	}
}

// take takes a turn at what a workspace may do of an act, once every and burst at
// once. Where there is none it says when to ask again.
func (g *gates) take(key, act string, every time.Duration, burst int) time.Time {
	if every == 0 {
		return time.Time{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.of(key)
	now := time.Now()
	if x.hold[act].After(now) {
		return x.hold[act]
	}
	next := later(x.full[act], now).Add(every)
	if free := next.Add(-time.Duration(burst) * every); free.After(now) {
		return free
	}
	x.full[act] = next
	return time.Time{}
}

// pauseAct keeps all lanes of a workspace from an act for a time: the provider
// said so.
func (g *gates) pauseAct(key, act string, d time.Duration, every time.Duration, burst int) {
	if every == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.of(key)
	x.hold[act] = later(x.hold[act], time.Now().Add(d))
	x.full[act] = later(x.full[act], time.Now().Add(d+time.Duration(burst-1)*every))
}

// refused shuts the gate of a delivery that failed because the credential does not
// work, and tells operators once.
func (l *lane) refused(r *Record) {
	key := gateOf(l.dest)
	until, first := l.gates.close(key)
	r.Next = until
	if first {
		l.report("install."+key, fmt.Sprintf("%s: alerts to it are waiting: %s", kindOf(l.dest), r.Why))
	}
}

// kindOf is what the credential is of, for people.
func kindOf(d tocsin.Destination) string {
	if d.Workspace != "" {
		return d.Kind + " workspace " + d.Workspace
	}
	return d.Kind
}

// let opens the gate: a call went through.
func (l *lane) let() {
	if key := gateOf(l.dest); l.gates.open(key) {
		l.clear("install." + key)
		l.wakeAll()
	}
}

// wakeAll has all lanes look again.
func (ls *lanes) wakeAll() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.running {
		l.wakeUp()
	}
}
