package fold

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"tocsin/pipeline/watchlist/words"
)

// A figure is a number or a date that stands in a text.
type figure struct {
	at, end    int    // words [at, end)
	value      string // "48", "3.5", "2500000"; "" of a date
	date       bool
	month, day int  // of a date
	states     bool // so many countries or states
}

// figures finds numbers and dates in digits and in words, in order. Hits tell
// where the names of months and numerals stand.
type figures struct {
	t      *words.Text
	hits   map[int]hit  // by first word
	states map[int]bool // words with which "countries" begins
}

func figuresOf(t *words.Text, hits []hit) []figure {
	f := figures{t: t, hits: map[int]hit{}, states: map[int]bool{}}
	for _, h := range hits {
		switch {
		case h.kind == month || h.kind == numeral:
			f.hits[h.at] = h
		case h.kind == subject && h.id == "states":
			f.states[h.at] = true
		}
	}
	var out []figure
	for i := 0; i < len(t.Words); {
		fig, ok := f.at(i)
		if !ok {
			i++
			continue
		}
		fig.states = f.countsStates(fig)
		out = append(out, fig)
		i = fig.end
	}
	return out
}

// countsStates reports whether a number counts countries: 48 countries, 48 other
// countries, 48国.
func (f figures) countsStates(fig figure) bool {
	n, err := strconv.Atoi(fig.value)
	if err != nil || fig.date || n < 5 || n > 200 {
		return false
	}
	next := f.form(fig.end)
	return f.states[fig.end] || f.states[fig.end+1] && f.between(fig.end+1) == " " || next == "国" || next == "國"
}

// at is the figure that begins with the word i.
func (f figures) at(i int) (figure, bool) {
	if h, ok := f.hits[i]; ok {
		if h.kind == numeral {
			return f.spelt(i), true
		}
		return f.monthFirst(h)
	}
	if fig, ok := f.han(i); ok {
		return f.dated(fig), true
	}
	if digits, _ := digitsOf(f.form(i)); digits == "" {
		return figure{}, false
	}
	if fig, ok := f.numericDate(i); ok {
		return fig, true
	}
	return f.dated(f.number(i)), true
}

func (f figures) form(i int) string {
	if i < 0 || i >= len(f.t.Words) {
		return ""
	}
	return f.t.Words[i].Form
}

// between is what stands between the words i-1 and i.
func (f figures) between(i int) string {
	if i <= 0 || i >= len(f.t.Words) {
		return "\n"
	}
	from, to := f.t.Words[i-1].End, f.t.Words[i].Start
	return f.t.Source[min(from, to):to]
}

// digitsOf are the digits that a word begins with, without leading zeros, and
// what follows them: "1" and "er".
func digitsOf(form string) (digits, rest string) {
	n := 0
	for n < len(form) && '0' <= form[n] && form[n] <= '9' {
		n++
	}
	if n == 0 || n > 15 {
		return "", form
	}
	digits = strings.TrimLeft(form[:n-1], "0") + form[n-1:n]
	return digits, form[n:]
}

// number is a number in digits, with what it is multiplied by.
func (f figures) number(i int) figure {
	value, rest := digitsOf(f.form(i))
	fig := figure{at: i, end: i + 1}
	grouped := len(f.form(i)) <= 3 && rest == ""
	for grouped && isDigits(f.form(fig.end), 3) && strings.Contains(" .,'’\u00a0\u202f\u2009٬", f.between(fig.end)) && len(value) < 13 {
		value += f.form(fig.end)
		fig.end++
	}
	if sep := f.between(fig.end); (sep == "." || sep == "," || sep == "٫") && rest == "" {
		if part := f.form(fig.end); isDigits(part, len(part)) && len(part) <= 3 && fig.end == i+1 {
			value += "." + part
			fig.end++
		}
	}
	fig.value = value
	return f.multiplied(fig, math.MaxFloat64)
}

func isDigits(s string, n int) bool {
	return n > 0 && len(s) == n && strings.Trim(s, "0123456789") == ""
}

// multiples are what Han and Hangul write after a number to multiply it.
var multiples = map[string]float64{"千": 1e3, "万": 1e4, "萬": 1e4, "亿": 1e8, "億": 1e8, "兆": 1e12, "천": 1e3, "만": 1e4, "억": 1e8}

// multiplied takes the thousand, the million or the 万 behind a number to it. One
// that is not below a bound is another number's, and there is no figure.
func (f figures) multiplied(fig figure, below float64) figure {
	by := 0.0
	if h, ok := f.hits[fig.end]; ok && h.kind == numeral && h.n >= 1000 {
		by, fig.end = float64(h.n), h.end
	} else if w := f.form(fig.end); w != "" {
		first := beginning(w, 1)
		if m, ok := multiples[first]; ok && f.between(fig.end) == "" && !strings.HasPrefix(w, "천만") {
			by = m
			fig.end++
		}
	}
	if by == 0 {
		return fig
	}
	if by >= below {
		return figure{}
	}
	if v, err := strconv.ParseFloat(fig.value, 64); err == nil {
		fig.value = strconv.FormatFloat(v*by, 'f', -1, 64)
		// 3億5000万 is one number.
		if next, _ := digitsOf(f.form(fig.end)); next != "" && by >= 1e4 && f.between(fig.end) == "" {
			if low := f.multiplied(figure{at: fig.end, end: fig.end + 1, value: next}, by); low.end > fig.end {
				if l, err := strconv.ParseFloat(low.value, 64); err == nil && l < by {
					fig.value, fig.end = strconv.FormatFloat(v*by+l, 'f', -1, 64), low.end
				}
			}
		}
	}
	return fig
}

// spelt is a number in words.
func (f figures) spelt(i int) figure {
	fig := figure{at: i, end: i}
	total, part := 0.0, 0.0
	for {
		h, ok := f.hits[fig.end]
		if next, joined := f.hits[fig.end+1]; !ok && fig.end > i && joined && next.kind == numeral && isAnd(f.form(fig.end)) {
			h, ok = next, true
		}
		if !ok || h.kind != numeral || fig.end > i && part > 0 && h.n < 100 && (int(part)%100 != 0 && int(part)%100 < 20 && h.n < 20 || int(part)%100 >= 20 && h.n >= 20) {
			break
		}
		switch n := float64(h.n); {
		case h.n >= 1000:
			total, part = total+max(part, 1)*n, 0
		case h.n == 100:
			part = max(part, 1) * n
		default:
			part += n
		}
		fig.end = h.end
	}
	fig.value = strconv.FormatFloat(total+part, 'f', -1, 64)
	return f.dated(fig)
}

func isAnd(form string) bool {
	switch form {
	case "and", "et", "y", "und", "e", "i", "и", "ve", "en", "و":
		return true
	}
	return false
}

// hanDigits are the digits of Han, and hanPlaces what multiplies them.
var (
	hanDigits = map[rune]float64{'〇': 0, '零': 0, '一': 1, '二': 2, '两': 2, '兩': 2, '三': 3, '四': 4, '五': 5, '六': 6, '七': 7, '八': 8, '九': 9}
	hanPlaces = map[rune]float64{'十': 10, '百': 100, '千': 1000, '万': 1e4, '萬': 1e4, '億': 1e8, '亿': 1e8}
)

// han is a number in letters of Han of two or more, or of one before the letter
// for month, day or person: one alone is part of many words.
func (f figures) han(i int) (figure, bool) {
	var total, part, digit float64
	n, places := 0, 0
	for ; i+n < len(f.t.Words); n++ {
		w := f.t.Words[i+n]
		r, size := utf8.DecodeRuneInString(w.Form)
		if w.Class != words.Packed || size != len(w.Form) || n > 0 && w.Broken || n > 12 {
			break
		}
		if d, ok := hanDigits[r]; ok {
			digit = digit*10 + d
			continue
		}
		p, ok := hanPlaces[r]
		if !ok {
			break
		}
		places++
		if p >= 1e4 {
			total, part, digit = total+max(part+digit, 1)*p, 0, 0
		} else {
			part, digit = part+max(digit, 1)*p, 0
		}
	}
	if n == 0 || n == 1 && !strings.Contains("月日人名", f.form(i+1)+"\x00") && !hanCounted(f.form(i+1)) || n == 1 && f.form(i+1) == "" {
		return figure{}, false
	}
	if n == places && n < 2 {
		if p := f.form(i); p != "十" { // 万 or 億 alone is no number
			return figure{}, false
		}
	}
	return figure{at: i, end: i + n, value: strconv.FormatFloat(total+part+digit, 'f', -1, 64)}, true
}

func hanCounted(form string) bool {
	switch form {
	case "月", "日", "人", "名":
		return true
	}
	return false
}

// dated is a number as a date if the name of a month follows it, or the letter
// for month and then a day.
func (f figures) dated(fig figure) figure {
	n, err := strconv.Atoi(fig.value)
	if err != nil || n < 1 || n > 31 {
		return fig
	}
	next := fig.end
	if f.isMonthSign(next) && n <= 12 {
		if day, end := f.day(next + 1); day > 0 {
			return figure{at: fig.at, end: end, date: true, month: n, day: day}
		}
		return fig
	}
	for skip := range 2 {
		if h, ok := f.hits[next+skip]; ok && h.kind == month {
			return figure{at: fig.at, end: h.end, date: true, month: h.n, day: n}
		}
		if !isOf(f.form(next)) {
			break
		}
	}
	return fig
}

func isOf(form string) bool {
	switch form {
	case "de", "di", "of", "do", "ماه":
		return true
	}
	return false
}

func (f figures) isMonthSign(i int) bool {
	w := f.form(i)
	return w == "月" || w == "월"
}

// day is a day of a month at the word i before the letter for day.
func (f figures) day(i int) (day, end int) {
	value, end := "", i+1
	if fig, ok := f.han(i); ok {
		value, end = fig.value, fig.end
	} else if digits, rest := digitsOf(f.form(i)); rest == "" {
		value = digits
	}
	n, err := strconv.Atoi(value)
	if sign := f.form(end); err != nil || n < 1 || n > 31 || sign != "日" && sign != "号" && sign != "號" && !strings.HasPrefix(sign, "일") {
		return 0, 0
	}
	return n, end + 1
}

// monthFirst is a date that begins with the name of its month: December 30.
func (f figures) monthFirst(h hit) (figure, bool) {
	digits, _ := digitsOf(f.form(h.end))
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > 31 || strings.Contains(f.between(h.end), "\n") {
		return figure{}, false
	}
	return figure{at: h.at, end: h.end + 1, date: true, month: h.n, day: n}, true
}

// numericDate is 30.12.2023, 2023-12-30 or 30/12/2023; the day is first unless
// it cannot be.
func (f figures) numericDate(i int) (figure, bool) {
	if sep := f.between(i + 1); sep != "." && sep != "-" && sep != "/" || f.between(i+2) != sep {
		return figure{}, false
	}
	var n [3]int
	for j := range n {
		digits, rest := digitsOf(f.form(i + j))
		v, err := strconv.Atoi(digits)
		if err != nil || rest != "" {
			return figure{}, false
		}
		n[j] = v
	}
	if isYear(n[0]) {
		n[0], n[2] = n[2], n[0]
	}
	day, mon := n[0], n[1]
	if mon > 12 {
		day, mon = mon, day
	}
	if !isYear(n[2]) || mon < 1 || mon > 12 || day < 1 || day > 31 {
		return figure{}, false
	}
	return figure{at: i, end: i + 3, date: true, month: mon, day: day}, true
}

func isYear(n int) bool { return n >= 1900 && n <= 2100 }
