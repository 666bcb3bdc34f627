package watchlist

import (
	"runtime"
	"strings"
	"testing"
)

// hostile are documents on which a matcher that tries too much does not end.
func hostile(words int) map[string]*Document {
	return map[string]*Document{
		"one word":     {Text: strings.Repeat("a ", words)},
		"two words":    {Text: strings.Repeat("a b ", words/2)},
		"one letter":   {Text: strings.Repeat("导", words)},
		"one sentence": {Text: strings.Repeat("a. ", words)},
		"paragraphs":   {Text: strings.Repeat("a\n\n", words)},
		"brackets":     {Text: strings.Repeat("[", words)},
		"broken bytes": {Text: strings.Repeat("\xff\xe2\x82a", words)},
		"marks":        {Text: strings.Repeat("a\u200f\u0301", words)},
		"one long":     {Text: strings.Repeat("a", words)},
		"labels":       {URL: "https://" + strings.Repeat("a.", words), Title: strings.Repeat("a'", words)},
		"tags":         {Tags: strings.Split(strings.Repeat("a,", words), ","), Authors: make([]string, words)},
	}
}

var costly = []string{
	`a NEAR/50 a`, `(a OR "a a") NEAR/3 ("a a a" OR a)`, `a BEFORE/3 a BEFORE/3 a BEFORE/3 a BEFORE/3 a`,
	`(a SAME/S a) SAME/P (a SAME/S a)`, `a NOT NEAR/5 a`, `(a NOT NEAR/5 b) NEAR/5 a`, `"a a a a a a a a b"`, `ATLEAST/100(a OR "a a")`,
	`导 NEAR/5 "导导"`, `"导导导导导导导弹"`, `*aaaa*`, `aaa?a*a`, `~aaaa`, `/(a+)+b/`, `/a(?s:.*b)?/`, `/(?s)a.*|b/`, `/\b/ OR /a\b|\ba/`, `host:*a*a*b`,
	`tag:(a NEAR/5 a) OR author:a`, `tag:(a SAME/S a)`, `FIRST/3(a) NEAR/5 a`, `tag:/a/`, `all:"aaa*"`,
}

// The work that a query makes is at most in proportion to the document: four
// times the words make not more than five times the steps. A step is a word or a
// place that is looked at, or a letter that a regular expression reads.
func TestTheWorkOfAMatchIsInProportionToTheDocument(t *testing.T) {
	small, large := hostile(500), hostile(2000)
	for _, query := range costly {
		rule := resolve(t, query)
		for name := range small {
			steps := func(d *Document) int {
				m := newMatching(d)
				if m.holds(rule.Root) {
					if res := m.result(rule); len(res.Spans) > MaxSpans {
						t.Errorf("%s in %s has %d spans", query, name, len(res.Spans))
					}
				}
				return m.steps
			}
			if n, m := steps(small[name]), steps(large[name]); m > 5*n+1000 {
				t.Errorf("%s in %s takes %d steps, and %d for four times the text", query, name, n, m)
			}
		}
	}
}

func TestTheMemoryOfAMatchIsInProportionToTheDocument(t *testing.T) {
	const words = 1 << 18
	rule := resolve(t, `(a OR b) NEAR/5 a`)
	d := &Document{Text: strings.Repeat("a ", words)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res, ok := rule.Match(d)
	runtime.ReadMemStats(&after)
	if !ok || len(res.Spans) != MaxSpans {
		t.Errorf("Match = %d spans, %v; want the first %d", len(res.Spans), ok, MaxSpans)
	}
	if each := (after.TotalAlloc - before.TotalAlloc) / words; each > 600 {
		t.Errorf("it allocated %d bytes for each word", each)
	}
}
