package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"tocsin"
	"tocsin/pipeline/fold"
)

// Alerts are kin when one was merged into the other or parted from it: what one
// of them is can only be told by the events of all. So every event names its
// alert's kin, and whoever reads an alert reads them too.

// complete reads what was said of an alert before the book begins. It is tried
// until that succeeds: an alert without its first events would be decided wrong.
func (b *book) complete(ctx context.Context, logs *Logs, seq uint64, ev Event) error {
	for missing := b.missing(seq, ev); len(missing) > 0; {
		past, err := logs.kinEvents(ctx, missing, seq, b.has)
		if _, newer := errors.AsType[*NewerError](err); newer || ctx.Err() != nil {
			return err
		}
		if err != nil {
			b.log.WarnContext(ctx, "alert not read, trying again", "alert", ev.Alert, "err", err)
			_ = pause(ctx, refollow)
			continue
		}
		b.mu.Lock()
		for _, old := range past {
			b.write(old.seq, old.Event)
		}
		b.mu.Unlock()
		return nil
	}
	return nil
}

// missing are the alerts that have to be read before an event is applied.
func (b *book) missing(seq uint64, ev Event) (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if seq <= b.last || ev.Kind == Watching {
		return nil
	}
	if ev.Kind != Opened && ev.Kind != tocsin.Split && b.alerts[ev.Alert] == nil {
		out = append(out, ev.Alert)
	}
	if ev.Other != "" && b.alerts[ev.Other] == nil {
		out = append(out, ev.Other)
	}
	if len(out) > 0 {
		out = append(out, ev.With...)
	}
	return out
}

func (b *book) has(alert string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.alerts[alert] != nil
}

// eventsOf are the events of an alert before a sequence.
func (l *Logs) eventsOf(ctx context.Context, alert string, before uint64) ([]posted, error) {
	var out []posted
	for m, err := range l.read(ctx, streamAlerts, "alerts."+alert, 1) {
		if err != nil {
			return nil, err
		}
		if m.Sequence >= before {
			break
		}
		ev, err := decode[Event](m.Data)
		if err != nil {
			return nil, err
		}
		out = append(out, posted{m.Sequence, ev})
	}
	return out, nil
}

// kinEvents are the events of alerts and of their kin before a sequence, in
// order. What is known is left out.
func (l *Logs) kinEvents(ctx context.Context, alerts []string, before uint64, known func(string) bool) ([]posted, error) {
	var out []posted
	read := map[string]bool{}
	for len(alerts) > 0 {
		id := alerts[0]
		alerts = alerts[1:]
		if id == "" || read[id] || known(id) {
			continue
		}
		read[id] = true
		events, err := l.eventsOf(ctx, id, before)
		if err != nil {
			return nil, err
		}
		for _, ev := range events {
			alerts = append(append(alerts, ev.Other), ev.With...)
		}
		out = append(out, events...)
	}
	slices.SortFunc(out, func(x, y posted) int { return cmp.Compare(x.seq, y.seq) })
	return out, nil
}

// page reads one alert from the log.
func (l *Logs) page(ctx context.Context, id string) (*page, error) {
	events, err := l.kinEvents(ctx, []string{id}, math.MaxUint64, func(string) bool { return false })
	if err != nil {
		return nil, err
	}
	b := newBook(1, nil)
	for _, ev := range events {
		b.write(ev.seq, ev.Event)
	}
	if p := b.alerts[id]; p != nil && len(p.alert.Copies) > 0 {
		return p, nil
	}
	return nil, fmt.Errorf("read alert %s: there is none of this name; see: tocsin alert list", id)
}

// root is the alert that goes on for an alert: itself, or the one that it was
// merged into. The caller holds b.mu.
func (b *book) root(id string) string {
	for range len(b.alerts) { // no circle can last
		p := b.alerts[id]
		if p == nil || p.alert.Into == "" {
			break
		}
		id = p.alert.Into
	}
	return id
}

// merge gives all that an alert has to an older one. The younger keeps what it
// showed and has no further events.
func (b *book) merge(seq uint64, ev Event) {
	p, q := b.alerts[ev.Alert], b.alerts[b.root(ev.Other)]
	if p == nil || q == nil || p == q || p.alert.Into != "" {
		return
	}
	older := q.alert.ID
	if q.takeCopies(p.alert.Copies) {
		q.alert.Revised += p.alert.Revised
	}
	for _, c := range p.alert.Copies {
		if key := (itemKey{c.Source, c.Item}); b.items[key] == ev.Alert {
			b.items[key] = older
		}
	}
	q.addMatches(seq, ev.Matches)
	q.takeFacets(p.alert.Facets)
	q.kin = union(q.kin, append(p.kin, ev.Alert))
	apart := union(q.alert.Apart, p.alert.Apart)
	b.index.Move(ev.Alert, older)
	p.alert.Into = older
	q.alert.Apart = slices.DeleteFunc(apart, func(id string) bool { return b.root(id) == older })
	for _, id := range q.kin { // that were merged into the younger one before
		if k := b.alerts[id]; k != nil && k.alert.Into == ev.Alert {
			k.alert.Into = older
		}
	}
	p.last, q.last = seq, seq
}

// takeCopies adds those that the alert does not have, and reports whether there
// were any.
func (p *page) takeCopies(copies []tocsin.Copy) (added bool) {
	all := slices.Clone(p.alert.Copies)
	for _, c := range copies {
		if p.copyOf(c.Source, c.Item).Item == "" {
			all, added = append(all, c), true
		}
	}
	p.alert.Copies = all
	return added
}

// split gives items of an alert to a new one, which is never merged with it again
// but by a person.
func (b *book) split(seq uint64, ev Event) {
	if b.alerts[ev.Alert] != nil {
		return
	}
	p := b.begin(seq, ev)
	p.split, p.last = true, seq
	p.addMatches(seq, ev.Matches)
	p.takeFacets(ev.Facets)
	old := b.alerts[b.root(ev.Other)]
	var members []fold.Member
	for _, i := range ev.Items {
		members = append(members, fold.Member{Source: i.Source, Item: i.Item})
		b.items[itemKey{i.Source, i.Item}] = ev.Alert
		if old != nil {
			p.takeCopies([]tocsin.Copy{old.copyOf(i.Source, i.Item)})
		}
	}
	if old == nil || len(p.alert.Copies) == 0 {
		p.alert.Copies = []tocsin.Copy{ev.Copy}
		return
	}
	for i := range p.alert.Copies {
		p.alert.Copies[i].Report = false
	}
	p.alert.Copies[0].Reason, p.alert.Copies[0].Score = "", 0
	old.alert.Copies = slices.DeleteFunc(slices.Clone(old.alert.Copies), func(c tocsin.Copy) bool {
		return slices.Contains(ev.Items, ItemRef{c.Source, c.Item})
	})
	b.index.Move(old.alert.ID, ev.Alert, members...)
	old.last = seq
	old.kin, p.kin = union(old.kin, []string{ev.Alert}), union(old.kin, []string{old.alert.ID})
	old.alert.Apart = union(old.alert.Apart, []string{ev.Alert})
	p.alert.Apart = []string{old.alert.ID}
}

// apart reports whether a person said that two alerts are two statements. The
// caller holds b.mu.
func (b *book) apart(p, q *page) bool {
	says := func(p, q *page) bool {
		return slices.ContainsFunc(p.alert.Apart, func(id string) bool { return b.root(id) == q.alert.ID })
	}
	return says(p, q) || says(q, p)
}

// takeFacets adds what a text names. Signatories are those of the text that names
// the most.
func (p *page) takeFacets(f tocsin.Facets) {
	have := &p.alert.Facets
	if len(f.Signatories) > len(have.Signatories) {
		have.Signatories = f.Signatories
	}
	have.Signed = max(have.Signed, f.Signed)
	if len(f.Resolutions) > 0 {
		have.Resolutions = dated(union(have.Resolutions, f.Resolutions))
	}
	if len(f.Systems) > 0 {
		have.Systems = union(have.Systems, f.Systems)
	}
}

// dated leaves out resolutions without a year that are there with one.
func dated(resolutions []string) []string {
	return slices.DeleteFunc(slices.Clone(resolutions), func(r string) bool {
		return slices.ContainsFunc(resolutions, func(x string) bool { return strings.HasPrefix(x, r+" (") })
	})
}

// lackingFacets are those of a text that the alert does not have.
func (p *page) lackingFacets(f tocsin.Facets) tocsin.Facets {
	have := p.alert.Facets
	if len(f.Signatories) <= len(have.Signatories) {
		f.Signatories = nil
	}
	if f.Signed <= have.Signed {
		f.Signed = 0
	}
	f.Resolutions, f.Systems = without(f.Resolutions, have.Resolutions), without(f.Systems, have.Systems)
	return f
}

func without(all, known []string) (out []string) {
	for _, s := range all {
		if !slices.Contains(known, s) {
			out = append(out, s)
		}
	}
	return out
}
