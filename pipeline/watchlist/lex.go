package watchlist

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A token is a piece of a query. One with a fault is refused, and stands for
// what a rewrite of the query puts in its place.
type token struct {
	kind     tokenKind
	op       Op
	n        int
	text     string // of a word, phrase or regular expression, without quotes, marks and slashes; the name of a field or list
	mark     string // of a word or phrase: see Node.Mark; of a fieldToken raw: which way of it
	lang     string // of a listToken
	pos      int    // byte offset
	fault    string
	ways     [][]token // what a rewrite may put in place of a token with a fault, if not itself
	value    bool      // a word or phrase that is the value of a field
	apart    bool      // there was a comma before it
	sign     bool      // a notToken written as - or !, which is about the next word alone
	adjacent bool      // a joinToken that makes words a phrase
	loose    bool      // a joinToken as Lexis writes it, where OR binds closer
}

type tokenKind byte

const (
	eof tokenKind = iota
	wordToken
	phraseToken
	regexToken
	listToken
	fieldToken // name: before a word, phrase or group
	funcToken  // ATLEAST/3 and its like, before a group
	openToken
	closeToken
	commaToken
	andToken
	orToken
	notToken
	joinToken  // NEAR/5 and its like
	emptyToken // a rewrite leaves it out
	stuckToken // there is no rewrite
)

func (k tokenKind) String() string {
	return map[tokenKind]string{andToken: "AND", orToken: "OR", notToken: "NOT"}[k]
}

// begins reports whether t begins an operand, and ends whether it ends one.
func (t token) begins() bool { return t.kind >= wordToken && t.kind <= openToken }

func (t token) ends() bool { return t.kind >= wordToken && t.kind <= listToken || t.kind == closeToken }

// words reports whether t is a word or a phrase.
func (t token) words() bool { return t.kind == wordToken || t.kind == phraseToken }

const quotes = "\"“”„‟«»‹›「」『』＂"

func isQuote(r rune) bool { return strings.ContainsRune(quotes, r) }

func paren(r rune) tokenKind {
	switch r {
	case '(', '（':
		return openToken
	case ')', '）':
		return closeToken
	}
	return eof
}

func endsWord(r rune) bool { return unicode.IsSpace(r) || paren(r) != eof || isQuote(r) }

// unseen reports whether r is not to be seen and says nothing where words end:
// what comes along when a query is copied from a page or a right-to-left text.
func unseen(r rune) bool {
	switch {
	case r == '\u00ad', r == '\u200b', r == '\u200e', r == '\u200f', r == '\u2060', r == '\ufeff':
		return true
	}
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// A hashing says how #word is read, which some write for a word and some for a
// comment.
type hashing byte

const (
	hashRefused hashing = iota
	hashWord
	hashComment
)

// A lexer cuts a query into tokens.
type lexer struct {
	query   string
	i       int
	run     int // where the run of letters and signs ends that was read last
	end     int // where its part that ends at a comma or with the run does
	hash    hashing
	toks    []token
	valued  []bool // of the parentheses that are open: they hold values of a field
	notes   []note
	lexis   bool // something is written as Lexis alone does
	loose   bool // something is written as Lexis does
	hashed  bool // there is a #word
	regexes int
	starry  int // 1 + where the first * stands
}

// A note is something that the writer of a query should know.
type note struct {
	pos int
	msg string
}

func lex(query string, hash hashing) *lexer {
	l := &lexer{query: query, hash: hash}
	for l.i < len(query) {
		l.next()
	}
	l.add(token{kind: eof, pos: len(query)})
	l.toks = operatorsMisspelt(l.toks)
	return l
}

func (l *lexer) add(ts ...token) { l.toks = append(l.toks, ts...) }

// note adds a note, once.
func (l *lexer) note(pos int, msg string) {
	if !slices.ContainsFunc(l.notes, func(n note) bool { return n.msg == msg }) {
		l.notes = append(l.notes, note{pos, msg})
	}
}

func (l *lexer) last() token {
	if len(l.toks) == 0 {
		return token{}
	}
	return l.toks[len(l.toks)-1]
}

// ahead is the rune that comes next.
func (l *lexer) ahead() rune {
	r, _ := utf8.DecodeRuneInString(l.query[l.i:])
	return r
}

func (l *lexer) next() {
	rest := l.query[l.i:]
	r, n := utf8.DecodeRuneInString(rest)
	switch {
	case unicode.IsSpace(r) || unseen(r):
		l.i += n
	case r == '\\' && isQuote(runeAt(rest, n)):
		l.i += n
	case paren(r) == openToken && l.dialog():
	case paren(r) != eof:
		l.paren(paren(r))
		l.i += n
	case isQuote(r):
		l.phrase("", l.i)
	case isComma(r):
		l.add(token{kind: commaToken, pos: l.i})
		l.i += n
	case r == '#':
		l.hashes()
	case strings.HasPrefix(rest, "<<<"):
		l.aside()
	case r == '/' && l.regex():
	default:
		l.word()
	}
}

func runeAt(s string, i int) rune {
	r, _ := utf8.DecodeRuneInString(s[i:])
	return r
}

func (l *lexer) paren(kind tokenKind) {
	switch {
	case kind == openToken:
		l.valued = append(l.valued, l.value())
	case len(l.valued) > 0:
		l.valued = l.valued[:len(l.valued)-1]
	}
	l.add(token{kind: kind, pos: l.i})
}

// value reports whether what is read now is the value of a field and not words.
func (l *lexer) value() bool {
	if last := l.last(); last.kind == fieldToken {
		return values[last.text]
	}
	return len(l.valued) > 0 && l.valued[len(l.valued)-1]
}

func isComma(r rune) bool { return r == ',' || r == '，' || r == '、' }

// hashes passes a comment to the end of its line, or reads #word as it is to be
// read.
func (l *lexer) hashes() {
	r := runeAt(l.query, l.i+1)
	switch word := isWordRune(r) || r == '_'; {
	case word && l.hash == hashWord:
		l.i++
	case word && l.hash == hashRefused:
		l.hashed = true
		end := until(l.query, l.i+1, func(r rune) bool { return !isWordRune(r) && r != '_' })
		l.add(token{kind: wordToken, text: l.query[l.i+1 : end], pos: l.i, fault: clip(l.query[l.i:end], 60) + " may be a word with its hash sign, or a comment: leave the sign out to find the word, or write a space after it for a comment"})
		l.i = end
	default:
		l.i = until(l.query, l.i, func(r rune) bool { return r == '\n' })
	}
}

// aside passes a comment between <<< and >>>.
func (l *lexer) aside() {
	if end := strings.Index(l.query[l.i:], ">>>"); end >= 0 {
		l.i += end + len(">>>")
		return
	}
	l.add(token{kind: emptyToken, pos: l.i, fault: "this comment is not closed: write >>> at its end"})
	l.i = len(l.query)
}

// until is where the first rune that stops stands in query, from the byte from on.
func until(query string, from int, stops func(rune) bool) int {
	if n := strings.IndexFunc(query[from:], stops); n >= 0 {
		return from + n
	}
	return len(query)
}

var (
	// slashed are the operators that begin with a slash and are no regular expression.
	slashed = regexp.MustCompile(`(?i)^/(?:n?\d+/?|s|p|sent|para|seg|f\d+/?)$`)
	// counting are those of them that may stand after NOT.
	counting = regexp.MustCompile(`(?i)^/(?:n?\d+/?|s|p|sent|para)$`)
	// headed are those that stand before what they are about.
	headed = regexp.MustCompile(`(?i)^/f\d+/?$`)
)

// operates reports whether a run that begins with a slash is an operator here.
func (l *lexer) operates(run string) bool {
	switch last := l.last(); {
	case last.ends():
		return slashed.MatchString(run)
	case last.kind == notToken && !last.sign:
		return counting.MatchString(run)
	}
	return headed.MatchString(run)
}

// regex reads /…/ if one begins here.
func (l *lexer) regex() bool {
	end := until(l.query, l.i, func(r rune) bool { return unicode.IsSpace(r) || paren(r) != eof })
	if end-l.i <= maxOperator && l.operates(l.query[l.i:end]) {
		return false
	}
	var text strings.Builder
	for j := l.i + 1; j < len(l.query) && l.query[j] != '\n'; j++ {
		switch c := l.query[j]; {
		case c == '/' && j-l.i < maxOperator && slashed.MatchString(l.query[l.i:j+1]):
			return false // /5/ where there is nothing on its left
		case c == '/':
			l.regexes++
			l.add(checkRegex(text.String(), l.i, l.regexes <= MaxRegexes))
			l.i = j + 1
			return true
		case c == '\\' && j+1 < len(l.query) && l.query[j+1] == '/':
		case c == '\\' && j+1 < len(l.query):
			text.WriteByte(c)
			j++
			text.WriteByte(l.query[j])
		default:
			text.WriteByte(c)
		}
	}
	return false
}

// maxRegex is how many bytes a regular expression may have.
const maxRegex = 500

func checkRegex(text string, pos int, compile bool) token {
	t := token{kind: stuckToken, text: text, pos: pos}
	switch {
	case !compile:
		t.kind = regexToken // too many of them, which the parser refuses
	case text == "":
		t.fault = "there is nothing between the slashes"
	case len(text) > maxRegex:
		t.fault = "the regular expression is longer than " + strconv.Itoa(maxRegex) + " bytes: write words instead"
	default:
		re, _, err := compileRegex(text)
		switch {
		case err != nil:
			t.fault = clip(strings.Replace(err.Error(), "error parsing regexp: ", "", 1), 300)
		case re.MatchString(""):
			t.fault = "the regular expression fits nothing at all, and would find everything: say at least one letter that must be there"
		default:
			t.kind, t.text = regexToken, unlikeOperator(text)
		}
	}
	return t
}

// unlikeOperator writes a regular expression so that it does not begin as an
// operator does: [s] x for s x.
func unlikeOperator(text string) string {
	run, _, _ := strings.Cut(text, " ")
	if cut := strings.IndexFunc(run, func(r rune) bool { return unicode.IsSpace(r) || paren(r) != eof }); cut >= 0 {
		run = run[:cut]
	}
	if !slashed.MatchString("/"+run) && !slashed.MatchString("/"+run+"/") {
		return text
	}
	return "[" + text[:1] + "]" + text[1:]
}

// operatorInside finds where a phrase whose quote is missing probably ended.
var operatorInside = regexp.MustCompile(`\s+(?:AND|OR|NOT|NEAR|BEFORE)\b|[()（）]`)

// phrase reads the phrase whose quote stands here, with a mark before it.
func (l *lexer) phrase(mark string, pos int) {
	_, n := utf8.DecodeRuneInString(l.query[l.i:])
	from := l.i + n
	t := token{kind: phraseToken, mark: mark, value: l.value(), pos: pos}
	end := until(l.query, from, isQuote)
	if end == len(l.query) {
		if at := operatorInside.FindStringIndex(l.query[from:]); at != nil {
			end = from + at[0]
		}
		t.text, _ = l.checkPhrase(l.query[from:end], pos)
		t.fault = "this quote is not closed"
		l.i = end
		l.add(t)
		return
	}
	text := strings.TrimRight(l.query[from:end], `\`)
	t.text, t.fault = l.checkPhrase(text, pos)
	_, n = utf8.DecodeRuneInString(l.query[end:])
	l.i = end + n
	if m := slop.FindStringSubmatch(l.query[l.i:]); m != nil {
		l.i += len(m[0])
		l.slop(t, m[1])
		return
	}
	if parts := gapped(text); len(parts) > 1 {
		t.ways = [][]token{inOrder(parts, t)}
	}
	l.add(t)
}

// slop is "a b"~5: words near each other.
var slop = regexp.MustCompile(`^~(\d+)`)

func (l *lexer) slop(t token, n string) {
	parts := strings.Fields(t.text)
	if len(parts) < 2 {
		l.add(t)
		return
	}
	l.add(token{kind: openToken, pos: t.pos})
	for i, p := range parts {
		if i > 0 {
			l.add(joining(Near, n, t.pos))
		}
		l.add(token{kind: wordToken, text: p, mark: t.mark, pos: t.pos, fault: t.fault})
	}
	l.add(token{kind: closeToken, pos: t.pos})
}

// gapped parts a phrase at * and % that stand alone, for any words.
func gapped(text string) []string {
	if !strings.ContainsAny(text, "*%") {
		return nil
	}
	var parts []string
	part := ""
	for _, f := range append(strings.Fields(text), "*") {
		if f != "*" && f != "%" {
			part += " " + f
		} else if part != "" {
			parts = append(parts, part[1:])
			part = ""
		}
	}
	return parts
}

// inOrder is the rewrite of a phrase with gaps.
func inOrder(parts []string, t token) []token {
	out := []token{{kind: openToken, pos: t.pos}}
	for i, p := range parts {
		if i > 0 {
			out = append(out, joining(Before, defaultNear, t.pos))
		}
		p, _ = checkPhrase(p)
		out = append(out, token{kind: phraseToken, text: p, mark: t.mark, pos: t.pos})
	}
	return append(out, token{kind: closeToken, pos: t.pos})
}

// maxOperator is how many bytes an operator may have.
const maxOperator = 64

// word reads a run without spaces, quotes and parentheses.
func (l *lexer) word() {
	if l.i >= l.run {
		l.run = until(l.query, l.i, endsWord)
	}
	if l.i >= l.end {
		w := l.query[l.i:l.run]
		if at := comma(w); at > 0 {
			w = w[:at]
		}
		l.end = l.i + len(strings.TrimRightFunc(w, unseen))
	}
	pos := l.i
	w := l.query[pos:l.end]
	l.i = l.end
	for _, known := range dialects {
		if known(l, w, pos) {
			return
		}
	}
	l.plain(w, pos)
}

// comma is where a comma parts w, or -1. Within a number it does not.
func comma(w string) int {
	at := strings.IndexFunc(w, isComma)
	if at > 0 && at <= 3 && len(w) < 32 && thousands.MatchString(w) {
		return -1
	}
	return at
}

// thousands is a number with its thousands parted by commas.
var thousands = regexp.MustCompile(`^\d{1,3}(?:,\d{3})+$`)

// plain reads a word to find, with the marks before it.
func (l *lexer) plain(w string, pos int) {
	mark := ""
	for _, m := range []string{"==", "=", "~"} {
		if strings.HasPrefix(w, m) {
			mark = m
			break
		}
	}
	rest := w[len(mark):]
	switch {
	case rest == "" && mark != "" && isQuote(l.ahead()):
		l.phrase(mark, pos)
	case rest == "" && mark != "":
		l.add(token{kind: emptyToken, pos: pos, fault: mark + " stands before nothing: write it before a word or a phrase"})
	case l.value():
		l.add(token{kind: wordToken, text: rest, mark: mark, value: true, pos: pos})
	case strings.Trim(rest, "/") != "" && rest[0] == '/':
		fixed, _ := checkWord(l.plainStar(strings.TrimLeft(rest, "/"), pos))
		l.add(token{kind: wordToken, text: fixed, mark: mark, pos: pos, fault: "this slash begins a regular expression, and none ends it on this line: write / at its end, or leave it out"})
	default:
		fixed, fault := checkWord(l.plainStar(rest, pos))
		t := token{kind: wordToken, text: fixed, mark: mark, pos: pos, fault: fault}
		if fixed == "" {
			t.kind = emptyToken
		}
		l.add(t)
	}
}

// checkPhrase puts the text of a phrase on one line, says what is wrong with its
// words, and mends them.
func (l *lexer) checkPhrase(text string, pos int) (fixed, fault string) {
	if l.value() {
		return strings.Join(strings.Fields(text), " "), ""
	}
	return checkPhrase(l.plainStar(text, pos))
}

func checkPhrase(text string) (fixed, fault string) {
	parts := strings.Fields(text)
	for i, p := range parts {
		f := ""
		if parts[i], f = checkWord(p); fault == "" {
			fault = f
		}
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " "), fault
}

// ending is what Lexis and Factiva write at the end of a word for any letters.
var ending = regexp.MustCompile(`([\pL\pN])([!$]|\$\d+)(\s|$)`)

// plainStar writes the wildcards of others as ours.
func (l *lexer) plainStar(s string, pos int) string {
	if strings.ContainsAny(s, "＊？") {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "＊", "*"), "？", "?")
	}
	if l.starry == 0 && strings.Contains(s, "*") {
		l.starry = 1 + pos
	}
	if !strings.ContainsAny(s, "!$") || !ending.MatchString(s) {
		return s
	}
	if strings.Contains(s, "!") {
		l.lexis, l.loose = true, true
	}
	return ending.ReplaceAllString(s, "$1*$3")
}

// checkWord says what is wrong with the wildcards of a word, and mends it;
// nothing may be left of it.
func checkWord(w string) (fixed, fault string) {
	switch {
	case !strings.ContainsAny(w, "*?"):
		return w, ""
	case strings.Trim(w, "*?") == "":
		return "", "a wildcard alone stands for anything at all: write at least three letters beside it; between words write BEFORE/5"
	case longEnough(w):
		return w, ""
	}
	return strings.ReplaceAll(strings.ReplaceAll(w, "*", ""), "?", ""),
		"a wildcard needs three letters beside it (or one of Han, kana or Hangul): write the word's forms out, joined by OR"
}

// isWordRune reports whether r is part of a word.
func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// longEnough reports whether a word with wildcards has letters enough in one
// piece. It looks at the first letters only, so that a query of many stars takes
// no longer.
func longEnough(w string) bool {
	run := 0
	for _, r := range w[:min(len(w), 256)] {
		switch {
		case r == '*':
			run = 0
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
			return true
		case isWordRune(r) && !unicode.IsMark(r):
			if run++; run == 3 {
				return true
			}
		}
	}
	return false
}
