// Package watchlisttest makes queries and documents for each other, so that
// ways of matching can be held against one another: words of many scripts with
// the ways to write them, every operator, lists, scopes, and bytes that are no
// text.
package watchlisttest

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tocsin"
	"tocsin/pipeline/watchlist/words"
)

// Choices are where what is made comes from: a rand.Rand, or the bytes of a fuzz
// test.
type Choices interface {
	IntN(n int) int // from 0 to n-1; n > 0
}

// A Document is what a watchlist.Document has.
type Document struct {
	Title, Text, Rest, Lang, URL, Source, Kind, Country string
	Authors, Tags                                       []string
}

// A Query is what a watchlist asks.
type Query struct {
	Text string
	Stem bool
	Uses map[string]bool // what of Operators is in it
}

// Operators are all that a query may use.
var Operators = []string{
	"word", "phrase", "prefix", "glob", "suffix", "=", "==", "~", "stem", "regex", "list", "list.lang",
	"OR", "AND", "NOT", "ANY", "ATLEAST", "NEAR", "BEFORE", "chain", "SAME/S", "SAME/P", "NOT NEAR",
	"title", "lead", "text", "all", "url", "author", "tag", "FIRST", "value",
}

// A Topic is a few words that queries and documents share.
type Topic struct {
	c       Choices
	words   []word
	phrases [][]word
	said    []string      // what documents say and queries quote
	Lists   []tocsin.List // those that the queries name
}

// A word is something to find: how texts write it, and how queries do.
type word struct {
	lang string
	text []string // whole words, or of scripts without spaces any run
	ask  []string // as a phrase may hold it
	stem bool     // an inflected language
}

func latin(lang string, ask string, text ...string) word {
	return word{lang: lang, ask: []string{ask}, text: append([]string{ask}, text...), stem: true}
}

var vocabulary = []word{
	latin("en", "missile", "missiles", "Missile’s", "MISSILE", "mis\u00adsile", "mísslie", "míssile", "missile\u200b"),
	latin("en", "transfer", "transfers", "transferred", "Transferring", "trans\u00adfer"),
	latin("en", "ballistic", "Ballistic", "ballistics", "bal\xfflistic"),
	latin("en", "surface-to-air", "surface to air", "surface‑to‑air", "Surface-to-Air"),
	{lang: "en", ask: []string{"U.S.", "us"}, text: []string{"U.S.", "US", "us", "U.S", "U. S."}},
	{lang: "en", ask: []string{"IAEA", "iaea"}, text: []string{"IAEA", "iaea", "IAEA's", "I.A.E.A.", "Iaéa"}},
	{lang: "", ask: []string{"KN-23", "KN23"}, text: []string{"KN-23", "KN23", "KN 23", "ＫＮ-２３", "KN-23s"}},
	{lang: "", ask: []string{"1718", "١٧١٨"}, text: []string{"1718", "١٧١٨", "１７１８", "1718.5", "№1718"}},
	latin("fr", "exporté", "exporte", "exportés", "EXPORTE", "l'export"),
	{lang: "fr", ask: []string{"Iran", "l'Iran"}, text: []string{"Iran", "l’Iran", "Iran's", "İran'a", "İRAN’DAN", "d'Iran", "ıran"}},
	{lang: "en", ask: []string{"O'Neill", "oneill"}, text: []string{"O'Neill", "O’Neill", "Oneill", "O'"}},
	latin("de", "rakete", "Rakete", "raketen", "Mittelstreckenrakete", "Langstreckenraketen", "Raketen-"),
	latin("de", "strasse", "Straße", "STRAẞE", "straßen"),
	latin("tr", "füze", "füzeler", "FÜZE", "füzeleri", "Kuzey’nin"),
	latin("ru", "ракета", "ракетой", "РАКЕТЫ", "ракет", "Ракета"),
	latin("ru", "поставка", "поставки", "поставкой", "Поставка"),
	{lang: "ru", ask: []string{"самолёт"}, text: []string{"самолёт", "самолет", "САМОЛЁТ", "самолётов"}, stem: true},
	{lang: "uk", ask: []string{"зв'язок", "звязок"}, text: []string{"зв’язок", "звʼязок", "звязок"}, stem: true},
	{lang: "ar", ask: []string{"صواريخ", "الصواريخ"}, text: []string{"صواريخ", "والصواريخ", "بالصواريخ", "صواريخها", "الصَّواريخ", "للصواريخ"}},
	{lang: "ar", ask: []string{"نقل"}, text: []string{"نقل", "ونقل", "النقل", "نقلها", "نـقل"}},
	{lang: "fa", ask: []string{"موشک"}, text: []string{"موشک", "موشک\u200cهای", "موشك", "موشکها"}},
	{lang: "he", ask: []string{"טילים"}, text: []string{"טילים", "הטילים", "טִילים"}},
	{lang: "ko", ask: []string{"미사일"}, text: []string{"미사일", "미사일을", "탄도미사일의", "미사일-", "\u1106\u1175\u1109\u1161\u110b\u1175\u11af"}},
	{lang: "ko", ask: []string{"이전", "이전을"}, text: []string{"이전", "이전을", "이전에"}},
	{lang: "zh", ask: []string{"导弹", "弹道导弹"}, text: []string{"导弹", "弹道导弹", "弹道\n导弹", "导、弹", "弹道-导弹"}},
	{lang: "zh", ask: []string{"转让", "转 让"}, text: []string{"转让", "转让的", "转。让"}},
	{lang: "zh", ask: []string{"朝鲜、俄罗斯", "朝鲜"}, text: []string{"朝鲜", "朝鲜、俄罗斯", "朝鲜俄罗斯"}},
	{lang: "ja", ask: []string{"ミサイル"}, text: []string{"ミサイル", "ﾐｻｲﾙ", "弾道ミサイル防衛", "ミ・サイル"}},
	{lang: "ja", ask: []string{"ガザ"}, text: []string{"ガザ", "ｶﾞｻﾞ", "カ\u3099サ\u3099", "カサ"}},
	{lang: "th", ask: []string{"ขีปนาวุธ"}, text: []string{"ขีปนาวุธ", "การส่งออกขีปนาวุธไปยัง", "ขีปนา"}},
	{lang: "km", ask: []string{"កាំ"}, text: []string{"កាំ", "នៃកាំជ្រួច"}},
	{lang: "el", ask: []string{"λόγος"}, text: []string{"λόγος", "ΛΌΓΟΣ", "λογος"}},
	{lang: "hi", ask: []string{"मिसाइल"}, text: []string{"मिसाइल", "मसल"}},
	{lang: "", ask: []string{"a"}, text: []string{"a", "A", "ä"}},
	{lang: "", ask: []string{"and"}, text: []string{"and", "AND"}},
}

// NewTopic chooses the words of queries and documents, and writes lists of them.
func NewTopic(c Choices) *Topic {
	t := &Topic{c: c}
	for range 4 + c.IntN(4) {
		t.words = append(t.words, vocabulary[c.IntN(len(vocabulary))])
	}
	for range 2 {
		t.phrases = append(t.phrases, []word{t.word(), t.word(), t.word()}[:2+c.IntN(2)])
	}
	for range 3 {
		var b strings.Builder
		t.sentence(&b, 8)
		t.said = append(t.said, b.String())
	}
	for _, name := range []string{"one", "two", "both"} {
		t.Lists = append(t.Lists, t.list(name))
	}
	t.Lists[2].Entries = append(t.Lists[2].Entries, tocsin.Entry{Term: "@one"}, tocsin.Entry{Term: "@two.ru", Lang: "en"})
	return t
}

func (t *Topic) word() word { return t.words[t.c.IntN(len(t.words))] }

func (t *Topic) one(of []string) string { return of[t.c.IntN(len(of))] }

// chance is true n times of a hundred.
func (t *Topic) chance(n int) bool { return t.c.IntN(100) < n }

func (t *Topic) list(name string) tocsin.List {
	l := tocsin.List{Name: name}
	for range 2 + t.c.IntN(3) {
		w := t.word()
		q := &Query{Uses: map[string]bool{}}
		e := tocsin.Entry{Term: t.leaf(q, w)}
		if q.Uses["regex"] {
			e.Term = `"` + w.ask[0] + `"`
		}
		if t.chance(60) {
			e.Lang = w.lang
		}
		l.Entries = append(l.Entries, e)
	}
	l.Entries = append(l.Entries, tocsin.Entry{Term: `"words of all"`})
	return l
}

var separators = []string{
	"\u00a0", "-", ", ", ". ", "\n", " — ", "/", "’s ", "\u200b ", "", "", "。", "、", ".", " · ", " \u200f", "\xff", "_", "'", "’", "‑", "? ", "-\n", "\xe2\x82", " (", ") ",
}

func (t *Topic) separator() string {
	if t.chance(75) {
		return " "
	}
	return t.one(separators)
}

var filler = []string{"the", "of", "в", "de", "und", "他", "の", "그", "من", "x", "4", "said", "U.N.", "Mr.", "\xff\xfe", "…"}

// sentence writes up to n words.
func (t *Topic) sentence(b *strings.Builder, n int) {
	for range 1 + t.c.IntN(n) {
		switch {
		case t.chance(25):
			b.WriteString(t.one(filler))
		case t.chance(5):
			t.noise(b)
		case t.chance(15) && len(t.said) == 3:
			b.WriteString(t.one(t.said))
		case t.chance(25):
			for i, w := range t.phrases[t.c.IntN(len(t.phrases))] {
				if i > 0 {
					b.WriteString(t.separator())
				}
				b.WriteString(w.text[0])
			}
		default:
			b.WriteString(t.one(t.word().text))
		}
		b.WriteString(t.separator())
	}
}

// strange are runes that are something else than they look, or nothing.
var strange = []rune("aA1.-'’`\u00ad\u200b\u200d\u200f\u0301\u0651\u3099\uff9e\u1100\u1161\u11a8\ue000\ue001\ufeff\ufffdﬁﷺ㎏ゟ№²ªⅧ１۳ı̇İſßکيةأ한弹、。・ーกีຳ\x00\t*?\"(@#")

func (t *Topic) noise(b *strings.Builder) {
	for range 1 + t.c.IntN(6) {
		b.WriteRune(strange[t.c.IntN(len(strange))])
	}
}

// quote is a part of what documents say, as a phrase can hold it.
func (t *Topic) quote() (string, bool) {
	said := []rune(t.one(t.said))
	from := t.c.IntN(len(said))
	part := strings.TrimSpace(clean(string(said[from : from+1+t.c.IntN(min(16, len(said)-from))])))
	_, err := words.Patterns(part, words.How{})
	return part, err == nil
}

func (t *Topic) prose(paragraphs, sentences, words int) string {
	var b strings.Builder
	for i := range t.c.IntN(paragraphs + 1) {
		if i > 0 {
			b.WriteString(t.one([]string{"\n\n", "\n \n", "\u2029"}))
		}
		for range 1 + t.c.IntN(sentences) {
			t.sentence(&b, words)
			b.WriteString(t.one([]string{". ", "! ", "。", "? The ", ".\n"}))
		}
	}
	return b.String()
}

var (
	langs     = []string{"", "en", "ru", "ko", "fr", "ar"}
	hosts     = []string{"www.gov.uk", "mofa.go.jp", "user:x@MOFA.go.jp:8080", "example.org.", ""}
	sources   = []string{"mofa", "FCDO-news", "mofa-en"}
	kinds     = []string{"feed", "page"}
	countries = []string{"jp", "GB", ""}
)

// Document is a document of the topic's words.
func (t *Topic) Document() Document {
	d := Document{
		Title: strings.TrimSpace(t.prose(1, 1, 8)), Text: t.prose(4, 3, 9),
		Lang: t.one(langs), Source: t.one(sources), Kind: t.one(kinds), Country: t.one(countries),
	}
	if t.chance(3) {
		d.Text = strings.Repeat("x ", 40+t.c.IntN(60)) + d.Text // beyond the lead
	}
	if t.chance(50) {
		d.Rest = t.prose(2, 2, 6)
	}
	d.URL = "https://" + t.one(hosts) + "/" + strings.Join(strings.Fields(t.prose(1, 1, 5)), "-")
	for range t.c.IntN(3) {
		d.Authors = append(d.Authors, t.prose(1, 1, 3))
	}
	for range t.c.IntN(4) {
		d.Tags = append(d.Tags, t.prose(1, 1, 2))
	}
	return d
}

// Query is a query of the topic's words.
func (t *Topic) Query() Query {
	q := Query{Uses: map[string]bool{}}
	if t.chance(10) {
		q.Stem = true
		q.Uses["stem"] = true
	}
	q.Text = t.truth(&q, 3, "")
	return q
}

// Places is an expression that stands for places, of at most 3^depth words.
func (t *Topic) Places(q *Query, depth int) string { return t.places(q, depth, "") }

// truth writes an expression that holds or does not. Scope is that around it.
func (t *Topic) truth(q *Query, depth int, scope string) string {
	if depth == 0 || t.chance(25) {
		return t.places(q, depth, scope)
	}
	kids := func(least, most int) []string {
		out := make([]string, least+t.c.IntN(most-least+1))
		for i := range out {
			out[i] = t.truth(q, depth-1, scope)
		}
		return out
	}
	switch t.c.IntN(10) {
	case 0, 1:
		q.Uses["AND"] = true
		return "(" + strings.Join(kids(2, 2), ") AND (") + ")"
	case 2, 3:
		q.Uses["OR"] = true
		return "(" + strings.Join(kids(2, 3), ") OR (") + ")"
	case 4:
		q.Uses["NOT"] = true
		return "(" + strings.Join(kids(2, 2), ") NOT (") + ")"
	case 5:
		q.Uses["ANY"] = true
		of := kids(2, 4)
		return fmt.Sprintf("ANY/%d((%s))", 1+t.c.IntN(len(of)-1), strings.Join(of, "), ("))
	case 6:
		q.Uses["ATLEAST"] = true
		return fmt.Sprintf("ATLEAST/%d(%s)", 1+t.c.IntN(3), t.places(q, depth-1, scope))
	case 7, 8:
		return t.scoped(q, scope, func(scope string) string { return t.truth(q, depth-1, scope) })
	}
	q.Uses["value"] = true
	return t.value()
}

func (t *Topic) value() string {
	return t.one([]string{
		"source:mofa", "source:mofa*", "source:fcdo-*", "host:gov.uk", "host:*gov.uk", "host:go.jp", "host:(org OR mofa.go.jp)",
		"country:gb", "country:JP", "lang:en", "lang:unknown", "lang:(ru OR ko)", "kind:feed", "kind:p??e",
	})
}

// scoped writes an expression in a field or among the first words.
func (t *Topic) scoped(q *Query, scope string, inside func(scope string) string) string {
	if scope == "" && t.chance(80) {
		name := t.one([]string{"title", "lead", "text", "all", "url", "author", "tag"})
		q.Uses[name] = true
		return name + ":(" + inside(name) + ")"
	}
	if scope == "all" && t.chance(50) || scope == "text" && t.chance(50) {
		q.Uses["lead"] = true
		return "lead:(" + inside("lead") + ")"
	}
	q.Uses["FIRST"] = true
	return fmt.Sprintf("FIRST/%d(%s)", 1+t.c.IntN(20), inside(scope))
}

// places writes an expression of places.
func (t *Topic) places(q *Query, depth int, scope string) string {
	if depth == 0 || t.chance(30) {
		return t.leaf(q, t.word())
	}
	kid := func() string { return "(" + t.places(q, depth-1, scope) + ")" }
	n := t.c.IntN(8)
	switch t.c.IntN(11) {
	case 0, 1:
		q.Uses["OR"] = true
		return kid() + " OR " + kid()
	case 2, 3:
		q.Uses["NEAR"] = true
		return fmt.Sprintf("%s NEAR/%d %s", kid(), n, kid())
	case 4:
		q.Uses["BEFORE"] = true
		return fmt.Sprintf("%s BEFORE/%d %s", kid(), n, kid())
	case 5:
		q.Uses["BEFORE"], q.Uses["chain"] = true, true
		if t.chance(50) {
			return fmt.Sprintf("%s BEFORE/%d (%s BEFORE/%d %s)", kid(), n+2, kid(), n+4, kid())
		}
		return fmt.Sprintf("(%s BEFORE/%d %s) BEFORE/%d %s", kid(), n+2, kid(), n+4, kid())
	case 6:
		q.Uses["SAME/S"] = true
		return kid() + " SAME/S " + kid()
	case 7:
		q.Uses["SAME/P"] = true
		return kid() + " SAME/P " + kid()
	case 8:
		q.Uses["NOT NEAR"] = true
		return fmt.Sprintf("%s NOT NEAR/%d %s", kid(), n/2, kid())
	case 9:
		return t.scoped(q, scope, func(scope string) string { return t.places(q, depth-1, scope) })
	}
	return t.listRef(q)
}

func (t *Topic) listRef(q *Query) string {
	name := "@" + t.one([]string{"one", "two", "both"})
	if t.chance(50) {
		q.Uses["list"] = true
		return name
	}
	q.Uses["list.lang"] = true
	return name + t.one([]string{".en", ".ru", ".ko", ".ar", ".zh"})
}

// leaf writes a word, a phrase or a regular expression.
func (t *Topic) leaf(q *Query, w word) string {
	ask := t.one(w.ask)
	quoted := `"` + ask + `"`
	switch t.c.IntN(13) {
	case 0:
		q.Uses["="] = true
		return "=" + quoted
	case 1:
		if t.chance(50) {
			q.Uses["=="] = true
			return "==" + `"` + clean(t.one(w.text)) + `"`
		}
	case 2:
		if w.stem {
			q.Uses["~"] = true
			return "~" + quoted
		}
	case 3, 4:
		return t.wild(q, w, ask)
	case 5, 6, 7:
		q.Uses["phrase"] = true
		var parts []string
		for _, w := range t.phrases[t.c.IntN(len(t.phrases))] {
			parts = append(parts, w.ask[0])
		}
		return t.one([]string{"", "", "", "~", "="}) + `"` + strings.Join(parts, " ") + `"`
	case 8:
		if said, ok := t.quote(); ok && t.chance(60) {
			q.Uses["phrase"] = true
			return `"` + said + `"`
		}
		q.Uses["regex"] = true
		return t.one([]string{`/[a-k]\w+/`, `/(?i)m.ss/`, `/\d+(\.\d)?/`, `/导./`, `/^./`, `/s\b/`, `/(?s)a.{1,9}e/`, `/\p{Cyrillic}{5}/`, `/(a|i)+\S/`})
	case 9:
		if said, ok := t.quote(); ok {
			q.Uses["phrase"] = true
			return t.one([]string{"", "=", "=="}) + `"` + said + `"`
		}
	}
	q.Uses["word"] = true
	return quoted
}

// clean is a text that a query may hold in quotes.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || strings.ContainsRune("\"“”„‟«»‹›「」『』＂*?", r) {
			return ' '
		}
		return r
	}, s)
}

// wild writes a word with a wildcard.
func (t *Topic) wild(q *Query, w word, ask string) string {
	rs := []rune(ask)
	if len(rs) < 5 || slices.ContainsFunc(rs, func(r rune) bool { return !unicode.IsLetter(r) }) {
		q.Uses["word"] = true
		return `"` + ask + `"`
	}
	switch t.c.IntN(3) {
	case 0:
		q.Uses["prefix"] = true
		return `"` + string(rs[:4+t.c.IntN(len(rs)-4)]) + `*"`
	case 1:
		q.Uses["suffix"] = true
		return `"*` + string(rs[len(rs)-4:]) + t.one([]string{"", "*"}) + `"`
	}
	q.Uses["glob"] = true
	at := 3 + t.c.IntN(len(rs)-4)
	return `"` + string(rs[:at]) + t.one([]string{"?", "*"}) + string(rs[at+1:]) + `"`
}
