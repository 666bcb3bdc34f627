package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds"
	"tocsin/pipeline/watchlist"
)

func statusOf(s *service, id string) feeds.SourceStatus {
	for _, st := range s.poller.Status() {
		if st.Source.ID == id {
			return st
		}
	}
	return feeds.SourceStatus{}
}

func TestWhatAFullWindowLostIsAlertedFromTheArchive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		item := func(n int) rssItem {
			return entry("mfa.example", n, fmt.Sprintf("On missiles, part %d", n), fmt.Sprintf("Missiles were seen for the %dth time.", n))
		}
		window := func(from, to int) (out []rssItem) {
			for n := to; n >= from; n-- {
				out = append(out, item(n))
			}
			return out
		}
		r.edit("mfa.example", func(f *feed) { f.items = window(1, 3) })
		r.edit("archive.example", func(f *feed) { f.items = window(1, 3) })
		s := r.start(r.config("sources: [{id: mfa, url: \"http://mfa.example/feed\", archive: \"http://archive.example/all\"}]\n" + desk + "operators: [duty]\n"))
		time.Sleep(5 * time.Minute)
		r.edit("archive.example", func(f *feed) { f.items = window(1, 9) })
		r.edit("mfa.example", func(f *feed) { f.items = window(7, 9) })
		time.Sleep(3 * time.Minute)
		for n := 4; n <= 9; n++ {
			if got := len(r.posts("C0000001", fmt.Sprintf("part %d", n))); got != 1 {
				t.Errorf("part %d: %d alerts, want 1", n, got)
			}
		}
		if m := r.posts("C0000009", "none is missing"); len(m) != 1 {
			t.Errorf("operators were told %+v", r.posts("C0000009", ""))
		}
		if st := statusOf(s, "mfa"); st.Condition != feeds.OK || len(st.Gaps) != 1 || st.Gaps[0].Filled != 3 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestAMoveIsToldOnceFollowedAndKeptOverARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.baseline("mfa.example", "new.example")
		cfg := sources("mfa.example") + desk + "operators: [duty]\n"
		r.start(r.config(cfg))
		time.Sleep(5 * time.Minute)
		r.edit("mfa.example", func(f *feed) {
			f.answer = func(w http.ResponseWriter, q *http.Request) {
				http.Redirect(w, q, "http://new.example/feed", http.StatusMovedPermanently)
			}
		})
		time.Sleep(14 * time.Hour)
		r.stop()
		asked := 0
		r.edit("mfa.example", func(f *feed) { asked = f.polls })
		s := r.start(r.config(cfg))
		r.publish("new.example", entry("new.example", 1, "On missiles", "Missiles were seen."))
		time.Sleep(5 * time.Minute)
		if n := len(r.posts("C0000001", "On missiles")); n != 1 {
			t.Errorf("%d alerts from the new address, want 1", n)
		}
		r.edit("mfa.example", func(f *feed) {
			if f.polls != asked {
				t.Errorf("the old address was asked %d more times", f.polls-asked)
			}
		})
		if st := statusOf(s, "mfa"); st.Condition != feeds.Moved || st.Move.Applied.IsZero() || !strings.Contains(st.Do, "http://new.example/feed") {
			t.Errorf("status %+v", st)
		}
		if m := r.posts("C0000009", "it is read at http://new.example/feed"); len(m) != 1 {
			t.Errorf("operators were told %+v", r.posts("C0000009", ""))
		}
	})
}

func TestHowLongASourceHasBeenBadSurvivesARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		hosts := []string{"a.example", "b.example", "c.example", "d.example"}
		r.baseline(hosts...)
		cfg := sources(hosts...) + desk
		s := r.start(r.config(cfg))
		time.Sleep(5 * time.Minute)
		r.edit("a.example", func(f *feed) {
			f.answer = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
			}
		})
		time.Sleep(10 * time.Hour)
		was := statusOf(s, "a")
		r.stop()
		time.Sleep(time.Hour)
		s = r.start(r.config(cfg))
		time.Sleep(time.Minute)
		if st := statusOf(s, "a"); st.Condition != feeds.Blocked || !st.Since.Equal(was.Since) || !st.Success.Equal(was.Success) || time.Since(st.Since) < 10*time.Hour {
			t.Errorf("was %+v\nis %+v", was, st)
		}
		if st := statusOf(s, "b"); st.Condition != feeds.OK || time.Since(st.Since) < 10*time.Hour {
			t.Errorf("well since %v", st.Since)
		}
	})
}

func TestCoverageCountsTheSourcesThatTheQueryDoesNotLeaveOut(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	of := func(id, country string, c feeds.Condition, ago time.Duration, gaps ...feeds.Gap) savedSource {
		return savedSource{feeds.SourceStatus{
			Source: tocsin.Source{ID: id, Country: country, URL: "https://" + id + ".example/"}, Condition: c, Success: at.Add(-ago), Since: at.Add(-ago), Gaps: gaps, Do: "look",
		}, at}
	}
	all := []savedSource{
		of("fr-mfa", "FR", feeds.OK, time.Minute),
		of("fr-mod", "FR", feeds.Frozen, 2*time.Minute, feeds.Gap{To: at.Add(-time.Hour)}, feeds.Gap{To: at, Closed: true}),
		of("fr-pm", "FR", feeds.Unreachable, 3*time.Hour),
		of("de-mfa", "DE", feeds.Unreachable, 9*time.Hour),
	}
	all = withUnseen(all, []tocsin.Source{{ID: "fr-new", Country: "FR"}, {ID: "fr-mfa", Country: "FR"}})
	q, err := watchlist.Parse("missile* AND country:fr")
	if err != nil {
		t.Fatal(err)
	}
	rule, err := q.Resolve(watchlist.NewLists(), false)
	if err != nil {
		t.Fatal(err)
	}
	c := coverageOf("missiles", rule.Reaches, all)
	if c.Sources != 4 || c.Well != 1 || c.Waiting != 1 || c.LeftOut != 1 || len(c.Bad) != 2 || len(c.Silent) != 1 || len(c.Gaps) != 1 || c.Delay != 3*time.Hour || c.Slowest != "fr-pm" {
		t.Errorf("%+v", c)
	}
	var out bytes.Buffer
	if err := c.write(&app{out: &out}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"missiles: 1 of 4 sources are well, as of 2026-03-02 09:00:00Z", "largest delay: 3h0m0s, since fr-pm", "silent for too long: fr-mod", "gap: fr-mod, between an unknown time and", "fr-pm ", "frozen"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if b, err := json.Marshal(c); err != nil || !strings.Contains(string(b), `"gaps":[{"source":"fr-mod","to":`) {
		t.Errorf("%v %s", err, b)
	}
}
