package watchlist

import (
	"maps"
	"net/url"
	"slices"
	"sort"
	"strings"

	"tocsin"
	"tocsin/pipeline/watchlist/words"
)

// A Document is a statement that rules are held against. Set its fields and do
// not change them afterwards. It is cut into words when they are first asked
// for, so only one goroutine at a time may use it.
type Document struct {
	Title, Text string
	Rest        string // what stands around the text on its page
	Lang        string // as [words.Language] says; "" is unknown
	URL         string
	Source      string // tocsin.Source.ID
	Kind        string // of the source
	Country     string // of the source
	Authors     []string
	Tags        []string

	cut [fields]*cutField
}

// NewDocument is a statement of a title and a text, in a language as a source
// declares it, a BCP 47 tag or "".
func NewDocument(title, text, lang string) *Document {
	return &Document{Title: title, Text: text, Lang: words.Language(lang, title+"\n"+text)}
}

// The fields that words are looked for in, by number, in the order of spans.
const (
	titleField = iota
	textField
	restField
	urlField
	authorField
	tagField
	fields
)

var (
	spanFields = [fields]string{tocsin.FieldTitle, tocsin.FieldText, "rest", "url", "author", "tag"}
	fieldBits  = [fields]Fields{InTitle, InText | InLead, InRest, InURL, InAuthor, InTag}
)

// A cutField is the words of a field. Several values, authors or tags, are cut
// as lines of one text.
type cutField struct {
	*words.Text
	starts []int // the byte where each value after the first begins
	parts  []int // the word where it begins
	lead   int   // of the text: how many words are its lead

	byForm map[string][]int32            // where each form stands, and what it stands for
	forms  []string                      // of byForm, sorted
	byStem map[string]map[string][]int32 // by language, where words of each stem stand
}

// field is a field cut into words.
func (d *Document) field(n int) *cutField {
	if d.cut[n] == nil {
		f := &cutField{}
		switch n {
		case titleField:
			f.Text = words.Cut(d.Title)
		case textField:
			f.Text = words.Cut(d.Text)
			f.lead = lead(f.Text)
		case restField:
			f.Text = words.Cut(d.Rest)
		case urlField:
			f.Text = words.Cut(d.URL)
		case authorField:
			f.values(d.Authors)
		case tagField:
			f.values(d.Tags)
		}
		d.cut[n] = f
	}
	return d.cut[n]
}

func (f *cutField) values(vs []string) {
	f.Text = words.Cut(strings.Join(vs, "\n"))
	at, word := 0, 0
	for i, v := range vs {
		if i > 0 {
			for word < len(f.Words) && int(f.Words[word].Start) < at {
				word++
			}
			f.starts, f.parts = append(f.starts, at), append(f.parts, word)
		}
		at += len(v) + len("\n")
	}
}

// part is the number of the value that the word i stands in.
func (f *cutField) part(i int) int {
	return sort.Search(len(f.parts), func(n int) bool { return f.parts[n] > i })
}

// lead is how many words the first paragraph has, and at least LeadWords.
func lead(t *words.Text) int {
	n := 0
	for n < len(t.Words) && (t.Words[n].Next <= 2*LeadWords || t.Paragraph(n) == 0) {
		n++
	}
	return n
}

// index notes where each form stands, and the forms that it stands for.
func (f *cutField) index() {
	if f.byForm != nil {
		return
	}
	f.byForm = make(map[string][]int32)
	for i, w := range f.Words {
		for _, form := range words.Cores(w.Form) {
			f.byForm[form] = append(f.byForm[form], int32(i))
		}
	}
	f.forms = slices.Sorted(maps.Keys(f.byForm))
}

// stems is where the words of each stem stand.
func (f *cutField) stems(lang string) map[string][]int32 {
	if s, ok := f.byStem[lang]; ok {
		return s
	}
	if f.byStem == nil {
		f.byStem = map[string]map[string][]int32{}
	}
	s := map[string][]int32{}
	for i, w := range f.Words {
		if stem, ok := words.Stem(lang, w.Form); ok {
			s[stem] = append(s[stem], int32(i))
		}
	}
	f.byStem[lang] = s
	return s
}

// candidates are the words that may be what p says, in order: all that are, and
// some that are not.
func (f *cutField) candidates(p words.Pattern) []int32 {
	f.index()
	switch {
	case p.Kind == words.Stemmed:
		return f.stems(p.Lang)[p.Form]
	case p.Kind == words.Exact && (p.Class != words.Hangul || p.Plain):
		return f.byForm[p.Form]
	case p.Kind == words.Glob:
		literal := p.Form[:strings.IndexAny(p.Form, "*?")]
		return f.beginning(literal, func(form string) bool { return words.Globbed(p.Form, form) })
	}
	return f.beginning(p.Form, func(string) bool { return true })
}

// beginning are the words that have a form which begins with head and fits.
func (f *cutField) beginning(head string, fits func(form string) bool) []int32 {
	var at []int32
	for i := sort.SearchStrings(f.forms, head); i < len(f.forms) && strings.HasPrefix(f.forms[i], head); i++ {
		if fits(f.forms[i]) {
			at = append(at, f.byForm[f.forms[i]]...)
		}
	}
	slices.Sort(at)
	return slices.Compact(at)
}

// maxHost is how many bytes the name of a host has at most. Source: RFC 1035.
const maxHost = 255

// Host is the host of the document's address, folded, without a port.
func (d *Document) Host() string {
	u, err := url.Parse(d.URL)
	if err != nil || len(u.Hostname()) > maxHost {
		return ""
	}
	return strings.TrimSuffix(words.Fold(u.Hostname()), ".")
}

// Value is what a [Value] of the named field is held against, as it is written.
func (d *Document) Value(field string) string {
	switch field {
	case "source":
		return d.Source
	case "kind":
		return d.Kind
	case "country":
		return d.Country
	case "host":
		return d.Host()
	case "lang":
		if d.Lang == "" {
			return "unknown"
		}
		return d.Lang
	}
	return ""
}

// Fits reports whether a value of the document fits e, a [Value]. A host fits if
// it or a domain above it does.
func (d *Document) Fits(e *Expr) bool {
	v := words.Fold(d.Value(e.Field))
	for {
		if v != "" && words.Globbed(e.Glob, v) {
			return true
		}
		_, above, ok := strings.Cut(v, ".")
		if e.Field != "host" || !ok {
			return false
		}
		v = above
	}
}

// speaks reports whether the terms of a language are looked for in d.
func (d *Document) speaks(lang string) bool { return lang == "" || d.Lang == "" || lang == d.Lang }
