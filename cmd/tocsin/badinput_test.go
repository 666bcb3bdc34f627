//go:build linux

package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// calm is a configuration that asks nobody.
const calm = "builtin: false\nwatchlists: {missiles: {query: 'missile*'}}\n"

// write makes a file that other users may read too.
func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// refused runs the program, which has to end with a status and one line on
// standard error that is no log record, and gives that line.
func refused(t *testing.T, status int, p *process) string {
	t.Helper()
	if !p.ended(30 * time.Second) {
		t.Fatalf("%v did not end:\n%s", p.cmd.Args, p.err)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		t.Errorf("exit status %d, want %d:\n%s", got, status, p.err)
	}
	var lines []string
	for line := range strings.Lines(p.err.String()) {
		if !strings.HasPrefix(line, "time=") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 {
		t.Errorf("%d lines, want 1:\n%s", len(lines), p.err)
	}
	return strings.Join(lines, "")
}

func TestWhatCannotStartSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "tocsin.yaml"), calm)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := write(t, filepath.Join(dir, "port.yaml"), calm+fmt.Sprintf("listen: {private: %q}\n", taken.Addr()))
	running := filepath.Join(dir, "running")
	first := spawn(t, nil, "run", "-c", file, "--data", running)
	eventually(t, "the first is ready", func() bool { return strings.Contains(first.err.String(), "msg=ready") })
	for _, tt := range []struct {
		name   string
		status int
		args   []string
		want   []string
	}{
		{"a configuration that is a directory", 2, []string{"-c", dir}, []string{dir, "cannot be read"}},
		{"a configuration that is no text", 2, []string{"-c", write(t, filepath.Join(dir, "junk.yaml"), "\xff\xfe\x00")}, []string{"junk.yaml", "UTF-8"}},
		{"a second process", 1, []string{"-c", file, "--data", running}, []string{"in use by process " + fmt.Sprint(first.cmd.Process.Pid), "stop it or choose another with --data"}},
		{"a directory that is a file", 1, []string{"-c", file, "--data", file}, []string{"is a file", "choose another with --data"}},
		{"a directory that cannot be made", 1, []string{"-c", file, "--data", "/proc/tocsin"}, []string{"/proc/tocsin", "choose another with --data"}},
		{"a socket path that is too long", 1, []string{"-c", file, "--data", filepath.Join(dir, strings.Repeat("x", 120))}, []string{"the system takes 107", "choose a shorter directory with --data"}},
		{"an unreachable NATS", 1, []string{"-c", file, "--nats", "nats://127.0.0.1:1"}, []string{"nats://127.0.0.1:1", "check the address"}},
		{"an address that is taken", 1, []string{"-c", port, "--data", filepath.Join(dir, "port")}, []string{"listen.private", "choose another address"}},
		{"no data directory", 2, []string{"-c", file}, []string{"name one with --data"}},
	} {
		line := refused(t, tt.status, spawn(t, []string{"HOME=", "XDG_STATE_HOME="}, append([]string{"run"}, tt.args...)...))
		for _, want := range tt.want {
			if !strings.Contains(line, want) {
				t.Errorf("%s: %q, want %q in it", tt.name, line, want)
			}
		}
	}
	if first.ended(0) {
		t.Errorf("the first process ended:\n%s", first.err)
	}
	first.stop()
}

// TestADirectoryThatCannotBeWrittenIsRefused runs as another user where the test
// is root, to whom nothing is forbidden.
func TestADirectoryThatCannotBeWrittenIsRefused(t *testing.T) {
	t.Parallel()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "tocsin-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := write(t, filepath.Join(dir, "tocsin.yaml"), calm)
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o555); err != nil {
		t.Fatal(err)
	}
	attr := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: true}
		for _, d := range []string{dir, filepath.Dir(binary)} {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	line := refused(t, 1, spawnAs(t, attr, nil, "run", "-c", file, "--data", data))
	for _, want := range []string{data, "permission denied", "make it writable or choose another with --data"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q, want %q in it", line, want)
		}
	}
}

// disk makes a small disk of its own in memory.
func disk(t *testing.T, megabytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Skipf("a small disk cannot be mounted here, which needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestAFullDiskIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	file := write(t, filepath.Join(t.TempDir(), "tocsin.yaml"), calm)
	data := filepath.Join(disk(t, 64), "data")
	line := refused(t, 1, spawn(t, nil, "run", "-c", file, "--data", data))
	for _, want := range []string{data, "MiB are free, 256 MiB are needed", "choose another with --data"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q, want %q in it", line, want)
		}
	}
}

// TestADiskThatFillsStopsIntakeAndLosesNothing fills the disk below a running
// service and makes room again.
func TestADiskThatFillsStopsIntakeAndLosesNothing(t *testing.T) {
	t.Parallel()
	dir := disk(t, 300)
	var mu sync.Mutex
	title, polls := "Opening hours", 0
	site := loopback(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		polls++
		fmt.Fprintf(w, `<rss version="2.0"><channel><title>x</title><item><guid>%[1]s</guid><title>%[1]s</title></item></channel></rss>`, title)
	}))
	file := write(t, filepath.Join(t.TempDir(), "tocsin.yaml"), calm+fmt.Sprintf("fetch: {allow: [127.0.0.0/8]}\nsources: [{id: one, url: \"http://%s/\", every: 10s}]\n", site))
	p := spawn(t, nil, "run", "-c", file, "--data", filepath.Join(dir, "data"))
	eventually(t, "the source is read", func() bool { return strings.Contains(p.out.String(), "1 answered") })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 100<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the trouble is told", func() bool { return strings.Contains(p.err.String(), "no source is read until there is more") })
	mu.Lock()
	title, polls = "On missiles", 0
	mu.Unlock()
	if p.ended(12 * time.Second) { // more than a poll's interval
		t.Fatalf("the service ended:\n%s", p.err)
	}
	mu.Lock()
	if polls > 0 {
		t.Errorf("polled %d times while the disk was full", polls)
	}
	mu.Unlock()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the alert is printed", func() bool { return strings.Contains(p.out.String(), "On missiles") })
	p.stop()
}
