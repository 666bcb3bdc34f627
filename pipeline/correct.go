package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin"
	"tocsin/pipeline/fold"

	"github.com/nats-io/nats.go/jetstream"
)

// A Correction is what a person says of alerts.
type Correction struct {
	By  string // who
	Why string // may be empty
}

// Merge says that two alerts are one statement: the older goes on for both. It
// returns nil where that was said already.
func (l *Logs) Merge(ctx context.Context, c Correction, younger, older string) error {
	_, err := l.correct(ctx, c, func(b *book) (*Event, error) {
		p, err := b.known(younger)
		if err != nil {
			return nil, err
		}
		q, err := b.known(older)
		switch {
		case err != nil:
			return nil, err
		case p == q && younger != older:
			return nil, nil
		case p == q:
			return nil, fmt.Errorf("merge %s: name two alerts", younger)
		case p.first < q.first:
			return nil, fmt.Errorf("merge %s into %s: %s opened first; name the younger first", younger, older, p.alert.ID)
		}
		return mergeEvent(p, q, c.Why, 1), nil
	})
	return err
}

// Split says that items of an alert are another statement, and returns the alert
// that they are now. Sources stands for all items of those.
func (l *Logs) Split(ctx context.Context, c Correction, alert string, items, sources []string) (string, error) {
	var said *Event
	ev, err := l.correct(ctx, c, func(b *book) (*Event, error) {
		if said != nil && b.alerts[said.Alert] != nil { // an append whose outcome was not known
			return nil, nil
		}
		p, err := b.known(alert)
		if err != nil {
			return nil, err
		}
		moved, err := p.chosen(items, sources)
		if err != nil {
			return nil, fmt.Errorf("split %s: %w", alert, err)
		}
		said, err = l.splitEvent(ctx, p, moved)
		if said != nil {
			said.Reason = c.Why
		}
		return said, err
	})
	if ev == nil {
		ev = said
	}
	if err != nil || ev == nil {
		return "", err
	}
	return ev.Alert, nil
}

// correct appends what a person says once it is decided on all that ALERTS holds.
func (l *Logs) correct(ctx context.Context, c Correction, decide func(*book) (*Event, error)) (*Event, error) {
	b := newBook(1, nil)
	for {
		if err := b.readOn(ctx, l); err != nil {
			return nil, err
		}
		ev, err := decide(b)
		if err != nil || ev == nil {
			return nil, err
		}
		ev.By = c.By
		_, err = appendTo(ctx, l.b, "alerts."+ev.Alert, ev, jetstream.WithExpectLastSequence(b.last))
		if _, moved := errors.AsType[*errMoved](err); moved {
			continue
		}
		if err != nil {
			return nil, err
		}
		return ev, l.audit(ctx, "alert", ev.Alert, Audited{Who: c.By, After: ev})
	}
}

// readOn applies what ALERTS holds beyond the book.
func (b *book) readOn(ctx context.Context, l *Logs) error {
	for m, err := range l.read(ctx, streamAlerts, "alerts.*", b.last+1) {
		if err != nil {
			return err
		}
		ev, err := decode[Event](m.Data)
		if err != nil {
			return err
		}
		b.write(m.Sequence, ev)
		b.last = m.Sequence
	}
	return nil
}

// known is the page of an alert, or of the one that it was merged into.
func (b *book) known(id string) (*page, error) {
	if p := b.alerts[b.root(id)]; p != nil && id != Watching {
		return p, nil
	}
	return nil, fmt.Errorf("alert %q: there is none of this name; see: tocsin alert list", id)
}

// chosen are the copies that a person named.
func (p *page) chosen(items, sources []string) (out []tocsin.Copy, err error) {
	for _, id := range append(slices.Clone(items), sources...) {
		if !slices.ContainsFunc(p.alert.Copies, func(c tocsin.Copy) bool { return c.Item == id || slices.Contains(sources, c.Source) }) {
			return nil, fmt.Errorf("it has nothing of %q; see: tocsin alert show", id)
		}
	}
	for i, c := range p.alert.Copies {
		if !slices.Contains(items, c.Item) && !slices.Contains(sources, c.Source) {
			continue
		}
		if i == 0 {
			return nil, fmt.Errorf("%s/%s is what it opened on and stays: split off the others", c.Source, c.Item)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("name items or sources to split off")
	}
	return out, nil
}

// splitEvent opens an alert on copies of another, with what they match now.
func (l *Logs) splitEvent(ctx context.Context, p *page, moved []tocsin.Copy) (*Event, error) {
	w, err := l.Wanted(ctx)
	if err != nil {
		return nil, err
	}
	rules := w.rules()
	h := sha256.New()
	fmt.Fprintf(h, "split %s", p.alert.ID)
	ev := &Event{V: thirdFormat, Kind: tocsin.Split, Other: p.alert.ID, At: time.Now().UTC(), Copy: moved[0], With: p.kin, Watch: w.Seq}
	ev.Copy.Report, ev.Copy.Reason, ev.Copy.Score = false, "", 0
	have := map[string]bool{}
	for i, c := range moved {
		fmt.Fprintf(h, " %s/%s", c.Source, c.Item)
		ev.Items = append(ev.Items, ItemRef{c.Source, c.Item})
		it, err := l.Item(ctx, c.Seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // it aged out
		}
		if err != nil {
			return nil, err
		}
		for _, v := range verdicts(Document(it, w.Source(it.Source)), rules) {
			if !v.Matched || have[v.Watchlist] {
				continue
			}
			have[v.Watchlist] = true
			m := tocsin.Match{Watchlist: v.Watchlist, Version: w.Watchlists[v.Watchlist].Seq, Branch: v.Branch}
			if i == 0 {
				m.Spans = limitSpans(v.Spans)
			}
			ev.Matches = append(ev.Matches, m)
		}
		if i == 0 {
			ev.Facets = fold.FacetsOf(it.Title, it.Said(), it.Lang)
			ev.Excerpt, ev.Marks = excerpt(it.Said(), allSpans(ev.Matches), len(c.Title))
		}
	}
	ev.Matches = fit(ev.Matches)
	ev.Alert = hex.EncodeToString(h.Sum(nil)[:6])
	return ev, nil
}

// A Label is a text of which a person said to which statement it belongs.
type Label struct {
	ID        string    `json:"id"`
	Cluster   string    `json:"cluster"` // the alert
	Title     string    `json:"title"`
	Text      string    `json:"text"`
	Lang      string    `json:"lang"`
	Source    string    `json:"source"`
	Country   string    `json:"country"`
	FirstSeen time.Time `json:"first_seen"`
}

// Labels yields the texts of the alerts that people merged or split, as ITEMS
// still holds them. Reports are left out: which statement they tell of is not
// what was said.
func (l *Logs) Labels(ctx context.Context, yield func(Label) error) error {
	b := newBook(1, nil)
	var said []string
	for ev, err := range l.events(ctx) {
		if err != nil {
			return err
		}
		b.write(ev.seq, ev.Event)
		if ev.By != "" {
			said = append(said, ev.Alert, ev.Other)
		}
	}
	told := map[string]bool{}
	for _, id := range said {
		p := b.alerts[b.root(id)]
		if p == nil || told[p.alert.ID] {
			continue
		}
		told[p.alert.ID] = true
		for _, c := range p.alert.Copies {
			if c.Report {
				continue
			}
			it, err := l.Item(ctx, c.Seq)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			x := Label{c.Source + "/" + c.Item, p.alert.ID, it.Title, it.Said(), it.Lang, c.Source, c.Country, c.Seen}
			if err := yield(x); err != nil {
				return err
			}
		}
	}
	return nil
}
