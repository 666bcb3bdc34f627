package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// families says what each metric of /metrics is, in the order in which they are
// served. docs/metrics.md promises the names.
var families = []struct{ name, kind, help string }{
	{"tocsin_polls_total", "counter", "Polls of sources, by result."},
	{"tocsin_items_total", "counter", "Items stored, by kind of source."},
	{"tocsin_canary_age_seconds", "gauge", "Time since the newest canary that came through was published."},
	{"tocsin_canary_seconds", "gauge", "Time that it took, from its fetch to its destination and back."},
	{"tocsin_match_disagreements_total", "counter", "Matches of the fast matcher that the exact one does not confirm."},
	{"tocsin_pushes_total", "counter", "What hubs sent, by result."},
	{"tocsin_pages_total", "counter", "Pages of new items, by what became of them."},
	{"tocsin_items_matched_total", "counter", "Items that the match stage is done with."},
	{"tocsin_quarantined_total", "counter", "Items that could not be matched."},
	{"tocsin_alert_events_total", "counter", "Events of alerts, by kind."},
	{"tocsin_deliveries_total", "counter", "Outcomes of calls to providers."},
	{fetchToSent, "histogram", "Time from the end of the fetch that brought a statement to its message being sent."},
	{"tocsin_lag_records", "gauge", "Records that wait for a stage, and for each destination."},
	{"tocsin_source_last_success_age_seconds", "gauge", "Time since a source last answered."},
	{"tocsin_source_condition", "gauge", "1 for the condition that a source is in."},
	{"tocsin_log_bytes", "gauge", "Disk use of each log and bucket."},
	{"tocsin_disk_free_bytes", "gauge", "Space that is free on the disk of the logs."},
	{"tocsin_disk_days_left", "gauge", "Days for which the space lasts at the rate so far."},
}

const fetchToSent = "tocsin_fetch_to_sent_seconds"

// expose writes samples with those of one metric together, after what it is.
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
func expose(w io.Writer, samples []byte) {
	groups := map[string][]byte{}
	for line := range bytes.Lines(samples) {
		name := string(line[:max(0, bytes.IndexAny(line, "{ "))])
		if strings.HasPrefix(name, fetchToSent) {
			name = fetchToSent
		}
		groups[name] = append(groups[name], line...)
	}
	for _, f := range families {
		if g := groups[f.name]; g != nil {
			fmt.Fprintf(w, "# HELP %[1]s %[3]s\n# TYPE %[1]s %[2]s\n%[4]s", f.name, f.kind, f.help, g)
			delete(groups, f.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		_, _ = w.Write(groups[name])
	}
}
