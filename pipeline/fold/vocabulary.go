package fold

import (
	"embed"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"tocsin/pipeline/watchlist/words"
)

// The vocabulary is tables of concepts: one a line, its id and, parted by tabs,
// its terms in the languages of the head line, parted by bars. A word that ends
// in a star is the beginning of one, a word that begins with one stands anywhere
// in a compound. The language "*" is every language. Hangul is the beginning of a word in any case, and letters of
// Han and kana are found anywhere. docs/alerts.md shows how to add to them.
//
//go:embed vocabulary/*.tsv
var tables embed.FS

// A kind of concept is the table that it is from.
type kind uint8

const (
	subject      kind = iota // security.tsv, affairs.tsv: what statements are about
	country                  // countries.tsv: by its name
	people                   // peoples.tsv: by an adjective, its people or its capital; the ids are those of countries
	place                    // places.tsv
	organisation             // organisations.tsv
	system                   // systems.tsv: named weapons
	month                    // months.tsv, m01 to m12
	numeral                  // numerals.tsv: n48, n1000
)

var tableKinds = map[string]kind{
	"security.tsv": subject, "affairs.tsv": subject, "countries.tsv": country, "peoples.tsv": people,
	"places.tsv": place, "organisations.tsv": organisation, "systems.tsv": system, "months.tsv": month, "numerals.tsv": numeral,
}

// A concept is what terms of several languages mean.
type concept struct {
	id   string
	kind kind
	slot slot // by which sketches hold it
	n    int  // of a month or numeral
}

// A term is one way to write a concept.
type term struct {
	*concept
	langs uint32 // bits of columns
	words []stem
	size  int  // bytes of all words: the longest wins
	caps  bool // it is an abbreviation: US, not us
}

// A stem is a word of a term.
type stem struct {
	form  string
	begin bool // it begins the word
}

func (s stem) is(form string) bool {
	return form == s.form || s.begin && strings.HasPrefix(form, s.form)
}

// A vocabulary finds terms by their first word.
type vocabulary struct {
	columns map[string]uint32 // language -> bit
	starts  map[string][]term // first word, or its beginning -> terms, the longest first
	lengths map[string]uint64 // two letters -> bits: how many bytes first words have that begin so
	inside  map[string][]term // first four letters of what stands within compounds
}

var terms = sync.OnceValue(func() *vocabulary {
	v := &vocabulary{columns: map[string]uint32{}, starts: map[string][]term{}, lengths: map[string]uint64{}, inside: map[string][]term{}}
	known := map[string]*concept{}
	for _, name := range slices.Sorted(maps.Keys(tableKinds)) {
		data, err := tables.ReadFile("vocabulary/" + name)
		if err == nil {
			err = v.read(string(data), tableKinds[name], known)
		}
		if err != nil {
			panic(fmt.Sprintf("fold: %s: %v", name, err)) // a test reads the tables
		}
	}
	for _, index := range []map[string][]term{v.starts, v.inside} {
		for _, ts := range index {
			slices.SortStableFunc(ts, func(a, b term) int { return b.size - a.size })
		}
	}
	return v
})

// read adds a table.
func (v *vocabulary) read(table string, k kind, known map[string]*concept) error {
	head, rest, _ := strings.Cut(table, "\n")
	var columns []uint32
	for _, lang := range strings.Split(head, "\t")[1:] {
		columns = append(columns, v.bit(lang))
	}
	for n, line := range strings.Split(rest, "\n") {
		if line == "" {
			continue
		}
		cells := strings.Split(line, "\t")
		if len(cells) != len(columns)+1 || cells[0] == "" {
			return fmt.Errorf("line %d has %d cells, want %d", n+2, len(cells), len(columns)+1)
		}
		c, err := conceptOf(cells[0], k, known)
		if err != nil {
			return fmt.Errorf("line %d: %w", n+2, err)
		}
		for i, cell := range cells[1:] {
			for t := range strings.SplitSeq(cell, "|") {
				v.add(c, columns[i], strings.TrimSpace(t))
			}
		}
	}
	return nil
}

// bit stands for a language, "*" for all.
func (v *vocabulary) bit(lang string) uint32 {
	if lang == "*" {
		return ^uint32(0)
	}
	if v.columns[lang] == 0 {
		v.columns[lang] = 1 << len(v.columns)
	}
	return v.columns[lang]
}

// conceptOf makes a concept. A people has the slot of its country.
func conceptOf(id string, k kind, known map[string]*concept) (*concept, error) {
	key := fmt.Sprint(k, id)
	if c := known[key]; c != nil {
		return c, nil
	}
	c := &concept{id: id, kind: k}
	switch k {
	case month, numeral:
		if _, err := fmt.Sscanf(id[1:], "%d", &c.n); err != nil {
			return nil, fmt.Errorf("id %q holds no number", id)
		}
	case subject:
		c.slot = slotOf(topic, id)
	default:
		c.slot = slotOf(entity, id)
	}
	known[key] = c
	return c, nil
}

// add adds a term of one language.
func (v *vocabulary) add(c *concept, lang uint32, text string) {
	within := strings.HasPrefix(text, "*")
	t := term{concept: c, langs: lang, caps: abbreviates(text)}
	for part := range strings.FieldsSeq(text) {
		open := strings.HasSuffix(part, "*")
		cut := words.Cut(strings.Trim(part, "*")).Words
		for i, w := range cut {
			last := i == len(cut)-1
			t.words = append(t.words, stem{w.Form, last && (open || w.Class == words.Hangul)})
			t.size += len(w.Form)
		}
	}
	switch {
	case len(t.words) == 0:
	case within && len(t.words) == 1 && utf8.RuneCountInString(t.words[0].form) >= 4:
		key := beginning(t.words[0].form, 4)
		v.inside[key] = append(v.inside[key], t)
	default:
		key := t.words[0].form
		if len(key) > 63 {
			return // no word of a table is as long
		}
		for i, other := range v.starts[key] {
			if other.concept == c && slices.Equal(other.words, t.words) {
				v.starts[key][i].langs |= lang
				return
			}
		}
		v.lengths[beginning(key, 2)] |= 1 << len(key)
		v.starts[key] = append(v.starts[key], t)
	}
}

// abbreviates reports whether a term is capital letters, few enough to be
// another word in small ones.
func abbreviates(text string) bool {
	n := 0
	for _, r := range text {
		if unicode.IsLower(r) || unicode.Is(unicode.Lo, r) || r == ' ' {
			return false
		}
		n++
	}
	return n <= 6
}

// beginning is the first n runes of s, or s if it has fewer.
func beginning(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// A hit is a term that stands in a text.
type hit struct {
	*concept
	at, end int // words [at, end)
}

// find finds the terms of a text in a language, "" if that is unknown, in order.
// The longest wins, and nothing is found within another.
func (v *vocabulary) find(t *words.Text, lang string) []hit {
	s := search{v: v, text: t, langs: v.columns[lang]}
	if s.langs == 0 {
		s.langs, s.strict = ^uint32(0), true
	}
	var out []hit
	for i := 0; i < len(t.Words); {
		best, n := s.at(i)
		if best == nil {
			i++
			continue
		}
		out = append(out, hit{best, i, i + n})
		i += n
	}
	return out
}

// A search is for the terms of one text.
type search struct {
	v      *vocabulary
	text   *words.Text
	langs  uint32
	strict bool // the language is unknown: short terms may be words of another
}

// at is the longest term that begins with the word i, and how many words it has.
func (s search) at(i int) (*concept, int) {
	w := s.text.Words[i]
	if attaches(w) {
		for _, form := range words.Cores(w.Form) {
			if c, n := s.from(form, i); c != nil {
				return c, n
			}
		}
		return nil, 0
	}
	if c, n := s.from(w.Form, i); c != nil {
		return c, n
	}
	return s.within(w)
}

// attaches reports whether a word may have others attached, see words.Cores.
func attaches(w words.Word) bool {
	r, _ := utf8.DecodeRuneInString(w.Form)
	return r >= 0x0590 && r < 0x0700
}

// from is the longest term whose first word is form, which stands at the word i.
func (s search) from(form string, i int) (*concept, int) {
	var best *concept
	size, n := 0, 0
	for lengths := s.v.lengths[beginning(form, 2)]; lengths != 0; {
		l := bits.Len64(lengths) - 1 // the longest first
		lengths &^= 1 << l
		if l > len(form) {
			continue
		}
		for _, t := range s.v.starts[form[:l]] {
			if t.size > size && t.langs&s.langs != 0 && !(s.strict && t.size < 5) && (t.words[0].begin || l == len(form)) && s.follows(t, i) {
				best, size, n = t.concept, t.size, len(t.words)
			}
		}
	}
	return best, n
}

// follows reports whether a term stands at the word i, given that its first word
// does.
func (s search) follows(t term, i int) bool {
	ws := s.text.Words
	if len(t.words) > len(ws)-i || t.caps && ws[i].Class == words.Spaced && !shouted(s.text, i) {
		return false
	}
	for j := 1; j < len(t.words); j++ {
		part, w := t.words[j], ws[i+j]
		if w.Broken || !part.is(w.Form) && !(attaches(w) && slices.ContainsFunc(words.Cores(w.Form), part.is)) {
			return false
		}
	}
	return true
}

// maxCompound is how many bytes a word may have in which concepts are looked for.
const maxCompound = 60

// within is the longest concept that stands inside a compound.
func (s search) within(w words.Word) (*concept, int) {
	if s.strict || w.Class != words.Spaced || len(w.Form) < 8 || len(w.Form) > maxCompound {
		return nil, 0
	}
	var best *concept
	size := 0
	for i := 2; i+4 <= len(w.Form); i++ {
		for _, t := range s.v.inside[w.Form[i:i+4]] {
			if t.langs&s.langs != 0 && t.size > size && strings.HasPrefix(w.Form[i:], t.words[0].form) {
				best, size = t.concept, t.size
			}
		}
	}
	if best == nil {
		return nil, 0
	}
	return best, 1
}
