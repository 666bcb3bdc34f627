package pipeline

import (
	"context"
	"time"
)

// A bucket lets burst calls through at once and then one each every. The zero
// value lets all through.
type bucket struct {
	every time.Duration
	burst int
	next  time.Time // when the bucket would be full again
}

// wait takes a token, waiting for it if there is none.
func (b *bucket) wait(ctx context.Context) error {
	if b.every == 0 {
		return nil
	}
	now := time.Now()
	if b.next.Before(now) {
		b.next = now
	}
	b.next = b.next.Add(b.every)
	if wait := b.next.Sub(now) - time.Duration(b.burst)*b.every; wait > 0 {
		return pause(ctx, wait)
	}
	return nil
}
