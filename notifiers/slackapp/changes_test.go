package slackapp

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// TestChangesAreDoneBeforeTheyAreAcknowledged: what Slack was told came cannot be lost
// with the process.
func TestChangesAreDoneBeforeTheyAreAcknowledged(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		r.desk.hold = 300 * time.Millisecond
		for i, text := range []string{"subscribe missiles", "mute missiles 2h", "unsubscribe missiles", "pause"} {
			before := len(r.desk.notes())
			ack, ok := r.Emit("slash_commands", r.Slash(fmt.Sprint("c", i), "UANN", "C0000001", text), false)
			if did := r.desk.notes()[before:]; !ok || len(did) == 0 {
				t.Errorf("%s: acknowledged %v before it is done", text, ok)
			}
			if answer := r.heard(fmt.Sprint("c", i), ack); answer == "" {
				t.Errorf("%s: the acknowledgement says nothing", text)
			}
		}
		for i, c := range [][2]string{{actionAck, "a1"}, {actionSave, `{"q":"rocket"}`}, {actionMuteFor + "_0", "C0000001 missiles 2h"}} {
			before := len(r.desk.notes())
			_, ok := r.Emit("interactive", r.Click(fmt.Sprint("k", i), "UANN", "C0000001", "1.2", c[0], c[1]), false)
			if did := r.desk.notes()[before:]; !ok || len(did) == 0 {
				t.Errorf("%s: acknowledged %v before it is done", c[0], ok)
			}
		}
	})
}

// TestChangeThatTakesLongSaysSo: it is acknowledged in time, as not done, and answered
// when it is.
func TestChangeThatTakesLongSaysSo(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		r.desk.hold = 20 * time.Second
		began := time.Now()
		ack, ok := r.Emit("slash_commands", r.Slash("slow", "UANN", "C0000001", "subscribe missiles"), false)
		if took := time.Since(began); !ok || took > changeFor+100*time.Millisecond {
			t.Fatalf("acknowledged %v after %s", ok, took)
		}
		has(t, "at once", r.heard("slow", ack), "Not done yet", "was *not* done")
		if _, ok := r.Emit("interactive", r.Click("click", "UANN", "C0000001", "1.2", actionAck, "a1"), false); !ok {
			t.Fatal("the click is not acknowledged")
		}
		r.say("UANN", "C0000001", "new")
		v := r.View("")
		shown, _ := json.Marshal(r.inModal("view_submission", "form", v, fields("missile*", "", "C0000001", "mine")))
		has(t, "form", string(shown), "Not done yet")
		time.Sleep(2 * time.Minute)
		has(t, "later", r.heard("slow", nil), "gets the alerts of *missiles*")
		has(t, "click", r.heard("click", nil), "Not done yet", "You have this in hand")
		has(t, "form later", words(r.View(v.ID).View), "Saved as *mine*")
	})
}

// TestChangesHoldUpNothingElse: other people's commands on the same connection.
func TestChangesHoldUpNothingElse(t *testing.T) {
	inSlack(t, nil, func(r *rig) {
		r.desk.hold = time.Second
		go r.Emit("slash_commands", r.Slash("slow", "UANN", "C0000001", "subscribe missiles"), false)
		go r.Emit("slash_commands", r.Slash("slow2", "UANN", "C0000001", "subscribe missiles"), false)
		time.Sleep(10 * time.Millisecond)
		began := time.Now()
		if _, ok := r.Emit("slash_commands", r.Slash("help", "UBOB", "C0000001", "help"), false); !ok || time.Since(began) > 100*time.Millisecond {
			t.Errorf("help is acknowledged %v after %s", ok, time.Since(began))
		}
		time.Sleep(5 * time.Second)
	})
}

// TestChangeForWhichThereIsNoRoomIsRefused: nobody is left to believe that it was done.
func TestChangeForWhichThereIsNoRoomIsRefused(t *testing.T) {
	a, err := New(Config{Token: "xoxb-x", AppToken: "xapp-x"})
	if err != nil {
		t.Fatal(err)
	}
	for len(a.changes) < cap(a.changes) {
		a.changes <- nil
	}
	data, _ := json.Marshal(slash{Text: "pause", TriggerID: "1"})
	ack, _ := json.Marshal(a.take(slashCommands, data))
	has(t, "no room", string(ack), "was *not* done")
}
