package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"tocsin"
	"tocsin/notifiers/notifiertest"
	"tocsin/pipeline"
)

// faults are where what arrived differs from what was published.
type faults struct {
	Lost, Twice int // statements, copies and changes, presses
	IDs         int // mails about one statement with a second Message-ID
	Order       int // messages of a channel
	Decided     int // items that were decided twice
	Miscounted  int // digests that say another number than they tell of
	Unshown     int // cards of acknowledged alerts that do not say so
}

// left is what may still come.
func (f faults) left() int { return f.Lost + f.Unshown }

// crashLogs are what the process's own logs say.
type crashLogs struct {
	stories    []pipeline.Story
	deliveries []pipeline.Delivered
	place      map[int]int      // statement -> its alert's among all
	digests    map[string][]int // delivery -> the statements that it tells of
	changes    []change         // of alerts, in order
	alertAt    map[uint64]string
}

func (w *world) readLogs() *crashLogs {
	b, l := w.open()
	defer b.Close()
	a := &crashLogs{place: map[int]int{}, digests: map[string][]int{}}
	var err error
	if a.stories, err = l.Stories(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	if a.deliveries, err = l.Deliveries(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	if err := a.readChanges(context.Background(), b); err != nil {
		w.t.Fatal(err)
	}
	of := map[string]int{} // by alert
	for i, s := range a.stories {
		if k := statementNamed(s.Alert.First().Title); k != 0 {
			of[s.Alert.ID] = k
			a.place[k] = i
		}
	}
	held := map[string]int{}
	at := func(to string, event uint64) string { return fmt.Sprint(to, " ", event) }
	for _, d := range a.deliveries {
		if d.Alert != "" && d.Events == nil {
			held[at(d.To, d.Event)] = of[d.Alert]
		}
	}
	for _, d := range a.deliveries {
		for _, event := range d.Events {
			a.digests[d.Delivery] = append(a.digests[d.Delivery], held[at(d.To, event)])
		}
	}
	return a
}

func (a *crashLogs) inDigests() (n int) {
	for _, ks := range a.digests {
		n += len(ks)
	}
	return n
}

var numbered = regexp.MustCompile(`Statement (\d{6})`)

// statementNamed is the number of the statement that a text is about, 0 if of none.
func statementNamed(text string) int {
	f := numbered.FindStringSubmatch(text)
	if f == nil {
		return 0
	}
	k, _ := strconv.Atoi(f[1])
	return k
}

// rootOf is the statement whose message m is, 0 for any other.
func rootOf(m notifiertest.Message) int {
	if m.Thread != "" || digestOf(m.Text) > 0 || alone(m) {
		return 0
	}
	return statementNamed(m.Text)
}

// waiting is how many statements have not been told of yet, in Slack or by mail.
func (w *world) waiting() int {
	told, seen := map[string]bool{}, map[string]bool{}
	n := 0
	for _, m := range w.slack.Messages("") {
		if k := rootOf(m); k != 0 {
			told[fmt.Sprint("slack ", k)] = true
		} else if id := deliveryOf(m); !seen[id] {
			seen[id] = true
			n += digestOf(m.Text)
		}
	}
	for _, m := range w.mails() {
		if c := digestOf(m.Header.Get("Subject")); c > 0 {
			n += c
		} else if k := statementNamed(m.Header.Get("Subject")); k != 0 && m.Header.Get("In-Reply-To") == "" && !aMailAlone(m) {
			told[fmt.Sprint("mail ", k)] = true
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(0, 2*len(w.channelOf)-len(told)-n)
}

// mails are those that arrived, each Message-ID once: a mail server cannot be asked
// what it has.
func (w *world) mails() (out []notifiertest.Mail) {
	seen := map[string]bool{}
	for _, m := range w.smtp.Mails() {
		if !seen[m.ID()] {
			seen[m.ID()] = true
			out = append(out, m)
		}
	}
	return out
}

// tells are the statements of which a message tells: its own, or those of a digest.
func (a *crashLogs) tells(root int, delivery, text string) (ks []int, wrong int) {
	if root != 0 {
		return []int{root}, 0
	}
	n := digestOf(text)
	if n == 0 {
		return nil, 0
	}
	if ks = a.digests[delivery]; len(ks) != n {
		wrong = 1
	}
	return ks, wrong
}

// faults compares what was published with what arrived.
func (w *world) faults(a *crashLogs) (f faults) {
	slack, mail := map[int]int{}, map[int]int{}
	w.noted, w.told = nil, 0
	for i := range channels {
		last := -1
		for _, m := range w.slack.Messages(channelID(i)) {
			ks, wrong := a.tells(rootOf(m), deliveryOf(m), m.Text)
			f.Miscounted += wrong
			for _, k := range ks {
				slack[k]++
				if a.place[k] < last {
					w.note(true, "statement %d in channel %d stands behind a later one: %s", k, i, m.Text)
					f.Order++
				}
				last = max(last, a.place[k])
			}
		}
	}
	for _, m := range w.mails() {
		subject := m.Header.Get("Subject")
		root := statementNamed(subject)
		if digestOf(subject) > 0 || m.Header.Get("In-Reply-To") != "" || aMailAlone(m) {
			root = 0
		}
		delivery, _, _ := strings.Cut(strings.Trim(m.ID(), "<>"), "@")
		ks, wrong := a.tells(root, delivery, subject)
		f.Miscounted += wrong
		for _, k := range ks {
			mail[k]++
		}
	}
	w.mu.Lock()
	for k := range w.channelOf {
		w.note(slack[k] != 1 || mail[k] != 1, "statement %d of channel %d: %d messages, %d mails", k, w.channelOf[k], slack[k], mail[k])
		f.Lost += max(0, 1-slack[k]) + max(0, 1-mail[k])
		f.Twice += max(0, slack[k]-1)
		f.IDs += max(0, mail[k]-1)
	}
	w.mu.Unlock()
	untold, toldTwice := w.replies(a)
	unmade, madeTwice, unshown := w.acknowledged(a)
	unchanged, changedTwice := w.changed(a)
	f.Lost += untold + unmade + unchanged
	f.Twice += toldTwice + madeTwice + changedTwice
	f.Unshown, f.Decided = unshown, w.decidedTwice(a)
	return f
}

// decidedTwice counts items that have more than one event of their own.
func (w *world) decidedTwice(a *crashLogs) (n int) {
	seen := map[string]bool{}
	for _, s := range a.stories {
		for _, ev := range s.Events {
			w.note(ev.Kind == tocsin.Merged, "two statements were found to be one: %+v", ev)
			if ev.Copy.Source == "" { // it is of no item
				continue
			}
			key := fmt.Sprintf("%s/%s/%d", ev.Copy.Source, ev.Copy.Item, ev.Copy.Rev)
			if seen[key] && ev.Kind != pipeline.Matched {
				w.note(true, "item %s is decided twice: %+v", key, s.Events)
				n++
			}
			seen[key] = true
		}
	}
	return n
}

// note keeps what a fault is, for the report.
func (w *world) note(fault bool, format string, args ...any) {
	if fault && len(w.noted) < 50 {
		w.noted = append(w.noted, fmt.Sprintf(format, args...))
	}
}
