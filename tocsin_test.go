package tocsin

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretsShowThemselvesNowhere(t *testing.T) {
	const token = "xoxb-1234"
	s := Secret(token)
	js, err := json.Marshal(map[string]any{"token": s})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", s, "in", fmt.Errorf("with %v", s))
	for _, out := range []string{string(js), log.String(), fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s)} {
		if strings.Contains(out, token) {
			t.Errorf("%q shows the secret", out)
		}
	}
	if string(s) != token {
		t.Errorf("string(s) = %q, want %q", string(s), token)
	}
}

func TestAnErrorThatNobodyClassifiedMayHideAMessage(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want Verdict
	}{
		{errors.New("EOF"), Ambiguous},
		{&Outcome{Verdict: Rate}, Rate},
		{fmt.Errorf("post: %w", &Outcome{Verdict: Gone}), Gone},
	} {
		if got := VerdictOf(tt.err); got != tt.want {
			t.Errorf("VerdictOf(%v) = %s, want %s", tt.err, got, tt.want)
		}
	}
}

func TestOutcomesSayWhatToDo(t *testing.T) {
	o := &Outcome{Verdict: Gone, Code: "is_archived", Err: errors.New("post to C1"), Advice: "unarchive the channel"}
	if got, want := o.Error(), "destination is_archived: post to C1; unarchive the channel"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestAPublisherIsCountedOnce(t *testing.T) {
	a := Alert{Copies: []Copy{{Source: "fr", Item: "1"}, {Source: "jp"}, {Source: "fr", Item: "2"}}}
	if p := a.Publishers(); len(p) != 2 || p[0].Item != "1" || p[1].Source != "jp" {
		t.Errorf("Publishers() = %+v, want fr's first and jp", p)
	}
}
