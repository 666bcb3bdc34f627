package words

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/danish"
	"github.com/blevesearch/snowballstem/dutch"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/finnish"
	"github.com/blevesearch/snowballstem/french"
	"github.com/blevesearch/snowballstem/german"
	"github.com/blevesearch/snowballstem/hungarian"
	"github.com/blevesearch/snowballstem/italian"
	"github.com/blevesearch/snowballstem/norwegian"
	"github.com/blevesearch/snowballstem/portuguese"
	"github.com/blevesearch/snowballstem/romanian"
	"github.com/blevesearch/snowballstem/russian"
	"github.com/blevesearch/snowballstem/spanish"
	"github.com/blevesearch/snowballstem/swedish"
)

// A stemmer takes the endings off folded words of one language.
type stemmer struct {
	cyrillic bool // or else Latin
	stem     func(string) string
}

// stemmers work on folded words, for a dictionary knows no others. Where
// snowball looks at accents they are put back first, as far as an ending says
// which it had; where it has no stemmer a table of endings serves.
var stemmers = map[string]stemmer{
	"da": {stem: snowball(danish.Stem)},
	"de": {stem: snowball(german.Stem)},
	"en": {stem: snowball(english.Stem)},
	"es": {stem: accented(spanish.Stem, "cion", "ción", "sion", "sión", "xion", "xión")},
	"fi": {stem: snowball(finnish.Stem)},
	"fr": {stem: accented(french.Stem, "ee", "ée", "ees", "ées")},
	"hu": {stem: snowball(hungarian.Stem)},
	"it": {stem: snowball(italian.Stem)},
	"nb": {stem: snowball(norwegian.Stem)},
	"nl": {stem: snowball(dutch.Stem)},
	"pl": {stem: stemPolish},
	"pt": {stem: accented(portuguese.Stem, "cao", "ção", "coes", "ção", "sao", "são", "soes", "são", "seis", "sil", "teis", "til")},
	"ro": {stem: snowball(romanian.Stem)},
	"ru": {cyrillic: true, stem: stemRussian},
	"sv": {stem: snowball(swedish.Stem)},
	"tr": {stem: stemTurkish},
	"uk": {cyrillic: true, stem: stemUkrainian},
}

var stemmed = func() []string {
	var out []string
	for lang := range stemmers {
		out = append(out, lang)
	}
	slices.Sort(out)
	return out
}()

// Stemmers are the languages whose endings can be taken off.
func Stemmers() []string { return stemmed }

// Stem is a folded word of a language without its endings. It reports false
// where there is no stemmer for the language, or not for the word's letters.
func Stem(lang, form string) (string, bool) {
	s, ok := stemmers[lang]
	if !ok {
		return "", false
	}
	r, _ := utf8.DecodeRuneInString(form)
	switch cyrillic := 0x0400 <= r && r < 0x0530; {
	case cyrillic != s.cyrillic, !cyrillic && !('a' <= r && r <= 'z'):
		return "", false
	}
	return s.stem(form), true
}

// stem is the stem of the word i, or "" if it has none.
func (t *Text) stem(lang string, i int) string {
	stems, ok := t.stems[lang]
	if !ok {
		if t.stems == nil {
			t.stems = map[string][]string{}
		}
		stems = make([]string, len(t.Words))
		for i, w := range t.Words {
			if w.Class == Spaced {
				stems[i], _ = Stem(lang, w.Form)
			}
		}
		t.stems[lang] = stems
	}
	return stems[i]
}

// maxStem is how many bytes a word may have whose endings are looked at.
const maxStem = 64

func snowball(f func(*snowballstem.Env) bool) func(string) string {
	return func(form string) string {
		if len(form) > maxStem {
			return form
		}
		env := snowballstem.NewEnv(form)
		f(env)
		return env.Current()
	}
}

// stemRussian gives back the short i that folding took from an ending: the
// stemmer knows ракетой and not ракетои.
func stemRussian(form string) string {
	const vowels = "аеиоуыэюя"
	if stem, ok := strings.CutSuffix(form, "и"); ok {
		if last, _ := utf8.DecodeLastRuneInString(stem); strings.ContainsRune(vowels, last) {
			form = stem + "й"
		}
	}
	return snowball(russian.Stem)(form)
}

// accented puts other endings in the place of some before a word is stemmed:
// they come in pairs.
func accented(f func(*snowballstem.Env) bool, endings ...string) func(string) string {
	stem := snowball(f)
	return func(form string) string {
		for i := 0; i < len(endings); i += 2 {
			if rest, ok := strings.CutSuffix(form, endings[i]); ok && len(rest) >= 3 {
				return stem(rest + endings[i+1])
			}
		}
		return stem(form)
	}
}

// endings are taken off words, the longest that leaves three letters.
type endings [][]string // by their length in bytes

func newEndings(words string) endings {
	var e endings
	for w := range strings.FieldsSeq(words) {
		for len(e) <= len(w) {
			e = append(e, nil)
		}
		e[len(w)] = append(e[len(w)], w)
	}
	return e
}

func (e endings) cut(form string) string {
	for n := min(len(e), len(form)) - 1; n > 0; n-- {
		stem := form[:len(form)-n]
		if slices.Contains(e[n], form[len(stem):]) && utf8.RuneCountInString(stem) >= 3 {
			return stem
		}
	}
	return form
}

// stemUkrainian takes the ending of a noun or an adjective off, and then what
// verbs have before theirs: передав, передала, передано are переда.
func stemUkrainian(form string) string {
	if len(form) > maxStem {
		return form
	}
	if rest, ok := strings.CutSuffix(form, "ці"); ok {
		if last, _ := utf8.DecodeLastRuneInString(rest); strings.ContainsRune("вдлмнрт", last) {
			return rest + "к" // поставці is of поставка
		}
	}
	stem := ukrainian.cut(form)
	for _, sign := range []string{"в", "л", "т", "н"} {
		base, ok := strings.CutSuffix(stem, sign)
		if last, _ := utf8.DecodeLastRuneInString(base); ok && len(base) >= 5*2 && strings.ContainsRune("аяиу", last) {
			return base
		}
	}
	return stem
}

// ukrainian are endings of nouns and adjectives, folded: ї is і and й is и.
var ukrainian = newEndings(`а я у ю о е є и і ь
	ам ям ом ем єм ах ях ів ами ями ові еві єві єю ею ою оі оя оєю
	ого ого ому ему им им іи их ими ии ими ая ую юю яя ее
	ення енню енням енні ень ання анню анням анні ань яння янню янням янні янь єння єнню єнням єнні єнь
	іння інню інням інні інь`)

// stemPolish takes the ending of a noun, an adjective or a verb off.
func stemPolish(form string) string {
	if len(form) > maxStem {
		return form
	}
	for _, e := range []string{"acie", "ecie", "ocie"} {
		if rest, ok := strings.CutSuffix(form, e); ok && len(rest) >= 2 {
			return rest + e[:1] + "t" // rakiecie is of rakieta
		}
	}
	return polish.cut(form)
}

// polish are endings of nouns, adjectives and verbs, folded.
var polish = newEndings(`a e i o u y
	om ow ami ach em ie iem iom iami iach iow owi
	ego emu ej ym ymi ych im imi ich ia ie ii iej iego iemu
	ac ic yc al ala ali aly alo il ila ili ily ilo ano ono eni enia eniu eniem enie
	ania aniu aniem anie ajac uje uja`)

// stemTurkish takes a case, a possessive and a plural off a noun, and then one n
// and one vowel that may be of the word or of its ending: füze and füzenin, liman
// and limanın end up alike.
func stemTurkish(form string) string {
	if len(form) > maxStem {
		return form
	}
	stem := form
	for _, e := range turkishCases {
		if rest, ok := strings.CutSuffix(stem, e.ending); ok && len(rest) >= 3 && strings.ContainsRune(e.after, rune(rest[len(rest)-1])) {
			stem = rest
			break
		}
	}
	for _, list := range []string{"si su i u", "lar ler", "n", "a e i u o"} {
		for e := range strings.FieldsSeq(list) {
			if rest, ok := strings.CutSuffix(stem, e); ok && len(rest) >= 3 {
				stem = rest
				break
			}
		}
	}
	return stem
}

// turkishCases are case endings and the letters that one may stand after, the
// longer first; the letters that vowel harmony changes are folded or listed.
var turkishCases = func() (cases []struct{ ending, after string }) {
	const letters, vowels, possessed = "abcdefghijklmnopqrstuvwxyz0123456789", "aeiou", "iu"
	for _, row := range []struct{ endings, after string }{
		{"ndaki ndeki", possessed},
		{"daki deki taki teki", letters},
		{"ndan nden", possessed},
		{"dan den tan ten", letters},
		{"nda nde", possessed},
		{"nin nun yla yle", vowels},
		{"na ne ni nu", possessed},
		{"ya ye yi yu si su", vowels},
		{"da de ta te la le in un a e i u", letters},
	} {
		for e := range strings.FieldsSeq(row.endings) {
			cases = append(cases, struct{ ending, after string }{e, row.after})
		}
	}
	return cases
}()
