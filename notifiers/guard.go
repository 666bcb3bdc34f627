package notifiers

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"tocsin"
)

// An attempt is one message on its way through connections that guard it.
type attempt struct {
	notAfter time.Time
	always   bool        // check every write, not only the first: the message counts for nothing until its last byte
	wrote    atomic.Bool // a byte left
	refused  atomic.Bool // a write was refused because notAfter had come
}

// late reports whether t has passed by the wall clock or by the monotonic one:
// the monotonic clock stands still while a machine sleeps, and the wall clock
// can be set back.
func late(t time.Time) bool {
	if t.IsZero() {
		return false
	}
	now := time.Now()
	return now.After(t) || now.Round(0).After(t.Round(0))
}

func (a *attempt) mayWrite() bool {
	if (a.always || !a.wrote.Load()) && late(a.notAfter) {
		a.refused.Store(true)
		return false
	}
	return true
}

// errLate is what a guard answers to a write that comes too late.
var errLate = errors.New("the time to send had run out")

// A guard is a connection that refuses the first byte of a message after its
// time. It closes when it refuses, so that nobody waits for an answer.
type guard struct {
	net.Conn
	attempt atomic.Pointer[attempt]
}

func (g *guard) Write(p []byte) (int, error) {
	a := g.attempt.Load()
	if a != nil && !a.mayWrite() {
		g.Close()
		return 0, errLate
	}
	first := a != nil && !a.wrote.Swap(true) // before the write: the answer may be read before Write returns
	n, err := g.Conn.Write(p)
	if first && n == 0 {
		a.wrote.Store(false)
	}
	return n, err
}

// guardOf is the guard below c, which may be a TLS connection over it.
func guardOf(c net.Conn) *guard {
	for {
		if g, ok := c.(*guard); ok {
			return g
		}
		over, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = over.NetConn()
	}
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// guarded makes dial return guards.
func guarded(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &guard{Conn: c}, nil
	}
}

// armed makes a request sent with ctx pass the guard of whichever connection
// net/http picks for it, also when it picks a second one because the first had
// died before a byte was written.
func (a *attempt) armed(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if g := guardOf(i.Conn); g != nil {
			g.attempt.Store(a)
		}
	}})
}

// withheld is the outcome of an attempt that a guard refused.
func withheld() *tocsin.Outcome { return &tocsin.Outcome{Verdict: tocsin.Withheld, Err: errLate} }

// A cause is an error whose text is fit for people: no addresses of machines, no
// secrets, no control characters, and of bounded length.
type cause struct {
	text string
	err  error
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.err }

// causeOf reduces err to what went wrong.
func causeOf(err error, secrets ...tocsin.Secret) error {
	text := err.Error()
	if o, ok := errors.AsType[*net.OpError](err); ok && o.Err != nil {
		text = o.Op + ": " + o.Err.Error()
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok {
		text = "look up " + d.Name + ": " + d.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		text = "no answer in time"
	case errors.Is(err, context.Canceled):
		text = "cancelled"
	}
	return &cause{text: fit(text, secrets...), err: err}
}

// maxCause is the most text, in bytes, that an error takes from a provider.
const maxCause = 300

// fit makes a provider's text fit for an error.
func fit(s string, secrets ...tocsin.Secret) string {
	for _, x := range secrets {
		for _, form := range spellings(x) {
			s = strings.ReplaceAll(s, form, tocsin.Secret("").String())
		}
	}
	s = flat(s)
	if len(s) > maxCause {
		s = strings.ToValidUTF8(s[:maxCause], "") + "…"
	}
	return s
}
