package feeds

import "bytes"

// maxEntries is how many entries of a document are read: of more, the first
// and the last half. A document that is in order has its new ones at one end.
const maxEntries = 4000

// An outline is where the parts of a feed stand in its document.
type outline struct {
	kind   string  // "rss" or "atom"
	root   tag     // <rss>, <rdf:RDF> or <feed>; <channel> where there is none of these
	lead   string  // name of the first element, if it is not the root
	head   []span  // what stands outside entries
	blocks []block // the entries
	left   int     // entries that are not in blocks, because they are too many
	cut    bool    // the document ends before its root does
	within bool    // it ends within an entry, which is then not in blocks
}

// A block is an entry as it stands in its document: its tag begins at start.
type block struct {
	start int
	inner span
}

// prefix and local are the two parts of a qualified name.
func prefix(name []byte) []byte {
	i := bytes.IndexByte(name, ':')
	return name[:max(i, 0)]
}

func local(name []byte) []byte {
	return name[bytes.IndexByte(name, ':')+1:]
}

var (
	nameItem    = []byte("item")
	nameEntry   = []byte("entry")
	nameChannel = []byte("channel")
)

// root finds the element that holds the feed, wherever it stands.
func (s *scanner) root() (o outline, ok bool) {
	var channel tag
	for i := 0; ; {
		t, found := s.next(i, len(s.doc))
		if !found {
			break
		}
		i = t.end
		if t.kind != startTag {
			continue
		}
		switch string(bytes.ToLower(local(t.name))) {
		case "rss", "rdf":
			o.kind, o.root = "rss", t
			return o, true
		case "feed":
			o.kind, o.root = "atom", t
			return o, true
		case "channel":
			if channel.end == 0 {
				channel = t
			}
		}
		if o.lead == "" {
			o.lead = string(t.name)
		}
	}
	o.kind, o.root = "rss", channel
	return o, channel.end > 0
}

// outline finds the parts of the feed whose root is given.
func (s *scanner) outline(o outline) outline {
	name := nameItem
	if o.kind == "atom" {
		name = nameEntry
	}
	open, at := true, o.root.start
	for i := o.root.end; ; {
		t, ok := s.next(i, len(s.doc))
		if !ok {
			break
		}
		if i = t.end; t.kind == cdata {
			i = s.cdataEnd(t)
		}
		switch {
		case t.kind == endTag && t.is(o.root.name):
			open = false
		case t.kind == startTag && bytes.EqualFold(local(t.name), name) && s.native(t, o.root):
			o.head = append(o.head, span{at, t.start})
			at = s.block(&o, t)
			i = at
		}
	}
	o.head = append(o.head, span{at, len(s.doc)})
	o.cut = open
	if half := maxEntries / 2; len(o.blocks) > maxEntries {
		o.left = len(o.blocks) - maxEntries
		o.blocks = append(o.blocks[:half:half], o.blocks[len(o.blocks)-half:]...)
	}
	return o
}

// native reports whether t is of the feed's own vocabulary: it has no prefix,
// the root's, or one that is declared for RSS 1.0.
func (s *scanner) native(t, root tag) bool {
	p := prefix(t.name)
	if len(p) == 0 || bytes.Equal(p, prefix(root.name)) {
		return true
	}
	if uri := attr(root.attrs, "xmlns:"+string(p)); uri != "" {
		return spaceOf(uri) == "rss"
	}
	return bytes.EqualFold(p, []byte("rss"))
}

// block reads the entry that begins with t, and returns where it ends.
func (s *scanner) block(o *outline, t tag) (end int) {
	if t.empty {
		return t.end
	}
	for i := t.end; ; {
		u, ok := s.next(i, len(s.doc))
		if !ok {
			o.within = true
			return len(s.doc)
		}
		if i = u.end; u.kind == cdata {
			i = s.cdataEnd(u)
		}
		switch {
		case u.kind == endTag && u.is(t.name):
			o.blocks = append(o.blocks, block{t.start, span{t.end, u.start}})
			return u.end
		case u.kind == startTag && u.is(t.name) && !u.empty, u.kind == endTag && (u.is(o.root.name) || u.is(nameChannel)):
			s.notes.add("ended an entry that was not closed")
			o.blocks = append(o.blocks, block{t.start, span{t.end, u.start}})
			return u.start
		}
	}
}
