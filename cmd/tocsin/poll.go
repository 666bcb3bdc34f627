package main

import (
	"cmp"
	"context"
	"iter"

	"tocsin"
	"tocsin/feeds"
	"tocsin/feeds/fetch"
	"tocsin/pipeline"
)

// newPoller is the poll stage over the pipeline's logs.
func (s *service) newPoller() *feeds.Poller {
	p := &feeds.Poller{
		Log:        pollerLog{s.logs},
		Get:        s.get,
		Before:     func(r fetch.Response) { suffer(r.Body) },
		Quarantine: s.logs.Quarantine,
		Recall:     s.wasLast,
		Report:     s.trouble,
		Keep:       s.logs.Keep,
		Stored:     s.logs.Item,
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
	if s.canary != nil && url == canaryURL {
		return s.canary.fetch.Get(ctx, url, v)
	}
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
