package main

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
	"tocsin/pipeline"
)

const (
	canaryEvery = time.Minute      // a new one is published
	canaryPoll  = 30 * time.Second // its source is polled
	canaryStale = 3 * time.Minute  // without one that came through, something stands still
	canaryLook  = 15 * time.Second // between looks at how far they came
	canaryHost  = "canary.invalid" // reached within the process alone
	canaryURL   = "http://" + canaryHost + "/feed"
	canaryGUID  = "urn:tocsin:canary" // one entry, which is revised: nothing piles up
)

// A canary publishes signed statements within the process, takes them at the end
// of their way, and looks whether they arrive.
type canary struct {
	key    []byte
	web    *http.Server
	inside *pipe
	fetch  *fetch.Client

	mu      sync.Mutex
	arrived string // the newest that was delivered here
	began   time.Time
	trouble error // why the service is not ready
	last    pipeline.Canary
}

func newCanary(key []byte) (*canary, error) {
	c := &canary{key: key, inside: newPipe(), began: time.Now()}
	var err error
	if c.fetch, err = fetch.New(fetch.Config{Version: version, Dial: c.inside.dial}); err != nil {
		return nil, err
	}
	c.web = &http.Server{Handler: http.HandlerFunc(c.publish), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = c.web.Serve(c.inside) }()
	return c, nil
}

func (c *canary) close() {
	_ = c.web.Close()
	_ = c.inside.Close()
	c.fetch.Close()
}

func (c *canary) source() tocsin.Source {
	return tocsin.Source{ID: pipeline.CanarySource, Kind: "feed", Title: "tocsin", URL: canaryURL, Every: canaryPoll, Canary: true}
}

// canaryText is the same in all canaries but for what follows it, so that they are
// revisions of one entry.
const canaryText = "This is a statement of tocsin itself, which goes the way of all others once a minute and is shown to nobody, " +
	"so that a stage which stands still is noticed although nothing happens in the world. Its time and signature are "

// sign is the text of the canary of a time.
func (c *canary) sign(at string) string {
	m := hmac.New(sha256.New, c.key)
	m.Write([]byte(at))
	return canaryText + at + " " + hex.EncodeToString(m.Sum(nil))
}

// signed reports whether a text is one that was published.
func (c *canary) signed(text string) bool {
	at, _, _ := strings.Cut(strings.TrimPrefix(text, canaryText), " ")
	return hmac.Equal([]byte(text), []byte(c.sign(at)))
}

// publish serves the feed of the canary.
func (c *canary) publish(w http.ResponseWriter, _ *http.Request) {
	type item struct {
		GUID        string `xml:"guid"`
		Title       string `xml:"title"`
		Description string `xml:"description"`
		Published   string `xml:"pubDate"`
	}
	at := time.Now().UTC().Truncate(canaryEvery)
	w.Header().Set("Content-Type", "application/rss+xml; charset=utf-8")
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"rss"`
		Version string   `xml:"version,attr"`
		Title   string   `xml:"channel>title"`
		Items   []item   `xml:"channel>item"`
	}{Version: "2.0", Title: "tocsin", Items: []item{{canaryGUID, pipeline.CanaryTitle, c.sign(at.Format(time.RFC3339)), at.Format(time.RFC1123Z)}}})
}

// Prepare makes the canary a destination: what it sent comes back to it.
func (c *canary) Prepare(_ context.Context, d tocsin.Delivery) (pipeline.Ready, error) {
	return canaryDelivery{c, d}, nil
}

type canaryDelivery struct {
	c *canary
	d tocsin.Delivery
}

func (canaryDelivery) Close() {}

func (x canaryDelivery) Send(context.Context) (string, error) {
	text := x.d.Alert.Excerpt
	if !x.c.signed(text) {
		return "", errors.New("the canary came back with another text than it was published with")
	}
	x.c.mu.Lock()
	defer x.c.mu.Unlock()
	x.c.arrived = text
	return text, nil
}

// Find reports what was delivered last.
func (c *canary) Find(_ context.Context, d tocsin.Delivery) (string, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.arrived, c.arrived == d.Alert.Excerpt, nil
}

// ready is why the service is not ready as far as canaries tell.
func (c *canary) ready() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trouble
}

func (c *canary) newest() pipeline.Canary {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// watchCanary looks whether canaries come through, tells operators when they do
// not, and calls the heartbeat while they do.
func (s *service) watchCanary(ctx context.Context) error {
	tick := time.NewTicker(canaryLook)
	defer tick.Stop()
	stuck := standstill{}
	var beat time.Time
	looked := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := time.Now()
		if s.canary.slept(looked, now) {
			stuck = standstill{}
		}
		looked = now
		err := s.lookForCanary(ctx, &stuck)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.operators.Report("canary", err.Error())
		default:
			s.operators.Clear("canary")
			if now := time.Now(); now.Sub(beat) >= heartbeatEvery {
				beat = now
				s.heartbeat(ctx)
			}
		}
	}
}

// lookForCanary is what keeps canaries, or the items that they travel among, from
// coming through.
func (s *service) lookForCanary(ctx context.Context, stuck *standstill) error {
	call, cancel := context.WithTimeout(ctx, canaryLook)
	defer cancel()
	last, err := s.logs.Canary(call)
	if err == nil {
		err = s.canary.overdue(last, time.Now())
	}
	if err == nil {
		err = stuck.look(call, s.logs, time.Now())
	}
	s.canary.mu.Lock()
	defer s.canary.mu.Unlock()
	s.canary.trouble, s.canary.last = err, last
	return err
}

// slept reports whether, since the last look, the computer slept or its clock was
// set, and then gives canaries their time anew: none could come through meanwhile, and
// the times of those that did say nothing.
func (c *canary) slept(looked, now time.Time) bool {
	gone := now.Round(0).Sub(looked.Round(0))
	if gone >= 0 && gone <= canaryStale/2 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.began = now
	return true
}

// overdue says where the newest canary was lost if none came through for long.
func (c *canary) overdue(last pipeline.Canary, now time.Time) error {
	c.mu.Lock()
	since := last.Sent
	if since.Before(c.began) || since.After(now) {
		since = c.began
	}
	c.mu.Unlock()
	if now.Sub(since) <= canaryStale {
		return nil
	}
	at, next := "be fetched and stored: look at the poll stage, the disk and NATS", last.Stored
	switch {
	case next.After(last.Matched):
		at = "be matched: look at the match stage"
	case last.Matched.After(last.Sent):
		at = "be sent: look at the send stage"
	}
	return fmt.Errorf("no canary has come through since %s: the newest waits to %s", stamp(since), at)
}

// standstill notices a match stage that stands still with items before it.
type standstill struct {
	floor uint64
	since time.Time
}

func (m *standstill) look(ctx context.Context, l *pipeline.Logs, now time.Time) error {
	floor, waiting, err := l.Matching(ctx)
	if err != nil {
		return err
	}
	if floor != m.floor || waiting == 0 || m.since.IsZero() {
		m.floor, m.since = floor, now
		return nil
	}
	if now.Sub(m.since) <= canaryStale {
		return nil
	}
	return fmt.Errorf("the match stage has stood still since %s with %d items before it: restart tocsin, and report what its log says", stamp(m.since), waiting)
}

const heartbeatEvery = 30 * time.Second

// heartbeat calls the address that notices when it is not called.
func (s *service) heartbeat(ctx context.Context) {
	address := string(s.config().Heartbeat)
	if address == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, canaryLook)
	defer cancel()
	if _, err := s.outside.Load().fetch.Get(ctx, address, fetch.Validators{}); err != nil && ctx.Err() == nil {
		// The address is a secret, and a fetch names what it asked for.
		kind := "it cannot be reached"
		if e, ok := errors.AsType[*fetch.Error](err); ok {
			kind = cmp.Or(strings.TrimSpace(fmt.Sprint(e.Kind, " ", e.Status)), kind)
		}
		s.operators.Report("heartbeat", "the heartbeat address does not take our call ("+kind+"): whoever watches it will think that tocsin is down")
		return
	}
	s.operators.Clear("heartbeat")
}

// A pipe is a listener that the process itself dials.
type pipe struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipe() *pipe { return &pipe{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipe) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept gives the next connection.
func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and what dials.
func (p *pipe) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr is no address.
func (p *pipe) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return canaryHost }
