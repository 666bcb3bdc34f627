package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// natsServer is a server of somebody else's, on loopback.
func natsServer(t *testing.T, config string) *server.Server {
	t.Helper()
	opts := &server.Options{}
	if err := opts.ProcessConfigString(config); err != nil {
		t.Fatal(err)
	}
	opts.Host, opts.Port, opts.NoSigs, opts.StoreDir = "127.0.0.1", server.RANDOM_PORT, true, t.TempDir()
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	return srv
}

const guardedNATS = `
	jetstream: enabled
	accounts {
		A { jetstream: enabled, users: [{user: ann, password: secret}] }
		PLAIN { users: [{user: bob, password: secret}] }
	}`

func TestConnectReachesAServerOfSomebodyElses(t *testing.T) {
	srv := natsServer(t, guardedNATS)
	b, err := Connect(t.Context(), ConnectConfig{URL: "nats://ann:secret@" + srv.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	other, err := Connect(t.Context(), ConnectConfig{URL: "nats://ann:secret@" + srv.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if b.Embedded || b.Owner == "" || b.Owner == other.Owner {
		t.Errorf("Embedded = %v, owners %q and %q", b.Embedded, b.Owner, other.Owner)
	}
	if err := b.Close(); err != nil || !b.NC.IsClosed() {
		t.Errorf("after Close: %v, closed = %v", err, b.NC.IsClosed())
	}
}

func TestConnectSaysWhatToDo(t *testing.T) {
	guarded := natsServer(t, guardedNATS).Addr().String()
	gone := natsServer(t, "max_payload: 1MB")
	nobody := gone.Addr().String()
	gone.Shutdown()
	dir := t.TempDir()
	creds := filepath.Join(dir, "bad.creds")
	if err := os.WriteFile(creds, []byte("no credentials"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		c     ConnectConfig
		wants []string
	}{
		{"unreachable", ConnectConfig{URL: "nats://ann:secret@" + nobody}, []string{nobody, "check the address"}},
		{"wrong password", ConnectConfig{URL: "nats://ann:secret2@" + guarded}, []string{guarded, "refuses these credentials"}},
		{"wrong password, and another server is down", ConnectConfig{URL: "nats://ann:secret2@" + guarded + ",nats://ann:secret2@" + nobody}, []string{guarded, "refuses these credentials"}},
		{"no JetStream in the account", ConnectConfig{URL: "nats://bob:secret@" + guarded}, []string{guarded, "turn JetStream on"}},
		{"no credentials file", ConnectConfig{URL: guarded, Creds: filepath.Join(dir, "none")}, []string{"none", "no such file"}},
		{"bad credentials file", ConnectConfig{URL: guarded, Creds: creds}, []string{guarded}},
		{"no certificate in the CA file", ConnectConfig{URL: guarded, CA: creds}, []string{guarded, creds}},
		{"a certificate without its key", ConnectConfig{URL: guarded, Cert: creds}, []string{"its key"}},
		{"an address that cannot be read", ConnectConfig{URL: "nats://ann:sec%ret@:x"}, []string{"connect to NATS"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Connect(t.Context(), tt.c)
			wantError(t, err, tt.wants...)
			if strings.Contains(err.Error(), "sec") {
				t.Errorf("error %q holds the password", err)
			}
			t.Log(err)
		})
	}
}
