package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"tocsin"
)

// deliver makes one call: everything slow before the intent, nothing between
// the intent and the call.
func (l *lane) deliver(ctx context.Context, j job) error {
	if err := l.bucket.wait(ctx); err != nil {
		return err
	}
	if !l.gates.enter(gateOf(l.dest)) {
		l.looked = l.through // what j is for has to be found again
		return nil
	}
	r := j.rec
	if r.Delivery == "" {
		r = Record{Act: j.act, Alert: j.alert, Event: j.event, Since: time.Now().UTC(), From: j.from, Aloud: j.aloud}
		r.Delivery = l.deliveryID(j)
	}
	r.Dest = l.dest.Kind + ":" + l.dest.To
	d, err := l.delivery(ctx, &r)
	if err != nil {
		return err
	}
	d.NotAfter = time.Now().Add(intentHold - sendTimeout)
	call, cancel := callContext(ctx)
	defer cancel()
	ready, err := l.ready(call, d)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return l.failed(ctx, d, r, notApplied(err))
	}
	defer ready.Close()
	r.Kind, r.Ref, r.Next, r.Verdict, r.Why = Intent, d.Ref, time.Time{}, "", ""
	if r.Act == tocsin.Reply {
		r.Ref = "" // it gets one of its own
	}
	if err := l.record(ctx, r); err != nil {
		return err
	}
	l.freeze("intent")
	ref, err := send(call, ready)
	l.freeze("sent")
	if err != nil && tocsin.VerdictOf(err) == tocsin.Ambiguous {
		if ctx.Err() != nil {
			return ctx.Err() // the intent stays open: it is settled at the next start
		}
		_, known := errors.AsType[*tocsin.Outcome](err)
		l.unknown = !known && !errors.Is(err, context.DeadlineExceeded)
		l.ended = time.Now().Add(settleAfter)
		l.trouble = err.Error()
		l.log.WarnContext(ctx, "delivery unsettled", "delivery", r.Delivery, "alert", r.Alert, "err", err)
		return nil
	}
	if err != nil {
		return l.failed(ctx, d, r, err)
	}
	return l.sent(ctx, r, ref)
}

// callContext bounds a call to a provider. A call that is being made when we are
// stopped may end: what is not known to have arrived has to be looked for.
func callContext(ctx context.Context) (context.Context, context.CancelFunc) {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(finishFor, cancel) })
	return call, func() { stop(); cancel() }
}

// ready prepares a message. A panic is the message's fault: it must not hold up
// the others.
func (l *lane) ready(ctx context.Context, d tocsin.Delivery) (r Ready, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &tocsin.Outcome{Verdict: tocsin.Refused, Code: "panic", Err: fmt.Errorf("prepare %s: panic: %v", d.ID, p)}
		}
	}()
	return l.prepare(ctx, l.shown(d))
}

// send makes the call. Of one that panics nobody knows how far it came.
func send(ctx context.Context, r Ready) (ref string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("send: panic: %v", p)
		}
	}()
	return r.Send(ctx)
}

// notApplied is err as an outcome of which nothing can have been applied.
func notApplied(err error) error {
	if _, ok := errors.AsType[*tocsin.Outcome](err); ok {
		return err
	}
	return &tocsin.Outcome{Verdict: tocsin.Retry, Err: err}
}

func (l *lane) deliveryID(j job) string {
	switch j.act {
	case tocsin.Edit:
		return deliveryID(j.act, fmt.Sprintf("%s@%d", j.alert, j.event), l.dest.Name)
	case tocsin.Reply:
		return deliveryID(j.act, fmt.Sprintf("%s@%d", j.alert, j.from), l.dest.Name)
	case tocsin.Digest:
		return deliveryID(j.act, fmt.Sprint(j.event), l.dest.Name)
	}
	return deliveryID(j.act, j.alert, l.dest.Name)
}

// delivery is what the notifier gets: the alert as it stands now.
func (l *lane) delivery(ctx context.Context, r *Record) (tocsin.Delivery, error) {
	d := tocsin.Delivery{ID: r.Delivery, Kind: r.Act, To: l.dest, Since: r.Since, Repeat: r.Repeat}
	if r.ofHeld() {
		var err error
		d.Summary, err = l.heldSummary(ctx, *r)
		return d, err
	}
	if r.Act == tocsin.Digest {
		ev, err := l.event(ctx, r.Event)
		if err != nil {
			return d, err
		}
		d.Summary = l.book.summary(ev, l.view.subscriptions(l.dest.Name, r.Event))
		return d, nil
	}
	var err error
	var shows uint64
	if d.Alert, shows, err = l.alert(ctx, r.Alert); err != nil {
		return d, err
	}
	if d.Alert.Into != "" {
		if d.Older, _, err = l.alert(ctx, d.Alert.Into); err != nil {
			return d, err
		}
	}
	l.call(r, &d)
	if r.Act == tocsin.Reply {
		return d, l.reply(ctx, r, &d)
	}
	r.Rendered = max(shows, r.Event) // what a merge brought is an event of the other alert
	r.Seen = cmp.Or(l.book.event(r.Event).Copy.Seen, r.Seen)
	if m := l.msgs[r.Alert]; m != nil && r.Act == tocsin.Edit {
		d.Ref = m.ref
	}
	if _, held := l.held[r.Delivery]; r.Act == tocsin.Post && (held || time.Since(r.Seen) > time.Minute) {
		d.Late, err = l.lateReason(ctx, *r)
	}
	return d, err
}

// event is the event at a sequence: from the book or, if it is older than that,
// from the log.
func (l *lane) event(ctx context.Context, seq uint64) (posted, error) {
	if ev := l.book.event(seq); ev.seq != 0 {
		return ev, nil
	}
	m, err := l.logs.alerts.GetMsg(ctx, seq)
	if err != nil {
		return posted{}, fmt.Errorf("read event %d: %w", seq, err)
	}
	ev, err := decode[Event](m.Data)
	return posted{seq, ev}, err
}

// alert is an alert as it stands, as the destination may know it: from the book or,
// if it is older than that, from the log.
func (l *lane) alert(ctx context.Context, id string) (tocsin.Alert, uint64, error) {
	if a, last, ok := l.book.snapshot(id); ok {
		a.Acknowledged = l.book.acknowledgedIn(l.dest.Workspace, id)
		return a, last, nil
	}
	p, err := l.logs.page(ctx, id)
	if err != nil {
		return tocsin.Alert{}, 0, err
	}
	a := p.alert
	a.Acknowledged = p.acknowledgedIn(l.dest.Workspace)
	return a, p.last, nil
}

func (l *lane) lateReason(ctx context.Context, r Record) (string, error) {
	ev, err := l.event(ctx, r.Event)
	if err != nil {
		return "", err
	}
	h, held := l.held[r.Delivery]
	switch {
	case ev.Kind == Escalated:
		return "", nil // its note says it
	case ev.Earlier:
		return "earlier: found by a widened watchlist", nil
	case held && h.For == forQuiet:
		return "it came in quiet hours", nil
	case held && h.For == forDigest:
		return "it waited for a digest", nil
	case held && h.For != forAway:
		return "it was muted", nil
	case held, l.trouble != "" || r.Attempt > 0:
		return "the destination could not be reached", nil
	case r.Seen.Before(l.startedAt):
		return "tocsin was not running", nil
	}
	return "other messages went first", nil
}

func (l *lane) sent(ctx context.Context, r Record, ref string) error {
	r.Kind, r.At, r.Ref, l.trouble, l.unknown = Sent, time.Now().UTC(), cmp.Or(ref, r.Ref), "", false
	l.observe(l.dest, r)
	l.let()
	if err := l.outcome(ctx, r); err != nil {
		return err
	}
	if len(l.parked) == 0 { // what is parked still waits for a person
		l.clear("lane." + l.dest.Name)
	}
	return nil
}

// outcome records what became of the open intent. What is known must not be
// looked for, let alone sent again, so it is tried until it is recorded or ctx
// ends. A person's request behind the intent changes nothing; where another
// process took the intent over, what that says counts.
func (l *lane) outcome(ctx context.Context, r Record) error {
	for {
		open := l.open
		err := l.record(ctx, r)
		if err == nil || open == nil || ctx.Err() != nil {
			return err
		}
		if _, moved := errors.AsType[*errMoved](err); moved {
			if lost := l.reload(ctx); lost != nil || l.open != open {
				return err
			}
			continue
		}
		l.log.WarnContext(ctx, "delivery not recorded, trying again", "delivery", r.Delivery, "err", err)
		if err := pause(ctx, refollow); err != nil {
			return err
		}
	}
}

func (l *lane) failed(ctx context.Context, d tocsin.Delivery, r Record, err error) error {
	wasAway := l.away != nil
	r = r.after(err, time.Now().UTC())
	switch r.Verdict {
	case string(tocsin.Install):
		l.refused(&r)
	case string(tocsin.Rate):
		if r.Act == tocsin.Edit { // of the method, not of the channel
			l.gates.pauseAct(gateOf(l.dest), r.Act, time.Until(r.Next), l.traits.EditEvery, l.traits.EditBurst)
		}
		l.let()
	case string(tocsin.Gone), string(tocsin.Refused), string(tocsin.NoEdit):
		l.let() // the credential works
	}
	l.trouble = r.Why
	handed := r.misformed() && l.handOn(ctx, d, r.Why) // before it is recorded: a death in between hands it on again
	if r.misformed() && !handed && ctx.Err() != nil {
		return ctx.Err() // we are stopped: it is refused again, and handed on, at the next start
	}
	if err := l.outcome(ctx, r); err != nil {
		return err
	}
	l.observe(l.dest, r)
	l.log.WarnContext(ctx, "delivery "+r.Kind, "delivery", r.Delivery, "alert", r.Alert, "attempt", r.Attempt, "wait", max(0, time.Until(r.Next)).Round(time.Second), "err", err)
	gone := r.Verdict == string(tocsin.Gone)
	l.untold = l.away != nil && (l.untold || gone && !wasAway)
	if !gone || l.untold {
		l.complain(ctx, r, handed)
	}
	return nil
}
