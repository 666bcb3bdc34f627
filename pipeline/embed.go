package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

const (
	account  = "TOCSIN"
	freeMin  = 256 << 20 // bytes; the default of EmbedConfig.Floor
	lockWait = time.Second
)

// An EmbedConfig says where an embedded server keeps its data.
type EmbedConfig struct {
	Dir   string
	Log   *slog.Logger // nil means slog.Default()
	Floor uint64       // bytes of free space below which intake stops; 0 means 256 MiB

	// Space is called from one goroutine when free space falls below Floor, when
	// it has risen an eighth above it again, and at the start if it is low then.
	// It may be nil.
	Space func(low bool, free uint64)

	every time.Duration // between looks at disk and lock; 0 means watchEvery: tests of days look less often
}

// A Server is NATS inside this process: without a network listener, every write
// synced, alone on its data directory.
type Server struct {
	Unclean bool // the last service on this directory did not stop by Close

	config  EmbedConfig
	lock    *dirLock
	ready   bool // Embed has succeeded
	visitor bool // a passing command: it leaves the traces of the service alone
	bus     *Bus
	seat    seat
	failed  chan error
	low     atomic.Bool
	stuck   atomic.Bool
	stop    context.CancelFunc
	tasks   sync.WaitGroup
	closing sync.Once
	closed  error
	socket  socket

	turn     sync.Mutex // one start or stop of the server at a time
	unsynced bool       // the server of the moment does not sync
}

// A seat holds the server of the moment, so that connections find the next one
// after a restart.
type seat struct{ atomic.Pointer[server.Server] }

func (s *seat) InProcessConn() (net.Conn, error) {
	if srv := s.Load(); srv != nil {
		return srv.InProcessConn()
	}
	return nil, errors.New("the embedded server is restarting")
}

// Embed starts a server on a data directory, which it creates if need be, and
// connects to it. An error says in one line what a person has to do.
func Embed(ctx context.Context, c EmbedConfig) (*Server, error) {
	return embed(ctx, c, false)
}

func embed(ctx context.Context, c EmbedConfig, visitor bool) (_ *Server, err error) {
	c.Log = cmp.Or(c.Log, slog.Default())
	c.Floor = cmp.Or(c.Floor, freeMin)
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return nil, fmt.Errorf("find data directory: %w", err)
	}
	s := &Server{config: c, visitor: visitor, failed: make(chan error, 1), stop: func() {}}
	if err := s.takeDir(ctx); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// takeDir makes the directory this process's own.
func (s *Server) takeDir(ctx context.Context) error {
	dir := s.config.Dir
	if err := prepareDir(dir); err != nil {
		return err
	}
	patience := lockWait
	if s.visitor {
		patience = 0
	}
	lock, err := lockDir(ctx, dir, patience)
	if err != nil {
		return err
	}
	s.lock = lock
	if err := s.checkSpace(); err != nil {
		return errors.Join(err, lock.release())
	}
	return nil
}

func (s *Server) open(ctx context.Context) error {
	owner, err := s.readOwner()
	if err != nil {
		return err
	}
	if err := s.markRunning(); err != nil {
		return err
	}
	if err := s.startServer(); err != nil {
		return err
	}
	if s.bus, err = s.connect(owner); err != nil {
		return err
	}
	if err := s.checkStreams(ctx); err != nil {
		return err
	}
	s.ready = true
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	if !s.visitor {
		s.tasks.Go(func() { s.watch(watching) })
	}
	return nil
}

func (s *Server) connect(owner string) (*Bus, error) {
	opts := append(busOptions(s.config.Log), nats.InProcessServer(&s.seat),
		nats.DisconnectErrHandler(nil), nats.ReconnectHandler(nil), // the server's own log tells
		nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0))
	b, err := newBus("", opts)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded server: %w", err)
	}
	b.Owner, b.Embedded, b.server = owner, true, s
	return b, nil
}

// startServer puts a new server in the seat.
func (s *Server) startServer() error {
	opts, err := s.options()
	if err != nil {
		return err
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("start embedded server: %w", err)
	}
	log := &serverLog{to: s.config.Log, stuck: s.Suspect, fatal: s.fail}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start() // returns when the store is read, as there is nothing to listen on
	if err := log.died(); err != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
		return fmt.Errorf("start embedded server in %s: %w", s.config.Dir, err)
	}
	s.seat.Store(srv)
	return nil
}

// options make a server that nothing outside this process can reach. Whoever
// gets a connection is let in as the account's user: there is no listener, and
// the permissions of the socket guard the only other way. The user's key is
// thrown away, so no other login exists.
func (s *Server) options() (*server.Options, error) {
	key, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("configure embedded server: %w", err)
	}
	user, err := key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("configure embedded server: %w", err)
	}
	opts := &server.Options{}
	err = opts.ProcessConfigString(fmt.Sprintf(`
		accounts {
			SYS {}
			%s { jetstream: enabled, users: [{nkey: %s}] }
		}
		system_account: SYS
		no_auth_user: %[2]s
	`, account, user))
	if err != nil {
		return nil, fmt.Errorf("configure embedded server: %w", err)
	}
	opts.ServerName = "tocsin"
	opts.DontListen = true
	opts.NoSigs = true
	opts.JetStream = true
	opts.StoreDir = s.config.Dir
	opts.SyncAlways = !s.unsynced
	opts.DisableJetStreamBanner = true
	// The server's own limit is a share of what was free at its start. Ours is the
	// floor, which moves with the disk.
	opts.JetStreamMaxStore = 1 << 50
	return opts, nil
}

// checkStreams compares what the directory holds with what the server could
// read: it starts without a damaged stream and would let it be made anew, empty.
func (s *Server) checkStreams(ctx context.Context) error {
	read, err := streamNames(ctx, s.bus)
	if err != nil {
		return err
	}
	if slices.Contains(read, restoringStream) {
		return fmt.Errorf("use data directory %s: %w", s.config.Dir, errHalfRestored)
	}
	entries, err := os.ReadDir(streamsDir(s.config.Dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list streams: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") { // a stream that was deleted: the server renames it and removes it when it has time
			if err := os.RemoveAll(filepath.Join(streamsDir(s.config.Dir), e.Name())); err != nil {
				return fmt.Errorf("remove what is left of a deleted stream: %w", err)
			}
			continue
		}
		if e.IsDir() && !slices.Contains(read, e.Name()) {
			return fmt.Errorf("read stream %s in %s: it is damaged (the log says how); restore a backup into an empty directory", e.Name(), s.config.Dir)
		}
	}
	return nil
}

// Bus is the connection to the server. It stays the same over restarts.
func (s *Server) Bus() *Bus { return s.bus }

// Failed delivers at most one error after which the service cannot go on: the
// server died, or the directory is no longer ours.
func (s *Server) Failed() <-chan error { return s.failed }

func (s *Server) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// Audit lists what is missing from logs of which nothing may be deleted. The
// server skips damaged blocks without a word; only the counts tell.
func (s *Server) Audit(ctx context.Context) ([]string, error) {
	var findings []string
	streams := s.bus.JS.ListStreams(ctx)
	for info := range streams.Info() {
		st := info.State
		// A bucket denies deletes too, and drops what is overwritten.
		if !info.Config.DenyDelete || info.Config.MaxMsgsPerSubject > 0 || st.Msgs == 0 {
			continue
		}
		if gone := st.LastSeq - st.FirstSeq + 1 - st.Msgs; gone != 0 || st.NumDeleted > 0 {
			findings = append(findings, fmt.Sprintf("%s: %d of the records %d to %d are missing; restore a backup and look for a failing disk",
				info.Config.Name, max(gone, uint64(st.NumDeleted)), st.FirstSeq, st.LastSeq))
		}
	}
	if err := streams.Err(); err != nil {
		return nil, fmt.Errorf("audit streams: %w", err)
	}
	return findings, nil
}

// Restart replaces the server by a new one on the same directory. Connections
// stay and find the new one by themselves; what is under way in that moment may
// fail, with an outcome as unknown as that of a time-out.
func (s *Server) Restart(ctx context.Context) error {
	return s.restart(ctx, false)
}

// restart makes the next server leave the syncing to us if it is unsynced: we
// sync everything when that one ends.
func (s *Server) restart(ctx context.Context, unsynced bool) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.bus.NC.IsClosed() {
		return fmt.Errorf("restart embedded server: %w", nats.ErrConnectionClosed)
	}
	before := s.bus.NC.Stats().Reconnects
	s.stopServer()
	if s.unsynced {
		if err := syncTree(filepath.Join(s.config.Dir, "jetstream")); err != nil {
			return fmt.Errorf("sync the store: %w", err)
		}
	}
	s.unsynced = unsynced
	if err := s.startServer(); err != nil {
		s.fail(err)
		return err
	}
	for s.bus.NC.Stats().Reconnects == before || !s.bus.NC.IsConnected() {
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("reconnect to the embedded server: %w", err)
		}
	}
	return nil
}

func (s *Server) stopServer() {
	if srv := s.seat.Swap(nil); srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// Close stops the server and gives the directory back. The next start will find
// that this one ended well.
func (s *Server) Close() error {
	s.closing.Do(func() { s.closed = s.close() })
	return s.closed
}

func (s *Server) close() error {
	s.stop()
	s.tasks.Wait()
	s.turn.Lock()
	defer s.turn.Unlock()
	s.socket.close()
	if s.bus != nil {
		s.bus.NC.Close()
	}
	ran := s.seat.Load() != nil
	s.stopServer()
	s.socket.wait()
	return errors.Join(s.markStopped(ran), s.lock.release())
}

// A serverLog hands what the server says to slog and catches what would end the
// process.
type serverLog struct {
	to    *slog.Logger
	stuck func()
	fatal func(error)

	mu  sync.Mutex
	err error
}

func (l *serverLog) died() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *serverLog) Fatalf(format string, v ...any) {
	err := errors.New(serverSays(format, v))
	l.mu.Lock()
	l.err = cmp.Or(l.err, err)
	l.mu.Unlock()
	l.fatal(err)
}

func (l *serverLog) Errorf(format string, v ...any) {
	text := serverSays(format, v)
	l.to.Error("embedded server", "err", text)
	// After this the server refuses every write to the stream until it is opened
	// anew, also when the cause is gone.
	if strings.Contains(text, "Critical write error") {
		l.stuck()
	}
}

func (l *serverLog) Warnf(format string, v ...any) {
	l.to.Warn("embedded server", "warning", serverSays(format, v))
}

func (l *serverLog) Noticef(format string, v ...any) {
	l.to.Debug("embedded server", "notice", serverSays(format, v))
}
func (*serverLog) Debugf(string, ...any) {}
func (*serverLog) Tracef(string, ...any) {}

func serverSays(format string, v []any) string { return fmt.Sprintf(format, v...) }
