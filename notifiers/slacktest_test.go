package notifiers_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"tocsin"
	"tocsin/notifiers"
	"tocsin/notifiers/slackapp"
)

// slacktestGolden is what slack-go's own server read of what we post. make interop
// writes it with -keep.
const slacktestGolden = "testdata/slacktest.jsonl"

// A readMessage is a message as a server of Slack's API read it.
type readMessage struct {
	Kind   string          `json:"kind"`
	Text   string          `json:"text"`
	Blocks json.RawMessage `json:"blocks"`
	Thread string          `json:"thread_ts,omitempty"`
}

var slacktestAt = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// slacktestDeliveries are one of each kind that is posted.
func slacktestDeliveries() []tocsin.Delivery {
	first := tocsin.Copy{Source: "fr", Title: "On a _launch_ & <!channel> :tada:", Publisher: "France", Country: "FR", URL: "https://fr.example/1?a=1&b=2", Published: slacktestAt, Seen: slacktestAt}
	second := first
	second.Source, second.Publisher, second.Country = "jp", "日本 外務省", "JP"
	a := tocsin.Alert{ID: "a1", Opened: slacktestAt, Copies: []tocsin.Copy{first}, Excerpt: "We deplore the launch of a missile.", Matches: []tocsin.Match{{Watchlist: "missiles", Branch: "missile*", Spans: []tocsin.Span{{Term: "missile*", List: "weapons", Field: tocsin.FieldText, Start: 27, End: 34}}}}}
	a.Marks = a.Matches[0].Spans
	grown := a
	grown.Copies = []tocsin.Copy{first, second}
	to := tocsin.Destination{Name: "room", Kind: "slack", To: "C0000001"}
	return []tocsin.Delivery{
		{ID: "d1", To: to, Kind: tocsin.Post, Alert: a, Since: slacktestAt},
		{ID: "d2", To: to, Kind: tocsin.Post, Alert: grown, Since: slacktestAt, Urgent: true},
		{ID: "d3", To: to, Kind: tocsin.Reply, Alert: grown, News: []tocsin.News{{Kind: tocsin.Copied, Copy: second}}, Ref: "C0000001/1.2"},
		{ID: "d4", To: to, Kind: tocsin.Digest, Summary: tocsin.Summary{Sources: 80, Answered: 61, Silent: []string{"Chad"}, Watchlists: []string{"missiles"}, Matching: 3, Newest: []tocsin.Alert{a}}},
		{ID: "d5", To: to, Kind: tocsin.Notice, Text: "2 troubles:\n- fr.example does not answer"},
	}
}

// sameJSON reports whether two documents say the same.
func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	one, _ := json.Marshal(x)
	other, _ := json.Marshal(y)
	return bytes.Equal(one, other)
}

// TestMessagesAreThoseThatSlacktestRead holds what is rendered now against what
// slack-go's server read when make interop last ran.
func TestMessagesAreThoseThatSlacktestRead(t *testing.T) {
	data, err := os.ReadFile(slacktestGolden)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	all := slacktestDeliveries()
	if len(lines) != len(all) {
		t.Fatalf("%d messages for %d deliveries", len(lines), len(all))
	}
	for i, d := range all {
		var read readMessage
		if err := json.Unmarshal(lines[i], &read); err != nil {
			t.Fatal(err)
		}
		text, blocks, err := notifiers.SlackShown(d, slacktestAt.AddDate(0, 6, 0), slackapp.Buttons) // dates are written out by then
		if err != nil || read.Kind != d.Kind || read.Text != text || !sameJSON(read.Blocks, blocks) {
			t.Errorf("%s: %v; run make interop with -keep if this is meant:\n%s\n%s\nread was\n%s\n%s", d.Kind, err, text, blocks, read.Text, read.Blocks)
		}
	}
}
