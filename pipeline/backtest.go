package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"time"

	"tocsin"
	"tocsin/pipeline/fold"
	"tocsin/pipeline/watchlist"
	"tocsin/pipeline/watchlist/engine"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// BacktestConfig says what is tried on what is stored.
type BacktestConfig struct {
	Since    time.Time                  // items stored from then on; zero means all
	Rules    map[string]*watchlist.Rule // by any name: two versions of one watchlist, say
	Progress func(done, total uint64)   // records of ITEMS, now and then and at the end; nil means nobody looks
}

// A Hit is a stored item that one of the rules finds.
type Hit struct {
	Stored
	Statement uint64                      // the Seq of the first hit that is the same statement: its own, unless it is a copy or a revision
	Results   map[string]watchlist.Result // of the rules that find it, by their names
}

// BacktestStats are what a backtest did. The times are of processors.
type BacktestStats struct {
	Items, Bytes     int           // read; bytes as stored
	Failed           int           // items that could not be read or matched
	Hits, Statements int           // items that a rule finds, and statements that they are
	Read             time.Duration // all but the following, what a server in this process does included; 0 where the system does not tell
	Decode, Match    time.Duration
}

// Backtest holds rules against what ITEMS holds and calls hit with what they find,
// in the order of ITEMS, while it reads on. Items that say the same are one
// statement, as for alerts.
func (l *Logs) Backtest(ctx context.Context, cfg BacktestConfig, hit func(Hit)) (BacktestStats, error) {
	if cfg.Progress == nil {
		cfg.Progress = func(uint64, uint64) {}
	}
	from, err := l.seqAt(ctx, l.items, cfg.Since)
	if err != nil {
		return BacktestStats{}, fmt.Errorf("backtest: %w", err)
	}
	info, err := l.items.Info(ctx)
	if err != nil {
		return BacktestStats{}, fmt.Errorf("backtest: %w", err)
	}
	w, err := l.wanted(ctx, "sources.*")
	if err != nil {
		return BacktestStats{}, fmt.Errorf("backtest: %w", err)
	}
	b := &backtest{
		logs: l, cfg: cfg, from: from, to: info.State.LastSeq, source: w.Source,
		work: make(chan *lot), order: make(chan *lot, 2*runtime.GOMAXPROCS(0)),
	}
	stats, err := b.run(ctx, hit)
	if err != nil {
		return stats, fmt.Errorf("backtest: %w", err)
	}
	return stats, nil
}

// A backtest reads, decodes and matches at the same time.
type backtest struct {
	logs     *Logs
	cfg      BacktestConfig
	from, to uint64 // sequences of ITEMS
	source   func(id string) tocsin.Source
	work     chan *lot
	order    chan *lot
}

// A lot is some items that follow one another in ITEMS.
type lot struct {
	last  uint64 // sequence of ITEMS that it goes up to
	seqs  []uint64
	data  [][]byte
	done  chan struct{} // closed once the following are set
	hits  []Hit         // without Statement
	stats BacktestStats
	err   error
}

const lotSize = 256

func (b *backtest) run(ctx context.Context, hit func(Hit)) (stats BacktestStats, err error) {
	began := cpuTime()
	if b.from > b.to {
		b.cfg.Progress(0, 0)
		return stats, nil
	}
	var changes []engine.Change
	for name, r := range b.cfg.Rules {
		changes = append(changes, engine.Change{Name: name, Rule: r})
	}
	index := engine.New().With(changes...)
	g, run := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(b.work)
		defer close(b.order)
		return b.read(run)
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			runtime.LockOSThread() // whose time is asked for
			m := index.Matcher()
			for lot := range b.work {
				b.match(lot, m)
				close(lot.done)
			}
			return nil
		})
	}
	var told told
	for lot := range b.order {
		<-lot.done
		if err = lot.err; err != nil {
			break
		}
		stats.add(lot.stats)
		for _, h := range lot.hits {
			h.Statement = told.statement(h.Stored)
			hit(h)
		}
		stats.Hits, stats.Statements = stats.Hits+len(lot.hits), told.n
		b.cfg.Progress(lot.last-b.from+1, b.to-b.from+1)
	}
	if err != nil { // the reader may wait to hand over more
		g.Go(func() error { return err })
		for range b.order {
		}
	}
	err = errors.Join(err, g.Wait())
	stats.Read = max(0, cpuTime()-began-stats.Decode-stats.Match)
	return stats, err
}

func (s *BacktestStats) add(o BacktestStats) {
	s.Items, s.Bytes, s.Failed = s.Items+o.Items, s.Bytes+o.Bytes, s.Failed+o.Failed
	s.Decode, s.Match = s.Decode+o.Decode, s.Match+o.Match
}

// errEnd ends a reading of ITEMS.
var errEnd = errors.New("end")

// read divides ITEMS into lots. An ordered consumer costs less than half of what
// requests for so many records at a time cost.
func (b *backtest) read(ctx context.Context) error {
	next := &lot{done: make(chan struct{})}
	hand := func() error {
		for _, to := range []chan *lot{b.order, b.work} {
			select {
			case to <- next:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		next = &lot{done: make(chan struct{})}
		return nil
	}
	err := follow(ctx, b.logs.items, b.from, slog.New(slog.DiscardHandler), func(m jetstream.Msg, meta *jetstream.MsgMetadata) error {
		next.last = meta.Sequence.Stream
		if next.last <= b.to && strings.HasPrefix(m.Subject(), "items.") {
			next.seqs, next.data = append(next.seqs, next.last), append(next.data, m.Data())
		}
		end := next.last >= b.to || meta.NumPending == 0
		if end {
			next.last = b.to
		}
		if len(next.data) == lotSize || end {
			if err := hand(); err != nil {
				return err
			}
		}
		if end {
			return errEnd
		}
		return nil
	})
	if errors.Is(err, errEnd) {
		return nil
	}
	return errors.Join(err, ctx.Err())
}

// match decodes and matches a lot.
func (b *backtest) match(l *lot, m *engine.Matcher) {
	begin := threadTime()
	items := make([]tocsin.Item, len(l.data))
	good := make([]bool, len(l.data))
	for i, data := range l.data {
		l.stats.Items, l.stats.Bytes = l.stats.Items+1, l.stats.Bytes+len(data)
		good[i] = json.Unmarshal(data, &items[i]) == nil && items[i].V <= tocsin.Format
		if good[i] {
			if items[i].Page != nil || !items[i].Withdrawn.IsZero() { // of a revision that was counted
				l.stats.Items--
			}
			continue
		}
		if _, err := decode[tocsin.Item](data); err != nil {
			if newer, ok := errors.AsType[*NewerError](err); ok {
				l.err = newer
				return
			}
		}
		l.stats.Failed++
	}
	l.data = nil
	decoded := threadTime()
	l.stats.Decode = decoded - begin
	for i, it := range items {
		if good[i] && !b.try(l, m, Stored{l.seqs[i], it}) {
			l.stats.Failed++
		}
	}
	l.stats.Match = threadTime() - decoded
}

// try matches one item. One that panics must not end a person's command.
func (b *backtest) try(l *lot, m *engine.Matcher, s Stored) (well bool) {
	defer func() { well = recover() == nil }()
	doc := Document(s.Item, b.source(s.Item.Source))
	var results map[string]watchlist.Result
	m.Match(doc, func(name string) {
		if res, ok := b.cfg.Rules[name].Match(doc); ok {
			if results == nil {
				results = map[string]watchlist.Result{}
			}
			results[name] = res
		}
	})
	if results != nil {
		l.hits = append(l.hits, Hit{Stored: s, Results: results})
	}
	return true
}

// told tells which hits are one statement.
type told struct {
	n     int
	index fold.Index
	items map[itemKey]uint64
}

func (t *told) statement(s Stored) uint64 {
	if t.items == nil {
		t.items = map[itemKey]uint64{}
	}
	key := itemKey{s.Item.Source, s.Item.ID}
	sketch := fold.Of(s.Item.Title, s.Item.Said(), s.Item.Lang)
	first, known := t.items[key]
	if !known {
		if d := t.index.Decide(fold.Member{Source: s.Item.Source, Item: s.Item.ID}, sketch, s.Item.Seen); d.Kind == fold.Same {
			first, _ = strconv.ParseUint(d.Statement, 10, 64)
		} else {
			first = s.Seq
			t.n++
		}
		t.items[key] = first
	}
	t.index.Add(strconv.FormatUint(first, 10), fold.Member{Source: s.Item.Source, Item: s.Item.ID}, sketch, s.Item.Seen)
	return first
}
