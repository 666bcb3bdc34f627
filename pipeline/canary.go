package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tocsin"
	"tocsin/pipeline/watchlist"

	"github.com/nats-io/nats.go/jetstream"
)

// CanarySource is the source of the canary: a statement of tocsin's own that goes
// the way of all others, from the fetch to a destination and back, so that a
// stage that stands still is noticed though nothing happens in the world.
//
// Its records are in a log of their own, which keeps a day: no alert, count,
// search or backup holds them.
const CanarySource = "tocsin-canary"

// CanaryTitle is the title of every canary.
const CanaryTitle = "tocsin canary"

const (
	canaryItems  = "canary.items"
	canaryAlerts = "canary.alerts"
	canarySent   = "canary.sent"

	canaryKey  = "_canary.key" // in SOURCES; no source's name begins like it
	canaryBack = 10 * time.Minute
)

// canaryRule is what matches the canary, as a watchlist's rule would.
var canaryRule = func() *watchlist.Rule {
	q, err := watchlist.Parse(`title:"` + CanaryTitle + `"`)
	if err != nil {
		panic(err) // it is part of the program
	}
	r, err := q.Resolve(nil, false)
	if err != nil {
		panic(err)
	}
	return r
}()

// A canaryStep is a record of the canary's way behind ITEMS.
type canaryStep struct {
	V     int         `json:"v"`
	At    time.Time   `json:"at"`
	Of    uint64      `json:"of"` // the sequence of the record that it follows from
	Item  tocsin.Item `json:"item"`
	Found []string    `json:"found,omitempty"` // watchlists of people that match it: told to nobody
}

// itemsOf is where the items of a source are stored.
func itemsOf(source string) (stream, subject string) {
	if source == CanarySource {
		return streamCanary, canaryItems
	}
	return streamItems, "items." + source
}

// CanaryKey is the key by which canaries of this installation are signed.
func (l *Logs) CanaryKey(ctx context.Context) ([]byte, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	_, err := l.sources.Create(ctx, canaryKey, key)
	switch {
	case err == nil:
		return key, nil
	case !errors.Is(err, jetstream.ErrKeyExists):
		return nil, fmt.Errorf("make the canary's key: %w", err)
	}
	e, err := l.sources.Get(ctx, canaryKey)
	if err != nil {
		return nil, fmt.Errorf("read the canary's key: %w", err)
	}
	return e.Value(), nil
}

// A Canary is how far the newest canaries have come.
type Canary struct {
	Stored, Matched, Sent time.Time     // when the newest to get there was published; zero if none did within a day
	Took                  time.Duration // of the newest that was sent, from its fetch to the destination and back
}

// Canary tells how far the newest canaries have come.
func (l *Logs) Canary(ctx context.Context) (c Canary, err error) {
	stored, err := lastCanary[tocsin.Item](ctx, l, canaryItems)
	if err != nil {
		return c, err
	}
	matched, err := lastCanary[canaryStep](ctx, l, canaryAlerts)
	if err != nil {
		return c, err
	}
	sent, err := lastCanary[canaryStep](ctx, l, canarySent)
	c = Canary{Stored: stored.Published, Matched: matched.Item.Published, Sent: sent.Item.Published}
	if !sent.At.IsZero() {
		c.Took = sent.At.Sub(sent.Item.Seen)
	}
	return c, err
}

func lastCanary[T any](ctx context.Context, l *Logs, subject string) (v T, err error) {
	m, err := lastRecord(ctx, l.b, streamCanary, subject)
	if m == nil || err != nil {
		return v, err
	}
	return decode[T](m.Data)
}

// step appends what follows from a canary's record, once among all processes.
func (l *Logs) canaryStep(ctx context.Context, subject string, s canaryStep) error {
	last, err := lastRecord(ctx, l.b, streamCanary, subject)
	if err != nil {
		return err
	}
	expect := uint64(0)
	if last != nil {
		if have, err := decode[canaryStep](last.Data); err != nil || have.Of >= s.Of {
			return err
		}
		expect = last.Sequence
	}
	s.V, s.At = 2, time.Now().UTC()
	_, err = appendTo(ctx, l.b, subject, s, jetstream.WithExpectLastSequencePerSubject(expect))
	if _, moved := errors.AsType[*errMoved](err); moved {
		return nil // another process was first
	}
	return err
}

// followCanary calls next with the canaries that reach a subject, those of the
// last minutes first. What goes wrong with one is told by the next that does not
// come through.
func (l *Logs) followCanary(ctx context.Context, subject string, log *slog.Logger, next func(seq uint64, data []byte) error) error {
	stream, err := l.b.JS.Stream(ctx, streamCanary)
	if err != nil {
		return fmt.Errorf("open stream %s: %w", streamCanary, err)
	}
	from, err := l.seqAt(ctx, stream, time.Now().Add(-canaryBack))
	if err != nil {
		return err
	}
	return follow(ctx, stream, from, log, func(m jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if m.Subject() != subject {
			return nil
		}
		if err := next(meta.Sequence.Stream, m.Data()); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "canary lost", "at", subject, "err", err)
		}
		return nil
	})
}

// canaries matches canaries: by the engine, so that one which stands still is
// noticed, and by their own rule.
func (m *matcher) canaries(ctx context.Context) error {
	return m.logs.followCanary(ctx, canaryItems, m.log, func(seq uint64, data []byte) error {
		it, err := decode[tocsin.Item](data)
		if err != nil {
			return err
		}
		doc := Document(it, tocsin.Source{ID: CanarySource})
		found := m.hits(doc, m.view.snapshot())
		m.deciding.Lock() // who decides must be able to
		holds := canaryRule.Holds(doc)
		m.deciding.Unlock()
		if !holds {
			return fmt.Errorf("the rule of the canary does not match %q", it.Title)
		}
		return m.logs.canaryStep(ctx, canaryAlerts, canaryStep{Of: seq, Item: it, Found: found})
	})
}

// sendCanaries delivers canaries to their destination and looks for them there.
func (cfg Config) sendCanaries(ctx context.Context, logs *Logs) error {
	return logs.followCanary(ctx, canaryAlerts, cfg.Log, func(seq uint64, data []byte) error {
		s, err := decode[canaryStep](data)
		if err != nil {
			return err
		}
		at := time.Now().UTC()
		d := tocsin.Delivery{
			ID: fmt.Sprintf("canary-%d", seq), Kind: tocsin.Post, To: tocsin.Destination{Name: CanarySource, Kind: "canary"},
			Alert: tocsin.Alert{
				ID: fmt.Sprintf("canary-%d", seq), Opened: at, Excerpt: s.Item.Text,
				Copies: []tocsin.Copy{{Source: CanarySource, Item: s.Item.ID, Rev: s.Item.Rev, Title: s.Item.Title, Published: s.Item.Published, Seen: s.Item.Seen}},
			},
			Since: at, NotAfter: at.Add(intentHold),
		}
		if err := cfg.deliverCanary(ctx, d); err != nil {
			return err
		}
		return logs.canaryStep(ctx, canarySent, canaryStep{Of: seq, Item: s.Item})
	})
}

func (cfg Config) deliverCanary(ctx context.Context, d tocsin.Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	ready, err := cfg.Prepare(ctx, d)
	if err != nil {
		return err
	}
	defer ready.Close()
	sent, err := ready.Send(ctx)
	if err != nil {
		return err
	}
	back, found, err := cfg.Find(ctx, d)
	if err == nil && (!found || back != sent) {
		err = errors.New("it was sent and is not there")
	}
	return err
}
