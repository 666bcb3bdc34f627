package fold

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A labelled text says to which statement it belongs. Those of testdata are
// invented: a is what the weights were learnt from, b was written by another hand.
type labelled struct {
	ID, Lang, Title, Text, Source, Country, Cluster string
	FirstSeen                                       time.Time `json:"first_seen"`
}

func labelledIn(tb testing.TB, name string) (out []labelled) {
	tb.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var l labelled
		if err := json.Unmarshal(line, &l); err != nil {
			tb.Fatal(err)
		}
		if l.Cluster == "" {
			l.Cluster = "alone " + l.ID
		}
		out = append(out, l)
	}
	return out
}

func measure(ls []labelled) Measure {
	texts, judged := make([]Text, len(ls)), make([]Judged, len(ls))
	for i, l := range ls {
		texts[i] = Text{ID: l.ID, Lang: l.Lang, Title: l.Title, Text: l.Text, Source: l.Source, Country: l.Country, Seen: l.FirstSeen}
	}
	for i, f := range Sequence(texts) {
		judged[i] = Judged{ls[i].Lang, ls[i].Cluster, f.Statement}
	}
	return Score(judged)
}

// TestClusters: what was reached stays reached. The figures of the promise are
// printed by tocsin fold --eval, see docs/benchmarks.md.
func TestClusters(t *testing.T) {
	files := map[string]Measure{
		filepath.Join("testdata", "clusters-a.jsonl"): {Precision: 0.97, Recall: 0.93, RecallInLang: 0.95},
		filepath.Join("testdata", "clusters-b.jsonl"): {Precision: 0.96, Recall: 0.94, RecallInLang: 0.95},
	}
	if dir := os.Getenv("TOCSIN_CORPUS"); dir != "" {
		files[filepath.Join(dir, "labelled.jsonl")] = Measure{Precision: 0.98, Recall: 0.9, RecallInLang: 0.97}
	}
	for name, least := range files {
		m := measure(labelledIn(t, name))
		t.Logf("%s: %+v", filepath.Base(name), m)
		if m.Precision < least.Precision || m.Recall < least.Recall || m.RecallInLang < least.RecallInLang {
			t.Errorf("%s: %+v, want at least %+v", name, m, least)
		}
	}
}

// A pair of texts, with its signs.
type pair struct {
	signs []float64
	same  bool
	of    string // the later text
}

func pairsIn(tb testing.TB, name string) (out []pair) {
	ls := labelledIn(tb, name)
	var x Index
	fs := make([]facts, len(ls))
	for i, l := range ls {
		s := Of(l.Title, l.Text, l.Lang).By(l.Country)
		fs[i], _ = s.facts()
		x.Add(l.Cluster, Member{l.Source, strconv.Itoa(i)}, s, l.FirstSeen)
	}
	for i, a := range ls {
		for j, b := range ls[:i] {
			e := x.evidence(fs[i], fs[j], a.FirstSeen.Sub(b.FirstSeen).Abs(), a.Source != "" && a.Source == b.Source)
			p := pair{same: a.Cluster == b.Cluster, of: name + a.ID}
			if total(e.shared) < 4 && e.worded.part < 0.1 && !p.same {
				continue // it is no candidate
			}
			for _, s := range signs {
				p.signs = append(p.signs, s.of(e))
			}
			out = append(out, p)
		}
	}
	return out
}

// TestFit learns the weights of signs from the files that TOCSIN_FIT names, and
// prints them. Of each text it takes the two likeliest copies and the two
// likeliest others, for one copy that is found suffices and one other that is
// taken for a copy does harm.
func TestFit(t *testing.T) {
	names := strings.Fields(os.Getenv("TOCSIN_FIT"))
	if len(names) == 0 {
		t.Skip("TOCSIN_FIT names no files")
	}
	var all []pair
	for _, name := range names {
		all = append(all, pairsIn(t, name)...)
	}
	w := make([]float64, len(signs))
	for k, s := range signs {
		w[k] = s.weight
	}
	for range 4 {
		descend(w, hardest(all, w))
	}
	for k, s := range signs {
		t.Logf("%-42s %6.2f", s.name, w[k])
	}
}

func odds(w, signs []float64) (z float64) {
	for k := range w {
		z += w[k] * signs[k]
	}
	return z
}

// hardest are two pairs of each text and kind.
func hardest(all []pair, w []float64) (out []pair) {
	slices.SortStableFunc(all, func(a, b pair) int {
		za, zb := odds(w, a.signs), odds(w, b.signs)
		switch {
		case za > zb:
			return -1
		case za < zb:
			return 1
		}
		return 0
	})
	taken := map[string]int{}
	for _, p := range all {
		key := p.of + strconv.FormatBool(p.same)
		if taken[key]++; taken[key] <= 2 {
			out = append(out, p)
		}
	}
	return out
}

// descend fits the weights to pairs, by Adam.
func descend(w []float64, pairs []pair) {
	r := rand.New(rand.NewPCG(1, 1))
	m, v := make([]float64, len(w)), make([]float64, len(w))
	for range 30_000 {
		p := pairs[r.IntN(len(pairs))]
		want, weight := 0.0, 1.5 // a wrong fold is worse than a miss
		if p.same {
			want, weight = 1, 1
		}
		off := weight * (1/(1+math.Exp(-odds(w, p.signs))) - want)
		for k := range w {
			g := off*p.signs[k] + 0.003*w[k]
			m[k], v[k] = 0.9*m[k]+0.1*g, 0.999*v[k]+0.001*g*g
			w[k] = min(max(w[k]-0.01*m[k]/(math.Sqrt(v[k])+1e-8), signs[k].low), signs[k].top)
		}
	}
}
