package feeds

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// poll looks at a source once. As long as its log turns out to have moved it
// fetches again, since the document may be older than what is stored.
func (p *Poller) poll(ctx context.Context, t *task, s tocsin.Source) result {
	if !t.loaded {
		if err := p.begin(ctx, t, s); err != nil {
			return result{poll: PollNotStored, condition: NotStored, err: err}
		}
	}
	for range fetches {
		r, err := p.Get(ctx, s.URL, p.ask(t, s, time.Now()))
		if err != nil {
			return fetchFailed(err)
		}
		if r.Unchanged {
			p.leftUnchanged(ctx, t, s)
			return result{poll: PollUnchanged, condition: OK, moved: r.Moved, fresh: r.Fresh, at: r.At}
		}
		if p.Hubs != nil && s.Kind == WebSub {
			p.Hubs.read(s, r)
		}
		res, moved := p.take(ctx, t, s, r)
		if !moved {
			return res
		}
	}
	return result{poll: PollBehind, condition: Behind, err: fmt.Errorf("store items of %s: the log moved %d times in a row", s.ID, fetches)}
}

// ask is what to ask with: for everything where the source's hubs are not known.
func (p *Poller) ask(t *task, s tocsin.Source, now time.Time) fetch.Validators {
	if p.Hubs != nil && s.Kind == WebSub && !p.Hubs.knows(s) {
		return fetch.Validators{}
	}
	return t.known(s, now)
}

// known are the validators to ask with: none if they are of another address or
// the document is to be read again in any case.
func (t *task) known(s tocsin.Source, now time.Time) fetch.Validators {
	if !sameDocument(t.of, s) || !t.settles.IsZero() && !now.Before(t.settles) {
		return fetch.Validators{}
	}
	return t.validators
}

func addressOf(s tocsin.Source) uint64 {
	var f folder
	if l := s.Listing; l != (tocsin.Listing{}) {
		return f.hash(s.Kind, aliasKinds, strings.Join([]string{s.URL, l.Entry, l.Title, l.Link, l.Date}, "\x00"))
	}
	return f.hash(s.Kind, aliasKinds, s.URL)
}

// sameDocument reports whether a document of a is read as one of b.
func sameDocument(a, b tocsin.Source) bool {
	return a.URL == b.URL && a.Kind == b.Kind && a.Listing == b.Listing
}

func (p *Poller) load(ctx context.Context, t *task, s tocsin.Source) error {
	b, err := p.Log.Load(ctx, s.ID)
	if err != nil {
		return fmt.Errorf("load what is known of %s: %w", s.ID, err)
	}
	st, err := DecodeState(b)
	if _, newer := errors.AsType[*NewerStateError](err); newer {
		return fmt.Errorf("load what is known of %s: %w", s.ID, err)
	}
	if err != nil {
		p.Slog.Warn("state is rebuilt from the log", "stage", "poll", "source", s.ID, "err", err)
		st = State{}
	}
	t.state, t.rhythm, t.begun = &st, st.rhythm, st.since()
	return nil
}

// begin learns what is known of a source. Its validators count if they are of
// the same address, and nothing was stored that they may not include.
func (p *Poller) begin(ctx context.Context, t *task, s tocsin.Source) error {
	if err := p.load(ctx, t, s); err != nil {
		return err
	}
	moved, err := p.catchUp(ctx, t, s)
	if err != nil {
		return err
	}
	if !moved && t.state.address == addressOf(s) {
		t.validators, t.of, t.settles = t.state.Validators, s, t.state.Settles()
	}
	t.saved, t.loaded = time.Now(), true
	return nil
}

// take reads a document and stores what is new. It reports whether the source's
// log has moved instead: then the tail is known now, and nothing of the document
// was used.
func (p *Poller) take(live context.Context, t *task, s tocsin.Source, r fetch.Response) (res result, moved bool) {
	p.reads <- struct{}{}
	release := sync.OnceFunc(func() { <-p.reads })
	defer release()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(live), storeWithin)
	defer cancel()
	t.sighting = nil
	d, res, ok := p.read(ctx, t, s, r)
	if !ok {
		return res, false
	}
	if t.state == nil {
		if err := p.load(ctx, t, s); err != nil {
			return result{poll: PollNotStored, condition: NotStored, err: err}, false
		}
	}
	at := r.At
	if at.IsZero() {
		at = time.Now().UTC()
	}
	switch {
	case len(d.More) > 0:
		<-p.reads // others need not wait while further documents are fetched
		d, res, ok = p.readMore(live, t, s, d)
		p.reads <- struct{}{}
		if !ok {
			return res, false
		}
		cancel()
		ctx, cancel = context.WithTimeout(context.WithoutCancel(live), storeWithin)
		defer cancel()
		r.Validators = fetch.Validators{} // that the index is unchanged would say nothing of them
	case len(d.Beyond) > 0:
		t.sift(s, &d, len(t.listing(s).seen) == 0)
	}
	t.keepTo(s, &d)
	shrunk := t.shrunk(s, &d, at)
	items, next, notes := p.decide(t, s, r, &d, at)
	if len(items) > 0 && !items[len(items)-1].Baseline { // of a first reading little becomes evidence
		p.visits.remember(tocsin.Raw{Source: s.ID, Of: tocsin.RawDocument, Address: cmp.Or(r.URL, s.URL), Type: r.Type, At: at, Body: r.Body})
	}
	release() // storing waits for the disk, and many can do that together
	gap := gapOf(notes, t.health.success, at)
	if more := p.fill(ctx, s, r, &next, gap); len(more) > 0 {
		p.whole(s, r, &d)
		d.Items = append(slices.Clip(d.Items), more...)
		items, next, notes = Decide(*t.state, s, d, at)
		next.leave(s.ID, more)
	}
	moved, err := p.store(ctx, t, s, items, &next)
	if err != nil {
		return result{poll: PollNotStored, condition: NotStored, err: err, writing: len(items) > 0}, false
	}
	if moved {
		t.validators, t.listed = fetch.Validators{}, nil // they know nothing of what was just learned
		return result{}, true
	}
	p.left(s, &next)
	p.keep(ctx, t, s, &next, t.after(s, r))
	if !r.Pushed {
		t.hints = d.hints
	}
	res = result{
		poll: PollRead, condition: OK, fresh: r.Fresh, items: len(items), entries: next.present(), newest: newestOf(d.Items, at),
		news: len(items) > 0 && !items[len(items)-1].Baseline, notes: notes, gap: gap, moved: r.Moved, at: at,
	}
	switch {
	case shrunk != nil:
		res.condition, res.err = LayoutChanged, shrunk
	case len(d.Items) == 0 && len(d.More) == 0:
		res.condition = Empty
	case len(d.Repairs) > 0 || r.Cut:
		res.condition, res.repairs = Repaired, d.Repairs
		if r.Cut {
			res.repairs = append(slices.Clip(d.Repairs), fmt.Sprintf("the body broke off: %v", r.Fault))
		}
	}
	return res, false
}

// read parses a document; where that is not possible, it keeps it.
func (p *Poller) read(ctx context.Context, t *task, s tocsin.Source, r fetch.Response) (d Document, res result, ok bool) {
	hash := sync.OnceValue(func() [32]byte { return sha256.Sum256(r.Body) })
	if p.Probe != nil && !t.probed {
		if t.bad == hash() {
			return d, result{poll: PollQuarantined, condition: Quarantined, err: errTried}, false
		}
		if err := p.Probe(ctx, s, r); err != nil {
			p.quarantine(ctx, t, s, hash(), err, r.Body)
			return d, result{poll: PollQuarantined, condition: Quarantined, err: err}, false
		}
	}
	d, crashed, err := p.parse(s, r, t.memo)
	t.probed = true
	switch {
	case err == nil:
		d.Cut = d.Cut || r.Cut || r.Pushed
		return d, res, true
	case crashed:
		res = result{poll: PollUnreadable, condition: ParseFailed, err: err}
	case r.Cut:
		return d, result{poll: PollFailed, condition: Unreachable, err: cmp.Or(r.Fault, err), network: true}, false
	default:
		res = t.misread(err)
		if c, what := wall(s.URL, r); c != "" { // not what the publisher publishes, and nothing to keep
			res.condition, res.err = c, errors.New(what)
			return d, res, false
		}
	}
	p.quarantine(ctx, t, s, hash(), err, r.Body)
	return d, res, false
}

var errTried = errors.New("the document is the one that was not to be read")

func (p *Poller) quarantine(ctx context.Context, t *task, s tocsin.Source, hash [32]byte, reason error, body []byte) {
	if t.bad == hash {
		return
	}
	if p.Quarantine == nil {
		t.bad = hash
	} else if err := p.Quarantine(ctx, s.ID, reason.Error(), body); err != nil {
		p.Slog.Error("document was not kept in quarantine", "stage", "poll", "source", s.ID, "err", err)
	} else {
		t.bad = hash
	}
}

// parse reads a document with the kind that the source names, and may leave out
// the entries that m knows.
func (p *Poller) parse(s tocsin.Source, r fetch.Response, m *memo) (d Document, crashed bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			crashed, err = true, fmt.Errorf("parse %s: panic: %v at %s", s.ID, v, panicked(debug.Stack()))
		}
	}()
	if p.Before != nil {
		p.Before(r)
	}
	kinds, name := p.kinds, cmp.Or(s.Kind, "feed")
	if kinds == nil {
		kinds = Kinds
	}
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return d, false, fmt.Errorf("source %s: no kind %q in this build", s.ID, name)
	}
	if again := kinds[i].again; again != nil && m != nil && !r.Cut {
		d, err = again(s, r, m)
	} else {
		d, err = kinds[i].Parse(s, r)
	}
	return d, false, err
}

// panicked is the place in a stack where a panic began, without directories.
func panicked(stack []byte) string {
	_, after, _ := strings.Cut(string(stack), "\npanic(")
	for i, line := range strings.Split(after, "\n") {
		if i < 2 || !strings.HasPrefix(line, "\t") {
			continue
		}
		place, _, _ := strings.Cut(strings.TrimSpace(line), " +")
		return place[strings.LastIndexByte(place, '/')+1:]
	}
	return "an unknown place"
}

// store appends items behind what the state knows of. Where there are none it
// looks whether the log has moved all the same: a state that is behind may take
// for known what was revised since.
func (p *Poller) store(ctx context.Context, t *task, s tocsin.Source, items []tocsin.Item, next *State) (moved bool, err error) {
	if len(items) == 0 {
		return p.catchUp(ctx, t, s)
	}
	last, err := p.Log.Append(ctx, s.ID, t.state.Seq, items)
	behind, ok := errors.AsType[*tocsin.BehindError](err)
	switch {
	case err == nil:
		next.Seq = last
		return false, nil
	case !ok:
		return false, fmt.Errorf("store items of %s: %w", s.ID, err)
	}
	moved, err = p.catchUp(ctx, t, s)
	if err == nil && !moved && behind.Last < t.state.Seq { // the log was cut: expect what it holds
		t.state.Seq, moved = behind.Last, true
	}
	return moved, err
}

// catchUp learns what the log holds beyond the state.
func (p *Poller) catchUp(ctx context.Context, t *task, s tocsin.Source) (moved bool, err error) {
	for rec, err := range p.Log.Tail(ctx, s.ID, t.state.Seq) {
		if err != nil {
			return moved, fmt.Errorf("read the log of %s: %w", s.ID, err)
		}
		if !moved {
			own := t.state.clone()
			t.state, moved = &own, true
		}
		t.state.Apply(rec.Item)
		t.state.Seq = rec.Seq
	}
	return moved, nil
}

// keep makes next what is known. It is saved when there is more than other
// validators in it; they alone cost at most one fetch more after a start.
func (p *Poller) keep(ctx context.Context, t *task, s tocsin.Source, next *State, v fetch.Validators) {
	t.begun = next.since()
	t.stored(s)
	next.Validators, next.address = v, addressOf(s)
	t.validators, t.of, t.settles = v, s, next.Settles()
	t.state, t.rhythm = next, next.rhythm
	t.unsaved = t.unsaved || next.changed
	if t.unsaved || time.Since(t.saved) >= saveEvery {
		if err := p.Log.Save(ctx, s.ID, next.Encode()); err != nil {
			p.Slog.Warn("state was not saved", "stage", "poll", "source", s.ID, "err", err)
			return
		}
		t.saved, t.unsaved = time.Now(), false
	}
	if next.Len() > keepEntries || !p.states.take(&t.holds, next.Len(), maxStates) {
		t.state = nil
	}
}
