package pipeline

import (
	"testing"
	"time"

	"tocsin"
)

// fishToo is planned, with a second watchlist that the desk has by another plan.
func fishToo(missiles, fish tocsin.Subscription) Provision {
	p := planned(missiles)
	p.Watchlists = append(p.Watchlists, tocsin.Watchlist{Name: "fish", Query: "cod"})
	fish.Watchlist, fish.To = "fish", "desk"
	p.Subscriptions = append(p.Subscriptions, fish)
	return p
}

// A lane that looks again and again does not let the clock of the bubble go on.
func TestLaneSleepsWhileAPostWaitsAndWATCHMoves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), fishToo(tocsin.Subscription{Digest: "daily 08:00"}, tocsin.Subscription{}))
		defer r.close()
		r.cfg.Log = quiet
		r.run()
		r.tell("held", 1)
		r.desk.set(func(int, tocsin.Delivery) (bool, error) { return false, &tocsin.Outcome{Verdict: tocsin.Retry} })
		r.put(item("fr", "cod", "cod", "On cod."))
		time.Sleep(90 * time.Second) // it waits for minutes now
		r.ok(r.logs.Mute(t.Context(), "ada", "missiles", "desk", time.Now().Add(time.Hour)))
		time.Sleep(time.Hour)
		r.desk.set(nil)
		time.Sleep(time.Hour)
		if got := r.desk.received(); len(got) == 0 || got[0] != "cod" {
			t.Errorf("the channel got %q", got)
		}
	})
}
