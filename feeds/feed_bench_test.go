//go:build unix

package feeds

import (
	"fmt"
	"html"
	"strings"
	"syscall"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// feedOf is a feed of n entries of about 2.2 KB each, as content systems write
// them: a summary, and for two of three entries the content as HTML.
func feedOf(kind string, n int) []byte {
	words := strings.Fields("the ministers discussed transfer of équipement between states while осуждаем поставку ракет and 弾道ミサイル were named in paragraph four of resolution 2231 adopted by the Council")
	text := func(seed, count int) string {
		var b strings.Builder
		for i := range count {
			b.WriteString(words[(seed*7+i*(1+seed%5))%len(words)])
			b.WriteByte(' ')
		}
		return b.String()
	}
	content := func(i int) string {
		var b strings.Builder
		for p := range 6 {
			fmt.Fprintf(&b, "<p>%s<a href=\"https://mfa.example/x/%d\">%s</a> &amp; <strong>%s</strong></p>\n", text(i+p, 28), i, text(i, 3), text(p, 2))
		}
		return b.String()
	}
	var b strings.Builder
	if kind == "rss" {
		b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:slash="http://purl.org/rss/1.0/modules/slash/"><channel><title>Ministry</title><link>https://mfa.example/</link><description>News</description><language>en</language>`)
	} else {
		b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title>Ministry</title><id>https://mfa.example/</id><link rel="alternate" href="https://mfa.example/"/><updated>2026-03-01T10:00:00Z</updated>`)
	}
	for i := range n {
		full := ""
		if i%3 != 0 {
			full = content(i)
		}
		if kind == "rss" {
			fmt.Fprintf(&b, "<item>\n<title>%s</title>\n<link>https://mfa.example/news/%d</link>\n<dc:creator><![CDATA[Press office]]></dc:creator>\n<pubDate>Sun, 01 Mar 2026 10:%02d:00 +0000</pubDate>\n<category><![CDATA[Statements]]></category>\n<guid isPermaLink=\"false\">https://mfa.example/?p=%d</guid>\n<description><![CDATA[<p>%s</p>]]></description>\n<content:encoded><![CDATA[%s]]></content:encoded>\n<slash:comments>0</slash:comments>\n</item>\n", text(i, 9), i, i%60, i, text(i, 40), full)
		} else {
			fmt.Fprintf(&b, "<entry>\n<title>%s</title>\n<link rel=\"alternate\" type=\"text/html\" href=\"https://mfa.example/news/%d\"/>\n<id>tag:mfa.example,2026:%d</id>\n<published>2026-03-01T10:%02d:00Z</published>\n<updated>2026-03-01T11:%02d:00Z</updated>\n<author><name>Press office</name></author>\n<category term=\"Statements\"/>\n<summary type=\"html\">%s</summary>\n<content type=\"html\">%s</content>\n</entry>\n", text(i, 9), i, i, i%60, i%60, html.EscapeString("<p>"+text(i, 40)+"</p>"), html.EscapeString(full))
		}
	}
	if kind == "rss" {
		b.WriteString("</channel></rss>")
	} else {
		b.WriteString("</feed>")
	}
	return []byte(b.String())
}

// cpu is the processor time that this process has used, garbage collection
// included.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkParseFeed(b *testing.B) {
	for _, kind := range []string{"rss", "atom"} {
		b.Run(kind, func(b *testing.B) {
			body := feedOf(kind, 40)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			start := cpu()
			for b.Loop() {
				doc, err := ParseFeed(tocsin.Source{}, fetch.Response{Body: body})
				if err != nil || len(doc.Items) != 40 {
					b.Fatal(err, len(doc.Items))
				}
			}
			b.ReportMetric(float64(cpu()-start)/1e6/float64(b.N), "cpu-ms/op")
		})
	}
}
