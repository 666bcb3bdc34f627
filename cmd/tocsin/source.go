package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tocsin/feeds"
	"tocsin/pipeline"
)

type sourceCmd struct {
	List    sourceListCmd    `cmd:"" help:"List the sources, and where each comes from."`
	Show    sourceShowCmd    `cmd:"" help:"Print one."`
	Add     sourceAddCmd     `cmd:"" help:"Add one to what the service watches, or change one that was added."`
	Probe   sourceProbeCmd   `cmd:"" help:"Find out how an address can be watched, and what would be seen."`
	Import  sourceImportCmd  `cmd:"" help:"Add the sources of an OPML file."`
	Export  sourceExportCmd  `cmd:"" help:"Print the sources as OPML, or as configuration."`
	Audit   sourceAuditCmd   `cmd:"" help:"Look at every source once, from here, and print one table."`
	Rm      sourceRmCmd      `cmd:"" help:"Remove one that was added."`
	History sourceHistoryCmd `cmd:"" help:"List its versions: who changed what, and when."`
	Status  sourceStatusCmd  `cmd:"" help:"Say how each source is, as the service last knew."`
}

// Help ends what tocsin source --help prints.
func (sourceCmd) Help() string { return readStatus }

type sourceStatusCmd struct {
	Bad bool `help:"Only those that are not well."`
}

func (sourceStatusCmd) Help() string {
	return "At most a minute old while the service runs.\n\n" + readStatus
}

func (c sourceStatusCmd) Run(a *app) error {
	return a.logs(func(l *pipeline.Logs) error {
		all, err := savedStatus(a.ctx, l)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
		for _, s := range all {
			if c.Bad && (s.Condition == feeds.OK || s.Condition == feeds.Waiting) {
				continue
			}
			if a.JSON {
				if err := a.printJSON(s); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(w, "%s\t%s\tsince %s\tlast answer %s\tlast new %s\t%s\n", s.Source.ID, s.Condition, stamp(s.Since), stamp(s.Success), stamp(s.NewItem), plainLine(s.Err))
		}
		return w.Flush()
	})
}

func savedStatus(ctx context.Context, l *pipeline.Logs) ([]feeds.SourceStatus, error) {
	parts, err := l.Statuses(ctx, 0)
	if err != nil {
		return nil, err
	}
	latest := map[string]feeds.SourceStatus{}
	for _, p := range parts {
		var some savedPart
		if err := json.Unmarshal(p, &some); err != nil {
			return nil, fmt.Errorf("read status: %w", err)
		}
		for _, s := range some.Sources {
			if old, ok := latest[s.Source.ID]; !ok || s.Success.After(old.Success) {
				latest[s.Source.ID] = s
			}
		}
	}
	var out []feeds.SourceStatus
	for _, s := range latest {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b feeds.SourceStatus) int { return strings.Compare(a.Source.ID, b.Source.ID) })
	return out, nil
}

// A savedPart is part of what a process keeps of its sources.
type savedPart struct {
	V       int                  `json:"v"`
	At      time.Time            `json:"at"`
	Sources []feeds.SourceStatus `json:"sources"`
}

const (
	statusEvery = time.Minute
	statusPart  = 500 // sources a part: below the largest message
)

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
