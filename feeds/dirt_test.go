package feeds

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"

	"tocsin"
	"tocsin/feeds/fetch"
)

// TestFurtherDirtLosesNoWholeEntry holds for dirt that real generators were not
// seen to make yet, but could, what TestDirtyFeedsLoseNoWholeEntry does.
func TestFurtherDirtLosesNoWholeEntry(t *testing.T) {
	good := fmt.Sprintf(twoItems, "utf-8")
	swap := func(pairs ...string) []byte {
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(good, pairs[i]) {
				panic(pairs[i])
			}
		}
		return []byte(strings.NewReplacer(pairs...).Replace(good))
	}
	mojibake, _ := charmap.Windows1252.NewDecoder().String(good)
	greek, _ := charmap.ISO8859_7.NewEncoder().String(strings.ReplaceAll(strings.ReplaceAll(fmt.Sprintf(twoItems, "iso-8859-7"), "é", "ε"), "É", "Ε"))
	root, channel := strings.Index(good, "<rss"), strings.Index(good, "<channel>")
	for _, tt := range []struct {
		name string
		body []byte
		want string // of the texts; "" for the usual one
	}{
		{"UTF-8 that was encoded twice", []byte(mojibake), ""},
		{"UTF-8 with the header's latin-1", []byte(good[root:]), ""},
		{"half windows-1252", append(latin1(good[:strings.Index(good, "<item><title>Déclaration deux")]), good[strings.Index(good, "<item><title>Déclaration deux"):]...), ""},
		{"one title in windows-1252", append(append([]byte(good[:strings.Index(good, "<item>")]), latin1("<item><title>Déclaration un")...), good[strings.Index(good, "</title><link>https://a.example/1"):]...), ""},
		{"Greek declared", []byte(greek), "εtε"},
		{"entities encoded twice", swap("été", "&amp;eacute;t&amp;eacute;"), ""},
		{"entities encoded three times", swap("été", "&amp;amp;eacute;t&amp;amp;#233;"), ""},
		{"numbers beyond Unicode", swap("été", "été&#x110000;&#99999999999;"), ""},
		{"halves of pairs", swap("été", "été&#xD83D;"), ""},
		{"windows-1252 by number", swap("été", "été &#150; &#x96;"), ""},
		{"CDATA that ends in a text", swap("missiles été", "missiles ]]> été"), ""},
		{"CDATA in CDATA", swap("missiles été", "<![CDATA[missiles <![CDATA[inner]]> été]]>"), ""},
		{"CDATA end encoded", swap("missiles été", "<![CDATA[missiles été]]&gt;"), ""},
		{"CDATA in lower case", swap("missiles été", "<![cdata[missiles été]]>"), ""},
		{"CDATA as text", swap("missiles été", "&lt;![CDATA[missiles été]]&gt;"), ""},
		{"two documents in one body", []byte(strings.Replace(good, "<item><title>Déclaration deux", "</channel></rss>\n"+good[:strings.Index(good, "<item>")]+"<item><title>Déclaration deux", 1)), ""},
		{"two declarations", []byte(good[:root] + good), ""},
		{"declaration in upper case", swap("<?xml", "<?XML"), ""},
		{"declaration not closed", swap("?>\n<rss", "\n<rss"), ""},
		{"declaration in curly quotes", swap(`version="1.0" encoding="utf-8"`, `version=”1.0” encoding=”utf-8”`), ""},
		{"HTML comment and page head first", []byte("<!-- cached by x --><html><head><title>x</title></head></html>" + good), ""},
		{"JSON first", []byte(`{"error":"cache miss"}` + good), ""},
		{"script last", []byte(good + `<script>var a = "<item>";</script><!-- 0.2 s -->`), ""},
		{"HTTP headers in the body", []byte("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n" + good), ""},
		{"chunk sizes in the body", []byte("1f40\r\n" + good + "\r\n0\r\n\r\n"), ""},
		{"NUL bytes last", append([]byte(good), make([]byte, 4096)...), ""},
		{"NUL bytes between", []byte(strings.ReplaceAll(good, "\n", "\x00\n\x00")), ""},
		{"carriage returns alone", []byte(strings.ReplaceAll(good, "\n", "\r")), ""},
		{"a mark before each entry", []byte(strings.ReplaceAll(good, "<item>", "\ufeff<item>")), ""},
		{"spaces in tags", []byte(strings.NewReplacer("<item>", "<item >", "</item>", "</item\n>", "<title>", "<title\t>").Replace(good)), ""},
		{"attributes without quotes", []byte(strings.NewReplacer("<guid>", "<guid isPermaLink=false>", `version="2.0"`, "version=2.0").Replace(good)), ""},
		{"attributes twice", []byte(strings.ReplaceAll(good, "<guid>", `<guid isPermaLink="false" isPermaLink="true">`)), ""},
		{"prefixes undeclared", []byte(strings.NewReplacer("<guid>", "<x:y>z</x:y><guid>", "<item>", `<item z:a="b">`).Replace(good)), ""},
		{"ends of other case", []byte(strings.NewReplacer("</item>", "</Item>", "</title>", "</TITLE>").Replace(good)), ""},
		{"items after the channel", []byte(strings.Replace(strings.Replace(good, "<item>", "</channel><item>", 1), "</item>\n</channel>", "</item>", 1)), ""},
		{"channel closed twice", swap("</channel>", "</channel></channel>"), ""},
		{"items in items", swap("<item><title>Déclaration un", "<items><item><title>Déclaration un", "</channel>", "</items></channel>"), ""},
		{"no channel", []byte(strings.NewReplacer("<channel>", "", "</channel>", "").Replace(good)), ""},
		{"DTD with entities", []byte(good[:root] + `<!DOCTYPE rss [<!ENTITY eac "é"><!ENTITY % x SYSTEM "file:///x">]>` + "\n" + good[root:]), ""},
		{"a processing instruction not closed", []byte(good[:root] + "<?xml-stylesheet href='a.xsl' >\n" + good[root:]), ""},
		{"cut within a word of two bytes", []byte(good[:strings.LastIndex(good, "é")+1]), "first"},
		{"declared as UTF-7", fmt.Appendf(nil, twoItems, "utf-7"), ""},
		{"mark of UTF-8 in latin-1", []byte("ï»¿" + good), ""},
		{"mark of UTF-16 before UTF-8", append([]byte{0xff, 0xfe}, good...), ""},
		{"UTF-16 with an odd byte last", append(append([]byte{0xff, 0xfe}, utf16Bytes(fmt.Sprintf(twoItems, "utf-16"), false)...), '\n'), ""},
		{"whole feed as a JSON string", fmt.Appendf(nil, "%q", good), ""},
		{"head left out", []byte(good[channel:]), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := fetch.Response{Body: bytes.Clone(tt.body)}
			if strings.Contains(tt.name, "header") {
				r.Type = "text/xml; charset=iso-8859-1"
			}
			doc, err := ParseFeed(tocsin.Source{}, r)
			if err != nil {
				t.Fatal(err)
			}
			n := 2
			if tt.want == "first" {
				n = 1
			}
			if len(doc.Items) != n {
				t.Fatalf("%d entries, want %d; repairs %q", len(doc.Items), n, doc.Repairs)
			}
			want := "été"
			if tt.want != "" && tt.want != "first" {
				want = tt.want
			}
			for i, e := range doc.Items {
				if e.GUID != fmt.Sprint(i+1) || e.URL != fmt.Sprintf("https://a.example/%d", i+1) || !strings.Contains(e.Summary, want) || !strings.HasSuffix(e.Title, []string{"claration un", "claration deux"}[i]) {
					t.Errorf("entry %d is %q %q %q %q; repairs %q", i, e.GUID, e.URL, e.Title, e.Summary, doc.Repairs)
				}
			}
		})
	}
}

func TestTextThatOnlyLooksEncodedTwiceIsLeftAlone(t *testing.T) {
	for _, title := range []string{"Ã©", "Ã© und é: Ã©", "Ãœber Ã©, 日本"} {
		doc, err := ParseFeed(tocsin.Source{}, fetch.Response{Body: []byte("<rss><channel><item><title>" + title + "</title></item></channel></rss>")})
		if err != nil || len(doc.Items) != 1 || doc.Items[0].Title != title || len(doc.Repairs) != 0 {
			t.Errorf("%q is read as %+v, %v", title, doc.Items, err)
		}
	}
}
