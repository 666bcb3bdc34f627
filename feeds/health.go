package feeds

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// A Condition is how a source is, in words that people and metrics can use.
type Condition string

// The conditions.
const (
	OK          Condition = "ok"
	Waiting     Condition = "not polled yet"
	Never       Condition = "never answered"
	Unreachable Condition = "unreachable"   // no answer, or one of 5xx
	Blocked     Condition = "blocked"       // the guard, or the publisher refuses us
	Gone        Condition = "gone"          // 404 or 410
	BadAnswer   Condition = "bad answer"    // too large, a bomb, a redirect to nowhere …
	Limited     Condition = "asked to wait" // 429 or 503 with Retry-After
	NotFeed     Condition = "not a feed"
	ParseFailed Condition = "parse failed" // a fault of ours: kept in quarantine
	Quarantined Condition = "quarantined"  // the document may have killed this process: kept unread
	Empty       Condition = "empty"        // it can be read and holds nothing
	Repaired    Condition = "repaired"     // it had to be repaired to be read
	Behind      Condition = "behind"       // others write this source's log faster than we read it
	NotStored   Condition = "not stored"   // our log could not be read or written
	Outage      Condition = "our outage"   // of Trouble only: most hosts fail together
)

// What a poll came to.
const (
	PollUnchanged   = "unchanged"
	PollRead        = "read"        // a document was read, with new items or without
	PollFailed      = "failed"      // nothing was fetched
	PollLimited     = "limited"     // we were asked to wait
	PollOutage      = "outage"      // nothing was fetched while all our network was out
	PollUnreadable  = "unreadable"  // what was fetched is no document
	PollQuarantined = "quarantined" // what was fetched was not tried
	PollBehind      = "behind"
	PollNotStored   = "not_stored"
)

// Polls are all results of a poll.
var Polls = []string{PollUnchanged, PollRead, PollFailed, PollLimited, PollOutage, PollUnreadable, PollQuarantined, PollBehind, PollNotStored}

// A SourceStatus is how a source is at one moment.
type SourceStatus struct {
	Source    tocsin.Source     `json:"source"`
	Condition Condition         `json:"condition"`
	Since     time.Time         `json:"since,omitzero"`    // of Condition
	Success   time.Time         `json:"success,omitzero"`  // last answer 200 or 304
	NewItem   time.Time         `json:"new_item,omitzero"` // last item, new or revised, that was not there when the source was first read
	Next      time.Time         `json:"next,omitzero"`     // poll; zero while one runs
	Failures  int               `json:"failures"`          // in a row
	Err       string            `json:"err,omitempty"`     // what the last poll met, in words
	Repairs   []string          `json:"repairs,omitempty"` // of the last document
	What      string            `json:"what,omitempty"`    // is wrong or remarkable, in words, where Err does not say it
	Do        string            `json:"do,omitempty"`      // the next step to take, in words; "" if there is none
	Moved     string            `json:"moved,omitempty"`   // where the publisher says it has moved for good
	Move      Move              `json:"move,omitzero"`     // the same, with what is known of it
	Gaps      []Gap             `json:"gaps,omitempty"`    // of the last 30 days, at most 8, oldest first
	Allows    time.Time         `json:"allows,omitzero"`   // until when silence means nothing; zero where too little is known of its rhythm
	Usual     time.Duration     `json:"usual,omitempty"`   // longest pause that is remembered, in nanoseconds
	Newest    time.Time         `json:"newest,omitzero"`   // latest date that an entry of the last document claims; shown, never trusted
	Entries   int               `json:"entries"`           // in the last document that held any
	Polls     map[string]uint64 `json:"polls"`             // by result, since this process began
	Items     uint64            `json:"items"`             // stored since this process began
	Known     int               `json:"known"`             // entries that are recognised
	Push      *PushStatus       `json:"push,omitempty"`    // of kind websub, where hubs can reach us
}

// A Trouble is something that operators should know of. It is reported when it
// begins, when it changes and when it is over. What only happened, and does not
// last, is over an hour later.
type Trouble struct {
	Key    string    // the same from beginning to end: "source/<id>", "source/<id>/migrated", "outage", "log"
	Source string    // Source.ID, or ""
	Title  string    // of the source, for people; or what has trouble
	State  Condition // or the kind of a Note
	Since  time.Time
	Text   string // what is wrong and what to do next, without a full stop at the end
	Over   bool
}

// health is what the poller remembers of how a source is.
type health struct {
	condition  Condition
	since      time.Time
	success    time.Time
	newItem    time.Time
	failing    time.Time // since when polls have failed without a break
	failures   int
	prior      Condition // before the first of them
	priorSince time.Time
	err        string
	read       Condition // what the last document was like; "" before one was read
	repairs    []string  // of the last document
	fault      string    // of the last document that was read all the same
	untrusted  string    // what is wrong with its certificate
	mend       string    // what to do about that
	move       Move
	gaps       []Gap
	again      bool      // there is another gap to tell of, though the last is open
	toldGap    time.Time // when one was last told of
	entries    int       // in the last document that held any
	newest     time.Time // date that an entry of it claims
	full       int       // before most of them went at once
	shrunk     time.Time // when they did; zero if they have not
	rhythm     *rhythm
	allows     time.Time // until when silence means nothing; zero where it never means anything
	polls      [9]uint64 // by place in Polls
	items      uint64
	known      int
	answered   bool // with a document, ever, as far as is known
	open       Trouble
	events     []Trouble // what only happened, of the last hour
}

// A result is what a poll came to.
type result struct {
	poll      string
	condition Condition
	err       error
	network   bool          // nobody answered: it may be our own fault
	writing   bool          // it was an append that failed
	wait      time.Duration // what the server asked for
	fresh     time.Duration // for which the server says that its answer holds
	at        time.Time     // of the answer
	items     int
	entries   int       // in the document
	newest    time.Time // date that an entry of it claims
	news      bool      // items are more than a baseline
	repairs   []string
	moved     string
	notes     []Note
	gap       *Gap // entries may have come and gone
}

// failed reports whether the source is to blame and is to be asked less often.
func (r result) failed() bool {
	switch r.poll {
	case PollFailed, PollUnreadable, PollQuarantined:
		return true
	}
	return false
}

// answered reports whether the source answered as it should.
func (r result) answered() bool {
	return r.poll == PollUnchanged || r.poll == PollRead || r.poll == PollBehind
}

// fetchFailed reads why nothing was fetched.
func fetchFailed(err error) result {
	r := result{poll: PollFailed, condition: Unreachable, err: err}
	e, ok := errors.AsType[*fetch.Error](err)
	if !ok {
		r.network = true
		return r
	}
	switch e.Kind {
	case fetch.KindBlocked:
		r.condition = Blocked
	case fetch.KindTLS:
		r.network = true
		if what, _ := untrusted(e); what != "" {
			r.condition = Certificate
		}
	case fetch.KindDNS, fetch.KindRefused, fetch.KindNetwork, fetch.KindTimeout, fetch.KindProxy, fetch.KindRead:
		r.network = true
	case fetch.KindStatus:
		r.condition = ofStatus(e.Status)
		if e.RetryAfter > 0 {
			r.poll, r.condition, r.wait = PollLimited, Limited, e.RetryAfter
		}
	case fetch.KindAddress, fetch.KindRedirect, fetch.KindTooLarge, fetch.KindBomb, fetch.KindEncoding:
		r.condition = BadAnswer
	}
	return r
}

func ofStatus(code int) Condition {
	switch {
	case code == http.StatusNotFound || code == http.StatusGone:
		return Gone
	case code == http.StatusUnauthorized || code == http.StatusForbidden || code == http.StatusUnavailableForLegalReasons:
		return Blocked
	case code == http.StatusTooManyRequests || code >= 500:
		return Unreachable
	}
	return BadAnswer
}

const (
	patience     = 3         // failures in a row before an unreachable source is trouble
	limitedFor   = time.Hour // that a source may ask us to wait before that is trouble
	maxBackoff   = time.Hour
	eventFor     = time.Hour       // that something that only happened is shown
	outageWindow = 3 * time.Minute // in which hosts count as polled together
	minOutage    = 3               // hosts
)

// record notes what a poll came to, and gives the troubles to report.
func (h *health) record(s tocsin.Source, r result, now time.Time) []Trouble {
	h.polls[slices.Index(Polls, r.poll)]++
	h.items += uint64(r.items)
	if r.news {
		h.newItem = now
	}
	if r.answered() {
		h.success, h.answered = now, true
	}
	if h.err = ""; r.err != nil {
		h.err = r.err.Error()
	}
	switch r.poll {
	case PollOutage:
		return nil // not the source's
	case PollNotStored:
		h.be(r.condition, now)
		return nil // nor is this
	}
	condition := h.judge(r, now)
	out := h.moves(s, r, now)
	out = append(out, h.lost(s, r, now)...)
	if r.answered() && r.poll != PollBehind {
		condition = h.standing(condition, now)
	}
	h.be(condition, now)
	out = append(h.trouble(s, r, now), out...)
	for _, n := range r.notes {
		if n.Kind != Conflict && n.Kind != Overrun {
			out = append(out, h.happened(s, n.Kind, now, n.Text))
		}
	}
	return append(out, h.pass(now, eventFor)...)
}

// judge counts failures, and says what a poll by itself shows.
func (h *health) judge(r result, now time.Time) Condition {
	h.untrusted, h.mend = untrusted(r.err)
	switch {
	case r.poll == PollLimited:
	case r.failed() || r.poll == PollBehind:
		if h.failures++; h.failures == 1 {
			h.failing = now
			h.prior, h.priorSince = h.condition, h.since
		}
		switch {
		case !h.answered && r.condition == Unreachable:
			return Never
		case h.answered && r.condition == NotFeed:
			return NoLonger
		}
	default:
		h.failures, h.failing = 0, time.Time{}
		if r.poll != PollRead {
			h.err = h.fault
			return cmp.Or(h.read, OK) // it is what it was
		}
		h.read, h.repairs, h.fault = r.condition, r.repairs, h.err
		h.counted(r, now)
	}
	return r.condition
}

func (h *health) be(c Condition, now time.Time) {
	if h.condition != c {
		h.condition, h.since = c, now
	}
}

// happened makes the trouble of something that does not last.
func (h *health) happened(s tocsin.Source, kind string, now time.Time, text string) Trouble {
	t := Trouble{
		Key: "source/" + s.ID + "/" + kind, Source: s.ID, Title: cmp.Or(s.Title, s.ID),
		State: Condition(kind), Since: now, Text: text,
	}
	h.events = append(slices.DeleteFunc(h.events, func(o Trouble) bool { return o.Key == t.Key }), t)
	return t
}

// pass ends what happened so long ago.
func (h *health) pass(now time.Time, ago time.Duration) (out []Trouble) {
	h.events = slices.DeleteFunc(h.events, func(t Trouble) bool {
		if now.Sub(t.Since) < ago {
			return false
		}
		t.Over = true
		out = append(out, t)
		return true
	})
	return out
}

// alarming reports whether the present condition is trouble.
func (h *health) alarming(s tocsin.Source, now time.Time) bool {
	switch h.condition {
	case OK, Waiting, Moved:
		return false
	case Unreachable, Never, Behind, Certificate:
		return h.failures >= patience && (h.answered || !s.Builtin)
	case Limited:
		return h.answered && now.Sub(h.success) >= limitedFor || !h.answered && !s.Builtin && now.Sub(h.since) >= limitedFor
	case Empty:
		return h.known > 0 || !s.Builtin
	case Repaired:
		if s.Builtin && slices.Equal(h.repairs, []string{foundWithout}) {
			return false
		}
	}
	return h.answered || !s.Builtin
}

func (h *health) trouble(s tocsin.Source, r result, now time.Time) []Trouble {
	if !h.alarming(s, now) {
		// What is not yet trouble ends none: a refusal between two failures.
		if h.condition != OK && h.condition != Moved && h.condition != Empty && h.open.Key != "" {
			return nil
		}
		return h.end(now, "it is well again")
	}
	if h.open.State == h.condition && !h.again {
		return nil
	}
	if h.again = false; h.condition == Overran {
		h.toldGap = now
	}
	began := h.open.Since
	if h.open.Key == "" {
		if began = h.since; !h.failing.IsZero() {
			began = h.failing
		}
	}
	h.open = Trouble{
		Key: "source/" + s.ID, Source: s.ID, Title: cmp.Or(s.Title, s.ID), State: h.condition, Since: began,
		Text: h.advice(s, r.err, now),
	}
	return []Trouble{h.open}
}

// end is the end of the open trouble, if there is one.
func (h *health) end(now time.Time, text string) []Trouble {
	if h.open.Key == "" {
		return nil
	}
	t := h.open
	t.Over = true
	t.Text = fmt.Sprintf("%s, after %s", text, now.Sub(t.Since).Round(time.Second))
	h.open = Trouble{}
	return []Trouble{t}
}

// advice is what is wrong and what to do next.
func (h *health) advice(s tocsin.Source, err error, now time.Time) string {
	say := string(h.condition)
	if what := h.what(err, now); what != "" {
		say += ": " + what
	}
	if err != nil && h.condition != Certificate && strings.Contains(err.Error(), "; ") {
		return say // which ends with it
	}
	if do := h.do(s); do != "" {
		say += "; " + do
	}
	return say
}

func (h *health) status(s tocsin.Source, next time.Time) SourceStatus {
	st := SourceStatus{
		Source: s, Condition: h.condition, Since: h.since, Success: h.success, NewItem: h.newItem, Next: next,
		Failures: h.failures, Err: h.err, Repairs: h.repairs, Moved: h.move.To, Move: h.move, Items: h.items, Known: h.known,
		What: h.what(nil, time.Now()), Do: h.do(s), Gaps: h.gaps, Allows: h.allows, Usual: h.usual(), Newest: h.newest, Entries: h.entries,
		Polls: make(map[string]uint64, 4),
	}
	for i, n := range h.polls {
		if n > 0 {
			st.Polls[Polls[i]] = n
		}
	}
	return st
}

// network tells our own outage from that of sources. It is not safe for
// concurrent use.
type network struct {
	hosts map[string]answer
	since time.Time // of the outage; zero while there is none
}

type answer struct {
	at      time.Time
	failing time.Time // since when; zero where it answered
}

// heard notes whether a host could be reached. It reports whether an outage
// begins or ends by it: an outage is when more than half of the hosts that were
// polled in the last minutes fail, at least minOutage. It does not begin while
// more hosts are still to answer, which pending counts. Hosts that had been dead
// before tell nothing.
func (n *network) heard(host string, ok bool, now time.Time, pending func(answered map[string]answer) int) (begins, ends bool, failing, polled int) {
	if n.hosts == nil {
		n.hosts = map[string]answer{}
	}
	a := answer{at: now, failing: n.hosts[host].failing}
	if ok {
		a.failing = time.Time{}
	} else if a.failing.IsZero() {
		a.failing = now
	}
	n.hosts[host] = a
	if ok == n.since.IsZero() {
		return false, false, 0, 0 // nothing to find out
	}
	dead := cmp.Or(n.since, now).Add(-outageWindow)
	for _, a := range n.hosts {
		if now.Sub(a.at) > outageWindow || !a.failing.IsZero() && a.failing.Before(dead) {
			continue
		}
		if polled++; !a.failing.IsZero() {
			failing++
		}
	}
	out := failing >= minOutage && failing*2 > polled
	switch {
	case n.since.IsZero() && out && polled > pending(n.hosts):
		n.since = now
		return true, false, failing, polled
	case !n.since.IsZero() && !out:
		n.since = time.Time{}
		return false, true, failing, polled
	}
	return false, false, failing, polled
}
