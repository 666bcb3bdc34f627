package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin"

	"github.com/nats-io/nats.go/jetstream"
)

// passing is a provider that says when a message was handed to it.
type passing chan time.Time

func (p passing) Send(context.Context) (string, error) { p <- time.Now(); return "ref", nil }
func (p passing) Close()                               {}

// BenchmarkHop is the way of one item of 5 KB from the end of its fetch to the
// hand-over to the notifier, with an embedded server that syncs every write:
// three synced appends (ITEMS, ALERTS, the intent) and what lies between. Beside
// it stands one bare append of 5 KB to the same server, taken in turns.
func BenchmarkHop(b *testing.B) {
	srv, err := Embed(b.Context(), EmbedConfig{Dir: b.TempDir(), Log: quiet, Floor: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = srv.Close() }()
	if err := Setup(b.Context(), srv.Bus(), 1, 0); err != nil {
		b.Fatal(err)
	}
	logs := must(OpenLogs(b.Context(), srv.Bus()))
	if _, err := logs.Apply(b.Context(), missiles()); err != nil {
		b.Fatal(err)
	}
	bare := jetstream.StreamConfig{Name: "BARE", Subjects: []string{"bare"}, Storage: jetstream.FileStorage, Compression: jetstream.S2Compression}
	if _, err := srv.Bus().JS.CreateStream(b.Context(), bare); err != nil {
		b.Fatal(err)
	}
	arrived, ready := make(passing), make(chan struct{})
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		_ = Run(ctx, logs, Config{
			Match: true, Send: true, Log: quiet, Traits: func(string) Traits { return Traits{} }, Ready: func() { close(ready) },
			Prepare: func(context.Context, tocsin.Delivery) (Ready, error) { return arrived, nil },
		})
	})
	<-ready

	text := strings.Repeat("The ministers condemned the transfer of ballistic missiles. ", 80)
	var hops, appends []time.Duration
	last := uint64(0)
	for b.Loop() {
		it := item("fr", fmt.Sprint(len(hops)), fmt.Sprint("Statement ", len(hops)), text)
		start := time.Now()
		it.Seen = start
		if last, err = logs.Append(b.Context(), "fr", last, []tocsin.Item{it}); err != nil {
			b.Fatal(err)
		}
		hops = append(hops, (<-arrived).Sub(start))
		start = time.Now()
		if _, err := srv.Bus().JS.Publish(b.Context(), "bare", []byte(text)); err != nil {
			b.Fatal(err)
		}
		appends = append(appends, time.Since(start))
	}
	report := func(of []time.Duration, name string) {
		slices.Sort(of)
		b.ReportMetric(float64(of[len(of)/2].Microseconds())/1000, name+"-p50-ms")
		b.ReportMetric(float64(of[len(of)*99/100].Microseconds())/1000, name+"-p99-ms")
	}
	report(hops, "hop")
	report(appends, "append")
}
