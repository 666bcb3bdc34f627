package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/pipeline"
	"tocsin/pipeline/watchlist"
)

// A written watchlist is what flags say of one.
type written struct {
	Query        string   `xor:"query" placeholder:"Q" help:"The query."`
	File         string   `xor:"query" placeholder:"FILE" help:"A file with the query; of .yaml with all that the configuration says of a watchlist. - is standard input."`
	Stem         bool     `xor:"stem" help:"Plain words find their inflected forms."`
	MustMatch    []string `sep:"none" placeholder:"FILE" help:"Statements that it has to find: a file of text each, or JSON lines of {title,text,lang}. May be repeated."`
	MustNotMatch []string `sep:"none" placeholder:"FILE" help:"Statements that it must not find."`
	Force        bool     `help:"Although examples fail."`
	Quiet        bool     `short:"q" help:"Without saying first what it would have found in 30 days."`
}

type watchlistAddCmd struct {
	Name string   `arg:"" help:"Its name."`
	To   []string `sep:"," placeholder:"DESTINATION,…" help:"Send its alerts there."`
	written
	changer
}

func (watchlistAddCmd) Help() string { return changeStatus }

func (c watchlistAddCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	if c.Query == "" && c.File == "" {
		return usageError(errors.New("watchlist add: say with --query or --file what to find"))
	}
	e := edition{a: a, by: by, written: c.written, new: true, to: c.To}
	return e.run(tocsin.Watchlist{Name: c.Name})
}

type watchlistEditCmd struct {
	Name   string `arg:"" help:"The watchlist."`
	NoStem bool   `xor:"stem" help:"Words find themselves only."`
	written
	changer
}

func (watchlistEditCmd) Help() string {
	return "Without --query and the like it is opened in $VISUAL or $EDITOR. --must-match and\n--must-not-match add to the examples that it has.\n\n" + changeStatus
}

func (c watchlistEditCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	e := edition{a: a, by: by, written: c.written, unstem: c.NoStem}
	return e.run(tocsin.Watchlist{Name: c.Name})
}

// An edition is a new version of a watchlist on its way into WATCH.
type edition struct {
	written
	a      *app
	by     string
	new    bool
	unstem bool
	to     []string
	base   uint64 // the version that is edited
	draft  string // the file that a person wrote it in; "" if nobody did
}

// run makes the version, says what it would have found, and stores it.
func (e edition) run(w tocsin.Watchlist) error {
	v, err := e.a.vocabulary()
	if err != nil {
		return err
	}
	return e.a.logs(func(l *pipeline.Logs) error {
		wanted, err := l.Wanted(e.a.ctx)
		if err != nil {
			return err
		}
		v.use(wanted)
		old, err := e.begin(wanted, &w)
		if err != nil {
			return err
		}
		notes, err := e.write(v, &w)
		if err != nil {
			return err
		}
		err = e.save(l, v, wanted, old, w, notes)
		if e.draft == "" {
			return err
		}
		if err != nil {
			return fmt.Errorf("%w; what you wrote is in %s", err, e.draft)
		}
		return os.Remove(e.draft)
	})
}

// begin looks at what stands there, and refuses early what would be refused in
// the end.
func (e *edition) begin(wanted *pipeline.Wanted, w *tocsin.Watchlist) (old *tocsin.Watchlist, err error) {
	if err := isName(w.Name); err != nil {
		return nil, usageError(fmt.Errorf("watchlist %w", err))
	}
	for _, to := range e.to {
		if d, ok := wanted.Destinations[to]; !ok || d.Suspended {
			return nil, errors.New(unknownName("destination", to, living(wanted.Destinations)))
		}
	}
	v, ok := wanted.Watchlists[w.Name]
	lives := ok && !v.Suspended
	switch {
	case lives && v.By == "file":
		return nil, &pipeline.ReadOnlyError{Kind: "watchlist", Name: w.Name, At: v.At, Builtin: v.Watchlist.Builtin}
	case lives && e.new:
		return nil, fmt.Errorf("there is a watchlist %s already, by %s: see tocsin watchlist edit %s", w.Name, v.By, w.Name)
	case !lives && !e.new:
		return nil, errors.New(unknownName("watchlist", w.Name, living(wanted.Watchlists)))
	case lives:
		*w, e.base = *v.Watchlist, v.Seq
		return v.Watchlist, nil
	}
	return nil, nil
}

// living are the names of records in force.
func living(all map[string]pipeline.Version) (names []string) {
	for name, v := range all {
		if !v.Suspended {
			names = append(names, name)
		}
	}
	return names
}

// write makes of w what flags or a person say.
func (e *edition) write(v *vocabulary, w *tocsin.Watchlist) (notes []string, err error) {
	flags := e.Query != "" || e.File != "" || e.Stem || e.unstem || len(e.MustMatch) > 0 || len(e.MustNotMatch) > 0
	if !flags {
		return e.byEditor(v, w)
	}
	if err := e.byFlags(w); err != nil {
		return nil, err
	}
	// What is refused is told where it stands in what the person wrote.
	file := cmp.Or(e.File, "query")
	if isYAML(e.File) {
		text, err := e.a.read(e.File)
		if err != nil {
			return nil, err
		}
		next, notes, err := v.loader().readWatchlist(file, w.Name, text, e.Force)
		if err != nil {
			return nil, usageError(err)
		}
		next.Stem = next.Stem || e.Stem
		next.MustMatch = append(next.MustMatch, w.MustMatch...)
		next.MustNotMatch = append(next.MustNotMatch, w.MustNotMatch...)
		*w = next
		return notes, nil
	}
	q, err := watchlist.Parse(w.Query)
	if err != nil {
		return nil, usageError(inFile(e.File, err))
	}
	for _, n := range q.Notes() {
		notes = append(notes, n.String())
	}
	if _, err := v.rule(*w); err != nil {
		return nil, inFile(e.File, err)
	}
	if e.Query != "" || e.File != "" {
		w.Query = q.Format()
	}
	return notes, nil
}

func isYAML(file string) bool {
	ext := filepath.Ext(file)
	return ext == ".yaml" || ext == ".yml"
}

// inFile is an error of a query with its place in a file, if it came from one.
func inFile(file string, err error) error {
	e, ok := errors.AsType[*watchlist.Error](err)
	if file == "" || !ok {
		return err
	}
	return usageError(&ConfigError{file, []Fault{{e.Line, e.Column, withoutPlace(e)}}})
}

// read is what a file says, or standard input for "-".
func (a *app) read(name string) ([]byte, error) {
	r, done, err := a.open(name)
	if err != nil {
		return nil, err
	}
	defer done()
	text, err := io.ReadAll(io.LimitReader(r, MaxConfig+1))
	if err == nil && len(text) > MaxConfig {
		err = fmt.Errorf("%s is larger than %d MiB", name, MaxConfig>>20)
	}
	return bytes.TrimPrefix(text, []byte("\ufeff")), err
}

func (e *edition) byFlags(w *tocsin.Watchlist) error {
	if e.Query != "" {
		w.Query = e.Query
	}
	if e.File != "" && !isYAML(e.File) {
		text, err := e.a.read(e.File)
		if err != nil {
			return err
		}
		w.Query = string(text)
	}
	if isYAML(e.File) { // it says all of it
		*w = tocsin.Watchlist{Name: w.Name}
	}
	w.Stem = (w.Stem || e.Stem) && !e.unstem
	for _, x := range []struct {
		files []string
		into  *[]tocsin.Example
	}{{e.MustMatch, &w.MustMatch}, {e.MustNotMatch, &w.MustNotMatch}} {
		for _, file := range x.files {
			some, err := e.a.exampleFile(file)
			if err != nil {
				return err
			}
			*x.into = append(slices.Clip(*x.into), some...)
		}
	}
	return nil
}

// exampleFile reads examples: JSON lines of several, or the text of one.
func (a *app) exampleFile(name string) ([]tocsin.Example, error) {
	text, err := a.read(name)
	if err != nil {
		return nil, err
	}
	if filepath.Ext(name) != ".jsonl" {
		if len(bytes.TrimSpace(text)) == 0 {
			return nil, fmt.Errorf("%s says nothing: write the text of a statement", name)
		}
		return []tocsin.Example{{Text: string(text)}}, nil
	}
	var out []tocsin.Example
	err = statements(bytes.NewReader(text), name, func(_ int, s statementLine) error {
		out = append(out, tocsin.Example{Title: s.Title, Text: s.Text, Lang: s.Lang})
		return nil
	})
	return out, err
}

// byEditor lets a person write the watchlist. What is refused is told, and may be
// written again.
func (e *edition) byEditor(v *vocabulary, w *tocsin.Watchlist) (notes []string, err error) {
	editor := cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"))
	if editor == "" {
		return nil, usageError(fmt.Errorf("watchlist edit %s: set EDITOR, or say with --query or --file what it is to be", w.Name))
	}
	f, err := os.CreateTemp("", "watchlist-"+w.Name+"-*.yaml")
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf("# Watchlist %s, version %d. Save and close the editor to take it; leave it as it\n# is to change nothing.\n", w.Name, e.base)
	before := head + writeWatchlist(*w)
	_, err = f.WriteString(before)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	for {
		if err := e.edit(editor, f.Name()); err != nil {
			return nil, err
		}
		text, err := os.ReadFile(f.Name())
		if err != nil {
			return nil, err
		}
		if string(text) == before {
			_ = os.Remove(f.Name())
			return nil, nil
		}
		next, notes, err := v.loader().readWatchlist(f.Name(), w.Name, text, e.Force)
		if err == nil {
			*w, e.draft = next, f.Name()
			return notes, nil
		}
		fmt.Fprintln(e.a.err, err)
		if again, _ := e.a.confirm("Edit it again?", true); !again {
			return nil, usageError(fmt.Errorf("watchlist %s stays as it is; what you wrote is in %s", w.Name, f.Name()))
		}
	}
}

func (e *edition) edit(editor, file string) error {
	words := append(strings.Fields(editor), file)
	cmd := exec.CommandContext(e.a.ctx, words[0], words[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.a.in, e.a.out, e.a.err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("edit %s: %s: %w; set EDITOR to another program", file, editor, err)
	}
	return nil
}

// confirm asks a person. Where nobody can be asked the answer is no, and asked is
// false.
func (a *app) confirm(question string, yes bool) (answer, asked bool) {
	if !isTerminal(a.in) {
		return false, false
	}
	choice := " [y/N] "
	if yes {
		choice = " [Y/n] "
	}
	fmt.Fprint(a.err, question+choice)
	line := make([]byte, 0, 8)
	for one := make([]byte, 1); ; {
		n, err := a.in.Read(one)
		if n == 0 || err != nil || one[0] == '\n' {
			break
		}
		line = append(line, one[0])
	}
	switch strings.ToLower(strings.TrimSpace(string(line))) {
	case "y", "yes":
		return true, true
	case "":
		return yes, true
	}
	return false, true
}

// A saved watchlist is what add and edit print as JSON.
type saved struct {
	Name     string           `json:"name"`
	Version  uint64           `json:"version"`
	Query    string           `json:"query"` // canonical
	Notes    []string         `json:"notes"`
	Warnings []string         `json:"warnings"`
	Backtest *backtestSummary `json:"backtest,omitempty"`
	To       []string         `json:"to"`
}

func (e *edition) save(l *pipeline.Logs, v *vocabulary, wanted *pipeline.Wanted, old *tocsin.Watchlist, w tocsin.Watchlist, notes []string) error {
	out := saved{Name: w.Name, Notes: append([]string{}, notes...), Warnings: []string{}}
	q, err := watchlist.Parse(w.Query)
	if err != nil {
		return usageError(err)
	}
	out.Query = q.String()
	rule, err := v.rule(w)
	if err != nil {
		return err
	}
	for _, x := range q.Lint(v.made) {
		if !slices.Contains(q.Notes(), x) {
			out.Warnings = append(out.Warnings, x.String())
		}
	}
	if !e.a.JSON {
		e.echo(q, out)
	}
	if err := pipeline.Examples(rule, w); err != nil && !e.Force {
		return hinted(err)
	}
	if !e.Quiet {
		if out.Backtest, err = e.backtest(l, wanted, rule, old); err != nil {
			return err
		}
	}
	edit := pipeline.Edit{By: e.by, Force: e.Force, New: e.new, Base: e.base}
	if err := l.SetWatchlist(e.a.ctx, edit, w); err != nil {
		return hinted(err)
	}
	for _, to := range e.to {
		if err := l.Subscribe(e.a.ctx, e.by, w.Name, to); err != nil {
			return err
		}
	}
	return e.finish(l, out)
}

// echo prints what the query was understood as.
func (e *edition) echo(q *watchlist.Query, s saved) {
	fmt.Fprintf(e.a.out, "query     %s\n", strings.ReplaceAll(strings.TrimSpace(q.Format()), "\n", "\n          "))
	for _, n := range s.Notes {
		fmt.Fprintf(e.a.out, "note      %s\n", n)
	}
	for _, n := range s.Warnings {
		fmt.Fprintf(e.a.out, "warning   %s\n", n)
	}
}

// quickSpan is how far back add and edit look.
const quickSpan = 30 * day

func (e *edition) backtest(l *pipeline.Logs, wanted *pipeline.Wanted, rule *watchlist.Rule, old *tocsin.Watchlist) (*backtestSummary, error) {
	b := newBacktest(e.a, wanted, time.Now().Add(-quickSpan), rule)
	if old != nil {
		b.old, _ = wanted.Rule(*old) // one that does not work finds nothing
		b.compare = true
	}
	b.newest = 3
	if err := b.run(l); err != nil {
		return nil, err
	}
	if !e.a.JSON {
		b.brief()
	}
	return new(b.summary()), nil
}

func (e *edition) finish(l *pipeline.Logs, out saved) error {
	now, err := l.Wanted(context.WithoutCancel(e.a.ctx))
	if err != nil {
		return err
	}
	v := now.Watchlists[out.Name]
	out.Version = v.Seq
	out.To, _ = destinationsOf(now, out.Name)
	if out.To == nil {
		out.To = []string{}
	}
	if e.a.JSON {
		return e.a.printJSON(out)
	}
	if out.Version == e.base {
		_, err := fmt.Fprintf(e.a.out, "saved     nothing: watchlist %s is so already, version %d\n", out.Name, out.Version)
		return err
	}
	fmt.Fprintf(e.a.out, "saved     watchlist %s, version %d by %s\n", out.Name, out.Version, e.by)
	if len(out.To) == 0 {
		_, err = fmt.Fprintf(e.a.out, "sent to   nobody yet: tocsin subscription add %s DESTINATION\n", out.Name)
	} else {
		_, err = fmt.Fprintf(e.a.out, "sent to   %s\n", strings.Join(out.To, ", "))
	}
	return err
}
