package engine

import (
	"hash/maphash"
	"strings"
	"unicode/utf8"

	"tocsin/pipeline/watchlist/words"
)

// A symbol is what a word of a text, or a run of them, can be: twice the number
// of a wordSymbol, or one more than twice that of a phraseSymbol. Symbols 0 and
// 1 are none.
type symbol uint32

func wordOf(n uint32) symbol   { return symbol(n << 1) }
func phraseOf(n uint32) symbol { return symbol(n<<1 | 1) }

func (s symbol) phrase() bool { return s&1 != 0 }
func (s symbol) n() uint32    { return uint32(s >> 1) }

// kind says what a wordSymbol's form means.
type kind uint8

const (
	closed  kind = iota // the folded word is it: the only kind that phrases of the trie are made of
	open                // it, or it with what particles or clitics attach
	prefix              // the word begins with it
	glob                // the word fits it
	stemmed             // the word's stem, in lang, is it
	value               // not a word: a value of the document, field and glob with a zero byte between
	shared              // not a word: a node of programs, its code four bytes a word
	kinds
)

// A key tells wordSymbols apart.
type key struct {
	kind  kind
	plain bool // of prefix and glob: not through what is attached
	class words.Class
	lang  uint8 // of stemmed: from 1, see vocabulary.langs
	form  string
}

// A wordSymbol is one way in which queries name a word.
type wordSymbol struct {
	form string
	refs uint32 // uses by rules
	out  out    // what follows where it is found
	kind kind
	lang uint8
	misc uint8 // plain | class<<1
	uses uint8 // usedAlone
}

func (w wordSymbol) key() key {
	return key{w.kind, w.misc&1 != 0, words.Class(w.misc >> 1), w.lang, w.form}
}

// What a wordSymbol is used for besides phrases.
const usedAlone = 1 // a program asks for it, or a rule follows from it

// A link is a number by the upper half of a hash.
type link uint64

func linkTo(h uint64, n uint32) link { return link(h&^(1<<32-1) | uint64(n)) }

func (l link) hash() uint64 { return uint64(l) >> 32 * mix }
func (l link) n() uint32    { return uint32(l) }

// mix spreads small differences over the upper bits of a product.
const mix = 0x9E3779B97F4A7C15

// A vocabulary is the words and patterns that rules ask for. Its versions share
// what is equal.
type vocabulary struct {
	words  pages[wordSymbol]
	free   ids
	byKey  table[link]
	langs  []string // of stems, in the order they came: at most as many as words.Stemmers has
	counts [kinds]uint32
	stems  [64]uint32 // of each language
	lens   [maxPrefix + 1]uint32
	long   []uint32 // prefixes longer than maxPrefix: few, and looked at one by one
	grams  table[link]
	globs  pages[[]uint32] // by the number of the gram
	gramID ids
	plain  []uint32 // globs without three bytes in a row
	alone  int      // how many words were let into asked
	asked  filter   // of the closed words used alone that are ASCII letters and digits
	// stamp changes when a word may mean more than before.
	stamp uint64
}

// maxPrefix is the longest prefix, in bytes, that is looked up.
const maxPrefix = 48

func newVocabulary() vocabulary {
	return vocabulary{byKey: newTable[link](), grams: newTable[link](), asked: newFilter(0, 0)}
}

func (v vocabulary) clone() vocabulary {
	v.words, v.free = v.words.clone(), v.free.clone()
	v.byKey, v.grams = v.byKey.clone(), v.grams.clone()
	v.globs, v.gramID = v.globs.clone(), v.gramID.clone()
	v.langs = v.langs[:len(v.langs):len(v.langs)]
	v.long, v.plain = v.long[:len(v.long):len(v.long)], v.plain[:len(v.plain):len(v.plain)]
	return v
}

var seed = maphash.MakeSeed()

func (k key) hash() uint64 {
	h := maphash.String(seed, k.form)
	tail := uint64(k.kind) | uint64(k.class)<<8 | uint64(k.lang)<<16
	if k.plain {
		tail |= 1 << 24
	}
	return h ^ tail*mix
}

// find is the number of a wordSymbol, or 0.
func (v *vocabulary) find(k key) uint32 {
	h := k.hash()
	l := v.byKey.find(linkTo(h, 0).hash(), func(l link) bool {
		return uint64(l)>>32 == h>>32 && v.words.get(l.n()).key() == k
	})
	if l == nil {
		return 0
	}
	return l.n()
}

// keyOf is how the vocabulary holds a pattern. What a pattern says of capitals
// and accents is left to the reference matcher.
func (v *vocabulary) keyOf(p words.Pattern) key {
	k := key{form: p.Form}
	switch p.Kind {
	case words.Exact:
		if !p.Plain && attaches(p) {
			k.kind, k.class = open, p.Class
		}
	case words.Prefix:
		k.kind, k.plain = prefix, p.Plain
	case words.Glob:
		k.kind, k.plain = glob, p.Plain
	case words.Stemmed:
		k.kind, k.lang = stemmed, v.lang(p.Lang)
	}
	return k
}

// attaches reports whether something may be attached to the words p is for. It
// may say so wrongly, which costs a little and changes nothing.
func attaches(p words.Pattern) bool {
	if p.Class == words.Packed {
		return false
	}
	for _, r := range p.Form {
		if r >= 0x0590 {
			return true
		}
	}
	return false
}

// lang is the number of a language of stems.
func (v *vocabulary) lang(name string) uint8 {
	for i, have := range v.langs {
		if have == name {
			return uint8(i + 1)
		}
	}
	v.langs = append(v.langs, name)
	return uint8(len(v.langs))
}

// intern is the number of a wordSymbol, which gets one more reference.
func (v *vocabulary) intern(o owner, k key) uint32 {
	n := v.find(k)
	if n == 0 {
		n = v.free.take(o)
		v.words.grow(n + 1)
		w := wordSymbol{form: strings.Clone(k.form), kind: k.kind, lang: k.lang, misc: uint8(k.class) << 1}
		if k.plain {
			w.misc |= 1
		}
		*v.words.at(o, n) = w
		v.byKey.insert(o, linkTo(k.hash(), n))
		v.counts[k.kind]++
		v.enter(o, n, k)
		v.stamp = uint64(newOwner())
	}
	v.words.at(o, n).refs++
	return n
}

// release takes a reference away; a wordSymbol without any is forgotten.
func (v *vocabulary) release(o owner, n uint32) {
	w := v.words.at(o, n)
	if w.refs--; w.refs > 0 {
		return
	}
	k := w.key()
	v.byKey.remove(o, linkTo(k.hash(), n))
	v.counts[k.kind]--
	v.leave(o, n, k)
	*w = wordSymbol{}
	v.free.give(o, n)
	v.stamp = uint64(newOwner()) // its number may come to mean another word
}

// use notes that a wordSymbol is used alone.
func (v *vocabulary) use(o owner, n uint32) {
	w := v.words.get(n)
	if w.uses&usedAlone != 0 {
		return
	}
	v.words.at(o, n).uses |= usedAlone
	v.stamp = uint64(newOwner())
	if w.kind == closed {
		v.alone++
		v.let(o, w.form)
	}
}

// enter makes a pattern one that words are tried on.
func (v *vocabulary) enter(o owner, n uint32, k key) {
	switch k.kind {
	case stemmed:
		v.stems[k.lang&63]++
	case prefix:
		if len(k.form) > maxPrefix {
			v.long = append(v.long, n)
		} else {
			v.lens[len(k.form)]++
		}
	case open:
		if len(k.form) > maxPrefix {
			v.long = append(v.long, n)
		}
	case glob:
		g := v.gramOf(k.form)
		if g == "" {
			v.plain = append(v.plain, n)
			return
		}
		at := v.gram(g)
		if at == 0 {
			at = v.gramID.take(o)
			v.globs.grow(at + 1)
			v.grams.insert(o, linkTo(gramHash(g), at))
		}
		have := v.globs.get(at)
		*v.globs.at(o, at) = append(have[:len(have):len(have)], n)
	}
}

// let lets a closed word through the filter.
func (v *vocabulary) let(o owner, form string) {
	if v.asked.full(v.alone) {
		v.asked = newFilter(o, v.alone)
		for n := range v.free.n {
			if w := v.words.get(n + 1); w.kind == closed && w.uses&usedAlone != 0 {
				v.pass(o, w.form)
			}
		}
	}
	v.pass(o, form)
}

func (v *vocabulary) pass(o owner, form string) {
	if len(form) <= keySize && plain(form) {
		v.asked.add(o, hashForm(form))
	}
}

// patterns reports whether words may have meanings besides their forms.
func (v *vocabulary) patterns() bool {
	return v.counts[open]+v.counts[prefix]+v.counts[glob]+v.counts[stemmed] > 0
}

func (v *vocabulary) leave(o owner, n uint32, k key) {
	switch k.kind {
	case stemmed:
		v.stems[k.lang&63]--
	case prefix, open:
		if len(k.form) > maxPrefix {
			v.long = without(v.long, n)
		} else if k.kind == prefix {
			v.lens[len(k.form)]--
		}
	case glob:
		v.plain = without(v.plain, n)
		for i := 0; i+3 <= len(k.form); i++ {
			at := v.gram(k.form[i : i+3])
			if at == 0 {
				continue
			}
			rest := without(v.globs.get(at), n)
			*v.globs.at(o, at) = rest
			if len(rest) == 0 {
				v.grams.remove(o, linkTo(gramHash(k.form[i:i+3]), at))
				v.gramID.give(o, at)
			}
		}
	}
}

// without is a copy of list that n is not in.
func without(list []uint32, n uint32) []uint32 {
	var out []uint32
	for i, x := range list {
		if x == n {
			out = append(out, list[:i]...)
			return append(out, list[i+1:]...)
		}
	}
	return list
}

// gramOf is the three bytes of a glob, without wildcards between, that the
// fewest globs are found by, or "".
func (v *vocabulary) gramOf(form string) string {
	best, fewest := "", 0
	for i := 0; i+3 <= len(form); i++ {
		g := form[i : i+3]
		if strings.ContainsAny(g, "*?") {
			continue
		}
		n := 0
		if at := v.gram(g); at != 0 {
			n = len(v.globs.get(at))
		}
		if best == "" || n < fewest {
			best, fewest = g, n
		}
	}
	return best
}

func gramHash(g string) uint64 {
	return uint64(uint32(g[0])|uint32(g[1])<<8|uint32(g[2])<<16) << 32
}

// gram is the number of the globs that are found by three bytes, or 0.
func (v *vocabulary) gram(g string) uint32 {
	h := gramHash(g)
	l := v.grams.find(linkTo(h, 0).hash(), func(l link) bool { return uint64(l)>>32 == h>>32 })
	if l == nil {
		return 0
	}
	return l.n()
}

// meanings appends to out the patterns other than closed ones that a word fits.
// stem knows the stems of words.
func (v *vocabulary) meanings(out []uint32, form string, class words.Class, stem func(lang, form string) string) []uint32 {
	from := len(out)
	out = v.matching(out, form, false)
	if class == words.Hangul {
		out = v.hangul(out, form)
	} else if v.counts[open] > 0 {
		out = v.opens(out, form, class)
	}
	if v.counts[prefix]+v.counts[glob]+v.counts[open] > 0 {
		for _, core := range cores(form) {
			out = v.matching(out, core, true)
			out = v.opens(out, core, class)
		}
	}
	if v.counts[stemmed] > 0 && class == words.Spaced {
		for i, lang := range v.langs {
			if v.stems[(i+1)&63] == 0 {
				continue
			}
			if s := stem(lang, form); s != "" {
				out = add(out, v.find(key{kind: stemmed, lang: uint8(i + 1), form: s}))
			}
		}
	}
	return distinct(out, from)
}

// cores are the other forms that a word stands for.
func cores(form string) []string {
	if r, _ := utf8.DecodeRuneInString(form); r < 0x0590 {
		return nil
	}
	return words.Cores(form)[1:]
}

func add(out []uint32, n uint32) []uint32 {
	if n != 0 {
		out = append(out, n)
	}
	return out
}

// distinct drops what occurs again from out[from:].
func distinct(out []uint32, from int) []uint32 {
	n := from
	for _, x := range out[from:] {
		again := false
		for _, y := range out[from:n] {
			again = again || x == y
		}
		if !again {
			out[n] = x
			n++
		}
	}
	return out[:n]
}

// opens finds the open symbols whose form is form.
func (v *vocabulary) opens(out []uint32, form string, class words.Class) []uint32 {
	for _, c := range [...]words.Class{words.Spaced, words.Hangul} {
		out = add(out, v.find(key{kind: open, class: c, form: form}))
	}
	return out
}

// hangul finds the open symbols that form, a word with particles, begins with.
func (v *vocabulary) hangul(out []uint32, form string) []uint32 {
	if v.counts[open] == 0 {
		return out
	}
	for i := range form {
		if i > 0 && i <= maxPrefix {
			out = add(out, v.find(key{kind: open, class: words.Hangul, form: form[:i]}))
		}
	}
	for _, n := range v.long {
		if w := v.words.get(n); w.kind == open && words.Class(w.misc>>1) == words.Hangul && strings.HasPrefix(form, w.form) {
			out = append(out, n)
		}
	}
	return v.opens(out, form, words.Hangul)
}

// matching finds the prefixes and globs that form fits; of a core those that
// are not plain.
func (v *vocabulary) matching(out []uint32, form string, core bool) []uint32 {
	out = v.prefixes(out, form, core)
	if v.counts[glob] == 0 {
		return out
	}
	for _, n := range v.plain {
		out = v.fits(out, n, form, core)
	}
	tried := make(map[uint32]bool) // a long word may have the same letters again and again
	for i := 0; i+3 <= len(form); i++ {
		if at := v.gram(form[i : i+3]); at != 0 && !tried[at] {
			tried[at] = true
			for _, n := range v.globs.get(at) {
				out = v.fits(out, n, form, core)
			}
		}
	}
	return out
}

func (v *vocabulary) fits(out []uint32, n uint32, form string, core bool) []uint32 {
	w := v.words.get(n)
	if core && w.misc&1 != 0 || !words.Globbed(w.form, form) {
		return out
	}
	return append(out, n)
}

func (v *vocabulary) prefixes(out []uint32, form string, core bool) []uint32 {
	if v.counts[prefix] == 0 {
		return out
	}
	for n := range min(len(form), maxPrefix) + 1 {
		if v.lens[n] == 0 {
			continue
		}
		out = add(out, v.find(key{kind: prefix, form: form[:n]}))
		if !core {
			out = add(out, v.find(key{kind: prefix, plain: true, form: form[:n]}))
		}
	}
	for _, n := range v.long {
		if w := v.words.get(n); w.kind == prefix && (!core || w.misc&1 == 0) && strings.HasPrefix(form, w.form) {
			out = append(out, n)
		}
	}
	return out
}
