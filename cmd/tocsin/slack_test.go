package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/notifiers/notifiertest"
	"tocsin/pipeline"
)

// teams are two workspaces whose people use their apps: one by Socket Mode, two over
// HTTP.
type teams struct {
	*rig
	svc      *service
	one, two *notifiertest.SlackApp
	public   *notifiertest.Pipe
	n        int
}

const twoWorkspaces = `
listen: {public: "127.0.0.1:9999"}
public_url: https://alerts.example/hooks
slack:
  - {name: one, token: {env: ONE}, app_token: {env: APP}, api: "http://127.0.0.1:81/api/"}
  - {name: two, token: {env: TWO}, signing_secret: {env: SIGN}, api: "http://127.0.0.1:82/api/", may_change: [admins]}
watchlists: {missiles: {query: 'missile*'}}
destinations: {room: {kind: slack, to: C1000000, workspace: one}}
subscriptions: [{watchlist: missiles, to: room}]
builtin: false
`

func inTwoWorkspaces(t *testing.T, f func(t *testing.T, r *teams)) {
	bubble(t, func(t *testing.T) {
		r := &teams{rig: newRig(t)}
		r.extra = map[string]*notifiertest.Pipe{}
		for i, s := range []**notifiertest.SlackApp{&r.one, &r.two} {
			port := 81 + i
			pipe := notifiertest.NewPipe()
			*s = notifiertest.NewSlackApp(fmt.Sprint("xoxb-", i+1))
			(*s).Base, (*s).AppToken = fmt.Sprintf("http://127.0.0.1:%d", port), "xapp-1"
			(*s).Pings = 30 * time.Second
			r.extra[fmt.Sprintf("127.0.0.1:%d", port)] = pipe
			stop := (*s).Serve(pipe)
			defer stop()
			defer pipe.Close()
		}
		r.listen = func(string, string) (net.Listener, error) {
			r.public = notifiertest.NewPipe()
			return r.public, nil
		}
		maps.Copy(r.env, map[string]string{"ONE": "xoxb-1", "TWO": "xoxb-2", "APP": "xapp-1", "SIGN": "signing"})
		r.baseline("mfa.example", "mofa.example")
		l := newLoader(builtinWatchlists)
		l.ReadFile = func(string) ([]byte, error) {
			return []byte(sources("mfa.example", "mofa.example") + twoWorkspaces), nil
		}
		l.Env = func(name string) (string, bool) { v, ok := r.env[name]; return v, ok }
		cfg, err := l.Load("tocsin.yaml")
		if err != nil {
			t.Fatal(err)
		}
		cfg.Data = r.dir
		r.svc = r.start(cfg)
		time.Sleep(5 * time.Minute)
		f(t, r)
		r.stop()
	})
}

// say gives a command in workspace one.
func (r *teams) say(user, channel, text string) string {
	r.t.Helper()
	r.n++
	name := fmt.Sprint("one", r.n)
	ack, ok := r.one.Emit("slash_commands", r.one.Slash(name, user, channel, text), false)
	if !ok {
		r.t.Fatalf("%q is not acknowledged", text)
	}
	at, _ := json.Marshal(ack)
	time.Sleep(10 * time.Second)
	return readable(at) + "\n" + heard(r.one, name)
}

// tell gives a command in workspace two.
func (r *teams) tell(user, channel, text string) string {
	r.t.Helper()
	r.n++
	name := fmt.Sprint("two", r.n)
	ack := r.call("slash_commands", r.two.Slash(name, user, channel, text))
	time.Sleep(10 * time.Second)
	return readable(ack) + "\n" + heard(r.two, name)
}

func (r *teams) call(kind string, payload map[string]any) (ack []byte) {
	r.t.Helper()
	q, err := notifiertest.Signed("http://alerts.example/hooks/slack/two", "signing", kind, payload, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: r.public.Dial, DisableKeepAlives: true}}
	resp, err := client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if ack, err = io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return ack
}

func (r *teams) click(s *notifiertest.SlackApp, user, channel, action, value string) string {
	r.t.Helper()
	r.n++
	name := fmt.Sprint("click", r.n)
	payload := s.Click(name, user, channel, "", action, value)
	if s == r.two {
		r.call("interactive", payload)
	} else if _, ok := s.Emit("interactive", payload, false); !ok {
		r.t.Fatalf("the click on %s is not acknowledged", action)
	}
	time.Sleep(10 * time.Second)
	return heard(s, name)
}

func heard(s *notifiertest.SlackApp, name string) string {
	var out []string
	for _, a := range s.Answers(name) {
		out = append(out, readable(a))
	}
	return strings.Join(out, "\n")
}

func readable(answer []byte) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&", `\"`, `"`).Replace(string(answer))
}

func wantIn(t *testing.T, what, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%s: %q is not in\n%s", what, p, got)
		}
	}
}

// value is the value of the first button of an action in an answer.
func value(s *notifiertest.SlackApp, name, action string) string {
	for _, a := range s.Answers(name) {
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
	return ""
}

func holding(s *notifiertest.SlackApp, channel, text string) (n int) {
	for _, m := range s.Messages(channel) {
		if strings.Contains(m.Text+string(m.Blocks), text) {
			n++
		}
	}
	return n
}

func TestChannelSubscribesFromSlackAndIsAlerted(t *testing.T) {
	inTwoWorkspaces(t, func(t *testing.T, r *teams) {
		r.publish("mfa.example", entry("mfa.example", 1, "On cod", "A cod was fished."))
		time.Sleep(5 * time.Minute)
		got := r.say("U1ANN000", "C1111111", `subscribe “cod” country:FR`)
		wantIn(t, "narrowed preview", got, "*no* statement")
		got = r.say("U1ANN000", "C1111111", `subscribe “cod”`)
		wantIn(t, "preview", got, "would have sent *1* statement", "On cod")
		wantIn(t, "save", r.click(r.one, "U1ANN000", "C1111111", "tocsin_save", value(r.one, "one2", "tocsin_save")), "Saved as *one-cod*", "<#C1111111>")
		r.publish("mfa.example", entry("mfa.example", 2, "More cod", "Another cod."))
		time.Sleep(5 * time.Minute)
		if n := holding(r.one, "C1111111", "More cod"); n != 1 {
			t.Errorf("%d alerts in the channel that subscribed, want 1", n)
		}
		if n := holding(r.one, "C1111111", "On cod"); n != 0 {
			t.Errorf("what came before the subscription is posted")
		}
		w, err := r.svc.logs.Wanted(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for key, v := range map[string]pipeline.Version{
			"watchlist": w.Watchlists["one-cod"], "destination": w.Destinations["slack-one-c1111111"], "subscription": w.Subscriptions["one-cod.slack-one-c1111111"],
		} {
			if want := map[string]int{"watchlist": 2, "destination": 3}[key]; v.By != "slack:T0000001:U1ANN000" || want != 0 && v.V != want {
				t.Errorf("%s: by %q, format %d", key, v.By, v.V)
			}
		}
		wantIn(t, "list", r.say("U1ANN000", "C1111111", "list"), "*one-cod*", "More cod", "*missiles*")
		wantIn(t, "mute", r.say("U1ANN000", "C1111111", "mute one-cod 2h"), "is muted here")
		r.publish("mfa.example", entry("mfa.example", 3, "Still cod", "A third cod."))
		time.Sleep(time.Hour)
		if n := holding(r.one, "C1111111", "Still cod"); n != 0 {
			t.Error("a muted channel is posted to")
		}
		wantIn(t, "resume", r.say("U1ANN000", "C1111111", "resume"), "goes on in this channel")
		time.Sleep(time.Minute)
		if n := holding(r.one, "C1111111", "Still cod"); n != 1 {
			t.Errorf("%d messages of what was held, want 1", n)
		}
		wantIn(t, "why", r.say("U1ANN000", "C1111111", "why http://mfa.example/3"), "one-cod: matched", "slack-one-c1111111")
		wantIn(t, "unsubscribe", r.say("U1ANN000", "C1111111", "unsubscribe one-cod"), "no further alerts")
		wantIn(t, "the file's", r.say("U1ANN000", "C1000000", "unsubscribe missiles"), "read-only")
		wantIn(t, "test", r.say("U1ANN000", "C1111111", "test"), "marked as a test")
		if n := holding(r.one, "C1111111", "TEST"); n != 1 {
			t.Errorf("%d tests", n)
		}
		wantIn(t, "sources", r.say("U1ANN000", "C1111111", "sources"), "2 sources healthy")
	})
}

func TestWhatOneWorkspaceAsksForNeverShowsInAnother(t *testing.T) {
	inTwoWorkspaces(t, func(t *testing.T, r *teams) {
		r.two.Admins = []string{"U2BOB000"}
		r.say("U1ANN000", "C1111111", `subscribe "secret*"`)
		r.click(r.one, "U1ANN000", "C1111111", "tocsin_save", value(r.one, "one1", "tocsin_save"))
		wantIn(t, "not an admin", r.tell("U2EVE000", "C2222222", "subscribe missiles"), "only admins of the workspace may")
		wantIn(t, "an admin", r.tell("U2BOB000", "C2222222", "subscribe missiles"), "gets the alerts of *missiles*")
		wantIn(t, "another's", r.tell("U2BOB000", "C2222222", "subscribe one-secret"), "there is no watchlist")
		r.publish("mfa.example", entry("mfa.example", 1, "On missiles", "A secret missile."))
		time.Sleep(5 * time.Minute)
		if holding(r.one, "C1111111", "one-secret") != 1 || holding(r.two, "C2222222", "On missiles") != 1 {
			t.Errorf("the alert is in %v and %v", r.one.Messages("C1111111"), r.two.Messages("C2222222"))
		}
		var seen strings.Builder
		seen.WriteString(r.tell("U2BOB000", "C2222222", "list") + r.tell("U2BOB000", "C2222222", "why http://mfa.example/1"))
		var alert string
		stories, err := r.svc.logs.Stories(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		alert = stories[len(stories)-1].Alert.ID
		seen.WriteString(r.click(r.two, "U2BOB000", "C2222222", "tocsin_why", alert) + r.click(r.two, "U2BOB000", "C2222222", "tocsin_not_relevant", alert))
		r.call("events_api", map[string]any{"team_id": "T0000001", "event_id": "Ev1", "event": map[string]any{"type": "app_home_opened", "user": "U2BOB000", "tab": "home"}})
		time.Sleep(10 * time.Second)
		seen.WriteString(string(r.two.Home("U2BOB000")))
		for _, m := range r.two.Messages("") {
			seen.WriteString(m.Text + string(m.Blocks))
		}
		wantIn(t, "workspace two", seen.String(), "missiles", "C2222222")
		for _, of := range []string{"one-secret", "C1111111", "C1000000", "slack-one", `*secret`} {
			if i := strings.Index(seen.String(), of); i >= 0 {
				t.Errorf("workspace two sees %q: … %s …", of, seen.String()[max(0, i-100):min(len(seen.String()), i+100)])
			}
		}
		if n := holding(r.two, "", "one-secret") + holding(r.one, "C2222222", "missiles"); n != 0 {
			t.Errorf("%d messages are in the wrong workspace", n)
		}
	})
}

func TestNotRelevantIsAnEditThatAPersonConfirms(t *testing.T) {
	inTwoWorkspaces(t, func(t *testing.T, r *teams) {
		r.say("U1ANN000", "C1111111", `subscribe "fish*"`)
		r.click(r.one, "U1ANN000", "C1111111", "tocsin_save", value(r.one, "one1", "tocsin_save"))
		r.publish("mfa.example", entry("mfa.example", 1, "Annual fish market opens", "Fish of all kinds."), entry("mfa.example", 2, "Fish sanctions", "Fishing is banned."))
		time.Sleep(5 * time.Minute)
		stories, err := r.svc.logs.Stories(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(stories, func(s pipeline.Story) bool { return s.Alert.First().Title == "Annual fish market opens" })
		if i < 0 {
			t.Fatal("there is no alert")
		}
		before, _ := r.svc.logs.Wanted(t.Context())
		got := r.click(r.one, "U1ANN000", "C1111111", "tocsin_not_relevant", stories[i].Alert.ID)
		wantIn(t, "proposal", got, "Nothing is changed yet", `NOT title:"Annual fish market opens"`, "1 statements instead of 2")
		after, _ := r.svc.logs.Wanted(t.Context())
		if before.Seq != after.Seq {
			t.Error("a proposal changes something")
		}
		wantIn(t, "save", r.click(r.one, "U1ANN000", "C1111111", "tocsin_exclude_0", value(r.one, fmt.Sprint("click", r.n), "tocsin_exclude")), "now leaves out")
		after, _ = r.svc.logs.Wanted(t.Context())
		wantIn(t, "query", after.Watchlists["one-fish"].Watchlist.Query, "NOT", "Annual fish market opens")
		r.publish("mofa.example", entry("mofa.example", 1, "Annual fish market opens again", "Fish."), entry("mofa.example", 2, "Fish quota", "Fish."))
		time.Sleep(5 * time.Minute)
		if holding(r.one, "C1111111", "opens again") != 0 || holding(r.one, "C1111111", "Fish quota") != 1 {
			t.Error("the edit is not in force")
		}
		wantIn(t, "stale", r.click(r.one, "U1ANN000", "C1111111", "tocsin_exclude_0", fmt.Sprintf(`{"w":"one-fish","b":%d,"n":"cod"}`, before.Watchlists["one-fish"].Seq)), "somebody changed")
		wantIn(t, "acknowledge", r.click(r.one, "U1ANN000", "C1111111", "tocsin_acknowledge", stories[i].Alert.ID), "You have this in hand")
		if stories, err = r.svc.logs.Stories(t.Context()); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		showStory(&b, stories[i])
		wantIn(t, "alert show", b.String(), "acknowledged by slack:T0000001:U1ANN000")
		wantIn(t, "again", r.click(r.one, "U1BOB000", "C1111111", "tocsin_acknowledge", stories[i].Alert.ID), "<@U1ANN000> has it in hand")
	})
}

func TestReloadChangesWhoMayConnect(t *testing.T) {
	inTwoWorkspaces(t, func(t *testing.T, r *teams) {
		if n := r.one.Connections(); n != 2 {
			t.Fatalf("%d connections", n)
		}
		cfg := *r.svc.config()
		cfg.Workspaces = slices.Clone(cfg.Workspaces)
		cfg.Workspaces[0].AppToken = ""
		r.reload <- &cfg
		time.Sleep(time.Minute)
		if n := r.one.Connections(); n != 0 {
			t.Errorf("%d connections after app_token left the configuration", n)
		}
	})
}

// TestSlackSetsWhatSubscriptionSetSets: quiet hours, escalation and folding, and no
// escalation into another workspace.
func TestSlackSetsWhatSubscriptionSetSets(t *testing.T) {
	inTwoWorkspaces(t, func(t *testing.T, r *teams) {
		r.two.Admins = []string{"U2BOB000"}
		ann := func(text string) string { return r.say("U1ANN000", "C1111111", text) }
		wantIn(t, "two", r.tell("U2BOB000", "C2222222", "subscribe missiles"), "from now on")
		w, err := r.svc.logs.Wanted(t.Context())
		if err != nil || w.Destinations["slack-two-c2222222"].Destination == nil {
			t.Fatalf("destinations %v, %v", w.Destinations, err)
		}
		for _, to := range []string{"nowhere", "slack-two-c2222222", "rom"} {
			wantIn(t, to, ann("subscribe missiles escalate:10m to:"+to), "escalate: there is no destination")
		}
		wantIn(t, "wrong", ann("subscribe missiles quiet:22:00"), "quiet: ", "are no quiet hours", "Did you mean")
		options := "quiet:22:00-07:00 Europe/Paris escalate:10m:room fold-over:7"
		wantIn(t, "set", ann("subscribe missiles "+options), "from now on")
		wantIn(t, "list", ann("list"), "*missiles* (`"+options+"`)")
	})
}

// TestWhatASubscriptionNamesHasToBeThere: before a query is shown as one to save, and
// before it is saved. A source that is not there would send nothing for ever, and no
// watchlist is left over that nobody gets.
func TestWhatASubscriptionNamesHasToBeThere(t *testing.T) {
	inTwoWorkspaces(t, func(t *testing.T, r *teams) {
		ann := func(text string) string { return r.say("U1ANN000", "C1111111", text) }
		wantIn(t, "a source", ann("subscribe visa* from:nosuch"), "from: there is no source", "nothing would ever come; there are mfa, mofa")
		wantIn(t, "a typo", ann("subscribe missiles from:mfaa"), "did you mean mfa?")
		wantIn(t, "a destination", ann("subscribe visa* escalate:10m to:rom"), "did you mean room?")
		value := `{"q":"visa*","p":{"escalate":{"after":600000000000,"to":"nowhere"}}}`
		wantIn(t, "an old button", r.click(r.one, "U1ANN000", "C1111111", "tocsin_save", value), "there is no destination")
		w, err := r.svc.logs.Wanted(t.Context())
		if err != nil || len(w.Watchlists) != 1 {
			t.Errorf("watchlists %v, %v", w.Watchlists, err)
		}
		wantIn(t, "what is there", ann("subscribe visa* from:mfa escalate:10m to:room"), "Not saved yet")
	})
}

// TestButtonsOfATestAlertSayThatItIsOne: they are the first that an administrator
// presses.
func TestButtonsOfATestAlertSayThatItIsOne(t *testing.T) {
	inTwoWorkspaces(t, func(t *testing.T, r *teams) {
		wantIn(t, "test", r.say("U1ANN000", "C1111111", "test"), "marked as a test")
		for _, action := range []string{"tocsin_acknowledge", "tocsin_mute_similar", "tocsin_not_relevant", "tocsin_why"} {
			wantIn(t, action, r.click(r.one, "U1ANN000", "C1111111", action, "test"), "This is a test alert")
		}
	})
}

// TestLastAlertIsOneThatTheChannelWasToHave, not any that its watchlist found: before
// the channel subscribed, or by publishers that it does not want.
func TestLastAlertIsOneThatTheChannelWasToHave(t *testing.T) {
	inTwoWorkspaces(t, func(t *testing.T, r *teams) {
		publish := func(n int, title string) {
			r.publish("mfa.example", entry("mfa.example", n, title, "A missile flew."))
			time.Sleep(5 * time.Minute)
		}
		ann := func(text string) string { return r.say("U1ANN000", "C1111111", text) }
		publish(1, "Earlier missile")
		wantIn(t, "all", ann("subscribe missiles"), "from now on")
		wantIn(t, "before", ann("list"), "*missiles*, no alert in 30 days")
		publish(2, "Later missile")
		wantIn(t, "after", ann("list"), "last alert", "Later missile")
		wantIn(t, "narrowed", ann("subscribe missiles from:mofa"), "from now on")
		wantIn(t, "of others", ann("list"), "*missiles* (`from:mofa`), no alert in 30 days")
	})
}

func TestReloadDoesNothingAgainThatSocketModeBrought(t *testing.T) {
	inTwoWorkspaces(t, func(t *testing.T, r *teams) {
		for range 2 {
			if _, ok := r.one.Emit("slash_commands", r.one.Slash("once", "U1ANN000", "C1111111", "test"), false); !ok {
				t.Fatal("the command is not acknowledged")
			}
			time.Sleep(30 * time.Second)
			cfg := *r.svc.config()
			cfg.Workspaces = slices.Clone(cfg.Workspaces)
			cfg.Workspaces[0].MayChange = []string{"members"}
			r.reload <- &cfg
			time.Sleep(time.Minute)
		}
		if n := holding(r.one, "C1111111", "TEST"); n != 1 {
			t.Errorf("%d tests", n)
		}
	})
}

// TestReloadTakesNoRequestAgain: what Slack signed before it is good for five minutes,
// and once.
func TestReloadTakesNoRequestAgain(t *testing.T) {
	inTwoWorkspaces(t, func(t *testing.T, r *teams) {
		at := time.Now()
		send := func() int {
			q, err := notifiertest.Signed("http://alerts.example/hooks/slack/two", "signing", "slash_commands", r.two.Slash("once", "U2BOB000", "C2222222", "test"), at)
			if err != nil {
				t.Fatal(err)
			}
			client := &http.Client{Transport: &http.Transport{DialContext: r.public.Dial, DisableKeepAlives: true}}
			resp, err := client.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			time.Sleep(30 * time.Second)
			return resp.StatusCode
		}
		first := send()
		cfg := *r.svc.config()
		cfg.Workspaces = slices.Clone(cfg.Workspaces)
		cfg.Workspaces[1].MayChange = nil
		r.reload <- &cfg
		time.Sleep(30 * time.Second)
		if again := send(); first != http.StatusOK || again != http.StatusUnauthorized {
			t.Errorf("status %d, and after a reload %d", first, again)
		}
		if n := holding(r.two, "C2222222", "TEST"); n != 1 {
			t.Errorf("%d tests", n)
		}
	})
}

func TestWhoSubscribesAChannelHearsWhenItIsLost(t *testing.T) {
	inTwoWorkspaces(t, func(t *testing.T, r *teams) {
		r.one.Members = map[string][]string{"C1111111": {"U1ANN000", "U1BOB000"}}
		wantIn(t, "subscribe", r.say("U1ANN000", "C1111111", "subscribe missiles"), "gets the alerts")
		wantIn(t, "another", r.say("U1BOB000", "C1111111", "subscribe missiles min-copies:1"), "gets the alerts")
		r.one.Refuse("C1111111", "is_archived")
		r.publish("mfa.example", entry("mfa.example", 1, "Missile one", "A missile."))
		time.Sleep(5 * time.Minute)
		if n := holding(r.one, "U1ANN000", "cannot deliver alerts to slack-one-c1111111"); n != 1 {
			t.Errorf("who subscribed first heard %d times that the channel is lost: %+v", n, r.one.Messages("U1ANN000"))
		}
		if n := len(r.one.Messages("U1BOB000")); n != 0 {
			t.Errorf("another heard %d times", n)
		}
	})
}
