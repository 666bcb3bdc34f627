package main

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/notifiers/slackapp"
)

// slackCalls reports whether Slack reaches an app over HTTP.
func (c *Config) slackCalls() bool {
	return slices.ContainsFunc(c.allWorkspaces(), func(w Workspace) bool { return w.SigningSecret != "" })
}

// runSlack runs the apps that people talk to, as the configuration of the moment
// has them, until ctx ends.
func (s *service) runSlack(ctx context.Context) error {
	seen := map[string]*slackapp.Seen{} // by workspace; a reload forgets none
	for ctx.Err() == nil {
		run, cancel := context.WithCancel(ctx)
		g, run := errgroup.WithContext(run)
		cfg, mux := s.config(), http.NewServeMux()
		for _, w := range cfg.allWorkspaces() {
			if !w.hears() {
				continue
			}
			if seen[w.Name] == nil {
				seen[w.Name] = slackapp.NewSeen(time.Now())
			}
			a, err := s.slackApp(w, seen[w.Name])
			if err != nil {
				s.Log.Error("slack app not started", "workspace", w.Name, "err", err)
				continue
			}
			if w.SigningSecret != "" {
				h, err := a.Handler()
				if err != nil {
					s.Log.Error("slack app not reachable over HTTP", "workspace", w.Name, "err", err)
					continue
				}
				mux.Handle(slackPath(cfg.PublicURL, w), h)
			}
			g.Go(func() error { return a.Run(run) })
		}
		s.calls.Store(mux)
		select {
		case <-ctx.Done():
		case <-s.renewed:
		}
		cancel()
		if err := g.Wait(); err != nil && ctx.Err() == nil {
			s.Log.Error("slack app ended", "err", err)
		}
	}
	return nil
}

func (s *service) slackApp(w Workspace, seen *slackapp.Seen) (*slackapp.App, error) {
	d := &workspaceDesk{s: s, workspace: w.Name}
	c := slackConfig(w, s.outside.Load(), d.desk(), s.Log)
	c.Seen = seen
	c.Trouble = func(text string) {
		if key := "slackapp." + w.Name; text == "" {
			s.operators.Clear(key)
		} else {
			s.operators.Report(key, strings.TrimSpace("Slack "+w.Name)+": "+text)
		}
	}
	return slackapp.New(c)
}

func slackConfig(w Workspace, out *outside, desk slackapp.Desk, log *slog.Logger) slackapp.Config {
	return slackapp.Config{
		Name: w.Name, Token: w.Token, AppToken: w.AppToken, SigningSecret: w.SigningSecret, API: w.API,
		HTTP: out.http, MayChange: w.MayChange, Desk: desk, Log: log,
	}
}

// slackPath is where Slack calls the app of a workspace: below the path of
// public_url, if that has one.
func slackPath(public string, w Workspace) string {
	path := ""
	if u, err := url.Parse(public); err == nil {
		path = strings.TrimRight(u.Path, "/")
	}
	return path + "/slack/" + cmp.Or(w.Name, "app")
}

// publicHandler serves what Slack calls, and the callbacks of hubs.
func (s *service) publicHandler() http.Handler {
	hubs := s.poller.Callbacks()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if mux := s.calls.Load(); mux != nil {
			if h, pattern := mux.Handler(r); pattern != "" {
				h.ServeHTTP(w, r)
				return
			}
		}
		if hubs == nil {
			http.NotFound(w, r)
			return
		}
		hubs.ServeHTTP(w, r)
	})
}
