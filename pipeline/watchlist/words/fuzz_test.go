package words

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// pieces are what fuzzed texts are put together from.
var pieces = []string{
	"missile", "Transfer", "a", "B", "s", "l", "ß", "é", "e\u0301", "Ł", "ﬁ", "ｗ", "7", "٣", "१", "ракета", "Ё", "й", "и\u0306", "ї", "м'я", "м’я",
	"صاروخ", "ال", "ـ", "ُ", "ی", "\u200c", "ها", "북", "한", "ᄇ", "ᅮ", "ᆨ", "ᅡ", "弾", "道", "ミ", "ﾐ", "ﾞ", "は\u3099", "ー", "ไทย", "กำ", "နိုင်", "កម្ពុជា", "ລາວ",
	" ", "\n", "\n\n", "-", "‐", "–", ".", ".", ",", "'", "’", "`", "·", "・", "/", "。", "、", "\u00ad", "\u200b", "\u202e", "\u00a0", "№", "ª", "²", "½", "_", "@", "?", "«", "」",
	"\xff", "\xe5\xbc", "\x00", "𝔐", "😀", "अ", "ि", "㎞", "㋀", "ﷺ", "\ue000", "\u2029",
}

func textOf(data []byte) string {
	var b strings.Builder
	for _, c := range data {
		b.WriteString(pieces[int(c)%len(pieces)])
	}
	return b.String()
}

func addSeeds(f *testing.F) {
	for _, s := range seeds(400) {
		f.Add(s)
	}
}

func seeds(n int) [][]byte {
	var out [][]byte
	x := uint32(7)
	for range n {
		seed := make([]byte, 1+x>>8%40)
		for i := range seed {
			x = x*1664525 + 1013904223
			seed[i] = byte(x >> 24)
		}
		out = append(out, seed)
	}
	return out
}

// FuzzCut holds that words of any bytes lie on rune boundaries and in order, that
// positions and sentences never go back, and that a folded word folds to itself.
func FuzzCut(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 500 {
			return
		}
		for _, s := range []string{textOf(data), string(data)} {
			x := Cut(s)
			start, end, next := int32(0), int32(0), int32(0)
			for i, w := range x.Words {
				if w.Start < end && (w.Start < start || utf8.RuneCountInString(s[w.Start:end]) != 1) { // but for one sign that is letters of two words
					t.Fatalf("%q: the word %d is %+v, and the one before ends at %d", s, i, w, end)
				}
				if w.End <= w.Start || int(w.End) > len(s) || !boundary(s, w.Start) || !boundary(s, w.End) {
					t.Fatalf("%q: the word %d is %+v", s, i, w)
				}
				if w.At != next || w.Next < w.At || w.Form == "" || Fold(w.Form) != w.Form {
					t.Fatalf("%q: the word %d is %+v, %d half-words before it, folded again %q", s, i, w, next, Fold(w.Form))
				}
				if i > 0 && (x.Sentence(i) < x.Sentence(i-1) || x.Paragraph(i) < x.Paragraph(i-1) || x.Paragraph(i) > x.Sentence(i)) {
					t.Fatalf("%q: sentences go back at the word %d", s, i)
				}
				start, end, next = w.Start, w.End, w.Next
			}
		}
	})
}

func boundary(s string, i int32) bool {
	return int(i) == len(s) || utf8.RuneStart(s[i]) || !utf8.ValidString(s)
}

// A run is a longest piece of a text that is cut by itself.
type run struct {
	text      string
	start     int32
	words     []Word
	left      bool // its first word may be joined to what is before the run
	right     bool // what is after it may be joined to its last word
	dotLeft   bool // a letter and a dot before it are part of its first word
	dotRight  bool
	breaks    bool // nothing Packed is in one phrase with what is before it
	breaksOff bool // nor with what is after it
}

func newRun(text string, start int) run {
	r := run{text: text, start: int32(start), words: Cut(text).Words}
	n := len(r.words)
	if n == 0 {
		return r
	}
	weightless := func(w Word) bool { return w.At == w.Next }
	r.left = weightless(Cut("x-" + text).Words[1])
	r.right = weightless(Cut(text + "-x").Words[n])
	r.dotLeft = len(Cut("x."+text).Words) == n
	r.dotRight = len(Cut(text+".x").Words) == n
	r.breaks = Cut("弾 " + text).Words[1].Broken
	r.breaksOff = Cut(text + " 弾").Words[n].Broken
	return r
}

func runsOf(s string) []run {
	var out []run
	for i := 0; i < len(s); {
		from := i
		for i < len(s) && (s[i] >= 0x80 || s[i] == '\'' || asciiWord[s[i]] != 0) {
			i++
		}
		if from < i {
			out = append(out, newRun(s[from:i], from))
		} else {
			i++
		}
	}
	return out
}

// together puts the words of runs together as the package comment says: what is
// between two decides three things and nothing else.
func together(s string, runs []run) []Word {
	var out []Word
	var before run
	for _, r := range runs {
		if len(r.words) == 0 {
			continue
		}
		ws := slices.Clone(r.words)
		for i := range ws {
			ws[i].Start, ws[i].End = ws[i].Start+r.start, ws[i].End+r.start
		}
		if len(out) > 0 {
			between := s[before.start+int32(len(before.text)) : r.start]
			last := &out[len(out)-1]
			latin := Cut("xx" + between + "yy").Words
			if len(Cut("x"+between+"y").Words) == 1 && before.dotRight && r.dotLeft {
				last.Form, last.End = last.Form+ws[0].Form, ws[0].End
				ws = ws[1:]
			} else if latin[len(latin)-1].At == latin[len(latin)-1].Next && before.right && r.left && ws[0].Next > ws[0].At {
				for i := range ws {
					ws[i].At, ws[i].Next = ws[i].At-2, ws[i].Next-2
				}
				ws[0].At = 0
			}
			if len(ws) > 0 && last.Class == Packed && ws[0].Class == Packed {
				packed := Cut("弾" + between + "弾").Words
				ws[0].Broken = packed[len(packed)-1].Broken || before.breaksOff || r.breaks
			}
			shift := last.Next
			if len(ws) < len(r.words) {
				shift -= 2
			}
			for i := range ws {
				ws[i].At, ws[i].Next = ws[i].At+shift, ws[i].Next+shift
			}
		}
		out = append(out, ws...)
		before = r
	}
	return out
}

// FuzzContext holds that a text is cut as its runs are.
func FuzzContext(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 200 {
			return
		}
		s := textOf(data)
		got, want := Cut(s).Words, together(s, runsOf(s))
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("%q: the word %d is\n%+v, and by its runs\n%+v", s, i, got[i], want[i])
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%q: %d words, and by its runs %d", s, len(got), len(want))
		}
	})
}

// FuzzPatterns holds that the words of a text are found by the same text as a
// query, however it is to be taken, and that no query makes a pattern panic.
func FuzzPatterns(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 60 {
			return
		}
		for _, q := range []string{textOf(data) + "*", "?" + textOf(data), string(data)} {
			for _, how := range []How{{}, {Exact: true}, {Raw: true}, {Stem: "uk"}} {
				ps, err := Patterns(q, how)
				if err == nil && len(ps) == 0 {
					t.Fatalf("%q %+v has no pattern and no error", q, how)
				}
				x := Cut(q)
				for i := range x.Words {
					for _, p := range ps {
						p.Matches(x, i)
					}
				}
			}
		}
		s := strings.NewReplacer("?", " ", "*", " ").Replace(textOf(data))
		for _, how := range []How{{}, {Exact: true}, {Raw: true}, {Stem: "ru"}, {Stem: "en"}} {
			x := Cut(s)
			ps, err := Patterns(s, how)
			if len(x.Words) == 0 {
				continue
			}
			if err != nil || len(ps) != len(x.Words) {
				t.Fatalf("%q %+v has %d words and the patterns %v, %v", s, how, len(x.Words), ps, err)
			}
			for i, p := range ps {
				if !p.Matches(x, i) {
					t.Fatalf("%q %+v: %+v does not find the word %d, %+v", s, how, p, i, x.Words[i])
				}
			}
		}
	})
}
