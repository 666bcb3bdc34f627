package engine

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/pipeline/watchlist"
)

// A corpus is documents, and what queries are made of, drawn from other prose of
// the same kind.
type corpus struct {
	docs, headlines []*watchlist.Document
	phrases         []string // a fifth of them single words
	queries         []string
}

// prose is made of the .txt files in the directory that TOCSIN_PROSE names: of
// every 256 KB the first 160 become documents, the others queries.
var prose = sync.OnceValues(func() (*corpus, error) {
	dir := os.Getenv("TOCSIN_PROSE")
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || dir == "" {
		return nil, err
	}
	var read, other []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for block := range slices.Chunk(text, 256<<10) {
			at := min(len(block), 160<<10)
			read = append(read, unwrap(string(block[:at])))
			other = append(other, unwrap(string(block[at:])))
		}
	}
	m := newMaker(1, 2)
	c := &corpus{docs: m.documents(read)}
	for _, d := range c.docs {
		if len(d.Text) < 300 {
			c.headlines = append(c.headlines, d)
		}
	}
	m.asks(c, other)
	return c, nil
})

var wrapped = regexp.MustCompile(`[ \t\r]*\n[ \t]+`)

// unwrap makes one line of those of a paragraph.
func unwrap(s string) string { return wrapped.ReplaceAllString(strings.ToValidUTF8(s, " "), " ") }

// documents cuts texts: two fifths of the documents are headlines of some 200
// bytes, two fifths have 1.5 to 6 KB, one fifth 6 to 30 KB.
func (m maker) documents(texts []string) []*watchlist.Document {
	var docs []*watchlist.Document
	for _, t := range texts {
		for len(t) > 300 {
			n := 0
			switch r := m.IntN(5); {
			case r < 2:
				n = 150 + m.IntN(110)
			case r < 4:
				n = 1500 + m.IntN(4500)
			default:
				n = 6000 + m.IntN(24000)
			}
			n = min(n, len(t))
			docs = append(docs, &watchlist.Document{Text: strings.Clone(t[:n]), Lang: "en", Source: "prose"})
			t = t[n:]
		}
	}
	m.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
	return docs
}

var (
	aWord = regexp.MustCompile(`\pL[\pL\pM]*`)
	stop  = func() map[string]bool {
		set := map[string]bool{}
		for w := range strings.FieldsSeq(`the of to and in a that is for be we on it as with are this our by has have not its
			which at an from will all was or their i they us been but must can these more those who should also there would
			were such his he so no if any may other than into only through one between when under had up over now what most
			very some them about like you your do out being both upon where made make since without each per my me her she
			those because how well even against still`) {
			set[w] = true
		}
		return set
	}()
)

const most = 100_000

// asks makes phrases and queries of texts.
func (m maker) asks(c *corpus, texts []string) {
	df, pieces := map[string]int{}, 0
	phrases := map[string]bool{}
	for _, t := range texts {
		ws := aWord.FindAllString(strings.ToLower(t), -1)
		for piece := range slices.Chunk(ws, 3000) {
			pieces++
			in := map[string]bool{}
			for _, w := range piece {
				in[w] = true
			}
			for w := range in {
				df[w]++
			}
		}
		for range 8 * most / len(texts) {
			n := pick(m, 2, 2, 2, 3, 3)
			if len(ws) <= n {
				continue
			}
			at := m.IntN(len(ws) - n)
			g := ws[at : at+n]
			if p := strings.Join(g, " "); len(p) >= 8 && !stop[g[0]] && !stop[g[n-1]] && !slices.ContainsFunc(g, func(w string) bool { return len(w) < 2 }) {
				phrases[p] = true
			}
		}
	}
	var rare, common []string
	for _, w := range slices.Sorted(maps.Keys(df)) {
		switch share := float64(df[w]) / float64(pieces); {
		case len(w) <= 4 || stop[w]:
		case share >= 0.5:
		case share >= 0.03:
			common = append(common, w)
		case df[w] >= 2:
			rare = append(rare, w)
		}
	}
	several := slices.Sorted(maps.Keys(phrases))
	m.Shuffle(len(several), func(i, j int) { several[i], several[j] = several[j], several[i] })
	m.Shuffle(len(rare), func(i, j int) { rare[i], rare[j] = rare[j], rare[i] })
	for i, words := 0, rare[:min(len(rare), most/5)]; len(c.phrases) < most && i < len(several); {
		if len(words) > 0 && m.IntN(5) == 0 {
			c.phrases, words = append(c.phrases, words[0]), words[1:]
		} else {
			c.phrases, i = append(c.phrases, several[i]), i+1
		}
	}
	a := asker{m, rare, common, several}
	for len(c.queries) < most {
		c.queries = append(c.queries, a.query())
	}
}

// An asker makes Boolean queries.
type asker struct {
	maker
	rare, common, phrases []string
}

func (a asker) of(ws []string) string { return ws[a.IntN(len(ws))] }

func (a asker) term() string {
	switch r := a.Float64(); {
	case r < 0.45:
		return a.of(a.rare)
	case r < 0.6:
		return begin(a.of(a.rare), 3)
	}
	return `"` + a.of(a.phrases) + `"`
}

func (a asker) often() string {
	if a.Float64() < 0.75 {
		return a.of(a.common)
	}
	return begin(a.of(a.common), 2)
}

// begin is a word without its last n letters, but with five at least.
func begin(w string, n int) string {
	r := []rune(w)
	return string(r[:min(len(r), max(5, len(r)-n))]) + "*"
}

// query is one of the mix: a quarter single terms, two fifths AND of ORs, a
// tenth with NOT, a fifth NEAR of a rare or a common word and a common one, and
// one in twenty of three common words.
func (a asker) query() string {
	switch r := a.Float64(); {
	case r < 0.25:
		return a.term()
	case r < 0.45:
		return a.term() + " AND " + a.often()
	case r < 0.65:
		return "(" + a.term() + " OR " + a.term() + " OR " + a.term() + ") AND (" + a.often() + " OR " + a.often() + ")"
	case r < 0.75:
		return "((" + a.term() + " OR " + a.term() + ") AND " + a.often() + ") NOT " + a.often()
	case r < 0.87:
		return a.of(a.rare) + " NEAR/5 " + a.of(a.common)
	case r < 0.95:
		return a.of(a.common) + " NEAR/3 " + a.of(a.common)
	}
	return a.often() + " AND " + a.often() + " AND " + a.often()
}

func compile(tb testing.TB, query string) *watchlist.Rule {
	tb.Helper()
	q, err := watchlist.Parse(query)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	r, err := q.Resolve(nil, false)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return r
}

func changes(tb testing.TB, queries []string) []Change {
	out := make([]Change, len(queries))
	for i, q := range queries {
		out[i] = Change{strconv.Itoa(i), compile(tb, q)}
	}
	return out
}

func quote(phrases []string) []string {
	out := make([]string, len(phrases))
	for i, p := range phrases {
		out[i] = `"` + p + `"`
	}
	return out
}

func needProse(tb testing.TB) *corpus {
	c, err := prose()
	if err != nil {
		tb.Fatal(err)
	}
	if c == nil {
		tb.Skip("TOCSIN_PROSE is unset: it names a directory with .txt files of at least 20 MB of prose")
	}
	return c
}

// BenchmarkPhrases and BenchmarkQueries print what docs/benchmarks.md shows, in
// CPU time of one core. The dictionary is warm: every document has been read
// once before.
func BenchmarkPhrases(b *testing.B) {
	c := needProse(b)
	for _, n := range []int{10, 1000, 10_000, most} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { measure(b, changes(b, quote(c.phrases[:n])), c.docs) })
	}
}

func BenchmarkQueries(b *testing.B) {
	c := needProse(b)
	for _, n := range []int{10, 1000, 10_000, most} {
		all := changes(b, c.queries[:n])
		b.Run(fmt.Sprint(n, "/mixed"), func(b *testing.B) { measure(b, all, c.docs) })
		b.Run(fmt.Sprint(n, "/headlines"), func(b *testing.B) { measure(b, all, c.headlines) })
	}
}

func heap() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

func measure(b *testing.B, changes []Change, docs []*watchlist.Document) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := heap()
	start := cpuTime()
	x := New().With(changes...)
	build := cpuTime() - start
	size := heap() - before
	m := x.Matcher()
	hits, total := 0, 0
	hit := func(string) { hits++ }
	for _, d := range docs {
		m.Match(d, hit)
		total += len(d.Text)
	}
	best := time.Duration(1 << 62)
	each := make([]time.Duration, len(docs))
	for b.Loop() {
		hits = 0
		start := cpuTime()
		for _, d := range docs {
			m.Match(d, hit)
		}
		best = min(best, cpuTime()-start)
	}
	matches := hits
	for i := range each {
		each[i] = time.Duration(1 << 62)
	}
	for range 3 {
		for i, d := range docs {
			start := cpuTime()
			m.Match(d, hit)
			each[i] = min(each[i], cpuTime()-start)
		}
	}
	slices.SortFunc(each, cmp.Compare)
	b.ReportMetric(float64(total)/1e6/best.Seconds(), "MB/s")
	b.ReportMetric(float64(matches), "matches")
	b.ReportMetric(float64(each[len(each)*99/100].Nanoseconds())/1e3, "p99-µs")
	b.ReportMetric(float64(size)/float64(len(changes)), "B/rule")
	b.ReportMetric(build.Seconds(), "build-s")
	b.ReportMetric(float64(total)/1e6, "MB")
	b.ReportMetric(0, "ns/op")
	runtime.KeepAlive(x)
	runtime.KeepAlive(changes)
}

// TestCorpusForOtherEngines writes the documents and phrases of the benchmarks
// into the directory that TOCSIN_PEERS names: docs.bin has each document after
// its length, four bytes, little-endian; phrases-N.txt one phrase a line.
func TestCorpusForOtherEngines(t *testing.T) {
	dir := os.Getenv("TOCSIN_PEERS")
	if dir == "" {
		t.Skip("TOCSIN_PEERS is unset: it names a directory to write the corpus to")
	}
	c := needProse(t)
	var docs []byte
	for _, d := range c.docs {
		docs = append(binary.LittleEndian.AppendUint32(docs, uint32(len(d.Text))), d.Text...)
	}
	if err := os.WriteFile(filepath.Join(dir, "docs.bin"), docs, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{10, 1000, 10_000, most} {
		name := filepath.Join(dir, fmt.Sprintf("phrases-%d.txt", n))
		if err := os.WriteFile(name, []byte(strings.Join(c.phrases[:n], "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkEdit adds a query to 100,000, removes it, and lets a matcher follow
// each time: what passes before the next document is held against it.
func BenchmarkEdit(b *testing.B) {
	c := needProse(b)
	for name, queries := range map[string][]string{"phrases": quote(c.phrases), "queries": c.queries} {
		all := changes(b, queries)
		x := New().With(all...)
		m := x.Matcher()
		for _, d := range c.docs[:500] {
			m.Match(d, func(string) {})
		}
		b.Run(name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var worst, sum time.Duration
			for i := range b.N {
				rule := compile(b, fmt.Sprintf(`("new%d thing%d" OR zebra%d*) AND (%s)`, i, i, i, queries[i%most]))
				for _, change := range []Change{{"new", rule}, {Name: "new"}} {
					start := cpuTime()
					m.Use(x.With(change))
					took := cpuTime() - start
					worst, sum = max(worst, took), sum+took
					x = x.With(change)
				}
			}
			b.ReportMetric(float64(sum.Nanoseconds())/1e3/float64(2*b.N), "µs/edit")
			b.ReportMetric(float64(worst.Nanoseconds())/1e3, "worst-µs")
			b.ReportMetric(0, "ns/op")
		})
	}
}
