package tocsin

import (
	"errors"
	"fmt"
	"time"
)

// A Verdict is what an unsuccessful call to a provider means for the delivery.
type Verdict string

// The verdicts, and what the lane does about each.
const (
	Rate      Verdict = "rate"        // wait After; not an attempt
	Retry     Verdict = "retry"       // nothing was applied: try again later
	Ambiguous Verdict = "ambiguous"   // it may have been applied: look before sending again
	Gone      Verdict = "destination" // this destination cannot be reached until a person mends it: park, tell the owner
	Install   Verdict = "install"     // no destination of the kind works until a person mends it: hold, tell operators
	Refused   Verdict = "refused"     // this message will never be accepted: park it, tell operators
	NoEdit    Verdict = "edit"        // the message to edit or to answer is gone or closed
	Withheld  Verdict = "withheld"    // nothing was written, because NotAfter had come
)

// An Outcome is the error of a delivery that did not succeed.
type Outcome struct {
	Verdict Verdict
	Code    string        // the provider's own code, "" if none: "channel_not_found", "550 5.1.1"
	After   time.Duration // with Rate: how long to wait; otherwise 0
	Tries   int           // with Retry: how many attempts are worth making in all; 0 means as many as time allows
	Advice  string        // what a person can do about it, "" if nothing
	Err     error         // without secrets
}

func (o *Outcome) Error() string {
	s := string(o.Verdict)
	if o.Code != "" {
		s += " " + o.Code
	}
	if o.Err != nil {
		s += ": " + o.Err.Error()
	}
	if o.Advice != "" {
		s += "; " + o.Advice
	}
	return s
}

func (o *Outcome) Unwrap() error { return o.Err }

// VerdictOf is the verdict in err, or Ambiguous where err holds none: an error
// that nobody classified may hide a message that arrived.
func VerdictOf(err error) Verdict {
	if o, ok := errors.AsType[*Outcome](err); ok {
		return o.Verdict
	}
	return Ambiguous
}

// BehindError means that a source's log holds more than the caller knew of: read
// what was appended and decide again.
type BehindError struct {
	Source string
	Last   uint64 // sequence of the last record; 0 if the log is empty or aged out
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("append to items.%s: the log moved to sequence %d", e.Source, e.Last)
}
