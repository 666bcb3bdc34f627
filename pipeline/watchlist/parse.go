package watchlist

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Parse parses a query. Its error is an *Error.
func Parse(query string) (*Query, error) {
	if len(query) > MaxBytes {
		return nil, locate(query, &Error{Msg: fmt.Sprintf("the query has %d bytes, and at most %d are allowed: split it into several watchlists", len(query), MaxBytes)})
	}
	if !utf8.ValidString(query) {
		pos := strings.IndexFunc(query, func(r rune) bool { return r == utf8.RuneError })
		return nil, locate(query, &Error{Pos: pos, Msg: "the query is not UTF-8 here: save it in that encoding"})
	}
	toks := lex(query)
	p := parser{toks: toks}
	root, err := p.query()
	if err == nil {
		return &Query{root}, nil
	}
	if !p.exceeded {
		switch ways := rewrites(toks); len(ways) {
		case 0:
		case 1:
			err.Fix = ways[0]
		default:
			err.Readings = ways
		}
	}
	return nil, locate(query, err)
}

func locate(query string, err *Error) *Error {
	before := query[:err.Pos]
	err.Line = 1 + strings.Count(before, "\n")
	err.Column = 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return err
}

// mending is one way to understand what a query leaves open.
type mending struct {
	phrases bool // words side by side are a phrase, or else joined by AND
	orFirst bool // OR binds closer than AND, or else AND closer than OR
}

// rewrites are the queries that toks can be understood as.
func rewrites(toks []token) []string {
	toks = slices.DeleteFunc(slices.Clone(toks), func(t token) bool {
		return t.kind == emptyToken || t.operand() && t.kind != openToken && len(fold(t.text).units) == 0
	})
	var ways []string
	for _, m := range []mending{{phrases: true}, {phrases: true, orFirst: true}, {}, {orFirst: true}} {
		p := parser{toks: toks, mend: &m}
		if m.phrases {
			p.toks = phrases(toks)
		}
		root, err := p.query()
		if err != nil {
			continue
		}
		if way := root.String(); !slices.Contains(ways, way) && accepted(way) {
			ways = append(ways, way)
		}
	}
	return ways
}

// accepted reports whether a rewrite keeps the limits, which its parentheses
// may exceed.
func accepted(query string) bool {
	p := parser{toks: lex(query)}
	_, err := p.query()
	return err == nil && len(query) <= MaxBytes
}

// phrases makes words side by side one phrase.
func phrases(toks []token) []token {
	var out []token
	for i := 0; i < len(toks); {
		var texts []string
		from := i
		for ; toks[i].kind == wordToken || toks[i].kind == phraseToken; i++ {
			texts = append(texts, toks[i].text)
		}
		if len(texts) > 1 {
			out = append(out, token{kind: phraseToken, text: strings.Join(texts, " "), pos: toks[from].pos})
			continue
		}
		i = from + 1
		out = append(out, toks[from])
	}
	return out
}

// A parser makes a node of tokens. It stops at the first thing that is refused,
// unless it mends.
type parser struct {
	toks     []token
	i        int
	depth    int
	terms    int
	mend     *mending // nil: refuse
	first    token    // the first operator between the parentheses that are open
	exceeded bool     // a limit, which no rewrite mends
}

// placeholder stands in a rewrite for what the query does not say.
const placeholder = "words to find"

func (p *parser) query() (node, *Error) {
	if p.peek().kind == eof {
		return nil, p.fail(p.peek(), "the query is empty: write the words to find")
	}
	n, err := p.expr()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind == closeToken {
		return nil, p.fail(t, "this parenthesis closes nothing")
	}
	if a, ok := n.(*all); !ok || len(a.must) > 0 {
		return n, nil
	}
	if p.mend == nil {
		return nil, p.fail(p.toks[0], "a query of nothing but NOT would find nearly everything: say what to find before what to leave out")
	}
	t, _ := newTerm(placeholder, true)
	return both([]node{t, n}), nil
}

// peek is the next token. A parenthesis that closes nothing is mended by
// passing over it.
func (p *parser) peek() token {
	for p.mend != nil && p.depth == 0 && p.toks[p.i].kind == closeToken {
		p.i++
	}
	return p.toks[p.i]
}

func (p *parser) fail(t token, msg string) *Error { return &Error{Pos: t.pos, Msg: msg} }

// expr parses operands and the operators between them. AND binds closer than OR
// unless a mending says otherwise; where none does, they do not meet.
func (p *parser) expr() (node, *Error) {
	outside := p.first
	p.first = token{}
	defer func() { p.first = outside }()
	if p.mend != nil && p.mend.orFirst {
		return p.ands(func() (node, *Error) { return p.ors(p.operand) })
	}
	return p.ors(func() (node, *Error) { return p.ands(p.operand) })
}

func (p *parser) ands(next func() (node, *Error)) (node, *Error) {
	n, err := next()
	if err != nil {
		return nil, err
	}
	for nodes := []node{n}; ; nodes = append(nodes, n) {
		op, err := p.operator(false)
		if err != nil || op.kind == eof {
			return both(nodes), err
		}
		if n, err = next(); err == nil && op.kind == notToken {
			n, err = p.not(n, op)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) ors(next func() (node, *Error)) (node, *Error) {
	at := p.peek()
	n, err := next()
	if err != nil {
		return nil, err
	}
	for nodes := []node{n}; ; nodes = append(nodes, n) {
		op, err := p.operator(true)
		if err != nil {
			return nil, err
		}
		if op.kind == eof {
			return p.either(nodes, at)
		}
		if n, err = next(); err != nil {
			return nil, err
		}
	}
}

// operator takes the next operator if it is OR, or if it is any other, as asked:
// NOT for AND NOT. The kind is eof if there is none.
func (p *parser) operator(or bool) (token, *Error) {
	t := p.peek()
	switch {
	case t.fault != "" && (p.mend == nil || t.kind == stuckToken):
		return t, p.fail(t, t.fault)
	case t.kind == eof || t.kind == closeToken:
		return token{}, nil
	case t.operand():
		return t, p.fail(t, "nothing joins this to what stands before it: quote words to find them as a phrase, or write AND")
	case p.first.kind == eof:
		p.first = t
	case p.mend == nil && (p.first.kind == orToken) != (t.kind == orToken):
		return t, p.fail(t, p.first.kind.String()+" and "+t.kind.String()+" are mixed and nothing says which comes first: set parentheses")
	}
	if (t.kind == orToken) != or {
		return token{}, nil
	}
	p.i++
	next := p.peek()
	if t.kind == andToken && next.kind == notToken && (p.mend != nil || next.fault == "") {
		p.i++
		t.kind, next = notToken, p.peek()
	}
	if p.mend != nil && (next.kind == eof || next.kind == closeToken) {
		return token{}, nil // it joins nothing
	}
	return t, nil
}

// both makes one node of nodes that all have to hold.
func both(nodes []node) node {
	if len(nodes) == 1 {
		return nodes[0]
	}
	a := new(all)
	for _, n := range nodes {
		if inner, ok := n.(*all); ok {
			a.must = append(a.must, inner.must...)
			a.never = append(a.never, inner.never...)
		} else {
			a.must = append(a.must, n)
		}
	}
	return a
}

// either makes one node of nodes of which one has to hold. What a mended query
// excludes on one side of OR is excluded from all.
func (p *parser) either(nodes []node, at token) (node, *Error) {
	if len(nodes) == 1 {
		return nodes[0], nil
	}
	var sides some
	var never []node
	for _, n := range nodes {
		a, ok := n.(*all)
		switch inner, isSome := n.(some); {
		case ok && len(a.must) == 0 && p.mend == nil:
			return nil, p.fail(at, "one side of OR is nothing but NOT, which would find nearly everything: say there too what to find")
		case ok && len(a.must) == 0:
			never = append(never, a)
		case isSome:
			sides = append(sides, inner...)
		default:
			sides = append(sides, n)
		}
	}
	if len(sides) > 1 {
		return both(append([]node{sides}, never...)), nil
	}
	return both(append([]node(sides), never...)), nil
}

func (p *parser) not(n node, at token) (node, *Error) {
	if a, ok := n.(*all); ok && len(a.must) == 0 {
		return nil, p.fail(at, "NOT of nothing but NOT: leave both out")
	}
	return &all{never: []node{n}}, nil
}

// operand parses a word, a phrase or a group, and the NOT before it.
func (p *parser) operand() (node, *Error) {
	var not token
	for {
		t := p.peek()
		switch {
		case t.fault != "" && p.mend == nil:
			return nil, p.fail(t, t.fault)
		case t.kind == notToken && not.kind == notToken:
			return nil, p.fail(t, "NOT stands twice: leave out one, or both")
		case t.kind == notToken:
			not = t
		case p.mend != nil && (t.kind == andToken || t.kind == orToken): // it joins nothing
		default:
			n, err := p.primaries()
			if err == nil && not.kind == notToken {
				n, err = p.not(n, not)
			}
			return n, err
		}
		p.i++
	}
}

// primaries parses a word, a phrase or a group, and where a query is mended all
// that stand side by side.
func (p *parser) primaries() (node, *Error) {
	var nodes []node
	for {
		n, err := p.primary()
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
		if p.mend == nil || !p.peek().operand() {
			return both(nodes), nil
		}
	}
}

func (p *parser) primary() (node, *Error) {
	t := p.peek()
	switch t.kind {
	case wordToken, phraseToken:
		p.i++
		return p.term(t)
	case openToken:
		p.i++
		return p.group(t)
	case andToken, orToken:
		return nil, p.fail(t, t.kind.String()+" has nothing to join on its left: leave it out, or quote it to find the word")
	case stuckToken:
		return nil, p.fail(t, t.fault)
	}
	if p.i > 0 && p.toks[p.i-1].kind != closeToken {
		t = p.toks[p.i-1]
		return nil, p.fail(t, "nothing to find stands after this: leave it out, or write what to find")
	}
	return nil, p.fail(t, "this parenthesis closes nothing")
}

func (p *parser) group(open token) (node, *Error) {
	if p.depth++; p.depth > MaxDepth {
		p.exceeded = true
		return nil, p.fail(open, fmt.Sprintf("parentheses stand more than %d deep: write the query flatter", MaxDepth))
	}
	n, err := p.expr()
	if err != nil {
		return nil, err
	}
	switch t := p.peek(); {
	case t.kind == closeToken:
		p.i++
	case p.mend == nil:
		return nil, p.fail(open, "this parenthesis is not closed")
	}
	p.depth--
	return n, nil
}

// term compiles a word or a phrase.
func (p *parser) term(tok token) (node, *Error) {
	if p.terms++; p.terms > MaxTerms {
		p.exceeded = true
		return nil, p.fail(tok, fmt.Sprintf("the query has more than %d words and phrases: split it into several watchlists", MaxTerms))
	}
	t, err := newTerm(tok.text, tok.kind == phraseToken)
	if err != nil {
		return nil, p.fail(tok, err.Error())
	}
	return t, nil
}

// newTerm compiles text as the query writes it. A star makes the word before it
// a prefix; to the folding it is a space.
func newTerm(text string, quoted bool) (*term, error) {
	f := fold(strings.ReplaceAll(text, "*", " "))
	if len(f.units) == 0 {
		return nil, errors.New("there is no letter or digit to find here")
	}
	t := &term{text: text, quoted: quoted}
	units := f.units
	for form := range strings.SplitSeq(f.text[1:len(f.text)-1], string(rune(edge))) {
		if form == string(rune(gap)) {
			t.words = append(t.words, word{form: form})
			continue
		}
		upTo := len(text)
		if len(units) > 1 {
			upTo = units[1].start
		}
		star := strings.Contains(text[units[0].end:max(units[0].end, upTo)], "*")
		t.words = append(t.words, word{form, star || units[0].class == hangul})
		units = units[1:]
	}
	t.head = head(t.words)
	return t, nil
}

// head is what all places where words stand have in common.
func head(words []word) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(edge)
		}
		b.WriteString(w.form)
		if w.prefix {
			return b.String()
		}
	}
	b.WriteByte(edge)
	return b.String()
}
