//go:build unix

package fetch_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tocsin/feeds/fetch"
)

// The benchmark's server is this test binary, started again with this variable:
// its CPU time must not count as the client's.
const serveVariable = "TOCSIN_FETCH_BENCH_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serveVariable) != "" {
		serveUntilEOF()
		return
	}
	os.Exit(m.Run())
}

// serveUntilEOF serves one gzipped feed of 90 KB on loopback, over HTTP and
// HTTPS, and ends when its standard input does.
func serveUntilEOF() {
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	z.Write(feedOf(40))
	z.Close()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/validators" {
			w.Header().Set("ETag", `"1"`)
			if r.Header.Get("If-None-Match") == `"1"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		w.Header().Set("Content-Type", "application/rss+xml")
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(body.Bytes())
	})
	plain, secure := httptest.NewServer(h), httptest.NewTLSServer(h)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	fmt.Println(plain.Listener.Addr(), secure.Listener.Addr(), base64.StdEncoding.EncodeToString(cert))
	io.Copy(io.Discard, os.Stdin)
}

// feedOf is a feed of n items of about 2.2 KB each.
func feedOf(n int) []byte {
	words := strings.Fields("the council of ministers adopted measures concerning transfer export of components and called upon all parties to resume talks without delay in accordance with resolutions")
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0"?><rss version="2.0"><channel><title>Press</title>`)
	for i := range n {
		fmt.Fprintf(&b, "<item><guid>%d</guid><title>Statement %d</title><description>", i, i)
		for b.Len() < (i+1)*2250 {
			fmt.Fprintf(&b, "%s %d ", words[r.IntN(len(words))], r.IntN(1000))
		}
		b.WriteString("</description></item>")
	}
	b.WriteString("</channel></rss>")
	return b.Bytes()
}

func startServer(tb testing.TB) (plain, secure, ca string) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveVariable+"=1")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	f := strings.Fields(line)
	if err != nil || len(f) != 3 {
		tb.Fatalf("server said %q, %v", line, err)
	}
	cert, _ := base64.StdEncoding.DecodeString(f[2])
	ca = filepath.Join(tb.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, cert, 0o600); err != nil {
		tb.Fatal(err)
	}
	return f[0], f[1], ca
}

// BenchmarkUnchanged polls 1,000 hosts with nothing new, each over its own kept
// connection to a server in another process, and prints the client's CPU
// seconds per 1,000 polls and what a kept connection costs.
func BenchmarkUnchanged(b *testing.B) {
	plain, secure, ca := startServer(b)
	for _, bm := range []struct{ name, scheme, addr, path string }{
		{"validators", "http", plain, "/validators"},
		{"hash", "http", plain, "/feed"},
		{"validators_tls", "https", secure, "/validators"},
		{"hash_tls", "https", secure, "/feed"},
	} {
		b.Run(bm.name, func(b *testing.B) { benchmarkUnchanged(b, bm.scheme, bm.addr, bm.path, ca) })
	}
}

func benchmarkUnchanged(b *testing.B, scheme, addr, path, ca string) {
	const hosts = 1000
	c, err := fetch.New(fetch.Config{CA: ca, Contact: "desk@example.org", Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	urls, known := make([]string, hosts), make([]fetch.Validators, hosts)
	for i := range urls {
		urls[i] = fmt.Sprintf("%s://h%d.example.com%s", scheme, i, path)
	}
	before := memory()
	poll := func(unchanged bool) {
		next := make(chan int)
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for i := range next {
					r, err := c.Get(context.Background(), urls[i], known[i])
					if err != nil || r.Unchanged != unchanged {
						b.Errorf("Get(%s) = unchanged %v, %v", urls[i], r.Unchanged, err)
					}
					known[i] = r.Validators
				}
			})
		}
		for i := range hosts {
			next <- i
		}
		close(next)
		wg.Wait()
	}
	poll(false)
	perConn := float64(memory()-before) / hosts
	start := cpu()
	n := 0
	for b.Loop() {
		poll(true)
		n++
	}
	b.ReportMetric((cpu()-start).Seconds()/float64(n), "cpu-s/1000polls")
	b.ReportMetric(perConn, "B/conn")
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// cpu is the user and system time of this process, without its children.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
