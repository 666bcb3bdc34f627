package feeds

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds of what is read, in bytes where they are lengths.
const (
	maxFields = 400       // elements of one entry, and of the feed itself
	maxText   = 512 << 10 // a summary or a content
	maxShort  = 4 << 10   // a title, id, address, name or category
	maxList   = 64        // authors or tags of one entry
)

// A skeleton is a feed in the form that gofeed is given: the elements of the
// vocabulary in their order, nested as deep as their format asks and no deeper,
// each text and address replaced by its number in texts, each date in RFC 3339.
// So gofeed cannot alter a text, nor can a text or a nesting stall or kill it.
type skeleton struct {
	input
	s       *scanner
	outline outline
	spaces  map[string]string // prefixes that the document declares, and ours for them
	lang    string            // xml:lang of what is being read
	spoken  bool              // lang is of the entry itself
	room    int               // elements that may still be read
	key     []byte            // prefix and name of the element in hand
	xml     []byte
	texts   []string
	head    origin
	hints   hints
	context uint64
	slots   []slot
	entries []origin // one for each entry in xml
}

// An origin is what xml does not hold of a feed or an entry.
type origin struct {
	about string // rdf:about
	lang  string // xml:lang, inherited
}

// No namespaces are declared: gofeed takes our prefixes as they are, and copies
// all declarations for each element.
const (
	rssHead  = `<rss version="2.0"><channel>`
	rssFoot  = `</channel></rss>`
	atomHead = `<feed>`
	atomFoot = `</feed>`
)

// skeleton writes the skeleton of the feed that o outlines.
func (in input) skeleton(s *scanner, o outline) *skeleton {
	k := &skeleton{input: in, s: s, outline: o, spaces: map[string]string{}, room: maxFields}
	k.xml = make([]byte, 0, 1024+512*len(o.blocks))
	head, foot, name := rssHead, rssFoot, nameItem
	if o.kind == "atom" {
		head, foot, name = atomHead, atomFoot, nameEntry
	}
	k.xml = append(k.xml, head...)
	for _, part := range o.head {
		s.children(part, k.structure, func(e element) { k.hint(e); k.field(e) })
	}
	k.head = origin{lang: k.lang}
	if k.base == nil {
		k.base = k.firstAddress()
	}
	if k.dates.lang == "" {
		k.dates.lang, _, _ = strings.Cut(strings.ToLower(k.lang), "-")
	}
	k.context = k.contextOf()
	if k.memo != nil && k.memo.context != k.context {
		k.memo = nil
	}
	for _, b := range o.blocks {
		if k.known(b) {
			continue
		}
		k.xml = append(append(append(k.xml, '<'), name...), '>')
		k.entry(b)
		k.xml = append(append(append(k.xml, "</"...), name...), '>')
	}
	k.xml = append(k.xml, foot...)
	return k
}

// hint takes what an element of the feed's own says of how often to ask.
func (k *skeleton) hint(e element) {
	if inner := k.text[e.inner.start:e.inner.end]; len(inner) > 4<<10 {
		return
	}
	name := string(bytes.ToLower(local(e.name)))
	switch name {
	case "ttl", "updateperiod", "updatefrequency":
		k.hints.hint(name, string(k.text[e.inner.start:e.inner.end]))
	case "skiphours":
		k.s.children(e.inner, func(tag) bool { return false }, func(h element) {
			k.hints.hint(string(local(h.name)), string(k.text[h.inner.start:h.inner.end]))
		})
	}
}

// entry writes the fields of b, whose base and language end with it.
func (k *skeleton) entry(b block) {
	base, lang := k.base, k.lang
	k.room, k.spoken = maxFields, false
	t, _ := k.s.at(b.start, b.inner.end)
	k.enter(t.attrs)
	k.s.children(b.inner, k.group, k.field)
	k.entries = append(k.entries, origin{about: aboutOf(t.attrs), lang: k.lang})
	k.base, k.lang = base, lang
}

// aboutOf is the address that RDF gives an item, whatever the prefix of its
// namespace.
func aboutOf(attrs []byte) string {
	for name, value := range allAttrs(attrs) {
		if local, ok := bytes.CutSuffix(name, []byte(":about")); ok && len(local) > 0 {
			return unescape(value, nil)
		}
	}
	return ""
}

// structure passes over the tags that hold the feed itself.
func (k *skeleton) structure(t tag) bool {
	switch string(bytes.ToLower(local(t.name))) {
	case "rss", "rdf", "feed", "channel":
		k.enter(t.attrs)
		return true
	}
	return false
}

// group passes over the tags of Media RSS that hold others.
func (k *skeleton) group(t tag) bool {
	return bytes.EqualFold(t.name, []byte("media:group")) || bytes.EqualFold(t.name, []byte("media:content"))
}

// enter takes the namespaces, base and language that a tag declares.
func (k *skeleton) enter(attrs []byte) {
	if bytes.IndexByte(attrs, ':') < 0 {
		return
	}
	for name, value := range allAttrs(attrs) {
		switch p, ok := bytes.CutPrefix(name, []byte("xmlns:")); {
		case ok:
			if ours := spaceOf(string(value)); ours != "" {
				k.spaces[string(p)] = ours
			}
		case bytes.EqualFold(name, []byte("xml:base")):
			k.base = resolve(k.base, unescape(value, nil))
		case bytes.EqualFold(name, []byte("xml:lang")):
			k.enterLang(string(value))
		}
	}
}

func (k *skeleton) enterLang(lang string) {
	if lang = strings.TrimSpace(lang); lang != "" && len(lang) < 64 {
		k.lang, k.spoken = lang, true
	}
}

// field writes the element e, if it is one of the vocabulary.
func (k *skeleton) field(e element) {
	k.name(e.tag)
	r := vocabulary[string(k.key)]
	if r == 0 {
		return
	}
	if k.room--; k.room < 0 {
		k.notes.add("left out the elements beyond " + strconv.Itoa(maxFields) + " of an entry")
		return
	}
	raw := k.text[e.inner.start:e.inner.end]
	atom := k.outline.kind == "atom"
	switch r {
	case words:
		k.leaf("", k.keep(k.prose(e, raw), maxText), "")
	case heading:
		k.leaf("", k.keep(oneLine(k.prose(e, raw)), maxShort), "")
	case token:
		k.token(e, raw)
	case moment:
		k.moment(raw)
	case link:
		k.link(e, raw)
	case person:
		n := k.keep(k.person(raw), maxShort)
		if atom && bytes.IndexByte(k.key, ':') < 0 {
			k.leaf("<name>", n, "</name>")
		} else {
			k.leaf("", n, "")
		}
	case topic:
		k.topic(e, raw)
	}
}

// name sets key for the element that begins with t.
func (k *skeleton) name(t tag) {
	k.key = k.key[:0]
	p := prefix(t.name)
	space := string(bytes.ToLower(p))
	if ours, ok := k.spaces[string(p)]; ok {
		space = ours
	}
	if bytes.Contains(t.attrs, []byte("xmlns")) {
		at := "xmlns"
		if len(p) > 0 {
			at += ":" + string(p)
		}
		if ours := spaceOf(attr(t.attrs, at)); ours != "" {
			space = ours
		}
	}
	if space != "" && space != "rss" && space != k.outline.kind && !bytes.Equal(p, prefix(k.outline.root.name)) {
		k.key = append(append(k.key, space...), ':')
	}
	for _, c := range local(t.name) {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		k.key = append(k.key, c)
	}
}

// leaf writes the element in hand with text number n between before and behind,
// or nothing if n is below zero.
func (k *skeleton) leaf(before string, n int, behind string) {
	if n < 0 {
		return
	}
	k.xml = append(append(append(k.xml, '<'), k.key...), '>')
	k.xml = strconv.AppendInt(append(k.xml, before...), int64(n), 10)
	k.close(behind)
}

func (k *skeleton) close(behind string) {
	k.xml = append(append(append(append(k.xml, behind...), "</"...), k.key...), '>')
}

// keep gives s a number. It has none if it is empty; what is longer than limit
// is cut.
func (k *skeleton) keep(s string, limit int) int {
	if s == "" {
		return -1
	}
	k.texts = append(k.texts, k.clip(s, limit))
	return len(k.texts) - 1
}

// said is the text that gofeed returned as number.
func (k *skeleton) said(number string) string {
	if n, err := strconv.Atoi(number); err == nil && n >= 0 && n < len(k.texts) {
		return k.texts[n]
	}
	return ""
}

// prose is the plain text of e. Atom says whether a text is HTML; RSS does not.
func (k *skeleton) prose(e element, raw []byte) string {
	text, markup := content(raw, k.notes)
	if !k.spoken {
		k.enterLang(attr(e.attrs, "xml:lang"))
	}
	if k.outline.kind != "atom" || bytes.IndexByte(k.key, ':') >= 0 {
		if markup {
			k.notes.add("read markup in a text as HTML")
		}
		return plain(text)
	}
	switch kind := strings.ToLower(strings.TrimSpace(attr(e.attrs, "type"))); {
	case strings.EqualFold(attr(e.attrs, "mode"), "base64"), binary(kind):
		return ""
	case markup, strings.Contains(kind, "html"), strings.HasSuffix(kind, "xml"):
		return plain(text)
	case kind == "" && string(k.key) != "title" && looksHTML(text):
		k.notes.add("read HTML that was declared as text")
		return plain(text)
	}
	return lines(text)
}

// binary reports whether a media type is of no text.
func binary(kind string) bool {
	major, _, ok := strings.Cut(kind, "/")
	return ok && major != "text" && !strings.HasSuffix(kind, "xml")
}

func (k *skeleton) token(e element, raw []byte) {
	text, _ := content(raw, k.notes)
	text = strings.TrimSpace(text)
	if len(text) > maxShort {
		k.notes.add("left out an id of more than " + strconv.Itoa(maxShort) + " bytes")
		return
	}
	n := k.keep(text, maxShort)
	if n < 0 {
		return
	}
	if bytes.HasSuffix(k.key, []byte("language")) && !k.spoken {
		k.enterLang(text)
	}
	k.xml = append(append(k.xml, '<'), k.key...)
	if strings.EqualFold(attr(e.attrs, "isPermaLink"), "false") {
		k.xml = append(k.xml, ` isPermaLink="false"`...)
	}
	k.xml = strconv.AppendInt(append(k.xml, '>'), int64(n), 10)
	k.close("")
}

func (k *skeleton) moment(raw []byte) {
	text, _ := content(raw, k.notes)
	t := k.date(text)
	if t.IsZero() {
		return
	}
	k.xml = append(append(append(k.xml, '<'), k.key...), '>')
	k.xml = t.UTC().AppendFormat(k.xml, time.RFC3339)
	k.close("")
}

// link writes a link to the page or to the feed itself; others are left out.
func (k *skeleton) link(e element, raw []byte) {
	rel := "alternate"
	if v := strings.ToLower(strings.TrimSpace(attr(e.attrs, "rel"))); v != "" {
		rel = v
	}
	if rel != "alternate" && rel != "self" {
		return
	}
	href := attr(e.attrs, "href")
	if text, markup := content(raw, k.notes); !markup && strings.TrimSpace(text) != "" {
		href = text
	}
	base := k.base
	if own := attr(e.attrs, "xml:base"); own != "" {
		base = resolve(base, own)
	}
	n := k.keep(k.address(base, href), maxShort)
	if n < 0 {
		return
	}
	if k.outline.kind == "rss" && string(k.key) == "link" {
		if rel == "alternate" {
			k.leaf("", n, "")
		}
		return
	}
	k.xml = append(append(k.xml, '<'), k.key...)
	k.xml = append(append(append(k.xml, ` rel="`...), rel...), `" href="`...)
	k.xml = strconv.AppendInt(k.xml, int64(n), 10)
	if kind := attr(e.attrs, "type"); kind == "" || strings.Contains(strings.ToLower(kind), "html") {
		k.xml = append(k.xml, `" type="text/html`...)
	}
	k.xml = append(k.xml, `"/>`...)
}

func (k *skeleton) topic(e element, raw []byte) {
	text, _ := content(raw, k.notes)
	text = oneLine(plain(text))
	for _, name := range []string{"label", "term", "text"} {
		if text == "" {
			text = oneLine(strings.TrimSpace(attr(e.attrs, name)))
		}
	}
	n := k.keep(text, maxShort)
	if k.outline.kind == "rss" || n < 0 || string(k.key) != "category" {
		k.leaf("", n, "")
		return
	}
	k.xml = strconv.AppendInt(append(k.xml, `<category term="`...), int64(n), 10)
	k.xml = append(k.xml, `"/>`...)
}

// person is the name in an element that holds a name, an address, both, or
// elements with them.
func (k *skeleton) person(raw []byte) string {
	text, markup := content(raw, k.notes)
	if !markup {
		return personName(oneLine(plain(text)))
	}
	found := map[string]string{}
	inner := newScanner(raw, k.notes)
	inner.children(span{0, len(raw)}, func(tag) bool { return false }, func(e element) {
		name := string(bytes.ToLower(local(e.name)))
		if text, _ := content(raw[e.inner.start:e.inner.end], k.notes); found[name] == "" && len(found) < 8 {
			found[name] = oneLine(plain(text))
		}
	})
	for _, name := range []string{"name", "email", "uri"} {
		if found[name] != "" {
			return found[name]
		}
	}
	return ""
}

// personName is the name in "name (address)" or "address (name)".
func personName(s string) string {
	first, second, ok := strings.Cut(strings.TrimSuffix(s, ")"), " (")
	switch {
	case !ok || second == "":
		return s
	case strings.Contains(second, "@"):
		return first
	case strings.Contains(first, "@"):
		return second
	}
	return s
}

// firstAddress is the first absolute address among the feed's own, that of its
// page as a rule.
func (k *skeleton) firstAddress() *url.URL {
	for _, s := range k.texts {
		if isPage(s) {
			return resolve(nil, s)
		}
	}
	return nil
}
