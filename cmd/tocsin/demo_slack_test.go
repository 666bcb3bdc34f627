package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/notifiers/notifiertest"
)

// TestTheConversationJudgesItself plays it whole, and with a mechanism switched off,
// without which something is missing.
func TestTheConversationJudgesItself(t *testing.T) {
	for _, tt := range []struct {
		off, says string
		status    int
	}{
		{"", "", 0},
		{"match", "demo: missing: an alert in the channel", 1},
	} {
		t.Run("without "+tt.off, func(t *testing.T) {
			t.Parallel()
			p := spawn(t, []string{"TOCSIN_OFF=" + tt.off}, "demo", "--slack", "--once")
			if !p.ended(150 * time.Second) {
				t.Fatalf("it did not end:\n%s%s", p.out, p.err)
			}
			if got := p.cmd.ProcessState.ExitCode(); got != tt.status || !strings.Contains(p.err.String(), tt.says) {
				t.Fatalf("exit status %d, want %d and %q:\n%s%s", got, tt.status, tt.says, p.out, p.err)
			}
			if tt.status == 0 {
				inOrder(t, p.out.String(), conversationOrder)
			}
		})
	}
}

// conversationOrder is what a newcomer has to read, in order.
var conversationOrder = []string{
	"nothing leaves this machine",
	"#desk Ann: /tocsin subscribe \"ballistic missile*\"", "tocsin, to Ann alone:", "would have sent *1* statement", "[Save and subscribe]", "Ann presses [Save and subscribe]", "Saved as *ballistic-missile*",
	"#desk tocsin:", "Joint statement on the transfer of ballistic missiles", "[Acknowledge] [Mute similar] [Not relevant] [Why]",
	"tocsin edits its message:", "+ published by ", "in the thread below it:", "│ also published by ",
	"shown to all in the channel:", "36 to 38", "withdrawn by Isle Republic",
	"Bob presses [Acknowledge]", "+ acknowledged by ",
	"/tocsin mute ballistic-missile 2h", "is muted here", "/tocsin resume", "bans the export",
	"Ann presses [Why]", "watchlist *ballistic-missile*",
	"a form opens before Ann:", "── Edit a watchlist ──", `Query: "ballistic missile*"`, "[Save]", "Ann writes into Query:", "+ · ⚠", "would have sent *2* statements", "drops 2", "the form says:", "Saved as *ballistic-missile*",
	"Ann opens the app's home:", "8 sources healthy", "#desk *ballistic-missile*", "[Mute for 2 hours] [Edit]",
	"/tocsin unsubscribe", "no further alerts", "all of it came as it had to",
}

func inOrder(t *testing.T, text string, parts []string) {
	t.Helper()
	rest := text
	for _, p := range parts {
		_, after, ok := strings.Cut(rest, p)
		if !ok {
			t.Fatalf("%q is not where it has to be:\n%s", p, text)
		}
		rest = after
	}
}

func TestTheConversationTakesNoJSON(t *testing.T) {
	var out, errs bytes.Buffer
	if got := run(t.Context(), []string{"demo", "--slack", "--json"}, strings.NewReader(""), &out, &errs); got != statusUsage || !strings.Contains(errs.String(), "leave out --json") {
		t.Errorf("status %d: %s", got, &errs)
	}
}

// TestATranscriptShowsEditsThreadsAndPeople prints a message, its edit, and a reply that
// all see.
func TestATranscriptShowsEditsThreadsAndPeople(t *testing.T) {
	fake := notifiertest.NewSlackApp(demoToken)
	api, stop, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	var out strings.Builder
	told := newTranscript(&out, fake)
	ts := callSlack(t, api, "chat.postMessage", "text", "a", "blocks", `[{"type":"section","text":{"type":"mrkdwn","text":"kept &amp; whole\nold <@U000ANN00> <http://x.example/a|x.example> <http://x.example/b|title>"}}]`)
	told.catchUp(demoDesk)
	callSlack(t, api, "chat.update", "ts", ts, "text", "a", "blocks", `[{"type":"section","text":{"type":"mrkdwn","text":"kept &amp; whole\nnew"}}]`)
	callSlack(t, api, "chat.postMessage", "thread_ts", ts, "text", "quiet")
	callSlack(t, api, "chat.postMessage", "thread_ts", ts, "reply_broadcast", "true", "text", "loud")
	told.catchUp(demoDesk)
	told.catchUp(demoDesk)
	want := "  #desk tocsin:\n      kept & whole\n      old @Ann http://x.example/a title http://x.example/b\n" +
		"  #desk tocsin edits its message:\n    - old @Ann http://x.example/a title http://x.example/b\n    + new\n" +
		"  tocsin, in the thread below it:\n       │ quiet\n  #desk tocsin, in the thread and shown to all in the channel:\n       │ loud\n"
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", &out, want)
	}
	if err := told.told(demoAnn, json.RawMessage(`{"text":"a"}`), "b"); err == nil {
		t.Error("an answer that lacks something passes")
	}
}

// TestTheBundledConversationHasAllSteps sees that what is published in a step comes.
func TestTheBundledConversationHasAllSteps(t *testing.T) {
	st, err := slackSite()
	if err != nil {
		t.Fatal(err)
	}
	last := len(st.Steps) - 1
	if !slices.ContainsFunc(st.Statements, func(e demoEntry) bool { return e.Step == last && strings.Contains(e.Title, "bans the export") }) {
		t.Error("the last step does not publish what is held")
	}
}

// callSlack calls a method of a workspace for the desk and returns the message's ts.
func callSlack(t *testing.T, api, method string, form ...string) string {
	t.Helper()
	values := url.Values{"channel": {demoDesk}}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api+method, strings.NewReader(values.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Authorization", "Bearer "+demoToken)
	p, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Body.Close()
	var a struct {
		OK    bool
		TS    string
		Error string
	}
	if err := json.NewDecoder(p.Body).Decode(&a); err != nil || !a.OK {
		t.Fatalf("%s: %s %v", method, a.Error, err)
	}
	return a.TS
}
