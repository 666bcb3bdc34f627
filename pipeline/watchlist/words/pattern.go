package words

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A Kind says how a pattern is held against a word.
type Kind uint8

const (
	Exact   Kind = iota // the word is Form
	Prefix              // it begins with Form
	Glob                // it fits Form, in which * is any letters and ? is one
	Stemmed             // its stem is Form
)

// A Pattern is what one word of a text has to be. An Exact pattern of Hangul is
// also found where particles follow, and one of Arabic letters where a
// conjunction, an article, a preposition or a pronoun is attached, see [Cores].
type Pattern struct {
	Kind  Kind
	Form  string // folded
	Lang  string // of Stemmed: whose stemmer
	Class Class
	Raw   string // not "": how the word is written, see [Text.Raw]
	Plain bool   // nothing but Form: no particles, no clitics

	// Broken says that the query has something before this Packed letter that
	// parts it from the one before, so that a text may too: see [Word].
	Broken bool
}

// How says how a query writes a word.
type How struct {
	Exact bool   // =word: its form, and nothing that is attached to it
	Raw   bool   // ==Word: also its capitals and accents
	Stem  string // a language of [Stemmers]: ~word
}

// ErrNothing means that a text has no letter or digit to look for.
var ErrNothing = errors.New("there is no letter or digit to find here")

// maxWild is how many bytes a word with a wildcard may have, folded: what one
// costs is this times the length of the word it is held against.
const maxWild = 96

// Patterns are what words that follow one another have to be to be text, a word
// or a phrase as a query writes it: * stands for any further letters of a word
// and ? for one. A letter of a Packed script is a word, which neither is part of;
// a star before or after such letters changes nothing, and neither does a wildcard
// that stands apart at an end of text.
func Patterns(text string, how How) ([]Pattern, error) {
	wild := strings.Map(func(r rune) rune {
		switch r {
		case '*', '＊':
			return star
		case '?', '？':
			return mark
		case star, mark:
			return ' '
		}
		return r
	}, text)
	c := newCutter(wild, true)
	c.all(wild)
	if c.err != nil {
		return nil, c.err
	}
	t := c.text(wild)
	from, to := 0, len(t.Words)
	for from < to && onlyWild(t.Words[from].Form) {
		from++
	}
	for from < to && onlyWild(t.Words[to-1].Form) {
		to--
	}
	if from == to {
		return nil, ErrNothing
	}
	var out []Pattern
	for i := from; i < to; i++ {
		p, err := t.pattern(i, how)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func isWild(r rune) bool { return r == star || r == mark }

func onlyWild(form string) bool { return strings.Trim(form, string([]rune{star, mark})) == "" }

func (t *Text) pattern(i int, how How) (Pattern, error) {
	w := t.Words[i]
	p := Pattern{Form: w.Form, Class: w.Class, Plain: how.Exact || how.Raw, Broken: w.Broken}
	if how.Raw {
		p.Raw = t.Raw(i)
	}
	at := strings.IndexFunc(w.Form, isWild)
	if at >= 0 {
		return p, p.wildcards(at, how)
	}
	if how.Stem != "" && w.Class == Spaced && !p.Plain {
		if s, ok := Stem(how.Stem, w.Form); ok {
			p.Kind, p.Form, p.Lang = Stemmed, s, how.Stem
			return p, nil
		}
	}
	if !p.Plain {
		p.Form = bare(p.Form)
	}
	return p, nil
}

// wildcards makes a pattern of a word that has a wildcard at at.
func (p *Pattern) wildcards(at int, how How) error {
	printed := printWild(p.Form)
	switch {
	case onlyWild(p.Form):
		return errLoneWildcard
	case how.Raw || how.Stem != "":
		return fmt.Errorf("%s has a wildcard and is to be taken as it stands or stemmed: leave out one of the two", printed)
	case len(p.Form) > maxWild:
		return fmt.Errorf("%.40s… is too long for a word with a wildcard: at most %d bytes", printed, maxWild)
	case printed[at:] == "*":
		p.Kind, p.Form = Prefix, p.Form[:at]
		if !p.Plain {
			p.Form = bare(p.Form)
		}
		return nil
	}
	p.Kind, p.Form = Glob, printed
	if p.Class == Hangul && !p.Plain && !strings.HasSuffix(printed, "*") {
		p.Form += "*" // particles may follow
	}
	return nil
}

// printWild writes wildcards as * and ?, and several stars as one.
func printWild(form string) string {
	var b strings.Builder
	last := rune(0)
	for _, r := range form {
		switch {
		case r == mark:
			b.WriteByte('?')
		case r != star:
			b.WriteRune(r)
		case last != star:
			b.WriteByte('*')
		}
		last = r
	}
	return b.String()
}

// Matches reports whether the word i of t is what p says.
func (p Pattern) Matches(t *Text, i int) bool {
	w := &t.Words[i]
	return p.fits(t, i, w) && (p.Raw == "" || t.Raw(i) == p.Raw)
}

func (p Pattern) fits(t *Text, i int, w *Word) bool {
	switch p.Kind {
	case Stemmed:
		return w.Class == Spaced && t.stem(p.Lang, i) == p.Form
	case Exact:
		if w.Form == p.Form {
			return true
		}
		if p.Plain {
			return false
		}
		if w.Class == Hangul {
			return p.Class == Hangul && strings.HasPrefix(w.Form, p.Form)
		}
	case Prefix, Glob:
		if p.reaches(w.Form) {
			return true
		}
	}
	if p.Plain || scriptOfForm(w.Form) == other {
		return false
	}
	return slices.ContainsFunc(Cores(w.Form)[1:], p.reaches)
}

// reaches holds p, which is not Stemmed, against one form.
func (p Pattern) reaches(form string) bool {
	switch p.Kind {
	case Exact:
		return form == p.Form
	case Prefix:
		return strings.HasPrefix(form, p.Form)
	}
	return Globbed(p.Form, form)
}

// Globbed reports whether s fits a pattern in which * is any runes and ? is one.
// Its time is at most the product of both lengths.
func Globbed(pattern, s string) bool {
	resume, from := -1, 0 // after the last star, and where it ended in s
	i, j := 0, 0
	for j < len(s) {
		_, n := utf8.DecodeRuneInString(s[j:])
		switch {
		case i < len(pattern) && pattern[i] == '*':
			i++
			resume, from = i, j
		case i < len(pattern) && pattern[i] == '?':
			i, j = i+1, j+n
		case i < len(pattern) && pattern[i] == s[j]:
			i, j = i+1, j+1
		case resume >= 0:
			_, n := utf8.DecodeRuneInString(s[from:])
			from += n
			i, j = resume, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// Raw is how the word i of t is written, without soft hyphens and zero-width
// characters, and with letters and accents composed.
func (t *Text) Raw(i int) string {
	w := t.Words[i]
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, t.Source[w.Start:w.End]))
}
