package watchlist

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"tocsin"
	"tocsin/pipeline/watchlist/watchlisttest"
	"tocsin/pipeline/watchlist/words"
)

// An oracle says what an expression means by trying everything: every word and
// every pair of places. Each value of a document is cut by itself.
type oracle struct {
	d      *Document
	values []value
}

type value struct {
	*words.Text
	field              int32
	words, half, bytes int // of the values of the field before it
}

func newOracle(d *Document) *oracle {
	o := &oracle{d: d}
	for field, texts := range [][]string{{d.Title}, {d.Text}, {d.Rest}, {d.URL}, d.Authors, d.Tags} {
		v := value{field: int32(field)}
		for _, s := range texts {
			v.Text = words.Cut(s)
			o.values = append(o.values, v)
			v.bytes += len(s) + len("\n")
			if n := len(v.Words); n > 0 {
				v.words, v.half = v.words+n, v.half+int(v.Words[n-1].Next)
			}
		}
	}
	return o
}

// A spot is a place in a value.
type spot struct {
	value       int
	first, last int
}

// A leaf is a term and where it stands.
type leaf struct {
	e *Expr
	spot
}

// A finding is the places of an expression, and for each the terms that it took
// to find it there.
type finding map[spot]map[leaf]bool

func (f finding) add(s spot, because ...map[leaf]bool) {
	if f[s] == nil {
		f[s] = map[leaf]bool{}
	}
	for _, b := range because {
		maps.Copy(f[s], b)
	}
}

func (o *oracle) inScope(v value, last int, s Scope) bool {
	if s.In&fieldBits[v.field] == 0 {
		return false
	}
	if v.field == textField && s.In&InText == 0 {
		if v.Words[last].Next > 2*LeadWords && v.Paragraph(last) > 0 {
			return false
		}
	}
	return s.First == 0 || v.half+int(v.Words[last].Next) <= 2*s.First
}

func (o *oracle) places(e *Expr, want side) finding {
	out := finding{}
	switch e.Op {
	case Term:
		o.term(e, out)
	case Regex:
		o.regex(e, out)
	case Or:
		for _, k := range e.Kids {
			for p, why := range o.places(k, want) {
				out.add(p, why)
			}
		}
	case NotNear:
		not := o.places(e.Kids[1], bothSides)
	next:
		for p, why := range o.places(e.Kids[0], want) {
			for q := range not {
				if o.overlap(p, q) || o.near(p, q, e.N) {
					continue next
				}
			}
			out.add(p, why)
		}
	default:
		o.pairs(e, want, out)
	}
	return out
}

func (o *oracle) term(e *Expr, out finding) {
	if e.Lang != "" && o.d.Lang != "" && e.Lang != o.d.Lang {
		return
	}
	for n, v := range o.values {
	next:
		for i := range len(v.Words) - len(e.Words) + 1 {
			for j, p := range e.Words {
				if !p.Matches(v.Text, i+j) || j > 0 && v.Words[i+j].Broken && !p.Broken {
					continue next
				}
			}
			if p := (spot{n, i, i + len(e.Words) - 1}); o.inScope(v, p.last, e.Scope) {
				out.add(p, map[leaf]bool{{e, p}: true})
			}
		}
	}
}

func (o *oracle) regex(e *Expr, out finding) {
	for n, v := range o.values {
		for _, at := range e.Re.FindAllStringIndex(v.Source, -1) {
			p := spot{n, -1, -1}
			for i, w := range v.Words {
				if at[0] < at[1] && int(w.Start) < at[1] && at[0] < int(w.End) {
					if p.last = i; p.first < 0 {
						p.first = i
					}
				}
			}
			if p.first >= 0 && o.inScope(v, p.last, e.Scope) {
				out.add(p, map[leaf]bool{{e, p}: true})
			}
		}
	}
}

func (o *oracle) overlap(p, q spot) bool {
	return p.value == q.value && p.first <= q.last && q.first <= p.last
}

func (o *oracle) near(p, q spot, n int) bool {
	return o.before(p, q, n) || o.before(q, p, n)
}

func (o *oracle) before(p, q spot, n int) bool {
	if p.value != q.value || p.last >= q.first {
		return false
	}
	ws := o.values[p.value].Words
	return int(ws[q.first].At-ws[p.last].Next) <= 2*n
}

func (o *oracle) same(p, q spot, sentence bool) bool {
	if p.value != q.value || o.overlap(p, q) {
		return false
	}
	v := o.values[p.value]
	switch {
	case v.field == titleField || v.field == authorField || v.field == tagField:
		return true
	case sentence:
		return v.Sentence(p.first) == v.Sentence(q.first)
	}
	return v.Paragraph(p.first) == v.Paragraph(q.first)
}

func (o *oracle) pairs(e *Expr, want side, out finding) {
	left, right := bothSides, bothSides
	if e.Op == Before {
		left, right = lastSide, firstSide
	}
	b := o.places(e.Kids[1], right)
	for p, why := range o.places(e.Kids[0], left) {
		for q, because := range b {
			if e.Op == Near && !o.near(p, q, e.N) || e.Op == Before && !o.before(p, q, e.N) ||
				e.Op == SameSentence && !o.same(p, q, true) || e.Op == SameParagraph && !o.same(p, q, false) {
				continue
			}
			if e.Op != Before || want != lastSide {
				out.add(p, why, because)
			}
			if e.Op != Before || want != firstSide {
				out.add(q, why, because)
			}
		}
	}
}

// spans are what the result of an expression that holds has to say.
func (o *oracle) spans(e *Expr) (out []tocsin.Span) {
	switch e.Op {
	case Not:
		return o.spans(e.Kids[0])
	case And, Or, Any:
		for _, k := range e.Kids {
			if o.holds(k) {
				out = append(out, o.spans(k)...)
			}
		}
		return out
	case AtLeast:
		return o.spans(e.Kids[0])
	case Value:
		return []tocsin.Span{{Term: e.Text, Field: e.Field, End: len(o.d.Value(e.Field))}}
	}
	for _, why := range o.places(e, bothSides) {
		for l := range why {
			v := o.values[l.value]
			out = append(out, tocsin.Span{
				Term: l.e.Text, List: l.e.List, Field: spanFields[v.field],
				Start: v.bytes + int(v.Words[l.first].Start), End: v.bytes + int(v.Words[l.last].End),
			})
		}
	}
	return out
}

func (o *oracle) holds(e *Expr) bool {
	n := 0
	for i, k := range e.Kids {
		if (e.Op == And || e.Op == Or || e.Op == Any || e.Op == Not) && o.holds(k) {
			if n++; e.Op == Not && i > 0 {
				return false
			}
		}
	}
	switch e.Op {
	case And:
		return n == len(e.Kids)
	case Or, Not:
		return n > 0
	case Any:
		return n >= e.N
	case AtLeast:
		begin := map[spot]bool{}
		for p := range o.places(e.Kids[0], bothSides) {
			begin[spot{value: p.value, first: p.first}] = true
		}
		return len(begin) >= e.N
	case Value:
		v := words.Fold(map[string]string{
			"source": o.d.Source, "kind": o.d.Kind, "country": o.d.Country, "host": o.d.Host(),
			"lang": map[bool]string{true: "unknown", false: o.d.Lang}[o.d.Lang == ""],
		}[e.Field])
		labels := strings.Split(v, ".")
		for i := range labels {
			if tail := strings.Join(labels[i:], "."); tail != "" && words.Globbed(e.Glob, tail) && (i == 0 || e.Field == "host") {
				return true
			}
		}
		return false
	}
	return len(o.places(e, bothSides)) > 0
}

// asPlaces are spots as the reference has them.
func (o *oracle) asPlaces(spots finding) []place {
	var out []place
	for s := range spots {
		v := o.values[s.value]
		out = append(out, place{v.field, int32(v.words + s.first), int32(v.words + s.last)})
	}
	return newSet(out).places
}

func document(d watchlisttest.Document) *Document {
	return &Document{
		Title: d.Title, Text: d.Text, Rest: d.Rest, Lang: d.Lang, URL: d.URL, Source: d.Source, Kind: d.Kind, Country: d.Country,
		Authors: d.Authors, Tags: d.Tags,
	}
}

// FuzzReference holds the reference against the oracle, all places of all parts
// of a query, and what it says about a match against the document.
func FuzzReference(f *testing.F) {
	for i := range 100 {
		f.Add(uint64(i))
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		topic := watchlisttest.NewTopic(rand.New(rand.NewPCG(seed, 1)))
		lists := listsOf(t, topic.Lists...)
		d := document(topic.Document())
		for range 8 {
			q := topic.Query()
			query, err := Parse(q.Text)
			if err != nil {
				t.Fatal(err)
			}
			rule, err := query.Resolve(lists, q.Stem)
			if err != nil {
				t.Fatal(err)
			}
			checkReference(t, rule, d)
			checkBranch(t, rule, lists, q.Stem, d)
		}
	})
}

// FuzzAnyBytes holds the reference against the oracle on documents of any bytes.
func FuzzAnyBytes(f *testing.F) {
	for i, s := range []string{"l'Iran’s", "d'", "\xff\xfe’s", "カ\u3099、\u3099サ", "\u1100\u1161\u11a8\u1161", "a’b’s’c’ya", "กี ำ", "ﷺ ﹰ ͺ ŉ", "导。弹\xe2\x82 U.S.\n\n-", "\u200f\u202e[[[((*?\ue000"} {
		f.Add(s, s+" a missile "+s, uint64(i))
	}
	f.Fuzz(func(t *testing.T, title, text string, seed uint64) {
		if len(title)+len(text) > 400 {
			return
		}
		topic := watchlisttest.NewTopic(rand.New(rand.NewPCG(seed, 2)))
		d := &Document{Title: title, Text: text, Rest: title, URL: "https://" + title, Authors: []string{text, title, ""}}
		rules := []*Rule{
			resolve(t, `a NEAR/3 ("and" OR missile OR /./) AND ATLEAST/2(/\w+/ SAME/S /\S/)`), resolve(t, `lead:/(?s).+/ OR FIRST/3(/\PL/ BEFORE/2 /\pL/)`),
		}
		for range 3 {
			query, err := Parse(topic.Query().Text)
			if err != nil {
				t.Fatal(err)
			}
			rule, err := query.Resolve(listsOf(t, topic.Lists...), false)
			if err != nil {
				t.Fatal(err)
			}
			rules = append(rules, rule)
		}
		for _, r := range rules {
			checkReference(t, r, d)
		}
	})
}

func listsOf(tb testing.TB, raw ...tocsin.List) *Lists {
	tb.Helper()
	var lists []*List
	for _, r := range raw {
		l, err := NewList(r)
		if err != nil {
			tb.Fatal(err)
		}
		lists = append(lists, l)
	}
	return NewLists(lists...)
}

func checkReference(t *testing.T, rule *Rule, d *Document) {
	t.Helper()
	o, m := newOracle(d), newMatching(d)
	for n := range fields {
		if words := 0; d.field(n) != nil {
			for _, v := range o.values {
				if int(v.field) == n {
					words += len(v.Words)
				}
			}
			if words != len(d.field(n).Words) {
				t.Fatalf("values of %q have %d words, and together %d", d.field(n).Source, words, len(d.field(n).Words))
			}
		}
	}
	var walk func(e *Expr)
	walk = func(e *Expr) {
		if m.holds(e) != o.holds(e) {
			t.Fatalf("%s in %+v: %s holds: %v, want %v", rule, d, e.Text, m.holds(e), o.holds(e))
		}
		for _, want := range []side{bothSides, firstSide, lastSide} {
			if !standsForPlaces(e) {
				break
			}
			got, should := m.places(e, want).places, o.asPlaces(o.places(e, want))
			if !slices.Equal(got, should) {
				t.Fatalf("%s in %+v: op %d %s side %d has %v, want %v", rule, d, e.Op, e.Text, want, got, should)
			}
		}
		for _, k := range e.Kids {
			walk(k)
		}
	}
	walk(rule.Root)
	res, ok := rule.Match(d)
	if ok != m.holds(rule.Root) || ok != rule.Holds(d) {
		t.Fatalf("%s in %+v: Match says %v", rule, d, ok)
	}
	if ok {
		checkResult(t, rule, d, res, o.spans(rule.Root))
	}
	for _, r := range rule.Miss(d) {
		if r.Held != (r.Why == "") || r.Part == "" || len(r.Why) > MaxWhy || len(r.Part) > MaxBranch {
			t.Fatalf("%s in %+v: %+v", rule, d, r)
		}
		checkSpans(t, d, r.Spans)
	}
}

func checkResult(t *testing.T, rule *Rule, d *Document, res Result, want []tocsin.Span) {
	t.Helper()
	checkSpans(t, d, res.Spans)
	want = sorted(want)
	if !slices.Equal(res.Spans, want) {
		t.Fatalf("%s in %+v: spans are\n%v, want\n%v", rule, d, res.Spans, want)
	}
	if len(res.Branch) > MaxBranch || res.Branch == "" || len(res.Spans) == 0 {
		t.Fatalf("%s in %+v: %+v", rule, d, res)
	}
}

// sorted puts spans in the order that Result promises.
func sorted(spans []tocsin.Span) []tocsin.Span {
	order := []string{"title", "text", "rest", "url", "author", "tag", "country", "host", "kind", "lang", "source"}
	slices.SortFunc(spans, func(a, b tocsin.Span) int {
		return cmp.Or(slices.Index(order, a.Field)-slices.Index(order, b.Field), a.Start-b.Start, a.End-b.End,
			strings.Compare(a.Term, b.Term), strings.Compare(a.List, b.List))
	})
	return slices.Compact(spans)
}

// checkBranch holds that a branch that is not cut is a query that matches, with
// the same spans if nothing was left out of it.
func checkBranch(t *testing.T, rule *Rule, lists *Lists, stem bool, d *Document) {
	t.Helper()
	res, ok := rule.Match(d)
	if !ok || strings.Contains(res.Branch, "…") || strings.Contains(res.Branch, "BEFORE/0") { // which words alone make a phrase
		return
	}
	q, err := Parse(res.Branch)
	if err != nil {
		t.Fatalf("%s has the branch %s: %v", rule, res.Branch, err)
	}
	branch, err := q.Resolve(lists, stem)
	if err != nil {
		t.Fatalf("%s has the branch %s: %v", rule, res.Branch, err)
	}
	again, ok := branch.Match(d)
	if !ok || !strings.Contains(rule.String(), "NOT NEAR") && !slices.Equal(again.Spans, res.Spans) {
		t.Fatalf("%s in %+v has the branch %s, which has\n%v, want\n%v", rule, d, res.Branch, again, res.Spans)
	}
}

func checkSpans(t *testing.T, d *Document, spans []tocsin.Span) {
	t.Helper()
	sources := sourcesOf(d)
	for _, s := range spans {
		text := sources[s.Field]
		if s.Start < 0 || s.Start >= s.End || s.End > len(text) || s.Term == "" {
			t.Fatalf("span %+v of %q", s, text)
		}
		if !betweenRunes(text, s.Start) || !betweenRunes(text, s.End) {
			t.Fatalf("span %+v of %q begins or ends within a letter", s, text)
		}
	}
}

// betweenRunes reports whether a rune, or a byte that is none, begins at n.
func betweenRunes(s string, n int) bool {
	for n > 0 && len(s) > 0 {
		_, size := utf8.DecodeRuneInString(s)
		s, n = s[size:], n-size
	}
	return n == 0
}

func standsForPlaces(e *Expr) bool {
	if e.Op == Or {
		return !slices.ContainsFunc(e.Kids, func(k *Expr) bool { return !standsForPlaces(k) })
	}
	return e.Op.places()
}
