package notifiers

import (
	"slices"
	"testing"

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
