package feeds

import (
	"crypto/sha256"
	binenc "encoding/binary"
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"
)

// A gist is what identity keeps of what an entry says.
type gist struct {
	print   uint64   // of title and text; case, punctuation and spaces do not count. 0 if it says nothing
	exact   uint64   // of title and text as they are
	title   [8]byte  // sketch of the title's words
	text    [16]byte // sketch of the text's pairs of words
	telling bool     // the text has at least tellingLetters letters
}

// tellingLetters is how long a text must be to identify an entry by itself.
const tellingLetters = 200

// A folder reads texts word by word: letters and digits, lower case, so that
// a new template or encoding leaves a text what it was. It is not safe for
// concurrent use.
type folder struct {
	buf   []byte // the words read, each with a space after it
	words int
	least [16]uint64 // by the first bits of a feature: the least of the rest plus one
}

// gist reads title and text. Its fingerprint is that of source alone, so that it
// says nothing across sources.
func (f *folder) gist(source, title, text string) gist {
	return f.folded(source, title, text, f.exact(title, text))
}

func (f *folder) exact(title, text string) uint64 {
	f.buf = append(append(append(f.buf[:0], title...), 0), text...)
	return max(1, mix(f.buf))
}

func (f *folder) folded(source, title, text string, exact uint64) gist {
	g := gist{exact: exact}
	f.buf = append(append(f.buf[:0], source...), 0, byte(aliasPrint), 0)
	start := len(f.buf)
	f.fold(title, false)
	f.sketch(g.title[:])
	f.buf = append(f.buf, '\n')
	middle := len(f.buf)
	f.fold(text, true)
	g.telling = f.letters(f.buf[middle:]) >= tellingLetters
	f.sketch(g.text[:])
	if len(f.buf) > start+1 {
		g.print = f.sum(f.buf)
	}
	return g
}

func (f *folder) letters(words []byte) int {
	if n := len(words) - f.words; n < tellingLetters || n >= utf8.UTFMax*tellingLetters {
		return n
	}
	return utf8.RuneCount(words) - f.words
}

// sum is the first 8 bytes of b's SHA-256, never 0: 0 means that there is none.
func (*folder) sum(b []byte) uint64 {
	h := sha256.Sum256(b)
	return max(1, binenc.BigEndian.Uint64(h[:8]))
}

// fold appends the words of s to f.buf and takes them, or with pairs each with
// the one before it, for the sketch.
func (f *folder) fold(s string, pairs bool) {
	f.least, f.words = [16]uint64{}, 0
	letter := lowerTable()
	buf := slices.Grow(f.buf, len(s)+1)
	start, prev := len(buf), uint64(0) // of the word
	for i := 0; i < len(s); {
		var r rune
		if c := s[i]; c < utf8.RuneSelf {
			i++
			if c = byte(letter[c]); c != 0 {
				buf = append(buf, c)
				continue
			}
		} else {
			c, n := utf8.DecodeRuneInString(s[i:])
			i += n
			if r = lower(letter, c); r == ignored {
				continue
			}
			if r != 0 {
				if buf = utf8.AppendRune(buf, r); !ideograph(r) {
					continue
				}
			}
		}
		if len(buf) > start {
			prev = f.take(buf[start:], prev, pairs || ideograph(r))
			buf = append(buf, ' ')
			start = len(buf)
		}
	}
	if len(buf) > start {
		f.take(buf[start:], prev, pairs)
		buf = append(buf, ' ')
	}
	f.buf = buf
}

const odd = 0xd6e8feb86659fd93

// mix is a fast hash. It is no secret how to make two texts that have the same:
// whoever did so would only hide revisions of their own entries.
func mix(b []byte) uint64 {
	h := uint64(len(b))
	for ; len(b) >= 8; b = b[8:] {
		h = (h ^ binenc.LittleEndian.Uint64(b)) * odd
		h ^= h >> 32
	}
	var last uint64
	for _, c := range b {
		last = last<<8 | uint64(c)
	}
	h = (h ^ last) * odd
	return h ^ h>>32
}

// take adds a word to the sketch, by itself or with the hash of the one before,
// and returns its hash.
func (f *folder) take(word []byte, prev uint64, pair bool) uint64 {
	h := mix(word)
	x := h
	if pair {
		x += prev * 0x9e3779b97f4a7c15
	}
	x *= odd
	x ^= x >> 29
	x *= odd
	x ^= x >> 32
	f.words++
	if i, v := x>>60, x&(1<<60-1)+1; f.least[i] == 0 || v < f.least[i] {
		f.least[i] = v
	}
	return h
}

// sketch writes one-permutation minima, one byte each, 0 where there was no
// feature. The share of equal bytes among those that either sketch has is about
// the share of features that two texts have in common; unrelated bytes are equal
// once in 255.
func (f *folder) sketch(to []byte) {
	per := len(f.least) / len(to)
	for i := range to {
		var least uint64
		for _, v := range f.least[i*per : (i+1)*per] {
			if v != 0 && (least == 0 || v < least) {
				least = v
			}
		}
		if to[i] = 0; least != 0 {
			to[i] = byte(least%255) + 1
		}
	}
}

// alike counts the bytes that two sketches have in common, and those that either
// has.
func alike(a, b []byte) (same, of int) {
	for i := range a {
		if a[i] == 0 && b[i] == 0 {
			continue
		}
		of++
		if a[i] == b[i] {
			same++
		}
	}
	return same, of
}

// ignored stands for characters that nobody sees: they do not part words.
const ignored = -1

// lowerTable maps the characters below U+3000 to their lower case where they
// belong to a word, 0 where they part words, and 1 where they are ignored.
// Asking package unicode for each letter takes ten times as long.
var lowerTable = sync.OnceValue(func() *[0x3000]uint16 {
	var t [0x3000]uint16
	for r := range rune(len(t)) {
		switch l := unicode.ToLower(r); {
		case !unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Sc, unicode.Cf):
		case r >= utf8.RuneSelf && unicode.Is(unicode.Cf, r):
			t[r] = 1
		case l < rune(len(t)) && (l < utf8.RuneSelf) == (r < utf8.RuneSelf):
			t[r] = uint16(l)
		default:
			t[r] = uint16(r)
		}
	}
	return &t
})

func lower(t *[0x3000]uint16, r rune) rune {
	switch {
	case r < rune(len(t)):
		if t[r] == 1 {
			return ignored
		}
		return rune(t[r])
	case ideograph(r):
		return r
	case r >= 0xff01 && r <= 0xff5e: // full width
		return rune(t[r-0xff01+'!'])
	case r == 0xfeff:
		return ignored
	case unicode.In(r, unicode.L, unicode.N, unicode.M):
		return unicode.ToLower(r)
	}
	return 0
}

// ideograph reports whether r is written without spaces between words: kana and
// Han.
func ideograph(r rune) bool {
	return r >= 0x3041 && r <= 0x30ff || r >= 0x3400 && r <= 0x9fff || r >= 0xf900 && r <= 0xfaff || r >= 0x20000 && r <= 0x3ffff
}
