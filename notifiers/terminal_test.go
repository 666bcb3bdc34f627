package notifiers_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"tocsin"
	"tocsin/notifiers"
)

var update = flag.Bool("update", false, "write the golden files anew")

var here = tocsin.Destination{Name: "here", Kind: "terminal"}

// TestTerminalShows compares what is printed with testdata/terminal.txtar, in
// which "^[" stands for the escape character.
func TestTerminalShows(t *testing.T) {
	golden, err := txtar.ParseFile("testdata/terminal.txtar")
	if err != nil && !*update {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 5, 9, 0, 0, 0, time.UTC)))
		grown := sample()
		for _, name := range []string{"Chile", "Peru"} {
			c := grown.Copies[0]
			c.Source, c.Publisher, c.Country = name, name+": Foreign Ministry", ""
			grown.Copies = append(grown.Copies, c)
		}
		grown.Revised++
		cjk := sample()
		cjk.Copies[0].Title = "外交部发言人就导弹试射答记者问：有关国家应当立即停止一切导弹试射活动并且回到谈判桌前来解决问题，这符合各方利益"
		cjk.Excerpt, cjk.Marks = "", []tocsin.Span{{Field: tocsin.FieldTitle, Start: 21, End: 27}}
		forgotten := grown
		forgotten.ID = "a-never-printed"
		cases := []struct {
			name  string
			color bool
			all   []tocsin.Delivery
		}{
			{"post", false, []tocsin.Delivery{{ID: "d-1", Kind: tocsin.Post, Alert: sample(), Late: "the network was down"}}},
			{"post in color", true, []tocsin.Delivery{{ID: "d-1", Kind: tocsin.Post, Alert: sample()}}},
			{"post in Chinese", true, []tocsin.Delivery{{ID: "d-1", Kind: tocsin.Post, Alert: cjk}}},
			{"post that may repeat", false, []tocsin.Delivery{{ID: "d-1", Kind: tocsin.Post, Alert: sample(), Repeat: true}}},
			{"edits", false, []tocsin.Delivery{
				{ID: "d-1", Kind: tocsin.Post, Alert: sample()},
				{ID: "d-2", Kind: tocsin.Edit, Alert: grown, Ref: "d-1"},
				{ID: "d-3", Kind: tocsin.Edit, Alert: grown, Ref: "d-1"},
				{ID: "d-4", Kind: tocsin.Edit, Alert: forgotten, Ref: "d-0"},
			}},
			{"digest", false, []tocsin.Delivery{{ID: "d-1", Kind: tocsin.Digest, Summary: sampleSummary()}}},
			{"digest with changes", false, []tocsin.Delivery{{ID: "d-1", Kind: tocsin.Digest, Summary: sampleChanges()}}},
			{"digest of changes alone", false, []tocsin.Delivery{{ID: "d-1", Kind: tocsin.Digest, Summary: tocsin.Summary{Muted: true, Held: "digest", Changes: 1, Changed: sampleChanges().Changed}}}},
			{"digest of nothing", false, []tocsin.Delivery{{ID: "d-1", Kind: tocsin.Digest, Summary: tocsin.Summary{Sources: 1, Answered: 1}}}},
			{"notice", false, []tocsin.Delivery{{ID: "d-1", Kind: tocsin.Notice, Text: "2 troubles:\n- mfa.example does not answer\n- the disk is full"}}},
		}
		var out txtar.Archive
		for _, c := range cases {
			var b bytes.Buffer
			n := open(t, notifiers.Config{Terminal: &b, Color: c.color})["terminal"]
			for _, d := range c.all {
				d.To = here
				if _, err := send(t, n, d); err != nil {
					t.Fatal(err)
				}
			}
			out.Files = append(out.Files, txtar.File{Name: c.name, Data: bytes.ReplaceAll(b.Bytes(), []byte("\x1b"), []byte("^["))})
		}
		if *update {
			if err := os.WriteFile("testdata/terminal.txtar", txtar.Format(&out), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		for i, f := range out.Files {
			if i >= len(golden.Files) || golden.Files[i].Name != f.Name || !bytes.Equal(golden.Files[i].Data, f.Data) {
				t.Errorf("%s:\n%s", f.Name, f.Data)
			}
		}
	})
}

func TestTerminalObeysNothingThatOthersWrote(t *testing.T) {
	g := newGrammar(3)
	for i := range 100 {
		var b bytes.Buffer
		n := open(t, notifiers.Config{Terminal: &b, Color: i%2 == 0})["terminal"]
		if _, err := send(t, n, g.delivery(here)); err != nil {
			t.Fatal(err)
		}
		s := strings.NewReplacer("\x1b[1m", "", "\x1b[0m", "").Replace(b.String())
		if i%2 != 0 {
			s = b.String()
		}
		for line := range strings.Lines(s) {
			checkHarmless(t, "line", strings.NewReplacer("<", "", ">", "", "&", "").Replace(line))
			if wide := len([]rune(strings.ReplaceAll(line, "\u0301", ""))); wide > 81 && !strings.Contains(line, "http") {
				t.Errorf("delivery %d: a line of %d characters: %q", i, wide, line)
			}
		}
		if lines := strings.Count(s, "\n"); lines > 2000 {
			t.Errorf("delivery %d: %d lines", i, lines)
		}
	}
}

func TestTerminalPrintsOneJSONObjectALine(t *testing.T) {
	var b bytes.Buffer
	n := open(t, notifiers.Config{Terminal: &b, JSON: true})["terminal"]
	all := deliveries(here)
	far := all[0]
	far.Alert.Copies[0].Published = time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC)
	all = append(all, far)
	for _, d := range all {
		if _, err := send(t, n, d); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != len(all) {
		t.Fatalf("%d lines for %d deliveries", len(lines), len(all))
	}
	for i, line := range lines {
		var l notifiers.Line
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if l.V != notifiers.LineFormat || l.Kind != all[i].Kind || l.ID != all[i].ID || l.To != "here" {
			t.Errorf("line %d: %+v", i, l)
		}
	}
}
