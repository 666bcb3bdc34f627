package watchlist

import (
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"sort"
	"unicode/utf8"
)

// maxProgram is how many steps the program of a regular expression may have: the
// time for each letter of a text is in proportion to them.
const maxProgram = 2000

// compileRegex compiles the regular expression of an Expr.
func compileRegex(text string) (re, after *regexp.Regexp, err error) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, nil, fmt.Errorf("this regular expression cannot be read: %w", err)
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, nil, fmt.Errorf("this regular expression cannot be read: %w", err)
	}
	if n := len(prog.Inst); n > maxProgram {
		return nil, nil, fmt.Errorf("this regular expression takes %d steps for each letter, and at most %d are allowed: repeat less in it, or write words", n, maxProgram)
	}
	re = regexp.MustCompile(text)
	return re, regexp.MustCompile(`^(?s:.)(?s:.*?)(` + text + `)`), nil
}

// regex finds the words that matches of a regular expression touch.
func (m *matching) regex(e *Expr) *set {
	s := &set{}
	for n := range fields {
		if e.Scope.In&fieldBits[n] == 0 {
			continue
		}
		f := m.d.field(n)
		from := 0
		for i := range len(f.starts) + 1 {
			to := len(f.Source)
			if i < len(f.starts) {
				to = f.starts[i] - len("\n")
			}
			m.steps += e.matches(f.Source[from:to], func(start, end int) {
				p, ok := f.touched(n, from+start, from+end)
				if ok && f.inScope(p, e.Scope) {
					s.places = append(s.places, p)
				}
			})
			from = to + len("\n")
		}
	}
	return newSet(s.places)
}

// touched is the words that the bytes from start to end have a part in.
func (f *cutField) touched(n, start, end int) (place, bool) {
	first := sort.Search(len(f.Words), func(i int) bool { return int(f.Words[i].End) > start })
	last := sort.Search(len(f.Words), func(i int) bool { return int(f.Words[i].Start) >= end }) - 1
	return place{int32(n), int32(first), int32(last)}, first <= last
}

// readsEach is how many times a letter of a text may be read, on average, in
// the search for all matches; it is not looked for more after that. Only an
// expression that looks far ahead for each of many matches comes there.
const readsEach = 16

// matches calls f with every match of e.Re in s that is not empty, as
// FindAllStringIndex has them, and returns how many letters it read. That would
// take time by the square of s for some expressions.
func (e *Expr) matches(s string, f func(start, end int)) int {
	if !e.Re.MatchString(s) {
		return len(s)
	}
	r := &runes{s: s}
	left := readsEach*len(s) + 1<<10
	loc := e.Re.FindReaderIndex(r)
	for loc != nil && r.read <= left {
		if loc[0] < loc[1] {
			f(loc[0], loc[1])
		}
		from := loc[1]
		if loc[0] == loc[1] {
			_, n := utf8.DecodeRuneInString(s[from:])
			from += n
		}
		if from >= len(s) {
			break
		}
		_, n := utf8.DecodeLastRuneInString(s[:from])
		r.at = from - n
		if loc = e.after.FindReaderSubmatchIndex(r); loc != nil {
			loc = []int{from - n + loc[2], from - n + loc[3]}
		}
	}
	return len(s) + r.read
}

// runes reads a string and counts what it read.
type runes struct {
	s        string
	at, read int
}

func (r *runes) ReadRune() (rune, int, error) {
	if r.at >= len(r.s) {
		return 0, 0, io.EOF
	}
	c, n := utf8.DecodeRuneInString(r.s[r.at:])
	r.at += n
	r.read++
	return c, n, nil
}
