package feeds

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// Why a pushed document was not taken. The source is polled instead.
var (
	ErrNotPolled = errors.New("this process does not poll the source")
	ErrPaused    = errors.New("nothing is read at the moment")
	errMoved     = errors.New("the source's log has moved")
)

// Push takes a document that a hub sent as if it had been polled: it is read,
// decided on and stored in the same way. When it returns nil, what was new in it
// is stored. Otherwise, and where it holds no entries, nothing is lost that a
// poll does not bring: see Soon.
func (p *Poller) Push(ctx context.Context, source string, r fetch.Response) (entries bool, err error) {
	p.init()
	if p.Paused != nil && p.Paused() {
		return false, ErrPaused
	}
	p.mu.Lock()
	t := p.tasks[source]
	if t == nil || t.gone {
		p.mu.Unlock()
		return false, ErrNotPolled
	}
	s := t.polled()
	p.mu.Unlock()
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return false, fmt.Errorf("take what a hub sent for %s: %w", source, ctx.Err())
	}
	if !t.loaded {
		if err := p.begin(ctx, t, s); err != nil {
			return false, err
		}
	}
	r.Pushed = true
	res, moved := p.take(context.WithoutCancel(ctx), t, s, r)
	if moved {
		res.err = errMoved
	}
	p.pushed(t, s, res)
	return res.poll == PollRead && res.condition != Empty, res.err
}

// Callbacks is where hubs send what they have for the poller's sources, nil
// without Hubs.
func (p *Poller) Callbacks() http.Handler {
	if p.init(); p.Hubs == nil {
		return nil
	}
	return p.Hubs
}

// pushed notes what a push came to. It is no answer of the source, so it says
// nothing of how the source is.
func (p *Poller) pushed(t *task, s tocsin.Source, r result) {
	now := time.Now()
	p.mu.Lock()
	h := &t.health
	if t.state != nil {
		h.known = t.state.Len()
	}
	if h.items += uint64(r.items); r.items > 0 {
		h.newItem = now
	}
	for _, n := range r.notes {
		if n.Kind != Conflict {
			p.out = append(p.out, h.happened(s, n.Kind, now, n.Text))
		}
	}
	p.logged(r, now)
	p.mu.Unlock()
	p.flush()
	if r.err != nil {
		p.Slog.Warn("push not taken", "stage", "poll", "source", s.ID, "err", r.err)
	} else if r.items > 0 {
		p.Slog.Info("pushed", "stage", "poll", "source", s.ID, "items", r.items)
	}
	if p.Fetched != nil && r.answered() && r.items > 0 {
		p.Fetched(s.ID, cmp.Or(r.at, now.UTC()))
	}
}

// Soon polls a source at once, though not sooner after its last poll than the
// shortest time between two.
func (p *Poller) Soon(source string) {
	p.init()
	p.mu.Lock()
	t := p.tasks[source]
	now := time.Now()
	if t != nil && !t.gone {
		soon := t.ended.Add(p.least())
		if soon.Before(now) {
			soon = now
		}
		switch {
		case t.flying:
			t.again = true
		case t.place >= 0 && soon.Before(t.next):
			t.next = soon
			heap.Fix(&p.queue, t.place)
		}
	}
	p.mu.Unlock()
	p.wakeUp()
}

// after are the validators to ask with once r was read. A push has none: what
// was last fetched is still included.
func (t *task) after(s tocsin.Source, r fetch.Response) fetch.Validators {
	if r.Pushed && sameDocument(t.of, s) {
		return t.validators
	}
	return r.Validators
}

// look polls a source, tends to its hubs if it has any, and notes what came of
// it. A push waits for its end.
func (p *Poller) look(ctx context.Context, t *task, s tocsin.Source, host string) {
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	r := p.poll(ctx, t, s)
	if p.Hubs != nil && s.Kind == WebSub {
		p.Hubs.tend(ctx, s, r)
	}
	p.finish(t, s, host, r)
}

func (p *Poller) pushStatus(s tocsin.Source) *PushStatus {
	if p.Hubs == nil || s.Kind != WebSub {
		return nil
	}
	if st, ok := p.Hubs.Status(s.ID); ok {
		return &st
	}
	return nil
}
