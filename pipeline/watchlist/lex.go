package watchlist

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A token is a piece of a query. One with a fault is refused, and stands for
// what a rewrite of the query puts in its place.
type token struct {
	kind  tokenKind
	text  string // of a word or a phrase, without quotes
	pos   int    // byte offset
	fault string
}

type tokenKind byte

const (
	eof tokenKind = iota
	wordToken
	phraseToken
	openToken
	closeToken
	andToken
	orToken
	notToken
	emptyToken // a rewrite leaves it out
	stuckToken // there is no rewrite
)

func (k tokenKind) String() string {
	return map[tokenKind]string{andToken: "AND", orToken: "OR", notToken: "NOT"}[k]
}

// operand reports whether t begins an operand.
func (t token) operand() bool {
	return t.kind == wordToken || t.kind == phraseToken || t.kind == openToken
}

const quotes = "\"“”„‟«»「」『』＂"

var parens = map[rune]tokenKind{'(': openToken, '（': openToken, ')': closeToken, '）': closeToken}

func isQuote(r rune) bool { return strings.ContainsRune(quotes, r) }

func endsWord(r rune) bool { return unicode.IsSpace(r) || parens[r] != eof || isQuote(r) }

func lex(query string) []token {
	var toks []token
	for i := 0; i < len(query); {
		r, n := utf8.DecodeRuneInString(query[i:])
		end := i + n
		switch {
		case unicode.IsSpace(r):
		case parens[r] != eof:
			toks = append(toks, token{kind: parens[r], pos: i})
		case isQuote(r):
			var t token
			t, end = lexPhrase(query, i, end)
			toks = append(toks, t)
		case r == '#':
			end = until(query, i, func(r rune) bool { return r == '\n' })
			toks = append(toks, token{kind: emptyToken, pos: i, fault: "comments are not supported yet: leave this one out"})
		default:
			end = until(query, i, endsWord)
			toks = append(toks, lexWord(query[i:end], i)...)
			if n := len(toks); n > 1 && toks[n-2].kind == notToken && proximity.MatchString(query[i:end]) {
				toks[n-1] = token{kind: stuckToken, pos: i, fault: "NOT " + query[i:end] + " is not supported yet: leave it out with what follows it, for NOT alone excludes whole statements"}
			}
		}
		i = end
	}
	return append(toks, token{kind: eof, pos: len(query)})
}

// until is where the first rune that stops stands in query, from the byte from on.
func until(query string, from int, stops func(rune) bool) int {
	if n := strings.IndexFunc(query[from:], stops); n >= 0 {
		return from + n
	}
	return len(query)
}

// operatorInside finds where a phrase whose quote is missing probably ended.
var operatorInside = regexp.MustCompile(`\s+(?:AND|OR|NOT)\s|[()（）]`)

// lexPhrase reads the phrase whose quote stands at pos and whose text begins at
// from, and says where it ends.
func lexPhrase(query string, pos, from int) (t token, end int) {
	t = token{kind: phraseToken, pos: pos}
	end = until(query, from, isQuote)
	if end < len(query) {
		t.text, t.fault = checkPhrase(query[from:end])
		_, n := utf8.DecodeRuneInString(query[end:])
		return t, end + n
	}
	if at := operatorInside.FindStringIndex(query[from:]); at != nil {
		end = from + at[0]
	}
	t.text, _ = checkPhrase(query[from:end])
	t.fault = "this quote is not closed"
	return t, end
}

const wildcardFault = "only * at the end of a word is supported yet: cut the word short there, write its forms out joined by OR, or leave the sign out"

// checkPhrase puts the text of a phrase on one line, says what is wrong with its
// words, and mends them.
func checkPhrase(text string) (fixed, fault string) {
	parts := strings.Fields(plainStar(text))
	for i, part := range parts {
		mended, f := checkWord(part)
		parts[i], fault = mended, cmp.Or(fault, f)
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return strings.Join(parts, " "), fault
}

func plainStar(s string) string { return strings.ReplaceAll(s, "＊", "*") }

var (
	symbols    = map[string]tokenKind{"&&": andToken, "&": andToken, "||": orToken, "|": orToken}
	proximity  = regexp.MustCompile(`(?i)^(?:(?:near|onear|dnear|adj)(?:/?\d+f?)?|(?:near|onear|dnear|w|pre|before|adj)/\w+|same/[sp]|/(?:n?\d+|[sp]|sent|para)/?)$`)
	slop       = regexp.MustCompile(`^~\d+$`)
	counting   = regexp.MustCompile(`(?i)^(?:(?:atleast|any|first)/?\d+|/f\d+/)$`)
	prefixed   = regexp.MustCompile(`^(?:[-+!~=@]|\pL+[:=])+`)
	fieldNames = regexp.MustCompile(`(?i)^(?:title|lead|text|url|source|host|country|lang|language|kind|author|tag|date|all|hd|hl|hlp|lp|td|la|sn|rst|re|by|headline|intitle|inurl|site|domain|ingress|sourcelang|sourcecountry|raw)[:=]`)
	wildcard   = regexp.MustCompile(`[\pL\pN][?$!]`)
)

// lexWord reads a run without spaces, quotes and parentheses.
func lexWord(w string, pos int) []token {
	w = plainStar(w)
	one := func(kind tokenKind, fault string) []token { return []token{{kind: kind, pos: pos, fault: fault}} }
	for _, op := range []tokenKind{andToken, orToken, notToken} {
		if strings.EqualFold(w, op.String()) {
			return one(op, "")
		}
	}
	if op, ok := symbols[w]; ok {
		return one(op, w+" is no operator here: write "+op.String())
	}
	switch {
	case proximity.MatchString(w):
		return one(andToken, "proximity ("+w+") is not supported yet: AND finds all that it would, and more; to find the word itself, quote it")
	case slop.MatchString(w):
		return one(emptyToken, "proximity ("+w+") is not supported yet: join the words by AND, which finds all that it would, and more")
	case counting.MatchString(w):
		return one(emptyToken, w+" is not supported yet: join the words by OR or by AND")
	}
	if p := prefixed.FindString(w); p != "" && p != w {
		return lexPrefixed(p, w[len(p):], pos)
	}
	if p := prefixed.FindString(w); strings.ContainsAny(p, ":=") {
		return one(emptyToken, fieldFault(p))
	}
	fixed, fault := checkWord(w)
	if fault != "" {
		return []token{mended(fixed, pos, fault)}
	}
	return []token{{kind: wordToken, text: w, pos: pos}}
}

func fieldFault(prefix string) string {
	return "fields (" + prefix + ") are not supported yet: leave it out, for titles and texts are both searched"
}

// lexPrefixed reads a word that stands after signs or the name of a field.
func lexPrefixed(prefix, w string, pos int) []token {
	switch {
	case prefix[0] == '@':
		return []token{{kind: stuckToken, pos: pos, fault: "lists (" + prefix + w + ") are not supported yet: write its words in parentheses, joined by OR"}}
	case prefix[0] == '-' || prefix[0] == '!':
		not := token{kind: notToken, pos: pos, fault: prefix + " before a word is not supported: write NOT"}
		return []token{not, mended(w, pos+len(prefix), "")}
	case strings.ContainsRune("+~=", rune(prefix[0])):
		return []token{mended(w, pos, prefix+" before a word is not supported yet: leave it out, or write the word's forms joined by OR")}
	case fieldNames.MatchString(prefix):
		return []token{mended(w, pos, fieldFault(prefix))}
	}
	return []token{{kind: phraseToken, text: plain(prefix + w), pos: pos, fault: prefix + " looks like a field, and is none: to find these words, quote them"}}
}

// mended stands for w in a rewrite: as a phrase where a word would be refused.
func mended(w string, pos int, fault string) token {
	if w == "" {
		return token{kind: stuckToken, pos: pos, fault: fault}
	}
	if t := lex(w); len(t) == 2 && t[0].kind == wordToken && t[0].fault == "" {
		return token{kind: wordToken, text: w, pos: pos, fault: fault}
	}
	return token{kind: phraseToken, text: plain(w), pos: pos, fault: fault}
}

// plain is w as a phrase can hold it.
func plain(w string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("*", " ", "?", " ", "$", " ", "!", " ").Replace(w)), " ")
}

// checkWord says what is wrong with the stars and other wildcards of a word, and
// mends it; nothing may be left of it.
func checkWord(w string) (fixed, fault string) {
	fixed, fault = checkStar(w)
	if wildcard.MatchString(fixed) {
		return cut(fixed[:strings.IndexAny(fixed, "?$!")]), cmp.Or(fault, wildcardFault)
	}
	return fixed, fault
}

// cut is stem with a star, if that may follow it.
func cut(stem string) string {
	stem = strings.ReplaceAll(stem, "*", "")
	if last, _ := utf8.DecodeLastRuneInString(stem); isWordRune(last) && longEnough(stem) {
		return stem + "*"
	}
	return stem
}

// checkStar is checkWord for stars.
func checkStar(w string) (fixed, fault string) {
	if strings.Contains(w, "*") && strings.Trim(w, "*") == "" {
		return "", "* alone would find everything: put at least three letters before it"
	}
	for i := range len(w) {
		if w[i] != '*' {
			continue
		}
		last, _ := utf8.DecodeLastRuneInString(w[:i])
		next, _ := utf8.DecodeRuneInString(w[i+1:])
		switch {
		case i == 0:
			fault = "* cannot begin a word: write the compounds out, joined by OR"
		case !isWordRune(last):
			fault = "* must follow a letter"
		case next == '*' || isWordRune(next):
			return cut(w[:i]), "* can only end a word: cut the word short there, or write its forms out joined by OR"
		case !longEnough(w[:i]):
			fault = "* needs three letters before it (or one of Han, kana or Hangul): write the word's forms out, joined by OR"
		default:
			continue
		}
		return strings.ReplaceAll(w, "*", ""), fault
	}
	return w, ""
}

// isWordRune reports whether r is part of a word.
func isWordRune(r rune) bool {
	k := kindOf(r)
	return r != utf8.RuneError && (k == letter || k == stroke)
}

// longEnough reports whether a star may follow stem. It looks at the last bytes
// only, so that a query of many stars takes no longer.
func longEnough(stem string) bool {
	stem = stem[max(0, len(stem)-64):]
	f := fold(stem)
	if len(f.units) == 0 {
		return false
	}
	n := 0
	for _, r := range f.text {
		if r > rune(gap) {
			n++
		}
	}
	return n >= 3 || f.units[len(f.units)-1].class != spaced
}
