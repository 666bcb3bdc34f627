package pipeline

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tocsin"
)

// What a lane sends when is decided as it sends, from ALERTS, WATCH, its ledger
// and the time: a subscription with a digest waits for that, and mutes and quiet
// hours hold what is not urgent. An alert that comes by several subscriptions
// leaves as soon as one of them lets it.

// What holds a delivery. Held records and the digests of them say it as For; an
// older record says nothing and was muted.
const (
	forMute   = "mute"
	forQuiet  = "quiet"
	forDigest = "digest"
	forLifted = "lifted" // a digest that nothing calls for any longer
)

// A plan is when a subscription sends.
type plan struct {
	digest   *tocsin.Schedule // nil sends at once
	quiet    *tocsin.Hours    // nil has none
	urgent   bool             // neither mutes, quiet hours nor a digest hold it
	escalate tocsin.Escalation
	fold     int // over how many waiting posts they are told in one digest; negative is never
}

// planOf reads what was checked when it was stored. What cannot be read holds
// nothing.
func planOf(s tocsin.Subscription) plan {
	p := plan{urgent: s.Urgent, escalate: s.Escalate, fold: cmp.Or(s.FoldOver, foldOver)}
	if d, err := tocsin.ParseSchedule(s.Digest); err == nil {
		p.digest = &d
	}
	if q, err := tocsin.ParseHours(s.Quiet); err == nil {
		p.quiet = &q
	}
	return p
}

// A stay is until when, and for what, a delivery is held.
type stay struct {
	until time.Time // zero if nothing holds it
	what  string
}

// stay says what holds at a time what a subscription brings. Came is from when on
// it waits for a digest, zero for what is never told in one.
func (p plan) stay(m Muted, came, at time.Time) stay {
	var s stay
	if p.urgent {
		return s
	}
	if p.digest != nil && !came.IsZero() {
		if due := p.digest.Next(came); due.After(at) {
			s = stay{due, forDigest}
		}
	}
	if at.Before(m.Until) && m.Until.After(s.until) {
		s = stay{m.Until, forMute}
	}
	if p.quiet != nil {
		if end := p.quiet.Until(at); end.After(s.until) {
			s = stay{end, forQuiet}
		}
	}
	return s
}

// free says when the first of the subscriptions of a destination to lists lets go
// of what came by them: a zero until is now, and then what is forDigest if it is
// to be told in a digest.
func (v *view) free(to string, lists []string, came, at time.Time) stay {
	v.mu.Lock()
	defer v.mu.Unlock()
	var first stay
	for i, list := range lists {
		name := list + "." + to
		p := v.plans[name]
		s := p.stay(v.mutes[name], came, at)
		if s.until.IsZero() && p.digest != nil && !p.urgent && !came.IsZero() {
			s.what = forDigest
		}
		if i == 0 || s.until.Before(first.until) || s.until.Equal(first.until) && s.what == "" {
			first = s
		}
	}
	return first
}

// urgent reports whether one of the subscriptions of a destination to lists is
// urgent.
func (v *view) urgent(to string, lists []string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.ContainsFunc(lists, func(w string) bool { return v.plans[w+"."+to].urgent })
}

// wouldHold is what would hold a post by lists if none of them were urgent; "" if
// nothing would.
func (v *view) wouldHold(to string, lists []string, at time.Time) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	what := ""
	for _, list := range lists {
		p := v.plans[list+"."+to]
		p.urgent = false
		if what = p.stay(v.mutes[list+"."+to], at, at).what; what == "" {
			return ""
		}
	}
	return what
}

// next is a channel that is closed when WATCH moves.
func (v *view) next() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.moved
}

// unlessHeld is act, or Held while all of lists hold what calls for it.
func (l *lane) unlessHeld(act string, lists []string) string {
	now := time.Now()
	var came time.Time
	if act == tocsin.Post {
		came = now
	}
	if s := l.view.free(l.dest.Name, lists, came, now); s.until.IsZero() {
		return act
	}
	return Held
}

// came is from when on what an event brought waits for a digest: one that was on
// its way before the lane came to the event does not tell of it.
func (l *lane) came(ctx context.Context, seq uint64) (time.Time, error) {
	ev, err := l.event(ctx, seq)
	return later(ev.At, l.digested), err
}

// call marks a delivery about an alert that is urgent here, and says so where it
// leaves for no other reason.
func (l *lane) call(r *Record, d *tocsin.Delivery) {
	if ev := l.book.event(r.Event); ev.Kind == Escalated {
		d.Urgent, d.Note = true, ev.Reason
		return
	}
	lists := l.wanted(r.Alert, r.Event, l.book.matched(r.Alert, r.Event, l.view.subscribed(l.dest.Name, r.Event)))
	if d.Urgent = l.view.urgent(l.dest.Name, lists); !d.Urgent || r.Act == tocsin.Edit {
		return
	}
	switch l.view.wouldHold(l.dest.Name, lists, time.Now()) {
	case forMute:
		d.Note = "sent although it is muted, because it is urgent"
	case forQuiet:
		d.Note = "sent in quiet hours because it is urgent"
	}
}
