package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"tocsin"
	"tocsin/pipeline/watchlist"
	"tocsin/pipeline/watchlist/words"
)

type matchCmd struct {
	Query     string   `xor:"what" required:"" placeholder:"Q" help:"The query."`
	Watchlist string   `xor:"what" required:"" placeholder:"NAME" help:"A watchlist of the configuration, a built-in one, or one that was added."`
	JSONL     bool     `name:"jsonl" help:"Read {id,lang,title,text} a line and print {id,matched,spans} a line."`
	Branch    bool     `help:"Also print the part of the query that was found."`
	Files     []string `arg:"" optional:"" name:"file" help:"Plain UTF-8 text; - or none is standard input."`
}

func (matchCmd) Help() string {
	return `Prints where the words that satisfy the query stand, by byte offsets. Needs no
running service. tocsin watchlist explain tells more, and why text does not match.

EXIT STATUS  0 something matched · 1 nothing matched, or an error · 2 bad query or usage`
}

func (c matchCmd) Run(a *app) error {
	j, err := c.judge(a)
	if err != nil {
		return err
	}
	files := c.Files
	if len(files) == 0 {
		files = []string{"-"}
	}
	found := false
	for _, name := range files {
		hit, err := c.file(a, j, name)
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

func (c matchCmd) judge(a *app) (*judge, error) {
	v, err := a.vocabulary()
	if err != nil {
		return nil, err
	}
	w := tocsin.Watchlist{Query: c.Query}
	if c.Watchlist != "" {
		if w, err = v.watchlist(c.Watchlist); err != nil {
			return nil, err
		}
	}
	r, err := v.rule(w)
	if err != nil {
		return nil, err
	}
	return newJudge(r), nil
}

func (c matchCmd) file(a *app, j *judge, name string) (bool, error) {
	r, done, err := a.open(name)
	if err != nil {
		return false, err
	}
	defer done()
	if c.JSONL {
		return c.lines(a, j, r)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	res, ok := j.match(watchlist.NewDocument("", string(text), ""))
	if a.JSON {
		return ok, a.printJSON(c.answer(name, res, ok))
	}
	for _, s := range res.Spans {
		if len(c.Files) > 1 {
			fmt.Fprintf(a.out, "%s: ", name)
		}
		fmt.Fprintf(a.out, "%d-%d\t%s\t%s\n", s.Start, s.End, s.Term, text[s.Start:s.End])
	}
	if ok && c.Branch {
		fmt.Fprintf(a.out, "by %s\n", res.Branch)
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
	Branch  string        `json:"branch,omitempty"`
	Spans   []tocsin.Span `json:"spans"`
}

func (c matchCmd) answer(id any, res watchlist.Result, ok bool) matched {
	m := matched{ID: id, Matched: ok, Spans: res.Spans}
	if m.Spans == nil {
		m.Spans = []tocsin.Span{}
	}
	if c.Branch {
		m.Branch = res.Branch
	}
	return m
}

// maxLine is how many bytes a line of input may have.
const maxLine = 64 << 20

// A statementLine is a statement on a line of input.
type statementLine struct {
	ID                    json.RawMessage
	Lang, Title, Text     string
	Rest, URL             string
	Source, Kind, Country string
	Authors, Tags         []string
	Relevant, Match       *bool // how it is labelled, if it is
}

// document is the statement as rules are held against it. Its language is left
// open unless it is asked for: to tell it takes as long as all the rest.
func (s statementLine) document(speaks bool) *watchlist.Document {
	d := &watchlist.Document{
		Title: s.Title, Text: s.Text, Rest: s.Rest, URL: s.URL, Source: s.Source, Kind: s.Kind, Country: s.Country, Authors: s.Authors, Tags: s.Tags,
	}
	if speaks {
		d.Lang = words.Language(s.Lang, s.Title+"\n"+s.Text)
	}
	return d
}

// statements calls f with each statement of JSON lines.
func statements(r io.Reader, verb string, f func(line int, s statementLine) error) error {
	return jsonLines(r, verb, "id, lang, title and text", f)
}

// jsonLines calls f with each line that is not empty, whose keys of use are these.
func jsonLines[T any](r io.Reader, verb, keys string, f func(line int, v T) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			return fmt.Errorf("%s: line %d is no JSON object with %s: %w", verb, n, keys, err)
		}
		if err := f(n, v); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (c matchCmd) lines(a *app, j *judge, r io.Reader) (bool, error) {
	out := bufio.NewWriterSize(a.out, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	found := false
	err := statements(r, "match", func(_ int, s statementLine) error {
		res, ok := j.match(s.document(j.speaks))
		found = found || ok
		return enc.Encode(c.answer(s.ID, res, ok))
	})
	return found, errors.Join(err, out.Flush())
}
