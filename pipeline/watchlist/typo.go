package watchlist

import (
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxName is how many bytes a name may have for which a likely one is looked for.
const maxName = 32

// nearest is the name that s was probably meant to be, or "".
func nearest(s string, names iter.Seq[string]) string {
	best, least := "", 1+len(s)/3
	for name := range names {
		if len(s) > maxName || len(name) > maxName || max(len(s), len(name))-min(len(s), len(name)) > least {
			continue
		}
		if d := edits(s, name); d < least || d == least && best != "" && name < best {
			best, least = name, d
		}
	}
	return best
}

// edits is how many letters must be changed, added, left out or swapped to make
// b of a. Both have at most maxName bytes.
func edits(a, b string) int {
	var rows [maxName + 1][maxName + 1]int8
	for i := range len(a) + 1 {
		rows[i][0] = int8(i)
	}
	for j := range len(b) + 1 {
		rows[0][j] = int8(j)
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := int8(1)
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return int(rows[len(a)][len(b)])
}

var likeOperator = regexp.MustCompile(`^(\pL{3,8})/(\d{1,6}|[sSpP])$`)

// misspelt are NEAR/n and its like with a letter or two wrong.
func misspelt(l *lexer, w string, pos int) bool {
	m := likeOperator.FindStringSubmatch(w)
	if m == nil || counted.MatchString(w) {
		return false
	}
	name := strings.ToLower(m[1])
	numeric := m[2][0] <= '9'
	meant := nearest(name, slices.Values([]string{"near", "before", "atleast", "first", "same", "onear"}))
	if meant == "" || numeric == (meant == "same") {
		return false
	}
	t := joining(Near, m[2], pos)
	switch meant {
	case "before", "onear":
		t = joining(Before, m[2], pos)
	case "same":
		t = joining(SameSentence, "", pos)
		if strings.EqualFold(m[2], "p") {
			t.op = SameParagraph
		}
	case "atleast", "first":
		t = function(meant, m[2], pos)
	}
	if t.kind == joinToken {
		t.fault = "there is no " + w + ": did you mean " + operator(t.op, t.n) + "?"
		l.join(t)
		return true
	}
	t.fault = "there is no " + w + ": did you mean " + strings.ToUpper(meant) + "/" + strconv.Itoa(t.n) + "?"
	l.add(t)
	return true
}

// otherBooleans are AND, OR and NOT misspelt, and as other languages have them.
var otherBooleans = map[string]tokenKind{
	"ADN": andToken, "NAD": andToken, "ANDD": andToken, "AAND": andToken, "ANND": andToken, "ORR": orToken, "OOR": orToken,
	"NTO": notToken, "ONT": notToken, "NOTT": notToken,
	"UND": andToken, "ET": andToken, "ODER": orToken, "OU": orToken, "И": andToken, "ИЛИ": orToken,
	"EXCEPT": notToken, "SAUF": notToken, "WITHOUT": notToken, "НЕ": notToken,
}

// operatorsMisspelt refuses words in capitals between operands that can only be
// meant for an operator.
func operatorsMisspelt(toks []token) []token {
	for i := 1; i+1 < len(toks); i++ {
		t := &toks[i]
		if t.kind != wordToken || t.fault != "" || t.mark != "" || !toks[i-1].ends() || !toks[i+1].begins() {
			continue
		}
		if kind := otherBooleans[t.text]; kind != eof {
			t.kind, t.fault = kind, "there is no "+t.text+" here: did you mean "+kind.String()+"?"
		}
	}
	return toks
}
