package fold

import "strconv"

// A slot is one thing that a text says, in 16 bits: two of class and 14 of hash.
// It is stored: neither the classes nor the hash may change.
type slot uint16

// A class says what the difference of two texts in it means.
type class uint8

const (
	topic  class = iota // a concept of the vocabulary: translations choose among them
	entity              // a country, place, organisation or weapon by the vocabulary
	number              // a number, a date or a resolution: translations keep it
	name                // a person, ship or code that the vocabulary does not know, by its consonants
)

func (s slot) class() class { return class(s >> 14) }

// dateBit parts dates from other numbers.
const dateBit slot = 1 << 13

// dateSlot stands for a day of the year. No two share one.
func dateSlot(month, day int) slot { return slot(number)<<14 | dateBit | slot(32*month+day) }

// exact is up to which numbers have a slot of their own: the bulletins of a
// series must not share one by chance.
const exact = 4096

func numberSlot(value string) slot {
	if n, err := strconv.Atoi(value); err == nil && 0 <= n && n < exact {
		return slot(number)<<14 | slot(n)
	}
	return slot(number)<<14 | exact | slot(hash(value)&(exact-1))
}

// isDate reports whether the slot is a date.
func (s slot) isDate() bool { return s.class() == number && s&dateBit != 0 }

func slotOf(c class, s string) slot { return slot(c)<<14 | slot(hash(s)&(1<<14-1)) }

// hash is FNV-1a with a last mixing, so that all its bits are good. Sketches are
// stored, so it is the same for ever.
func hash(s string) uint32 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

func mix(h uint64) uint32 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return uint32(h >> 32)
}
