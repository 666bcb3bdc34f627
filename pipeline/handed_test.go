package pipeline

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"tocsin"
)

// handing is a rig whose desk refuses the alert that is named refused0 for its form,
// and what was handed on of it.
func handing(t *testing.T, hand func(ctx context.Context, n int) bool) (r *rig, handed func() []string) {
	r = newRig(t, t.TempDir(), missiles())
	r.cfg.Log = quiet
	var mu sync.Mutex
	var got []string
	n := 0
	r.cfg.Hand = func(ctx context.Context, d tocsin.Delivery, _ string) bool {
		mu.Lock()
		n++
		now := n
		mu.Unlock()
		if !hand(ctx, now) {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, d.Alert.First().Title)
		return true
	}
	r.desk.set(func(_ int, d tocsin.Delivery) (bool, error) {
		if d.Alert.First().Title == "refused0" {
			return false, &tocsin.Outcome{Verdict: tocsin.Refused, Code: "bad_form"}
		}
		return true, nil
	})
	return r, func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(got) }
}

func TestHandingOnHoldsUpNoOtherAlert(t *testing.T) {
	for name, hand := range map[string]func(context.Context, int) bool{
		"a mail that panics as the message did": func(context.Context, int) bool { panic("of what the alert says") },
		"a mail server that does not answer":    func(ctx context.Context, _ int) bool { <-ctx.Done(); return false },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, _ := handing(t, hand)
				defer r.close()
				r.run()
				time.Sleep(time.Minute)
				r.tell("refused", 1)
				r.tell("after", 1)
				time.Sleep(30 * time.Second)
				if got := r.desk.received(); !slices.Equal(got, []string{"after0"}) {
					t.Errorf("after half a minute the channel had %q", got)
				}
			})
		})
	}
}

func TestStopDoesNotLoseWhatIsBeingHandedOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, handed := handing(t, func(ctx context.Context, n int) bool {
			if n == 1 {
				<-ctx.Done()
			}
			return n > 1
		})
		defer r.close()
		r.run()
		time.Sleep(time.Minute)
		r.tell("refused", 1)
		time.Sleep(time.Second)
		r.stop()
		r.run()
		time.Sleep(5 * time.Minute)
		if got := handed(); !slices.Equal(got, []string{"refused0"}) {
			t.Errorf("after a stop in the middle %q was handed on", got)
		}
	})
}
