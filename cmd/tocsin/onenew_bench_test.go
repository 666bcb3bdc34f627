//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// BenchmarkOneNew is what one new item in each of 1,000 feeds of 90 KB costs, in CPU
// time of the whole process: polled, stored and matched with the built-in watchlist.
// The feeds are in another process, and the items have no pages to fetch.
func BenchmarkOneNew(b *testing.B) {
	server := exec.Command(build(b, "./testdata/feedserver"), strconv.Itoa(benchHosts), strconv.Itoa(benchFeeds))
	in, _ := server.StdinPipe()
	out, _ := server.StdoutPipe()
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { in.Close(); _ = server.Wait() }()
	lines := bufio.NewScanner(out)
	var addrs []string
	for lines.Scan() && lines.Text() != "" {
		addrs = append(addrs, lines.Text())
	}
	cfg, err := newLoader(builtinWatchlists).Load(filepath.Join(benchConfig(b, addrs, "g"), "tocsin.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	for i := range cfg.Sources {
		cfg.Sources[i].Every = time.Hour
	}
	s, err := newService(b.Context(), cfg, serviceOptions{Log: slog.New(slog.DiscardHandler), Terminal: io.Discard, Poll: true, Match: true})
	if err != nil {
		b.Fatal(err)
	}
	s.poller.Least = time.Millisecond
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stored := uint64(benchFeeds * benchItems)
	s.reaches(b, stored)
	for b.Loop() {
		b.StopTimer()
		fmt.Fprintln(in)
		lines.Scan()
		time.Sleep(time.Second)
		b.StartTimer()
		used := ownCPU(b)
		for _, src := range cfg.Sources {
			s.poller.Soon(src.ID)
		}
		stored += benchFeeds
		s.reaches(b, stored)
		b.ReportMetric((ownCPU(b) - used).Seconds(), "cpu-s/1000feeds")
	}
	cancel()
	if err := errors.Join(<-done, s.Close()); err != nil {
		b.Fatal(err)
	}
}

// reaches waits until n items are stored and matched.
func (s *service) reaches(b *testing.B, n uint64) {
	for began := time.Now(); time.Since(began) < 5*time.Minute; time.Sleep(50 * time.Millisecond) {
		if uint64(s.counts.Matched.Load()) >= n {
			return
		}
	}
	b.Fatalf("%d items matched, want %d", s.counts.Matched.Load(), n)
}
