package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// refollow is how long follow waits before it starts again after an error.
const refollow = 250 * time.Millisecond

// follow calls apply with every record of a stream from a sequence on, in order,
// until ctx ends. It goes on after errors of the server and returns only those
// of apply.
func follow(ctx context.Context, s jetstream.Stream, from uint64, log *slog.Logger, apply func(jetstream.Msg, *jetstream.MsgMetadata) error) error {
	next := from
	for ctx.Err() == nil {
		err := followOnce(ctx, s, max(next, 1), func(m jetstream.Msg) error {
			meta, err := m.Metadata()
			if err != nil {
				return fmt.Errorf("follow: %w", err)
			}
			if err := apply(m, meta); err != nil {
				return &applyError{err}
			}
			next = meta.Sequence.Stream + 1
			return nil
		})
		if stop, ok := errors.AsType[*applyError](err); ok {
			return stop.err
		}
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "log interrupted", "stream", s.CachedInfo().Config.Name, "err", err)
		}
		_ = pause(ctx, refollow)
	}
	return nil
}

type applyError struct{ err error }

func (e *applyError) Error() string { return e.err.Error() }

func followOnce(ctx context.Context, s jetstream.Stream, from uint64, apply func(jetstream.Msg) error) error {
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:   from,
	})
	if err != nil {
		return err
	}
	it, err := c.Messages()
	if err != nil {
		return err
	}
	defer it.Stop()
	defer context.AfterFunc(ctx, it.Stop)()
	behind := func() bool {
		info, err := s.Info(ctx)
		return err == nil && info.State.LastSeq >= from
	}
	for {
		m, err := nextOf(it, s.CachedInfo().Cluster != nil, behind)
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := apply(m); err != nil {
			return err
		}
		if meta, err := m.Metadata(); err == nil {
			from = meta.Sequence.Stream + 1
		}
	}
}

// lookAfter is how long the reader of a cluster waits for a record before it looks
// whether the cluster knows that it waits: longer than the client takes to miss a
// heartbeat, twice 15 s.
const lookAfter = 40 * time.Second

var errForgotten = errors.New("the cluster no longer knew that this process waits for records; it asks anew")

// nextOf is the next record of an iterator. When the server that leads is lost, a
// cluster was seen to forget who waits, twice in some twenty times, and the client did
// not notice: where records are copied it is errForgotten if none came for lookAfter
// and forgotten says so.
func nextOf(it jetstream.MessagesContext, copied bool, forgotten func() bool) (jetstream.Msg, error) {
	if !copied {
		return it.Next()
	}
	for {
		m, err := it.Next(jetstream.NextMaxWait(lookAfter))
		if !errors.Is(err, nats.ErrTimeout) {
			return m, err
		}
		if forgotten() {
			return nil, errForgotten
		}
	}
}

// unasked reports whether nobody waits for what a consumer has: a process that reads
// it always does.
func unasked(ctx context.Context, c jetstream.Consumer) func() bool {
	return func() bool {
		info, err := c.Info(ctx)
		return err == nil && info.NumWaiting == 0
	}
}

// seqAt is the sequence of the first record of a stream stored at or after t, or
// one past what was its last record when it was asked.
func (l *Logs) seqAt(ctx context.Context, s jetstream.Stream, t time.Time) (uint64, error) {
	name := s.CachedInfo().Config.Name
	info, err := s.Info(ctx) // first: what is appended meanwhile must not be passed over
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", name, err)
	}
	msgs, err := jetstreamext.GetBatch(ctx, l.b.JS, name, 1, jetstreamext.GetBatchSubject(">"), jetstreamext.GetBatchStartTime(t))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", name, err)
	}
	for m, err := range msgs {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return info.State.LastSeq + 1, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", name, err)
		}
		return m.Sequence, nil
	}
	return 0, fmt.Errorf("read %s: %w", name, cmp.Or(ctx.Err(), errSilent))
}
