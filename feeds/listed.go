package feeds

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// maxMore is how many of the documents that another names are read in one poll.
const maxMore = 3

// A listed is what a process remembers of a source that has more entries than
// one document lists: they are no entries of State, which would store them all.
// After a start it is empty.
type listed struct {
	of       uint64                      // address of the source
	children map[string]fetch.Validators // of the further documents that were read
	seen     map[uint64]bool             // hashes of the addresses of all entries
}

// A sighting is what becomes listed once the items of a poll are stored.
type sighting struct {
	children map[string]fetch.Validators
	seen     []uint64
}

func (t *task) listing(s tocsin.Source) *listed {
	if of := addressOf(s); t.listed == nil || t.listed.of != of {
		t.listed = &listed{of: of, children: map[string]fetch.Validators{}, seen: map[uint64]bool{}}
	}
	return t.listed
}

// stored notes that the items of the last sighting are in the log.
func (t *task) stored(s tocsin.Source) {
	if t.sighting == nil {
		return
	}
	l := t.listing(s)
	maps.Copy(l.children, t.sighting.children)
	for _, h := range t.sighting.seen {
		l.seen[h] = true
	}
	t.sighting = nil
}

// readMore reads the documents that d names, as far as they have changed, and
// makes one of them all. ok is false where there is nothing to decide: res says
// why.
func (p *Poller) readMore(ctx context.Context, t *task, s tocsin.Source, d Document) (_ Document, res result, ok bool) {
	l := t.listing(s)
	t.sighting = &sighting{children: map[string]fetch.Validators{}}
	var failed result
	read, unchanged := 0, 0
	for _, address := range d.More[:min(len(d.More), maxMore)] {
		known, again := l.children[address]
		r, err := p.Get(ctx, address, known)
		if err != nil && ctx.Err() != nil {
			return d, fetchFailed(err), false
		}
		if err != nil {
			failed = fetchFailed(err)
			d.Repairs = append(d.Repairs, fmt.Sprintf("one of the sitemaps that it names was not fetched: %v", err))
			continue
		}
		if r.Unchanged {
			unchanged++
			continue
		}
		child, bad, well := p.readChild(ctx, t, s, r)
		if !well {
			failed = bad
			d.Repairs = append(d.Repairs, fmt.Sprintf("one of the sitemaps that it names was not read: %v", bad.err))
			continue
		}
		read++
		t.sift(s, &child, !again)
		d.Items = append(d.Items, child.Items...)
		d.Repairs = append(d.Repairs, child.Repairs...)
		d.Cut = d.Cut || child.Cut
		t.sighting.children[address] = r.Validators
	}
	switch {
	case read > 0:
		d.Cut = d.Cut || unchanged > 0 || failed.err != nil // their entries are not here, and have not gone
		return d, res, true
	case unchanged > 0 && failed.err == nil:
		return d, result{poll: PollUnchanged, condition: OK, at: time.Now().UTC()}, false
	case unchanged > 0: // one of them alone does not make the source fail
		return d, result{poll: PollRead, condition: Repaired, repairs: d.Repairs, at: time.Now().UTC()}, false
	}
	return d, failed, false
}

func (p *Poller) readChild(ctx context.Context, t *task, s tocsin.Source, r fetch.Response) (d Document, res result, ok bool) {
	p.reads <- struct{}{}
	defer func() { <-p.reads }()
	d, res, ok = p.read(ctx, t, s, r)
	if ok && len(d.More) > 0 && len(d.Items) == 0 {
		return d, result{poll: PollUnreadable, condition: NotFeed, err: errors.New("an index within an index: give the source the address of one of the sitemaps themselves")}, false
	}
	return d, res, ok
}

// sift leaves in a document of more entries than one lists those that may be
// new, and those that are known. What was seen before without being an entry is
// an old page whose date has changed. In the first reading of a document by this
// process nothing was seen before: then what the state knows of it shows whether
// it was read earlier, and otherwise only what is dated since the source was
// begun is new.
func (t *task) sift(s tocsin.Source, d *Document, first bool) {
	l, st := t.listing(s), t.state
	if t.sighting == nil {
		t.sighting = &sighting{}
	}
	var f folder
	all := append(d.Items[:len(d.Items):len(d.Items)], d.Beyond...)
	hashes := make([]uint64, len(all))
	known := 0
	for i := range all {
		link, _ := canonicalLink(all[i].URL)
		hashes[i] = f.hash(s.ID, aliasLink, link)
		if i < len(d.Items) && st.find(hashes[i]) >= 0 {
			known++
		}
	}
	familiar := !st.Read || known*2 >= len(d.Items)
	since := time.Unix(st.begun, 0).Add(-24 * time.Hour)
	var keep []Entry
	for i, h := range hashes {
		switch inList := i < len(d.Items); {
		case st.find(h) >= 0:
			if inList {
				keep = append(keep, all[i])
			}
		case l.seen[h]:
		case !first, familiar && inList, !familiar && newest(all[i]).After(since):
			keep = append(keep, all[i])
		}
	}
	entitle(keep)
	d.Items, d.Beyond = append([]Entry{}, keep...), nil
	t.sighting.seen = append(t.sighting.seen, hashes...)
}

// keepTo takes the block of a page that was read before for its list, where
// another looks more like one now: all of its entries would seem new.
func (t *task) keepTo(s tocsin.Source, d *Document) {
	if len(d.Others) == 0 || !t.state.Read || t.state.linked(s, d.Items) > 0 {
		return
	}
	for _, block := range d.Others {
		if t.state.linked(s, block) > 0 {
			d.Items = block
			return
		}
	}
}

// linked counts the entries whose links are known.
func (st *State) linked(s tocsin.Source, entries []Entry) (n int) {
	var f folder
	for i := range entries {
		link, _ := canonicalLink(entries[i].URL)
		if st.find(f.hash(s.ID, aliasLink, link)) >= 0 {
			n++
		}
	}
	return n
}

const (
	manyEntries = 8                  // of a page, of which a few may not go unnoticed
	shrunkFor   = 7 * 24 * time.Hour // after which a short page is taken for what the page is now
)

// shrunk is the fault of a page that has lost most of its entries, or their
// links: its layout has changed in part. What is left of it is read all the same,
// and takes nothing from what is known.
func (t *task) shrunk(s tocsin.Source, d *Document, at time.Time) error {
	if s.Kind != "page" || !t.state.Read {
		return nil
	}
	last, linked := t.state.standing()
	n, bare := len(d.Items), 0
	for i := range d.Items {
		if d.Items[i].URL == "" {
			bare++
		}
	}
	e := &LayoutError{Last: last}
	switch {
	case last >= manyEntries && n*4 < last:
		e.Why = fmt.Sprintf("the page has %d entries now: look whether the selectors of listing still find them all", n)
	case last >= 3 && n >= 3 && bare*2 > n && linked*2 > last:
		e.Why = fmt.Sprintf("%d of %d entries have no link now: look where the page has them and give listing.link", bare, n)
	default:
		t.short = time.Time{}
		return nil
	}
	if t.short.IsZero() {
		t.short = at
	}
	if at.Sub(t.short) >= shrunkFor {
		return nil
	}
	d.Cut = true
	return e
}

// standing counts the entries of the last document, and those with a link.
func (st *State) standing() (all, linked int) {
	has := map[uint32]bool{}
	for _, a := range st.alias {
		if a.kind == aliasLink {
			has[a.entry] = true
		}
	}
	for i := range st.entries {
		if st.entries[i].now {
			all++
			if has[uint32(i)] {
				linked++
			}
		}
	}
	return all, linked
}

// misread is what a document that could not be read comes to: where it is a page
// that was read before, its layout has changed.
func (t *task) misread(err error) result {
	res := result{poll: PollUnreadable, condition: NotFeed, err: err}
	e, ok := errors.AsType[*LayoutError](err)
	if !ok {
		return res
	}
	known := t.health.known
	if t.state != nil {
		known = t.state.Len()
		e.Last, _ = t.state.standing()
	}
	if known > 0 {
		res.condition = LayoutChanged
	}
	return res
}
