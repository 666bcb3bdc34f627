package notifiers_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"tocsin"
	"tocsin/notifiers"
	"tocsin/notifiers/notifiertest"
)

var duty = tocsin.Destination{Name: "duty", Kind: "slack", To: channel}

func post(id string) tocsin.Delivery {
	return tocsin.Delivery{ID: id, Kind: tocsin.Post, To: duty, Alert: sample(), Since: time.Now()}
}

// texts are all text objects of a message and its fallback.
func texts(t *testing.T, m notifiertest.Message) map[string]string {
	t.Helper()
	out := map[string]string{"text": m.Text}
	var blocks []struct {
		Type     string
		Text     *struct{ Text string }
		Elements []struct{ Text string }
	}
	if err := json.Unmarshal(m.Blocks, &blocks); err != nil {
		t.Fatal(err)
	}
	for i, b := range blocks {
		name := fmt.Sprint(b.Type, " ", i)
		if b.Text != nil {
			out[name] = b.Text.Text
		}
		for _, e := range b.Elements {
			out[name] += e.Text
		}
	}
	return out
}

// ours is the only markup that may begin with "<": a link whose label is its host.
var (
	ours     = regexp.MustCompile(`<https?://[^<>|\s]+\|[^<>|]*>`)
	entities = regexp.MustCompile(`&(amp|lt|gt);`)
)

func TestSlackObeysNothingThatOthersWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := slackOverPipe(t)
		g := newGrammar(1)
		for i := range 120 {
			d := g.delivery(duty)
			if _, err := send(t, n, d); err != nil {
				t.Fatalf("delivery %d: %v", i, err) // the fake holds blocks to the documented limits
			}
			all := fake.Messages(channel)
			for name, s := range texts(t, all[len(all)-1]) {
				checkHarmless(t, fmt.Sprintf("delivery %d, %s", i, name), s)
			}
		}
	})
}

func checkHarmless(t *testing.T, name, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Errorf("%s: not UTF-8", name)
	}
	rest := entities.ReplaceAllString(ours.ReplaceAllString(s, ""), "")
	if i := strings.IndexAny(rest, "<>&"); i >= 0 {
		t.Errorf("%s: markup that is not ours: %q", name, rest[i:min(i+30, len(rest))])
	}
	for _, r := range strings.NewReplacer("\u200b*", "", "*\u200b", "").Replace(s) {
		if r < ' ' && r != '\n' || r >= 0x7F && r < 0xA0 || r >= 0x200B && r <= 0x200F || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 {
			t.Errorf("%s: holds %U", name, r)
		}
	}
	if name == "text" && len([]rune(s)) > 3000 {
		t.Errorf("%s: %d characters", name, len([]rune(s)))
	}
}

func TestSlackMarksMatchedWords(t *testing.T) {
	mark := func(text string, words ...string) (out []tocsin.Span) {
		for _, w := range words {
			i := strings.Index(text, w)
			out = append(out, tocsin.Span{Field: tocsin.FieldText, Start: i, End: i + len(w)})
		}
		return out
	}
	for _, tt := range []struct {
		name, excerpt string
		marks         []tocsin.Span
		want          string
	}{
		{"words", "we deplore rockets, and missiles.", mark("we deplore rockets, and missiles.", "rockets", "missiles"), "we deplore *rockets*, and *missiles*."},
		{"overlapping", "ballistic missile tests", []tocsin.Span{{Field: "text", Start: 10, End: 23}, {Field: "text", Start: 0, End: 17}}, "*ballistic missile* *tests*"},
		{"no spaces", "发射弹道导弹的行为", mark("发射弹道导弹的行为", "弹道导弹"), "发射\u200b*弹道导弹*\u200b的行为"},
		{"into a character", "弹道", []tocsin.Span{{Field: "text", Start: 1, End: 2}}, "*弹*\u200b道"},
		{"over a line end", "ballistic\nmissile", []tocsin.Span{{Field: "text", Start: 0, End: 17}}, "*ballistic missile*"},
		{"with its space", "a rocket b", []tocsin.Span{{Field: "text", Start: 1, End: 9}}, "a *rocket* b"},
		{"out of range", "rocket", []tocsin.Span{{Field: "text", Start: -4, End: 99}}, "*rocket*"},
		{"foreign asterisk", "a *rocket* b", mark("a *rocket* b", "rocket"), "a ∗\u200b*rocket*\u200b∗ b"},
		{"right to left", "צפו רקטות כאן", mark("צפו רקטות כאן", "רקטות"), "צפו *רקטות* כאן"},
		{"astral", "🚀rocket🚀", mark("🚀rocket🚀", "rocket"), "🚀\u200b*rocket*\u200b🚀"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake, n := slackOverPipe(t)
				d := post("d-1")
				d.Alert.Excerpt, d.Alert.Marks = tt.excerpt, tt.marks
				if _, err := send(t, n, d); err != nil {
					t.Fatal(err)
				}
				if got := texts(t, fake.Messages(channel)[0])["section 1"]; got != tt.want {
					t.Errorf("excerpt = %q, want %q", got, tt.want)
				}
			})
		})
	}
}

func TestSlackSaysWhatMattersAlsoWithoutBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := slackOverPipe(t)
		fake.Fail("chat.postMessage", notifiertest.Fault{Code: "invalid_blocks"})
		d := post("d-1")
		d.Late = "slack was down"
		ref, err := send(t, n, d)
		if err != nil {
			t.Fatal(err)
		}
		m := fake.Messages(channel)[0]
		if m.Blocks != nil {
			t.Errorf("blocks went again: %s", m.Blocks)
		}
		for _, want := range []string{
			"France regrets a sale of rockets", "long-range rockets", "France: Ministry for Europe (FR)", "claimed 3 Nov 2026 08:02 UTC", "first seen 3 Nov 2026 09:02 UTC",
			"slack was down", "rockets: `\"long-range rocket*\"`", "trade: `rocket part*`", "<https://mfa.example/news/1?a=1&amp;b=2|mfa.example>", "published by 2",
		} {
			if !strings.Contains(m.Text, want) {
				t.Errorf("the text does not say %q:\n%s", want, m.Text)
			}
		}
		if found, ok, err := n.(notifiers.Finder).Find(t.Context(), d); found != ref || !ok || err != nil {
			t.Errorf("Find = %q, %v, %v; want %q", found, ok, err, ref)
		}
		d.Kind, d.Ref = tocsin.Edit, ref
		fake.Fail("chat.update", notifiertest.Fault{Code: "invalid_blocks"})
		if _, err := send(t, n, d); err != nil {
			t.Errorf("edit without blocks: %v", err)
		}
	})
}

func TestSlackPostsWithoutMetadataWhereSlackRefusesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := slackOverPipe(t)
		fake.Fail("chat.postMessage", notifiertest.Fault{Code: "metadata_too_large"})
		if _, err := send(t, n, post("d-1")); err != nil {
			t.Fatal(err)
		}
		if q := fake.Requests("chat.postMessage"); len(q) != 2 || q[0].Form.Get("metadata") == "" || q[1].Form.Get("metadata") != "" {
			t.Errorf("%d requests, want one with metadata and one without", len(q))
		}
	})
}

func TestSlackKeepsTheTokenOutOfForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := slackOverPipe(t)
		fake.Fail("chat.postMessage", notifiertest.Fault{Code: canaryToken}, notifiertest.Fault{Code: "missing_scope: echo " + canaryToken})
		for range 3 {
			if _, err := send(t, n, post("d-1")); err != nil {
				noSecret(t, fmt.Sprintf("%v %+v", err, err))
			}
		}
		if _, _, err := n.(notifiers.Finder).Find(t.Context(), post("d-1")); err != nil {
			t.Fatal(err)
		}
		for _, q := range fake.Requests("") {
			if q.Form.Has("token") || q.Token != canaryToken {
				t.Errorf("%s: token in the form %v, in the header %v", q.Method, q.Form.Has("token"), q.Token == canaryToken)
			}
			if f := q.Form; q.Method == "chat.postMessage" && (f.Get("unfurl_links") != "false" || f.Get("unfurl_media") != "false" || f.Get("parse") != "none") {
				t.Errorf("unfurl %s %s, parse %s", f.Get("unfurl_links"), f.Get("unfurl_media"), f.Get("parse"))
			}
		}
	})
}

func TestSlackFindsAnEarlierAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := slackOverPipe(t)
		f := n.(notifiers.Finder)
		old := post("d-old")
		refs := map[string]string{}
		for i := range 250 {
			id := fmt.Sprint("d-", i)
			ref, err := send(t, n, post(id))
			if err != nil {
				t.Fatal(err)
			}
			refs[id] = ref
		}
		for _, id := range []string{"d-0", "d-99", "d-100", "d-249"} {
			d := old
			d.ID = id
			if ref, ok, err := f.Find(t.Context(), d); ref != refs[id] || !ok || err != nil {
				t.Errorf("Find(%s) = %q, %v, %v; want %q", id, ref, ok, err, refs[id])
			}
		}
		if _, ok, err := f.Find(t.Context(), old); ok || err != nil {
			t.Errorf("Find of what was never sent = %v, %v", ok, err)
		}
		time.Sleep(2 * time.Minute)
		late := post("d-0")
		if _, ok, err := f.Find(t.Context(), late); ok || err != nil {
			t.Errorf("Find before Since = %v, %v; want not found", ok, err)
		}
		fake.Fail("conversations.history", notifiertest.Fault{Status: 503}, notifiertest.Fault{Status: 429, RetryAfter: 3}, notifiertest.Fault{Code: "missing_scope"}, notifiertest.Fault{Body: "{}"})
		for _, want := range []tocsin.Verdict{tocsin.Retry, tocsin.Rate, tocsin.Install, tocsin.Retry} {
			if _, _, err := f.Find(t.Context(), old); tocsin.VerdictOf(err) != want {
				t.Errorf("Find = %v, want %s", err, want)
			}
		}
	})
}

func TestSlackNeverFindsAnEdit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := slackOverPipe(t)
		d := post("d-1")
		ref, err := send(t, n, d)
		if err != nil {
			t.Fatal(err)
		}
		d.Kind, d.Ref = tocsin.Edit, ref
		if _, ok, err := n.(notifiers.Finder).Find(t.Context(), d); ok || err != nil {
			t.Errorf("Find = %v, %v; want not found, so that the edit is repeated", ok, err)
		}
	})
}

func TestSlackEditsShowTheWholePresentState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := slackOverPipe(t)
		d := post("d-1")
		ref, err := send(t, n, d)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 46 {
			c := d.Alert.Copies[0]
			c.Source, c.Publisher, c.Country = fmt.Sprint("s", i), fmt.Sprintf("State %d: Foreign Ministry", i), ""
			d.Alert.Copies = append(d.Alert.Copies, c)
		}
		edit := d
		edit.ID, edit.Kind, edit.Ref = "d-2", tocsin.Edit, ref
		if got, err := send(t, n, edit); got != ref || err != nil {
			t.Fatalf("edit = %q, %v; want %q", got, err, ref)
		}
		m := fake.Messages(channel)
		if len(m) != 1 || m[0].Edits != 1 {
			t.Fatalf("%d messages, %d edits", len(m), m[0].Edits)
		}
		if s := string(m[0].Blocks); !strings.Contains(s, "published by 48: France") || !strings.Contains(s, "State 45: Foreign Ministry") || !strings.Contains(s, "*long-range rockets*") {
			t.Errorf("the edit does not show all: %s", s)
		}
		if found, ok, err := n.(notifiers.Finder).Find(t.Context(), d); found != ref || !ok || err != nil {
			t.Errorf("Find after an edit = %q, %v, %v; want %q", found, ok, err, ref)
		}
		for code, want := range map[string]tocsin.Verdict{
			"message_not_found": tocsin.NoEdit, "edit_window_closed": tocsin.NoEdit, "cant_update_message": tocsin.NoEdit,
			"block_mismatch": tocsin.NoEdit, "is_inactive": tocsin.Gone, "update_failed": tocsin.Retry, "ratelimited": tocsin.Rate,
		} {
			fake.Fail("chat.update", notifiertest.Fault{Code: code})
			if _, err := send(t, n, edit); tocsin.VerdictOf(err) != want {
				t.Errorf("%s: %v, want %s", code, err, want)
			}
		}
	})
}

func TestSlackReadsEveryWayToAskForPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := notifiertest.NewPipe()
		header := ""
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", header)
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusTooManyRequests)
			}
		})}
		done := make(chan struct{})
		go func() { defer close(done); _ = server.Serve(p) }()
		t.Cleanup(func() { server.Close(); <-done })
		client := &http.Client{Transport: &http.Transport{DialContext: p.Dial}}
		n := open(t, notifiers.Config{Slack: notifiers.SlackConfig{Token: canaryToken, API: "http://localhost/api/", HTTP: client}})["slack"]
		for h, want := range map[string]time.Duration{
			"7": 7 * time.Second, "0": time.Second, "-5": time.Second, "99999999": time.Hour, "soon": 30 * time.Second, "Sat, 01 Jan 2000 00:05:00 GMT": 30 * time.Second,
		} {
			header = h
			_, err := send(t, n, post("d-1"))
			o, _ := errors.AsType[*tocsin.Outcome](err)
			if o == nil || o.Verdict != tocsin.Rate || o.After != want {
				t.Errorf("Retry-After %q: %v, want rate and %v", h, err, want)
			}
		}
	})
}

func TestSlackGivesUpOnSilenceWithoutADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := slackOverPipe(t)
		fake.Fail("chat.postMessage", notifiertest.Fault{Hang: true})
		r, err := n.Prepare(t.Context(), post("d-1"))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := r.Send(t.Context()); tocsin.VerdictOf(err) != tocsin.Ambiguous {
			t.Errorf("send = %v, want ambiguous", err)
		}
	})
}

func TestSlackFindsAmbiguousPosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := slackOverPipe(t)
		for _, applied := range []bool{true, false} {
			fake.Fail("chat.postMessage", notifiertest.Fault{Reset: true, Applied: applied})
			d := post(fmt.Sprint("d-", applied))
			if _, err := send(t, n, d); tocsin.VerdictOf(err) != tocsin.Ambiguous {
				t.Fatalf("send = %v, want ambiguous", err)
			}
			if _, ok, err := n.(notifiers.Finder).Find(t.Context(), d); ok != applied || err != nil {
				t.Errorf("Find = %v, %v; want %v", ok, err, applied)
			}
		}
	})
}

// TestSlackNeverPostsTwice holds on real sockets, where net/http repeats requests
// that it takes to be safe to repeat.
func TestSlackNeverPostsTwice(t *testing.T) {
	fake := notifiertest.NewSlack(canaryToken)
	api, stop, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	n := open(t, notifiers.Config{Slack: notifiers.SlackConfig{Token: canaryToken, API: api}})["slack"]
	for i, f := range []notifiertest.Fault{{}, {Reset: true, Applied: true}, {}, {Reset: true}, {}, {Status: 500, Applied: true}} {
		fake.Fail("chat.postMessage", f)
		_, err := send(t, n, post(fmt.Sprint("d-", i)))
		if (err == nil) != (f == notifiertest.Fault{}) {
			t.Errorf("send %d = %v", i, err)
		}
		if got := len(fake.Requests("chat.postMessage")); got != i+1 {
			t.Fatalf("%d requests after %d sends", got, i+1)
		}
	}
}

// TestSlackWithholdsOverTLS has the guard below the encryption.
func TestSlackWithholdsOverTLS(t *testing.T) {
	fake := notifiertest.NewSlack(canaryToken)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 && r.URL.Path != "/" {
			t.Errorf("%s: in HTTP/2 the guard cannot tell whose bytes are written", r.Proto)
		}
		fake.ServeHTTP(w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	used := server.Client()
	if r, err := used.Get(server.URL); err == nil { // it has learnt HTTP/2 by now
		r.Body.Close()
	}
	fresh := http.DefaultTransport.(*http.Transport).Clone()
	fresh.TLSClientConfig = &tls.Config{RootCAs: used.Transport.(*http.Transport).TLSClientConfig.RootCAs}
	for name, client := range map[string]*http.Client{"used": used, "fresh": {Transport: fresh}} {
		n := open(t, notifiers.Config{Slack: notifiers.SlackConfig{Token: canaryToken, API: server.URL + "/api/", HTTP: client}})["slack"]
		before := len(fake.Requests("chat.postMessage"))
		d := post("d-1")
		d.NotAfter = time.Now().Add(-time.Second)
		for range 2 { // a new connection, then one that is used again
			if _, err := send(t, n, d); tocsin.VerdictOf(err) != tocsin.Withheld {
				t.Errorf("%s: late send = %v, want withheld", name, err)
			}
		}
		if got := len(fake.Requests("chat.postMessage")); got != before {
			t.Errorf("%s: %d requests left after their time", name, got-before)
		}
		d.NotAfter = time.Time{}
		if _, err := send(t, n, d); err != nil {
			t.Errorf("%s: send = %v", name, err)
		}
	}
}

func TestSlackRefusesTransportsItCannotGuard(t *testing.T) {
	for name, c := range map[string]notifiers.SlackConfig{
		"transport": {Token: canaryToken, HTTP: &http.Client{Transport: http.NewFileTransport(http.Dir("/"))}},
		"http":      {Token: canaryToken, API: "http://slack.example/api/"},
		"no host":   {Token: canaryToken, API: "slack"},
	} {
		if _, err := notifiers.New(notifiers.Config{Slack: c}); err == nil {
			t.Errorf("%s: New = nil, want an error", name)
		}
	}
}

func TestSlackRetriesWhatNeverLeft(t *testing.T) {
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 443}, Err: fmt.Errorf("connection refused")}
	}}}
	n := open(t, notifiers.Config{Slack: notifiers.SlackConfig{Token: canaryToken, HTTP: client}})["slack"]
	_, err := send(t, n, post("d-1"))
	if tocsin.VerdictOf(err) != tocsin.Retry || strings.Contains(err.Error(), "10.1.2.3") || !strings.Contains(err.Error(), "slack.com") {
		t.Errorf("send = %v; want retry that names slack.com and no address", err)
	}
}

func TestSlackCheckNamesWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, n := slackOverPipe(t)
		fake.Scopes = "channels:history"
		err := n.(notifiers.Checker).Check(t.Context())
		if tocsin.VerdictOf(err) != tocsin.Install || !strings.Contains(err.Error(), "chat:write") {
			t.Errorf("Check = %v, want install that names chat:write", err)
		}
		fake.Scopes, fake.Token = "", "another"
		err = n.(notifiers.Checker).Check(t.Context())
		if tocsin.VerdictOf(err) != tocsin.Install || !strings.Contains(err.Error(), "slack.token") {
			t.Errorf("Check with a wrong token = %v, want install that names slack.token", err)
		}
	})
}
