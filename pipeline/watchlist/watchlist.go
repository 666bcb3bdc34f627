// Package watchlist is the watchlist language in its first form: it parses a
// query, and finds the places in a statement that satisfy it. It is the
// reference: plain, without index or state, and what any faster engine is
// checked against. It does no I/O and knows no clock.
//
// # Grammar
//
//	query   = operand { ("AND" | "OR" | "NOT" | "AND NOT") operand }
//	operand = "(" query ")" | phrase | word
//	phrase  = quote text quote     quote is one of " “ ” „ ‟ « » 「 」 『 』 ＂
//	word    = text without spaces, quotes and parentheses
//
// AND, OR and NOT are written in any case; to search for one of them, quote it.
// A word or the words of a phrase may end in *, which stands for any further
// letters; three letters must stand before it, or one of Han, kana or Hangul.
// Whatever two readers could read differently is refused with an [Error] that
// shows the readings: AND beside OR (or OR beside NOT) without parentheses, two
// operands side by side. So is a query, or a side of OR, of nothing but NOT.
//
// # Matching
//
// A query is held against a title and a text; a phrase lies within one of them.
// Both the query and the statement are folded first: letters of any case,
// accent, width or ligature are the same, as are the Arabic and Persian forms
// of a letter and the digits of all scripts; soft hyphens and zero-width
// characters are nothing. What is then left is cut into words:
//
//   - A word is a run of letters and digits and is matched whole: missile does
//     not find missiles, missile* does. Hyphens, spaces, line breaks and other
//     punctuation separate words and are otherwise nothing, so missile-transfer
//     and "missile transfer" are one query. A possessive 's, an elided l' or d'
//     and a Turkish suffix after an apostrophe are no words.
//   - A word of Hangul matches as if it ended in *, because particles attach.
//   - Each letter of Chinese, Japanese, Thai, Lao, Khmer and Burmese is a word
//     of its own, which makes a phrase of them match as a substring; other
//     punctuation than hyphens and middle dots interrupts it.
//
// # Promises
//
// A span lies on rune boundaries of the original field and runs from the first
// matched word's first byte to the last matched word's last; of a word that
// matched by its beginning the whole word is covered. Spans of one term do not
// overlap. [Query] and [Document] do not change and may be shared. Malformed
// UTF-8 separates words. The time of Match is linear in the text for each word
// of the query.
package watchlist

import (
	"fmt"
	"strings"
)

// The limits of a query. What is longer is refused.
const (
	MaxBytes = 256 << 10
	MaxTerms = 5000 // words and phrases
	MaxDepth = 20   // parentheses in parentheses
)

// A Query is a parsed watchlist query.
type Query struct {
	root node
}

// String is the query in canonical form, on one line: operators in capitals,
// straight quotes, no needless parentheses, what NOT excludes last. It parses
// to an equal query.
func (q *Query) String() string { return q.root.String() }

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

// A node is a part of a query: a *term, an *all or a some.
type node interface {
	String() string
	holds(d Document) bool
	// mark adds the spans that made a node hold. It is asked only of nodes that do.
	mark(d Document, m *marks)
}

// all holds where every one of must does and none of never. A parsed query
// contains none without must.
type all struct{ must, never []node }

// some holds where one of its two or more nodes does.
type some []node

// A term is a word or a phrase.
type term struct {
	text   string // as the query writes it, without quotes
	quoted bool
	words  []word
	head   string // the words up to the first prefix, as folded.text has them after an edge
}

// A word is what one word of a statement has to be, or to begin with.
type word struct {
	form   string // folded
	prefix bool
}

func (t *term) String() string {
	if t.quoted {
		return `"` + t.text + `"`
	}
	return t.text
}

func (a *all) String() string {
	return strings.Join(append([]string{strings.Join(groups(a.must), " AND ")}, groups(a.never)...), " NOT ")
}

func (a some) String() string { return strings.Join(groups(a), " OR ") }

// groups are nodes as they stand among others.
func groups(nodes []node) []string {
	var parts []string
	for _, n := range nodes {
		s := n.String()
		if _, ok := n.(*term); !ok {
			s = "(" + s + ")"
		}
		parts = append(parts, s)
	}
	return parts
}
