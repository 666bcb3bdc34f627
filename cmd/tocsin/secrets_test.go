package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatOnlyReadsNeedsNoSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tocsin.yaml")
	text := "destinations: {desk: {kind: slack, to: C024BE91L}}\nslack: {token: {env: TOCSIN_TEST_ABSENT}}\n" +
		"email: {smtp: \"smtp://mail.example:587\", from: a@desk.example, password: {file: /nonexistent}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{cli: &cli{Config: file}}
	if _, err := a.look(); err != nil {
		t.Errorf("look: %v, want no fault", err)
	}
	if _, err := a.load(); err == nil || !strings.Contains(err.Error(), "slack.token") || !strings.Contains(err.Error(), "email.password") {
		t.Errorf("load: %v, want both secrets missed", err)
	}
}
