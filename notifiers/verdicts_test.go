package notifiers_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin"
	"tocsin/notifiers/notifiertest"
)

// Every code that Slack publishes for the methods that alerts are sent and edited
// by, with what it has to mean. The codes are those of the methods' pages at
// https://docs.slack.dev; the verdicts were given by hand.
func TestEveryCodeOfSlackHasItsVerdict(t *testing.T) {
	table, err := os.ReadFile("testdata/slack-verdicts.tsv")
	if err != nil {
		t.Fatal(err)
	}
	fake, n := slackOverPipe(t)
	n0 := 0
	for row := range strings.Lines(string(table)) {
		f := strings.Fields(row)
		method, code, want := f[0], f[1], tocsin.Verdict(f[2])
		n0++
		d := tocsin.Delivery{ID: "d" + code, Kind: tocsin.Post, To: tocsin.Destination{Name: "desk", To: "C0000001"}, Alert: sample(), Since: time.Now()}
		if method == "chat.update" {
			d.Kind, d.Ref = tocsin.Edit, "C0000001/1.1"
		}
		fake.Always(method, notifiertest.Fault{Code: code})
		ready, err := n.Prepare(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ready.Send(t.Context())
		ready.Close()
		fake.Always(method, notifiertest.Fault{})
		o, ok := errors.AsType[*tocsin.Outcome](err)
		if !ok || o.Verdict != want || o.Code != code {
			t.Errorf("%s %s: %v, want %s", method, code, err, want)
		}
	}
	if n0 < 76 {
		t.Errorf("the table has %d rows, want those of all 76 published codes", n0)
	}
}
