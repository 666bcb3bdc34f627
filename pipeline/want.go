package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/pipeline/watchlist"
	"tocsin/pipeline/watchlist/words"

	"github.com/nats-io/nats.go/jetstream"
)

// A Version is a record of WATCH with its place there.
type Version struct {
	Seq  uint64    `json:"seq"`  // in WATCH: the version of a watchlist
	Time time.Time `json:"time"` // when it was written
	Watched
}

// Wanted is what people ask for, as WATCH stands. What was removed is not in it,
// what left the file is there with Suspended.
type Wanted struct {
	Seq           uint64 // the last of WATCH that it includes
	Watchlists    map[string]Version
	Lists         map[string]Version // whole
	Destinations  map[string]Version
	Subscriptions map[string]Version // by "<watchlist>.<destination>"
	Mutes         map[string]Version // the same; those that have ended are left out
	Sources       map[string]Version // by id, each with Source: those of the file and those that people added

	all    map[string]Version // by key, removed ones too
	places map[string]string  // by key

	lists *watchlist.Lists    // that work
	bad   map[string]error    // lists that do not, by name
	names map[string][]string // the lists that a list names
}

// Wanted reads WATCH.
func (l *Logs) Wanted(ctx context.Context) (*Wanted, error) { return l.wanted(ctx, ">") }

// wanted reads the keys of WATCH that match one of the filters.
func (l *Logs) wanted(ctx context.Context, filters ...string) (*Wanted, error) {
	seq, all, err := l.readWatch(ctx, append(filters, "places.*")...)
	if err != nil {
		return nil, err
	}
	w := &Wanted{Seq: seq, all: all, places: map[string]string{}, Sources: map[string]Version{}}
	kinds := map[string]*map[string]Version{
		"watchlist": &w.Watchlists, "list": &w.Lists, "destination": &w.Destinations, "subscription": &w.Subscriptions, "mute": &w.Mutes,
	}
	for _, m := range kinds {
		*m = map[string]Version{}
	}
	for _, v := range all {
		if v.lives() {
			maps.Copy(w.places, v.Places)
		}
	}
	for key, v := range all {
		w.takeSources(key, v)
		if v.By == fileWrites && v.lives() {
			v.At = w.places[key]
		}
		kind, name, _ := strings.Cut(key, ".")
		if m := kinds[kind]; m != nil && !v.Removed && !v.ended() {
			(*m)[name] = v
		}
	}
	return w, nil
}

// ended reports whether the record is a mute that is over.
func (v Version) ended() bool { return v.Mute != nil && !time.Now().Before(v.Mute.Until) }

// version is a record by its key, a zero one if there is none.
func (w *Wanted) version(key string) Version { return w.all[key] }

// Resolver is the lists that queries may name. A list that cannot be used is not
// among them, see Broken.
func (w *Wanted) Resolver() *watchlist.Lists {
	if w.lists == nil {
		w.bad = map[string]error{}
		var lists []*watchlist.List
		for name, v := range w.Lists {
			if v.Suspended {
				continue
			}
			x, err := watchlist.NewList(*v.List)
			if err != nil {
				w.bad[name] = err
				continue
			}
			lists = append(lists, x)
		}
		w.lists = watchlist.NewLists(lists...)
	}
	return w.lists
}

// Rule is a watchlist ready to be held against documents, with these lists. Its
// error is a *watchlist.Error.
func (w *Wanted) Rule(x tocsin.Watchlist) (*watchlist.Rule, error) {
	q, err := watchlist.Parse(x.Query)
	if err != nil {
		return nil, err
	}
	return q.Resolve(w.Resolver(), x.Stem)
}

// Check reports why a watchlist should not be used: it does not compile, or its
// examples fail.
func (w *Wanted) Check(x tocsin.Watchlist) error {
	r, err := w.Rule(x)
	if err != nil {
		return fmt.Errorf("watchlist %s: %w", x.Name, err)
	}
	return Examples(r, x)
}

// Broken are the watchlists and lists whose newest version does not work, by key:
// "watchlist.missiles". The service uses an earlier one and reports it.
func (w *Wanted) Broken() map[string]error {
	out := map[string]error{}
	w.Resolver()
	for name, err := range w.bad {
		out["list."+name] = err
	}
	for name, v := range w.Watchlists {
		if v.Suspended {
			continue
		}
		if _, err := w.Rule(*v.Watchlist); err != nil {
			out["watchlist."+name] = err
		}
	}
	return out
}

// uses reports whether a query, or a list that it names, names a list.
func (w *Wanted) uses(query, list string) bool {
	if !strings.Contains(query, "@") {
		return false
	}
	q, err := watchlist.Parse(query)
	return err == nil && slices.Contains(w.reach(q.Lists()), list)
}

// reach are lists, and the lists that they name, and so on.
func (w *Wanted) reach(lists []string) []string {
	return reach(lists, func(name string) []string {
		if w.names == nil {
			w.names = map[string][]string{}
		}
		out, ok := w.names[name]
		if v := w.Lists[name]; !ok && v.lives() {
			out = named(*v.List)
			w.names[name] = out
		}
		return out
	})
}

func reach(lists []string, names func(string) []string) []string {
	out := slices.Clone(lists)
	for i := 0; i < len(out); i++ {
		for _, n := range names(out[i]) {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// with is w with another version of a list, or with a zero one without it.
func (w *Wanted) with(name string, x *tocsin.List) *Wanted {
	out := *w
	out.Lists, out.lists, out.bad, out.names = maps.Clone(w.Lists), nil, nil, nil
	delete(out.Lists, name)
	if x != nil {
		out.Lists[name] = Version{Watched: Watched{V: 2, List: x}}
	}
	return &out
}

// Document is an item as rules are held against it. It is the one way from what
// is stored to what is matched.
func Document(it tocsin.Item, src tocsin.Source) *watchlist.Document {
	kind := src.Kind
	if kind == "" {
		kind = "feed"
	}
	text, lang, rest := it.Said(), it.Lang, ""
	if it.Page != nil {
		lang, rest = cmp.Or(lang, it.Page.Lang), it.Page.Rest
	}
	return &watchlist.Document{
		Title: it.Title, Text: text, Rest: rest, Lang: words.Language(lang, it.Title+"\n"+text),
		URL: it.URL, Source: it.Source, Kind: kind, Country: src.Country, Authors: it.Authors, Tags: it.Tags,
	}
}

// Examples holds a rule against the examples of its watchlist. It returns nil or
// an *ExamplesError.
func Examples(r *watchlist.Rule, x tocsin.Watchlist) error {
	failed := &ExamplesError{Watchlist: x.Name, Of: len(x.MustMatch) + len(x.MustNotMatch)}
	try := func(key string, examples []tocsin.Example, want bool) {
		for i, e := range examples {
			d := watchlist.NewDocument(e.Title, e.Text, e.Lang)
			res, got := r.Match(d)
			if got == want {
				continue
			}
			f := FailedExample{Key: key, N: i + 1, Example: e, Why: "it matches: " + res.Branch}
			if want {
				f.Why = missing(r.Miss(d))
			}
			failed.Failed = append(failed.Failed, f)
		}
	}
	try("must_match", x.MustMatch, true)
	try("must_not_match", x.MustNotMatch, false)
	if len(failed.Failed) == 0 {
		return nil
	}
	return failed
}

func missing(parts []watchlist.Reason) string {
	for _, p := range parts {
		if !p.Held {
			return p.Part + ": " + p.Why
		}
	}
	return "it does not match"
}

// History are the versions of a record of WATCH that are kept, at most 64, oldest
// first. Kind is what its key begins with: watchlist, list, destination, source,
// subscription or mute; the name of the last two is "<watchlist>.<destination>".
func (l *Logs) History(ctx context.Context, kind, name string) ([]Version, error) {
	out, err := l.versions(ctx, kind+"."+name)
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, l.unknown(ctx, kind, name)
	}
	for i, v := range out {
		if out[i].Watched, err = l.whole(ctx, v.Watched); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// versions are the versions of a key, oldest first, the parts of lists left out.
func (l *Logs) versions(ctx context.Context, key string) ([]Version, error) {
	entries, err := l.watch.History(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read history of %s: %w", key, err)
	}
	var out []Version
	for _, e := range entries {
		if e.Operation() != jetstream.KeyValuePut {
			continue
		}
		w, err := decode[Watched](e.Value())
		if err != nil {
			return nil, fmt.Errorf("read history of %s: %w", key, err)
		}
		out = append(out, Version{e.Revision(), e.Created(), w})
	}
	return out, nil
}

// unknown is the error for a name that is not there, with those that are.
func (l *Logs) unknown(ctx context.Context, kind, name string) error {
	_, all, err := l.readWatch(ctx, kind+".>")
	if err != nil {
		return err
	}
	unknown := &UnknownError{Kind: kind, Name: name}
	for key, v := range all {
		if v.lives() {
			unknown.Have = append(unknown.Have, display(strings.TrimPrefix(key, kind+".")))
		}
	}
	slices.Sort(unknown.Have)
	return unknown
}

// display is a name as people read it: that of a subscription is two.
func display(name string) string { return strings.Replace(name, ".", " to ", 1) }
