package watchlist

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tocsin"
	"tocsin/pipeline/watchlist/watchlisttest"
)

func TestAMissSaysWhatIsMissingAndHowNearItIs(t *testing.T) {
	list := tocsin.List{Name: "missile", Entries: []tocsin.Entry{
		{Term: `"ballistic missile*"`, Lang: "en"}, {Term: "导弹", Lang: "zh"}, {Term: "rakete", Lang: "de"},
	}}
	for _, tt := range []struct {
		name, query string
		d           Document
		why         string   // of the first part that does not hold
		at          []string // what its spans cover
	}{
		{"another form of the word", `export AND missile`, Document{Text: "The export of missiles"}, "missiles is there, missile is not: write missile*", []string{"missiles"}},
		{"the stem of the word", `=transfers`, Document{Text: "It was transferred"}, "transferred is there, =transfers is not: write transfer*", []string{"transferred"}},
		{"a word that holds the word", `rakete`, Document{Text: "Mittelstreckenraketen"}, "Mittelstreckenraketen is there, rakete is not: write *rakete*", []string{"Mittelstreckenraketen"}},
		{"a Korean word within a word", `미사일`, Document{Text: "탄도미사일을"}, "탄도미사일을 is there, 미사일 is not: write *미사일", []string{"탄도미사일을"}},
		{"other capitals", `==IAEA`, Document{Text: "iaea"}, "iaea is there, ==IAEA is not: leave out ==", []string{"iaea"}},
		{"nothing of the kind", `missile`, Document{Text: "x"}, "it is not there", nil},

		{"NEAR/n of the closest pair", `missile NEAR/3 transfer`, Document{Text: "transfer of one a b c d e f g of a missile, and x y z a transfer"}, "would match at NEAR/5", nil},
		{"NEAR/n", `missile NEAR/3 transfer`, Document{Text: "A missile was one of those that the transfer was about"}, "would match at NEAR/6", []string{"missile", "transfer"}},
		{"NEAR/n wider than any", `a NEAR/3 b`, Document{Text: "a " + strings.Repeat("x ", 120) + "b"}, "the nearest are 120 words apart", []string{"a", "b"}},
		{"BEFORE/n", `missile BEFORE/1 transfer`, Document{Text: "the transfer of a missile in no transfer"}, "would match at BEFORE/2", nil},
		{"BEFORE/n the other way", `missile BEFORE/3 transfer`, Document{Text: "The transfer of a missile"}, "missile stands only after transfer: would match at NEAR/2", []string{"missile", "transfer"}},
		{"one side of NEAR/n", `missile* NEAR/3 transfer*`, Document{Text: "The missiles"}, "missile* is there; transfer*: it is not there", []string{"missiles"}},
		{"fields", `missile NEAR/3 transfer`, Document{Title: "transfer", Text: "missile"}, "missile is in the text, transfer in the title", []string{"missile", "transfer"}},
		{"the same words", `missile NEAR/3 "ballistic missile"`, Document{Text: "ballistic missile"}, "they are there only in the same words", []string{"missile"}},
		{"the next sentence", `a SAME/S b`, Document{Text: "The a was old. The b was new."}, "the nearest is in the next sentence: would match at NEAR/3", []string{"a", "b"}},
		{"a paragraph further on", `a SAME/P b`, Document{Text: "The a was old.\n\nx\n\nThe b was new."}, "the nearest is 2 paragraphs away: would match at NEAR/4", []string{"a", "b"}},
		{"NOT NEAR/n", `missile NOT NEAR/2 (museum OR film)`, Document{Text: "missile museum, film of a missile"}, "missile is there 2 times, each time with (museum OR film) at most 2 words away", nil},

		{"a phrase in pieces", `"ballistic missile"`, Document{Text: "ballistic and other missile"}, "its words are there in this order, up to 2 words apart", []string{"ballistic", "missile"}},
		{"a phrase in another order", `"ballistic missile"`, Document{Text: "missile, ballistic"}, "its words are there, but in another order or not in one field", nil},
		{"a part of a phrase", `"ballistic missile launcher"`, Document{Text: "ballistic missile"}, "ballistic and missile are there, launcher is not", []string{"ballistic", "missile"}},
		{"letters of a phrase", `导弹`, Document{Text: "导、弹"}, "its letters are there, but not all together", []string{"导", "弹"}},

		{"ATLEAST/n", `ATLEAST/3(missile)`, Document{Text: "missile and missile"}, "it is there 2 times, and 3 are needed", []string{"missile", "missile"}},
		{"ANY/n", `ANY/2(sanction, export, embargo)`, Document{Text: "the export"}, "1 of the 2 needed: export; not there: sanction, embargo", []string{"export"}},
		{"FIRST/n", `FIRST/3(missile)`, Document{Text: "The text says missile"}, "it is there first at word 4 of the text", []string{"missile"}},
		{"title:", `title:missile`, Document{Text: "A missile"}, "it is in the text, not in the title", []string{"missile"}},
		{"lead:", `lead:missile`, Document{Text: strings.Repeat("x ", 70) + "\n\nmissile"}, "it is there first at word 71 of the text, behind the lead", []string{"missile"}},
		{"the rest", `missile`, Document{Rest: "missile"}, "it is in the rest, not in the title or the text", []string{"missile"}},
		{"lang:", `lang:fr`, Document{Lang: "en"}, "its lang is en", []string{"en"}},
		{"source:", `source:mofa*`, Document{Source: "fcdo"}, "its source is fcdo", []string{"fcdo"}},
		{"country:", `country:fr`, Document{}, "its country is not known", nil},
		{"a regular expression", `/S-\d+/`, Document{Text: "S"}, "nothing fits it", nil},

		{"a list", `@missile`, Document{Text: "x"}, "none of its 3 terms is there", nil},
		{"a list's other form", `@missile`, Document{Lang: "de", Text: "Raketen"}, "nearest of its terms: Raketen is there, rakete is not: write rakete*", []string{"Raketen"}},
		{"a list's language", `@missile`, Document{Lang: "en", Text: "rakete"}, "nearest is rakete: it is in the text, and is looked for in texts in de only, not in en", []string{"rakete"}},

		{"the nearest alternative", `(a AND b) OR (missile NEAR/2 transfer)`, Document{Text: "a missile and x y transfer"}, "nearest of its 2 parts: (missile NEAR/2 transfer): would match at NEAR/3", nil},
		{"no alternative", `(a AND b) OR c`, Document{Text: "x"}, "none of its 2 parts is there", nil},
		{"a scope", `title:(missile AND export)`, Document{Title: "missile", Text: "export"}, "it is in the text, not in the title", []string{"export"}},
		{"NOT", `missile NOT (museum OR film)`, Document{Text: "missile in the film"}, "film is there, and what has it is left out", []string{"film"}},
		{"NOT within OR", `(missile NOT film) OR x`, Document{Text: "missile in the film"}, "nearest of its 2 parts: (missile NOT film): film is there, and what has it is left out", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reasons := resolve(t, tt.query, list).Miss(&tt.d)
			i := slices.IndexFunc(reasons, func(r Reason) bool { return !r.Held })
			if i < 0 {
				t.Fatalf("%s in %+v: all is held: %v", tt.query, tt.d, reasons)
			}
			var at []string
			for _, s := range reasons[i].Spans {
				at = append(at, sourcesOf(&tt.d)[s.Field][s.Start:s.End])
			}
			if reasons[i].Why != tt.why || tt.at != nil && !slices.Equal(at, tt.at) {
				t.Errorf("%s: %s: %q %q, want %q %q", tt.query, reasons[i].Part, reasons[i].Why, at, tt.why, tt.at)
			}
		})
	}
}

func TestAMissListsTheRequiredPartsInTheirOrder(t *testing.T) {
	d := Document{Title: "Missile", Text: "Export to a museum", Lang: "en"}
	var got []string
	for _, r := range resolve(t, `title:(missile AND transfer) AND (export OR supply) AND lang:en NOT museum NOT film`).Miss(&d) {
		got = append(got, strconv.FormatBool(r.Held)+" "+r.Part)
	}
	want := []string{
		"true title:missile", "false title:transfer", "true export OR supply", "true lang:en", "false NOT museum", "true NOT film",
	}
	if !slices.Equal(got, want) {
		t.Errorf("parts are %q, want %q", got, want)
	}
}

var wouldMatch = regexp.MustCompile(`^(?:the nearest is [^:]*: )?would match at (NEAR|BEFORE)/(\d+)$`)

// What a miss says of a NEAR or BEFORE comes true, and not with one less.
func TestWhatAMissSaysWouldMatchDoes(t *testing.T) {
	said := 0
	for seed := range uint64(400) {
		topic := watchlisttest.NewTopic(rand.New(rand.NewPCG(seed, 2)))
		d := document(topic.Document())
		for _, op := range []Op{Near, Before, SameSentence} {
			q := watchlisttest.Query{Uses: map[string]bool{}}
			rule := resolve(t, "("+topic.Places(&q, 1)+") "+operator(op, 0)+" ("+topic.Places(&q, 1)+")", topic.Lists...)
			m := wouldMatch.FindStringSubmatch(rule.Miss(d)[0].Why)
			if m == nil || rule.Root.Op != op {
				continue
			}
			said++
			n, _ := strconv.Atoi(m[2])
			e := *rule.Root
			if e.N = n; e.Op == SameSentence {
				e.Op = Near
			}
			less := e
			less.N--
			if !newMatching(d).holds(&e) || n > 0 && newMatching(d).holds(&less) {
				t.Errorf("%s in %+v: it says %q, which is not so", rule, d, m[0])
			}
		}
	}
	if said < 50 {
		t.Errorf("only %d misses said so", said)
	}
}
