// Package words cuts text into words, the same way for a statement and for a
// query, so that what a reader takes for the same word is the same.
//
// # Words
//
// A word is a run of letters and digits, as UAX #29 has them, with corrections.
// Each letter of Chinese, Japanese, Thai, Lao, Khmer and Burmese is a word of its
// own, so that a phrase of them is found anywhere, as a substring. A word of Hangul
// ends where letters or digits of another script begin. Hyphens, dots, commas,
// underscores, spaces and line breaks part words and are otherwise nothing; between
// two letters of Han and the like, punctuation other than hyphens, middle dots and
// quotation marks marks the second as broken, and no phrase goes over it. Soft
// hyphens, zero-width and direction marks are nothing at all.
//
// A possessive 's, an elided l' or d' and the endings that Turkish writes after an
// apostrophe are no words; what other apostrophes join is two words in Latin
// letters and one in others. Letters with dots between them are one word: U.S. is
// us. Bytes that are not UTF-8 part words.
//
// # Folding
//
// Letters of any case, accent, width or ligature are the same, as are the Arabic
// and Persian forms of a letter, the dotted and the dotless i, and the digits of
// all scripts. What Arabic, Persian and Hebrew attach to words stays, see [Cores],
// as do the particles of Hangul, see [Pattern].
//
// # Positions
//
// Distances count words as a reader does, in halves of them: a word is two, a letter
// of Han and the like is one, and a word that a single hyphen or dot without spaces
// or nothing at all joins to the word before is none, for surface-to-air is one word
// to a reader, and so is 3.5.
//
// # Sentences
//
// Sentences and paragraphs are worked out when they are asked for, see
// [Text.Sentence] and [Text.Paragraph]. Where it is in doubt whether a sentence
// ends it goes on, so that what is looked for in one sentence is rather found.
//
// # Context
//
// To cut a text is to cut each longest run of ASCII letters and digits, apostrophes
// (U+0027) and bytes from 0x80 on by itself, but for what stands between the words
// of two runs, ASCII and runs without a word: whether a letter of Han is broken,
// whether letters with dots are one word, and whether a word counts nothing.
package words

// A Class says how the words of a script are told apart.
type Class uint8

const (
	none   Class = iota
	Spaced       // words are written apart
	Hangul       // words are written apart, and particles are attached to them
	Packed       // words are not written apart: every letter is a word
)

// A Word is one word of a text.
type Word struct {
	Form       string // folded; all forms of a text are parts of one string
	Start, End int32  // the bytes of the original that it covers, on rune boundaries
	At, Next   int32  // half-words of the text before it, and before what follows it
	Class      Class
	Broken     bool // Packed, after Packed, with something between that no phrase goes over
}

// A Text is a text cut into words. It is not safe for use by several goroutines
// at once, because what is rarely needed is worked out when it is asked for.
type Text struct {
	Source string
	Words  []Word

	places []place             // see Sentence
	stems  map[string][]string // by language
}

// Gap is how many half-words stand between the words i and j of t, i < j.
func (t *Text) Gap(i, j int) int32 { return t.Words[j].At - t.Words[i].Next }

// Cut cuts s, which may hold any bytes, at most 2 GB of them. Its time and memory
// are linear in their number, and it allocates a handful of times.
func Cut(s string) *Text {
	c := newCutter(s, false)
	c.all(s)
	return c.text(s)
}

// Fold folds s without cutting it: what is compared with a whole value, such as
// the name of a host. Runes that are neither letters nor digits stay.
func Fold(s string) string {
	ascii := true
	for i := range len(s) {
		if c := s[i]; c >= 0x80 || 'A' <= c && c <= 'Z' {
			ascii = false
			break
		}
	}
	if ascii {
		return s
	}
	var b []byte
	for _, r := range s {
		switch f := foldingOf(r); {
		case f.kind == letter && f.letters != "":
			b = append(b, f.letters...)
		case f.kind == stroke || f.kind == nothing:
		default:
			b = append(b, string(r)...)
		}
	}
	return string(b)
}
