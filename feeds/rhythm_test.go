package feeds

import (
	binenc "encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tocsin"
)

func TestASilenceIsTakenForFrozenWithinWhatTheRhythmAllows(t *testing.T) {
	for _, tt := range []struct {
		habit   string
		longest time.Duration
	}{
		{"agency, day and night", 24 * time.Hour},
		{"agency, by day", 48 * time.Hour},
		{"daily bulletin", 14 * 24 * time.Hour},
		{"ministry, ten a day", 24 * 24 * time.Hour},
		{"three a week", 45 * 24 * time.Hour},
	} {
		for seed := range uint64(20) {
			for _, h := range habits {
				if h.name != tt.habit {
					continue
				}
				from, moments := yearOf(h, seed)
				_, r := run(from, moments)
				if gap := r.allows().Sub(r.since()); gap <= 0 || gap > tt.longest {
					t.Errorf("%s, seed %d: frozen after %v, want at most %v", h.name, seed, gap, tt.longest)
				}
			}
		}
	}
}

func TestASourceThatIsHardlyKnownIsNotTakenForFrozen(t *testing.T) {
	from := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	r := begins(nil, from)
	if end := r.allows(); !end.IsZero() {
		t.Errorf("without any item frozen from %v on", end)
	}
	r = r.heard(from.Add(5 * time.Hour)).heard(from.Add(30 * time.Hour))
	if end := r.allows(); !end.IsZero() {
		t.Errorf("after two items frozen from %v on", end)
	}
	r = r.heard(from.Add(31 * time.Hour))
	if end := r.allows(); end.Sub(r.since()) < 7*24*time.Hour {
		t.Errorf("after three items in two days frozen after %v", end.Sub(r.since()))
	}
}

func TestClaimedDatesWarmARhythmAndShowNoSilence(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	var claimed []time.Time
	for n := range 40 {
		claimed = append(claimed, now.Add(-time.Duration(n)*5*time.Hour))
	}
	cold, warm := begins(nil, now), begins(claimed, now)
	if warm.events < 10 || !warm.since().Equal(now) || warm.longest != 0 || warm.news {
		t.Errorf("warmed: %+v", warm)
	}
	for n := range 5 {
		cold, warm = cold.heard(now.Add(time.Duration(n)*5*time.Hour)), warm.heard(now.Add(time.Duration(n)*5*time.Hour))
	}
	if c, w := cold.allows().Sub(cold.since()), warm.allows().Sub(warm.since()); w >= c {
		t.Errorf("warmed it is frozen after %v, otherwise after %v", w, c)
	}
	for name, dates := range map[string][]time.Time{
		"future": {now.Add(time.Hour), now.Add(50 * time.Hour), now.Add(99 * time.Hour), now.Add(199 * time.Hour), now.Add(299 * time.Hour), now.Add(399 * time.Hour)},
		"one":    {now, now, now, now, now, now, now},
		"old":    {now.AddDate(-9, 0, 0), now.AddDate(-9, 0, 1), now.AddDate(-9, 0, 2), now.AddDate(-9, 0, 3), now.AddDate(-9, 0, 4)},
	} {
		if r := begins(dates, now); r.events != 0 {
			t.Errorf("%s: warmed by dates that tell nothing: %+v", name, r)
		}
	}
}

func TestARhythmSurvivesARestartInAFewHundredBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	r := begins(nil, time.Unix(1_700_000_000, 0))
	for h := range 4000 {
		if rng.IntN(3) == 0 {
			r = r.heard(time.Unix(1_700_000_000+int64(h)*hour, 0))
		}
	}
	b := r.encode(nil)
	d := decoder{b: b}
	if got := d.rhythm(); d.bad || len(d.b) > 0 || *got != *r {
		t.Errorf("decoded %+v, want %+v", got, r)
	}
	if len(b) > 600 {
		t.Errorf("%d bytes", len(b))
	}
	var st State
	st.Apply(tocsin.Item{ID: strings.Repeat("0", 16), Rev: 1, Title: "a", Seen: time.Unix(1_700_000_000, 0)})
	if back, err := DecodeState(st.Encode()); err != nil || back.rhythm == nil || *back.rhythm != *st.rhythm {
		t.Errorf("%v, %+v", err, back.rhythm)
	}
	five := fill(5)
	five.rhythm = nil
	now := five.Encode()
	old := append([]byte{stateMagic, 1}, now[2:len(now)-5]...) // as version 1 wrote it: without a rhythm
	old = binenc.LittleEndian.AppendUint32(old, crc32.ChecksumIEEE(old))
	if back, err := DecodeState(old); err != nil || back.Len() != 5 || back.rhythm != nil {
		t.Errorf("a state of version 1: %v", err)
	}
}
