package pipeline

import (
	"fmt"
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"tocsin"
)

// planned is missiles to the desk as plan has it.
func planned(plan tocsin.Subscription) Provision {
	p := missiles()
	plan.Watchlist, plan.To = "missiles", "desk"
	p.Subscriptions[0] = plan
	return p
}

// until waits for a time to come.
func until(at time.Time) { time.Sleep(time.Until(at)) }

// The clocks of each of these zones change twice within a year; some other days
// there are not.
var changing = []string{"Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Pacific/Auckland"}

// changes are the next two times at which the clocks of a zone change.
func changes(zone *time.Location) (out []time.Time) {
	for at := time.Now(); len(out) < 2; {
		_, at = at.In(zone).ZoneBounds()
		out = append(out, at)
	}
	return out
}

func TestDigestComesOnceADayWhenTheClocksChange(t *testing.T) {
	zones := changing
	if !thorough {
		zones = zones[:1]
	}
	for n, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if !thorough && i == 0 {
				continue
			}
			restart := []string{"never", "before it is due", "over it"}[(n+i)%3]
			t.Run(fmt.Sprintf("%s %d restart %s", name, i, restart), func(t *testing.T) {
				bubble(t, func(t *testing.T) { digestsAround(t, zone, changes(zone)[i], restart) })
			})
		}
	}
}

// digestsAround runs from the evening before a change of the clocks to the day
// after it, an alert every three hours.
func digestsAround(t *testing.T, zone *time.Location, change time.Time, restart string) {
	day := change.In(zone)
	until(change.Add(-8*time.Hour + 7*time.Minute)) // before anything runs: a server that waits for months ticks for minutes
	r := newRig(t, t.TempDir(), planned(tocsin.Subscription{Digest: "daily 08:00 " + zone.String()}))
	defer r.close()
	r.run()
	start := time.Now()
	for n := 0; time.Now().Before(change.Add(34 * time.Hour)); n++ {
		r.put(item("fr", fmt.Sprint(n), fmt.Sprint("news", n), "On missiles."))
		next := start.Add(time.Duration(n+1) * 3 * time.Hour)
		due := time.Date(day.Year(), day.Month(), day.Day(), 8, 0, 0, 0, zone)
		if restart != "never" && time.Until(due) > 0 && due.Before(next) {
			until(due.Add(-time.Minute))
			r.stop()
			if restart == "over it" {
				until(due.Add(10 * time.Minute))
			}
			r.run()
		}
		until(next)
	}
	var got []string
	told := 0
	for _, d := range r.desk.all() {
		if d.Kind != tocsin.Digest || d.Summary.Held != forDigest {
			t.Errorf("the channel got a %s for %q, want digests", d.Kind, d.Summary.Held)
		}
		got = append(got, d.Since.In(zone).Format("01-02 15:04"))
		told += d.Summary.Matching
	}
	var want []string
	for at := time.Date(day.Year(), day.Month(), day.Day()-2, 8, 0, 0, 0, zone); at.Before(time.Now()); at = time.Date(at.Year(), at.Month(), at.Day()+1, 8, 0, 0, 0, zone) {
		if !at.Before(start) {
			late := at
			if restart == "over it" && at.Day() == day.Day() {
				late = at.Add(10 * time.Minute)
			}
			want = append(want, late.Format("01-02 15:04"))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("digests at %q, want %q", got, want)
	}
	waits := 0
	for _, d := range must(r.logs.Deliveries(t.Context())) {
		if d.Kind == Held {
			waits++
		}
	}
	if events := len(r.events()); told+waits != events || told == 0 {
		t.Errorf("digests tell of %d, %d wait for the next: of %d alerts", told, waits, events)
	}
}

func TestDigestTellsOfWhatCameWhileNobodyRan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), planned(tocsin.Subscription{Digest: "hourly"}))
		defer r.close()
		r.run()
		until(time.Now().Truncate(time.Hour).Add(80 * time.Minute))
		r.tell("one", 2)
		r.cfg.Send = false // matched, and no lane comes to it
		r.stop()
		r.run()
		r.tell("two", 3)
		until(time.Now().Truncate(time.Hour).Add(90 * time.Minute))
		r.tell("next", 1)
		r.stop()
		r.cfg.Send = true
		r.run()
		time.Sleep(time.Minute)
		want := []string{"digest of 5: two2 two1 two0 one1 one0"}
		if got := r.desk.received(); !slices.Equal(got, want) {
			t.Errorf("the channel got %q, want %q: all that came before it was due, in one", got, want)
		}
		until(time.Now().Truncate(time.Hour).Add(61 * time.Minute))
		want = append(want, "digest of 1: next0")
		if got := r.desk.received(); !slices.Equal(got, want) {
			t.Errorf("then the channel got %q, want %q", got, want)
		}
	})
}

func TestAlertOfADigestAndAtOnceIsSentAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planned(tocsin.Subscription{Digest: "hourly"})
		p.Watchlists = append(p.Watchlists, tocsin.Watchlist{Name: "fish", Query: "cod"})
		p.Subscriptions = append(p.Subscriptions, tocsin.Subscription{Watchlist: "fish", To: "desk"})
		r := newRig(t, t.TempDir(), p)
		defer r.close()
		r.run()
		until(time.Now().Truncate(time.Hour).Add(80 * time.Minute))
		r.put(item("fr", "1", "both", "On missiles and cod."))
		r.put(item("fr", "2", "one", "On missiles."))
		time.Sleep(time.Minute)
		if got := r.desk.received(); !slices.Equal(got, []string{"both"}) {
			t.Errorf("the channel got %q, want what also comes at once", got)
		}
		time.Sleep(time.Hour)
		if got := r.desk.received(); !slices.Equal(got, []string{"both", "digest of 1: one"}) {
			t.Errorf("the channel got %q, want each once", got)
		}
	})
}

func TestQuietHoursHoldAndThenTell(t *testing.T) {
	for n, tt := range []struct {
		held int
		want []string
	}{
		{0, []string{"before0", "after0"}},
		{2, []string{"before0", "night0", "night1", "after0"}},
		{7, []string{"before0", "digest of 7: night6 night5 night4 night3 night2", "after0"}},
	} {
		for i, restart := range []bool{false, true} {
			if !thorough && i != n%2 {
				continue
			}
			t.Run(fmt.Sprint(tt.held, restart), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					zone, _ := time.LoadLocation("Asia/Tokyo")
					now := time.Now().In(zone)
					evening := time.Date(now.Year(), now.Month(), now.Day()+1, 21, 58, 0, 0, zone)
					until(evening)
					r := newRig(t, t.TempDir(), planned(tocsin.Subscription{Quiet: "22:00-07:00 Asia/Tokyo"}))
					defer r.close()
					r.run()
					time.Sleep(time.Minute)
					r.tell("before", 1)
					until(evening.Add(2 * time.Minute))
					r.tell("night", tt.held)
					until(evening.Add(9*time.Hour + 90*time.Second))
					if got := r.desk.received(); !slices.Equal(got, []string{"before0"}) {
						t.Errorf("in the night the channel got %q", got)
					}
					if restart {
						r.stop()
						r.run()
					}
					until(evening.Add(9*time.Hour + 2*time.Minute + time.Second))
					if got := r.desk.received(); !slices.Equal(got, tt.want[:len(tt.want)-1]) {
						t.Errorf("at seven the channel got %q", got)
					}
					r.tell("after", 1)
					if got := r.desk.received(); !slices.Equal(got, tt.want) {
						t.Errorf("then the channel got %q, want %q", got, tt.want)
					}
					for _, d := range r.desk.posts() {
						if d.Kind == tocsin.Digest && d.Summary.Held != forQuiet {
							t.Errorf("the digest says %q", d.Summary.Held)
						}
					}
				})
			})
		}
	}
}

func TestUrgentBreaksThroughAndSaysSo(t *testing.T) {
	for _, tt := range []struct{ name, note string }{
		{"nothing", ""},
		{"mute", "sent although it is muted, because it is urgent"},
		{"quiet", "sent in quiet hours because it is urgent"},
		{"another list at once", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				plan := tocsin.Subscription{Urgent: true}
				if tt.name == "quiet" {
					now := time.Now().UTC()
					plan.Quiet = now.Add(-time.Hour).Format("15:04") + "-" + now.Add(time.Hour).Format("15:04")
				}
				p := planned(plan)
				p.Watchlists = append(p.Watchlists, tocsin.Watchlist{Name: "fish", Query: "cod"})
				p.Subscriptions = append(p.Subscriptions, tocsin.Subscription{Watchlist: "fish", To: "desk"})
				r := newRig(t, t.TempDir(), p)
				defer r.close()
				r.run()
				if tt.name != "nothing" && tt.name != "quiet" {
					r.mute(time.Hour)
				}
				time.Sleep(time.Minute)
				text := "On missiles."
				if tt.name == "another list at once" {
					text = "On missiles and cod."
				}
				r.put(item("fr", "1", "urgent", text))
				r.put(item("fr", "2", "plain", "On cod."))
				time.Sleep(time.Minute)
				got := r.desk.posts()
				if len(got) != 2 || !got[0].Urgent || got[0].Note != tt.note || got[1].Urgent || got[1].Note != "" {
					t.Errorf("the channel got %d, urgent and note of the first: %v %q, want one urgent that says %q and one that is not", len(got), got[0].Urgent, got[0].Note, tt.note)
				}
			})
		})
	}
}

func TestManyWaitingPostsBecomeOneDigest(t *testing.T) {
	for _, tt := range []struct {
		name   string
		plan   tocsin.Subscription
		n      int
		single int // how many come one by one
	}{
		{"as many as are allowed", tocsin.Subscription{}, 21, 21}, // of which one is being tried
		{"one more", tocsin.Subscription{}, 22, 1},
		{"many", tocsin.Subscription{}, 150, 1},
		{"over three", tocsin.Subscription{FoldOver: 3}, 5, 1},
		{"never", tocsin.Subscription{FoldOver: -1}, 60, 60},
		{"urgent", tocsin.Subscription{Urgent: true}, 60, 60},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), planned(tt.plan))
				defer r.close()
				r.cfg.Log = quiet
				r.desk.answer = func(int, tocsin.Delivery) (bool, error) { return false, &tocsin.Outcome{Verdict: tocsin.Retry} }
				r.run()
				time.Sleep(time.Second)
				r.tell("news", tt.n)
				r.desk.set(nil)
				time.Sleep(20 * time.Minute)
				single, digests, told := 0, 0, 0
				for _, d := range r.desk.all() {
					switch d.Kind {
					case tocsin.Post:
						single++
						told++
					case tocsin.Digest:
						digests++
						told += d.Summary.Matching
						if d.Summary.Held != forFold || d.Summary.Newest[0].First().Title != fmt.Sprint("news", tt.n-1) {
							t.Errorf("the digest is for %q and begins with %q", d.Summary.Held, d.Summary.Newest[0].First().Title)
						}
					}
				}
				if want := min(1, tt.n-tt.single); single != tt.single || digests != want || told != tt.n {
					t.Errorf("%d came one by one and %d digests, of %d alerts; want %d and %d, of %d", single, digests, told, tt.single, want, tt.n)
				}
			})
		})
	}
}

func TestAlertThatNobodyAcknowledgesGoesOn(t *testing.T) {
	for _, tt := range []struct {
		name string
		want bool // it goes on
	}{
		{"nobody does", true},
		{"in time", false},
		{"too late", true},
		{"restart before it is due", true},
		{"restart over it", true},
		{"acknowledged while nothing runs", false},
		{"the first destination is down", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) { escalated(t, tt.name, tt.want) })
		})
	}
}

func escalated(t *testing.T, name string, want bool) {
	p := planned(tocsin.Subscription{Escalate: tocsin.Escalation{After: 10 * time.Minute, To: "duty"}})
	p.Destinations = append(p.Destinations, tocsin.Destination{Name: "duty", Kind: "slack", To: "C2"})
	r := newRig(t, t.TempDir(), p)
	defer r.close()
	r.cfg.Log = quiet
	if name == "the first destination is down" {
		r.desk.answer = func(_ int, d tocsin.Delivery) (bool, error) {
			if d.To.Name == "desk" {
				return false, &tocsin.Outcome{Verdict: tocsin.Retry}
			}
			return true, nil
		}
	}
	r.run()
	time.Sleep(time.Minute)
	r.tell("news", 1)
	alert := r.events()[0].Alert
	// Another branch's binary writes it: whatever stands in ALERTS counts.
	acknowledge := func() { r.ok1(r.logs.Acknowledge(t.Context(), "slack:T1:U1", "", alert)) }
	time.Sleep(5 * time.Minute)
	switch name {
	case "in time":
		acknowledge()
	case "restart before it is due":
		r.stop()
		r.run()
	case "restart over it", "acknowledged while nothing runs":
		r.stop()
		if name != "restart over it" {
			acknowledge()
		}
		time.Sleep(20 * time.Minute)
		r.run()
	}
	time.Sleep(4 * time.Minute)
	if got := r.to("duty"); len(got) != 0 && name != "restart over it" {
		t.Errorf("nine minutes after it was sent it went on: %v", got)
	}
	time.Sleep(2 * time.Minute)
	if name == "too late" {
		acknowledge()
	}
	r.stop()
	r.run()
	time.Sleep(time.Hour)
	got := r.to("duty")
	if n := map[bool]int{true: 1}[want]; len(got) != n {
		t.Fatalf("%d messages went on, want %d", len(got), n)
	}
	if want && (got[0].Note != "nobody acknowledged it within 10m at desk" || !got[0].Urgent || got[0].Late != "" || got[0].Alert.ID != alert) {
		t.Errorf("it went on with %q, urgent %v, late %q", got[0].Note, got[0].Urgent, got[0].Late)
	}
}

func TestAcknowledgementCountsInItsWorkspaceAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := missiles()
		p.Destinations, p.Subscriptions = nil, nil
		for name, workspace := range map[string]string{"one": "first", "two": "second", "press": ""} {
			duty := "duty-" + name
			p.Destinations = append(p.Destinations,
				tocsin.Destination{Name: name, Kind: "slack", To: name, Workspace: workspace}, tocsin.Destination{Name: duty, Kind: "slack", To: duty, Workspace: workspace})
			p.Subscriptions = append(p.Subscriptions, tocsin.Subscription{Watchlist: "missiles", To: name, Escalate: tocsin.Escalation{After: 10 * time.Minute, To: duty}})
		}
		r := newRig(t, t.TempDir(), p)
		defer r.close()
		r.desk.edits = true
		r.run()
		time.Sleep(time.Minute)
		r.tell("news", 1)
		alert := r.events()[0].Alert
		first := must(r.logs.Acknowledge(t.Context(), "slack:T1:U1", "first", alert))
		time.Sleep(time.Minute)
		shown := func() string {
			by := map[string]string{}
			for _, d := range r.desk.all() {
				by[d.To.Name] = d.Alert.Acknowledged.By
			}
			return fmt.Sprint(by)
		}
		if got := shown(); got != "map[one:slack:T1:U1 press:slack:T1:U1 two:]" {
			t.Errorf("messages show %s", got)
		}
		r.stop() // they are to know it from the logs too
		r.run()
		time.Sleep(time.Hour)
		if len(r.to("duty-one")) != 0 || len(r.to("duty-press")) != 0 || len(r.to("duty-two")) != 1 {
			t.Errorf("it went on: %v %v %v", r.to("duty-one"), r.to("duty-press"), r.to("duty-two"))
		}
		if again := must(r.logs.Acknowledge(t.Context(), "slack:T1:U3", "first", alert)); again != first {
			t.Errorf("a second one in the workspace counts: %+v", again)
		}
		must(r.logs.Acknowledge(t.Context(), "slack:T2:U2", "second", alert))
		time.Sleep(time.Minute)
		if got := shown(); got != "map[duty-two:slack:T2:U2 one:slack:T1:U1 press:slack:T1:U1 two:slack:T2:U2]" {
			t.Errorf("in the end messages show %s", got)
		}
		stories := must(r.logs.Stories(t.Context()))
		if got := stories[0].Alert.Acknowledged; got != first {
			t.Errorf("the story shows %+v", got)
		}
	})
}

// to are the posts to a destination.
func (r *rig) to(name string) []tocsin.Delivery {
	return slices.DeleteFunc(r.desk.posts(), func(d tocsin.Delivery) bool { return d.To.Name != name })
}

func (r *rig) ok1(_ any, err error) {
	r.t.Helper()
	r.ok(err)
}
