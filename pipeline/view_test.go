package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin"
	"tocsin/pipeline/watchlist"
	"tocsin/pipeline/watchlist/engine"
)

// heard collects what operators are told, by key; "" is that it is over.
type heard struct {
	mu  sync.Mutex
	now map[string]string
}

func (o *heard) listen(cfg *Config) {
	o.now = map[string]string{}
	cfg.Report = func(key, text string) { o.mu.Lock(); defer o.mu.Unlock(); o.now[key] = text }
	cfg.Clear = func(key string) { o.mu.Lock(); defer o.mu.Unlock(); delete(o.now, key) }
}

func (o *heard) of(key string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now[key]
}

// store writes a record of WATCH as some other tocsin might have.
func (r *rig) store(key string, w Watched) {
	r.t.Helper()
	data, err := json.Marshal(w)
	r.ok(err)
	_, err = r.logs.watch.Put(r.t.Context(), key, data)
	r.ok(err)
}

func TestWatchlistThatStopsCompilingKeepsItsLastGoodVersion(t *testing.T) {
	force := Edit{By: "ada", Force: true}
	for name, breaks := range map[string]func(r *rig){
		"the query": func(r *rig) {
			r.ok(r.logs.SetWatchlist(r.t.Context(), force, tocsin.Watchlist{Name: "fish", Query: "((cod"}))
		},
		"an older query too": func(r *rig) {
			for _, q := range []string{"((cod", "cod AND", "@nothing"} {
				r.ok(r.logs.SetWatchlist(r.t.Context(), force, tocsin.Watchlist{Name: "fish", Query: q}))
			}
		},
		"its list": func(r *rig) {
			r.ok(r.logs.SetList(r.t.Context(), force, list("cold", "cod", "@nothing")))
		},
		"an entry of its list": func(r *rig) {
			r.store("list.cold", Watched{V: 2, By: "ada", List: &tocsin.List{Name: "cold", Entries: []tocsin.Entry{{Term: `"`}}}})
		},
		"its list is gone": func(r *rig) {
			r.store("list.cold", Watched{V: 2, By: "ada", Suspended: true, Removed: true, List: &tocsin.List{Name: "cold"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dir, k := t.TempDir(), &desk{refs: map[string]string{}}
				var ear heard
				live := lives(t, k, dir)
				live(func(r *rig) {
					r.stop()
					ear.listen(&r.cfg)
					r.run()
					time.Sleep(time.Minute)
					r.ok(r.logs.SetList(t.Context(), ada, list("cold", "cod")))
					r.ok(r.logs.SetWatchlist(t.Context(), ada, tocsin.Watchlist{Name: "fish", Query: "@cold OR eel"}))
					r.ok(r.logs.Subscribe(t.Context(), "ada", "fish", "desk"))
					breaks(r)
					r.put(item("fr", "1", "one", "A cod."))
					time.Sleep(time.Minute)
					if ear.of("watchlist.fish")+ear.of("list.cold") == "" {
						t.Errorf("operators were told of %v, want the watchlist or its list", ear.now)
					}
					if broken := must(r.logs.Wanted(t.Context())).Broken(); len(broken) == 0 {
						t.Error("Broken() is empty")
					}
				})
				// A start does not know what ran before it.
				live(func(r *rig) {
					r.put(item("fr", "2", "two", "A cod."))
					time.Sleep(time.Minute)
					r.ok(r.logs.SetList(t.Context(), force, list("cold", "cod")))
					r.ok(r.logs.SetWatchlist(t.Context(), ada, tocsin.Watchlist{Name: "fish", Query: "@cold OR herring"}))
					r.put(item("fr", "3", "three", "A herring."))
					time.Sleep(time.Minute)
				})
				if got := k.titles("desk"); !slices.Equal(got, []string{"one", "two", "three"}) {
					t.Errorf("the channel got %q, want what the last good version finds, and then the mended one", got)
				}
			})
		})
	}
}

func TestOperatorsHearWhenAWatchlistWorksAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		var ear heard
		ear.listen(&r.cfg)
		r.cfg.Log = quiet
		r.run()
		time.Sleep(time.Minute)
		force := Edit{By: "ada", Force: true}
		r.ok(r.logs.SetWatchlist(t.Context(), force, tocsin.Watchlist{Name: "fish", Query: "@cold"}))
		time.Sleep(time.Second)
		if text := ear.of("watchlist.fish"); !strings.Contains(text, "ada") || !strings.Contains(text, "@cold") {
			t.Errorf("operators heard %q, want who broke it and how", text)
		}
		r.ok(r.logs.SetList(t.Context(), ada, list("cold", "cod"))) // the list it waits for
		time.Sleep(time.Second)
		if text := ear.of("watchlist.fish"); text != "" {
			t.Errorf("operators still hear %q", text)
		}
	})
}

// A watchlist of the new language must not be held by a tocsin that reads it
// otherwise: what it does not find would be acknowledged.
func TestWatchlistsListsAndMutesStopAnOlderTocsin(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	r.ok(r.logs.SetList(ctx, ada, list("cold", "cod")))
	r.ok(r.logs.Mute(ctx, "ada", "missiles", "desk", time.Now().Add(time.Hour)))
	for key, want := range map[string]int{"watchlist.missiles": 2, "list.cold": 2, "mute.missiles.desk": 2, "destination.desk": 1, "subscription.missiles.desk": 1, "sources.0": 1} {
		e, err := r.logs.watch.Get(ctx, key)
		r.ok(err)
		var head struct{ V int }
		r.ok(json.Unmarshal(e.Value(), &head))
		if head.V != want {
			t.Errorf("%s is stored as format %d, want %d", key, head.V, want)
		}
	}
}

// Records of before lists, mutes and forms of names are read, and are no change.
func TestRecordsOfTheFirstFormatAreReadAndLeftAlone(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	for key, old := range map[string]string{
		"watchlist.missiles":         `{"v":1,"by":"file","watchlist":{"name":"missiles","query":"missile*"}}`,
		"subscription.missiles.desk": `{"v":1,"by":"file","subscription":{"watchlist":"missiles","to":"desk","from":0}}`,
	} {
		if _, err := r.logs.watch.Put(t.Context(), key, []byte(old)); err != nil {
			t.Fatal(err)
		}
	}
	before := must(r.logs.watchSeq(t.Context()))
	r.apply(missiles())
	if after := must(r.logs.watchSeq(t.Context())); after != before {
		t.Errorf("applying the same file stored %d records", after-before)
	}
}

func TestMatchThatTheReferenceDoesNotConfirmAlertsNobody(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	m := r.racer(ctx, &wg, "matcher", Off{})
	var heard []string
	m.report = func(key, _ string) { heard = append(heard, key) }
	rule := func(q string) *watchlist.Rule { return must(must(watchlist.Parse(q)).Resolve(nil, false)) }
	wrong := &ruleset{
		seq: 1, rules: map[string]*compiled{"a": {rule: rule("cod")}, "b": {rule: rule("eel")}},
		index: engine.New().With(engine.Change{Name: "a", Rule: rule("cod OR eel")}, engine.Change{Name: "b", Rule: rule("eel")}),
	}
	for range 3 {
		got := m.match(item("fr", "1", "One", "An eel."), wrong)
		if len(got) != 1 || got[0].Watchlist != "b" || got[0].Branch != "eel" {
			t.Errorf("match = %+v, want b alone, with its branch", got)
		}
	}
	if m.count.Disagreements.Load() != 3 || !slices.Equal(heard, []string{"engine.a"}) {
		t.Errorf("%d disagreements, operators told of %q, want 3 counted and one told of", m.count.Disagreements.Load(), heard)
	}
	m.matchers = sync.Pool{New: func() any { return new(engine.Matcher) }} // which panics
	if got := m.match(item("fr", "1", "One", "An eel."), wrong); len(got) != 1 || got[0].Watchlist != "b" {
		t.Errorf("with an engine that panics match = %+v, want what the reference finds", got)
	}
	if heard[len(heard)-1] != "engine" {
		t.Errorf("operators were told of %q, want the engine last", heard)
	}
}

// One event holds the matches of some thousand watchlists.
func TestStatementThatTensOfThousandsOfWatchlistsMatchIsStored(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	m := r.racer(ctx, &wg, "matcher", Off{})
	cod := rule("cod")
	now := &ruleset{seq: 1, rules: map[string]*compiled{}}
	for i := range 30_000 {
		now.rules[fmt.Sprint("watchlist-number-", i)] = &compiled{rule: cod}
	}
	for range 2 { // the second time there is nothing left to say
		r.ok(m.item(ctx, item("fr", "1", "One", "A cod."), 1, now, nil))
	}
	names := map[string]bool{}
	events := r.events()
	for _, ev := range events {
		for _, match := range ev.Matches {
			names[match.Watchlist] = true
		}
	}
	if len(names) != 30_000 || len(events) < 2 || len(events) > 8 || events[0].Kind != Opened || events[1].Kind != Matched {
		t.Errorf("%d events name %d watchlists, want a few that name all", len(events), len(names))
	}
}

// Changes that are stored together are compiled together, or a start with many
// watchlists would take for ever.
func TestStartCompilesEveryWatchlistOnce(t *testing.T) {
	p := missiles()
	for _, q := range []string{"a1", "b1", "c1", "d1"} {
		p.Watchlists = append(p.Watchlists, tocsin.Watchlist{Name: q, Query: q})
	}
	r := newRig(t, t.TempDir(), p)
	defer r.close()
	v := newView(quiet)
	moved := v.moved
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _ = v.follow(ctx, r.logs) })
	<-moved
	if now := v.snapshot(); len(now.rules) != 5 || now.index.Len() != 5 {
		t.Errorf("after the first step %d watchlists are in force, want all five", len(now.rules))
	}
	cancel()
}
