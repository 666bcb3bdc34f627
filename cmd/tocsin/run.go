package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

type runCmd struct {
	Stages []string `default:"poll,match,send" sep:"," help:"What this process does: poll, match, send."`
	Force  bool     `help:"Although examples of watchlists fail."`
}

func (runCmd) Help() string {
	return `Without a configuration it watches the built-in sources for the built-in watchlist
and prints alerts here. SIGHUP reads the configuration again.

EXIT STATUS  0 stopped by a signal · 1 could not start or go on · 2 bad configuration or usage`
}

func (c runCmd) Run(a *app) error {
	for _, s := range c.Stages {
		if !slices.Contains([]string{"poll", "match", "send"}, s) {
			return usageError(fmt.Errorf("run: %q is no stage; the stages are poll, match and send", s))
		}
	}
	a.force = c.Force
	cfg, err := a.load()
	if err != nil {
		return err
	}
	go tidyMemory(a.ctx)
	log := a.logger(cfg)
	off, err := parseOff(os.Getenv("TOCSIN_OFF"))
	if err != nil {
		return err
	}
	began := time.Now()
	s, err := newService(a.ctx, cfg, serviceOptions{
		Log: log, Terminal: a.out, JSON: a.JSON, Off: off, Serve: true, Canary: true,
		Poll: slices.Contains(c.Stages, "poll"), Match: slices.Contains(c.Stages, "match"), Send: slices.Contains(c.Stages, "send"),
		Reload: a.hangups(log),
		Ready:  func() { log.Info("ready", "after", time.Since(began).Round(time.Millisecond)) },
	})
	if err != nil {
		return err
	}
	for _, n := range cfg.Notes {
		log.Warn("configuration", "note", n)
	}
	log.Info("watching", "sources", len(cfg.Sources), "watchlists", len(cfg.Watchlists), "data", where(cfg), "version", version, "off", os.Getenv("TOCSIN_OFF"))
	err = s.Run(a.ctx)
	if a.ctx.Err() != nil {
		log.Info("stopping", "why", context.Cause(a.ctx))
	}
	return errors.Join(err, s.Close())
}

// where says where things are stored, without what is secret in an address.
func where(cfg *Config) string {
	if cfg.NATS.URL != "" {
		return "NATS"
	}
	return cmp.Or(cfg.Data, "no directory: name one with --data, or set HOME")
}

// hangups reads the configuration again at each SIGHUP. One with faults is told
// of and changes nothing.
func (a *app) hangups(log *slog.Logger) <-chan *Config {
	out := make(chan *Config)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, hangup)
	context.AfterFunc(a.ctx, func() { signal.Stop(signals) })
	go func() {
		for {
			select {
			case <-a.ctx.Done():
				return
			case <-signals:
			}
			cfg, err := a.load()
			if err != nil {
				for line := range strings.Lines(err.Error()) {
					log.Error("configuration not taken; the old one stays", "err", strings.TrimSpace(line))
				}
				continue
			}
			select {
			case <-a.ctx.Done():
			case out <- cfg:
			}
		}
	}()
	return out
}
