package watchlist

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// verdict is what becomes of a query, as testdata/pastes.txtar has it.
func verdict(query string) string {
	var b strings.Builder
	q, err := Parse(query)
	if e, ok := errors.AsType[*Error](err); ok {
		fmt.Fprintf(&b, "!! %d:%d %s\n", e.Line, e.Column, e.Msg)
		if e.Fix != "" {
			fmt.Fprintf(&b, "   write %s\n", e.Fix)
		}
		for _, r := range e.Readings {
			fmt.Fprintf(&b, "   or    %s\n", r)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "=> %s\n", q)
	for _, n := range slices.Concat(q.notes, q.hints) {
		fmt.Fprintf(&b, "~~ %d:%d %s\n", n.Line, n.Column, n.Msg)
	}
	return b.String()
}

func TestPastesOfOtherVendorsMeanWhatTheyMeantOrAreRefusedWithARewrite(t *testing.T) {
	const file = "testdata/pastes.txtar"
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range a.Files {
		query, want := string(f.Data), ""
		for _, mark := range []string{"\n=> ", "\n!! "} {
			if at := strings.Index(query, mark); at >= 0 {
				query, want = query[:at], query[at+1:]
			}
		}
		query = strings.TrimSuffix(query, "\n")
		got := verdict(query)
		if *update {
			a.Files[i].Data = []byte(query + "\n" + got)
		} else if got != want {
			t.Errorf("%s: %s\nis\n%swant\n%s", f.Name, query, got, want)
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// bare is a tree without the places in a query that it came from.
func bare(n *Node) *Node {
	if n == nil {
		return nil
	}
	out := *n
	out.Pos, out.Kids = 0, nil
	for _, k := range n.Kids {
		out.Kids = append(out.Kids, bare(k))
	}
	return &out
}

// sound holds what is promised of every query and every error.
func sound(t *testing.T, query string) {
	t.Helper()
	q, err := Parse(query)
	if err == nil {
		again, err := Parse(q.String())
		if err != nil || again.String() != q.String() || !reflect.DeepEqual(bare(again.root), bare(q.root)) {
			t.Fatalf("%q has the canonical form %q, which is %v, %v", query, q, again, err)
		}
		if len(again.notes)+len(again.hints) > 0 {
			t.Fatalf("the canonical form %q has notes: %v", q, again.Notes())
		}
		laid := q.Format()
		again, err = Parse(laid)
		if err != nil || !reflect.DeepEqual(bare(again.root), bare(q.root)) || again.Format() != laid {
			t.Fatalf("%q is laid out as %q, which is %v, %v", query, laid, again, err)
		}
		return
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Pos < 0 || e.Pos > len(query) || utf8.ValidString(query) && e.Pos < len(query) && !utf8.RuneStart(query[e.Pos]) {
		t.Fatalf("Parse(%q) = %#v", query, err)
	}
	if e.Fix != "" && len(e.Readings) > 0 || len(e.Readings) == 1 || len(e.Readings) > maxReadings || len(e.Msg) > 600 {
		t.Fatalf("Parse(%q) = %#v", query, err)
	}
	for _, r := range append(e.Readings, e.Fix) {
		if r == "" {
			continue
		}
		if again, err := Parse(r); err != nil || again.String() != r {
			t.Fatalf("%q is offered as %q, which is %v, %v", query, r, again, err)
		}
	}
}

// pieces are what a fuzzed query is put together from.
var pieces = []string{
	"a", "bcd*", "*def*", "g?hij", `"k l"`, `"m* n"`, "=o", "==P", "~q", `="r s"`, "/t+u/", "@list", "@list.ru", "弹道", "صواريخ", "미사일",
	"(", ")", "(", ")", " AND ", " OR ", " NOT ", " AND NOT ", " NEAR/3 ", " BEFORE/2 ", " NOT NEAR/4 ", " SAME/S ", " SAME/P ", " near ", " w/5 ", " adj ",
	"ATLEAST/2(", "ANY/1(", ",", "FIRST/9(", "title:", "lead:(", "lang:en", "host:a.b", "tag:x", "raw:Y", "hlp=(", "-", "!", "+", `"z y"~3`, "3N(", " /F9/ ",
	"# c\n", "<<<d>>>", "\n", "“", "”", "^2", "~", "%", "[", "*", "?", "'", "date:", "titel:", "\x00", "\xff",
	"#h ", "/s", "/5 ", "/", "v!", "w$3", " w/seg ", " not w/s ", " pre/3 ", "ANY(", "caps(", "plural(", "hlead(", "section(x)", "near20:", "repeat2:",
	" BEFORE ", " ADN ", " and/or ", "(3n)", "(w)", "around(3)", "、", "：", "\u200f", "\ufeff", `\"`, "–", `"c * d"`, "date > 3", "lang:french", "site:x.y/z",
	"country:", "re:", "NAER/3 ", "allintitle:", "wc>3", "!XY", "S-300", "i.j", "ns=k", "/a b/", "/[s]/", " adj2 ", "/f2 x/", "8,000",
}

// FuzzParse holds, for queries of pieces that may go together, that none makes
// Parse panic, that a canonical form is one, and that what an error offers is a
// query.
func FuzzParse(f *testing.F) {
	f.Add([]byte{0, 20, 1, 21, 4})
	x := uint32(1)
	for range 300 {
		seed := make([]byte, 3+x%24)
		for i := range seed {
			x = x*1664525 + 1013904223
			seed[i] = byte(x >> 24)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 400 {
			return
		}
		var b strings.Builder
		for _, c := range data {
			b.WriteString(pieces[int(c)%len(pieces)])
			if c >= 128 {
				b.WriteByte(' ')
			}
		}
		sound(t, b.String())
	})
}

func TestQueriesThatCostTooMuchAreRefusedAtTheirPlace(t *testing.T) {
	for _, c := range []struct {
		name, query, says string
		pos               int
	}{
		{"terms", strings.Repeat("a OR ", MaxTerms) + "b", "more than 5000 words", 5 * MaxTerms},
		{"depth", strings.Repeat("(", MaxDepth+1) + "a" + strings.Repeat(")", MaxDepth+1), "more than 20 deep", MaxDepth},
		{"fields", strings.Repeat("title:", MaxDepth+1) + "a", "more than 20 deep", 6 * MaxDepth},
		{"wildcards", strings.Repeat("abc* OR ", MaxWildcards) + "abc*", "more than 200 words with wildcards", 8 * MaxWildcards},
		{"regular expressions", strings.Repeat("/ab/ OR ", MaxRegexes) + "/ab/", "more than 20 regular", 8 * MaxRegexes},
		{"bytes", strings.Repeat("a", MaxBytes+1), "at most 262144", 0},
		{"encoding", "a AND \xff", "not UTF-8", 6},
	} {
		_, err := Parse(c.query)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Pos != c.pos || !strings.Contains(e.Msg, c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAnErrorIsSmallWhateverTheQuery(t *testing.T) {
	for _, q := range []string{
		strings.Repeat("(a OR b AND ", 5000), strings.Repeat("a b ", 3000), strings.Repeat("=title:", 3000) + "a", strings.Repeat(`"`, 9999),
		strings.Repeat("-", 20000), strings.Repeat("(a AND b) NEAR/5 ", 2000) + "c", strings.Repeat("a*", 60000), strings.Repeat("/F9/", 9000), "a AND x" + strings.Repeat("y", 200000) + ":z",
	} {
		if _, err := Parse(q); err != nil && len(err.Error()) > 200<<10 {
			t.Errorf("the error for %.20q… has %d bytes", q, len(err.Error()))
		}
	}
}

func TestALaidOutQueryKeepsItsCommentsAndPartsAtTheirPlace(t *testing.T) {
	q := parse(t, `# what

## why
(missile* OR rocket*)# this
AND <<< how
 and when >>> (

export* OR # trade
transfer* OR `+strings.Repeat("sale* OR ", 12)+`
# aid

gift*


OR grant* # the last
) NOT NEAR/5 (museum OR film) # end
<<< over >>>`)
	const want = `# what

# why
(missile* OR rocket*) # this
# how
# and when
AND (
  (
    export* # trade
    OR transfer* OR sale* OR sale* OR sale* OR sale* OR sale* OR sale* OR sale* OR sale* OR sale*
    OR sale* OR sale* OR sale*
    # aid
    OR gift*

    OR grant* # the last
  )
  NOT NEAR/5 (museum OR film)
) # end
# over
`
	if got := q.Format(); got != want {
		t.Errorf("it is\n%s\nwant\n%s", got, want)
	}
}

func TestAQueryTellsWhichListsItNames(t *testing.T) {
	if got := parse(t, "@b AND (@a OR @b.ru)").Lists(); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("it names %v", got)
	}
}
