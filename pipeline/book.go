package pipeline

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unique"

	"tocsin"
	"tocsin/pipeline/fold"

	"github.com/nats-io/nats.go/jetstream"
)

// A book is what ALERTS says, read in order: every alert as the sum of its
// events, the index that folding decides with, and the events that lanes walk.
type book struct {
	log *slog.Logger

	mu     sync.Mutex
	first  uint64 // sequence of the first event it may hold
	last   uint64 // everything up to here is applied
	moved  chan struct{}
	alerts map[string]*page
	items  map[itemKey]string // -> alert
	index  fold.Index
	opened map[string]time.Time // watchlist -> when it last opened an alert, baselines left out
	events []posted             // in order of seq
	read   map[string]bool      // sources that a Watching event has told of
	rounds int
}

type itemKey struct{ source, id string }

// A posted event has its place in ALERTS.
type posted struct {
	seq uint64
	Event
}

// A page is one alert in the book.
type page struct {
	alert     tocsin.Alert
	added     []uint64 // the sequence of the event that added alert.Matches[i]
	first     uint64   // the sequence of its first event
	last      uint64   // of its events
	earlier   bool     // it opened on what was stored earlier
	escalated []string // destinations that it went on to
	acks      []acked  // in order
	split     bool     // a person parted it from another
	kin       []string // alerts that were merged into it or parted from it, see Event.With
}

func newBook(from uint64, log *slog.Logger) *book {
	return &book{
		log: log, first: from, last: from - 1, moved: make(chan struct{}),
		alerts: map[string]*page{}, items: map[itemKey]string{}, opened: map[string]time.Time{}, read: map[string]bool{},
	}
}

// follow applies ALERTS until ctx ends.
func (b *book) follow(ctx context.Context, logs *Logs) error {
	return follow(ctx, logs.alerts, b.first, b.log, func(m jetstream.Msg, meta *jetstream.MsgMetadata) error {
		ev, err := decode[Event](m.Data())
		if err != nil {
			return err
		}
		if err := b.complete(ctx, logs, meta.Sequence.Stream, ev); err != nil {
			return err
		}
		b.apply(meta.Sequence.Stream, ev)
		return nil
	})
}

// recallRounds reads the Watching events before the book begins: what subscribers
// were told of once is not told again, however long ago that was.
func (b *book) recallRounds(ctx context.Context, logs *Logs) error {
	past, err := logs.eventsOf(ctx, Watching, b.first)
	for _, ev := range past {
		b.write(ev.seq, ev.Event)
	}
	return err
}

// prune forgets the events before a sequence and the alerts that had none since.
func (b *book) prune(from uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, _ := slices.BinarySearchFunc(b.events, from, bySeq)
	b.events = slices.Clone(b.events[i:])
	maps.DeleteFunc(b.alerts, func(_ string, p *page) bool { return p.last < from })
	maps.DeleteFunc(b.items, func(_ itemKey, id string) bool { return b.alerts[id] == nil })
	b.index.Keep(func(id string) bool { return b.alerts[id] != nil })
}

func bySeq(e posted, seq uint64) int { return cmp.Compare(e.seq, seq) }

// apply adds an event. One that is already applied changes nothing.
func (b *book) apply(seq uint64, ev Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if seq <= b.last {
		return
	}
	b.add(seq, ev)
	b.last = seq
	close(b.moved)
	b.moved = make(chan struct{})
}

// applyNext adds our own event if it follows what is applied, so that the next
// decision need not wait for it to come back.
func (b *book) applyNext(seq uint64, ev Event) {
	b.mu.Lock()
	next := seq == b.last+1
	b.mu.Unlock()
	if next {
		b.apply(seq, ev)
	}
}

func (b *book) add(seq uint64, ev Event) {
	ev.share()
	b.events = append(b.events, posted{seq, ev})
	b.write(seq, ev)
}

// share makes equal strings of events one: thousands of alerts name the same
// terms, watchlists and sources.
func (ev *Event) share() {
	one := func(s *string) { *s = unique.Make(*s).Value() }
	for _, s := range []*string{&ev.Kind, &ev.Copy.Source, &ev.Copy.Publisher, &ev.Copy.Country, &ev.Copy.Lang} {
		one(s)
	}
	for i := range ev.Matches {
		one(&ev.Matches[i].Watchlist)
		for j := range ev.Matches[i].Spans {
			one(&ev.Matches[i].Spans[j].Term)
			one(&ev.Matches[i].Spans[j].Field)
		}
	}
	for i := range ev.Marks {
		one(&ev.Marks[i].Term)
		one(&ev.Marks[i].Field)
	}
}

// write adds what an event says to what is known.
func (b *book) write(seq uint64, ev Event) {
	if ev.Kind == Watching {
		b.rounds++
		for _, s := range ev.Round.Read {
			b.read[s] = true
		}
		return
	}
	switch ev.Kind {
	case tocsin.Merged:
		b.merge(seq, ev)
		return
	case tocsin.Split:
		b.split(seq, ev)
		return
	}
	p := b.alerts[ev.Alert]
	if p == nil {
		p = b.begin(seq, ev)
	}
	if ev.Kind == Opened && !ev.Copy.Baseline {
		for _, m := range ev.Matches {
			b.opened[m.Watchlist] = ev.At
		}
	}
	p.add(seq, ev)
	p.takeFacets(ev.Facets)
	if ev.Kind == Acknowledged || ev.Kind == Escalated {
		return
	}
	b.items[itemKey{ev.Copy.Source, ev.Copy.Item}] = ev.Alert
	if !ev.Sketch.IsZero() {
		add := b.index.Add
		if ev.Copy.Report {
			add = b.index.AddReport
		}
		add(ev.Alert, fold.Member{Source: ev.Copy.Source, Item: ev.Copy.Item}, ev.Sketch, ev.Copy.Seen)
	}
}

// begin is the page of an alert on its first event.
func (b *book) begin(seq uint64, ev Event) *page {
	p := &page{
		alert: tocsin.Alert{ID: ev.Alert, Opened: ev.At, Title: ev.Copy.Title, Excerpt: ev.Excerpt, Marks: ev.Marks},
		first: seq, earlier: ev.Earlier,
	}
	b.alerts[ev.Alert] = p
	return p
}

// addMatches adds those of watchlists that the alert does not have.
func (p *page) addMatches(seq uint64, matches []tocsin.Match) {
	have := p.names()
	for _, m := range matches {
		if !have[m.Watchlist] {
			have[m.Watchlist] = true
			p.alert.Matches = append(p.alert.Matches, m)
			p.added = append(p.added, seq)
		}
	}
}

func (p *page) add(seq uint64, ev Event) {
	p.last = seq
	if ev.Kind == Escalated {
		p.escalated = append(p.escalated, ev.To)
		return
	}
	if ev.Kind == Acknowledged {
		p.acknowledge(ev)
		return
	}
	p.addMatches(seq, ev.Matches)
	if ev.Kind == Revised {
		p.alert.Revised++
		p.alert.Changes, p.alert.Why = ev.Changes, ""
		if ev.Material {
			p.alert.Material++
			p.alert.Why = ev.Reason
		}
	}
	if ev.Kind == Merged {
		p.alert.Into = ev.Other
		return
	}
	// A copy is replaced, never changed: readers hold earlier ones.
	copies := slices.Clone(p.alert.Copies)
	i := slices.IndexFunc(copies, func(c tocsin.Copy) bool { return c.Source == ev.Copy.Source && c.Item == ev.Copy.Item })
	switch {
	case i < 0:
		copies = append(copies, ev.Copy)
	case ev.Copy.Rev >= copies[i].Rev:
		seen := copies[i].Seen
		if i == 0 && ev.Copy.Title != copies[0].Title {
			p.unmarkTitle()
		}
		if i == 0 && ev.Excerpt != "" {
			p.alert.Excerpt, p.alert.Marks = ev.Excerpt, ev.Marks
		}
		copies[i] = ev.Copy
		copies[i].Seen = seen
	}
	p.alert.Copies = copies
}

// unmarkTitle drops the marks of a title that is no longer shown.
func (p *page) unmarkTitle() {
	p.alert.Marks = slices.DeleteFunc(slices.Clone(p.alert.Marks), func(s tocsin.Span) bool { return s.Field == tocsin.FieldTitle })
}

// names are the watchlists that matched the alert.
func (p *page) names() map[string]bool {
	out := make(map[string]bool, len(p.alert.Matches))
	for _, m := range p.alert.Matches {
		out[m.Watchlist] = true
	}
	return out
}

// matchedBy are the watchlists that had matched when the event at seq was
// applied.
func (p *page) matchedBy(seq uint64) []string {
	var out []string
	for i, m := range p.alert.Matches {
		if p.added[i] <= seq {
			out = append(out, m.Watchlist)
		}
	}
	return out
}

// copyOf is what the alert knows of an item; zero if nothing.
func (p *page) copyOf(source, item string) tocsin.Copy {
	for _, c := range p.alert.Copies {
		if c.Source == source && c.Item == item {
			return c
		}
	}
	return tocsin.Copy{}
}

// snapshot is an alert as it stands, and the sequence of its last event.
func (b *book) snapshot(id string) (tocsin.Alert, uint64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.alerts[id]
	if p == nil {
		return tocsin.Alert{}, 0, false
	}
	return p.alert, p.last, true
}

// after are the events that follow seq, at most n, the sequence up to which they
// are complete, and a channel that is closed when more is applied.
func (b *book) after(seq uint64, n int) ([]posted, uint64, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, _ := slices.BinarySearchFunc(b.events, seq+1, bySeq)
	evs := b.events[i:]
	through := b.last
	if len(evs) > n {
		evs = evs[:n]
		through = evs[n-1].seq
	}
	return evs, through, b.moved
}

// waitFor returns once everything up to seq is applied.
func (b *book) waitFor(ctx context.Context, seq uint64) error {
	for {
		b.mu.Lock()
		last, moved := b.last, b.moved
		b.mu.Unlock()
		if last >= seq {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// event is the event at a sequence, or a zero one if the book does not hold it.
func (b *book) event(seq uint64) posted {
	evs, _, _ := b.after(seq-1, 1)
	if len(evs) == 1 && evs[0].seq == seq {
		return evs[0]
	}
	return posted{}
}

// matched are those of lists that had matched an alert by the event at seq.
func (b *book) matched(alert string, seq uint64, lists []string) (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.alerts[alert]; p != nil {
		for _, w := range p.matchedBy(seq) {
			if slices.Contains(lists, w) {
				out = append(out, w)
			}
		}
	}
	return out
}

// newestInSummary is how many alerts a Summary shows.
const newestInSummary = 5

// summary tells a destination, which has these subscriptions, what a round of first
// readings found of what they want.
func (b *book) summary(ev posted, subs []tocsin.Subscription) tocsin.Summary {
	s := tocsin.Summary{Sources: ev.Round.Sources, Answered: ev.Round.Answered, Silent: ev.Round.Silent}
	for _, sub := range subs {
		s.Watchlists = append(s.Watchlists, sub.Watchlist)
	}
	slices.Sort(s.Watchlists)
	s.Watchlists = slices.Compact(s.Watchlists)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.alerts {
		lists := p.matchedBy(ev.seq)
		if p.baselineOf(ev.Round.Read) && slices.ContainsFunc(subs, func(sub tocsin.Subscription) bool {
			return slices.Contains(lists, sub.Watchlist) && Wants(sub, b.copiesBy(p, ev.seq))
		}) {
			s.Matching++
			s.Newest = append(s.Newest, p.alert)
		}
	}
	slices.SortFunc(s.Newest, func(x, y tocsin.Alert) int {
		return cmp.Or(y.First().Published.Compare(x.First().Published), strings.Compare(x.ID, y.ID))
	})
	s.Newest = s.Newest[:min(len(s.Newest), newestInSummary)]
	return s
}

// baselineOf reports whether one of the sources had an item of the alert already
// when it was first read.
func (p *page) baselineOf(sources []string) bool {
	return slices.ContainsFunc(p.alert.Copies, func(c tocsin.Copy) bool { return c.Baseline && slices.Contains(sources, c.Source) })
}
