package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tocsin"
	"tocsin/feeds"
	"tocsin/feeds/fetch"
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
	Reload   <-chan *Config
	Dial     func(ctx context.Context, network, addr string) (net.Conn, error) // of a test, for all that is foreign
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
	started   time.Time
	ready     atomic.Bool
	outside   atomic.Pointer[outside]

	mu   sync.Mutex
	mine func(source string) bool
	told map[string]time.Time // owners, by destination

	condemned map[string]bool // sources of which a document is in quarantine
	nudge     chan struct{}   // tokens or passwords changed
}

// outside is what reaches the world. A new configuration replaces it whole.
type outside struct {
	fetch     *fetch.Client
	notifiers map[string]notifiers.Notifier
}

// newService opens everything and applies the configuration. Nothing runs yet.
func newService(ctx context.Context, cfg *Config, o serviceOptions) (_ *service, err error) {
	s := &service{serviceOptions: o, cfg: cfg, started: time.Now(), mine: func(string) bool { return false }, told: map[string]time.Time{}, nudge: make(chan struct{}, 1)}
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
	if err := s.logs.Apply(ctx, provision(cfg)); err != nil {
		drift, ok := errors.AsType[*pipeline.DriftError](err)
		if !ok {
			return nil, err
		}
		s.Log.Warn("configuration not applied", "err", drift)
	}
	if s.condemned, err = s.logs.Condemned(ctx); err != nil {
		return nil, err
	}
	s.poller = s.newPoller()
	s.metrics = newMetrics(s)
	if s.Serve && s.server != nil { // only now is there something to reach
		return s, s.server.Serve()
	}
	return s, nil
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

// open makes what reaches the world, as a configuration says.
func (s *service) open(cfg *Config) (*outside, error) {
	fc := fetch.Config{Contact: cfg.Contact, Version: version, Proxy: cfg.Fetch.Proxy, CA: cfg.Fetch.CA, Allow: cfg.Fetch.Allow, Dial: s.Dial}
	client, err := fetch.New(fc)
	if err != nil {
		return nil, err
	}
	transport, err := fetch.Transport(fc)
	if err != nil {
		return nil, err
	}
	secure, err := fetch.TLS(fc)
	if err != nil {
		return nil, err
	}
	if s.Dial != nil {
		transport.DialContext = s.Dial
	}
	ns, err := notifiers.New(notifiers.Config{
		Slack:    notifiers.SlackConfig{Token: cfg.Slack.Token, API: cfg.Slack.API, HTTP: &http.Client{Transport: transport}},
		Email:    notifiers.EmailConfig{SMTP: cfg.Email.SMTP, From: cfg.Email.From, User: cfg.Email.User, Password: cfg.Email.Password, TLS: secure, Dial: s.Dial},
		Terminal: s.Terminal, JSON: s.JSON,
	})
	if err != nil {
		return nil, err
	}
	return &outside{client, ns}, nil
}

func (o *outside) close() {
	o.fetch.Close()
	notifiers.Close(o.notifiers)
}

// provision is what a configuration asks of the pipeline.
func provision(cfg *Config) pipeline.Provision {
	return pipeline.Provision{
		Revision: cfg.Revision, Sources: cfg.Sources, Watchlists: cfg.Watchlists,
		Destinations: cfg.Destinations, Subscriptions: cfg.Subscriptions,
	}
}

func operatorDestinations(cfg *Config) []tocsin.Destination {
	var out []tocsin.Destination
	for _, d := range cfg.Destinations {
		if slices.Contains(cfg.Operators, d.Name) {
			out = append(out, d)
		}
	}
	return out
}

// Close ends what newService opened. A service that was running has to have
// ended.
func (s *service) Close() error {
	if out := s.outside.Load(); out != nil {
		out.close()
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
		Own: s.own, Reading: s.reading, Nudge: s.nudge,
		Traits: s.traits, Prepare: s.prepare, Find: s.find,
		Before:  func(it tocsin.Item) { suffer(it.Text) },
		Observe: s.metrics.delivered, Report: s.operators.Report, Clear: s.operators.Clear, Tell: s.tellOwner,
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

func (s *service) traits(kind string) pipeline.Traits {
	k, _ := notifiers.KindOf(kind)
	_, finds := s.outside.Load().notifiers[kind].(notifiers.Finder)
	return pipeline.Traits{Edits: k.Edits, Finds: finds, Every: k.Every, Burst: k.Burst}
}

func (s *service) notifier(kind string) (notifiers.Notifier, error) {
	if n := s.outside.Load().notifiers[kind]; n != nil {
		return n, nil
	}
	return nil, &tocsin.Outcome{Verdict: tocsin.Install, Err: fmt.Errorf("destinations of kind %s are not configured", kind)}
}

func (s *service) prepare(ctx context.Context, d tocsin.Delivery) (pipeline.Ready, error) {
	n, err := s.notifier(d.To.Kind)
	if err != nil {
		return nil, err
	}
	return n.Prepare(ctx, d)
}

func (s *service) find(ctx context.Context, d tocsin.Delivery) (string, bool, error) {
	n, err := s.notifier(d.To.Kind)
	if err != nil {
		return "", false, err
	}
	return n.(notifiers.Finder).Find(ctx, d)
}

// current are the notifiers as the newest configuration has them, for who keeps
// them.
func (s *service) current() map[string]notifiers.Notifier {
	out := map[string]notifiers.Notifier{}
	for _, k := range notifiers.Kinds {
		out[k.Name] = ofKind{s, k.Name}
	}
	return out
}

type ofKind struct {
	s    *service
	kind string
}

// Prepare asks the notifier of the moment.
func (k ofKind) Prepare(ctx context.Context, d tocsin.Delivery) (notifiers.Ready, error) {
	n, err := k.s.notifier(k.kind)
	if err != nil {
		return nil, err
	}
	return n.Prepare(ctx, d)
}

// Find asks the notifier of the moment, if it is one that can tell.
func (k ofKind) Find(ctx context.Context, d tocsin.Delivery) (string, bool, error) {
	if f, ok := k.s.outside.Load().notifiers[k.kind].(notifiers.Finder); ok {
		return f.Find(ctx, d)
	}
	return "", false, fmt.Errorf("destinations of kind %s cannot be searched", k.kind)
}

// tellEvery is how often an owner hears of one destination.
const tellEvery = time.Hour

// tellOwner mails the owner of a destination that alerts do not reach it.
func (s *service) tellOwner(ctx context.Context, d tocsin.Destination, text string) {
	n := s.outside.Load().notifiers["email"]
	if d.Owner == "" || n == nil || d.Kind == "email" && d.To == d.Owner {
		return
	}
	s.mu.Lock()
	last, ok := s.told[d.Name]
	if ok && time.Since(last) < tellEvery {
		s.mu.Unlock()
		return
	}
	s.told[d.Name] = time.Now()
	s.mu.Unlock()
	now := time.Now()
	notice := tocsin.Delivery{
		ID: fmt.Sprintf("owner-%s-%d", d.Name, now.UnixNano()), Kind: tocsin.Notice, Text: text, Since: now,
		To: tocsin.Destination{Name: d.Name + "-owner", Kind: "email", To: d.Owner},
	}
	ready, err := n.Prepare(ctx, notice)
	if err == nil {
		defer ready.Close()
		_, err = ready.Send(ctx)
	}
	if err != nil {
		s.Log.Warn("owner not told", "to", d.Name, "err", err)
	}
}

// tryCredentials finds out, at the start and after a reload, whether tokens and
// passwords work, so that people hear of it before the first alert has to wait.
func (s *service) tryCredentials(ctx context.Context, to []tocsin.Destination) {
	for _, k := range notifiers.Kinds {
		key := "check." + k.Name
		c, ok := s.outside.Load().notifiers[k.Name].(notifiers.Checker)
		if !ok || !slices.ContainsFunc(to, func(d tocsin.Destination) bool { return d.Kind == k.Name }) {
			s.operators.Clear(key)
			continue
		}
		call, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := c.Check(call)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err == nil:
			s.operators.Clear(key)
		default:
			s.Log.Error("credentials do not work; deliveries are kept", "kind", k.Name, "err", err)
			s.operators.Report(key, fmt.Sprintf("%s does not work: %v. Deliveries are kept and sent once it does", k.Name, err))
		}
	}
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

// own takes the share of sources that this process polls.
func (s *service) own(mine func(string) bool) {
	s.mu.Lock()
	s.mine = mine
	sources := slices.Clone(s.cfg.Sources)
	s.mu.Unlock()
	s.poller.Set(slices.DeleteFunc(sources, func(src tocsin.Source) bool { return !mine(src.ID) }))
}

// reload takes configurations as they come, each whole.
func (s *service) reload(ctx context.Context) error {
	s.tryCredentials(ctx, s.cfg.Destinations)
	for {
		select {
		case <-ctx.Done():
			return nil
		case cfg := <-s.Reload:
			if err := s.take(ctx, cfg); err != nil {
				s.Log.Error("configuration not taken; the old one stays", "err", err)
				continue
			}
			s.Log.Info("configuration taken", "sources", len(cfg.Sources), "watchlists", len(cfg.Watchlists))
			s.tryCredentials(ctx, cfg.Destinations)
		}
	}
}

func (s *service) take(ctx context.Context, cfg *Config) error {
	old := s.cfg
	if old.Data != cfg.Data || old.Listen != cfg.Listen || old.NATS != cfg.NATS {
		s.Log.Warn("data, listen and nats are read at the start only: restart to change them")
		cfg.Data, cfg.Listen, cfg.NATS = old.Data, old.Listen, old.NATS
	}
	var out *outside
	if !reflect.DeepEqual([]any{old.Slack, old.Email, old.Fetch, old.Contact}, []any{cfg.Slack, cfg.Email, cfg.Fetch, cfg.Contact}) {
		var err error
		if out, err = s.open(cfg); err != nil {
			return err
		}
	}
	if err := s.logs.Apply(ctx, provision(cfg)); err != nil {
		if out != nil {
			out.close()
		}
		return err
	}
	if out != nil {
		s.outside.Swap(out).close()
		select {
		case s.nudge <- struct{}{}:
		default:
		}
	}
	s.mu.Lock()
	s.cfg = cfg
	mine := s.mine
	s.mu.Unlock()
	s.own(mine)
	s.operators.Set(operatorDestinations(cfg))
	return nil
}

// newPoller is the poll stage over the pipeline's logs.
func (s *service) newPoller() *feeds.Poller {
	p := &feeds.Poller{
		Log:        pollerLog{s.logs},
		Get:        s.get,
		Before:     func(r fetch.Response) { suffer(r.Body) },
		Quarantine: s.logs.Quarantine,
		Report:     s.trouble,
		Slog:       s.Log,
	}
	if s.server != nil {
		p.Paused = s.server.Low
	}
	p.Probe = s.tryFirst
	return p
}

// tryFirst tries the first document of a source in a child where it may be one
// that ends the process: after an unclean stop, and where the source had one.
func (s *service) tryFirst(ctx context.Context, src tocsin.Source, r fetch.Response) error {
	if s.condemned[src.ID] || s.server != nil && s.server.Unclean {
		return tryDocument(ctx, src, r)
	}
	return nil
}

func (s *service) get(ctx context.Context, url string, v fetch.Validators) (fetch.Response, error) {
	return s.outside.Load().fetch.Get(ctx, url, v)
}

func (s *service) trouble(t feeds.Trouble) {
	if t.Over {
		s.operators.Clear(t.Key)
		return
	}
	s.operators.Report(t.Key, t.Title+": "+t.Text)
}

// reading says how far the first reading of the sources has come.
func (s *service) reading() map[string]pipeline.Reading {
	out := map[string]pipeline.Reading{}
	for _, st := range s.poller.Status() {
		out[st.Source.ID] = pipeline.Reading{
			Tried: len(st.Polls) > 0, Read: st.Polls[feeds.PollRead] > 0 || st.Known > 0,
			Title: cmp.Or(st.Source.Title, st.Source.ID),
		}
	}
	return out
}

// pollerLog gives the poller its half of the logs.
type pollerLog struct{ *pipeline.Logs }

// Tail reads a source's log.
func (l pollerLog) Tail(ctx context.Context, source string, after uint64) iter.Seq2[feeds.Record, error] {
	return func(yield func(feeds.Record, error) bool) {
		for r, err := range l.Logs.Tail(ctx, source, after) {
			if !yield(feeds.Record{Seq: r.Seq, Item: r.Item}, err) {
				return
			}
		}
	}
}

// parseOff reads the names of mechanisms that a test switches off.
func parseOff(names string) (pipeline.Off, error) {
	var off pipeline.Off
	for _, name := range strings.FieldsFunc(names, func(r rune) bool { return r == ',' || r == ' ' }) {
		switch name {
		case "match":
			off.Match = true
		case "fold":
			off.Fold = true
		case "repeat":
			off.Repeat = true
		case "version":
			off.Version = true
		case "lookup":
			off.Lookup = true
		default:
			return off, usageError(fmt.Errorf("TOCSIN_OFF: %q is no mechanism; it switches off match, fold, repeat, version or lookup, for tests", name))
		}
	}
	return off, nil
}
