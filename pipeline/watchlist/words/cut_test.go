package words

import (
	"strings"
	"testing"
	"unicode"
)

// forms are the words of s, with a bar before one that is broken and a plus
// before one that counts nothing.
func forms(s string) string {
	var out []string
	for _, w := range Cut(s).Words {
		f := w.Form
		if w.Broken {
			f = "|" + f
		}
		if w.At == w.Next {
			f = "+" + f
		}
		out = append(out, f)
	}
	return strings.Join(out, " ")
}

func TestWordsAreWhatAReaderTakesForWords(t *testing.T) {
	for _, c := range []struct{ rule, text, want string }{
		{"case and punctuation", "Ballistic MISSILES, again", "ballistic missiles again"},
		{"possessives and elisions are none", "Russia's and Korea’s l'Iran d’armes qu’il", "russia and korea iran armes il"},
		{"nor are both", "l'Iran's", "iran"},
		{"nor Turkish suffixes", "İran'dan Kore’nin İHA'ları NATO'ya", "iran kore iha nato"},
		{"other apostrophes join two", "O'Neill aujourd’hui don't", "o +neill aujourd +hui don +t"},
		{"in Cyrillic they are nothing", "зв'язок пʼять", "звязок пять"},
		{"quotation marks are none", "'missile' l' 'a", "missile l a"},
		{"hyphens join", "surface-to-air missile", "surface +to +air missile"},
		{"of all kinds", "surface‐to‑air", "surface +to +air"},
		{"dashes do not", "Russia–Iran, a - b, a--b, a-\nb", "russia iran a b a b a b"},
		{"dots join", "missiles.The mofa.go.jp 3.5", "missiles +the mofa +go +jp 3 +5"},
		{"with a space they do not", "missiles. The", "missiles the"},
		{"letters with dots are one word", "the U.S. and D.P.R.K., e.g. С.Ш.А. l’U.R.S.S.", "the us and dprk eg сша urss"},
		{"also without the last", "U.S-led U.S.-led U.S.A", "us +led us led usa"},
		{"and no others", "J. Smith U. S. J.Smith a.bc 1.2 a.2 A's.B", "j smith u s j +smith a +bc 1 +2 a +2 a +b"},
		{"soft hyphens and zero width are nothing", "mis\u00adsile trans\u200bfer \ufeffa\u2060b\u200f", "missile transfer ab"},
		{"a no-break space and a line break are spaces", "ballistic\u00a0missile\nx", "ballistic missile x"},
		{"letters of Han are words", "弹道-导弹", "弹 道 导 弹"},
		{"and broken where a reader stops", "弹。弹、弹（弹）", "弹 |弹 |弹 |弹"},
		{"a quoted name is not", "“弹道”导弹「火星」型《公约》", "弹 道 导 弹 火 星 型 公 约"},
		{"kana of half width", "ﾐｻｲﾙ ｶﾞ", "ミ サ イ ル カ\u3099"},
		{"Thai, whose marks are part of a letter", "ขีปนาวุธ", "ขี ป น า วุ ธ"},
		{"Hangul is written apart", "탄도미사일을 발사", "탄도미사일을 발사"},
		{"also in parts", "\u1107\u116e\u11a8\u1112\u1161\u11ab", "북한"},
		{"digits and what is attached to them are one word to a reader", "3월 KN-23형", "3 +월 kn +23 +형"},
		{"a sign of two letters", "ทำ", "ท\u0e4d า"},
		{"marks of Arabic are none", "صَارُوخٌ صـــاروخ", "صاروخ صاروخ"},
		{"a zero-width non-joiner joins", "موشک\u200cهای", "موشكهاي"},
		{"width, ligature, digits, fractions, signs", "ｗｉｄｅ ﬁne ２７٠ ½ №5 x² 1ª", "wide fine 270 5 x 1"},
		{"Turkish", "Füze İran ıslak", "fuze iran islak"},
		{"bytes that are no letters", "\xff\xfemissile\xff\xe5\xbc", "missile"},
		{"private letters are none", "a\ue000b", "a b"},
	} {
		if got := forms(c.text); got != c.want {
			t.Errorf("%s: %q is cut into %q, want %q", c.rule, c.text, got, c.want)
		}
	}
}

func TestDistancesCountWordsAsAReaderDoes(t *testing.T) {
	for _, c := range []struct {
		rule, between string
		want          int32 // half-words
	}{
		{"nothing between", " ", 0},
		{"a word", " b ", 2},
		{"a compound", " surface-to-air ", 2},
		{"a name with a possessive", " Russia’s l’Iran ", 4},
		{"an acronym", " U.S.A. ", 2},
		{"a number", " 3.5 ", 2},
		{"letters of Han", " 弹道导弹 ", 4},
		{"a word of Hangul", " 탄도미사일을 ", 2},
	} {
		x := Cut("first" + c.between + "last")
		if got := x.Gap(0, len(x.Words)-1); got != c.want {
			t.Errorf("%s: %d half-words, want %d", c.rule, got, c.want)
		}
	}
}

func TestWordsCoverTheirLettersInTheOriginal(t *testing.T) {
	const s = "« Russia’s U.S. mi\u0301s\u00adsiles, l’oﬃce \u1107\u116e\u11a8 กำ"
	var got []string
	for _, w := range Cut(s).Words {
		got = append(got, s[w.Start:w.End])
	}
	if want := "Russia|U.S|mi\u0301s\u00adsiles|oﬃce|\u1107\u116e\u11a8|กำ|ำ"; strings.Join(got, "|") != want {
		t.Errorf("words cover %q, want %q", got, want)
	}
}

// Every letter that Unicode has is folded to letters that fold to themselves, and
// is so many words by itself as these are.
func TestFoldingTwiceIsFoldingOnce(t *testing.T) {
	for r := range rune(0x20000) {
		once := Fold(string(r))
		if twice := Fold(once); twice != once {
			t.Errorf("%U is folded to %q, and that to %q", r, once, twice)
		}
		ws := Cut(string(r)).Words
		if len(ws) > 0 != (foldingOf(r).kind == letter) {
			t.Errorf("%U is %d words", r, len(ws))
		}
		if len(ws) == 1 && ws[0].Form != once || unicode.IsLetter(r) && !unicode.Is(unicode.Lm, r) && len(ws) == 0 && once != "" && r != 'ª' && r != 'º' {
			t.Errorf("%U is folded to %q and cut into %v", r, once, ws)
		}
	}
}

func TestFoldKeepsWhatIsNoLetter(t *testing.T) {
	for s, want := range map[string]string{
		"MOFA-en":         "mofa-en",
		"Österreich.AT/x": "osterreich.at/x",
		"a\u00adb\u200bc": "abc",
		"plain":           "plain",
	} {
		if got := Fold(s); got != want {
			t.Errorf("Fold(%q) = %q, want %q", s, got, want)
		}
	}
}

// hostile are texts of 1 MB that are made to be dear.
func hostile() map[string]string {
	const size = 1 << 20
	out := map[string]string{}
	for name, s := range map[string]string{
		"one word": "a", "accents": "\u0301", "kept marks": "\u0e31", "apostrophes": "'", "attached": "a'", "dots": "a.", "elisions": "l'",
		"broken": "\xff", "syllables in parts": "\u1107\u116e\u11a8", "Han": "弾", "ligatures": "ﷺ", "zero width": "\u200b", "brackets": "(", "lines": "\n", "sentences": "A. ",
		"Arabic": "و", "hyphens": "a-", "every letter": letters(), "Cyrillic apostrophes": "м'",
	} {
		out[name] = "x" + strings.Repeat(s, size/len(s))
	}
	return out
}

func letters() string {
	var b strings.Builder
	for r := range rune(0x30000) {
		b.WriteRune(r)
	}
	return b.String()
}

// Cost is counted in allocations: each is of something that only grows, so that
// twice the text costs at most a few more.
func TestHostileTextCostsNoMoreThanProse(t *testing.T) {
	const most = 40
	for name, s := range hostile() {
		if name == "every letter" {
			Cut(s) // learn them once
		}
		if n := testing.AllocsPerRun(1, func() { Cut(s) }); n > most && name != "every letter" {
			t.Errorf("%s: %.0f allocations", name, n)
		}
		x := Cut(s)
		if n := testing.AllocsPerRun(1, func() {
			x.places = nil
			x.Sentence(len(x.Words) - 1)
		}); n > most {
			t.Errorf("%s: %.0f allocations for sentences", name, n)
		}
		if n := testing.AllocsPerRun(1, func() { Language("en", s) }); n > most {
			t.Errorf("%s: %.0f allocations for the language", name, n)
		}
	}
}

func BenchmarkCut(b *testing.B) {
	for name, s := range map[string]string{
		"english": "The ministers met in Vienna to review the export of ballistic missiles, and agreed on measures against those who supply parts. ",
		"french":  "Les ministres réunis à Vienne ont évoqué l’exportation de missiles balistiques, et décidé d’agir contre ceux qui livrent des pièces. ",
		"russian": "Министры обсудили поставки баллистических ракет и договорились о мерах против посредников. ",
		"arabic":  "ناقش الوزراء في فيينا تصدير الصواريخ الباليستية واتفقوا على تدابير ضد من يوردون أجزاءها. ",
		"korean":  "장관들은 탄도미사일의 수출을 논의하고 부품을 공급하는 자들에 대한 조치에 합의했다. ",
		"chinese": "各国部长在维也纳讨论了弹道导弹的出口问题，并同意对供应商采取措施。",
		"thai":    "รัฐมนตรีหารือเรื่องการส่งออกขีปนาวุธ และเห็นชอบมาตรการ ",
	} {
		s = strings.Repeat(s, 5000/len(s)+1)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			for b.Loop() {
				Cut(s)
			}
		})
	}
}

func BenchmarkLanguage(b *testing.B) {
	s := strings.Repeat("The ministers met in Vienna to review the export of ballistic missiles. ", 200)
	b.ReportAllocs()
	for b.Loop() {
		Language("en", s)
	}
}
