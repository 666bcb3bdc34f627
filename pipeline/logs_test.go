package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin"
	"tocsin/pipeline/watchlist"
	"tocsin/pipeline/watchlist/engine"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// statements are n items of one source.
func statements(source string, n int, text string) []tocsin.Item {
	var out []tocsin.Item
	for i := range n {
		it := item(source, fmt.Sprint(i), fmt.Sprint("No. ", i), text)
		it.Rev, it.Seen = 1, time.Now().UTC()
		out = append(out, it)
	}
	return out
}

// tail reads the log of a source.
func (r *rig) tail(source string) []Stored {
	r.t.Helper()
	var out []Stored
	for s, err := range r.logs.Tail(r.t.Context(), source, 0) {
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// The server takes ages from the real clock, so this waits for one second.
func TestAppendToALogThatAgedOutExpectsNothing(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	if err := Setup(t.Context(), r.srv.Bus(), 1, time.Second); err != nil {
		t.Fatal(err)
	}
	last := r.put(item("fr", "1", "One", "text"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for must(r.logs.items.Info(ctx)).State.Msgs > 0 {
		time.Sleep(50 * time.Millisecond)
	}
	_, err := r.logs.Append(ctx, "fr", last, statements("fr", 1, "text"))
	if behind, ok := errors.AsType[*tocsin.BehindError](err); !ok || behind.Last != 0 || behind.Source != "fr" {
		t.Fatalf("Append expecting %d = %v, want a BehindError that says 0", last, err)
	}
	if seq, err := r.logs.Append(ctx, "fr", 0, statements("fr", 1, "text")); err != nil || seq != last+1 {
		t.Errorf("Append expecting 0 = %d, %v, want %d", seq, err, last+1)
	}
}

func TestLaneWhoseLedgerIsGoneGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.run()
		for _, title := range []string{"one", "two", "three"} {
			r.say(title)
			if err := r.logs.ledger.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.desk.titles("desk"); !slices.Equal(got, []string{"one", "two", "three"}) {
			t.Errorf("the channel got %q, want each once", got)
		}
	})
}

func TestQuietLedgerIsKeptAlive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := t.TempDir()
		k := &desk{refs: map[string]string{}}
		live := func(f func(r *rig)) {
			r := newRig(t, dir, missiles())
			defer r.close()
			r.cfg.Traits, r.cfg.Prepare, r.cfg.Find = k.traits, k.prepare, k.find
			r.run()
			time.Sleep(time.Minute)
			f(r)
		}
		live(func(r *rig) { r.say("one") })
		time.Sleep(cursorAge)
		live(func(r *rig) {
			m := must(lastRecord(t.Context(), r.srv.Bus(), streamLedger, ledgerSubject("desk")))
			if rec := must(decode[Record](m.Data)); rec.Kind != Cursor || time.Since(rec.At) > time.Hour {
				t.Errorf("the last record is %+v, want a new cursor", rec)
			}
			if err := r.logs.ledger.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		time.Sleep(keepLedger)
		live(func(*rig) {})
		if got := k.titles("desk"); len(got) != 1 {
			t.Errorf("the channel got %q, want what no ledger can tell any more left alone", got)
		}
	})
}

func TestBatchWithTwoExpectationsOnASubjectEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		start := time.Now()
		_, err := untilFree(t.Context(), "items.fr", func() (uint64, error) {
			var msgs []*nats.Msg
			for range 2 {
				msgs = append(msgs, &nats.Msg{Subject: "items.fr", Data: []byte("{}"), Header: nats.Header{jetstream.ExpectedLastSubjSeqHeader: {"0"}}})
			}
			ack, err := jetstreamext.PublishMsgBatch(t.Context(), r.srv.Bus().JS, msgs)
			if err != nil {
				return 0, err
			}
			return ack.Sequence, nil
		})
		if api := apiError(err); api == nil || api.ErrorCode != 10164 {
			t.Errorf("the batch ended with %v, want error 10164", err)
		}
		if took := time.Since(start); took > 2*busyFor {
			t.Errorf("the batch was tried for %v, want at most %v", took, 2*busyFor)
		}
		time.Sleep(time.Minute) // until the server has forgotten the batches
	})
}

func TestLongAppendIsStoredWholeAndInOrder(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	items := statements("fr", 2*maxBatch+batchFrom/2, "text")
	last, err := r.logs.Append(t.Context(), "fr", 0, items)
	if err != nil || last != uint64(len(items)) {
		t.Fatalf("Append of %d = %d, %v", len(items), last, err)
	}
	got := r.tail("fr")
	for i, s := range got {
		if s.Seq != uint64(i+1) || s.Item.ID != items[i].ID {
			t.Fatalf("record %d has sequence %d and item %s", i, s.Seq, s.Item.ID)
		}
	}
	if len(got) != len(items) {
		t.Errorf("the log holds %d items, want %d", len(got), len(items))
	}
}

func TestAppendFromAStaleStateStoresNothing(t *testing.T) {
	for _, n := range []int{1, batchFrom, batchFrom + 1, maxBatch} {
		t.Run(fmt.Sprint(n, " items"), func(t *testing.T) {
			r := newRig(t, t.TempDir(), missiles())
			defer r.close()
			r.put(item("jp", "1", "Other source", "text"))
			last := r.put(item("fr", "1", "One", "text"))
			_, err := r.logs.Append(t.Context(), "fr", 0, statements("fr", n, "text"))
			if behind, ok := errors.AsType[*tocsin.BehindError](err); !ok || behind.Last != last {
				t.Errorf("Append = %v, want a BehindError that says %d", err, last)
			}
			if got := r.tail("fr"); len(got) != 1 {
				t.Errorf("the log holds %d items, want 1", len(got))
			}
		})
	}
}

func TestItemLargerThanTheServerTakesIsCutAndMarked(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	big := strings.Repeat("é<&>", 1<<17)
	for name, change := range map[string]func(*tocsin.Item){
		"text":  func(it *tocsin.Item) { it.Text = big },
		"title": func(it *tocsin.Item) { it.Title = big },
		"tags":  func(it *tocsin.Item) { it.Tags = []string{big} },
		"all": func(it *tocsin.Item) {
			it.Text, it.Title, it.GUID, it.URL, it.Authors = big, big, big, big, []string{big}
		},
	} {
		it := item("fr", name, "Title", "The text.")
		change(&it)
		r.put(it)
	}
	for _, s := range r.tail("fr") {
		if !s.Item.Repaired {
			t.Errorf("item %s is not marked", s.Item.ID)
		}
		if s.Item.ID == "text" && len(s.Item.Text) < 1<<16 {
			t.Errorf("of a text of %d bytes %d are left", len(big), len(s.Item.Text))
		}
	}
	it := item("fr", big, "", "")
	if _, err := r.logs.Append(t.Context(), "fr", 0, []tocsin.Item{it}); err == nil {
		t.Error("an item that nothing makes small enough was stored")
	}
}

// A server ends an answer when it has sent 64 MiB, however many records were
// asked for, and may fall silent in the middle of one.
func TestReadGoesOnWhereTheServerStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		const records = 7
		sub, err := r.srv.Bus().NC.Subscribe("$JS.API.DIRECT.GET.PARTS", func(m *nats.Msg) {
			var req struct{ Seq int }
			if err := json.Unmarshal(m.Data, &req); err != nil {
				t.Error(err)
			}
			for seq := req.Seq; seq < min(req.Seq+2, records+1); seq++ {
				_ = m.RespondMsg(&nats.Msg{Data: []byte("x"), Header: nats.Header{
					jetstream.StreamHeader: {"PARTS"}, jetstream.SubjectHeader: {"a.b"}, jetstream.SequenceHeader: {fmt.Sprint(seq)},
					jetstream.TimeStampHeaer: {time.Now().UTC().Format(time.RFC3339Nano)}, pendingHeader: {fmt.Sprint(records - seq)},
				}})
			}
			if req.Seq != 3 { // the second answer breaks off
				_ = m.RespondMsg(&nats.Msg{Header: nats.Header{"Status": {"204"}, "Description": {"EOB"}}})
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = sub.Unsubscribe() }()
		var got []uint64
		for m, err := range r.logs.read(t.Context(), "PARTS", "a.b", 1) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m.Sequence)
		}
		if !slices.Equal(got, []uint64{1, 2, 3, 4, 5, 6, 7}) {
			t.Errorf("read yields %d, want 1 to %d", got, records)
		}
	})
}

func TestSilentServerIsNoEndOfALog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		sub, err := r.srv.Bus().NC.Subscribe("$JS.API.DIRECT.GET.SILENT", func(*nats.Msg) {})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = sub.Unsubscribe() }()
		for _, err = range r.logs.read(t.Context(), "SILENT", "items.fr", 1) {
		}
		if !errors.Is(err, errSilent) {
			t.Errorf("a log that does not answer ends with %v, want errSilent", err)
		}
	})
}

func TestSeqAtFindsTheFirstRecordOfATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		b, ctx := r.srv.Bus(), t.Context()
		at := func(s jetstream.Stream, when time.Time, want uint64) {
			t.Helper()
			if got, err := r.logs.seqAt(ctx, s, when); err != nil || got != want {
				t.Errorf("seqAt(%s) = %d, %v, want %d", when.Format(time.TimeOnly), got, err, want)
			}
		}
		start := time.Now()
		at(r.logs.ledger, start, 1) // empty
		for range 6 {               // at 0, 1 … 5 min
			if _, err := appendTo(ctx, b, "ledger.0.x", Record{V: 1}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		at(r.logs.ledger, start.Add(-time.Hour), 1)
		at(r.logs.ledger, start.Add(90*time.Second), 3)
		at(r.logs.ledger, time.Now(), 7)
		for _, seq := range []uint64{1, 3, 4} {
			if err := r.logs.ledger.DeleteMsg(ctx, seq); err != nil {
				t.Fatal(err)
			}
		}
		at(r.logs.ledger, start.Add(-time.Hour), 2)
		at(r.logs.ledger, start.Add(90*time.Second), 5)
		if err := r.logs.ledger.Purge(ctx); err != nil {
			t.Fatal(err)
		}
		at(r.logs.ledger, start, 7) // all gone
		at(r.logs.ledger, time.Now(), 7)
	})
}

func TestRecordOfANewerFormatStopsTheStage(t *testing.T) {
	for name, put := range map[string]func(t *testing.T, r *rig){
		"ITEMS": func(t *testing.T, r *rig) {
			r.put(item("fr", "1", "One", "missiles"))
			publish(t, r, "items.fr", `{"v":99,"id":"2"}`)
		},
		"ALERTS": func(t *testing.T, r *rig) { publish(t, r, "alerts.0a", `{"v":99,"kind":"merged"}`) },
		"WATCH":  func(t *testing.T, r *rig) { publish(t, r, "$KV.WATCH.watchlist.x", `{"v":99}`) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), missiles())
				defer r.close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				var wg sync.WaitGroup
				wg.Go(func() {
					time.Sleep(time.Minute)
					put(t, r)
				})
				err := Run(ctx, r.logs, r.cfg)
				if newer, ok := errors.AsType[*NewerError](err); !ok || newer.V != 99 {
					t.Errorf("Run = %v, want a NewerError", err)
				}
				wg.Wait()
				if c, err := r.logs.items.Consumer(t.Context(), matchConsumer); name == "ITEMS" && (err != nil || c.CachedInfo().AckFloor.Stream > 1) {
					t.Errorf("the match stage went past what it cannot read")
				}
			})
		})
	}
}

func TestLaneStopsAtARecordOfANewerFormat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		said := make(chan string, 100)
		r.cfg.Report = func(_, text string) { said <- text }
		r.run()
		r.say("one")
		publish(t, r, ledgerSubject("desk"), `{"v":99,"kind":"sent"}`)
		r.say("two")
		if got := r.desk.titles("desk"); !slices.Equal(got, []string{"one"}) {
			t.Errorf("the channel got %q, want nothing after the newer record", got)
		}
		if text := <-said; !strings.Contains(text, "format 99") {
			t.Errorf("operators were told %q, want a word about the format", text)
		}
	})
}

func publish(t *testing.T, r *rig, subject, data string) {
	t.Helper()
	if _, err := r.srv.Bus().JS.Publish(t.Context(), subject, []byte(data)); err != nil {
		t.Error(err)
	}
}

func TestMalformedItemIsQuarantinedAndReportedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		said := make(chan string, 100)
		r.cfg.Report = func(key, _ string) { said <- key }
		publish(t, r, "items.fr", `{"v":1,"id":`)
		r.run()
		r.say("after")
		time.Sleep(time.Minute)
		if got := r.desk.titles("desk"); !slices.Equal(got, []string{"after"}) {
			t.Errorf("the channel got %q, want what came after the malformed item", got)
		}
		if key := <-said; key != "quarantine.fr" || len(said) != 0 {
			t.Errorf("operators were told of %q and %d more, want the quarantine once", key, len(said))
		}
		if q := must(r.logs.quarantined(t.Context(), "fr", 1)); q == nil || q.Reason == "" {
			t.Errorf("quarantine holds %+v", q)
		}
	})
}

func TestPanicOfAQueryQuarantinesTheItem(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	m := r.racer(ctx, &wg, "matcher", Off{})
	q := must(watchlist.Parse("text"))
	bad := &ruleset{seq: 1, rules: map[string]*compiled{"bad": {}}, // no rule
		index: engine.New().With(engine.Change{Name: "bad", Rule: must(q.Resolve(nil, false))})}
	err := m.item(ctx, item("fr", "1", "One", "text"), 1, bad, nil)
	if _, ok := errors.AsType[*poison](err); !ok {
		t.Errorf("item = %v, want it found to be poison", err)
	}
	it := item("fr", "2", "Two", "missiles")
	if err := m.item(ctx, it, 2, m.view.snapshot(), nil); err != nil { // no lock was left behind
		t.Errorf("the next item = %v", err)
	}
}

func TestDocumentIsQuarantinedOncePerBody(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	for _, body := range []string{"one", "one", "two"} {
		if err := r.logs.Quarantine(t.Context(), "fr", "no feed", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for range r.logs.read(t.Context(), streamItems, "quarantine.fr", 1) {
		n++
	}
	if n != 2 {
		t.Errorf("quarantine holds %d records, want 2", n)
	}
}

func TestStateIsLoadedWholeOrNotAtAll(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	for _, n := range []int{0, 10, stateChunk, 2*stateChunk + 5} {
		state := bytes.Repeat([]byte("x"), n)
		if err := r.logs.Save(ctx, "fr", state); err != nil {
			t.Fatal(err)
		}
		if got, err := r.logs.Load(ctx, "fr"); err != nil || !bytes.Equal(got, state) {
			t.Errorf("Load after Save of %d bytes = %d bytes, %v", n, len(got), err)
		}
	}
	if _, err := r.logs.sources.Put(ctx, "fr.1", []byte("torn")); err != nil {
		t.Fatal(err)
	}
	if got, err := r.logs.Load(ctx, "fr"); err != nil || got != nil {
		t.Errorf("Load of a torn state = %d bytes, %v, want nothing", len(got), err)
	}
}

func TestPollsThatStoreAtOnceShareABatchAndKeepTheirExpectations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		batch := func(source string, from int) []tocsin.Item {
			var out []tocsin.Item
			for i := range 40 {
				it := item(source, fmt.Sprint(from+i), "Title", "text")
				it.Rev, it.Seen = 1, time.Now().UTC()
				out = append(out, it)
			}
			return out
		}
		stale, err := r.logs.Append(t.Context(), "s03", 0, batch("s03", 0))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		last := make([]uint64, 20)
		for i := range last {
			wg.Go(func() {
				var err error
				last[i], err = r.logs.Append(t.Context(), fmt.Sprintf("s%02d", i), 0, batch(fmt.Sprintf("s%02d", i), 100))
				behind, _ := errors.AsType[*tocsin.BehindError](err)
				if i == 3 && (behind == nil || behind.Last != stale) || i != 3 && err != nil {
					t.Errorf("append to s%02d: %v", i, err)
				}
			})
		}
		wg.Wait()
		for i := range last {
			n := 0
			for rec, err := range r.logs.Tail(t.Context(), fmt.Sprintf("s%02d", i), 0) {
				if err != nil {
					t.Fatal(err)
				}
				n++
				if n == 40 && i != 3 && rec.Seq != last[i] {
					t.Errorf("s%02d: last record has sequence %d, Append said %d", i, rec.Seq, last[i])
				}
			}
			if n != 40 {
				t.Errorf("s%02d holds %d items, want 40", i, n)
			}
		}
		time.Sleep(time.Minute) // until the server has forgotten the batches
	})
}
