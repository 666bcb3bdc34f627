package pipeline

import (
	"context"
	"slices"
	"time"

	"tocsin"
)

// A destination that is away, such as a channel that was archived or lost, is not
// tried with one alert after another. The delivery that found it away is parked
// and is the probe: it is tried again, seldom. What comes meanwhile is held, and
// told in one message when the destination is back.

// forAway is the For of what came while the destination was away.
const forAway = "away"

const (
	probeFirst = time.Minute      // after a destination was found away
	probeDay   = 15 * time.Minute // at most, within a day
	probeLater = time.Hour        // at most, after that
)

// probeAfter is how long to wait before a destination is tried again that was away
// at a number of attempts, the first of them so long ago.
func probeAfter(attempt int, age time.Duration) time.Duration {
	most := probeDay
	if age > day {
		most = probeLater
	}
	return min(probeFirst<<min(max(attempt, 1)-1, 10), most)
}

// noteAway applies what a record says of the destination.
func (l *lane) noteAway(r Record) {
	probe := l.away != nil && l.away.Delivery == r.Delivery
	switch {
	case r.Kind == Sent:
		l.away = nil
	case (r.Kind == Parked || r.Kind == Retried) && r.Verdict == string(tocsin.Gone), r.Kind == Retried && probe:
		l.away = &r
	case (r.Kind == Parked || r.Kind == Skipped) && probe: // it is there, and refuses that delivery
		l.away = nil
	}
	if r.Kind == Sent || probe || l.away != nil && l.away.Delivery == r.Delivery {
		l.unheld = nil // what waits for the destination may go
	}
}

// nextAway is the call to make of a destination that is away: the probe if it is
// due. Else it is when to look again, with what comes meanwhile held.
func (l *lane) nextAway(ctx context.Context) (*job, time.Time, <-chan struct{}, error) {
	a := l.away
	if time.Until(a.Next) <= 0 || l.hurry.Swap(false) {
		return &job{act: a.Act, alert: a.Alert, event: a.Event, from: a.From, aloud: a.Aloud, rec: *a}, time.Time{}, nil, nil
	}
	_, more, moved, err := l.routed(ctx)
	if err != nil || more {
		return nil, time.Now(), moved, err
	}
	return nil, a.Next, moved, nil
}

// holdAway holds what an event calls for until the destination is back.
func (l *lane) holdAway(ctx context.Context, ev posted, act string, lists []string) error {
	r := Record{Act: act, Alert: ev.Alert, Event: ev.seq, Seen: ev.Copy.Seen, Came: time.Now().UTC()}
	if act == tocsin.Digest {
		r = Record{Act: act, Event: ev.seq}
	}
	r.Delivery = l.deliveryID(job{act: r.Act, alert: r.Alert, event: r.Event})
	if h, ok := l.held[r.Delivery]; ok {
		all := union(h.Lists, lists)
		if len(all) == len(h.Lists) && h.For == forAway {
			return nil
		}
		r, lists = h.Record, all
	}
	r.Kind, r.Lists, r.For, r.Why = Held, slices.Clone(lists), forAway, l.away.Why
	return l.record(ctx, r)
}
