package main

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin"
)

// A site is what the demonstration publishes and what must come of it.
type site struct {
	Sites      []demoSource
	Steps      []string // what happens in each
	Statements []demoEntry
	Alerts     []expected
}

type demoSource struct{ ID, Title, Country, Lang string }

// A demoEntry is what a site does with an entry of its feed in a step.
type demoEntry struct {
	Step                 int
	Site, ID             string
	Title, Summary, Text string
	Gone                 bool // it leaves the feed, and its address answers 410
}

// An expected alert is named by the entry that opens it.
type expected struct {
	Site, ID          string
	Copies, Reports   int // the entry that opens it is the first of the copies
	Revised, Material int
	Withdrawn         int
}

func (e expected) String() string {
	var text strings.Builder
	text.WriteString(fmt.Sprintf("%s/%s, published by %d", e.Site, e.ID, e.Copies))
	for _, part := range []struct {
		how string
		n   int
	}{{"reported by", e.Reports}, {"changes:", e.Revised}, {"material:", e.Material}, {"withdrawn by", e.Withdrawn}} {
		if part.n > 0 {
			text.WriteString(fmt.Sprintf(", %s %d", part.how, part.n))
		}
	}
	return text.String()
}

// A publisher serves the sites, each on a port of its own as each would have a host
// of its own: a feed, and a page for each entry.
type publisher struct {
	site    *site
	base    map[string]string // by site
	servers []*http.Server

	mu     sync.Mutex
	step   int
	served map[string]int // answers with the feed since the step began, by site
}

func publish(st *site) (*publisher, error) {
	p := &publisher{site: st, base: map[string]string{}, served: map[string]int{}}
	for _, s := range st.Sites {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.base[s.ID] = "http://" + l.Addr().String()
		mux := http.NewServeMux()
		mux.HandleFunc("/feed", func(w http.ResponseWriter, _ *http.Request) { p.serveFeed(w, s) })
		mux.HandleFunc("/{id}", func(w http.ResponseWriter, r *http.Request) { p.servePage(w, r, s) })
		srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
		p.servers = append(p.servers, srv)
		go func() { _ = srv.Serve(l) }()
	}
	return p, nil
}

func (p *publisher) close() error {
	var err error
	for _, srv := range p.servers {
		err = errors.Join(err, srv.Close())
	}
	return err
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

// entries are those of a site as they stand now, the newest first.
func (p *publisher) entries(site string) (out []demoEntry) {
	for _, e := range p.site.Statements {
		if e.Site != site || e.Step > p.step {
			continue
		}
		if i := slices.IndexFunc(out, func(o demoEntry) bool { return o.ID == e.ID }); i >= 0 {
			out[i] = e
		} else {
			out = slices.Insert(out, 0, e)
		}
	}
	return out
}

type rssItem struct {
	GUID        string `xml:"guid"`
	Link        string `xml:"link"`
	Title       string `xml:"title"`
	Description string `xml:"description"`
}

func (p *publisher) serveFeed(w http.ResponseWriter, s demoSource) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var items []rssItem
	for _, e := range p.entries(s.ID) {
		if link := p.base[s.ID] + "/" + e.ID; !e.Gone {
			items = append(items, rssItem{link, link, e.Title, cmp.Or(e.Summary, e.Text)})
		}
	}
	p.served[s.ID]++
	w.Header().Set("Content-Type", "application/rss+xml; charset=utf-8")
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name  `xml:"rss"`
		Version string    `xml:"version,attr"`
		Title   string    `xml:"channel>title"`
		Link    string    `xml:"channel>link"`
		Items   []rssItem `xml:"channel>item"`
	}{Version: "2.0", Title: s.Title, Link: p.base[s.ID] + "/", Items: items})
}

var demoPage = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="{{.Source.Lang}}"><head><meta charset="utf-8"><title>{{.Entry.Title}} | {{.Source.Title}}</title></head>
<body><header><a href="/">{{.Source.Title}}</a></header>
<main><article><h1>{{.Entry.Title}}</h1><p>{{.Entry.Text}}</p></article></main>
<footer>© {{.Source.Title}}</footer></body></html>
`))

func (p *publisher) servePage(w http.ResponseWriter, r *http.Request, s demoSource) {
	p.mu.Lock()
	defer p.mu.Unlock()
	entries := p.entries(s.ID)
	i := slices.IndexFunc(entries, func(e demoEntry) bool { return e.ID == r.PathValue("id") })
	switch {
	case i < 0:
		http.NotFound(w, r)
	case entries[i].Gone:
		http.Error(w, "withdrawn", http.StatusGone)
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = demoPage.Execute(w, struct {
			Source demoSource
			Entry  demoEntry
		}{s, entries[i]})
	}
}

// config watches the sites with the built-in watchlists.
func (p *publisher) config(dir string) *Config {
	cfg := defaultConfig("")
	cfg.Data = dir
	cfg.Fetch.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	for _, s := range p.site.Sites {
		cfg.Sources = append(cfg.Sources, tocsin.Source{
			ID: s.ID, Title: s.Title, Country: s.Country, Lang: s.Lang, URL: p.base[s.ID] + "/feed", Every: demoEvery,
		})
	}
	cfg.Watchlists, cfg.Lists = builtinWatchlists, builtinLists()
	cfg.Destinations = []tocsin.Destination{{Name: TerminalName, Kind: "terminal"}}
	for _, w := range builtinWatchlists {
		cfg.Subscriptions = append(cfg.Subscriptions, tocsin.Subscription{Watchlist: w.Name, To: TerminalName})
	}
	return cfg
}
