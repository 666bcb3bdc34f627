package fold

import "testing"

// TestACopyOfAReportIsAReport: who reprints what tells of a statement does not
// publish it. What a person parted from a statement is no report of it.
func TestACopyOfAReportIsAReport(t *testing.T) {
	var x Index
	x.Add("a", Member{"us", "a"}, Of("Joint statement", long+"24 missiles of North Korea on 30 December.", "en"), now)
	report := Of("Ministers angry", long+"A newspaper wrote so.", "en")
	x.AddReport("a", Member{"news", "a"}, report, now)
	decide := func(what, source, title, text, statement string, want Kind) {
		t.Helper()
		if d := x.Decide(Member{source, "new"}, Of(title, text, "en"), now); d.Kind != want || d.Statement != statement {
			t.Errorf("%s: %+v, want %s %s", what, d, want, statement)
		}
	}
	decide("a reprint", "paper", "Ministers angry", long+"A newspaper wrote so.", "a", Near)
	decide("one under another title", "paper", "Anger", long+"A newspaper wrote so.", "a", Near)
	decide("a copy of the statement", "jp", "Joint statement", long+"24 missiles of North Korea on 30 December.", "a", Same)
	x.Keep(func(string) bool { return true })
	decide("a reprint after some are forgotten", "paper", "Ministers angry", long+"A newspaper wrote so.", "a", Near)
	x.Move("a", "b")
	decide("a reprint after two are merged", "paper", "Ministers angry", long+"A newspaper wrote so.", "b", Near)
	x.Move("b", "c", Member{"news", "a"})
	decide("a reprint of what was parted", "paper", "Ministers angry", long+"A newspaper wrote so.", "c", Same)
}
