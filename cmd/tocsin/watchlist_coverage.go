package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds"
	"tocsin/pipeline"
)

type watchlistCoverageCmd struct {
	Name string `arg:"" help:"The watchlist."`
}

func (watchlistCoverageCmd) Help() string {
	return `The sources that the query does not leave out by source:, country: or kind:, how many
of them are well, in which times items may have come and gone unseen, and which source
has not answered for longest. At most a minute old while the service runs.

EXIT STATUS  0 done · 1 an error, or nothing of that name · 2 wrong usage`
}

// A coverage is what a watchlist can see. Its shape is a promise, see
// docs/formats.md.
type coverage struct {
	Watchlist string        `json:"watchlist"`
	At        time.Time     `json:"at,omitzero"` // as of when; zero where no source was watched yet
	Sources   int           `json:"sources"`     // that the query does not leave out
	Well      int           `json:"well"`        // of them
	Waiting   int           `json:"waiting"`     // not polled yet
	LeftOut   int           `json:"left_out"`    // by the query
	Bad       []badSource   `json:"bad"`
	Silent    []string      `json:"silent"`  // that are silent for longer than their rhythm allows
	Gaps      []sourceGap   `json:"gaps"`    // of the last 30 days, newest first
	Delay     time.Duration `json:"delay"`   // since the source that has not answered for longest did, in nanoseconds: so old what it published may be
	Slowest   string        `json:"slowest"` // that source, "" if none ever answered
}

type badSource struct {
	Source    string          `json:"source"`
	Condition feeds.Condition `json:"condition"`
	Since     time.Time       `json:"since,omitzero"`
	NewItem   time.Time       `json:"new_item,omitzero"`
	Success   time.Time       `json:"success,omitzero"`
	Do        string          `json:"do,omitempty"`

	status savedSource
}

type sourceGap struct {
	Source string `json:"source"`
	feeds.Gap
}

func (c watchlistCoverageCmd) Run(a *app) error {
	v, err := a.vocabulary()
	if err != nil {
		return err
	}
	x, err := v.watchlist(c.Name)
	if err != nil {
		return err
	}
	return a.logs(func(l *pipeline.Logs) error {
		w, err := l.Wanted(a.ctx)
		if err != nil {
			return err
		}
		rule, err := w.Rule(x)
		if err != nil {
			return fmt.Errorf("watchlist %s: %w", c.Name, err)
		}
		all, err := savedStatus(a.ctx, l)
		if err != nil {
			return err
		}
		cov := coverageOf(c.Name, rule.Reaches, withUnseen(all, allSources(v.cfg.Sources, w.Added())))
		if a.JSON {
			return a.printJSON(cov)
		}
		return cov.write(a)
	})
}

// withUnseen adds the sources that no process has watched yet.
func withUnseen(all []savedSource, sources []tocsin.Source) []savedSource {
	for _, s := range sources {
		if !slices.ContainsFunc(all, func(o savedSource) bool { return o.Source.ID == s.ID }) {
			all = append(all, savedSource{SourceStatus: feeds.SourceStatus{Source: s, Condition: feeds.Waiting}})
		}
	}
	return all
}

func coverageOf(name string, reaches func(tocsin.Source) bool, all []savedSource) coverage {
	c := coverage{Watchlist: name, Bad: []badSource{}, Silent: []string{}, Gaps: []sourceGap{}}
	for _, s := range all {
		if !reaches(s.Source) {
			c.LeftOut++
			continue
		}
		c.Sources++
		if s.At.After(c.At) {
			c.At = s.At
		}
		c.add(s)
	}
	slices.SortStableFunc(c.Gaps, func(a, b sourceGap) int { return b.To.Compare(a.To) })
	return c
}

func (c *coverage) add(s savedSource) {
	switch {
	case s.Condition == feeds.Waiting:
		c.Waiting++
	case s.Condition.Well():
		c.Well++
	default:
		c.Bad = append(c.Bad, badSource{s.Source.ID, s.Condition, s.Since, s.NewItem, s.Success, s.Do, s})
	}
	if s.Condition == feeds.Frozen {
		c.Silent = append(c.Silent, s.Source.ID)
	}
	for _, g := range s.Gaps {
		if !g.Closed {
			c.Gaps = append(c.Gaps, sourceGap{s.Source.ID, g})
		}
	}
	if late := s.At.Sub(s.Success); !s.Success.IsZero() && (late > c.Delay || c.Slowest == "") {
		c.Delay, c.Slowest = late, s.Source.ID
	}
}

func (c coverage) write(a *app) error {
	as := "no source was watched yet"
	if !c.At.IsZero() {
		as = "as of " + stamp(c.At)
	}
	fmt.Fprintf(a.out, "%s: %d of %d sources are well, %s\n", c.Watchlist, c.Well, c.Sources, as)
	if c.Waiting > 0 {
		fmt.Fprintf(a.out, "not polled yet: %d\n", c.Waiting)
	}
	if c.LeftOut > 0 {
		fmt.Fprintf(a.out, "left out by the query: %d\n", c.LeftOut)
	}
	if c.Slowest != "" {
		fmt.Fprintf(a.out, "largest delay: %s, since %s last answered\n", c.Delay.Round(time.Second), c.Slowest)
	}
	if len(c.Silent) > 0 {
		fmt.Fprintf(a.out, "silent for too long: %s\n", strings.Join(c.Silent, ", "))
	}
	for _, g := range c.Gaps {
		fmt.Fprintf(a.out, "gap: %s, %s\n", g.Source, plainLine(g.Gap.String()))
	}
	if len(c.Bad) == 0 {
		return nil
	}
	fmt.Fprintln(a.out)
	var bad []savedSource
	for _, b := range c.Bad {
		bad = append(bad, b.status)
	}
	return writeStatus(a.out, bad)
}
