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

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"tocsin"
	"tocsin/feeds/fetch"
)

// A LayoutError says that a page is a page but that its entries are not where
// they were said to be, or cannot be told from the rest of it.
type LayoutError struct {
	Why  string // what was looked for, and what to do next
	Last int    // entries of the last page on which they were found; 0 if none is known
}

func (e *LayoutError) Error() string {
	if e.Last > 0 {
		return fmt.Sprintf("%s; the last good page had %d entries", e.Why, e.Last)
	}
	return e.Why
}

// foundWithout is the repair of a page of the directory. It alone is no trouble:
// whoever runs this can do nothing about it but what is done.
const foundWithout = "the selectors of the directory find nothing: the list was found without them"

const (
	maxPage   = 2 << 20 // bytes of a page that are read: an honest one has 200 KB
	maxRows   = 1000    // entries of a page: the first
	maxRow    = 2 << 10 // bytes of an entry in which a date is looked for
	nodeWork  = 50      // steps of selectors for each element of a page; classes need 5
	leastWork = 1 << 20 // and for any page
)

// ParsePage reads a page that lists entries, by the selectors of the source's
// Listing or, without any, by the block that repeats. It keeps title, address
// and date of each: what else stands in a list is seldom the statement's own.
//
// Its cost is linear in the size of the body.
func ParsePage(src tocsin.Source, r fetch.Response) (doc Document, err error) {
	defer func() {
		if p := recover(); p != nil {
			doc, err = Document{}, fmt.Errorf("parse page: %v; report this as a fault of tocsin", p)
		}
	}()
	sel, err := compileListing(src.Listing)
	if err != nil {
		return Document{}, err
	}
	n := &notes{}
	raw := r.Body[:min(len(r.Body), 2*maxPage)] // decoding costs more than reading
	body, encoding := decode(raw, contentType(r.Type, raw), src.Lang, n)
	if err := noPage(raw, body); err != nil {
		return Document{}, err
	}
	long := len(body) > maxPage || len(raw) < len(r.Body)
	if long {
		n.once("has more than %d MiB: what follows was not read", maxPage>>20)
		body = body[:min(len(body), maxPage)]
	}
	t := parseTree(body)
	p := pageReader{tree: t, listing: sel, dates: newCalendar(src, r.At), own: base(r), meter: nodeWork*t.nodes + leastWork}
	p.base = resolve(p.own, t.base)
	if p.dates.lang == "" {
		p.dates.lang, _, _ = strings.Cut(strings.ToLower(t.lang), "-")
	}
	entries, others, err := p.entries(src.Listing.Entry)
	if _, gone := errors.AsType[*LayoutError](err); gone && src.Builtin && sel.entry != nil {
		// Nobody here can mend what the directory says: a list that stands out is better than none.
		p.listing = listing{}
		if found, more, none := p.entries(""); none == nil {
			entries, others, err = found, more, nil
			n.once(foundWithout)
		}
	}
	if err != nil {
		return Document{}, err
	}
	if t.cut {
		n.once("has more than %d elements: what follows was not read", maxNodes)
	}
	if len(entries) == maxRows {
		n.once("has more than %d entries: read the first", maxRows-1)
	}
	doc = Document{Kind: "page", Encoding: encoding, Repairs: n.sentences(), Cut: r.Cut || t.cut || long, Items: entries, Others: others}
	doc.Feed = Feed{Title: cutText(oneLine(strings.TrimSpace(t.title)), maxShort), Lang: cutText(t.lang, 35)}
	if p.own != nil {
		doc.Feed.Link = p.own.String()
	}
	return doc, nil
}

// noPage says what a body is that is no page at all.
func noPage(raw, text []byte) error {
	text = bytes.TrimSpace(text)
	low := bytes.ToLower(text[:min(len(text), 4<<10)])
	switch {
	case len(text) == 0:
		return errors.New("an empty document, not a page: open the address in a browser; if it is empty there too, ask the publisher")
	case bytes.HasPrefix(raw, []byte("%PDF")):
		return errors.New("a PDF document, not a page: use the address of the page that links to it")
	case bytes.Contains(low, []byte("<rss")) || bytes.Contains(low, []byte("<feed")) || bytes.Contains(low, []byte("<rdf:rdf")):
		return errors.New("a feed, not a page: give the source the kind feed")
	case bytes.Contains(low, []byte("<urlset")) || bytes.Contains(low, []byte("<sitemapindex")):
		return errors.New("a sitemap, not a page: give the source the kind sitemap")
	case text[0] == '{' || text[0] == '[':
		return errors.New("a JSON document, not a page: look for the page that shows it")
	case bytes.IndexByte(text, '<') < 0:
		return fmt.Errorf("plain text, not a page: it begins %s; check the address", short(string(text[:min(len(text), 200)])))
	}
	return nil
}

type pageReader struct {
	*tree
	listing listing
	dates   *calendar
	own     *url.URL // of the page
	base    *url.URL // of its links
	meter   int      // what selectors may still cost
}

// A row is an entry as it stands on the page.
type row struct {
	node *html.Node
	link *html.Node   // the a element, if it is known
	near []*html.Node // beside node, where its date may stand
}

// entries are those of the list, and of the blocks that may be it instead.
func (p *pageReader) entries(entry string) (out []Entry, others [][]Entry, err error) {
	if p.listing.entry != nil {
		rows := p.rows()
		if out, err = p.read(rows); err == nil {
			err = p.fault(entry, len(rows), out)
		}
		return out, nil, err
	}
	for i, rows := range p.detect() {
		block, _ := p.read(rows)
		if i == 0 {
			out = block
		} else {
			others = append(others, block)
		}
	}
	return out, others, p.fault(entry, 0, out)
}

func (p *pageReader) read(rows []row) ([]Entry, error) {
	list := entryList{at: map[string][]int{}}
	for _, r := range rows {
		if e, ok := p.entry(r); ok {
			list.add(e)
		}
		if p.meter <= 0 {
			return nil, &LayoutError{Why: "the selectors of listing cost too much on this page: write them with classes and without .. and ancestor::"}
		}
	}
	return newestFirst(list.all[:min(len(list.all), maxRows)]), nil
}

// maxNested is how many entries may stand around an entry. Where a selector finds
// all that is within its entries too, they would cost more than the page.
const maxNested = 2

// rows are the places of the entries by selector.
func (p *pageReader) rows() (rows []row) {
	around := map[*html.Node]int{} // entries around an entry, and itself
	nodes := map[*html.Node]bool{}
	for _, f := range p.listing.entry.find(p.root, &p.meter) {
		if f.node != nil && f.node.Type == html.TextNode {
			f.node = f.node.Parent
		}
		if f.node == nil || around[f.node] > 0 {
			continue
		}
		n := 0
		for up := f.node.Parent; up != nil && n == 0; up = up.Parent {
			n = around[up]
		}
		around[f.node] = n + 1
		if n <= maxNested && len(rows) < 2*maxRows {
			rows = append(rows, row{node: f.node})
			nodes[f.node] = true
		}
	}
	addNear(rows, nodes)
	return rows
}

// fault is why what was found is no list of entries.
func (p *pageReader) fault(entry string, rows int, out []Entry) error {
	if len(out) > 0 {
		if len(out) >= 5 && p.listing.title != nil && !slices.ContainsFunc(out, func(e Entry) bool { return e.Title != out[0].Title }) {
			return &LayoutError{Why: fmt.Sprintf("all %d entries have the title %s: give listing.title another selector", len(out), short(out[0].Title))}
		}
		return nil
	}
	text := textOf(4<<10, p.body)
	for _, b := range bots {
		if len(text) < 1<<10 && strings.Contains(strings.ToLower(text+p.title), b.mark) {
			return fmt.Errorf("a page that keeps programs out (%s), not a list: ask the publisher to admit tocsin, or use another address", b.who)
		}
	}
	e := &LayoutError{}
	switch {
	case p.scripts > 0 && len(text) < 400:
		e.Why = "the page has no text of its own: scripts fill it in a browser, and tocsin runs none; look for a feed, a sitemap or the address that the scripts read"
	case p.listing.entry == nil:
		e.Why = "no list of entries stands out on the page: say with listing.entry where they are"
	case rows == 0:
		e.Why = fmt.Sprintf("listing.entry %s finds nothing on the page: look there for what holds each entry now", short(entry))
	default:
		e.Why = fmt.Sprintf("listing.entry finds %d places without a title or link in them: look on the page for what holds each entry now", rows)
	}
	return e
}

func (p *pageReader) entry(r row) (e Entry, ok bool) {
	e = Entry{Authors: []string{}, Tags: []string{}}
	if r.link == nil {
		r.link = linkOf(r.node)
	}
	if p.listing.link != nil {
		e.URL = p.address(p.chosenLink(r))
	} else if r.link != nil {
		e.URL = p.address(attrOf(r.link.Attr, "href"))
	}
	if p.listing.title != nil {
		e.Title = said(p.listing.title.find(r.node, &p.meter))
	} else {
		e.Title = p.headline(r)
	}
	e.Title = cutText(strings.Map(printable, e.Title), maxShort)
	if strings.HasPrefix(e.Title, "{{") { // a script's template
		return e, false
	}
	if e.Title == "" && e.URL != "" {
		e.Title, e.Tags = titleOf(e.URL), []string{TitleFromAddress}
	}
	e.Published = p.date(r, e.Title)
	return e, e.Title != ""
}

// printable drops what a terminal would obey.
func printable(r rune) rune {
	if r == '\u00a0' {
		return ' '
	}
	return visible(r)
}

func (p *pageReader) chosenLink(r row) string {
	for _, f := range p.listing.link.find(r.node, &p.meter) {
		if f.node == nil {
			return f.value
		}
		if a := linkOf(f.node); a != nil {
			return attrOf(a.Attr, "href")
		}
	}
	return ""
}

// address makes the href of a link absolute; it is "" for what leads to no other
// page.
func (p *pageReader) address(href string) string {
	if href = strings.TrimSpace(href); href == "" || href[0] == '#' {
		return ""
	}
	u, err := url.Parse(input{}.address(p.base, href))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	if p.own != nil && u.Host == p.own.Host && u.Path == p.own.Path && u.RawQuery == p.own.RawQuery && u.Fragment == "" {
		return ""
	}
	if s := u.String(); len(s) <= maxShort {
		return s
	}
	return ""
}

// said is the text of the first thing that was found: an element, an attribute,
// or the texts that stand together.
func said(all []found) string {
	for i, f := range all {
		switch {
		case f.node == nil:
			if s := oneLine(strings.TrimSpace(f.value)); s != "" {
				return s
			}
		case f.node.Type != html.TextNode:
			if s := textOf(maxShort, f.node); s != "" {
				return s
			}
		case strings.TrimSpace(f.node.Data) != "":
			together := []*html.Node{}
			for _, g := range all[i:] {
				if g.node != nil && g.node.Type == html.TextNode && holder(g.node) == holder(f.node) {
					together = append(together, g.node)
				}
			}
			var flow textFlow
			for _, n := range together {
				flow.write([]byte(n.Data))
			}
			return oneLine(cutText(string(flow.out), maxShort))
		}
	}
	return ""
}

// holder is the link or block that a text stands in.
func holder(n *html.Node) *html.Node {
	n = n.Parent
	for n.Parent != nil && isInline(n.DataAtom) && n.DataAtom != atom.A {
		n = n.Parent
	}
	return n
}

// linkOf is the link of an entry: its own, one in its heading, the first with
// text, the first at all, or the one that it stands in.
func linkOf(n *html.Node) *html.Node {
	if isLink(n) {
		return n
	}
	var first, worded *html.Node
	for d := range below(n) {
		if !isLink(d) {
			continue
		}
		first = cmp.Or(first, d)
		if worded == nil && weight(textOf(200, d)) >= 4 {
			worded = d
		}
		for h := d; h != n && h != nil; h = h.Parent {
			if isHeading(h) {
				return d
			}
		}
	}
	if worded != nil || first != nil {
		return cmp.Or(worded, first)
	}
	for up, i := n.Parent, 0; up != nil && i < 4; up, i = up.Parent, i+1 {
		if isLink(up) {
			return up
		}
	}
	return nil
}

func isLink(n *html.Node) bool {
	return n.DataAtom == atom.A && attrOf(n.Attr, "href") != ""
}

func isHeading(n *html.Node) bool {
	switch n.DataAtom {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return true
	}
	return false
}

// headline is the title of an entry for which no selector is given: its heading,
// what is classed as a title, or what its link says.
func (p *pageReader) headline(r row) string {
	for d := range below(r.node) {
		if isHeading(d) {
			if s := textOf(maxShort, d); weight(s) >= 4 && p.onlyDate(s) == "" {
				return s
			}
		}
	}
	for d := range below(r.node) {
		if d.Type == html.ElementNode && hasWord(d, "title", "headline", "heading", "subject") {
			if s := textOf(maxShort, d); weight(s) >= 8 && p.onlyDate(s) == "" {
				return s
			}
		}
	}
	if r.link == nil {
		return p.longest(r.node)
	}
	s := p.longest(r.link)
	if weight(s) < 4 || isMore(s) {
		if t := attrOf(r.link.Attr, "title"); weight(t) >= 8 && !isMore(t) {
			return oneLine(strings.TrimSpace(t))
		}
		if other := p.longest(r.node); weight(other) > weight(s) {
			return other
		}
	}
	return s
}

// longest is the first paragraph of n that is no date and no mere label.
func (p *pageReader) longest(n *html.Node) string {
	first := ""
	var parts []*html.Node
	flush := func() bool {
		s := textOf(maxShort, parts...)
		parts = parts[:0]
		if weight(s) < 2 || p.onlyDate(s) != "" {
			return false
		}
		first = cmp.Or(first, s)
		if weight(s) >= 12 && !isMore(s) {
			first = s
			return true
		}
		return false
	}
	budget := maxBelow
	var walk func(n *html.Node) bool
	walk = func(n *html.Node) bool {
		if budget--; budget < 0 {
			return true
		}
		if n.Type == html.TextNode {
			parts = append(parts, n)
			return false
		}
		edge := !isInline(n.DataAtom) || n.DataAtom == atom.Time || n.DataAtom == atom.Span && (hasWord(n, "date", "time", "category", "tag", "label") || p.onlyDate(textOf(100, n)) != "")
		if edge && flush() {
			return true
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if walk(c) {
				return true
			}
		}
		return edge && flush()
	}
	if !walk(n) {
		flush()
	}
	return first
}

// date is when an entry says that it was published.
func (p *pageReader) date(r row, title string) time.Time {
	if p.listing.date != nil {
		if t := p.chosenDate(r); !t.IsZero() {
			return t
		}
	}
	if t := p.markedDate(r.node); !t.IsZero() {
		return t
	}
	text := piecesOf(maxRow, r.node)
	if before, after, ok := strings.Cut(text, title); ok && title != "" {
		text = before + " | " + after
	}
	if t, _ := p.dates.within(text); !t.IsZero() {
		return t
	}
	for _, n := range r.near {
		if t := p.markedDate(n); !t.IsZero() {
			return t
		}
		if t, _ := p.dates.within(piecesOf(200, n)); !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

func (p *pageReader) chosenDate(r row) time.Time {
	var text strings.Builder
	for _, f := range p.listing.date.find(r.node, &p.meter) {
		s := f.value
		if f.node != nil {
			if t := p.markedDate(f.node); !t.IsZero() {
				return t
			}
			s = piecesOf(maxRow, f.node)
		}
		if t, problem := p.dates.parse(s); problem == "" && s != "" {
			return t
		}
		text.WriteString(s + " ")
		if text.Len() > maxRow {
			break
		}
	}
	t, _ := p.dates.within(text.String())
	return t
}

// markedDate is the date at or in n that is marked as one.
func (p *pageReader) markedDate(n *html.Node) time.Time {
	classed := time.Time{}
	look := func(d *html.Node) time.Time {
		if d.Type != html.ElementNode {
			return time.Time{}
		}
		s := ""
		if d.DataAtom == atom.Time {
			s = attrOf(d.Attr, "datetime")
		} else if strings.HasPrefix(attrOf(d.Attr, "itemprop"), "date") {
			s = cmp.Or(attrOf(d.Attr, "content"), attrOf(d.Attr, "datetime"))
		}
		if s != "" {
			if t, problem := p.dates.parse(s); problem == "" {
				return t
			}
		}
		if classed.IsZero() && (d.DataAtom == atom.Time || hasWord(d, "date", "dates", "time", "datetime", "posted", "published", "submitted", "created", "meta")) {
			classed, _ = p.dates.within(piecesOf(300, d))
		}
		return time.Time{}
	}
	if t := look(n); !t.IsZero() {
		return t
	}
	for d := range below(n) {
		if t := look(d); !t.IsZero() {
			return t
		}
	}
	return classed
}

// onlyDate is s if it says a date and hardly more.
func (p *pageReader) onlyDate(s string) string {
	if len(s) > 80 || strings.IndexFunc(arabicDigits(s), func(r rune) bool { return r >= '0' && r <= '9' }) < 0 {
		return ""
	}
	if t, at := p.dates.within(s); !t.IsZero() && len(s)-len(at) < 24 {
		return s
	}
	return ""
}

// An entryList joins entries that stand on a page twice: as an image beside its
// headline, or on top of the list.
type entryList struct {
	all []Entry
	at  map[string][]int // places of an address, or of a title without one
}

func (l *entryList) add(e Entry) {
	key := cmp.Or(e.URL, "\x00"+e.Title)
	for _, i := range l.at[key] {
		o := &l.all[i]
		if !repeats(o.Title, e.Title) && !repeats(e.Title, o.Title) && len(o.Tags)+len(e.Tags) == 0 {
			continue
		}
		if len(e.Title) > len(o.Title) && len(e.Tags) <= len(o.Tags) || len(e.Tags) < len(o.Tags) {
			o.Title, o.Tags = e.Title, e.Tags
		}
		if o.Published.IsZero() {
			o.Published = e.Published
		}
		return
	}
	if len(l.at[key]) < 4 {
		l.at[key] = append(l.at[key], len(l.all))
	}
	l.all = append(l.all, e)
}

func repeats(long, brief string) bool {
	return strings.Contains(strings.ToLower(long), strings.ToLower(brief))
}

// newestFirst turns a list around that is oldest first throughout.
func newestFirst(entries []Entry) []Entry {
	up, down := 0, 0
	for i := 1; i < len(entries); i++ {
		switch entries[i].Published.Compare(entries[i-1].Published) {
		case 1:
			up++
		case -1:
			down++
		}
	}
	if up > 1 && down == 0 {
		slices.Reverse(entries)
	}
	return entries
}
