package main

import (
	"errors"
	"fmt"
	"log/slog"

	"tocsin/pipeline"
)

type backupCmd struct {
	Dir string `arg:"" help:"A directory that does not exist yet, or is empty."`
}

func (backupCmd) Help() string { return "EXIT STATUS  0 done · 1 an error · 2 wrong usage" }

func (c backupCmd) Run(a *app) error {
	b, err := a.bus()
	if err != nil {
		return err
	}
	m, err := pipeline.Backup(a.ctx, b, c.Dir)
	if err := errors.Join(err, b.Close()); err != nil {
		return err
	}
	return a.printManifest("backed up", m)
}

type restoreCmd struct {
	Dir string `arg:"" help:"What tocsin backup wrote."`
}

func (restoreCmd) Help() string {
	return `The data directory (or NATS server) must hold nothing of tocsin yet.

EXIT STATUS  0 done · 1 an error · 2 wrong usage`
}

func (c restoreCmd) Run(a *app) error {
	cfg, err := a.look()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if cfg.NATS.URL != "" {
		b, err := connect(a.ctx, cfg, log)
		if err != nil {
			return err
		}
		m, err := pipeline.Restore(a.ctx, b, c.Dir)
		if err := errors.Join(err, b.Close()); err != nil {
			return err
		}
		return a.printManifest("restored", m)
	}
	if cfg.Data == "" {
		return errNoData
	}
	if _, err := pipeline.ReadBackup(c.Dir); err != nil {
		return err
	}
	s, err := pipeline.Embed(a.ctx, pipeline.EmbedConfig{Dir: cfg.Data, Log: log})
	if err != nil {
		return err
	}
	m, err := pipeline.Restore(a.ctx, s.Bus(), c.Dir)
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	return a.printManifest("restored", m)
}

func (a *app) printManifest(what string, m pipeline.Manifest) error {
	if a.JSON {
		return a.printJSON(m)
	}
	for _, s := range m.Streams {
		if _, err := fmt.Fprintf(a.out, "%s %s: %d records up to %d\n", what, s.Name, s.Messages, s.Last); err != nil {
			return err
		}
	}
	return nil
}
