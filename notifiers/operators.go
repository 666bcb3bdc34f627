package notifiers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin"
)

// Operators tells people of trouble by a path that uses nothing that may be the
// trouble: no store, no queue. What is wrong is kept in memory, written to the
// log, and sent to each destination as one message.
//
//   - The message lists all present troubles and is changed as they come and go.
//     When all was clear, the next trouble gets a message of its own. A kind that
//     cannot change messages gets one more for each new trouble, and one at the end.
//   - A new trouble is told within seconds. Other changes, and a trouble that comes
//     back within a quarter of an hour, wait until the last message is that old.
//   - Report and Clear never wait for a network. Destinations do not wait for each
//     other. What fails is logged and tried again.
type Operators struct {
	by  map[string]Notifier
	log *slog.Logger

	mu      sync.Mutex
	to      []tocsin.Destination
	moved   chan struct{} // closed when to changes
	present []trouble
	mended  []trouble // of this round, the newest mendedMost
	round   int       // begins with the first trouble after all was clear
	version int       // moves with every change
	urgent  int       // version at which a new trouble last began
	cleared map[string]time.Time
	wake    []chan struct{} // one a destination, each holds one
}

type trouble struct {
	key, text    string
	since, until time.Time
}

const (
	foldFor    = 2 * time.Second  // troubles that begin together are told together
	calm       = 15 * time.Minute // between messages while nothing new begins
	sendWait   = 30 * time.Second // for one message
	retryFirst = 2 * time.Second
	retryMost  = 15 * time.Minute
	showMost   = 20
	mendedMost = 10
)

// NewOperators makes a path to the destinations in to, by the notifiers of their
// kinds. A nil log means slog.Default().
func NewOperators(to []tocsin.Destination, by map[string]Notifier, log *slog.Logger) *Operators {
	if log == nil {
		log = slog.Default()
	}
	o := &Operators{by: by, log: log, cleared: map[string]time.Time{}, moved: make(chan struct{})}
	o.Set(to)
	return o
}

// Set makes to the destinations from now on. They are told of all present
// troubles; messages that stand elsewhere stay as they are.
func (o *Operators) Set(to []tocsin.Destination) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if slices.Equal(to, o.to) {
		return
	}
	o.to, o.wake = slices.Clone(to), nil
	for range to {
		o.wake = append(o.wake, make(chan struct{}, 1))
	}
	close(o.moved)
	o.moved = make(chan struct{})
}

// Report says that something is wrong, in one plain sentence. The key names the
// trouble: another text for the same key is a change of it.
func (o *Operators) Report(key, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text = short(flat(text), 500)
	i := slices.IndexFunc(o.present, func(t trouble) bool { return t.key == key })
	if i >= 0 && o.present[i].text == text {
		return
	}
	o.version++
	if i >= 0 {
		o.present[i].text = text
		o.log.Warn("trouble changed", "key", key, "text", text)
	} else {
		o.begin(key, text, time.Now())
	}
	o.notify()
}

func (o *Operators) begin(key, text string, now time.Time) {
	if len(o.present) == 0 {
		o.round++
		o.mended = nil
	}
	if last, ok := o.cleared[key]; !ok || now.Sub(last) >= calm {
		o.urgent = o.version
	}
	o.present = append(o.present, trouble{key: key, text: text, since: now})
	o.log.Warn("trouble began", "key", key, "text", text)
}

// Clear says that the trouble of that key is over. It does nothing if there was none.
func (o *Operators) Clear(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.present, func(t trouble) bool { return t.key == key })
	if i < 0 {
		return
	}
	t := o.present[i]
	t.until = time.Now()
	o.present = slices.Delete(o.present, i, i+1)
	o.mended = append(o.mended, t)
	o.mended = o.mended[max(0, len(o.mended)-mendedMost):]
	for k, at := range o.cleared {
		if t.until.Sub(at) >= calm {
			delete(o.cleared, k)
		}
	}
	o.cleared[key] = t.until
	o.version++
	o.log.Info("trouble over", "key", key, "text", t.text, "after", t.until.Sub(t.since))
	o.notify()
}

func (o *Operators) notify() {
	for _, w := range o.wake {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// A picture is the state at one moment.
type picture struct {
	version, urgent, round int
	clear                  bool
	text                   string
}

func (o *Operators) picture() picture {
	o.mu.Lock()
	defer o.mu.Unlock()
	return picture{o.version, o.urgent, o.round, len(o.present) == 0, o.text()}
}

func (o *Operators) text() string {
	var b strings.Builder
	if len(o.present) == 0 {
		b.WriteString("All clear.")
	} else {
		b.WriteString(count(len(o.present), "trouble", "troubles") + ":")
	}
	for _, t := range o.present[:min(len(o.present), showMost)] {
		fmt.Fprintf(&b, "\n- %s (since %s)", t.text, stamp(t.since))
	}
	if n := len(o.present) - showMost; n > 0 {
		fmt.Fprintf(&b, "\n- and %d more: see the log", n)
	}
	for _, t := range o.mended {
		fmt.Fprintf(&b, "\n- over: %s (%s to %s)", t.text, stamp(t.since), stamp(t.until))
	}
	return b.String()
}

// Run sends until ctx is cancelled, and then returns nil.
func (o *Operators) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		o.mu.Lock()
		to, wake, moved := o.to, o.wake, o.moved
		o.mu.Unlock()
		o.serve(ctx, to, wake, moved)
	}
	return nil
}

// serve sends to these destinations until they are others.
func (o *Operators) serve(ctx context.Context, to []tocsin.Destination, wake []chan struct{}, moved <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for i, d := range to {
		n := o.by[d.Kind]
		if n == nil {
			o.log.Error("operators cannot be told", "to", d.Name, "err", "destinations of kind "+d.Kind+" are not configured")
			continue
		}
		kind, _ := KindOf(d.Kind)
		s := &side{Operators: o, to: d, by: n, edits: kind.Edits}
		wg.Go(func() { s.serve(ctx, wake[i]) })
	}
	select {
	case <-ctx.Done():
	case <-moved:
	}
}

// A side is the path to one destination.
type side struct {
	*Operators
	to    tocsin.Destination
	by    Notifier
	edits bool

	shown  int       // version that was told
	round  int       // of the message that stands
	ref    string    // of the message that stands, "" if none does
	stands bool      // a message stands that says something is wrong
	last   time.Time // when one was sent
	hurry  time.Time // when a new trouble was first seen that was not told yet

	id      string // of a message under way
	unsure  bool   // it may have arrived
	backoff time.Duration
	retry   time.Time
}

func (s *side) serve(ctx context.Context, wake <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		p := s.picture()
		due, wanted := s.due(p, time.Now())
		if wanted && !time.Now().Before(due) {
			s.tell(ctx, p)
			continue
		}
		var ring <-chan time.Time
		if wanted {
			timer.Reset(time.Until(due))
			ring = timer.C
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-ring:
		}
	}
}

// due is when p is to be told, if it is.
func (s *side) due(p picture, now time.Time) (time.Time, bool) {
	urgent := p.urgent > s.shown && !p.clear
	switch {
	case p.version == s.shown:
		return now, false
	case p.clear && !s.stands && s.id == "": // it came and went before it was told
		s.shown, s.hurry = p.version, time.Time{}
		return now, false
	case !s.edits && !urgent && !p.clear && s.stands:
		s.shown = p.version
		return now, false
	}
	at := s.last.Add(calm)
	if urgent {
		if s.hurry.IsZero() {
			s.hurry = now
		}
		at = s.hurry.Add(foldFor)
	}
	if at.Before(s.retry) {
		at = s.retry
	}
	return at, true
}

// tell sends p, or the part of it that has to go first.
func (s *side) tell(ctx context.Context, p picture) {
	kind, ref, text := tocsin.Notice, "", p.text
	closing := s.stands && s.edits && s.ref != "" && s.round != p.round // the old message goes first
	if s.stands && s.edits && s.ref != "" {
		kind, ref = tocsin.Update, s.ref
	}
	if closing {
		text = "All clear. What is wrong now stands in a newer message."
	}
	ref, err := s.send(ctx, kind, ref, text)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		s.failed(err)
		return
	}
	s.id, s.unsure, s.backoff, s.retry = "", false, 0, time.Time{}
	if closing {
		s.ref, s.stands = "", false
		return
	}
	s.shown, s.round, s.last, s.hurry = p.version, p.round, time.Now(), time.Time{}
	s.ref, s.stands = ref, !p.clear
}

func (s *side) failed(err error) {
	if s.backoff = min(max(2*s.backoff, retryFirst), retryMost); tocsin.VerdictOf(err) == tocsin.Rate {
		o, _ := errors.AsType[*tocsin.Outcome](err)
		s.backoff = max(o.After, retryFirst)
	}
	switch tocsin.VerdictOf(err) {
	case tocsin.NoEdit:
		s.ref, s.backoff = "", 0
	case tocsin.Ambiguous:
		s.unsure = true
	}
	s.retry = time.Now().Add(s.backoff)
	s.log.Warn("operators were not told", "to", s.to.Name, "err", err, "retry_in", s.backoff)
}

// send makes one attempt. After an ambiguous one it looks first.
func (s *side) send(ctx context.Context, kind, ref, text string) (_ string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("send: panic: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, sendWait)
	defer cancel()
	now := time.Now()
	if s.id == "" {
		s.id = "operators-" + rand.Text()
	}
	d := tocsin.Delivery{ID: s.id, Kind: kind, To: s.to, Text: text, Ref: ref, Since: now, Repeat: s.unsure}
	if f, ok := s.by.(Finder); ok && s.unsure {
		d.Since = now.Add(-retryMost - sendWait)
		found, ok, err := f.Find(ctx, d)
		if ok {
			return found, nil
		}
		d.Since, d.Repeat = now, err != nil
	}
	ready, err := s.by.Prepare(ctx, d)
	if err != nil {
		return "", err
	}
	defer ready.Close()
	return ready.Send(ctx)
}
