package main

import (
	"embed"
	"path"
	"strings"
	"sync"

	"tocsin"
)

// The built-in lists are what the built-in watchlists are made of, and what any
// query may name.
//
//go:embed builtin/lists/*.list
var builtinListFiles embed.FS

// builtinLists are the lists that queries may name without their being configured.
var builtinLists = sync.OnceValue(func() []tocsin.List {
	files, err := builtinListFiles.ReadDir("builtin/lists")
	if err != nil {
		panic(err)
	}
	var out []tocsin.List
	for _, f := range files {
		text, err := builtinListFiles.ReadFile(path.Join("builtin/lists", f.Name()))
		if err != nil {
			panic(err)
		}
		rows, faults := listRows(string(text))
		if len(faults) > 0 {
			panic(&lineError{f.Name(), faults}) // they are part of the program, and a test reads them
		}
		l := tocsin.List{Name: strings.TrimSuffix(f.Name(), ".list"), Builtin: true}
		for _, r := range rows {
			l.Entries = append(l.Entries, r.Entry)
		}
		out = append(out, l)
	}
	return out
})
