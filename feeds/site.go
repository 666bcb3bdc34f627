package feeds

import (
	"errors"
	"hash/maphash"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// A site is what is remembered of a host whose pages are visited.
type site struct {
	busy    bool
	free    time.Time           // from when on it may be asked again
	refused int                 // answers in a row by which it keeps us out
	until   time.Time           // its pages are left alone until then
	pages   map[uint64]visitKey // by address: whose it is
	texts   map[uint64]bool     // pages that blocks were learned from
	blocks  map[uint64]uint8    // on how many pages a block of text was seen
}

// Bounds of what is remembered of a site's text.
const (
	repeated  = 3 // pages on which a block is seen before it counts as no part of the next
	siteTexts = 500
	siteParts = 4000
)

var errRefused = errors.New("the site has refused its pages several times in a row: they are left alone for an hour")

func (v *visits) site(host string) *site {
	s := v.sites[host]
	if s == nil {
		for name, old := range v.sites { // any that is idle
			if len(v.sites) < maxSites {
				break
			}
			if !old.busy {
				delete(v.sites, name)
			}
		}
		s = &site{pages: map[uint64]visitKey{}, texts: map[uint64]bool{}, blocks: map[uint64]uint8{}}
		v.sites[host] = s
	}
	return s
}

func (v *visits) refused(host string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return time.Now().Before(v.site(host).until)
}

// answered notes how a site took a visit.
func (v *visits) answered(host string, err error, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.site(host)
	s.busy, s.free = false, now.Add(siteGap)
	switch code := statusOf(err); {
	case errors.Is(err, errRefused):
		return
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusTooManyRequests, code == http.StatusUnavailableForLegalReasons:
		if s.refused++; s.refused >= refusals {
			s.until, s.refused = now.Add(refusedFor), 0
		}
	case err == nil:
		s.refused = 0
	}
	if e, ok := errors.AsType[*fetch.Error](err); ok && e.RetryAfter > 0 {
		s.until = now.Add(min(e.RetryAfter, refusedFor))
	}
}

// statusOf is the status by which a fetch failed, or 0.
func statusOf(err error) int {
	if e, ok := errors.AsType[*fetch.Error](err); ok && e.Kind == fetch.KindStatus {
		return e.Status
	}
	return 0
}

var seed = maphash.MakeSeed()

// shared reports whether another item of the same source has the same address:
// then the page is not its statement, but perhaps a list of them.
func (v *visits) shared(n *visit) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.site(n.site)
	if len(s.pages) >= siteTexts {
		clear(s.pages)
	}
	page := maphash.String(seed, n.url)
	first, ok := s.pages[page]
	if !ok {
		s.pages[page] = n.visitKey
	}
	return ok && first.source == n.source && first.item != n.visitKey.item
}

// boilerplate learns the blocks of a page and says which of them stand on
// several other pages of the site. A page that mostly consists of such is another
// copy of one text: then none is.
func (v *visits) boilerplate(host, address, text string) map[string]bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.site(host)
	if len(s.texts) >= siteTexts || len(s.blocks) >= siteParts {
		clear(s.texts)
		clear(s.blocks)
	}
	page := maphash.String(seed, address)
	fresh := !s.texts[page]
	s.texts[page] = true
	out, bytes := map[string]bool{}, 0
	for block := range strings.SplitSeq(text, "\n\n") {
		h := maphash.String(seed, block)
		if s.blocks[h] >= repeated && !out[block] {
			out[block] = true
			bytes += len(block)
		}
		if fresh && s.blocks[h] < repeated {
			s.blocks[h]++
		}
	}
	if bytes*2 > len(text) {
		return nil
	}
	return out
}

// recent are the bodies that were fetched last, for as long as they are likely to
// become evidence: a match is known a moment after an item is stored. What is no
// longer at hand is fetched again.
type recent struct {
	bodies map[recentKey]tocsin.Raw
	order  []recentKey // oldest first
	added  []time.Time
	bytes  int
}

type recentKey struct {
	source, item string // item is "" for a source's document
	at           int64  // of a document: Unix nanoseconds; of a page: the revision
}

const (
	recentBytes = 8 << 20
	recentFor   = 3 * time.Minute
)

// forgetRecent drops what has been at hand for long, until nothing is.
func (v *visits) forgetRecent() {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	if v.recent.forget(now); len(v.recent.order) > 0 {
		time.AfterFunc(v.recent.added[0].Add(recentFor).Sub(now), v.forgetRecent)
	}
}

func keyOf(r tocsin.Raw) recentKey {
	if r.Of == tocsin.RawDocument {
		return recentKey{r.Source, "", r.At.UnixNano()}
	}
	return recentKey{r.Source, r.Item, int64(r.Rev)}
}

func (v *visits) remember(r tocsin.Raw) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	if len(v.recent.order) == 0 {
		time.AfterFunc(recentFor, v.forgetRecent)
	}
	v.recent.add(r, now)
}

func (c *recent) add(r tocsin.Raw, now time.Time) {
	if c.bodies == nil {
		c.bodies = map[recentKey]tocsin.Raw{}
	}
	key := keyOf(r)
	if old, ok := c.bodies[key]; ok {
		c.bytes -= len(old.Body)
	} else {
		c.order, c.added = append(c.order, key), append(c.added, now)
	}
	c.bodies[key] = r
	c.bytes += len(r.Body)
	c.forget(now)
}

// forget drops what is old, and the oldest of too much.
func (c *recent) forget(now time.Time) {
	n := 0
	for n < len(c.order) && (now.Sub(c.added[n]) >= recentFor || c.bytes > recentBytes && n < len(c.order)-1) {
		c.bytes -= len(c.bodies[c.order[n]].Body)
		delete(c.bodies, c.order[n])
		n++
	}
	if n > 0 {
		c.order, c.added = slices.Clone(c.order[n:]), slices.Clone(c.added[n:])
	}
}

// find is the evidence of a kind for an item that is at hand.
func (c *recent) find(x tocsin.Copy, of string) (tocsin.Raw, bool) {
	r, ok := c.bodies[keyOf(tocsin.Raw{Source: x.Source, Item: x.Item, Rev: x.Rev, Of: of, At: x.Seen})]
	r.Item, r.Rev = x.Item, x.Rev
	return r, ok
}
