package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tocsin/pipeline"
)

// The crash test kills the real binary at chosen and at random moments, under a
// Slack and a mail server that answer wrongly, while people press buttons and
// digests come due. TOCSIN_KILLS says how often; make torture sets it. With TOCSIN_OFF
// it is a control: what is switched off must be missed.
func TestKilledProcessesLoseNothingAndSendNothingTwice(t *testing.T) {
	t.Parallel()
	kills := number(t, "TOCSIN_KILLS", 8)
	seed := uint64(number(t, "TOCSIN_SEED", int(time.Now().UnixNano()%1e6)))
	t.Logf("TOCSIN_SEED=%d", seed)
	w := newWorld(t, seed, kills >= 20)
	for range kills {
		w.publish()
		w.life()
	}
	w.settle()
	a := w.readLogs()
	f := w.faults(a)
	w.report(a, f)
	if off := os.Getenv("TOCSIN_OFF"); off != "" {
		if f.Lost+f.Twice+f.Decided == 0 {
			t.Errorf("with %s switched off nothing was lost or sent twice: this test shows nothing", off)
		}
		t.Logf("control %s: %d lost, %d sent twice, %d items decided twice", off, f.Lost, f.Twice, f.Decided)
		return
	}
	if f != (faults{}) {
		t.Errorf("%+v\n%s", f, strings.Join(w.noted, "\n"))
		if keep := os.Getenv("TOCSIN_KEEP"); keep != "" { // for who looks into it
			t.Log(os.CopyFS(keep, os.DirFS(filepath.Join(w.dir, "data/jetstream"))))
		}
	}
}

func number(t *testing.T, name string, or int) int {
	s := os.Getenv(name)
	if s == "" {
		return or
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// life is one run that ends by SIGKILL.
func (w *world) life() {
	w.lives++
	backlog := w.waiting() > 0
	w.mu.Lock()
	w.onPost, w.onFeed = 0, 0
	limit := 2 * time.Second
	switch w.rnd.IntN(3) {
	case 0:
		w.onPost = 1 + w.rnd.IntN(15)
	case 1:
		w.onFeed = 1 + w.rnd.IntN(channels)
	default:
		limit = time.Duration(100+w.rnd.IntN(1700)) * time.Millisecond
	}
	w.mu.Unlock()
	done, began := w.start()
	person := make(chan struct{})
	go func() { w.person(); close(person) }()
	select {
	case <-done:
	case <-time.After(limit):
		w.mu.Lock()
		child := w.child
		w.mu.Unlock()
		w.pressAndKill(child)
		<-done
	}
	<-person
	w.mu.Lock()
	first := w.firstPost
	w.child = nil
	w.mu.Unlock()
	if backlog && !first.IsZero() {
		w.resumed = append(w.resumed, first.Sub(began))
	}
	if w.lives < 60 || w.lives%5 == 0 {
		w.look()
	}
}

// look counts at which stage the kill hit, and what became of presses.
func (w *world) look() {
	w.looks++
	b, l := w.open()
	defer b.Close()
	w.lookAtPresses(l)
	ctx := context.Background()
	stories, err := l.Stories(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	decided, open := map[string]bool{}, false
	for _, s := range stories {
		for _, c := range s.Alert.Copies {
			decided[c.Source+c.Item] = true
		}
		open = open || slices.ContainsFunc(s.Deliveries, func(d pipeline.Delivered) bool { return d.Kind == pipeline.Intent })
	}
	if open {
		w.inIntent++
	}
	for i := range channels {
		for r, err := range l.Tail(ctx, feedOf(i), 0) {
			if err != nil {
				w.t.Fatal(err)
			}
			if !decided[r.Item.Source+r.Item.ID] && numbered.MatchString(r.Item.Title) {
				w.inItems++
				return
			}
		}
	}
}

// settle runs without kills until everything has arrived or nothing moves any
// more. What waits for a digest that was just told is let go.
func (w *world) settle() {
	w.look()
	w.mu.Lock()
	w.onPost, w.onFeed = 0, 0 // the last life may have ended without them
	w.mu.Unlock()
	done, began := w.start()
	last, since := faults{}, time.Now()
	for f := last; time.Since(since) < 90*time.Second; time.Sleep(500 * time.Millisecond) {
		if w.pending() > 0 {
			w.press()
			w.watchPresses()
		}
		if !w.released && time.Since(began) > w.untilDue(began) {
			w.release()
		}
		if f.Lost = w.waiting(); f.Lost == 0 && w.released && w.pending() == 0 {
			if f = w.faults(w.readLogs()); f.left() == 0 {
				break
			}
		}
		if f != last || !w.released {
			last, since = f, time.Now()
		}
	}
	time.Sleep(2 * time.Second) // what would come twice comes now
	w.stop(done)
}

// untilDue is how long after the last start digests are kept: if there is time, until
// each daily one came due.
func (w *world) untilDue(began time.Time) time.Duration {
	d := 3 * time.Second
	for _, due := range w.due {
		if w.long {
			d = max(d, 12*time.Second, due.Sub(began)+5*time.Second) // every source was read by then
		}
	}
	return d
}

// release takes the digests out of the configuration of the running process.
func (w *world) release() {
	w.released = true
	w.configure()
	_ = w.child.Process.Signal(syscall.SIGHUP)
}

func (w *world) watchPresses() {
	b, l := w.open()
	defer b.Close()
	w.lookAtPresses(l)
}

func (w *world) report(a *crashLogs, f faults) {
	slices.Sort(w.resumed)
	var p50, most time.Duration
	if n := len(w.resumed); n > 0 {
		p50, most = w.resumed[n/2], w.resumed[n-1]
	}
	slack, mail := 0, 0
	for _, m := range w.slack.Messages("") {
		if digestOf(m.Text) > 0 {
			slack++
		}
	}
	for _, m := range w.mails() {
		if digestOf(m.Header.Get("Subject")) > 0 {
			mail++
		}
	}
	line, _ := json.Marshal(map[string]any{
		"kills": w.lives, "statements": len(w.channelOf), "copies": w.copies, "revisions": w.revisions, "replies": w.answers(),
		"presses": w.pressed.all, "presses_answered": w.pressed.taken, "presses_undone": w.pressed.undone, "presses_when_taken": w.pressed.late,
		"acknowledged": len(w.presses), "mutes": w.pressed.mutes, "other_buttons": w.pressed.others,
		"digests_slack": slack, "digests_mail": mail, "told_in_digests": a.inDigests(), "changed_after_digests": w.told, "slack_calls": len(w.slack.Requests("")),
		"looks": w.looks, "between_intent_and_sent": w.inIntent, "between_items_and_alerts": w.inItems,
		"lost": f.Lost, "twice": f.Twice, "second_message_ids": f.IDs, "out_of_order": f.Order, "decided_twice": f.Decided,
		"miscounted": f.Miscounted, "cards_wrong": f.Unshown, "resumed_p50_ms": p50.Milliseconds(), "resumed_max_ms": most.Milliseconds(),
	})
	w.t.Logf("crash test: %s", line)
	if w.t.Failed() || testing.Verbose() {
		_ = os.WriteFile(filepath.Join(os.TempDir(), "tocsin-crash.log"), w.log.Bytes(), 0o600)
	}
}
