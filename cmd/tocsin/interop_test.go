//go:build interop

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestInterop tries the real binary against programs that we did not write.
// docs/interop.md says which. Everything listens on loopback, every wait has an
// end, and what a test starts it ends. What is missing is installed; what cannot
// be had fails the test with one line.
func TestInterop(t *testing.T) {
	for _, part := range []struct {
		name string
		try  func(*testing.T)
	}{
		{"mail", tryPostfix},
		{"slack", trySlackEmulator},
		{"slacktypes", trySlackTypes},
		{"bolt", tryBolt},
		{"socketmode", trySocketMode},
		{"nats", tryNATS},
		{"cluster", tryCluster},
		{"backup", tryBackupAcross},
		{"feeds", tryFeedparser},
		{"deploy", tryDeploy},
		{"metrics", tryPrometheus},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.try(t)
		})
	}
}

// patiently is how long a step may take on a machine that is busy with others.
const patiently = 2 * time.Minute

// await looks every 100 ms whether something is so. It fails the test after a
// time that no step should need.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for start := time.Now(); !so(); time.Sleep(100 * time.Millisecond) {
		if time.Since(start) > patiently {
			t.Fatalf("not within %v: %s", patiently, what)
		}
	}
}

// A child is a process of a test. It ends with the test at the latest.
type child struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	out  *buffer // standard output and error
	done chan struct{}
}

// launch starts a program in a process group of its own.
func launch(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	c := &child{t: t, name: filepath.Base(cmd.Path), cmd: cmd, out: &buffer{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = c.out, c.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", c.name, err)
	}
	go func() { _ = cmd.Wait(); close(c.done) }()
	t.Cleanup(func() {
		c.signal(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("%s %q said:\n%s", c.name, cmd.Args[1:], tail(c.out.String(), 4000))
		}
	})
	return c
}

// signal sends a signal to the program and those it started, and waits until it
// has ended; what does not end within 15 s is killed.
func (c *child) signal(s syscall.Signal) {
	for _, s := range []syscall.Signal{s, syscall.SIGKILL} {
		_ = syscall.Kill(-c.cmd.Process.Pid, s)
		select {
		case <-c.done:
			return
		case <-time.After(15 * time.Second):
		}
	}
}

func (c *child) stop() { c.signal(syscall.SIGTERM) }
func (c *child) kill() { c.signal(syscall.SIGKILL) }

// says waits until the program has printed words.
func (c *child) says(words string) {
	c.t.Helper()
	await(c.t, c.name+" says "+words, func() bool {
		select {
		case <-c.done:
			if !strings.Contains(c.out.String(), words) {
				c.t.Fatalf("%s ended before it said %q:\n%s", c.name, words, tail(c.out.String(), 2000))
			}
		default:
		}
		return strings.Contains(c.out.String(), words)
	})
}

// program is a tocsin command on a configuration.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "INTEROP_TOKEN="+interopToken)
	return cmd
}

const interopToken = "xoxb-interop-9f31"

// serving starts tocsin run and waits until it is ready.
func serving(t *testing.T, args ...string) *child {
	t.Helper()
	c := launch(t, program(t, append([]string{"run"}, args...)...))
	c.says("msg=ready")
	return c
}

// ask runs a command that ends by itself.
func ask(t *testing.T, cmd *exec.Cmd) (out, errs string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", filepath.Base(cmd.Path), err)
	}
	late := time.AfterFunc(patiently, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return o.String(), e.String(), exit.ExitCode()
	} else if err != nil {
		t.Fatalf("run %s: %v", filepath.Base(cmd.Path), err)
	}
	return o.String(), e.String(), 0
}

// must is the output of a command that has to succeed.
func must(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, errs, status := ask(t, cmd)
	if status != 0 {
		t.Fatalf("%s %q ended with %d:\n%s%s", filepath.Base(cmd.Path), cmd.Args[1:], status, tail(out, 2000), tail(errs, 2000))
	}
	return out
}

// linesWith are the lines of text that hold words.
func linesWith(text, words string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, words) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// lines are the JSON values that a command printed, one a line.
func lines[T any](t *testing.T, text string) []T {
	t.Helper()
	var out []T
	s := bufio.NewScanner(strings.NewReader(text))
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatalf("%v in %q", err, tail(s.Text(), 300))
		}
		out = append(out, v)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

var aptOnce struct {
	sync.Mutex
	updated bool
}

// installed makes sure that a program is there, from a Debian package if need be.
func installed(t *testing.T, path, deb string) string {
	t.Helper()
	if found, err := exec.LookPath(path); err == nil {
		return found
	} else if _, err := os.Stat(path); err == nil {
		return path
	}
	apt(t, deb, "", "install", "-y", "--no-install-recommends", deb)
	found, err := exec.LookPath(path)
	if err != nil {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		t.Fatalf("package %s was installed but holds no %s", deb, path)
	}
	return found
}

// apt runs apt-get in dir, once again with fresh lists if it does not know a
// package.
func apt(t *testing.T, deb, dir string, args ...string) {
	t.Helper()
	aptOnce.Lock()
	defer aptOnce.Unlock()
	call := func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	out, err := call(args...)
	if err != nil && !aptOnce.updated {
		aptOnce.updated = true
		_, _ = call("update")
		out, err = call(args...)
	}
	if err != nil {
		t.Fatalf("%s is missing and apt-get cannot bring it (%s: %v): install it by hand, as root: apt-get install %s", deb, out[strings.LastIndex(out, "\n")+1:], err, deb)
	}
}

// nodePackages installs npm packages of fixed versions into a new directory.
func nodePackages(t *testing.T, packages ...string) string {
	t.Helper()
	node := installed(t, "node", "nodejs")
	var major int
	if _, err := fmt.Sscanf(must(t, exec.Command(node, "--version")), "v%d.", &major); err != nil || major < 20 {
		t.Fatalf("node is of version %d: install node 20 or newer", major)
	}
	npm := installed(t, "npm", "npm")
	dir := t.TempDir()
	cmd := exec.Command(npm, append([]string{"install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts"}, packages...)...)
	if out, errs, status := ask(t, cmd); status != 0 {
		t.Fatalf("npm cannot bring %s: %s%s", strings.Join(packages, " "), tail(out, 500), tail(errs, 500))
	}
	return dir
}

// given copies a file of testdata/interop into dir, and returns its path there.
func given(t *testing.T, name, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/interop", name))
	if err != nil {
		t.Fatal(err)
	}
	return wroteFile(t, filepath.Join(dir, name), string(text))
}

func wroteFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// commonDir is a new directory that other users can enter.
func commonDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tocsin-interop-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// freePort is a port of loopback that nobody listened on a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// listens waits until a port takes connections, and fails the test if it does so
// on more than loopback.
func listens(t *testing.T, port int) {
	t.Helper()
	await(t, fmt.Sprintf("port %d listens", port), func() bool {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > 3 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && !strings.HasPrefix(f[1], "0100007F:") {
				t.Errorf("port %d listens on %s, not on loopback alone", port, f[1])
			}
		}
	}
}

// A press is a web server with feeds that grow.
type press struct {
	addr string

	mu    sync.Mutex
	feeds map[string][]rssItem
}

func newPress(t *testing.T) *press {
	p := &press{feeds: map[string][]rssItem{}}
	p.addr = loopback(t, http.HandlerFunc(p.serve))
	return p
}

func (p *press) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	items := slices.Clone(p.feeds[strings.Trim(r.URL.Path, "/")])
	p.mu.Unlock()
	w.Header().Set("Content-Type", "application/rss+xml; charset=utf-8")
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name  `xml:"rss"`
		Version string    `xml:"version,attr"`
		Title   string    `xml:"channel>title"`
		Items   []rssItem `xml:"channel>item"`
	}{Version: "2.0", Title: "press", Items: items})
}

// publish adds a statement at the top of a feed.
func (p *press) publish(feed, id, title, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	link := "http://press.example/" + feed + "/" + id
	p.feeds[feed] = slices.Insert(p.feeds[feed], 0, rssItem{GUID: link, Link: link, Title: title, Description: text})
}

// sources are the configuration of feeds, each asked as often as is allowed.
func (p *press) sources(feeds ...string) string {
	var b strings.Builder
	b.WriteString("sources:\n")
	for _, f := range feeds {
		fmt.Fprintf(&b, "  - {id: %s, title: \"Ministry of %s\", url: \"http://%s/%s\", every: 10s}\n", f, f, p.addr, f)
	}
	return b.String()
}

// configuredBy writes a configuration that trusts the authority of file ca, if
// any, and returns the arguments that name it.
func configuredBy(t *testing.T, ca, text string) []string {
	t.Helper()
	if ca != "" {
		ca = fmt.Sprintf(", ca: %q", ca)
	}
	dir := commonDir(t) // a short name: the path of a socket has at most 108 bytes
	text = fmt.Sprintf("builtin: false\ndata: %q\nfetch: {allow: [127.0.0.0/8]%s}\n%s", filepath.Join(dir, "data"), ca, text)
	return []string{"--config", wroteFile(t, filepath.Join(dir, "tocsin.yaml"), text)}
}

// An authority signs certificates for loopback.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its own certificate, PEM
}

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, dir: dir, key: key, file: filepath.Join(dir, "ca.pem")}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "interop authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.write(a.file, a.sign(a.cert, &key.PublicKey), nil)
	return a
}

func (a *authority) sign(c *x509.Certificate, key *ecdsa.PublicKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

// issue makes a certificate for loopback, good for a server and a client.
func (a *authority) issue(name string) (cert, key string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	a.write(cert, a.sign(c, &k.PublicKey), nil)
	a.write(key, nil, k)
	return cert, key
}

func (a *authority) write(path string, der []byte, key *ecdsa.PrivateKey) {
	block := &pem.Block{Type: "CERTIFICATE", Bytes: der}
	if key != nil {
		text, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			a.t.Fatal(err)
		}
		block = &pem.Block{Type: "PRIVATE KEY", Bytes: text}
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// fetched is what an address answers, or "" where nobody does.
func fetched(url string) string {
	client := http.Client{Timeout: 5 * time.Second}
	p, err := client.Get(url)
	if err != nil {
		return ""
	}
	defer p.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(p.Body, 16<<20))
	return string(body)
}
