package pipeline

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"tocsin"
)

// Wants reports whether a subscription takes a statement that was published like
// this: by MinCopies publishers whose language, source and country are all wanted.
// Reports about it do not count.
func Wants(s tocsin.Subscription, copies []tocsin.Copy) bool {
	if s.MinCopies <= 1 && len(s.Langs)+len(s.Sources)+len(s.Countries) == 0 {
		return true
	}
	var publishers []string
	for _, c := range copies {
		if !c.Report && wantsCopy(s, c) && !slices.Contains(publishers, c.Source) {
			publishers = append(publishers, c.Source)
		}
	}
	return len(publishers) >= max(1, s.MinCopies)
}

func wantsCopy(s tocsin.Subscription, c tocsin.Copy) bool {
	return (c.Lang == "" || among(s.Langs, c.Lang)) && among(s.Sources, c.Source) && among(s.Countries, c.Country)
}

// among reports whether one of some, of which none means all, is is or what stands
// before a "-" in it.
func among(some []string, is string) bool {
	return len(some) == 0 || slices.ContainsFunc(some, func(w string) bool {
		return len(is) >= len(w) && strings.EqualFold(is[:len(w)], w) && (len(is) == len(w) || is[len(w)] == '-')
	})
}

// samePlan reports whether two subscriptions ask for the same, whenever they
// began.
func samePlan(a, b tocsin.Subscription) bool {
	for _, s := range []*tocsin.Subscription{&a, &b} {
		s.Watchlist, s.To, s.From, s.Until = "", "", 0, 0
		for _, list := range []*[]string{&s.Langs, &s.Sources, &s.Countries} {
			if len(*list) == 0 {
				*list = nil
			}
		}
	}
	return reflect.DeepEqual(a, b)
}

// wanted are those of lists by which the lane's destination takes an alert as it
// stood at the event at seq.
func (l *lane) wanted(alert string, seq uint64, lists []string) []string {
	var narrow []string
	var copies []tocsin.Copy
	for _, s := range l.view.subscriptions(l.dest.Name, seq) {
		if !slices.Contains(lists, s.Watchlist) {
			continue
		}
		if copies == nil {
			copies = l.book.copiesAt(alert, seq)
		}
		if Wants(s, copies) {
			narrow = append(narrow, s.Watchlist)
		}
	}
	return slices.DeleteFunc(slices.Clone(lists), func(w string) bool { return !slices.Contains(narrow, w) })
}

// subscriptions are those of a destination at a sequence of ALERTS.
func (v *view) subscriptions(to string, seq uint64) (out []tocsin.Subscription) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.subs[to] {
		if s.From < seq && (s.Until == 0 || seq <= s.Until) {
			out = append(out, s)
		}
	}
	return out
}

// copiesAt are the copies that an alert had at the event at seq. What came later
// is taken away again: a lane that is behind decides as it would have then.
func (b *book) copiesAt(alert string, seq uint64) []tocsin.Copy {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.alerts[alert]
	if p == nil {
		return nil
	}
	return b.copiesBy(p, seq)
}

// copiesBy is copiesAt for who holds the lock.
func (b *book) copiesBy(p *page, seq uint64) []tocsin.Copy {
	if p.last <= seq {
		return p.alert.Copies
	}
	later := map[itemKey]bool{}
	i, _ := slices.BinarySearchFunc(b.events, seq+1, bySeq)
	for _, ev := range b.events[i:] {
		if ev.Alert == p.alert.ID && ev.Kind == Copied {
			later[itemKey{ev.Copy.Source, ev.Copy.Item}] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(p.alert.Copies), func(c tocsin.Copy) bool { return later[itemKey{c.Source, c.Item}] })
}

// SetSubscription sends the alerts of a watchlist to a destination, from now on;
// one that is there is changed from now on. From and Until are ours to set.
func (l *Logs) SetSubscription(ctx context.Context, e Edit, s tocsin.Subscription) error {
	name := s.Watchlist + "." + s.To
	key := "subscription." + name
	begins := false
	err := l.edit(ctx, key, []string{"watchlist." + s.Watchlist, "destination.*"}, func(w *Wanted, have Version) (Watched, error) {
		if err := e.check(w, "subscription", name, have); err != nil {
			return Watched{}, err
		}
		if err := s.CheckPolicy(); err != nil {
			return Watched{}, fmt.Errorf("subscribe %s to %s: %w", s.To, s.Watchlist, err)
		}
		switch {
		case !w.Watchlists[s.Watchlist].lives():
			return Watched{}, l.unknown(ctx, "watchlist", s.Watchlist)
		case !w.Destinations[s.To].lives():
			return Watched{}, l.unknown(ctx, "destination", s.To)
		case s.Escalate.To != "" && !w.Destinations[s.Escalate.To].lives():
			return Watched{}, l.unknown(ctx, "destination", s.Escalate.To)
		case have.lives() && samePlan(*have.Subscription, s):
			begins = false
			return have.Watched, nil
		}
		begins = true
		alerts, err := l.alerts.Info(ctx)
		if err != nil {
			return Watched{}, fmt.Errorf("subscribe %s to %s: %w", s.To, s.Watchlist, err)
		}
		s.From, s.Until = alerts.State.LastSeq, 0
		return Watched{V: 1, By: e.By, Subscription: &s}, nil
	})
	if err != nil || !begins {
		return err
	}
	return l.restamp(ctx, map[string]bool{key: true})
}
