package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"tocsin"
	"tocsin/pipeline"
	"tocsin/pipeline/watchlist"
)

type watchlistExplainCmd struct {
	Name  string `arg:"" optional:"" help:"The watchlist."`
	What  string `arg:"" optional:"" name:"file" help:"Plain UTF-8 text, or the address of a stored statement; - or none is standard input."`
	Query string `placeholder:"Q" help:"A query instead of a watchlist."`
	Title string `help:"The title of the text."`
	Lang  string `help:"Its language (default: told from the text)."`
}

func (watchlistExplainCmd) Help() string {
	return `Needs no running service for a text.

EXIT STATUS  0 it matches · 1 it does not, or an error · 2 wrong usage or a bad query`
}

func (c watchlistExplainCmd) Run(a *app) error {
	if c.Query != "" && c.What == "" { // the one argument is the text
		c.Name, c.What = "", c.Name
	}
	if (c.Query == "") == (c.Name == "") {
		return usageError(errors.New("watchlist explain: name a watchlist, or give a --query"))
	}
	v, err := a.vocabulary()
	if err != nil {
		return err
	}
	w := tocsin.Watchlist{Name: "query", Query: c.Query}
	if c.Query == "" {
		if w, err = v.watchlist(c.Name); err != nil {
			return err
		}
	}
	rule, err := v.rule(w)
	if err != nil {
		return err
	}
	docs, err := c.documents(a)
	if err != nil {
		return err
	}
	matched := false
	for _, d := range docs {
		x := explained(w.Name, rule, d)
		matched = matched || x.Matched
		if a.JSON {
			err = a.printJSON(x)
		} else {
			x.print(a, d)
		}
		if err != nil {
			return err
		}
	}
	if !matched {
		return &statusError{status: statusFailed}
	}
	return nil
}

// documents are the text that is given, or the stored items of an address.
func (c watchlistExplainCmd) documents(a *app) ([]*watchlist.Document, error) {
	if !strings.HasPrefix(c.What, "http://") && !strings.HasPrefix(c.What, "https://") {
		text, err := a.read(cmp.Or(c.What, "-"))
		if err != nil {
			return nil, err
		}
		return []*watchlist.Document{watchlist.NewDocument(c.Title, string(text), c.Lang)}, nil
	}
	var out []*watchlist.Document
	err := a.logs(func(l *pipeline.Logs) error {
		w, err := l.Wanted(a.ctx)
		if err != nil {
			return err
		}
		traces, err := l.Why(a.ctx, c.What)
		for _, t := range traces {
			out = append(out, pipeline.Document(t.Item, w.Source(t.Item.Source)))
		}
		return err
	})
	if err == nil && len(out) == 0 {
		err = errors.New("watchlist explain: no stored item has this address; see: tocsin why")
	}
	return out, err
}

// An explanation is why a text matches or does not. Its shape is a promise, see
// docs/formats.md.
type explanation struct {
	Watchlist string        `json:"watchlist"`
	Matched   bool          `json:"matched"`
	Lang      string        `json:"lang"` // "" is unknown
	Branch    string        `json:"branch,omitempty"`
	Spans     []tocsin.Span `json:"spans"`
	Parts     []part        `json:"parts"` // of one that does not match
}

// A part is one required part of a query.
type part struct {
	Part  string        `json:"part"`
	Held  bool          `json:"held"`
	Why   string        `json:"why,omitempty"` // what is missing, and how near it is
	Spans []tocsin.Span `json:"spans"`
}

func explained(name string, rule *watchlist.Rule, d *watchlist.Document) explanation {
	x := explanation{Watchlist: name, Lang: d.Lang, Spans: []tocsin.Span{}, Parts: []part{}}
	if res, ok := rule.Match(d); ok {
		x.Matched, x.Branch, x.Spans = true, res.Branch, append(x.Spans, res.Spans...)
		return x
	}
	for _, r := range rule.Miss(d) {
		x.Parts = append(x.Parts, part{r.Part, r.Held, r.Why, append([]tocsin.Span{}, r.Spans...)})
	}
	return x
}

// maxTerms is how many matched words are listed.
const maxTerms = 20

func (x explanation) print(a *app, d *watchlist.Document) {
	m := markerFor(a.out)
	if d.Title != "" {
		fmt.Fprintln(a.out, oneLineText(d.Title, 100))
	}
	if x.Matched {
		fmt.Fprintf(a.out, "%s matches", x.Watchlist)
		fmt.Fprintf(a.out, "\n  by    %s\n", x.Branch)
		printFound(a, x.Spans, d, m)
		return
	}
	fmt.Fprintf(a.out, "%s does not match", x.Watchlist)
	if x.Lang == "" {
		fmt.Fprint(a.out, ", a text of unknown language")
	}
	fmt.Fprintln(a.out)
	for _, p := range x.Parts {
		if p.Held {
			fmt.Fprintf(a.out, "  ok    %s\n", oneLineText(p.Part, 120))
		} else {
			fmt.Fprintf(a.out, "  MISS  %s\n        %s\n", oneLineText(p.Part, 120), p.Why)
		}
		for _, f := range fieldNames {
			for _, x := range passages(valueOf(d, f), f, p.Spans, 2) {
				fmt.Fprintf(a.out, "        %s: %s\n", f, x.show(valueOf(d, f), m))
			}
		}
	}
}

// printFound prints the words that matched, each with its list, and the parts of
// the text that they stand in.
func printFound(a *app, spans []tocsin.Span, d *watchlist.Document, m marker) {
	found := foundTerms(spans, func(field string) string { return valueOf(d, field) })
	for i, f := range found {
		if i == maxTerms {
			fmt.Fprintf(a.out, "  …     %d more\n", len(found)-i)
			break
		}
		fmt.Fprintf(a.out, "  %-5s %d-%d  %s\n", f.field, f.start, f.end, f)
	}
	for _, field := range fieldNames {
		for _, p := range passages(valueOf(d, field), field, spans, 3) {
			fmt.Fprintf(a.out, "  %s: %s\n", field, p.show(valueOf(d, field), m))
		}
	}
}

// fieldNames are the fields that words are found in, in order.
var fieldNames = []string{tocsin.FieldTitle, tocsin.FieldText, "rest", "url", "author", "tag"}

// valueOf is a field as spans count its bytes.
func valueOf(d *watchlist.Document, field string) string {
	switch field {
	case tocsin.FieldTitle:
		return d.Title
	case tocsin.FieldText:
		return d.Text
	case "rest":
		return d.Rest
	case "url":
		return d.URL
	case "author":
		return strings.Join(d.Authors, "\n")
	case "tag":
		return strings.Join(d.Tags, "\n")
	}
	return d.Value(field)
}
