package slackapp

import (
	"context"
	"testing"
	"time"
)

// Slack sends again what a process died of before it acknowledged it: the next one
// would die of it too.
func TestPanicOfOneRequestEndsNoOther(t *testing.T) {
	inSlack(t, func(c *Config) {
		c.Desk.Why = func(context.Context, string) ([]string, error) { panic("why") }
		c.Desk.Mute = func(context.Context, string, string, string, time.Time) error { panic("mute") }
	}, func(r *rig) {
		for range workers + changers { // as many as there are to do them
			r.say("UANN", "C0000001", "why https://mfa.example/1")
			has(t, "a change", r.say("UANN", "C0000001", "mute missiles 2h"), "*not* done")
		}
		has(t, "a request after it", r.say("UANN", "C0000001", "list"), "missiles")
		has(t, "a change after it", r.say("UANN", "C0000001", "unsubscribe missiles"), "no further alerts")
	})
}
