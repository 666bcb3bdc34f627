package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"tocsin"
)

// A lane carries the alerts of one destination, in the order of ALERTS. Its
// queue is a cursor over ALERTS and its memory is the destination's ledger:
//
//	render, wait for the rate, connect
//	append intent                       expecting our last record
//	call the provider                   no byte later than the intent allows
//	append sent, retry, parked, skipped expecting the intent
//
// An intent without an outcome means that the call may have been made. Whoever
// finds one looks for the message at the provider before sending it again; if it
// is another process's, only after that process can no longer be sending.
//
// Posts leave one after the other. Edits wait until no post is due and show the
// alert as it then stands, so that several become one. So do replies that tell of
// copies; one that people must not miss leaves when the lane comes to its event.
type lane struct {
	*lanes
	dest    tocsin.Destination
	subject string
	log     *slog.Logger
	bucket  bucket
	hurry   atomic.Bool   // what waited for a person may work now
	wake    chan struct{} // the ledger holds a record that is not ours

	seq       uint64              // our last known record
	recorded  time.Time           // when that was written
	recalled  bool                // what the ledger held before oldest is known too
	through   uint64              // as the records say
	looked    uint64              // events up to here are routed
	msgs      map[string]*message // by alert
	told      map[uint64]bool     // Watching events that were delivered
	dirty     map[string]uint64   // alert -> the first event that its message does not show
	owing     map[string][]owed   // by alert: what happened that its destination has still to be told
	begun     bool                // through is known
	open      *Record             // an intent without an outcome
	seenAt    time.Time           // when we first saw open
	ended     time.Time           // from when on the absence of open's message counts
	waiting   *Record             // a post or digest that failed and is due at Next
	replays   []string            // deliveries that a person wants again
	parked    map[string]Record   // by delivery
	held      map[string]held     // by delivery; what waits for the end of a mute or quiet hours, or for a digest
	replyHeld map[string]string   // by alert: the delivery of the reply that is held
	firstHold uint64              // the first seq in held; 0 if it has to be looked for
	unheld    <-chan struct{}     // closed when WATCH moves; nil if what is held has to be looked through
	freed     []Record            // of what is held, what nothing holds any more, when we last looked
	lookAt    time.Time           // when the next of it is let go; zero for never
	folding   int                 // how many of what is held wait to be told in one digest because they are many
	away      *Record             // the delivery that found the destination away; nil if it is there
	untold    bool                // that it is away its owner has still to hear
	tried     map[string]Record   // by alert: the first attempt at a post that may have to be escalated
	digested  time.Time           // when the last digest was made up
	trouble   string              // why the last attempt failed, for the next message's Late
	unknown   bool                // nobody classified why
}

// A message is what a destination has of an alert.
type message struct {
	ref      string
	rendered uint64    // the alert's event that it shows
	changed  time.Time // when it was last sent or edited
	prompt   bool      // somebody pressed a button and looks for what it shows then
	parked   bool      // there is nothing to edit: it was not delivered, or is gone
	digested bool      // a digest told of it, up to told
	retry    *Record   // the edit that failed and is due again
	told     uint64    // the alert's last event that it shows or a reply tells of
	replied  time.Time // when the post or the last reply was sent
	reply    *Record   // the reply that failed and is due again
	was      string    // the alert that it was of before that was merged
}

// A job is one call to make.
type job struct {
	act   string
	alert string
	event uint64
	rec   Record // of earlier attempts
	from  uint64 // of a reply: see Record.From
	aloud bool
}

const (
	sendTimeout = 15 * time.Second // of one call to a provider
	intentHold  = 30 * time.Second // how long after an intent its call may begin: hold - timeout
	settleAfter = 2 * time.Second  // a provider shows a message that it took after at most this
	settleStart = time.Second      // at least this long after a start, whatever the intent's age
	finishFor   = 5 * time.Second  // a call that is being made may go on for this long when we are stopped
	lookupFor   = 10 * time.Minute // how long to try to read a provider's history
	editEvery   = 5 * time.Second  // at most one edit of a message in this time
	cursorEvery = 256              // events without a record after which the cursor is recorded
	cursorAge   = 30 * day         // or after this long: a ledger that aged out would be forgotten
	walk        = 256              // events routed at once
)

func (l *lane) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := l.begin(ctx)
		for err == nil && ctx.Err() == nil {
			err = l.step(ctx)
		}
		moved, behind := errors.AsType[*errMoved](err)
		_, newer := errors.AsType[*NewerError](err)
		switch {
		case ctx.Err() != nil:
		case newer:
			return fmt.Errorf("lane %s: %w", l.dest.Name, err)
		case behind && moved.last < l.seq:
			l.seq = moved.last // our records aged out
		case !behind:
			l.log.WarnContext(ctx, "lane interrupted", "err", err)
			_ = pause(ctx, refollow)
		}
	}
	return nil
}

// begin reads what the ledger holds beyond what we know and places the cursor:
// where the ledger left it, or else where the destination's first subscription
// began. After an error it goes back there, because what was being done may not
// be recorded: routing what is done already finds nothing to do.
func (l *lane) begin(ctx context.Context) error {
	if err := l.current(ctx); err != nil {
		return err
	}
	if err := l.reload(ctx); err != nil {
		return err
	}
	if !l.begun {
		if err := l.place(ctx); err != nil {
			return err
		}
		l.begun = true
	}
	l.looked = l.through
	return nil
}

// place finds the cursor of a ledger that holds nothing since l.oldest.
func (l *lane) place(ctx context.Context) error {
	if l.seq != 0 {
		return nil
	}
	m, err := lastRecord(ctx, l.logs.b, streamLedger, l.subject)
	if err != nil {
		return err
	}
	if m != nil {
		r, err := decode[Record](m.Data)
		if err != nil {
			return err
		}
		l.apply(m.Sequence, r)
		return nil
	}
	first, err := l.logs.forgotten(ctx)
	if err != nil {
		return err
	}
	l.through = max(l.view.started(l.dest.Name), first)
	return l.record(ctx, Record{Kind: Cursor}) // or a ledger without records would begin there once more
}

// step does one thing: it settles an open intent, makes a call, or waits.
func (l *lane) step(ctx context.Context) error {
	if l.open != nil {
		return l.settle(ctx)
	}
	later, err := l.escalate(ctx)
	if err != nil {
		return err
	}
	j, due, moved, err := l.next(ctx)
	if err != nil {
		return err
	}
	if j != nil {
		return l.deliver(ctx, *j)
	}
	due = sooner(due, later)
	stale := l.recorded.Add(cursorAge)
	if l.watermark() > l.through+cursorEvery || !time.Now().Before(stale) {
		return l.record(ctx, Record{Kind: Cursor})
	}
	if due.IsZero() || due.After(stale) {
		due = stale
	}
	unheld := l.unheld
	if moved == nil { // what is held was not looked at: something goes before it
		unheld = nil
	}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-moved:
	case <-unheld:
	case <-l.wake:
		return l.reload(ctx)
	case <-timer.C:
	}
	return nil
}

// next is the call to make now, or else when to look again at the latest (zero
// for never) and a channel that is closed when there are further events.
func (l *lane) next(ctx context.Context) (*job, time.Time, <-chan struct{}, error) {
	if shut := l.gates.shut(gateOf(l.dest)); !shut.IsZero() {
		return nil, shut, nil, nil
	}
	if w := l.waiting; w != nil {
		if time.Until(w.Next) > 0 && !(w.Verdict == string(tocsin.Install) && (l.hurry.Swap(false) || l.gates.works(gateOf(l.dest)))) {
			return nil, w.Next, nil, nil
		}
		if held, err := l.heldMeanwhile(ctx, *w); held || err != nil {
			return nil, time.Now(), nil, err
		}
		return &job{act: w.Act, alert: w.Alert, event: w.Event, rec: *w}, time.Time{}, nil, nil
	}
	for len(l.replays) > 0 {
		r, ok, err := l.parkedRecord(ctx, l.replays[0])
		if err != nil {
			return nil, time.Time{}, nil, err
		}
		if ok {
			r.Attempt, r.Since = 0, time.Now().UTC()
			return &job{act: r.Act, alert: r.Alert, event: r.Event, rec: r}, time.Time{}, nil, nil
		}
		l.replays = l.replays[1:]
	}
	if l.away != nil {
		return l.nextAway(ctx)
	}
	free, digest, ends, err := l.released(ctx)
	if free != nil || err != nil {
		return free, time.Time{}, nil, err
	}
	j, more, moved, err := l.routed(ctx)
	if j != nil || err != nil {
		return j, time.Time{}, nil, err
	}
	digest = slices.DeleteFunc(digest, func(r Record) bool { // what was joined with others just now
		_, ok := l.held[r.Delivery]
		return !ok
	})
	switch {
	case more, l.unheld == nil && len(l.held) > 0: // something was held just now: see when that ends
		return nil, time.Now(), moved, nil
	case len(digest) > 0:
		return l.digestJob(digest), time.Time{}, nil, nil
	}
	j, due, err := l.nextLater(ctx)
	if err != nil {
		return nil, time.Time{}, nil, err
	}
	if l.unheld == nil && len(l.held) > 0 {
		return j, time.Now(), moved, nil // a reply was held just now
	}
	return j, sooner(due, ends), moved, nil
}

// sooner is the earlier of two times, of which a zero one is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// routed looks at the events that follow, until one calls for a message at once.
// more says that there are further ones; moved is closed when there are. A post
// does not pass what nothing holds any more since that was looked at.
func (l *lane) routed(ctx context.Context) (j *job, more bool, moved <-chan struct{}, err error) {
	evs, through, moved := l.book.after(l.looked, walk)
	if len(evs) > 0 {
		if err := l.current(ctx); err != nil {
			return nil, false, nil, err
		}
	}
	for _, ev := range evs {
		if err := l.join(ctx, ev); err != nil {
			return nil, false, nil, err
		}
		act, lists, err := l.route(ctx, ev)
		if err != nil {
			return nil, false, nil, err
		}
		before := l.looked
		l.looked = ev.seq
		switch act {
		case Held:
			if err := l.hold(ctx, ev, lists); err != nil {
				return nil, false, nil, err
			}
		case tocsin.Post, tocsin.Digest:
			if l.away != nil {
				if err := l.holdAway(ctx, ev, act, lists); err != nil {
					return nil, false, nil, err
				}
				continue
			}
			if crowd, err := l.crowds(ctx, ev, act, lists); crowd || err != nil {
				if err != nil {
					return nil, false, nil, err
				}
				continue
			}
			if l.mayBeFree() {
				l.looked = before
				return nil, true, moved, nil
			}
			return &job{act: act, alert: ev.Alert, event: ev.seq}, false, nil, nil
		case tocsin.Edit:
			l.stale(ev.Alert, ev.seq)
		}
		if l.away != nil {
			continue
		}
		if j, err := l.loudReply(ctx, ev.Alert); j != nil || err != nil {
			return j, false, nil, err
		}
	}
	l.looked = max(l.looked, through)
	return nil, len(evs) == walk, moved, nil
}

// stale notes that the message of an alert does not show the event at seq.
func (l *lane) stale(alert string, seq uint64) {
	if _, ok := l.dirty[alert]; !ok {
		l.dirty[alert] = seq
	}
}

// nextLater is the call for what waits until no post is due, replies before
// edits but for those that somebody waits for, and when the first is due if none is
// yet.
func (l *lane) nextLater(ctx context.Context) (*job, time.Time, error) {
	edit, prompt := l.nextEdit(true)
	if edit != nil {
		return edit, time.Time{}, nil
	}
	reply, due, err := l.nextReply(ctx)
	if reply != nil || err != nil {
		return reply, due, err
	}
	edit, at := l.nextEdit(false)
	if edit != nil {
		return edit, at, nil
	}
	return nil, sooner(sooner(due, at), prompt), nil
}

// promptEdits is how many edits that somebody waits for may go beyond what the others
// of a workspace may take at once.
const promptEdits = 5

// nextEdit is the edit that is due now, and when the first is due if there is one;
// prompt asks for those alone that somebody waits for.
func (l *lane) nextEdit(prompt bool) (*job, time.Time) {
	var first string
	var due time.Time
	for id := range l.dirty {
		if prompt && !l.msgs[id].prompt {
			continue
		}
		at := l.msgs[id].changed.Add(editEvery)
		if first == "" || at.Before(due) || at.Equal(due) && l.dirty[id] < l.dirty[first] {
			first, due = id, at
		}
	}
	if first != "" && !time.Now().Before(due) {
		burst := l.traits.EditBurst
		if prompt {
			burst += promptEdits
		}
		if at := l.gates.take(gateOf(l.dest), tocsin.Edit, l.traits.EditEvery, burst); !at.IsZero() {
			return nil, at
		}
		j := &job{act: tocsin.Edit, alert: first, event: l.dirty[first]}
		if r := l.msgs[first].retry; r != nil {
			j.rec = *r
		}
		return j, due
	}
	return nil, due
}

// current makes the view at least as new as WATCH is now, which is newer than
// the events that were read before.
func (l *lane) current(ctx context.Context) error {
	if l.off.Version {
		return nil
	}
	now, err := l.logs.watchSeq(ctx)
	if err != nil {
		return err
	}
	return l.view.waitFor(ctx, now)
}

// route says what an event calls for at this destination, and for which
// watchlists: tocsin.Post, Edit or Digest, Held instead of the first and the last
// while all of them hold it, or nothing. It notes what is to be told in a reply.
// It depends only on ALERTS, WATCH, the ledger and, for what is held, the time.
func (l *lane) route(ctx context.Context, ev posted) (act string, lists []string, err error) {
	if ev.Kind == Escalated {
		act, err = l.routeEscalated(ctx, ev)
		return act, nil, err
	}
	lists = l.view.subscribed(l.dest.Name, ev.seq)
	if ev.Kind == Watching {
		if len(lists) == 0 || l.told[ev.seq] || !ev.Round.First && l.book.summary(ev, l.view.subscriptions(l.dest.Name, ev.seq)).Matching == 0 {
			return "", nil, nil
		}
		return l.unlessHeld(tocsin.Digest, lists), lists, nil
	}
	lists = l.book.matched(ev.Alert, ev.seq, lists)
	if len(lists) == 0 && !l.book.escalatedTo(ev.Alert, l.dest.Name) {
		return "", nil, nil
	}
	if l.msgs[ev.Alert] == nil && ev.Kind != Opened {
		if err := l.recall(ctx); err != nil {
			return "", nil, err
		}
	}
	m := l.msgs[ev.Alert]
	if m == nil && ev.Earlier { // news to those alone for whom it was looked for
		lists = slices.DeleteFunc(lists, func(w string) bool { return !ev.adds(w) })
	}
	if m == nil {
		lists = l.wanted(ev.Alert, ev.seq, lists)
	}
	switch {
	case m == nil && ev.Kind == Acknowledged:
		return "", nil, nil
	case m == nil && (len(lists) == 0 || ev.Copy.Baseline && !ev.Earlier):
		return "", nil, nil
	case m == nil && (ev.Kind == Merged || l.toldAsOlder(ev.Alert)):
		return "", nil, nil
	case m == nil:
		return l.unlessHeld(tocsin.Post, lists), lists, nil
	}
	l.owe(ev, m)
	switch {
	case ev.Kind == Acknowledged && ev.Workspace != "" && l.dest.Workspace != "" && ev.Workspace != l.dest.Workspace:
		return "", nil, nil
	case ev.Kind == Paged && ev.Copy.Page != tocsin.PagePDF:
		return "", nil, nil // nothing that a message shows
	case m.parked || m.rendered >= ev.seq || !l.traits.Edits:
		return "", nil, nil
	case ev.Kind == Merged && l.goesOn(ev, m), ev.Kind != Merged && l.book.into(ev.Alert) != "":
		return "", nil, nil // it is the older's now, or points to it
	}
	m.prompt = m.prompt || ev.Kind == Acknowledged
	return tocsin.Edit, nil, nil
}

// watermark is the sequence of ALERTS up to which everything is settled.
func (l *lane) watermark() uint64 {
	w := l.looked
	for _, first := range l.dirty {
		w = min(w, first-1)
	}
	for _, os := range l.owing {
		w = min(w, os[0].seq-1)
	}
	if l.waiting != nil {
		w = min(w, l.waiting.Event-1)
	}
	return max(w, l.through)
}

func (l *lane) waitOrWake(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.wake:
		return l.reload(ctx)
	case <-t.C:
		return nil
	}
}
