package main

import (
	"context"
	"reflect"
	"strings"

	"tocsin/pipeline"
)

// provision is what a configuration asks of the pipeline.
func provision(cfg *Config) pipeline.Provision {
	return pipeline.Provision{
		Revision: cfg.Revision, Sources: cfg.Sources, Watchlists: cfg.Watchlists, Lists: cfg.Lists, At: cfg.At,
		Destinations: cfg.Destinations, Subscriptions: cfg.Subscriptions,
	}
}

// apply makes what people ask for what the file says. Operators hear of what it
// took from people who had added it.
func (s *service) apply(ctx context.Context, cfg *Config) error {
	notes, err := s.logs.Apply(ctx, provision(cfg))
	for _, n := range notes {
		s.Log.Warn("configuration", "note", n)
	}
	if len(notes) > 0 {
		s.operators.Report("configuration", strings.Join(notes, "\n"))
	} else if err == nil {
		s.operators.Clear("configuration")
	}
	return err
}

// own takes the share of sources that this process polls.
func (s *service) own(mine func(string) bool) {
	s.mu.Lock()
	s.mine = mine
	s.mu.Unlock()
	s.setSources()
	s.mu.Lock()
	s.taken = mine
	s.mu.Unlock()
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
	if old.Data != cfg.Data || old.Listen != cfg.Listen || old.PublicURL != cfg.PublicURL || old.NATS != cfg.NATS {
		s.Log.Warn("data, listen, public_url and nats are read at the start only: restart to change them")
		cfg.Data, cfg.Listen, cfg.PublicURL, cfg.NATS = old.Data, old.Listen, old.PublicURL, old.NATS
	}
	var out *outside
	if !reflect.DeepEqual([]any{old.Slack, old.Workspaces, old.Email, old.Fetch, old.Contact}, []any{cfg.Slack, cfg.Workspaces, cfg.Email, cfg.Fetch, cfg.Contact}) {
		var err error
		if out, err = s.open(cfg); err != nil {
			return err
		}
	}
	if err := s.apply(ctx, cfg); err != nil {
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
	s.mu.Unlock()
	if !reflect.DeepEqual(old.allWorkspaces(), cfg.allWorkspaces()) || out != nil {
		select {
		case s.renewed <- struct{}{}:
		default:
		}
	}
	s.setSources()
	s.operators.Set(operatorDestinations(cfg))
	return nil
}
