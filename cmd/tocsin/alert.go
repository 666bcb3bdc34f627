package main

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tocsin"
	"tocsin/pipeline"
)

type alertCmd struct {
	List   alertListCmd   `cmd:"" help:"List alerts, newest first."`
	Show   alertShowCmd   `cmd:"" help:"Tell the story of one alert."`
	Export alertExportCmd `cmd:"" help:"Write alerts with their deliveries as CSV or JSON lines."`
}

// Help ends what tocsin alert --help prints.
func (alertCmd) Help() string { return readStatus }

const readStatus = "EXIT STATUS  0 done · 1 an error, or nothing of that name · 2 wrong usage"

type alertListCmd struct {
	Limit int `short:"n" default:"20" help:"How many; 0 is all."`
}

func (alertListCmd) Help() string { return readStatus }

func (c alertListCmd) Run(a *app) error {
	return a.logs(func(l *pipeline.Logs) error {
		stories, err := l.Stories(a.ctx)
		if err != nil {
			return err
		}
		if c.Limit > 0 && len(stories) > c.Limit {
			stories = stories[len(stories)-c.Limit:]
		}
		w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
		for i := len(stories) - 1; i >= 0; i-- {
			s := stories[i]
			if a.JSON {
				if err := a.printJSON(s.Alert); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Alert.ID, stamp(s.Alert.Opened), lists(s.Alert), copies(s.Alert), plainLine(s.Alert.First().Title))
		}
		return w.Flush()
	})
}

func lists(al tocsin.Alert) string {
	var names []string
	for _, m := range al.Matches {
		names = append(names, m.Watchlist)
	}
	return strings.Join(names, ",")
}

func copies(al tocsin.Alert) string {
	if n := len(al.Copies); n > 1 {
		return fmt.Sprintf("%d copies", n)
	}
	return cmp.Or(al.First().Publisher, al.First().Source)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// plainLine is foreign text on one line, without control characters.
func plainLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, s)
}

type alertShowCmd struct {
	ID  string `arg:"" help:"The alert, as alert list names it."`
	Raw bool   `help:"Print what was fetched, byte for byte: each page and document with its address, time and SHA-256."`
	To  string `placeholder:"DIR" help:"With --raw: write the bytes into files of this directory instead."`
}

func (alertShowCmd) Help() string { return readStatus }

func (c alertShowCmd) Run(a *app) error {
	if c.To != "" && !c.Raw {
		return usageError(errors.New("--to is for --raw"))
	}
	return a.logs(func(l *pipeline.Logs) error {
		stories, err := l.Stories(a.ctx)
		if err != nil {
			return err
		}
		for _, s := range stories {
			switch {
			case s.Alert.ID != c.ID:
				continue
			case c.Raw:
				return c.showRaw(a, l, s.Alert)
			case a.JSON:
				return a.printJSON(s)
			}
			showStory(a.out, s)
			return nil
		}
		return fmt.Errorf("alert %q: there is none of this name; see: tocsin alert list", c.ID)
	})
}

func showStory(w io.Writer, s pipeline.Story) {
	first := s.Alert.First()
	fmt.Fprintf(w, "%s\n%s\n", plainLine(first.Title), plainLine(first.URL))
	fmt.Fprintf(w, "\nopened %s\n", stamp(s.Alert.Opened))
	for _, m := range s.Alert.Matches {
		found := terms(s.Alert, m)
		fmt.Fprintf(w, "matched %s: %s\n", m.Watchlist, strings.Join(found, ", "))
		if m.Branch != "" && (len(found) != 1 || m.Branch != found[0]) {
			fmt.Fprintf(w, "  by %s\n", plainLine(m.Branch))
		}
	}
	if text := s.Alert.Excerpt; text != "" {
		whole := passage{0, len(text), inField(s.Alert.Marks, tocsin.FieldText)}
		fmt.Fprintf(w, "\n  %s\n", whole.show(text, markerFor(w)))
	}
	fmt.Fprintln(w)
	for _, ev := range s.Events {
		what := ev.Kind
		if ev.Reason != "" {
			what += " (" + ev.Reason + ")"
		}
		if ev.Copy.Page == tocsin.PagePDF {
			what += ", PDF not read,"
		}
		fmt.Fprintf(w, "%s  %s by %s  %s\n", stamp(ev.At), what, plainLine(cmp.Or(ev.Copy.Publisher, ev.By)), plainLine(ev.Copy.URL))
		for _, ch := range ev.Changes {
			fmt.Fprintf(w, "  %s: … %s\n", ch.Field, plainLine(changeText(ch)))
		}
	}
	for _, d := range s.Deliveries {
		fmt.Fprintf(w, "%s  %s to %s: %s\n", stamp(d.At), d.Act, d.To, outcome(d))
	}
}

// terms are what matched, each once: terms of the query, and words that terms of
// lists found.
func terms(al tocsin.Alert, m tocsin.Match) []string {
	var out []string
	for _, s := range m.Spans {
		text, at := "", s
		if s.Field == tocsin.FieldTitle {
			text = al.First().Title
		} else if i := slices.IndexFunc(al.Marks, func(k tocsin.Span) bool { return k.Field == s.Field && k.Term == s.Term && k.List == s.List }); i >= 0 {
			text, at = al.Excerpt, al.Marks[i]
		}
		if t := termIn(text, at); !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// outcome says what became of a delivery.
func outcome(d pipeline.Delivered) string {
	s := d.Kind
	if d.Ref != "" {
		s += " as " + d.Ref
	}
	if d.Repeat {
		s += ", possibly twice"
	}
	if d.Why != "" {
		s += ": " + plainLine(d.Why)
	}
	return s
}

type alertExportCmd struct {
	Since  string `placeholder:"DATE" help:"Alerts opened at or after this: 2024-01-10 or RFC 3339."`
	Until  string `placeholder:"DATE" help:"Alerts opened before this."`
	Format string `enum:"csv,jsonl" default:"csv" help:"csv or jsonl."`
}

func (alertExportCmd) Help() string {
	return `One row (csv) for each alert and delivery, one object (jsonl) for each alert. Cells
that a spreadsheet would take for a formula begin with an apostrophe.

` + readStatus
}

func (c alertExportCmd) Run(a *app) error {
	since, err := day1(c.Since)
	if err != nil {
		return usageError(err)
	}
	until, err := day1(c.Until)
	if err != nil {
		return usageError(err)
	}
	return a.logs(func(l *pipeline.Logs) error {
		stories, err := l.Stories(a.ctx)
		if err != nil {
			return err
		}
		rows := csv.NewWriter(a.out)
		if c.Format == "csv" {
			_ = rows.Write(exportColumns)
		}
		for _, s := range stories {
			if s.Alert.Opened.Before(since) || !until.IsZero() && !s.Alert.Opened.Before(until) {
				continue
			}
			if c.Format == "jsonl" {
				err = a.printJSON(s)
			} else {
				err = exportStory(rows, s)
			}
			if err != nil {
				return err
			}
		}
		rows.Flush()
		return rows.Error()
	})
}

func day1(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("date %q: write 2024-01-10 or 2024-01-10T15:04:05Z", s)
}

// exportColumns are a promise, see docs/formats.md: new ones are added at the end.
var exportColumns = []string{
	"alert", "opened", "title", "url", "publisher", "country", "published", "first_seen", "copies", "publishers",
	"watchlists", "versions", "spans", "delivery", "to", "address", "act", "outcome", "at", "ref", "why",
}

func exportStory(w *csv.Writer, s pipeline.Story) error {
	al, first := s.Alert, s.Alert.First()
	var versions, spans []string
	for _, m := range al.Matches {
		versions = append(versions, fmt.Sprint(m.Version))
		for _, sp := range m.Spans {
			spans = append(spans, fmt.Sprintf("%s:%d-%d:%s", sp.Field, sp.Start, sp.End, sp.Term))
		}
	}
	head := []string{
		al.ID, al.Opened.UTC().Format(time.RFC3339), first.Title, first.URL, first.Publisher, first.Country, when(first.Published), when(first.Seen),
		fmt.Sprint(len(al.Copies)), fmt.Sprint(len(al.Publishers())), lists(al), strings.Join(versions, ","), strings.Join(spans, "; "),
	}
	deliveries := s.Deliveries
	if len(deliveries) == 0 {
		deliveries = []pipeline.Delivered{{}}
	}
	var errs []error
	for _, d := range deliveries {
		row := append(append([]string{}, head...), d.Delivery, d.To, d.Dest, d.Act, d.Kind, when(d.At), d.Ref, d.Why)
		for i := range row {
			row[i] = defuse(row[i])
		}
		errs = append(errs, w.Write(row))
	}
	return errors.Join(errs...)
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// defuse keeps a spreadsheet from running a cell as a formula, as OWASP ASVS
// 1.2.10 asks, and a terminal from obeying it.
func defuse(s string) string {
	plain := plainLine(s)
	for _, form := range []string{s, plain} {
		if form != "" && strings.ContainsRune("=+-@\t\r\x00", rune(form[0])) {
			return "'" + plain
		}
	}
	return plain
}
