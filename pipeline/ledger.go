package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"tocsin"
)

// What a ledger Record says of a delivery.
const (
	Intent  = "intent"  // the next thing that happens is the call to the provider
	Sent    = "sent"    // the provider has it
	Retried = "retry"   // the call failed and will be made again at Next
	Parked  = "parked"  // it cannot be delivered until a person does something
	Skipped = "skipped" // it need not be delivered: an edit of a message that is gone
	Replay  = "replay"  // a person asked for a parked delivery to be tried again
	Cursor  = "cursor"  // nothing was due up to Through
	Held    = "held"    // it waits for the end of a mute or of quiet hours, or for a digest
	Joined  = "joined"  // the message of Other, an alert that was merged, goes on as that of Alert
)

// A Record is one record of a destination's ledger. Through is the sequence of
// ALERTS up to which the destination is settled once this record is final:
// everything at or before it is delivered, parked, or needs nothing.
type Record struct {
	V        int       `json:"v"`
	Kind     string    `json:"kind"`
	At       time.Time `json:"at"`
	Owner    string    `json:"owner"`
	Through  uint64    `json:"through"`
	Delivery string    `json:"delivery,omitempty"`
	Act      string    `json:"act,omitempty"` // tocsin.Post, Edit, Reply or Digest
	Alert    string    `json:"alert,omitempty"`
	Event    uint64    `json:"event,omitempty"`    // the ALERTS sequence that calls for it
	Rendered uint64    `json:"rendered,omitempty"` // the alert's state that the message shows
	Ref      string    `json:"ref,omitempty"`      // the provider's id of the message
	Attempt  int       `json:"attempt,omitempty"`
	Since    time.Time `json:"since,omitzero"` // of the first attempt
	Next     time.Time `json:"next,omitzero"`
	Verdict  string    `json:"verdict,omitempty"`
	Why      string    `json:"why,omitempty"`
	Repeat   bool      `json:"repeat,omitempty"` // an earlier attempt may have arrived too
	Seen     time.Time `json:"seen,omitzero"`    // Sent: when the item was seen
	Dest     string    `json:"dest,omitempty"`   // the destination's kind and address as it was, without secrets

	From  uint64 `json:"from,omitempty"`  // of a reply: the first of the ALERTS sequences that it tells of; Event is the last
	Aloud bool   `json:"aloud,omitempty"` // of a reply: all who follow the channel are to see it
	Under string `json:"under,omitempty"` // of a reply: the Ref of the message that it answers
	Root  bool   `json:"root,omitempty"`  // of a reply: the message or its thread is gone, so it stands by itself
	Other string `json:"other,omitempty"` // Joined: the alert that the message was of

	Lists   []string  `json:"lists,omitempty"`   // Held: the watchlists whose subscriptions hold it; of a digest with Events, all of them
	Events  []uint64  `json:"events,omitempty"`  // of a digest that tells of what was held: the Event of each post
	News    []uint64  `json:"news,omitempty"`    // of such a digest: the From of each reply that it tells, up to Rendered, in its stead
	Holding uint64    `json:"holding,omitempty"` // the LEDGER sequence of the first record that is Held; 0 if none is
	For     string    `json:"for,omitempty"`     // Held, and of a digest of what was held: what held it, see forMute; "" was a mute
	Came    time.Time `json:"came,omitzero"`     // Held: the first digest after this tells of it
}

// ofHeld reports whether the record is of a digest that tells of what was held.
func (r Record) ofHeld() bool { return len(r.Events)+len(r.News) > 0 }

// ofDigested reports whether the record is of a reply about what a digest told of:
// there is no message that it could answer.
func (r Record) ofDigested() bool { return r.Act == tocsin.Reply && r.Root && r.Under == "" }

// format is the oldest format whose readers understand the record: older ones
// would forget what is held, tell at once what waits for a digest, take a reply
// for an edit, and a digest that tells what changed for a first reading.
func (r Record) format() int {
	switch {
	case len(r.News) > 0, r.ofDigested(), r.Act == tocsin.Reply && !r.Came.IsZero():
		return tocsin.Format
	case r.For == forDigest, r.For == forAway:
		return thirdFormat
	}
	if r.Kind == Held || r.Events != nil || r.Holding != 0 || r.Act == tocsin.Reply || r.Kind == Joined {
		return 2
	}
	return firstFormat
}

// shards is into how many parts destinations and sources are divided among
// processes. It is part of the ledger's subjects: a promise.
const shards = 16

func shardOf(name string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return int(h.Sum32() % shards)
}

func ledgerSubject(destination string) string {
	return fmt.Sprintf("ledger.%d.%s", shardOf(destination), destination)
}

// deliveryID names a message to a destination. It depends only on what calls for
// it, so that every attempt bears the same name.
func deliveryID(act, subject, destination string) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s %s %s", act, subject, destination))
	return hex.EncodeToString(h[:12])
}

// backoff is how long to wait after a number of failed attempts: 1 s doubling to
// 5 minutes.
func backoff(attempt int) time.Duration {
	return min(time.Second<<min(max(attempt, 1)-1, 20), 5*time.Minute)
}

// giveUp is how long a delivery is tried before it is parked.
const giveUp = 48 * time.Hour

// unknownTries is how often a delivery is tried whose failure nobody
// classified, and whose message is nowhere to be seen.
const unknownTries = 5

// maxWhy is how many bytes of a failure's text a record keeps.
const maxWhy = 500

// after decides what becomes of a delivery whose attempt failed with err.
func (r Record) after(err error, now time.Time) Record {
	o, known := errors.AsType[*tocsin.Outcome](err)
	r.V, r.At, r.Why = r.format(), now, clip(err.Error(), maxWhy)
	r.Kind = Retried
	if known {
		r.Verdict = string(o.Verdict)
	}
	switch {
	case known && o.Verdict == tocsin.Rate:
		r.Next = now.Add(max(o.After, time.Second))
		return r
	case known && o.Verdict == tocsin.Install:
		r.Next = now.Add(backoff(5)) // not an attempt: see gates
		return r
	case known && o.Verdict == tocsin.Withheld:
		r.Next = now
		return r
	case known && o.Verdict == tocsin.NoEdit && r.Act == tocsin.Edit:
		r.Kind = Skipped
		return r
	case known && o.Verdict == tocsin.NoEdit && r.Act == tocsin.Reply && !r.Root:
		// Who deleted the message wants no list of copies, but must hear of a withdrawal.
		if !r.Aloud {
			r.Kind = Skipped
		}
		r.Root, r.Next = r.Aloud, now
		return r
	case known && o.Verdict == tocsin.Gone:
		r.Attempt++
		r.Kind, r.Next = Parked, now.Add(probeAfter(r.Attempt, now.Sub(r.Since)))
		if r.Act == tocsin.Edit || r.Act == tocsin.Reply {
			r.Kind = Retried // it is due again when the destination is back
		}
		return r
	case known && (o.Verdict == tocsin.Refused || o.Verdict == tocsin.NoEdit):
		r.Kind = Parked
		return r
	}
	r.Attempt++
	r.Next = now.Add(backoff(r.Attempt))
	if now.Sub(r.Since) > giveUp || known && o.Tries > 0 && r.Attempt >= o.Tries {
		r.Kind = Parked
	}
	return r
}
