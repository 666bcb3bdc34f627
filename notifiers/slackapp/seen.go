package slackapp

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Seen remembers what came, for at least an hour: Slack sends again what it holds
// for lost, up to five minutes later, and then shows people the answer to that. It
// outlives an app that is made anew.
type Seen struct {
	since time.Time // what was signed before may have come to a process that ended

	mu       sync.Mutex
	now, old map[string]*taken
	turned   time.Time
}

// taken is what came once.
type taken struct {
	done chan struct{}       // closed when it is answered
	ack  atomic.Pointer[any] // the answer, for resentFor
}

const (
	seenFor   = time.Hour
	seenMax   = 100_000 // an hour's 50 a second would be 180,000: beyond it the oldest go sooner
	resentFor = 5 * time.Minute
)

// NewSeen has seen nothing. What was signed in a second before since may have come to
// a process that ended, and is refused.
func NewSeen(since time.Time) *Seen {
	return &Seen{since: since.Truncate(time.Second), now: map[string]*taken{}, turned: time.Now()}
}

// signed is an error if a request of a time may have come before.
func (s *Seen) signed(signature, timestamp string) error {
	if at, err := strconv.ParseInt(timestamp, 10, 64); err == nil && time.Unix(at, 0).Before(s.since) {
		return errors.New("it was signed before this process began, and may have come then")
	}
	if _, first := s.note(signature); !first {
		return errors.New("it came before")
	}
	return nil
}

// note remembers a key, and reports whether it was not there before.
func (s *Seen) note(key string) (t *taken, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.turned) > seenFor || len(s.now) > seenMax {
		s.now, s.old, s.turned = map[string]*taken{}, s.now, time.Now()
	}
	if t = cmp.Or(s.now[key], s.old[key]); t != nil {
		return t, false
	}
	t = &taken{done: make(chan struct{})}
	s.now[key] = t
	return t, true
}

// once answers with what do returns. What comes again is not done again: it is
// answered as the first was.
func (s *Seen) once(key string, do func() any) any {
	if strings.HasSuffix(key, " ") {
		return do() // it has no name
	}
	t, first := s.note(key)
	if !first {
		<-t.done
		if ack := t.ack.Load(); ack != nil {
			return *ack
		}
		return nil
	}
	defer close(t.done)
	ack := do()
	t.ack.Store(&ack)
	time.AfterFunc(resentFor, func() { t.ack.Store(nil) })
	return ack
}
