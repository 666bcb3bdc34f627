package notifiertest

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"reflect"
	"testing"

	"github.com/gorilla/websocket"
)

// TestSlacksOwnClientIsServedAsItWas plays what @slack/socket-mode read and wrote in
// "make interop": the fake sends the same envelopes, and takes the client's words for
// acknowledgements.
func TestSlacksOwnClientIsServedAsItWas(t *testing.T) {
	read, wrote := recorded(t)
	s := NewSlackApp("xoxb-right")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Serve(l)()
	c, _, err := websocket.DefaultDialer.Dial("ws://"+l.Addr().String()+"/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	next := func() (v map[string]any) {
		if err := c.ReadJSON(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if got := next(); !reflect.DeepEqual(got, read[0]) {
		t.Errorf("the fake says %v, Slack's client was told %v", got, read[0])
	}
	s.Until(func() bool { return s.Connections() == 1 })
	for i, want := range read[1:] {
		type acked struct {
			payload any
			ok      bool
		}
		done := make(chan acked, 1)
		go func() {
			payload, ok := s.Emit(want["type"].(string), want["payload"], false)
			done <- acked{payload, ok}
		}()
		if got := next(); !reflect.DeepEqual(got, want) {
			t.Errorf("the fake says %v, Slack's client was told %v", got, want)
		}
		if err := c.WriteJSON(wrote[i]); err != nil {
			t.Fatal(err)
		}
		if a := <-done; !a.ok || !reflect.DeepEqual(a.payload, wrote[i]["payload"]) {
			t.Errorf("%v is taken for %v, %v", wrote[i], a.payload, a.ok)
		}
	}
}

// recorded is what Slack's client read and wrote, each in order.
func recorded(t *testing.T) (read, wrote []map[string]any) {
	t.Helper()
	f, err := os.Open("testdata/socketmode.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var line struct{ Read, Wrote map[string]any }
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, s.Text())
		}
		if line.Read != nil {
			read = append(read, line.Read)
		}
		if line.Wrote != nil {
			wrote = append(wrote, line.Wrote)
		}
	}
	if len(read) < 4 || len(read) != len(wrote)+1 {
		t.Fatalf("Slack's client read %d messages and wrote %d", len(read), len(wrote))
	}
	return read, wrote
}
