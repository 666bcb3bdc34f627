package feeds

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// MaxProbe is how many requests one Probe makes at most.
const MaxProbe = 12

// A Probed says how an address can be watched.
type Probed struct {
	URL    string  // as it was asked for
	Found  []Find  // ways to watch it, best first
	Tried  []Tried // what was asked for, in order
	Advice string  // what to do where nothing was found; "" otherwise
}

// A Tried is one request of a Probe.
type Tried struct {
	URL string
	How string // why it was looked at: "named by the page"
	Err error  // nil if it gave something
}

// A Find is one way to watch an address.
type Find struct {
	Source   tocsin.Source // Kind, URL, Title, Lang, Listing and Archive, as far as they are known; ID is ""
	How      string        // "the address itself", "named by the page"
	Doc      Document
	Newest   []Entry // at most 10, newest first where they have dates
	FullText bool    // most entries have more than a summary
	Reversed bool    // the oldest comes first
	Hub      string  // that announces what is new, "" if none
	Moved    string  // where the address has moved for good
	Notes    []string
	Fitness  int // the larger the better; below 0 it is of no use

	mark string // of its entries: the same in two formats of one feed
}

// Probe looks for feeds, sitemaps and list pages behind an address, by at most
// MaxProbe calls of get, each of one address after the other. What it was not
// given time for is left out.
func Probe(ctx context.Context, address string, get func(ctx context.Context, url string) (fetch.Response, error)) Probed {
	return probeWith(ctx, address, Kinds, get)
}

// ProbeAs looks at an address as the kind and with the selectors that s names, and
// no further.
func ProbeAs(ctx context.Context, s tocsin.Source, get func(ctx context.Context, url string) (fetch.Response, error)) Probed {
	p := &probe{ctx: ctx, get: get, left: 1, kinds: Kinds, out: Probed{URL: s.URL}, asked: map[string]bool{}}
	l := lead{url: s.URL, kind: s.Kind, how: "the address itself", rank: byAddress, listing: s.Listing}
	if r, ok := p.fetch(l); ok {
		p.why = p.judge(l, r)
	}
	switch err := p.out.Tried; {
	case p.why != nil:
		p.out.Tried[0].Err = p.why
		p.out.Advice = "the address gives " + p.why.Error()
	case len(err) > 0 && err[0].Err != nil:
		p.out.Advice = err[0].Err.Error()
	}
	return p.out
}

func probeWith(ctx context.Context, address string, kinds []Kind, get func(context.Context, string) (fetch.Response, error)) Probed {
	p := &probe{ctx: ctx, get: get, left: MaxProbe, kinds: kinds, out: Probed{URL: address}, asked: map[string]bool{}}
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Hostname() == "" {
		p.out.Advice = "this is no web address: write one like https://publisher.example/news"
		return p.out
	}
	known, refuse := places(u)
	if refuse != "" {
		p.out.Advice = refuse
		return p.out
	}
	p.try(known)
	if !p.good() {
		p.look(u)
	}
	p.rank()
	return p.out
}

type probe struct {
	ctx    context.Context
	get    func(context.Context, string) (fetch.Response, error)
	left   int // requests
	kinds  []Kind
	out    Probed
	asked  map[string]bool
	page   *probedPage // what the address gave, if that was a page
	why    error       // why the address itself is nothing to watch
	barred bool        // it is a page that stands before what was asked for
}

// look asks for the address itself, and goes on from what it gives.
func (p *probe) look(u *url.URL) {
	self := lead{url: u.String(), how: "the address itself", rank: byAddress}
	r, ok := p.fetch(self)
	if ok {
		p.why = p.judge(self, r)
		if !p.has("feed") && !p.has("sitemap") {
			p.read(r)
		}
	}
	if p.page != nil {
		p.try(p.page.feeds)
		p.overview()
	}
	if p.page != nil && !p.has("feed") {
		p.try(p.page.usual(u))
	}
	if ok {
		p.home()
		p.sitemaps(u)
	}
	p.advise()
}

// read notes what a page, or the headers of any answer, name.
func (p *probe) read(r fetch.Response) {
	if !looksLikePage(r.Body) {
		return
	}
	page := readPage(r)
	for _, h := range r.Links {
		headerLinks(h, func(href string, with map[string]string) { page.named(with["rel"], with["type"], href, with["title"]) })
	}
	if id := youtubeChannel.FindSubmatch(r.Body); id != nil && len(page.feeds) == 0 && strings.Contains(r.URL, "youtube.com/") {
		page.lead(&page.feeds, "https://www.youtube.com/feeds/videos.xml?channel_id="+string(id[1]), "the feed of the channel", byName, "")
	}
	p.page = page
}

func looksLikePage(body []byte) bool {
	low := bytes.ToLower(body[:min(len(body), 64<<10)])
	for _, mark := range []string{"<html", "<!doctype html", "<head", "<body", "<link", "<a ", "<div"} {
		if bytes.Contains(low, []byte(mark)) {
			return true
		}
	}
	return false
}

// overview reads a page about feeds where the address named none that work.
func (p *probe) overview() {
	for _, l := range p.page.overview[:min(len(p.page.overview), 2)] {
		if p.has("feed") || p.left < 3 {
			return
		}
		if r, ok := p.fetch(l); ok && p.judge(l, r) != nil {
			about := readPage(r)
			for i := range about.feeds {
				about.feeds[i].how, about.feeds[i].rank = l.how, byLink
			}
			p.try(about.feeds[:min(len(about.feeds), 4)])
		}
	}
}

// maxLeads is how many leads of one sort are followed.
const maxLeads = 5

func (p *probe) try(leads []lead) {
	leads = slices.Clone(leads)
	slices.SortStableFunc(leads, func(a, b lead) int { return cmp.Compare(b.rank+p.aptness(b), a.rank+p.aptness(a)) })
	for i, l := range leads {
		if i == maxLeads && l.rank > byGuess || l.rank == byGuess && p.has("feed") {
			return
		}
		if l.kind != "" && !p.knows(l.kind) {
			continue
		}
		if r, ok := p.fetch(l); ok {
			if err := p.judge(l, r); err != nil {
				p.out.Tried[len(p.out.Tried)-1].Err = err
			}
		}
	}
}

// Words in addresses and titles that tell whether a feed is of statements.
var (
	aptWords  = []string{"press", "news", "statement", "release", "communiq", "comunicad", "comunicat", "notici", "actualit", "nachricht", "aktuell", "noticias", "новост", "заявлен", "新闻", "報道", "보도", "بيان"}
	dullWords = []string{"job", "vacanc", "career", "tender", "event", "calendar", "podcast", "video", "photo", "gallery", "weather", "stellen", "termine"}
	comments  = []string{"comment", "kommentar", "oembed"}
)

// aptness is how much likelier a lead is to be what was meant by the address: it
// lies below it, or tells of statements and not of comments, jobs or events.
func (p *probe) aptness(l lead) (n int) {
	at, err := url.Parse(l.url)
	if err != nil {
		return 0
	}
	about := strings.ToLower(at.Path + "?" + at.RawQuery + " " + l.title)
	has := func(words []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(about, w) })
	}
	if has(comments) {
		n -= 50
	}
	if has(dullWords) {
		n -= 9
	} else if has(aptWords) {
		n += 6
	}
	if from, err := url.Parse(p.out.URL); err == nil && len(from.Path) > 1 && strings.HasPrefix(at.Path, strings.TrimSuffix(from.Path, "/")) {
		n += 8
	}
	return n
}

func (p *probe) knows(kind string) bool {
	return slices.ContainsFunc(p.kinds, func(k Kind) bool { return k.Name == kind })
}

// fetch asks for an address once.
func (p *probe) fetch(l lead) (fetch.Response, bool) {
	if p.asked[l.url] || p.left == 0 || p.ctx.Err() != nil {
		return fetch.Response{}, false
	}
	p.asked[l.url] = true
	p.left--
	r, err := p.get(p.ctx, l.url)
	if err == nil && r.Cut && len(r.Body) == 0 {
		err = r.Fault
	}
	p.out.Tried = append(p.out.Tried, Tried{URL: l.url, How: l.how, Err: err})
	if err == nil && r.URL != "" {
		p.asked[r.URL] = true
	}
	return r, err == nil
}

// judge reads an answer as every kind that it may be. The error is why it is none.
func (p *probe) judge(l lead, r fetch.Response) error {
	var first error
	for _, k := range p.kinds {
		if l.kind != "" && l.kind != k.Name || l.kind == "" && k.Name == "websub" { // which is a feed with a hub
			continue
		}
		s := tocsin.Source{ID: "probe", Kind: k.Name, URL: l.url, Listing: l.listing}
		d, err := parseSafely(k, s, r)
		if c, what := wall(l.url, r); c != "" && (err != nil || k.Name == "page") { // its links are not the publisher's list
			err = fmt.Errorf("%s: %s", what, (&health{condition: c}).do(s))
			first = err
			p.barred = p.barred || l.rank == byAddress
		}
		if err != nil {
			first = cmp.Or(first, err)
			continue
		}
		if len(d.Items) == 0 && len(d.More) > 0 { // an index: its likeliest part shows what it holds
			part := lead{url: d.More[0], how: "a part of " + l.url}
			if r, ok := p.fetch(part); ok {
				s.URL = part.url
				d.Items = itemsOf(k, s, r)
			}
		}
		p.found(l, k.Name, r, d)
		return nil
	}
	return cmp.Or(first, fmt.Errorf("this tocsin has no kind %s", l.kind))
}

// itemsOf are the entries of a part of a document, none if it cannot be read.
func itemsOf(k Kind, s tocsin.Source, r fetch.Response) []Entry {
	d, err := parseSafely(k, s, r)
	if err != nil {
		return nil
	}
	return d.Items
}

func parseSafely(k Kind, s tocsin.Source, r fetch.Response) (d Document, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("read it as %s: %v; report this as a fault of tocsin", k.Name, v)
		}
	}()
	return k.Parse(s, r)
}

func (p *probe) found(l lead, kind string, r fetch.Response, d Document) {
	f := Find{How: l.how, Doc: d, Moved: r.Moved}
	f.Source = tocsin.Source{Kind: kind, URL: cmp.Or(r.Moved, l.url), Title: clipped(d.Feed.Title), Lang: strings.TrimSpace(d.Feed.Lang), Listing: l.listing}
	f.Newest, f.Reversed = inDateOrder(d.Items)
	f.Newest = f.Newest[:min(len(f.Newest), 10)]
	f.FullText = fullText(d.Items)
	if kind == "feed" || kind == "websub" {
		f.Hub = hubOf(r)
	}
	if f.Hub != "" && kind == "feed" && p.knows("websub") {
		f.Notes = append(f.Notes, "where hubs can reach you (listen.public), kind websub is told of new items at once")
	}
	for i, e := range d.Items {
		if i < 3 {
			f.mark += cmp.Or(e.URL, e.GUID, e.Title) + "\n"
		}
	}
	l.title += " " + d.Feed.Title
	f.Fitness = l.rank + p.aptness(l) + f.fitness(time.Now())
	for i, other := range p.out.Found {
		if other.mark == f.mark && f.mark != "" && other.Source.Kind == kind {
			if f.Fitness > other.Fitness {
				p.out.Found[i] = f
			}
			return
		}
	}
	p.out.Found = append(p.out.Found, f)
}

func clipped(title string) string {
	title = strings.TrimSpace(oneLine(strings.Map(visible, title)))
	if r := []rune(title); len(r) > 120 {
		return string(r[:119]) + "…"
	}
	return title
}

// fitness is how well a document serves to watch a publisher. It notes what a
// person should know.
func (f *Find) fitness(now time.Time) int {
	if len(f.Doc.Items) == 0 {
		f.Notes = append(f.Notes, "it holds no entries now")
		return -100
	}
	n := map[string]int{"feed": 30, "websub": 30, "sitemap": 8, "page": 12}[f.Source.Kind] + min(len(f.Doc.Items), 20)/4
	switch newest := dateOf(f.Newest[0]); {
	case newest.IsZero():
		f.Notes = append(f.Notes, "its entries have no dates")
	case now.Sub(newest) > 365*24*time.Hour:
		f.Notes = append(f.Notes, "nothing new since "+newest.UTC().Format(time.DateOnly)+": it may be dead")
		n -= 60
	case now.Sub(newest) < 60*24*time.Hour:
		n += 20
	}
	if f.FullText {
		n += 12
	}
	if f.Hub != "" {
		n += 6
	}
	if f.Reversed {
		f.Notes = append(f.Notes, "it lists the oldest first")
		n -= 2
	}
	if len(f.Doc.Items) < 5 {
		f.Notes = append(f.Notes, fmt.Sprintf("it shows only %d at a time: on a busy day some may fall out between two looks", len(f.Doc.Items)))
	}
	if len(f.Doc.Repairs) > 0 {
		f.Notes = append(f.Notes, "it is read with repairs: "+strings.Join(f.Doc.Repairs[:min(len(f.Doc.Repairs), 3)], "; "))
		n -= 3
	}
	if f.Moved != "" {
		f.Notes = append(f.Notes, "the address has moved for good to this one")
	}
	return n
}

func dateOf(e Entry) time.Time {
	if e.Published.IsZero() {
		return e.Updated
	}
	return e.Published
}

// inDateOrder are entries in order of their dates, if most have one, and whether
// the document has them the other way round.
func inDateOrder(entries []Entry) (out []Entry, reversed bool) {
	out = slices.Clone(entries)
	dated, up, down := 0, 0, 0
	for i, e := range out {
		if dateOf(e).IsZero() {
			continue
		}
		dated++
		if i > 0 && !dateOf(out[i-1]).IsZero() {
			switch dateOf(out[i-1]).Compare(dateOf(e)) {
			case -1:
				up++
			case 1:
				down++
			}
		}
	}
	if dated*2 > len(out) {
		slices.SortStableFunc(out, func(a, b Entry) int { return dateOf(b).Compare(dateOf(a)) })
	}
	return out, up > 2*down && up > 1
}

// fullText reports whether most entries have more than a summary.
func fullText(entries []Entry) bool {
	full := 0
	for _, e := range entries {
		if len(e.Text) >= 600 || len(e.Summary) >= 1500 {
			full++
		}
	}
	return full > 0 && full*2 >= len(entries)
}

// hubOf is the hub that a feed names, in a header or in itself (WebSub, section 4).
func hubOf(r fetch.Response) (hub string) {
	take := func(rel, href string) {
		if hub == "" && slices.Contains(strings.Fields(strings.ToLower(rel)), "hub") && isPage(strings.TrimSpace(href)) && len(href) <= maxShort {
			hub = strings.TrimSpace(href)
		}
	}
	for _, h := range r.Links {
		headerLinks(h, func(href string, with map[string]string) { take(with["rel"], href) })
	}
	head := r.Body[:min(len(r.Body), 32<<10)]
	s := newScanner(head, nil)
	for i := 0; hub == ""; {
		t, ok := s.next(i, len(head))
		if !ok {
			break
		}
		i = t.end
		if t.kind == startTag && bytes.EqualFold(local(t.name), []byte("link")) {
			take(attr(t.attrs, "rel"), attr(t.attrs, "href"))
		}
	}
	return hub
}

// home looks at the page that a feed says it is of: it may list more.
func (p *probe) home() {
	if p.page != nil || !p.knows("page") || !p.has("feed") {
		return
	}
	l := lead{url: p.out.Found[0].Doc.Feed.Link, kind: "page", how: "the page of the feed", rank: byLink}
	if isPage(l.url) {
		if r, ok := p.fetch(l); ok {
			_ = p.judge(l, r) // it need not be one
		}
	}
}

// sitemaps looks for what the site tells search engines: it goes back further than
// a feed, and is what there is where there is no feed.
func (p *probe) sitemaps(u *url.URL) {
	if !p.knows("sitemap") || p.has("sitemap") || p.left == 0 {
		return
	}
	root := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}
	var leads []lead
	robots := lead{url: root.JoinPath("robots.txt").String(), how: "it names sitemaps", rank: byLink}
	if r, ok := p.fetch(robots); ok {
		leads = namedSitemaps(root, r.Body)
	}
	if len(leads) == 0 {
		for _, name := range []string{"sitemap.xml", "news-sitemap.xml"} {
			leads = append(leads, lead{url: root.JoinPath(name).String(), kind: "sitemap", how: "sites often have their sitemap there", rank: byGuess})
		}
	}
	for _, l := range leads[:min(len(leads), 3)] {
		if r, ok := p.fetch(l); ok && p.judge(l, r) == nil && p.has("sitemap") {
			return
		}
	}
}

// namedSitemaps are the sitemaps that robots.txt names, those of news first.
func namedSitemaps(root *url.URL, robots []byte) (leads []lead) {
	for line := range strings.Lines(string(robots[:min(len(robots), 500<<10)])) {
		key, value, ok := strings.Cut(line, ":")
		if !ok || !strings.EqualFold(strings.TrimSpace(key), "sitemap") || len(leads) >= 50 {
			continue
		}
		at, err := root.Parse(strings.TrimSpace(value))
		if err != nil || at.Scheme != "http" && at.Scheme != "https" {
			continue
		}
		leads = append(leads, lead{url: at.String(), kind: "sitemap", how: "named by robots.txt", rank: byLink})
	}
	news := func(l lead) int {
		for i, word := range []string{"news", "press", "post", "article", "statement"} {
			if strings.Contains(strings.ToLower(l.url), word) {
				return i
			}
		}
		return 9
	}
	slices.SortStableFunc(leads, func(a, b lead) int { return cmp.Compare(news(a), news(b)) })
	return leads
}

// has reports whether a way of a kind was found that gives entries.
func (p *probe) has(kind string) bool {
	return slices.ContainsFunc(p.out.Found, func(f Find) bool { return f.Source.Kind == kind && f.Fitness > 0 && len(f.Doc.Items) > 0 })
}

func (p *probe) good() bool {
	return slices.ContainsFunc(p.out.Found, func(f Find) bool { return f.Fitness > 0 && len(f.Doc.Items) > 0 })
}

// rank puts the best first, and gives a feed what goes back further than itself: a
// page or sitemap that lists some of its entries, so that it is of the same things.
func (p *probe) rank() {
	slices.SortStableFunc(p.out.Found, func(a, b Find) int { return cmp.Compare(b.Fitness, a.Fitness) })
	if len(p.out.Found) == 0 || p.out.Found[0].Source.Kind != "feed" {
		return
	}
	best := &p.out.Found[0]
	for _, kind := range []string{"page", "sitemap"} {
		for _, f := range p.out.Found[1:] {
			if f.Source.Kind == kind && best.Source.Archive == "" && len(f.Doc.Items) > len(best.Doc.Items) && 2*inCommon(best.Doc.Items, f.Doc.Items) >= len(best.Doc.Items) {
				best.Source.Archive = f.Source.URL
			}
		}
	}
}

// inCommon is how many of a's entries b has, by their addresses.
func inCommon(a, b []Entry) (n int) {
	in := map[string]bool{}
	for _, e := range b {
		link, _ := canonicalLink(e.URL)
		in[link] = true
	}
	for _, e := range a {
		if link, _ := canonicalLink(e.URL); link != "" && in[link] {
			n++
		}
	}
	return n
}

// advise says what to do where nothing can be watched.
func (p *probe) advise() {
	if slices.ContainsFunc(p.out.Found, func(f Find) bool { return len(f.Doc.Items) > 0 }) {
		return
	}
	const bySelectors = "open the page in a browser and give selectors: tocsin source add ADDRESS --entry 'li.news' --entry-title a --entry-link a@href --entry-date time"
	switch first := p.out.Tried; {
	case p.ctx.Err() != nil:
		p.out.Advice = "the time ran out: try again"
	case len(p.out.Found) > 0:
		p.out.Advice = fmt.Sprintf("%s is a %s that holds no items now: look for the publisher's present address", p.out.Found[0].Source.URL, p.out.Found[0].Source.Kind)
	case len(first) > 0 && first[0].Err != nil:
		p.out.Advice = first[0].Err.Error()
	case p.barred && p.why != nil:
		p.out.Advice = "the address gives " + p.why.Error()
	case p.page == nil && p.why != nil:
		p.out.Advice = "the address gives " + p.why.Error()
	case p.page != nil && p.page.links < 10 && p.page.scripts > 4*p.page.text:
		p.out.Advice = "the page is made by scripts in the browser, and what it lists is not in it: look at the site for RSS or another language's plain page, or ask the publisher for a feed"
	case p.page != nil && p.knows("page"):
		p.out.Advice = "no feed, sitemap or list was recognised behind it; " + bySelectors
	default:
		p.out.Advice = "no feed was found behind it: look at the foot of the site for RSS or Atom, or ask the publisher"
	}
}
