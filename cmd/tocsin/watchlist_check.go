package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tocsin"
	"tocsin/pipeline"
	"tocsin/pipeline/watchlist"
)

type watchlistFmtCmd struct {
	Query string `placeholder:"Q" help:"The query."`
	Write bool   `short:"w" help:"Write the canonical form into FILE."`
	File  string `arg:"" optional:"" help:"A file with the query; - or none is standard input."`
}

func (watchlistFmtCmd) Help() string {
	return `Comments stay. Factiva's, Lexis's, Meltwater's, Brandwatch's and Lucene's spellings
are rewritten, or refused with what to write instead. Needs no running service.

EXIT STATUS  0 done · 1 an error · 2 wrong usage or a bad query`
}

func (c watchlistFmtCmd) Run(a *app) error {
	switch {
	case c.Query != "" && c.File != "":
		return usageError(errors.New("watchlist fmt: a FILE or a --query, not both"))
	case c.Write && (c.File == "" || c.File == "-" || isYAML(c.File)):
		return usageError(errors.New("watchlist fmt: --write needs a FILE that is nothing but the query"))
	}
	text, file, err := a.queryText(c.Query, cmp.Or(c.File, "-"))
	if err != nil {
		return err
	}
	q, err := watchlist.Parse(text)
	if err != nil {
		return usageError(inFile(file, err))
	}
	if a.JSON {
		return a.printJSON(formatted{q.String(), q.Format(), q.Lists(), warningsOf(q.Notes())})
	}
	for _, n := range q.Notes() {
		fmt.Fprintln(a.err, "tocsin:", n)
	}
	if c.Write {
		return os.WriteFile(c.File, []byte(q.Format()), 0o644)
	}
	_, err = a.out.Write([]byte(q.Format()))
	return err
}

// formatted is what fmt prints as JSON.
type formatted struct {
	Query  string    `json:"query"`  // canonical, on one line
	Format string    `json:"format"` // the same on several, with its comments
	Lists  []string  `json:"lists"`
	Notes  []warning `json:"notes"`
}

// A warning is what the language says about a query that is allowed.
type warning struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
}

func warningsOf(ws []watchlist.Warning) []warning {
	out := []warning{}
	for _, w := range ws {
		out = append(out, warning{w.Line, w.Column, w.Msg})
	}
	return out
}

// queryText is a query that is given itself, or by its file, which may be a YAML
// file of a watchlist.
func (a *app) queryText(query, file string) (text, from string, err error) {
	if query != "" {
		return query, "", nil
	}
	data, err := a.read(file)
	if err != nil || !isYAML(file) {
		return string(data), file, err
	}
	w, err := writtenQueryOf(file, data)
	return w, file, err
}

// writtenQueryOf is the query of a YAML file of a watchlist.
func writtenQueryOf(file string, data []byte) (string, error) {
	r := newReader(Loader{}, file)
	q := writtenQuery{}
	r.document(data, "a watchlist", func() keys { return r.watchlistKeys(&q) })
	if len(r.faults) > 0 {
		return "", usageError(r.failed())
	}
	return q.Query, nil
}

type watchlistLintCmd struct {
	Query string `placeholder:"Q" help:"The query."`
	What  string `arg:"" optional:"" name:"name" help:"A watchlist, or a file with a query; - is standard input."`
}

func (watchlistLintCmd) Help() string {
	return `Parts that can never make a difference, parts that find too much, NOT that leaves out
whole statements, terms that a list already holds.

EXIT STATUS  0 nothing to say · 1 it warns, or an error · 2 wrong usage or a bad query`
}

func (c watchlistLintCmd) Run(a *app) error {
	if (c.Query == "") == (c.What == "") {
		return usageError(errors.New("watchlist lint: name a watchlist or a file, or give a --query"))
	}
	v, err := a.vocabulary()
	if err != nil {
		return err
	}
	text, file := c.Query, ""
	if c.What != "" {
		if text, file, err = v.queryOf(c.What); err != nil {
			return err
		}
	}
	q, err := watchlist.Parse(text)
	if err != nil {
		return usageError(inFile(file, err))
	}
	if _, err := v.rule(tocsin.Watchlist{Query: text}); err != nil {
		return inFile(file, err)
	}
	found := q.Lint(v.made)
	if a.JSON {
		if err := a.printJSON(warningsOf(found)); err != nil {
			return err
		}
	}
	for _, w := range found {
		if !a.JSON {
			fmt.Fprintf(a.out, "%s:%d:%d: %s\n", cmp.Or(c.What, "query"), w.Line, w.Column, w.Msg)
		}
	}
	if len(found) > 0 {
		return &statusError{status: statusFailed}
	}
	return nil
}

// queryOf is the query of a watchlist, or of a file if there is no watchlist of
// the name.
func (v *vocabulary) queryOf(what string) (text, file string, err error) {
	_, missing := os.Stat(what)
	if what == "-" || missing == nil && !tocsin.Name.MatchString(what) {
		return v.a.queryText("", what)
	}
	w, err := v.watchlist(what)
	if err != nil && missing == nil {
		return v.a.queryText("", what)
	}
	return w.Query, "", err
}

type watchlistTestCmd struct {
	Names     []string `arg:"" optional:"" name:"name" help:"Watchlists; none is all that have examples."`
	JSONL     string   `name:"jsonl" placeholder:"FILE" help:"Instead of their examples: statements {id,lang,title,text,relevant} a line."`
	Precision float64  `placeholder:"0.85" help:"With --jsonl: fail below it."`
	Recall    float64  `placeholder:"0.97" help:"With --jsonl: fail below it."`
}

func (watchlistTestCmd) Help() string {
	return `Needs no running service. With --jsonl it prints precision (how many of what is
found are relevant), recall (how many of what is relevant are found), and the ids of
those that are wrong, with why.

EXIT STATUS  0 all hold · 1 some fail, or an error · 2 wrong usage or a bad query`
}

func (c watchlistTestCmd) Run(a *app) error {
	v, err := a.vocabulary()
	if err != nil {
		return err
	}
	lists, err := c.chosen(v)
	if err != nil {
		return err
	}
	if c.JSONL != "" {
		return c.labelled(v, lists)
	}
	failed := false
	for _, w := range lists {
		ok, err := testExamples(v, w)
		if err != nil {
			return err
		}
		failed = failed || !ok
	}
	if failed {
		return &statusError{status: statusFailed}
	}
	return nil
}

// chosen are the watchlists that are named, or all that can be tested.
func (c watchlistTestCmd) chosen(v *vocabulary) (out []tocsin.Watchlist, err error) {
	for _, name := range c.Names {
		w, err := v.watchlist(name)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	if len(c.Names) > 0 {
		return out, nil
	}
	all, err := v.watchlists()
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		if c.JSONL != "" || len(w.MustMatch)+len(w.MustNotMatch) > 0 {
			out = append(out, w)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("watchlist test: no watchlist has examples: write must_match and must_not_match beside a query, or name a --jsonl file")
	}
	return out, nil
}

// tested is what test prints as JSON for one watchlist.
type tested struct {
	Watchlist string          `json:"watchlist"`
	Examples  int             `json:"examples"`
	Failed    []failedExample `json:"failed"`
}

type failedExample struct {
	Key  string `json:"key"` // must_match or must_not_match
	N    int    `json:"n"`   // from 1
	Text string `json:"text"`
	Why  string `json:"why"`
}

func testExamples(v *vocabulary, w tocsin.Watchlist) (bool, error) {
	rule, err := v.rule(w)
	if err != nil {
		return false, fmt.Errorf("watchlist %s: %w", w.Name, err)
	}
	out := tested{w.Name, len(w.MustMatch) + len(w.MustNotMatch), []failedExample{}}
	if failed, ok := errors.AsType[*pipeline.ExamplesError](pipeline.Examples(rule, w)); ok {
		for _, f := range failed.Failed {
			out.Failed = append(out.Failed, failedExample{f.Key, f.N, exampleText(f.Example), f.Why})
		}
	}
	ok := len(out.Failed) == 0
	switch {
	case v.a.JSON:
		return ok, v.a.printJSON(out)
	case ok:
		fmt.Fprintf(v.a.out, "ok    %s: %d examples\n", w.Name, out.Examples)
	default:
		fmt.Fprintf(v.a.out, "FAIL  %s: %d of %d examples\n", w.Name, len(out.Failed), out.Examples)
	}
	for _, f := range out.Failed {
		fmt.Fprintf(v.a.out, "      %s %d: %s\n        %s\n", f.Key, f.N, oneLineText(f.Text, 90), f.Why)
	}
	return ok, nil
}

func exampleText(e tocsin.Example) string {
	return strings.TrimSpace(e.Title + "\n" + e.Text)
}

// oneLineText is foreign text on one line, at most n runes of it.
func oneLineText(s string, n int) string {
	r := []rune(strings.Join(strings.Fields(plainLine(s)), " "))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}

// A judgement is how well a watchlist tells relevant statements from others. Its shape
// is a promise, see docs/formats.md.
type judgement struct {
	Watchlist  string  `json:"watchlist"`
	Statements int     `json:"statements"`
	Relevant   int     `json:"relevant"`
	Found      int     `json:"found"`
	Right      int     `json:"right"` // found and relevant
	Precision  float64 `json:"precision"`
	Recall     float64 `json:"recall"`
	Missed     []wrong `json:"missed"`
	Wrong      []wrong `json:"wrong"` // found and not relevant
}

type wrong struct {
	ID    any    `json:"id"`
	Title string `json:"title"`
	Why   string `json:"why"`
}

func (c watchlistTestCmd) labelled(v *vocabulary, lists []tocsin.Watchlist) error {
	data, err := v.a.read(c.JSONL)
	if err != nil {
		return err
	}
	below := false
	for _, w := range lists {
		rule, err := v.rule(w)
		if err != nil {
			return fmt.Errorf("watchlist %s: %w", w.Name, err)
		}
		r := judgement{Watchlist: w.Name, Missed: []wrong{}, Wrong: []wrong{}}
		err = statements(bytes.NewReader(data), filepath.Base(c.JSONL), func(n int, s statementLine) error { return r.add(rule, n, s) })
		if err != nil {
			return err
		}
		r.Precision, r.Recall = share(r.Right, r.Found), share(r.Right, r.Relevant)
		below = below || r.Precision < c.Precision || r.Recall < c.Recall
		if err := r.print(v.a); err != nil {
			return err
		}
	}
	if below {
		return &statusError{status: statusFailed}
	}
	return nil
}

func (r *judgement) add(rule *watchlist.Rule, n int, s statementLine) error {
	label := cmp.Or(s.Relevant, s.Match)
	if label == nil {
		return fmt.Errorf("line %d does not say whether it is relevant: true or false", n)
	}
	r.Statements++
	d := s.document(true)
	res, ok := rule.Match(d)
	if *label {
		r.Relevant++
	}
	switch {
	case ok && *label:
		r.Found, r.Right = r.Found+1, r.Right+1
	case ok:
		r.Found++
		r.Wrong = append(r.Wrong, wrong{s.ID, s.Title, res.Branch})
	case *label:
		r.Missed = append(r.Missed, wrong{s.ID, s.Title, firstMissing(rule.Miss(d))})
	}
	return nil
}

func firstMissing(reasons []watchlist.Reason) string {
	for _, r := range reasons {
		if !r.Held {
			return oneLineText(r.Part, 80) + ": " + r.Why
		}
	}
	return ""
}

// share is a part of a whole; of nothing it is all.
func share(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

func (r *judgement) print(a *app) error {
	if a.JSON {
		return a.printJSON(r)
	}
	fmt.Fprintf(a.out, "%s: precision %.3f, recall %.3f: of %d statements %d are relevant, %d of them found, and %d others\n",
		r.Watchlist, r.Precision, r.Recall, r.Statements, r.Relevant, r.Right, r.Found-r.Right)
	for _, m := range r.Missed {
		fmt.Fprintf(a.out, "  missed  %s  %s\n          %s\n", idOf(m.ID), oneLineText(m.Title, 90), m.Why)
	}
	for _, m := range r.Wrong {
		fmt.Fprintf(a.out, "  wrong   %s  %s\n          by %s\n", idOf(m.ID), oneLineText(m.Title, 90), m.Why)
	}
	return nil
}

// idOf is an id of JSON for people.
func idOf(id any) string { return strings.Trim(fmt.Sprintf("%s", id), `"`) }
