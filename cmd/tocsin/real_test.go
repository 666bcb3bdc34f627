package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/mail"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds"
	"tocsin/feeds/fetch"
	"tocsin/notifiers/notifiertest"
	"tocsin/pipeline/watchlist"
)

// A library is a directory of feed documents that is served as it is.
type library struct {
	dir string

	mu      sync.Mutex
	instead map[string][]byte // a document's next edition, by name
}

func (l *library) document(name string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if doc, ok := l.instead[name]; ok {
		return doc, nil
	}
	return os.ReadFile(filepath.Join(l.dir, name))
}

func (l *library) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	doc, err := l.document(path.Base(q.URL.Path))
	if err != nil {
		http.NotFound(w, q)
		return
	}
	w.Header().Set("Content-Type", "application/xml") // nothing that the documents do not say of themselves
	_, _ = w.Write(doc)
}

// TestRealFeeds watches every collected feed. Then one of them publishes the
// statement that all this is for.
func TestRealFeeds(t *testing.T) {
	corpus := os.Getenv("TOCSIN_CORPUS")
	if corpus == "" {
		t.Skip("TOCSIN_CORPUS is unset: it names a directory with feeds and seed-statement.txt")
	}
	t.Parallel()
	seed, err := os.ReadFile(filepath.Join(corpus, "seed-statement.txt"))
	if err != nil {
		t.Fatal(err)
	}
	lib := &library{dir: filepath.Join(corpus, "feeds"), instead: map[string][]byte{}}
	files, err := os.ReadDir(lib.dir)
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files in %s: %v", len(files), lib.dir, err)
	}
	slack, smtp := notifiertest.NewSlack("xoxb-right"), notifiertest.NewSMTP()
	server, stop, err := smtp.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	cfg := defaultConfig("")
	cfg.Data = t.TempDir()
	cfg.Fetch.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	cfg.Slack.API, cfg.Slack.Token = "http://"+loopback(t, slack)+"/api/", "xoxb-right"
	cfg.Email.SMTP, cfg.Email.From = "smtp://"+server, "tocsin@desk.example"
	site := loopback(t, lib)
	names := map[string]string{} // files by source
	for i, f := range files {
		id := fmt.Sprintf("f%03d", i)
		names[id] = f.Name()
		cfg.Sources = append(cfg.Sources, tocsin.Source{ID: id, Title: f.Name(), URL: "http://" + site + "/" + f.Name(), Every: time.Second})
	}
	cfg.Watchlists, cfg.Lists = builtinWatchlists, builtinLists()
	cfg.Destinations = []tocsin.Destination{{Name: "room", Kind: "slack", To: "C0000001"}, {Name: "box", Kind: "email", To: "box@rcpt.example"}, {Name: TerminalName, Kind: "terminal"}}
	for _, d := range cfg.Destinations {
		cfg.Subscriptions = append(cfg.Subscriptions, tocsin.Subscription{Watchlist: builtinWatchlists[0].Name, To: d.Name})
	}
	term, log := &buffer{}, &buffer{}
	s := serveReal(t, cfg, term, log)
	eventually(t, "every file is read, or refused, and the summary printed", func() bool {
		return !slices.ContainsFunc(s.poller.Status(), func(st feeds.SourceStatus) bool { return len(st.Polls) == 0 }) && strings.Contains(term.String(), "watching ")
	})
	account(t, s, lib, names, log.String())

	edition := lib.publish(t, names, "seed", string(seed))
	t.Logf("%s publishes the statement", edition)
	q, err := watchlist.Parse(builtinWatchlists[0].Query)
	if err != nil {
		t.Fatal(err)
	}
	var lists []*watchlist.List
	for _, l := range builtinLists() {
		made, err := watchlist.NewList(l)
		if err != nil {
			t.Fatal(err)
		}
		lists = append(lists, made)
	}
	rule, err := q.Resolve(watchlist.NewLists(lists...), false)
	if err != nil {
		t.Fatal(err)
	}
	found, ok := rule.Match(watchlist.NewDocument("", string(seed), "en"))
	if !ok {
		t.Fatal("the built-in watchlist does not match the statement")
	}
	posts := func() (out []notifiertest.Message) {
		for _, m := range slack.Messages("C0000001") {
			if strings.Contains(m.Text, "seed title") {
				out = append(out, m)
			}
		}
		return out
	}
	mails := func() (out []notifiertest.Mail) {
		for _, m := range smtp.Mails() {
			if strings.Contains(m.Header.Get("Subject"), "seed title") {
				out = append(out, m)
			}
		}
		return out
	}
	eventually(t, "the alert is everywhere", func() bool {
		return len(posts()) > 0 && len(mails()) > 0 && strings.Contains(term.String(), "seed title")
	})
	words := regexp.MustCompile(`\s+`)
	for where, text := range map[string]string{"Slack": string(posts()[0].Blocks), "the mail": body(t, mails()[0]), "the terminal": term.String()} {
		text = words.ReplaceAllString(text, " ")
		for _, sp := range found.Spans[:5] { // a card names the first terms and counts the others
			if !strings.Contains(text, sp.Term) {
				t.Errorf("%s does not name the matched term %q", where, sp.Term)
			}
		}
		if first := string(seed)[found.Spans[0].Start:found.Spans[0].End]; !strings.Contains(text, first) {
			t.Errorf("%s does not show the matched words %q", where, first)
		}
	}
	if len(posts()) != 1 || len(mails()) != 1 || strings.Count(term.String(), "─\nseed title") != 1 {
		t.Errorf("%d messages in Slack, %d mails; want one of each, and one card", len(posts()), len(mails()))
	}
}

// serveReal runs a service on the real clock that polls as fast as every says.
func serveReal(t *testing.T, cfg *Config, term, log *buffer) *service {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s, err := newService(ctx, cfg, serviceOptions{
		Log: slog.New(slog.NewTextHandler(log, nil)), Terminal: term, Poll: true, Match: true, Send: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.poller.Least = time.Second
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// account holds what the status and the log say of every document to what the
// document is.
func account(t *testing.T, s *service, lib *library, names map[string]string, log string) {
	t.Helper()
	all := s.poller.Status()
	if len(all) != len(names) {
		t.Errorf("the status tells of %d sources, want %d", len(all), len(names))
	}
	for _, st := range all {
		name := names[st.Source.ID]
		doc, err := lib.parse(st.Source, name)
		want, items := feeds.OK, len(doc.Items)
		switch {
		case err != nil:
			want = feeds.NotFeed
		case items == 0:
			want = feeds.Empty
		case len(doc.Repairs) > 0:
			want = feeds.Repaired
		}
		t.Logf("%-55s %3d items, %2d stored: %s %s", name, items, st.Items, st.Condition, st.Err)
		if st.Condition != want || (want == feeds.NotFeed) != (st.Err != "") {
			t.Errorf("%s is %q (%s), want %q", name, st.Condition, st.Err, want)
		}
		if items > 0 && (st.Items == 0 || st.Items > uint64(items)) {
			t.Errorf("%s: %d items are stored, want 1 to %d", name, st.Items, items)
		}
		record := fmt.Sprintf(`msg=read stage=poll source=%s condition=%s items=%d `, st.Source.ID, st.Condition, st.Items)
		if want == feeds.NotFeed {
			record = fmt.Sprintf(`msg="poll failed" stage=poll source=%s condition="not a feed"`, st.Source.ID)
		}
		if !strings.Contains(log, record) {
			t.Errorf("%s: the log has no %q", name, record)
		}
	}
}

func (l *library) parse(s tocsin.Source, name string) (feeds.Document, error) {
	raw, err := l.document(name)
	if err != nil {
		return feeds.Document{}, err
	}
	r := fetch.Response{Body: raw, URL: s.URL, Type: "application/xml"}
	if err := fetch.Unpack(&r, ""); err != nil {
		return feeds.Document{}, err
	}
	return feeds.ParseFeed(s, r)
}

// publish puts an entry in front of those of the first document that takes one,
// and returns its name.
func (l *library) publish(t *testing.T, names map[string]string, id, text string) string {
	t.Helper()
	var item bytes.Buffer
	fmt.Fprintf(&item, "<item><guid>%s</guid><title>%s title</title><description>", id, id)
	_ = xml.EscapeText(&item, []byte(text))
	item.WriteString("</description></item>\n")
	ascii := regexp.MustCompile(`[^\x00-\x7f]`).ReplaceAllStringFunc(item.String(), func(s string) string { return fmt.Sprintf("&#%d;", []rune(s)[0]) })
	for _, source := range sorted(names) {
		raw, err := l.document(names[source])
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(raw, []byte("<item>"))
		before, err := l.parse(tocsin.Source{ID: source}, names[source])
		if at < 0 || err != nil || len(before.Repairs) > 0 {
			continue
		}
		l.mu.Lock()
		l.instead[names[source]] = slices.Concat(raw[:at], []byte(ascii), raw[at:])
		l.mu.Unlock()
		return names[source]
	}
	t.Fatal("no document takes an entry")
	return ""
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// body is the text of a mail's parts.
func body(t *testing.T, m notifiertest.Mail) string {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(m.Data))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for parts := multipart.NewReader(msg.Body, params["boundary"]); ; {
		p, err := parts.NextPart() // decodes quoted-printable
		if err == io.EOF {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&out, p); err != nil {
			t.Fatal(err)
		}
	}
}
