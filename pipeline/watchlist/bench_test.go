package watchlist

import (
	"strings"
	"testing"
)

// benchTexts are texts of about 5 KB: three that the built-in watchlist finds
// something in, and one that it does not.
var benchTexts = map[string]string{
	"english": fiveKB("The ministers met in Vienna to review the export of ballistic missiles, and agreed on measures against those who supply parts. "),
	"russian": fiveKB("Министры обсудили поставки баллистических ракет и договорились о мерах против посредников. "),
	"chinese": fiveKB("各国部长在维也纳讨论了弹道导弹的出口问题，并同意对供应商采取措施。"),
	"other":   fiveKB("The council approved the budget for schools, roads and hospitals, and heard a report on the harvest of this summer. "),
}

func fiveKB(s string) string { return strings.Repeat(s, 5000/len(s)+1) }

func BenchmarkReference(b *testing.B) {
	rule := builtinRule(b, "missile-transfer")
	for name, text := range benchTexts {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				rule.Match(NewDocument("Press release of the ministry", text, ""))
			}
		})
	}
}

func BenchmarkParseBuiltin(b *testing.B) {
	text := builtinRule(b, "missile-transfer").String()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
