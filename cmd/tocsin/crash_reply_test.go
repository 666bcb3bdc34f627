package main

import (
	"regexp"
	"strconv"
	"strings"

	"tocsin"
	"tocsin/notifiers/notifiertest"
	"tocsin/pipeline"
)

// grown is what Slack shows of how an alert grew: with its first message, and in
// the thread of that.
type grown struct {
	copies, changes int
}

var (
	publishedBy = regexp.MustCompile(`published by (\d+): `)
	changesBy   = regexp.MustCompile(`(\d+) changes? by its publishers`)
)

// grown reads, for each statement, what the post of it said as it came, and what
// replies told afterwards.
func (w *world) grown() map[int]grown {
	out, of := map[int]grown{}, map[string]int{} // ts -> statement
	for _, m := range w.slack.Messages("") {
		if k := rootOf(m); k != 0 {
			of[m.TS] = k
		}
	}
	for _, q := range w.slack.Requests("chat.postMessage") {
		text := q.Form.Get("text")
		k := statementNamed(text)
		if k == 0 || digestOf(text) > 0 || !q.Applied || q.Form.Get("thread_ts") != "" || byItself.MatchString(text) {
			continue
		}
		g := out[k]
		if n := publishedBy.FindStringSubmatch(text); n != nil {
			g.copies, _ = strconv.Atoi(n[1])
			g.copies--
		}
		if n := changesBy.FindStringSubmatch(text); n != nil {
			g.changes, _ = strconv.Atoi(n[1])
		}
		out[k] = g
	}
	for _, m := range w.threaded() {
		k := of[m.Thread]
		g := out[k]
		g.copies += strings.Count(m.Text, "also published by")
		g.changes += strings.Count(m.Text, "changed by ") + strings.Count(m.Text, "material change by ")
		out[k] = g
	}
	return out
}

func (w *world) answers() int { return len(w.threaded()) }

// threaded are the replies that tell of what happened to alerts.
func (w *world) threaded() (out []notifiertest.Message) {
	for _, m := range w.slack.Messages("") {
		if m.Thread != "" && deliveryOf(m) != "" {
			out = append(out, m)
		}
	}
	return out
}

// replies compares what became known of each alert with what its thread tells:
// what is not told, and what is told twice, by its words or by its delivery. What a
// digest told of has no thread.
func (w *world) replies(a *crashLogs) (lost, twice int) {
	got := w.grown()
	count := func(got, want int) {
		lost += max(0, want-got)
		twice += max(0, got-want)
	}
	for _, s := range a.stories {
		if g, ok := got[statementNamed(s.Alert.First().Title)]; ok {
			w.note(g != (grown{len(s.Alert.Copies) - 1, s.Alert.Revised}), "%s: its thread tells of %+v, there are %d copies and %d changes: %+v", s.Alert.First().Title, g, len(s.Alert.Copies), s.Alert.Revised, s.Deliveries)
			count(g.copies, len(s.Alert.Copies)-1)
			count(g.changes, s.Alert.Revised)
		}
	}
	ids := map[string]int{}
	for _, m := range w.threaded() {
		if ids[deliveryOf(m)]++; ids[deliveryOf(m)] > 1 {
			twice++
		}
	}
	for _, d := range a.deliveries {
		if d.Act == tocsin.Reply && d.Kind != pipeline.Sent {
			w.note(true, "reply not sent: %+v", d)
			lost++
		}
	}
	return lost, twice
}
