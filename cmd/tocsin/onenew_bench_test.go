//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// BenchmarkOneNew is what one new item in each of 1,000 feeds of 90 KB costs, in CPU
// time of the whole process: polled, stored and matched. The polls that find nothing
// meanwhile are in it.
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
	s := start(b, build(b, "."), benchConfig(b, addrs, "g"), "poll,match,send")
	stored := uint64(benchFeeds * benchItems)
	s.holds(stored)
	s.matched()
	time.Sleep(25 * time.Second) // two polls, and what the first left to do
	for b.Loop() {
		fmt.Fprintln(in)
		lines.Scan()
		before := s.cpu()
		time.Sleep(12 * time.Second) // each feed is polled once or twice; asking would cost too
		stored += benchFeeds
		s.holds(stored)
		s.matched()
		b.ReportMetric((s.cpu() - before).Seconds(), "cpu-s/1000feeds")
	}
	s.stop()
}
