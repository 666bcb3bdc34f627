package main

import (
	"bytes"
	"context"
	"encoding/json"
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
	"regexp"
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

// The crash test kills the real binary at chosen and at random moments, under a
// Slack and a mail server that answer wrongly. TOCSIN_KILLS says how often; make
// torture sets it. With TOCSIN_OFF it is a control: what is switched off must be
// missed.
func TestKilledProcessesLoseNothingAndSendNothingTwice(t *testing.T) {
	kills := number(t, "TOCSIN_KILLS", 8)
	seed := uint64(number(t, "TOCSIN_SEED", int(time.Now().UnixNano()%1e6)))
	t.Logf("TOCSIN_SEED=%d", seed)
	w := newWorld(t, seed)
	for range kills {
		w.publish(1)
		w.life()
	}
	w.settle()
	w.report()
	lost, twice, ids, order := w.faults()
	untold, toldTwice := w.replies()
	lost, twice = lost+untold, twice+toldTwice
	decided := w.decidedTwice()
	if off := os.Getenv("TOCSIN_OFF"); off != "" {
		if lost+twice+decided == 0 {
			t.Errorf("with %s switched off nothing was lost or sent twice: this test shows nothing", off)
		}
		t.Logf("control %s: %d lost, %d sent twice, %d items decided twice", off, lost, twice, decided)
		return
	}
	if lost+twice+ids+order+decided > 0 {
		t.Errorf("%d lost, %d duplicate Slack messages, %d second Message-IDs, %d out of order, %d items decided twice", lost, twice, ids, order, decided)
	}
}

func number(t *testing.T, name string, or int) int {
	s := os.Getenv(name)
	if s == "" {
		return or
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

const (
	channels    = 20
	crashWindow = 60 // entries that a feed shows
	faultyShare = 0.14
)

// A world is all that is outside the process: sources, Slack, mail, and whoever
// kills.
type world struct {
	t      *testing.T
	rnd    *rand.Rand
	dir    string
	binary string
	slack  *notifiertest.Slack
	smtp   *notifiertest.SMTP

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

	lives, inIntent, inItems int
	resumed                  []time.Duration
	log                      bytes.Buffer
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, rnd: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(),
		slack: notifiertest.NewSlack("xoxb-crash"), smtp: notifiertest.NewSMTP(),
		feeds: map[string][]rssItem{}, channelOf: map[int]int{}, copiesOf: map[int]int{},
	}
	w.binary = filepath.Join(w.dir, "tocsin")
	if out, err := exec.Command("go", "build", "-o", w.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	w.slack.Faults(faultyShare, seed)
	w.smtp.Faults(faultyShare, seed+1)
	site := w.serve(http.HandlerFunc(w.serveFeed))
	api := w.serve(http.HandlerFunc(w.serveSlack))
	mail, stop, err := w.smtp.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	w.configure("http://"+site, "http://"+api+"/api/", mail)
	w.readBaseline()
	return w
}

// readBaseline has every source read once, so that what comes later is new.
func (w *world) readBaseline() {
	w.publish(0)
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
		for range l.Tail(context.Background(), fmt.Sprintf("s%02d", i), 0) {
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

func (w *world) configure(site, api, mail string) {
	var b strings.Builder
	fmt.Fprintf(&b, "builtin: false\ndata: %s/data\nfetch: {allow: [127.0.0.0/8]}\n", w.dir)
	fmt.Fprintf(&b, "slack: {api: %q, token: {env: CRASH_TOKEN}}\nemail: {smtp: \"smtp://%s\", from: tocsin@desk.example}\n", api, mail)
	b.WriteString("sources:\n")
	for i := range channels {
		fmt.Fprintf(&b, "  - {id: s%02d, url: %q, every: 10s}\n", i, fmt.Sprintf("%s/s%02d", site, i))
	}
	b.WriteString("watchlists:\n")
	for i := range channels {
		fmt.Fprintf(&b, "  w%02d: {query: 'missile* AND mark%02d'}\n", i, i)
	}
	b.WriteString("destinations:\n")
	for i := range channels {
		fmt.Fprintf(&b, "  c%02d: {kind: slack, to: C00000%02d}\n  m%02d: {kind: email, to: m%02d@rcpt.example}\n", i, i, i, i)
	}
	b.WriteString("subscriptions:\n")
	for i := range channels {
		fmt.Fprintf(&b, "  - {watchlist: w%02d, to: c%02d, fold_over: never}\n  - {watchlist: w%02d, to: m%02d, fold_over: never}\n", i, i, i, i)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "tocsin.yaml"), []byte(b.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// publish adds n statements to each feed, each for a channel of its own, and now
// and then a copy in another feed or a change to what stands in this one. With n = 0 each feed gets its baseline.
func (w *world) publish(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range channels {
		id := fmt.Sprintf("s%02d", i)
		if n == 0 {
			w.feeds[id] = []rssItem{{GUID: id + "-0", Link: "http://x.example/" + id, Title: "Opening hours", Description: "Of " + id}}
		}
		w.revise(id)
		for range n {
			k := len(w.channelOf) + 1
			it := rssItem{
				GUID: fmt.Sprintf("%s-%d", id, k), Link: fmt.Sprintf("http://x.example/%s/%d", id, k),
				Title:       fmt.Sprintf("Statement %06d", k),
				Description: fmt.Sprintf("On the missiles of number %06d, mark%02d.", k, i),
			}
			w.channelOf[k] = i
			w.add(id, it)
			if w.rnd.IntN(5) == 0 {
				w.copies++
				w.copiesOf[k]++
				it.GUID += "-copy"
				it.Link += "-copy"
				w.add(fmt.Sprintf("s%02d", (i+1+w.rnd.IntN(channels-1))%channels), it)
			}
		}
	}
}

// revise changes, now and then, a statement of which there is no copy: one of an
// earlier text would be another statement if nobody had seen that text here.
func (w *world) revise(id string) {
	it := &w.feeds[id][w.rnd.IntN(len(w.feeds[id]))]
	f := numbered.FindStringSubmatch(it.Title)
	if f == nil || w.rnd.IntN(4) != 0 {
		return
	}
	if k, _ := strconv.Atoi(f[1]); w.copiesOf[k] == 0 {
		w.revisions++
		it.Description += fmt.Sprintf(" It was corrected on the missiles in item %d.", w.revisions)
	}
}

func (w *world) add(feed string, it rssItem) {
	w.feeds[feed] = slices.Insert(w.feeds[feed], 0, it)
	w.feeds[feed] = w.feeds[feed][:min(len(w.feeds[feed]), crashWindow)]
}

func (w *world) serveFeed(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	items := slices.Clone(w.feeds[strings.Trim(r.URL.Path, "/")])
	kill := false
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
		time.AfterFunc(after, w.kill)
	}
}

func (w *world) serveSlack(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	kill := false
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
		w.kill()
	}
	w.slack.ServeHTTP(rw, r)
	if kill && !before {
		w.kill()
	}
}

func (w *world) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.child != nil {
		_ = w.child.Process.Kill()
	}
}

// start runs the binary on the world's configuration.
func (w *world) start() (waited <-chan error, began time.Time) {
	cmd := exec.Command(w.binary, "run", "--config", filepath.Join(w.dir, "tocsin.yaml"))
	// Its entries have no pages to wait for: waiting has tests of its own.
	cmd.Env = append(os.Environ(), "CRASH_TOKEN=xoxb-crash", "TOCSIN_OFF=wait,"+os.Getenv("TOCSIN_OFF"))
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

// life is one run that ends by SIGKILL.
func (w *world) life() {
	w.lives++
	backlog := w.waiting() > 0
	w.mu.Lock()
	w.onPost, w.onFeed = 0, 0
	limit := 3 * time.Second
	switch w.rnd.IntN(3) {
	case 0:
		w.onPost = 1 + w.rnd.IntN(15)
	case 1:
		w.onFeed = 1 + w.rnd.IntN(channels)
	default:
		limit = time.Duration(100+w.rnd.IntN(2400)) * time.Millisecond
	}
	w.mu.Unlock()
	done, began := w.start()
	select {
	case <-done:
	case <-time.After(limit):
		w.kill()
		<-done
	}
	w.mu.Lock()
	first := w.firstPost
	w.child = nil
	w.mu.Unlock()
	if backlog && !first.IsZero() {
		w.resumed = append(w.resumed, first.Sub(began))
	}
	w.look()
}

// waiting is how many statements have not arrived in Slack yet.
func (w *world) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.channelOf) - len(w.arrived())
}

var numbered = regexp.MustCompile(`Statement (\d{6})`)

// arrived counts the messages of each statement in Slack.
func (w *world) arrived() map[int]int {
	got := map[int]int{}
	for _, m := range w.slack.Messages("") {
		if f := numbered.FindStringSubmatch(m.Text); f != nil && m.Thread == "" {
			k, _ := strconv.Atoi(f[1])
			got[k]++
		}
	}
	return got
}

// look counts at which stage the kill hit.
func (w *world) look() {
	b, l := w.open()
	defer b.Close()
	ctx := context.Background()
	deliveries, err := l.Deliveries(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	if slices.ContainsFunc(deliveries, func(d pipeline.Delivered) bool { return d.Kind == pipeline.Intent }) {
		w.inIntent++
	}
	decided := map[string]bool{}
	for _, s := range w.stories(l) {
		for _, c := range s.Alert.Copies {
			decided[c.Source+c.Item] = true
		}
	}
	for i := range channels {
		for r, err := range l.Tail(ctx, fmt.Sprintf("s%02d", i), 0) {
			if err != nil {
				w.t.Fatal(err)
			}
			if !decided[r.Item.Source+r.Item.ID] && numbered.MatchString(r.Item.Title) {
				w.inItems++
				return
			}
		}
	}
}

func (w *world) stories(l *pipeline.Logs) []pipeline.Story {
	s, err := l.Stories(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
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

// settle runs without kills until everything has arrived or nothing moves any
// more.
func (w *world) settle() {
	done, began := w.start()
	for last, since := -1, time.Now(); time.Since(since) < 90*time.Second; time.Sleep(500 * time.Millisecond) {
		n := w.waiting() + len(w.channelOf) - w.mailed() + w.untold()
		if n == 0 && time.Since(began) > 40*time.Second { // replies that nobody must see at once take half a minute
			break
		}
		if n != last {
			last, since = n, time.Now()
		}
	}
	time.Sleep(3 * time.Second) // what would come twice comes now
	w.mu.Lock()
	child := w.child
	w.mu.Unlock()
	_ = child.Process.Signal(syscall.SIGTERM)
	if err := <-done; err != nil {
		w.t.Errorf("the last run ended with %v", err)
	}
}

func (w *world) mailed() int {
	got := map[string]bool{}
	for _, m := range w.smtp.Mails() {
		if f := numbered.FindStringSubmatch(m.Header.Get("Subject")); f != nil {
			got[f[1]] = true
		}
	}
	return len(got)
}

// faults compares what was published with what arrived.
func (w *world) faults() (lost, twice, ids, order int) {
	got := w.arrived()
	mails := map[int]map[string]bool{}
	for _, m := range w.smtp.Mails() {
		f := numbered.FindStringSubmatch(m.Header.Get("Subject"))
		if f == nil || m.Header.Get("In-Reply-To") != "" {
			continue
		}
		k, _ := strconv.Atoi(f[1])
		if mails[k] == nil {
			mails[k] = map[string]bool{}
		}
		mails[k][m.ID()] = true
	}
	for k := range w.channelOf {
		if got[k] == 0 {
			lost++
		}
		twice += max(0, got[k]-1)
		if len(mails[k]) == 0 {
			lost++
		}
		ids += max(0, len(mails[k])-1)
	}
	return lost, twice, ids, w.disorder()
}

// decidedTwice counts items that have more than one event of their own.
func (w *world) decidedTwice() int {
	b, l := w.open()
	defer b.Close()
	seen, n := map[string]bool{}, 0
	for _, s := range w.stories(l) {
		for _, ev := range s.Events {
			key := fmt.Sprintf("%s/%s/%d", ev.Copy.Source, ev.Copy.Item, ev.Copy.Rev)
			if seen[key] && ev.Kind != pipeline.Matched {
				n++
			}
			seen[key] = true
		}
	}
	return n
}

// disorder counts messages that stand in their channel before one whose alert
// opened earlier.
func (w *world) disorder() int {
	b, l := w.open()
	defer b.Close()
	place := map[string]int{}
	for i, s := range w.stories(l) {
		if f := numbered.FindStringSubmatch(s.Alert.First().Title); f != nil {
			place[f[1]] = i
		}
	}
	n := 0
	for i := range channels {
		last := -1
		for _, m := range w.slack.Messages(fmt.Sprintf("C00000%02d", i)) {
			if f := numbered.FindStringSubmatch(m.Text); f != nil && m.Thread == "" {
				if place[f[1]] < last {
					n++
				}
				last = max(last, place[f[1]])
			}
		}
	}
	return n
}

func (w *world) report() {
	slices.Sort(w.resumed)
	var p50, most time.Duration
	if n := len(w.resumed); n > 0 {
		p50, most = w.resumed[n/2], w.resumed[n-1]
	}
	lost, twice, ids, order := w.faults()
	untold, toldTwice := w.replies()
	line, _ := json.Marshal(map[string]any{
		"statements": len(w.channelOf), "copies": w.copies, "kills": w.lives, "between_intent_and_sent": w.inIntent, "between_items_and_alerts": w.inItems,
		"slack_calls": len(w.slack.Requests("")), "revisions": w.revisions, "replies": w.answers(), "replies_lost": untold, "replies_twice": toldTwice, "lost": lost, "twice": twice, "second_message_ids": ids, "out_of_order": order,
		"resumed_p50_ms": p50.Milliseconds(), "resumed_max_ms": most.Milliseconds(),
	})
	w.t.Logf("crash test: %s", line)
	if w.t.Failed() || testing.Verbose() {
		tail := w.log.String()
		_ = os.WriteFile(filepath.Join(os.TempDir(), "tocsin-crash.log"), []byte(tail), 0o600)
	}
}
