package slackapp

import (
	"fmt"
	"unicode/utf8"
)

// maxWhy is how many characters an answer of why has at most: nobody reads more in a
// channel.
const maxWhy = 3000

// brief is as many of the lines as an answer of maxWhy characters holds, and how all
// can be seen where some are left out.
func brief(lines []string, all string) []string {
	left := func(n int) string { return fmt.Sprintf("… and %d lines more: %s", n, all) }
	room := maxWhy
	for i, l := range lines {
		room -= utf8.RuneCountInString(l) + 1
		if room >= utf8.RuneCountInString(left(len(lines))) {
			continue
		}
		fits := room >= 0 && i == len(lines)-1
		if !fits {
			return append(lines[:i:i], left(len(lines)-i))
		}
	}
	return lines
}
