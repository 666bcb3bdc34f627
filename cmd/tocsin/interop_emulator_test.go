//go:build interop

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/notifiers/notifiertest"
)

// A workplace is the app of the real binary at the emulator, and a person there. The
// emulator keeps messages, threads and views; it gives no commands and signs no events,
// so those come as @slack/bolt was seen to take them.
type workplace struct {
	*relay
	t                *testing.T
	fake             *notifiertest.SlackApp // for the form of what Slack sends
	public           string
	team, user, room string

	mu      sync.Mutex
	answers []string // what came to response_urls
	n       int
}

// tryAppAtEmulator has a person make a watchlist in a form, be alerted, and
// acknowledge the alert.
func tryAppAtEmulator(t *testing.T) {
	node := nodePackages(t, slackPackages...)
	wire := newRelay(t, newEmulator(t, node))
	public := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	d := &workplace{relay: wire, t: t, public: "http://" + public + "/slack/app", user: "U000000001", room: wire.channel(t, "alerts"), fake: notifiertest.NewSlackApp("")}
	d.fake.Base = "http://" + loopback(t, http.HandlerFunc(d.take))
	var who struct {
		Team string `json:"team_id"`
	}
	wire.ask(t, "auth.test", nil, &who)
	d.team = who.Team
	site := newPress(t)
	site.publish("france", "0", "Opening hours", "On the transfer of ballistic missiles, before the first reading.")
	site.publish("japan", "0", "Opening hours", "Of the embassy.")
	serving(t, configuredBy(t, "", site.sources("france", "japan")+fmt.Sprintf(`
listen: {public: %q}
public_url: https://alerts.example
slack: {token: {env: INTEROP_TOKEN}, signing_secret: {env: INTEROP_TOKEN}, api: "http://%s/api/"}
watchlists: {other: {query: embargo}}
`, public, wire.addr))...)

	d.makesWatchlist()
	d.opensHome()
	site.publish(statementIn("france", 1))
	await(t, "the alert is posted", func() bool { return wire.holds(t, d.room, "№ 1") == 1 })
	d.acknowledges()
	site.publish(statementIn("japan", 1))
	await(t, "a copy edits the card", func() bool { return strings.Contains(d.card().Text, "Ministry of japan") })
	await(t, "it is told in the thread", func() bool { return d.card().ReplyCount == 1 && d.thread() })

	var sent []string
	for _, c := range wire.said("") {
		var v struct{ View json.RawMessage }
		if strings.HasPrefix(c.method, "chat.") {
			for is, value := range map[string]string{"message": c.form.Get("blocks"), "metadata": c.form.Get("metadata")} {
				if value != "" {
					sent = append(sent, fmt.Sprintf(`{"is":%q,"value":%s}`, is, value))
				}
			}
		} else if json.Unmarshal([]byte(c.body), &v) == nil && len(v.View) > 0 {
			is := map[bool]string{true: "home", false: "modal"}[c.method == "views.publish"]
			sent = append(sent, fmt.Sprintf(`{"is":%q,"value":%s}`, is, v.View))
		}
	}
	holdToTypes(t, node, sent)
	count := map[string]int{}
	for _, c := range wire.said("") {
		count[c.method]++
		if c.method != "api" && (c.auth != "Bearer "+interopToken || strings.Contains(c.body, interopToken)) {
			t.Errorf("%s: the token stands elsewhere than in the header", c.method)
		}
		if !c.answer.OK && c.answer.Error != "" && c.answer.Error != "exchanged_trigger_id" {
			t.Errorf("%s was refused: %s", c.method, c.answer.Error)
		}
	}
	t.Logf("calls: %v", count)
	proved(t, "../../notifiers/notifiertest/testdata/answers.tsv", wire.shapes(t))
}

// tells are the methods whose answers tocsin reads.
var tells = map[string]bool{
	"auth.test": true, "chat.postMessage": true, "chat.update": true, "conversations.history": true, "conversations.replies": true,
	"conversations.info": true, "conversations.members": true, "views.open": true, "views.update": true, "views.publish": true,
}

// shapes are the places of what the emulator answered and the type of what stands
// there, a method, a place and a type a line.
func (r *relay) shapes(t *testing.T) string {
	t.Helper()
	seen := map[string]bool{}
	said := r.said("")
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range append(said, r.looks...) {
		var v any
		if !c.answer.OK || !tells[c.method] {
			continue
		}
		if err := json.Unmarshal([]byte(c.reply), &v); err != nil {
			t.Fatalf("%s: %v", c.method, err)
		}
		for place, kind := range notifiertest.Places(v) {
			seen[c.method+"\t"+place+"\t"+kind] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), "\n") + "\n"
}

// makesWatchlist fills in the form, sees what it would have found, and saves it.
func (d *workplace) makesWatchlist() {
	d.t.Helper()
	trigger := d.trigger()
	d.command(trigger, "new")
	await(d.t, "the form is open", func() bool { return len(d.said("views.open")) == 1 })
	var shown struct {
		View struct {
			ID, Hash string
			Metadata string `json:"private_metadata"`
		}
	}
	d.read(d.said("views.open")[0].reply, &shown)
	if shown.View.ID == "" {
		d.t.Fatalf("no form was opened: %s", d.said("views.open")[0].reply)
	}
	type m = map[string]any
	fill := func(kind string) {
		p := d.click("", "tocsin_query", "")
		delete(p, "response_url")
		p["type"] = kind
		p["view"] = m{
			"id": shown.View.ID, "hash": shown.View.Hash, "callback_id": "tocsin_watchlist", "private_metadata": shown.View.Metadata, "state": m{"values": m{
				"query": m{"tocsin_query": m{"value": `missile* AND transfer*`}}, "plan": m{"tocsin_plan": m{"value": ""}},
				"channel": m{"tocsin_channel": m{"selected_conversation": d.room}}, "name": m{"tocsin_name": m{"value": "transfers"}},
			}},
		}
		d.send("interactive", p)
	}
	fill("block_actions")
	await(d.t, "the form shows what the query finds", func() bool { return d.shows("views.update", "would have sent") })
	fill("view_submission")
	await(d.t, "the form says that it is saved", func() bool {
		return slices.ContainsFunc(d.heard(), func(s string) bool { return strings.Contains(s, `"update"`) && strings.Contains(s, "Saved as") })
	})

	again := d.click("", "tocsin_new", "-") // a trigger opens one form
	again["trigger_id"] = trigger
	d.send("interactive", again)
	await(d.t, "the person hears that the trigger was spent", func() bool {
		return len(d.said("views.open")) == 2 && slices.ContainsFunc(d.heard(), func(s string) bool { return strings.Contains(s, "exchanged_trigger_id") })
	})
}

func (d *workplace) opensHome() {
	d.t.Helper()
	d.n++
	d.send("events_api", map[string]any{
		"type": "event_callback", "team_id": d.team, "event_id": fmt.Sprint("Ev", d.n),
		"event": map[string]any{"type": "app_home_opened", "user": d.user, "tab": "home"},
	})
	await(d.t, "the home shows the subscription", func() bool { return d.shows("views.publish", "transfers") })
}

// acknowledges clicks on the card, which then says who and when.
func (d *workplace) acknowledges() {
	d.t.Helper()
	card := d.card()
	if !strings.Contains(string(card.Blocks), `"tocsin_acknowledge"`) || card.Metadata.EventType != "tocsin_delivery" {
		d.t.Errorf("the card has no button or no metadata: %+v", card)
	}
	var value string
	for _, b := range card.buttons() {
		if b.ActionID == "tocsin_acknowledge" {
			value = b.Value
		}
	}
	d.send("interactive", d.click(card.TS, "tocsin_acknowledge", value))
	await(d.t, "the card says it", func() bool { return strings.Contains(d.card().Text, "acknowledged by") })
	if d.card().ReplyCount != 0 {
		d.t.Errorf("the card has %d replies, want none", d.card().ReplyCount)
	}
}

// thread reports whether the copy is told beneath the card, under a delivery's name.
func (d *workplace) thread() bool {
	d.t.Helper()
	var got struct{ Messages []postedMessage }
	d.ask(d.t, "conversations.replies", url.Values{"channel": {d.room}, "ts": {d.card().TS}, "include_all_metadata": {"true"}}, &got)
	return slices.ContainsFunc(got.Messages, func(m postedMessage) bool {
		return strings.Contains(m.Text, "also published by Ministry of japan") && m.Metadata.EventType == "tocsin_delivery"
	})
}

type button struct {
	ActionID string `json:"action_id"`
	Value    string
}

type cardMessage struct {
	postedMessage
	Blocks json.RawMessage
}

func (c cardMessage) buttons() []button {
	var blocks []struct{ Elements []button }
	_ = json.Unmarshal(c.Blocks, &blocks)
	if len(blocks) == 0 {
		return nil
	}
	return blocks[len(blocks)-1].Elements
}

// card is the alert as it stands in the channel.
func (d *workplace) card() cardMessage {
	d.t.Helper()
	var got struct{ Messages []cardMessage }
	d.ask(d.t, "conversations.history", url.Values{"channel": {d.room}, "include_all_metadata": {"true"}}, &got)
	for _, m := range got.Messages {
		if strings.Contains(m.Text, "№ 1") {
			return m
		}
	}
	d.t.Fatal("the alert does not stand in the channel")
	return cardMessage{}
}

// trigger is what a form may be opened by, once and within three seconds.
func (d *workplace) trigger() string {
	d.t.Helper()
	var got struct {
		Trigger string `json:"trigger_id"`
	}
	d.ask(d.t, "views.generateTriggerId", url.Values{"user_id": {d.user}}, &got)
	return got.Trigger
}

func (d *workplace) command(trigger, text string) {
	d.t.Helper()
	d.n++
	p := d.fake.Slash(fmt.Sprint("c", d.n), d.user, d.room, text)
	p["team_id"], p["trigger_id"] = d.team, trigger
	d.send("slash_commands", p)
}

func (d *workplace) click(ts, action, value string) map[string]any {
	d.n++
	p := d.fake.Click(fmt.Sprint("c", d.n), d.user, d.room, ts, action, value)
	p["team"], p["user"] = map[string]any{"id": d.team}, map[string]any{"id": d.user, "team_id": d.team}
	return p
}

// send calls the app as Slack does.
func (d *workplace) send(kind string, payload map[string]any) {
	d.t.Helper()
	q, err := notifiertest.Signed(d.public, interopToken, kind, payload, time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	p, err := http.DefaultClient.Do(q)
	if err != nil {
		d.t.Fatal(err)
	}
	defer p.Body.Close()
	body, _ := io.ReadAll(p.Body)
	if p.StatusCode != http.StatusOK {
		d.t.Fatalf("%s: the app answers %d %s", kind, p.StatusCode, body)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers = append(d.answers, string(body)) // what is said with the acknowledgement
}

// take is what response_urls lead to.
func (d *workplace) take(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers = append(d.answers, string(body))
}

func (d *workplace) heard() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.answers)
}

// said are the calls of a method, of all methods for "".
func (r *relay) said(method string) (out []call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		if method == "" || c.method == method {
			out = append(out, c)
		}
	}
	return out
}

// shows reports whether a view with words was taken.
func (d *workplace) shows(method, words string) bool {
	return slices.ContainsFunc(d.said(method), func(c call) bool { return c.answer.OK && strings.Contains(c.body, words) })
}

func (d *workplace) read(text string, into any) {
	d.t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		d.t.Fatalf("%v in %s", err, text)
	}
}
