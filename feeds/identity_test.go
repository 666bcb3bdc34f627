package feeds

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A reading is a source that is read document by document.
type reading struct {
	t     *testing.T
	src   tocsin.Source
	st    State
	at    time.Time
	log   []tocsin.Item
	notes []Note
}

func newReading(t *testing.T) *reading {
	return &reading{t: t, src: tocsin.Source{ID: "src", URL: "https://mfa.example/feed"}, at: noon}
}

// read gives the items of the next document, a minute later. Every time it
// checks what must always hold.
func (r *reading) read(entries ...Entry) []tocsin.Item { return r.readDoc(Document{Items: entries}) }

func (r *reading) readDoc(d Document) []tocsin.Item {
	r.t.Helper()
	r.at = r.at.Add(time.Minute)
	if d.Feed.Link == "" {
		d.Feed.Link = "https://mfa.example/"
	}
	before := r.st.Encode()
	items, next, notes := Decide(r.st, r.src, d, r.at)
	items2, next2, _ := Decide(r.st, r.src, d, r.at)
	if !slices.EqualFunc(items, items2, func(a, b tocsin.Item) bool { return reflect.DeepEqual(a, b) }) || string(next.Encode()) != string(next2.Encode()) {
		r.t.Fatal("Decide gave two answers to one question")
	}
	if string(before) != string(r.st.Encode()) {
		r.t.Fatal("Decide changed the state that it was given")
	}
	ids := map[string]int{}
	for _, it := range append(slices.Clone(r.log), items...) {
		if it.Rev != ids[it.ID]+1 {
			r.t.Fatalf("item %s %q has revision %d after %d", it.ID, it.Title, it.Rev, ids[it.ID])
		}
		ids[it.ID] = it.Rev
	}
	if again, _, _ := Decide(next, r.src, d, r.at.Add(time.Second)); len(again) > 0 {
		r.t.Fatalf("the same document again gave %d items, first %q", len(again), again[0].Title)
	}
	st, err := DecodeState(next.Encode())
	if err != nil {
		r.t.Fatal(err)
	}
	r.st = st
	r.log = append(r.log, items...)
	r.notes = append(r.notes, notes...)
	return items
}

func (r *reading) want(got []tocsin.Item, want ...string) {
	r.t.Helper()
	var have []string
	for _, it := range got {
		s := it.Title
		if it.Rev > 1 {
			s += fmt.Sprintf(" r%d", it.Rev)
		}
		have = append(have, s)
	}
	if !slices.Equal(have, want) {
		r.t.Errorf("published %q, want %q", have, want)
	}
}

func (r *reading) noted(kind string) (n int) {
	for _, k := range r.notes {
		if k.Kind == kind {
			n++
		}
	}
	return n
}

var lexicon = strings.Fields(`harbour treaty envoy grain pipeline ferry summit border ratify tariff glacier orchard
	minister quarantine satellite budget reactor airspace lantern convoy embargo archive senate winter river copper vaccine
	parade bridge ledger tribunal cabinet visa accord drought turbine census museum island radar cable strike harvest`)

// prose is n words that are the same for the same seed and unlike others.
func prose(seed, n int) string {
	x := uint64(seed)*0x9e3779b97f4a7c15 + 0x1234567
	var b strings.Builder
	for i := range n {
		x ^= x >> 29
		x *= 0xbf58476d1ce4e5b9
		x ^= x >> 32
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(lexicon[x%uint64(len(lexicon))])
	}
	return b.String()
}

// entry is an honest entry: everything of its own.
func entry(n int) Entry {
	return Entry{
		GUID: fmt.Sprintf("urn:e:%d", n), URL: fmt.Sprintf("https://mfa.example/news/%d", n),
		Title: fmt.Sprintf("Title %d %s", n, prose(n, 5)), Text: prose(n+1_000_000, 60),
		Authors: []string{}, Tags: []string{},
	}
}

func entries(from, to int) (out []Entry) { // newest first
	for n := to; n >= from; n-- {
		out = append(out, entry(n))
	}
	return out
}

func change(es []Entry, f func(e *Entry)) []Entry {
	es = slices.Clone(es)
	for i := range es {
		f(&es[i])
	}
	return es
}

func titlesOf(from, to int) (out []string) {
	for n := from; n <= to; n++ {
		out = append(out, entry(n).Title)
	}
	return out
}

func TestBaselineIsTheFirstWholeDocumentAndItsItemsComeOldestFirst(t *testing.T) {
	r := newReading(t)
	got := r.readDoc(Document{Items: entries(5, 8), Cut: true})
	r.want(got, titlesOf(5, 8)...)
	got = append(got, r.readDoc(Document{Items: append(entries(5, 9), entry(4)), Cut: true})...)
	got = append(got, r.readDoc(Document{Items: entries(1, 10), Repairs: []string{"a stray sign"}})...)
	for _, it := range got {
		if !it.Baseline {
			t.Errorf("%q is not baseline", it.Title)
		}
	}
	got = r.read(entries(2, 12)...)
	r.want(got, titlesOf(11, 12)...)
	if got[0].Baseline || got[0].Repaired || !got[0].Seen.Equal(r.at) || got[0].V != itemFormat || got[0].Source != "src" {
		t.Errorf("item %+v", got[0])
	}
}

func TestBaselineOfASourceThatIsNeverWholeEndsAfterAnHour(t *testing.T) {
	r := newReading(t)
	r.readDoc(Document{Items: entries(1, 3), Cut: true})
	r.at = r.at.Add(time.Hour)
	if got := r.readDoc(Document{Items: entries(1, 4), Cut: true}); len(got) != 1 || got[0].Baseline {
		t.Errorf("%+v, want one item that is told", got)
	}
}

func TestAnEmptyFirstDocumentEndsTheBaseline(t *testing.T) {
	r := newReading(t)
	r.read()
	if got := r.read(entry(1)); len(got) != 1 || got[0].Baseline {
		t.Errorf("%+v, want one item that is told", got)
	}
}

// The ways in which sources fail to tell their entries apart.
var shared = []struct {
	name string
	do   func(e *Entry)
}{
	{"nothing shared", func(*Entry) {}},
	{"one GUID", func(e *Entry) { e.GUID = "same" }},
	{"one link", func(e *Entry) { e.URL = "https://mfa.example/press" }},
	{"both", func(e *Entry) { e.GUID, e.URL = "same", "https://mfa.example/press" }},
	{"equal summaries", func(e *Entry) { e.Text, e.Summary = "", "Read more on our site." }},
	{"equal titles and summaries", func(e *Entry) { e.Title, e.Text, e.Summary = "Press release", "", "Read more on our site." }},
	{"equal titles", func(e *Entry) { e.Title = "Daily briefing" }},
	{"long equal texts", func(e *Entry) { e.Text = prose(7, 60) }},
	{"no GUID", func(e *Entry) { e.GUID = "" }},
	{"no link", func(e *Entry) { e.URL = "" }},
	{"no link, equal summaries", func(e *Entry) { e.URL, e.Text = "", "Read more." }},
	{"neither", func(e *Entry) { e.GUID, e.URL = "", "" }},
	{"GUID and link are the home page", func(e *Entry) { e.GUID, e.URL = "https://mfa.example/", "http://www.mfa.example" }},
	{"GUID and link are the feed", func(e *Entry) { e.GUID, e.URL = "https://mfa.example/feed", "https://mfa.example/feed" }},
	{"only links", func(e *Entry) { e.GUID, e.Title, e.Text = "", "", "" }},
	{"one GUID, equal summaries", func(e *Entry) { e.GUID, e.Text = "same", "Read more." }},
	{"both, equal summaries", func(e *Entry) { e.GUID, e.URL, e.Text = "same", "https://mfa.example/press", "Read more." }},
	{"one GUID, only titles", func(e *Entry) { e.GUID, e.URL, e.Text = "same", "", "" }},
}

// arrivals are ways in which 20 statements appear after a first document.
func arrivals(do func(e *Entry)) map[string][][]Entry {
	out := map[string][][]Entry{}
	for _, w := range []struct {
		name                string
		window, first, step int
	}{
		{"one by one, window 30", 30, 10, 1},
		{"several at once, window 30", 30, 10, 5},
		{"one by one, window 3", 3, 3, 1},
		{"window of three replaced", 3, 3, 3},
		{"window of one", 1, 1, 1},
		{"from one, growing", 60, 1, 1},
		{"all at once", 60, 10, 20},
	} {
		last := w.first
		docs := [][]Entry{change(entries(1, last), do)}
		for last < w.first+20 {
			last = min(last+w.step, w.first+20)
			docs = append(docs, change(entries(max(1, last-w.window+1), last), do))
		}
		out[w.name] = docs
	}
	return out
}

func TestWhateverEntriesShareEveryNewStatementIsANewItem(t *testing.T) {
	for _, how := range shared {
		for name, docs := range arrivals(how.do) {
			t.Run(how.name+"/"+name, func(t *testing.T) {
				r := newReading(t)
				r.read(docs[0]...)
				got := 0
				for _, d := range docs[1:] {
					for _, it := range r.read(d...) {
						if it.Rev != 1 {
							t.Errorf("%q came as revision %d", it.Title, it.Rev)
						}
						got++
					}
				}
				if got != 20 {
					t.Errorf("%d new items, want 20", got)
				}
			})
		}
	}
}

func TestWhenAllGUIDsChangeNothingIsPublished(t *testing.T) {
	for _, how := range shared {
		for _, size := range []int{30, 10, 5} {
			for name, guid := range map[string]func(i int) string{
				"to GUIDs of their own": func(i int) string { return fmt.Sprint("new-", i) },
				"to another shared one": func(int) string { return "other" },
				"to none":               func(int) string { return "" },
			} {
				t.Run(fmt.Sprintf("%s/%d/%s", how.name, size, name), func(t *testing.T) {
					r := newReading(t)
					es := change(entries(1, size), how.do)
					r.read(es...)
					for i := range es {
						es[i].GUID = guid(i)
					}
					r.want(r.read(es...))
				})
			}
		}
	}
}

func TestMigrationMapsHalfOrMoreAndPublishesWhatIsLeft(t *testing.T) {
	moved := func(e *Entry) {
		e.GUID, e.URL = "new:"+e.GUID, "https://mfa.example/en/"+e.URL[len("https://mfa.example/"):]
	}
	r := newReading(t)
	r.read(entries(1, 10)...)
	r.want(r.read(append([]Entry{entry(11)}, change(entries(1, 10), moved)...)...), titlesOf(11, 11)...)
	if r.noted(Migrated) != 1 {
		t.Errorf("notes %+v, want one migration", r.notes)
	}
	edited := change(entries(1, 10), moved)
	edited[0].Text += " and more"
	if got := r.read(edited...); len(got) != 1 || got[0].Rev != 2 {
		t.Errorf("after the migration an edit gave %+v, want revision 2", got)
	}

	r = newReading(t)
	r.read(entries(1, 20)...)
	if got := r.read(append(change(entries(12, 20), moved), entries(1, 11)...)...); len(got) != 9 {
		t.Errorf("9 of 20 changed: %d items, want 9", len(got))
	}
	r = newReading(t)
	r.read(entries(1, 4)...)
	if got := r.read(change(entries(1, 4), moved)...); len(got) != 4 {
		t.Errorf("4 of 4 changed: %d items, want 4", len(got))
	}
}

func TestTinyFeedThatIsReplacedWhollyIsAllNew(t *testing.T) {
	r := newReading(t)
	r.read(entries(1, 3)...)
	r.want(r.read(entries(4, 6)...), titlesOf(4, 6)...)
	if r.noted(Overrun) != 1 {
		t.Errorf("notes %+v, want an overrun", r.notes)
	}
}

func TestAnEditIsARevision(t *testing.T) {
	for name, edit := range map[string]func(e *Entry){
		"title":             func(e *Entry) { e.Title = "Corrected: " + e.Title },
		"other title":       func(e *Entry) { e.Title = prose(77, 6) },
		"text":              func(e *Entry) { e.Text = strings.Replace(e.Text, " ", " not ", 1) },
		"text grows":        func(e *Entry) { e.Text += " " + prose(99, 20) },
		"other text":        func(e *Entry) { e.Text = prose(55, 60) },
		"a comma":           func(e *Entry) { e.Text = strings.Replace(e.Text, " ", ", ", 1) },
		"link and title":    func(e *Entry) { e.URL += "-corrected"; e.Title += " (corrected)" },
		"no text":           func(e *Entry) { e.Text = "" },
		"text and no title": func(e *Entry) { e.Title = "" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReading(t)
			r.read(entries(1, 3)...)
			es := entries(1, 3)
			edit(&es[1])
			got := r.read(es...)
			if len(got) != 1 || got[0].Rev != 2 || got[0].ID != r.log[1].ID || got[0].Title != es[1].Title || got[0].Baseline {
				t.Errorf("got %+v, want revision 2 of %s", got, r.log[1].ID)
			}
		})
	}
	t.Run("of the only entry", func(t *testing.T) {
		r := newReading(t)
		r.read(entry(1))
		e := entry(1)
		e.Title += " (corrected)"
		e.Text = strings.Replace(e.Text, " ", " not ", 1)
		if got := r.read(e); len(got) != 1 || got[0].Rev != 2 {
			t.Errorf("got %+v, want revision 2", got)
		}
	})
}

func TestDatesAuthorsAndAddressesAreNoRevision(t *testing.T) {
	r := newReading(t)
	r.read(entries(1, 3)...)
	r.want(r.read(change(entries(1, 3), func(e *Entry) {
		e.Published, e.Updated = noon, noon
		e.Authors = []string{"someone"}
		e.URL = strings.Replace(e.URL, "https://", "http://www.", 1) + "/?utm_source=rss"
	})...))
	r.want(r.read(change(entries(1, 3), func(e *Entry) { e.URL += "/moved" })...))
	for n := range 3 { // a date decides nothing, however odd
		e := entry(10 + n)
		e.Published = []time.Time{{}, noon.AddDate(-30, 0, 0), noon.AddDate(900, 0, 0)}[n]
		r.want(r.read(append([]Entry{e}, entries(1, 3)...)...), e.Title)
	}
}

func TestANewGUIDOrLinkIsANewItemThoughTheTextIsKnown(t *testing.T) {
	r := newReading(t)
	r.read(entries(1, 3)...)
	again := entry(2)
	again.GUID, again.URL = "urn:again", "https://mfa.example/again"
	r.want(r.read(append([]Entry{again}, entries(1, 3)...)...), entry(2).Title)

	r = newReading(t)
	noGUID := func(e *Entry) { e.GUID = "" }
	r.read(change(entries(1, 3), noGUID)...)
	again.GUID = ""
	r.want(r.read(append([]Entry{again}, change(entries(1, 3), noGUID)...)...), entry(2).Title)
}

func TestTwoOfThreeAliasesMakeItTheSameEntry(t *testing.T) {
	r := newReading(t)
	r.read(entries(1, 4)...)
	es := entries(1, 4)
	es[2].GUID = "urn:other"
	r.want(r.read(es...))
	es[2].Text += " and an edit"
	if got := r.read(es...); len(got) != 1 || got[0].Rev != 2 {
		t.Errorf("got %+v, want revision 2 under the added GUID", got)
	}
}

// siblings are two entries that say almost the same, and a third of the GUID of
// the first and the link of the second.
func siblings() (a, b, mixed Entry) {
	a, b = entry(2), entry(3)
	b.Title, b.Text = a.Title, a.Text+" south"
	a.Text += " north"
	mixed = a
	mixed.URL = b.URL
	mixed.Text += " and east"
	return a, b, mixed
}

func TestConflictsAreSettledByTwoOfThreeThenGUIDThenLink(t *testing.T) {
	a, b, mixed := siblings()
	like := func(e Entry) Entry { e.GUID, e.URL = mixed.GUID, mixed.URL; return e }
	twice := entry(4)
	twice.GUID = entry(1).GUID
	again := entry(5)
	again.GUID = entry(1).GUID
	for _, tt := range []struct {
		name   string
		before [][]Entry
		says   Entry
		id     int // place in the log of the entry that it is; -1 a new one
		rev    int // 0 nothing is published
	}{
		{"GUID and text", nil, like(a), 1, 0},
		{"link and text", nil, like(b), 2, 0},
		{"the GUID, which always told them apart", nil, mixed, 1, 2},
		{"the link, where two entries had one GUID", [][]Entry{{twice, entry(1), b, a}}, mixed, 2, 2},
		{"the link, where a GUID was used again", [][]Entry{{again, b, a}}, mixed, 2, 2},
		{"GUID and text, where two entries had one GUID", [][]Entry{{twice, entry(1), b, a}}, like(a), 1, 0},
		{"neither: it says something else", nil, like(entry(9)), -1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReading(t)
			r.read(b, a, entry(1))
			first := slices.Clone(r.log)
			for _, d := range tt.before {
				r.read(d...)
			}
			got := r.read(tt.says, entry(1))
			switch {
			case tt.rev == 0 && len(got) == 0:
			case tt.rev == 0 || len(got) != 1 || got[0].Rev != tt.rev || tt.id >= 0 && got[0].ID != first[tt.id].ID:
				t.Errorf("got %+v", got)
			}
			if r.noted(Conflict) != 1 {
				t.Errorf("notes %+v, want one conflict", r.notes)
			}
			e := tt.says
			e.Text += " once more"
			if got := r.read(e, entry(1)); len(got) != 1 || got[0].Rev != tt.rev+1 && tt.rev > 0 || got[0].Rev != 2 && tt.rev == 0 {
				t.Errorf("its next edit gave %+v", got)
			}
			if r.noted(Conflict) != 1 {
				t.Errorf("notes %+v: the conflict was not settled", r.notes)
			}
		})
	}
}

func TestAKnownEntryIsClaimedByOneOnly(t *testing.T) {
	r := newReading(t)
	r.read(entries(1, 3)...)
	heir := entry(2)
	heir.GUID = "urn:heir" // link and text of 2
	other := entry(2)
	other.URL, other.Text = "https://mfa.example/other", other.Text+" edited" // GUID of 2
	got := r.read(other, heir, entry(1))
	if len(got) != 1 || got[0].Rev != 1 || got[0].Text != other.Text {
		t.Errorf("got %+v, want the other as a new item", got)
	}
}

func TestTheSourcesOwnLinkIsNoAlias(t *testing.T) {
	for _, link := range []string{"https://mfa.example/press", "https://mfa.example/feed"} {
		r := newReading(t)
		of := func(guid string) Document {
			e := entry(1)
			e.GUID, e.URL = guid, link
			return Document{Items: []Entry{e}, Feed: Feed{Link: "https://mfa.example/press/"}}
		}
		r.readDoc(of("a"))
		if got := r.readDoc(of("b")); len(got) != 1 || got[0].Rev != 1 {
			t.Errorf("%s: got %+v, want a new item: its GUID is new, and nothing but its text is known", link, got)
		}
	}
}

func TestAKnownGUIDWithANewLinkAndAnotherTextIsANewItemThoughTitlesAreAlike(t *testing.T) {
	r := newReading(t)
	of := func(n int, about string) Entry {
		e := entry(n)
		e.Title = "Statement by the spokesperson of the ministry on " + about
		return e
	}
	r.read(of(1, "grain"), of(2, "ferries"), of(3, "a census"))
	e := of(8, "airspace")
	e.GUID = entry(2).GUID
	r.want(r.read(e, of(1, "grain")), e.Title)

	e = of(1, "grain exports") // its link is the same: the publisher's edit
	if got := r.read(e); len(got) != 1 || got[0].Rev != 2 {
		t.Errorf("got %+v, want revision 2", got)
	}
}

func TestATextThatManyHaveDoesNotMakeAReusedGUIDTheSameEntry(t *testing.T) {
	r := newReading(t)
	brief := func(e *Entry) { e.Text = "Read more." }
	r.read(change(entries(1, 4), brief)...)
	e := entry(8)
	e.GUID, e.Text = entry(2).GUID, "Read more."
	r.want(r.read(append([]Entry{e}, change(entries(3, 4), brief)...)...), e.Title)
}

func TestAShortTextUnderTwoGUIDsIdentifiesNothing(t *testing.T) {
	r := newReading(t)
	notice := func(guid string) Entry { return Entry{GUID: guid, Title: "Daily briefing", Text: "Read it here."} }
	for _, guid := range []string{"a", "b", ""} {
		if got := r.read(notice(guid)); len(got) != 1 || got[0].Rev != 1 {
			t.Errorf("notice %q gave %+v, want a new item", guid, got)
		}
	}
}

func TestAliasesOfAnEntryAreBounded(t *testing.T) {
	r := newReading(t)
	for n := range 100 {
		es := entries(1, 10)
		for i := range 5 { // half of them keep their links, so it is no churn
			es[i].URL += fmt.Sprint("?session=", n)
		}
		if got := r.read(es...); n > 0 && len(got) > 0 {
			t.Fatalf("document %d: %d items", n, len(got))
		}
	}
	if n := len(r.st.alias); n > 10*2+5+5*maxAliases {
		t.Errorf("%d aliases of 10 entries", n)
	}
}

func TestAGUIDThatIsUsedAgainForSomethingElseIsANewItem(t *testing.T) {
	for name, do := range map[string]func(e *Entry){
		"with a new link":  func(e *Entry) { e.GUID = entry(2).GUID },
		"and link as well": func(e *Entry) { e.GUID, e.URL = entry(2).GUID, entry(2).URL },
		"without a link":   func(e *Entry) { e.GUID, e.URL = entry(2).GUID, "" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReading(t)
			r.read(entries(1, 3)...)
			e := entry(8)
			do(&e)
			r.want(r.read(e, entry(1)), e.Title)
			e.Text += " edited"
			if got := r.read(e, entry(1)); len(got) != 1 {
				t.Errorf("its edit gave %+v, want one item", got)
			}
		})
	}
}

func TestGUIDsThatCountPositionsAreSeenThrough(t *testing.T) {
	for name, do := range map[string]func(i int, e *Entry){
		"GUIDs": func(i int, e *Entry) { e.GUID, e.URL = fmt.Sprint("item-", i), "" },
		"GUIDs and links": func(i int, e *Entry) {
			e.GUID, e.URL = fmt.Sprint("item-", i), fmt.Sprintf("https://mfa.example/?pos=%d", i)
		},
		"templated": func(i int, e *Entry) {
			e.GUID, e.URL, e.Title = fmt.Sprint("item-", i), "", "Statement of the minister"
		},
		"with real links": func(i int, e *Entry) { e.GUID = fmt.Sprint("item-", i) },
	} {
		t.Run(name, func(t *testing.T) {
			at := func(to int) []Entry {
				es := entries(to-9, to)
				for i := range es {
					do(i, &es[i])
				}
				return es
			}
			r := newReading(t)
			r.read(at(10)...)
			for n := 11; n < 31; n++ {
				if got := r.read(at(n)...); len(got) != 1 || got[0].Rev != 1 || got[0].Text != entry(n).Text {
					t.Fatalf("statement %d: %d items, want it alone: %+v", n, len(got), got)
				}
			}
		})
	}
}

func TestGUIDsThatChangeWithEveryDocumentCostNothing(t *testing.T) {
	for name, do := range map[string]func(e *Entry, n int){
		"GUIDs":               func(e *Entry, n int) { e.GUID = fmt.Sprint(e.URL, "#", n) },
		"GUIDs without links": func(e *Entry, n int) { e.GUID, e.URL = fmt.Sprint(e.URL, "#", n), "" },
		"links":               func(e *Entry, n int) { e.URL = fmt.Sprint(e.URL, "?session=", n) },
		"links without GUIDs": func(e *Entry, n int) { e.GUID, e.URL = "", fmt.Sprint(e.URL, "?session=", n) },
		"both":                func(e *Entry, n int) { e.GUID, e.URL = fmt.Sprint(e.URL, "#", n), fmt.Sprint(e.URL, "?session=", n) },
	} {
		for _, window := range []int{10, 3, 1} {
			t.Run(fmt.Sprint(name, "/", window), func(t *testing.T) {
				r := newReading(t)
				at := func(last, n int) []Entry {
					return change(entries(last-window+1, last), func(e *Entry) { do(e, n) })
				}
				r.read(at(100, 0)...)
				repeats := 0
				for n := 1; n <= 40; n++ {
					repeats += len(r.read(at(100, n)...))
				}
				if window >= minMigration && repeats > 0 || repeats > 4*window {
					t.Errorf("%d items published again", repeats)
				}
				if size := len(r.st.Encode()); size > 3000*window+2000 {
					t.Errorf("state of %d bytes after 40 documents", size)
				}
				for n := 101; n < 121; n++ {
					got := r.read(at(n, n)...)
					if !slices.ContainsFunc(got, func(it tocsin.Item) bool { return it.Text == entry(n).Text && it.Rev == 1 }) {
						t.Fatalf("statement %d is not among %d items", n, len(got))
					}
				}
			})
		}
	}
}

func TestTemplatedNoticesWithNewGUIDsAreNeverTakenForChurn(t *testing.T) {
	for _, window := range []int{1, 3, 10} {
		r := newReading(t)
		at := func(last int) []Entry {
			return change(entries(last-window+1, last), func(e *Entry) {
				e.URL, e.Title, e.Text = "https://mfa.example/briefings", "Daily briefing", "Read it here."
			})
		}
		r.read(at(100)...)
		for n := 101; n < 141; n++ {
			if got := r.read(at(n)...); len(got) != 1 || got[0].Rev != 1 {
				t.Fatalf("window %d, notice %d: %+v, want one new item", window, n, got)
			}
		}
	}
}

func TestAnEntryThatReturnsIsTheSame(t *testing.T) {
	r := newReading(t)
	r.read(entries(1, 10)...)
	r.read(entries(3, 12)...)
	r.want(r.read(entries(1, 12)...))
	r.read(entries(3, 12)...)
	r.at = r.at.AddDate(0, 0, 399)
	r.want(r.read(entries(1, 12)...))
}

func TestIdentitiesAreForgotten400DaysAfterTheyWereLastSeen(t *testing.T) {
	r := newReading(t)
	r.read(entries(1, 10)...)
	r.read(entries(3, 12)...)
	r.at = r.at.AddDate(0, 0, 399)
	r.read(entries(3, 12)...)
	if n := r.st.Len(); n != 12 {
		t.Errorf("%d entries known after 399 days, want 12", n)
	}
	r.at = r.at.AddDate(0, 0, 3)
	r.read(entries(3, 12)...) // those in the document stay, however old
	if n := r.st.Len(); n != 10 {
		t.Errorf("%d entries known after 402 days, want 10", n)
	}
	r.at = r.at.AddDate(3, 0, 0)
	r.want(r.read(entries(3, 12)...))
}

func TestGoingBackAndForthIsPublishedOnceADay(t *testing.T) {
	r := newReading(t)
	a, b := entries(1, 3), entries(1, 3)
	b[0].Text += " (second version)"
	r.read(a...)
	count := func(es []Entry) int { return len(r.read(es...)) }
	if count(b) != 1 || count(a) != 1 {
		t.Fatal("the change and the first return are revisions")
	}
	if !r.st.Settles().IsZero() {
		t.Error("nothing is held back yet")
	}
	back := r.at
	for range 10 {
		if n := count(b) + count(a); n != 0 {
			t.Fatalf("%d items published while it flaps", n)
		}
	}
	if r.noted(Flapping) == 0 {
		t.Errorf("notes %+v, want flapping", r.notes)
	}
	if !r.st.Settles().IsZero() {
		t.Error("it says what was published last: nothing is held back")
	}
	if count(b) != 0 {
		t.Fatal("published while it flaps")
	}
	if got, want := r.st.Settles(), back.Add(24*time.Hour); !got.Equal(want) {
		t.Fatalf("settles %v, want %v", got, want)
	}
	r.at = back.Add(24 * time.Hour)
	if got := r.read(b...); len(got) != 1 || got[0].Rev != 4 || !r.st.Settles().IsZero() {
		t.Errorf("after a day %+v, want revision 4 with the text that stayed", got)
	}
	c := entries(1, 3)
	c[0].Text += " (third version)"
	if count(c) != 1 {
		t.Error("a text that was never there is always a revision")
	}
}

func TestAnEntryThatStandsTwiceInADocumentCountsOnce(t *testing.T) {
	r := newReading(t)
	if got := r.read(entry(1), entry(2), entry(1), entry(2)); len(got) != 2 {
		t.Errorf("%d items, want 2", len(got))
	}
	es := []Entry{entry(1), entry(2)}
	es[0].Text += " edited"
	if got := r.read(es...); len(got) != 1 || got[0].Rev != 2 {
		t.Errorf("%+v, want a revision: the GUID still tells them apart", got)
	}
}

func TestAValueOnceSeenOnTwoEntriesIsRememberedAsLost(t *testing.T) {
	r := newReading(t)
	two := entries(1, 2)
	two[0].GUID, two[1].GUID = "same", "same"
	r.read(two...)
	e := entry(3)
	e.GUID = "same"
	r.want(r.read(e), e.Title)
	e = entry(4)
	e.GUID, e.URL = "same", ""
	r.want(r.read(e), e.Title)
}

func TestIDIsTheHashOfTheFirstAliasAndLongerWhenTaken(t *testing.T) {
	r := newReading(t)
	var f folder
	got := r.read(entry(1), entry(2))
	if want := fmt.Sprintf("%016x", f.hash("src", aliasGUID, "urn:e:2")); got[0].ID != want {
		t.Errorf("ID %s, want %s", got[0].ID, want)
	}
	// All aliases of a reused GUID without link and with a lost text are taken.
	ids := map[string]bool{}
	st := r.st.clone()
	for range 50 {
		c := decision{State: st, source: r.src}
		id := c.newID(&sight{look: look{whole: 7}})
		if ids[id] {
			t.Fatalf("ID %s given twice", id)
		}
		ids[id] = true
		st = c.State
		x := st.add(id)
		if st.id(x) != id || st.named(id) != x {
			t.Fatalf("ID %s kept as %s", id, st.id(x))
		}
	}
	back, err := DecodeState(st.Encode())
	if err != nil {
		t.Fatal(err)
	}
	for id := range ids {
		if back.named(id) < 0 {
			t.Errorf("ID %s forgotten", id)
		}
	}
}

func TestItemTextHoldsAllThatTheSourceGives(t *testing.T) {
	for _, tt := range []struct{ name, text, summary, want string }{
		{"text alone", "A long text.", "", "A long text."},
		{"summary alone", "", "A summary.", "A summary."},
		{"summary is its beginning", "A long text. And more.", "A long text.", "A long text. And more."},
		{"summary is cut", "A long text about harbours.", "A long text about har…", "A long text about harbours."},
		{"summary is cut, other dots", "A long\n\ntext about harbours.", "A long text abo [...]", "A long\n\ntext about harbours."},
		{"spaces differ", "A long\n\ntext. And more.", "A  long text.", "A long\n\ntext. And more."},
		{"summary holds the text", "A text.", "Before. A text. After.", "Before. A text. After."},
		{"neither", "The body says this at some length.", "A lead.", "A lead.\n\nThe body says this at some length."},
		{"neither, summary longer", "The body.", "A lead that is longer.", "A lead that is longer.\n\nThe body."},
		{"a word is not part of a word", "Envoys of Iranian ports met.", "Iran", "Iran\n\nEnvoys of Iranian ports met."},
		{"a word is not the beginning of a word", "Iranian ports", "Iran.", "Iran.\n\nIranian ports"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := itemText(&Entry{Text: tt.text, Summary: tt.summary}); got != tt.want {
				t.Errorf("itemText(%q, %q) = %q, want %q", tt.text, tt.summary, got, tt.want)
			}
		})
	}
	r := newReading(t)
	e := entry(1)
	e.Text = strings.Repeat("é ", maxItemText)
	if got := r.read(e); len(got[0].Text) > maxItemText || !got[0].Repaired {
		t.Errorf("%d bytes, repaired %v: want it cut and marked", len(got[0].Text), got[0].Repaired)
	}
}

func TestLangIsTheEntrysThenTheSourcesThenTheFeeds(t *testing.T) {
	r := newReading(t)
	e := entry(1)
	e.Lang = "fr"
	es := []Entry{e, entry(2)}
	if got := r.readDoc(Document{Items: es, Feed: Feed{Lang: "de"}}); got[0].Lang != "de" || got[1].Lang != "fr" {
		t.Errorf("lang %q and %q, want de and fr", got[0].Lang, got[1].Lang)
	}
	r.src.Lang = "es"
	if got := r.readDoc(Document{Items: append(es, entry(3)), Feed: Feed{Lang: "de"}}); got[0].Lang != "es" {
		t.Errorf("lang %q, want es", got[0].Lang)
	}
}

func TestCutAndEmptyDocumentsSayOfNoEntryThatItHasGone(t *testing.T) {
	moved := func(e *Entry) { e.GUID, e.URL = "new:"+e.GUID, e.URL+"/new" }
	for name, d := range map[string]Document{"cut": {Items: entries(9, 10), Cut: true}, "empty": {}} {
		t.Run(name, func(t *testing.T) {
			r := newReading(t)
			r.read(entries(1, 10)...)
			r.readDoc(d)
			r.want(r.read(change(entries(1, 10), moved)...))
		})
	}
}

func BenchmarkDecide(b *testing.B) {
	d := Document{Feed: Feed{Link: "https://mfa.example/"}}
	for _, e := range entries(1, 40) {
		e.Text = strings.Repeat(e.Text+". ", 8)[:2200]
		e.Summary = e.Text[:200] + "…"
		d.Items = append(d.Items, e)
	}
	s := tocsin.Source{ID: "src", URL: "https://mfa.example/feed"}
	_, st, _ := Decide(State{}, s, d, noon)
	one := d
	one.Items = append([]Entry{entry(41)}, d.Items[:39]...)
	for _, bb := range []struct {
		name string
		st   State
		d    Document
	}{{"first", State{}, d}, {"unchanged", st, d}, {"one new", st, one}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Decide(bb.st, s, bb.d, noon)
			}
		})
	}
}
