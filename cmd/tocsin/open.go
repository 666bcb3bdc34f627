package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"tocsin/pipeline"
)

// loader reads configurations for this process.
func (a *app) loader() Loader { return newLoader(builtinWatchlists) }

// load reads the configuration and puts the command line's words over it.
func (a *app) load() (*Config, error) {
	l := a.loader()
	l.Force = a.force
	return a.loadBy(l)
}

// look is load for what only reads: it does without the secrets, which only the
// service's environment may hold, and does not try examples.
func (a *app) look() (*Config, error) {
	l := a.loader()
	l.NoSecrets, l.Untried = true, true
	return a.loadBy(l)
}

func (a *app) loadBy(l Loader) (*Config, error) {
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	cfg, err := l.Load(FindConfig(a.Config, exists))
	if err != nil {
		return nil, usageError(err)
	}
	cfg.Data = cmp.Or(a.Data, cfg.Data)
	cfg.NATS.URL = cmp.Or(a.NATS, cfg.NATS.URL)
	cfg.NATS.Creds = cmp.Or(a.Creds, cfg.NATS.Creds)
	return cfg, nil
}

// logger writes to standard error, as the configuration says.
func (a *app) logger(cfg *Config) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.Log.Level}
	if cfg.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(a.err, o))
	}
	return slog.New(slog.NewTextHandler(a.err, o))
}

// connect reaches somebody else's NATS server.
func connect(ctx context.Context, cfg *Config, log *slog.Logger) (*pipeline.Bus, error) {
	n := cfg.NATS
	return pipeline.Connect(ctx, pipeline.ConnectConfig{URL: n.URL, Creds: n.Creds, CA: n.CA, Cert: n.Cert, Key: n.Key, Log: log})
}

// bus reaches what is stored: through the running service, in the data
// directory, or on another NATS server.
func (a *app) bus() (*pipeline.Bus, error) {
	cfg, err := a.look()
	if err != nil {
		return nil, err
	}
	quiet := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelError}))
	if cfg.NATS.URL != "" {
		return connect(a.ctx, cfg, quiet)
	}
	if cfg.Data == "" {
		return nil, errNoData
	}
	b, err := pipeline.Open(a.ctx, pipeline.EmbedConfig{Dir: cfg.Data, Log: quiet})
	if errors.Is(err, pipeline.ErrNoData) {
		return nil, fmt.Errorf("%w: start tocsin run first, or name the directory with --data", err)
	}
	return b, err
}

var errNoData = usageError(errors.New("no data directory: name one with --data, or set HOME"))

// logs calls f with the logs, and closes what it opened.
func (a *app) logs(f func(*pipeline.Logs) error) error {
	b, err := a.bus()
	if err != nil {
		return err
	}
	l, err := pipeline.OpenLogs(a.ctx, b)
	if err == nil {
		err = f(l)
	}
	return errors.Join(err, b.Close())
}

// printJSON prints one value on a line.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
