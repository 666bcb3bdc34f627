package feeds

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// A kindSample is what the contract test needs of a kind: a document of two
// entries at least, and one that is the kind's and holds none.
type kindSample struct {
	good, empty string
	source      tocsin.Source
	void        bool // a document without entries is an error, not an empty document
}

const goodFeed = `<?xml version="1.0"?><rss version="2.0"><channel><title>Ministry</title><link>https://mfa.example/</link>
<item><title>First statement of the day</title><link>https://mfa.example/1</link><guid>1</guid><pubDate>Tue, 09 Jan 2024 10:00:00 +0000</pubDate></item>
<item><title>Second statement of the day</title><link>https://mfa.example/2</link><guid>2</guid></item></channel></rss>`

var kindSamples = map[string]kindSample{
	"feed":    {good: goodFeed, empty: `<rss version="2.0"><channel><title>Ministry</title></channel></rss>`},
	"page":    {good: honestPage(4 << 10), empty: `<html><body><p>There is nothing here yet.</p></body></html>`, void: true},
	"websub":  {good: goodFeed, empty: `<rss version="2.0"><channel><title>Ministry</title></channel></rss>`},
	"sitemap": {good: honestSitemap(4 << 10), empty: `<urlset></urlset>`},
}

// TestEveryKindKeepsTheContract: a kind reads what is whole and what is cut,
// says in one line what is none of its documents, gives the same for the same,
// changes nothing of what it is given, and makes entries that have a title or an
// address, absolute and of one line.
func TestEveryKindKeepsTheContract(t *testing.T) {
	for _, k := range Kinds {
		t.Run(k.Name, func(t *testing.T) {
			sample, ok := kindSamples[k.Name]
			if !ok {
				t.Fatal("no sample: add one to kindSamples")
			}
			src := sample.source
			src.ID, src.Kind, src.URL, src.Lang = "s", k.Name, "https://mfa.example/press", "en"
			read := func(body string) (Document, error) {
				r := fetch.Response{Body: []byte(body), URL: src.URL, At: time.Date(2024, 1, 10, 0, 0, 0, 0, time.UTC)}
				d, err := k.Parse(src, r)
				if string(r.Body) != body {
					t.Fatal("the body was changed")
				}
				harmless(t, "contract", d, err)
				return d, err
			}
			d, err := read(sample.good)
			if err != nil || len(d.Items) < 2 || d.Cut || len(d.Repairs) > 0 {
				t.Fatalf("a good document: %d entries, cut %v, %q, %v", len(d.Items), d.Cut, d.Repairs, err)
			}
			for _, e := range d.Items {
				if e.Title == "" || !isPage(e.URL) || strings.ContainsAny(e.Title+e.URL, "\n\t") || e.Authors == nil || e.Tags == nil {
					t.Errorf("entry %+v", e)
				}
			}
			again, _ := read(sample.good)
			a, _ := json.Marshal(d)
			b, _ := json.Marshal(again)
			if !bytes.Equal(a, b) {
				t.Error("the same document was read in two ways")
			}
			if d, err := read(sample.empty); sample.void != (err != nil) || len(d.Items) != 0 || d.Items == nil && err == nil {
				t.Errorf("an empty document: %+v, %v", d, err)
			}
			for n := range 40 {
				_, _ = read(sample.good[:len(sample.good)*n/40])
			}
			if d, err := read(sample.good[:len(sample.good)*3/4]); err != nil || len(d.Items) == 0 {
				t.Errorf("three quarters of a document: %d entries, %v", len(d.Items), err)
			}
			for _, other := range []string{"", "\x00\xff", "{}", "%PDF-1.7", "plain words", "<html><title>Access denied</title><p>Request blocked. captcha</p></html>"} {
				if d, err := read(other); err == nil && len(d.Items) > 0 {
					t.Errorf("%q: read as %d entries", other, len(d.Items))
				} else if err == nil || len(err.Error()) < 20 {
					t.Errorf("%q: %v, want an error that says what it is", other, err)
				}
			}
		})
	}
}
