package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin"
)

// archived answers calls to one destination as a channel that is archived would.
func archived(name string) func(int, tocsin.Delivery) (bool, error) {
	return func(_ int, d tocsin.Delivery) (bool, error) {
		if d.To.Name == name {
			return false, &tocsin.Outcome{Verdict: tocsin.Gone, Code: "is_archived"}
		}
		return true, nil
	}
}

func TestChannelThatComesBackIsToldWhatItMissed(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), missiles())
				defer r.close()
				r.cfg.Log = quiet
				var mu sync.Mutex
				var told []string
				r.cfg.Tell = func(_ context.Context, d tocsin.Destination, text string) bool {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, d.Name+": "+text)
					return true
				}
				r.desk.edits = true
				r.run()
				time.Sleep(time.Minute)
				r.tell("before", 1)
				r.desk.set(archived("desk"))
				start := r.desk.called()
				r.tell("held", 30)
				r.put(item("jp", "before0", "before0", "On missiles.")) // an edit of what was sent before
				time.Sleep(5 * time.Hour)
				if n := r.desk.called() - start; n > 25 {
					t.Errorf("%d calls in five hours while the channel was away", n)
				}
				if restart {
					r.stop()
					r.run()
				}
				r.desk.set(nil)
				time.Sleep(time.Hour)
				r.tell("after", 1)
				want := []string{"before0", "held0", "digest of 29: held29 held28 held27 held26 held25", "after0"}
				if got := r.desk.received(); !slices.Equal(got, want) {
					t.Errorf("the channel got\n%q, want\n%q", got, want)
				}
				for _, d := range r.desk.all() {
					if d.Kind == tocsin.Digest && d.Summary.Held != forAway {
						t.Errorf("the digest says it is for %q", d.Summary.Held)
					}
				}
				if last := r.desk.edited(); len(last) == 0 || len(last[len(last)-1].Alert.Copies) != 2 {
					t.Error("the message from before was not edited once the channel was back")
				}
				mu.Lock()
				defer mu.Unlock()
				if n := len(told); n < 1 || n > 2 || restart == false && n != 1 || !strings.Contains(told[0], "is_archived") {
					t.Errorf("the owner was told %d times: %q", n, told)
				}
			})
		})
	}
}

// The first alert that did not get through is tried until it does; one more is a
// message of its own too, as a digest has no buttons.
func TestChannelThatMissedTwoAlertsGetsBothWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.cfg.Log = quiet
		r.run()
		time.Sleep(time.Minute)
		r.desk.set(archived("desk"))
		r.tell("missed", 2)
		time.Sleep(5 * time.Hour)
		r.desk.set(nil)
		time.Sleep(time.Hour)
		r.tell("after", 1)
		if got, want := r.desk.received(), []string{"missed0", "missed1", "after0"}; !slices.Equal(got, want) {
			t.Fatalf("the channel got\n%q, want\n%q", got, want)
		}
		if late := r.desk.posts()[1].Late; !strings.Contains(late, "could not be reached") {
			t.Errorf("the second says that it is late because %q", late)
		}
	})
}

// edited are the edits that arrived.
func (k *desk) edited() []tocsin.Delivery {
	return slices.DeleteFunc(k.all(), func(d tocsin.Delivery) bool { return d.Kind != tocsin.Edit })
}

// Of 200 channels one is dead with 1,500 alerts waiting. The others have as many as
// they can take: each at its ideal time, which is one a second after a burst.
func TestDeadChannelDelaysNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const each = 15
		channels, waiting := 40, 300
		if thorough {
			channels, waiting = 200, 1500
		}
		p := missiles()
		p.Watchlists = append(p.Watchlists, tocsin.Watchlist{Name: "fish", Query: "cod"})
		p.Subscriptions[0].FoldOver = -1
		for i := range channels - 1 {
			name := fmt.Sprint("c", i)
			p.Destinations = append(p.Destinations, tocsin.Destination{Name: name, Kind: "slack", To: "C" + name})
			p.Subscriptions = append(p.Subscriptions, tocsin.Subscription{Watchlist: "fish", To: name})
		}
		r := newRig(t, t.TempDir(), p)
		defer r.close()
		r.cfg.Log = quiet
		r.desk.rate = Traits{Every: time.Second, Burst: 3}
		r.desk.answer = archived("desk")
		at := map[string]time.Time{}
		var mu sync.Mutex
		r.cfg.Observe = func(d tocsin.Destination, rec Record) {
			mu.Lock()
			defer mu.Unlock()
			if rec.Kind == Sent {
				at[d.Name] = time.Now()
			}
		}
		r.run()
		time.Sleep(time.Second)
		for i := range waiting {
			title := fmt.Sprint("dead", i)
			r.put(item("fr", title, title, "On missiles, number "+fmt.Sprint(i)))
		}
		time.Sleep(time.Minute)
		start := time.Now()
		for i := range each {
			title := fmt.Sprint("fish", i)
			r.put(item("jp", title, title, "On cod, number "+fmt.Sprint(i)))
		}
		time.Sleep(5 * time.Minute)
		ideal := (each - 3) * time.Second
		worst := time.Duration(0)
		for i := range channels - 1 {
			name := fmt.Sprint("c", i)
			if n := len(r.to(name)); n != each {
				t.Fatalf("%s got %d messages, want %d", name, n, each)
			}
			worst = max(worst, at[name].Sub(start))
		}
		t.Logf("%d channels with %d alerts each: the last was done after %v, ideal %v (%.3f times)", channels-1, each, worst, ideal, float64(worst)/float64(ideal))
		if worst > ideal*11/10 {
			t.Errorf("a channel was done after %v, want at most 1.1 times %v", worst, ideal)
		}
	})
}
