package fold

import (
	"strings"
	"testing"
)

// TestEqualTextsThatIdentifyNothing: what sites say instead of a text, and titles
// that each government gives its own statement, fold nothing.
func TestEqualTextsThatIdentifyNothing(t *testing.T) {
	frame := "This website uses cookies to improve your experience. By continuing to browse you accept our use of cookies. Please enable JavaScript to view this page. Terms of use. Privacy policy. Contact us. All rights reserved. Copyright."
	if len(frame) < MinLetters {
		t.Fatal("the frame is too short")
	}
	for _, tt := range []struct {
		name, title, text, other, by string
		want                         Kind
	}{
		{"one frame under titles of two statements", "Visit of the President of Chile", frame, "Missiles launched by North Korea", "", New},
		{"one frame with one title", "Missiles launched by North Korea", frame, "Missiles launched by North Korea", "", Same},
		{"one frame under a title that names no more", "Missiles launched by North Korea", frame, "On what was launched", "", New},
		{"one text under a title that names no more", "Missiles launched by North Korea", strings.Repeat("36 of them fell off Norvik. ", 12), "On what was launched", "", Same},
		{"a short title of two governments", "Statement by the Foreign Minister", "", "Statement by the Foreign Minister", "DE", New},
		{"a short title of one", "Statement by the Foreign Minister", "", "Statement by the Foreign Minister", "FR", Same},
		{"a long text of two governments", "Statement by the Foreign Minister", strings.Repeat("We regret it. ", 30), "Statement by the Foreign Minister", "DE", Same},
		{"a short joint statement of two governments", "Joint statement on the missiles", "", "Joint statement on the missiles", "DE", Same},
	} {
		var x Index
		x.Add("a", Member{"fr", "a"}, Of(tt.title, tt.text, "en").By("FR"), now)
		if d := x.Decide(Member{"de", "b"}, Of(tt.other, tt.text, "en").By(tt.by), now); d.Kind != tt.want {
			t.Errorf("%s: %+v, want %s", tt.name, d, tt.want)
		}
	}
}
