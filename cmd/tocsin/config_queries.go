package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"tocsin"
	"tocsin/pipeline"
	"tocsin/pipeline/watchlist"
)

// A writtenQuery is a watchlist of the file and where it stands.
type writtenQuery struct {
	tocsin.Watchlist
	parsed   *watchlist.Query
	query    ast.Node              // nil if there is none
	examples map[string][]ast.Node // by key
}

// A writtenList is a list of the file and where it stands.
type writtenList struct {
	tocsin.List
	at      ast.Node
	entries []ast.Node // nil if they stand in a file
}

func (r *reader) watchlist(name string, at, n ast.Node) {
	w := writtenQuery{Watchlist: tocsin.Watchlist{Name: name}}
	given := r.mapping(n, fmt.Sprintf("watchlist %q", name), r.watchlistKeys(&w))
	if given["query"] == nil && shape(n) == aMapping {
		r.fault(at, "watchlist %q needs a query", name)
	}
	r.c.Watchlists = append(r.c.Watchlists, w.Watchlist)
	r.queries = append(r.queries, w)
}

// watchlistKeys are the keys of a watchlist.
func (r *reader) watchlistKeys(w *writtenQuery) keys {
	w.examples = map[string][]ast.Node{}
	return keys{
		"query":          func(n ast.Node, what string) { r.query(w, n, what) },
		"stem":           r.flag(&w.Stem),
		"must_match":     r.examples(w, &w.MustMatch),
		"must_not_match": r.examples(w, &w.MustNotMatch),
	}
}

func (r *reader) query(w *writtenQuery, n ast.Node, what string) {
	w.query = n
	if shape(n) != aNumber && !r.is(n, fmt.Sprintf("watchlist %q: %s", w.Name, what), aText) {
		return
	}
	w.Query, _ = scalar(n)
	var err error
	if w.parsed, err = watchlist.Parse(w.Query); err != nil {
		r.queryFault(w, err)
		return
	}
	for _, note := range w.parsed.Notes() {
		at := r.placeIn(n, note.Pos)
		r.allowed = append(r.allowed, Fault{at.line, at.column, fmt.Sprintf("watchlist %q: query: %s", w.Name, note.Msg)})
	}
}

// queryFault tells of an error of a query where it stands in the file, if that
// can be told.
func (r *reader) queryFault(w *writtenQuery, err error) {
	at, text := placeOf(w.query), err.Error()
	if e, ok := errors.AsType[*watchlist.Error](err); ok {
		if found, ok := r.within(w.query, e.Pos); ok {
			at, text = found, withoutPlace(err)
		}
	}
	r.faults = append(r.faults, Fault{at.line, at.column, fmt.Sprintf("watchlist %q: query: %s", w.Name, text)})
}

// placeIn is where byte i of the text that n holds stands, or else where the text
// begins.
func (r *reader) placeIn(n ast.Node, i int) place {
	if at, ok := r.within(n, i); ok {
		return at
	}
	return placeOf(n)
}

// examples reads a list of statements: text, or {title, text, lang}.
func (r *reader) examples(w *writtenQuery, into *[]tocsin.Example) take {
	return func(n ast.Node, key string) {
		r.list(func(n ast.Node, what string) {
			e, ok := r.example(n, what)
			if ok {
				*into = append(*into, e)
				w.examples[key] = append(w.examples[key], n)
			}
		})(n, key)
	}
}

func (r *reader) example(n ast.Node, what string) (e tocsin.Example, ok bool) {
	if shape(n) == aText || shape(n) == aNumber {
		e.Text, _ = scalar(n)
		return e, r.says(n, e, what)
	}
	if shape(n) != aMapping {
		if shape(n) != aPuzzle {
			r.fault(n, "%s must be text, or {title: …, text: …, lang: …}", what)
		}
		return e, false
	}
	r.mapping(n, what, keys{"title": r.prose(&e.Title), "text": r.prose(&e.Text), "lang": r.text(&e.Lang, isLang)})
	return e, r.says(n, e, what)
}

func (r *reader) says(n ast.Node, e tocsin.Example, what string) bool {
	if strings.TrimSpace(e.Title+e.Text) == "" {
		r.fault(n, "%s says nothing: write the text of a statement", what)
		return false
	}
	return true
}

// prose reads text of any number of lines.
func (r *reader) prose(into *string) take {
	return func(n ast.Node, what string) {
		if shape(n) == aNumber || r.is(n, what, aText) {
			*into, _ = scalar(n)
		}
	}
}

// terminology reads a list: terms, or the file that has them.
func (r *reader) terminology(name string, at, n ast.Node) {
	l, before := writtenList{List: tocsin.List{Name: name}, at: at}, len(r.faults)
	switch shape(n) {
	case aList:
		r.list(func(n ast.Node, what string) {
			if e, ok := r.term(n, what); ok {
				l.Entries = append(l.Entries, e)
				l.entries = append(l.entries, n)
			}
		})(n, fmt.Sprintf("list %q", name))
	case aMapping:
		r.mapping(n, fmt.Sprintf("list %q", name), keys{"file": func(n ast.Node, what string) { r.termFile(&l, n, what) }})
	case aPuzzle:
	default:
		r.fault(n, "list %q must be a list of terms, or {file: PATH}", name)
	}
	if len(l.Entries) == 0 && len(r.faults) == before {
		r.fault(at, "list %q has no term", name)
	}
	r.listless = r.listless || len(r.faults) > before
	r.c.Lists = append(r.c.Lists, l.List)
	r.terms[name] = l
}

func (r *reader) term(n ast.Node, what string) (e tocsin.Entry, ok bool) {
	switch shape(n) {
	case aMapping:
		given := r.mapping(n, what, keys{"term": r.text(&e.Term), "lang": r.text(&e.Lang, isLang), "name": r.text(&e.Name)})
		if given["term"] == nil {
			r.fault(n, "%s needs a term", what)
		}
	case aText, aNumber:
		r.text(&e.Term)(n, what)
	case aPuzzle:
	default:
		r.fault(n, "%s must be a term, or {term: …, lang: …, name: …}", what)
	}
	e.Term = termOf(e.Term)
	return e, e.Term != ""
}

func (r *reader) termFile(l *writtenList, n ast.Node, what string) {
	var path string
	if r.path(&path)(n, what); path == "" {
		return
	}
	text, err := r.ReadFile(path)
	if err != nil {
		r.fault(n, "list %q: %s cannot be read: %s", l.Name, what, cause(err))
		return
	}
	entries, err := parseListFile(filepath.Base(path), text)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			r.fault(n, "list %q: %s", l.Name, strings.TrimSpace(line))
		}
		return
	}
	l.Entries = entries
}

// checkQueries finds what is wrong with queries in their lists, and with lists,
// and holds watchlists against their examples.
func (r *reader) checkQueries() {
	lists := watchlist.NewLists()
	named := func(w writtenQuery) bool { return w.parsed != nil && len(w.parsed.Lists()) > 0 }
	if r.listless {
		return // what they would be told of is there already
	}
	if len(r.terms) > 0 || slices.ContainsFunc(r.queries, named) {
		var ok bool
		if lists, ok = r.lists(); !ok {
			return
		}
	}
	for _, w := range r.queries {
		if w.parsed == nil {
			continue
		}
		rule, err := w.parsed.Resolve(lists, w.Stem)
		if err != nil {
			r.queryFault(&w, err)
			continue
		}
		if r.Untried {
			continue
		}
		r.checkExamples(w, rule)
		r.c.examples += len(w.MustMatch) + len(w.MustNotMatch)
	}
	if r.builtin && len(r.terms) > 0 && !r.Untried {
		r.checkBuiltin()
	}
}

// lists are those of the file, and what else queries and lists name. If they name
// one that is not there, all are, so that it can be told what is meant.
func (r *reader) lists() (*watchlist.Lists, bool) {
	all := slices.Concat(r.c.Lists, absent(r.Loader.Lists, r.c.Lists, listName))
	var named []string
	for _, l := range r.c.Lists {
		named = append(named, l.Name)
	}
	for _, w := range r.queries {
		if w.parsed != nil {
			named = append(named, w.parsed.Lists()...)
		}
	}
	named = reachable(named, all)
	if needed := slices.DeleteFunc(slices.Clone(all), func(l tocsin.List) bool { return !slices.Contains(named, l.Name) }); len(needed) == len(named) {
		all = needed
	}
	before := len(r.faults)
	var out []*watchlist.List
	for _, l := range all {
		made, err := watchlist.NewList(l)
		if err != nil {
			r.listFault(l.Name, err)
			continue
		}
		out = append(out, made)
	}
	if len(r.faults) > before {
		return nil, false
	}
	lists := watchlist.NewLists(out...)
	if len(r.terms) > 0 {
		if err := lists.Check(); err != nil {
			r.listFault("", err)
			return nil, false
		}
	}
	return lists, true
}

func (r *reader) listFault(name string, err error) {
	e, ok := errors.AsType[*watchlist.ListError](err)
	if !ok {
		r.fault(r.terms[name].at, "list %q: %v", name, err)
		return
	}
	l, text := r.terms[e.List], withoutPlace(e.Err)
	switch {
	case e.Entry > 0 && e.Entry <= len(l.entries):
		r.fault(l.entries[e.Entry-1], "list %q: %s", e.List, text)
	case l.at != nil:
		r.fault(l.at, "list %q: %s", e.List, text)
	default:
		r.faults = append(r.faults, Fault{Text: fmt.Sprintf("built-in list %q: %s", e.List, text)})
	}
}

// checkExamples tells of each example that a watchlist does not do what it must
// with.
func (r *reader) checkExamples(w writtenQuery, rule *watchlist.Rule) {
	failed, ok := errors.AsType[*pipeline.ExamplesError](pipeline.Examples(rule, w.Watchlist))
	if !ok {
		return
	}
	for _, f := range failed.Failed {
		at := placeOf(w.examples[f.Key][f.N-1])
		fault := Fault{at.line, at.column, fmt.Sprintf("watchlist %q: %s: example %d fails: %s", w.Name, f.Key, f.N, f.Why)}
		if r.Force {
			r.allowed = append(r.allowed, fault)
		} else {
			r.faults = append(r.faults, fault)
		}
	}
}

// checkBuiltin notes where lists of the file take from built-in watchlists what
// they find.
func (r *reader) checkBuiltin() {
	all := slices.Concat(r.c.Lists, absent(r.Loader.Lists, r.c.Lists, listName))
	for _, w := range absent(r.Loader.Watchlists, r.c.Watchlists, func(w tocsin.Watchlist) string { return w.Name }) {
		q, err := watchlist.Parse(w.Query)
		if err != nil || !r.replaces(reachable(q.Lists(), all)) {
			continue
		}
		lists, err := madeLists(all)
		if err != nil {
			return
		}
		rule, err := q.Resolve(lists, w.Stem)
		if err == nil {
			err = pipeline.Examples(rule, w)
		}
		if err != nil {
			r.allowed = append(r.allowed, Fault{Text: fmt.Sprintf("with the lists of this file the built-in watchlist %q does not do what it did: %v", w.Name, err)})
		}
	}
}

// replaces reports whether the file has one of lists.
func (r *reader) replaces(lists []string) bool {
	return slices.ContainsFunc(lists, func(name string) bool { return r.terms[name].at != nil })
}

func listName(l tocsin.List) string { return l.Name }

// reachable are the names of lists and of those that they name, and so on, each
// once.
func reachable(names []string, known []tocsin.List) []string {
	slices.Sort(names)
	out := slices.Compact(names)
	for i := 0; i < len(out); i++ {
		at := slices.IndexFunc(known, func(l tocsin.List) bool { return l.Name == out[i] })
		if at < 0 {
			continue
		}
		for _, e := range known[at].Entries {
			name, ok := strings.CutPrefix(e.Term, "@")
			name, _, _ = strings.Cut(name, ".")
			if ok && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}
