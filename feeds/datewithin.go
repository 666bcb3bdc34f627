package feeds

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A dateToken is a run of digits or of letters in a text.
type dateToken struct {
	start, end int
	number     bool
	month      bool // a word that names one
	joins      bool // a word that may stand within a date
}

func (k dateToken) year() bool { return k.number && k.end-k.start == 4 }

// joining are the words that stand within dates.
var joining = map[string]bool{
	"de": true, "of": true, "del": true, "da": true, "do": true, "d": true, "st": true, "nd": true, "rd": true, "th": true, "er": true, "re": true, "ve": true, "го": true, "е": true,
	"m": true, "gada": true, "ж": true, "年": true, "년": true, "月": true, "월": true, "日": true, "일": true, "令和": true, "平成": true, "民國": true, "中華民國": true,
}

// beforeTime are the words that stand between a date and its time of day.
var beforeTime = map[string]bool{"at": true, "kl": true, "um": true, "à": true, "в": true, "о": true, "t": true, "d": true, "года": true, "г": true}

// within finds the first date in a text that says more, and how it is written
// there. A date is three numbers, or two and a month, with little between them.
func (c *calendar) within(s string) (t time.Time, at string) {
	s = arabicDigits(cutText(s, maxRow))
	digits := 0
	for i := range len(s) {
		if digitAt(s, i) {
			digits++
		}
	}
	if digits < 3 {
		return time.Time{}, ""
	}
	tokens := c.tokens(s)
	for i := range tokens {
		if !tokens[i].number && !tokens[i].month && !tokens[i].joins {
			continue
		}
		if end := dateEnd(s, tokens[i:]); end > 0 {
			for _, stop := range []int{timeEnd(s, tokens[i+end:], tokens[i+end-1].end), tokens[i+end-1].end} {
				at = s[tokens[i].start:stop]
				if t, problem := c.parse(at); problem == "" {
					return t, at
				}
			}
		}
	}
	return time.Time{}, ""
}

func (c *calendar) tokens(s string) (out []dateToken) {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		number := r >= '0' && r <= '9'
		if !number && !unicode.IsLetter(r) {
			i += size
			continue
		}
		end := i
		for end < len(s) {
			r, size := utf8.DecodeRuneInString(s[end:])
			if isDigit := r >= '0' && r <= '9'; isDigit != number || !number && !unicode.IsLetter(r) && !unicode.IsMark(r) {
				break
			}
			end += size
		}
		k := dateToken{start: i, end: end, number: number}
		if !number {
			w := strings.ToLower(s[i:end])
			if k.joins = joining[w]; !k.joins && end-i >= 3 {
				_, _, k.month = monthOf(w, c.lang)
			}
		}
		out = append(out, k)
		i = end
	}
	return out
}

// dateEnd is how many tokens a date takes that begins with the first, or 0.
func dateEnd(s string, tokens []dateToken) int {
	numbers, years, months, bound, named := 0, 0, 0, false, false
	for i, k := range tokens[:min(len(tokens), 8)] {
		if i > 0 {
			gap := s[tokens[i-1].end:k.start]
			if len(gap) > 3 || strings.Trim(gap, " .,/-'’ºª°\u00a0") != "" {
				return 0
			}
			bound = bound || strings.ContainsAny(gap, "./-")
		}
		switch {
		case k.number && k.end-k.start > 4:
			return 0
		case k.number:
			numbers++
			if k.year() {
				years++
			}
		case k.month:
			months++
		case !k.joins:
			return 0
		default:
			r, _ := utf8.DecodeRuneInString(s[k.start:])
			named = named || r >= 0x2e80 // 年
		}
		if years > 1 || months > 1 || numbers > 3 {
			return 0
		}
		if months == 1 && numbers == 2 && years == 1 {
			if next := i + 1; tokens[0].year() && next < len(tokens) && tokens[next].year() && tokens[next].start-k.end <= 2 {
				return 0 // "No. 12/2024 of 9 January 2024"
			}
			return i + 1
		}
		if months == 0 && numbers == 3 && (named || bound && (years == 1 || k.end-k.start == 2)) {
			return i + 1
		}
	}
	return 0
}

// timeEnd is where the time of day ends that follows a date which ends at from;
// it is from if none does.
func timeEnd(s string, tokens []dateToken, from int) int {
	for i, k := range tokens[:min(len(tokens), 4)] {
		before := from
		if i > 0 {
			before = tokens[i-1].end
		}
		if k.start-before > 5 || strings.ContainsAny(s[before:k.start], "+:;()") {
			return from
		}
		if k.number && k.end < len(s) && s[k.end] == ':' && digitAt(s, k.end+1) {
			end := k.end
			for end < len(s) && (digitAt(s, end) || strings.IndexByte(":.+-", s[end]) >= 0 && digitAt(s, end+1)) {
				end++
			}
			for _, zone := range []string{"Z", " GMT", " UTC", " AM", " PM", " am", " pm", "AM", "PM", "am", "pm", " a.m.", " p.m."} {
				if strings.HasPrefix(s[end:], zone) && !letterAt(s, end+len(zone)) {
					return end + len(zone)
				}
			}
			return end
		}
		if w := strings.ToLower(s[k.start:k.end]); k.number || !beforeTime[w] && !k.joins {
			return from
		}
	}
	return from
}
