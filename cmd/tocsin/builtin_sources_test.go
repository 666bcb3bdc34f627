package main

import (
	"net/url"
	"strings"
	"testing"
)

// TestBuiltinSourcesAreValid holds the table to what a configuration is held to.
func TestBuiltinSourcesAreValid(t *testing.T) {
	sources := builtinSources()
	if len(sources) < 50 {
		t.Errorf("%d sources, want a starter set of at least 50", len(sources))
	}
	ids, urls := map[string]bool{}, map[string]bool{}
	for _, s := range sources {
		checks := []error{isName(s.ID), isWeb(s.URL), isLang(s.Lang), isZone(s.Zone)}
		if s.Country != "" {
			checks = append(checks, isCountry(s.Country))
			if !strings.HasPrefix(s.ID, strings.ToLower(s.Country)+"-") {
				t.Errorf("%s: its id does not begin with its country, %s", s.ID, s.Country)
			}
		}
		for _, err := range checks {
			if err != nil {
				t.Errorf("%s: %v", s.ID, err)
			}
		}
		if u, err := url.Parse(s.URL); err != nil || u.String() != s.URL {
			t.Errorf("%s: its address is not in normal form: %s", s.ID, s.URL)
		}
		if ids[s.ID] || urls[s.URL] {
			t.Errorf("%s: its id or its address stands in the table twice", s.ID)
		}
		if s.Title == "" || s.Zone == "" || s.Kind != "feed" || !s.Builtin {
			t.Errorf("%s: something is missing: %+v", s.ID, s)
		}
		ids[s.ID], urls[s.URL] = true, true
	}
}

func TestParseSourcesRefusesATornTable(t *testing.T) {
	for _, table := range []string{"", "id\turl\n", builtinHead + "\nfr-mfa\tFrance\tFR\n"} {
		if sources, err := parseSources(table); err == nil {
			t.Errorf("parseSources(%q) gives %v, want an error", table, sources)
		}
	}
}
