package pipeline

import (
	"context"
	"fmt"
	"time"

	"tocsin"
)

// Of a delivery that does not succeed by itself operators hear, and the owner of its
// destination; what was refused in every form comes to the owner itself.

// misformed reports whether the destination refused what a person has to see for its
// form: no further attempt will do better. The message of an edit stands as it was.
func (r Record) misformed() bool {
	return r.Kind == Parked && r.Verdict == string(tocsin.Refused) && r.Act != tocsin.Edit
}

// handOn hands the owner what the destination refused, and reports whether it could.
// It takes no longer than a call, and a panic of what the message made panic before
// holds up the others as little.
func (l *lane) handOn(ctx context.Context, d tocsin.Delivery, why string) (handed bool) {
	call, cancel := callContext(ctx)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			l.log.ErrorContext(ctx, "delivery not handed on", "delivery", d.ID, "err", fmt.Sprintf("panic: %v", p))
		}
	}()
	return l.hand(call, l.shown(d), why)
}

// complain tells people of a delivery that does not succeed by itself. Its owner may
// have been handed it.
func (l *lane) complain(ctx context.Context, r Record, handed bool) {
	switch {
	case r.Verdict == string(tocsin.Gone):
		l.report("lane."+l.dest.Name, fmt.Sprintf("destination %s cannot be reached: %s. Its alerts are kept, and sent when it can: it is tried now and then", l.dest.Name, r.Why))
		l.untold = !l.tell(ctx, l.dest, fmt.Sprintf("tocsin cannot deliver alerts to %s (%s %s): %s. They are kept: it is tried now and then, and when it works again one message says what was missed. Until then: tocsin delivery list --parked", l.dest.Name, l.dest.Kind, l.dest.To, r.Why))
	case handed:
		l.report("lane."+l.dest.Name, fmt.Sprintf("destination %s: an alert was refused for its form and went to %s instead: %s. To try it again: tocsin delivery replay %s", l.dest.Name, l.dest.Owner, r.Why, r.Delivery))
	case r.Kind == Parked:
		l.report("lane."+l.dest.Name, fmt.Sprintf("destination %s: an alert is parked: %s. Mend it, then: tocsin delivery replay %s", l.dest.Name, r.Why, r.Delivery))
		l.tell(ctx, l.dest, fmt.Sprintf("tocsin cannot deliver alerts to %s (%s): %s. They are kept: tocsin delivery list --parked", l.dest.Name, l.dest.Kind, r.Why))
	case r.Kind == Retried && r.Attempt >= 4 && r.Verdict != string(tocsin.Install):
		l.report("lane."+l.dest.Name, fmt.Sprintf("destination %s: alerts are waiting since %s: %s", l.dest.Name, r.Since.Format(time.RFC3339), r.Why))
	}
}
