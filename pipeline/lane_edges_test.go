package pipeline

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tocsin"
)

// fishToo is planned, with a second watchlist that the desk has by another plan.
func fishToo(missiles, fish tocsin.Subscription) Provision {
	p := planned(missiles)
	p.Watchlists = append(p.Watchlists, tocsin.Watchlist{Name: "fish", Query: "cod"})
	fish.Watchlist, fish.To = "fish", "desk"
	p.Subscriptions = append(p.Subscriptions, fish)
	return p
}

// A lane that looks again and again does not let the clock of the bubble go on.
func TestLaneSleepsWhileAPostWaitsAndWATCHMoves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), fishToo(tocsin.Subscription{Digest: "daily 08:00"}, tocsin.Subscription{}))
		defer r.close()
		r.cfg.Log = quiet
		r.run()
		r.tell("held", 1)
		r.desk.set(func(int, tocsin.Delivery) (bool, error) { return false, &tocsin.Outcome{Verdict: tocsin.Retry} })
		r.put(item("fr", "cod", "cod", "On cod."))
		time.Sleep(90 * time.Second) // it waits for minutes now
		r.ok(r.logs.Mute(t.Context(), "ada", "missiles", "desk", time.Now().Add(time.Hour)))
		time.Sleep(time.Hour)
		r.desk.set(nil)
		time.Sleep(time.Hour)
		if got := r.desk.received(); len(got) == 0 || got[0] != "cod" {
			t.Errorf("the channel got %q", got)
		}
	})
}

func (r *rig) wantNews(want ...string) {
	r.t.Helper()
	if got := r.desk.news(); !slices.Equal(got, want) {
		r.t.Errorf("the channel got\n%q, want\n%q", got, want)
	}
}

func TestDigestLeavesOutWhatWasMergedWhileNobodyRan(t *testing.T) {
	for _, sent := range []bool{false, true} {
		t.Run(fmt.Sprint("the younger was sent ", sent), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := weapons(true)
				p.Subscriptions[0].Digest, p.Subscriptions[1].Digest = "hourly", "hourly"
				if sent {
					p.Subscriptions[0].Digest = ""
				}
				r := newRig(t, t.TempDir(), p)
				defer r.close()
				threaded(r.desk)
				half()
				r.run()
				r.oldAndYoung()
				r.put(item("fr", "other", "other", "artillery"))
				time.Sleep(time.Minute)
				r.stop()
				r.merge()
				time.Sleep(time.Hour)
				r.run()
				time.Sleep(time.Minute)
				want := []string{"digest 2 0"}
				if sent {
					want = []string{"post young", "digest 1 0"}
				}
				r.wantNews(want...)
			})
		})
	}
}

func TestDigestCountsTwoAlertsThatWereMergedWhileNobodyRanOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), planned(tocsin.Subscription{Digest: "hourly"}))
		defer r.close()
		threaded(r.desk)
		half()
		r.run()
		for _, title := range []string{"old", "young", "other"} {
			r.put(item("fr", title, title, "On missiles."))
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		r.stop()
		r.merge()
		time.Sleep(time.Hour)
		r.run()
		time.Sleep(time.Minute)
		r.wantNews("digest 2 0")
	})
}

func TestChangeThatIsHeldKeepsItsDigestWhenAnotherWatchlistMatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		plan := tocsin.Subscription{Digest: "daily 08:00", Quiet: "07:00-10:00"}
		until(time.Now().UTC().Truncate(day).Add(day + 6*time.Hour)) // before there is a server, which ticks
		r := newRig(t, t.TempDir(), fishToo(plan, plan))
		defer r.close()
		threaded(r.desk)
		r.run()
		r.tell("news", 1)
		until(time.Now().UTC().Truncate(day).Add(12 * time.Hour))
		want := []string{"digest 1 0"}
		r.wantNews(want...)
		r.revise(idOf("fr", "news0"), 2, true)
		until(time.Now().UTC().Truncate(day).Add(day + 9*time.Hour)) // due, and held by quiet hours
		c := must(r.logs.page(t.Context(), idOf("fr", "news0"))).alert.First()
		c.Rev, c.Seen = 3, time.Now().UTC()
		r.event(Event{Kind: Revised, Alert: idOf("fr", "news0"), Copy: c, Material: true, Reason: "now of cod", Matches: []tocsin.Match{{Watchlist: "fish"}}})
		time.Sleep(3 * time.Hour)
		r.wantNews(append(want, "digest 0 1: news0 revised: news0 revised")...)
	})
}

func TestChangeWaitsForTheDigestAlthoughAFilteredSubscriptionMatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), fishToo(tocsin.Subscription{Digest: "hourly"}, tocsin.Subscription{MinCopies: 5}))
		defer r.close()
		threaded(r.desk)
		half()
		r.run()
		r.put(item("fr", "news0", "news0", "On missiles and cod."))
		time.Sleep(time.Hour)
		want := []string{"digest 1 0"}
		r.wantNews(want...)
		r.revise(idOf("fr", "news0"), 2, true)
		time.Sleep(time.Minute)
		r.wantNews(want...)
		time.Sleep(time.Hour)
		r.wantNews(append(want, "digest 0 1: news0 revised")...)
	})
}

func TestChangeIsHeldByTheMuteAlthoughAFilteredSubscriptionMatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), fishToo(tocsin.Subscription{}, tocsin.Subscription{MinCopies: 5}))
		defer r.close()
		threaded(r.desk)
		r.run()
		r.put(item("fr", "news0", "news0", "On missiles and cod."))
		time.Sleep(time.Minute)
		r.mute(time.Hour)
		r.revise(idOf("fr", "news0"), 2, true)
		time.Sleep(time.Minute)
		r.wantNews("post news0")
		time.Sleep(2 * time.Hour)
		r.wantNews("post news0", "reply news0 aloud: revised")
	})
}

func TestDeliveriesSayThatADigestToldAReplyThatHadFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.cfg.Log = quiet
		threaded(r.desk)
		r.run()
		r.mute(time.Hour)
		r.tell("news", 7)
		time.Sleep(2 * time.Hour)
		r.desk.set(func(int, tocsin.Delivery) (bool, error) { return false, &tocsin.Outcome{Verdict: tocsin.Retry} })
		for rev := range 3 {
			r.revise(idOf("fr", "news0"), rev+2, true)
		}
		time.Sleep(time.Minute)
		r.stop()
		r.desk.set(func(n int, d tocsin.Delivery) (bool, error) {
			if len(d.News) > 1 {
				return false, &tocsin.Outcome{Verdict: tocsin.Retry}
			}
			return true, nil
		})
		r.run()
		time.Sleep(5 * time.Minute)
		r.apply(planned(tocsin.Subscription{Digest: "hourly"}))
		r.desk.set(nil)
		time.Sleep(2 * time.Hour)
		r.wantNews("digest 7 0", "reply news0 aloud: revised", "digest 0 1: news0 revised: news0 revised")
		for _, d := range must(r.logs.Deliveries(t.Context())) {
			if d.Kind != Sent {
				t.Errorf("%s of events %d to %d is %s, want it sent", d.Act, d.From, d.Event, d.Kind)
			}
		}
	})
}

func TestDeliveriesSayWhatAParkedDigestToldOnceItArrived(t *testing.T) {
	for _, verdict := range []tocsin.Verdict{tocsin.Refused, tocsin.Gone} {
		t.Run(string(verdict), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), missiles())
				defer r.close()
				r.cfg.Log = quiet
				r.desk.answer = refuse(1, tocsin.Digest, tocsin.Outcome{Verdict: verdict})
				r.run()
				r.mute(time.Hour)
				r.tell("held", 8)
				time.Sleep(time.Hour)
				for _, d := range must(r.logs.Deliveries(t.Context())) {
					if d.Kind != Parked && verdict == tocsin.Refused {
						t.Errorf("%s of event %d is %s, want it parked", d.Act, d.Event, d.Kind)
					}
					if d.Act == tocsin.Digest && verdict == tocsin.Refused {
						r.ok(r.logs.ReplayDelivery(t.Context(), "desk", d.Delivery))
					}
				}
				time.Sleep(time.Hour)
				r.wantNews("digest 8 0")
				for _, d := range must(r.logs.Deliveries(t.Context())) {
					if d.Kind != Sent {
						t.Errorf("%s of event %d is %s, want it sent", d.Act, d.Event, d.Kind)
					}
				}
			})
		})
	}
}

func TestReplayOfADigestDelaysNoOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		until(time.Now().UTC().Truncate(day).Add(day + 6*time.Hour)) // before there is a server, which ticks
		r := newRig(t, t.TempDir(), planned(tocsin.Subscription{Digest: "daily 08:00"}))
		defer r.close()
		r.cfg.Log = quiet
		r.desk.answer = refuse(1, tocsin.Digest, tocsin.Outcome{Verdict: tocsin.Refused})
		r.run()
		r.tell("one", 2)
		until(time.Now().UTC().Truncate(day).Add(10 * time.Hour))
		r.cfg.Send = false
		r.stop()
		r.run()
		r.tell("two", 1) // before the next is due
		until(time.Now().UTC().Truncate(day).Add(day + 9*time.Hour))
		var parked string
		for _, d := range must(r.logs.Deliveries(t.Context())) {
			if d.Kind == Parked {
				parked = d.Delivery
			}
		}
		r.ok(r.logs.ReplayDelivery(t.Context(), "desk", parked))
		r.stop()
		r.cfg.Send = true
		r.run()
		time.Sleep(time.Hour)
		want := []string{"digest of 2: one1 one0", "digest of 1: two0"}
		if got := r.desk.received(); !slices.Equal(got, want) {
			t.Errorf("the channel got %q, want %q", got, want)
		}
	})
}

func TestWhatAMuteHeldGoesOnBehindAReplyThatIsNoLongerCalledFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		threaded(r.desk)
		r.run()
		r.tell("before", 2)
		r.mute(time.Hour)
		r.revise(idOf("fr", "before0"), 2, true)
		r.revise(idOf("fr", "before1"), 2, true)
		r.tell("held", 1)
		r.stop()
		r.desk.threads, r.desk.answers = false, false // the destination is of another kind now
		r.run()
		time.Sleep(2 * time.Hour)
		if got := r.desk.received(); !slices.Equal(got, []string{"before0", "before1", "held0"}) {
			t.Errorf("an hour after the mute the channel got %q", got)
		}
	})
}

// What a reader of the third format would take for the reply to a message that it
// may edit.
func TestReplyByItselfIsOfTheFourthFormat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		threaded(r.desk)
		r.run()
		r.mute(time.Hour)
		r.tell("news", 7)
		time.Sleep(2 * time.Hour)
		r.revise(idOf("fr", "news0"), 2, true)
		time.Sleep(time.Minute)
		r.wantNews("digest 7 0", "reply news0 aloud: revised")
		for _, d := range must(r.logs.Deliveries(t.Context())) {
			if d.Act == tocsin.Reply && d.V != 4 {
				t.Errorf("the reply's record has format %d", d.V)
			}
		}
	})
}

func TestReplyIsFoundByItsAlertAmongWhatIsHeld(t *testing.T) {
	l := newLane(&lanes{}, tocsin.Destination{Name: "desk"})
	for i := range 10 {
		id := fmt.Sprint(i)
		l.keep(uint64(i+1), Record{Kind: Held, Act: tocsin.Reply, Alert: id, Delivery: id, From: uint64(i + 1)})
	}
	for i := range 10 {
		if l.heldFrom(fmt.Sprint(i)) != uint64(i+1) || l.heldFrom(fmt.Sprint("none ", i)) != 0 {
			t.Fatal("another reply was found")
		}
	}
	l.drop("7")
	if l.heldFrom("7") != 0 || l.heldFrom("8") != 9 {
		t.Error("a reply that is no longer held was found, or another not")
	}
}

// A destination that is away answers something else than that: the delivery that
// found it away was a post, an edit or a reply.
func TestChannelThatWasAwayAndFailsOtherwiseIsNotTriedWithoutAPause(t *testing.T) {
	for _, act := range []string{tocsin.Post, tocsin.Edit, tocsin.Reply} {
		for _, verdict := range []tocsin.Verdict{tocsin.Retry, tocsin.Rate, tocsin.Refused, tocsin.NoEdit} {
			t.Run(fmt.Sprint(act, " ", verdict), func(t *testing.T) {
				bubble(t, func(t *testing.T) { awayAndThen(t, act, verdict) })
			})
		}
	}
}

func awayAndThen(t *testing.T, act string, verdict tocsin.Verdict) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	r.cfg.Log = quiet
	threaded(r.desk)
	r.desk.edits = act == tocsin.Edit
	r.desk.threads, r.desk.answers = !r.desk.edits, !r.desk.edits
	r.run()
	time.Sleep(time.Minute)
	r.tell("before", 1)
	time.Sleep(time.Minute)
	r.desk.set(archived("desk"))
	switch act {
	case tocsin.Post:
		r.tell("probe", 1)
	default:
		r.revise(idOf("fr", "before0"), 2, true)
	}
	time.Sleep(30 * time.Second)
	calls := 0
	r.desk.set(func(int, tocsin.Delivery) (bool, error) {
		if calls++; calls > 100 {
			return true, nil
		}
		return false, &tocsin.Outcome{Verdict: verdict, After: 10 * time.Second}
	})
	time.Sleep(2 * time.Minute)
	r.desk.mu.Lock()
	if calls == 0 || calls > 15 {
		t.Errorf("%d calls in two minutes", calls)
	}
	r.desk.mu.Unlock()
	r.desk.set(nil)
	time.Sleep(time.Hour)
	r.tell("after", 1)
	if got := r.desk.received(); got[len(got)-1] != "after0" {
		t.Errorf("the channel got %q", got)
	}
}
