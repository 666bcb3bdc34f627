package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin"
)

// number is what an environment variable says, or few.
func number(t *testing.T, name string, few int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return few
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number", name, s)
	}
	return n
}

// TestMatcherProcess is a process that matches, of the test below.
func TestMatcherProcess(t *testing.T) {
	dir := os.Getenv("TOCSIN_MATCHER")
	if dir == "" {
		t.Skip("it is started by another test")
	}
	b := must(Dial(t.Context(), dir, quiet))
	_ = Run(t.Context(), must(OpenLogs(t.Context(), b)), Config{Match: true, Log: quiet})
}

// matchers keeps n matching processes alive and kills each at random, kills times.
func matchers(ctx context.Context, t *testing.T, dir string, n, kills int, d *dice) int {
	var killed atomic.Int64
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for left := kills; ctx.Err() == nil; left-- {
				c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestMatcherProcess$")
				c.Env = append(os.Environ(), "TOCSIN_MATCHER="+dir)
				if err := c.Start(); err != nil {
					t.Error(err)
					return
				}
				if left > 0 {
					kill := time.AfterFunc(100*time.Millisecond+d.duration(800*time.Millisecond), func() {
						if ctx.Err() == nil && c.Process.Kill() == nil {
							killed.Add(1)
						}
					})
					_ = c.Wait()
					kill.Stop()
					continue
				}
				_ = c.Wait()
			}
		})
	}
	wg.Wait()
	return int(killed.Load())
}

var raceSources = []string{"fr", "jp", "us", "kr"}

func raceItem(source string, n int) tocsin.Item {
	it := item(source, fmt.Sprint("s", n), fmt.Sprint("Statement of ", source, " ", n), strings.Repeat(fmt.Sprintf("Ministers of group w%dx%d spoke of missiles in hall q%d. ", n, n*7, n*31), 6))
	it.Rev, it.Seen = 1, time.Now().UTC()
	return it
}

func (r *rig) race(ctx context.Context, statements, kills int, d *dice) (killed int) {
	run, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { killed = matchers(run, r.t, r.srv.config.Dir, 4, (kills+3)/4, d) })
	wg.Go(func() { r.people(run, d) })
	for from := 0; from < statements; from += 20 {
		for _, s := range raceSources {
			last, err := lastSeq(ctx, r.srv.Bus(), streamItems, "items."+s)
			r.ok(err)
			var items []tocsin.Item
			for n := from; n < min(from+20, statements); n++ {
				items = append(items, raceItem(s, n))
			}
			_, err = r.logs.Append(ctx, s, last, items)
			r.ok(err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	end := time.Now().Add(4 * time.Minute)
	for time.Now().Before(end) {
		_, waiting, err := r.logs.Matching(ctx)
		if err == nil && waiting == 0 && len(r.events()) > statements {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	stop()
	wg.Wait()
	return killed
}

// people split alerts and merge what they parted while others decide.
func (r *rig) people(ctx context.Context, d *dice) {
	by := Correction{By: "ada"}
	for n := 0; ctx.Err() == nil; n++ {
		for _, s := range must(r.logs.Stories(r.t.Context())) {
			if len(s.Alert.Copies) < 3 || s.Alert.Into != "" || len(s.Alert.Apart) > 0 || !d.chance(20) {
				continue
			}
			last := s.Alert.Copies[len(s.Alert.Copies)-1]
			id, err := r.logs.Split(ctx, by, s.Alert.ID, nil, []string{last.Source})
			if err == nil && d.chance(50) {
				err = r.logs.Merge(ctx, by, id, s.Alert.ID)
			}
			if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
				r.t.Errorf("people: %v", err)
			}
		}
		_ = pause(ctx, 100*time.Millisecond)
	}
}

// TestFourMatchersThatAreKilledDecideEachItemOnce takes TOCSIN_STATEMENTS and
// TOCSIN_KILLS for more.
func TestFourMatchersThatAreKilledDecideEachItemOnce(t *testing.T) {
	statements, kills := number(t, "TOCSIN_STATEMENTS", 100), number(t, "TOCSIN_KILLS", 4)
	dir, err := os.MkdirTemp("", "race") // short: a socket's name is bounded
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	r := newRig(t, dir, missiles())
	defer r.close()
	r.ok(r.srv.Serve())
	killed := r.race(t.Context(), statements, kills, newDice(1))
	r.decidedOnce(statements)
	n := len(r.events())
	r.ok(r.logs.items.DeleteConsumer(t.Context(), matchConsumer)) // all of it comes again
	r.cfg.Send, r.cfg.Log = false, quiet
	r.run()
	last := must(r.logs.items.Info(t.Context())).State.LastSeq
	time.Sleep(time.Second)
	r.ok(r.logs.matched(t.Context(), last))
	r.stop()
	if again := len(r.events()); again != n {
		t.Errorf("a restart that gets all items again stored %d events more", again-n)
	}
	t.Logf("%d statements, %d events, %d kills", statements, n, killed)
	if killed == 0 {
		t.Error("no process was killed: this proves nothing")
	}
}

func (r *rig) decidedOnce(statements int) {
	r.t.Helper()
	opened, handled := map[string]int{}, map[string]int{}
	for _, ev := range r.events() {
		switch ev.Kind {
		case Opened:
			opened[ev.Copy.Item]++
			fallthrough
		case Copied:
			handled[ev.Copy.Source+"/"+ev.Copy.Item]++
		}
	}
	in := map[string]int{}
	for _, s := range must(r.logs.Stories(r.t.Context())) {
		for _, c := range s.Alert.Copies {
			if s.Alert.Into == "" {
				in[c.Source+"/"+c.Item]++
			}
		}
	}
	for n := range statements {
		id := fmt.Sprint("s", n)
		if opened[id] != 1 {
			r.t.Errorf("statement %s opened %d alerts", id, opened[id])
		}
		for _, s := range raceSources {
			if key := s + "/" + id; handled[key] != 1 || in[key] != 1 {
				r.t.Errorf("%s was decided %d times and is in %d alerts", key, handled[key], in[key])
			}
		}
	}
}
