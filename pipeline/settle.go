package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tocsin"
)

// settle finds out what became of an open intent, and records it.
func (l *lane) settle(ctx context.Context) error {
	r := *l.open
	if r.Owner != l.logs.b.Owner && l.off.takeover {
		return l.record(ctx, r)
	}
	if r.Owner != l.logs.b.Owner {
		if wait := time.Until(l.seenAt.Add(intentHold + 2*sendTimeout)); wait > 0 {
			return l.waitOrWake(ctx, wait)
		}
		return l.record(ctx, r) // the same intent, now ours
	}
	if r.Act == tocsin.Edit {
		return l.again(ctx, r) // an edit shows what is so: repeating it is harmless
	}
	if l.off.Lookup {
		return l.again(ctx, r)
	}
	if !l.traits.Finds {
		r.Repeat = true
		return l.again(ctx, r)
	}
	found, err := l.lookUp(ctx, r)
	if err != nil || found {
		return err
	}
	// Absent once: it may not show yet.
	if wait := time.Until(l.ended); wait > 0 {
		if err := pause(ctx, wait); err != nil {
			return err
		}
		if found, err := l.lookUp(ctx, r); err != nil || found {
			return err
		}
	}
	return l.again(ctx, r)
}

// lookUp looks for the message at the provider and records it if it is there.
// Where the history cannot be read for long it gives up and asks for a marked
// repeat.
func (l *lane) lookUp(ctx context.Context, r Record) (settled bool, err error) {
	call, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	now := r // the message that may be there shows what the intent says
	d, err := l.delivery(ctx, &now)
	if err != nil {
		return false, err
	}
	ref, found, err := l.find(call, d)
	switch {
	case found:
		return true, l.sent(ctx, r, ref)
	case err == nil:
		return false, nil
	case ctx.Err() != nil:
		return true, ctx.Err()
	case time.Since(r.At) > lookupFor || tocsin.VerdictOf(err) == tocsin.Refused:
		r.Repeat = true
		return true, l.again(ctx, r)
	}
	l.log.WarnContext(ctx, "delivery not looked up, trying again", "delivery", r.Delivery, "err", err)
	l.report("lane."+l.dest.Name, fmt.Sprintf("destination %s: cannot see whether a message arrived: %v", l.dest.Name, err))
	wait := settleAfter
	if o, ok := errors.AsType[*tocsin.Outcome](err); ok && o.After > 0 {
		wait = o.After
	}
	return true, pause(ctx, wait)
}

// again records that an attempt has to be made once more.
func (l *lane) again(ctx context.Context, r Record) error {
	r.Kind, r.Verdict, r.Why, r.Attempt = Retried, string(tocsin.Ambiguous), l.trouble, r.Attempt+1
	r.Next = time.Now().UTC()
	if r.Attempt > 1 {
		r.Next = r.Next.Add(backoff(r.Attempt - 1))
	}
	if time.Since(r.Since) > giveUp || l.unknown && r.Attempt >= unknownTries {
		r.Kind = Parked
	}
	if err := l.outcome(ctx, r); err != nil {
		return err
	}
	l.complain(ctx, r, false)
	return nil
}
