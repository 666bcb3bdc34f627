package engine

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"tocsin"
	"tocsin/pipeline/watchlist"
	"tocsin/pipeline/watchlist/watchlisttest"
)

var (
	pairs = flag.Int("pairs", 30_000, "how many documents and queries the engine and the reference are tried on")
	from  = flag.Uint64("from", 0, "the seed that the first are made of")
)

// TestEngineAgreesWithReference makes queries, as people write them, and
// documents of the same words, and holds the engine against the reference. At
// least a fifth of the pairs have to match, and every operator has to be in a
// twentieth.
func TestEngineAgreesWithReference(t *testing.T) {
	const each = 16 // queries and documents of a topic
	n := *pairs
	if testing.Short() {
		n = min(n, 10_000)
	}
	uses := map[string]int{}
	tried, matched, differ := 0, 0, 0
	x, rules := New(), map[string]*watchlist.Rule{} // those of earlier topics stay for a while
	m := x.Matcher()
	for seed := *from; tried < n && differ < 5; seed++ {
		topic := watchlisttest.NewTopic(rand.New(rand.NewPCG(seed, 3)))
		names := listsOf(t, topic.Lists)
		queries := map[string]watchlisttest.Query{}
		var changes []Change
		for i := range each {
			name := fmt.Sprint(seed%3, ".", i)
			queries[name] = topic.Query()
			rules[name] = ruleOf(t, queries[name], names)
			changes = append(changes, Change{Name: name, Rule: rules[name]})
		}
		x = x.With(changes...)
		m.Use(x)
		for i := 0; i < each && differ < 5; i++ {
			d := documentOf(topic.Document())
			got, panicked := hits(m, d)
			if panicked != nil {
				differ++
				t.Errorf("seed %d: the engine panics: %v", seed, panicked)
				for _, r := range rules {
					if differs(r.Root, *d) {
						t.Errorf("%s", smallest(r, d))
					}
				}
				x, m = x.With(), x.Matcher()
				continue
			}
			for name, r := range rules {
				fresh := *d
				want := r.Holds(&fresh)
				if got[name] != want {
					differ++
					t.Errorf("seed %d, rule %s: the engine says %v, the reference %v\n%s", seed, r, got[name], want, smallest(r, d))
				}
				q, ok := queries[name]
				if !ok {
					continue // of another topic: it counts for nothing
				}
				tried++
				if want {
					matched++
				}
				for op := range q.Uses {
					uses[op]++
				}
			}
		}
	}
	t.Logf("%d pairs, %.3f match, %d differ", tried, float64(matched)/float64(tried), differ)
	if differ == 0 && matched*5 < tried {
		t.Error("less than a fifth match")
	}
	for _, op := range watchlisttest.Operators {
		t.Logf("%-9s is in %.3f", op, float64(uses[op])/float64(tried))
		if differ == 0 && uses[op]*20 < tried {
			t.Errorf("%s is in less than a twentieth", op)
		}
	}
}

// What the test above once found.
func TestEngineAgreesWhereItOnceDidNot(t *testing.T) {
	for _, c := range []struct {
		query, text string
		want        bool
	}{
		{`=="转。让"`, "转让", true}, // a phrase that may go over what parts its letters
		{`"朝鲜、俄罗斯"`, "朝鲜", false},
		{`"朝鲜、俄罗斯" NEAR/1 a`, "a 朝鲜，俄罗斯", true},
		{`FIRST/2(نقل)`, "ps:\xfe-Е\xd9نقل", false}, // a run that has no word stands before the hyphen
		{`a NEAR/0 b`, "a \xa6.b", true},
		{`ps NEAR/0 b`, "ps a\xa6.\xa6-c b", false},
	} {
		c.text += " and what makes it long enough to be cut sixteen bytes at a time"
		r := ruleOf(t, watchlisttest.Query{Text: c.query}, nil)
		got, panicked := hits(New().With(Change{Name: "r", Rule: r}).Matcher(), &watchlist.Document{Text: c.text})
		if want := r.Holds(&watchlist.Document{Text: c.text}); got["r"] != c.want || want != c.want || panicked != nil {
			t.Errorf("%s in %+q: the engine says %v %v, the reference %v, want %v", c.query, c.text, got["r"], panicked, want, c.want)
		}
	}
}

func hits(m *Matcher, d *watchlist.Document) (got map[string]bool, panicked any) {
	defer func() { panicked = recover() }()
	got = map[string]bool{}
	m.Match(d, func(name string) { got[name] = true })
	return got, nil
}

func listsOf(t *testing.T, raw []tocsin.List) *watchlist.Lists {
	t.Helper()
	var out []*watchlist.List
	for _, r := range raw {
		l, err := watchlist.NewList(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return watchlist.NewLists(out...)
}

func ruleOf(t *testing.T, q watchlisttest.Query, lists *watchlist.Lists) *watchlist.Rule {
	t.Helper()
	parsed, err := watchlist.Parse(q.Text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := parsed.Resolve(lists, q.Stem)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func documentOf(d watchlisttest.Document) *watchlist.Document {
	return &watchlist.Document{
		Title: d.Title, Text: d.Text, Rest: d.Rest, Lang: d.Lang, URL: d.URL, Source: d.Source, Kind: d.Kind, Country: d.Country,
		Authors: d.Authors, Tags: d.Tags,
	}
}

// differs holds one expression against a document in both ways.
func differs(e *watchlist.Expr, d watchlist.Document) (bad bool) {
	defer func() { bad = bad || recover() != nil }()
	r, found := &watchlist.Rule{Root: e}, false
	fresh := d
	New().With(Change{Name: "r", Rule: r}).Matcher().Match(&d, func(string) { found = true })
	return found != r.Holds(&fresh)
}

// smallest is the smallest part of a rule, and of a document, of which the
// engine and the reference say different things.
func smallest(r *watchlist.Rule, of *watchlist.Document) string {
	d := watchlist.Document{
		Title: of.Title, Text: of.Text, Rest: of.Rest, Lang: of.Lang, URL: of.URL, Source: of.Source, Kind: of.Kind, Country: of.Country,
		Authors: of.Authors, Tags: of.Tags,
	}
	e := r.Root
	if !differs(e, d) {
		return "not when it is alone"
	}
	for again := true; again; {
		again = false
		for _, k := range e.Kids {
			if differs(k, d) {
				e, again = k, true
				break
			}
		}
	}
	for _, field := range []func(*watchlist.Document) *string{
		func(d *watchlist.Document) *string { return &d.Title },
		func(d *watchlist.Document) *string { return &d.Text },
		func(d *watchlist.Document) *string { return &d.Rest },
		func(d *watchlist.Document) *string { return &d.URL },
	} {
		for size := len(*field(&d)); size > 0; size /= 2 {
			for at := 0; at+size <= len(*field(&d)); {
				less, s := d, *field(&d)
				*field(&less) = s[:at] + s[at+size:]
				if differs(e, less) {
					d = less
				} else {
					at += size
				}
			}
		}
	}
	return fmt.Sprintf("%s\nin %+q, %+q, %+q, %q, %q, %+q, %+q", show(e), d.Title, d.Text, d.Rest, d.Lang, d.URL, d.Authors, d.Tags)
}
