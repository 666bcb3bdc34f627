package feeds

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A habit is how an honest publisher publishes: when its items come in the year
// that begins at a time.
type habit struct {
	name string
	year func(rng *rand.Rand, from time.Time) []time.Time
}

// poisson are moments at rate(t) in an hour, at most top.
func poisson(rng *rand.Rand, from time.Time, span time.Duration, top float64, rate func(t time.Time) float64) (out []time.Time) {
	for t := from; ; {
		t = t.Add(time.Duration(rng.ExpFloat64() / top * float64(time.Hour)))
		if t.Sub(from) > span {
			return out
		}
		if rng.Float64()*top < rate(t) {
			out = append(out, t)
		}
	}
}

const aYear = 365 * 24 * time.Hour

func weekend(t time.Time) bool { return t.Weekday() == time.Saturday || t.Weekday() == time.Sunday }

func office(t time.Time) bool { return !weekend(t) && t.Hour() >= 8 && t.Hour() < 18 }

// feast reports whether offices are closed: single days, Easter, the turn of the year.
func feast(t time.Time) bool {
	d := t.YearDay()
	switch {
	case d <= 3, d >= 358, d >= 88 && d <= 92, d == 121, d == 129, d == 140, d == 227, d == 305:
		return true
	}
	return false
}

func at(perHour float64, when func(t time.Time) bool) func(*rand.Rand, time.Time) []time.Time {
	return func(rng *rand.Rand, from time.Time) []time.Time {
		return poisson(rng, from, aYear, perHour, func(t time.Time) float64 {
			if when(t) {
				return perHour
			}
			return 0
		})
	}
}

func always(time.Time) bool { return true }

var habits = []habit{
	{"agency, day and night", at(2, always)},
	{"agency, by day", func(rng *rand.Rand, from time.Time) []time.Time {
		return poisson(rng, from, aYear, 2, func(t time.Time) float64 { return 1 + math.Sin(float64(t.Hour()-10)/24*2*math.Pi) })
	}},
	{"daily bulletin", func(rng *rand.Rand, from time.Time) (out []time.Time) {
		for d := range 365 {
			out = append(out, from.Truncate(24*time.Hour).Add(time.Duration(24*d+9)*time.Hour+time.Duration(rng.IntN(90))*time.Minute))
		}
		return out
	}},
	{"ministry, ten a day", at(1, func(t time.Time) bool { return office(t) && !feast(t) })},
	{"ministry, two a day", at(0.2, func(t time.Time) bool { return office(t) && !feast(t) })},
	{"ministry, two a week", at(0.04, func(t time.Time) bool { return office(t) && !feast(t) })},
	{"ministry with two weeks of holidays", at(0.3, func(t time.Time) bool {
		return office(t) && !feast(t) && (t.YearDay() < 213 || t.YearDay() > 227)
	})},
	{"quiet August", func(rng *rand.Rand, from time.Time) []time.Time {
		return poisson(rng, from, aYear, 0.5, func(t time.Time) float64 {
			switch {
			case !office(t) || feast(t):
				return 0
			case t.Month() == time.August:
				return 0.1
			}
			return 0.5
		})
	}},
	{"week of Friday and Saturday", at(0.3, func(t time.Time) bool {
		return t.Weekday() != time.Friday && t.Weekday() != time.Saturday && t.Hour() >= 5 && t.Hour() < 15
	})},
	{"weekly, on Thursdays", func(rng *rand.Rand, from time.Time) (out []time.Time) {
		for t := from; t.Sub(from) < aYear; t = t.Add(24 * time.Hour) {
			if t.Weekday() == time.Thursday && rng.IntN(20) > 0 {
				out = append(out, t.Truncate(24*time.Hour).Add(time.Duration(8+rng.IntN(8))*time.Hour))
			}
		}
		return out
	}},
	{"rare, one a month", at(1./720, always)},
	{"rare, one in ten weeks", at(1./1680, always)},
	{"three a week", at(3./168, always)},
	{"bursts", func(rng *rand.Rand, from time.Time) (out []time.Time) {
		for _, b := range poisson(rng, from, aYear, 1./500, func(time.Time) float64 { return 1 }) {
			for range 3 + rng.IntN(20) {
				out = append(out, b.Add(time.Duration(rng.ExpFloat64()*20*float64(time.Hour))))
			}
		}
		return out
	}},
	{"batches, once a day", func(rng *rand.Rand, from time.Time) (out []time.Time) {
		for _, b := range at(0.1, office)(rng, from) {
			for range 1 + rng.IntN(8) {
				out = append(out, b.Add(time.Duration(rng.IntN(200))*time.Minute))
			}
		}
		return out
	}},
	{"crises", func(rng *rand.Rand, from time.Time) []time.Time {
		hot := map[int]bool{}
		return poisson(rng, from, aYear, 1.5, func(t time.Time) float64 {
			w := t.YearDay() / 7
			if _, ok := hot[w]; !ok {
				hot[w] = rng.IntN(8) == 0
			}
			switch {
			case hot[w]:
				return 1.5
			case office(t):
				return 0.15
			}
			return 0.02
		})
	}},
}

// run is what a model that follows moments takes for frozen, how often.
func run(from time.Time, moments []time.Time) (alarms int, r *rhythm) {
	slices.SortFunc(moments, time.Time.Compare)
	r = begins(nil, from)
	for _, t := range append(moments, from.Add(aYear)) {
		if end := r.allows(); !end.IsZero() && t.After(end) {
			alarms++
		}
		if t.Before(from.Add(aYear)) {
			r = r.heard(t)
		}
	}
	return alarms, r
}

func yearOf(h habit, seed uint64) (time.Time, []time.Time) {
	rng := rand.New(rand.NewPCG(seed, uint64(len(h.name))))
	from := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rng.IntN(365*24)) * time.Hour)
	return from, h.year(rng, from)
}

func TestAYearOfHonestRhythmIsHardlyEverTakenForFrozen(t *testing.T) {
	const seeds = 30
	all, most, years := 0, 0, 0
	for _, h := range habits {
		sum, worst := 0, 0
		var waits []time.Duration
		for seed := range uint64(seeds) {
			from, moments := yearOf(h, seed)
			n, r := run(from, moments)
			sum += n
			worst = max(worst, n)
			if end := r.allows(); !end.IsZero() {
				waits = append(waits, end.Sub(r.since()))
			}
		}
		slices.Sort(waits)
		median := "never"
		if len(waits) > seeds/2 {
			median = lasting(waits[len(waits)/2])
		}
		t.Logf("%-38s %.2f false alarms a year, most %d; frozen is told after %s", h.name, float64(sum)/seeds, worst, median)
		all, most, years = all+sum, max(most, worst), years+seeds
	}
	average := float64(all) / float64(years)
	t.Logf("%d years: %.3f on average, most %d", years, average, most)
	if average > 0.2 || most > 1 {
		t.Errorf("%.3f false alarms a year on average, want at most 0.2; most in one %d, want at most 1", average, most)
	}
}

// What it costs to learn of one event and to tell how long a silence is allowed.
func BenchmarkRhythm(b *testing.B) {
	from, moments := yearOf(habits[3], 1)
	_, r := run(from, moments)
	end := r.since()
	b.ReportAllocs()
	for b.Loop() {
		if r.heard(end.Add(3 * time.Hour)).allows().IsZero() {
			b.Fatal("nothing is known")
		}
	}
}
