package feeds

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"tocsin"
	"tocsin/feeds/fetch"
)

// TitleFromAddress is the tag of an entry whose title is not known: what stands
// for it are the words of its address.
const TitleFromAddress = "title-from-address"

const (
	maxListed   = 1000   // entries of a sitemap that are taken for its list: the newest
	maxLocs     = 50_000 // of a sitemap; its standard allows no more
	maxUnpacked = 16 << 20
)

// ParseSitemap reads a sitemap: of news, plain, or an index of others. Packed
// ones are told by their content. The list are the entries with the newest
// dates; the others are in Beyond, so that one without a date, or with a wrong
// one, can be found to be new all the same. The sitemaps that an index names are
// in More, newest first.
//
// Its cost is linear in the size of the body.
func ParseSitemap(src tocsin.Source, r fetch.Response) (doc Document, err error) {
	defer func() {
		if p := recover(); p != nil {
			doc, err = Document{}, fmt.Errorf("parse sitemap: %v; report this as a fault of tocsin", p)
		}
	}()
	n := &notes{}
	body := unpackSitemap(r.Body, n)
	text, encoding := decode(body, r.Type, src.Lang, n)
	text = bytes.TrimLeft(clean(text, n), " \t\r\n\ufeff")
	in := input{raw: r.Body, text: text, base: base(r), dates: newCalendar(src, r.At), notes: n}
	m := sitemap{input: in, locs: []Entry{}, seen: map[string]bool{}}
	if err := m.read(); err != nil {
		return Document{}, err
	}
	if m.cut && !r.Cut {
		n.once("ends before its end: %d entries are whole", len(m.locs))
	}
	doc = Document{Kind: "sitemap", Encoding: encoding, Cut: r.Cut || m.cut, More: m.more()}
	slices.SortStableFunc(m.locs, func(a, b Entry) int { return newest(b).Compare(newest(a)) })
	doc.Items, doc.Beyond = m.locs[:min(len(m.locs), maxListed)], m.locs[min(len(m.locs), maxListed):]
	entitle(doc.Items)
	if len(m.locs)+len(doc.More) == 0 {
		n.once("holds no entries")
	}
	doc.Feed.Link = r.URL
	doc.Repairs = n.sentences()
	return doc, nil
}

// newest is the latest that an entry says of its time.
func newest(e Entry) time.Time {
	if e.Published.After(e.Updated) {
		return e.Published
	}
	return e.Updated
}

func unpackSitemap(b []byte, n *notes) []byte {
	if !bytes.HasPrefix(b, []byte("\x1f\x8b")) {
		return b
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return b
	}
	out, err := io.ReadAll(io.LimitReader(z, maxUnpacked+1))
	switch {
	case len(out) > maxUnpacked:
		n.once("unpacks to more than %d MiB: what follows was not read", maxUnpacked>>20)
		return out[:maxUnpacked]
	case err != nil:
		n.once("cannot be unpacked to its end: %v", err)
	}
	return out
}

// A sitemap is one that is being read.
type sitemap struct {
	input
	locs     []Entry
	children []Entry         // of an index: URL and Updated
	seen     map[string]bool // addresses
	cut      bool
	dropped  int
}

// leaves are the elements that are read, by their names without prefix.
var leaves = map[string]bool{"loc": true, "lastmod": true, "title": true, "publication_date": true, "language": true, "name": false}

func (m *sitemap) read() error {
	s := newScanner(m.text, m.notes)
	root, in := "", ""       // the first element; url, sitemap or ""
	leaf, from := "", 0      // the leaf that is open, and where its text begins
	e, prefix := Entry{}, "" // of the leaf: "image" and "video" have titles and addresses of their own
	i := 0
	for {
		t, ok := s.next(i, len(m.text))
		if !ok {
			break
		}
		i = t.end
		if t.kind > endTag {
			continue
		}
		name := strings.ToLower(string(local(t.name)))
		space, _, _ := strings.Cut(strings.ToLower(string(t.name)), ":")
		if root == "" && t.kind == startTag {
			root = name
			if root != "urlset" && root != "sitemapindex" && root != "url" && root != "sitemap" {
				return m.noSitemap(string(t.name))
			}
		}
		switch {
		case name == "url" || name == "sitemap":
			if in != "" {
				m.add(in, e)
			}
			if e, in, leaf = (Entry{}), "", ""; t.kind == startTag && !t.empty {
				in = name
			}
		case name == "image" || name == "video" || space == "image" || space == "video" || space == "xhtml":
		case t.kind == startTag && leaves[name] && in != "" && !t.empty:
			leaf, from, prefix = name, t.end, space
		case t.kind == endTag && leaf == name && space == prefix:
			m.set(&e, leaf, m.text[from:t.start])
			leaf = ""
		case t.kind == endTag && (name == "urlset" || name == "sitemapindex"):
			if in != "" {
				m.add(in, e)
			}
			return nil
		}
	}
	if root == "" {
		return m.noSitemap("")
	}
	m.cut = true
	if in != "" && leaf == "" && e.URL != "" && newest(e) != (time.Time{}) {
		m.add(in, e)
	}
	return nil
}

func (m *sitemap) noSitemap(lead string) error {
	switch err := m.explain(lead); {
	case len(m.text) == 0:
		return errors.New("an empty document, not a sitemap: open the address in a browser; if it is empty there too, ask the publisher")
	case strings.EqualFold(lead, "rss") || strings.EqualFold(lead, "feed") || strings.EqualFold(lead, "rdf:rdf"):
		return errors.New("a feed, not a sitemap: give the source the kind feed")
	default:
		return errors.New(strings.Replace(err.Error(), "not a feed", "not a sitemap", 1))
	}
}

func (m *sitemap) set(e *Entry, leaf string, raw []byte) {
	said, _ := content(raw, m.notes)
	said = strings.TrimSpace(said)
	switch leaf {
	case "loc":
		if e.URL = m.address(m.base, said); len(e.URL) > maxShort {
			m.notes.add("left out an address that is too long")
			e.URL = ""
		}
	case "lastmod":
		e.Updated = m.date(said)
	case "publication_date":
		e.Published = m.date(said)
	case "title":
		e.Title = m.heading(plain(said))
	case "language":
		e.Lang = cutText(said, 35)
	}
}

func (m *sitemap) add(in string, e Entry) {
	if e.URL == "" || m.seen[e.URL] {
		return
	}
	if len(m.seen) >= maxLocs {
		if m.dropped++; m.dropped == 1 {
			m.notes.once("has more than %d entries: what follows was not read", maxLocs)
		}
		return
	}
	m.seen[e.URL] = true
	if in == "sitemap" {
		m.children = append(m.children, e)
		return
	}
	e.Authors, e.Tags = []string{}, []string{}
	m.locs = append(m.locs, e)
}

// more are the sitemaps of an index, newest first. Where none is dated, the
// first and the last are where sites put what is new.
func (m *sitemap) more() []string {
	c := m.children
	if len(c) > 3 && !slices.ContainsFunc(c, func(e Entry) bool { return !e.Updated.IsZero() }) {
		c = append([]Entry{c[len(c)-1], c[0]}, c[1:len(c)-1]...)
	}
	slices.SortStableFunc(c, func(a, b Entry) int {
		return cmp.Or(b.Updated.Compare(a.Updated), cmp.Compare(newsName(b.URL), newsName(a.URL)))
	})
	out := make([]string, 0, min(len(c), maxList))
	for _, e := range c[:min(len(c), maxList)] {
		out = append(out, e.URL)
	}
	return out
}

// newsName is 1 if a sitemap is called like one of news.
func newsName(address string) int {
	for _, w := range []string{"news", "press", "post", "article", "statement"} {
		if strings.Contains(strings.ToLower(address), w) {
			return 1
		}
	}
	return 0
}

// entitle gives the entries without a title one.
func entitle(entries []Entry) {
	for i := range entries {
		if e := &entries[i]; e.Title == "" {
			e.Title, e.Tags = titleOf(e.URL), []string{TitleFromAddress}
		}
	}
}

// titleOf is what the last part of an address with words in it says:
// "/news/joint-statement-on-arms_42.html" says "joint statement on arms 42". It
// is the address itself where there are none.
func titleOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return cutText(address, maxShort)
	}
	parts := strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' })
	for _, part := range slices.Backward(parts) {
		if dot := strings.LastIndexByte(part, '.'); dot > 0 && len(part)-dot <= 6 {
			part = part[:dot]
		}
		words := strings.FieldsFunc(strings.Map(printable, part), func(r rune) bool { return strings.ContainsRune("-_+.,~ ", r) })
		if said := strings.Join(words, " "); weight(strings.TrimFunc(said, unicode.IsDigit)) >= 6 && len(words) > 1 || weight(said) >= 9 && !strings.ContainsFunc(said, unicode.IsDigit) {
			return cutText(said, maxShort)
		}
	}
	return cutText(strings.Map(printable, u.Host+u.RequestURI()), maxShort)
}
