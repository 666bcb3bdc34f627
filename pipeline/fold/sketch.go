package fold

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MinLetters is how many letters and digits a text needs to identify a
// statement without its title.
const MinLetters = 200

// What a sketch keeps of a text, in things: together at most 192 bytes, which
// are 256 characters in JSON.
const (
	maxSlots   = 39
	maxLead    = 8
	maxWhole   = 16
	maxStems   = 16
	digestSize = 6
)

// A Sketch is what folding keeps of a text: at most 256 bytes where it is stored.
// Sketches are equal if title and text are. The zero value is no sketch.
//
// Layout, little-endian: 1 for the format; two letters of language; two of the
// publisher's country, or zeros; digests of
// title and text, and of the text or zeros if it has fewer than MinLetters
// letters; a count, whose highest bit says that the text names nothing, and so
// many slots; then three samples: lead, whole, stems.
type Sketch struct{ data string }

// A sample is the smallest hashes of a set, by which the overlap of two sets is
// estimated.
type sample struct {
	of   int      // how many the set has
	last uint32   // the largest hash that is kept; all ones if the set is kept whole
	low  []uint16 // the lower halves of the hashes that are kept, smallest hash first
}

// facts is a sketch that is unpacked.
type facts struct {
	lang, country       string
	bare                bool // see reading
	whole, text         [digestSize]byte
	slots               []slot
	lead, worded, stems sample
}

const (
	sketchFormat = 1
	bareBit      = 0x80 // of the count of slots, which are at most maxSlots
	head         = 5 + 2*digestSize + 1
)

// Of sketches a title and a text in a language, BCP 47 or "" for what the text
// shows. It reads at most 64 KiB of the text.
func Of(title, text, lang string) Sketch {
	r := readingOf(title, text, lang)
	b := make([]byte, 0, 192)
	b = append(b, sketchFormat)
	b = append(b, (r.lang + "\x00\x00")[:2]...)
	b = append(b, 0, 0)
	folded := appendFolded(nil, title)
	n := len(folded)
	folded = appendFolded(folded, text)
	b = appendDigest(b, folded)
	if utf8.RuneCount(folded[n:]) >= MinLetters {
		b = appendDigest(b, folded[n:])
	} else {
		b = append(b, make([]byte, digestSize)...)
	}
	slots := choose(r.slots)
	n = len(slots)
	if r.bare {
		n |= bareBit
	}
	b = append(b, byte(n))
	for _, s := range slots {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	b = appendSample(b, r.lead, maxLead)
	b = appendSample(b, r.shingles, maxWhole)
	b = appendSample(b, r.stems, maxStems)
	return Sketch{string(b)}
}

// By is the sketch of a text by a publisher of a country, ISO 3166-1 alpha-2:
// governments of two countries that say nearly the same each say it for
// themselves, unless they say it together.
func (s Sketch) By(country string) Sketch {
	if len(s.data) < head || len(country) != 2 {
		return s
	}
	return Sketch{s.data[:3] + strings.ToUpper(country) + s.data[5:]}
}

// choose keeps what tells statements apart best: of each class the first that the
// text says, of subjects those before the others that are not usual.
func choose(slots []slot) []slot {
	if len(slots) <= maxSlots {
		return slots
	}
	var out []slot
	take := func(most int, of func(s slot) bool) {
		for _, s := range slots {
			if most > 0 && len(out) < maxSlots && of(s) {
				most--
				out = append(out, s)
			}
		}
	}
	take(6, func(s slot) bool { return s.isDate() })
	take(11, func(s slot) bool { return s.class() == number && !s.isDate() })
	take(10, func(s slot) bool { return s.class() == entity })
	take(5, func(s slot) bool { return s.class() == name })
	take(maxSlots, func(s slot) bool { return s.class() == topic && usualShare(s) < 0.1 })
	take(maxSlots, func(s slot) bool { return s.class() == topic && usualShare(s) >= 0.1 })
	return out
}

func appendDigest(b, of []byte) []byte {
	h := sha256.Sum256(of)
	return append(b, h[:digestSize]...)
}

func appendSample(b []byte, set []uint32, most int) []byte {
	set = slices.Sorted(slices.Values(set))
	last := uint32(math.MaxUint32)
	of := min(len(set), math.MaxUint16)
	if len(set) > most {
		set = set[:most]
		last = set[most-1]
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(of))
	b = binary.LittleEndian.AppendUint16(b, uint16(last>>16))
	b = append(b, byte(len(set)))
	for _, h := range set {
		b = binary.LittleEndian.AppendUint16(b, uint16(h))
	}
	return b
}

// IsZero reports whether nothing was sketched.
func (s Sketch) IsZero() bool { return s.data == "" }

var errSketch = errors.New("the sketch is damaged")

// facts unpacks a sketch.
func (s Sketch) facts() (facts, error) {
	var f facts
	b := []byte(s.data)
	if len(b) < head || b[0] != sketchFormat {
		return f, errSketch
	}
	f.lang = strings.TrimRight(string(b[1:3]), "\x00")
	f.country = strings.TrimRight(string(b[3:5]), "\x00")
	copy(f.whole[:], b[5:])
	copy(f.text[:], b[5+digestSize:])
	f.bare = b[head-1]&bareBit != 0
	n := int(b[head-1] &^ bareBit)
	if b = b[head:]; len(b) < 2*n {
		return f, errSketch
	}
	for i := range n {
		f.slots = append(f.slots, slot(binary.LittleEndian.Uint16(b[2*i:])))
	}
	b = b[2*n:]
	for _, x := range []*sample{&f.lead, &f.worded, &f.stems} {
		if len(b) == 0 { // of an alert from before texts were sketched
			return f, nil
		}
		if len(b) < 5 || len(b) < 5+2*int(b[4]) {
			return f, errSketch
		}
		x.of = int(binary.LittleEndian.Uint16(b))
		x.last = uint32(binary.LittleEndian.Uint16(b[2:]))<<16 | 0xffff
		for i := range int(b[4]) {
			x.low = append(x.low, binary.LittleEndian.Uint16(b[5+2*i:]))
		}
		b = b[5+2*len(x.low):]
	}
	return f, nil
}

// MarshalText is base64.
func (s Sketch) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, []byte(s.data)), nil
}

// UnmarshalJSON reads what MarshalText writes, and the digests that were stored
// before: {"whole": hex, "text": hex}.
func (s *Sketch) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err == nil {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fmt.Errorf("read sketch: %w", err)
		}
		s.data = string(b)
		if _, err := s.facts(); len(b) > 0 && err != nil {
			return fmt.Errorf("read sketch: %w", err)
		}
		return nil
	}
	var old struct{ Whole, Text string }
	if err := json.Unmarshal(data, &old); err != nil {
		return fmt.Errorf("read sketch: %w", err)
	}
	b := []byte{sketchFormat, 0, 0, 0, 0}
	for _, digest := range []string{old.Whole, old.Text} {
		h, err := hex.DecodeString(digest)
		if err != nil {
			return fmt.Errorf("read sketch: %w", err)
		}
		b = append(b, append(h, make([]byte, digestSize)...)[:digestSize]...)
	}
	s.data = string(append(b, 0))
	return nil
}

// appendFolded appends the letters and digits of s, normalised.
func appendFolded(dst []byte, s string) []byte {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return appendFoldedRunes(dst, s)
		}
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			dst = append(dst, c)
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		}
	}
	return dst
}

func appendFoldedRunes(dst []byte, s string) []byte {
	for _, r := range norm.NFKC.String(strings.ToValidUTF8(s, "")) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		}
	}
	return dst
}

// overlap estimates how much of the smaller of two sets is in the larger.
func (a sample) overlap(b sample) share {
	if a.of > b.of {
		a, b = b, a
	}
	if a.of == 0 {
		return share{}
	}
	common := 0
	for _, x := range a.low {
		if slices.Contains(b.low, x) {
			common++
		}
	}
	of := float64(a.of) * (float64(min(a.last, b.last)) + 1) / (1 << 32) // of a's are expected in both samples
	of = min(of, float64(len(a.low)))
	return share{min(1, float64(common)/max(of, 1)), of}
}

// beyond is how many things of a set are not in another, as far as both samples
// tell: both hold all smaller hashes.
func (a sample) beyond(b sample) int {
	if a.last != b.last { // only whole sets can be told apart one by one
		return 0
	}
	n := 0
	for _, x := range a.low {
		if !slices.Contains(b.low, x) {
			n++
		}
	}
	return n
}
