package watchlist

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A class says how the words of a script are told apart.
type class byte

const (
	none   class = iota
	spaced       // words are written apart
	hangul       // words are written apart, and particles are attached to them
	packed       // words are not written apart: every letter is a unit
)

// A unit is a word of a spaced script or a letter of a packed one.
type unit struct {
	at         int // where its edge stands in folded.text
	start, end int // the bytes of the original that it covers
	class      class
	attached   bool // it follows an apostrophe
}

// folded is a text cut into units. In text an edge stands before each unit and
// after the last, and a gap between letters of packed scripts that something
// other than spaces, hyphens and middle dots parts.
type folded struct {
	text  string
	units []unit
}

const (
	edge byte = 0
	gap  byte = 1
)

// fold folds and cuts s in one pass.
func fold(s string) folded {
	c := cutter{known: table(), buf: make([]byte, 0, len(s)+len(s)/2+2), units: make([]unit, 0, len(s)/5+1)}
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		c.rune(s, r, i, i+n)
		i += n
	}
	c.close()
	return folded{text: string(append(c.buf, edge)), units: c.units}
}

type cutter struct {
	known      *[tabled]entry
	buf        []byte
	units      []unit
	open       class // of the unit being written
	gap        bool  // something that interrupts packed letters was passed
	apostrophe bool  // the next unit is attached to the one before
}

// rune takes one rune of s, at s[start:end].
func (c *cutter) rune(s string, r rune, start, end int) {
	k, letters := c.foldRune(r)
	switch k {
	case letter:
		c.letters(r, letters, start, end)
	case stroke:
		if c.open != none {
			c.units[len(c.units)-1].end = end
		}
	case apostrophe:
		next, _ := utf8.DecodeRuneInString(s[end:])
		c.apostrophes(next)
	case nothing:
	case joiner:
		c.close()
	case breaker:
		c.close()
		c.gap = true
	}
}

// letters writes what r folds to: itself if letters is empty.
func (c *cutter) letters(r rune, letters string, start, end int) {
	switch {
	case letters == "":
		c.add(r, start, end)
	case r < tabled:
		if c.open != spaced {
			c.begin(spaced, start)
		}
		c.buf = append(c.buf, letters...)
		c.units[len(c.units)-1].end = end
	default:
		for _, l := range letters {
			c.add(l, start, end)
		}
	}
}

// add writes one folded rune.
func (c *cutter) add(r rune, start, end int) {
	cl := classOf(r)
	switch {
	case c.open == hangul && isJamoTail(r):
		c.compose(r)
		c.units[len(c.units)-1].end = end
		return
	case c.open != none && !itself(r) && unicode.IsMark(r): // a vowel sign, a voicing mark
	case c.open != cl || cl == packed:
		c.begin(cl, start)
	}
	c.buf = utf8.AppendRune(c.buf, r)
	c.units[len(c.units)-1].end = end
}

// compose adds a vowel or a final consonant to the syllable that is open.
func (c *cutter) compose(r rune) {
	_, n := utf8.DecodeLastRune(c.buf)
	tail := len(c.buf) - n
	c.buf = append(c.buf[:tail], norm.NFC.Bytes(utf8.AppendRune(c.buf[tail:len(c.buf):len(c.buf)], r))...)
}

func (c *cutter) begin(cl class, start int) {
	attached := c.apostrophe
	c.close()
	if n := len(c.units); c.gap && cl == packed && n > 0 && c.units[n-1].class == packed {
		c.buf = append(c.buf, edge, gap)
	}
	c.units = append(c.units, unit{at: len(c.buf), start: start, class: cl, attached: attached})
	c.buf = append(c.buf, edge)
	c.open, c.gap = cl, false
}

// apostrophes handles an apostrophe before next. Between Latin letters it parts
// what it joins; within a word of another script, as in Ukrainian, it is nothing.
func (c *cutter) apostrophes(next rune) {
	last, _ := utf8.DecodeLastRune(c.buf)
	switch {
	case c.open != spaced || !unicode.IsLetter(next):
		c.close()
		c.gap = true
	case unicode.Is(unicode.Latin, last) && unicode.Is(unicode.Latin, next):
		c.close()
		c.apostrophe = true
	}
}

// close ends the open unit. If that is attached to the unit before, the one
// that is no word of its own goes.
func (c *cutter) close() {
	c.apostrophe = false
	if c.open == none {
		return
	}
	c.open = none
	n := len(c.units)
	u := c.units[n-1]
	if !u.attached {
		return
	}
	before := c.units[n-2]
	switch {
	case elisions[string(c.buf[before.at+1:u.at])]:
		c.buf = append(c.buf[:before.at], c.buf[u.at:]...)
		u.at = before.at
		c.units = append(c.units[:n-2], u)
	case suffixes[string(c.buf[u.at+1:])]:
		c.buf = c.buf[:u.at]
		c.units = c.units[:n-1]
	}
}

// elisions are the articles and particles that French, Italian and their
// neighbours write before an apostrophe.
var elisions = set("l", "d", "j", "m", "t", "s", "n", "c", "qu", "jusqu", "lorsqu", "puisqu",
	"un", "dell", "all", "dall", "nell", "sull", "coll", "quell", "quest")

// suffixes are the English possessive and, folded, the case endings that
// Turkish writes after the apostrophe of a name.
var suffixes = set("s", "a", "e", "i", "u", "ya", "ye", "yi", "yu", "na", "ne", "ni", "nu",
	"in", "un", "nin", "nun", "da", "de", "ta", "te", "dan", "den", "tan", "ten",
	"nda", "nde", "ndan", "nden", "la", "le", "yla", "yle", "daki", "deki", "taki", "teki", "ndaki", "ndeki")

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// A kind says what becomes of a rune.
type kind byte

const (
	breaker    kind = iota // separates words and interrupts packed letters
	joiner                 // separates words
	letter                 // is folded and kept
	stroke                 // belongs to the word, and is dropped: an accent
	nothing                // is dropped
	apostrophe             // see cutter.apostrophes
)

// kindOf is the kind of r. The ordinal signs ª and º, like № and ², would join
// the number or the word beside them, and are no letters here.
func kindOf(r rune) kind {
	switch {
	case itself(r):
		return letter
	case strings.ContainsRune("'`´’‘ʼ＇′", r):
		return apostrophe
	case strings.ContainsRune("·・･‧⸱−", r):
		return joiner
	case r == 'ª', r == 'º', r == utf8.RuneError:
		return breaker
	case r == 'ـ', dropped(r):
		return stroke
	case unicode.IsLetter(r), unicode.IsMark(r), unicode.Is(unicode.Nd, r), unicode.Is(unicode.Nl, r):
		return letter
	case unicode.Is(unicode.Cf, r):
		return nothing
	case unicode.IsSpace(r), unicode.Is(unicode.Pd, r):
		return joiner
	}
	return breaker
}

// dropped reports whether r is an accent. The vowel signs of Indic and Thai
// writing and the voicing marks of kana are not: without them words change.
func dropped(r rune) bool {
	return unicode.Is(unicode.Mn, r) && r != 0x3099 && r != 0x309A &&
		unicode.In(r, unicode.Inherited, unicode.Cyrillic, unicode.Arabic, unicode.Hebrew, unicode.Syriac)
}

func classOf(r rune) class {
	switch {
	case r < 0x0E00:
		return spaced
	case isSyllable(r), 0x1100 <= r && r < 0x1200:
		return hangul
	case itself(r), r == 'ー', r == 0x3099, r == 0x309A,
		unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo,
			unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
		return packed
	}
	return spaced
}

func isSyllable(r rune) bool { return 0xAC00 <= r && r <= 0xD7A3 }

// isJamoTail reports whether r is a vowel or a final consonant that is written
// apart from its syllable.
func isJamoTail(r rune) bool { return 0x1161 <= r && r <= 0x1175 || 0x11A8 <= r && r <= 0x11C2 }

// itself reports whether r is one of the many letters that fold to themselves:
// a syllable of Hangul, a common letter of Han.
func itself(r rune) bool { return isSyllable(r) || 0x4E00 <= r && r < 0xA000 }

// tabled is the end of the runes whose folding is worked out once: of Latin,
// Greek, Cyrillic, Hebrew and Arabic. None of them is packed or a kept mark.
const tabled = 0x700

type entry struct {
	kind    kind
	letters string
}

var table = sync.OnceValue(func() *[tabled]entry {
	var t [tabled]entry
	for r := range rune(tabled) {
		t[r].kind, t[r].letters = foldSlowly(r)
	}
	return &t
})

// foldRune is the kind of r and, if it is a letter, what it folds to: itself
// where letters is empty. A letter that folds to no letter is dropped.
func (c *cutter) foldRune(r rune) (k kind, letters string) {
	switch {
	case r < tabled:
		return c.known[r].kind, c.known[r].letters
	case itself(r):
		return letter, ""
	}
	return foldSlowly(r)
}

func foldSlowly(r rune) (k kind, letters string) {
	if k = kindOf(r); k == letter {
		if letters = decompose(r); letters == "" {
			return nothing, ""
		}
	}
	return k, letters
}

// decompose folds a letter: without width, ligature and accents, in lower case.
func decompose(r rune) string {
	enc := utf8.AppendRune(make([]byte, 0, utf8.UTFMax), r)
	b := enc
	if d := norm.NFKD.Properties(enc).Decomposition(); d != nil {
		b = d
	}
	var out []byte
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		if kindOf(r) != letter {
			continue
		}
		r = unicode.ToLower(r)
		switch s, ok := alike[r]; {
		case ok:
			out = append(out, s...)
		case unicode.Is(unicode.Nd, r):
			out = append(out, '0'+digit(r))
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return string(out)
}

// digit is the value of a decimal digit: Unicode encodes each script's ten in
// one row, and rows that follow one another make one range.
func digit(r rune) byte {
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return byte((r - rune(t.Lo)) % 10)
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return byte((r - rune(t.Lo)) % 10)
		}
	}
	return 0
}

// alike holds the lower-case letters that Unicode does not decompose and that
// readers take for the letters beside them.
var alike = map[rune]string{
	'ß': "ss", 'ı': "i", 'ł': "l", 'ø': "o", 'đ': "d", 'ð': "d", 'ħ': "h", 'þ': "th", 'æ': "ae", 'œ': "oe", 'ŋ': "n",
	'ς': "σ",
	'ٱ': "ا", 'ی': "ي", 'ى': "ي", 'ې': "ي", 'ے': "ي", 'ک': "ك", 'ڪ': "ك",
	'ة': "ه", 'ہ': "ه", 'ھ': "ه", 'ە': "ه", 'ۃ': "ه",
}
