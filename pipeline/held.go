package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"tocsin"
)

// While all subscriptions that an alert would come by hold it, the lane writes
// held instead of calling the provider, and goes on. When the first of them lets
// go, because a mute or quiet hours end, it takes up what it held, in order and
// before anything newer: up to fewHeld one by one, and more as one digest whose
// record names each of them. What waits for a digest is told in one, however much
// it is, once the lane has come to all that was there when it was due. So a death
// at any point leaves either a held record or an intent, and what was held is sent
// once.

// fewHeld is how many alerts are posted one by one when a mute ends.
const fewHeld = 5

// maxHeld is how many alerts one digest tells of: its record has to fit a message.
const maxHeld = 50_000

// held is a Held record and its place in LEDGER.
type held struct {
	seq uint64
	Record
}

// hold records that what an event calls for waits. An alert that further
// watchlists match while it is held waits for the first of all their
// subscriptions.
func (l *lane) hold(ctx context.Context, ev posted, lists []string) error {
	r := Record{Act: tocsin.Post, Alert: ev.Alert, Event: ev.seq, Seen: ev.Copy.Seen}
	if ev.Kind == Watching {
		r = Record{Act: tocsin.Digest, Event: ev.seq}
	}
	r.Delivery = l.deliveryID(job{act: r.Act, alert: r.Alert, event: r.Event})
	if h, ok := l.held[r.Delivery]; ok {
		all := union(h.Lists, lists)
		if len(all) == len(h.Lists) {
			return nil
		}
		r, lists = h.Record, all
	}
	return l.holdPost(ctx, r, lists)
}

// holdPost records that a post, or the summary of a first reading, waits.
func (l *lane) holdPost(ctx context.Context, r Record, lists []string) error {
	if r.Act == tocsin.Post && r.Came.IsZero() {
		var err error
		if r.Came, err = l.came(ctx, r.Event); err != nil {
			return err
		}
	}
	r.Kind, r.Lists = Held, lists
	r.For = l.view.free(l.dest.Name, lists, r.Came, time.Now()).what
	return l.record(ctx, r)
}

func union(a, b []string) []string {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// heldMeanwhile holds a post that waits for its next try if by now it is muted, in
// quiet hours or for a digest.
func (l *lane) heldMeanwhile(ctx context.Context, w Record) (bool, error) {
	if w.Act != tocsin.Post {
		return false, nil
	}
	if err := l.current(ctx); err != nil {
		return false, err
	}
	lists := l.wanted(w.Alert, w.Event, l.book.matched(w.Alert, w.Event, l.view.subscribed(l.dest.Name, w.Event)))
	if l.unlessHeld(w.Act, lists) != Held {
		return false, nil
	}
	return true, l.holdPost(ctx, w, lists)
}

// released is the call for what nothing holds any more, or else what is due to be
// told in a digest, and when the next is let go.
func (l *lane) released(ctx context.Context) (j *job, due []Record, ends time.Time, err error) {
	if len(l.held) == 0 {
		l.unheld = nil
		return nil, nil, time.Time{}, nil
	}
	if len(l.freed) == 0 && !l.mayBeFree() {
		return nil, nil, l.lookAt, nil
	}
	if err := l.current(ctx); err != nil {
		return nil, nil, time.Time{}, err
	}
	l.unheld = l.view.next()
	l.freed, l.lookAt = l.letGo(time.Now())
	var now []Record
	for _, r := range l.freed {
		switch {
		case r.For != forDigest && r.For != forFold && (r.For != forAway || r.Act != tocsin.Post):
			now = append(now, r)
		case len(due) == 0 || r.For == due[0].For: // the others have their own
			due = append(due, r)
		}
	}
	if len(due) == 1 && due[0].For == forAway { // one alert is told by its own message, which has buttons and a thread
		now, due = append(now, due[0]), nil
		slices.SortFunc(now, func(a, b Record) int { return cmp.Compare(a.Event, b.Event) })
	}
	if len(now) > 0 {
		j, err = l.takeUp(ctx, now)
	}
	return j, due, l.lookAt, err
}

// mayBeFree reports whether something of what is held may have been let go since we
// looked.
func (l *lane) mayBeFree() bool {
	switch {
	case len(l.held) == 0:
		return false
	case l.unheld == nil, !l.lookAt.IsZero() && !time.Now().Before(l.lookAt):
		return true
	}
	select {
	case <-l.unheld:
		return true
	default:
		return false
	}
}

// letGo are the held records that nothing holds at a time, those for a digest with
// For, in order, and when the next is let go.
func (l *lane) letGo(now time.Time) (out []Record, ends time.Time) {
	for _, h := range l.held {
		came := h.Came
		if h.Act == tocsin.Post && came.IsZero() {
			came = h.At
		}
		s := l.view.free(l.dest.Name, h.Lists, came, now)
		if !s.until.IsZero() {
			ends = sooner(ends, s.until)
			continue
		}
		r := h.Record
		switch r.Since = now.UTC(); {
		case s.what == forDigest:
			r.For = forDigest
		case r.For == forDigest:
			r.For = forLifted
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Record) int { return cmp.Compare(a.Event, b.Event) })
	return out, ends
}

// takeUp is the call for what was let go, in order: the first, or a digest of many.
func (l *lane) takeUp(ctx context.Context, all []Record) (*job, error) {
	posts := slices.DeleteFunc(slices.Clone(all), func(r Record) bool { return r.Act != tocsin.Post })
	if len(posts) > fewHeld {
		return l.digestJob(posts), nil
	}
	first := all[0]
	if first.Act == tocsin.Reply {
		return l.heldReply(ctx, first)
	}
	return &job{act: first.Act, alert: first.Alert, event: first.Event, rec: first}, nil
}

func (l *lane) digestJob(all []Record) *job {
	r := l.digestOf(all[:min(len(all), maxHeld)])
	return &job{act: r.Act, event: r.Event, rec: r}
}

// digestOf is a delivery that tells of posts and replies that were held.
func (l *lane) digestOf(all []Record) Record {
	last := all[len(all)-1]
	r := Record{Act: tocsin.Digest, Event: last.Event, Rendered: l.looked, Since: last.Since, For: last.For}
	for _, h := range all {
		if r.Lists = union(r.Lists, h.Lists); h.Act == tocsin.Reply {
			r.News = append(r.News, h.From)
		} else {
			r.Events = append(r.Events, h.Event)
		}
	}
	r.Delivery = deliveryID(Held, fmt.Sprintf("%d-%d", all[0].Event, last.Event), l.dest.Name)
	return r
}

// keep notes a Held record, drop that what it held is settled.
func (l *lane) keep(seq uint64, r Record) {
	l.drop(r.Delivery)
	l.held[r.Delivery] = held{seq, r}
	if r.Act == tocsin.Reply {
		l.replyHeld[r.Alert] = r.Delivery
	}
	if r.For == forFold {
		l.folding++
	}
	l.unheld = nil
}

func (l *lane) drop(delivery string) {
	h := l.held[delivery]
	if h.seq == l.firstHold {
		l.firstHold = 0
	}
	if h.For == forFold {
		l.folding--
	}
	if h.Act == tocsin.Reply && l.replyHeld[h.Alert] == delivery {
		delete(l.replyHeld, h.Alert)
	}
	delete(l.held, delivery)
}

// release applies the end of a digest of what was held: each alert in it was told
// of, and has no message of its own.
func (l *lane) release(r Record) {
	posts, replies := setOf(r.Events), setOf(r.News)
	for id, h := range l.held {
		switch {
		case h.Act == tocsin.Post && posts[h.Event]:
			l.drop(id)
			l.msgs[h.Alert] = &message{parked: true, digested: true, told: max(r.Rendered, r.Event)}
		case h.Act == tocsin.Reply && replies[h.From]:
			l.drop(id)
			m := l.msgs[h.Alert]
			if m == nil { // that digest was before what we have read
				m = &message{parked: true, digested: true}
				l.msgs[h.Alert] = m
			}
			l.answered(m, Record{Kind: r.Kind, Alert: h.Alert, Event: r.Rendered, At: r.At})
		}
	}
}

func setOf(seqs []uint64) map[uint64]bool {
	out := make(map[uint64]bool, len(seqs))
	for _, seq := range seqs {
		out[seq] = true
	}
	return out
}

// heldSummary is what the digest of what was held says.
func (l *lane) heldSummary(ctx context.Context, r Record) (tocsin.Summary, error) {
	s := tocsin.Summary{Muted: true, Held: r.For, Watchlists: r.Lists, Matching: len(r.Events)}
	for _, seq := range slices.Backward(r.Events[max(0, len(r.Events)-newestInSummary):]) {
		ev, err := l.event(ctx, seq)
		if err != nil {
			return s, err
		}
		a, _, err := l.alert(ctx, ev.Alert)
		if err != nil {
			return s, err
		}
		s.Newest = append(s.Newest, a)
	}
	s.Changes = len(r.News)
	for _, seq := range slices.Backward(r.News[max(0, len(r.News)-newestInSummary):]) {
		c, err := l.changed(ctx, seq, r.Rendered)
		if err != nil {
			return s, err
		}
		s.Changed = append(s.Changed, c)
	}
	return s, nil
}

// changed is what happened to an alert, from one event to another, that people must
// not miss.
func (l *lane) changed(ctx context.Context, from, to uint64) (c tocsin.Changed, err error) {
	ev, err := l.event(ctx, from)
	if err != nil {
		return c, err
	}
	if c.Alert, _, err = l.alert(ctx, ev.Alert); err != nil {
		return c, err
	}
	evs, err := l.news(ctx, ev.Alert, from, to)
	for _, ev := range evs {
		if _, loud := l.tells(ev.Event); loud {
			c.News = append(c.News, ev.news())
		}
	}
	return c, err
}

// holding is the LEDGER sequence of the first record that is held, 0 if none is.
func (l *lane) holding() uint64 {
	if l.firstHold == 0 {
		for h := range maps.Values(l.held) {
			if l.firstHold == 0 || h.seq < l.firstHold {
				l.firstHold = h.seq
			}
		}
	}
	return l.firstHold
}

// firstHeld is the LEDGER sequence from which a start reads: l.oldest, or that of
// something older that is held.
func (l *lane) firstHeld(ctx context.Context) (uint64, error) {
	m, err := lastRecord(ctx, l.logs.b, streamLedger, l.subject)
	if err != nil || m == nil {
		return l.oldest, err
	}
	r, err := decode[Record](m.Data)
	if err != nil || r.Holding == 0 {
		return l.oldest, err
	}
	return min(l.oldest, r.Holding), nil
}
