package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tocsin"
	"tocsin/feeds"
	"tocsin/notifiers"
	"tocsin/pipeline"

	"golang.org/x/sync/errgroup"
)

// serviceOptions are what a service needs beside its configuration. All but Log
// and Terminal may be zero.
type serviceOptions struct {
	Log      *slog.Logger
	Terminal io.Writer
	JSON     bool
	Poll     bool // the stages to run
	Match    bool
	Send     bool
	Off      pipeline.Off
	Serve    bool // open tocsin.sock
	Canary   bool // send canaries through
	Reload   <-chan *Config
	Dial     func(ctx context.Context, network, addr string) (net.Conn, error) // of a test, for all that is foreign
	Listen   func(network, addr string) (net.Listener, error)                  // of a test, for listen.public
	Ready    func()
}

// A service is the wired program: the only place where sources, the pipeline and
// notifiers meet.
type service struct {
	serviceOptions
	cfg       *Config
	server    *pipeline.Server // nil with an external NATS
	bus       *pipeline.Bus
	logs      *pipeline.Logs
	poller    *feeds.Poller
	operators *notifiers.Operators
	counts    pipeline.Counts
	metrics   *metrics
	canary    *canary // nil if none is sent
	started   time.Time
	ready     atomic.Bool
	outside   atomic.Pointer[outside]
	known     atomic.Pointer[map[string]feeds.SourceStatus] // how sources were when they were last watched; nil but while sources are taken

	mu    sync.Mutex
	mine  func(source string) bool
	taken func(source string) bool // mine, once the poller has its sources
	added []tocsin.Source          // by people, beside those of cfg
	told  map[string]time.Time     // owners, by destination

	setting   sync.Mutex                    // orders changes of what the poller polls
	condemned map[string]bool               // sources of which a document is in quarantine
	nudge     chan struct{}                 // tokens or passwords changed
	renewed   chan struct{}                 // Slack's workspaces changed
	calls     atomic.Pointer[http.ServeMux] // what Slack calls
	watched   chan []tocsin.Source
}

// newService opens everything and applies the configuration. Nothing runs yet.
func newService(ctx context.Context, cfg *Config, o serviceOptions) (_ *service, err error) {
	s := &service{serviceOptions: o, cfg: cfg, started: time.Now(), mine: func(string) bool { return false }, taken: func(string) bool { return false }, told: map[string]time.Time{}, nudge: make(chan struct{}, 1), renewed: make(chan struct{}, 1), watched: make(chan []tocsin.Source, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	out, err := s.open(cfg)
	if err != nil {
		return nil, err
	}
	s.outside.Store(out)
	s.operators = notifiers.NewOperators(operatorDestinations(cfg), s.current(), s.Log)
	if err := s.openBus(ctx); err != nil {
		return nil, err
	}
	if err := pipeline.Setup(ctx, s.bus, cfg.NATS.Replicas, cfg.Items.Keep); err != nil {
		return nil, err
	}
	if s.logs, err = pipeline.OpenLogs(ctx, s.bus); err != nil {
		return nil, err
	}
	if err := s.apply(ctx, cfg); err != nil {
		drift, ok := errors.AsType[*pipeline.DriftError](err)
		if !ok {
			return nil, err
		}
		s.Log.Warn("configuration not applied", "err", drift)
	}
	if s.condemned, err = s.logs.Condemned(ctx); err != nil {
		return nil, err
	}
	if s.Canary {
		if err := s.openCanary(ctx); err != nil {
			return nil, err
		}
	}
	s.poller = s.newPoller()
	if s.poller.Hubs, err = s.newHubs(ctx); err != nil {
		return nil, err
	}
	s.metrics = newMetrics(s)
	if s.Serve && s.server != nil { // only now is there something to reach
		return s, s.server.Serve()
	}
	return s, nil
}

func (s *service) openCanary(ctx context.Context) error {
	key, err := s.logs.CanaryKey(ctx)
	if err == nil {
		s.canary, err = newCanary(key)
	}
	return err
}

func (s *service) openBus(ctx context.Context) (err error) {
	if s.cfg.NATS.URL != "" {
		s.bus, err = connect(ctx, s.cfg, s.Log)
		return err
	}
	if s.cfg.Data == "" {
		return errNoData
	}
	s.server, err = pipeline.Embed(ctx, pipeline.EmbedConfig{Dir: s.cfg.Data, Log: s.Log, Space: s.space})
	if err != nil {
		return err
	}
	s.bus = s.server.Bus()
	return nil
}

// Close ends what newService opened. A service that was running has to have
// ended.
func (s *service) Close() error {
	if out := s.outside.Load(); out != nil {
		out.close()
	}
	if s.canary != nil {
		s.canary.close()
	}
	switch {
	case s.server != nil:
		return s.server.Close()
	case s.bus != nil:
		return s.bus.Close()
	}
	return nil
}

// Run runs the stages until ctx ends or the service cannot go on.
func (s *service) Run(ctx context.Context) error {
	findings, err := s.audit(ctx)
	if err != nil {
		return err
	}
	for _, f := range findings {
		s.Log.Error("stored data is damaged", "err", f)
		s.operators.Report("audit", "stored data is damaged: "+f)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.operators.Run(ctx) })
	g.Go(func() error { return pipeline.Run(ctx, s.logs, s.pipelineConfig()) })
	if s.Poll {
		g.Go(func() error { return s.poller.Run(ctx) })
		g.Go(func() error { return s.saveStatus(ctx) })
	}
	if s.canary != nil {
		g.Go(func() error { return s.watchCanary(ctx) })
	}
	if s.server != nil {
		g.Go(func() error {
			select {
			case <-ctx.Done():
				return nil
			case err := <-s.server.Failed():
				return err
			}
		})
	}
	if addr := s.cfg.Listen.Private; addr != "" {
		g.Go(func() error { return s.listen(ctx, addr) })
	}
	if s.poller.Hubs != nil || s.cfg.slackCalls() && s.Send {
		g.Go(func() error { return s.listenPublic(ctx, s.cfg.Listen.Public) })
	}
	if s.Send {
		g.Go(func() error { return s.runSlack(ctx) })
	}
	if s.poller.Hubs != nil {
		g.Go(func() error { return s.leaveHubs(ctx) })
	}
	g.Go(func() error { return s.reload(ctx) })
	return g.Wait()
}

func (s *service) audit(ctx context.Context) ([]string, error) {
	if s.server == nil {
		return nil, nil
	}
	if s.server.Unclean {
		s.Log.Warn("the last run did not end well: what was in hand is looked at before it is handled again")
	}
	return s.server.Audit(ctx)
}

func (s *service) pipelineConfig() pipeline.Config {
	cfg := pipeline.Config{
		Poll: s.Poll, Match: s.Match, Send: s.Send, Off: s.Off, Log: s.Log, Counts: &s.counts,
		Own: s.own, Sources: s.takeAdded, Reading: s.reading, Nudge: s.nudge,
		Visit: s.visit, Watch: s.poller.Watch, Due: feeds.Due,
		Canary: s.canary != nil,
		Traits: s.traits, Prepare: s.prepare, Find: s.find,
		Before:  func(it tocsin.Item) { suffer(it.Text) },
		Observe: s.metrics.delivered, Report: s.operators.Report, Clear: s.operators.Clear, Tell: s.tellOwner, Hand: s.handOwner,
		Ready: func() {
			s.ready.Store(true)
			if s.Ready != nil {
				s.Ready()
			}
		},
	}
	if s.server != nil && s.server.Unclean {
		cfg.Probe = tryItems
	}
	return cfg
}

// space stops intake while the disk is nearly full: what is stored can still be
// matched and sent.
func (s *service) space(low bool, free uint64) {
	if low {
		s.operators.Report("disk", fmt.Sprintf("%d MiB are free on the disk: no source is read until there is more", free>>20))
	} else {
		s.operators.Clear("disk")
	}
}

// config is the configuration of the moment.
func (s *service) config() *Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg
}
