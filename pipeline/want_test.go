package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin"

	"github.com/nats-io/nats.go/jetstream"
)

var ada = Edit{By: "ada"}

// ok fails the test at an error.
func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func list(name string, terms ...string) tocsin.List {
	x := tocsin.List{Name: name}
	for _, t := range terms {
		x.Entries = append(x.Entries, tocsin.Entry{Term: t})
	}
	return x
}

func TestWhatPeopleAddWorksWithinASecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.run()
		time.Sleep(time.Minute)
		ctx := t.Context()
		r.ok(r.logs.SetList(ctx, ada, list("fish", "herring", "cod")))
		r.ok(r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "fish", Query: "@fish"}))
		r.ok(r.logs.SetDestination(ctx, ada, tocsin.Destination{Name: "dock", Kind: "slack", To: "C9"}))
		r.ok(r.logs.Subscribe(ctx, "ada", "fish", "dock"))
		r.put(item("fr", "1", "one", "A cod."))
		time.Sleep(time.Second)
		r.ok(r.logs.SetList(ctx, ada, list("fish", "herring", "eel")))
		r.put(item("fr", "2", "two", "A cod."))
		r.put(item("fr", "3", "three", "An eel."))
		time.Sleep(time.Second)
		r.ok(r.logs.Unsubscribe(ctx, "ada", "fish", "dock"))
		r.put(item("fr", "4", "four", "Another eel."))
		time.Sleep(time.Second)
		if got := r.desk.titles("dock"); !slices.Equal(got, []string{"one", "three"}) {
			t.Errorf("the channel got %q, want what its watchlist and list said at each moment", got)
		}
		versions := map[string]uint64{}
		for _, ev := range r.events() {
			versions[ev.Copy.Title] = ev.Matches[0].Version
		}
		past := must(r.logs.History(ctx, "list", "fish"))
		if len(past) != 2 || versions["three"] != past[1].Seq || versions["one"] >= past[1].Seq || versions["one"] <= past[0].Seq {
			t.Errorf("versions %v, the list's %d and %d: want the later of the watchlist's and the list's", versions, past[0].Seq, past[1].Seq)
		}
	})
}

func TestWhatTheFileProvidesIsReadOnly(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	p := missiles()
	p.Watchlists = append(p.Watchlists, tocsin.Watchlist{Name: "own", Query: "x1", Builtin: true})
	p.Lists = []tocsin.List{list("dprk", "pyongyang")}
	p.At = map[string]string{"watchlist.missiles": "tocsin.yaml:12", "subscription.missiles.desk": "tocsin.yaml:30", "list.dprk": "tocsin.yaml:15"}
	r.apply(p)
	ctx := t.Context()
	for what, tt := range map[string]struct {
		err error
		say string
	}{
		"watchlist":    {r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "missiles", Query: "rocket"}), "tocsin.yaml:12"},
		"removal":      {r.logs.RemoveWatchlist(ctx, Edit{By: "ada", Force: true}, "missiles"), "tocsin.yaml:12"},
		"built in":     {r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "own", Query: "rocket"}), "copy of it under another name"},
		"list":         {r.logs.SetList(ctx, ada, list("dprk", "x")), "tocsin.yaml:15"},
		"destination":  {r.logs.SetDestination(ctx, ada, tocsin.Destination{Name: "desk", Kind: "slack", To: "C2"}), "configuration"},
		"subscription": {r.logs.Unsubscribe(ctx, "ada", "missiles", "desk"), "tocsin.yaml:30"},
	} {
		if _, ok := errors.AsType[*ReadOnlyError](tt.err); !ok || !strings.Contains(tt.err.Error(), tt.say) {
			t.Errorf("%s: %v, want a ReadOnlyError that says %s", what, tt.err, tt.say)
		}
	}
	w := must(r.logs.Wanted(ctx))
	if w.Watchlists["missiles"].Watchlist.Query != "missile*" || len(w.subscriptions()) != 1 || w.Watchlists["missiles"].At != "tocsin.yaml:12" {
		t.Errorf("Wanted() = %+v, want the file's, with its place", w.Watchlists)
	}
	// Another line for the same words is no new version.
	p.At["watchlist.missiles"] = "tocsin.yaml:99"
	r.apply(p)
	after := must(r.logs.Wanted(ctx)).Watchlists["missiles"]
	if after.Seq != w.Watchlists["missiles"].Seq || after.At != "tocsin.yaml:99" {
		t.Errorf("after the line moved it is version %d at %s, want %d at tocsin.yaml:99", after.Seq, after.At, w.Watchlists["missiles"].Seq)
	}
}

func TestFileTakesANameThatWasAddedAtRunTime(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	r.ok(r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "fish", Query: "cod"}))
	r.ok(r.logs.Subscribe(ctx, "ada", "fish", "desk"))
	p := missiles()
	p.Watchlists = append(p.Watchlists, tocsin.Watchlist{Name: "fish", Query: "herring"})
	notes, err := r.logs.Apply(ctx, p)
	r.ok(err)
	if len(notes) != 1 || !strings.Contains(notes[0], "fish") || !strings.Contains(notes[0], "ada") {
		t.Errorf("notes %q, want one that names the watchlist and who added it", notes)
	}
	w := must(r.logs.Wanted(ctx))
	if v := w.Watchlists["fish"]; v.By != "file" || v.Watchlist.Query != "herring" || !w.Subscriptions["fish.desk"].lives() {
		t.Errorf("the watchlist is %+v, want the file's, and ada's subscription to it kept", v)
	}
	if past := must(r.logs.History(ctx, "watchlist", "fish")); len(past) != 2 || past[0].By != "ada" || past[0].Watchlist.Query != "cod" {
		t.Errorf("history %+v, want ada's version kept", past)
	}
	// It leaves the file: now it can be added again, and removed.
	r.apply(missiles())
	r.ok(r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "fish", Query: "eel"}))
	r.apply(missiles())
	if v := must(r.logs.Wanted(ctx)).Watchlists["fish"]; !v.lives() || v.Watchlist.Query != "eel" {
		t.Errorf("after the file was applied again the watchlist is %+v, want ada's", v)
	}
}

func TestChangesAreInAudit(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	r.ok(r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "fish", Query: "cod"}))
	r.ok(r.logs.SetWatchlist(ctx, Edit{By: "bob"}, tocsin.Watchlist{Name: "fish", Query: "eel"}))
	r.ok(r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "fish", Query: "eel"})) // no change
	r.ok(r.logs.RemoveWatchlist(ctx, Edit{By: "eve"}, "fish"))
	type entry struct {
		Who           string
		Before, After *Watched
	}
	var got []string
	for m, err := range r.logs.read(ctx, streamAudit, "audit.watchlist.fish", 1) {
		r.ok(err)
		e := must(decode[entry](m.Data))
		before := "-"
		if e.Before != nil {
			before = e.Before.Watchlist.Query
		}
		got = append(got, fmt.Sprintf("%s: %s > %s %v", e.Who, before, e.After.Watchlist.Query, e.After.Removed))
	}
	if want := []string{"ada: - > cod false", "bob: cod > eel false", "eve: eel > eel true"}; !slices.Equal(got, want) {
		t.Errorf("AUDIT says %q, want %q", got, want)
	}
	past := must(r.logs.History(ctx, "watchlist", "fish"))
	if len(past) != 3 || !past[2].Removed || past[2].By != "eve" {
		t.Errorf("history %+v, want three versions, the last a removal by eve", past)
	}
	if w := must(r.logs.Wanted(ctx)); len(w.Watchlists) != 1 {
		t.Errorf("Wanted has %d watchlists, want the removed one left out", len(w.Watchlists))
	}
}

// Who changes something may die between WATCH and AUDIT.
func TestChangeThatAuditLacksIsRecordedWithTheNext(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	r.ok(r.logs.SetWatchlist(t.Context(), ada, tocsin.Watchlist{Name: "fish", Query: "cod"}))
	r.store("watchlist.fish", Watched{V: 2, By: "bob", Watchlist: &tocsin.Watchlist{Name: "fish", Query: "eel"}})
	r.ok(r.logs.SetWatchlist(t.Context(), ada, tocsin.Watchlist{Name: "fish", Query: "herring"}))
	var who []string
	for m, err := range r.logs.read(t.Context(), streamAudit, "audit.watchlist.fish", 1) {
		r.ok(err)
		who = append(who, must(decode[Audited](m.Data)).Who)
	}
	if !slices.Equal(who, []string{"ada", "bob", "ada"}) {
		t.Errorf("AUDIT has changes by %q, want bob's too", who)
	}
}

func TestTwoEditorsLoseNoEdit(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	r.ok(r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "fish", Query: "cod"}))
	base := must(r.logs.Wanted(ctx)).Watchlists["fish"].Seq
	r.ok(r.logs.SetWatchlist(ctx, Edit{By: "bob", Base: base}, tocsin.Watchlist{Name: "fish", Query: "cod OR eel"}))
	err := r.logs.SetWatchlist(ctx, Edit{By: "ada", Base: base}, tocsin.Watchlist{Name: "fish", Query: "cod OR herring"})
	if c, ok := errors.AsType[*ChangedError](err); !ok || c.Now.By != "bob" {
		t.Errorf("an edit of what was changed meanwhile = %v, want a ChangedError that names bob", err)
	}
	if err := r.logs.SetWatchlist(ctx, Edit{By: "ada", New: true}, tocsin.Watchlist{Name: "fish", Query: "eel"}); err == nil {
		t.Error("a watchlist that exists was added")
	}

	// Many editors at once, each adding a word to what they read.
	const editors, edits = 4, 10
	var wg sync.WaitGroup
	for i := range editors {
		wg.Go(func() {
			logs := r.twin(fmt.Sprint("editor", i), false)
			for n := 0; n < edits; {
				v := must(logs.Wanted(ctx)).Watchlists["fish"]
				x := *v.Watchlist
				x.Query += fmt.Sprintf(" OR word%dx%d", i, n)
				err := logs.SetWatchlist(ctx, Edit{By: "ada", Base: v.Seq}, x)
				if _, changed := errors.AsType[*ChangedError](err); changed {
					continue
				}
				if err != nil {
					t.Error(err)
				}
				n++
			}
		})
	}
	wg.Wait()
	q := must(r.logs.Wanted(ctx)).Watchlists["fish"].Watchlist.Query
	if got := strings.Count(q, "word"); got != editors*edits {
		t.Errorf("the query has %d of %d words", got, editors*edits)
	}
}

func TestExamplesThatFailRefuseAnEdit(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	x := tocsin.Watchlist{
		Name: "fish", Query: "cod",
		MustMatch:    []tocsin.Example{{Title: "On cod"}, {Text: "Herring was landed."}},
		MustNotMatch: []tocsin.Example{{Title: "Cash on delivery: COD"}},
	}
	err := r.logs.SetWatchlist(ctx, ada, x)
	failed, ok := errors.AsType[*ExamplesError](err)
	if !ok || len(failed.Failed) != 2 || failed.Of != 3 || failed.Failed[0].N != 2 || failed.Failed[1].Key != "must_not_match" {
		t.Fatalf("SetWatchlist = %v, want two of three examples named", err)
	}
	if err := r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "fish", Query: "@nothing"}); err == nil {
		t.Error("a watchlist that names no list was taken")
	}
	r.ok(r.logs.SetWatchlist(ctx, Edit{By: "ada", Force: true}, x))
	if got := must(r.logs.Wanted(ctx)).Watchlists["fish"].Watchlist; got == nil || len(got.MustMatch) != 2 {
		t.Errorf("forced: the watchlist is %+v", got)
	}
}

func TestListThatBreaksAWatchlistIsRefusedWithItsName(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	r.ok(r.logs.SetList(ctx, ada, list("cold", "cod", "herring")))
	r.ok(r.logs.SetList(ctx, ada, list("fish", "eel", "@cold")))
	r.ok(r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "sea", Query: "@fish", MustMatch: []tocsin.Example{{Title: "On cod"}}}))
	for what, x := range map[string]tocsin.List{
		"an example fails": list("cold", "herring"),
		"a cycle":          list("cold", "cod", "@fish"),
		"no list":          list("cold", "cod", "@warm"),
		"no entry":         list("cold", `cod OR "`),
		"empty":            list("cold"),
	} {
		err := r.logs.SetList(ctx, ada, x)
		if err == nil {
			t.Errorf("%s: taken", what)
			continue
		}
		if b, ok := errors.AsType[*BreaksError](err); what == "an example fails" && (!ok || b.Why["watchlist sea"] == nil) {
			t.Errorf("%s: %v, want a BreaksError that names the watchlist", what, err)
		}
	}
	err := r.logs.RemoveList(ctx, ada, "cold")
	if u, ok := errors.AsType[*UsedError](err); !ok || !slices.Equal(u.By, []string{"list fish"}) {
		t.Errorf("RemoveList = %v, want it refused for list fish", err)
	}
	r.ok(r.logs.SetList(ctx, Edit{By: "ada", Force: true}, list("cold", "herring")))
	// What is broken already is no reason to refuse another change.
	r.ok(r.logs.SetList(ctx, ada, list("cold", "herring", "sprat")))
	r.ok(r.logs.RemoveWatchlist(ctx, ada, "sea"))
	r.ok(r.logs.RemoveList(ctx, ada, "fish"))
	r.ok(r.logs.RemoveList(ctx, ada, "cold"))
}

func TestRemovalOfWhatHasSubscriptionsListsThem(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	r.ok(r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "fish", Query: "cod"}))
	r.ok(r.logs.SetDestination(ctx, ada, tocsin.Destination{Name: "dock", Kind: "slack", To: "C9"}))
	r.ok(r.logs.Subscribe(ctx, "ada", "fish", "dock"))
	r.ok(r.logs.Subscribe(ctx, "ada", "fish", "desk"))
	err := r.logs.RemoveWatchlist(ctx, ada, "fish")
	if u, ok := errors.AsType[*UsedError](err); !ok || len(u.By) != 2 || !u.Forceable {
		t.Errorf("RemoveWatchlist = %v, want both subscriptions named", err)
	}
	r.ok(r.logs.RemoveDestination(ctx, Edit{By: "ada", Force: true}, "dock"))
	r.ok(r.logs.RemoveWatchlist(ctx, Edit{By: "ada", Force: true}, "fish"))
	if w := must(r.logs.Wanted(ctx)); len(w.subscriptions()) != 1 || len(w.Watchlists) != 1 || len(w.Destinations) != 1 {
		t.Errorf("%d subscriptions, %d watchlists, %d destinations are left, want the file's", len(w.subscriptions()), len(w.Watchlists), len(w.Destinations))
	}
	for what, err := range map[string]error{
		"watchlist":    r.logs.Subscribe(ctx, "ada", "fish", "desk"),
		"destination":  r.logs.Subscribe(ctx, "ada", "missiles", "dock"),
		"subscription": r.logs.Mute(ctx, "ada", "fish", "dock", time.Now().Add(time.Hour)),
	} {
		if u, ok := errors.AsType[*UnknownError](err); !ok || u.Kind != what || len(u.Have) == 0 {
			t.Errorf("%s: %v, want an UnknownError that says which there are", what, err)
		}
	}
}

// long is a list that fits no single message.
func long(n int, first string) tocsin.List {
	x := tocsin.List{Name: "names", Entries: []tocsin.Entry{{Term: first}}}
	for i := range n {
		x.Entries = append(x.Entries, tocsin.Entry{Term: fmt.Sprintf(`"unit no %d of the works"`, i), Lang: "en", Name: fmt.Sprint("Works ", i/4)})
	}
	return x
}

func TestLongListIsTakenWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.run()
		time.Sleep(time.Minute)
		ctx := t.Context()
		r.ok(r.logs.SetList(ctx, ada, long(20_000, "alpha")))
		r.ok(r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "works", Query: "@names"}))
		r.ok(r.logs.Subscribe(ctx, "ada", "works", "desk"))
		before := r.watchBytes()
		r.ok(r.logs.SetList(ctx, ada, long(20_000, "beta")))
		if grown := r.watchBytes() - before; grown > 300<<10 {
			t.Errorf("changing one name of 20,000 stored %d bytes, want one part", grown)
		}
		for i, text := range []string{"Unit no 19999 of the works.", "alpha", "beta", "unit no 7 of the works"} {
			r.put(item("fr", fmt.Sprint(i), text, text))
			time.Sleep(time.Second)
		}
		if got := r.desk.titles("desk"); len(got) != 3 || got[1] != "beta" {
			t.Errorf("the channel got %q, want the names of the newest version", got)
		}
		past := must(r.logs.History(ctx, "list", "names"))
		if len(past) != 2 || len(past[0].List.Entries) != 20_001 || past[0].List.Entries[0].Term != "alpha" || past[1].List.Entries[20_000] != past[0].List.Entries[20_000] {
			t.Errorf("history has %d versions, want two, whole", len(past))
		}
	})
}

func (r *rig) watchBytes() int { return int(must(r.logs.watchlog.Info(r.t.Context())).State.Bytes) }

func TestPartsThatNoVersionNeedsAreRemoved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		ctx := t.Context()
		for i := range watchHistory + 6 {
			if i == watchHistory+5 {
				time.Sleep(2 * partAge)
			}
			x := long(40, fmt.Sprint("alpha", i))
			x.Entries[1].Name = strings.Repeat("The works. ", 8<<10)
			r.ok(r.logs.SetList(ctx, ada, x))
		}
		heads := must(r.logs.History(ctx, "list", "names"))
		if len(heads) != watchHistory || heads[0].List.Entries[0].Term != "alpha6" {
			t.Fatalf("history has %d versions that begin with %s", len(heads), heads[0].List.Entries[0].Term)
		}
		parts := map[string]bool{}
		for _, h := range heads {
			for _, p := range h.Parts {
				parts[p] = true
			}
		}
		keys, err := r.logs.watch.ListKeysFiltered(ctx, "list.names.*")
		r.ok(err)
		n := 0
		for range keys.Keys() {
			n++
		}
		if n != len(parts) {
			t.Errorf("%d parts are stored, %d are needed", n, len(parts))
		}
		if findings, err := r.srv.Audit(ctx); err != nil || len(findings) > 0 {
			t.Errorf("Audit() = %q, %v, want nothing", findings, err)
		}
	})
}

// A head is a promise that its parts are there: a reader must not see a list of
// which some is missing.
func TestPartsAreStoredBeforeTheirHead(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	r.ok(r.logs.SetList(t.Context(), ada, long(60_000, "alpha")))
	var keys []string
	for m, err := range r.logs.read(t.Context(), streamWatch, "$KV.WATCH.list.>", 1) {
		r.ok(err)
		keys = append(keys, m.Subject)
	}
	if last := keys[len(keys)-1]; last != "$KV.WATCH.list.names" || len(keys) < 10 {
		t.Errorf("%d records, the last %s, want many and the head last", len(keys), last)
	}
	err := r.logs.watchlog.Purge(t.Context(), jetstream.WithPurgeSubject(keys[0]))
	r.ok(err)
	if _, err := r.logs.Wanted(t.Context()); err == nil {
		t.Error("a list was read of which a part is missing")
	}
}

// What was checked when an edit was decided has to hold when it is stored.
func TestEditIsDecidedAgainWhenSomethingItReliesOnChanged(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	r.ok(r.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "fish", Query: "cod"}))
	asked := 0
	err := r.logs.edit(ctx, "subscription.fish.desk", []string{"watchlist.fish"}, func(w *Wanted, _ Version) (Watched, error) {
		if asked++; asked == 1 {
			r.ok(r.logs.RemoveWatchlist(ctx, Edit{By: "bob"}, "fish"))
		}
		if !w.Watchlists["fish"].lives() {
			return Watched{}, context.Canceled
		}
		return Watched{V: 1, By: "ada", Subscription: &tocsin.Subscription{Watchlist: "fish", To: "desk"}}, nil
	})
	if asked != 2 || !errors.Is(err, context.Canceled) {
		t.Errorf("edit = %v after %d questions, want it asked again", err, asked)
	}
}
