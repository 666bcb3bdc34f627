package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds"
	"tocsin/pipeline"
)

type sourceImportCmd struct {
	File   string `arg:"" help:"OPML; - is standard input."`
	DryRun bool   `help:"Say what would be added, and add nothing."`
	changer
}

func (sourceImportCmd) Help() string {
	return `What is watched already is told and not doubled, and of a broken file what can be
read is added. The addresses are not looked at: tocsin source audit does that.

EXIT STATUS  0 done · 1 something of the file could not be used, or an error · 2 wrong usage`
}

// A taken outline is what became of one source of a file, and what import prints
// as JSON. Its shape is a promise, see docs/formats.md.
type taken struct {
	Done  string `json:"done"` // added, known, twice, changed or refused
	Name  string `json:"name,omitempty"`
	Title string `json:"title,omitempty"`
	URL   string `json:"url,omitempty"`
	Line  int    `json:"line"`
	Say   string `json:"say,omitempty"`
}

// An importation is a file on its way into WATCH.
type importation struct {
	sourceImportCmd
	a      *app
	by     string
	logs   *pipeline.Logs // nil with DryRun
	wanted *pipeline.Wanted
	at     map[string]string // names of sources, by address and selectors
	file   map[string]bool   // names that are of the file
	counts map[string]int
}

func (c sourceImportCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	text, err := a.read(c.File)
	if err != nil {
		return err
	}
	outlines, lapses, err := feeds.ReadOPML(text)
	if err != nil {
		return fmt.Errorf("read %s: %w", c.File, err)
	}
	i := &importation{sourceImportCmd: c, a: a, by: by, at: map[string]string{}, file: map[string]bool{}, counts: map[string]int{}}
	if c.DryRun {
		if i.wanted, err = a.standing(); err == nil {
			err = i.run(outlines, lapses)
		}
		return err
	}
	return a.logs(func(l *pipeline.Logs) (err error) {
		i.logs = l
		if i.wanted, err = l.Wanted(a.ctx); err != nil {
			return err
		}
		return i.run(outlines, lapses)
	})
}

func (i *importation) run(outlines []feeds.Outline, lapses []feeds.Lapse) error {
	for _, id := range slices.Sorted(maps.Keys(i.wanted.Sources)) {
		if v := i.wanted.Sources[id]; !v.Suspended {
			i.at[whereOf(*v.Source)] = id
		}
	}
	for _, o := range outlines {
		t, err := i.take(o)
		if err != nil {
			return err
		}
		if err := i.print(t); err != nil {
			return err
		}
	}
	for _, l := range lapses {
		if err := i.print(taken{Done: "refused", Line: l.Line, Say: plainLine(l.Text)}); err != nil {
			return err
		}
	}
	return i.end()
}

// whereOf is the same for two sources that read the same.
func whereOf(s tocsin.Source) string {
	return fmt.Sprintf("%s %q", bareAddress(s.URL), s.Listing)
}

// take adds one source, unless there is a reason not to. The error is one that
// concerns all.
func (i *importation) take(o feeds.Outline) (taken, error) {
	s := cleaned(o.Source)
	t := taken{Done: "added", Title: s.Title, URL: s.URL, Line: o.Line}
	if other, ok := i.at[whereOf(s)]; ok {
		t.Done, t.Name = "known", other
		if i.file[other] {
			t.Done = "twice"
		}
		return t, nil
	}
	s.ID = freeName(cmp.Or(s.ID, sourceName(s.URL)), s.URL, i.wanted)
	t.Name = s.ID
	if err := checkSource(s); err != nil {
		t.Done, t.Name, t.Say = "refused", "", err.Error()
		return t, nil
	}
	if i.logs != nil {
		if err := i.logs.SetSource(i.a.ctx, pipeline.Edit{By: i.by, New: true}, s); err != nil {
			return t, hinted(err)
		}
	}
	i.at[whereOf(s)], i.file[s.ID] = s.ID, true
	i.wanted.Sources[s.ID] = pipeline.Version{Watched: pipeline.Watched{V: tocsin.Format, By: i.by, Source: &s}}
	return t, nil
}

// cleaned is a source of a file as the configuration would have it: what it would
// refuse and can do without is left out.
func cleaned(s tocsin.Source) tocsin.Source {
	s.Title = oneLineText(s.Title, 120)
	for _, x := range []struct {
		value *string
		check func(string) error
	}{{&s.ID, isName}, {&s.Country, isCountry}, {&s.Lang, isLang}, {&s.Zone, isZone}, {&s.Archive, isWeb}} {
		if *x.value != "" && x.check(*x.value) != nil {
			*x.value = ""
		}
	}
	if s.Every != 0 {
		s.Every = max(s.Every, 10*time.Second)
	}
	return s
}

func (i *importation) print(t taken) error {
	i.counts[t.Done]++
	if i.a.JSON {
		return i.a.printJSON(t)
	}
	switch t.Done {
	case "added":
		_, err := fmt.Fprintf(i.a.out, "added    %s  %s\n", t.Name, plainLine(t.URL))
		return err
	case "refused":
		_, err := fmt.Fprintf(i.a.out, "refused  line %d: %s\n", t.Line, strings.TrimSpace(plainLine(t.URL+" "+t.Say)))
		return err
	case "twice":
		_, err := fmt.Fprintf(i.a.out, "twice    line %d: %s is %s, which this file has already\n", t.Line, plainLine(t.URL), t.Name)
		return err
	}
	_, err := fmt.Fprintf(i.a.out, "known    line %d: %s is watched already, as %s\n", t.Line, plainLine(t.URL), t.Name)
	return err
}

func (i *importation) end() error {
	what := "added"
	if i.DryRun {
		what = "would be added"
	}
	fmt.Fprintf(i.a.err, "%s %s; %d known, %d twice, %d refused\n", counted(i.counts["added"], "source"), what, i.counts["known"], i.counts["twice"], i.counts["refused"])
	if i.counts["refused"] > 0 {
		return &statusError{status: statusFailed}
	}
	return nil
}

type sourceExportCmd struct {
	YAML  bool `name:"yaml" help:"As configuration instead of OPML."`
	Added bool `help:"Only what people added, without the configuration's and the built-in ones."`
}

func (sourceExportCmd) Help() string {
	return "OPML 2.0, which other feed readers take. tocsin source import gives the same sources\nback, kinds and selectors included.\n\n" + readStatus
}

func (c sourceExportCmd) Run(a *app) error {
	w, err := a.standing()
	if err != nil {
		return err
	}
	var sources []tocsin.Source
	for _, id := range slices.Sorted(maps.Keys(w.Sources)) {
		if v := w.Sources[id]; !v.Suspended && (!c.Added || v.By != "file") {
			sources = append(sources, *v.Source)
		}
	}
	switch {
	case a.JSON:
		for _, s := range sources {
			if err := a.printJSON(s); err != nil {
				return err
			}
		}
		return nil
	case c.YAML:
		_, err = a.out.Write([]byte(writeSources(sources)))
		return err
	}
	return feeds.WriteOPML(a.out, "Sources of tocsin", time.Now(), sources)
}

// writeSources are sources as a part of the configuration.
func writeSources(sources []tocsin.Source) string {
	var b strings.Builder
	b.WriteString("sources:\n")
	for _, s := range sources {
		b.WriteString("  - " + strings.TrimPrefix(writeSource(s, "    "), "    "))
	}
	if len(sources) == 0 {
		return "sources: []\n"
	}
	return b.String()
}
