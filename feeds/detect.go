package feeds

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Which block of a page is its list is found out from its links: those whose way
// from the page's root is the same make a group, and what is around each link up
// to the next is a row. The group whose rows have dates and long titles of their
// own wins. Menus, language switches, pagers and footers have short titles and no
// dates, or names that say what they are. Where none is sure, none is taken: a
// menu would be read as news.
const (
	maxGroups = 24  // that are looked at closely
	maxScored = 120 // rows of each
	maxClimb  = 12  // levels from a link to its row
	maxBlocks = 4   // that may be the list
)

// A linkGroup are the links that stand alike.
type linkGroup struct {
	links []*html.Node
	said  int // weight of their texts
	aside int // how many stand in what is called a menu, footer …
}

// detect finds the rows of the blocks that look like lists, the likeliest first.
func (p *pageReader) detect() (blocks [][]row) {
	w := linkWalk{groups: map[uint64]*linkGroup{}, links: map[*html.Node]int{}}
	w.count(p.body)
	w.walk(p.body, 1, false)
	groups := make([]*linkGroup, 0, len(w.groups))
	for _, key := range w.order {
		if g := w.groups[key]; len(g.links) >= 3 && g.aside*2 < len(g.links) {
			groups = append(groups, g)
		}
	}
	slices.SortStableFunc(groups, func(a, b *linkGroup) int { return cmp.Compare(b.rank(), a.rank()) })
	type scored struct {
		rows  []row
		score float64
	}
	var all []scored
	for _, g := range groups[:min(len(groups), maxGroups)] {
		rows := rowsOf(g.links[:min(len(g.links), maxRows)])
		if score := p.score(rows); score > 0 {
			all = append(all, scored{rows, score})
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	taken := map[*html.Node]bool{}
	for _, s := range all {
		if !taken[s.rows[0].node] && len(blocks) < maxBlocks { // its images make a group of their own
			blocks = append(blocks, withSiblings(s.rows))
			taken[s.rows[0].node] = true
		}
	}
	return blocks
}

func (g *linkGroup) rank() int {
	n := len(g.links)
	return min(n, 60) * (g.said/n + 5)
}

// A linkWalk collects the links of a page.
type linkWalk struct {
	groups map[uint64]*linkGroup
	order  []uint64
	links  map[*html.Node]int // weight of the links at or below an element
	all    int
}

func (w *linkWalk) count(n *html.Node) int {
	sum := 0
	if isLink(n) {
		sum = 1 + min(weight(textOf(200, n)), 100)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode {
			sum += w.count(c)
		}
	}
	if sum > 0 {
		w.links[n] = sum
	}
	w.all = max(w.all, sum)
	return sum
}

// walk hands down the hash of the way to n, and whether it leads through what is
// aside. What holds most of what the page's links say is the page, whatever it is called.
func (w *linkWalk) walk(n *html.Node, way uint64, aside bool) {
	held := w.links[n]
	if held == 0 {
		return
	}
	way = step64(way, n.Data)
	way = step64(way, mainClass(n))
	aside = aside || held*2 < w.all && isAside(n)
	if isLink(n) && !strings.HasPrefix(attrOf(n.Attr, "href"), "#") {
		g := w.groups[way]
		if g == nil {
			g = &linkGroup{}
			w.groups[way], w.order = g, append(w.order, way)
		}
		g.links = append(g.links, n)
		g.said += held - 1
		if aside {
			g.aside++
		}
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode {
			w.walk(c, way, aside)
		}
	}
}

func step64(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return (h ^ '/') * 1099511628211
}

// passing are classes that tell rows of one list apart.
var passing = map[string]bool{
	"odd": true, "even": true, "first": true, "last": true, "active": true, "alt": true, "current": true, "new": true, "sticky": true,
	"featured": true, "clearfix": true, "row": true, "col": true,
}

// mainClass is the first class of n that its like have too, without its digits.
func mainClass(n *html.Node) string {
	for c := range strings.FieldsSeq(attrOf(n.Attr, "class")) {
		c = strings.ToLower(strings.TrimFunc(c, func(r rune) bool { return r == '-' || r == '_' || r >= '0' && r <= '9' }))
		if c == "" || passing[c] {
			continue
		}
		if i := strings.IndexAny(c, "0123456789"); i > 0 {
			c = c[:i]
		}
		return c
	}
	return ""
}

// asides are words of classes, ids and roles of what is no list of news.
var asides = []string{
	"nav", "navbar", "navigation", "menu", "submenu", "megamenu", "footer", "breadcrumb", "breadcrumbs", "related",
	"lang", "language", "languages", "social", "share", "cookie", "cookies", "sidebar", "popular", "trending", "mostread", "tagcloud", "toolbar", "sitemap", "partners", "shortcuts",
}

func isAside(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Nav, atom.Footer, atom.Aside, atom.Select:
		return true
	}
	return hasWord(n, asides...)
}

// hasWord reports whether one of words is a word of the class, id or role of n:
// "menu" is one of main-menu and mainMenu.
func hasWord(n *html.Node, words ...string) bool {
	for _, a := range n.Attr {
		if a.Key != "class" && a.Key != "id" && a.Key != "role" {
			continue
		}
		for w := range strings.FieldsFuncSeq(apart(a.Val), func(r rune) bool { return !unicode.IsLetter(r) }) {
			if slices.Contains(words, strings.ToLower(w)) {
				return true
			}
		}
	}
	return false
}

// apart puts a blank before the capitals of mainMenu.
func apart(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}
	var b strings.Builder
	small := false
	for _, r := range s {
		if small && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		small = unicode.IsLower(r)
		b.WriteRune(r)
	}
	return b.String()
}

// rowsOf are the rows of links: each what is around a link and no other of them.
func rowsOf(links []*html.Node) []row {
	below := map[*html.Node]int{}
	for _, l := range links {
		for n, i := l, 0; n != nil && i < maxClimb; n, i = n.Parent, i+1 {
			below[n]++
		}
	}
	rows := make([]row, 0, len(links))
	nodes := map[*html.Node]bool{}
	for _, l := range links {
		n := l
		for i := 1; i < maxClimb && n.Parent != nil && below[n.Parent] == 1 && n.Parent.DataAtom != atom.Body; i++ {
			n = n.Parent
		}
		rows = append(rows, row{node: n, link: l})
		nodes[n] = true
	}
	addNear(rows, nodes)
	return rows
}

// addNear finds what stands beside each row and may be its date, as dt beside dd:
// all before it, if something stands before the first, or all behind it.
func addNear(rows []row, nodes map[*html.Node]bool) {
	beside := func(n *html.Node, next func(*html.Node) *html.Node) (out []*html.Node) {
		for s, i := next(n), 0; s != nil && i < 8 && !nodes[s]; s, i = next(s), i+1 {
			if s.Type == html.ElementNode || strings.TrimSpace(s.Data) != "" {
				out = append(out, s)
			}
		}
		return out
	}
	before := func(n *html.Node) *html.Node { return n.PrevSibling }
	behind := func(n *html.Node) *html.Node { return n.NextSibling }
	if len(rows) == 0 {
		return
	}
	way := behind
	if len(rows) > 1 && len(beside(rows[0].node, before)) > 0 && len(beside(rows[len(rows)-1].node, behind)) == 0 {
		way = before
	}
	for i := range rows {
		rows[i].near = beside(rows[i].node, way)
	}
}

// score is how much rows look like a list of news; 0 if they do not enough.
func (p *pageReader) score(rows []row) float64 {
	rows = rows[:min(len(rows), maxScored)]
	n := len(rows)
	titles, links := map[string]bool{}, map[string]bool{}
	weights := make([]int, 0, n)
	dated := 0
	for _, r := range rows {
		address, _, _ := strings.Cut(p.address(attrOf(r.link.Attr, "href")), "#") // comments of a page are none
		title := p.headline(r)
		if address == "" || title == "" || isMore(title) || isPage(title) {
			continue
		}
		titles[title], links[address] = true, true
		weights = append(weights, weight(title))
		if !p.date(r, title).IsZero() {
			dated++
		}
	}
	if len(weights) < 3 || len(weights)*10 < n*7 || len(titles)*10 < n*7 || len(links)*10 < n*7 {
		return 0
	}
	slices.Sort(weights)
	median := weights[len(weights)/2]
	share := float64(dated) / float64(len(weights))
	if !(share >= 0.5 && median >= 12 || len(weights) >= 5 && median >= 34) {
		return 0
	}
	return float64(min(len(weights), 30)+5) * float64(min(median, 90)+10) * (1 + 3*share)
}

// withSiblings adds the rows that stand among the others but hold their link in
// another way.
func withSiblings(rows []row) []row {
	if len(rows) == 0 {
		return nil
	}
	parent, first := rows[0].node.Parent, rows[0].node
	known := map[*html.Node]row{}
	for _, r := range rows {
		if r.node.Parent != parent {
			return rows
		}
		known[r.node] = r
	}
	var out []row
	for c := parent.FirstChild; c != nil; c = c.NextSibling {
		if r, ok := known[c]; ok {
			out = append(out, r)
		} else if c.Type == html.ElementNode && c.DataAtom == first.DataAtom && mainClass(c) == mainClass(first) && c.DataAtom != atom.A {
			if l := linkOf(c); l != nil && isLink(l) && weight(textOf(200, c)) >= 20 {
				out = append(out, row{node: c, link: l, near: nil})
			}
		}
	}
	return out
}

// weight is how much text s holds, in letters of an alphabet.
func weight(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r >= 0x2e80 && r < 0xfb00:
			n += 3
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			n++
		}
	}
	return n
}

// more are what links say that lead to what is already named.
var more = map[string]bool{
	"more": true, "read more": true, "learn more": true, "see more": true, "view": true, "view more": true, "details": true, "continue reading": true, "read": true, "full text": true, "full story": true, "download": true, "open": true, "pdf": true,
	"lire la suite": true, "en savoir plus": true, "lire plus": true, "plus": true, "suite": true, "mehr": true, "weiterlesen": true, "mehr erfahren": true, "mehr lesen": true, "weiter": true,
	"leer más": true, "ver más": true, "más información": true, "más": true, "leia mais": true, "saiba mais": true, "ler mais": true, "leggi tutto": true, "leggi di più": true, "continua": true, "continua a leggere": true,
	"lees meer": true, "lees verder": true, "läs mer": true, "les mer": true, "læs mere": true, "lue lisää": true, "loe edasi": true, "loe lähemalt": true, "lasīt vairāk": true, "skaityti daugiau": true, "plačiau": true,
	"czytaj więcej": true, "więcej": true, "celý článek": true, "číst dále": true, "více": true, "viac": true, "čítať viac": true, "več": true, "preberi več": true, "više": true, "opširnije": true, "tovább": true, "bővebben": true, "citește mai mult": true, "mai mult": true, "detalii": true, "lexo më shumë": true,
	"подробнее": true, "далее": true, "читать далее": true, "детальніше": true, "докладніше": true, "читати далі": true, "прочетете повече": true, "още": true, "прочитај повеќе": true, "повеќе": true, "више": true, "детаљније": true, "περισσότερα": true, "διαβάστε περισσότερα": true, "devamı": true, "devamını oku": true,
	"המשך": true, "קרא עוד": true, "المزيد": true, "اقرأ المزيد": true, "بیشتر": true, "ادامه مطلب": true, "もっと見る": true, "詳細": true, "続きを読む": true, "더보기": true, "자세히 보기": true, "更多": true, "查看详情": true, "详细": true,
}

func isMore(s string) bool {
	s = strings.TrimFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
	return more[s]
}
