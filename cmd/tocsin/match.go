package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"tocsin"
	"tocsin/pipeline/watchlist"
)

type matchCmd struct {
	Query     string   `xor:"what" required:"" placeholder:"Q" help:"The query."`
	Watchlist string   `xor:"what" required:"" placeholder:"NAME" help:"A watchlist of the configuration, or a built-in one."`
	JSONL     bool     `name:"jsonl" help:"Read {id,lang,title,text} a line and print {id,matched,spans} a line."`
	Files     []string `arg:"" optional:"" name:"file" help:"Plain UTF-8 text; - or none is standard input."`
}

func (matchCmd) Help() string {
	return `Prints where the words that satisfy the query stand, by byte offsets. Needs no
running service.

EXIT STATUS  0 something matched · 1 nothing matched, or an error · 2 bad query or usage`
}

func (c matchCmd) Run(a *app) error {
	q, err := c.query(a)
	if err != nil {
		return usageError(err)
	}
	files := c.Files
	if len(files) == 0 {
		files = []string{"-"}
	}
	found := false
	for _, name := range files {
		hit, err := c.file(a, q, name)
		if err != nil {
			return err
		}
		found = found || hit
	}
	if !found {
		return &statusError{status: statusFailed}
	}
	return nil
}

func (c matchCmd) query(a *app) (*watchlist.Query, error) {
	if c.Watchlist == "" {
		return watchlist.Parse(c.Query)
	}
	cfg, err := a.look()
	if err != nil {
		return nil, err
	}
	for _, w := range cfg.Watchlists {
		if w.Name == c.Watchlist {
			return watchlist.Parse(w.Query)
		}
	}
	return nil, fmt.Errorf("match: there is no watchlist %q in the configuration", c.Watchlist)
}

func (c matchCmd) file(a *app, q *watchlist.Query, name string) (bool, error) {
	r, done, err := a.open(name)
	if err != nil {
		return false, err
	}
	defer done()
	if c.JSONL {
		return matchLines(a, q, r)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	spans, ok := q.Match(watchlist.NewDocument("", string(text), ""))
	if a.JSON {
		return ok, a.printJSON(matched{name, ok, spansOrNone(spans)})
	}
	for _, s := range spans {
		if len(c.Files) > 1 {
			fmt.Fprintf(a.out, "%s: ", name)
		}
		fmt.Fprintf(a.out, "%d-%d\t%s\t%s\n", s.Start, s.End, s.Term, text[s.Start:s.End])
	}
	return ok, nil
}

// open opens a file, or standard input for "-".
func (a *app) open(name string) (io.Reader, func(), error) {
	if name == "-" {
		return a.in, func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	return f, func() { f.Close() }, nil
}

// matched is a line of output. Its shape is a promise, see docs/formats.md.
type matched struct {
	ID      any           `json:"id"` // as it was given
	Matched bool          `json:"matched"`
	Spans   []tocsin.Span `json:"spans"`
}

func spansOrNone(s []tocsin.Span) []tocsin.Span {
	if s == nil {
		return []tocsin.Span{}
	}
	return s
}

// maxLine is how many bytes a line of input may have.
const maxLine = 64 << 20

func matchLines(a *app, q *watchlist.Query, r io.Reader) (bool, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	out := bufio.NewWriter(a.out)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	found := false
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var in struct {
			ID                json.RawMessage
			Lang, Title, Text string
		}
		if err := json.Unmarshal(lines.Bytes(), &in); err != nil {
			return found, errors.Join(fmt.Errorf("match: line %d is no JSON object with id, lang, title and text: %w", n, err), out.Flush())
		}
		spans, ok := q.Match(watchlist.NewDocument(in.Title, in.Text, in.Lang))
		found = found || ok
		if err := enc.Encode(matched{in.ID, ok, spansOrNone(spans)}); err != nil {
			return found, err
		}
	}
	return found, errors.Join(lines.Err(), out.Flush())
}
