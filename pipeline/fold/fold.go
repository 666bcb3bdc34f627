// Package fold decides whether two texts are one statement. It is pure: it
// reads no clock and keeps nothing but what it is given.
//
//	title, text -> reading -> Sketch -> Index.Decide -> Same, Near or New
//
// A reading is what a text says: the words it uses, and what stands for the same
// in every language: numbers, dates, countries, organisations, named weapons,
// persons' names by their consonants, and the concepts of the vocabulary. A
// Sketch is what is kept of it. An Index finds the open statements that a text
// has most in common with, and weighs what speaks for and against their being
// one: what is common among open statements says little, and numbers, dates and
// names that differ speak against it.
package fold

import "time"

// Window is how long a statement stays open for copies, counted from its last
// publication.
const Window = 30 * 24 * time.Hour

// A Kind is what a new text is to the statements that are open.
type Kind string

const (
	New  Kind = "new"  // none of them
	Near Kind = "near" // a report about one
	Same Kind = "same" // a copy of one
)

// A Decision says which open statement a text belongs to, and why.
type Decision struct {
	Kind      Kind
	Statement string  // with Same and Near
	Reason    string  // for people: "equal title and text", "41 % of its wording, 3 numbers, 2 dates"
	Score     float64 // how sure it is to be of the statement that it is most like: 1 is certain, 0 is not at all
}

// A Member is an item of a statement.
type Member struct{ Source, Item string }
