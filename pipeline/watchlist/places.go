package watchlist

import (
	"cmp"
	"slices"
	"sort"
)

// A place is a run of words in a field, from its first to its last.
type place struct{ field, first, last int32 }

func byFirst(a, b place) int {
	return cmp.Or(cmp.Compare(a.field, b.field), cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last))
}

func byLast(a, b place) int {
	return cmp.Or(cmp.Compare(a.field, b.field), cmp.Compare(a.last, b.last), cmp.Compare(a.first, b.first))
}

// A set is places, each once, in the order of byFirst.
type set struct {
	places []place
	ends   []place // the same in the order of byLast
	reach  []int32 // for each place, the furthest last word of it and those before it in its field
}

// nothing is a set without places.
var nothing = &set{}

// newSet is a set of places in any order, which it takes.
func newSet(places []place) *set {
	if !slices.IsSortedFunc(places, byFirst) {
		slices.SortFunc(places, byFirst)
	}
	return &set{places: slices.Compact(places)}
}

// keep is the places of s that f says.
func (s *set) keep(f func(place) bool) *set {
	n := slices.IndexFunc(s.places, func(p place) bool { return !f(p) })
	if n < 0 {
		return s
	}
	out := slices.Clone(s.places[:n])
	for _, p := range s.places[n+1:] {
		if f(p) {
			out = append(out, p)
		}
	}
	return &set{places: out}
}

func union(sets ...*set) *set {
	sets = slices.DeleteFunc(sets, func(s *set) bool { return len(s.places) == 0 })
	switch {
	case len(sets) == 0:
		return nothing
	case len(sets) == 1 || len(sets) == 2 && sets[0] == sets[1]:
		return sets[0]
	case len(sets) == 2:
		return sets[0].merge(sets[1])
	}
	var all []place
	for _, s := range sets {
		all = append(all, s.places...)
	}
	return newSet(all)
}

// merge is the places of two sets.
func (s *set) merge(t *set) *set {
	a, b := s.places, t.places
	out := make([]place, 0, max(len(a), len(b)))
	for len(a) > 0 && len(b) > 0 {
		switch n := byFirst(a[0], b[0]); {
		case n < 0:
			out, a = append(out, a[0]), a[1:]
		case n > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return &set{places: append(append(out, a...), b...)}
}

// common is the places of s that are in t too.
func (s *set) common(t *set) *set {
	if s == t {
		return s
	}
	rest := t.places
	return s.keep(func(p place) bool {
		for len(rest) > 0 && byFirst(rest[0], p) < 0 {
			rest = rest[1:]
		}
		return len(rest) > 0 && rest[0] == p
	})
}

// distinct is how many words places begin at.
func (s *set) distinct() int {
	n := 0
	for i, p := range s.places {
		if i == 0 || p.field != s.places[i-1].field || p.first != s.places[i-1].first {
			n++
		}
	}
	return n
}

// prepare makes s ready for previous and overlaps.
func (s *set) prepare() {
	if s.ends != nil || len(s.places) == 0 {
		return
	}
	s.ends = slices.Clone(s.places)
	if !slices.IsSortedFunc(s.ends, byLast) {
		slices.SortFunc(s.ends, byLast)
	}
	s.reach = make([]int32, len(s.places))
	for i, p := range s.places {
		s.reach[i] = p.last
		if i > 0 && s.places[i-1].field == p.field {
			s.reach[i] = max(p.last, s.reach[i-1])
		}
	}
}

// previous is the place of s that ends last before p begins.
func (s *set) previous(p place) (place, bool) {
	s.prepare()
	i := sort.Search(len(s.ends), func(i int) bool {
		q := s.ends[i]
		return q.field > p.field || q.field == p.field && q.last >= p.first
	})
	if i == 0 || s.ends[i-1].field != p.field {
		return place{}, false
	}
	return s.ends[i-1], true
}

// beyond is the index of the first place of s that begins after p ends.
func (s *set) beyond(p place) int {
	return sort.Search(len(s.places), func(i int) bool {
		q := s.places[i]
		return q.field > p.field || q.field == p.field && q.first > p.last
	})
}

// next is the place of s that begins first after p ends.
func (s *set) next(p place) (place, bool) {
	i := s.beyond(p)
	if i == len(s.places) || s.places[i].field != p.field {
		return place{}, false
	}
	return s.places[i], true
}

// overlaps reports whether a place of s shares a word with p.
func (s *set) overlaps(p place) bool {
	s.prepare()
	i := s.beyond(p) - 1
	return i >= 0 && s.places[i].field == p.field && s.reach[i] >= p.first
}
