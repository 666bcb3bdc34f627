package tocsin_test

import (
	"testing"
	"time"

	"tocsin"
)

func TestEscalationReadsWhatItWrites(t *testing.T) {
	for text, want := range map[string]tocsin.Escalation{
		"10m:duty":   {After: 10 * time.Minute, To: "duty"},
		"2h:duty":    {After: 2 * time.Hour, To: "duty"},
		"1h30m:duty": {After: 90 * time.Minute, To: "duty"},
		"90s:duty":   {After: 90 * time.Second, To: "duty"},
	} {
		got, err := tocsin.ParseEscalation(text)
		if again, _ := tocsin.ParseEscalation(got.String()); err != nil || got != want || again != want {
			t.Errorf("%s: %v, %v, written %s", text, got, err, got)
		}
	}
	if got := (tocsin.Escalation{After: 10 * time.Minute, To: "duty"}).String(); got != "10m:duty" {
		t.Errorf("written %s", got)
	}
	if got, err := tocsin.ParseEscalation("1d:duty"); err != nil || got.After != 24*time.Hour {
		t.Errorf("1d: %v, %v", got, err)
	}
	for _, text := range []string{"", "10m", "duty", "10m:", "soon:duty", "9999d:duty"} {
		if got, err := tocsin.ParseEscalation(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
