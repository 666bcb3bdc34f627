package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// statusPrefix begins the keys of SOURCES under which processes keep how their
// sources are. No source's name begins like it.
const statusPrefix = "_status."

// SaveStatus keeps part n of how this process's sources are, for commands that
// run beside it.
func (l *Logs) SaveStatus(ctx context.Context, n int, status []byte) error {
	if _, err := l.sources.Put(ctx, fmt.Sprintf("%s%s.%d", statusPrefix, l.b.Owner, n), status); err != nil {
		return fmt.Errorf("save status: %w", err)
	}
	return nil
}

// Statuses are what SaveStatus kept within the last time, by any process.
func (l *Logs) Statuses(ctx context.Context, within time.Duration) ([][]byte, error) {
	w, err := l.sources.Watch(ctx, statusPrefix+">")
	if err != nil {
		return nil, fmt.Errorf("read status: %w", err)
	}
	defer func() { _ = w.Stop() }()
	var out [][]byte
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case e, ok := <-w.Updates():
			if !ok || e == nil {
				return out, nil
			}
			if e.Operation() == jetstream.KeyValuePut && (within == 0 || time.Since(e.Created()) < within) {
				out = append(out, e.Value())
			}
		}
	}
}

// A LogSize is how much one log or bucket holds.
type LogSize struct {
	Name    string
	Bytes   uint64
	Records uint64
	First   time.Time
	Last    time.Time
}

// Sizes are the sizes of all logs and buckets.
func (l *Logs) Sizes(ctx context.Context) ([]LogSize, error) {
	var out []LogSize
	streams := l.b.JS.ListStreams(ctx)
	for i := range streams.Info() {
		out = append(out, LogSize{strings.TrimPrefix(i.Config.Name, "KV_"), i.State.Bytes, i.State.Msgs, i.State.FirstTime, i.State.LastTime})
	}
	if err := streams.Err(); err != nil {
		return nil, fmt.Errorf("read sizes: %w", err)
	}
	return out, nil
}

// A Lag is how far a stage is behind what is stored for it.
type Lag struct {
	Stage string // "match", or "send"
	To    string // of send: the destination
	Items uint64 // items or events that wait
}

// Matching is how far the match stage has come: the sequence of ITEMS up to which
// all is done, and how many items wait.
func (l *Logs) Matching(ctx context.Context) (floor, waiting uint64, err error) {
	c, err := l.items.Consumer(ctx, matchConsumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read lag: %w", err)
	}
	i := c.CachedInfo()
	return i.AckFloor.Stream, i.NumPending + uint64(i.NumAckPending), nil
}

// Lags are how far each stage is behind.
func (l *Logs) Lags(ctx context.Context) ([]Lag, error) {
	var out []Lag
	c, err := l.items.Consumer(ctx, matchConsumer)
	switch {
	case err == nil:
		i := c.CachedInfo()
		out = append(out, Lag{Stage: "match", Items: i.NumPending + uint64(i.NumAckPending)})
	case !errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil, fmt.Errorf("read lag: %w", err)
	}
	alerts, err := l.alerts.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("read lag: %w", err)
	}
	_, watched, err := l.readWatch(ctx, "destination.*")
	if err != nil {
		return nil, err
	}
	for _, w := range watched {
		if w.Destination == nil || w.Suspended {
			continue
		}
		lag := Lag{Stage: "send", To: w.Destination.Name}
		last, err := lastRecord(ctx, l.b, streamLedger, ledgerSubject(lag.To))
		if err != nil {
			return nil, err
		}
		if last != nil {
			r, err := decode[Record](last.Data)
			if err != nil {
				return nil, err
			}
			if r.Kind == Intent || r.Kind == Retried {
				lag.Items = alerts.State.LastSeq - min(alerts.State.LastSeq, r.Through)
			}
		}
		out = append(out, lag)
	}
	return out, nil
}
