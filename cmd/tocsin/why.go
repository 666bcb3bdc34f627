package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"tocsin"
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
			return noItemAt(a.ctx, l, c.URL)
		}
		if a.JSON {
			return nil
		}
		w, err := l.Wanted(a.ctx)
		if err != nil {
			return err
		}
		for i, t := range traces {
			tell(a.out, t, func(v pipeline.Verdict) string { return lacking(w, t.Item, v) })
			tellChanges(a.out, traces[:i], t)
		}
		return nil
	})
}

// lacking is what an item lacks to match a watchlist, by its query as it was
// then and lists as they are now.
func lacking(w *pipeline.Wanted, it tocsin.Item, v pipeline.Verdict) string {
	list := w.Watchlists[v.Watchlist].Watchlist
	if list == nil {
		return ""
	}
	r, err := w.Rule(tocsin.Watchlist{Query: v.Query, Stem: list.Stem})
	if err != nil {
		return ""
	}
	if s := firstMissing(r.Miss(pipeline.Document(it, w.Source(it.Source)))); s != "" {
		return ": " + oneLineText(s, 300)
	}
	return ""
}

// noItemAt says what can be known of an address that no stored item has.
func noItemAt(ctx context.Context, l *pipeline.Logs, address string) error {
	all, err := savedStatus(ctx, l)
	if err != nil {
		return err
	}
	for _, s := range all {
		if sameHost(s.Source.URL, address) {
			return fmt.Errorf("why: no stored item has this address. Source %s is on the same host: %s, last answer %s. Its feed may not list the statement, or under another address", s.Source.ID, s.Condition, stamp(s.Success))
		}
	}
	return fmt.Errorf("why: no stored item has this address, and no source is on its host: add one, see docs/configuration.md")
}

// tellChanges says what a publisher changed between the revision before and t.
func tellChanges(w io.Writer, before []pipeline.Trace, t pipeline.Trace) {
	for i := len(before) - 1; i >= 0; i-- {
		old := before[i].Item
		if old.Source != t.Item.Source || old.ID != t.Item.ID {
			continue
		}
		for _, ch := range pipeline.Changes(old, t.Item) {
			fmt.Fprintf(w, "  changed   %s: %s\n", ch.Field, plainLine(changeText(ch)))
		}
		return
	}
}

func tell(w io.Writer, t pipeline.Trace, lacks func(pipeline.Verdict) string) {
	it := t.Item
	fmt.Fprintf(w, "%s\n%s\n", plainLine(it.Title), plainLine(it.URL))
	fmt.Fprintf(w, "  stored    %s as revision %d of %s/%s, record %d of ITEMS\n", stamp(it.Seen), it.Rev, it.Source, it.ID, t.Seq)
	if it.Baseline {
		fmt.Fprintf(w, "  baseline  it was there when the source was first read: told of in a summary, not sent by itself\n")
	}
	if p := it.Page; p != nil {
		fmt.Fprintf(w, "  page      %s %s%s\n", stamp(p.At), p.State, pageNote(p))
	}
	if !it.Withdrawn.IsZero() {
		fmt.Fprintf(w, "  withdrawn %s: it had left its source and nothing was at its address\n", stamp(it.Withdrawn))
	}
	switch {
	case t.Quarantined != nil:
		fmt.Fprintf(w, "  matched   no: in quarantine since %s: %s\n", stamp(t.Quarantined.At), plainLine(t.Quarantined.Reason))
	case !t.Handled:
		fmt.Fprintf(w, "  matched   not yet\n")
	}
	for _, v := range t.Verdicts {
		tellVerdict(w, it, v, lacks)
	}
	for _, ev := range t.Events {
		fmt.Fprintf(w, "  alert     %s: %s %s %s\n", ev.Alert, ev.Kind, stamp(ev.At), ev.Reason)
	}
	if t.Alert != nil && len(t.Events) == 0 {
		fmt.Fprintf(w, "  alert     %s: this record added nothing to it\n", t.Alert.ID)
	}
	for _, d := range t.Deliveries {
		fmt.Fprintf(w, "  delivery  %s %s to %s: %s\n", stamp(d.At), d.Act, d.To, outcome(d))
	}
}

func tellVerdict(w io.Writer, it tocsin.Item, v pipeline.Verdict, lacks func(pipeline.Verdict) string) {
	if !v.Matched {
		fmt.Fprintf(w, "  watchlist %s: no match%s\n", v.Watchlist, lacks(v))
		return
	}
	fmt.Fprintf(w, "  watchlist %s: matched%s\n", v.Watchlist, placesIn(it, v.Spans))
	if v.Branch != "" && (len(v.Spans) != 1 || v.Branch != v.Spans[0].Term) {
		fmt.Fprintf(w, "            by %s\n", plainLine(v.Branch))
	}
}

func pageNote(p *tocsin.Page) string {
	switch p.State {
	case tocsin.PageRead:
		return fmt.Sprintf(": %d bytes of text, %d of the rest", len(p.Text), len(p.Rest))
	case tocsin.PagePDF:
		return ": not read: " + plainLine(strings.Join(p.Documents, " "))
	case tocsin.PageUnread:
		return ": " + plainLine(p.Why)
	}
	return ": nothing is at its address"
}

// maxPlaces is how many places of matched words are told.
const maxPlaces = 8

// placesIn says where matched words stand: a term of the query as it is written
// there, one of a list as the text has it, with the list's name.
func placesIn(it tocsin.Item, spans []tocsin.Span) string {
	var b strings.Builder
	for i, s := range spans {
		if i == maxPlaces {
			fmt.Fprintf(&b, " … %d more", len(spans)-i)
			break
		}
		text := map[string]string{tocsin.FieldTitle: it.Title, tocsin.FieldText: it.Said()}[s.Field]
		fmt.Fprintf(&b, " [%s at %s %d]", termIn(text, s), s.Field, s.Start)
	}
	return b.String()
}

// termIn is a term of a query, or what a term of a list covers of text, with the
// list's name: 미사일: @ballistic-missile.
func termIn(text string, s tocsin.Span) string {
	if s.List == "" {
		return plainLine(s.Term)
	}
	found := s.Term
	if s.Start >= 0 && s.Start <= s.End && s.End <= len(text) {
		found = text[s.Start:s.End]
	}
	return strings.Join(strings.Fields(plainLine(found)), " ") + ": @" + s.List
}
