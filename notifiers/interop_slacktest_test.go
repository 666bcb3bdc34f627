//go:build interop

package notifiers_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slacktest"

	"tocsin/notifiers"
	"tocsin/notifiers/slackapp"
)

var keepSlacktest = flag.Bool("keep", false, "write what slack-go's slacktest read into its golden file")

// TestInterop posts to slack-go's own server for tests, and reads there what came.
// It knows no edits. -keep writes what it read into the golden file.
func TestInterop(t *testing.T) {
	s := slacktest.NewTestServer()
	s.Start()
	defer s.Stop()
	told, _, err := websocket.DefaultDialer.DialContext(t.Context(), s.GetWSURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	all, err := notifiers.New(notifiers.Config{Slack: notifiers.SlackConfig{Token: "xoxb-right", API: s.GetAPIURL(), Buttons: slackapp.Buttons}})
	if err != nil {
		t.Fatal(err)
	}
	defer notifiers.Close(all)
	var golden bytes.Buffer
	for _, d := range slacktestDeliveries() {
		d.NotAfter = time.Now().Add(time.Minute)
		ready, err := all["slack"].Prepare(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := ready.Send(t.Context())
		ready.Close()
		if err != nil || ref == "" {
			t.Fatalf("%s: %q, %v", d.Kind, ref, err)
		}
		var m slack.Message // as it tells those who listen
		_ = told.SetReadDeadline(time.Now().Add(10 * time.Second))
		if err := told.ReadJSON(&m); err != nil {
			t.Fatalf("%s: %v", d.Kind, err)
		}
		text, blocks, err := notifiers.SlackShown(d, time.Now(), slackapp.Buttons)
		read, _ := json.Marshal(m.Blocks)
		if err != nil || m.Channel != d.To.To || m.Text != text || !sameJSON(read, blocks) {
			t.Errorf("%s: %v; posted\n%s\n%s\nread in %s\n%s\n%s", d.Kind, err, text, blocks, m.Channel, m.Text, read)
		}
		if _, under, _ := strings.Cut(d.Ref, "/"); m.ThreadTimestamp != under {
			t.Errorf("%s: stands under %q, want %q", d.Kind, m.ThreadTimestamp, under)
		}
		line := bytes.Buffer{}
		e := json.NewEncoder(&line)
		e.SetEscapeHTML(false)
		if err := e.Encode(readMessage{d.Kind, m.Text, read, m.ThreadTimestamp}); err != nil {
			t.Fatal(err)
		}
		golden.Write(line.Bytes())
	}
	if kept, err := os.ReadFile(slacktestGolden); !*keepSlacktest && !bytes.Equal(kept, golden.Bytes()) {
		t.Errorf("%s is not what was read just now (%v): -args -keep writes it anew", slacktestGolden, err)
	}
	if *keepSlacktest {
		if err := os.WriteFile(slacktestGolden, golden.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
