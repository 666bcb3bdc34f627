package watchlist

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// dialects are the ways in which a run of letters and signs is more than a word
// to find, ours and those of other vendors, in the order they are tried. Each
// adds its tokens and says so. One that takes only the beginning of the run sets
// l.i behind it.
var dialects = []func(l *lexer, w string, pos int) bool{
	booleans, proximities, functions, surrounds, dates, listNames, fieldNames, signs, refusals,
}

var booleanWords = map[string]tokenKind{
	"and": andToken, "or": orToken, "not": notToken, "&&": andToken, "||": orToken, "&": andToken, "|": orToken,
}

// booleans are AND, OR and NOT, also AND NOT and BUT NOT, and NOT before NEAR/n.
func booleans(l *lexer, w string, pos int) bool {
	if len(w) > len("and/or") {
		return false
	}
	word := strings.ToLower(w)
	kind, ok := booleanWords[word]
	switch {
	case word == "and/or":
		l.add(token{kind: orToken, pos: pos, fault: "and/or is OR: write OR"})
		return true
	case !ok && word == "but" && strings.EqualFold(l.peekWord(), "not"):
		return true // but not
	case !ok:
		return false
	}
	if kind == notToken && l.last().kind == andToken && l.last().fault == "" {
		l.toks = l.toks[:len(l.toks)-1] // and not
	}
	l.add(token{kind: kind, pos: pos})
	return true
}

// peekWord is the next run without spaces.
func (l *lexer) peekWord() string {
	from := until(l.query, l.i, func(r rune) bool { return !unicode.IsSpace(r) })
	return l.query[from:until(l.query, from, endsWord)]
}

// A joint is a proximity as it may be written.
type joint struct {
	op       Op
	n        string // of one written without a number
	adjacent bool
	loose    bool // Lexis writes it, where OR binds closer
	lexis    bool // nobody else does
	note     string
}

const (
	withinNote    = "W/n is read in any order, as Lexis does; where it comes from Factiva, which means this order, write BEFORE/n"
	factivaNote   = "n is read as the most words between; Factiva, where this seems to come from, allows one word less"
	meltwaterNote = "NEAR without a number is read as NEAR/5; in Meltwater it is 4"
	pluralNote    = "a word is found in this form only, and not also in the plural as Lexis does: write missile OR missiles, missile* or ~missile"
	lexisStar     = "* stands for any letters; in Lexis, where this seems to come from, for one"
	capitalsNote  = "! before capitals is read as ==, this form and these capitals, as Pulsar does; where it means NOT, write NOT"
	regionNote    = "country: is the country of the source; where this comes from Factiva, which means what a text is about, write the country's names"

	// defaultNear is what NEAR and BEFORE mean without a number.
	defaultNear = "5"
)

// joints are the proximities by how they are written, in small letters and with #
// for the number.
var joints = map[string]joint{
	"near/#": {op: Near}, "near#": {op: Near, note: factivaNote}, "near": {op: Near, n: defaultNear, note: meltwaterNote},
	"/n#/": {op: Near, note: factivaNote}, "/n#": {op: Near, note: factivaNote},
	"w/#": {op: Near, loose: true, note: withinNote}, "/#": {op: Near, loose: true}, "/#/": {op: Near, loose: true}, "n/#": {op: Near},

	"before/#": {op: Before}, "before#": {op: Before}, "near/#f": {op: Before}, "near#f": {op: Before},
	"onear/#": {op: Before}, "onear#": {op: Before}, "onear": {op: Before, n: defaultNear},
	"dnear/#": {op: Before}, "dnear#": {op: Before}, "dnear": {op: Before, n: defaultNear},
	"pre/#": {op: Before, loose: true, lexis: true}, "p/#": {op: Before}, "adj/#": {op: Before, note: factivaNote}, "adj#": {op: Before, note: factivaNote},
	"adj": {op: Before, n: "0", adjacent: true},

	"w/s": {op: SameSentence, loose: true, lexis: true}, "w/sent": {op: SameSentence, loose: true, lexis: true},
	"/s": {op: SameSentence, loose: true, lexis: true}, "/sent": {op: SameSentence, loose: true, lexis: true},
	"same/s": {op: SameSentence}, "near/s": {op: SameSentence},
	"w/p": {op: SameParagraph, loose: true, lexis: true}, "w/para": {op: SameParagraph, loose: true, lexis: true},
	"/p": {op: SameParagraph, loose: true, lexis: true}, "/para": {op: SameParagraph, loose: true, lexis: true},
	"same/p": {op: SameParagraph}, "same": {op: SameParagraph}, "near/p": {op: SameParagraph},
}

// proximities are NEAR/5, BEFORE/5 and SAME/S, by all their names.
func proximities(l *lexer, w string, pos int) bool {
	if len(w) > maxOperator {
		return false
	}
	name, n := strings.ToLower(w), ""
	from := strings.IndexAny(name, "0123456789")
	if from >= 0 {
		to := from + len(name[from:]) - len(strings.TrimLeft(name[from:], "0123456789"))
		name, n = name[:from]+"#"+name[to:], name[from:to]
	}
	j, ok := joints[name]
	switch {
	case name == "w/seg" || name == "/seg":
		l.segment(pos)
		return true
	case w == "BEFORE":
		j, ok = joint{op: Before, n: defaultNear}, true
	case !ok:
		return misspelt(l, w, pos)
	}
	if n == "" {
		n = j.n
	}
	t := joining(j.op, n, pos)
	t.adjacent = j.adjacent || strings.HasPrefix(name, "adj") && t.n == 1 && t.fault == ""
	if t.adjacent {
		t.n = 0
	}
	if t.loose = j.loose; from < 0 && !strings.Contains(name, "/") {
		t.text = w
	}
	l.loose, l.lexis = l.loose || j.loose, l.lexis || j.lexis
	if j.note != "" && !t.adjacent && !(j.note == withinNote && l.last().kind == notToken) {
		l.note(pos, j.note)
	}
	l.join(t)
	return true
}

// joining is a proximity operator.
func joining(op Op, n string, pos int) token {
	t := token{kind: joinToken, op: op, pos: pos}
	if op == SameSentence || op == SameParagraph {
		return t
	}
	if t.n, t.fault = number(n, 0, MaxNear); t.fault != "" {
		t.fault = operator(op, MaxNear) + " is the widest there is: use SAME/P, or AND"
	}
	return t
}

// segment is Lexis' w/seg, about a hundred words in one part of a document.
func (l *lexer) segment(pos int) {
	t := token{kind: stuckToken, pos: pos, fault: "segments of Lexis are not known here: write SAME/P for one paragraph, or AND"}
	if l.last().kind != notToken {
		t.ways = [][]token{{{kind: joinToken, op: SameParagraph, pos: pos}}, {{kind: andToken, pos: pos}}}
	}
	l.add(t)
}

// join adds a proximity operator; with NOT before it, it is NOT NEAR.
func (l *lexer) join(t token) {
	not := l.last()
	if not.kind != notToken {
		l.add(t)
		return
	}
	t.pos = not.pos
	l.toks = l.toks[:len(l.toks)-1]
	about := map[Op]int{SameSentence: 15, SameParagraph: MaxNear}[t.op] // as many words as Lexis takes them for
	switch {
	case t.op == Near:
		t.op = NotNear
	case about > 0:
		t.fault = "NOT before " + operator(t.op, 0) + " is not known: write NOT NEAR/n"
		t.ways = [][]token{{{kind: joinToken, op: NotNear, n: about, pos: t.pos}}}
	default:
		t.fault = "NOT before " + operator(t.op, t.n) + " is not known: write NOT NEAR/n, which leaves out both orders"
		t.ways = [][]token{{{kind: joinToken, op: NotNear, n: t.n, pos: t.pos}}}
	}
	l.add(t)
}

var dialogJoint = regexp.MustCompile(`^[(（]\s*(\d*)([nNwW])\s*[)）]`)

// dialog reads (3n), (w) and their like of Dialog, between two operands.
func (l *lexer) dialog() bool {
	if !l.last().ends() && l.last().kind != notToken {
		return false
	}
	m := dialogJoint.FindStringSubmatch(l.query[l.i:min(len(l.query), l.i+maxOperator)])
	if m == nil || m[1] == "" && l.last().kind == notToken {
		return false
	}
	op, n := Near, m[1]
	if strings.EqualFold(m[2], "w") {
		op = Before
	}
	if n == "" {
		n = "0"
	}
	t := joining(op, n, l.i)
	t.adjacent = op == Before && n == "0"
	l.join(t)
	l.i += len(m[0])
	return true
}

var (
	counted = regexp.MustCompile(`(?i)^(atleast|any|first)/?(\d+)$`)
	firstIn = regexp.MustCompile(`(?i)^(.*?)/f(\d+)/?$`)
	around  = regexp.MustCompile(`(?i)^around\s*\(\s*(\d+)\s*\)`)
)

// functions are ATLEAST/n, ANY/n and FIRST/n with their other spellings, and
// what stands before a parenthesis in Lexis and Google.
func functions(l *lexer, w string, pos int) bool {
	if len(w) > maxOperator {
		return false
	}
	if m := counted.FindStringSubmatch(w); m != nil {
		l.add(function(m[1], m[2], pos))
		return true
	}
	if m := firstIn.FindStringSubmatch(w); m != nil {
		return l.firstWords(m[1], m[2], pos)
	}
	if m := around.FindStringSubmatch(l.query[pos:min(len(l.query), pos+maxOperator)]); m != nil {
		l.join(joining(Near, m[1], pos))
		l.i = pos + len(m[0])
		return true
	}
	if l.i >= len(l.query) || paren(l.ahead()) != openToken {
		return false
	}
	return l.beforeParenthesis(w, pos)
}

// numbered are the functions with a number to show to those who leave it out.
var numbered = map[string]string{"any": "2", "atleast": "2", "first": "60"}

// segments are the parts of a document as Lexis names them before a parenthesis.
var segments = map[string]string{
	"headline": "title", "hlead": "title|lead", "lead": "lead", "body": "text", "byline": "author", "publication": "source", "language": "lang",
}

// unknownSegments are those that are not known here.
var unknownSegments = map[string]bool{
	"section": true, "terms": true, "subject": true, "company": true, "geographic": true, "person": true, "ticker": true, "length": true,
	"date": true, "load-date": true, "dateline": true, "graphic": true, "city": true, "state": true, "segment": true, "publication-type": true,
}

func (l *lexer) beforeParenthesis(w string, pos int) bool {
	name := strings.ToLower(w)
	switch {
	case numbered[name] != "":
		t := function(name, numbered[name], pos)
		t.fault = strings.ToUpper(name) + " needs a number, as in " + strings.ToUpper(name) + "/" + numbered[name]
		l.add(t)
	case segments[name] != "":
		l.add(token{kind: fieldToken, text: segments[name], pos: pos})
	case unknownSegments[name]:
		l.skipValue()
		l.add(token{kind: emptyToken, pos: pos, fault: w + "(…) is not asked about here: leave it out"})
	case name == "cs" || name == "allcaps" || name == "nocaps":
		l.add(token{kind: fieldToken, text: "raw", mark: name, pos: pos})
		l.lexis = l.lexis || name != "cs"
	case name == "caps" || name == "plural" || name == "singular":
		l.lexis = true
		l.add(token{kind: fieldToken, text: "raw", mark: name, pos: pos, fault: w + "(…) is not known here: write = before a word for this form alone, == for its capitals too"})
	default:
		return false
	}
	if name == "hlead" || name == "nocaps" || name == "allcaps" {
		l.lexis, l.loose = true, true
	}
	return true
}

func function(name, n string, pos int) token {
	t := token{kind: funcToken, pos: pos}
	most := MaxTerms
	switch strings.ToLower(name) {
	case "atleast":
		t.op, most = AtLeast, MaxAtLeast
	case "first":
		t.op, most = ScopeOf, MaxFirst
	default:
		t.op = Any
	}
	t.n, t.fault = number(n, 1, most)
	return t
}

// firstWords is Factiva's /F60/, after a word, alone before a group, or alone
// after an operand.
func (l *lexer) firstWords(word, n string, pos int) bool {
	t := function("first", n, pos)
	last := l.last()
	switch {
	case word != "":
		l.add(t)
		l.plain(word, pos)
	case last.words():
		t.pos = last.pos
		l.toks = append(l.toks[:len(l.toks)-1], t, last)
	case last.kind == closeToken:
		l.beforeGroup(t)
	default:
		l.add(t)
	}
	return true
}

// beforeGroup puts t before the group that ends here.
func (l *lexer) beforeGroup(t token) {
	depth := 0
	for i := len(l.toks) - 1; i >= max(0, len(l.toks)-maxGroup); i-- {
		switch l.toks[i].kind {
		case closeToken:
			depth++
		case openToken:
			depth--
		}
		if depth == 0 {
			t.pos = l.toks[i].pos
			l.toks = append(l.toks[:i], append([]token{t}, l.toks[i:]...)...)
			return
		}
	}
	l.add(t)
}

// maxGroup is how many tokens are looked back for the beginning of a group.
const maxGroup = 1000

var surround = regexp.MustCompile(`(?i)^(\d+)([nw])$`)

// surrounds are Lucene's 5N(a, b) and 5W(a, b).
func surrounds(l *lexer, w string, pos int) bool {
	if len(w) > maxOperator || l.i >= len(l.query) || paren(l.ahead()) != openToken {
		return false
	}
	m := surround.FindStringSubmatch(w)
	if m == nil {
		return false
	}
	op := Near
	if strings.EqualFold(m[2], "w") {
		op = Before
	}
	t := joining(op, m[1], pos)
	t.kind = funcToken
	l.add(t)
	return true
}

var dated = regexp.MustCompile(`(?i)^(?:load-)?(?:date|length)(?:\s*[<>]=?\s*|\s+(?:geq|leq|aft|bef|after|before|from|is)\s+)[^\s()]+(?:\s+to\s+[^\s()]+)?`)

// dates are the dates and lengths of Lexis and Factiva.
func dates(l *lexer, w string, pos int) bool {
	if c := w[0] | 0x20; c != 'd' && c != 'l' {
		return false
	}
	m := dated.FindString(l.query[pos:min(len(l.query), pos+128)])
	if m == "" {
		return false
	}
	l.i = pos + len(m)
	l.add(token{kind: emptyToken, pos: pos, fault: clip(m, 60) + noDates})
	return true
}

const noDates = ": a watchlist is about what is new, and does not ask for dates and lengths: leave this out, and use --since for a backtest"

var listName = regexp.MustCompile(`^@([A-Za-z0-9][A-Za-z0-9_-]*)(?:\.([A-Za-z]{2,3}))?$`)

// listNames are @name and @name.lang.
func listNames(l *lexer, w string, pos int) bool {
	if w[0] != '@' {
		return false
	}
	m := listName.FindStringSubmatch(w)
	if m == nil {
		l.add(token{kind: stuckToken, pos: pos, fault: "the name of a list is of small letters, digits, - and _, with a language after a dot: @missile.ru; to find an address or account, quote it"})
		return true
	}
	l.add(token{kind: listToken, text: strings.ToLower(m[1]), lang: strings.ToLower(m[2]), pos: pos})
	return true
}

// signs are - and ! before a word, for NOT, + for AND, and !NASA for ==NASA.
func signs(l *lexer, w string, pos int) bool {
	r, n := utf8.DecodeRuneInString(w)
	if !strings.ContainsRune("-–—−!+", r) {
		return false
	}
	rest := w[n:]
	if rest == "" && (l.i >= len(l.query) || !isQuote(l.ahead()) && paren(l.ahead()) != openToken) {
		return false
	}
	if more := len(rest) - len(strings.TrimLeft(rest, "-–—−!+")); more > 0 {
		if more < len(rest) {
			l.add(token{kind: stuckToken, pos: pos, fault: "signs follow one another here: write NOT before what is to be left out"})
			l.i = pos + n + more
		}
		return more < len(rest)
	}
	switch {
	case r == '+':
		l.plus(pos)
	case r == '!' && capitals(rest):
		l.note(pos, capitalsNote)
		l.plain("=="+rest, pos)
		return true
	default:
		if l.last().kind == andToken && l.last().fault == "" {
			l.toks = l.toks[:len(l.toks)-1]
		}
		l.add(token{kind: notToken, sign: true, pos: pos})
	}
	l.i = pos + n
	return true
}

// capitals reports whether w is a word in capitals.
func capitals(w string) bool {
	other := func(r rune) bool { return !isWordRune(r) && r != '-' && r != '.' && r != '&' }
	return strings.ToUpper(w) == w && strings.ToLower(w) != w && !strings.ContainsFunc(w, other)
}

// plus is + before a word. Beside words without a sign it makes those optional,
// which nothing here says.
func (l *lexer) plus(pos int) {
	const fault = "+ before a word, without which others may be missing, is not known here: write AND between all that must be there"
	switch last := l.last(); {
	case last.kind == andToken:
		l.toks[len(l.toks)-1].fault = "+ before a word is not mixed with AND: leave it out"
	case last.kind == eof || last.kind == openToken || last.kind == orToken || last.kind == notToken:
		l.add(token{kind: emptyToken, pos: pos, fault: fault})
	default:
		l.add(token{kind: andToken, pos: pos, fault: fault})
	}
}

var (
	boost  = regexp.MustCompile(`\^[\d.]+$`)
	fuzzy  = regexp.MustCompile(`^([\pL\pN]+)~(\d?(?:\.\d+)?)$`)
	length = regexp.MustCompile(`(?i)^wc[<>]=?\d+$`)
)

// refusals are what others know and we do not.
func refusals(l *lexer, w string, pos int) bool {
	if !strings.ContainsAny(w, "^~<>[{%") || len(w) > 4*maxOperator {
		return false
	}
	switch {
	case boost.MatchString(w):
		text, _ := checkWord(l.plainStar(boost.ReplaceAllString(w, ""), pos))
		t := token{kind: wordToken, text: text, pos: pos, fault: "a watchlist has no weights (" + boost.FindString(w) + "): a statement matches, or it does not"}
		if text == "" {
			t.kind = emptyToken
		}
		l.add(t)
	case fuzzy.MatchString(w):
		l.add(token{kind: wordToken, text: fuzzy.FindStringSubmatch(w)[1], mark: "~", pos: pos, fault: "words that are spelt about so (~ after a word) are not known: ~ before it finds its inflected forms, * its endings"})
	case w == "~" && l.last().kind == phraseToken:
		l.add(token{kind: emptyToken, pos: pos, fault: `~ after a phrase needs a number, as in "missile transfer"~5`})
	case length.MatchString(w):
		l.add(token{kind: emptyToken, pos: pos, fault: w + noDates})
	case w[0] == '[' || w[0] == '{':
		l.add(token{kind: stuckToken, pos: pos, fault: "ranges are not known, and [ and { group nothing: write the values out, joined by OR, in ( )"})
	case w == "%":
		t := token{kind: stuckToken, pos: pos, fault: "% for any one word is not known: write BEFORE/1 between the words beside it"}
		if l.last().ends() {
			t.ways = [][]token{{{kind: joinToken, op: Before, n: 1, pos: pos}}}
		}
		l.add(t)
	default:
		return false
	}
	return true
}
