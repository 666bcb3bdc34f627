//go:build linux

package feeds

import (
	"context"
	binenc "encoding/binary"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// An outdoor log keeps states in a file, so that they are not this process's
// memory, and items nowhere.
type outdoor struct{ f *os.File }

const outdoorSlot = 16 << 10

func (o *outdoor) at(source string) int64 {
	n, _ := strconv.Atoi(source[1:])
	return int64(n) * outdoorSlot
}

func (o *outdoor) Load(_ context.Context, source string) ([]byte, error) {
	b := make([]byte, outdoorSlot)
	if _, err := o.f.ReadAt(b, o.at(source)); err != nil {
		return nil, nil
	}
	return b[4 : 4+binenc.LittleEndian.Uint32(b)], nil
}

func (o *outdoor) Save(_ context.Context, source string, state []byte) error {
	_, err := o.f.WriteAt(append(binenc.LittleEndian.AppendUint32(nil, uint32(len(state))), state...), o.at(source))
	return err
}

func (o *outdoor) Tail(context.Context, string, uint64) iter.Seq2[Record, error] {
	return func(func(Record, error) bool) {}
}

func (o *outdoor) Append(_ context.Context, _ string, expect uint64, items []tocsin.Item) (uint64, error) {
	return expect + uint64(len(items)), nil
}

// BenchmarkManySources is 100,000 sources of 20 entries, of which a tenth have a new
// one each round: CPU time of a round, and what the process takes of memory. Where
// items go is not in it, nor is the network.
func BenchmarkManySources(b *testing.B) {
	const many, entries = 100_000, 20
	debug.SetGCPercent(60) // as the service has it
	f, err := os.Create(b.TempDir() + "/states")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var mu sync.Mutex
	round, polled := 0, 0
	get := func(_ context.Context, url string, v fetch.Validators) (fetch.Response, error) {
		n, _ := strconv.Atoi(url[strings.LastIndexByte(url, '/')+1:])
		mu.Lock()
		version := round
		if round > 0 && n%10 != round%10 {
			version = max(0, round-(round-n%10+10)%10)
		}
		polled++
		mu.Unlock()
		tag := strconv.Itoa(version)
		r := fetch.Response{URL: url, At: time.Now().UTC(), Validators: fetch.Validators{ETag: tag}, Unchanged: v.ETag == tag}
		if !r.Unchanged {
			var d strings.Builder
			d.WriteString("<rss><channel><title>T</title>")
			for i := version + entries; i > version; i-- {
				fmt.Fprintf(&d, "<item><guid>%d-%d</guid><link>https://a.example/%d/%d</link><title>Statement %d of %d</title><description>What %d says in %d, at some length.</description></item>", n, i, n, i, i, n, n, i)
			}
			d.WriteString("</channel></rss>")
			r.Body = []byte(d.String())
		}
		return r, nil
	}
	p := &Poller{Log: &outdoor{f: f}, Get: get, Slog: slog.New(slog.DiscardHandler), Least: time.Millisecond}
	var all []tocsin.Source
	for i := range many {
		all = append(all, tocsin.Source{ID: fmt.Sprintf("s%d", i), URL: fmt.Sprintf("https://h%d.example/%d", i/100, i), Every: time.Hour})
	}
	p.Set(all)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	wait := func(n int) {
		for {
			mu.Lock()
			got := polled
			mu.Unlock()
			if got >= n {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	wait(many)
	for b.Loop() {
		mu.Lock()
		round++
		polled = 0
		mu.Unlock()
		start := cpu()
		for _, s := range all {
			p.Soon(s.ID)
		}
		wait(many)
		b.ReportMetric((cpu() - start).Seconds(), "cpu-s/round")
	}
	debug.FreeOSMemory() // as the service does
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); f[0] == "VmRSS:" || f[0] == "VmHWM:" {
			kb, _ := strconv.Atoi(f[1])
			b.ReportMetric(float64(kb)/1024, map[string]string{"VmRSS:": "MB-resident", "VmHWM:": "MB-peak"}[f[0]])
		}
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
