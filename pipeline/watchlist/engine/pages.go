package engine

import (
	"slices"
	"sync/atomic"
)

// An owner is one edit of an index: the call of With that makes a version. What
// it made it may change in place; what it found it has to copy.
type owner uint64

var owners atomic.Uint64

func newOwner() owner { return owner(owners.Add(1)) }

const (
	pageBits = 9
	pageSize = 1 << pageBits
)

type page[T any] struct {
	owner owner
	v     [pageSize]T
}

// pages is an array whose versions share the pages in which they are equal, so
// that a change to one of 100,000 queries copies some KB. Pages that were never
// written are nil and read as zero.
type pages[T any] struct {
	dir []*page[T]
	n   uint32 // elements
}

// clone is a version that can be changed while readers have the old one.
func (p pages[T]) clone() pages[T] { return pages[T]{slices.Clone(p.dir), p.n} }

func (p *pages[T]) get(i uint32) (v T) {
	if pg := p.dir[i>>pageBits]; pg != nil {
		return pg.v[i&(pageSize-1)]
	}
	return v
}

// at is the place of element i, to change it.
func (p *pages[T]) at(o owner, i uint32) *T {
	pg := p.dir[i>>pageBits]
	switch {
	case pg == nil:
		pg = &page[T]{owner: o}
		p.dir[i>>pageBits] = pg
	case pg.owner != o:
		c := *pg
		c.owner = o
		pg = &c
		p.dir[i>>pageBits] = pg
	}
	return &pg.v[i&(pageSize-1)]
}

// grow makes room for n elements.
func (p *pages[T]) grow(n uint32) {
	for uint32(len(p.dir))<<pageBits < n {
		p.dir = append(p.dir, nil)
	}
	p.n = max(p.n, n)
}

// ids hands out small numbers from 1 and takes them back.
type ids struct {
	next pages[uint32] // of a free number: the one that became free before it
	free uint32
	n    uint32 // the highest ever given
}

func (d ids) clone() ids { d.next = d.next.clone(); return d }

func (d *ids) take(o owner) uint32 {
	if i := d.free; i != 0 {
		d.free = *d.next.at(o, i)
		return i
	}
	d.n++
	return d.n
}

func (d *ids) give(o owner, i uint32) {
	d.next.grow(i + 1)
	*d.next.at(o, i) = d.free
	d.free = i
}
