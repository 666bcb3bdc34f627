package watchlist

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"tocsin"
)

func parse(tb testing.TB, query string) *Query {
	tb.Helper()
	q, err := Parse(query)
	if err != nil {
		tb.Fatal(err)
	}
	return q
}

func terms(spans []tocsin.Span) []string {
	var out []string
	for _, s := range spans {
		out = append(out, s.Term)
	}
	return out
}

func resolve(tb testing.TB, query string, lists ...tocsin.List) *Rule {
	tb.Helper()
	r, err := parse(tb, query).Resolve(listsOf(tb, lists...), false)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// found is what a query's spans cover, in order; nil where it does not match.
func found(tb testing.TB, query, title, text string) []string {
	tb.Helper()
	return foundIn(tb, resolve(tb, query), &Document{Title: title, Text: text})
}

func foundIn(tb testing.TB, rule *Rule, d *Document) []string {
	tb.Helper()
	res, ok := rule.Match(d)
	if ok != (len(res.Spans) > 0) {
		tb.Errorf("Match(%s) = %v, %v: it matches where it has spans", rule, res, ok)
	}
	sources := sourcesOf(d)
	var out []string
	for _, s := range res.Spans {
		out = append(out, sources[s.Field][s.Start:s.End])
	}
	return out
}

// sourcesOf are what spans of each field are offsets into.
func sourcesOf(d *Document) map[string]string {
	return map[string]string{
		"title": d.Title, "text": d.Text, "rest": d.Rest, "url": d.URL,
		"author": strings.Join(d.Authors, "\n"), "tag": strings.Join(d.Tags, "\n"),
		"source": d.Source, "kind": d.Kind, "country": d.Country, "host": d.Host(), "lang": d.Value("lang"),
	}
}

func TestWordsAndPhrases(t *testing.T) {
	for _, tt := range []struct {
		name, query, text string
		want              []string // nothing: no match
	}{
		{"a word is matched whole", `missile`, "Missiles and a missile.", []string{"missile"}},
		{"a star stands for any letters", `missile*`, "Missiles and a missile.", []string{"Missiles", "missile"}},
		{"or none at the end of a number", `"KN-23*"`, "KN-23 and KN-23s", []string{"KN-23", "KN-23s"}},
		{"a phrase keeps its order", `"ballistic missile"`, "missile ballistic", nil},
		{"a phrase has nothing within", `"ballistic missile"`, "ballistic cruise missile", nil},
		{"stars inside a phrase", `"ballistic* missile* transfer"`, "ballistic missiles transfer", []string{"ballistic missiles transfer"}},
		{"a word after one with a star is whole", `"ballistic* missile"`, "ballistics missiles", nil},
		{"a hyphenated word is a phrase", `missile-transfer`, "missile transfer, Missile-Transfer, missiletransfer", []string{"missile transfer", "Missile-Transfer"}},
		{"line breaks are spaces", `"ballistic missile"`, "ballistic\r\n  missile", []string{"ballistic\r\n  missile"}},
		{"spaces of all kinds", `"ballistic missile"`, "ballistic\u00a0missile ballistic\u202fmissile ballistic\u3000missile", []string{"ballistic\u00a0missile", "ballistic\u202fmissile", "ballistic\u3000missile"}},
		{"hyphens of all kinds", `"ballistic missile"`, "ballistic‑missile ballistic–missile ballistic−missile", []string{"ballistic‑missile", "ballistic–missile", "ballistic−missile"}},
		{"quotes and commas", `"ballistic missile"`, "“ballistic” (missile)", []string{"ballistic” (missile"}},
		{"a soft hyphen is nothing", `missile`, "mis\u00adsile mis\u200bsile \ufeffmissile\u200d", []string{"mis\u00adsile", "mis\u200bsile", "missile"}},
		{"a possessive is no word", `"russia missiles"`, "Russia’s missiles, Russia's missiles", []string{"Russia’s missiles", "Russia's missiles"}},
		{"nor in the query", `"Russia's missiles"`, "Russia missiles", []string{"Russia missiles"}},
		{"what is possessed is the word alone", `russia`, "Russia’s", []string{"Russia"}},
		{"a star within a word", `hwa*ng`, "Hwasong Hwang Hwasongs", []string{"Hwasong", "Hwang"}},
		{"a star before compounds", `*rakete*`, "Mittelstreckenraketen und Raketen", []string{"Mittelstreckenraketen", "Raketen"}},
		{"a question mark is one letter", `organi?ation`, "organisation organization organiation", []string{"organisation", "organization"}},
		{"also where letters have several bytes", `п?редача`, "передача прередача", []string{"передача"}},
		{"= takes the form as it is, whatever its letters", `=미사일`, "미사일 미사일을", []string{"미사일"}},
		{"= takes no article off", `="صواريخ"`, "الصواريخ صواريخ", []string{"صواريخ"}},
		{"== takes capitals too", `==IAEA`, "iaea IAEA Iaea", []string{"IAEA"}},
		{"== takes accents too", `=="Corée"`, "Coree Corée core\u0301e Core\u0301e", []string{"Corée", "Core\u0301e"}},
		{"~ finds inflected forms in the language that has them", `~transfer`, "transfers, transferring and transferred", []string{"transfers", "transferring", "transferred"}},
		{"~ of a phrase too", `~"missile transfer"`, "missiles transferred", []string{"missiles transferred"}},
		{"a regular expression finds the words it touches", `/S-?\d{3}/`, "the S-300s and S400", []string{"S-300s", "S400"}},
		{"Arabic clitics are no part of a word", `صواريخ`, "والصواريخ بالصواريخ صواريخها", []string{"والصواريخ", "بالصواريخ", "صواريخها"}},
		{"Persian plurals are none either", `موشک`, "موشک\u200cهای", []string{"موشک\u200cهای"}},
		{"elided articles are no words", `"transfert armes"`, "Le transfert d’armes", []string{"transfert d’armes"}},
		{"and do not hide a name", `iran`, "l'Iran, dell’Iran, qu’Iran", []string{"Iran", "Iran", "Iran"}},
		{"nor in the query", `l'Iran`, "Iran", []string{"Iran"}},
		{"Turkish suffixes are no words", `"Kuzey Kore füzeleri"`, "Kuzey Kore’nin füzeleri", []string{"Kuzey Kore’nin füzeleri"}},
		{"an Ukrainian apostrophe is nothing", `зв'язок`, "зв’язок звʼязок звязок", []string{"зв’язок", "звʼязок", "звязок"}},
		{"other apostrophes part words", `"o brien"`, "O’Brien", []string{"O’Brien"}},
		{"number signs are not part of numbers", `1718`, "№1718, n.º1718, 1718²", []string{"1718", "1718", "1718"}},
		{"dots and slashes part words", `"N Korea"`, "N. Korea N.Korea N/Korea", []string{"N. Korea", "N.Korea", "N/Korea"}},
		{"places of a phrase may overlap", `"a b a"`, "a b a b a", []string{"a b a", "a b a"}},
		{"those of two terms may", `"a b" OR b`, "a b", []string{"a b", "b"}},
		{"a term that is written twice has one span", `a AND (a OR b)`, "a", []string{"a"}},

		{"Chinese is matched by substring", `导弹`, "弹道导弹的转让", []string{"导弹"}},
		{"a line break does not part it", `弹道导弹`, "弹道\n导弹", []string{"弹道\n导弹"}},
		{"a comma does", `朝鲜俄罗斯`, "朝鲜、俄罗斯", nil},
		{"unless the query has one too", `"朝鲜、俄罗斯"`, "朝鲜，俄罗斯和朝鲜俄罗斯", []string{"朝鲜，俄罗斯", "朝鲜俄罗斯"}},
		{"a star changes nothing in it", `导弹*`, "导弹的", []string{"导弹"}},
		{"nor within a phrase", `"弹道* 导弹"`, "弹道导弹", []string{"弹道导弹"}},
		{"numbers within it", `第1718号`, "第1718号、第17181号", []string{"第1718号"}},
		{"Japanese is matched by substring", `ミサイル`, "弾道ミサイル防衛", []string{"ミサイル"}},
		{"a middle dot does not part it", `キムジョンウン`, "キム・ジョンウン", []string{"キム・ジョンウン"}},
		{"a voicing mark makes another letter", `ハ`, "バ ﾊﾞ は\u3099", nil},
		{"a long vowel is a letter", `ミサイ`, "ミーサイ", nil},
		{"Thai is matched by substring", `ขีปนาวุธ`, "การส่งออกขีปนาวุธไปยัง", []string{"ขีปนาวุธ"}},
		{"a Thai vowel makes another syllable", `ก`, "กี", nil},
		{"Khmer, Lao and Burmese too", `កាំ OR ລູກ OR ဒုံး`, "នៃកាំជ្រួច ຂອງລູກສອນໄຟ ပဲ့ထိန်းဒုံးကျည်", []string{"កាំ", "ລູກ", "ဒုံး"}},
		{"Korean words match by their beginning", `미사일`, "미사일을 탄도미사일을", []string{"미사일을"}},
		{"also in a phrase", `"미사일 이전"`, "미사일의 이전을", []string{"미사일의 이전을"}},
		{"a syllable is not a part of another", `미사`, "미산", nil},
		{"Latin, number and Hangul are words apart", `"화성 11" AND KN`, "화성-11가와 KN-23을", []string{"화성-11", "KN"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := found(t, tt.query, "", tt.text); !slices.Equal(got, tt.want) {
				t.Errorf("%s in %q finds %q, want %q", tt.query, tt.text, got, tt.want)
			}
		})
	}
}

// Each text is a query's words in other letters, whose bytes are more or fewer.
func TestFoldingMapsBackToTheOriginal(t *testing.T) {
	for _, tt := range []struct{ name, query, text, want string }{
		{"case", `missile`, "der MISSILE!", "MISSILE"},
		{"accents, composed", `exportés`, "biens exportes.", "exportes"},
		{"accents, combining", `exportes AND vers`, "exporte\u0301s vers", "exporte\u0301s|vers"},
		{"an accent after the word belongs to it", `expose`, "expose\u0301 ici", "expose\u0301"},
		{"ligature", `profiles`, "les proﬁles ici", "proﬁles"},
		{"ligature that begins a word", `fission AND next`, "ﬁssion next", "ﬁssion|next"},
		{"three letters in one", `office`, "oﬃce", "oﬃce"},
		{"Turkish dotted capital", `iran AND ihracat`, "İRAN’DAN İHRACAT", "İRAN|İHRACAT"},
		{"Turkish dotless letter", `satış`, "SATIŞ satış", "SATIŞ|satış"},
		{"sharp s", `strasse`, "STRASSE Straße STRAẞE", "STRASSE|Straße|STRAẞE"},
		{"final sigma", `ΠΥΡΑΥΛΟΣ`, "πύραυλος", "πύραυλος"},
		{"Polish l", `polnocna`, "północna", "północna"},
		{"Danish", `"oeresund" OR oresund`, "Øresund", "Øresund"},
		{"full width", `KN23`, "ＫＮ２３型", "ＫＮ２３"},
		{"half-width kana", `ミサイル`, "弾道ﾐｻｲﾙの", "ﾐｻｲﾙ"},
		{"half-width kana with voicing marks", `ガザ AND バ`, "ｶﾞｻﾞ、ﾊﾞ", "ｶﾞｻﾞ|ﾊﾞ"},
		{"kana with combining voicing marks", `ガザ`, "カ\u3099サ\u3099", "カ\u3099サ\u3099"},
		{"Hangul in parts", `북한 AND 미사일`, "\u1107\u116e\u11a8\u1112\u1161\u11ab \u1106\u1175\u1109\u1161\u110b\u1175\u11af", "\u1107\u116e\u11a8\u1112\u1161\u11ab|\u1106\u1175\u1109\u1161\u110b\u1175\u11af"},
		{"Arabic vowels", `صاروخ`, "صَارُوخٌ", "صَارُوخٌ"},
		{"Arabic tatweel", `صاروخ`, "صـــاروخ", "صـــاروخ"},
		{"Arabic hamza", `إيران OR مؤتمر`, "ايران إيران أيران موتمر", "ايران|إيران|أيران|موتمر"},
		{"Arabic presentation forms", `لا`, "ﻻ", "ﻻ"},
		{"Persian letters", `کره AND شمالی`, "كره شمالي", "كره|شمالي"},
		{"Persian zero-width non-joiner", `"موشک* بالستیک"`, "موشک\u200cهای بالستیک", "موشک\u200cهای بالستیک"},
		{"digits", `2231`, "٢٢٣١ ۲۲۳۱ २२३१ 𝟐𝟐𝟑𝟏", "٢٢٣١|۲۲۳۱|२२३१|𝟐𝟐𝟑𝟏"},
		{"Russian ё", `самолет`, "САМОЛЁТ", "САМОЛЁТ"},
		{"Hebrew points", `שלום`, "שָׁלוֹם", "שָׁלוֹם"},
		{"Hindi vowel signs stay", `मिसाइल`, "मिसाइल मसल", "मिसाइल"},
		{"Vietnamese", `tên`, "TÊN tên ten\u0302", "TÊN|tên|ten\u0302"},
		{"mathematical letters", `missile`, "𝐌𝐢𝐬𝐬𝐢𝐥𝐞", "𝐌𝐢𝐬𝐬𝐢𝐥𝐞"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(found(t, tt.query, "", tt.text), "|"); got != tt.want {
				t.Errorf("%s in %q finds %q, want %q", tt.query, tt.text, got, tt.want)
			}
		})
	}
}

func TestOneStatementInItsRenderings(t *testing.T) {
	const english = `"ballistic missile transfer*" AND "North Korea*"`
	for _, tt := range []struct{ name, query, title, text, want string }{
		{"plain", english, "On ballistic missile transfers", "North Korea must stop.", "ballistic missile transfers|North Korea"},
		{"capitals", english, "BALLISTIC MISSILE TRANSFERS", "NORTH KOREA MUST STOP.", "BALLISTIC MISSILE TRANSFERS|NORTH KOREA"},
		{"hyphen", english, "On ballistic-missile transfers", "North-Korean arms", "ballistic-missile transfers|North-Korean"},
		{"no-break space", english, "On ballistic\u00a0missile\u00a0transfers", "North\u00a0Korea’s arms", "ballistic\u00a0missile\u00a0transfers|North\u00a0Korea"},
		{"soft hyphen", english, "On bal\u00adlistic mis\u00adsile trans\u00adfers", "North Ko\u00adrea", "bal\u00adlistic mis\u00adsile trans\u00adfers|North Ko\u00adrea"},
		{"wrapped", english, "On ballistic\nmissile transfers", "from North\r\nKorea", "ballistic\nmissile transfers|North\r\nKorea"},
		{"French", `"transfert* de missiles balistiques" AND "Corée du Nord"`, "Les transferts de missiles balistiques de la Corée du Nord", "", "transferts de missiles balistiques|Corée du Nord"},
		{"German", `"ballistisch* rakete*" AND weitergabe`, "Weitergabe ballistischer Raketen", "", "Weitergabe|ballistischer Raketen"},
		{"Russian", `"баллистическ* ракет*" AND передач*`, "О передаче БАЛЛИСТИЧЕСКИХ РАКЕТ", "", "передаче|БАЛЛИСТИЧЕСКИХ РАКЕТ"},
		{"Chinese", `弹道导弹 AND 转让`, "关于弹道导弹转让的声明", "", "弹道导弹|转让"},
		{"Japanese", `弾道ミサイル AND 移転`, "弾道ﾐｻｲﾙの移転に関する声明", "", "弾道ﾐｻｲﾙ|移転"},
		{"Korean", `탄도미사일 AND 이전`, "탄도미사일의 이전에 관한 성명", "", "탄도미사일의|이전에"},
		{"Arabic", `"الصواريخ الباليستية" AND نقل`, "بيان حول نَقْلِ الصواريخِ الباليستيّة", "", "نَقْلِ|الصواريخِ الباليستيّة"},
		{"Persian", `"موشک* بالستیک" AND انتقال`, "انتقال موشك\u200cهاي بالستيك", "", "انتقال|موشك\u200cهاي بالستيك"},
		{"Turkish", `"balistik füze*" AND ihracat*`, "BALİSTİK FÜZELERİN İHRACATI", "", "BALİSTİK FÜZELERİN|İHRACATI"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(found(t, tt.query, tt.title, tt.text), "|"); got != tt.want {
				t.Errorf("%s finds %q, want %q", tt.query, got, tt.want)
			}
		})
	}
}

func TestOperators(t *testing.T) {
	for _, tt := range []struct {
		query, text string
		want        []string
	}{
		{`a AND b`, "b a", []string{"b", "a"}},
		{`a AND b`, "a", nil},
		{`a OR b`, "b", []string{"b"}},
		{`a NOT b`, "a c", []string{"a"}},
		{`a NOT b`, "a b", nil},
		{`a AND NOT b`, "a", []string{"a"}},
		{`a NOT (b AND c)`, "a b", []string{"a"}},
		{`a NOT (b NOT c)`, "a b c", []string{"a"}},
		{`a AND (b OR (c AND d))`, "a c d", []string{"a", "c", "d"}},
		{`a OR (b AND c)`, "a b", []string{"a"}},
		{`"and" OR "not"`, "and not", []string{"and", "not"}},
		{`a and b not c`, "a b", []string{"a", "b"}},

		{`ANY/2(a, b, c)`, "a d", nil},
		{`ANY/2(a, b, c)`, "a c", []string{"a", "c"}},
		{`ATLEAST/3(a)`, "a a", nil},
		{`ATLEAST/3(a OR b)`, "a b a", []string{"a", "b", "a"}},
		{`ATLEAST/2(a OR "a b")`, "a b", nil}, // two places that begin at one word

		// NEAR/n: at most n words between, in any order, and no word in common.
		{`a NEAR/2 b`, "a x x b", []string{"a", "b"}},
		{`a NEAR/2 b`, "b x x a", []string{"b", "a"}},
		{`a NEAR/2 b`, "a x x x b", nil},
		{`a NEAR/0 b`, "a b", []string{"a", "b"}},
		{`a NEAR/5 a`, "a", nil},
		{`a NEAR/5 "a b"`, "a b", nil},
		{`a NEAR/1 b`, "a b x x a x x x b", []string{"a", "b"}}, // the others have no partner
		{`a NEAR/0 b`, "a surface-to-air b", nil},
		{`a NEAR/1 b`, "a surface-to-air b", []string{"a", "b"}},   // which is one word to a reader
		{`a NEAR/1 b`, "a Russia’s l’Iran b", nil},                 // and these are two
		{`a NEAR/2 b`, "a 弹道导弹 b", []string{"a", "b"}},             // two letters of Han are about a word
		{`(a OR "a x") NEAR/1 b`, "a x y b", []string{"a x", "b"}}, // each place by itself
		{`(a NEAR/1 b) NEAR/1 c`, "a x b x c", []string{"a", "b", "c"}},
		{`(a NEAR/1 b) NEAR/1 c`, "a b x x c b", nil}, // the b beside c is not near a
		{`("x a" NEAR/1 b) NEAR/2 c`, "c b y x a", []string{"c", "b", "x a"}},

		// BEFORE/n: in this order. In a chain each stands before the next.
		{`a BEFORE/2 b`, "a x x b", []string{"a", "b"}},
		{`a BEFORE/2 b`, "b a", nil},
		{`a BEFORE/2 b`, "a b a", []string{"a", "b"}},
		{`a BEFORE/1 b BEFORE/1 c`, "a b c", []string{"a", "b", "c"}},
		{`a BEFORE/1 b BEFORE/1 c`, "b c a b", nil},
		{`(a BEFORE/1 b) BEFORE/1 c`, "b a c b", nil},
		{`a BEFORE/1 (b BEFORE/1 c)`, "c a b x c", []string{"a", "b", "c"}},
		{`a BEFORE/1 (b BEFORE/1 c)`, "b c a x x c", nil},
		{`((a BEFORE/1 b) OR x) BEFORE/0 c`, "a b c", []string{"a", "b", "c"}},
		{`((a BEFORE/1 b) OR x) BEFORE/0 c`, "a c b", nil},
		{`((a BEFORE/1 b) NOT NEAR/0 z) BEFORE/0 c`, "a b c", []string{"a", "b", "c"}},
		{`(a BEFORE/1 b) NEAR/0 c`, "c a b", []string{"c", "a", "b"}},

		// SAME/S and SAME/P: real sentences and paragraphs.
		{`a SAME/S b`, "The a was old. The b was new.", nil},
		{`a SAME/S b`, "The a of Mr. Smith was a b. Then c", []string{"a", "a", "b"}},
		{`导弹 SAME/S 转让`, "导弹。转让", nil},
		{`a SAME/P b`, "The a was old. The b was new.", []string{"a", "b"}},
		{`a SAME/P b`, "The a was old.\n\nThe b was new.", nil},
		{`a SAME/S a`, "a", nil},
		{`a SAME/S a`, "a a", []string{"a", "a"}},
		{`a SAME/S "a b"`, "a b", nil},

		// NOT NEAR/n: places of the first that none of the second is near, or part of.
		{`a NOT NEAR/2 b`, "a x x b", nil},
		{`a NOT NEAR/2 b`, "a x x x b", []string{"a"}},
		{`a NOT NEAR/2 b`, "b a x x x a x x x b", []string{"a"}},
		{`transfer NOT NEAR/3 "money transfer"`, "a money transfer", nil},
		{`transfer NOT NEAR/3 "money transfer"`, "a money transfer, and later on another transfer", []string{"transfer"}},
		{`(a NOT NEAR/0 b) NEAR/0 c`, "a c", []string{"a", "c"}},
		{`(a NOT NEAR/0 b) NEAR/1 c`, "b a c", nil},

		{`lead:b AND FIRST/3(c)`, "a b c", []string{"b", "c"}},
		{`FIRST/2(c)`, "a b c", nil},
		{`FIRST/2("b c")`, "a b c", nil},
		{`FIRST/2(c) OR a`, "a-b c", []string{"a", "c"}},
	} {
		if got := found(t, tt.query, "", tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%s in %q finds %q, want %q", tt.query, tt.text, got, tt.want)
		}
	}
}

func TestSpansAreInOrderTitleFirst(t *testing.T) {
	d := &Document{
		Title: "Transfer of missiles", Text: "Missile transfers to Iran", Rest: "iran", URL: "https://mfa.example/iran",
		Authors: []string{"A. Iran", "Iran"}, Tags: []string{"x", "Iran"}, Lang: "en",
	}
	got, _ := resolve(t, `lang:en AND transfer* AND missile* AND (all:(iran OR iraq) AND url:iran AND author:iran AND tag:iran)`).Match(d)
	want := []tocsin.Span{
		{Term: "transfer*", Field: "title", Start: 0, End: 8},
		{Term: "missile*", Field: "title", Start: 12, End: 20},
		{Term: "missile*", Field: "text", Start: 0, End: 7},
		{Term: "transfer*", Field: "text", Start: 8, End: 17},
		{Term: "iran", Field: "text", Start: 21, End: 25},
		{Term: "iran", Field: "rest", Start: 0, End: 4},
		{Term: "iran", Field: "url", Start: 20, End: 24},
		{Term: "iran", Field: "author", Start: 3, End: 7},
		{Term: "iran", Field: "author", Start: 8, End: 12},
		{Term: "iran", Field: "tag", Start: 2, End: 6},
		{Term: "lang:en", Field: "lang", Start: 0, End: 2},
	}
	if !slices.Equal(got.Spans, want) {
		t.Errorf("spans are %v, want %v", got.Spans, want)
	}
}

func TestTermsAreNamedAsTheQueryWritesThem(t *testing.T) {
	res, _ := resolve(t, `“Ballistic-Missile*” AND ÉXPORT* AND ==IAEA AND ~talks`).Match(&Document{Title: "ballistic missiles", Text: "exports IAEA talk"})
	if got, want := terms(res.Spans), []string{"Ballistic-Missile*", "ÉXPORT*", "==IAEA", "~talks"}; !slices.Equal(got, want) {
		t.Errorf("terms are %q, want %q", got, want)
	}
}

func TestAPhraseDoesNotSpanTitleAndText(t *testing.T) {
	if got := found(t, `"ballistic missile"`, "ballistic", "missile"); got != nil {
		t.Errorf("it finds %q", got)
	}
	if got := found(t, `ballistic AND missile`, "ballistic", "missile"); len(got) != 2 {
		t.Errorf("AND over title and text finds %q", got)
	}
}

func TestMalformedUTF8SeparatesWords(t *testing.T) {
	text := "bal\xfflistic missile\xc3 \xe2\x82missile"
	if got := found(t, `missile`, "", text); len(got) != 2 {
		t.Errorf("it finds %q, want missile twice", got)
	}
	if got := found(t, `ballistic`, "", text); got != nil {
		t.Errorf("it finds %q across a broken byte", got)
	}
}

func TestFieldsAreWhereAQueryLooks(t *testing.T) {
	long := strings.Repeat("x ", LeadWords-1) + "sixty sixtyone\n\nsecond\n\nthird"
	for _, tt := range []struct {
		name, query string
		d           Document
		want        []string
	}{
		{"the title, the text and not the rest", `a`, Document{Title: "a 1", Text: "a 2", Rest: "a 3", URL: "https://a.example"}, []string{"a", "a"}},
		{"all: adds the rest", `all:(a OR b)`, Document{Title: "a", Text: "b", Rest: "a"}, []string{"a", "b", "a"}},
		{"title:", `title:a`, Document{Title: "x", Text: "a"}, nil},
		{"title: of a group", `title:(a NEAR/3 b)`, Document{Title: "a", Text: "a b"}, nil},
		{"title: of an AND", `title:(a AND b)`, Document{Title: "a", Text: "b"}, nil},
		{"text:", `text:a`, Document{Title: "a"}, nil},
		{"the lead is the first paragraph", `lead:second`, Document{Text: "first\n\nsecond"}, []string{"second"}},
		{"and at least sixty words", `lead:sixty`, Document{Text: long}, []string{"sixty"}},
		{"or the whole first paragraph", `lead:sixtyone`, Document{Text: long}, []string{"sixtyone"}},
		{"and no more", `lead:second`, Document{Text: long}, nil},
		{"a phrase lies wholly in the lead", `lead:"sixtyone second"`, Document{Text: long}, nil},
		{"lead: in text:", `text:(lead:second OR third)`, Document{Text: long}, []string{"third"}},
		{"FIRST/n of each field", `FIRST/1(a)`, Document{Title: "x a", Text: "a x"}, []string{"a"}},
		{"FIRST/n in a field", `title:(FIRST/1(a))`, Document{Title: "x a", Text: "a"}, nil},
		{"the narrower FIRST/n", `FIRST/5(FIRST/1(a))`, Document{Text: "x a"}, nil},
		{"nothing goes from field to field", `"a b" OR a NEAR/9 b OR a SAME/P b`, Document{Title: "a", Text: "b"}, nil},
		{"AND does", `a AND b`, Document{Title: "a", Text: "b"}, []string{"a", "b"}},
		{"a title is one sentence", `a SAME/S b`, Document{Title: "The a was. The b was"}, []string{"a", "b"}},
		{"url: words of the address", `url:press-release`, Document{URL: "https://gov.example/Press_Release/7"}, []string{"Press_Release"}},
		{"author: nothing goes from one to the next", `author:("Ann Lee" OR /e\sA/ OR ann NEAR/3 bo)`, Document{Authors: []string{"Ann Lee", "Bo"}}, []string{"Ann Lee"}},
		{"author: each is one sentence", `author:(ann SAME/P bo)`, Document{Authors: []string{"Ann", "Bo"}}, nil},
		{"tag:", `tag:(arms AND missiles)`, Document{Tags: []string{"arms", "missiles"}}, []string{"arms", "missiles"}},
		{"source: a whole value", `source:mofa`, Document{Source: "mofa-en"}, nil},
		{"source: a wildcard", `source:mofa*`, Document{Source: "MOFA-en"}, []string{"MOFA-en"}},
		{"country: folded", `country:JP`, Document{Country: "jp"}, []string{"jp"}},
		{"country: of one that is not known", `country:JP OR a`, Document{Text: "a"}, []string{"a"}},
		{"host: and those below it", `host:gov.uk`, Document{URL: "https://www.GOV.uk:443/x"}, []string{"www.gov.uk"}},
		{"host: by labels", `host:gov.uk`, Document{URL: "https://nogov.uk/"}, nil},
		{"kind:", `kind:feed`, Document{Kind: "feed"}, []string{"feed"}},
		{"lang:", `lang:(fr OR de)`, Document{Lang: "de"}, []string{"de"}},
		{"lang: unknown", `lang:unknown`, Document{}, []string{"unknown"}},
		{"lang: known", `a NOT lang:unknown`, Document{Text: "a"}, nil},
		{"a regular expression in a field", `title:/^\w{3}$/`, Document{Title: "abc", Text: "def"}, []string{"abc"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := foundIn(t, resolve(t, tt.query), &tt.d); !slices.Equal(got, tt.want) {
				t.Errorf("%s in %+v finds %q, want %q", tt.query, tt.d, got, tt.want)
			}
		})
	}
}

func TestARuleServesManyGoroutinesAtOnce(t *testing.T) {
	r, err := parse(t, `~transfer NEAR/5 ("ballistic missile*" OR /KN-?\d+/)`).Resolve(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if res, ok := r.Match(NewDocument("Transfers", "Transfers of KN-23 ballistic missiles", "")); !ok || len(res.Spans) != 3 {
				t.Errorf("Match = %v, %v", res, ok)
			}
		})
	}
	wg.Wait()
}
