package slackapp

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"tocsin/notifiers/notifiertest"
)

// BenchmarkAcknowledge sends 50 commands a second over real sockets and reports how
// long Slack waits for the acknowledgement. Every second one has work for 100 ms; the
// others change something, which takes 20 ms to be stored. Slack's bound is 3 s. Run it
// with -benchtime 1000x.
func BenchmarkAcknowledge(b *testing.B) {
	for _, way := range []string{"socket", "http"} {
		b.Run(way, func(b *testing.B) { acknowledge(b, way) })
	}
}

func acknowledge(b *testing.B, way string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := notifiertest.NewSlackApp("xoxb-right")
	s.AppToken, s.Base = "xapp-right", "http://"+l.Addr().String()
	defer s.Serve(l)()
	d := newCounter()
	d.slow, d.hold = 100*time.Millisecond, 20*time.Millisecond
	a, err := New(Config{Token: "xoxb-right", AppToken: "xapp-right", SigningSecret: "signing", API: s.Base + "/api/", Desk: d.desk(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	h, err := a.Handler()
	if err != nil {
		b.Fatal(err)
	}
	public := httptest.NewServer(h)
	defer public.Close()
	ctx, cancel := context.WithCancel(b.Context())
	var running, calls sync.WaitGroup
	running.Go(func() { _ = a.Run(ctx) })
	defer running.Wait()
	defer cancel()
	if !s.Until(func() bool { return s.Connections() == 2 }) {
		b.Fatal("not connected")
	}
	var mu sync.Mutex
	var took []time.Duration
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	n := 0
	for b.Loop() {
		<-tick.C
		n++
		payload := s.Slash(fmt.Sprint(way, n), "UANN", "C0000001", []string{"search missile*", "subscribe missiles"}[n%2])
		calls.Go(func() {
			began := time.Now()
			ok := true
			if way == "socket" {
				_, ok = s.Emit("slash_commands", payload, false)
			} else {
				q, err := notifiertest.Signed(public.URL, "signing", "slash_commands", payload, time.Now())
				if err == nil {
					var resp *http.Response
					if resp, err = http.DefaultClient.Do(q); err == nil {
						resp.Body.Close()
					}
				}
				ok = err == nil
			}
			mu.Lock()
			defer mu.Unlock()
			if took = append(took, time.Since(began)); !ok {
				b.Error("a command is not acknowledged")
			}
		})
	}
	calls.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
}
