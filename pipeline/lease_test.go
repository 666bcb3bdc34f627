package pipeline

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"
)

// A holder takes part in sharing a stage.
type holder struct {
	*leases
	stop func() // gives up its shards
	kill func() // does not
}

// The server lets a lease lapse by the real clock, so these tests use short ones
// and wait.
func (r *rig) shortLeases(owner string) *leases {
	r.t.Helper()
	l := must(newLeases(r.t.Context(), r.twin(owner, false).b, "send", quiet))
	l.term = term{ttl: 2 * time.Second, renew: 200 * time.Millisecond, grace: 2 * time.Second}
	return l
}

// holder renews its leases until it is stopped or killed.
func (r *rig) holder(owner string) holder {
	r.t.Helper()
	return r.rounds(r.shortLeases(owner))
}

func (r *rig) rounds(l *leases) holder {
	ctx, cancel := context.WithCancel(r.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			_ = l.round(context.WithoutCancel(ctx))
			_ = pause(ctx, l.renew)
		}
	})
	kill := func() { cancel(); wg.Wait() }
	return holder{l, func() { kill(); l.releaseAll(context.WithoutCancel(ctx)) }, kill}
}

// shardsOf are the shards that a holder believes to have.
func (h holder) shardsOf() []int {
	owns, _ := h.owned()
	var out []int
	for shard := range shards {
		if owns(shard) {
			out = append(out, shard)
		}
	}
	return out
}

// eventually waits for something that the server does in its own time.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not after 30 s", what)
		}
	}
}

func TestProcessesShareShardsWithoutOverlap(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	first := r.holder("first")
	eventually(t, "the first takes all", func() bool { return len(first.shardsOf()) == shards })
	second := r.holder("second")
	defer second.stop()
	apart := func() bool {
		a, b, still := first.shardsOf(), second.shardsOf(), first.shardsOf()
		for _, shard := range a {
			if slices.Contains(b, shard) && slices.Contains(still, shard) {
				t.Errorf("both own shard %d", shard)
			}
		}
		return len(a)+len(b) == shards && len(b) > 0
	}
	eventually(t, "they share", apart)
	first.kill()
	eventually(t, "the second takes over", func() bool { return len(second.shardsOf()) == shards })
}

func TestOwnerTakesItsOwnLeasesBackAtOnce(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	first := r.holder("same")
	eventually(t, "it takes all", func() bool { return len(first.shardsOf()) == shards })
	first.kill()
	again := holder{leases: r.shortLeases("same")}
	r.ok(again.round(t.Context()))
	if got := again.shardsOf(); len(got) != shards {
		t.Errorf("after one round it has %d of its %d shards", len(got), shards)
	}
}

func TestStoppedProcessLeavesItsShardsAtOnce(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	first := r.holder("first")
	eventually(t, "the first takes all", func() bool { return len(first.shardsOf()) == shards })
	first.stop()
	second := holder{leases: r.shortLeases("second")}
	r.ok(second.round(t.Context()))
	if got := second.shardsOf(); len(got) != shards {
		t.Errorf("after one round the second has %d of %d shards", len(got), shards)
	}
}

// A process that was frozen gives up what it believes to have: that may be
// another's by now.
func TestReleaseLeavesAnothersLeaseAlone(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	first, second := r.holder("first"), r.twin("second", false)
	eventually(t, "the first takes all", func() bool { return len(first.shardsOf()) == shards })
	first.kill()
	l, err := newLeases(ctx, second.b, "send", quiet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.put(ctx, l.shardKey(0), nil); err != nil { // as if the first's had lapsed
		t.Fatal(err)
	}
	if err := first.release(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if e, err := l.kv.Get(ctx, l.shardKey(0)); err != nil || string(e.Value()) != "second" {
		t.Errorf("the second's lease is %v, %v, want it kept", e, err)
	}
}

// poller runs the leases of the poll stage with the terms of a real process.
func (r *rig) poller(owner string) holder {
	r.t.Helper()
	l := must(newLeases(r.t.Context(), r.twin(owner, false).b, "poll", quiet))
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { l.run(ctx) })
	stop := func() { cancel(); wg.Wait() }
	r.t.Cleanup(stop)
	return holder{leases: l, stop: stop}
}

// TestShardsOfPollersMoveWithinSeconds prints how long it takes; a process that
// vanishes gives up nothing.
func TestShardsOfPollersMoveWithinSeconds(t *testing.T) {
	if p := terms["poll"]; p.ttl+p.renew > 5*time.Second || p.renew*3 > p.ttl {
		t.Errorf("terms %+v: a shard has to move within 5 s, and a lease to survive two lost renewals", p)
	}
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	all := func(hs ...holder) func() bool {
		return func() bool {
			n := 0
			for _, h := range hs {
				n += len(h.shardsOf())
			}
			return n == shards && len(hs[len(hs)-1].shardsOf()) > 0
		}
	}
	began := time.Now()
	lap := func(what string, done func() bool) {
		t.Helper()
		began = time.Now()
		eventually(t, what, done)
		t.Logf("%s after %v", what, time.Since(began).Round(time.Millisecond))
	}
	first := r.poller("first")
	lap("the first has all", all(first))
	second := r.poller("second")
	lap("both share", all(first, second))
	first.stop()
	lap("the second has those of one that stopped", all(second))
	third := r.rounds(must(newLeases(r.t.Context(), r.twin("third", false).b, "poll", quiet)))
	lap("two share again", all(second, third))
	third.kill()
	lap("the second has those of one that vanished", func() bool { return len(second.shardsOf()) == shards })
}

// TestAPollerKeepsItsShardsWhileNATSIsSilent: others cannot have taken them.
func TestAPollerKeepsItsShardsWhileNATSIsSilent(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	h := holder{leases: must(newLeases(r.t.Context(), r.twin("alone", false).b, "poll", quiet))}
	r.ok(h.round(t.Context()))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	time.Sleep(terms["poll"].ttl + time.Second)
	if err := h.round(ended); err == nil {
		t.Error("a round without NATS gives no error")
	}
	if n := len(h.shardsOf()); n != shards {
		t.Errorf("it has %d of %d shards", n, shards)
	}
	r.ok(h.round(t.Context()))
	if n := len(h.shardsOf()); n != shards {
		t.Errorf("it has %d of %d shards when NATS is back", n, shards)
	}
}
