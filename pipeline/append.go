package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// errMoved means that the log holds other records than the writer knew of: read
// them and decide again.
type errMoved struct {
	last uint64 // the last sequence; 0 when the subject is empty or aged out
}

func (e *errMoved) Error() string {
	return fmt.Sprintf("the log moved to sequence %d", e.last)
}

// busyFor bounds how long an append is tried again while another proposal for
// its subject is in flight: the server gives up on one after 10 s.
const busyFor = 12 * time.Second

// wrongLast reads the two answers to an unmet expectation. 10071 with a number
// is final. 10164 means that another proposal is in flight, or that a batch
// holds two expectations on one subject: it may still fail, so it is no proof
// that the log moved.
func wrongLast(err error) (moved *errMoved, busy bool) {
	api := apiError(err)
	if api == nil {
		return nil, false
	}
	switch api.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence:
		if _, n, ok := strings.Cut(api.Description, ": "); ok {
			if last, err := strconv.ParseUint(strings.TrimSpace(n), 10, 64); err == nil {
				return &errMoved{last}, false
			}
		}
		return nil, true
	case jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return nil, true
	}
	return nil, false
}

func apiError(err error) *jetstream.APIError {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api
	}
	if js, ok := errors.AsType[jetstream.JetStreamError](err); ok {
		return js.APIError()
	}
	return nil
}

// appendTo stores v as the next record of subject and returns its sequence once
// it is on disk. It returns *errMoved when the expectation in opts is not met;
// after any other error the record may have been stored: read the tail before
// deciding again.
func appendTo(ctx context.Context, b *Bus, subject string, v any, opts ...jetstream.PublishOpt) (uint64, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return 0, fmt.Errorf("append to %s: %w", subject, err)
	}
	return untilFree(ctx, subject, func() (uint64, error) {
		ack, err := b.JS.Publish(ctx, subject, data, opts...)
		if err != nil {
			return 0, err
		}
		return ack.Sequence, nil
	})
}

func untilFree(ctx context.Context, subject string, publish func() (uint64, error)) (uint64, error) {
	start := time.Now()
	for {
		seq, err := publish()
		if err == nil {
			return seq, nil
		}
		moved, busy := wrongLast(err)
		if moved != nil {
			return 0, moved
		}
		if !busy || time.Since(start) > busyFor {
			return 0, fmt.Errorf("append to %s: %w", subject, err)
		}
		if err := pause(ctx, 10*time.Millisecond+rand.N(40*time.Millisecond)); err != nil {
			return 0, err
		}
	}
}

// pause waits for d or until ctx ends, and then returns its error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// lastSeq is the sequence of the last record on subject, which may hold
// wildcards, or 0 if there is none.
func lastSeq(ctx context.Context, b *Bus, stream, subject string) (uint64, error) {
	m, err := lastRecord(ctx, b, stream, subject)
	if m == nil {
		return 0, err
	}
	return m.Sequence, nil
}

// lastRecord is the last record on subject, or nil if there is none.
func lastRecord(ctx context.Context, b *Bus, stream, subject string) (*jetstream.RawStreamMsg, error) {
	s, err := b.JS.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", stream, err)
	}
	m, err := s.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", subject, err)
	}
	return m, nil
}
