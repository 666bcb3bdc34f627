package feeds

import (
	binenc "encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"tocsin/feeds/fetch"
)

const (
	stateMagic   = 0x53
	stateVersion = 2 // 2 added the rhythm
)

// A NewerStateError means that a state was written by a newer tocsin.
type NewerStateError struct{ V int }

func (e *NewerStateError) Error() string {
	return fmt.Sprintf("state has version %d, this tocsin reads up to %d: upgrade it", e.V, stateVersion)
}

var errState = errors.New("read state: it is damaged")

// flags of an encoded entry
const (
	flagNow = 1 << iota
	flagTelling
	flagMore
	flagHeld
	flagWithdrawn
)

// Encode writes the state: magic byte, version byte, head, entries, aliases,
// lost values and rhythm, and the CRC-32 of all that. Numbers are little-endian or
// varints. An entry takes about 90 bytes.
func (st State) Encode() []byte {
	if st.index != nil {
		st = st.clone()
	}
	le := binenc.LittleEndian
	b := make([]byte, 0, 128+len(st.entries)*64+len(st.alias)*14+len(st.lost)*10)
	b = append(b, stateMagic, stateVersion)
	b = binenc.AppendUvarint(b, st.Seq)
	for _, s := range []string{st.Validators.ETag, st.Validators.LastModified, st.Validators.Hash} {
		b = append(binenc.AppendUvarint(b, uint64(len(s))), s...)
	}
	b = le.AppendUint64(b, st.address)
	b = binenc.AppendVarint(b, st.begun)
	for _, f := range []bool{st.Read, st.loose, st.reused[0], st.reused[1]} {
		b = append(b, bit(f, 1))
	}
	b = append(b, st.churn[:]...)
	b = binenc.AppendUvarint(b, uint64(len(st.entries)))
	for _, e := range st.entries {
		b = e.encode(b)
	}
	b = binenc.AppendUvarint(b, uint64(len(st.alias)))
	for _, a := range st.alias {
		b = binenc.AppendUvarint(le.AppendUint64(b, a.hash), uint64(a.entry))
		b = append(le.AppendUint16(b, a.day), byte(a.kind))
	}
	b = binenc.AppendUvarint(b, uint64(len(st.lost)))
	for _, l := range st.lost {
		b = le.AppendUint16(le.AppendUint64(b, l.hash), l.day)
	}
	b = st.rhythm.encode(b)
	return le.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func bit(on bool, v byte) byte {
	if on {
		return v
	}
	return 0
}

func (e known) encode(b []byte) []byte {
	le := binenc.LittleEndian
	flags := bit(e.now, flagNow) | bit(e.telling, flagTelling) | bit(e.more != nil, flagMore) | bit(e.more != nil && e.more.held, flagHeld) | bit(e.more != nil && e.more.withdrawn, flagWithdrawn)
	b = le.AppendUint64(b, e.id)
	b = le.AppendUint64(b, e.print)
	b = le.AppendUint64(b, e.exact)
	b = append(append(b, e.title[:]...), e.text[:]...)
	b = binenc.AppendUvarint(b, uint64(e.rev))
	b = append(le.AppendUint16(b, e.seen), flags)
	if e.more != nil {
		b = append(append(b, byte(len(e.more.id))), e.more.id...)
		b = append(b, byte(len(e.more.texts)))
		for _, t := range e.more.texts {
			b = le.AppendUint64(b, t)
		}
		b = binenc.AppendVarint(b, e.more.returned)
	}
	return b
}

// DecodeState reads what Encode wrote. Of nothing it makes the zero State. It
// returns *NewerStateError where a newer tocsin wrote it; after any other error
// the state is to be rebuilt from the log.
func DecodeState(b []byte) (State, error) {
	if len(b) == 0 {
		return State{}, nil
	}
	if len(b) < 6 || b[0] != stateMagic {
		return State{}, errState
	}
	if b[1] > stateVersion {
		return State{}, &NewerStateError{int(b[1])}
	}
	end := len(b) - 4
	if crc32.ChecksumIEEE(b[:end]) != binenc.LittleEndian.Uint32(b[end:]) {
		return State{}, errState
	}
	d := decoder{b: b[2:end]}
	st := State{V: stateVersion, Seq: d.uvarint()}
	st.Validators = fetch.Validators{ETag: d.text(), LastModified: d.text(), Hash: d.text()}
	st.address, st.begun = d.uint64(), d.varint()
	st.Read, st.loose = d.byte() > 0, d.byte() > 0
	st.reused = [2]bool{d.byte() > 0, d.byte() > 0}
	st.churn = [2]uint8{d.byte(), d.byte()}
	st.entries = make([]known, d.count(50))
	for i := range st.entries {
		st.entries[i] = d.known()
	}
	st.alias = make([]alias, d.count(12))
	for i := range st.alias {
		a := alias{hash: d.uint64(), entry: uint32(d.uvarint()), day: d.uint16(), kind: aliasKind(d.byte())}
		if int(a.entry) >= len(st.entries) {
			return State{}, errState
		}
		st.alias[i] = a
	}
	st.lost = make([]lost, d.count(10))
	for i := range st.lost {
		st.lost[i] = lost{d.uint64(), d.uint16()}
	}
	if b[1] > 1 {
		st.rhythm = d.rhythm()
	}
	if d.bad || len(d.b) > 0 {
		return State{}, errState
	}
	return st, nil
}

// A decoder reads zeros after it met the end.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.b, d.bad = nil, true
		return make([]byte, min(n, 64))
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) skip(n int) {
	if n <= 0 {
		d.b, d.bad = nil, true
		return
	}
	d.b = d.b[n:]
}

func (d *decoder) uvarint() uint64 {
	v, n := binenc.Uvarint(d.b)
	d.skip(n)
	return v
}

func (d *decoder) varint() int64 {
	v, n := binenc.Varint(d.b)
	d.skip(n)
	return v
}

// count reads how many things of at least so many bytes follow.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/size) {
		d.b, d.bad = nil, true
		return 0
	}
	return int(n)
}

func (d *decoder) byte() byte { return d.take(1)[0] }

func (d *decoder) uint16() uint16 { return binenc.LittleEndian.Uint16(d.take(2)) }

func (d *decoder) uint64() uint64 { return binenc.LittleEndian.Uint64(d.take(8)) }

func (d *decoder) text() string { return string(d.take(d.count(1))) }

func (d *decoder) known() known {
	e := known{id: d.uint64(), gist: gist{print: d.uint64(), exact: d.uint64()}}
	copy(e.title[:], d.take(len(e.title)))
	copy(e.text[:], d.take(len(e.text)))
	e.rev, e.seen = uint32(d.uvarint()), d.uint16()
	flags := d.byte()
	e.now, e.telling = flags&flagNow != 0, flags&flagTelling != 0
	if flags&flagMore != 0 {
		h := history{id: string(d.take(int(d.byte()))), held: flags&flagHeld != 0, withdrawn: flags&flagWithdrawn != 0}
		for range d.byte() {
			h.texts = append(h.texts, d.uint64())
		}
		h.returned = d.varint()
		e.more = &h
	}
	return e
}
