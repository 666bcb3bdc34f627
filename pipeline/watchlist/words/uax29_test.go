package words

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	uax29 "github.com/clipperhouse/uax29/v2/words"
)

// A side is what stands on both sides of a place between two runes of a text.
type side struct {
	before, after         rune
	classBefore, classAft Class // of the words they are in here
}

func (s side) either(f func(rune) bool) bool { return f(s.before) || f(s.after) }

func (s side) both(f func(rune) bool) bool { return f(s.before) && f(s.after) }

func isKind(k kind) func(rune) bool { return func(r rune) bool { return foldingOf(r).kind == k } }

func among(runes string) func(rune) bool {
	return func(r rune) bool { return strings.ContainsRune(runes, r) }
}

// Unicode joins, and words part.
var parted = []struct {
	rule string
	is   func(s side) bool
}{
	{"a possessive or an elision is no word, and what an apostrophe joins is two", func(s side) bool {
		return s.either(isKind(apostrophe)) || s.classBefore == none && s.classAft == none && s.both(isKind(letter))
	}},
	{"a part of a host, of a number, of words without a space between is found by itself", func(s side) bool {
		return s.either(among("֊.,:;·․﹒．，；：՟״‧᛫︓﹐﹔﹕⁄׃٬٫՝՞۔。"))
	}},
	{"an underscore parts words", func(s side) bool {
		return s.either(func(r rune) bool { return unicode.Is(unicode.Pc, r) || r == '\u202F' })
	}},
	{"letters of Packed scripts are words", func(s side) bool { return s.classBefore == Packed || s.classAft == Packed }},
	{"Hangul and what it is attached to are words", func(s side) bool {
		return s.classBefore != s.classAft && (s.classBefore == Hangul || s.classAft == Hangul)
	}},
	{"signs that are nothing are in no word at its end", func(s side) bool { return s.either(isKind(nothing)) }},
	{"marks and a tatweel are of a word only behind its letters", func(s side) bool { return s.either(isKind(stroke)) || s.classBefore == none && unicode.IsMark(s.after) }},
	{"signs that are no letters, such as ª and Ⓐ", func(s side) bool { return s.either(isKind(breaker)) }},
}

// Unicode parts, and words join.
var joined = []struct {
	rule string
	is   func(s side) bool
}{
	{"an apostrophe within a word of another script than Latin is nothing", func(s side) bool { return s.either(isKind(apostrophe)) }},
	{"a tatweel behind any letter is of its word", func(s side) bool { return s.either(isKind(stroke)) }},
	{"zero-width spaces and the like are nothing", func(s side) bool { return s.either(isKind(nothing)) }},
	{"letters with dots between are one word", func(s side) bool { return s.either(among(".")) }},
	{"a mark without a letter begins a word", func(s side) bool { return unicode.IsMark(s.before) || s.before == 'ﾞ' }},
	{"letters of scripts for which Unicode wants a dictionary, and that are few", func(s side) bool {
		return s.either(func(r rune) bool {
			return unicode.In(r, unicode.Tai_Le, unicode.New_Tai_Lue, unicode.Tai_Tham, unicode.Tai_Viet, unicode.Ahom, unicode.Tangut, unicode.Nushu, unicode.Khitan_Small_Script)
		})
	}},
}

// insides are the places within words: of Unicode, and here.
func insides(s string) (theirs, ours map[int]bool, class []Class) {
	theirs, ours, class = map[int]bool{}, map[int]bool{}, make([]Class, len(s)+1)
	at := 0
	for tok := uax29.FromString(s); tok.Next(); {
		v := tok.Value()
		if strings.ContainsFunc(v, isKind(letter)) {
			for i := range v {
				theirs[at+i] = i > 0
			}
		}
		at += len(v)
	}
	for _, w := range Cut(s).Words {
		for i := range s[w.Start:w.End] {
			ours[int(w.Start)+i] = i > 0
		}
		for i := w.Start; i < w.End; i++ {
			class[i] = w.Class
		}
	}
	return theirs, ours, class
}

// Words are those of UAX #29 but where a rule above says otherwise, in fuzzed
// texts and in every pair of neighbours in Unicode; and every rule is needed.
func TestWordsAreThoseOfUnicodeButForTheRulesListed(t *testing.T) {
	var texts []string
	for _, seed := range seeds(3000) {
		texts = append(texts, strings.ToValidUTF8(textOf(seed), "?"))
	}
	for r := range rune(0x1FFFF) {
		if utf8.ValidRune(r) && r != 0 {
			texts = append(texts, "a"+string(r)+"b", string([]rune{r, r}))
		}
	}
	needed := map[string]int{}
	for _, s := range texts {
		theirs, ours, class := insides(s)
		for i, after := range s {
			if i == 0 || theirs[i] == ours[i] {
				continue
			}
			before, n := utf8.DecodeLastRuneInString(s[:i])
			here := side{before, after, class[i-n], class[i]}
			rules := parted
			if ours[i] {
				rules = joined
			}
			found := false
			for _, r := range rules {
				if found = r.is(here); found {
					needed[r.rule]++
					break
				}
			}
			if !found {
				t.Errorf("%q at %d: Unicode joins %v, words %v, between %U and %U, of the classes %d and %d", s, i, theirs[i], ours[i], before, after, here.classBefore, here.classAft)
			}
		}
	}
	for _, r := range parted {
		if needed[r.rule] == 0 {
			t.Errorf("nothing needs the rule: %s", r.rule)
		}
	}
	for _, r := range joined {
		if needed[r.rule] == 0 {
			t.Errorf("nothing needs the rule: %s", r.rule)
		}
	}
}
