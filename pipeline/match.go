package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin"
	"tocsin/pipeline/fold"
	"tocsin/pipeline/watchlist"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// A matcher turns items into events: it matches each against every watchlist
// and folds it into the open statements.
//
//	match(item, seq):
//	  v := WATCH as seen here
//	  until an event is stored or none is needed:
//	    decide with what ALERTS says up to n; append expecting n
//	    when another was first: read what it wrote, decide again
//	  if WATCH moved past v meanwhile: the same with the watchlists that changed
//	  acknowledge
//
// So an item that is handled twice, by whomever, has one event, and an item
// stored after a watchlist was changed is matched by that change or a later one.
type matcher struct {
	logs  *Logs
	book  *book
	view  *view
	log   *slog.Logger
	off   Off
	count *Counts

	// probe is nil, or tries items in another process and returns those that end
	// it. It is set after an unclean stop.
	probe  func(context.Context, []Stored, []tocsin.Watchlist) ([]Stored, error)
	before func(tocsin.Item) // a test's; may be nil
	report func(key, text string)

	deciding sync.Mutex // one decision at a time in this process: the log takes one anyway
	banished sync.Map   // sequences in quarantine
}

// run matches items until ctx ends.
func (m *matcher) run(ctx context.Context) error {
	c, err := m.consumer(ctx)
	if err != nil {
		return err
	}
	if err := m.inspect(ctx); err != nil {
		return err
	}
	done := make(chan handled, inHand)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.settle(ctx, done) })
	g.Go(func() error {
		for ctx.Err() == nil {
			if err := m.consume(ctx, c, done); err != nil {
				return err
			}
			_ = pause(ctx, refollow)
		}
		return nil
	})
	return g.Wait()
}

// handled is an item that was matched with WATCH at a sequence and waits for
// its acknowledgement.
type handled struct {
	msg   jetstream.Msg
	watch uint64
}

// consume handles items as they come. It returns nil when it has to begin
// again.
func (m *matcher) consume(ctx context.Context, c jetstream.Consumer, done chan<- handled) error {
	it, err := c.Messages(jetstream.PullMaxMessages(inHand))
	if err != nil {
		m.log.WarnContext(ctx, "items not read", "stage", "match", "err", err)
		return nil
	}
	defer it.Stop()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	defer context.AfterFunc(ctx, it.Stop)()
	for ctx.Err() == nil {
		msg, err := it.Next()
		if err != nil {
			if !errors.Is(err, jetstream.ErrMsgIteratorClosed) {
				m.log.WarnContext(ctx, "items not read", "stage", "match", "err", err)
			}
			break
		}
		g.Go(func() error { return m.handle(ctx, msg, done) })
	}
	return g.Wait()
}

// handle matches one item until that succeeds. It gives up only when ctx ends or
// a newer tocsin wrote what it has to read.
func (m *matcher) handle(ctx context.Context, msg jetstream.Msg, done chan<- handled) error {
	for {
		v, err := m.message(ctx, msg)
		if err == nil {
			select {
			case done <- handled{msg, v}:
			case <-ctx.Done():
			}
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
		if newer, ok := errors.AsType[*NewerError](err); ok {
			return fmt.Errorf("match: %w", newer)
		}
		m.log.WarnContext(ctx, "item not matched, trying again", "stage", "match", "err", err)
		_ = msg.InProgress()
		_ = pause(ctx, refollow)
	}
}

// settle acknowledges what was handled, many at once, after a look at WATCH: if
// it moved past what they were matched with they are matched again.
func (m *matcher) settle(ctx context.Context, done <-chan handled) error {
	for {
		var batch []handled
		select {
		case <-ctx.Done():
			return nil
		case h := <-done:
			batch = append(batch, h)
		}
		for more := true; more; {
			select {
			case h := <-done:
				batch = append(batch, h)
			default:
				more = false
			}
		}
		for err := m.acknowledge(ctx, batch); err != nil && ctx.Err() == nil; err = m.acknowledge(ctx, batch) {
			if newer, ok := errors.AsType[*NewerError](err); ok {
				return fmt.Errorf("match: %w", newer)
			}
			m.log.WarnContext(ctx, "items not acknowledged, trying again", "stage", "match", "err", err)
			_ = pause(ctx, refollow)
		}
	}
}

func (m *matcher) acknowledge(ctx context.Context, batch []handled) error {
	for stale := !m.off.Version; stale; {
		stale = false
		now, err := m.logs.watchSeq(ctx)
		if err != nil {
			return err
		}
		for i, h := range batch {
			if h.watch >= now {
				continue
			}
			stale = true
			if err := m.view.waitFor(ctx, now); err != nil {
				return err
			}
			if batch[i].watch, err = m.message(ctx, h.msg); err != nil {
				return err
			}
		}
	}
	for _, h := range batch {
		if err := h.msg.Ack(); err != nil {
			return fmt.Errorf("acknowledge: %w", err)
		}
		m.count.Matched.Add(1)
	}
	return nil
}

// inspect tries what was in hand when the process died in another process, and
// quarantines what kills that too.
func (m *matcher) inspect(ctx context.Context) error {
	if m.probe == nil {
		return nil
	}
	c, err := m.logs.items.Consumer(ctx, matchConsumer)
	if err != nil {
		return fmt.Errorf("match: %w", err)
	}
	var suspects []Stored
	for r, err := range m.logs.read(ctx, streamItems, "items.*", c.CachedInfo().AckFloor.Stream+1) {
		if err != nil {
			return fmt.Errorf("match: %w", err)
		}
		if it, err := decode[tocsin.Item](r.Data); err == nil {
			suspects = append(suspects, Stored{r.Sequence, it})
		}
		if len(suspects) == maxSuspects {
			break
		}
	}
	_, lists := m.view.snapshot()
	killers, err := m.probe(ctx, suspects, watchlistsOf(lists))
	for _, k := range killers {
		if err := m.banish(ctx, k.Seq, k.Item, errors.New("it ended the process that tried it")); err != nil {
			return err
		}
	}
	return err
}

// maxSuspects bounds what is tried after an unclean stop: a process holds far
// fewer items in hand, but what it had handled may not be acknowledged on disk.
const maxSuspects = 512

// banish quarantines an item, so that it is not handled again.
func (m *matcher) banish(ctx context.Context, seq uint64, it tocsin.Item, cause error) error {
	why := clip(cause.Error(), maxWhy)
	if err := m.logs.quarantine(ctx, Quarantined{Source: it.Source, Reason: why, Seq: seq, Item: &it}); err != nil {
		return err
	}
	m.banished.Store(seq, true)
	m.count.Quarantined.Add(1)
	m.log.ErrorContext(ctx, "item quarantined", "stage", "match", "source", it.Source, "item", it.ID, "seq", seq, "err", why)
	m.report("quarantine."+it.Source, fmt.Sprintf("an item of %s could not be matched and is in quarantine: %s", it.Source, why))
	return nil
}

func watchlistsOf(lists map[string]*compiled) []tocsin.Watchlist {
	var out []tocsin.Watchlist
	for _, l := range lists {
		out = append(out, l.Watchlist)
	}
	return out
}

const (
	matchConsumer = "match"
	inHand        = 16 // items a process asks for ahead: what a kill delays
	ackWait       = 5 * time.Second
)

// consumer is the shared durable consumer of ITEMS. Where this process is the
// only one it is made anew at its acknowledged place, so that what was in hand
// at a kill comes back at once and not after ackWait.
func (m *matcher) consumer(ctx context.Context) (jetstream.Consumer, error) {
	cfg := jetstream.ConsumerConfig{
		Durable: matchConsumer, FilterSubject: "items.*",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: -1, MaxDeliver: -1,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
	}
	old, err := m.logs.items.Consumer(ctx, matchConsumer)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		// Older items are unknown to folding: they would all alert again.
		if cfg.OptStartSeq, err = m.logs.seqAt(ctx, m.logs.items, time.Now().Add(-fold.Window)); err != nil {
			return nil, fmt.Errorf("match: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("match: %w", err)
	case !m.logs.b.Embedded:
		return old, nil
	default:
		cfg.OptStartSeq = old.CachedInfo().AckFloor.Stream + 1
		if err := m.logs.items.DeleteConsumer(ctx, matchConsumer); err != nil {
			return nil, fmt.Errorf("match: %w", err)
		}
	}
	c, err := m.logs.items.CreateConsumer(ctx, cfg)
	if errors.Is(err, jetstream.ErrConsumerExists) { // another process was first
		c, err = m.logs.items.Consumer(ctx, matchConsumer)
	}
	if err != nil {
		return nil, fmt.Errorf("match: %w", err)
	}
	return c, nil
}

// message handles one item and says with which WATCH sequence.
func (m *matcher) message(ctx context.Context, msg jetstream.Msg) (uint64, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return 0, fmt.Errorf("match: %w", err)
	}
	seq := meta.Sequence.Stream
	v, lists := m.view.snapshot()
	if _, gone := m.banished.Load(seq); gone {
		return v, nil
	}
	it, err := decode[tocsin.Item](msg.Data())
	if _, newer := errors.AsType[*NewerError](err); newer {
		return v, err
	}
	if err != nil {
		return v, m.banish(ctx, seq, tocsin.Item{Source: strings.TrimPrefix(msg.Subject(), "items.")}, err)
	}
	err = m.item(ctx, it, seq, v, lists)
	if p, ok := errors.AsType[*poison](err); ok {
		return v, m.banish(ctx, seq, it, p)
	}
	return v, err
}

// poison means that an item cannot be handled, however often it is tried.
type poison struct{ err error }

func (p *poison) Error() string { return p.err.Error() }

// item matches an item and stores the event that it needs. A panic is the item's
// fault: it must not take the others with it.
func (m *matcher) item(ctx context.Context, it tocsin.Item, seq, v uint64, lists map[string]*compiled) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &poison{fmt.Errorf("match %s/%s: panic: %v", it.Source, it.ID, r)}
		}
	}()
	return m.store(ctx, it, seq, v, m.match(it, lists))
}

// match evaluates every watchlist on an item, in the order of their names.
func (m *matcher) match(it tocsin.Item, lists map[string]*compiled) (out []tocsin.Match) {
	if m.off.Match {
		return nil
	}
	m.count.Items.Add(1)
	if m.before != nil {
		m.before(it)
	}
	doc := watchlist.NewDocument(it.Title, it.Text, it.Lang)
	for name, l := range lists {
		if spans, ok := l.query.Match(doc); ok {
			out = append(out, tocsin.Match{Watchlist: name, Version: l.version, Spans: limitSpans(spans)})
		}
	}
	slices.SortFunc(out, func(a, b tocsin.Match) int { return strings.Compare(a.Watchlist, b.Watchlist) })
	return out
}

const (
	maxSpans   = 32      // of one match that an event keeps; a long text may hold thousands
	maxMatches = 1 << 19 // bytes of an event's matches: half of the largest message
)

func limitSpans(spans []tocsin.Span) []tocsin.Span { return spans[:min(len(spans), maxSpans)] }

// fit leaves out what a reader can do without until the matches of very many
// watchlists fit an event: further words of each.
func fit(matches []tocsin.Match) []tocsin.Match {
	for keep := maxSpans / 4; ; keep /= 4 {
		if data, err := json.Marshal(matches); err != nil || len(data) <= maxMatches {
			return matches
		}
		matches = slices.Clone(matches)
		for i := range matches {
			matches[i].Spans = matches[i].Spans[:min(len(matches[i].Spans), keep)]
		}
		if keep == 0 {
			return matches
		}
	}
}

// store appends the event that an item needs, if it needs one.
func (m *matcher) store(ctx context.Context, it tocsin.Item, seq, v uint64, matches []tocsin.Match) error {
	sketch := fold.Of(it.Title, it.Text)
	if m.off.Fold {
		sketch = fold.Sketch{Whole: fmt.Sprint(seq)}
	}
	m.deciding.Lock()
	defer m.deciding.Unlock()
	for {
		ev, expect := m.decide(it, seq, v, matches, sketch)
		if ev == nil {
			return nil
		}
		ev.Matches = fit(ev.Matches)
		at, err := appendTo(ctx, m.logs.b, "alerts."+ev.Alert, ev, jetstream.WithExpectLastSequence(expect))
		if errors.Is(err, nats.ErrMaxPayload) {
			return &poison{err}
		}
		if moved, ok := errors.AsType[*errMoved](err); ok {
			if moved.last < expect {
				return fmt.Errorf("match: ALERTS was read up to %d and ends at %d: it was replaced; restart tocsin", expect, moved.last)
			}
			if err := m.book.waitFor(ctx, moved.last); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return m.afterUnknown(ctx, err)
		}
		m.count.event(ev)
		m.book.applyNext(at, *ev)
		return m.book.waitFor(ctx, at)
	}
}

// afterUnknown reads what the log holds after an append whose outcome is
// unknown, so that the next try finds it if it was stored.
func (m *matcher) afterUnknown(ctx context.Context, cause error) error {
	info, err := m.logs.alerts.Info(ctx)
	if err == nil {
		err = m.book.waitFor(ctx, info.State.LastSeq)
	}
	return errors.Join(cause, err)
}

// decide is the event that an item needs, given what ALERTS says, or nil, and
// the sequence up to which that was read.
func (m *matcher) decide(it tocsin.Item, seq, v uint64, matches []tocsin.Match, sketch fold.Sketch) (*Event, uint64) {
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	ev := &Event{V: tocsin.Format, At: time.Now().UTC(), Copy: m.copyOf(it, seq), Sketch: sketch, Watch: v}
	if id, known := m.book.items[itemKey{it.Source, it.ID}]; known && !m.off.Repeat {
		p := m.book.alerts[id]
		ev.Alert, ev.Matches = id, p.further(matches)
		switch {
		case it.Rev > p.rev(it.Source, it.ID):
			ev.Kind = Revised
		case len(ev.Matches) > 0:
			ev.Kind = Matched
		default:
			return nil, m.book.last
		}
		return ev, m.book.last
	}
	if d := m.book.index.Decide(it.Source, sketch, it.Seen); d.Kind == fold.Same && !m.off.Repeat {
		ev.Kind, ev.Alert, ev.Reason = Copied, d.Statement, d.Reason
		ev.Matches = m.book.alerts[d.Statement].further(matches)
		return ev, m.book.last
	}
	if len(matches) == 0 {
		return nil, m.book.last
	}
	ev.Kind, ev.Alert, ev.Matches = Opened, alertID(it), matches
	if m.off.Repeat {
		ev.Alert = fmt.Sprintf("%s-%d", ev.Alert, m.book.last)
	}
	ev.Excerpt, ev.Marks = excerpt(it.Text, allSpans(matches), len(ev.Copy.Title))
	return ev, m.book.last
}

func (m *matcher) copyOf(it tocsin.Item, seq uint64) tocsin.Copy {
	s := m.view.source(it.Source)
	c := tocsin.Copy{
		Source: it.Source, Title: clip(it.Title, maxTitle), Publisher: s.Title, Country: s.Country, Lang: it.Lang, URL: it.URL,
		Item: it.ID, Rev: it.Rev, Seq: seq, Published: it.Published, Updated: it.Updated, Seen: it.Seen, Baseline: it.Baseline,
	}
	if c.Publisher == "" {
		c.Publisher = s.ID
	}
	return c
}

// maxTitle is how many bytes of a title an event keeps.
const maxTitle = 1000

func clip(s string, n int) string { return s[:wordEnd(s, n)] }

// further are the matches of watchlists that the alert does not have yet.
func (p *page) further(matches []tocsin.Match) []tocsin.Match {
	var out []tocsin.Match
	for _, m := range matches {
		if !p.matched(m.Watchlist) {
			out = append(out, m)
		}
	}
	return out
}

// allSpans are the spans of all matches, each place once, in order.
func allSpans(matches []tocsin.Match) []tocsin.Span {
	var out []tocsin.Span
	for _, m := range matches {
		out = append(out, m.Spans...)
	}
	slices.SortFunc(out, func(a, b tocsin.Span) int {
		if a.Field != b.Field {
			return strings.Compare(b.Field, a.Field) // title before text
		}
		return a.Start - b.Start
	})
	return slices.CompactFunc(out, func(a, b tocsin.Span) bool {
		return a.Field == b.Field && a.Start == b.Start && a.End == b.End
	})
}
