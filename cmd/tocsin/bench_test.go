//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds"
	"tocsin/feeds/fetch"
	"tocsin/pipeline"
)

// These run the real binary against a server in another process, and report CPU
// time and memory rather than wall time:
//
//	go test -run '^$' -bench . -benchtime 1x ./cmd/tocsin

const (
	benchFeeds = 1000
	benchItems = 40
	benchHosts = 200 // a host is asked by two at a time: enough that none waits
)

func build(b testing.TB, pkg string) string {
	b.Helper()
	name := filepath.Join(b.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", name, pkg).CombinedOutput(); err != nil {
		b.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return name
}

// serveFeeds starts the feed server and returns its addresses. With a file for
// its certificate it speaks TLS.
func serveFeeds(b *testing.B, certificate ...string) []string {
	cmd := exec.Command(build(b, "./testdata/feedserver"), append([]string{strconv.Itoa(benchHosts), strconv.Itoa(benchFeeds)}, certificate...)...)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	var addrs []string
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != ""; {
		addrs = append(addrs, lines.Text())
	}
	return addrs
}

// A subject is a running tocsin.
type subject struct {
	b    *testing.B
	dir  string
	cmd  *exec.Cmd
	errs bytes.Buffer
	done chan error
}

func benchConfig(b *testing.B, addrs []string, path string) string {
	dir := b.TempDir()
	var c strings.Builder
	fmt.Fprintf(&c, "builtin: false\ndata: %s/data\nfetch: {allow: [127.0.0.0/8]}\n", dir)
	if len(addrs) > 0 {
		c.WriteString("sources:\n")
		for i := range benchFeeds {
			fmt.Fprintf(&c, "  - {id: f%04d, url: \"http://%s/%s/%d\", every: 10s}\n", i, addrs[i%len(addrs)], path, i)
		}
	}
	fmt.Fprintf(&c, "watchlists:\n  missiles:\n    query: |\n      %s\n", strings.ReplaceAll(strings.TrimSpace(builtinWatchlists[0].Query), "\n", "\n      "))
	if err := os.WriteFile(filepath.Join(dir, "tocsin.yaml"), []byte(c.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return dir
}

func start(b *testing.B, binary, dir, stages string) *subject {
	s := &subject{b: b, dir: dir, done: make(chan error, 1)}
	s.cmd = exec.Command(binary, "run", "--config", filepath.Join(dir, "tocsin.yaml"), "--stages", stages)
	s.cmd.Stderr = &s.errs
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	return s
}

// stop ends the process and returns the CPU time of its whole life.
func (s *subject) stop() time.Duration {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := <-s.done; err != nil {
		s.b.Fatalf("tocsin: %v\n%s", err, s.errs.String())
	}
	return s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()
}

// cpu is the CPU time so far: the clock ticks of proc(5), 10 ms each.
func (s *subject) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		s.b.Fatal(err)
	}
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+2:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory reads a line of /proc/PID/status, in MB.
func (s *subject) memory(name string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); f[0] == name+":" {
			kb, _ := strconv.Atoi(f[1])
			return float64(kb) / 1024
		}
	}
	return 0
}

// ask calls f with the logs of the running service.
func (s *subject) ask(f func(context.Context, *pipeline.Logs) (bool, error)) {
	ctx := context.Background()
	for began := time.Now(); time.Since(began) < 5*time.Minute; time.Sleep(200 * time.Millisecond) {
		select {
		case err := <-s.done:
			s.b.Fatalf("tocsin ended: %v\n%s", err, s.errs.String())
		default:
		}
		b, err := pipeline.Dial(ctx, filepath.Join(s.dir, "data"), slog.New(slog.DiscardHandler))
		if err != nil {
			continue
		}
		l, err := pipeline.OpenLogs(ctx, b)
		ok := false
		if err == nil {
			ok, err = f(ctx, l)
		}
		b.Close()
		if err == nil && ok {
			return
		}
	}
	s.b.Fatalf("tocsin did not come so far within 5 minutes:\n%s", s.errs.String())
}

// holds waits until ITEMS has n records.
func (s *subject) holds(n uint64) {
	s.ask(func(ctx context.Context, l *pipeline.Logs) (bool, error) {
		sizes, err := l.Sizes(ctx)
		for _, z := range sizes {
			if z.Name == "ITEMS" {
				return z.Records >= n, err
			}
		}
		return false, err
	})
}

// matched waits until no item is left to match.
func (s *subject) matched() {
	s.ask(func(ctx context.Context, l *pipeline.Logs) (bool, error) {
		lags, err := l.Lags(ctx)
		return len(lags) > 0 && lags[0].Stage == "match" && lags[0].Items == 0, err
	})
}

// BenchmarkStart is from exec to ready, on an empty directory.
func BenchmarkStart(b *testing.B) {
	binary := build(b, ".")
	for b.Loop() {
		dir := benchConfig(b, nil, "")
		s := start(b, binary, dir, "poll,match,send")
		for !strings.Contains(s.errs.String(), "msg=ready") {
			time.Sleep(time.Millisecond)
		}
		b.StopTimer()
		s.stop()
		b.StartTimer()
	}
}

// BenchmarkFirstPoll reads 1,000 feeds of 40 items and stores them; then, in a
// process of its own, matches them.
func BenchmarkFirstPoll(b *testing.B) {
	binary, addrs := build(b, "."), serveFeeds(b)
	for b.Loop() {
		dir := benchConfig(b, addrs, "v")
		s := start(b, binary, dir, "poll")
		s.holds(benchFeeds * benchItems)
		b.ReportMetric(s.stop().Seconds(), "cpu-s/poll+store")
		s = start(b, binary, dir, "match")
		s.matched()
		b.ReportMetric(s.stop().Seconds(), "cpu-s/match")
	}
}

// BenchmarkResident is the memory after the third poll of 1,000 feeds, and what
// the process costs a minute then: 6,000 polls that find nothing, spread over it.
func BenchmarkResident(b *testing.B) {
	binary, addrs := build(b, "."), serveFeeds(b)
	for b.Loop() {
		s := start(b, binary, benchConfig(b, addrs, "n"), "poll,match,send")
		s.holds(benchFeeds * benchItems)
		s.matched()
		time.Sleep(45 * time.Second) // three polls, and what the first left to do
		before := s.cpu()
		time.Sleep(30 * time.Second)
		b.ReportMetric(2*(s.cpu()-before).Seconds(), "cpu-s/minute")
		b.ReportMetric(s.memory("VmRSS"), "MB-resident")
		b.ReportMetric(s.memory("VmHWM"), "MB-peak")
		s.stop()
	}
}

// BenchmarkUnchanged is what 1,000 polls cost that find nothing new, as fast as
// they go: the whole service in this process, the feeds in another.
func BenchmarkUnchanged(b *testing.B) {
	certificate := filepath.Join(b.TempDir(), "certificate.pem")
	plain, secure := serveFeeds(b), serveFeeds(b, certificate)
	for _, way := range []struct {
		name, path, scheme string
		addrs              []string
	}{{"validators", "v", "http", plain}, {"hash", "n", "http", plain}, {"validators-tls", "v", "https", secure}, {"hash-tls", "n", "https", secure}} {
		b.Run(way.name, func(b *testing.B) {
			cfg, err := newLoader(builtinWatchlists).Load(filepath.Join(benchConfig(b, way.addrs, way.path), "tocsin.yaml"))
			if err != nil {
				b.Fatal(err)
			}
			for i := range cfg.Sources {
				cfg.Sources[i].URL = strings.Replace(cfg.Sources[i].URL, "http:", way.scheme+":", 1)
			}
			if way.scheme == "https" {
				cfg.Fetch.CA = certificate
			}
			s, err := newService(b.Context(), cfg, serviceOptions{Log: slog.New(slog.DiscardHandler), Terminal: io.Discard, Poll: true})
			if err != nil {
				b.Fatal(err)
			}
			s.poller.Least = time.Millisecond
			for i := range cfg.Sources {
				cfg.Sources[i].Every = time.Millisecond
			}
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			for s.polls(feeds.PollUnchanged) < 2*benchFeeds {
				time.Sleep(10 * time.Millisecond)
			}
			for b.Loop() {
				polls, used := s.polls(feeds.PollUnchanged), ownCPU(b)
				time.Sleep(5 * time.Second)
				b.ReportMetric((ownCPU(b)-used).Seconds()/float64(s.polls(feeds.PollUnchanged)-polls)*1000, "cpu-s/1000polls")
			}
			cancel()
			if err := errors.Join(<-done, s.Close()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// polls is how many polls came to a result.
func (s *service) polls(result string) (n uint64) {
	for _, st := range s.poller.Status() {
		n += st.Polls[result]
	}
	return n
}

func ownCPU(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkFetchToSent is from the end of a fetch to the request that a notifier
// is handed: parsing, identity, three synced appends, matching and rendering.
// Beside it stands a bare synced append of 5 KB in the same seconds.
func BenchmarkFetchToSent(b *testing.B) {
	cfg := defaultConfig("")
	cfg.Data = b.TempDir()
	cfg.Sources = []tocsin.Source{{ID: "s", Title: "Source", URL: "http://s.example/feed", Every: time.Millisecond}}
	cfg.Watchlists = []tocsin.Watchlist{{Name: "missiles", Query: `"ballistic missile*" AND (transfer* OR export*)`}}
	cfg.Destinations = []tocsin.Destination{{Name: "terminal", Kind: "terminal"}}
	cfg.Subscriptions = []tocsin.Subscription{{Watchlist: "missiles", To: "terminal"}}
	arrived := make(arrivals, 1)
	s, err := newService(b.Context(), cfg, serviceOptions{Log: slog.New(slog.DiscardHandler), Terminal: arrived, Poll: true, Match: true, Send: true})
	if err != nil {
		b.Fatal(err)
	}
	var fetched time.Time
	next, n := make(chan struct{}), 0
	s.poller.Least = time.Millisecond
	s.poller.Get = func(ctx context.Context, _ string, _ fetch.Validators) (fetch.Response, error) {
		select {
		case <-ctx.Done():
			return fetch.Response{}, ctx.Err()
		case <-next:
		}
		n++
		body := oneFeed(n)
		fetched = time.Now()
		return fetch.Response{Body: body, Type: "application/rss+xml", URL: "http://s.example/feed", At: fetched.UTC()}, nil
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	next <- struct{}{} // the baseline
	<-arrived          // and its summary
	var hops, appends []time.Duration
	for b.Loop() {
		next <- struct{}{}
		hops = append(hops, (<-arrived).Sub(fetched))
		began := time.Now()
		if err := s.logs.SaveStatus(ctx, 9, make([]byte, 5000)); err != nil {
			b.Fatal(err)
		}
		appends = append(appends, time.Since(began))
	}
	for name, of := range map[string][]time.Duration{"sent": hops, "append": appends} {
		slices.Sort(of)
		b.ReportMetric(float64(of[len(of)/2].Microseconds())/1000, name+"-p50-ms")
		b.ReportMetric(float64(of[len(of)*99/100].Microseconds())/1000, name+"-p99-ms")
	}
	cancel()
	if err := errors.Join(<-done, s.Close()); err != nil {
		b.Fatal(err)
	}
}

// arrivals tells when something was written.
type arrivals chan time.Time

func (a arrivals) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("Statement")) || bytes.Contains(p, []byte("watching")) {
		a <- time.Now()
	}
	return len(p), nil
}

// oneFeed is a feed whose newest of 20 entries is number n.
func oneFeed(n int) []byte {
	var f bytes.Buffer
	f.WriteString(`<?xml version="1.0"?><rss version="2.0"><channel><title>x</title>`)
	for i := n; i > max(0, n-20); i-- {
		fmt.Fprintf(&f, `<item><guid>g%d</guid><link>http://s.example/%d</link><title>Statement %d</title><description>No. %d: %s</description></item>`,
			i, i, i, i, strings.Repeat("The ministers condemned the transfer of ballistic missiles. ", 40))
	}
	f.WriteString(`</channel></rss>`)
	return f.Bytes()
}
