package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"tocsin"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
	"golang.org/x/sync/errgroup"
)

// Logs are the logs and buckets of a Bus. They are safe for concurrent use.
type Logs struct {
	b *Bus

	items, alerts, ledger, watchlog jetstream.Stream

	sources, watch jetstream.KeyValue

	batches *batcher
}

// OpenLogs opens what Setup created.
func OpenLogs(ctx context.Context, b *Bus) (*Logs, error) {
	l := &Logs{b: b, batches: newBatcher(b)}
	g, ctx := errgroup.WithContext(ctx)
	for name, to := range map[string]*jetstream.Stream{
		streamItems: &l.items, streamAlerts: &l.alerts, streamLedger: &l.ledger, streamWatch: &l.watchlog,
	} {
		g.Go(func() (err error) {
			if *to, err = b.JS.Stream(ctx, name); err != nil {
				return fmt.Errorf("open stream %s: %w", name, err)
			}
			return nil
		})
	}
	for name, to := range map[string]*jetstream.KeyValue{bucketSources: &l.sources, bucketWatch: &l.watch} {
		g.Go(func() (err error) {
			if *to, err = b.JS.KeyValue(ctx, name); err != nil {
				return fmt.Errorf("open bucket %s: %w", name, err)
			}
			return nil
		})
	}
	return l, g.Wait()
}

// batchFrom is the number of items from which one atomic batch costs less than
// single appends.
const batchFrom = 10

// Append stores items in the log of their source if its last sequence is expect,
// and returns the sequence of the last one. More than about ten are stored
// together or not at all, up to 1,000. It returns *tocsin.BehindError when the
// log holds something else. An item that is larger than the server takes is
// stored with the end of its text cut and Repaired set.
func (l *Logs) Append(ctx context.Context, source string, expect uint64, items []tocsin.Item) (uint64, error) {
	_, subject := itemsOf(source)
	for len(items) > 0 {
		n := min(len(items), maxBatch)
		if len(items) <= batchFrom {
			n = 1
		}
		seq, err := l.appendItems(ctx, subject, expect, items[:n])
		if moved, ok := errors.AsType[*errMoved](err); ok {
			return 0, &tocsin.BehindError{Source: source, Last: moved.last}
		}
		if err != nil {
			return 0, err
		}
		expect, items = seq, items[n:]
	}
	return expect, nil
}

func (l *Logs) appendItems(ctx context.Context, subject string, expect uint64, items []tocsin.Item) (uint64, error) {
	records := make([][]byte, len(items))
	for i, it := range items {
		r, err := l.encodeItem(it)
		if err != nil {
			return 0, fmt.Errorf("append to %s: %w", subject, err)
		}
		records[i] = r
	}
	if len(records) == 1 {
		return appendTo(ctx, l.b, subject, json.RawMessage(records[0]), jetstream.WithExpectLastSequencePerSubject(expect))
	}
	return l.batches.append(ctx, subject, expect, records)
}

func (l *Logs) encodeItem(it tocsin.Item) ([]byte, error) {
	it.V = firstFormat
	if it.Page != nil || !it.Withdrawn.IsZero() {
		it.V = 2 // an earlier tocsin would take it for the revision
	}
	limit := int(l.b.NC.MaxPayload()) - 4096 // headers
	r, err := json.Marshal(it)
	if err != nil || len(r) <= limit {
		return r, err
	}
	it.Repaired = true
	it.Title = strings.ToValidUTF8(it.Title[:min(len(it.Title), maxField)], "")
	for _, field := range []*string{&it.GUID, &it.URL, &it.Lang} {
		if len(*field) > maxField {
			*field = ""
		}
	}
	for _, field := range []*[]string{&it.Authors, &it.Tags} {
		if len(strings.Join(*field, "")) > maxField {
			*field = nil
		}
	}
	for {
		if r, err = json.Marshal(it); err != nil || len(r) <= limit {
			return r, err
		}
		if !halve(&it) {
			return nil, errors.New("the item is larger than the server takes")
		}
	}
}

// halve shortens the longest part of an item that a reader misses least.
func halve(it *tocsin.Item) bool {
	text := &it.Text
	if it.Page != nil {
		page := *it.Page
		it.Page = &page
		switch {
		case page.Rest != "":
			text = &it.Page.Rest
		case page.Text != "":
			text = &it.Page.Text
		}
	}
	short := strings.ToValidUTF8((*text)[:len(*text)/2], "")
	defer func() { *text = short }()
	return *text != ""
}

// maxField is how many bytes are left of an item's field other than the text
// where the item is larger than the server takes.
const maxField = 4096

// A Stored item is an item with its sequence in ITEMS.
type Stored struct {
	Seq  uint64
	Item tocsin.Item
}

// Item is the record of ITEMS at a sequence. It returns jetstream.ErrMsgNotFound
// where that aged out.
func (l *Logs) Item(ctx context.Context, seq uint64) (tocsin.Item, error) {
	m, err := l.items.GetMsg(ctx, seq)
	if err != nil {
		return tocsin.Item{}, fmt.Errorf("read record %d of ITEMS: %w", seq, err)
	}
	return decode[tocsin.Item](m.Data)
}

// Tail reads the log of a source after a sequence, oldest first.
func (l *Logs) Tail(ctx context.Context, source string, after uint64) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		stream, subject := itemsOf(source)
		for m, err := range l.read(ctx, stream, subject, after+1) {
			if err != nil {
				yield(Stored{}, err)
				return
			}
			it, err := decode[tocsin.Item](m.Data)
			if !yield(Stored{m.Sequence, it}, err) {
				return
			}
		}
	}
}

const (
	readAtOnce    = 256                // records that one request for a log's records asks for
	pendingHeader = "Nats-Num-Pending" // how many records follow in the log
)

// errSilent means that the server did not answer in time. The client library
// then ends a batch as if it were whole.
var errSilent = errors.New("no answer in time")

// read yields the records on subject from a sequence on, oldest first, up to
// what the stream holds when the end is reached. The server may send fewer than
// were asked for: only its word ends a log.
func (l *Logs) read(ctx context.Context, stream, subject string, from uint64) iter.Seq2[*jetstream.RawStreamMsg, error] {
	return func(yield func(*jetstream.RawStreamMsg, error) bool) {
		for pending := ""; pending != "0"; {
			n := 0
			msgs, err := jetstreamext.GetBatch(ctx, l.b.JS, stream, readAtOnce, jetstreamext.GetBatchSubject(subject), jetstreamext.GetBatchSeq(max(from, 1)))
			if err != nil {
				yield(nil, fmt.Errorf("read %s: %w", subject, err))
				return
			}
			for m, err := range msgs {
				if errors.Is(err, jetstreamext.ErrNoMessages) {
					return
				}
				if err != nil {
					yield(nil, fmt.Errorf("read %s: %w", subject, err))
					return
				}
				if !yield(m, nil) {
					return
				}
				n, from, pending = n+1, m.Sequence+1, m.Header.Get(pendingHeader)
			}
			if n == 0 {
				yield(nil, fmt.Errorf("read %s: %w", subject, cmp.Or(ctx.Err(), errSilent)))
				return
			}
		}
	}
}

// firstFormat is the format of records that every tocsin understands, see
// [tocsin.Format].
const firstFormat = 1

// thirdFormat is that of events with a sketch, of what a plan holds, and of all else
// that only readers of the third format take for what it is.
const thirdFormat = 3

// decode reads a stored record. A record of a newer format is an error: what a
// newer tocsin wrote must not be misread.
func decode[T any](data []byte) (T, error) {
	var v T
	var head struct{ V int }
	if err := json.Unmarshal(data, &head); err != nil {
		return v, fmt.Errorf("read record: %w", err)
	}
	if head.V > tocsin.Format {
		return v, &NewerError{head.V}
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("read record: %w", err)
	}
	return v, nil
}

// A NewerError means that a record was written by a newer tocsin.
type NewerError struct{ V int }

func (e *NewerError) Error() string {
	return fmt.Sprintf("record has format %d, this tocsin reads up to %d: upgrade it", e.V, tocsin.Format)
}

// stateChunk is how many bytes of a source's state one key holds: well below the
// largest message that a server takes by default (1 MiB).
const stateChunk = 512 << 10

// Save keeps the state of a source: a cache of its log, which Load may find
// missing.
func (l *Logs) Save(ctx context.Context, source string, state []byte) error {
	sum := sha256.Sum256(state)
	n := max(1, (len(state)+stateChunk-1)/stateChunk)
	// The first chunk goes last: it holds the sum that makes the set valid.
	for i := n - 1; i >= 0; i-- {
		part := state[i*stateChunk : min(len(state), (i+1)*stateChunk)]
		key := source
		if i > 0 {
			key = fmt.Sprintf("%s.%d", source, i)
		} else {
			part = append(fmt.Appendf(nil, "%d %d %x\n", firstFormat, n, sum[:8]), part...)
		}
		if _, err := l.sources.Put(ctx, key, part); err != nil {
			return fmt.Errorf("save state of %s: %w", source, err)
		}
	}
	return nil
}

// Load is what Save kept, or nil if there is nothing or it is not whole.
func (l *Logs) Load(ctx context.Context, source string) ([]byte, error) {
	head, err := l.stateKey(ctx, source)
	if err != nil || head == nil {
		return nil, err
	}
	line, state, _ := bytes.Cut(head, []byte("\n"))
	var v, n int
	var sum string
	if _, err := fmt.Sscan(string(line), &v, &n, &sum); err != nil {
		return nil, nil
	}
	if v > tocsin.Format {
		return nil, &NewerError{v}
	}
	for i := 1; i < n; i++ {
		part, err := l.stateKey(ctx, fmt.Sprintf("%s.%d", source, i))
		if err != nil {
			return nil, err
		}
		state = append(state, part...)
	}
	if h := sha256.Sum256(state); hex.EncodeToString(h[:8]) != sum {
		return nil, nil
	}
	return state, nil
}

func (l *Logs) stateKey(ctx context.Context, key string) ([]byte, error) {
	e, err := l.sources.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load state of %s: %w", key, err)
	}
	return e.Value(), nil
}

// A Quarantined record is what could not be handled, kept for people.
type Quarantined struct {
	V      int          `json:"v"`
	Source string       `json:"source"`
	Reason string       `json:"reason"`
	At     time.Time    `json:"at"`
	Seq    uint64       `json:"seq,omitempty"`  // of an item in ITEMS
	Item   *tocsin.Item `json:"item,omitempty"` // the item
	Hash   string       `json:"hash,omitempty"` // of a document; hex
	Body   []byte       `json:"body,omitempty"` // its first 256 KiB
}

const quarantineBody = 256 << 10

// Quarantine keeps a document that could not be read, once for each body.
func (l *Logs) Quarantine(ctx context.Context, source, reason string, body []byte) error {
	h := sha256.Sum256(body)
	q := Quarantined{Source: source, Reason: reason, Hash: hex.EncodeToString(h[:16]), Body: body[:min(len(body), quarantineBody)]}
	return l.quarantine(ctx, q)
}

func (l *Logs) quarantine(ctx context.Context, q Quarantined) error {
	for m, err := range l.read(ctx, streamItems, "quarantine."+q.Source, 1) {
		if err != nil {
			return err
		}
		if old, err := decode[Quarantined](m.Data); err == nil && old.Hash == q.Hash && old.Seq == q.Seq {
			return nil
		}
	}
	q.V, q.At = firstFormat, time.Now().UTC()
	_, err := appendTo(ctx, l.b, "quarantine."+q.Source, q)
	return err
}

// Condemned are the sources of which a document is in quarantine.
func (l *Logs) Condemned(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	for m, err := range l.read(ctx, streamItems, "quarantine.*", 1) {
		if err != nil {
			return nil, err
		}
		q, err := decode[Quarantined](m.Data)
		if err != nil {
			return nil, err
		}
		if q.Hash != "" {
			out[q.Source] = true
		}
	}
	return out, nil
}

// An Audited record is what AUDIT holds of one change that a person or the
// configuration made.
type Audited struct {
	V      int       `json:"v"`
	At     time.Time `json:"at"`
	Who    string    `json:"who"`
	Before any       `json:"before"`
	After  any       `json:"after"`
	Watch  uint64    `json:"watch,omitempty"` // the WATCH sequence of After
}

// audit records a change. The name of a subscription or a mute is
// "<watchlist>.<destination>".
func (l *Logs) audit(ctx context.Context, kind, name string, a Audited) error {
	a.V, a.At = firstFormat, time.Now().UTC()
	_, err := appendTo(ctx, l.b, auditSubject(kind, name), a)
	return err
}

func auditSubject(kind, name string) string {
	return "audit." + kind + "." + strings.ReplaceAll(name, ".", "-to-")
}
