package fold

import (
	"slices"
	"strconv"
	"strings"

	"tocsin"
	"tocsin/pipeline/watchlist/words"
)

// A list of signatories names at least leastSigned countries, with at most
// apartSigned words between one and the next.
const (
	leastSigned = 5
	apartSigned = 6
)

// FacetsOf is what a text in a language, BCP 47 or "" for what it shows, names, as
// far as that can be told: the signatories of a joint statement are the longest
// list of countries in it.
func FacetsOf(title, text, lang string) tocsin.Facets {
	title, text = title[:min(len(title), maxText)], text[:min(len(text), maxText)]
	lang = words.Language(lang, title+"\n"+text)
	t := words.Cut(title + "\n\n" + text)
	hits := terms().find(t, lang)
	figures := figuresOf(t, hits)
	var f tocsin.Facets
	if slices.ContainsFunc(hits, func(h hit) bool { return h.slot == together }) {
		f.Signatories = signatories(hits)
		f.Signed = signed(figures)
	}
	f.Resolutions = resolutions(t, hits, figures)
	for _, h := range hits {
		if h.kind == system && !slices.Contains(f.Systems, h.id) {
			f.Systems = append(f.Systems, h.id)
		}
	}
	slices.Sort(f.Systems)
	return f
}

// signatories are the countries of the longest list that can be one of who signs,
// in the order of their codes, or none.
func signatories(hits []hit) []string {
	var best, list []string
	last, signs := 0, false
	for i, h := range hits {
		if h.kind != country {
			continue
		}
		if h.at-last > apartSigned || list == nil {
			list, signs = nil, maySign(hits[:i], h.at)
		}
		last = h.end
		if !slices.Contains(list, h.id) {
			list = append(list, h.id)
		}
		if signs && len(list) > len(best) {
			best = slices.Clone(list)
		}
	}
	if len(best) < leastSigned {
		return nil
	}
	slices.Sort(best)
	return best
}

// How far before a list stands what says whose it is.
const (
	nearTargets = 8  // words: sanctions against, exports to
	nearSigners = 20 // words: the foreign ministers of
	fromStart   = 40 // words of a text within which a list needs nothing before it
)

// maySign reports whether a list of countries that begins at a word can be one of
// who signs: no list of targets or markets.
func maySign(before []hit, at int) bool {
	near := func(words int, ids ...string) bool {
		return slices.ContainsFunc(before, func(h hit) bool { return at-h.end <= words && slices.Contains(ids, h.id) })
	}
	if near(nearTargets, "sanction", "designation", "export", "import", "arms-transfer", "attack", "tariff", "visa-ban", "trade") {
		return near(nearTargets, "foreign-minister", "O-government", "states") && at <= fromStart
	}
	return at <= fromStart || near(nearSigners, "foreign-minister", "O-government", "states", "joint-statement", "president", "prime-minister")
}

// signed is the number of countries that the text counts first. All the members of
// the United Nations are not meant.
func signed(figures []figure) int {
	for _, f := range figures {
		if n, err := strconv.Atoi(f.value); err == nil && f.states && n < 190 {
			return n
		}
	}
	return 0
}

// Numbers of resolutions of the Security Council, and how many words may stand
// between the word resolution and one without a year.
const (
	leastResolution = 100
	mostResolution  = 3999
	nearResolution  = 1
)

// resolutions are those that the text cites: "1718 (2006)", or "1718" beside the
// word.
func resolutions(t *words.Text, hits []hit, figures []figure) []string {
	var named []hit
	for _, h := range hits {
		if h.kind == subject && h.id == "resolution" {
			named = append(named, h)
		}
	}
	if len(named) == 0 {
		return nil
	}
	var out []string
	for i, f := range figures {
		n, err := strconv.Atoi(f.value)
		if err != nil || f.date || f.states || n < leastResolution || n > mostResolution {
			continue
		}
		text := f.value
		if year, ok := yearAfter(t, figures, i); ok {
			text += " (" + year + ")"
		} else if isYear(n) || sessional(t, f) || !slices.ContainsFunc(named, func(h hit) bool { return f.at-h.end <= nearResolution && h.at-f.end <= nearResolution }) {
			continue
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
		named = append(named, hit{at: f.at, end: f.end}) // resolutions 1718, 1874 and 2270
	}
	slices.Sort(out)
	return out
}

// sessional reports whether a figure is part of the number of a resolution of the
// General Assembly or another council: 76/300.
func sessional(t *words.Text, f figure) bool {
	before, after := t.Source[:t.Words[f.at].Start], t.Source[t.Words[f.end-1].End:]
	return strings.HasSuffix(before, "/") || strings.HasPrefix(after, "/")
}

// yearAfter is the year in brackets after a figure, or after the sign that
// counts it: "1540 (2004)", "第1540号（2004年）".
func yearAfter(t *words.Text, figures []figure, i int) (string, bool) {
	if i+1 == len(figures) {
		return "", false
	}
	next := figures[i+1]
	if gap := next.at - figures[i].end; gap < 0 || gap > 1 {
		return "", false
	}
	n, err := strconv.Atoi(next.value)
	between := strings.TrimLeft(t.Source[t.Words[figures[i].end-1].End:t.Words[next.at].Start], "号號호")
	return next.value, err == nil && isYear(n) && slices.Contains([]string{" (", "(", "（", " （"}, between)
}
