package tocsin_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"tocsin"
)

// zones change their clocks at other times of the day and of the year, by other
// amounts, or never.
var zones = []string{"Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "Asia/Kathmandu", "Pacific/Chatham"}

func TestDigestIsDueOnceOnEachLocalDay(t *testing.T) {
	for _, zone := range zones {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for minute := 0; minute < 24*60; minute += 15 {
			clock := time.Date(0, 1, 1, 0, minute, 0, 0, time.UTC).Format("15:04")
			s, err := tocsin.ParseSchedule("daily " + clock + " " + zone)
			if err != nil {
				t.Fatal(err)
			}
			at := time.Date(2026, 1, 1, 0, 0, 0, 0, loc).Add(-time.Minute)
			last, moved := at.Format(time.DateOnly), 0
			for range 365 {
				at = s.Next(at)
				day := at.In(loc).Format(time.DateOnly)
				if want := next(last); day != want {
					t.Fatalf("%s in %s: due on %s after %s", clock, zone, day, last)
				}
				last = day
				if at.In(loc).Format("15:04") != clock {
					moved++
				}
				if got := s.Next(at.Add(-time.Second)); !got.Equal(at) {
					t.Fatalf("%s in %s: a second before %v it is due at %v", clock, zone, at, got)
				}
			}
			if moved > 1 {
				t.Errorf("%s in %s: at another time on %d days, want at most the one that skips it", clock, zone, moved)
			}
		}
	}
}

func next(day string) string {
	d, _ := time.Parse(time.DateOnly, day)
	return d.AddDate(0, 0, 1).Format(time.DateOnly)
}

func TestScheduleIsByTheClocksOfItsZone(t *testing.T) {
	for _, tt := range []struct{ schedule, after, want string }{
		{"hourly", "2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z"},
		{"hourly", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"},
		{"daily 08:00", "2026-03-29T08:00:00Z", "2026-03-30T08:00:00Z"},
		{"daily 08:00 Europe/Paris", "2026-03-28T12:00:00Z", "2026-03-29T06:00:00Z"},          // the day the clocks go forward
		{"daily 08:00 Europe/Paris", "2026-10-24T12:00:00Z", "2026-10-25T07:00:00Z"},          // and back
		{"daily 02:30 Europe/Paris", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},          // 02:30 is skipped at 02:00
		{"daily 02:30 Europe/Paris", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},          // and comes twice
		{"daily 02:30 Europe/Paris", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},          // of which the second is not due
		{"weekly mon 08:00 America/New_York", "2026-03-08T12:00:00Z", "2026-03-09T12:00:00Z"}, // the day after the change
		{"weekly sun 08:00 Asia/Tokyo", "2026-03-07T22:59:59Z", "2026-03-07T23:00:00Z"},
	} {
		s, err := tocsin.ParseSchedule(tt.schedule)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Next(stamp(t, tt.after)).UTC().Format(time.RFC3339); got != tt.want {
			t.Errorf("%s: after %s due at %s, want %s", tt.schedule, tt.after, got, tt.want)
		}
	}
}

func TestQuietHoursEndByTheClocksOfTheirZone(t *testing.T) {
	for _, tt := range []struct{ hours, at, want string }{
		{"22:00-07:00", "2026-01-01T22:00:00Z", "2026-01-02T07:00:00Z"},
		{"22:00-07:00", "2026-01-01T06:59:59Z", "2026-01-01T07:00:00Z"},
		{"22:00-07:00", "2026-01-01T07:00:00Z", ""},
		{"12:00-13:30", "2026-01-01T13:00:00Z", "2026-01-01T13:30:00Z"},
		{"22:00-07:00 Europe/Paris", "2026-03-28T22:00:00Z", "2026-03-29T05:00:00Z"},
		{"22:00-07:00 Europe/Paris", "2026-10-24T21:00:00Z", "2026-10-25T06:00:00Z"},
		{"22:00-07:00 Asia/Tokyo", "2026-01-01T12:00:00Z", ""},
		{"22:00-07:00 Asia/Tokyo", "2026-01-01T13:00:00Z", "2026-01-01T22:00:00Z"},
		{"02:30-02:45 Europe/Paris", "2026-03-29T01:10:00Z", ""}, // what the clocks skip is not quiet
	} {
		h, err := tocsin.ParseHours(tt.hours)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if u := h.Until(stamp(t, tt.at)); !u.IsZero() {
			got = u.UTC().Format(time.RFC3339)
		}
		if got != tt.want {
			t.Errorf("%s at %s: until %q, want %q", tt.hours, tt.at, got, tt.want)
		}
	}
}

func stamp(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestWhatIsNoScheduleIsRefused(t *testing.T) {
	for _, s := range []string{"", "daily", "daily 8:00", "daily 24:00", "hourly 08:00", "weekly 08:00", "weekly mon", "monthly 08:00", "daily 08:00 Mars/Olympus", "daily 08:00 Local", "daily 08:00 UTC now"} {
		if _, err := tocsin.ParseSchedule(s); err == nil {
			t.Errorf("schedule %q was taken", s)
		}
	}
	for _, s := range []string{"", "22:00", "22:00-22:00", "22-07", "22:00-07:00 Nowhere", "22:00-07:00 UTC now", "a-b"} {
		if _, err := tocsin.ParseHours(s); err == nil {
			t.Errorf("quiet hours %q were taken", s)
		}
	}
}
