package words

import (
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

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
	case strings.ContainsRune("'´’‘ʼ＇′", r):
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
	case unicode.IsSpace(r), unicode.In(r, unicode.Pd, unicode.Pi, unicode.Pf), 0x3008 <= r && r <= 0x300F, r == '｢', r == '｣':
		return joiner // also quotation marks: a quoted name is part of a phrase
	}
	return breaker
}

// dropped reports whether r is an accent. The vowel signs of Indic and Thai
// writing and the voicing marks of kana are not: without them words change.
func dropped(r rune) bool {
	return unicode.Is(unicode.Mn, r) && r != 0x3099 && r != 0x309A &&
		unicode.In(r, unicode.Inherited, unicode.Cyrillic, unicode.Arabic, unicode.Hebrew, unicode.Syriac)
}

func classOf(r rune) Class {
	switch {
	case r < 0x0E00:
		return Spaced
	case isSyllable(r), 0x1100 <= r && r < 0x1200:
		return Hangul
	case itself(r), r == 'ー', r == '〆', 0x3031 <= r && r <= 0x3035, r == 0x3099, r == 0x309A,
		unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo,
			unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
		return Packed
	}
	return Spaced
}

func isSyllable(r rune) bool { return 0xAC00 <= r && r <= 0xD7A3 }

// isJamoTail reports whether r is a vowel or a final consonant that is written
// apart from its syllable.
func isJamoTail(r rune) bool { return 0x1161 <= r && r <= 0x1175 || 0x11A8 <= r && r <= 0x11C2 }

// itself reports whether r is one of the many letters that fold to themselves:
// a syllable of Hangul, a common letter of Han.
func itself(r rune) bool { return isSyllable(r) || 0x4E00 <= r && r < 0xA000 }

// A folding is what becomes of a rune.
type folding struct {
	letters string // what a letter folds to; "" is the rune itself
	kind    kind
	class   Class // of a letter that folds to letters of one class; none if they are to be looked at one by one
}

// pages hold the foldings of the first 2^16 runes, 256 to a page, each worked
// out when the first of its runes is met.
var pages [256]atomic.Pointer[[256]folding]

var (
	syllable = &folding{kind: letter, class: Hangul}
	han      = &folding{kind: letter, class: Packed}
)

// foldingOf is what becomes of r. A letter that folds to no letter is nothing.
func foldingOf(r rune) *folding {
	if uint32(r) >= 1<<16 {
		f := workOut(r)
		return &f
	}
	if p := pages[r>>8].Load(); p != nil {
		return &p[r&0xFF]
	}
	return unseen(r)
}

// unseen is what becomes of r, of whose page no rune was met. The many letters of
// Hangul and Han fold to themselves and have no pages.
func unseen(r rune) *folding {
	switch {
	case isSyllable(r):
		return syllable
	case itself(r):
		return han
	}
	return &newPage(r >> 8)[r&0xFF]
}

func newPage(n rune) *[256]folding {
	p := new([256]folding)
	for i := range p {
		p[i] = workOut(n<<8 | rune(i))
	}
	pages[n].Store(p) // two that meet here store the same
	return p
}

func workOut(r rune) folding {
	k := kindOf(r)
	if k != letter {
		return folding{kind: k}
	}
	letters := decompose(r)
	if letters == "" {
		return folding{kind: nothing}
	}
	f := folding{letters: letters, kind: letter, class: classAlone(letters)}
	if letters == string(r) {
		f.letters = ""
	}
	return f
}

// classAlone is the class of letters that can be written without a look at what
// stands before them, and none if there is more to them.
func classAlone(letters string) Class {
	first, n := utf8.DecodeRuneInString(letters)
	class := classOf(first)
	if class == Packed && n < len(letters) {
		return none
	}
	for _, r := range letters {
		if classOf(r) != class || isJamoTail(r) || unicode.IsMark(r) {
			return none
		}
	}
	return class
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
