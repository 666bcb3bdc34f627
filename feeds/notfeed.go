package feeds

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
)

// bots are words of the pages by which sites keep programs out.
var bots = []struct{ mark, who string }{
	{"_incapsula_resource", "Imperva"},
	{"incapsula incident", "Imperva"},
	{"cf-chl", "Cloudflare"},
	{"cf_chl", "Cloudflare"},
	{"just a moment...", "Cloudflare"},
	{"attention required! | cloudflare", "Cloudflare"},
	{"perfdrive.com", "Radware"},
	{"radware", "Radware"},
	{"ddos-guard", "DDoS-Guard"},
	{"datadome", "DataDome"},
	{"px-captcha", "PerimeterX"},
	{"akamai", "Akamai"},
	{"errors.edgesuite.net", "Akamai"},
	{"awswaf", "AWS WAF"},
	{"sucuri", "Sucuri"},
	{"g-recaptcha", "captcha"},
	{"h-captcha", "captcha"},
	{"captcha", "captcha"},
	{"checking your browser", "browser check"},
	{"enable javascript and cookies", "browser check"},
}

// explain says in one line what a document that is no feed is, and what a
// person can do. lead is the name of its first element, if it has one.
func (in input) explain(lead string) error {
	text := in.text
	if len(text) == 0 {
		return fmt.Errorf("an empty document, not a feed: open the address in a browser; if it is empty there too, ask the publisher")
	}
	low := bytes.ToLower(text[:min(len(text), 64<<10)])
	name := strings.ToLower(lead)
	switch {
	case isHTML(low, name):
		return explainHTML(text, low)
	case name == "urlset" || name == "sitemapindex":
		return fmt.Errorf("a sitemap, not a feed: look for a feed on the site")
	case name == "opml":
		return fmt.Errorf("a list of feeds (OPML), not a feed: use the addresses in it")
	case name == "error" || strings.HasSuffix(name, ":fault"):
		return fmt.Errorf("an error of the server in XML, not a feed: it says %s; check the address", short(leadText(text)))
	case name != "":
		return fmt.Errorf("an XML document with the root <%s>, not a feed: check the address", strings.Trim(short(lead), `"`))
	}
	if kind := http.DetectContentType(in.raw); !strings.HasPrefix(kind, "text/") {
		return fmt.Errorf("%s, not a feed: check the address", kind)
	}
	return fmt.Errorf("plain text, not a feed: it begins %s; check the address", short(leadText(text)))
}

func isHTML(low []byte, name string) bool {
	switch name {
	case "html", "head", "body", "title", "meta", "script", "div", "p", "h1", "center", "table", "br", "b", "style", "link", "noscript", "iframe", "form":
		return true
	}
	return bytes.HasPrefix(low, []byte("<!doctype html"))
}

func explainHTML(text, low []byte) error {
	for _, b := range bots {
		if bytes.Contains(low, []byte(b.mark)) {
			return fmt.Errorf("a page that keeps programs out (%s), not a feed: ask the publisher to admit tocsin, or use another address", b.who)
		}
	}
	s := newScanner(text[:min(len(text), 64<<10)], nil)
	title := ""
	for i := 0; ; {
		t, ok := s.next(i, len(s.doc))
		if !ok {
			break
		}
		i = t.end
		switch name := strings.ToLower(string(t.name)); {
		case t.kind == startTag && name == "title" && title == "":
			if end := s.index(t.end, len(s.doc), "<"); end > 0 {
				title = plain(string(s.doc[t.end:end]))
			}
		case t.kind == startTag && name == "link" && strings.Contains(attr(t.attrs, "type"), "+xml") && strings.EqualFold(attr(t.attrs, "rel"), "alternate"):
			return fmt.Errorf("an HTML page, not a feed: it names %s as its feed; use that address", short(attr(t.attrs, "href")))
		}
	}
	if title != "" {
		return fmt.Errorf("an HTML page, not a feed: its title is %s; look for the feed's address on the site", short(title))
	}
	return fmt.Errorf("an HTML page, not a feed: look for the feed's address on the site")
}
