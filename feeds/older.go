package feeds

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// Bounds of what is read when a source was overrun.
const (
	olderWithin = 20 * time.Second // for which what is new waits to be stored, so that what came before it is told first and a crash between the two loses nothing
	olderPages  = 10
	olderMost   = 200  // entries
	olderRead   = 5000 // entries of a page that are looked at
)

// gapOf is the gap that the notes of a document tell of, nil if none does.
func gapOf(notes []Note, before, at time.Time) *Gap {
	i := slices.IndexFunc(notes, func(n Note) bool { return n.Kind == Overrun })
	if i < 0 {
		return nil
	}
	return &Gap{From: before, To: at, Lost: notes[i].Count}
}

// fill looks further back for what came and went, in the source's archive or, if
// it has none, in the older pages that its document names. It notes in gap how
// that went, and gives what is not known of it, newest first.
func (p *Poller) fill(ctx context.Context, s tocsin.Source, r fetch.Response, next *State, gap *Gap) []Entry {
	if gap == nil {
		return nil
	}
	b := backward{State: next, source: s.ID}
	at := s.Archive
	if at == "" {
		at, b.joined = olderThan(r), true
	}
	if at == "" {
		gap.Why = "the source has no archive, and its document names no older page"
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, olderWithin)
	defer cancel()
	seen := map[string]bool{r.URL: true, s.URL: true}
	for range olderPages {
		page, err := p.Get(ctx, at, fetch.Validators{})
		if err != nil {
			b.why = err.Error()
			break
		}
		p.reads <- struct{}{}
		es, err := p.entries(s, page)
		<-p.reads
		if err != nil {
			b.why = err.Error()
			break
		}
		seen[at] = true
		if b.take(es); b.closed || b.why != "" {
			break
		}
		if at = olderThan(page); at == "" || seen[at] {
			break
		}
	}
	gap.Filled, gap.Closed = len(b.found), b.closed
	switch {
	case b.closed:
	case b.joined:
		gap.Why = cmp.Or(b.why, "what was looked through further back does not reach to what was known")
	default:
		gap.Why = cmp.Or(b.why, "the archive holds nothing of what the source holds now")
	}
	return b.found
}

// entries are what a page further back holds, newest first, read by whatever
// kind can.
func (p *Poller) entries(s tocsin.Source, r fetch.Response) ([]Entry, error) {
	kinds := p.kinds
	if kinds == nil {
		kinds = Kinds
	}
	own := cmp.Or(s.Kind, "feed")
	names := []string{own}
	for _, k := range kinds {
		if k.Name != own {
			names = append(names, k.Name)
		}
	}
	var first error
	for _, name := range names {
		s.Kind = name
		d, _, err := p.parse(s, r, nil)
		if err == nil && len(d.Items) > 0 {
			if name != "feed" {
				byDate(d.Items)
			}
			return d.Items, nil
		}
		first = cmp.Or(first, err)
	}
	return nil, cmp.Or(first, fmt.Errorf("read the archive of %s: it holds no entries", s.ID))
}

// byDate sorts entries by the dates they claim, if all do. Nothing else but
// these tells the order of a sitemap.
func byDate(es []Entry) {
	date := func(e Entry) time.Time { return cmp.Or(e.Updated, e.Published) }
	if !slices.ContainsFunc(es, func(e Entry) bool { return date(e).IsZero() }) {
		slices.SortStableFunc(es, func(a, b Entry) int { return date(b).Compare(date(a)) })
	}
}

// backward goes through what is further back, from what the source holds now to
// what was known before.
type backward struct {
	*State
	source string
	joined bool // what the source holds now was met, or what follows continues it
	found  []Entry
	closed bool // what was known before was met
	why    string
}

type spot int

const (
	unknown spot = iota
	inWindow
	before // it was known, and is no longer in the document
)

func (b *backward) where(e *Entry) spot {
	x := b.entryOf(b.source, e)
	switch {
	case x < 0:
		return unknown
	case b.State.entries[x].now:
		return inWindow
	}
	return before
}

// take goes on through a page.
func (b *backward) take(es []Entry) {
	es = es[:min(len(es), olderRead)]
	places := make([]spot, len(es))
	for i := range es {
		places[i] = b.where(&es[i])
	}
	if first := slices.Index(places, inWindow); first > 0 && slices.Index(places, before) >= 0 && first > lastOf(places, before) { // oldest first
		es = slices.Clone(es)
		slices.Reverse(es)
		slices.Reverse(places)
	}
	for i, e := range es {
		switch {
		case places[i] == inWindow:
			b.joined = true
		case !b.joined: // newer than the document, or of another list
		case places[i] == before:
			b.closed = true
			return
		default:
			b.found = append(b.found, e)
			if len(b.found) >= olderMost {
				b.why = fmt.Sprintf("more than %d entries came", olderMost)
				return
			}
		}
	}
}

func lastOf(places []spot, p spot) int {
	for i := len(places) - 1; i >= 0; i-- {
		if places[i] == p {
			return i
		}
	}
	return -1
}

// entryOf is the known entry that e is by one of its aliases, or -1.
func (st *State) entryOf(source string, e *Entry) int {
	var f folder
	text, _ := itemText(e)
	v := st.look(&f, source, e.GUID, e.URL, f.gist(source, itemTitle(e), text))
	for _, h := range v.alias {
		if x := st.find(h); x >= 0 {
			return x
		}
	}
	return st.find(v.whole)
}

// leave notes that entries are not in the last document: they were found further
// back.
func (st *State) leave(source string, es []Entry) {
	for i := range es {
		if x := st.entryOf(source, &es[i]); x >= 0 {
			st.entries[x].now = false
		}
	}
}

// present is the number of entries in the last document.
func (st *State) present() (n int) {
	for i := range st.entries {
		if st.entries[i].now {
			n++
		}
	}
	return n
}

// olderThan is the address of the page that continues a feed further back: what
// RFC 5005 calls prev-archive or next, next_url of JSON Feed, or the second page
// of a WordPress site. It is "" if there is none.
func olderThan(r fetch.Response) string {
	at, err := url.Parse(r.URL)
	if err != nil || at.Host == "" || !isPage(r.URL) || len(r.Body) == 0 {
		return ""
	}
	text, _ := decode(r.Body, r.Type, "", &notes{})
	text = bytes.TrimLeft(text, " \t\r\n\ufeff")
	if len(text) > 0 && text[0] == '{' {
		var d struct {
			Next string `json:"next_url"`
		}
		_ = json.Unmarshal(text, &d)
		return within(at, d.Next)
	}
	return olderXML(at, text)
}

func olderXML(at *url.URL, text []byte) string {
	s := newScanner(text[:min(len(text), 64<<10)], nil)
	links := map[string]string{}
	wordpress := false
	for i := 0; ; {
		t, ok := s.next(i, len(s.doc))
		if !ok {
			break
		}
		i = t.end
		if t.kind != startTag {
			continue
		}
		switch name := strings.ToLower(string(local(t.name))); name {
		case "item", "entry":
			i = len(s.doc)
		case "link":
			links[strings.ToLower(attr(t.attrs, "rel"))] = attr(t.attrs, "href")
		case "generator":
			end := min(t.end+200, len(s.doc))
			wordpress = bytes.Contains(bytes.ToLower(s.doc[t.start:end]), []byte("wordpress"))
		}
	}
	if to := within(at, cmp.Or(links["prev-archive"], links["next"])); to != "" {
		return to
	}
	if !wordpress {
		return ""
	}
	next, q := *at, at.Query()
	page := 2
	if n := q.Get("paged"); n != "" {
		_, _ = fmt.Sscan(n, &page)
		page++
	}
	q.Set("paged", fmt.Sprint(page))
	next.RawQuery = q.Encode()
	return next.String()
}

// within is ref against at, if it is an address of the same site.
func within(at *url.URL, ref string) string {
	if ref == "" || len(ref) > maxShort {
		return ""
	}
	u, err := at.Parse(ref)
	if err != nil || !sameSite(u.String(), at.String()) {
		return ""
	}
	return u.String()
}

// sameSite reports whether two addresses have the same host, www. aside.
func sameSite(a, b string) bool {
	bare := func(s string) string { return strings.TrimPrefix(hostOf(s), "www.") }
	return isPage(a) && bare(a) == bare(b)
}
