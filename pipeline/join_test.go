package pipeline

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tocsin"
)

// weapons is a desk that subscribes to missiles and, where both is set, to
// artillery too. Both have a watchlist of their own.
func weapons(both bool) Provision {
	p := missiles()
	p.Watchlists = append(p.Watchlists, tocsin.Watchlist{Name: "artillery", Query: "artillery"})
	if both {
		p.Subscriptions = append(p.Subscriptions, tocsin.Subscription{Watchlist: "artillery", To: "desk"})
	}
	return p
}

// calls are all calls that were applied: "post fr", "edit m1 of fr".
func (k *desk) callsOf() []string {
	var out []string
	for _, d := range k.all() {
		s := d.Kind
		if d.Ref != "" {
			s += " " + d.Ref
		}
		s += " of " + d.Alert.First().Title
		if d.Alert.Into != "" {
			s += " into " + d.Older.First().Title
		}
		out = append(out, s)
	}
	return out
}

func (r *rig) wantCalls(want ...string) {
	r.t.Helper()
	if got := r.desk.callsOf(); !slices.Equal(got, want) {
		r.t.Errorf("the calls are\n%q, want\n%q", got, want)
	}
}

// merge has the alert of "young" joined to that of "old", and the missiles with it.
func (r *rig) merge() {
	r.event(Event{Kind: Merged, Alert: idOf("fr", "young"), Other: idOf("fr", "old"), Reason: "the page shows the same text", Matches: []tocsin.Match{{Watchlist: "missiles"}}})
}

func (r *rig) oldAndYoung() {
	r.put(item("fr", "old", "old", "artillery"))
	time.Sleep(time.Second)
	r.put(item("fr", "young", "young", "missiles"))
	time.Sleep(time.Minute)
}

func TestOfTwoMessagesTheYoungerPointsToTheOlder(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), weapons(true))
				defer r.close()
				r.desk.edits, r.desk.finds, r.desk.threads = true, true, true
				r.run()
				r.oldAndYoung()
				r.merge()
				time.Sleep(time.Minute)
				if restart {
					r.stop()
					r.run()
				}
				r.put(item("jp", "1", "old", "artillery"))
				time.Sleep(time.Minute)
				r.wantCalls("post of old", "post of young", "edit m1 of old", "edit m2 of young into old", "edit m1 of old", "reply m1 of old")
			})
		})
	}
}

func TestMailSaysThatTwoAlertsAreOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), weapons(true))
		defer r.close()
		r.desk.answers = true
		r.run()
		r.oldAndYoung()
		r.merge()
		time.Sleep(time.Minute)
		r.wantCalls("post of old", "post of young", "reply m2 of young into old")
		if n := r.desk.all()[2].News; len(n) != 1 || n[0].Kind != tocsin.Merged || n[0].Other != idOf("fr", "old") || n[0].Why == "" {
			t.Errorf("the mail says %+v", n)
		}
	})
}

func TestAMessageOfTheYoungerAlertGoesOnAsThatOfTheOlder(t *testing.T) {
	for _, tt := range []struct {
		name    string
		edits   bool
		restart func(*rig)
	}{
		{"lives on", true, func(*rig) {}},
		{"restart", true, func(r *rig) { r.stop(); r.run() }},
		{"cannot edit, restart", false, func(r *rig) { r.stop(); r.run() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), weapons(false))
				defer r.close()
				r.desk.edits, r.desk.finds, r.desk.threads = tt.edits, true, true
				r.run()
				r.oldAndYoung()
				r.merge()
				tt.restart(r)
				time.Sleep(time.Minute)
				r.put(item("jp", "1", "old", "artillery"))
				time.Sleep(time.Minute)
				tt.restart(r)
				want := []string{"post of young", "edit m1 of old", "edit m1 of old", "reply m1 of old"}
				if !tt.edits {
					want = []string{"post of young", "reply m1 of old"}
				}
				r.wantCalls(want...)
				if d := r.desk.posts()[1]; d.Alert.Title != "young" {
					t.Errorf("the reply goes by the title %q, want that of the first message", d.Alert.Title)
				}
			})
		})
	}
}

// The younger alert has no events after it was merged: a start that reads only the
// last weeks knows nothing of it.
func TestAdoptedMessageIsKnownLongAfter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := &desk{refs: map[string]string{}, edits: true, finds: true, threads: true}
		dir := t.TempDir()
		first := newRig(t, dir, weapons(false))
		first.desk, first.cfg.Traits, first.cfg.Prepare, first.cfg.Find = k, k.traits, k.prepare, k.find
		first.run()
		first.oldAndYoung()
		first.merge()
		time.Sleep(time.Minute)
		first.close()
		for range 2 {
			time.Sleep(20 * day)
			r := newRig(t, dir, weapons(false))
			r.desk, r.cfg.Traits, r.cfg.Prepare, r.cfg.Find = k, k.traits, k.prepare, k.find
			r.run()
			time.Sleep(time.Minute)
			r.event(Event{Kind: Copied, Alert: idOf("fr", "old"), Copy: tocsin.Copy{Source: "jp", Item: fmt.Sprint(time.Now().Unix()), Title: "old", Rev: 1, Seen: time.Now()}, Matches: []tocsin.Match{{Watchlist: "missiles"}}})
			time.Sleep(time.Minute)
			r.close()
		}
		for _, d := range k.all()[1:] {
			if d.Kind == tocsin.Post || d.Ref != "m1" {
				t.Errorf("after the first post came %s of %s with ref %q", d.Kind, d.Alert.First().Title, d.Ref)
			}
		}
	})
}

func TestAlertMergedWhileItIsHeldIsToldOnce(t *testing.T) {
	for _, both := range []bool{true, false} {
		t.Run(fmt.Sprint("both ", both), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), weapons(both))
				defer r.close()
				r.desk.edits, r.desk.finds, r.desk.threads = true, true, true
				r.mute(time.Hour)
				r.run()
				r.oldAndYoung()
				r.merge()
				time.Sleep(2 * time.Hour)
				r.put(item("jp", "1", "old", "artillery"))
				time.Sleep(time.Minute)
				posts := 0
				for _, d := range r.desk.all() {
					if d.Kind == tocsin.Post {
						posts++
						if d.Alert.First().Title != "old" {
							t.Errorf("posted %s, want the older alert", d.Alert.First().Title)
						}
					}
				}
				if posts != 1 {
					t.Errorf("%d posts, want 1: %q", posts, r.desk.callsOf())
				}
			})
		})
	}
}

func TestOlderAlertThatIsHeldIsNotPostedBesideTheYounger(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), weapons(true))
		defer r.close()
		r.desk.edits, r.desk.finds, r.desk.threads = true, true, true
		r.ok(r.logs.Mute(t.Context(), "ada", "artillery", "desk", time.Now().Add(time.Hour)))
		r.run()
		r.oldAndYoung()
		r.merge()
		time.Sleep(2 * time.Hour)
		r.wantCalls("post of young", "edit m1 of old")
	})
}

func TestALaneThatIsBehindPostsTwoAlertsThatAreOneOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), weapons(true))
		defer r.close()
		r.desk.edits, r.desk.finds, r.desk.threads = true, true, true
		r.cfg.Send = false
		r.run()
		r.oldAndYoung()
		r.merge()
		time.Sleep(time.Minute)
		r.stop()
		r.cfg.Send = true
		r.run()
		time.Sleep(time.Minute)
		r.wantCalls("post of old")
	})
}

func TestSplitPostsTheNewAlertAndEditsTheOld(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), weapons(true))
		defer r.close()
		r.desk.edits, r.desk.finds, r.desk.threads = true, true, true
		r.run()
		r.put(item("fr", "old", "old", "artillery"))
		time.Sleep(time.Minute)
		r.event(Event{Kind: Split, Alert: "abc", Other: idOf("fr", "old"), Copy: tocsin.Copy{Source: "jp", Item: "1", Rev: 1, Title: "apart", Seen: time.Now()}, Matches: []tocsin.Match{{Watchlist: "artillery"}}})
		time.Sleep(time.Minute)
		r.wantCalls("post of old", "post of apart", "edit m1 of old")
	})
}
