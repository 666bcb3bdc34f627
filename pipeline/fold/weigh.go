package fold

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// evidence is what two texts have in common, and what parts them. Amounts are in
// nats: how much it says that both say something, the rarer the more.
type evidence struct {
	days       float64 // between them
	sameLang   bool
	sameSource bool
	jointly    bool // both say that several speak as one
	severally  bool // governments of two countries, and neither says that they speak together
	voices     bool // such governments, and each names its own country and not the other

	worded, lead, stems share // of the wording, of that of the first words, of the words alone; in one language

	shared, mine, yours [kindCount]float64 // what both say, and each
	n                   [kindCount]int     // how much of it both say
	figures             [2]int             // numbers and dates that one says and the other does not, of each
	words               [2]int             // words that one says and the other does not, of each, where both are short
}

// A share is how much of the shorter text is in the longer, and from how many
// things that is known.
type share struct{ part, of float64 }

// sure is the share, less where it is known from few things.
func (s share) sure() float64 { return s.part * min(s.of, 6) / 6 }

// Kinds of slots are their classes, and dates, which are weighed apart from other
// numbers.
const (
	dates     = 4
	kindCount = 5
)

func kindOf(s slot) int {
	if s.isDate() {
		return dates
	}
	return int(s.class())
}

// together is said of what several say as one.
var together = slotOf(topic, "joint-statement")

func (x *Index) evidence(f, g facts, apart time.Duration, sameSource bool) evidence {
	e := evidence{days: apart.Hours() / 24, sameSource: sameSource, sameLang: f.lang == g.lang}
	one, other := slices.Contains(f.slots, together), slices.Contains(g.slots, together)
	e.jointly = one && other
	e.severally = f.severally(g)
	e.voices = e.severally && f.names(f.country) && g.names(g.country) && !f.names(g.country) && !g.names(f.country)
	if e.sameLang {
		e.worded, e.lead, e.stems = f.worded.overlap(g.worded), f.lead.overlap(g.lead), f.stems.overlap(g.stems)
	}
	if e.sameLang {
		e.words = [2]int{
			max(f.stems.beyond(g.stems), f.worded.beyond(g.worded)),
			max(g.stems.beyond(f.stems), g.worded.beyond(f.worded)),
		}
	}
	for _, s := range f.slots {
		w, k := x.rarity(bySlot, uint16(s)), kindOf(s)
		e.mine[k] += w
		switch {
		case slices.Contains(g.slots, s):
			e.shared[k] += w
			e.n[k]++
		case s.class() == number:
			e.figures[0]++
		}
	}
	for _, s := range g.slots {
		e.yours[kindOf(s)] += x.rarity(bySlot, uint16(s))
		if s.class() == number && !slices.Contains(f.slots, s) {
			e.figures[1]++
		}
	}
	return e
}

// severally reports whether two texts are by governments of two countries, and
// neither says that they speak together.
func (f facts) severally(g facts) bool {
	return f.country != "" && g.country != "" && f.country != g.country && !slices.Contains(f.slots, together) && !slices.Contains(g.slots, together)
}

// names reports whether a text names a country.
func (f facts) names(country string) bool { return slices.Contains(f.slots, slotOf(entity, country)) }

// rarity is how much it says that two texts both say something: the rarer among
// open statements the more. Before much is open, what is common anywhere counts
// as common.
func (x *Index) rarity(family int, key uint16) float64 {
	const before = 300 // statements that are taken to have been open
	n, usual := float64(before+len(x.open)), 3.0
	if family == bySlot {
		usual = before * usualShare(slot(key))
	}
	return max(0, math.Log(n/(usual+float64(x.common[family][key]))))
}

// usualShare is in what share of statements a slot is expected.
func usualShare(s slot) float64 {
	if share, ok := usual[s]; ok {
		return share
	}
	return [...]float64{topic: 0.04, entity: 0.02, number: 0.006, name: 0.005}[s.class()]
}

// usual is in what share of statements by ministries that is said which stands in
// many of them: small numbers, years, the words of diplomacy, the countries most
// spoken of.
var usual = func() map[slot]float64 {
	out := map[slot]float64{}
	for n := range 13 {
		out[numberSlot(strconv.Itoa(n))] = 0.12 / (1 + float64(n)/4)
	}
	for y := 1990; y < 2040; y++ {
		out[numberSlot(strconv.Itoa(y))] = 0.05
	}
	for share, ids := range map[float64]string{
		0.30: "statement announce call foreign-minister",
		0.20: "condemn security",
		0.13: "support concern violation resolution demand-compliance peace attack individual war president",
		0.10: "mobilisation company investigate threat weapon treaty spokesperson vessel welcome reject",
		0.08: "dialogue international-law stability government conference joint-statement missile killed civilian",
	} {
		for id := range strings.FieldsSeq(ids) {
			out[slotOf(topic, id)] = share
		}
	}
	for share, ids := range map[float64]string{
		0.25: "O-government", 0.16: "US RU O-un", 0.12: "UA O-unsc O-eu", 0.08: "CN IR IL KP FR GB DE JP KR PL",
	} {
		for id := range strings.FieldsSeq(ids) {
			out[slotOf(entity, id)] = share
		}
	}
	return out
}()

// total sums over kinds.
func total(of [kindCount]float64) float64 { return of[0] + of[1] + of[2] + of[3] + of[4] }

// least is how much the text says that says less.
func (e evidence) least() float64 { return min(total(e.mine), total(e.yours)) }

// upTo is how much of a kind both say, from 0 to 1 for much or more.
func (e evidence) upTo(kind int, much float64) float64 { return min(e.shared[kind], much) / much }

// parts is how much of a kind each says and the other does not, the same way.
func (e evidence) parts(kind int, much float64) float64 {
	return min(min(e.mine[kind], e.yours[kind])-e.shared[kind], much) / much
}

// differ is how much in numbers, dates, countries and names the shorter text says
// that the other does not: none in a copy, and little in a rewording.
func (e evidence) differ() float64 {
	sum := 0.0
	for _, k := range []int{int(number), dates, int(entity), int(name)} {
		sum += max(0, min(e.mine[k], e.yours[k])-e.shared[k])
	}
	return sum
}

// facts is how much in numbers, dates, countries and names both say.
func (e evidence) facts() float64 { return total(e.shared) - e.shared[topic] }

// agrees is near 1 where all of a kind that the one says the other says too, near
// -1 where nothing, and 0 where one says nothing of that kind, or little.
func (e evidence) agrees(kind int) float64 {
	least := min(e.mine[kind], e.yours[kind])
	return (2*e.shared[kind] - least) / (least + 3)
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// clash reports whether both say much in numbers and nothing the same.
func (e evidence) clash() bool {
	return min(e.mine[number], e.yours[number]) > 4 && e.shared[number] < 1
}

// otherDates reports whether both name dates, and none the same.
func (e evidence) otherDates() bool {
	return min(e.mine[dates], e.yours[dates]) > 0 && e.shared[dates] == 0
}

// signs are what decides, with their weights: a logistic regression over pairs of
// the texts in testdata, see TestFit, within bounds that keep what speaks for a
// thing from being learnt as speaking against it.
var signs = []struct {
	name     string
	weight   float64
	low, top float64
	of       func(e evidence) float64
}{
	{"anything", -1.54, -9, 9, func(evidence) float64 { return 1 }},
	{"share of what the shorter says", 0.84, 0, 9, func(e evidence) float64 { return total(e.shared) / (e.least() + 4) }},
	{"nearly all that the shorter says", 1.00, 0, 9, func(e evidence) float64 { return max(0, total(e.shared)/(e.least()+1)-0.5) }},
	{"no subject in common", -1.09, -9, -1, func(e evidence) float64 { return yes(e.n[topic] == 0) }},
	{"other dates of one source", -2.50, -9, -2.5, func(e evidence) float64 { return yes(e.sameSource && e.otherDates()) }},
	{"numbers in common", 1.41, 0.5, 9, func(e evidence) float64 { return e.upTo(int(number), 12) }},
	{"numbers agree", 1.55, 0.5, 9, func(e evidence) float64 { return e.agrees(int(number)) }},
	{"numbers differ", -1.20, -9, -0.5, func(e evidence) float64 { return e.parts(int(number), 12) }},
	{"no number in common", -1.20, -9, -1.2, func(e evidence) float64 { return yes(e.clash()) }},
	{"dates in common", 0.07, 0, 9, func(e evidence) float64 { return e.upTo(dates, 10) }},
	{"dates agree", 0.77, 0.7, 9, func(e evidence) float64 { return e.agrees(dates) }},
	{"subjects in common", 0.19, 0, 9, func(e evidence) float64 { return e.upTo(int(topic), 20) }},
	{"subjects agree", 0.91, 0, 9, func(e evidence) float64 { return e.agrees(int(topic)) }},
	{"subjects differ", -0.55, -9, 0, func(e evidence) float64 { return e.parts(int(topic), 20) }},
	{"countries in common", 0.89, 0, 9, func(e evidence) float64 { return e.upTo(int(entity), 12) }},
	{"countries agree", 1.46, 0.3, 9, func(e evidence) float64 { return e.agrees(int(entity)) }},
	{"countries differ", -0.72, -9, -0.3, func(e evidence) float64 { return e.parts(int(entity), 12) }},
	{"names in common", 1.10, 0.5, 9, func(e evidence) float64 { return e.upTo(int(name), 10) }},
	{"names differ", -0.53, -9, 0, func(e evidence) float64 { return e.parts(int(name), 10) * yes(e.sameLang) }},
	{"facts differ in one language", -1.20, -9, -1, func(e evidence) float64 { return yes(e.sameLang) * min(e.differ(), 12) / 12 }},
	{"share of facts that differ in one source", -2.00, -9, -1, func(e evidence) float64 { return yes(e.sameSource) * e.differ() / (e.differ() + e.facts() + 2) }},
	{"wording in common", 2.00, 2, 9, func(e evidence) float64 { return e.worded.sure() }},
	{"first words in common", 1.00, 1, 9, func(e evidence) float64 { return e.lead.sure() }},
	{"words in common", 0.50, 0.5, 9, func(e evidence) float64 { return e.stems.sure() }},
	{"one language", -1.58, -9, 9, func(e evidence) float64 { return yes(e.sameLang) }},
	{"one source", -0.68, -9, -0.5, func(e evidence) float64 { return yes(e.sameSource) }},
	{"several speak as one", 0.17, 0, 9, func(e evidence) float64 { return yes(e.jointly) }},
	{"two governments, not together", -0.73, -9, -0.7, func(e evidence) float64 { return yes(e.severally) }},
	{"days between", -2.30, -9, -0.5, func(e evidence) float64 { return min(e.days, 5) / 5 }},
	{"little in common", -1.79, -9, -0.5, func(e evidence) float64 { return math.Exp(-total(e.shared) / 12) }},
	{"no hard fact in common", -1.60, -9, 0, func(e evidence) float64 { return yes(e.n[number]+e.n[dates]+e.n[name] == 0) }},
	{"little said", -0.39, -9, 0, func(e evidence) float64 { return 1 / (1 + e.least()/4) }},
}

// Least scores of a copy or a report: in one language, and across two, where the
// wording cannot speak.
const (
	certain       = 0.56
	certainAcross = 0.575
)

// leastShared is how much two texts must have in common where their wording does
// not speak for them, in nats.
const leastShared = 14

// weigh decides whether a text is of the statement that another is of.
func (x *Index) weigh(f, g facts, apart time.Duration, sameSource bool) Decision {
	e := x.evidence(f, g, apart, sameSource)
	d := Decision{Kind: New, Score: e.score(), Reason: e.reason()}
	switch {
	case (sameSource || e.worded.sure() > 0.5) && e.serial():
		d.Score, d.Reason = min(d.Score, 0.4), "the next of a series, other numbers: "+d.Reason
	case e.pattern():
		d.Score, d.Reason = min(d.Score, 0.4), "one pattern, other words: "+d.Reason
	case e.voices:
		d.Score, d.Reason = min(d.Score, 0.4), "two governments, each for itself: "+d.Reason
	case e.elsewhere():
		d.Score, d.Reason = min(d.Score, 0.4), "other countries: "+d.Reason
	case total(e.shared) < leastShared && e.worded.sure() < 0.3:
		d.Score, d.Reason = min(d.Score, 0.4), "too little in common: "+d.Reason
	case d.Score < e.enough():
		d.Reason = "not like enough: " + d.Reason
	case e.reports():
		d.Kind, d.Reason = Near, "tells of it: "+d.Reason
	default:
		d.Kind = Same
	}
	return d
}

// serial reports whether two texts of one source, or of the same wording, look like two of a series: each
// has numbers or dates that the other has not, and too little else in common to be
// two versions of one text.
func (e evidence) serial() bool {
	facts := e.n[number] + e.n[dates] + e.n[entity] + e.n[name]
	each := min(e.figures[0], e.figures[1])
	return e.sameLang && each > 0 && facts <= 4*each
}

// pattern reports whether two short texts of one language are written by one
// pattern: most of the wording is the same, each has words that the other has not,
// and no number, date or name of weight says that they are one all the same.
func (e evidence) pattern() bool {
	return e.worded.sure() > 0.3 && min(e.words[0], e.words[1]) > 0 && e.shared[number]+e.shared[dates]+e.shared[name] < 8
}

// elsewhere reports whether two texts of one language name countries or
// organisations, and none the same, as no two versions of one text do.
func (e evidence) elsewhere() bool {
	return e.sameLang && min(e.mine[entity], e.yours[entity]) > 0 && e.n[entity] == 0
}

func (e evidence) enough() float64 {
	if e.sameLang {
		return certain
	}
	return certainAcross
}

func (e evidence) score() float64 {
	z := 0.0
	for _, s := range signs {
		z += s.weight * s.of(e)
	}
	return 1 / (1 + math.Exp(-z))
}

// reports reports whether the text says much less than the other and says it in
// other words: it tells of the statement, and does not publish it.
func (e evidence) reports() bool {
	share := 0.4 // a translation may be shortened, and words of it may be unknown
	if e.sameLang {
		share = 0.6
	}
	return total(e.mine) < share*total(e.yours) && max(e.worded.sure(), e.lead.sure()) < 0.3
}

// reason says for people what is in common.
func (e evidence) reason() string {
	var out []string
	if e.worded.of > 0 {
		out = append(out, fmt.Sprintf("%.0f %% of its wording", 100*max(e.worded.part, e.lead.part)))
	}
	for _, k := range []struct {
		kind      int
		one, many string
	}{
		{int(number), "number", "numbers"},
		{dates, "date", "dates"},
		{int(entity), "country or organisation", "countries or organisations"},
		{int(name), "name", "names"},
		{int(topic), "subject", "subjects"},
	} {
		if n := e.n[k.kind]; n == 1 {
			out = append(out, "1 "+k.one)
		} else if n > 1 {
			out = append(out, fmt.Sprintf("%d %s", n, k.many))
		}
	}
	if len(out) == 0 {
		return "nothing in common"
	}
	text := "in common " + strings.Join(out, ", ")
	if e.clash() {
		text += "; no number"
	}
	if e.otherDates() {
		text += "; other dates"
	}
	return text
}
