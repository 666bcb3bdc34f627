package pipeline

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin"
	"tocsin/pipeline/watchlist"
)

func rule(query string) *watchlist.Rule {
	return must(must(watchlist.Parse(query)).Resolve(nil, false))
}

func TestBacktestFindsWhatIsStoredInOrderAndCountsStatementsOnce(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	start := time.Now()
	old := item("fr", "old", "Old", "On missiles.")
	old.Seen = start
	r.put(old)
	for i := range 700 { // more than a lot
		r.put(item("jp", fmt.Sprint(i), fmt.Sprint("No. ", i), []string{"On cod.", "On missiles.", "On eels and missiles."}[i%3]))
	}
	r.put(item("fr", "copy", "No. 1", "On missiles.")) // of 1
	publish(t, r, "items.fr", `{"v":1,"id":`)
	r.ok(r.logs.Quarantine(t.Context(), "jp", "no feed", []byte("x"))) // the last record is no item
	var seqs []uint64
	first := map[uint64]string{}
	eels, shown := 0, uint64(0)
	stats, err := r.logs.Backtest(t.Context(), BacktestConfig{
		Rules:    map[string]*watchlist.Rule{"old": rule("missiles"), "new": rule("eels OR trout")},
		Progress: func(done, total uint64) { shown = total - done },
	}, func(h Hit) {
		seqs = append(seqs, h.Seq)
		if len(h.Results["old"].Spans) == 0 {
			t.Errorf("item %d has results %v, want spans of the rule that finds it", h.Seq, h.Results)
		}
		if h.Statement == h.Seq {
			first[h.Seq] = h.Item.Title
		} else if first[h.Statement] != h.Item.Title {
			t.Errorf("%q is taken for a copy of %q", h.Item.Title, first[h.Statement])
		}
		if _, ok := h.Results["new"]; ok {
			eels++
		}
	})
	r.ok(err)
	if stats.Items != 703 || stats.Failed != 1 || stats.Hits != 468 || stats.Statements != 467 || len(first) != 467 || eels != 233 || shown != 0 {
		t.Errorf("stats %+v, %d eels, %d left to do at the end", stats, eels, shown)
	}
	if !slices.IsSorted(seqs) || len(seqs) != stats.Hits {
		t.Error("hits are not in the order of ITEMS")
	}
	none, err := r.logs.Backtest(t.Context(), BacktestConfig{Since: time.Now().Add(time.Hour), Rules: map[string]*watchlist.Rule{"x": rule("missiles")}}, func(Hit) {})
	if err != nil || none.Items != 0 {
		t.Errorf("a backtest of the future read %d items, %v", none.Items, err)
	}
}

func TestBacktestStopsAtAnItemOfANewerFormat(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	publish(t, r, "items.fr", fmt.Sprintf(`{"v":%d,"id":"1"}`, tocsin.Format+1))
	if _, err := r.logs.Backtest(t.Context(), BacktestConfig{Rules: map[string]*watchlist.Rule{"x": rule("missiles")}}, func(Hit) {}); err == nil {
		t.Error("an item of a newer format was passed over")
	}
}

// earlier runs f on a service that has read 30 statements before anybody watched
// for cod.
func earlier(t *testing.T, f func(t *testing.T, r *rig)) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		r.run()
		time.Sleep(time.Minute)
		for i := range 30 {
			it := item("fr", fmt.Sprint(i), fmt.Sprint("No. ", i), []string{"On missiles.", "On cod.", "On cod and missiles."}[i%3])
			it.Baseline = i < 6
			r.put(it)
			time.Sleep(10 * time.Minute)
		}
		r.put(item("jp", "copy", "No. 10", "On cod.")) // of 10
		time.Sleep(time.Minute)
		r.ok(r.logs.SetWatchlist(t.Context(), ada, tocsin.Watchlist{Name: "fish", Query: "cod"}))
		r.ok(r.logs.SetDestination(t.Context(), ada, tocsin.Destination{Name: "dock", Kind: "slack", To: "C9"}))
		r.ok(r.logs.Subscribe(t.Context(), "ada", "fish", "dock"))
		f(t, r)
	})
}

func TestWidenedWatchlistIsAppliedToWhatIsStoredOnce(t *testing.T) {
	earlier(t, func(t *testing.T, r *rig) {
		var shown uint64
		n, err := r.logs.ApplyEarlier(t.Context(), "ada", "fish", time.Now().Add(-day), func(done, total uint64) { shown = total - done })
		r.ok(err)
		time.Sleep(time.Minute)
		// 20 statements on cod, 10 of them alerts already, and one copy.
		if n != 21 || shown != 0 {
			t.Errorf("%d events, %d left to do, want 21 and none", n, shown)
		}
		got := r.desk.titles("dock")
		if len(got) != 20 || got[0] != "No. 1" || got[19] != "No. 29" {
			t.Errorf("the channel got %q, want the 20 statements on cod, those of the baseline too, in order", got)
		}
		for _, d := range r.desk.posts() {
			if d.To.Name == "dock" && d.Late != "earlier: found by a widened watchlist" {
				t.Errorf("%s is late because %q", d.Alert.First().Title, d.Late)
			}
		}
		if other := r.desk.titles("desk"); len(other) != 16 { // without what was there at first
			t.Errorf("the other channel got %q, want nothing more", other)
		}
		kinds := map[string]int{}
		for _, ev := range r.events() {
			if ev.Earlier {
				kinds[ev.Kind]++
			}
		}
		if kinds[Opened] != 10 || kinds[Matched] != 10 || kinds[Copied] != 1 {
			t.Errorf("events %v, want 10 opened, 10 matched, 1 copied", kinds)
		}
		again := must(r.logs.ApplyEarlier(t.Context(), "ada", "fish", time.Now().Add(-day), nil))
		time.Sleep(time.Minute)
		if again != 0 || len(r.desk.titles("dock")) != 20 {
			t.Errorf("the second time it stored %d events, and the channel has %d messages", again, len(r.desk.titles("dock")))
		}
	})
}

func TestEarlierStatementsOfAPartOfTheTime(t *testing.T) {
	earlier(t, func(t *testing.T, r *rig) {
		n := must(r.logs.ApplyEarlier(t.Context(), "ada", "fish", time.Now().Add(-time.Hour), nil))
		time.Sleep(time.Minute)
		if got := r.desk.titles("dock"); n != 5 || len(got) != 5 || got[0] != "No. 25" || got[4] != "No. 10" { // the copy of it
			t.Errorf("%d events, the channel got %q", n, got)
		}
	})
}

// Several run the command at once beside a service that matches what comes.
func TestEarlierStatementsBesideAServiceAreAlertedOnce(t *testing.T) {
	earlier(t, func(t *testing.T, r *rig) {
		done := make(chan error, 3)
		for i := range 3 {
			logs := r.twin(fmt.Sprint("person", i), false)
			go func() {
				_, err := logs.ApplyEarlier(t.Context(), "ada", "fish", time.Now().Add(-day), nil)
				done <- err
			}()
		}
		for i := range 20 {
			r.put(item("jp", fmt.Sprint("new", i), fmt.Sprint("New ", i), "On cod."))
			time.Sleep(time.Millisecond)
		}
		for range 3 {
			r.ok(<-done)
		}
		time.Sleep(time.Minute)
		got := r.desk.titles("dock")
		slices.Sort(got)
		if n := len(got); n != 40 || len(slices.Compact(got)) != 40 {
			t.Errorf("the channel got %d messages, %q, want 40 of different statements", n, got)
		}
		for _, ev := range r.events() {
			if strings.HasPrefix(ev.Copy.Title, "New") && ev.Earlier {
				t.Errorf("%q came now and is marked earlier", ev.Copy.Title)
			}
		}
	})
}

// What the match stage has not come to is no earlier statement.
func TestEarlierLeavesToTheServiceWhatItHasNotMatched(t *testing.T) {
	earlier(t, func(t *testing.T, r *rig) {
		r.stop()
		r.put(item("jp", "new", "New", "On cod."))
		n := must(r.logs.ApplyEarlier(t.Context(), "ada", "fish", time.Now().Add(-day), nil))
		r.run()
		time.Sleep(time.Minute)
		if n != 21 {
			t.Errorf("%d events, want those of the 20 earlier statements and the copy", n)
		}
		for _, d := range r.desk.posts() {
			if title := d.Alert.First().Title; d.To.Name == "dock" && (title == "New") == strings.HasPrefix(d.Late, "earlier") {
				t.Errorf("%s is late because %q", title, d.Late)
			}
		}
	})
}

func TestEarlierAddsNothingToAlertsOfOthers(t *testing.T) {
	earlier(t, func(t *testing.T, r *rig) {
		r.put(item("fr", "old", "Joint statement", "On trout."))
		time.Sleep(time.Minute)
		r.ok(r.logs.SetWatchlist(t.Context(), ada, tocsin.Watchlist{Name: "trout", Query: "trout"}))
		r.put(item("jp", "again", "Joint statement", "On trout."))
		time.Sleep(time.Minute)
		r.ok(r.logs.SetWatchlist(t.Context(), ada, tocsin.Watchlist{Name: "fish", Query: "plaice"}))
		if n := must(r.logs.ApplyEarlier(t.Context(), "ada", "fish", time.Now().Add(-day), nil)); n != 0 {
			t.Errorf("%d events of a watchlist that nothing matches", n)
		}
	})
}

func TestEarlierNeedsAWatchlistThatWorks(t *testing.T) {
	earlier(t, func(t *testing.T, r *rig) {
		r.ok(r.logs.SetWatchlist(t.Context(), Edit{By: "ada", Force: true}, tocsin.Watchlist{Name: "fish", Query: "((cod"}))
		for _, name := range []string{"fish", "nothing"} {
			if _, err := r.logs.ApplyEarlier(t.Context(), "ada", name, time.Now().Add(-day), nil); err == nil {
				t.Errorf("watchlist %s was applied", name)
			}
		}
	})
}

// prose is n bytes of text of a vocabulary like that of ministries.
func prose(d *rand.Rand, n int) string {
	common := strings.Fields("the of and to in on a for with that by as at is was from its be has have this which their will are")
	var vocabulary []string
	for range 4000 {
		var w strings.Builder
		for range 2 + d.IntN(3) {
			w.WriteString([]string{"con", "ter", "min", "is", "tra", "de", "pol", "i", "se", "cu", "ri", "ty", "na", "tion", "al", "pre", "a", "gree", "ment", "ex"}[d.IntN(20)])
		}
		vocabulary = append(vocabulary, w.String())
	}
	var b strings.Builder
	for b.Len() < n {
		switch k := d.IntN(100); {
		case k < 45:
			b.WriteString(common[d.IntN(len(common))])
		case k < 47:
			b.WriteString(strings.ToUpper(vocabulary[d.IntN(50)]))
		default:
			b.WriteString(vocabulary[min(d.IntN(4000), d.IntN(4000))])
		}
		switch k := d.IntN(100); {
		case k < 8:
			b.WriteString(". ")
		case k < 9:
			b.WriteString(".\n\n")
		case k < 14:
			b.WriteString(", ")
		default:
			b.WriteString(" ")
		}
	}
	return b.String()
}

// BenchmarkBacktest is one query over 100,000 stored statements of 2 KB, reading
// included. Each time is of processors, in seconds. TOCSIN_QUERY names another
// query.
func BenchmarkBacktest(b *testing.B) {
	srv, err := Embed(b.Context(), EmbedConfig{Dir: b.TempDir(), Log: quiet, Floor: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = srv.Close() }()
	if err := Setup(b.Context(), srv.Bus(), 1, 0); err != nil {
		b.Fatal(err)
	}
	logs := must(OpenLogs(b.Context(), srv.Bus()))
	const sources, each = 100, 1000
	d := rand.New(rand.NewPCG(1, 2))
	text := prose(d, 1<<20)
	for s := range sources {
		var items []tocsin.Item
		for i := range each {
			from := d.IntN(len(text) - 2048)
			it := item(fmt.Sprint("s", s), fmt.Sprint(i), fmt.Sprint("Statement ", s, " ", i), text[from:from+1900])
			if i%50 == 0 {
				it.Text += " The transfer of a ballistic missile was condemned."
			}
			it.Rev, it.Seen, it.URL, it.Lang = 1, time.Now().UTC(), fmt.Sprintf("https://example.org/%d/%d", s, i), "en"
			items = append(items, it)
		}
		if _, err := logs.Append(b.Context(), fmt.Sprint("s", s), 0, items); err != nil {
			b.Fatal(err)
		}
	}
	query := os.Getenv("TOCSIN_QUERY")
	if query == "" {
		query = `("ballistic missile*" OR rocket*) NEAR/10 (transfer* OR export* OR sale OR "arms deal") AND NOT museum`
	}
	rules := map[string]*watchlist.Rule{"query": rule(query)}
	for b.Loop() {
		stats, err := logs.Backtest(b.Context(), BacktestConfig{Rules: rules}, func(Hit) {})
		if err != nil {
			b.Fatal(err)
		}
		for name, v := range map[string]time.Duration{"read-s": stats.Read, "decode-s": stats.Decode, "match-s": stats.Match, "cpu-s": stats.Read + stats.Decode + stats.Match} {
			b.ReportMetric(v.Seconds(), name)
		}
		b.ReportMetric(float64(stats.Items), "statements")
		b.ReportMetric(float64(stats.Hits), "hits")
	}
}
