package watchlist

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"tocsin/pipeline/watchlist/words"
)

// maxLinted bounds the terms of one OR that are held against each other.
const maxLinted = 2000

// Lint tells what in a query is allowed and probably not meant: parts that can
// never make a difference, parts that find too much, and NOT where it silently
// leaves out whole statements. It includes the query's Notes. Lists may be nil.
func (q *Query) Lint(lists *Lists) []Warning {
	l := linter{query: q.source, lists: lists, out: slices.Concat(q.notes, q.hints)}
	l.node(q.root)
	l.wide(q.root)
	slices.SortStableFunc(l.out, func(a, b Warning) int { return cmp.Compare(a.Pos, b.Pos) })
	return slices.Compact(l.out)
}

type linter struct {
	query string
	lists *Lists
	out   []Warning
}

func (l *linter) warn(n *Node, format string, args ...any) {
	l.out = append(l.out, warning(l.query, n.Pos, fmt.Sprintf(format, args...)))
}

func (l *linter) node(n *Node) {
	switch n.Op {
	case Or:
		l.either(n.Kids)
	case And:
		l.twice(n.Kids)
	case Not:
		l.not(n)
	case Any:
		if n.N == 1 {
			l.warn(n, "ANY/1 is OR: write OR")
		}
		if n.N == len(n.Kids) {
			l.warn(n, "ANY/%d of %d parts is AND: write AND", n.N, n.N)
		}
	case AtLeast:
		if n.N == 1 {
			l.warn(n, "ATLEAST/1 changes nothing: leave it out")
		}
	case NotNear:
		if n.Kids[0].String() == n.Kids[1].String() {
			l.warn(n, "this can never hold: %s is always near itself", clip(n.Kids[0].String(), 60))
		}
	case Term:
		l.term(n)
	}
	for _, k := range n.Kids {
		l.node(k)
	}
}

// twice finds parts that stand twice in a row of AND.
func (l *linter) twice(kids []*Node) {
	seen := map[string]bool{}
	for _, k := range kids {
		s := k.String()
		if seen[s] {
			l.warn(k, "%s stands here twice: leave out one", clip(s, 60))
		}
		seen[s] = true
	}
}

// either finds alternatives that another one, or a list among them, finds already.
func (l *linter) either(kids []*Node) {
	l.twice(kids)
	kids = kids[:min(len(kids), maxLinted)]
	patterns := make([][]words.Pattern, len(kids))
	for i, k := range kids {
		if k.Op == Term && k.Mark != "~" {
			patterns[i], _ = words.Patterns(k.Text, words.How{Exact: k.Mark == "=", Raw: k.Mark == "=="})
		}
	}
	for i, k := range kids {
		if patterns[i] == nil {
			continue
		}
		for j, other := range kids {
			if i != j && patterns[j] != nil && k.String() != other.String() && covers(patterns[j], patterns[i]) {
				l.warn(k, "%s finds all that %s does: leave out the second", other, k)
				break
			}
		}
		for _, other := range kids {
			if other.Op == ListRef && l.held(other, patterns[i]) {
				l.warn(k, "%s holds %s already: leave it out", other, k)
				break
			}
		}
	}
}

// held reports whether a list has a term that finds all that patterns do.
func (l *linter) held(list *Node, patterns []words.Pattern) bool {
	if l.lists == nil || l.lists.byName[list.Text] == nil {
		return false
	}
	for _, e := range l.lists.byName[list.Text].entries {
		if e.node.Op != Term || e.node.Mark != "" || e.lang != "" && latin(e.node.Text) {
			continue
		}
		if ps, err := words.Patterns(e.node.Text, words.How{}); err == nil && covers(ps, patterns) {
			return true
		}
	}
	return false
}

// covers reports whether wherever words are what b says, some of them are what a
// says.
func covers(a, b []words.Pattern) bool {
	for from := 0; from+len(a) <= len(b); from++ {
		covered := true
		for i, p := range a {
			covered = covered && coversWord(p, b[from+i])
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

// not finds what NOT makes impossible, and what it leaves out unseen.
func (l *linter) not(n *Node) {
	for _, never := range n.Kids[1:] {
		if l.excludes(n.Kids[0], never) {
			l.warn(never, "NOT %s leaves out everything that is to be found: this can never hold", clip(never.String(), 60))
			continue
		}
		if never.places() && never.Op != ScopeOf {
			l.warn(never, "NOT leaves out every statement that has %s anywhere, also one that you want: NOT NEAR/10 beside the words it confuses is safer", clip(never.String(), 60))
		}
	}
}

// excludes reports whether never holds wherever must does.
func (l *linter) excludes(must, never *Node) bool {
	if must.String() == never.String() {
		return true
	}
	switch {
	case never.Op == Or:
		return slices.ContainsFunc(never.Kids, func(k *Node) bool { return l.excludes(must, k) })
	case must.Op == And:
		return slices.ContainsFunc(must.Kids, func(k *Node) bool { return l.excludes(k, never) })
	case must.Op == Or:
		return !slices.ContainsFunc(must.Kids, func(k *Node) bool { return !l.excludes(k, never) })
	case must.Op == Term && never.Op == Term && must.Mark == "" && never.Mark == "":
		a, _ := words.Patterns(never.Text, words.How{})
		b, _ := words.Patterns(must.Text, words.How{})
		return len(a) > 0 && covers(a, b)
	}
	return false
}

// term finds words that find too much.
func (l *linter) term(n *Node) {
	ps, err := words.Patterns(n.Text, words.How{})
	if err != nil {
		return
	}
	if len(ps) == 1 && ps[0].Kind == words.Prefix && ps[0].Class == words.Spaced && utf8.RuneCountInString(ps[0].Form) <= 3 {
		l.warn(n, "%s stands for very many words: write more letters before the star", n)
	}
	if len(ps) > 1 && !strings.ContainsAny(n.Text, " *?") && !slices.ContainsFunc(ps, func(p words.Pattern) bool { return !words.Function(p.Form) }) {
		l.warn(n, "%s is read as the words %s, which stand in nearly every text", n, formsOf(ps))
	}
}

func formsOf(ps []words.Pattern) string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = p.Form
	}
	return strings.Join(out, " ")
}

// wide finds alternatives of the whole query that are one very common word.
func (l *linter) wide(n *Node) {
	switch n.Op {
	case Or:
		for _, k := range n.Kids {
			l.wide(k)
		}
	case Not, ScopeOf:
		l.wide(n.Kids[0])
	case Term:
		if ps, err := words.Patterns(n.Text, words.How{}); n.Mark != "==" && err == nil && len(ps) == 1 && ps[0].Kind == words.Exact && words.Function(ps[0].Form) {
			l.warn(n, "%s alone finds nearly every statement", n)
		}
	case Value:
		l.warn(n, "%s alone finds every statement of which it is so: join it by AND to what they should say", n)
	}
}
