package feeds

import (
	"strings"
	"testing"
	"time"

	"tocsin"
)

func TestDatesAreReadAsTheirSourceMeansThem(t *testing.T) {
	vienna := tocsin.Source{Zone: "Europe/Vienna"}
	seoul := tocsin.Source{Zone: "Asia/Seoul", Country: "KR", Lang: "ko"}
	tehran := tocsin.Source{Zone: "Asia/Tehran", Country: "IR", Lang: "fa"}
	in := func(country, lang string) tocsin.Source { return tocsin.Source{Country: country, Lang: lang} }
	for _, tt := range []struct {
		date string
		src  tocsin.Source
		want string // RFC 3339 in UTC; or what the problem says
	}{
		// RFC 822 and its relatives
		{date: "Wed, 10 Jan 2024 12:30:00 +0300", want: "2024-01-10T09:30:00Z"},
		{date: "Wed, 10 Jan 2024 12:30:00 GMT", want: "2024-01-10T12:30:00Z"},
		{date: "10 Jan 24 12:30 Z", want: "2024-01-10T12:30:00Z"},
		{date: "Fri, 17 Apr 26 14:44:00 +0200", want: "2026-04-17T12:44:00Z"},
		{date: "Wed,10 Jan 2024 12:30:00 +03:00", want: "2024-01-10T09:30:00Z"},
		{date: "Wednesday, January 10, 2024 - 3:04 PM EST", want: "2024-01-10T20:04:00Z"},
		{date: "Jan 10, 2024 12:05 am", want: "2024-01-10T00:05:00Z"},
		{date: "Wed Jan 10 12:30:00 PST 2024", want: "2024-01-10T20:30:00Z"},
		{date: "Wed Jan 10 2024 12:30:00 GMT+0300 (Moscow Standard Time)", want: "2024-01-10T09:30:00Z"},
		{date: "10-Jan-2024", want: "2024-01-10T00:00:00Z"},
		{date: "Thu, 01 Jan 2024 24:00:00 GMT", want: "2024-01-02T00:00:00Z"},
		// zones by name
		{date: "Wed, 10 Jan 2024 12:00:00 JST", want: "2024-01-10T03:00:00Z"},
		{date: "Wed, 10 Jan 2024 12:00:00 KST", want: "2024-01-10T03:00:00Z"},
		{date: "Wed, 10 Jan 2024 12:00:00 MSK", want: "2024-01-10T09:00:00Z"},
		{date: "Wed, 10 Jan 2024 10:00:00 EET", want: "2024-01-10T08:00:00Z"},
		{date: "Wed, 10 Jan 2024 12:00:00 IST", want: "2024-01-10T06:30:00Z"},
		{date: "Wed, 10 Jan 2024 12:00:00 IST", src: in("IL", ""), want: "2024-01-10T10:00:00Z"},
		{date: "Wed, 10 Jul 2024 12:00:00 IST", src: tocsin.Source{Zone: "Europe/Dublin"}, want: "2024-07-10T11:00:00Z"},
		{date: "Wed, 10 Jan 2024 12:00:00 CST", src: in("CN", ""), want: "2024-01-10T04:00:00Z"},
		{date: "Wed, 10 Jan 2024 12:00:00 CST", want: "2024-01-10T18:00:00Z"},
		{date: "Wed, 10 Jul 2024 12:00:00 CEST", want: "2024-07-10T10:00:00Z"},
		{date: "Wed, 10 Jan 2024 12:00:00 XYZ", src: vienna, want: "2024-01-10T11:00:00Z"},
		// ISO 8601
		{date: "2024-01-10T08:15:00Z", want: "2024-01-10T08:15:00Z"},
		{date: "2024-01-10T12:00+09:00", want: "2024-01-10T03:00:00Z"},
		{date: "2024-01-10t08:15:00.123-05:00", want: "2024-01-10T13:15:00Z"},
		{date: "20240110T081500Z", want: "2024-01-10T08:15:00Z"},
		{date: "20240110", want: "2024-01-10T00:00:00Z"},
		{date: "2024-01", want: "2024-01-01T00:00:00Z"},
		{date: "2024-032", want: "2024-02-01T00:00:00Z"},
		{date: "1704877200", want: "2024-01-10T09:00:00Z"},
		// without a zone
		{date: "2024-01-10 09:00:00.0", src: seoul, want: "2024-01-10T00:00:00Z"},
		{date: "2024.01.10", src: seoul, want: "2024-01-09T15:00:00Z"},
		{date: "2024. 1. 10.", src: seoul, want: "2024-01-09T15:00:00Z"},
		{date: "2024년 1월 10일 오후 3시 5분", src: seoul, want: "2024-01-10T06:05:00Z"},
		{date: "2024/01/10", want: "2024-01-10T00:00:00Z"},
		{date: "2024年1月10日 12:00", src: tocsin.Source{Zone: "Asia/Tokyo"}, want: "2024-01-10T03:00:00Z"},
		{date: "令和6年1月10日", want: "2024-01-10T00:00:00Z"},
		{date: "26-04-17\n      14:44", src: vienna, want: "2026-04-17T12:44:00Z"},
		{date: "12:30 23-01-2024", want: "2024-01-23T12:30:00Z"},
		{date: "09:15, 2024-01-10", want: "2024-01-10T09:15:00Z"},
		{date: "10.01.2024", want: "2024-01-10T00:00:00Z"},
		{date: "10.1.2024 klo 10.30", src: in("FI", "fi"), want: "2024-01-10T10:30:00Z"},
		// months in other languages
		{date: "Ср, 10 янв 2024 12:30:00 +0300", want: "2024-01-10T09:30:00Z"},
		{date: "10 января 2024 г., 12:30", want: "2024-01-10T12:30:00Z"},
		{date: "mer. 10 janvier 2024 à 09h30", want: "2024-01-10T09:30:00Z"},
		{date: "Mardi 9 août 2022", want: "2022-08-09T00:00:00Z"},
		{date: "14 juillet 2024", want: "2024-07-14T00:00:00Z"},
		{date: "14 juin 2024", want: "2024-06-14T00:00:00Z"},
		{date: "martes, 9 de enero de 2024 - 10:15", want: "2024-01-09T10:15:00Z"},
		{date: "Mittwoch, 10. März 2024, 14:00 Uhr", want: "2024-03-10T14:00:00Z"},
		{date: "10 stycznia 2024", want: "2024-01-10T00:00:00Z"},
		{date: "10 січня 2024", want: "2024-01-10T00:00:00Z"},
		{date: "10. marraskuuta 2024", want: "2024-11-10T00:00:00Z"},
		{date: "2024 m. rugpjūčio 10 d.", want: "2024-08-10T00:00:00Z"},
		{date: "10 Ağustos 2024", want: "2024-08-10T00:00:00Z"},
		{date: "10 Ιουλίου 2024", want: "2024-07-10T00:00:00Z"},
		{date: "2024. szeptember 10.", want: "2024-09-10T00:00:00Z"},
		{date: "10 يناير 2024", want: "2024-01-10T00:00:00Z"},
		{date: "10 كانون الثاني 2024", want: "2024-01-10T00:00:00Z"},
		{date: "10 listopadu 2024", src: in("CZ", "cs"), want: "2024-11-10T00:00:00Z"},
		{date: "10. listopada 2024.", src: in("HR", "hr"), want: "2024-10-10T00:00:00Z"},
		{date: "10 listopad 2024", want: "cannot be read"},
		// days of the week that look like months
		{date: "Martes 03/09/2024", src: in("ES", "es"), want: "2024-09-03T00:00:00Z"},
		{date: "maandag 10-06-2024", src: in("NL", "nl"), want: "2024-06-10T00:00:00Z"},
		// other calendars
		{date: "۱۸ شهریور ۱۴۰۳ - ۱۰:۳۰", src: tehran, want: "2024-09-08T07:00:00Z"},
		{date: "۱ فروردین ۱۴۰۳", want: "2024-03-20T00:00:00Z"},
		{date: "30 اسفند 1403", want: "2025-03-20T00:00:00Z"},
		{date: "1 فروردین 1404", want: "2025-03-21T00:00:00Z"},
		{date: "۱۴۰۳/۰۶/۱۸", src: tocsin.Source{Lang: "fa"}, want: "2024-09-08T00:00:00Z"},
		{date: "1445/06/28", src: in("SA", "ar"), want: "cannot be"},
		{date: "10 มกราคม 2567", src: in("TH", "th"), want: "2024-01-10T00:00:00Z"},
		// what could be two
		{date: "03/04/2024", want: "could be two"},
		{date: "03/04/2024", src: in("", "en"), want: "could be two"},
		{date: "03/04/2024", src: in("US", "en"), want: "2024-03-04T00:00:00Z"},
		{date: "03/04/2024", src: in("", "en-US"), want: "2024-03-04T00:00:00Z"},
		{date: "03/04/2024", src: in("FR", "fr"), want: "2024-04-03T00:00:00Z"},
		{date: "03/04/2024", src: in("", "fr"), want: "2024-04-03T00:00:00Z"},
		{date: "13/04/2024", want: "2024-04-13T00:00:00Z"},
		{date: "04/13/2024 10:00 AM", want: "2024-04-13T10:00:00Z"},
		// nonsense
		{date: "44798", want: "cannot be read"},
		{date: "yesterday", want: "cannot be read"},
		{date: "Fri, 31 Dec 9999 00:00:00 GMT", want: "cannot be"},
		{date: "0001-01-01T00:00:00Z", want: "cannot be"},
		{date: "2024-02-30", want: "cannot be"},
		{date: "2024-01-10 25:00", want: "cannot be"},
		{date: "2 days ago", want: "cannot be read"},
		{date: strings.Repeat("1", 1<<20), want: "too long"},
		{date: "Wed, 10 Jan 2024 12:30:61 GMT", want: "cannot be"},
	} {
		got, problem := newCalendar(tt.src, time.Time{}).parse(tt.date)
		s := problem
		if problem == "" {
			s = got.UTC().Format(time.RFC3339)
		}
		if s != tt.want && (problem == "" || !strings.Contains(problem, tt.want)) {
			t.Errorf("parse(%.60q) for %q %q = %s, want %s", tt.date, tt.src.Country, tt.src.Lang, s, tt.want)
		}
	}
}

// TestTwoDigitYearIsTheOneCloserToTheOthers: 21-04-22 is of 2021 or of 2022.
func TestTwoDigitYearIsTheOneCloserToTheOthers(t *testing.T) {
	for at, want := range map[string]string{"2026-04-23": "2026-04-22", "2022-05-01": "2022-04-26"} {
		near, _ := time.Parse(time.DateOnly, at)
		got, problem := newCalendar(tocsin.Source{}, near).parse("26-04-22")
		if problem != "" || got.Format(time.DateOnly) != want {
			t.Errorf("26-04-22 read on %s = %v %s, want %s", at, got, problem, want)
		}
	}
}

func TestEveryMonthNameIsOfOneMonthInItsLanguage(t *testing.T) {
	for lang, names := range monthNames {
		if n := len(strings.Fields(names)); n != 12 {
			t.Errorf("%s has %d months", lang, n)
		}
		for i, spellings := range strings.Fields(names) {
			for s := range strings.SplitSeq(spellings, "|") {
				if m, jalali, ok := monthOf(s, lang); !ok || m != i+1 || jalali {
					t.Errorf("monthOf(%q, %s) = %d %v, want %d", s, lang, m, ok, i+1)
				}
			}
		}
	}
}

func BenchmarkDate(b *testing.B) {
	c := newCalendar(tocsin.Source{}, time.Time{})
	b.ReportAllocs()
	for b.Loop() {
		c.parse("Sun, 01 Mar 2026 10:07:00 +0000")
	}
}
