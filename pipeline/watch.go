package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"tocsin"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A Watched record is one key of WATCH: what people ask for. Keys are
//
//	watchlist.<name>
//	list.<name>                     and list.<name>.<hash> for parts of a long one
//	destination.<name>
//	subscription.<watchlist>.<destination>
//	mute.<watchlist>.<destination>
//	source.<id>                     that people added
//	sources.<n>                     up to 500 sources of the file
//	places.<n>                      where the file says it, up to 5,000 keys
type Watched struct {
	V            int                  `json:"v"`
	By           string               `json:"by"`                  // who wrote it: "file", or a login name
	At           string               `json:"at,omitempty"`        // "tocsin.yaml:12": where the file provides it. [Logs.Wanted] fills it in, no record holds it
	Suspended    bool                 `json:"suspended,omitempty"` // it is kept, and does nothing: it left the file, or was removed
	Removed      bool                 `json:"removed,omitempty"`   // By removed it
	Watchlist    *tocsin.Watchlist    `json:"watchlist,omitempty"`
	List         *tocsin.List         `json:"list,omitempty"`  // its entries are in Parts if there are any
	Parts        []string             `json:"parts,omitempty"` // hashes, in order
	Part         []tocsin.Entry       `json:"part,omitempty"`
	Destination  *tocsin.Destination  `json:"destination,omitempty"`
	Source       *tocsin.Source       `json:"source,omitempty"`
	Sources      []tocsin.Source      `json:"sources,omitempty"`
	Subscription *tocsin.Subscription `json:"subscription,omitempty"`
	Mute         *Muted               `json:"mute,omitempty"`
	Places       map[string]string    `json:"places,omitempty"` // by key
}

// A Muted subscription holds its alerts until a time. Then what was held is
// delivered.
type Muted struct {
	Watchlist string    `json:"watchlist"`
	To        string    `json:"to"` // Destination.Name
	Since     time.Time `json:"since"`
	Until     time.Time `json:"until"`
}

// fileWrites is the By of what a configuration file provides.
const fileWrites = "file"

// lives reports whether the record is in force.
func (w Watched) lives() bool { return w.V != 0 && !w.Suspended }

// format is the oldest format whose readers understand the record: older ones do
// not know the language of watchlists that lists belong to, nor mutes, and would
// read no source that people added.
func (w Watched) format() int {
	if w.Watchlist != nil || w.List != nil || w.Part != nil || w.Mute != nil || w.Source != nil {
		return 2
	}
	if w.Subscription != nil && !samePlan(*w.Subscription, tocsin.Subscription{}) || w.Destination != nil && w.Destination.Workspace != "" {
		return thirdFormat // an earlier tocsin would send more, or elsewhere
	}
	return firstFormat
}

// Provision is what a configuration file asks for.
type Provision struct {
	Revision      int // of the file; a process with a smaller one changes nothing
	Sources       []tocsin.Source
	Watchlists    []tocsin.Watchlist
	Lists         []tocsin.List
	Destinations  []tocsin.Destination
	Subscriptions []tocsin.Subscription // From and Until are ours to set
	At            map[string]string     // where the file says it, by key: "watchlist.missiles" is at "tocsin.yaml:12"
}

const (
	sourcesAKey = 500  // one write for a starter directory, and well below the largest message
	placesAKey  = 5000 // the same
)

// provisionKey holds the revision that was applied last.
const provisionKey = "provision"

// DriftError means that a newer configuration was already applied.
type DriftError struct{ Ours, Applied int }

func (e *DriftError) Error() string {
	return fmt.Sprintf("apply configuration: revision %d was applied already and this file says %d: update the file here, or raise its revision", e.Applied, e.Ours)
}

// Apply makes WATCH say what the file says. What left the file is suspended, not
// deleted; what people added under a name that the file now has is replaced, and
// notes say so. Every change is recorded in AUDIT.
func (l *Logs) Apply(ctx context.Context, p Provision) (notes []string, err error) {
	if err := l.takeRevision(ctx, p.Revision); err != nil {
		return nil, err
	}
	for begun := map[string]bool{}; ; { // subscriptions that begin now
		more, err := l.applyOnce(ctx, p, begun)
		notes = append(notes, more...)
		if _, moved := errors.AsType[*errMoved](err); moved {
			continue // people changed something meanwhile: look again
		}
		if err != nil {
			return notes, err
		}
		return notes, l.restamp(ctx, begun)
	}
}

func (l *Logs) applyOnce(ctx context.Context, p Provision, begun map[string]bool) (notes []string, err error) {
	seq, have, err := l.readWatch(ctx, ">")
	if err != nil {
		return nil, err
	}
	alerts, err := l.alerts.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("apply configuration: %w", err)
	}
	want := p.records(have, alerts.State.LastSeq)
	for _, key := range slices.Sorted(maps.Keys(want)) {
		old, now := have[key], want[key]
		if same(old.Watched, now) {
			continue
		}
		if seq, err = l.putWatched(ctx, key, old, now, seq); err != nil {
			return notes, err
		}
		if old.lives() && old.By != fileWrites && (now.lives() || now.Source != nil) {
			notes = append(notes, taken(key, old, p.At[key]))
		}
		if now.Subscription != nil && now.lives() && (!old.lives() || old.Subscription.From != now.Subscription.From) {
			begun[key] = true
		}
	}
	return notes, nil
}

func taken(key string, old Version, at string) string {
	kind, name, _ := strings.Cut(key, ".")
	return fmt.Sprintf("%s %s, which %s wrote on %s, is now what %s says; its history has the version of %s",
		kind, display(name), old.By, old.Time.UTC().Format(time.DateOnly), cmp.Or(at, "the configuration"), old.By)
}

// restamp moves the beginning of new subscriptions behind what came while they
// were stored: a lane may have passed that without knowing of them.
func (l *Logs) restamp(ctx context.Context, keys map[string]bool) error {
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		err := l.edit(ctx, key, nil, func(_ *Wanted, have Version) (Watched, error) {
			alerts, err := l.alerts.Info(ctx)
			if err != nil || !have.lives() {
				return have.Watched, err
			}
			want := have.Watched
			s := *want.Subscription
			s.From = max(s.From, alerts.State.LastSeq)
			want.Subscription = &s
			return want, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Logs) takeRevision(ctx context.Context, ours int) error {
	type revision struct{ V, Revision int }
	data, _ := json.Marshal(revision{firstFormat, ours})
	for {
		e, err := l.watch.Get(ctx, provisionKey)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			_, err = l.watch.Create(ctx, provisionKey, data)
		} else if err == nil {
			applied, derr := decode[revision](e.Value())
			switch {
			case derr != nil:
				return fmt.Errorf("apply configuration: %w", derr)
			case applied.Revision > ours:
				return &DriftError{ours, applied.Revision}
			case applied.Revision == ours:
				return nil
			}
			_, err = l.watch.Update(ctx, provisionKey, data, e.Revision())
		}
		if moved, busy := wrongLast(err); moved != nil || busy {
			if err := pause(ctx, 10*time.Millisecond); err != nil {
				return err
			}
			continue // another process was first: look again
		}
		if err != nil {
			return fmt.Errorf("apply configuration: %w", err)
		}
		return nil
	}
}

// records are all records as they should stand: those of the file, and those of
// an earlier file that are no longer in it, suspended. Subscriptions begin and
// end at the sequence now of ALERTS.
func (p Provision) records(have map[string]Version, now uint64) map[string]Watched {
	want := map[string]Watched{}
	put := func(key string, w Watched) {
		w.V, w.By = w.format(), fileWrites
		want[key] = w
	}
	for i := 0; i < len(p.Sources); i += sourcesAKey {
		part := p.Sources[i:min(len(p.Sources), i+sourcesAKey)]
		put(fmt.Sprintf("sources.%d", i/sourcesAKey), Watched{Sources: part})
	}
	for key, w := range p.replaced(have, now) {
		put(key, w)
	}
	for i, keys := range slices.Collect(slices.Chunk(slices.Sorted(maps.Keys(p.At)), placesAKey)) {
		at := map[string]string{}
		for _, key := range keys {
			at[key] = p.At[key]
		}
		put(fmt.Sprintf("places.%d", i), Watched{Places: at})
	}
	for _, w := range p.Watchlists {
		put("watchlist."+w.Name, Watched{Watchlist: &w})
	}
	for _, x := range p.Lists {
		put("list."+x.Name, Watched{List: &x})
	}
	for _, d := range p.Destinations {
		put("destination."+d.Name, Watched{Destination: &d})
	}
	for _, s := range p.Subscriptions {
		key := "subscription." + s.Watchlist + "." + s.To
		s.From, s.Until = now, 0
		if old := have[key]; old.lives() && samePlan(*old.Subscription, s) {
			s.From = old.Subscription.From
		}
		put(key, Watched{Subscription: &s})
	}
	for key, old := range have {
		if _, ok := want[key]; ok || old.By != fileWrites || old.Suspended {
			continue
		}
		want[key] = old.suspended(now)
	}
	return want
}

// suspended is the record out of force. A subscription ends at the sequence now
// of ALERTS.
func (w Watched) suspended(now uint64) Watched {
	if w.Subscription != nil && w.Subscription.Until == 0 {
		s := *w.Subscription
		s.Until = now
		w.Subscription = &s
	}
	w.Suspended = true
	return w
}

// same reports whether two records say the same, whoever wrote them and when.
func same(a, b Watched) bool {
	if a.V == 0 || b.V == 0 {
		return a.V == b.V
	}
	a.At, b.At = "", ""
	a.V, b.V = a.format(), b.format()
	return (a.By == fileWrites) == (b.By == fileWrites) && reflect.DeepEqual(plain(a), plain(b))
}

// plain is a record as it is read back: without what JSON does not keep.
func plain(w Watched) Watched {
	w.By, w.Parts = "", nil
	data, _ := json.Marshal(w)
	var out Watched
	_ = json.Unmarshal(data, &out)
	return out
}

// putWatched stores a record of WATCH, and the parts of a long list before it, if
// seq is the last sequence of WATCH, and records the change in AUDIT. It returns
// WATCH's sequence then, or *errMoved.
func (l *Logs) putWatched(ctx context.Context, key string, have Version, want Watched, seq uint64) (uint64, error) {
	want.V, want.At = want.format(), ""
	head := want
	if want.List != nil {
		var parts map[string]Watched
		head, parts = divide(want)
		for _, hash := range slices.Sorted(maps.Keys(parts)) {
			if slices.Contains(have.Parts, hash) {
				continue
			}
			var err error
			if seq, err = l.putRecord(ctx, key+"."+hash, parts[hash], seq); err != nil {
				return seq, err
			}
		}
	}
	if err := l.auditAgain(ctx, key, have); err != nil {
		return seq, err
	}
	seq, err := l.putRecord(ctx, key, head, seq)
	if err != nil {
		return seq, err
	}
	if want.List != nil {
		l.sweep(ctx, want.List.Name)
	}
	return seq, l.auditWatched(ctx, key, have, Version{Seq: seq, Watched: want})
}

func (l *Logs) putRecord(ctx context.Context, key string, w Watched, seq uint64) (uint64, error) {
	at, err := appendTo(ctx, l.b, "$KV."+bucketWatch+"."+key, w, jetstream.WithExpectLastSequence(seq))
	if errors.Is(err, nats.ErrMaxPayload) {
		return seq, fmt.Errorf("store %s: it is larger than the %d bytes that the server takes: shorten it", key, l.b.NC.MaxPayload())
	}
	if err != nil {
		return seq, fmt.Errorf("store %s: %w", key, err)
	}
	return at, nil
}

// auditWatched records a change in AUDIT. Where both versions are too large for
// one record, the earlier is left out: the record before says it. Of a long list
// the record holds what was added and removed.
func (l *Logs) auditWatched(ctx context.Context, key string, have, want Version) error {
	kind, name, _ := strings.Cut(key, ".")
	a := Audited{Who: want.By, After: want.Watched, Watch: want.Seq}
	if have.V != 0 {
		a.Before = have.Watched
	}
	if want.List != nil {
		a.Before, a.After = auditLists(have.Watched, want.Watched)
	}
	err := l.audit(ctx, kind, name, a)
	if errors.Is(err, nats.ErrMaxPayload) {
		a.Before = nil
		err = l.audit(ctx, kind, name, a)
	}
	if err != nil {
		return fmt.Errorf("%s %s is changed, but AUDIT does not say so yet: %w", kind, display(name), err)
	}
	return nil
}

// auditAgain records in AUDIT the version of a key that stands in WATCH, if who
// wrote it died before that.
func (l *Logs) auditAgain(ctx context.Context, key string, have Version) error {
	if have.V == 0 {
		return nil
	}
	kind, name, _ := strings.Cut(key, ".")
	m, err := lastRecord(ctx, l.b, streamAudit, auditSubject(kind, name))
	if err != nil {
		return err
	}
	if m != nil {
		if a, err := decode[Audited](m.Data); err != nil || a.Watch == 0 || a.Watch >= have.Seq {
			return err // 0: an earlier tocsin's, or no change of the record
		}
	}
	return l.auditWatched(ctx, key, Version{}, have)
}

// readWatch is WATCH as it stands, by key, of the keys that match one of the
// filters: lists whole, parts left out. What the sequence is later than is not in
// it; all that it is not later than is.
func (l *Logs) readWatch(ctx context.Context, filters ...string) (uint64, map[string]Version, error) {
	seq, err := l.watchSeq(ctx)
	if err != nil {
		return 0, nil, err
	}
	out, parts, err := l.readKeys(ctx, filters)
	if err != nil {
		return 0, nil, err
	}
	for key, v := range out {
		if v.List == nil {
			continue
		}
		v.Watched, err = assemble(v.Watched, func(hash string) ([]tocsin.Entry, error) {
			data := parts[key+"."+hash]
			if data == nil {
				return nil, nil
			}
			rec, err := decode[Watched](data)
			return rec.Part, err
		})
		if err != nil {
			return 0, nil, fmt.Errorf("read %s: %w", key, err)
		}
		out[key] = v
	}
	return seq, out, nil
}

// readKeys reads records, and the parts of lists as they are stored: those that
// only earlier versions need are not worth decoding.
func (l *Logs) readKeys(ctx context.Context, filters []string) (out map[string]Version, parts map[string][]byte, err error) {
	out, parts = map[string]Version{}, map[string][]byte{}
	w, err := l.watch.WatchFiltered(ctx, distinct(filters))
	if err != nil {
		return nil, nil, fmt.Errorf("read WATCH: %w", err)
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return nil, nil, fmt.Errorf("read WATCH: %w", errSilent)
			case e == nil:
				return out, parts, nil
			case e.Key() == provisionKey || e.Operation() != jetstream.KeyValuePut:
				continue
			case isPart(e.Key()):
				parts[e.Key()] = e.Value()
				continue
			}
			rec, err := decode[Watched](e.Value())
			if err != nil {
				return nil, nil, fmt.Errorf("read %s: %w", e.Key(), err)
			}
			out[e.Key()] = Version{e.Revision(), e.Created(), rec}
		}
	}
}

// distinct are filters without those that another covers: the server takes none
// that overlap.
func distinct(filters []string) []string {
	return slices.DeleteFunc(slices.Clone(filters), func(f string) bool {
		return slices.ContainsFunc(filters, func(g string) bool {
			head, all := strings.CutSuffix(g, ">")
			return all && f != g && strings.HasPrefix(f, head)
		})
	})
}

// watchSeq is the last sequence of WATCH as the server holds it now.
func (l *Logs) watchSeq(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	info, err := l.watchlog.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("read WATCH: %w", err)
	}
	return info.State.LastSeq, nil
}
