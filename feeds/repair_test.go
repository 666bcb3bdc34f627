package feeds

import (
	"bytes"
	"testing"
)

// TestDirtIsFoundAtEveryPlace holds the look at eight bytes against the one at each.
func TestDirtIsFoundAtEveryPlace(t *testing.T) {
	for c := range 0x80 {
		dirt := c < 0x20 && c != '\n' && c != '\t' && c != '\r'
		for at := range 24 {
			b := bytes.Repeat([]byte{' ', '~', 0x7f}, 8)
			b[at] = byte(c)
			want := -1
			if dirt {
				want = at
			}
			if got := dirty(b, 0); got != want {
				t.Fatalf("byte %#x at %d: found at %d, want %d", c, at, got, want)
			}
		}
	}
	b := append(bytes.Repeat([]byte("a"), 13), 0xc2, 0x80, 0xef, 0xbf, 0xbf)
	if i := dirty(b, 0); i != 13 {
		t.Errorf("found at %d, want 13", i)
	}
	if i := dirty(b, 15); i != 15 {
		t.Errorf("found at %d, want 15", i)
	}
}
