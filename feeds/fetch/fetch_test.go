package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/feeds/fetch"
)

const doc = `<?xml version="1.0"?><rss version="2.0"><channel><title>Press</title></channel></rss>`

func TestUnchangedIsAskedForByValidatorsAndAnswered304(t *testing.T) {
	const tag, modified = `W/"7"`, "Mon, 05 Jan 2026 10:00:00 GMT"
	var saved atomic.Int64
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		w.Header().Set("Last-Modified", modified)
		if r.Header.Get("If-None-Match") == tag && r.Header.Get("If-Modified-Since") == modified {
			saved.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "application/rss+xml; charset=utf-8")
		w.Header().Set("Content-Location", "/feed.en")
		io.WriteString(w, doc)
	})
	c := newClient(t, fetch.Config{Allow: loopback})
	r, err := c.Get(t.Context(), u+"/feed#top", fetch.Validators{})
	if err != nil || string(r.Body) != doc || r.Unchanged || r.Cut {
		t.Fatalf("first Get = %+v, %v", r, err)
	}
	if r.URL != u+"/feed" || r.Moved != "" || r.Type != "application/rss+xml; charset=utf-8" || r.Location != u+"/feed.en" || r.At.Location() != time.UTC {
		t.Errorf("first Get = %+v", r)
	}
	want := fetch.Validators{ETag: tag, LastModified: modified, Hash: "8f425586895c1fff8a34e81cf564e38f"}
	if r.Validators != want {
		t.Errorf("validators = %+v, want %+v", r.Validators, want)
	}
	again, err := c.Get(t.Context(), u+"/feed", r.Validators)
	if err != nil || !again.Unchanged || again.Body != nil || again.Validators != want || saved.Load() != 1 {
		t.Errorf("second Get = %+v, %v; want it unchanged with the same validators", again, err)
	}
}

func TestEqualRawBodyIsUnchangedBeforeItIsDecompressed(t *testing.T) {
	const broken = "\x1f\x8b\x08 no gzip at all"
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, broken) })
	c := newClient(t, fetch.Config{Allow: loopback})
	_, err := c.Get(t.Context(), u, fetch.Validators{})
	wantKind(t, err, fetch.KindEncoding)
	r, err := c.Get(t.Context(), u, fetch.Validators{Hash: "7722140e742b51f2743823d7bf966b7f", ETag: "old"})
	if err != nil || !r.Unchanged || r.Body != nil || r.Validators.ETag != "" {
		t.Errorf("Get with the hash = %+v, %v; want unchanged, with this answer's validators", r, err)
	}
}

func TestValidatorsThatCannotBeTrustedAreNotKept(t *testing.T) {
	for _, tt := range []struct{ name, header, value string }{
		{"modified within the second of the answer", "Last-Modified", "Mon, 05 Jan 2026 10:00:00 GMT"},
		{"endless tag", "Etag", `"` + strings.Repeat("a", 2000) + `"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := serveRaw(t, func(c net.Conn) {
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nDate: Mon, 05 Jan 2026 10:00:00 GMT\r\n%s: %s\r\nContent-Length: 2\r\n\r\nhi", tt.header, tt.value)
			})
			r, err := newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), u, fetch.Validators{})
			if v := r.Validators; err != nil || v.ETag != "" || v.LastModified != "" || v.Hash == "" {
				t.Errorf("validators = %+v, %v; want the hash alone", v, err)
			}
		})
	}
}

func TestUnaskedFor304IsAnError(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	_, err := newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), u, fetch.Validators{Hash: "00"})
	if e := wantKind(t, err, fetch.KindStatus); e.Status != 304 {
		t.Errorf("status = %d", e.Status)
	}
}

func TestHTTP10IsUnderstood(t *testing.T) {
	u := serveRaw(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n"+doc) })
	r, err := newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), u, fetch.Validators{})
	if err != nil || string(r.Body) != doc || r.Cut || r.Validators.Hash == "" {
		t.Errorf("Get = %+v, %v", r, err)
	}
}

func TestRequestSaysWhoAsksAndNothingElse(t *testing.T) {
	for _, tt := range []struct {
		cfg  fetch.Config
		want string
	}{
		{fetch.Config{Contact: "desk@example.org", Version: "1.2"}, "tocsin/1.2 (+desk@example.org)"},
		{fetch.Config{Version: "1.2"}, "tocsin/1.2"},
		{fetch.Config{}, "tocsin"},
	} {
		var got http.Header
		u := serve(t, func(w http.ResponseWriter, r *http.Request) {
			got = r.Header
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
			io.WriteString(w, doc)
		})
		tt.cfg.Allow = loopback
		c := newClient(t, tt.cfg)
		for range 2 {
			if _, err := c.Get(t.Context(), u, fetch.Validators{}); err != nil {
				t.Fatal(err)
			}
		}
		if got.Get("User-Agent") != tt.want || got.Get("Accept-Encoding") != "gzip, br, zstd" {
			t.Errorf("User-Agent = %q, Accept-Encoding = %q", got.Get("User-Agent"), got.Get("Accept-Encoding"))
		}
		if len(got) != 3 {
			t.Errorf("headers = %v, want User-Agent, Accept and Accept-Encoding alone", got)
		}
	}
}

func TestConnectionIsKeptLongerThanThePollInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, doc) })
		c := newClient(t, fetch.Config{Dial: p.dial})
		for range 5 {
			if _, err := c.Get(t.Context(), "http://mfa.example/", fetch.Validators{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(9 * time.Minute)
		}
		if p.dials.Load() != 1 {
			t.Errorf("5 polls within 45 min took %d connections, want 1", p.dials.Load())
		}
		time.Sleep(time.Hour)
		if _, err := c.Get(t.Context(), "http://mfa.example/", fetch.Validators{}); err != nil || p.dials.Load() != 2 {
			t.Errorf("after an hour: %d connections, %v; want a second", p.dials.Load(), err)
		}
	})
}

func TestHTTP2IsSpokenAndItsCertificateCheckedByCA(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	_, err := newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), s.URL, fetch.Validators{})
	if e := wantKind(t, err, fetch.KindTLS); !strings.Contains(e.Error(), "fetch.ca") {
		t.Errorf("error %q does not say what to do", e)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pemOf(s), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := newClient(t, fetch.Config{Allow: loopback, CA: ca}).Get(t.Context(), s.URL, fetch.Validators{})
	if err != nil || string(r.Body) != "HTTP/2.0" {
		t.Errorf("Get = %q, %v; want HTTP/2.0", r.Body, err)
	}
	tr, err := fetch.Transport(fetch.Config{CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get(s.URL)
	if err != nil {
		t.Fatalf("the transport for configured addresses does not know the certificate: %v", err)
	}
	resp.Body.Close()
}

func TestWrongSettingsSayWhatToDo(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.pem")
	der := filepath.Join(t.TempDir(), "own.der")
	if err := os.WriteFile(der, []byte{0x30, 0x82}, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		cfg  fetch.Config
		want string
	}{
		{fetch.Config{CA: none}, "read fetch.ca"},
		{fetch.Config{CA: der}, "openssl x509"},
		{fetch.Config{Proxy: "ftp://user:hunter2@proxy.example"}, "write it like http://proxy.example:3128"},
		{fetch.Config{Proxy: "http://user:hunter2@pro xy"}, "fetch.proxy"},
		{fetch.Config{Contact: "desk@example.org\r\nX: y"}, "contact"},
		{fetch.Config{Contact: "décor@example.org"}, "ASCII"},
	} {
		_, err := fetch.New(tt.cfg)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("New(%+v) = %v, want one line with %q and no password", tt.cfg, err, tt.want)
		}
	}
	t.Setenv("HTTPS_PROXY", "gopher://proxy.example")
	if _, err := fetch.New(fetch.Config{}); err == nil || !strings.Contains(err.Error(), "HTTPS_PROXY") {
		t.Errorf("New with a bad HTTPS_PROXY = %v", err)
	}
	t.Setenv("HTTPS_PROXY", "proxy.example:3128")
	if _, err := fetch.New(fetch.Config{}); err != nil {
		t.Errorf("New with a proxy without scheme = %v", err)
	}
}

func TestErrorsHoldNoSecretsAndNoAddressesOfThisNetwork(t *testing.T) {
	closed := serveRaw(t, func(net.Conn) {})
	reset := serveRaw(t, func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	missing := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("read udp 10.9.8.7:53: hunter2")
	}}
	c := newClient(t, fetch.Config{Allow: loopback, Resolver: missing})
	for _, tt := range []struct {
		url  string
		kind fetch.ErrorKind
	}{
		{"http://user:hunter2@mfa.example/feed?key=hunter2", fetch.KindDNS},
		{"http://user:hunter2@127.0.0.1:" + port + "/feed?key=hunter2", fetch.KindRefused},
		{strings.Replace(closed, "://", "://user:hunter2@", 1) + "/feed?key=hunter2", fetch.KindNetwork},
		{reset + "/feed?key=hunter2", fetch.KindNetwork},
		{"https" + strings.TrimPrefix(serve(t, func(http.ResponseWriter, *http.Request) {}), "http") + "/?key=hunter2", fetch.KindTLS},
		{"ftp://mfa.example/hunter2", fetch.KindAddress},
		{"http://mfa.example:hunter2/", fetch.KindAddress},
		{"http://[hunter2", fetch.KindAddress},
		{"hunter2", fetch.KindAddress},
		{"http://", fetch.KindAddress},
		{"", fetch.KindAddress},
	} {
		_, err := c.Get(t.Context(), tt.url, fetch.Validators{})
		if e := wantKind(t, err, tt.kind); strings.Contains(e.Error(), "hunter2") || strings.Contains(e.Error(), "10.9.8.7") || strings.Contains(e.Error(), "->") {
			t.Errorf("error %q shows too much", e)
		}
	}
}

func TestErrorsNameThePlaceAndTheStatus(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "/new?key=hunter2", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusGone)
	})
	host := strings.TrimPrefix(u, "http://")
	_, err := newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), u+"/old?key=hunter2", fetch.Validators{})
	want := "fetch " + host + "/old, redirected to " + host + "/new: the server answered 410 Gone; look for the publisher's present address"
	if e := wantKind(t, err, fetch.KindStatus); e.Error() != want || e.Status != 410 {
		t.Errorf("error %q, status %d; want %q", e, e.Status, want)
	}
}

func TestRetryAfterOf429And503IsTold(t *testing.T) {
	for _, tt := range []struct {
		status int
		value  string
		want   time.Duration
	}{
		{429, "120", 2 * time.Minute},
		{503, "120", 2 * time.Minute},
		{503, " 0 ", 0},
		{429, "Mon, 05 Jan 2026 10:30:00 GMT", 30 * time.Minute}, // by the server's clock
		{429, "Mon, 05 Jan 2026 09:30:00 GMT", 0},
		{429, "Mon, 05 Jan 2056 09:30:00 GMT", 24 * time.Hour},
		{429, "99999999999999999999999", 24 * time.Hour},
		{429, "172800", 24 * time.Hour},
		{429, "-5", 0},
		{429, "soon", 0},
		{429, "", 0},
		{500, "120", 0},
		{404, "120", 0},
	} {
		u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", "Mon, 05 Jan 2026 10:00:00 GMT")
			w.Header().Set("Retry-After", tt.value)
			w.WriteHeader(tt.status)
		})
		_, err := newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), u, fetch.Validators{})
		if e := wantKind(t, err, fetch.KindStatus); e.Status != tt.status || e.RetryAfter != tt.want {
			t.Errorf("%d with Retry-After %q: status %d, after %v; want %v", tt.status, tt.value, e.Status, e.RetryAfter, tt.want)
		}
	}
}

func TestRetryAfterWithoutServerClockCountsFromOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // at 2000-01-01 00:00:00
		p := newPipes(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Date"] = nil
			w.Header().Set("Retry-After", "Sat, 01 Jan 2000 00:10:00 GMT")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		c := newClient(t, fetch.Config{Dial: p.dial})
		_, err := c.Get(t.Context(), "http://mfa.example/", fetch.Validators{})
		if e := wantKind(t, err, fetch.KindStatus); e.RetryAfter != 10*time.Minute {
			t.Errorf("after %v, want 10m", e.RetryAfter)
		}
	})
}

func TestConnectionSurvivesAnErrorAnswer(t *testing.T) {
	var mu sync.Mutex
	conns := map[string]bool{}
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		conns[r.RemoteAddr] = true
		http.Error(w, strings.Repeat("sorry ", 1000), http.StatusServiceUnavailable)
	})
	c := newClient(t, fetch.Config{Allow: loopback})
	for range 3 {
		_, err := c.Get(t.Context(), u, fetch.Validators{})
		wantKind(t, err, fetch.KindStatus)
	}
	if mu.Lock(); len(conns) != 1 {
		t.Errorf("3 polls took %d connections, want 1", len(conns))
	}
	mu.Unlock()
}

func TestHostIsAskedTwoThingsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most, all atomic.Int64
		p := newPipes(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "other.example" {
				most.Store(max(most.Load(), now.Add(1)))
				defer now.Add(-1)
			}
			all.Add(1)
			time.Sleep(10 * time.Second)
		})
		c := newClient(t, fetch.Config{Dial: p.dial})
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() { // the last of a host waits longer than Total
				if _, err := c.Get(t.Context(), fmt.Sprintf("http://MFA.example/%d", i), fetch.Validators{}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if _, err := c.Get(t.Context(), "http://other.example/", fetch.Validators{}); err != nil || time.Since(began) != 10*time.Second {
				t.Errorf("another host: %v after %v, want it not to wait", err, time.Since(began))
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Get(ctx, "http://mfa.example/impatient", fetch.Validators{})
		wantKind(t, err, fetch.KindTimeout)
		if time.Since(began) != time.Second {
			t.Errorf("waiting for a turn ended after %v, want 1s with its context", time.Since(began))
		}
		wg.Wait()
		if most.Load() != 2 || all.Load() != 21 || time.Since(began) != 100*time.Second {
			t.Errorf("at most %d at a time, %d in all, in %v; want 2, 21, 1m40s", most.Load(), all.Load(), time.Since(began))
		}
	})
}

func TestCanceledGetSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/body" {
				io.WriteString(w, "<rss>")
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		})
		c := newClient(t, fetch.Config{Dial: p.dial})
		for _, path := range []string{"/headers", "/body"} {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, err := c.Get(ctx, "http://mfa.example"+path, fetch.Validators{})
			if wantKind(t, err, fetch.KindCanceled); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v is not context.Canceled", err)
			}
		}
	})
}

func TestConcurrentGetsShareNothingTheyReturn(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b := bytes.Repeat([]byte(r.URL.Path), 20_000)
		switch len(r.URL.Path) % 4 {
		case 1:
			b = gzipped(b)
		case 2:
			w.Header().Set("Content-Encoding", "br")
			b = brotlied(b)
		case 3:
			w.Header().Set("Content-Encoding", "zstd")
			b = zstded(b)
		}
		w.Write(b)
	})
	c := newClient(t, fetch.Config{Allow: loopback})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			path := "/" + strings.Repeat("a", i)
			var bodies [][]byte
			for range 10 {
				r, err := c.Get(t.Context(), u+path, fetch.Validators{})
				if err != nil {
					t.Error(err)
				}
				bodies = append(bodies, r.Body)
			}
			for _, b := range bodies {
				if !bytes.Equal(b, bytes.Repeat([]byte(path), 20_000)) {
					t.Errorf("a body of %s was overwritten", path)
				}
			}
		})
	}
	wg.Wait()
}
