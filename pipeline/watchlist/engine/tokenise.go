package engine

import (
	"hash/maphash"
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

// A token is a word of the document: its number, or that of its meanings, and
// what is known of it.
type token = uint32

const (
	tokenAlone   token = 1 << (21 + iota) // it is asked for, by itself or for its meanings
	tokenMore                             // it has meanings besides its symbol
	tokenSingleL                          // a letter that a dot and another may follow: U.S.
	tokenSingleR                          // a letter that may follow such a dot
	tokenPacked                           // see words.Packed
	tokenJoined                           // counts nothing: it is joined to the token before in its run
	tokenEnds                             // something in its run follows it, so that nothing joins to it
	tokenBegins                           // something in its run comes before it
	tokenMany                             // a run that is not one word: the number of a composite
	tokenRaw                              // a run of ASCII letters and digits not looked up yet: its length

	tokenNumber = 1<<21 - 1
	firstPseudo = 1 << 20 // numbers from here on are of words that have meanings and no symbol

	// tokenBreak stands between words that no phrase goes over.
	tokenBreak = tokenJoined
)

// Eight bytes at a time.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
	lows  = 0x7F * ones
)

// letters marks in its low eight bits which of eight bytes belong to runs: ASCII
// letters and digits, and all bytes from 0x80 on.
func letters(x uint64) uint64 {
	y := x & lows
	z := y | 0x20*ones
	letter := (z + (0x80-'a')*ones) &^ (z + (0x80-'z'-1)*ones)
	digit := (y + (0x80-'0')*ones) &^ (y + (0x80-'9'-1)*ones)
	return ((letter | digit | x) & highs >> 7) * 0x0102040810204080 >> 56
}

// load is the eight bytes at p, the first the lowest.
func load(p unsafe.Pointer, at uintptr) uint64 {
	b := (*[8]byte)(unsafe.Add(p, at))
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// letters64 marks which of the 64 bytes at p belong to runs.
func letters64(p unsafe.Pointer) uint64 {
	return letters(load(p, 0)) | letters(load(p, 8))<<8 | letters(load(p, 16))<<16 | letters(load(p, 24))<<24 |
		letters(load(p, 32))<<32 | letters(load(p, 40))<<40 | letters(load(p, 48))<<48 | letters(load(p, 56))<<56
}

const (
	chunk   = 8  // blocks of 64 bytes that are cut at a time
	keySize = 16 // bytes of a run that are its key as they stand
)

// A cell is a token and, in its upper half, where the run begins that it is of.
type cell uint64

func (c cell) token() token { return token(c) }
func (c cell) start() int   { return int(c >> 32) }

func cellOf(w token, s int) cell { return cell(w) | cell(s)<<32 }

// scan cuts a field into tokens, which it adds to those of the document behind
// a break.
func (m *Matcher) scan(text string) {
	m.room(1)
	m.push(tokenBreak, 0, 0)
	m.last, m.lastLength, m.slowAt, m.skip = -1, 0, -1, 0
	n, carry := 0, uint64(0)
	for base := 0; base < len(text); base += 64 * chunk {
		n, carry = m.turns(text, base, n, carry)
		if base+64*chunk >= len(text) {
			m.edges[n] = uint32(len(text)) // where the last run ends if it has no end yet
			n = (n + 1) &^ 1
		}
		n = m.runs(text, m.edges[:n])
	}
}

// turns writes where runs begin and end in the chunk from base on, the first
// behind n edges that are there.
func (m *Matcher) turns(text string, base, n int, carry uint64) (int, uint64) {
	p := unsafe.Pointer(unsafe.StringData(text))
	edges := &m.edges
	for end := min(base+64*chunk, len(text)); base < end; base += 64 {
		var mask uint64
		if base+64 <= len(text) {
			mask = letters64(unsafe.Add(p, base)) // 64 bytes inside text
		} else {
			var tail [64]byte
			copy(tail[:], text[base:])
			mask = letters64(unsafe.Pointer(&tail))
		}
		turns := mask ^ (mask<<1 | carry)
		carry = mask >> 63
		// Four at a time, of which some may be too many and are overwritten: fewer
		// branches that cannot be foreseen.
		to := (*[64]uint32)(edges[n:])
		count := bits.OnesCount64(turns)
		for i := 0; i < count; i += 4 {
			to[i&63] = uint32(base + bits.TrailingZeros64(turns))
			turns &= turns - 1
			to[(i+1)&63] = uint32(base + bits.TrailingZeros64(turns))
			turns &= turns - 1
			to[(i+2)&63] = uint32(base + bits.TrailingZeros64(turns))
			turns &= turns - 1
			to[(i+3)&63] = uint32(base + bits.TrailingZeros64(turns))
			turns &= turns - 1
		}
		n += count
	}
	return n, carry
}

// keyMasks are what a key of so many bytes keeps of sixteen.
var keyMasks = func() (masks [keySize + 1][2]uint64) {
	for n := range masks {
		for i := range n {
			masks[n][i/8] |= 0xFF << (i % 8 * 8)
		}
	}
	return masks
}()

// lower makes letters among eight bytes of a run small and leaves the others:
// ASCII digits and apostrophes have the bit already, bytes from 0x80 on do not
// get it.
func lower(x uint64) uint64 { return x | (^x & highs >> 2) }

var seeds = [2]uint64{maphash.String(maphash.MakeSeed(), "lo"), maphash.String(maphash.MakeSeed(), "hi")}

// hashOf mixes a key with what nobody outside knows.
func hashOf(lo, hi uint64) uint64 {
	a, b := bits.Mul64(lo^seeds[0], hi^seeds[1])
	return a ^ b
}

// A span is where a run begins and ends.
type span struct{ from, to uint32 }

// runs adds the runs that begin and end at edges. If the last has no end yet,
// its beginning is put first and 1 returned.
func (m *Matcher) runs(text string, edges []uint32) int {
	spans := unsafe.Slice((*span)(unsafe.Pointer(&m.edges)), len(edges)/2) // two edges each
	for len(spans) > 0 {
		if int(spans[0].from) < m.skip {
			spans = spans[1:]
			continue
		}
		m.room(len(spans) + 1)
		n := easy(text, spans, m.cells[m.k:], m.forms[m.k:], m.lastLength)
		if n > 0 {
			m.k += n
			m.last = int(spans[n-1].to)
			m.lastLength = uint(spans[n-1].to - spans[n-1].from)
		}
		if n < len(spans) {
			s := spans[n]
			m.last = m.slow(text, int(s.from), int(s.to), m.last)
			m.lastLength = uint(m.cells[m.k-1] / cell(tokenSingleL) & 1)
			n++
		}
		spans = spans[n:]
	}
	if len(edges)&1 != 0 {
		m.edges[0] = edges[len(edges)-1]
		return 1
	}
	return 0
}

// easy adds runs of up to sixteen ASCII letters and digits, which it only
// hashes: most are of no interest. It stops before a run about which there is
// more to say, and returns how many it added.
func easy(text string, spans []span, cells []cell, forms []uint64, lastLength uint) int {
	p := unsafe.Pointer(unsafe.StringData(text))
	cells, forms = cells[:len(spans)], forms[:len(spans)]
	limit := len(text) - keySize - 1 // a run that begins before has all that is loaded here inside text
	for i, s := range spans {
		length := uint(s.to - s.from)
		if length > keySize || int(s.from) >= limit || length|lastLength == 1 {
			return i
		}
		after := (*[2]byte)(unsafe.Add(p, uintptr(s.to)))
		if apostrophe(after[0]) && inRun(after[1]) {
			return i
		}
		lo := lower(load(p, uintptr(s.from))) & keyMasks[length][0]
		hi := lower(load(p, uintptr(s.from)+8)) & keyMasks[length][1]
		if (lo|hi)&highs != 0 {
			return i
		}
		cells[i], forms[i] = cellOf(tokenRaw|token(length), int(s.from)), hashOf(lo, hi)
		lastLength = length
	}
	return len(spans)
}

func apostrophe(c byte) bool { return c == '\'' || c == '`' }

// slow adds the words of a run about which there is more to say, and returns
// where it ended.
func (m *Matcher) slow(text string, s, end, last int) int {
	for end < len(text) && apostrophe(text[end]) && end+1 < len(text) && inRun(text[end+1]) {
		for end++; end < len(text) && inRun(text[end]); {
			end++
		}
	}
	m.skip = m.long(text, s, end, last)
	return m.skip
}

// inRun reports whether c belongs to runs, wherever it stands.
func inRun(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80
}

// keyOf is the key of a run of at most keySize bytes.
func keyOf(run string) (lo, hi uint64) {
	lo, hi = ends(run)
	return lower(lo) & keyMasks[len(run)][0], lower(hi) & keyMasks[len(run)][1]
}

// hashForm is the hash of a folded word.
func hashForm(form string) uint64 {
	h := uint64(0)
	for ; len(form) > keySize; form = form[keySize:] {
		h = pairHash(h, hashOf(ends(form[:keySize])))
	}
	return h ^ hashOf(ends(form))
}

// pairHash is the hash of two words by theirs.
func pairHash(a, b uint64) uint64 { return bits.RotateLeft64(a, 23) + b }

// ends loads the last bytes of a text.
func ends(s string) (lo, hi uint64) {
	var tail [keySize]byte
	copy(tail[:], s)
	return load(unsafe.Pointer(&tail), 0), load(unsafe.Pointer(&tail), 8)
}

// room makes room for n more tokens.
func (m *Matcher) room(n int) {
	for m.k+n > len(m.cells) {
		more := max(1024, len(m.cells))
		m.cells = append(m.cells, make([]cell, more)...)
		m.forms = append(m.forms, make([]uint64, more)...)
	}
}

// push adds a token, for which there is room, and whose form has the hash h.
func (m *Matcher) push(w token, s int, h uint64) {
	m.cells[m.k], m.forms[m.k] = cellOf(w, s), h
	m.k++
}

// long looks up a run of any length, and returns where it ended.
func (m *Matcher) long(text string, s, end, last int) int {
	if end-s > keySize {
		if _, ok := split(text, s, end); ok {
			return m.pieces(text, s, end, last)
		}
	}
	w, h := m.lookup(text[s:end])
	if w == tokenMany {
		return m.pieces(text, s, end, last)
	}
	return m.put(text, s, end, last, w, h)
}

// pieces looks up the parts of a run that are words whatever stands beside them.
func (m *Matcher) pieces(text string, s, end, last int) int {
	for s < end {
		at, ok := split(text, s, end)
		if !ok {
			at = end
		}
		w, h := m.lookup(text[s:at])
		s = m.put(text, s, at, last, w, h)
		last = s
	}
	return s
}

// put adds the words of a run, after one that ended at last. It returns where
// what it added ended, which is further on if dots join what follows.
func (m *Matcher) put(text string, s, end, last int, w token, h uint64) int {
	first := w
	if w&tokenMany != 0 {
		first = m.composites[w&tokenNumber].first
	}
	before := m.cells[m.k-1]
	prev := before.token()
	if first&tokenSingleR != 0 && m.single(text, before) && s-last == 1 && text[last] == '.' {
		from := before.start()
		if m.k--; m.slowAt == m.k+1 {
			from, m.k = m.slowFrom, m.slowTok
		}
		end = dotted(text, end)
		w, h := m.lookup(text[from:end])
		m.add(from, w, h) // in the place of its parts
		return end
	}
	if prev&tokenPacked != 0 {
		m.broke = m.broke || breaks(text[last:s])
		if first&tokenPacked != 0 && (m.broke || m.composites[w&tokenNumber].lead) {
			m.room(1)
			m.push(tokenBreak, s, 0)
		}
	}
	m.add(s, w, h)
	return end
}

// dotted is where what ends at end, letters with dots between, ends if runs as
// short as a letter that follow after a dot are taken with it. They need not
// belong to it: it is then cut as a whole.
func dotted(text string, end int) int {
	for end+1 < len(text) && text[end] == '.' {
		at := end + 1
		for at < len(text) && at <= end+utf8.UTFMax && inRun(text[at]) {
			at++
		}
		if at == end+1 || at < len(text) && (inRun(text[at]) || apostrophe(text[at])) {
			break
		}
		if _, ok := split(text, end, at); ok {
			break
		}
		end = at
	}
	return end
}

// single reports whether a token is a letter that a dot and another may follow.
func (m *Matcher) single(text string, c cell) bool {
	w := c.token()
	return w&tokenSingleL != 0 || w == tokenRaw|1 && text[c.start()] > '9'
}

// add adds the words of a run that begins at s.
func (m *Matcher) add(s int, w token, h uint64) {
	m.slowFrom, m.slowTok = s, m.k
	if w&tokenMany == 0 {
		m.room(1)
		m.push(w, s, h)
	} else if c := m.composites[w&tokenNumber]; c.n == 0 {
		at := &m.cells[m.k-1]
		*at = *at&^cell(tokenSingleL) | cell(tokenEnds)
		m.broke = m.broke || c.trail
	} else {
		m.room(int(c.n))
		for i := c.from; i < c.from+c.n; i++ {
			m.push(m.pool[i], s, m.hashes[i])
		}
		m.broke = c.trail
	}
	m.slowAt = m.k
}

// breaks reports whether the ASCII between two runs keeps phrases of packed
// letters apart: all but spaces and hyphens do.
func breaks(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case ' ', '\t', '\n', '\v', '\f', '\r', '-':
		default:
			return true
		}
	}
	return false
}

// find notes which tokens after one, a break, are asked for alone, and which may
// be the second of a phrase. It has no branch that cannot be foreseen.
func (m *Matcher) find(from int) {
	n := m.k - from
	m.pairs, m.alone = grown(m.pairs, n), grown(m.alone, n)
	asked, phrases := m.asked, m.phrases
	pairs, alone := m.pairs[:n], m.alone[:n]
	cells, forms := m.cells[from:m.k], m.forms[from:m.k]
	pn, an, before := 0, 0, forms[0]
	for i := 1; i < len(cells) && i < len(forms); i++ {
		h, w := forms[i], cells[i].token()
		pairs[pn] = uint32(from + i)
		pn += int(phrases.bit(pairHash(before, h)))
		alone[an] = uint32(from + i)
		an += int((w/tokenRaw&uint32(asked.bit(h)) | w/tokenAlone) & 1)
		before = h
	}
	m.pairsN, m.aloneN = pn, an
}

// raw is what a run of ASCII letters and digits is, by its hash.
func (m *Matcher) raw(text string, c cell, h uint64) token {
	s := c.start()
	n := int(c.token() & tokenNumber & (2*keySize - 1))
	var lo, hi uint64
	if s+keySize <= len(text) {
		p := unsafe.Pointer(unsafe.StringData(text))
		lo, hi = load(p, uintptr(s)), load(p, uintptr(s)+8) // inside text
	} else {
		lo, hi = ends(text[s:])
	}
	lo, hi = lower(lo)&keyMasks[n][0], lower(hi)&keyMasks[n][1]
	return m.entryOf(text[s:s+n], lo, hi, h).w
}
