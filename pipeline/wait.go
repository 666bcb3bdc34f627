package pipeline

import (
	"context"
	"sync"
	"time"

	"tocsin"
	"tocsin/pipeline/fold"

	"github.com/nats-io/nats.go/jetstream"
)

// What a feed says of a statement is often a summary, and summaries do not fold.
// The first alert goes out on it; a second one of the same watchlist waits for the
// page of its item, so that a copy is not alerted as something new.

const (
	pageWait     = 20 * time.Second // after an item was seen: its alert waits no longer for its page
	secondWithin = 72 * time.Hour   // after an alert of a watchlist: the next one is a second
	mostWaiting  = 1000             // items that wait in a process: what comes beyond is decided at once
	lookForPages = 10 * time.Second // how long it is known whether anybody fetches pages
)

// awaitPage says that an item waits: until its page was handled, or a time.
type awaitPage struct {
	key  itemKey
	page chan struct{} // closed once a record with its page was handled here
	till time.Time
	over chan struct{} // closed once it is decided, or given up
}

func (*awaitPage) Error() string { return "it waits for its page" }

// waits are the items of a process that wait.
type waits struct {
	mu     sync.Mutex
	of     map[itemKey]*awaitPage
	n      int
	looked time.Time // when fetched was found out
	pages  bool      // somebody fetches pages
}

// arrived lets an item go on whose page was handled.
func (w *waits) arrived(it tocsin.Item) {
	if it.Page == nil && it.Withdrawn.IsZero() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := itemKey{it.Source, it.ID}
	if a := w.of[key]; a != nil {
		close(a.page)
		delete(w.of, key)
	}
}

// giveWay has an item that waits decided before a later revision of it.
func (w *waits) giveWay(ctx context.Context, it tocsin.Item) {
	key := itemKey{it.Source, it.ID}
	w.mu.Lock()
	a := w.of[key]
	if a == nil || it.Rev == 1 {
		w.mu.Unlock()
		return
	}
	close(a.page)
	delete(w.of, key)
	w.mu.Unlock()
	select {
	case <-a.over:
	case <-ctx.Done():
	}
}

func (w *waits) add(key itemKey, till time.Time) *awaitPage {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n >= mostWaiting || w.of[key] != nil {
		return nil
	}
	if w.of == nil {
		w.of = map[itemKey]*awaitPage{}
	}
	a := &awaitPage{key, make(chan struct{}), till, make(chan struct{})}
	w.of[key] = a
	w.n++
	return a
}

func (w *waits) end(a *awaitPage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n--
	close(a.over)
	if w.of[a.key] == a {
		delete(w.of, a.key)
	}
}

// awaits is what an item waits for before it is decided, or nil.
func (m *matcher) awaits(ctx context.Context, it tocsin.Item, matches []tocsin.Match) *awaitPage {
	till := it.Seen.Add(pageWait)
	switch {
	case len(matches) == 0 || m.earlier || m.off.Wait || it.Page != nil || it.URL == "" || it.Baseline || !it.Withdrawn.IsZero():
		return nil
	case !time.Now().Before(till) || time.Until(till) > pageWait+time.Second: // past, or by a clock that is wrong
		return nil
	case m.due != nil && !m.due(it, m.view.source(it.Source)):
		return nil
	case !m.second(it, matches) || !m.fetched(ctx):
		return nil
	}
	return m.waits.add(itemKey{it.Source, it.ID}, till)
}

// second reports whether an item would open another alert of a watchlist.
func (m *matcher) second(it tocsin.Item, matches []tocsin.Match) bool {
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	if _, known := m.book.items[itemKey{it.Source, it.ID}]; known {
		return false
	}
	for _, x := range matches {
		if at, ok := m.book.opened[x.Watchlist]; ok && time.Since(at) < secondWithin {
			return m.fold(it, sketchOf(it, m.view.source(it.Source))).Kind != fold.Same
		}
	}
	return false
}

// fetched reports whether any process fetches pages now: it asks for items, or
// has some in hand.
func (m *matcher) fetched(ctx context.Context) bool {
	m.waits.mu.Lock()
	defer m.waits.mu.Unlock()
	if time.Since(m.waits.looked) < lookForPages {
		return m.waits.pages
	}
	c, err := m.logs.items.Consumer(ctx, pagesConsumer)
	m.waits.looked = time.Now()
	m.waits.pages = err == nil && c.CachedInfo().NumWaiting+c.CachedInfo().NumAckPending > 0
	return m.waits.pages
}

// waitAndHandle holds an item until its page was handled, by whichever process,
// or its time has come, and then decides it. Whoever dies before leaves it to be
// delivered again.
func (m *matcher) waitAndHandle(ctx context.Context, msg jetstream.Msg, a *awaitPage, done chan<- handled) {
	defer m.waits.end(a)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	timer := time.NewTimer(time.Until(a.till))
	defer timer.Stop()
	for waiting := true; waiting; {
		select {
		case <-ctx.Done():
			return
		case <-a.page:
			waiting = false
		case <-timer.C:
			waiting = false
		case <-tick.C:
			_ = msg.InProgress()
			m.book.mu.Lock()
			_, known := m.book.items[a.key]
			m.book.mu.Unlock()
			waiting = !known
		}
	}
	if _, err := m.handle(ctx, msg, nil, done); err != nil {
		m.log.ErrorContext(ctx, "item not matched", "stage", "match", "err", err)
	}
}
