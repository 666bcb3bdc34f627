package engine

import "slices"

// A slot of a table. Its zero value is empty.
type slot interface {
	comparable
	hash() uint64 // spread over all bits; of equal keys the same
}

const (
	bucketSize = 512 // slots
	bucketFull = 440 // linear probing stays short, and marks tell nearly all that is not there
	marksSize  = 8 * bucketSize
)

// A bucket holds the slots whose hashes begin with the same depth bits, by
// linear probing. A mark is set for the hash of every slot: where it is not, no
// slot need be looked at.
type bucket[S slot] struct {
	owner owner
	depth uint8
	n     uint16
	gone  uint16 // removed since the marks were made
	marks [marksSize / 64]uint64
	slots [bucketSize]S
}

// A table is an extendible hash table whose versions share buckets. It grows a
// bucket at a time, so no single insertion is slow.
type table[S slot] struct {
	dir   []*bucket[S] // by the first bits of the hash; 1<<bits of them
	shift uint8        // 64 - bits, at most 63
	n     int
}

func newTable[S slot]() table[S] {
	return table[S]{dir: []*bucket[S]{{depth: 1}, {depth: 1}}, shift: 63}
}

func (t table[S]) clone() table[S] { t.dir = slices.Clone(t.dir); return t }

func (t *table[S]) bucketOf(h uint64) *bucket[S] { return t.dir[h>>t.shift] }

func markOf(h uint64) uint32 { return uint32(h>>20) & (marksSize - 1) }

func homeOf(h uint64) uint32 { return uint32(h>>32) & (bucketSize - 1) }

func (b *bucket[S]) mark(h uint64) { b.marks[markOf(h)>>6] |= 1 << (markOf(h) & 63) }

func (b *bucket[S]) marked(h uint64) bool { return b.marks[markOf(h)>>6]>>(markOf(h)&63)&1 != 0 }

// find is the slot with hash h that is says it is, or nil. It is not to be
// changed.
func (t *table[S]) find(h uint64, is func(S) bool) *S {
	b := t.bucketOf(h)
	if !b.marked(h) {
		return nil
	}
	var empty S
	for i := homeOf(h); ; i++ {
		s := &b.slots[i&(bucketSize-1)]
		if *s == empty {
			return nil
		}
		if is(*s) {
			return s
		}
	}
}

// own makes the bucket of h one that o may change.
func (t *table[S]) own(o owner, h uint64) *bucket[S] {
	b := t.bucketOf(h)
	if b.owner == o {
		return b
	}
	c := *b
	c.owner = o
	t.replace(b, h, &c, &c)
	return &c
}

// replace puts two buckets, or one twice, where b is, the bucket of h.
func (t *table[S]) replace(b *bucket[S], h uint64, low, high *bucket[S]) {
	bits := 64 - t.shift
	span := 1 << (bits - b.depth)
	from := int(h>>t.shift) &^ (span - 1)
	for i := range span {
		if i < span/2 {
			t.dir[from+i] = low
		} else {
			t.dir[from+i] = high
		}
	}
}

// insert adds a slot that is not there.
func (t *table[S]) insert(o owner, s S) {
	h := s.hash()
	for t.bucketOf(h).n >= bucketFull && t.bucketOf(h).depth < 30 {
		t.split(o, h)
	}
	b := t.own(o, h)
	b.put(s, h)
	t.n++
}

func (b *bucket[S]) put(s S, h uint64) {
	var empty S
	i := homeOf(h)
	for b.slots[i&(bucketSize-1)] != empty {
		i++
	}
	b.slots[i&(bucketSize-1)] = s
	b.mark(h)
	b.n++
}

func (t *table[S]) split(o owner, h uint64) {
	b := t.bucketOf(h)
	if b.depth == 64-t.shift {
		dir := make([]*bucket[S], 2*len(t.dir))
		for i, b := range t.dir {
			dir[2*i], dir[2*i+1] = b, b
		}
		t.dir = dir
		t.shift--
	}
	low, high := &bucket[S]{owner: o, depth: b.depth + 1}, &bucket[S]{owner: o, depth: b.depth + 1}
	var empty S
	for _, s := range b.slots {
		if s == empty {
			continue
		}
		if h := s.hash(); h>>(63-b.depth)&1 == 0 {
			low.put(s, h)
		} else {
			high.put(s, h)
		}
	}
	t.replace(b, h, low, high)
}

// change replaces a slot that is there by one of the same key.
func (t *table[S]) change(o owner, old, s S) {
	h := old.hash()
	b := t.own(o, h)
	b.slots[b.where(old, h)] = s
}

func (b *bucket[S]) where(s S, h uint64) uint32 {
	i := homeOf(h)
	for b.slots[i&(bucketSize-1)] != s {
		i++
	}
	return i & (bucketSize - 1)
}

// remove takes out a slot that is there, and moves up what was pushed behind it.
func (t *table[S]) remove(o owner, s S) {
	h := s.hash()
	b := t.own(o, h)
	hole := b.where(s, h)
	var empty S
	for i := (hole + 1) & (bucketSize - 1); b.slots[i] != empty; i = (i + 1) & (bucketSize - 1) {
		home := homeOf(b.slots[i].hash())
		if (i-home)&(bucketSize-1) >= (i-hole)&(bucketSize-1) {
			b.slots[hole] = b.slots[i]
			hole = i
		}
	}
	b.slots[hole] = empty
	b.n--
	t.n--
	if b.gone++; b.gone >= bucketSize/4 {
		b.remark()
	}
}

func (b *bucket[S]) remark() {
	b.gone = 0
	clear(b.marks[:])
	var empty S
	for _, s := range b.slots {
		if s != empty {
			b.mark(s.hash())
		}
	}
}
