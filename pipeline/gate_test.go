package pipeline

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin"
)

func TestRevokedTokenStopsItsWorkspaceAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := missiles()
		p.Destinations, p.Subscriptions = nil, nil
		for i := range 20 {
			for _, w := range []string{"one", "two"} {
				name := fmt.Sprint(w, i)
				p.Destinations = append(p.Destinations, tocsin.Destination{Name: name, Kind: "slack", To: "C" + name, Workspace: w})
				p.Subscriptions = append(p.Subscriptions, tocsin.Subscription{Watchlist: "missiles", To: name, FoldOver: -1})
			}
		}
		r := newRig(t, t.TempDir(), p)
		defer r.close()
		r.cfg.Log = quiet
		var mu sync.Mutex
		var told []string
		var calls atomic.Int32
		r.cfg.Report = func(key, text string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, key+": "+text)
		}
		r.cfg.Clear = func(string) {}
		r.desk.answer = func(_ int, d tocsin.Delivery) (bool, error) {
			if d.To.Workspace == "one" {
				calls.Add(1)
				return false, &tocsin.Outcome{Verdict: tocsin.Install, Code: "token_revoked"}
			}
			return true, nil
		}
		r.run()
		time.Sleep(time.Minute)
		r.tell("news", 3)
		time.Sleep(6 * time.Hour)
		if n := calls.Load(); n > 110 { // 20 lanes by themselves would make 1,500
			t.Errorf("%d calls with a revoked token in six hours, want one lane's", n)
		}
		mu.Lock()
		if len(told) != 1 || !strings.Contains(told[0], "slack workspace one") || !strings.Contains(told[0], "token_revoked") {
			t.Errorf("operators were told %q, want one notice of workspace one", told)
		}
		mu.Unlock()
		for _, d := range must(r.logs.Deliveries(t.Context())) {
			if d.Kind == Parked || d.Attempt > 0 {
				t.Errorf("delivery to %s is %s after %d attempts: a revoked token burnt it", d.To, d.Kind, d.Attempt)
			}
		}
		if n := len(r.to("two7")); n != 3 {
			t.Errorf("a channel of the other workspace got %d messages, want 3", n)
		}
		r.desk.set(nil)
		time.Sleep(6 * time.Minute)
		for i := range 20 {
			if n := len(r.to(fmt.Sprint("one", i))); n != 3 {
				t.Errorf("channel one%d got %d messages once the token works, want 3", i, n)
			}
		}
	})
}

func TestChannelsOfAWorkspaceShareItsEdits(t *testing.T) {
	start := time.Now()
	g := &gates{}
	if at := g.take("slack.", tocsin.Edit, time.Hour, 2); !at.IsZero() {
		t.Errorf("the first has to wait until %v", at)
	}
	g.take("slack.", tocsin.Edit, time.Hour, 2)
	if at := g.take("slack.", tocsin.Edit, time.Hour, 2); at.Sub(start).Round(time.Minute) != time.Hour {
		t.Errorf("the third has to wait %v, want an hour", at.Sub(start))
	}
	if at := g.take("slack.other", tocsin.Edit, time.Hour, 2); !at.IsZero() {
		t.Error("another workspace has to wait too")
	}
	g.pauseAct("slack.other", tocsin.Edit, 3*time.Hour, time.Hour, 2)
	if at := g.take("slack.other", tocsin.Edit, time.Hour, 2); at.Sub(start).Round(time.Minute) != 3*time.Hour {
		t.Errorf("after a rate limit it has to wait %v, want three hours", at.Sub(start))
	}
	if at := g.take("slack.other", tocsin.Edit, time.Hour, 2+promptEdits); at.Sub(start).Round(time.Minute) != 3*time.Hour {
		t.Errorf("after a rate limit one that somebody waits for has to wait %v, want three hours", at.Sub(start))
	}
}

func TestAcknowledgementIsShownBeforeOtherEdits(t *testing.T) {
	t.Run("of a message that was not edited before", func(t *testing.T) { acknowledgedAmongEdits(t, time.Minute) })
	t.Run("of one that was edited just now", func(t *testing.T) { acknowledgedAmongEdits(t, 0) })
}

// acknowledgedAmongEdits acknowledges one of ten alerts that all wait for an edit: one
// that was edited first, if that is not long ago.
func acknowledgedAmongEdits(t *testing.T, after time.Duration) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.desk.edits, r.desk.rate = true, Traits{EditEvery: time.Hour, EditBurst: 1}
		r.run()
		time.Sleep(time.Minute)
		r.tell("news", 10)
		for i := range 10 {
			r.put(item("jp", fmt.Sprint(i), fmt.Sprint("news", i), "On missiles."))
		}
		edits := func() (out []string) {
			for _, d := range r.desk.all() {
				if d.Kind == tocsin.Edit {
					out = append(out, d.Alert.First().Title+" "+d.Alert.Acknowledged.By)
				}
			}
			return out
		}
		for len(edits()) == 0 {
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(after)
		first := edits()
		if len(first) != 1 {
			t.Fatalf("%d edits at once: %q", len(first), first)
		}
		pressed := "news9"
		if after == 0 {
			pressed, _, _ = strings.Cut(first[0], " ")
		}
		must(r.logs.Acknowledge(t.Context(), "slack:T1:U1", "", idOf("fr", pressed)))
		time.Sleep(6 * time.Second)
		if got := edits(); len(got) != 2 || got[1] != pressed+" slack:T1:U1" {
			t.Errorf("six seconds after a press the edits were %q", got)
		}
	})
}
