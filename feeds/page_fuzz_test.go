package feeds

import (
	"testing"

	"tocsin/feeds/fetch"
)

// pageGrammar are the pieces of which fuzzed pages are made.
var pageGrammar = []string{
	"<div>", "<div class='item'>", "</div>", "<ul>", "</ul>", "<li>", "</li>", "<table>", "</table>", "<tr>", "<td>", "</td>", "<p>", "</p>", "<h3>", "</h3>", "<dl>", "<dt>", "<dd>",
	"<a href='/1'>", "<a href='/2'>", "<a href=x>", "<a>", "</a>", "<b>", "</b>", "<i id=q>", "</i>", "<span class=date>", "</span>", "<time datetime='2024-01-09'>", "</time>", "<br>", "<img alt=a>",
	"<nav>", "</nav>", "<footer>", "<script>", "</script>", "<style>", "</style>", "<template>", "<svg>", "</svg>", "<noscript>", "<textarea>", "<select>", "<option>", "<title>", "</title>",
	"<html lang=fr>", "<head>", "<body class=c>", "</body>", "<base href='/b/'>", "<meta charset=koi8-r>", "<!--", "-->", "<![CDATA[", "]]>", "<!DOCTYPE html>", "<", ">", "&", "&amp;", "&#x0;", "\x00", "\xff", "\"", "'", "=",
	"A statement of some length ", "Déclaration commune ", "弾道ミサイル", "9 January 2024", "03/04/2024", "2024年1月9日", "1 2 3 ", "Read more", "\n", "<x-a>", "</x-a>", "<frameset>", "<iframe>", "<caption>", "<tbody>",
}

// sitemapGrammar are the pieces of which fuzzed sitemaps are made.
var sitemapGrammar = []string{
	"<urlset>", "</urlset>", "<sitemapindex>", "</sitemapindex>", "<url>", "</url>", "<sitemap>", "</sitemap>", "<loc>", "</loc>", "<lastmod>", "</lastmod>", "<news:news>", "</news:news>", "<news:title>", "</news:title>",
	"<news:publication_date>", "</news:publication_date>", "<image:loc>", "</image:loc>", "<news:language>", "</news:language>", "https://a.example/one-two", "https://b.example/", "/relative", "2024-01-09", "x", "<![CDATA[", "]]>", "<!--", "-->",
	"<?xml version='1.0'?>", "<!DOCTYPE a [", "]>", "<!ENTITY a 'b'>", "&a;", "&amp;", "&", "<", ">", "\"", "\x00", "\xff", "\x1f\x8b", "\n",
}

func FuzzParsePage(f *testing.F) {
	for i := range len(hostileKinds) - 1 {
		f.Add([]byte{0, 1, 19, 70, 23, 28, 73, 29, 2, 0xff}, uint8(20), uint8(i))
		f.Add([]byte{24, 26, 19, 0, 25, 0xff, 5, 19, 0xff}, uint8(200), uint8(i))
	}
	f.Fuzz(func(t *testing.T, program []byte, scale, which uint8) {
		if len(program) <= 512 {
			fuzzed(t, hostileKinds[int(which)%(len(hostileKinds)-1)], assembled(pageGrammar, program, int(scale)))
		}
	})
}

func FuzzParseSitemap(f *testing.F) {
	f.Add([]byte{0, 4, 8, 22, 9, 10, 25, 11, 5, 0xff, 1}, uint8(20))
	f.Add([]byte{2, 6, 8, 23, 9, 7, 0xff}, uint8(200))
	f.Fuzz(func(t *testing.T, program []byte, scale uint8) {
		if len(program) <= 512 {
			fuzzed(t, hostileKinds[len(hostileKinds)-1], assembled(sitemapGrammar, program, int(scale)))
		}
	})
}

func fuzzed(t *testing.T, k kindCase, body []byte) {
	var doc Document
	var err error
	n := allocated(func() { doc, err = k.parse(k.source, fetch.Response{Body: body, URL: "https://mfa.example/press"}) })
	if limit := allocBase + allocPerByte*len(body); n > limit {
		t.Errorf("%d bytes allocated for %d, want at most %d", n, len(body), limit)
	}
	harmless(t, "fuzzed", doc, err)
}
