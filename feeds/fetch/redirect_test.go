package fetch_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tocsin/feeds/fetch"
)

var quiet = log.New(io.Discard, "", 0)

func pemOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// hops redirects /n to /n-1 with the status that the query asks for at n, and
// answers at /0.
func hops(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.URL.Path[1:])
	if n == 0 {
		fmt.Fprint(w, doc)
		return
	}
	status, _ := strconv.Atoi(r.URL.Query().Get(strconv.Itoa(n)))
	http.Redirect(w, r, fmt.Sprintf("/%d?%s", n-1, r.URL.RawQuery), max(status, 301))
}

func TestRedirectsAreFollowedFiveTimes(t *testing.T) {
	u := serve(t, hops)
	c := newClient(t, fetch.Config{Allow: loopback})
	if r, err := c.Get(t.Context(), u+"/5", fetch.Validators{}); err != nil || string(r.Body) != doc {
		t.Errorf("five redirects: %q, %v", r.Body, err)
	}
	_, err := c.Get(t.Context(), u+"/6", fetch.Validators{})
	wantKind(t, err, fetch.KindRedirect)
}

func TestRedirectLoopEnds(t *testing.T) {
	n := 0
	u := serve(t, func(w http.ResponseWriter, r *http.Request) { n++; http.Redirect(w, r, "/", http.StatusFound) })
	c := newClient(t, fetch.Config{Allow: loopback})
	_, err := c.Get(t.Context(), u, fetch.Validators{})
	wantKind(t, err, fetch.KindRedirect)
	c.Close()
	if n != 6 {
		t.Errorf("%d requests, want 6", n)
	}
}

func TestMovedIsWhereOnlyPermanentRedirectsLed(t *testing.T) {
	u := serve(t, hops)
	c := newClient(t, fetch.Config{Allow: loopback})
	for query, moved := range map[string]bool{
		"/0?": false, "/1?1=301": true, "/2?2=301&1=308": true, "/2?2=302&1=301": false, "/2?2=301&1=307": false, "/1?1=303": false,
	} {
		_, raw, _ := strings.Cut(query, "?")
		end := strings.TrimSuffix(u+"/0?"+raw, "?")
		want := ""
		if moved {
			want = end
		}
		r, err := c.Get(t.Context(), u+query, fetch.Validators{})
		if err != nil || r.Moved != want || strings.TrimSuffix(r.URL, "?") != end {
			t.Errorf("Get(%s) = URL %q, Moved %q, %v; want %q, %q", query, r.URL, r.Moved, err, end, want)
		}
	}
}

func TestRedirectToNowhereIsAnError(t *testing.T) {
	for _, to := range []string{"", "ftp://mfa.example/", "http://", "javascript:alert(1)", "http://a b/", "file:///etc/passwd"} {
		u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		})
		_, err := newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), u, fetch.Validators{})
		wantKind(t, err, fetch.KindRedirect)
	}
}

func TestRedirectFromHTTPSToHTTPIsRefused(t *testing.T) {
	plain := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the request went out in the clear") })
	s := httptest.NewTLSServer(http.RedirectHandler(plain, http.StatusMovedPermanently))
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pemOf(s), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, fetch.Config{Allow: loopback, CA: ca})
	_, err := c.Get(t.Context(), s.URL, fetch.Validators{})
	wantKind(t, err, fetch.KindRedirect)

	up := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, s.URL, http.StatusFound) })
	_, err = c.Get(t.Context(), up, fetch.Validators{})
	if e := wantKind(t, err, fetch.KindRedirect); e.At == "" {
		t.Error("http to https was not followed")
	}
}

func TestRedirectCannotDirtyAnErrorText(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://evil\u202e.example.invalid/a\u202eb?key=hunter2")
		w.WriteHeader(http.StatusFound)
	})
	_, err := newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), u, fetch.Validators{})
	if e := failure(t, err); strings.ContainsAny(e.Error(), "\u202e") || strings.Contains(e.Error(), "hunter2") {
		t.Errorf("error %q", e)
	}
}

func TestUserAndCookiesStayWithTheirHost(t *testing.T) {
	seen := map[string]http.Header{}
	note := func(r *http.Request) { seen[r.Host+r.URL.Path] = r.Header }
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { note(r); fmt.Fprint(w, doc) })
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		note(r)
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		to := "/away"
		if r.URL.Path == "/away" {
			to = strings.Replace(other, "://", "://evil:evil@", 1)
		}
		http.Redirect(w, r, to, http.StatusMovedPermanently)
	})
	c := newClient(t, fetch.Config{Allow: loopback})
	r, err := c.Get(t.Context(), strings.Replace(u, "://", "://user:hunter2@", 1)+"/feed", fetch.Validators{ETag: `"1"`})
	c.Close()
	if err != nil || r.URL != other && r.URL != other+"/" || strings.Contains(r.Moved, "evil") {
		t.Fatalf("Get = %+v, %v", r, err)
	}
	for at, h := range seen {
		here := "http://"+strings.Split(at, "/")[0] == u
		if h.Get("Cookie") != "" || (h.Get("Authorization") != "") != here || h.Get("If-None-Match") == "" || h.Get("Referer") != "" {
			t.Errorf("%s got %v", at, h)
		}
	}
	if len(seen) != 3 {
		t.Errorf("asked %d places, want 3", len(seen))
	}
}
