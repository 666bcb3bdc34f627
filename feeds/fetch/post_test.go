package fetch_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"

	"tocsin/feeds/fetch"
)

// TestAFormIsKeptByThoseRedirectsAlone: 307 and 308 ask for the same request again.
func TestAFormIsKeptByThoseRedirectsAlone(t *testing.T) {
	var asked atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hub", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		if string(body) != "hub.mode=subscribe" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("the hub got %q of type %q", body, r.Header.Get("Content-Type"))
		}
		w.WriteHeader(http.StatusAccepted)
	})
	for path, code := range map[string]int{"/301": 301, "/302": 302, "/303": 303, "/307": 307, "/308": 308} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/hub", code) })
	}
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/round", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/twice", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/307", http.StatusPermanentRedirect)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	c, err := fetch.New(fetch.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	form := url.Values{"hub.mode": {"subscribe"}}
	for path, want := range map[string]struct {
		moved string
		kind  fetch.ErrorKind
	}{
		"/hub": {}, "/307": {}, "/308": {moved: srv.URL + "/hub"}, "/twice": {}, "/round": {kind: fetch.KindRedirect},
		"/301": {kind: fetch.KindStatus}, "/302": {kind: fetch.KindStatus}, "/303": {kind: fetch.KindStatus}, "/none": {kind: fetch.KindStatus},
	} {
		moved, err := c.Post(t.Context(), srv.URL+path, form)
		if want.kind != "" {
			wantKind(t, err, want.kind)
		} else if err != nil || moved != want.moved {
			t.Errorf("%s: moved %q, %v, want %q", path, moved, err, want.moved)
		}
	}
	if n := asked.Load(); n != 4 {
		t.Errorf("the hub was asked %d times, want 4", n)
	}
	guarded, err := fetch.New(fetch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer guarded.Close()
	_, err = guarded.Post(t.Context(), srv.URL+"/hub", form)
	wantKind(t, err, fetch.KindBlocked)
	if n := asked.Load(); n != 4 {
		t.Error("a hub at a private address was reached")
	}
}
