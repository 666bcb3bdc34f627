package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin"
)

// news are what a desk got, in order: titles of posts, digests as received has them
// with what changed, and replies with what they tell.
func (k *desk) news() []string {
	var out []string
	for _, d := range k.posts() {
		var happened []string
		for _, n := range d.News {
			happened = append(happened, n.Kind)
		}
		for _, c := range d.Summary.Changed {
			for _, n := range c.News {
				happened = append(happened, c.Alert.First().Title+" "+n.Kind)
			}
		}
		text := d.Kind + " " + fmt.Sprint(d.Summary.Matching, " ", d.Summary.Changes)
		if d.Kind != tocsin.Digest {
			text = d.Kind + " " + d.Alert.First().Title
		}
		if d.Aloud {
			text += " aloud"
		}
		out = append(out, strings.Join(append([]string{text}, happened...), ": "))
	}
	return out
}

// half waits for half past the next hour.
func half() { until(time.Now().Truncate(time.Hour).Add(90 * time.Minute)) }

func TestDigestsTellWhatChangedOfWhatTheyToldOf(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), planned(tocsin.Subscription{Digest: "hourly"}))
				defer r.close()
				threaded(r.desk)
				r.run()
				half()
				r.tell("news", 7)
				half()
				want := []string{"digest 7 0"}
				wants := func(more ...string) {
					t.Helper()
					if restart {
						r.stop()
						r.run()
						time.Sleep(time.Minute)
					}
					if want = append(want, more...); !slices.Equal(r.desk.news(), want) {
						t.Fatalf("the channel got\n%q, want\n%q", r.desk.news(), want)
					}
				}
				wants()
				r.put(withdrawn(item("fr", "news0", "news0", "On missiles.")))
				r.put(item("jp", "news1", "news1", "On missiles.")) // a copy is no news in a digest
				time.Sleep(time.Minute)
				wants() // the next digest tells of it
				half()
				wants("digest 0 1: news0 withdrawn")
				half()
				wants()
				r.revise(idOf("fr", "news1"), 2, false)
				r.revise(idOf("fr", "news1"), 3, true)
				r.revise(idOf("fr", "news1"), 4, true)
				r.revise(idOf("fr", "news2"), 2, true)
				r.tell("more", 2)
				half()
				wants("digest 2 2: news2 revised: news1 revised: news1 revised")
				half()
				wants()
			})
		})
	}
}

func TestOneWhoHasNoDigestHearsAtOnceWhatChangedOfWhatADigestToldOf(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		threaded(r.desk)
		r.run()
		r.mute(time.Hour)
		r.tell("news", 7)
		time.Sleep(2 * time.Hour)
		r.put(withdrawn(item("fr", "news0", "news0", "On missiles.")))
		time.Sleep(10 * time.Second)
		want := []string{"digest 7 0", "reply news0 aloud: withdrawn"}
		if got := r.desk.news(); !slices.Equal(got, want) || r.desk.posts()[1].Ref != "" {
			t.Fatalf("the channel got %q, want %q by itself", got, want)
		}
		r.stop()
		r.run()
		time.Sleep(time.Minute)
		r.mute(time.Hour)
		r.revise(idOf("fr", "news0"), 3, true)
		r.revise(idOf("fr", "news1"), 2, true)
		time.Sleep(time.Minute)
		if got := r.desk.news(); !slices.Equal(got, want) {
			t.Fatalf("while muted the channel got %q, want %q", got, want)
		}
		time.Sleep(2 * time.Hour)
		want = append(want, "reply news0 aloud: revised", "reply news1 aloud: revised")
		if got := r.desk.news(); !slices.Equal(got, want) {
			t.Errorf("after the mute the channel got %q, want %q", got, want)
		}
	})
}

func TestAlertOfADigestLongAgoIsRemembered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := threaded(&desk{refs: map[string]string{}})
		live := lives(t, k, t.TempDir())
		live(func(r *rig) {
			r.mute(100 * day)
			r.tell("old", 7)
		})
		for range 2 {
			time.Sleep(45 * day)
			live(func(r *rig) { r.say(fmt.Sprint("mid ", time.Now())) })
		}
		time.Sleep(15 * day)
		live(func(r *rig) {
			time.Sleep(time.Minute)
			r.say("after")
			r.say("later")
		})
		if got := k.news(); !slices.Equal(got, []string{"digest 9 0", "post after", "post later"}) {
			t.Fatalf("after the mute the channel got %q", got)
		}
		live(func(r *rig) {
			r.event(Event{Kind: Copied, Alert: idOf("fr", "old1"), Copy: tocsin.Copy{Source: "jp", Item: "1", Rev: 1, Title: "old1", Seen: time.Now()}})
			r.event(Event{Kind: Withdrawn, Alert: idOf("fr", "old2"), Copy: tocsin.Copy{Source: "fr", Item: "old2", Rev: 1, Title: "old2", Seen: time.Now()}})
			time.Sleep(time.Minute)
		})
		if got := k.news(); !slices.Equal(got, []string{"digest 9 0", "post after", "post later", "reply old2 aloud: withdrawn"}) {
			t.Errorf("the channel got %q, want one word on what was withdrawn", got)
		}
	})
}

func TestWhatADigestHeldIsToldWhenItIsNoLongerWanted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), planned(tocsin.Subscription{Digest: time.Now().UTC().Add(12 * time.Hour).Format("daily 15:04")}))
		defer r.close()
		r.run()
		time.Sleep(time.Minute)
		r.tell("news", 6)
		r.apply(missiles())
		r.tell("after", 1)
		time.Sleep(time.Minute)
		want := []string{"digest of 6: news5 news4 news3 news2 news1", "after0"}
		if got := r.desk.received(); !slices.Equal(got, want) {
			t.Fatalf("the channel got %q, want %q", got, want)
		}
		if held := r.desk.posts()[0].Summary.Held; held != forLifted {
			t.Errorf("the digest says it was held for %q", held)
		}
	})
}

// A lane's goroutine ends at a step, as a kill would end it, while it holds what
// changed for a digest, tells it, or tells it by itself.
func TestDeathAroundWhatChangedLosesAndDoublesNothing(t *testing.T) {
	for _, plan := range []tocsin.Subscription{{Digest: "hourly"}, {FoldOver: 3}} {
		for step := 1; ; step += stride(5) {
			var survived bool
			t.Run(fmt.Sprintf("digest %q step %d", plan.Digest, step), func(t *testing.T) {
				bubble(t, func(t *testing.T) { survived = deathAroundAChange(t, plan, step) })
			})
			if survived || step > 80 {
				break
			}
		}
	}
}

func deathAroundAChange(t *testing.T, plan tocsin.Subscription, step int) (survived bool) {
	r := newRig(t, t.TempDir(), planned(plan))
	defer r.close()
	r.cfg.Log = quiet
	threaded(r.desk)
	half()
	fail := func(int, tocsin.Delivery) (bool, error) { return false, &tocsin.Outcome{Verdict: tocsin.Retry} }
	r.desk.set(fail)
	r.run()
	r.tell("held", 7)
	r.desk.set(nil)
	half()
	if got := r.desk.received(); toldOf(got) != 7 {
		t.Fatalf("the channel got %q", got)
	}
	r.stop()
	alive := r.dieAt(step)
	r.run()
	for i := 1; i <= 3; i++ {
		r.put(withdrawn(item("fr", fmt.Sprint("held", i), fmt.Sprint("held", i), "On missiles.")))
	}
	time.Sleep(time.Minute)
	if step%2 == 0 { // a death is mended before it is due, or only after that
		r.stop()
		r.run()
	}
	half()
	survived = alive()
	r.stop()
	r.run()
	half()
	said := map[string]int{}
	for _, d := range r.desk.posts() {
		if d.Kind == tocsin.Reply {
			said[d.Alert.First().Title]++
		}
		for _, c := range d.Summary.Changed {
			said[c.Alert.First().Title]++
		}
	}
	if len(said) != 3 || said["held1"] != 1 || said["held2"] != 1 || said["held3"] != 1 {
		t.Errorf("the channel got\n%q: %v, want each of 3 withdrawals once", r.desk.news(), said)
	}
	return survived
}
