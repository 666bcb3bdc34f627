package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// websubPrefix begins the keys of SOURCES under which subscriptions at hubs are
// kept. No source's name begins like it.
const websubPrefix = "_websub."

// Subscriptions are all that SaveSubscription kept, by source.
func (l *Logs) Subscriptions(ctx context.Context) (map[string][]byte, error) {
	w, err := l.sources.Watch(ctx, websubPrefix+"*", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("read subscriptions at hubs: %w", err)
	}
	defer func() { _ = w.Stop() }()
	out := map[string][]byte{}
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("read subscriptions at hubs: %w", ctx.Err())
		case e, ok := <-w.Updates():
			if !ok || e == nil {
				return out, nil
			}
			out[strings.TrimPrefix(e.Key(), websubPrefix)] = e.Value()
		}
	}
}

// SaveSubscription keeps the record of a source's subscription at a hub. It holds
// a secret.
func (l *Logs) SaveSubscription(ctx context.Context, source string, record []byte) error {
	if _, err := l.sources.Put(ctx, websubPrefix+source, record); err != nil {
		return fmt.Errorf("save subscription of %s: %w", source, err)
	}
	return nil
}

// DropSubscription forgets what SaveSubscription kept.
func (l *Logs) DropSubscription(ctx context.Context, source string) error {
	err := l.sources.Purge(ctx, websubPrefix+source)
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("forget subscription of %s: %w", source, err)
	}
	return nil
}
