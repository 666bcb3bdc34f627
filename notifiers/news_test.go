package notifiers_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/notifiers"
	"tocsin/notifiers/notifiertest"
)

func under(id, ref string) tocsin.Delivery {
	d := post(id)
	d.Kind, d.Ref, d.News = tocsin.Reply, ref, sampleNews()
	return d
}

func TestSlackRepliesStandInTheThread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := slackOverPipe(t)
		first, err := send(t, n, post("d-1"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		refs := map[string]string{}
		for id, aloud := range map[string]bool{"d-quiet": false, "d-aloud": true} {
			d := under(id, first)
			d.Aloud = aloud
			if refs[id], err = send(t, n, d); err != nil {
				t.Fatal(err)
			}
		}
		root := fake.Messages(channel)[0]
		for _, m := range fake.Messages(channel)[1:] {
			if m.Thread != root.TS || m.Aloud != (m.Metadata.Payload["id"] == "d-aloud") {
				t.Errorf("%v stands beneath %q, aloud %v", m.Metadata.Payload, m.Thread, m.Aloud)
			}
		}
		for id, want := range refs {
			if got, ok, err := n.(notifiers.Finder).Find(t.Context(), under(id, first)); got != want || !ok || err != nil {
				t.Errorf("Find %s = %q, %v, %v; want %q", id, got, ok, err, want)
			}
		}
		if _, ok, err := n.(notifiers.Finder).Find(t.Context(), under("d-never", first)); ok || err != nil {
			t.Errorf("Find of what was not sent = %v, %v", ok, err)
		}
	})
}

func TestSlackFindsAReplyOnALaterPageOfTheThread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := slackOverPipe(t)
		first, err := send(t, n, post("d-1"))
		if err != nil {
			t.Fatal(err)
		}
		for range 230 {
			if _, err = send(t, n, under("d-many", first)); err != nil {
				t.Fatal(err)
			}
		}
		last, err := send(t, n, under("d-last", first))
		if err != nil {
			t.Fatal(err)
		}
		if got, ok, err := n.(notifiers.Finder).Find(t.Context(), under("d-last", first)); got != last || !ok || err != nil {
			t.Errorf("Find = %q, %v, %v; want %q", got, ok, err, last)
		}
	})
}

func TestSlackSaysThatAThreadIsGone(t *testing.T) {
	for _, code := range []string{"cannot_reply_to_message", "restricted_action_thread_locked", "message_not_found", "thread_not_found", "deleted"} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake, n := slackOverPipe(t)
				first, err := send(t, n, post("d-1"))
				if err != nil {
					t.Fatal(err)
				}
				if _, ts, _ := strings.Cut(first, "/"); code == "deleted" {
					fake.Delete(channel, ts)
				} else {
					fake.CloseThread(ts, code)
				}
				if _, err := send(t, n, under("d-2", first)); tocsin.VerdictOf(err) != tocsin.NoEdit {
					t.Errorf("reply: %v, want verdict edit", err)
				}
				if _, ok, err := n.(notifiers.Finder).Find(t.Context(), under("d-2", first)); ok || err != nil {
					t.Errorf("Find = %v, %v; want nothing", ok, err)
				}
				ref, err := send(t, n, under("d-2", ""))
				if err != nil {
					t.Fatal(err)
				}
				all := fake.Messages(channel)
				if m := all[len(all)-1]; m.Thread != "" || !strings.Contains(m.Text, "<https://mfa.example/news/1?a=1&amp;b=2|mfa.example>") {
					t.Errorf("beneath %q stands\n%s\nwant it by itself, with a link", m.Thread, m.Text)
				}
				if got, ok, err := n.(notifiers.Finder).Find(t.Context(), under("d-2", "")); got != ref || !ok || err != nil {
					t.Errorf("Find = %q, %v, %v; want %q", got, ok, err, ref)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // a channel that is gone is gone for all
		fake, n := slackOverPipe(t)
		fake.Fail("chat.postMessage", notifiertest.Fault{Code: "is_archived"})
		if _, err := send(t, n, under("d-2", channel+"/1.000001")); tocsin.VerdictOf(err) != tocsin.Gone {
			t.Errorf("reply in an archived channel: %v, want destination", err)
		}
	})
}

func TestMailAnswersTheFirstMailOfTheAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := emailOverPipe(t)
		d := letter("d-1")
		d.Alert.Title = d.Alert.First().Title
		ref, err := send(t, n, d)
		if err != nil {
			t.Fatal(err)
		}
		d.ID, d.Kind, d.Ref, d.News = "d-2", tocsin.Reply, ref, sampleNews()
		d.Alert.Copies[0].Title = "The publisher found another title"
		for range 2 {
			if _, err := send(t, n, d); err != nil {
				t.Fatal(err)
			}
		}
		d.Ref = "x@y>\r\nBcc: <all@example.org"
		if _, err := send(t, n, d); err != nil {
			t.Fatal(err)
		}
		mails := fake.Mails()
		first, second := mails[0].Header, mails[1].Header
		if second.Get("Subject") != "Re: "+first.Get("Subject") {
			t.Errorf("the subjects are %q and %q", first.Get("Subject"), second.Get("Subject"))
		}
		for _, h := range []string{"In-Reply-To", "References"} {
			if got := second.Get(h); got != first.Get("Message-ID") || first.Get(h) != "" {
				t.Errorf("%s is %q, want %q, and none in the first", h, got, first.Get("Message-ID"))
			}
		}
		if mails[1].ID() != mails[2].ID() || mails[1].ID() == mails[0].ID() {
			t.Errorf("Message-IDs %q, %q and %q, want that of a repeat the same", mails[0].ID(), mails[1].ID(), mails[2].ID())
		}
		if h := mails[3].Header; h.Get("Bcc") != "" || h.Get("In-Reply-To") != "" {
			t.Errorf("a ref wrote headers: %v", h)
		}
	})
}

func TestTerminalPrintsNewsAndTheUpdatedCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text, lines bytes.Buffer
		d := under("d-2", "d-1")
		d.Aloud = true
		for _, c := range []notifiers.Config{{Terminal: &text}, {Terminal: &lines, JSON: true}} {
			if _, err := send(t, open(t, c)["terminal"], d); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []string{"! withdrawn by France", "! material change by France", "  source   France"} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("not printed: %q in\n%s", want, text.String())
			}
		}
		var l notifiers.Line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || l.Kind != tocsin.Reply || len(l.News) != 3 || l.Ref != "d-1" || l.Alert == nil {
			t.Errorf("the line is %+v, %v", l, err)
		}
	})
}
