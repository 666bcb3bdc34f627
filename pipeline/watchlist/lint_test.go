package watchlist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tocsin"
	"tocsin/pipeline/watchlist/watchlisttest"
	"tocsin/pipeline/watchlist/words"
)

func TestLintTellsWhatIsProbablyNotMeant(t *testing.T) {
	rockets, err := NewList(tocsin.List{Name: "rockets", Entries: []tocsin.Entry{{Term: "rocket*"}, {Term: `"long march"`}, {Term: "vent*", Lang: "fr"}, {Term: "ракет*", Lang: "ru"}}})
	if err != nil {
		t.Fatal(err)
	}
	lists := NewLists(rockets)
	for _, c := range []struct{ query, says, fix string }{
		{`missile* OR missiles`, "missile* finds all that missiles does", `missile*`},
		{`missile OR "ballistic missile"`, `missile finds all that "ballistic missile" does`, `missile`},
		{`*rakete* OR mittelstreckenraketen`, "*rakete* finds all that", `*rakete*`},
		{`미사일 OR 미사일을`, "미사일 finds all that 미사일을 does", `미사일`},
		{`missile OR rocket OR "missile"`, "stands here twice", `missile OR rocket`},
		{`missile AND export AND missile`, "stands here twice", `missile AND export`},
		{`title:missile OR missile`, "missile finds all that title:missile does", `missile`},
		{`lead:missile OR text:missile`, "text:missile finds all", `text:missile`},
		{`missile OR all:missile`, "all:missile finds all", `all:missile`},
		{`(missile NEAR/5 export) OR (missile AND sale) OR missile`, "missile finds all that missile NEAR/5 export does", `(missile AND sale) OR missile`},
		{`(a BEFORE/3 b) OR (a NEAR/5 b)`, "a NEAR/5 b finds all that a BEFORE/3 b does", `a NEAR/5 b`},
		{`(a SAME/S b) OR (a SAME/P b)`, "a SAME/P b finds all", `a SAME/P b`},
		{`missile* AND "ballistic missile" AND export`, `wherever "ballistic missile" is, there is missile* too`, `"ballistic missile" AND export`},
		{`@rockets OR rockets`, "@rockets holds rockets already", `@rockets`},
		{`@rockets OR "long march"`, "holds", `@rockets`},
		{`@rockets OR ракетой`, "holds", `@rockets`},
		{`missiles NOT missile*`, "can never hold", ""},
		{`(missile AND export) NOT (film OR export)`, "can never hold", ""},
		{`missile NOT museum`, "NOT NEAR/10", `missile NOT NEAR/10 museum`},
		{`(missile OR rocket) NOT museum`, "NOT NEAR/10", `(missile OR rocket) NOT NEAR/10 museum`},
		{`(missile AND export) NOT museum`, "NOT NEAR/10", ""},
		{`missile NOT NEAR/3 missile`, "can never hold", ""},
		{`("ballistic missile" OR missiles) NOT NEAR/3 missile*`, "can never hold", ""},
		{`tra* AND missile`, "very many words", ""},
		{`missile OR the`, "the alone finds nearly every statement", ""},
		{`missile OR 1718`, "the number 1718 alone", ""},
		{`lang:fr`, "alone finds every statement", ""},
		{`title:(missile AND lang:fr)`, "title: changes nothing for lang:fr", ""},
		{`of-the AND missile`, "of the, which stand in nearly every text", ""},
		{`US AND missile`, "US also finds the word us", `==US AND missile`},
		{`导弹* AND missile`, "changes nothing", `导弹 AND missile`},
		{`~미사일 AND missile`, "changes nothing", `미사일 AND missile`},
		{`ракeта AND missile`, "two alphabets", ""}, // with a Latin e
		{`rocket AND missile AND "missile export"~3`, "wherever missile NEAR/3 export is, there is missile too", `rocket AND missile NEAR/3 export`},
		{`ANY/1(missile, rocket)`, "write OR", `missile OR rocket`},
		{`ANY/2(missile, rocket)`, "write AND", `missile AND rocket`},
		{`ATLEAST/1(missile)`, "changes nothing", `missile`},
		{`missile W/5 export`, "Factiva", ""},
		{`missile near5 export`, "Factiva", ""},
		{`missile NEAR export`, "Meltwater", ""},
	} {
		found := false
		got := parse(t, c.query).Lint(lists)
		for _, w := range got {
			found = found || strings.Contains(w.Msg, c.says) && w.Fix == c.fix
			if again, err := Parse(w.Fix); w.Fix != "" && (err != nil || again.String() != w.Fix) {
				t.Errorf("%s: it offers %s, which is %v, %v", c.query, w.Fix, again, err)
			}
		}
		if !found {
			t.Errorf("%s: it says %v, want %q and the rewrite %q", c.query, got, c.says, c.fix)
		}
	}
}

func TestLintIsSilentAboutAGoodQuery(t *testing.T) {
	rockets, _ := NewList(tocsin.List{Name: "rockets", Entries: []tocsin.Entry{{Term: "vent*", Lang: "fr"}}})
	for _, q := range []string{
		`(missile* OR rocket*) NEAR/10 (export* OR transfer*)`, `missile AND missiles`, `@rockets OR ventes`, `"missile export" OR "export missile"`,
		`missile NOT title:museum`, `missile NOT (title:museum OR lead:museum)`, `missile OR title:rocket`, `(a NEAR/5 b) OR (a BEFORE/7 b)`, `url:missile OR missile`, `rocket AND "missile export"~3`,
		`all:missile AND title:export`, `"US exports" AND missile`, `KN-23 OR S-300`, `@rockets.ru AND ventes`, `missile NOT NEAR/3 "cruise missile"`, `~missile OR ~ракета`,
		`"ballistic missile" AND (export OR rocket) AND sale NOT lang:fr`, `missile AND lang:fr`, `==IAEA OR ==WHO`, `missile OR 미사일`,
	} {
		if w := parse(t, q).Lint(NewLists(rockets)); len(w) > 0 {
			t.Errorf("%s: %v", q, w)
		}
	}
}

func TestLintOfALargeQueryIsBounded(t *testing.T) {
	var many, pairs []string
	for i := range MaxTerms {
		many = append(many, fmt.Sprintf("w%dx", i%(MaxTerms-1)))
		pairs = append(pairs, fmt.Sprintf("(a%d NEAR/5 b)", i%1000))
	}
	for _, q := range []string{strings.Join(many, " OR "), strings.Join(pairs[:2000], " OR "), strings.Join(pairs[:2000], " AND ")} {
		parsed := parse(t, q)
		if got := parsed.Lint(nil); len(got) == 0 || len(got) > maxWarnings || !strings.Contains(got[0].Msg, "twice") {
			t.Errorf("%.40s…: it says %d things", q, len(got))
		}
	}
}

// parts are the parts of a query that can be held against a document.
func parts(n *Node) []*Node {
	if n == nil {
		return nil
	}
	out := []*Node{n}
	for _, k := range n.Kids {
		out = append(out, parts(k)...)
	}
	return out
}

func TestWhatLintTakesToHoldDoesHold(t *testing.T) {
	implied, told := 0, 0
	for seed := range uint64(100) {
		topic := watchlisttest.NewTopic(rand.New(rand.NewPCG(seed, 9)))
		var lists []*List
		for _, x := range topic.Lists {
			list, err := NewList(x)
			if err != nil {
				t.Fatal(err)
			}
			lists = append(lists, list)
		}
		all := NewLists(lists...)
		var nodes []*Node
		for range 6 {
			nodes = append(nodes, parts(parse(t, topic.Query().Text).root)...)
		}
		nodes = slices.DeleteFunc(nodes[:min(len(nodes), 120)], excludesOnly)
		var rules []*Rule
		for _, n := range nodes {
			r, err := (&Query{root: n}).Resolve(all, false)
			if err != nil {
				t.Fatal(err)
			}
			rules = append(rules, r)
		}
		l := &linter{lists: all, left: 1 << 30, patterns: map[*Node][]words.Pattern{}}
		var docs []*Document
		for range 12 {
			docs = append(docs, document(topic.Document()))
		}
		for i, a := range nodes {
			var held []*Document
			for _, d := range docs {
				if rules[i].Holds(d) {
					held = append(held, d)
				}
			}
			for j, b := range nodes {
				if a.String() == b.String() || !l.implies(a, b) {
					continue
				}
				implied++
				for _, d := range held {
					told++
					if !rules[j].Holds(d) {
						t.Fatalf("%s holds and %s does not in %+v", a, b, *d)
					}
				}
			}
		}
	}
	if implied < 1000 || told < 1000 {
		t.Errorf("%d parts were implied by another, %d times where it held: too few to tell", implied, told)
	}
}
