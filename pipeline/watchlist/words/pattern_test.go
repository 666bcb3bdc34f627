package words

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// finds reports whether the words of a query, as how says, are somewhere one after
// the other in text.
func finds(t *testing.T, query string, how How, text string) bool {
	t.Helper()
	ps, err := Patterns(query, how)
	if err != nil {
		t.Fatalf("Patterns(%q, %+v): %v", query, how, err)
	}
	x := Cut(text)
	for i := range len(x.Words) - len(ps) + 1 {
		all := true
		for j, p := range ps {
			all = all && p.Matches(x, i+j)
		}
		if all {
			return true
		}
	}
	return false
}

func TestAPatternFindsTheWordsThatItMeans(t *testing.T) {
	for _, c := range []struct {
		rule, query string
		how         How
		find, not   string // words, each held against the query
	}{
		{"a word is whole", "missile", How{}, "missile MISSILE míssile", "missiles"},
		{"a star at the end", "missil*", How{}, "missil missile missiles", "misil"},
		{"a star at the beginning", "*rakete", How{}, "Rakete Mittelstreckenrakete", "Raketen"},
		{"at both", "*rakete*", How{}, "Rakete Raketenabwehr Kurzstreckenraketen", "Rakte"},
		{"within", "hwa*g", How{}, "hwang hwasong hwag", "hwan hwangs"},
		{"a question mark", "organi?ation", How{}, "organisation organization", "organiation organissation"},
		{"is a letter, not a byte", "п?редача", How{}, "передача", "передрача пеередача"},
		{"both", "?a*b?", How{}, "xabz xa1b2b3", "ab abz"},
		{"full width", "missil＊ ", How{}, "missiles", ""},
		{"= takes the form", "missile", How{Exact: true}, "Missile", "missiles"},
		{"= and a star", "missil*", How{Exact: true}, "Missiles", "misile"},
		{"== takes capitals and accents", "Corée", How{Raw: true}, "Corée Core\u0301e Co\u00adrée", "coree Coree"},
		{"== does without what is attached", "IAEA", How{Raw: true}, "IAEA IAEA's IAEA-led", "Iaea iaea ＩＡＥＡ"},
		{"== of an acronym as it is written", "U.S", How{Raw: true}, "U.S.", "US us"},

		{"particles follow Hangul", "미사일", How{}, "미사일 미사일을", "탄도미사일"},
		{"not with =", "미사일", How{Exact: true}, "미사일", "미사일을"},
		{"compounds of Hangul", "*미사일", How{}, "미사일 탄도미사일을", "미사"},
		{"letters within Hangul", "북?미사일", How{}, "북한미사일을", "북미사일"},

		{"Arabic articles and what stands before", "صواريخ", How{}, "صواريخ الصواريخ والصواريخ بالصواريخ كالصواريخ فالصواريخ للصواريخ وللصواريخ بصواريخ وبصواريخ", "صاروخ"},
		{"pronouns behind", "صواريخ", How{}, "صواريخه صواريخها صواريخهم صواريخنا صواريخي وصواريخهم", "صواريخهههه"},
		{"with the article too", "الصواريخ", How{}, "صواريخ الصواريخ بصواريخها", "صاروخ"},
		{"case and number", "صاروخ", How{}, "صاروخ صاروخا صاروخًا صاروخين صاروخان", "صواريخ"},
		{"the feminine before a pronoun and in the plural", "منظومة", How{}, "منظومة منظومتها منظومات منظوماتهم والمنظومات", "نظام"},
		{"adjectives", "باليستي", How{}, "باليستي الباليستي الباليستية باليستية", "بالستيك"},
		{"vowels and forms of letters", "إيران", How{}, "ايران إيران أيران بإيران", "عيران"},
		{"= takes none off", "صواريخ", How{Exact: true}, "صواريخ صَواريخ", "الصواريخ"},
		{"= of one with the article", "الصواريخ", How{Exact: true}, "الصواريخ", "صواريخ"},
		{"beginnings of cores", "صاروخ*", How{}, "صاروخية بالصاروخية صاروخ", "صارو"},
		{"with the article", "الصاروخ*", How{}, "صاروخية الصاروخية بصاروخية", "صواريخ"},
		{"Persian plurals", "موشک", How{}, "موشک موشک\u200cها موشکها موشک\u200cهای موشک\u200cهایی موشک\u200cهایش موشکی موشك", "موشی"},
		{"Persian after a silent letter", "برنامه", How{}, "برنامه برنامه\u200cای برنامه\u200cهای برنامهٔ", "برنام"},
		{"Hebrew", "טילים", How{}, "טילים הטילים והטילים לטילים שבטילים", "טיל"},
		{"with its article", "הטילים", How{}, "טילים הטילים בטילים", "טיל"},

		{"stems", "transferred", How{Stem: "en"}, "transfers transferring Transfer", "transferee"},
		{"of Russian", "ракета", How{Stem: "ru"}, "ракетой Ракеты", "ракетка"},
		{"of a word in other letters", "KN23", How{Stem: "ru"}, "KN23", "KN"},
		{"not with =", "missile", How{Stem: "en", Exact: true}, "missile", "missiles"},

		{"letters of Han as they stand", "导", How{}, "导", "弹"},
		{"a star behind them says nothing", "弹道导弹*", How{}, "弹道导弹的", "弹道"},
		{"nor before", "*导弹", How{}, "弹道导弹", "导"},
		{"nor apart", "* missile *", How{}, "missile", "missiles"},
		{"a pasted question", "Pourquoi ?", How{}, "pourquoi", "pourquois"},
	} {
		for w := range strings.FieldsSeq(c.find) {
			if !finds(t, c.query, c.how, w) {
				t.Errorf("%s: %s %+v does not find %s", c.rule, c.query, c.how, w)
			}
		}
		for w := range strings.FieldsSeq(c.not) {
			if finds(t, c.query, c.how, w) {
				t.Errorf("%s: %s %+v finds %s", c.rule, c.query, c.how, w)
			}
		}
	}
}

func TestAPatternThatCannotBeIsRefused(t *testing.T) {
	for _, c := range []struct {
		rule, query string
		how         How
		want        string // in the error
	}{
		{"no letter", " .-, ", How{}, "no letter"},
		{"nothing but wildcards", "* ??", How{}, "no letter"},
		{"a star between words", "a * b", How{}, "NEAR/1"},
		{"a question mark between words", "qui ? moi", How{}, "leave it out"},
		{"a star between letters of Han", "弹*弹", How{}, "NEAR/2"},
		{"before a letter", "弹*a", How{}, "NEAR/2"},
		{"a question mark beside letters of Han", "导?", How{}, "NEAR/2"},
		{"or before", "?导", How{}, "NEAR/2"},
		{"or kana with a mark", "ｶﾞ*ﾞｶ", How{}, "NEAR/2"},
		{"a wildcard to be taken as it stands", "IAE*", How{Raw: true}, "leave out one"},
		{"or stemmed", "transf*", How{Stem: "en"}, "leave out one"},
		{"too long", strings.Repeat("a", maxWild) + "*", How{}, "too long"},
	} {
		ps, err := Patterns(c.query, c.how)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Patterns(%q, %+v) = %v, %v, want an error with %q", c.rule, c.query, c.how, ps, err, c.want)
		}
	}
	if _, err := Patterns("…", How{}); !errors.Is(err, ErrNothing) {
		t.Errorf("Patterns of no letter: %v", err)
	}
}

func TestAPhraseIsBrokenWhereTheQueryIs(t *testing.T) {
	ps, err := Patterns("朝鲜、俄罗斯", How{})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range ps {
		if p.Broken != (i == 2) {
			t.Errorf("the pattern %d is %+v", i, p)
		}
	}
}

// A query word without its article finds at least what it finds with it.
func TestAnArticleMoreOrLessFindsTheSame(t *testing.T) {
	for w := range strings.FieldsSeq("الصواريخ المنظومات المانيا البحرية הטילים הסכם") {
		form := Fold(w)
		if b := bare(form); b == form || !slices.Contains(Cores(form), b) {
			t.Errorf("%s is bare %s, and its cores are %v", form, b, Cores(form))
		}
	}
}

func TestCoresOfOtherWordsAreThemselves(t *testing.T) {
	for _, w := range []string{"", "missile", "وال", "미사일을", "ракета", strings.Repeat("و", 1000)} {
		if got := Cores(w); len(got) != 1 || got[0] != w {
			t.Errorf("Cores(%q) = %v", w, got)
		}
	}
	for _, w := range []string{"والصواريخ", "وبمنظوماتهم", "موشكهايشان", "ושבטילים"} {
		got := Cores(w)
		if got[0] != w || len(got) > 40 {
			t.Errorf("Cores(%s) = %v", w, got)
		}
		for i, c := range got {
			if slices.Contains(got[:i], c) || len(c) < 3*twoBytes {
				t.Errorf("Cores(%s) has %s twice, or it is short", w, c)
			}
		}
	}
}

func TestGlobsFitWholeWords(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"*", "", true},
		{"", "a", false},
		{"a*", "a", true},
		{"*a*", "bab", true},
		{"a*b*c", "axxbxbxc", true},
		{"a*b*c", "axxcxxb", false},
		{"?", "é", true},
		{"?", "", false},
		{"*?", "", false},
		{"?*?", "я", false},
		{"?*?", "яя", true},
		{"*ab", "aab", true},
		{"*aab", "aaaaab", true},
		{"п?р*", "перо", true},
		{"п?р*", "пре", false},
	} {
		if got := Globbed(c.pattern, c.s); got != c.want {
			t.Errorf("Globbed(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
}

// FuzzGlobbed holds Globbed against the definition of * and ?.
func FuzzGlobbed(f *testing.F) {
	f.Add("a*b?c*", "axbyc")
	f.Add("?é*é", "éééé")
	f.Add("*a?a*", "aabaaa")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 20 || len(s) > 30 {
			return
		}
		pattern, s = strings.ToValidUTF8(pattern, "."), strings.ToValidUTF8(s, ".")
		if got, want := Globbed(pattern, s), slowly([]rune(pattern), []rune(s)); got != want {
			t.Errorf("Globbed(%q, %q) = %v", pattern, s, got)
		}
	})
}

func slowly(pattern, s []rune) bool {
	switch {
	case len(pattern) == 0:
		return len(s) == 0
	case pattern[0] == '*':
		return slowly(pattern[1:], s) || len(s) > 0 && slowly(pattern, s[1:])
	}
	return len(s) > 0 && (pattern[0] == '?' || pattern[0] == s[0]) && slowly(pattern[1:], s[1:])
}

func BenchmarkMatches(b *testing.B) {
	x := Cut("والصواريخ")
	ps, _ := Patterns("موشک", How{})
	b.ReportAllocs()
	for b.Loop() {
		ps[0].Matches(x, 0)
	}
}
