//go:build interop

package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/notifiers/notifiertest"
)

// Slack's own code for apps, of fixed versions.
const (
	boltPackage   = "@slack/bolt@5.1.0"
	socketPackage = "@slack/socket-mode@3.1.0"
)

// saying are the lines that a program of ours in node has printed.
func saying(c *child) []string {
	var out []string
	for s := bufio.NewScanner(strings.NewReader(c.out.String())); s.Scan(); {
		out = append(out, s.Text())
	}
	return out
}

// tryBolt lets Slack's own receiver judge the requests that our fake Slack signs, and
// keeps its verdicts for the tests of slackapp.
func tryBolt(t *testing.T) {
	node := nodePackages(t, boltPackage)
	port, script := freePort(t), given(t, "bolt.mjs", node)
	cmd := exec.Command("node", script, "serve", fmt.Sprint(port), "signing")
	cmd.Dir = node
	app := launch(t, cmd)
	listens(t, port)
	address := fmt.Sprintf("http://127.0.0.1:%d/slack/app", port)
	fake := notifiertest.NewSlackApp("xoxb-right")
	fake.Base = "http://127.0.0.1:1"
	submit := fake.Click("modal", "UANN", "C0000001", "", "", "")
	delete(submit, "actions")
	submit["type"], submit["view"] = "view_submission", map[string]any{"id": "V1", "callback_id": "tocsin_watchlist"}
	open := map[string]any{"type": "event_callback", "team_id": "T0000001", "event_id": "Ev1", "event": map[string]any{"type": "app_home_opened", "user": "UANN", "tab": "home"}}
	for _, tt := range []struct {
		kind    string
		payload map[string]any
		took    string
	}{
		{"slash_commands", fake.Slash("a", "UANN", "C0000001", "subscribe “missile*” & more"), `{"command":"subscribe “missile*” & more","user":"UANN","channel":"C0000001"}`},
		{"interactive", fake.Click("b", "UBOB", "C0000001", "1.2", "tocsin_why", "a1"), `{"action":"tocsin_why","value":"a1","user":"UBOB"}`},
		{"interactive", submit, `{"view":"tocsin_watchlist"}`},
		{"events_api", open, `{"event":"app_home_opened","user":"UANN"}`},
	} {
		before := len(saying(app))
		for name, status := range boltAnswers(t, address, tt.kind, tt.payload) {
			if want := map[bool]int{true: http.StatusOK, false: http.StatusUnauthorized}[name == "as it is"]; status != want {
				t.Errorf("%s %s: bolt answers %d, want %d", tt.kind, name, status, want)
			}
		}
		await(t, "bolt takes "+tt.kind, func() bool { return slices.Contains(saying(app)[before:], tt.took) })
		if got := saying(app)[before:]; len(got) != 1 {
			t.Errorf("%s: bolt took %q, want one", tt.kind, got)
		}
	}
	keepVerdicts(t, node, script)
}

// boltAnswers are the answers to a request as it is, and to it when it is not right.
func boltAnswers(t *testing.T, address, kind string, payload map[string]any) map[string]int {
	t.Helper()
	out := map[string]int{}
	call := func(name, secret string, at time.Time, change func(*http.Request)) {
		q, err := notifiertest.Signed(address, secret, kind, payload, at)
		if err != nil {
			t.Fatal(err)
		}
		change(q)
		p, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		p.Body.Close()
		out[name] = p.StatusCode
	}
	nothing := func(*http.Request) {}
	now := time.Now()
	call("as it is", "signing", now, nothing)
	call("by another secret", "other", now, nothing)
	call("of six minutes ago", "signing", now.Add(-6*time.Minute), nothing)
	call("of another time", "signing", now, func(q *http.Request) { q.Header.Set("X-Slack-Request-Timestamp", fmt.Sprint(now.Unix()+1)) })
	call("without a signature", "signing", now, func(q *http.Request) { q.Header.Del("X-Slack-Signature") })
	call("with another body", "signing", now, func(q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		body = bytes.Replace(body, []byte("UANN"), []byte("UEVE"), 1)
		body = bytes.Replace(body, []byte("UBOB"), []byte("UEVE"), 1)
		q.Body, q.GetBody, q.ContentLength = io.NopCloser(bytes.NewReader(body)), nil, int64(len(body))
	})
	return out
}

// A verdict is what Slack's code says of a request.
type verdict struct {
	Why       string `json:"why"`
	Secret    string `json:"secret"`
	Stamp     string `json:"stamp"`
	Signature string `json:"signature"`
	Body      string `json:"body"`
	Now       int64  `json:"now"`
	Signed    bool   `json:"signed"` // so says @slack/bolt
}

// keepVerdicts has requests of many kinds judged for slackapp/testdata/signed.jsonl.
func keepVerdicts(t *testing.T, node, script string) {
	t.Helper()
	const at, secret = 1_764_000_000, "8f742231b10e8888abcd99yyyzzz85a5"
	sign := func(why, key, body string, stamp, now int64) verdict {
		m := hmac.New(sha256.New, []byte(key))
		fmt.Fprintf(m, "v0:%d:%s", stamp, body)
		return verdict{Why: why, Secret: secret, Stamp: fmt.Sprint(stamp), Signature: "v0=" + hex.EncodeToString(m.Sum(nil)), Body: body, Now: now}
	}
	good := sign("a command", secret, "command=%2Ftocsin&text=list", at, at)
	all := []verdict{
		good,
		sign("an empty body", secret, "", at, at),
		sign("another script", secret, `{"text":"ミサイル 😀 صاروخ"}`, at, at),
		sign("line ends and a colon", secret, "v0:1:\r\nx\n", at, at),
		sign("five minutes old", secret, "x", at, at+300),
		sign("older", secret, "x", at, at+301),
		sign("five minutes ahead", secret, "x", at+300, at),
		sign("further ahead", secret, "x", at+301, at),
		sign("by another secret", "other", "x", at, at),
	}
	for why, change := range map[string]func(*verdict){
		"another body": func(v *verdict) { v.Body += "x" }, "another time": func(v *verdict) { v.Stamp = fmt.Sprint(at + 1) },
		"another version": func(v *verdict) { v.Signature = "v1" + v.Signature[2:] }, "cut short": func(v *verdict) { v.Signature = v.Signature[:40] },
		"no digest": func(v *verdict) { v.Signature = "v0=" }, "no version": func(v *verdict) { v.Signature = v.Signature[3:] },
		"a time with a sign": func(v *verdict) { v.Stamp = "+" + v.Stamp }, "no secret": func(v *verdict) { v.Secret = "" },
	} {
		v := good
		v.Why = why
		change(&v)
		all = append(all, v)
	}
	slices.SortFunc(all[9:], func(a, b verdict) int { return strings.Compare(a.Why, b.Why) })
	var in, out strings.Builder
	for _, v := range all {
		line, _ := json.Marshal(v)
		in.Write(append(line, '\n'))
	}
	cmd := exec.Command("node", script, "judge")
	cmd.Dir, cmd.Stdin = node, strings.NewReader(in.String())
	for i, signed := range lines[bool](t, must(t, cmd)) {
		all[i].Signed = signed
		line, _ := json.Marshal(all[i])
		out.Write(append(line, '\n'))
	}
	proved(t, "../../notifiers/slackapp/testdata/signed.jsonl", out.String())
	t.Logf("%s judged %d requests", boltPackage, len(all))
}

// trySocketMode lets Slack's own client connect to our fake Slack, and keeps what they
// said to each other for the tests of notifiertest.
func trySocketMode(t *testing.T) {
	node := nodePackages(t, socketPackage)
	script := given(t, "socket.mjs", node)
	fake := notifiertest.NewSlackApp("xoxb-right")
	fake.AppToken = "xapp-right"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fake.Base = "http://" + l.Addr().String()
	t.Cleanup(fake.Serve(l))
	connect := func(token string) *child {
		cmd := exec.Command("node", script, fake.Base+"/api/", token)
		cmd.Dir = node
		return launch(t, cmd)
	}
	connect("xapp-wrong").says("refused: invalid_auth")
	client := connect("xapp-right")
	await(t, "Slack's client connects", func() bool { return fake.Connections() == 1 })
	client.says(`"now":"connected"`)

	submit := fake.Click("c", "UANN", "C0000001", "", "", "")
	submit["type"] = "view_submission"
	delete(submit, "actions")
	open := map[string]any{"team_id": "T0000001", "event_id": "Ev1", "event": map[string]any{"type": "app_home_opened", "user": "UANN"}}
	fake.Base = "http://127.0.0.1:1" // in what is kept
	for _, tt := range []struct {
		kind    string
		payload map[string]any
		ack     string
	}{
		{"slash_commands", fake.Slash("a", "UANN", "C0000001", "list"), `{"response_type":"ephemeral","text":"heard list"}`},
		{"interactive", fake.Click("b", "UANN", "C0000001", "1.2", "tocsin_why", "a1"), `{}`},
		{"interactive", submit, `{"errors":{"query":"say more"},"response_action":"errors"}`},
		{"events_api", open, `{}`},
	} {
		ack, ok := fake.Emit(tt.kind, tt.payload, false)
		if got, _ := json.Marshal(ack); !ok || string(got) != tt.ack {
			t.Errorf("%s: acknowledged %v with %s, want %s", tt.kind, ok, got, tt.ack)
		}
	}
	await(t, "Slack's client says what it read", func() bool { return strings.Count(client.out.String(), `{"read"`) == 5 })
	var said strings.Builder
	for _, line := range saying(client) {
		said.WriteString(strings.ReplaceAll(line, l.Addr().String(), "127.0.0.1:1") + "\n")
	}
	proved(t, "../../notifiers/notifiertest/testdata/socketmode.jsonl", said.String())

	fake.Base = "http://" + l.Addr().String()
	opened := fake.Opened()
	fake.Refresh(1, 10*time.Second)
	await(t, "Slack's client comes back after it was told to go", func() bool { return fake.Opened() > opened && fake.Connections() == 1 })
	t.Logf("%s connected, was refused with a wrong token, acknowledged 4 envelopes and came back", socketPackage)
}
