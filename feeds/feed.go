package feeds

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mmcdole/gofeed/atom"
	ext "github.com/mmcdole/gofeed/extensions"
	"github.com/mmcdole/gofeed/rss"

	"tocsin"
	"tocsin/feeds/fetch"
)

// ParseFeed reads RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0, and JSON Feed. It
// reads what can be read of a document that is cut, wrongly encoded or not well
// formed, and says in Document.Repairs what it did. An error means that the body
// is no feed, says in one line what it is, and what a person can do.
//
// Its cost is linear in the size of the body, whatever the body is.
func ParseFeed(src tocsin.Source, r fetch.Response) (doc Document, err error) {
	return parseFeed(src, r, nil)
}

func parseFeed(src tocsin.Source, r fetch.Response, m *memo) (doc Document, err error) {
	defer func() {
		if p := recover(); p != nil {
			doc, err = Document{}, fmt.Errorf("parse feed: %v; report this as a fault of tocsin", p)
		}
	}()
	n := &notes{}
	body, encoding := decode(r.Body, r.Type, src.Lang, n)
	text := bytes.TrimLeft(clean(body, n), " \t\r\n\ufeff")
	in := input{raw: r.Body, text: text, base: base(r), dates: newCalendar(src, r.At), notes: n, memo: m}
	if doc, err = in.read(); err != nil {
		return Document{}, err
	}
	doc.Encoding = encoding
	if r.Cut && !doc.Cut {
		doc.Cut = true
		n.once("the transfer broke off: entries may be missing")
	}
	doc.Items = slices.DeleteFunc(doc.Items, func(e Entry) bool {
		void := e.recalled == nil && e.GUID == "" && e.URL == "" && e.Title == "" && e.Summary == "" && e.Text == ""
		if void {
			n.add("left out an entry without text, address and id")
		}
		return void
	})
	if len(doc.Items) == 0 {
		n.addLike("holds no entries", in.comment())
	}
	doc.Repairs = n.sentences()
	return doc, nil
}

func (in input) read() (Document, error) {
	if len(in.text) == 0 || in.text[0] != '{' && in.text[0] != '[' {
		return in.xml()
	}
	doc, err := in.json()
	if err != nil && bytes.Contains(in.text, []byte("<?xml")) {
		return in.xml() // a warning of the server stands before it
	}
	return doc, err
}

func base(r fetch.Response) *url.URL { return resolve(resolve(nil, r.URL), r.Location) }

// errHostile is about documents that would take too long to read.
var errHostile = errors.New("refuse the document: its markup is nested or left open so often that reading it would take too long; report it to the publisher, or disable the source")

func (in input) xml() (Document, error) {
	s := newScanner(in.text, in.notes)
	o, ok := s.root()
	if ok {
		o = s.outline(o)
	}
	if s.work < 0 {
		return Document{}, errHostile
	}
	if !ok || len(o.blocks) == 0 && (o.lead != "" || foreignRDF(o.root)) {
		return Document{}, in.explain(o.lead)
	}
	in.outlined(o)
	k := in.skeleton(s, o)
	if s.work < 0 {
		return Document{}, errHostile
	}
	doc := Document{Kind: o.kind, Cut: o.cut, hints: k.hints}
	var err error
	if o.kind == "atom" {
		err = k.atom(&doc)
	} else {
		err = k.rss(&doc)
	}
	if err == nil {
		k.weave(&doc)
	}
	return doc, err
}

// comment is the first comment of a document: servers say there why it is empty.
func (in input) comment() string {
	_, rest, ok := bytes.Cut(in.text, []byte("<!--"))
	text, _, closed := bytes.Cut(rest, []byte("-->"))
	if !ok || !closed {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// foreignRDF reports whether an RDF document without entries is none of RSS.
func foreignRDF(root tag) bool {
	return bytes.EqualFold(local(root.name), []byte("rdf")) && !bytes.Contains(bytes.ToLower(root.attrs), []byte("/rss/1.0/")) && !bytes.Contains(bytes.ToLower(root.attrs), []byte("/rdf/simple/0.9"))
}

// outlined notes what is amiss with the document as a whole.
func (in input) outlined(o outline) {
	n := in.notes
	before := in.text[:o.root.start]
	if bytes.Contains(before[:min(len(before), 256)], []byte(`version="1.1"`)) && bytes.HasPrefix(before, []byte("<?xml")) {
		n.once("XML 1.1 was read as XML 1.0")
	}
	switch strings.ToLower(o.lead) {
	case "html", "head", "body":
		n.once("the feed stands inside an HTML page")
	}
	if lead := leadText(before); lead != "" {
		n.once("left out text before the feed: %s", short(lead))
	}
	if strings.EqualFold(string(o.root.name), "channel") {
		n.once("has no rss element around its channel")
	}
	if o.left > 0 {
		n.once("has %d entries: read the first and last %d, left out %d between", o.left+len(o.blocks), maxEntries/2, o.left)
	}
	if o.within {
		n.once("ends within an entry, which was left out: %d entries before it are whole", len(o.blocks)+o.left)
	} else if o.cut {
		n.once("ends before its last tag: entries may be missing")
	}
}

// leadText is the text before a feed's root.
func leadText(b []byte) string {
	b = b[:min(len(b), 64<<10)]
	var out strings.Builder
	s := newScanner(b, nil)
	for i := 0; ; {
		t, ok := s.next(i, len(b))
		if !ok {
			out.Write(b[i:])
			return oneLine(plain(out.String()))
		}
		out.Write(b[i:t.start])
		i = t.end
	}
}

func (k *skeleton) rss(doc *Document) error {
	f, err := new(rss.Parser).Parse(bytes.NewReader(k.xml))
	if err != nil {
		return fmt.Errorf("read the feed's skeleton: %w", err)
	}
	if len(f.Items) != len(k.entries) {
		return fmt.Errorf("read the feed's skeleton: %d of %d entries", len(f.Items), len(k.entries))
	}
	doc.Feed = Feed{
		Title:   k.said(f.Title),
		Link:    cmp.Or(k.said(f.Link), k.linkIn(f.Extensions, "alternate")),
		Lang:    cmp.Or(k.said(f.Language), k.dc(f.Extensions, "language"), k.head.lang),
		Updated: cmp.Or(when(f.LastBuildDateParsed), when(f.PubDateParsed), moments(f.Extensions, "dc", "date"), moments(f.Extensions, "atom", "updated")),
	}
	doc.Items = make([]Entry, len(f.Items))
	for i, item := range f.Items {
		doc.Items[i] = k.item(item, k.entries[i], doc.Feed.Lang)
	}
	return nil
}

// item maps an entry of RSS. What is only an extension counts where RSS itself
// says nothing.
func (k *skeleton) item(item *rss.Item, o origin, lang string) Entry {
	x := item.Extensions
	custom := func(names ...string) string {
		for _, name := range names {
			if s := k.said(item.Custom[name]); s != "" {
				return s
			}
		}
		return ""
	}
	e := Entry{
		GUID:  cmp.Or(o.about, custom("id")),
		URL:   cmp.Or(k.said(item.Link), k.linkIn(x, "alternate")),
		Title: cmp.Or(k.said(item.Title), k.ext(x, "dc", "title"), k.ext(x, "media", "title")),
		Text:  cmp.Or(k.said(item.Content), custom("encoded", "content", "body", "fullitem"), k.ext(x, "xhtml", "body"), k.ext(x, "atom", "content")),
		Summary: cmp.Or(k.said(item.Description), custom("summary"), k.dc(x, "description"), k.ext(x, "atom", "summary"),
			k.ext(x, "media", "description"), k.ext(x, "itunes", "summary")),
		Published: cmp.Or(when(item.PubDateParsed), moments(x, "dc", "date"), moments(x, "dcterms", "issued", "available", "created"), moments(x, "atom", "published")),
		Updated:   cmp.Or(moments(x, "dcterms", "modified"), moments(x, "atom", "updated")),
		Lang:      cmp.Or(o.lang, k.dc(x, "language"), lang),
	}
	if item.GUID != nil {
		e.GUID = cmp.Or(k.said(item.GUID.Value), e.GUID)
		if item.GUID.IsPermalink != "false" && e.URL == "" && isPage(e.GUID) {
			e.URL = e.GUID
		}
	}
	if e.URL == "" && isPage(o.about) {
		e.URL = o.about
	}
	e.Authors = k.list(item.Author, k.all(x, "dc", "creator"), k.all(x, "itunes", "author"))
	var tags []string
	for _, c := range item.Categories {
		tags = append(tags, c.Value)
	}
	e.Tags = k.list("", tags, k.all(x, "dc", "subject"))
	return e
}

func (k *skeleton) atom(doc *Document) error {
	f, err := new(atom.Parser).Parse(bytes.NewReader(k.xml))
	if err != nil {
		return fmt.Errorf("read the feed's skeleton: %w", err)
	}
	if len(f.Entries) != len(k.entries) {
		return fmt.Errorf("read the feed's skeleton: %d of %d entries", len(f.Entries), len(k.entries))
	}
	doc.Feed = Feed{
		Title:   k.said(f.Title),
		Link:    k.alternate(f.Links),
		Lang:    cmp.Or(k.head.lang, k.dc(f.Extensions, "language")),
		Updated: cmp.Or(when(f.UpdatedParsed), moments(f.Extensions, "dc", "date")),
	}
	authors := k.people(f.Authors)
	doc.Items = make([]Entry, len(f.Entries))
	for i, entry := range f.Entries {
		doc.Items[i] = k.atomEntry(entry, k.entries[i], doc.Feed.Lang)
		if len(doc.Items[i].Authors) == 0 {
			doc.Items[i].Authors = slices.Clone(authors)
		}
	}
	return nil
}

func (k *skeleton) atomEntry(entry *atom.Entry, o origin, lang string) Entry {
	x := entry.Extensions
	e := Entry{
		GUID:      k.said(entry.ID),
		URL:       k.alternate(entry.Links),
		Title:     cmp.Or(k.said(entry.Title), k.ext(x, "dc", "title"), k.ext(x, "media", "title")),
		Summary:   cmp.Or(k.said(entry.Summary), k.ext(x, "media", "description"), k.dc(x, "description")),
		Text:      k.ext(x, "content", "encoded"),
		Published: cmp.Or(when(entry.PublishedParsed), moments(x, "dc", "date"), moments(x, "dcterms", "issued", "created")),
		Updated:   cmp.Or(when(entry.UpdatedParsed), moments(x, "dcterms", "modified")),
		Lang:      cmp.Or(o.lang, k.dc(x, "language"), lang),
		Authors:   k.people(entry.Authors),
	}
	if entry.Content != nil {
		e.Text = cmp.Or(k.said(entry.Content.Value), e.Text)
	}
	if len(e.Authors) == 0 {
		e.Authors = k.list("", k.all(x, "dc", "creator"))
	}
	var tags []string
	for _, c := range entry.Categories {
		tags = append(tags, c.Term)
	}
	e.Tags = k.list("", tags, k.all(x, "dc", "subject"))
	return e
}

// alternate is the address of the page, of HTML if there are several.
func (k *skeleton) alternate(links []*atom.Link) string {
	first := ""
	for _, l := range links {
		switch {
		case l.Rel != "alternate":
		case l.Type != "":
			return k.said(l.Href)
		case first == "":
			first = k.said(l.Href)
		}
	}
	return first
}

func (k *skeleton) people(people []*atom.Person) []string {
	var names []string
	for _, p := range people {
		names = append(names, p.Name)
	}
	return k.list("", names)
}

// list are the texts of numbers, each once; never nil.
func (k *skeleton) list(first string, more ...[]string) []string {
	out := []string{}
	for _, number := range slices.Concat(append([][]string{{first}}, more...)...) {
		if s := k.said(number); s != "" && !slices.Contains(out, s) && len(out) < maxList {
			out = append(out, s)
		}
	}
	return out
}

// all are the values of the extension elements of one name.
func (k *skeleton) all(x ext.Extensions, space, name string) []string {
	var out []string
	for _, e := range x[space][name] {
		out = append(out, e.Value)
	}
	return out
}

// ext is the text of the first extension element of a name that has one.
func (k *skeleton) ext(x ext.Extensions, space, name string) string {
	for _, e := range x[space][name] {
		if s := k.said(e.Value); s != "" {
			return s
		}
	}
	return ""
}

func (k *skeleton) dc(x ext.Extensions, name string) string { return k.ext(x, "dc", name) }

func (k *skeleton) linkIn(x ext.Extensions, rel string) string {
	for _, e := range x["atom"]["link"] {
		if e.Attrs["rel"] == rel {
			return k.said(e.Attrs["href"])
		}
	}
	return ""
}

// moments is the date in the first of the named extension elements.
func moments(x ext.Extensions, space string, names ...string) time.Time {
	for _, name := range names {
		for _, e := range x[space][name] {
			if t, err := time.Parse(time.RFC3339, e.Value); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

func when(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
