package slackapp

import (
	"testing"
	"time"
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
