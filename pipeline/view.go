package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"tocsin"

	"github.com/nats-io/nats.go/jetstream"
)

// A view is WATCH as one process sees it, kept up to date.
type view struct {
	log      *slog.Logger
	lag      func()                 // a test's delay before a change is seen; nil in use
	report   func(key, text string) // tells operators of a watchlist that does not work
	clear    func(key string)
	compiler *compiler // of follow alone

	mu      sync.Mutex
	seq     uint64 // everything up to here is applied
	moved   chan struct{}
	now     *ruleset
	subs    map[string][]tocsin.Subscription // by destination
	dests   map[string]tocsin.Destination
	sources map[string]map[string]tocsin.Source // by key, then by id
	mutes   map[string]Muted                    // by "<watchlist>.<destination>"
	plans   map[string]plan                     // the same: of the newest of its subscriptions

	added, left map[string]tocsin.Source // by id: that people added, and those no longer in force
	restocked   bool                     // added has changed
	restock     func(added []tocsin.Source)
}

func newView(log *slog.Logger) *view {
	return &view{
		log: log, report: func(string, string) {}, clear: func(string) {},
		compiler: newCompiler(), moved: make(chan struct{}), now: newRuleset(),
		subs: map[string][]tocsin.Subscription{}, dests: map[string]tocsin.Destination{},
		sources: map[string]map[string]tocsin.Source{}, mutes: map[string]Muted{}, plans: map[string]plan{},
		added: map[string]tocsin.Source{}, left: map[string]tocsin.Source{},
	}
}

// follow applies WATCH until ctx ends. Changes that come together, as all do at
// the start, are compiled together.
func (v *view) follow(ctx context.Context, logs *Logs) error {
	return follow(ctx, logs.watchlog, 1, v.log, func(m jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if v.lag != nil {
			v.lag()
		}
		if err := v.take(m, meta); err != nil {
			return err
		}
		if meta.NumPending > 0 {
			return nil
		}
		return v.settle(ctx, logs, meta.Sequence.Stream)
	})
}

// take notes a record. What it says of watchlists and lists is in force once it
// is settled.
func (v *view) take(m jetstream.Msg, meta *jetstream.MsgMetadata) error {
	key := strings.TrimPrefix(m.Subject(), "$KV."+bucketWatch+".")
	if key == provisionKey || isPart(key) {
		return nil
	}
	rec := Version{meta.Sequence.Stream, meta.Timestamp, Watched{Suspended: true}}
	if len(m.Data()) > 0 {
		var err error
		if rec.Watched, err = decode[Watched](m.Data()); err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
	}
	kind, name, _ := strings.Cut(key, ".")
	switch kind {
	case "watchlist":
		v.compiler.watchlists[name], v.compiler.dirty[name] = rec, true
	case "list":
		v.compiler.lists[name], v.compiler.stale[name] = rec, true
	default:
		v.apply(kind, name, rec.Watched)
	}
	return nil
}

func (v *view) apply(kind, name string, w Watched) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch kind {
	case "destination":
		v.dests = with(v.dests, name, w.Destination, w.Suspended)
	case "sources":
		byID := make(map[string]tocsin.Source, len(w.Sources))
		for _, s := range w.Sources {
			byID[s.ID] = s
		}
		v.sources = with(v.sources, name, &byID, w.Suspended)
	case "source":
		v.applySource(name, w)
	case "mute":
		v.mutes = with(v.mutes, name, w.Mute, w.Suspended)
	case "subscription":
		v.applySubscription(name, w)
	}
}

// with is m with one entry set or, if it is gone, removed. Readers hold m.
func with[T any](m map[string]T, name string, value *T, gone bool) map[string]T {
	m = maps.Clone(m)
	if value == nil || gone {
		delete(m, name)
	} else {
		m[name] = *value
	}
	return m
}

// applySubscription keeps every interval that was ever valid: a lane that is
// behind routes by the past. Where a new one begins an open one ends.
func (v *view) applySubscription(name string, w Watched) {
	list, to, _ := strings.Cut(name, ".")
	subs := slices.DeleteFunc(v.subs[to], func(s tocsin.Subscription) bool {
		return s.Watchlist == list && (w.Subscription == nil || s.From == w.Subscription.From)
	})
	if w.Subscription != nil {
		v.plans[name] = planOf(*w.Subscription)
		for i, s := range subs {
			if s.Watchlist == list && s.Until == 0 {
				subs[i].Until = w.Subscription.From
			}
		}
		subs = append(subs, *w.Subscription)
	}
	v.subs[to] = subs
}

// settle brings what was noted up to seq into force. It is tried until that
// succeeds: items must not be held against watchlists that are known to be old.
func (v *view) settle(ctx context.Context, logs *Logs, seq uint64) error {
	next, err := v.compiler.compile(ctx, logs, v.snapshot(), seq)
	for ; err != nil; next, err = v.compiler.compile(ctx, logs, v.snapshot(), seq) {
		if newer, ok := errors.AsType[*NewerError](err); ok {
			return newer
		}
		if ctx.Err() != nil {
			return nil
		}
		v.log.WarnContext(ctx, "watchlists not read, trying again", "err", err)
		_ = pause(ctx, refollow)
	}
	v.tell(ctx)
	v.tellSources()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now, v.seq = next, seq
	close(v.moved)
	v.moved = make(chan struct{})
	return nil
}

// tell reports what does not work, and what works again.
func (v *view) tell(ctx context.Context) {
	for _, t := range v.compiler.troubles() {
		if t.err == nil {
			v.clear(t.key)
			continue
		}
		v.log.ErrorContext(ctx, "watchlist or list not usable; an earlier version stays in force", "key", t.key, "err", t.err)
		v.report(t.key, t.text())
	}
}

// snapshot is what a decision is made with.
func (v *view) snapshot() *ruleset {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

// subscribed are the watchlists whose alerts go to a destination at a sequence
// of ALERTS.
func (v *view) subscribed(to string, seq uint64) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []string
	for _, s := range v.subs[to] {
		if s.From < seq && (s.Until == 0 || seq <= s.Until) && !slices.Contains(out, s.Watchlist) {
			out = append(out, s.Watchlist)
		}
	}
	slices.Sort(out)
	return out
}

// started is the sequence of ALERTS at which the first subscription of a
// destination began.
func (v *view) started(to string) uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	from, found := uint64(0), false
	for _, s := range v.subs[to] {
		if !found || s.From < from {
			from, found = s.From, true
		}
	}
	return from
}

func (v *view) destinations() (map[string]tocsin.Destination, <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.dests, v.moved
}

func (v *view) source(id string) tocsin.Source {
	v.mu.Lock()
	sources := v.sources
	one, ok := v.added[id]
	gone := v.left[id]
	v.mu.Unlock()
	if ok {
		return one
	}
	for _, part := range sources {
		if s, ok := part[id]; ok {
			return s
		}
	}
	gone.ID = id
	return gone
}

// waitFor returns once WATCH is applied up to seq.
func (v *view) waitFor(ctx context.Context, seq uint64) error {
	for {
		v.mu.Lock()
		have, moved := v.seq, v.moved
		v.mu.Unlock()
		if have >= seq {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}
