package notifiers_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/notifiers"
	"tocsin/notifiers/notifiertest"
)

// operators runs a path to a Slack channel and a mailbox.
func operators(t *testing.T) (*notifiers.Operators, *notifiertest.Slack, *notifiertest.SMTP) {
	slack, s := slackOverPipe(t)
	mails, m := emailOverPipe(t)
	o := notifiers.NewOperators([]tocsin.Destination{duty, desk}, map[string]notifiers.Notifier{"slack": s, "email": m}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = o.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return o, slack, mails
}

// wait lets d pass on the fake clock.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestOperatorsHearWithinSecondsAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, slack, mails := operators(t)
		wait(time.Hour)
		for i := range 30 {
			o.Report(fmt.Sprint("k", i), fmt.Sprintf("source %d does not answer", i))
			o.Report(fmt.Sprint("k", i), fmt.Sprintf("source %d does not answer", i))
		}
		wait(5 * time.Second)
		m := slack.Messages(channel)
		if len(m) != 1 || !strings.Contains(m[0].Text, "30 troubles") || !strings.Contains(m[0].Text, "source 7 does not answer") {
			t.Fatalf("after 5 s: %v", m)
		}
		if got := mails.Mails(); len(got) != 1 {
			t.Errorf("%d mails, want 1", len(got))
		}
		wait(24 * time.Hour)
		if q := slack.Requests("chat.postMessage"); len(q) != 1 {
			t.Errorf("%d posts in a day without a change, want 1", len(q))
		}
	})
}

func TestOperatorsSeeOneMessageThatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, slack, mails := operators(t)
		o.Report("a", "a is down")
		wait(5 * time.Second)
		o.Report("b", "b is down")
		wait(5 * time.Second)
		m := slack.Messages(channel)
		if len(m) != 1 || m[0].Edits != 1 || !strings.Contains(m[0].Text, "b is down") {
			t.Fatalf("a new trouble is not in the message within seconds: %v", m)
		}
		o.Clear("a")
		o.Report("b", "b is down, still")
		wait(10 * time.Minute)
		if m := slack.Messages(channel); m[0].Edits != 1 {
			t.Error("changed again within a quarter of an hour without a new trouble")
		}
		wait(6 * time.Minute)
		if m := slack.Messages(channel); m[0].Edits != 2 || !strings.Contains(m[0].Text, "b is down, still") || !strings.Contains(m[0].Text, "over: a is down") {
			t.Errorf("after a quarter of an hour: %v", m[0])
		}
		o.Clear("b")
		wait(16 * time.Minute)
		if m := slack.Messages(channel); len(m) != 1 || !strings.Contains(m[0].Text, "All clear") {
			t.Errorf("after the last trouble: %v", m)
		}
		if got := mails.Mails(); len(got) != 3 { // a, b, all clear
			t.Errorf("%d mails, want 3: two new troubles and the end", len(got))
		}
		wait(time.Hour)
		o.Report("a", "a is down again")
		wait(5 * time.Second)
		if m := slack.Messages(channel); len(m) != 2 || strings.Contains(m[0].Text, "again") {
			t.Errorf("the next trouble got no message of its own: %v", m)
		}
	})
}

func TestOperatorsGetANewMessageWhenAllWasClearUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, slack, _ := operators(t)
		o.Report("a", "a is down")
		wait(5 * time.Second)
		o.Clear("a")
		wait(time.Minute)
		o.Report("b", "b is down")
		wait(5 * time.Second)
		m := slack.Messages(channel)
		if len(m) != 2 || !strings.Contains(m[0].Text, "All clear") || !strings.Contains(m[1].Text, "b is down") {
			t.Errorf("messages: %v", m)
		}
	})
}

func TestOperatorsAreNotFloodedByFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, slack, mails := operators(t)
		for range 120 { // two hours
			o.Report("a", "a is down")
			wait(30 * time.Second)
			o.Clear("a")
			wait(30 * time.Second)
		}
		if n := len(slack.Requests("chat.postMessage")) + len(slack.Requests("chat.update")); n > 20 {
			t.Errorf("%d calls in two hours of flapping", n)
		}
		if n := len(mails.Mails()); n > 10 {
			t.Errorf("%d mails in two hours of flapping", n)
		}
	})
}

func TestOperatorsDoNotHearOfWhatWasOverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, slack, mails := operators(t)
		o.Report("a", "a is down")
		o.Clear("a")
		o.Clear("never")
		wait(time.Hour)
		if len(slack.Messages(channel))+len(mails.Mails()) != 0 {
			t.Error("told of what was over before it could be told")
		}
	})
}

func TestOperatorsPathSurvivesItsOwnTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, slack, mails := operators(t)
		slack.Always("chat.postMessage", notifiertest.Fault{Code: "channel_not_found"})
		o.Report("a", "a is down")
		wait(5 * time.Second)
		if len(mails.Mails()) != 1 {
			t.Error("a dead channel delays the mail")
		}
		wait(time.Hour)
		if n := len(slack.Requests("chat.postMessage")); n < 5 || n > 15 {
			t.Errorf("%d attempts in an hour, want backoff", n)
		}
		slack.Always("chat.postMessage", notifiertest.Fault{})
		wait(16 * time.Minute)
		if m := slack.Messages(channel); len(m) != 1 {
			t.Errorf("%d messages once it works, want 1", len(m))
		}
	})
}

func TestOperatorsHearOnceWhereTheAnswerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, slack, _ := operators(t)
		slack.Fail("chat.postMessage", notifiertest.Fault{Reset: true, Applied: true})
		o.Report("a", "a is down")
		wait(time.Minute)
		o.Report("b", "b is down")
		wait(time.Minute)
		m := slack.Messages(channel)
		if len(m) != 1 || !strings.Contains(m[0].Text, "b is down") {
			t.Errorf("messages: %v", m)
		}
	})
}

func TestOperatorsTroubleIsLogged(t *testing.T) {
	var b bytes.Buffer
	o := notifiers.NewOperators(nil, nil, slog.New(slog.NewTextHandler(&b, nil)))
	o.Report("disk", "the disk is full")
	o.Clear("disk")
	for _, want := range []string{`msg="trouble began" key=disk`, `msg="trouble over" key=disk`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, b.String())
		}
	}
}
