package feeds

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/feeds/fetch"
)

// An issuer signs certificates.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// sign makes a certificate of an issuer, or one that signs itself.
func (by *issuer) sign(t *testing.T, change func(c *x509.Certificate)) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	change(c)
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &issuer{c, key}
}

func TestEachFaultOfACertificateIsToldWithWhatToDo(t *testing.T) {
	authority := func(name string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.Subject.CommonName, c.IsCA = name, true }
	}
	none := func(*x509.Certificate) {}
	root := (*issuer)(nil).sign(t, authority("root"))
	between := root.sign(t, authority("between"))
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := fetch.New(fetch.Config{CA: ca, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, tt := range []struct {
		name string
		leaf *issuer
		want string // in what to do; "" where it can be trusted
	}{
		{"trusted", root.sign(t, none), ""},
		{"expired", root.sign(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "renew"},
		{"not valid yet", root.sign(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) }), "clock"},
		{"of another name", root.sign(t, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"other.example"} }), "name that the certificate holds"},
		{"chain incomplete", between.sign(t, none), "chain is incomplete"},
		{"signs itself", (*issuer)(nil).sign(t, none), "fetch.ca"},
	} {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<rss/>")) }))
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{tt.leaf.cert.Raw}, PrivateKey: tt.leaf.key}}}
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.StartTLS()
		_, err := client.Get(t.Context(), srv.URL, fetch.Validators{})
		srv.Close()
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s: it was trusted", tt.name)
			continue
		}
		r := fetchFailed(err)
		h := health{answered: true}
		for range patience {
			h.record(source(1), r, time.Now())
		}
		if r.condition != Certificate || !strings.Contains(h.open.Text, tt.want) || strings.Count(h.open.Text, "fetch.ca") > 1 {
			t.Errorf("%s: %s, %q, want %q in it", tt.name, r.condition, h.open.Text, tt.want)
		}
		t.Logf("%s: %s", tt.name, h.open.Text)
	}
}
