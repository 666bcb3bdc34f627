package pipeline

import (
	"context"
	"time"

	"tocsin"
)

// When more posts wait in a lane than a subscription's fold_over, as after an
// outage or in a flood, they are held for one digest with the exact count.

// foldOver is the FoldOver of a subscription that says nothing.
const foldOver = 20

// lookAhead is how many events a lane looks through to count what waits.
const lookAhead = 4096

// forFold is the For of what is told in one digest because much waited.
const forFold = "fold"

// foldsOver is over how many waiting posts those that come by lists are folded;
// 0 is never.
func (v *view) foldsOver(to string, lists []string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(lists) == 0 { // it came by an escalation
		return 0
	}
	most := 1
	for _, list := range lists {
		p := v.plans[list+"."+to]
		if p.urgent || p.fold < 0 {
			return 0
		}
		most = max(most, p.fold)
	}
	return most
}

// crowded reports whether the post that an event calls for is one of too many that
// wait. Once some are held for that, so is what follows until they are told.
func (l *lane) crowded(ctx context.Context, ev posted, lists []string) (bool, error) {
	most := l.view.foldsOver(l.dest.Name, lists)
	if most == 0 {
		return false, nil
	}
	if l.folding > 0 {
		return true, nil
	}
	evs, _, _ := l.book.after(ev.seq, lookAhead)
	if len(evs) < most {
		return false, nil
	}
	n := 1
	for _, ev := range evs {
		if n += l.postsFor(ev); n > most {
			return true, ctx.Err()
		}
	}
	return false, nil
}

// postsFor is 1 for an event that will call for a post of its own, else 0.
func (l *lane) postsFor(ev posted) int {
	if ev.Kind != Opened || l.msgs[ev.Alert] != nil || ev.Copy.Baseline && !ev.Earlier {
		return 0
	}
	lists := l.book.matched(ev.Alert, ev.seq, l.view.subscribed(l.dest.Name, ev.seq))
	if len(lists) == 0 {
		return 0
	}
	if lists = l.wanted(ev.Alert, ev.seq, lists); len(lists) == 0 || l.unlessHeld(tocsin.Post, lists) == Held {
		return 0
	}
	return 1
}

// crowds holds the post that an event calls for if too many wait.
func (l *lane) crowds(ctx context.Context, ev posted, act string, lists []string) (bool, error) {
	if act != tocsin.Post {
		return false, nil
	}
	crowd, err := l.crowded(ctx, ev, lists)
	if !crowd || err != nil {
		return false, err
	}
	return true, l.fold(ctx, ev, lists)
}

// fold holds the post that an event calls for until all that waits is told at once.
func (l *lane) fold(ctx context.Context, ev posted, lists []string) error {
	r := Record{Act: tocsin.Post, Alert: ev.Alert, Event: ev.seq, Seen: ev.Copy.Seen, Came: time.Now().UTC()}
	r.Delivery = l.deliveryID(job{act: r.Act, alert: r.Alert})
	if h, ok := l.held[r.Delivery]; ok {
		r, lists = h.Record, union(h.Lists, lists)
	}
	r.Kind, r.Lists, r.For = Held, lists, forFold
	return l.record(ctx, r)
}
