package notifiertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/smtp"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// call makes one API call over p.
func call(t *testing.T, p *Pipe, token, method string, form url.Values) (int, map[string]any, error) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DialContext: p.Dial, DisableKeepAlives: true}, Timeout: time.Minute}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/api/"+method, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Authorization", "Bearer "+token)
	r, err := c.Do(q)
	if err != nil {
		return 0, nil, err
	}
	defer r.Body.Close()
	var o map[string]any
	b, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(b, &o)
	return r.StatusCode, o, nil
}

func TestSlackHoldsMessagesToTheLimits(t *testing.T) {
	text := func(kind, s string) string { return fmt.Sprintf(`{"type":%q,"text":%q}`, kind, s) }
	x := func(n int) string { return strings.Repeat("x", n) }
	section := func(s string) string { return `{"type":"section","text":` + text("mrkdwn", s) + `}` }
	for _, tt := range []struct{ name, blocks, want string }{
		{"an alert", `[{"type":"header","text":` + text("plain_text", x(150)) + `},` + section(x(3000)) + `,{"type":"context","elements":[` + text("mrkdwn", "x") + `]},{"type":"divider"}]`, ""},
		{"long header", `[{"type":"header","text":` + text("plain_text", x(151)) + `}]`, "invalid_blocks"},
		{"astral header", `[{"type":"header","text":` + text("plain_text", strings.Repeat("🚀", 76)) + `}]`, "invalid_blocks"},
		{"formatted header", `[{"type":"header","text":` + text("mrkdwn", "x") + `}]`, "invalid_blocks"},
		{"long section", `[` + section(x(3001)) + `]`, "invalid_blocks"},
		{"empty section", `[{"type":"section"}]`, "invalid_blocks"},
		{"empty text", `[` + section("") + `]`, "invalid_blocks"},
		{"11 fields", `[{"type":"section","fields":[` + strings.Repeat(text("mrkdwn", "x")+",", 10) + text("mrkdwn", "x") + `]}]`, "invalid_blocks"},
		{"11 elements", `[{"type":"context","elements":[` + strings.Repeat(text("mrkdwn", "x")+",", 10) + text("mrkdwn", "x") + `]}]`, "invalid_blocks"},
		{"51 blocks", `[` + strings.Repeat(`{"type":"divider"},`, 50) + `{"type":"divider"}]`, "invalid_blocks"},
		{"modal only", `[{"type":"alert"}]`, "invalid_blocks"},
		{"all together too long", `[` + strings.Repeat(section(x(3000))+",", 4) + section("x") + `]`, "msg_blocks_too_long"},
		{"no JSON", `[{`, "invalid_blocks_format"},
	} {
		err := CheckBlocks(json.RawMessage(tt.blocks))
		if got := fmt.Sprint(err); tt.want == "" && err != nil || tt.want != "" && !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestSlackKeepsWhatItTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := NewSlack("tok"), NewPipe()
		stop := s.Serve(p)
		defer func() { p.Close(); stop() }()
		form := url.Values{"channel": {"C1"}, "text": {"hello"}, "metadata": {`{"event_type":"e","event_payload":{"id":"1"}}`}}
		seen := map[string]bool{}
		var last string
		for range 5 {
			_, o, err := call(t, p, "tok", "chat.postMessage", form)
			if err != nil || o["ok"] != true {
				t.Fatalf("post = %v, %v", o, err)
			}
			last = o["ts"].(string)
			if seen[last] {
				t.Errorf("ts %s twice", last)
			}
			seen[last] = true
		}
		if _, o, _ := call(t, p, "tok", "chat.update", url.Values{"channel": {"C1"}, "ts": {last}, "text": {"changed"}}); o["ok"] != true {
			t.Errorf("update = %v", o)
		}
		if m := s.Messages("C1"); len(m) != 5 || m[4].Text != "changed" || m[4].Edits != 1 || m[4].Metadata.Payload["id"] != "1" {
			t.Errorf("messages = %+v", m)
		}
		page := url.Values{"channel": {"C1"}, "limit": {"2"}, "include_all_metadata": {"1"}}
		n := 0
		for range 9 {
			_, o, _ := call(t, p, "tok", "conversations.history", page)
			n += len(o["messages"].([]any))
			next, _ := o["response_metadata"].(map[string]any)
			if o["has_more"] != true {
				break
			}
			page.Set("cursor", next["next_cursor"].(string))
		}
		if n != 5 {
			t.Errorf("%d messages in all pages, want 5", n)
		}
		for want, call := range map[string]func() (int, map[string]any, error){
			"invalid_auth": func() (int, map[string]any, error) { return call(t, p, "no", "chat.postMessage", form) },
			"not_authed":   func() (int, map[string]any, error) { return call(t, p, "", "chat.postMessage", form) },
			"no_text": func() (int, map[string]any, error) {
				return call(t, p, "tok", "chat.postMessage", url.Values{"channel": {"C1"}})
			},
			"message_not_found": func() (int, map[string]any, error) {
				return call(t, p, "tok", "chat.update", url.Values{"channel": {"C1"}, "ts": {"1"}, "text": {"x"}})
			},
			"invalid_metadata_format": func() (int, map[string]any, error) {
				return call(t, p, "tok", "chat.postMessage", url.Values{"channel": {"C1"}, "text": {"x"}, "metadata": {"{}"}})
			},
			"unknown_method": func() (int, map[string]any, error) { return call(t, p, "tok", "chat.shout", nil) },
		} {
			if _, o, err := call(); o["error"] != want {
				t.Errorf("%v, %v; want %s", o, err, want)
			}
		}
	})
}

// TestFaultsComeAsOftenAsPromised counts 14 % of faults by what they do.
func TestFaultsComeAsOftenAsPromised(t *testing.T) {
	const calls = 4000
	synctest.Test(t, func(t *testing.T) {
		s, p := NewSlack(""), NewPipe()
		stop := s.Serve(p)
		defer func() { p.Close(); stop() }()
		s.Faults(0.14, 1)
		for range calls {
			_, _, _ = call(t, p, "tok", "chat.postMessage", url.Values{"channel": {"C1"}, "text": {"x"}})
		}
		got := map[Fault]int{}
		applied := 0
		for _, q := range s.Requests("chat.postMessage") {
			got[q.Fault]++
			if q.Applied {
				applied++
			}
		}
		for _, f := range tortures {
			if n, want := got[f.slack], calls*f.weight/100; n < want/2 || n > want*2 {
				t.Errorf("%+v: %d times, want about %d", f.slack, n, want)
			}
		}
		if m := len(s.Messages("C1")); m != applied {
			t.Errorf("%d messages, %d requests applied", m, applied)
		}
	})
}

func TestMailServerTorturesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := NewSMTP(), NewPipe()
		stop := s.Serve(p)
		defer func() { p.Close(); stop() }()
		s.Faults(0.5, 3)
		confirmed := 0
		for i := range 200 {
			if mailOnce(p, i) == nil {
				confirmed++
			}
		}
		stored := len(s.Mails())
		if confirmed < 60 || confirmed > 140 || stored <= confirmed {
			t.Errorf("%d confirmed, %d stored: want about half confirmed and some more stored", confirmed, stored)
		}
	})
}

func mailOnce(p *Pipe, i int) error {
	conn, err := p.Dial(context.Background(), "", "")
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		return err
	}
	if err := c.Mail("a@b.example"); err != nil {
		return err
	}
	if err := c.Rcpt("c@d.example"); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Message-ID: <%d@b.example>\r\n\r\nhello\r\n", i)
	return w.Close()
}
