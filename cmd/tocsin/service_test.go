package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/xml"
	"fmt"
	"html"
	"log/slog"
	"maps"
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
	"unicode/utf16"

	"tocsin/feeds"
	"tocsin/notifiers/notifiertest"

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
	dead   map[string]bool // hosts, or addresses, that refuse to connect
	conns  map[string][]net.Conn
	env    map[string]string
	reload chan *Config
	canary bool
	extra  map[string]*notifiertest.Pipe                    // by address: what else is there
	before func(*service)                                   // is told before it runs
	listen func(network, addr string) (net.Listener, error) // for listen.public
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
		feeds: map[string]*feed{}, dead: map[string]bool{}, conns: map[string][]net.Conn{}, env: map[string]string{"SLACK": "xoxb-right", "SMTP": "right"},
	}
	r.smtp.User, r.smtp.Password = "tocsin@desk.example", "right"
	site := &http.Server{Handler: http.HandlerFunc(r.serve)}
	var wg sync.WaitGroup
	wg.Go(func() { _ = site.Serve(r.publisher) })
	stopSlack := r.slack.Serve(r.api)
	stopMail := r.smtp.Serve(r.mail)
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Log("the log ends:\n" + tail(r.log.String(), 4000))
		}
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
	to := r.publisher
	switch addr {
	case "127.0.0.1:80":
		host, to = "slack", r.api
	case "127.0.0.1:25":
		host, to = "mail", r.mail
	}
	r.mu.Lock()
	dead, extra := r.dead[host], r.extra[addr]
	r.mu.Unlock()
	if extra != nil {
		return extra.Dial(ctx, network, addr)
	}
	if dead {
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	c, err := to.Dial(ctx, network, addr)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.conns[host] = append(r.conns[host], c)
	}
	return c, err
}

// kill breaks the connections to hosts and refuses new ones; "slack" and "mail"
// are hosts too. revive ends it.
func (r *rig) kill(hosts ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range hosts {
		r.dead[h] = true
		for _, c := range r.conns[h] {
			c.Close()
		}
		delete(r.conns, h)
	}
}

func (r *rig) revive(hosts ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range hosts {
		delete(r.dead, h)
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
	items, answer := slices.Clone(f.items), f.answer
	if q.URL.Path == "/feed" {
		f.polls++
	}
	r.mu.Unlock()
	switch {
	case answer != nil:
		answer(w, q)
	case q.URL.Path == "/feed", q.URL.Path == "/all": // its archive
		_, _ = w.Write(rss(q.Host, items))
	default:
		servePage(w, q, items)
	}
}

// servePage shows one of the items that are in the feed.
func servePage(w http.ResponseWriter, q *http.Request, items []rssItem) {
	for _, it := range items {
		if it.Link == "http://"+q.Host+q.URL.Path {
			fmt.Fprintf(w, "<html><title>%s</title><h1>%[1]s</h1><p>%s</p></html>", html.EscapeString(it.Title), html.EscapeString(it.Description))
			return
		}
	}
	http.NotFound(w, q)
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
	l.Env = func(name string) (string, bool) { v, ok := r.env[name]; return v, ok }
	cfg, err := l.Load("tocsin.yaml")
	if err != nil {
		r.t.Fatal(err)
	}
	cfg.Data = r.dir
	return cfg
}

// sources is YAML that watches publishers, each by its only feed.
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
	log := slog.New(slog.NewTextHandler(r.log, nil))
	r.reload = make(chan *Config)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := newService(ctx, cfg, serviceOptions{
		Log: log, Terminal: r.term, Poll: true, Match: true, Send: true, Dial: r.dial, Reload: r.reload, Canary: r.canary, Listen: r.listen,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if r.before != nil {
		r.before(s)
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
		synctest.Wait() // a request that was given up, and waits for a lock of a server that stops, would hold the fake clock
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

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// posts are the messages of a channel that hold a text.
func (r *rig) posts(channel, holding string) (out []notifiertest.Message) {
	for _, m := range r.slack.Messages(channel) {
		if m.Thread == "" && strings.Contains(m.Text+string(m.Blocks), holding) {
			out = append(out, m)
		}
	}
	return out
}

// replies are what stands in threads of a channel and holds a text.
func (r *rig) replies(channel, holding string) (out []notifiertest.Message) {
	for _, m := range r.slack.Messages(channel) {
		if m.Thread != "" && strings.Contains(m.Text, holding) {
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
  duty: {kind: slack, to: C0000009}
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
		asked := slices.DeleteFunc(r.slack.Requests("chat.postMessage"), func(q notifiertest.Request) bool { return q.Form.Get("thread_ts") != "" })
		if n := len(asked); n != 4 {
			t.Errorf("Slack was called %d times, want 4: the summary, two refusals and the message", n)
		}
		told := 0
		for _, m := range r.replies("C0000001", "") {
			told += strings.Count(m.Text, "also published by")
			if m.Aloud || m.Thread != posts[0].TS {
				t.Errorf("a copy is told aloud, or elsewhere: %+v", m)
			}
		}
		if told != publishers-1 {
			t.Errorf("the thread tells of %d copies, want each but the first", told)
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

// baseline is a first entry that matches nothing.
func (r *rig) baseline(hosts ...string) {
	for _, h := range hosts {
		r.publish(h, entry(h, 0, "Opening hours", "Of "+h))
	}
}

func TestWhatMatchedBeforeARestartArrivesOnceAfterIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.baseline("mfa.example")
		cfg := r.config(sources("mfa.example") + desk)
		r.start(cfg)
		time.Sleep(5 * time.Minute)
		r.kill("slack", "mail")
		r.publish("mfa.example", entry("mfa.example", 1, "On missiles", "Missiles were seen."))
		time.Sleep(5 * time.Minute)
		r.stop()
		r.edit("mfa.example", func(f *feed) { f.items = f.items[1:] }) // no longer listed
		r.start(cfg)
		time.Sleep(10 * time.Minute)
		if n := len(r.posts("", "On missiles")) + len(r.mails("box@rcpt.example", "On missiles")); n != 0 {
			t.Fatalf("%d messages arrived while nothing could", n)
		}
		r.revive("slack", "mail")
		time.Sleep(time.Hour)
		if m := r.posts("C0000001", "On missiles"); len(m) != 1 || !strings.Contains(string(m[0].Blocks), "late") {
			t.Errorf("Slack holds %+v, want one message that says why it is late", m)
		}
		if m := r.mails("box@rcpt.example", "On missiles"); len(m) != 1 {
			t.Errorf("%d mails, want 1", len(m))
		}
		if n := strings.Count(r.term.String(), "─\nOn missiles"); n != 1 {
			t.Errorf("%d cards, want 1:\n%s", n, r.term)
		}
	})
}

func TestOneMessageNamesEveryWatchlistOfItsChannel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.baseline("mfa.example")
		r.start(r.config(sources("mfa.example") + `
watchlists: {arms: {query: 'missile* OR rocket*'}, embargo: {query: 'embargo'}, north: {query: '"closed border"'}, other: {query: 'herring'}}
destinations: {room: {kind: slack, to: C0000001}}
subscriptions: [{watchlist: arms, to: room}, {watchlist: embargo, to: room}, {watchlist: north, to: room}, {watchlist: other, to: room}]
`))
		time.Sleep(time.Minute)
		r.publish("mfa.example", entry("mfa.example", 1, "On missiles", "They crossed a closed border, against the embargo."))
		time.Sleep(10 * time.Minute)
		m := r.posts("C0000001", "On missiles")
		if len(m) != 1 {
			t.Fatalf("%d messages, want 1", len(m))
		}
		for _, name := range []string{"arms", "embargo", "north"} {
			if !strings.Contains(string(m[0].Blocks), name) {
				t.Errorf("the message does not name watchlist %s: %s", name, m[0].Blocks)
			}
		}
		if strings.Contains(string(m[0].Blocks), "other") {
			t.Errorf("the message names a watchlist that did not match: %s", m[0].Blocks)
		}
	})
}

// TestNewStatementsAlertWhateverTheirPublisherRepeats gives entries identities
// that do not tell them apart, and then others to all of them.
func TestNewStatementsAlertWhateverTheirPublisherRepeats(t *testing.T) {
	const known, fresh = 6, 20
	styles := map[string]func(it *rssItem){
		"guid.example":    func(it *rssItem) { it.GUID = "the same" },
		"link.example":    func(it *rssItem) { it.Link = "http://link.example/news" },
		"both.example":    func(it *rssItem) { it.GUID, it.Link = "the same", "http://both.example/news" },
		"summary.example": func(it *rssItem) { it.Description = "Read the whole statement on missiles on our site." },
	}
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		var hosts []string
		add := func(host, title string, n int) {
			it := entry(host, n, fmt.Sprintf("%s statement of %s on missiles: no %d", title, host, n), fmt.Sprintf("The %d. time we speak of the missiles that %s was sent.", n, host))
			styles[host](&it)
			r.publish(host, it)
		}
		for host := range styles {
			hosts = append(hosts, host)
			for n := range known {
				add(host, "Known", n)
			}
		}
		slices.Sort(hosts)
		r.start(r.config(sources(hosts...) + desk))
		time.Sleep(5 * time.Minute)
		for n := range fresh {
			for _, host := range hosts {
				add(host, "New", known+n)
			}
			if n%4 == 3 { // several at once, and one by one
				time.Sleep(5 * time.Minute)
			}
		}
		time.Sleep(30 * time.Minute)
		for _, host := range hosts {
			if n := len(r.posts("C0000001", "New statement of "+host)); n != fresh {
				t.Errorf("%s: %d of %d new statements alerted", host, n, fresh)
			}
		}
		before := len(r.posts("C0000001", ""))
		for _, host := range hosts {
			r.edit(host, func(f *feed) {
				for i := range f.items {
					f.items[i].GUID = fmt.Sprintf("moved-%s-%d", host, i)
				}
			})
		}
		time.Sleep(time.Hour)
		if n := len(r.posts("C0000001", "")) - before; n != 0 {
			t.Errorf("%d alerts because GUIDs changed, want 0", n)
		}
	})
}

func TestAReloadIsTakenWholeOrNotAtAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.baseline("one.example", "two.example")
		s := r.start(r.config(sources("one.example") + desk))
		time.Sleep(5 * time.Minute)
		r.reload <- r.config(sources("one.example", "two.example") + `
watchlists: {missiles: {query: 'missile*'}, herring: {query: 'herring'}}
destinations: {room: {kind: slack, to: C0000001}, duty: {kind: slack, to: C0000009}}
operators: [duty]
subscriptions: [{watchlist: missiles, to: room}, {watchlist: herring, to: room}]
`)
		time.Sleep(5 * time.Minute)
		bad := r.config(sources("three.example") + desk)
		bad.Fetch.CA = filepath.Join(r.dir, "there-is-none.pem")
		r.reload <- bad
		time.Sleep(5 * time.Minute)
		if log := r.log.String(); !strings.Contains(log, "configuration not taken") || !strings.Contains(log, "fetch.ca") {
			t.Errorf("the log does not tell of the bad configuration:\n%s", tail(log, 1500))
		}
		r.publish("one.example", entry("one.example", 1, "On herring", "Quotas for herring."))
		r.publish("two.example", entry("two.example", 1, "On missiles", "Missiles were seen."))
		time.Sleep(10 * time.Minute)
		for _, title := range []string{"On herring", "On missiles"} {
			if n := len(r.posts("C0000001", title)); n != 1 {
				t.Errorf("%q: %d messages in the channel that stayed, want 1", title, n)
			}
		}
		if n := len(r.mails("box@rcpt.example", "On ")); n != 0 {
			t.Errorf("%d mails to the destination that was removed, want 0", n)
		}
		if strings.Contains(r.term.String(), "On missiles") {
			t.Errorf("printed although the terminal was removed:\n%s", r.term)
		}
		for _, st := range s.poller.Status() {
			if st.Source.ID == "three" {
				t.Error("a source of the bad configuration is watched")
			}
		}
		r.kill("two.example")
		time.Sleep(20 * time.Minute)
		if m := r.posts("C0000009", "two: unreachable"); len(m) != 1 {
			t.Errorf("the new operators were told %+v", r.posts("C0000009", ""))
		}
	})
}

func TestWrongCredentialsAreReportedAndDelayButLoseNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, wrong := range []string{"SLACK", "SMTP"} {
			r := newRig(t)
			right := r.env[wrong]
			r.env[wrong] = "xoxb-wrong"
			r.baseline("mfa.example")
			yaml := sources("mfa.example") + desk + "operators: [room, box]\n"
			s := r.start(r.config(yaml))
			time.Sleep(time.Minute)
			kind := map[string]string{"SLACK": "slack", "SMTP": "email"}[wrong]
			if !strings.Contains(r.log.String(), `msg="credentials do not work; deliveries are kept" kind=`+kind) {
				t.Errorf("%s: the log does not say so:\n%s", wrong, tail(r.log.String(), 1500))
			}
			told := len(r.posts("C0000001", kind+" does not work"))
			for _, m := range r.mails("box@rcpt.example", "") {
				told += strings.Count(string(m.Data), kind+" does not work")
			}
			if told == 0 {
				t.Errorf("%s: operators were not told", wrong)
			}
			r.publish("mfa.example", entry("mfa.example", 1, "On missiles", "Missiles were seen."))
			time.Sleep(10 * time.Minute)
			if n := s.poller.Status()[0].Items; n != 2 {
				t.Errorf("%s: %d items stored, want 2: sources are watched all the same", wrong, n)
			}
			r.env[wrong] = right
			r.reload <- r.config(yaml)
			time.Sleep(10 * time.Minute)
			if n := len(r.posts("C0000001", "On missiles")); n != 1 {
				t.Errorf("%s: %d messages in Slack after the reload, want 1", wrong, n)
			}
			if n := len(r.mails("box@rcpt.example", "On missiles")); n != 1 {
				t.Errorf("%s: %d mails after the reload, want 1", wrong, n)
			}
			if !strings.Contains(r.log.String(), `msg="trouble over" key=check.`+kind) {
				t.Errorf("%s: operators still think that it does not work", wrong)
			}
			if strings.Contains(r.log.String(), "xoxb-wrong") || strings.Contains(r.log.String(), right) {
				t.Errorf("%s: the log holds a secret", wrong)
			}
			r.stop()
		}
	})
}

func TestWhatIsThereAlreadyIsToldOfWithinAMinute(t *testing.T) {
	for _, tt := range []struct {
		name   string
		silent int // of two sources
		want   string
	}{
		{"all answer", 0, "watching 2 sources, 2 answered; 1 statement already there matches"},
		{"one is silent", 1, "watching 2 sources, 1 answered; 1 statement already there matches"},
		{"nobody answers", 2, "watching 2 sources, 0 answered; no statement already there matches"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t)
				r.baseline("two.example")
				r.publish("one.example", entry("one.example", 1, "On missiles", "Missiles were seen."))
				r.kill([]string{"two.example", "one.example"}[:tt.silent]...)
				r.start(r.config(sources("one.example", "two.example") + desk))
				time.Sleep(time.Minute)
				text := strings.Join(strings.Fields(r.term.String()), " ")
				if !strings.Contains(text, tt.want) {
					t.Errorf("after a minute:\n%s\nwant %q", r.term, tt.want)
				}
				if tt.silent < 2 && !strings.Contains(text, "On missiles") {
					t.Errorf("the newest match is not shown:\n%s", r.term)
				}
				if len(r.posts("C0000001", tt.want)) != 1 || len(r.slack.Messages("")) != 1 {
					t.Errorf("Slack holds %+v, want the summary alone", r.slack.Messages(""))
				}
			})
		})
	}
}

// bomb is 100 MB of nothing in 100 KB.
func bomb() []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	zeros := make([]byte, 1<<20)
	for range 100 {
		_, _ = z.Write(zeros)
	}
	_ = z.Close()
	return b.Bytes()
}

func utf16LE(doc []byte) []byte {
	out := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune(string(doc))) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}

func TestASourceThatTurnsBadIsReportedAndLosesNothing(t *testing.T) {
	packed := bomb()
	turns := map[string]struct {
		answer http.HandlerFunc
		report string // "" where it can be read all the same
	}{
		"html.example": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<!doctype html><title>Welcome</title><p>We have moved.")
		}, "not a feed"},
		"empty.example": {func(http.ResponseWriter, *http.Request) {}, "not a feed"},
		"bare.example":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(rss("bare.example", nil)) }, "holds no entries"},
		"huge.example": {func(w http.ResponseWriter, _ *http.Request) {
			part := bytes.Repeat([]byte("<item/>    "), 1<<20/11)
			for range 100 {
				if _, err := w.Write(part); err != nil {
					return
				}
			}
		}, "bad answer"},
		"bomb.example": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed)
		}, "bad answer"},
		"cut.example": {func(w http.ResponseWriter, _ *http.Request) {
			doc := rss("cut.example", []rssItem{entry("cut.example", 1, "On missiles of cut.example", "Missiles."), entry("cut.example", 0, "Opening hours", "Of cut")})
			_, _ = w.Write(doc[:len(doc)-60])
		}, "repaired"},
		"wide.example": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(utf16LE(rss("wide.example", []rssItem{entry("wide.example", 1, "On missiles of wide.example", "Missiles.")})))
		}, ""},
		"twice.example": {func(w http.ResponseWriter, _ *http.Request) {
			a, b := entry("twice.example", 1, "On missiles of twice.example", "Missiles."), entry("twice.example", 1, "On herring", "And missiles.")
			b.Link += "b"
			_, _ = w.Write(rss("twice.example", []rssItem{a, b}))
		}, ""},
	}
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		hosts := slices.Sorted(maps.Keys(turns))
		r.baseline(hosts...)
		s := r.start(r.config(sources(hosts...) + desk + "operators: [duty]\n"))
		time.Sleep(5 * time.Minute)
		for h, turn := range turns {
			r.edit(h, func(f *feed) { f.answer = turn.answer })
		}
		time.Sleep(10 * time.Minute)
		var all strings.Builder
		for _, m := range r.posts("C0000009", "trouble") {
			all.WriteString(m.Text)
		}
		said := all.String()
		for _, h := range hosts {
			id, _, _ := strings.Cut(h, ".")
			if turn := turns[h]; turn.report == "" {
				if n := len(r.posts("C0000001", " of "+h)); n != 1 {
					t.Errorf("%s: %d alerts, want 1: it can be read", h, n)
				}
			} else if !strings.Contains(said, id) || !strings.Contains(said, turn.report) {
				t.Errorf("%s: operators were told\n%s\nwant %q of it", h, said, turn.report)
			}
		}
		for _, h := range hosts {
			r.edit(h, func(f *feed) { f.answer = nil })
			r.publish(h, entry(h, 2, "After it: missiles again, "+h, "Missiles again."+h))
		}
		time.Sleep(2 * time.Hour)
		for _, h := range hosts {
			if n := len(r.posts("C0000001", "After it: missiles again, "+h)); n != 1 {
				t.Errorf("%s: %d alerts of what it published afterwards, want 1", h, n)
			}
		}
		for _, st := range s.poller.Status() {
			if st.Condition != feeds.OK {
				t.Errorf("%s is %s (%s), want ok", st.Source.ID, st.Condition, st.Err)
			}
		}
	})
}

func TestOurOwnOutageIsOneNotice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		var hosts []string
		for i := range 9 {
			hosts = append(hosts, fmt.Sprintf("mfa-%d.example", i))
		}
		r.baseline(hosts...)
		s := r.start(r.config(sources(hosts...) + desk + "operators: [duty]\n"))
		time.Sleep(10 * time.Minute)
		r.kill(hosts[:5]...)
		time.Sleep(30 * time.Minute)
		if m := r.posts("C0000009", ""); len(m) != 1 || !strings.Contains(m[0].Text, "our own outage") || strings.Contains(m[0].Text, "mfa-") {
			t.Errorf("operators were told %+v\nwant one notice of the outage", m)
		}
		r.publish(hosts[0], entry(hosts[0], 1, "On missiles", "Missiles were seen."))
		r.revive(hosts[:5]...)
		time.Sleep(2 * time.Minute) // nobody was backed off
		if n := len(r.posts("C0000001", "On missiles")); n != 1 {
			t.Errorf("%d alerts two minutes after the outage, want 1", n)
		}
		time.Sleep(20 * time.Minute)
		if m := r.posts("C0000009", ""); len(m) != 1 || !strings.Contains(m[0].Text, "All clear") {
			t.Errorf("operators were told %+v\nwant one message that says all clear", m)
		}
		for _, st := range s.poller.Status() {
			if st.Failures != 0 || st.Condition != feeds.OK {
				t.Errorf("%s: %s after %d failures", st.Source.ID, st.Condition, st.Failures)
			}
		}
	})
}
