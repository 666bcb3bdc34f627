package fold

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// A writer makes statements up: of a subject, some countries, numbers and dates,
// in any language of the vocabulary, with stock sentences between.
type writer struct {
	*rand.Rand
	terms map[string][]term // by language
	langs []string
}

func newWriter(seed uint64) *writer {
	w := &writer{Rand: rand.New(rand.NewPCG(seed, 1)), terms: map[string][]term{}}
	v := terms()
	var all []term
	for _, key := range sortedKeys(v.starts) {
		all = append(all, v.starts[key]...)
	}
	for lang, bit := range v.columns {
		w.langs = append(w.langs, lang)
		for _, t := range all {
			if t.langs&bit != 0 && t.kind <= organisation {
				w.terms[lang] = append(w.terms[lang], t)
			}
		}
	}
	slices.Sort(w.langs)
	return w
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// statement is a title and a text of about n words.
func (w *writer) statement(lang string, n int) (title, text string) {
	ts := w.terms[lang]
	word := func() string {
		// Few terms are in most statements, as few countries and subjects are.
		t := ts[int(float64(len(ts))*w.Float64()*w.Float64()*w.Float64())]
		var out []string
		for _, s := range t.words {
			out = append(out, s.form)
		}
		return strings.Join(out, " ")
	}
	var b strings.Builder
	for i := range n {
		switch {
		case i%17 == 16:
			fmt.Fprintf(&b, "%d ", w.IntN(3000))
		case i%11 == 10:
			b.WriteString(". ")
		case i%5 == 4:
			fmt.Fprintf(&b, "%c%x ", 'a'+rune(w.IntN(26)), w.IntN(1<<16))
		default:
			b.WriteString(word() + " ")
		}
	}
	return word() + " " + word(), b.String()
}

// BenchmarkWindow decides on statements while 100,000 are open. It prints the
// median and the 99th percentile of a decision, which begins with the text, and
// how many bytes a statement takes.
func BenchmarkWindow(b *testing.B) {
	w := newWriter(1)
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	const open = 100_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var x Index
	for i := range open {
		lang := w.langs[w.IntN(len(w.langs))]
		title, text := w.statement(lang, 40+w.IntN(160))
		at := begin.Add(time.Duration(i) * (Window - time.Hour) / open)
		x.Add(fmt.Sprint(i), Member{fmt.Sprint("s", w.IntN(300)), fmt.Sprint(i)}, Of(title, text, lang), at)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	at := begin.Add(Window - time.Hour)
	var took []time.Duration
	for b.Loop() {
		lang := w.langs[w.IntN(len(w.langs))]
		title, text := w.statement(lang, 40+w.IntN(160))
		start := time.Now()
		x.Decide(Member{"new", "new"}, Of(title, text, lang), at)
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs/p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs/p99")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/open, "B/statement")
}
