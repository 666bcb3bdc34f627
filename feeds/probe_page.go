package feeds

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"tocsin/feeds/fetch"
)

// A probedPage is what a page tells of where its site publishes.
type probedPage struct {
	base      *url.URL // that its links are relative to
	title     string
	lang      string
	generator string
	feeds     []lead // that it names or links to, in its order
	overview  []lead // pages that may list feeds: "RSS", "Subscribe"
	links     int
	scripts   int // bytes within <script>
	text      int // bytes outside
}

// maxPageLinks bounds what is taken of one page.
const maxPageLinks = 40

// readPage reads a page in one pass: its cost is linear, whatever it is.
func readPage(r fetch.Response) *probedPage {
	text, _ := decode(r.Body, r.Type, "", &notes{})
	p := &probedPage{base: base(r)}
	z := html.NewTokenizer(bytes.NewReader(text))
	var open *html.Token // the <a> that is open
	var label strings.Builder
	inside := atom.Atom(0)
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			p.anchor(open, label.String())
			return p
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			switch t.DataAtom {
			case atom.A:
				p.anchor(open, label.String())
				open = &t
				label.Reset()
			case atom.Script, atom.Style, atom.Title:
				inside = t.DataAtom
			case atom.Img: // many sites link to their feed by its sign alone
				label.WriteString(" " + given(t, "alt"))
			default:
				p.element(t)
			}
		case html.EndTagToken:
			switch t := z.Token(); t.DataAtom {
			case atom.A:
				p.anchor(open, label.String())
				open = nil
				label.Reset()
			case inside:
				inside = 0
			}
		case html.TextToken:
			p.words(inside, z.Text(), open != nil, &label)
		}
	}
}

func (p *probedPage) words(inside atom.Atom, text []byte, linked bool, label *strings.Builder) {
	switch {
	case inside == atom.Script:
		p.scripts += len(text)
	case inside == atom.Title && p.title == "":
		p.title = plain(string(text))
	case inside == 0:
		p.text += len(bytes.TrimSpace(text))
		if linked && label.Len() < 200 {
			label.Write(text)
		}
	}
}

func (p *probedPage) element(t html.Token) {
	switch t.DataAtom {
	case atom.Html:
		p.lang = strings.TrimSpace(given(t, "lang"))
	case atom.Base:
		p.base = resolve(p.base, given(t, "href"))
	case atom.Meta:
		if strings.EqualFold(given(t, "name"), "generator") && p.generator == "" {
			p.generator = oneLine(given(t, "content"))
		}
	case atom.Link:
		p.named(given(t, "rel"), given(t, "type"), given(t, "href"), given(t, "title"))
	}
}

func given(t html.Token, key string) string {
	for _, a := range t.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// named takes what a <link> or a Link header names.
func (p *probedPage) named(rel, kind, href, title string) {
	words := strings.Fields(strings.ToLower(rel))
	has := func(w string) bool {
		return slices.Contains(words, w)
	}
	kind, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(kind)), ";")
	switch {
	case has("https://api.w.org/") && p.generator == "":
		p.generator = "WordPress"
	case has("alternate") && isFeedType(kind), has("feed"):
		p.lead(&p.feeds, href, "named by the page", byName, title)
	}
}

func isFeedType(kind string) bool {
	switch kind {
	case "application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml", "application/x-rss+xml", "text/rss+xml", "text/rss":
		return true
	}
	return false
}

// anchor takes a link that people can follow, if it looks like one to a feed or
// to a page about feeds.
func (p *probedPage) anchor(t *html.Token, label string) {
	if t == nil {
		return
	}
	href := given(*t, "href")
	if href == "" || strings.HasPrefix(href, "#") {
		return
	}
	p.links++
	label = strings.ToLower(oneLine(plain(label) + " " + given(*t, "title") + " " + given(*t, "aria-label")))
	kind, _, _ := strings.Cut(strings.ToLower(given(*t, "type")), ";")
	switch {
	case isFeedType(kind), feedLike(href):
		p.lead(&p.feeds, href, "the page links to it", byLink, label)
	case saysWord(label, "rss") || saysWord(label, "atom") || saysWord(label, "feeds") || saysWord(label, "webfeed"):
		p.lead(&p.overview, href, "a page about its feeds links to it", byLink, label)
	}
}

func saysWord(text, word string) bool {
	for w := range strings.FieldsFuncSeq(text, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		if w == word {
			return true
		}
	}
	return false
}

// feedLike reports whether an address looks like that of a feed.
func feedLike(href string) bool {
	u, err := url.Parse(strings.TrimSpace(href))
	if err != nil {
		return false
	}
	path := strings.ToLower(strings.TrimSuffix(u.Path, "/"))
	last := path[strings.LastIndexByte(path, '/')+1:]
	name, ext, dotted := strings.Cut(last, ".")
	switch last {
	case "feed", "rss", "atom", "rdf":
		return true
	}
	if dotted {
		switch {
		case strings.HasSuffix(ext, "rss"), strings.HasSuffix(ext, "atom"), strings.HasSuffix(ext, "rdf"):
			return true
		case strings.HasSuffix(ext, "xml") && !strings.Contains(name, "sitemap"), ext == "ashx", ext == "json":
			if strings.Contains(path, "rss") || strings.Contains(path, "feed") || strings.Contains(path, "atom") || name == "index" && ext == "xml" {
				return true
			}
		case ext == "php" || ext == "aspx" || ext == "do" || ext == "jsp":
			if strings.Contains(name, "rss") || strings.Contains(name, "feed") {
				return true
			}
		}
	}
	q := strings.ToLower(u.RawQuery)
	for _, mark := range []string{"format=feed", "format=rss", "format=atom", "type=rss", "feed=rss", "feed=atom", "page=backend", "output=rss"} {
		if strings.Contains(q, mark) {
			return true
		}
	}
	return false
}

// lead notes an address once.
func (p *probedPage) lead(into *[]lead, href, how string, rank int, title string) {
	if len(*into) >= maxPageLinks || len(href) > maxShort {
		return
	}
	u, err := url.Parse(strings.TrimSpace(href))
	if err != nil {
		return
	}
	if p.base != nil {
		u = p.base.ResolveReference(u)
	}
	if u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return
	}
	u.Fragment, u.RawFragment = "", ""
	for _, l := range *into {
		if l.url == u.String() {
			return
		}
	}
	*into = append(*into, lead{url: u.String(), kind: "feed", how: how, rank: rank, title: oneLine(title)})
}

// headerLinks calls f with the links of a Link header (RFC 8288), parameters in
// lower case.
func headerLinks(header string, f func(href string, params map[string]string)) {
	for range maxPageLinks {
		_, rest, ok := strings.Cut(header, "<")
		if !ok {
			return
		}
		href, rest, ok := strings.Cut(rest, ">")
		if !ok {
			return
		}
		params, _, _ := strings.Cut(rest, ",<")
		params, _, _ = strings.Cut(params, ", <")
		header = rest
		out := map[string]string{}
		for part := range strings.SplitSeq(params, ";") {
			name, value, _ := strings.Cut(part, "=")
			out[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimSpace(value), `",`)
		}
		f(href, out)
	}
}
