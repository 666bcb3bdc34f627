package feeds

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"tocsin"
	"tocsin/feeds/fetch"
)

// honestPage is a list page of about n bytes.
func honestPage(n int) string {
	var b strings.Builder
	b.WriteString(`<html lang="en"><body><ul class="menu"><li><a href="/">Home</a></ul><div class="list">`)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `<div class="views-row views-row-%d"><div class="card"><img src="/img/%d.jpg" alt=""><span class="date">%d January 2024</span><h3 class="title"><a href="/news/%d">The minister answers question number %d of the day</a></h3><p>What was said on the matter, in short, for those who have no time.</p><a class="more" href="/news/%d">Read more</a></div></div>`+"\n", i, i, i%28+1, i, i, i)
	}
	b.WriteString(`</div></body></html>`)
	return b.String()
}

func honestSitemap(n int) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">`)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "<url><loc>https://mfa.example/en/news/the-minister-answers-question-%d</loc><lastmod>2024-01-%02dT10:00:00+00:00</lastmod><changefreq>daily</changefreq></url>\n", i, i%28+1)
	}
	b.WriteString(`</urlset>`)
	return b.String()
}

// hostilePages are families of pages that cost a reader of pages more than
// their size.
var hostilePages = map[string]func(n int) string{
	"nested divisions":    func(n int) string { return strings.Repeat("<div>", n/5) },
	"nested with links":   func(n int) string { return strings.Repeat("<div class=item><a href=a>abcdefghi jkl</a>", n/47) },
	"formatting in paras": func(n int) string { return repeat(n/12, func(i int) string { return fmt.Sprintf("<b id=%d><p>", i) }) },
	"formatting misnested": func(n int) string {
		return strings.Repeat("<b><i><a href=x><div></b></i></a>", n/33)
	},
	"tables in tables": func(n int) string { return strings.Repeat("<table><tr><td>", n/15) },
	"cells alone":      func(n int) string { return strings.Repeat("<td>", n/4) },
	"items in lists":   func(n int) string { return strings.Repeat("<ul><li>", n/8) },
	"links unclosed":   func(n int) string { return strings.Repeat("<a href=a>", n/10) },
	"links, all other": func(n int) string {
		return repeat(n/40, func(i int) string {
			return fmt.Sprintf("<a class=c%c%c href=/%d>words of a title</a>", 'a'+i%26, 'a'+i/26%26, i)
		})
	},
	"links, no words": func(n int) string {
		return repeat(n/20, func(i int) string { return fmt.Sprintf("<p><a href=/%d></a></p>", i) })
	},
	"one link often": func(n int) string {
		return repeat(n/80, func(i int) string {
			return fmt.Sprintf("<p><a href=/a>A title of some length with the number %d in it</a> 1.2.2024", i)
		})
	},
	"long titles": func(n int) string {
		return repeat(n/4000, func(i int) string { return "<p><a href=/a>" + strings.Repeat("title ", 650) + fmt.Sprint(i) + "</a>" })
	},
	"attributes": func(n int) string { return "<p " + strings.Repeat(`a="b" `, n/6) + ">" },
	"attributes, differ": func(n int) string {
		return "<p " + repeat(n/12, func(i int) string { return fmt.Sprintf(`a%d=b `, i) }) + ">"
	},
	"classes": func(n int) string { return `<p class="` + strings.Repeat("a ", n/2) + `">` },
	"many classes": func(n int) string {
		return strings.Repeat(`<p class="`+strings.Repeat("ab ", 100)+`"><a href=/a>title of it</a>`, n/340)
	},
	"entities":          func(n int) string { return "<p>" + strings.Repeat("&amp;", n/5) },
	"entities, bare":    func(n int) string { return "<p>" + strings.Repeat("&", n) },
	"script unclosed":   func(n int) string { return strings.Repeat("<script>", n/8) },
	"comments unclosed": func(n int) string { return strings.Repeat("<!--", n/4) },
	"titles unclosed":   func(n int) string { return strings.Repeat("<title>a", n/8) },
	"text areas":        func(n int) string { return strings.Repeat("<textarea>", n/10) },
	"tags unclosed":     func(n int) string { return strings.Repeat("<a ", n/3) },
	"quotes unclosed":   func(n int) string { return strings.Repeat(`<a b="`, n/6) },
	"end tags":          func(n int) string { return strings.Repeat("<p>", 300) + strings.Repeat("</div>", n/6) },
	"breaks":            func(n int) string { return strings.Repeat("<br>", n/4) },
	"digits": func(n int) string {
		return repeat(n/70, func(i int) string {
			return fmt.Sprintf("<p><a href=/%d>Some title of it</a> 1 1 1 1 1 1/1/1/1/1/1 11 22 33 44", i)
		})
	},
	"dates": func(n int) string {
		return repeat(n/70, func(i int) string {
			return fmt.Sprintf("<p><a href=/%d>Some title of it</a>", i) + strings.Repeat("<time>31 x 2024</time>", 3)
		})
	},
	"headings":         func(n int) string { return strings.Repeat("<h3>", n/4) },
	"select":           func(n int) string { return "<select>" + strings.Repeat("<option>a", n/9) },
	"one text":         func(n int) string { return "<p>" + strings.Repeat("word ", n/5) },
	"pieces of text":   func(n int) string { return strings.Repeat("a<wbr>", n/6) },
	"unknown elements": func(n int) string { return strings.Repeat("<x-y>", n/5) },
	"vector graphics":  func(n int) string { return strings.Repeat("<svg><g>", n/8) },
	"not UTF-8":        func(n int) string { return "<p>" + strings.Repeat("\xe9\xe8", n/2) },
	"rows with all": func(n int) string {
		return repeat(n/90, func(i int) string {
			return fmt.Sprintf("<div class=item><div><div><div><a href=/%d>A title of the day</a></div></div></div><i>2.1.2024</i>", i)
		})
	},
}

var hostileSitemaps = map[string]func(n int) string{
	"addresses": func(n int) string {
		return "<urlset>" + repeat(n/30, func(i int) string { return fmt.Sprintf("<url><loc>https://a.b/%d</loc>", i) })
	},
	"one address":       func(n int) string { return "<urlset>" + strings.Repeat("<url><loc>https://a.b/</loc></url>", n/34) },
	"nested":            func(n int) string { return strings.Repeat("<urlset><url>", n/13) },
	"nested addresses":  func(n int) string { return "<urlset><url>" + strings.Repeat("<loc>", n/5) },
	"unclosed sections": func(n int) string { return "<urlset><url><loc>" + strings.Repeat("<![CDATA[", n/9) },
	"long address": func(n int) string {
		return "<urlset><url><loc>https://a.b/" + strings.Repeat("a-", n/2) + "</loc></url>"
	},
	"dates": func(n int) string { return "<urlset><url>" + strings.Repeat("<lastmod>1 x 24</lastmod>", n/25) },
	"children": func(n int) string {
		return "<sitemapindex>" + repeat(n/40, func(i int) string { return fmt.Sprintf("<sitemap><loc>https://a.b/%d</loc></sitemap>", i) })
	},
	"entities": func(n int) string {
		return "<urlset><url><loc>https://a.b/?" + strings.Repeat("&amp;a", n/6) + "</loc></url>"
	},
	"entity bomb": func(n int) string {
		return "<!DOCTYPE a [" + strings.Repeat(`<!ENTITY a "&b;&b;">`, n/20) + "]><urlset><url><loc>&a;</loc></url>"
	},
	"open brackets": func(n int) string { return "<urlset>" + strings.Repeat("<", n) },
	"slugs": func(n int) string {
		return "<urlset>" + repeat(n/60, func(i int) string {
			return fmt.Sprintf("<url><loc>https://a.b/%s/%d</loc>", strings.Repeat("a/", 12), i)
		})
	},
}

// A kindCase is a reader of documents, with a source and a document to read.
type kindCase struct {
	name   string
	parse  func(tocsin.Source, fetch.Response) (Document, error)
	source tocsin.Source
	honest func(n int) string
	others map[string]func(n int) string
}

var hostileKinds = []kindCase{
	{"page, found out", ParsePage, tocsin.Source{}, honestPage, hostilePages},
	{"page, CSS", ParsePage, tocsin.Source{Listing: tocsin.Listing{Entry: "div div, p, li", Title: "a", Link: "a@href"}}, honestPage, hostilePages},
	{
		"page, XPath", ParsePage,
		tocsin.Source{Listing: tocsin.Listing{Entry: `//div[.//a]|//p|//li[has-class("x")]`, Title: "//a//text()", Link: "//a/@href", Date: "//span//text()"}},
		honestPage, hostilePages,
	},
	{"sitemap", ParseSitemap, tocsin.Source{}, honestSitemap, hostileSitemaps},
}

// TestHostilePagesCostNoMoreThanTheirSize reads each family in two sizes.
func TestHostilePagesCostNoMoreThanTheirSize(t *testing.T) {
	for _, k := range hostileKinds {
		t.Run(k.name, func(t *testing.T) {
			for name, make := range k.others {
				for _, size := range []int{16 << 10, 128 << 10} {
					var doc Document
					var err error
					r := fetch.Response{Body: []byte(make(size)), URL: "https://mfa.example/press"}
					n := allocated(func() { doc, err = k.parse(k.source, r) })
					if limit := allocBase + allocPerByte*size; n > limit {
						t.Errorf("%s: %d bytes allocated for %d, want at most %d", name, n, size, limit)
					}
					harmless(t, name, doc, err)
				}
			}
		})
	}
}

// harmless fails if a document holds what none may hold.
func harmless(t *testing.T, name string, doc Document, err error) {
	t.Helper()
	if err != nil && (strings.Contains(err.Error(), "fault of tocsin") || strings.Contains(err.Error(), "\n")) {
		t.Errorf("%s: %v", name, err)
	}
	if len(doc.Items) > maxEntries || len(doc.Beyond) > maxLocs || len(doc.More) > maxList || len(doc.Repairs) > maxNotes {
		t.Errorf("%s: %d entries, %d beyond, %d more, %d repairs", name, len(doc.Items), len(doc.Beyond), len(doc.More), len(doc.Repairs))
	}
	for _, e := range doc.Items {
		for _, s := range []string{e.URL, e.Title, e.Lang} {
			if !utf8.ValidString(s) || len(s) > 2*maxShort {
				t.Fatalf("%s: text of %d bytes, valid %v", name, len(s), utf8.ValidString(s))
			}
		}
	}
}
