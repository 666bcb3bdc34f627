package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin"
)

// communique is what the page of a site says; its feed gives two lines of it.
const communique = "<html><head><title>News</title></head><body><nav><a href='/'>Home</a> <a href='/missile'>Missile dossier</a></nav>" +
	"<main><h1>Communique</h1><p>The government notes with concern what its services have established in the past days.</p>" +
	"<p>Launchers and a number of missiles were handed over at the border, and the government asks all states to say what they know.</p></main>" +
	"<footer>Write to us</footer></body></html>"

func TestTheTextOfAPageAlertsAndItsWithdrawalIsShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.baseline("mfa.example")
		gone := false
		site := func(w http.ResponseWriter, q *http.Request) {
			r.mu.Lock()
			defer r.mu.Unlock()
			f := r.feeds["mfa.example"]
			switch {
			case q.URL.Path == "/feed":
				_, _ = w.Write(rss(q.Host, f.items))
			case q.URL.Path == "/1" && !gone:
				_, _ = w.Write([]byte(communique))
			default:
				http.NotFound(w, q)
			}
		}
		r.edit("mfa.example", func(f *feed) { f.answer = site })
		s := r.start(r.config(sources("mfa.example") + desk))
		time.Sleep(10 * time.Minute)
		r.publish("mfa.example", entry("mfa.example", 1, "Communique", "Read it on our site."))
		time.Sleep(2 * time.Minute)
		posts := r.posts("C0000001", "Communique")
		if len(posts) != 1 || !strings.Contains(string(posts[0].Blocks), "handed over at the border") {
			t.Fatalf("Slack holds %d messages: %+v\nwant one with an excerpt of the page", len(posts), posts)
		}
		if n := len(r.posts("C0000001", "dossier")); n != 0 {
			t.Error("the menu of the page is in the message")
		}
		stories, err := s.logs.Stories(t.Context())
		if err != nil || len(stories) != 1 {
			t.Fatalf("%d alerts, %v", len(stories), err)
		}
		c := stories[0].Alert.First()
		raws, err := s.logs.Raws(t.Context(), c.Source, c.Item)
		if err != nil || len(raws) != 2 {
			t.Fatalf("evidence %+v, %v, want of the document and the page", raws, err)
		}
		for _, raw := range raws {
			body, err := s.logs.Body(t.Context(), raw)
			if err != nil || raw.Of == tocsin.RawPage && string(body) != communique || raw.Of == tocsin.RawDocument && !strings.Contains(string(body), "<rss") {
				t.Errorf("evidence of the %s: %q, %v", raw.Of, body, err)
			}
		}
		r.edit("mfa.example", func(f *feed) { f.items, gone = f.items[1:], true })
		time.Sleep(5 * time.Minute)
		r.stop()
		posts = r.posts("C0000001", "Communique")
		if len(posts) != 1 || !strings.Contains(string(posts[0].Blocks), "withdrawn by mfa") {
			t.Errorf("Slack holds %+v\nwant one message that says that it was withdrawn", posts)
		}
		if told := r.replies("C0000001", "withdrawn by mfa"); len(told) != 1 || !told[0].Aloud || told[0].Thread != posts[0].TS {
			t.Errorf("the threads hold %+v\nwant one word of it, shown in the channel too", told)
		}
		if m := r.mails("box@rcpt.example", "Re: Communique"); len(m) != 1 || m[0].Header.Get("In-Reply-To") != r.mails("box@rcpt.example", "Communique")[0].ID() {
			t.Errorf("%d mails answer the first, want 1: %+v", len(m), m)
		}
		if out := r.term.String(); !strings.Contains(out, "! withdrawn by mfa") {
			t.Errorf("the terminal shows\n%s", out)
		}
	})
}

func TestRawEvidenceIsShownAndWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.dir = dir
		r.baseline("mfa.example")
		r.start(r.config(sources("mfa.example") + desk))
		time.Sleep(10 * time.Minute)
		r.publish("mfa.example", entry("mfa.example", 1, "On missiles", "The first words."))
		time.Sleep(2 * time.Minute)
		r.stop()
	})
	say := func(args ...string) string {
		var out, errs strings.Builder
		if code := run(t.Context(), append(args, "--data", dir), strings.NewReader(""), &out, &errs); code != 0 {
			t.Fatalf("tocsin %q: status %d: %s", args, code, errs.String())
		}
		return out.String()
	}
	id, _, _ := strings.Cut(say("alert", "list"), " ")
	shown := say("alert", "show", id, "--raw")
	for _, want := range []string{"document of mfa/", "page of mfa/", "SHA-256", "<rss", "<h1>On missiles</h1>"} {
		if !strings.Contains(shown, want) {
			t.Errorf("alert show --raw does not say %q:\n%s", want, shown)
		}
	}
	to := filepath.Join(t.TempDir(), "evidence")
	say("alert", "show", id, "--raw", "--to", to)
	files, err := os.ReadDir(to)
	if err != nil || len(files) != 2 {
		t.Errorf("%d files, %v, want two", len(files), err)
	}
}
