package pipeline

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server/ats"
	"github.com/nats-io/nats.go/jetstream"
)

func TestDialReachesTheServiceThroughAPrivateSocket(t *testing.T) {
	s := embedTest(t, embedConfig(t, t.TempDir()))
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(socketPath(s.config.Dir))
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode() != os.ModeSocket|0o600 {
		t.Errorf("mode of the socket is %v, want a socket of 0600", st.Mode())
	}
	b, err := Dial(t.Context(), s.config.Dir, s.config.Log)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	embedStream(t, b, jetstream.StreamConfig{Name: "X", Subjects: []string{"x"}})
	text := strings.Repeat("x", 900_000) // more than any buffer on the way
	embedPublish(t, b, "x", text)
	if m, err := mustStream(t, s.Bus(), "X").GetMsg(t.Context(), 1); err != nil || string(m.Data) != text {
		t.Errorf("the server holds %v, %v", m, err)
	}
	if b.Embedded {
		t.Error("a dialled server counts as embedded")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(socketPath(s.config.Dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close the socket is still there: %v", err)
	}
}

func TestDialTellsThatNoServiceRuns(t *testing.T) {
	stale := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socketPath(stale)})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none"), stale, long} {
		if _, err := Dial(t.Context(), dir, nil); !errors.Is(err, ErrNotRunning) {
			t.Errorf("Dial(%s) = %v, want ErrNotRunning", dir, err)
		}
	}
	s := embedTest(t, embedConfig(t, stale))
	if err := s.Serve(); err != nil {
		t.Errorf("Serve over a stale socket: %v", err)
	}
}

func TestServeRefusesAPathThatIsTooLong(t *testing.T) {
	s := embedTest(t, embedConfig(t, filepath.Join(t.TempDir(), strings.Repeat("d", 120))))
	wantError(t, s.Serve(), "bytes", "shorter directory", "--data")
}

func TestOpenGivesTheSameDataWithAndWithoutAService(t *testing.T) {
	c := embedConfig(t, filepath.Join(t.TempDir(), "data"))
	_, err := Open(t.Context(), c)
	if !errors.Is(err, ErrNoData) {
		t.Errorf("Open without data = %v, want ErrNoData", err)
	}
	if _, err := os.Stat(c.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open made the directory: %v", err)
	}
	s := embedTest(t, c)
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	embedStream(t, s.Bus(), jetstream.StreamConfig{Name: "X", Subjects: []string{"x"}})
	embedPublish(t, s.Bus(), "x", "text")
	for _, running := range []bool{true, false} {
		b, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if b.Embedded == running {
			t.Errorf("Embedded = %v while running = %v", b.Embedded, running)
		}
		if m, err := mustStream(t, b, "X").GetMsg(t.Context(), 1); err != nil || string(m.Data) != "text" {
			t.Errorf("running = %v: %v, %v", running, m, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(c.Dir, runningFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a command left the mark of a service: %v", err)
	}
}

func TestOpenWaitsForWhoHasTheDirectoryUpToABound(t *testing.T) {
	dir := t.TempDir()
	ats.Register()
	defer ats.Unregister()
	synctest.Test(t, func(t *testing.T) {
		s, err := Embed(t.Context(), embedConfig(t, dir)) // a service that does not answer yet
		if err != nil {
			t.Fatal(err)
		}
		embedStream(t, s.Bus(), jetstream.StreamConfig{Name: "X", Subjects: []string{"x"}})
		start := time.Now()
		_, err = Open(t.Context(), s.config)
		wantError(t, err, "in use by process", "--data")
		if waited := time.Since(start); waited < openPatience || waited > 2*openPatience {
			t.Errorf("waited %v, want about %v", waited, openPatience)
		}
		opened := make(chan error)
		go func() {
			b, err := Open(t.Context(), s.config)
			if err == nil {
				err = b.Close()
			}
			opened <- err
		}()
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-opened; err != nil {
			t.Errorf("Open after the other had gone: %v", err)
		}
	})
}
