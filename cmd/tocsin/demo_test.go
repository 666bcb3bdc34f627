package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tocsin/notifiers"
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
				"watching 7 sources, 7 answered; 1 statement", "─\nJoint declaration on weapons deliveries\n", "  matched  missile-transfer: ",
				"+ also published by ", "~ changed by a publisher", "弾道ミサイル", "баллистическ",
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
	if posts != 7 || !strings.Contains(p.err.String(), "demo: not expected: isle-mfa/i-3") {
		t.Errorf("%d alerts, want 7 and a word of those that were not expected:\n%s", posts, p.err)
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
