package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"tocsin/pipeline"

	"github.com/goccy/go-yaml"
)

//go:embed demo/site.yaml
var demoSite []byte

type demoCmd struct {
	Once  bool `help:"End when everything is delivered; succeed only if exactly the expected alerts came out."`
	Slack bool `help:"Play a conversation in a Slack workspace of our own instead, and print it: no account is needed."`
}

func (demoCmd) Help() string {
	return `Small sites on loopback publish a joint statement, a copy of it and translations, a
report, a correction and a withdrawal, two sanctions lists of one day, and noise; the
whole pipeline runs on a fresh data directory, which is removed at the end. What each
site does is said before it does it. No network is needed.

With --slack people of an invented Slack workspace subscribe, are alerted, acknowledge, mute
and ask, and what they see is printed; then it is your turn. No account is needed.

EXIT STATUS  0 stopped, or with --once: as expected · 1 not as expected, or an error · 2 wrong usage`
}

const (
	demoEvery = 300 * time.Millisecond // between polls: no real source is asked this often
	demoWait  = time.Minute
	demoLate  = 10 * time.Second // what was not noticed by then after the last step is missing
)

func (c demoCmd) Run(a *app) (err error) {
	if c.Slack {
		return c.slack(a)
	}
	var st site
	if err := yaml.Unmarshal(demoSite, &st); err != nil {
		return fmt.Errorf("read the bundled site: %w", err)
	}
	off, err := parseOff(os.Getenv("TOCSIN_OFF"))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tocsin-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := publish(&st)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	cfg := p.config(dir)
	s, err := newService(a.ctx, cfg, serviceOptions{
		Log: slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn})), Terminal: a.out, JSON: a.JSON,
		Off: off, Poll: true, Match: true, Send: true,
	})
	if err != nil {
		return err
	}
	s.poller.Least = demoEvery
	if !a.JSON {
		fmt.Fprintf(a.err, "demo: %d invented sites publish on loopback; watching for %s\n", len(st.Sites), builtinWatchlists[0].Name)
	}
	ctx, cancel := context.WithCancel(a.ctx)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	err = c.follow(ctx, a, s, p)
	cancel()
	return errors.Join(err, <-done, s.Close())
}

// follow has the sites do one step after the other, each when what came of the one
// before was told, and judges what came out.
func (c demoCmd) follow(ctx context.Context, a *app, s *service, p *publisher) error {
	limit, cancel := context.WithTimeoutCause(ctx, demoWait, errors.New("the demonstration did not end within a minute"))
	defer cancel()
	for step, says := range p.site.Steps {
		if !a.JSON {
			fmt.Fprintf(a.err, "\ndemo: step %d of %d\n  %s\n", step+1, len(p.site.Steps), strings.ReplaceAll(strings.TrimSpace(says), "\n", "\n  "))
		}
		p.turn(step)
		if err := until(limit, func() (bool, error) { return p.seen(), nil }); err != nil {
			return ended(ctx, err)
		}
		done := s.settled
		if step == 0 { // what was there before is told of first
			done = s.told1
		}
		if err := until(limit, func() (bool, error) { return done(limit) }); err != nil {
			return ended(ctx, err)
		}
	}
	wrong, err := c.outcome(limit, a, s, p)
	if err != nil {
		return ended(ctx, err)
	}
	if c.Once {
		return wrong
	}
	if !a.JSON {
		fmt.Fprintln(a.err, "demo: everything is published; end with Ctrl-C")
	}
	<-ctx.Done()
	return nil
}

// outcome says what came out, and how it differs from what had to: that an address
// has nothing any more is found out a little after its entry has left the feed.
func (c demoCmd) outcome(ctx context.Context, a *app, s *service, p *publisher) (wrong, err error) {
	var got []expected
	late := time.Now().Add(demoLate)
	err = until(ctx, func() (bool, error) {
		ok, err := s.settled(ctx)
		if err != nil || !ok {
			return false, err
		}
		if got, err = came(ctx, s); err != nil {
			return false, err
		}
		wrong = differ(got, p.site.Alerts)
		return wrong == nil || time.Now().After(late), nil
	})
	if err != nil || a.JSON {
		return wrong, err
	}
	fmt.Fprintln(a.err)
	for _, g := range got {
		fmt.Fprintf(a.err, "demo: came out: %v\n", g)
	}
	if wrong == nil {
		fmt.Fprintf(a.err, "demo: %d alerts came out, exactly as expected\n", len(got))
	}
	return wrong, nil
}

// ended is nil where a person stopped the demonstration.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// until asks every 50 ms whether something is so.
func until(ctx context.Context, so func() (bool, error)) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := so(); err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// told1 reports whether the first reading was told of.
func (s *service) told1(ctx context.Context) (bool, error) {
	ds, err := s.logs.Deliveries(ctx)
	return len(ds) > 0 && ds[0].Kind == pipeline.Sent, err
}

// settled reports whether nothing waits in any stage.
func (s *service) settled(ctx context.Context) (bool, error) {
	lags, err := s.logs.Lags(ctx)
	if err != nil {
		return false, err
	}
	for _, l := range lags {
		if l.Items > 0 {
			return false, nil
		}
	}
	stories, err := s.logs.Stories(ctx)
	if err != nil {
		return false, err
	}
	for _, st := range stories {
		if !st.Alert.First().Baseline && !told(st) {
			return false, nil
		}
	}
	return true, nil
}

// told reports whether an alert was sent after all that a message shows of it had
// become known. That a page was fetched it does not show.
func told(st pipeline.Story) bool {
	var known, sent time.Time
	for _, ev := range st.Events {
		if ev.Kind != pipeline.Paged {
			known = ev.At
		}
	}
	for _, d := range st.Deliveries {
		if d.Kind == pipeline.Sent && d.At.After(sent) {
			sent = d.At
		}
	}
	return !sent.Before(known)
}

// came are the alerts that came out.
func came(ctx context.Context, s *service) (out []expected, err error) {
	stories, err := s.logs.Stories(ctx)
	for _, st := range stories {
		al := st.Alert
		first := al.First()
		if first.Baseline {
			continue
		}
		e := expected{Site: first.Source, ID: first.URL[strings.LastIndexByte(first.URL, '/')+1:], Revised: al.Revised, Material: al.Material}
		for _, c := range al.Copies {
			if c.Report {
				e.Reports++
			} else {
				e.Copies++
			}
			if !c.Withdrawn.IsZero() {
				e.Withdrawn++
			}
		}
		out = append(out, e)
	}
	return out, err
}

// differ compares what came out with what had to.
func differ(got, want []expected) error {
	var wrong []error
	for _, w := range want {
		if !slices.Contains(got, w) {
			wrong = append(wrong, fmt.Errorf("demo: missing: %v", w))
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			wrong = append(wrong, fmt.Errorf("demo: not expected: %v", g))
		}
	}
	return errors.Join(wrong...)
}
