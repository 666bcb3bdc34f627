package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tocsin"
	"tocsin/feeds"
	"tocsin/pipeline"
)

// A shownSource is what list and show print as JSON. Its shape is a promise, see
// docs/formats.md.
type shownSource struct {
	tocsin.Source
	Version   uint64    `json:"version"` // 0 where nothing is stored yet
	Time      time.Time `json:"time,omitzero"`
	By        string    `json:"by"` // "file", or who
	At        string    `json:"at,omitempty"`
	Suspended bool      `json:"suspended,omitempty"`
}

func sourceShown(v pipeline.Version) shownSource {
	return shownSource{*v.Source, v.Seq, v.Time, v.By, v.At, v.Suspended}
}

type sourceListCmd struct{}

func (sourceListCmd) Help() string {
	return "Those of the configuration, the built-in ones and those that people added.\n\n" + readStatus
}

func (sourceListCmd) Run(a *app) error {
	w, err := a.standing()
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, id := range slices.Sorted(maps.Keys(w.Sources)) {
		v := w.Sources[id]
		s := v.Source
		if a.JSON {
			if err := a.printJSON(sourceShown(v)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", id, cmp.Or(s.Country, "-"), cmp.Or(s.Lang, "-"), cmp.Or(s.Title, "-"),
			s.URL, cmp.Or(s.Kind, "feed"), origin(v), state(v))
	}
	return t.Flush()
}

type sourceShowCmd struct {
	Name string `arg:"" help:"The source."`
}

func (sourceShowCmd) Help() string {
	return "Printed as the configuration has it.\n\n" + readStatus
}

func (c sourceShowCmd) Run(a *app) error {
	w, err := a.standing()
	if err != nil {
		return err
	}
	v, ok := w.Sources[c.Name]
	if !ok {
		return errors.New(unknownName("source", c.Name, slices.Collect(maps.Keys(w.Sources))))
	}
	if a.JSON {
		return a.printJSON(sourceShown(v))
	}
	fmt.Fprintf(a.out, "# %s\n", origin(v))
	if say := state(v); say != "" {
		fmt.Fprintf(a.out, "# %s\n", say)
	}
	_, err = a.out.Write([]byte(writeSource(*v.Source, "")))
	return err
}

// sourceFlags are what a person says of a source.
type sourceFlags struct {
	ID         string `name:"id" placeholder:"NAME" help:"Its name (default: made from the address). That of one that was added changes it."`
	Kind       string `placeholder:"KIND" help:"How it publishes (default: what probing finds)."`
	Title      string `placeholder:"TEXT" help:"Who publishes it, as alerts show it (default: what it calls itself)."`
	Country    string `placeholder:"CC" help:"Two letters, such as FR."`
	Lang       string `placeholder:"TAG" help:"Language, such as fr."`
	Zone       string `placeholder:"ZONE" help:"Zone of its times that name none, such as Europe/Paris."`
	Every      string `placeholder:"TIME" help:"Between looks, such as 5m; at least 10s."`
	Archive    string `placeholder:"URL" help:"A page or sitemap of the publisher that goes back further."`
	Entry      string `placeholder:"SELECTOR" help:"Of kind page: where entries stand, by CSS or XPath."`
	EntryTitle string `placeholder:"SELECTOR" help:"Within an entry: its title,"`
	EntryLink  string `placeholder:"SELECTOR" help:"its link"`
	EntryDate  string `placeholder:"SELECTOR" help:"and its date."`
}

// source is the source that the flags tell of, at an address.
func (f sourceFlags) source(address string) (tocsin.Source, error) {
	s := tocsin.Source{
		ID: f.ID, Kind: f.Kind, Title: f.Title, URL: address, Country: f.Country, Lang: f.Lang, Zone: f.Zone, Archive: f.Archive,
		Listing: tocsin.Listing{Entry: f.Entry, Title: f.EntryTitle, Link: f.EntryLink, Date: f.EntryDate},
	}
	if s.Kind == "" && s.Listing != (tocsin.Listing{}) {
		s.Kind = "page"
	}
	if f.Every != "" {
		d, err := duration(f.Every)
		if err != nil {
			return s, fmt.Errorf("--every %q is no time: write 90s, 5m or 12h", f.Every)
		}
		s.Every = d
	}
	return s, checkSource(s)
}

// checkSource refuses what the configuration would refuse. The id and the kind may
// be left out.
func checkSource(s tocsin.Source) error {
	for _, x := range []struct {
		key, value string
		check      func(string) error
	}{
		{"url", s.URL, isWeb},
		{"id", s.ID, isName},
		{"country", s.Country, isCountry},
		{"lang", s.Lang, isLang},
		{"zone", s.Zone, isZone},
		{"archive", s.Archive, isWeb},
	} {
		if x.value == "" && x.key != "url" {
			continue
		}
		if err := x.check(x.value); err != nil {
			return fmt.Errorf("%s %w", x.key, err)
		}
	}
	for _, text := range []string{s.Title, s.Listing.Entry, s.Listing.Title, s.Listing.Link, s.Listing.Date} {
		if plainLine(text) != text || len(text) > 1000 {
			return fmt.Errorf("%q must be one line of text, at most 1000 bytes", oneLineText(text, 60))
		}
	}
	if s.Every != 0 && s.Every < 10*time.Second {
		return errors.New("every must be at least 10s")
	}
	if s.Kind != "" && !slices.Contains(kindNames(), s.Kind) {
		return errors.New(unknownName("kind", s.Kind, kindNames()))
	}
	return nil
}

func kindNames() (names []string) {
	for _, k := range feeds.Kinds {
		names = append(names, k.Name)
	}
	return names
}

type sourceAddCmd struct {
	URL string `arg:"" name:"url" help:"Where it publishes: a feed, or a page whose feed is looked for."`
	sourceFlags
	NoProbe bool `help:"Without looking at the address first."`
	Force   bool `help:"Although it gives no items now, or is watched already."`
	changer
}

func (sourceAddCmd) Help() string {
	return "It is read within a second by a running service. What it holds by then is told of in\none summary, not sent one by one.\n\n" + changeStatus
}

func (c sourceAddCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	s, err := c.source(withScheme(c.URL))
	if err != nil {
		return usageError(fmt.Errorf("source add: %w", err))
	}
	return a.logs(func(l *pipeline.Logs) error {
		wanted, err := l.Wanted(a.ctx)
		if err != nil {
			return err
		}
		if err := c.fresh(wanted, s); err != nil {
			return err
		}
		var seen *shownFind
		if !c.NoProbe {
			if s, seen, err = c.look(a, s); err != nil {
				return err
			}
		}
		return c.add(a, l, wanted, s, seen, by)
	})
}

// fresh refuses an address that is watched already.
func (c sourceAddCmd) fresh(wanted *pipeline.Wanted, s tocsin.Source) error {
	if other := watchedAt(wanted, s); other != "" && !c.Force {
		return fmt.Errorf("%s is watched already, as source %s. With --force it is added all the same", s.URL, other)
	}
	return nil
}

// look looks at the address first, and fills in what the flags do not say.
func (c sourceAddCmd) look(a *app, s tocsin.Source) (tocsin.Source, *shownFind, error) {
	p, err := a.probe(s)
	if err != nil {
		return s, nil, err
	}
	shown := probeShownAs(p)
	if len(shown.Found) == 0 || !shown.Found[0].usable() {
		if !c.Force {
			return s, nil, errNothing(shown)
		}
		return s, nil, nil
	}
	seen := shown.Found[0]
	f := seen.Source
	s.URL, s.Kind, s.Listing = f.URL, f.Kind, f.Listing
	s.Title, s.Lang, s.Archive = cmp.Or(s.Title, f.Title), cmp.Or(s.Lang, f.Lang), cmp.Or(s.Archive, f.Archive)
	return s, &seen, nil
}

// An addedSource is what add prints as JSON.
type addedSource struct {
	shownSource
	Done string     `json:"done"`
	Seen *shownFind `json:"seen,omitempty"` // what probing found
}

func (c sourceAddCmd) add(a *app, l *pipeline.Logs, wanted *pipeline.Wanted, s tocsin.Source, seen *shownFind, by string) error {
	if err := c.fresh(wanted, s); err != nil {
		return err
	}
	if seen != nil && !a.JSON {
		printSeen(a, *seen)
	}
	s.Kind = cmp.Or(s.Kind, "feed")
	if s.ID == "" {
		s.ID = freeName(sourceName(s.URL), s.URL, wanted)
	}
	before := wanted.Source(s.ID).URL
	if before != "" && !sameAddress(before, s.URL) && !a.JSON {
		fmt.Fprintf(a.out, "note      %s was at %s: what stands at the new address and was not seen there counts as new\n", s.ID, plainLine(before))
	}
	verb := "added"
	if v, ok := wanted.Sources[s.ID]; ok && !v.Suspended {
		verb = "changed"
	}
	if err := l.SetSource(a.ctx, pipeline.Edit{By: by}, s); err != nil {
		return hinted(err)
	}
	if a.JSON {
		now, err := l.Wanted(a.ctx)
		if err != nil {
			return err
		}
		return a.printJSON(addedSource{sourceShown(now.Sources[s.ID]), verb, seen})
	}
	_, err := fmt.Fprintf(a.out, "source %s %s: %s %s\n", s.ID, verb, s.Kind, s.URL)
	return err
}

// watchedAt is the source that is watched at the same address, of another name
// and read in the same way.
func watchedAt(w *pipeline.Wanted, s tocsin.Source) string {
	for _, id := range slices.Sorted(maps.Keys(w.Sources)) {
		v := w.Sources[id]
		if !v.Suspended && id != s.ID && sameAddress(v.Source.URL, s.URL) && v.Source.Listing == s.Listing {
			return id
		}
	}
	return ""
}

// sameAddress reports whether two addresses lead to the same document as far as
// can be told without asking.
func sameAddress(a, b string) bool { return bareAddress(a) == bareAddress(b) }

func bareAddress(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	host := strings.TrimPrefix(strings.ToLower(u.Host), "www.")
	host = strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")
	out := host + strings.TrimSuffix(u.EscapedPath(), "/")
	if u.RawQuery != "" {
		out += "?" + u.RawQuery
	}
	return out
}

// withScheme is an address as people write it: without https:// it is meant.
func withScheme(s string) string {
	s = strings.TrimSpace(s)
	if name, home, ok := strings.Cut(strings.TrimPrefix(s, "@"), "@"); ok && strings.HasPrefix(s, "@") { // an account of Mastodon
		return "https://" + home + "/@" + name
	}
	if s != "" && !strings.Contains(s, "://") && strings.Contains(s, ".") {
		return "https://" + s
	}
	return s
}

// dull are words of addresses that tell nothing of who publishes there.
var dull = []string{
	"www", "feed", "feeds", "rss", "atom", "rdf", "xml", "index", "html", "htm", "php", "aspx", "jsp", "json", "json1", "rss1", "rss2", "all",
	"default", "en", "s", "web", "home", "site", "static", "api", "v1", "v2", "sitemap", "http", "https",
}

// sourceName is a name for what an address publishes: its host, and at most three
// words of its path that tell something.
func sourceName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "source"
	}
	words := func(s string) []string {
		return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	}
	told := func(in []string) []string {
		return slices.DeleteFunc(in, func(w string) bool { return slices.Contains(dull, w) || len(w) > 24 })
	}
	name := told(words(u.Hostname()))
	if len(name) == 0 {
		name = words(u.Hostname())
	}
	for _, key := range []string{"channel_id", "playlist_id", "user"} { // of YouTube
		if id := u.Query().Get(key); id != "" {
			name = append(name, strings.Join(words(id), ""))
		}
	}
	path := told(words(u.Path))
	name = append(name, path[:min(len(path), 3)]...)
	out := strings.Join(name, "-")
	if len(out) > 50 {
		out = strings.TrimRight(out[:50], "-")
	}
	return cmp.Or(out, "source")
}

// freeName is name, or one like it that no source has. That of a source that was
// removed is free for the same address only: under another, all that stands there
// would count as new.
func freeName(name, address string, w *pipeline.Wanted) string {
	free := func(name string) bool {
		_, lives := w.Sources[name]
		old, was := w.Removed(name)
		return !lives && (!was || sameAddress(old.URL, address))
	}
	next := name
	for n := 2; !free(next); n++ {
		next = fmt.Sprintf("%s-%d", name, n)
	}
	return next
}

type sourceRmCmd struct {
	Name string `arg:"" help:"The source."`
	changer
}

func (sourceRmCmd) Help() string {
	return "It is read no more. What is stored of it stays: alerts, items, and what was known when\nit is added again.\n\n" + changeStatus
}

func (c sourceRmCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	return a.change("source", c.Name, "removed", func(l *pipeline.Logs) error {
		return l.RemoveSource(a.ctx, pipeline.Edit{By: by}, c.Name)
	})
}

type sourceHistoryCmd struct {
	Name string `arg:"" help:"The source."`
}

func (sourceHistoryCmd) Help() string { return historyHelp }

func (c sourceHistoryCmd) Run(a *app) error {
	w, err := a.standing()
	if err != nil {
		return err
	}
	if v, ok := w.Sources[c.Name]; ok && v.By == "file" && !v.Suspended {
		return fmt.Errorf("source %s comes from %s, which has its history", c.Name, strings.Replace(origin(v), "built in", "the program", 1))
	}
	return a.history("source", c.Name)
}

// sourceDifference is what a version of a source changed.
func sourceDifference(before *tocsin.Source, now tocsin.Source) (out []string) {
	old := tocsin.Source{}
	if before != nil {
		old = *before
	}
	for _, x := range [][3]string{
		{"kind", old.Kind, now.Kind},
		{"url", old.URL, now.URL},
		{"title", old.Title, now.Title},
		{"country", old.Country, now.Country},
		{"lang", old.Lang, now.Lang},
		{"zone", old.Zone, now.Zone},
		{"archive", old.Archive, now.Archive},
		{"every", everyText(old.Every), everyText(now.Every)},
	} {
		if x[1] != x[2] {
			out = append(out, x[0]+" "+cmp.Or(oneLineText(x[2], 100), "none"))
		}
	}
	if old.Listing != now.Listing {
		out = append(out, "selectors changed")
	}
	return out
}

func everyText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// writeSource is a source as the configuration has it, indented.
func writeSource(s tocsin.Source, indent string) string {
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s%s: %s\n", indent, key, value)
		}
	}
	quoted := func(key, value string) {
		if value != "" {
			line(key, quotedYAML(value))
		}
	}
	if s.ID != "" && (s.ID[0] < 'a' || slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, s.ID)) {
		quoted("id", s.ID)
	} else {
		line("id", s.ID)
	}
	if s.Kind != "feed" {
		line("kind", s.Kind)
	}
	quoted("title", s.Title)
	quoted("url", s.URL)
	for _, x := range [][2]string{{"country", s.Country}, {"lang", s.Lang}} { // NO and the like are words of YAML
		quoted(x[0], x[1])
	}
	line("zone", s.Zone)
	if s.Every != 0 {
		line("every", everyText(s.Every))
	}
	if s.Listing != (tocsin.Listing{}) {
		fmt.Fprintf(&b, "%slisting:\n", indent)
		indent += "  "
		quoted("entry", s.Listing.Entry)
		quoted("title", s.Listing.Title)
		quoted("link", s.Listing.Link)
		quoted("date", s.Listing.Date)
		indent = strings.TrimSuffix(indent, "  ")
	}
	quoted("archive", s.Archive)
	return b.String()
}
