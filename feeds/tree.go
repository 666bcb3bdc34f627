package feeds

import (
	"bytes"
	"iter"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Limits of a page. An honest list has 5,000 elements, 30 deep.
const (
	maxNodes     = 100_000
	maxDepth     = 200
	maxAttrs     = 24      // of one element
	maxAttrBytes = 4 << 10 // of one attribute: images stand in some
)

// A tree is a page taken apart. What browsers do to mend a page can make of each
// tag as many elements as are open, so it is not what they make of broken pages:
// here a tag makes at most three elements, and one that is too deep becomes a
// sibling.
type tree struct {
	root, head, body *html.Node
	title, lang      string
	base             string // href of the base element
	nodes            int
	scripts          int
	cut              bool // there was more than maxNodes
}

// parseTree takes a page in UTF-8 apart. It cannot fail.
func parseTree(page []byte) *tree {
	b := builder{tree: tree{root: &html.Node{Type: html.DocumentNode}}}
	top := b.child(b.root, atom.Html, nil)
	b.head, b.body = b.child(top, atom.Head, nil), b.child(top, atom.Body, nil)
	b.open = []*html.Node{b.body}
	z := html.NewTokenizer(bytes.NewReader(page))
	for !b.cut {
		switch z.Next() {
		case html.ErrorToken:
			return &b.tree
		case html.TextToken:
			b.text(z.Text())
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			b.start(z, string(name), more)
		case html.EndTagToken:
			name, _ := z.TagName()
			b.end(string(name))
		}
		b.cut = b.nodes >= maxNodes
	}
	return &b.tree
}

type builder struct {
	tree
	open   []*html.Node // the body and what is open in it
	over   int          // elements that are open beyond maxDepth
	skip   atom.Atom    // the element whose content is passed over
	nested int          // how many of its kind are open in it
	titled bool         // within the page's title
}

func (b *builder) child(parent *html.Node, a atom.Atom, attrs []html.Attribute) *html.Node {
	n := &html.Node{Type: html.ElementNode, DataAtom: a, Data: a.String(), Attr: attrs}
	parent.AppendChild(n)
	b.nodes++
	return n
}

func (b *builder) text(s []byte) {
	switch {
	case b.skip != 0:
		return
	case b.titled:
		b.title += string(s)
		return
	case len(bytes.TrimSpace(s)) == 0:
		s = []byte(" ")
	}
	at := b.open[len(b.open)-1]
	if l := at.LastChild; l != nil && l.Type == html.TextNode && len(l.Data) < maxAttrBytes {
		l.Data += string(s)
		return
	}
	at.AppendChild(&html.Node{Type: html.TextNode, Data: string(s)})
	b.nodes++
}

// void elements have no content, skipped ones none that a reader sees.
var (
	void = map[atom.Atom]bool{
		atom.Area: true, atom.Base: true, atom.Br: true, atom.Col: true, atom.Embed: true, atom.Hr: true, atom.Img: true, atom.Input: true,
		atom.Link: true, atom.Meta: true, atom.Param: true, atom.Source: true, atom.Track: true, atom.Wbr: true, atom.Frame: true,
	}
	skipped = map[atom.Atom]bool{
		atom.Script: true, atom.Style: true, atom.Noscript: true, atom.Template: true, atom.Svg: true, atom.Math: true, atom.Iframe: true,
		atom.Noembed: true, atom.Noframes: true, atom.Canvas: true, atom.Object: true, atom.Textarea: true, atom.Xmp: true,
	}
	inHead = map[atom.Atom]bool{atom.Base: true, atom.Link: true, atom.Meta: true}
	table  = map[atom.Atom]bool{
		atom.Table: true, atom.Thead: true, atom.Tbody: true, atom.Tfoot: true, atom.Tr: true, atom.Td: true, atom.Th: true, atom.Caption: true,
	}
)

// isInline reports whether an element stands within a line. A map of them took a
// third of the time.
func isInline(a atom.Atom) bool {
	switch a {
	case atom.A, atom.B, atom.I, atom.Em, atom.Strong, atom.Span, atom.Font, atom.U, atom.Small, atom.Big, atom.Code, atom.Tt, atom.S,
		atom.Strike, atom.Nobr, atom.Label, atom.Time, atom.Cite, atom.Q, atom.Abbr, atom.Sup, atom.Sub, atom.Mark, atom.Ins, atom.Del:
		return true
	}
	return false
}

// ends says which open elements a start tag ends, if none of the elements behind
// the bar is nearer.
var ends = map[atom.Atom][2][]atom.Atom{
	atom.Li:     {{atom.Li}, {atom.Ul, atom.Ol, atom.Menu, atom.Table, atom.Td}},
	atom.Dt:     {{atom.Dt, atom.Dd}, {atom.Dl, atom.Table, atom.Td}},
	atom.Dd:     {{atom.Dt, atom.Dd}, {atom.Dl, atom.Table, atom.Td}},
	atom.Tr:     {{atom.Tr}, {atom.Table}},
	atom.Td:     {{atom.Td, atom.Th}, {atom.Tr, atom.Table}},
	atom.Th:     {{atom.Td, atom.Th}, {atom.Tr, atom.Table}},
	atom.Tbody:  {{atom.Tbody, atom.Thead, atom.Tfoot, atom.Caption}, {atom.Table}},
	atom.Thead:  {{atom.Tbody, atom.Thead, atom.Tfoot, atom.Caption}, {atom.Table}},
	atom.Tfoot:  {{atom.Tbody, atom.Thead, atom.Tfoot, atom.Caption}, {atom.Table}},
	atom.Option: {{atom.Option}, {atom.Select}},
	atom.A:      {{atom.A}, {atom.Table, atom.Td, atom.Th}},
}

func (b *builder) start(z *html.Tokenizer, name string, more bool) {
	a := atom.Lookup([]byte(name))
	if b.skip != 0 {
		if a == b.skip && !void[a] {
			b.nested++
		}
		return
	}
	attrs := readAttrs(z, more)
	switch {
	case a == atom.Html || a == atom.Body || a == atom.Head:
		b.merge(a, attrs)
		return
	case a == atom.Title && b.title == "":
		b.titled = true
		return
	case skipped[a]:
		if a == atom.Script {
			b.scripts++
		}
		b.skip, b.nested = a, 1
		return
	case inHead[a] && len(b.open) == 1 && b.body.FirstChild == nil:
		b.child(b.head, a, attrs)
		if a == atom.Base && b.base == "" {
			b.base = attrOf(attrs, "href")
		}
		return
	}
	b.closeFor(a)
	at := b.open[len(b.open)-1]
	n := b.child(at, a, attrs)
	n.Data = name
	switch {
	case void[a]:
	case len(b.open) >= maxDepth:
		b.over++
	default:
		b.open = append(b.open, n)
	}
}

func (b *builder) merge(a atom.Atom, attrs []html.Attribute) {
	n := map[atom.Atom]*html.Node{atom.Html: b.body.Parent, atom.Body: b.body, atom.Head: b.head}[a]
	if n.Attr == nil {
		n.Attr = attrs
	}
	if a == atom.Html && b.lang == "" {
		b.lang = attrOf(attrs, "lang")
	}
}

// closeFor ends what cannot go on when an element begins, and begins what has to
// be around it.
func (b *builder) closeFor(a atom.Atom) {
	if b.over > 0 {
		return
	}
	if e, ok := ends[a]; ok {
		for i := len(b.open) - 1; i > 0 && !slices.Contains(e[1], b.open[i].DataAtom); i-- {
			if slices.Contains(e[0], b.open[i].DataAtom) {
				b.open = b.open[:i]
				break
			}
		}
	}
	if !isInline(a) && !void[a] {
		for i := len(b.open) - 1; i > 0 && (isInline(b.open[i].DataAtom) && b.open[i].DataAtom != atom.A || b.open[i].DataAtom == atom.P); i-- {
			if b.open[i].DataAtom == atom.P && a != 0 {
				b.open = b.open[:i]
				break
			}
		}
	}
	top := b.open[len(b.open)-1].DataAtom
	if a == atom.Tr && top == atom.Table {
		b.push(atom.Tbody)
	}
	if a == atom.Td || a == atom.Th {
		if top == atom.Table {
			b.push(atom.Tbody)
		}
		if top == atom.Table || top == atom.Tbody || top == atom.Thead || top == atom.Tfoot {
			b.push(atom.Tr)
		}
	}
}

func (b *builder) push(a atom.Atom) {
	b.open = append(b.open, b.child(b.open[len(b.open)-1], a, nil))
}

// end ends the nearest element of a name. One of a line does not end the blocks
// within it; nothing but a table ends a cell.
func (b *builder) end(name string) {
	a := atom.Lookup([]byte(name))
	switch {
	case b.skip != 0:
		if a == b.skip {
			if b.nested--; b.nested <= 0 {
				b.skip = 0
			}
		}
		return
	case a == atom.Title:
		b.titled = false
		return
	case b.over > 0:
		b.over--
		return
	}
	blocks := false
	for i := len(b.open) - 1; i > 0; i-- {
		n := b.open[i]
		if n.Data == name {
			if isInline(a) && blocks {
				b.open = slices.Delete(b.open, i, i+1)
			} else {
				b.open = b.open[:i]
			}
			return
		}
		if table[n.DataAtom] && !table[a] {
			return
		}
		blocks = blocks || !isInline(n.DataAtom)
	}
}

func readAttrs(z *html.Tokenizer, more bool) []html.Attribute {
	var out []html.Attribute
	for more {
		var k, v []byte
		k, v, more = z.TagAttr()
		if len(out) < maxAttrs && len(k) <= 64 {
			out = append(out, html.Attribute{Key: string(k), Val: string(v[:min(len(v), maxAttrBytes)])})
		}
	}
	return out
}

func attrOf(attrs []html.Attribute, name string) string {
	for i := range attrs {
		if attrs[i].Key == name {
			return attrs[i].Val
		}
	}
	return ""
}

// textOf is what a reader sees of nodes, on one line and at most limit bytes.
func textOf(limit int, nodes ...*html.Node) string {
	var p textFlow
	left := limit + maxBelow
	for _, n := range nodes {
		p.want(blank)
		p.node(n, limit, &left, blankAround)
	}
	return oneLine(cutText(string(p.out), limit))
}

// piecesOf is the text of n with a blank around each element: what stands in
// spans of its own is often set apart by style alone.
func piecesOf(limit int, n *html.Node) string {
	var p textFlow
	left := limit + maxBelow
	p.node(n, limit, &left, func(*html.Node) gap { return blank })
	return oneLine(cutText(string(p.out), limit))
}

// node adds the text of n, of at most left nodes.
func (p *textFlow) node(n *html.Node, limit int, left *int, around func(*html.Node) gap) {
	if *left--; n.Type == html.TextNode {
		p.write([]byte(n.Data[:min(len(n.Data), limit)]))
		return
	}
	p.want(around(n))
	for c := n.FirstChild; c != nil && len(p.out) < limit && *left > 0; c = c.NextSibling {
		p.node(c, limit, left, around)
	}
	p.want(around(n))
}

// maxBelow is how many nodes of an entry are looked at.
const maxBelow = 2000

// below yields the first nodes of what is in n.
func below(n *html.Node) iter.Seq[*html.Node] {
	return func(yield func(*html.Node) bool) {
		left := maxBelow
		for d := range n.Descendants() {
			if left--; left < 0 || !yield(d) {
				return
			}
		}
	}
}

func blankAround(n *html.Node) gap {
	if n.Type == html.ElementNode && isInline(n.DataAtom) && n.DataAtom != atom.Time {
		return none
	}
	return blank
}

var metaCharset = regexp.MustCompile(`(?i)<meta[^>]{0,200}\bcharset\s*=\s*["']?\s*([a-z0-9_:-]{2,40})`)

// contentType is the Content-Type of a page: what its header says, else what the
// page says of itself.
func contentType(header string, page []byte) string {
	if strings.Contains(strings.ToLower(header), "charset=") {
		return header
	}
	if m := metaCharset.FindSubmatch(page[:min(len(page), 8<<10)]); m != nil && !strings.HasPrefix(strings.ToLower(string(m[1])), "utf-16") {
		return "text/html; charset=" + string(m[1])
	}
	return header
}
