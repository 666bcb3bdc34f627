package feeds

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// listPage is a list page with entries, or with links and class of its own.
func listPage(class string, titles ...string) []byte {
	var b strings.Builder
	b.WriteString(`<html><body><nav><a href="/">Home</a></nav><main>`)
	for _, s := range titles {
		fmt.Fprintf(&b, `<div class="%s"><time datetime="2024-01-09">9 January</time><h3><a href="/n/%x">%s</a></h3></div>`, class, s, s)
	}
	b.WriteString("</main></body></html>")
	return []byte(b.String())
}

func numbered(from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("The minister answers question %d of the day", i))
	}
	return out
}

func urlset(entries ...string) []byte {
	var b strings.Builder
	b.WriteString("<urlset>")
	for _, e := range entries {
		loc, date, _ := strings.Cut(e, " ")
		fmt.Fprintf(&b, "<url><loc>https://host000.example/%s</loc><lastmod>%s</lastmod></url>", loc, date)
	}
	return []byte(b.String() + "</urlset>")
}

func indexOf(children ...string) []byte {
	return []byte("<sitemapindex><sitemap><loc>https://host000.example/" + strings.Join(children, "</loc></sitemap><sitemap><loc>https://host000.example/") + "</loc></sitemap></sitemapindex>")
}

// listedBench polls one source of a kind with the kinds of the build.
func listedBench(t *testing.T, kind string, l tocsin.Listing) (b *bench, s tocsin.Source, serve func(address string, body []byte)) {
	s = source(0)
	s.Kind, s.Listing = kind, l
	b = newBench(t, s)
	b.kinds = nil
	return b, s, func(address string, body []byte) {
		b.web.set(address, func(p *page) { p.body, p.err = body, nil })
	}
}

func (b *bench) titles(id string) (out []string) {
	for _, it := range b.mem.items(id) {
		if !it.Baseline {
			out = append(out, it.Title)
		}
	}
	return out
}

func TestPageWithoutItsEntriesIsSaidToHaveChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, serve := listedBench(t, "page", tocsin.Listing{Entry: ".item"})
		serve(s.URL, listPage("item", numbered(0, 12)...))
		b.start(t)
		after(time.Minute + 10*time.Second)
		serve(s.URL, listPage("card", numbered(0, 12)...))
		after(70 * time.Second)
		st := b.of(s.ID)
		if st.Condition != LayoutChanged || !strings.Contains(st.Err, `".item" finds nothing`) || !strings.Contains(st.Err, "the last good page had 12 entries") {
			t.Errorf("%s: %s", st.Condition, st.Err)
		}
		serve(s.URL, listPage("item", numbered(-1, 12)...))
		after(time.Hour + 10*time.Minute)
		if got := b.titles(s.ID); len(got) != 1 || b.of(s.ID).Condition != OK {
			t.Errorf("%q, %s", got, b.of(s.ID).Condition)
		}
		b.wantTroubles(t, "source/s000 page layout changed", "source/s000 page layout changed over")
	})
}

// TestDetectionKeepsToItsList: when another block of the page looks more like a
// list than the one that was read so far, it is still that one.
func TestDetectionKeepsToItsList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, serve := listedBench(t, "page", tocsin.Listing{})
		page := func(list, other []string) []byte {
			return []byte(string(listPage("item", list...)) + "<section>" + strings.ReplaceAll(string(listPage("event", other...)), "<h3>", "<h2>") + "</section>")
		}
		events := []string{"Exhibition of old maps", "A concert in the hall", "Open day of the archive"}
		serve(s.URL, page(numbered(0, 12), events))
		b.start(t)
		after(70 * time.Second)
		for i := range 20 {
			events = append(events, fmt.Sprintf("A long title of an event in the house and the garden, number %d of them", i))
		}
		serve(s.URL, page(numbered(-1, 4), events))
		after(70 * time.Second)
		if got := b.titles(s.ID); !slices.Equal(got, numbered(-1, 0)) {
			t.Errorf("new %q", got)
		}
	})
}

// TestNewSelectorsReadThePageAgain although the page itself is unchanged.
func TestNewSelectorsReadThePageAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, serve := listedBench(t, "page", tocsin.Listing{Entry: "h1"})
		serve(s.URL, []byte("<h1><a href=/0>The only headline of the page</a></h1>"+string(listPage("item", numbered(0, 12)...))))
		b.start(t)
		after(70 * time.Second)
		if n := len(b.mem.items(s.ID)); n != 1 {
			t.Fatalf("%d items, want the headline", n)
		}
		s.Listing.Entry = ".item"
		b.Set([]tocsin.Source{s})
		after(70 * time.Second)
		if n := len(b.mem.items(s.ID)); n != 13 {
			t.Errorf("%d items, want those of the new selector too", n)
		}
	})
}

func TestPageThatNeverHadEntriesIsNotReadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, serve := listedBench(t, "page", tocsin.Listing{Entry: ".item"})
		serve(s.URL, listPage("card", numbered(0, 12)...))
		b.start(t)
		after(time.Minute)
		if st := b.of(s.ID); st.Condition != NotFeed || !strings.Contains(st.Err, "listing.entry") {
			t.Errorf("%s: %s", st.Condition, st.Err)
		}
	})
}

// TestPageThatShrankIsReadAndSaid: one entry instead of twelve is published all
// the same, and after a week the page is as it is.
func TestPageThatShrankIsReadAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, serve := listedBench(t, "page", tocsin.Listing{Entry: ".item"})
		serve(s.URL, listPage("item", numbered(0, 12)...))
		b.start(t)
		after(70 * time.Second)
		serve(s.URL, listPage("item", "Something new on the page that shrank"))
		after(70 * time.Second)
		st := b.of(s.ID)
		if got := b.titles(s.ID); len(got) != 1 || st.Condition != LayoutChanged || !strings.Contains(st.Err, "1 entries now") || !strings.Contains(st.Err, "had 12 entries") {
			t.Errorf("%q, %s: %s", got, st.Condition, st.Err)
		}
		serve(s.URL, listPage("item", "Something else on the page that shrank"))
		after(70 * time.Second)
		if st := b.of(s.ID); st.Condition != LayoutChanged || !strings.Contains(st.Err, "had 13 entries") {
			t.Errorf("a minute later: %s: %s", st.Condition, st.Err)
		}
		for i := range 8 {
			after(24 * time.Hour)
			serve(s.URL, listPage("item", fmt.Sprintf("Something new on the page, day %d", i)))
		}
		after(2 * time.Minute)
		if st := b.of(s.ID); st.Condition != OK || len(b.titles(s.ID)) != 10 {
			t.Errorf("after a week: %s: %s, %q", st.Condition, st.Err, b.titles(s.ID))
		}
	})
}

func TestPageThatLostItsLinksIsReadAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, serve := listedBench(t, "page", tocsin.Listing{Entry: ".item", Title: "h3", Link: "a@href"})
		serve(s.URL, listPage("item", numbered(0, 12)...))
		b.start(t)
		after(70 * time.Second)
		bare := strings.ReplaceAll(string(listPage("item", numbered(-1, 11)...)), "href", "data-to")
		serve(s.URL, []byte(bare))
		after(70 * time.Second)
		st := b.of(s.ID)
		if got := b.titles(s.ID); len(got) != 1 || st.Condition != LayoutChanged || !strings.Contains(st.Err, "12 of 12 entries have no link") {
			t.Errorf("%q, %s: %s", got, st.Condition, st.Err)
		}
	})
}

func TestIndexOfSitemapsIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, serve := listedBench(t, "sitemap", tocsin.Listing{})
		one, two := "https://host000.example/one.xml", "https://host000.example/two.xml"
		serve(s.URL, indexOf("one.xml", "two.xml"))
		serve(one, urlset("first-of-one 2024-01-01", "second-of-one 2024-01-02"))
		serve(two, urlset("first-of-two 2024-01-01"))
		b.start(t)
		after(70 * time.Second)
		if n := len(b.mem.items(s.ID)); n != 3 || len(b.titles(s.ID)) != 0 {
			t.Errorf("%d items at first, new %q", n, b.titles(s.ID))
		}
		serve(two, urlset("first-of-two 2024-01-01", "second-of-two 2024-01-03"))
		after(70 * time.Second)
		if got := b.titles(s.ID); !slices.Equal(got, []string{"second of two"}) || b.of(s.ID).Condition != OK {
			t.Errorf("new %q, %s", got, b.of(s.ID).Condition)
		}
		b.web.mu.Lock()
		again := b.web.page(one).got
		b.web.mu.Unlock()
		if again != 1 {
			t.Errorf("a sitemap that is unchanged was read %d times", again)
		}
		b.web.set(one, func(p *page) {
			p.err = &fetch.Error{Kind: fetch.KindStatus, Status: 404, Where: "host000.example/one.xml", Err: errors.New("not found")}
		})
		serve(two, urlset("second-of-two 2024-01-03", "third-of-two 2024-01-04"))
		after(70 * time.Second)
		if got, st := b.titles(s.ID), b.of(s.ID); !slices.Equal(got, []string{"second of two", "third of two"}) || st.Condition != Repaired || !strings.Contains(strings.Join(st.Repairs, " "), "not fetched") {
			t.Errorf("new %q, %s %q", got, st.Condition, st.Repairs)
		}
	})
}

// TestOldPagesOfAnIndexAreNotNews: a sitemap that is read for the first time
// long after the source was begun holds what is old.
func TestOldPagesOfAnIndexAreNotNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, serve := listedBench(t, "sitemap", tocsin.Listing{})
		dated := func(old string) []byte {
			return []byte("<sitemapindex>" + strings.Repeat("<sitemap><loc>https://host000.example/a.xml</loc><lastmod>2000-01-02</lastmod></sitemap>", 1) +
				"<sitemap><loc>https://host000.example/b.xml</loc><lastmod>2000-01-02</lastmod></sitemap><sitemap><loc>https://host000.example/c.xml</loc><lastmod>2000-01-02</lastmod></sitemap>" +
				"<sitemap><loc>https://host000.example/old.xml</loc><lastmod>" + old + "</lastmod></sitemap></sitemapindex>")
		}
		serve(s.URL, dated("1999-01-01"))
		for _, c := range []string{"a", "b", "c"} {
			serve("https://host000.example/"+c+".xml", urlset("page-of-"+c+" 1999-12-01"))
		}
		serve("https://host000.example/old.xml", urlset("from-long-ago 1998-01-01", "also-long-ago 1998-01-02", "fresh-in-old 2000-01-01"))
		b.start(t)
		after(70 * time.Second)
		serve(s.URL, dated("2000-01-03"))
		after(70 * time.Second)
		if got := b.titles(s.ID); !slices.Equal(got, []string{"fresh in old"}) {
			t.Errorf("new %q", got)
		}
	})
}

// TestNothingNewIsMissedInALongSitemap: an entry is new if its address never
// stood there, whatever date it has, and not because its date has changed.
func TestNothingNewIsMissedInALongSitemap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, serve := listedBench(t, "sitemap", tocsin.Listing{})
		var all []string
		for i := range maxListed + 500 {
			all = append(all, fmt.Sprintf("page-number-%d 19%02d-01-01", i, 99-i/50))
		}
		serve(s.URL, urlset(all...))
		b.start(t)
		after(70 * time.Second)
		if n := len(b.mem.items(s.ID)); n != maxListed {
			t.Errorf("%d items at first, want %d", n, maxListed)
		}
		more := slices.Clone(all)
		more[maxListed+100] = fmt.Sprintf("page-number-%d 2000-01-01", maxListed+100) // only its date is new
		serve(s.URL, urlset(append(more, "put-in-with-an-old-date 1950-01-01", "put-in-without-a-date ")...))
		after(70 * time.Second)
		got := b.titles(s.ID)
		slices.Sort(got)
		if !slices.Equal(got, []string{"put in with an old date", "put in without a date"}) {
			t.Errorf("new %q", got)
		}
		b.stop()
		again := newBench(t, s) // a new process
		again.kinds, again.mem = nil, b.mem
		again.Poller.Log = b.mem
		again.web.set(s.URL, func(p *page) { p.body = urlset(append(more, "while-it-was-down 2000-01-01")...) })
		again.start(t)
		after(70 * time.Second)
		if got := again.titles(s.ID); !slices.Contains(got, "while it was down") || len(got) > 4 {
			t.Errorf("after a start %q", got)
		}
	})
}

// TestWhatWasNotStoredIsNotSeen: a failed append leaves the entry new.
func TestWhatWasNotStoredIsNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, serve := listedBench(t, "sitemap", tocsin.Listing{})
		child := "https://host000.example/one.xml"
		serve(s.URL, indexOf("one.xml"))
		serve(child, urlset("first-of-one 2024-01-01"))
		sick := &fullLog{memory: b.mem}
		b.Poller.Log = sick
		b.start(t)
		after(70 * time.Second)
		sick.full.Store(true)
		serve(child, urlset("first-of-one 2024-01-01", "second-of-one 2024-01-02"))
		after(70 * time.Second)
		sick.full.Store(false)
		after(70 * time.Second)
		if got := b.titles(s.ID); !slices.Equal(got, []string{"second of one"}) {
			t.Errorf("new %q", got)
		}
	})
}
