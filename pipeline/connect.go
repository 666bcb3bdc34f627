package pipeline

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A Bus is a connection to JetStream, wherever the server runs. It reconnects by
// itself for ever.
type Bus struct {
	NC *nats.Conn
	JS jetstream.JetStream

	// Owner names this process in leases and intents. For an embedded server it
	// is kept in the data directory, so that a restarted process can take back
	// what is its own; otherwise it is new in every process.
	Owner    string
	Embedded bool // the server is in this process

	server *Server      // where it is embedded
	stop   func() error // nil: only the connection is ours
}

// patience is how long a call of the server may take: a loaded disk syncs slowly.
const patience = 15 * time.Second

func newBus(addr string, opts []nats.Option) (*Bus, error) {
	nc, err := nats.Connect(addr, opts...)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(patience))
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &Bus{NC: nc, JS: js, Owner: newOwner()}, nil
}

func busOptions(log *slog.Logger) []nats.Option {
	return []nats.Option{
		nats.Name("tocsin"),
		nats.MaxReconnects(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("NATS reports", "err", err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("NATS disconnected", "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("NATS reconnected") }),
	}
}

// Close ends the connection, and the server where Open started it.
func (b *Bus) Close() error {
	if b.stop != nil {
		return b.stop()
	}
	b.NC.Close()
	return nil
}

// A ConnectConfig says how to reach a NATS server of somebody else's.
type ConnectConfig struct {
	URL       string       // nats://host:4222 or tls://host:4222; several are separated by commas
	Creds     string       // path of a credentials file, or ""
	CA        string       // path of the PEM file of who signed the server's certificate; "" means the system's
	Cert, Key string       // paths of PEM files for a client certificate, or ""
	Log       *slog.Logger // nil means slog.Default()
}

// Connect connects to a NATS server that runs JetStream. An error says in one
// line what a person has to do; it holds no password.
func Connect(ctx context.Context, c ConnectConfig) (*Bus, error) {
	where := redactURLs(c.URL)
	opts, err := c.options()
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", where, err)
	}
	b, err := newBus(c.URL, opts)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", where, explainNATS(telling(err, c.URL, opts)))
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := usable(ctx, b); err != nil {
		b.NC.Close()
		return nil, fmt.Errorf("use JetStream at %s: %w", where, explainNATS(err))
	}
	return b, nil
}

// telling is what one of several servers says, where err only says that the last
// one that was tried does not answer.
func telling(err error, list string, opts []nats.Option) error {
	if !errors.Is(err, nats.ErrNoServers) || !strings.Contains(list, ",") {
		return err
	}
	for addr := range strings.SplitSeq(list, ",") {
		nc, said := nats.Connect(addr, opts...)
		if said == nil {
			nc.Close()
		} else if !errors.Is(said, nats.ErrNoServers) {
			return said
		}
	}
	return err
}

// settling is how long a server that has just started may say that it has no
// JetStream, or none for an account, although it has.
const settling = 2 * time.Second

func usable(ctx context.Context, b *Bus) error {
	for began := time.Now(); ; {
		err := answers(ctx, b)
		api, ok := errors.AsType[jetstream.JetStreamError](err)
		if !ok || api.APIError() == nil || api.APIError().Code != 503 || time.Since(began) > settling {
			return err
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return err
		}
	}
}

func answers(ctx context.Context, b *Bus) error {
	if _, err := b.JS.AccountInfo(ctx); err != nil {
		return err
	}
	_, err := b.JS.Stream(ctx, restoringStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return cmp.Or(err, errHalfRestored)
}

func (c ConnectConfig) options() ([]nats.Option, error) {
	opts := append(busOptions(cmp.Or(c.Log, slog.Default())), nats.Timeout(5*time.Second), nats.ReconnectWait(time.Second))
	for _, f := range []string{c.Creds, c.CA, c.Cert, c.Key} {
		if f == "" {
			continue
		}
		if _, err := os.ReadFile(f); err != nil {
			return nil, err
		}
	}
	if c.Creds != "" {
		opts = append(opts, nats.UserCredentials(c.Creds))
	}
	if c.CA != "" {
		opts = append(opts, nats.RootCAs(c.CA))
	}
	if (c.Cert == "") != (c.Key == "") {
		return nil, errors.New("a client certificate needs both its certificate and its key")
	}
	if c.Cert != "" {
		opts = append(opts, nats.ClientCert(c.Cert, c.Key))
	}
	return opts, nil
}

// explainNATS adds what to do to the errors that a first connection meets.
func explainNATS(err error) error {
	advice := ""
	if _, ok := errors.AsType[*url.Error](err); ok { // it quotes the address, password included
		return errors.New("the address cannot be read; write it as nats://host:4222")
	}
	_, distrust := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case distrust:
		advice = "the server's certificate is not trusted: name who signed it in nats.ca"
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrTimeout):
		advice = "no server answers there: check the address and that it runs"
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		advice = "the server refuses these credentials: check the credentials file or the user in the address"
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		advice = "turn JetStream on at the server and for this account"
	case errors.Is(err, context.DeadlineExceeded):
		advice = "the server does not answer: this user may not be allowed to use JetStream"
	default:
		return err
	}
	return fmt.Errorf("%w; %s", err, advice)
}

// redactURLs is a list of server addresses without their users and passwords.
func redactURLs(list string) string {
	addrs := strings.Split(list, ",")
	for i, a := range addrs {
		scheme, rest, ok := strings.Cut(strings.TrimSpace(a), "://")
		if !ok {
			scheme, rest = "nats", scheme
		}
		addrs[i] = scheme + "://" + rest[strings.LastIndex(rest, "@")+1:]
	}
	return strings.Join(addrs, ",")
}
