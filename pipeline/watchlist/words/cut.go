package words

import (
	"errors"
	"unicode"
	"unicode/utf8"
)

// A unit is a word while a text is cut.
type unit struct {
	at, end     int32 // in the folded letters
	start, upTo int32 // in the original
	class       Class
	broken      bool
	joined      bool // it counts nothing: one hyphen or dot, or nothing, parts it from the unit before
	dotted      bool // that is a dot
	attached    bool // it follows an apostrophe
	single      bool // one letter, or such letters with dots between: what a dot may go on
}

// A cutter cuts one text.
type cutter struct {
	buf        []byte // the folded letters
	units      []unit
	open       Class // of the unit being written
	broke      bool  // something that no phrase of Packed letters goes over was passed
	apostrophe bool  // the next unit is attached to the one before
	seps       uint8 // separators since the last unit, at most 2
	sep        rune  // the last of them
	wild       bool  // star and mark stand for wildcards
	err        error // of the wildcards
}

func newCutter(s string, wild bool) *cutter {
	return &cutter{
		buf:   make([]byte, 0, len(s)+8),
		units: make([]unit, 0, len(s)/bytesPerWord(s)+4),
		wild:  wild,
	}
}

// bytesPerWord is a guess at how many bytes of s a word has, with what parts it
// from the next.
func bytesPerWord(s string) int {
	s = s[:min(len(s), 256)]
	three := 0 // letters of three bytes, most of them Packed or Hangul
	for i := range len(s) {
		if s[i]>>4 == 0xE {
			three++
		}
	}
	if 6*three > len(s) {
		return 3
	}
	return 6
}

// asciiWord holds what ASCII letters and digits fold to, and 0 for other bytes.
var asciiWord = func() (t [256]byte) {
	for c := '0'; c <= '9'; c++ {
		t[c] = byte(c)
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = byte(c), byte(c)
	}
	return t
}()

func (c *cutter) all(s string) {
	for i := 0; i < len(s); {
		b := s[i]
		switch {
		case asciiWord[b] != 0:
			i = c.ascii(s, i)
		case b == ' ':
			c.close()
			c.separate(' ')
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if f := foldingOf(r); c.open == Spaced && f.class == Spaced { // most
				c.write(r, f)
				c.upTo(int32(i + n))
			} else {
				c.rune(s, r, f, int32(i), int32(i+n))
			}
			i += n
		}
	}
	c.close()
}

// ascii takes the letters and digits of ASCII that begin at s[i], and returns
// where they end.
func (c *cutter) ascii(s string, i int) int {
	if c.open != Spaced {
		c.begin(Spaced, int32(i))
	}
	for ; i < len(s); i++ {
		b := asciiWord[s[i]]
		if b == 0 {
			break
		}
		c.buf = append(c.buf, b)
	}
	c.upTo(int32(i))
	return i
}

// text is what was cut. Forms are parts of one string.
func (c *cutter) text(s string) *Text {
	t := &Text{Source: s, Words: make([]Word, len(c.units))}
	forms := string(c.buf)
	at := int32(0)
	for i := range c.units {
		u, w := &c.units[i], &t.Words[i]
		w.Form, w.Start, w.End = forms[u.at:u.end], u.start, u.upTo
		w.Class, w.Broken, w.At = u.class, u.broken, at
		switch {
		case u.class == Packed:
			at++
		case !u.joined:
			at += 2
		}
		w.Next = at
	}
	return t
}

// rune takes one rune of s, at s[start:end].
func (c *cutter) rune(s string, r rune, f *folding, start, end int32) {
	if c.wild && (r == star || r == mark) {
		c.wildcard(s, r, start, end)
		return
	}
	switch f.kind {
	case letter:
		c.letter(r, f, start, end)
	case stroke:
		if c.open != none {
			c.upTo(end)
		}
	case apostrophe:
		next, _ := utf8.DecodeRuneInString(s[end:])
		c.apostrophes(r, next)
	case nothing:
	case joiner:
		c.close()
		c.separate(r)
	case breaker:
		c.close()
		c.separate(r)
		c.broke = true
	}
}

func (c *cutter) separate(r rune) {
	if c.seps < 2 {
		c.seps++
	}
	c.sep = r
}

func (c *cutter) upTo(end int32) { c.units[len(c.units)-1].upTo = end }

// letter writes what r folds to.
func (c *cutter) letter(r rune, f *folding, start, end int32) {
	switch {
	case f.class == none && f.letters == "":
		c.add(r, start, end)
		return
	case f.class == none:
		for _, l := range f.letters {
			c.add(l, start, end)
		}
		return
	case f.class == Hangul && c.wild:
		c.turnHangul()
	}
	if c.open != f.class || f.class == Packed {
		c.begin(f.class, start)
	}
	c.write(r, f)
	c.upTo(end)
}

// write adds what r folds to to the folded letters.
func (c *cutter) write(r rune, f *folding) {
	if f.letters == "" {
		c.buf = utf8.AppendRune(c.buf, r)
	} else {
		c.buf = append(c.buf, f.letters...)
	}
}

// add writes one folded rune that may belong to what stands before it.
func (c *cutter) add(r rune, start, end int32) {
	switch class := classOf(r); {
	case c.open == Hangul && isJamoTail(r):
		c.compose(r)
		c.upTo(end)
		return
	case c.open != none && unicode.IsMark(r): // a vowel sign, a voicing mark
	case c.open != class || class == Packed:
		c.begin(class, start)
	}
	c.buf = utf8.AppendRune(c.buf, r)
	c.upTo(end)
}

// compose adds a vowel or a final consonant to the syllable that is open.
func (c *cutter) compose(r rune) {
	last, n := utf8.DecodeLastRune(c.buf)
	switch {
	case 0x1100 <= last && last <= 0x1112 && r <= 0x1175:
		last, r = 0xAC00+((last-0x1100)*21+r-0x1161)*28, 0
	case isSyllable(last) && (last-0xAC00)%28 == 0 && r >= 0x11A8:
		last, r = last+r-0x11A7, 0
	}
	c.buf = utf8.AppendRune(c.buf[:len(c.buf)-n], last)
	if r != 0 {
		c.buf = utf8.AppendRune(c.buf, r)
	}
}

func (c *cutter) begin(class Class, start int32) {
	attached := c.apostrophe
	c.close()
	u := unit{at: int32(len(c.buf)), start: start, class: class, attached: attached}
	if n := len(c.units); n > 0 {
		before := c.units[n-1].class
		u.broken = c.broke && class == Packed && before == Packed
		if class != Packed && before != Packed {
			u.dotted = c.seps == 1 && c.sep == '.'
			u.joined = c.seps == 0 || c.seps == 1 && joins(c.sep)
		}
	}
	c.units = append(c.units, u)
	c.open, c.broke, c.seps = class, false, 0
}

// joins reports whether r alone between two words makes one of them to a reader.
func joins(r rune) bool { return r == '-' || r == '.' || r == '\u2010' || r == '\u2011' }

// apostrophes handles an apostrophe before next. Between Latin letters it parts
// what it joins; within a word of another script, as in Ukrainian, it is nothing.
func (c *cutter) apostrophes(r, next rune) {
	last, _ := utf8.DecodeLastRune(c.buf)
	switch {
	case c.open != Spaced || !unicode.IsLetter(next):
		c.close()
		c.separate(r)
		c.broke = true
	case unicode.Is(unicode.Latin, last) && unicode.Is(unicode.Latin, next):
		c.close()
		c.apostrophe = true
	}
}

// close ends the open unit.
func (c *cutter) close() {
	c.apostrophe = false
	if c.open == none {
		return
	}
	c.open = none
	n := len(c.units)
	u := &c.units[n-1]
	u.end = int32(len(c.buf))
	r, size := utf8.DecodeRune(c.buf[u.at:])
	u.single = u.class == Spaced && size == int(u.end-u.at) && unicode.IsLetter(r)
	switch {
	case n == 1:
	case u.attached:
		c.detach(&c.units[n-2], u)
	case u.single && u.dotted:
		c.acronym(&c.units[n-2], u)
	}
}

// acronym makes one of the last two units if they are letters with a dot between.
func (c *cutter) acronym(before, u *unit) {
	if before.single && before.end == u.at {
		before.end, before.upTo = u.end, u.upTo
		c.units = c.units[:len(c.units)-1]
	}
}

// detach settles what an apostrophe attached to the unit before it: one that is
// no word of its own goes.
func (c *cutter) detach(before, u *unit) {
	n := len(c.units)
	switch {
	case elisions[string(c.buf[before.at:before.end])]:
		u.joined, u.broken = before.joined, before.broken
		c.units[n-2] = *u
		c.units = c.units[:n-1]
	case suffixes[string(c.buf[u.at:u.end])]:
		c.units = c.units[:n-1]
	default:
		u.joined = true
	}
}

// elisions are the articles and particles that French, Italian and their
// neighbours write before an apostrophe.
var elisions = set("l", "d", "j", "m", "t", "s", "n", "c", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu",
	"un", "gl", "dell", "all", "dall", "nell", "sull", "coll", "quell", "quest")

// suffixes are the English possessive and, folded, the endings that Turkish
// writes after the apostrophe of a name or an abbreviation.
var suffixes = set("s", "a", "e", "i", "u", "ya", "ye", "yi", "yu", "na", "ne", "ni", "nu",
	"in", "un", "nin", "nun", "da", "de", "ta", "te", "dan", "den", "tan", "ten",
	"nda", "nde", "ndan", "nden", "la", "le", "yla", "yle", "daki", "deki", "taki", "teki", "ndaki", "ndeki",
	"lar", "ler", "lari", "leri", "larin", "lerin", "lara", "lere", "larda", "lerde", "lardan", "lerden", "larla", "lerle",
	"si", "su", "sini", "sinin", "sina", "sine", "li", "lu")

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// Wildcards of a query while it is cut: letters that no text has.
const (
	star = '\uE000'
	mark = '\uE001'
)

var (
	errPackedWildcard = errors.New("a letter of Chinese, Japanese, Thai, Lao, Khmer or Burmese is a word, which no * or ? is part of: write NEAR/2 between the parts")
	errLoneWildcard   = errors.New("a * or ? between two words is part of neither: leave it out, or write NEAR/1 for a word between them")
)

// wildcard belongs to the word that it stands in or beside. A letter of a Packed
// script has none; before and after such letters a star says nothing that is not
// so without it.
func (c *cutter) wildcard(s string, r rune, start, end int32) {
	next, _ := utf8.DecodeRuneInString(s[end:])
	letters := foldingOf(next).kind == letter
	if c.open == Packed || c.open == none && letters && classOf(next) == Packed {
		if r == mark || c.open == Packed && letters {
			c.err = errPackedWildcard
		}
		return
	}
	if c.open == none {
		c.begin(Spaced, start)
	}
	c.buf = utf8.AppendRune(c.buf, r)
	c.upTo(end)
}

// turnHangul makes a unit that is nothing but wildcards so far one of Hangul.
func (c *cutter) turnHangul() {
	if c.open != Spaced {
		return
	}
	u := &c.units[len(c.units)-1]
	if onlyWild(string(c.buf[u.at:])) {
		c.open, u.class = Hangul, Hangul
	}
}
