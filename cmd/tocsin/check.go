package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"tocsin"
	"tocsin/notifiers"
	"tocsin/notifiers/slackapp"
	"tocsin/pipeline"
)

type checkCmd struct {
	Live  bool `help:"Also try the data directory or NATS, Slack and mail, and post a test to each Slack channel."`
	Force bool `help:"Note examples that fail, and take it all the same, as run --force does."`
}

func (checkCmd) Help() string {
	return `Names every fault of the configuration with its place, examples that fail
included. --live tries tokens, scopes and channels, and posts a message that is
marked as a test to each Slack channel; to mailboxes it sends nothing.

EXIT STATUS  0 all well · 1 something that --live tried does not work · 2 the configuration has faults`
}

// A checked thing is one line of output.
type checked struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Say  string `json:"say"`
}

func (c checkCmd) Run(a *app) error {
	a.force = c.Force
	cfg, err := a.load()
	if err != nil {
		return err
	}
	out := []checked{{"configuration", true, fmt.Sprintf("sources: %d, watchlists: %d, destinations: %d, subscriptions: %d; data in %s",
		len(cfg.Sources), len(cfg.Watchlists), len(cfg.Destinations), len(cfg.Subscriptions), where(cfg))}}
	if cfg.examples > 0 {
		out = append(out, checked{"examples", true, fmt.Sprintf("%d were tried", cfg.examples)})
	}
	for _, n := range cfg.Notes {
		out = append(out, checked{"note", true, n})
	}
	if c.Live {
		out = append(out, a.tryStore(cfg))
		out = append(out, a.tryKinds(cfg)...)
	}
	failed := false
	for _, l := range out {
		failed = failed || !l.OK
		if err := a.printChecked(l); err != nil {
			return err
		}
	}
	if failed {
		return &statusError{status: statusFailed}
	}
	return nil
}

func (a *app) printChecked(l checked) error {
	if a.JSON {
		return a.printJSON(l)
	}
	mark := "ok  "
	if !l.OK {
		mark = "FAIL"
	}
	_, err := fmt.Fprintf(a.out, "%s  %s: %s\n", mark, l.What, l.Say)
	return err
}

func (a *app) tryStore(cfg *Config) checked {
	quiet := slog.New(slog.DiscardHandler)
	if cfg.NATS.URL != "" {
		b, err := connect(a.ctx, cfg, quiet)
		if err != nil {
			return checked{"nats", false, err.Error()}
		}
		return checkedError("nats", b.Close(), "JetStream answers")
	}
	if cfg.Data == "" {
		return checked{"data", false, errNoData.Error()}
	}
	b, err := pipeline.Open(a.ctx, pipeline.EmbedConfig{Dir: cfg.Data, Log: quiet})
	if errors.Is(err, pipeline.ErrNoData) {
		s, err := pipeline.Embed(a.ctx, pipeline.EmbedConfig{Dir: cfg.Data, Log: quiet})
		if err != nil {
			return checked{"data", false, err.Error()}
		}
		return checkedError("data", s.Close(), cfg.Data+" can be used; nothing is stored yet")
	}
	if err != nil {
		return checked{"data", false, err.Error()}
	}
	return checkedError("data", b.Close(), cfg.Data+" answers")
}

func checkedError(what string, err error, well string) checked {
	if err != nil {
		return checked{what, false, err.Error()}
	}
	return checked{what, true, well}
}

func (a *app) tryKinds(cfg *Config) []checked {
	s := &service{serviceOptions: serviceOptions{Log: slog.New(slog.DiscardHandler), Terminal: io.Discard}, cfg: cfg}
	out, err := s.open(cfg)
	if err != nil {
		return []checked{{"destinations", false, err.Error()}}
	}
	defer out.close()
	var lines []checked
	for _, k := range notifiers.Kinds {
		c, ok := out.notifiers[k.Name].(notifiers.Checker)
		if !ok || !uses(cfg, k.Name) {
			continue
		}
		ctx, cancel := context.WithTimeout(a.ctx, 20*time.Second)
		well := "the credentials work"
		if k.Name == "terminal" {
			well = "it can be written to"
		}
		if k.Name != "slack" || len(cfg.Workspaces) == 0 { // several are tried one by one
			lines = append(lines, checkedError(k.Name, c.Check(ctx), well))
		}
		cancel()
	}
	for _, w := range cfg.allWorkspaces() {
		lines = append(lines, a.tryWorkspace(cfg, w, out)...)
	}
	return lines
}

// tryWorkspace tries the app of a Slack workspace and its channels.
func (a *app) tryWorkspace(cfg *Config, w Workspace, out *outside) (lines []checked) {
	ctx, cancel := context.WithTimeout(a.ctx, time.Minute)
	defer cancel()
	var channels []string
	for _, d := range cfg.Destinations {
		if d.Kind == "slack" && d.Workspace == w.Name && !slices.Contains(channels, d.To) {
			channels = append(channels, d.To)
		}
	}
	name := "slack"
	if w.Name != "" {
		name += " " + w.Name
	}
	well := true
	for _, f := range slackapp.Check(ctx, slackConfig(w, out, slackapp.Desk{}, slog.New(slog.DiscardHandler)), channels) {
		lines = append(lines, checkedError(name+" "+f.What, f.Err, f.Say))
		well = well && f.Err == nil
	}
	for _, ch := range channels {
		if well {
			err := postTest(ctx, out, tocsin.Destination{Name: "test", Kind: "slack", To: ch, Workspace: w.Name})
			lines = append(lines, checkedError(name+" test in "+ch, err, "a message that is marked as a test is there"))
		}
	}
	return lines
}

func uses(cfg *Config, kind string) bool {
	for _, d := range cfg.Destinations {
		if d.Kind == kind {
			return true
		}
	}
	return false
}
