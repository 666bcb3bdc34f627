package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"tocsin"
	"tocsin/notifiers/notifiertest"
	"tocsin/pipeline"
)

// byItself is how the text of a message begins that tells only what happened to alerts
// which a digest told of.
var byItself = regexp.MustCompile(`^(?:\(possible repeat\) )?(?:\*|no new alerts)`)

// alone reports whether m tells of such a change.
func alone(m notifiertest.Message) bool { return m.Thread == "" && byItself.MatchString(m.Text) }

// aMailAlone does so for a mail.
func aMailAlone(m notifiertest.Mail) bool {
	return strings.Contains(m.Header.Get("Subject"), "Re: ") && m.Header.Get("In-Reply-To") == ""
}

// A change is an event of an alert that nobody who was told of it must miss.
type change struct {
	seq   uint64
	alert string
}

// readChanges reads them from ALERTS, and of which alert each event is.
func (a *crashLogs) readChanges(ctx context.Context, b *pipeline.Bus) error {
	a.alertAt = map[uint64]string{}
	s, err := b.JS.Stream(ctx, "ALERTS")
	if err != nil {
		return err
	}
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	for left := s.CachedInfo().State.Msgs; left > 0; left-- {
		m, err := c.Next()
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		var ev pipeline.Event
		if err := json.Unmarshal(m.Data(), &ev); err != nil {
			return err
		}
		seq := meta.Sequence.Stream
		if a.alertAt[seq] = ev.Alert; ev.Kind == tocsin.Withdrawn || ev.Kind == tocsin.Revised && ev.Material {
			a.changes = append(a.changes, change{seq, ev.Alert})
		}
	}
	return nil
}

// changed compares what changed of alerts after a digest told of them with what
// further digests, and messages by themselves, told of it.
func (w *world) changed(a *crashLogs) (lost, twice int) {
	told := map[string]uint64{} // channel and alert -> up to where a digest told of it
	type span struct{ from, to uint64 }
	spans := map[string][]span{}
	key := func(to, alert string) string { return to + " " + alert }
	inDigest := map[string]bool{} // replies that a digest told, by channel, event and message
	reply := func(to string, from uint64, ref string) string { return fmt.Sprint(to, " ", from, " ", ref) }
	for _, d := range a.deliveries {
		for _, from := range d.News {
			inDigest[reply(d.To, from, d.Ref)] = true
		}
	}
	own := func(d pipeline.Delivered) bool { return d.Act == tocsin.Reply && !inDigest[reply(d.To, d.From, d.Ref)] }
	for _, d := range a.deliveries {
		if d.Kind != pipeline.Sent {
			continue
		}
		for _, event := range d.Events {
			told[key(d.To, a.alertAt[event])] = max(d.Rendered, d.Event)
		}
		for _, from := range d.News {
			k := key(d.To, a.alertAt[from])
			spans[k] = append(spans[k], span{from, d.Rendered})
		}
		if own(d) {
			spans[key(d.To, d.Alert)] = append(spans[key(d.To, d.Alert)], span{d.From, d.Event})
		}
	}
	changes := map[string][]uint64{}
	for _, c := range a.changes {
		changes[c.alert] = append(changes[c.alert], c.seq)
	}
	for k, upTo := range told {
		_, alert, _ := strings.Cut(k, " ")
		for _, seq := range changes[alert] {
			if seq <= upTo {
				continue
			}
			w.told++
			n := 0
			for _, s := range spans[k] {
				if s.from <= seq && seq <= s.to {
					n++
				}
			}
			w.note(n != 1, "change %d of alert %s, of which a digest told %s, was told %d times", seq, alert, k, n)
			lost += max(0, 1-n)
			twice += max(0, n-1)
		}
	}
	arrived := w.arrived()
	for _, d := range a.deliveries {
		if d.Kind == pipeline.Sent && (own(d) || len(d.News) > 0) {
			n := arrived[d.Delivery]
			w.note(n != 1, "what delivery %s to %s told arrived %d times", d.Delivery, d.To, n)
			lost += max(0, 1-n)
			twice += max(0, n-1)
		}
	}
	return lost, twice
}

// arrived counts the messages of each delivery, in Slack and by mail.
func (w *world) arrived() map[string]int {
	out := map[string]int{}
	for _, m := range w.slack.Messages("") {
		out[deliveryOf(m)]++
	}
	for _, m := range w.mails() {
		id, _, _ := strings.Cut(strings.Trim(m.ID(), "<>"), "@")
		out[id]++
	}
	return out
}
