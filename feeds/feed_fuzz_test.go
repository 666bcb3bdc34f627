package feeds

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// grammar are the pieces of which fuzzed documents are made: what feeds consist
// of, whole and broken, and what has cost parsers dear.
var grammar = []string{
	"<rss>", "</rss>", "<channel>", "</channel>", "<item>", "</item>", "<feed>", "</feed>", "<entry>", "</entry>", "<rdf:RDF>", "<item/>",
	"<title>", "</title>", "<link>", "</link>", "<link href='a'/>", "<guid isPermaLink='false'>", "</guid>", "<id>", "</id>", "<pubDate>", "</pubDate>", "<updated>", "</updated>",
	"<description>", "</description>", "<content type='html'>", "<content type='xhtml'>", "</content>", "<content:encoded>", "</content:encoded>", "<author>", "</author>", "<name>", "</name>",
	"<category term='a'/>", "<dc:date>", "</dc:date>", "<media:group>", "</media:group>", "<x:a>", "</x:a>", "<b>", "</b>", "<p>", "<br>", "<script>", "</script>",
	"<![CDATA[", "]]>", "<!--", "-->", "<?xml version='1.0' encoding='koi8-r'?>", "<?", "?>", "<!DOCTYPE a [", "]>", "<!ENTITY a 'b'>", "<", ">", "&", ";", "\"", "'", "=", "/", "</", "<a ", "<a b=\"",
	"xmlns:a='u'", "xml:base='b/'", "xml:lang='fr'", " xmlns='http://www.w3.org/2005/Atom'", "&amp;", "&lt;", "&lt;p&gt;", "&eacute;", "&#x0;", "&#146;", "&nbsp;",
	"text ", "Ракета ", "弾道 ", "2024-01-10 09:00", "Wed, 10 Jan 2024 12:30:00 +0300", "03/04/2024", "10 листопада", "۱۴۰۳/۰۶/۱۸", "/a/b", "https://a.example/", "javascript:x", "\n", "\x00", "\x0b", "\xff", "\xe9", "\ufffe",
	"{", "}", "[", "]", "\"items\":[", "\"id\":", "\"title\":\"a\",", ":", ",", "\\", "{\"id\":1},",
}

// document makes a document of the pieces that program names. A piece is a byte
// below 0x80; a byte from 0x80 on repeats the pieces since the last such byte, as
// often as scale says.
func document(program []byte, scale int) []byte { return assembled(grammar, program, scale) }

func assembled(grammar []string, program []byte, scale int) []byte {
	var out bytes.Buffer
	mark := 0
	for _, op := range program {
		if op < 0x80 {
			out.WriteString(grammar[int(op)%len(grammar)])
			continue
		}
		run := bytes.Clone(out.Bytes()[mark:])
		for i := 0; i < scale*int(op-0x7f) && out.Len()+len(run) <= maxFuzzed; i++ {
			out.Write(run)
		}
		mark = out.Len()
	}
	return out.Bytes()
}

const maxFuzzed = 128 << 10

// program is the shortest that makes a document of the given pieces.
func program(pieces ...string) (out []byte) {
	for _, p := range pieces {
		if p == "*" {
			out = append(out, 0xff)
			continue
		}
		found := false
		for i, g := range grammar {
			if g == p && !found {
				out, found = append(out, byte(i)), true
			}
		}
		if !found {
			panic(fmt.Sprintf("no piece %q", p))
		}
	}
	return out
}

func FuzzParseFeed(f *testing.F) {
	for _, seed := range []string{
		"<rss> <channel> <item> <title> text  </title> <link> /a/b </link> </item> * </channel> </rss>",
		"<rss> <channel> <x:a> *",
		"<rss> <channel> <x:a> text  <!-- --> * </x:a>",
		"<feed> <entry> <title> &amp; </title> <link href='a'/> <updated> 03/04/2024 </updated> </entry> *",
		"<feed> <entry> <content type='xhtml'> <p> <b> * </content>",
		"<rss> <item> <description> <![CDATA[ <p> text  * ]]> </description>",
		"<rss> <item> <![CDATA[ </item> * ]]>",
		"<rss> <item> <pubDate> 10 листопада * </pubDate>",
		"<rss> <item> <a b=\" * <title>",
		"<rss> <item> <title> &lt;p&gt; * </title> </item>",
		"{ \"items\":[ {\"id\":1}, * ] }",
		"{ \"items\":[ [ *",
		"<?xml version='1.0' encoding='koi8-r'?> <rss> <item> <title> \xe9 * </title> </item>",
	} {
		var pieces []string
		rest := seed + " "
		for rest != "" {
			p := longestPiece(rest)
			pieces = append(pieces, p)
			rest = strings.TrimPrefix(rest[len(p):], " ")
		}
		f.Add(program(pieces...), uint8(20))
	}
	f.Fuzz(func(t *testing.T, program []byte, scale uint8) {
		if len(program) > 512 {
			return
		}
		cost(t, "fuzzed", document(program, int(scale)))
	})
}

func longestPiece(s string) string {
	best := s[:1]
	for _, g := range grammar {
		if len(g) > len(best) && strings.HasPrefix(s, g) {
			best = g
		}
	}
	return best
}
