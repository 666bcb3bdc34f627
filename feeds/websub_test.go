package feeds

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

func TestFindsHubsWhereverAPublisherNamesThem(t *testing.T) {
	const at = "https://press.example/feeds/all"
	for name, tt := range map[string]struct {
		links []string
		body  string
		hubs  []string
		topic string
	}{
		"headers": {
			links: []string{`<https://hub.example/>; rel="hub", </feeds/self>; type="a, b"; rel=self`}, body: "<rss></rss>",
			hubs: []string{"https://hub.example/"}, topic: "https://press.example/feeds/self",
		},
		"headers before the document": {
			links: []string{`<https://one.example/>; rel="nofollow hub"`, `<https://two.example/>;rel=hub`, `<https://press.example/s>; rel=SELF`},
			body:  `<feed xmlns="http://www.w3.org/2005/Atom"><link rel="hub" href="https://three.example/"/></feed>`,
			hubs:  []string{"https://one.example/", "https://two.example/"}, topic: "https://press.example/s",
		},
		"Atom": {
			body: `<feed xmlns="http://www.w3.org/2005/Atom"><link rel="self" href="all?x=1&amp;y=2"/><link href="//hub.example/a" rel="hub"/>
				<entry><link rel="hub" href="https://evil.example/"/><title>T</title></entry><link rel="hub" href="https://late.example/"/></feed>`,
			hubs: []string{"https://hub.example/a", "https://late.example/"}, topic: "https://press.example/feeds/all?x=1&y=2",
		},
		"RSS": {
			body: `<rss version="2.0" xmlns:a10="http://www.w3.org/2005/Atom"><channel><title>T</title><link>https://press.example/</link>
				<a10:link rel="hub" href="https://hub.example/"/><a10:link rel="self" href="https://press.example/rss"/><item><title>One</title></item></channel></rss>`,
			hubs: []string{"https://hub.example/"}, topic: "https://press.example/rss",
		},
		"JSON Feed": {
			body: `{"version":"https://jsonfeed.org/version/1.1","feed_url":"https://press.example/j","hubs":[{"type":"rssCloud","url":"https://no.example/"},{"type":"WebSub","url":"https://hub.example/"}],"items":[]}`,
			hubs: []string{"https://hub.example/"}, topic: "https://press.example/j",
		},
		"none":         {body: `<rss><channel><item><title>T</title></item></channel></rss>`, topic: at},
		"no addresses": {links: []string{`<mailto:a@b.example>; rel=hub`, `<>; rel=hub`, `<https://x`, `rel=hub`, `<http://[>; rel=self`}, body: `{`, topic: at},
	} {
		hubs, topic := findHubs(tocsin.Source{ID: "s", URL: at}, fetch.Response{URL: at, Links: tt.links, Body: []byte(tt.body)})
		if !slices.Equal(hubs, tt.hubs) || topic != tt.topic {
			t.Errorf("%s: hubs %q, topic %q, want %q, %q", name, hubs, topic, tt.hubs, tt.topic)
		}
	}
}

func FuzzFindHubs(f *testing.F) {
	f.Add(`<https://hub.example/>; rel="hub", <a>; rel=self`, []byte(`<feed><link rel="hub" href="https://h.example/"/></feed>`))
	f.Add(`<<;;,="`, []byte(`{"hubs":[{}]}`))
	f.Fuzz(func(t *testing.T, link string, body []byte) {
		hubs, topic := findHubs(tocsin.Source{ID: "s", URL: "https://a.example/"}, fetch.Response{URL: "https://a.example/", Links: []string{link}, Body: body})
		for _, h := range append(hubs, topic) {
			if u, err := url.Parse(h); err != nil || u.Hostname() == "" {
				t.Errorf("address %q", h)
			}
		}
		if len(hubs) > maxHubs {
			t.Errorf("%d hubs", len(hubs))
		}
	})
}

// A subscribed is a poller of one source whose hubs are the test itself.
type subscribed struct {
	*bench
	t    *testing.T
	src  tocsin.Source
	hubs *Subscriber

	lock  sync.Mutex
	asked []string // "mode hub"
	last  url.Values
	fail  map[string]error // by hub
	moved string
	saved map[string][]byte
}

func (s *subscribed) Subscriptions(context.Context) (map[string][]byte, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return maps.Clone(s.saved), nil
}

func (s *subscribed) SaveSubscription(_ context.Context, source string, b []byte) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.saved[source] = b
	return nil
}

func (s *subscribed) DropSubscription(_ context.Context, source string) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	delete(s.saved, source)
	return nil
}

func (s *subscribed) post(_ context.Context, hub string, form url.Values) (string, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.asked = append(s.asked, form.Get("hub.mode")+" "+hub)
	s.last = form
	return s.moved, s.fail[hub]
}

// announcing is a feed of entries 1 to n that names its hubs.
func announcing(n int, hubs ...string) []byte {
	var b strings.Builder
	b.WriteString(`<feed xmlns="http://www.w3.org/2005/Atom"><title>Press</title>`)
	for _, h := range hubs {
		fmt.Fprintf(&b, `<link rel="hub" href="%s"/>`, h)
	}
	for i := n; i > 0; i-- {
		fmt.Fprintf(&b, `<entry><id>urn:x:%d</id><title>Entry number %d</title><link href="https://host001.example/%d"/><summary>What entry %d says, which is its own.</summary></entry>`, i, i, i, i)
	}
	b.WriteString(`</feed>`)
	return []byte(b.String())
}

const hubA, hubB = "https://a.hub.example/", "https://b.hub.example/"

func newSubscribed(t *testing.T, hubs ...string) *subscribed {
	src := source(1)
	src.Kind, src.Every = WebSub, time.Minute
	s := &subscribed{t: t, src: src, fail: map[string]error{}, saved: map[string][]byte{}}
	s.begin(announcing(1, hubs...))
	return s
}

// begin starts a process that knows what is stored.
func (s *subscribed) begin(doc []byte) {
	mem := newMemory()
	if s.bench != nil {
		s.stop()
		mem = s.mem
	}
	s.bench = newBench(s.t)
	s.mem, s.Log, s.kinds = mem, mem, nil
	s.hubs = &Subscriber{Base: "https://we.example/hooks", Store: s, Post: s.post, Slog: slog.New(slog.DiscardHandler)}
	s.web.set(s.src.URL, func(p *page) { p.body = doc })
	if err := s.hubs.Load(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.once = sync.Once{}
	s.Hubs = s.hubs
	s.Set([]tocsin.Source{s.src})
	s.start(s.t)
}

func (s *subscribed) serve(method, query string, body []byte, signature string) *httptest.ResponseRecorder {
	s.lock.Lock()
	at := s.last.Get("hub.callback")
	s.lock.Unlock()
	if query != "" {
		at += "?" + query
	}
	r := httptest.NewRequestWithContext(s.t.Context(), method, at, bytes.NewReader(body))
	if signature != "" {
		r.Header.Set("X-Hub-Signature", signature)
	}
	r.Header.Set("Content-Type", "application/atom+xml")
	w := httptest.NewRecorder()
	s.Callbacks().ServeHTTP(w, r)
	return w
}

// verify is what a hub asks when it was asked.
func (s *subscribed) verify(mode, topic, lease string) int {
	q := url.Values{"hub.mode": {mode}, "hub.topic": {topic}, "hub.challenge": {"c&c"}, "hub.lease_seconds": {lease}}
	w := s.serve(http.MethodGet, q.Encode(), nil, "")
	if w.Code == http.StatusOK && mode != "denied" && w.Body.String() != "c&c" {
		s.t.Errorf("the challenge came back as %q", w.Body)
	}
	return w.Code
}

func (s *subscribed) push(body []byte) int {
	return s.serve(http.MethodPost, "", body, s.sign("sha256", sha256.New, body)).Code
}

func (s *subscribed) sign(name string, h func() hash.Hash, body []byte) string {
	s.lock.Lock()
	defer s.lock.Unlock()
	mac := hmac.New(h, []byte(s.last.Get("hub.secret")))
	mac.Write(body)
	return name + "=" + hex.EncodeToString(mac.Sum(nil))
}

func (s *subscribed) requests() []string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return slices.Clone(s.asked)
}

func (s *subscribed) state() PushStatus {
	st, _ := s.hubs.Status(s.src.ID)
	return st
}

// polls counts those within the time to come.
func (s *subscribed) polls(d time.Duration) int {
	n := len(s.web.asked(s.src.URL))
	after(d)
	return len(s.web.asked(s.src.URL)) - n
}

func TestOnlyWhatAHubSignedIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubscribed(t, hubA)
		after(time.Minute)
		if code := s.verify("subscribe", s.src.URL, "864000"); code != http.StatusOK {
			t.Fatalf("verification answered %d", code)
		}
		n := 1
		for name, h := range map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New} {
			n++
			body := announcing(n)
			if w := s.serve(http.MethodPost, "", body, s.sign(name, h, body)); w.Code != http.StatusOK {
				t.Errorf("%s: answered %d", name, w.Code)
			}
			if got := len(s.mem.items(s.src.ID)); got != n {
				t.Errorf("%s: %d items, want %d", name, got, n)
			}
		}
		forged := announcing(9)
		good := s.sign("sha256", sha256.New, forged)
		for _, signature := range []string{
			"", "sha256=", "sha256", good[:len(good)-2], strings.Replace(good, "sha256", "sha1", 1), "md5=" + good[7:], "sha256=zz", good[7:],
			s.sign("sha256", sha256.New, announcing(8)),
		} {
			if w := s.serve(http.MethodPost, "", forged, signature); w.Code != http.StatusAccepted {
				t.Errorf("signature %q answered %d, want 202: who tries learns nothing", signature, w.Code)
			}
		}
		after(time.Second)
		if got := len(s.mem.items(s.src.ID)); got != n {
			t.Errorf("%d items after forgeries, want %d", got, n)
		}
		if c := s.hubs.Counts(); c[PushForged] != 9 || c[PushTaken] != 4 {
			t.Errorf("counts %v", c)
		}
		s.stop()
	})
}

func TestOnlyWhatWasAskedForIsVerifiedAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubscribed(t, hubA)
		after(time.Minute)
		if got := s.requests(); !slices.Equal(got, []string{"subscribe " + hubA}) {
			t.Fatalf("asked %q", got)
		}
		f := s.last
		if f.Get("hub.topic") != s.src.URL || !strings.HasPrefix(f.Get("hub.callback"), "https://we.example/hooks/websub/") || len(f.Get("hub.secret")) < 32 || f.Get("hub.lease_seconds") != "604800" {
			t.Errorf("form %v", f)
		}
		for what, code := range map[string]int{
			"another topic": s.verify("subscribe", s.src.URL+"/other", "1000"), "unsubscribe": s.verify("unsubscribe", s.src.URL, ""),
			"no mode": s.verify("", s.src.URL, "1000"), "no challenge": s.serve(http.MethodGet, "hub.mode=subscribe&hub.topic="+url.QueryEscape(s.src.URL), nil, "").Code,
			"a long challenge": s.serve(http.MethodGet, "hub.mode=subscribe&hub.topic="+url.QueryEscape(s.src.URL)+"&hub.challenge="+strings.Repeat("c", 4<<10), nil, "").Code,
		} {
			if code != http.StatusNotFound {
				t.Errorf("%s: answered %d, want 404", what, code)
			}
		}
		if st := s.state(); st.State != "asked" {
			t.Errorf("state %+v", st)
		}
		if code := s.verify("subscribe", s.src.URL, "864000"); code != http.StatusOK || s.state().State != "live" {
			t.Errorf("answered %d, state %+v", code, s.state())
		}
		if code := s.verify("subscribe", s.src.URL, "864000"); code != http.StatusNotFound {
			t.Errorf("a replay was answered %d, want 404", code)
		}
		if w := httptest.NewRecorder(); true {
			s.Callbacks().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hooks/websub/"+strings.Repeat("0", 32), strings.NewReader("x")))
			if w.Code != http.StatusNotFound {
				t.Errorf("an unknown callback answered %d", w.Code)
			}
		}
		if w := s.serve(http.MethodPut, "", nil, ""); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("PUT answered %d", w.Code)
		}
		s.stop()
	})
}

func TestAHubThatLiesOfItsLeaseIsRenewedInTime(t *testing.T) {
	for lease, want := range map[string]time.Duration{
		"1": time.Second, "-5": 0, "0": 0, "86400": 24 * time.Hour, "99999999999999": 7 * 24 * time.Hour, "soon": 24 * time.Hour, "": 24 * time.Hour,
		"99999999999999999999999": 24 * time.Hour,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSubscribed(t, hubA)
			after(time.Minute)
			began := time.Now()
			s.verify("subscribe", s.src.URL, lease)
			if got := s.state().Until.Sub(began); got != want {
				t.Errorf("lease %q: until %v from now, want %v", lease, got, want)
			}
			if want < time.Hour {
				if n := s.polls(10 * time.Minute); n < 8 {
					t.Errorf("lease %q: %d polls in 10 minutes without a lease", lease, n)
				}
				if n := len(s.requests()); n > 4 {
					t.Errorf("lease %q: asked %d times in 11 minutes", lease, n)
				}
				s.stop()
				return
			}
			after(want*2/3 - time.Minute)
			if n := len(s.requests()); n != 1 {
				t.Errorf("lease %q: asked %d times before two thirds of it", lease, n)
			}
			after(30 * time.Minute)
			if n := len(s.requests()); n < 2 {
				t.Errorf("lease %q: not renewed", lease)
			}
			if st := s.state(); st.State != "live" {
				t.Errorf("lease %q: %+v while it is renewed", lease, st)
			}
			after(want)
			if st := s.state(); st.State == "live" {
				t.Errorf("lease %q: still live although nobody verified again", lease)
			}
			if n := s.polls(10 * time.Minute); n < 8 {
				t.Errorf("lease %q: %d polls in 10 minutes after its end", lease, n)
			}
			s.stop()
		})
	}
}

func TestTheNextHubIsAskedWhereOneFailsDeniesOrIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubscribed(t, hubA, hubB)
		s.lock.Lock()
		s.fail[hubA] = errors.New("the server answered 500")
		s.lock.Unlock()
		after(3 * time.Minute)
		if got := s.requests(); !slices.Equal(got, []string{"subscribe " + hubA, "subscribe " + hubB}) {
			t.Fatalf("asked %q", got)
		}
		s.lock.Lock()
		delete(s.fail, hubA)
		s.lock.Unlock()
		after(11 * time.Minute) // b does not verify; a is asked again after a pause
		if got := s.requests(); len(got) < 3 || got[2] != "subscribe "+hubA {
			t.Fatalf("asked %q", got)
		}
		if code := s.verify("denied", s.src.URL, ""); code != http.StatusOK {
			t.Errorf("denial answered %d", code)
		}
		after(2 * time.Minute)
		if got := s.requests(); got[len(got)-1] != "subscribe "+hubB {
			t.Errorf("asked %q", got)
		}
		s.verify("denied", s.src.URL, "")
		n := len(s.requests())
		after(23 * time.Hour)
		if got := s.requests(); len(got) != n {
			t.Errorf("asked again within a day of the last denial: %q", got[n:])
		}
		after(2 * time.Hour)
		if got := s.requests(); len(got) == n || got[n] != "subscribe "+hubA {
			t.Errorf("not asked again a day after the last denial: %q", got[n:])
		}
		if st := s.state(); st.State == "live" {
			t.Errorf("state %+v", st)
		}
		s.stop()
	})
}

func TestADeniedLeaseIsPolledAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubscribed(t, hubA)
		after(time.Minute)
		s.verify("subscribe", s.src.URL, "864000")
		after(5 * time.Minute)
		if n := s.polls(30 * time.Minute); n > 4 {
			t.Errorf("%d polls in half an hour beside a live hub", n)
		}
		before := len(s.web.asked(s.src.URL)) // the poll may be over when the denial is answered
		s.verify("denied", s.src.URL, "")
		after(15 * time.Second)
		if n := len(s.web.asked(s.src.URL)) - before; n != 1 {
			t.Errorf("%d polls at once", n)
		}
		if n := s.polls(10 * time.Minute); n < 8 {
			t.Errorf("%d polls in 10 minutes after the denial", n)
		}
		s.stop()
	})
}

func TestAPushWithoutEntriesOrTrustIsAReasonToPoll(t *testing.T) {
	for name, tt := range map[string]struct {
		hub  string
		body []byte
	}{
		"empty": {hubA, nil}, "space": {hubA, []byte(" \n")}, "no feed": {hubA, []byte("hub.mode=publish&hub.url=x")},
		"no entries": {hubA, announcing(0)}, "hub over http": {"http://plain.hub.example/", announcing(2)},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSubscribed(t, tt.hub)
			after(time.Minute)
			s.verify("subscribe", s.src.URL, "864000")
			after(2 * time.Minute)
			s.web.set(s.src.URL, func(p *page) { p.body = announcing(3, tt.hub) })
			before := len(s.web.asked(s.src.URL)) // the poll may be over when the push is answered
			if code := s.push(tt.body); code != http.StatusAccepted {
				t.Errorf("%s: answered %d", name, code)
			}
			after(12 * time.Second)
			if n := len(s.web.asked(s.src.URL)) - before; n != 1 {
				t.Errorf("%s: %d polls at once, want 1", name, n)
			}
			if n := len(s.mem.items(s.src.ID)); n != 3 {
				t.Errorf("%s: %d items, want 3", name, n)
			}
			after(10 * time.Minute)
			if st := s.state(); st.State != "live" || s.hubs.Counts()[PushPing] != 1 {
				t.Errorf("%s: %+v, %v", name, st, s.hubs.Counts())
			}
			if c := s.of(s.src.ID).Condition; c != OK {
				t.Errorf("%s: the source is %q: a push says nothing of that", name, c)
			}
			s.stop()
		})
	}
}

// TestAPushOfOnlyWhatIsNewTakesNothingAway pushes single entries, as most hubs do.
func TestAPushOfOnlyWhatIsNewTakesNothingAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubscribed(t, hubA)
		s.web.set(s.src.URL, func(p *page) { p.body = announcing(20, hubA) })
		after(time.Minute)
		s.verify("subscribe", s.src.URL, "864000")
		one := []byte(strings.Replace(string(announcing(21)), string(announcing(20)[len(`<feed xmlns="http://www.w3.org/2005/Atom"><title>Press</title>`):]), "</feed>", 1))
		if n := bytes.Count(one, []byte("<entry>")); n != 1 {
			t.Fatalf("%d entries in what is pushed", n)
		}
		if code := s.push(one); code != http.StatusOK {
			t.Errorf("answered %d", code)
		}
		s.push(one) // again
		s.web.set(s.src.URL, func(p *page) { p.body = announcing(21, hubA) })
		after(time.Hour)
		if n := len(s.mem.items(s.src.ID)); n != 21 {
			t.Errorf("%d items, want 21", n)
		}
		s.wantTroubles(t)
		if n := len(s.requests()); n != 1 {
			t.Errorf("asked %d times", n)
		}
		s.stop()
	})
}

func TestAFloodAtACallbackIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubscribed(t, hubA)
		after(time.Minute)
		s.verify("subscribe", s.src.URL, "864000")
		codes := map[int]int{}
		for range 1000 {
			codes[s.push(nil)]++
		}
		if codes[http.StatusAccepted] != pushBurst || codes[http.StatusTooManyRequests] != 1000-pushBurst {
			t.Errorf("answers %v", codes)
		}
		if n := s.polls(11 * time.Second); n > 2 {
			t.Errorf("%d polls for a flood", n)
		}
		s.push(nil)
		if c := s.hubs.Counts(); c[PushPing] != pushBurst+1 || c[PushFlooded] != 1000-pushBurst {
			t.Errorf("counts %v", c)
		}
		if w := s.serve(http.MethodPost, "", make([]byte, maxPush+1), ""); w.Code != http.StatusAccepted || s.hubs.Counts()[PushForged] != 1 {
			t.Errorf("a body beyond the limit answered %d, %v", w.Code, s.hubs.Counts())
		}
		s.stop()
	})
}

func TestARestartKeepsSubscriptionsAndNoSecretIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubscribed(t, hubA)
		s.lock.Lock()
		s.moved = "https://c.hub.example/"
		s.lock.Unlock()
		after(time.Minute)
		s.verify("subscribe", s.src.URL, "864000")
		after(time.Minute)
		s.begin(announcing(1, hubA))
		if code := s.push(announcing(2)); code != http.StatusServiceUnavailable && code != http.StatusOK {
			t.Errorf("a push at the start answered %d", code)
		}
		after(24 * time.Hour)
		if got := s.requests(); len(got) != 1 {
			t.Errorf("asked %q", got)
		}
		if n := s.polls(30 * time.Minute); n > 4 {
			t.Errorf("%d polls in half an hour after a restart", n)
		}
		shown, _ := json.Marshal(s.Status())
		for _, secret := range []string{s.last.Get("hub.secret"), s.last.Get("hub.callback")} {
			if strings.Contains(string(shown), secret) {
				t.Errorf("the status shows a secret: %s", shown)
			}
		}
		if st := s.of(s.src.ID); st.Push == nil || st.Push.State != "live" {
			t.Errorf("status %s", shown)
		}
		after(5 * 24 * time.Hour) // renewed at where the hub has moved
		if got := s.requests(); len(got) < 2 || got[1] != "subscribe https://c.hub.example/" {
			t.Errorf("asked %q", got)
		}
		s.stop()
	})
}

func TestALostSubscriptionIsMadeAnewAlthoughNothingWasPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubscribed(t, hubA)
		after(time.Minute)
		s.verify("subscribe", s.src.URL, "864000")
		clear(s.saved)
		s.begin(announcing(1, hubA))
		after(time.Minute)
		if got := s.requests(); len(got) != 2 {
			t.Errorf("asked %q", got)
		}
		if n := s.polls(time.Hour); s.web.page(s.src.URL).got > 1+n/2 {
			t.Errorf("the document was fetched %d times", s.web.page(s.src.URL).got)
		}
		s.stop()
	})
}

func TestASourceThatIsNoLongerWatchedIsUnsubscribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubscribed(t, hubA)
		after(time.Minute)
		s.verify("subscribe", s.src.URL, "864000")
		s.hubs.Keep(t.Context(), []tocsin.Source{s.src})
		if n := len(s.requests()); n != 1 {
			t.Fatalf("asked %q", s.requests())
		}
		s.Set(nil)
		s.hubs.Keep(t.Context(), nil)
		if got := s.requests(); len(got) != 2 || got[1] != "unsubscribe "+hubA {
			t.Fatalf("asked %q", got)
		}
		if s.last.Has("hub.secret") {
			t.Error("the secret was sent once more")
		}
		if code := s.verify("unsubscribe", s.src.URL, ""); code != http.StatusOK || len(s.saved) != 0 {
			t.Errorf("answered %d, %d kept", code, len(s.saved))
		}
		if code := s.push(announcing(2)); code != http.StatusNotFound {
			t.Errorf("a push after the end answered %d", code)
		}
		s.stop()
	})
}

func TestAPushWaitsForThePollInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubscribed(t, hubA)
		after(time.Minute)
		s.verify("subscribe", s.src.URL, "864000")
		s.web.set(s.src.URL, func(p *page) { p.delay = 20 * time.Second })
		s.push(nil) // polls
		after(11 * time.Second)
		began := time.Now()
		if code := s.push(announcing(2)); code != http.StatusAccepted || time.Since(began) != answerAfter {
			t.Errorf("answered %d after %v, want 202 after %v", code, time.Since(began), answerAfter)
		}
		after(20 * time.Second)
		if n := len(s.mem.items(s.src.ID)); n != 2 {
			t.Errorf("%d items, want 2", n)
		}
		s.stop()
		s.hubs.Wait()
	})
}
