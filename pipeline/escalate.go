package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin"

	"github.com/nats-io/nats.go/jetstream"
)

// Escalated is the event that nobody acknowledged an alert in time where it was
// sent, and that it goes on to the destination To. It has no Copy.
const Escalated = "escalated"

// escalateWithin is how long after it was due an escalation is still made: after a
// long outage yesterday's alerts are no emergency.
const escalateWithin = 24 * time.Hour

// attempted notes when the first attempt at a post was made: from then on people
// have time to acknowledge it, whether it arrives or not.
func (l *lane) attempted(r Record) {
	if r.Act != tocsin.Post || r.Since.IsZero() || r.Kind == Held || r.Kind == Skipped {
		return
	}
	if _, ok := l.tried[r.Alert]; !ok {
		l.tried[r.Alert] = r
	}
}

// escalate passes on what nobody acknowledged in time, and says when to look
// again; zero for never.
func (l *lane) escalate(ctx context.Context) (next time.Time, err error) {
	for alert, r := range l.tried {
		if _, through, _ := l.book.after(r.Event-1, 1); through < r.Event {
			continue // the book comes to it
		}
		lists := l.book.matched(alert, r.Event, l.view.subscribed(l.dest.Name, r.Event))
		waits := false
		for _, e := range l.view.escalations(l.dest.Name, lists) {
			due := r.Since.Add(e.After)
			if time.Until(due) > 0 {
				next, waits = sooner(next, due), true
				continue
			}
			if time.Since(due) > escalateWithin {
				continue
			}
			if err := l.logs.escalate(ctx, l.book, alert, l.dest, e); err != nil {
				return next, err
			}
		}
		if !waits {
			delete(l.tried, alert)
		}
	}
	return next, nil
}

// escalations are those of the subscriptions of a destination to lists, each once.
func (v *view) escalations(to string, lists []string) (out []tocsin.Escalation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, list := range lists {
		e := v.plans[list+"."+to].escalate
		if e.To != "" && !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

// escalate appends that an alert goes on, if by the last of ALERTS nobody
// whom the destination knows of acknowledged it and it did not go on there before.
// Where it was found to be one with an older alert, that one is meant.
func (l *Logs) escalate(ctx context.Context, b *book, alert string, from tocsin.Destination, e tocsin.Escalation) error {
	for {
		info, err := l.alerts.Info(ctx)
		if err != nil {
			return fmt.Errorf("escalate alert %s: %w", alert, err)
		}
		if err := b.waitFor(ctx, info.State.LastSeq); err != nil {
			return err
		}
		a, ok := b.standing(alert)
		if !ok || b.acknowledgedIn(from.Workspace, a.ID).By != "" || b.escalatedTo(a.ID, e.To) {
			return nil
		}
		ev := Event{
			V: thirdFormat, Kind: Escalated, Alert: a.ID, At: time.Now().UTC(), To: e.To,
			Reason: fmt.Sprintf("nobody acknowledged it within %s at %s", brief(e.After), from.Name),
		}
		_, err = appendTo(ctx, l.b, "alerts."+a.ID, ev, jetstream.WithExpectLastSequence(info.State.LastSeq))
		if _, moved := errors.AsType[*errMoved](err); !moved {
			return err
		}
	}
}

// brief is a duration without units of which there are none: 10m, not 10m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// standing is the alert that goes on for one: itself, or the older one that it was
// merged into.
func (b *book) standing(alert string) (tocsin.Alert, bool) {
	a, _, ok := b.snapshot(alert)
	for range 20 {
		older, _, found := b.snapshot(a.Into)
		if a.Into == "" || !found {
			break
		}
		a = older
	}
	return a, ok
}

func (b *book) escalatedTo(alert, to string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.alerts[alert]
	return p != nil && slices.Contains(p.escalated, to)
}

// routeEscalated says what an Escalated event calls for: a post where it goes, if
// that was not told of the alert before.
func (l *lane) routeEscalated(ctx context.Context, ev posted) (string, error) {
	if ev.To != l.dest.Name {
		return "", nil
	}
	if l.msgs[ev.Alert] == nil {
		if err := l.recall(ctx); err != nil {
			return "", err
		}
	}
	if l.msgs[ev.Alert] != nil {
		return "", nil
	}
	return tocsin.Post, nil
}
