package feeds

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds/extract"
	"tocsin/feeds/fetch"
)

// Limits of what is stored of a page, in bytes.
const (
	maxPageText = 256 << 10
	maxPageRest = 64 << 10
)

// readPage is what a visit found, and whether it makes sense to ask again.
func (p *Poller) readPage(n *visit, r fetch.Response, err error) (page tocsin.Page, final bool) {
	page = tocsin.Page{State: tocsin.PageUnread, At: time.Now().UTC()}
	if err != nil {
		page.Why = err.Error()
		switch statusOf(err) {
		case http.StatusNotFound, http.StatusGone:
			page.State, page.Why = tocsin.PageGone, ""
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusUnavailableForLegalReasons:
			return page, true
		}
		e, ok := errors.AsType[*fetch.Error](err)
		return page, errors.Is(err, errRefused) || ok && (e.Kind == fetch.KindTooLarge || e.Kind == fetch.KindBomb || e.Kind == fetch.KindBlocked || e.Kind == fetch.KindAddress)
	}
	page.At, page.URL = r.At, r.URL
	if page.Why = n.elsewhere(r); page.Why != "" {
		return page, true
	}
	switch kind := pageType(r); kind {
	case "application/pdf":
		page.State, page.Documents = tocsin.PagePDF, []string{cmp.Or(r.URL, n.url)}
		return page, true
	case "text/html", "application/xhtml+xml", "text/plain":
	default:
		page.Why = "it is " + kind
		return page, true
	}
	if p.visits.shared(n) {
		page.Why = "its address is that of other items too"
		return page, true
	}
	p.reads <- struct{}{}
	defer func() { <-p.reads }()
	if err := p.extract(&page, n, r); err != nil {
		page.Why = err.Error()
	}
	return page, true
}

// elsewhere says why what came is not the page that was asked for: the site led
// to its front page, as many do for what they took away, or put a page to log in
// or consent before it. A page that shows the item's title is its own, though it
// may have a form to log in too.
func (n *visit) elsewhere(r fetch.Response) string {
	if ledHome(n.url, r.URL) {
		return "its address leads to the front page of a site"
	}
	_, what := wall(n.url, r)
	if what != "" && n.shows(r) {
		return ""
	}
	return what
}

// shows reports whether a page shows the title of the visit's item.
func (n *visit) shows(r fetch.Response) bool {
	body := r.Body[:min(len(r.Body), wallRead)]
	text, _ := decode(body, charsetOf(body, r.Type), "", &notes{})
	title, shown := shownOn(bytes.ToLower(text))
	want := strings.Join(strings.Fields(strings.ToLower(n.item.Title)), " ")
	return want != "" && strings.Contains(title+" "+shown, want)
}

// ledHome reports whether a request for a page ended at the front page of a site.
func ledHome(asked, at string) bool {
	if at == "" {
		return false
	}
	from, wasHome := canonicalLink(asked)
	to, home := canonicalLink(at)
	return home && !wasHome && from != to
}

// pageType is the media type of a body: what it is said to be, or what it looks
// like where that says nothing.
func pageType(r fetch.Response) string {
	if bytes.HasPrefix(r.Body, []byte("%PDF-")) {
		return "application/pdf"
	}
	if feedRoot.Match(r.Body[:min(len(r.Body), 1<<10)]) {
		return "a feed"
	}
	kind, _, _ := mime.ParseMediaType(r.Type)
	if kind == "" || kind == "application/octet-stream" || kind == "application/xml" || kind == "text/xml" {
		kind, _, _ = mime.ParseMediaType(http.DetectContentType(r.Body))
	}
	return kind
}

// feedRoot is how a document begins that is no page whatever its type says.
var feedRoot = regexp.MustCompile(`(?s)^[^<]*(<\?.*?\?>\s*|<!--.*?-->\s*)*<(rss|feed|rdf:RDF|urlset|sitemapindex)[\s>]`)

// shortText is how much text, in bytes, a page has that only presents a document.
const shortText = 400

// extract takes a page apart. A page that kills the extraction is unread.
func (p *Poller) extract(page *tocsin.Page, n *visit, r fetch.Response) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("take the page apart: panic: %v at %s; please report this address", v, panicked(debug.Stack()))
		}
	}()
	found, err := extract.Read(pageText(r, n.item.Lang), cmp.Or(r.URL, n.url))
	if err != nil {
		return err
	}
	found = found.Without(p.visits.boilerplate(n.site, n.url, found.Text))
	page.State, page.Lang, page.Documents = tocsin.PageRead, found.Lang, found.Documents
	page.Text, page.Rest = cutText(found.Text, maxPageText), cutText(found.Rest, maxPageRest)
	if len(page.Documents) > 0 && len(page.Text) < shortText && len(n.item.Text) < shortText {
		page.State = tocsin.PagePDF
	}
	return nil
}

// pageText is a page in UTF-8.
func pageText(r fetch.Response, lang string) string {
	text, _ := decode(r.Body, contentType(r.Type, r.Body), lang, &notes{})
	return string(text)
}

// A finding is a record about a known item that waits for its source's pen.
type finding struct {
	item tocsin.Item
	done func(again bool)
}

// hand has a finding stored as soon as nobody else writes the source's log.
func (p *Poller) hand(ctx context.Context, f finding) {
	p.mu.Lock()
	t := p.tasks[f.item.Source]
	if t == nil || t.gone {
		p.mu.Unlock()
		f.done(true) // another process may have it
		return
	}
	s := t.polled()
	p.mu.Unlock()
	p.polls.Go(func() { // the source may be slow: others' pages need not wait
		t.turn <- struct{}{}
		defer func() { <-t.turn }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeWithin)
		defer cancel()
		err := p.appendFound(ctx, t, s, f.item)
		if err != nil {
			p.Slog.Warn("what was found about an item was not stored", "stage", "poll", "source", s.ID, "item", f.item.ID, "err", err)
		}
		f.done(err != nil)
	})
}

// appendFound appends a record about an item, unless that was revised meanwhile.
func (p *Poller) appendFound(ctx context.Context, t *task, s tocsin.Source, it tocsin.Item) error {
	if !t.loaded {
		if err := p.begin(ctx, t, s); err != nil {
			return err
		}
	}
	if t.state == nil {
		if err := p.load(ctx, t, s); err != nil {
			return err
		}
	}
	for range fetches {
		if !t.state.latest(it) {
			return nil
		}
		last, err := p.Log.Append(ctx, s.ID, t.state.Seq, []tocsin.Item{it})
		if behind, ok := errors.AsType[*tocsin.BehindError](err); ok {
			moved, err := p.catchUp(ctx, t, s)
			if err != nil {
				return err
			}
			if !moved && behind.Last < t.state.Seq { // the log was cut
				t.state.Seq = behind.Last
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("store pages of %s: %w", s.ID, err)
		}
		p.learnFound(ctx, t, s, it, last)
		return nil
	}
	return fmt.Errorf("store pages of %s: the log moved %d times in a row", s.ID, fetches)
}

// latest reports whether no later revision than an item's is known.
func (st *State) latest(it tocsin.Item) bool {
	x := st.named(it.ID)
	st.tidy()
	return x < 0 || int(st.entries[x].rev) <= it.Rev
}

func (p *Poller) learnFound(ctx context.Context, t *task, s tocsin.Source, it tocsin.Item, last uint64) {
	next := t.state.clone()
	next.Validators, next.address, next.Seq = t.state.Validators, t.state.address, last
	if !it.Withdrawn.IsZero() {
		next.withdraw(it.ID)
		next.tidy()
	}
	t.unsaved = t.unsaved || next.changed
	if t.state = &next; next.Len() <= keepEntries {
		return
	}
	t.state = nil
	if err := p.Log.Save(ctx, s.ID, next.Encode()); err != nil {
		p.Slog.Warn("state was not saved", "stage", "poll", "source", s.ID, "err", err)
	}
}

// withdraw notes that an entry was published as withdrawn: should it come back,
// that is a revision.
func (st *State) withdraw(id string) {
	x := st.named(id)
	if x < 0 {
		return
	}
	var h history
	if st.entries[x].more != nil {
		h = *st.entries[x].more
	}
	h.withdrawn = true
	st.entries[x].more, st.changed = &h, true
}
