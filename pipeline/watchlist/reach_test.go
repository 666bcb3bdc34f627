package watchlist

import (
	"testing"

	"tocsin"
)

func TestARuleReachesTheSourcesThatItDoesNotLeaveOut(t *testing.T) {
	france := tocsin.Source{ID: "fr-mfa", Country: "FR"}
	un := tocsin.Source{ID: "un-news", Kind: "page"}
	for query, want := range map[string][2]bool{
		"missile":                                      {true, true},
		"missile AND country:fr":                       {true, false},
		"missile AND (country:fr OR country:de)":       {true, false},
		"missile AND (country:fr OR drone)":            {true, true},
		"missile NOT country:fr":                       {false, true},
		"missile NOT (country:fr AND kind:page)":       {true, true},
		"source:un-* AND missile":                      {false, true},
		"missile AND kind:feed":                        {true, false},
		"missile AND host:un.org":                      {true, true},
		"missile AND NOT (kind:page OR kind:feed)":     {false, false},
		"(missile NEAR/5 drone) NOT lang:fr":           {true, true},
		"ANY/2(country:fr, country:de, missile)":       {true, false},
		"(a AND country:fr) OR (b AND source:un-new*)": {true, true},
	} {
		q, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		r, err := q.Resolve(NewLists(), false)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{r.Reaches(france), r.Reaches(un)}; got != want {
			t.Errorf("%s reaches %v, want %v", query, got, want)
		}
	}
}
