package pipeline

import (
	"context"

	"tocsin"
)

// Two alerts that were found to be one have two messages where both were told of.
// There the younger message is edited once more, to point to the older, which goes
// on. Where only the younger was told of, its message goes on as that of the older
// alert: nobody gets a second one. The ledger says so in a record of its own, for
// the events of the older alert know nothing of the younger.

// join applies what a merge or a split means for the message of the other alert.
func (l *lane) join(ctx context.Context, ev posted) error {
	if ev.Kind != Merged && ev.Kind != Split {
		return nil
	}
	if l.msgs[ev.Alert] == nil || l.msgs[ev.Other] == nil {
		if err := l.recall(ctx); err != nil {
			return err
		}
	}
	if ev.Kind == Merged {
		if err := l.merge(ctx, ev); err != nil {
			return err
		}
	}
	if m := l.msgs[ev.Other]; m != nil && l.traits.Edits && m.ref != "" && !m.parked && m.rendered < ev.seq {
		l.stale(ev.Other, ev.seq)
	}
	return nil
}

func (l *lane) merge(ctx context.Context, ev posted) error {
	younger, older := l.msgs[ev.Alert], l.msgs[ev.Other]
	if younger != nil && (older == nil || older.ref == "" && younger.ref != "") {
		l.looked = ev.seq - 1
		if h, ok := l.held[deliveryID(tocsin.Post, ev.Other, l.dest.Name)]; ok {
			if err := l.skipHeld(ctx, h, "joined with alert "+ev.Alert); err != nil {
				return err
			}
		}
		return l.record(ctx, Record{Kind: Joined, Alert: ev.Other, Other: ev.Alert, Event: ev.seq, Ref: younger.ref, Rendered: younger.rendered})
	}
	if younger != nil {
		return nil
	}
	h, ok := l.held[deliveryID(tocsin.Post, ev.Alert, l.dest.Name)]
	if !ok {
		return nil
	}
	if older == nil { // the older is told of in its stead
		if err := l.hold(ctx, posted{ev.seq, Event{Kind: Opened, Alert: ev.Other, Copy: ev.Copy}}, h.Lists); err != nil {
			return err
		}
	}
	return l.skipHeld(ctx, h, "joined with alert "+ev.Other)
}

func (l *lane) skipHeld(ctx context.Context, h held, why string) error {
	r := h.Record
	r.Kind, r.Why = Skipped, why
	return l.record(ctx, r)
}

// adopt applies a Joined record. Nothing that happened until then is told again.
func (l *lane) adopt(r Record) {
	m := message{was: r.Other, ref: r.Ref, parked: r.Ref == "", rendered: r.Rendered, told: r.Event}
	if younger := l.msgs[r.Other]; younger != nil {
		m.parked, m.digested = younger.parked, younger.digested
		m.changed, m.replied = younger.changed, younger.replied
		delete(l.dirty, r.Other)
	}
	l.msgs[r.Alert] = &m
}

// goesOn reports whether the message m of an alert that was merged is that of the
// older alert now.
func (l *lane) goesOn(ev posted, m *message) bool {
	older := l.msgs[ev.Other]
	return older == nil || older.ref == m.ref
}

// firstTitle is the title under which a message was sent: that of the alert that
// it was of before others were found to be one with it.
func (l *lane) firstTitle(ctx context.Context, m *message, title string) (string, error) {
	for ; m != nil && m.was != ""; m = l.msgs[m.was] {
		a, _, err := l.alert(ctx, m.was)
		if err != nil {
			return "", err
		}
		title = a.Title
	}
	return title, nil
}

// toldAsOlder reports whether an alert was merged into one that the destination
// was or will be told of.
func (l *lane) toldAsOlder(alert string) bool {
	into := l.book.into(alert)
	_, held := l.held[deliveryID(tocsin.Post, into, l.dest.Name)]
	return into != "" && (held || l.msgs[into] != nil)
}

// into is the alert that one was merged into, or "".
func (b *book) into(alert string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.alerts[alert]; p != nil {
		return p.alert.Into
	}
	return ""
}
