package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain lets scripts run this test as the program, and removes what was
// built for all tests.
func TestMain(m *testing.M) {
	status := m.Run()
	_ = os.RemoveAll(builtIn)
	os.Exit(status)
}

var builtIn string // where the program was built

// built makes the program, once, for the tests that run it as a process.
var built = sync.OnceValues(func() (binary string, err error) {
	if builtIn, err = os.MkdirTemp("", "tocsin-test-"); err != nil {
		return "", err
	}
	binary = filepath.Join(builtIn, "tocsin")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

// A process is a running tocsin.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err *buffer
	done     chan error
}

// spawn runs the real program until the test ends.
func spawn(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return spawnAs(t, nil, env, args...)
}

func spawnAs(t *testing.T, attr *syscall.SysProcAttr, env []string, args ...string) *process {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(binary, args...), out: &buffer{}, err: &buffer{}, done: make(chan error, 1)}
	p.cmd.Env, p.cmd.SysProcAttr = append(os.Environ(), env...), attr
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		p.ended(10 * time.Second)
	})
	return p
}

// ended reports whether the process ended within a time.
func (p *process) ended(within time.Duration) bool {
	select {
	case err := <-p.done:
		p.done <- err
		return true
	case <-time.After(within):
		return false
	}
}

// stop ends the process as an operator would.
func (p *process) stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if !p.ended(20 * time.Second) {
		p.t.Fatalf("the process did not stop:\n%s", p.err)
	}
}

// loopback serves h and returns its address.
func loopback(t testing.TB, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	return l.Addr().String()
}

// eventually asks every 50 ms whether something is so, for up to a minute.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for start := time.Now(); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// TestWhatKillsTheProcessIsQuarantined gives the program an item that ends it
// when it is matched, or a document that ends it when it is read, and starts it
// again as a supervisor would.
func TestWhatKillsTheProcessIsQuarantined(t *testing.T) {
	const poison = "hemlock"
	for _, tt := range []struct {
		name, text string
		told       []string // the command that tells of it
	}{
		{"an item", "Missiles and &#104;emlock.", []string{"why", "bad-26"}}, // the word is in the item only
		{"a document", "Missiles and hemlock.", []string{"source", "status", "--bad"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var bad, good string
			publish := func(b, g string) {
				mu.Lock()
				defer mu.Unlock()
				bad, good = b, g
			}
			site := loopback(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				guid, title, text := fmt.Sprintf("bad-%d", len(bad)), "Bad", bad
				if q.URL.Path == "/good" {
					guid, title, text = "good-"+good, "Good "+good, "Missiles "+good
				}
				fmt.Fprintf(w, `<rss version="2.0"><channel><title>x</title><item><guid>%s</guid><title>%s</title><description>%s</description></item></channel></rss>`, guid, title, text)
			}))
			dir := t.TempDir()
			file := filepath.Join(dir, "tocsin.yaml")
			yaml := fmt.Sprintf("builtin: false\ndata: %s\nfetch: {allow: [127.0.0.0/8]}\n"+
				"sources: [{id: bad, url: \"http://%s/bad\", every: 10s}, {id: good, url: \"http://%s/good\", every: 10s}]\n"+
				"watchlists: {missiles: {query: 'missile*'}}\n", filepath.Join(dir, "data"), site, site)
			if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			run := func() *process {
				return spawn(t, []string{poisonVariable + "=" + poison}, "run", "--config", file)
			}
			p := run()
			eventually(t, "both sources are read", func() bool { return strings.Contains(p.out.String(), "2 answered") })
			p.stop()
			publish(tt.text, "first")
			p = run()
			if !p.ended(time.Minute) || !strings.Contains(p.err.String(), "stack exceeds") {
				t.Fatalf("the poison did not end it:\n%s", tail(p.err.String(), 2000))
			}
			var said strings.Builder
			quarantined := func() bool { return strings.Contains(p.err.String(), "quarantine") }
			for starts := 2; !quarantined(); starts++ {
				if starts > 3 {
					t.Fatalf("the third start ended too:\n%s", tail(p.err.String(), 2000))
				}
				said.WriteString(p.out.String())
				p = run()
				eventually(t, "an end, or a quarantine", func() bool { return quarantined() || p.ended(0) })
			}
			eventually(t, "what was published beside it is printed", func() bool { return strings.Contains(said.String()+p.out.String(), "Good first") })
			if n := strings.Count(said.String()+p.out.String(), "─\nGood first"); n > 1 {
				t.Errorf("%d cards of what was published beside it that are not marked as possible repeats", n)
			}
			eventually(t, strings.Join(tt.told, " ")+" tells of the quarantine", func() bool {
				told := spawn(t, nil, append([]string{"--config", file}, tt.told...)...)
				return told.ended(20*time.Second) && strings.Contains(told.out.String(), "quarantine")
			})
			p.stop() // it lives
		})
	}
}
