package feeds

import (
	"bufio"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// A shapeStep is a step of a selector: tag.class#id[index].
type shapeStep struct {
	tag, class, id string
	index          int
	deep           bool // // before it
}

// A shapePath is where a selector leads.
type shapePath struct {
	steps  []shapeStep
	attr   string
	direct bool   // text() and not //text()
	prefix string // of substring-after
	none   bool
}

var (
	stepPattern  = regexp.MustCompile(`^(//?)(text\(\)|@?[\w*-]+)((?:\[[^\]]*\])*)`)
	classPattern = regexp.MustCompile(`has-class\(["']([^"']*)["']\)`)
	idPattern    = regexp.MustCompile(`@id\s*[=,]\s*["']([^"']*)["']`)
	indexPattern = regexp.MustCompile(`^\[(\d+)\]$`)
	afterPattern = regexp.MustCompile(`^substring-after\(\s*(.*?),\s*["']?([^"')]*)["']?\s*\)$`)
)

// readShape reads the XPath of press pages, or says that it is of another form.
func readShape(s string) (p shapePath, ok bool) {
	if m := afterPattern.FindStringSubmatch(s); m != nil {
		p, ok = readShape(m[1])
		p.prefix = m[2]
		return p, ok && !strings.Contains(m[1], "(//") && m[2] != "span"
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "(string("), "))")
	if s == "" {
		return shapePath{none: true}, true
	}
	if s[0] != '/' { // CSS: tags with classes
		for f := range strings.FieldsSeq(s) {
			tag, class, _ := strings.Cut(f, ".")
			p.steps = append(p.steps, shapeStep{tag: tag, class: strings.ReplaceAll(class, ".", " "), deep: true})
		}
		return p, regexp.MustCompile(`^[\w. -]+$`).MatchString(s)
	}
	for s != "" {
		m := stepPattern.FindStringSubmatch(s)
		if m == nil || strings.Contains(m[3], "position()") {
			return p, false
		}
		s = s[len(m[0]):]
		switch {
		case m[2][0] == '@':
			p.attr = m[2][1:]
		case m[2] == "text()":
			p.direct = m[1] == "/"
		default:
			st := shapeStep{tag: strings.Replace(m[2], "*", "div", 1), deep: m[1] == "//"}
			if c := classPattern.FindStringSubmatch(m[3]); c != nil {
				st.class = c[1]
			}
			if c := idPattern.FindStringSubmatch(m[3]); c != nil {
				st.id = c[1]
			}
			if c := indexPattern.FindStringSubmatch(m[3]); c != nil {
				st.index, _ = strconv.Atoi(c[1])
			}
			p.steps = append(p.steps, st)
		}
	}
	return p, true
}

// A shaped element of a rebuilt page.
type shaped struct {
	tag, class, id string
	attrs          map[string]string
	kids           []*shaped
	text           string
}

func (e *shaped) write(b *strings.Builder) {
	fmt.Fprintf(b, "<%s", e.tag)
	if e.class != "" {
		fmt.Fprintf(b, ` class="%s"`, e.class)
	}
	if e.id != "" {
		fmt.Fprintf(b, ` id="%s"`, e.id)
	}
	for _, k := range []string{"href", "title", "datetime"} {
		if v, ok := e.attrs[k]; ok {
			fmt.Fprintf(b, ` %s="%s"`, k, html.EscapeString(v))
		}
	}
	b.WriteString(">")
	b.WriteString(html.EscapeString(e.text))
	for _, k := range e.kids {
		k.write(b)
	}
	fmt.Fprintf(b, "</%s>\n", e.tag)
}

func (e *shaped) is(st shapeStep) bool {
	return e.tag == st.tag && (st.class == "" || e.class == st.class) && (st.id == "" || e.id == st.id)
}

// lead walks the steps below e, and makes what is missing.
func (e *shaped) lead(steps []shapeStep) *shaped {
	if len(steps) == 0 {
		return e
	}
	st := steps[0]
	if st.tag == "td" && e.tag != "tr" && e.tag != "" {
		return e.lead(append([]shapeStep{{tag: "table"}, {tag: "tbody"}, {tag: "tr"}}, steps...))
	}
	if st.deep && e.is(st) {
		return e.lead(steps[1:])
	}
	if st.index == 0 {
		if k := e.search(st); k != nil {
			return k.lead(steps[1:])
		}
	}
	n := 0
	for _, k := range e.kids {
		if k.tag == st.tag {
			n++
			if n == st.index && st.class == "" {
				return k.lead(steps[1:])
			}
		}
	}
	for ; n+1 < st.index; n++ {
		e.kids = append(e.kids, &shaped{tag: st.tag, attrs: map[string]string{}})
	}
	k := &shaped{tag: st.tag, class: st.class, id: st.id, attrs: map[string]string{}}
	e.kids = append(e.kids, k)
	return k.lead(steps[1:])
}

func (e *shaped) search(st shapeStep) *shaped {
	for _, k := range e.kids {
		if k.is(st) {
			return k
		}
		if st.deep {
			if d := k.search(st); d != nil {
				return d
			}
		}
	}
	return nil
}

var ownTitles = []string{
	"Ministers condemn the delivery of rockets to a warring state", "Joint declaration on arms shipments from the peninsula",
	"The government imposes measures against four carriers", "Spokesperson answers questions about last night's launch",
	"Ambassador summoned over the violation of the embargo", "Remarks at the opening of the disarmament talks",
	"New guidance for exporters of goods with two uses", "State visit ends with a treaty on consular help",
	"Country report on human rights has been handed over", "Condolences after the earthquake in the north",
	"Travel advice for the coast has been brought up to date", "Call for papers: security in the region after the summit",
}

// rebuiltPage is a page with entries where the selectors look for them, between what
// pages have around their lists.
func rebuiltPage(global, title, link, date shapePath, style int) (page string, when []time.Time) {
	list := &shaped{tag: "div", class: "page-content"}
	if global.steps[0].tag == "html" { // the way is given from the root
		list, global.steps = &shaped{tag: "body"}, global.steps[2:]
	}
	shared := global.steps[:len(global.steps)-1]
	last := global.steps[len(global.steps)-1:]
	for len(shared) > 0 && (last[0].index > 0 || last[0].tag == "td" || shared[len(shared)-1].tag == "tr") {
		last = global.steps[len(global.steps)-len(last)-1:]
		shared = shared[:len(shared)-1]
	}
	home := list.lead(shared)
	layouts := []string{"2 January 2006", "02.01.2006", "2006-01-02", "January 2, 2006"}
	for i, words := range ownTitles {
		day := time.Date(2024, 1, 28-2*i, 0, 0, 0, 0, time.UTC)
		when = append(when, day)
		written := day.Format(layouts[style%len(layouts)])
		top := &shaped{attrs: map[string]string{}}
		top.lead([]shapeStep{{tag: last[0].tag, class: last[0].class, id: last[0].id}})
		entry := top.kids[0].lead(last[1:])
		home.kids = append(home.kids, top.kids[0])
		t := entry.lead(title.steps)
		a := t
		if link.attr == "href" || len(link.steps) > 0 {
			if steps := link.steps; len(steps) == 0 || steps[len(steps)-1].tag != "a" {
				steps = append(steps[:len(steps):len(steps)], shapeStep{tag: "a", deep: true})
				a = entry.lead(steps)
			} else {
				if len(steps) == 1 && entry.search(steps[0]) == nil && !entry.is(steps[0]) && !title.direct && title.attr == "" {
					t.lead([]shapeStep{{tag: "a", class: steps[0].class}})
				}
				a = entry.lead(steps)
			}
		}
		a.attrs["href"] = fmt.Sprintf("/press/%d/item-%d", 2024, 900-i)
		switch {
		case title.attr != "":
			t.attrs[title.attr] = words
			if t.tag == "a" && len(t.kids) == 0 {
				t.text = words
			}
		case title.direct || a == t:
			t.text = words
			if a != t && len(a.kids) == 0 && a.tag == "a" && entry != a && t != entry {
				a.text = "Details"
			}
		default:
			for len(t.kids) > 0 {
				t = t.kids[0]
			}
			t.text = words
		}
		if date.none {
			continue
		}
		d := entry.lead(date.steps)
		switch {
		case date.attr != "":
			d.attrs[date.attr] = day.Format(time.RFC3339)
		case d == entry || d.text != "" || d == a || len(d.kids) > 0:
			d.kids = append(d.kids, &shaped{tag: "small", text: written, attrs: map[string]string{}})
		default:
			d.text = date.prefix + written
		}
	}
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html><html lang="en"><head><title>Press room</title></head><body class="has-menu"><header><ul class="main-menu">`)
	for _, s := range []string{"The ministry", "Minister and leadership", "Policies and priorities", "Embassies and consulates", "Consular services for travellers", "Press and media", "Contact us"} {
		fmt.Fprintf(&b, `<li><a href="/m/%d">%s</a></li>`, len(s), s)
	}
	b.WriteString(`</ul><div class="languages"><a href="/en">English</a><a href="/fr">Français</a><a href="/ru">Русский</a></div></header><main>`)
	if list.tag == "body" {
		b.WriteString("</main>")
		for _, k := range list.kids {
			k.write(&b)
		}
		b.WriteString("<main>")
	} else {
		list.write(&b)
	}
	b.WriteString(`<div class="pagination"><a href="?page=1">1</a><a href="?page=2">2</a><a href="?page=3">3</a><a href="?page=4">Next page</a></div></main><footer>`)
	for _, s := range []string{"Accessibility statement of this site", "Privacy and protection of personal data", "Terms of use and copyright notice", "Ministry of Culture and Heritage"} {
		fmt.Fprintf(&b, `<p><a href="/f/%d">%s</a></p>`, len(s), s)
	}
	b.WriteString(`</footer></body></html>`)
	return b.String(), when
}

// finds is how many of the entries of a rebuilt page are read right, and how
// many dates of theirs.
func finds(t *testing.T, l tocsin.Listing, page string, when []time.Time) (right, dated, other int, err error) {
	t.Helper()
	d, err := ParsePage(tocsin.Source{Lang: "en", Country: "GB", Listing: l}, fetch.Response{Body: []byte(page), URL: "https://mfa.example/press"})
	for _, e := range d.Items {
		ok := false
		for i, words := range ownTitles {
			if strings.HasPrefix(e.Title, words) && strings.HasSuffix(e.URL, fmt.Sprintf("/item-%d", 900-i)) {
				right++
				ok = true
				if e.Published.Equal(when[i]) {
					dated++
				}
			}
		}
		if !ok {
			other++
		}
	}
	return right, dated, other, err
}

// cssOf is the CSS of the other form that press pages are given in: tag,class
// and html.tag.tag.
func cssOf(s string) string {
	if tag, class, ok := strings.Cut(s, ","); ok && !strings.ContainsAny(s, "/(") {
		return tag + "." + strings.Join(strings.Fields(class), ".")
	}
	if rest, ok := strings.CutPrefix(s, "html."); ok {
		return strings.ReplaceAll(rest, ".", " ")
	}
	return s
}

// pressPages are the selectors of press pages of ministries in TOCSIN_CORPUS.
func pressPages(t *testing.T) (out []tocsin.Listing) {
	t.Helper()
	root := os.Getenv("TOCSIN_CORPUS")
	if root == "" {
		t.Skip("TOCSIN_CORPUS is unset: the selectors of press pages are not read")
	}
	f, err := os.Open(filepath.Join(root, "press-pages.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	none := map[string]string{"nill": "", "nil": "", "static": ""}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row struct{ Global, Title, Link, Posted_date string }
		if !strings.Contains(lines.Text(), `"global"`) {
			continue
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		l := tocsin.Listing{Entry: cssOf(row.Global), Title: cssOf(row.Title), Link: cssOf(row.Link), Date: cssOf(row.Posted_date)}
		if v, ok := none[row.Posted_date]; ok {
			l.Date = v
		}
		out = append(out, l)
	}
	return out
}

// TestDirectorySelectorsFindTheirEntries rebuilds a page for each set of
// selectors of the starter directory, and with it each form that they have.
func TestDirectorySelectorsFindTheirEntries(t *testing.T) {
	table, err := os.ReadFile("../cmd/tocsin/builtin/sources.tsv")
	if err != nil {
		t.Fatal(err)
	}
	sets, forms, detected := 0, map[string]bool{}, 0
	quoted := regexp.MustCompile(`"[^"]*"|'[^']*'|\.[\w-]+`)
	for i, row := range strings.Split(strings.TrimSpace(string(table)), "\n")[1:] {
		f := strings.Split(row, "\t")
		l := tocsin.Listing{Entry: f[7], Title: f[8], Link: f[9], Date: f[10]}
		if l.Entry == "" {
			continue
		}
		sets++
		forms[quoted.ReplaceAllString(l.Entry, "…")] = true
		g, ok1 := readShape(l.Entry)
		ti, ok2 := readShape(l.Title)
		li, ok3 := readShape(l.Link)
		da, _ := readShape(l.Date)
		if !ok1 || !ok2 || !ok3 {
			t.Errorf("%s: %+v cannot be rebuilt", f[0], l)
			continue
		}
		if strings.HasPrefix(l.Date, "/html") { // not in the entry
			da = shapePath{none: true}
		}
		page, when := rebuiltPage(g, ti, li, da, i)
		right, dated, other, err := finds(t, l, page, when)
		if right != len(ownTitles) || other != 0 || !da.none && dated != len(ownTitles) {
			t.Errorf("%s %+v: %d right, %d dated, %d other, %v\n%.1500s", f[0], l, right, dated, other, err, page[strings.Index(page, "<main>"):])
		}
		if right, _, other, _ = finds(t, tocsin.Listing{}, page, when); right == len(ownTitles) && other == 0 {
			detected++
		}
	}
	if len(forms) < 20 || detected*10 < sets*9 {
		t.Errorf("%d sets of %d forms, %d detected", sets, len(forms), detected)
	}
	t.Logf("%d sets of selectors, %d forms of entry; detection alone finds the entries of %d", sets, len(forms), detected)
}

func TestPressPageSelectorsAreRead(t *testing.T) {
	all := pressPages(t)
	compiled, shapes, selected, datesRight, detected, dateSets := 0, 0, 0, 0, 0, 0
	for i, l := range all {
		if err := CheckListing(l); err != nil {
			t.Logf("%+v: %v", l, err)
			continue
		}
		compiled++
		g, ok1 := readShape(l.Entry)
		ti, ok2 := readShape(l.Title)
		li, ok3 := readShape(l.Link)
		da, ok4 := readShape(l.Date)
		if !ok1 || !ok2 || !ok3 || len(g.steps) == 0 {
			continue
		}
		if !ok4 {
			da, l.Date = shapePath{none: true}, ""
		}
		shapes++
		page, when := rebuiltPage(g, ti, li, da, i)
		if os.Getenv("SHOW") == fmt.Sprint(i) {
			t.Log(page)
		}
		right, dated, other, err := finds(t, l, page, when)
		switch {
		case right == len(ownTitles) && other == 0:
			selected++
		default:
			t.Logf("selectors %+v: %d right, %d other, %v", l, right, other, err)
		}
		if !da.none {
			dateSets++
			if dated == len(ownTitles) {
				datesRight++
			} else {
				t.Logf("dates %d %+v: %d of %d", i, l, dated, right)
			}
		}
		right, _, other, err = finds(t, tocsin.Listing{}, page, when)
		if right == len(ownTitles) && other == 0 {
			detected++
		} else {
			t.Logf("detection %d %+v: %d right, %d other, %v", i, l, right, other, err)
		}
	}
	t.Logf("%d sets, %d compile; of %d rebuilt the selectors find all entries on %d (dates on %d of %d), detection alone on %d", len(all), compiled, shapes, selected, datesRight, dateSets, detected)
}
