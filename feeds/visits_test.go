package feeds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// A desk stands for the pipeline: it has new items visited, as that does.
type desk struct {
	*bench
	mu      sync.Mutex
	offered map[string]bool
	again   int
	raws    []tocsin.Raw
}

func newDesk(t *testing.T, sources ...tocsin.Source) *desk {
	d := &desk{bench: newBench(t, sources...), offered: map[string]bool{}}
	d.Keep = func(_ context.Context, r tocsin.Raw) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.raws = append(d.raws, r)
		return nil
	}
	d.Stored = func(_ context.Context, seq uint64) (tocsin.Item, error) {
		for _, r := range d.records() {
			if r.Seq == seq {
				return r.Item, nil
			}
		}
		return tocsin.Item{}, errors.New("no such record")
	}
	return d
}

func (d *desk) records() (out []Record) {
	d.mem.mu.Lock()
	defer d.mem.mu.Unlock()
	for _, recs := range d.mem.logs {
		out = append(out, recs...)
	}
	return out
}

// offer has the pages of all new items visited.
func (d *desk) offer() {
	for _, r := range d.records() {
		key := fmt.Sprint(r.Item.Source, r.Item.ID, r.Item.Rev)
		if d.offered[key] || r.Item.Baseline || r.Item.Page != nil || !r.Item.Withdrawn.IsZero() {
			continue
		}
		d.offered[key] = true
		d.Visit(r.Item, r.Seq, func(again bool) {
			d.mu.Lock()
			defer d.mu.Unlock()
			if again {
				d.again++
			}
		})
	}
}

// alert has an item watched as one of an alert.
func (d *desk) alert(title string, lacks ...string) tocsin.Item {
	var last Record
	for _, r := range d.records() {
		if r.Item.Title == title {
			last = r
		}
	}
	it := last.Item
	state := ""
	if it.Page != nil {
		state = it.Page.State
	}
	d.Watch(tocsin.Copy{Page: state, Source: it.Source, Item: it.ID, Rev: it.Rev, Seq: last.Seq, URL: it.URL, Seen: it.Seen, Baseline: it.Baseline, Withdrawn: it.Withdrawn}, lacks)
	return it
}

func (d *desk) serve(url, kind, body string) {
	d.web.set(url, func(p *page) { p.kind, p.body, p.err = kind, []byte(body), nil })
}

// redirect has an address lead to another.
func (d *desk) redirect(url, to, body string) {
	d.web.set(url, func(p *page) { p.kind, p.body, p.ends = "text/html", []byte(body), to })
}

func (d *desk) fail(url string, status int) {
	d.web.set(url, func(p *page) {
		p.err = &fetch.Error{Kind: fetch.KindStatus, Status: status, Where: "a page", Err: errors.New("status")}
	})
}

// lead has an address redirect to another.
func (d *desk) lead(url, to, body string) {
	d.web.set(url, func(p *page) { p.kind, p.body, p.err, p.ends = "text/html", []byte(body), nil, to })
}

// pageOf is the page of the last record of an item that has one.
func (d *desk) pageOf(source, title string) (page tocsin.Page) {
	for _, it := range d.mem.items(source) {
		if it.Title == title && it.Page != nil {
			page = *it.Page
		}
	}
	return page
}

// entryAt is an entry with an address of its own.
func entryAt(n int, site string) Entry {
	e := entry(n)
	e.URL = fmt.Sprintf("https://%s/statement/%d", site, n)
	return e
}

func article(paragraphs ...string) string {
	return `<html lang="fr"><head><title>News</title></head><body><nav><a href="/">Home</a></nav><main><article><p>` +
		strings.Join(paragraphs, "</p><p>") + `</p></article></main></body></html>`
}

const long = "The ministry said on Tuesday, in a statement that was read out to the press in the morning, that launchers had been handed over at the border and that it would publish what it knows of them."

// begin starts the desk and lets the source be read once, with entry 1.
func (d *desk) begin(t *testing.T, s tocsin.Source) {
	d.web.publish(s.URL, entryAt(1, hostOf(s.URL)))
	d.start(t)
	after(time.Minute)
}

// tell publishes further entries and lets them be read.
func (d *desk) tell(s tocsin.Source, entries ...Entry) {
	d.web.publish(s.URL, append(entries, entryAt(1, hostOf(s.URL)))...)
	after(2 * time.Minute)
	d.offer()
}

func TestPageOfANewItemIsStoredWithItAndDisturbsNoPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.serve(e.URL, "text/html; charset=utf-8", article(long, "Second paragraph."))
		d.tell(s, e)
		after(time.Minute)
		page := d.pageOf(s.ID, e.Title)
		if page.State != tocsin.PageRead || page.Text != long+"\n\nSecond paragraph." || page.Lang != "fr" || !strings.Contains(page.Rest, "Home") || page.At.IsZero() {
			t.Fatalf("page %+v", page)
		}
		items := d.mem.items(s.ID)
		if last := items[len(items)-1]; last.Rev != 1 || last.Text == "" || len(items) != 3 {
			t.Errorf("%d records, the last %+v", len(items), last)
		}
		got := d.web.gotten(s.URL)
		d.tell(s, entryAt(3, "pages.example"), e)
		if n := d.web.gotten(s.URL) - got; n != 1 {
			t.Errorf("a new document was fetched %d times: the page was not known as part of the log", n)
		}
		if n := len(d.web.asked(entryAt(1, hostOf(s.URL)).URL)); n != 0 {
			t.Errorf("the page of what was there at first was fetched %d times", n)
		}
		d.wantTroubles(t)
		d.stop()
	})
}

func TestPageIsStoredBehindWhatAnotherProcessWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.serve(e.URL, "text/html", article(long))
		d.web.set(e.URL, func(p *page) { p.delay = 5 * time.Second })
		d.tell(s, e)
		after(time.Second)
		other := tocsin.Item{V: 1, Source: s.ID, ID: "00000000000000ff", Rev: 1, Title: "another's", Text: long, Seen: time.Now()}
		if _, err := d.mem.append(s.ID, d.mem.logs[s.ID][1].Seq, []tocsin.Item{other}); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		if page := d.pageOf(s.ID, e.Title); page.State != tocsin.PageRead {
			t.Errorf("page %+v", page)
		}
		if n := len(d.mem.items(s.ID)); n != 4 || d.again != 0 {
			t.Errorf("%d records, %d to be done again", n, d.again)
		}
		d.stop()
	})
}

func TestPageOfARevisionThatIsNoLongerTheLatestIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.serve(e.URL, "text/html", article(long))
		d.web.set(e.URL, func(p *page) { p.delay = 3 * time.Minute })
		d.tell(s, e)
		e.Text += " It was corrected since."
		d.tell(s, e)
		after(10 * time.Minute)
		for _, it := range d.mem.items(s.ID) {
			if it.Page != nil && it.Rev != 2 {
				t.Errorf("the page was stored with revision %d", it.Rev)
			}
		}
		if d.pageOf(s.ID, e.Title).State != tocsin.PageRead {
			t.Error("the latest revision has no page")
		}
		d.stop()
	})
}

func TestPagesThatCannotBeReadSayWhy(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(d *desk, url string)
		state string
		say   string // in Why, or a document
		asked int
	}{
		{"a PDF by its type", func(d *desk, url string) { d.serve(url, "application/pdf", "%PDF-1.7") }, tocsin.PagePDF, "statement/2", 1},
		{"a PDF by its bytes", func(d *desk, url string) { d.serve(url, "text/html", "%PDF-1.7 …") }, tocsin.PagePDF, "statement/2", 1},
		{"a page that only links a PDF", func(d *desk, url string) {
			d.serve(url, "text/html", `<p>Read our statement</p><a href="/files/note.pdf">here</a>`)
		}, tocsin.PagePDF, "/files/note.pdf", 1},
		{"a page that keeps us out", func(d *desk, url string) {
			d.serve(url, "text/html", `<html><head><title>Just a moment...</title></head><body><p>Checking your browser</p></body></html>`)
		}, tocsin.PageUnread, "keeps programs out", 1},
		{"the first page of the site", func(d *desk, url string) { d.redirect(url, "https://pages.example/", article(long)) }, tocsin.PageUnread, "leads to the front page", 1},
		{"a page to log in", func(d *desk, url string) {
			d.redirect(url, "https://sso.pages.example/login?back=1", article(long))
		}, tocsin.PageUnread, "log in or consent", 1},
		{"an image", func(d *desk, url string) { d.serve(url, "image/png", "\x89PNG") }, tocsin.PageUnread, "it is image/png", 1},
		{"not there", func(d *desk, url string) { d.fail(url, 404) }, tocsin.PageGone, "", 4},
		{"refused", func(d *desk, url string) { d.fail(url, 403) }, tocsin.PageUnread, "status", 1},
		{"the front page", func(d *desk, url string) { d.lead(url, "https://www.pages.example/", article(long)) }, tocsin.PageUnread, "front page", 1},
		{"a page to log in", func(d *desk, url string) {
			d.lead(url, "https://id.pages.example/login?next=2", `<html><h1>Members</h1><input type="password"></html>`)
		}, tocsin.PageUnread, "password", 1},
		{"a banner", func(d *desk, url string) {
			d.serve(url, "text/html", `<html><body><p>We value your privacy. <button>Accept all</button></body></html>`)
		}, tocsin.PageUnread, "consent", 1},
		{"a short statement with a form to log in", func(d *desk, url string) {
			d.serve(url, "text/html", `<html><title>`+entryAt(2, "").Title+`</title><form>Log in <input type="password"></form><p>`+long+`</html>`)
		}, tocsin.PageRead, "", 1},
		{"a failing server", func(d *desk, url string) { d.fail(url, 502) }, tocsin.PageUnread, "status", 4},
		{"no answer", func(d *desk, url string) { d.web.set(url, func(p *page) { p.err = netErr() }) }, tocsin.PageUnread, "no answer", 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := source(1)
				d := newDesk(t, s)
				d.begin(t, s)
				e := entryAt(2, "pages.example")
				e.Text = "A short notice."
				tt.serve(d, e.URL)
				d.tell(s, e)
				after(time.Hour)
				page := d.pageOf(s.ID, e.Title)
				if page.State != tt.state || !strings.Contains(page.Why+strings.Join(page.Documents, " "), tt.say) {
					t.Errorf("page %+v, want %s: %s", page, tt.state, tt.say)
				}
				if n := len(d.web.asked(e.URL)); n != tt.asked {
					t.Errorf("asked %d times, want %d", n, tt.asked)
				}
				d.stop()
			})
		})
	}
}

func TestPageThatAppearsALittleLaterIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.fail(e.URL, 404)
		d.tell(s, e)
		after(5 * time.Second)
		d.serve(e.URL, "text/html", article(long))
		after(time.Minute)
		if page := d.pageOf(s.ID, e.Title); page.State != tocsin.PageRead {
			t.Errorf("page %+v", page)
		}
		d.stop()
	})
}

func TestSiteThatRefusesItsPagesIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		var all []Entry
		for n := range 20 {
			e := entryAt(n+2, "closed.example")
			d.fail(e.URL, 403)
			all = append(all, e)
		}
		slow := entryAt(50, "open.example")
		d.serve(slow.URL, "text/html", article(long))
		d.tell(s, append(all, slow)...)
		after(5 * time.Minute)
		asked := 0
		for _, e := range all {
			asked += len(d.web.asked(e.URL))
		}
		if asked != refusals {
			t.Errorf("a site that refuses was asked %d times, want %d", asked, refusals)
		}
		if d.pageOf(s.ID, slow.Title).State != tocsin.PageRead {
			t.Error("another site's page was not read")
		}
		d.stop()
	})
}

func TestEvidenceIsWhatWasFetchedAndIsKeptOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.serve(e.URL, "text/html", article(long))
		d.tell(s, e)
		it := d.alert(e.Title, tocsin.RawDocument, tocsin.RawPage)
		after(time.Minute)
		var of []string
		for _, r := range d.raws {
			of = append(of, r.Of)
			if r.Source != s.ID || r.Item != it.ID || r.Rev != 1 || r.At.IsZero() || r.Address == "" || len(r.Body) == 0 {
				t.Errorf("evidence %+v", r)
			}
		}
		if slices.Sort(of); !slices.Equal(of, []string{tocsin.RawDocument, tocsin.RawPage}) {
			t.Errorf("evidence of %q", of)
		}
		if n := len(d.web.asked(e.URL)); n != 1 {
			t.Errorf("the page was fetched %d times, for text and evidence", n)
		}
		if n := d.web.page(s.URL).got; n != 2 {
			t.Errorf("the document was fetched %d times", n)
		}
		d.stop()
	})
}

func TestEvidenceOfARevisionIsNotThatOfTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.serve(e.URL, "text/html", article(long))
		d.tell(s, e)
		after(time.Minute)
		d.serve(e.URL, "text/html", article(long, "Corrected."))
		e.Text += " Corrected."
		d.web.publish(s.URL, e, entryAt(1, hostOf(s.URL)))
		after(2 * time.Minute)
		d.alert(e.Title, tocsin.RawPage) // before the page of the revision was fetched
		d.offer()
		after(time.Minute)
		if len(d.raws) != 1 || d.raws[0].Rev != 2 || !strings.Contains(string(d.raws[0].Body), "Corrected.") {
			t.Errorf("evidence %+v", d.raws)
		}
		d.stop()
	})
}

func TestEvidenceThatACrashLostIsFetchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.serve(e.URL, "text/html", article(long))
		d.tell(s, e)
		after(time.Minute)
		d.visits.recent = recent{}
		d.alert(e.Title, tocsin.RawDocument, tocsin.RawPage)
		after(time.Minute)
		if len(d.raws) != 2 || len(d.web.asked(e.URL)) != 2 {
			t.Errorf("%d pieces of evidence, the page fetched %d times", len(d.raws), len(d.web.asked(e.URL)))
		}
		d.stop()
	})
}

func TestVanishedItemOfAnAlertIsWithdrawnWhenItsPageIsGone(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(d *desk, url string)
		alert  bool
		want   bool
	}{
		{"404, and again", func(d *desk, url string) { d.fail(url, 404) }, true, true},
		{"410", func(d *desk, url string) { d.fail(url, 410) }, true, true},
		{"still there", func(*desk, string) {}, true, false},
		{"refused", func(d *desk, url string) { d.fail(url, 403) }, true, false},
		{"no answer", func(d *desk, url string) { d.web.set(url, func(p *page) { p.err = netErr() }) }, true, false},
		{"an accident", func(d *desk, url string) {
			d.fail(url, 404)
			go func() {
				for n := len(d.web.asked(url)); len(d.web.asked(url)) == n; {
					time.Sleep(time.Second)
				}
				d.serve(url, "text/html", article(long))
			}()
		}, true, false},
		{"the front page instead", func(d *desk, url string) { d.lead(url, "https://pages.example/", article(long)) }, true, true},
		{"a page elsewhere", func(d *desk, url string) {
			d.lead(url, "https://archive.pages.example/2", article(long))
		}, true, false},
		{"no alert's", func(d *desk, url string) { d.fail(url, 404) }, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := source(1)
				d := newDesk(t, s)
				d.begin(t, s)
				e := entryAt(2, "pages.example")
				d.serve(e.URL, "text/html", article(long))
				d.tell(s, e)
				after(time.Minute)
				if tt.alert {
					d.alert(e.Title)
				}
				tt.answer(d, e.URL)
				d.tell(s)
				after(5 * time.Minute)
				items := d.mem.items(s.ID)
				last := items[len(items)-1]
				if got := !last.Withdrawn.IsZero(); got != tt.want {
					t.Fatalf("withdrawn is %v; the last record is %+v", got, last)
				}
				if tt.want && (last.Rev != 1 || last.Text == "" || last.Page == nil) {
					t.Errorf("the record of the withdrawal is %+v", last)
				}
				d.stop()
			})
		})
	}
}

func TestItemInItsSourceIsNeverLookedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.serve(e.URL, "text/html", article(long))
		d.tell(s, e)
		after(time.Minute)
		d.alert(e.Title)
		after(48 * time.Hour)
		if n := len(d.web.asked(e.URL)); n != 1 {
			t.Errorf("its page was asked for %d times", n)
		}
		d.stop()
	})
}

func TestVanishedItemIsLookedForFirstOftenThenDaily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.serve(e.URL, "text/html", article(long))
		d.tell(s, e)
		after(time.Minute)
		d.alert(e.Title)
		d.tell(s)
		after(10 * 24 * time.Hour)
		if n := len(d.web.asked(e.URL)) - 1; n < 12 || n > 15 {
			t.Errorf("looked for %d times in ten days, want at once, after 10 minutes, 1 hour, 6 hours and then daily", n)
		}
		after(presenceFor)
		asked := len(d.web.asked(e.URL))
		after(5 * 24 * time.Hour)
		if n := len(d.web.asked(e.URL)) - asked; n != 0 {
			t.Errorf("looked for %d times after %v", n, presenceFor)
		}
		d.stop()
	})
}

func TestWhatIsTakenAwayLaterIsWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.serve(e.URL, "text/html", article(long))
		d.tell(s, e)
		after(time.Minute)
		d.alert(e.Title)
		d.tell(s)
		after(10 * 24 * time.Hour)
		d.fail(e.URL, 410)
		after(25 * time.Hour)
		items := d.mem.items(s.ID)
		if items[len(items)-1].Withdrawn.IsZero() {
			t.Error("what was taken away later is not told as withdrawn")
		}
		d.stop()
	})
}

func TestWithdrawnItemThatComesBackIsARevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.serve(e.URL, "text/html", article(long))
		d.tell(s, e)
		after(time.Minute)
		d.alert(e.Title)
		d.fail(e.URL, 410)
		d.tell(s)
		after(time.Minute)
		d.stop()

		n := &desk{bench: newBench(t, s), offered: map[string]bool{}} // what it knows is in the log and the state
		n.mem, n.Log = d.mem, d.mem
		n.web.publish(s.URL, e, entryAt(1, hostOf(s.URL)))
		n.start(t)
		after(2 * time.Minute)
		items := n.mem.items(s.ID)
		if last := items[len(items)-1]; last.Rev != 2 || !last.Withdrawn.IsZero() || last.Title != e.Title {
			t.Errorf("the last record is %+v", last)
		}
		n.stop()
	})
}

func TestWhatStandsOnSeveralPagesOfASiteIsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		const stock = "The ministry informs the public about its work on this site, and asks that its texts be quoted with their source in all that is published, printed or sent."
		var all []Entry
		for n := range 6 {
			e := entryAt(n+2, "pages.example")
			d.serve(e.URL, "text/html", article(fmt.Sprintf("%s Number %d.", long, n), fmt.Sprintf("A second paragraph that only this page has, about matter number %d of the day and what follows from it.", n), stock))
			all = append(all, e)
		}
		d.tell(s, all...)
		after(time.Minute)
		with, without := 0, 0
		for _, e := range all {
			page := d.pageOf(s.ID, e.Title)
			switch {
			case strings.Contains(page.Text, stock):
				with++
			case strings.Contains(page.Rest, stock) && strings.Contains(page.Text, "Number"):
				without++
			}
		}
		if with != repeated || without != len(all)-repeated {
			t.Errorf("the block counts as text on %d pages and as rest on %d, want %d and %d", with, without, repeated, len(all)-repeated)
		}
		same := entryAt(20, "pages.example") // a reprint: all of it stands elsewhere
		for range repeated + 1 {
			same.URL += "x"
			d.visits.boilerplate("pages.example", same.URL, long+"\n\n"+stock)
		}
		if d.visits.boilerplate("pages.example", same.URL+"y", long+"\n\n"+stock) != nil {
			t.Error("a reprint loses its text")
		}
		d.stop()
	})
}

func TestPageInAnotherCharsetIsRead(t *testing.T) {
	const want = "Заявление министерства"
	cp1251 := "\xc7\xe0\xff\xe2\xeb\xe5\xed\xe8\xe5 \xec\xe8\xed\xe8\xf1\xf2\xe5\xf0\xf1\xf2\xe2\xe0"
	for name, r := range map[string]fetch.Response{
		"by header": {Type: "text/html; charset=windows-1251", Body: []byte("<p>" + cp1251)},
		"by meta":   {Type: "text/html", Body: []byte(`<meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><p>` + cp1251)},
		"as UTF-8":  {Type: "text/html", Body: []byte("<p>" + want)},
	} {
		if got := pageText(r, "ru"); !strings.Contains(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestVisitOfAnItemWithoutAPageOfItsOwnIsDoneAtOnce(t *testing.T) {
	s := source(1)
	for address, want := range map[string]bool{
		"": false, "mailto:press@host001.example": false, "https://host001.example/": false, s.URL: false, "http://www.host001.example/feed": false,
		"https://host001.example/statement": true,
	} {
		if got := worthAVisit(address, s); got != want {
			t.Errorf("worthAVisit(%q) = %v", address, got)
		}
	}
}

func TestItemThatAlwaysLedToTheFrontPageIsNotWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.lead(e.URL, "https://pages.example/", article(long))
		d.tell(s, e)
		after(time.Minute)
		d.alert(e.Title)
		d.tell(s)
		after(48 * time.Hour)
		for _, it := range d.mem.items(s.ID) {
			if !it.Withdrawn.IsZero() {
				t.Errorf("withdrawn: %+v", it)
			}
		}
		d.stop()
	})
}

func TestPageOfAnAlertGoesBeforeOthersOfABusySite(t *testing.T) {
	now := time.Now()
	var v visits
	v.init()
	for i := range 50 {
		v.add(&visit{visitKey: visitKey{"s", fmt.Sprint(i), forText}, url: "https://pages.example/a", next: now.Add(-time.Minute)}, false)
	}
	v.site("pages.example").free = now.Add(siteGap)
	v.due(now)
	v.add(&visit{visitKey: visitKey{"s", "alert", forText}, url: "https://pages.example/b"}, true)
	v.due(now)
	if n, _ := v.due(now.Add(siteGap)); n == nil || n.visitKey.item != "alert" {
		t.Errorf("the first is %+v", n)
	}
}

func TestNoPageIsFetchedWhileNothingCanBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		var low atomic.Bool
		d.Paused = low.Load
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.serve(e.URL, "text/html", article(long))
		d.web.publish(s.URL, e)
		after(2 * time.Minute)
		low.Store(true)
		d.offer()
		after(time.Minute)
		if n := len(d.web.asked(e.URL)); n != 0 {
			t.Errorf("asked %d times", n)
		}
		low.Store(false)
		after(time.Minute)
		if d.pageOf(s.ID, e.Title).State != tocsin.PageRead {
			t.Error("not read afterwards")
		}
		d.stop()
	})
}

func TestItemOfARemovedSourceIsLookedForNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		d := newDesk(t, s)
		d.begin(t, s)
		e := entryAt(2, "pages.example")
		d.serve(e.URL, "text/html", article(long))
		d.tell(s, e)
		d.alert(e.Title)
		d.tell(s)
		d.Set(nil)
		n := len(d.web.asked(e.URL))
		after(72 * time.Hour)
		if more := len(d.web.asked(e.URL)); more > n {
			t.Errorf("asked %d times after its source was removed", more-n)
		}
		d.stop()
	})
}
