package feeds

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// monday is the beginning of one, UTC.
var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// pressOffice is a year's statements of a press office: on weekdays from 9 to 17 h, n
// a day on average.
func pressOffice(seed uint64, n float64) (out []time.Time) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	for at := monday; at.Before(monday.AddDate(1, 0, 0)); {
		at = at.Add(time.Duration(rnd.ExpFloat64() * 8 / n * float64(time.Hour)))
		for at.Hour() < 9 || at.Hour() >= 17 || at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
			at = at.Add(time.Hour)
		}
		out = append(out, at)
	}
	return out
}

// learned is what is known at a time of a source that was watched from monday on.
func learned(news []time.Time, until time.Time) cadence {
	c := cadence{rhythm: begins(nil, monday), begun: monday}
	for _, at := range news {
		if at.Before(until) {
			c.rhythm, c.news = c.rhythm.heard(at), at
		}
	}
	return c
}

func TestASourceIsAskedWhenItPublishesAndSeldomOtherwise(t *testing.T) {
	for seed := range uint64(20) {
		c := learned(pressOffice(seed, 6), monday.AddDate(0, 0, 56))
		c.news = time.Time{}
		for day := range 14 {
			for minute := 0; minute < 24*60; minute += 10 {
				now := monday.AddDate(0, 0, 56+day).Add(time.Duration(minute) * time.Minute)
				every, hour := c.interval(now), now.Hour()
				if every < floorPace || every > ceilingPace {
					t.Fatalf("%s: every %v is out of bounds", now.Format("Mon 15:04"), every)
				}
				switch weekend := day%7 > 4; {
				case !weekend && hour >= 9 && hour < 17 && every > 2*time.Minute:
					t.Errorf("seed %d: %s: every %v while it publishes", seed, now.Format("Mon 15:04"), every)
				case (weekend || hour < 7 || hour > 19) && every < 5*time.Minute:
					t.Errorf("seed %d: %s: every %v while it never publishes", seed, now.Format("Mon 15:04"), every)
				}
			}
		}
	}
}

func TestASourceIsAskedForAnHourThatBegins(t *testing.T) {
	c := learned(pressOffice(1, 6), monday.AddDate(0, 0, 56))
	c.news = time.Time{}
	before := c.interval(monday.AddDate(0, 0, 57).Add(8*time.Hour + 50*time.Minute))
	if night := c.interval(monday.AddDate(0, 0, 57).Add(3 * time.Hour)); before > 90*time.Second || night < 5*time.Minute {
		t.Errorf("every %v ten minutes before the first hour, %v at night", before, night)
	}
}

func TestUntilItsRhythmIsKnownASourceIsAskedEveryMinute(t *testing.T) {
	now := monday.AddDate(0, 0, 5)
	for name, c := range map[string]cadence{
		"nothing": {}, "no rhythm": {begun: monday}, "days": learned(pressOffice(1, 1), now), "never read": {rhythm: begins(nil, monday)},
	} {
		if every := c.interval(now); every != time.Minute {
			t.Errorf("%s: every %v, want 1m", name, every)
		}
	}
}

func TestWhatIsNewBringsMore(t *testing.T) {
	now := monday.AddDate(0, 2, 0).Add(2 * time.Hour)
	c := learned(pressOffice(1, .2), now.Add(-time.Hour))
	c.news = now.Add(-burstFor + time.Second)
	if every := c.interval(now); every != floorPace {
		t.Errorf("every %v soon after something new, want %v", every, floorPace)
	}
	c.news = now.Add(-burstFor)
	if every := c.interval(now); every < 5*time.Minute {
		t.Errorf("every %v later, at night", every)
	}
}

func TestHintsArePolitenessOnly(t *testing.T) {
	busy, night := monday.AddDate(0, 0, 57).Add(10*time.Hour), monday.AddDate(0, 0, 57).Add(2*time.Hour)
	c := learned(pressOffice(1, 6), monday.AddDate(0, 0, 56))
	c.news = time.Time{}
	own := c.interval(busy)
	for _, h := range []hints{{fresh: 24 * time.Hour}, {skip: 1<<24 - 1}, {fresh: time.Hour, skip: 1 << 10}} {
		c.hints = h
		if every := c.interval(busy); every != 2*own {
			t.Errorf("%+v: every %v, want twice %v", h, every, own)
		}
		if every := c.interval(night); every > ceilingPace {
			t.Errorf("%+v: every %v at night", h, every)
		}
	}
	c.hints = hints{fresh: own + time.Second, skip: 1 << 11}
	if every := c.interval(busy); every != own+time.Second {
		t.Errorf("every %v, want what the publisher asks for", every)
	}
}

func TestReadsWhatAFeedSaysOfHowOftenToAsk(t *testing.T) {
	for name, tt := range map[string]struct {
		head string
		want hints
	}{
		"ttl":        {"<ttl> 60 </ttl>", hints{fresh: time.Hour}},
		"skip hours": {"<skipHours><hour>0</hour><hour>23</hour><hour>24</hour><hour>99</hour><hour>x</hour></skipHours>", hints{skip: 1 | 1<<23}},
		"period":     {"<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>", hints{fresh: 6 * time.Hour}},
		"nonsense":   {"<ttl>-5</ttl><sy:updatePeriod>never</sy:updatePeriod><sy:updateFrequency>0</sy:updateFrequency><skipHours/>", hints{}},
		"huge":       {"<ttl>99999999999</ttl><ttl>" + strings.Repeat("9", 5000) + "</ttl>", hints{}},
	} {
		body := `<rss version="2.0" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"><channel><title>T</title>` + tt.head + `<item><title>One</title><ttl>5</ttl></item></channel></rss>`
		d, err := ParseFeed(tocsin.Source{ID: "s"}, fetch.Response{Body: []byte(body)})
		if err != nil || d.hints != tt.want {
			t.Errorf("%s: %+v, %v, want %+v", name, d.hints, err, tt.want)
		}
	}
}

// TestAHostThatRefusesIsAskedHalfAsOften looks at a source beside the one that is
// refused: it has every: 60s, which is doubled, and comes back by halves.
func TestAHostThatRefusesIsAskedHalfAsOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad, good, other := source(1), source(2), source(3)
		good.URL = strings.Replace(bad.URL, "/feed", "/other", 1)
		good.Every, other.Every = time.Minute, time.Minute
		b := newBench(t, bad, good, other)
		for _, s := range []tocsin.Source{bad, good, other} {
			b.web.publish(s.URL, entry(1))
		}
		b.start(t)
		after(5 * time.Minute)
		count := func(d time.Duration) (n, of int) {
			a, o := len(b.web.asked(good.URL)), len(b.web.asked(other.URL))
			after(d)
			return len(b.web.asked(good.URL)) - a, len(b.web.asked(other.URL)) - o
		}
		if n, of := count(20 * time.Minute); n < 18 || of < 18 {
			t.Errorf("asked %d and %d times in 20 minutes before", n, of)
		}
		b.web.set(bad.URL, func(p *page) {
			p.err = &fetch.Error{Kind: fetch.KindStatus, Status: 403, Err: netErr()}
		})
		after(2 * time.Minute)
		b.web.set(bad.URL, func(p *page) { p.err = nil })
		if n, of := count(9 * time.Minute); n > 6 || of < 8 {
			t.Errorf("asked %d times in 9 minutes after a refusal, another host %d times", n, of)
		}
		after(40 * time.Minute)
		if n, _ := count(20 * time.Minute); n < 18 {
			t.Errorf("asked %d times in 20 minutes, long after", n)
		}
		b.stop()
	})
}

// TestAYearByRhythm holds the schedule against polls every minute: for a busy, an
// ordinary and a rare press office.
func TestAYearByRhythm(t *testing.T) {
	for _, tt := range []struct {
		perDay float64
		delay  time.Duration // median from publishing to the poll that sees it
		saved  float64       // of the polls
	}{{20, 40 * time.Second, .3}, {4, 40 * time.Second, .3}, {.2, 3 * time.Minute, .6}} {
		news := pressOffice(7, tt.perDay)
		c := cadence{rhythm: begins(nil, monday), begun: monday}
		var delays []time.Duration
		polls, i := 0, 0
		end := monday.AddDate(0, 6, 0)
		for now := monday; now.Before(end); now = now.Add(c.interval(now)) {
			polls++
			found := false
			for ; i < len(news) && news[i].Before(now); i++ {
				delays, found = append(delays, now.Sub(news[i])), true
			}
			if found {
				c.rhythm, c.news = c.rhythm.heard(now), now
			}
		}
		slices.Sort(delays)
		saved := 1 - float64(polls)/end.Sub(monday).Minutes()
		median, most := delays[len(delays)/2], delays[len(delays)-1]
		t.Logf("%4.1f a day: %d polls, %.0f %% fewer than one a minute; delay p50 %v, p99 %v, max %v", tt.perDay, polls, saved*100,
			median.Round(time.Second), delays[len(delays)*99/100].Round(time.Second), most.Round(time.Second))
		if median > tt.delay || most > ceilingPace || saved < tt.saved {
			t.Errorf("%v a day: delay p50 %v, max %v, %.2f of the polls saved", tt.perDay, median, most, saved)
		}
	}
}
