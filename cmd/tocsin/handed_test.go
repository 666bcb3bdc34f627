package main

import (
	"strings"
	"testing"
	"time"

	"tocsin/notifiers/notifiertest"
)

// The owner sees why each kind of message comes to them, and reads nothing that is
// not so for them.
func TestWhatComesToAnOwnerSaysWhy(t *testing.T) {
	for name, x := range map[string]struct{ plan, subject, also string }{
		"an alert":   {"", "A missile was tested", "Of the first kind"},
		"a digest":   {", digest: hourly", "1 alert", "A missile was tested"},
		"escalation": {", escalate: {after: 10m, to: boss}", "A missile was tested", "nobody acknowledged"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t)
				r.baseline("mfa.example")
				r.start(r.config(sources("mfa.example") + `
watchlists: {missiles: {query: 'missile*'}}
destinations:
  room: {kind: slack, to: C0000001, owner: ann@rcpt.example}
  boss: {kind: slack, to: C0000002, owner: ann@rcpt.example}
subscriptions: [{watchlist: missiles, to: room` + x.plan + `}]
`))
				time.Sleep(time.Minute)
				refused := "C0000001"
				if name == "escalation" {
					refused = "C0000002"
				}
				r.slack.Refuse(refused, "invalid_blocks")
				r.publish("mfa.example", entry("mfa.example", 1, "A missile was tested", "Of the first kind."))
				time.Sleep(65 * time.Minute)
				got := r.mails("ann@rcpt.example", x.subject)
				if len(got) != 1 {
					t.Fatalf("the owner got %d mails", len(got))
				}
				text := unfolded(got[0].Data)
				for _, want := range []string{"refused this message for its form", "invalid_blocks", x.also} {
					if !strings.Contains(text, want) {
						t.Errorf("it does not say %q:\n%s", want, text)
					}
				}
				if strings.Contains(text, "this address subscribes") {
					t.Errorf("it says that its reader subscribed:\n%s", text)
				}
			})
		})
	}
}

// unfolded is a quoted-printable mail without the breaks in its lines.
func unfolded(data []byte) string {
	return strings.NewReplacer("=\r\n", "", "=\n", "").Replace(string(data))
}

// refusing runs a service whose only channel refuses messages in every form, and has an
// owner.
func refusing(t *testing.T, f func(r *rig)) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.baseline("mfa.example")
		r.start(r.config(sources("mfa.example") + `
watchlists: {missiles: {query: 'missile*'}}
destinations: {room: {kind: slack, to: C0000001, owner: ann@rcpt.example}}
subscriptions: [{watchlist: missiles, to: room}]
`))
		time.Sleep(time.Minute)
		r.slack.Refuse("C0000001", "invalid_blocks")
		f(r)
	})
}

// Blocks, then text, then a mail: each alert that no form of a message carries, not
// only that there was one.
func TestAlertThatSlackRefusesInEveryFormComesToItsOwnerByMail(t *testing.T) {
	refusing(t, func(r *rig) {
		for n, word := range []string{"first", "second", "third"} {
			r.publish("mfa.example", entry("mfa.example", n, "The "+word+" on missiles", "Of the "+word+" kind."))
			time.Sleep(5 * time.Minute)
			got := r.mails("ann@rcpt.example", "The "+word+" on missiles")
			if len(got) != 1 || !strings.Contains(string(got[0].Data), "invalid_blocks") {
				t.Errorf("the owner got of the %s: %d mails", word, len(got))
			}
		}
	})
}

func TestMailServerThatHangsHoldsNoAlertLong(t *testing.T) {
	refusing(t, func(r *rig) {
		r.smtp.Always(notifiertest.HangAfterDot)
		r.publish("mfa.example", entry("mfa.example", 2, "The second on missiles", "Of the second kind."), entry("mfa.example", 1, "The first on missiles", "Of the first kind."))
		for len(r.mails("ann@rcpt.example", "The first")) == 0 {
			time.Sleep(time.Second)
		}
		r.slack.Refuse("C0000001", "")
		start := time.Now()
		for len(r.posts("C0000001", "The second on")) == 0 && time.Since(start) < time.Hour {
			time.Sleep(time.Second)
		}
		if d := time.Since(start); d > 45*time.Second {
			t.Errorf("the second came after %v", d)
		}
	})
}
