package watchlist

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"tocsin"
	"tocsin/pipeline/watchlist/words"
)

// A Reason says of one required part of a rule whether a document has it, and
// if it does not, how near it comes.
type Reason struct {
	Part  string        // the part in canonical form, at most MaxBranch bytes; NOT and the part for what the rule leaves out
	Held  bool          // the document has it, or does not have what is left out
	Why   string        // of one that does not hold: what is missing and how near it is, on one line, at most MaxWhy bytes
	Spans []tocsin.Span // where what there is of it stands, the first few
}

const (
	// MaxWhy is how many bytes a [Reason]'s Why has at most.
	MaxWhy = 500

	fewSpans = 8
)

// Miss says why a document does not match, required part by required part, in
// the order of the query. Of one that matches all parts are held.
func (r *Rule) Miss(d *Document) []Reason {
	m := newMatching(d)
	var out []Reason
	required(r.query, r.Root, func(n *Node) *Node { return n }, func(shown, n *Node, e *Expr, never bool) {
		reason := Reason{Part: clip(shown.String(), MaxBranch), Held: m.holds(e) != never}
		switch {
		case never && reason.Held:
		case never:
			held, spans := m.account(n, e)
			reason.Why, reason.Spans = held+" is there, and what has it is left out", spans
		case reason.Held:
			_, reason.Spans = m.account(n, e)
		default:
			miss := m.miss(n, e)
			reason.Why, reason.Spans = miss.String(), few(miss.spans)
			if n.Op == Or && !miss.nothing {
				reason.Why = fmt.Sprintf("nearest of its %d parts: %s", len(n.Kids), reason.Why)
			}
		}
		if never {
			reason.Part = clip("NOT "+inside(shown), MaxBranch)
		}
		reason.Why = clip(reason.Why, MaxWhy)
		out = append(out, reason)
	})
	return out
}

// required calls f with every part of n, which is e, that must hold, or never
// may. Shown is the part with the scopes around it.
func required(n *Node, e *Expr, scoped func(*Node) *Node, f func(shown, n *Node, e *Expr, never bool)) {
	switch n.Op {
	case ScopeOf:
		required(n.Kids[0], e, func(k *Node) *Node { return scoped(n.with(k)) }, f)
	case And:
		for i, k := range n.Kids {
			required(k, e.Kids[i], scoped, f)
		}
	case Not:
		required(n.Kids[0], e.Kids[0], scoped, f)
		for i, k := range n.Kids[1:] {
			f(scoped(k), k, e.Kids[i+1], true)
		}
	default:
		f(scoped(n), n, e, false)
	}
}

// account is what held of e, and where.
func (m *matching) account(n *Node, e *Expr) (string, []tocsin.Span) {
	a := account{matching: m}
	held := a.whole(n, e)
	a.settle()
	return inside(held), few(a.spans)
}

func few(s []tocsin.Span) []tocsin.Span { return s[:min(len(s), fewSpans)] }

// inside is n as it stands among words.
func inside(n *Node) string {
	s := clip(n.String(), MaxWhy/4)
	if len(n.Kids) > 0 && n.Op != ScopeOf && n.Op != Any && n.Op != AtLeast {
		return "(" + s + ")"
	}
	return s
}

// A missed is why something does not hold.
type missed struct {
	part    string // the innermost part that is missing; "" if it is the whole
	why     string
	spans   []tocsin.Span // what there is
	lacks   int           // how much is missing
	nothing bool          // nothing of it is there
}

func (x missed) String() string {
	if x.part == "" {
		return x.why
	}
	return x.part + ": " + x.why
}

// within says that x is what a part misses.
func (x missed) within(n *Node) missed {
	if x.part == "" {
		x.part = inside(n)
	}
	return x
}

// absent is missed without anything like it.
func absent(why string) missed { return missed{why: why, lacks: 2, nothing: true} }

// almost is missed though something like it is there, or it elsewhere.
func almost(why string, spans []tocsin.Span) missed { return missed{why: why, spans: spans, lacks: 1} }

func (m *matching) miss(n *Node, e *Expr) missed {
	switch n.Op {
	case ScopeOf:
		return m.miss(n.Kids[0], e)
	case Term:
		if e.Op == Or {
			e = e.Kids[0]
		}
		return m.missTerm(e, n)
	case ListRef:
		x, ok := m.lists[e]
		if !ok {
			x = m.missList(e)
			m.lists[e] = x
		}
		return x
	case Regex:
		return absent("nothing fits it")
	case Value:
		return m.missValue(e)
	case Or:
		return m.missAll(n, e)
	case And, Any, Not:
		return m.missSome(n, e)
	case AtLeast:
		s := m.places(e.Kids[0], bothSides)
		if len(s.places) == 0 {
			return m.miss(n.Kids[0], e.Kids[0]).within(n.Kids[0])
		}
		_, spans := m.account(n.Kids[0], e.Kids[0])
		return almost(fmt.Sprintf("it is there %s, and %d are needed", times(s.distinct()), e.N), spans)
	}
	return m.missApart(n, e)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func (m *matching) missValue(e *Expr) missed {
	v := m.d.Value(e.Field)
	if v == "" {
		return absent("its " + e.Field + " is not known")
	}
	x := absent(fmt.Sprintf("its %s is %s", e.Field, v))
	x.spans = []tocsin.Span{{Term: e.Text, Field: e.Field, End: len(v)}}
	return x
}

// missAll says which alternative of an OR comes nearest.
func (m *matching) missAll(n *Node, e *Expr) missed {
	var best missed
	for i, k := range e.Kids {
		x := m.miss(n.Kids[i], k).within(n.Kids[i])
		if i == 0 || x.lacks < best.lacks {
			best = x
		}
	}
	if best.nothing {
		best.part, best.why = "", fmt.Sprintf("none of its %d parts is there", len(e.Kids))
	}
	return best
}

// missSome says which parts of AND, ANY and NOT are there and which are not.
func (m *matching) missSome(n *Node, e *Expr) missed {
	var there, not []string
	var x missed
	x.nothing = true
	for i, k := range e.Kids {
		switch {
		case m.holds(k):
			held, at := m.account(n.Kids[i], k)
			there, x.spans, x.nothing = append(there, held), append(x.spans, at...), false
		case n.Op != Not || i == 0:
			y := m.miss(n.Kids[i], k).within(n.Kids[i])
			not, x.spans = append(not, y.String()), append(x.spans, y.spans...)
			x.lacks, x.nothing = x.lacks+y.lacks, x.nothing && y.nothing
		}
	}
	switch {
	case n.Op == Not && m.holds(e.Kids[0]):
		x.why, x.lacks = strings.Join(there[1:], ", ")+" is there, and what has it is left out", 1
	case n.Op == Not:
		x.why = not[0]
	case n.Op == Any && len(there) > 0:
		x.why = fmt.Sprintf("%d of the %d needed: %s; not there: %s", len(there), e.N, strings.Join(there, ", "), m.others(n, e))
	case len(there) > 0:
		x.why = strings.Join(there, ", ") + " is there; " + strings.Join(not, "; ")
	case x.nothing:
		x.why = fmt.Sprintf("none of its %d parts is there", len(e.Kids))
	default:
		x.why = strings.Join(not, "; ")
	}
	return x
}

// others are the kids of e that do not hold.
func (m *matching) others(n *Node, e *Expr) string {
	var out []string
	for i, k := range e.Kids {
		if !m.holds(k) {
			out = append(out, inside(n.Kids[i]))
		}
	}
	return strings.Join(out, ", ")
}

// missTerm says how near a term comes: the same elsewhere, another form of its
// word, or its words apart.
func (m *matching) missTerm(e *Expr, n *Node) missed {
	if x, ok := m.elsewhere(e); ok {
		return x
	}
	if len(e.Words) > 1 {
		return m.missPhrase(e)
	}
	if x, ok := m.alike(e, n.Mark); ok {
		return x
	}
	return absent("it is not there")
}

// elsewhere says where a term stands that is not where it is looked for.
func (m *matching) elsewhere(e *Expr) (missed, bool) {
	anywhere := *e
	anywhere.Lang = ""
	anywhere.Scope = Scope{In: InAll | InURL | InAuthor | InTag}
	at := m.term(&anywhere).places
	if len(at) == 0 {
		return missed{}, false
	}
	p, f := at[0], m.d.field(int(at[0].field))
	x := almost("", m.spansOf(e, at[:min(len(at), fewSpans)]))
	switch name := spanFields[p.field]; {
	case !m.d.speaks(e.Lang):
		x.why = fmt.Sprintf("it is in the %s, and is looked for in texts in %s only, not in %s", name, e.Lang, m.d.Lang)
	case e.Scope.In&fieldBits[p.field] == 0:
		x.why = fmt.Sprintf("it is in the %s, not in %s", name, e.Scope.In)
	case e.Scope.First > 0:
		x.why = fmt.Sprintf("it is there first at word %d of the %s", f.Words[p.first].At/2+1, name)
	default:
		x.why = fmt.Sprintf("it is there first at word %d of the text, behind the lead", f.Words[p.first].At/2+1)
	}
	return x, true
}

// String names the fields as a reader does.
func (in Fields) String() string {
	var out []string
	for _, f := range []struct {
		bit  Fields
		name string
	}{{InTitle, "title"}, {InText, "text"}, {InRest, "rest"}, {InURL, "url"}, {InAuthor, "author"}, {InTag, "tag"}} {
		if in&f.bit != 0 {
			out = append(out, f.name)
		} else if f.bit == InText && in&InLead != 0 {
			out = append(out, "lead")
		}
	}
	return "the " + strings.Join(out, " or the ")
}

// missPhrase says which words of a phrase are there, and how far apart.
func (m *matching) missPhrase(e *Expr) missed {
	var there, not []string
	var spans []tocsin.Span
	parts := "words"
	if e.Words[0].Class == words.Packed {
		parts = "letters"
	}
	sets := make([]*set, len(e.Words))
	for i, p := range e.Words {
		one := Expr{Op: Term, Text: written(p), Words: []words.Pattern{p}, Scope: e.Scope}
		if sets[i] = m.term(&one); len(sets[i].places) == 0 {
			not = append(not, one.Text)
			continue
		}
		there = append(there, one.Text)
		spans = append(spans, m.spansOf(&one, sets[i].places[:1])...)
	}
	switch {
	case len(there) == 0:
		return absent("none of its " + parts + " is there")
	case len(not) > 0:
		return almost(isAre(there)+" there, "+isAre(not)+" not", spans)
	}
	widest := 0
	for i := 1; i < len(sets); i++ {
		_, _, gap, ok := m.closest(sets[i-1], sets[i], true)
		if !ok {
			return almost("its "+parts+" are there, but in another order or not in one field", spans)
		}
		widest = max(widest, gap)
	}
	if widest == 0 {
		return almost("its "+parts+" are there, but not all together", spans)
	}
	return almost(fmt.Sprintf("its %s are there in this order, up to %s apart", parts, wordsOf(widest)), spans)
}

func isAre(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " are"
}

// wordsOf is half-words as a reader counts.
func wordsOf(gap int) string {
	if n := (gap + 1) / 2; n != 1 {
		return fmt.Sprintf("%d words", n)
	}
	return "1 word"
}

// written is a pattern as a query writes it.
func written(p words.Pattern) string {
	switch {
	case p.Raw != "":
		return p.Raw
	case p.Kind == words.Prefix:
		return p.Form + "*"
	}
	return p.Form
}

// alike finds another form of a term's one word: the same without its mark, of
// the same stem, of the same beginning, or with it as a part.
func (m *matching) alike(e *Expr, mark string) (missed, bool) {
	p := e.Words[0]
	if mark == "=" || mark == "==" {
		loose := *e
		loose.Words = []words.Pattern{{Kind: p.Kind, Form: p.Form, Class: p.Class}}
		if at := m.term(&loose).places; len(at) > 0 {
			return m.other(e, at[0], "leave out "+mark), true
		}
	}
	like := beginsLike(p.Form)
	var found []place
	for n := range fields {
		if e.Scope.In&fieldBits[n] == 0 {
			continue
		}
		f := m.d.field(n)
		f.index()
		at := slices.Clone(f.stems(cmp.Or(m.d.Lang, "en"))[stemOf(m.d.Lang, p.Form)])
		if like != "" {
			at = append(at, f.beginning(like, func(string) bool { return true })...)
		}
		if p.Class != words.Packed && utf8.RuneCountInString(p.Form) >= 3 {
			at = append(at, f.beginning("", func(form string) bool { return strings.Contains(form, p.Form) })...)
		}
		for _, i := range at {
			if q := (place{int32(n), i, i}); f.inScope(q, e.Scope) {
				found = append(found, q)
			}
		}
	}
	if len(found) == 0 {
		return missed{}, false
	}
	best := slices.MinFunc(found, func(a, b place) int {
		return cmp.Or(cmp.Compare(len(m.form(a)), len(m.form(b))), byFirst(a, b))
	})
	return m.other(e, best, advice(p, m.form(best))), true
}

func stemOf(lang, form string) string {
	s, _ := words.Stem(cmp.Or(lang, "en"), form)
	return s
}

func (m *matching) form(p place) string { return m.d.field(int(p.field)).Words[p.first].Form }

// other says that another form of e stands at p.
func (m *matching) other(e *Expr, p place, advice string) missed {
	f := m.d.field(int(p.field))
	w := f.Words[p.first]
	why := fmt.Sprintf("%s is there, %s is not", f.Source[w.Start:w.End], e.Text)
	if advice != "" {
		why += ": " + advice
	}
	return almost(why, m.spansOf(e, []place{p}))
}

// beginsLike is the beginning that other forms of a word have too, "" if the
// word is too short to tell.
func beginsLike(form string) string {
	letters := []rune(strings.Trim(form, "*?"))
	if len(letters) < 4 {
		return ""
	}
	return string(letters[:max(4, len(letters)-3)])
}

// advice is what to write to find form too.
func advice(p words.Pattern, form string) string {
	if i := strings.Index(form, p.Form); i > 0 && p.Kind == words.Exact {
		if i+len(p.Form) == len(form) || p.Class == words.Hangul {
			return "write *" + p.Form
		}
		return "write *" + p.Form + "*"
	}
	n := 0
	for n < len(form) && n < len(p.Form) && form[n] == p.Form[n] {
		n++
	}
	for n > 0 && n < len(form) && !utf8.RuneStart(form[n]) {
		n--
	}
	if p.Kind == words.Glob || p.Class == words.Packed || utf8.RuneCountInString(form[:n]) < 3 {
		return ""
	}
	return "write " + form[:n] + "*"
}

// missList looks for the first term of a list that comes near.
func (m *matching) missList(e *Expr) missed {
	best := absent(fmt.Sprintf("none of its %d terms is there", len(e.Kids)))
	for _, k := range e.Kids {
		if x, ok := m.elsewhere(k); ok {
			x.why = "nearest is " + quoted(k) + ": " + x.why
			return x
		}
		if len(k.Words) == 1 && best.nothing {
			if x, ok := m.alike(k, ""); ok {
				best = x
				best.why = "nearest of its terms: " + x.why
			}
		}
	}
	return best
}

// quoted is a term as a query writes it.
func quoted(e *Expr) string {
	if strings.Contains(e.Text, " ") {
		return `"` + e.Text + `"`
	}
	return e.Text
}

// missApart says which side of a proximity is missing, or how far apart they are.
func (m *matching) missApart(n *Node, e *Expr) missed {
	left, right := inside(n.Kids[0]), inside(n.Kids[1])
	if e.Op == NotNear {
		return m.missFree(n, e)
	}
	if !m.holds(e.Kids[0]) || !m.holds(e.Kids[1]) {
		return m.missSome(n, e)
	}
	a, b := m.sides(e, bothSides)
	at := func(p, q place) []tocsin.Span {
		return append(m.spansAt(n.Kids[0], e.Kids[0], p), m.spansAt(n.Kids[1], e.Kids[1], q)...)
	}
	if p, q, gap, ok := m.closest(a, b, e.Op == Before); ok {
		return almost(m.howFar(e, p, q, gap), at(p, q))
	}
	p, q := a.places[0], b.places[0]
	why := fmt.Sprintf("%s is in the %s, %s in the %s", left, spanFields[p.field], right, spanFields[q.field])
	if p.field == q.field {
		why = "they are in different " + spanFields[p.field] + "s"
	}
	if p, q, gap, ok := m.closest(a, b, false); ok {
		return almost(fmt.Sprintf("%s stands only after %s: would match at %s", left, right, operator(Near, (gap+1)/2)), at(p, q))
	}
	if i := slices.IndexFunc(a.places, b.overlaps); i >= 0 {
		return almost("they are there only in the same words", m.spansAt(n.Kids[0], e.Kids[0], a.places[i]))
	}
	return almost(why, at(p, q))
}

// spansAt are the spans of one place of e.
func (m *matching) spansAt(n *Node, e *Expr, p place) []tocsin.Span {
	a := account{matching: m}
	a.part(n, e, bothSides, m.places(e, bothSides).common(&set{places: []place{p}}))
	a.settle()
	return few(a.spans)
}

// howFar says at what distance two places would match e.
func (m *matching) howFar(e *Expr, p, q place, gap int) string {
	n := (gap + 1) / 2
	f := m.d.field(int(p.field))
	first, last := int(min(p.first, q.first)), int(max(p.first, q.first))
	var far string
	switch e.Op {
	case SameSentence:
		far = parted("sentence", f.Sentence(last)-f.Sentence(first))
	case SameParagraph:
		far = parted("paragraph", f.Paragraph(last)-f.Paragraph(first))
	}
	op := Near
	if e.Op == Before {
		op = Before
	}
	if n > MaxNear {
		return fmt.Sprintf("%sthe nearest are %d words apart", far, n)
	}
	return far + "would match at " + operator(op, n)
}

func parted(what string, n int32) string {
	if n == 1 {
		return "the nearest is in the next " + what + ": "
	}
	return fmt.Sprintf("the nearest is %d %ss away: ", n, what)
}

// missFree says what is near every place of the first kid of a NotNear.
func (m *matching) missFree(n *Node, e *Expr) missed {
	a, b := m.sides(e, bothSides)
	if len(a.places) == 0 {
		return m.miss(n.Kids[0], e.Kids[0]).within(n.Kids[0])
	}
	near := m.spansAt(n.Kids[0], e.Kids[0], a.places[0])
	for _, q := range b.places {
		if one := (&set{places: []place{q}}); one.overlaps(a.places[0]) || m.near(one, a.places[0], e.N) {
			near = append(near, m.spansAt(n.Kids[1], e.Kids[1], q)...)
			break
		}
	}
	return almost(fmt.Sprintf("%s is there %s, each time with %s at most %d words away", inside(n.Kids[0]), times(len(a.places)), inside(n.Kids[1]), e.N), near)
}

// closest are the places of two sets with the fewest words between, in any order
// or the first first.
func (m *matching) closest(a, b *set, ordered bool) (p, q place, gap int, ok bool) {
	try := func(x, y place, first, second place) {
		if g, same := m.gap(first, second); same && (!ok || g < gap) {
			p, q, gap, ok = x, y, g, true
		}
	}
	for _, x := range a.places {
		if y, found := b.next(x); found {
			try(x, y, x, y)
		}
		if y, found := b.previous(x); found && !ordered {
			try(x, y, y, x)
		}
	}
	return p, q, gap, ok
}
