package watchlist

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tocsin/pipeline/watchlist/words"
)

// Parse parses a query. Its error is an *Error.
func Parse(query string) (*Query, error) {
	if len(query) > MaxBytes {
		return nil, locate(query, &Error{Msg: fmt.Sprintf("the query has %d bytes, and at most %d are allowed: split it into several watchlists, or put its words in a list", len(query), MaxBytes)})
	}
	if !utf8.ValidString(query) {
		pos := strings.IndexFunc(query, func(r rune) bool { return r == utf8.RuneError })
		return nil, locate(query, &Error{Pos: pos, Msg: "the query is not UTF-8 here: save it in that encoding"})
	}
	l := lex(query, hashRefused)
	p := parser{toks: l.toks, loose: l.loose, weight: 1}
	root, err := p.query()
	if err == nil {
		notes, hints := l.warnings()
		return &Query{source: query, root: root, notes: notes, hints: hints}, nil
	}
	if !p.exceeded {
		switch ways := offers(l); len(ways) {
		case 0:
		case 1:
			err.Fix = ways[0]
		default:
			err.Readings = ways
		}
	}
	return nil, locate(query, err)
}

// warnings are the lexer's notes in the order of their places: those that may be
// a misunderstanding, and those that only say that more is found than elsewhere.
func (l *lexer) warnings() (notes, hints []Warning) {
	if l.lexis {
		l.notes = slices.DeleteFunc(l.notes, func(n note) bool { return n.msg == withinNote })
		if l.starry > 0 {
			l.note(l.starry-1, lexisStar)
		}
		inflects := func(t token) bool { return t.words() && t.mark == "" && !t.value && !strings.ContainsAny(t.text, "*?") }
		if i := slices.IndexFunc(l.toks, inflects); i >= 0 {
			l.note(l.toks[i].pos, pluralNote)
		}
	}
	slices.SortStableFunc(l.notes, func(a, b note) int { return cmp.Compare(a.pos, b.pos) })
	for _, n := range l.notes {
		switch n.msg {
		case factivaNote, meltwaterNote, lexisStar:
			hints = append(hints, warning(l.query, n.pos, n.msg))
		default:
			notes = append(notes, warning(l.query, n.pos, n.msg))
		}
	}
	return notes, hints
}

func locate(query string, err *Error) *Error {
	err.Line, err.Column = lineOf(query, err.Pos)
	return err
}

func lineOf(query string, pos int) (line, column int) {
	before := query[:min(pos, len(query))]
	return 1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
}

// A parser makes a tree of tokens. It stops at the first thing that is refused,
// unless it mends.
type parser struct {
	toks      []token
	i         int
	depth     int
	weight    int // how often what is parsed now will stand in the canonical form
	terms     int
	wildcards int
	regexes   int
	loose     bool // there are operators as Lexis writes them
	level     level
	mend      *mending // nil: refuse
	met       doubts   // of one that mends
	exceeded  bool     // a limit, which no rewrite mends
}

// A level is what stands between the parentheses that are open.
type level struct {
	first          token // operator of AND, OR and NOT
	or, not, loose bool
	join           token // the first one that is loose
}

// placeholder stands in a rewrite for what the query does not say.
const placeholder = "words to find"

func (p *parser) query() (*Node, *Error) {
	if p.peek().kind == eof {
		return nil, p.fail(p.peek(), "the query is empty: write the words to find")
	}
	n, err := p.expr()
	if err != nil {
		return nil, err
	}
	switch t := p.peek(); t.kind {
	case eof:
	case commaToken:
		return nil, p.fail(t, strayComma)
	default:
		return nil, p.fail(t, "this parenthesis closes nothing")
	}
	if !excludesOnly(n) {
		return n, nil
	}
	if p.mend == nil {
		return nil, p.fail(p.toks[0], "a query of nothing but NOT would find nearly everything: say what to find before what to leave out")
	}
	return both([]*Node{{Op: Term, Text: placeholder, Quoted: true}, n}), nil
}

const strayComma = "a comma joins nothing here: it stands between the parts of ANY/n(a, b); write OR, or AND"

// excludesOnly reports whether n says only what to leave out.
func excludesOnly(n *Node) bool { return n.Op == Not && n.Kids[0] == nil }

// peek is the next token. A parenthesis that closes nothing is mended by passing
// over it.
func (p *parser) peek() token {
	for p.mend != nil && p.depth == 0 && p.toks[p.i].kind == closeToken {
		p.i++
	}
	return p.toks[p.i]
}

func (p *parser) fail(t token, msg string) *Error { return &Error{Pos: t.pos, Msg: msg} }

func (p *parser) exceed(t token, msg string) *Error {
	p.exceeded = true
	return p.fail(t, msg)
}

// expr parses operands and the operators between them. AND binds closer than OR
// unless a mending says otherwise; where none does, they do not meet.
func (p *parser) expr() (*Node, *Error) {
	outside := p.level
	p.level = level{}
	defer func() { p.level = outside }()
	switch {
	case p.mend != nil && p.mend.order == orFirst:
		return p.ands(func() (*Node, *Error) { return p.ors(p.operand) })
	case p.mend != nil && p.mend.order == orClosest:
		return p.ands(p.operand)
	}
	return p.ors(func() (*Node, *Error) { return p.ands(p.operand) })
}

func (p *parser) ands(next func() (*Node, *Error)) (*Node, *Error) {
	n, err := next()
	if err != nil {
		return nil, err
	}
	for nodes := []*Node{n}; ; nodes = append(nodes, n) {
		op, err := p.operator(false)
		switch {
		case err != nil || op.kind == eof:
			return both(nodes), err
		case op.kind == notToken:
			n, err = p.excluded(op, next)
		default:
			n, err = next()
		}
		if err != nil {
			return nil, err
		}
	}
}

// excluded parses what stands after NOT, and in Lexis all that AND joins to it.
func (p *parser) excluded(not token, next func() (*Node, *Error)) (*Node, *Error) {
	if not.sign {
		return p.signed(not)
	}
	n, err := next()
	for nodes := []*Node{n}; ; nodes = append(nodes, n) {
		if err != nil {
			return nil, err
		}
		if p.mend == nil || !p.mend.notLast || p.peek().kind != andToken {
			return p.not(both(nodes), not)
		}
		p.i++
		n, err = next()
	}
}

// signed parses what stands after - or !, and what is beside that.
func (p *parser) signed(not token) (*Node, *Error) {
	n, err := p.proximity()
	if err == nil {
		n, err = p.not(n, not)
	}
	if err != nil || p.mend == nil || !p.peek().begins() {
		return n, err
	}
	rest, err := p.operand()
	if err != nil {
		return nil, err
	}
	return both([]*Node{n, rest}), nil
}

func (p *parser) ors(next func() (*Node, *Error)) (*Node, *Error) {
	at := p.peek()
	n, err := next()
	if err != nil {
		return nil, err
	}
	for nodes := []*Node{n}; ; nodes = append(nodes, n) {
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

// operator takes the next operator if it is OR, or if it is AND or NOT, as asked.
// The kind is eof if there is none.
func (p *parser) operator(or bool) (token, *Error) {
	t := p.peek()
	switch {
	case t.fault != "" && (p.mend == nil || t.kind == stuckToken):
		return t, p.fail(t, t.fault)
	case t.kind == eof, t.kind == closeToken, t.kind == commaToken:
		return token{}, nil
	case p.mend != nil && (t.begins() || t.kind == joinToken):
		return token{}, nil
	case t.begins():
		return t, p.fail(t, "nothing joins this to what stands before it: quote words to find them as a phrase, or write AND or OR")
	case t.kind == joinToken:
		return t, p.fail(t, operator(t.op, t.n)+" has nothing to join on its left")
	}
	if err := p.meet(t); err != nil {
		return t, err
	}
	if (t.kind == orToken) != or {
		return token{}, nil
	}
	p.i++
	next := p.peek()
	if p.mend != nil && (next.kind == eof || next.kind == closeToken || next.kind == commaToken) {
		return token{}, nil // it joins nothing
	}
	return t, nil
}

// meet remembers an operator of this level, and refuses what two readers could
// read differently.
func (p *parser) meet(t token) *Error {
	l := &p.level
	switch {
	case t.kind == joinToken:
		if l.loose = l.loose || t.loose; t.loose && l.join.kind == eof {
			l.join = t
		}
	case l.first.kind == eof:
		l.first = t
	case (l.first.kind == orToken) != (t.kind == orToken):
		if p.met |= mixedOperators; p.mend == nil {
			return p.fail(t, l.first.kind.String()+" and "+t.kind.String()+" are mixed and nothing says which comes first: set parentheses")
		}
	case t.kind == andToken && l.not && p.loose:
		if p.met |= notBeforeAnd; p.mend == nil {
			return p.fail(t, "what stands after NOT ends here, but in Lexis, where this seems to come from, it includes all that AND joins to it: set parentheses")
		}
	}
	l.or, l.not = l.or || t.kind == orToken, l.not || t.kind == notToken
	if l.or && l.loose {
		if p.met |= looseProximity; p.mend == nil {
			return p.fail(t, "OR stands beside "+operator(l.join.op, l.join.n)+", which Lexis reads after OR and others before it: set parentheses")
		}
	}
	return nil
}

// both makes one node of nodes that all have to hold.
func both(nodes []*Node) *Node {
	var must, never []*Node
	for _, n := range nodes {
		if n.Op == Not {
			if n.Kids[0] != nil {
				must = append(must, conjuncts(n.Kids[0])...)
			}
			never = append(never, n.Kids[1:]...)
		} else {
			must = append(must, conjuncts(n)...)
		}
	}
	var n *Node
	switch len(must) {
	case 0:
	case 1:
		n = must[0]
	default:
		n = &Node{Op: And, Pos: must[0].Pos, Kids: must}
	}
	if len(never) == 0 {
		return n
	}
	pos := never[0].Pos
	if n != nil {
		pos = n.Pos
	}
	return &Node{Op: Not, Pos: pos, Kids: append([]*Node{n}, never...)}
}

func conjuncts(n *Node) []*Node {
	if n.Op == And {
		return n.Kids
	}
	return []*Node{n}
}

// alternatives is one node of nodes of which one has to hold.
func alternatives(nodes []*Node) *Node {
	var sides []*Node
	for _, n := range nodes {
		if n.Op == Or {
			sides = append(sides, n.Kids...)
		} else {
			sides = append(sides, n)
		}
	}
	if len(sides) == 1 {
		return sides[0]
	}
	return &Node{Op: Or, Pos: sides[0].Pos, Kids: sides}
}

// either makes one node of nodes of which one has to hold. What a mended query
// excludes on one side of OR is excluded from all.
func (p *parser) either(nodes []*Node, at token) (*Node, *Error) {
	if len(nodes) == 1 {
		return nodes[0], nil
	}
	var sides, never []*Node
	for _, n := range nodes {
		switch {
		case excludesOnly(n) && p.mend == nil:
			return nil, p.fail(at, "one side of OR is nothing but NOT, which would find nearly everything: say there too what to find")
		case excludesOnly(n):
			never = append(never, n)
		default:
			sides = append(sides, n)
		}
	}
	if len(sides) == 0 {
		return both(never), nil
	}
	return both(append([]*Node{alternatives(sides)}, never...)), nil
}

func (p *parser) not(n *Node, at token) (*Node, *Error) {
	if excludesOnly(n) {
		return nil, p.fail(at, "NOT of nothing but NOT: leave both out")
	}
	return &Node{Op: Not, Pos: at.pos, Kids: []*Node{nil, n}}, nil
}

// operand parses a proximity or one part, and the NOT before it.
func (p *parser) operand() (*Node, *Error) {
	var not token
	for {
		t := p.peek()
		switch {
		case t.fault != "" && p.mend == nil:
			return nil, p.fail(t, t.fault)
		case t.kind == notToken && not.kind == notToken:
			return nil, p.fail(t, "NOT stands twice: leave out one, or both")
		case t.kind == notToken && t.sign:
			p.i++
			return p.signed(t)
		case t.kind == notToken:
			not = t
			p.level.not = true
		case p.mend != nil && (t.kind == andToken || t.kind == orToken): // it joins nothing
		default:
			n, err := p.beside()
			if err == nil && not.kind == notToken {
				n, err = p.not(n, not)
			}
			return n, err
		}
		p.i++
	}
}

// beside parses a proximity, and where a query is mended all that stand side by
// side.
func (p *parser) beside() (*Node, *Error) {
	var nodes []*Node
	for {
		n, err := p.proximity()
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
		switch {
		case p.mend != nil && p.peek().begins():
			p.met |= sideBySide
		case p.mend != nil && p.mend.side == anyOf:
			return p.either(nodes, p.peek())
		default:
			return both(nodes), nil
		}
	}
}

// A joined is one operator of a row of proximities, and what follows it.
type joined struct {
	t token
	n *Node
}

// proximity parses one part, or parts with NEAR/n and its like between.
func (p *parser) proximity() (*Node, *Error) {
	n, err := p.side()
	if err != nil {
		return nil, err
	}
	var row []joined
	for p.peek().kind == joinToken {
		t := p.peek()
		if t.fault != "" && p.mend == nil {
			return nil, p.fail(t, t.fault)
		}
		if err := p.meet(t); err != nil {
			return nil, err
		}
		if len(row) > 0 && p.mend == nil && differ(row[0].t, t) {
			return nil, p.fail(t, operator(row[0].t.op, row[0].t.n)+" and "+operator(t.op, t.n)+" follow one another and nothing says which comes first: set parentheses")
		}
		p.i++
		k, err := p.side()
		if err != nil {
			return nil, err
		}
		if t.adjacent && len(row) == 0 && n.Op == Term && k.Op == Term {
			if n, err = p.pair(t, n, k); err != nil {
				return nil, err
			}
			continue
		}
		row = append(row, joined{t, k})
	}
	return p.fold(n, row)
}

// side parses one side of a proximity. In Lexis it is all that OR joins.
func (p *parser) side() (*Node, *Error) {
	if p.mend != nil && p.mend.order == orClosest {
		return p.ors(p.primary)
	}
	return p.primary()
}

// differ reports whether it matters which of two proximities in a row comes first.
func differ(a, b token) bool { return a.op != b.op || a.n != b.n || b.op == NotNear }

// fold joins n and a row that follows it, from the left.
func (p *parser) fold(n *Node, row []joined) (*Node, *Error) {
	if slices.ContainsFunc(row[min(1, len(row)):], func(j joined) bool { return differ(row[0].t, j.t) }) {
		p.met |= mixedProximities
	}
	var err *Error
	if p.mend != nil && p.mend.lastFirst && p.met&mixedProximities != 0 {
		for i := len(row) - 1; i > 0; i-- {
			if row[i-1].n, err = p.pair(row[i].t, row[i-1].n, row[i].n); err != nil {
				return nil, err
			}
		}
		row = row[:min(1, len(row))]
	}
	for _, j := range row {
		if n, err = p.pair(j.t, n, j.n); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// pair joins two sides of a proximity. Words that adj joins are a phrase.
func (p *parser) pair(t token, a, b *Node) (*Node, *Error) {
	if t.adjacent && a.Op == Term && b.Op == Term && a.Mark == b.Mark {
		return &Node{Op: Term, Pos: a.Pos, Text: a.Text + " " + b.Text, Quoted: true, Mark: a.Mark}, nil
	}
	for _, k := range []*Node{a, b} {
		if k.places() {
			continue
		}
		if p.mend == nil {
			return nil, &Error{Pos: k.Pos, Msg: what(k) + " cannot stand beside " + operator(t.op, t.n) + ", which needs words on both sides"}
		}
		n, ok := p.distribute(t, a, b)
		if !ok {
			return nil, p.fail(t, "this has no rewrite")
		}
		return n, nil
	}
	return &Node{Op: t.op, N: t.n, Pos: a.Pos, Kids: []*Node{a, b}}, nil
}

// what names what in n keeps it from being places.
func what(n *Node) string {
	switch n.Op {
	case Value:
		return n.Field + ":"
	case Or, ScopeOf:
		for _, k := range n.Kids {
			if !k.places() {
				return what(k)
			}
		}
	case AtLeast:
		return "ATLEAST/n"
	case Any:
		return "ANY/n"
	case Not:
		return "NOT"
	}
	return "AND"
}

// places reports whether n stands for places.
func (n *Node) places() bool {
	if n.Op == Or || n.Op == ScopeOf {
		return !slices.ContainsFunc(n.Kids, func(k *Node) bool { return !k.places() })
	}
	return n.Op.places()
}

func (p *parser) primary() (*Node, *Error) {
	t := p.peek()
	if t.fault != "" && (p.mend == nil || t.kind == stuckToken) {
		return nil, p.fail(t, t.fault)
	}
	p.i++
	switch t.kind {
	case wordToken, phraseToken:
		return p.term(t)
	case regexToken:
		if p.regexes += p.weight; p.regexes > MaxRegexes {
			return nil, p.exceed(t, fmt.Sprintf("the query has more than %d regular expressions: write words instead", MaxRegexes))
		}
		return &Node{Op: Regex, Pos: t.pos, Text: t.text}, p.counted(t)
	case listToken:
		return &Node{Op: ListRef, Pos: t.pos, Text: t.text, Lang: t.lang}, p.counted(t)
	case fieldToken:
		return p.field(t)
	case funcToken:
		return p.function(t)
	case openToken:
		return p.group(t)
	case joinToken:
		if p.mend != nil && t.text != "" {
			return &Node{Op: Term, Pos: t.pos, Text: t.text, Quoted: true}, p.counted(t)
		}
	}
	p.i--
	return nil, p.nothing(t)
}

// nothing says that there is no operand where t stands.
func (p *parser) nothing(t token) *Error {
	switch t.kind {
	case andToken, orToken:
		return p.fail(t, t.kind.String()+" has nothing to join on its left: leave it out, or quote it to find the word")
	case joinToken:
		return p.fail(t, operator(t.op, t.n)+" has nothing to join on its left: leave it out, or quote it to find the word")
	case notToken:
		return p.fail(t, "NOT cannot stand here: write NOT NEAR/n, or NOT before what the whole statement must not have")
	case commaToken:
		return p.fail(t, "nothing to find stands before this comma")
	}
	if p.i > 0 && p.toks[p.i-1].kind != closeToken {
		return p.fail(p.toks[p.i-1], "nothing to find stands after this: leave it out, or write what to find")
	}
	return p.fail(t, "this parenthesis closes nothing")
}

func (p *parser) deeper(t token) *Error {
	if p.depth++; p.depth > MaxDepth {
		return p.exceed(t, fmt.Sprintf("parentheses stand more than %d deep: write the query flatter", MaxDepth))
	}
	return nil
}

func (p *parser) group(open token) (*Node, *Error) {
	if err := p.deeper(open); err != nil {
		return nil, err
	}
	n, err := p.expr()
	if err != nil {
		return nil, err
	}
	return n, p.closed(open)
}

// closed takes the parenthesis that closes open.
func (p *parser) closed(open token) *Error {
	switch t := p.peek(); {
	case t.kind == closeToken:
		p.i++
	case t.kind == commaToken && p.mend == nil:
		return p.fail(t, strayComma)
	case p.mend == nil:
		return p.fail(open, "this parenthesis is not closed")
	}
	p.depth--
	return nil
}

// inside parses what a field or a function applies to: a group, or one part that
// counts as one.
func (p *parser) inside(f token) (*Node, *Error) {
	if p.peek().kind == openToken {
		return p.primary()
	}
	if err := p.deeper(f); err != nil {
		return nil, err
	}
	n, err := p.primary()
	p.depth--
	return n, err
}

// arguments are the parts of ANY/n(a, b, c).
func (p *parser) arguments(f token) ([]*Node, *Error) {
	open := p.peek()
	if open.kind != openToken {
		return nil, p.fail(f, "a list of parts in parentheses must follow: ANY/2(sanction, export, transfer)")
	}
	p.i++
	if err := p.deeper(open); err != nil {
		return nil, err
	}
	var out []*Node
	for {
		n, err := p.expr()
		if err != nil {
			return nil, err
		}
		if excludesOnly(n) {
			return nil, p.fail(f, "one of its parts is nothing but NOT, which would hold nearly always: say there what to find")
		}
		out = append(out, n)
		if p.peek().kind != commaToken {
			return out, p.closed(open)
		}
		p.i++
	}
}

// function parses what follows ATLEAST/n, ANY/n, FIRST/n and nN.
func (p *parser) function(f token) (*Node, *Error) {
	if f.op == Any || f.op == Near || f.op == Before {
		return p.several(f)
	}
	n, err := p.inside(f)
	switch {
	case err != nil:
		return nil, err
	case excludesOnly(n):
		return nil, p.fail(f, "there is nothing in it but NOT: say what to find")
	case f.op != AtLeast || n.places():
		return &Node{Op: f.op, N: f.n, Pos: f.pos, Kids: []*Node{n}}, nil
	case p.mend == nil:
		return nil, &Error{Pos: n.Pos, Msg: what(n) + " cannot be counted by ATLEAST/n, which needs words, phrases and OR: for parts of which some must be there, write ANY/n(a, b)"}
	}
	n, ok := p.within(n, func(k *Node) *Node { return &Node{Op: AtLeast, N: f.n, Kids: []*Node{k}} }, func(v *Node) *Node { return v })
	if !ok {
		return nil, p.fail(f, "this has no rewrite")
	}
	return n, nil
}

func (p *parser) several(f token) (*Node, *Error) {
	kids, err := p.arguments(f)
	if err != nil {
		return nil, err
	}
	if f.op == Any {
		if f.n > len(kids) {
			return nil, p.fail(f, fmt.Sprintf("ANY/%d has only %d parts: it could never hold", f.n, len(kids)))
		}
		return &Node{Op: Any, N: f.n, Pos: f.pos, Kids: kids}, nil
	}
	n := kids[0]
	for _, k := range kids[1:] {
		if n, err = p.pair(f, n, k); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// titleOrLead is what a field is that others have for both.
const titleOrLead = "title|lead"

// field parses what stands after the name of a field.
func (p *parser) field(f token) (*Node, *Error) {
	switch t := p.peek(); {
	case t.fault != "" && p.mend == nil:
		return nil, p.fail(t, t.fault)
	case !t.begins():
		return nil, p.fail(f, strings.ReplaceAll(f.text, "|", ": or ")+": must stand before a word, a phrase or a group")
	}
	if f.text == titleOrLead {
		p.weight *= 2
		defer func() { p.weight /= 2 }()
		if err := p.deeper(f); err != nil {
			return nil, err
		}
		defer func() { p.depth-- }()
	}
	n, err := p.inside(f)
	switch {
	case err != nil:
		return nil, err
	case excludesOnly(n):
		return nil, p.fail(f, "there is nothing in it but NOT: say what to find")
	case f.text == "raw":
		return p.exactly(n, f)
	case values[f.text]:
		return p.value(n, f.text)
	case f.text == titleOrLead:
		return inTitleOrLead(n, f.pos), nil
	}
	return &Node{Op: ScopeOf, Pos: f.pos, Field: f.text, Kids: []*Node{n}}, nil
}

// inTitleOrLead looks for each part of n in the title and in the lead: one part
// may stand in the one and another in the other.
func inTitleOrLead(n *Node, pos int) *Node {
	if n.places() {
		in := func(field string) *Node { return &Node{Op: ScopeOf, Pos: pos, Field: field, Kids: []*Node{n}} }
		return alternatives([]*Node{in("title"), in("lead")})
	}
	if n.Op == Value {
		return n
	}
	kids := make([]*Node, len(n.Kids))
	for i, k := range n.Kids {
		kids[i] = inTitleOrLead(k, pos)
	}
	if n.Op == Or {
		return alternatives(kids)
	}
	out := *n
	out.Kids = kids
	return &out
}

// exactly marks words as to be found in this form and these capitals, or as
// another function of Lexis has it.
func (p *parser) exactly(n *Node, f token) (*Node, *Error) {
	switch n.Op {
	case Term:
		return p.capitals(n, f.mark)
	case Value, Regex, ListRef, ScopeOf, AtLeast, Any:
		return nil, &Error{Pos: n.Pos, Msg: "only words and phrases can be taken with their capitals: write == before each"}
	}
	for i, k := range n.Kids {
		k, err := p.exactly(k, f)
		if err != nil {
			return nil, err
		}
		n.Kids[i] = k
	}
	if n.Op == Or {
		return alternatives(n.Kids), nil
	}
	return n, nil
}

func (p *parser) capitals(n *Node, how string) (*Node, *Error) {
	n.Mark = "=="
	switch how {
	case "allcaps":
		n.Text = strings.ToUpper(n.Text)
	case "nocaps":
		n.Text = strings.ToLower(n.Text)
	case "singular":
		n.Mark = "="
	case "plural":
		if n.Mark = ""; longEnough(n.Text + "*") {
			n.Text = strings.TrimRight(n.Text, "*") + "*"
		}
	case "caps":
		other := *n
		r, size := utf8.DecodeRuneInString(n.Text)
		n.Text, other.Text = strings.ToUpper(string(r))+n.Text[size:], strings.ToUpper(n.Text)
		if n.Text != other.Text {
			return alternatives([]*Node{n, &other}), nil
		}
	}
	return p.wild(n)
}

// value makes values of the words after the name of a field that holds one.
func (p *parser) value(n *Node, field string) (*Node, *Error) {
	switch n.Op {
	case Term:
		text, fault := checkValue(field, n.Text)
		switch {
		case n.Mark != "":
			fault = n.Mark + " says how words are found, and " + field + ": has a value: leave it out"
		case text == "" && fault == "":
			fault = field + ": has no value here"
		}
		if fault != "" && (p.mend == nil || text == "") {
			return nil, &Error{Pos: n.Pos, Msg: fault}
		}
		return &Node{Op: Value, Pos: n.Pos, Field: field, Text: text, Quoted: n.Quoted}, nil
	case Or:
		kids := make([]*Node, len(n.Kids))
		for i, k := range n.Kids {
			v, err := p.value(k, field)
			if err != nil {
				return nil, err
			}
			kids[i] = v
		}
		return alternatives(kids), nil
	}
	return nil, &Error{Pos: n.Pos, Msg: field + ": has one value: write " + field + ":a, or " + field + ":(a OR b), with NOT before it to leave it out"}
}

// counted counts a word, phrase, regular expression or list.
func (p *parser) counted(t token) *Error {
	if p.terms += p.weight; p.terms > MaxTerms {
		return p.exceed(t, fmt.Sprintf("the query has more than %d words and phrases: split it into several watchlists, or put words in a list", MaxTerms))
	}
	return nil
}

func (p *parser) term(t token) (*Node, *Error) {
	if err := p.counted(t); err != nil {
		return nil, err
	}
	n := &Node{Op: Term, Pos: t.pos, Text: t.text, Quoted: t.kind == phraseToken, Mark: t.mark}
	if t.value {
		return n, nil
	}
	if _, err := words.Patterns(n.Text, words.How{}); err != nil {
		return nil, p.fail(t, err.Error())
	}
	if strings.ContainsAny(n.Text, "*?") {
		if p.wildcards += p.weight; p.wildcards > MaxWildcards {
			return nil, p.exceed(t, fmt.Sprintf("the query has more than %d words with wildcards: put them in a list", MaxWildcards))
		}
	}
	return p.wild(n)
}

// wild refuses wildcards in a word that is to be taken as it stands.
func (p *parser) wild(n *Node) (*Node, *Error) {
	if n.Mark == "" || !strings.ContainsAny(n.Text, "*?") {
		return n, nil
	}
	if p.mend != nil {
		n.Mark = ""
		return n, nil
	}
	return nil, &Error{Pos: n.Pos, Msg: n.Mark + " takes a word as it stands, and a wildcard does not: leave out one of the two"}
}

// number reads a number of a function within bounds.
func number(s string, least, most int) (n int, fault string) {
	n, err := strconv.Atoi(s)
	switch {
	case err != nil || n > most: // s is digits, so it is out of range
		return most, fmt.Sprintf("%d is the most there is", most)
	case n < least:
		return least, fmt.Sprintf("%d is the least there is", least)
	}
	return n, ""
}
