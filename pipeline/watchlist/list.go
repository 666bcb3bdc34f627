package watchlist

import (
	"fmt"
	"unicode"

	"tocsin"
	"tocsin/pipeline/watchlist/words"
)

// MaxEntries is how many entries a list may have, with those of the lists it
// names.
const MaxEntries = 100_000

// A List is a list whose entries are parsed. Rules that name it share it.
type List struct {
	Name    string
	entries []listed
}

type listed struct {
	lang string // as [words.Language] says
	node *Node
}

// A ListError says which entry of a list is refused.
type ListError struct {
	List  string
	Entry int // from 1; 0 is the list as a whole
	Term  string
	Err   error
}

func (e *ListError) Error() string {
	if e.Entry == 0 {
		return fmt.Sprintf("list @%s: %v", e.List, e.Err)
	}
	return fmt.Sprintf("list @%s, entry %d (%s): %v", e.List, e.Entry, clip(e.Term, 60), e.Err)
}

func (e *ListError) Unwrap() error { return e.Err }

// NewList parses the entries of a list. Its error is a *ListError of the first
// entry that is refused.
func NewList(l tocsin.List) (*List, error) {
	if len(l.Entries) > MaxEntries {
		return nil, &ListError{List: l.Name, Err: fmt.Errorf("it has %d entries, and at most %d are allowed: divide it into several lists", len(l.Entries), MaxEntries)}
	}
	out := &List{Name: l.Name, entries: make([]listed, 0, len(l.Entries))}
	for i, e := range l.Entries {
		n, err := parseEntry(e.Term)
		if err != nil {
			return nil, &ListError{l.Name, i + 1, e.Term, err}
		}
		lang := words.Language(e.Lang, "")
		if lang == "" && e.Lang != "" {
			return nil, &ListError{l.Name, i + 1, e.Term, fmt.Errorf("%q is no language: write its code of two or three letters, as in ru", e.Lang)}
		}
		out.entries = append(out.entries, listed{lang, n})
	}
	return out, nil
}

// parseEntry parses one entry of a list: a word, a phrase or another list.
func parseEntry(term string) (*Node, error) {
	q, err := Parse(term)
	if err != nil {
		return nil, err
	}
	switch q.root.Op {
	case Term, ListRef:
		return q.root, nil
	}
	return nil, fmt.Errorf("%s is more than one word, phrase or @list: write several as entries of their own, and the rest in the query", q.root)
}

// latin reports whether a term is written in Latin letters, so that the same
// letters may be another word in another language.
func latin(term string) bool {
	for _, r := range term {
		if unicode.IsLetter(r) {
			return unicode.Is(unicode.Latin, r)
		}
	}
	return true
}
