package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"tocsin"

	"github.com/nats-io/nats.go/jetstream"
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
// alert as it then stands, so that several become one.
type lane struct {
	*lanes
	dest    tocsin.Destination
	subject string
	log     *slog.Logger
	bucket  bucket
	hurry   atomic.Bool   // what waited for a person may work now
	wake    chan struct{} // the ledger holds a record that is not ours

	seq      uint64              // our last known record
	recorded time.Time           // when that was written
	recalled bool                // what the ledger held before oldest is known too
	through  uint64              // as the records say
	looked   uint64              // events up to here are routed
	msgs     map[string]*message // by alert
	told     map[uint64]bool     // Watching events that were delivered
	dirty    map[string]uint64   // alert -> the first event that its message does not show
	begun    bool                // through is known
	open     *Record             // an intent without an outcome
	seenAt   time.Time           // when we first saw open
	ended    time.Time           // from when on the absence of open's message counts
	waiting  *Record             // a post or digest that failed and is due at Next
	replays  []string            // deliveries that a person wants again
	parked   map[string]Record   // by delivery
	trouble  string              // why the last attempt failed, for the next message's Late
	unknown  bool                // nobody classified why
}

// A message is what a destination has of an alert.
type message struct {
	ref      string
	rendered uint64    // the alert's event that it shows
	changed  time.Time // when it was last sent or edited
	parked   bool      // there is nothing to edit: it was not delivered, or is gone
	retry    *Record   // the edit that failed and is due again
}

// A job is one call to make.
type job struct {
	act   string
	alert string
	event uint64
	rec   Record // of earlier attempts
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
	j, due, moved, err := l.next(ctx)
	if err != nil {
		return err
	}
	if j != nil {
		return l.deliver(ctx, *j)
	}
	stale := l.recorded.Add(cursorAge)
	if l.watermark() > l.through+cursorEvery || !time.Now().Before(stale) {
		return l.record(ctx, Record{Kind: Cursor})
	}
	if due.IsZero() || due.After(stale) {
		due = stale
	}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-moved:
	case <-l.wake:
		return l.reload(ctx)
	case <-timer.C:
	}
	return nil
}

// next is the call to make now, or else when to look again at the latest (zero
// for never) and a channel that is closed when there are further events.
func (l *lane) next(ctx context.Context) (*job, time.Time, <-chan struct{}, error) {
	if w := l.waiting; w != nil {
		if time.Until(w.Next) > 0 && !(w.Verdict == string(tocsin.Install) && l.hurry.Swap(false)) {
			return nil, w.Next, nil, nil
		}
		return &job{w.Act, w.Alert, w.Event, *w}, time.Time{}, nil, nil
	}
	for len(l.replays) > 0 {
		r, ok, err := l.parkedRecord(ctx, l.replays[0])
		if err != nil {
			return nil, time.Time{}, nil, err
		}
		if ok {
			r.Attempt, r.Since = 0, time.Now().UTC()
			return &job{r.Act, r.Alert, r.Event, r}, time.Time{}, nil, nil
		}
		l.replays = l.replays[1:]
	}
	evs, through, moved := l.book.after(l.looked, walk)
	if len(evs) > 0 {
		if err := l.current(ctx); err != nil {
			return nil, time.Time{}, nil, err
		}
	}
	for _, ev := range evs {
		act, err := l.route(ctx, ev)
		if err != nil {
			return nil, time.Time{}, nil, err
		}
		l.looked = ev.seq
		switch act {
		case tocsin.Post, tocsin.Digest:
			return &job{act: act, alert: ev.Alert, event: ev.seq}, time.Time{}, nil, nil
		case tocsin.Edit:
			if _, ok := l.dirty[ev.Alert]; !ok {
				l.dirty[ev.Alert] = ev.seq
			}
		}
	}
	l.looked = max(l.looked, through)
	if len(evs) == walk {
		return nil, time.Now(), moved, nil
	}
	return l.nextEdit(moved)
}

// nextEdit is the edit that is due first.
func (l *lane) nextEdit(moved <-chan struct{}) (*job, time.Time, <-chan struct{}, error) {
	var first string
	var due time.Time
	for id := range l.dirty {
		at := l.msgs[id].changed.Add(editEvery)
		if first == "" || at.Before(due) || at.Equal(due) && l.dirty[id] < l.dirty[first] {
			first, due = id, at
		}
	}
	if first != "" && !time.Now().Before(due) {
		j := &job{act: tocsin.Edit, alert: first, event: l.dirty[first]}
		if r := l.msgs[first].retry; r != nil {
			j.rec = *r
		}
		return j, due, moved, nil
	}
	return nil, due, moved, nil
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

// route says what an event calls for at this destination: tocsin.Post, Edit,
// Digest or nothing. It depends only on ALERTS, WATCH and the ledger.
func (l *lane) route(ctx context.Context, ev posted) (string, error) {
	lists := l.view.subscribed(l.dest.Name, ev.seq)
	if len(lists) == 0 {
		return "", nil
	}
	if ev.Kind == Watching {
		if l.told[ev.seq] || !ev.Round.First && l.book.summary(ev, lists).Matching == 0 {
			return "", nil
		}
		return tocsin.Digest, nil
	}
	if !l.book.interested(ev.Alert, ev.seq, lists) {
		return "", nil
	}
	if l.msgs[ev.Alert] == nil && ev.Kind != Opened {
		if err := l.recall(ctx); err != nil {
			return "", err
		}
	}
	m := l.msgs[ev.Alert]
	switch {
	case m == nil && ev.Copy.Baseline:
		return "", nil
	case m == nil:
		return tocsin.Post, nil
	case m.parked || m.rendered >= ev.seq || !l.traits.Edits:
		return "", nil
	}
	return tocsin.Edit, nil
}

// recall reads, once, the ledger before l.oldest: an alert may get a copy, and a
// parked delivery be asked for, long after it was first sent.
func (l *lane) recall(ctx context.Context) error {
	if l.recalled || l.oldest <= 1 {
		return nil
	}
	past := &lane{lanes: l.lanes, dest: l.dest, msgs: map[string]*message{}, told: map[uint64]bool{}, dirty: map[string]uint64{}, parked: map[string]Record{}}
	for m, err := range l.logs.read(ctx, streamLedger, l.subject, 1) {
		if err != nil {
			return err
		}
		if m.Sequence >= l.oldest {
			break
		}
		r, err := decode[Record](m.Data)
		if err != nil {
			return err
		}
		past.apply(m.Sequence, r)
	}
	for id, m := range past.msgs {
		if l.msgs[id] == nil {
			l.msgs[id] = m
		}
	}
	for id, r := range past.parked {
		if _, ok := l.parked[id]; !ok {
			l.parked[id] = r
		}
	}
	l.recalled = true
	return nil
}

// parkedRecord is a parked delivery that a person wants again.
func (l *lane) parkedRecord(ctx context.Context, id string) (Record, bool, error) {
	if _, ok := l.parked[id]; !ok {
		if err := l.recall(ctx); err != nil {
			return Record{}, false, err
		}
	}
	r, ok := l.parked[id]
	return r, ok, nil
}

// watermark is the sequence of ALERTS up to which everything is settled.
func (l *lane) watermark() uint64 {
	w := l.looked
	for _, first := range l.dirty {
		w = min(w, first-1)
	}
	if l.waiting != nil {
		w = min(w, l.waiting.Event-1)
	}
	return max(w, l.through)
}

// deliver makes one call: everything slow before the intent, nothing between
// the intent and the call.
func (l *lane) deliver(ctx context.Context, j job) error {
	if err := l.bucket.wait(ctx); err != nil {
		return err
	}
	r := j.rec
	if r.Delivery == "" {
		r = Record{Act: j.act, Alert: j.alert, Event: j.event, Since: time.Now().UTC()}
		r.Delivery = l.deliveryID(j)
	}
	r.Dest = l.dest.Kind + ":" + l.dest.To
	d, err := l.delivery(ctx, &r)
	if err != nil {
		return err
	}
	d.NotAfter = time.Now().Add(intentHold - sendTimeout)
	call, cancel := callContext(ctx)
	defer cancel()
	ready, err := l.ready(call, d)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return l.failed(ctx, r, notApplied(err))
	}
	defer ready.Close()
	r.Kind, r.Ref, r.Next, r.Verdict, r.Why = Intent, d.Ref, time.Time{}, "", ""
	if err := l.record(ctx, r); err != nil {
		return err
	}
	l.freeze("intent")
	ref, err := send(call, ready)
	l.freeze("sent")
	if err != nil && tocsin.VerdictOf(err) == tocsin.Ambiguous {
		if ctx.Err() != nil {
			return ctx.Err() // the intent stays open: it is settled at the next start
		}
		_, known := errors.AsType[*tocsin.Outcome](err)
		l.unknown = !known && !errors.Is(err, context.DeadlineExceeded)
		l.ended = time.Now().Add(settleAfter)
		l.trouble = err.Error()
		l.log.WarnContext(ctx, "delivery unsettled", "delivery", r.Delivery, "alert", r.Alert, "err", err)
		return nil
	}
	if err != nil {
		return l.failed(ctx, r, err)
	}
	return l.sent(ctx, r, ref)
}

// callContext bounds a call to a provider. A call that is being made when we are
// stopped may end: what is not known to have arrived has to be looked for.
func callContext(ctx context.Context) (context.Context, context.CancelFunc) {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(finishFor, cancel) })
	return call, func() { stop(); cancel() }
}

// ready prepares a message. A panic is the message's fault: it must not hold up
// the others.
func (l *lane) ready(ctx context.Context, d tocsin.Delivery) (r Ready, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &tocsin.Outcome{Verdict: tocsin.Refused, Code: "panic", Err: fmt.Errorf("prepare %s: panic: %v", d.ID, p)}
		}
	}()
	return l.prepare(ctx, d)
}

// send makes the call. Of one that panics nobody knows how far it came.
func send(ctx context.Context, r Ready) (ref string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("send: panic: %v", p)
		}
	}()
	return r.Send(ctx)
}

// notApplied is err as an outcome of which nothing can have been applied.
func notApplied(err error) error {
	if _, ok := errors.AsType[*tocsin.Outcome](err); ok {
		return err
	}
	return &tocsin.Outcome{Verdict: tocsin.Retry, Err: err}
}

func (l *lane) deliveryID(j job) string {
	switch j.act {
	case tocsin.Edit:
		return deliveryID(j.act, fmt.Sprintf("%s@%d", j.alert, j.event), l.dest.Name)
	case tocsin.Digest:
		return deliveryID(j.act, fmt.Sprint(j.event), l.dest.Name)
	}
	return deliveryID(j.act, j.alert, l.dest.Name)
}

// delivery is what the notifier gets: the alert as it stands now.
func (l *lane) delivery(ctx context.Context, r *Record) (tocsin.Delivery, error) {
	d := tocsin.Delivery{ID: r.Delivery, Kind: r.Act, To: l.dest, Since: r.Since, Repeat: r.Repeat}
	if r.Act == tocsin.Digest {
		ev, err := l.event(ctx, r.Event)
		if err != nil {
			return d, err
		}
		d.Summary = l.book.summary(ev, l.view.subscribed(l.dest.Name, r.Event))
		return d, nil
	}
	var err error
	if d.Alert, r.Rendered, err = l.alert(ctx, r.Alert); err != nil {
		return d, err
	}
	r.Seen = cmp.Or(l.book.event(r.Event).Copy.Seen, r.Seen)
	if m := l.msgs[r.Alert]; m != nil && r.Act == tocsin.Edit {
		d.Ref = m.ref
	}
	if r.Act == tocsin.Post && time.Since(r.Seen) > time.Minute {
		d.Late = l.lateReason(*r)
	}
	return d, nil
}

// event is a Watching event: from the book or, if it is older than that, from the
// log.
func (l *lane) event(ctx context.Context, seq uint64) (posted, error) {
	if ev := l.book.event(seq); ev.Round != nil {
		return ev, nil
	}
	m, err := l.logs.alerts.GetMsg(ctx, seq)
	if err != nil {
		return posted{}, fmt.Errorf("read event %d: %w", seq, err)
	}
	ev, err := decode[Event](m.Data)
	return posted{seq, ev}, err
}

// alert is an alert as it stands: from the book or, if it is older than that,
// from the log.
func (l *lane) alert(ctx context.Context, id string) (tocsin.Alert, uint64, error) {
	if a, last, ok := l.book.snapshot(id); ok {
		return a, last, nil
	}
	p, err := l.logs.page(ctx, id)
	if err != nil {
		return tocsin.Alert{}, 0, err
	}
	return p.alert, p.last, nil
}

func (l *lane) lateReason(r Record) string {
	switch {
	case l.trouble != "" || r.Attempt > 0:
		return "the destination could not be reached"
	case r.Seen.Before(l.startedAt):
		return "tocsin was not running"
	}
	return "other messages went first"
}

func (l *lane) sent(ctx context.Context, r Record, ref string) error {
	r.Kind, r.At, r.Ref, l.trouble, l.unknown = Sent, time.Now().UTC(), cmp.Or(ref, r.Ref), "", false
	l.observe(l.dest, r)
	l.clear("lane." + l.dest.Name)
	return l.outcome(ctx, r)
}

// outcome records what became of the open intent. What is known must not be
// looked for, let alone sent again, so it is tried until it is recorded or ctx
// ends. A person's request behind the intent changes nothing; where another
// process took the intent over, what that says counts.
func (l *lane) outcome(ctx context.Context, r Record) error {
	for {
		open := l.open
		err := l.record(ctx, r)
		if err == nil || open == nil || ctx.Err() != nil {
			return err
		}
		if _, moved := errors.AsType[*errMoved](err); moved {
			if lost := l.reload(ctx); lost != nil || l.open != open {
				return err
			}
			continue
		}
		l.log.WarnContext(ctx, "delivery not recorded, trying again", "delivery", r.Delivery, "err", err)
		if err := pause(ctx, refollow); err != nil {
			return err
		}
	}
}

func (l *lane) failed(ctx context.Context, r Record, err error) error {
	r = r.after(err, time.Now().UTC())
	l.trouble = r.Why
	if err := l.outcome(ctx, r); err != nil {
		return err
	}
	l.observe(l.dest, r)
	l.log.WarnContext(ctx, "delivery "+r.Kind, "delivery", r.Delivery, "alert", r.Alert, "attempt", r.Attempt, "wait", max(0, time.Until(r.Next)).Round(time.Second), "err", err)
	l.complain(ctx, r)
	return nil
}

// complain tells people of a delivery that does not succeed by itself.
func (l *lane) complain(ctx context.Context, r Record) {
	switch {
	case r.Kind == Parked:
		l.report("lane."+l.dest.Name, fmt.Sprintf("destination %s: an alert is parked: %s. Mend it, then: tocsin delivery replay %s", l.dest.Name, r.Why, r.Delivery))
		l.tell(ctx, l.dest, fmt.Sprintf("tocsin cannot deliver alerts to %s (%s): %s. They are kept: tocsin delivery list --parked", l.dest.Name, l.dest.Kind, r.Why))
	case r.Verdict == string(tocsin.Install) || r.Kind == Retried && r.Attempt >= 4:
		l.report("lane."+l.dest.Name, fmt.Sprintf("destination %s: alerts are waiting since %s: %s", l.dest.Name, r.Since.Format(time.RFC3339), r.Why))
	}
}

// settle finds out what became of an open intent, and records it.
func (l *lane) settle(ctx context.Context) error {
	r := *l.open
	if r.Owner != l.logs.b.Owner && l.off.takeover {
		return l.record(ctx, r)
	}
	if r.Owner != l.logs.b.Owner {
		if wait := time.Until(l.seenAt.Add(intentHold + 2*sendTimeout)); wait > 0 {
			return l.waitOrWake(ctx, wait)
		}
		return l.record(ctx, r) // the same intent, now ours
	}
	if r.Act == tocsin.Edit {
		return l.again(ctx, r) // an edit shows what is so: repeating it is harmless
	}
	if l.off.Lookup {
		return l.again(ctx, r)
	}
	if !l.traits.Finds {
		r.Repeat = true
		return l.again(ctx, r)
	}
	found, err := l.lookUp(ctx, r)
	if err != nil || found {
		return err
	}
	// Absent once: it may not show yet.
	if wait := time.Until(l.ended); wait > 0 {
		if err := pause(ctx, wait); err != nil {
			return err
		}
		if found, err := l.lookUp(ctx, r); err != nil || found {
			return err
		}
	}
	return l.again(ctx, r)
}

// lookUp looks for the message at the provider and records it if it is there.
// Where the history cannot be read for long it gives up and asks for a marked
// repeat.
func (l *lane) lookUp(ctx context.Context, r Record) (settled bool, err error) {
	call, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	now := r // the message that may be there shows what the intent says
	d, err := l.delivery(ctx, &now)
	if err != nil {
		return false, err
	}
	ref, found, err := l.find(call, d)
	switch {
	case found:
		return true, l.sent(ctx, r, ref)
	case err == nil:
		return false, nil
	case ctx.Err() != nil:
		return true, ctx.Err()
	case time.Since(r.At) > lookupFor || tocsin.VerdictOf(err) == tocsin.Refused:
		r.Repeat = true
		return true, l.again(ctx, r)
	}
	l.log.WarnContext(ctx, "delivery not looked up, trying again", "delivery", r.Delivery, "err", err)
	l.report("lane."+l.dest.Name, fmt.Sprintf("destination %s: cannot see whether a message arrived: %v", l.dest.Name, err))
	wait := settleAfter
	if o, ok := errors.AsType[*tocsin.Outcome](err); ok && o.After > 0 {
		wait = o.After
	}
	return true, pause(ctx, wait)
}

// again records that an attempt has to be made once more.
func (l *lane) again(ctx context.Context, r Record) error {
	r.Kind, r.Verdict, r.Why, r.Attempt = Retried, string(tocsin.Ambiguous), l.trouble, r.Attempt+1
	r.Next = time.Now().UTC()
	if r.Attempt > 1 {
		r.Next = r.Next.Add(backoff(r.Attempt - 1))
	}
	if time.Since(r.Since) > giveUp || l.unknown && r.Attempt >= unknownTries {
		r.Kind = Parked
	}
	if err := l.outcome(ctx, r); err != nil {
		return err
	}
	l.complain(ctx, r)
	return nil
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

// record appends r as our next record and applies it. The Through it carries
// leaves out r's own event unless r is final.
func (l *lane) record(ctx context.Context, r Record) error {
	r.V, r.At, r.Owner = tocsin.Format, time.Now().UTC(), l.logs.b.Owner
	r.Through = l.watermark()
	if final := r.Kind == Sent || r.Kind == Parked || r.Kind == Skipped; !final && r.Kind != Cursor && r.Act != tocsin.Edit {
		r.Through = max(min(r.Through, r.Event-1), l.through)
	} else if final && l.waiting != nil && l.waiting.Delivery == r.Delivery {
		r.Through = l.watermarkWithout()
	}
	// What is done must be written down even while we are being stopped.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	seq, err := appendTo(ctx, l.logs.b, l.subject, r, jetstream.WithExpectLastSequencePerSubject(l.seq))
	if err != nil {
		return err
	}
	l.freeze("record")
	l.apply(seq, r)
	return nil
}

// watermarkWithout is the watermark once the waiting delivery is final.
func (l *lane) watermarkWithout() uint64 {
	w := l.waiting
	l.waiting = nil
	defer func() { l.waiting = w }()
	return l.watermark()
}

// apply adds a record to what the lane knows.
func (l *lane) apply(seq uint64, r Record) {
	l.seq, l.recorded = seq, r.At
	l.through = max(l.through, r.Through)
	if r.Kind != Replay && r.Kind != Cursor {
		l.open, l.waiting = nil, nil
	}
	switch r.Kind {
	case Intent:
		now := time.Now()
		l.open, l.seenAt, l.ended = &r, now, later(r.At.Add(settleAfter), now.Add(settleStart))
	case Retried:
		if r.Act == tocsin.Edit {
			l.postpone(r)
		} else {
			l.waiting = &r
		}
	case Replay:
		l.replays = append(l.replays, r.Delivery)
	case Sent, Parked, Skipped:
		l.final(r)
	}
}

func (l *lane) final(r Record) {
	l.replays = slices.DeleteFunc(l.replays, func(id string) bool { return id == r.Delivery })
	delete(l.parked, r.Delivery)
	if r.Kind == Parked {
		l.parked[r.Delivery] = r
	}
	if r.Act == tocsin.Digest {
		l.told[r.Event] = true
		return
	}
	m := l.msgs[r.Alert]
	if m == nil {
		m = &message{}
		l.msgs[r.Alert] = m
	}
	switch {
	case r.Act == tocsin.Post:
		m.ref, m.parked = r.Ref, r.Kind == Parked
	case r.Kind == Skipped:
		m.parked = true // gone, or closed
	case m.ref == "":
		m.ref = r.Ref // it was posted before what we have read
	}
	m.rendered, m.changed, m.retry = max(m.rendered, r.Rendered), r.At, nil
	if first, ok := l.dirty[r.Alert]; ok && first <= m.rendered {
		delete(l.dirty, r.Alert)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// postpone puts off an edit until its next try.
func (l *lane) postpone(r Record) {
	l.replays = slices.DeleteFunc(l.replays, func(id string) bool { return id == r.Delivery })
	if m := l.msgs[r.Alert]; m != nil {
		m.changed, m.retry = r.Next.Add(-editEvery), &r
		if _, ok := l.dirty[r.Alert]; !ok {
			l.dirty[r.Alert] = r.Event
		}
	}
}

// reload applies what the ledger holds after our last known record.
func (l *lane) reload(ctx context.Context) error {
	from := l.seq + 1
	if l.seq == 0 {
		from = l.oldest
	}
	for m, err := range l.logs.read(ctx, streamLedger, l.subject, from) {
		if err != nil {
			return err
		}
		r, err := decode[Record](m.Data)
		if err != nil {
			return err
		}
		l.apply(m.Sequence, r)
	}
	return nil
}
