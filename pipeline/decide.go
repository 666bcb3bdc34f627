package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/pipeline/fold"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// item matches an item and stores the event that it needs. A panic is the item's
// fault: it must not take the others with it.
func (m *matcher) item(ctx context.Context, it tocsin.Item, seq uint64, now *ruleset, before <-chan struct{}) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &poison{fmt.Errorf("match %s/%s: panic: %v", it.Source, it.ID, r)}
		}
	}()
	matches := m.match(it, now)
	if before != nil {
		select {
		case <-before:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if before != nil {
		m.waits.giveWay(ctx, it)
		if await := m.awaits(ctx, it, matches); await != nil {
			return await
		}
	}
	return m.store(ctx, it, seq, now.seq, matches)
}

const (
	maxSpans   = 32      // of one match that an event keeps; a long text may hold thousands
	maxMatches = 1 << 19 // bytes of an event's matches: half of the largest message
)

func limitSpans(spans []tocsin.Span) []tocsin.Span { return spans[:min(len(spans), maxSpans)] }

// fit leaves out what a reader can do without until the matches of very many
// watchlists fit an event: further words of each, and then why they matched. If
// that is not enough it takes the first of them: the others are another event.
func fit(matches []tocsin.Match) []tocsin.Match {
	for keep := maxSpans / 4; ; keep /= 4 {
		data, err := json.Marshal(matches)
		if err != nil || len(data) <= maxMatches {
			return matches
		}
		if keep == 0 && len(matches) > 0 && len(matches[0].Spans) == 0 {
			return matches[:max(1, len(matches)*maxMatches/len(data))]
		}
		matches = slices.Clone(matches)
		for i := range matches {
			matches[i].Spans = matches[i].Spans[:min(len(matches[i].Spans), keep)]
			if keep == 0 {
				matches[i].Branch = ""
			}
		}
	}
}

// store appends the event that an item needs, if it needs one, and the further
// ones if its matches take several.
func (m *matcher) store(ctx context.Context, it tocsin.Item, seq, v uint64, matches []tocsin.Match) error {
	if it.Baseline && len(matches) == 0 && !m.book.hasItem(it) {
		return nil // what was there before and matches nothing is not looked for among copies: a first start reads all of a year
	}
	sketch := sketchOf(it, m.view.source(it.Source))
	m.deciding.Lock()
	defer m.deciding.Unlock()
	for {
		ev, expect := m.decide(it, seq, v, matches, sketch)
		if ev == nil || m.earlier && !m.calledFor(ev) {
			return nil
		}
		if err := m.compare(ctx, ev, it); err != nil {
			return err
		}
		m.addFacets(ev, it)
		ev.Earlier = m.earlier
		all := len(ev.Matches)
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
		if err := m.book.waitFor(ctx, at); err != nil || len(ev.Matches) == all && ev.Kind != tocsin.Merged || m.off.Repeat {
			return err
		}
	}
}

// sketchOf is what folding keeps of an item.
func sketchOf(it tocsin.Item, src tocsin.Source) fold.Sketch {
	lang := it.Lang
	if it.Page != nil {
		lang = cmp.Or(lang, it.Page.Lang)
	}
	return fold.Of(it.Title, it.Said(), lang).By(src.Country)
}

// hasItem reports whether an item is of an alert.
func (b *book) hasItem(it tocsin.Item) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.items[itemKey{it.Source, it.ID}]
	return ok
}

// calledFor reports whether an event is for the watchlist that is applied to what
// is stored, and not only something older that an alert of others might show too.
func (m *matcher) calledFor(ev *Event) bool {
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	p := m.book.alerts[ev.Alert]
	return len(ev.Matches) > 0 || p != nil && p.earlier
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
	ev := &Event{V: thirdFormat, At: time.Now().UTC(), Copy: m.copyOf(it, seq), Sketch: sketch, Watch: v}
	if id, known := m.book.items[itemKey{it.Source, it.ID}]; known && !m.off.Repeat {
		p := m.book.alerts[id]
		have := p.copyOf(it.Source, it.ID)
		ev.Copy.Report, ev.Copy.Reason, ev.Copy.Score = have.Report, have.Reason, have.Score
		ev.Alert, ev.Matches, ev.With = id, p.further(matches), p.kin
		if ev.Kind = p.grows(it, ev); ev.Kind == "" {
			return nil, m.book.last
		}
		if merged := m.joins(p, it, ev); merged != nil {
			return merged, m.book.last
		}
		if first := p.alert.First(); ev.Kind == Revised && len(matches) > 0 && first.Source == it.Source && first.Item == it.ID {
			ev.Excerpt, ev.Marks = excerpt(it.Said(), allSpans(matches), len(ev.Copy.Title))
		}
		return ev, m.book.last
	}
	if d := m.fold(it, sketch); d.Kind == fold.Same || d.Kind == fold.Near && len(matches) > 0 {
		p := m.book.alerts[d.Statement]
		ev.Kind, ev.Alert, ev.Reason, ev.Matches, ev.With = Copied, d.Statement, d.Reason, p.further(matches), p.kin
		ev.Copy.Report, ev.Copy.Reason, ev.Copy.Score = d.Kind == fold.Near, d.Reason, d.Score
		return ev, m.book.last
	}
	if len(matches) == 0 {
		return nil, m.book.last
	}
	ev.Kind, ev.Alert, ev.Matches = Opened, alertID(it), matches
	if m.off.Repeat {
		ev.Alert = fmt.Sprintf("%s-%d", ev.Alert, m.book.last)
	}
	ev.Excerpt, ev.Marks = excerpt(it.Said(), allSpans(matches), len(ev.Copy.Title))
	return ev, m.book.last
}

// fold is what an item is to the open statements. The caller holds m.book.mu.
func (m *matcher) fold(it tocsin.Item, sketch fold.Sketch) fold.Decision {
	if m.off.Fold || m.off.Repeat {
		return fold.Decision{Kind: fold.New}
	}
	d := m.book.index.Decide(fold.Member{Source: it.Source, Item: it.ID}, sketch, it.Seen)
	if d.Kind != fold.New && m.book.alerts[d.Statement] == nil {
		return fold.Decision{Kind: fold.New}
	}
	return d
}

// mergeScore is how sure folding has to be that two alerts are one statement: a
// merge moves what people were told already.
const mergeScore = 0.8

// joins is the event by which a fuller text of the item that an alert opened on
// shows it to be one with another alert, or nil. The caller holds m.book.mu.
func (m *matcher) joins(p *page, it tocsin.Item, ev *Event) *Event {
	first := p.alert.First()
	if it.Page == nil && it.Rev == 1 || first.Source != it.Source || first.Item != it.ID || ev.Kind == Withdrawn {
		return nil
	}
	d := m.fold(it, ev.Sketch)
	q := m.book.alerts[d.Statement]
	if d.Kind != fold.Same || d.Score < mergeScore || q == nil || q == p {
		return nil
	}
	older, younger := q, p
	if older.first > younger.first {
		older, younger = younger, older
	}
	if younger.split || m.book.apart(older, younger) {
		return nil
	}
	return mergeEvent(younger, older, d.Reason, d.Score)
}

// mergeEvent says that two alerts are one.
func mergeEvent(younger, older *page, reason string, score float64) *Event {
	return &Event{
		V: thirdFormat, Kind: tocsin.Merged, Alert: younger.alert.ID, At: time.Now().UTC(), Other: older.alert.ID,
		Reason: reason, Score: score, Matches: older.further(younger.alert.Matches), With: union(older.kin, younger.kin),
	}
}

// addFacets says in an event what the text of its item adds to what the alert
// names. What a report names is not the statement's.
func (m *matcher) addFacets(ev *Event, it tocsin.Item) {
	if ev.Copy.Report || ev.Kind == Withdrawn || ev.Kind == tocsin.Merged {
		return
	}
	f := fold.FacetsOf(it.Title, it.Said(), it.Lang)
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	if p := m.book.alerts[ev.Alert]; p != nil {
		f = p.lackingFacets(f)
	}
	ev.Facets = f
}

// grows is the kind of the event by which a record of one of its items makes the
// alert grow, or "".
func (p *page) grows(it tocsin.Item, ev *Event) string {
	have := p.copyOf(it.Source, it.ID)
	switch {
	case it.Rev > have.Rev:
		return Revised
	case it.Rev < have.Rev:
		return ""
	case !it.Withdrawn.IsZero() && have.Withdrawn.IsZero():
		return Withdrawn
	case len(ev.Matches) > 0:
		return Matched
	case it.Page != nil && have.Page == "" && have.Withdrawn.IsZero():
		return Paged
	}
	return ""
}

// compare says in a Revised event what the publisher changed.
func (m *matcher) compare(ctx context.Context, ev *Event, it tocsin.Item) error {
	if ev.Kind != Revised || ev.Changes != nil {
		return nil
	}
	m.book.mu.Lock()
	was := m.book.alerts[ev.Alert].copyOf(it.Source, it.ID)
	m.book.mu.Unlock()
	old, err := m.logs.Item(ctx, was.Seq)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound): // it aged out
		ev.Reason = "the earlier revision is no longer stored"
	case err != nil:
		return err
	case !was.Withdrawn.IsZero():
		ev.Reason = "published again"
		fallthrough
	default:
		ev.Changes = Changes(old, it)
		if why := Material(old, it); why != "" {
			ev.Material, ev.Reason = true, strings.TrimPrefix(ev.Reason+"; "+why, "; ")
		}
	}
	return nil
}

func (m *matcher) copyOf(it tocsin.Item, seq uint64) tocsin.Copy {
	s := m.view.source(it.Source)
	c := tocsin.Copy{
		Source: it.Source, Title: clip(it.Title, maxTitle), Publisher: s.Title, Country: s.Country, Lang: it.Lang, URL: it.URL,
		Item: it.ID, Rev: it.Rev, Seq: seq, Published: it.Published, Updated: it.Updated, Seen: it.Seen, Baseline: it.Baseline, Withdrawn: it.Withdrawn,
	}
	if it.Page != nil {
		c.Page = it.Page.State
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
	have := p.names()
	for _, m := range matches {
		if !have[m.Watchlist] {
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
		return cmp.Or(cmp.Compare(fieldOrder(a.Field), fieldOrder(b.Field)), strings.Compare(a.Field, b.Field), a.Start-b.Start)
	})
	return slices.CompactFunc(out, func(a, b tocsin.Span) bool {
		return a.Field == b.Field && a.Start == b.Start && a.End == b.End
	})
}

func fieldOrder(field string) int {
	switch field {
	case tocsin.FieldTitle:
		return 0
	case tocsin.FieldText:
		return 1
	}
	return 2
}
