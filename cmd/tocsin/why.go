package main

import (
	"fmt"
	"io"

	"tocsin/pipeline"
)

type whyCmd struct {
	URL string `arg:"" help:"The statement's address, or its GUID."`
}

func (whyCmd) Help() string {
	return `Tells of each stage: stored or not, what each watchlist says, which alert, which
deliveries. For an item that caused an event the watchlists' versions are those it
was decided with.

EXIT STATUS  0 found · 1 no item of that address is stored, or an error · 2 wrong usage`
}

func (c whyCmd) Run(a *app) error {
	return a.logs(func(l *pipeline.Logs) error {
		traces, err := l.Why(a.ctx, c.URL)
		if err != nil {
			return err
		}
		if a.JSON {
			for _, t := range traces {
				if err := a.printJSON(t); err != nil {
					return err
				}
			}
		}
		if len(traces) == 0 {
			return c.absent(a, l)
		}
		if !a.JSON {
			for _, t := range traces {
				explain(a.out, t)
			}
		}
		return nil
	})
}

// absent says what can be known of an address that no stored item has.
func (c whyCmd) absent(a *app, l *pipeline.Logs) error {
	all, err := savedStatus(a.ctx, l)
	if err != nil {
		return err
	}
	for _, s := range all {
		if sameHost(s.Source.URL, c.URL) {
			return fmt.Errorf("why: no stored item has this address. Source %s is on the same host: %s, last answer %s. Its feed may not list the statement, or under another address", s.Source.ID, s.Condition, stamp(s.Success))
		}
	}
	return fmt.Errorf("why: no stored item has this address, and no source is on its host: add one, see docs/configuration.md")
}

func explain(w io.Writer, t pipeline.Trace) {
	it := t.Item
	fmt.Fprintf(w, "%s\n%s\n", plainLine(it.Title), plainLine(it.URL))
	fmt.Fprintf(w, "  stored    %s as revision %d of %s/%s, record %d of ITEMS\n", stamp(it.Seen), it.Rev, it.Source, it.ID, t.Seq)
	if it.Baseline {
		fmt.Fprintf(w, "  baseline  it was there when the source was first read: told of in a summary, not sent by itself\n")
	}
	switch {
	case t.Quarantined != nil:
		fmt.Fprintf(w, "  matched   no: in quarantine since %s: %s\n", stamp(t.Quarantined.At), plainLine(t.Quarantined.Reason))
	case !t.Handled:
		fmt.Fprintf(w, "  matched   not yet\n")
	}
	for _, v := range t.Verdicts {
		if !v.Matched {
			fmt.Fprintf(w, "  watchlist %s: no match\n", v.Watchlist)
			continue
		}
		fmt.Fprintf(w, "  watchlist %s: matched", v.Watchlist)
		for i, s := range v.Spans {
			if i == 8 {
				fmt.Fprintf(w, " … %d more", len(v.Spans)-i)
				break
			}
			fmt.Fprintf(w, " [%s at %s %d]", s.Term, s.Field, s.Start)
		}
		fmt.Fprintln(w)
	}
	for _, ev := range t.Events {
		fmt.Fprintf(w, "  alert     %s: %s %s %s\n", ev.Alert, ev.Kind, stamp(ev.At), ev.Reason)
	}
	for _, d := range t.Deliveries {
		fmt.Fprintf(w, "  delivery  %s %s to %s: %s\n", stamp(d.At), d.Act, d.To, outcome(d))
	}
}
