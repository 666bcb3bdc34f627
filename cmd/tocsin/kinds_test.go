package main

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// pages serves bodies by path, which may be changed.
type pages struct {
	by atomic.Pointer[map[string]string]
}

func (p *pages) put(changes map[string]string) {
	next := map[string]string{}
	if old := p.by.Load(); old != nil {
		maps.Copy(next, *old)
	}
	maps.Copy(next, changes)
	p.by.Store(&next)
}

func (p *pages) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, ok := (*p.by.Load())[q.URL.Path]
	if !ok {
		http.NotFound(w, q)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(body))
}

func listOf(class string, titles ...string) string {
	var b strings.Builder
	b.WriteString(`<html><head><title>Press</title></head><body><nav><a href="/">Home</a></nav><ul>`)
	for _, s := range titles {
		fmt.Fprintf(&b, `<li class="%s"><span>9 January 2024</span> <a href="/news/%x">%s</a></li>`, class, s, s)
	}
	return b.String() + `</ul></body></html>`
}

var quiet = []string{"The embassy has new opening hours", "A new consul takes up her office", "The minister visits the coast", "Travel advice was brought up to date"}

// TestAListPageAlertsOnce: what is put on a list page arrives once, by selectors
// and found out, and a page that was rebuilt is reported to operators.
func TestAListPageAlertsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		site := &pages{}
		site.put(map[string]string{"/press": listOf("item", quiet...), "/news": listOf("", quiet...)})
		r.edit("mfa.example", func(f *feed) { f.answer = site.ServeHTTP })
		r.start(r.config(`operators: [duty]
sources:
  - {id: chosen, kind: page, url: "http://mfa.example/press", lang: en, listing: {entry: li.item, title: a, link: a@href, date: span}}
  - {id: guessed, kind: page, url: "http://mfa.example/news", lang: en}
` + desk))
		time.Sleep(5 * time.Minute)
		site.put(map[string]string{"/press": listOf("item", append([]string{"On missiles that were chosen"}, quiet...)...)})
		time.Sleep(5 * time.Minute)
		site.put(map[string]string{"/news": listOf("", append([]string{"On missiles that were found"}, quiet...)...)})
		time.Sleep(5 * time.Minute)
		for _, title := range []string{"that were chosen", "that were found"} {
			if m := r.posts("C0000001", title); len(m) != 1 {
				t.Errorf("%s: %d messages, want 1", title, len(m))
			}
		}
		site.put(map[string]string{"/press": listOf("card", append([]string{"On missiles that were chosen"}, quiet...)...)})
		time.Sleep(10 * time.Minute)
		if m := r.posts("C0000009", "page layout changed"); len(m) != 1 || !strings.Contains(m[0].Text+string(m[0].Blocks), "5 entries") {
			t.Errorf("%d notices to operators of the page that was rebuilt, want 1 with the last good count: %+v", len(m), m)
		}
	})
}

// TestASitemapAlertsOnce: what a site puts into one of its sitemaps arrives once.
func TestASitemapAlertsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		site := &pages{}
		news := func(entries ...string) string {
			var b strings.Builder
			b.WriteString(`<urlset xmlns:news="n">`)
			for _, s := range entries {
				fmt.Fprintf(&b, "<url><loc>http://mod.example/%x</loc><news:news><news:title>%s</news:title><news:publication_date>2024-01-09</news:publication_date></news:news></url>", s, s)
			}
			return b.String() + "</urlset>"
		}
		plain := func(slugs ...string) string {
			return "<urlset><url><loc>http://mod.example/en/" + strings.Join(slugs, "</loc></url><url><loc>http://mod.example/en/") + "</loc></url></urlset>"
		}
		site.put(map[string]string{
			"/sitemap.xml": `<sitemapindex><sitemap><loc>http://mod.example/news.xml</loc></sitemap><sitemap><loc>http://mod.example/pages.xml</loc></sitemap></sitemapindex>`,
			"/news.xml":    news(quiet...), "/pages.xml": plain("about-the-ministry", "how-to-reach-us"),
		})
		r.edit("mod.example", func(f *feed) { f.answer = site.ServeHTTP })
		r.start(r.config(`sources:
  - {id: mod, kind: sitemap, url: "http://mod.example/sitemap.xml", lang: en}
` + desk))
		time.Sleep(5 * time.Minute)
		site.put(map[string]string{"/news.xml": news(append([]string{"On missiles in the news"}, quiet...)...)})
		time.Sleep(5 * time.Minute)
		site.put(map[string]string{"/pages.xml": plain("about-the-ministry", "statement-on-missiles-and-more", "how-to-reach-us")})
		time.Sleep(5 * time.Minute)
		for _, title := range []string{"On missiles in the news", "statement on missiles and more"} {
			if m := r.posts("C0000001", title); len(m) != 1 {
				t.Errorf("%s: %d messages, want 1", title, len(m))
			}
		}
	})
}
