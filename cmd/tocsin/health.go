package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds"
	"tocsin/pipeline"

	vm "github.com/VictoriaMetrics/metrics"
)

// metrics are what /metrics tells. Their names are promises, see docs/metrics.md.
type metrics struct {
	s       *service
	set     *vm.Set
	seconds *vm.PrometheusHistogram
}

func newMetrics(s *service) *metrics {
	m := &metrics{s: s, set: vm.NewSet()}
	m.seconds = m.set.NewPrometheusHistogramExt(fetchToSent,
		[]float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600})
	m.set.RegisterMetricsWriter(m.write)
	return m
}

// delivered notes the outcome of a call to a provider.
func (m *metrics) delivered(d tocsin.Destination, r pipeline.Record) {
	m.set.GetOrCreateCounter(fmt.Sprintf("tocsin_deliveries_total{kind=%q,act=%q,outcome=%q}", d.Kind, r.Act, r.Kind)).Inc()
	if r.Kind == pipeline.Sent && r.Act == tocsin.Post && !r.Seen.IsZero() {
		m.seconds.Update(time.Since(r.Seen).Seconds())
	}
}

// write tells the state of the service as it is now.
func (m *metrics) write(w io.Writer) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	m.writeSources(w)
	c := &m.s.counts
	vm.WriteCounterUint64(w, "tocsin_items_matched_total", uint64(c.Matched.Load()))
	vm.WriteCounterUint64(w, "tocsin_quarantined_total", uint64(c.Quarantined.Load()))
	vm.WriteCounterUint64(w, "tocsin_match_disagreements_total", uint64(c.Disagreements.Load()))
	for kind, n := range map[string]int64{
		pipeline.Opened: c.Opened.Load(), pipeline.Matched: c.Added.Load(), pipeline.Copied: c.Copied.Load(), pipeline.Revised: c.Revised.Load(),
		pipeline.Withdrawn: c.Withdrawn.Load(), pipeline.Paged: c.Paged.Load(),
	} {
		vm.WriteCounterUint64(w, fmt.Sprintf("tocsin_alert_events_total{event=%q}", kind), uint64(n))
	}
	if lags, err := m.s.logs.Lags(ctx); err == nil {
		for _, l := range lags {
			vm.WriteGaugeUint64(w, fmt.Sprintf("tocsin_lag_records{stage=%q,to=%q}", l.Stage, l.To), l.Items)
		}
	}
	m.writeDisk(ctx, w)
	m.writeCanary(w)
}

func (m *metrics) writeCanary(w io.Writer) {
	if m.s.canary == nil {
		return
	}
	last := m.s.canary.newest()
	if last.Sent.IsZero() {
		return
	}
	vm.WriteGaugeFloat64(w, "tocsin_canary_age_seconds", time.Since(last.Sent).Seconds())
	vm.WriteGaugeFloat64(w, "tocsin_canary_seconds", last.Took.Seconds())
}

func (m *metrics) writeSources(w io.Writer) {
	polls := map[string]uint64{}
	items := map[string]uint64{}
	for _, s := range m.s.poller.Status() {
		for result, n := range s.Polls {
			polls[result] += n
		}
		items[sourceKind(s.Source)] += s.Items
		vm.WriteGaugeUint64(w, fmt.Sprintf("tocsin_source_condition{source=%q,condition=%q}", s.Source.ID, s.Condition), 1)
		if !s.Success.IsZero() {
			vm.WriteGaugeFloat64(w, fmt.Sprintf("tocsin_source_last_success_age_seconds{source=%q}", s.Source.ID), time.Since(s.Success).Seconds())
		}
	}
	for _, result := range feeds.Polls {
		vm.WriteCounterUint64(w, fmt.Sprintf("tocsin_polls_total{result=%q}", result), polls[result])
	}
	pages := m.s.poller.Pages()
	for _, state := range []string{tocsin.PageRead, tocsin.PagePDF, tocsin.PageGone, tocsin.PageUnread} {
		vm.WriteCounterUint64(w, fmt.Sprintf("tocsin_pages_total{state=%q}", state), pages[state])
	}
	var pushes map[string]uint64
	if h := m.s.poller.Hubs; h != nil {
		pushes = h.Counts()
	}
	for _, result := range feeds.Pushes {
		vm.WriteCounterUint64(w, fmt.Sprintf("tocsin_pushes_total{result=%q}", result), pushes[result])
	}
	for kind, n := range items {
		vm.WriteCounterUint64(w, fmt.Sprintf("tocsin_items_total{kind=%q}", kind), n)
	}
}

func sourceKind(s tocsin.Source) string {
	if s.Kind == "" {
		return "feed"
	}
	return s.Kind
}

func (m *metrics) writeDisk(ctx context.Context, w io.Writer) {
	sizes, err := m.s.logs.Sizes(ctx)
	if err != nil {
		return
	}
	var total float64
	oldest := time.Now()
	for _, l := range sizes {
		vm.WriteGaugeUint64(w, fmt.Sprintf("tocsin_log_bytes{log=%q}", l.Name), l.Bytes)
		total += float64(l.Bytes)
		if l.Records > 0 && l.First.Before(oldest) {
			oldest = l.First
		}
	}
	if m.s.server == nil {
		return
	}
	free, err := pipeline.Free(m.s.config().Data)
	if err != nil {
		return
	}
	vm.WriteGaugeUint64(w, "tocsin_disk_free_bytes", free)
	if days := time.Since(oldest).Hours() / 24; total > 0 && days > 0 {
		vm.WriteGaugeFloat64(w, "tocsin_disk_days_left", float64(free)/(total/days))
	}
}

// listen serves health and metrics until ctx ends.
func (s *service) listen(ctx context.Context, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen.private: %w; choose another address", err)
	}
	srv := &http.Server{Handler: s.private(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	s.Log.Info("listening", "addr", l.Addr().String())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("listen.private: %w", err)
	}
	return nil
}

func (s *service) private() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { s.answer(w, s.healthy(r.Context())) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		err := s.healthy(r.Context())
		if err == nil && !s.ready.Load() {
			err = errors.New("what is stored is still being read")
		}
		if err == nil {
			err = s.canary.ready()
		}
		s.answer(w, err)
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		var samples bytes.Buffer
		s.metrics.set.WritePrometheus(&samples)
		expose(w, samples.Bytes())
	})
	return mux
}

func (s *service) answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintln(w, "ok")
}

// healthy reports what keeps the service from storing.
func (s *service) healthy(ctx context.Context) error {
	if s.server != nil && s.server.Low() {
		return errors.New("the disk is nearly full: no source is read")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := s.bus.JS.AccountInfo(ctx); err != nil {
		return fmt.Errorf("NATS does not answer: %w", err)
	}
	return nil
}

func sameHost(a, b string) bool {
	ua, err1 := url.Parse(a)
	ub, err2 := url.Parse(b)
	bare := func(u *url.URL) string { return strings.TrimPrefix(u.Hostname(), "www.") }
	return err1 == nil && err2 == nil && ua.Hostname() != "" && bare(ua) == bare(ub)
}
