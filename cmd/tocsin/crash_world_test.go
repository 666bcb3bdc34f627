package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tocsin/notifiers/notifiertest"
	"tocsin/pipeline"
)

const (
	channels    = 20
	crashWindow = 200 // entries that a feed shows: more than come while nobody reads it
	faultyShare = 0.14
	crashSecret = "signed by the fake"
)

// A world is all that is outside the process: sources, Slack and its people, mail,
// and whoever kills.
type world struct {
	t      *testing.T
	rnd    *rand.Rand
	dir    string
	binary string
	long   bool // there is time for what takes minutes
	slack  *notifiertest.SlackApp
	smtp   *notifiertest.SMTP
	site   string // address of the sources
	mail   string // of the mail server
	public string // of listen.public

	mu        sync.Mutex
	feeds     map[string][]rssItem
	channelOf map[int]int // statement -> channel
	copies    int
	revisions int
	copiesOf  map[int]int // statement -> items that are copies of it
	child     *exec.Cmd
	onPost    int // kill at this many more calls of Slack; 0 never
	onFeed    int // kill soon after this many more answers of a source
	firstPost time.Time
	due       map[int]time.Time // channel -> its next digest
	released  bool              // no subscription has a digest any more
	presses   []*buttonPress
	clicks    int
	pressed   pressCount

	noted []string // what the last faults were
	told  int      // changes of alerts after a digest told of them

	lives, looks, inIntent, inItems int
	resumed                         []time.Duration
	log                             bytes.Buffer
}

func newWorld(t *testing.T, seed uint64, long bool) *world {
	w := &world{
		t: t, rnd: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(), long: long,
		slack: notifiertest.NewSlackApp("xoxb-crash"), smtp: notifiertest.NewSMTP(),
		feeds: map[string][]rssItem{}, channelOf: map[int]int{}, copiesOf: map[int]int{}, due: map[int]time.Time{},
	}
	w.binary = filepath.Join(w.dir, "tocsin")
	if out, err := exec.Command("go", "build", "-o", w.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	w.slack.Faults(faultyShare, seed)
	w.smtp.Faults(faultyShare, seed+1)
	w.site = w.serve(http.HandlerFunc(w.serveFeed))
	w.slack.Base = "http://" + w.serve(http.HandlerFunc(w.serveSlack))
	var err error
	var stop func()
	if w.mail, stop, err = w.smtp.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	w.public = freeAddress(t)
	w.readBaseline()
	return w
}

// freeAddress is one that a process can listen on each time it starts.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// configure writes the configuration of the moment.
func (w *world) configure() {
	var b strings.Builder
	fmt.Fprintf(&b, "builtin: false\ndata: %s/data\nfetch: {allow: [127.0.0.0/8]}\n", w.dir)
	fmt.Fprintf(&b, "listen: {public: %q}\npublic_url: https://alerts.example\n", w.public)
	fmt.Fprintf(&b, "slack: {api: %q, token: {env: CRASH_TOKEN}, signing_secret: {env: CRASH_SECRET}}\n", w.slack.Base+"/api/")
	fmt.Fprintf(&b, "email: {smtp: \"smtp://%s\", from: tocsin@desk.example}\n", w.mail)
	b.WriteString("sources:\n")
	for i := range channels {
		fmt.Fprintf(&b, "  - {id: s%02d, url: \"http://%s/s%02d\", every: 10s}\n", i, w.site, i)
	}
	b.WriteString("watchlists:\n")
	for i := range channels {
		fmt.Fprintf(&b, "  w%02d: {query: 'missile* AND mark%02d'}\n", i, i)
	}
	b.WriteString("destinations:\n")
	for i := range channels {
		fmt.Fprintf(&b, "  c%02d: {kind: slack, to: %s}\n  m%02d: {kind: email, to: m%02d@rcpt.example}\n", i, channelID(i), i, i)
	}
	b.WriteString("subscriptions:\n")
	for i := range channels {
		fmt.Fprintf(&b, "  - {watchlist: w%02d, to: c%02d%s}\n  - {watchlist: w%02d, to: m%02d%s}\n", i, i, w.policy(i), i, i, w.policy(i))
	}
	if err := os.WriteFile(filepath.Join(w.dir, "tocsin.yaml"), []byte(b.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func channelID(i int) string { return fmt.Sprintf("C00000%02d", i) }

// publish adds statements to the feeds, each for a channel of its own, and now and
// then a copy in another feed or a change to what stands in this one.
func (w *world) publish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range channels {
		w.revise(feedOf(i))
		for range w.many(i) {
			k := len(w.channelOf) + 1
			it := rssItem{
				GUID: fmt.Sprintf("%s-%d", feedOf(i), k), Link: fmt.Sprintf("http://x.example/%s/%d", feedOf(i), k),
				Title:       fmt.Sprintf("Statement %06d", k),
				Description: fmt.Sprintf("On the missiles of number %06d, mark%02d.", k, i),
			}
			w.channelOf[k] = i
			w.add(feedOf(i), it)
			if w.rnd.IntN(5) == 0 {
				w.copies++
				w.copiesOf[k]++
				it.GUID += "-copy"
				it.Link += "-copy"
				w.add(feedOf((i+1+w.rnd.IntN(channels-1))%channels), it)
			}
		}
	}
}

func feedOf(i int) string { return fmt.Sprintf("s%02d", i) }

// revise changes, now and then, a statement of which there is no copy: one of an
// earlier text would be another statement if nobody had seen that text here. Twice at
// most: those that had the same sentence added over and over would be alike.
func (w *world) revise(id string) {
	it := &w.feeds[id][w.rnd.IntN(len(w.feeds[id]))]
	f := numbered.FindStringSubmatch(it.Title)
	if f == nil || w.rnd.IntN(4) != 0 || strings.Count(it.Description, "corrected") > 1 {
		return
	}
	if k, _ := strconv.Atoi(f[1]); w.copiesOf[k] == 0 {
		w.revisions++
		it.Description += fmt.Sprintf(" It was corrected on the missiles in item %d.", 50_000+w.revisions) // no number of a statement
	}
}

// readBaseline has every source read once, so that what comes later is new.
func (w *world) readBaseline() {
	for i := range channels {
		w.feeds[feedOf(i)] = []rssItem{{GUID: feedOf(i) + "-0", Link: "http://x.example/" + feedOf(i), Title: "Opening hours", Description: "Of " + feedOf(i)}}
	}
	done, _ := w.start()
	for start := time.Now(); w.stored() < channels; time.Sleep(100 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			w.t.Fatalf("the sources were not read within a minute:\n%s", w.log.String())
		}
	}
	w.stop(done)
}

// stored is how many sources have items.
func (w *world) stored() int {
	b, l := w.open()
	defer b.Close()
	n := 0
	for i := range channels {
		for range l.Tail(context.Background(), feedOf(i), 0) {
			n++
			break
		}
	}
	return n
}

// stop ends the process as an operator would.
func (w *world) stop(done <-chan error) {
	w.mu.Lock()
	child := w.child
	w.mu.Unlock()
	_ = child.Process.Signal(syscall.SIGTERM)
	if err := <-done; err != nil {
		w.t.Errorf("the process ended with %v:\n%s", err, w.log.String())
	}
}

func (w *world) serve(h http.Handler) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	w.t.Cleanup(func() { srv.Close() })
	return l.Addr().String()
}

func (w *world) add(id string, it rssItem) {
	w.feeds[id] = slices.Insert(w.feeds[id], 0, it)
	w.feeds[id] = w.feeds[id][:min(len(w.feeds[id]), crashWindow)]
}

func (w *world) serveFeed(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	items := slices.Clone(w.feeds[strings.Trim(r.URL.Path, "/")])
	child, kill := w.child, false
	if w.onFeed > 0 {
		w.onFeed--
		kill = w.onFeed == 0
	}
	after := time.Duration(w.rnd.IntN(12000)) * time.Microsecond
	w.mu.Unlock()
	_ = xml.NewEncoder(rw).Encode(struct {
		XMLName xml.Name  `xml:"rss"`
		Version string    `xml:"version,attr"`
		Title   string    `xml:"channel>title"`
		Items   []rssItem `xml:"channel>item"`
	}{Version: "2.0", Title: "x", Items: items})
	if kill {
		time.AfterFunc(after, func() { w.pressAndKill(child) })
	}
}

func (w *world) serveSlack(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	child, kill := w.child, false
	if strings.HasSuffix(r.URL.Path, "chat.postMessage") {
		if w.firstPost.IsZero() {
			w.firstPost = time.Now()
		}
		if w.onPost > 0 {
			w.onPost--
			kill = w.onPost == 0
		}
	}
	before := w.rnd.IntN(2) == 0
	w.mu.Unlock()
	if kill && before {
		w.pressAndKill(child)
	}
	w.slack.ServeHTTP(rw, r)
	if kill && !before {
		w.pressAndKill(child)
	}
}

// start runs the binary on the world's configuration.
func (w *world) start() (waited <-chan error, began time.Time) {
	w.retime()
	w.configure()
	cmd := exec.Command(w.binary, "run", "--config", filepath.Join(w.dir, "tocsin.yaml"))
	// Its entries have no pages to wait for: waiting has tests of its own.
	cmd.Env = append(os.Environ(), "CRASH_TOKEN=xoxb-crash", "CRASH_SECRET="+crashSecret, "TOCSIN_OFF=wait,"+os.Getenv("TOCSIN_OFF"))
	cmd.Stderr = &w.log
	cmd.Stdout = nil
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.child, w.firstPost = cmd, time.Time{}
	w.mu.Unlock()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	return done, time.Now()
}

func (w *world) open() (*pipeline.Bus, *pipeline.Logs) {
	for start := time.Now(); ; {
		b, err := pipeline.Open(context.Background(), pipeline.EmbedConfig{Dir: filepath.Join(w.dir, "data"), Log: slog.New(slog.DiscardHandler)})
		if errors.Is(err, pipeline.ErrNoData) || err != nil && time.Since(start) < 5*time.Second {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		l, err := pipeline.OpenLogs(context.Background(), b)
		if err != nil {
			w.t.Fatal(err)
		}
		return b, l
	}
}
