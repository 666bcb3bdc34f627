package slackapp

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin"
	"tocsin/notifiers/notifiertest"
)

// hostile is text that tries to be obeyed, or to be too long.
func hostile(r *rand.Rand) string {
	parts := []string{
		"<!channel>", "<@U0000001>", "<https://evil.example|click>", "*bold*", "`code`", "~x~", "_y_", ":tada:", "&amp;", "&", "\u202eevil\u202c", "\x1b[31m", "\x00",
		"ミサイル", "صاروخ", "😀", "\n", "|", ">", "\"", "\\", strings.Repeat("long ", 900), strings.Repeat("&", 3000), "\xff\xfe",
	}
	var b strings.Builder
	for range r.IntN(12) {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String()
}

// TestNothingForeignIsObeyedOrTooLong renders what people see from hostile titles,
// names, queries and errors.
func TestNothingForeignIsObeyedOrTooLong(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	now := time.Now()
	for i := range 100 {
		h := func() string { return hostile(r) }
		var s Standing
		for range r.IntN(70) {
			s.Subscriptions = append(s.Subscriptions, Standby{
				Subscription: tocsin.Subscription{Watchlist: "w", Digest: h(), Sources: []string{h(), h()}}, Channel: "C0000001", Muted: now, Last: now, Title: h(),
			})
			s.Watchlists = append(s.Watchlists, Known{Watchlist: tocsin.Watchlist{Name: "w", Query: h()}, Own: true})
			s.Troubled = append(s.Troubled, Trouble{Title: h(), State: "blocked", Since: now, Do: h()})
		}
		tr := Tried{Query: h(), Statements: 5, Notes: []string{h(), h(), h(), h(), h(), h(), h()}}
		for range r.IntN(11) {
			tr.Newest = append(tr.Newest, Found{Title: h(), Publisher: h(), URL: "https://x.example/" + h(), Excerpt: h(), At: now})
		}
		c := &counter{standing: s, tried: tr, edits: []Proposal{{Watchlist: "w", Not: h()}}}
		c.alert = tocsin.Alert{ID: "a", Excerpt: h(), Copies: []tocsin.Copy{{Title: h(), URL: h(), Publisher: h(), Reason: h()}}, Matches: []tocsin.Match{{Watchlist: "w", Branch: h(), Spans: []tocsin.Span{{Term: h(), List: h(), Field: h()}}}}}
		a := newApp(Config{Token: "x", AppToken: "x", Desk: c.desk()})
		ctx := context.Background()
		replies := map[string]func() (reply, error){
			"list":    func() (reply, error) { return a.list(ctx, person{channel: "C0000001"}) },
			"sources": func() (reply, error) { return a.sources(ctx) },
			"preview": func() (reply, error) { return a.preview(ctx, person{channel: "D0000001"}, Command{Query: h()}) },
			"search":  func() (reply, error) { return a.search(ctx, Command{Query: h()}) },
			"explain": func() (reply, error) { return a.explain(ctx, "a") },
			"edits":   func() (reply, error) { return a.offerEdits(ctx, "a") },
			"mutes":   func() (reply, error) { return a.offerMutes(ctx, person{channel: "C0000001"}, "a") },
			"wrong":   func() (reply, error) { return wrong(fmt.Errorf("%s", "x"+h())), nil },
			"usage":   func() (reply, error) { return wrong(&UsageError{"x" + h(), h()}), nil },
		}
		for name, f := range replies {
			rep, err := f()
			if err != nil {
				t.Fatalf("%d %s: %v", i, name, err)
			}
			data, err := json.Marshal(rep.blocks)
			if err == nil {
				err = notifiertest.CheckAnswer(data)
			}
			if err != nil || rep.text == "" {
				t.Fatalf("%d %s: %v", i, name, err)
			}
			unobeyed(t, name, data)
		}
		data, _ := json.Marshal(map[string]any{"type": "home", "blocks": home(s, person{})})
		if err := notifiertest.CheckView(data); err != nil {
			t.Fatalf("%d home: %v", i, err)
		}
		unobeyed(t, "home", data)
		data, _ = json.Marshal(modal(draft{Name: "w", Query: cut(h(), maxQuery)}, tried(tr, lookBack)))
		if err := notifiertest.CheckView(data); err != nil {
			t.Fatalf("%d modal: %v", i, err)
		}
	}
}

var (
	codeSpan    = regexp.MustCompile("`[^`]*`|<https://[^|]*[|]") // nothing is formatted in one, nor in an address
	slanted     = regexp.MustCompile(`(^|[\s!-/:-@\[-\x60{-~])_y_`)
	buttonValue = regexp.MustCompile(`"value":"(?:[^"\\]|\\.)*"`)
)

func unobeyed(t *testing.T, what string, data []byte) {
	t.Helper()
	text := words(buttonValue.ReplaceAll(data, []byte(`"value":""`))) // nobody sees it
	plain := codeSpan.ReplaceAllString(text, "")
	for _, bad := range []string{"<!channel", "<@U0000001", "<https://evil", "\u202e", "\x1b", "\x00"} {
		if i := strings.Index(text, bad); i >= 0 {
			t.Fatalf("%s: %q is in …%s", what, bad, text[max(0, i-80):min(len(text), i+40)])
		}
	}
	if i := strings.Index(plain, ":tada:"); i >= 0 {
		t.Fatalf("%s: a picture is in …%s", what, plain[max(0, i-80):min(len(plain), i+40)])
	}
	if i := slanted.FindStringIndex(plain); i != nil {
		t.Fatalf("%s: italics are in …%s", what, plain[max(0, i[0]-80):min(len(plain), i[0]+40)])
	}
	if i := strings.Index(plain, "*bold*"); i >= 0 {
		t.Fatalf("%s: bold is in …%s", what, plain[max(0, i-80):min(len(plain), i+40)])
	}
}
