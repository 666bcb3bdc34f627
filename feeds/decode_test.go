package feeds

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
)

func encoded(t *testing.T, s, name string) []byte {
	t.Helper()
	e, _ := charset.Lookup(name)
	b, err := encoding.ReplaceUnsupported(e.NewEncoder()).String(s)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(b)
}

// charsetCases are titles in our own words, as short as titles are
var charsetCases = []struct{ lang, charset, text string }{
	{"ru", "windows-1251", "Заявление министра о поставках баллистических ракет"},
	{"ru", "koi8-r", "Заявление министра о поставках баллистических ракет"},
	{"ru", "iso-8859-5", "Заявление министра о поставках баллистических ракет"},
	{"uk", "windows-1251", "Спільна заява міністрів щодо передачі ракет"},
	{"fr", "windows-1252", "Déclaration conjointe des ministres des affaires étrangères"},
	{"de", "windows-1252", "Gemeinsame Erklärung über die Lieferung von Raketen für Rußland"},
	{"ko", "euc-kr", "외교장관 공동성명 탄도미사일 이전 규탄"},
	{"ja", "shift_jis", "弾道ミサイルの移転に関する外相共同声明"},
	{"ja", "euc-jp", "弾道ミサイルの移転に関する外相共同声明"},
	{"zh", "gbk", "外交部发言人就弹道导弹问题答记者问"},
	{"zh", "big5", "外交部發言人就彈道飛彈問題答記者問"},
	{"pl", "iso-8859-2", "Wspólne oświadczenie ministrów w sprawie pocisków"},
	{"el", "windows-1253", "Κοινή δήλωση των υπουργών για τους πυραύλους"},
	{"ar", "windows-1256", "بيان مشترك بشأن نقل الصواريخ الباليستية"},
}

func TestDeclaredCharsetIsRead(t *testing.T) {
	for _, tt := range charsetCases {
		for _, how := range []string{"header", "declaration"} {
			doc, header := `<?xml version="1.0"?><t>`+tt.text+`</t>`, "application/rss+xml; charset="+tt.charset
			if how == "declaration" {
				doc, header = `<?xml version="1.0" encoding='`+strings.ToUpper(tt.charset)+`' ?><t>`+tt.text+`</t>`, "text/xml"
			}
			n := &notes{}
			got, name := decode(encoded(t, doc, tt.charset), header, "", n)
			if string(got) != doc || name != tt.charset || len(n.list) > 0 {
				t.Errorf("%s in %s: decoded as %s: %.60q, told %q", tt.charset, how, name, got, n.sentences())
			}
		}
	}
}

// TestUndeclaredCharsetIsFound from one title, whether or not the source's
// language is known.
func TestUndeclaredCharsetIsFound(t *testing.T) {
	for _, tt := range charsetCases {
		doc := "<rss><channel><item><title>" + tt.text + "</title></item></channel></rss>"
		n := &notes{}
		if got, name := decode(encoded(t, doc, tt.charset), "", tt.lang, n); string(got) != doc {
			t.Errorf("%s in %s read as %s: %q", tt.lang, tt.charset, name, got)
		}
		if len(n.list) != 1 {
			t.Errorf("%s: told %q", tt.charset, n.sentences())
		}
		if got, name := decode(encoded(t, doc, tt.charset), "", "", n); string(got) != doc {
			t.Errorf("without a language, %s in %s is read as %s", tt.lang, tt.charset, name)
		}
	}
}

// TestLanguageOfTheSourceHelpsToFindACharset: these are too short for their
// bytes alone.
func TestLanguageOfTheSourceHelpsToFindACharset(t *testing.T) {
	for _, tt := range []struct{ lang, charset, text string }{
		{"tr", "windows-1254", "Ortak açıklama: füze"},
		{"ko", "euc-kr", "성명"},
		{"zh", "gbk", "声明"},
	} {
		b := encoded(t, "<t>"+tt.text+"</t>", tt.charset)
		if got := string(convert(b, detect(b, tt.lang), nil)); got != "<t>"+tt.text+"</t>" {
			t.Errorf("%s in %s read as %q", tt.lang, tt.charset, got)
		}
		if string(convert(b, detect(b, ""), nil)) == "<t>"+tt.text+"</t>" {
			t.Errorf("%s in %s is found without the language too: this shows nothing", tt.lang, tt.charset)
		}
	}
}

func TestACharsetInWhichNoCharacterIsMissingIsTheBetterGuess(t *testing.T) {
	for _, tt := range []struct{ lang, charset, text string }{
		{"", "koi8-r", "Заявление МИД"},
		{"ru", "koi8-r", "Заявление МИД"},
		{"", "koi8-r", "Министерство осуждает передачу ракет и призывает прекратить поставки"},
		{"", "iso-8859-7", "Κοινή δήλωση"},
		{"el", "iso-8859-7", "Κοινή δήλωση"},
	} {
		b := encoded(t, "<t>"+tt.text+"</t>", tt.charset)
		if got := string(convert(b, detect(b, tt.lang), nil)); got != "<t>"+tt.text+"</t>" {
			t.Errorf("%s in %s read as %q", tt.lang, tt.charset, got)
		}
	}
}

func TestLiesAboutCharsetsAreFound(t *testing.T) {
	russian := "Заявление министра о поставках баллистических ракет и оборудования"
	for _, tt := range []struct {
		name, declared, header string
		body                   []byte
		want, charset          string
	}{
		{"UTF-8 said to be windows-1251", "windows-1251", "", []byte(russian), russian, "utf-8"},
		{"UTF-8 said to be GB2312", "gb2312", "", []byte("外交部发言人就弹道导弹答记者问"), "外交部发言人就弹道导弹答记者问", "utf-8"},
		{"GB2312 that is UTF-8 by chance", "gb2312", "", encoded(t, "小时指", "gbk"), "小时指", "gbk"},
		{"windows-1251 said to be UTF-8", "utf-8", "", encoded(t, russian, "windows-1251"), russian, "windows-1251"},
		{"header's default against the document", "windows-1251", "text/xml; charset=ISO-8859-1", encoded(t, russian, "windows-1251"), russian, "windows-1251"},
		{"header against the document", "utf-8", "text/xml; charset=koi8-r", encoded(t, russian, "koi8-r"), russian, "koi8-r"},
		{"unknown charset of the header", "windows-1251", "text/xml; charset=none", encoded(t, russian, "windows-1251"), russian, "windows-1251"},
		{"C1 of windows-1252 in ISO-8859-1", "iso-8859-1", "", []byte("\x93quoted\x94 \x80"), "“quoted” €", "windows-1252"},
		{"one byte of windows-1252 in UTF-8", "utf-8", "", []byte("été été déjà \x92"), "été été déjà ’", "utf-8"},
		{"a character that was cut", "utf-8", "", []byte("été d\xc3"), "été d", "utf-8"},
		{"ASCII said to be Russian", "windows-1251", "", []byte("ascii"), "ascii", "windows-1251"},
	} {
		head := fmt.Sprintf(`<?xml version="1.0" encoding="%s"?>`, tt.declared)
		n := &notes{}
		got, name := decode(append([]byte(head), tt.body...), tt.header, "", n)
		if string(got) != head+tt.want || name != tt.charset {
			t.Errorf("%s: got %s %q, told %q; want %s %q", tt.name, name, got[len(head):], n.sentences(), tt.charset, tt.want)
		}
	}
}

func TestControlCharactersOfTheFirstPageAreWindows1252(t *testing.T) {
	if got := string(clean([]byte("a\u0093b\u0085\u0080 \u00a0é"), nil)); got != "a“b…€ \u00a0é" {
		t.Errorf("got %q", got)
	}
}

func TestByteOrderMarkAgainstTheDeclarationIsTold(t *testing.T) {
	doc := `<?xml version="1.0" encoding="koi8-r"?><t>ракета</t>`
	n := &notes{}
	if got, name := decode([]byte("\ufeff"+doc), "text/xml; charset=koi8-r", "", n); string(got) != doc || name != "utf-8" || len(n.list) != 1 {
		t.Errorf("got %s %q, told %q", name, got, n.sentences())
	}
}
