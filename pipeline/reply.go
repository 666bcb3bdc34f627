package pipeline

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tocsin"
)

// A reply stands beneath an alert's message and tells what happened since that
// was sent, or since the last reply. Its record names the first and the last event
// that it tells of before it is sent, so that a second attempt tells the same.

const (
	replyAfter = 5 * time.Second  // a copy waits this long for others to be told with it
	replyEvery = 30 * time.Second // between replies to one message that nobody must see at once
)

// owed is an event that a reply has to tell of.
type owed struct {
	seq  uint64
	at   time.Time
	loud bool
}

// tells reports whether a reply tells of an event, and whether all who follow the
// destination are to see it.
func (l *lane) tells(ev Event) (tell, loud bool) {
	switch loud = ev.Kind == Withdrawn || ev.Kind == Revised && ev.Material; {
	case loud && !ev.Copy.Report:
		return l.traits.Threads || l.traits.Answers, true
	case ev.Kind == Merged: // where messages are edited they say so themselves
		return l.traits.Answers && !l.traits.Edits, false
	case ev.Kind == Copied, ev.Kind == Revised, ev.Kind == Withdrawn, ev.Kind == Matched:
		return l.traits.Threads, false
	}
	return false, false
}

// owe notes what is to be told beneath the message m, or by itself where a digest
// told of the alert and people must not miss it. A message that was never sent is not
// answered: when it is, it shows everything.
func (l *lane) owe(ev posted, m *message) {
	tell, loud := l.tells(ev.Event)
	if !tell || m.ref == "" && !(m.digested && loud) || ev.seq <= m.told || ev.Kind == Merged && l.goesOn(ev, m) {
		return
	}
	os := l.owing[ev.Alert]
	if !slices.ContainsFunc(os, func(o owed) bool { return o.seq == ev.seq }) {
		l.owing[ev.Alert] = append(os, owed{ev.seq, ev.At, loud})
	}
}

// loudReply is the reply for an alert if it tells of what people must not miss,
// and no earlier one waits for its next try.
func (l *lane) loudReply(ctx context.Context, alert string) (*job, error) {
	os := l.owing[alert]
	if len(os) == 0 || !os[len(os)-1].loud || l.msgs[alert].reply != nil {
		return nil, nil
	}
	return l.replyNow(ctx, alert)
}

// nextReply is the reply that is due now, or else when the first is due.
func (l *lane) nextReply(ctx context.Context) (*job, time.Time, error) {
	for {
		var first string
		var due time.Time
		for id, os := range l.owing {
			at := l.replyDue(id)
			if first == "" || at.Before(due) || at.Equal(due) && os[0].seq < l.owing[first][0].seq {
				first, due = id, at
			}
		}
		if first == "" || time.Now().Before(due) {
			return nil, due, nil
		}
		if j, err := l.replyNow(ctx, first); j != nil || err != nil {
			return j, due, err
		}
	}
}

func (l *lane) replyDue(alert string) time.Time {
	m, os := l.msgs[alert], l.owing[alert]
	switch {
	case m.reply != nil:
		return m.reply.Next
	case slices.ContainsFunc(os, func(o owed) bool { return o.loud }):
		return os[0].at
	}
	return later(os[0].at.Add(replyAfter), m.replied.Add(replyEvery))
}

// replyNow is the call that tells what is owed, or nil where a mute holds it.
func (l *lane) replyNow(ctx context.Context, alert string) (*job, error) {
	os := l.owing[alert]
	last := os[len(os)-1].seq
	j := &job{act: tocsin.Reply, alert: alert, event: last, from: os[0].seq}
	for _, o := range os {
		j.aloud = j.aloud || o.loud
	}
	held := l.heldFrom(alert)
	if held != 0 {
		j.from = min(j.from, held)
	}
	if r := l.msgs[alert].reply; r != nil {
		j.event, j.from, j.aloud, j.rec = r.Event, r.From, r.Aloud, *r
	}
	if err := l.current(ctx); err != nil {
		return nil, err
	}
	lists := l.book.matched(alert, last, l.view.subscribed(l.dest.Name, last))
	if wanted := l.wanted(alert, last, lists); len(wanted) > 0 { // it did not come by the others
		lists = wanted
	}
	as := tocsin.Reply
	if l.msgs[alert].digested { // digests go on to tell of it
		as = tocsin.Post
	}
	if l.unlessHeld(as, lists) != Held {
		return j, nil
	}
	if as == tocsin.Post {
		var err error
		if j.rec.Came, err = l.came(ctx, os[0].seq); err != nil {
			return nil, err
		}
	}
	return nil, l.holdReply(ctx, *j, lists)
}

// heldFrom is the first event of the reply for an alert that a mute holds, or 0.
func (l *lane) heldFrom(alert string) uint64 {
	return l.held[l.replyHeld[alert]].From
}

// holdReply records that a reply waits for the end of a mute. What happens until
// then is told with it.
func (l *lane) holdReply(ctx context.Context, j job, lists []string) error {
	r := j.rec
	if r.Delivery == "" {
		r.Act, r.Alert, r.Event, r.From, r.Delivery = j.act, j.alert, j.from, j.from, l.deliveryID(j)
	}
	if h, ok := l.held[r.Delivery]; ok {
		all := union(h.Lists, lists)
		if len(all) == len(h.Lists) {
			delete(l.owing, j.alert)
			return nil
		}
		r, lists = h.Record, all
	}
	r.Kind, r.Lists, r.For = Held, lists, l.view.free(l.dest.Name, lists, r.Came, time.Now()).what
	delete(l.owing, j.alert) // or the record would say that it is not settled
	if err := l.record(ctx, r); err != nil {
		return err
	}
	l.msgs[j.alert].reply = nil
	return nil
}

// heldReply is the call for a reply that no mute holds any more: it tells of all
// that happened until now.
func (l *lane) heldReply(ctx context.Context, r Record) (*job, error) {
	if l.msgs[r.Alert] == nil {
		if err := l.recall(ctx); err != nil {
			return nil, err
		}
	}
	evs, err := l.news(ctx, r.Alert, r.From, max(l.looked, r.Event))
	if err != nil {
		return nil, err
	}
	if len(evs) == 0 || l.msgs[r.Alert] == nil {
		r.Kind, l.unheld = Skipped, nil // what else was let go is looked for at once
		return nil, l.record(ctx, r)
	}
	r.Event, r.Aloud = evs[len(evs)-1].seq, false
	for _, ev := range evs {
		_, loud := l.tells(ev.Event)
		r.Aloud = r.Aloud || loud
	}
	return &job{act: r.Act, alert: r.Alert, event: r.Event, from: r.From, aloud: r.Aloud, rec: r}, nil
}

// news are the events of an alert that a reply tells of, from one to another.
func (l *lane) news(ctx context.Context, alert string, from, to uint64) ([]posted, error) {
	evs, ok := l.book.between(alert, from, to)
	if !ok {
		past, err := l.logs.eventsOf(ctx, alert, to+1)
		if err != nil {
			return nil, err
		}
		evs = slices.DeleteFunc(past, func(ev posted) bool { return ev.seq < from })
	}
	return slices.DeleteFunc(evs, func(ev posted) bool { tell, _ := l.tells(ev.Event); return !tell }), nil
}

func (ev Event) news() tocsin.News {
	n := tocsin.News{Kind: ev.Kind, At: ev.At, Copy: ev.Copy, Changes: ev.Changes, Material: ev.Material, Other: ev.Other}
	if ev.Kind != Copied { // why an item is a copy stands with the copy
		n.Why = ev.Reason
	}
	return n
}

// reply completes a delivery that answers a message.
func (l *lane) reply(ctx context.Context, r *Record, d *tocsin.Delivery) error {
	evs, err := l.news(ctx, r.Alert, r.From, r.Event)
	if err != nil {
		return err
	}
	for _, ev := range evs {
		d.News = append(d.News, ev.news())
		r.Seen = ev.At // the item may have been seen long before
	}
	if m := l.msgs[r.Alert]; m != nil {
		r.Under = cmp.Or(m.ref, r.Under)
		if d.Alert.Title, err = l.firstTitle(ctx, m, d.Alert.Title); err != nil {
			return err
		}
	}
	d.Aloud = r.Aloud
	if r.Aloud && time.Since(r.Seen) > time.Minute {
		if d.Late, err = l.lateReason(ctx, *r); err != nil {
			return err
		}
	}
	if r.Root = r.Root || r.Under == ""; !r.Root {
		d.Ref = r.Under
	}
	return nil
}

// answered applies the end of a reply to the message m.
func (l *lane) answered(m *message, r Record) {
	m.ref, m.told, m.reply = cmp.Or(m.ref, r.Under), max(m.told, r.Event), nil
	if r.Kind == Sent {
		m.replied = r.At
	}
	rest := slices.DeleteFunc(l.owing[r.Alert], func(o owed) bool { return o.seq <= m.told })
	if l.owing[r.Alert] = rest; len(rest) == 0 {
		delete(l.owing, r.Alert)
	}
}

// postponeReply puts off a reply until its next try.
func (l *lane) postponeReply(r Record) {
	l.replays = slices.DeleteFunc(l.replays, func(id string) bool { return id == r.Delivery })
	l.drop(r.Delivery)
	m := l.msgs[r.Alert]
	if m == nil { // it was posted before what we have read
		m = &message{told: r.From - 1, parked: r.ofDigested(), digested: r.ofDigested()}
		l.msgs[r.Alert] = m
	}
	m.ref, m.reply = cmp.Or(m.ref, r.Under), &r
	if len(l.owing[r.Alert]) == 0 {
		l.owing[r.Alert] = []owed{{r.From, r.At, r.Aloud}}
	}
}

// between are the events of an alert from one sequence to another; false if the
// book does not go back that far.
func (b *book) between(alert string, from, to uint64) ([]posted, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.events) == 0 || b.events[0].seq > from {
		return nil, false
	}
	i, _ := slices.BinarySearchFunc(b.events, from, bySeq)
	var out []posted
	for _, ev := range b.events[i:] {
		if ev.seq > to {
			break
		}
		if ev.Alert == alert {
			out = append(out, ev)
		}
	}
	return out, true
}
