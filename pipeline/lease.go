package pipeline

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// A process that is silent for a term's ttl loses its shards to others. As long as
// nobody took them, it may believe to have them for its grace.
type term struct{ ttl, renew, grace time.Duration }

// Two lanes of one shard must never overlap, so a lane's process stops in time. Two
// pollers of one source do no harm: where NATS does not answer they go on, and
// where a process is gone, its sources are another's within 5 s.
var terms = map[string]term{
	"send": {ttl: 15 * time.Second, renew: 5 * time.Second, grace: 15 * time.Second},
	"poll": {ttl: 4 * time.Second, renew: time.Second, grace: 30 * time.Second},
}

const (
	leaseWithin = 5 * time.Second       // bounds a round, and giving up all shards
	settleFor   = 50 * time.Millisecond // in which what others do is looked at together
)

// leases share the shards of one stage among the processes that run it. A lease
// says who should write, so that two do not do the same work; what keeps two
// from harm are the sequences that every append expects.
type leases struct {
	b     *Bus
	kv    jetstream.KeyValue
	stage string
	log   *slog.Logger

	term

	mu    sync.Mutex
	held  map[int]lease // by shard
	moved chan struct{}
}

func newLeases(ctx context.Context, b *Bus, stage string, log *slog.Logger) (*leases, error) {
	kv, err := b.JS.KeyValue(ctx, bucketLease)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bucketLease, err)
	}
	return &leases{b: b, kv: kv, stage: stage, log: log, term: terms[stage], held: map[int]lease{}, moved: make(chan struct{})}, nil
}

// A lease is a shard that we hold until a time, as far as we know, by the record
// at seq.
type lease struct {
	until time.Time
	seq   uint64
}

// owned is a snapshot of what this process holds and a channel that is closed
// when that changes. Without leases, it is everything: the only process on a data
// directory has the directory's lock.
func (l *leases) owned() (func(shard int) bool, <-chan struct{}) {
	if l == nil {
		return func(int) bool { return true }, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	held := map[int]bool{}
	for shard, h := range l.held {
		held[shard] = time.Now().Before(h.until)
	}
	return func(shard int) bool { return held[shard] }, l.moved
}

// hold does work that ends with ctx while leases are taken and renewed, and gives
// them up after it: who takes a shard next finds nothing under way.
func (l *leases) hold(ctx context.Context, work func() error) error {
	if l == nil {
		return work()
	}
	held, release := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { l.run(held) })
	err := work()
	release()
	wg.Wait()
	return err
}

// run takes, renews and gives up shards until ctx ends, and then gives up all.
func (l *leases) run(ctx context.Context) {
	tick := time.NewTicker(l.renew)
	defer tick.Stop()
	news := make(chan struct{}, 1)
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { l.watch(ctx, news) })
	for {
		if err := l.round(ctx); err != nil && ctx.Err() == nil {
			l.log.WarnContext(ctx, "leases not renewed", "stage", l.stage, "err", err)
		}
		select {
		case <-ctx.Done():
			l.releaseAll(context.WithoutCancel(ctx))
			return
		case <-tick.C:
		case <-news:
			_ = pause(ctx, settleFor)
			select {
			case <-news:
			default:
			}
		}
	}
}

// watch tells of shards that are given up, and of processes that come and go, until
// ctx ends. It only makes rounds come sooner: without it they come by the clock.
func (l *leases) watch(ctx context.Context, news chan<- struct{}) {
	w, err := l.kv.WatchFiltered(ctx, []string{l.memberKey("*"), l.stage + ".*"}, jetstream.UpdatesOnly())
	if err != nil {
		l.log.WarnContext(ctx, "leases not watched", "stage", l.stage, "err", err)
		return
	}
	defer func() { _ = w.Stop() }()
	members := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.Updates():
			if !ok {
				return
			}
			if e == nil || e.Operation() == jetstream.KeyValuePut && (members[e.Key()] || !strings.HasPrefix(e.Key(), l.memberKey(""))) {
				continue
			}
			if members[e.Key()] = e.Operation() == jetstream.KeyValuePut; !members[e.Key()] {
				delete(members, e.Key())
			}
			select {
			case news <- struct{}{}:
			default:
			}
		}
	}
}

func (l *leases) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaseWithin)
	defer cancel()
	defer l.expire()
	_, err := l.put(ctx, l.memberKey(l.b.Owner), nil)
	members, lerr := l.members(ctx)
	if err := errors.Join(err, lerr); err != nil {
		return err
	}
	var g errgroup.Group
	for shard := range shards {
		g.Go(func() error {
			if rank(members, shard) == l.b.Owner {
				return l.take(ctx, shard)
			}
			return l.release(ctx, shard)
		})
	}
	return g.Wait()
}

// release gives a shard up, unless another process has taken it meanwhile.
func (l *leases) release(ctx context.Context, shard int) error {
	l.mu.Lock()
	held, ok := l.held[shard]
	l.mu.Unlock()
	if !ok {
		return nil
	}
	l.set(shard, lease{})
	err := l.kv.Delete(ctx, l.shardKey(shard), jetstream.LastRevision(held.seq))
	if moved, busy := wrongLast(err); moved != nil || busy {
		return nil
	}
	return err
}

func (l *leases) memberKey(owner string) string { return "member." + l.stage + "." + owner }
func (l *leases) shardKey(shard int) string     { return fmt.Sprintf("%s.%d", l.stage, shard) }

func (l *leases) members(ctx context.Context) ([]string, error) {
	keys, err := l.kv.ListKeysFiltered(ctx, l.memberKey("*"))
	if err != nil {
		return nil, err
	}
	out := []string{l.b.Owner}
	for k := range keys.Keys() {
		if m := strings.TrimPrefix(k, l.memberKey("")); m != l.b.Owner {
			out = append(out, m)
		}
	}
	return out, nil
}

// rank is the member that should have a shard: the one with the highest hash of
// both, so that a member that comes or goes moves only its own share.
func rank(members []string, shard int) string {
	var best string
	var high uint64
	for _, m := range members {
		h := fnv.New64a()
		_, _ = fmt.Fprintf(h, "%d %s", shard, m)
		if s := h.Sum64(); best == "" || s > high {
			best, high = m, s
		}
	}
	return best
}

// take takes a free shard or renews our own. Another's is left until it lapses.
func (l *leases) take(ctx context.Context, shard int) error {
	if renewed, err := l.renewed(ctx, shard); renewed || err != nil {
		return err
	}
	key := l.shardKey(shard)
	last, err := lastRecord(ctx, l.b, "KV_"+bucketLease, "$KV."+bucketLease+"."+key)
	if err != nil {
		return err
	}
	expect := uint64(0)
	if last != nil {
		expect = last.Sequence
		if owner := string(last.Data); owner != "" && owner != l.b.Owner {
			l.set(shard, lease{})
			return nil
		}
	}
	return l.hire(ctx, shard, expect)
}

// renewed renews the lease of a shard that we hold, if it is still ours.
func (l *leases) renewed(ctx context.Context, shard int) (bool, error) {
	l.mu.Lock()
	held, ok := l.held[shard]
	l.mu.Unlock()
	if !ok {
		return false, nil
	}
	err := l.hire(ctx, shard, held.seq)
	l.mu.Lock()
	defer l.mu.Unlock()
	return err == nil && l.held[shard].seq != held.seq, err
}

// hire writes our name to a shard whose last record is at expect.
func (l *leases) hire(ctx context.Context, shard int, expect uint64) error {
	began := time.Now()
	seq, err := l.put(ctx, l.shardKey(shard), &expect)
	if seq != 0 {
		l.set(shard, lease{began.Add(l.grace), seq})
	}
	return err
}

// put writes a key that lapses after l.ttl and returns its sequence, 0 if
// another process was first. An update through the bucket would drop the time:
// the key would never lapse.
func (l *leases) put(ctx context.Context, key string, expect *uint64) (uint64, error) {
	opts := []jetstream.PublishOpt{jetstream.WithMsgTTL(l.ttl)}
	if expect != nil {
		opts = append(opts, jetstream.WithExpectLastSequencePerSubject(*expect))
	}
	ack, err := l.b.JS.Publish(ctx, "$KV."+bucketLease+"."+key, []byte(l.b.Owner), opts...)
	if moved, busy := wrongLast(err); moved != nil || busy {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// set notes how a shard is held; zero means that it is not.
func (l *leases) set(shard int, held lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, had := l.held[shard]
	if held == (lease{}) {
		delete(l.held, shard)
	} else {
		l.held[shard] = held
	}
	if _, has := l.held[shard]; has != had {
		close(l.moved)
		l.moved = make(chan struct{})
	}
}

// expire drops the shards that others may have taken.
func (l *leases) expire() {
	for shard := range shards {
		l.mu.Lock()
		held, ok := l.held[shard]
		l.mu.Unlock()
		if ok && time.Now().After(held.until) {
			l.set(shard, lease{})
		}
	}
}

func (l *leases) releaseAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaseWithin)
	defer cancel()
	_ = l.kv.Purge(ctx, l.memberKey(l.b.Owner), jetstream.PurgeTTL(leaseMarkers))
	for shard := range shards {
		_ = l.release(ctx, shard)
	}
}
