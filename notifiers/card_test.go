package notifiers

import (
	"slices"
	"testing"
	"time"

	"tocsin"
)

func TestATermIsShownWithTheListThatHoldsIt(t *testing.T) {
	got := terms([]tocsin.Span{
		{Term: "미사일", List: "ballistic-missile"}, {Term: "transfer*"}, {Term: "미사일", List: "ballistic-missile"}, {Term: "transfer*", List: "transfer"},
	})
	if want := []string{"미사일 (@ballistic-missile)", "transfer*", "transfer* (@transfer)"}; !slices.Equal(got, want) {
		t.Errorf("shown are %q, want %q", got, want)
	}
}

func TestTheCardSaysWhoOfTheSignatoriesHasPublished(t *testing.T) {
	copies := []tocsin.Copy{{Source: "fr", Country: "FR"}, {Source: "fr2", Country: "FR"}, {Source: "news", Country: "JP", Report: true}}
	many := []string{"AU", "BE", "CA", "DE", "EE", "FI", "FR", "GB", "HR", "IT", "JP", "KR", "LT", "MT", "NL"}
	for _, tt := range []struct {
		facets tocsin.Facets
		want   string
	}{
		{tocsin.Facets{}, ""},
		{tocsin.Facets{Signed: 48}, "its text says that 48 signed"},
		{tocsin.Facets{Signatories: []string{"FR"}}, "1 of 1 signatory has published"},
		{tocsin.Facets{Signatories: []string{"FR", "JP", "KR"}}, "1 of 3 signatories has published; missing: Japan, South Korea"},
		{tocsin.Facets{Signatories: []string{"FR", "JP"}, Signed: 48}, "1 of 48 signatories has published; missing: Japan and 46 more"},
		{tocsin.Facets{Signatories: many}, "1 of 15 signatories has published; missing: Australia, Belgium, Canada, Croatia, Estonia, Finland, Germany, Italy, Japan, Lithuania, Malta, Netherlands and 2 more"},
		{tocsin.Facets{Signatories: []string{"FR", "<!channel>"}}, "1 of 2 signatories has published; missing: <!channel>"},
	} {
		if got := signed(tocsin.Alert{Copies: copies, Facets: tt.facets}); got != tt.want {
			t.Errorf("signed(%+v) = %q, want %q", tt.facets, got, tt.want)
		}
	}
	if got := reported(tocsin.Alert{Copies: copies}); got != "reported by 1: news (JP)" {
		t.Errorf("reported = %q", got)
	}
}

func TestTheCardMarksMaterialChanges(t *testing.T) {
	a := tocsin.Alert{Revised: 3, Changes: []tocsin.Change{{Was: "48", Is: "50"}}}
	if got, want := revised(a), "3 changes by its publishers, none material; the last: 48 -> 50"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	a.Material, a.Why = 1, "numbers"
	if got, want := revised(a), "3 changes by its publishers, 1 material; the last is material (numbers): 48 -> 50"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheCardSaysWhatIsCitedAndWhatItWasJoinedWith(t *testing.T) {
	f := tocsin.Facets{Resolutions: []string{"1718 (2006)", "2270 (2016)"}, Systems: []string{"KN-23"}}
	if got, want := facets(f), "cites resolutions 1718 (2006), 2270 (2016) · names KN-23"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	d := tocsin.Delivery{Alert: tocsin.Alert{Into: "ab12"}, Older: tocsin.Alert{Copies: []tocsin.Copy{{Title: "Joint\nstatement"}}}}
	if got, want := joinedWith(d), "joined with “Joint statement” (alert ab12)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestADigestLineCountsThePublishers(t *testing.T) {
	a := tocsin.Alert{Copies: []tocsin.Copy{{Source: "fr"}, {Source: "jp"}, {Source: "x", Report: true}}}
	now := time.Now()
	if got := newDigest(tocsin.Summary{Newest: []tocsin.Alert{a}}, now).Newest[0].When; got != "undated, published by 2" {
		t.Errorf("the line says %q", got)
	}
}
