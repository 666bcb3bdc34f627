package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"tocsin"
)

// isTerminal reports whether what is written or read goes to a person at once.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	is, err := f.Stat()
	if err != nil || is.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(is, null)
}

// A marker is how matched words are made to stand out.
type marker struct{ before, after string }

// markerFor is bold on a terminal, and brackets elsewhere.
func markerFor(w io.Writer) marker {
	if isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		return marker{"\x1b[1m", "\x1b[0m"}
	}
	return marker{"[", "]"}
}

const (
	passageReach = 80 // bytes of context on each side of matched words
	wordReach    = 40 // bytes that an edge moves to fall between words
)

// A passage is a part of a text, and the spans in it.
type passage struct {
	start, end int
	spans      []tocsin.Span
}

// passages are the parts of a text around the spans of a field, in order, at
// most n: those with the most different terms.
func passages(text, field string, spans []tocsin.Span, n int) []passage {
	var out []passage
	for _, s := range inField(spans, field) {
		if s.Start < 0 || s.Start > s.End || s.End > len(text) {
			continue
		}
		start, end := wordStart(text, s.Start-passageReach), wordEnd(text, s.End+passageReach)
		if last := len(out) - 1; last >= 0 && start <= out[last].end && s.Start >= out[last].start {
			out[last].end = max(out[last].end, end)
			out[last].spans = append(out[last].spans, s)
			continue
		}
		out = append(out, passage{start, end, []tocsin.Span{s}})
	}
	if len(out) > n {
		slices.SortStableFunc(out, func(a, b passage) int { return cmp.Compare(b.terms(), a.terms()) })
		out = out[:n]
		slices.SortFunc(out, func(a, b passage) int { return cmp.Compare(a.start, b.start) })
	}
	return out
}

func inField(spans []tocsin.Span, field string) []tocsin.Span {
	return slices.DeleteFunc(slices.Clone(spans), func(s tocsin.Span) bool { return s.Field != field })
}

// terms is how many different terms a passage has.
func (p passage) terms() int {
	seen := map[[2]string]bool{}
	for _, s := range p.spans {
		seen[[2]string{s.Term, s.List}] = true
	}
	return len(seen)
}

// maxPassage is how many bytes of a passage are shown.
const maxPassage = 600

// show is the passage on one line, its words marked.
func (p passage) show(text string, m marker) string {
	end := p.end
	if end-p.start > maxPassage {
		end = wordEnd(text, p.start+maxPassage)
	}
	var b strings.Builder
	at := p.start
	for _, s := range p.spans {
		if s.Start < p.start || s.End > end || s.End <= at {
			continue
		}
		from := max(s.Start, at)
		b.WriteString(plainLine(text[at:from]) + m.before + plainLine(text[from:s.End]) + m.after)
		at = s.End
	}
	b.WriteString(plainLine(text[at:end]))
	out := strings.Join(strings.Fields(b.String()), " ")
	if p.start > 0 {
		out = "… " + out
	}
	if end < len(text) {
		out += " …"
	}
	return out
}

// wordStart is where a word begins at or a little before byte i of s.
func wordStart(s string, i int) int {
	if i <= 0 {
		return 0
	}
	from := max(0, i-wordReach)
	if j := strings.LastIndexAny(s[from:i], " \n"); j >= 0 {
		return from + j + 1
	}
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}

// wordEnd is where a word ends at or a little after byte i of s.
func wordEnd(s string, i int) int {
	if i >= len(s) {
		return len(s)
	}
	if j := strings.IndexAny(s[i:min(len(s), i+wordReach)], " \n"); j >= 0 {
		return i + j
	}
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return i
}

// A found term is what of a text satisfied a query, where it is first, and how
// often.
type foundTerm struct {
	text, term string
	field      string
	start, end int
	times      int
}

// byList is a term as people read it: its list's name if it has one.
func byList(s tocsin.Span) string {
	if s.List != "" {
		return "@" + s.List
	}
	return s.Term
}

// foundTerms are the spans by what they cover, in order.
func foundTerms(spans []tocsin.Span, value func(field string) string) []foundTerm {
	var out []foundTerm
	at := map[[2]string]int{}
	for _, s := range spans {
		whole := value(s.Field)
		if s.Start < 0 || s.Start > s.End || s.End > len(whole) {
			continue
		}
		f := foundTerm{strings.Join(strings.Fields(plainLine(whole[s.Start:s.End])), " "), byList(s), s.Field, s.Start, s.End, 1}
		key := [2]string{strings.ToLower(f.text), f.term}
		if i, ok := at[key]; ok {
			out[i].times++
			continue
		}
		at[key] = len(out)
		out = append(out, f)
	}
	return out
}

func (f foundTerm) String() string {
	s := fmt.Sprintf("%s: %s", f.text, f.term)
	if f.times > 1 {
		s += fmt.Sprintf(" (%d times)", f.times)
	}
	return s
}
