package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tocsin/pipeline/watchlist"
)

// A block is a fenced block of a Markdown page.
type block struct {
	line int    // of its first line of text
	info string // what follows the fence
	text string
}

func fencedBlocks(t *testing.T, path string) []block {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []block
	open := false
	n := 0
	for line := range strings.Lines(string(page)) {
		n++
		if info, fence := strings.CutPrefix(strings.TrimSpace(line), "```"); fence {
			if open = !open; open {
				out = append(out, block{line: n + 1, info: info})
			}
			continue
		}
		if open {
			out[len(out)-1].text += line
		}
	}
	return out
}

var claim = regexp.MustCompile(`(?m)^(matches|does not|means|refused|note): (.*)\n`)

// TestWatchlistsPageTellsTheTruth runs the examples of docs/watchlists.md: blocks
// of a query and what is said of it, and blocks of commands and what they print.
// A block of another kind that names a file is that file.
func TestWatchlistsPageTellsTheTruth(t *testing.T) {
	all := fencedBlocks(t, "../../docs/watchlists.md")
	t.Chdir(t.TempDir())
	t.Setenv("HOME", t.TempDir())
	queries, commands := 0, 0
	for _, b := range all {
		kind, name, _ := strings.Cut(b.info, " ")
		switch {
		case kind == "query":
			queries++
			tellsOfQuery(t, b, name == "stem")
		case kind == "console":
			commands++
			printsAsWritten(t, b)
		case name != "":
			if err := os.WriteFile(name, []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if queries < 20 || commands < 3 {
		t.Errorf("the page has %d queries and %d commands: are its blocks still found?", queries, commands)
	}
}

func tellsOfQuery(t *testing.T, b block, stem bool) {
	at := claim.FindStringIndex(b.text)
	if at == nil {
		t.Errorf("line %d: nothing is said of this query", b.line)
		return
	}
	query := strings.TrimSpace(b.text[:at[0]])
	q, err := watchlist.Parse(query)
	var rule *watchlist.Rule
	if err == nil {
		lists, lerr := madeLists(builtinLists())
		if lerr != nil {
			t.Fatal(lerr)
		}
		rule, err = q.Resolve(lists, stem)
	}
	for _, c := range claim.FindAllStringSubmatch(b.text, -1) {
		what, says := c[1], c[2]
		if what == "refused" {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("line %d: %s: %v, want it refused with %s", b.line, query, err, says)
			}
			continue
		}
		if err != nil {
			t.Errorf("line %d: %v", b.line, err)
			return
		}
		switch what {
		case "means":
			if q.String() != says {
				t.Errorf("line %d: %s means %s, not %s", b.line, query, q, says)
			}
		case "note":
			has := func(w watchlist.Warning) bool { return strings.Contains(w.Msg, says) }
			if !slices.ContainsFunc(q.Notes(), has) {
				t.Errorf("line %d: notes of %s are %v", b.line, query, q.Notes())
			}
		default:
			title, text, both := strings.Cut(says, " | ")
			if !both {
				title, text = "", says
			}
			if _, ok := rule.Match(watchlist.NewDocument(title, text, "")); ok != (what == "matches") {
				t.Errorf("line %d: %s: matches %q: %v", b.line, query, says, ok)
			}
		}
	}
}

// printsAsWritten runs the commands after "$ " and holds what they print, on
// standard output or else on standard error, to what follows them.
func printsAsWritten(t *testing.T, b block) {
	for _, part := range strings.Split("\n"+b.text, "\n$ ")[1:] {
		command, want, _ := strings.Cut(part, "\n")
		var out bytes.Buffer
		run(context.Background(), shellWords(command)[1:], strings.NewReader(""), &out, &out)
		if got := out.String(); strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("line %d: %s prints\n%s\nand not\n%s", b.line, command, got, want)
		}
	}
}

// shellWords divides a command as a shell does, as far as quotes go.
func shellWords(s string) (out []string) {
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(s, -1) {
		out = append(out, m[1]+m[2])
	}
	return out
}

// TestDocumentedVerbsExist holds the commands of the pages to the program.
func TestDocumentedVerbsExist(t *testing.T) {
	verb := regexp.MustCompile(`tocsin (watchlist|list|destination|subscription|alert|delivery|source) ([a-z]+)(?:[^a-z0-9]|$)`)
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(pages, "../../README.md") {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range verb.FindAllStringSubmatch(string(page), -1) {
			var out bytes.Buffer
			if code := run(context.Background(), []string{m[1], m[2], "--help"}, strings.NewReader(""), &out, &out); code != 0 {
				t.Errorf("%s tells of %q, which is no command", path, m[0])
			}
		}
	}
}
