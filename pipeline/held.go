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

// While all subscriptions that an alert would come by are muted, the lane writes
// held instead of calling the provider, and goes on. When the first of those
// mutes ends it takes up what it held, in order and before anything newer: up to
// fewHeld one by one, and more as one digest whose record names each of them. So
// a death at any point leaves either a held record or an intent, and what was
// held is sent once.

// fewHeld is how many alerts are posted one by one when a mute ends.
const fewHeld = 5

// maxHeld is how many alerts one digest tells of: its record has to fit a message.
const maxHeld = 50_000

// held is a Held record and its place in LEDGER.
type held struct {
	seq uint64
	Record
}

// unlessMuted is act, or Held while all of lists are muted.
func (l *lane) unlessMuted(act string, lists []string) string {
	if l.view.muted(l.dest.Name, lists, time.Now()) {
		return Held
	}
	return act
}

// hold records that what an event calls for waits for the end of a mute. An alert
// that further watchlists match while it is held waits for the first of all their
// mutes to end.
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
	r.Kind, r.Lists = Held, lists
	return l.record(ctx, r)
}

func union(a, b []string) []string {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// mutedMeanwhile holds a post that waits for its next try if it is muted by now.
func (l *lane) mutedMeanwhile(ctx context.Context, w Record) (bool, error) {
	if w.Act != tocsin.Post {
		return false, nil
	}
	if err := l.current(ctx); err != nil {
		return false, err
	}
	lists := l.wanted(w.Alert, w.Event, l.book.matched(w.Alert, w.Event, l.view.subscribed(l.dest.Name, w.Event)))
	if l.unlessMuted(w.Act, lists) != Held {
		return false, nil
	}
	w.Kind, w.Lists = Held, lists
	return true, l.record(ctx, w)
}

// released is the call for what no mute holds any more, or else when the next
// mute ends.
func (l *lane) released(ctx context.Context) (*job, time.Time, error) {
	l.unmuted = nil
	if len(l.held) == 0 {
		return nil, time.Time{}, nil
	}
	if err := l.current(ctx); err != nil {
		return nil, time.Time{}, err
	}
	now := time.Now()
	var ends time.Time
	ends, l.unmuted = l.view.muteEnds(l.dest.Name, now)
	var posts, all []Record
	for _, h := range l.held {
		if l.view.muted(l.dest.Name, h.Lists, now) {
			continue
		}
		r := h.Record
		r.Since = now.UTC()
		if all = append(all, r); r.Act == tocsin.Post {
			posts = append(posts, r)
		}
	}
	inOrder := func(a, b Record) int { return cmp.Compare(a.Event, b.Event) }
	switch {
	case len(all) == 0:
		return nil, ends, nil
	case len(posts) > fewHeld:
		slices.SortFunc(posts, inOrder)
		r := l.digestOf(posts[:min(len(posts), maxHeld)])
		return &job{act: r.Act, event: r.Event, rec: r}, ends, nil
	}
	first := slices.MinFunc(all, inOrder)
	if first.Act == tocsin.Reply {
		j, err := l.heldReply(ctx, first)
		return j, ends, err
	}
	return &job{act: first.Act, alert: first.Alert, event: first.Event, rec: first}, ends, nil
}

// digestOf is a delivery that tells of posts that were held.
func (l *lane) digestOf(posts []Record) Record {
	last := posts[len(posts)-1]
	r := Record{Act: tocsin.Digest, Event: last.Event, Since: last.Since}
	for _, p := range posts {
		r.Events, r.Lists = append(r.Events, p.Event), union(r.Lists, p.Lists)
	}
	r.Delivery = deliveryID(Held, fmt.Sprintf("%d-%d", r.Events[0], last.Event), l.dest.Name)
	return r
}

// keep notes a Held record, drop that what it held is settled.
func (l *lane) keep(seq uint64, r Record) {
	l.drop(r.Delivery)
	l.held[r.Delivery] = held{seq, r}
}

func (l *lane) drop(delivery string) {
	if l.held[delivery].seq == l.firstHold {
		l.firstHold = 0
	}
	delete(l.held, delivery)
}

// release applies the end of a digest of what was held: each alert in it was told
// of, and has no message of its own.
func (l *lane) release(r Record) {
	in := make(map[uint64]bool, len(r.Events))
	for _, e := range r.Events {
		in[e] = true
	}
	for id, h := range l.held {
		if h.Act == tocsin.Post && in[h.Event] {
			l.drop(id)
			l.msgs[h.Alert] = &message{parked: true}
		}
	}
}

// heldSummary is what the digest of what was held says.
func (l *lane) heldSummary(ctx context.Context, r Record) (tocsin.Summary, error) {
	s := tocsin.Summary{Muted: true, Watchlists: r.Lists, Matching: len(r.Events)}
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
	return s, nil
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
