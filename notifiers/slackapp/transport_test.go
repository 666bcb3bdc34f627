package slackapp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"tocsin"
	"tocsin/notifiers/notifiertest"
)

// The vector is the worked example of Slack's page on verifying requests; its
// signature was computed there and, again, with openssl.
func TestSignatureAgreesWithAVector(t *testing.T) {
	const secret = "8f742231b10e8888abcd99yyyzzz85a5"
	const body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	const signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
	at := time.Unix(1531420618, 0)
	for _, tt := range []struct {
		name            string
		secret          tocsin.Secret
		stamp, sig, bod string
		after           time.Duration
		ok              bool
	}{
		{"as it is", secret, "1531420618", signature, body, 0, true},
		{"five minutes old", secret, "1531420618", signature, body, 5 * time.Minute, true},
		{"older", secret, "1531420618", signature, body, 5*time.Minute + time.Second, false},
		{"from the future", secret, "1531420618", signature, body, -5*time.Minute - time.Second, false},
		{"another body", secret, "1531420618", signature, body + "x", 0, false},
		{"another secret", secret + "x", "1531420618", signature, body, 0, false},
		{"no secret", "", "1531420618", signature, body, 0, false},
		{"no signature", secret, "1531420618", "", body, 0, false},
		{"a short signature", secret, "1531420618", "v0=", body, 0, false},
		{"another version", secret, "1531420618", "v1" + signature[2:], body, 0, false},
		{"a time that is none", secret, "+1531420618", signature, body, 0, false},
		{"no time", secret, "", signature, body, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := verify(tt.secret, tt.stamp, tt.sig, []byte(tt.bod), at.Add(tt.after)); (err == nil) != tt.ok {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

func TestEmptySecretsRefuseToStart(t *testing.T) {
	if _, err := New(Config{Token: "xoxb-x"}); err == nil {
		t.Error("an app without app token and signing secret starts")
	}
	if _, err := New(Config{AppToken: "xapp-x"}); err == nil {
		t.Error("an app without a bot token starts")
	}
	a, err := New(Config{Token: "xoxb-x", AppToken: "xapp-x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Handler(); err == nil {
		t.Error("a handler without signing secret is made")
	}
}

func TestHTTPTakesWhatSlackSignedOnce(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		h, err := r.app.Handler()
		if err != nil {
			t.Fatal(err)
		}
		call := func(q *http.Request) int {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, q)
			return w.Code
		}
		signed := func(name, secret string, at time.Time) *http.Request {
			q, err := notifiertest.Signed("/slack/app", secret, "slash_commands", r.Slash(name, "UANN", "C0000001", "list"), at)
			if err != nil {
				t.Fatal(err)
			}
			return q
		}
		now := time.Now()
		for _, tt := range []struct {
			name string
			q    *http.Request
			want int
		}{
			{"good", signed("good", "signing", now), 200},
			{"again", signed("good", "signing", now), 401},
			{"another key", signed("key", "other", now), 401},
			{"six minutes old", signed("old", "signing", now.Add(-6*time.Minute)), 401},
			{"six minutes ahead", signed("ahead", "signing", now.Add(6*time.Minute)), 401},
			{"GET", httptest.NewRequest("GET", "/slack/app", nil), 405},
			{"too large", httptest.NewRequest("POST", "/slack/app", strings.NewReader(strings.Repeat("x", maxBody+1))), 413},
			{"unsigned", httptest.NewRequest("POST", "/slack/app", strings.NewReader("text=list")), 401},
		} {
			if got := call(tt.q); got != tt.want {
				t.Errorf("%s: status %d, want %d", tt.name, got, tt.want)
			}
		}
		seen := r.app.Seen
		r.app.Seen = NewSeen(now) // a process that began just now
		if old, fresh := call(signed("before", "signing", now.Add(-time.Second))), call(signed("since", "signing", now)); old != 401 || fresh != 200 {
			t.Errorf("signed before the process began: status %d, in the same second: %d", old, fresh)
		}
		r.app.Seen = seen
		time.Sleep(5 * time.Second)
		if n := len(r.Answers("good")); n != 1 {
			t.Errorf("a request that came twice is answered %d times", n)
		}
		for _, name := range []string{"key", "old", "ahead"} {
			if n := len(r.Answers(name)); n != 0 {
				t.Errorf("%s: answered", name)
			}
		}
		// The same command over the socket too is handled once.
		r.Emit("slash_commands", r.Slash("good", "UANN", "C0000001", "list"), false)
		time.Sleep(5 * time.Second)
		if n := len(r.Answers("good")); n != 1 {
			t.Errorf("a command that came over both ways is answered %d times", n)
		}
		q, _ := notifiertest.Signed("/slack/app", "signing", "events_api", map[string]any{"type": "url_verification", "challenge": "3eZbrw"}, now)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		if w.Code != 200 || w.Body.String() != "3eZbrw" {
			t.Errorf("the challenge is answered %d %q", w.Code, w.Body)
		}
	})
}

func TestRefreshLeavesNoGap(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		if n := r.Connections(); n != 2 {
			t.Fatalf("%d connections, want 2", n)
		}
		for i := range 6 {
			r.Refresh(1+i%2, 10*time.Second) // one, or both at once
			for range 20 {
				r.n++
				name := fmt.Sprint("gap", r.n)
				if _, ok := r.Emit("slash_commands", r.Slash(name, "UANN", "C0000001", "list"), false); !ok {
					t.Errorf("refresh %d: a command found nobody", i)
				}
				time.Sleep(time.Second)
				if n := len(r.Answers(name)); n != 1 {
					t.Errorf("refresh %d: a command is answered %d times", i, n)
				}
			}
			if n := r.Connections(); n != 2 {
				t.Errorf("after refresh %d there are %d connections", i, n)
			}
		}
	})
}

func TestBrokenConnectionsComeBack(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		r.Fail("apps.connections.open", notifiertest.Fault{Code: "internal_error"}, notifiertest.Fault{Status: 503}, notifiertest.Fault{Code: "invalid_auth"})
		r.Cut()
		time.Sleep(time.Minute)
		if n := r.Connections(); n != 2 {
			t.Errorf("a minute after they broke there are %d connections", n)
		}
		opened := r.Opened()
		time.Sleep(silentFor + time.Minute) // nobody pings: they are dead and do not know it
		if r.Opened() < opened+2 {
			t.Error("silent connections are not opened anew")
		}
		r.Ping()
		opened = r.Opened()
		for range 20 {
			time.Sleep(30 * time.Second)
			r.Ping()
		}
		if r.Opened() != opened {
			t.Errorf("connections that are pinged were opened %d times more", r.Opened()-opened)
		}
	})
}

func TestOperatorsHearThatNobodyCanReachTheApp(t *testing.T) {
	var mu sync.Mutex
	var all []string
	told := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
	inSlack(t, func(c *Config) {
		c.Trouble = func(text string) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, text)
		}
	}, func(r *rig) {
		r.Always("apps.connections.open", notifiertest.Fault{Code: "invalid_auth"})
		r.Cut()
		time.Sleep(10 * time.Second)
		if got := told(); len(got) != 0 {
			t.Errorf("after ten seconds: %q", got)
		}
		time.Sleep(10 * time.Minute)
		r.Always("apps.connections.open", notifiertest.Fault{})
		if got := told(); len(got) == 0 || !strings.Contains(got[0], "check app_token") {
			t.Errorf("after ten minutes: %q", got)
		}
		time.Sleep(2 * time.Minute)
		if got := told(); got[len(got)-1] != "" {
			t.Error("operators do not hear that it works again")
		}
	})
}

func TestSlowWorkHoldsUpNoAcknowledgement(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		r.desk.slow = 30 * time.Second
		for i := range 50 {
			began := time.Now()
			if _, ok := r.Emit("slash_commands", r.Slash(fmt.Sprint("slow", i), "UANN", "C0000001", "search x"), false); !ok || time.Since(began) > 100*time.Millisecond {
				t.Fatalf("acknowledged %v after %s", ok, time.Since(began))
			}
		}
		time.Sleep(10 * time.Minute)
		for i := range 50 {
			if n := len(r.Answers(fmt.Sprint("slow", i))); n != 1 {
				t.Errorf("command %d is answered %d times", i, n)
			}
		}
	})
}

func TestWhatThereIsNoRoomForIsSaid(t *testing.T) {
	a, err := New(Config{Token: "xoxb-x", AppToken: "xapp-x"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range waiting + 1 { // nobody works
		data, _ := json.Marshal(slash{Text: "list", TriggerID: fmt.Sprint(i)})
		ack := a.take(slashCommands, data)
		if (ack != nil) != (i == waiting) {
			t.Fatalf("command %d is acknowledged with %v", i, ack)
		}
	}
}

// TestEveryPublishedCodeHasAnOutcome reads the codes that Slack publishes for the
// methods that the app calls.
func TestEveryPublishedCodeHasAnOutcome(t *testing.T) {
	f, err := os.Open("testdata/codes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ours := []string{"apps.connections.open", "auth.test", "conversations.info", "users.info", "views.open", "views.publish", "views.update", "chat.postMessage"}
	lines := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		cols := strings.Split(s.Text(), "\t")
		if len(cols) != 3 {
			t.Fatalf("line %q", s.Text())
		}
		method, code, want := cols[0], cols[1], tocsin.Verdict(cols[2])
		if !slices.Contains(ours, method) {
			t.Errorf("%s is not called", method)
		}
		lines++
		o := outcome(slack.SlackErrorResponse{Err: code})
		if o.Verdict != want || o.Code != code || strings.Contains(o.Advice, "does not know it") {
			t.Errorf("%s %s: %s %q, want %s", method, code, o.Verdict, o.Advice, want)
		}
	}
	if lines < 60 {
		t.Errorf("%d codes", lines)
	}
	if o := outcome(slack.SlackErrorResponse{Err: "brand_new"}); o.Verdict != tocsin.Refused || o.Advice == "" {
		t.Errorf("an unknown code: %+v", o)
	}
}

func TestExpiredTriggerIsToldToThePerson(t *testing.T) {
	for _, code := range []string{"expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id", "view_too_large", "duplicate_external_id"} {
		t.Run(code, func(t *testing.T) {
			inSlack(t, nil, func(r *rig) {
				r.Fail("views.open", notifiertest.Fault{Code: code})
				has(t, "new", r.say("UANN", "C0000001", "new"), code)
			})
		})
	}
}
