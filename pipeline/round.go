package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A Reading is how far this process has come with reading its sources for the
// first time.
type Reading struct {
	Tried bool   // an attempt has ended, well or not
	Read  bool   // a document was read
	Title string // of the source
}

const (
	roundWait  = 40 * time.Second // the first round is told of after this, whoever has not answered
	roundEvery = time.Minute      // later rounds at most this often
	roundLook  = time.Second      // while the first is due
	roundLater = 10 * time.Second // after that
)

// rounds appends a Watching event when sources were read for the first time and
// what they held has been matched: subscribers then hear what was already there.
type rounds struct {
	logs    *Logs
	book    *book
	log     *slog.Logger
	reading func() map[string]Reading // by source id
	matched func(ctx context.Context, seq uint64) error
}

func (r *rounds) run(ctx context.Context) error {
	started, told := time.Now(), time.Time{}
	look := roundLook
	for ctx.Err() == nil {
		if err := pause(ctx, look); err != nil {
			return nil
		}
		now, first := r.reading(), r.book.firstRound()
		fresh, pending := r.book.unread(now)
		due := len(fresh) > 0 && time.Since(told) > roundEvery
		if first {
			due = len(now) > 0 && (pending == 0 || time.Since(started) > roundWait)
		} else {
			look = roundLater
		}
		if !due {
			continue
		}
		if err := r.tell(ctx, now, first); err != nil {
			if ctx.Err() == nil {
				r.log.WarnContext(ctx, "first reading not told of, trying again", "err", err)
			}
			continue
		}
		told = time.Now()
	}
	return nil
}

// tell waits until everything stored so far is matched and appends the event.
func (r *rounds) tell(ctx context.Context, now map[string]Reading, first bool) error {
	items, err := r.logs.items.Info(ctx)
	if err != nil {
		return err
	}
	if err := r.matched(ctx, items.State.LastSeq); err != nil {
		return err
	}
	round := &Round{First: first, Sources: len(now)}
	for _, id := range slices.Sorted(maps.Keys(now)) {
		switch s := now[id]; {
		case s.Read:
			round.Answered++
		case len(round.Silent) < maxSilent:
			round.Silent = append(round.Silent, s.Title)
		}
	}
	for {
		last, still := r.book.state()
		round.Read, _ = r.book.unread(now)
		if first != still || !first && len(round.Read) == 0 {
			return nil // another process told of it
		}
		ev := Event{V: firstFormat, Kind: Watching, At: time.Now().UTC(), Round: round}
		seq, err := appendTo(ctx, r.logs.b, "alerts."+Watching, ev, jetstream.WithExpectLastSequence(last))
		if moved, ok := errors.AsType[*errMoved](err); ok {
			if err := r.book.waitFor(ctx, moved.last); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("tell of first reading: %w", err)
		}
		r.book.applyNext(seq, ev)
		return r.book.waitFor(ctx, seq)
	}
}

// maxSilent is how many sources without an answer a round names.
const maxSilent = 20

// firstRound reports whether no round was told of yet.
func (b *book) firstRound() bool {
	_, first := b.state()
	return first
}

func (b *book) state() (last uint64, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last, b.rounds == 0
}

// unread are the sources that were read and not told of, and how many have not
// been tried.
func (b *book) unread(now map[string]Reading) (fresh []string, pending int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(now)) {
		switch s := now[id]; {
		case s.Read && !b.read[id]:
			fresh = append(fresh, id)
		case !s.Tried:
			pending++
		}
	}
	return fresh, pending
}
