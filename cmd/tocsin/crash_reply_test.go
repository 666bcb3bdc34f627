package main

import (
	"context"
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
		if f := numbered.FindStringSubmatch(m.Text); f != nil && m.Thread == "" {
			of[m.TS], _ = strconv.Atoi(f[1])
		}
	}
	for _, q := range w.slack.Requests("chat.postMessage") {
		f := numbered.FindStringSubmatch(q.Form.Get("text"))
		if f == nil || !q.Applied || q.Form.Get("thread_ts") != "" {
			continue
		}
		k, _ := strconv.Atoi(f[1])
		g := out[k]
		if n := publishedBy.FindStringSubmatch(q.Form.Get("text")); n != nil {
			g.copies, _ = strconv.Atoi(n[1])
			g.copies--
		}
		if n := changesBy.FindStringSubmatch(q.Form.Get("text")); n != nil {
			g.changes, _ = strconv.Atoi(n[1])
		}
		out[k] = g
	}
	for _, m := range w.slack.Messages("") {
		if m.Thread == "" {
			continue
		}
		k := of[m.Thread]
		g := out[k]
		g.copies += strings.Count(m.Text, "also published by")
		g.changes += strings.Count(m.Text, "changed by ") + strings.Count(m.Text, "material change by ")
		out[k] = g
	}
	return out
}

// untold is how many copies Slack does not show yet.
func (w *world) untold() (n int) {
	got := w.grown()
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, want := range w.copiesOf {
		n += max(0, want-got[k].copies)
	}
	return n
}

func (w *world) answers() int { return len(w.threaded()) }

func (w *world) threaded() (out []notifiertest.Message) {
	for _, m := range w.slack.Messages("") {
		if m.Thread != "" {
			out = append(out, m)
		}
	}
	return out
}

// replies compares what became known of each alert with what its thread tells:
// what is not told, and what is told twice, by its words or by its delivery.
func (w *world) replies() (lost, twice int) {
	b, l := w.open()
	defer b.Close()
	got := w.grown()
	count := func(got, want int) {
		lost += max(0, want-got)
		twice += max(0, got-want)
	}
	for _, s := range w.stories(l) {
		f := numbered.FindStringSubmatch(s.Alert.First().Title)
		if f == nil {
			continue
		}
		k, _ := strconv.Atoi(f[1])
		count(got[k].copies, len(s.Alert.Copies)-1)
		count(got[k].changes, s.Alert.Revised)
	}
	ids := map[any]int{}
	for _, m := range w.threaded() {
		if ids[m.Metadata.Payload["id"]]++; ids[m.Metadata.Payload["id"]] > 1 {
			twice++
		}
	}
	deliveries, err := l.Deliveries(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range deliveries {
		if d.Act == tocsin.Reply && d.Kind != pipeline.Sent {
			lost++
		}
	}
	return lost, twice
}
