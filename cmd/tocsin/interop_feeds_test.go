//go:build interop

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"tocsin/feeds"
)

// A peerVerdict is what feedparser makes of a document.
type peerVerdict struct {
	URL, Version, Fault string
	Items               []judgedItem
}

type judgedItem struct{ GUID, URL, Title, Published, Updated string }

// tryFeedparser serves feed documents by a stock web server, has the service
// watch them all, and compares what tocsin parse and feedparser read in each.
// The documents are those of our own tests and, where TOCSIN_CORPUS names it, a
// corpus of real ones.
func tryFeedparser(t *testing.T) {
	python := installed(t, "/usr/bin/python3", "python3")
	if exec.Command(python, "-c", "import feedparser").Run() != nil {
		apt(t, "python3-feedparser", "", "install", "-y", "--no-install-recommends", "python3-feedparser")
	}
	root := commonDir(t)
	names := ownDocuments(t, root)
	if corpus := os.Getenv("TOCSIN_CORPUS"); corpus != "" {
		names = append(names, corpusDocuments(t, root, corpus)...)
	} else {
		t.Log("TOCSIN_CORPUS is unset: only documents of our own are compared")
	}
	port := freePort(t)
	launch(t, exec.Command(python, "-m", "http.server", "--bind", "127.0.0.1", "--directory", root, fmt.Sprint(port)))
	listens(t, port)
	site := fmt.Sprintf("http://127.0.0.1:%d/", port)
	t.Run("watched", func(t *testing.T) { watchAll(t, site, names) })
	t.Run("compared", func(t *testing.T) {
		judge := exec.Command(python, given(t, "judge.py", root))
		judge.Stdin = strings.NewReader(site + strings.Join(names, "\n"+site) + "\n")
		for i, theirs := range lines[peerVerdict](t, must(t, judge)) {
			found := map[string][]string{}
			compare(t, names[i], theirs, func(kind, format string, args ...any) {
				found[kind] = append(found[kind], fmt.Sprintf(format, args...))
			})
			reasoned(t, names[i], found)
		}
	})
}

// reasonOf says why the two read a document differently. A document that is not
// named here fails the test if it differs, and any if tocsin misses an item.
var reasonOf = map[string]string{
	// Documents of our own.
	"dirty.xml":    "feedparser reads what follows an item that is not closed as its parts, keeps an address that is a script and an item that is empty, and takes the year 9999",
	"jsonfeed.xml": jsonOnly,
	"rss1.xml":     "feedparser does not take rdf:about for the address of an item without a link",
	"rss2.xml":     zoneNames + "; and it does not read 01.03.2026 09:00",

	// The corpus.
	"feeds/RSParser__inessential.json":                      jsonOnly,
	"feeds/feedjira__json_feed.json":                        jsonOnly,
	"feeds-written/jsonfeed.json":                           jsonOnly,
	"feeds/node-feedparser__compressed.xml":                 gzipOnly,
	"feeds/node-feedparser__invalid-characters-gzipped.xml": gzipOnly,
	"feeds/RSParser__OneFootTsunami.atom":                   "for an empty href feedparser gives the feed's own address",
	"feeds/rss-parser__missing-fields.atom":                 "feedparser gives an id that is no address as the address",
	"feeds/RSParser__kc0011.rss":                            "feedparser reads 2020/1/10 as the first day of a month",
	"feeds-written/board-kr-euckr.rss":                      "feedparser reads 2024.01.10 as the first day of a month",
	"feeds-written/iaea-pubdate.rss":                        "feedparser drops the time of a date whose year has two digits",
	"feeds-written/bom-blank-uk.rss":                        zoneNames,
	"feeds/rss-parser__uolNoticias.rss":                     "feedparser does not know the names of months in Portuguese",
	"feeds-written/cp1251-ru.rss":                           "feedparser does not know the names of months in Russian",
	"feeds-written/jalali-fa.rss":                           "feedparser does not know the Persian calendar",
	"feeds-written/control-chars.rss":                       "feedparser keeps a control character in a title",
	"feeds/node-feedparser__illegally-nested.xml":           "each item stands within the one before; feedparser adds an empty item for each",
	"feeds/v2__no_encoding_ISO-8859-1.xml":                  emptyItem,
	"feeds-written/truncated.rss":                           "feedparser gives the item that was cut, of which nothing is left",
}

const (
	jsonOnly  = "feedparser 6.0.10 reads no JSON Feed"
	gzipOnly  = "a file that is compressed, served without Content-Encoding: feedparser does not look at its first bytes"
	zoneNames = "feedparser does not know zones such as JST and EET"
	emptyItem = "an item that has neither title, text, address nor id says nothing"
)

func reasoned(t *testing.T, name string, found map[string][]string) {
	t.Helper()
	for _, kind := range differenceKinds {
		some := found[kind]
		if len(some) == 0 {
			continue
		}
		if kind == missed || reasonOf[name] == "" {
			t.Errorf("%s: no reason is known for %d %s, such as\n\t%s", name, len(some), kind, strings.Join(some[:min(3, len(some))], "\n\t"))
			continue
		}
		t.Logf("%s: %d %s: %s", name, len(some), kind, reasonOf[name])
	}
}

// ownDocuments writes the documents of the parser's own tests.
func ownDocuments(t *testing.T, root string) (names []string) {
	t.Helper()
	files, err := filepath.Glob("../../feeds/testdata/feeds/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents of our own: %v", err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if f.Name == "document" {
				names = append(names, strings.TrimSuffix(filepath.Base(file), ".txtar")+".xml")
				wroteFile(t, filepath.Join(root, names[len(names)-1]), string(f.Data))
			}
		}
	}
	return names
}

// corpusDocuments lets the server see the corpus.
func corpusDocuments(t *testing.T, root, corpus string) (names []string) {
	t.Helper()
	for _, dir := range []string{"feeds", "feeds-written"} {
		if err := os.Symlink(filepath.Join(corpus, dir), filepath.Join(root, dir)); err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(filepath.Join(corpus, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".py") {
				names = append(names, dir+"/"+f.Name())
			}
		}
	}
	return names
}

// watchAll has the service read every document, and find it unchanged when it
// looks again.
func watchAll(t *testing.T, site string, names []string) {
	var b strings.Builder
	b.WriteString("sources:\n")
	for i, name := range names {
		fmt.Fprintf(&b, "  - {id: s%03d, url: %q, every: 10s}\n", i, site+name)
	}
	private := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	args := configuredBy(t, "", b.String()+fmt.Sprintf("watchlists: {none: {query: nothing-that-is-there}}\nlisten: {private: %q}\n", private))
	run := serving(t, args...)
	await(t, "every document is asked for again", func() bool {
		var n int
		_, after, _ := strings.Cut(fetched("http://"+private+"/metrics"), `tocsin_polls_total{result="unchanged"}`)
		_, _ = fmt.Sscan(after, &n)
		return n >= len(names)
	})
	time.Sleep(2 * time.Second) // for those that are asked less often than others
	run.stop()                  // writes how the sources are
	bad := 0
	for _, s := range lines[feeds.SourceStatus](t, must(t, program(t, append(args, "source", "status", "--json")...))) {
		switch {
		case s.Condition == feeds.NotFeed || s.Condition == feeds.ParseFailed || s.Condition == feeds.Blocked:
			bad++
			t.Logf("%s: %s: %s", s.Source.URL, s.Condition, s.Err)
		case s.Polls[feeds.PollRead] != 1 || s.Polls[feeds.PollUnchanged] == 0 || s.Failures > 0:
			t.Errorf("%s was read %d times and unchanged %d times: %s %s", s.Source.URL, s.Polls[feeds.PollRead], s.Polls[feeds.PollUnchanged], s.Condition, s.Err)
		}
	}
	t.Logf("%d documents were read over HTTP, %d are no feeds", len(names)-bad, bad)
}

// How the two differ.
const (
	unread     = "documents that only tocsin reads"
	missed     = "items that only feedparser finds"
	void       = "items of feedparser's that hold nothing"
	more       = "items that only tocsin finds"
	otherTitle = "titles that differ"
	otherURL   = "addresses that differ"
	otherDate  = "dates that differ"
)

var differenceKinds = []string{unread, missed, void, more, otherTitle, otherURL, otherDate}

// compare notes where the two readings of a document differ.
func compare(t *testing.T, name string, theirs peerVerdict, note func(kind, format string, args ...any)) {
	t.Helper()
	ours, err := parsed(t, theirs.URL)
	switch {
	case err != nil && len(theirs.Items) > 0:
		note(missed, "%d: tocsin says %v", len(theirs.Items), err)
	case err != nil:
	case len(theirs.Items) == 0 && len(ours.Items) > 0:
		note(unread, "%d items; feedparser: %q, %s", len(ours.Items), theirs.Version, theirs.Fault)
	default:
		compareItems(theirs.Items, ours.Items, note)
	}
}

func compareItems(theirs, ours []judgedItem, note func(kind, format string, args ...any)) {
	used := make([]bool, len(ours))
	for i, it := range theirs {
		if it.empty() {
			continue // below: what it is can only be told from what is left
		}
		k := counterpart(it, i, ours, used)
		if k < 0 {
			note(missed, "%+v", it)
			continue
		}
		used[k] = true
		compareItem(it, ours[k], note)
	}
	for _, it := range theirs {
		if k := slices.Index(used, false); it.empty() && k >= 0 {
			used[k] = true
			note(otherTitle, "%q, tocsin %q", it.Title, ours[k].Title)
		} else if it.empty() {
			note(void, "%+v", it)
		}
	}
	for k, our := range ours {
		if !used[k] {
			note(more, "%+v", our)
		}
	}
}

func (it judgedItem) empty() bool { return it.GUID+it.URL+it.Title == "" }

// parsedFeed is what tocsin parse prints.
type parsedFeed struct{ Items []judgedItem }

// parsed reads a document as tocsin parse does with what the server said of it.
func parsed(t *testing.T, url string) (out parsedFeed, err error) {
	t.Helper()
	p, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Body.Close()
	cmd := program(t, "parse", "--url", url, "--header", "Content-Type: "+p.Header.Get("Content-Type"), "-")
	cmd.Stdin = p.Body
	text, errs, status := ask(t, cmd)
	if status != 0 {
		return out, fmt.Errorf("%s", strings.TrimSpace(errs))
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return out, nil
}

// counterpart is which of our items is theirs, or -1: one with the same id,
// address or title, the nearest in place.
func counterpart(it judgedItem, place int, ours []judgedItem, used []bool) int {
	best, score := -1, 0
	for k, our := range ours {
		if used[k] {
			continue
		}
		s := 0
		if it.GUID != "" && (it.GUID == our.GUID || it.GUID == our.URL) {
			s += 4
		}
		if it.URL != "" && it.URL == our.URL {
			s += 4
		}
		if it.Title != "" && plainWords(it.Title) == plainWords(our.Title) {
			s += 4
		}
		if s == 0 {
			continue
		}
		if k == place {
			s += 3
		}
		if s > score {
			best, score = k, s
		}
	}
	return best
}

func compareItem(theirs, ours judgedItem, note func(kind, format string, args ...any)) {
	if plainWords(theirs.Title) != plainWords(ours.Title) {
		note(otherTitle, "%q, tocsin %q", theirs.Title, ours.Title)
	}
	if theirs.URL != ours.URL {
		note(otherURL, "%q, tocsin %q", theirs.URL, ours.URL)
	}
	// dc:date and the like are feedparser's "updated" and our "published".
	if a, b := cmp.Or(theirs.Published, theirs.Updated), cmp.Or(ours.Published, ours.Updated); a != b {
		note(otherDate, "%q, tocsin %q", a, b)
	}
}

var (
	markup = regexp.MustCompile(`<[^>]*>`)
	spaces = regexp.MustCompile(`[\s\p{Z}\x{200b}]+`)
)

// plainWords is text without markup and with single spaces: feedparser keeps HTML in
// titles, tocsin does not.
func plainWords(s string) string {
	return strings.TrimSpace(spaces.ReplaceAllString(html.UnescapeString(markup.ReplaceAllString(html.UnescapeString(s), "")), " "))
}
