//go:build interop

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"

	"tocsin/pipeline"
)

// The versions are part of what was tried: another "emulate" is published under
// the tag latest.
var slackPackages = []string{"emulate@0.11.2", "@slack/types@3.2.0", "ts-json-schema-generator@2.4.0", "ajv@8.20.0"}

// trySlackEmulator posts, edits and looks up at an emulator of Slack that knows
// the token's scopes, and holds every message to Slack's published types.
func trySlackEmulator(t *testing.T) {
	node := nodePackages(t, slackPackages...)
	wire := newRelay(t, newEmulator(t, node))
	alerts, duty := wire.channel(t, "alerts"), wire.channel(t, "duty")
	site := newPress(t)
	site.publish("france", "0", "Opening hours <!channel> & more", "On the transfer of ballistic missiles, before the first reading.")
	site.publish("japan", "0", "Opening hours", "Of the embassy.")
	args := configuredBy(t, "", site.sources("france", "japan")+mailWatch+fmt.Sprintf(`
operators: [duty]
slack: {token: {env: INTEROP_TOKEN}, api: "http://%s/api/"}
email: {smtp: "smtp://127.0.0.1:%d", from: tocsin@desk.example}
destinations:
  alerts: {kind: slack, to: %s}
  duty: {kind: slack, to: %s}
  down: {kind: email, to: desk@rcpt.test}
subscriptions:
  - {watchlist: missiles, to: alerts}
  - {watchlist: missiles, to: down}
`, wire.addr, freePort(t), alerts, duty))
	serving(t, args...)
	await(t, "the digest is posted", func() bool { return len(wire.history(t, alerts)) == 1 })
	await(t, "operators hear that mail does not work", func() bool { return wire.holds(t, duty, "email does not work") == 1 })

	site.publish(statementIn("france", 1))
	await(t, "the alert is posted", func() bool { return wire.holds(t, alerts, "№ 1") == 1 })
	wire.cut("chat.postMessage")
	site.publish(statementIn("japan", 1))
	await(t, "a copy edits it", func() bool { return wire.edits(alerts) == 1 })
	await(t, "the thread tells of the copy", func() bool { return wire.told(t, alerts, "№ 1", "Ministry of japan") })
	await(t, "the reply without an answer is looked up", func() bool { return len(wire.said("conversations.replies")) > 0 })

	wire.cut("chat.postMessage")
	site.publish(statementIn("france", 2))
	await(t, "the post without an answer is settled", func() bool { return wire.settled(t, args, alerts, "№ 2") })
	site.publish(statementIn("japan", 3))
	await(t, "the next alert is posted", func() bool { return wire.holds(t, alerts, "№ 3") == 1 })

	checkHistory(t, wire.history(t, alerts))
	wire.check(t)
	var posted []string
	for _, blocks := range wire.messages() {
		posted = append(posted, `{"is":"message","value":`+blocks+`}`)
	}
	holdToTypes(t, node, posted)
}

// newEmulator starts emulate with a token that has the scopes of our manifest.
func newEmulator(t *testing.T, node string) (addr string) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/slack-manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		OAuth struct {
			Scopes struct{ Bot []string }
		} `yaml:"oauth_config"`
	}
	if err := yaml.Unmarshal(text, &manifest); err != nil || len(manifest.OAuth.Scopes.Bot) == 0 {
		t.Fatalf("the manifest names no scopes: %v", err)
	}
	seed, err := json.Marshal(map[string]any{"slack": map[string]any{
		"strict_scopes": true,
		"channels":      []any{map[string]string{"name": "alerts"}, map[string]string{"name": "duty"}},
		"tokens":        []any{map[string]any{"token": interopToken, "scopes": manifest.OAuth.Scopes.Bot}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	cmd := exec.Command("node", "--require", given(t, "loop.cjs", node), filepath.Join(node, "node_modules/emulate/dist/index.js"),
		"start", "--service", "slack", "--port", fmt.Sprint(port), "--seed", wroteFile(t, filepath.Join(node, "seed.yaml"), string(seed)))
	cmd.Dir = node
	launch(t, cmd)
	listens(t, port)
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// A relay stands before Slack. It keeps what is said, and can break a connection
// after Slack did what was asked.
type relay struct {
	addr, to string

	mu    sync.Mutex
	cutAt string
	calls []call
	looks []call // of the test itself
}

type call struct {
	method, auth string
	body, reply  string
	form         url.Values
	cut          bool
	answer       struct {
		OK    bool
		Error string
	}
}

func newRelay(t *testing.T, to string) *relay {
	r := &relay{to: to}
	r.addr = loopback(t, r)
	return r
}

// ServeHTTP passes one call on.
func (r *relay) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	answer, status, err := r.pass(q.Method, q.URL.Path, q.Header, body)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	c := call{method: filepath.Base(q.URL.Path), auth: q.Header.Get("Authorization"), body: string(body), reply: string(answer)}
	c.form, _ = url.ParseQuery(string(body))
	_ = json.Unmarshal(answer, &c.answer)
	r.mu.Lock()
	if c.cut = r.cutAt == c.method; c.cut {
		r.cutAt = ""
	}
	r.calls = append(r.calls, c)
	r.mu.Unlock()
	if c.cut {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

func (r *relay) pass(method, path string, h http.Header, body []byte) (answer []byte, status int, err error) {
	q, err := http.NewRequest(method, "http://"+r.to+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	q.Header = h.Clone()
	p, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, 0, err
	}
	defer p.Body.Close()
	answer, err = io.ReadAll(p.Body)
	return answer, p.StatusCode, err
}

// cut breaks the connection of the next call of method.
func (r *relay) cut(method string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cutAt = method
}

// ask calls Slack as another client of the workspace would.
func (r *relay) ask(t *testing.T, method string, form url.Values, into any) {
	t.Helper()
	h := http.Header{"Authorization": {"Bearer " + interopToken}, "Content-Type": {"application/x-www-form-urlencoded"}}
	answer, status, err := r.pass(http.MethodPost, "/api/"+method, h, []byte(form.Encode()))
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: status %d, %v", method, status, err)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("%s: %v in %s", method, err, answer)
	}
	look := call{method: method, reply: string(answer)}
	_ = json.Unmarshal(answer, &look.answer)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks = append(r.looks, look)
}

func (r *relay) channel(t *testing.T, name string) string {
	t.Helper()
	var got struct {
		Channels []struct{ ID, Name string }
	}
	r.ask(t, "conversations.list", nil, &got)
	for _, c := range got.Channels {
		if c.Name == name {
			return c.ID
		}
	}
	t.Fatalf("the emulator has no channel %s", name)
	return ""
}

// A posted message is what stands in a channel.
type postedMessage struct {
	TS, Text   string
	ReplyCount int `json:"reply_count"`
	Edited     *struct{ TS string }
	Metadata   struct {
		EventType string            `json:"event_type"`
		Payload   map[string]string `json:"event_payload"`
	}
}

func (r *relay) history(t *testing.T, channel string) []postedMessage {
	t.Helper()
	var got struct{ Messages []postedMessage }
	r.ask(t, "conversations.history", url.Values{"channel": {channel}, "include_all_metadata": {"true"}}, &got)
	return got.Messages
}

// holds counts the messages of a channel that hold words.
func (r *relay) holds(t *testing.T, channel, words string) (n int) {
	t.Helper()
	for _, m := range r.history(t, channel) {
		if strings.Contains(m.Text, words) {
			n++
		}
	}
	return n
}

// told reports whether a reply with words stands beneath a message, with metadata of
// its own.
func (r *relay) told(t *testing.T, channel, about, words string) bool {
	t.Helper()
	for _, m := range r.history(t, channel) {
		if !strings.Contains(m.Text, about) {
			continue
		}
		var got struct{ Messages []postedMessage }
		r.ask(t, "conversations.replies", url.Values{"channel": {channel}, "ts": {m.TS}, "include_all_metadata": {"true"}}, &got)
		for _, reply := range got.Messages {
			id := reply.Metadata.Payload["id"]
			if reply.TS != m.TS && strings.Contains(reply.Text, words) && id != "" && id != m.Metadata.Payload["id"] {
				return true
			}
		}
	}
	return false
}

func (r *relay) edits(channel string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		if c.method == "chat.update" && c.answer.OK && c.form.Get("channel") == channel {
			n++
		}
	}
	return n
}

// settled reports whether a message was posted once and its delivery is known to
// have been sent, by looking it up.
func (r *relay) settled(t *testing.T, args []string, channel, words string) bool {
	t.Helper()
	for _, m := range r.history(t, channel) {
		if !strings.Contains(m.Text, words) {
			continue
		}
		for _, d := range lines[pipeline.Delivered](t, must(t, program(t, append(args, "delivery", "list", "--json")...))) {
			if d.Delivery == m.Metadata.Payload["id"] {
				return d.Kind == pipeline.Sent && d.Ref == channel+"/"+m.TS && !d.Repeat
			}
		}
	}
	return false
}

func checkHistory(t *testing.T, messages []postedMessage) {
	t.Helper()
	ids := map[string]bool{}
	for _, m := range messages {
		id := m.Metadata.Payload["id"]
		if m.Metadata.EventType != "tocsin_delivery" || id == "" || ids[id] || len(m.Metadata.Payload) != 1 {
			t.Errorf("message %q carries metadata %+v, want one id of its own", m.Text, m.Metadata)
		}
		ids[id] = true
		if want := map[bool]int{true: 1}[strings.Contains(m.Text, "№ 1")]; m.ReplyCount != want {
			t.Errorf("message %q has %d replies, want %d: one that tells of the copy", m.Text, m.ReplyCount, want)
		}
		if strings.Contains(m.Text, "<!channel>") {
			t.Errorf("message %q would ring everybody", m.Text)
		}
		if strings.Contains(m.Text, "№ 1") && !strings.Contains(m.Text, "Ministry of japan") {
			t.Errorf("message %q does not name the second publisher after the edit", m.Text)
		}
	}
	if len(messages) != 4 {
		t.Errorf("%d messages stand in the channel, want a digest and 3 alerts", len(messages))
	}
}

// check holds the calls to what they promise: the token in the header alone,
// nothing refused, look-ups after the cuts.
func (r *relay) check(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	count := map[string]int{}
	for _, c := range r.calls {
		if c.form == nil || c.method == "api" { // the connection is tried before it is needed
			continue
		}
		count[c.method]++
		if c.auth != "Bearer "+interopToken || c.form.Has("token") || strings.Contains(c.form.Encode(), interopToken) {
			t.Errorf("%s: the token stands elsewhere than in the header", c.method)
		}
		if !c.answer.OK {
			t.Errorf("%s was refused: %s", c.method, c.answer.Error)
		}
		if c.method == "chat.postMessage" && (c.form.Get("unfurl_links") != "false" || c.form.Get("unfurl_media") != "false") {
			t.Errorf("a post may unfurl links: %v", c.form)
		}
	}
	t.Logf("calls: %v", count)
	if count["conversations.history"] == 0 || count["conversations.replies"] == 0 {
		t.Error("what got no answer was not looked up in the channel and in the thread")
	}
}

// messages are the blocks of every message that was sent.
func (r *relay) messages() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		if strings.HasPrefix(c.method, "chat.") {
			out = append(out, c.form.Get("blocks"))
		}
	}
	return out
}
