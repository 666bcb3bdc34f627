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

// found is what a query's spans cover, in order; nil where it does not match.
func found(tb testing.TB, query, title, text string) []string {
	tb.Helper()
	spans, ok := parse(tb, query).Match(NewDocument(title, text, ""))
	if ok != (len(spans) > 0) {
		tb.Errorf("Match(%q) = %v, %v: it matches where it has spans", query, spans, ok)
	}
	var out []string
	for _, s := range spans {
		out = append(out, map[string]string{tocsin.FieldTitle: title, tocsin.FieldText: text}[s.Field][s.Start:s.End])
	}
	return out
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
		{"elided articles are no words", `"transfert armes"`, "Le transfert d’armes", []string{"transfert d’armes"}},
		{"and do not hide a name", `iran`, "l'Iran, dell’Iran, qu’Iran", []string{"Iran", "Iran", "Iran"}},
		{"nor in the query", `l'Iran`, "Iran", []string{"Iran"}},
		{"Turkish suffixes are no words", `"Kuzey Kore füzeleri"`, "Kuzey Kore’nin füzeleri", []string{"Kuzey Kore’nin füzeleri"}},
		{"an Ukrainian apostrophe is nothing", `зв'язок`, "зв’язок звʼязок звязок", []string{"зв’язок", "звʼязок", "звязок"}},
		{"other apostrophes part words", `"o brien"`, "O’Brien", []string{"O’Brien"}},
		{"number signs are not part of numbers", `1718`, "№1718, n.º1718, 1718²", []string{"1718", "1718", "1718"}},
		{"dots and slashes part words", `"N Korea"`, "N. Korea N.Korea N/Korea", []string{"N. Korea", "N.Korea", "N/Korea"}},
		{"spans of a term do not overlap", `"a b a"`, "a b a b a", []string{"a b a"}},
		{"those of two terms may", `"a b" OR b`, "a b", []string{"a b", "b"}},
		{"a term that is written twice has one span", `a AND (a OR b)`, "a", []string{"a"}},

		{"Chinese is matched by substring", `导弹`, "弹道导弹的转让", []string{"导弹"}},
		{"a line break does not part it", `弹道导弹`, "弹道\n导弹", []string{"弹道\n导弹"}},
		{"a comma does", `朝鲜俄罗斯`, "朝鲜、俄罗斯", nil},
		{"unless the query has one", `朝鲜、俄罗斯`, "朝鲜，俄罗斯和朝鲜俄罗斯", []string{"朝鲜，俄罗斯"}},
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
	} {
		if got := found(t, tt.query, "", tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%s in %q finds %q, want %q", tt.query, tt.text, got, tt.want)
		}
	}
}

func TestSpansAreInOrderTitleFirst(t *testing.T) {
	const title, text = "Transfer of missiles", "Missile transfers to Iran"
	got, _ := parse(t, `transfer* AND missile* AND (iran OR iraq)`).Match(NewDocument(title, text, "en"))
	want := []tocsin.Span{
		{Term: "transfer*", Field: "title", Start: 0, End: 8},
		{Term: "missile*", Field: "title", Start: 12, End: 20},
		{Term: "missile*", Field: "text", Start: 0, End: 7},
		{Term: "transfer*", Field: "text", Start: 8, End: 17},
		{Term: "iran", Field: "text", Start: 21, End: 25},
	}
	if !slices.Equal(got, want) {
		t.Errorf("spans are %v, want %v", got, want)
	}
}

func TestTermsAreNamedAsTheQueryWritesThem(t *testing.T) {
	spans, _ := parse(t, `“Ballistic-Missile*” AND ÉXPORT*`).Match(NewDocument("ballistic missiles", "exports", ""))
	if got, want := terms(spans), []string{"Ballistic-Missile*", "ÉXPORT*"}; !slices.Equal(got, want) {
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

func TestFoldingIsStable(t *testing.T) {
	for _, s := range []string{"ŉ ǅ ﬀ ẞ İ ı ϐ Ω ⅷ ㎏ ﷺ ﹰ ͺ", "が カ\u3099 ﾊﾟ ヿ ゟ", "\u1100\u1161\u11a8 각 ㄱ ﾡ", "أإآٱىیکةۀ٣۳", "ำ ໜ กำ"} {
		once := fold(s)
		words := strings.ReplaceAll(strings.ReplaceAll(once.text, string([]byte{edge, gap}), "、"), string(rune(edge)), " ")
		if twice := fold(words); twice.text != once.text {
			t.Errorf("fold(%q) is %q, and folded again %q", s, once.text, twice.text)
		}
	}
}

func TestADocumentServesManyQueriesAtOnce(t *testing.T) {
	d := NewDocument("Transfer", "of ballistic missiles", "")
	q := parse(t, `transfer AND "ballistic missile*"`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if spans, ok := q.Match(d); !ok || len(spans) != 2 {
				t.Errorf("Match = %v, %v", spans, ok)
			}
		})
	}
	wg.Wait()
}
