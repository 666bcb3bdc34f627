package feeds

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A rhythm is what is known of when a source publishes. It tells how long a
// silence may be before it means that the source is frozen. It is never changed,
// only replaced.
//
// An event is an hour in which something new was seen. Events come in bursts of
// burst(), bursts as a Poisson process whose rate is that of the hour of the
// week; the rate is known as well as a gamma distribution says. So a silence in
// which m events were due has the chance (1+m/(burst*shape))^-shape.
type rhythm struct {
	last    int64          // hour of the last event, or of the beginning; Unix time / 3600
	faded   int64          // hour that what follows is faded to
	news    bool           // an event was seen since the source is watched
	events  float32        // faded
	span    float32        // hours that they were counted over until faded, faded
	gaps    float32        // between events, faded, and with them
	sum     float32        // of the events that were due in each, and
	squares float32        // of the squares of that
	spells  float32        // gaps longer than lull, faded, and
	idle    float32        // how much longer they were together, hours
	longest float32        // gap in hours; fades by half in two years
	cells   [7 * 24]uint16 // events by hour of the week (UTC, from Thursday 0:00 on, as Unix time counts), faded; in cellUnit
}

const (
	hour     = 60 * 60   // seconds
	week     = 7 * 24    // hours
	halfLife = 26 * week // of what was learned, hours
	cellUnit = 64        // of an event
	fadeStep = week      // hours between fadings

	priorEvents = 0.5  // that every source is taken to have had in
	priorSpan   = week // hours
	priorGaps   = 4    // that arrivals are taken to have been without bursts for
	priorCells  = 40   // events, that say of the hours of the week what those of each day and of each hour of the day do
	maxShape    = 16   // no rate is known better than this
	leastBurst  = 0.4  // of a source that publishes by the clock
	maxBurst    = 50   // events

	falsePerYear = 0.02 // silences that a source of this rhythm has in a year and are taken for frozen
	enoughEvents = 3    // before a silence means anything
	pauseSpare   = 1.5  // times the longest pause that was seen
	lull         = 48   // hours without anything new, after which what comes next begins another spell
	leastSilence = 6    // hours
	closedDays   = 13   // working days for which a source that rests at weekends may close, as at the turn of the year
)

func hourOf(t time.Time) int64 { return t.Unix() / hour }

// begins is the rhythm of a source that is watched from now on. The dates that a
// publisher claims for what is already there may warm it, at half their weight;
// only what is seen from now on can show a silence.
func begins(claimed []time.Time, now time.Time) *rhythm {
	at := hourOf(now)
	r := &rhythm{last: at, faded: at}
	var hours []int64
	for _, t := range claimed {
		if h := hourOf(t); h <= at && at-h <= 2*halfLife {
			hours = append(hours, h)
		}
	}
	slices.Sort(hours)
	hours = slices.Compact(hours)
	if len(hours) < 5 || at-hours[0] < 48 {
		return r
	}
	w := &rhythm{last: hours[0], faded: hours[0]}
	for _, h := range hours[1:] {
		w.add(h)
	}
	w.fade(at)
	r.events, r.span = w.events/2, w.span/2
	r.gaps, r.sum, r.squares = w.gaps/2, w.sum/2, w.squares/2
	r.spells, r.idle = w.spells/2, w.idle/2
	for i, c := range w.cells {
		r.cells[i] = c / 2
	}
	return r
}

// heard is the rhythm after something new was seen.
func (r *rhythm) heard(now time.Time) *rhythm {
	h := hourOf(now)
	if r == nil {
		return &rhythm{last: h, faded: h, news: true}
	}
	if h <= r.last && r.news {
		return r
	}
	next := *r
	next.news = true
	next.add(h)
	return &next
}

// add learns of an event.
func (r *rhythm) add(h int64) {
	if h > r.last {
		gap := float32(h - r.last)
		due := min(r.forecast().until(h), 1000)
		r.gaps++
		r.sum += due
		r.squares += due * due
		r.longest = max(r.longest, gap)
		if gap > lull {
			r.spells++
			r.idle += gap - lull
		}
	}
	r.fade(h)
	r.last = max(r.last, h)
	r.events++
	r.cells[h%week] = uint16(min(int(r.cells[h%week])+cellUnit, math.MaxUint16))
}

// fade lets what was learned count for less the older it is.
func (r *rhythm) fade(h int64) {
	ago := h - r.faded
	if ago < fadeStep {
		return
	}
	f := float32(math.Exp2(-float64(ago) / halfLife))
	r.span = (r.span + float32(ago)) * f
	r.events, r.gaps, r.sum, r.squares = r.events*f, r.gaps*f, r.sum*f, r.squares*f
	r.spells, r.idle = r.spells*f, r.idle*f
	r.longest *= float32(math.Sqrt(math.Sqrt(float64(f))))
	for i, c := range r.cells {
		r.cells[i] = uint16(math.Round(float64(c) * float64(f)))
	}
	r.faded = h
}

// burst is how many events come together, on average: as many as make the
// pauses between them as uneven as they were.
func (r *rhythm) burst() float32 {
	n, sum, squares := r.gaps+priorGaps, r.sum+priorGaps, r.squares+2*priorGaps
	return min(max(squares*n/(sum*sum)/2, leastBurst), maxBurst)
}

// A forecast is how many events are due after the last one.
type forecast struct {
	from int64
	rate float32           // events in a week
	due  [week + 1]float32 // parts of a week's, from hour 0 to each of the week
	days [7]float32        // parts of a week's
}

func (r *rhythm) forecast() *forecast {
	f := &forecast{from: r.last}
	span := r.span + float32(r.last-r.faded)
	f.rate = (priorEvents + r.events) / (priorSpan + span) * week
	var days [7]float32
	var hours [24]float32
	var all float32
	for i, c := range r.cells {
		n := float32(c) / cellUnit
		days[i/24] += n
		hours[i%24] += n
		all += n
	}
	const even = 3 // events that are taken to have come on any day and at any hour
	for d := range days {
		days[d] = (days[d] + even/7.) / (all + even)
		f.days[d] = days[d]
	}
	for h := range hours {
		hours[h] = (hours[h] + even/24.) / (all + even)
	}
	var sum float32
	for i, c := range r.cells {
		sum += (float32(c)/cellUnit + priorCells*days[i/24]*hours[i%24]) / (all + priorCells)
		f.due[i+1] = sum
	}
	for i := range f.due {
		f.due[i] /= sum
	}
	return f
}

// until is how many events are due between the last one and an hour.
func (f *forecast) until(h int64) float32 {
	weeks := h/week - f.from/week
	return f.rate * (float32(weeks) + f.due[h%week] - f.due[f.from%week])
}

// rests is how much less a source publishes on its two weakest days that follow
// each other: 1 for one that rests at weekends, 0 for one that has at least half
// of the others' on them.
func (f *forecast) rests() float32 {
	weekend := float32(1)
	for d := range f.days {
		weekend = min(weekend, f.days[d]+f.days[(d+1)%7])
	}
	return max(0, 1-2*(weekend/2)/((1-weekend)/5))
}

// working is how many working days lie between the last event and an hour, for a
// source that rests at weekends.
func (f *forecast) working(h int64) float32 {
	var busiest []float32
	busiest = append(busiest, f.days[:]...)
	slices.Sort(busiest)
	full := busiest[4]
	var whole [7]float32
	var all float32
	for d, share := range f.days {
		whole[d] = min(1, share/full)
		all += whole[d]
	}
	n := float32((h-f.from)/week) * all
	for x := f.from + (h-f.from)/week*week; x < h; x++ {
		n += whole[x/24%7] / 24
	}
	return n
}

// allows is until when a silence after the last event means nothing; zero where
// too little is known to say.
func (r *rhythm) allows() time.Time {
	if r == nil || r.events < enoughEvents {
		return time.Time{}
	}
	f := r.forecast()
	k := r.burst()
	shape := min(priorEvents+r.events/k, maxShape)
	bursts := f.rate * 52 / k
	chance := falsePerYear / (1 + bursts)
	// the events that are due before a silence is less likely than that
	due := k * shape * float32(math.Pow(float64(chance), -1/float64(shape))-1)
	closed := closedDays * f.rests()
	h := r.last + max(leastSilence, int64(r.longest*pauseSpare), int64(r.quiet()))
	const most = 10 * 52 * week
	for step := int64(week); step > 0; step /= 2 {
		for h-r.last < most && (f.until(h+step) < due || closed > 0 && f.working(h+step) < closed) {
			h += step
		}
	}
	if h-r.last >= most {
		return time.Time{}
	}
	return time.Unix((h+1)*hour, 0).UTC()
}

// quiet is how many hours of silence are likely enough between spells, by those
// that were seen: it is what keeps a source that publishes much on few days from
// being taken for frozen before its bursts are known to be such.
func (r *rhythm) quiet() float32 {
	if r.spells < 1 {
		return 0
	}
	shape := priorEvents + r.spells
	perYear := r.spells / (priorSpan + r.span + float32(r.last-r.faded)) * week * 52
	return lull + r.idle/r.spells*shape*float32(math.Pow(float64(1+perYear)/falsePerYear, 1/float64(shape))-1)
}

// since is when the present silence began.
func (r *rhythm) since() time.Time { return time.Unix(r.last*hour, 0).UTC() }

// usual is the longest pause that is remembered; 0 if none is.
func (r *rhythm) usual() time.Duration { return time.Duration(r.longest) * time.Hour }

// lasting is a time span as people say it: "3 days", "1 day 4 hours", "40 minutes".
func lasting(d time.Duration) string {
	some := func(n int, what string) string {
		if n != 1 {
			what += "s"
		}
		return fmt.Sprint(n, " ", what)
	}
	days, hours, minutes := int(d/(24*time.Hour)), int(d/time.Hour)%24, int(d/time.Minute)%60
	switch {
	case days >= 7 || days > 0 && hours == 0:
		return some(days, "day")
	case days > 0:
		return some(days, "day") + " " + some(hours, "hour")
	case hours > 0:
		return some(hours, "hour")
	case minutes > 0:
		return some(minutes, "minute")
	}
	return some(int(d/time.Second), "second")
}
