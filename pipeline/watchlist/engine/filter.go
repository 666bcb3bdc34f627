package engine

import (
	"math/bits"
	"slices"
)

// A filter is a set of hashes that may have others in it: of each two bits in
// the word that its first bits name. It is immutable but for its owner.
type filter struct {
	bits  []uint64
	shift uint8
	owner owner
}

// newFilter has room for n hashes, of which it lets one in a hundred others
// pass; when it is full, one in thirty.
func newFilter(o owner, n int) filter {
	log := max(6, bits.Len(uint(n)))
	return filter{make([]uint64, 1<<log), uint8(64 - log), o}
}

// bit is 1 for the hashes of the set.
func (f *filter) bit(h uint64) uint64 {
	two := f.bits[h>>(f.shift&63)]
	return two >> (h & 63) & (two >> (h >> 6 & 63)) & 1
}

func (f *filter) add(o owner, h uint64) {
	if f.bit(h) != 0 {
		return
	}
	if f.owner != o {
		f.bits, f.owner = slices.Clone(f.bits), o
	}
	f.bits[h>>(f.shift&63)] |= 1<<(h&63) | 1<<(h>>6&63)
}

// full reports whether n hashes are too many.
func (f *filter) full(n int) bool { return n > 5*len(f.bits) }
