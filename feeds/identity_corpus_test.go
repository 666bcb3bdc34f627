package feeds

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"tocsin"
	"tocsin/feeds/fetch"
)

// Every real document is read as a source: at first, unchanged, with another
// statement, and with other GUIDs.
func TestIdentityOfRealDocuments(t *testing.T) {
	var documents, all, missed, repeated int
	for _, dir := range []string{"feeds", "feeds-written"} {
		for _, file := range corpus(t, dir) {
			name := filepath.Base(file)
			src := tocsin.Source{ID: "src", URL: "https://publisher.example/feed"}
			d, err := ParseFeed(src, fetch.Response{Body: unpacked(t, file), URL: src.URL})
			if err != nil || len(d.Items) == 0 {
				continue
			}
			documents++
			d.Cut = false
			first, st, _ := Decide(State{}, src, d, noon)
			all += len(first)
			whole := map[string]bool{}
			for i := range d.Items {
				text, _ := itemText(&d.Items[i])
				whole[fmt.Sprintf("%q", []string{d.Items[i].GUID, d.Items[i].URL, d.Items[i].Title, text})] = true
			}
			if len(first) > len(whole) || len(first) < len(whole)*9/10 {
				t.Errorf("%s: %d items of %d entries", name, len(first), len(whole))
			}
			if again, _, _ := Decide(st, src, d, noon); len(again) > 0 {
				t.Errorf("%s: %d items of the same document again", name, len(again))
			}
			// Another statement, with what it shares with the others.
			for n := range 3 {
				e := d.Items[0]
				news := entry(n)
				e.Title, e.Text, e.Summary = news.Title, news.Text, ""
				if two := len(d.Items) > 1; !two || e.GUID != d.Items[1].GUID {
					e.GUID = news.GUID
				}
				if two := len(d.Items) > 1; !two || e.URL != d.Items[1].URL {
					e.URL = news.URL
				}
				next := d
				next.Items = append([]Entry{e}, d.Items[:len(d.Items)-n%2]...)
				if got, _, _ := Decide(st, src, next, noon); len(got) != 1 || got[0].Rev != 1 {
					missed++
					t.Errorf("%s: a new statement gave %d items", name, len(got))
				}
			}
			next := d
			next.Items = slices.Clone(d.Items)
			for i := range next.Items {
				next.Items[i].GUID = fmt.Sprint("other-", i)
			}
			if got, _, _ := Decide(st, src, next, noon); len(got) > 0 {
				repeated += len(got)
				t.Logf("%s: %d of %d items again when all GUIDs changed", name, len(got), len(first))
			}
		}
	}
	t.Logf("%d documents, %d items, %d statements missed, %d repeated when all GUIDs changed", documents, all, missed, repeated)
}

func TestRealDocumentsThatWereServedAgain(t *testing.T) {
	src := tocsin.Source{ID: "src", URL: "https://publisher.example/feed"}
	read := func(name string) Document {
		for _, file := range corpus(t, "feeds-written") {
			if filepath.Base(file) == name {
				d, err := ParseFeed(src, fetch.Response{Body: unpacked(t, file), URL: src.URL})
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
		}
		t.Fatalf("the corpus has no %s", name)
		return Document{}
	}
	_, st, _ := Decide(State{}, src, read("guid-change.v1.rss"), noon)
	if got, _, _ := Decide(st, src, read("guid-change.v2-https.rss"), noon); len(got) > 0 {
		t.Errorf("http became https: %+v", got)
	}
	_, st, _ = Decide(State{}, src, read("gov-atom.v1.atom"), noon)
	if got, _, _ := Decide(st, src, read("gov-atom.v2-redated.atom"), noon); len(got) != 1 || got[0].Rev != 2 {
		t.Errorf("a title was dated: %+v, want revision 2", got)
	}
}
