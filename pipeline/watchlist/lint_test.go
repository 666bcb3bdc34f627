package watchlist

import (
	"strings"
	"testing"

	"tocsin"
)

func TestLintTellsWhatIsProbablyNotMeant(t *testing.T) {
	rockets, err := NewList(tocsin.List{Name: "rockets", Entries: []tocsin.Entry{{Term: "rocket*"}, {Term: `"long march"`}, {Term: "vent*", Lang: "fr"}}})
	if err != nil {
		t.Fatal(err)
	}
	lists := NewLists(rockets)
	for _, c := range []struct{ query, says string }{
		{`missile* OR missiles`, "missile* finds all that missiles does"},
		{`missile OR "ballistic missile"`, `missile finds all that "ballistic missile" does`},
		{`*rakete* OR mittelstreckenraketen`, "*rakete* finds all that"},
		{`미사일 OR 미사일을`, "미사일 finds all that 미사일을 does"},
		{`missile OR missile`, "stands here twice"},
		{`missile AND export AND missile`, "stands here twice"},
		{`@rockets OR rockets`, "@rockets holds rockets already"},
		{`@rockets OR "long march"`, "holds"},
		{`missiles NOT missile*`, "can never hold"},
		{`(missile AND export) NOT (film OR export)`, "can never hold"},
		{`missile NOT museum`, "NOT NEAR/10"},
		{`missile NOT NEAR/3 missile`, "can never hold"},
		{`tra* AND missile`, "very many words"},
		{`missile OR the`, "the alone finds nearly every statement"},
		{`lang:fr`, "alone finds every statement"},
		{`of-the AND missile`, "of the, which stand in nearly every text"},
		{`ANY/1(missile, rocket)`, "write OR"},
		{`ANY/2(missile, rocket)`, "write AND"},
		{`ATLEAST/1(missile)`, "changes nothing"},
		{`missile W/5 export`, "Factiva"},
	} {
		var said []string
		for _, w := range parse(t, c.query).Lint(lists) {
			said = append(said, w.Msg)
		}
		if !strings.Contains(strings.Join(said, "\n"), c.says) {
			t.Errorf("%s: it says %q, want %q", c.query, said, c.says)
		}
	}
}

func TestLintIsSilentAboutAGoodQuery(t *testing.T) {
	rockets, _ := NewList(tocsin.List{Name: "rockets", Entries: []tocsin.Entry{{Term: "vent*", Lang: "fr"}}})
	for _, q := range []string{
		`(missile* OR rocket*) NEAR/10 (export* OR transfer*)`, `missile AND missiles`, `@rockets OR ventes`, `"missile export" OR "export missile"`,
		`missile NOT title:museum`, `missile AND lang:fr`, `==IAEA OR ==WHO`, `missile OR 미사일`,
	} {
		if w := parse(t, q).Lint(NewLists(rockets)); len(w) > 0 {
			t.Errorf("%s: %v", q, w)
		}
	}
}
