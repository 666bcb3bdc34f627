package feeds

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// noSubscriptions keeps none.
type noSubscriptions struct{}

func (noSubscriptions) Subscriptions(context.Context) (map[string][]byte, error) { return nil, nil }
func (noSubscriptions) SaveSubscription(context.Context, string, []byte) error   { return nil }
func (noSubscriptions) DropSubscription(context.Context, string) error           { return nil }

// An eager log has every item's page visited as soon as it is stored.
type eager struct {
	*memory
	visit func(tocsin.Item)
}

func (e eager) Append(ctx context.Context, source string, expect uint64, items []tocsin.Item) (uint64, error) {
	last, err := e.memory.Append(ctx, source, expect, items)
	for _, it := range items {
		if err == nil && it.Page == nil {
			e.visit(it)
		}
	}
	return last, err
}

// TestNoWayOutOfAPublisherReachesAPrivateAddress: all that a permitted publisher
// can have fetched points at a server that is not permitted. Each way is tried,
// and none arrives.
func TestNoWayOutOfAPublisherReachesAPrivateAddress(t *testing.T) {
	var hits atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("this system has no second loopback address:", err)
	}
	private := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	private.Listener = l
	private.Start()
	defer private.Close()
	to := func(way string) string { return private.URL + "/" + way }

	var polls atomic.Int64
	public := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := polls.Add(1)
		switch r.URL.Path {
		case "/feed", "/websub":
			fmt.Fprintf(w, `<feed xmlns="http://www.w3.org/2005/Atom"><link rel="hub" href="%s"/><link rel="self" href="%s"/><link rel="prev-archive" href="%s"/><link rel="next" href="%s"/>`, to("hub"), to("topic"), to("older"), to("older"))
			for i := range 10 {
				fmt.Fprintf(w, `<entry><id>%d-%d</id><title>Statement %d of %d on missiles</title><link href="%s"/><updated>%s</updated></entry>`, n, i, i, n, to(fmt.Sprintf("page/%d-%d", n, i)), time.Now().UTC().Format(time.RFC3339))
			}
			fmt.Fprint(w, "</feed>")
		case "/sitemap":
			fmt.Fprintf(w, `<sitemapindex><sitemap><loc>%s</loc></sitemap><sitemap><loc>%s</loc></sitemap></sitemapindex>`, to("child/news.xml"), "http://"+r.Host+"/child")
		case "/child":
			w.Header().Set("Location", to("child/moved"))
			w.WriteHeader(http.StatusMovedPermanently)
		case "/moved":
			w.Header().Set("Location", to("moved"))
			w.WriteHeader(http.StatusMovedPermanently)
		default:
			fmt.Fprintf(w, `<html><head><link rel="alternate" type="application/rss+xml" href="%s"><link rel="hub" href="%s"></head><body><a href="%s">RSS</a></body></html>`, to("probe/feed"), to("probe/hub"), to("probe/rss.xml"))
		}
	}))
	defer public.Close()

	client, err := fetch.New(fetch.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var mu sync.Mutex
	tried := map[string]bool{}
	note := func(u string) {
		if way, ok := strings.CutPrefix(u, private.URL+"/"); ok {
			mu.Lock()
			defer mu.Unlock()
			tried[strings.Split(way, "/")[0]] = true
		}
	}
	get := func(ctx context.Context, u string, v fetch.Validators) (fetch.Response, error) {
		note(u)
		return client.Get(ctx, u, v)
	}
	p := &Poller{Get: get, Slog: slog.New(slog.DiscardHandler), Least: 100 * time.Millisecond}
	p.Log = eager{newMemory(), func(it tocsin.Item) { p.Visit(it, 0, func(bool) {}) }}
	p.Hubs = &Subscriber{Base: "https://we.example/hooks", Store: noSubscriptions{}, Slog: p.Slog, Post: func(ctx context.Context, hub string, form url.Values) (string, error) {
		note(hub)
		return client.Post(ctx, hub, form)
	}}
	of := func(id, kind, path, archive string) tocsin.Source {
		return tocsin.Source{ID: id, Kind: kind, URL: public.URL + path, Title: id, Every: 200 * time.Millisecond, Archive: archive}
	}
	p.Set([]tocsin.Source{
		of("feed", "feed", "/feed", to("archive")), of("older", "feed", "/feed", ""), of("websub", WebSub, "/websub", ""),
		of("sitemap", "sitemap", "/sitemap", ""), of("moved", "feed", "/moved", ""),
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.Run(ctx) })
	Probe(ctx, public.URL+"/", func(ctx context.Context, u string) (fetch.Response, error) { return get(ctx, u, fetch.Validators{}) })
	ways := []string{"archive", "child", "hub", "page", "probe"}
	for range 100 {
		time.Sleep(100 * time.Millisecond)
		mu.Lock()
		all := !slices.ContainsFunc(ways, func(w string) bool { return !tried[w] })
		mu.Unlock()
		if all {
			break
		}
	}
	cancel()
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	t.Logf("ways out that were tried: %v; %d requests arrived", tried, hits.Load())
	for _, w := range ways {
		if !tried[w] {
			t.Errorf("%s was not tried", w)
		}
	}
	if hits.Load() != 0 {
		t.Errorf("%d requests reached the private server", hits.Load())
	}
}
