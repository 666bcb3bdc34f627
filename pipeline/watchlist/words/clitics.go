package words

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Cores are the forms that a word stands for when what Arabic, Persian and Hebrew
// attach to words is taken off: conjunctions, prepositions, the article, pronouns,
// endings of number and case. The word itself comes first; words in other letters
// have no other. Three letters or more are left of a core.
func Cores(form string) []string {
	out := []string{form}
	switch scriptOfForm(form) {
	case arabic:
		for _, head := range heads(form) {
			out = tails(head, out)
		}
	case hebrew:
		rest := form
		for range 3 {
			if _, n := utf8.DecodeRuneInString(rest); len(rest)-n >= 3*twoBytes && strings.Contains("ושהכלבמ", rest[:n]) {
				rest = rest[n:]
				out = append(out, rest)
			}
		}
	}
	return out
}

// twoBytes is how many bytes a letter of Arabic or Hebrew has.
const twoBytes = 2

// maxCores is how many bytes a word may have that is looked into.
const maxCores = 64

type script uint8

const (
	other script = iota
	arabic
	hebrew
)

// scriptOfForm is the script of a word that may have something attached, and
// other of one that is too short or too long for it.
func scriptOfForm(form string) script {
	if len(form) < 4*twoBytes || len(form) > maxCores {
		return other
	}
	switch r, _ := utf8.DecodeRuneInString(form); {
	case 0x0600 <= r && r < 0x0700:
		return arabic
	case 0x0590 <= r && r < 0x0600:
		return hebrew
	}
	return other
}

// heads are form, and form without what can be taken off its beginning: and, so;
// with, as, for, shall; the.
func heads(form string) []string {
	out := []string{form}
	for _, step := range [][]string{{"و", "ف"}, {"ب", "ك", "ل", "س"}, {"ال"}} {
		for _, head := range out[:len(out):len(out)] {
			for _, p := range step {
				out = appendCore(out, head, p, "")
			}
		}
	}
	for _, head := range out[:len(out):len(out)] {
		out = appendCore(out, head, "لل", "") // for the
	}
	return out
}

// appendCore appends form without prefix and suffix, if it has them.
func appendCore(out []string, form, prefix, suffix string) []string {
	rest, begins := strings.CutPrefix(form, prefix)
	rest, ends := strings.CutSuffix(rest, suffix)
	if !begins || !ends || len(rest) < 3*twoBytes {
		return out
	}
	return append(out, rest)
}

// tails appends to out head, and head without what can be taken off its end.
func tails(head string, out []string) []string {
	add := func(s string) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	bare := appendCore([]string{head}, head, "", "")
	for _, e := range pronouns {
		bare = appendCore(bare, head, "", e)
	}
	for i, b := range bare {
		add(b)
		if stem, ok := strings.CutSuffix(b, "ت"); ok && i > 0 {
			add(stem + "ه") // the feminine ending is written open before a pronoun
		}
		for _, e := range numbers {
			for _, core := range appendCore(nil, b, "", e) {
				add(core)
				if e == "ات" {
					add(core + "ه") // the plural of words that end in it
				}
			}
		}
	}
	return out
}

// pronouns are those of Arabic, and the plurals of Persian with what follows
// them, as they are folded.
var pronouns = strings.Fields("ها هم هن هما ك كم كن كما نا ني ه ي هاي هايي هايم هايت هايش هايمان هايتان هايشان اي ام ات اش مان تان شان")

// numbers are the endings of number and case that Arabic and Persian nouns have.
var numbers = strings.Fields("ات ين ون ان ا")

// bare is a word of a query without its own article: with and without it the same
// is found, for bare is a core of whatever has the word as a core.
func bare(form string) string {
	article := ""
	switch scriptOfForm(form) {
	case arabic:
		article = "ال"
	case hebrew:
		article = "ה"
	}
	if rest := strings.TrimPrefix(form, article); len(rest) >= 3*twoBytes {
		return rest
	}
	return form
}
