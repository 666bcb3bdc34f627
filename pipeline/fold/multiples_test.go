package fold

import "testing"

// TestANumberTakesTheMultiplesBelowIt: what is not smaller begins another number.
func TestANumberTakesTheMultiplesBelowIt(t *testing.T) {
	for text, want := range map[string]string{"3億5000万円": "350000000", "1億2億円": "100000000"} {
		r := readingOf("", text, "ja")
		if len(r.slots) == 0 || r.slots[0] != numberSlot(want) {
			t.Errorf("%s does not begin with %s: %v", text, want, r.slots)
		}
	}
}
