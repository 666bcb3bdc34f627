package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/notifiers/notifiertest"
	"tocsin/pipeline"
)

// ask asks what listen.private serves.
func (s *service) ask(path string) (int, string) {
	w := httptest.NewRecorder()
	s.private().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestHealthFollowsTheService(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		s, err := newService(t.Context(), r.config(sources("mfa.example")+desk), serviceOptions{Log: slog.New(slog.DiscardHandler), Terminal: io.Discard, Match: true})
		if err != nil {
			t.Fatal(err)
		}
		want := func(when, path string, status int, says string) {
			t.Helper()
			if code, text := s.ask(path); code != status || !strings.Contains(text, says) {
				t.Errorf("%s %s answers %d %q, want %d %q", when, path, code, text, status, says)
			}
		}
		want("before it runs,", "/healthz", 200, "ok")
		want("before it runs,", "/readyz", 503, "still being read")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(10 * time.Second)
		want("while it runs,", "/healthz", 200, "ok")
		want("while it runs,", "/readyz", 200, "ok")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		want("when it is closed,", "/healthz", 503, "NATS does not answer")
		want("when it is closed,", "/readyz", 503, "NATS does not answer")
	})
}

// TestEveryMetricIsDescribed compares what a busy service tells with the table
// of docs/metrics.md, both ways.
func TestEveryMetricIsDescribed(t *testing.T) {
	doc, err := os.ReadFile(filepath.FromSlash("../../docs/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]string{} // labels by name
	for _, m := range regexp.MustCompile("`(tocsin_[a-z_]+)(?:\\{([a-z,]+)\\})?`").FindAllStringSubmatch(string(doc), -1) {
		if _, ok := described[m[1]]; !ok {
			described[m[1]] = m[2]
		}
	}
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.canary = true
		r.baseline("one.example", "two.example")
		s := r.start(r.config(sources("one.example", "two.example") + desk))
		time.Sleep(5 * time.Minute)
		for _, h := range []string{"one.example", "two.example"} {
			r.publish(h, entry(h, 1, "On missiles", "Missiles were seen."))
		}
		time.Sleep(5 * time.Minute)
		_, text := s.ask("/metrics")
		told := map[string]string{}
		for line := range strings.Lines(text) {
			m := regexp.MustCompile(`^(tocsin_[a-z_]+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+\n$`).FindStringSubmatch(line)
			if strings.HasPrefix(line, "# ") {
				continue // what a metric is
			}
			if m == nil {
				t.Errorf("%q is no sample", line)
				continue
			}
			var labels []string
			for _, l := range regexp.MustCompile(`([a-z]+)="`).FindAllStringSubmatch(m[2], -1) {
				if l[1] != "le" {
					labels = append(labels, l[1])
				}
			}
			if len(labels) > strings.Count(told[m[1]], ",") {
				told[m[1]] = strings.Join(labels, ",")
			} else if _, ok := told[m[1]]; !ok {
				told[m[1]] = ""
			}
		}
		for name, labels := range described {
			if got, ok := told[name]; !ok || got != labels {
				t.Errorf("%s{%s} is described, and {%s} is told (%v)", name, labels, got, ok)
			}
		}
		for name := range told {
			if !strings.Contains(text, "# HELP "+name+" ") {
				t.Errorf("%s has no help text", name)
			}
			if _, ok := described[name]; !ok {
				t.Errorf("%s is told and not described", name)
			}
		}
		for _, want := range []string{
			`tocsin_items_total{kind="feed"} 4`, `tocsin_items_matched_total 6`, `tocsin_pages_total{state="read"} 2`, `tocsin_alert_events_total{event="opened"} 1`, `tocsin_alert_events_total{event="copied"} 1`,
			`tocsin_deliveries_total{kind="slack",act="post",outcome="sent"} 1`, `tocsin_deliveries_total{kind="email",act="post",outcome="sent"} 1`,
			`tocsin_fetch_to_sent_seconds_count 3`, `tocsin_lag_records{stage="match",to=""} 0`, `tocsin_lag_records{stage="send",to="room"} 0`,
			`tocsin_source_condition{source="one",condition="ok"} 1`,
		} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("/metrics does not say %s:\n%s", want, text)
			}
		}
	})
}

// TestSecretsNeverComeOutAgain plants secrets in the environment, has every
// provider refuse them, and looks for them in all that the program writes.
func TestSecretsNeverComeOutAgain(t *testing.T) {
	t.Parallel()
	const token, password, proxy = "xoxb-canary-7f3a91c2", "canary-51d0e7b8", "canary-c94f22aa"
	secrets := []string{token, password, proxy}
	for _, s := range secrets {
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(s)))
	}
	secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte("\x00tocsin@desk.example\x00"+password)))
	slack, smtp := notifiertest.NewSlack("another"), notifiertest.NewSMTP()
	smtp.User, smtp.Password = "another", "another"
	smtp.Always(notifiertest.Echo) // its refusals repeat the login
	mail, stop, err := smtp.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	site := loopback(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(rss("one", []rssItem{entry("one", 1, "On missiles", "Missiles.")}))
	}))
	dir := t.TempDir()
	file := filepath.Join(dir, "tocsin.yaml")
	yaml := fmt.Sprintf(`
builtin: false
data: %s/data
operators: [room, box]
fetch: {allow: [127.0.0.0/8]}
slack: {api: "http://%s/api/", token: {env: CANARY_TOKEN}}
email: {smtp: "smtp://%s", from: tocsin@desk.example, password: {env: CANARY_PASSWORD}}
listen: {private: "127.0.0.1:0"}
log: {level: debug}
sources: [{id: one, url: "http://%s/one", every: 10s}, {id: far, url: "http://far.example/feed", every: 10s}]
watchlists: {missiles: {query: 'missile*'}}
destinations: {room: {kind: slack, to: C0000001, owner: ann@desk.example}, box: {kind: email, to: box@rcpt.example}}
subscriptions: [{watchlist: missiles, to: room}, {watchlist: missiles, to: box}, {watchlist: missiles, to: terminal}]
`, dir, loopback(t, slack), mail, site)
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"CANARY_TOKEN=" + token, "CANARY_PASSWORD=" + password,
		"HTTP_PROXY=http://ann:" + proxy + "@127.0.0.1:1", "HTTPS_PROXY=http://ann:" + proxy + "@127.0.0.1:1", "NO_PROXY=127.0.0.1",
	}
	p := spawn(t, env, "run", "-c", file)
	eventually(t, "both credentials and the proxy were refused", func() bool {
		log := p.err.String()
		return strings.Contains(log, "key=check.slack") && strings.Contains(log, "key=check.email") && strings.Contains(log, "source=far") &&
			strings.Contains(log, "to=room") && strings.Contains(log, "to=box")
	})
	eventually(t, "how the sources are is stored", func() bool {
		c := spawn(t, env, "-c", file, "source", "status")
		return c.ended(30*time.Second) && strings.Contains(c.out.String(), "far")
	})
	said := map[string]string{}
	addr := regexp.MustCompile(`msg=listening addr=(\S+)`).FindStringSubmatch(p.err.String())
	if addr == nil {
		t.Fatalf("it does not listen:\n%s", p.err)
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		said[path] = get(t, "http://"+addr[1]+path)
	}
	for name, args := range map[string][]string{
		"backup": {"backup", filepath.Join(dir, "backup")}, "check": {"check", "--live"}, "check --json": {"check", "--live", "--json"},
		"deliveries": {"delivery", "list", "--json"}, "status": {"source", "status", "--json"}, "export": {"alert", "export"}, "stories": {"alert", "export", "--format", "jsonl"},
	} {
		c := spawn(t, env, append([]string{"-c", file}, args...)...)
		if !c.ended(30 * time.Second) {
			t.Fatalf("%s did not end", name)
		}
		said[name] = c.out.String() + c.err.String()
		if said[name] == "" {
			t.Errorf("%s says nothing", name)
		}
	}
	p.stop()
	said["run"] = p.out.String() + p.err.String()
	said["mails"] = fmt.Sprint(smtp.Mails())
	readAll(t, said, filepath.Join(dir, "backup"))
	readAll(t, said, filepath.Join(dir, "data"))
	readRecords(t, said, filepath.Join(dir, "data"))
	for name, text := range said {
		if i := slices.IndexFunc(secrets, func(s string) bool { return strings.Contains(text, s) }); i >= 0 {
			at := strings.Index(text, secrets[i])
			t.Errorf("%s holds a secret: …%q", name, text[max(0, at-200):at])
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readAll adds every file below dir to said.
func readAll(t *testing.T, said map[string]string, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		said[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readRecords adds every record of every log to said: on the disk they are
// compressed.
func readRecords(t *testing.T, said map[string]string, dir string) {
	t.Helper()
	b, err := pipeline.Open(t.Context(), pipeline.EmbedConfig{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	n := 0
	streams := b.JS.ListStreams(t.Context())
	for info := range streams.Info() {
		s, err := b.JS.Stream(t.Context(), info.Config.Name)
		if err != nil {
			t.Fatal(err)
		}
		for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
			if m, err := s.GetMsg(t.Context(), seq); err == nil {
				said[fmt.Sprintf("record %d of %s", seq, info.Config.Name)] = fmt.Sprint(m.Header) + string(m.Data)
				n++
			}
		}
	}
	if err := streams.Err(); err != nil || n < 10 {
		t.Fatalf("%d records read: %v", n, err)
	}
}
