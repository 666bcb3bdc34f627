package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin"
)

var full = strings.Repeat("The ministers of Japan condemned the transfer of 36 missiles to Norvik on 12 May in the strongest terms. ", 10)

func paged(it tocsin.Item, text string) tocsin.Item {
	it.Page = &tocsin.Page{State: tocsin.PageRead, At: time.Now().UTC(), Text: text}
	return it
}

func linked(source, id, title, text string) tocsin.Item {
	it := item(source, id, title, text)
	it.URL = "https://" + source + ".example/" + id
	return it
}

func (r *rig) happened() (out []string) {
	for _, ev := range r.events() {
		out = append(out, ev.Kind+" "+ev.Copy.Item)
	}
	return out
}

func TestASecondAlertWaitsForItsPageAndHoldsNobodyUp(t *testing.T) {
	for _, tt := range []struct {
		name  string
		page  string // what its page says, "" if none comes
		after time.Duration
		want  []string
	}{
		{"the page is a copy", full, 5 * time.Second, []string{"opened 1", "paged 1", "opened 3", "copied 2"}},
		{"no page comes", "", 21 * time.Second, []string{"opened 1", "paged 1", "opened 3", "opened 2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, t.TempDir(), missiles())
				defer r.close()
				visited(r)
				r.run()
				time.Sleep(time.Second)
				first := linked("fr", "1", "Statement", "The ministers condemned the transfer of missiles")
				r.put(first)
				r.put(paged(first, full))
				time.Sleep(time.Second)
				second := linked("jp", "2", "Déclaration", "condemned the transfer of missiles")
				r.put(second)
				r.put(item("fr", "3", "Without a page", "Other missiles."))
				time.Sleep(2 * time.Second)
				if got := r.happened(); !slices.Equal(got, tt.want[:3]) {
					t.Fatalf("while it waits: %q, want %q", got, tt.want[:3])
				}
				if tt.page != "" {
					r.put(paged(second, tt.page))
				}
				time.Sleep(tt.after)
				if got := r.happened(); !slices.Equal(got, tt.want) {
					t.Errorf("events %q, want %q", got, tt.want)
				}
			})
		})
	}
}

func TestASecondAlertWaitsForNobodyWhereNoPageIsFetched(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.run()
		r.put(linked("fr", "1", "One", "On missiles."))
		time.Sleep(time.Second)
		r.put(linked("jp", "2", "Two", "condemned the transfer of missiles"))
		time.Sleep(time.Second)
		if got := r.happened(); len(got) != 2 {
			t.Errorf("events %q, want two alerts at once", got)
		}
	})
}

func TestARevisionOfWhatWaitsIsToldAfterIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		visited(r)
		r.run()
		time.Sleep(time.Second)
		r.put(linked("fr", "1", "One", "On missiles."))
		time.Sleep(time.Second)
		second := linked("jp", "2", "Two", "condemned 48 missiles")
		r.put(second)
		time.Sleep(time.Second)
		second.Rev, second.Text = 2, "condemned 50 missiles"
		r.put(second)
		time.Sleep(time.Second)
		if got := r.happened(); !slices.Equal(got, []string{"opened 1", "opened 2", "revised 2"}) {
			t.Fatalf("events %q, want an alert and its revision", got)
		}
		if ev := r.events()[2]; !ev.Material || ev.Reason != "number changed: 48 to 50" {
			t.Errorf("revision is %+v, want a material one", ev)
		}
	})
}

func TestWaitingIsForgottenByAStopAndDecidedOnceAfterIt(t *testing.T) {
	dir := t.TempDir()
	bubble(t, func(t *testing.T) {
		r := newRig(t, dir, missiles())
		visited(r)
		r.run()
		time.Sleep(time.Second)
		r.put(linked("fr", "1", "One", "On missiles."))
		time.Sleep(time.Second)
		r.put(linked("jp", "2", "Two", "condemned the transfer of missiles"))
		time.Sleep(2 * time.Second)
		r.close()
		r = newRig(t, dir, missiles())
		visited(r)
		r.run()
		time.Sleep(time.Minute)
		if got := r.happened(); !slices.Equal(got, []string{"opened 1", "opened 2"}) {
			t.Errorf("events %q, want each opened once", got)
		}
		r.close()
	})
}

// twins opens two alerts that the page of the second shows to be one.
func (r *rig) twins() (older, younger string) {
	r.t.Helper()
	first := linked("fr", "1", "Statement", "The ministers condemned the transfer of missiles")
	r.put(first)
	r.put(paged(first, full))
	time.Sleep(time.Second)
	second := linked("jp", "2", "Déclaration", "condemned the transfer of missiles")
	r.put(second)
	time.Sleep(time.Second)
	evs := r.events()
	older, younger = evs[0].Alert, evs[len(evs)-1].Alert
	return older, younger
}

func stories(r *rig) map[string]tocsin.Alert {
	out := map[string]tocsin.Alert{}
	for _, s := range must(r.logs.Stories(r.t.Context())) {
		out[s.Alert.ID] = s.Alert
	}
	return out
}

func TestAPageThatShowsTwoAlertsToBeOneMergesThem(t *testing.T) {
	dir := t.TempDir()
	bubble(t, func(t *testing.T) {
		r := newRig(t, dir, missiles())
		r.run()
		older, younger := r.twins()
		second := linked("jp", "2", "Déclaration", "condemned the transfer of missiles")
		second.Page = &tocsin.Page{State: tocsin.PageRead, Text: full}
		r.put(second)
		r.put(second) // handled twice
		time.Sleep(time.Second)
		want := []string{"opened 1", "paged 1", "opened 2", "merged ", "paged 2"}
		if got := r.happened(); !slices.Equal(got, want) {
			t.Fatalf("events %q, want %q", got, want)
		}
		all := stories(r)
		if all[younger].Into != older || len(all[older].Copies) != 2 {
			t.Errorf("younger goes into %q, older %s has %d copies", all[younger].Into, older, len(all[older].Copies))
		}
		r.close()

		r = newRig(t, dir, missiles())
		defer r.close()
		r.run()
		second.Rev, second.Page = 2, nil
		r.put(second)
		time.Sleep(time.Second)
		evs := r.events()
		if last := evs[len(evs)-1]; last.Kind != Revised || last.Alert != older {
			t.Errorf("after a restart a revision is %s of %s, want revised of %s", last.Kind, last.Alert, older)
		}
		p := must(r.logs.page(t.Context(), older))
		if len(p.alert.Copies) != 2 {
			t.Errorf("read alone the older has %d copies, want 2", len(p.alert.Copies))
		}
	})
}

func TestWhatPeopleSaySurvivesRestartsAndLaterTexts(t *testing.T) {
	dir := t.TempDir()
	bubble(t, func(t *testing.T) {
		r := newRig(t, dir, missiles())
		r.run()
		r.put(item("fr", "1", "Statement", full))
		r.put(item("jp", "2", "Déclaration", full))
		time.Sleep(time.Second)
		older := r.events()[0].Alert
		by := Correction{By: "ada", Why: "two texts"}
		parted := must(r.logs.Split(t.Context(), by, older, nil, []string{"jp"}))
		if _, err := r.logs.Split(t.Context(), by, older, []string{"1"}, nil); err == nil {
			t.Error("what an alert opened on can be split off")
		}
		time.Sleep(time.Second)
		r.put(item("us", "3", "Déclaration", full)) // equal to the parted one
		time.Sleep(time.Second)
		check := func(when string) {
			all := stories(r)
			if a := all[parted]; len(a.Copies) != 2 || len(a.Matches) != 1 || !slices.Equal(a.Apart, []string{older}) {
				t.Errorf("%s: the parted alert is %+v, want jp and us, matched", when, a)
			}
			if len(all[older].Copies) != 1 {
				t.Errorf("%s: the old alert has %d copies, want 1", when, len(all[older].Copies))
			}
		}
		check("at once")
		revised := item("fr", "1", "Déclaration", full+"More.")
		revised.Rev, revised.Text = 2, full
		r.put(revised) // now equal to the parted one
		time.Sleep(time.Second)
		check("after a text that is equal")
		r.close()
		r = newRig(t, dir, missiles())
		r.run()
		time.Sleep(time.Second)
		check("after a restart")
		var labels []string
		r.ok(r.logs.Labels(t.Context(), func(x Label) error { labels = append(labels, x.ID+" "+x.Cluster); return nil }))
		slices.Sort(labels)
		if want := []string{"fr/1 " + older, "jp/2 " + parted, "us/3 " + parted}; !slices.Equal(labels, want) {
			t.Errorf("labels %q, want %q", labels, want)
		}
		r.ok(r.logs.Merge(t.Context(), by, parted, older))
		r.ok(r.logs.Merge(t.Context(), by, parted, older)) // said twice
		if a := stories(r); len(a[older].Copies) != 3 || a[parted].Into != older || len(a[older].Apart) != 0 {
			t.Errorf("merged again: %+v", a[older])
		}
		if err := r.logs.Merge(t.Context(), by, older, "none"); err == nil {
			t.Error("an alert that is not there can be merged")
		}
		r.close()
	})
}

func TestABookThatBeginsAnywhereKnowsTheSame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.run()
		for i := range 3 {
			r.put(item("fr", fmt.Sprint(i), fmt.Sprint("No. ", i), full+fmt.Sprint(i)))
			time.Sleep(time.Second)
		}
		evs := r.events()
		a, b, c := evs[0].Alert, evs[1].Alert, evs[2].Alert
		by := Correction{By: "ada"}
		r.ok(r.logs.Merge(t.Context(), by, c, b))
		r.ok(r.logs.Merge(t.Context(), by, b, a))
		time.Sleep(time.Second)
		r.put(item("jp", "9", "No. 2", full+"2"))
		time.Sleep(time.Second)
		last := r.events()
		if got := last[len(last)-1]; got.Alert != a || got.Kind != Copied {
			t.Fatalf("a copy of what was merged twice is %s of %s, want copied of %s", got.Kind, got.Alert, a)
		}
		if got := stories(r)[c].Into; got != a {
			t.Errorf("the first of a chain goes into %s, want %s", got, a)
		}
		for from := uint64(1); from <= uint64(len(last)); from++ {
			bk := newBook(from, quiet)
			for i, ev := range last[from-1:] {
				seq := from + uint64(i)
				r.ok(bk.complete(t.Context(), r.logs, seq, ev))
				bk.apply(seq, ev)
			}
			if got := len(bk.alerts[a].alert.Copies); got != 4 {
				t.Errorf("a book from %d holds %d copies, want 4", from, got)
			}
			if got := bk.items[itemKey{"fr", "2"}]; got != a {
				t.Errorf("in a book from %d item 2 is of %q, want %s", from, got, a)
			}
		}
	})
}

func TestMaterial(t *testing.T) {
	for _, tt := range []struct{ name, was, is, want string }{
		{"a number", "Signed by 48 states.", "Signed by 50 states.", "number changed: 48 to 50"},
		{"digits of another script", "وقعها ٤٨ دولة", "وقعها ٥٠ دولة", "number changed: 48 to 50"},
		{"the same number in another script", "وقعها ٤٨ دولة", "وقعها 48 دولة", ""},
		{"a number word", "All five tests failed.", "All six tests failed.", "number changed: 5 to 6"},
		{"a number word in Russian", "Были пять пусков.", "Были шесть пусков.", "number changed: 5 to 6"},
		{"a date", "It met on 3 May 2024.", "It met on 4 May 2024.", "number changed: 3 to 4"},
		{"a negation", "The ministers did agree.", "The ministers did not agree.", "negation added: not"},
		{"a negation in Japanese", "日本は これを 認めた。", "日本は これを 認めない。", "negation added: ない"},
		{"a name", "It was sent to Moscow by sea.", "It was sent to Minsk by sea.", "name changed: moscow to minsk"},
		{"a word", "They strongly condemned it.", "They firmly condemned it.", ""},
		{"typography", `They said "no" - twice.`, "They said “no” — twice.", ""},
		{"an update line", "Text. Updated at 14:05", "Text. Updated at 16:30", ""},
		{"the same", "Text.", "Text.", ""},
	} {
		if got := Material(tocsin.Item{Text: tt.was}, tocsin.Item{Text: tt.is}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
