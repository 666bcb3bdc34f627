package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

// maxSocket is the longest path, in bytes, that the system takes for a socket.
var maxSocket = len(syscall.RawSockaddrUnix{}.Path) - 1

// ErrNotRunning means that no service runs on a data directory.
var ErrNotRunning = errors.New("no tocsin service runs there")

// ErrNoData means that a data directory does not exist or is empty.
var ErrNoData = errors.New("nothing is stored there yet")

func socketPath(dir string) string { return filepath.Join(dir, "tocsin.sock") }

// A socket carries the NATS protocol from a Unix socket to a server in this
// process.
type socket struct {
	listener net.Listener // nil until Serve
	carriers sync.WaitGroup
}

func (k *socket) close() {
	if k.listener != nil {
		k.listener.Close()
	}
}

// wait returns when nothing is carried any more, which the server's end brings
// about.
func (k *socket) wait() { k.carriers.Wait() }

// Serve opens the socket tocsin.sock in the data directory, by which Dial
// reaches this server. Its permissions (0600) decide who may.
func (s *Server) Serve() error {
	path := socketPath(s.config.Dir)
	if len(path) > maxSocket {
		return fmt.Errorf("open socket %s: its path has %d bytes and the system takes %d; choose a shorter directory with --data", path, len(path), maxSocket)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open socket: %w", err)
	}
	l, err := listenPrivate(path) // whoever left the old one is dead: we hold the lock
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	s.socket.listener = l
	s.socket.carriers.Go(func() { s.accept(l) })
	return nil
}

func (s *Server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors: it passes
			s.config.Log.Warn("socket did not accept", "err", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		in, err := s.seat.InProcessConn()
		if err != nil {
			c.Close() // between two servers: the other side tries again
			continue
		}
		s.socket.carriers.Go(func() { carry(c, in) })
	}
}

// carry copies both ways until either side ends.
func carry(a, b net.Conn) {
	var back sync.WaitGroup
	back.Go(func() { carryOne(a, b) })
	carryOne(b, a)
	back.Wait()
}

func carryOne(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
}

// A socketDialler connects to a socket in place of a server in this process.
type socketDialler string

func (path socketDialler) InProcessConn() (net.Conn, error) {
	return net.DialTimeout("unix", string(path), 2*time.Second)
}

// Dial connects to the service that runs on a data directory. The error wraps
// ErrNotRunning when there is none.
func Dial(ctx context.Context, dir string, log *slog.Logger) (*Bus, error) {
	path := socketDialler(socketPath(dir))
	c, err := path.InProcessConn()
	if errors.Is(err, fs.ErrNotExist) || err != nil && (refused(err) || len(path) > maxSocket) {
		return nil, fmt.Errorf("data directory %s: %w", dir, ErrNotRunning)
	}
	if err != nil {
		return nil, fmt.Errorf("reach the service in %s: %w", dir, err)
	}
	c.Close()
	b, err := newBus("", append(busOptions(cmp.Or(log, slog.Default())), nats.InProcessServer(path), nats.ReconnectWait(100*time.Millisecond)))
	if err != nil {
		return nil, fmt.Errorf("reach the service in %s: %w", dir, err)
	}
	return b, nil
}

// openPatience is how long Open waits for a service that has the directory and
// is not reachable yet.
const openPatience = 5 * time.Second

// Open gives commands the data of a directory: from the service that runs on it,
// else from a server of its own that Close stops. It creates nothing; where
// there is no data the error wraps ErrNoData.
func Open(ctx context.Context, c EmbedConfig) (*Bus, error) {
	for start := time.Now(); ; {
		b, err := Dial(ctx, c.Dir, c.Log)
		if err == nil || !errors.Is(err, ErrNotRunning) {
			return b, err
		}
		if !hasStore(c.Dir) {
			return nil, fmt.Errorf("data directory %s: %w", c.Dir, ErrNoData)
		}
		s, err := embed(ctx, c, true)
		if err == nil {
			b := *s.bus
			b.stop = s.Close
			return &b, nil
		}
		if _, busy := errors.AsType[*InUseError](err); !busy || time.Since(start) > openPatience || pause(ctx, 50*time.Millisecond) != nil {
			return nil, err
		}
	}
}
