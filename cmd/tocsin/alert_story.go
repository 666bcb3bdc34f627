package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"tocsin"
	"tocsin/pipeline"
)

// withMerged is a story with those of the alerts that were merged into it, in
// order of time.
func withMerged(s pipeline.Story, all []pipeline.Story) pipeline.Story {
	for _, o := range all {
		if o.Alert.Into == s.Alert.ID {
			s.Events = append(slices.Clone(s.Events), o.Events...)
			s.Deliveries = append(slices.Clone(s.Deliveries), o.Deliveries...)
		}
	}
	slices.SortStableFunc(s.Events, func(x, y pipeline.Event) int { return x.At.Compare(y.At) })
	slices.SortStableFunc(s.Deliveries, func(x, y pipeline.Delivered) int { return x.At.Compare(y.At) })
	return s
}

// showState tells what an alert is now: who published it and who did not.
func showState(w io.Writer, a tocsin.Alert) {
	if a.Into != "" {
		fmt.Fprintf(w, "merged into %s, which goes on for both\n", a.Into)
	}
	for _, id := range a.Apart {
		fmt.Fprintf(w, "apart from %s, as a person said\n", id)
	}
	published := map[string]bool{}
	for _, c := range a.Publishers() {
		published[c.Country] = true
	}
	if f := a.Facets; len(f.Signatories) > 0 {
		var missing []string
		for _, code := range f.Signatories {
			if !published[code] {
				missing = append(missing, code)
			}
		}
		fmt.Fprintf(w, "signatories: %d of %d have published", len(f.Signatories)-len(missing), max(f.Signed, len(f.Signatories)))
		if len(missing) > 0 {
			fmt.Fprintf(w, "; missing: %s", strings.Join(missing, " "))
		}
		fmt.Fprintln(w)
	}
	if reports := a.Reports(); len(reports) > 0 {
		fmt.Fprintf(w, "reports, which are no publications:\n")
		for _, c := range reports {
			fmt.Fprintf(w, "  %s/%s by %s  %s\n", c.Source, c.Item, plainLine(cmp.Or(c.Publisher, c.Source)), plainLine(c.URL))
		}
	}
}

// happened says what an event is, in one line.
func happened(ev pipeline.Event) string {
	switch {
	case ev.Kind == tocsin.Merged:
		return fmt.Sprintf("%s merged into %s%s", ev.Alert, ev.Other, said(ev))
	case ev.Kind == pipeline.Acknowledged:
		return "acknowledged by " + plainLine(ev.By)
	case ev.Kind == tocsin.Split:
		return fmt.Sprintf("%d of %s split off as %s%s", len(ev.Items), ev.Other, ev.Alert, said(ev))
	}
	what := ev.Kind
	if ev.Copy.Report {
		what = "reported"
	}
	if ev.Material {
		what += ", material"
	}
	if ev.Reason != "" {
		what += " (" + plainLine(ev.Reason)
		if ev.Kind == pipeline.Copied && ev.Copy.Score > 0 {
			what += fmt.Sprintf(", %.2f", ev.Copy.Score)
		}
		what += ")"
	}
	if ev.Copy.Page == tocsin.PagePDF {
		what += ", PDF not read,"
	}
	what += " by " + plainLine(ev.Copy.Publisher)
	if ev.Copy.Lang != "" {
		what += " in " + plainLine(ev.Copy.Lang)
	}
	return what + "  " + plainLine(ev.Copy.URL) + "  " + plainLine(ev.Copy.Source+"/"+ev.Copy.Item)
}

func said(ev pipeline.Event) (s string) {
	switch {
	case ev.By != "":
		s = " by " + plainLine(ev.By)
	case ev.Score > 0:
		s = fmt.Sprintf(" with score %.2f", ev.Score)
	}
	if ev.Reason != "" {
		s += ": " + plainLine(ev.Reason)
	}
	return s
}
