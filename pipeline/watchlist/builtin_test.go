package watchlist

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const builtinPath = "../../cmd/tocsin/builtin/missile-transfer.query"

func builtinQuery(tb testing.TB) *Query {
	tb.Helper()
	text, err := os.ReadFile(builtinPath)
	if err != nil {
		tb.Fatal(err)
	}
	q, err := Parse(string(text))
	if err != nil {
		tb.Fatal(err)
	}
	return q
}

// corpus is a file of a directory laid out like TOCSIN_CORPUS.
func corpus(tb testing.TB, name string) string {
	tb.Helper()
	dir := os.Getenv("TOCSIN_CORPUS")
	if dir == "" {
		tb.Skip("TOCSIN_CORPUS is unset: it names the directory with " + name)
	}
	return filepath.Join(dir, name)
}

// A statement is a line of a labelled corpus.
type statement struct {
	ID, Lang, Title, Text string
	Relevant              bool
}

func statements(tb testing.TB, path string) []statement {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var all []statement
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s statement
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			tb.Fatal(err)
		}
		all = append(all, s)
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	return all
}

// figures are how well a query tells relevant statements from others.
type figures struct{ hits, misses, falseHits int }

func (f figures) precision() float64 { return float64(f.hits) / float64(f.hits+f.falseHits) }
func (f figures) recall() float64    { return float64(f.hits) / float64(f.hits+f.misses) }

func TestBuiltinFiguresHold(t *testing.T) {
	q := builtinQuery(t)
	for _, c := range []struct{ name, path string }{
		{"labelled texts of the corpus", ""},
		{"testdata/statements.jsonl", "testdata/statements.jsonl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := c.path
			if path == "" {
				path = corpus(t, "labelled.jsonl")
			}
			var f figures
			texts := statements(t, path)
			for _, s := range texts {
				spans, ok := q.Match(NewDocument(s.Title, s.Text, s.Lang))
				switch {
				case ok && s.Relevant:
					f.hits++
				case s.Relevant:
					f.misses++
					t.Logf("miss: %s %s", s.ID, s.Title)
				case ok:
					f.falseHits++
					t.Logf("false hit: %s %s %q", s.ID, s.Title, terms(spans))
				}
			}
			t.Logf("%d texts: recall %.3f, precision %.3f", len(texts), f.recall(), f.precision())
			if f.recall() < 0.95 || f.precision() < 0.75 {
				t.Error("want recall of at least 0.95 and precision of at least 0.75")
			}
		})
	}
}

func TestBuiltinFindsTheSeedStatement(t *testing.T) {
	text, err := os.ReadFile(corpus(t, "seed-statement.txt"))
	if err != nil {
		t.Fatal(err)
	}
	spans, ok := builtinQuery(t).Match(NewDocument("", string(text), "en"))
	if !ok {
		t.Fatal("it does not match")
	}
	for _, want := range []string{"ballistic missile*", "transfer*"} {
		if !slices.Contains(terms(spans), want) {
			t.Errorf("terms are %q, want %q among them", terms(spans), want)
		}
	}
}

// A term that another beside it covers would only repeat its spans.
func TestBuiltinWritesNoTermTwice(t *testing.T) {
	var check func(n node)
	check = func(n node) {
		switch n := n.(type) {
		case *all:
			for _, k := range n.must {
				check(k)
			}
		case some:
			for i, a := range n {
				check(a)
				for j, b := range n {
					a, ok1 := a.(*term)
					b, ok2 := b.(*term)
					if i != j && ok1 && ok2 && covers(a.words, b.words) {
						t.Errorf("%s is covered by %s", b, a)
					}
				}
			}
		}
	}
	check(builtinQuery(t).root)
}

// covers reports whether all words that b stands for are among those of a.
func covers(a, b []word) bool {
	if len(a) > len(b) {
		return false
	}
	for i, w := range a {
		if w.form != b[i].form && !(w.prefix && strings.HasPrefix(b[i].form, w.form)) || b[i].prefix && !w.prefix {
			return false
		}
	}
	return true
}
