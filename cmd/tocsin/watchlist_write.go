package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"tocsin"
)

// writeWatchlist is a watchlist as the configuration and people write it.
func writeWatchlist(w tocsin.Watchlist) string {
	var b strings.Builder
	b.WriteString("query: |\n")
	for line := range strings.Lines(strings.TrimRight(w.Query, "\n ")) {
		if line = strings.TrimRight(line, "\n"); strings.TrimSpace(line) != "" {
			line = "  " + line
		}
		b.WriteString(line + "\n")
	}
	if w.Stem {
		b.WriteString("stem: true\n")
	}
	writeExamples(&b, "must_match", w.MustMatch)
	writeExamples(&b, "must_not_match", w.MustNotMatch)
	return b.String()
}

func writeExamples(b *strings.Builder, key string, examples []tocsin.Example) {
	if len(examples) == 0 {
		return
	}
	fmt.Fprintf(b, "%s:\n", key)
	for _, e := range examples {
		var parts []string
		for _, p := range [][2]string{{"title", e.Title}, {"text", e.Text}, {"lang", e.Lang}} {
			if p[1] != "" {
				parts = append(parts, p[0]+": "+quotedYAML(p[1]))
			}
		}
		if e.Title == "" && e.Lang == "" {
			fmt.Fprintf(b, "  - %s\n", quotedYAML(e.Text))
			continue
		}
		fmt.Fprintf(b, "  - {%s}\n", strings.Join(parts, ", "))
	}
}

// quotedYAML is text between double quotes: what JSON writes, YAML reads.
func quotedYAML(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always can be
	return strings.TrimSuffix(b.String(), "\n")
}

// readWatchlist reads what writeWatchlist writes, with the lists that its query
// may name. An error is a *ConfigError. Notes are what is allowed but is probably
// not meant; with force, examples that fail are among them.
func (l Loader) readWatchlist(file, name string, text []byte, force bool) (w tocsin.Watchlist, notes []string, err error) {
	l.Force, l.Watchlists = force, nil
	r := newReader(l, file)
	r.builtin = false
	q := writtenQuery{Watchlist: tocsin.Watchlist{Name: name}}
	r.document(text, "a watchlist", func() keys { return r.watchlistKeys(&q) })
	if q.query == nil && len(r.faults) == 0 {
		r.faults = append(r.faults, Fault{Line: 1, Column: 1, Text: fmt.Sprintf("watchlist %q needs a query", name)})
	}
	r.queries = []writtenQuery{q}
	r.checkQueries()
	if len(r.faults) > 0 {
		return w, nil, r.failed()
	}
	for _, n := range r.allowed {
		notes = append(notes, n.at(file))
	}
	return q.Watchlist, notes, nil
}
