package notifiers

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wneessen/go-mail"

	"tocsin"
	"tocsin/notifiers/notifiertest"
)

func TestEveryPublishedSlackCodeHasAVerdict(t *testing.T) {
	dir := os.Getenv("TOCSIN_CORPUS")
	if dir == "" {
		t.Skip("TOCSIN_CORPUS is unset: the published error codes are not at hand")
	}
	b, err := os.ReadFile(filepath.Join(dir, "slack-errors.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		method, code, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || method == "method" {
			continue
		}
		n++
		if slackCodes[code] == "" {
			t.Errorf("%s: %s has no verdict", method, code)
		}
	}
	if n < 100 {
		t.Errorf("read %d codes, want the published list", n)
	}
}

func TestSlackCodesStandInOneClass(t *testing.T) {
	for code := range plainable {
		if slackCodes[code] != tocsin.Refused {
			t.Errorf("%s: %s, want refused once the plain text is refused too", code, slackCodes[code])
		}
	}
	for code := range slackAdvice {
		if slackCodes[code] == "" {
			t.Errorf("advice for %s, which has no verdict", code)
		}
	}
	for want, names := range map[tocsin.Verdict]string{
		tocsin.Rate:      "rate_limited ratelimited message_limit_exceeded",
		tocsin.Retry:     "service_unavailable team_added_to_org org_login_required external_channel_migrating update_failed",
		tocsin.Ambiguous: "fatal_error internal_error request_timeout streaming_state_conflict",
		tocsin.Gone:      "is_archived is_inactive channel_not_found not_in_channel restricted_action ekm_access_denied messages_tab_disabled cannot_reply_to_message restricted_action_thread_locked",
		tocsin.Install:   "invalid_auth not_authed account_inactive token_revoked token_expired missing_scope app_access_restricted not_allowed_token_type accesslimited team_not_found",
		tocsin.NoEdit:    "message_not_found cant_update_message edit_window_closed block_mismatch",
	} {
		for code := range strings.FieldsSeq(names) {
			if slackCodes[code] != want {
				t.Errorf("%s: %s, want %s", code, slackCodes[code], want)
			}
		}
	}
}

func TestMailVerdicts(t *testing.T) {
	for _, tt := range []struct {
		code     int
		enhanced string
		at       mail.SendErrReason
		want     tocsin.Verdict
	}{
		{421, "4.3.2", mail.ErrSMTPMailFrom, tocsin.Retry},
		{450, "", mail.ErrSMTPRcptTo, tocsin.Retry},
		{454, "4.7.0", mail.ErrSMTPMailFrom, tocsin.Retry},
		{552, "", mail.ErrSMTPRcptTo, tocsin.Retry},
		{550, "5.2.2", mail.ErrSMTPRcptTo, tocsin.Retry},
		{552, "5.3.4", mail.ErrSMTPDataClose, tocsin.Refused},
		{550, "5.1.1", mail.ErrSMTPRcptTo, tocsin.Gone},
		{550, "5.1.10", mail.ErrSMTPDataClose, tocsin.Gone},
		{550, "5.2.1", mail.ErrSMTPRcptTo, tocsin.Gone},
		{550, "5.4.1", mail.ErrSMTPRcptTo, tocsin.Gone},
		{550, "", mail.ErrSMTPRcptTo, tocsin.Gone},
		{550, "", mail.ErrSMTPDataClose, tocsin.Refused},
		{550, "5.1.8", mail.ErrSMTPRcptTo, tocsin.Install},
		{553, "5.1.7", mail.ErrSMTPMailFrom, tocsin.Install},
		{550, "5.7.515", mail.ErrSMTPDataClose, tocsin.Install},
		{554, "5.7.1", mail.ErrSMTPRcptTo, tocsin.Install},
		{535, "5.7.8", mail.ErrSMTPMailFrom, tocsin.Install},
		{530, "", mail.ErrSMTPMailFrom, tocsin.Install},
		{554, "5.6.0", mail.ErrSMTPDataClose, tocsin.Refused},
	} {
		if got, _ := mailVerdict(tt.code, tt.enhanced, tt.at); got != tt.want {
			t.Errorf("mailVerdict(%d, %q, %v) = %s, want %s", tt.code, tt.enhanced, tt.at, got, tt.want)
		}
	}
}

// TestGuardRefusesAfterASlowDial has the time run out where no check before the
// request can see it.
func TestGuardRefusesAfterASlowDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := notifiertest.NewPipe()
		var served atomic.Int32
		server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) })}
		done := make(chan struct{})
		go func() { defer close(done); _ = server.Serve(p) }()
		client, transport, err := guardedClient(&http.Client{Transport: &http.Transport{DialContext: p.Dial}})
		if err != nil {
			t.Fatal(err)
		}
		slow := transport.DialContext
		transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			time.Sleep(3 * time.Second)
			return slow(ctx, network, addr)
		}
		for _, tt := range []struct {
			in      time.Duration
			refused bool
		}{{time.Second, true}, {time.Minute, false}} {
			a := &attempt{notAfter: time.Now().Add(tt.in)}
			q, _ := http.NewRequestWithContext(a.armed(t.Context()), http.MethodPost, "http://localhost/", strings.NewReader(strings.Repeat("x", 20_000)))
			r, err := client.Do(q)
			if err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
			if (err != nil) != tt.refused || a.refused.Load() != tt.refused || a.wrote.Load() == tt.refused {
				t.Errorf("with %v: %v, refused %v, wrote %v", tt.in, err, a.refused.Load(), a.wrote.Load())
			}
		}
		if served.Load() != 1 {
			t.Errorf("%d requests served, want 1", served.Load())
		}
		transport.CloseIdleConnections()
		server.Close()
		<-done
	})
}

func TestLateIsByEitherClock(t *testing.T) {
	now := time.Now()
	for name, tt := range map[string]struct {
		t    time.Time
		want bool
	}{
		"none":                      {time.Time{}, false},
		"ahead":                     {now.Add(time.Hour), false},
		"ahead, wall clock only":    {now.Add(time.Hour).Round(0), false},
		"passed":                    {now.Add(-time.Second), true},
		"passed, wall clock only":   {now.Add(-time.Second).Round(0), true},
		"passed, in another zone":   {now.Add(-time.Second).In(time.FixedZone("x", 3600)), true},
		"ahead, but long ago by it": {time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), true},
	} {
		if got := late(tt.t); got != tt.want {
			t.Errorf("%s: late = %v, want %v", name, got, tt.want)
		}
	}
}

func TestRunsKeepTheText(t *testing.T) {
	for _, tt := range []struct {
		s    string
		at   []tocsin.Span
		want []run
	}{
		{"", nil, nil},
		{"abc", nil, []run{{"abc", false}}},
		{"abc", []tocsin.Span{{Field: "text", Start: 1, End: 2}}, []run{{"a", false}, {"b", true}, {"c", false}}},
		{"abc", []tocsin.Span{{Field: "title", Start: 1, End: 2}}, []run{{"abc", false}}},
		{"a\u202eb", []tocsin.Span{{Field: "text", Start: 4, End: 5}}, []run{{"a", false}, {"b", true}}},
		{"abc", []tocsin.Span{{Field: "text", Start: 2, End: 1}, {Field: "text", Start: 9, End: 12}}, []run{{"abc", false}}},
	} {
		if got := runsOf(tt.s, "text", tt.at); !slices.Equal(got, tt.want) {
			t.Errorf("runsOf(%q, %v) = %v, want %v", tt.s, tt.at, got, tt.want)
		}
	}
}

func TestLinksLeadWherePeopleMayGo(t *testing.T) {
	for in, want := range map[string]string{
		"https://mfa.example/a?b=1&c=2": "https://mfa.example/a?b=1&c=2",
		"javascript:alert(1)":           "",
		"https://user:pw@mfa.example/":  "",
		"/relative":                     "",
		"":                              "",
		"https://x.example/a|b>c<d":     "https://x.example/a%7Cb%3Ec%3Cd",
		"https://x.example/" + strings.Repeat("a", 3000): "",
		"http://127.0.0.1:8080/a":                        "http://127.0.0.1:8080/a",
		"http://[2001:db8::1]/":                          "http://[2001:db8::1]/",
		"http://例え.example/":                             "http://%E4%BE%8B%E3%81%88.example/",
		"https://mfa\u200b.example/":                     "", // beside it stood mfa.example
		"https://mfa.example\u202e/":                     "",
		"https://<!channel>/":                            "",
		"https://a&b/":                                   "",
	} {
		if got := link(in); got != want {
			t.Errorf("link(%q) = %q, want %q", in, got, want)
		}
	}
}
