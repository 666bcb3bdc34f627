package main

import (
	_ "embed"
	"fmt"
	"strings"

	"tocsin"
)

// builtinTable lists official sources: id, title, country, language, zone of the
// publisher's seat, address, kind, the selectors of a page (none where its list is
// to be found out), and when it was last seen to work by anyone who said so. A
// country is empty where the publisher is no state.
//
//go:embed builtin/sources.tsv
var builtinTable string

const builtinHead = "id\ttitle\tcountry\tlang\tzone\turl\tkind\tentry\theading\tlink\tdate\tseen"

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
		if len(f) != 12 {
			return nil, fmt.Errorf("read built-in sources: row %d has %d columns, not 12", len(out)+1, len(f))
		}
		out = append(out, tocsin.Source{
			ID: f[0], Kind: f[6], Title: f[1], Country: f[2], Lang: f[3], Zone: f[4], URL: f[5], Builtin: true,
			Listing: tocsin.Listing{Entry: f[7], Title: f[8], Link: f[9], Date: f[10]},
		})
	}
	return out, nil
}
