package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// An ErrorKind says in one word why nothing could be fetched. It may be the
// label of a metric.
type ErrorKind string

// The kinds.
const (
	KindAddress  ErrorKind = "address"   // not an http or https address
	KindBlocked  ErrorKind = "blocked"   // the guard refused the address
	KindDNS      ErrorKind = "dns"       // the name could not be looked up
	KindRefused  ErrorKind = "refused"   // nobody listens there
	KindNetwork  ErrorKind = "network"   // no way there, or the connection broke before an answer
	KindTimeout  ErrorKind = "timeout"   // a deadline of Config, or the caller's
	KindTLS      ErrorKind = "tls"       // the certificate or the handshake
	KindProxy    ErrorKind = "proxy"     // the proxy cannot be reached or refuses
	KindStatus   ErrorKind = "status"    // an answer other than 200 and 304
	KindRedirect ErrorKind = "redirect"  // too many, to nowhere, or from https to http
	KindTooLarge ErrorKind = "too_large" // more than Config.MaxBody
	KindBomb     ErrorKind = "bomb"      // decompresses to more than 200 times its size
	KindEncoding ErrorKind = "encoding"  // the compression is unknown or broken
	KindRead     ErrorKind = "read"      // the body broke off
	KindCanceled ErrorKind = "canceled"  // the caller's context ended
)

// maxRetryAfter bounds what a server may ask us to wait.
const maxRetryAfter = 24 * time.Hour

// An Error is why nothing could be fetched. Its text is one line without
// secrets, queries and private addresses of the machine.
type Error struct {
	Kind       ErrorKind
	Status     int           // the answer's, with KindStatus and, where the proxy gave it, KindProxy; otherwise 0
	RetryAfter time.Duration // what the server asked for with 429 or 503, at most 24 h; 0 if nothing
	Where      string        // host and path that were asked for
	At         string        // host and path that they were redirected to; "" if they were not
	Err        error         // the cause; its text is safe to print, those of what it wraps may not be
}

func (e *Error) Error() string {
	s := strings.TrimSpace("fetch " + e.Where)
	if e.At != "" {
		s += ", redirected to " + e.At
	}
	s += ": " + e.Err.Error()
	if a := e.advice(); a != "" {
		s += "; " + a
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// advice is what a person can do about it, "" if nothing.
func (e *Error) advice() string {
	switch e.Kind {
	case KindAddress:
		return "write one like https://publisher.example/feed"
	case KindBlocked:
		return "if that is meant, name its network in fetch.allow"
	case KindDNS, KindRefused:
		return "if this lasts, look for the publisher's present address"
	case KindTLS:
		if _, ok := errors.AsType[x509.UnknownAuthorityError](e.Err); ok {
			return "if your network inspects TLS, name its certificate in fetch.ca"
		}
	case KindProxy:
		if e.Status == http.StatusProxyAuthRequired {
			return "write fetch.proxy with user and password: http://user:password@proxy.example:3128"
		}
		return "see fetch.proxy, HTTPS_PROXY and NO_PROXY"
	case KindRedirect:
		return "give the source the address that a browser ends at"
	case KindTooLarge, KindBomb:
		return "look for a shorter feed of the same publisher"
	case KindStatus:
		return adviceOn(e.Status)
	}
	return ""
}

func adviceOn(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "it wants a user and password in the source's address"
	case http.StatusForbidden, http.StatusUnavailableForLegalReasons:
		return "the publisher refuses this client or network; set contact and ask them, or try a proxy"
	case http.StatusNotFound, http.StatusGone:
		return "look for the publisher's present address"
	case http.StatusProxyAuthRequired:
		return "write fetch.proxy with user and password: http://user:password@proxy.example:3128"
	case http.StatusTooManyRequests:
		return "if this lasts, give the source a longer every"
	}
	return ""
}

func status(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

func fail(kind ErrorKind, format string, args ...any) *Error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// of adds what resp tells.
func (e *Error) of(resp *http.Response) *Error {
	e.Status = resp.StatusCode
	if e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable {
		e.RetryAfter = retryAfter(resp.Header, time.Now())
	}
	return e
}

// retryAfter reads seconds or a date. A date counts from the server's own clock
// where that is told.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v != "" && strings.Trim(v, "0123456789") == "" {
		if len(v) > 6 {
			return maxRetryAfter
		}
		s, _ := time.ParseDuration(v + "s")
		return min(s, maxRetryAfter)
	}
	until, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		now = at
	}
	return min(max(until.Sub(now), 0), maxRetryAfter)
}

// locate gives err, an *Error, its place: where was asked for, u was asked last.
func locate(err error, where, at string) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = because(KindRead, "", err)
	}
	c := *e
	c.Where = where
	if at != where && c.Kind != KindBlocked {
		c.At = at
	}
	return &c
}

// A cause shows a text of its own instead of that of the error it wraps, which
// may name addresses of this network.
type cause struct {
	text string
	err  error
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.err }

func because(kind ErrorKind, text string, err error) *Error {
	if text == "" {
		text = clean(err)
	}
	return &Error{Kind: kind, Err: &cause{text, err}}
}

// clean is err's text without addresses and line ends.
func clean(err error) string {
	for op, ok := errors.AsType[*net.OpError](err); ok; op, ok = errors.AsType[*net.OpError](err) {
		err = op.Err
	}
	s := printable(err.Error())
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

// printable is s on one line and without characters that change how it is shown.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, s)
}

// ended is what the end of the caller's context means.
func ended(err error) *Error {
	if errors.Is(err, context.DeadlineExceeded) {
		return because(KindTimeout, "the time given for it ran out", err)
	}
	return because(KindCanceled, "canceled", err)
}

// classify reads what net/http gives.
func classify(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, errDenied) {
		return &Error{Kind: KindBlocked, Err: errDenied}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		return because(KindProxy, "reach the proxy: "+classify(op.Err).Err.Error(), err)
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok {
		switch {
		case d.IsNotFound:
			return because(KindDNS, "no such host", err)
		case d.IsTimeout:
			return because(KindDNS, "no name server answered", err)
		}
		return because(KindDNS, "the name server failed", err)
	}
	if secure(err) {
		return because(KindTLS, "", err)
	}
	return classifyNet(err)
}

func classifyNet(err error) *Error {
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		switch op, _ := errors.AsType[*net.OpError](err); {
		case op != nil && op.Op == "dial":
			return because(KindTimeout, "no connection within the deadline", err)
		case strings.Contains(err.Error(), "TLS handshake"):
			return because(KindTimeout, "no TLS handshake within the deadline", err)
		case strings.Contains(err.Error(), "response headers"):
			return because(KindTimeout, "no answer within the deadline", err)
		}
		return because(KindTimeout, "the connection timed out", err)
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return because(KindRefused, "the server refuses connections", err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return because(KindNetwork, "the server closed the connection without a whole answer", err)
	}
	return because(KindNetwork, "", err)
}

// secure tells the errors of TLS.
func secure(err error) bool {
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, header := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	return verify || header || alert || authority || host || strings.HasPrefix(err.Error(), "tls: ") ||
		strings.Contains(err.Error(), "HTTP response to HTTPS client")
}
