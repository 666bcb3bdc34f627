package feeds

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"tocsin"
	"tocsin/feeds/fetch"
)

// Bounds of what a publisher says of its hubs.
const (
	maxHubs  = 8
	maxLinks = 64 // of one Link header
)

// findHubs tells which hubs announce what s publishes, in the publisher's order,
// and by which address they know it. Link headers count before the document
// itself (WebSub, section 4).
func findHubs(s tocsin.Source, r fetch.Response) (hubs []string, topic string) {
	d := discovery{base: base(r)}
	for _, h := range r.Links {
		d.header(h)
	}
	if len(d.hubs) == 0 || d.self == "" {
		d.body(s, r)
	}
	return d.hubs, cmp.Or(d.self, s.URL)
}

// A discovery is what was found of hubs so far.
type discovery struct {
	base *url.URL
	hubs []string
	self string
}

// link takes one link; rel may hold several words.
func (d *discovery) link(rel, href string) {
	u, err := url.Parse(strings.TrimSpace(href))
	if err != nil || href == "" || len(href) > maxShort {
		return
	}
	if d.base != nil {
		u = d.base.ResolveReference(u)
	}
	if u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return
	}
	u.Fragment, u.RawFragment = "", ""
	for word := range strings.FieldsSeq(strings.ToLower(rel)) {
		switch at := u.String(); {
		case word == "hub" && len(d.hubs) < maxHubs && !slices.Contains(d.hubs, at):
			d.hubs = append(d.hubs, at)
		case word == "self" && d.self == "":
			d.self = at
		}
	}
}

// header reads a Link header (RFC 8288, section 3).
func (d *discovery) header(h string) {
	for range maxLinks {
		_, rest, ok := strings.Cut(h, "<")
		if !ok {
			return
		}
		href, rest, ok := strings.Cut(rest, ">")
		if !ok {
			return
		}
		rel := ""
		for {
			name, value, after, ok := linkParam(rest)
			if rest = after; !ok {
				break
			}
			if rel == "" && strings.EqualFold(name, "rel") {
				rel = value
			}
		}
		d.link(rel, href)
		h = rest
	}
}

// linkParam is the parameter that h begins with, as in `; rel="hub self"`.
func linkParam(h string) (name, value, after string, ok bool) {
	h = strings.TrimLeft(h, " \t")
	if !strings.HasPrefix(h, ";") {
		return "", "", h, false
	}
	h = strings.TrimLeft(h[1:], " \t")
	end := strings.IndexAny(h, "=;,")
	if end < 0 {
		return h, "", "", true
	}
	name, h = strings.TrimSpace(h[:end]), h[end:]
	if h[0] != '=' {
		return name, "", h, true
	}
	h = strings.TrimLeft(h[1:], " \t")
	if quoted, is := strings.CutPrefix(h, `"`); is {
		value, after, _ = strings.Cut(quoted, `"`)
		return name, value, after, true
	}
	end = strings.IndexAny(h, ";,")
	if end < 0 {
		end = len(h)
	}
	return name, strings.TrimSpace(h[:end]), h[end:], true
}

// body reads the links of the feed itself, wherever they stand outside entries.
func (d *discovery) body(s tocsin.Source, r fetch.Response) {
	found := discovery{base: d.base}
	text, _ := decode(r.Body, r.Type, s.Lang, nil)
	text = bytes.TrimLeft(clean(text, nil), " \t\r\n\ufeff")
	if len(text) > 0 && text[0] == '{' {
		found.json(text)
	} else {
		found.xml(text)
	}
	if len(d.hubs) == 0 {
		d.hubs = found.hubs
	}
	d.self = cmp.Or(d.self, found.self)
}

func (d *discovery) xml(text []byte) {
	s := newScanner(text, nil)
	o, ok := s.root()
	if !ok {
		return
	}
	o = s.outline(o)
	room := maxFields
	for _, part := range o.head {
		s.children(part, isStructure, func(e element) {
			if room--; room >= 0 && bytes.EqualFold(local(e.name), []byte("link")) {
				d.link(attr(e.attrs, "rel"), attr(e.attrs, "href"))
			}
		})
	}
}

// isStructure reports whether a tag holds the feed itself.
func isStructure(t tag) bool {
	switch string(bytes.ToLower(local(t.name))) {
	case "rss", "rdf", "feed", "channel":
		return true
	}
	return false
}

// json reads hubs and feed_url of a JSON Feed.
func (d *discovery) json(text []byte) {
	var head struct {
		FeedURL string `json:"feed_url"`
		Hubs    []struct{ Type, URL string }
	}
	if json.Unmarshal(outlineJSON(text).head, &head) != nil {
		return
	}
	d.link("self", head.FeedURL)
	for _, h := range head.Hubs {
		if strings.EqualFold(h.Type, "WebSub") || strings.EqualFold(h.Type, "PubSubHubbub") {
			d.link("hub", h.URL)
		}
	}
}
