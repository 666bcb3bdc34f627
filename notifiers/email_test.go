package notifiers_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/notifiers"
	"tocsin/notifiers/notifiertest"
)

var desk = tocsin.Destination{Name: "desk", Kind: "email", To: mailbox}

func letter(id string) tocsin.Delivery {
	return tocsin.Delivery{ID: id, Kind: tocsin.Post, To: desk, Alert: sample(), Since: time.Now()}
}

// bodies are a mail's plain text and its HTML.
func bodies(t *testing.T, m notifiertest.Mail) (plain, html string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %q, %v", kind, err)
	}
	msg, err := mail.ReadMessage(bytes.NewReader(m.Data))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	if len(out) != 2 {
		t.Fatalf("%d parts, want text and HTML", len(out))
	}
	return out[0], out[1]
}

func TestMailIsTheSameForEveryAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := emailOverPipe(t)
		fake.Fail(notifiertest.DropAfterDot)
		d := letter("d-7")
		if _, err := send(t, n, d); tocsin.VerdictOf(err) != tocsin.Ambiguous {
			t.Fatalf("send = %v, want ambiguous", err)
		}
		time.Sleep(time.Hour)
		d.Repeat = true
		if _, err := send(t, n, d); err != nil {
			t.Fatal(err)
		}
		got := fake.Mails()
		for _, m := range got {
			want := map[string]string{
				"Message-Id": "<d-7@desk.example>", "Date": "Sat, 01 Jan 2000 00:00:00 +0000", "Auto-Submitted": "auto-generated",
				"List-Id": "<rockets.desk.example>", "Subject": "France regrets a sale of rockets", "To": "<" + mailbox + ">",
			}
			for h, v := range want {
				if m.Header.Get(h) != v {
					t.Errorf("%s: %q, want %q", h, m.Header.Get(h), v)
				}
			}
			if m.From != "tocsin@desk.example" || m.To != mailbox || m.User != "tocsin@desk.example" {
				t.Errorf("envelope %s -> %s by %s", m.From, m.To, m.User)
			}
		}
		if len(got) != 2 {
			t.Errorf("%d mails, want 2 with one Message-ID", len(got))
		}
	})
}

var ourID = regexp.MustCompile(`^<[A-Za-z0-9_-]+@desk\.example>$`)

var remote = regexp.MustCompile(`(?i)<(img|link|script|iframe|object|style|base|form)|\ssrc=|url\(|@import|javascript:`)

func TestMailObeysNothingThatOthersWrote(t *testing.T) {
	headers := map[string]bool{
		"Auto-Submitted": true, "Date": true, "List-Id": true, "Mime-Version": true, "Message-Id": true,
		"Subject": true, "From": true, "To": true, "Content-Type": true, "Received": true,
	}
	synctest.Test(t, func(t *testing.T) {
		fake, n := emailOverPipe(t)
		g := newGrammar(2)
		for i := range 80 {
			d := g.delivery(desk)
			if _, err := send(t, n, d); err != nil {
				t.Fatalf("delivery %d: %v", i, err)
			}
			all := fake.Mails()
			m := all[len(all)-1]
			for h := range m.Header {
				if !headers[h] {
					t.Errorf("delivery %d: header %s is not ours: %q", i, h, m.Header[h])
				}
			}
			if !ourID.MatchString(m.ID()) {
				t.Errorf("delivery %d: Message-ID %q", i, m.ID())
			}
			if to := m.Header["To"]; len(to) != 1 || m.To != mailbox {
				t.Errorf("delivery %d: to %q, envelope %q", i, to, m.To)
			}
			_, html := bodies(t, m)
			if at := remote.FindString(html); at != "" {
				t.Errorf("delivery %d: the HTML holds %q", i, at)
			}
		}
	})
}

func TestMailMarksMatchedWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := emailOverPipe(t)
		if _, err := send(t, n, letter("d-1")); err != nil {
			t.Fatal(err)
		}
		plain, html := bodies(t, fake.Mails()[0])
		if ok, _ := regexp.MatchString(`<b [^>]*>long-range rockets</b>`, html); !ok {
			t.Error("matched words are not marked in the HTML")
		}
		for _, want := range []string{"long-range rockets", "Matched: trade: rocket part*", "https://mfa.example/news/1?a=1&b=2", "published by 2: France"} {
			if !strings.Contains(plain, want) {
				t.Errorf("the text does not say %q:\n%s", want, plain)
			}
		}
	})
}

func TestMailUsesOneConnectionForManyMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := emailOverPipe(t)
		conns := func(i, want int) {
			t.Helper()
			if _, err := send(t, n, letter(fmt.Sprint("d-", i))); err != nil {
				t.Fatal(err)
			}
			if got := fake.Conns(); got != want {
				t.Errorf("message %d: %d connections, want %d", i, got, want)
			}
		}
		conns(1, 1)
		conns(2, 1)
		time.Sleep(20 * time.Second)
		conns(3, 1)
		time.Sleep(31 * time.Second) // closed when idle
		conns(4, 2)
		fake.Fail(notifiertest.DieOnReset)
		conns(5, 2)
		conns(6, 3) // the dead one is noticed before anything is sent
		if got := len(fake.Mails()); got != 6 {
			t.Errorf("%d mails, want 6", got)
		}
	})
}

func TestMailSentAtOnceUsesSeveralConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := emailOverPipe(t)
		var all []notifiers.Ready
		for i := range 6 {
			r, err := n.Prepare(t.Context(), letter(fmt.Sprint("d-", i)))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		for _, r := range all {
			if _, err := r.Send(t.Context()); err != nil {
				t.Error(err)
			}
			r.Close()
		}
		if got := len(fake.Mails()); got != 6 {
			t.Errorf("%d mails, want 6", got)
		}
	})
}

// laggard is a connection whose every line from the server comes late.
type laggard struct{ net.Conn }

func (l laggard) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return l.Conn.Read(p)
}

// TestMailIsWithheldUntilItsLastByte has the time run out between MAIL and the
// end of the message: the server does not count what was cut off.
func TestMailIsWithheldUntilItsLastByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, p := notifiertest.NewSMTP(), notifiertest.NewPipe()
		stop := fake.Serve(p)
		t.Cleanup(func() { p.Close(); stop() })
		n := open(t, notifiers.Config{Email: notifiers.EmailConfig{
			SMTP: "smtp://localhost:2525", From: "tocsin@desk.example",
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := p.Dial(ctx, network, addr)
				return laggard{c}, err
			},
		}})["email"]
		r, err := n.Prepare(t.Context(), letter("d-0"))
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		d := letter("d-1")
		d.NotAfter = time.Now().Add(3 * time.Second) // RSET, MAIL and RCPT each take one
		if _, err := send(t, n, d); tocsin.VerdictOf(err) != tocsin.Withheld || len(fake.Mails()) != 0 {
			t.Errorf("send = %v with %d mails, want withheld and none", err, len(fake.Mails()))
		}
		d.NotAfter = time.Now().Add(time.Minute)
		if _, err := send(t, n, d); err != nil || len(fake.Mails()) != 1 {
			t.Errorf("send in time = %v with %d mails", err, len(fake.Mails()))
		}
	})
}

func BenchmarkSend(b *testing.B) {
	fake := notifiertest.NewSlack(canaryToken)
	api, stop, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	mails := notifiertest.NewSMTP()
	addr, stopMail, err := mails.Listen("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer stopMail()
	all, err := notifiers.New(notifiers.Config{
		Slack: notifiers.SlackConfig{Token: canaryToken, API: api},
		Email: notifiers.EmailConfig{SMTP: "smtp://" + addr, From: "tocsin@desk.example"},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer notifiers.Close(all)
	for _, to := range []tocsin.Destination{duty, desk} {
		b.Run(to.Kind, func(b *testing.B) {
			d := letter("d-1")
			d.To = to
			for b.Loop() {
				r, err := all[to.Kind].Prepare(b.Context(), d)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := r.Send(b.Context()); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
}

func mailServer(t *testing.T, set func(*notifiertest.SMTP)) (*notifiertest.SMTP, string) {
	t.Helper()
	fake := notifiertest.NewSMTP()
	set(fake)
	addr, stop, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	_, port, _ := net.SplitHostPort(addr)
	return fake, port
}

func TestMailIsEncryptedUnlessLoopbackOrToldOtherwise(t *testing.T) {
	cert, pool, err := notifiertest.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{Certificates: []tls.Certificate{cert}}
	trust := &tls.Config{RootCAs: pool}
	for _, tt := range []struct {
		name, url string
		implicit  bool
		offers    *tls.Config
		trust     *tls.Config
		want      tocsin.Verdict
		secure    bool
	}{
		{"loopback", "smtp://127.0.0.1:%s", false, nil, nil, "", false},
		{"STARTTLS", "smtp://127.0.0.1:%s?tls=required", false, server, trust, "", true},
		{"TLS from the first byte", "smtps://127.0.0.1:%s", true, server, trust, "", true},
		{"STARTTLS not offered", "smtp://127.0.0.1:%s?tls=required", false, nil, trust, tocsin.Install, false},
		{"STARTTLS not trusted", "smtp://127.0.0.1:%s?tls=required", false, server, nil, tocsin.Retry, false},
		{"TLS not trusted", "smtps://127.0.0.1:%s", true, server, nil, tocsin.Retry, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake, port := mailServer(t, func(s *notifiertest.SMTP) {
				s.TLS, s.Implicit = tt.offers, tt.implicit
				s.User, s.Password = "tocsin@desk.example", canaryPassword
			})
			n := open(t, notifiers.Config{Email: notifiers.EmailConfig{
				SMTP: fmt.Sprintf(tt.url, port), From: "tocsin@desk.example", Password: canaryPassword, TLS: tt.trust,
			}})["email"]
			_, err := send(t, n, letter("d-1"))
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if got := fake.Mails(); len(got) != 1 || got[0].TLS != tt.secure {
					t.Errorf("%d mails, encrypted %v; want 1, %v", len(got), len(got) == 1 && got[0].TLS, tt.secure)
				}
				return
			}
			if tocsin.VerdictOf(err) != tt.want || len(fake.Mails()) != 0 {
				t.Errorf("send = %v with %d mails, want %s and none", err, len(fake.Mails()), tt.want)
			}
			noSecret(t, err.Error())
		})
	}
	for name, e := range map[string]notifiers.EmailConfig{
		"password in the clear": {SMTP: "smtp://mail.example?tls=none", From: "a@b.example", Password: canaryPassword},
		"unknown tls":           {SMTP: "smtp://mail.example?tls=maybe", From: "a@b.example"},
		"no TLS in smtps":       {SMTP: "smtps://mail.example?tls=none", From: "a@b.example"},
		"password in the URL":   {SMTP: "smtp://a:" + "pw" + "@mail.example", From: "a@b.example"},
		"no From":               {SMTP: "smtp://mail.example"},
	} {
		if _, err := notifiers.New(notifiers.Config{Email: e}); err == nil {
			t.Errorf("%s: New = nil, want an error", name)
		} else {
			noSecret(t, err.Error())
		}
	}
	if _, err := notifiers.New(notifiers.Config{Email: notifiers.EmailConfig{SMTP: "smtp://mail.example:25?tls=none", From: "a@b.example"}}); err != nil {
		t.Errorf("tls=none without a password: %v", err)
	}
}

func TestMailServersThatTurnUsAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*notifiertest.SMTP)
		want tocsin.Verdict
		code string
	}{
		{"busy", func(s *notifiertest.SMTP) { s.Always(notifiertest.Busy) }, tocsin.Retry, "421 4.3.2"},
		{"wrong password", func(s *notifiertest.SMTP) { s.User, s.Password = "tocsin@desk.example", "another" }, tocsin.Install, "535 5.7.8"},
		{"echoes the password", func(s *notifiertest.SMTP) { s.User = "x"; s.Always(notifiertest.Echo) }, tocsin.Install, "535 5.7.8"},
		{"no login", func(*notifiertest.SMTP) {}, tocsin.Install, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, port := mailServer(t, tt.set)
			n := open(t, notifiers.Config{Email: notifiers.EmailConfig{SMTP: "smtp://127.0.0.1:" + port, From: "tocsin@desk.example", Password: canaryPassword}})["email"]
			for what, err := range map[string]error{
				"send":  func() error { _, err := send(t, n, letter("d-1")); return err }(),
				"check": n.(notifiers.Checker).Check(t.Context()),
			} {
				o, _ := err.(*tocsin.Outcome)
				if o == nil || o.Verdict != tt.want || o.Code != tt.code {
					t.Fatalf("%s = %v, want %s %s", what, err, tt.want, tt.code)
				}
				noSecret(t, err.Error())
			}
		})
	}
}

func TestMailDialsTheServerThatWasNamed(t *testing.T) {
	for url, want := range map[string]string{
		"smtp://mail.example":       "mail.example:587",
		"smtps://mail.example":      "mail.example:465",
		"smtp://[2001:db8::1]:2525": "[2001:db8::1]:2525",
	} {
		var got string
		n := open(t, notifiers.Config{Email: notifiers.EmailConfig{SMTP: url, From: "a@b.example", Dial: func(_ context.Context, _, addr string) (net.Conn, error) {
			got = addr
			return nil, net.ErrClosed
		}}})["email"]
		if _, err := send(t, n, letter("d-1")); tocsin.VerdictOf(err) != tocsin.Retry || got != want {
			t.Errorf("%s: dialled %s (%v), want %s", url, got, err, want)
		}
	}
}
