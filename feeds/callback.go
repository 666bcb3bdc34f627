package feeds

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1" // WebSub names it, and as a MAC it still holds
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tocsin/feeds/fetch"
)

const (
	maxPush     = 8 << 20                // bytes of a pushed body, as of a fetched one
	pushEvery   = 100 * time.Millisecond // for each subscription, after
	pushBurst   = 100                    // at once
	pushAtOnce  = 16                     // bodies in memory
	answerAfter = 5 * time.Second        // a hub is answered although its document is not yet stored
	pushFor     = 2 * time.Minute        // bounds how long a document waits for a poll to end and is stored
	maxWord     = 2 << 10                // bytes of a challenge
)

// What became of requests at callbacks.
const (
	PushTaken   = "taken"   // a document was read and stored
	PushPing    = "ping"    // it had no entries, could not be read or not be trusted: the source was polled
	PushForged  = "forged"  // the signature was wrong or missing
	PushFlooded = "flooded" // there were too many
	PushRefused = "refused" // we could not take it: the hub was asked to try again
)

// Pushes are all results of a push.
var Pushes = [...]string{PushTaken, PushPing, PushForged, PushFlooded, PushRefused}

// Counts are how many pushes came to each result since this process began.
func (h *Subscriber) Counts() map[string]uint64 {
	h.init()
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]uint64{}
	for _, r := range Pushes {
		out[r] = h.counts[r]
	}
	return out
}

func (h *Subscriber) count(result string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[result]++
}

// ServeHTTP answers hubs. Who does not know a callback's address gets 404.
func (h *Subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.init()
	h.mu.Lock()
	sub := h.tokens[tokenOf(r.URL.Path)]
	h.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch {
	case sub == nil:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodGet:
		h.verify(w, r, sub, r.URL.Query())
	case r.Method == http.MethodPost:
		code := h.receive(w, r, sub)
		if code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "30")
		}
		w.WriteHeader(code)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// verify answers whether we want what a hub says that we asked for, once.
func (h *Subscriber) verify(w http.ResponseWriter, r *http.Request, sub *subscription, q url.Values) {
	challenge, now := q.Get("hub.challenge"), time.Now()
	h.mu.Lock()
	known := len(sub.Hubs) > 0 && q.Get("hub.topic") == sub.Topic && len(challenge) <= maxWord
	mode := q.Get("hub.mode")
	switch {
	case !known:
		mode = ""
	case mode == "subscribe" && challenge != "" && !sub.Leaving && !sub.Asked.IsZero():
		sub.verified(q.Get("hub.lease_seconds"), now)
	case mode == "unsubscribe" && challenge != "" && sub.Leaving:
		delete(h.subs, sub.Source)
		delete(h.tokens, tokenOf(sub.Callback))
	case mode == "denied" && !sub.Leaving:
		sub.denied(q.Get("hub.reason"), now)
	default:
		mode = ""
	}
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), answerAfter)
	defer cancel()
	switch mode {
	case "":
		w.WriteHeader(http.StatusNotFound)
		return
	case "subscribe":
		h.Slog.Info("subscribed", "stage", "poll", "source", sub.Source)
		h.save(ctx, sub)
	case "unsubscribe":
		h.drop(ctx, sub)
	case "denied":
		h.Slog.Warn("hub denied the subscription; the source is polled", "stage", "poll", "source", sub.Source, "reason", q.Get("hub.reason"))
		h.save(ctx, sub)
		h.poller.Soon(sub.Source)
		challenge = ""
	}
	_, _ = io.WriteString(w, challenge)
}

// receive takes a body for sub, and returns the status to answer with.
func (h *Subscriber) receive(w http.ResponseWriter, r *http.Request, sub *subscription) int {
	if !h.admit(sub) {
		h.count(PushFlooded)
		return http.StatusTooManyRequests
	}
	select {
	case h.bodies <- struct{}{}:
	default:
		h.count(PushFlooded)
		return http.StatusServiceUnavailable
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPush))
	if err != nil || !signed(r.Header.Get("X-Hub-Signature"), sub.Secret, body) {
		<-h.bodies
		h.count(PushForged)
		return http.StatusAccepted // who tries secrets learns nothing
	}
	trusted := h.heard(r.Context(), sub)
	if len(bytes.TrimSpace(body)) == 0 || !trusted || r.Header.Get("Content-Encoding") != "" {
		<-h.bodies
		h.count(PushPing)
		h.poller.Soon(sub.Source)
		return http.StatusAccepted
	}
	done := make(chan int, 1)
	doc := fetch.Response{Body: body, Type: r.Header.Get("Content-Type"), URL: sub.Topic, At: time.Now().UTC(), Pushed: true}
	h.work.Go(func() {
		defer func() { <-h.bodies }()
		done <- h.take(sub, doc)
	})
	select {
	case status := <-done:
		return status
	case <-time.After(answerAfter):
		return http.StatusAccepted
	}
}

// take hands a document to the poller.
func (h *Subscriber) take(sub *subscription, doc fetch.Response) int {
	ctx, cancel := context.WithTimeout(context.Background(), pushFor)
	defer cancel()
	entries, err := h.poller.Push(ctx, sub.Source, doc)
	switch {
	case errors.Is(err, ErrNotPolled), errors.Is(err, ErrPaused):
		h.count(PushRefused)
		return http.StatusServiceUnavailable
	case err != nil || !entries:
		h.count(PushPing)
		h.poller.Soon(sub.Source)
		return http.StatusAccepted
	}
	h.count(PushTaken)
	return http.StatusOK
}

// heard notes that the hub sends, and reports whether to believe what it sends.
func (h *Subscriber) heard(ctx context.Context, sub *subscription) bool {
	h.mu.Lock()
	again := sub.Doubtful
	sub.pushed, sub.missed, sub.Doubtful = time.Now(), time.Time{}, false
	trusted := sub.trusted()
	h.mu.Unlock()
	if again {
		h.save(ctx, sub)
	}
	return trusted
}

// admit reports whether sub may send one more body now.
func (h *Subscriber) admit(sub *subscription) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if sub.full.Before(now) {
		sub.full = now
	}
	if sub.full.Sub(now) >= pushBurst*pushEvery {
		return false
	}
	sub.full = sub.full.Add(pushEvery)
	return true
}

// Wait waits until all is stored that was received.
func (h *Subscriber) Wait() { h.work.Wait() }

// signed reports whether an X-Hub-Signature is that of body.
func signed(header, secret string, body []byte) bool {
	method, sum, _ := strings.Cut(strings.TrimSpace(header), "=")
	var make func() hash.Hash
	switch strings.ToLower(method) {
	case "sha1":
		make = sha1.New
	case "sha256":
		make = sha256.New
	case "sha384":
		make = sha512.New384
	case "sha512":
		make = sha512.New
	default:
		return false
	}
	got, err := hex.DecodeString(sum)
	mac := hmac.New(make, []byte(secret))
	mac.Write(body)
	return err == nil && hmac.Equal(got, mac.Sum(nil))
}
