package watchlist

import (
	"regexp"

	"tocsin/pipeline/watchlist/words"
)

// An Op is what a part of a query asks for. Some parts stand for places, runs
// of words in one field of a document; they hold where there is one. The others
// only hold or do not. What each means is said with [Expr].
type Op uint8

const (
	Term          Op = iota // places: where words follow one another
	Regex                   // places: the words that a match of Re touches
	Or                      // places if all kids are; holds where a kid does
	And                     // holds where all kids do
	Not                     // holds where the first kid does and none of the others
	Any                     // holds where at least N kids do
	AtLeast                 // holds where the kid has at least N places that begin at different words
	Near                    // places of both kids with at most N words between them, in any order
	Before                  // places of both kids, those of the first before those of the second, at most N words between
	SameSentence            // places of both kids in one sentence
	SameParagraph           // places of both kids in one paragraph
	NotNear                 // places of the first kid without one of the second that overlaps or has at most N words between
	Value                   // holds where a value of the document fits Glob

	// Only in a query as it is written.
	ListRef // the terms of a list
	ScopeOf // the kid, in one field or in the first N words
)

// places reports whether what op asks for is a place, whatever its kids.
func (op Op) places() bool {
	switch op {
	case Term, Regex, Near, Before, SameSentence, SameParagraph, NotNear, ListRef:
		return true
	}
	return false
}

// Fields are the parts of a document that words are looked for in.
type Fields uint8

const (
	InTitle Fields = 1 << iota
	InLead         // the first paragraph of the text, and at least its first [LeadWords] words
	InText         // with the lead
	InRest         // of a page: what stands around the text
	InURL
	InAuthor
	InTag

	InDefault = InTitle | InText          // where a query looks that names no field
	InAll     = InTitle | InText | InRest // all:
)

// LeadWords is how many words of a text are its lead at least.
const LeadWords = 60

// A Scope is where a term is looked for.
type Scope struct {
	In    Fields
	First int // not 0: only among the first so many words of each field
}

// An Expr is a part of a [Rule]: a query whose lists are resolved and whose
// scopes stand with the terms they apply to. Rules share the expressions of
// lists; none is ever changed.
//
// # Places
//
// A place is a run of words in one field, from its first to its last. Two with
// the same words are one place, whatever they were found by. Nothing goes from
// one field, author or tag to the next.
//
//   - A Term's places are where consecutive words are as its Words say, and
//     none after the first is Broken unless its pattern is. They lie wholly in
//     its Scope. Of a field that is scoped by First, and of the lead, those
//     words are in it that at most 2*First half-words end with, see package
//     words. A Term with a Lang has places in documents of that language and of
//     unknown language only.
//   - A Regex's places are the words that its matches touch, in the original
//     text of a field, author or tag by itself. Empty matches have none, nor
//     have those that touch no word. Matches are found as regexp finds all, but
//     no more are looked for when so many letters have been read as the field
//     has, times 16: only an expression that looks far ahead for each of many
//     matches comes there.
//   - An Or's places are those of all kids.
//
// The distance of two places of a field that share no word is the number of
// words between them, that is, the half-words that [words.Text.Gap] says, and
// N allows 2*N of them. Places that share a word have no distance.
//
//   - Near's places are those of its kids that have one of the other kid within
//     its distance.
//   - Before's are those of the first kid that have one of the second behind
//     them within its distance, and those of the second that have one of the
//     first before them. Where it is the first kid of a Before itself, they are
//     only those of its second kid, and where it is the second, those of its
//     first: so a BEFORE/3 b BEFORE/3 c says what it seems to. An Or between
//     the two passes that on to its kids, a NotNear to its first.
//   - SameSentence's and SameParagraph's are those of its kids that share the
//     sentence or paragraph of their first words with one of the other kid that
//     has no word in common with them. A title is one sentence and one
//     paragraph, and so is each author and tag.
//   - NotNear's are those of its first kid that share no word with any of its
//     second, and have none within its distance.
//
// AtLeast counts the words that places begin at, those of all fields together.
type Expr struct {
	Op    Op
	N     int
	Kids  []*Expr
	Text  string // canonical text of a Term, Regex or Value, without quotes: what its spans are named by
	List  string // the list that a term came of, or "" if the query writes it
	Lang  string // of a Term: not looked for in documents known to be in another language
	Words []words.Pattern
	Scope Scope          // of Term and Regex
	Re    *regexp.Regexp // of Regex
	Field string         // of Value: source, host, country, lang or kind
	Glob  string         // of Value: folded, * any letters, ? one

	after *regexp.Regexp // of Regex: a rune, and then the next match of Re
}

// A Node is a part of a query as it is written.
type Node struct {
	Op     Op
	Pos    int // byte offset of its first token in the query
	N      int
	Kids   []*Node
	Text   string // of a Term without quotes and marks, of a Regex without slashes, of a Value, of a ListRef without @ and language
	Quoted bool   // a Term: a phrase
	Mark   string // a Term: "", "=", "==" or "~"
	Field  string // of Value and ScopeOf; "" for FIRST
	Lang   string // of a ListRef: @missile.ru
}
