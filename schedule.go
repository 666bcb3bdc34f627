package tocsin

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Schedule is when digests are due: hourly, daily 08:00 or weekly mon 08:00,
// the last two with or without an IANA zone; without one it is UTC.
type Schedule struct {
	every   string // hourly, daily or weekly
	weekday time.Weekday
	minute  int // of the day, by the clocks of zone
	zone    *time.Location
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// ParseSchedule reads what a Subscription has as Digest.
func ParseSchedule(s string) (Schedule, error) {
	wrong := fmt.Errorf("%q is no schedule: write hourly, daily 08:00 or weekly mon 08:00, and a zone such as Europe/Paris if you like", s)
	words := strings.Fields(s)
	out := Schedule{zone: time.UTC}
	if len(words) == 0 {
		return out, wrong
	}
	out.every, words = words[0], words[1:]
	switch {
	case out.every == "hourly" && len(words) == 0:
		return out, nil
	case out.every == "weekly" && len(words) > 0:
		day := slices.Index(weekdays, words[0])
		if day < 0 {
			return out, wrong
		}
		out.weekday, words = time.Weekday(day), words[1:]
	case out.every != "daily":
		return out, wrong
	}
	if len(words) == 0 || len(words) > 2 {
		return out, wrong
	}
	var ok bool
	if out.minute, ok = minuteOf(words[0]); !ok {
		return out, wrong
	}
	var err error
	if len(words) == 2 {
		out.zone, err = zoneOf(words[1])
	}
	return out, err
}

// Next is the first time after another at which a digest is due: once on each
// local day, or weekday. A time that the clocks skip is due when they skip it,
// and one that comes twice the first time.
func (s Schedule) Next(after time.Time) time.Time {
	if s.every == "hourly" {
		return after.Truncate(time.Hour).Add(time.Hour)
	}
	local := after.In(s.zone)
	for i := -1; ; i++ {
		day := time.Date(local.Year(), local.Month(), local.Day()+i, 0, 0, 0, 0, time.UTC)
		if s.every == "weekly" && day.Weekday() != s.weekday {
			continue
		}
		if due := wall(day, s.minute, s.zone); due.After(after) {
			return due
		}
	}
}

// Hours are quiet hours of each day by the clocks of a zone, such as 22:00-07:00
// Europe/Paris; without a zone it is UTC.
type Hours struct {
	from, to int // minutes of the day
	zone     *time.Location
}

// ParseHours reads what a Subscription has as Quiet.
func ParseHours(s string) (Hours, error) {
	wrong := fmt.Errorf("%q are no quiet hours: write 22:00-07:00, and a zone such as Europe/Paris if you like", s)
	out := Hours{zone: time.UTC}
	words := strings.Fields(s)
	if len(words) == 0 || len(words) > 2 {
		return out, wrong
	}
	from, to, found := strings.Cut(words[0], "-")
	var ok, also bool
	out.from, ok = minuteOf(from)
	out.to, also = minuteOf(to)
	if !found || !ok || !also || out.from == out.to {
		return out, wrong
	}
	var err error
	if len(words) == 2 {
		out.zone, err = zoneOf(words[1])
	}
	return out, err
}

// Until is when the quiet hours end that are at a time, or zero if none are.
func (h Hours) Until(at time.Time) time.Time {
	local := at.In(h.zone)
	for i := -1; i <= 1; i++ {
		day := time.Date(local.Year(), local.Month(), local.Day()+i, 0, 0, 0, 0, time.UTC)
		begins, ends := wall(day, h.from, h.zone), wall(day, h.to, h.zone)
		if h.to < h.from {
			ends = wall(day.AddDate(0, 0, 1), h.to, h.zone)
		}
		if !at.Before(begins) && at.Before(ends) {
			return ends
		}
	}
	return time.Time{}
}

// wall is when the clocks of a zone show a minute of a day: the first time if they
// show it twice, and when they skip it if they never do.
func wall(day time.Time, minute int, zone *time.Location) time.Time {
	want := day.Add(time.Duration(minute) * time.Minute)
	t := time.Date(want.Year(), want.Month(), want.Day(), want.Hour(), want.Minute(), 0, 0, zone)
	begins, ends := t.ZoneBounds()
	shows := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	switch {
	case shows.Before(want):
		return ends
	case shows.After(want):
		return begins
	case begins.IsZero():
		return t
	}
	_, now := t.Zone()
	_, before := begins.Add(-time.Second).Zone()
	if first := t.Add(-time.Duration(before-now) * time.Second); before > now && first.Before(begins) {
		return first
	}
	return t
}

var clockTime = regexp.MustCompile(`^([01]\d|2[0-3]):([0-5]\d)$`)

// minuteOf is the minute of the day that 08:00 names.
func minuteOf(s string) (int, bool) {
	m := clockTime.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	h, _ := strconv.Atoi(m[1])
	past, _ := strconv.Atoi(m[2])
	return h*60 + past, true
}

func zoneOf(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, fmt.Errorf("zone %q differs from machine to machine: write UTC, or one such as Europe/Paris", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("zone %q is not known: write UTC, or one such as Europe/Paris", name)
	}
	return zone, nil
}

// CheckPolicy reports what of when and how a subscription sends cannot be meant.
func (s Subscription) CheckPolicy() error {
	if s.Digest != "" {
		if _, err := ParseSchedule(s.Digest); err != nil {
			return fmt.Errorf("digest: %w", err)
		}
	}
	if s.Quiet != "" {
		if _, err := ParseHours(s.Quiet); err != nil {
			return fmt.Errorf("quiet: %w", err)
		}
	}
	e := s.Escalate
	switch {
	case s.Urgent && s.Digest != "":
		return errors.New("urgent and digest exclude each other: what is urgent is sent at once")
	case e != Escalation{} && (e.After < time.Minute || e.After > 24*time.Hour):
		return errors.New("escalate: after must be from 1m to 24h")
	case e != Escalation{} && (e.To == "" || e.To == s.To):
		return errors.New("escalate: to must name another destination")
	case s.FoldOver > 10_000 || s.FoldOver < -1:
		return errors.New("fold_over must be a number from 1 to 10000, or -1 for never")
	}
	return nil
}
