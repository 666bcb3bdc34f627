package feeds

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

func TestAuditSaysHowASourceIsAndWhatToDo(t *testing.T) {
	news := probeFeed("x", `<atom:link rel="hub" href="https://hub.example/"/>`, "b", "a")
	for name, tt := range map[string]struct {
		answer fetch.Response
		err    error
		want   Condition
		bad    bool
		next   string
	}{
		"well":        {fetch.Response{Body: []byte(news)}, nil, OK, false, ""},
		"moved":       {fetch.Response{Body: []byte(news), Moved: "https://new.example/"}, nil, OK, false, "it has moved for good to https://new.example/"},
		"repaired":    {fetch.Response{Body: []byte(strings.TrimSuffix(news, "</channel></rss>"))}, nil, Repaired, false, "end"},
		"stale":       {fetch.Response{Body: []byte(`<rss><channel><item><title>x</title><pubDate>Wed, 05 Jan 2011 10:00:00 GMT</pubDate></item></channel></rss>`)}, nil, OK, false, "nothing new since 2011-01-05"},
		"empty":       {fetch.Response{Body: []byte(probeFeed("x", ""))}, nil, Empty, true, "it holds no entries"},
		"a page":      {fetch.Response{Body: []byte("<html><title>Hello</title>")}, nil, NotFeed, true, "an HTML page, not a feed"},
		"a login":     {fetch.Response{Body: []byte(`<html><form><input type="password"></form>`)}, nil, Login, true, "needs no login"},
		"bots":        {fetch.Response{Body: []byte("<html><title>Just a moment...</title>")}, nil, Blocked, true, "ask the publisher to admit tocsin"},
		"broken off":  {fetch.Response{Body: []byte("<ht"), Cut: true, Fault: errors.New("it broke off")}, nil, Unreachable, true, "it broke off"},
		"gone":        {fetch.Response{}, &fetch.Error{Kind: fetch.KindStatus, Status: 410, Err: errors.New("gone")}, Gone, true, "look for the publisher's present address"},
		"refused":     {fetch.Response{}, &fetch.Error{Kind: fetch.KindStatus, Status: 403, Err: errors.New("no")}, Blocked, true, "set contact and ask them"},
		"unreachable": {fetch.Response{}, &fetch.Error{Kind: fetch.KindDNS, Err: errors.New("no such host")}, Unreachable, true, "no such host"},
	} {
		a := Audit(t.Context(), tocsin.Source{ID: "x", URL: "https://mfa.example/rss"}, answering(tt.answer, tt.err))
		if a.Condition != tt.want || a.Bad != tt.bad || !strings.Contains(a.Next, tt.next) || tt.next == "" && a.Next != "" {
			t.Errorf("%s: %+v, want %q, bad %v, %q", name, a, tt.want, tt.bad, tt.next)
		}
		if name == "well" && (a.Entries != 2 || a.Hub != "https://hub.example/" || time.Since(a.Newest) > 25*time.Hour) {
			t.Errorf("well: %+v", a)
		}
	}
	if a := Audit(t.Context(), tocsin.Source{ID: "x", Kind: "smoke"}, answering(fetch.Response{}, nil)); !a.Bad || a.Next != "this tocsin has no kind smoke" {
		t.Errorf("a kind of another build: %+v", a)
	}
}

func answering(r fetch.Response, err error) func(context.Context, string) (fetch.Response, error) {
	return func(context.Context, string) (fetch.Response, error) { return r, err }
}
