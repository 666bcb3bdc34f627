package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"tocsin/pipeline/fold"
)

type foldCmd struct {
	JSONL     bool     `name:"jsonl" help:"Read {id,lang,title,text,source,country,first_seen} a line and print {id,statement,decision,score,reason} a line."`
	Eval      bool     `help:"Read the same with cluster, and print how well the texts are folded."`
	Precision float64  `placeholder:"0.98" help:"With --eval: fail below it."`
	Recall    float64  `placeholder:"0.90" help:"With --eval: fail below it."`
	Files     []string `arg:"" optional:"" name:"file" help:"JSON lines; - or none is standard input."`
}

func (foldCmd) Help() string {
	return `Says which texts are one statement, as the service decides it: same (a copy), near (a
report about it) or new. statement is the id of the first text of the statement. Texts
are taken in the order of first_seen; those without it in the order of the file, within
one day. Needs no running service. docs/alerts.md explains the decisions.

With --eval it prints B-cubed precision over all texts, and recall over those that have
a copy, and the texts that are wrong.

EXIT STATUS  0 done · 1 below --precision or --recall, or an error · 2 wrong usage`
}

// A foldLine is a text on a line of input.
type foldLine struct {
	ID                                          json.RawMessage
	Lang, Title, Text, Source, Country, Cluster string
	FirstSeen                                   time.Time `json:"first_seen"`
}

// folded is a line of output. Its shape is a promise, see docs/formats.md.
type folded struct {
	ID        json.RawMessage `json:"id"`
	Statement json.RawMessage `json:"statement"`
	Decision  string          `json:"decision"` // same, near or new
	Score     float64         `json:"score"`
	Reason    string          `json:"reason"`
}

func (c foldCmd) Run(a *app) error {
	if c.JSONL == c.Eval {
		return usageError(errors.New("fold: say --jsonl to fold texts, or --eval to judge how well they are folded"))
	}
	var lines []foldLine
	for _, name := range c.files() {
		more, err := a.foldLines(name)
		if err != nil {
			return err
		}
		lines = append(lines, more...)
	}
	texts := make([]fold.Text, len(lines))
	for i, l := range lines {
		texts[i] = fold.Text{ID: string(l.ID), Lang: l.Lang, Title: l.Title, Text: l.Text, Source: l.Source, Country: l.Country, Seen: l.FirstSeen}
	}
	out := fold.Sequence(texts)
	if c.Eval {
		return c.eval(a, lines, out)
	}
	return printFolded(a.out, out)
}

func (c foldCmd) files() []string {
	if len(c.Files) == 0 {
		return []string{"-"}
	}
	return c.Files
}

func (a *app) foldLines(name string) ([]foldLine, error) {
	r, done, err := a.open(name)
	if err != nil {
		return nil, err
	}
	defer done()
	var out []foldLine
	err = jsonLines(r, "fold", "id, lang, title and text", func(n int, l foldLine) error {
		if len(l.ID) == 0 {
			l.ID = json.RawMessage(fmt.Sprint(n))
		}
		out = append(out, l)
		return nil
	})
	return out, err
}

func printFolded(w io.Writer, out []fold.Folded) error {
	b := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	for _, f := range out {
		if err := enc.Encode(folded{json.RawMessage(f.ID), json.RawMessage(f.Statement), string(f.Kind), f.Score, f.Reason}); err != nil {
			return err
		}
	}
	return b.Flush()
}

// foldMeasure is what --eval prints as JSON. Its shape is a promise, see docs/formats.md.
type foldMeasure struct {
	Texts        int     `json:"texts"`
	Precision    float64 `json:"precision"`
	Copied       int     `json:"copied"`
	Recall       float64 `json:"recall"`
	CopiedInLang int     `json:"copied_in_language"`
	RecallInLang float64 `json:"recall_in_language"`
}

func (c foldCmd) eval(a *app, lines []foldLine, out []fold.Folded) error {
	judged := make([]fold.Judged, len(lines))
	first := map[string]string{} // id -> cluster
	for i, l := range lines {
		cluster := l.Cluster
		if cluster == "" {
			cluster = "alone " + string(l.ID)
		}
		judged[i] = fold.Judged{Lang: l.Lang, Cluster: cluster, Statement: out[i].Statement}
		first[string(l.ID)] = cluster
	}
	m := foldMeasure(fold.Score(judged))
	if a.JSON {
		if err := a.printJSON(m); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.out, "%d texts: precision %.3f; recall %.3f over %d that have a copy, %.3f over %d that have one in their language\n",
			m.Texts, m.Precision, m.Recall, m.Copied, m.RecallInLang, m.CopiedInLang)
		printWrong(a.out, judged, out, first)
	}
	if m.Precision < c.Precision || m.Recall < c.Recall {
		return &statusError{status: statusFailed}
	}
	return nil
}

// printWrong names the texts that are in a statement of others, and those that
// are not in the statement of their cluster's first text.
func printWrong(w io.Writer, judged []fold.Judged, out []fold.Folded, first map[string]string) {
	home := map[string]string{} // cluster -> the statement of its first text
	for i, j := range judged {
		if home[j.Cluster] == "" && first[j.Statement] == j.Cluster {
			home[j.Cluster] = j.Statement
		}
		f := out[i]
		switch {
		case first[j.Statement] != j.Cluster:
			fmt.Fprintf(w, "wrong   %s (%s, %s) %s %s, of another statement: %.2f, %s\n", f.ID, j.Cluster, j.Lang, f.Kind, f.Statement, f.Score, f.Reason)
		case j.Statement != home[j.Cluster]:
			fmt.Fprintf(w, "missed  %s (%s, %s) %s %s, and not %s: %.2f, %s\n", f.ID, j.Cluster, j.Lang, f.Kind, f.Statement, home[j.Cluster], f.Score, f.Reason)
		}
	}
}
