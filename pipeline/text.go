package pipeline

import (
	"strings"
	"unicode/utf8"
)

// wordReach is how many bytes an excerpt's edge moves to fall between words.
const wordReach = 40

// wordStart is the start of a word at or a little before i, or else of a rune.
func wordStart(s string, i int) int {
	if i <= 0 {
		return 0
	}
	if j := strings.LastIndexAny(s[max(0, i-wordReach):i], " \n"); j >= 0 {
		return max(0, i-wordReach) + j + 1
	}
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}

// wordEnd is the end of a word at or a little before i, or else of a rune.
func wordEnd(s string, i int) int {
	if i >= len(s) {
		return len(s)
	}
	if j := strings.LastIndexAny(s[max(0, i-wordReach):i], " \n"); j >= 0 {
		return max(0, i-wordReach) + j
	}
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}
