package feeds

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/feeds/fetch"
)

func titles(b *bench, id string) (out []string) {
	for _, it := range b.mem.items(id) {
		out = append(out, it.Title)
	}
	return out
}

func TestAnOverrunIsFilledFromTheArchiveOldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		s.Archive = "https://host001.example/all"
		b := newBench(t, s)
		b.web.publish(s.URL, entries(1, 5)...)
		b.start(t)
		after(10 * time.Minute)
		bare := change(entries(1, 30), func(e *Entry) { e.GUID, e.Text, e.Summary = "", "", "" }) // as a list page has them
		b.web.publish(s.Archive, bare...)
		b.web.publish(s.URL, entries(16, 20)...)
		after(3 * time.Minute)
		want := titlesOf(1, 20)
		if got := titles(b, s.ID); !slices.Equal(got, want) {
			t.Errorf("items %q, want %q", got, want)
		}
		st := b.of(s.ID)
		if len(st.Gaps) != 1 || !st.Gaps[0].Closed || st.Gaps[0].Filled != 10 || st.Gaps[0].Lost != 5 || st.Condition != OK || st.Entries != 5 {
			t.Errorf("status %+v", st)
		}
		asked := len(b.web.asked(s.Archive))
		b.web.publish(s.URL, entries(18, 22)...) // what was found further back is not taken for what has left
		after(10 * time.Minute)
		if n := len(b.web.asked(s.Archive)); n != asked || asked != 1 || len(b.of(s.ID).Gaps) != 1 {
			t.Errorf("the archive was read %d times, gaps %+v", n, b.of(s.ID).Gaps)
		}
		if got := titles(b, s.ID); !slices.Equal(got, titlesOf(1, 22)) {
			t.Errorf("items %q", got)
		}
		b.stop()
	})
}

func TestAGapThatCannotBeFilledIsTheStateAndSaysWhatMayBeMissing(t *testing.T) {
	for name, archive := range map[string]func(p *page){
		"none":                nil,
		"fails":               func(p *page) { p.err = errors.New("no answer") },
		"of something else":   func(p *page) { p.doc.Items = entries(100, 120) },
		"behind":              func(p *page) { p.doc.Items = entries(1, 5) },
		"does not reach back": func(p *page) { p.doc.Items = entries(12, 20) },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := source(1)
			if archive != nil {
				s.Archive = "https://host001.example/all"
			}
			b := newBench(t, s)
			b.web.publish(s.URL, entries(1, 5)...)
			b.start(t)
			after(10 * time.Minute)
			if archive != nil {
				b.web.set(s.Archive, archive)
			}
			b.web.publish(s.URL, entries(16, 20)...)
			after(3 * time.Minute)
			want := append(titlesOf(1, 5), titlesOf(16, 20)...)
			if name == "does not reach back" {
				want = append(titlesOf(1, 5), titlesOf(12, 20)...)
			}
			if got := titles(b, s.ID); !slices.Equal(got, want) {
				t.Errorf("%s: items %q, want %q", name, got, want)
			}
			st := b.of(s.ID)
			if st.Condition != Overran || len(st.Gaps) != 1 || st.Gaps[0].Closed || st.Gaps[0].From.IsZero() || st.Gaps[0].Why == "" || st.Do == "" {
				t.Errorf("%s: status %+v", name, st)
			}
			b.wantTroubles(t, "source/s001 overrun")
			if text := b.troubles[0].Text; !strings.Contains(text, "items may be missing") {
				t.Errorf("%s: %q", name, text)
			}
			after(25 * time.Hour)
			b.wantTroubles(t, "source/s001 overrun", "source/s001 overrun over")
			if st := b.of(s.ID); st.Condition != OK || len(st.Gaps) != 1 {
				t.Errorf("%s: a day later %+v", name, st)
			}
			b.stop()
		})
	}
}

func TestAPinnedEntryDoesNotHideAnOverrun(t *testing.T) {
	r := newReading(t)
	r.read(append(entries(2, 6), entry(1))...)
	r.read(append(entries(4, 8), entry(1))...)
	if n := r.noted(Overrun); n != 0 {
		t.Fatalf("%d overruns while some are left", n)
	}
	r.read(append(entries(12, 16), entry(1))...)
	if n := r.noted(Overrun); n != 1 {
		t.Errorf("%d overruns, want 1 although the pinned entry stays", n)
	}
}

func TestWhatIsTakenDownIsNoOverrun(t *testing.T) {
	r := newReading(t)
	r.read(entries(1, 6)...)
	r.read(entries(1, 5)...)
	r.read(append(entries(6, 7), entries(1, 4)...)...)
	r.read(append(entries(8, 9), entries(1, 3)...)...)
	if n := r.noted(Overrun); n != 1 { // 6 and 7 went as 8 and 9 came: that may hide others
		t.Errorf("%d overruns: %+v", n, r.notes)
	}
}

func TestAFeedNamesItsOlderPages(t *testing.T) {
	for body, want := range map[string]string{
		`<feed xmlns="http://www.w3.org/2005/Atom"><link rel="self" href="/f"/><link rel="prev-archive" href="/f/2026-01"/><entry/></feed>`:                                 "https://a.example/f/2026-01",
		`<feed><link href='https://a.example/f?page=2&amp;x=1' rel='next'/><entry><link rel="prev-archive" href="/no"/></entry></feed>`:                                     "https://a.example/f?page=2&x=1",
		`<rss><channel><atom:link rel="next" href="https://other.example/f"/><item/></channel></rss>`:                                                                       "",
		`<?xml version="1.0"?><rss version="2.0"><channel><title>t</title><generator>https://wordpress.org/?v=6.4</generator><item><title>a</title></item></channel></rss>`: "https://a.example/f?paged=2",
		`<rss><channel><title>t</title><item><title>generator wordpress</title></item></channel></rss>`:                                                                     "",
		`{"version": "https://jsonfeed.org/version/1.1", "next_url": "https://a.example/f2", "items": []}`:                                                                  "https://a.example/f2",
		`{"next_url": "javascript:alert(1)"}`: "",
	} {
		if got := olderThan(fetch.Response{URL: "https://a.example/f", Body: []byte(body)}); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	if got := olderThan(fetch.Response{URL: "https://a.example/f?paged=2", Body: []byte(`<rss><channel><generator>WordPress</generator></channel></rss>`)}); got != "https://a.example/f?paged=3" {
		t.Errorf("page 3: %q", got)
	}
}

func TestAnOverrunIsFilledFromPagesThatTheFeedNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.kinds = nil
		rss := func(next string, from, to int) []byte {
			var out strings.Builder
			out.WriteString(`<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>t</title>`)
			if next != "" {
				fmt.Fprintf(&out, `<atom:link rel="next" href="%s"/>`, next)
			}
			for _, e := range entries(from, to) {
				fmt.Fprintf(&out, "<item><guid>%s</guid><link>%s</link><title>%s</title><description>%s</description></item>", e.GUID, e.URL, e.Title, e.Text)
			}
			return []byte(out.String() + `</channel></rss>`)
		}
		b.web.set(s.URL, func(p *page) { p.body = rss("/2", 1, 5) })
		b.start(t)
		after(10 * time.Minute)
		b.web.set("https://host001.example/2", func(p *page) { p.body = rss("/3", 11, 15) })
		b.web.set("https://host001.example/3", func(p *page) { p.body = rss("/4", 4, 10) })
		b.web.set(s.URL, func(p *page) { p.body = rss("/2", 16, 20) })
		after(3 * time.Minute)
		if got := titles(b, s.ID); !slices.Equal(got, titlesOf(1, 20)) {
			t.Errorf("items %q", got)
		}
		if st := b.of(s.ID); len(st.Gaps) != 1 || !st.Gaps[0].Closed || st.Gaps[0].Filled != 10 {
			t.Errorf("status %+v", st)
		}
		if n := len(b.web.asked("https://host001.example/4")); n != 0 {
			t.Errorf("read further than what was known")
		}
		b.stop()
	})
}

// Whatever stands where a feed or an archive was, it is looked at without harm.
func FuzzLookAround(f *testing.F) {
	f.Add([]byte(`<!doctype html><title>Log in</title><input type="password">`), "https://a.example/login")
	f.Add([]byte(`<rss><channel><atom:link rel="next" href="/2"/><generator>WordPress</generator>`), "https://a.example/f?paged=99999999999999999999")
	f.Add([]byte(`{"next_url": "//"}`), "::")
	f.Add([]byte("<html><meta charset=\"utf-16\"><script>"), "")
	f.Fuzz(func(t *testing.T, body []byte, at string) {
		r := fetch.Response{URL: at, Body: body}
		if c, what := wall("https://a.example/f", r); (c == "") != (what == "") {
			t.Errorf("%q %q", c, what)
		}
		if to := olderThan(r); to != "" && !sameSite(to, at) {
			t.Errorf("%q leads to %q", at, to)
		}
	})
}
