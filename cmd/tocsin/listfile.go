package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tocsin"
	"tocsin/pipeline/watchlist"
)

// listHead is the first line of a .list file. docs/formats.md describes both
// kinds of files of lists.
const listHead = "# tocsin list v1"

// A lineFault is what is wrong with a line of a file.
type lineFault struct {
	Line int    `json:"line"` // from 1
	Text string `json:"text"`
}

// A lineError is everything that is wrong with a file.
type lineError struct {
	File   string
	Faults []lineFault
}

// maxLineFaults is how many faults of one file are told.
const maxLineFaults = 20

func (e *lineError) Error() string {
	var lines []string
	for _, f := range e.Faults[:min(len(e.Faults), maxLineFaults)] {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", e.File, f.Line, f.Text))
	}
	if more := len(e.Faults) - maxLineFaults; more > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more lines with faults", e.File, more))
	}
	return strings.Join(lines, "\n")
}

// A row is an entry of a list and the line it stands on.
type row struct {
	tocsin.Entry
	said string // the term as it stands there
	line int
}

// parseListFile reads the entries of a .list or .csv file, told apart by its
// name or its first line. An error is a *lineError that names every fault.
func parseListFile(file string, text []byte) ([]tocsin.Entry, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if i := bytes.IndexFunc(text, func(r rune) bool { return r == utf8.RuneError }); i >= 0 && !utf8.Valid(text) {
		return nil, &lineError{file, []lineFault{{1 + bytes.Count(text[:i], []byte("\n")), "this is not UTF-8; save the file as UTF-8"}}}
	}
	parse := listRows
	if !strings.HasSuffix(file, ".list") && !bytes.HasPrefix(text, []byte(listHead)) {
		parse = nameRows
	}
	rows, faults := parse(string(text))
	out := make([]tocsin.Entry, 0, len(rows))
	seen := make(map[tocsin.Entry]bool, len(rows))
	for _, r := range rows {
		if _, err := watchlist.NewList(tocsin.List{Entries: []tocsin.Entry{r.Entry}}); err != nil {
			if f := (lineFault{r.line, r.said + ": " + entryFault(err)}); !slices.Contains(faults, f) {
				faults = append(faults, f)
			}
			continue
		}
		if key := (tocsin.Entry{Term: r.Term, Lang: r.Lang}); !seen[key] {
			seen[key] = true
			out = append(out, r.Entry)
		}
	}
	if len(faults) == 0 && len(out) == 0 {
		faults = append(faults, lineFault{1, "the file has no name or term"})
	}
	if len(faults) > 0 {
		slices.SortStableFunc(faults, func(a, b lineFault) int { return a.Line - b.Line })
		return nil, &lineError{file, faults}
	}
	return out, nil
}

// entryFault is what is wrong with a list of one entry, without the list and
// the entry's number.
func entryFault(err error) string {
	if e, ok := errors.AsType[*watchlist.ListError](err); ok {
		err = e.Err
	}
	return withoutPlace(err)
}

// withoutPlace is an error without the place in a query that it begins with.
func withoutPlace(err error) string {
	if e, ok := errors.AsType[*watchlist.Error](err); ok {
		return strings.TrimPrefix(e.Error(), fmt.Sprintf("query line %d, column %d: ", e.Line, e.Column))
	}
	return err.Error()
}

// listRows reads lines of "term", "lang<TAB>term" or "lang<TAB>term<TAB>name".
func listRows(text string) (rows []row, faults []lineFault) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, " \r\n")
		if n == 1 && line != listHead {
			return nil, []lineFault{{1, fmt.Sprintf("the first line is not %q: is this a list, and of this version?", listHead)}}
		}
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		switch len(f) {
		case 1:
			f = []string{"", f[0], ""}
		case 2:
			f = append(f, "")
		case 3:
		default:
			faults = append(faults, lineFault{n, "there are more than two tabs: write language, term and name"})
			continue
		}
		rows = append(rows, row{tocsin.Entry{Lang: f[0], Term: termOf(f[1]), Name: f[2]}, f[1], n})
	}
	return rows, faults
}

// termOf is a term as a query writes it: words side by side, which a query has to
// put in quotes, can be nothing but a phrase in a list.
func termOf(s string) string {
	s = strings.TrimSpace(s)
	if !strings.ContainsAny(s, " \u00a0\u3000") || strings.ContainsFunc(s, isQuotation) {
		return s
	}
	if _, err := watchlist.Parse(s); err == nil {
		return s
	}
	phrase := `"` + s + `"`
	if _, err := watchlist.Parse(phrase); err != nil {
		return s
	}
	return phrase
}

func isQuotation(r rune) bool {
	return unicode.In(r, unicode.Quotation_Mark) && r != '\'' && r != '’' && r != '‘'
}

// formatList is the .list file of a list.
func formatList(entries []tocsin.Entry) string {
	var b strings.Builder
	b.WriteString(listHead + "\n")
	for _, e := range entries {
		switch {
		case e.Name != "":
			fmt.Fprintf(&b, "%s\t%s\t%s\n", e.Lang, e.Term, e.Name)
		case e.Lang != "":
			fmt.Fprintf(&b, "%s\t%s\n", e.Lang, e.Term)
		default:
			fmt.Fprintf(&b, "%s\n", e.Term)
		}
	}
	return b.String()
}

// nameRows reads CSV (RFC 4180) of names: the first column is the name, each
// further one an alias of it. A first row that says "name" tells what the columns
// are: name, lang, aliases (several, divided by semicolons); any other is an alias.
func nameRows(text string) (rows []row, faults []lineFault) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = separator(text)
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	var columns []string
	for first := true; ; first = false {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, faults
		}
		if err != nil {
			faults = append(faults, csvFault(err))
			if len(faults) > maxLineFaults {
				return rows, faults
			}
			continue
		}
		if first && slices.ContainsFunc(cells, func(c string) bool { return columnName(c) == "name" }) {
			for _, c := range cells {
				columns = append(columns, columnName(c))
			}
			continue
		}
		line, _ := r.FieldPos(0)
		some, fault := namesOf(cells, columns)
		if fault != "" {
			faults = append(faults, lineFault{line, fault})
			continue
		}
		for _, r := range some {
			r.line = line
			rows = append(rows, r)
		}
	}
}

func columnName(cell string) string { return strings.ToLower(strings.TrimSpace(cell)) }

func csvFault(err error) lineFault {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return lineFault{e.StartLine, e.Err.Error() + `: a cell with a quote, a separator or a line break in it stands between quotes, and a quote in it is written ""`}
	}
	return lineFault{1, err.Error()}
}

// separator is what divides cells: in the first row that has one outside quotes, a
// tab, or else a semicolon, as some spreadsheets write and then leave commas
// without quotes, or else a comma.
func separator(text string) rune {
	for line := range strings.Lines(text) {
		quoted, has := false, map[rune]bool{}
		for _, r := range line {
			if r == '"' {
				quoted = !quoted
			}
			has[r] = has[r] || !quoted
		}
		for _, r := range "\t;," {
			if has[r] {
				return r
			}
		}
	}
	return ','
}

// namesOf are the entries of a row: the name, and each alias that is not it.
func namesOf(cells, columns []string) (out []row, fault string) {
	name, lang := "", ""
	var aliases []string
	for i, cell := range cells {
		cell = strings.Join(strings.Fields(cell), " ")
		column := ""
		if i < len(columns) {
			column = columns[i]
		} else if columns == nil && i == 0 {
			column = "name"
		}
		switch column {
		case "name":
			name = cell
		case "lang", "language":
			lang = cell
		case "aliases":
			aliases = append(aliases, strings.Split(cell, ";")...)
		default:
			aliases = append(aliases, cell)
		}
	}
	if name == "" {
		if strings.TrimSpace(strings.Join(aliases, "")) == "" {
			return nil, "" // an empty row
		}
		return nil, "the row has aliases and no name"
	}
	out = append(out, row{Entry: tocsin.Entry{Term: phraseOf(name), Lang: lang}, said: name})
	for _, a := range aliases {
		if a = strings.TrimSpace(a); a == "" {
			continue
		}
		if term := phraseOf(a); term != out[0].Term {
			out = append(out, row{Entry: tocsin.Entry{Term: term, Lang: lang, Name: name}, said: a})
		}
	}
	return out, ""
}

// phraseOf is a name as a query writes it: a phrase. Only a star at the end of a
// word keeps its meaning.
func phraseOf(name string) string {
	plain := strings.Map(func(r rune) rune {
		if isQuotation(r) || r == '?' || r == '？' || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, name)
	return `"` + strings.Join(strings.Fields(plain), " ") + `"`
}
