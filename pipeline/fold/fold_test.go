package fold

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

var (
	now  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	long = strings.Repeat("The ministers of Japan condemned the transfer. ", 10)
)

func TestMarkupCaseAndWidthDoNotTellCopiesApart(t *testing.T) {
	for _, tt := range []struct{ name, title, text string }{
		{"same", "Joint statement", "On the transfer of missiles."},
		{"case", "JOINT STATEMENT", "on the Transfer of missiles"},
		{"white space", "  Joint\n\tstatement ", "On the transfer\u00a0of missiles."},
		{"hyphens and quotes", "Joint-statement", "“On the trans\u00adfer” of ‘missiles’ …"},
		{"width", "Ｊｏｉｎｔ　ｓｔａｔｅｍｅｎｔ", "On the transfer of missiles."},
		{"ligature", "Joint statement", "On the trans\u200bfer of missiles."},
		{"split elsewhere", "Joint statement: on the transfer", "of missiles"},
	} {
		if got, want := wholeOf(t, tt.title, tt.text), wholeOf(t, "Joint statement", "On the transfer of missiles."); got != want {
			t.Errorf("%s: %q / %q is another statement", tt.name, tt.title, tt.text)
		}
	}
}

func TestWordsAccentsAndNumbersTellStatementsApart(t *testing.T) {
	base := wholeOf(t, "Joint statement 12", "On the resumé.")
	for _, text := range [][2]string{
		{"Joint statement 13", "On the resumé."},
		{"Joint statement 12", "On the resume."},
		{"Joint statement 12", "On the resumé. Corrected."},
		{"", ""},
	} {
		if wholeOf(t, text[0], text[1]) == base {
			t.Errorf("%q is the same statement", text)
		}
	}
}

func TestDecide(t *testing.T) {
	var x Index
	x.Add("a", Member{"fr", "a"}, Of("Title", long, ""), now)
	x.Add("b", Member{"fr", "b"}, Of("Short", "No.", ""), now)
	for _, tt := range []struct {
		name, source, title, text string
		at                        time.Time
		want                      string // the statement; "" is a new one
	}{
		{"repeat of one source", "fr", "Title", long, now, "a"},
		{"copy", "jp", "Title", long, now, "a"},
		{"another source under its own title", "jp", "Titre", long, now, "a"},
		{"the same source under a new title", "fr", "Another title", long, now, ""},
		{"short text under another title", "jp", "Other", "No.", now, ""},
		{"short text under its title", "jp", "Short", "No.", now, "b"},
		{"last day of the window", "jp", "Title", long, now.Add(Window), "a"},
		{"after the window", "jp", "Title", long, now.Add(Window + time.Second), ""},
		{"seen before it, by a slower clock", "jp", "Title", long, now.Add(-time.Hour), "a"},
	} {
		d := x.Decide(Member{tt.source, "new"}, Of(tt.title, tt.text, ""), tt.at)
		if d.Statement != tt.want || (d.Kind == Same) != (tt.want != "") || d.Reason == "" {
			t.Errorf("%s: %+v, want statement %q", tt.name, d, tt.want)
		}
	}
}

func TestEveryCopyKeepsAStatementOpen(t *testing.T) {
	var x Index
	s := Of("Title", long, "")
	x.Add("a", Member{"fr", "a"}, s, now)
	x.Add("a", Member{"jp", "a"}, s, now.Add(Window-time.Hour))
	x.Add("a", Member{"us", "a"}, s, now.Add(time.Hour)) // a late one does not set it back
	if d := x.Decide(Member{"kr", "new"}, s, now.Add(2*Window-2*time.Hour)); d.Kind != Same {
		t.Errorf("a copy within the window of the last = %+v, want the same statement", d)
	}
}

func TestDecideOnAnEmptyIndex(t *testing.T) {
	var x Index
	x.Keep(func(string) bool { return false })
	if d := x.Decide(Member{"fr", "new"}, Of("", "", ""), now); d.Kind != New {
		t.Errorf("Decide = %+v", d)
	}
}

func TestKeepForgetsWholeStatements(t *testing.T) {
	var x Index
	for _, id := range []string{"a", "b"} {
		x.Add(id, Member{"fr", id}, Of(id, long+id, ""), now)
	}
	x.Keep(func(id string) bool { return id == "a" })
	for _, source := range []string{"fr", "jp"} {
		if d := x.Decide(Member{source, "new"}, Of("b", long+"b", ""), now); d.Kind != New {
			t.Errorf("a copy of a forgotten statement by %s = %+v, want a new one", source, d)
		}
		if d := x.Decide(Member{source, "new"}, Of("a", long+"a", ""), now); d.Kind != Same {
			t.Errorf("a copy of a kept statement by %s = %+v, want the same", source, d)
		}
	}
}

func wholeOf(t *testing.T, title, text string) [digestSize]byte {
	t.Helper()
	f, err := Of(title, text, "").facts()
	if err != nil {
		t.Fatal(err)
	}
	return f.whole
}

// FuzzOf: any bytes have a sketch of at most 256 characters that comes back as it
// was stored.
func FuzzOf(f *testing.F) {
	f.Add("Title", long, "en")
	f.Add("\xff\xfe", "ﬁ ﷺ Å 四十八か国 12月30日 KN-23 in 1.000.000", "")
	f.Fuzz(func(t *testing.T, title, text, lang string) {
		if len(title)+len(text) > 1<<16 {
			return
		}
		s := Of(title, text, lang)
		data, err := json.Marshal(s)
		if err != nil || len(data) > 256+2 {
			t.Fatalf("the sketch is %d bytes, %v", len(data), err)
		}
		var back Sketch
		if err := json.Unmarshal(data, &back); err != nil || back != s {
			t.Fatalf("it comes back as %v, %v", back, err)
		}
		var x Index
		x.Add("a", Member{"fr", "a"}, s, now)
		x.Decide(Member{"jp", "b"}, s, now)
	})
}

func BenchmarkFold(b *testing.B) {
	text := strings.Repeat(long, 14) // about 5 KB
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Of("Joint statement on the transfer", text, "")
	}
}

func BenchmarkDecide(b *testing.B) {
	var x Index
	for i := range 100_000 {
		x.Add(fmt.Sprint(i), Member{"fr", fmt.Sprint(i)}, Of(fmt.Sprint(i), long+fmt.Sprint(i), ""), now)
	}
	known, fresh := Of("7", long+"7", ""), Of("new", long, "")
	b.ReportAllocs()
	for b.Loop() {
		x.Decide(Member{"jp", "new"}, known, now)
		x.Decide(Member{"jp", "new"}, fresh, now)
	}
}
