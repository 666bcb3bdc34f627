package fold

import "testing"

// TestTextsThatDifferOnlyInTheirCountry are two statements, by one source or two,
// under one title or two.
func TestTextsThatDifferOnlyInTheirCountry(t *testing.T) {
	text := func(country string) string {
		return "The Ministry summoned the ambassador of " + country + " over the detention of two citizens on 5 June."
	}
	for _, source := range []string{"a", "b"} {
		for _, title := range []string{"Ambassador summoned", "Two citizens detained"} {
			var x Index
			x.Add("1", Member{"a", "1"}, Of("Ambassador summoned", text("Iran"), "en"), now)
			if d := x.Decide(Member{source, "2"}, Of(title, text("Belarus"), "en"), now); d.Kind != New {
				t.Errorf("%s in %s: %+v, want new", title, source, d)
			}
			if d := x.Decide(Member{"b", "2"}, Of(title, text("Iran")+" Share this.", "en"), now); d.Kind != Same {
				t.Errorf("%s of one country: %+v, want same", title, d)
			}
		}
	}
}
