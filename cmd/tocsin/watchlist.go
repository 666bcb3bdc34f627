package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"tocsin"
	"tocsin/pipeline"
	"tocsin/pipeline/watchlist"
)

type watchlistCmd struct {
	List     watchlistListCmd     `cmd:"" help:"List watchlists."`
	Show     watchlistShowCmd     `cmd:"" help:"Print one, with its examples and where its alerts go."`
	Add      watchlistAddCmd      `cmd:"" help:"Add one to what the service watches for."`
	Edit     watchlistEditCmd     `cmd:"" help:"Change one that was added, in $EDITOR or by flags."`
	Rm       watchlistRmCmd       `cmd:"" help:"Remove one that was added."`
	History  watchlistHistoryCmd  `cmd:"" help:"List its versions: who changed what, and when."`
	Revert   watchlistRevertCmd   `cmd:"" help:"Make an earlier version the newest."`
	Fmt      watchlistFmtCmd      `cmd:"" help:"Print a query in canonical form; other vendors' spellings are understood."`
	Lint     watchlistLintCmd     `cmd:"" help:"Warn of what in a query is probably not meant."`
	Test     watchlistTestCmd     `cmd:"" help:"Hold watchlists against their examples, or against labelled statements."`
	Explain  watchlistExplainCmd  `cmd:"" help:"Say why a text matches, or what is missing and how near it is."`
	Coverage watchlistCoverageCmd `cmd:"" help:"Say how the sources are that a watchlist depends on."`
	Backtest watchlistBacktestCmd `cmd:"" help:"Say what a watchlist or query finds in what is stored."`
}

// Help ends what tocsin watchlist --help prints.
func (watchlistCmd) Help() string {
	return "docs/watchlists.md teaches the language.\n\n" + readStatus
}

// changeStatus ends the help of what changes something.
const changeStatus = `It is in force for what is stored from then on, in a running service at once, and
is recorded with who did it. What the configuration file provides is changed there.

EXIT STATUS  0 done · 1 refused, or an error · 2 wrong usage or a bad query`

// A changer says who changes something.
type changer struct {
	As string `placeholder:"NAME" help:"Who changes it, for the record (default: the login name)."`
}

// name is who changes something.
func (c changer) name() (string, error) {
	name := c.As
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
		name = cmp.Or(name, os.Getenv("USER"), os.Getenv("USERNAME"))
	}
	switch {
	case name == "":
		return "", usageError(errors.New("nobody is logged in here: say with --as who changes this"))
	case name == "file" || len(name) > 64 || plainLine(name) != name || strings.TrimSpace(name) == "":
		return "", usageError(fmt.Errorf("--as %q cannot be who changes this: write a name of one line, at most 64 bytes", name))
	}
	return name, nil
}

// standing is what people ask for: as it is stored, or where nothing is, as the
// configuration says.
func (a *app) standing() (*pipeline.Wanted, error) {
	v, err := a.vocabulary()
	if err != nil {
		return nil, err
	}
	stored, err := v.stored()
	if err != nil || stored != nil {
		return stored, err
	}
	return configured(v.cfg), nil
}

// configured is what a configuration asks for, as WATCH will have it.
func configured(cfg *Config) *pipeline.Wanted {
	w := &pipeline.Wanted{
		Watchlists: map[string]pipeline.Version{}, Lists: map[string]pipeline.Version{}, Destinations: map[string]pipeline.Version{},
		Subscriptions: map[string]pipeline.Version{}, Mutes: map[string]pipeline.Version{}, Sources: map[string]pipeline.Version{},
	}
	file := func(key string) pipeline.Watched {
		return pipeline.Watched{V: tocsin.Format, By: "file", At: cfg.At[key]}
	}
	for _, x := range cfg.Watchlists {
		r := file("watchlist." + x.Name)
		r.Watchlist = &x
		w.Watchlists[x.Name] = pipeline.Version{Watched: r}
	}
	for _, x := range cfg.Sources {
		r := file("source." + x.ID)
		r.Source = &x
		w.Sources[x.ID] = pipeline.Version{Watched: r}
	}
	for _, x := range cfg.Lists {
		r := file("list." + x.Name)
		r.List = &x
		w.Lists[x.Name] = pipeline.Version{Watched: r}
	}
	for _, x := range cfg.Destinations {
		r := file("destination." + x.Name)
		r.Destination = &x
		w.Destinations[x.Name] = pipeline.Version{Watched: r}
	}
	for _, x := range cfg.Subscriptions {
		key := x.Watchlist + "." + x.To
		r := file("subscription." + key)
		r.Subscription = &x
		w.Subscriptions[key] = pipeline.Version{Watched: r}
	}
	return w
}

// origin is where a record comes from, for people.
func origin(v pipeline.Version) string {
	switch {
	case v.Watchlist != nil && v.Watchlist.Builtin, v.List != nil && v.List.Builtin, v.Source != nil && v.Source.Builtin:
		return "built in"
	case v.By == "file":
		return cmp.Or(v.At, "configuration")
	}
	return v.By + " " + stamp(v.Time)
}

// state says of a record that does nothing why.
func state(v pipeline.Version) string {
	switch {
	case v.Removed:
		return "removed"
	case v.Suspended:
		return "suspended: it left the configuration"
	}
	return ""
}

// destinationsOf are the names of the destinations of a watchlist, in order; one
// that is muted says until when.
func destinationsOf(w *pipeline.Wanted, list string) (names, shown []string) {
	for _, key := range slices.Sorted(maps.Keys(w.Subscriptions)) {
		s := w.Subscriptions[key]
		if s.Suspended || s.Subscription.Watchlist != list {
			continue
		}
		names = append(names, s.Subscription.To)
		text := s.Subscription.To
		if m, ok := w.Mutes[key]; ok {
			text += " (muted until " + stamp(m.Mute.Until) + ")"
		}
		shown = append(shown, text)
	}
	return names, shown
}

// A shownWatchlist is what list and show print as JSON. Its shape is a promise,
// see docs/formats.md.
type shownWatchlist struct {
	tocsin.Watchlist
	Version   uint64    `json:"version"` // 0 where nothing is stored yet
	Time      time.Time `json:"time,omitzero"`
	By        string    `json:"by"` // "file", or who
	At        string    `json:"at,omitempty"`
	Suspended bool      `json:"suspended,omitempty"`
	Broken    string    `json:"broken,omitempty"` // why this version is not in force: an earlier one is
	To        []string  `json:"to"`               // destinations
}

func shown(w *pipeline.Wanted, name string, broken map[string]error) shownWatchlist {
	v := w.Watchlists[name]
	s := shownWatchlist{Watchlist: *v.Watchlist, Version: v.Seq, Time: v.Time, By: v.By, At: v.At, Suspended: v.Suspended, To: []string{}}
	if err := broken["watchlist."+name]; err != nil {
		s.Broken = err.Error()
	}
	if names, _ := destinationsOf(w, name); names != nil {
		s.To = names
	}
	return s
}

type watchlistListCmd struct{}

func (watchlistListCmd) Help() string { return readStatus }

func (watchlistListCmd) Run(a *app) error {
	w, err := a.standing()
	if err != nil {
		return err
	}
	broken := w.Broken()
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(w.Watchlists)) {
		s := shown(w, name, broken)
		if a.JSON {
			if err := a.printJSON(s); err != nil {
				return err
			}
			continue
		}
		say := cmp.Or(state(w.Watchlists[name]), oneLine(s.Query, 60))
		if s.Broken != "" {
			say = "does not work, an earlier version does: " + oneLine(s.Broken, 100)
		}
		_, to := destinationsOf(w, name)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", name, origin(w.Watchlists[name]), cmp.Or(strings.Join(to, ", "), "to nobody"), say)
	}
	return t.Flush()
}

// oneLine is text without comments and line breaks, at most n runes of it.
func oneLine(s string, n int) string {
	if q, err := watchlist.Parse(s); err == nil {
		s = q.String()
	}
	r := []rune(strings.Join(strings.Fields(plainLine(s)), " "))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}

type watchlistShowCmd struct {
	Name string `arg:"" help:"The watchlist."`
	YAML bool   `name:"yaml" help:"As the configuration and edit --file read it."`
}

func (watchlistShowCmd) Help() string { return readStatus }

func (c watchlistShowCmd) Run(a *app) error {
	w, err := a.standing()
	if err != nil {
		return err
	}
	v, ok := w.Watchlists[c.Name]
	if !ok {
		return errors.New(unknownName("watchlist", c.Name, slices.Collect(maps.Keys(w.Watchlists))))
	}
	s := shown(w, c.Name, w.Broken())
	if a.JSON {
		return a.printJSON(s)
	}
	if c.YAML {
		_, err := a.out.Write([]byte(writeWatchlist(s.Watchlist)))
		return err
	}
	head := origin(v)
	if v.Seq > 0 {
		head = fmt.Sprintf("version %d, %s", v.Seq, head)
	}
	fmt.Fprintf(a.out, "# %s: %s\n", c.Name, head)
	if say := cmp.Or(s.Broken, state(v)); say != "" {
		fmt.Fprintf(a.out, "# %s\n", say)
	}
	_, to := destinationsOf(w, c.Name)
	fmt.Fprintf(a.out, "# sent to: %s\n", cmp.Or(strings.Join(to, ", "), "nobody; tocsin subscription add "+c.Name+" DESTINATION"))
	_, err = a.out.Write([]byte(writeWatchlist(s.Watchlist)))
	return err
}

type watchlistRmCmd struct {
	Name  string `arg:"" help:"The watchlist."`
	Force bool   `help:"Also with subscriptions: they end."`
	changer
}

func (watchlistRmCmd) Help() string { return changeStatus }

func (c watchlistRmCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	return a.change("watchlist", c.Name, "removed", func(l *pipeline.Logs) error {
		return l.RemoveWatchlist(a.ctx, pipeline.Edit{By: by, Force: c.Force}, c.Name)
	})
}

// A done change is what commands that change something print as JSON.
type done struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Done string `json:"done"`
}

// change makes a change and says that it is made.
func (a *app) change(kind, name, what string, f func(*pipeline.Logs) error) error {
	return a.logs(func(l *pipeline.Logs) error {
		if err := f(l); err != nil {
			return hinted(err)
		}
		if a.JSON {
			return a.printJSON(done{kind, name, what})
		}
		_, err := fmt.Fprintf(a.out, "%s %s %s\n", kind, name, what)
		return err
	})
}

// hinted is an error that says how to go on: which name may be meant, or that it
// can be forced.
func hinted(err error) error {
	if e, ok := errors.AsType[*pipeline.UnknownError](err); ok {
		return errors.New(unknownName(e.Kind, strings.Replace(e.Name, ".", " to ", 1), e.Have))
	}
	if e, ok := errors.AsType[*pipeline.ExistsError](err); ok && e.Kind == "subscription" {
		return fmt.Errorf("subscription %s exists already", strings.Replace(e.Name, ".", " to ", 1))
	}
	_, examples := errors.AsType[*pipeline.ExamplesError](err)
	_, breaks := errors.AsType[*pipeline.BreaksError](err)
	used, ok := errors.AsType[*pipeline.UsedError](err)
	if examples || breaks || ok && used.Forceable {
		return fmt.Errorf("%w. With --force it is done all the same", err)
	}
	return err
}

type watchlistHistoryCmd struct {
	Name string `arg:"" help:"The watchlist."`
}

func (watchlistHistoryCmd) Help() string { return historyHelp }

const historyHelp = "The newest 64 versions are kept, oldest first here.\n\n" + readStatus

func (c watchlistHistoryCmd) Run(a *app) error { return a.history("watchlist", c.Name) }

// history prints the versions of a record of WATCH.
func (a *app) history(kind, name string) error {
	return a.logs(func(l *pipeline.Logs) error {
		versions, err := l.History(a.ctx, kind, name)
		if err != nil {
			return hinted(err)
		}
		t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
		before := pipeline.Version{}
		for _, v := range versions {
			if a.JSON {
				if err := a.printJSON(v); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", v.Seq, stamp(v.Time), v.By, difference(before, v))
			before = v
		}
		return t.Flush()
	})
}

// difference is what a version changed, on one line.
func difference(before, now pipeline.Version) string {
	var out []string
	if s := state(now); s != "" && state(before) != s {
		return s
	}
	if before.V == 0 || state(before) != "" {
		out = append(out, "added")
	}
	switch {
	case now.Watchlist != nil:
		out = append(out, watchlistDifference(before.Watchlist, *now.Watchlist)...)
	case now.List != nil:
		old := []tocsin.Entry{}
		if before.List != nil {
			old = before.List.Entries
		}
		added, removed := entryDifference(old, now.List.Entries)
		out = append(out, fmt.Sprintf("%d terms, %d added, %d removed", len(now.List.Entries), added, removed))
	case now.Source != nil:
		out = append(out, sourceDifference(before.Source, *now.Source)...)
	case now.Destination != nil:
		out = append(out, strings.TrimSpace(now.Destination.Kind+" "+now.Destination.To))
	}
	return strings.Join(out, "; ")
}

func watchlistDifference(before *tocsin.Watchlist, now tocsin.Watchlist) (out []string) {
	old := tocsin.Watchlist{}
	if before != nil {
		old = *before
	}
	if old.Query != now.Query {
		out = append(out, "query: "+oneLine(now.Query, 100))
	}
	if old.Stem != now.Stem {
		out = append(out, "stem: "+strconv.FormatBool(now.Stem))
	}
	if a, b := len(old.MustMatch)+len(old.MustNotMatch), len(now.MustMatch)+len(now.MustNotMatch); a != b {
		out = append(out, fmt.Sprintf("examples: %d, were %d", b, a))
	} else if !slices.Equal(old.MustMatch, now.MustMatch) || !slices.Equal(old.MustNotMatch, now.MustNotMatch) {
		out = append(out, "examples changed")
	}
	return out
}

func entryDifference(before, now []tocsin.Entry) (added, removed int) {
	had := map[tocsin.Entry]bool{}
	for _, e := range before {
		had[e] = true
	}
	for _, e := range now {
		if !had[e] {
			added++
		}
		delete(had, e)
	}
	return added, len(had)
}

type watchlistRevertCmd struct {
	Name    string `arg:"" help:"The watchlist."`
	Version uint64 `arg:"" help:"The version, as history numbers it."`
	Force   bool   `help:"Although its examples fail."`
	changer
}

func (watchlistRevertCmd) Help() string { return changeStatus }

func (c watchlistRevertCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	return a.change("watchlist", c.Name, fmt.Sprintf("is as version %d was", c.Version), func(l *pipeline.Logs) error {
		v, err := versionOf(a, l, "watchlist", c.Name, c.Version)
		if err != nil {
			return err
		}
		return l.SetWatchlist(a.ctx, pipeline.Edit{By: by, Force: c.Force}, *v.Watchlist)
	})
}

// versionOf is one version of a record of WATCH.
func versionOf(a *app, l *pipeline.Logs, kind, name string, seq uint64) (pipeline.Version, error) {
	versions, err := l.History(a.ctx, kind, name)
	if err != nil {
		return pipeline.Version{}, err
	}
	var have []string
	for _, v := range versions {
		if v.Seq == seq {
			return v, nil
		}
		have = append(have, strconv.FormatUint(v.Seq, 10))
	}
	return pipeline.Version{}, fmt.Errorf("%s %s has no version %d; it has %s", kind, name, seq, strings.Join(have, ", "))
}
