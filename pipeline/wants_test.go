package pipeline

import (
	"slices"
	"testing"
	"time"

	"tocsin"
)

func TestSubscriptionWantsWhatItNames(t *testing.T) {
	fr := tocsin.Copy{Source: "fr-mfa-un", Country: "FR", Lang: "fr"}
	jp := tocsin.Copy{Source: "jp-mofa", Country: "JP", Lang: "ja"}
	un := tocsin.Copy{Source: "un-press"} // tells neither
	report := tocsin.Copy{Source: "kr-mofa", Country: "KR", Lang: "ko", Report: true}
	for _, tt := range []struct {
		name   string
		s      tocsin.Subscription
		copies []tocsin.Copy
		want   bool
	}{
		{"all", tocsin.Subscription{}, []tocsin.Copy{fr}, true},
		{"its language", tocsin.Subscription{Langs: []string{"en", "fr"}}, []tocsin.Copy{fr}, true},
		{"another language", tocsin.Subscription{Langs: []string{"en"}}, []tocsin.Copy{fr}, false},
		{"a language by its beginning", tocsin.Subscription{Langs: []string{"zh"}}, []tocsin.Copy{{Source: "cn", Lang: "zh-Hans"}}, true},
		{"no half of a word", tocsin.Subscription{Sources: []string{"fr-m"}}, []tocsin.Copy{fr}, false},
		{"a language that nobody tells", tocsin.Subscription{Langs: []string{"en"}}, []tocsin.Copy{un}, true},
		{"a source by its beginning", tocsin.Subscription{Sources: []string{"fr-mfa"}}, []tocsin.Copy{fr}, true},
		{"another source", tocsin.Subscription{Sources: []string{"jp-mofa"}}, []tocsin.Copy{fr}, false},
		{"its country", tocsin.Subscription{Countries: []string{"JP"}}, []tocsin.Copy{fr, jp}, true},
		{"a country that nobody tells", tocsin.Subscription{Countries: []string{"JP"}}, []tocsin.Copy{un}, false},
		{"both in one copy", tocsin.Subscription{Countries: []string{"JP"}, Langs: []string{"fr"}}, []tocsin.Copy{fr, jp}, false},
		{"too few", tocsin.Subscription{MinCopies: 2}, []tocsin.Copy{fr, fr}, false},
		{"enough", tocsin.Subscription{MinCopies: 2}, []tocsin.Copy{fr, jp}, true},
		{"a report is no copy", tocsin.Subscription{MinCopies: 2}, []tocsin.Copy{fr, report}, false},
		{"too few that are wanted", tocsin.Subscription{MinCopies: 2, Countries: []string{"FR"}}, []tocsin.Copy{fr, jp}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Wants(tt.s, tt.copies); got != tt.want {
				t.Errorf("Wants = %v, want %v", got, tt.want)
			}
		})
	}
}

// narrowed is missiles with a subscription that wants two publishers.
func narrowed() Provision {
	p := missiles()
	p.Subscriptions[0].MinCopies = 2
	return p
}

func TestNarrowSubscriptionPostsOnceItIsSatisfied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), narrowed())
		defer r.close()
		r.run()
		time.Sleep(time.Minute)
		text := "On missiles, and at some length so that it is a statement of its own: the ministers condemn the launch."
		r.put(item("fr", "1", "One", text))
		time.Sleep(time.Minute)
		if got := r.desk.titles("desk"); len(got) != 0 {
			t.Fatalf("one publisher: the channel got %q", got)
		}
		r.put(item("jp", "1", "One", text))
		time.Sleep(time.Minute)
		if got := r.desk.titles("desk"); !slices.Equal(got, []string{"One"}) {
			t.Fatalf("two publishers: the channel got %q", got)
		}
		r.stop()
		r.run()
		time.Sleep(time.Minute)
		if got := r.desk.titles("desk"); len(got) != 1 {
			t.Errorf("after a restart the channel got %q", got)
		}
	})
}

func TestSubscriptionIsChangedFromNowOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		ctx := t.Context()
		r.ok(r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "fish", Query: "cod"}))
		r.run()
		time.Sleep(time.Minute)
		plan := tocsin.Subscription{Watchlist: "fish", To: "desk", Sources: []string{"jp"}}
		r.ok(r.logs.SetSubscription(ctx, ada, plan))
		r.put(item("fr", "1", "one", "A cod."))
		time.Sleep(time.Minute)
		r.ok(r.logs.SetSubscription(ctx, ada, tocsin.Subscription{Watchlist: "fish", To: "desk"}))
		w, err := r.logs.Wanted(ctx)
		r.ok(err)
		seq := w.Subscriptions["fish.desk"].Seq
		r.ok(r.logs.SetSubscription(ctx, ada, tocsin.Subscription{Watchlist: "fish", To: "desk"}))
		w, err = r.logs.Wanted(ctx)
		r.ok(err)
		if got := w.Subscriptions["fish.desk"]; got.Seq != seq || got.V != firstFormat {
			t.Errorf("the same plan again is stored as %d, was %d; format %d", got.Seq, seq, got.V)
		}
		r.put(item("fr", "2", "two", "Another cod."))
		time.Sleep(time.Minute)
		r.stop()
		r.run()
		time.Sleep(time.Minute)
		if got := r.desk.titles("desk"); !slices.Equal(got, []string{"two"}) {
			t.Errorf("the channel got %q, want what was wanted when it came", got)
		}
	})
}

func TestFirstAcknowledgementStands(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.desk.edits = true
		r.run()
		time.Sleep(time.Minute)
		r.put(item("fr", "1", "one", "On missiles."))
		time.Sleep(time.Minute)
		id := r.events()[len(r.events())-1].Alert
		first, err := r.logs.Acknowledge(t.Context(), "slack:T1:U1", "", id)
		r.ok(err)
		time.Sleep(time.Minute)
		again, err := r.logs.Acknowledge(t.Context(), "slack:T1:U2", "", id)
		r.ok(err)
		if first.By != "slack:T1:U1" || again != first {
			t.Errorf("acknowledged %+v, then %+v", first, again)
		}
		if _, err := r.logs.Acknowledge(t.Context(), "ada", "", "nosuch"); err == nil {
			t.Error("an alert that is not there is acknowledged")
		}
		calls := r.desk.all()
		last := calls[len(calls)-1]
		if last.Kind != tocsin.Edit || last.Alert.Acknowledged != first || len(last.Alert.Copies) != 1 {
			t.Errorf("the channel's message was last brought to %s %+v", last.Kind, last.Alert)
		}
		r.stop()
		r.run()
		time.Sleep(time.Minute)
		if got := r.desk.all(); len(got) != len(calls) {
			t.Errorf("after a restart %d more calls", len(got)-len(calls))
		}
		stories, err := r.logs.Stories(t.Context())
		r.ok(err)
		if a := stories[0].Alert; a.Acknowledged != first || len(a.Copies) != 1 {
			t.Errorf("the story is %+v", a)
		}
	})
}

func TestLaneThatIsBehindDecidesAsItWouldHaveThen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		ctx := t.Context()
		r.ok(r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "fish", Query: "cod"}))
		r.ok(r.logs.SetSubscription(ctx, ada, tocsin.Subscription{Watchlist: "fish", To: "desk", MinCopies: 2}))
		r.cfg.Send = false
		r.run()
		time.Sleep(time.Minute)
		text := "A cod, and at some length so that it is a statement of its own: the ministers condemn the catch."
		r.put(item("fr", "1", "One", text))
		time.Sleep(time.Minute)
		r.ok(r.logs.SetSubscription(ctx, ada, tocsin.Subscription{Watchlist: "fish", To: "desk", Sources: []string{"de"}}))
		r.put(item("jp", "1", "One", text))
		time.Sleep(time.Minute)
		if evs := r.events(); len(evs) != 2 || evs[1].Kind != Copied {
			t.Fatalf("ALERTS holds %+v", evs)
		}
		r.stop()
		r.cfg.Send = true
		r.run()
		time.Sleep(time.Minute)
		if got := r.desk.titles("desk"); len(got) != 0 {
			t.Errorf("the channel got %q: one publisher was too few then, and none is wanted now", got)
		}
	})
}

// TestFirstSummaryTellsOnlyWhatIsWanted: what a narrowed subscription would not be
// sent is neither counted nor shown in the summary of first readings.
func TestFirstSummaryTellsOnlyWhatIsWanted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := missiles()
		p.Subscriptions[0].Sources = []string{"jp"}
		r := newRig(t, t.TempDir(), p)
		defer r.close()
		r.cfg.Log = quiet
		r.reading(map[string]Reading{"fr": {Tried: true, Read: true, Title: "France"}, "jp": {Tried: true, Read: true, Title: "Japan"}})
		r.baseline("fr")
		r.baseline("jp")
		r.run()
		time.Sleep(10 * time.Minute)
		got := r.desk.posts()
		if len(got) != 1 || got[0].Summary.Sources != 2 || got[0].Summary.Matching != 1 || len(got[0].Summary.Newest) != 1 || got[0].Summary.Newest[0].First().Source != "jp" {
			t.Errorf("digests %+v, want one with what jp published", got)
		}
	})
}
