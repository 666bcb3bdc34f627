package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin"
	"tocsin/pipeline/watchlist"

	"github.com/nats-io/nats.go/jetstream"
)

// A Watched record is one key of WATCH: what people ask for. Keys are
// "watchlist.<name>", "destination.<name>", "subscription.<watchlist>.<destination>"
// and "sources.<n>", each with up to 500 sources of the file.
type Watched struct {
	V            int                  `json:"v"`
	By           string               `json:"by"`                  // who wrote it: "file"
	Suspended    bool                 `json:"suspended,omitempty"` // it left the file: it is kept, and does nothing
	Watchlist    *tocsin.Watchlist    `json:"watchlist,omitempty"`
	Destination  *tocsin.Destination  `json:"destination,omitempty"`
	Sources      []tocsin.Source      `json:"sources,omitempty"`
	Subscription *tocsin.Subscription `json:"subscription,omitempty"`
}

// Provision is what a configuration file asks for.
type Provision struct {
	Revision      int // of the file; a process with a smaller one changes nothing
	Sources       []tocsin.Source
	Watchlists    []tocsin.Watchlist
	Destinations  []tocsin.Destination
	Subscriptions []tocsin.Subscription // From and Until are ours to set
}

// sourcesAKey is how many sources one key holds: one write for a starter
// directory, and well below the largest message.
const sourcesAKey = 500

// provisionKey holds the revision that was applied last.
const provisionKey = "provision"

// DriftError means that a newer configuration was already applied.
type DriftError struct{ Ours, Applied int }

func (e *DriftError) Error() string {
	return fmt.Sprintf("apply configuration: revision %d was applied already and this file says %d: update the file here, or raise its revision", e.Applied, e.Ours)
}

// Apply makes WATCH say what the file says. What left the file is suspended, not
// deleted. Every change is recorded in AUDIT.
func (l *Logs) Apply(ctx context.Context, p Provision) error {
	if err := l.takeRevision(ctx, p.Revision); err != nil {
		return err
	}
	have, err := l.readWatch(ctx)
	if err != nil {
		return err
	}
	alerts, err := l.alerts.Info(ctx)
	if err != nil {
		return fmt.Errorf("apply configuration: %w", err)
	}
	want := p.records(have, alerts.State.LastSeq)
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if err := l.putWatched(ctx, key, have[key], want[key]); err != nil {
			return err
		}
	}
	return l.restamp(ctx, have, want, alerts.State.LastSeq)
}

// restamp moves the beginning of new subscriptions behind what came while they
// were stored: a lane may have passed that without knowing of them.
func (l *Logs) restamp(ctx context.Context, have, want map[string]Watched, stamped uint64) error {
	alerts, err := l.alerts.Info(ctx)
	if err != nil {
		return fmt.Errorf("apply configuration: %w", err)
	}
	if alerts.State.LastSeq == stamped {
		return nil
	}
	for key, w := range want {
		if old := have[key]; w.Suspended || w.Subscription == nil || old.Subscription != nil && !old.Suspended {
			continue
		}
		s := *w.Subscription
		s.From = alerts.State.LastSeq
		now := w
		now.Subscription = &s
		if err := l.putWatched(ctx, key, w, now); err != nil {
			return err
		}
	}
	return nil
}

func (l *Logs) takeRevision(ctx context.Context, ours int) error {
	type revision struct{ V, Revision int }
	data, _ := json.Marshal(revision{tocsin.Format, ours})
	for {
		e, err := l.watch.Get(ctx, provisionKey)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			_, err = l.watch.Create(ctx, provisionKey, data)
		} else if err == nil {
			applied, derr := decode[revision](e.Value())
			switch {
			case derr != nil:
				return fmt.Errorf("apply configuration: %w", derr)
			case applied.Revision > ours:
				return &DriftError{ours, applied.Revision}
			case applied.Revision == ours:
				return nil
			}
			_, err = l.watch.Update(ctx, provisionKey, data, e.Revision())
		}
		if moved, busy := wrongLast(err); moved != nil || busy {
			if err := pause(ctx, 10*time.Millisecond); err != nil {
				return err
			}
			continue // another process was first: look again
		}
		if err != nil {
			return fmt.Errorf("apply configuration: %w", err)
		}
		return nil
	}
}

// records are all records as they should stand: those of the file, and those of
// an earlier file that are no longer in it, suspended. Subscriptions begin and
// end at the sequence now of ALERTS.
func (p Provision) records(have map[string]Watched, now uint64) map[string]Watched {
	want := map[string]Watched{}
	put := func(key string, w Watched) {
		w.V, w.By = tocsin.Format, "file"
		want[key] = w
	}
	for i := 0; i < len(p.Sources); i += sourcesAKey {
		part := p.Sources[i:min(len(p.Sources), i+sourcesAKey)]
		put(fmt.Sprintf("sources.%d", i/sourcesAKey), Watched{Sources: part})
	}
	for _, w := range p.Watchlists {
		put("watchlist."+w.Name, Watched{Watchlist: &w})
	}
	for _, d := range p.Destinations {
		put("destination."+d.Name, Watched{Destination: &d})
	}
	for _, s := range p.Subscriptions {
		key := "subscription." + s.Watchlist + "." + s.To
		s.From, s.Until = now, 0
		if old, ok := have[key]; ok && !old.Suspended {
			s.From = old.Subscription.From
		}
		put(key, Watched{Subscription: &s})
	}
	for key, old := range have {
		if _, ok := want[key]; ok || old.By != "file" {
			continue
		}
		if !old.Suspended && old.Subscription != nil {
			s := *old.Subscription
			s.Until = now
			old.Subscription = &s
		}
		old.Suspended = true
		want[key] = old
	}
	return want
}

func (l *Logs) putWatched(ctx context.Context, key string, have, want Watched) error {
	if reflect.DeepEqual(have, want) {
		return nil
	}
	data, err := json.Marshal(want)
	if err != nil {
		return fmt.Errorf("store %s: %w", key, err)
	}
	if _, err := l.watch.Put(ctx, key, data); err != nil {
		return fmt.Errorf("store %s: %w", key, err)
	}
	kind, name, _ := strings.Cut(key, ".")
	var before *Watched
	if have.V != 0 {
		before = &have
	}
	return l.Audit(ctx, kind, strings.ReplaceAll(name, ".", "-to-"), want.By, before, want)
}

func (l *Logs) readWatch(ctx context.Context) (map[string]Watched, error) {
	out := map[string]Watched{}
	w, err := l.watch.WatchAll(ctx)
	if err != nil {
		return nil, fmt.Errorf("read WATCH: %w", err)
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case e, ok := <-w.Updates():
			if !ok || e == nil {
				return out, nil
			}
			if e.Key() == provisionKey || e.Operation() != jetstream.KeyValuePut {
				continue
			}
			rec, err := decode[Watched](e.Value())
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", e.Key(), err)
			}
			out[e.Key()] = rec
		}
	}
}

// A view is WATCH as one process sees it, kept up to date.
type view struct {
	log *slog.Logger
	lag func() // a test's delay before a change is seen; nil in use

	mu      sync.Mutex
	seq     uint64
	moved   chan struct{}
	lists   map[string]*compiled
	subs    map[string][]tocsin.Subscription // by destination
	dests   map[string]tocsin.Destination
	sources map[string][]tocsin.Source // by key
}

type compiled struct {
	tocsin.Watchlist
	version uint64
	query   *watchlist.Query
}

func newView(log *slog.Logger) *view {
	return &view{
		log: log, moved: make(chan struct{}), lists: map[string]*compiled{}, subs: map[string][]tocsin.Subscription{},
		dests: map[string]tocsin.Destination{}, sources: map[string][]tocsin.Source{},
	}
}

// follow applies WATCH until ctx ends.
func (v *view) follow(ctx context.Context, watch jetstream.Stream) error {
	return follow(ctx, watch, 1, v.log, func(m jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if v.lag != nil {
			v.lag()
		}
		key := strings.TrimPrefix(m.Subject(), "$KV."+bucketWatch+".")
		var w Watched
		if len(m.Data()) > 0 && key != provisionKey {
			var err error
			if w, err = decode[Watched](m.Data()); err != nil {
				return fmt.Errorf("read %s: %w", key, err)
			}
		} else {
			w.Suspended = true
		}
		v.apply(meta.Sequence.Stream, key, w)
		return nil
	})
}

func (v *view) apply(seq uint64, key string, w Watched) {
	v.mu.Lock()
	defer v.mu.Unlock()
	kind, name, _ := strings.Cut(key, ".")
	switch kind {
	case "watchlist":
		v.applyWatchlist(seq, name, w)
	case "destination":
		v.dests = with(v.dests, name, w.Destination, w.Suspended)
	case "sources":
		v.sources = with(v.sources, name, &w.Sources, w.Suspended)
	case "subscription":
		v.applySubscription(name, w)
	}
	v.seq = seq
	close(v.moved)
	v.moved = make(chan struct{})
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

func (v *view) applyWatchlist(seq uint64, name string, w Watched) {
	v.lists = maps.Clone(v.lists)
	delete(v.lists, name)
	if w.Watchlist == nil || w.Suspended {
		return
	}
	q, err := watchlist.Parse(w.Watchlist.Query)
	if err != nil {
		v.log.Error("watchlist not usable", "watchlist", name, "err", err)
		return
	}
	v.lists[name] = &compiled{*w.Watchlist, seq, q}
}

// applySubscription keeps every interval that was ever valid: a lane that is
// behind routes by the past. Where a new one begins an open one ends.
func (v *view) applySubscription(name string, w Watched) {
	list, to, _ := strings.Cut(name, ".")
	subs := slices.DeleteFunc(v.subs[to], func(s tocsin.Subscription) bool {
		return s.Watchlist == list && (w.Subscription == nil || s.From == w.Subscription.From)
	})
	if w.Subscription != nil {
		for i, s := range subs {
			if s.Watchlist == list && s.Until == 0 {
				subs[i].Until = w.Subscription.From
			}
		}
		subs = append(subs, *w.Subscription)
	}
	v.subs[to] = subs
}

// snapshot is what a decision is made with.
func (v *view) snapshot() (seq uint64, lists map[string]*compiled) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.seq, v.lists
}

// subscribed are the watchlists whose alerts go to a destination at a sequence
// of ALERTS.
func (v *view) subscribed(to string, seq uint64) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []string
	for _, s := range v.subs[to] {
		if seq > s.From && (s.Until == 0 || seq <= s.Until) {
			out = append(out, s.Watchlist)
		}
	}
	return out
}

// started is the first sequence after which a destination is subscribed to
// anything.
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
	defer v.mu.Unlock()
	for _, part := range v.sources {
		for _, s := range part {
			if s.ID == id {
				return s
			}
		}
	}
	return tocsin.Source{ID: id}
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

// watchSeq is the last sequence of WATCH as the server holds it now.
func (l *Logs) watchSeq(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	info, err := l.watchlog.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("read WATCH: %w", err)
	}
	return info.State.LastSeq, nil
}
