package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/pipeline/watchlist"

	"github.com/nats-io/nats.go/jetstream"
)

// A Delivered is the last that a ledger says of one delivery.
type Delivered struct {
	To string `json:"to"` // Destination.Name
	Record
}

// Waits reports whether it is held until the destination can be reached.
func (d Delivered) Waits() bool { return d.Kind == Held && d.For == forAway }

// Deliveries are all deliveries that the ledgers hold, in the order in which
// they began.
func (l *Logs) Deliveries(ctx context.Context) ([]Delivered, error) {
	type heldKey struct {
		to    string
		event uint64
	}
	var out []Delivered
	at, waiting := map[string]int{}, map[heldKey]int{}
	for m, err := range l.read(ctx, streamLedger, "ledger.*.*", 1) {
		if err != nil {
			return nil, err
		}
		r, err := decode[Record](m.Data)
		if err != nil {
			return nil, err
		}
		if r.Kind == Cursor || r.Kind == Joined {
			continue
		}
		to := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
		if r.Kind == Sent || r.Kind == Parked || r.Kind == Skipped {
			for _, event := range append(r.Events, r.News...) { // what was held went in this digest
				if i, ok := waiting[heldKey{to, event}]; ok && (out[i].Kind == Held || out[i].Kind == Parked) {
					out[i].Kind, out[i].At, out[i].Ref, out[i].Why = r.Kind, r.At, r.Ref, r.Why
				}
			}
		}
		key := to + " " + r.Delivery
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, Delivered{})
		}
		if r.Kind == Replay {
			old := out[i].Record
			old.Kind, old.At = Replay, r.At
			r = old
		}
		out[i] = Delivered{to, r}
		if r.Kind == Held {
			event := r.Event
			if r.Act == tocsin.Reply {
				event = r.From
			}
			waiting[heldKey{to, event}] = i
		}
	}
	return out, nil
}

// ReplayDelivery asks the lane of a destination to try a parked delivery again.
func (l *Logs) ReplayDelivery(ctx context.Context, to, delivery string) error {
	subject := ledgerSubject(to)
	for {
		last, seq, state := Record{}, uint64(0), ""
		for m, err := range l.read(ctx, streamLedger, subject, 1) {
			if err != nil {
				return err
			}
			if last, err = decode[Record](m.Data); err != nil {
				return err
			}
			if seq = m.Sequence; last.Delivery == delivery {
				state = last.Kind
			}
		}
		if state != Parked {
			return fmt.Errorf("replay %s: destination %s has no parked delivery of this name; see: tocsin delivery list --parked", delivery, to)
		}
		rec := Record{Kind: Replay, At: time.Now().UTC(), Owner: "person", Through: last.Through, Delivery: delivery, Holding: last.Holding}
		if last.Kind == Held && rec.Holding == 0 {
			rec.Holding = seq
		}
		rec.V = rec.format()
		_, err := appendTo(ctx, l.b, subject, rec, jetstream.WithExpectLastSequencePerSubject(seq))
		if _, moved := errors.AsType[*errMoved](err); moved {
			continue
		}
		if err != nil {
			return err
		}
		return l.audit(ctx, "delivery", delivery, Audited{Who: "person", After: rec})
	}
}

// A Story is one alert, what happened to it and where it was sent.
type Story struct {
	Alert      tocsin.Alert `json:"alert"`
	Last       uint64       `json:"last"` // sequence in ALERTS of its last event
	Events     []Event      `json:"events"`
	Deliveries []Delivered  `json:"deliveries"`
}

// Stories yields every alert that ALERTS holds, in the order in which they
// opened.
func (l *Logs) Stories(ctx context.Context) ([]Story, error) {
	b := newBook(1, nil)
	var pages []*page
	events := map[string][]Event{}
	for ev, err := range l.events(ctx) {
		if err != nil {
			return nil, err
		}
		b.write(ev.seq, ev.Event)
		if ev.Kind == Watching {
			continue
		}
		if p := b.alerts[ev.Alert]; p != nil && len(events[ev.Alert]) == 0 {
			pages = append(pages, p)
		}
		events[ev.Alert] = append(events[ev.Alert], ev.Event)
	}
	deliveries, err := l.Deliveries(ctx)
	if err != nil {
		return nil, err
	}
	byAlert := map[string][]Delivered{}
	for _, d := range deliveries {
		byAlert[d.Alert] = append(byAlert[d.Alert], d)
	}
	out := make([]Story, 0, len(pages))
	for _, p := range pages {
		out = append(out, Story{p.alert, p.last, events[p.alert.ID], byAlert[p.alert.ID]})
	}
	return out, nil
}

func (l *Logs) events(ctx context.Context) iter.Seq2[posted, error] {
	return func(yield func(posted, error) bool) {
		for m, err := range l.read(ctx, streamAlerts, "alerts.*", 1) {
			if err != nil {
				yield(posted{}, err)
				return
			}
			ev, err := decode[Event](m.Data)
			if !yield(posted{m.Sequence, ev}, err) {
				return
			}
		}
	}
}

// A Verdict is what one watchlist says of one item.
type Verdict struct {
	Watchlist string        `json:"watchlist"`
	Version   uint64        `json:"version"`
	Query     string        `json:"query"`
	Matched   bool          `json:"matched"`
	Branch    string        `json:"branch,omitempty"` // see tocsin.Match
	Spans     []tocsin.Span `json:"spans,omitempty"`
}

// A Trace is what happened to one item, stage by stage.
type Trace struct {
	Seq         uint64        `json:"seq"` // in ITEMS
	Item        tocsin.Item   `json:"item"`
	Handled     bool          `json:"handled"` // the match stage is past it
	Quarantined *Quarantined  `json:"quarantined,omitempty"`
	Verdicts    []Verdict     `json:"verdicts"` // by the watchlists in force now, or by those it was decided with
	Alert       *tocsin.Alert `json:"alert,omitempty"`
	Events      []Event       `json:"events,omitempty"` // of that alert that this item caused
	Deliveries  []Delivered   `json:"deliveries,omitempty"`
}

// Why traces every item that has this address or GUID, oldest first.
func (l *Logs) Why(ctx context.Context, address string) ([]Trace, error) {
	stories, err := l.Stories(ctx)
	if err != nil {
		return nil, err
	}
	w, err := l.Wanted(ctx)
	if err != nil {
		return nil, err
	}
	rules := w.rules()
	floor := uint64(0)
	if c, err := l.items.Consumer(ctx, matchConsumer); err == nil {
		floor = c.CachedInfo().AckFloor.Stream
	}
	var out []Trace
	for m, err := range l.read(ctx, streamItems, "items.*", 1) {
		if err != nil {
			return nil, err
		}
		it, err := decode[tocsin.Item](m.Data)
		if err != nil {
			return nil, err
		}
		if !SameAddress(it.URL, address) && it.GUID != address {
			continue
		}
		t := Trace{Seq: m.Sequence, Item: it, Handled: m.Sequence <= floor, Verdicts: verdicts(Document(it, w.Source(it.Source)), rules)}
		t.find(stories)
		l.queries(ctx, t.Verdicts)
		if t.Quarantined, err = l.quarantined(ctx, it.Source, m.Sequence); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// SameAddress compares addresses as people copy them: without scheme, "www.",
// fragment and closing slash.
func SameAddress(a, b string) bool {
	bare := func(s string) string {
		s, _, _ = strings.Cut(s, "#")
		if plain, err := url.PathUnescape(s); err == nil { // "%20" and " " are the same to a reader
			s = plain
		}
		_, s, _ = cutScheme(s)
		return strings.TrimSuffix(strings.TrimPrefix(s, "www."), "/")
	}
	return a != "" && bare(a) == bare(b)
}

func cutScheme(s string) (scheme, rest string, ok bool) {
	if scheme, rest, ok = strings.Cut(s, "://"); ok {
		return scheme, rest, true
	}
	return "", s, false
}

func (t *Trace) find(stories []Story) {
	for _, s := range stories {
		for _, ev := range s.Events {
			if ev.Copy.Source != t.Item.Source || ev.Copy.Item != t.Item.ID || ev.Copy.Rev != t.Item.Rev {
				continue
			}
			t.Alert = &s.Alert
			if ev.Copy.Seq == t.Seq { // the page of a revision is a record of its own
				t.Handled = true
				t.Events = append(t.Events, ev)
				t.Deliveries = s.Deliveries
			}
		}
	}
	// What it was decided with is the truth; what would match now is only a hint.
	for _, ev := range t.Events {
		for _, m := range ev.Matches {
			i := slices.IndexFunc(t.Verdicts, func(v Verdict) bool { return v.Watchlist == m.Watchlist })
			v := Verdict{Watchlist: m.Watchlist, Version: m.Version, Matched: true, Branch: m.Branch, Spans: m.Spans}
			if i < 0 {
				t.Verdicts = append(t.Verdicts, v)
			} else {
				t.Verdicts[i] = v
			}
		}
	}
}

// queries fills in the queries of the versions that decided. One that WATCH no
// longer holds stays empty.
func (l *Logs) queries(ctx context.Context, vs []Verdict) {
	for i, v := range vs {
		if v.Query != "" || v.Version == 0 {
			continue
		}
		past, err := l.versions(ctx, "watchlist."+v.Watchlist)
		if w := versionAt(past, v.Version); err == nil && w.Watchlist != nil {
			vs[i].Query = w.Watchlist.Query
		}
	}
}

// rules are the watchlists in force that compile, in order of their names.
func (w *Wanted) rules() (out []compiled) {
	for _, name := range slices.Sorted(maps.Keys(w.Watchlists)) {
		v := w.Watchlists[name]
		if !v.lives() {
			continue
		}
		if r, err := w.Rule(*v.Watchlist); err == nil {
			out = append(out, compiled{Watchlist: *v.Watchlist, rule: r})
		}
	}
	return out
}

func verdicts(doc *watchlist.Document, rules []compiled) (out []Verdict) {
	for _, w := range rules {
		res, ok := w.rule.Match(doc)
		out = append(out, Verdict{Watchlist: w.Name, Query: w.Query, Matched: ok, Branch: res.Branch, Spans: res.Spans})
	}
	return out
}

func (l *Logs) quarantined(ctx context.Context, source string, seq uint64) (*Quarantined, error) {
	for m, err := range l.read(ctx, streamItems, "quarantine."+source, 1) {
		if err != nil {
			return nil, err
		}
		if q, err := decode[Quarantined](m.Data); err == nil && q.Seq == seq {
			return &q, nil
		}
	}
	return nil, nil
}
