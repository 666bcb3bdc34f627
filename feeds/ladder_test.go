package feeds

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// A twin reads the same documents by the ladder and whole.
type twin struct {
	p           Poller
	t           task
	s           tocsin.Source
	plain       State
	at          time.Time
	told, whole int // entries that were recalled, documents that were parsed whole after all
}

func newTwin(kind string) *twin {
	return &twin{
		p: Poller{Log: newMemory()}, t: task{state: &State{}}, at: monday,
		s: tocsin.Source{ID: "s", Kind: kind, URL: "https://mfa.example/feed"},
	}
}

// read compares what both make of a document.
func (w *twin) read(t *testing.T, body []byte) (items []tocsin.Item) {
	t.Helper()
	w.at = w.at.Add(10 * time.Minute)
	r := fetch.Response{Body: body, URL: w.s.URL, At: w.at}
	whole, werr := ParseFeed(w.s, r)
	d, _, err := w.p.parse(w.s, r, w.t.memo)
	if (err == nil) != (werr == nil) || err != nil && err.Error() != werr.Error() {
		t.Fatalf("error %v, whole %v", err, werr)
	}
	if err != nil {
		return nil
	}
	if len(d.Items) != len(whole.Items) || d.Cut != whole.Cut || !slices.Equal(d.Repairs, whole.Repairs) || d.Feed != whole.Feed || d.hints != whole.hints {
		t.Fatalf("%d items, cut %v, repairs %q, feed %+v; whole %d, %v, %q, %+v", len(d.Items), d.Cut, d.Repairs, d.Feed, len(whole.Items), whole.Cut, whole.Repairs, whole.Feed)
	}
	for _, e := range d.Items {
		if e.recalled != nil {
			w.told++
		}
	}
	before := w.told > 0 && slices.ContainsFunc(d.Items, func(e Entry) bool { return e.recalled != nil })
	items, next, notes := w.p.decide(&w.t, w.s, r, &d, w.at)
	if before && !slices.ContainsFunc(d.Items, func(e Entry) bool { return e.recalled != nil }) {
		w.whole++
	}
	want, plain, wantNotes := Decide(w.plain, w.s, whole, w.at)
	if !reflect.DeepEqual(items, want) {
		t.Fatalf("items\n%+v\nwhole\n%+v", items, want)
	}
	if !slices.Equal(notes, wantNotes) || !bytes.Equal(next.Encode(), plain.Encode()) {
		t.Fatalf("notes %+v, whole %+v; states differ: %v", notes, wantNotes, !bytes.Equal(next.Encode(), plain.Encode()))
	}
	next.Seq++
	plain.Seq++
	w.t.state, w.plain = &next, plain
	return items
}

// entriesOf splits what feedOf wrote into what stands around entries, and those.
func entriesOf(doc []byte) (head string, entries []string, foot string) {
	s, end := string(doc), "</item>\n"
	begin := "<item>"
	if !strings.Contains(s, begin) {
		begin, end = "<entry>", "</entry>\n"
	}
	first := strings.Index(s, begin)
	last := strings.LastIndex(s, end) + len(end)
	head, foot = s[:first], s[last:]
	return head, strings.SplitAfter(strings.TrimSuffix(s[first:last], ""), end)[:strings.Count(s, end)], foot
}

func TestOnlyEntriesThatAreNewAreParsed(t *testing.T) {
	for _, kind := range []string{"rss", "atom"} {
		w := newTwin("feed")
		head, all, foot := entriesOf(feedOf(kind, 60))
		slices.Reverse(all)
		doc := func(from int) []byte { return []byte(head + strings.Join(all[from:from+20], "") + foot) }
		w.read(t, doc(40))
		for from := 39; from >= 0; from-- {
			if items := w.read(t, doc(from)); len(items) != 1 {
				t.Fatalf("%s: %d items, want 1", kind, len(items))
			}
		}
		if w.told != 40*19 || w.whole != 0 {
			t.Errorf("%s: %d entries were not parsed, want %d; %d documents were parsed twice", kind, w.told, 40*19, w.whole)
		}
	}
}

// TestTheLadderChangesNothing: whatever a document does to entries that are known
// by their bytes, the outcome is that of the whole document.
func TestTheLadderChangesNothing(t *testing.T) {
	head, all, foot := entriesOf(feedOf("rss", 24))
	for i := range all { // addresses and words that depend on what stands around the entry
		all[i] = strings.NewReplacer("https://mfa.example/news/", "/news/", "title>", "q:title>").Replace(all[i])
	}
	head = strings.Replace(head, "<rss ", `<rss xmlns:q="http://purl.org/dc/elements/1.1/" `, 1)
	doc := func(es ...string) string { return head + strings.Join(es, "") + foot }
	same := doc(all[:12]...)
	undeclared := strings.Replace(same, "http://purl.org/dc/elements/1.1/", "http://www.w3.org/2005/Atom", 1)
	steps := map[string]string{
		"the same":         same,
		"shuffled":         doc(append(slices.Clone(all[6:12]), all[:6]...)...),
		"revised":          strings.Replace(same, "<description>", "<description>Corrected: ", 4),
		"twice":            doc(append(slices.Clone(all[:12]), all[3], all[3])...),
		"one gone":         doc(append(slices.Clone(all[:5]), all[6:12]...)...),
		"new":              doc(append(slices.Clone(all[12:15]), all[:12]...)...),
		"all new":          doc(all[12:24]...),
		"other base":       strings.Replace(same, "<channel>", `<channel xml:base="https://other.example/">`, 1),
		"other vocabulary": undeclared,
		"in an entry":      strings.Replace(undeclared, "<item>", `<item xmlns:q="http://purl.org/dc/elements/1.1/">`, 1),
		"volatile head":    strings.Replace(same, "<channel>", "<channel><lastBuildDate>Sun, 01 Mar 2026 11:11:11 GMT</lastBuildDate>", 1),
		"other ids":        strings.ReplaceAll(strings.ReplaceAll(same, "https://mfa.example/?p=", "urn:other:"), "/news/", "/archive/"),
		"same GUID":        strings.ReplaceAll(same, "https://mfa.example/?p=3<", "https://mfa.example/?p=4<"),
		"homes":            strings.Replace(same, "<link>/news/2<", "<link>https://other.example/<", 1),
		"cut":              same[:len(head)+len(all[0])*4],
		"dirty":            strings.Replace(same, "<description><![CDATA[<p>", "<description><p>raw <b>words</b></p><![CDATA[<p>", 1),
		"dirty and new":    strings.Replace(doc(append(slices.Clone(all[12:13]), all[:12]...)...), "<description><![CDATA[<p>", "<description><p>raw <b>words</b></p><![CDATA[<p>", 2),
		"few":              doc(all[:2]...),
		"empty":            doc(),
		"no feed":          "<html><body>Down</body></html>",
	}
	for first := range steps {
		for second := range steps {
			w := newTwin("feed")
			w.read(t, []byte(same))
			w.read(t, []byte(steps[first]))
			w.read(t, []byte(steps[second]))
			w.read(t, []byte(strings.Replace(steps[second], "<channel>", "<channel> ", 1)))
			w.read(t, []byte(steps[first]))
			w.read(t, []byte(same))
			if first == "volatile head" && w.told == 0 {
				t.Errorf("%s, %s: every entry was parsed", first, second)
			}
		}
	}
}

// TestARecalledEntryThatIsPublishedIsParsed withdraws an entry, which is back in the
// next document: its bytes are known, and its words are needed.
func TestARecalledEntryThatIsPublishedIsParsed(t *testing.T) {
	w := newTwin("feed")
	body := feedOf("rss", 8)
	first := w.read(t, body)
	w.t.state.withdraw(first[3].ID)
	w.plain.withdraw(first[3].ID)
	items := w.read(t, body)
	if len(items) != 1 || items[0].Text == "" || w.whole != 1 {
		t.Errorf("%d items, %d documents were parsed whole", len(items), w.whole)
	}
}

// TestWhatIsHeldBackIsParsed goes to and fro between two texts.
func TestWhatIsHeldBackIsParsed(t *testing.T) {
	w := newTwin("feed")
	head, all, foot := entriesOf(feedOf("rss", 8))
	other := slices.Clone(all)
	other[2] = strings.Replace(all[2], "<title>", "<title>Again: ", 1)
	a, b := []byte(head+strings.Join(all, "")+foot), []byte(head+strings.Join(other, "")+foot)
	w.read(t, a)
	items := 0
	for range 26 * 3 {
		items += len(w.read(t, b)) + len(w.read(t, b)) + len(w.read(t, a)) + len(w.read(t, a))
	}
	if items < 2 {
		t.Errorf("%d items", items)
	}
}

func TestMemosAreBounded(t *testing.T) {
	p := &Poller{}
	full := &memo{entries: make([]recalled, maxMemo-10)}
	one, two := &task{}, &task{}
	p.memorise(one, full)
	p.memorise(two, &memo{entries: make([]recalled, 11)})
	if one.memo == nil || two.memo != nil || p.memos.used.Load() != maxMemo-10 {
		t.Errorf("%d entries remembered, %v, %v", p.memos.used.Load(), one.memo != nil, two.memo != nil)
	}
	p.memorise(one, nil)
	p.memorise(two, &memo{entries: make([]recalled, 11)})
	if two.memo == nil || p.memos.used.Load() != 11 {
		t.Errorf("%d entries remembered after there was room", p.memos.used.Load())
	}
}

func TestAPolledSourceUsesTheLadder(t *testing.T) {
	head, all, foot := entriesOf(feedOf("rss", 30))
	slices.Reverse(all)
	p := &Poller{Log: newMemory()}
	p.init()
	s := tocsin.Source{ID: "s", Kind: "feed", URL: "https://mfa.example/feed"}
	tk := &task{source: s, turn: make(chan struct{}, 1), loaded: true, state: &State{}}
	for from := 10; from >= 0; from-- {
		r := fetch.Response{Body: []byte(head + strings.Join(all[from:from+20], "") + foot), URL: s.URL, At: monday}
		if res, moved := p.take(context.Background(), tk, s, r); moved || res.err != nil {
			t.Fatal(moved, res.err)
		}
		if tk.memo.len() != 20 {
			t.Fatalf("%d entries remembered", tk.memo.len())
		}
	}
	if n := len(p.Log.(*memory).items("s")); n != 30 {
		t.Errorf("%d items, want 30", n)
	}
}

func FuzzLadder(f *testing.F) {
	const items = `<item><guid>1</guid><title>a</title></item><item><guid>2</guid><link>/b</link></item><item><title>c</title></item><item><guid>4</guid><title>d &amp; e</title></item>`
	f.Add([]byte(`<rss><channel>`+items+`</channel></rss>`), []byte(`<rss><channel><item><guid>5</guid><title>x</title></item>`+items+`</channel></rss>`), uint16(40))
	f.Add([]byte(`<rss><channel>`+items+`</channel></rss>`), []byte(`<rss><channel><item><title>x</title><![CDATA[</item>]]></item>`+items+`</channel></rss>`), uint16(70))
	f.Add([]byte(`<rss xmlns:dc="http://purl.org/dc/elements/1.1/"><channel xml:base="http://a.example/">`+items+`</channel></rss>`), []byte(`<rss><channel>`+items+`<item xmlns:dc="urn:x"><dc:title>z</dc:title></item></channel></rss>`), uint16(20))
	atom := strings.NewReplacer("item>", "entry>", "guid>", "id>").Replace(items)
	f.Add([]byte(`<feed xmlns="http://www.w3.org/2005/Atom">`+atom+`</feed>`), []byte(`<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="fr"><entry/>`+atom+`</feed>`), uint16(60))
	f.Fuzz(func(t *testing.T, a, b []byte, at uint16) {
		if len(a)+len(b) > 8<<10 {
			return
		}
		w := newTwin("feed")
		i := min(int(at), len(a), len(b))
		for _, doc := range [][]byte{a, b, a, slices.Concat(a[:i], b[i:]), a, slices.Concat(a[:i], []byte("é"), a[i:])} {
			w.read(t, doc)
		}
	})
}

// BenchmarkOneNew is a document of 90 KB of which one entry of 40 is new: read and
// decided on, by the ladder and whole.
func BenchmarkOneNew(b *testing.B) {
	for _, kind := range []string{"rss", "atom"} {
		head, all, foot := entriesOf(feedOf(kind, 40))
		title := "<title>"
		doc := func(n int) []byte {
			fresh := strings.Replace(all[0], title, fmt.Sprintf("%sNo. %d: ", title, n), 1)
			fresh = strings.NewReplacer("?p=0<", fmt.Sprintf("?p=n%d<", n), "2026:0<", fmt.Sprintf("2026:n%d<", n), "/news/0", fmt.Sprintf("/news/n%d", n)).Replace(fresh)
			return []byte(head + fresh + strings.Join(all[1:], "") + foot)
		}
		docs := make([][]byte, 100)
		for n := range docs {
			docs[n] = doc(n)
		}
		for _, way := range []string{"ladder", "whole"} {
			b.Run(kind+"/"+way, func(b *testing.B) {
				w := newTwin("feed")
				n := 0
				start := cpu()
				for b.Loop() {
					r := fetch.Response{Body: docs[n], URL: w.s.URL, At: monday}
					d, _, err := w.p.parse(w.s, r, w.t.memo)
					if err != nil {
						b.Fatal(err)
					}
					items, next, _ := w.p.decide(&w.t, w.s, r, &d, monday)
					if n++; n > 1 && len(items) != 1 {
						b.Fatalf("%d items", len(items))
					}
					if next.Seq++; way == "whole" {
						w.t.memo = nil
					}
					w.t.state = &next
					if n == len(docs) {
						w.t.state, n = &State{}, 0
					}
				}
				b.ReportMetric(float64(cpu()-start)/1e6/float64(b.N), "cpu-ms/op")
			})
		}
	}
}
