package pipeline

import (
	"slices"
	"strings"

	"tocsin"
)

// Bounds of what is kept of a revision.
const (
	diffWords   = 20_000 // words of a text that are compared; the rest is left out
	diffSteps   = 1_000  // insertions and deletions after which the remainder counts as rewritten
	diffContext = 8      // words around a change
	diffChanges = 20     // changes
	diffBytes   = 600    // of the words that were, and of those that are, in one change
)

// Changes are the places in which two revisions of an item differ, title first, at
// most twenty.
// Spaces are no words: where only they differ there is none.
func Changes(was, is tocsin.Item) []tocsin.Change {
	out := wordChanges(tocsin.FieldTitle, was.Title, is.Title)
	out = append(out, wordChanges(tocsin.FieldText, was.Text, is.Text)...)
	return out[:min(len(out), diffChanges)]
}

func wordChanges(field, was, is string) (out []tocsin.Change) {
	a, b := strings.Fields(was), strings.Fields(is)
	a, b = a[:min(len(a), diffWords)], b[:min(len(b), diffWords)]
	for _, e := range edits(a, b) {
		out = append(out, tocsin.Change{
			Field:  field,
			Before: joinWords(b[max(0, e.at-diffContext):e.at]),
			Was:    clip(joinWords(a[e.from:e.to]), diffBytes),
			Is:     clip(joinWords(b[e.at:e.end]), diffBytes),
			After:  joinWords(b[e.end:min(len(b), e.end+diffContext)]),
		})
	}
	return out
}

func joinWords(w []string) string { return strings.Join(w, " ") }

// An edit puts b[at:end] in the place of a[from:to].
type edit struct{ from, to, at, end int }

// edits turns a into b with the fewest insertions and deletions, by the greedy
// algorithm of Myers, An O(ND) Difference Algorithm (1986). Changes with a single
// equal word between them are one.
func edits(a, b []string) []edit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	x, y := a[head:len(a)-tail], b[head:len(b)-tail]
	if len(x) == 0 && len(y) == 0 {
		return nil
	}
	var out []edit
	for _, e := range shortest(x, y) {
		e = edit{e.from + head, e.to + head, e.at + head, e.end + head}
		if n := len(out) - 1; n >= 0 && e.from-out[n].to <= 1 {
			out[n].to, out[n].end = e.to, e.end
			continue
		}
		out = append(out, e)
	}
	return out
}

// shortest is the way from a to b of the fewest steps, or one edit of all where
// that takes more than diffSteps.
func shortest(a, b []string) []edit {
	limit := min(len(a)+len(b), diffSteps)
	reach := make([]int, 2*limit+2) // furthest place in a, by diagonal
	var past [][]int
	for d := range limit + 1 {
		past = append(past, slices.Clone(reach[max(0, limit-d-1):min(len(reach), limit+d+2)]))
		for k := -d; k <= d; k += 2 {
			at := func(k int) int { return reach[limit+k] }
			var x int
			if k == -d || k != d && at(k-1) < at(k+1) {
				x = at(k + 1)
			} else {
				x = at(k-1) + 1
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			reach[limit+k] = x
			if x >= len(a) && x-k >= len(b) {
				return retrace(past, len(a), len(b), limit)
			}
		}
	}
	return []edit{{0, len(a), 0, len(b)}}
}

// retrace walks the way back from its end. past[d] holds the diagonals from
// -d-1 to d+1 before step d, as far as there are any.
func retrace(past [][]int, x, y, limit int) (out []edit) {
	for d := len(past) - 1; d > 0; d-- {
		first := max(-limit, -d-1) // the diagonal of past[d][0]
		at := func(k int) int { return past[d][k-first] }
		k := x - y
		from := k - 1
		if k == -d || k != d && at(k-1) < at(k+1) {
			from = k + 1
		}
		px := at(from)
		py := px - from
		if from > k { // a word of b was put in
			out = append(out, edit{px, px, py, py + 1})
		} else {
			out = append(out, edit{px, px + 1, py, py})
		}
		x, y = px, py
	}
	slices.Reverse(out)
	merged := out[:0]
	for _, e := range out {
		if n := len(merged) - 1; n >= 0 && merged[n].to == e.from && merged[n].end == e.at {
			merged[n].to, merged[n].end = e.to, e.end
			continue
		}
		merged = append(merged, e)
	}
	return merged
}
