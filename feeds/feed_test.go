package feeds

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"tocsin"
	"tocsin/feeds/fetch"
)

var update = flag.Bool("update", false, "write what was read into testdata")

// TestFeedsAreReadAsRecorded holds the printed form of documents too, which
// scripts rely on.
func TestFeedsAreReadAsRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/feeds/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no recorded feeds", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			src, r := recorded(t, string(ar.Files[0].Data))
			r.Body = bytes.TrimSuffix(ar.Files[1].Data, []byte("\n"))
			doc, err := ParseFeed(src, r)
			if err != nil {
				t.Fatal(err)
			}
			got := indented(t, doc)
			if *update {
				ar.Files[2].Data = got
				if err := os.WriteFile(file, txtar.Format(ar), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if want := ar.Files[2].Data; !bytes.Equal(got, want) {
				t.Errorf("ParseFeed(%s) prints\n%s\nwant\n%s", file, got, want)
			}
		})
	}
}

func indented(t *testing.T, doc Document) []byte {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// recorded reads the lines "key: value" that say where a document came from.
func recorded(t *testing.T, lines string) (src tocsin.Source, r fetch.Response) {
	t.Helper()
	for l := range strings.Lines(lines) {
		key, value, _ := strings.Cut(strings.TrimSpace(l), ": ")
		switch key {
		case "url":
			r.URL = value
		case "type":
			r.Type = value
		case "location":
			r.Location = value
		case "zone":
			src.Zone = value
		case "country":
			src.Country = value
		case "lang":
			src.Lang = value
		default:
			t.Fatalf("unknown line %q", l)
		}
	}
	return src, r
}

// twoItems is a feed whose two entries hold more than ASCII.
const twoItems = `<?xml version="1.0" encoding="%s"?>
<rss version="2.0"><channel><title>Essai</title><link>https://a.example/</link><description>d</description>
<item><title>Déclaration un</title><link>https://a.example/1</link><guid>1</guid><description>missiles été</description></item>
<item><title>Déclaration deux</title><link>https://a.example/2</link><guid>2</guid><description>transferts été</description></item>
</channel></rss>`

func latin1(s string) []byte {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		out = append(out, byte(r))
	}
	return out
}

func utf16Bytes(s string, big bool) (out []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return out
}

func utf32Bytes(s string) (out []byte) {
	for _, r := range s {
		out = append(out, byte(r), byte(r>>8), byte(r>>16), byte(r>>24))
	}
	return out
}

// TestDirtyFeedsLoseNoWholeEntry holds for each way in which feeds are dirty
// that every entry that is there is read, and that what was done is told.
func TestDirtyFeedsLoseNoWholeEntry(t *testing.T) {
	said := func(charset string) string { return fmt.Sprintf(twoItems, charset) }
	good := said("utf-8")
	swap := func(from, to string) []byte {
		if !strings.Contains(good, from) {
			panic(from)
		}
		return []byte(strings.Replace(good, from, to, 1))
	}
	second := "<item><title>Déclaration deux"
	for _, tt := range []struct {
		name   string
		body   []byte
		titles string // of the entries; "" for the usual two
		repair string // part of what is told; "" if nothing is to be told
	}{
		{name: "UTF-8 with mark", body: []byte("\ufeff" + good)},
		{name: "UTF-16LE with mark", body: append([]byte{0xff, 0xfe}, utf16Bytes(said("utf-16"), false)...)},
		{name: "UTF-16BE with mark", body: append([]byte{0xfe, 0xff}, utf16Bytes(said("utf-16"), true)...)},
		{name: "UTF-16LE without mark", body: utf16Bytes(said("utf-16"), false)},
		{name: "UTF-16BE without mark or declaration", body: utf16Bytes(good[strings.Index(good, "<rss"):], true)},
		{name: "UTF-32LE with mark", body: append([]byte{0xff, 0xfe, 0, 0}, utf32Bytes(said("utf-32"))...)},
		{name: "UTF-32LE without mark", body: utf32Bytes(said("utf-32"))},
		{name: "UTF-8 declared as UTF-16", body: []byte(said("utf-16")), repair: `declared as "utf-16" but is UTF-8`},
		{name: "UTF-8 declared as ISO-8859-1", body: []byte(said("iso-8859-1")), repair: `declared as "iso-8859-1" but is UTF-8`},
		{name: "windows-1252 declared as UTF-8", body: latin1(good), repair: "read as windows-1252"},
		{name: "windows-1252 undeclared", body: latin1(good[strings.Index(good, "<rss"):]), repair: "declares no charset"},
		{name: "ISO-8859-1 declared", body: latin1(said("iso-8859-1"))},
		{name: "unknown charset", body: []byte(said("x-wrong")), repair: `declared as "x-wrong"`},
		{name: "some bytes not UTF-8", body: append([]byte(strings.TrimSuffix(good, "</channel></rss>")), "<!-- \xe9 --></channel></rss>"...), repair: "1 bytes that are not UTF-8"},
		{name: "XML 1.1", body: swap(`version="1.0"`, `version="1.1"`), repair: "XML 1.1"},
		{name: "U+FFFE", body: swap("été", "été\ufffe"), repair: "removed a control character"},
		{name: "control characters", body: swap("été", "\x01\x02été\x1b"), repair: "removed a control character (3 times)"},
		{name: "reference to NUL", body: swap("été", "été&#x0;&#0;"), repair: "XML does not allow (2 times)"},
		{name: "bare <", body: swap("missiles", "a < b missiles"), repair: "bare <"},
		{name: "bare &", body: swap("missiles", "AT&T & missiles"), repair: "bare &"},
		{name: "HTML entities", body: swap("missiles", "&eacute;t&nbsp;missiles"), repair: "entity of HTML"},
		{name: "PHP warning first", body: []byte("<br />\n<b>Warning</b>: include() failed in /x.php<br />\n" + good), repair: `text before the feed: "Warning: include()`},
		{name: "text first", body: []byte("\n\nDeprecated: each() is deprecated\n" + good), repair: `text before the feed: "Deprecated`},
		{name: "blank lines first", body: []byte("\n \n\n" + good)},
		{name: "long comment first", body: swap("<rss", "<!-- "+strings.Repeat("- <item> ", 2000)+" --><rss")},
		{name: "unclosed tag in a text", body: swap("missiles été", "missiles <b>été"), repair: "markup in a text"},
		{name: "upper-case tags", body: []byte(strings.NewReplacer("item>", "ITEM>", "title>", "TITLE>", "link>", "Link>").Replace(good))},
		{name: "cut within the second entry", body: []byte(good[:strings.Index(good, "transferts")]), titles: "Déclaration un", repair: "ends within an entry"},
		{name: "cut after the second entry", body: []byte(good[:strings.Index(good, "</channel>")]), repair: "ends before its last tag"},
		{name: "cut within the last tag", body: []byte(good[:len(good)-1]), repair: "ends before its last tag"},
		{name: "entry not closed", body: swap("</item>\n"+second, "\n"+second), repair: "an entry that was not closed"},
		{name: "title not closed", body: swap("un</title>", "un"), repair: "tags that are not closed"},
		{name: "quote not closed", body: []byte(strings.ReplaceAll(good, "<guid>", `<guid isPermaLink="true>`))},
		{name: "extensions not closed", body: swap("<item>", strings.Repeat("<x:a>", 30000)+"<item>"), repair: "not closed (30000 times)"},
		{name: "comments not closed", body: swap("missiles", strings.Repeat("<!-- ", 30000)+"missiles"), repair: "bare <"},
		{name: "CDATA not closed", body: []byte(strings.NewReplacer("<description>", "<description><![CDATA[", "transferts été</description>", "transferts été]]></description>").Replace(good)), repair: "CDATA that is not closed"},
		{name: "end tags too many", body: swap("</item>\n"+second, "</p></b></item></x>\n"+second)},
		{name: "inside an HTML page", body: []byte("<!DOCTYPE html><html><body>" + good + "</body></html>"), repair: "inside an HTML page"},
		{name: "no rss element", body: []byte(strings.NewReplacer(`<rss version="2.0">`, "", "</rss>", "").Replace(good)), repair: "no rss element"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := ParseFeed(tocsin.Source{}, fetch.Response{Body: tt.body})
			if err != nil {
				t.Fatal(err)
			}
			want := "Déclaration un|Déclaration deux"
			if tt.titles != "" {
				want = tt.titles
			}
			var titles []string
			for i, e := range doc.Items {
				titles = append(titles, e.Title)
				if e.GUID != fmt.Sprint(i+1) && !strings.HasPrefix(tt.name, "title") || !strings.Contains(e.Summary, "été") || e.URL == "" {
					t.Errorf("entry %d is %+v", i, e)
				}
			}
			if got := strings.Join(titles, "|"); got != want {
				t.Errorf("titles are %q, want %q", got, want)
			}
			told := strings.Join(doc.Repairs, " | ")
			if tt.repair == "" && told != "" || !strings.Contains(told, tt.repair) {
				t.Errorf("repairs are %q, want %q among them", told, tt.repair)
			}
			if cut := strings.HasPrefix(tt.name, "cut"); doc.Cut != cut {
				t.Errorf("Cut is %v, want %v", doc.Cut, cut)
			}
		})
	}
}

func TestWhatIsNoFeedSaysWhatItIs(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"nothing", "", "an empty document"},
		{"blanks", " \n\t", "an empty document"},
		{"page", "<!DOCTYPE html><html><head><title>Sign in</title></head><body>x</body></html>", `its title is "Sign in"`},
		{"page with a feed", `<html><head><link rel="alternate" type="application/rss+xml" href="/feed.xml"></head></html>`, `it names "/feed.xml" as its feed`},
		{"bot check", `<html><head><META NAME="ROBOTS"><script src="/_Incapsula_Resource?X=1"></script></head></html>`, "keeps programs out (Imperva)"},
		{"sitemap", `<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>x</loc></url></urlset>`, "a sitemap"},
		{"other XML", `<?xml version="1.0"?><note>x</note>`, "the root <note>"},
		{"other RDF", `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:foaf="http://xmlns.com/foaf/0.1/"><foaf:Person/></rdf:RDF>`, "not a feed"},
		{"other JSON", `{"error": "no such feed"}`, "a JSON document without items"},
		{"text", "Service unavailable", `it begins "Service unavailable"`},
		{"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03abc", "application/x-gzip, not a feed"},
		{"PDF", "%PDF-1.7\n%\xe2\xe3\xcf\xd3", "application/pdf, not a feed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := ParseFeed(tocsin.Source{}, fetch.Response{Body: []byte(tt.body)})
			if err == nil {
				t.Fatalf("is read as a feed: %+v", doc)
			}
			if msg := err.Error(); !strings.Contains(msg, tt.want) || !strings.Contains(msg, ";") && !strings.Contains(msg, ": ") || strings.Contains(msg, "\n") {
				t.Errorf("error is %q, want %q in it, and advice", msg, tt.want)
			}
		})
	}
}

func TestTransferThatBrokeOffIsCut(t *testing.T) {
	body := fmt.Appendf(nil, twoItems, "utf-8")
	doc, err := ParseFeed(tocsin.Source{}, fetch.Response{Body: body, Cut: true})
	if err != nil || !doc.Cut || len(doc.Items) != 2 || len(doc.Repairs) != 1 {
		t.Errorf("got %d entries, cut %v, repairs %q, error %v", len(doc.Items), doc.Cut, doc.Repairs, err)
	}
}

func TestJSONFeedThatIsCutKeepsWholeEntries(t *testing.T) {
	body := `{"version":"https://jsonfeed.org/version/1","title":"T","items":[{"id":"1","content_text":"a"},{"id":"2","content_text":"}]"},{"id":"3","con`
	doc, err := ParseFeed(tocsin.Source{}, fetch.Response{Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	if len(doc.Items) != 2 || doc.Items[1].Text != "}]" || !doc.Cut || doc.Feed.Title != "T" {
		t.Errorf("got %+v", doc)
	}
}

func TestOfTooManyEntriesBothEndsAreRead(t *testing.T) {
	var b strings.Builder
	b.WriteString("<rss><channel>")
	for i := range maxEntries + 10 {
		fmt.Fprintf(&b, "<item><title>%d</title></item>", i)
	}
	doc, err := ParseFeed(tocsin.Source{}, fetch.Response{Body: []byte(b.String() + "</channel></rss>")})
	if err != nil {
		t.Fatal(err)
	}
	first, last := doc.Items[0].Title, doc.Items[len(doc.Items)-1].Title
	if len(doc.Items) != maxEntries || first != "0" || last != fmt.Sprint(maxEntries+9) || len(doc.Repairs) != 1 {
		t.Errorf("read %d entries from %s to %s, repairs %q", len(doc.Items), first, last, doc.Repairs)
	}
}

func TestTextsAreCutAtTheirBounds(t *testing.T) {
	long := strings.Repeat("é", maxText)
	body := "<rss><channel><item><title>" + long + "</title><guid>" + long + "</guid><description>" + long + "</description></item></channel></rss>"
	doc, err := ParseFeed(tocsin.Source{}, fetch.Response{Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	e := doc.Items[0]
	if len(e.Title) != maxShort || len(e.Summary) != maxText || e.GUID != "" || !utf8.ValidString(e.Title) || len(doc.Repairs) != 3 {
		t.Errorf("title has %d bytes, summary %d, id %d, repairs %q", len(e.Title), len(e.Summary), len(e.GUID), doc.Repairs)
	}
}

func TestPrefixesOfNamespacesDoNotMatter(t *testing.T) {
	atom := `<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><title>t</title><content type="xhtml"><x:div xmlns:x="http://www.w3.org/1999/xhtml"><x:p>They export</x:p><x:p>missiles</x:p><x:br/>now<x:script>alert(1)</x:script></x:div></content></entry></feed>`
	d, err := ParseFeed(tocsin.Source{}, fetch.Response{Body: []byte(atom)})
	if err != nil || len(d.Items) != 1 {
		t.Fatal(d, err)
	}
	if got, want := strings.Join(strings.Fields(d.Items[0].Text), " "), "They export missiles now"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	rdf := `<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><item r:about="http://m.example/i1"><title>one</title></item></r:RDF>`
	if d, err = ParseFeed(tocsin.Source{}, fetch.Response{Body: []byte(rdf)}); err != nil || len(d.Items) != 1 {
		t.Fatal(d, err)
	}
	if e := d.Items[0]; e.GUID != "http://m.example/i1" || e.URL != e.GUID {
		t.Errorf("guid %q, url %q, want http://m.example/i1", e.GUID, e.URL)
	}
}

func TestAddressesHoldNothingThatATerminalObeys(t *testing.T) {
	body := "{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":[{\"id\":\"1\",\"title\":\"x\",\"url\":\"http://h.example/\\u001b]8;;http://evil.example\\u0007a b\\u202e\"}]}"
	d, err := ParseFeed(tocsin.Source{}, fetch.Response{Body: []byte(body)})
	if err != nil || len(d.Items) != 1 {
		t.Fatal(d, err)
	}
	if got, want := d.Items[0].URL, "http://h.example/]8;;http://evil.examplea%20b"; got != want {
		t.Errorf("url %q, want %q", got, want)
	}
}
