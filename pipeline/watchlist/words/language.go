package words

import (
	"math/bits"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// looked is how many bytes of a text its language is told from: four pieces of a
// quarter, at the beginning, at the end and between.
const looked = 4 << 10

// Language is the primary subtag of the language that text is in, or "" if that
// is not known, or if it is in several. What is declared, a BCP 47 tag or "", holds
// where the text does not speak against it: a feed says "en" of all it carries.
func Language(declared, text string) string {
	tag := primary(declared)
	if text == "" {
		return tag
	}
	var s surveyed
	for _, piece := range sample(text) {
		s.survey(piece)
	}
	return s.judge(tag)
}

// primary is the primary subtag of a BCP 47 tag, as the built-in lists write it.
func primary(declared string) string {
	tag := strings.ToLower(strings.TrimSpace(declared))
	if i := strings.IndexAny(tag, "-_"); i >= 0 {
		tag = tag[:i]
	}
	if len(tag) != 2 && len(tag) != 3 || strings.Trim(tag, "abcdefghijklmnopqrstuvwxyz") != "" {
		return ""
	}
	switch tag {
	case "und", "mul", "zxx", "mis":
		return ""
	case "no", "nn":
		return "nb"
	case "iw":
		return "he"
	case "cmn", "yue":
		return "zh"
	}
	return tag
}

// sample is the pieces of a text that are looked at, each a whole string.
func sample(text string) []string {
	if len(text) <= looked {
		return []string{text}
	}
	var out []string
	for i := range 4 {
		from := i * (len(text) - looked/4) / 3
		for from < len(text) && !utf8.RuneStart(text[from]) {
			from++
		}
		to := min(len(text), from+looked/4)
		out = append(out, text[from:to])
	}
	return out
}

// Scripts as far as languages are told by them. Those of alone and shared follow.
const (
	latinScript = iota
	cyrillicScript
	arabicScript
	hanScript
	kanaScript
	otherScript
	scriptCount
)

// A surveyed text is counted: its letters by script, its words by language.
type surveyed struct {
	scripts  [scriptCount + 16]int // a letter of Han, kana and Hangul says as much as three
	letters  int
	japanese int             // letters of Han that Japan alone writes so, less those of China alone
	words    [3]int          // of the scripts in which languages are told by words
	telling  [3]int          // letters of them that not all languages have
	found    [64]int         // function words of each language
	score    [64]int         // they, and its letters: the more the fewer others have them
	masks    [1 << 10]uint64 // the languages of each word found, as far as there is room
	n        int
}

// survey counts a piece of a text.
func (s *surveyed) survey(piece string) {
	var word [32]byte
	n, script := 0, otherScript
	for _, r := range piece {
		here, part := otherScript, ""
		switch {
		case r < utf8.RuneSelf:
			if b := asciiWord[r]; b >= 'a' {
				here, part = latinScript, small[b-'a':b-'a'+1]
				s.scripts[latinScript]++
				s.letters++
			}
		case unicode.IsLetter(r):
			r = unicode.ToLower(r)
			here, part = s.letter(r), string(r)
		case unicode.IsMark(r):
			continue
		}
		if here != script || part == "" {
			s.word(word[:n], script)
			n, script = 0, here
		}
		n += copy(word[n:], part)
	}
	s.word(word[:n], script)
}

const small = "abcdefghijklmnopqrstuvwxyz"

// letter counts a small letter and returns its script.
func (s *surveyed) letter(r rune) int {
	script, weight := scriptOf(r), 1
	switch {
	case script == hanScript:
		weight = 3
		switch {
		case strings.ContainsRune(japaneseHan, r):
			s.japanese++
		case strings.ContainsRune(chineseHan, r):
			s.japanese--
		}
	case script == kanaScript || isSyllable(r):
		weight = 3
	case script <= arabicScript && r > unicode.MaxASCII && !(script == cyrillicScript && strings.ContainsRune(commonCyrillic, r)):
		s.special(r, script)
	}
	s.scripts[script] += weight
	s.letters += weight
	return script
}

// weighs is what a word or a letter that one language alone has says for it.
const weighs = 12

// special counts a letter that not all languages of its script have.
func (s *surveyed) special(r rune, script int) {
	langs, ok := letterOf[r]
	if !ok && script == arabicScript {
		return // most letters of Arabic are common
	}
	s.telling[script]++
	n := bits.OnesCount64(langs)
	for ; langs != 0; langs &= langs - 1 {
		s.score[bits.TrailingZeros64(langs)] += weighs/2 + weighs/2/n
	}
}

// word counts a word.
func (s *surveyed) word(w []byte, script int) {
	if len(w) == 0 || script > arabicScript {
		return
	}
	s.words[script]++
	langs := functionWords[string(w)] & rangeOf[script]
	if langs == 0 {
		return
	}
	if s.n < len(s.masks) {
		s.masks[s.n] = langs
		s.n++
	}
	weight := weighs / bits.OnesCount64(langs)
	for ; langs != 0; langs &= langs - 1 {
		l := bits.TrailingZeros64(langs)
		s.found[l]++
		s.score[l] += weight
	}
}

func scriptOf(r rune) int {
	switch {
	case r < 0x0250, unicode.Is(unicode.Latin, r):
		return latinScript
	case unicode.Is(unicode.Cyrillic, r):
		return cyrillicScript
	case unicode.Is(unicode.Arabic, r):
		return arabicScript
	case unicode.Is(unicode.Han, r):
		return hanScript
	case r == 'ー', unicode.In(r, unicode.Hiragana, unicode.Katakana):
		return kanaScript
	}
	for i, a := range alone {
		if unicode.Is(a.script, r) {
			return scriptCount + i
		}
	}
	return otherScript
}

// judge is the language of what was counted, where tag is what is declared or "".
func (s *surveyed) judge(tag string) string {
	if han, kana := s.scripts[hanScript], s.scripts[kanaScript]; 10*kana >= han+kana && 3*(han+kana) >= 2*s.letters && kana > 0 {
		return "ja"
	}
	for script, n := range s.scripts {
		if n == 0 || 3*n < 2*s.letters {
			continue
		}
		switch {
		case script <= arabicScript:
			return s.told(script, tag)
		case script == hanScript:
			return s.han(tag)
		case script >= scriptCount:
			return alone[script-scriptCount].tag
		case elsewhere(tag, script):
			return ""
		}
		return tag
	}
	if s.letters == 0 {
		return tag
	}
	return "" // in several scripts
}

// han is the language of letters of Han without kana.
func (s *surveyed) han(tag string) string {
	const headline = 3 * 60 // longer Japanese has kana
	switch {
	case s.japanese > 0, s.japanese == 0 && tag == "ja" && s.scripts[hanScript] < headline:
		return "ja"
	}
	return "zh"
}

// elsewhere reports whether a language is known to be written in other scripts.
func elsewhere(tag string, script int) bool {
	if tag == "ja" || tag == "zh" || slices.ContainsFunc(alone, func(a loner) bool { return a.tag == tag }) {
		return true
	}
	n := slices.IndexFunc(spokenHere, func(l spoken) bool { return l.tag == tag })
	return n >= 0 && (script > arabicScript || rangeOf[script]>>n&1 == 0)
}

// told is the language of a text in a script that several languages write.
func (s *surveyed) told(script int, tag string) string {
	best, next, declared := -1, -1, -1
	for n, l := range spokenHere {
		if rangeOf[script]>>n&1 == 0 {
			continue
		}
		s.score[n] -= weighs / 2 * s.telling[script]
		if l.tag == tag || script == latinScript && l.tag == "hr" && (tag == "sr" || tag == "bs") {
			declared = n
		}
		switch {
		case best < 0 || s.score[n] > s.score[best]:
			best, next = n, best
		case next < 0 || s.score[n] > s.score[next]:
			next = n
		}
	}
	words, lead := s.words[script], s.score[best]
	if next >= 0 {
		lead -= s.score[next]
	}
	told := s.found[best] >= 2 && 8*s.found[best] >= words
	if script != latinScript || declared < 0 && s.found[best] > 0 { // or else letters may be those of names
		told = told || s.telling[script] >= 3 && s.score[best] >= weighs
	}
	switch {
	case declared >= 0 && s.score[best]-s.score[declared] < weighs*2/3 && s.score[declared] > -weighs:
		if s.mixed(best, words) {
			return ""
		}
		return tag
	case tag != "" && declared < 0 && !elsewhere(tag, script) && (words < 10 || 4*s.found[best] < words):
		return tag // another language of this script
	case told && lead >= max(weighs*2/3, s.score[best]/4) && !s.mixed(best, words):
		return spokenHere[best].tag
	}
	return ""
}

// mixed reports whether a part of a text is in another language than most of it:
// of 16 words one or more is a function word of that and not of this.
func (s *surveyed) mixed(best, words int) bool {
	var others [64]int
	for _, langs := range s.masks[:s.n] {
		if langs>>best&1 != 0 {
			continue
		}
		for ; langs != 0; langs &= langs - 1 {
			others[bits.TrailingZeros64(langs)]++
		}
	}
	most := slices.Max(others[:])
	return most >= 4 && 16*most >= words
}
