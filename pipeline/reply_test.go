package pipeline

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin"
)

// threaded is a desk whose messages can be edited, answered and looked for.
func threaded(k *desk) *desk {
	k.edits, k.finds, k.threads, k.answers = true, true, true, true
	return k
}

// told are the calls that made or answered messages, in order: "post one",
// "reply to m1: copied 3" or "reply to m1 aloud: withdrawn".
func (k *desk) told() []string {
	var out []string
	for _, d := range k.posts() {
		switch d.Kind {
		case tocsin.Post:
			out = append(out, "post "+d.Alert.First().Title)
		case tocsin.Reply:
			aloud, kinds := "", map[string]int{}
			if d.Aloud {
				aloud = " aloud"
			}
			var words []string
			for _, n := range d.News {
				if kinds[n.Kind]++; kinds[n.Kind] == 1 {
					words = append(words, n.Kind)
				}
			}
			for i, w := range words {
				if kinds[w] > 1 {
					words[i] = fmt.Sprint(w, " ", kinds[w])
				}
			}
			out = append(out, "reply to "+d.Ref+aloud+": "+strings.Join(words, ", "))
		default:
			out = append(out, d.Kind)
		}
	}
	return out
}

func (r *rig) wantTold(want ...string) {
	r.t.Helper()
	if got := r.desk.told(); !slices.Equal(got, want) {
		r.t.Errorf("the channel got\n%q, want\n%q", got, want)
	}
}

// event appends an event that no matcher of this test decides.
func (r *rig) event(ev Event) {
	r.t.Helper()
	ev.V, ev.At = tocsin.Format, time.Now().UTC()
	data := must(json.Marshal(ev))
	publish(r.t, r, "alerts."+ev.Alert, string(data))
	time.Sleep(10 * time.Millisecond)
}

// revise appends a revision of the first item of an alert.
func (r *rig) revise(alert string, rev int, material bool) {
	r.t.Helper()
	p := must(r.logs.page(r.t.Context(), alert))
	c := p.alert.First()
	c.Rev, c.Seen = rev, time.Now().UTC()
	r.event(Event{Kind: Revised, Alert: alert, Copy: c, Changes: []tocsin.Change{{Field: "text", Was: "48", Is: "50"}}, Material: material, Reason: "numbers: 48 -> 50"})
}

func idOf(source, id string) string { return alertID(tocsin.Item{Source: source, ID: id, Rev: 1}) }

func withdrawn(it tocsin.Item) tocsin.Item {
	it.Withdrawn = time.Now().UTC()
	return it
}

func TestABurstOfCopiesIsOnePostAndOneReply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		threaded(r.desk)
		r.run()
		for i := range 48 {
			r.put(item("fr", fmt.Sprint(i), "one", "missiles"))
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		r.wantTold("post one", "reply to m1: copied 47")
		if d := r.desk.posts()[1]; d.Aloud || d.News[46].Copy.Item != "47" {
			t.Errorf("the reply is aloud: %v, and ends with %q", d.Aloud, d.News[46].Copy.Item)
		}
		r.put(item("jp", "late", "one", "missiles"))
		time.Sleep(4 * time.Second)
		r.wantTold("post one", "reply to m1: copied 47")
		time.Sleep(2 * time.Second)
		r.wantTold("post one", "reply to m1: copied 47", "reply to m1: copied")
	})
}

func TestWhatPeopleMustNotMissIsToldAtOnceAndAloud(t *testing.T) {
	for _, kind := range []string{"threads", "answers"} {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), missiles())
				defer r.close()
				r.desk.threads, r.desk.answers = kind == "threads", kind == "answers"
				r.run()
				first := item("fr", "1", "one", "missiles")
				r.put(first)
				time.Sleep(time.Second)
				r.put(item("jp", "1", "one", "missiles"))
				time.Sleep(time.Minute)
				r.revise(idOf("fr", "1"), 2, false)
				time.Sleep(time.Minute)
				r.revise(idOf("fr", "1"), 3, true)
				time.Sleep(500 * time.Millisecond)
				first.Rev = 3
				r.put(withdrawn(first))
				time.Sleep(500 * time.Millisecond)
				quiet := []string{"reply to m1: copied", "reply to m1: revised"}
				if kind == "answers" {
					quiet = nil
				}
				want := append([]string{"post one"}, quiet...)
				r.wantTold(append(want, "reply to m1 aloud: revised", "reply to m1 aloud: withdrawn")...)
				n := r.desk.posts()[len(want)].News[0]
				if !n.Material || n.Why != "numbers: 48 -> 50" || len(n.Changes) != 1 || n.Copy.Rev != 3 {
					t.Errorf("the reply says %+v, want what changed and why it matters", n)
				}
			})
		})
	}
}

func TestKindsThatCannotAnswerAreToldNothingMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.run()
		r.say("one")
		r.revise(idOf("fr", "one"), 2, true)
		time.Sleep(time.Hour)
		if got := r.desk.posts(); len(got) != 1 {
			t.Errorf("the channel got %q, want one post", r.desk.told())
		}
	})
}

func TestDestinationWithoutTheFirstMessageIsToldNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.cfg.Log = quiet
		threaded(r.desk)
		r.desk.answer = refuse(1, tocsin.Post, tocsin.Outcome{Verdict: tocsin.Refused})
		r.run()
		r.put(item("fr", "1", "one", "missiles"))
		time.Sleep(time.Minute)
		r.revise(idOf("fr", "1"), 2, true)
		time.Sleep(time.Minute)
		r.wantTold()
		r.ok(r.logs.ReplayDelivery(t.Context(), "desk", must(r.logs.Deliveries(t.Context()))[0].Delivery))
		time.Sleep(time.Minute)
		r.wantTold("post one")
		if got := r.desk.all()[0].Alert.Revised; got != 1 {
			t.Errorf("the replay shows %d revisions, want 1", got)
		}
	})
}

func TestADestinationThatJoinedLaterIsPostedWhatIsSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := missiles()
		r := newRig(t, t.TempDir(), Provision{Sources: p.Sources, Watchlists: p.Watchlists, Destinations: p.Destinations})
		defer r.close()
		threaded(r.desk)
		r.run()
		r.put(item("fr", "1", "one", "missiles"))
		time.Sleep(time.Minute)
		r.apply(p)
		time.Sleep(time.Second)
		r.put(item("jp", "1", "one", "missiles"))
		time.Sleep(time.Minute)
		r.put(item("jp", "2", "one", "missiles"))
		time.Sleep(time.Minute)
		r.wantTold("post one", "reply to m1: copied")
	})
}

// Who deleted a message wants no list of copies, but must hear of a withdrawal.
func TestReplyToAMessageThatIsGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.cfg.Log = quiet
		threaded(r.desk)
		r.desk.answer = func(_ int, d tocsin.Delivery) (bool, error) {
			if d.Kind == tocsin.Edit || d.Kind == tocsin.Reply && d.Ref != "" {
				return false, &tocsin.Outcome{Verdict: tocsin.NoEdit}
			}
			return true, nil
		}
		r.run()
		r.put(item("fr", "1", "one", "missiles"))
		time.Sleep(time.Minute)
		r.put(item("jp", "1", "one", "missiles"))
		time.Sleep(time.Minute)
		r.revise(idOf("fr", "1"), 2, true)
		time.Sleep(time.Minute)
		r.wantTold("post one", "reply to  aloud: revised")
		if got := r.kinds(); !slices.Equal(got, []string{"post sent", "edit skipped", "reply skipped", "reply sent"}) {
			t.Errorf("the ledger says %q", got)
		}
	})
}

func TestReplyThatFailsIsTriedAgainAndDelaysNoPost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.cfg.Log = quiet
		threaded(r.desk)
		r.desk.answer = refuse(8, tocsin.Reply, tocsin.Outcome{Verdict: tocsin.Retry})
		r.run()
		r.put(item("fr", "1", "one", "missiles"))
		time.Sleep(time.Minute)
		r.revise(idOf("fr", "1"), 2, true)
		r.put(item("fr", "2", "two", "missiles"))
		time.Sleep(time.Second)
		r.put(item("jp", "1", "one", "missiles"))
		r.wantTold("post one", "post two")
		r.stop()
		r.run()
		time.Sleep(time.Hour)
		r.wantTold("post one", "post two", "reply to m1 aloud: revised", "reply to m1: copied")
	})
}

func TestMuteHoldsRepliesAndThenTellsThemInOne(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), missiles())
				defer r.close()
				threaded(r.desk)
				r.run()
				r.put(item("fr", "1", "one", "missiles"))
				time.Sleep(time.Minute)
				r.mute(time.Hour)
				r.put(item("jp", "1", "one", "missiles"))
				time.Sleep(10 * time.Minute)
				r.revise(idOf("fr", "1"), 2, true)
				r.put(item("jp", "2", "one", "missiles"))
				time.Sleep(10 * time.Minute)
				r.wantTold("post one")
				if restart {
					r.stop()
					r.run()
				}
				time.Sleep(2 * time.Hour)
				r.wantTold("post one", "reply to m1 aloud: copied 2, revised")
				r.put(item("jp", "3", "one", "missiles"))
				time.Sleep(time.Minute)
				r.wantTold("post one", "reply to m1 aloud: copied 2, revised", "reply to m1: copied")
			})
		})
	}
}

func TestReplyToAnAlertOlderThanWhatAStartReads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := threaded(&desk{refs: map[string]string{}})
		live := lives(t, k, t.TempDir())
		live(func(r *rig) { r.say("old") })
		time.Sleep(45 * day)
		live(func(r *rig) { r.say("mid") })
		live(func(r *rig) {
			r.revise(idOf("fr", "old"), 2, true)
			time.Sleep(time.Minute)
			r.wantTold("post old", "post mid", "reply to m1 aloud: revised")
		})
	})
}

// What waits for others to be told with it must not be passed over because what
// came later was delivered.
func TestWhatIsOwedOutlivesARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.desk.threads = true
		r.run()
		r.put(item("fr", "1", "one", "missiles"))
		time.Sleep(time.Second)
		r.put(item("jp", "1", "one", "missiles"))
		time.Sleep(time.Second)
		r.put(item("fr", "2", "two", "missiles"))
		time.Sleep(time.Second)
		r.stop()
		r.run()
		time.Sleep(time.Minute)
		r.wantTold("post one", "post two", "reply to m1: copied")
	})
}

func TestReplyThatFailsAfterALongMuteOutlivesARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := threaded(&desk{refs: map[string]string{}})
		live := lives(t, k, t.TempDir())
		live(func(r *rig) { r.say("old") })
		time.Sleep(45 * day)
		live(func(r *rig) {
			r.mute(time.Hour)
			r.revise(idOf("fr", "old"), 2, true)
			time.Sleep(time.Minute)
			k.set(refuse(1<<30, tocsin.Reply, tocsin.Outcome{Verdict: tocsin.Retry}))
			time.Sleep(2 * time.Hour)
			r.mute(time.Second) // a record that is not the reply's
			r.put(item("fr", "mid", "mid", "missiles"))
			time.Sleep(time.Minute)
		})
		k.set(nil)
		live(func(r *rig) {
			time.Sleep(time.Hour)
			r.wantTold("post old", "post mid", "reply to m1 aloud: revised")
		})
	})
}

// A lane's goroutine ends at a step, as a kill would end it.
func TestDeathAroundAReplyLosesAndDoublesNothing(t *testing.T) {
	for _, finds := range []bool{true, false} {
		for step := 1; ; step++ {
			var survived bool
			t.Run(fmt.Sprintf("finds %v step %d", finds, step), func(t *testing.T) {
				bubble(t, func(t *testing.T) { survived = deathAtAReply(t, finds, step) })
			})
			if survived || step > 60 {
				break
			}
		}
	}
}

func deathAtAReply(t *testing.T, finds bool, step int) (survived bool) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	r.cfg.Log = quiet
	threaded(r.desk).finds = finds
	alive := r.dieAt(step)
	r.run()
	r.put(item("fr", "1", "one", "missiles"))
	time.Sleep(time.Second)
	r.put(item("jp", "1", "one", "missiles"))
	time.Sleep(time.Second)
	r.revise(idOf("fr", "1"), 2, true)
	r.put(item("jp", "2", "one", "missiles"))
	time.Sleep(2 * time.Minute)
	survived = alive()
	r.stop()
	r.run()
	time.Sleep(2 * time.Minute)
	told := map[string]int{}
	var shown tocsin.Alert // what the post shows need not be told
	for _, d := range r.desk.posts() {
		if d.Kind == tocsin.Post {
			shown = d.Alert
		}
		for _, news := range d.News {
			told[news.Kind+news.Copy.Source+news.Copy.Item]++
		}
	}
	for what, in := range map[string]bool{"copiedjp1": len(shown.Copies) > 1, "copiedjp2": len(shown.Copies) > 2, "revisedfr1": shown.Revised > 0} {
		want := 1
		if in {
			want = 0
		}
		if got := told[what]; got != want && (finds || got < want) {
			t.Errorf("told %d times of %s, want %d: %q", got, what, want, r.desk.told())
		}
	}
	return survived
}

// Its first message and its event may be older than what a start reads.
func TestAFailedReplyIsKnownByItsRecordAlone(t *testing.T) {
	l := newLane(&lanes{}, tocsin.Destination{Name: "desk"})
	l.apply(7, Record{Kind: Retried, Act: tocsin.Reply, Alert: "a", Delivery: "d", From: 3, Event: 4, Under: "m1", Aloud: true})
	if m := l.msgs["a"]; m == nil || m.ref != "m1" || m.reply == nil || len(l.owing["a"]) != 1 {
		t.Errorf("the lane knows %+v and owes %+v", m, l.owing)
	}
}
