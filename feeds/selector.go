package feeds

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/andybalholm/cascadia"
	"github.com/antchfx/xpath"
	"golang.org/x/net/html"

	"tocsin"
)

// A selector finds places on a page. One that begins with /, ./ or ( and a
// function call are XPath, where has-class("a") is known too; anything else is
// CSS, behind which @name takes an attribute.
//
// Finding costs a fixed multiple of the page: CSS is matched from the root down
// in one walk, and XPath is metered.
type selector struct {
	chains [][]step // CSS: any of these
	attr   string   // of what CSS finds; "" means the element
	xpath  *xpath.Expr
}

// CheckListing says what is wrong with the selectors of a source.
func CheckListing(l tocsin.Listing) error {
	if l.Entry == "" && l != (tocsin.Listing{}) {
		return errors.New("listing needs an entry, within which title, link and date are looked for")
	}
	_, err := compileListing(l)
	return err
}

type listing struct{ entry, title, link, date *selector }

func compileListing(l tocsin.Listing) (out listing, err error) {
	for _, f := range []struct {
		name, text string
		to         **selector
	}{{"entry", l.Entry, &out.entry}, {"title", l.Title, &out.title}, {"link", l.Link, &out.link}, {"date", l.Date, &out.date}} {
		if f.text == "" {
			continue
		}
		if *f.to, err = compileSelector(f.text); err != nil {
			return listing{}, fmt.Errorf("listing.%s: %w", f.name, err)
		}
	}
	if out.entry != nil && (out.entry.attr != "" || out.entry.xpath != nil && strings.Contains(l.Entry, "@href")) {
		return listing{}, errors.New("listing.entry: it has to find elements, not attributes")
	}
	return out, nil
}

const maxSelector = 1 << 10 // bytes

var (
	function = regexp.MustCompile(`^[a-z][a-z-]*\s*\(`)
	hasClass = regexp.MustCompile(`has-class\(\s*("[^"]*"|'[^']*')\s*\)`)
	tail     = regexp.MustCompile(`^(.*?)@([A-Za-z_][\w:.-]*)$`)
)

func compileSelector(s string) (*selector, error) {
	if s = strings.TrimSpace(s); len(s) > maxSelector {
		return nil, fmt.Errorf("a selector has at most %d bytes", maxSelector)
	}
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "(") || function.MatchString(s) {
		return compileXPath(s)
	}
	q := &selector{}
	if m := tail.FindStringSubmatch(s); m != nil {
		s, q.attr = strings.TrimSpace(m[1]), strings.ToLower(m[2])
		if s == "" {
			q.chains = [][]step{{}} // the entry itself
			return q, nil
		}
	}
	var err error
	q.chains, err = compileCSS(s)
	return q, err
}

func compileXPath(s string) (q *selector, err error) {
	defer func() {
		if v := recover(); v != nil {
			q, err = nil, fmt.Errorf("read XPath %s: %v", short(s), v)
		}
	}()
	full := hasClass.ReplaceAllStringFunc(s, func(call string) string {
		name := hasClass.FindStringSubmatch(call)[1]
		return `contains(concat(" ", normalize-space(@class), " "), concat(" ", ` + name + `, " "))`
	})
	e, err := xpath.Compile(full)
	if err != nil {
		return nil, fmt.Errorf("read XPath %s: %w", short(s), err)
	}
	return &selector{xpath: e}, nil
}

// A found place: an element or text, or a string that is none of the page's
// nodes, such as an attribute.
type found struct {
	node  *html.Node
	value string
}

// find is what the selector finds below top, in the order of the page. meter
// bounds its work, and is below zero if that was not enough.
func (q *selector) find(top *html.Node, meter *int) (out []found) {
	if q.xpath != nil {
		return q.findXPath(top, meter)
	}
	for _, n := range matchCSS(q.chains, top, meter) {
		if q.attr == "" {
			out = append(out, found{node: n})
		} else if v := attrOf(n.Attr, q.attr); v != "" {
			out = append(out, found{value: v})
		}
	}
	return out
}

const maxFound = 10_000

func (q *selector) findXPath(top *html.Node, meter *int) (out []found) {
	defer func() {
		if recover() != nil { // a regular expression or a number that came from the page
			out = nil
		}
	}()
	switch v := q.xpath.Evaluate(&place{root: top, curr: top, attr: -1, meter: meter}).(type) {
	case *xpath.NodeIterator:
		for len(out) < maxFound && *meter > 0 && v.MoveNext() {
			p := v.Current().(*place)
			if p.attr >= 0 {
				out = append(out, found{value: p.Value()})
			} else if p.curr != nil && p.curr.Type != html.DocumentNode {
				out = append(out, found{node: p.curr})
			}
		}
	case string:
		out = []found{{value: v}}
	}
	return out
}

// A place is where an XPath expression stands on a page. The entry that it is
// evaluated in is all that it sees: //a is a link of the entry, or the entry.
type place struct {
	root, curr *html.Node // curr is nil above a root that is an element
	attr       int        // of curr; -1 is curr itself
	meter      *int
}

func (p *place) spend() bool { *p.meter--; return *p.meter > 0 }

// NodeType, LocalName and the others are xpath.NodeNavigator.
func (p *place) NodeType() xpath.NodeType {
	switch {
	case p.curr == nil:
		return xpath.RootNode
	case p.attr >= 0:
		return xpath.AttributeNode
	case p.curr.Type == html.TextNode:
		return xpath.TextNode
	case p.curr.Type == html.DocumentNode:
		return xpath.RootNode
	}
	return xpath.ElementNode
}

func (p *place) LocalName() string {
	switch {
	case p.curr == nil:
		return ""
	case p.attr >= 0:
		return p.curr.Attr[p.attr].Key
	}
	return p.curr.Data
}

func (p *place) Prefix() string { return "" }

func (p *place) Value() string {
	n := p.curr
	switch {
	case n == nil:
		n = p.root
	case p.attr >= 0:
		return p.curr.Attr[p.attr].Val
	case p.curr.Type == html.TextNode:
		return p.curr.Data
	case !p.spend():
		return ""
	}
	var b strings.Builder
	for n := range n.Descendants() {
		if *p.meter--; *p.meter <= 0 || b.Len() > maxText {
			break
		}
		if n.Type == html.TextNode {
			*p.meter -= len(n.Data) / 16
			b.WriteString(n.Data)
		}
	}
	return b.String()
}

func (p *place) Copy() xpath.NodeNavigator { c := *p; return &c }

func (p *place) MoveToRoot() {
	p.curr, p.attr = p.root, -1
	if p.root.Type == html.ElementNode {
		p.curr = nil
	}
}

func (p *place) MoveToParent() bool {
	switch {
	case p.attr >= 0:
		p.attr = -1
		return true
	case p.curr == nil || p.curr.Type == html.DocumentNode || !p.spend():
		return false
	case p.curr == p.root:
		p.curr = nil
		return true
	}
	p.curr = p.curr.Parent
	return true
}

func (p *place) moveTo(n *html.Node) bool {
	if n == nil || p.attr >= 0 || !p.spend() {
		return false
	}
	p.curr = n
	return true
}

func (p *place) MoveToNextAttribute() bool {
	if p.curr == nil || p.attr+1 >= len(p.curr.Attr) || !p.spend() {
		return false
	}
	p.attr++
	return true
}

func (p *place) MoveToChild() bool {
	if p.curr == nil {
		return p.moveTo(p.root)
	}
	return p.moveTo(p.curr.FirstChild)
}

// among reports whether curr has siblings that are seen.
func (p *place) among() bool { return p.curr != nil && p.curr != p.root }

func (p *place) MoveToFirst() bool {
	return p.among() && p.curr.PrevSibling != nil && p.moveTo(p.curr.Parent.FirstChild)
}

func (p *place) MoveToNext() bool { return p.among() && p.moveTo(p.curr.NextSibling) }

func (p *place) MoveToPrevious() bool { return p.among() && p.moveTo(p.curr.PrevSibling) }

func (p *place) MoveTo(other xpath.NodeNavigator) bool {
	o, ok := other.(*place)
	if !ok || o.root != p.root {
		return false
	}
	p.curr, p.attr = o.curr, o.attr
	return true
}

func (p *place) String() string { return p.Value() }

// A step is a compound selector of CSS, such as li.item, and what stands before
// it: a blank, >, + or ~.
type step struct {
	before byte
	sel    cascadia.Sel
}

var costly = regexp.MustCompile(`:(has|haschild|contains|containsown|matches|matchesown|nth-of-type|nth-last-of-type|first-of-type|last-of-type|only-of-type|only-child)\b|:nth-(last-)?child\(\s*[^\s\d)]|:nth-(last-)?child\(\s*\d+\s*n|:nth-(last-)?child\(\s*\d{4}|:(not|is|where)\([^)]*[ >+~(]`)

// compileCSS takes a selector apart at its combinators, so that each part can be
// matched by itself.
func compileCSS(s string) (chains [][]step, err error) {
	if c := costly.FindString(s); c != "" {
		return nil, fmt.Errorf("read CSS %s: %s is not known here: write XPath", short(s), c)
	}
	for _, one := range splitCSS(s, ",") {
		var chain []step
		before := byte(' ')
		for _, part := range splitCSS(one, " >+~") {
			if part == ">" || part == "+" || part == "~" {
				before = part[0]
				continue
			}
			sel, err := cascadia.Parse(part)
			if err != nil {
				return nil, fmt.Errorf("read CSS %s: %w", short(s), err)
			}
			chain = append(chain, step{before, sel})
			before = ' '
		}
		if len(chain) == 0 || before != ' ' || len(chain) > 16 {
			return nil, fmt.Errorf("read CSS %s: it is empty, not whole or too long", short(s))
		}
		chains = append(chains, chain)
	}
	if len(chains) > 16 {
		return nil, fmt.Errorf("read CSS %s: more than 16 alternatives", short(s))
	}
	return chains, nil
}

// splitCSS cuts s at bytes of cuts that stand outside brackets and quotes. Those
// that are not a blank or a comma are pieces themselves.
func splitCSS(s, cuts string) (out []string) {
	depth, quote, from := 0, byte(0), 0
	add := func(to int) {
		if p := strings.TrimSpace(s[from:to]); p != "" || cuts == "," {
			out = append(out, p)
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '[' || c == '(':
			depth++
		case c == ']' || c == ')':
			depth--
		case depth == 0 && (strings.IndexByte(cuts, c) >= 0 || cuts != "," && space(c)):
			add(i)
			if from = i + 1; c != ',' && !space(c) {
				out = append(out, string(c))
			}
		}
	}
	add(len(s))
	return out
}

// matchCSS is what any of chains matches at or below top, in one walk: of each
// element it is known which beginnings of the chains end there or above.
func matchCSS(chains [][]step, top *html.Node, meter *int) (out []*html.Node) {
	type front [16]uint32 // of each chain, the steps that have matched, as bits
	var walk func(n *html.Node, above, parent, before, left front) (here front)
	walk = func(n *html.Node, above, parent, before, left front) (here front) {
		*meter -= len(chains)
		hit := false
		for i, chain := range chains {
			for k, st := range chain {
				ok := k == 0
				if k > 0 {
					from := &above
					switch st.before {
					case '>':
						from = &parent
					case '+':
						from = &left
					case '~':
						from = &before
					}
					ok = from[i]&(1<<(k-1)) != 0
				}
				if ok && st.sel.Match(n) {
					here[i] |= 1 << k
				}
			}
			hit = hit || len(chain) == 0 && n == top || len(chain) > 0 && here[i]&(1<<(len(chain)-1)) != 0
		}
		if hit && len(out) < maxFound {
			out = append(out, n)
		}
		for i := range chains {
			above[i] |= here[i]
		}
		var prev, all front
		for c := n.FirstChild; c != nil && *meter > 0; c = c.NextSibling {
			if c.Type != html.ElementNode {
				continue
			}
			prev = walk(c, above, here, all, prev)
			for i := range chains {
				all[i] |= prev[i]
			}
		}
		return here
	}
	walk(top, front{}, front{}, front{}, front{})
	return out
}
