package notifiers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"tocsin"
	"tocsin/notifiers"
	"tocsin/notifiers/notifiertest"
)

func TestAlertsCarryButtonsOnlyWhereTheAppHearsThem(t *testing.T) {
	fake := notifiertest.NewSlack(canaryToken)
	api, stop, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	alert := tocsin.Alert{ID: "abc", Copies: []tocsin.Copy{{Title: "On missiles", Source: "fr"}}, Acknowledged: tocsin.Acknowledgement{By: "slack:T1:U024BE7LH", At: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}}
	press := func(id string) []slack.BlockElement {
		return []slack.BlockElement{slack.NewButtonBlockElement("press", id, slack.NewTextBlockObject(slack.PlainTextType, "Press", false, false))}
	}
	for _, tt := range []struct {
		name    string
		buttons func(string) []slack.BlockElement
		change  func(d *tocsin.Delivery)
		want    bool
	}{
		{"an app that hears", press, func(*tocsin.Delivery) {}, true},
		{"an app that does not", nil, func(*tocsin.Delivery) {}, false},
		{"an alert that goes on as another", press, func(d *tocsin.Delivery) { d.Alert.Into = "def" }, false},
		{"a notice", press, func(d *tocsin.Delivery) { d.Kind, d.Text = tocsin.Notice, "trouble" }, false},
	} {
		n := open(t, notifiers.Config{Slack: notifiers.SlackConfig{Token: canaryToken, API: api, Buttons: tt.buttons}})["slack"]
		d := tocsin.Delivery{ID: tt.name, Kind: tocsin.Post, To: tocsin.Destination{Name: "room", Kind: "slack", To: "C0000001"}, Alert: alert}
		tt.change(&d)
		if _, err := send(t, n, d); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		sent := fake.Requests("chat.postMessage")
		last := sent[len(sent)-1].Form
		if got := strings.Contains(last.Get("blocks"), `"type":"actions"`) && strings.Contains(last.Get("blocks"), `"value":"abc"`); got != tt.want {
			t.Errorf("%s: buttons %v, want %v:\n%s", tt.name, got, tt.want, last.Get("blocks"))
		}
		if d.Kind == tocsin.Post && !strings.Contains(last.Get("blocks"), "acknowledged by Slack user U024BE7LH, 1 Mar 2026 09:00 UTC") {
			t.Errorf("%s: the blocks of a new message do not say who acknowledged it, or call them: %s", tt.name, last.Get("blocks"))
		}
		if d.Kind == tocsin.Post && !strings.Contains(last.Get("text"), "acknowledged by Slack user U024BE7LH, 1 Mar 2026 09:00 UTC") {
			t.Errorf("%s: the text does not say who acknowledged it: %s", tt.name, last.Get("text"))
		}
	}
}
