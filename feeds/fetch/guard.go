package fetch

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/net/idna"
)

// denied are the networks in which no publisher lives: this machine, private
// and link-local networks, documentation, multicast, and the translation and
// tunnel prefixes that hide one of these. Source: the IANA special-purpose
// address registries for IPv4 and IPv6.
var denied = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "::1/128", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
	"2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

// global are the addresses of IPv6 that are given out. All others are reserved
// or, like ::ffff:0:0:0/96, another way to write one of IPv4.
var global = netip.MustParsePrefix("2000::/3")

func prefixes(all ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// errDenied does not name the address: it may tell what a private network holds.
var errDenied = errors.New("this leads to an address that is private or reserved")

// A guard decides which addresses may be dialled.
type guard struct{ allow []netip.Prefix }

func (g guard) permits(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return a.IsValid() && (within(g.allow, a) || !within(denied, a) && (a.Is4() || global.Contains(a)))
}

func within(all []netip.Prefix, a netip.Addr) bool {
	for _, p := range all {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// control sees every address at the moment it is dialled, after names were
// looked up: net.Dialer calls it.
func (g guard) control(_ context.Context, network, addr string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || network != "tcp4" && network != "tcp6" || !g.permits(ap.Addr()) {
		return errDenied
	}
	return nil
}

// literal refuses the hosts that can be recognised without a look-up. Behind a
// proxy that is all there is, so what a C library may read as an address
// ("2130706433", "0x7f.1") is refused too.
func (g guard) literal(host string) error {
	host = strings.TrimSuffix(host, ".")
	ascii, err := idna.Lookup.ToASCII(host)
	if err == nil {
		host = strings.TrimSuffix(ascii, ".")
	} else if strings.ContainsFunc(host, func(r rune) bool { return r > '~' }) {
		return fail(KindAddress, "the name of the host holds what no name may hold") // a proxy may read it in its own way
	}
	host = strings.ToLower(host)
	ok := true
	if a, err := netip.ParseAddr(host); err == nil {
		ok = g.permits(a)
	} else if own(host) {
		ok = g.permits(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	} else {
		ok = !numeric(host[strings.LastIndexByte(host, '.')+1:])
	}
	if !ok {
		return &Error{Kind: KindBlocked, Err: errDenied}
	}
	return nil
}

// own tells the names that every machine has for itself.
func own(host string) bool {
	switch host {
	case "localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback":
		return true
	}
	return strings.HasSuffix(host, ".localhost")
}

// numeric tells labels that are a number in decimal, octal or hexadecimal. No
// top-level domain is.
func numeric(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// dialler is cfg's; control may refuse what it is about to dial.
func dialler(cfg Config, control func(context.Context, string, string, syscall.RawConn) error) func(context.Context, string, string) (net.Conn, error) {
	if cfg.Dial != nil {
		return cfg.Dial
	}
	d := &net.Dialer{
		Timeout:         connect(cfg),
		Resolver:        cfg.Resolver,
		ControlContext:  control,
		KeepAliveConfig: keepAlive,
	}
	return d.DialContext
}
