package fetch_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"tocsin/feeds/fetch"
)

// everywhere listens on every address of this machine and counts requests.
func everywhere(t *testing.T) (port string, hits *atomic.Int64) {
	hits = new(atomic.Int64)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(s.Close)
	s.Start()
	_, port, _ = net.SplitHostPort(s.Listener.Addr().String())
	if l, err := net.Listen("tcp", "[::1]:"+port); err == nil {
		go http.Serve(l, s.Config.Handler)
		t.Cleanup(func() { l.Close() })
	}
	return port, hits
}

var spellings = []string{
	"127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
	"[::127.0.0.1]", "①②⑦.⓪.⓪.①", "127。0。0。1", "169.254.169.254", "[fd00:ec2::254]", "[fe80::1%25lo]",
	"[64:ff9b::7f00:1]", "[2002:7f00:1::]", "10.0.0.1", "192.168.1.1",
}

func TestGuardRefusesPrivateAddressesHoweverTheyAreSpelt(t *testing.T) {
	port, hits := everywhere(t)
	c := newClient(t, fetch.Config{})
	for _, host := range spellings {
		t.Run(host, func(t *testing.T) {
			_, err := c.Get(t.Context(), "http://"+host+":"+port+"/", fetch.Validators{})
			wantKind(t, err, fetch.KindBlocked)
		})
	}
	for _, host := range []string{"127.0.0.1.", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"} { // no names, or denied
		t.Run(host, func(t *testing.T) {
			if _, err := c.Get(t.Context(), "http://"+host+":"+port+"/", fetch.Validators{}); err == nil {
				t.Error("no error")
			}
		})
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d requests arrived, want 0", n)
	}
	allowed := newClient(t, fetch.Config{Allow: loopback})
	if _, err := allowed.Get(t.Context(), "http://①②⑦.⓪.⓪.①:"+port+"/", fetch.Validators{}); err != nil || hits.Load() != 1 {
		t.Errorf("with the network allowed: %v, %d requests; want 1", err, hits.Load())
	}
}

func TestGuardRefusesRedirectToPrivateAddress(t *testing.T) {
	port, hits := everywhere(t)
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.2:"+port+"/secret", http.StatusFound)
	})
	c := newClient(t, fetch.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	_, err := c.Get(t.Context(), u+"/feed", fetch.Validators{})
	e := wantKind(t, err, fetch.KindBlocked)
	if strings.Contains(e.Error(), "127.0.0.2") || !strings.Contains(e.Error(), "fetch.allow") {
		t.Errorf("error %q shows the private address or does not say what to do", e)
	}
	if hits.Load() != 0 {
		t.Error("the request arrived")
	}
}

// nameServer answers each question for an IPv4 address with the next of answers,
// and again with the last.
func nameServer(t *testing.T, answers ...string) *net.Resolver {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(answers[0]).As4()},
				}}
				if len(answers) > 1 {
					answers = answers[1:]
				}
			}
			out, _ := m.Pack()
			pc.WriteTo(out, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func TestGuardRefusesNameThatResolvesToPrivateAddress(t *testing.T) {
	port, hits := everywhere(t)
	c := newClient(t, fetch.Config{Resolver: nameServer(t, "127.0.0.1")})
	_, err := c.Get(t.Context(), "http://mfa.example:"+port+"/", fetch.Validators{})
	wantKind(t, err, fetch.KindBlocked)
	if hits.Load() != 0 {
		t.Error("the request arrived")
	}
}

func TestGuardRefusesNameThatIsRebound(t *testing.T) {
	port, hits := everywhere(t)
	c := newClient(t, fetch.Config{
		Allow:    []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		Resolver: nameServer(t, "127.0.0.1", "127.0.0.2"),
	})
	u := "http://mfa.example:" + port + "/"
	if _, err := c.Get(t.Context(), u, fetch.Validators{}); err != nil {
		t.Fatal(err)
	}
	c.Close() // so that the name is looked up again
	_, err := c.Get(t.Context(), u, fetch.Validators{})
	wantKind(t, err, fetch.KindBlocked)
	if hits.Load() != 1 {
		t.Errorf("%d requests arrived, want the first only", hits.Load())
	}
}

// proxyServer is a proxy that fetches nothing itself: it answers with what it was
// asked for, and refuses tunnels.
func proxyServer(t *testing.T) (addr string, asked func() []string) {
	var mu sync.Mutex
	var all []string
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		all = append(all, r.Method+" "+r.RequestURI)
		mu.Unlock()
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		fmt.Fprint(w, "by proxy")
	})
	return u, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func TestProxyIsDialledWithoutGuardAndAskedForTheTarget(t *testing.T) {
	proxy, asked := proxyServer(t)
	c := newClient(t, fetch.Config{Proxy: proxy})
	r, err := c.Get(t.Context(), "http://mfa.example/feed", fetch.Validators{})
	if err != nil || string(r.Body) != "by proxy" {
		t.Fatalf("Get = %q, %v", r.Body, err)
	}
	_, err = c.Get(t.Context(), "https://mfa.example/feed", fetch.Validators{})
	e := wantKind(t, err, fetch.KindProxy)
	if e.Status != http.StatusProxyAuthRequired || !strings.Contains(e.Error(), "user and password") {
		t.Errorf("error %q, status %d", e, e.Status)
	}
	if got, want := fmt.Sprint(asked()), "[GET http://mfa.example/feed CONNECT mfa.example:443]"; got != want {
		t.Errorf("the proxy was asked %s, want %s", got, want)
	}
}

func TestProxyIsNotAskedForPrivateLiterals(t *testing.T) {
	proxy, asked := proxyServer(t)
	c := newClient(t, fetch.Config{Proxy: proxy})
	more := []string{"127.0.0.1.", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "a.localhost", "ip6-localhost", "LOCALHOST.", "10.0.0.0x1", "①⓪.⓪.⓪.①"}
	for _, host := range append(more, spellings...) {
		_, err := c.Get(t.Context(), "http://"+host+"/", fetch.Validators{})
		if err == nil || failure(t, err).Kind != fetch.KindBlocked {
			t.Errorf("Get(%s): %v, want it blocked", host, err)
		}
	}
	if len(asked()) != 0 {
		t.Errorf("the proxy was asked %q", asked())
	}
	allowed := newClient(t, fetch.Config{Proxy: proxy, Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	if _, err := allowed.Get(t.Context(), "http://10.1.2.3/", fetch.Validators{}); err != nil {
		t.Errorf("an allowed literal: %v", err)
	}
}

func TestProxyComesFromTheEnvironment(t *testing.T) {
	proxy, asked := proxyServer(t)
	t.Setenv("HTTP_PROXY", proxy)
	t.Setenv("NO_PROXY", "near.example")
	c := newClient(t, fetch.Config{})
	if _, err := c.Get(t.Context(), "http://mfa.example/", fetch.Validators{}); err != nil || len(asked()) != 1 {
		t.Errorf("Get = %v, proxy asked %q", err, asked())
	}
	for _, configured := range []string{"", proxy} {
		c := newClient(t, fetch.Config{Proxy: configured, Resolver: nameServer(t, "127.0.0.1")})
		_, err := c.Get(t.Context(), "http://near.example/", fetch.Validators{})
		wantKind(t, err, fetch.KindBlocked) // past the proxy, so the guard stands
	}
}

func TestTransportForConfiguredAddressesHasTheProxyAndNoGuard(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "direct") })
	tr, err := fetch.Transport(fetch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get(u)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	tr, err = fetch.Transport(fetch.Config{Proxy: "http://proxy.example:3128"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := tr.Proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: "slack.example"}})
	if err != nil || p.Host != "proxy.example:3128" {
		t.Errorf("proxy for Slack = %v, %v", p, err)
	}
}
