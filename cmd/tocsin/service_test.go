package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/notifiers/notifiertest"
	"tocsin/pipeline"

	"github.com/nats-io/nats-server/v2/server/ats"
)

// bubble runs f on a fake clock, with JetStream inside. The clock starts at the
// real time: the file store takes ages from a clock outside the bubble. The NATS
// client pools its timers, and one of another clock must not come back here or
// go on from here: two collections empty the pool.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, "")
	}
	empty := func() { runtime.GC(); runtime.GC() }
	empty()
	defer empty()
	ats.Register()
	defer ats.Unregister()
	start := time.Now()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(start))
		f(t)
	})
}

// A buffer keeps what is written to it, by any goroutine.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A rig is all that is outside the service, in memory: publishers by their host,
// Slack at 127.0.0.1:80 and a mail server at 127.0.0.1:25.
type rig struct {
	t         *testing.T
	dir       string
	slack     *notifiertest.Slack
	smtp      *notifiertest.SMTP
	term, log *buffer
	publisher *notifiertest.Pipe
	api, mail *notifiertest.Pipe

	mu     sync.Mutex
	feeds  map[string]*feed
	dead   map[string]bool // hosts that refuse to connect
	reload chan *Config
	end    func()
}

// A feed is what a host publishes. Where answer is set, that is all.
type feed struct {
	items  []rssItem // newest first
	answer http.HandlerFunc
	polls  int
}

func newRig(t *testing.T) *rig {
	r := &rig{
		t: t, dir: filepath.Join(t.TempDir(), "data"), slack: notifiertest.NewSlack("xoxb-right"), smtp: notifiertest.NewSMTP(),
		term: &buffer{}, log: &buffer{}, publisher: notifiertest.NewPipe(), api: notifiertest.NewPipe(), mail: notifiertest.NewPipe(),
		feeds: map[string]*feed{}, dead: map[string]bool{},
	}
	site := &http.Server{Handler: http.HandlerFunc(r.serve)}
	var wg sync.WaitGroup
	wg.Go(func() { _ = site.Serve(r.publisher) })
	stopSlack := r.slack.Serve(r.api)
	// A mail server's settings are read when it serves.
	var stopMail func()
	wg.Go(func() {})
	stopMail = r.smtp.Serve(r.mail)
	t.Cleanup(func() {
		r.stop()
		r.publisher.Close()
		r.api.Close()
		r.mail.Close()
		site.Close()
		stopSlack()
		stopMail()
		wg.Wait()
	})
	return r
}

func (r *rig) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(addr)
	r.mu.Lock()
	dead := r.dead[host] || r.dead[addr]
	r.mu.Unlock()
	switch {
	case dead:
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	case addr == "127.0.0.1:80":
		return r.api.Dial(ctx, network, addr)
	case addr == "127.0.0.1:25":
		return r.mail.Dial(ctx, network, addr)
	}
	return r.publisher.Dial(ctx, network, addr)
}

// kill makes addresses, or hosts, refuse connections or take them again.
func (r *rig) kill(dead bool, addrs ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range addrs {
		r.dead[a] = dead
	}
}

func (r *rig) serve(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	f := r.feeds[q.Host]
	if f == nil {
		r.mu.Unlock()
		http.NotFound(w, q)
		return
	}
	f.polls++
	items, answer := slices.Clone(f.items), f.answer
	r.mu.Unlock()
	if answer != nil {
		answer(w, q)
		return
	}
	_, _ = w.Write(rss(q.Host, items))
}

func rss(title string, items []rssItem) []byte {
	data, err := xml.Marshal(struct {
		XMLName xml.Name  `xml:"rss"`
		Version string    `xml:"version,attr"`
		Title   string    `xml:"channel>title"`
		Link    string    `xml:"channel>link"`
		Items   []rssItem `xml:"channel>item"`
	}{Version: "2.0", Title: title, Link: "http://" + title + "/", Items: items})
	if err != nil {
		panic(err)
	}
	return data
}

// publish puts items in front of those that a host lists.
func (r *rig) publish(host string, items ...rssItem) {
	r.edit(host, func(f *feed) { f.items = append(slices.Clone(items), f.items...) })
}

func (r *rig) edit(host string, change func(*feed)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.feeds[host] == nil {
		r.feeds[host] = &feed{}
	}
	change(r.feeds[host])
}

func entry(host string, n int, title, text string) rssItem {
	return rssItem{GUID: fmt.Sprintf("%s-%d", host, n), Link: fmt.Sprintf("http://%s/%d", host, n), Title: title, Description: text}
}

// config reads a configuration as the program does, and sets what the rig gives.
func (r *rig) config(yaml string) *Config {
	r.t.Helper()
	l := newLoader(builtinWatchlists)
	l.ReadFile = func(string) ([]byte, error) {
		return []byte(yaml + `
builtin: false
slack: {api: "http://127.0.0.1/api/", token: {env: SLACK}}
email: {smtp: "smtp://127.0.0.1:25", from: tocsin@desk.example, password: {env: SMTP}}
`), nil
	}
	env := map[string]string{"SLACK": "xoxb-right", "SMTP": "right"}
	l.Env = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	cfg, err := l.Load("tocsin.yaml")
	if err != nil {
		r.t.Fatal(err)
	}
	cfg.Data = r.dir
	return cfg
}

// hosts is YAML that watches publishers, each by its only feed.
func sources(hosts ...string) string {
	var b strings.Builder
	b.WriteString("sources:\n")
	for _, h := range hosts {
		id, _, _ := strings.Cut(h, ".")
		fmt.Fprintf(&b, "  - {id: %s, url: \"http://%s/feed\"}\n", id, h)
	}
	return b.String()
}

// start runs a service until stop is called.
func (r *rig) start(cfg *Config) *service {
	r.t.Helper()
	log := slog.New(slog.NewMultiHandler(
		slog.NewTextHandler(r.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}),
		slog.NewTextHandler(r.log, nil),
	))
	r.reload = make(chan *Config)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := newService(ctx, cfg, serviceOptions{
		Log: log, Terminal: r.term, Poll: true, Match: true, Send: true, Dial: r.dial, Reload: r.reload,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			r.t.Errorf("the service ended: %v", err)
		}
	})
	r.end = func() {
		cancel()
		wg.Wait()
		if err := s.Close(); err != nil {
			r.t.Error(err)
		}
		r.end = nil
	}
	return s
}

func (r *rig) stop() {
	if r.end != nil {
		r.end()
	}
}

// posts are the messages of a channel that hold a text.
func (r *rig) posts(channel, holding string) (out []notifiertest.Message) {
	for _, m := range r.slack.Messages(channel) {
		if strings.Contains(m.Text+string(m.Blocks), holding) {
			out = append(out, m)
		}
	}
	return out
}

// mails are the mails to an address whose subject holds a text.
func (r *rig) mails(to, holding string) (out []notifiertest.Mail) {
	for _, m := range r.smtp.Mails() {
		if m.To == to && strings.Contains(m.Header.Get("Subject"), holding) {
			out = append(out, m)
		}
	}
	return out
}

const desk = `
watchlists: {missiles: {query: 'missile*'}}
destinations:
  room: {kind: slack, to: C0000001}
  box: {kind: email, to: box@rcpt.example}
subscriptions:
  - {watchlist: missiles, to: room}
  - {watchlist: missiles, to: box}
  - {watchlist: missiles, to: terminal}
`

func TestOneStatementFromManyPublishersIsOneMessagePerDestination(t *testing.T) {
	const publishers, title = 48, "Joint declaration on arms"
	began := time.Now()
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		var hosts []string
		for i := range publishers {
			hosts = append(hosts, fmt.Sprintf("mfa-%02d.example", i))
			r.publish(hosts[i], entry(hosts[i], 0, "Opening hours", "Of "+hosts[i]))
		}
		r.slack.Fail("chat.postMessage", notifiertest.Fault{}, // the first tells what was already there
			notifiertest.Fault{Status: 429, RetryAfter: 30}, notifiertest.Fault{Status: 503})
		r.start(r.config(sources(hosts...) + desk))
		time.Sleep(time.Hour)
		for _, h := range hosts {
			r.publish(h, entry(h, 1, title, "We condemn the export of missiles."))
			time.Sleep(5 * time.Hour / publishers)
		}
		r.stop()
		posts := r.posts("C0000001", title)
		if len(posts) != 1 || !strings.Contains(string(posts[0].Blocks), "ublished by 48") || posts[0].Edits == 0 {
			t.Errorf("Slack holds %d messages: %+v\nwant one that tells of 48 publishers", len(posts), posts)
		}
		if n := len(r.slack.Requests("chat.postMessage")); n != 4 {
			t.Errorf("Slack was called %d times, want 4: the summary, two refusals and the message", n)
		}
		if m := r.mails("box@rcpt.example", title); len(m) != 1 {
			t.Errorf("%d mails, want 1", len(m))
		}
		if n := strings.Count(r.term.String(), "─\n"+title); n != 1 {
			t.Errorf("%d cards, want 1:\n%s", n, r.term)
		}
	})
	t.Logf("six hours took %v", time.Since(began).Round(time.Millisecond))
}

var _ = cmp.Or[int]
var _ fs.FS
var _ pipeline.Off
