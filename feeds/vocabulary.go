package feeds

import "strings"

// A role says what an element holds and so how it is read.
type role byte

const (
	words   role = iota + 1 // text or HTML
	heading                 // the same on one line
	token                   // an id or a code: kept as it is
	moment                  // a date
	link                    // an address, as text or in href
	person                  // a name, as text or in <name>
	topic                   // a category
)

// vocabulary are the elements that are read, by prefix and lower-case name.
var vocabulary = map[string]role{
	"title": heading, "dc:title": heading, "media:title": heading,

	"description": words, "summary": words, "content": words, "body": words, "fullitem": words, "encoded": words,
	"content:encoded": words, "xhtml:body": words, "atom:summary": words, "atom:content": words,
	"dc:description": words, "media:description": words, "itunes:summary": words,

	"guid": token, "id": token, "language": token, "dc:language": token,

	"pubdate": moment, "lastbuilddate": moment, "published": moment, "issued": moment, "updated": moment, "modified": moment,
	"atom:published": moment, "atom:updated": moment, "dc:date": moment,
	"dcterms:issued": moment, "dcterms:created": moment, "dcterms:available": moment, "dcterms:modified": moment,

	"link": link, "atom:link": link,
	"author": person, "dc:creator": person, "itunes:author": person,
	"category": topic, "dc:subject": topic,
}

// spaces are the namespaces of the vocabulary in lower case, without the / or #
// at the end, about which feeds differ.
var spaces = map[string]string{
	"http://www.w3.org/2005/atom":                "atom",
	"http://purl.org/atom/ns":                    "atom",
	"http://purl.org/rss/1.0":                    "rss",
	"http://my.netscape.com/rdf/simple/0.9":      "rss",
	"http://channel.netscape.com/rdf/simple/0.9": "rss",
	"http://backend.userland.com/rss2":           "rss",
	"http://www.w3.org/1999/02/22-rdf-syntax-ns": "rdf",
	"http://purl.org/dc/elements/1.1":            "dc",
	"http://purl.org/dc/elements/1.0":            "dc",
	"http://purl.org/dc/terms":                   "dcterms",
	"http://purl.org/rss/1.0/modules/content":    "content",
	"http://search.yahoo.com/mrss":               "media",
	"http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
	"http://www.w3.org/1999/xhtml":               "xhtml",
}

// spaceOf is the prefix that the vocabulary has for a namespace, or "".
func spaceOf(uri string) string {
	if len(uri) > 64 {
		return ""
	}
	return spaces[strings.ToLower(strings.TrimRight(strings.TrimSpace(uri), "/#"))]
}
