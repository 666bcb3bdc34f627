package words

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A place is the sentence and the paragraph of a word, from 0.
type place struct{ sentence, paragraph int32 }

// Sentence is the number of the sentence that the word i stands in, from 0. A
// sentence ends with its paragraph, at a question or an exclamation mark or a full
// stop of any script, and at a dot that is no part of a number, an initial or an
// abbreviation. Where that is in doubt it goes on; it always does before a small
// letter.
func (t *Text) Sentence(i int) int32 { return t.place(i).sentence }

// Paragraph is the number of the paragraph that the word i stands in, from 0.
// Paragraphs are parted by empty lines, which may have spaces in them, and by the
// paragraph separator.
func (t *Text) Paragraph(i int) int32 { return t.place(i).paragraph }

func (t *Text) place(i int) place {
	if t.places == nil {
		t.places = make([]place, len(t.Words))
		var at place
		for i := 1; i < len(t.Words); i++ {
			// One sign may be letters of two words, which then overlap.
			if from, to := t.Words[i-1].End, t.Words[i].Start; from < to {
				switch between := t.Source[from:to]; {
				case between == " ": // most
				case endsParagraph(between):
					at.sentence, at.paragraph = at.sentence+1, at.paragraph+1
				case t.endsSentence(i, between):
					at.sentence++
				}
			}
			t.places[i] = at
		}
	}
	return t.places[i]
}

func endsParagraph(between string) bool {
	lines := 0
	for _, r := range between {
		switch {
		case r == '\u2029':
			return true
		case r == '\n':
			if lines++; lines == 2 {
				return true
			}
		case !unicode.IsSpace(r):
			lines = 0
		}
	}
	return false
}

const (
	// enders end sentences unless a small letter follows.
	enders = "!?。！？؟۔।॥։።｡‼⁇⁈⁉။។៕༎"
	// dots end them if nothing speaks against it.
	dots = ".．…"
)

// endsSentence reports whether a sentence ends between the words i-1 and i.
func (t *Text) endsSentence(i int, between string) bool {
	before, after := &t.Words[i-1], &t.Words[i]
	next, _ := utf8.DecodeRuneInString(t.Source[after.Start:])
	if unicode.IsLower(next) {
		return false
	}
	if strings.ContainsAny(between, enders) {
		return true
	}
	at := strings.IndexAny(between, dots)
	if at < 0 {
		return false
	}
	r, n := utf8.DecodeRuneInString(between[at:])
	switch {
	case at+n == len(between) && !unicode.IsUpper(next) && before.Class != Packed:
		return false // 3.5, gov.uk
	case before.Class == Packed && "\u0E00" <= before.Form && before.Form < "\u1800":
		return false // in Thai and its neighbours a dot shortens
	case at > 0 || r == '…':
		return true
	}
	return t.stops(before, after)
}

// stops reports whether a dot right behind a word ends a sentence, although the
// word after it is not written small.
func (t *Text) stops(before, after *Word) bool {
	letters := utf8.RuneCountInString(before.Form[:min(len(before.Form), 16)])
	first, _ := utf8.DecodeRuneInString(before.Form)
	begins := len(after.Form) > 1 && Function(after.Form) // The, Es, На
	switch {
	case titles[before.Form]:
		return false
	case unicode.IsDigit(first):
		return letters > 2 || begins // 3. Oktober, XX. Then
	case strings.Contains(t.Source[before.Start:before.End], "."), abbreviations[before.Form]:
		return begins // in the U.S. The
	case letters == 1 && before.Class == Spaced:
		return false // J. Smith
	}
	return true
}

// titles stand before names, and abbreviations may end a sentence; folded, in the
// languages of the built-in lists.
var (
	titles = set("mr", "mrs", "ms", "dr", "prof", "gen", "col", "lt", "maj", "sgt", "capt", "cpt", "cmdr", "adm", "sen", "rep", "gov", "hon", "rev", "st", "ste", "mt",
		"no", "nos", "art", "arts", "sec", "sect", "para", "paras", "vol", "pp", "fig", "ed", "eds", "cf", "eg", "ie", "vs", "viz", "approx", "ca", "res", "op", "doc", "ref", "chap",
		"mm", "mme", "mlle", "mgr", "me", "av", "env", "nr", "abs", "bzw", "hr", "fr", "hrn", "bspw", "zb", "vgl", "ing", "dipl",
		"sra", "sr", "srta", "dra", "num", "pag", "exc", "excmo", "lic", "arq", "dott", "sig", "sigg", "on", "avv", "dra",
		"ul", "pkt", "ust", "poz", "tzw", "tj", "tys", "mln", "mld", "plk", "sp",
		"им", "ул", "ст", "тыс", "млн", "млрд", "руб", "тов", "акад", "ген", "полк", "вул", "ім", "тис", "акад", "див", "см", "напр", "сын",
		"sn", "doc", "yrd", "org", "yuzb", "alb", "bkz", "orn",
		"jan", "feb", "aug", "sept", "sep", "oct", "nov", "dec")
	abbreviations = set("etc", "inc", "ltd", "co", "corp", "bros", "al", "al", "usw", "str", "ges", "pl", "r", "w", "itd", "itp", "prz", "др", "пр", "т", "г", "гг", "р", "рр", "в", "вв", "ecc", "vb", "vs", "yy")
)
