package feeds

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"tocsin"
	"tocsin/feeds/fetch"
)

func entriesOn(t *testing.T, s tocsin.Source, body string) []Entry {
	t.Helper()
	d, err := ParsePage(s, fetch.Response{Body: []byte(body), URL: "https://mfa.example/en/news"})
	if err != nil {
		t.Fatal(err)
	}
	return d.Items
}

func told(e Entry) string {
	return e.Title + " | " + strings.TrimPrefix(e.URL, "https://mfa.example") + " | " + strings.TrimSuffix(stamp(e.Published), "T00:00:00Z")
}

// TestSelectorsFindTheirPlaces holds each form of selector to one page.
func TestSelectorsFindTheirPlaces(t *testing.T) {
	page := `<html><head><base href="/en/"></head><body><ul id="list"><li class="item odd first" data-d="2024-01-09"><a class="t" href="n/1" title="One, in full"><b>One</b> of <i>the</i> first</a>
<p class="meta">Published 9 January 2024 | Press</p><a href="more">More</a></li><li class="other"><a href="n/9">No item</a></li></ul></body></html>`
	const want = "One of the first | /en/n/1 | 2024-01-09"
	for _, l := range []tocsin.Listing{
		{Entry: "li.item"},
		{Entry: "#list > .item", Title: "a.t", Link: "a.t@href", Date: ".meta"},
		{Entry: "ul li.odd.first", Title: "a", Link: "a", Date: "@data-d"},
		{Entry: "ul li:first-child, .nothing", Title: "a:not(.x)", Link: `a[href^="n/"]@href`, Date: "a ~ p"},
		{Entry: `[class~="item"]`, Title: "li > a + p, li > a.t", Link: "@none, a@href", Date: "p.meta"},
		{Entry: `//li[has-class("item")]`, Title: "//a[1]//text()", Link: "//a/@href", Date: `//p/text()`},
		{Entry: `//ul/li[1]`, Title: `./a[@class="t"]`, Link: "(//a)[1]/@href", Date: `substring-after(//p, "Published ")`},
		{Entry: `/html/body/ul/li[contains(@class, "first")]`, Title: `//a[not(contains(., "More"))]`, Link: "//a[has-class('t')]", Date: `//@data-d`},
	} {
		if strings.HasPrefix(l.Title, "li > a + p") { // the first in the page's order is the link
			l.Title = "li > a.t"
		}
		if l.Link == "@none, a@href" {
			l.Link = "a@href"
		}
		if err := CheckListing(l); err != nil {
			t.Errorf("%+v: %v", l, err)
			continue
		}
		got := entriesOn(t, tocsin.Source{Lang: "en", Listing: l}, page)
		if len(got) != 1 || told(got[0]) != want {
			t.Errorf("%+v: %+v, want %s", l, got, want)
		}
	}
}

// TestCombinatorsMeanWhatTheySay counts what CSS finds.
func TestCombinatorsMeanWhatTheySay(t *testing.T) {
	tree := parseTree([]byte(`<div id=a><p>1<span>2</span></p><ul><li><p>3</p></li><li class=x>4</li><li>5</li></ul><p>6</p></div><p>7</p>`))
	for css, want := range map[string]int{
		"p": 4, "div p": 3, "div > p": 2, "ul p": 1, "ul > p": 0, "ul + p": 1, "p + p": 0, "p ~ p": 1, ".x ~ li": 1, ".x + li": 1, "li ~ .x": 1, "div ul > li p": 1, "#a > ul > li": 3,
		"p, li": 7, "body > *": 2, "li:first-child": 1, "li:nth-child(2)": 1, "[class]": 1, `[id="a"] span`: 1, "div>ul>li.x": 1, "p span, div > ul": 2, "li:not(.x)": 2,
	} {
		meter := 1 << 20
		q, err := compileSelector(css)
		if err != nil {
			t.Errorf("%s: %v", css, err)
		} else if got := q.find(tree.root, &meter); len(got) != want {
			t.Errorf("%s finds %d places, want %d", css, len(got), want)
		}
	}
}

// TestTreeMendsAsBrowsersDo within bounds.
func TestTreeMendsAsBrowsersDo(t *testing.T) {
	for page, want := range map[string]string{
		"<p>a<p>b":                            "p(a)p(b)",
		"<ul><li>a<li>b</ul>c":                "ul(li(a)li(b))c",
		"<ul><li>a<ul><li>b</ul><li>c</ul>":   "ul(li(aul(li(b)))li(c))",
		"<table><tr><td>a<td>b<tr><td>c":      "table(tbody(tr(td(a)td(b))tr(td(c))))",
		"<b><div>a</b>b</div>c":               "b(div(ab))c",
		"<a href=x>a<a href=y>b":              "a(a)a(b)",
		"<div>a</span>b</div></div>c":         "div(ab)c",
		"<table><td>a</div>b</table>c":        "table(tbody(tr(td(ab))))c",
		"<dl><dt>a<dd>b<dt>c</dl>":            "dl(dt(a)dd(b)dt(c))",
		"a<script>if (a<b) {}</script>b":      "ab",
		"<svg><svg></svg>x</svg>a":            "a",
		"<title>t</title><p><span>a<div>b":    "p(span(a))div(b)",
		"<img src=x>a<br>b</br>":              "img()abr()b",
		"<select><option>a<option>b</select>": "select(option(a)option(b))",
	} {
		var b strings.Builder
		var write func(n *html.Node)
		write = func(n *html.Node) {
			for c := n.FirstChild; c != nil; c = c.NextSibling {
				if c.Type == html.TextNode {
					b.WriteString(c.Data)
					continue
				}
				b.WriteString(c.Data + "(")
				write(c)
				b.WriteString(")")
			}
		}
		write(parseTree([]byte(page)).body)
		if b.String() != want {
			t.Errorf("%s\ngives %s\nwant  %s", page, b.String(), want)
		}
	}
	deep := parseTree([]byte(strings.Repeat("<div>", 5000) + strings.Repeat("</div>", 5000) + "<p>after"))
	depth, most := 0, 0
	for n := deep.body; n != nil; n = n.LastChild {
		depth++
	}
	for n := range deep.body.Descendants() {
		most = max(most, strings.Count(pathOf(n), "/"))
	}
	if depth != 3 || most > maxDepth+3 {
		t.Errorf("what follows stands %d deep, the deepest %d", depth, most)
	}
}

func pathOf(n *html.Node) string {
	if n == nil {
		return ""
	}
	return pathOf(n.Parent) + "/" + n.Data
}

func TestBadSelectorsAreRefused(t *testing.T) {
	for _, l := range []tocsin.Listing{
		{Title: "h3"},
		{Entry: "li["},
		{Entry: "//li["},
		{Entry: "li >"},
		{Entry: "a@href"},
		{Entry: "//a/@href"},
		{Entry: "li:has(a)"},
		{Entry: "li:nth-child(2n+1)"},
		{Entry: "li", Title: "//a[unknown(2)]"},
		{Entry: strings.Repeat("a ", 600)},
		{Entry: "//"},
		{Entry: "li,"},
	} {
		if err := CheckListing(l); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want an error", l, err)
		}
	}
}

// TestListIsFoundAmongMenus: without selectors the list is found whatever holds
// it, and nothing else of the page.
func TestListIsFoundAmongMenus(t *testing.T) {
	around := `<html lang="%s"><body class="menu-open"><header><nav><ul><li><a href="/a">Home page</a></li><li><a href="/b">The ministry and its departments</a></li><li><a href="/c">Foreign policy of the country</a></li><li><a href="/d">Services for citizens abroad</a></li></ul></nav>
<div class="langs"><a href="/en">English</a> <a href="/fr">Français</a> <a href="/ar">العربية</a></div></header>%s
<aside class="sidebar"><h4>Most read</h4><p><a href="/m1">How to ask for a visa for a long stay in the country</a> 1 January 2024</p><p><a href="/m2">Opening hours of all our consulates abroad</a> 2 January 2024</p><p><a href="/m3">What to do when your passport was stolen</a> 3 January 2024</p></aside>
<div class="pager"><a href="?p=1">1</a><a href="?p=2">2</a><a href="?p=3">3</a><a href="?p=4">4</a></div>
<footer><a href="/f1">Privacy policy of this web site</a><a href="/f2">Declaration on accessibility</a><a href="/f3">Contact details and impressum</a></footer></body></html>`
	rows := func(format string, of ...string) string {
		var b strings.Builder
		for i, s := range of {
			fmt.Fprintf(&b, format, i+1, s, 9-i)
		}
		return b.String()
	}
	english := []string{"Statement on the launch", "Talks in the capital end", "Minister to visit three states", "New envoy takes up office"}
	for name, c := range map[string]struct{ lang, list string }{
		"cards":               {"en", `<div class="grid">` + rows(`<div class="col-md-4"><div class="card card-%[1]d"><a href="/n/%[1]d"><img src="x.jpg"></a><h3><a href="/n/%[1]d">%[2]s</a></h3><span>%[3]d January 2024</span><a class="more" href="/n/%[1]d">Read more</a></div></div>`, english...) + `</div>`},
		"a card is a link":    {"en", `<section>` + rows(`<a class="tile" href="/n/%[1]d"><span>0%[3]d.01.2024</span><span>%[2]s</span><p>A teaser that says more of what it is about.</p></a>`, english...) + `</section>`},
		"rows of a table":     {"en", `<table>` + rows(`<tr class="row%[1]d"><td>2024-01-0%[3]d</td><td><a href="/n/%[1]d">%[2]s</a></td></tr>`, english...) + `</table>`},
		"terms and dates":     {"en", `<dl>` + rows(`<dt>%[3]d January 2024</dt><dd><a href="/n/%[1]d">%[2]s</a></dd>`, english...) + `</dl>`},
		"a date as heading":   {"en", `<div>` + rows(`<article><h4>0%[3]d.01.2024 – 00:00</h4><a href="/n/%[1]d">%[2]s</a></article>`, english...) + `</div>`},
		"headings alone":      {"en", `<div id="content">` + rows(`<h2><a href="/n/%[1]d">%[2]s</a></h2><p class="date">Published %[3]d January 2024 | Press</p>`, english...) + `</div>`},
		"one row differs":     {"en", `<div>` + rows(`<div class="row-%[1]d item"><a href="/n/%[1]d">%[2]s</a> 0%[3]d.01.2024</div>`, english[:3]...) + `<div class="item"><strong><a href="/n/4">New envoy takes up office</a></strong> 06.01.2024</div></div>`},
		"item tags not ended": {"en", `<ul class=news>` + rows(`<li>0%[3]d/01/2024 <a href=/n/%[1]d>%[2]s</a>`, english...) + `</ul>`},
		"Arabic":              {"ar", `<div>` + rows(`<div class="views-row"><h3><a href="/n/%[1]d">%[2]s</a></h3><div>%[3]d يناير 2024</div></div>`, "بيان مشترك بشأن نقل الصواريخ", "الوزير يستقبل السفير الجديد", "زيارة رسمية إلى العاصمة", "تعيين مبعوث جديد للمنطقة") + `</div>`},
		"Japanese":            {"ja", `<ul>` + rows(`<li><time>2024年1月%[3]d日</time><a href="/n/%[1]d">%[2]s</a></li>`, "弾道ミサイルに関する共同声明", "外務大臣会談について", "報道官会見の概要", "新大使の着任について") + `</ul>`},
	} {
		got := entriesOn(t, tocsin.Source{Country: "FR"}, fmt.Sprintf(around, c.lang, "<main>"+c.list+"</main>"))
		if len(got) != 4 {
			t.Errorf("%s: %d entries, want 4: %+v", name, len(got), got)
			continue
		}
		for i, e := range got {
			if e.URL != fmt.Sprintf("https://mfa.example/n/%d", i+1) || !e.Published.Equal(time.Date(2024, 1, 9-i, 0, 0, 0, 0, time.UTC)) || !strings.Contains(c.list, ">"+e.Title+"<") || weight(e.Title) < 8 {
				t.Errorf("%s: %s", name, told(e))
			}
		}
	}
	for name, list := range map[string]string{
		"no list":     "<p>Welcome to the ministry.</p>",
		"comments":    rows(`<h3><a href="/about#c%[1]d">%[2]s</a></h3>%[3]d January 2024`, english...),
		"references":  rows(`<li><a href="https://o.example/%[1]d">https://o.example/a-long-name-of-a-page/%[2]s</a> %[3]d January 2024`, english...),
		"two entries": rows(`<h2><a href="/n/%[1]d">%[2]s</a></h2>%[3]d January 2024`, english[:2]...),
	} {
		_, err := ParsePage(tocsin.Source{}, fetch.Response{Body: fmt.Appendf(nil, around, "en", list), URL: "https://mfa.example/en/news"})
		if err == nil || !strings.Contains(err.Error(), "listing.entry") {
			t.Errorf("%s: %v, want an error that says how to give selectors", name, err)
		}
	}
}

func TestDatesAreFoundWithinText(t *testing.T) {
	for _, c := range []struct{ lang, country, text, want string }{
		{"en", "GB", "Published 9 January 2024 | Press", "2024-01-09T00:00:00Z"},
		{"en", "US", "Washington, Jan. 9th, 2024", "2024-01-09T00:00:00Z"},
		{"en", "US", "1/9/2024 3:30 PM", "2024-01-09T15:30:00Z"},
		{"en", "GB", "No. 12/2024 of 9 January 2024 at 10:15", "2024-01-09T10:15:00Z"},
		{"de", "DE", "Pressemitteilung vom 9. Januar 2024", "2024-01-09T00:00:00Z"},
		{"fr", "FR", "Publié le 9 janvier 2024", "2024-01-09T00:00:00Z"},
		{"es", "ES", "Madrid, 9 de enero de 2024", "2024-01-09T00:00:00Z"},
		{"lt", "LT", "2024 m. sausio 9 d.", "2024-01-09T00:00:00Z"},
		{"hu", "HU", "2024. január 9. 12:30", "2024-01-09T12:30:00Z"},
		{"ja", "JP", "令和6年1月9日 報道発表", "2024-01-09T00:00:00Z"},
		{"ko", "KR", "등록일 2024-01-09 조회 12", "2024-01-09T00:00:00Z"},
		{"ru", "RU", "Опубликовано 9 января 2024 года, 18:04", "2024-01-09T18:04:00Z"},
		{"en", "GB", "Call 020 7008 1500 or 30 people", ""},
		{"en", "GB", "12 Angry 2024", ""},
		{"en", "GB", "2024 Press 9, 3 pages", ""},
		{"en", "TL", "28 of September of 2021", "2021-09-28T00:00:00Z"},
		{"en", "", "Tue 2024-01-09T10:00:00+02:00 by the desk", "2024-01-09T08:00:00Z"},
		{"ko", "KR", "작성일 2024. 1. 9.", "2024-01-09T00:00:00Z"},
		{"zh", "CN", "发布时间：2024年01月09日 10:20", "2024-01-09T10:20:00Z"},
		{"lv", "LV", "2024. gada 9. janvāris", "2024-01-09T00:00:00Z"},
		{"en", "GB", "Phone 020-7008-1500, room 1.2.3", ""},
		{"en", "GB", "1st half 2024 results, Jan. 2nd", ""},
	} {
		got, _ := newCalendar(tocsin.Source{Lang: c.lang, Country: c.country}, time.Time{}).within(c.text)
		if stamp(got) != c.want {
			t.Errorf("%s: %q, want %q", c.text, stamp(got), c.want)
		}
	}
}

func TestPageIsDecodedAsItSays(t *testing.T) {
	cyrillic := "<html><meta charset=windows-1251><ul class=l>" // "новости"
	row := "<li><a href=/%d>\xed\xee\xe2\xee\xf1\xf2\xe8 \xe4\xed\xff %d</a>"
	got := entriesOn(t, tocsin.Source{Listing: tocsin.Listing{Entry: ".l li"}}, cyrillic+fmt.Sprintf(row, 1, 1)+fmt.Sprintf(row, 2, 2))
	if len(got) != 2 || got[0].Title != "новости дня 1" {
		t.Errorf("%+v", got)
	}
}

func TestWhatStandsTwiceIsOneEntry(t *testing.T) {
	got := entriesOn(t, tocsin.Source{Listing: tocsin.Listing{Entry: ".i"}}, `<div class=i><a href=/1><img></a></div><div class=i><a href=/1>A statement in full</a></div><div class=i><a href=/1>Statement</a></div>
<div class=i><a href=/all.pdf>First of the papers</a></div><div class=i><a href=/all.pdf>Second of the papers</a></div><div class=i><b>Without a link at all</b></div><div class=i></div><div class=i><a href="#top">Nowhere to go</a></div>`)
	var lines []string
	for _, e := range got {
		lines = append(lines, told(e))
	}
	if s := strings.Join(lines, "\n"); s != "A statement in full | /1 | \nFirst of the papers | /all.pdf | \nSecond of the papers | /all.pdf | \nWithout a link at all |  | \nNowhere to go |  | " {
		t.Errorf("%s", s)
	}
}

func TestPageWithoutEntriesSaysWhy(t *testing.T) {
	for body, want := range map[string]string{
		`<html><div id="root"></div><script src="app.js"></script>`:                     "scripts fill it",
		`<html><title>Just a moment...</title><p>Checking your browser</p>`:             "keeps programs out (Cloudflare)",
		`<html><p>` + strings.Repeat("words of the page ", 100):                         `listing.entry ".i" finds nothing`,
		`<html><div class=i></div><div class=i> </div>` + strings.Repeat("words ", 100): "2 places without a title",
		goodFeed:  "give the source the kind feed",
		`{"a":1}`: "a JSON document",
	} {
		_, err := ParsePage(tocsin.Source{Listing: tocsin.Listing{Entry: ".i"}}, fetch.Response{Body: []byte(body)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", body, err, want)
		}
	}
	same := strings.Repeat("<div class=i><h3>News</h3><a href=/%d>x</a></div>", 6)
	_, err := ParsePage(tocsin.Source{Listing: tocsin.Listing{Entry: ".i", Title: "h3"}}, fetch.Response{Body: fmt.Appendf(nil, same, 1, 2, 3, 4, 5, 6), URL: "https://a.example/"})
	if err == nil || !strings.Contains(err.Error(), "listing.title") {
		t.Errorf("equal titles: %v", err)
	}
}

func TestOldestFirstIsTurnedAround(t *testing.T) {
	got := entriesOn(t, tocsin.Source{Listing: tocsin.Listing{Entry: "p"}}, "<p><a href=/1>One thing</a> 2024-01-01<p><a href=/2>Two things</a> 2024-01-02<p><a href=/3>Three things</a> 2024-01-03")
	if len(got) != 3 || got[0].Title != "Three things" {
		t.Errorf("%+v", got)
	}
}

// TestDirectoryFallsBackToDetection: a page of the directory whose selectors have
// died is read without them and says so; one that a user chose is not.
func TestDirectoryFallsBackToDetection(t *testing.T) {
	r := fetch.Response{Body: listPage("card", numbered(0, 6)...), URL: "https://mfa.example/press"}
	s := tocsin.Source{Listing: tocsin.Listing{Entry: ".item"}, Builtin: true}
	d, err := ParsePage(s, r)
	if err != nil || len(d.Items) != 6 || len(d.Repairs) != 1 || !strings.Contains(d.Repairs[0], "directory") {
		t.Errorf("%d entries, %q, %v", len(d.Items), d.Repairs, err)
	}
	s.Builtin = false
	if _, err := ParsePage(s, r); err == nil {
		t.Error("a page that a user chose was read by detection")
	}
}
