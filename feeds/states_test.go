package feeds

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

func tlsErr(cause error) error {
	return &fetch.Error{Kind: fetch.KindTLS, Where: "host.example/feed", Err: fmt.Errorf("tls: failed to verify certificate: %w", cause)}
}

func statusErr(code int) error {
	return &fetch.Error{Kind: fetch.KindStatus, Status: code, Where: "host.example/feed", Err: fmt.Errorf("the server answered %d", code)}
}

// A fault makes a source that was well be in a condition.
type fault struct {
	name   string
	want   Condition
	inject func(p *page)
	moved  string
}

func htmlPage(title, body string) []byte {
	return []byte("<!DOCTYPE html><html><head><title>" + title + "</title></head><body>" + body + "</body></html>")
}

var faults = []fault{
	{name: "no answer", want: Unreachable, inject: func(p *page) { p.err = netErr() }},
	{name: "server error", want: Unreachable, inject: func(p *page) { p.err = statusErr(502) }},
	{name: "refused", want: Blocked, inject: func(p *page) { p.err = statusErr(403) }},
	{name: "guard", want: Blocked, inject: func(p *page) { p.err = &fetch.Error{Kind: fetch.KindBlocked, Err: errors.New("a private address")} }},
	{name: "bot page", want: Blocked, inject: func(p *page) { p.body = htmlPage("Just a moment...", "<script>cf_chl()</script>") }},
	{name: "login form", want: Login, inject: func(p *page) { p.body = htmlPage("Portal", `<form><input name=u><input type="password"></form>`) }},
	{name: "consent page", want: Login, inject: func(p *page) { p.body = htmlPage("Bevor Sie fortfahren", "<button>Alle akzeptieren</button>") }},
	{name: "page instead of the feed", want: NoLonger, inject: func(p *page) { p.body = htmlPage("News", "<h1>Our new site</h1>") }},
	{name: "gone", want: Gone, inject: func(p *page) { p.err = statusErr(410) }},
	{name: "too large", want: BadAnswer, inject: func(p *page) { p.err = &fetch.Error{Kind: fetch.KindTooLarge, Err: errors.New("more than 8 MiB")} }},
	{name: "expired", want: Certificate, inject: func(p *page) {
		p.err = tlsErr(x509.CertificateInvalidError{Reason: x509.Expired, Cert: &x509.Certificate{}})
	}},
	{name: "wrong name", want: Certificate, inject: func(p *page) { p.err = tlsErr(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}) }},
	{name: "incomplete chain", want: Certificate, inject: func(p *page) {
		p.err = tlsErr(&tls.CertificateVerificationError{UnverifiedCertificates: []*x509.Certificate{{}}, Err: x509.UnknownAuthorityError{}})
	}},
	{name: "emptied", want: Empty, inject: func(p *page) { p.doc.Items = nil }},
	{name: "collapsed", want: Shrunk, inject: func(p *page) { p.doc.Items = p.doc.Items[len(p.doc.Items)-2:] }},
	{name: "overrun", want: Overran, inject: func(p *page) { p.doc.Items = entries(500, 511) }},
	{name: "moved", want: Moved, moved: "https://new.example/feed", inject: func(p *page) { p.moved = "https://new.example/feed" }},
	{name: "repaired", want: Repaired, inject: func(p *page) { p.doc.Repairs = []string{"a bare & was read as text"} }},
	{name: "panic", want: ParseFailed, inject: func(p *page) { p.body = []byte("panic") }},
	{name: "asked to wait", want: Limited, inject: func(p *page) {
		p.err = &fetch.Error{Kind: fetch.KindStatus, Status: 429, RetryAfter: 10 * time.Minute, Err: errors.New("429")}
	}},
}

func TestEachFaultOf500SourcesIsReportedAsWhatItIsWithinThreePolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := sources(500)
		b := newBench(t, all...)
		for _, s := range all {
			b.web.publish(s.URL, entries(1, 12)...)
		}
		b.start(t)
		after(5 * time.Minute)
		for _, s := range all {
			if c := b.of(s.ID).Condition; c != OK {
				t.Fatalf("%s is %s before any fault", s.ID, c)
			}
		}
		faulty := map[string]fault{}
		asked := map[string]int{}
		for i, s := range all {
			asked[s.ID] = len(b.web.asked(s.URL))
			if i%4 == 0 { // as many as can fail without being our outage
				f := faults[i/4%len(faults)]
				faulty[s.ID] = f
				b.web.set(s.URL, f.inject)
				if f.moved != "" {
					b.web.publish(f.moved, entries(1, 12)...)
				}
			}
		}
		polls := map[string]int{} // until the state was right
		for range 40 {
			after(15 * time.Second)
			for _, st := range b.Status() {
				if f, ok := faulty[st.Source.ID]; ok && polls[st.Source.ID] == 0 && st.Condition == f.want {
					polls[st.Source.ID] = len(b.web.asked(st.Source.URL)) - asked[st.Source.ID]
				}
			}
		}
		told := map[string]Condition{}
		for _, x := range b.troubles {
			told[x.Source] = x.State
		}
		right := map[string]int{}
		for _, st := range b.Status() {
			f, ok := faulty[st.Source.ID]
			if !ok {
				if st.Condition != OK || told[st.Source.ID] != "" {
					t.Errorf("%s has no fault and is %s, told %q", st.Source.ID, st.Condition, told[st.Source.ID])
				}
				continue
			}
			n := polls[st.Source.ID]
			if n == 0 || n > 3 || st.Since.IsZero() || st.Success.IsZero() || st.Do == "" {
				t.Errorf("%s, %s: right after %d polls, %+v", st.Source.ID, f.name, n, st)
			}
			if f.want != Limited && told[st.Source.ID] != f.want {
				t.Errorf("%s, %s: told as %q", st.Source.ID, f.name, told[st.Source.ID])
			}
			if n > 0 && n <= 3 {
				right[f.name]++
			}
		}
		for _, name := range slices.Sorted(maps.Keys(right)) {
			t.Logf("%-26s %d sources right within 3 polls", name, right[name])
		}
		b.stop()
	})
}

func TestAFrozenSourceIsReportedWithinTheGapThatItsRhythmAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		s.Every = 10 * time.Minute
		b := newBench(t, s)
		n := 5
		b.web.publish(s.URL, entries(1, n)...)
		b.start(t)
		for range 60 {
			after(6 * time.Hour)
			n++
			b.web.publish(s.URL, entries(n-5, n)...)
		}
		after(time.Hour)
		last := time.Now()
		st := b.of(s.ID)
		if st.Condition != OK || st.Allows.IsZero() || st.Allows.Sub(last) > 7*24*time.Hour {
			t.Fatalf("status %+v", st)
		}
		time.Sleep(time.Until(st.Allows) - time.Minute)
		synctest.Wait()
		if st := b.of(s.ID); st.Condition != OK {
			t.Errorf("frozen too early: %+v", st)
		}
		after(15 * time.Minute)
		if st := b.of(s.ID); st.Condition != Frozen || !st.NewItem.Before(last) {
			t.Errorf("status %+v", st)
		}
		b.wantTroubles(t, "source/s001 frozen")
		if text := b.troubles[0].Text; !strings.Contains(text, "silent for ") || !strings.Contains(text, "usually no longer than 6 hours") {
			t.Errorf("%q", text)
		}
		b.web.publish(s.URL, entries(n-4, n+1)...)
		after(20 * time.Minute)
		b.wantTroubles(t, "source/s001 frozen", "source/s001 frozen over")
		b.stop()
	})
}

func TestAMoveIsProposedAtOnceAndAppliedAfterThreeSightsHoursApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		to := "https://new.example/feed"
		b := newBench(t, s)
		b.web.publish(s.URL, entries(1, 5)...)
		b.web.publish(to, entries(1, 6)...)
		b.start(t)
		after(10 * time.Minute)
		b.web.set(s.URL, func(p *page) { p.moved = to })
		after(3 * time.Minute)
		if st := b.of(s.ID); st.Condition != Moved || st.Moved != to || !st.Move.Applied.IsZero() {
			t.Errorf("status %+v", st)
		}
		b.wantTroubles(t, "source/s001/moved moved")
		after(11 * time.Hour)
		if n := len(b.web.asked(to)); n != 0 {
			t.Errorf("the new address was polled %d times before the third sight", n)
		}
		after(2 * time.Hour)
		st := b.of(s.ID)
		if len(b.web.asked(to)) == 0 || st.Move.Applied.IsZero() || st.Source.URL != s.URL {
			t.Errorf("not applied: %+v", st)
		}
		if n := len(b.mem.items(s.ID)); n != 6 {
			t.Errorf("%d items, want 6: what is known stays known", n)
		}
		old := len(b.web.asked(s.URL))
		after(time.Hour)
		if n := len(b.web.asked(s.URL)); n != old {
			t.Errorf("the old address was polled %d more times", n-old)
		}
		b.web.set(to, func(p *page) { p.body = htmlPage("Portal", `<input type="password">`) })
		b.web.set(s.URL, func(p *page) { p.moved = "" })
		after(3 * time.Hour)
		if st := b.of(s.ID); st.Condition != OK || st.Moved != "" || len(b.web.asked(s.URL)) == old {
			t.Errorf("a move that broke was not taken back: %+v", st)
		}
		b.stop()
	})
}

func TestARedirectThatComesAndGoesOrLeadsToNoFeedIsNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flaps, login := source(1), source(2)
		b := newBench(t, flaps, login)
		for _, s := range []tocsin.Source{flaps, login} {
			b.web.publish(s.URL, entries(1, 5)...)
		}
		b.start(t)
		after(10 * time.Minute)
		b.web.set(login.URL, func(p *page) {
			p.moved, p.body = "https://sso.example/login", htmlPage("Portal", `<input type="password">`)
		})
		for range 6 {
			b.web.set(flaps.URL, func(p *page) { p.moved = "https://new.example/feed" })
			after(11 * time.Hour)
			b.web.set(flaps.URL, func(p *page) { p.moved = "" })
			after(time.Hour)
		}
		for _, to := range []string{"https://new.example/feed", "https://sso.example/login"} {
			if n := len(b.web.asked(to)); n != 0 {
				t.Errorf("%s was polled", to)
			}
		}
		if st := b.of(login.ID); st.Condition != Login || st.Moved != "" {
			t.Errorf("status %+v", st)
		}
		b.stop()
	})
}

func TestHowASourceIsSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead, moved, quiet := source(1), source(2), source(3)
		to := "https://new.example/feed"
		b := newBench(t, dead, moved, quiet)
		for _, s := range []tocsin.Source{dead, moved, quiet} {
			b.web.publish(s.URL, entries(1, 5)...)
		}
		b.web.publish(to, entries(1, 5)...)
		b.web.set(moved.URL, func(p *page) { p.moved = to })
		b.start(t)
		after(10 * time.Minute)
		b.web.publish(quiet.URL, entries(2, 6)...)
		b.web.set(dead.URL, func(p *page) { p.err = netErr() })
		after(20 * time.Hour)
		b.stop()
		was := map[string]SourceStatus{}
		for _, st := range b.Status() {
			was[st.Source.ID] = st
		}
		after(time.Hour)

		next := newBench(t)
		next.mem, next.Log = b.mem, b.mem
		next.Get = b.web.get
		next.Recall = func(id string) SourceStatus { return was[id] }
		next.Set([]tocsin.Source{dead, moved, quiet})
		old := len(b.web.asked(moved.URL))
		next.start(t)
		after(time.Minute)
		for id, w := range was {
			st := next.of(id)
			if st.Condition != w.Condition || !st.Since.Equal(w.Since) || !st.NewItem.Equal(w.NewItem) || st.Allows != w.Allows {
				t.Errorf("%s was %+v, is %+v", id, w, st)
			}
		}
		if st := next.of(dead.ID); !st.Success.Equal(was[dead.ID].Success) || st.Condition != Unreachable {
			t.Errorf("status %+v", st)
		}
		if n := len(b.web.asked(moved.URL)); n != old || next.of(moved.ID).Move.Applied.IsZero() {
			t.Errorf("the old address is polled again")
		}
		next.stop()
	})
}

func TestAnHourWithoutUplinkIsOneNoticeAndEverythingIsCaughtUpWithinTwoPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := sources(166)
		b := newBench(t, all...)
		for _, s := range all {
			b.web.publish(s.URL, entries(1, 10)...)
		}
		b.start(t)
		after(10 * time.Minute)
		for _, s := range all {
			b.web.set(s.URL, func(p *page) { p.err = netErr() })
		}
		after(time.Hour)
		b.wantTroubles(t, "outage our outage")
		asked := map[string]int{}
		for _, s := range all {
			st := b.of(s.ID)
			if st.Failures != 0 || time.Until(st.Next) > 70*time.Second || st.Condition != OK {
				t.Fatalf("backed off: %+v", st)
			}
			asked[s.ID] = len(b.web.asked(s.URL))
			b.web.publish(s.URL, entries(3, 12)...)
			b.web.set(s.URL, func(p *page) { p.err = nil })
		}
		after(140 * time.Second) // two polls
		for _, s := range all {
			if n := len(b.mem.items(s.ID)); n != 12 {
				t.Errorf("%s has %d items after %d polls, want 12", s.ID, n, len(b.web.asked(s.URL))-asked[s.ID])
			}
		}
		b.wantTroubles(t, "outage our outage", "outage our outage over")
		b.stop()
	})
}

func TestPagesThatAskForSomethingAreToldFromPages(t *testing.T) {
	long := strings.Repeat("<p>The minister met her colleague and spoke of many things that matter.</p>", 60)
	for _, tt := range []struct {
		name, at string
		body     []byte
		want     Condition
	}{
		{"password", "", htmlPage("Portal", `<form><input type=password></form>`), Login},
		{"redirected", "https://a.example/sso/start", htmlPage("x", "<p>y</p>"), Login},
		{"redirected host", "https://login.a.example/", htmlPage("x", "<p>y</p>"), Login},
		{"title", "", htmlPage("Вход в систему", long), Login},
		{"consent, short", "", htmlPage("a", "<p>We value your privacy</p><button>OK</button>"), Login},
		{"banner on a page", "", htmlPage("News", long+"<p>We value your privacy</p>"), ""},
		{"login form on a page", "", htmlPage("News", long+`<input type="password">`), ""},
		{"words in a script", "", htmlPage("News", "<script>var t='log in'</script>"+"<p>Hello</p>"), ""},
		{"captcha", "", htmlPage("a", `<div class="g-recaptcha"></div>`), Blocked},
		{"path of an article", "https://a.example/authors/feed", htmlPage("a", "<p>b</p>"), ""},
		{"a feed", "", []byte("<rss><channel><title>Log in to vote</title></channel></rss>"), ""},
		{"windows-1251", "", append([]byte("<html><head><meta charset=windows-1251><title>"), 0xe2, 0xee, 0xe9, 0xf2, 0xe8), Login},
	} {
		at := tt.at
		if at == "" {
			at = "https://a.example/feed"
		}
		if c, what := wall("https://a.example/feed", fetch.Response{URL: at, Body: tt.body}); c != tt.want || (c == "") != (what == "") {
			t.Errorf("%s: %q (%s), want %q", tt.name, c, what, tt.want)
		}
	}
	for lang, words := range asks {
		for _, w := range words {
			if c, _ := wall("https://a.example/f", fetch.Response{URL: "https://a.example/f", Body: htmlPage("a", "<p>"+w+"</p>")}); c != Login {
				t.Errorf("%s: %q is not seen", lang, w)
			}
		}
	}
	if len(asks) != 14 {
		t.Errorf("words in %d languages", len(asks))
	}
}

func TestEachConditionHasANextStep(t *testing.T) {
	for _, c := range Conditions {
		h := health{condition: c, move: Move{To: "https://new.example/"}}
		if do := h.do(source(1)); (do == "") != (c == OK || c == Waiting || c == NotStored) {
			t.Errorf("%s: %q", c, do)
		}
	}
}

func TestAnErrorOfAKindMaySayThatThePageHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.kinds = []Kind{{Name: "feed", Parse: func(s tocsin.Source, r fetch.Response) (Document, error) {
			if strings.HasPrefix(string(r.Body), "<html") {
				return Document{}, fmt.Errorf("read the page: %w", &LayoutError{Why: "nothing fits the selector; 12 entries did"})
			}
			return testKinds[0].Parse(s, r)
		}}}
		b.web.publish(s.URL, entry(1))
		b.start(t)
		after(time.Minute)
		b.web.set(s.URL, func(p *page) {
			p.body = []byte("<html><body><h1>Statements</h1>" + strings.Repeat("<p>Some words of a page.</p>", 200))
		})
		after(3 * time.Minute)
		b.wantTroubles(t, "source/s001 page layout changed")
		if st := b.of(s.ID); st.Condition != LayoutChanged || st.Do == "" || !strings.Contains(st.Err, "12 entries") {
			t.Errorf("status %+v", st)
		}
		b.stop()
	})
}

func TestASourceWhoseNewestEntryIsOldSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		old := change(entries(1, 5), func(e *Entry) { e.Published = time.Now().AddDate(-9, 0, 0) })
		b.web.publish(s.URL, old...)
		b.start(t)
		after(3 * time.Minute)
		if st := b.of(s.ID); st.Condition != OK || !strings.Contains(st.What, "newest entry says 1991-01-01") || !st.NewItem.IsZero() {
			t.Errorf("status %+v", st)
		}
		b.web.publish(s.URL, append(entries(6, 6), old...)...)
		after(3 * time.Minute)
		if st := b.of(s.ID); st.What != "" || st.NewItem.IsZero() {
			t.Errorf("status %+v", st)
		}
		b.wantTroubles(t)
		b.stop()
	})
}
