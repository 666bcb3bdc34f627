package watchlist

import (
	"maps"
	"regexp"
	"strings"
	"unicode"

	"tocsin/pipeline/watchlist/words"
)

// fieldAliases are the fields by every name they are known by.
var fieldAliases = map[string]string{
	"title": "title", "hd": "title", "hl": "title", "headline": "title", "intitle": "title", "header": "title",
	"lead": "lead", "lp": "lead", "ingress": "lead",
	"hlp": "title|lead", "hlead": "title|lead",
	"text": "text", "td": "text", "body": "text", "intext": "text",
	"all": "all",
	"url": "url", "inurl": "url", "link": "url",
	"source": "source", "sn": "source", "rst": "source", "sc": "source", "src": "source",
	"host": "host", "site": "host", "domain": "host",
	"country": "country", "re": "country", "sourcecountry": "country",
	"lang": "lang", "la": "lang", "language": "lang", "sourcelang": "lang",
	"kind":   "kind",
	"author": "author", "by": "author", "byline": "author",
	"tag": "tag", "category": "tag",
	"raw": "raw",
}

// codes are the names of Factiva's that = follows and a colon does not: "re:" is
// a word more often.
var codes = map[string]bool{"hd": true, "hl": true, "lp": true, "hlp": true, "td": true, "sn": true, "rst": true, "sc": true, "re": true, "la": true, "by": true}

// foreign are the fields of others that nothing here is like.
var foreign = map[string]bool{
	"ns": true, "co": true, "in": true, "fds": true, "ipc": true, "ipd": true, "wc": true, "cx": true, "ct": true, "ed": true, "pg": true, "an": true,
	"filetype": true, "ext": true, "cache": true, "related": true, "info": true, "theme": true, "tone": true, "links": true, "city": true, "region": true,
	"from": true, "to": true, "is": true, "has": true, "sourcetype": true, "sentiment": true, "gender": true, "section": true, "subject": true,
	"_exists_": true, "type": true, "media_name": true, "section_name": true, "date": true, "pd": true, "published": true, "publication_date": true,
	"after": true, "before": true, "since": true, "until": true, "links_to": true, "at_mentions": true, "hashtags": true, "reach": true,
}

// timed are those of them that are about time.
var timed = map[string]bool{"date": true, "pd": true, "published": true, "publication_date": true, "after": true, "before": true, "since": true, "until": true}

// values are the fields that hold one value and not words.
var values = map[string]bool{"source": true, "host": true, "country": true, "lang": true, "kind": true}

var (
	fieldBefore = regexp.MustCompile(`^([\pL_][\pL\pN_.-]*)([:=：])`)
	gdelt       = regexp.MustCompile(`^(near|repeat)(\d+)$`)
	allIn       = regexp.MustCompile(`^allin(title|text|url)$`)
)

// fieldNames are the names of fields before a colon or =.
func fieldNames(l *lexer, w string, pos int) bool {
	if !strings.ContainsAny(w, ":=：") || l.last().kind == fieldToken && l.value() {
		return false
	}
	m := fieldBefore.FindStringSubmatch(w[:min(len(w), 2*maxOperator)])
	if m == nil || strings.HasPrefix(w[len(m[0]):], "//") {
		return false
	}
	name, after := strings.ToLower(m[1]), pos+len(m[0])
	t := token{kind: fieldToken, text: fieldAliases[name], pos: pos}
	switch {
	case t.text != "" && codes[name] && m[2] != "=":
		t.fault = m[0] + " is a word with a colon, or Factiva's " + name + "=: write " + strings.ReplaceAll(t.text, "|", ": or ") + ": for the field, or quote the word"
		t.ways = [][]token{{{kind: fieldToken, text: t.text, pos: pos}}, {{kind: wordToken, text: m[1], pos: pos}}}
	case t.text != "":
		if name == "re" {
			l.note(pos, regionNote)
		}
	case gdelt.MatchString(name) && isQuote(runeAt(l.query, after)):
		l.gdelt(name, after, pos)
		return true
	case allIn.MatchString(name):
		t = token{kind: stuckToken, pos: pos, fault: m[0] + " is about all words after it: write " + fieldAliases[name[len("all"):]] + ":(a AND b)"}
	case foreign[name]:
		l.i = after
		l.skipValue()
		t = token{kind: emptyToken, pos: pos, fault: m[0] + " is not asked about here: leave it out"}
		if timed[name] {
			t.fault = name + noDates
		}
		l.add(t)
		return true
	default:
		near := nearest(name, maps.Keys(fieldAliases))
		if near == "" || codes[near] {
			l.add(token{kind: phraseToken, text: loosely(w), pos: pos, fault: clip(m[0], 60) + " looks like a field, and is none: to find these words, quote them"})
			return true
		}
		t.text, t.fault = fieldAliases[near], "there is no field "+m[0]+" did you mean "+near+":?"
	}
	l.add(t)
	l.i = after
	return true
}

// gdelt reads near20:"a b" and repeat3:"a".
func (l *lexer) gdelt(name string, after, pos int) {
	m := gdelt.FindStringSubmatch(name)
	l.i = after
	if m[1] == "repeat" {
		l.add(function("atleast", m[2], pos))
		return
	}
	before := len(l.toks)
	l.phrase("", pos)
	if t := l.last(); len(l.toks) == before+1 && t.fault == "" {
		l.toks = l.toks[:before]
		l.slop(t, m[2])
	}
}

// skipValue passes what stands after a field or function that is left out.
func (l *lexer) skipValue() {
	l.i = until(l.query, l.i, func(r rune) bool { return !unicode.IsSpace(r) })
	switch r := runeAt(l.query, l.i); {
	case l.i >= len(l.query):
	case paren(r) == openToken:
		depth := 0
		l.i = until(l.query, l.i, func(r rune) bool {
			switch paren(r) {
			case openToken:
				depth++
			case closeToken:
				depth--
			}
			return depth == 0
		})
		l.i = min(len(l.query), l.i+max(1, len(string(runeAt(l.query, l.i)))))
	case isQuote(r):
		from := l.i + len(string(r))
		l.i = min(len(l.query), until(l.query, from, isQuote))
		l.i = min(len(l.query), l.i+len(string(runeAt(l.query, l.i))))
	case r == '[' || r == '{':
		l.i = until(l.query, l.i, func(r rune) bool { return r == ']' || r == '}' || r == '\n' })
		l.i = min(len(l.query), l.i+1)
	default:
		l.i = until(l.query, l.i, endsWord)
	}
}

// loosely is w as a phrase can hold it.
func loosely(w string) string {
	return strings.Join(strings.FieldsFunc(w, func(r rune) bool { return !isWordRune(r) && r != '-' && r != '\'' }), " ")
}

// languages are the codes of languages by their English names.
var languages = map[string]string{
	"arabic": "ar", "burmese": "my", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl", "english": "en", "farsi": "fa", "finnish": "fi",
	"french": "fr", "german": "de", "greek": "el", "hebrew": "he", "hindi": "hi", "hungarian": "hu", "indonesian": "id", "italian": "it",
	"japanese": "ja", "khmer": "km", "korean": "ko", "lao": "lo", "norwegian": "nb", "persian": "fa", "polish": "pl", "portuguese": "pt",
	"romanian": "ro", "russian": "ru", "spanish": "es", "swedish": "sv", "thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi",
}

// checkValue is a field's value as it can be compared, and what is wrong with it
// where it could never fit; nothing may be left of it.
func checkValue(field, text string) (fixed, fault string) {
	switch {
	case strings.ContainsAny(text, "*?"):
	case field == "lang":
		return languageValue(text)
	case field == "country":
		return countryValue(text)
	case field == "host":
		return hostValue(text)
	}
	return text, ""
}

func languageValue(text string) (fixed, fault string) {
	name := strings.ToLower(text)
	switch {
	case name == "unknown":
		return name, ""
	case languages[name] != "":
		return languages[name], ""
	}
	if code := words.Language(name, ""); code != "" {
		return code, ""
	}
	return "", "lang: takes the code of a language of two or three letters, as in lang:ru, or unknown"
}

func countryValue(text string) (fixed, fault string) {
	code := strings.ToLower(text)
	switch code {
	case "uk", "gbr":
		return "gb", ""
	case "usa":
		return "us", ""
	}
	if len(code) == 2 && strings.Trim(code, "abcdefghijklmnopqrstuvwxyz") == "" {
		return text, ""
	}
	return "", "country: takes the two letters that ISO 3166 has for a country, as in country:fr"
}

func hostValue(text string) (fixed, fault string) {
	h := text
	if _, after, ok := strings.Cut(h, "://"); ok {
		h = after
	}
	h = strings.TrimRight(h, "/")
	if name, _, ok := strings.Cut(h, "/"); ok {
		return hostName(name), "host: takes the name of a host, without what follows it in an address: write url: for that"
	}
	return hostName(h), ""
}

// hostName is a host without its port.
func hostName(h string) string {
	name, _, _ := strings.Cut(h, ":")
	return strings.Trim(name, ".")
}
