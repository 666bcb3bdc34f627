package pipeline

import (
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
)

// A plan is when a subscription sends.
type plan struct {
	digest *tocsin.Schedule // nil sends at once
	quiet  *tocsin.Hours    // nil has none
	urgent bool             // neither mutes, quiet hours nor a digest hold it
}

// planOf reads what was checked when it was stored. What cannot be read holds
// nothing.
func planOf(s tocsin.Subscription) plan {
	p := plan{urgent: s.Urgent}
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
func (v *view) stay(name string, came, at time.Time) stay {
	p := v.plans[name]
	var s stay
	if p.urgent {
		return s
	}
	if p.digest != nil && !came.IsZero() {
		if due := p.digest.Next(came); due.After(at) {
			s = stay{due, forDigest}
		}
	}
	if m, ok := v.mutes[name]; ok && at.Before(m.Until) && m.Until.After(s.until) {
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
		s := v.stay(name, came, at)
		if p := v.plans[name]; s.until.IsZero() && p.digest != nil && !p.urgent && !came.IsZero() {
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
