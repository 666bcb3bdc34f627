package watchlist

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tocsin/pipeline/watchlist/words"
)

// The limits of Lint.
const (
	maxWarnings = 100
	maxCompared = 2_000_000 // parts of a query that are held against each other
)

// Lint tells what in a query is allowed and probably not meant: parts that can
// never make a difference, parts that find too much, and NOT where it silently
// leaves out whole statements. It includes the query's Notes. Lists may be nil.
func (q *Query) Lint(lists *Lists) []Warning {
	l := &linter{q: q, lists: lists, left: maxCompared, patterns: map[*Node][]words.Pattern{}}
	l.canonical = q.String()
	l.node(q.root, "")
	l.wide(q.root)
	out := slices.Concat(q.notes, q.hints, l.out)
	slices.SortStableFunc(out, func(a, b Warning) int { return cmp.Compare(a.Pos, b.Pos) })
	return slices.CompactFunc(out, func(a, b Warning) bool { return a.Pos == b.Pos && a.Msg == b.Msg })
}

type linter struct {
	q         *Query
	canonical string
	lists     *Lists
	left      int // how many parts may still be held against each other
	patterns  map[*Node][]words.Pattern
	out       []Warning
}

// warn adds a warning about n, and how to write the query with another part in
// its place; nil leaves it out.
func (l *linter) warn(n, other *Node, format string, args ...any) {
	if len(l.out) == maxWarnings {
		return
	}
	for i, a := range args {
		if part, ok := a.(*Node); ok {
			args[i] = clip(part.String(), 60)
		}
	}
	w := warning(l.q.source, n.Pos, fmt.Sprintf(format, args...))
	if n != other && len(l.canonical) <= maxRewritten {
		if root := exchanged(l.q.root, n, other); root != nil {
			if s := root.String(); s != l.canonical && accepted(s) {
				w.Fix = s
			}
		}
	}
	l.out = append(l.out, w)
}

// exchanged is root with another part in place of one, or nil if nothing is left.
func exchanged(root, part, other *Node) *Node {
	if root == part {
		return other
	}
	if len(root.Kids) == 0 {
		return root
	}
	var kids []*Node
	for _, k := range root.Kids {
		if k = exchanged(k, part, other); k != nil {
			kids = append(kids, k)
		}
	}
	out := *root
	switch out.Kids = kids; {
	case root.Op == Or && len(kids) > 0:
		return alternatives(kids)
	case root.Op == And && len(kids) > 0:
		return both(kids)
	case root.Op == Not && len(kids) == 1:
		return kids[0]
	case root.Op == Not && len(kids) > 1:
		return both([]*Node{&out})
	case len(kids) < len(root.Kids):
		return nil
	}
	return &out
}

// node looks at n and all in it; in is the field it stands in.
func (l *linter) node(n *Node, in string) {
	switch n.Op {
	case Or:
		l.either(n.Kids)
	case And:
		l.all(n.Kids)
	case Not:
		l.not(n)
	case Any:
		l.any(n)
	case AtLeast:
		if n.N == 1 {
			l.warn(n, n.Kids[0], "ATLEAST/1 changes nothing: leave it out")
		}
	case NotNear:
		if l.overlaps(n.Kids[0], n.Kids[1]) {
			l.warn(n, n, "this can never hold: wherever %s stands, there is %s", n.Kids[0], n.Kids[1])
		}
	case Value:
		if in != "" {
			l.warn(n, n, "%s changes nothing for %s, which is about the whole statement", in, n)
		}
	case ScopeOf:
		if in = n.Field + ":"; n.Field == "" {
			in = fmt.Sprintf("FIRST/%d", n.N)
		}
	case Term:
		l.term(n)
	}
	for _, k := range n.Kids {
		l.node(k, in)
	}
}

func (l *linter) any(n *Node) {
	switch n.N {
	case 1:
		l.warn(n, alternatives(n.Kids), "ANY/1 is OR: write OR")
	case len(n.Kids):
		l.warn(n, both(n.Kids), "ANY/%d of %d parts is AND: write AND", n.N, n.N)
	}
}

// once are kids without those that stand there a second time.
func (l *linter) once(kids []*Node) []*Node {
	seen := map[string]bool{}
	var out []*Node
	for _, k := range kids {
		said := k.String()
		if k.Op == Term {
			said = k.Mark + " " + k.Text // whether it is quoted or not
		}
		if seen[said] {
			l.warn(k, nil, "%s stands here twice: leave out one", k)
			continue
		}
		seen[said] = true
		out = append(out, k)
	}
	return out
}

// either finds alternatives that another one, or a list among them, finds already.
func (l *linter) either(kids []*Node) {
	kids = l.once(kids)
	for i, k := range kids {
		for j, other := range kids {
			if i == j || !l.implies(k, other) || i < j && l.implies(other, k) {
				continue
			}
			if other.Op == ListRef {
				l.warn(k, nil, "%s holds %s already: leave it out", other, k)
			} else {
				l.warn(k, nil, "%s finds all that %s does: leave out the second", other, k)
			}
			break
		}
	}
}

// all finds parts of AND that are there wherever another one is.
func (l *linter) all(kids []*Node) {
	kids = l.once(kids)
	for j, other := range kids {
		for i, k := range kids {
			if i != j && l.implies(k, other) && (i < j || !l.implies(other, k)) {
				l.warn(other, nil, "wherever %s is, there is %s too: leave out the second", k, other)
				break
			}
		}
	}
}

// not finds what NOT makes impossible, and what it leaves out unseen.
func (l *linter) not(n *Node) {
	for _, never := range n.Kids[1:] {
		switch {
		case l.implies(n.Kids[0], never):
			l.warn(never, never, "NOT %s leaves out everything that is to be found: this can never hold", never)
		case never.places() && !scoped(never):
			l.warn(never, never, "NOT leaves out every statement that has %s anywhere, also one that you want: NOT NEAR/%d beside the words it confuses is safer", never, localNear)
			l.offer(exchanged(l.q.root, n, locally(n)))
		}
	}
}

// scoped reports whether n looks in named fields only.
func scoped(n *Node) bool {
	return n.Op == ScopeOf || n.Op == Or && !slices.ContainsFunc(n.Kids, func(k *Node) bool { return !scoped(k) })
}

// offer says with the last warning how to write the query.
func (l *linter) offer(root *Node) {
	if len(l.out) == 0 || len(l.canonical) > maxRewritten || root == nil {
		return
	}
	if s := root.String(); s != l.canonical && accepted(s) {
		l.out[len(l.out)-1].Fix = s
	}
}

// read are what the words of a term have to be.
func (l *linter) read(n *Node) []words.Pattern {
	ps, ok := l.patterns[n]
	if !ok {
		ps, _ = words.Patterns(n.Text, words.How{Exact: n.Mark == "=", Raw: n.Mark == "=="})
		l.patterns[n] = ps
	}
	return ps
}

// same reports whether two parts say the same.
func same(a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Op == b.Op && a.N == b.N && a.Text == b.Text && a.Mark == b.Mark && a.Field == b.Field && a.Lang == b.Lang && slices.EqualFunc(a.Kids, b.Kids, same)
}

// implies reports whether b surely holds wherever a does.
func (l *linter) implies(a, b *Node) bool {
	if l.left--; l.left < 0 || a == nil || b == nil {
		return false
	}
	holds := func(k *Node) bool { return l.implies(a, k) }
	switch {
	case same(a, b):
		return true
	case a.Op == Or:
		return !slices.ContainsFunc(a.Kids, func(k *Node) bool { return !l.implies(k, b) })
	case b.Op == And:
		return !slices.ContainsFunc(b.Kids, func(k *Node) bool { return !holds(k) })
	case b.Op == Or && slices.ContainsFunc(b.Kids, holds):
		return true
	case b.Op == ScopeOf && b.Field == "all" && a.Op != ScopeOf && a.places():
		return l.implies(a, b.Kids[0])
	}
	switch a.Op {
	case And:
		return slices.ContainsFunc(a.Kids, func(k *Node) bool { return l.implies(k, b) })
	case Not, NotNear, AtLeast:
		return l.implies(a.Kids[0], b)
	case Near, Before, SameSentence, SameParagraph:
		return l.closer(a, b) || l.implies(a.Kids[0], b) || l.implies(a.Kids[1], b)
	case ScopeOf:
		return l.inside(a, b)
	case Term:
		return l.covered(a, b)
	}
	return false
}

// closer reports whether b is the same proximity as a, or a wider one.
func (l *linter) closer(a, b *Node) bool {
	if len(b.Kids) != 2 || !same(a.Kids[0], b.Kids[0]) || !same(a.Kids[1], b.Kids[1]) {
		return false
	}
	switch {
	case a.Op == b.Op:
		return a.N <= b.N
	case a.Op == Before:
		return b.Op == Near && a.N <= b.N
	}
	return a.Op == SameSentence && b.Op == SameParagraph
}

// inside reports whether b holds wherever a, which stands in a field, does.
func (l *linter) inside(a, b *Node) bool {
	switch {
	case b.Op == ScopeOf && a.Field == b.Field && a.N == b.N:
		return l.implies(a.Kids[0], b.Kids[0])
	case denies(a) || denies(b):
		return false // what is not in the field may be elsewhere
	case b.Op == ScopeOf && (a.Field == b.Field && a.N <= b.N || a.Field == "lead" && b.Field == "text"):
		return l.implies(a.Kids[0], b.Kids[0])
	case a.Field == "" || a.Field == "title" || a.Field == "lead" || a.Field == "text":
		return b.Op != ScopeOf && l.implies(a.Kids[0], b)
	}
	return false
}

// denies reports whether n holds where something is not.
func denies(n *Node) bool {
	return n != nil && (n.Op == Not || n.Op == NotNear || slices.ContainsFunc(n.Kids, denies))
}

// covered reports whether b surely stands where the term a does.
func (l *linter) covered(a, b *Node) bool {
	switch {
	case a.Mark == "~":
		return false
	case b.Op == Term:
		return covers(l.read(b), l.read(a))
	case b.Op != ListRef || l.lists == nil || l.lists.byName[b.Text] == nil:
		return false
	}
	for _, e := range l.lists.byName[b.Text].entries {
		if l.left--; l.left < 0 {
			return false
		}
		if e.node.Op == Term && (e.lang == "" || !latin(e.node.Text)) && (b.Lang == "" || e.lang == "" || e.lang == b.Lang) && covers(l.read(e.node), l.read(a)) {
			return true
		}
	}
	return false
}

// overlaps reports whether b stands at every place of a.
func (l *linter) overlaps(a, b *Node) bool {
	switch a.Op {
	case Term, ListRef, Regex:
		return l.implies(a, b)
	case Or:
		return !slices.ContainsFunc(a.Kids, func(k *Node) bool { return !l.overlaps(k, b) })
	}
	return same(a, b)
}

// covers reports whether wherever words are what b says, some of them are what a
// says.
func covers(a, b []words.Pattern) bool {
	if len(a) == 0 {
		return false
	}
	for from := 0; from+len(a) <= len(b); from++ {
		covered := true
		for i, p := range a {
			if covered = coversWord(p, b[from+i]) && (i == 0 || p.Broken || !b[from+i].Broken); !covered {
				break
			}
		}
		if covered {
			return true
		}
	}
	return false
}

func coversWord(a, b words.Pattern) bool {
	if a.Raw != "" && a.Raw != b.Raw || a.Plain && !b.Plain || a.Class != b.Class {
		return false
	}
	switch a.Kind {
	case words.Exact:
		return b.Kind == words.Exact && (a.Form == b.Form || a.Class == words.Hangul && !a.Plain && strings.HasPrefix(b.Form, a.Form))
	case words.Prefix:
		return (b.Kind == words.Exact || b.Kind == words.Prefix) && strings.HasPrefix(b.Form, a.Form)
	case words.Glob:
		return b.Kind == words.Exact && words.Globbed(a.Form, b.Form) || b.Kind == words.Glob && a.Form == b.Form
	}
	return false
}

// term finds words that find too much, or never what is meant.
func (l *linter) term(n *Node) {
	ps := l.read(n)
	if len(ps) == 0 {
		return
	}
	one := ps[0]
	switch {
	case len(ps) == 1 && one.Kind == words.Prefix && one.Class == words.Spaced && utf8.RuneCountInString(one.Form) <= 3:
		l.warn(n, n, "%s stands for very many words: write more letters before the star", n)
	case len(ps) > 1 && !strings.ContainsAny(n.Text, " *?") && !slices.ContainsFunc(ps, func(p words.Pattern) bool { return !words.Function(p.Form) }):
		l.warn(n, n, "%s is read as the words %s, which stand in nearly every text", n, formsOf(ps))
	case len(ps) == 1 && n.Mark == "" && (words.Function(one.Form) || one.Form == "us") && capitals(n.Text) && utf8.RuneCountInString(n.Text) > 1:
		exact := *n
		exact.Mark = "=="
		l.warn(n, &exact, "%s also finds the word %s: == before it finds it in these capitals only", n, one.Form)
	case strings.ContainsAny(n.Text, "*?") && !slices.ContainsFunc(ps, func(p words.Pattern) bool { return p.Kind != words.Exact }):
		plain := *n
		plain.Text = strings.NewReplacer("*", "", "?", "").Replace(n.Text)
		l.warn(n, &plain, "the wildcard in %s changes nothing: letters that are written without spaces are found within words", n)
	case n.Mark == "~" && !inflects(n.Text):
		plain := *n
		plain.Mark = ""
		l.warn(n, &plain, "~ changes nothing here: there is no language with this script whose inflected forms are known")
	}
	if i := slices.IndexFunc(ps, func(p words.Pattern) bool { return mixed(p.Form) }); i >= 0 {
		l.warn(n, n, "%s has letters of two alphabets in one word, and some of them only look right: type it anew", n)
	}
}

// inflects reports whether there is a language that knows inflected forms of a word
// of text.
func inflects(text string) bool {
	return slices.ContainsFunc(words.Stemmers(), func(lang string) bool {
		ps, _ := words.Patterns(text, words.How{Stem: lang})
		return slices.ContainsFunc(ps, func(p words.Pattern) bool { return p.Kind == words.Stemmed })
	})
}

// mixed reports whether form has letters of Latin, Cyrillic and Greek side by side.
func mixed(form string) bool {
	n := 0
	for _, alphabet := range []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek} {
		if strings.ContainsFunc(form, func(r rune) bool { return unicode.Is(alphabet, r) }) {
			n++
		}
	}
	return n > 1
}

func formsOf(ps []words.Pattern) string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = p.Form
	}
	return strings.Join(out, " ")
}

// wide finds alternatives of the whole query that are one very common word, a
// number, or nothing about what is said.
func (l *linter) wide(n *Node) {
	switch n.Op {
	case Or:
		for _, k := range n.Kids {
			l.wide(k)
		}
	case Not, ScopeOf:
		l.wide(n.Kids[0])
	case Term:
		ps := l.read(n)
		switch {
		case len(ps) != 1 || ps[0].Kind != words.Exact || n.Mark == "==":
		case words.Function(ps[0].Form):
			l.warn(n, n, "%s alone finds nearly every statement", n)
		case len(ps[0].Form) <= 4 && strings.Trim(ps[0].Form, "0123456789") == "":
			l.warn(n, n, "the number %s alone finds years, prices and dates: write words beside it", n)
		}
	case Value:
		l.warn(n, n, "%s alone finds every statement of which it is so: join it by AND to what they should say", n)
	}
}
