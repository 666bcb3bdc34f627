package main

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"tocsin"
)

// Who left a channel to others is not told of it, and they are.
func TestOwnerIsWhoSubscribesAChannelThatGetsNothing(t *testing.T) {
	inTwoWorkspaces(t, func(t *testing.T, r *teams) {
		r.one.Members = map[string][]string{"C1111111": {"U1ANN000", "U1BOB000"}}
		wantIn(t, "the first", r.say("U1ANN000", "C1111111", "subscribe missiles"), "gets the alerts")
		wantIn(t, "who goes", r.say("U1ANN000", "C1111111", "unsubscribe missiles"), "no further alerts")
		wantIn(t, "who comes", r.say("U1BOB000", "C1111111", "subscribe missiles"), "gets the alerts")
		r.one.Refuse("C1111111", "is_archived")
		r.publish("mfa.example", entry("mfa.example", 1, "Missile one", "A missile."))
		time.Sleep(5 * time.Minute)
		for user, want := range map[string]int{"U1ANN000": 0, "U1BOB000": 1} {
			if n := holding(r.one, user, "cannot deliver alerts to slack-one-c1111111"); n != want {
				t.Errorf("%s heard %d times that the channel is lost, want %d", user, n, want)
			}
		}
	})
}

func TestOfTwoWhoSubscribeAtOnceOneIsTheOwner(t *testing.T) {
	inTwoWorkspaces(t, func(t *testing.T, r *teams) {
		d := &workspaceDesk{s: r.svc, workspace: "one"}
		for i := range 8 {
			var wg sync.WaitGroup
			for _, user := range []string{"U1ANN000", "U1BOB000", "U1EVE000"} {
				wg.Go(func() {
					if err := d.subscribe(t.Context(), "slack:T1:"+user, fmt.Sprint("C222222", i), tocsin.Subscription{Watchlist: "missiles"}); err != nil {
						t.Errorf("%s: %v", user, err)
					}
				})
			}
			wg.Wait()
			vs, err := r.svc.logs.History(t.Context(), "destination", fmt.Sprint("slack-one-c222222", i))
			if len(vs) != 1 {
				t.Errorf("destination %d was written %d times: %v", i, len(vs), err)
			}
		}
	})
}

// An owner hears once of a loss although they heard of another less than an hour before,
// when the hour is over, or could not be reached at first, once they can be.
func TestOwnerHearsOfEachLossThatLasts(t *testing.T) {
	for name, before := range map[string]func(r *teams){
		"lost again": func(r *teams) {
			r.one.Refuse("C1111111", "is_archived")
			r.publish("mfa.example", entry("mfa.example", 1, "Missile one", "A missile."))
			time.Sleep(10 * time.Minute)
			r.one.Refuse("C1111111", "")
			time.Sleep(20 * time.Minute)
		},
		"not reached": func(r *teams) {
			r.one.Refuse("U1ANN000", "ratelimited")
			time.AfterFunc(10*time.Minute, func() { r.one.Refuse("U1ANN000", "") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTwoWorkspaces(t, func(t *testing.T, r *teams) {
				r.one.Members = map[string][]string{"C1111111": {"U1ANN000"}}
				wantIn(t, "subscribe", r.say("U1ANN000", "C1111111", "subscribe missiles"), "gets the alerts")
				before(r)
				heard := holding(r.one, "U1ANN000", "cannot deliver alerts to")
				r.one.Refuse("C1111111", "is_archived")
				r.publish("mfa.example", entry("mfa.example", 2, "Missile two", "Another missile."))
				hears := func() int { return holding(r.one, "U1ANN000", "cannot deliver alerts to") - heard }
				time.Sleep(40 * time.Minute)
				if n := hears(); n != 1 && name == "not reached" {
					t.Errorf("half an hour after they could be reached the owner had heard %d times", n)
				}
				time.Sleep(3 * time.Hour)
				if n := hears(); n != 1 {
					t.Errorf("the owner heard %d times of a loss that lasts, after %d times before", n, heard)
				}
			})
		})
	}
}
