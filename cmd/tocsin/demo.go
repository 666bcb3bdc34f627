package main

import (
	"context"
	_ "embed"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin"
	"tocsin/pipeline"

	"github.com/goccy/go-yaml"
)

//go:embed demo/site.yaml
var demoSite []byte

type demoCmd struct {
	Once bool `help:"End when everything is delivered; succeed only if exactly the expected alerts came out."`
}

func (demoCmd) Help() string {
	return `A small site on loopback publishes statements in several languages, copies, an edit
and noise; the whole pipeline runs on a fresh data directory, which is removed at the
end. No network is needed.

EXIT STATUS  0 stopped, or with --once: as expected · 1 not as expected, or an error · 2 wrong usage`
}

// A site is what the demonstration publishes and what must come of it.
type site struct {
	Sites []struct {
		ID, Title, Country, Lang string
	}
	Statements []struct {
		Step        int
		Site, ID    string
		Title, Text string
	}
	Alerts []expected
}

// An expected alert is named by the entry that opens it.
type expected struct {
	Site, ID        string
	Copies, Revised int
}

func (e expected) String() string {
	return fmt.Sprintf("%s/%s with %d copies, %d revisions", e.Site, e.ID, e.Copies, e.Revised)
}

const (
	demoEvery = 300 * time.Millisecond // between polls: no real source is asked this often
	demoWait  = time.Minute
)

func (c demoCmd) Run(a *app) (err error) {
	var st site
	if err := yaml.Unmarshal(demoSite, &st); err != nil {
		return fmt.Errorf("read the bundled site: %w", err)
	}
	off, err := parseOff(os.Getenv("TOCSIN_OFF"))
	if err != nil {
		return err
	}
	off.Wait = true // its site has feeds and no pages
	dir, err := os.MkdirTemp("", "tocsin-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := publish(&st)
	if err != nil {
		return err
	}
	defer p.close()
	cfg := p.config(dir)
	s, err := newService(a.ctx, cfg, serviceOptions{
		Log: slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn})), Terminal: a.out, JSON: a.JSON,
		Off: off, Poll: true, Match: true, Send: true,
	})
	if err != nil {
		return err
	}
	s.poller.Least = demoEvery
	if !a.JSON {
		fmt.Fprintf(a.err, "demo: %d invented ministries publish on %s; watching for %s\n", len(st.Sites), p.base, builtinWatchlists[0].Name)
	}
	ctx, cancel := context.WithCancel(a.ctx)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	err = c.follow(ctx, a, s, p)
	cancel()
	return errors.Join(err, <-done, s.Close())
}

// follow turns the site's pages until all are seen, and judges what came out.
func (c demoCmd) follow(ctx context.Context, a *app, s *service, p *publisher) error {
	limit, cancel := context.WithTimeoutCause(ctx, demoWait, errors.New("the demonstration did not end within a minute"))
	defer cancel()
	for step := 0; step <= p.last(); step++ {
		p.turn(step)
		if err := until(limit, func() (bool, error) { return p.seen(), nil }); err != nil {
			return ended(ctx, err)
		}
		if step == 0 { // what was there before is told of first
			if err := until(limit, func() (bool, error) { return s.told1(limit) }); err != nil {
				return ended(ctx, err)
			}
		}
	}
	if err := until(limit, func() (bool, error) { return s.settled(limit) }); err != nil {
		return ended(ctx, err)
	}
	if c.Once {
		return p.judge(ctx, a, s)
	}
	if !a.JSON {
		fmt.Fprintln(a.err, "demo: everything is published; end with Ctrl-C")
	}
	<-ctx.Done()
	return nil
}

// ended is nil where a person stopped the demonstration.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// until asks every 50 ms whether something is so.
func until(ctx context.Context, so func() (bool, error)) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := so(); err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// told1 reports whether the first reading was told of.
func (s *service) told1(ctx context.Context) (bool, error) {
	ds, err := s.logs.Deliveries(ctx)
	return len(ds) > 0 && ds[0].Kind == pipeline.Sent, err
}

// settled reports whether nothing waits in any stage.
func (s *service) settled(ctx context.Context) (bool, error) {
	lags, err := s.logs.Lags(ctx)
	if err != nil {
		return false, err
	}
	for _, l := range lags {
		if l.Items > 0 {
			return false, nil
		}
	}
	stories, err := s.logs.Stories(ctx)
	if err != nil {
		return false, err
	}
	for _, st := range stories {
		shown := uint64(0)
		for _, d := range st.Deliveries {
			if d.Kind == pipeline.Sent {
				shown = max(shown, d.Rendered)
			}
		}
		if !st.Alert.First().Baseline && shown < st.Last {
			return false, nil
		}
	}
	return true, nil
}

// judge compares what came out with what had to.
func (p *publisher) judge(ctx context.Context, a *app, s *service) error {
	stories, err := s.logs.Stories(ctx)
	if err != nil {
		return err
	}
	var got []expected
	for _, st := range stories {
		if first := st.Alert.First(); !first.Baseline {
			id := first.URL[strings.LastIndexByte(first.URL, '/')+1:]
			got = append(got, expected{first.Source, id, len(st.Alert.Copies), st.Alert.Revised})
		}
	}
	var wrong []error
	for _, w := range p.site.Alerts {
		if !slices.Contains(got, w) {
			wrong = append(wrong, fmt.Errorf("demo: missing: %v", w))
		}
	}
	for _, g := range got {
		if !slices.Contains(p.site.Alerts, g) {
			wrong = append(wrong, fmt.Errorf("demo: not expected: %v", g))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	if !a.JSON {
		fmt.Fprintf(a.err, "demo: %d alerts came out, exactly as expected\n", len(got))
	}
	return nil
}

// A publisher serves the site, a feed for each ministry.
type publisher struct {
	site *site
	base string
	srv  *http.Server

	mu     sync.Mutex
	step   int
	served map[string]int // answers since the step began, by site
}

func publish(st *site) (*publisher, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &publisher{site: st, base: "http://" + l.Addr().String(), served: map[string]int{}}
	p.srv = &http.Server{Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = p.srv.Serve(l) }()
	return p, nil
}

func (p *publisher) close() { _ = p.srv.Close() }

func (p *publisher) last() int {
	last := 0
	for _, s := range p.site.Statements {
		last = max(last, s.Step)
	}
	return last
}

func (p *publisher) turn(step int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step, p.served = step, map[string]int{}
}

// seen reports whether every feed was fetched in this step, and once more: what
// the first fetch brought is stored by then.
func (p *publisher) seen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.site.Sites {
		if p.served[s.ID] < 2 {
			return false
		}
	}
	return true
}

type rssItem struct {
	GUID        string `xml:"guid"`
	Link        string `xml:"link"`
	Title       string `xml:"title"`
	Description string `xml:"description"`
}

func (p *publisher) serve(w http.ResponseWriter, r *http.Request) {
	id := strings.Trim(r.URL.Path, "/")
	p.mu.Lock()
	defer p.mu.Unlock()
	var items []rssItem
	for _, s := range p.site.Statements {
		if s.Site != id || s.Step > p.step {
			continue
		}
		link := p.base + "/" + s.Site + "/" + s.ID
		it := rssItem{link, link, s.Title, s.Text}
		if i := slices.IndexFunc(items, func(o rssItem) bool { return o.GUID == it.GUID }); i >= 0 {
			items[i] = it
		} else {
			items = slices.Insert(items, 0, it)
		}
	}
	if len(items) == 0 {
		http.NotFound(w, r)
		return
	}
	p.served[id]++
	w.Header().Set("Content-Type", "application/rss+xml; charset=utf-8")
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name  `xml:"rss"`
		Version string    `xml:"version,attr"`
		Title   string    `xml:"channel>title"`
		Link    string    `xml:"channel>link"`
		Items   []rssItem `xml:"channel>item"`
	}{Version: "2.0", Title: id, Link: p.base + "/", Items: items})
}

// config watches the site with the built-in watchlist.
func (p *publisher) config(dir string) *Config {
	cfg := defaultConfig("")
	cfg.Data = dir
	cfg.Fetch.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	for _, s := range p.site.Sites {
		cfg.Sources = append(cfg.Sources, tocsin.Source{
			ID: s.ID, Title: s.Title, Country: s.Country, Lang: s.Lang, URL: p.base + "/" + s.ID, Every: demoEvery,
		})
	}
	cfg.Watchlists, cfg.Lists = builtinWatchlists, builtinLists()
	cfg.Destinations = []tocsin.Destination{{Name: TerminalName, Kind: "terminal"}}
	for _, w := range builtinWatchlists {
		cfg.Subscriptions = append(cfg.Subscriptions, tocsin.Subscription{Watchlist: w.Name, To: TerminalName})
	}
	return cfg
}
