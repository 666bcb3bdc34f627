package main

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"tocsin"
	"tocsin/pipeline/watchlist"
)

func TestNamesAreReadAsSpreadsheetsWriteThem(t *testing.T) {
	want := "# tocsin list v1\n\"Ann Bonny\"\n\t\"Bonny, A.\"\tAnn Bonny\n\"Mary Read\"\n"
	for name, text := range map[string]string{
		"commas":           "Ann Bonny,\"Bonny, A.\"\nMary Read\n",
		"semicolons":       "Ann Bonny;Bonny, A.\r\nMary Read;\r\n",
		"tabs":             "Ann Bonny\tBonny, A.\nMary Read\n",
		"a head":           "Name,Alias,alias\nAnn Bonny,,\"Bonny, A.\"\nMary Read,,\n",
		"a mark":           "\ufeffname;alias\nAnn Bonny;\"Bonny, A.\"\nMary Read;\n",
		"aliases together": "id,name,aliases\n,Ann Bonny,\"Bonny, A.;Ann Bonny\"\n,Mary Read,\n",
		"line breaks":      "\"Ann\nBonny\",\"Bonny,\n A.\"\n\n,\nMary   Read\n",
		"no last line":     "Ann Bonny,\"Bonny, A.\"\nMary Read",
		"repeated":         "Ann Bonny,\"Bonny, A.\",\"Bonny, A.\"\nMary Read\nMary Read\n",
		"quotes":           "\"Ann \"\"Bonny\"\"\",\"“Bonny, A.”\"\nMary Read?\n",
	} {
		entries, err := parseListFile("names.csv", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := formatList(entries)
		if name == "quotes" { // they stay in what people read
			got = strings.ReplaceAll(got, `Ann "Bonny"`, "Ann Bonny")
		}
		if got != want {
			t.Errorf("%s: the list is\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestLanguagesOfNamesStandInAColumn(t *testing.T) {
	entries, err := parseListFile("names.csv", []byte("name,lang,alias\nHerring,en,Atlantic herring\nсельдь,ru,\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := "# tocsin list v1\nen\t\"Herring\"\nen\t\"Atlantic herring\"\tHerring\nru\t\"сельдь\"\n"
	if got := formatList(entries); got != want {
		t.Errorf("the list is\n%s\nwant\n%s", got, want)
	}
}

func TestEveryBadRowIsToldAndNothingIsTaken(t *testing.T) {
	for name, tt := range map[string]struct{ file, text, want string }{
		"rows": {
			"x.csv", "name,alias\n,a\nok,\"\n\"\n...,b*\nc,d\n",
			"x.csv:2: the row has aliases and no name\nx.csv:5: ...: there is no letter or digit to find here",
		},
		"a quote": {"x.csv", "a,b\nc \"d\" e,f\ng,h\n", "x.csv:2: bare"},
		"nothing": {"x.csv", "\n\n", "x.csv:1: the file has no name or term"},
		"bytes":   {"x.csv", "a\nb\xff\n", "x.csv:2: this is not UTF-8; save the file as UTF-8"},
		"version": {"x.list", "# tocsin list v2\na\n", "x.list:1: the first line is not"},
		"terms": {
			"x.list", "# tocsin list v1\na AND b\nxx\ta\tb\tc\nnowhere\tc\n\tm*\n",
			"x.list:2: a AND b: a AND b is more than one word, phrase or @list",
		},
	} {
		entries, err := parseListFile(tt.file, []byte(tt.text))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || entries != nil {
			t.Errorf("%s: %v, %v; want an error %q", name, entries, err, tt.want)
		}
	}
}

func TestManyFaultsAreCutShort(t *testing.T) {
	_, err := parseListFile("x.csv", []byte("name\n"+strings.Repeat("...\n", 1000)))
	if err == nil || strings.Count(err.Error(), "\n") != maxLineFaults || !strings.HasSuffix(err.Error(), "x.csv: and 980 more lines with faults") {
		t.Errorf("the error is %v", err)
	}
}

func TestListFilesComeBackAsTheyWere(t *testing.T) {
	for _, l := range builtinLists() {
		entries, err := parseListFile(l.Name+".list", []byte(formatList(l.Entries)))
		if err != nil || len(entries) > len(l.Entries) {
			t.Errorf("list %s: %d terms of %d: %v", l.Name, len(entries), len(l.Entries), err)
		}
	}
}

func TestBuiltinListsCompileAndHaveNoRepetition(t *testing.T) {
	lists, err := madeLists(builtinLists())
	if err != nil {
		t.Fatal(err)
	}
	if err := lists.Check(); err != nil {
		t.Error(err)
	}
	for _, l := range builtinLists() {
		seen := map[tocsin.Entry]bool{}
		for _, e := range l.Entries {
			if e.Name = ""; seen[e] {
				t.Errorf("list %s has %s (%s) twice", l.Name, e.Term, e.Lang)
			}
			seen[e] = true
		}
	}
	for name := range strings.FieldsSeq("ballistic-missile transfer dprk russia iran unsc-resolutions missile-systems") {
		if q, err := watchlist.Parse("@" + name); err != nil {
			t.Error(err)
		} else if _, err := q.Resolve(lists, false); err != nil {
			t.Error(err)
		}
	}
}

// BenchmarkImport reads 20,000 names with two aliases each.
func BenchmarkImport(b *testing.B) {
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "Company Number %d,\"C.N. %d, Limited\",社団%d\n", i, i, i)
	}
	for b.Loop() {
		entries, err := parseListFile("x.csv", []byte(text.String()))
		if err != nil || len(entries) != 60_000 {
			b.Fatal(len(entries), err)
		}
	}
}

// FuzzListFile holds that any bytes make a list or an error with a line, and that
// the list is one that queries can name.
func FuzzListFile(f *testing.F) {
	f.Add("name,alias\nAnn,\"B;c\"\n", false)
	f.Add(listHead+"\nfr\tx*\ty\n", true)
	f.Add("\"a\nb\";c\n\"", false)
	f.Fuzz(func(t *testing.T, text string, list bool) {
		name := "x.csv"
		if list {
			name = "x.list"
		}
		entries, err := parseListFile(name, []byte(text))
		if err == nil {
			_, err := watchlist.NewList(tocsin.List{Name: "x", Entries: entries})
			if err != nil || len(entries) == 0 {
				t.Errorf("%q gives a list that is refused: %v", text, err)
			}
			return
		}
		e, ok := err.(*lineError)
		if !ok || len(e.Faults) == 0 || !utf8.ValidString(err.Error()) {
			t.Fatalf("%q gives %T %v", text, err, err)
		}
		for _, fault := range e.Faults {
			if fault.Line < 1 || fault.Line > strings.Count(text, "\n")+1 {
				t.Errorf("%q: a fault stands on line %d", text, fault.Line)
			}
		}
	})
}
