package feeds

import (
	"cmp"
	"container/heap"
	"context"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// visits are the poller's second job: looks at the addresses of items. New items
// are visited once, for their text; items of alerts for evidence, and after their
// entry has left the source to see whether its publisher took them away.
type visits struct {
	mu     sync.Mutex
	wake   chan struct{}
	queue  visitQueue
	of     map[visitKey]*visit
	sites  map[string]*site
	alerts map[string]map[string]tocsin.Copy // items of alerts, by source and Item.ID
	unseen map[string]bool                   // sources of which it is not known whether they still list their items of alerts
	recent recent
	pages  map[string]uint64 // pages of items that were stored, by Page.State
}

// What a visit is for.
const (
	forText     = "text"             // the page is to be stored with its item
	forPage     = tocsin.RawPage     // the page is evidence
	forDocument = tocsin.RawDocument // the source's document is evidence
	forPresence = "presence"         // is anything still there?
)

type visitKey struct{ source, item, what string }

// A visit is one address to look at.
type visit struct {
	visitKey
	url   string
	item  tocsin.Item // with forText; without its text until it is needed, if seq tells where that is
	seq   uint64
	rev   int
	site  string
	next  time.Time
	place int  // in the queue; -1 if it is not there
	first bool // goes before others whose turn has come
	tries int
	keep  bool      // what is found is evidence
	gone  time.Time // since when nothing was there
	done  func(again bool)
}

const (
	visitsAtOnce = 16
	siteGap      = 500 * time.Millisecond // between two looks at pages of a site
	maxSites     = 2000                   // that are remembered
	refusals     = 3                      // in a row after which a site's pages are left alone
	refusedFor   = time.Hour
	presenceFor  = 60 * 24 * time.Hour // after it was seen that an item of an alert is looked for
	goneAgain    = time.Minute         // between two looks that find nothing: a single 404 may be an accident
)

var (
	// textTries are the waits before a page that could not be had is tried again:
	// some appear a little later than their entry.
	textTries = []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute}
	// presenceLooks are the waits between looks at an item of an alert that has left
	// its source; the last repeats.
	presenceLooks = []time.Duration{time.Second, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}
)

func (v *visits) init() {
	v.wake = make(chan struct{}, 1)
	v.of, v.sites, v.alerts = map[visitKey]*visit{}, map[string]*site{}, map[string]map[string]tocsin.Copy{}
	v.unseen, v.pages = map[string]bool{}, map[string]uint64{}
}

// Visit has the page of a new item, the record at seq of the log of items, fetched
// and stored as its [tocsin.Page], and then calls done; again means that it could
// not be stored. An item whose source is not set, or that has no page of its own, is
// done at once.
func (p *Poller) Visit(it tocsin.Item, seq uint64, done func(again bool)) {
	p.init()
	s, ours := p.source(it.Source)
	if !ours || it.Shared || !worthAVisit(it.URL, s) {
		done(false)
		return
	}
	n := &visit{visitKey: visitKey{it.Source, it.ID, forText}, url: it.URL, seq: seq, rev: it.Rev, done: done}
	if p.Stored == nil {
		n.item = it
	}
	p.visits.mu.Lock()
	_, urgent := p.visits.alerts[it.Source][it.ID]
	old := p.visits.add(n, urgent)
	p.visits.mu.Unlock()
	if old != nil {
		old.done(false)
	}
}

func (p *Poller) source(id string) (tocsin.Source, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tasks[id]
	if t == nil || t.gone {
		return tocsin.Source{}, false
	}
	return t.source, true
}

// Due reports whether the page of an item is one that Visit has fetched.
func Due(it tocsin.Item, s tocsin.Source) bool { return !it.Shared && worthAVisit(it.URL, s) }

// worthAVisit reports whether an address can be that of a statement, and not of
// the site or the source itself.
func worthAVisit(address string, s tocsin.Source) bool {
	if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
		return false
	}
	link, home := canonicalLink(address)
	own, _ := canonicalLink(s.URL)
	return !home && link != own
}

// Watch tells the poller of an item of an alert. Evidence that it lacks is kept,
// and once its entry has left the source it is looked for from time to time.
func (p *Poller) Watch(c tocsin.Copy, lacks []string) {
	p.init()
	s, ours := p.source(c.Source)
	v := &p.visits
	v.mu.Lock()
	if !c.Withdrawn.IsZero() {
		v.forget(c.Source, c.Item)
		v.mu.Unlock()
		return
	}
	if v.alerts[c.Source] == nil {
		v.alerts[c.Source] = map[string]tocsin.Copy{}
	}
	v.alerts[c.Source][c.Item], v.unseen[c.Source] = c, true
	if !ours { // yet
		v.mu.Unlock()
		return
	}
	v.hurry(visitKey{c.Source, c.Item, forText})
	var found []tocsin.Raw
	for _, of := range lacks {
		if raw, ok := v.recent.find(c, of); ok {
			found = append(found, raw)
			continue
		}
		v.want(c, s, of)
	}
	v.mu.Unlock()
	for _, raw := range found {
		p.keepRaw(raw)
	}
}

// want has evidence fetched that is not at hand.
func (v *visits) want(c tocsin.Copy, s tocsin.Source, of string) {
	address := c.URL
	if of == forDocument {
		address = s.URL
	} else if !worthAVisit(c.URL, s) {
		return
	}
	if of == forPage {
		if text := v.of[visitKey{c.Source, c.Item, forText}]; text != nil {
			text.keep = true
			return
		}
	}
	v.add(&visit{visitKey: visitKey{c.Source, c.Item, of}, url: address, rev: c.Rev, keep: true}, true)
}

// left learns which entries are in a source's document: items of alerts that are
// not any more are looked for.
func (p *Poller) left(s tocsin.Source, st *State) {
	source := s.ID
	v := &p.visits
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.unseen, source)
	if len(v.alerts[source]) == 0 {
		return
	}
	defer st.tidy()
	for id, c := range v.alerts[source] {
		key := visitKey{source, id, forPresence}
		x := st.named(id)
		away, looking := x < 0 || !st.entries[x].now, v.of[key] != nil
		switch {
		case looking && !away:
			v.drop(v.of[key])
		case !looking && away && worthAVisit(c.URL, s) && time.Since(c.Seen) < presenceFor:
			v.add(&visit{visitKey: key, url: c.URL, rev: c.Rev, next: time.Now().Add(presenceLooks[0])}, false)
		}
	}
}

// leftUnchanged is left where the document has not changed since it was read.
func (p *Poller) leftUnchanged(ctx context.Context, t *task, s tocsin.Source) {
	p.visits.mu.Lock()
	unseen := p.visits.unseen[s.ID]
	p.visits.mu.Unlock()
	if !unseen {
		return
	}
	if t.state == nil {
		if err := p.load(ctx, t, s); err != nil {
			p.Slog.Warn("items of alerts not looked for", "stage", "poll", "source", s.ID, "err", err)
			return
		}
	}
	next := t.state.clone()
	p.left(s, &next)
	if next.Len() > keepEntries {
		t.state = nil
	}
}

// add puts a visit into the queue, in the place of one for the same, which it
// returns.
func (v *visits) add(n *visit, urgent bool) (old *visit) {
	if old = v.of[n.visitKey]; old != nil {
		n.keep = n.keep || old.keep
		v.drop(old)
	}
	if n.next.IsZero() {
		n.next = time.Now()
	}
	n.site, n.place = hostOf(n.url), -1
	v.of[n.visitKey] = n
	heap.Push(&v.queue, n)
	if urgent {
		v.hurry(n.visitKey)
	}
	wakeUp(v.wake)
	return old
}

// hurry puts a visit before all that are not for alerts.
func (v *visits) hurry(key visitKey) {
	if n := v.of[key]; n != nil && n.place >= 0 && n.tries == 0 {
		n.first, n.next = true, time.Now().Add(-time.Hour)
		heap.Fix(&v.queue, n.place)
	}
}

func (v *visits) drop(n *visit) {
	if v.of[n.visitKey] == n {
		delete(v.of, n.visitKey)
	}
	if n.place >= 0 {
		heap.Remove(&v.queue, n.place)
	}
}

// forget ends what is done for an item of an alert; its text is still fetched.
func (v *visits) forget(source, item string) {
	delete(v.alerts[source], item)
	for _, what := range []string{forPage, forDocument, forPresence} {
		if n := v.of[visitKey{source, item, what}]; n != nil {
			v.drop(n)
		}
	}
}

// runVisits looks at addresses until ctx ends and waits for what is in flight.
func (p *Poller) runVisits(ctx context.Context) {
	var looks sync.WaitGroup
	defer looks.Wait()
	slots := make(chan struct{}, visitsAtOnce)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case slots <- struct{}{}:
		}
		if n, wait := p.nextVisit(); n != nil {
			looks.Go(func() {
				defer func() { <-slots }()
				p.call(ctx, n)
			})
			continue
		} else {
			timer.Reset(wait)
		}
		<-slots
		select {
		case <-ctx.Done():
			return
		case <-p.visits.wake:
		case <-timer.C:
		}
	}
}

// nextVisit is due, but for the time in which nothing could be stored.
func (p *Poller) nextVisit() (*visit, time.Duration) {
	if p.Paused != nil && p.Paused() {
		return nil, time.Second
	}
	return p.visits.due(time.Now())
}

// due is a visit whose turn has come, its site marked as busy, or nil and how
// long there is none.
func (v *visits) due(now time.Time) (*visit, time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for len(v.queue) > 0 {
		n := v.queue[0]
		if wait := n.next.Sub(now); wait > 0 {
			return nil, wait
		}
		s := v.site(n.site)
		if free := s.free; s.busy || free.After(now) {
			n.next = now.Add(siteGap / 2)
			if free.After(n.next) {
				n.next = free
			}
			heap.Fix(&v.queue, 0)
			continue
		}
		heap.Pop(&v.queue)
		s.busy = true
		return n, 0
	}
	return nil, time.Hour
}

// call visits an address and does with what is there what the visit is for.
func (p *Poller) call(ctx context.Context, n *visit) {
	if _, ours := p.source(n.source); !ours { // it was removed, or is another process's now
		p.visits.leave(n)
		return
	}
	r, err := fetch.Response{}, errRefused
	if n.what == forDocument || !p.visits.refused(n.site) {
		r, err = p.Get(ctx, n.url, fetch.Validators{})
	}
	now := time.Now()
	p.visits.answered(n.site, err, now)
	if ctx.Err() != nil {
		return // what waits for it is offered again
	}
	switch n.what {
	case forText:
		p.lookForText(ctx, n, r, err)
	case forPresence:
		p.lookForPresence(ctx, n, r, err, now)
	default:
		if err == nil {
			p.keepRaw(n.raw(r))
		}
		p.visits.end(n)
	}
}

// leave ends a visit without a look. Its site is free at once. What waits for it
// is offered again: another process may have the source now.
func (v *visits) leave(n *visit) {
	v.mu.Lock()
	v.drop(n)
	v.site(n.site).busy = false
	v.unseen[n.source] = len(v.alerts[n.source]) > 0
	v.mu.Unlock()
	if n.done != nil {
		n.done(true)
	}
}

func (n *visit) raw(r fetch.Response) tocsin.Raw {
	of := n.what
	if of == forText {
		of = tocsin.RawPage
	}
	return tocsin.Raw{Source: n.source, Item: n.visitKey.item, Rev: n.rev, Of: of, Address: cmp.Or(r.URL, n.url), Type: r.Type, At: r.At, Body: r.Body}
}

func (p *Poller) lookForText(ctx context.Context, n *visit, r fetch.Response, err error) {
	if p.Stored != nil && n.item.ID == "" {
		it, err := p.Stored(ctx, n.seq)
		if err != nil {
			p.Slog.Warn("item not read for its page", "stage", "poll", "source", n.source, "err", err)
			p.visits.end(n)
			n.done(true)
			return
		}
		n.item = it
	}
	page, final := p.readPage(n, r, err)
	if !final && n.tries < len(textTries) && p.visits.again(n, textTries[n.tries]) {
		return
	}
	if keep := p.visits.end(n); err == nil {
		raw := n.raw(r)
		p.visits.remember(raw)
		if keep {
			p.keepRaw(raw)
		}
	}
	p.visits.count(page.State)
	it := n.item
	it.Page = &page
	p.hand(ctx, finding{it, n.done})
}

// lookForPresence tells an item of an alert as withdrawn when nothing is at its
// address: at once after 410, after 404 when a second look finds the same. An
// address that gave the statement and now leads to the front page counts as 404.
func (p *Poller) lookForPresence(ctx context.Context, n *visit, r fetch.Response, err error, now time.Time) {
	code := statusOf(err)
	led := err == nil && ledHome(n.url, r.URL) && p.visits.wasRead(n)
	switch {
	case !p.visits.still(n, now):
		p.visits.end(n)
		return
	case code != http.StatusNotFound && code != http.StatusGone && !led:
		n.gone = time.Time{}
	case n.gone.IsZero() && code != http.StatusGone:
		n.gone = now
		p.visits.again(n, goneAgain)
		return
	default:
		p.withdraw(ctx, n, now)
		return
	}
	p.visits.again(n, presenceLooks[min(n.tries+1, len(presenceLooks)-1)])
}

// still reports whether an item of an alert is to be looked for any longer.
func (v *visits) still(n *visit, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	c, ok := v.alerts[n.source][n.visitKey.item]
	if ok && now.Sub(c.Seen) > presenceFor {
		delete(v.alerts[n.source], n.visitKey.item)
		ok = false
	}
	return ok
}

// wasRead reports whether the statement of an alert was read at its address.
func (v *visits) wasRead(n *visit) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.alerts[n.source][n.visitKey.item].Page == tocsin.PageRead
}

func (p *Poller) withdraw(ctx context.Context, n *visit, now time.Time) {
	p.visits.mu.Lock()
	c, watched := p.visits.alerts[n.source][n.visitKey.item]
	watched = watched && p.visits.of[n.visitKey] == n // else its entry came back meanwhile
	p.visits.mu.Unlock()
	if !watched || p.Stored == nil {
		p.visits.end(n)
		return
	}
	it, err := p.Stored(ctx, c.Seq)
	if err != nil {
		p.Slog.Warn("withdrawn item not read", "stage", "poll", "source", n.source, "err", err)
		p.visits.again(n, time.Minute<<min(n.tries, 10)) // it may have aged out for good
		return
	}
	it.Withdrawn = now.UTC()
	p.hand(ctx, finding{it, func(again bool) {
		if again {
			p.visits.again(n, time.Minute)
		} else {
			p.visits.end(n)
		}
	}})
}

func (v *visits) count(state string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pages[state]++
}

// Pages counts what became of the pages of new items since this process began, by
// [tocsin.Page] state.
func (p *Poller) Pages() map[string]uint64 {
	p.init()
	p.visits.mu.Lock()
	defer p.visits.mu.Unlock()
	return maps.Clone(p.visits.pages)
}

// again puts a visit back. It reports false where another took its place.
func (v *visits) again(n *visit, after time.Duration) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.of[n.visitKey] != n {
		return false
	}
	n.tries++
	n.next = time.Now().Add(after)
	heap.Push(&v.queue, n)
	wakeUp(v.wake)
	return true
}

// end forgets a visit that is over, and says whether what it found is evidence.
func (v *visits) end(n *visit) (keep bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drop(n)
	return n.keep
}

func (p *Poller) keepRaw(raw tocsin.Raw) {
	if p.Keep == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeWithin)
	defer cancel()
	if err := p.Keep(ctx, raw); err != nil {
		p.Slog.Error("evidence was not kept", "stage", "poll", "source", raw.Source, "item", raw.Item, "of", raw.Of, "err", err)
	}
}

// A visitQueue is a heap of visits by time.
type visitQueue []*visit

func (q visitQueue) Len() int { return len(q) }
func (q visitQueue) Less(i, j int) bool {
	if c := q[i].next.Compare(q[j].next); c != 0 {
		return c < 0
	}
	return q[i].first && !q[j].first
}

func (q visitQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *visitQueue) Push(x any) {
	n := x.(*visit)
	n.place = len(*q)
	*q = append(*q, n)
}

func (q *visitQueue) Pop() any {
	last := len(*q) - 1
	n := (*q)[last]
	(*q)[last] = nil
	*q, n.place = (*q)[:last], -1
	return n
}
