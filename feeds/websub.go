package feeds

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// WebSub is the kind of sources whose publisher names a hub that sends what is
// new (W3C WebSub). Without a hub they are polled like a feed.
const WebSub = "websub"

const (
	hookPath    = "/websub/" // what a callback's path ends in, before its token
	askedLease  = 7 * 24 * time.Hour
	shortAsk    = 5 * time.Minute  // least time between two requests to the hubs of a source, and how long a hub may take to verify
	longAsk     = 6 * time.Hour    // most time between two, after failures
	deniedAsk   = 24 * time.Hour   // after every hub has denied
	slowPace    = 10 * time.Minute // between polls of a source whose hub is trusted
	pushWithin  = time.Minute      // after a poll found what a hub has not sent, and no longer trusts it
	postWithin  = 20 * time.Second // for a request to a hub
	maxSubState = 64 << 10         // bytes of a stored subscription
)

// A Subscriber subscribes sources of kind websub at their publishers' hubs and
// takes what these send. It is an http.Handler for the callbacks.
//
// # Properties
//
//   - A source is subscribed by whoever polls it, after a poll: at the first hub
//     that its publisher names, or the next if that one fails.
//   - Only a hub that verified what we asked for is believed, and only bodies with
//     our secret's HMAC are read. Others are answered 202, counted and dropped.
//   - What a hub sends is trusted no more than a poll: what came to us over http
//     for a source of https is a reason to poll, and no more.
//   - While a subscription is live, polls are 10 minutes apart or as the source
//     says, if that is longer. A poll that finds what its hub did not send within
//     a minute ends that, until the hub sends something again.
//   - Subscriptions survive a restart: what is stored says what to expect.
type Subscriber struct {
	Base  string                                                                           // address at which ServeHTTP is reached, http or https, without "/" at its end; required
	Store SubscriptionStore                                                                // required
	Post  func(ctx context.Context, hub string, form url.Values) (moved string, err error) // required: fetch.Client.Post
	Slog  *slog.Logger                                                                     // nil means slog.Default()

	poller *Poller
	once   sync.Once
	mu     sync.Mutex
	subs   map[string]*subscription // by source
	tokens map[string]*subscription // by what their callback ends in
	bodies chan struct{}            // bounds what is held of bodies in memory
	work   sync.WaitGroup
	counts map[string]uint64
}

// A SubscriptionStore keeps subscriptions, which hold secrets, by source. Losing
// one costs a new subscription.
type SubscriptionStore interface {
	Subscriptions(ctx context.Context) (map[string][]byte, error)
	SaveSubscription(ctx context.Context, source string, record []byte) error
	DropSubscription(ctx context.Context, source string) error
}

// A subscription is what is known of a source's hubs. The exported fields are
// stored.
type subscription struct {
	V        int       `json:"v"`
	Source   string    `json:"source"`
	URL      string    `json:"url"`      // the source's
	Callback string    `json:"callback"` // whole; ends in a token that cannot be guessed
	Secret   string    `json:"secret"`
	Topic    string    `json:"topic"`              // the source as its hubs know it
	Hubs     []string  `json:"hubs"`               // in the publisher's order
	Hub      int       `json:"hub"`                // place of the one that is asked
	At       string    `json:"at,omitempty"`       // where it has moved for good
	Asked    time.Time `json:"asked,omitzero"`     // when we asked, while that is not verified
	Next     time.Time `json:"next,omitzero"`      // before which it is not asked again
	Renew    time.Time `json:"renew,omitzero"`     // when the lease is to be renewed
	Until    time.Time `json:"until,omitzero"`     // end of the lease
	Looked   time.Time `json:"looked,omitzero"`    // when the publisher's document was last searched for hubs
	Failures int       `json:"failures,omitempty"` // in a row, of all hubs
	Doubtful bool      `json:"doubtful,omitempty"` // it failed to send what a poll found, and has sent nothing since
	Leaving  bool      `json:"leaving,omitempty"`  // the source is no longer watched
	Why      string    `json:"why,omitempty"`      // what the last failure was

	tended bool      // since this process began
	missed time.Time // a poll found what was not sent
	pushed time.Time // when the hub last sent something
	full   time.Time // flood: see admit
}

const subscriptionFormat = 1

// PushStatus is how the subscription of a source is.
type PushStatus struct {
	State  string    `json:"state"`           // "live", "doubtful", "asked", "no hub", "not subscribed"
	Hub    string    `json:"hub,omitempty"`   // its host
	Until  time.Time `json:"until,omitzero"`  // end of the lease
	Pushed time.Time `json:"pushed,omitzero"` // when the hub last sent something, since this process began
	Err    string    `json:"err,omitempty"`   // why it is not subscribed
}

func (h *Subscriber) init() {
	h.once.Do(func() {
		h.subs, h.tokens = map[string]*subscription{}, map[string]*subscription{}
		h.bodies, h.counts = make(chan struct{}, pushAtOnce), map[string]uint64{}
		h.Slog = cmp.Or(h.Slog, slog.Default())
	})
}

// serve makes p what takes pushes.
func (h *Subscriber) serve(p *Poller) {
	h.init()
	h.poller = p
}

// Load learns the stored subscriptions: call it before ServeHTTP can be reached.
func (h *Subscriber) Load(ctx context.Context) error {
	h.init()
	stored, err := h.Store.Subscriptions(ctx)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for source, b := range stored {
		var sub subscription
		if len(b) > maxSubState || json.Unmarshal(b, &sub) != nil || sub.V > subscriptionFormat || sub.Source != source || tokenOf(sub.Callback) == "" {
			continue // it is made anew
		}
		h.put(&sub)
	}
	return nil
}

func (h *Subscriber) put(sub *subscription) {
	if old := h.subs[sub.Source]; old != nil {
		delete(h.tokens, tokenOf(old.Callback))
	}
	h.subs[sub.Source] = sub
	h.tokens[tokenOf(sub.Callback)] = sub
}

// of is the subscription of s, made where there is none that fits.
func (h *Subscriber) of(s tocsin.Source) *subscription {
	sub := h.subs[s.ID]
	if sub != nil && sub.URL == s.URL && strings.HasPrefix(sub.Callback, h.Base+hookPath) && !sub.Leaving {
		return sub
	}
	sub = &subscription{V: subscriptionFormat, Source: s.ID, URL: s.URL, Callback: h.Base + hookPath + random(16), Secret: random(32)}
	h.put(sub)
	return sub
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// knows reports whether the hubs of s were looked for within a day.
func (h *Subscriber) knows(s tocsin.Source) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	sub := h.of(s)
	return len(sub.Hubs) > 0 || time.Since(sub.Looked) < 24*time.Hour
}

// read takes from a document which hubs its publisher names.
func (h *Subscriber) read(s tocsin.Source, r fetch.Response) {
	hubs, topic := findHubs(s, r)
	h.mu.Lock()
	defer h.mu.Unlock()
	sub := h.of(s)
	sub.Looked = time.Now()
	if len(hubs) == 0 && r.Cut || slices.Equal(hubs, sub.Hubs) && topic == sub.Topic {
		return
	}
	sub.Hubs, sub.Topic, sub.Hub, sub.At = hubs, topic, 0, ""
	sub.Asked, sub.Until, sub.Renew, sub.Failures = time.Time{}, time.Time{}, time.Time{}, 0
}

// pace is the time between two polls of s, which is every without a hub.
func (h *Subscriber) pace(s tocsin.Source, every time.Duration, now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	sub := h.of(s)
	left := sub.Until.Sub(now)
	if left <= 0 || sub.Doubtful || !sub.missed.IsZero() {
		return every
	}
	return max(every, min(slowPace, left))
}

// tend looks after the subscription of s when a poll has come to r.
func (h *Subscriber) tend(ctx context.Context, s tocsin.Source, r result) {
	now := time.Now()
	h.mu.Lock()
	sub := h.of(s)
	before := *sub
	sub.judge(r, now)
	ask := ctx.Err() == nil && sub.due(now)
	sub.tended = true
	changed := ask || before.Doubtful != sub.Doubtful || before.Looked != sub.Looked && len(sub.Hubs) == 0 || before.Topic != sub.Topic
	h.mu.Unlock()
	if ask {
		h.ask(ctx, sub, "subscribe")
	}
	if changed {
		h.save(ctx, sub)
	}
}

// judge holds what a poll found against what the hub has sent. The first poll
// after a start may find what nobody could send us.
func (sub *subscription) judge(r result, now time.Time) {
	switch {
	case !sub.missed.IsZero():
		if now.Sub(sub.missed) < pushWithin {
			return
		}
		sub.missed, sub.Doubtful, sub.Renew = time.Time{}, true, now
		sub.Why = "the hub did not send what a poll has found"
	case now.Before(sub.Until) && sub.tended && !sub.Doubtful && now.Sub(sub.pushed) >= pushWithin && r.items > 0:
		sub.missed = now
	}
}

// due reports whether a hub is to be asked now, and which.
func (sub *subscription) due(now time.Time) bool {
	if len(sub.Hubs) == 0 {
		return false
	}
	if !sub.Asked.IsZero() {
		if now.Sub(sub.Asked) < shortAsk {
			return false
		}
		sub.fail("the hub did not verify the subscription within "+shortAsk.String(), now)
	}
	return !now.Before(sub.Next) && !now.Before(sub.Renew)
}

// fail goes on to the next hub, and after the last one waits.
func (sub *subscription) fail(why string, now time.Time) {
	sub.Asked, sub.At, sub.Why = time.Time{}, "", why
	sub.Failures++
	sub.Hub = (sub.Hub + 1) % len(sub.Hubs)
	sub.Next = now
	if sub.Hub == 0 {
		rounds := min(sub.Failures/len(sub.Hubs), 10)
		sub.Next = now.Add(min(shortAsk<<max(rounds-1, 0), longAsk))
	}
}

// verified begins a lease. A hub may say what it likes of how long it lasts: no
// more than we asked for is believed, and it is renewed in any case.
func (sub *subscription) verified(lease string, now time.Time) {
	seconds, err := strconv.ParseInt(strings.TrimSpace(lease), 10, 64)
	long := 24 * time.Hour // where the hub does not tell
	if err == nil {
		long = time.Duration(min(max(seconds, 0), int64(askedLease.Seconds()))) * time.Second
	}
	sub.Asked, sub.Failures, sub.Why = time.Time{}, 0, ""
	sub.Until, sub.Renew, sub.Next = now.Add(long), now.Add(long*2/3), now.Add(shortAsk)
}

// denied ends a subscription by the hub's word.
func (sub *subscription) denied(reason string, now time.Time) {
	sub.Until, sub.Renew = time.Time{}, time.Time{}
	sub.fail("the hub denied it: "+short(reason), now)
	if sub.Hub == 0 {
		sub.Next = now.Add(deniedAsk)
	}
}

// ask requests a subscription, or its end, from the hub whose turn it is.
func (h *Subscriber) ask(ctx context.Context, sub *subscription, mode string) {
	now := time.Now()
	h.mu.Lock()
	hub := cmp.Or(sub.At, sub.Hubs[sub.Hub%len(sub.Hubs)])
	form := url.Values{"hub.mode": {mode}, "hub.topic": {sub.Topic}, "hub.callback": {sub.Callback}}
	if mode == "subscribe" {
		form.Set("hub.secret", sub.Secret)
		form.Set("hub.lease_seconds", fmt.Sprint(int(askedLease.Seconds())))
	}
	sub.Asked, sub.Next = now, now.Add(shortAsk) // a hub may verify before it answers
	h.mu.Unlock()
	h.save(ctx, sub)
	ctx, cancel := context.WithTimeout(ctx, postWithin)
	defer cancel()
	moved, err := h.Post(ctx, hub, form)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil && moved != "":
		sub.At = moved
	case err != nil && mode == "subscribe" && sub.Asked.Equal(now): // it was not verified all the same
		sub.fail(err.Error(), time.Now())
		h.Slog.Warn("hub not subscribed; the source is polled", "stage", "poll", "source", sub.Source, "err", err)
	}
}

func (h *Subscriber) save(ctx context.Context, sub *subscription) {
	h.mu.Lock()
	b, err := json.Marshal(sub)
	h.mu.Unlock()
	if err == nil {
		err = h.Store.SaveSubscription(context.WithoutCancel(ctx), sub.Source, b)
	}
	if err != nil {
		h.Slog.Warn("subscription was not saved", "stage", "poll", "source", sub.Source, "err", err)
	}
}

// Keep ends the subscriptions of all other sources than these.
func (h *Subscriber) Keep(ctx context.Context, sources []tocsin.Source) {
	h.init()
	want := map[string]bool{}
	for _, s := range sources {
		want[s.ID] = s.Kind == WebSub
	}
	var leave, forget []*subscription
	now := time.Now()
	h.mu.Lock()
	for id, sub := range h.subs {
		switch {
		case want[id]:
		case len(sub.Hubs) == 0 || sub.Leaving && now.Sub(sub.Asked) > shortAsk || !sub.Leaving && !now.Before(sub.Until):
			forget = append(forget, sub)
			delete(h.subs, id)
			delete(h.tokens, tokenOf(sub.Callback))
		case !sub.Leaving:
			sub.Leaving = true
			leave = append(leave, sub)
		}
	}
	h.mu.Unlock()
	for _, sub := range leave {
		h.ask(ctx, sub, "unsubscribe")
	}
	for _, sub := range forget {
		h.drop(ctx, sub)
	}
}

func (h *Subscriber) drop(ctx context.Context, sub *subscription) {
	if err := h.Store.DropSubscription(context.WithoutCancel(ctx), sub.Source); err != nil {
		h.Slog.Warn("subscription was not forgotten", "stage", "poll", "source", sub.Source, "err", err)
	}
}

// Status is how the subscription of a source is; false where it has none.
func (h *Subscriber) Status(source string) (PushStatus, bool) {
	h.init()
	h.mu.Lock()
	defer h.mu.Unlock()
	sub := h.subs[source]
	if sub == nil || sub.Leaving {
		return PushStatus{}, false
	}
	st := PushStatus{State: "not subscribed", Pushed: sub.pushed, Err: sub.Why}
	switch live := time.Now().Before(sub.Until); {
	case len(sub.Hubs) == 0:
		return PushStatus{State: "no hub"}, true
	case live && sub.Doubtful:
		st.State = "doubtful"
	case live:
		st.State, st.Err = "live", ""
	case !sub.Asked.IsZero():
		st.State = "asked"
	}
	st.Hub, st.Until = hostOf(sub.Hubs[sub.Hub%len(sub.Hubs)]), sub.Until
	return st, true
}

// trusted reports whether nobody on the way from the hub could have written what
// it sends, as far as that is so for polls.
func (sub *subscription) trusted() bool {
	if len(sub.Hubs) == 0 {
		return false
	}
	hub := cmp.Or(sub.At, sub.Hubs[sub.Hub%len(sub.Hubs)])
	return strings.HasPrefix(hub, "https://") || strings.HasPrefix(sub.URL, "http://")
}

func tokenOf(path string) string {
	_, token, ok := strings.Cut(path, hookPath)
	if i := strings.LastIndex(path, hookPath); ok && i >= 0 {
		token = path[i+len(hookPath):]
	}
	if len(token) != 32 || strings.Trim(token, "0123456789abcdef") != "" {
		return ""
	}
	return token
}
