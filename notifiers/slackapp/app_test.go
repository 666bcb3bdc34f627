package slackapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/notifiers/notifiertest"
)

// A counter is a Desk that notes what it was asked for, in words.
type counter struct {
	mu       sync.Mutex
	did      []string
	standing Standing
	tried    Tried
	err      error
	slow     time.Duration
	hold     time.Duration // what a change takes
	ack      tocsin.Acknowledgement
	alert    tocsin.Alert
	edits    []Proposal
	unfit    error
}

func (c *counter) note(format string, args ...any) error {
	if !strings.HasPrefix(format, "try") {
		time.Sleep(c.hold)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.did = append(c.did, fmt.Sprintf(format, args...))
	return c.err
}

func (c *counter) notes() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.did)
}

func (c *counter) desk() Desk {
	return Desk{
		Standing: func(context.Context) (Standing, error) { return c.standing, nil },
		Try: func(ctx context.Context, t Trial) (Tried, error) {
			select {
			case <-time.After(c.slow):
			case <-ctx.Done():
			}
			err := c.note("try %s%s", t.Query, planWords(t.Plan))
			out := c.tried
			out.Query = t.Query
			return out, err
		},
		Save: func(_ context.Context, by string, w tocsin.Watchlist, base uint64) (string, error) {
			return w.Name, c.note("%s saves %s: %s (%d)", by, w.Name, w.Query, base)
		},
		Subscribe: func(_ context.Context, by, channel string, plan tocsin.Subscription) error {
			return c.note("%s subscribes %s to %s%s", by, channel, plan.Watchlist, planWords(plan))
		},
		Fits: func(context.Context, tocsin.Subscription) error { return c.unfit },
		Unsubscribe: func(_ context.Context, by, channel, list string) error {
			return c.note("%s unsubscribes %s from %s", by, channel, list)
		},
		Mute: func(_ context.Context, by, channel, list string, until time.Time) error {
			if until.IsZero() {
				return c.note("%s unmutes %s in %s", by, list, channel)
			}
			return c.note("%s mutes %s in %s for %s", by, list, channel, time.Until(until).Round(time.Minute))
		},
		Test: func(_ context.Context, channel string) error { return c.note("test in %s", channel) },
		Why: func(_ context.Context, url string) ([]string, error) {
			return []string{"because of " + url}, c.note("why %s", url)
		},
		Alert: func(context.Context, string) (tocsin.Alert, error) { return c.alert, c.err },
		Acknowledge: func(_ context.Context, by, alert string) (tocsin.Acknowledgement, error) {
			if c.ack.By == "" {
				c.ack = tocsin.Acknowledgement{By: by, At: time.Now()}
			}
			return c.ack, c.note("%s acknowledges %s", by, alert)
		},
		Propose: func(context.Context, string) ([]Proposal, error) { return c.edits, c.err },
		Exclude: func(_ context.Context, by string, p Proposal) error {
			return c.note("%s excludes %s from %s (%d)", by, p.Not, p.Watchlist, p.Base)
		},
	}
}

// newCounter gets missiles in C0000001, which it may change, and has nukes.
// planWords are the options of a plan as they were meant.
func planWords(s tocsin.Subscription) string { return strings.ReplaceAll(planText(s), "`", "") }

func newCounter() *counter {
	return &counter{
		standing: Standing{
			Subscriptions: []Standby{{Subscription: tocsin.Subscription{Watchlist: "missiles"}, Channel: "C0000001"}},
			Watchlists:    []Known{{Watchlist: tocsin.Watchlist{Name: "missiles", Query: "missile*"}, Version: 7, Own: true}, {Watchlist: tocsin.Watchlist{Name: "nukes", Query: "nuclear"}, Version: 8}},
			Healthy:       214,
		},
		tried: Tried{Items: 900, Statements: 7, Newest: []Found{{Title: "A <!channel> launch", Publisher: "France", URL: "https://x.example/1", Excerpt: "the [missile]"}}},
		alert: tocsin.Alert{ID: "a1", Copies: []tocsin.Copy{{Title: "Title", Publisher: "France"}}, Matches: []tocsin.Match{{Watchlist: "missiles", Branch: "missile*"}}},
	}
}

// A rig is an app that runs and the Slack that it answers, in memory.
type rig struct {
	acks []any // of commands
	*notifiertest.SlackApp
	t    *testing.T
	app  *App
	desk *counter
	n    int
}

// inSlack runs f on a fake clock with an app that is connected.
func inSlack(t *testing.T, change func(*Config), f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		pipe := notifiertest.NewPipe()
		s := notifiertest.NewSlackApp("xoxb-right")
		s.AppToken, s.Base = "xapp-right", "http://127.0.0.1:80"
		stop := s.Serve(pipe)
		transport := &http.Transport{DialContext: pipe.Dial}
		r := &rig{SlackApp: s, t: t, desk: newCounter()}
		c := Config{
			Token: "xoxb-right", AppToken: "xapp-right", SigningSecret: "signing", API: s.Base + "/api/",
			HTTP: &http.Client{Transport: transport}, Desk: r.desk.desk(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		}
		if change != nil {
			change(&c)
		}
		var err error
		if r.app, err = New(c); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := r.app.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		synctest.Wait()
		f(r)
		cancel()
		wg.Wait()
		stop()
		pipe.Close()
		transport.CloseIdleConnections()
	})
}

// say gives a command and returns what was answered to it, at once and later.
func (r *rig) say(user, channel, text string) string {
	r.t.Helper()
	r.n++
	name := fmt.Sprint("say", r.n)
	ack, ok := r.Emit("slash_commands", r.Slash(name, user, channel, text), false)
	if !ok {
		r.t.Fatalf("%q is not acknowledged", text)
	}
	r.acks = append(r.acks, ack)
	time.Sleep(5 * time.Second)
	return r.heard(name, ack)
}

// click clicks on a button of a message.
func (r *rig) click(user, channel, action, value string) string {
	r.t.Helper()
	r.n++
	name := fmt.Sprint("click", r.n)
	ack, ok := r.Emit("interactive", r.Click(name, user, channel, "1700000000.000100", action, value), false)
	if !ok {
		r.t.Fatalf("the click on %s is not acknowledged", action)
	}
	time.Sleep(5 * time.Second)
	return r.heard(name, ack)
}

func (r *rig) heard(name string, ack any) string {
	all := r.Answers(name)
	if ack != nil {
		data, _ := json.Marshal(ack)
		all = append([]json.RawMessage{data}, all...)
	}
	var out []string
	for _, a := range all {
		out = append(out, words(a))
	}
	return strings.Join(out, "\n")
}

// words are all texts in some JSON.
func words(raw json.RawMessage) string {
	var v any
	_ = json.Unmarshal(raw, &v)
	var out []string
	var walk func(v any, key string)
	walk = func(v any, key string) {
		switch v := v.(type) {
		case string:
			if key == "text" || key == "value" || key == "initial_value" {
				out = append(out, v)
			}
		case []any:
			for _, x := range v {
				walk(x, "")
			}
		case map[string]any:
			for _, k := range []string{"text", "blocks", "elements", "value", "view", "title", "element", "initial_value"} {
				if x, ok := v[k]; ok {
					walk(x, k)
				}
			}
		}
	}
	walk(v, "")
	return strings.Join(out, "\n")
}

func has(t *testing.T, what, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%s: %q is not in\n%s", what, p, got)
		}
	}
}

func TestEveryVerbIsAnswered(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		for _, tt := range []struct{ text, answer, did string }{
			{"help", "ballistic missile*", ""},
			{"subscirbe missiles", "/tocsin subscribe missiles", ""},
			{"subscribe nukes lang:fr", "<#C0000001> gets the alerts of *nukes*", "slack:T0000001:UANN subscribes C0000001 to nukes (lang:fr)"},
			{"subscribe misiles", "/tocsin subscribe missiles", ""},
			{"subscribe “ballistic missile”", "*7* statements", `try "ballistic missile"`},
			{"unsubscribe missiles", "gets no further alerts", "slack:T0000001:UANN unsubscribes C0000001 from missiles"},
			{"unsubscribe nukes", "this channel does not get", ""},
			{"list", "*missiles*", ""},
			{"mute missiles 2h", "is muted here until", "slack:T0000001:UANN mutes missiles in C0000001 for 2h0m0s"},
			{"mute missile 2h", "/tocsin mute missiles 2h", ""},
			{"resume misiles", "/tocsin resume missiles", ""},
			{"pause", "1 subscription is paused in this channel until", "slack:T0000001:UANN mutes missiles in C0000001 for 8736h0m0s"},
			{"pause 2h", "at the latest", "slack:T0000001:UANN mutes missiles in C0000001 for 2h0m0s"},
			{"resume", "Nothing is muted", ""},
			{"test", "marked as a test", "test in C0000001"},
			{"why <https://x.example/1>", "because of https://x.example/1", "why https://x.example/1"},
			{"search embargo", "newest first", "try embargo"},
			{"sources", "214 sources healthy", ""},
		} {
			before := len(r.desk.notes())
			got := r.say("UANN", "C0000001", tt.text)
			has(t, tt.text, got, tt.answer)
			did := strings.Join(r.desk.notes()[before:], "; ")
			if did != tt.did {
				t.Errorf("%q did %q, want %q", tt.text, did, tt.did)
			}
			if strings.Contains(got, "<!channel>") {
				t.Errorf("%q pings the channel:\n%s", tt.text, got)
			}
		}
	})
}

// buttonValue is the value of a button in the answers to the last command.
func (r *rig) buttonValue(name, action string) string {
	r.t.Helper()
	for _, a := range r.Answers(name) {
		var m struct {
			Blocks []struct {
				Elements []struct {
					ActionID string `json:"action_id"`
					Value    string
				}
			}
		}
		_ = json.Unmarshal(a, &m)
		for _, b := range m.Blocks {
			for _, e := range b.Elements {
				if strings.HasPrefix(e.ActionID, action) {
					return e.Value
				}
			}
		}
	}
	r.t.Fatalf("no button %s in the answer to %s", action, name)
	return ""
}

func TestNewQueryIsSavedOnlyByAClick(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		got := r.say("UANN", "C0000001", "subscribe “ballistic missile*” AND export min-copies:2")
		has(t, "preview", got, "*Not saved yet.*", "would have sent *7* statements, of 900 items", "A &lt;!channel&gt; launch", "Save and subscribe")
		if did := r.desk.notes(); len(did) != 1 {
			t.Fatalf("before the click: %q", did)
		}
		has(t, "click", r.click("UANN", "C0000001", actionSave, r.buttonValue("say1", actionSave)), "Saved as *ballistic-missile-and-export*")
		want := []string{
			`slack:T0000001:UANN saves ballistic-missile-and-export: "ballistic missile*" AND export (0)`,
			"slack:T0000001:UANN subscribes C0000001 to ballistic-missile-and-export (min-copies:2)",
		}
		if did := r.desk.notes()[1:]; !slices.Equal(did, want) {
			t.Errorf("the click did %q, want %q", did, want)
		}
	})
}

func TestButtonsOfAnAlert(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		r.desk.edits = []Proposal{{Watchlist: "missiles", Base: 7, Not: `title:"a b"`, Before: 40, After: 38}}
		var ids []string
		for _, b := range Buttons("a1") {
			data, _ := json.Marshal(b)
			var e struct {
				ActionID string `json:"action_id"`
				Value    string
			}
			if err := json.Unmarshal(data, &e); err != nil || e.Value != "a1" {
				t.Errorf("button %s: %v", data, err)
			}
			ids = append(ids, e.ActionID)
		}
		if !slices.Equal(ids, []string{actionAck, actionMute, actionIrrelevant, actionWhy}) {
			t.Errorf("an alert has the buttons %q", ids)
		}
		has(t, "acknowledged", r.click("UANN", "C0000001", actionAck, "a1"), "You have this in hand since")
		if posts := r.Requests("chat.postMessage"); len(posts) != 0 {
			t.Errorf("acknowledging posts beside the ledger: %v", posts)
		}
		has(t, "second", r.click("UBOB", "C0000001", actionAck, "a1"), "<@UANN> has it in hand since")
		has(t, "why", r.click("UANN", "C0000001", actionWhy, "a1"), "watchlist *missiles*", "missile*")
		has(t, "mute", r.click("UANN", "C0000001", actionMute, "a1"), "*missiles*", "2 hours")
		has(t, "mute 2h", r.click("UANN", "C0000001", actionMuteFor+"_0", "C0000001 missiles 2h"), "is muted here until")
		before := len(r.desk.notes())
		has(t, "not relevant", r.click("UANN", "C0000001", actionIrrelevant, "a1"), "Nothing is changed yet", "38 statements instead of 40")
		if did := r.desk.notes()[before:]; len(did) != 0 {
			t.Errorf("Not relevant alone did %q", did)
		}
		value := r.buttonValue(fmt.Sprint("click", r.n), actionExclude)
		has(t, "exclude", r.click("UANN", "C0000001", actionExclude+"_0", value), "now leaves out")
		if did := r.desk.notes()[before:]; !slices.Equal(did, []string{`slack:T0000001:UANN excludes title:"a b" from missiles (7)`}) {
			t.Errorf("the further click did %q", did)
		}
	})
}

// fields is the state of a modal.
func fields(query, plan, channel, name string) map[string]any {
	type m = map[string]any
	return m{"values": m{
		blockQuery: m{actionQuery: m{"value": query}}, blockPlan: m{actionPlan: m{"value": plan}},
		blockChannel: m{actionChannel: m{"selected_conversation": channel}}, blockName: m{actionName: m{"value": name}},
	}}
}

func (r *rig) inModal(kind, name string, v notifiertest.ShownView, state map[string]any) any {
	r.t.Helper()
	ack, ok := r.Emit("interactive", r.form(kind, name, v, state), false)
	if !ok {
		r.t.Fatalf("%s in a modal is not acknowledged", kind)
	}
	return ack
}

// form is what Slack sends of a modal.
func (r *rig) form(kind, name string, v notifiertest.ShownView, state map[string]any) map[string]any {
	var shown struct {
		Metadata string `json:"private_metadata"`
	}
	_ = json.Unmarshal(v.View, &shown)
	p := r.Click(name, "UANN", "", "", actionQuery, "")
	delete(p, "response_url")
	p["type"] = kind
	if kind == "view_submission" {
		delete(p, "actions")
	}
	p["view"] = map[string]any{"id": v.ID, "hash": v.Hash, "callback_id": callbackModal, "private_metadata": shown.Metadata, "state": state}
	return p
}

func TestModalJudgesWhileOneWritesAndSaves(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		r.say("UANN", "C0000001", "new")
		v := r.View("")
		if v.ID == "" {
			t.Fatal("no modal was opened")
		}
		for i, q := range []string{"m", "mi", "missile*"} {
			r.inModal("block_actions", fmt.Sprint("type", i), v, fields(q, "lang:fr", "C0000001", ""))
		}
		time.Sleep(2 * time.Second)
		has(t, "modal", words(r.View(v.ID).View), "would have sent *7* statements", "New watchlist")
		if did := r.desk.notes(); !slices.Equal(did, []string{"try missile* (lang:fr)"}) {
			t.Errorf("while three letters were typed: %q", did)
		}
		v = r.View(v.ID)
		ack, _ := json.Marshal(r.inModal("view_submission", "bad", v, fields("missile*", "langs:french", "C0000001", "")))
		has(t, "bad options", string(ack), `"errors"`, `"plan"`)
		ack, _ = json.Marshal(r.inModal("view_submission", "good", v, fields("missile*\nOR rocket", "lang:fr", "C0000001", "My-List")))
		has(t, "saved", string(ack), "Saved as *my-list*", `"update"`)
		want := []string{"slack:T0000001:UANN saves my-list: missile*\nOR rocket (0)", "slack:T0000001:UANN subscribes C0000001 to my-list (lang:fr)"}
		if did := r.desk.notes()[1:]; !slices.Equal(did, want) {
			t.Errorf("submitting did %q, want %q", did, want)
		}
	})
}

func TestEditOpensAtOnceAndOnlyWhatIsOwn(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		r.say("UANN", "C0000001", "edit missiles")
		has(t, "own", words(r.View("").View), "*missiles*", "missile*", "would have sent *7* statements", "Of the version in force it adds")
		r.say("UANN", "D0000ANN", "edit missiles")
		if v := string(r.View("").View); strings.Contains(v, `"initial_conversation":"D`) {
			t.Errorf("a channel is chosen that is none of those to choose from: %s", v)
		}
		r.say("UANN", "C0000001", "edit nukes")
		has(t, "shared", words(r.View("").View), "is shared and cannot be changed from Slack")
	})
}

func TestFailedSaveKeepsWhatWasWritten(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		r.desk.err = errors.New("disk full")
		r.say("UANN", "C0000001", "new")
		v := r.View("")
		ack, _ := json.Marshal(r.inModal("view_submission", "x", v, fields("a precious query", "", "C0000001", "")))
		has(t, "modal", string(ack), "disk full", "a precious query")
	})
}

// Slack sends again what it holds for lost, and people see what was answered to that.
func TestWhatSlackSendsAgainIsDoneOnceAndAnsweredAgain(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		r.say("UANN", "C0000001", "new")
		v := r.View("")
		for name, payload := range map[string]map[string]any{
			"a change":           r.Slash("mute", "UANN", "C0000001", "mute missiles 2h"),
			"a command":          r.Slash("typo", "UANN", "C0000001", "mut missiles"),
			"a form with faults": r.form("view_submission", "faulty", v, fields("cod", "lnag:fr", "C0000001", "")),
		} {
			kind := slashCommands
			if payload["type"] != nil {
				kind = interactive
			}
			var said [2]string
			for i := range said {
				ack, ok := r.Emit(kind, payload, false)
				data, _ := json.Marshal(ack)
				if said[i] = string(data); !ok || len(said[i]) < 20 {
					t.Errorf("%s, for the %d. time, is answered with %s", name, i+1, said[i])
				}
			}
			if said[0] != said[1] {
				t.Errorf("%s is answered with\n%s and again with\n%s", name, said[0], said[1])
			}
		}
		if did := r.desk.notes(); len(did) != 1 {
			t.Errorf("did %q", did)
		}
	})
}

func TestHomeShowsSubscriptionsCoverageAndMutes(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		now := time.Now()
		r.desk.standing.Subscriptions[0].Muted = now.Add(time.Hour)
		r.desk.standing.Subscriptions[0].Last, r.desk.standing.Subscriptions[0].Title = now.Add(-time.Hour), "A launch"
		r.desk.standing.Troubled = []Trouble{{Title: "X", State: "blocked", Since: now.Add(-50 * time.Hour)}, {Title: "Y", State: "blocked", Since: now.Add(-30 * time.Hour)}}
		open := map[string]any{"team_id": "T0000001", "event_id": "Ev1", "event": map[string]any{"type": "app_home_opened", "user": "UANN", "tab": "home"}}
		if _, ok := r.Emit("events_api", open, true); !ok {
			t.Fatal("the event is not acknowledged")
		}
		time.Sleep(time.Second)
		has(t, "home", words(r.Home("UANN")), "214 sources healthy, 2 blocked since "+now.Add(-50*time.Hour).UTC().Weekday().String(), "<#C0000001>", "*missiles*", "muted until", "A launch", "Resume", "New watchlist")
		if n := len(r.Requests("views.publish")); n != 1 {
			t.Errorf("an event that came over both connections was handled %d times", n)
		}
	})
}

func TestRights(t *testing.T) {
	for _, tt := range []struct {
		name  string
		may   []string
		user  string
		admin bool
		ok    bool
	}{
		{"a member", nil, "UANN", false, true},
		{"a stranger", nil, "UEVE", false, false},
		{"an admin of all", []string{AdminsMay}, "UEVE", true, true},
		{"a member where admins may", []string{AdminsMay}, "UANN", false, false},
		{"one who is named", []string{"UEVE"}, "UEVE", false, true},
		{"one who is not named", []string{"UEVE"}, "UANN", false, false},
		{"either", []string{AdminsMay, MembersMay}, "UANN", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inSlack(t, func(c *Config) { c.MayChange = tt.may }, func(r *rig) {
				if tt.admin {
					r.Admins = []string{tt.user}
				}
				changes := []string{"subscribe nukes", "unsubscribe missiles", "mute missiles 2h", "pause"}
				for _, text := range changes {
					got := r.say(tt.user, "C0000001", text)
					if refused := strings.Contains(got, "may change this"); refused == tt.ok {
						t.Errorf("%s: %s", text, got)
					}
				}
				r.say(tt.user, "C0000001", "list") // anybody may look
				if did := r.desk.notes(); tt.ok != (len(did) == len(changes)) || !tt.ok && len(did) != 0 {
					t.Errorf("did %q", did)
				}
			})
		})
	}
}

func TestOtherWorkspacesAreLeftAlone(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		c := r.Slash("x", "UANN", "C0000001", "list")
		c["team_id"] = "T9999999"
		r.Emit("slash_commands", c, false)
		p := r.Click("y", "UANN", "C0000001", "1.2", actionMuteFor, "C0000001 missiles 2h")
		p["user"] = map[string]any{"id": "UANN", "team_id": "T9999999"} // a guest of a shared channel
		r.Emit("interactive", p, false)
		time.Sleep(5 * time.Second)
		if got := r.Answers("x"); len(got) != 0 {
			t.Errorf("another workspace is told %s", got)
		}
		if did := r.desk.notes(); len(did) != 0 {
			t.Errorf("a guest did %q", did)
		}
	})
}

func TestUninvitedChannelIsToldWhatToDo(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		for _, channel := range []string{"C0000002", "G0000002"} { // Slack hides the second, a private one
			r.Absent[channel] = true
			has(t, "subscribe", r.say("UANN", channel, "subscribe nukes"), "/invite @tocsin")
			has(t, "test", r.say("UANN", channel, "test"), "/invite @tocsin")
			has(t, "a new query", r.say("UANN", channel, "subscribe visa*"), "/invite @tocsin")
		}
		if did := strings.ReplaceAll(strings.Join(r.desk.notes(), ""), "try visa*", ""); did != "" {
			t.Errorf("did %q", did)
		}
	})
}
