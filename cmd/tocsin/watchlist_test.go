package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"tocsin"
	"tocsin/pipeline"
	"tocsin/pipeline/watchlist"
)

func TestWatchlistsAreReadAsTheyAreWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"herring", "\n", "\"", "'", "#", ": ", "{", "- ", "\t", "弾道", "\u2028", "\\n", "é", " ", "|", "%", "@x", "\n\n  x"}
	text := func() string {
		var b strings.Builder
		for range 1 + r.IntN(8) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return "a" + b.String()
	}
	for range 2000 {
		w := tocsin.Watchlist{Name: "x", Query: "herring", Stem: r.IntN(2) == 0}
		for range r.IntN(3) {
			w.MustMatch = append(w.MustMatch, tocsin.Example{Text: text()})
		}
		for range r.IntN(3) {
			w.MustNotMatch = append(w.MustNotMatch, tocsin.Example{Title: text(), Text: text(), Lang: "fr"})
		}
		written := writeWatchlist(w)
		got, _, err := newLoader(nil).readWatchlist("x.yaml", "x", []byte(written), true)
		if err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
		if got.Query = strings.TrimSpace(got.Query); !reflect.DeepEqual(got, w) {
			t.Fatalf("%s\nis read as %+v\nand not as   %+v", written, got, w)
		}
	}
}

// Whatever a query looks like, YAML keeps it.
func TestQueriesAreReadAsTheyAreWritten(t *testing.T) {
	for _, query := range []string{
		missileTransfer, missileTransferStrict,
		"# a comment: with a colon\n\"ballistic missile*\" AND\n\n  /x: \\d+/ # another\nNOT museum",
		"@dprk", "\"a\"", "'tis OR b", "- x OR b", "a\nOR b",
	} {
		q, err := watchlist.Parse(query)
		if err != nil {
			t.Logf("%q: %v", query, err)
			continue
		}
		w := tocsin.Watchlist{Name: "x", Query: q.Format()}
		got, _, err := newLoader(nil).readWatchlist("x.yaml", "x", []byte(writeWatchlist(w)), false)
		if err != nil || strings.TrimSpace(got.Query) != strings.TrimSpace(w.Query) {
			t.Errorf("%s\nis read as %s: %v", writeWatchlist(w), got.Query, err)
		}
	}
}

func TestPassagesMarkWordsAndKeepTheirSurroundings(t *testing.T) {
	text := "They met. " + strings.Repeat("Nothing was said of it. ", 20) + "The missiles, ballistic missiles, were sent. " + strings.Repeat("Nothing more. ", 30) + "Rockets\nfollowed."
	var spans []tocsin.Span
	for _, x := range []struct{ term, found string }{{"missile*", "missiles"}, {"ballistic missile*", "ballistic missiles"}, {"rocket*", "Rockets\nfollowed"}} {
		at := strings.Index(text, x.found)
		spans = append(spans, tocsin.Span{Term: x.term, Field: "text", Start: at, End: at + len(x.found)})
	}
	spans = append(spans, tocsin.Span{Term: "missile*", Field: "text", Start: spans[1].Start + 10, End: spans[1].End}, tocsin.Span{Term: "x", Field: "title", End: 1}, tocsin.Span{Term: "x", Field: "text", Start: 5, End: 1 << 20})
	got := passages(text, "text", spans[:3], 3)
	if len(got) != 2 {
		t.Fatalf("passages are %+v, want one of missiles and one of rockets", got)
	}
	if s := got[0].show(text, marker{"[", "]"}); !strings.Contains(s, "The [missiles], [ballistic missiles], were sent.") || !strings.HasPrefix(s, "… ") || !strings.HasSuffix(s, " …") {
		t.Errorf("the first is shown as %q", s)
	}
	if s := got[1].show(text, marker{"<", ">"}); !strings.HasSuffix(s, "<Rockets followed>.") {
		t.Errorf("the second is shown as %q", s)
	}
	if got := passages(text, "text", spans, 1); len(got) != 1 || !strings.Contains(got[0].show(text, marker{}), "ballistic") {
		t.Errorf("of several the one with the most terms is not kept: %+v", got)
	}
}

// FuzzPassages holds that any spans in any text are shown without a panic and in
// bounded length.
func FuzzPassages(f *testing.F) {
	f.Add("missiles were sent", 0, 8, 14, 18)
	f.Add("ミサイル\xff\x1b[31m", 3, 9, 0, 30)
	f.Fuzz(func(t *testing.T, text string, a, b, c, d int) {
		spans := []tocsin.Span{{Term: "a", Field: "text", Start: a, End: b}, {Term: "b", Field: "text", Start: c, End: d}}
		for _, p := range passages(text, "text", spans, 2) {
			if s := p.show(text, marker{"[", "]"}); strings.ContainsAny(s, "\x1b\n") || len(s) > maxPassage+2*wordReach+100 {
				t.Errorf("%q %v is shown as %q", text, spans, s)
			}
		}
		foundTerms(spans, func(string) string { return text })
	})
}

func TestChartsAreBarsOfEighths(t *testing.T) {
	for _, tt := range []struct {
		n, most int
		want    string
	}{{0, 1, ""}, {1, 1, strings.Repeat("█", chartWidth)}, {1, 80, "▌"}, {1, 1000, ""}, {7, 320, "▉"}, {5, 40, "█████"}} {
		if got := blocks(tt.n, tt.most); got != tt.want {
			t.Errorf("blocks(%d, %d) = %q, want %q", tt.n, tt.most, got, tt.want)
		}
	}
}

func TestWeeksBeginOnMonday(t *testing.T) {
	for _, day := range []string{"2024-01-08T00:00:00Z", "2024-01-10T12:00:00Z", "2024-01-14T23:59:59Z", "2024-01-15T00:30:00+01:00"} {
		at, err := time.Parse(time.RFC3339, day)
		if err != nil {
			t.Fatal(err)
		}
		if got := monday(at).Format(time.DateOnly); got != "2024-01-08" {
			t.Errorf("the week of %s begins on %s, want 2024-01-08", day, got)
		}
	}
}

func TestOldStatementsOfNewSourcesCountWhereTheySayTheyAre(t *testing.T) {
	seen := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	old, later := seen.AddDate(0, -2, 0), seen.AddDate(0, 0, 1)
	for _, tt := range []struct {
		it   tocsin.Item
		want time.Time
	}{
		{tocsin.Item{Seen: seen, Published: old, Baseline: true}, old},
		{tocsin.Item{Seen: seen, Published: old}, seen},
		{tocsin.Item{Seen: seen, Published: later, Baseline: true}, seen},
		{tocsin.Item{Seen: seen, Baseline: true}, seen},
	} {
		if got := saidAt(tt.it); !got.Equal(tt.want) {
			t.Errorf("saidAt(%+v) = %v, want %v", tt.it, got, tt.want)
		}
	}
}

// Copies of a statement, and items that only one of two versions finds, are
// counted as one statement.
func TestBacktestCountsStatements(t *testing.T) {
	b := newBacktest(&app{}, &pipeline.Wanted{}, time.Time{}, nil)
	b.compare, b.newest = true, 2
	hit := func(seq, statement uint64, rules ...string) {
		h := pipeline.Hit{Stored: pipeline.Stored{Seq: seq, Item: tocsin.Item{Seen: time.Now()}}, Statement: statement, Results: map[string]watchlist.Result{}}
		for _, r := range rules {
			h.Results[r] = watchlist.Result{}
		}
		b.add(h)
	}
	hit(1, 1, ruleNew, ruleOld)
	hit(2, 2, ruleNew)
	hit(3, 1, ruleNew)
	hit(4, 4, ruleOld)
	hit(5, 2, ruleOld)
	hit(6, 6, ruleNew)
	s := b.summary()
	if s.Statements != 3 || *s.InForce != 3 || s.Added != 1 || s.Dropped != 1 || len(s.Weeks) != 1 || s.Weeks[0].Statements != 3 {
		t.Errorf("the summary is %+v, in force %d", s, *s.InForce)
	}
}

func TestWhoChangesIsANameOfOneLine(t *testing.T) {
	for _, name := range []string{"file", " ", "a\nb", strings.Repeat("x", 65), "\x1b[31m"} {
		if got, err := (changer{As: name}).name(); err == nil {
			t.Errorf("--as %q is taken as %q", name, got)
		}
	}
	if got, err := (changer{As: "Ann Bonny"}).name(); err != nil || got != "Ann Bonny" {
		t.Errorf("--as Ann Bonny is %q, %v", got, err)
	}
}

func TestMutesEndInTime(t *testing.T) {
	now := time.Date(2024, 1, 10, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]string{
		"2h": "2024-01-10T14:00:00Z", "3d": "2024-01-13T12:00:00Z", "2024-02-01": "2024-02-01T00:00:00Z", "2024-01-10T09:00:00+02:00": "2024-01-10T07:00:00Z",
	} {
		if got, err := untilTime(s, now); err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("untilTime(%q) = %v, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "0s", "-2h", "tomorrow", "2"} {
		if got, err := untilTime(s, now); err == nil {
			t.Errorf("untilTime(%q) = %v, want an error", s, got)
		}
	}
}

func TestYesIsAskedOfATerminalOnly(t *testing.T) {
	a := &app{in: strings.NewReader("y\n"), err: &bytes.Buffer{}}
	if answer, asked := a.confirm("Send?", true); answer || asked {
		t.Error("a pipe was asked, and said yes")
	}
}

// The statement line of match keeps what a rule may ask for.
func TestStatementLinesCarryWhatQueriesAskFor(t *testing.T) {
	const lines = `{"id":1,"text":"herring","country":"NO","source":"no-mfa","url":"https://mfa.example/x","tags":["a","b"],"authors":["Ann"],"lang":"en","rest":"cod","other":[{}]}` + "\n"
	rule := func(query string) *watchlist.Rule {
		q, err := watchlist.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		r, err := q.Resolve(nil, false)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, query := range []string{"country:no AND herring", "host:mfa.example AND herring", "tag:b", "author:ann", "lang:en AND herring", "all:cod", "source:no-*"} {
		j := newJudge(rule(query))
		err := statements(strings.NewReader(lines), "x", func(_ int, s statementLine) error {
			if _, ok := j.match(s.document(j.speaks)); !ok {
				return errors.New("no match")
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
}
