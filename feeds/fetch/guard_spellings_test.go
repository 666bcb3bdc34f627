package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"tocsin/feeds/fetch"
)

// behind are the addresses of this machine that the spellings lead to.
var behind = []netip.Addr{
	netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.1.2.3"),
	netip.MustParseAddr("127.16.1.254"), netip.MustParseAddr("127.200.100.50"), netip.MustParseAddr("127.255.255.254"),
}

// spellingsOf are ways to write a host that some resolver or library takes for a.
func spellingsOf(a netip.Addr) []string {
	b := a.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	hi, lo := v>>16, v&0xffff
	out := []string{
		a.String(), fmt.Sprint(v), fmt.Sprintf("0x%x", v), fmt.Sprintf("0X%X", v), fmt.Sprintf("0%o", v), fmt.Sprintf("000%o", v), fmt.Sprintf("0x00%x", v),
		fmt.Sprintf("%d.%d", b[0], v&0xffffff), fmt.Sprintf("%d.%d.%d", b[0], b[1], lo), fmt.Sprintf("0x%x.%d", b[0], v&0xffffff),
		fmt.Sprintf("%d.%d.%d.%d", uint(b[0])+256, b[1], b[2], b[3]), fmt.Sprintf("%03d.%03d.%03d.%03d", b[0], b[1], b[2], b[3]),
	}
	parts := []string{"%d", "0x%x", "0X%02X", "0%o", "000%o"}
	for i := range len(parts) * len(parts) * len(parts) * len(parts) {
		form := parts[i%5] + "." + parts[i/5%5] + "." + parts[i/25%5] + "." + parts[i/125]
		out = append(out, fmt.Sprintf(form, b[0], b[1], b[2], b[3]))
	}
	for _, form := range []string{
		"::ffff:%x:%x", "::FFFF:%X:%X", "0:0:0:0:0:ffff:%x:%x", "0000:0000:0000:0000:0000:ffff:%04x:%04x", "::0:ffff:%x:%x",
		"::%x:%x", "::ffff:0:%x:%x", "64:ff9b::%x:%x", "64:ff9b:1::%x:%x", "2002:%x:%x::", "2002:%x:%x::1", "2001:0:%x:%x::", "fe80::5efe:%x:%x", "fe80::200:5efe:%x:%x",
	} {
		out = append(out, "["+fmt.Sprintf(form, hi, lo)+"]", "["+fmt.Sprintf(form, hi, lo)+"%25lo]")
	}
	for _, form := range []string{"::ffff:%s", "::FfFf:%s", "0:0:0:0:0:ffff:%s", "::%s", "::ffff:0:%s", "64:ff9b::%s"} {
		out = append(out, "["+fmt.Sprintf(form, a)+"]")
	}
	out = append(out, fmt.Sprintf("[2001::%x:%x]", ^hi&0xffff, ^lo&0xffff)) // Teredo hides its client's address so
	for zero, dot := range map[rune]string{'０': ".", '𝟎': "。", '𝟘': "．", '𝟢': "｡", '𝟬': ".", '𝟶': "。"} {
		other := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r >= '0' && r <= '9' {
					return zero + r - '0'
				}
				return r
			}, s)
		}
		out = append(out, strings.ReplaceAll(other(a.String()), ".", dot), other(a.String()), strings.ReplaceAll(a.String(), ".", dot))
	}
	for _, name := range []string{"%s.nip.example", "a.%s.sslip.example", "www-%s.example", "Mfa.%s.Example", "%s.localhost", "xn--bcher-kva.%s.example"} {
		out = append(out, fmt.Sprintf(name, strings.ReplaceAll(a.String(), ".", "-")))
	}
	return append(out, "localhost", "LOCALHOST", "LocalHost.LocalDomain", "ｌｏｃａｌｈｏｓｔ", "ip6-localhost", "a.b.localhost", "metadata", "printer.lan", "0", "0.0.0.0", "[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::0001]",
		"[::1%25lo]", "[fe80::1%25lo]", "[fd00::1]", "[fec0::1]", "[ff02::1]", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "[fd00:ec2::254]", "255.255.255.255", "224.0.0.1")
}

// dressed are the addresses that lead to a host's port.
func dressed(host, port string) []string {
	encoded := host
	if !strings.HasPrefix(host, "[") {
		encoded = fmt.Sprintf("%%%02X%s", host[0], host[1:])
	}
	return []string{
		"http://" + host + ":" + port + "/",
		"HTTP://" + host + ".:" + port + "/feed?a=b#c",
		"http://mfa.example@" + host + ":" + port + "/",
		"http://mfa.example:80%2F@" + host + ":0" + port + "/%2e%2e/feed",
		" \thttp://" + encoded + ":" + port + "?@mfa.example/\n",
	}
}

// names answers every question with an address of this machine: with the one
// that it is itself a spelling of, or with one of several in turn.
func names(t *testing.T) *net.Resolver {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		b := make([]byte, 1500)
		for asked := 0; ; asked++ {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q, h := m.Questions[0], dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: m.Questions[0].Type, Class: m.Questions[0].Class}
			m.Response, m.Additionals = true, nil
			a := behind[asked%len(behind)]
			if q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: a.As4()}}}
			} else if q.Type == dnsmessage.TypeAAAA && asked%3 == 0 {
				m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}}}
			}
			out, _ := m.Pack()
			pc.WriteTo(out, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// inside serves h on one port of all addresses behind the spellings.
func inside(t *testing.T, h http.Handler) (port string) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(first.Addr().String())
	s := &http.Server{Handler: h}
	t.Cleanup(func() { s.Close() })
	go s.Serve(first)
	for _, a := range append(behind[1:], netip.IPv6Loopback()) {
		if l, err := net.Listen("tcp", netip.AddrPortFrom(a, uint16(first.Addr().(*net.TCPAddr).Port)).String()); err == nil {
			go s.Serve(l)
		}
	}
	return port
}

// unguarded is a plain client that looks names up as names does. It refuses only
// what would leave this machine.
func unguarded(t *testing.T, names *net.Resolver) *http.Client {
	d := net.Dialer{Resolver: names, Control: func(_, addr string, _ syscall.RawConn) error {
		if ap, err := netip.ParseAddrPort(addr); err != nil || !ap.Addr().Unmap().IsLoopback() && !ap.Addr().IsUnspecified() {
			return errors.New("leads away from this machine")
		}
		return nil
	}}
	tr := &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// TestNoSpellingReachesAPrivateAddress tries each spelling in each dress, first
// as an address, then as what a permitted server redirects to, then as the
// target of a form; each name is bound anew to another address whenever it is
// looked up.
func TestNoSpellingReachesAPrivateAddress(t *testing.T) {
	var hits atomic.Int64
	port := inside(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	var all []string
	seen := map[string]bool{}
	for _, a := range behind {
		for _, host := range spellingsOf(a) {
			for _, u := range dressed(host, port) {
				if !seen[u] {
					seen[u] = true
					all = append(all, u)
				}
			}
		}
	}
	if len(all) < 10_000 {
		t.Errorf("%d spellings, want 10,000", len(all))
	}
	if os.Getenv("TOCSIN_SPELLINGS") != "all" { // a sample of each kind
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:2500]
	}
	resolver := names(t)
	plain := unguarded(t, resolver)
	reachedBy(t, all, func(ctx context.Context, u string) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSpace(u), nil)
		if err == nil {
			if resp, err := plain.Do(r); err == nil {
				resp.Body.Close()
			}
		}
	})
	reached := hits.Swap(0)
	if int(reached) < len(all)/3 {
		t.Errorf("%d spellings, of which a plain client reaches %d; want a third", len(all), reached)
	}

	doors := netip.MustParsePrefix("127.77.0.0/28") // all that is permitted
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		codes := []int{307, 308, 301, 302, 303} // the first two keep a form
		if r.Method == http.MethodPost {
			codes = codes[:2]
		}
		w.Header()["Location"] = []string{r.URL.Query().Get("to")}
		w.WriteHeader(codes[len(r.URL.RawQuery)%len(codes)])
	})}
	t.Cleanup(func() { s.Close() })
	var door []string
	for a := doors.Addr(); doors.Contains(a); a = a.Next() {
		l, err := net.Listen("tcp", netip.AddrPortFrom(a, 0).String())
		if err != nil {
			t.Skip("this system has one loopback address only:", err)
		}
		go s.Serve(l)
		door = append(door, l.Addr().String())
	}
	c := newClient(t, fetch.Config{Resolver: resolver, Allow: []netip.Prefix{doors}})
	var turn atomic.Int64
	through := func(u string) string {
		return "http://" + door[int(turn.Add(1))%len(door)] + "/?to=" + url.QueryEscape(u)
	}
	for _, way := range []struct {
		name string
		try  func(ctx context.Context, u string) error
	}{
		{"address", func(ctx context.Context, u string) error { _, err := c.Get(ctx, u, fetch.Validators{}); return err }},
		{"redirect", func(ctx context.Context, u string) error {
			_, err := c.Get(ctx, through(strings.TrimSpace(u)), fetch.Validators{})
			return err
		}},
		{"two redirects", func(ctx context.Context, u string) error {
			_, err := c.Get(ctx, through(through(strings.TrimSpace(u))), fetch.Validators{})
			return err
		}},
		{"form", func(ctx context.Context, u string) error {
			_, err := c.Post(ctx, u, url.Values{"hub.mode": {"subscribe"}})
			return err
		}},
		{"form, redirected", func(ctx context.Context, u string) error {
			_, err := c.Post(ctx, through(strings.TrimSpace(u)), url.Values{"hub.mode": {"subscribe"}})
			return err
		}},
	} {
		var passed, blocked atomic.Int64
		reachedBy(t, all, func(ctx context.Context, u string) {
			err := way.try(ctx, u)
			if err == nil {
				passed.Add(1)
			} else if e, ok := errors.AsType[*fetch.Error](err); ok && e.Kind == fetch.KindBlocked {
				blocked.Add(1)
			}
		})
		t.Logf("%-16s %d spellings, a plain client reaches %d; %d called blocked, the others are no address; %d reached", way.name, len(all), reached, blocked.Load(), hits.Load())
		if hits.Load() != 0 || way.name == "address" && passed.Load() != 0 {
			t.Errorf("%s: %d requests arrived, %d without an error", way.name, hits.Swap(0), passed.Load())
		}
		if blocked.Load() < reached {
			t.Errorf("%s: only %d are called blocked", way.name, blocked.Load())
		}
	}
}

// reachedBy calls try for all addresses, a few at a time.
func reachedBy(t *testing.T, all []string, try func(context.Context, string)) {
	work := make(chan string)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for u := range work {
				try(t.Context(), u)
			}
		})
	}
	for _, u := range all {
		work <- u
	}
	close(work)
	wg.Wait()
}
