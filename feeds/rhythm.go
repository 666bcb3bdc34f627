package feeds

import (
	binenc "encoding/binary"
	"math"
	"slices"
	"time"

	"tocsin"
)

// hear learns that an entry was seen for the first time. A state that is shared
// keeps its rhythm.
func (st *State) hear(at time.Time, baseline bool) {
	switch {
	case !baseline:
		st.rhythm = st.rhythm.heard(at)
	case st.rhythm == nil:
		st.rhythm = begins(nil, at)
	}
}

// listen learns the rhythm from the items of a document.
func (c *decision) listen(items []tocsin.Item) {
	first := slices.ContainsFunc(items, func(it tocsin.Item) bool { return it.Rev == 1 && !it.Baseline })
	if c.rhythm == nil {
		var claimed []time.Time
		for _, it := range items {
			if !it.Published.IsZero() {
				claimed = append(claimed, it.Published)
			}
		}
		c.rhythm, c.changed = begins(claimed, c.at), true
	}
	if first {
		c.rhythm = c.rhythm.heard(c.at)
	}
}

// encode appends the rhythm: whether there is one, then its numbers, and each
// cell as a varint.
func (r *rhythm) encode(b []byte) []byte {
	if r == nil {
		return append(b, 0)
	}
	b = append(b, 1, bit(r.news, 1))
	b = binenc.AppendVarint(b, r.last)
	b = binenc.AppendVarint(b, r.faded)
	for _, f := range []float32{r.events, r.span, r.gaps, r.sum, r.squares, r.spells, r.idle, r.longest} {
		b = binenc.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	for _, c := range r.cells {
		b = binenc.AppendUvarint(b, uint64(c))
	}
	return b
}

func (d *decoder) rhythm() *rhythm {
	switch d.byte() {
	case 0:
		return nil
	case 1:
	default:
		d.bad = true
		return nil
	}
	r := &rhythm{news: d.byte() > 0, last: d.varint(), faded: d.varint()}
	for _, f := range []*float32{&r.events, &r.span, &r.gaps, &r.sum, &r.squares, &r.spells, &r.idle, &r.longest} {
		*f = math.Float32frombits(binenc.LittleEndian.Uint32(d.take(4)))
		// no source comes near the bound
		if !(*f >= 0 && *f < 1e12) {
			d.bad = true
		}
	}
	const end = 1 << 40 // hours
	if r.last < 0 || r.last > end || r.faded < 0 || r.faded > end {
		d.bad = true
	}
	for i := range r.cells {
		r.cells[i] = uint16(min(d.uvarint(), math.MaxUint16))
	}
	return r
}
