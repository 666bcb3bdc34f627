package main

import (
	_ "embed"
	"fmt"
	"strings"

	"tocsin"
)

// builtinTable lists official sources that offer a feed: id, title, country,
// language, zone of the publisher's seat, address. A country is empty where the
// publisher is no state.
//
//go:embed builtin/sources.tsv
var builtinTable string

const builtinHead = "id\ttitle\tcountry\tlang\tzone\turl"

// builtinSources are the sources that are watched without being configured.
func builtinSources() []tocsin.Source {
	sources, err := parseSources(builtinTable)
	if err != nil {
		panic(err) // the table is part of the program, and a test reads it
	}
	return sources
}

func parseSources(table string) ([]tocsin.Source, error) {
	head, rows, _ := strings.Cut(table, "\n")
	if head != builtinHead {
		return nil, fmt.Errorf("read built-in sources: the first line is not %q", builtinHead)
	}
	var out []tocsin.Source
	for row := range strings.Lines(rows) {
		f := strings.Split(strings.TrimSuffix(row, "\n"), "\t")
		if len(f) != 6 {
			return nil, fmt.Errorf("read built-in sources: row %d has %d columns, not 6", len(out)+1, len(f))
		}
		out = append(out, tocsin.Source{
			ID: f[0], Kind: "feed", Title: f[1], Country: f[2], Lang: f[3], Zone: f[4], URL: f[5], Builtin: true,
		})
	}
	return out, nil
}
