package fold

import "unicode/utf8"

// skeleton is the consonants of a folded word as Latin letters, by which a name
// is the same in several scripts: Zelensky, Зеленский and ゼレンスキー are slns.
// It is at most 4 letters long, because endings follow, and "" for a word with
// fewer than 3 consonants.
func skeleton(form string) string {
	var buf [4]byte
	n := 0
	for _, r := range form {
		s := sound(r)
		for i := range len(s) {
			if n > 0 && buf[n-1] == s[i] {
				continue
			}
			if n == len(buf) {
				return string(buf[:])
			}
			buf[n] = s[i]
			n++
		}
	}
	if n < 3 {
		return ""
	}
	return string(buf[:n])
}

// sounds are the consonants of letters, "" of those that are vowels or come and
// go between spellings. Voiced and unvoiced, b and v, l and r are one.
var sounds = func() map[rune]string {
	out := map[rune]string{}
	for letters, s := range map[string]string{
		"bvwpfпбвфβφπ": "p", "ckqgкгґκγχх": "k", "x": "ks", "ξ": "ks",
		"dtтдτδθ": "t", "lлλrрρ": "l", "mмμ": "m", "nнν": "n", "szсзσςζ": "s", "jжшчщц": "s", "ψ": "ps",
	} {
		for _, r := range letters {
			out[r] = s
		}
	}
	for _, row := range []struct{ kana, s string }{
		{"カキクケコガギグゲゴ", "k"},
		{"サシスセソザジズゼゾ", "s"},
		{"タテトダデド", "t"},
		{"チツヂヅ", "s"},
		{"ナニヌネノン", "n"},
		{"バビブベボパピプペポヴフファ", "p"},
		{"マミムメモ", "m"},
		{"ラリルレロ", "l"},
		{"ァアイウエオィゥェォヤユヨャュョッーハヒヘホワ", ""},
	} {
		for _, r := range row.kana {
			out[r] = row.s
		}
	}
	return out
}()

// sound is what a letter is heard as.
func sound(r rune) string {
	if r >= 0xAC00 && r <= 0xD7A3 {
		return syllable(r)
	}
	return sounds[r]
}

// syllable is the consonants of a letter of Hangul.
func syllable(r rune) string {
	initial := [...]string{"k", "k", "n", "t", "t", "l", "m", "p", "p", "s", "s", "", "s", "s", "s", "k", "t", "p", ""}
	final := [...]string{"", "k", "k", "k", "n", "n", "n", "t", "l", "l", "l", "l", "l", "l", "l", "l", "m", "p", "p", "s", "s", "n", "s", "s", "k", "t", "p", ""}
	i := int(r - 0xAC00)
	return initial[i/588] + final[i%28]
}

// isKana reports whether a folded word of one letter is katakana, which Japanese
// writes foreign names in.
func isKana(form string) bool {
	r, _ := utf8.DecodeRuneInString(form)
	return r >= 0x30A1 && r <= 0x30FA || r == 0x30FC
}
