package fold

import (
	"strings"
	"testing"
	"time"
)

// TestNoTextTakesLong: a text of one thing over and over is read in time that
// grows with its length. Each takes less than a second; what is square takes
// minutes.
func TestNoTextTakesLong(t *testing.T) {
	const mostBytes = 1 << 20
	for _, unit := range []string{
		"1億", "1億2万", "一万", "万", "12.", "1,000,", "2026-", "one and ", "one hundred thousand ", "twenty ", "December ",
		"カ", "KN-23 ", "United Arab ", "resolution 1718 (2006) ", "France, Japan, ", "48 countries ", "Aa", "a", "9", "\xff", "\x00",
		"joint statement ", "̈", "ﷺ", "กา", "क्", "א", "한국",
	} {
		text := strings.Repeat(unit, mostBytes/len(unit))
		for name, read := range map[string]func(){
			"the text":  func() { Of("Title", text, "") },
			"the title": func() { Of(text, "", "") },
			"facets":    func() { FacetsOf(text, "resolution "+text, "") },
		} {
			begin := time.Now()
			read()
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("%s of %q takes %v", name, unit, took)
			}
		}
	}
}
