package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
)

func TestOneStatementIsOneMessageThatGrows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.desk.edits = true
		r.run()
		for i := range 48 {
			r.put(item([]string{"fr", "jp"}[i%2], fmt.Sprint(i), "Joint statement", "On the transfer of missiles."))
			time.Sleep(time.Minute)
		}
		r.put(item("fr", "other", "On fisheries", "Nets and boats."))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := r.desk.posts(); len(got) != 1 {
			t.Fatalf("posted %d messages, want 1: %+v", len(got), got)
		}
		calls := r.desk.all()
		last := calls[len(calls)-1]
		if last.Kind != tocsin.Edit || last.Ref != "m1" || len(last.Alert.Copies) != 48 || len(last.Alert.Publishers()) != 2 {
			t.Errorf("last call %s of %q shows %d copies by %d publishers, want an edit of m1 with 48 by 2", last.Kind, last.Ref, len(last.Alert.Copies), len(last.Alert.Publishers()))
		}
		if first := calls[0].Alert; first.Marks == nil || first.Excerpt[first.Marks[0].Start:first.Marks[0].End] != "missiles" {
			t.Errorf("excerpt %q with marks %v, want the matched word marked", first.Excerpt, first.Marks)
		}
	})
}

func TestThreeWatchlistsOfOneChannelAreOneMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := missiles()
		for _, w := range []string{"a", "b"} {
			p.Watchlists = append(p.Watchlists, tocsin.Watchlist{Name: w, Query: "transfer"})
			p.Subscriptions = append(p.Subscriptions, tocsin.Subscription{Watchlist: w, To: "desk"})
		}
		r := newRig(t, t.TempDir(), p)
		defer r.close()
		r.run()
		r.put(item("fr", "1", "Statement", "A transfer of missiles."))
		time.Sleep(time.Minute)
		got := r.desk.posts()
		if len(got) != 1 || len(got[0].Alert.Matches) != 3 {
			t.Fatalf("posted %+v, want one message that names three watchlists", got)
		}
	})
}

func TestRestartDeliversWhatWaitedAndNothingTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := t.TempDir()
		r := newRig(t, dir, missiles())
		down := func(int, tocsin.Delivery) (bool, error) { return false, &tocsin.Outcome{Verdict: tocsin.Retry} }
		r.run()
		r.put(item("fr", "0", "One", "missiles"))
		time.Sleep(time.Minute)
		r.desk.set(down)
		r.put(item("fr", "1", "Two", "missiles again"))
		time.Sleep(10 * time.Minute)
		r.close()
		time.Sleep(24 * time.Hour)
		k := r.desk
		k.answer = nil
		r = newRig(t, dir, missiles())
		r.desk = k
		r.cfg.Prepare, r.cfg.Find = k.prepare, k.find
		r.run()
		time.Sleep(10 * time.Minute)
		r.close()
		if got := k.posts(); len(got) != 2 || got[1].Alert.First().Title != "Two" {
			t.Fatalf("posted %d messages, want One and Two once each", len(got))
		}
		if late := k.posts()[1].Late; late == "" {
			t.Error("a message a day late does not say why")
		}
	})
}

func TestAmbiguousSendIsLookedForBeforeItIsRepeated(t *testing.T) {
	for _, tt := range []struct {
		name           string
		finds, hidden  bool
		off            Off
		apply          bool // what the first, unanswered call did
		posts          int
		repeatIsMarked bool
	}{
		{"applied and found", true, false, Off{}, true, 1, false},
		{"not applied", true, false, Off{}, false, 1, false},
		{"history closed", true, true, Off{}, true, 2, true},
		{"no history", false, false, Off{}, true, 2, true},
		{"control: not looked for", true, false, Off{Lookup: true}, true, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), missiles())
				defer r.close()
				r.cfg.Off = tt.off
				r.desk.finds, r.desk.hidden = tt.finds, tt.hidden
				r.desk.answer = func(n int, _ tocsin.Delivery) (bool, error) {
					if n == 1 {
						return tt.apply, &tocsin.Outcome{Verdict: tocsin.Ambiguous}
					}
					return true, nil
				}
				r.run()
				r.put(item("fr", "1", "Statement", "missiles"))
				time.Sleep(time.Hour)
				got := r.desk.posts()
				if len(got) != tt.posts {
					t.Fatalf("%d messages arrived, want %d", len(got), tt.posts)
				}
				if tt.posts == 2 && (got[0].ID != got[1].ID || got[1].Repeat != tt.repeatIsMarked) {
					t.Errorf("repeat has id %s (first %s), marked %v, want the same id, marked %v", got[1].ID, got[0].ID, got[1].Repeat, tt.repeatIsMarked)
				}
			})
		})
	}
}

func TestParkedDeliveryIsKeptAndReplayed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.desk.answer = func(int, tocsin.Delivery) (bool, error) {
			return false, &tocsin.Outcome{Verdict: tocsin.Refused, Code: "no_text"}
		}
		r.run()
		r.put(item("fr", "1", "One", "missiles"))
		r.put(item("fr", "2", "Two", "missiles"))
		time.Sleep(time.Minute)
		ds, err := r.logs.Deliveries(t.Context())
		if err != nil || len(ds) != 2 || ds[0].Kind != Parked || ds[1].Kind != Parked {
			t.Fatalf("Deliveries() = %+v, %v, want two parked", ds, err)
		}
		r.desk.set(nil)
		if err := r.logs.ReplayDelivery(t.Context(), ds[1].To, ds[1].Delivery); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		got := r.desk.posts()
		if len(got) != 1 || got[0].ID != ds[1].Delivery {
			t.Fatalf("posted %+v, want the replayed one alone", got)
		}
	})
}

func TestOrderWithinADestinationIsTheOrderOfAlerts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), planned(tocsin.Subscription{FoldOver: -1}))
		defer r.close()
		r.desk.rate = Traits{Every: time.Second, Burst: 3}
		r.desk.answer = func(n int, _ tocsin.Delivery) (bool, error) {
			if n%3 == 0 {
				return false, &tocsin.Outcome{Verdict: tocsin.Rate, After: 5 * time.Second}
			}
			return true, nil
		}
		r.run()
		for i := range 30 {
			r.put(item("fr", fmt.Sprint(i), fmt.Sprint("No. ", i), "missiles"))
		}
		time.Sleep(time.Hour)
		var want, got []string
		for _, ev := range r.events() {
			want = append(want, ev.Alert)
		}
		for _, d := range r.desk.posts() {
			got = append(got, d.Alert.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("messages arrived in the order\n%v, want\n%v", got, want)
		}
	})
}

func TestADeadDestinationDelaysNoOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := missiles()
		p.Destinations = append(p.Destinations, tocsin.Destination{Name: "dead", Kind: "slack", To: "C2"})
		p.Subscriptions = append(p.Subscriptions, tocsin.Subscription{Watchlist: "missiles", To: "dead"})
		r := newRig(t, t.TempDir(), p)
		defer r.close()
		r.desk.answer = func(_ int, d tocsin.Delivery) (bool, error) {
			if d.To.Name == "dead" {
				return false, &tocsin.Outcome{Verdict: tocsin.Retry}
			}
			return true, nil
		}
		r.run()
		for i := range 20 {
			r.put(item("fr", fmt.Sprint(i), fmt.Sprint("No. ", i), "missiles"))
		}
		time.Sleep(time.Second)
		if got := len(r.desk.posts()); got != 20 {
			t.Errorf("%d of 20 messages arrived at the living destination within a second", got)
		}
	})
}

func TestBaselineIsToldOfOnceAndNotSentOneByOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.cfg.Poll, r.cfg.Own = true, func(func(string) bool) {}
		r.cfg.Reading = func() map[string]Reading {
			return map[string]Reading{"fr": {Tried: true, Read: true, Title: "France"}, "jp": {Tried: true, Title: "Japan"}}
		}
		old := item("fr", "1", "Old statement", "missiles of last year")
		old.Baseline = true
		r.put(old)
		r.run()
		time.Sleep(5 * time.Minute)
		got := r.desk.posts()
		if len(got) != 1 || got[0].Kind != tocsin.Digest {
			t.Fatalf("%d messages, want one digest: %+v", len(got), got)
		}
		if s := got[0].Summary; s.Matching != 1 || s.Sources != 2 || s.Answered != 1 || len(s.Newest) != 1 || !slices.Equal(s.Silent, []string{"Japan"}) {
			t.Errorf("summary %+v, want 1 match, 2 sources, 1 answered, Japan silent", s)
		}
		r.put(item("jp", "9", "Old statement", "missiles of last year"))
		time.Sleep(time.Minute)
		if got := r.desk.posts(); len(got) != 2 || got[1].Kind != tocsin.Post || len(got[1].Alert.Copies) != 2 {
			t.Errorf("a new copy of a statement that was only in the baseline gave %+v, want a post that shows both", got[1:])
		}
	})
}

func TestRevisionOfAnAlertedItemEditsItsMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.desk.edits = true
		r.run()
		it := item("fr", "1", "Statement", "missiles")
		r.put(it)
		time.Sleep(time.Minute)
		it.Rev, it.Title = 2, "Statement, corrected"
		r.put(it)
		time.Sleep(time.Minute)
		if got := r.desk.all(); len(got) != 2 || got[1].Kind != tocsin.Edit || got[1].Alert.Revised != 1 || got[1].Alert.First().Title != "Statement, corrected" {
			t.Errorf("calls %+v, want a post and an edit that shows the revision", got)
		}
	})
}

func TestAlertsFollowTheOrderOfItems(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		var items []tocsin.Item
		for i := range 300 { // long and short ones by turns: matching them takes unequal time
			it := item("fr", fmt.Sprint(i), fmt.Sprint("No. ", i), "missiles "+strings.Repeat("words ", i%2*5000))
			it.Rev, it.Seen = 1, time.Now().UTC()
			items = append(items, it)
		}
		if _, err := r.logs.Append(t.Context(), "fr", 0, items); err != nil {
			t.Fatal(err)
		}
		r.run()
		time.Sleep(time.Hour)
		events := r.events()
		if len(events) != len(items) {
			t.Fatalf("%d events of %d items", len(events), len(items))
		}
		for i, ev := range events {
			if ev.Copy.Seq != uint64(i+1) {
				t.Fatalf("event %d is of item %d", i+1, ev.Copy.Seq)
			}
		}
	})
}

func TestAuditTakesOverwrittenKeysForNoDamage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		for i := range 5 {
			if err := r.logs.Save(t.Context(), "fr", fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
		if findings, err := r.srv.Audit(t.Context()); err != nil || len(findings) > 0 {
			t.Errorf("Audit() = %q, %v, want nothing", findings, err)
		}
	})
}
