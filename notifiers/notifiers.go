// Package notifiers carries deliveries to people: alerts, digests of what was
// already there, and notices to operators.
//
// # Properties
//
//   - A delivery is sent in two steps. Prepare renders and connects; Send lets
//     the message go. Nothing of the message leaves before Send.
//   - Send makes one attempt. It never repeats a request that may have been
//     applied. Its error always holds a tocsin.Outcome: whoever calls decides
//     from the verdict alone.
//   - No message begins to leave after Delivery.NotAfter, neither by the wall
//     clock nor by the monotonic one. The check sits at the socket.
//   - Text that others wrote is shown and never obeyed: no mention, link, markup,
//     header or escape sequence in it takes effect.
//   - No secret is in an error or a log.
//
// To add a kind, write one file and list its Kind in Kinds; TestContract then
// holds it to the same contract as the others.
package notifiers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"tocsin"
)

// A Notifier delivers to the destinations of one kind.
type Notifier interface {
	// Prepare does all that is slow or can fail before a byte of the message
	// leaves: it renders d and connects. The caller closes what it returns.
	Prepare(ctx context.Context, d tocsin.Delivery) (Ready, error)
}

// A Ready is a message that can leave at once.
type Ready interface {
	// Send makes one attempt and returns what a later Edit needs to find the
	// message again. It must be called at most once.
	Send(ctx context.Context) (ref string, err error)
	// Close gives back what Prepare took, sent or not.
	Close()
}

// A Finder can tell whether an earlier attempt arrived. Notifiers of kinds whose
// provider can be asked are Finders.
type Finder interface {
	// Find looks for d at the provider from one minute before d.Since on. An
	// edit is never found, for repeating it does no harm.
	Find(ctx context.Context, d tocsin.Delivery) (ref string, found bool, err error)
}

// A Checker can try its credentials without sending to anyone.
type Checker interface {
	Check(ctx context.Context) error
}

// A Kind is a way of reaching people. It is one file and one word in Kinds.
type Kind struct {
	Name    string
	Edits   bool          // messages can be changed: the kind takes tocsin.Edit and tocsin.Update
	Threads bool          // messages stand beneath others: the kind takes every tocsin.Reply
	Answers bool          // a message can refer to an earlier one: the kind takes what people must not miss as tocsin.Reply
	Every   time.Duration // between messages to one destination in the long run; 0 means no limit
	Burst   int           // messages that may go at once; 0 where Every is 0

	EditEvery time.Duration // between edits to all destinations of one workspace; 0 is no limit
	EditBurst int           // edits that may go at once; 0 where EditEvery is 0

	CheckTo func(to string) error // is this an address of the kind? The error says how to write one

	open func(Config) (Notifier, error) // nil, nil where the kind is not configured
}

// Kinds are the notifier kinds of this build.
var Kinds = []Kind{slackKind, emailKind, terminalKind}

// KindOf is the kind of that name.
func KindOf(name string) (Kind, bool) {
	for _, k := range Kinds {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// Config says how to reach each kind. A kind whose part is zero is not opened.
type Config struct {
	Slack    SlackConfig
	Email    EmailConfig
	Terminal io.Writer // where destinations of kind terminal print
	JSON     bool      // the terminal prints one JSON object a line
	Color    bool      // the terminal marks matched words in bold even where Terminal is not a terminal
}

// New opens every kind that c configures. Its error names every fault. Pass the
// result to Close when done.
func New(c Config) (map[string]Notifier, error) {
	open := map[string]Notifier{}
	var faults []error
	for _, k := range Kinds {
		n, err := k.open(c)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", k.Name, err))
			continue
		}
		if n != nil {
			open[k.Name] = n
		}
	}
	if err := errors.Join(faults...); err != nil {
		Close(open)
		return nil, err
	}
	return open, nil
}

// Close ends the idle connections that the notifiers keep.
func Close(open map[string]Notifier) {
	for _, n := range open {
		if c, ok := n.(interface{ close() }); ok {
			c.close()
		}
	}
}
