package notifiertest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestTheFakeAnswersAsTheEmulatorDoes holds what the fake answers to what an emulator
// of Slack that others wrote answered in "make interop": all that the fake says stands
// there too, in the same place and of the same type.
func TestTheFakeAnswersAsTheEmulatorDoes(t *testing.T) {
	text, err := os.ReadFile("testdata/answers.tsv")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]map[string]string{}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if known[f[0]] == nil {
			known[f[0]] = map[string]string{}
		}
		known[f[0]][f[1]] = f[2]
	}
	s := NewSlackApp("")
	call := func(method string, form url.Values) map[string]any {
		t.Helper()
		q := httptest.NewRequest(http.MethodPost, "/api/"+method, strings.NewReader(form.Encode()))
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if j := form.Get("json"); j != "" {
			q = httptest.NewRequest(http.MethodPost, "/api/"+method, strings.NewReader(j))
			q.Header.Set("Content-Type", "application/json")
		}
		q.Header.Set("Authorization", "Bearer xoxb-right")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, q)
		var v map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || v["ok"] != true {
			t.Fatalf("%s: %s", method, w.Body)
		}
		if len(known[method]) == 0 {
			t.Errorf("%s was not asked of the emulator", method)
		}
		for _, place := range slices.Sorted(maps.Keys(Places(v))) {
			kind := Places(v)[place]
			if want := known[method][place]; want != kind && !onlyHere[method+" "+place] {
				t.Errorf("%s: %s is a %s, the emulator's %q", method, place, kind, want)
			}
		}
		return v
	}
	in := url.Values{"channel": {"C0000001"}, "text": {"x"}, "metadata": {`{"event_type":"tocsin_delivery","event_payload":{"id":"1"}}`}, "include_all_metadata": {"true"}}
	with := func(name, value string) url.Values {
		out := maps.Clone(in)
		out.Set(name, value)
		return out
	}
	ts := call("chat.postMessage", in)["ts"].(string)
	call("chat.postMessage", with("thread_ts", ts))
	call("chat.update", with("ts", ts))
	call("conversations.history", in)
	call("conversations.replies", with("ts", ts))
	call("conversations.info", in)
	call("conversations.members", in)
	call("auth.test", nil)
	view := `{"type":"modal","title":{"type":"plain_text","text":"x"},"blocks":[{"type":"divider"}]}`
	opened := call("views.open", url.Values{"json": {`{"trigger_id":"trigger-1","view":` + view + `}`}})["view"].(map[string]any)
	call("views.update", url.Values{"json": {`{"view_id":"` + opened["id"].(string) + `","view":` + view + `}`}})
	call("views.publish", url.Values{"json": {`{"user_id":"UANN","view":{"type":"home","blocks":[{"type":"divider"}]}}`}})
}

// onlyHere are places that the fake has and the emulator has not: there the token is
// no bot's.
var onlyHere = map[string]bool{
	"auth.test bot_id": true, "chat.postMessage message.bot_id": true, "chat.update message.bot_id": true,
	"conversations.history messages[].bot_id": true, "conversations.replies messages[].bot_id": true,
}
