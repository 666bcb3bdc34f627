package watchlist

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"tocsin/pipeline/watchlist/words"
)

// A Rule is a query ready to be held against documents. It does not change and
// may be shared by goroutines.
type Rule struct {
	Root  *Expr
	query *Node // what Root was made of: the same tree, but for ScopeOf, which Root has not, and words and lists, which may be an Or there
}

// String is the rule's query in canonical form.
func (r *Rule) String() string { return r.query.String() }

// Lists are the lists that queries may name. What they stand for is worked out
// once and shared by the rules that name them. They may be shared by goroutines.
type Lists struct {
	byName map[string]*List

	mu   sync.Mutex
	made map[listKey]*Expr
}

type listKey struct {
	name, lang string
	scope      Scope
}

// NewLists are the lists that queries may name.
func NewLists(lists ...*List) *Lists {
	ls := &Lists{byName: map[string]*List{}, made: map[listKey]*Expr{}}
	for _, l := range lists {
		ls.byName[l.Name] = l
	}
	return ls
}

// Check reports the first list that names one that is not there, or itself. Its
// error is a *ListError.
func (ls *Lists) Check() error {
	for _, name := range slices.Sorted(maps.Keys(ls.byName)) {
		q := &Query{root: &Node{Op: ListRef, Text: name}}
		if _, err := q.Resolve(ls, false); err != nil {
			return &ListError{List: name, Err: err}
		}
	}
	return nil
}

// Resolve makes a rule of a query: it puts the terms of lists in the place of
// their names, and scopes and stems with the terms they apply to. With stem,
// words and phrases without a wildcard or a mark find their inflected forms, as
// if ~ stood before them; those of lists do only where the list says so. Its
// error is an *Error.
//
// A term of a list that is written in Latin letters and labelled with a language
// is looked for in documents of that language and of unknown language, any other
// in all. @name.ru takes the terms labelled ru and those without a label. A
// label on a list in a list does the same to it.
func (q *Query) Resolve(lists *Lists, stem bool) (*Rule, error) {
	if lists == nil {
		lists = NewLists()
	}
	lists.mu.Lock()
	defer lists.mu.Unlock()
	r := &resolver{lists: lists, stem: stem}
	root, err := r.expr(q.root, Scope{})
	if err != nil {
		return nil, locate(q.source, err)
	}
	return &Rule{Root: root, query: q.root}, nil
}

// A resolver resolves one query.
type resolver struct {
	lists *Lists
	stem  bool
	path  []string // the lists that are being resolved, outermost first
	lang  string   // of the list entry that is being resolved
}

func (r *resolver) expr(n *Node, in Scope) (*Expr, *Error) {
	switch n.Op {
	case Term:
		return r.term(n, in)
	case Regex:
		re, after, err := compileRegex(n.Text)
		if err != nil {
			return nil, &Error{Pos: n.Pos, Msg: err.Error()}
		}
		return &Expr{Op: Regex, Text: n.String(), Re: re, after: after, Scope: scopeOr(in)}, nil
	case Value:
		return &Expr{Op: Value, Text: n.Field + ":" + n.Text, Field: n.Field, Glob: words.Fold(n.Text)}, nil
	case ListRef:
		e, err := r.list(n, in)
		if err == nil && len(e.Kids) == 0 {
			err = &Error{Pos: n.Pos, Msg: fmt.Sprintf("list %s has no term", n)}
		}
		return e, err
	case ScopeOf:
		scope, err := narrow(in, n)
		if err != nil {
			return nil, err
		}
		return r.expr(n.Kids[0], scope)
	}
	e := &Expr{Op: n.Op, N: n.N, Kids: make([]*Expr, len(n.Kids))}
	for i, k := range n.Kids {
		kid, err := r.expr(k, in)
		if err != nil {
			return nil, err
		}
		e.Kids[i] = kid
	}
	return e, nil
}

// scopeOr is a scope with the fields that a query looks in when it names none.
func scopeOr(s Scope) Scope {
	if s.In == 0 {
		s.In = InDefault
	}
	return s
}

// scopes are the fields by the names that queries write.
var scopes = map[string]Fields{
	"title": InTitle, "lead": InLead, "text": InText, "all": InAll, "url": InURL, "author": InAuthor, "tag": InTag,
}

// narrow is a scope with that of a ScopeOf inside it.
func narrow(s Scope, n *Node) (Scope, *Error) {
	if n.Field == "" {
		if s.First == 0 || n.N < s.First {
			s.First = n.N
		}
		return s, nil
	}
	in := scopes[n.Field]
	if s.In != 0 {
		both := s.In & in
		if s.In&InText != 0 && in == InLead || in&InText != 0 && s.In == InLead {
			both |= InLead // the lead is part of the text
		}
		if in = both; in == 0 {
			return s, &Error{Pos: n.Pos, Msg: n.Field + ": stands inside another field here, and no word is in both: take one of them away"}
		}
	}
	s.In = in
	return s, nil
}

// maxPhrase is how many words a term may have. Each letter of Chinese and the
// like is one.
const maxPhrase = 200

// term is what finds a word or a phrase, and their inflected forms if they are
// asked for: an Or, the word as it is written first.
func (r *resolver) term(n *Node, in Scope) (*Expr, *Error) {
	lang := ""
	if latin(n.Text) {
		lang = r.lang
	}
	plain, err := r.one(n, "", lang, in)
	if err != nil || n.Mark != "~" && !(r.stem && n.Mark == "" && len(r.path) == 0) || strings.ContainsAny(n.Text, "*?＊？") {
		return plain, err
	}
	either := &Expr{Op: Or, Kids: []*Expr{plain}}
	for _, s := range words.Stemmers() {
		if r.lang != "" && s != r.lang {
			continue
		}
		e, err := r.one(n, s, s, in)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(e.Words, func(p words.Pattern) bool { return p.Kind == words.Stemmed }) {
			either.Kids = append(either.Kids, e)
		}
	}
	if len(either.Kids) == 1 {
		return plain, nil
	}
	return either, nil
}

// one is a term with the words of a language stemmed, or none.
func (r *resolver) one(n *Node, stem, lang string, in Scope) (*Expr, *Error) {
	ps, err := words.Patterns(n.Text, words.How{Exact: n.Mark == "=", Raw: n.Mark == "==", Stem: stem})
	switch {
	case err != nil:
		return nil, &Error{Pos: n.Pos, Msg: err.Error()}
	case len(ps) > maxPhrase:
		return nil, &Error{Pos: n.Pos, Msg: fmt.Sprintf("this phrase has %d words, and at most %d are allowed: look for a part of it", len(ps), maxPhrase)}
	}
	return &Expr{Op: Term, Text: n.Mark + n.Text, Words: ps, Scope: scopeOr(in), Lang: lang}, nil
}

// list is an Or of a list's terms, in scope.
func (r *resolver) list(n *Node, in Scope) (*Expr, *Error) {
	l := r.lists.byName[n.Text]
	switch at := slices.Index(r.path, n.Text); {
	case l == nil:
		return nil, r.unknown(n)
	case at >= 0:
		return nil, &Error{Pos: n.Pos, Msg: "a list cannot be part of itself: @" + strings.Join(append(r.path[at:len(r.path):len(r.path)], n.Text), " -> @")}
	case len(r.path) == MaxDepth:
		return nil, &Error{Pos: n.Pos, Msg: fmt.Sprintf("lists stand in lists more than %d deep: name them in the query", MaxDepth)}
	}
	key := listKey{n.Text, n.Lang, in}
	if e := r.lists.made[key]; e != nil {
		return e, nil
	}
	e := &Expr{Op: Or, Text: n.String(), List: n.Text}
	outer := r.lang
	r.path = append(r.path, n.Text)
	defer func() { r.path, r.lang = r.path[:len(r.path)-1], outer }()
	for i, entry := range l.entries {
		if n.Lang != "" && entry.lang != "" && entry.lang != n.Lang {
			continue
		}
		if err := r.entry(e, n, entry, in); err != nil {
			return nil, &Error{Pos: n.Pos, Msg: fmt.Sprintf("list @%s, entry %d: %s", n.Text, i+1, err.Msg)}
		}
		if len(e.Kids) > MaxEntries {
			return nil, &Error{Pos: n.Pos, Msg: fmt.Sprintf("list @%s has more than %d terms with those of the lists in it: divide it", n.Text, MaxEntries)}
		}
	}
	e.Kids = slices.Clip(e.Kids)
	r.lists.made[key] = e
	return e, nil
}

// entry adds the terms of an entry to those of the list that n names.
func (r *resolver) entry(e *Expr, n *Node, entry listed, in Scope) *Error {
	r.lang = entry.lang
	inner := entry.node
	if inner.Op == ListRef && inner.Lang == "" {
		inner = inner.with()
		if inner.Lang = n.Lang; n.Lang == "" {
			inner.Lang = entry.lang
		}
	}
	of := r.expr
	if inner.Op == ListRef {
		of = r.list // which may have no term in this language
	}
	kid, err := of(inner, in)
	if err != nil {
		return err
	}
	terms := []*Expr{kid}
	if kid.Op == Or {
		terms = kid.Kids
	}
	for _, t := range terms {
		if t.List == "" {
			t.List = e.List
		}
	}
	e.Kids = append(e.Kids, terms...)
	return nil
}

// unknown says that there is no list of the name of n, and which may be meant.
func (r *resolver) unknown(n *Node) *Error {
	msg := "there is no list @" + n.Text
	if near := nearest(n.Text, maps.Keys(r.lists.byName)); near != "" {
		msg += ": did you mean @" + near + "?"
	} else if len(r.lists.byName) > 0 {
		msg += "; there are @" + strings.Join(slices.Sorted(maps.Keys(r.lists.byName)), " @")
	}
	return &Error{Pos: n.Pos, Msg: clip(msg, 400)}
}
