package fold

import (
	"slices"
	"strconv"
	"time"
)

// A Text is one publication, to be folded with others.
type Text struct {
	ID, Lang, Title, Text string
	Source, Country       string    // "" if it is unknown
	Seen                  time.Time // the zero value: on one day, in the order of the texts
}

// A Folded says what a text is. Statement is the ID of the first text of its
// statement.
type Folded struct {
	ID        string
	Statement string
	Decision
}

// Sequence folds texts as a service would that saw each at its time, and returns
// what it found in the order of the texts.
func Sequence(texts []Text) []Folded {
	seen := timesOf(texts)
	order := make([]int, len(texts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return seen[a].Compare(seen[b]) })
	var x Index
	out := make([]Folded, len(texts))
	for _, i := range order {
		t := texts[i]
		m := Member{t.Source, strconv.Itoa(i)}
		s := Of(t.Title, t.Text, t.Lang).By(t.Country)
		d := x.Decide(m, s, seen[i])
		if d.Kind == New {
			d.Statement = strconv.Itoa(i)
		}
		out[i] = Folded{t.ID, d.Statement, d}
		x.add(d.Statement, m, s, seen[i], d.Kind == Near)
	}
	for i := range out {
		first, _ := strconv.Atoi(out[i].Statement)
		out[i].Statement = texts[first].ID
	}
	return out
}

// timesOf are the times of texts. Those without one follow in order within the
// day that the first time of all begins, or any day if there is none.
func timesOf(texts []Text) []time.Time {
	begin := time.Unix(0, 0).UTC()
	for _, t := range texts {
		if !t.Seen.IsZero() {
			begin = t.Seen
			break
		}
	}
	step := 24 * time.Hour / time.Duration(len(texts)+1)
	out := make([]time.Time, len(texts))
	for i, t := range texts {
		out[i] = t.Seen
		if t.Seen.IsZero() {
			out[i] = begin.Add(time.Duration(i) * step)
		}
	}
	return out
}
