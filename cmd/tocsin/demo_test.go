package main

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/notifiers"

	"github.com/goccy/go-yaml"
)

func TestTheDemonstrationJudgesItself(t *testing.T) {
	for _, tt := range []struct {
		off, says string
		status    int
	}{
		{"", "5 alerts came out, exactly as expected", 0},
		{"match", "demo: missing: north-mfa/n-3", 1},
		{"thinking", `"thinking" is no mechanism`, 2},
	} {
		t.Run("without "+tt.off, func(t *testing.T) {
			t.Parallel()
			p := demonstrate(t, tt.off, tt.status)
			if !strings.Contains(p.err.String(), tt.says) {
				t.Errorf("it does not say %q:\n%s", tt.says, p.err)
			}
			if tt.status != 0 {
				return
			}
			for _, want := range []string{
				"watching 8 sources, 8 answered; 1 statement", "─\nJoint statement on the transfer of ballistic missiles\n", "  matched  missile-transfer: ",
				"+ also published by ", "+ reported by 1: Harbour Courier", "~ changed by a publisher (1 change by its publishers, none material",
				"! material change by Northland: Foreign Ministry (GB): number changed: 36 to 38", "! withdrawn by Isle Republic: Foreign Office (IE)",
				"탄도미사일", "баллистическ", "fünf Personen", "drei Firmen",
			} {
				if !strings.Contains(p.out.String(), want) {
					t.Errorf("nothing printed holds %q:\n%s", want, p.out)
				}
			}
		})
	}
}

// TestTheDemonstrationPrintsJSONLines sees without folding that copies alert too.
func TestTheDemonstrationPrintsJSONLines(t *testing.T) {
	t.Parallel()
	p := demonstrate(t, "fold", 1, "--json")
	posts := 0
	for line := range strings.Lines(p.out.String()) {
		var l notifiers.Line
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.V != notifiers.LineFormat {
			t.Errorf("%q is no line of format %d: %v", line, notifiers.LineFormat, err)
		}
		if l.Kind == "post" {
			posts++
		}
	}
	if posts != 9 || !strings.Contains(p.err.String(), "demo: not expected: isle-mfa/i-3") {
		t.Errorf("%d alerts, want 9 and a word of those that were not expected:\n%s", posts, p.err)
	}
}

// TestTheDemonstrationJudgesEveryFigure changes what has to come out, one figure at
// a time.
func TestTheDemonstrationJudgesEveryFigure(t *testing.T) {
	var st site
	if err := yaml.Unmarshal(demoSite, &st); err != nil {
		t.Fatal(err)
	}
	if err := differ(st.Alerts, slices.Clone(st.Alerts)); err != nil {
		t.Errorf("what has to come out is wrong: %v", err)
	}
	for i := range reflect.TypeFor[expected]().NumField() {
		got := slices.Clone(st.Alerts)
		if f := reflect.ValueOf(&got[0]).Elem().Field(i); f.CanInt() {
			f.SetInt(f.Int() + 1)
		} else {
			f.SetString("another")
		}
		if err := differ(got, st.Alerts); err == nil || !strings.Contains(err.Error(), "demo: missing: ") || !strings.Contains(err.Error(), "demo: not expected: ") {
			t.Errorf("%v came out for %v: %v", got[0], st.Alerts[0], err)
		}
	}
	for _, e := range st.Statements {
		if e.Step >= len(st.Steps) {
			t.Errorf("%s/%s is published in step %d, which is not told of and never comes", e.Site, e.ID, e.Step)
		}
	}
}

// demonstrate runs tocsin demo --once with a mechanism switched off.
func demonstrate(t *testing.T, off string, status int, args ...string) *process {
	t.Helper()
	p := spawn(t, []string{"TOCSIN_OFF=" + off}, append([]string{"demo", "--once"}, args...)...)
	if !p.ended(80 * time.Second) {
		t.Fatalf("it did not end:\n%s", p.err)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		t.Errorf("exit status %d, want %d:\n%s", got, status, p.err)
	}
	return p
}
