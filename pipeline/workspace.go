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

// LastAlerts are the newest alerts of watchlists that opened since a time.
func (l *Logs) LastAlerts(ctx context.Context, since time.Time) (map[string]LastAlert, error) {
	from, err := l.seqAt(ctx, l.alerts, since)
	if err != nil {
		return nil, err
	}
	titles, out := map[string]string{}, map[string]LastAlert{}
	for m, err := range l.read(ctx, streamAlerts, "alerts.*", from) {
		if err != nil {
			return nil, err
		}
		ev, err := decode[Event](m.Data)
		if err != nil {
			return nil, err
		}
		if ev.Kind == Opened {
			titles[ev.Alert] = ev.Copy.Title
		}
		for _, match := range ev.Matches {
			if title := cmp.Or(titles[ev.Alert], ev.Copy.Title); title != "" {
				out[match.Watchlist] = LastAlert{ev.Alert, title, ev.At}
			}
		}
	}
	return out, nil
}

// A LastAlert is the newest alert of a watchlist.
type LastAlert struct {
	ID, Title string
	At        time.Time // when the watchlist matched
}
