package feeds

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// A probeSite answers by path and query, or with an error.
type probeSite map[string]string

func (s probeSite) get(asked *[]string) func(context.Context, string) (fetch.Response, error) {
	return func(_ context.Context, address string) (fetch.Response, error) {
		*asked = append(*asked, address)
		body, ok := s[address]
		if !ok {
			return fetch.Response{}, &fetch.Error{Kind: fetch.KindStatus, Status: 404, Where: address, Err: errors.New("the server answered 404 Not Found")}
		}
		r := fetch.Response{URL: address, Body: []byte(body), At: time.Now()}
		if head, rest, ok := strings.Cut(body, "\n\n"); ok && strings.HasPrefix(head, "Link: ") {
			r.Links, r.Body = []string{strings.TrimPrefix(head, "Link: ")}, []byte(rest)
		}
		return r, nil
	}
}

// probeFeed is a feed of entries, the first the newest, one a day.
func probeFeed(title string, extra string, entries ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<?xml version=\"1.0\"?><rss version=\"2.0\" xmlns:atom=\"http://www.w3.org/2005/Atom\"><channel><title>%s</title><link>https://mfa.example/</link>%s", title, extra)
	for i, e := range entries {
		at := time.Now().Add(-time.Duration(i+1) * 24 * time.Hour)
		fmt.Fprintf(&b, "<item><guid>%s</guid><link>https://mfa.example/%s</link><title>%s</title><pubDate>%s</pubDate></item>", e, e, e, at.Format(time.RFC1123Z))
	}
	return b.String() + "</channel></rss>"
}

func probed(t *testing.T, s probeSite, address string) (Probed, []string) {
	t.Helper()
	return probedWith(t, s, address, Kinds)
}

func probedWith(t *testing.T, s probeSite, address string, kinds []Kind) (Probed, []string) {
	t.Helper()
	var asked []string
	p := probeWith(t.Context(), address, kinds, s.get(&asked))
	if len(asked) > MaxProbe {
		t.Errorf("%d requests, want at most %d: %q", len(asked), MaxProbe, asked)
	}
	if len(asked) != len(p.Tried) {
		t.Errorf("asked for %q, told of %+v", asked, p.Tried)
	}
	return p, asked
}

func bestURL(p Probed) string {
	if len(p.Found) == 0 {
		return ""
	}
	return p.Found[0].Source.URL
}

func TestProbeFindsTheFeedOfAPage(t *testing.T) {
	news := probeFeed("Ministry: news", "", "c", "b", "a", "z", "y")
	for name, tt := range map[string]struct {
		site          probeSite
		address, want string
		how           string
	}{
		"the address itself": {probeSite{"https://mfa.example/rss": news}, "https://mfa.example/rss", "https://mfa.example/rss", "the address itself"},
		"named by the page": {
			probeSite{"https://mfa.example/press": `<html><head><link rel="alternate" type="application/rss+xml" href="/n.rss"></head><body>x`, "https://mfa.example/n.rss": news},
			"https://mfa.example/press", "https://mfa.example/n.rss", "named by the page",
		},
		"named by a header": {
			probeSite{"https://mfa.example/press": "Link: </n.rss>; rel=\"alternate\"; type=\"application/rss+xml\"\n\n<html><body>x", "https://mfa.example/n.rss": news},
			"https://mfa.example/press", "https://mfa.example/n.rss", "named by the page",
		},
		"relative to the base": {
			probeSite{"https://mfa.example/a/b": `<html><head><base href="https://cdn.example/x/"><link rel=alternate type="application/atom+xml" href="n.atom">`, "https://cdn.example/x/n.atom": news},
			"https://mfa.example/a/b", "https://cdn.example/x/n.atom", "named by the page",
		},
		"linked in the foot": {
			probeSite{"https://mfa.example/": `<html><body><a href="/about">About</a><footer><a href="/feeds/press-rss.aspx"><img alt="RSS"></a>`, "https://mfa.example/feeds/press-rss.aspx": news},
			"https://mfa.example/", "https://mfa.example/feeds/press-rss.aspx", "the page links to it",
		},
		"on a page about feeds": {
			probeSite{
				"https://mfa.example/":          `<html><body><a href="/subscribe">RSS feeds</a>`,
				"https://mfa.example/subscribe": `<html><body><a href="/x/press.xml?format=rss">Press</a>`, "https://mfa.example/x/press.xml?format=rss": news,
			},
			"https://mfa.example/", "https://mfa.example/x/press.xml?format=rss", "a page about its feeds links to it",
		},
		"where WordPress has it": {
			probeSite{"https://mfa.example/category/press": `<html><head><meta name="generator" content="WordPress 6.4">`, "https://mfa.example/category/press/feed/": news},
			"https://mfa.example/category/press", "https://mfa.example/category/press/feed/", "WordPress has the feed of a section there",
		},
		"where sites often have it": {
			probeSite{"https://mfa.example/en": `<html><body>Hello`, "https://mfa.example/rss.xml": news},
			"https://mfa.example/en", "https://mfa.example/rss.xml", "sites often have their feed there",
		},
		"not the comments": {
			probeSite{
				"https://mfa.example/":               `<link rel=alternate type="application/rss+xml" title="Comments" href="/comments/feed/"><link rel=alternate type="application/rss+xml" href="/feed/">`,
				"https://mfa.example/comments/feed/": probeFeed("Comments for the ministry", "", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8"), "https://mfa.example/feed/": news,
			},
			"https://mfa.example/", "https://mfa.example/feed/", "named by the page",
		},
		"that of statements": {
			probeSite{
				"https://mfa.example/en/press": `<link rel=alternate type="application/rss+xml" title="Vacancies" href="/jobs.rss"><link rel=alternate type="application/rss+xml" title="All" href="/all.rss"><link rel=alternate type="application/rss+xml" title="Press releases" href="/pr.rss">`,
				"https://mfa.example/jobs.rss": probeFeed("Jobs", "", "k1", "k2", "k3", "k4", "k5", "k6"), "https://mfa.example/all.rss": probeFeed("All", "", "l1", "l2", "l3", "l4", "l5", "l6"), "https://mfa.example/pr.rss": news,
			},
			"https://mfa.example/en/press", "https://mfa.example/pr.rss", "named by the page",
		},
		"that of the section": {
			probeSite{
				"https://mfa.example/x/africa/": `<link rel=alternate type="application/rss+xml" href="/all.rss"><link rel=alternate type="application/rss+xml" href="/x/africa/feed/">`,
				"https://mfa.example/all.rss":   probeFeed("All", "", "l1", "l2", "l3", "l4", "l5"), "https://mfa.example/x/africa/feed/": news,
			},
			"https://mfa.example/x/africa/", "https://mfa.example/x/africa/feed/", "named by the page",
		},
		"not the dead one": {
			probeSite{
				"https://mfa.example/":    `<link rel=alternate type="application/rss+xml" href="/old"><link rel=alternate type="application/rss+xml" href="/new">`,
				"https://mfa.example/old": strings.ReplaceAll(probeFeed("Old", "", "k1"), fmt.Sprint(time.Now().Year()), "2016"), "https://mfa.example/new": news,
			},
			"https://mfa.example/", "https://mfa.example/new", "named by the page",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := probed(t, tt.site, tt.address)
			if bestURL(p) != tt.want || p.Found[0].How != tt.how || p.Advice != "" {
				t.Fatalf("best is %q, want %q %s; %+v", bestURL(p), tt.want, tt.how, p)
			}
			if f := p.Found[0]; len(f.Newest) == 0 || f.Newest[0].Title != "c" || f.Source.Kind != "feed" || f.Source.Title != "Ministry: news" {
				t.Errorf("found %+v", f)
			}
		})
	}
}

func TestProbeKnowsWhereChannelsHaveTheirFeeds(t *testing.T) {
	for address, want := range map[string]string{
		"https://bsky.app/profile/mfa.example":                          "https://bsky.app/profile/mfa.example/rss",
		"https://www.youtube.com/channel/UC123":                         "https://www.youtube.com/feeds/videos.xml?channel_id=UC123",
		"https://www.youtube.com/playlist?list=PL9":                     "https://www.youtube.com/feeds/videos.xml?playlist_id=PL9",
		"https://social.example/@mfa":                                   "https://social.example/@mfa.rss",
		"https://social.example/@mfa@home.example":                      "https://home.example/@mfa.rss",
		"https://www.reddit.com/r/geopolitics/":                         "https://www.reddit.com/r/geopolitics/new/.rss",
		"https://github.com/golang/go":                                  "https://github.com/golang/go/releases.atom",
		"https://mfa.substack.com/archive":                              "https://mfa.substack.com/feed/",
		"https://medium.com/@mfa":                                       "https://medium.com/feed/@mfa",
		"https://mfa.blogspot.com/":                                     "https://mfa.blogspot.com/feeds/posts/default",
		"https://www.gov.uk/government/organisations/foreign-office":    "https://www.gov.uk/government/organisations/foreign-office.atom",
		"https://www.gov.uk/search/news-and-communications?people=some": "https://www.gov.uk/search/news-and-communications.atom?people=some",
	} {
		p, asked := probed(t, probeSite{want: probeFeed("x", "", "b", "a")}, address)
		if bestURL(p) != want || asked[0] != want {
			t.Errorf("%s: found %q, first asked for %q, want %q", address, bestURL(p), asked[0], want)
		}
	}
	handle := `<html><body><script>{"externalId":"UCabcdefghijklmnopqrstuv","x":1}</script>`
	feed := "https://www.youtube.com/feeds/videos.xml?channel_id=UCabcdefghijklmnopqrstuv"
	if p, _ := probed(t, probeSite{"https://www.youtube.com/@mfa": handle, feed: probeFeed("x", "", "a")}, "https://www.youtube.com/@mfa"); bestURL(p) != feed {
		t.Errorf("a handle of YouTube gives %q", bestURL(p))
	}
	leads, _ := places(probeURL(t, "https://t.me/mfa_russia"))
	if len(leads) != 1 || leads[0].url != "https://t.me/s/mfa_russia" || leads[0].kind != "page" || leads[0].listing.Link == "" {
		t.Errorf("a channel of Telegram gives %+v", leads)
	}
	if p, asked := probed(t, probeSite{}, "https://x.com/mfa"); len(asked) != 0 || !strings.Contains(p.Advice, "only to who is logged in") {
		t.Errorf("X: asked for %q, advice %q", asked, p.Advice)
	}
}

func probeURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestProbeTellsWhatAFeedIsLike(t *testing.T) {
	long := strings.Repeat("A long text of the statement. ", 60)
	full := probeFeed("Full", `<atom:link rel="hub" href="https://hub.example/"/>`, "b", "a")
	full = strings.ReplaceAll(full, "<pubDate>", "<description>"+long+"</description><pubDate>")
	p, _ := probed(t, probeSite{"https://mfa.example/rss": full}, "https://mfa.example/rss")
	if f := p.Found[0]; !f.FullText || f.Hub != "https://hub.example/" || f.Reversed || !slices.Contains(f.Notes, "it shows only 2 at a time: on a busy day some may fall out between two looks") {
		t.Errorf("found %+v", f)
	}
	header := "Link: <https://hub.example/h>; rel=\"hub\", <https://mfa.example/rss>; rel=\"self\"\n\n" + probeFeed("x", "", "c", "b", "a")
	p, _ = probed(t, probeSite{"https://mfa.example/rss": header}, "https://mfa.example/rss")
	if p.Found[0].Hub != "https://hub.example/h" {
		t.Errorf("a hub in a header: %q", p.Found[0].Hub)
	}
	p, _ = probedWith(t, probeSite{"https://mfa.example/rss": header}, "https://mfa.example/rss", []Kind{{Name: "websub", Parse: ParseFeed}, {Name: "feed", Parse: ParseFeed}})
	if f := p.Found[0]; f.Source.Kind != "feed" || !strings.Contains(strings.Join(f.Notes, "; "), "kind websub is told of new items at once") {
		t.Errorf("where hubs are known: %+v", f)
	}
	items := p.Found[0].Doc.Items
	slices.Reverse(items)
	if newest, reversed := inDateOrder(items); !reversed || newest[0].Title != "c" {
		t.Errorf("the oldest first: %v, newest %q", reversed, newest[0].Title)
	}
	p, _ = probed(t, probeSite{"https://mfa.example/rss": probeFeed("x", "")}, "https://mfa.example/rss")
	if f := p.Found[0]; f.Fitness >= 0 || !slices.Contains(f.Notes, "it holds no entries now") {
		t.Errorf("an empty feed is %+v", f)
	}
}

func TestProbeSaysWhatToDoWhereThereIsNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		body, want string
	}{
		"no such page": {"", "404 Not Found"},
		"a bot page":   {`<html><head><title>Just a moment...</title></head><body>wait`, "keeps programs out (Cloudflare)"},
		"a login":      {`<html><body><form action="/session"><input name=user><input type=password name=p></form>`, "asks for a password: open the address in a browser"},
		"by scripts":   {`<html><body><div id=app></div><script>` + strings.Repeat("let a=1;", 500) + `</script>`, "made by scripts in the browser"},
		"a plain page": {`<html><body>` + strings.Repeat(`<p><a href="/x">Something</a> and words of it`, 20), "no feed was found behind it"},
		"a picture":    {"\x89PNG\r\n\x1a\n0000", "the address gives"},
		"nothing":      {" ", "an empty document"},
	} {
		s := probeSite{}
		if tt.body != "" {
			s["https://mfa.example/"] = tt.body
		}
		p, _ := probedWith(t, s, "https://mfa.example/", []Kind{{Name: "feed", Parse: ParseFeed}})
		if len(p.Found) != 0 || !strings.Contains(p.Advice, tt.want) {
			t.Errorf("%s: found %+v, advice %q, want %q", name, p.Found, p.Advice, tt.want)
		}
	}
}

// Kinds of which this build has none yet are probed by their name.
func TestProbeLooksForSitemapsAndListsByTheKindsOfTheBuild(t *testing.T) {
	listed := func(what string, n int) func(tocsin.Source, fetch.Response) (Document, error) {
		return func(_ tocsin.Source, r fetch.Response) (d Document, err error) {
			if !strings.Contains(string(r.Body), what) {
				return d, errors.New("no such thing")
			}
			for i := range n {
				d.Items = append(d.Items, Entry{URL: fmt.Sprintf("https://mfa.example/%c", 'a'+i), Title: fmt.Sprint(i)})
			}
			return d, nil
		}
	}
	kinds := []Kind{{Name: "feed", Parse: ParseFeed}, {Name: "page", Parse: listed("<ul>", 12)}, {Name: "sitemap", Parse: listed("<urlset", 20)}}
	s := probeSite{
		"https://mfa.example/press":      `<html><head><link rel=alternate type="application/rss+xml" href="/rss"></head><ul>`,
		"https://mfa.example/rss":        probeFeed("x", "", "c", "b", "a"),
		"https://mfa.example/robots.txt": "User-agent: *\nSitemap: https://mfa.example/all.xml\nsitemap: /news.xml\n",
		"https://mfa.example/news.xml":   "<urlset>", "https://mfa.example/all.xml": "<urlset>",
	}
	p, asked := probedWith(t, s, "https://mfa.example/press", kinds)
	var found []string
	for _, f := range p.Found {
		found = append(found, f.Source.Kind+" "+f.Source.URL)
	}
	if want := []string{"feed https://mfa.example/rss", "page https://mfa.example/press", "sitemap https://mfa.example/news.xml"}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q; asked for %q", found, want, asked)
	}
	if a := p.Found[0].Source.Archive; a != "https://mfa.example/press" {
		t.Errorf("what goes back further is %q", a)
	}
}

func TestProbeEndsWithItsTimeAndItsRequests(t *testing.T) {
	var page strings.Builder
	for i := range 100 {
		fmt.Fprintf(&page, `<link rel=alternate type="application/rss+xml" href="/%d.rss"><a href="/%d.xml?format=rss">RSS</a><a href="/o%d">rss</a>`, i, i, i)
	}
	probed(t, probeSite{"https://mfa.example/": page.String()}, "https://mfa.example/")
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	p := Probe(ctx, "https://mfa.example/", func(_ context.Context, u string) (fetch.Response, error) {
		n++
		cancel()
		return fetch.Response{URL: u, Body: []byte(page.String())}, nil
	})
	if n != 1 || p.Advice != "the time ran out: try again" {
		t.Errorf("%d requests after the time was over; %q", n, p.Advice)
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add([]byte(`<base href=x><a href="/feed"><a href='rss.xml'>RSS</a><link rel=alternate type="application/rss+xml" href="//x/y"><script>`))
	f.Add([]byte(`<title>x</title><meta name=generator content=WordPress><a href="http://[::1">`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := readPage(fetch.Response{URL: "https://mfa.example/x", Body: body})
		if len(p.feeds) > maxPageLinks || len(p.overview) > maxPageLinks {
			t.Errorf("%d feeds and %d pages about them", len(p.feeds), len(p.overview))
		}
		for _, l := range append(p.feeds, p.overview...) {
			if u, err := url.Parse(l.url); err != nil || u.Host == "" {
				t.Errorf("leads to %q", l.url)
			}
		}
		hubOf(fetch.Response{Body: body, Links: []string{string(body)}})
	})
}

// pressPage is a page that lists n entries, one a day, beside a menu.
func pressPage(n int) string {
	var b strings.Builder
	b.WriteString(`<!doctype html><html lang="en"><head><title>Press room of the ministry</title></head><body><nav><a href="/">Home</a><a href="/about">About</a><a href="/jobs">Jobs</a><a href="/contact">Contact</a></nav><div class="list">`)
	for i := range n {
		at := time.Now().Add(-time.Duration(i+1) * 24 * time.Hour)
		fmt.Fprintf(&b, `<div class="item"><h3><a href="/press/statement-%d">The ministry states something of importance, number %d</a></h3><time datetime="%s">%s</time></div>`, i, i, at.Format(time.DateOnly), at.Format("2 January 2006"))
	}
	return b.String() + `</div><footer><a href="/legal">Legal</a><a href="/privacy">Privacy</a></footer></body></html>`
}

func TestProbeFindsAListWhereThereIsNoFeed(t *testing.T) {
	p, asked := probed(t, probeSite{"https://mfa.example/press": pressPage(20)}, "https://mfa.example/press")
	if firstKind(p) != "page" || len(p.Found[0].Doc.Items) != 20 || p.Found[0].Newest[0].URL != "https://mfa.example/press/statement-0" {
		t.Errorf("found %+v; asked for %q", p.Found, asked)
	}
	if len(p.Found) > 0 && p.Found[0].Source.Title != "Press room of the ministry" {
		t.Errorf("title %q", p.Found[0].Source.Title)
	}
}

func firstKind(p Probed) string {
	if len(p.Found) == 0 {
		return ""
	}
	return p.Found[0].Source.Kind
}

func TestProbeFindsTheSitemapWhereThereIsNoList(t *testing.T) {
	urls := func(n int) string {
		var b strings.Builder
		b.WriteString(`<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">`)
		for i := range n {
			fmt.Fprintf(&b, "<url><loc>https://mfa.example/press/the-ministry-states-%d</loc><lastmod>%s</lastmod></url>", i, time.Now().Add(-time.Duration(i+1)*24*time.Hour).Format(time.DateOnly))
		}
		return b.String() + "</urlset>"
	}
	index := `<?xml version="1.0"?><sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><sitemap><loc>https://mfa.example/part.xml</loc></sitemap></sitemapindex>`
	for name, s := range map[string]probeSite{
		"one file": {"https://mfa.example/": "<html><body>Hello", "https://mfa.example/sitemap.xml": urls(30)},
		"an index": {"https://mfa.example/": "<html><body>Hello", "https://mfa.example/sitemap.xml": index, "https://mfa.example/part.xml": urls(30)},
		"named":    {"https://mfa.example/": "<html><body>Hello", "https://mfa.example/robots.txt": "Sitemap: /x/map.xml", "https://mfa.example/x/map.xml": urls(30)},
	} {
		p, asked := probed(t, s, "https://mfa.example/")
		if firstKind(p) != "sitemap" || len(p.Found[0].Doc.Items) != 30 {
			t.Errorf("%s: found %+v; asked for %q", name, p.Found, asked)
		}
	}
	a := Audit(t.Context(), tocsin.Source{ID: "x", Kind: "sitemap", URL: "https://mfa.example/sitemap.xml"}, probeSite{"https://mfa.example/sitemap.xml": index, "https://mfa.example/part.xml": urls(30)}.get(new([]string)))
	if a.Bad || a.Entries != 30 {
		t.Errorf("an index is audited as %+v", a)
	}
}

// The preview of a Telegram channel has this shape; the words are ours.
func TestTheSelectorsForATelegramChannelFindItsMessages(t *testing.T) {
	day := func(i int) string {
		return time.Now().Add(time.Duration(i-9) * 24 * time.Hour).UTC().Format(time.RFC3339)
	}
	var b strings.Builder
	b.WriteString(`<!doctype html><html><head><title>The ministry – Telegram</title></head><body><section class="tgme_channel_history">`)
	for i := range 5 {
		fmt.Fprintf(&b, `<div class="tgme_widget_message_wrap js-widget_message_wrap"><div class="tgme_widget_message" data-post="mfa/%d">
<a class="tgme_widget_message_owner_name" href="https://t.me/mfa"><span>The ministry</span></a>
<div class="tgme_widget_message_text js-message_text" dir="auto">The ministry says a thing, number %d.<br/>And more of it.</div>
<div class="tgme_widget_message_footer"><span>12K</span><a class="tgme_widget_message_date" href="https://t.me/mfa/%d"><time datetime="%s" class="time">09:00</time></a></div></div></div>`, i, i, i, day(i))
	}
	p, asked := probed(t, probeSite{"https://t.me/s/mfa": b.String() + "</section></body></html>"}, "https://t.me/mfa")
	if firstKind(p) != "page" || len(asked) != 1 || len(p.Found[0].Doc.Items) != 5 {
		t.Fatalf("found %+v; asked for %q", p, asked)
	}
	if e := p.Found[0].Newest[0]; e.URL != "https://t.me/mfa/4" || !strings.HasPrefix(e.Title, "The ministry says a thing, number 4.") || dateOf(e).UTC().Format(time.RFC3339) != day(4) {
		t.Errorf("the newest is %+v", e)
	}
}
