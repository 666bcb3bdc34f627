// Command feedserver serves generated feeds on loopback for benchmarks, in a
// process of its own so that its CPU time is not counted:
//
//	feedserver HOSTS FEEDS [CERTIFICATE]
//
// Each of FEEDS is about 90 KB with 40 items, RSS and Atom by turns, in gzip. They
// are divided among HOSTS loopback addresses and served twice: under /v/ with
// validators, under /n/ without. Under /g/ each has one new item without a page, and
// one less of the old, whenever a line is read from standard input. The addresses are printed, one a
// line; the process ends with its standard input. With CERTIFICATE they are served over TLS,
// by a certificate that is written into that file.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const items = 40

var words = strings.Fields(`the council of ministers adopted measures concerning exports and called upon all parties
	to resume talks without delay in accordance with resolutions treaties sanctions border water harvest school bridge
	minister declared yesterday that cooperation between both countries would continue and tests were condemned`)

func main() {
	hosts, _ := strconv.Atoi(os.Args[1])
	feeds, _ := strconv.Atoi(os.Args[2])
	bodies := make([][]byte, feeds)
	for i := range bodies {
		bodies[i] = pack(feed(i))
	}
	grown := &growing{bodies: make([][]byte, feeds)}
	grown.grow()
	h := handler(bodies, grown)
	var secure *tls.Config
	if len(os.Args) > 3 {
		secure = certified(os.Args[3], hosts)
	}
	for i := range hosts {
		l, err := net.Listen("tcp", address(i)+":0")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(l.Addr())
		if secure != nil {
			l = tls.NewListener(l, secure)
		}
		go func() { log.Fatal(http.Serve(l, h)) }()
	}
	fmt.Println()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		grown.grow()
		fmt.Println("grown")
	}
}

func address(host int) string { return fmt.Sprintf("127.1.%d.%d", host/200, host%200+1) }

// certified makes a certificate for the addresses of hosts and writes it to a file.
func certified(file string, hosts int) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	for i := range hosts {
		c.IPAddresses = append(c.IPAddresses, net.ParseIP(address(i)))
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		log.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// growing are the feeds under /g/.
type growing struct {
	mu     sync.Mutex
	bodies [][]byte
	rounds int
}

func (g *growing) grow() {
	next := make([][]byte, len(g.bodies))
	for n := range next {
		var b bytes.Buffer
		begin(&b, n)
		for i := g.rounds + items - 1; i >= g.rounds; i-- {
			entry(&b, mrand.New(mrand.NewPCG(uint64(n), uint64(i))), n, i, "")
		}
		end(&b, n)
		next[n] = pack(b.Bytes())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bodies, g.rounds = next, g.rounds+1
}

func (g *growing) body(n int) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bodies[n]
}

func handler(bodies [][]byte, grown *growing) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, err := strconv.Atoi(r.URL.Path[3:])
		if err != nil || i >= len(bodies) {
			http.NotFound(w, r)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/v/") {
			tag := fmt.Sprintf(`"%d"`, i)
			w.Header().Set("ETag", tag)
			if r.Header.Get("If-None-Match") == tag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		w.Header().Set("Content-Type", "application/xml")
		w.Header().Set("Content-Encoding", "gzip")
		if strings.HasPrefix(r.URL.Path, "/g/") {
			_, _ = w.Write(grown.body(i))
			return
		}
		_, _ = w.Write(bodies[i])
	})
}

func pack(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func feed(n int) []byte {
	r := mrand.New(mrand.NewPCG(uint64(n), 7))
	var b bytes.Buffer
	begin(&b, n)
	for i := range items {
		entry(&b, r, n, i, fmt.Sprintf("http://f%d.example/statements/%d", n, i))
	}
	end(&b, n)
	return b.Bytes()
}

func begin(b *bytes.Buffer, n int) {
	if n%2 == 0 {
		fmt.Fprintf(b, `<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>Feed %d</title><link>http://f%d.example/</link>`, n, n)
	} else {
		fmt.Fprintf(b, `<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Feed %d</title><link href="http://f%d.example/"/><id>urn:f:%d</id><updated>2026-01-02T03:04:05Z</updated>`, n, n, n)
	}
}

func end(b *bytes.Buffer, n int) {
	if n%2 == 0 {
		b.WriteString("</channel></rss>")
	} else {
		b.WriteString("</feed>")
	}
}

// entry writes an entry; link is "" for one without a page.
func entry(b *bytes.Buffer, r *mrand.Rand, n, i int, link string) {
	var text bytes.Buffer
	for text.Len() < 2000 {
		text.WriteString("&lt;p&gt;")
		for range 60 {
			text.WriteString(words[r.IntN(len(words))])
			text.WriteByte(' ')
		}
		text.WriteString("&lt;/p&gt;")
	}
	if r.IntN(100) == 0 {
		text.WriteString("The export of ballistic missiles was condemned.")
	}
	id := cmp.Or(link, fmt.Sprintf("urn:statement:%d:%d", n, i))
	title := fmt.Sprintf("Statement %d of %d on %s", i, n, words[r.IntN(len(words))])
	linkRSS, linkAtom := "", ""
	if link != "" {
		linkRSS, linkAtom = "<link>"+link+"</link>", `<link href="`+link+`"/>`
	}
	if n%2 == 0 {
		fmt.Fprintf(b, `<item><guid>%s</guid>%s<title>%s</title><pubDate>Mon, 02 Jan 2026 15:04:05 GMT</pubDate><description>%s</description></item>`, id, linkRSS, title, text.Bytes())
	} else {
		fmt.Fprintf(b, `<entry><id>%s</id>%s<title>%s</title><updated>2026-01-02T15:04:05Z</updated><content type="html">%s</content></entry>`, id, linkAtom, title, text.Bytes())
	}
}
