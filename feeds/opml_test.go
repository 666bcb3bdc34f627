package feeds

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin"
)

func TestWhatIsExportedIsImportedAsItWas(t *testing.T) {
	sources := []tocsin.Source{
		{ID: "a", Kind: "feed", Title: `Ministry "A" & <b>sons</b>`, URL: "https://a.example/rss?x=1&copy=2", Country: "FR", Lang: "fr", Zone: "Europe/Paris", Every: 90 * time.Second, Archive: "https://a.example/all"},
		{ID: "b", Kind: "page", Title: "外務省", URL: "https://b.example/", Listing: tocsin.Listing{Entry: `//div[@class="x"]`, Title: "./a", Link: "./a/@href", Date: "time@datetime"}},
		{ID: "c", Kind: "sitemap", Title: "c", URL: "https://c.example/sitemap.xml"},
		{ID: "d", Kind: "websub", Title: "d", URL: "https://d.example/"},
	}
	var b bytes.Buffer
	if err := WriteOPML(&b, "Sources", time.Now(), sources); err != nil {
		t.Fatal(err)
	}
	outlines, lapses, err := ReadOPML(b.Bytes())
	if err != nil || len(lapses) != 0 {
		t.Fatal(err, lapses)
	}
	var got []tocsin.Source
	for _, o := range outlines {
		got = append(got, o.Source)
	}
	if !slices.Equal(got, sources) {
		t.Errorf("read\n%+v\nwant\n%+v", got, sources)
	}
}

func TestListsOfOtherProgramsAreRead(t *testing.T) {
	const list = `<?xml version="1.0" encoding="ISO-8859-1"?>
<opml version="1.0"><head><title>mine</title></head><body>
<outline text="Governments">
  <outline text="North">
    <outline type="rss" text="Minist` + "\xe8" + `re" xmlUrl="http://a.example/rss?a=1&b=2" htmlUrl="http://a.example/"/>
  </outline>
  <outline text='B' xmlUrl='feed://b.example/rss' category="/x/y,z"></outline>
</outline>
<OUTLINE TEXT="C" XMLURL="c.example/rss" language="en">
<outline text="Only a page" htmlUrl="http://d.example/"/>
<outline text="A link" type="link" url="http://e.example/"/>
<outline text="Bad" xmlUrl="mailto:x"/>
<outline text="F" xmlUrl="feed:https://f.example/rss"/>
<outline text="Cut off" xmlUrl="http://g.exam`
	outlines, lapses, err := ReadOPML([]byte(list))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range outlines {
		got = append(got, fmt.Sprintf("%d %s %s %s %s", o.Line, strings.Join(o.Folders, "/"), o.Source.Title, o.Source.URL, o.Source.Lang))
	}
	want := []string{
		"5 Governments/North Ministère http://a.example/rss?a=1&b=2 ",
		"7 Governments/x/y/z B http://b.example/rss ",
		"9  C https://c.example/rss en",
		"13  F https://f.example/rss ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	var told []string
	for _, l := range lapses {
		told = append(told, fmt.Sprintf("%d %s", l.Line, l.Text))
	}
	wantTold := []string{
		`10 "Only a page" has a page and no feed: try tocsin source probe http://d.example/`,
		`11 "A link" is a link and no feed: try tocsin source probe http://e.example/`,
		`12 "Bad": "mailto:x" is no web address`,
		"14 the list breaks off here: what followed is missing",
	}
	if !slices.Equal(told, wantTold) {
		t.Errorf("told %q, want %q", told, wantTold)
	}
	for _, none := range []string{"", "<html><p>x", `{"a":1}`, "\x89PNG"} {
		if _, _, err := ReadOPML([]byte(none)); err == nil || !strings.Contains(err.Error(), "no list of feeds") {
			t.Errorf("%q: %v", none, err)
		}
	}
}

func FuzzReadOPML(f *testing.F) {
	f.Add([]byte(`<opml><body><outline text="a"><outline xmlUrl="http://x/" tocsin:every="1s"/></outline></opml>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		outlines, _, err := ReadOPML(body)
		if err != nil {
			return
		}
		for _, o := range outlines {
			if o.Source.URL == "" || o.Line < 1 {
				t.Errorf("outline %+v", o)
			}
		}
	})
}
