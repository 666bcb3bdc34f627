package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
	"tocsin/pipeline"
)

// A source that somebody adds is read within a second, alerts by what comes after,
// and is let alone once it is removed; a reload of the file changes nothing of it.
func TestASourceIsReadASecondAfterItIsAddedAndNoMoreAfterItIsRemoved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.baseline("mfa.example", "new.example")
		s := r.start(r.config(sources("mfa.example") + desk))
		time.Sleep(2 * time.Minute)
		ctx, ada := t.Context(), pipeline.Edit{By: "ada"}
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		polls := func() int {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.feeds["new.example"].polls
		}
		source := tocsin.Source{ID: "new", Kind: "feed", Title: "The new one", URL: "http://new.example/feed", Every: 10 * time.Second}
		do(s.logs.SetSource(ctx, ada, source))
		time.Sleep(time.Second)
		if polls() != 1 {
			t.Fatalf("%d polls a second after it was added, want 1", polls())
		}
		time.Sleep(30 * time.Second)
		r.publish("new.example", entry("new.example", 1, "Missile one", "A ballistic missile is transferred."))
		time.Sleep(20 * time.Second)
		if got := len(r.posts("C0000001", "Missile one")); got != 1 {
			t.Errorf("%d messages of what it published, want 1", got)
		}
		r.reload <- r.config(sources("mfa.example") + desk + "\nrevision: 9\n")
		time.Sleep(time.Second)
		before := polls()
		time.Sleep(30 * time.Second)
		if polls() == before {
			t.Error("it is not read after the file was")
		}
		do(s.logs.RemoveSource(ctx, ada, "new"))
		time.Sleep(time.Second)
		before = polls()
		r.publish("new.example", entry("new.example", 2, "Missile two", "Another ballistic missile is transferred."))
		time.Sleep(5 * time.Minute)
		if polls() != before || len(r.posts("C0000001", "Missile two")) != 0 {
			t.Errorf("%d polls after it was removed", polls()-before)
		}
		do(s.logs.SetSource(ctx, ada, source))
		time.Sleep(time.Minute)
		if got := len(r.posts("C0000001", "Missile two")); got != 1 {
			t.Errorf("added again, %d messages of what came meanwhile, want 1", got)
		}
	})
}

func TestAnAuditAsksHostsAtMostTwoThingsAndWaitsForNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sources []tocsin.Source
		for i := range 40 {
			host := fmt.Sprintf("h%d.example", i)
			if i < 20 {
				host = "slow.example"
			}
			sources = append(sources, tocsin.Source{ID: fmt.Sprint(i), URL: fmt.Sprintf("http://%s/%d", host, i)})
		}
		var mu sync.Mutex
		now, most := map[string]int{}, map[string]int{}
		count := func(key string, by int) {
			mu.Lock()
			defer mu.Unlock()
			now[key] += by
			most[key] = max(most[key], now[key])
		}
		get := func(_ context.Context, address string) (fetch.Response, error) {
			host, wait := bareAddress(address)[:4], time.Second
			if host == "slow" {
				wait = time.Minute
			}
			count(host, 1)
			count("all", 1)
			time.Sleep(wait)
			count(host, -1)
			count("all", -1)
			return fetch.Response{Body: []byte("<rss><channel><item><title>x</title></item></channel></rss>")}, nil
		}
		began, fast, seen := time.Now(), time.Duration(0), []string{}
		for x := range audited(t.Context(), sources, get) {
			seen = append(seen, x.Source.ID)
			if x.Source.URL[7] == 'h' {
				fast = time.Since(began)
			}
		}
		if slices.Sort(seen); len(slices.Compact(seen)) != 40 {
			t.Errorf("%d sources were told of", len(seen))
		}
		if most["slow"] != auditAHost || most["all"] != auditAtOnce {
			t.Errorf("at most %d at the slow host and %d in all, want %d and %d", most["slow"], most["all"], auditAHost, auditAtOnce)
		}
		if fast > 3*time.Second {
			t.Errorf("the last of the fast ones was known after %s", fast)
		}
	})
}

func TestNamesOfSourcesAreReadableAndFree(t *testing.T) {
	for address, want := range map[string]string{
		"https://www.mofa.go.jp/press/release/rss.xml":                 "mofa-go-jp-press-release",
		"https://feeds.government.nl/news.rss":                         "government-nl-news",
		"https://www.gov.uk/government/organisations/fcdo.atom":        "gov-uk-government-organisations-fcdo",
		"https://www.youtube.com/feeds/videos.xml?channel_id=UCab-_12": "youtube-com-ucab12-videos",
		"https://t.me/s/mfa_x":                                         "t-me-mfa-x",
		"https://social.example/@mfa.rss":                              "social-example-mfa",
		"https://例え.example/":                                          "example",
		"https://rss.feed/":                                            "rss-feed",
		"http://[::1]/":                                                "1",
	} {
		if got := sourceName(address); got != want || !tocsin.Name.MatchString(got) {
			t.Errorf("sourceName(%s) = %q, want %q", address, got, want)
		}
	}
	w := &pipeline.Wanted{Sources: map[string]pipeline.Version{"a": {}, "a-2": {}}}
	if got := freeName("a", "http://x.example/", w); got != "a-3" {
		t.Errorf("the next free name is %q", got)
	}
}

// What export and probe write is what the configuration reads.
func TestWhatIsWrittenOfASourceIsReadAsTheSame(t *testing.T) {
	want := []tocsin.Source{
		{ID: "no", Kind: "feed", Title: `A "b": c # d`, URL: "https://a.example/?x=1#y", Country: "NO", Lang: "no", Zone: "Europe/Oslo", Every: 90 * time.Minute, Archive: "https://a.example/all"},
		{ID: "1e5", Kind: "feed", URL: "http://b.example/"},
	}
	l := newLoader(nil)
	l.ReadFile = func(string) ([]byte, error) { return []byte("builtin: false\n" + writeSources(want)), nil }
	cfg, err := l.Load("x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(cfg.Sources, want) {
		t.Errorf("read %+v, want %+v", cfg.Sources, want)
	}
}
