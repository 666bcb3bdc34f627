// Package notifiertest holds counterparts for notifiers to talk to: a Slack over
// HTTP and a mail server. They keep what they were sent, hold senders to the
// documented limits, and misbehave on demand. They need no test to run in: a
// process of their own can serve them.
package notifiertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"time"
)

// A Pipe is a network in memory: a listener, and a Dial that reaches it whatever
// the address. Unlike sockets it works inside a testing/synctest bubble.
type Pipe struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// NewPipe makes a network of its own.
func NewPipe() *Pipe { return &Pipe{conns: make(chan net.Conn), done: make(chan struct{})} }

// Accept waits for the next Dial.
func (p *Pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close refuses all later Dials.
func (p *Pipe) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr is a name: there is no address.
func (p *Pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// Dial connects to whoever accepts.
func (p *Pipe) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Certificate is a self-signed certificate for localhost and 127.0.0.1, and the
// pool that trusts it and nothing else.
func Certificate() (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool, nil
}

// The faults of a torture test, and how often each comes among 100 answers of
// which 14 are faulty.
var tortures = []struct {
	weight int
	slack  Fault
	smtp   Mode
}{
	{5, Fault{Status: 429, RetryAfter: 1}, Greylist},
	{3, Fault{Status: 503}, Refuse451},
	{2, Fault{Status: 502, Applied: true}, Stored451},
	{2, Fault{Reset: true, Applied: true}, DropAfterDot},
	{1, Fault{Hang: true, Applied: true}, HangAfterDot},
	{1, Fault{Reset: true}, DropBeforeDot},
}

// torture picks faults at random.
type torture struct {
	rate float64
	rand *mathrand.Rand
}

func newTorture(rate float64, seed uint64) *torture {
	return &torture{rate, mathrand.New(mathrand.NewPCG(seed, 14))}
}

// pick is an index of tortures, or -1.
func (t *torture) pick() int {
	if t == nil || t.rand.Float64() >= t.rate {
		return -1
	}
	n := t.rand.IntN(14)
	for i, f := range tortures {
		if n -= f.weight; n < 0 {
			return i
		}
	}
	return -1
}

// shut ends a connection without a goodbye: over TCP with a reset.
func shut(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if w, ok := c.(*watched); ok {
		c = w.Conn
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	c.Close()
}
