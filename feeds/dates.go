package feeds

import (
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // an image from scratch has no zones of its own
	"unicode"
	"unicode/utf8"

	"tocsin"
)

// A calendar reads the dates of a source. It knows no layouts: it takes a date
// apart into numbers and words and asks what each of them can be. What could be
// two dates is read as the source's country or language would, or not at all.
type calendar struct {
	zone    *time.Location // for times without a zone
	country string         // ISO 3166-1 alpha-2, or ""
	lang    string         // ISO 639, or ""
	near    time.Time      // a day that dates of the document are close to; zero if unknown
}

func newCalendar(src tocsin.Source, at time.Time) *calendar {
	lang, region, _ := strings.Cut(src.Lang, "-")
	country := src.Country
	if country == "" && len(region) == 2 {
		country = region
	}
	return &calendar{zone: location(src.Zone), country: strings.ToUpper(country), lang: strings.ToLower(lang), near: at}
}

var locations sync.Map // name -> *time.Location; to load one costs as much as to read ten entries

func location(name string) *time.Location {
	if l, ok := locations.Load(name); ok {
		return l.(*time.Location)
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	locations.Store(name, l)
	return l
}

const (
	maxDate = 128  // bytes
	minYear = 1970 // years beyond these are mistakes: 0001, 9999, 44798
	maxYear = 2099
)

// parse reads a date. problem says why it cannot; it is "" if it can.
func (c *calendar) parse(s string) (t time.Time, problem string) {
	if len(s) > maxDate {
		return t, "left out a date that is too long"
	}
	r := dateParts{s: arabicDigits(s), cal: c}
	r.lex()
	y, m, d, ok := r.date()
	if !ok {
		return t, "left out a date that cannot be read"
	}
	if y == ambiguous {
		return t, "left out a date that could be two (set the source's country)"
	}
	hour, minute, second, ok := r.time()
	if !ok || y < minYear || y > maxYear || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) {
		return t, "left out a date that cannot be"
	}
	zone := c.zone
	if r.zoned {
		zone = time.FixedZone("", r.offset)
	}
	t = time.Date(y, time.Month(m), d, hour, minute, second, r.nano, zone)
	if !r.zoned && r.abbr != "" {
		t = c.named(t, r.abbr)
	}
	if c.near.IsZero() {
		c.near = t
	}
	return t, ""
}

func daysIn(y, m int) int { return time.Date(y, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC).Day() }

// arabicDigits is s with the digits of Persian, Arabic and East Asian writing
// replaced by 0 to 9.
func arabicDigits(s string) string {
	ascii := true
	for i := 0; i < len(s) && ascii; i++ {
		ascii = s[i] < utf8.RuneSelf
	}
	if ascii {
		return s
	}
	s = levantMonths.Replace(s)
	return strings.Map(func(r rune) rune {
		for _, zero := range []rune{'٠', '۰', '０'} {
			if r >= zero && r <= zero+9 {
				return '0' + r - zero
			}
		}
		return r
	}, s)
}

// dateParts is a date that is being taken apart.
type dateParts struct {
	s      string
	cal    *calendar
	nums   [8]number // outside the time of day
	n      int
	month  int // by name; 0 if there is none
	jalali bool
	year0  int // year before the first of the era that is named: 2018 for Reiwa
	clock  [3]int
	clocks int // how many of clock are set
	behind int // how many of nums were there before it
	half   int // 1 for a.m., 2 for p.m.
	nano   int
	offset int // seconds east of UTC
	zoned  bool
	abbr   string // of a zone
}

// A number is a run of digits and the character behind it.
type number struct {
	v, digits int
	sep       rune
}

func (r *dateParts) lex() {
	for i := 0; i < len(r.s); {
		c, size := utf8.DecodeRuneInString(r.s[i:])
		switch {
		case c >= '0' && c <= '9':
			i = r.number(i)
		case (c == '+' || c == '-' || c == '−') && r.clocks > 0 && r.n == r.behind && !r.zoned:
			i = r.sign(i, size, c == '+')
		case unicode.IsLetter(c):
			end := i
			for end < len(r.s) {
				l, n := utf8.DecodeRuneInString(r.s[end:])
				if !unicode.IsLetter(l) && !unicode.IsMark(l) {
					break
				}
				end += n
			}
			r.word(r.s[i:end])
			i = end
		case c == '(' && r.zoned:
			return
		default:
			i += size
		}
	}
}

// digits reads the run of digits at i.
func (r *dateParts) digits(i int) (v, end int) {
	for end = i; end < len(r.s) && r.s[end] >= '0' && r.s[end] <= '9'; end++ {
		if v < 1e14 {
			v = v*10 + int(r.s[end]-'0')
		}
	}
	return v, end
}

// number reads the digits at i, and the time of day that they begin.
func (r *dateParts) number(i int) int {
	v, end := r.digits(i)
	sep, size := utf8.DecodeRuneInString(r.s[end:])
	if sep == ' ' {
		if next, n := utf8.DecodeRuneInString(r.s[end+1:]); strings.ContainsRune("hH", next) && size > 0 {
			sep, size = next, n+1
		}
	}
	compact := r.n == 1 && r.nums[0].digits == 8 && r.clocks == 0
	switch {
	case sep == ':' && r.clocks == 0 && end-i <= 2 && digitAt(r.s, end+1):
		return r.clockFrom(v, end+1)
	case strings.ContainsRune("hH", sep) && size > 0 && r.clocks == 0 && end-i <= 2 && !letterAt(r.s, end+size):
		minutes := end + size
		if minutes+1 < len(r.s) && r.s[minutes] == ' ' {
			minutes++
		}
		if digitAt(r.s, minutes) {
			return r.clockFrom(v, minutes)
		}
		r.clock[0], r.clocks, r.behind = v, 1, r.n
		return end + size
	case compact && end-i == 4:
		r.compact(v * 100)
		return end
	case compact && end-i == 6:
		r.compact(v)
		return end
	case end-i == 14:
		r.add(number{v / 1e6, 8, ' '})
		r.compact(v % 1e6)
		return end
	}
	if at := strings.IndexRune("时時點点시분分秒초", sep); at >= 0 && size > 0 && r.clocks < 3 {
		r.clock[r.clocks] = v
		r.clocks++
		r.behind = r.n
		return end + size
	}
	r.add(number{v, end - i, sep})
	return end
}

// compact takes the time of day hhmmss.
func (r *dateParts) compact(v int) {
	r.clock, r.clocks, r.behind = [3]int{v / 10000, v / 100 % 100, v % 100}, 3, r.n
}

func (r *dateParts) add(n number) {
	if r.n < len(r.nums) {
		r.nums[r.n] = n
		r.n++
	}
}

func digitAt(s string, i int) bool { return i < len(s) && s[i] >= '0' && s[i] <= '9' }

func letterAt(s string, i int) bool {
	c, _ := utf8.DecodeRuneInString(s[min(i, len(s)):])
	return unicode.IsLetter(c)
}

// clockFrom reads minutes and seconds at i; the hour is known.
func (r *dateParts) clockFrom(hour, i int) int {
	r.clock[0], r.clocks, r.behind = hour, 1, r.n
	for {
		v, end := r.digits(i)
		if end-i > 2 {
			v = -1
		}
		r.clock[r.clocks] = v
		r.clocks++
		if r.clocks == 3 || end >= len(r.s) || r.s[end] != ':' || !digitAt(r.s, end+1) {
			i = end
			break
		}
		i = end + 1
	}
	if r.clocks == 3 && i < len(r.s) && (r.s[i] == '.' || r.s[i] == ',') && digitAt(r.s, i+1) {
		frac, end := r.digits(i + 1)
		for n := end - i - 1; n < 9; n++ {
			frac *= 10
		}
		if end-i-1 <= 9 {
			r.nano = frac
		}
		i = end
	}
	return i
}

// sign reads an offset from UTC: +3, +03, +0300 or +03:00.
func (r *dateParts) sign(i, size int, east bool) int {
	v, end := r.digits(i + size)
	switch n := end - i - size; {
	case n == 0 || n > 4 || n == 3 && v%100 >= 60:
		return i + size
	case n <= 2:
		v *= 100
		if end < len(r.s) && r.s[end] == ':' && digitAt(r.s, end+1) {
			var minutes int
			minutes, end = r.digits(end + 1)
			v += minutes
		}
	}
	if v/100 > 15 || v%100 >= 60 {
		return end
	}
	r.offset, r.zoned = (v/100*60+v%100)*60, true
	if !east {
		r.offset = -r.offset
	}
	return end
}

// word takes what a word says: a month, an era, half a day or a zone.
func (r *dateParts) word(w string) {
	lower := strings.ToLower(w)
	switch lower {
	case "z", "gmt", "utc", "ut":
		if r.clocks > 0 && !r.zoned {
			r.abbr = "UTC"
		}
		return
	case "am", "上午", "午前", "오전", "صباحا":
		r.half = 1
		return
	case "pm", "下午", "午後", "오후", "مساء":
		r.half = 2
		return
	case "令和":
		r.year0 = 2018
	case "平成":
		r.year0 = 1988
	case "昭和":
		r.year0 = 1925
	case "民國", "中華民國":
		r.year0 = 1911
	}
	if r.month > 0 && r.clocks > 0 {
		r.zoneWord(w)
		return
	}
	if m, jalali, ok := monthOf(lower, r.cal.lang); ok {
		r.month, r.jalali = m, jalali
		return
	}
	if r.clocks > 0 {
		r.zoneWord(w)
	}
}

func (r *dateParts) zoneWord(w string) {
	if len(w) >= 3 && len(w) <= 5 && w == strings.ToUpper(w) && r.abbr == "" {
		r.abbr = w
	}
}

// ambiguous is the year of a date that could be two.
const ambiguous = -1

// date says which of the numbers are year, month and day.
func (r *dateParts) date() (y, m, d int, ok bool) {
	n := r.nums[:r.n]
	switch {
	case len(n) >= 3 && joined(n[0]) && joined(n[1]) && (n[0].digits == 4 || n[2].digits == 4):
		y, m, d, ok = r.three(n[0], n[1], n[2]) // what looked like a month is a day of the week
		r.dotted(n[3:])
	case r.month > 0:
		y, d, ok = r.aroundName(n)
		m = r.month
	case len(n) == 1:
		y, m, d, ok = r.single(n[0])
	case len(n) == 2:
		y, m, d = n[0].v, n[1].v, 1
		if n[1].digits == 3 {
			m, d = 1, n[1].v
			t := time.Date(y, 1, d, 0, 0, 0, 0, time.UTC)
			m, d = int(t.Month()), t.Day()
		}
		ok = n[0].digits == 4
	case len(n) >= 3:
		y, m, d, ok = r.three(n[0], n[1], n[2])
		r.dotted(n[3:])
	}
	if !ok || y == ambiguous {
		return y, m, d, ok
	}
	return r.era(y, m, d)
}

func joined(n number) bool { return n.sep == '.' || n.sep == '-' || n.sep == '/' }

// dotted takes the time of day from the numbers behind a date: 10.30.
func (r *dateParts) dotted(n []number) {
	if r.clocks == 0 && len(n) >= 2 && (n[0].sep == '.' || n[0].sep == '-') {
		r.clock[0], r.clock[1], r.clocks = n[0].v, n[1].v, 2
	}
}

// aroundName finds day and year beside a month's name: "10 January 2024",
// "January 10, 2024", "2024 January 10" or "January 2024".
func (r *dateParts) aroundName(n []number) (y, d int, ok bool) {
	switch {
	case len(n) == 1 && n[0].digits == 4:
		return n[0].v, 1, true
	case len(n) < 2:
		return 0, 0, false
	case n[0].digits >= 3:
		return n[0].v, n[1].v, true
	case n[1].digits >= 3:
		y = n[1].v
	default:
		y = century(n[1].v)
	}
	r.dotted(n[2:])
	return y, n[0].v, true
}

func century(y int) int {
	if y < 70 {
		return 2000 + y
	}
	return 1900 + y
}

// single reads 20240110, 2024010 (day of the year), 2024, and seconds or
// milliseconds since 1970.
func (r *dateParts) single(n number) (y, m, d int, ok bool) {
	switch n.digits {
	case 4:
		return n.v, 1, 1, r.clocks == 0
	case 7:
		t := time.Date(n.v/1000, 1, n.v%1000, 0, 0, 0, 0, time.UTC)
		return t.Year(), int(t.Month()), t.Day(), true
	case 8:
		return n.v / 10000, n.v / 100 % 100, n.v % 100, true
	case 10, 13:
		if n.digits == 13 {
			n.v /= 1000
		}
		t := time.Unix(int64(n.v), 0).UTC()
		r.clock, r.clocks, r.zoned = [3]int{t.Hour(), t.Minute(), t.Second()}, 3, true
		return t.Year(), int(t.Month()), t.Day(), true
	}
	return 0, 0, 0, false
}

// three reads a date of three numbers.
func (r *dateParts) three(a, b, c number) (y, m, d int, ok bool) {
	switch {
	case a.digits >= 4 || r.year0 > 0 || a.sep == '年' || a.sep == '년':
		return a.v, b.v, c.v, true
	case a.digits > 2 || b.digits > 2 || c.digits == 3 || c.digits > 4:
		return 0, 0, 0, false
	case c.digits == 4:
		return r.dayFirst(a, b, c.v)
	case a.v > 31:
		return century(a.v), b.v, c.v, true
	case a.sep == '-':
		return r.twoDigits(a.v, b.v, c.v)
	}
	return r.dayFirst(a, b, century(c.v))
}

// twoDigits reads 26-04-17: of the two dates that it can be, the one closer to
// the others of the document, and the year first where there are none.
func (r *dateParts) twoDigits(a, b, c int) (y, m, d int, ok bool) {
	first, last := century(a), century(c)
	if a == 0 || !r.cal.near.IsZero() && abs(last-r.cal.near.Year()) < abs(first-r.cal.near.Year()) {
		return last, b, a, true
	}
	return first, b, c, true
}

func abs(n int) int { return max(n, -n) }

// monthFirst are the countries that write the month before the day.
var monthFirst = map[string]bool{"US": true, "PH": true, "FM": true, "MH": true, "PW": true, "GU": true, "AS": true}

// dayFirst reads 3/4/2024, which is in March or in April.
func (r *dateParts) dayFirst(a, b number, year int) (y, m, d int, ok bool) {
	us := monthFirst[r.cal.country]
	switch {
	case a.v > 12 || a.v == b.v || a.sep == '.':
		return year, b.v, a.v, true
	case b.v > 12:
		return year, a.v, b.v, true
	case us:
		return year, a.v, b.v, true
	case r.cal.country == "" && (r.cal.lang == "" || r.cal.lang == "en"):
		return ambiguous, 0, 0, true
	}
	return year, b.v, a.v, true
}

// era turns the years and days of other calendars into those of ours.
func (r *dateParts) era(y, m, d int) (int, int, int, bool) {
	persian := r.cal.lang == "fa" || r.cal.country == "IR" || r.cal.country == "AF"
	switch {
	case r.jalali || persian && y >= 1300 && y < 1500:
		if y < 1300 || y >= 1500 || m < 1 || m > 12 || d < 1 || d > 31 {
			return 0, 0, 0, false
		}
		y, m, d = fromJalali(y, m, d)
	case r.year0 > 0:
		y += r.year0
	case y > 2470 && y < 2600:
		y -= 543 // the Buddhist era, in Thailand
	}
	return y, m, d, true
}

// fromJalali turns a date of the Iranian solar calendar into ours. The leap
// years follow a cycle of 33 years, which is right for 1244 to 1472.
func fromJalali(y, m, d int) (int, int, int) {
	days := 365*y + leaps(y) + d
	if m <= 7 {
		days += (m - 1) * 31
	} else {
		days += (m-7)*30 + 186
	}
	base := 365*1403 + leaps(1403) + 1 // 1 Farvardin 1403, 20 March 2024
	t := time.Date(2024, 3, 20+days-base, 0, 0, 0, 0, time.UTC)
	return t.Year(), int(t.Month()), t.Day()
}

// leaps counts the leap days of the Iranian calendar before the year y.
func leaps(y int) int { return (y+1595)/33*8 + ((y+1595)%33+3)/4 }

// time is the time of day, midnight if there was none.
func (r *dateParts) time() (hour, minute, second int, ok bool) {
	hour, minute, second = r.clock[0], r.clock[1], r.clock[2]
	switch {
	case r.half > 0 && (hour < 1 || hour > 12):
		r.half = 0 // 14:30 PM
	case r.half == 2 && hour < 12:
		hour += 12
	case r.half == 1 && hour == 12:
		hour = 0
	}
	return hour, minute, second, hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second <= 60 ||
		hour == 24 && minute == 0 && second == 0
}

// hours are the offsets of abbreviations of zones, in quarters of an hour.
var hours = map[string]int{
	"UTC": 0, "WET": 0, "WEST": 4, "BST": 4, "CET": 4, "CEST": 8, "MEZ": 4, "MESZ": 8, "WAT": 4, "EET": 8, "EEST": 12, "CAT": 8, "SAST": 8, "IDT": 12,
	"MSK": 12, "MSD": 16, "TRT": 12, "EAT": 12, "IRST": 14, "IRDT": 18, "GST": 16, "AZT": 16, "GET": 16, "SAMT": 16, "AFT": 18, "PKT": 20, "UZT": 20, "YEKT": 20, "IST": 22, "NPT": 23,
	"ALMT": 24, "BDT": 24, "OMST": 24, "MMT": 26, "ICT": 28, "WIB": 28, "KRAT": 28, "HKT": 32, "SGT": 32, "MYT": 32, "PHT": 32, "AWST": 32, "WITA": 32, "IRKT": 32, "JST": 36, "KST": 36, "WIT": 36, "YAKT": 36,
	"ACST": 38, "ACDT": 42, "AEST": 40, "AEDT": 44, "VLAT": 40, "MAGT": 44, "NZST": 48, "NZDT": 52, "PETT": 48, "FJT": 48,
	"NST": -14, "NDT": -10, "AST": -16, "ADT": -12, "EST": -20, "EDT": -16, "CST": -24, "CDT": -20, "MST": -28, "MDT": -24, "PST": -32, "PDT": -28, "AKST": -36, "AKDT": -32, "HST": -40,
	"BRT": -12, "ART": -12, "UYT": -12, "CLT": -16, "CLST": -12, "PYT": -16, "BOT": -16, "VET": -16, "COT": -20, "PET": -20, "ECT": -20,
}

// hoursIn are the abbreviations that mean something else in some countries.
var hoursIn = map[string]int{
	"IST IL": 8, "IST IE": 4, "CST CN": 32, "CST TW": 32, "CST HK": 32, "CST MO": 32, "CST CU": -20, "BST BD": 24, "AMT AM": 16,
	"AST SA": 12, "AST IQ": 12, "AST KW": 12, "AST QA": 12, "AST BH": 12, "AST YE": 12, "AST AE": 16, "PST PH": 32, "SST SG": 32, "EST AU": 40, "CST AU": 38,
}

// named is the time of t's clock in the zone that abbr stands for. The source's
// own zone is asked first what it calls itself; an unknown name means that zone.
func (c *calendar) named(t time.Time, abbr string) time.Time {
	if own, _ := t.Zone(); own == abbr {
		return t
	}
	quarters, ok := hoursIn[abbr+" "+c.country]
	if !ok {
		if quarters, ok = hours[abbr]; !ok {
			return t
		}
	}
	zone := time.FixedZone(abbr, quarters*15*60)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
}
