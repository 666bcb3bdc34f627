package pipeline

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tocsin"
)

// A lane's goroutine ends at a step, as a kill would end it, while it holds, makes
// up a digest, or tells what a channel missed.
func TestDeathAroundAPolicyLosesAndDoublesNothing(t *testing.T) {
	for _, name := range []string{"digest", "quiet", "fold", "away"} {
		for step := 1; ; step += stride(15) {
			var survived bool
			t.Run(fmt.Sprintf("%s step %d", name, step), func(t *testing.T) {
				bubble(t, func(t *testing.T) { survived = deathUnderAPolicy(t, name, step) })
			})
			if survived || step > 80 {
				break
			}
		}
	}
}

func deathUnderAPolicy(t *testing.T, name string, step int) (survived bool) {
	const n = 7
	until(time.Now().Truncate(time.Hour).Add(70 * time.Minute))
	now := time.Now().UTC()
	plan := map[string]tocsin.Subscription{
		"digest": {Digest: "hourly"},
		"quiet":  {Quiet: now.Add(-time.Hour).Format("15:04") + "-" + now.Add(50*time.Minute).Format("15:04")},
		"fold":   {FoldOver: 3},
		"away":   {FoldOver: -1},
	}[name]
	r := newRig(t, t.TempDir(), planned(plan))
	defer r.close()
	r.cfg.Log = quiet
	switch name {
	case "fold":
		r.desk.answer = func(int, tocsin.Delivery) (bool, error) { return false, &tocsin.Outcome{Verdict: tocsin.Retry} }
	case "away":
		r.desk.answer = archived("desk")
	}
	r.desk.finds, r.desk.edits = true, true
	alive := r.dieAt(step)
	r.run()
	r.tell("held", n)
	time.Sleep(time.Minute)
	if step%2 == 0 { // a death is mended before it is due, or only after that
		r.stop()
		r.run()
	}
	time.Sleep(30 * time.Second)
	r.desk.set(nil)
	time.Sleep(65 * time.Minute)
	survived = alive()
	r.stop()
	r.run()
	time.Sleep(65 * time.Minute)
	got := r.desk.received()
	if once := slices.Compact(slices.Clone(got)); len(once) != len(got) {
		t.Errorf("the channel got %q, some twice", got)
	}
	if told := toldOf(got); told != n {
		t.Errorf("the channel got %q: told of %d, want all %d", got, told, n)
	}
	if name == "digest" && len(got) != 1 {
		t.Errorf("the channel got %q, want one digest", got)
	}
	return survived
}
