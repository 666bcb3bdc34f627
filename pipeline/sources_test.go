package pipeline

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
)

func north(address string) tocsin.Source {
	return tocsin.Source{ID: "north", Kind: "feed", Title: "Northland", URL: address}
}

// What people add is told of within a second, what they remove too; at a start
// what stands is told of before anything runs.
func TestSourcesThatPeopleAddAreToldOfWithinASecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := t.TempDir()
		r := newRig(t, dir, missiles())
		defer r.close()
		var told [][]tocsin.Source
		r.cfg.Sources = func(added []tocsin.Source) { told = append(told, added) }
		r.run()
		time.Sleep(time.Minute)
		ctx := t.Context()
		last := func() string {
			time.Sleep(time.Second)
			synctest.Wait()
			if len(told) == 0 {
				return "nothing"
			}
			var urls []string
			for _, s := range told[len(told)-1] {
				urls = append(urls, s.ID+" "+s.URL)
			}
			return strings.Join(urls, ", ")
		}
		if got := last(); got != "nothing" {
			t.Errorf("told of %s before anything was added", got)
		}
		r.ok(r.logs.SetSource(ctx, ada, north("http://a.example/")))
		if got := last(); got != "north http://a.example/" {
			t.Errorf("told of %s after it was added", got)
		}
		r.ok(r.logs.SetSource(ctx, ada, north("http://b.example/")))
		if got := last(); got != "north http://b.example/" {
			t.Errorf("told of %s after it was changed", got)
		}
		before := len(told)
		r.ok(r.logs.SetList(ctx, ada, list("fish", "cod")))
		if last(); len(told) != before {
			t.Error("told of sources when a list changed")
		}
		r.stop()
		told = nil
		r.run()
		if got := last(); got != "north http://b.example/" {
			t.Errorf("told of %s at the next start", got)
		}
		r.ok(r.logs.RemoveSource(ctx, ada, "north"))
		if got := last(); got != "" {
			t.Errorf("told of %s after it was removed", got)
		}
	})
}

// The title that alerts show of an added source is known to matching, also after
// it was removed.
func TestAnAddedSourceIsKnownByItsTitleForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.run()
		ctx := t.Context()
		r.ok(r.logs.SetSource(ctx, ada, north("http://a.example/")))
		time.Sleep(time.Second)
		r.put(item("north", "1", "one", "A missile is launched."))
		time.Sleep(time.Second)
		r.ok(r.logs.RemoveSource(ctx, ada, "north"))
		time.Sleep(time.Second)
		r.put(item("north", "2", "two", "A missile was seen by others elsewhere, in another place."))
		time.Sleep(time.Second)
		events := r.events()
		if len(events) != 2 {
			t.Fatalf("%d events, want 2", len(events))
		}
		for _, ev := range events {
			if ev.Copy.Publisher != "Northland" {
				t.Errorf("%s is published by %q", ev.Copy.Title, ev.Copy.Publisher)
			}
		}
		if s := must(r.logs.Wanted(ctx)).Source("north"); s.Title != "Northland" {
			t.Errorf("commands know it as %+v", s)
		}
	})
}

func TestSourcesOfTheFileAreReadOnly(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	p := missiles()
	p.Sources = append(p.Sources, tocsin.Source{ID: "own", Builtin: true})
	p.At = map[string]string{"source.fr": "tocsin.yaml:7"}
	r.apply(p)
	ctx := t.Context()
	for id, want := range map[string]string{
		"fr":    "source fr stands in tocsin.yaml:7 and is read-only here",
		"own":   "source own is built in and cannot be changed",
		"never": "never",
	} {
		errs := []error{r.logs.RemoveSource(ctx, ada, id)}
		if id != "never" {
			errs = append(errs, r.logs.SetSource(ctx, ada, tocsin.Source{ID: id, URL: "http://x.example/"}))
		}
		for _, err := range errs {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want: %s", id, err, want)
			}
		}
	}
	if e, ok := errors.AsType[*UnknownError](r.logs.RemoveSource(ctx, ada, "never")); !ok || !slices.Equal(e.Have, []string{"fr", "jp", "own"}) {
		t.Errorf("removing what is not there: %v", e)
	}
}

// A name that the file takes is the file's: who added it hears of that, and the
// history keeps the other.
func TestTheFileTakesTheNameOfAnAddedSource(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	r.ok(r.logs.SetSource(ctx, ada, north("http://a.example/")))
	p := missiles()
	p.Revision++
	p.Sources = append(p.Sources, north("http://file.example/"))
	p.At = map[string]string{"source.north": "tocsin.yaml:9"}
	notes, err := r.logs.Apply(ctx, p)
	r.ok(err)
	if len(notes) != 1 || !strings.Contains(notes[0], "source north, which ada wrote") || !strings.Contains(notes[0], "tocsin.yaml:9") {
		t.Errorf("notes %q", notes)
	}
	w := must(r.logs.Wanted(ctx))
	if v := w.Sources["north"]; v.Source.URL != "http://file.example/" || v.At != "tocsin.yaml:9" || v.By != fileWrites {
		t.Errorf("north is %+v", v)
	}
	past := must(r.logs.History(ctx, "source", "north"))
	if len(past) != 2 || past[0].By != "ada" || past[0].Source.URL != "http://a.example/" || !past[1].Suspended {
		t.Errorf("history %+v", past)
	}
	if notes := must(r.logs.Apply(ctx, p)); len(notes) != 0 {
		t.Errorf("applied again: %q", notes)
	}
}

func TestEveryChangeOfASourceIsAudited(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	r.ok(r.logs.SetSource(ctx, ada, north("http://a.example/")))
	r.ok(r.logs.SetSource(ctx, Edit{By: "bob"}, north("http://b.example/")))
	r.ok(r.logs.SetSource(ctx, Edit{By: "bob"}, north("http://b.example/"))) // says the same
	r.ok(r.logs.RemoveSource(ctx, Edit{By: "eve"}, "north"))
	var who []string
	for m, err := range r.logs.read(ctx, streamAudit, "audit.source.north", 1) {
		r.ok(err)
		who = append(who, must(decode[Audited](m.Data)).Who)
	}
	if !slices.Equal(who, []string{"ada", "bob", "eve"}) {
		t.Errorf("AUDIT names %q", who)
	}
}
