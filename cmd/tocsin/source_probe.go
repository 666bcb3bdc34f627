package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds"
	"tocsin/feeds/fetch"
)

const (
	probeTotal = 20 * time.Second // of one request
	probeLimit = 90 * time.Second // of a whole probe
	probeShown = 5                // newest items that are printed
)

// visitor fetches foreign addresses for commands, as the configuration says, with
// the same guard and limits as the service and less patience.
func (a *app) visitor(cfg *Config) (*fetch.Client, error) {
	return fetch.New(fetch.Config{
		Contact: cfg.Contact, Version: version, Proxy: cfg.Fetch.Proxy, CA: cfg.Fetch.CA, Allow: cfg.Fetch.Allow,
		Header: probeTotal, Total: probeTotal,
	})
}

// probe looks for ways to watch an address, or whether it can be watched as the kind
// that s names.
func (a *app) probe(s tocsin.Source) (feeds.Probed, error) {
	cfg, err := a.look()
	if err != nil {
		return feeds.Probed{}, err
	}
	client, err := a.visitor(cfg)
	if err != nil {
		return feeds.Probed{}, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(a.ctx, probeLimit)
	defer cancel()
	get := func(ctx context.Context, url string) (fetch.Response, error) {
		return client.Get(ctx, url, fetch.Validators{})
	}
	var p feeds.Probed
	if s.Kind != "" {
		p = feeds.ProbeAs(ctx, s, get)
	} else {
		p = feeds.Probe(ctx, s.URL, get)
	}
	for i := range p.Found {
		p.Found[i].Source = suggested(p.Found[i].Source)
	}
	return p, a.ctx.Err()
}

// suggested is a source that was found as the configuration would have it: what it
// would refuse is left out.
func suggested(s tocsin.Source) tocsin.Source {
	s.ID = sourceName(s.URL)
	s.Title = oneLineText(s.Title, 120)
	if s.Lang != "" && isLang(s.Lang) != nil {
		s.Lang = ""
	}
	if s.Archive != "" && isWeb(s.Archive) != nil {
		s.Archive = ""
	}
	return s
}

type sourceProbeCmd struct {
	URL string `arg:"" name:"url" help:"A feed, a page, a site, or a channel of Telegram, Mastodon, Bluesky, YouTube …"`
	All bool   `help:"Also what was tried in vain."`
}

func (sourceProbeCmd) Help() string {
	return fmt.Sprintf(`Looks for feeds, hubs, sitemaps and list pages behind an address, in at most %d
requests, and prints a configuration for the best with the newest items it would
see. Nothing is stored, and no service is needed.

EXIT STATUS  0 it can be watched · 1 nothing was found, or an error · 2 wrong usage`, feeds.MaxProbe)
}

// A shownProbe is what probe prints as JSON. Its shape is a promise, see
// docs/formats.md.
type shownProbe struct {
	URL    string       `json:"url"`
	Found  []shownFind  `json:"found"` // best first
	Tried  []shownTried `json:"tried"`
	Advice string       `json:"advice,omitempty"`
}

type shownFind struct {
	Source   tocsin.Source `json:"source"`
	How      string        `json:"how"`
	Entries  int           `json:"entries"`
	Newest   time.Time     `json:"newest,omitzero"` // as claimed
	FullText bool          `json:"full_text"`
	Hub      string        `json:"hub,omitempty"`
	Moved    string        `json:"moved,omitempty"`
	Notes    []string      `json:"notes"`
	Items    []shownItem   `json:"items"` // the newest
}

type shownItem struct {
	Title     string    `json:"title"`
	URL       string    `json:"url"`
	Published time.Time `json:"published,omitzero"`
}

type shownTried struct {
	URL string `json:"url"`
	How string `json:"how"`
	Err string `json:"error,omitempty"`
}

func probeShownAs(p feeds.Probed) shownProbe {
	out := shownProbe{URL: p.URL, Found: []shownFind{}, Tried: []shownTried{}, Advice: p.Advice}
	for _, f := range p.Found {
		out.Found = append(out.Found, findShown(f))
	}
	for _, t := range p.Tried {
		one := shownTried{URL: t.URL, How: t.How}
		if t.Err != nil {
			one.Err = plainLine(t.Err.Error())
		}
		out.Tried = append(out.Tried, one)
	}
	return out
}

func findShown(f feeds.Find) shownFind {
	s := shownFind{
		Source: f.Source, How: f.How, Entries: len(f.Doc.Items), FullText: f.FullText, Hub: f.Hub, Moved: f.Moved,
		Notes: append([]string{}, f.Notes...), Items: []shownItem{},
	}
	for i, e := range f.Newest {
		at := e.Published
		if at.IsZero() {
			at = e.Updated
		}
		if at.After(s.Newest) {
			s.Newest = at
		}
		if i < probeShown {
			s.Items = append(s.Items, shownItem{oneLineText(e.Title, 200), plainLine(e.URL), at})
		}
	}
	return s
}

// usable reports whether a source can be watched as it was found.
func (f shownFind) usable() bool { return f.Entries > 0 }

func (c sourceProbeCmd) Run(a *app) error {
	address := withScheme(c.URL)
	if err := isWeb(address); err != nil {
		return usageError(fmt.Errorf("source probe: the address %w", err))
	}
	p, err := a.probe(tocsin.Source{URL: address})
	if err != nil {
		return err
	}
	shown := probeShownAs(p)
	if a.JSON {
		err = a.printJSON(shown)
	} else {
		c.print(a, shown)
	}
	if err == nil && (len(shown.Found) == 0 || !shown.Found[0].usable()) {
		return &statusError{status: statusFailed}
	}
	return err
}

func (c sourceProbeCmd) print(a *app, p shownProbe) {
	var rest []shownFind
	if len(p.Found) > 0 && p.Found[0].usable() {
		rest = p.Found[1:]
		printFind(a, p.Found[0])
	} else {
		fmt.Fprintf(a.out, "nothing   %s\n", plainLine(cmp.Or(p.Advice, "what was found holds no items")))
		rest = p.Found
	}
	for _, f := range rest {
		fmt.Fprintf(a.out, "other     %s %s (%s)\n          %s\n", f.Source.Kind, plainLine(f.Source.URL), f.How, strings.Join(append([]string{f.summary()}, f.Notes...), "; "))
	}
	if c.All || len(p.Found) == 0 && len(p.Tried) > 1 {
		for _, t := range p.Tried {
			fmt.Fprintf(a.out, "tried     %s (%s)\n", plainLine(t.URL), t.How)
			if t.Err != "" {
				fmt.Fprintf(a.out, "          %s\n", t.Err)
			}
		}
	}
}

func (f shownFind) summary() string {
	parts := []string{counted(f.Entries, "item")}
	if !f.Newest.IsZero() {
		parts = append(parts, "the newest of "+stamp(f.Newest))
	}
	if f.FullText {
		parts = append(parts, "with full text")
	}
	if f.Hub != "" {
		parts = append(parts, "announced by the hub "+plainLine(f.Hub))
	}
	return strings.Join(parts, ", ")
}

// printFind prints the best that was found: what it is, its newest items, and how
// to watch it.
func printFind(a *app, f shownFind) {
	printSeen(a, f)
	fmt.Fprintf(a.out, "add it    %s\n", addCommand(f.Source))
	fmt.Fprintf(a.out, "or write  sources:\n")
	text := writeSource(f.Source, "              ")
	fmt.Fprint(a.out, "            - "+strings.TrimPrefix(text, "              "))
}

// printSeen prints what a source is and its newest items.
func printSeen(a *app, f shownFind) {
	fmt.Fprintf(a.out, "found     %s %s (%s)\n          %s\n", f.Source.Kind, plainLine(f.Source.URL), f.How, f.summary())
	for _, n := range f.Notes {
		fmt.Fprintf(a.out, "note      %s\n", plainLine(n))
	}
	for i, it := range f.Items {
		word := ""
		if i == 0 {
			word = "newest"
		}
		day := "          "
		if !it.Published.IsZero() {
			day = it.Published.UTC().Format(time.DateOnly)
		}
		fmt.Fprintf(a.out, "%-9s %s  %s\n", word, day, cmp.Or(oneLineText(it.Title, 100), it.URL, "(no title)"))
	}
}

// addCommand is the command that adds a source, for a shell.
func addCommand(s tocsin.Source) string {
	args := []string{"tocsin source add " + quotedShell(s.URL), "--id " + s.ID}
	for _, x := range [][2]string{
		{"kind", kindFlag(s)},
		{"entry", s.Listing.Entry},
		{"entry-title", s.Listing.Title},
		{"entry-link", s.Listing.Link},
		{"entry-date", s.Listing.Date},
		{"archive", s.Archive},
	} {
		if x[1] != "" {
			args = append(args, "--"+x[0]+" "+quotedShell(x[1]))
		}
	}
	return strings.Join(args, " ")
}

func kindFlag(s tocsin.Source) string {
	if s.Kind == "feed" {
		return ""
	}
	return s.Kind
}

// quotedShell is text as one word of a POSIX shell.
func quotedShell(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+,=", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(plainLine(s), "'", `'\''`) + "'"
}

// errNothing is that a source which is to be added gives no items.
func errNothing(p shownProbe) error {
	why := p.Advice
	if why == "" && len(p.Found) > 0 {
		why = fmt.Sprintf("%s holds no items now", p.Found[0].Source.URL)
	}
	return errors.New(plainLine(why) + ". With --force it is added all the same, with --no-probe without looking")
}
