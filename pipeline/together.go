package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// An atomic batch costs the server about a millisecond whatever it holds, and one
// sync of the disk. So the polls that have many items at the same time, as at a
// first start, store them in one batch: each with the expectation of its own
// subject. When one is not met none is stored, and each is tried alone.

const (
	maxBatch      = 1000    // messages: what the server takes in one atomic batch
	maxBatchBytes = 4 << 20 // of records, unless one poll alone has more
	batchesAtOnce = 2       // while they are under way the next ones gather; the server takes 50
)

// A batcher gathers what is to be stored whole or not at all.
type batcher struct {
	b     *Bus
	turns chan struct{}

	mu      sync.Mutex
	waiting []*part
}

// A part is one subject's part of a batch.
type part struct {
	subject string
	expect  uint64
	records [][]byte
	bytes   int

	done chan struct{} // closed once last and err are set
	last uint64
	err  error
}

func newBatcher(b *Bus) *batcher {
	return &batcher{b: b, turns: make(chan struct{}, batchesAtOnce)}
}

// append stores all of records on subject or none, if its last sequence is
// expect, and returns the sequence of the last.
func (c *batcher) append(ctx context.Context, subject string, expect uint64, records [][]byte) (uint64, error) {
	s := &part{subject: subject, expect: expect, records: records, done: make(chan struct{})}
	for _, r := range records {
		s.bytes += len(r)
	}
	c.mu.Lock()
	c.waiting = append(c.waiting, s)
	c.mu.Unlock()
	for {
		select {
		case <-s.done:
			return s.last, s.err
		case c.turns <- struct{}{}:
			c.commit(context.WithoutCancel(ctx), c.take())
			<-c.turns
		}
	}
}

// take removes the parts of the next batch from those that wait.
func (c *batcher) take() []*part {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, messages, bytes := 0, 0, 0
	for n < len(c.waiting) {
		s := c.waiting[n]
		messages, bytes = messages+len(s.records), bytes+s.bytes
		if n > 0 && (messages > maxBatch || bytes > maxBatchBytes) {
			break
		}
		n++
	}
	batch := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	return batch
}

// commit stores parts together or, when that is refused, one by one.
func (c *batcher) commit(ctx context.Context, parts []*part) {
	if len(parts) == 0 {
		return
	}
	err := c.store(ctx, parts)
	if _, moved := errors.AsType[*errMoved](err); moved && len(parts) > 1 {
		for _, s := range parts {
			c.commit(ctx, []*part{s})
		}
		return
	}
	for _, s := range parts {
		s.err = err
		close(s.done)
	}
}

// store publishes one batch and notes the sequences that its parts got.
func (c *batcher) store(ctx context.Context, parts []*part) error {
	last, err := untilFree(ctx, subjects(parts), func() (uint64, error) {
		var msgs []*nats.Msg
		for _, s := range parts {
			for i, r := range s.records {
				m := &nats.Msg{Subject: s.subject, Data: r, Header: nats.Header{}}
				if i == 0 { // a second expectation on the same subject would be refused for ever
					m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(s.expect, 10))
				}
				msgs = append(msgs, m)
			}
		}
		ack, err := jetstreamext.PublishMsgBatch(ctx, c.b.JS, msgs)
		if err != nil {
			return 0, err
		}
		return ack.Sequence, nil
	})
	for i := len(parts) - 1; i >= 0; i-- {
		parts[i].last = last
		last -= uint64(len(parts[i].records))
	}
	return err
}

func subjects(parts []*part) string {
	if len(parts) == 1 {
		return parts[0].subject
	}
	names := make([]string, 0, 3)
	for _, s := range parts[:min(len(parts), 3)] {
		names = append(names, s.subject)
	}
	return fmt.Sprintf("%s (%d in all)", strings.Join(names, ", "), len(parts))
}
