package pipeline

import (
	"context"
	"slices"
	"time"

	"tocsin"

	"github.com/nats-io/nats.go/jetstream"
)

// record appends r as our next record and applies it. The Through it carries
// leaves out r's own event unless r is final.
func (l *lane) record(ctx context.Context, r Record) error {
	r.At, r.Owner, r.Holding = time.Now().UTC(), l.logs.b.Owner, l.holding()
	r.V = r.format()
	r.Through = l.watermark()
	if final := r.Kind == Sent || r.Kind == Parked || r.Kind == Skipped || r.Kind == Held; !final && r.Kind != Cursor && r.Kind != Joined && r.Act != tocsin.Edit && r.Act != tocsin.Reply {
		r.Through = max(min(r.Through, r.Event-1), l.through)
	} else if final && l.waiting != nil && l.waiting.Delivery == r.Delivery {
		r.Through = l.watermarkWithout()
	}
	// What is done must be written down even while we are being stopped.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	seq, err := appendTo(ctx, l.logs.b, l.subject, r, jetstream.WithExpectLastSequencePerSubject(l.seq))
	if err != nil {
		return err
	}
	l.freeze("record")
	l.apply(seq, r)
	return nil
}

// watermarkWithout is the watermark once the waiting delivery is final.
func (l *lane) watermarkWithout() uint64 {
	w := l.waiting
	l.waiting = nil
	defer func() { l.waiting = w }()
	return l.watermark()
}

// apply adds a record to what the lane knows.
func (l *lane) apply(seq uint64, r Record) {
	l.seq, l.recorded = seq, r.At
	l.through = max(l.through, r.Through)
	if r.Kind != Replay && r.Kind != Cursor && r.Kind != Joined {
		l.open, l.waiting = nil, nil
	}
	l.attempted(r)
	l.noteAway(r)
	switch r.Kind {
	case Intent:
		if _, again := l.parked[r.Delivery]; r.For == forDigest && !again {
			l.digested = later(l.digested, r.Since)
		}
		now := time.Now()
		l.open, l.seenAt, l.ended = &r, now, later(r.At.Add(settleAfter), now.Add(settleStart))
	case Retried:
		switch r.Act {
		case tocsin.Edit:
			l.postpone(r)
		case tocsin.Reply:
			l.postponeReply(r)
		default:
			l.waiting = &r
		}
	case Joined:
		l.adopt(r)
	case Replay:
		l.replays = append(l.replays, r.Delivery)
	case Held:
		l.keep(seq, r)
	case Sent, Parked, Skipped:
		l.final(r)
	}
}

func (l *lane) final(r Record) {
	l.replays = slices.DeleteFunc(l.replays, func(id string) bool { return id == r.Delivery })
	delete(l.parked, r.Delivery)
	l.drop(r.Delivery)
	if r.Kind == Parked {
		l.parked[r.Delivery] = r
	}
	switch {
	case r.Act == tocsin.Post && r.Kind == Skipped:
		return // another message tells of it
	case r.ofHeld():
		l.release(r)
		return
	case r.Act == tocsin.Digest:
		l.told[r.Event] = true
		return
	}
	m := l.msgs[r.Alert]
	if m == nil {
		m = &message{parked: r.ofDigested(), digested: r.ofDigested()}
		l.msgs[r.Alert] = m
	}
	if r.Act == tocsin.Reply {
		l.answered(m, r)
		return
	}
	switch {
	case r.Act == tocsin.Post:
		m.ref, m.parked = r.Ref, r.Kind == Parked
		m.told, m.replied = max(m.told, r.Rendered), r.At
	case r.Kind == Skipped:
		m.parked = true // gone, or closed
	case m.ref == "":
		m.ref = r.Ref // it was posted before what we have read
	}
	m.rendered, m.changed, m.retry, m.prompt = max(m.rendered, r.Rendered), r.At, nil, false
	if first, ok := l.dirty[r.Alert]; ok && first <= m.rendered {
		delete(l.dirty, r.Alert)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// postpone puts off an edit until its next try.
func (l *lane) postpone(r Record) {
	l.replays = slices.DeleteFunc(l.replays, func(id string) bool { return id == r.Delivery })
	if m := l.msgs[r.Alert]; m != nil {
		m.changed, m.retry = r.Next.Add(-editEvery), &r
		if _, ok := l.dirty[r.Alert]; !ok {
			l.dirty[r.Alert] = r.Event
		}
	}
}

// reload applies what the ledger holds after our last known record.
func (l *lane) reload(ctx context.Context) error {
	from := l.seq + 1
	if l.seq == 0 {
		var err error
		if from, err = l.firstHeld(ctx); err != nil {
			return err
		}
	}
	for m, err := range l.logs.read(ctx, streamLedger, l.subject, from) {
		if err != nil {
			return err
		}
		r, err := decode[Record](m.Data)
		if err != nil {
			return err
		}
		l.apply(m.Sequence, r)
	}
	return nil
}

// recall reads, once, the ledger from before l.oldest: an alert may get a copy, and a
// parked delivery be asked for, long after it was first sent. It reads to the end,
// for a digest tells of what was held long before.
func (l *lane) recall(ctx context.Context) error {
	if l.recalled || l.oldest <= 1 {
		return nil
	}
	past := newLane(l.lanes, l.dest)
	for m, err := range l.logs.read(ctx, streamLedger, l.subject, 1) {
		if err != nil {
			return err
		}
		if m.Sequence > l.seq {
			break
		}
		r, err := decode[Record](m.Data)
		if err != nil {
			return err
		}
		past.apply(m.Sequence, r)
	}
	for id, m := range past.msgs {
		if l.msgs[id] == nil {
			l.msgs[id] = m
		}
	}
	for id, r := range past.parked {
		if _, ok := l.parked[id]; !ok {
			l.parked[id] = r
		}
	}
	l.recalled = true
	return nil
}

// parkedRecord is a parked delivery that a person wants again.
func (l *lane) parkedRecord(ctx context.Context, id string) (Record, bool, error) {
	if _, ok := l.parked[id]; !ok {
		if err := l.recall(ctx); err != nil {
			return Record{}, false, err
		}
	}
	r, ok := l.parked[id]
	return r, ok, nil
}
