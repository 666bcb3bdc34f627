package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

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
	for {
		m, err := it.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := apply(m); err != nil {
			return err
		}
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
