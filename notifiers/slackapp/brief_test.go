package slackapp

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestWhyStaysBrief: at most maxWhy characters, what is left out is said.
func TestWhyStaysBrief(t *testing.T) {
	for _, n := range []int{1, 10, 49, 50, 51, 60, 5000} {
		var lines []string
		for i := range n {
			lines = append(lines, fmt.Sprintf("%04d %s", i, strings.Repeat("字", 54)))
		}
		text := strings.Join(brief(lines, "ask elsewhere"), "\n")
		if c := utf8.RuneCountInString(text); c > maxWhy || c < min(n*59, maxWhy-100) {
			t.Errorf("%d lines: %d characters", n, c)
		}
		shown := strings.Count(text, "字") / 54
		if left := fmt.Sprintf("… and %d lines more: ask elsewhere", n-shown); (shown < n) != strings.HasSuffix(text, left) {
			t.Errorf("%d lines, %d shown: …%s", n, shown, text[max(0, len(text)-80):])
		}
	}
}
