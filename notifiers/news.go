package notifiers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"tocsin"
)

// A replyCard is what every kind shows of news about an alert, in clean text that is
// not yet escaped for any of them.
type replyCard struct {
	About      string // the alert's title, where the message does not stand beneath the alert's
	Lines      []newsLine
	Late       string
	Link, Host string // of the statement, with About
}

type newsLine struct {
	Text, Link, Host string
}

// showCopies is how many copies a reply shows line by line; more are only named.
const showCopies = 5

// showNews bounds the lines of a reply.
const showNews = 20

func newReply(d tocsin.Delivery) replyCard {
	var r replyCard
	if d.Aloud || d.Ref == "" {
		r.About = titleOf(d.Alert)
		if len(d.Alert.Copies) > 0 {
			r.Link = link(d.Alert.First().URL)
			r.Host = hostOf(r.Link)
		}
	}
	if d.Late != "" {
		r.Late = "sent late: " + flat(d.Late)
	}
	var copies, reports []tocsin.Copy
	for _, n := range d.News {
		switch {
		case n.Kind == tocsin.Copied && n.Copy.Report:
			reports = append(reports, n.Copy)
		case n.Kind == tocsin.Copied:
			copies = append(copies, n.Copy)
		default:
			if text := happened(n, d); text != "" {
				r.Lines = append(r.Lines, newsLine{Text: text})
			}
		}
	}
	if n := len(r.Lines) - showNews; n > 0 {
		r.Lines = append(r.Lines[:showNews], newsLine{Text: fmt.Sprintf("and %d more", n)})
	}
	r.Lines = append(r.Lines, published("also published by", copies)...)
	r.Lines = append(r.Lines, published("reported by", reports)...)
	if len(r.Lines) == 0 {
		r.Lines = []newsLine{{Text: "the alert changed"}}
	}
	return r
}

// happened is the sentence for anything but a copy.
func happened(n tocsin.News, d tocsin.Delivery) string {
	why := short(flat(n.Why), maxName)
	because := func(text string) string {
		if why == "" {
			return text
		}
		return text + ": " + why
	}
	switch n.Kind {
	case tocsin.Revised:
		text := "changed by " + withCountry(n.Copy) + ", not material"
		if n.Material {
			text = "material change by " + withCountry(n.Copy)
		}
		if text = because(text); len(n.Changes) > 0 {
			text += ": " + changed(n.Changes)
		}
		return text
	case tocsin.Withdrawn:
		return withdrawn([]tocsin.Copy{n.Copy})
	case tocsin.Merged:
		return because(cmp.Or(joinedWith(d), "joined with alert "+flat(n.Other)))
	case tocsin.Split:
		return because("items were taken out of it: alert " + flat(n.Other))
	case tocsin.Matched:
		var names []string
		for _, m := range d.Alert.Matches {
			names = append(names, flat(m.Watchlist))
		}
		return "matches a further watchlist; all: " + listed(names, maxList)
	}
	return ""
}

// published names publishers, a few of them with what they published.
func published(how string, copies []tocsin.Copy) []newsLine {
	if len(copies) > showCopies {
		var names []string
		for _, c := range copies {
			names = append(names, withCountry(c))
		}
		return []newsLine{{Text: fmt.Sprintf("%s %d: %s", how, len(names), listed(names, maxList))}}
	}
	var out []newsLine
	for _, c := range copies {
		text := how + " " + withCountry(c)
		if lang := flat(c.Lang); lang != "" {
			text += ", in " + languageName(lang)
		}
		if title := flat(c.Title); title != "" {
			text += ": " + short(title, maxName)
		}
		l := link(c.URL)
		out = append(out, newsLine{text, l, hostOf(l)})
	}
	return out
}

// said is what happened, a sentence each.
func (r replyCard) said() (out []string) {
	for _, l := range r.Lines {
		out = append(out, l.Text)
	}
	return out
}

// text is the reply for who reads plain text.
func (r replyCard) text() string {
	var b strings.Builder
	for _, l := range r.Lines {
		b.WriteString("- " + l.Text + "\n")
		if l.Link != "" {
			b.WriteString("  " + l.Link + "\n")
		}
	}
	if r.Late != "" {
		b.WriteString(r.Late + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// replyText is a reply on a terminal, above the card.
func replyText(r replyCard) string {
	var b strings.Builder
	for _, l := range r.Lines {
		b.WriteString(wrap("! ", "  ", l.Text, nil))
		if l.Link != "" {
			b.WriteString(wrap("  ", "  ", l.Link, nil))
		}
	}
	return b.String()
}

// joinedWith names the older alert that one was found to be one with, or "".
func joinedWith(d tocsin.Delivery) string {
	if d.Alert.Into == "" {
		return ""
	}
	text := "joined with alert " + short(flat(d.Alert.Into), maxName)
	if len(d.Older.Copies) > 0 {
		text = fmt.Sprintf("joined with “%s” (alert %s)", short(titleOf(d.Older), 200), short(flat(d.Alert.Into), 100))
	}
	return text
}

// reporters are the sources that told of the statement and did not publish it.
func reporters(a tocsin.Alert) []tocsin.Copy {
	seen := map[string]bool{}
	for _, c := range a.Publishers() {
		seen[c.Source] = true
	}
	var out []tocsin.Copy
	for _, c := range a.Copies {
		if c.Report && !seen[c.Source] {
			seen[c.Source] = true
			out = append(out, c)
		}
	}
	return out
}

// reported is "reported by 3: A, B, C", or "".
func reported(a tocsin.Alert) string {
	var names []string
	for _, c := range reporters(a) {
		names = append(names, withCountry(c))
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("reported by %d: %s", len(names), listed(names, 12))
}

// maxMissing is how many signatories that have not published are named.
const maxMissing = 12

// signed says how many of the signatories that the text names have published it,
// and who has not: "37 of 48 signatories have published; missing: Japan, …".
func signed(a tocsin.Alert) string {
	total := max(a.Facets.Signed, len(a.Facets.Signatories))
	if len(a.Facets.Signatories) == 0 {
		if total == 0 {
			return ""
		}
		return fmt.Sprintf("its text says that %d signed", total)
	}
	has := map[string]bool{}
	for _, c := range a.Publishers() {
		has[strings.ToUpper(c.Country)] = true
	}
	var missing []string
	for _, code := range a.Facets.Signatories {
		if !has[strings.ToUpper(code)] {
			missing = append(missing, countryName(code))
		}
	}
	published := len(a.Facets.Signatories) - len(missing)
	verb := "have"
	if published == 1 {
		verb = "has"
	}
	text := fmt.Sprintf("%d of %s %s published", published, count(total, "signatory", "signatories"), verb)
	if len(missing) == 0 {
		return text
	}
	slices.Sort(missing)
	rest := total - published - min(len(missing), maxMissing)
	text += "; missing: " + strings.Join(missing[:min(len(missing), maxMissing)], ", ")
	if rest > 0 {
		text += fmt.Sprintf(" and %d more", rest)
	}
	return text
}

// facets says what resolutions a statement cites and what weapons it names.
func facets(f tocsin.Facets) string {
	var out []string
	if n := len(f.Resolutions); n > 0 {
		word := "resolutions"
		if n == 1 {
			word = "resolution"
		}
		out = append(out, "cites "+word+" "+listed(flats(f.Resolutions), 12))
	}
	if len(f.Systems) > 0 {
		out = append(out, "names "+listed(flats(f.Systems), 12))
	}
	return strings.Join(out, " · ")
}

// countryName is the English name of an ISO 3166-1 code, or the code.
func countryName(code string) string {
	r, err := language.ParseRegion(code)
	if err != nil {
		return short(flat(code), 20)
	}
	return cmp.Or(display.English.Regions().Name(r), short(flat(code), 20))
}

// languageName is the English name of a BCP 47 tag, or the tag.
func languageName(tag string) string {
	t, err := language.Parse(tag)
	if err != nil {
		return short(flat(tag), 20)
	}
	return cmp.Or(display.English.Languages().Name(t), short(flat(tag), 20))
}
