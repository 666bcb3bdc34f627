//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds"
)

// BenchmarkPushToSent is from the hub's request to the request that a notifier is
// handed, over HTTP on loopback.
func BenchmarkPushToSent(b *testing.B) {
	var hub *httptest.Server
	asked := make(chan url.Values, 8)
	hub = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodGet {
			w.Header().Set("Link", "<"+hub.URL+">; rel=hub")
			_, _ = w.Write(oneFeed(1))
			return
		}
		_ = q.ParseForm()
		w.WriteHeader(http.StatusAccepted)
		asked <- q.PostForm
	}))
	defer hub.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	cfg := defaultConfig("")
	cfg.Data = b.TempDir()
	cfg.Sources = []tocsin.Source{{ID: "s", Kind: feeds.WebSub, Title: "Source", URL: hub.URL + "/feed"}}
	cfg.Watchlists = []tocsin.Watchlist{{Name: "missiles", Query: `"ballistic missile*" AND (transfer* OR export*)`}}
	cfg.Destinations = []tocsin.Destination{{Name: "terminal", Kind: "terminal"}}
	cfg.Subscriptions = []tocsin.Subscription{{Watchlist: "missiles", To: "terminal"}}
	cfg.Fetch.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	cfg.Listen.Public, cfg.PublicURL = l.Addr().String(), "http://"+l.Addr().String()
	arrived := make(arrivals, 1)
	s, err := newService(b.Context(), cfg, serviceOptions{
		Log: slog.New(slog.DiscardHandler), Terminal: arrived, Poll: true, Match: true, Send: true,
		Listen: func(string, string) (net.Listener, error) { return l, nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-arrived // the summary of the baseline
	form := <-asked
	at := form.Get("hub.callback")
	q := url.Values{"hub.mode": {"subscribe"}, "hub.topic": {form.Get("hub.topic")}, "hub.challenge": {"c"}, "hub.lease_seconds": {"86400"}}
	if resp, err := http.Get(at + "?" + q.Encode()); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("verify: %v %v", resp, err)
	}
	var hops []time.Duration
	n := 1
	for b.Loop() {
		n++
		body := oneFeed(n)
		mac := hmac.New(sha256.New, []byte(form.Get("hub.secret")))
		mac.Write(body)
		for {
			post, _ := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
			post.Header.Set("X-Hub-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
			began := time.Now()
			resp, err := http.DefaultClient.Do(post)
			if err != nil {
				b.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode == http.StatusTooManyRequests {
				time.Sleep(100 * time.Millisecond)
				continue
			}
			hops = append(hops, (<-arrived).Sub(began))
			break
		}
	}
	slices.Sort(hops)
	b.ReportMetric(float64(hops[len(hops)/2].Microseconds())/1000, "sent-p50-ms")
	b.ReportMetric(float64(hops[len(hops)*99/100].Microseconds())/1000, "sent-p99-ms")
	cancel()
	if err := errors.Join(<-done, s.Close()); err != nil {
		b.Fatal(err)
	}
}
