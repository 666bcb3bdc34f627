package feeds

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"

	"tocsin"
)

// An Outline is one source that a list of feeds (OPML) names.
type Outline struct {
	Line    int      // where it begins
	Folders []string // that it stands in, outermost first, then its categories
	Page    string   // the site that people read, or ""
	Source  tocsin.Source
}

// A Lapse is what of a list could not be used.
type Lapse struct {
	Line int
	Text string
}

// Bounds of a list.
const (
	maxOutlines = 50_000
	maxFolders  = 64
)

// opmlSpace is the name space of the attributes of ours.
const opmlSpace = "urn:tocsin:opml"

// ReadOPML reads a list of feeds, OPML 1.0 or 2.0, also one that is broken: it
// gives what can be read, and says what not. An error means that it is no such
// list. Its cost is linear in the size of the body.
func ReadOPML(body []byte) (outlines []Outline, lapses []Lapse, err error) {
	text, _ := decode(body, "", "", nil)
	text = clean(text, nil)
	r := opmlReader{line: 1}
	z := html.NewTokenizer(bytes.NewReader(text))
	z.SetMaxBuf(1 << 20)
	for z.Next() != html.ErrorToken {
		raw := z.Raw()
		lines := bytes.Count(raw, []byte("\n"))
		r.token(z.Token())
		r.line += lines
	}
	if !errors.Is(z.Err(), io.EOF) {
		r.lapse("an element is longer than 1 MiB: what follows is not read")
	}
	if !r.opml && len(r.out) == 0 {
		return nil, nil, errors.New("it is no list of feeds (OPML): it has no outlines")
	}
	if r.opml && !r.closed {
		r.lapse("the list breaks off here: what followed is missing")
	}
	return r.out, r.lapses, nil
}

type opmlReader struct {
	line    int
	out     []Outline
	lapses  []Lapse
	open    []string // outlines that are open, with their names; "" for a feed
	opml    bool
	closed  bool
	skipped bool // told that there are too many
}

func (r *opmlReader) lapse(format string, args ...any) {
	r.lapses = append(r.lapses, Lapse{r.line, fmt.Sprintf(format, args...)})
}

func (r *opmlReader) token(t html.Token) {
	switch {
	case t.Data == "opml":
		r.opml = true
		r.closed = t.Type == html.EndTagToken
	case t.Data != "outline":
	case t.Type == html.EndTagToken && len(r.open) > 0:
		r.open = r.open[:len(r.open)-1]
	case t.Type == html.StartTagToken || t.Type == html.SelfClosingTagToken:
		name := r.outline(t)
		if t.Type == html.StartTagToken && len(r.open) < maxFolders {
			r.open = append(r.open, name)
		}
	}
}

// outline takes one outline, and gives its name if it is a folder.
func (r *opmlReader) outline(t html.Token) (folder string) {
	at := func(key string) string { return strings.TrimSpace(given(t, key)) }
	title := clipped(cmp.Or(at("title"), at("text")))
	kind := at("tocsin:kind")
	where := cmp.Or(at("xmlurl"), at("url"))
	switch {
	case where == "" && at("htmlurl") != "":
		r.lapse("%s has a page and no feed: try tocsin source probe %s", short(title), at("htmlurl"))
		return ""
	case where == "":
		return title
	case at("xmlurl") == "" && kind == "":
		r.lapse("%s is a link and no feed: try tocsin source probe %s", short(title), where)
		return ""
	case len(r.out) == maxOutlines:
		if !r.skipped {
			r.lapse("the list has more than %d sources: what follows is not read", maxOutlines)
		}
		r.skipped = true
		return ""
	}
	address, err := outlineURL(where)
	if err != nil {
		r.lapse("%s: %s is no web address", short(title), short(where))
		return ""
	}
	o := Outline{Line: r.line, Page: at("htmlurl")}
	for _, f := range append(r.open, strings.Split(at("category"), ",")...) {
		if f = strings.Trim(f, " /"); f != "" {
			o.Folders = append(o.Folders, f)
		}
	}
	o.Source = tocsin.Source{
		ID: at("tocsin:id"), Kind: cmp.Or(kind, "feed"), Title: title, URL: address,
		Country: at("tocsin:country"), Lang: cmp.Or(at("tocsin:lang"), at("language")), Zone: at("tocsin:zone"), Archive: at("tocsin:archive"),
		Listing: tocsin.Listing{
			Entry: given(t, "tocsin:entry"), Title: given(t, "tocsin:entrytitle"),
			Link: given(t, "tocsin:entrylink"), Date: given(t, "tocsin:entrydate"),
		},
	}
	if every := at("tocsin:every"); every != "" {
		if o.Source.Every, err = time.ParseDuration(every); err != nil {
			r.lapse("%s: tocsin:every %s is no time: it is read every minute", short(title), short(every))
		}
	}
	r.out = append(r.out, o)
	return ""
}

// outlineURL is an address as lists write it: feed: and a missing scheme are
// common.
func outlineURL(s string) (string, error) {
	if rest, ok := strings.CutPrefix(s, "feed://"); ok {
		s = "http://" + rest
	}
	s = strings.TrimPrefix(s, "feed:")
	if !strings.Contains(s, "://") {
		s = "https://" + strings.TrimPrefix(s, "//")
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || len(s) > maxShort || strings.ContainsAny(s, " \t\n") {
		return "", errors.New("no web address")
	}
	return s, nil
}

// WriteOPML writes sources as OPML 2.0. What other programs do not know of a
// source stands in attributes of our own name space, so that ReadOPML gives the
// same sources back. Those that are no feeds are outlines of type link.
func WriteOPML(w io.Writer, title string, at time.Time, sources []tocsin.Source) error {
	var b strings.Builder
	b.WriteString(xml.Header + `<opml version="2.0" xmlns:tocsin="` + opmlSpace + "\">\n  <head>\n    <title>")
	_ = xml.EscapeText(&b, []byte(title)) // a Builder takes all
	fmt.Fprintf(&b, "</title>\n    <dateCreated>%s</dateCreated>\n  </head>\n  <body>\n", at.UTC().Format(time.RFC1123))
	for _, s := range sources {
		writeOutline(&b, s)
		if b.Len() > 64<<10 {
			if _, err := io.WriteString(w, b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	b.WriteString("  </body>\n</opml>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func writeOutline(b *strings.Builder, s tocsin.Source) {
	put := func(key, value string) {
		if value != "" {
			b.WriteString(" " + key + `="`)
			_ = xml.EscapeText(b, []byte(value))
			b.WriteByte('"')
		}
	}
	b.WriteString("    <outline")
	put("text", cmp.Or(s.Title, s.ID))
	put("title", s.Title)
	kind := cmp.Or(s.Kind, "feed")
	if kind == "feed" || kind == "websub" {
		put("type", "rss")
		put("xmlUrl", s.URL)
	} else {
		put("type", "link")
		put("url", s.URL)
	}
	put("language", s.Lang)
	put("tocsin:id", s.ID)
	if kind != "feed" {
		put("tocsin:kind", kind)
	}
	put("tocsin:country", s.Country)
	put("tocsin:zone", s.Zone)
	if s.Every != 0 {
		put("tocsin:every", s.Every.String())
	}
	put("tocsin:archive", s.Archive)
	put("tocsin:entry", s.Listing.Entry)
	put("tocsin:entryTitle", s.Listing.Title)
	put("tocsin:entryLink", s.Listing.Link)
	put("tocsin:entryDate", s.Listing.Date)
	b.WriteString("/>\n")
}
