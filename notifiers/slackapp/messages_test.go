package slackapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/notifiers"
	"tocsin/notifiers/notifiertest"
)

// A sample is something that we send to Slack: what it is, for
// notifiertest.CheckTypes, and its value.
type sample struct {
	Is    string          `json:"is"`
	Value json.RawMessage `json:"value"`
}

// TestEveryKindOfMessageFitsSlacksTypes sends every kind of message that there is and
// holds each to the types that Slack publishes. Where TOCSIN_MESSAGES names a file they
// are written there, for "make interop".
func TestEveryKindOfMessageFitsSlacksTypes(t *testing.T) {
	var samples []sample
	inSlack(t, nil, func(r *rig) {
		var acks []any
		r.Ack = func(_ time.Duration, ack any) { acks = append(acks, ack) }
		deliverEach(r)
		r.commandEach()
		r.pressEach()
		r.editEach()
		samples = r.samples(acks)
	})
	count, all := map[string]int{}, map[string]string{}
	var lines strings.Builder
	for _, s := range samples {
		if err := notifiertest.CheckTypes(s.Is, s.Value); err != nil {
			t.Errorf("%s: %v\n%s", s.Is, err, s.Value)
		}
		count[s.Is]++
		all[s.Is] += "\n" + words(s.Value)
		line, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	for kind, want := range map[string][]string{
		"message": {
			"Acknowledge", "published by 2", "withdrawn by", "also published by", "watching 80 sources", "held while muted", "2 troubles", "(possible repeat)",
			"Save and subscribe", "newest first", "Did you mean", "You have this in hand", "2 hours", "Save this edit", "Leave it as it is", "because of", "214 sources healthy", "disk full",
		},
		"modal": {"New watchlist", "*missiles*", "would have sent *7*", "is shared and cannot", "Saved as", "What you wrote"},
		"home":  {"214 sources healthy", "Mute for 2 hours", "Resume", "No channel of this workspace"},
	} {
		has(t, kind, all[kind], want...)
	}
	if count["metadata"] == 0 {
		t.Error("no message carries metadata")
	}
	t.Logf("held to Slack's types: %v", count)
	if path := os.Getenv("TOCSIN_MESSAGES"); path != "" {
		if err := os.WriteFile(path, []byte(lines.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// deliverEach sends what comes without being asked for.
func deliverEach(r *rig) {
	r.t.Helper()
	all, err := notifiers.New(notifiers.Config{Slack: notifiers.SlackConfig{Token: "xoxb-right", API: r.Base + "/api/", HTTP: r.app.HTTP, Buttons: Buttons}})
	if err != nil {
		r.t.Fatal(err)
	}
	defer notifiers.Close(all)
	ref := ""
	deliver := func(d tocsin.Delivery) string {
		d.ID, d.Since, d.To = fmt.Sprint("d", r.n), time.Now(), tocsin.Destination{Name: "room", Kind: "slack", To: "C0000001"}
		r.n++
		ready, err := all["slack"].Prepare(r.t.Context(), d)
		if err != nil {
			r.t.Fatalf("%s: %v", d.Kind, err)
		}
		defer ready.Close()
		got, err := ready.Send(r.t.Context())
		if err != nil {
			r.t.Fatalf("%s: %v", d.Kind, err)
		}
		return got
	}
	seen := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	first := tocsin.Copy{Source: "fr", Title: "On a launch & <!channel>", Publisher: "France", Country: "FR", URL: "https://fr.example/1?a=1&b=2", Published: seen, Seen: seen}
	a := tocsin.Alert{ID: "a1", Opened: seen, Copies: []tocsin.Copy{first}, Excerpt: "We deplore the launch of a missile.", Matches: []tocsin.Match{{Watchlist: "missiles", Branch: "missile*", Spans: []tocsin.Span{{Term: "missile*", List: "weapons", Field: tocsin.FieldText, Start: 27, End: 34}}}}}
	a.Marks = a.Matches[0].Spans
	ref = deliver(tocsin.Delivery{Kind: tocsin.Post, Alert: a, Late: "slack was down"})
	second, report := first, first
	second.Source, second.Publisher, second.Country = "jp", "Japan", "JP"
	report.Source, report.Report, report.Publisher = "news", true, "News"
	gone := first
	gone.Withdrawn = seen.Add(time.Hour)
	grown := a
	grown.Copies, grown.Revised, grown.Material, grown.Why = []tocsin.Copy{gone, second, report}, 2, 1, "numbers"
	grown.Changes = []tocsin.Change{{Field: tocsin.FieldText, Was: "48", Is: "50"}}
	grown.Acknowledged = tocsin.Acknowledgement{By: "slack:T0000001:UANN", At: seen}
	grown.Facets = tocsin.Facets{Signed: 48, Signatories: []string{"FR", "JP", "KR"}, Resolutions: []string{"1718 (2006)"}, Systems: []string{"KN-23"}}
	deliver(tocsin.Delivery{Kind: tocsin.Edit, Alert: grown, Ref: ref})
	deliver(tocsin.Delivery{Kind: tocsin.Post, Alert: grown, Repeat: true})
	merged := grown
	merged.Into = "a0"
	deliver(tocsin.Delivery{Kind: tocsin.Edit, Alert: merged, Older: a, Ref: ref})
	news := []tocsin.News{{Kind: tocsin.Copied, Copy: second}, {Kind: tocsin.Copied, Copy: report}}
	deliver(tocsin.Delivery{Kind: tocsin.Reply, Alert: grown, News: news, Ref: ref})
	news = append(news, tocsin.News{Kind: tocsin.Revised, Copy: first, Changes: grown.Changes, Material: true, Why: "numbers"}, tocsin.News{Kind: tocsin.Withdrawn, Copy: gone})
	deliver(tocsin.Delivery{Kind: tocsin.Reply, Alert: grown, News: news, Aloud: true, Ref: ref})
	deliver(tocsin.Delivery{Kind: tocsin.Reply, Alert: grown, News: news, Aloud: true})
	s := tocsin.Summary{Sources: 80, Answered: 61, Silent: []string{"Chad"}, Watchlists: []string{"missiles"}, Matching: 3, Newest: []tocsin.Alert{a, grown}}
	deliver(tocsin.Delivery{Kind: tocsin.Digest, Summary: s})
	s.Muted = true
	deliver(tocsin.Delivery{Kind: tocsin.Digest, Summary: s})
	s.Held, s.Changes, s.Changed = "digest", 9, []tocsin.Changed{{Alert: grown, News: news}}
	deliver(tocsin.Delivery{Kind: tocsin.Digest, Summary: s})
	notice := deliver(tocsin.Delivery{Kind: tocsin.Notice, Text: "2 troubles:\n- fr.example does not answer"})
	deliver(tocsin.Delivery{Kind: tocsin.Update, Text: "all is well", Ref: notice})
}

// commandEach gives every command, and some that are wrong.
func (r *rig) commandEach() {
	for _, text := range []string{
		"help", "", "subscirbe missiles", "subscribe nukes lang:fr", "subscribe misiles", "subscribe “ballistic missile”", "unsubscribe missiles",
		"list", "mute missiles 2h", "pause", "resume", "test", "why <https://x.example/1>", "search embargo", "sources",
		"subscribe " + strings.Repeat("word ", 600),
	} {
		r.say("UANN", "C0000001", text)
	}
	r.fails(errors.New("disk full"))
	r.say("UANN", "C0000001", "subscribe nukes")
	r.fails(nil)
}

// fails makes what is changed fail from now on.
func (r *rig) fails(err error) {
	synctest.Wait()
	r.desk.mu.Lock()
	defer r.desk.mu.Unlock()
	r.desk.err = err
}

// pressEach presses the buttons of messages.
func (r *rig) pressEach() {
	synctest.Wait()
	r.desk.edits = []Proposal{{Watchlist: "missiles", Base: 7, Not: `title:"a b"`, Before: 40, After: 38}}
	for _, b := range [][2]string{
		{actionAck, "a1"},
		{actionAck, "a1"},
		{actionMute, "a1"},
		{actionIrrelevant, "a1"},
		{actionWhy, "a1"},
		{actionMuteFor + "_0", "C0000001 missiles 2h"},
		{actionExclude + "_0", `{"w":"missiles","b":7,"n":"x"}`},
		{actionSave, `{"q":"embargo","p":{}}`},
		{actionDismiss, "-"},
		{actionWhy, ""},
	} {
		r.click("UANN", "C0000001", b[0], b[1])
	}
}

// editEach opens the forms and the home.
func (r *rig) editEach() {
	for i, save := range []error{nil, errors.New("disk full")} {
		r.say("UANN", "C0000001", "new")
		v := r.View("")
		r.inModal("block_actions", fmt.Sprint("typed", i), v, fields("missile*", "lang:fr", "C0000001", ""))
		time.Sleep(2 * time.Second)
		r.fails(save)
		r.inModal("view_submission", fmt.Sprint("wrong", i), r.View(v.ID), fields("missile*", "langs:french", "C0000001", ""))
		r.inModal("view_submission", fmt.Sprint("saved", i), r.View(v.ID), fields("missile*", "", "C0000001", ""))
		time.Sleep(time.Second)
		r.fails(nil)
	}
	r.say("UANN", "C0000001", "edit missiles")
	r.say("UANN", "C0000001", "edit nukes")
	home := func(id string) {
		r.Emit("events_api", map[string]any{"team_id": "T0000001", "event_id": id, "event": map[string]any{"type": "app_home_opened", "user": "UANN", "tab": "home"}}, false)
		time.Sleep(time.Second)
		synctest.Wait()
	}
	home("Ev1")
	r.desk.standing.Subscriptions[0].Muted = time.Now().Add(time.Hour)
	r.desk.standing.Troubled = []Trouble{{Title: "X", State: "blocked", Since: time.Now()}}
	home("Ev2")
	r.desk.standing.Subscriptions = nil
	home("Ev3")
}

// samples are what the fake Slack was sent.
func (r *rig) samples(acks []any) (out []sample) {
	add := func(is string, value []byte) {
		if len(value) > 0 && string(value) != "null" {
			out = append(out, sample{is, value})
		}
	}
	answer := func(data []byte) {
		var m struct{ Blocks, View json.RawMessage }
		if err := json.Unmarshal(data, &m); err != nil {
			r.t.Fatalf("%v in %s", err, data)
		}
		add("message", m.Blocks)
		add("modal", m.View)
	}
	for _, q := range r.Requests("") {
		switch q.Method {
		case "chat.postMessage", "chat.update":
			add("message", []byte(q.Form.Get("blocks")))
			add("metadata", []byte(q.Form.Get("metadata")))
		case "views.open", "views.update":
			answer([]byte(q.Form.Get("json")))
		case "views.publish":
			var m struct{ View json.RawMessage }
			_ = json.Unmarshal([]byte(q.Form.Get("json")), &m)
			add("home", m.View)
		}
	}
	for n := range r.n + 1 {
		for _, name := range []string{"say", "click"} {
			for _, a := range r.Answers(fmt.Sprint(name, n)) {
				answer(a)
			}
		}
	}
	for _, a := range append(acks, r.acks...) {
		data, err := json.Marshal(a)
		if err != nil {
			r.t.Fatal(err)
		}
		if string(data) != "null" {
			answer(data)
		}
	}
	return out
}
