package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/pipeline/fold"
)

// refuse answers the first n calls of a kind with a verdict and applies the rest.
func refuse(n int, act string, o tocsin.Outcome) func(int, tocsin.Delivery) (bool, error) {
	return func(_ int, d tocsin.Delivery) (bool, error) {
		if d.Kind != act || n == 0 {
			return true, nil
		}
		n--
		return false, &o
	}
}

// kinds are the last words of the ledger about each delivery.
func (r *rig) kinds() []string {
	r.t.Helper()
	var out []string
	for _, d := range must(r.logs.Deliveries(r.t.Context())) {
		out = append(out, d.Act+" "+d.Kind)
	}
	return out
}

func TestOutcomeDecidesWhatBecomesOfADelivery(t *testing.T) {
	const always = 1 << 30
	for _, tt := range []struct {
		name    string
		outcome tocsin.Outcome
		times   int           // that the first alert is refused
		after   time.Duration // when to look
		got     []string
		ledger  []string
		calls   int // at most, until then; 0 does not say
	}{
		{"rate waits as told", tocsin.Outcome{Verdict: tocsin.Rate, After: time.Hour}, 3, 3*time.Hour + time.Minute, []string{"one", "two"}, []string{"post sent", "post sent"}, 5},
		{"rate holds the order", tocsin.Outcome{Verdict: tocsin.Rate, After: time.Hour}, 3, 2 * time.Hour, nil, []string{"post retry"}, 3},
		{"retry is tried again", tocsin.Outcome{Verdict: tocsin.Retry}, 4, time.Minute, []string{"one", "two"}, []string{"post sent", "post sent"}, 6},
		{"retry gives up when told", tocsin.Outcome{Verdict: tocsin.Retry, Tries: 3}, 3, time.Minute, []string{"two"}, []string{"post parked", "post sent"}, 4},
		{"installation holds", tocsin.Outcome{Verdict: tocsin.Install}, always, 6 * time.Hour, nil, []string{"post retry"}, 80},
		{"gone is parked, and tried seldom", tocsin.Outcome{Verdict: tocsin.Gone}, always, time.Hour, nil, []string{"post parked", "post held"}, 8},
		{"refused is parked", tocsin.Outcome{Verdict: tocsin.Refused}, 1, time.Minute, []string{"two"}, []string{"post parked", "post sent"}, 2},
		{"withheld goes at once", tocsin.Outcome{Verdict: tocsin.Withheld}, 2, time.Millisecond, []string{"one", "two"}, []string{"post sent", "post sent"}, 4},
		{"a post that cannot be edited is parked", tocsin.Outcome{Verdict: tocsin.NoEdit}, 1, time.Minute, []string{"two"}, []string{"post parked", "post sent"}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), missiles())
				defer r.close()
				r.cfg.Log = quiet
				r.desk.answer = refuse(tt.times, tocsin.Post, tt.outcome)
				r.run()
				r.put(item("fr", "1", "one", "missiles"))
				time.Sleep(100 * time.Millisecond) // items that come together are matched side by side
				r.put(item("fr", "2", "two", "missiles"))
				time.Sleep(tt.after)
				synctest.Wait()
				if got := r.desk.titles("desk"); !slices.Equal(got, tt.got) {
					t.Errorf("the channel got %q, want %q", got, tt.got)
				}
				if got := r.kinds(); !slices.Equal(got, tt.ledger) {
					t.Errorf("the ledger says %q, want %q", got, tt.ledger)
				}
				if tt.calls > 0 && r.desk.called() > tt.calls {
					t.Errorf("%d calls, want at most %d", r.desk.called(), tt.calls)
				}
			})
		})
	}
}

func TestFailedAttemptsEndAfterTwoDays(t *testing.T) {
	now := time.Now()
	for _, v := range []tocsin.Verdict{tocsin.Retry, tocsin.Rate, tocsin.Install, tocsin.Withheld} {
		for since, want := range map[time.Duration]string{giveUp - time.Hour: Retried, giveUp + time.Hour: Parked} {
			r := Record{Act: tocsin.Post, Since: now.Add(-since), Attempt: 50}.after(&tocsin.Outcome{Verdict: v}, now)
			if v != tocsin.Retry {
				want = Retried // it waits for a person, or for nothing
			}
			if r.Kind != want || r.Next.Sub(now) > 5*time.Minute {
				t.Errorf("%s since %v: %s, next in %v, want %s", v, since, r.Kind, r.Next.Sub(now), want)
			}
		}
	}
}

func TestDeadDestinationRecovers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := &desk{refs: map[string]string{}}
		live := lives(t, k, t.TempDir())
		k.answer = refuse(1<<30, tocsin.Post, tocsin.Outcome{Verdict: tocsin.Retry})
		live(func(r *rig) {
			for i := range 20 {
				r.put(item("fr", fmt.Sprint(i), fmt.Sprint("No. ", i), "missiles"))
				time.Sleep(time.Second)
			}
		})
		time.Sleep(giveUp)
		live(func(r *rig) {
			k.set(nil)
			time.Sleep(time.Hour)
			if got := k.titles("desk"); len(got) != 19 || got[0] != "No. 1" || got[18] != "No. 19" {
				t.Fatalf("the channel got %q, want all but the one that was given up, in order", got)
			}
			first := must(r.logs.Deliveries(t.Context()))[0]
			if first.Kind != Parked {
				t.Fatalf("the first is %s, want it parked", first.Kind)
			}
			if err := r.logs.ReplayDelivery(t.Context(), "desk", first.Delivery); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if got := k.titles("desk"); len(got) != 20 || got[19] != "No. 0" {
				t.Errorf("the channel got %q, want the replayed one last", got)
			}
			if err := r.logs.ReplayDelivery(t.Context(), "desk", first.Delivery); err == nil {
				t.Error("a delivery that was made can be replayed")
			}
		})
	})
}

func TestCopiesBecomeFewEditsOfWhichTheLastShowsAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.desk.edits = true
		r.run()
		for i := range 100 {
			r.put(item("fr", fmt.Sprint(i), "Joint statement", "On missiles."))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		got := r.desk.all()
		if len(got) < 2 || len(got) > 4 {
			t.Fatalf("%d calls, want a post and at most 3 edits", len(got))
		}
		if n := len(got[len(got)-1].Alert.Copies); n != 100 {
			t.Errorf("the last edit shows %d copies, want 100", n)
		}
	})
}

func TestEditThatFailsBacksOffAndDelaysNoPost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.cfg.Log, r.desk.edits = quiet, true
		r.desk.answer = refuse(1<<30, tocsin.Edit, tocsin.Outcome{Verdict: tocsin.Retry})
		r.run()
		r.put(item("fr", "1", "one", "missiles"))
		time.Sleep(time.Minute)
		r.put(item("jp", "1", "one", "missiles"))
		time.Sleep(time.Minute)
		r.put(item("fr", "2", "two", "missiles"))
		time.Sleep(time.Second)
		if got := r.desk.titles("desk"); len(got) != 2 {
			t.Errorf("the channel got %q, want both", got)
		}
		time.Sleep(2 * time.Hour)
		if r.desk.called() > 40 {
			t.Errorf("%d calls in two hours for an edit that fails, want one every five minutes", r.desk.called())
		}
		for _, d := range must(r.logs.Deliveries(t.Context())) {
			if d.Act == tocsin.Edit && (d.Attempt < 20 || time.Since(d.Since) < 2*time.Hour) {
				t.Errorf("the edit is at attempt %d since %v, want all of them counted", d.Attempt, d.Since)
			}
		}
	})
}

func TestMessageThatIsGoneIsNotEditedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.cfg.Log, r.desk.edits = quiet, true
		r.desk.answer = refuse(1<<30, tocsin.Edit, tocsin.Outcome{Verdict: tocsin.NoEdit})
		r.run()
		for i := range 5 {
			r.put(item("fr", fmt.Sprint(i), "one", "missiles"))
			time.Sleep(time.Minute)
		}
		if r.desk.called() != 2 {
			t.Errorf("%d calls, want a post and one edit", r.desk.called())
		}
		if got := r.kinds(); !slices.Equal(got, []string{"post sent", "edit skipped"}) {
			t.Errorf("the ledger says %q", got)
		}
	})
}

func TestCopiesOfAParkedPostDoNotPost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.cfg.Log, r.desk.edits = quiet, true
		r.desk.answer = refuse(1, tocsin.Post, tocsin.Outcome{Verdict: tocsin.Refused})
		r.run()
		for i := range 3 {
			r.put(item("fr", fmt.Sprint(i), "one", "missiles"))
			time.Sleep(time.Minute)
		}
		if r.desk.called() != 1 {
			t.Errorf("%d calls, want the one that was refused", r.desk.called())
		}
		parked := must(r.logs.Deliveries(t.Context()))[0]
		if err := r.logs.ReplayDelivery(t.Context(), "desk", parked.Delivery); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := r.desk.all(); len(got) != 1 || len(got[0].Alert.Copies) != 3 {
			t.Errorf("the replay gave %+v, want one post that shows 3 copies", got)
		}
	})
}

// A replay must not push out what waits, nor be tried without a pause.
func TestReplayTakesItsTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.cfg.Log = quiet
		r.desk.answer = func(int, tocsin.Delivery) (bool, error) { return false, &tocsin.Outcome{Verdict: tocsin.Refused} }
		r.run()
		r.say("parked")
		r.desk.set(func(int, tocsin.Delivery) (bool, error) { return false, &tocsin.Outcome{Verdict: tocsin.Retry} })
		r.say("waits")
		if err := r.logs.ReplayDelivery(t.Context(), "desk", must(r.logs.Deliveries(t.Context()))[0].Delivery); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if r.desk.called() > 40 {
			t.Errorf("%d calls in an hour, want a pause between them", r.desk.called())
		}
		r.desk.set(nil)
		time.Sleep(time.Hour)
		got := r.desk.titles("desk")
		slices.Sort(got)
		if !slices.Equal(got, []string{"parked", "waits"}) {
			t.Errorf("the channel got %q, want both once", got)
		}
	})
}

// A person's request may reach the ledger while a message is on its way that
// nobody can look for.
func TestReplayDuringASendDoublesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.cfg.Log = quiet
		r.desk.answer = func(n int, _ tocsin.Delivery) (bool, error) {
			switch n {
			case 1:
				return false, &tocsin.Outcome{Verdict: tocsin.Refused}
			case 2:
				return true, r.logs.ReplayDelivery(t.Context(), "desk", must(r.logs.Deliveries(t.Context()))[0].Delivery)
			}
			return true, nil
		}
		r.run()
		r.say("one")
		r.say("two")
		time.Sleep(time.Hour)
		if got := r.desk.titles("desk"); !slices.Equal(got, []string{"two", "one"}) {
			t.Errorf("the channel got %q, want each once", got)
		}
	})
}

func TestRecordOfAnotherOwnerBeforeAnIntentLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		var once sync.Once
		r.cfg.Prepare = func(ctx context.Context, d tocsin.Delivery) (Ready, error) {
			once.Do(func() { publish(t, r, ledgerSubject("desk"), `{"v":1,"kind":"cursor","owner":"other"}`) })
			return r.desk.prepare(ctx, d)
		}
		r.run()
		r.say("one")
		if got := r.desk.titles("desk"); !slices.Equal(got, []string{"one"}) {
			t.Errorf("the channel got %q, want one", got)
		}
	})
}

func TestLookUpFindsTheMessageAsItWasSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.desk.edits, r.desk.finds = true, true
		r.desk.answer = func(n int, _ tocsin.Delivery) (bool, error) {
			if n == 1 {
				r.put(item("jp", "1", "one", "missiles"))
				time.Sleep(time.Second) // it is folded before the message is looked for
				return true, &tocsin.Outcome{Verdict: tocsin.Ambiguous}
			}
			return true, nil
		}
		r.run()
		r.put(item("fr", "1", "one", "missiles"))
		time.Sleep(time.Hour)
		got := r.desk.all()
		if len(got) != 2 || got[1].Kind != tocsin.Edit || len(got[1].Alert.Copies) != 2 {
			t.Errorf("calls %+v, want a post and an edit that shows the copy", got)
		}
	})
}

// lives runs one data directory in several lives, with one desk.
func lives(t *testing.T, k *desk, dir string) func(f func(r *rig)) {
	return func(f func(r *rig)) {
		t.Helper()
		r := newRig(t, dir, missiles())
		defer r.close()
		r.desk, r.cfg.Log = k, quiet
		r.cfg.Traits, r.cfg.Prepare, r.cfg.Find = k.traits, k.prepare, k.find
		r.run()
		time.Sleep(time.Minute)
		f(r)
	}
}

func TestReplayOfAnAlertOlderThanTheWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := &desk{refs: map[string]string{}}
		live := lives(t, k, t.TempDir())
		var parked string
		live(func(r *rig) {
			k.answer = refuse(1, tocsin.Post, tocsin.Outcome{Verdict: tocsin.Refused})
			r.say("old")
			parked = must(r.logs.Deliveries(t.Context()))[0].Delivery
		})
		time.Sleep(45 * day)
		live(func(r *rig) { r.say("new") })
		live(func(r *rig) {
			if err := r.logs.ReplayDelivery(t.Context(), "desk", parked); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		})
		if got := k.titles("desk"); !slices.Equal(got, []string{"new", "old"}) {
			t.Errorf("the channel got %q, want the old one replayed", got)
		}
	})
}

// A statement stays open for 30 days from its last copy: it may have begun
// before what a start reads.
func TestCopyLongAfterTheFirstIsNoNewMessage(t *testing.T) {
	for _, edits := range []bool{false, true} {
		t.Run(fmt.Sprint("edits ", edits), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				k := &desk{refs: map[string]string{}, edits: edits}
				live := lives(t, k, t.TempDir())
				for i := range 5 {
					live(func(r *rig) {
						r.put(item("fr", fmt.Sprint(i), "Joint statement", "On missiles."))
						time.Sleep(time.Minute)
					})
					time.Sleep(20 * day)
				}
				if got := k.posts(); len(got) != 1 {
					t.Errorf("%d posts, want 1", len(got))
				}
				if last := k.got[len(k.got)-1]; edits && (len(last.Alert.Copies) != 5 || last.Ref != "m1" || len(last.Alert.Matches) != 1 || last.Alert.First().Item != "0" || last.Alert.Excerpt == "") {
					t.Errorf("the last call is %+v, want an edit of m1 that shows 5 copies", last)
				}
			})
		})
	}
}

// A lane's goroutine ends at a step, as a kill would end it: nothing is recorded
// after that.
func TestDeathBetweenAnyTwoStepsLosesAndDoublesNothing(t *testing.T) {
	for _, finds := range []bool{true, false} {
		for step := 1; ; step++ {
			var survived bool
			t.Run(fmt.Sprintf("finds %v step %d", finds, step), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					r := newRig(t, t.TempDir(), missiles())
					defer r.close()
					r.cfg.Log = quiet
					r.desk.finds, r.desk.edits = finds, true
					alive := r.dieAt(step)
					r.run()
					r.put(item("fr", "1", "one", "missiles"))
					time.Sleep(time.Second)
					r.put(item("fr", "2", "two", "missiles"))
					r.put(item("jp", "1", "one", "missiles"))
					time.Sleep(2 * time.Minute)
					survived = alive()
					r.stop()
					r.run()
					time.Sleep(2 * time.Minute)
					lost, twice, ordered := tally([]string{"one", "two"}, r.desk.titles("desk"))
					if lost != 0 || finds && twice != 0 || !ordered {
						t.Errorf("the channel got %q, want one and two", r.desk.titles("desk"))
					}
					shown := map[string]int{} // copies that the messages show
					for _, d := range r.desk.all() {
						title := d.Alert.First().Title
						if d.Kind == tocsin.Post && shown[title] > 0 && !d.Repeat {
							t.Errorf("a repeat of %q is not marked", title)
						}
						shown[title] = len(d.Alert.Copies)
					}
					if shown["one"] != 2 || shown["two"] != 1 {
						t.Errorf("the messages show %v copies, want 2 of one", shown)
					}
				})
			})
			if survived || step > 50 {
				break
			}
		}
	}
}

func TestPanicOfANotifierParksItsMessageAlone(t *testing.T) {
	for _, in := range []string{"prepare", "send"} {
		t.Run(in, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), missiles())
				defer r.close()
				r.cfg.Log, r.desk.finds = quiet, true
				bad := func(d tocsin.Delivery) bool { return d.Alert.First().Title == "bad" }
				r.cfg.Prepare = func(ctx context.Context, d tocsin.Delivery) (Ready, error) {
					if in == "prepare" && bad(d) {
						panic("prepare")
					}
					return r.desk.prepare(ctx, d)
				}
				r.desk.answer = func(_ int, d tocsin.Delivery) (bool, error) {
					if bad(d) {
						panic("send")
					}
					return true, nil
				}
				r.run()
				r.put(item("fr", "1", "bad", "missiles"))
				time.Sleep(time.Millisecond)
				r.put(item("fr", "2", "good", "missiles"))
				time.Sleep(10 * time.Minute)
				if got := r.desk.titles("desk"); !slices.Equal(got, []string{"good"}) {
					t.Errorf("the channel got %q, want the good one", got)
				}
				ds := must(r.logs.Deliveries(t.Context()))
				if ds[0].Kind != Parked || !strings.Contains(ds[0].Why, "panic") {
					t.Errorf("the bad one is %s because %q, want it parked because of a panic", ds[0].Kind, ds[0].Why)
				}
			})
		})
	}
}

// reading makes a rig poll, with sources that were read as said.
func (r *rig) reading(said map[string]Reading) {
	r.cfg.Poll, r.cfg.Own = true, func(func(string) bool) {}
	r.cfg.Reading = func() map[string]Reading { return said }
}

func (r *rig) baseline(source string) {
	it := item(source, "old-"+source, "Old statement of "+source, "missiles of last year")
	it.Baseline = true
	r.put(it)
}

func TestDigestThatIsInterruptedIsDeliveredOnce(t *testing.T) {
	for name, answer := range map[string]func(n int) (bool, error){
		"applied, no answer":     func(n int) (bool, error) { return true, ambiguous(n == 1) },
		"not applied, no answer": func(n int) (bool, error) { return n > 1, ambiguous(n == 1) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				k := &desk{refs: map[string]string{}, finds: true, hidden: true}
				k.answer = func(n int, _ tocsin.Delivery) (bool, error) { return answer(n) }
				dir := t.TempDir()
				r := newRig(t, dir, missiles())
				r.baseline("fr")
				for range 3 {
					if r == nil {
						r = newRig(t, dir, missiles())
					}
					r.cfg.Log, r.cfg.Traits, r.cfg.Prepare, r.cfg.Find = quiet, k.traits, k.prepare, k.find
					r.reading(map[string]Reading{"fr": {Tried: true, Read: true, Title: "France"}})
					r.run()
					time.Sleep(5 * time.Minute)
					r.close() // before the history can be read, the first time
					k.hidden = false
					r = nil
				}
				got := k.posts()
				if len(got) != 1 || got[0].Kind != tocsin.Digest || got[0].Summary.Matching != 1 {
					t.Errorf("%d messages: %+v, want one digest of one match", len(got), got)
				}
			})
		})
	}
}

func ambiguous(yes bool) error {
	if yes {
		return &tocsin.Outcome{Verdict: tocsin.Ambiguous}
	}
	return nil
}

func TestFirstRoundIsToldOnceByTwoProcesses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.cfg.Log = quiet
		said := map[string]Reading{"fr": {Tried: true, Read: true, Title: "France"}, "jp": {Title: "Japan"}}
		var mu sync.Mutex
		r.reading(nil)
		r.cfg.Reading = func() map[string]Reading {
			mu.Lock()
			defer mu.Unlock()
			return map[string]Reading{"fr": said["fr"], "jp": said["jp"]}
		}
		r.baseline("fr")
		second := r.cfg
		second.Match, second.Send = false, false
		defer r.start(r.twin("second", true), second)()
		r.run()
		time.Sleep(10 * time.Minute)
		r.baseline("jp")
		time.Sleep(time.Second)
		mu.Lock()
		said["jp"] = Reading{Tried: true, Read: true, Title: "Japan"}
		mu.Unlock()
		time.Sleep(10 * time.Minute)
		var rounds []string
		for _, ev := range r.events() {
			if ev.Kind == Watching {
				rounds = append(rounds, fmt.Sprint(ev.Round.First, ev.Round.Read))
			}
		}
		if !slices.Equal(rounds, []string{"true [fr]", "false [jp]"}) {
			t.Errorf("rounds %q, want a first of fr and a later one of jp", rounds)
		}
		got := r.desk.posts()
		if len(got) != 2 || got[0].Summary.Matching != 1 || got[1].Summary.Matching != 1 || got[1].Summary.Newest[0].First().Source != "jp" {
			t.Errorf("digests %+v, want one for each round", got)
		}
	})
}

func TestRoundsAreNotToldAgainAfterTheWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := &desk{refs: map[string]string{}}
		dir := t.TempDir()
		for range 3 {
			r := newRig(t, dir, missiles())
			r.cfg.Traits, r.cfg.Prepare, r.cfg.Find = k.traits, k.prepare, k.find
			r.reading(map[string]Reading{"fr": {Tried: true, Read: true, Title: "France"}})
			r.run()
			time.Sleep(5 * time.Minute)
			if n := len(r.events()); n != 1 {
				t.Errorf("%d events, want the one of the first round", n)
			}
			r.close()
			time.Sleep(45 * day)
		}
		if got := k.posts(); len(got) != 1 {
			t.Errorf("%d messages, want one digest", len(got))
		}
	})
}

func TestBookForgetsWhatAStartWouldNotRead(t *testing.T) {
	b := newBook(1, quiet)
	open := func(seq uint64, id string, seen time.Time) {
		b.apply(seq, Event{Kind: Opened, Alert: id, Copy: tocsin.Copy{Source: "fr", Item: id, Seen: seen}, Sketch: titled(id)})
	}
	now := time.Now()
	for i := range 100 {
		open(uint64(i+1), fmt.Sprint(i), now)
	}
	b.apply(101, Event{Kind: Copied, Alert: "3", Copy: tocsin.Copy{Source: "jp", Item: "3", Seen: now}, Sketch: titled("3")})
	b.prune(51)
	if len(b.events) != 51 || len(b.alerts) != 51 || len(b.items) != 52 {
		t.Errorf("the book holds %d events, %d alerts and %d items, want 51, 51 and 52", len(b.events), len(b.alerts), len(b.items))
	}
	for id, want := range map[string]string{"3": "same", "4": "new", "99": "same"} {
		if d := b.index.Decide(fold.Member{Source: "us", Item: "new"}, titled(id), now); string(d.Kind) != want {
			t.Errorf("a copy of %s is %s, want %s", id, d.Kind, want)
		}
	}
	if evs, through, _ := b.after(0, 1000); len(evs) != 51 || through != 101 {
		t.Errorf("after(0) = %d events through %d", len(evs), through)
	}
}

func titled(title string) fold.Sketch { return fold.Of(title, "", "") }

func TestTroubleIsOverOnlyWhenNothingIsParked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.desk.answer = func(n int, _ tocsin.Delivery) (bool, error) {
			if n == 1 {
				return false, &tocsin.Outcome{Verdict: tocsin.Refused}
			}
			return true, nil
		}
		var mu sync.Mutex
		var over []string
		r.cfg.Clear = func(key string) { mu.Lock(); over = append(over, key); mu.Unlock() }
		cleared := func() int { mu.Lock(); defer mu.Unlock(); return len(over) }
		r.run()
		r.put(item("fr", "1", "One", "missiles"))
		r.put(item("fr", "2", "Two", "missiles"))
		time.Sleep(time.Minute)
		if n := cleared(); n != 0 {
			t.Errorf("trouble was over %d times while a delivery is parked", n)
		}
		ds, err := r.logs.Deliveries(t.Context())
		if err != nil || len(ds) != 2 {
			t.Fatal(ds, err)
		}
		if err := r.logs.ReplayDelivery(t.Context(), ds[0].To, ds[0].Delivery); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := cleared(); n != 1 {
			t.Errorf("trouble was over %d times after the replay, want 1", n)
		}
	})
}

func TestWhatIsRefusedForItsFormIsHandedToTheOwner(t *testing.T) {
	for verdict, want := range map[tocsin.Verdict]int{tocsin.Refused: 1, tocsin.Gone: 0, tocsin.Retry: 0} {
		t.Run(string(verdict), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), missiles())
				defer r.close()
				r.cfg.Log, r.desk.edits = quiet, true
				var mu sync.Mutex
				var handed []tocsin.Delivery
				r.cfg.Hand = func(_ context.Context, d tocsin.Delivery, why string) bool {
					mu.Lock()
					defer mu.Unlock()
					handed = append(handed, d)
					return strings.Contains(why, "bad_form")
				}
				r.run()
				time.Sleep(time.Minute)
				r.tell("before", 1)
				r.desk.set(refuseAll(&tocsin.Outcome{Verdict: verdict, Code: "bad_form"}))
				r.put(item("jp", "before0", "before0", "On missiles.")) // an edit
				r.tell("refused", 1)
				time.Sleep(time.Hour)
				mu.Lock()
				defer mu.Unlock()
				if len(handed) != want || want == 1 && (handed[0].Alert.First().Title != "refused0") {
					t.Errorf("handed on: %+v", handed)
				}
			})
		})
	}
}

func refuseAll(o *tocsin.Outcome) func(int, tocsin.Delivery) (bool, error) {
	return func(int, tocsin.Delivery) (bool, error) { return false, o }
}
