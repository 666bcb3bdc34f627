// Package extract takes the page of a statement apart: the text that it is
// there for, and the rest. It does no input or output.
//
// The main text is what the readability rules of browsers find, without what
// stands under a heading such as "Related articles" in fourteen languages. The
// rest is all other text that a reader sees, so that nothing is lost: what is
// cut here by mistake can still be found there.
package extract

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	readability "codeberg.org/readeck/go-readability/v2"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// MaxBytes is how much of a page is read; what follows is not. The time that
// the readability rules take grows faster than the page.
const MaxBytes = 2 << 20

// A Page is a page taken apart.
type Page struct {
	Title     string   // as the page calls itself; may hold the name of the site
	Text      string   // what the page is there for: plain text, paragraphs by "\n\n", lines by "\n"
	Rest      string   // what else a reader sees, in the same form
	Lang      string   // BCP 47 as the page declares it, or ""
	Canonical string   // the address that the page gives itself, absolute, or ""
	Documents []string // absolute addresses of the PDF documents linked from it, each once
	Cut       bool     // the page was longer than MaxBytes
}

// Read takes apart a page in UTF-8 that was fetched from an address. A page
// without any text gives an empty Page; only an address that is none is an
// error.
func Read(page, address string) (Page, error) {
	base, err := url.Parse(address)
	if err != nil {
		return Page{}, fmt.Errorf("extract: %w", err)
	}
	var p Page
	if len(page) > MaxBytes {
		page, p.Cut = strings.ToValidUTF8(page[:MaxBytes], ""), true
	}
	if dense(page) {
		p.Text = joined(flat(page))
		return p, nil
	}
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		p.Text = joined(flat(page)) // deeper than a page that people can read
		return p, nil
	}
	p.describe(doc, base)
	all := blocks(body(doc))
	main := all
	if article, err := readability.FromDocument(doc, base); err == nil && article.Node != nil {
		if found := blocks(article.Node); len(found) > 0 {
			main = found
		}
	}
	main = withoutRelated(withoutTitle(main, p.Title))
	p.Text, p.Rest = joined(main), joined(without(all, main))
	return p, nil
}

// dense reports whether a page holds so many tags for its size that to build and
// rate its tree would cost several times what a page of its size does. Pages for
// people have a tag in 20 bytes or more.
func dense(page string) bool { return strings.Count(page, "<") > len(page)/12+2000 }

// describe reads what the page says of itself, and finds its documents.
func (p *Page) describe(doc *html.Node, base *url.URL) {
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		shorten(n)
		switch n.DataAtom {
		case atom.Html:
			p.Lang = strings.TrimSpace(attr(n, "lang"))
		case atom.Title:
			if p.Title == "" && n.Parent != nil && n.Parent.DataAtom == atom.Head {
				p.Title = oneLine(text(n))
			}
		case atom.Link:
			if strings.EqualFold(attr(n, "rel"), "canonical") && p.Canonical == "" {
				p.Canonical = absolute(base, attr(n, "href"))
			}
		case atom.A:
			p.document(absolute(base, attr(n, "href")))
		}
	}
}

// maxClass is how much of a class or id is read. Each rule of readability looks
// for its words in all of it.
const maxClass = 512

func shorten(n *html.Node) {
	for i, a := range n.Attr {
		if (a.Key == "class" || a.Key == "id") && len(a.Val) > maxClass {
			n.Attr[i].Val = strings.ToValidUTF8(a.Val[:maxClass], "")
		}
	}
}

// maxDocuments is how many documents of a page are kept.
const maxDocuments = 16

func (p *Page) document(address string) {
	u, err := url.Parse(address)
	if err != nil || !strings.HasSuffix(strings.ToLower(u.Path), ".pdf") || len(p.Documents) == maxDocuments {
		return
	}
	if slices.Contains(p.Documents, address) {
		return
	}
	p.Documents = append(p.Documents, address)
}

func absolute(base *url.URL, ref string) string {
	u, err := base.Parse(strings.TrimSpace(ref))
	if err != nil || ref == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return u.String()
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func body(doc *html.Node) *html.Node {
	for n := range doc.Descendants() {
		if n.DataAtom == atom.Body {
			return n
		}
	}
	return doc
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
