package pipeline

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tocsin"
)

// say writes changes as "before [-was-]{+is+} after".
func say(cs []tocsin.Change) string {
	var b strings.Builder
	for _, c := range cs {
		b.WriteString(c.Field + ": " + c.Before + "[-" + c.Was + "-]{+" + c.Is + "+}" + c.After + "\n")
	}
	return b.String()
}

func TestChangesNameTheWordsThatDiffer(t *testing.T) {
	for _, tt := range []struct{ name, was, is, want string }{
		{"equal but for spaces", "one  two\nthree", "one two three", ""},
		{"a number", "we counted 48 states today", "we counted 50 states today", "text: we counted[-48-]{+50+}states today\n"},
		{"words put in", "signed by Peru", "signed by Palau and Peru", "text: signed by[--]{+Palau and+}Peru\n"},
		{"words taken out", "it is not true", "it is true", "text: it is[-not-]{++}true\n"},
		{"two places", "a b c d e f", "x b c d e y", "text: [-a-]{+x+}b c d e y\ntext: x b c d e[-f-]{+y+}\n"},
		{"close places are one", "a b c", "x b y", "text: [-a b c-]{+x b y+}\n"},
		{"all of it", "a b", "", "text: [-a b-]{++}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := say(Changes(tocsin.Item{Text: tt.was}, tocsin.Item{Text: tt.is})); got != tt.want {
				t.Errorf("Changes(%q, %q) =\n%s\nwant\n%s", tt.was, tt.is, got, tt.want)
			}
		})
	}
}

func TestEditsTurnOneTextIntoTheOtherInFewSteps(t *testing.T) {
	d := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		a, b := randomWords(d, d.IntN(30)), randomWords(d, d.IntN(30))
		if d.IntN(2) == 0 {
			b = slices.Clone(a)
			for range d.IntN(5) {
				i := d.IntN(len(b) + 1)
				b = slices.Insert(b, i, "new")
			}
		}
		got, last := []string{}, 0
		for _, e := range edits(a, b) {
			got = append(append(got, a[last:e.from]...), b[e.at:e.end]...)
			last = e.to
		}
		if got = append(got, a[last:]...); !slices.Equal(got, b) {
			t.Fatalf("edits(%q, %q) make %q", a, b, got)
		}
	}
}

func randomWords(d *rand.Rand, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = string(rune('a' + d.IntN(4)))
	}
	return out
}

func TestRewrittenTextsAreComparedAtABoundedCost(t *testing.T) {
	long := func(word string) string { return strings.Repeat(word+" ", 200_000) }
	var was, is strings.Builder
	for i := range 40_000 {
		was.WriteString(string(rune('a'+i%23)) + " ")
		is.WriteString(string(rune('a'+i%19)) + " ")
	}
	for _, pair := range [][2]string{{long("a"), long("b")}, {was.String(), is.String()}, {long("a"), "a"}} {
		allocated := testing.AllocsPerRun(1, func() {
			for _, c := range Changes(tocsin.Item{Text: pair[0]}, tocsin.Item{Text: pair[1]}) {
				if len(c.Was)+len(c.Is) > 2*diffBytes+64 {
					t.Errorf("a change of %d and %d bytes is kept", len(c.Was), len(c.Is))
				}
			}
		})
		if allocated > 5_000 {
			t.Errorf("%.0f allocations", allocated)
		}
	}
}
