package engine

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"tocsin/pipeline/watchlist"
	"tocsin/pipeline/watchlist/words"
)

func indexOf(tb testing.TB, queries ...string) *Index {
	tb.Helper()
	return New().With(changes(tb, queries)...)
}

func matchesOf(m *Matcher, d *watchlist.Document) []string {
	var out []string
	m.Match(d, func(name string) { out = append(out, name) })
	return out
}

// mixed are queries of every kind that the engine decides by itself.
var mixed = []string{
	"missile", `"ballistic missile"`, "missil*", "*rakete", "organi?ation", "=export", "rocket NEAR/5 transfer",
	`("ballistic missile*" OR rocket*) BEFORE/8 (transfer* OR export*)`, "missile NOT NEAR/3 museum", "ATLEAST/2(missile)",
	"ANY/2(sanction, export, transfer, embargo)", "title:missile", "FIRST/3(missile)", "source:mfa", "all:embargo",
	`(missile AND export) NOT football`, "弹道导弹", "미사일", "صواريخ",
}

var statement = watchlist.Document{
	Title: "Missile transfer condemned",
	Text: `The U.S. condemned Russia's export of ballistic missiles - a rocket transfer, the missile's third - to the D.P.R.K.
弹道导弹。 탄도 미사일을 والصواريخ Mittelstreckenrakete of an organisation outside any museum or football.`,
	Source: "mfa", Lang: "en", Rest: "embargo", URL: "https://www.gov.uk/x",
}

// TestADocumentOfKnownWordsCostsNoAllocation is the promise for the steady
// state, whether something matches or not.
func TestADocumentOfKnownWordsCostsNoAllocation(t *testing.T) {
	quiet := statement
	quiet.Title, quiet.Text, quiet.Rest, quiet.Source = "Nothing", strings.Repeat("Weather is fine, isn't it? Погода хороша. 天气很好。", 50), "", "x"
	m := indexOf(t, mixed...).Matcher()
	hits := 0
	hit := func(string) { hits++ }
	for _, d := range []*watchlist.Document{&statement, &quiet} {
		m.Match(d, hit)
		hits = 0
		if n := testing.AllocsPerRun(20, func() { m.Match(d, hit) }); n != 0 {
			t.Errorf("%q costs %v allocations", d.Title, n)
		}
		t.Logf("%q: %d matches in all", d.Title, hits)
	}
	if got := matchesOf(m, &statement); len(got) < len(mixed)-3 {
		t.Errorf("only %v match", got)
	}
	if got := matchesOf(m, &quiet); len(got) != 0 {
		t.Errorf("%v match", got)
	}
}

// TestGoroutinesUseAnIndexAtOnce is for the race detector: everybody has a matcher,
// and follows edits.
func TestGoroutinesUseAnIndexAtOnce(t *testing.T) {
	x := indexOf(t, mixed...)
	versions := []*Index{x}
	for i := range 20 {
		versions = append(versions, versions[i].With(Change{"new" + strconv.Itoa(i), compile(t, "missile AND new"+strconv.Itoa(i)+"*")}))
	}
	want := len(matchesOf(x.Matcher(), &statement))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			m := x.Matcher()
			for _, v := range versions {
				m.Use(v)
				d := statement
				if got := matchesOf(m, &d); len(got) != want {
					t.Errorf("%d match, want %d", len(got), want)
				}
			}
		})
	}
	for i := range 20 {
		versions[i].With(Change{Name: "0"}, Change{"1", compile(t, "something")})
	}
	wg.Wait()
}

// TestWhatIsRemovedLeavesNothing holds that an index whose rules come and go
// does not grow.
func TestWhatIsRemovedLeavesNothing(t *testing.T) {
	m := newMaker(3, 3)
	for range 3 {
		m.lists = append(m.lists, m.list())
	}
	x := New()
	for range 3000 {
		c := Change{Name: strconv.Itoa(m.IntN(50))}
		if m.IntN(3) > 0 {
			c.Rule = &watchlist.Rule{Root: m.rule(3)}
		}
		x = x.With(c)
	}
	for i := range 50 {
		x = x.With(Change{Name: strconv.Itoa(i)})
	}
	v := &x.vocabulary
	for what, n := range map[string]int{
		"rules": x.Len(), "symbols": v.byKey.n, "grams": v.grams.n, "edges": x.trie.edges.n, "always": len(x.always), "wide": x.wide,
		"long": len(v.long), "plain": len(v.plain), "patterns": int(v.counts[open] + v.counts[prefix] + v.counts[glob] + v.counts[stemmed]),
	} {
		if n != 0 {
			t.Errorf("%d %s are left", n, what)
		}
	}
	for what, d := range map[string]*ids{"rules": &x.ruleIDs, "lists": &x.listIDs, "symbols": &v.free, "phrases": &x.phraseIDs, "grams": &v.gramID} {
		if d.n > 6000 {
			t.Errorf("%d numbers were given to %s of 50 rules", d.n, what)
		}
		free := uint32(0)
		for i := d.free; i != 0; i = d.next.get(i) {
			free++
		}
		if free != d.n {
			t.Errorf("of %d numbers of %s, %d are free again", d.n, what, free)
		}
	}
}

// TestMoreWordsThanThereAreNumbers holds that rules are then left to the
// reference, and are as right and as removable as others.
func TestMoreWordsThanThereAreNumbers(t *testing.T) {
	defer func(n uint32) { maxWords = n }(maxWords)
	maxWords = 20
	m := newMaker(4, 4)
	x, rules := New(), map[string]*watchlist.Rule{}
	var all []Change
	for i := range 60 {
		c := Change{strconv.Itoa(i), &watchlist.Rule{Root: m.rule(2)}}
		rules[c.Name] = c.Rule
		all = append(all, c)
	}
	x = x.With(all...)
	matcher := x.Matcher()
	for range 20 {
		compare(t, matcher, rules, m.document())
	}
	matcher.lost = true
	compare(t, matcher, rules, m.document())
	compare(t, matcher, rules, m.document())
	for name := range rules {
		x = x.With(Change{Name: name})
	}
	if x.Len() != 0 || len(x.always) != 0 || x.vocabulary.byKey.n != 0 {
		t.Errorf("%d rules, %d of them always asked, and %d symbols are left", x.Len(), len(x.always), x.vocabulary.byKey.n)
	}
}

// TestAMatcherForgetsBeforeItGrowsTooMuch feeds words that nobody ever used.
func TestAMatcherForgetsBeforeItGrowsTooMuch(t *testing.T) {
	m := indexOf(t, "abc*", "*zzz*", "ракет*").Matcher()
	total := 0
	for i := range 30 {
		var b strings.Builder
		for j := range 15_000 {
			fmt.Fprintf(&b, "abc%x Ж%x %s%x — ", i*15_000+j, i*15_000+j, strings.Repeat("long", 5), i*15_000+j)
		}
		d := &watchlist.Document{Text: b.String()}
		if got := matchesOf(m, d); len(got) != 1 {
			t.Fatalf("%v match", got)
		}
		total += 45_000
	}
	if len(m.table) > maxEntries || len(m.longs) > maxLong || len(m.pool) > 2*maxPool || len(m.stems) > maxStems {
		t.Errorf("after %d words it keeps %d entries, %d long runs, %d tokens", total, len(m.table), len(m.longs), len(m.pool))
	}
}

// TestHostileDocumentsAreRead holds the engine to its bounds: each document is
// long, and queries of its only words are held against it.
func TestHostileDocumentsAreRead(t *testing.T) {
	const n = 2 << 20
	m := indexOf(t, append(mixed, "aa NEAR/5 bb", "aa BEFORE/5 aa", "aa NOT NEAR/1 bb", "ATLEAST/1000(aa)", `"aa aa aa bb"`, "*aaa* AND *bbb*",
		"(aa OR bb) NEAR/50 (missile OR cc)", "导 NEAR/2 弹")...).Matcher()
	for name, text := range map[string]string{
		"one word":        strings.Repeat("a", n),
		"one word often":  strings.Repeat("aa ", n/3),
		"two words":       strings.Repeat("aa bb ", n/6),
		"brackets":        strings.Repeat("[", n/2) + strings.Repeat("]", n/2),
		"apostrophes":     strings.Repeat("a'", n/2),
		"single letters":  strings.Repeat("a.", n/2),
		"broken UTF-8":    strings.Repeat("\xe5\xbc", n/2),
		"marks":           strings.Repeat("\u200f", n/3),
		"packed letters":  strings.Repeat("导弹", n/6),
		"combining marks": "e" + strings.Repeat("\u0301", n/2),
		"no spaces":       strings.Repeat("ракета—", n/15),
		"zero bytes":      strings.Repeat("\x00", n),
	} {
		m.Match(&watchlist.Document{Title: "aa", Text: text}, func(string) {})
		if !utf8.ValidString(name) {
			t.Fatal(name)
		}
	}
}

// TestLettersAreWhatRunsAreMadeOf compares eight bytes at a time with one.
func TestLettersAreWhatRunsAreMadeOf(t *testing.T) {
	for c := range uint64(256) {
		for at := range 8 {
			x := 0x2020202020202020&^(0xFF<<(8*at)) | c<<(8*at)
			want := uint64(0)
			if inRun(byte(c)) {
				want = 1 << at
			}
			if got := letters(x); got != want {
				t.Fatalf("byte %#x at %d: %#x, want %#x", c, at, got, want)
			}
		}
	}
}

// TestRunsAreOnlySplitWhereItChangesNothing holds that what split and
// onlyLetters say of runes is so.
func TestRunsAreOnlySplitWhereItChangesNothing(t *testing.T) {
	for r := rune(0x80); r <= 0xFFFF; r++ {
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		s := string(r)
		if at, ok := split("x"+s, 0, 1+len(s)); ok && at == 1 {
			ws := words.Cut("a" + s + "b").Words
			letter := len(ws) == 3 && ws[1].Class == words.Packed && len(words.Cut("中"+s).Words) == 2
			parts := len(ws) == 2 && ws[1].At != ws[1].Next
			if !letter && !parts {
				t.Errorf("%U is split before, and %+v are the words around it", r, ws)
			}
		}
		if onlyLetters(s) {
			base := "a"
			if 0xAC00 <= r && r <= 0xD7A3 {
				base = "가"
			}
			if ws := words.Cut(base + s + base).Words; len(ws) != 1 || ws[0].Class == words.Packed || int(ws[0].End) != 2*len(base)+len(s) {
				t.Errorf("%U is taken for a letter, and %+v are the words around it", r, ws)
			}
		}
	}
}

// sameWords reports how the tokens of a text differ from what words.Cut says.
func sameWords(m *Matcher, text string) error {
	m.k, m.fields = 0, append(m.fields[:0], field{text: text})
	m.scan(text)
	m.measure()
	i := 1
	for n, w := range words.Cut(text).Words {
		broken := i < m.k && m.cells[i].token() == tokenBreak
		if broken {
			i++
		}
		switch {
		case i >= m.k:
			return fmt.Errorf("word %d, %s, is missing", n, w.Form)
		case m.forms[i] != hashForm(w.Form):
			return fmt.Errorf("word %d is not %s", n, w.Form)
		case broken != w.Broken:
			return fmt.Errorf("word %d, %s, is broken: %v", n, w.Form, broken)
		case m.at[i]-fieldGap != w.At || m.at[i+1]-fieldGap != w.Next:
			return fmt.Errorf("word %d, %s, is at %d to %d, want %d to %d", n, w.Form, m.at[i]-fieldGap, m.at[i+1]-fieldGap, w.At, w.Next)
		}
		i++
	}
	if i != m.k {
		return fmt.Errorf("there are %d tokens too many", m.k-i)
	}
	return nil
}

// FuzzTokensAreTheWordsOfCut holds that a text is cut as package words cuts it.
func FuzzTokensAreTheWordsOfCut(f *testing.F) {
	for i := range uint64(200) {
		f.Add(newMaker(9, i).text(60))
	}
	f.Add(strings.Repeat("a'b.c-d’e—", 500))
	m := indexOf(f, mixed...).Matcher()
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 {
			return
		}
		if err := sameWords(m, text); err != nil {
			t.Errorf("%+q: %v", text, err)
		}
	})
}
