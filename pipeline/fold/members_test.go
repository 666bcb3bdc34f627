package fold

import (
	"fmt"
	"testing"
)

// TestEachLanguageHasATextToCompareWith: many versions in one language leave room
// for the first text of another, and are bounded themselves.
func TestEachLanguageHasATextToCompareWith(t *testing.T) {
	var x Index
	for i := range 3 * maxMembers {
		x.Add("a", Member{"us", fmt.Sprint(i)}, Of("Statement", fmt.Sprintf("%sVersion %d.", long, i), "en"), now)
	}
	if n := len(x.open["a"].members); n != maxMembers {
		t.Errorf("%d English texts are compared with, want %d", n, maxMembers)
	}
	for i := range 2 {
		x.Add("a", Member{"fr", fmt.Sprint(i)}, Of("Déclaration", fmt.Sprintf("Les ministres ont condamné le transfert, version %d.", i), "fr"), now)
	}
	if n := len(x.open["a"].members); n != maxMembers+1 {
		t.Errorf("%d texts are compared with, want the first French one too", n)
	}
}
