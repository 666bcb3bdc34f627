package watchlist

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestCanonicalForm(t *testing.T) {
	for query, want := range map[string]string{
		`missile`:         `missile`,
		`a and b aNd c`:   `a AND b AND c`,
		`a AND (b AND c)`: `a AND b AND c`,
		`((a or (b)))`:    `a OR b`,
		`a AND NOT b`:     `a NOT b`,
		`NOT a AND b`:     `b NOT a`,
		`a NOT b AND c`:   `a AND c NOT b`,
		`a AND (NOT b)`:   `a NOT b`,
		`a NOT (b OR c)`:  `a NOT (b OR c)`,
		`(a NOT b) OR c`:  `(a NOT b) OR c`,
		`“a  b” OR «c d» OR „e“ OR 「導弾」`: `"a b" OR "c d" OR "e" OR "導弾"`,
		"a\n\tAND\u00a0b":                  `a AND b`,
		`（a OR b）`:                         `a OR b`,
		`missile＊`:                         `missile*`,
		`"AND"`:                            `"AND"`,
		`l'Iran OR U.S. OR AT&T OR 30,000`: `l'Iran OR U.S. OR AT&T OR 30,000`,
		`導* OR ミ* OR 북*`:                   `導* OR ミ* OR 북*`,
		`Hwasong-11*`:                      `Hwasong-11*`,
		`missile*-transfer*`:               `missile*-transfer*`,
		`first AND any AND before`:         `first AND any AND before`,
	} {
		if got := parse(t, query).String(); got != want {
			t.Errorf("Parse(%s) is %s, want %s", query, got, want)
		}
	}
}

// refused are queries with the text that the error points at, and what it
// offers to write instead.
var refused = []struct {
	name, query, at string
	says            string
	rewrites        []string
}{
	{"AND beside OR", `a AND b OR c AND d`, "OR c", "AND and OR are mixed", []string{`(a AND b) OR (c AND d)`, `a AND (b OR c) AND d`}},
	{"OR beside AND", `a OR b AND c`, "AND c", "OR and AND are mixed", []string{`a OR (b AND c)`, `(a OR b) AND c`}},
	{"deeper", `x AND (a AND b OR c)`, "OR c", "mixed", []string{`x AND ((a AND b) OR c)`, `x AND a AND (b OR c)`}},
	{"OR beside NOT", `a OR b NOT c`, "NOT c", "OR and NOT are mixed", []string{`a OR (b NOT c)`, `(a OR b) NOT c`}},
	{"NOT of several", `a OR b NOT c OR d`, "NOT c", "mixed", []string{`a OR (b NOT c) OR d`, `(a OR b) NOT (c OR d)`}},
	{"two words", `ballistic missile`, "missile", "nothing joins", []string{`"ballistic missile"`, `ballistic AND missile`}},
	{"three words", `x AND a "b c" d`, `"b c"`, "nothing joins", []string{`x AND "a b c d"`, `x AND a AND "b c" AND d`}},
	{"two words among others", `x AND a b`, "b", "nothing joins", []string{`x AND "a b"`, `x AND a AND b`}},
	{"two words and AND beside OR", `a b AND c OR d`, "b AND", "nothing joins", []string{`("a b" AND c) OR d`, `"a b" AND (c OR d)`, `(a AND b AND c) OR d`, `a AND b AND (c OR d)`}},
	{"two groups", `(a OR b) (c OR d)`, "(c", "nothing joins", []string{`(a OR b) AND (c OR d)`}},
	{"nothing but NOT", `NOT a`, "NOT", "nothing but NOT", []string{`"words to find" NOT a`}},
	{"nothing but NOT in parentheses", `(NOT a AND NOT b)`, "(NOT", "nothing but NOT", []string{`"words to find" NOT a NOT b`}},
	{"NOT inside OR", `a OR NOT b`, "a OR", "one side of OR", []string{`a NOT b`}},
	{"NOT in a side of OR", `x AND (a OR (NOT b))`, "a OR", "one side of OR", []string{`x AND a NOT b`}},
	{"NOT twice", `a NOT NOT b`, "NOT NOT", "nothing but NOT", nil},
	{"NOT twice at the start", `NOT NOT b`, "NOT b", "twice", nil},
	{"NOT of NOT", `a NOT (NOT b)`, "NOT (", "nothing but NOT", nil},
	{"an open quote", `"ballistic missile`, `"ball`, "quote is not closed", []string{`"ballistic missile"`}},
	{"an open quote before an operator", `a AND "ballistic missile AND transfer`, `"ball`, "quote is not closed", []string{`a AND "ballistic missile" AND transfer`}},
	{"an open parenthesis", `(a OR (b AND c)`, "(a", "parenthesis is not closed", []string{`a OR (b AND c)`}},
	{"a parenthesis too many", `a OR b) OR c`, ") OR", "closes nothing", []string{`a OR b OR c`}},
	{"a parenthesis that comes first", `) a`, ")", "closes nothing", []string{`a`}},
	{"nothing", ``, "", "is empty", nil},
	{"spaces", " \n ", "", "is empty", nil},
	{"nothing in parentheses", `()`, "(", "nothing to find", nil},
	{"nothing in quotes", `a OR ""`, `""`, "no letter or digit", []string{`a`}},
	{"punctuation", `a AND --`, "--", "no letter or digit", []string{`a`}},
	{"nothing before", `AND a`, "AND", "on its left", []string{`a`}},
	{"nothing after", `a OR`, "OR", "stands after", []string{`a`}},
	{"nothing between", `a AND OR b`, "OR", "on its left", []string{`a AND b`}},
	{"* alone", `a AND *`, "*", "* alone", nil},
	{"* after two letters", `mi*`, "mi*", "three letters", []string{`mi`}},
	{"* first", `*rakete`, "*", "cannot begin", []string{`rakete`}},
	{"* within", `mis*les`, "mis", "only end", []string{`mis*`}},
	{"* within a phrase", `"a mis*les b"`, `"a`, "only end", []string{`"a mis* b"`}},
	{"* after a hyphen", `fits-*`, "fits", "follow a letter", []string{`fits-`}},
	{"two stars", `missile**`, "missile", "only end", []string{`missile*`}},
	{"?", `organi?ation`, "organi", "only *", []string{`organi*`}},
	{"Lexis !", `"ballistic missile!" and transfer!`, `"ball`, "only *", []string{`"ballistic missile*" AND transfer*`}},
	{"Factiva $", `missile$3`, "missile", "only *", []string{`missile*`}},
	{"a field", `a AND title:foo`, "title", "fields (title:) are not supported yet", []string{`a AND foo`}},
	{"a field of several", `hd=(a OR b)`, "hd", "fields (hd=)", []string{`a OR b`}},
	{"no field", `foo:bar`, "foo", "quote them", []string{`"foo:bar"`}},
	{"an address", `https://mfa.example/x?y`, "https", "quote them", []string{`"https://mfa.example/x y"`}},
	{"NEAR", `a NEAR/5 b`, "NEAR", "proximity (NEAR/5) is not supported yet", []string{`a AND b`}},
	{"w/n", `a w/5 b`, "w/5", "proximity", []string{`a AND b`}},
	{"SAME", `a SAME/S b`, "SAME", "proximity", []string{`a AND b`}},
	{"slop", `"a b"~5`, "~5", "proximity", []string{`"a b"`}},
	{"NOT NEAR", `a NOT NEAR/5 b`, "NEAR", "NOT NEAR/5 is not supported yet", nil},
	{"near, the word", `near`, "near", "quote it", nil},
	{"a list", `@dprk AND a`, "@", "lists (@dprk) are not supported yet", nil},
	{"-", `a -b`, "-b", "write NOT", []string{`a NOT b`}},
	{"- before an operator", `a -and`, "-and", "write NOT", []string{`a NOT "and"`}},
	{"&& and ||", `a && b || c`, "&&", "write AND", []string{`(a AND b) OR c`, `a AND (b OR c)`}},
	{"exact", `==IAEA`, "==", "not supported yet", []string{`IAEA`}},
	{"counting", `ATLEAST/3(missile)`, "ATLEAST", "not supported yet", []string{`missile`}},
	{"a comment", "a # why\nAND b", "# why", "comments", []string{`a AND b`}},
	{"not UTF-8", "a AND b\xff", "\xff", "UTF-8", nil},
}

func TestQueriesThatReadTwoWaysAreRefusedWithARewrite(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.query)
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("Parse(%s) = %v, want an *Error", tt.query, err)
			}
			if !strings.Contains(e.Msg, tt.says) {
				t.Errorf("it says %q, want %q", e.Msg, tt.says)
			}
			if !strings.HasPrefix(tt.query[e.Pos:], tt.at) {
				t.Errorf("it points at %q, want %q", tt.query[e.Pos:], tt.at)
			}
			got := e.Readings
			if e.Fix != "" {
				got = append(got, e.Fix)
			}
			if !slices.Equal(got, tt.rewrites) {
				t.Errorf("it offers %q, want %q", got, tt.rewrites)
			}
			for _, r := range got {
				if !strings.Contains(err.Error(), r) {
					t.Errorf("%q does not show %s", err, r)
				}
				if again := parse(t, r).String(); again != r {
					t.Errorf("it offers %s, which is %s", r, again)
				}
			}
		})
	}
}

func TestErrorsCountLinesAndRunes(t *testing.T) {
	_, err := Parse("ракета* AND\nпередача  або")
	e, _ := errors.AsType[*Error](err)
	if e == nil || e.Line != 2 || e.Column != 11 || e.Pos != len("ракета* AND\nпередача  ") {
		t.Errorf("error is %+v, want line 2, column 11", e)
	}
}

func TestLimitsAreRefusedWithTheirNumber(t *testing.T) {
	words := func(n int) string { return strings.TrimSuffix(strings.Repeat("a OR ", n), " OR ") }
	nested := func(n int) string { return strings.Repeat("(", n) + "a" + strings.Repeat(")", n) }
	long := `"` + strings.Repeat("x ", MaxBytes/2-1) + `"`
	for _, ok := range []string{words(MaxTerms), nested(MaxDepth), long, strings.Repeat("(a) OR ", 2*MaxDepth) + "b"} {
		parse(t, ok)
	}
	for query, number := range map[string]int{
		words(MaxTerms + 1):  MaxTerms,
		nested(MaxDepth + 1): MaxDepth,
		long + " ":           MaxBytes,
	} {
		_, err := Parse(query)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(number)) || len(err.Error()) > 200 {
			t.Errorf("Parse of %d bytes: %v, want a short error with %d", len(query), err, number)
		}
	}
}

// Queries in the shapes on which parsers go wrong: one that tried every reading
// of each would not end here.
func TestLongQueriesOfAnyShapeEnd(t *testing.T) {
	for _, s := range []string{"a ", "aaa*-", "a*", "=title:", "(a -b ", ")", "NOT ", `"a* `, "l'", "a OR b AND ", "/5 ", "ᅡ", "ﷺ", "か\u3099"} {
		q, err := Parse(strings.Repeat(s, 30_000/len(s)))
		if (q == nil) == (err == nil) {
			t.Errorf("Parse of many %q: %v, %v", s, q, err)
		}
	}
}
