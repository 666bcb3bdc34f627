package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin"
)

// mute mutes the missiles of the desk for a time from now.
func (r *rig) mute(d time.Duration) {
	r.t.Helper()
	r.ok(r.logs.Mute(r.t.Context(), "ada", "missiles", "desk", time.Now().Add(d)))
}

// tell puts n statements of their own, a second apart.
func (r *rig) tell(prefix string, n int) {
	for i := range n {
		title := fmt.Sprint(prefix, i)
		r.put(item("fr", title, title, "On missiles."))
		time.Sleep(time.Second)
	}
}

// received is what a desk got, in order: titles of posts, and digests with their
// count and newest.
func (k *desk) received() []string {
	var out []string
	for _, d := range k.all() {
		switch d.Kind {
		case tocsin.Post:
			out = append(out, d.Alert.First().Title)
		case tocsin.Digest:
			var s strings.Builder
			s.WriteString(fmt.Sprint("digest of ", d.Summary.Matching, ":"))
			for _, a := range d.Summary.Newest {
				s.WriteString(" " + a.First().Title)
			}
			out = append(out, s.String())
		}
	}
	return out
}

func TestMuteHoldsAndThenDelivers(t *testing.T) {
	for _, tt := range []struct {
		name string
		held int
		want []string
	}{
		{"nothing", 0, []string{"before0", "after0"}},
		{"a few one by one", 5, []string{"before0", "held0", "held1", "held2", "held3", "held4", "after0"}},
		{"more as a digest", 6, []string{"before0", "digest of 6: held5 held4 held3 held2 held1", "after0"}},
		{"many", 40, []string{"before0", "digest of 40: held39 held38 held37 held36 held35", "after0"}},
	} {
		for _, how := range []string{"time", "unmute", "restart in it", "restart after it"} {
			if how != "time" && (tt.held == 0 || tt.held > 6) {
				continue
			}
			t.Run(tt.name+"/"+how, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					r := newRig(t, t.TempDir(), missiles())
					defer r.close()
					r.run()
					time.Sleep(time.Minute)
					r.tell("before", 1)
					ends := time.Now().Add(time.Hour)
					r.mute(time.Hour)
					r.tell("held", tt.held)
					time.Sleep(10 * time.Minute)
					if got := r.desk.received(); !slices.Equal(got, []string{"before0"}) {
						t.Fatalf("while muted the channel got %q", got)
					}
					switch how {
					case "time":
						time.Sleep(time.Until(ends.Add(time.Second)))
					case "unmute":
						r.ok(r.logs.Unmute(t.Context(), "bob", "missiles", "desk"))
						time.Sleep(time.Second) // within which it takes effect
					case "restart in it":
						r.stop()
						r.run()
					case "restart after it":
						r.stop()
						time.Sleep(2 * time.Hour)
						r.run()
					}
					if got := r.desk.received(); (how == "time" || how == "unmute") && len(got) != len(tt.want)-1 {
						t.Errorf("a second after the mute the channel got %q", got)
					}
					time.Sleep(time.Hour)
					r.tell("after", 1)
					// Another copy of what was told of in a digest is no news.
					if tt.held > 0 {
						r.put(item("jp", "held0", "held0", "On missiles."))
					}
					time.Sleep(time.Minute)
					if got := r.desk.received(); !slices.Equal(got, tt.want) {
						t.Errorf("the channel got\n%q, want\n%q", got, tt.want)
					}
					for _, d := range r.desk.posts() {
						if d.Kind == tocsin.Post && strings.HasPrefix(d.Alert.First().Title, "held") != (d.Late == "it was muted") {
							t.Errorf("%s says it is late because %q", d.Alert.First().Title, d.Late)
						}
					}
					for _, d := range must(r.logs.Deliveries(t.Context())) {
						if d.Kind != Sent {
							t.Errorf("delivery of %s is %s, want it sent", d.Alert, d.Kind)
						}
					}
				})
			})
		}
	}
}

// The lane is idle when a newer alert reaches it before the end of the mute does:
// another process has matched it by then.
func TestWhatWasHeldGoesBeforeANewerAlertThatComesWithTheEndOfTheMute(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		lanes := *r
		lanes.cfg.Match, lanes.cfg.lag = false, func() { time.Sleep(400 * time.Millisecond) }
		r.cfg.Send = false
		r.run()
		defer r.stop()
		lanes.run()
		defer lanes.stop()
		time.Sleep(time.Minute)
		r.mute(time.Hour)
		time.Sleep(time.Minute)
		r.tell("held", 2)
		time.Sleep(time.Minute)
		r.ok(r.logs.Unmute(t.Context(), "bob", "missiles", "desk"))
		r.tell("after", 1)
		time.Sleep(time.Minute)
		if got, want := r.desk.received(), []string{"held0", "held1", "after0"}; !slices.Equal(got, want) {
			t.Errorf("the channel got %q, want %q", got, want)
		}
	})
}

func TestUnmutedSubscriptionSendsWhatAMutedOneHolds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := missiles()
		p.Watchlists = append(p.Watchlists, tocsin.Watchlist{Name: "fish", Query: "cod OR eel"})
		p.Subscriptions = append(p.Subscriptions, tocsin.Subscription{Watchlist: "fish", To: "desk"})
		r := newRig(t, t.TempDir(), p)
		defer r.close()
		r.run()
		time.Sleep(time.Minute)
		r.mute(time.Hour)
		r.put(item("fr", "1", "both", "On missiles and cod."))
		r.put(item("fr", "2", "later both", "On missiles and trout."))
		time.Sleep(time.Minute)
		if got := r.desk.received(); !slices.Equal(got, []string{"both"}) {
			t.Errorf("the channel got %q, want what it is subscribed to unmuted", got)
		}
		// A further watchlist, not muted, matches what is held.
		p.Watchlists[1].Query = "cod OR eel OR trout"
		r.apply(p)
		r.put(item("jp", "2", "later both", "On missiles and trout."))
		time.Sleep(time.Minute)
		if got := r.desk.received(); !slices.Equal(got, []string{"both", "later both"}) {
			t.Errorf("the channel got %q, want both once", got)
		}
		time.Sleep(2 * time.Hour)
		if got := r.desk.received(); len(got) != 2 {
			t.Errorf("after the mute the channel got %q, want nothing twice", got)
		}
	})
}

func TestTwoMutesEndEachForItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := missiles()
		p.Watchlists = append(p.Watchlists, tocsin.Watchlist{Name: "fish", Query: "cod"})
		p.Subscriptions = append(p.Subscriptions, tocsin.Subscription{Watchlist: "fish", To: "desk"})
		r := newRig(t, t.TempDir(), p)
		defer r.close()
		r.run()
		time.Sleep(time.Minute)
		r.mute(time.Hour)
		r.ok(r.logs.Mute(t.Context(), "ada", "fish", "desk", time.Now().Add(3*time.Hour)))
		r.tell("missile", 2)
		for i := range 7 {
			r.put(item("jp", fmt.Sprint(i), fmt.Sprint("fish", i), "On cod."))
			time.Sleep(time.Second)
		}
		r.put(item("jp", "both", "both", "On cod and missiles."))
		time.Sleep(2 * time.Hour)
		if got := r.desk.received(); !slices.Equal(got, []string{"missile0", "missile1", "both"}) {
			t.Errorf("after the first mute the channel got %q", got)
		}
		time.Sleep(2 * time.Hour)
		if got := r.desk.received(); len(got) != 4 || got[3] != "digest of 7: fish6 fish5 fish4 fish3 fish2" {
			t.Errorf("after the second mute the channel got %q", got)
		}
	})
}

func TestWhatWasHeldForLongIsDelivered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := &desk{refs: map[string]string{}}
		live := lives(t, k, t.TempDir())
		live(func(r *rig) {
			r.mute(100 * day)
			r.say("old")
		})
		for range 2 { // beyond what a start reads of ALERTS and of the ledger
			time.Sleep(45 * day)
			live(func(r *rig) {
				r.put(item("fr", fmt.Sprint(time.Now()), fmt.Sprint("mid ", time.Now()), "missiles"))
				time.Sleep(time.Minute)
			})
		}
		time.Sleep(15 * day)
		live(func(r *rig) { time.Sleep(time.Minute) })
		if got := k.received(); len(got) != 3 || got[0] != "old" {
			t.Errorf("the channel got %q, want all three, the old one first", got)
		}
	})
}

func TestPostThatWaitsIsHeldWhenItIsMuted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := &desk{refs: map[string]string{}}
		live := lives(t, k, t.TempDir())
		k.answer = func(int, tocsin.Delivery) (bool, error) { return false, &tocsin.Outcome{Verdict: tocsin.Retry} }
		live(func(r *rig) {
			r.tell("waits", 1)
			time.Sleep(10 * time.Minute)
			r.mute(72 * time.Hour) // longer than a delivery is tried
			time.Sleep(10 * time.Minute)
			tried := k.called()
			time.Sleep(time.Hour)
			if n := k.called() - tried; n != 0 {
				t.Errorf("%d calls while it was muted", n)
			}
		})
		time.Sleep(72 * time.Hour)
		live(func(*rig) { // it fails some more: those are the first failures since it was held
			time.Sleep(time.Minute)
			k.set(nil)
			time.Sleep(time.Hour)
		})
		if got := k.received(); !slices.Equal(got, []string{"waits0"}) {
			t.Errorf("after the mute the channel got %q, want what had waited", got)
		}
	})
}

func TestFirstReadingIsToldOfAfterTheMute(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.mute(time.Hour)
		r.cfg.Poll, r.cfg.Own = true, func(func(string) bool) {}
		r.cfg.Reading = func() map[string]Reading { return map[string]Reading{"fr": {Tried: true, Read: true}} }
		r.run()
		time.Sleep(30 * time.Minute)
		if got := r.desk.received(); len(got) != 0 {
			t.Errorf("while muted the channel got %q", got)
		}
		time.Sleep(time.Hour)
		if got := r.desk.posts(); len(got) != 1 || got[0].Summary.Muted || got[0].Summary.Sources != 1 {
			t.Errorf("after the mute the channel got %+v, want the summary of the first reading", got)
		}
	})
}

func TestParkedDigestOfWhatWasHeldIsReplayed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.cfg.Log = quiet
		r.desk.answer = refuse(1, tocsin.Digest, tocsin.Outcome{Verdict: tocsin.Refused})
		r.run()
		time.Sleep(time.Minute)
		r.mute(time.Hour)
		r.tell("held", 8)
		time.Sleep(2 * time.Hour)
		var parked string
		for _, d := range must(r.logs.Deliveries(t.Context())) {
			if d.Act == tocsin.Digest && d.Kind == Parked {
				parked = d.Delivery
			}
		}
		r.stop()
		r.run()
		time.Sleep(time.Minute)
		r.ok(r.logs.ReplayDelivery(t.Context(), "desk", parked))
		time.Sleep(time.Minute)
		if got := r.desk.received(); !slices.Equal(got, []string{"digest of 8: held7 held6 held5 held4 held3"}) {
			t.Errorf("the channel got %q, want the digest once", got)
		}
	})
}

func TestMuteIsRefusedWhereItWouldLoseOrMeanNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		ctx, now := t.Context(), time.Now()
		for what, err := range map[string]error{
			"a mute that is over":      r.logs.Mute(ctx, "ada", "missiles", "desk", now.Add(-time.Hour)),
			"a mute of over a year":    r.logs.Mute(ctx, "ada", "missiles", "desk", now.Add(400*day)),
			"an unmute of nothing":     r.logs.Unmute(ctx, "ada", "missiles", "desk"),
			"a mute of no one's wish":  r.logs.Mute(ctx, "", "missiles", "desk", now.Add(time.Hour)),
			"a mute of what is not so": r.logs.Mute(ctx, "ada", "fish", "desk", now.Add(time.Hour)),
		} {
			if err == nil {
				t.Errorf("%s was taken", what)
			}
		}
		r.mute(200 * day)
		time.Sleep(2 * time.Hour)
		if err := r.logs.Mute(ctx, "ada", "missiles", "desk", time.Now().Add(366*day-time.Hour)); err == nil {
			t.Error("a mute was prolonged to over a year from when it began")
		}
		r.mute(time.Hour)
		if w := must(r.logs.Wanted(ctx)); !w.Mutes["missiles.desk"].Mute.Since.Before(now.Add(time.Minute)) {
			t.Errorf("the mute says it began at %v", w.Mutes["missiles.desk"].Mute.Since)
		}
		time.Sleep(2 * time.Hour)
		if w := must(r.logs.Wanted(ctx)); len(w.Mutes) != 0 {
			t.Errorf("a mute that is over is still there: %+v", w.Mutes)
		}
		r.mute(300 * day) // another one
	})
}

// A lane's goroutine ends at a step, as a kill would end it, while it holds,
// or while it delivers what it held.
func TestDeathAroundAMuteLosesAndDoublesNothing(t *testing.T) {
	for _, tt := range []struct {
		held  int
		finds bool
	}{{2, true}, {2, false}, {7, true}, {7, false}} {
		for step := 1; ; step += stride(3) {
			var survived bool
			t.Run(fmt.Sprintf("%d held, finds %v, step %d", tt.held, tt.finds, step), func(t *testing.T) {
				bubble(t, func(t *testing.T) { survived = deathAtAMute(t, tt.held, tt.finds, step) })
			})
			if survived || step > 60 {
				break
			}
		}
	}
}

func deathAtAMute(t *testing.T, n int, finds bool, step int) (survived bool) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	r.cfg.Log = quiet
	r.desk.finds, r.desk.edits = finds, true
	alive := r.dieAt(step)
	r.mute(10 * time.Minute)
	r.run()
	r.tell("held", n)
	time.Sleep(time.Minute)
	inTime := step%2 == 0 // a death is mended in the mute, or only after it
	if inTime {
		r.stop()
		r.run()
	}
	time.Sleep(20 * time.Minute)
	survived = alive()
	r.stop()
	r.run()
	time.Sleep(2 * time.Minute)
	r.tell("after", 1)
	time.Sleep(time.Minute)
	got := r.desk.received()
	once := slices.Compact(slices.Clone(got))
	if finds && len(once) != len(got) {
		t.Errorf("the channel got %q, some twice", got)
	}
	if want := "digest of 7: held6 held5 held4 held3 held2"; n > fewHeld && inTime && (len(once) != 2 || once[0] != want) {
		t.Errorf("the channel got %q, want %q and what came after", got, want)
	}
	if told := toldOf(once); told != n || once[len(once)-1] != "after0" {
		t.Errorf("the channel got %q: told of %d, want all %d and then what came after", got, told, n)
	}
	seen := map[string]bool{}
	for i, d := range r.desk.posts() {
		if seen[got[i]] && !d.Repeat {
			t.Errorf("a repeat of %q is not marked", got[i])
		}
		seen[got[i]] = true
	}
	return survived
}

// toldOf is of how many held alerts messages tell.
func toldOf(messages []string) (n int) {
	for _, m := range messages {
		var of int
		if _, err := fmt.Sscanf(m, "digest of %d", &of); err == nil {
			n += of
		} else if strings.HasPrefix(m, "held") {
			n++
		}
	}
	return n
}
