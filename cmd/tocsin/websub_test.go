package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/notifiers/notifiertest"
)

// A hub is one of W3C WebSub, at hub.example of a rig. It reaches the service
// through public.
type hub struct {
	t      *testing.T
	public *notifiertest.Pipe
	client *http.Client

	mu    sync.Mutex
	subs  map[string]hubSub // by callback
	asked []string          // modes, in order
	tasks sync.WaitGroup
}

type hubSub struct{ topic, secret string }

func newHub(t *testing.T, r *rig) *hub {
	h := &hub{t: t, subs: map[string]hubSub{}}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		h.mu.Lock()
		to := h.public
		h.mu.Unlock()
		return to.Dial(ctx, network, addr)
	}
	// The proxy before listen.public ends TLS.
	h.client = &http.Client{Transport: &http.Transport{DialTLSContext: dial, DisableKeepAlives: true}}
	r.edit("hub.example", func(f *feed) { f.answer = h.ServeHTTP })
	r.listen = func(string, string) (net.Listener, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.public = notifiertest.NewPipe()
		return h.public, nil
	}
	t.Cleanup(h.tasks.Wait)
	return h
}

func (h *hub) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	_ = q.ParseForm()
	mode, callback := q.PostForm.Get("hub.mode"), q.PostForm.Get("hub.callback")
	sub := hubSub{q.PostForm.Get("hub.topic"), q.PostForm.Get("hub.secret")}
	h.mu.Lock()
	h.asked = append(h.asked, mode)
	h.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
	h.tasks.Go(func() {
		if !h.verify(mode, callback, sub.topic) {
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if mode == "subscribe" {
			h.subs[callback] = sub
		} else {
			delete(h.subs, callback)
		}
	})
}

func (h *hub) verify(mode, callback, topic string) bool {
	q := url.Values{"hub.mode": {mode}, "hub.topic": {topic}, "hub.challenge": {"are you there"}, "hub.lease_seconds": {"86400"}}
	resp, err := h.client.Get(callback + "?" + q.Encode())
	if err != nil {
		h.t.Errorf("verify: %v", err)
		return false
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode == http.StatusOK && string(body) == "are you there"
}

// push sends a document to who subscribed, and returns the last status.
func (h *hub) push(body []byte) (status int) {
	h.mu.Lock()
	subs := maps.Clone(h.subs)
	h.mu.Unlock()
	for callback, sub := range subs {
		mac := hmac.New(sha256.New, []byte(sub.secret))
		mac.Write(body)
		q, err := http.NewRequestWithContext(context.Background(), http.MethodPost, callback, bytes.NewReader(body))
		if err != nil {
			h.t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/rss+xml")
		q.Header.Set("X-Hub-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		resp, err := h.client.Do(q)
		if err != nil {
			h.t.Errorf("push: %v", err)
			return 0
		}
		resp.Body.Close()
		status = resp.StatusCode
	}
	return status
}

func (h *hub) count(mode string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.asked {
		if m == mode {
			n++
		}
	}
	return n
}

func (h *hub) live() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.subs)
}

func (h *hub) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.subs)
}

const hooks = `
listen: {public: "127.0.0.1:9465"}
public_url: "https://alerts.example/hooks"
sources:
  - {id: mfa, kind: websub, url: "http://mfa.example/feed", every: 60s}
`

// announced is a publisher whose feed names its hub in a header.
func (r *rig) announced(host string) {
	r.baseline(host)
	r.edit(host, func(f *feed) {
		f.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", `<http://hub.example/>; rel="hub", </feed>; rel=self`)
			r.mu.Lock()
			items := f.items
			r.mu.Unlock()
			_, _ = w.Write(rss(host, items))
		}
	})
}

func (r *rig) polls(host string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.feeds[host].polls
}

func TestWhatAHubPushesIsAlertedAtOnceAndPollsGoSlow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		h := newHub(t, r)
		r.announced("mfa.example")
		r.start(r.config(hooks + desk))
		time.Sleep(15 * time.Minute)
		if h.live() != 1 {
			t.Fatalf("%d subscriptions after a quarter of an hour, want 1; the hub was asked for %v", h.live(), h.asked)
		}
		polls := r.polls("mfa.example")
		var took []time.Duration
		for n := 1; n <= 9; n++ {
			time.Sleep(13*time.Minute + 17*time.Second)
			title := fmt.Sprintf("Statement %d on missiles", n)
			r.publish("mfa.example", entry("mfa.example", n, title, "They were seen."))
			began := time.Now()
			if status := h.push(rss("mfa.example", []rssItem{entry("mfa.example", n, title, "They were seen.")})); status != http.StatusOK {
				t.Fatalf("the push was answered %d", status)
			}
			for len(r.posts("C0000001", title)) == 0 && time.Since(began) < time.Minute {
				time.Sleep(time.Millisecond)
			}
			took = append(took, time.Since(began))
		}
		for i, d := range took {
			if d > 100*time.Millisecond {
				t.Errorf("push %d was alerted after %v, want within 100 ms", i+1, d)
			}
		}
		if n := r.polls("mfa.example") - polls; n > 14 {
			t.Errorf("%d polls in two hours beside a live hub, want at most one each 10 minutes", n)
		}
		time.Sleep(30 * time.Minute)
		if n := len(r.posts("C0000001", "on missiles")); n != 9 {
			t.Errorf("%d messages for 9 statements", n)
		}
	})
}

func TestASubscriptionSurvivesARestartAndEndsWithItsSource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		h := newHub(t, r)
		r.announced("mfa.example")
		cfg := r.config(hooks + desk)
		r.start(cfg)
		time.Sleep(5 * time.Minute)
		r.stop()
		time.Sleep(time.Minute)
		r.start(cfg)
		time.Sleep(10 * time.Second)
		title := "On missiles"
		r.publish("mfa.example", entry("mfa.example", 1, title, "They were seen."))
		if status := h.push(rss("mfa.example", []rssItem{entry("mfa.example", 1, title, "They were seen.")})); status != http.StatusOK {
			t.Errorf("the push after a restart was answered %d", status)
		}
		time.Sleep(time.Hour)
		if n := h.count("subscribe"); n != 1 {
			t.Errorf("the hub was asked %d times, want once", n)
		}
		if n := len(r.posts("C0000001", title)); n != 1 {
			t.Errorf("%d messages, want 1", n)
		}
		if strings.Contains(r.log.String(), "/websub/") {
			t.Error("the log tells a callback's address")
		}
		without := strings.Replace(hooks, "kind: websub, ", "", 1)
		r.reload <- r.config(without + desk)
		time.Sleep(time.Minute)
		if h.count("unsubscribe") != 1 || h.live() != 0 {
			t.Errorf("asked for %v, %d subscriptions left", h.asked, h.live())
		}
	})
}

func TestAHubThatFallsSilentCostsOnePollAndIsAskedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		h := newHub(t, r)
		r.announced("mfa.example")
		r.start(r.config(hooks + desk))
		time.Sleep(30 * time.Minute)
		h.forget()
		r.publish("mfa.example", entry("mfa.example", 1, "First on missiles", "They were seen."))
		time.Sleep(11 * time.Minute)
		if n := len(r.posts("C0000001", "First on missiles")); n != 1 {
			t.Fatalf("%d messages after the slowest poll, want 1", n)
		}
		time.Sleep(3 * time.Minute)
		if h.live() != 1 || h.count("subscribe") != 2 {
			t.Errorf("%d subscriptions; the hub was asked %d times, want 2", h.live(), h.count("subscribe"))
		}
		polls := r.polls("mfa.example")
		time.Sleep(10 * time.Minute)
		if n := r.polls("mfa.example") - polls; n < 8 {
			t.Errorf("%d polls in 10 minutes beside a hub that has yet to prove itself", n)
		}
		h.push([]byte(" "))
		time.Sleep(time.Minute)
		polls = r.polls("mfa.example")
		time.Sleep(30 * time.Minute)
		if n := r.polls("mfa.example") - polls; n > 4 {
			t.Errorf("%d polls in half an hour beside a hub that sends again", n)
		}
	})
}

func TestASourceThatNoHubCanReachIsNoted(t *testing.T) {
	r := newRig(t)
	cfg := r.config(strings.Replace(strings.Replace(hooks, "listen: ", "#", 1), "public_url: ", "#", 1) + desk)
	if !strings.Contains(strings.Join(cfg.Notes, "\n"), `source "mfa" is of kind websub, but without listen.public`) {
		t.Errorf("notes %q", cfg.Notes)
	}
	if cfg = r.config(hooks + desk); strings.Contains(strings.Join(cfg.Notes, "\n"), "websub") {
		t.Errorf("notes %q", cfg.Notes)
	}
}

func TestNothingButCallbacksIsServedToThePublic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		h := newHub(t, r)
		r.announced("mfa.example")
		r.start(r.config(hooks + desk))
		time.Sleep(time.Minute)
		for _, path := range []string{"/", "/metrics", "/healthz", "/debug/pprof/", "/hooks", "/hooks/websub/", "/hooks/websub/" + strings.Repeat("a", 32), "/hooks/websub/..%2f"} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
				q, _ := http.NewRequestWithContext(t.Context(), method, "https://alerts.example"+path, strings.NewReader("x"))
				resp, err := h.client.Do(q)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusNotFound || len(body) > 0 {
					t.Errorf("%s %s: %d %q, want 404 and nothing", method, path, resp.StatusCode, body)
				}
			}
		}
		c, err := h.public.Dial(t.Context(), "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		began := time.Now()
		_, _ = io.WriteString(c, "POST /hooks/websub/x HTTP/1.1\r\nHost: a\r\n") // and no more
		_, _ = io.Copy(io.Discard, c)
		if d := time.Since(began); d > 6*time.Second {
			t.Errorf("a request that does not end was ended after %v", d)
		}
	})
}
