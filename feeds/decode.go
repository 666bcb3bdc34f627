package feeds

import (
	"bytes"
	"cmp"
	"fmt"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gogs/chardet"
	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"
)

// decode makes body UTF-8 and names what it was. A byte-order mark counts more
// than the Content-Type header, that more than the XML declaration, and what
// the bytes are more than what is said of them.
func decode(body []byte, contentType, lang string, n *notes) (text []byte, name string) {
	if rest, ok := wrongMark(body); ok {
		n.once("begins with the mark of UTF-16 but is UTF-8")
		body = rest
	}
	if name, mark := byteOrder(body); name != "" {
		text := convert(body[mark:], name, n)
		said := xmlEncoding(text)
		if c := canonicalCharset(said); c != "" && c[:min(len(c), 6)] != name[:min(len(name), 6)] {
			n.once("declared as %s but is %s", short(said), name)
		}
		return text, name
	}
	said := declared(body, contentType, lang, n)
	known := canonicalCharset(said)
	if utf8.Valid(body) {
		switch {
		case known == "utf-8" || said == "":
			if once := twice(body); once != nil {
				n.once("encoded as UTF-8 twice: decoded twice")
				body = once
			}
			return body, "utf-8"
		case known == "" || strings.HasPrefix(known, "utf-") || !asciiOnly(body) && trustUTF8(body, known):
			n.once("declared as %s but is UTF-8: read as UTF-8", short(said))
			return body, "utf-8"
		}
		return convert(body, known, n), known
	}
	if known == "utf-8" || said == "" {
		if fixed, bad := mixedUTF8(body); fixed != nil {
			n.once("%d bytes that are not UTF-8 were read as windows-1252", bad)
			return fixed, "utf-8"
		}
	}
	if known != "" && !strings.HasPrefix(known, "utf-") {
		return convert(body, known, n), known
	}
	known = detect(body, lang)
	if said == "" {
		n.once("declares no charset and is not UTF-8: read as %s", known)
	} else {
		n.once("declared as %s but is not: read as %s", short(said), known)
	}
	return convert(body, known, n), known
}

// byteOrder tells UTF-8, UTF-16 and UTF-32 from the mark that b begins with,
// which is mark bytes long, or from where the zeros of its first characters
// stand. It returns "" if neither tells.
func byteOrder(b []byte) (name string, mark int) {
	for _, m := range []struct{ mark, name string }{
		{"\xef\xbb\xbf", "utf-8"},
		{"\xff\xfe\x00\x00", "utf-32le"},
		{"\x00\x00\xfe\xff", "utf-32be"},
		{"\xff\xfe", "utf-16le"},
		{"\xfe\xff", "utf-16be"},
	} {
		if bytes.HasPrefix(b, []byte(m.mark)) {
			return m.name, len(m.mark)
		}
	}
	if len(b) < 8 {
		return "", 0
	}
	zeros := [4]bool{}
	for i := range 4 {
		zeros[i] = b[i] == 0 && b[i+4] == 0
	}
	switch zeros {
	case [4]bool{false, true, true, true}:
		return "utf-32le", 0
	case [4]bool{true, true, true, false}:
		return "utf-32be", 0
	case [4]bool{false, true, false, true}:
		return "utf-16le", 0
	case [4]bool{true, false, true, false}:
		return "utf-16be", 0
	}
	return "", 0
}

// wrongMark is b without a mark of UTF-16 before what is UTF-8: markup in UTF-16
// holds zeros.
func wrongMark(b []byte) (rest []byte, ok bool) {
	if !bytes.HasPrefix(b, []byte("\xff\xfe")) && !bytes.HasPrefix(b, []byte("\xfe\xff")) {
		return b, false
	}
	rest = b[2:]
	return rest, bytes.IndexByte(rest, '<') >= 0 && bytes.IndexByte(rest, 0) < 0 && utf8.Valid(rest)
}

// twice is the text of which b is the UTF-8 of its UTF-8 read as windows-1252
// ("Ã©" for "é"). It is nil unless all of b is such, in at least two places.
func twice(b []byte) []byte {
	if asciiOnly(b) {
		return nil
	}
	out, places := make([]byte, 0, len(b)), 0
	for len(b) > 0 {
		if b[0] < utf8.RuneSelf {
			out, b = append(out, b[0]), b[1:]
			continue
		}
		r, size := utf8.DecodeRune(b)
		c, ok := byteOf(r)
		if !ok {
			return nil
		}
		out, b = append(out, c), b[size:]
		if c >= 0xc0 {
			places++
		}
	}
	if places < 2 || !utf8.Valid(out) {
		return nil
	}
	return out
}

// byteOf is what r is in windows-1252.
func byteOf(r rune) (c byte, ok bool) {
	if r >= 0x80 && r <= 0xff {
		return byte(r), true
	}
	i := slices.Index(c1[:], r)
	return byte(0x80 + i), i >= 0
}

// declared is the charset that the header or the XML declaration names. Where
// they differ, the header counts unless it names a server's usual default and
// the bytes look like what the document says of itself.
func declared(body []byte, contentType, lang string, n *notes) string {
	inside := xmlEncoding(body)
	_, params, _ := mime.ParseMediaType(contentType)
	header := strings.Trim(params["charset"], ` "'`)
	a, b := canonicalCharset(header), canonicalCharset(inside)
	if header == "" || a == "" && b != "" {
		return inside
	}
	if a == "windows-1252" && b != "" && b != a && b != "utf-8" && detect(body, lang) == b {
		n.once("the server says %s but the document is %s", short(header), b)
		return inside
	}
	return header
}

// xmlEncoding is the encoding that the XML declaration names, or "".
func xmlEncoding(b []byte) string {
	i := bytes.Index(b[:min(len(b), 64<<10)], []byte("<?xml "))
	if i < 0 {
		return ""
	}
	b = b[i+6:]
	end := bytes.IndexByte(b, '>')
	if end < 0 || end > 256 {
		return ""
	}
	return strings.TrimSpace(attr(bytes.TrimRight(b[:end], "?"), "encoding"))
}

// aliases are names that are met in feeds and that the registry of the web does
// not know.
var aliases = map[string]string{
	"cp936": "gbk", "cp949": "euc-kr", "uhc": "euc-kr", "ms949": "euc-kr", "cp932": "shift_jis", "cp950": "big5",
	"utf_8": "utf-8", "utf8mb4": "utf-8", "utf-8n": "utf-8", "ucs-2": "utf-16le", "utf16": "utf-16le", "utf-32": "utf-32be", "utf32": "utf-32be",
	"win-1250": "windows-1250", "win1250": "windows-1250", "win-1251": "windows-1251", "win1251": "windows-1251", "win": "windows-1251", "win-1252": "windows-1252",
}

// canonicalCharset is the name by which the web knows a charset, or "".
func canonicalCharset(label string) string {
	label = strings.ToLower(strings.TrimSpace(label))
	if name, ok := aliases[label]; ok {
		return name
	}
	e, name := charset.Lookup(label)
	if e == nil || e == encoding.Replacement || name == "x-user-defined" {
		return ""
	}
	return name
}

func asciiOnly(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// trustUTF8 reports whether valid UTF-8 that is said to be something else is
// UTF-8 indeed. Two bytes of Chinese, Korean or Japanese are often UTF-8 by
// chance, three rarely.
func trustUTF8(b []byte, said string) bool {
	switch said {
	case "gbk", "gb18030", "big5", "euc-kr", "euc-jp", "shift_jis":
		two, more := 0, 0
		for len(b) > 0 {
			_, size := utf8.DecodeRune(b)
			if size == 2 {
				two++
			} else if size > 2 {
				more++
			}
			b = b[size:]
		}
		return more > two
	}
	return said != "iso-2022-jp"
}

// mixedUTF8 reads the bytes of b that are not UTF-8 as windows-1252. It returns
// nil if they are more than b's other characters beyond ASCII: then b is
// something else. A character that was cut at the end is dropped.
func mixedUTF8(b []byte) (fixed []byte, bad int) {
	good := 0
	fixed = make([]byte, 0, len(b)+64)
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		switch {
		case r != utf8.RuneError || size > 1:
			good += min(size-1, 1)
			fixed = append(fixed, b[i:i+size]...)
		case !utf8.FullRune(b[i:]):
			i = len(b)
		default:
			bad++
			fixed = utf8.AppendRune(fixed, windows1252(b[i]))
		}
		i += size
	}
	if bad > good {
		return nil, bad
	}
	return fixed, bad
}

// windows1252 is the character of c, from 0x80 on.
func windows1252(c byte) rune {
	if c >= 0x80 && c < 0xa0 {
		return c1[c-0x80]
	}
	return rune(c)
}

// c1 is what windows-1252 has at 0x80 to 0x9f. Feeds often hold these as the
// control characters of the same number.
var c1 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8d, 'Ž', 0x8f,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9d, 'ž', 'Ÿ',
}

// maxSample is how many bytes are looked at to detect a charset.
const maxSample = 16 << 10

// usual are the charsets other than UTF-8 in which a language is written.
var usual = map[string][]string{
	"ru": {"windows-1251", "koi8-u", "iso-8859-5"}, "uk": {"windows-1251", "koi8-u"}, "be": {"windows-1251"}, "bg": {"windows-1251"}, "mk": {"windows-1251"}, "sr": {"windows-1251", "windows-1250"},
	"ja": {"shift_jis", "euc-jp", "iso-2022-jp"}, "ko": {"euc-kr"}, "zh": {"gb18030", "big5"},
	"ar": {"windows-1256", "iso-8859-6"}, "fa": {"windows-1256"}, "he": {"windows-1255"}, "el": {"windows-1253", "iso-8859-7"}, "tr": {"windows-1254"},
	"pl": {"iso-8859-2", "windows-1250"}, "cs": {"windows-1250", "iso-8859-2"}, "sk": {"windows-1250", "iso-8859-2"}, "hu": {"iso-8859-2", "windows-1250"}, "ro": {"iso-8859-2", "windows-1250"}, "hr": {"windows-1250", "iso-8859-2"}, "sl": {"windows-1250", "iso-8859-2"},
}

// detect guesses the charset of b, preferring those in which lang is written.
func detect(b []byte, lang string) string {
	lang, _, _ = strings.Cut(strings.ToLower(lang), "-")
	part := sample(b)
	guesses, err := chardet.NewTextDetector().DetectAll(part)
	if err != nil || len(guesses) == 0 {
		return "windows-1252"
	}
	// The detector's order among equals is chance: the language's own order decides.
	slices.SortFunc(guesses, func(a, b chardet.Result) int {
		return cmp.Or(cmp.Compare(b.Confidence, a.Confidence), cmp.Compare(rank(a, lang), rank(b, lang)), strings.Compare(a.Charset, b.Charset))
	})
	// A charset in which characters are missing is a worse guess than any other.
	best, fewest := "", len(part)+1
	for _, g := range guesses {
		name := guessed(g)
		if g.Confidence >= 10 && slices.Contains(usual[lang], name) {
			return name
		}
		if e, _ := charset.Lookup(name); e == nil || strings.HasPrefix(name, "utf-") {
			continue
		}
		if lost := bytes.Count(convert(part, name, nil), []byte("\ufffd")); lost < fewest {
			best, fewest = name, lost
		}
	}
	return cmp.Or(best, "windows-1252")
}

// rank is the place of a guess among the charsets that are usual in a language.
func rank(g chardet.Result, lang string) int {
	if i := slices.Index(usual[lang], guessed(g)); i >= 0 {
		return i
	}
	return len(usual[lang])
}

func guessed(g chardet.Result) string {
	if name := canonicalCharset(g.Charset); name != "koi8-r" {
		return name
	}
	return "koi8-u" // the same but for box drawings, where it has letters
}

// sample is the text of b that is not ASCII, with the words around it.
func sample(b []byte) []byte {
	out := make([]byte, 0, maxSample)
	for len(b) > 0 && len(out) < maxSample {
		piece, rest, _ := bytes.Cut(b, []byte("<"))
		if gt := bytes.IndexByte(piece, '>'); gt >= 0 {
			piece = piece[gt+1:]
		}
		if !asciiOnly(piece) {
			out = append(append(out, piece[:min(len(piece), maxSample)]...), ' ')
		}
		b = rest
	}
	return out
}

// convert decodes b from the charset that the web knows by name. What does not
// decode becomes U+FFFD and is noted.
func convert(b []byte, name string, n *notes) []byte {
	var e encoding.Encoding
	switch name {
	case "utf-8":
		if utf8.Valid(b) {
			return b
		}
		n.once("bytes that are not UTF-8 were dropped")
		return bytes.ToValidUTF8(b, nil)
	case "utf-32le":
		e = utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
	case "utf-32be":
		e = utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	case "gbk":
		e, _ = charset.Lookup("gb18030") // which adds to it
	default:
		e, _ = charset.Lookup(name)
	}
	out, _, err := transform.Bytes(e.NewDecoder(), b)
	if err != nil {
		n.once("the text could not be decoded from %s to its end: %v", name, err)
	}
	if lost := bytes.Count(out, []byte("\ufffd")); lost > 0 {
		n.once("%d characters could not be decoded from %s", lost, name)
	}
	return out
}

// short quotes foreign text for an error or a note: one line of at most 60 bytes.
func short(s string) string {
	s = oneLine(strings.ToValidUTF8(s, ""))
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
