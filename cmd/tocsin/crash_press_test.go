package main

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"tocsin/notifiers/notifiertest"
	"tocsin/pipeline"
)

// People press buttons of cards while the process runs and right before it is
// killed. Slack has its answer once the act is stored, so no kill undoes a press that
// was answered; one that was not is pressed again.

const (
	ann = "U1ANN000" // who presses first, until it counts
	bob = "U2BOB000" // who presses when Ann has the alert already
)

// A buttonPress is what became of the button Acknowledge of an alert.
type buttonPress struct {
	alert, channel, ts string
	took               bool // the last press was answered
	by                 string
}

// A pressCount is what people did.
type pressCount struct {
	all, taken, undone, late, mutes, others int
}

var (
	ackButton  = regexp.MustCompile(`"action_id":"tocsin_acknowledge"[^}]*?"value":"([^"]+)"`)
	muteButton = regexp.MustCompile(`"value":"(C\w+ w\d+) 2h"`)
)

// click sends what Slack sends when a person clicks, and reports whether it was
// taken.
func (w *world) click(user string, m notifiertest.Message, action, value string) (name string, taken bool) {
	w.mu.Lock()
	w.clicks++
	name = fmt.Sprint("click", w.clicks)
	w.mu.Unlock()
	payload := w.slack.Click(name, user, m.Channel, m.TS, action, value)
	q, err := notifiertest.Signed("http://"+w.public+"/slack/app", crashSecret, "interactive", payload, time.Now())
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	resp, err := http.DefaultClient.Do(q.WithContext(ctx))
	if err != nil {
		return name, false
	}
	resp.Body.Close()
	return name, resp.StatusCode == http.StatusOK
}

// card is a message about an alert, one of the newest of a channel, and its alert.
func (w *world) card(channels int) (m notifiertest.Message, alert string) {
	w.mu.Lock()
	in, back := channelID(w.rnd.IntN(channels)), w.rnd.IntN(12)
	w.mu.Unlock()
	for _, c := range slices.Backward(w.slack.Messages(in)) {
		f := ackButton.FindSubmatch(c.Blocks)
		if f == nil {
			continue
		}
		m, alert = c, string(f[1])
		if back--; back < 0 {
			break
		}
	}
	return m, alert
}

// press presses Acknowledge: again where that came to nothing, else on a card.
func (w *world) press() {
	w.mu.Lock()
	i := slices.IndexFunc(w.presses, func(p *buttonPress) bool { return p.by == "" })
	var p *buttonPress
	if i >= 0 && (len(w.presses) < 3 || w.rnd.IntN(2) == 0) {
		p = w.presses[i]
	}
	w.mu.Unlock()
	user := ann
	if p == nil {
		m, alert := w.card(channels)
		if alert == "" {
			return
		}
		w.mu.Lock()
		if i := slices.IndexFunc(w.presses, func(p *buttonPress) bool { return p.alert == alert }); i >= 0 {
			p = w.presses[i]
		} else {
			p = &buttonPress{alert: alert, channel: m.Channel, ts: m.TS}
			w.presses = append(w.presses, p)
		}
		w.mu.Unlock()
	}
	w.mu.Lock()
	if p.by != "" {
		user = bob
	} else if p.took { // it may come to be yet: only the end of the process shows that it did not
		w.mu.Unlock()
		return
	}
	w.mu.Unlock()
	_, taken := w.click(user, notifiertest.Message{Channel: p.channel, TS: p.ts}, "tocsin_acknowledge", p.alert)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pressed.all++
	if taken {
		w.pressed.taken++
	}
	switch {
	case user == bob:
		w.pressed.late++
	default:
		p.took = p.took || taken
	}
}

// lookAtPresses notes which presses came to be. What was answered and did not is a fault.
func (w *world) lookAtPresses(l *pipeline.Logs) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.presses {
		if p.by != "" {
			continue
		}
		a, err := l.Alert(context.Background(), p.alert)
		if err != nil {
			w.t.Fatal(err)
		}
		if p.by = a.Acknowledged.By; p.by == "" && p.took && w.child == nil {
			w.pressed.undone++
			p.took = false
		}
	}
}

// pressAndKill presses a button, perhaps, and kills before its act can be done, or
// while it is, or after.
func (w *world) pressAndKill(child *exec.Cmd) {
	w.mu.Lock()
	press, wait := w.rnd.IntN(2) == 0, time.Duration(w.rnd.IntN(8000))*time.Microsecond
	w.mu.Unlock()
	if press {
		w.press()
		time.Sleep(wait)
	}
	if child != nil {
		_ = child.Process.Kill()
	}
}

// person uses the buttons during a life, from some time after its start on.
func (w *world) person() {
	w.mu.Lock()
	after, what := time.Duration(300+w.rnd.IntN(1000))*time.Millisecond, w.rnd.IntN(24)
	w.mu.Unlock()
	time.Sleep(after)
	switch {
	case what < 3 && w.long:
		w.mute()
	case what == 3, what == 4:
		m, alert := w.card(channels)
		if alert == "" {
			return
		}
		w.click(bob, m, map[int]string{3: "tocsin_why", 4: "tocsin_not_relevant"}[what], alert)
		w.mu.Lock()
		w.pressed.others++
		w.mu.Unlock()
	default:
		w.press()
	}
}

// mute asks for what a card offers, and takes it for a minute rather than two hours.
func (w *world) mute() {
	m, alert := w.card(hourlyChannel)
	if alert == "" {
		return
	}
	name, taken := w.click(bob, m, "tocsin_mute_similar", alert)
	for start := time.Now(); taken && time.Since(start) < time.Second; time.Sleep(10 * time.Millisecond) {
		for _, answer := range w.slack.Answers(name) {
			if f := muteButton.FindSubmatch(answer); f != nil {
				if _, taken := w.click(bob, m, "tocsin_mute_for_0", string(f[1])+" 1m"); taken {
					w.mu.Lock()
					w.pressed.mutes++
					w.mu.Unlock()
				}
				return
			}
		}
	}
}

// pending is how many presses have not come to be.
func (w *world) pending() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.presses {
		if p.by == "" {
			n++
		}
	}
	return n
}

// acknowledged compares what people pressed with ALERTS and with what Slack shows:
// presses that never came to be; alerts that were acknowledged twice, or by another
// than who was first; and cards that do not say so.
func (w *world) acknowledged(a *crashLogs) (lost, twice, unshown int) {
	by, text := map[string][]string{}, map[string]string{}
	for _, s := range a.stories {
		for _, ev := range s.Events {
			if ev.Kind == pipeline.Acknowledged {
				by[s.Alert.ID] = append(by[s.Alert.ID], ev.By)
			}
		}
	}
	for _, m := range w.slack.Messages("") {
		if m.Thread == "" {
			text[m.Channel+m.TS] = m.Text
		}
	}
	lost = w.pressed.undone
	w.note(lost > 0, "%d presses were answered and came to nothing", lost)
	for _, p := range w.presses {
		if len(by[p.alert]) == 0 {
			lost++
			w.note(true, "the press on alert %s came to nothing", p.alert)
			continue
		}
		twice += len(by[p.alert]) - 1
		if by[p.alert][0] != p.by || !strings.HasSuffix(p.by, ann) {
			twice++
		}
		if !strings.Contains(text[p.channel+p.ts], "acknowledged by Slack user "+ann) {
			unshown++
		}
		delete(by, p.alert)
	}
	return lost, twice + len(by), unshown // by: what nobody pressed
}
