package feeds

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tocsin"
	"tocsin/feeds/fetch"
)

func readSitemap(t *testing.T, body string) Document {
	t.Helper()
	d, err := ParseSitemap(tocsin.Source{Lang: "en"}, fetch.Response{Body: []byte(body), URL: "https://mfa.example/sitemap.xml"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSitemapOfNewsGivesTitlesAndDates(t *testing.T) {
	d := readSitemap(t, `<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
<url><loc>https://mfa.example/en/1</loc>
<news:news><news:publication><news:name>The Ministry</news:name><news:language>en</news:language></news:publication>
<news:publication_date>2024-01-09T08:00:00+01:00</news:publication_date><news:title><![CDATA[Rockets & embargo: a "joint" statement]]></news:title></news:news>
<image:image><image:loc>https://mfa.example/1.jpg</image:loc><image:title>The hall</image:title></image:image></url>
<url><loc>https://mfa.example/en/2?a=1&amp;b=2</loc><news:news><news:publication_date>2024-01-10</news:publication_date><news:title>Later &amp; newer</news:title></news:news></url>
</urlset>`)
	if len(d.Items) != 2 || d.Kind != "sitemap" || len(d.Repairs) != 0 || d.Cut {
		t.Fatalf("%+v", d)
	}
	e, later := d.Items[1], d.Items[0]
	if e.Title != `Rockets & embargo: a "joint" statement` || e.URL != "https://mfa.example/en/1" || e.Lang != "en" || stamp(e.Published) != "2024-01-09T07:00:00Z" || len(e.Tags) != 0 {
		t.Errorf("%+v", e)
	}
	if later.URL != "https://mfa.example/en/2?a=1&b=2" || later.Title != "Later & newer" {
		t.Errorf("%+v", later)
	}
}

func TestPlainSitemapTakesTitlesFromAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"https://a.example/en/news/joint-statement-on-arms_transfers.html":          "joint statement on arms transfers",
		"https://a.example/news/2024/01/09/statement-by-the-minister/":              "statement by the minister",
		"https://a.example/%D0%BD%D0%BE%D0%B2%D0%B8%D0%BD%D0%B8-%D0%B4%D0%BD%D1%8F": "новини дня",
		"https://a.example/news/joint-statement-on-arms/12345":                      "joint statement on arms",
		"https://a.example/press?id=77":                                             "a.example/press?id=77",
	} {
		d := readSitemap(t, "<urlset><url><loc>"+address+"</loc><lastmod>2024-01-09</lastmod></url></urlset>")
		if len(d.Items) != 1 || d.Items[0].Title != want || !slices.Contains(d.Items[0].Tags, TitleFromAddress) || stamp(d.Items[0].Updated) != "2024-01-09T00:00:00Z" {
			t.Errorf("%s: %+v, want the title %q", address, d.Items, want)
		}
	}
}

func TestSitemapIndexNamesTheNewestFirst(t *testing.T) {
	index := func(children ...string) string {
		return "<sitemapindex>" + strings.Join(children, "") + "</sitemapindex>"
	}
	child := func(name, date string) string {
		return "<sitemap><loc>https://mfa.example/" + name + ".xml</loc>" + date + "</sitemap>"
	}
	for _, c := range []struct {
		name, body, want string
	}{
		{"by date", index(child("pages", "<lastmod>2024-01-01</lastmod>"), child("old", "<lastmod>2022-01-01</lastmod>"), child("x", "<lastmod>2024-01-09</lastmod>")), "x pages old"},
		{"by name where dates are equal", index(child("author", "<lastmod>2024-01-01</lastmod>"), child("post-sitemap", "<lastmod>2024-01-01</lastmod>")), "post-sitemap author"},
		{"without dates the ends", index(child("s1", ""), child("s2", ""), child("s3", ""), child("s4", "")), "s4 s1 s2 s3"},
	} {
		d := readSitemap(t, c.body)
		var got []string
		for _, m := range d.More {
			got = append(got, strings.TrimSuffix(strings.TrimPrefix(m, "https://mfa.example/"), ".xml"))
		}
		if strings.Join(got, " ") != c.want || len(d.Items) != 0 {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLargeSitemapListsTheNewest(t *testing.T) {
	var b strings.Builder
	b.WriteString("<urlset>")
	for i := range 3000 {
		fmt.Fprintf(&b, "<url><loc>https://mfa.example/news/item-%d</loc><lastmod>20%02d-01-09</lastmod></url>", i, i%30)
	}
	d := readSitemap(t, b.String()+"<url><loc>https://mfa.example/undated</loc></url></urlset>")
	if len(d.Items) != maxListed || len(d.Beyond) != 2001 || d.Items[0].Updated.Year() != 2029 || d.Items[maxListed-1].Updated.Year() != 2020 || d.Beyond[2000].URL != "https://mfa.example/undated" {
		t.Errorf("%d entries from %v to %v, %d beyond", len(d.Items), d.Items[0].Updated, d.Items[len(d.Items)-1].Updated, len(d.Beyond))
	}
}

func TestPackedSitemapIsToldByItsContent(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte("<urlset><url><loc>https://mfa.example/a-few-words</loc></url></urlset>"))
	z.Close()
	if d := readSitemap(t, b.String()); len(d.Items) != 1 || len(d.Repairs) != 0 {
		t.Errorf("%+v", d)
	}
	if d := readSitemap(t, b.String()[:b.Len()-4]); len(d.Items) != 1 || len(d.Repairs) != 1 {
		t.Errorf("cut: %+v", d)
	}
	b.Reset()
	z = gzip.NewWriter(&b)
	_, _ = z.Write([]byte("<urlset><url><loc>https://mfa.example/a-few-words</loc></url>"))
	for range 100 {
		_, _ = z.Write(bytes.Repeat([]byte(" "), 1<<20))
	}
	z.Close()
	var d Document
	if n := allocated(func() { d = readSitemap(t, b.String()) }); n > 8*maxUnpacked || len(d.Items) != 1 || !strings.Contains(d.Repairs[0], "unpacks to more than 16 MiB") {
		t.Errorf("%d bytes allocated for a bomb, %q", n, d.Repairs)
	}
}

func TestBrokenSitemapKeepsWhatIsWhole(t *testing.T) {
	for name, c := range map[string]struct {
		body    string
		entries int
		cut     bool
	}{
		"cut in an entry":       {"<urlset><url><loc>https://a.example/one-is-whole</loc></url><url><loc>https://a.example/two-is-n", 1, true},
		"cut between":           {"<urlset><url><loc>https://a.example/one-is-whole</loc></url>", 1, true},
		"entries not closed":    {"<urlset><url><loc>https://a.example/one-and</loc><url><loc>https://a.example/two-and</loc></urlset>", 2, false},
		"bare ampersand":        {"<urlset><url><loc>https://a.example/one-and?a=1&b=2</loc></url></urlset>", 1, false},
		"text before":           {"Warning: x\n<?xml version=\"1.0\"?><urlset><url><loc>https://a.example/one-and</loc></url></urlset>", 1, false},
		"empty":                 {"<urlset></urlset>", 0, false},
		"an address twice":      {"<urlset><url><loc>https://a.example/one-and</loc></url><url><loc>https://a.example/one-and</loc></url></urlset>", 1, false},
		"upper case and prefix": {"<s:URLSET><s:URL><s:LOC> https://a.example/one-and </s:LOC></s:URL></s:URLSET>", 1, false},
	} {
		d := readSitemap(t, c.body)
		if len(d.Items) != c.entries || d.Cut != c.cut {
			t.Errorf("%s: %d entries, cut %v; want %d, %v", name, len(d.Items), d.Cut, c.entries, c.cut)
		}
	}
}

func TestWhatIsNoSitemapIsSaid(t *testing.T) {
	for body, want := range map[string]string{
		"":                         "an empty document, not a sitemap",
		"<html><title>A</title>":   "an HTML page, not a sitemap",
		"<rss><channel></channel>": "give the source the kind feed",
		"<opml></opml>":            "a list of feeds (OPML), not a sitemap",
		"https://a.example/a\n":    "plain text, not a sitemap",
		"<a><urlset></urlset></a>": "not a sitemap",
	} {
		_, err := ParseSitemap(tocsin.Source{}, fetch.Response{Body: []byte(body)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", body, err, want)
		}
	}
}
