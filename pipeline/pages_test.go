package pipeline

import (
	"slices"
	"sync"
	"testing"
	"time"

	"tocsin"
)

// A visitor stands for the poller: it keeps what it is offered.
type visitor struct {
	mu      sync.Mutex
	offered []string
	done    []func(bool)
	lacks   map[string][]string
}

func (v *visitor) visit(it tocsin.Item, _ uint64, done func(bool)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.offered, v.done = append(v.offered, it.ID), append(v.done, done)
}

func (v *visitor) watch(c tocsin.Copy, lacks []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lacks[c.Item] = lacks
}

func (v *visitor) seen() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.offered)
}

// visited makes a rig whose items are offered to a visitor.
func visited(r *rig) *visitor {
	v := &visitor{lacks: map[string][]string{}}
	r.cfg.Poll, r.cfg.Own, r.cfg.Reading = true, func(func(string) bool) {}, func() map[string]Reading { return nil }
	r.cfg.Visit, r.cfg.Watch = v.visit, v.watch
	return v
}

func TestNewItemsAreOfferedUntilTheirPageIsSettled(t *testing.T) {
	dir := t.TempDir()
	bubble(t, func(t *testing.T) {
		r := newRig(t, dir, missiles())
		v := visited(r)
		r.run()
		time.Sleep(time.Second)
		it := item("fr", "00000000000000a1", "a missile", "x")
		it.URL = "https://fr.example/1"
		r.put(it)
		base := item("fr", "00000000000000a2", "old", "x")
		base.URL, base.Baseline = "https://fr.example/2", true
		r.put(base)
		r.put(item("fr", "00000000000000a3", "without an address", "x"))
		time.Sleep(time.Second)
		if got := v.seen(); !slices.Equal(got, []string{it.ID}) {
			t.Fatalf("offered %q", got)
		}
		time.Sleep(10 * time.Minute) // it is in hand for long
		if got := v.seen(); len(got) != 1 {
			t.Errorf("what is in hand is offered again: %q", got)
		}
		v.done[0](true)
		time.Sleep(5 * time.Second)
		if got := v.seen(); len(got) != 2 {
			t.Errorf("what could not be stored is not offered again: %q", got)
		}
		r.close() // it dies with the item in hand

		r = newRig(t, dir, missiles())
		v = visited(r)
		r.run()
		time.Sleep(time.Second)
		if got := v.seen(); !slices.Equal(got, []string{it.ID}) {
			t.Fatalf("after a restart %q is offered", got)
		}
		it.Page = &tocsin.Page{State: tocsin.PageRead, Text: "y"}
		r.put(it)
		r.close() // before it was acknowledged

		r = newRig(t, dir, missiles())
		v = visited(r)
		r.run()
		time.Sleep(time.Minute)
		if got := v.seen(); len(got) != 0 {
			t.Errorf("what has its page is offered again: %q", got)
		}
		r.close()
	})
}

func TestEvidenceIsAskedForOnceAndNotLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		v := visited(r)
		r.run()
		time.Sleep(time.Second)
		at := time.Now().UTC()
		for id, seen := range map[string]time.Time{"00000000000000b1": at, "00000000000000b2": at.Add(-25 * time.Hour)} {
			it := item("fr", id, "missile "+id, "text of its own about a missile "+id)
			it.Seen, it.URL = seen, "https://fr.example/"+id
			r.put(it)
		}
		base := item("jp", "00000000000000b3", "a missile there already", "x")
		base.Baseline, base.URL = true, "https://jp.example/1"
		r.put(base)
		time.Sleep(pageWait + 5*time.Second) // the second of the watchlist waits for its page
		v.mu.Lock()
		defer v.mu.Unlock()
		for id, want := range map[string][]string{
			"00000000000000b1": {tocsin.RawDocument, tocsin.RawPage}, "00000000000000b2": nil, "00000000000000b3": {tocsin.RawDocument},
		} {
			got, told := v.lacks[id]
			if !told || !slices.Equal(got, want) {
				t.Errorf("%s: told %v, lacks %q, want %q", id, told, got, want)
			}
		}
		r.ok(r.logs.Keep(t.Context(), tocsin.Raw{Source: "fr", Item: "00000000000000b1", Rev: 1, Of: tocsin.RawPage, Body: []byte("x")}))
		if got := must(r.logs.lacks(t.Context(), tocsin.Copy{Source: "fr", Item: "00000000000000b1", Rev: 1, Seen: at, URL: "https://fr.example/1"})); !slices.Equal(got, []string{tocsin.RawDocument}) {
			t.Errorf("lacks %q after the page was kept", got)
		}
	})
}

func TestWhatAPageAddsOpensAnAlertAndNeverTwo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.run()
		time.Sleep(time.Second)
		brief := item("fr", "00000000000000c1", "A statement", "Read it on our site.")
		named := item("fr", "00000000000000c2", "Missile transfers", "Read the other on our site.")
		for _, it := range []tocsin.Item{brief, named} {
			r.put(it)
			it.Page = &tocsin.Page{State: tocsin.PageRead, At: time.Now().UTC(), Text: "The full text of " + it.ID + " is about a missile and its launcher.", Rest: "another missile"}
			r.put(it)
		}
		time.Sleep(5 * time.Second)
		var got []string
		for _, ev := range r.events() {
			got = append(got, ev.Kind+" "+ev.Copy.Item+" "+ev.Copy.Page)
		}
		want := []string{"opened " + brief.ID + " read", "opened " + named.ID + " ", "paged " + named.ID + " read"}
		if !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
		if posts := r.desk.posts(); len(posts) != 2 || len(r.desk.all()) != 2 {
			t.Errorf("%d messages and edits, want two posts: a page that was read shows nothing new", len(r.desk.all()))
		}
		ev := r.events()[0]
		if len(ev.Marks) == 0 || ev.Excerpt == "" || ev.Excerpt[ev.Marks[0].Start:ev.Marks[0].End] != "missile" {
			t.Errorf("excerpt %q, marks %+v", ev.Excerpt, ev.Marks)
		}
	})
}

func TestRestOfAPageOpensNoAlert(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.run()
		it := item("fr", "00000000000000d1", "A statement", "On fishing.")
		it.Page = &tocsin.Page{State: tocsin.PageRead, Text: "On fishing, at length.", Rest: "Related: a missile was seen"}
		r.put(it)
		time.Sleep(5 * time.Second)
		if evs := r.events(); len(evs) != 0 {
			t.Errorf("events %+v", evs)
		}
	})
}

func TestRevisionNamesTheWordsThatChangedAndAWithdrawalIsShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.desk.edits = true
		r.run()
		time.Sleep(time.Second)
		it := item("fr", "00000000000000e1", "A missile", "It was signed by 48 states, and a missile was seen.")
		r.put(it)
		time.Sleep(10 * time.Second)
		page := it
		page.Page = &tocsin.Page{State: tocsin.PageRead, Text: it.Text}
		r.put(page)
		it.Rev, it.Text = 2, "It was signed by 50 states, and a missile was seen."
		r.put(it)
		time.Sleep(10 * time.Second)
		gone := it
		gone.Withdrawn = time.Now().UTC()
		r.put(gone)
		r.put(gone) // two processes found it
		time.Sleep(10 * time.Second)
		back := it
		back.Rev = 3
		r.put(back)
		time.Sleep(10 * time.Second)
		var kinds []string
		for _, ev := range r.events() {
			kinds = append(kinds, ev.Kind)
		}
		if want := []string{Opened, Paged, Revised, Withdrawn, Revised}; !slices.Equal(kinds, want) {
			t.Fatalf("events %q, want %q", kinds, want)
		}
		if got := say(r.events()[2].Changes); got != "text: It was signed by[-48-]{+50+}states, and a missile was seen.\n" {
			t.Errorf("changes %q", got)
		}
		if ev := r.events()[4]; len(ev.Changes) != 0 || ev.Reason != "published again" {
			t.Errorf("what came back is told as %+v", ev)
		}
		all := r.desk.all()
		if len(all) != 4 || len(r.desk.posts()) != 1 {
			t.Fatalf("%d messages and edits, want one post, and edits for the revision, the withdrawal and the return", len(all))
		}
		if a := all[1].Alert; a.Revised != 1 || len(a.Changes) != 1 {
			t.Errorf("the revision shows %+v", a)
		}
		if a := all[2].Alert; a.First().Withdrawn.IsZero() {
			t.Errorf("the withdrawal shows %+v", a.First())
		}
		if a := all[3].Alert; !a.First().Withdrawn.IsZero() {
			t.Errorf("what came back shows %+v", a.First())
		}
	})
}

func TestPDFIsMarkedOnTheMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.desk.edits = true
		r.run()
		time.Sleep(time.Second)
		it := item("fr", "00000000000000f1", "A missile note", "See the note.")
		r.put(it)
		time.Sleep(10 * time.Second)
		it.Page = &tocsin.Page{State: tocsin.PagePDF, Documents: []string{"https://fr.example/note.pdf"}}
		r.put(it)
		time.Sleep(10 * time.Second)
		if all := r.desk.all(); len(all) != 2 || all[1].Alert.First().Page != tocsin.PagePDF {
			t.Errorf("%d messages and edits, want a post and an edit that says that the PDF was not read", len(all))
		}
	})
}

func TestItemWhosePageCannotBeStoredIsOfferedLessAndLessOften(t *testing.T) {
	for offered, want := range map[uint64]time.Duration{0: pagesAgain, 1: pagesAgain, 5: pagesAgain, 6: 2 * pagesAgain, 8: 8 * pagesAgain, 1 << 40: pagesSlowest} {
		if got := backOff(offered); got != want {
			t.Errorf("offered %d times it waits %v, want %v", offered, got, want)
		}
	}
}
