package fetch_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/feeds/fetch"
)

// noise does not compress.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// long is a document of n items, about 100 bytes each, that gzip shrinks to a third.
func long(n int) []byte {
	var b bytes.Buffer
	b.WriteString("<rss><channel>")
	r := rand.New(rand.NewPCG(5, 6))
	for i := range n {
		fmt.Fprintf(&b, "<item><guid>%d</guid><title>%x %x %x</title></item>", i, r.Uint64(), r.Uint64(), r.Uint64())
	}
	b.WriteString("</channel></rss>")
	return b.Bytes()
}

func getBody(t *testing.T, coding string, body []byte) (fetch.Response, error) {
	t.Helper()
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if coding != "" {
			w.Header().Set("Content-Encoding", coding)
		}
		w.Write(body)
	})
	return newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), u, fetch.Validators{})
}

func TestBodiesAreDecompressedWhateverWasDeclared(t *testing.T) {
	text := long(500)
	for _, tt := range []struct {
		name, coding string
		body         []byte
	}{
		{"nothing", "", text},
		{"identity", "identity", text},
		{"gzip", "gzip", gzipped(text)},
		{"gzip by its old name", "X-GZip", gzipped(text)},
		{"br", "br", brotlied(text)},
		{"zstd", "zstd", zstded(text)},
		{"gzip undeclared", "", gzipped(text)},
		{"gzip declared as br", "br", gzipped(text)},
		{"gzip declared as unknown", "utf-8", gzipped(text)},
		{"gzip declared once, done twice", "gzip", gzipped(gzipped(text))},
		{"gzip within br", "gzip, br", brotlied(gzipped(text))},
		{"gzip in two members", "gzip", append(gzipped(text[:999]), gzipped(text[999:])...)},
		{"gzip with a line end behind it", "gzip", append(gzipped(text), '\n')},
		{"gzip with zeros behind it", "gzip", append(gzipped(text), make([]byte, 512)...)},
		{"plain declared gzip", "gzip", text},
		{"plain declared br", "br", text},
		{"plain declared zstd", "zstd", text},
		{"plain declared gzip and br", "gzip, br", text},
		{"plain declared unknown", "utf-8", text},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := getBody(t, tt.coding, tt.body)
			if err != nil || !bytes.Equal(r.Body, text) || r.Cut || r.Validators.Hash == "" {
				t.Errorf("Get = %d bytes, cut %v (%v), %v; want %d", len(r.Body), r.Cut, r.Fault, err, len(text))
			}
		})
	}
	for name, coding := range map[string]string{"empty": "", "empty gzip": "gzip", "empty br": "br", "empty zstd": "zstd"} {
		t.Run(name, func(t *testing.T) {
			if r, err := getBody(t, coding, nil); err != nil || r.Body == nil || len(r.Body) != 0 {
				t.Errorf("Get = %v, %v; want an empty body", r.Body, err)
			}
		})
	}
}

func TestUnknownCodingsAreErrors(t *testing.T) {
	for coding, body := range map[string][]byte{"compress": noise(100), "gzip": noise(1000), "zstd": noise(1000), "br, br, br, br": noise(10)} {
		_, err := getBody(t, coding, body)
		wantKind(t, err, fetch.KindEncoding)
	}
}

func TestBodiesHaveASize(t *testing.T) {
	const limit = 8 << 20
	for _, tt := range []struct {
		name, coding string
		body         []byte
		want         fetch.ErrorKind
	}{
		{"at the limit", "", bytes.Repeat([]byte("a"), limit), ""},
		{"one more", "", bytes.Repeat([]byte("a"), limit+1), fetch.KindTooLarge},
		{"honest gzip at the limit", "gzip", gzipped(append(noise(limit/2), make([]byte, limit/2)...)), ""},
		{"honest gzip, one more", "gzip", gzipped(append(noise(limit/2), make([]byte, limit/2+1)...)), fetch.KindTooLarge},
		{"any ratio up to 1 MiB", "gzip", gzipped(make([]byte, 1<<20)), ""},
		{"gzip bomb", "gzip", gzipped(make([]byte, 2<<20)), fetch.KindBomb},
		{"gzip bomb undeclared", "", gzipped(make([]byte, 2<<20)), fetch.KindBomb},
		{"br bomb", "br", brotlied(make([]byte, 2<<20)), fetch.KindBomb},
		{"zstd bomb", "zstd", zstded(make([]byte, 2<<20)), fetch.KindBomb},
		{"bomb in a bomb", "gzip", gzipped(gzipped(make([]byte, 10<<20))), fetch.KindBomb},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := getBody(t, tt.coding, tt.body)
			if tt.want == "" {
				if err != nil || r.Cut {
					t.Errorf("Get = cut %v (%v), %v", r.Cut, r.Fault, err)
				}
				return
			}
			wantKind(t, err, tt.want)
		})
	}
}

func TestHugeBodyIsLeftEarly(t *testing.T) {
	for name, most := range map[string]int64{"announced": 8 << 20, "unannounced": 40 << 20} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			ended := make(chan struct{})
			u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				defer close(ended)
				if name == "announced" {
					w.Header().Set("Content-Length", fmt.Sprint(100<<20))
				}
				part := make([]byte, 64<<10)
				for range 100 << 20 / len(part) {
					if _, err := w.Write(part); err != nil {
						return
					}
					sent.Add(int64(len(part)))
				}
			})
			_, err := newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), u, fetch.Validators{})
			wantKind(t, err, fetch.KindTooLarge)
			if <-ended; sent.Load() >= most {
				t.Errorf("took %d MiB of 100, want less than %d", sent.Load()>>20, most>>20)
			}
		})
	}
}

func TestHugeHeadersAreRefused(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("a", 200<<10)) })
	_, err := newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), u, fetch.Validators{})
	wantKind(t, err, fetch.KindNetwork)
}

func TestCutBodyIsGivenWithoutValidators(t *testing.T) {
	text := long(2000)
	packed := gzipped(text)
	head := "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nLast-Modified: Mon, 05 Jan 2026 10:00:00 GMT\r\n"
	for _, tt := range []struct {
		name, head string
		body       []byte
		kind       fetch.ErrorKind
	}{
		{"content-length", fmt.Sprintf("Content-Length: %d\r\n\r\n", len(text)), text[:5000], fetch.KindRead},
		{"chunked", "Transfer-Encoding: chunked\r\n\r\n", []byte("ffff\r\n" + string(text[:5000])), fetch.KindRead},
		{"gzip by the connection", fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", len(packed)), packed[:len(packed)/2], fetch.KindRead},
		{"gzip within", fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", len(packed)/2), packed[:len(packed)/2], fetch.KindRead},
		{"gzip within, undeclared, HTTP/1.0 like", "\r\n", packed[:len(packed)/2], fetch.KindRead},
		{"gzip without its end", "Content-Encoding: gzip\r\n\r\n", packed[:len(packed)-5], fetch.KindRead},
		{"gzip with a wrong checksum", "Content-Encoding: gzip\r\n\r\n", append(packed[:len(packed)-8:len(packed)-8], "01234567"...), fetch.KindEncoding},
		{"br", "Content-Encoding: br\r\n\r\n", half(brotlied(text)), fetch.KindRead},
		{"zstd", "Content-Encoding: zstd\r\n\r\n", half(zstded(append(text, noise(500<<10)...))), fetch.KindRead},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := serveRaw(t, func(c net.Conn) { c.Write(append([]byte(head+tt.head), tt.body...)) })
			r, err := newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), u, fetch.Validators{})
			if err != nil {
				t.Fatal(err)
			}
			if !r.Cut || r.Unchanged || r.Validators != (fetch.Validators{}) || len(r.Body) < 1000 || !bytes.HasPrefix(text, r.Body[:1000]) {
				t.Errorf("cut %v, %d bytes, validators %+v", r.Cut, len(r.Body), r.Validators)
			}
			if e := wantKind(t, r.Fault, tt.kind); e.Where == "" {
				t.Error("the fault has no place")
			}
		})
	}
}

func half(b []byte) []byte { return b[:len(b)/2] }

func TestBodyThatNeverCameIsAnError(t *testing.T) {
	u := serveRaw(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n") })
	_, err := newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), u, fetch.Validators{})
	wantKind(t, err, fetch.KindRead)
	u = serveRaw(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08") })
	_, err = newClient(t, fetch.Config{Allow: loopback}).Get(t.Context(), u, fetch.Validators{})
	wantKind(t, err, fetch.KindRead)
}

func TestEveryAnswerHasADeadline(t *testing.T) {
	drip := func(w io.Writer, s string, every time.Duration) {
		for s != "" {
			time.Sleep(every)
			if _, err := io.WriteString(w, s[:1]); err != nil {
				return
			}
			s = s[1:]
			if f, ok := w.(http.Flusher); ok {
				f.Flush()
			}
		}
	}
	hijack := func(w http.ResponseWriter) net.Conn {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		return c
	}
	for _, tt := range []struct {
		name   string
		serve  http.HandlerFunc
		after  time.Duration
		cut    bool
		reason string
	}{
		{"silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 20 * time.Second, false, "no answer"},
		{"slow headers", func(w http.ResponseWriter, _ *http.Request) {
			c := hijack(w)
			drip(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("a", 1000), time.Second)
			c.Close()
		}, 20 * time.Second, false, "no answer"},
		{"no body", func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, 15 * time.Second, false, "stopped for 15s"},
		{"body that stops", func(w http.ResponseWriter, r *http.Request) {
			drip(w, "<rss>", 2*time.Second)
			<-r.Context().Done()
		}, 25 * time.Second, true, "stopped for 15s"},
		{
			"slow body", func(w http.ResponseWriter, _ *http.Request) { drip(w, strings.Repeat("a", 1000), 14*time.Second) },
			60 * time.Second, true, "not finished within 1m0s",
		},
		{"slow redirects", func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(19 * time.Second)
			http.Redirect(w, r, "/", http.StatusFound)
		}, 60 * time.Second, false, "not finished within 1m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes(t, tt.serve)
				c := newClient(t, fetch.Config{Dial: p.dial})
				began := time.Now()
				r, err := c.Get(t.Context(), "http://mfa.example/", fetch.Validators{})
				if took := time.Since(began); took != tt.after {
					t.Errorf("ended after %v, want %v", took, tt.after)
				}
				if tt.cut {
					if err != nil || !r.Cut {
						t.Fatalf("cut %v, %v; want what had come", r.Cut, err)
					}
					err = r.Fault
				}
				if e := wantKind(t, err, fetch.KindTimeout); !strings.Contains(e.Error(), tt.reason) {
					t.Errorf("error %q, want %q in it", e, tt.reason)
				}
			})
		})
	}
}

func TestHandshakeHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := newClient(t, fetch.Config{Dial: func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			go io.Copy(io.Discard, there)
			return here, nil
		}})
		began := time.Now()
		_, err := silent.Get(t.Context(), "https://mfa.example/", fetch.Validators{})
		wantKind(t, err, fetch.KindTimeout)
		if time.Since(began) != 10*time.Second {
			t.Errorf("the TLS handshake ended after %v, want 10s", time.Since(began))
		}
	})
}
