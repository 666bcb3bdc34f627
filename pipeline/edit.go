package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/pipeline/watchlist"
)

// What people ask for is changed here, by commands beside a running service. A
// change is decided with what WATCH says, and stored expecting that WATCH still
// says so: nobody's edit is lost, and what was checked holds at the moment of the
// change. It is in force for items stored from then on.

// An Edit says who changes something, and under which conditions.
type Edit struct {
	By    string // who: a login name
	Force bool   // although examples fail, or what uses it no longer works
	New   bool   // there must be none of the name
	Base  uint64 // the Version.Seq that was edited: another that stands there by now is a *ChangedError; 0 takes any
}

// busyEdit bounds how long an edit is tried while others write to WATCH.
const busyEdit = 30 * time.Second

// edit makes a record of WATCH what decide makes of it. Decide is asked again
// whenever WATCH moved meanwhile, with what the keys of reads say then.
func (l *Logs) edit(ctx context.Context, key string, reads []string, decide func(w *Wanted, have Version) (Watched, error)) error {
	for start := time.Now(); ; {
		w, err := l.wanted(ctx, append(slices.Clone(reads), key)...)
		if err != nil {
			return err
		}
		have := w.version(key)
		want, err := decide(w, have)
		if err != nil || same(have.Watched, want) {
			return err
		}
		_, err = l.putWatched(ctx, key, have, want, w.Seq)
		if _, moved := errors.AsType[*errMoved](err); !moved {
			return err
		}
		if time.Since(start) > busyEdit {
			return fmt.Errorf("store %s: others write without a pause; try again", key)
		}
	}
}

// check refuses an edit that must not be made, whatever it says.
func (e Edit) check(w *Wanted, kind, name string, have Version) error {
	switch {
	case e.By == "" || e.By == fileWrites:
		return fmt.Errorf("change %s %s: by whom is missing", kind, name)
	case !tocsin.Name.MatchString(name) && kind != "subscription" && kind != "mute":
		return fmt.Errorf("change %s: %q is no name: use a-z, 0-9, - and _, at most 64, the first a letter or digit", kind, name)
	case have.lives() && have.By == fileWrites:
		return &ReadOnlyError{kind, name, w.places[kind+"."+name], have.Watchlist != nil && have.Watchlist.Builtin || have.List != nil && have.List.Builtin || have.Source != nil && have.Source.Builtin}
	case e.New && have.lives():
		return &ExistsError{kind, name}
	case e.Base != 0 && have.Seq != e.Base:
		return &ChangedError{kind, name, have}
	}
	return nil
}

// SetWatchlist adds a watchlist or changes it. One that does not compile or whose
// examples fail is refused unless e forces it; then the last version that
// compiles stays in force.
func (l *Logs) SetWatchlist(ctx context.Context, e Edit, x tocsin.Watchlist) error {
	x.Builtin = false
	var reads []string
	if strings.Contains(x.Query, "@") {
		reads = []string{"list.>"}
	}
	return l.edit(ctx, "watchlist."+x.Name, reads, func(w *Wanted, have Version) (Watched, error) {
		if err := e.check(w, "watchlist", x.Name, have); err != nil {
			return Watched{}, err
		}
		if err := w.Check(x); err != nil && !e.Force {
			return Watched{}, err
		}
		return Watched{V: 2, By: e.By, Watchlist: &x}, nil
	})
}

// RemoveWatchlist removes a watchlist. With subscriptions it is a *UsedError
// unless e forces it, and they end.
func (l *Logs) RemoveWatchlist(ctx context.Context, e Edit, name string) error {
	return l.removeSubscribed(ctx, e, "watchlist", name, "subscription."+name+".*")
}

// SetDestination adds a destination or changes it.
func (l *Logs) SetDestination(ctx context.Context, e Edit, d tocsin.Destination) error {
	return l.edit(ctx, "destination."+d.Name, nil, func(w *Wanted, have Version) (Watched, error) {
		return Watched{V: 1, By: e.By, Destination: &d}, e.check(w, "destination", d.Name, have)
	})
}

// RemoveDestination removes a destination. With subscriptions it is an
// *UsedError unless e forces it, and they end. What waits there is kept, and
// goes out if the destination is added again.
func (l *Logs) RemoveDestination(ctx context.Context, e Edit, name string) error {
	return l.removeSubscribed(ctx, e, "destination", name, "subscription.*."+name)
}

func (l *Logs) removeSubscribed(ctx context.Context, e Edit, kind, name, subscriptions string) error {
	if e.Force {
		w, err := l.wanted(ctx, kind+"."+name, subscriptions)
		if err != nil {
			return err
		}
		if err := e.check(w, kind, name, w.version(kind+"."+name)); err != nil {
			return err
		}
		for _, s := range w.subscriptions() {
			if err := l.Unsubscribe(ctx, e.By, s.Watchlist, s.To); err != nil {
				return err
			}
		}
	}
	return l.remove(ctx, e, kind, name, []string{subscriptions}, func(w *Wanted) error {
		var by []string
		for _, s := range w.subscriptions() {
			by = append(by, "subscription "+s.Watchlist+" to "+s.To)
		}
		if len(by) > 0 {
			return &UsedError{kind, name, by, true}
		}
		return nil
	})
}

// subscriptions are those in force, in order of their keys.
func (w *Wanted) subscriptions() (out []tocsin.Subscription) {
	for _, key := range slices.Sorted(maps.Keys(w.Subscriptions)) {
		if s := w.Subscriptions[key]; s.lives() {
			out = append(out, *s.Subscription)
		}
	}
	return out
}

// remove takes a record out of force. It stays in WATCH, with who removed it.
func (l *Logs) remove(ctx context.Context, e Edit, kind, name string, reads []string, used func(*Wanted) error) error {
	return l.edit(ctx, kind+"."+name, reads, func(w *Wanted, have Version) (Watched, error) {
		if have.V == 0 || have.Removed {
			return Watched{}, l.unknown(ctx, kind, name)
		}
		if err := e.check(w, kind, name, have); err != nil {
			return Watched{}, err
		}
		if err := used(w); err != nil {
			return Watched{}, err
		}
		alerts, err := l.alerts.Info(ctx)
		if err != nil {
			return Watched{}, fmt.Errorf("remove %s %s: %w", kind, name, err)
		}
		want := have.suspended(alerts.State.LastSeq)
		want.By, want.Removed = e.By, true
		return want, nil
	})
}

// SetList adds a list or changes it, in one step however long it is. One that
// does not compile, or that would break a watchlist or list which uses it, is
// refused unless e forces it.
func (l *Logs) SetList(ctx context.Context, e Edit, x tocsin.List) error {
	x.Builtin = false
	return l.edit(ctx, "list."+x.Name, []string{"list.>", "watchlist.*"}, func(w *Wanted, have Version) (Watched, error) {
		if err := e.check(w, "list", x.Name, have); err != nil {
			return Watched{}, err
		}
		if !e.Force {
			if err := w.tryList(x); err != nil {
				return Watched{}, err
			}
		}
		return Watched{V: 2, By: e.By, List: &x}, nil
	})
}

// tryList reports what a version of a list breaks: itself, or others that work
// without it.
func (w *Wanted) tryList(x tocsin.List) error {
	if _, err := watchlist.NewList(x); err != nil {
		return err
	}
	after := w.with(x.Name, &x)
	whole := func(w *Wanted, list string) error {
		return w.Check(tocsin.Watchlist{Name: "@" + list, Query: "@" + list})
	}
	if err := whole(after, x.Name); err != nil {
		return fmt.Errorf("list %s: %w", x.Name, errors.Unwrap(err))
	}
	broken := map[string]error{}
	for name, v := range w.Lists {
		if v.lives() && name != x.Name && slices.Contains(w.reach([]string{name}), x.Name) && whole(w, name) == nil {
			if err := whole(after, name); err != nil {
				broken["list "+name] = err
			}
		}
	}
	for name, v := range w.Watchlists {
		if !v.lives() || !w.uses(v.Watchlist.Query, x.Name) {
			continue
		}
		if err := after.Check(*v.Watchlist); err != nil && w.Check(*v.Watchlist) == nil {
			broken["watchlist "+name] = err
		}
	}
	if len(broken) > 0 {
		return &BreaksError{x.Name, broken}
	}
	return nil
}

// RemoveList removes a list. It is a *UsedError while a watchlist or list names
// it.
func (l *Logs) RemoveList(ctx context.Context, e Edit, name string) error {
	return l.remove(ctx, e, "list", name, []string{"list.>", "watchlist.*"}, func(w *Wanted) error {
		var by []string
		for other, v := range w.Lists {
			if v.lives() && other != name && slices.Contains(named(*v.List), name) {
				by = append(by, "list "+other)
			}
		}
		for other, v := range w.Watchlists {
			if !v.lives() || !strings.Contains(v.Watchlist.Query, "@") {
				continue
			}
			if q, err := watchlist.Parse(v.Watchlist.Query); err == nil && slices.Contains(q.Lists(), name) {
				by = append(by, "watchlist "+other)
			}
		}
		if len(by) > 0 {
			slices.Sort(by)
			return &UsedError{"list", name, by, false}
		}
		return nil
	})
}

// Subscribe sends the alerts of a watchlist to a destination, from now on.
func (l *Logs) Subscribe(ctx context.Context, by, list, to string) error {
	return l.SetSubscription(ctx, Edit{By: by, New: true}, tocsin.Subscription{Watchlist: list, To: to})
}

// Unsubscribe ends a subscription. What it held while it was muted is delivered
// when the mute ends.
func (l *Logs) Unsubscribe(ctx context.Context, by, list, to string) error {
	return l.remove(ctx, Edit{By: by}, "subscription", list+"."+to, nil, func(*Wanted) error { return nil })
}

// maxMute is how long a subscription can be muted: what is held has to be
// delivered before the ledger forgets it.
const maxMute = 365 * day

// Mute holds the alerts of a subscription, the file's too, until a time: nothing
// is posted for it, nothing is lost, and what was held is delivered then. Muting
// it again moves that time, to at most a year after the mute began.
func (l *Logs) Mute(ctx context.Context, by, list, to string, until time.Time) error {
	name := list + "." + to
	return l.edit(ctx, "mute."+name, []string{"subscription." + name}, func(w *Wanted, have Version) (Watched, error) {
		m := Muted{Watchlist: list, To: to, Since: time.Now().UTC().Truncate(time.Second), Until: until.UTC()}
		if have.lives() && !have.ended() {
			m.Since = have.Mute.Since
		}
		switch err := (Edit{By: by}).check(w, "mute", name, have); {
		case err != nil:
			return Watched{}, err
		case !w.Subscriptions[name].lives():
			return Watched{}, l.unknown(ctx, "subscription", name)
		case !time.Now().Before(until):
			return Watched{}, fmt.Errorf("mute %s to %s: %s is over: name a time to come", list, to, stampOf(until))
		case until.Sub(m.Since) > maxMute:
			return Watched{}, fmt.Errorf("mute %s to %s: a mute lasts a year at most, and this one would end on %s: unsubscribe instead", list, to, until.UTC().Format(time.DateOnly))
		}
		return Watched{V: 2, By: by, Mute: &m}, nil
	})
}

// Unmute ends a mute now: what was held is delivered.
func (l *Logs) Unmute(ctx context.Context, by, list, to string) error {
	name := list + "." + to
	return l.edit(ctx, "mute."+name, nil, func(w *Wanted, have Version) (Watched, error) {
		if !have.lives() || have.ended() {
			return Watched{}, fmt.Errorf("unmute %s to %s: it is not muted", list, to)
		}
		want := have.Watched
		want.By, want.Suspended, want.Removed = by, true, true
		return want, (Edit{By: by}).check(w, "mute", name, have)
	})
}
