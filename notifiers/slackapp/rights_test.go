package slackapp

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin"
)

// Whose token it is, is not known while auth.test fails: nobody can be told from a
// guest then.
func TestNobodyChangesAnythingBeforeTheWorkspaceIsKnown(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		r.app.mu.Lock()
		r.app.team = "" // as while auth.test fails
		r.app.mu.Unlock()
		r.app.knows = make(chan struct{})
		for _, action := range []struct{ id, value string }{{actionMuteFor, "C0000001 missiles 2h"}, {actionAck, "a1"}} {
			p := r.Click(action.id, "UANN", "C0000001", "1.2", action.id, action.value)
			p["user"] = map[string]any{"id": "UANN", "team_id": "T9999999"} // a guest of a shared channel
			r.Emit("interactive", p, false)
			time.Sleep(time.Minute)
			has(t, action.id, r.heard(action.id, nil), "try again in a minute")
		}
		if did := r.desk.notes(); len(did) != 0 {
			t.Errorf("a guest did %q", did)
		}
	})
}

// The id of somebody's conversation with the app stands on buttons and can be put
// into a form: it gives no right to it.
func TestConversationOfTwoIsChangedAndSeenByItsOwnPersonAlone(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		r.desk.standing.Subscriptions = append(r.desk.standing.Subscriptions,
			Standby{Subscription: tocsin.Subscription{Watchlist: "nukes"}, Channel: "D0000BOB", By: "slack:T0000001:UBOB"})
		for _, user := range []string{"UANN", "UBOB"} {
			open := map[string]any{"team_id": "T0000001", "event_id": "Ev" + user, "event": map[string]any{"type": "app_home_opened", "user": user, "tab": "home"}}
			r.Emit("events_api", open, false)
			time.Sleep(time.Second)
			if seen := strings.Contains(words(r.Home(user)), "nukes"); seen != (user == "UBOB") {
				t.Errorf("on the home of %s: %s", user, words(r.Home(user)))
			}
		}
		has(t, "another's", r.click("UANN", "C0000001", actionMuteFor, "D0000BOB nukes 2h"), "may change this")
		r.say("UANN", "C0000001", "new")
		v := r.View("")
		ack, _ := json.Marshal(r.inModal("view_submission", "tampered", v, fields("nuclear", "", "D0000BOB", "mine")))
		has(t, "a form for another's", string(ack), "may change this")
		if did := r.desk.notes(); len(did) != 0 {
			t.Errorf("did %q", did)
		}
		r.click("UBOB", "", actionMuteFor, "D0000BOB nukes 2h") // on the home
		r.say("UBOB", "D0000BOB", "resume nukes")
		r.say("UCAT", "D0000CAT", "subscribe nukes")
		if did := r.desk.notes(); len(did) != 2 {
			t.Errorf("did %q", did)
		}
	})
}

// A query is about every channel that gets it: from a channel of one's own, those of
// others are not silenced.
func TestQueryIsChangedByThoseWhoMayChangeEachChannelThatGetsIt(t *testing.T) {
	for _, user := range []string{"UANN", "UEVE"} {
		inSlack(t, nil, func(r *rig) {
			r.Members = map[string][]string{"C0000001": {"UANN"}, "C0000EVE": {"UANN", "UEVE"}}
			r.desk.edits = []Proposal{{Watchlist: "missiles", Base: 7, Not: "missile*"}}
			value, _ := json.Marshal(r.desk.edits[0])
			got := r.click(user, "C0000EVE", actionExclude+"_0", string(value))
			r.say(user, "C0000EVE", "edit missiles")
			p := r.Click("form", user, "", "", actionQuery, "")
			p["type"] = "view_submission"
			p["view"] = map[string]any{
				"id": r.View("").ID, "callback_id": callbackModal, "private_metadata": `{"w":"missiles","b":7}`,
				"state": fields("never", "", "C0000EVE", ""),
			}
			ack, _ := r.Emit("interactive", p, false)
			data, _ := json.Marshal(ack)
			got += string(data)
			did := len(slices.DeleteFunc(r.desk.notes(), func(s string) bool { return strings.HasPrefix(s, "try ") }))
			if user == "UANN" && did != 3 || user == "UEVE" && (did != 0 || strings.Count(got, "may change this") < 2) {
				t.Errorf("%s did %q and heard %s", user, r.desk.notes(), got)
			}
		})
	}
}

func TestConversationOfTwoGetsAlertsOnlyWhereTheAppCanWrite(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		r.Refuse("D000PAIR", "channel_not_found")
		has(t, "between two people", r.say("UANN", "D000PAIR", "subscribe missiles"), "not its own")
		value, _ := json.Marshal(offer{Query: "visa*"})
		has(t, "a query between two people", r.click("UANN", "D000PAIR", actionSave, string(value)), "not its own")
		if did := r.desk.notes(); len(did) != 0 {
			t.Errorf("between two people it did %q", did)
		}
		has(t, "with the app", r.say("UANN", "D0000ANN", "subscribe missiles"), "from now on")
		if did, got := r.desk.notes(), r.Messages("D0000ANN"); len(did) != 1 || len(got) != 1 {
			t.Errorf("with the app it did %q and posted %d messages", did, len(got))
		}
		r.desk.standing.Subscriptions = append(r.desk.standing.Subscriptions,
			Standby{Subscription: tocsin.Subscription{Watchlist: "missiles"}, Channel: "D0000ANN", By: "slack:T0000001:UANN"})
		r.say("UANN", "D0000ANN", "subscribe missiles min-copies:2")
		if got := r.Messages("D0000ANN"); len(got) != 1 {
			t.Errorf("changed, and %d messages were posted", len(got))
		}
	})
}
