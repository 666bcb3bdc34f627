package feeds

import (
	"bytes"
	binenc "encoding/binary"
	"fmt"
	"html"
	"strings"
	"unicode/utf8"
)

// notes collects what had to be done to read a document. A nil *notes forgets.
type notes struct {
	list []note
}

// A note is a repair, and the first thing to which it was done.
type note struct {
	what, example string
	times         int
}

// maxNotes is how many different repairs are told.
const maxNotes = 32

// add notes something that may be done many times.
func (n *notes) add(what string) { n.addLike(what, "") }

// once notes something that is done once.
func (n *notes) once(format string, args ...any) { n.add(fmt.Sprintf(format, args...)) }

// addLike notes something that may be done many times, and an example of it.
func (n *notes) addLike(what, example string) {
	if n == nil {
		return
	}
	for i := range n.list {
		if n.list[i].what == what {
			n.list[i].times++
			return
		}
	}
	if len(n.list) < maxNotes {
		n.list = append(n.list, note{what, example, 1})
	}
}

// sentences is never nil.
func (n *notes) sentences() []string {
	out := make([]string, len(n.list))
	for i, t := range n.list {
		out[i] = t.what
		if t.example != "" {
			out[i] += ": " + short(t.example)
		}
		if t.times > 1 {
			out[i] += fmt.Sprintf(" (%d times)", t.times)
		}
	}
	return out
}

// clean removes the characters that XML does not allow from UTF-8 text. Vertical
// tabs and form feeds become spaces, and the control characters U+0080 to U+009F
// what windows-1252 has at their numbers.
func clean(b []byte, n *notes) []byte {
	i := dirty(b, 0)
	if i < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for from := 0; ; i = dirty(b, from) {
		if i < 0 {
			return append(out, b[from:]...)
		}
		out = append(out, b[from:i]...)
		r, size := utf8.DecodeRune(b[i:])
		from = i + size
		switch {
		case r == '\v' || r == '\f':
			out = append(out, ' ')
			n.add("removed a control character")
		case r >= 0x80 && r < 0xa0:
			out = utf8.AppendRune(out, c1[r-0x80])
			n.add("read a control character as windows-1252")
		default:
			n.add("removed a control character")
		}
	}
}

// dirty is where the first character from i on stands that clean changes, or -1.
func dirty(b []byte, i int) int {
	for ; i < len(b); i++ {
		for i+8 <= len(b) && plainASCII(binenc.LittleEndian.Uint64(b[i:])) {
			i += 8
		}
		if i == len(b) {
			break
		}
		switch c := b[i]; {
		case c < 0x20:
			if c != '\n' && c != '\t' && c != '\r' {
				return i
			}
		case c == 0xc2:
			if i+1 < len(b) && b[i+1] < 0xa0 && c1[b[i+1]-0x80] >= 0xa0 {
				return i
			}
		case c == 0xef:
			if i+2 < len(b) && b[i+1] == 0xbf && b[i+2] >= 0xbe {
				return i
			}
		}
	}
	return -1
}

// plainASCII reports whether each of eight bytes is from 0x20 to 0x7f.
func plainASCII(x uint64) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	return (x|(x-0x20*each))&high == 0
}

// unescape decodes the entities of XML and HTML in b, if they end in a
// semicolon. References to characters that XML does not allow are dropped.
func unescape(b []byte, n *notes) string {
	amp := bytes.IndexByte(b, '&')
	if amp < 0 {
		return string(b)
	}
	var out strings.Builder
	out.Grow(len(b))
	for amp >= 0 {
		out.Write(b[:amp])
		b = b[amp:]
		text, size := entity(b, n)
		if size == 0 {
			n.add("took a bare & as text")
			text, size = "&", 1
		}
		out.WriteString(text)
		b = b[size:]
		amp = bytes.IndexByte(b, '&')
	}
	out.Write(b)
	return out.String()
}

// maxEntity is the length of the longest entity of HTML with its & and ;.
const maxEntity = 33

// entity decodes the entity at the start of b; size is 0 if there is none.
func entity(b []byte, n *notes) (text string, size int) {
	switch {
	case bytes.HasPrefix(b, []byte("&lt;")):
		return "<", 4
	case bytes.HasPrefix(b, []byte("&gt;")):
		return ">", 4
	case bytes.HasPrefix(b, []byte("&amp;")):
		return "&", 5
	case bytes.HasPrefix(b, []byte("&quot;")):
		return `"`, 6
	case bytes.HasPrefix(b, []byte("&apos;")):
		return "'", 6
	}
	end := bytes.IndexByte(b[:min(len(b), maxEntity)], ';')
	if end < 2 || bytes.IndexByte(b[1:end], '&') >= 0 {
		return "", 0
	}
	name := string(b[:end+1])
	text = html.UnescapeString(name)
	if text == name || text == html.UnescapeString(name[:end])+";" {
		return "", 0
	}
	switch {
	case name[1] != '#':
		n.add("read an entity of HTML")
	case text == "\ufffd" || len(text) == 1 && text < " " && !space(text[0]) || text == "\ufffe" || text == "\uffff":
		n.add("dropped a reference to a character that XML does not allow")
		text = ""
	}
	return text, end + 1
}

// content decodes what stands in an XML element: text and CDATA sections become
// one text and comments go. markup says that there are elements: these stay, and
// then so do the entities between them.
func content(raw []byte, n *notes) (text string, markup bool) {
	if bytes.IndexByte(raw, '<') < 0 {
		return unescape(raw, n), false
	}
	trimmed := bytes.TrimSpace(raw)
	if only, ok := bytes.CutPrefix(trimmed, []byte("<![CDATA[")); ok && bytes.Index(only, []byte("]]>")) == len(only)-3 {
		return string(only[:len(only)-3]), false
	}
	pieces := split(raw, n)
	for _, p := range pieces {
		markup = markup || p.markup
	}
	var out strings.Builder
	for _, p := range pieces {
		if markup || p.markup || p.cdata {
			out.Write(p.b)
		} else {
			out.WriteString(unescape(p.b, n))
		}
	}
	return out.String(), markup
}

// A piece is a run of text, the inside of a CDATA section, or a tag.
type piece struct {
	b             []byte
	cdata, markup bool
}

// maxPieces is how many pieces of a text are read: a text that people can read has
// a hundredth of them.
const maxPieces = 1 << 17

// split cuts what stands in an element into pieces, without its comments.
func split(raw []byte, n *notes) (out []piece) {
	s := newScanner(raw, n)
	for i := 0; ; {
		if len(out) >= maxPieces {
			n.add("cut a text that has too many tags")
			return out
		}
		t, ok := s.next(i, len(raw))
		if !ok {
			rest := bytes.TrimPrefix(raw[i:], []byte("<![CDATA["))
			if bytes.IndexByte(rest, '<') >= 0 {
				n.add("took a bare < as text")
			}
			return append(out, piece{b: rest})
		}
		if before := raw[i:t.start]; len(before) > 0 {
			if bytes.IndexByte(before, '<') >= 0 {
				n.add("took a bare < as text")
			}
			out = append(out, piece{b: bytes.TrimPrefix(before, []byte("<![CDATA["))})
		}
		switch t.kind {
		case cdata:
			out = append(out, piece{b: raw[t.start+9 : t.end-3], cdata: true})
		case startTag, endTag:
			out = append(out, piece{b: raw[t.start:t.end], markup: true})
		}
		i = t.end
	}
}
