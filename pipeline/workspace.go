package pipeline

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tocsin"
)

// shown is a delivery without what the people of its destination do not see:
// watchlists that were made in another Slack workspace, and the words that only
// those look for.
func (l *lane) shown(d tocsin.Delivery) tocsin.Delivery {
	if d.To.Workspace == "" {
		return d
	}
	sees := func(watchlist string) bool { return l.view.sees(d.To, watchlist) }
	d.Alert = Visible(d.Alert, sees)
	newest := slices.Clone(d.Summary.Newest)
	for i := range newest {
		newest[i] = Visible(newest[i], sees)
	}
	d.Summary.Newest = newest
	changed := slices.Clone(d.Summary.Changed)
	for i := range changed {
		changed[i].Alert = Visible(changed[i].Alert, sees)
	}
	d.Summary.Changed = changed
	return d
}

// sees reports whether a destination of a workspace may be told of a watchlist: it
// is for all, or the workspace's own, or the destination has had it.
func (v *view) sees(to tocsin.Destination, watchlist string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if w := v.now.rules[watchlist]; w != nil {
		return w.Workspace == "" || w.Workspace == to.Workspace
	}
	return slices.ContainsFunc(v.subs[to.Name], func(s tocsin.Subscription) bool { return s.Watchlist == watchlist })
}

// Visible is an alert with the matches of those watchlists alone that sees reports,
// and the words that they found.
func Visible(a tocsin.Alert, sees func(watchlist string) bool) tocsin.Alert {
	type term struct{ term, list string }
	terms := map[term]bool{}
	a.Matches = slices.DeleteFunc(slices.Clone(a.Matches), func(m tocsin.Match) bool { return !sees(m.Watchlist) })
	for _, m := range a.Matches {
		for _, s := range m.Spans {
			terms[term{s.Term, s.List}] = true
		}
	}
	a.Marks = slices.DeleteFunc(slices.Clone(a.Marks), func(s tocsin.Span) bool { return !terms[term{s.Term, s.List}] })
	return a
}

// A LastAlert is the newest alert that a subscription was to have.
type LastAlert struct {
	ID, Title string
	At        time.Time // when it was known that the subscription takes it
}

// LastAlerts are the newest alerts since a time of subscriptions, each of which takes
// what its watchlist found after it began and its options want; by their keys.
func (l *Logs) LastAlerts(ctx context.Context, since time.Time, subs map[string]tocsin.Subscription) (map[string]LastAlert, error) {
	from, err := l.seqAt(ctx, l.alerts, since)
	if err != nil {
		return nil, err
	}
	by := map[string][]string{} // keys of subscriptions, by watchlist
	for key, s := range subs {
		by[s.Watchlist] = append(by[s.Watchlist], key)
	}
	stories, out := map[string]*lastStory{}, map[string]LastAlert{}
	for m, err := range l.read(ctx, streamAlerts, "alerts.*", from) {
		if err != nil {
			return nil, err
		}
		ev, err := decode[Event](m.Data)
		if err != nil {
			return nil, err
		}
		s := stories[ev.Alert]
		if s == nil {
			s = &lastStory{found: map[string]uint64{}, told: map[string]bool{}}
			stories[ev.Alert] = s
		}
		if !s.grows(m.Sequence, ev) {
			continue
		}
		for list, at := range s.found {
			for _, key := range by[list] {
				if at > subs[key].From && !s.told[key] && Wants(subs[key], s.copies) {
					s.told[key] = true
					out[key] = LastAlert{ev.Alert, s.title, ev.At}
				}
			}
		}
	}
	return out, nil
}

// A lastStory is what LastAlerts knows of an alert.
type lastStory struct {
	title  string
	copies []tocsin.Copy
	found  map[string]uint64 // when watchlists found it, as sequences of ALERTS
	told   map[string]bool   // subscriptions that were to have it
}

// grows takes an event, and reports whether more subscriptions may want the alert now.
func (s *lastStory) grows(seq uint64, ev Event) bool {
	s.title = cmp.Or(s.title, ev.Copy.Title)
	copied := ev.Kind == Opened || ev.Kind == Copied
	if copied {
		s.copies = append(s.copies, tocsin.Copy{Source: ev.Copy.Source, Country: ev.Copy.Country, Lang: ev.Copy.Lang, Report: ev.Copy.Report})
	}
	for _, m := range ev.Matches {
		if _, ok := s.found[m.Watchlist]; !ok {
			s.found[m.Watchlist] = seq
		}
	}
	return s.title != "" && (copied || len(ev.Matches) > 0)
}
