package pipeline

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server/ats"
	"github.com/nats-io/nats.go/jetstream"
)

// serviceDirEnv makes this test binary a service on the directory that it names,
// until its standard input ends.
const serviceDirEnv = "TOCSIN_TEST_SERVICE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serviceDirEnv); dir != "" {
		os.Exit(embedService(dir))
	}
	os.Exit(m.Run())
}

func embedService(dir string) int {
	s, err := Embed(context.Background(), EmbedConfig{Dir: dir, Floor: 1})
	if err == nil {
		err = s.Serve()
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Close(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// startService runs a service in another process and returns the first line that
// it prints.
func startService(t *testing.T, dir string) (string, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serviceDirEnv+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("read from the service: %v", err)
	}
	return strings.TrimSpace(line), cmd
}

func embedConfig(t testing.TB, dir string) EmbedConfig {
	return EmbedConfig{Dir: dir, Floor: 1, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

func embedTest(t testing.TB, c EmbedConfig) *Server {
	t.Helper()
	s, err := Embed(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func embedStream(t testing.TB, b *Bus, c jetstream.StreamConfig) jetstream.Stream {
	t.Helper()
	stream, err := b.JS.CreateOrUpdateStream(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func embedPublish(t testing.TB, b *Bus, subject, text string) uint64 {
	t.Helper()
	ack, err := b.JS.Publish(t.Context(), subject, []byte(text))
	if err != nil {
		t.Fatalf("publish to %s: %v", subject, err)
	}
	return ack.Sequence
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q has more than one line", err)
	}
}

func TestEmbedOpensNoPort(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc to find the ports of this process")
	}
	before := listeningPorts(t)
	s := embedTest(t, embedConfig(t, t.TempDir()))
	if addr := s.seat.Load().Addr(); addr != nil {
		t.Errorf("server listens on %v", addr)
	}
	if after := listeningPorts(t); after != before {
		t.Errorf("%d ports are listened on, %d before", after, before)
	}
}

// listeningPorts counts the TCP sockets of this process that listen.
func listeningPorts(t *testing.T) (n int) {
	t.Helper()
	mine := map[string]bool{}
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil {
			mine[to] = true
		}
	}
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue // no IPv6 here
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" && mine["socket:["+f[9]+"]"] {
				n++
			}
		}
	}
	return n
}

func TestEmbedSyncsEveryWriteAndDoesNotGuessALimit(t *testing.T) {
	s := embedTest(t, embedConfig(t, t.TempDir()))
	c := s.seat.Load().JetStreamConfig()
	if !c.SyncAlways {
		t.Error("SyncAlways is off: a power cut would lose what was acknowledged")
	}
	if c.MaxStore < 1<<50 {
		t.Errorf("MaxStore = %d, want no limit beside the floor", c.MaxStore)
	}
	if got := s.Bus().NC.ConnectedServerName(); got != "tocsin" {
		t.Errorf("connected to %q", got)
	}
	if info, err := s.Bus().JS.AccountInfo(t.Context()); err != nil || info.Limits.MaxStore != -1 {
		t.Errorf("account %+v, %v", info, err)
	}
	if _, err := os.Stat(filepath.Dir(streamsDir(s.config.Dir))); !errors.Is(err, os.ErrNotExist) {
		t.Log(err)
	}
	embedStream(t, s.Bus(), jetstream.StreamConfig{Name: "X", Subjects: []string{"x"}})
	if !hasStore(s.config.Dir) {
		t.Errorf("the stream is not kept under the account %s", account)
	}
}

func TestEmbedClosesAnEmptyDirectoryToOthers(t *testing.T) {
	dir := t.TempDir()
	made, empty, used := filepath.Join(dir, "a", "b"), filepath.Join(dir, "empty"), filepath.Join(dir, "used")
	for _, d := range []string{empty, filepath.Join(used, "theirs")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]os.FileMode{made: 0o700, empty: 0o700, used: 0o755} {
		embedTest(t, embedConfig(t, path))
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("mode of %s is %v, %v, want %v", path, st.Mode().Perm(), err, want)
		}
		if st, err := os.Stat(filepath.Join(path, "jetstream")); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("mode of the store in %s is %v, %v", path, st.Mode().Perm(), err)
		}
	}
}

func TestEmbedRefusesASecondProcess(t *testing.T) {
	dir := t.TempDir()
	s := embedTest(t, embedConfig(t, dir))
	line, _ := startService(t, dir)
	want := fmt.Sprintf("data directory %s is in use by process %d; stop it or choose another with --data", dir, os.Getpid())
	if line != want {
		t.Errorf("second process says %q, want %q", line, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if line, _ := startService(t, dir); line != "ready" {
		t.Errorf("process after the first says %q", line)
	}
}

func TestEmbedFailsWhenItsLockIsGone(t *testing.T) {
	s := embedTest(t, embedConfig(t, t.TempDir()))
	if err := os.Remove(filepath.Join(s.config.Dir, "LOCK")); err != nil {
		t.Fatal(err)
	}
	wantError(t, <-s.Failed(), s.config.Dir, "no longer locked")
}

func TestEmbedTellsAnUncleanStop(t *testing.T) {
	dir := t.TempDir()
	c := embedConfig(t, dir)
	line, cmd := startService(t, dir)
	if line != "ready" {
		t.Fatal(line)
	}
	b, err := Dial(t.Context(), dir, c.Log)
	if err != nil {
		t.Fatal(err)
	}
	embedStream(t, b, jetstream.StreamConfig{Name: "X", Subjects: []string{"x"}})
	embedPublish(t, b, "x", "kept")
	b.Close()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	if _, err := Dial(t.Context(), dir, c.Log); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Dial after a kill = %v, want ErrNotRunning", err)
	}
	visitor, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := visitor.Close(); err != nil {
		t.Error(err)
	}
	for _, unclean := range []bool{true, false} {
		s := embedTest(t, c)
		if s.Unclean != unclean {
			t.Errorf("Unclean = %v, want %v", s.Unclean, unclean)
		}
		if m, err := mustStream(t, s.Bus(), "X").GetMsg(t.Context(), 1); err != nil || string(m.Data) != "kept" {
			t.Errorf("record 1 is %v, %v", m, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func mustStream(t testing.TB, b *Bus, name string) jetstream.Stream {
	t.Helper()
	s, err := b.JS.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEmbedKeepsTheOwnerOfADirectory(t *testing.T) {
	c := embedConfig(t, t.TempDir())
	var owners []string
	for range 2 {
		s := embedTest(t, c)
		owners = append(owners, s.Bus().Owner)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	other := embedTest(t, embedConfig(t, t.TempDir())).Bus().Owner
	if owners[0] == "" || owners[0] != owners[1] || owners[0] == other {
		t.Errorf("owners %q of one directory, %q of another", owners, other)
	}
}

func TestEmbedSaysWhatIsWrongWithADirectory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc as a directory in which nobody can write")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	blocked := filepath.Join(dir, "blocked") // not even root can write there
	if err := os.Mkdir(blocked, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc", filepath.Join(blocked, "jetstream")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		c     EmbedConfig
		wants []string
	}{
		{"a file", EmbedConfig{Dir: file}, []string{file, "is a file", "--data"}},
		{"below a file", EmbedConfig{Dir: file + "/d"}, []string{file, "--data"}},
		{"cannot be created", EmbedConfig{Dir: "/proc/tocsin"}, []string{"create data directory", "/proc/tocsin", "--data"}},
		{"without space", EmbedConfig{Dir: filepath.Join(dir, "full"), Floor: 1 << 60}, []string{"MiB are free", "MiB are needed", "--data"}},
		{"the server cannot start", EmbedConfig{Dir: blocked, Floor: 1}, []string{"start embedded server", "JetStream", blocked}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Embed(t.Context(), tt.c)
			wantError(t, err, tt.wants...)
		})
	}
}

func TestEmbedRefusesAStoreWithAnUnreadableStream(t *testing.T) {
	c := embedConfig(t, t.TempDir())
	s := embedTest(t, c)
	embedStream(t, s.Bus(), jetstream.StreamConfig{Name: "X", Subjects: []string{"x"}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	meta := filepath.Join(streamsDir(c.Dir), "X", "meta.inf")
	text, err := os.ReadFile(meta)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(meta, bytes.Replace(text, []byte("X"), []byte("Y"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a start that failed has given the directory back
		_, err = Embed(t.Context(), c)
		wantError(t, err, "stream X", "damaged", "restore a backup")
	}
}

func TestEmbedTakesAwayWhatIsLeftOfADeletedStream(t *testing.T) {
	c := embedConfig(t, t.TempDir())
	if err := embedTest(t, c).Close(); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(streamsDir(c.Dir), ".X")
	if err := os.MkdirAll(filepath.Join(left, "msgs"), 0o700); err != nil {
		t.Fatal(err)
	}
	embedTest(t, c)
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", left, err)
	}
}

func TestRestartIsInvisibleToABus(t *testing.T) {
	s := embedTest(t, embedConfig(t, t.TempDir()))
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	dialled, err := Dial(t.Context(), s.config.Dir, s.config.Log)
	if err != nil {
		t.Fatal(err)
	}
	defer dialled.Close()
	embedStream(t, s.Bus(), jetstream.StreamConfig{Name: "X", Subjects: []string{"x.*"}})
	cons, err := s.Bus().JS.OrderedConsumer(t.Context(), "X", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	it, err := cons.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer it.Stop()
	var read []string
	for i := range 3 {
		if i > 0 {
			if err := s.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		embedPublish(t, s.Bus(), "x.own", fmt.Sprint("own", i))
		embedPublish(t, dialled, "x.dialled", fmt.Sprint("dialled", i))
		for range 2 {
			m, err := it.Next()
			if err != nil {
				t.Fatal(err)
			}
			read = append(read, string(m.Data()))
		}
	}
	if got, want := strings.Join(read, " "), "own0 dialled0 own1 dialled1 own2 dialled2"; got != want {
		t.Errorf("read %q, want %q", got, want)
	}
}

func TestAuditFindsWhatIsMissing(t *testing.T) {
	c := embedConfig(t, t.TempDir())
	s := embedTest(t, c)
	embedStream(t, s.Bus(), jetstream.StreamConfig{Name: "SAFE", Subjects: []string{"safe"}, DenyDelete: true})
	loose := embedStream(t, s.Bus(), jetstream.StreamConfig{Name: "LOOSE", Subjects: []string{"loose"}})
	text := strings.Repeat("a record of some length ", 40_000) // a block takes 8 MiB
	for range 3 {
		embedPublish(t, s.Bus(), "loose", "x")
		for range 4 {
			embedPublish(t, s.Bus(), "safe", text)
		}
	}
	if err := loose.DeleteMsg(t.Context(), 2); err != nil { // allowed there
		t.Fatal(err)
	}
	if got, err := s.Audit(t.Context()); len(got) != 0 || err != nil {
		t.Errorf("findings in a whole store: %q, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	flipOneBit(t, filepath.Join(streamsDir(c.Dir), "SAFE", "msgs"))
	s = embedTest(t, c)
	got, err := s.Audit(t.Context())
	if err != nil || len(got) != 1 || !strings.Contains(got[0], "of the records 1 to 12 are missing") {
		t.Errorf("findings = %q, %v", got, err)
	}
}

// flipOneBit damages the first block of a stream, and loses its index as a power
// cut may.
func flipOneBit(t *testing.T, msgs string) {
	t.Helper()
	block := filepath.Join(msgs, "1.blk")
	text, err := os.ReadFile(block)
	if err != nil {
		t.Fatal(err)
	}
	if blocks, _ := filepath.Glob(filepath.Join(msgs, "*.blk")); len(blocks) < 2 {
		t.Fatalf("the stream has %d block, want more", len(blocks))
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(block, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(msgs, "index.db")); err != nil {
		t.Fatal(err)
	}
}

func TestEmbedRunsOnAFakeClockAndLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	ats.Register() // starts the file store's clock outside the bubble
	defer ats.Unregister()
	synctest.Test(t, func(t *testing.T) {
		s, err := Embed(t.Context(), embedConfig(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		embedStream(t, s.Bus(), jetstream.StreamConfig{Name: "X", Subjects: []string{"x"}})
		for range 6 {
			embedPublish(t, s.Bus(), "x", "text")
			time.Sleep(time.Hour)
		}
		// No restart here: the client would take a timer of the bubble into the pool
		// that it keeps for the whole process.
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkEmbedStart(b *testing.B) {
	for b.Loop() {
		s, err := Embed(b.Context(), EmbedConfig{Dir: b.TempDir(), Floor: 1, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Serve(); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
