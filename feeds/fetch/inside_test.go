package fetch

import (
	"context"
	"net/netip"
	"testing"
)

func TestEveryDeniedNetworkIsDeniedFromFirstToLast(t *testing.T) {
	if len(denied) != 29 {
		t.Errorf("%d networks, want 29", len(denied))
	}
	for _, p := range denied {
		for _, a := range []netip.Addr{p.Addr(), last(p)} {
			if (guard{}).permits(a) || (guard{}).permits(a.WithZone("eth0")) {
				t.Errorf("%v of %v is permitted", a, p)
			}
			if a.Is4() && (guard{}).permits(netip.AddrFrom16(a.As16())) {
				t.Errorf("%v mapped to IPv6 is permitted", a)
			}
			if g := (guard{allow: []netip.Prefix{p}}); !g.permits(a) {
				t.Errorf("%v is denied although %v is allowed", a, p)
			}
		}
	}
	for _, s := range []string{"1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "223.255.255.255", "2606:4700::1111", "2a00::1", "::ffff:1.1.1.1"} {
		if !(guard{}).permits(netip.MustParseAddr(s)) {
			t.Errorf("%s is denied", s)
		}
	}
	if (guard{}).permits(netip.Addr{}) {
		t.Error("no address is permitted")
	}
}

func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func TestHostsThatNobodyAsksAreForgotten(t *testing.T) {
	var turns turns
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range perHost {
		if err := turns.take(t.Context(), "mfa.example"); err != nil {
			t.Fatal(err)
		}
	}
	if err := turns.take(ctx, "mfa.example"); err == nil {
		t.Error("a third turn was given")
	}
	for range perHost {
		turns.give("mfa.example")
	}
	if len(turns.hosts) != 0 {
		t.Errorf("%d hosts are remembered", len(turns.hosts))
	}
}

func TestGuardRefusesOtherNetworksThanTCP(t *testing.T) {
	for network, want := range map[string]bool{"tcp4": true, "tcp6": true, "udp4": false, "unix": false} {
		if got := (guard{}).control(t.Context(), network, "1.1.1.1:80", nil) == nil; got != want {
			t.Errorf("control(%s) permits %v, want %v", network, got, want)
		}
	}
}
