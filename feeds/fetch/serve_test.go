package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"tocsin/feeds/fetch"
)

// A proxy of whoever runs the tests must not take part.
func init() {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		os.Unsetenv(name)
		os.Unsetenv(strings.ToLower(name))
	}
}

// loopback lets tests past the guard.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func newClient(t testing.TB, cfg fetch.Config) *fetch.Client {
	t.Helper()
	c, err := fetch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t testing.TB, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// serveRaw answers every connection with answer's writes, after the request's
// headers were read, and closes it.
func serveRaw(t testing.TB, answer func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if readRequest(c) == nil {
					answer(c)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func readRequest(c net.Conn) error {
	var got []byte
	b := make([]byte, 1)
	for !bytes.HasSuffix(got, []byte("\r\n\r\n")) {
		if _, err := c.Read(b); err != nil {
			return err
		}
		got = append(got, b[0])
	}
	return nil
}

// A pipes is a network in memory, on which a fake clock can stand.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	dials atomic.Int64
}

func newPipes(t testing.TB, h http.HandlerFunc) *pipes {
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	s := &http.Server{Handler: h}
	go s.Serve(p)
	t.Cleanup(func() {
		s.Close()
		time.Sleep(time.Hour) // by the fake clock: handlers end meanwhile
	})
	return p
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.dials.Add(1)
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, errors.New("closed")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func failure(t testing.TB, err error) *fetch.Error {
	t.Helper()
	e, ok := errors.AsType[*fetch.Error](err)
	if !ok {
		t.Fatalf("error is %T %v, want *fetch.Error", err, err)
	}
	if s := e.Error(); strings.ContainsAny(s, "\r\n") || strings.Contains(s, "%!") {
		t.Errorf("error text %q is not one line", s)
	}
	return e
}

func wantKind(t testing.TB, err error, kind fetch.ErrorKind) *fetch.Error {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want kind %q", kind)
	}
	e := failure(t, err)
	if e.Kind != kind {
		t.Errorf("error %q has kind %q, want %q", e, e.Kind, kind)
	}
	return e
}

func gzipped(b []byte) []byte {
	return packed(b, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

func brotlied(b []byte) []byte {
	return packed(b, func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) })
}

func zstded(b []byte) []byte {
	return packed(b, func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err)
		}
		return z
	})
}

func packed(b []byte, by func(io.Writer) io.WriteCloser) []byte {
	var out bytes.Buffer
	w := by(&out)
	if _, err := w.Write(b); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}
