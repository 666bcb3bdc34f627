package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tocsin"
	"tocsin/pipeline/fold"
	"tocsin/pipeline/watchlist/words"
)

// Material says what makes a revision one that people have to hear of: a number,
// a date, a negation, a name or the signatories changed. It is "" where only
// wording, typography, the time of an update or the frame of a page did.
func Material(was, is tocsin.Item) string {
	var kinds []string
	note := func(kind, before, after string) {
		s := kind
		switch {
		case before != "" && after != "":
			s = fmt.Sprintf("%s changed: %s to %s", kind, before, after)
		case before != "":
			s = fmt.Sprintf("%s left out: %s", kind, before)
		case after != "":
			s = fmt.Sprintf("%s added: %s", kind, after)
		}
		if len(kinds) < maxMaterial && !slices.Contains(kinds, s) {
			kinds = append(kinds, s)
		}
	}
	a, b := fold.FacetsOf(was.Title, was.Text, was.Lang), fold.FacetsOf(is.Title, is.Text, is.Lang)
	if !slices.Equal(a.Signatories, b.Signatories) {
		note("signatories", strings.Join(without(a.Signatories, b.Signatories), " "), strings.Join(without(b.Signatories, a.Signatories), " "))
	}
	for _, text := range [][2]string{{was.Title, is.Title}, {was.Text, is.Text}} {
		materialWords(text[0], text[1], note)
	}
	return strings.Join(kinds, "; ")
}

const maxMaterial = 5 // things that a reason names

func materialWords(was, is string, note func(kind, before, after string)) {
	a, b := strings.Fields(was), strings.Fields(is)
	a, b = a[:min(len(a), diffWords)], b[:min(len(b), diffWords)]
	if len(a) == 0 || len(b) == 0 {
		return // a text that came or went is a frame's doing, not a word's
	}
	for _, e := range edits(a, b) {
		if updateLine(a, e.from, e.to) || updateLine(b, e.at, e.end) {
			continue
		}
		for _, kind := range []struct {
			name string
			of   func(words []string, at int) string
		}{{"number", numberIn}, {"negation", negationIn}, {"name", nameIn}} {
			before, after := bagOf(a, e.from, e.to, kind.of), bagOf(b, e.at, e.end, kind.of)
			gone, come := minus(before, after), minus(after, before)
			if len(gone)+len(come) > 0 {
				note(kind.name, clip(strings.Join(gone, " "), 60), clip(strings.Join(come, " "), 60))
			}
		}
	}
}

func bagOf(words []string, from, to int, of func([]string, int) string) (out []string) {
	for i := from; i < to; i++ {
		if s := of(words, i); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// minus are the words of a that b has not, each as often as it stands there more.
func minus(a, b []string) (out []string) {
	left := map[string]int{}
	for _, s := range b {
		left[s]++
	}
	for _, s := range a {
		if left[s]--; left[s] < 0 {
			out = append(out, s)
		}
	}
	return out
}

// updateLine reports whether words stand in a line that says when a page was
// changed.
func updateLine(words []string, from, to int) bool {
	for i := max(0, from-4); i < min(len(words), to); i++ {
		if updateWords[bare(words[i])] {
			return true
		}
	}
	return false
}

var updateWords = wordSet(`updated modified aktualisiert stand actualizado atualizado aggiornato bijgewerkt zaktualizowano обновлено оновлено
	güncelleme güncellendi 更新 最終更新 업데이트 수정`, `actualisé mis-à-jour تحديث`)

func wordSet(lists ...string) map[string]bool {
	out := map[string]bool{}
	for _, l := range lists {
		for w := range strings.FieldsSeq(l) {
			out[w] = true
		}
	}
	return out
}

// bare is a word in lower case without what stands around it.
func bare(w string) string {
	return strings.ToLower(strings.TrimFunc(w, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) }))
}

// numberIn is the number in a word, its digits as ASCII ones, or the number that
// the word is.
func numberIn(words []string, i int) string {
	var b strings.Builder
	for _, r := range words[i] {
		if unicode.IsDigit(r) {
			b.WriteByte(byte('0' + digitOf(r)))
		}
	}
	if b.Len() > 0 {
		return b.String()
	}
	w := bare(words[i])
	if n, ok := numberWords[w]; ok {
		return n
	}
	if han := hanNumber(words[i]); han != "" {
		return han
	}
	return ""
}

// digitOf is the value of a decimal digit: Unicode keeps those of a script in
// ten places that follow one another.
func digitOf(r rune) rune {
	zero := r
	for range 9 {
		if !unicode.IsDigit(zero - 1) {
			break
		}
		zero--
	}
	return min(r-zero, 9)
}

func hanNumber(w string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("二三四五六七八九十百千万億亿", r) {
			return r
		}
		return -1
	}, w)
}

var numberWords = numbersOf(
	"one two three four five six seven eight nine ten eleven twelve",
	"- deux trois quatre cinq six sept huit neuf dix onze douze",
	"- zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
	"- dos tres cuatro cinco seis siete ocho nueve diez once doce",
	"один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать",
	"одного двух трёх четырёх пяти шести семи восьми девяти десяти одиннадцати двенадцати",
)

func numbersOf(lists ...string) map[string]string {
	out := map[string]string{}
	for _, l := range lists {
		for i, w := range strings.Fields(l) {
			if w != "-" {
				out[w] = fmt.Sprint(i + 1)
			}
		}
	}
	more := map[string]string{"20": "twenty vingt zwanzig veinte двадцать", "30": "thirty trente dreißig treinta тридцать", "100": "hundred cent hundert cien ciento сто", "1000": "thousand mille tausend mil тысяча тысяч"}
	for n, l := range more {
		for w := range strings.FieldsSeq(l) {
			out[w] = n
		}
	}
	return out
}

// negationIn is the word if it denies something, in the languages of
// negations. In scripts without spaces it is looked for within the word.
func negationIn(words []string, i int) string {
	w := bare(words[i])
	if negations[w] || strings.HasSuffix(w, "n't") || strings.HasSuffix(w, "n’t") {
		return w
	}
	for _, n := range []string{"没有", "不", "未", "無", "ない", "ません", "なかった", "않", "못", "아니"} {
		if strings.Contains(w, n) {
			return n
		}
	}
	return ""
}

var negations = wordSet(
	"not no never nor neither without cannot",
	"ne pas jamais ni aucun aucune sans",
	"nicht kein keine keinen keiner keines nie niemals weder ohne",
	"nunca jamás ningún ninguna sin tampoco",
	"non mai né nessun nessuna senza",
	"não nem nenhum nenhuma sem",
	"niet geen nooit noch zonder",
	"nie nigdy ani żaden żadna bez",
	"не ни нет никогда без",
	"ні ніколи немає",
	"değil değildir yok hayır asla hiçbir",
	"لا لم لن ليس ليست غير دون",
	"نه نیست هیچ هرگز بدون",
)

// nameIn is the word if it is written as a name: with a capital inside a
// sentence. Scripts without capitals tell of none.
func nameIn(text []string, i int) string {
	w := strings.TrimFunc(text[i], func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if first, _ := utf8.DecodeRuneInString(w); !unicode.IsUpper(first) {
		return ""
	}
	if w == "" || i == 0 || strings.ContainsAny(text[i-1][len(text[i-1])-1:], ".!?:") {
		return ""
	}
	return words.Fold(strings.ToLower(w)) // a mended accent is no other name
}
