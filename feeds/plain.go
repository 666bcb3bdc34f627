package feeds

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html/atom"
)

// plain is the text of HTML as a person reads it: paragraphs are separated by
// "\n\n", lines by "\n", scripts and styles are gone, entities are decoded. HTML
// that was encoded twice is decoded twice. Its cost is linear.
func plain(s string) string {
	if strings.IndexByte(s, '<') < 0 && strings.IndexByte(s, '&') < 0 {
		return lines(s)
	}
	text, tags := strip(s)
	if !tags && strings.ContainsAny(text, "<&") && (looksHTML(text) || unescape([]byte(text), nil) != text) {
		text, _ = strip(text)
	}
	return text
}

// strip decodes HTML once. tags says that it found some. Where HTML is broken it
// keeps what may be text.
func strip(s string) (text string, tags bool) {
	if !looksHTML(s) {
		return lines(unescape([]byte(s), nil)), false
	}
	b := []byte(s)
	p := textFlow{out: make([]byte, 0, len(b))}
	z := newScanner(b, nil)
	for i := 0; ; {
		t, ok := z.next(i, len(b))
		if !ok {
			p.text(b[i:])
			return string(p.out), true
		}
		p.text(b[i:t.start])
		switch i = t.end; t.kind {
		case cdata:
			p.text(b[t.start+9 : t.end-3])
		case startTag:
			i = p.open(z, t)
		case endTag:
			p.want(gaps[tagAtom(t.name)])
		}
	}
}

// open takes a start tag, and returns where the text behind it begins.
func (p *textFlow) open(z *scanner, t tag) int {
	a := tagAtom(t.name)
	if hidden[a] && !t.empty {
		for i := z.index(t.end, len(z.doc), "</"); i >= 0; i = z.index(i+2, len(z.doc), "</") {
			if u, ok := z.at(i, len(z.doc)); ok && u.is(t.name) {
				return u.end
			}
		}
	}
	if a == atom.Br && p.next == line {
		p.want(paragraph)
	}
	p.want(gaps[a])
	return t.end
}

// tagAtom is the element of a tag, whatever prefix its namespace has.
func tagAtom(name []byte) atom.Atom {
	name = name[bytes.LastIndexByte(name, ':')+1:]
	var low [16]byte
	if len(name) > len(low) {
		return 0
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		low[i] = c
	}
	return atom.Lookup(low[:len(name)])
}

// looksHTML reports whether s holds a tag of HTML or a comment.
func looksHTML(s string) bool {
	for {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			return false
		}
		s = s[i+1:]
		if strings.HasPrefix(s, "!--") {
			return true
		}
		name := strings.TrimPrefix(s, "/")
		n := 0
		for n < len(name) && n < 16 && nameByte(name[n], n == 0) {
			n++
		}
		if n == 0 || n == len(name) {
			continue
		}
		if c := name[n]; c != '>' && c != '/' && !space(c) {
			continue
		}
		if n == 16 || strings.IndexByte(name[:n], ':') > 0 || strings.IndexByte(name[:n], '-') > 0 {
			return true // of a word processor, or a custom element
		}
		if tagAtom([]byte(name[:n])) != 0 {
			return true
		}
	}
}

// A gap is what separates two pieces of text.
type gap byte

const (
	none gap = iota
	blank
	line
	paragraph
)

var separators = [...]string{none: "", blank: " ", line: "\n", paragraph: "\n\n"}

var gaps = map[atom.Atom]gap{
	atom.Br: line, atom.Li: line, atom.Tr: line, atom.Dt: line, atom.Dd: line, atom.Option: line,
	atom.Td: blank, atom.Th: blank, atom.Img: blank,
	atom.P: paragraph, atom.Div: paragraph, atom.Ul: paragraph, atom.Ol: paragraph, atom.Dl: paragraph,
	atom.H1: paragraph, atom.H2: paragraph, atom.H3: paragraph, atom.H4: paragraph, atom.H5: paragraph, atom.H6: paragraph,
	atom.Table: paragraph, atom.Blockquote: paragraph, atom.Pre: paragraph, atom.Hr: paragraph, atom.Section: paragraph,
	atom.Article: paragraph, atom.Header: paragraph, atom.Footer: paragraph, atom.Aside: paragraph, atom.Figure: paragraph,
	atom.Figcaption: paragraph, atom.Address: paragraph, atom.Center: paragraph, atom.Main: paragraph, atom.Nav: paragraph,
	atom.Form: paragraph, atom.Fieldset: paragraph, atom.Details: paragraph, atom.Summary: paragraph, atom.Body: paragraph,
	atom.Tbody: paragraph, atom.Thead: paragraph, atom.Caption: paragraph, atom.Title: paragraph,
}

// hidden are the elements whose text nobody reads.
var hidden = map[atom.Atom]bool{
	atom.Script: true, atom.Style: true, atom.Noscript: true, atom.Iframe: true, atom.Noembed: true, atom.Noframes: true,
}

// A textFlow joins pieces of text with the gaps between them.
type textFlow struct {
	out  []byte
	next gap
}

func (p *textFlow) want(g gap) { p.next = max(p.next, g) }

// text adds b, whose entities it decodes.
func (p *textFlow) text(b []byte) {
	for {
		amp := bytes.IndexByte(b, '&')
		if amp < 0 {
			p.write(b)
			return
		}
		p.write(b[:amp])
		text, size := entity(b[amp:], nil)
		if size == 0 {
			text, size = "&", 1
		}
		p.write([]byte(text))
		b = b[amp+size:]
	}
}

// write adds b with each of its runs of blanks as one.
func (p *textFlow) write(b []byte) {
	for i := 0; i < len(b); {
		if htmlSpace(b[i]) {
			p.want(blank)
			i++
			continue
		}
		start := i
		for i < len(b) && (!htmlSpace(b[i]) || b[i] == ' ' && i+1 < len(b) && !htmlSpace(b[i+1])) {
			i++
		}
		if p.next <= blank || !onlyBlank(b[start:i]) {
			p.word(b[start:i])
		}
	}
}

func (p *textFlow) word(b []byte) {
	if len(p.out) > 0 {
		p.out = append(p.out, separators[p.next]...)
	}
	p.next = none
	p.out = append(p.out, b...)
}

func htmlSpace(c byte) bool {
	return c <= ' ' && (c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f')
}

// onlyBlank reports whether b is no-break spaces and the like: it then makes no
// paragraph.
func onlyBlank(b []byte) bool {
	return b[0] >= utf8.RuneSelf && len(bytes.TrimFunc(b, unicode.IsSpace)) == 0
}

// lines is s without blanks at the ends of its lines and with at most one empty
// line between two others.
func lines(s string) string {
	s = strings.TrimSpace(s)
	if strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, '\r') < 0 && !strings.Contains(s, "  ") && strings.IndexByte(s, '\t') < 0 {
		return strings.Clone(s) // not a part of the document, which it would keep in memory
	}
	p := textFlow{out: make([]byte, 0, len(s))}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	for l := range strings.Lines(strings.ReplaceAll(s, "\r", "\n")) {
		if strings.TrimSpace(l) == "" {
			p.want(paragraph)
			continue
		}
		p.write([]byte(l))
		p.want(line)
	}
	return string(p.out)
}

// oneLine is s with its runs of blanks replaced by a space.
func oneLine(s string) string {
	if strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, '\t') < 0 {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < 0x80 && htmlSpace(byte(r)) }), " ")
}
