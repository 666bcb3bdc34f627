package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tocsin"
	"tocsin/pipeline"
)

// withCanary is a rig whose service sends canaries.
func (r *rig) withCanary(cfg *Config) *service {
	r.canary = true
	return r.start(cfg)
}

func (s *service) readiness() (int, string) {
	w := httptest.NewRecorder()
	s.private().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return w.Code, w.Body.String()
}

func TestCanaryComesThroughEveryMinuteAndIsSeenNowhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.baseline("mfa.example")
		var beats atomic.Int64
		r.edit("beat.example", func(f *feed) {
			f.answer = func(w http.ResponseWriter, q *http.Request) { beats.Add(1) }
		})
		r.env["BEAT"] = "http://beat.example/secret-path"
		s := r.withCanary(r.config(sources("mfa.example") + desk + "heartbeat: {env: BEAT}\n"))
		time.Sleep(10 * time.Minute)
		for range 20 {
			time.Sleep(time.Minute)
			c, err := s.logs.Canary(t.Context())
			if age := time.Since(c.Sent); err != nil || age > 90*time.Second+time.Second {
				t.Fatalf("the newest canary that came through is %v old: %+v, %v", age, c, err)
			}
		}
		if code, text := s.readiness(); code != 200 {
			t.Errorf("/readyz says %d %s", code, text)
		}
		if n := beats.Load(); n < 50 || n > 61 {
			t.Errorf("%d heartbeats in half an hour, want one each 30 s", n)
		}
		if all := s.poller.Status(); len(all) != 1 {
			t.Errorf("%d sources are shown", len(all))
		}
		stories, err := s.logs.Stories(t.Context())
		if err != nil || len(stories) != 0 {
			t.Errorf("%d alerts, %v", len(stories), err)
		}
		if traces, err := s.logs.Why(t.Context(), canaryGUID); err != nil || len(traces) != 0 {
			t.Errorf("%d traces, %v", len(traces), err)
		}
		if out := r.term.String() + r.log.String(); strings.Contains(out, pipeline.CanaryTitle) || strings.Contains(out, "secret-path") {
			t.Errorf("the terminal or the log shows a canary or the heartbeat's address:\n%s", out)
		}
		if n := len(r.slack.Messages("C0000001")); n != 1 {
			t.Errorf("%d messages in Slack, want the summary", n)
		}
		var kept int
		for rec, err := range s.logs.Tail(t.Context(), pipeline.CanarySource, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if kept++; rec.Item.Rev != kept {
				t.Errorf("canary %d is revision %d: they pile up as entries", kept, rec.Item.Rev)
			}
		}
		if kept < 25 {
			t.Errorf("%d canaries are kept", kept)
		}
		r.stop()
	})
}

func TestStageThatStandsStillIsToldAndStopsTheHeartbeat(t *testing.T) {
	for _, tt := range []struct {
		name string
		stop func(r *rig, s *service)
		say  string
	}{
		{"match", func(r *rig, s *service) { s.Match = false }, "be matched"},
		{"send", func(r *rig, s *service) { s.Send = false }, "be sent"},
		{"poll", func(r *rig, s *service) { s.Poll = false }, "be fetched and stored"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t)
				r.baseline("mfa.example")
				var beats atomic.Int64
				r.edit("beat.example", func(f *feed) {
					f.answer = func(w http.ResponseWriter, q *http.Request) { beats.Add(1) }
				})
				r.env["BEAT"] = "http://beat.example/"
				cfg := r.config(sources("mfa.example") + desk + "heartbeat: {env: BEAT}\noperators: [duty]\n")
				r.canary, r.before = true, func(s *service) { tt.stop(r, s) }
				s := r.start(cfg)
				time.Sleep(10 * time.Minute)
				code, text := s.readiness()
				if code != 503 || !strings.Contains(text, tt.say) {
					t.Errorf("/readyz says %d %s", code, text)
				}
				if n := beats.Load(); n > 7 {
					t.Errorf("%d heartbeats in ten minutes, want none after the first three", n)
				}
				if posts := r.posts("C0000009", tt.say); len(posts) != 1 {
					t.Errorf("operators got %d messages about it", len(posts))
				}
				r.stop()
			})
		})
	}
}

func delivered(text string) tocsin.Delivery {
	return tocsin.Delivery{Alert: tocsin.Alert{Excerpt: text, Copies: []tocsin.Copy{{Title: pipeline.CanaryTitle}}}}
}

func TestForgedCanaryDoesNotCount(t *testing.T) {
	c, err := newCanary([]byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	right := c.sign("2026-11-25T10:00:00Z")
	for text, want := range map[string]bool{right: true, strings.Replace(right, "10:00", "11:00", 1): false, right + "0": false, canaryText: false, "": false} {
		d := canaryDelivery{c, delivered(text)}
		if _, err := d.Send(t.Context()); (err == nil) != want {
			t.Errorf("a canary signed %q: %v", text, err)
		}
	}
}

func TestCanaryIsNotMissedForASleepOrASetClock(t *testing.T) {
	began := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	for name, jump := range map[string]time.Duration{"slept": 8 * time.Hour, "set back": -8 * time.Hour} {
		c := &canary{began: began}
		sent := began.Add(time.Hour)
		woke := sent.Add(jump)
		if !c.slept(sent, woke) {
			t.Errorf("%s: not noticed", name)
		}
		looked := woke
		if err := c.overdue(pipeline.Canary{Sent: sent}, woke); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for range 16 { // and from then on as always
			if c.slept(looked, looked.Add(canaryLook)) {
				t.Errorf("%s: a look too many", name)
			}
			looked = looked.Add(canaryLook)
		}
		if c.overdue(pipeline.Canary{Sent: sent}, looked) == nil {
			t.Errorf("%s: nothing is said of canaries that stay away", name)
		}
	}
}
