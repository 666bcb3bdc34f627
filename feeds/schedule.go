package feeds

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tocsin/feeds/fetch"
)

// How often a source is asked that does not say every.
const (
	floorPace   = 30 * time.Second
	ceilingPace = 15 * time.Minute
	busyRate    = 0.5              // events an hour from which a source is asked at the floor
	learnFor    = 7 * 24 * hour    // seconds for which a source is asked every defaultPace, before its rhythm counts
	burstFor    = 15 * time.Minute // after something new, as statements come in series
	politeness  = 2                // times the interval that a publisher's hints may make of it
	maxWary     = 5                // doublings for a host that refuses
	forgiveAt   = 10 * time.Minute // without a refusal, each takes one doubling back
)

// Hints are what a publisher says of how often to ask. They are politeness: a
// hint is followed as far as it does not make the source later than its own
// rhythm allows, twice its interval, and never beyond the ceiling.
type hints struct {
	fresh time.Duration // a copy stays good: ttl, sy:updatePeriod, Cache-Control, Expires
	skip  uint32        // hours of the day in UTC, one bit each
}

// A cadence is all that the time between two polls of a source depends on, beside
// its host.
type cadence struct {
	rhythm *rhythm   // nil if nothing is known
	begun  time.Time // when the source was first read; zero before
	news   time.Time // when it last had something new; zero if never
	hints  hints
}

// interval is the time between two polls at a moment: the shorter the more is to
// be expected. For a Poisson process the delay and the polls together cost least
// when the interval goes with one over the root of the rate.
func (c cadence) interval(now time.Time) time.Duration {
	if c.rhythm == nil || c.begun.IsZero() || now.Unix()-c.begun.Unix() < learnFor {
		return defaultPace
	}
	every := ceilingPace
	if rate := max(c.rhythm.rate(now), c.rhythm.rate(now.Add(ceilingPace))); rate > 0 {
		every = time.Duration(math.Min(float64(ceilingPace), float64(floorPace)*math.Sqrt(busyRate/rate)))
	}
	if !c.news.IsZero() && now.Sub(c.news) < burstFor {
		return floorPace
	}
	every = max(every, floorPace)
	return min(max(every, min(c.hints.at(now), politeness*every)), ceilingPace)
}

// at is how long the hints ask to wait at a moment.
func (h hints) at(now time.Time) time.Duration {
	if h.skip>>uint(now.UTC().Hour())&1 != 0 {
		return max(h.fresh, time.Hour)
	}
	return h.fresh
}

// rate is how many events are to be expected in the hour of a moment, as
// forecast has them, without its memory.
func (r *rhythm) rate(at time.Time) float64 {
	h := hourOf(at)
	var all, ofDay, ofHour float64
	day, clock := int(h%week/24), int(h%24)
	for i, c := range r.cells {
		n := float64(c) / cellUnit
		all += n
		if i/24 == day {
			ofDay += n
		}
		if i%24 == clock {
			ofHour += n
		}
	}
	const even = 3 // as in forecast
	ofDay = (ofDay + even/7.) / (all + even)
	ofHour = (ofHour + even/24.) / (all + even)
	share := (float64(r.cells[h%week])/cellUnit + priorCells*ofDay*ofHour) / (all + priorCells)
	span := float64(r.span) + max(0, float64(h-r.faded))
	return (priorEvents + float64(r.events)) / (priorSpan + span) * week * share
}

// hint takes what an element of a feed's own says of how often to ask.
func (h *hints) hint(name, text string) {
	text = strings.ToLower(strings.TrimSpace(text))
	switch strings.ToLower(name) {
	case "ttl": // minutes
		if n, err := strconv.ParseUint(text, 10, 16); err == nil {
			h.fresh = max(h.fresh, time.Duration(n)*time.Minute)
		}
	case "hour": // of skipHours; 24 is midnight, as old feeds have it
		if n, err := strconv.ParseUint(text, 10, 8); err == nil && n <= 24 {
			h.skip |= 1 << (n % 24)
		}
	case "updateperiod":
		for word, span := range map[string]time.Duration{"hourly": time.Hour, "daily": 24 * time.Hour, "weekly": 7 * 24 * time.Hour, "monthly": 30 * 24 * time.Hour, "yearly": 365 * 24 * time.Hour} {
			if text == word {
				h.fresh = max(h.fresh, span)
			}
		}
	case "updatefrequency": // times in updatePeriod, which stands before it
		if n, err := strconv.ParseUint(text, 10, 16); err == nil && n > 1 {
			h.fresh /= time.Duration(n)
		}
	}
}

// A wariness is how often a host has refused us of late.
type wariness struct {
	times int
	since time.Time // of the last refusal, or of the last that was forgiven
}

// refused and answered keep count by what a host has answered.
func (w wariness) refused(now time.Time) wariness { return wariness{min(w.times+1, maxWary), now} }

func (w wariness) answered(now time.Time) wariness {
	for w.times > 0 && now.Sub(w.since) >= forgiveAt {
		w.times, w.since = w.times-1, w.since.Add(forgiveAt)
	}
	return w
}

// slower is every for a host that has refused: doubled each time, up to the
// ceiling where it is not longer by itself.
func (w wariness) slower(every time.Duration) time.Duration {
	return max(every, min(every<<w.times, ceilingPace))
}

// every is the time between two polls of a task's source, after one that came to
// r. One that fails is tried again soon, and then less and less often.
func (p *Poller) every(t *task, r result, now time.Time) time.Duration {
	every := t.source.Every
	if t.adapts && !r.failed() {
		c := cadence{rhythm: t.rhythm, begun: t.begun, news: t.news, hints: t.hints}
		c.hints.fresh = max(c.hints.fresh, r.fresh)
		every = max(c.interval(now), p.least())
	}
	if w := p.wary[t.host]; w.times > 0 && !r.failed() {
		every = w.slower(every)
	}
	if p.Hubs != nil && t.source.Kind == WebSub {
		return p.Hubs.pace(t.polled(), every, now)
	}
	return every
}

// refused notes whether a host wants to be asked less often.
func (p *Poller) refused(host string, r result, now time.Time) {
	w, known := p.wary[host]
	e, ok := errors.AsType[*fetch.Error](r.err)
	switch {
	case ok && (e.Status == http.StatusForbidden || e.Status == http.StatusTooManyRequests):
		p.wary[host] = w.refused(now)
	case known && r.answered():
		if w = w.answered(now); w.times > 0 {
			p.wary[host] = w
		} else {
			delete(p.wary, host)
		}
	}
}
