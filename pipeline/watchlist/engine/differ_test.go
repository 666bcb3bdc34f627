package engine

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tocsin/pipeline/watchlist"
	"tocsin/pipeline/watchlist/words"
)

// A maker makes rules and documents of the same few words, so that they meet.
type maker struct {
	*rand.Rand
	lists []*watchlist.Expr // that several rules have
}

func newMaker(a, b uint64) maker { return maker{Rand: rand.New(rand.NewPCG(a, b))} }

func pick[T any](m maker, of ...T) T { return of[m.IntN(len(of))] }

var said = strings.Fields(`missile missiles Missile MISSILE transfer transferred transferring export exports arms
	Russia's Russia russia l'Iran Iran O'Neill U.S. D.P.R.K. u.s u s dprk us KN-23 kn 23 3.5 270 ２７０ d'armes un
	Mittelstreckenrakete Mittelstreckenraketen rakete organisation organization été ete ÉTÉ Füze ıslak İran'a iran
	ракета ракетой ракеты передача передачи Росія ракети зброї
	والصواريخ صواريخ الصواريخ موشک موشک\u200cهای للصواريخ انتقال
	탄도미사일을 탄도미사일 미사일 미사일의 이전
	弹道导弹 导弹转让 彈道飛彈 弾道ミサイル ミサイルの移転 ﾐｻｲﾙ ขีปนาวุธ การโอน ກາ មីស៊ីល ဒုံးကျည်
	proliferation proliferate surface-to-air a b IAEA iaea Iaea 'x' “missile” «export» —transfer internationalization
	antidisestablishmentarianism сверхзвуковой межконтинентальная` + " x` Iran`a")

var glue = []string{" ", " ", " ", " ", " ", "-", ".", ". ", ", ", "\n", "\n\n", "'", "’", "`", "", "。", "、", "·", "\u00a0", "\u00ad", "\u200b", " — ", "—", "/", "‐", "\x00", "\xff", "“", "''", "? ", "U.S.", "a.b.c", "@", "_"}

// text is up to n words.
func (m maker) text(n int) string {
	var b strings.Builder
	few := make([]string, 1+m.IntN(12))
	for i := range few {
		few[i] = said[m.IntN(len(said))]
	}
	for range m.IntN(n + 1) {
		switch m.IntN(4) {
		case 0:
			b.WriteString(said[m.IntN(len(said))])
		default:
			b.WriteString(few[m.IntN(len(few))])
		}
		b.WriteString(pick(m, glue...))
	}
	return b.String()
}

var langs = []string{"", "", "en", "ru", "ar", "de", "xx"}

func (m maker) document() *watchlist.Document {
	d := &watchlist.Document{
		Title: m.text(6), Text: m.text(pick(m, 5, 30, 200)), Lang: pick(m, langs...),
		Source: pick(m, "fr-mfa", "us-state"), Kind: pick(m, "feed", "page"), Country: pick(m, "FR", "us", ""),
		URL: pick(m, "", "https://www.gov.uk/missile-transfer", "https://Example.org:80/a.b", "http://[bad"),
	}
	if m.IntN(3) == 0 {
		d.Rest = m.text(20)
		for range m.IntN(3) {
			d.Authors, d.Tags = append(d.Authors, m.text(3)), append(d.Tags, m.text(2))
		}
	}
	return d
}

// word is a word as a query writes it.
func (m maker) word() string {
	w := said[m.IntN(len(said))]
	switch r := []rune(w); m.IntN(9) {
	case 0:
		return string(r[:1+m.IntN(len(r))]) + "*"
	case 1:
		r[m.IntN(len(r))] = '?'
		return string(r)
	case 2:
		at := m.IntN(len(r))
		return "*" + string(r[at:])
	case 3:
		at := m.IntN(len(r))
		return string(r[:at]) + "*" + string(r[at:])
	}
	return w
}

func (m maker) term(in watchlist.Scope) *watchlist.Expr {
	for {
		ws := []string{m.word()}
		for m.IntN(3) == 0 {
			ws = append(ws, m.word())
		}
		text := strings.Join(ws, " ")
		if m.IntN(8) == 0 {
			text = said[m.IntN(len(said))] + said[m.IntN(len(said))]
		}
		how := words.How{}
		switch m.IntN(12) {
		case 0:
			how.Raw = true
		case 1:
			how.Exact = true
		case 2:
			how.Stem = pick(m, "en", "ru", "de", "uk")
		}
		ps, err := words.Patterns(text, how)
		if err != nil {
			continue
		}
		e := &watchlist.Expr{Op: watchlist.Term, Text: text, Words: ps, Scope: in, Lang: how.Stem}
		if m.IntN(10) == 0 {
			e.Lang = pick(m, "en", "ru", "fr")
		}
		return e
	}
}

func (m maker) regex(in watchlist.Scope) *watchlist.Expr {
	q, err := watchlist.Parse(pick(m, `/mis+ile/`, `/[A-Z]{2}/`, `/\d+/`, `/ракет/`))
	if err != nil {
		panic(err)
	}
	r, err := q.Resolve(nil, false)
	if err != nil {
		panic(err)
	}
	e := *r.Root
	e.Scope = in
	return &e
}

func (m maker) scope() watchlist.Scope {
	s := watchlist.Scope{In: watchlist.InDefault}
	if m.IntN(6) == 0 {
		s.In = pick(m, watchlist.InTitle, watchlist.InLead, watchlist.InText, watchlist.InAll, watchlist.InURL, watchlist.InAuthor, watchlist.InTag)
	}
	if m.IntN(12) == 0 {
		s.First = 1 + m.IntN(20)
	}
	return s
}

// places is an expression of places.
func (m maker) places(depth int, in watchlist.Scope) *watchlist.Expr {
	if len(m.lists) > 0 && m.IntN(8) == 0 {
		return pick(m, m.lists...)
	}
	if depth == 0 || m.IntN(3) == 0 {
		if m.IntN(15) == 0 {
			return m.regex(in)
		}
		return m.term(in)
	}
	op := pick(m, watchlist.Or, watchlist.Or, watchlist.Near, watchlist.Near, watchlist.Before, watchlist.SameSentence, watchlist.SameParagraph, watchlist.NotNear)
	e := &watchlist.Expr{Op: op, N: m.IntN(12), Kids: []*watchlist.Expr{m.places(depth-1, in), m.places(depth-1, in)}}
	for op == watchlist.Or && m.IntN(2) == 0 {
		e.Kids = append(e.Kids, m.places(depth-1, in))
	}
	return e
}

// list is an Or of many terms, some of which may be Ors.
func (m maker) list() *watchlist.Expr {
	e := &watchlist.Expr{Op: watchlist.Or, List: "l"}
	for range 6 + m.IntN(6) {
		e.Kids = append(e.Kids, m.term(watchlist.Scope{In: watchlist.InDefault}))
	}
	if m.IntN(3) == 0 {
		e.Kids = append(e.Kids, m.list())
	}
	return e
}

func (m maker) rule(depth int) *watchlist.Expr {
	in := m.scope()
	if depth == 0 || m.IntN(3) == 0 {
		return m.places(min(depth, 2), in)
	}
	op := pick(m, watchlist.And, watchlist.And, watchlist.Or, watchlist.Not, watchlist.Any, watchlist.AtLeast, watchlist.Value)
	e := &watchlist.Expr{Op: op, N: 1 + m.IntN(3)}
	switch op {
	case watchlist.Value:
		e.Field = pick(m, "source", "host", "country", "lang", "kind")
		e.Glob = pick(m, "fr*", "fr", "us", "gov.uk", "feed", "en", "unknown", "*")
		return e
	case watchlist.AtLeast:
		e.Kids = []*watchlist.Expr{m.places(depth-1, in)}
		return e
	}
	for range 2 + m.IntN(3) {
		e.Kids = append(e.Kids, m.rule(depth-1))
	}
	return e
}

// show writes a rule for people who look for what differs.
func show(e *watchlist.Expr) string {
	names := []string{"TERM", "REGEX", "OR", "AND", "NOT", "ANY", "ATLEAST", "NEAR", "BEFORE", "SAMES", "SAMEP", "NOTNEAR", "VALUE"}
	s := names[e.Op]
	switch e.Op {
	case watchlist.Term:
		return fmt.Sprintf("%q{%+v %+v %s}", e.Text, e.Words, e.Scope, e.Lang)
	case watchlist.Regex:
		return fmt.Sprintf("/%s/%+v", e.Re, e.Scope)
	case watchlist.Value:
		return e.Field + ":" + e.Glob
	}
	if e.N > 0 {
		s += "/" + strconv.Itoa(e.N)
	}
	var kids []string
	for _, k := range e.Kids {
		kids = append(kids, show(k))
	}
	return s + "(" + strings.Join(kids, ", ") + ")"
}

func rounds(t *testing.T, n int) int {
	if s := os.Getenv("TOCSIN_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if testing.Short() {
		return n / 10
	}
	return n
}

// TestTheEngineSaysWhatTheReferenceSays holds documents against an index to
// which rules are added, and from which they are removed, one by one, and
// against each rule by itself.
func TestTheEngineSaysWhatTheReferenceSays(t *testing.T) {
	var pairs, hits int
	for round := range rounds(t, 300) {
		m := newMaker(7, uint64(round))
		for range 3 {
			m.lists = append(m.lists, m.list())
		}
		x := New()
		matcher := x.Matcher()
		rules := map[string]*watchlist.Rule{}
		for step := range 8 {
			var changes []Change
			for range pick(m, 1, 1, 20) {
				name := "r" + strconv.Itoa(m.IntN(40))
				c := Change{Name: name}
				delete(rules, name)
				if m.IntN(5) > 0 {
					c.Rule = &watchlist.Rule{Root: m.rule(m.IntN(4))}
					rules[name] = c.Rule
				}
				changes = append(changes, c)
			}
			before := x
			x = x.With(changes...)
			if x.Len() != len(rules) {
				t.Fatalf("round %d.%d: the index has %d rules, want %d", round, step, x.Len(), len(rules))
			}
			if m.IntN(3) == 0 {
				before.Matcher().Match(m.document(), func(string) {})
			}
			matcher.Use(x)
			for range 6 {
				d := m.document()
				n := compare(t, matcher, rules, d)
				pairs, hits = pairs+len(rules), hits+n
				if t.Failed() {
					t.Fatalf("round %d.%d", round, step)
				}
			}
		}
	}
	t.Logf("%d pairs, %d match", pairs, hits)
}

// TestALongTextIsReadLikeAShortOne holds the same where a text is read in parts.
func TestALongTextIsReadLikeAShortOne(t *testing.T) {
	for round := range rounds(t, 40) {
		m := newMaker(8, uint64(round))
		rules := map[string]*watchlist.Rule{}
		var changes []Change
		for i := range 200 {
			c := Change{strconv.Itoa(i), &watchlist.Rule{Root: m.rule(m.IntN(3))}}
			rules[c.Name] = c.Rule
			changes = append(changes, c)
		}
		matcher := New().With(changes...).Matcher()
		for range 3 {
			d := m.document()
			for range 40 {
				d.Text += m.text(200)
			}
			compare(t, matcher, rules, d)
			if t.Failed() {
				t.Fatalf("round %d", round)
			}
		}
	}
}

// TestProse holds the phrases and queries of the benchmarks against prose.
func TestProse(t *testing.T) {
	c := needProse(t)
	queries := append(quote(c.phrases[:5000]), c.queries[:5000]...)
	rules := map[string]*watchlist.Rule{}
	all := changes(t, queries)
	for _, c := range all {
		rules[c.Name] = c.Rule
	}
	m := New().With(all...).Matcher()
	hits := 0
	for _, d := range c.docs[:300] {
		hits += compare(t, m, rules, d)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d pairs, %d match", 300*len(rules), hits)
}

// compare returns how many rules match.
func compare(t *testing.T, m *Matcher, rules map[string]*watchlist.Rule, d *watchlist.Document) int {
	t.Helper()
	var got, want []string
	m.Match(d, func(name string) { got = append(got, name) })
	fresh := *d
	for name, r := range rules {
		if r.Holds(&fresh) {
			want = append(want, name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return len(want)
	}
	for name, r := range rules {
		if a, b := slices.Contains(got, name), slices.Contains(want, name); a != b {
			t.Errorf("engine %v, reference %v\nrule %s\ndocument %+q", a, b, show(r.Root), []string{d.Title, d.Text, d.Rest, d.Lang, d.URL, strings.Join(d.Authors, "\n"), strings.Join(d.Tags, "\n")})
			return 0
		}
	}
	t.Errorf("engine %q, reference %q", got, want)
	return 0
}
