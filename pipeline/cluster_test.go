package pipeline

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin"

	"github.com/nats-io/nats-server/v2/server"
)

// A cluster is three servers in this process, on loopback.
type cluster struct {
	t       *testing.T
	options [3]*server.Options
	servers [3]*server.Server
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c, dir := &cluster{t: t}, t.TempDir()
	var routes []*url.URL
	for i := range c.options {
		l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free now
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		routes = append(routes, must(url.Parse(fmt.Sprint("nats://127.0.0.1:", port))))
		c.options[i] = &server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: filepath.Join(dir, fmt.Sprint(i)), SyncAlways: true,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port},
		}
	}
	for i := range c.options {
		c.options[i].Routes = routes
		c.start(i)
	}
	t.Cleanup(func() {
		for i := range c.servers {
			c.stop(i)
		}
	})
	eventually(t, "the cluster has a leader", func() bool { return c.leader("") >= 0 })
	return c
}

func (c *cluster) start(i int) {
	s, err := server.NewServer(c.options[i].Clone())
	if err != nil {
		c.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		c.t.Fatal("the server does not start")
	}
	c.options[i].Port = s.Addr().(*net.TCPAddr).Port // the same after a restart
	c.servers[i] = s
}

func (c *cluster) stop(i int) {
	c.servers[i].Shutdown()
	c.servers[i].WaitForShutdown()
}

// leader is the server that leads a stream, or with "" the cluster; -1 if none.
func (c *cluster) leader(stream string) int {
	for i, s := range c.servers {
		if stream == "" && s.JetStreamIsLeader() || stream != "" && s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
			return i
		}
	}
	return -1
}

func (c *cluster) connect(log string) *Logs {
	c.t.Helper()
	var urls []string
	for _, s := range c.servers {
		urls = append(urls, s.ClientURL())
	}
	b, err := Connect(c.t.Context(), ConnectConfig{URL: strings.Join(urls, ","), Log: quiet})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = b.Close() })
	b.Owner = log
	if log == "first" {
		if err := Setup(c.t.Context(), b, 3, 0); err != nil {
			c.t.Fatal(err)
		}
	}
	return must(OpenLogs(c.t.Context(), b))
}

// appendSurely appends an item as a poller does: after an unknown outcome it
// reads what the log holds before it decides again.
func appendSurely(ctx context.Context, l *Logs, it tocsin.Item, last uint64) (uint64, error) {
	for {
		seq, err := l.Append(ctx, it.Source, last, []tocsin.Item{it})
		if err == nil || ctx.Err() != nil {
			return seq, err
		}
		for s, err := range l.Tail(ctx, it.Source, last) {
			if err != nil {
				break
			}
			if last = s.Seq; s.Item.ID == it.ID {
				return last, nil
			}
		}
		_ = pause(ctx, 100*time.Millisecond)
	}
}

// Leader elections take their seconds, so this runs on request: TOCSIN_CLUSTER=1.
func TestClusterThatLosesItsLeadersLosesAndDoublesNothing(t *testing.T) {
	if os.Getenv("TOCSIN_CLUSTER") == "" {
		t.Skip("TOCSIN_CLUSTER is unset: takes about a minute")
	}
	c := newCluster(t)
	first, second := c.connect("first"), c.connect("second")
	if _, err := first.Apply(t.Context(), planned(tocsin.Subscription{FoldOver: -1})); err != nil {
		t.Fatal(err)
	}
	k := &desk{refs: map[string]string{}, finds: true}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for _, l := range []*Logs{first, second} {
		wg.Go(func() {
			if err := Run(ctx, l, Config{Match: true, Send: true, Log: quiet, Traits: k.traits, Prepare: k.prepare, Find: k.find}); err != nil {
				t.Errorf("Run as %s: %v", l.b.Owner, err)
			}
		})
	}
	const n = 600
	wg.Go(func() {
		last := uint64(0)
		for i := range n {
			it := item("fr", fmt.Sprint(i), fmt.Sprint("Statement ", i), "On missiles.")
			it.Rev, it.Seen = 1, time.Now().UTC()
			var err error
			if last, err = appendSurely(ctx, first, it, last); err != nil {
				t.Errorf("append %d: %v", i, err)
				return
			}
		}
	})
	for _, stream := range []string{streamAlerts, streamItems, streamLedger} {
		_ = pause(ctx, 2*time.Second)
		if i := c.leader(stream); i >= 0 {
			c.stop(i)
			_ = pause(ctx, 2*time.Second)
			c.start(i)
		}
	}
	for len(k.posts()) < n && pause(ctx, 100*time.Millisecond) == nil {
	}
	_ = pause(ctx, 5*time.Second)
	cancel()
	wg.Wait()
	seen := map[string]int{}
	for _, title := range k.titles("desk") {
		seen[title]++
	}
	twice := 0
	for _, times := range seen {
		twice += times - 1
	}
	if lost := n - len(seen); lost != 0 || twice != 0 {
		t.Errorf("of %d statements %d were lost and %d sent twice", n, lost, twice)
	}
}
