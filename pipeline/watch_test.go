package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
)

// A widening makes a watchlist, or a list in it, find a further word, and
// returns the first version that does.
type widening func(r *rig, word string) uint64

// byFile widens the watchlist of the file.
func byFile() widening {
	p := missiles()
	return func(r *rig, word string) uint64 {
		p.Watchlists[0].Query += " OR " + word
		r.apply(p)
		return must(r.logs.watchSeq(r.t.Context()))
	}
}

// byPeople widens a list and a watchlist that uses it by turns, beside the
// service.
func byPeople() widening {
	query, terms := "missile* OR @words", []string{"nothing"}
	return func(r *rig, word string) uint64 {
		if len(terms) == 1 {
			r.apply(Provision{Sources: missiles().Sources})
		}
		if len(terms)%2 == 0 {
			query += " OR " + word
		}
		terms = append(terms, word)
		r.ok(r.logs.SetList(r.t.Context(), ada, list("words", terms...)))
		first := must(r.logs.watchSeq(r.t.Context()))
		r.ok(r.logs.SetWatchlist(r.t.Context(), ada, tocsin.Watchlist{Name: "missiles", Query: query}))
		return first
	}
}

// storm widens a watchlist word by word while matchers that see edits late match
// items, and counts the items that the version in force when they were stored
// matches, and every later one, and that have no alert; those that have two; and
// those that an older version than the first with their word is said to match.
func storm(t *testing.T, seed int, off Off, widen widening) (due, missed, twice, old int) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		d := newDice(seed)
		r.cfg.Send, r.cfg.Off, r.cfg.Log = false, off, quiet
		r.cfg.lag = func() { time.Sleep(d.duration(400 * time.Millisecond)) }
		for i := range 4 {
			defer r.start(r.twin(fmt.Sprint("matcher", i), false), r.cfg)()
		}
		time.Sleep(time.Minute)

		want := map[string]uint64{} // item -> the first version that has its word
		var versions []uint64       // by word
		for i := range 500 {
			if i%10 == 0 {
				versions = append(versions, widen(r, fmt.Sprint("word", len(versions))))
			}
			id, word := fmt.Sprint(i), len(versions)-1
			if d.chance(50) {
				word = d.upTo(len(versions) + 5) // in force already, or not yet
			}
			r.put(item("fr", id, "Statement "+id, fmt.Sprint("On word", word, ".")))
			if word < len(versions) {
				want[id] = versions[word]
			}
			time.Sleep(d.duration(60 * time.Millisecond))
		}
		time.Sleep(time.Minute)
		synctest.Wait()

		opened := map[string]int{}
		for _, ev := range r.events() {
			opened[ev.Copy.Item]++
			if ev.Matches[0].Version < want[ev.Copy.Item] {
				old++
			}
		}
		for id := range want {
			if opened[id] == 0 {
				missed++
			}
		}
		for _, n := range opened {
			if n > 1 {
				twice++
			}
		}
		due = len(want)
	})
	return due, missed, twice, old
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestEditStormMissesAndDoublesNothing(t *testing.T) {
	for seed := range seeds(t, 1) {
		for name, widen := range map[string]widening{"file": byFile(), "people": byPeople()} {
			due, missed, twice, old := storm(t, seed, Off{}, widen)
			if due == 0 || missed != 0 || twice != 0 || old != 0 {
				t.Errorf("seed %d, widened by %s: of %d items %d have no alert, %d have two, %d one of a version that lacks their word", seed, name, due, missed, twice, old)
			}
		}
	}
}

func TestEditStormMissesWithoutTheVersionCheck(t *testing.T) {
	for name, widen := range map[string]widening{"file": byFile(), "people": byPeople()} {
		due, missed, _, _ := storm(t, 0, Off{Version: true}, widen)
		if missed == 0 {
			t.Errorf("widened by %s: of %d items none was missed: this control proves nothing", name, due)
		}
		t.Logf("widened by %s: %d of %d items missed", name, missed, due)
	}
}

// A racer is the match stage of one process, without the consumer.
type racer struct {
	*matcher
}

func (r *rig) racer(ctx context.Context, wg *sync.WaitGroup, owner string, off Off) racer {
	logs := r.twin(owner, false)
	m := &matcher{logs: logs, book: newBook(1, quiet), view: newView(quiet), log: quiet, off: off, count: &Counts{}}
	wg.Go(func() { _ = m.book.follow(ctx, logs) })
	wg.Go(func() { _ = m.view.follow(ctx, logs) })
	if err := m.view.waitFor(ctx, must(logs.watchSeq(ctx))); err != nil {
		r.t.Fatal(err)
	}
	return racer{m}
}

// race lets four processes handle copies of statements, a fifth of the items
// twice, and counts the statements that were opened twice and the items that
// have two events or none.
func race(t *testing.T, off Off, statements, copies int) (opened, twice, lost int) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx, cancel := context.WithCancel(t.Context())
	var following, working sync.WaitGroup
	d := newDice(1)
	var racers []racer
	for i := range 4 {
		racers = append(racers, r.racer(ctx, &following, fmt.Sprint("matcher", i), off))
	}
	type work struct {
		it  tocsin.Item
		seq uint64
	}
	queue := make(chan work)
	for _, m := range racers {
		for range 4 {
			working.Go(func() {
				for w := range queue {
					if err := m.item(ctx, w.it, w.seq, m.view.snapshot(), nil); err != nil {
						t.Errorf("item %s/%s: %v", w.it.Source, w.it.ID, err)
					}
				}
			})
		}
	}
	for s := range statements {
		for c := range copies {
			it := item(fmt.Sprint("source", c), fmt.Sprint(s), fmt.Sprint("Statement ", s), "On missiles.")
			it.Rev, it.Seen = 1, time.Now().UTC()
			queue <- work{it, uint64(s*copies + c + 1)}
			if d.chance(20) {
				queue <- work{it, uint64(s*copies + c + 1)}
			}
		}
	}
	close(queue)
	working.Wait()
	cancel()
	following.Wait()

	alerts, items := map[string]map[string]bool{}, map[itemKey]int{}
	for _, ev := range r.events() {
		items[itemKey{ev.Copy.Source, ev.Copy.Item}]++
		if alerts[ev.Copy.Title] == nil {
			alerts[ev.Copy.Title] = map[string]bool{}
		}
		alerts[ev.Copy.Title][ev.Alert] = true
	}
	for _, ids := range alerts {
		if len(ids) > 1 {
			opened++
		}
	}
	for _, n := range items {
		if n > 1 {
			twice++
		}
	}
	return opened, twice, statements*copies - len(items)
}

func TestRacingMatchersDecideEveryItemOnce(t *testing.T) {
	statements := 200
	if os.Getenv("TOCSIN_SEEDS") != "" {
		statements = 500
	}
	if opened, twice, lost := race(t, Off{}, statements, 8); opened != 0 || twice != 0 || lost != 0 {
		t.Errorf("of %d statements with 8 copies %d were opened twice, %d items have two events and %d none", statements, opened, twice, lost)
	}
}

func TestRacingMatchersRepeatWithoutRecognition(t *testing.T) {
	if opened, twice, _ := race(t, Off{Repeat: true}, 30, 8); opened == 0 || twice == 0 {
		t.Errorf("%d statements were opened twice, %d items have two events, want some of both: this control proves nothing", opened, twice)
	}
}

// titles are what a channel got, by the titles of the statements.
func (k *desk) titles(to string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for _, d := range k.got {
		if d.Kind == tocsin.Post && d.To.Name == to {
			out = append(out, d.Alert.First().Title)
		}
	}
	return out
}

func (r *rig) apply(p Provision) {
	r.t.Helper()
	if _, err := r.logs.Apply(r.t.Context(), p); err != nil {
		r.t.Fatal(err)
	}
}

// say puts a statement of its own under a title and waits until it has gone its
// way.
func (r *rig) say(title string) {
	r.put(item("fr", title, title, "On missiles."))
	time.Sleep(time.Minute)
}

func TestSubscriptionIsAnInterval(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dir, with := t.TempDir(), missiles()
				without := missiles()
				without.Subscriptions = nil
				r := newRig(t, dir, without)
				k := r.desk
				change := func(p Provision) {
					if restart {
						r.close()
						r = newRig(t, dir, p)
						r.desk, r.cfg.Traits, r.cfg.Prepare, r.cfg.Find = k, k.traits, k.prepare, k.find
						r.run()
						time.Sleep(time.Minute)
						return
					}
					r.apply(p)
				}
				defer func() { r.close() }()
				r.run()
				r.say("before")
				change(with)
				r.say("first")
				change(without)
				r.say("between")
				change(with)
				r.say("second")
				change(without)
				r.say("after")
				if got, want := k.titles("desk"), []string{"first", "second"}; !slices.Equal(got, want) {
					t.Errorf("the channel got %q, want %q", got, want)
				}
			})
		})
	}
}

func TestWatchlistThatLeftTheFileIsSuspended(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := missiles()
		r := newRig(t, t.TempDir(), p)
		defer r.close()
		r.run()
		r.say("one")
		r.apply(Provision{Sources: p.Sources, Destinations: p.Destinations})
		r.say("two")
		_, have, err := r.logs.readWatch(t.Context(), ">")
		if err != nil {
			t.Fatal(err)
		}
		if w := have["watchlist.missiles"]; !w.Suspended || w.Watchlist == nil || w.Watchlist.Query != "missile*" {
			t.Errorf("the watchlist is %+v, want it kept and suspended", w)
		}
		r.apply(p)
		r.say("three")
		if got, want := r.desk.titles("desk"), []string{"one", "three"}; !slices.Equal(got, want) {
			t.Errorf("the channel got %q, want %q", got, want)
		}
	})
}

func TestDestinationThatMovesGoesOnWithoutRepeats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := missiles()
		r := newRig(t, t.TempDir(), p)
		defer r.close()
		r.run()
		r.say("one")
		p.Destinations[0].To = "C2"
		r.apply(p)
		time.Sleep(time.Minute)
		r.say("two")
		if got, want := r.desk.titles("desk"), []string{"one", "two"}; !slices.Equal(got, want) {
			t.Errorf("the channel got %q, want %q", got, want)
		}
		if last := r.desk.posts()[1]; last.To.To != "C2" {
			t.Errorf("the second went to %s, want C2", last.To.To)
		}
	})
}

func TestLaterWatchlistPostsTheNextCopy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := missiles()
		p.Destinations = append(p.Destinations, tocsin.Destination{Name: "other", Kind: "slack", To: "C2"})
		r := newRig(t, t.TempDir(), p)
		defer r.close()
		r.run()
		r.put(item("fr", "1", "Joint statement", "On missiles and fish."))
		time.Sleep(time.Minute)
		p.Watchlists = append(p.Watchlists, tocsin.Watchlist{Name: "fish", Query: "fish"})
		p.Subscriptions = append(p.Subscriptions, tocsin.Subscription{Watchlist: "fish", To: "other"})
		r.apply(p)
		time.Sleep(time.Minute)
		if got := r.desk.titles("other"); len(got) != 0 {
			t.Fatalf("the later watchlist's channel got %q before the next copy", got)
		}
		r.put(item("jp", "1", "Joint statement", "On missiles and fish."))
		r.put(item("jp", "2", "Joint statement", "On missiles and fish."))
		time.Sleep(time.Minute)
		if got := r.desk.titles("other"); len(got) != 1 {
			t.Errorf("the later watchlist's channel got %q, want the statement once", got)
		}
		if got := r.desk.titles("desk"); len(got) != 1 {
			t.Errorf("the first channel got %q, want the statement once", got)
		}
	})
}

func TestOlderConfigurationChangesNothing(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	p := missiles()
	p.Revision = 2
	p.Watchlists[0].Query = "rocket"
	r.apply(p)
	_, err := r.logs.Apply(t.Context(), missiles())
	if drift, ok := errors.AsType[*DriftError](err); !ok || drift.Applied != 2 {
		t.Errorf("Apply of an older file = %v, want a DriftError that names revision 2", err)
	}
	have := must(r.logs.Wanted(t.Context()))
	if q := have.Watchlists["missiles"].Watchlist.Query; q != "rocket" {
		t.Errorf("the watchlist says %q, want the newer file's", q)
	}
}

func TestTwoProcessesThatApplyOneFileLeaveOneInterval(t *testing.T) {
	v := newView(quiet)
	for _, s := range []tocsin.Subscription{{From: 10}, {From: 12}, {From: 12, Until: 20}} {
		s.Watchlist, s.To = "missiles", "desk"
		v.apply("subscription", "missiles.desk", Watched{V: 1, Subscription: &s})
	}
	for seq, want := range map[uint64]int{10: 0, 11: 1, 12: 1, 13: 1, 20: 1, 21: 0} {
		if got := v.subscribed("desk", seq); len(got) != want {
			t.Errorf("subscribed at %d = %q, want %d", seq, got, want)
		}
	}
}
