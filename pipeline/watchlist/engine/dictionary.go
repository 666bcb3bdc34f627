package engine

import (
	"slices"
	"strings"
	"unicode/utf8"

	"tocsin/pipeline/watchlist/words"
)

// An entry of the dictionary is a run of at most keySize bytes, capitals of
// ASCII made small, and what it is. An entry of another age is as good as empty.
type entry struct {
	lo, hi uint64
	known
}

// A known run is what the dictionary says of it.
type known struct {
	h   uint64 // the hash of its form, if it is one word
	w   token
	age uint32
}

// A composite is a run that is not one word.
type composite struct {
	from, n     uint32 // its tokens in the matcher's pool
	first       token
	lead, trail bool // something before its first word, or after its last, that no phrase of packed letters goes over
}

// Bounds of what a matcher remembers. Beyond them it forgets everything before
// the next document, and learns the words that are in use again.
const (
	minEntries = 1 << 12
	maxEntries = 1 << 19 // of 32 bytes; three quarters are used
	maxLong    = 1 << 16 // runs longer than a key
	maxRun     = 256     // bytes of a run that is remembered
	maxPool    = 1 << 20 // tokens of composites, and meanings
)

// forget empties the dictionary.
func (m *Matcher) forget() {
	m.entries = 0
	if m.age++; m.age == 0 { // entries of long ago would be valid again
		m.age = 1
		clear(m.table)
		clear(m.longs)
	}
	if len(m.longs) >= maxLong {
		clear(m.longs)
	}
	m.composites = append(m.composites[:0], composite{})
	m.pool, m.hashes = m.pool[:0], m.hashes[:0]
	clear(m.more)
	m.pseudos = append(m.pseudos[:0], 0)
	clear(m.pseudoOf)
	m.meanings = append(m.meanings[:0], 0)
	m.full, m.lost = false, false
}

// entryOf is what a run is.
func (m *Matcher) entryOf(run string, lo, hi, h uint64) known {
	mask := uint64(len(m.table) - 1)
	for at := h >> (m.shift & 63); ; at++ {
		e := &m.table[at&mask]
		if e.age != m.age {
			return m.learn(run, lo, hi)
		}
		if e.lo == lo && e.hi == hi {
			return e.known
		}
	}
}

// learn finds out what a run is, and puts it in the dictionary if there is room.
// Of one that is to be cut into pieces it says tokenMany.
func (m *Matcher) learn(run string, lo, hi uint64) known {
	if !plain(run) {
		if _, ok := split(run, 0, len(run)); ok {
			return known{w: tokenMany}
		}
	}
	w, h := m.resolve(run)
	k := known{h, w, m.age}
	m.enter(entry{lo, hi, k})
	return k
}

func (m *Matcher) enter(e entry) {
	if 4*m.entries >= 3*len(m.table) {
		if len(m.table) >= maxEntries {
			m.full = true
			return
		}
		old := m.table
		m.table = make([]entry, 2*len(old))
		m.shift--
		for _, e := range old {
			if e.age == m.age {
				m.place(e)
			}
		}
	}
	m.place(e)
	m.entries++
}

func (m *Matcher) place(e entry) {
	mask := uint64(len(m.table) - 1)
	at := hashOf(e.lo, e.hi) >> (m.shift & 63)
	for m.table[at&mask].age == m.age {
		at++
	}
	m.table[at&mask] = e
}

// lookup is what a run or a piece of one is, of any length, and the hash of its
// form if it is one word.
func (m *Matcher) lookup(run string) (token, uint64) {
	if len(run) <= keySize {
		lo, hi := keyOf(run)
		k := m.entryOf(run, lo, hi, hashOf(lo, hi))
		return k.w, k.h
	}
	k, ok := m.longs[run]
	if ok && k.age == m.age {
		return k.w, k.h
	}
	w, h := m.resolve(run)
	switch {
	case len(run) > maxRun:
	case ok || len(m.longs) < maxLong:
		m.longs[strings.Clone(run)] = known{h, w, m.age}
	default:
		m.full = true
	}
	return w, h
}

// plain reports whether a run is only ASCII letters and digits: one word, which
// folds to its small letters.
func plain(run string) bool {
	for i := range len(run) {
		if c := run[i]; c >= 0x80 || c == '\'' || c == '`' || c == '.' {
			return false
		}
	}
	return true
}

// resolve finds out what a run is.
func (m *Matcher) resolve(run string) (token, uint64) {
	if plain(run) {
		form := strings.ToLower(run)
		w := m.word(form, words.Spaced)
		if len(run) == 1 && run[0] > '9' {
			w |= tokenSingleL | tokenSingleR
		}
		return w, hashForm(form)
	}
	t := words.Cut(run)
	if len(t.Words) == 1 && t.Words[0].Class != words.Packed && utf8.RuneCountInString(run) > 1 && onlyLetters(run) {
		return m.word(t.Words[0].Form, t.Words[0].Class), hashForm(t.Words[0].Form)
	}
	return m.compose(run, t)
}

// onlyLetters reports whether all runes are letters of scripts in which that is
// plain to see, or ASCII letters and digits.
func onlyLetters(run string) bool {
	for _, r := range run {
		switch {
		case '0' <= r && r <= '9', 'a' <= r|0x20 && r|0x20 <= 'z':
		case 0xC0 <= r && r < 0x0250 && r != 0xD7 && r != 0xF7:
		case 0x0388 <= r && r <= 0x03FF && r != 0x038B && r != 0x038D && r != 0x03A2 && r != 0x03F6:
		case 0x0400 <= r && r <= 0x0481, 0x048A <= r && r <= 0x052F:
		case 0x0620 <= r && r <= 0x063F, 0x0641 <= r && r <= 0x064A:
		case 0xAC00 <= r && r <= 0xD7A3:
		default:
			return false
		}
	}
	return true
}

// compose makes a composite of a run that was cut. What it does beside other
// runs is found by putting it beside some.
func (m *Matcher) compose(run string, t *words.Text) (token, uint64) {
	c := composite{from: uint32(len(m.pool))}
	for i, w := range t.Words {
		tok := m.word(w.Form, w.Class)
		if i > 0 {
			switch {
			case w.Broken:
				m.pool, m.hashes = append(m.pool, tokenBreak), append(m.hashes, 0)
			case w.At == w.Next && w.Class != words.Packed:
				tok |= tokenJoined
			}
			tok |= tokenBegins
		}
		if w.Class == words.Packed {
			tok |= tokenPacked
		}
		m.pool, m.hashes = append(m.pool, tok), append(m.hashes, hashForm(w.Form))
	}
	c.n = uint32(len(m.pool)) - c.from
	if n := len(t.Words); n > 0 {
		m.neighbours(run, n, &m.pool[c.from], &m.pool[c.from+c.n-1])
		after, before := words.Cut("中 "+run).Words, words.Cut(run+" 中").Words
		c.lead, c.trail = after[1].Broken, before[n].Broken
		c.first = m.pool[c.from]
		if n == 1 && c.first&tokenPacked == 0 {
			h := m.hashes[c.from]
			m.pool, m.hashes = m.pool[:c.from], m.hashes[:c.from]
			return c.first, h
		}
	} else {
		c.trail = words.Cut("中" + run + "中").Words[1].Broken
	}
	if len(m.pool) > maxPool {
		m.full = true
	}
	m.composites = append(m.composites, c)
	return tokenMany | token(len(m.composites)-1), 0
}

// neighbours marks the first and the last token of a run of n words with what
// they do beside other runs.
func (m *Matcher) neighbours(run string, n int, first, last *token) {
	if ws := words.Cut("x-" + run).Words; ws[1].At != ws[1].Next {
		*first |= tokenBegins
	}
	if ws := words.Cut(run + "-x").Words; ws[n].At != ws[n].Next {
		*last |= tokenEnds
	}
	if !sameForms(words.Cut("x."+run).Words, words.Cut("x "+run).Words) {
		*first |= tokenSingleR
	}
	if !sameForms(words.Cut(run+".x").Words, words.Cut(run+" x").Words) {
		*last |= tokenSingleL
	}
}

func sameForms(a, b []words.Word) bool {
	return slices.EqualFunc(a, b, func(a, b words.Word) bool { return a.Form == b.Form })
}

// word is the token of a word.
func (m *Matcher) word(form string, class words.Class) token {
	v := &m.index.vocabulary
	n := v.find(key{form: form})
	var w token
	if n != 0 {
		w |= n | token(v.words.get(n).uses)*tokenAlone
		if m.more[n] != 0 {
			return w | tokenMore | tokenAlone
		}
	}
	at := len(m.meanings)
	m.meanings = v.meanings(append(m.meanings, 0), form, class, m.stem)
	count := len(m.meanings) - at - 1
	if count == 0 {
		m.meanings = m.meanings[:at]
		return w
	}
	m.meanings[at] = uint32(count)
	if len(m.meanings) > maxPool {
		m.full = true
	}
	if n != 0 {
		m.more[n] = uint32(at)
		return w | tokenMore | tokenAlone
	}
	return m.pseudo(at) | tokenMore | tokenAlone
}

// pseudo is the number of a word that is nothing but its meanings, those at at:
// the same for all words that mean the same.
func (m *Matcher) pseudo(at int) token {
	m.scratch = m.scratch[:0]
	for _, n := range m.meanings[at:] {
		m.scratch = append(m.scratch, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	}
	if n, ok := m.pseudoOf[string(m.scratch)]; ok {
		m.meanings = m.meanings[:at]
		return n
	}
	n := token(firstPseudo + len(m.pseudos))
	m.pseudos = append(m.pseudos, uint32(at))
	m.strange.grow(len(m.pseudos) + 1)
	m.pseudoOf[string(m.scratch)] = n
	if len(m.pseudos) >= firstPseudo-1 {
		m.full, m.lost = true, true
	}
	return n & tokenNumber
}

// meaningsOf are the wordSymbols besides its own that a token stands for.
func (m *Matcher) meaningsOf(w token) []uint32 {
	n := w & tokenNumber
	at := uint32(0)
	if n >= firstPseudo {
		at = m.pseudos[n-firstPseudo]
	} else {
		at = m.more[n]
	}
	return m.meanings[at+1:][:m.meanings[at]]
}

// stem is a word's stem in a language, or "". To find it takes long, so stems
// are kept longer than the dictionary.
func (m *Matcher) stem(lang, form string) string {
	k := stemKey{lang, form}
	if s, ok := m.stems[k]; ok {
		return s
	}
	s, _ := words.Stem(lang, form)
	if len(m.stems) >= maxStems {
		clear(m.stems)
	}
	if len(form) <= maxRun {
		m.stems[stemKey{lang, strings.Clone(form)}] = s
	}
	return s
}

type stemKey struct{ lang, form string }

// maxStems is how many stems are kept.
const maxStems = 1 << 18
