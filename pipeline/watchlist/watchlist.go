// Package watchlist is the watchlist language: it parses a query, brings it into
// canonical form, resolves the lists that it names, and finds the places in a
// statement that satisfy it. Its matcher is the reference: plain, without index
// or state, and what package engine is checked against. It does no I/O and knows
// no clock.
//
// # Grammar
//
//	query     = part { ("AND" | "OR" | "NOT" | "AND NOT") part }
//	part      = operand { proximity operand }
//	proximity = "NEAR/" n | "BEFORE/" n | "SAME/S" | "SAME/P" | "NOT NEAR/" n
//	operand   = term | regex | list | field ":" operand | "(" query ")"
//	          | "ATLEAST/" n operand | "FIRST/" n operand | "ANY/" n "(" query { "," query } ")"
//	term      = [ "=" | "==" | "~" ] ( word | phrase )
//	phrase    = quote text quote        quote is one of " “ ” „ ‟ « » ‹ › 「 」 『 』 ＂
//	word      = text without spaces, quotes and parentheses
//	regex     = "/" RE2 "/"             a slash in it is written \/
//	list      = "@" name [ "." language ]
//	field     = "title" | "lead" | "text" | "all" | "url" | "author" | "tag"
//	          | "source" | "host" | "country" | "lang" | "kind"
//
// # to the end of a line, and anything between <<< and >>>, is a comment.
//
// What binds closest: parentheses, fields, words and phrases, proximity, NOT;
// last AND and OR, which never stand beside each other without parentheses. OR
// and NOT do not either, nor do two different proximities. Whatever two readers
// could read differently is refused with an [Error] that shows the readings; so
// are two operands side by side, and a query, or a side of OR, of nothing but
// NOT. Operators may be written in any case, and in the spellings of Factiva,
// Lexis, Meltwater, Brandwatch and Lucene, which canonical form does away with.
//
// # Meaning
//
//   - * in a word stands for any letters and ? for one. Three letters, or one of
//     Han, kana or Hangul, must stand beside them.
//   - =word is this form alone, without what Korean and Arabic attach to words;
//     ==Word also its capitals and accents; ~word also its inflected forms.
//   - a NEAR/5 b: at most five words between, in any order, in one field. a
//     BEFORE/5 b: in this order. SAME/S and SAME/P: in one sentence, in one
//     paragraph. a NOT NEAR/5 b: a where no b is so near, or overlaps it.
//   - ATLEAST/3(a): at three places. ANY/2(a, b, c): two of the parts. FIRST/60(a):
//     among the first sixty words of its field.
//   - Without a field a term is looked for in title and text. lead: is the first
//     paragraph of the text and at least sixty words; all: adds what stands
//     around the text on its page. url:, author: and tag: are searched for
//     words. source:, host:, country:, lang: and kind: are compared whole; host:
//     also finds the hosts below it, and lang:unknown what is in no known
//     language.
//   - The terms of a list stand in its place, joined by OR. One in Latin letters
//     that has a language is not looked for in texts known to be in another.
//     @list.ru is those of one language and those of none.
//
// How text becomes words, and words are counted, is told by package words; what
// proximity finds, by [Expr].
//
// # Promises
//
// A span lies on rune boundaries of the original field and runs from the first
// matched word's first byte to the last matched word's last; of a word that
// matched by a part the whole word is covered. Spans of one term do not overlap.
// [Query], [Rule], [List] and [Lists] do not change and may be shared.
package watchlist

import (
	"fmt"
	"slices"
	"strings"
)

// The limits of a query. What is more is refused.
const (
	MaxBytes     = 256 << 10
	MaxTerms     = 5000 // words, phrases, regular expressions and names of lists
	MaxDepth     = 20   // parentheses in parentheses
	MaxWildcards = 200  // words and phrases with wildcards
	MaxRegexes   = 20
	MaxNear      = 50 // the n of NEAR/n and BEFORE/n
	MaxFirst     = 5000
	MaxAtLeast   = 1000
)

// A Query is a parsed watchlist query.
type Query struct {
	source string
	root   *Node
	notes  []Warning
	hints  []Warning // what Lint says besides
}

// Root is the query as a tree, which is not to be changed.
func (q *Query) Root() *Node { return q.root }

// String is the query in canonical form, on one line: operators in capitals,
// straight quotes, no needless parentheses, what NOT excludes last, no comments.
// It parses to an equal query.
func (q *Query) String() string { return q.root.String() }

// Lists are the names of the lists that the query names, each once, in order.
func (q *Query) Lists() []string {
	var out []string
	var walk func(n *Node)
	walk = func(n *Node) {
		if n.Op == ListRef && !slices.Contains(out, n.Text) {
			out = append(out, n.Text)
		}
		for _, k := range n.Kids {
			walk(k)
		}
	}
	walk(q.root)
	return out
}

// Notes are what the writer of the query should know of how it was understood.
func (q *Query) Notes() []Warning { return q.notes }

// A Warning is something about a query that is allowed and probably not meant.
type Warning struct {
	Pos          int // byte offset into the query
	Line, Column int // from 1; the column in runes
	Msg          string
	Fix          string // the whole query rewritten, or "" if there is no one rewrite
}

func (w Warning) String() string {
	s := fmt.Sprintf("query line %d, column %d: %s", w.Line, w.Column, w.Msg)
	if w.Fix != "" {
		s += "; write: " + w.Fix
	}
	return s
}

func warning(query string, pos int, msg string) Warning {
	w := Warning{Pos: pos, Msg: msg}
	w.Line, w.Column = lineOf(query, pos)
	return w
}

// An Error says why and where a query is refused, and how to write it instead.
type Error struct {
	Pos      int      // byte offset into the query
	Line     int      // from 1
	Column   int      // in runes, from 1
	Msg      string   // what is wrong
	Fix      string   // the whole query rewritten, or "" if there is no one rewrite
	Readings []string // what the query could mean, each the whole query rewritten; empty if it has Fix
}

func (e *Error) Error() string {
	s := fmt.Sprintf("query line %d, column %d: %s", e.Line, e.Column, e.Msg)
	switch {
	case e.Fix != "":
		s += "; write: " + e.Fix
	case len(e.Readings) > 0:
		s += "; write either: " + strings.Join(e.Readings, "   or: ")
	}
	return s
}
