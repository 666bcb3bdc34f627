package feeds

import (
	"bytes"
)

// A scanner walks over markup as it comes, right or wrong. Everything it does
// is paid for out of work, so no document makes it take longer than a fixed
// multiple of its size.
type scanner struct {
	doc     []byte
	work    int             // bytes it may still look at; below zero it finds nothing more
	without map[string]bool // patterns that do not occur any more
	open    map[string]int  // names of elements that have no end tag before this offset
	notes   *notes
}

// workFactor is how often the scanner may look at each byte. An honest
// document needs 3, one without any end tags 5.
const workFactor = 12

func newScanner(doc []byte, n *notes) *scanner {
	return &scanner{doc: doc, work: workFactor*len(doc) + 1<<16, notes: n}
}

// index is where pat first occurs in doc[from:to], or -1.
func (s *scanner) index(from, to int, pat string) int {
	if from >= to || s.work < 0 {
		return -1
	}
	i := bytes.Index(s.doc[from:to], []byte(pat))
	if i < 0 {
		s.work -= to - from
		return -1
	}
	s.work -= i
	return from + i
}

// after is where the next pat behind from ends, or -1. A pattern that is
// missing once is not looked for again.
func (s *scanner) after(from int, pat string) int {
	if s.without[pat] {
		return -1
	}
	i := s.index(from, len(s.doc), pat)
	if i >= 0 {
		return i + len(pat)
	}
	if s.without == nil {
		s.without = map[string]bool{}
	}
	s.without[pat] = true
	return -1
}

type tagKind byte

const (
	startTag tagKind = iota
	endTag
	cdata
	other // a comment, processing instruction or declaration
)

// A tag is a piece of markup: doc[start:end].
type tag struct {
	kind       tagKind
	empty      bool   // <a/>
	name       []byte // of a startTag or endTag, with its prefix, as written
	attrs      []byte
	start, end int
}

func (t tag) is(name []byte) bool { return bytes.EqualFold(t.name, name) }

// next is the first piece of markup in doc[from:to]. What looks like markup but
// is none, such as the < of "a < b", is passed over.
func (s *scanner) next(from, to int) (tag, bool) {
	for i := s.index(from, to, "<"); i >= 0; i = s.index(i+1, to, "<") {
		for i+1 < to && s.doc[i+1] == '<' { // of a row of them the last alone may begin something
			i++
		}
		if i+1 < to && !opens(s.doc[i+1]) {
			continue
		}
		if t, ok := s.at(i, to); ok {
			s.work -= t.end - t.start
			return t, true
		}
	}
	return tag{}, false
}

// opens reports whether markup can go on with c behind its <.
func opens(c byte) bool { return c == '/' || c == '!' || c == '?' || nameByte(c, true) }

// at reads the markup that begins at i and ends before to.
func (s *scanner) at(i, to int) (tag, bool) {
	rest := s.doc[i:to]
	kind, end := other, -1
	switch {
	case len(rest) >= 9 && bytes.EqualFold(rest[:9], []byte("<![CDATA[")):
		kind, end = cdata, s.after(i+9, "]]>")
	case bytes.HasPrefix(rest, []byte("<!--")):
		end = s.after(i+4, "-->")
	case bytes.HasPrefix(rest, []byte("<!")):
		end = s.declaration(i)
	case bytes.HasPrefix(rest, []byte("<?")):
		end = s.upTo(i)
	default:
		return s.element(i, to)
	}
	if end < 0 || end > to {
		return tag{}, false
	}
	return tag{kind: kind, start: i, end: end}, true
}

// maxSubset is the longest internal subset of a DOCTYPE that is recognised.
const maxSubset = 64 << 10

// declaration is where the <!DOCTYPE at i ends, with its internal subset.
func (s *scanner) declaration(i int) int {
	if subset := s.index(i+2, min(i+512, len(s.doc)), "["); subset >= 0 && s.index(i+2, subset, ">") < 0 {
		if end := s.index(subset, min(subset+maxSubset, len(s.doc)), "]>"); end >= 0 {
			return end + 2
		}
	}
	return s.upTo(i)
}

// upTo is where the > behind the < at i ends, or -1 if another < comes first.
func (s *scanner) upTo(i int) int {
	end := s.after(i+1, ">")
	if end < 0 || s.index(i+1, end, "<") >= 0 {
		return -1
	}
	return end
}

// element reads the start or end tag at i. A tag ends at its >, except within
// quotes; a < outside quotes, or a > and then a < within them, mean that the
// quotes are not closed or that it is no tag.
func (s *scanner) element(i, to int) (tag, bool) {
	t := tag{kind: startTag, start: i}
	j := i + 1
	if j < to && s.doc[j] == '/' {
		t.kind = endTag
		j++
	}
	begin := j
	for j < to && nameByte(s.doc[j], j == begin) {
		j++
	}
	if t.name = s.doc[begin:j]; len(t.name) == 0 {
		return tag{}, false
	}
	begin = j
	for ; j < to; j++ {
		switch c := s.doc[j]; c {
		case '>':
			t.attrs, t.end = s.doc[begin:j], j+1
			if n := len(t.attrs); n > 0 && t.attrs[n-1] == '/' {
				t.empty, t.attrs = true, t.attrs[:n-1]
			}
			return t, true
		case '<':
			s.work -= j - i
			return tag{}, false
		case '"', '\'':
			if k := s.quoteEnd(j+1, to, c); k > 0 {
				j = k
			}
		}
	}
	s.work -= j - i
	return tag{}, false
}

// quoteEnd is where the quoted value that begins at i ends, or 0 if its closing
// quote is missing.
func (s *scanner) quoteEnd(i, to int, quote byte) int {
	k := bytes.IndexByte(s.doc[i:to], quote)
	if k < 0 {
		s.work -= to - i
		return 0
	}
	s.work -= k
	value := s.doc[i : i+k]
	if gt := bytes.IndexByte(value, '>'); gt >= 0 && bytes.IndexByte(value[gt:], '<') >= 0 {
		return 0
	}
	return i + k
}

func nameByte(c byte, first bool) bool {
	switch {
	case c|0x20 >= 'a' && c|0x20 <= 'z', c == '_', c >= 0x80:
		return true
	case first:
		return false
	}
	return c >= '0' && c <= '9' || c == ':' || c == '-' || c == '.'
}

// A span is a part of the document: doc[start:end].
type span struct{ start, end int }

// An element is a child of a feed or an entry.
type element struct {
	tag
	inner span
}

// children calls yield for each element that stands directly in doc[from:to].
// An element that is never closed ends where the next tag begins, and the tag
// of one that skip names is passed over, so that its children are yielded.
func (s *scanner) children(in span, skip func(tag) bool, yield func(element)) {
	for i := in.start; i < in.end; {
		t, ok := s.next(i, in.end)
		if !ok {
			return
		}
		i = t.end
		if t.kind != startTag || skip(t) {
			continue
		}
		e := element{tag: t, inner: span{t.end, t.end}}
		if !t.empty {
			e.inner, i = s.inner(t, in.end)
		}
		yield(e)
	}
}

// inner is what stands between the start tag t and its end tag, and where that
// ends. Elements of the same name nest. Where the end tag is missing, an
// unpaired one of that name or the next tag of any name ends the element.
func (s *scanner) inner(t tag, to int) (in span, next int) {
	depth := 1
	var first, last tag // first tag at all, last end tag of the name
	known := s.open[string(t.name)] == to
	for i := t.end; !known || first.end == 0; {
		u, ok := s.next(i, to)
		if !ok {
			break
		}
		if u.kind == cdata {
			u.end = s.cdataEnd(u)
		}
		i = u.end
		if u.kind > endTag {
			continue
		}
		if first.end == 0 {
			first = u
		}
		if u.empty || !u.is(t.name) {
			continue
		}
		if u.kind == startTag {
			depth++
			continue
		}
		last = u
		if depth--; depth == 0 {
			return span{t.end, u.start}, u.end
		}
	}
	if last.end > 0 {
		return span{t.end, last.start}, last.end
	}
	if s.open == nil {
		s.open = map[string]int{}
	}
	s.open[string(t.name)] = to
	s.notes.add("tags that are not closed")
	if first.end > 0 {
		return span{t.end, first.start}, first.start
	}
	return span{t.end, to}, to
}

// cdataEnd is where the CDATA section t ends: before its text, if it was never
// closed and so reaches over an edge of an entry into another section.
func (s *scanner) cdataEnd(t tag) int {
	again := s.index(t.start+9, t.end, "<![CDATA[")
	if again < 0 {
		return t.end
	}
	for _, edge := range []string{"</item", "<item", "</entry", "<entry"} {
		if s.index(t.start+9, again, edge) >= 0 {
			s.notes.add("CDATA that is not closed")
			return t.start + 9
		}
	}
	return t.end
}

// attr is the value of the attribute named name, or "". Names are compared
// without case.
func attr(attrs []byte, name string) string {
	v, _ := lookAttr(attrs, name)
	return v
}

func lookAttr(attrs []byte, name string) (value string, ok bool) {
	for k, v := range allAttrs(attrs) {
		if len(k) == len(name) && bytes.EqualFold(k, []byte(name)) {
			return unescape(v, nil), true
		}
	}
	return "", false
}

// allAttrs yields the names and raw values of a tag's attributes.
func allAttrs(attrs []byte) func(yield func(name, value []byte) bool) {
	return func(yield func(name, value []byte) bool) {
		for i := 0; i < len(attrs); {
			eq := bytes.IndexByte(attrs[i:], '=')
			if eq < 0 {
				return
			}
			name := bytes.TrimSpace(attrs[i : i+eq])
			if sp := bytes.LastIndexAny(name, " \t\r\n"); sp >= 0 {
				name = name[sp+1:]
			}
			i += eq + 1
			for i < len(attrs) && space(attrs[i]) {
				i++
			}
			value, n := attrValue(attrs[i:])
			i += n
			if !yield(name, value) {
				return
			}
		}
	}
}

// attrValue is the value at the start of b and the length of its spelling.
func attrValue(b []byte) (value []byte, n int) {
	if len(b) > 0 && (b[0] == '"' || b[0] == '\'') {
		if k := bytes.IndexByte(b[1:], b[0]); k >= 0 {
			return b[1 : 1+k], k + 2
		}
		return b[1:], len(b)
	}
	if k := bytes.IndexAny(b, " \t\r\n"); k >= 0 {
		return b[:k], k
	}
	return b, len(b)
}

func space(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
