package feeds

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tocsin"
	"tocsin/feeds/fetch"
)

// A document may cost this much memory to read: bytes allocated for each of its
// own, and those for as many entries as are read. An honest feed needs 10 for
// each of its own.
const (
	allocPerByte = 64
	allocBase    = 4 << 10 * maxEntries
)

// allocated is what f allocates, in bytes.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// cost reads body and fails if that is not linear in its size, or not right.
func cost(t *testing.T, name string, body []byte) (doc Document, err error) {
	t.Helper()
	n := allocated(func() { doc, err = ParseFeed(tocsin.Source{}, fetch.Response{Body: body, URL: "https://h.example/"}) })
	if limit := allocBase + allocPerByte*len(body); n > limit {
		t.Errorf("%s: %d bytes allocated for %d, want at most %d", name, n, len(body), limit)
	}
	if err != nil && (strings.Contains(err.Error(), "fault of tocsin") || strings.Contains(err.Error(), "skeleton") || strings.Contains(err.Error(), "\n")) {
		t.Errorf("%s: %v", name, err)
	}
	if len(doc.Items) > maxEntries || len(doc.Repairs) > maxNotes {
		t.Errorf("%s: %d entries, %d repairs", name, len(doc.Items), len(doc.Repairs))
	}
	for _, e := range doc.Items {
		for _, s := range append(append([]string{e.GUID, e.URL, e.Title, e.Summary, e.Text, e.Lang}, e.Authors...), e.Tags...) {
			if !utf8.ValidString(s) || len(s) > maxText {
				t.Fatalf("%s: text of %d bytes, valid %v", name, len(s), utf8.ValidString(s))
			}
		}
	}
	if err == nil {
		if _, err := json.Marshal(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	return doc, err
}

func TestHostileCorpusIsHarmless(t *testing.T) {
	for _, file := range corpus(t, "hostile") {
		body := unpacked(t, file)
		doc, err := cost(t, filepath.Base(file), body)
		t.Logf("%-32s %8d bytes: %d entries, %q, %v", filepath.Base(file), len(body), len(doc.Items), doc.Repairs, err)
	}
}

// hostile are families of documents that cost a parser more than their size.
var hostile = map[string]func(n int) string{
	"nested extensions": func(n int) string { return `<rss xmlns:x="u"><channel>` + strings.Repeat("<x:a>", n/5) },
	"nested and closed": func(n int) string { return item(strings.Repeat("<x:a>", n/11) + strings.Repeat("</x:a>", n/11)) },
	"nested, names differ": func(n int) string {
		return item(repeat(n/16, func(i int) string { return fmt.Sprintf("<x%d>", i%97) }))
	},
	"nested fields":        func(n int) string { return item(strings.Repeat("<title>", n/7)) },
	"nested entries":       func(n int) string { return "<rss><channel>" + strings.Repeat("<item>", n/6) },
	"fields without end":   func(n int) string { return item(strings.Repeat("<title>a<link>b", n/15)) },
	"namespaces and tags":  func(n int) string { return `<rss><channel ` + spacesOf(n/32) + `>` + strings.Repeat("<a/>", n/8) },
	"namespaces and depth": func(n int) string { return `<rss><channel ` + spacesOf(n/32) + `>` + strings.Repeat("<a>", n/6) },
	"namespace per tag": func(n int) string {
		return item(repeat(n/32, func(i int) string { return fmt.Sprintf(`<a%x:b xmlns:a%x="u%x"/>`, i, i, i) }))
	},
	"chain of bases": func(n int) string {
		return `<feed xml:base="http://a/">` + strings.Repeat(`<entry xml:base="aaaaaaaaaaaaaaaa/"><x xml:base="b/">`, n/60)
	},
	"bases on the feed": func(n int) string {
		return strings.Repeat(`<feed xml:base="http://a/aaaaaaaaaaaaaaaa/"><channel xml:base="b/">`, n/70)
	},
	"text and comments": func(n int) string { return item("<description>" + strings.Repeat("a<!---->", n/8) + "</description>") },
	"text and CDATA": func(n int) string {
		return item("<description>" + strings.Repeat("a<![CDATA[b]]>", n/14) + "</description>")
	},
	"CDATA without end":    func(n int) string { return item("<description>" + strings.Repeat("<![CDATA[", n/9) + "</description>") },
	"CDATA over entries":   func(n int) string { return item(strings.Repeat("<![CDATA[</item>", n/16) + "]]>") },
	"comments without end": func(n int) string { return item(strings.Repeat("<!--", n/4)) },
	"instructions":         func(n int) string { return strings.Repeat("<?a", n/3) + item("x") },
	"declarations":         func(n int) string { return strings.Repeat("<!DOCTYPE [", n/11) + item("x") },
	"open brackets":        func(n int) string { return item("<description>" + strings.Repeat("<", n) + "</description>") },
	"open tags":            func(n int) string { return item("<description>" + strings.Repeat("<a ", n/3) + "</description>") },
	"open quotes":          func(n int) string { return item(strings.Repeat(`<a b="`, n/6)) },
	"mixed quotes":         func(n int) string { return item(strings.Repeat(`<a b="><c d='><`, n/15)) },
	"attributes":           func(n int) string { return item("<link " + strings.Repeat(`a="b" `, n/6) + "/>") },
	"equal signs":          func(n int) string { return item("<link " + strings.Repeat("= ", n/2) + "/>") },
	"attributes of the feed": func(n int) string {
		return "<rss " + strings.Repeat(`xml:lang="b" `, n/13) + "><channel></channel></rss>"
	},
	"one attribute":   func(n int) string { return item(`<link href="` + strings.Repeat("a/", n/2) + `"/>`) },
	"entities":        func(n int) string { return item("<title>" + strings.Repeat("&eacute;", n/8) + "</title>") },
	"bare ampersands": func(n int) string { return item("<title>" + strings.Repeat("&", n) + "</title>") },
	"encoded often":   func(n int) string { return item("<title>&" + strings.Repeat("amp;", n/4) + "lt;p&gt;</title>") },
	"entity declarations": func(n int) string {
		return `<!DOCTYPE rss [` + strings.Repeat(`<!ENTITY a "&b;&b;">`, n/20) + `]>` + item("<title>&a;</title>")
	},
	"date of one digit": func(n int) string { return item("<pubDate>" + strings.Repeat("1", n) + "</pubDate>") },
	"dates":             func(n int) string { return item(strings.Repeat("<pubDate>1 Foo 24</pubDate>", n/27)) },
	"entries of a date": func(n int) string {
		return "<rss><channel>" + strings.Repeat("<item><pubDate>x</pubDate></item>", n/33)
	},
	"entries":       func(n int) string { return "<rss><channel>" + strings.Repeat("<item><title>a</title></item>", n/29) },
	"empty entries": func(n int) string { return "<rss><channel>" + strings.Repeat("<item/>", n/7) },
	"categories":    func(n int) string { return item(strings.Repeat("<category>a</category>", n/22)) },
	"people": func(n int) string {
		return "<feed><entry><author>" + strings.Repeat("<name>a</name>", n/14) + "</author></entry></feed>"
	},
	"links":              func(n int) string { return "<feed>" + strings.Repeat(`<link href="a"/>`, n/16) + "</feed>" },
	"control characters": func(n int) string { return item("<title>" + strings.Repeat("a\x01", n/2) + "</title>") },
	"raw markup":         func(n int) string { return item("<description>" + strings.Repeat("<b><p>", n/6) + "</description>") },
	"escaped markup": func(n int) string {
		return item("<description>" + strings.Repeat("&lt;b&gt;&lt;p&gt;", n/18) + "</description>")
	},
	"frames": func(n int) string {
		return item("<description>" + strings.Repeat("&lt;iframe/&gt;", n/15) + "</description>")
	},
	"no feed":                func(n int) string { return "<html>" + strings.Repeat("<div>", n/5) },
	"JSON depth":             func(n int) string { return `{"items":` + strings.Repeat("[", n) },
	"JSON depth in an entry": func(n int) string { return `{"items":[{"id":` + strings.Repeat(`{"a":`, n/5) },
	"JSON strings":           func(n int) string { return `{"items":[{"tags":[` + strings.Repeat(`"a",`, n/4) + `"b"]}]}` },
	"JSON entries":           func(n int) string { return `{"items":[` + strings.Repeat(`{"id":1},`, n/9) + `{}]}` },
	"JSON line breaks":       func(n int) string { return `{"items":[{"id":"` + strings.Repeat("\n", n) + `"}]}` },
	"JSON quotes":            func(n int) string { return `{"items":[{"id":` + strings.Repeat(`"\"`, n/3) },
	"UTF-16":                 func(n int) string { return "\xff\xfe" + strings.Repeat("<\x00", n/2) },
	"not UTF-8":              func(n int) string { return item("<title>" + strings.Repeat("\xe9\xe8", n/2) + "</title>") },
}

func item(s string) string { return "<rss><channel><item>" + s + "</item></channel></rss>" }

func repeat(n int, f func(int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(f(i))
	}
	return b.String()
}

func spacesOf(n int) string {
	return repeat(n, func(i int) string { return fmt.Sprintf("xmlns:a%x='u' ", i) })
}

// TestHostileDocumentsCostNoMoreThanTheirSize reads each family in two sizes.
func TestHostileDocumentsCostNoMoreThanTheirSize(t *testing.T) {
	for name, make := range hostile {
		t.Run(name, func(t *testing.T) {
			small, large := make(16<<10), make(256<<10)
			cost(t, name, []byte(small))
			cost(t, name, []byte(large))
		})
	}
}

// TestWorkIsBounded: bytes are looked at 16 times on average at most, and what gofeed is given is written by us, is flat, and is
// not longer than the entries that are read allow.
func TestWorkIsBounded(t *testing.T) {
	for name, make := range hostile {
		text := []byte(make(256 << 10))
		if text[0] == '{' || text[0] == 0xff {
			continue
		}
		n := &notes{}
		s := newScanner(clean(text, n), n)
		o, ok := s.root()
		if !ok {
			continue
		}
		o = s.outline(o)
		limit := len(s.doc)*16 + 1<<17
		k := input{text: s.doc, dates: newCalendar(tocsin.Source{}, time.Time{}), notes: n}.skeleton(s, o)
		if used := workFactor*len(s.doc) + 1<<16 - s.work; used > limit {
			t.Errorf("%s: the scanner looked at %d bytes of %d, want at most %d", name, used, len(s.doc), limit)
		}
		if limit := 256 + 96*min(maxFields*(len(o.blocks)+1), len(text)/4+8); len(k.xml) > limit {
			t.Errorf("%s: skeleton of %d bytes for %d", name, len(k.xml), len(text))
		}
		depth := 0
		w := newScanner(k.xml, nil)
		for i := 0; ; {
			g, ok := w.next(i, len(k.xml))
			if !ok {
				break
			}
			i = g.end
			if g.kind == startTag && !g.empty {
				depth++
			} else if g.kind == endTag {
				depth--
			} else if g.kind != startTag {
				t.Fatalf("%s: skeleton holds %s", name, k.xml[g.start:g.end])
			}
			if depth > 5 {
				t.Fatalf("%s: skeleton is %d deep", name, depth)
			}
		}
	}
}
