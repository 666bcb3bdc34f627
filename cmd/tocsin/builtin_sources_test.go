package main

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tocsin"
	"tocsin/feeds"
)

// TestBuiltinSourcesAreValid holds the table to what a configuration is held to.
func TestBuiltinSourcesAreValid(t *testing.T) {
	sources := builtinSources()
	if len(sources) < 150 {
		t.Errorf("%d sources, want a starter set of at least 150", len(sources))
	}
	var kinds []string
	for _, k := range feeds.Kinds {
		kinds = append(kinds, k.Name)
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
		if s.Title == "" || s.Zone == "" || !s.Builtin || !slices.Contains(kinds, s.Kind) || s.Kind != "page" && s.Listing != (tocsin.Listing{}) {
			t.Errorf("%s: something is missing: %+v", s.ID, s)
		}
		if err := feeds.CheckListing(s.Listing); err != nil {
			t.Errorf("%s: %v", s.ID, err)
		}
		ids[s.ID], urls[s.URL] = true, true
	}
}

// cosigners are the states that signed the statement of 9 January 2024.
const cosigners = "AL AD AR AU AT BE BG CA HR CY CZ DK EE FI FR GE DE GR GT IS IE IL IT JP LV LI LT LU MT MD MC ME NL NZ MK NO PW PL PT KR RO SM SI ES SE UA GB US"

// TestStarterDirectoryHoldsEveryCosigner and who else it has to: each by the
// beginning of an id.
func TestStarterDirectoryHoldsEveryCosigner(t *testing.T) {
	states := strings.Fields(cosigners)
	if len(states) != 48 {
		t.Fatalf("%d states, want 48", len(states))
	}
	sources := builtinSources()
	for _, c := range states {
		if !slices.ContainsFunc(sources, func(s tocsin.Source) bool { return s.Country == c }) {
			t.Errorf("no source of %s", c)
		}
	}
	for _, begin := range []string{"un-", "eu-", "nato-", "iaea-", "msmt", "us-ofac", "kp-", "ru-", "ir-", "ua-", "us-38north", "se-sipri", "us-aca"} {
		if !slices.ContainsFunc(sources, func(s tocsin.Source) bool { return strings.HasPrefix(s.ID, begin) }) {
			t.Errorf("no source %s", begin)
		}
	}
}

// TestStarterDirectorySaysWhatWasSeen: nothing in it claims to work that nobody
// saw work.
func TestStarterDirectorySaysWhatWasSeen(t *testing.T) {
	said := regexp.MustCompile(`^(20\d\d(-\d\d)?|page 20\d\d(-\d\d)?|stale 20\d\d-\d\d|selectors 2022|refused|never)$`)
	_, rows, _ := strings.Cut(builtinTable, "\n")
	for row := range strings.Lines(rows) {
		f := strings.Split(strings.TrimSpace(row), "\t")
		if seen := f[len(f)-1]; !said.MatchString(seen) || strings.HasPrefix(seen, "selectors") != (f[7] != "" && !strings.HasPrefix(seen, "page") && seen != "refused") {
			t.Errorf("%s: seen %q", f[0], seen)
		}
	}
}

func TestParseSourcesRefusesATornTable(t *testing.T) {
	for _, table := range []string{"", "id\turl\n", builtinHead + "\nfr-mfa\tFrance\tFR\n"} {
		if sources, err := parseSources(table); err == nil {
			t.Errorf("parseSources(%q) gives %v, want an error", table, sources)
		}
	}
}
