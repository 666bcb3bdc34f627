package extract

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A statement is what a page is there for, and what stands beside it.
type statement struct {
	title   string
	own     []string
	heading string
	related []string // title, teaser, title, teaser …
}

var treaty = statement{
	title: "Joint declaration on the shipment of rocket motors",
	own: []string{
		"The foreign ministers of the coastal states met in Tallinn on 4 March and considered the shipment of rocket motors that was stopped in the strait last week. They thanked the crews who carried out the inspection without loss of life.",
		"Ministers agreed that the motors are of a type that serves no civilian purpose, and asked the flag state to explain by the end of the month who had ordered them, who had paid for them and where they were to be delivered.",
		"They will meet again in May. Until then the joint patrols go on, and their number is doubled.",
	},
	heading: "Related articles",
	related: []string{
		"Harbour festival opens on Saturday", "Visitors can board three historic ships, and children sail free of charge…",
		"New head of the fisheries board", "The council confirmed the appointment on Tuesday after a long debate…",
		"Ballistic missiles on show", "The army museum has opened its new wing…",
	},
}

const menu = `<ul class="menu"><li><a href="/">Home</a></li><li><a href="/news">News</a></li><li><a href="/contact">Contact us</a></li></ul>`

// templates set a statement in the kinds of pages that ministries and news sites
// have.
func (s statement) templates() map[string]string {
	head := `<!doctype html><html lang="en-GB"><head><title>` + s.title + ` | Ministry</title><link rel="canonical" href="/news/1"></head><body>`
	foot := `<footer><p>© Ministry of Foreign Affairs. Legal notice.</p></footer></body></html>`
	ps := func(xs []string) string { return "<p>" + strings.Join(xs, "</p>\n<p>") + "</p>" }
	var cards strings.Builder
	for i := 0; i+1 < len(s.related); i += 2 {
		cards.WriteString(`<div class="item"><h4><a href="/x">` + s.related[i] + `</a></h4><p>` + s.related[i+1] + `</p></div>`)
	}
	return map[string]string{
		"semantic aside": head + `<header><nav>` + menu + `</nav></header><main><article><h1>` + s.title + `</h1>` + ps(s.own) + `</article><aside><h2>` + s.heading + `</h2>` + cards.String() + `</aside></main>` + foot,
		"WordPress":      head + `<div id="page"><div class="site-header">` + menu + `</div><div class="entry-content"><h1 class="entry-title">` + s.title + `</h1>` + ps(s.own) + `<div class="jp-relatedposts"><h3>` + s.heading + `</h3>` + cards.String() + `</div></div></div>` + foot,
		"neutral":        head + `<div class="c1">` + menu + `</div><div class="c2"><div class="c3"><div class="c4">` + s.title + `</div>` + ps(s.own) + `<div class="c5"><div>` + s.heading + `</div>` + cards.String() + `</div></div></div>` + foot,
		"flat":           head + menu + `<h1>` + s.title + `</h1>` + ps(s.own) + `<h3>` + s.heading + `</h3>` + ps(s.related) + foot,
		"table":          head + `<table><tr><td>` + menu + `</td><td><b>` + s.title + `</b><br>` + strings.Join(s.own, "<br><br>") + `</td><td><b>` + s.heading + `</b><br>` + strings.Join(s.related, "<br>") + `</td></tr></table>` + foot,
		"br soup":        head + menu + `<div>` + s.title + `<br><br>` + strings.Join(s.own, "<br><br>\n") + `<br><br>` + s.heading + `<br><br>` + strings.Join(s.related, "<br><br>") + `</div>` + foot,
	}
}

func (s statement) check(t *testing.T, page string) {
	t.Helper()
	p, err := Read(page, "https://mfa.example/news/one")
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range s.own {
		if !strings.Contains(oneLine(p.Text), oneLine(own)) {
			t.Errorf("lost of its own words: %.60q\ntext: %.400q", own, p.Text)
		}
	}
	for _, r := range s.related {
		if strings.Contains(oneLine(p.Text), oneLine(r)) {
			t.Errorf("kept of the related articles: %.60q", r)
		}
		if !strings.Contains(oneLine(p.Rest), oneLine(r)) {
			t.Errorf("the rest does not hold %.60q", r)
		}
	}
}

func TestAStatementLosesItsRelatedBlockAndNoneOfItsOwnWords(t *testing.T) {
	for name, page := range treaty.templates() {
		t.Run(name, func(t *testing.T) { treaty.check(t, page) })
	}
}

func TestTheSeedStatementLosesItsRelatedBlockAndNoneOfItsOwnWords(t *testing.T) {
	dir := os.Getenv("TOCSIN_CORPUS")
	if dir == "" {
		t.Skip("TOCSIN_CORPUS is unset")
	}
	seed, err := os.ReadFile(filepath.Join(dir, "seed-statement.txt"))
	if err != nil {
		t.Fatal(err)
	}
	own, related, _ := strings.Cut(string(seed), "Related Articles")
	s := statement{heading: "Related Articles"}
	for p := range strings.SplitSeq(own, "\n") {
		if p = strings.TrimSpace(p); len(p) > 200 {
			s.own = append(s.own, p)
		} else if p != "" {
			s.title = p
		}
	}
	for p := range strings.SplitSeq(related, "\n") {
		if p = strings.TrimSpace(p); p != "" {
			s.related = append(s.related, p)
		}
	}
	if len(s.own) < 3 || len(s.related) < 6 {
		t.Fatalf("%d own paragraphs, %d related", len(s.own), len(s.related))
	}
	for name, page := range s.templates() {
		t.Run(name, func(t *testing.T) { s.check(t, page) })
	}
}

func TestAPointerToAnotherArticleInTheMiddleTakesNothingWithIt(t *testing.T) {
	s := treaty
	var page strings.Builder
	page.WriteString("<html><body><article>")
	for _, p := range s.own {
		page.WriteString("<p>" + p + "</p><p>Read also: <a href=/x>Harbour festival opens</a></p>")
	}
	p, err := Read(page.String()+"</article></body></html>", "https://mfa.example/1")
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range s.own[:2] {
		if !strings.Contains(p.Text, own) {
			t.Errorf("lost %.60q of %q", own, p.Text)
		}
	}
}

func TestWhatAPageSaysOfItselfIsRead(t *testing.T) {
	p, err := Read(`<html lang="fr"><head><title>Déclaration</title><link rel=canonical href="/d/1"></head><body><p>Le texte est <a href="/doc/a.PDF?v=1">ici</a>.</p><script>var hidden = 1</script><p style="display: none">caché</p></body></html>`, "https://diplomatie.example/x")
	if err != nil {
		t.Fatal(err)
	}
	if p.Lang != "fr" || p.Title != "Déclaration" || p.Canonical != "https://diplomatie.example/d/1" || len(p.Documents) != 1 || p.Documents[0] != "https://diplomatie.example/doc/a.PDF?v=1" {
		t.Errorf("read %+v", p)
	}
	if all := p.Text + p.Rest; strings.Contains(all, "hidden") || strings.Contains(all, "caché") || !strings.Contains(all, "Le texte est ici") {
		t.Errorf("text %q, rest %q", p.Text, p.Rest)
	}
}

func TestAPageThatIsTooDeepIsReadAllTheSame(t *testing.T) {
	page := strings.Repeat("<div>", 5000) + "<p>The ministers agreed.</p><script>no</script>" + strings.Repeat("</div>", 5000)
	p, err := Read(page, "https://mfa.example/1")
	if err != nil || p.Text != "The ministers agreed." {
		t.Errorf("read %q, %v", p.Text, err)
	}
}

func TestAnyBytesAreReadInBoundedTime(t *testing.T) {
	for name, page := range map[string]string{
		"empty": "", "broken": "\xff\xfe<p>\xff", "brackets": strings.Repeat("<", 1<<20), "open": strings.Repeat("<b>", 1<<18),
		"cells": "<table>" + strings.Repeat("<tr><td>x", 1<<17), "links": strings.Repeat("<p><a href=x>y</a>", 1<<16), "text": "<p>" + strings.Repeat("a b ", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Read(page, "https://mfa.example/1"); err != nil {
				t.Error(err)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		var page strings.Builder
		page.WriteString("<html><body>" + menu + "<article>")
		for i := range n {
			page.WriteString(fmt.Sprintf("<p>%s %d</p><div class=x><a href=/%d>more</a></div>", treaty.own[i%3], i, i))
		}
		b.Run(fmt.Sprint(len(page.String())), func(b *testing.B) {
			b.SetBytes(int64(len(page.String())))
			for b.Loop() {
				if _, err := Read(page.String(), "https://mfa.example/1"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestAPageOfTagsAloneKeepsItsWords(t *testing.T) {
	page := "<html><body><p>They export missiles" + strings.Repeat("<h3><b>", 20_000) + "to others"
	p, err := Read(page, "https://a.example/")
	if err != nil || p.Text != "They export missiles\n\nto others" {
		t.Errorf("text %.60q, %v", p.Text, err)
	}
}
