package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tocsin/feeds"
	"tocsin/pipeline"
)

type sourceStatusCmd struct {
	Bad bool `help:"Only those that are not well."`
}

func (sourceStatusCmd) Help() string {
	return `One line a source: its state and since when, when its last new item and its last
answer came, and what to do. At most a minute old while the service runs, and as it
ended when it does not. docs/sources.md tells what each state means.

` + readStatus
}

func (c sourceStatusCmd) Run(a *app) error {
	return a.logs(func(l *pipeline.Logs) error {
		all, err := savedStatus(a.ctx, l)
		if err != nil {
			return err
		}
		if c.Bad {
			all = slices.DeleteFunc(all, func(s savedSource) bool { return s.Condition.Well() && s.Condition != feeds.Moved })
		}
		if a.JSON {
			for _, s := range all {
				if err := a.printJSON(s.SourceStatus); err != nil {
					return err
				}
			}
			return nil
		}
		return writeStatus(a.out, all)
	})
}

// writeStatus is the table of sources.
func writeStatus(out io.Writer, all []savedSource) error {
	if len(all) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SOURCE\tSTATE\tSINCE\tLAST NEW\tLAST ANSWER\tWHAT IS WRONG, AND WHAT TO DO")
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Source.ID, s.Condition, minute(s.Since), minute(s.NewItem), minute(s.Success), advice(s.SourceStatus))
	}
	return w.Flush()
}

// minute is a time as a table holds it.
func minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

// advice is what is wrong with a source and what to do about it.
func advice(s feeds.SourceStatus) string {
	say := plainLine(cmp.Or(s.What, s.Err))
	if s.Do != "" && (s.What != "" || !strings.Contains(say, "; ")) { // errors of fetching end with what to do
		say = strings.TrimPrefix(say+"; "+s.Do, "; ")
	}
	return say
}

// A savedSource is how a source was at a time.
type savedSource struct {
	feeds.SourceStatus
	At time.Time
}

// savedStatus is how the sources were last, whichever process watched them, in
// order of their IDs.
func savedStatus(ctx context.Context, l *pipeline.Logs) ([]savedSource, error) {
	parts, err := l.Statuses(ctx, 0)
	if err != nil {
		return nil, err
	}
	latest := map[string]savedSource{}
	for _, p := range parts {
		var some savedPart
		if err := json.Unmarshal(p, &some); err != nil {
			return nil, fmt.Errorf("read status: %w", err)
		}
		for _, s := range some.Sources {
			if old, ok := latest[s.Source.ID]; !ok || later(some.At, s, old) {
				latest[s.Source.ID] = savedSource{s, some.At}
			}
		}
	}
	var out []savedSource
	for _, s := range latest {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b savedSource) int { return strings.Compare(a.Source.ID, b.Source.ID) })
	return out, nil
}

// later reports whether s, which was saved at a time, says more than old.
func later(at time.Time, s feeds.SourceStatus, old savedSource) bool {
	if !s.Success.Equal(old.Success) {
		return s.Success.After(old.Success)
	}
	return at.After(old.At)
}

// A savedPart is part of what a process keeps of its sources.
type savedPart struct {
	V       int                  `json:"v"`
	At      time.Time            `json:"at"`
	Sources []feeds.SourceStatus `json:"sources"`
}

const (
	statusEvery = time.Minute
	statusPart  = 300 // sources a part: below the largest message
)

// recall reads how sources were when they were last watched, by this process or
// another. What cannot be read is as if it was not known.
func (s *service) recall() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // a share of sources has to be taken over soon
	defer cancel()
	all, err := savedStatus(ctx, s.logs)
	if err != nil {
		s.Log.Warn("how sources were is not known", "err", err)
	}
	known := make(map[string]feeds.SourceStatus, len(all))
	for _, st := range all {
		known[st.Source.ID] = st.SourceStatus
	}
	s.known.Store(&known)
}

// wasLast is how a source was when it was last watched.
func (s *service) wasLast(source string) feeds.SourceStatus {
	if known := s.known.Load(); known != nil {
		return (*known)[source]
	}
	return feeds.SourceStatus{}
}

// saveStatus keeps how the sources are, every minute and at the end.
func (s *service) saveStatus(ctx context.Context) error {
	soon := time.NewTimer(5 * time.Second)
	defer soon.Stop()
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		end := false
		select {
		case <-ctx.Done():
			end = true
		case <-soon.C:
		case <-tick.C:
		}
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		err := s.saveStatusOnce(call)
		cancel()
		if err != nil {
			s.Log.Warn("status not saved", "err", err)
		}
		if end {
			return nil
		}
	}
}

func (s *service) saveStatusOnce(ctx context.Context) error {
	all := s.poller.Status()
	for n := 0; n*statusPart < len(all) || n == 0; n++ {
		part := savedPart{1, time.Now().UTC(), all[n*statusPart : min(len(all), (n+1)*statusPart)]}
		data, err := json.Marshal(part)
		if err != nil {
			return err
		}
		if err := s.logs.SaveStatus(ctx, n, data); err != nil {
			return err
		}
	}
	return nil
}
