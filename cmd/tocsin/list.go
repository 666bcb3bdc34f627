package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tocsin"
	"tocsin/pipeline"
)

type listCmd struct {
	List    listListCmd    `cmd:"" help:"List the lists that queries may name."`
	Show    listShowCmd    `cmd:"" help:"Print the terms of one, as a .list file."`
	Import  listImportCmd  `cmd:"" help:"Make a list of a CSV file of names and aliases, or of a .list file."`
	Rm      listRmCmd      `cmd:"" help:"Remove one that was imported."`
	History listHistoryCmd `cmd:"" help:"List its versions: who changed what, and when."`
}

// Help ends what tocsin list --help prints.
func (listCmd) Help() string { return "A query names a list as @name.\n\n" + readStatus }

// A shownList is what list list and show print as JSON. Its shape is a promise,
// see docs/formats.md.
type shownList struct {
	Name      string         `json:"name"`
	Terms     int            `json:"terms"`
	Languages []string       `json:"languages"` // of its terms, in order; those in none left out
	Builtin   bool           `json:"builtin,omitempty"`
	Version   uint64         `json:"version"` // 0 where nothing is stored yet
	Time      time.Time      `json:"time,omitzero"`
	By        string         `json:"by"`
	At        string         `json:"at,omitempty"`
	Suspended bool           `json:"suspended,omitempty"`
	Entries   []tocsin.Entry `json:"entries,omitempty"` // with show
}

func listShown(v pipeline.Version) shownList {
	s := shownList{
		Name: v.List.Name, Terms: len(v.List.Entries), Languages: []string{}, Builtin: v.List.Builtin,
		Version: v.Seq, Time: v.Time, By: v.By, At: v.At, Suspended: v.Suspended,
	}
	langs := map[string]bool{}
	for _, e := range v.List.Entries {
		if e.Lang != "" {
			langs[e.Lang] = true
		}
	}
	s.Languages = append(s.Languages, slices.Sorted(maps.Keys(langs))...)
	return s
}

type listListCmd struct{}

func (listListCmd) Help() string { return readStatus }

func (listListCmd) Run(a *app) error {
	w, err := a.standing()
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(w.Lists)) {
		v := w.Lists[name]
		s := listShown(v)
		if a.JSON {
			if err := a.printJSON(s); err != nil {
				return err
			}
			continue
		}
		say := cmp.Or(state(v), strings.Join(s.Languages, " "))
		fmt.Fprintf(t, "@%s\t%s\t%d terms\t%s\n", name, origin(v), s.Terms, say)
	}
	return t.Flush()
}

type listShowCmd struct {
	Name string `arg:"" help:"The list, with or without @."`
}

func (listShowCmd) Help() string { return readStatus }

func (c listShowCmd) Run(a *app) error {
	w, err := a.standing()
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(c.Name, "@")
	v, ok := w.Lists[name]
	if !ok {
		return errors.New(unknownName("list", name, slices.Collect(maps.Keys(w.Lists))))
	}
	if a.JSON {
		s := listShown(v)
		s.Entries = v.List.Entries
		return a.printJSON(s)
	}
	_, err = a.out.Write([]byte(formatList(v.List.Entries)))
	return err
}

type listImportCmd struct {
	File  string `arg:"" help:"CSV: a name and its aliases a row; or a .list file. - is standard input."`
	Name  string `placeholder:"NAME" help:"The list's name (default: the file's)."`
	Force bool   `help:"Although a watchlist that names it fails with it."`
	changer
}

func (listImportCmd) Help() string {
	return `The list is replaced whole. Every row that cannot be used is told with its line,
and then nothing is changed.

` + changeStatus
}

func (c listImportCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	name := c.Name
	if name == "" {
		name = strings.ToLower(strings.TrimSuffix(filepath.Base(c.File), filepath.Ext(c.File)))
	}
	name = strings.TrimPrefix(name, "@")
	if err := isName(name); err != nil {
		return usageError(fmt.Errorf("list %w; say with --name what it is called", err))
	}
	text, err := a.read(c.File)
	if err != nil {
		return err
	}
	entries, err := parseListFile(c.File, text)
	if err != nil {
		return usageError(err)
	}
	return a.logs(func(l *pipeline.Logs) error {
		if err := l.SetList(a.ctx, pipeline.Edit{By: by, Force: c.Force}, tocsin.List{Name: name, Entries: entries}); err != nil {
			return hinted(err)
		}
		if a.JSON {
			return a.printJSON(imported{done{"list", name, "imported"}, len(entries), namesIn(entries)})
		}
		_, err := fmt.Fprintf(a.out, "list @%s has %s, of %s\n", name, counted(len(entries), "term"), counted(namesIn(entries), "name"))
		return err
	})
}

// imported is what import prints as JSON.
type imported struct {
	done
	Terms int `json:"terms"`
	Names int `json:"names"`
}

// namesIn is how many names, aliases of them not counted, entries have.
func namesIn(entries []tocsin.Entry) int {
	names := map[string]bool{}
	for _, e := range entries {
		names[phraseOf(cmp.Or(e.Name, strings.Trim(e.Term, `"`)))] = true
	}
	return len(names)
}

type listRmCmd struct {
	Name string `arg:"" help:"The list."`
	changer
}

func (listRmCmd) Help() string { return changeStatus }

func (c listRmCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(c.Name, "@")
	return a.change("list", name, "removed", func(l *pipeline.Logs) error {
		return l.RemoveList(a.ctx, pipeline.Edit{By: by}, name)
	})
}

type listHistoryCmd struct {
	Name string `arg:"" help:"The list."`
}

func (listHistoryCmd) Help() string { return historyHelp }

func (c listHistoryCmd) Run(a *app) error { return a.history("list", strings.TrimPrefix(c.Name, "@")) }
