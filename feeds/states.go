package feeds

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// More conditions: of a source that answers, but not as it did.
const (
	Login         Condition = "login or consent page" // an answer of 200 that asks a person for something
	NoLonger      Condition = "not a feed any more"   // it had been one
	LayoutChanged Condition = "page layout changed"   // of kind page: its selectors find nothing any more
	Frozen        Condition = "frozen"                // silent for longer than its rhythm allows
	Overran       Condition = Overrun                 // items came and went between two looks
	Shrunk        Condition = "shrunk"                // most of its entries went at once, and none came
	Moved         Condition = "moved"                 // it redirects for good
	Certificate   Condition = "certificate"           // its certificate cannot be trusted
)

// Conditions are all that a source can have.
var Conditions = []Condition{
	OK, Waiting, Never, Unreachable, Certificate, Blocked, Login, Gone, BadAnswer, Limited, NotFeed, NoLonger, LayoutChanged, ParseFailed, Quarantined,
	Empty, Shrunk, Frozen, Overran, Moved, Repaired, Behind, NotStored,
}

// Well reports whether a source in this condition gives what it publishes, as
// far as is known.
func (c Condition) Well() bool {
	switch c {
	case OK, Waiting, Moved, Repaired:
		return true
	}
	return false
}

// A Gap is a time in which items may have come and gone unseen.
type Gap struct {
	From   time.Time `json:"from,omitzero"`    // the last look before; zero if it is not known
	To     time.Time `json:"to"`               // when the document was read in which nothing was left of the last one
	Lost   int       `json:"lost"`             // entries of the last document that were gone
	Filled int       `json:"filled,omitempty"` // items that were found further back and stored
	Closed bool      `json:"closed,omitempty"` // what was found reaches back to what was known: nothing is missing
	Why    string    `json:"why,omitempty"`    // it is not closed
}

const (
	maxGaps  = 8
	keepGaps = 30 * 24 * time.Hour
	gapFor   = 24 * time.Hour // that a gap which is not closed is the condition of its source
)

func (g Gap) String() string {
	from := "an unknown time"
	if !g.From.IsZero() {
		from = g.From.UTC().Format("2006-01-02 15:04")
	}
	to := g.To.UTC().Format("2006-01-02 15:04 UTC")
	if g.Closed {
		return fmt.Sprintf("between %s and %s more came than the document holds: %d items were found further back, none is missing", from, to, g.Filled)
	}
	s := fmt.Sprintf("between %s and %s items may be missing", from, to)
	if g.Filled > 0 {
		s += fmt.Sprintf(", beside %d that were found further back", g.Filled)
	}
	if g.Why != "" {
		s += ": " + g.Why
	}
	return s
}

// lost notes a gap, and gives the trouble of one that was closed.
func (h *health) lost(s tocsin.Source, r result, now time.Time) []Trouble {
	for len(h.gaps) > 0 && now.Sub(h.gaps[0].To) > keepGaps {
		h.gaps = h.gaps[1:]
	}
	if r.gap == nil {
		return nil
	}
	h.gaps = append(h.gaps[max(0, len(h.gaps)-maxGaps+1):len(h.gaps):len(h.gaps)], *r.gap)
	if r.gap.Closed {
		return []Trouble{h.happened(s, Overrun, now, r.gap.String())}
	}
	h.again = now.Sub(h.toldGap) >= time.Hour
	return nil
}

// gap is the last one that is not closed, while that is news.
func (h *health) gap(now time.Time) *Gap {
	for i := len(h.gaps) - 1; i >= 0; i-- {
		if g := &h.gaps[i]; !g.Closed && now.Sub(g.To) < gapFor {
			return g
		}
	}
	return nil
}

// Bounds of what is taken for a collapse: of at least so many entries less than
// one in so many is left, none is new, for so long.
const (
	collapseOf   = 8
	collapseTo   = 4
	collapsedFor = 7 * 24 * time.Hour
)

// counted notes how many entries a document holds.
func (h *health) counted(r result, now time.Time) {
	n := r.entries
	switch {
	case n == 0:
		return
	case h.entries >= collapseOf && n*collapseTo < h.entries && r.items == 0:
		h.full, h.shrunk = h.entries, now
	case r.items > 0 || n*2 >= h.full:
		h.full, h.shrunk = 0, time.Time{}
	}
	h.entries = n
	if !r.newest.IsZero() {
		h.newest = r.newest
	}
}

// newestOf is the latest date that entries claim, of those that are not in the
// future.
func newestOf(es []Entry, now time.Time) (newest time.Time) {
	for i := range es {
		if d := cmp.Or(es[i].Published, es[i].Updated); d.After(newest) && !d.After(now) {
			newest = d
		}
	}
	return newest
}

// staleAfter is how old the newest entry of a source may say that it is before that
// is remarked, while nothing new has been seen of it.
const staleAfter = 180 * 24 * time.Hour

// standing is the condition of a source that answered and was read as c.
func (h *health) standing(c Condition, now time.Time) Condition {
	switch {
	case c == Empty:
		return c
	case h.gap(now) != nil:
		return Overran
	case !h.allows.IsZero() && !now.Before(h.allows):
		return Frozen
	case !h.shrunk.IsZero() && now.Sub(h.shrunk) < collapsedFor:
		return Shrunk
	case c == OK && h.move.To != "":
		return Moved
	}
	return c
}

// follow takes the rhythm as it is now.
func (h *health) follow(r *rhythm) {
	if r != nil && r != h.rhythm {
		h.rhythm, h.allows = r, r.allows()
	}
}

// silent says how long nothing new has come, and what was usual.
func (h *health) silent(now time.Time) string {
	if h.rhythm == nil { // of an earlier process, and not read yet
		return ""
	}
	s := "silent for " + lasting(now.Sub(h.rhythm.since()))
	if usual := h.rhythm.usual(); usual > 0 {
		s += "; usually no longer than " + lasting(usual)
	}
	return s
}

// what is wrong, in words, as far as err does not say it.
func (h *health) what(err error, now time.Time) string {
	switch h.condition {
	case Frozen:
		return h.silent(now)
	case Overran:
		if g := h.gap(now); g != nil {
			return g.String()
		}
		return ""
	case Shrunk:
		return fmt.Sprintf("it holds %d entries; it held %d, and none is new", h.entries, h.full)
	case Repaired:
		return strings.Join(h.repairs, "; ")
	case Empty:
		if h.known > 0 && h.entries > 0 {
			return fmt.Sprintf("the document holds no entries; it held %d", h.entries)
		}
		return "the document holds no entries"
	case Moved:
		return "to " + h.move.To
	case Certificate:
		return h.untrusted
	case OK:
		if h.rhythm != nil && !h.rhythm.news && !h.newest.IsZero() && now.Sub(h.newest) > staleAfter {
			return "nothing new since it is watched, and its newest entry says " + h.newest.UTC().Format("2006-01-02") + ": look whether the publisher still keeps it up"
		}
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// do is the next step to take, "" if there is none.
func (h *health) do(s tocsin.Source) string {
	switch h.condition {
	case Never, Unreachable:
		return "it is tried again at least once an hour; if this lasts, look for the publisher's present address"
	case Certificate:
		return cmp.Or(h.mend, "ask the publisher to mend it, or use another address of theirs")
	case Blocked:
		return "set contact and ask the publisher to admit tocsin, try fetch.proxy, or use another address of theirs"
	case Login:
		return "open the address in a browser; look for an address of the publisher's that needs no login and no consent"
	case Gone:
		return "look for the publisher's present address: tocsin source probe helps"
	case BadAnswer:
		return "give the source the address that a browser ends at, or a shorter feed"
	case Limited:
		return "give the source a longer every"
	case NotFeed:
		return "open the address in a browser and look for the publisher's feed"
	case NoLonger:
		return "the publisher has put something else there: look for the present address of the feed"
	case LayoutChanged:
		return "open the page, and give the source's listing the selectors that fit now"
	case ParseFailed:
		return "the document is kept in quarantine: report it. It is tried again with every poll"
	case Quarantined:
		return "the document is kept: report it. It is tried again once it has changed"
	case Empty:
		return "if this lasts, look for the publisher's present address"
	case Shrunk:
		return "look whether the publisher has begun another feed"
	case Frozen:
		return "open the publisher's site: if newer statements are there, this address is no longer kept up; look for the present one"
	case Overran:
		return h.closer(s)
	case Repaired:
		return "items are read, but look whether all are there"
	case Moved:
		return fmt.Sprintf("give the source the address %s", h.move.To)
	case Behind:
		return "see that only one process polls this source"
	}
	return ""
}

// closer is what keeps a source from being overrun again.
func (h *health) closer(s tocsin.Source) string {
	if s.Archive == "" {
		return "look on the publisher's site for what is missing; give the source a shorter every, and a page or sitemap that goes back further as its archive"
	}
	return "look on the publisher's site for what is missing; give the source a shorter every"
}

// untrusted is what is wrong with a certificate, and whose, and what to do about
// it; both are "" if err is no fault of one.
func untrusted(err error) (what, do string) {
	what, do = distrust(err)
	if e, ok := errors.AsType[*fetch.Error](err); ok && what != "" {
		what += " (" + cmp.Or(e.At, e.Where) + ")"
	}
	return what, do
}

func distrust(err error) (what, do string) {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return "it has expired or is not valid yet", "see that this machine's clock is right; then only the publisher can renew it"
		}
		return "it is not valid", "only the publisher can mend it; look for another address of theirs"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "it is for another name", "use an address with a name that the certificate holds"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		if v, ok := errors.AsType[*tls.CertificateVerificationError](err); ok && alone(v.UnverifiedCertificates) {
			return "the server does not send the certificate of its issuer", "name the issuer's certificate in fetch.ca, and tell the publisher that the chain is incomplete"
		}
		return "its issuer is not trusted here", "if your network inspects TLS, name its certificate in fetch.ca"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "it cannot be verified", "only the publisher can mend it; look for another address of theirs"
	}
	return "", ""
}

// alone reports whether a certificate came without that of its issuer.
func alone(sent []*x509.Certificate) bool {
	return len(sent) == 1 && sent[0].Issuer.String() != sent[0].Subject.String()
}

func (h *health) usual() time.Duration {
	if h.rhythm == nil {
		return 0
	}
	return h.rhythm.usual()
}

// restore is how a source was when it was last watched. What was told then is
// told again while it lasts.
func (h *health) restore(s tocsin.Source, st SourceStatus) {
	if st.Source.ID != s.ID || st.Source.URL != s.URL || st.Source.Kind != s.Kind {
		return
	}
	h.success, h.newItem, h.answered = st.Success, st.NewItem, !st.Success.IsZero()
	h.gaps, h.move, h.entries, h.known, h.newest = st.Gaps, st.Move, st.Entries, st.Known, st.Newest
	if st.Condition != "" && st.Condition != Waiting && st.Condition != NotStored {
		h.condition, h.since = st.Condition, st.Since
	}
	if st.Condition == Empty || st.Condition == Repaired {
		h.read, h.repairs = st.Condition, st.Repairs
	}
}
