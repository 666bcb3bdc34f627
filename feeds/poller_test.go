package feeds

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// A memory is a Log that lasts as long as the test, shared by all processes.
type memory struct {
	mu      sync.Mutex
	logs    map[string][]Record
	last    uint64
	states  map[string][]byte
	appends int
	saves   int
	blind   bool // appends whatever is expected: the control
}

func newMemory() *memory {
	return &memory{logs: map[string][]Record{}, states: map[string][]byte{}}
}

func (m *memory) Load(_ context.Context, source string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.states[source], nil
}

func (m *memory) Tail(_ context.Context, source string, after uint64) iter.Seq2[Record, error] {
	m.mu.Lock()
	recs := slices.Clone(m.logs[source])
	m.mu.Unlock()
	return func(yield func(Record, error) bool) {
		for _, r := range recs {
			if r.Seq > after && !yield(r, nil) {
				return
			}
		}
	}
}

func (m *memory) Append(ctx context.Context, source string, expect uint64, items []tocsin.Item) (uint64, error) {
	if len(items) > 10 {
		return m.append(source, expect, items)
	}
	for i := range items {
		last, err := m.append(source, expect, items[i:i+1])
		if err != nil {
			return 0, err
		}
		expect = last
	}
	return expect, nil
}

func (m *memory) append(source string, expect uint64, items []tocsin.Item) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.appends++
	var have uint64
	if n := len(m.logs[source]); n > 0 {
		have = m.logs[source][n-1].Seq
	}
	if have != expect && !m.blind {
		return 0, &tocsin.BehindError{Source: source, Last: have}
	}
	for _, it := range items {
		m.last++
		b, err := json.Marshal(it)
		if err != nil {
			return 0, err
		}
		var stored tocsin.Item
		if err := json.Unmarshal(b, &stored); err != nil {
			return 0, err
		}
		m.logs[source] = append(m.logs[source], Record{m.last, stored})
	}
	return m.last, nil
}

func (m *memory) Save(_ context.Context, source string, state []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	m.states[source] = bytes.Clone(state)
	return nil
}

func (m *memory) items(source string) (out []tocsin.Item) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.logs[source] {
		out = append(out, r.Item)
	}
	return out
}

// A web is what sources publish, by address.
type web struct {
	mu    sync.Mutex
	pages map[string]*page
}

type page struct {
	doc     Document
	version int
	body    []byte // instead of doc
	kind    string // its Content-Type
	err     error
	delay   time.Duration
	moved   string
	ends    string // the address that it redirects to
	asked   []time.Time
	got     int // with a document
	at      int // in flight
	most    int
}

func (w *web) page(url string) *page {
	if w.pages == nil {
		w.pages = map[string]*page{}
	}
	if w.pages[url] == nil {
		w.pages[url] = &page{}
	}
	return w.pages[url]
}

func (w *web) set(url string, f func(p *page)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.page(url)
	f(p)
	p.version++
}

func (w *web) publish(url string, es ...Entry) { w.set(url, func(p *page) { p.doc.Items = es }) }

func (w *web) asked(url string) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.page(url).asked)
}

// gotten is how often a page was given out.
func (w *web) gotten(url string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.page(url).got
}

func (w *web) get(ctx context.Context, url string, v fetch.Validators) (fetch.Response, error) {
	w.mu.Lock()
	p := w.page(url)
	p.asked = append(p.asked, time.Now())
	p.at++
	p.most = max(p.most, p.at)
	delay, err := p.delay, p.err
	etag := fmt.Sprint("v", p.version)
	r := fetch.Response{URL: url, Type: p.kind, Moved: p.moved, Validators: fetch.Validators{ETag: etag}, Unchanged: v.ETag == etag}
	if p.ends != "" {
		r.URL = p.ends
	}
	if !r.Unchanged && err == nil {
		p.got++
		if r.Body = p.body; r.Body == nil {
			r.Body = packed(p.doc)
		}
	}
	w.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	w.mu.Lock()
	p.at--
	w.mu.Unlock()
	r.At = time.Now().UTC()
	if err != nil {
		return fetch.Response{}, err
	}
	return r, nil
}

// testKinds read what a web serves.
var testKinds = []Kind{{Name: "feed", Parse: func(_ tocsin.Source, r fetch.Response) (Document, error) {
	if bytes.HasPrefix(r.Body, []byte("panic")) {
		var d *Document
		return *d, nil
	}
	var d Document
	if err := gob.NewDecoder(bytes.NewReader(r.Body)).Decode(&d); err != nil {
		return Document{}, errors.New("it is no feed: it begins with " + string(r.Body[:min(len(r.Body), 6)]))
	}
	return d, nil
}}}

func packed(d Document) []byte {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(d); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// A bench is a poller on a fake clock with what surrounds it.
type bench struct {
	*Poller
	web      web
	mem      *memory
	mu       sync.Mutex
	troubles []Trouble
	kept     []string
	fetched  int
	stop     func()
}

func newBench(t *testing.T, sources ...tocsin.Source) *bench {
	b := &bench{mem: newMemory()}
	b.Poller = &Poller{
		Log: b.mem, Get: b.web.get, kinds: testKinds, Slog: slog.New(slog.DiscardHandler),
		Report: func(x Trouble) { b.mu.Lock(); b.troubles = append(b.troubles, x); b.mu.Unlock() },
		Quarantine: func(_ context.Context, source, reason string, body []byte) error {
			b.mu.Lock()
			b.kept = append(b.kept, source+": "+reason)
			b.mu.Unlock()
			return nil
		},
		Fetched: func(string, time.Time) { b.mu.Lock(); b.fetched++; b.mu.Unlock() },
	}
	b.Set(sources)
	return b
}

func (b *bench) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	b.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(b.stop)
}

// wantTroubles compares "key state" and "key state over" with what was reported.
func (b *bench) wantTroubles(t *testing.T, want ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var got []string
	for _, x := range b.troubles {
		s := x.Key + " " + string(x.State)
		if x.Over {
			s += " over"
		}
		got = append(got, s)
		if x.Text == "" || x.Title == "" || x.Since.IsZero() || strings.HasSuffix(x.Text, ".") {
			t.Errorf("trouble %+v", x)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("troubles %q, want %q", got, want)
	}
}

func (b *bench) of(id string) SourceStatus {
	for _, s := range b.Status() {
		if s.Source.ID == id {
			return s
		}
	}
	return SourceStatus{}
}

func source(n int) tocsin.Source {
	return tocsin.Source{ID: fmt.Sprintf("s%03d", n), URL: fmt.Sprintf("https://host%03d.example/feed", n), Title: fmt.Sprint("Ministry ", n)}
}

func sources(n int) (out []tocsin.Source) {
	for i := range n {
		out = append(out, source(i))
	}
	return out
}

// after lets time go by.
func after(d time.Duration) { time.Sleep(d); synctest.Wait() }

func netErr() error {
	return &fetch.Error{Kind: fetch.KindTimeout, Where: "host.example/feed", Err: errors.New("no answer")}
}

func TestPollsSoonThenAtItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sources(200)...)
		for _, s := range sources(200) {
			b.web.publish(s.URL, entry(1))
		}
		b.start(t)
		after(firstSpread)
		if n := len(b.mem.logs); n != 200 {
			t.Errorf("%d of 200 sources read after %v", n, firstSpread)
		}
		after(10*time.Minute - firstSpread)
		quarter := map[int]int{}
		for _, s := range sources(200) {
			asked := b.web.asked(s.URL)
			if n := len(asked); n < 10 || n > 12 {
				t.Errorf("%s was asked %d times in 10 minutes", s.ID, n)
			}
			for i := range asked[1:] {
				if gap := asked[i+1].Sub(asked[i]); gap < minPace || gap > 70*time.Second {
					t.Errorf("%s waited %v", s.ID, gap)
				}
			}
			quarter[asked[5].Second()/15]++
		}
		for q := range 4 {
			if quarter[q] < 3 {
				t.Errorf("polls are not spread over the interval: %v by quarter", quarter)
			}
		}
		b.stop()
	})
}

func TestStoresWhatIsNewAndWritesNothingOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.web.publish(s.URL, entries(1, 20)...)
		b.start(t)
		after(10 * time.Minute)
		if b.mem.appends != 1 || b.mem.saves != 1 || len(b.mem.items(s.ID)) != 20 || !b.mem.items(s.ID)[0].Baseline {
			t.Fatalf("%d appends, %d saves, %d items", b.mem.appends, b.mem.saves, len(b.mem.items(s.ID)))
		}
		b.web.publish(s.URL, entries(1, 22)...)
		after(2 * time.Minute)
		if got := b.mem.items(s.ID); len(got) != 22 || got[21].Title != entry(22).Title || got[21].Baseline {
			t.Errorf("%d items, last %+v", len(got), got[len(got)-1])
		}
		saves := b.mem.saves
		for range 30 { // another body, the same entries
			b.web.publish(s.URL, entries(1, 22)...)
			after(90 * time.Second)
		}
		if n := b.mem.saves - saves; n > 1 {
			t.Errorf("%d saves in 45 minutes for other validators alone", n)
		}
		st := b.of(s.ID)
		if st.Condition != OK || st.Items != 22 || st.Known != 22 || st.Polls[PollRead] == 0 || st.Polls[PollUnchanged] == 0 || st.Failures != 0 || st.NewItem.IsZero() {
			t.Errorf("status %+v", st)
		}
		if b.fetched == 0 {
			t.Error("Fetched was never called")
		}
		b.wantTroubles(t)
		b.stop()
	})
}

func TestAFailingSourceIsAskedLessAndRecoversAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ok, bad := source(1), source(2)
		b := newBench(t, ok, bad)
		b.web.publish(ok.URL, entry(1))
		b.web.publish(bad.URL, entry(1))
		b.start(t)
		after(time.Minute)
		b.web.set(bad.URL, func(p *page) { p.err = netErr() })
		after(2 * time.Minute)
		b.wantTroubles(t)
		began := time.Now()
		after(48 * time.Hour)
		b.wantTroubles(t, "source/s002 unreachable")
		var late []time.Time
		for _, at := range b.web.asked(bad.URL) {
			if at.Sub(began) > 24*time.Hour {
				late = append(late, at)
			}
		}
		if len(late) < 24 || len(late) > 28 {
			t.Errorf("asked %d times in the second day, want about once an hour", len(late))
		}
		if st := b.of(bad.ID); st.Condition != Unreachable || st.Failures < 50 || !strings.Contains(st.Err, "no answer") {
			t.Errorf("status %+v", st)
		}
		if n := len(b.web.asked(ok.URL)); n < 48*55 {
			t.Errorf("the other source was asked %d times", n)
		}
		b.web.publish(bad.URL, entry(1), entry(2))
		b.web.set(bad.URL, func(p *page) { p.err = nil })
		after(65 * time.Minute)
		n := len(b.web.asked(bad.URL))
		after(10 * time.Minute)
		if n = len(b.web.asked(bad.URL)) - n; n < 9 {
			t.Errorf("asked %d times in 10 minutes after it recovered", n)
		}
		b.wantTroubles(t, "source/s002 unreachable", "source/s002 unreachable over")
		if got := b.mem.items(bad.ID); len(got) != 2 || got[1].Baseline {
			t.Errorf("%d items; what is new after a failure is told", len(got))
		}
		b.stop()
	})
}

func TestRetryAfterIsHonouredAndNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.web.publish(s.URL, entry(1))
		b.start(t)
		after(time.Second)
		b.web.set(s.URL, func(p *page) {
			p.err = &fetch.Error{Kind: fetch.KindStatus, Status: 429, RetryAfter: 30 * time.Minute, Err: errors.New("429 Too Many Requests")}
		})
		after(2 * time.Minute)
		n := len(b.web.asked(s.URL))
		after(25 * time.Minute)
		if len(b.web.asked(s.URL)) != n {
			t.Error("asked before the time that the server gave")
		}
		if st := b.of(s.ID); st.Condition != Limited || st.Failures != 0 || st.Polls[PollLimited] != 1 {
			t.Errorf("status %+v", st)
		}
		b.wantTroubles(t)
		after(2 * time.Hour)
		b.wantTroubles(t, "source/s001 asked to wait")
		b.web.set(s.URL, func(p *page) { p.err = nil })
		after(time.Hour)
		b.wantTroubles(t, "source/s001 asked to wait", "source/s001 asked to wait over")
		b.stop()
	})
}

func TestWhenMostHostsFailTogetherItIsOurOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := sources(20)
		b := newBench(t, all...)
		for _, s := range all {
			b.web.publish(s.URL, entry(1))
		}
		b.start(t)
		after(5 * time.Minute)
		fail := func(err error) {
			for _, s := range all {
				b.web.set(s.URL, func(p *page) { p.err = err })
			}
		}
		fail(netErr())
		after(6 * time.Hour)
		b.wantTroubles(t, "outage our outage")
		for _, s := range all {
			if st := b.of(s.ID); st.Failures != 0 || time.Until(st.Next) > 70*time.Second || st.Polls[PollOutage] < 300 {
				t.Fatalf("status in an outage %+v", st)
			}
		}
		fail(nil)
		after(2 * time.Minute)
		b.wantTroubles(t, "outage our outage", "outage our outage over")
		for _, s := range all {
			if st := b.of(s.ID); st.Condition != OK || st.Failures != 0 {
				t.Fatalf("status after an outage %+v", st)
			}
		}
		b.stop()
	})
}

func TestAnOutageAtStartIsOursToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := sources(20)
		b := newBench(t, all...)
		for _, s := range all {
			b.web.set(s.URL, func(p *page) { p.err, p.delay = netErr(), time.Second })
		}
		b.start(t)
		after(time.Hour)
		b.wantTroubles(t, "outage our outage")
		b.stop()
	})
}

func TestSomeDeadHostsAreNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := sources(20)
		b := newBench(t, all...)
		for i, s := range all {
			b.web.publish(s.URL, entry(1))
			b.web.set(s.URL, func(p *page) {
				if p.delay = 2 * time.Second; i < 8 { // they fail before any other answers
					p.err, p.delay = netErr(), 0
				}
			})
		}
		b.start(t)
		after(30 * time.Minute)
		if len(b.troubles) != 8 {
			t.Errorf("%d troubles, want 8 of sources", len(b.troubles))
		}
		for _, x := range b.troubles {
			if x.Key == "outage" || x.State != Never {
				t.Errorf("trouble %+v", x)
			}
		}
		b.stop()
	})
}

func TestABuiltInSourceThatNeverAnsweredIsListedOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, h, c, own := source(1), source(2), source(3), source(4)
		a.Builtin, h.Builtin, c.Builtin = true, true, true
		b := newBench(t, a, h, c, own)
		b.web.set(a.URL, func(p *page) { p.err = netErr() })
		b.web.set(h.URL, func(p *page) { p.body = []byte("<html>") })
		b.web.publish(c.URL, entry(1))
		b.web.set(own.URL, func(p *page) { p.err = netErr() })
		b.start(t)
		after(3 * time.Hour)
		b.wantTroubles(t, "source/s004 never answered")
		if st := b.of(a.ID); st.Condition != Never {
			t.Errorf("status %+v", st)
		}
		b.web.set(c.URL, func(p *page) { p.err = netErr() }) // this one has answered
		after(3 * time.Hour)
		b.wantTroubles(t, "source/s004 never answered", "source/s003 unreachable")
		b.stop()
	})
}

func TestWhatCannotBeParsedIsKeptOnceReportedAndTriedAgain(t *testing.T) {
	for body, want := range map[string]Condition{"<html>a page</html>": NoLonger, "panic": ParseFailed} {
		synctest.Test(t, func(t *testing.T) {
			s := source(1)
			b := newBench(t, s)
			b.web.publish(s.URL, entry(1))
			b.start(t)
			after(time.Second)
			b.web.set(s.URL, func(p *page) { p.body = []byte(body) })
			after(2 * time.Hour)
			b.wantTroubles(t, "source/s001 "+string(want))
			if len(b.kept) != 1 {
				t.Errorf("kept %q, want the document once", b.kept)
			}
			if got := b.web.page(s.URL).got; got < 5 {
				t.Errorf("the document was asked for %d times", got)
			}
			if want == ParseFailed && !strings.Contains(b.kept[0], "poller_test.go:") {
				t.Errorf("%q does not say where it panicked", b.kept)
			}
			b.web.set(s.URL, func(p *page) { p.body = nil })
			b.web.publish(s.URL, entry(1), entry(2))
			after(65 * time.Minute)
			b.wantTroubles(t, "source/s001 "+string(want), "source/s001 "+string(want)+" over")
			if n := len(b.mem.items(s.ID)); n != 2 {
				t.Errorf("%d items, want 2", n)
			}
			b.stop()
		})
	}
}

func TestAfterAnUncleanStopTheFirstDocumentIsTriedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, bad := source(1), source(2)
		b := newBench(t, good, bad)
		var probes atomic.Int32
		b.Probe = func(_ context.Context, s tocsin.Source, r fetch.Response) error {
			probes.Add(1)
			if bytes.HasPrefix(r.Body, []byte("deadly")) {
				return errors.New("it killed the process that read it")
			}
			return nil
		}
		b.web.publish(good.URL, entry(1))
		b.web.set(bad.URL, func(p *page) { p.body = []byte("deadly") })
		b.start(t)
		after(3 * time.Hour)
		b.web.publish(good.URL, entry(1), entry(2))
		after(3 * time.Hour)
		if n := probes.Load(); n != 2 {
			t.Errorf("%d probes, want one of each document", n)
		}
		b.wantTroubles(t, "source/s002 quarantined")
		if len(b.kept) != 1 || b.of(bad.ID).Condition != Quarantined {
			t.Errorf("kept %q, status %+v", b.kept, b.of(bad.ID))
		}
		b.web.set(bad.URL, func(p *page) { p.body = nil; p.doc.Items = entries(1, 2) })
		after(2 * time.Hour)
		if n := len(b.mem.items(bad.ID)); n != 2 {
			t.Errorf("%d items after the document changed, want 2", n)
		}
		b.stop()
	})
}

func TestSourcesComeGoAndChangeWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := source(1), source(2)
		b := newBench(t, one)
		b.web.publish(one.URL, entry(1))
		b.web.publish(two.URL, entry(1))
		b.start(t)
		after(time.Minute)
		b.Set([]tocsin.Source{one, two})
		after(firstSpread)
		if len(b.web.asked(two.URL)) != 1 {
			t.Error("a new source was not polled at once")
		}
		b.Set([]tocsin.Source{two})
		n := len(b.web.asked(one.URL))
		after(10 * time.Minute)
		if len(b.web.asked(one.URL)) != n || len(b.Status()) != 1 {
			t.Error("a removed source is still polled or listed")
		}
		two.Every = 10 * time.Second
		b.Set([]tocsin.Source{two})
		n = len(b.web.asked(two.URL))
		after(time.Minute)
		if n = len(b.web.asked(two.URL)) - n; n < 5 {
			t.Errorf("polled %d times in a minute at an interval of 10 s", n)
		}
		old := two.URL
		two.URL = "https://other.example/feed"
		b.web.publish(two.URL, entry(1), entry(7))
		b.web.page(two.URL).version = b.web.page(old).version // an ETag that means nothing there
		b.Set([]tocsin.Source{two})
		after(time.Minute)
		if got := b.mem.items(two.ID); len(got) != 2 || got[1].Baseline {
			t.Errorf("%d items after its address changed, want the new one too", len(got))
		}
		b.stop()
	})
}

func TestValidatorsOfAnotherAddressAreNotUsedAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.web.publish(s.URL, entry(1))
		b.start(t)
		after(time.Minute)
		b.stop()
		s.URL = "https://other.example/feed"
		c := newBench(t, s)
		c.Log = b.mem
		c.Get = func(ctx context.Context, url string, v fetch.Validators) (fetch.Response, error) {
			if v != (fetch.Validators{}) {
				t.Errorf("asked %s with %+v", url, v)
			}
			return fetch.Response{}, netErr()
		}
		c.start(t)
		after(time.Second)
		c.stop()
	})
}

func TestASourceIsPolledOnceAtATimeAndAHostTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []tocsin.Source
		for n := range 30 {
			s := source(n)
			s.URL = fmt.Sprintf("https://one.example/feed/%d", n)
			s.Every = 10 * time.Second
			all = append(all, s)
		}
		other := source(99)
		b := newBench(t, append(all, other)...)
		b.Workers = 4
		var now, most atomic.Int32
		b.Get = func(ctx context.Context, url string, v fetch.Validators) (fetch.Response, error) {
			if strings.Contains(url, "one.example") {
				n := now.Add(1)
				most.Store(max(most.Load(), n))
				defer now.Add(-1)
			}
			return b.web.get(ctx, url, v)
		}
		for _, s := range all {
			b.web.set(s.URL, func(p *page) { p.doc.Items = entries(1, 2); p.delay = 3 * time.Second })
		}
		b.web.publish(other.URL, entry(1))
		b.start(t)
		for range 60 { // setting them again changes nothing
			after(10 * time.Second)
			b.Set(append(all, other))
		}
		if n := most.Load(); n != 2 {
			t.Errorf("%d polls of a host at a time, want 2", n)
		}
		for _, s := range all {
			p := b.web.page(s.URL)
			if p.most > 1 {
				t.Errorf("%s had %d polls in flight", s.ID, p.most)
			}
			if len(p.asked) < 10 {
				t.Errorf("%s was asked %d times in 10 minutes: it starves", s.ID, len(p.asked))
			}
		}
		if n := len(b.web.asked(other.URL)); n < 9 {
			t.Errorf("the other host was asked %d times", n)
		}
		b.stop()
	})
}

func TestARemovedSourceThatComesBackInFlightIsPolledByOneOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.web.set(s.URL, func(p *page) { p.doc.Items = entries(1, 2); p.delay = 30 * time.Second })
		b.start(t)
		after(10 * time.Second)
		b.Set(nil)
		after(time.Second)
		b.Set([]tocsin.Source{s})
		after(10 * time.Minute)
		if p := b.web.page(s.URL); p.most != 1 || len(p.asked) < 5 {
			t.Errorf("%d polls at a time, %d in all", p.most, len(p.asked))
		}
		b.stop()
	})
}

func TestASourceThatIsRemovedInFlightIsNotPolledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.web.set(s.URL, func(p *page) { p.doc.Items = entries(1, 2); p.delay = 30 * time.Second })
		b.start(t)
		after(10 * time.Second)
		b.Set(nil)
		after(time.Hour)
		if n := len(b.web.asked(s.URL)); n != 1 || len(b.Status()) != 0 || len(b.tasks) != 0 {
			t.Errorf("asked %d times, %d listed", n, len(b.Status()))
		}
		b.stop()
	})
}

func TestARevisionByAnotherPollerIsKnownBeforeAnythingIsTakenForKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.web.publish(s.URL, entry(1), entry(2))
		var asked []fetch.Validators
		b.Get = func(ctx context.Context, url string, v fetch.Validators) (fetch.Response, error) {
			b.mu.Lock()
			asked = append(asked, v)
			b.mu.Unlock()
			return b.web.get(ctx, url, v)
		}
		b.start(t)
		after(time.Minute)
		other := b.mem.items(s.ID)[0] // another poller saw another text, and died
		other.Rev, other.Text = 2, other.Text+" revised"
		if _, err := b.mem.Append(t.Context(), s.ID, 2, []tocsin.Item{other}); err != nil {
			t.Fatal(err)
		}
		b.web.publish(s.URL, entry(1), entry(2)) // which is gone again
		b.mu.Lock()
		asked = nil
		b.mu.Unlock()
		after(70 * time.Second)
		if got := b.mem.items(s.ID); len(got) != 4 || got[3].Rev != 3 || got[3].Text != entry(2).Text {
			t.Errorf("%d items, want the log to end with what the source says", len(got))
		}
		if len(asked) != 2 || asked[1] != (fetch.Validators{}) {
			t.Errorf("asked with %+v, want the second time for everything", asked)
		}
		b.stop()
	})
}

func TestARevisionThatCameBeforeAStartIsKnownThoughTheDocumentHasNotChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.web.publish(s.URL, entry(1), entry(2))
		b.start(t)
		after(time.Minute)
		b.stop()
		other := b.mem.items(s.ID)[0]
		other.Rev, other.Text = 2, other.Text+" revised"
		if _, err := b.mem.Append(t.Context(), s.ID, 2, []tocsin.Item{other}); err != nil {
			t.Fatal(err)
		}
		c := newBench(t, s)
		c.Log, c.Get = b.mem, b.web.get
		c.start(t)
		after(time.Minute)
		if got := b.mem.items(s.ID); len(got) != 4 || got[3].Text != entry(2).Text {
			t.Errorf("%d items, want the log to end with what the source says", len(got))
		}
		c.stop()
	})
}

func TestWhatWasFetchedIsStoredWhenItIsToldToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		slow := &slowLog{memory: b.mem, by: 10 * time.Second}
		b.Log = slow
		b.web.publish(s.URL, entries(1, 5)...)
		b.start(t)
		after(15 * time.Second) // it is storing
		b.stop()
		if n := len(b.mem.items(s.ID)); n != 5 || b.mem.saves != 1 {
			t.Errorf("%d items and %d saves, want 5 and 1", n, b.mem.saves)
		}
	})
}

type slowLog struct {
	*memory
	by time.Duration
}

func (l *slowLog) Append(ctx context.Context, source string, expect uint64, items []tocsin.Item) (uint64, error) {
	select {
	case <-time.After(l.by):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return l.memory.Append(ctx, source, expect, items)
}

func (l *slowLog) Load(ctx context.Context, source string) ([]byte, error) {
	time.Sleep(l.by)
	return l.memory.Load(ctx, source)
}

func TestALogThatFailsIsOneTroubleAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := sources(10)
		b := newBench(t, all...)
		full := &fullLog{memory: b.mem}
		b.Log = full
		for _, s := range all {
			b.web.publish(s.URL, entries(1, 2)...)
		}
		b.start(t)
		after(time.Minute)
		full.full.Store(true)
		for i, s := range all {
			if i < 5 {
				b.web.publish(s.URL, entries(1, 4)...)
			} else {
				b.web.publish(s.URL, entries(1, 2)...) // read, with nothing to store
			}
		}
		after(time.Hour)
		b.wantTroubles(t, "log not stored")
		if st := b.of(all[0].ID); st.Condition != NotStored || st.Failures != 0 || st.Polls[PollNotStored] < 50 {
			t.Errorf("status %+v", st)
		}
		full.full.Store(false)
		after(2 * time.Minute)
		b.wantTroubles(t, "log not stored", "log not stored over")
		for i, s := range all[:5] {
			if n := len(b.mem.items(s.ID)); n != 4 {
				t.Errorf("source %d: %d items, want 4", i, n)
			}
		}
		b.stop()
	})
}

type fullLog struct {
	*memory
	full atomic.Bool
}

func (l *fullLog) Append(ctx context.Context, source string, expect uint64, items []tocsin.Item) (uint64, error) {
	if l.full.Load() {
		return 0, errors.New("no space left on device")
	}
	return l.memory.Append(ctx, source, expect, items)
}

func TestALostStateIsRebuiltFromTheLogAndNothingIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.web.publish(s.URL, entries(1, 20)...)
		b.start(t)
		after(time.Minute)
		b.stop()
		for _, state := range [][]byte{nil, []byte("damaged state"), b.mem.states[s.ID][:50]} {
			b.mem.states[s.ID] = state
			c := newBench(t, s)
			c.Log, c.mem = b.mem, b.mem
			c.web.publish(s.URL, entries(1, 20)...)
			c.start(t)
			after(time.Minute)
			if n := len(b.mem.items(s.ID)); n != 20 {
				t.Errorf("%d items, want 20", n)
			}
			c.stop()
		}
		b.mem.states[s.ID] = nil
		c := newBench(t, s)
		c.Log = b.mem
		c.web.publish(s.URL, entries(5, 21)...)
		c.start(t)
		after(time.Minute)
		if got := b.mem.items(s.ID); len(got) != 21 || got[20].Baseline {
			t.Errorf("%d items, want the new one told", len(got))
		}
		c.stop()
	})
}

func TestAStateOfANewerTocsinStopsTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.mem.states[s.ID] = []byte{stateMagic, stateVersion + 1, 0, 0, 0, 0, 0}
		b.web.publish(s.URL, entry(1))
		b.start(t)
		after(time.Hour)
		b.wantTroubles(t, "log not stored")
		if len(b.web.asked(s.URL)) != 0 || !strings.Contains(b.of(s.ID).Err, "upgrade") {
			t.Errorf("status %+v", b.of(s.ID))
		}
		b.stop()
	})
}

func TestALogThatWasCutIsWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.web.publish(s.URL, entries(1, 3)...)
		b.start(t)
		after(time.Minute)
		b.mem.mu.Lock()
		b.mem.logs[s.ID] = nil // all of it has aged out
		b.mem.mu.Unlock()
		b.web.publish(s.URL, entries(1, 4)...)
		after(2 * time.Minute)
		if got := b.mem.items(s.ID); len(got) != 1 || got[0].Title != entry(4).Title {
			t.Errorf("%d items, want the new one", len(got))
		}
		b.stop()
	})
}

func TestALargeStateIsNotKeptInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		n := keepEntries + 100
		b.web.publish(s.URL, entries(1, n)...)
		b.start(t)
		after(time.Minute)
		for i := range 3 {
			if b.tasks[s.ID].state != nil {
				t.Fatal("the state is still there")
			}
			b.web.publish(s.URL, entries(1, n+i+1)...)
			after(2 * time.Minute)
			if got := len(b.mem.items(s.ID)); got != n+i+1 {
				t.Fatalf("%d items, want %d", got, n+i+1)
			}
		}
		b.stop()
	})
}

func TestATextThatStaysAfterFlappingIsPublishedThoughNothingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		x, y := entry(1), entry(1)
		y.Text += " second version"
		b.web.publish(s.URL, x, entry(2))
		b.start(t)
		for _, e := range []Entry{y, x, y} {
			after(2 * time.Minute)
			b.web.publish(s.URL, e, entry(2))
		}
		after(2 * time.Minute)
		if n := len(b.mem.items(s.ID)); n != 4 {
			t.Fatalf("%d items while it flaps, want 2 and two revisions", n)
		}
		after(25 * time.Hour)
		got := b.mem.items(s.ID)
		if len(got) != 5 || got[4].Text != y.Text || got[4].Rev != 4 {
			t.Errorf("%d items, last %q", len(got), got[len(got)-1].Text)
		}
		b.wantTroubles(t, "source/s001/flapping flapping", "source/s001/flapping flapping over")
		b.stop()
	})
}

func TestEmptyAndRepairedSourcesAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, r, moved := source(1), source(2), source(3)
		b := newBench(t, e, r, moved)
		for _, s := range []tocsin.Source{e, r, moved} {
			b.web.publish(s.URL, entry(1))
		}
		b.start(t)
		after(time.Minute)
		b.web.publish(e.URL)
		after(10 * time.Minute)
		if st := b.of(e.ID); st.Condition != Empty {
			t.Errorf("status %+v", st)
		}
		b.web.publish(e.URL, entry(1))
		after(2 * time.Minute)
		b.web.set(r.URL, func(p *page) { p.doc.Repairs = []string{"a bare & was read as text"} })
		after(10 * time.Minute)
		if st := b.of(r.ID); st.Condition != Repaired || len(st.Repairs) != 1 {
			t.Errorf("status %+v", st)
		}
		b.web.set(r.URL, func(p *page) { p.doc.Repairs = nil })
		after(2 * time.Minute)
		b.web.set(moved.URL, func(p *page) { p.moved = "https://new.example/feed" })
		after(10 * time.Minute)
		b.wantTroubles(t, "source/s001 empty", "source/s001 empty over", "source/s002 repaired", "source/s002 repaired over", "source/s003/moved moved")
		b.stop()
	})
}

func TestAMigrationIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.web.publish(s.URL, entries(1, 20)...)
		b.start(t)
		after(time.Minute)
		b.web.publish(s.URL, change(entries(1, 20), func(e *Entry) { e.GUID, e.URL = "n"+e.GUID, e.URL+"/n" })...)
		after(30 * time.Minute)
		b.wantTroubles(t, "source/s001/migrated migrated")
		after(time.Hour)
		b.wantTroubles(t, "source/s001/migrated migrated", "source/s001/migrated migrated over")
		if n := len(b.mem.items(s.ID)); n != 20 {
			t.Errorf("%d items, want 20", n)
		}
		b.stop()
	})
}

func TestARemovedSourcesTroubleIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(1)
		b := newBench(t, s)
		b.web.set(s.URL, func(p *page) { p.body = []byte("<html>") })
		b.start(t)
		after(time.Minute)
		b.Set(nil)
		after(time.Minute)
		b.wantTroubles(t, "source/s001 not a feed", "source/s001 not a feed over")
		b.stop()
	})
}

// A process is a poller that can be frozen and killed: a dead one's calls do
// nothing more.
type process struct {
	*memory
	rng    *rand.Rand
	mu     sync.Mutex
	dead   atomic.Bool
	kill   func()
	freeze time.Duration // at most
	crash  float64       // chance, between Append and Save
}

var errDead = errors.New("the process is dead")

func (p *process) chance() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rng.Float64()
}

// step is where a process may be paused or found dead.
func (p *process) step() error {
	if c := p.chance(); c < 0.3 {
		time.Sleep(time.Duration(p.chance() * float64(p.freeze)))
	}
	if p.dead.Load() {
		return errDead
	}
	return nil
}

func (p *process) die() error {
	p.dead.Store(true)
	p.kill()
	return errDead
}

func (p *process) Load(ctx context.Context, source string) ([]byte, error) {
	if err := p.step(); err != nil {
		return nil, err
	}
	return p.memory.Load(ctx, source)
}

func (p *process) Append(ctx context.Context, source string, expect uint64, items []tocsin.Item) (uint64, error) {
	size := len(items)
	if size <= 10 {
		size = 1
	}
	for len(items) > 0 {
		if err := p.step(); err != nil {
			return 0, err
		}
		last, err := p.memory.Append(ctx, source, expect, items[:size])
		if err != nil {
			return 0, err
		}
		if p.chance() < p.crash {
			return 0, p.die()
		}
		expect, items = last, items[size:]
	}
	return expect, nil
}

func (p *process) Save(ctx context.Context, source string, state []byte) error {
	if err := p.step(); err != nil {
		return err
	}
	return p.memory.Save(ctx, source, state)
}

// race lets two pollers that freeze and die share sources, and counts what is
// missing from the log and what is in it twice.
func race(t *testing.T, seed uint64, blind bool) (lost, twice, crashes, published int) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 1))
		mem := newMemory()
		mem.blind = blind
		var w web
		srcs := sources(4)
		says := map[string]map[int]string{}
		docs := map[string][]Entry{}
		for i, s := range srcs {
			srcs[i].Every = 10 * time.Second
			says[s.ID] = map[int]string{}
			docs[s.ID] = entries(1, 3)
			w.publish(s.URL, docs[s.ID]...)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		var died atomic.Int32
		for owner := range 2 {
			all.Go(func() {
				for life := 0; ctx.Err() == nil; life++ {
					alive, kill := context.WithCancel(ctx)
					pr := &process{memory: mem, rng: rand.New(rand.NewPCG(seed, uint64(owner*1000+life))), freeze: 40 * time.Second, crash: 0.05}
					pr.kill = func() { died.Add(1); kill() }
					p := &Poller{Log: pr, kinds: testKinds, Slog: slog.New(slog.DiscardHandler), Get: func(ctx context.Context, url string, v fetch.Validators) (fetch.Response, error) {
						r, err := w.get(ctx, url, v)
						_ = pr.step() // what it read grows old
						return r, err
					}}
					p.Set(srcs)
					if err := p.Run(alive); err != nil {
						t.Error(err)
					}
					kill()
				}
			})
		}
		for n := 4; n < 200; n++ {
			time.Sleep(time.Duration(rng.IntN(20)) * time.Second)
			s := srcs[rng.IntN(len(srcs))]
			es := slices.Clone(docs[s.ID])
			switch rng.IntN(4) {
			case 0: // an edit
				i := rng.IntN(len(es))
				es[i].Text = fmt.Sprint(es[i].Text, " edit ", n)
			default:
				for range 1 + rng.IntN(3) {
					es = append([]Entry{entry(n)}, es...)
					n++
				}
			}
			docs[s.ID] = es
			w.publish(s.URL, es...)
		}
		time.Sleep(30 * time.Minute)
		cancel()
		all.Wait()
		crashes = int(died.Load())
		for _, s := range srcs {
			last := map[string]tocsin.Item{}
			texts := map[string]int{}
			for _, it := range mem.items(s.ID) {
				last[it.GUID] = it
				texts[it.Title+"\x00"+it.Text]++
				if texts[it.Title+"\x00"+it.Text] > 1 {
					twice++
				}
			}
			for _, e := range docs[s.ID] {
				published++
				if last[e.GUID].Text != e.Text {
					lost++
				}
			}
		}
	})
	return lost, twice, crashes, published
}

func TestTwoPollersThatFreezeAndCrashLoseAndRepeatNothing(t *testing.T) {
	runs := uint64(20)
	if testing.Short() {
		runs = 4
	}
	var lost, twice, crashes, published int
	for seed := range runs {
		l, w, c, p := race(t, seed, false)
		lost, twice, crashes, published = lost+l, twice+w, crashes+c, published+p
	}
	t.Logf("%d entries, %d crashes: %d lost, %d twice", published, crashes, lost, twice)
	if lost+twice > 0 || crashes < int(runs) {
		t.Errorf("%d lost, %d twice, %d crashes; want none lost or twice, and crashes", lost, twice, crashes)
	}
	lost, twice, _, _ = race(t, 1, true)
	t.Logf("without the expected sequence: %d lost, %d twice", lost, twice)
	if lost+twice == 0 {
		t.Error("without the expected sequence nothing was lost or doubled: this test proves nothing")
	}
}

func TestAnUnchangedPollAllocatesAlmostNothing(t *testing.T) {
	s := source(1)
	b := newBench(t, s)
	b.Get = func(context.Context, string, fetch.Validators) (fetch.Response, error) {
		return fetch.Response{Unchanged: true, At: noon}, nil
	}
	now := time.Now().Add(time.Hour)
	poll := func() {
		task, src, host, _ := b.due(now)
		b.finish(task, src, host, b.poll(t.Context(), task, src))
		now = now.Add(time.Hour)
	}
	poll()
	saves := b.mem.saves
	if n := testing.AllocsPerRun(100, poll); n > 2 {
		t.Errorf("%v allocations", n)
	}
	if b.mem.appends != 0 || b.mem.saves != saves {
		t.Error("it wrote")
	}
}

func TestMemoryOfAThousandSourcesIsSmall(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const n = 1000
	b := newBench(t, sources(n)...)
	b.Log = forgetful{}
	es := entries(1, 40)
	body := packed(Document{Items: es})
	b.Get = func(_ context.Context, url string, _ fetch.Validators) (fetch.Response, error) {
		return fetch.Response{Body: body, Validators: fetch.Validators{ETag: `"` + url[8:20] + `"`, Hash: strings.Repeat("0", 32)}, At: noon}, nil
	}
	before := heap()
	for range n {
		task, src, host, _ := b.due(time.Now().Add(time.Hour))
		b.finish(task, src, host, b.poll(t.Context(), task, src))
		task.next = task.next.Add(24 * time.Hour)
	}
	per := int(heap()-before) / n
	t.Logf("%d bytes for a source of 40 entries", per)
	if per > 10_000 {
		t.Errorf("%d bytes for a source of 40 entries, want at most 10,000", per)
	}
	runtime.KeepAlive(b)
}

// forgetful is a log that keeps nothing.
type forgetful struct{}

func (forgetful) Load(context.Context, string) ([]byte, error) { return nil, nil }
func (forgetful) Tail(context.Context, string, uint64) iter.Seq2[Record, error] {
	return func(func(Record, error) bool) {}
}

func (forgetful) Append(_ context.Context, _ string, expect uint64, items []tocsin.Item) (uint64, error) {
	return expect + uint64(len(items)), nil
}
func (forgetful) Save(context.Context, string, []byte) error { return nil }
