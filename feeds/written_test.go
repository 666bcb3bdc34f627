package feeds

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// TestOfficialShapedFeedsHaveTheirDatesAndTexts holds what the quirks of
// feeds-written come to: the moment of the first entry (that of its update where
// it has no other), and a word of its title in the right characters.
func TestOfficialShapedFeedsHaveTheirDatesAndTexts(t *testing.T) {
	type want struct {
		zone, date, word, address string
		n                         int
	}
	files := map[string]want{
		"iaea-pubdate.rss":         {"Europe/Vienna", "2026-04-17T12:44:00Z", "Safeguards", "https://www.iaea.example/newscenter/1", 1},
		"gov-atom.v1.atom":         {"Europe/London", "2024-01-10T09:02:00Z", "transfers", "https://www.gov.example/government/news/", 1},
		"gov-atom.v2-redated.atom": {"Europe/London", "2024-01-12T16:20:31Z", "12 January", "https://www.gov.example/government/news/", 1},
		"spip-backend.rss":         {"Europe/Paris", "2024-01-10T08:15:00Z", "déclaration", "http://www.diplomatie.example/fr/", 1},
		"board-kr.rss":             {"Asia/Seoul", "2024-01-10T00:00:00Z", "탄도미사일", "http://www.mofa.example/www/brd/m_4080/view.do?seq=374534&page=1", 1},
		"board-kr-euckr.rss":       {"Asia/Seoul", "2024-01-09T15:00:00Z", "탄도미사일", "http://a.example/1", 1},
		"rdf-ja-sjis.rdf":          {"Asia/Tokyo", "2024-01-10T03:00:00Z", "ミサイル", "http://k.example/1", 1},
		"cp1251-ru.rss":            {"Europe/Moscow", "2024-01-10T09:30:00Z", "ракет", "https://m.example/1", 1},
		"lies-utf8-is-cp1251.rss":  {"Europe/Moscow", "2024-01-10T09:30:00Z", "ракет", "https://m.example/1", 1},
		"bom-blank-uk.rss":         {"Europe/Kyiv", "2024-01-10T08:00:00Z", "балістичних", "https://site.example/news/1", 1},
		"utf16le-bom.rss":          {"Asia/Shanghai", "", "导弹", "https://m.example/1", 1},
		"gb2312-no-date.rss":       {"Asia/Shanghai", "", "导弹", "https://site.example/feed/202401/", 1},
		"malformed-amp.rss":        {"Europe/Bucharest", "2026-03-19T08:00:00Z", "Defence & security", "https://gov.example/1?x=1&y=2", 1},
		"control-chars.rss":        {"", "", "on missiles", "https://m.example/1", 1},
		"empty-envelope-error.rss": {},
		"truncated.rss":            {"", "", "whole item", "https://m.example/1", 1},
		"wordpress-footer.rss":     {"", "2024-01-11T08:00:00Z", "Transfers", "https://inform.example/2024/01/11/x/", 1},
		"guid-change.v1.rss":       {"", "2024-01-10T10:00:00Z", "Statement", "http://m.example/1", 1},
		"guid-change.v2-https.rss": {"", "2024-01-10T10:00:00Z", "Statement", "https://m.example/1", 1},
		"same-guid.rss":            {"", "", "Statement 0", "https://m.example/0", 3},
		"now-date.rss":             {"", "2026-11-23T08:00:00Z", "statement", "https://m.example/1", 1},
		"jalali-fa.rss":            {"Asia/Tehran", "2024-09-08T07:00:00Z", "بالستيك", "https://s.example/1", 1},
		"jsonfeed.json":            {"", "2024-01-10T07:00:00Z", "statement", "https://j.example/1", 1},
		"gzipped-body.rss.gz":      {},
	}
	wrong, read := 0, 0
	for _, file := range corpus(t, "feeds-written") {
		name := filepath.Base(file)
		w, ok := files[name]
		if !ok {
			continue
		}
		read++
		doc, err := ParseFeed(tocsin.Source{Zone: w.zone}, fetch.Response{Body: unpacked(t, file), URL: "https://site.example/feed/"})
		if err != nil || len(doc.Items) != w.n {
			t.Errorf("%s: %d entries, want %d; %v", name, len(doc.Items), w.n, err)
			continue
		}
		if w.n == 0 {
			continue
		}
		e, date := doc.Items[0], ""
		if at := e.Published; !at.IsZero() {
			date = at.UTC().Format(time.RFC3339)
		} else if at := e.Updated; !at.IsZero() {
			date = at.UTC().Format(time.RFC3339)
		}
		if date != w.date || !strings.Contains(e.Title, w.word) || !strings.HasPrefix(e.URL, w.address) || strings.ContainsAny(e.Title+e.Summary+e.Text, "\ufffd\x00\x03") {
			wrong++
			t.Errorf("%s: date %s, want %s; title %q; address %s", name, date, w.date, e.Title, e.URL)
		}
	}
	t.Logf("%d files: %d zone, charset or address errors", read, wrong)
	if read < len(files) {
		t.Errorf("%d of %d files are there", read, len(files))
	}
}
