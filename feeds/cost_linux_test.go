package feeds

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds/extract"
	"tocsin/feeds/fetch"
)

// A reader is something that reads what others write.
type reader struct {
	name   string
	read   func(body string)
	honest func(n int) string
	others []map[string]func(n int) string
	pieces []string // of its grammar
}

var (
	markupPieces = []string{
		"<div>", "</div>", "<p class='a b'>", "<a href='/x'>", "</a>", "words of a text ", "<b>", "<i>", "</b>", "<table><tr><td>", "</td>", "<ul><li>", "</ul>", "<br>", "&amp;", "&", "<", "<!--", "-->",
		"<script>", "</script>", "<style>", "<svg>", "<math>", "<select>", "<option>", "<h2>", "<form>", "<template>", "<textarea>", "<title>", "<link rel=hub href=/h>", "<meta name=a content=b>", "1.2.2024 ", "\x00", "é", "<p>", "\"", "<a b=\"", "<iframe>", "<noscript>", "<frameset>", "<button>", "<nobr>", "<dd>",
	}
	feedPieces = []string{
		"<item>", "</item>", "<entry>", "</entry>", "<title>", "</title>", "<link href='a' rel='hub'/>", "<link>", "</link>", "<x:a>", "</x:a>", "<![CDATA[", "]]>", "<!--", "-->", "<?a", "?>", "&lt;p&gt;", "&amp;", "&", "<", "words ", "<pubDate>1 Jan 2024</pubDate>", "<guid>a</guid>",
		"<description>", "</description>", "<content type='xhtml'>", "</content>", " xmlns:a='b' ", "<a b=\"", "'", "é", "\x01", "<channel>", "</channel>", "<url>", "<loc>", "https://a.b/c", "</loc>", "</url>", "<lastmod>2024</lastmod>", "<sitemap>", "<outline text='a' xmlUrl='https://a.b/c'>", "<outline>", "</outline>", "<!DOCTYPE a [", "<!ENTITY a 'b'>", "xml:base='b/'", "<category>a</category>",
	}
	jsonPieces = []string{`{`, `}`, `[`, `]`, `"id":"1",`, `"a"`, `:`, `,`, `\"`, `\\`, `"`, `"tags":[`, `1e999`, `{"id":1},`, `"\ud800"`, "\n", `"authors":[{"name":"a"}],`, `null`, `"content_html":"<p>`, `"items":[`}
)

func honestFeed(n int) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><link>https://a.example/</link>`)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "<item><title>The minister answers question %d</title><link>https://a.example/%d</link><guid>%d</guid><pubDate>Wed, %02d Jan 2024 10:00:00 +0100</pubDate><description>&lt;p&gt;What was said on the matter, in short.&lt;/p&gt;</description></item>\n", i, i, i, i%28+1)
	}
	return b.String() + "</channel></rss>"
}

func honestJSON(n int) string {
	var b strings.Builder
	b.WriteString(`{"version":"https://jsonfeed.org/version/1.1","title":"News","items":[`)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"id":"%d","url":"https://a.example/%d","title":"The minister answers","content_html":"<p>What was said on the matter.</p>","date_published":"2024-01-10T10:00:00Z"},`, i, i)
	}
	return b.String() + `{"id":"last"}]}`
}

func honestOPML(n int) string {
	var b strings.Builder
	b.WriteString(`<opml version="2.0"><head><title>Sources</title></head><body><outline text="Ministries">`)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `<outline type="rss" text="Ministry %d" title="Ministry %d" xmlUrl="https://host%d.example/feed" htmlUrl="https://host%d.example/"/>`+"\n", i, i, i, i)
	}
	return b.String() + `</outline></body></opml>`
}

// honestArticle is a page of one long text.
func honestArticle(n int) string {
	var b strings.Builder
	b.WriteString(`<html lang="en"><head><title>Statement</title></head><body><nav><a href="/">Home</a></nav><article><h1>Statement</h1>`)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "<p>In the %dth part, the ministers recalled what they had agreed, <a href='/%d'>said</a> what they expect, and thanked all who took part in it.</p>\n", i, i)
	}
	return b.String() + `</article></body></html>`
}

func readers() []reader {
	at := func(body string) fetch.Response {
		return fetch.Response{Body: []byte(body), URL: "https://mfa.example/press"}
	}
	kind := func(parse func(tocsin.Source, fetch.Response) (Document, error), s tocsin.Source) func(string) {
		return func(body string) { _, _ = parse(s, at(body)) }
	}
	older := func(body string) { olderThan(at(body)) }
	hubs := func(body string) { findHubs(tocsin.Source{URL: "https://mfa.example/press"}, at(body)) }
	probe := func(body string) {
		Probe(context.Background(), "https://mfa.example/press", func(_ context.Context, u string) (fetch.Response, error) {
			if u != "https://mfa.example/press" {
				return fetch.Response{}, &fetch.Error{Kind: fetch.KindStatus, Status: 404, Err: errors.New("not found")}
			}
			return at(body), nil
		})
	}
	type families = []map[string]func(int) string
	return []reader{
		{"feed", kind(ParseFeed, tocsin.Source{}), honestFeed, families{hostile}, feedPieces},
		{"JSON feed", kind(ParseFeed, tocsin.Source{}), honestJSON, families{jsonOf(hostile)}, jsonPieces},
		{"page, found out", hostileKindOf(0), honestPage, families{hostilePages}, markupPieces},
		{"page, CSS", hostileKindOf(1), honestPage, families{hostilePages}, markupPieces},
		{"page, XPath", hostileKindOf(2), honestPage, families{hostilePages}, markupPieces},
		{"sitemap", hostileKindOf(3), honestSitemap, families{hostileSitemaps}, feedPieces},
		{"older pages", older, honestFeed, families{hostile, hostilePages}, feedPieces},
		{"hubs of a feed", hubs, honestFeed, families{hostile}, feedPieces},
		{"hubs of a page", hubs, honestPage, families{hostilePages}, markupPieces},
		{"OPML", func(body string) { _, _, _ = ReadOPML([]byte(body)) }, honestOPML, families{hostile, hostilePages}, feedPieces},
		{"probe", probe, honestPage, families{hostilePages, hostile}, markupPieces},
		{"full text", func(body string) { _, _ = extract.Read(body, "https://mfa.example/press") }, honestArticle, families{hostilePages}, markupPieces},
	}
}

func hostileKindOf(i int) func(string) {
	k := hostileKinds[i]
	return func(body string) {
		_, _ = k.parse(k.source, fetch.Response{Body: []byte(body), URL: "https://mfa.example/press"})
	}
}

func jsonOf(all map[string]func(int) string) map[string]func(int) string {
	out := map[string]func(int) string{}
	for name, f := range all {
		if strings.HasPrefix(name, "JSON") {
			out[name] = f
		}
	}
	return out
}

// sentence is a document of about n bytes by a grammar that seed chooses: few
// pieces, in series, nested or mixed at random.
func sentence(pieces []string, seed uint64, n int) string {
	rng := rand.New(rand.NewPCG(seed, 1))
	some := make([]string, 1+rng.IntN(6))
	for i := range some {
		some[i] = pieces[rng.IntN(len(pieces))]
	}
	unit := strings.Join(some, "")
	var b strings.Builder
	if rng.IntN(2) == 0 {
		b.WriteString(pieces[0])
	}
	switch rng.IntN(3) {
	case 0:
		b.WriteString(strings.Repeat(unit, n/len(unit)))
	case 1:
		half := len(unit) / 2
		b.WriteString(strings.Repeat(unit[:half+1], n/(len(unit)+1)))
		b.WriteString(strings.Repeat(unit[half:], n/(len(unit)+1)))
	default:
		for b.Len() < n {
			b.WriteString(some[rng.IntN(len(some))])
		}
	}
	return b.String()
}

// TestWhatHostileDocumentsCost prints for each reader the CPU time and memory of
// the worst document beside an honest one of the same size, in KiB, that
// TOCSIN_HOSTILE_KIB names, over all families and TOCSIN_SEEDS sentences.
// TOCSIN_READER and TOCSIN_FAMILY name one of them.
func TestWhatHostileDocumentsCost(t *testing.T) {
	kib, err := strconv.Atoi(os.Getenv("TOCSIN_HOSTILE_KIB"))
	if err != nil {
		t.Skip("TOCSIN_HOSTILE_KIB is unset: what hostile documents cost is not measured")
	}
	seeds, _ := strconv.Atoi(os.Getenv("TOCSIN_SEEDS"))
	n := kib << 10
	only, family := os.Getenv("TOCSIN_READER"), os.Getenv("TOCSIN_FAMILY")
	feed, _ := spent(readers()[0].read, honestFeed(n), 3)
	for _, r := range readers() {
		if only != "" && r.name != only {
			continue
		}
		base, honest := spent(r.read, r.honest(n), 3)
		worst, most, growth, tried := 0.0, "", uint64(0), 0
		try := func(name string, body string) {
			tried++
			size := max(1, float64(len(body))/float64(n)) // some are longer than they were asked to be
			d, grown := spent(r.read, body, 1)
			if d > 2*base {
				d, _ = spent(r.read, body, 3)
			}
			if cost := d.Seconds() / size; cost > worst {
				worst, most = cost, name
			}
			growth = max(growth, uint64(float64(grown)/size))
		}
		for _, some := range r.others {
			for name, make := range some {
				if family == "" || name == family {
					try(name, make(n))
				}
			}
		}
		for seed := range uint64(seeds) {
			try(fmt.Sprint("seed ", seed), sentence(r.pieces, seed, n))
		}
		t.Logf("%-15s %5d KiB: honest %6.1f ms, %3d MiB; worst of %d documents %6.1f ms, %4.1f times (%4.1f times an honest feed): %s; most memory %3d MiB",
			r.name, kib, base.Seconds()*1e3, honest>>20, tried, worst*1e3, worst/base.Seconds(), worst/feed.Seconds(), most, growth>>20)
	}
}

// spent is the least CPU time that read takes, and the most by which the heap
// grows.
func spent(read func(string), body string, times int) (cpu time.Duration, grown uint64) {
	cpu = time.Hour
	for range times {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		before, done := m.HeapAlloc, atomic.Bool{}
		peak := make(chan uint64)
		go func() {
			most := uint64(0)
			for !done.Load() {
				most = max(most, onHeap())
				time.Sleep(2 * time.Millisecond)
			}
			peak <- most
		}()
		begun := cpuTime()
		read(body)
		cpu = min(cpu, cpuTime()-begun)
		done.Store(true)
		if most := <-peak; most > before {
			grown = max(grown, most-before)
		}
	}
	return cpu, grown
}

// onHeap is what the heap holds, read without stopping the world.
func onHeap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
