package fold

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"tocsin/pipeline/watchlist/words"
)

// maxText is how many bytes of a title and of a text are read: what comes later tells no
// statement from another.
const maxText = 64 << 10

// A reading is what a text says, in the order it says it.
type reading struct {
	lang           string
	slots          []slot   // each once
	shingles, lead []uint32 // hashes of runs of words, each once; lead are those of the first leadWords
	stems          []uint32 // hashes of the words that say something, each once
	bare           bool     // the text, without its title, names no number, country, organisation or person
}

func readingOf(title, text, lang string) reading {
	title, text = title[:min(len(title), maxText)], text[:min(len(text), maxText)]
	r := reading{lang: words.Language(lang, title+"\n"+text)}
	said := map[slot]bool{}
	for _, part := range []string{title, text} {
		t := words.Cut(part)
		r.says(t, said)
		if len(text) == 0 || part == text {
			r.wording(t)
		}
	}
	return r
}

// says adds the slots of a text.
func (r *reading) says(t *words.Text, said map[slot]bool) {
	add := func(s slot) {
		if !said[s] {
			said[s] = true
			r.slots = append(r.slots, s)
		}
	}
	hits := terms().find(t, r.lang)
	taken := make([][]slot, len(t.Words))
	covered := make([]bool, len(t.Words))
	cover := func(at, end int, s ...slot) {
		taken[at] = s
		for i := at; i < end; i++ {
			covered[i] = true
		}
	}
	codes(t, cover)
	for _, fig := range figuresOf(t, hits) {
		if !covered[fig.at] {
			cover(fig.at, fig.end, fig.slots()...)
		}
	}
	for _, h := range hits {
		if !covered[h.at] && h.kind != month && h.kind != numeral {
			cover(h.at, h.end, h.slot)
		}
	}
	names(t, r.lang, covered, cover)
	r.bare = true
	for _, slots := range taken {
		for _, s := range slots {
			add(s)
			r.bare = r.bare && s.class() == topic
		}
	}
}

// slots of a figure: one, or of a count of countries two that a count of one or
// two more or less shares: reports count 47, 48 or nearly 50.
func (f figure) slots() []slot {
	switch n, _ := strconv.Atoi(f.value); {
	case f.date:
		return []slot{dateSlot(f.month, f.day)}
	case f.states:
		return slices.Compact([]slot{slotOf(name, "states "+strconv.Itoa(n/4)), slotOf(name, "states "+strconv.Itoa((n+2)/4))})
	}
	return []slot{numberSlot(f.value)}
}

// codes covers names of letters and digits: KN-23, С-400, BW120. Letters are
// taken by their sound, so that scripts agree.
func codes(t *words.Text, cover func(at, end int, s ...slot)) {
	for i, w := range t.Words {
		if w.Class != words.Spaced {
			continue
		}
		letters, digits := splitCode(w.Form)
		if letters != "" && digits != "" && len(w.Form) <= 12 && upper(t, i) {
			cover(i, i+1, slotOf(name, "code "+sounding(letters)+digits))
			continue
		}
		if i+1 == len(t.Words) || utf8.RuneCountInString(w.Form) > 4 || !shouted(t, i) {
			continue
		}
		next := t.Words[i+1]
		if joint := t.Source[min(w.End, next.Start):next.Start]; joint != "-" && joint != "‑" && joint != "" {
			continue
		}
		if digits, _ := digitsOf(next.Form); digits != "" {
			cover(i, i+2, slotOf(name, "code "+sounding(w.Form)+digits))
		}
	}
}

// splitCode parts a word into the letters that it begins with and the digits
// that follow.
func splitCode(form string) (letters, digits string) {
	n := 0
	for n < len(form) && (form[n] < '0' || form[n] > '9') {
		n++
	}
	digits, _ = digitsOf(form[n:])
	return form[:n], digits
}

func sounding(form string) string {
	var b []byte
	for _, r := range form {
		if s := sound(r); s != "" {
			b = append(b, s...)
		} else if r < utf8.RuneSelf {
			b = append(b, byte(r))
		}
	}
	return string(b)
}

// upper reports whether the word i begins with a capital letter.
func upper(t *words.Text, i int) bool {
	r, _ := utf8.DecodeRuneInString(t.Source[t.Words[i].Start:])
	return unicode.IsUpper(r)
}

// shouted reports whether the word i is all capitals.
func shouted(t *words.Text, i int) bool {
	for _, r := range t.Source[t.Words[i].Start:t.Words[i].End] {
		if unicode.IsLetter(r) && !unicode.IsUpper(r) {
			return false
		}
	}
	return upper(t, i)
}

// frameWords are what sites write around every text, often with capital letters:
// no names.
var frameWords = func() map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(`javascript cookie cookies browser home homepage menu search news newsroom contact newsletter subscribe
		copyright privacy policy terms accessibility sitemap facebook twitter instagram youtube linkedin telegram whatsapp rss login
		ministry ministère ministerium ministerio ministero ministério ministerie ministerstwo министерство міністерство department
		accept follow share print email download back top media gallery events careers skip page loading related articles read
		accueil recherche actualités contactez mentions légales partager imprimer startseite suche impressum datenschutz kontakt
		barrierefreiheit teilen drucken inicio buscar noticias contacto aviso privacidad compartir cerca notizie contatti condividi
		início pesquisar notícias contato partilhar zoeken nieuws delen szukaj aktualności udostępnij главная поиск новости
		контакты поделиться головна пошук новини контакти поширити anasayfa ara haberler iletişim paylaş`) {
		for _, x := range words.Cut(w).Words {
			out[x.Form] = true
		}
	}
	return out
}()

// names covers what is written like a name: capital letters within a sentence,
// and katakana. German writes all nouns so: there it takes two in a row.
func names(t *words.Text, lang string, covered []bool, cover func(at, end int, s ...slot)) {
	headline := capitals(t)
	for i := 0; i < len(t.Words); i++ {
		w := t.Words[i]
		if covered[i] {
			continue
		}
		if isKana(w.Form) {
			i = katakana(t, i, cover) - 1
			continue
		}
		if w.Class != words.Spaced || !upper(t, i) || words.Function(w.Form) || frameWords[w.Form] {
			continue
		}
		beside := i > 0 && upper(t, i-1) && t.Sentence(i-1) == t.Sentence(i) || i+1 < len(t.Words) && upper(t, i+1) && t.Sentence(i+1) == t.Sentence(i)
		initial := i == 0 || t.Sentence(i-1) != t.Sentence(i)
		if (initial || lang == "de") && !beside || headline {
			continue
		}
		if s := skeleton(w.Form); s != "" {
			cover(i, i+1, slotOf(name, s))
		}
	}
}

// capitals reports whether a text writes most words with capital letters, as
// headlines in English do.
func capitals(t *words.Text) bool {
	n, all := 0, 0
	for i, w := range t.Words[:min(len(t.Words), 200)] {
		if w.Class == words.Spaced && len(w.Form) > 3 {
			all++
			if upper(t, i) {
				n++
			}
		}
	}
	return n*2 > all
}

// katakana covers the run of katakana at the word i and returns its end.
func katakana(t *words.Text, i int, cover func(at, end int, s ...slot)) int {
	run := []byte(t.Words[i].Form)
	end := i + 1
	for end < len(t.Words) && isKana(t.Words[end].Form) && !t.Words[end].Broken {
		run = append(run, t.Words[end].Form...)
		end++
	}
	if s := skeleton(string(run)); s != "" {
		cover(i, end, slotOf(name, s))
	}
	return end
}

// How many words a shingle has, and how many letters of Han or kana.
const (
	shingleWords   = 3
	shingleLetters = 5
	leadWords      = 40
	stemLetters    = 5 // of a word stand for it: endings and compounds follow
)

// wording adds what tells how a text says it.
func (r *reading) wording(t *words.Text) {
	shingles, stems := map[uint32]bool{}, map[uint32]bool{}
	for i, w := range t.Words {
		n := shingleWords
		if w.Class == words.Packed {
			n = shingleLetters
		}
		if i+n <= len(t.Words) {
			h := uint64(n)
			for _, x := range t.Words[i : i+n] {
				h = h*0x9E3779B97F4A7C15 + uint64(hash(x.Form))
			}
			once(&r.shingles, shingles, mix(h))
		}
		if i == leadWords {
			r.lead = append([]uint32(nil), r.shingles...)
		}
		if s := r.stem(t, i); s != "" {
			once(&r.stems, stems, hash(s))
		}
	}
	if len(t.Words) <= leadWords {
		r.lead = r.shingles
	}
}

func once(out *[]uint32, had map[uint32]bool, h uint32) {
	if !had[h] {
		had[h] = true
		*out = append(*out, h)
	}
}

// stem is what the word i says, without its endings, or "": two letters of Han
// or kana, the stem of another word.
func (r *reading) stem(t *words.Text, i int) string {
	w := t.Words[i]
	switch {
	case w.Class == words.Packed:
		if i+1 == len(t.Words) || t.Words[i+1].Broken || t.Words[i+1].Class != words.Packed || isHiragana(w.Form) {
			return ""
		}
		return w.Form + t.Words[i+1].Form
	case utf8.RuneCountInString(w.Form) < 2 || words.Function(w.Form):
		return ""
	case w.Class == words.Hangul:
		return beginning(w.Form, 2)
	}
	if isDigits(w.Form, len(w.Form)) {
		return ""
	}
	cores := words.Cores(w.Form)
	return beginning(cores[len(cores)-1], stemLetters)
}

func isHiragana(form string) bool {
	r, _ := utf8.DecodeRuneInString(form)
	return r >= 0x3041 && r <= 0x309F
}
