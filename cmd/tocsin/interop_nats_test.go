//go:build interop

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"tocsin/notifiers/notifiertest"
	"tocsin/pipeline"
)

// natsBinary builds the real server, of the version in go.mod, once.
var natsBinary = sync.OnceValues(func() (string, error) {
	if _, err := built(); err != nil { // makes the directory that is removed at the end
		return "", err
	}
	binary := filepath.Join(builtIn, "nats-server")
	out, err := exec.Command("go", "build", "-o", binary, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build nats-server: %w\n%s", err, out)
	}
	return binary, nil
})

// newNATS starts a server on a configuration and waits until it is ready.
func newNATS(t *testing.T, conf string) *child {
	t.Helper()
	binary, err := natsBinary()
	if err != nil {
		t.Fatal(err)
	}
	file := wroteFile(t, filepath.Join(commonDir(t), "nats.conf"), conf)
	c := launch(t, exec.Command(binary, "-c", file))
	c.says("Server is ready")
	return c
}

// simpleNATS is a server with a user and a password, and one account without
// JetStream. It returns the server's port.
func simpleNATS(t *testing.T) int {
	t.Helper()
	port := freePort(t)
	newNATS(t, fmt.Sprintf(`
listen: "127.0.0.1:%d"
jetstream {store_dir: %q, sync_interval: always}
accounts {
  TOCSIN {jetstream: enabled, users: [{user: tocsin, password: %q}]}
  BARE {users: [{user: bare, password: %q}]}
}`, port, commonDir(t), natsPassword, natsPassword))
	listens(t, port)
	return port
}

const natsPassword = "interop-77b0"

// natsAt is the address of a simpleNATS. Its arguments show the password to who
// can list processes: good enough for a test.
func natsAt(user, password string, port int) []string {
	return []string{"--nats", fmt.Sprintf("nats://%s:%s@127.0.0.1:%d", user, password, port)}
}

// tryNATS runs the service on a server of somebody else's, and meets the faults
// of a first connection.
func tryNATS(t *testing.T) {
	port := simpleNATS(t)
	site, slack := newPress(t), notifiertest.NewSlack(interopToken)
	site.publish(statementIn("france", 0))
	args := configuredBy(t, "", site.sources("france")+mailWatch+slackDesk(loopback(t, slack), "C00000001"))
	run := serving(t, append(args, natsAt("tocsin", natsPassword, port)...)...)
	await(t, "the digest is posted", func() bool { return len(slack.Messages("")) == 1 })
	site.publish(statementIn("france", 1))
	await(t, "the alert is posted", func() bool { return len(slack.Messages("")) == 2 })
	why := must(t, program(t, slices.Concat(args, natsAt("tocsin", natsPassword, port), []string{"why", "http://press.example/france/1"})...))
	if !strings.Contains(why, "№ 1") {
		t.Errorf("why does not tell of the statement:\n%s", why)
	}
	run.stop()

	for _, tt := range []struct {
		name  string
		where []string
		says  string
	}{
		{"a wrong password", natsAt("tocsin", "wrong-51c2", port), "the server refuses these credentials"},
		{"nobody there", natsAt("tocsin", natsPassword, freePort(t)), "no server answers there"},
		{"an account without JetStream", natsAt("bare", natsPassword, port), "turn JetStream on"},
	} {
		for _, verb := range [][]string{{"run"}, {"check", "--live"}, {"alert", "list"}} {
			out, errs, status := ask(t, program(t, slices.Concat(args, tt.where, verb)...))
			if verb[0] == "check" {
				errs = linesWith(out, "FAIL ")
			}
			if status != 1 || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, tt.says) {
				t.Errorf("%s, %s: status %d, want 1 and one line with %q:\n%s", tt.name, verb, status, tt.says, errs)
			}
			if strings.Contains(out+errs, natsPassword) || strings.Contains(out+errs, "wrong-51c2") {
				t.Errorf("%s, %s: the password is told:\n%s%s", tt.name, verb, out, errs)
			}
			if verb[0] == "run" {
				t.Logf("%s: %s", tt.name, errs)
			}
		}
	}
}

// slackDesk is the configuration of channels that all get what mailWatch matches.
func slackDesk(addr string, channels ...string) string {
	var to, subscriptions strings.Builder
	for i, c := range channels {
		fmt.Fprintf(&to, "  d%d: {kind: slack, to: %s}\n", i, c)
		fmt.Fprintf(&subscriptions, "  - {watchlist: missiles, to: d%d}\n", i)
	}
	return fmt.Sprintf("slack: {token: {env: INTEROP_TOKEN}, api: \"http://%s/api/\"}\ndestinations:\n%ssubscriptions:\n%s", addr, &to, &subscriptions)
}

// natsKeys are those of an operator of NATS, of an account for us, and of a user
// of it.
type natsKeys struct {
	operator, accountJWT, systemJWT string // signed claims
	account, system                 string // public keys
	creds                           string // file
}

func newKeys(t *testing.T, dir, name string) (k natsKeys) {
	t.Helper()
	ok := func(v string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	pair := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		kp, err := create()
		if err != nil {
			t.Fatal(err)
		}
		return kp, ok(kp.PublicKey())
	}
	operator, operatorID := pair(nkeys.CreateOperator)
	_, k.system = pair(nkeys.CreateAccount)
	account, accountID := pair(nkeys.CreateAccount)
	user, userID := pair(nkeys.CreateUser)
	k.account = accountID
	oc := jwt.NewOperatorClaims(operatorID)
	oc.SystemAccount = k.system
	k.operator = ok(oc.Encode(operator))
	k.systemJWT = ok(jwt.NewAccountClaims(k.system).Encode(operator))
	ac := jwt.NewAccountClaims(accountID)
	ac.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	k.accountJWT = ok(ac.Encode(operator))
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(ok(jwt.NewUserClaims(userID).Encode(account)), seed)
	if err != nil {
		t.Fatal(err)
	}
	k.creds = filepath.Join(dir, name+".creds")
	if err := os.WriteFile(k.creds, creds, 0o600); err != nil {
		t.Fatal(err)
	}
	return k
}

// A cluster is three servers that know each other, with TLS both ways on every
// connection and users by signed credentials.
type cluster struct {
	t       *testing.T
	confs   [3]string
	client  [3]int // ports
	monitor [3]int
	nodes   [3]*child
}

func newCluster(t *testing.T, ca *authority, k natsKeys) *cluster {
	t.Helper()
	c := &cluster{t: t}
	cert, key := ca.issue("node")
	var routes [3]int
	for i := range c.nodes {
		c.client[i], c.monitor[i], routes[i] = freePort(t), freePort(t), freePort(t)
	}
	tls := fmt.Sprintf("tls {cert_file: %q, key_file: %q, ca_file: %q, verify: true}", cert, key, ca.file)
	for i := range c.nodes {
		c.confs[i] = fmt.Sprintf(`
server_name: n%d
listen: "127.0.0.1:%d"
http: "127.0.0.1:%d"
%s
jetstream {store_dir: %q, sync_interval: always}
operator: %s
system_account: %s
resolver: MEMORY
resolver_preload: {%s: %s, %s: %s}
cluster {
  name: interop
  listen: "127.0.0.1:%d"
  routes: ["nats-route://127.0.0.1:%d", "nats-route://127.0.0.1:%d", "nats-route://127.0.0.1:%d"]
  %s
}`, i, c.client[i], c.monitor[i], tls, commonDir(t), k.operator, k.system, k.account, k.accountJWT, k.system, k.systemJWT,
			routes[i], routes[0], routes[1], routes[2], tls)
		c.start(i)
	}
	for i := range c.nodes {
		listens(t, c.client[i])
		listens(t, routes[i])
	}
	c.whole()
	return c
}

func (c *cluster) start(i int) { c.nodes[i] = newNATS(c.t, c.confs[i]) }

// whole waits until every server says that it is current.
func (c *cluster) whole() {
	c.t.Helper()
	await(c.t, "the cluster is whole", func() bool {
		for _, port := range c.monitor {
			if !strings.Contains(fetched(fmt.Sprintf("http://127.0.0.1:%d/healthz", port)), `"ok"`) {
				return false
			}
		}
		return c.leader() >= 0
	})
}

// leader is the server that leads the cluster, or -1.
func (c *cluster) leader() int {
	var got struct {
		Meta struct{ Leader string } `json:"meta_cluster"`
	}
	for _, port := range c.monitor {
		if json.Unmarshal([]byte(fetched(fmt.Sprintf("http://127.0.0.1:%d/jsz", port))), &got) == nil && got.Meta.Leader != "" {
			return int(got.Meta.Leader[1] - '0')
		}
	}
	return -1
}

func (c *cluster) urls() string {
	return fmt.Sprintf("tls://127.0.0.1:%d,tls://127.0.0.1:%d,tls://127.0.0.1:%d", c.client[0], c.client[1], c.client[2])
}

const (
	clusterFeeds    = 12
	clusterChannels = 12
	clusterRounds   = 8 // of a statement in every third feed each
)

// tryCluster divides the work among four processes on three servers and kills
// one process of each kind and the server that leads.
func tryCluster(t *testing.T) {
	ca := newAuthority(t, commonDir(t))
	k, other := newKeys(t, ca.dir, "tocsin"), newKeys(t, ca.dir, "other")
	c := newCluster(t, ca, k)
	cert, key := ca.issue("client")
	site, slack := newPress(t), notifiertest.NewSlack(interopToken)
	var feeds, channels []string
	for i := range clusterFeeds {
		feeds = append(feeds, fmt.Sprintf("f%d", i))
		site.publish(feeds[i], "0", "Opening hours", "Of "+feeds[i])
	}
	for i := range clusterChannels {
		channels = append(channels, fmt.Sprintf("C000000%02d", i))
	}
	text := site.sources(feeds...) + mailWatch + slackDesk(loopback(t, slack), channels...)
	config := func(ca, creds string) []string {
		return configuredBy(t, "", text+fmt.Sprintf("nats: {url: %q, creds: %q, cert: %q, key: %q, replicas: 3%s}\n", c.urls(), creds, cert, key, ca))
	}
	trusted := fmt.Sprintf(", ca: %q", ca.file)
	start := func(stages string) *child {
		return serving(t, append(config(trusted, k.creds), "--stages", stages)...)
	}
	pollers := []*child{start("poll,match"), start("poll,match")}
	senders := []*child{start("send"), start("send")}
	await(t, "every channel has its digest", func() bool { return len(slack.Messages("")) == clusterChannels })

	n := 0
	publish := func(feed string) {
		n++
		site.publish(feed, fmt.Sprint(n), fmt.Sprintf("Statement %06d", n), fmt.Sprintf("On the transfer of ballistic missiles of type %06d.", n))
	}
	for _, f := range feeds {
		publish(f)
	}
	await(t, "the work is shared", func() bool { return read(pollers[0]) && read(pollers[1]) && missing(slack, channels, n) == 0 })
	if who := owners(t, config(trusted, k.creds)); who != len(senders) {
		t.Errorf("%d processes sent, want %d", who, len(senders))
	}

	began := time.Now()
	for round := range clusterRounds {
		for i := round % 3; i < len(feeds); i += 3 {
			publish(feeds[i])
		}
		switch round {
		case 1:
			pollers[0].kill()
		case 2:
			senders[0].kill()
		case 3:
			lead := c.leader()
			c.nodes[lead].kill()
			t.Logf("killed server n%d, which led", lead)
		}
		time.Sleep(3 * time.Second)
	}
	await(t, "everything arrives", func() bool { return missing(slack, channels, n) == 0 })
	t.Logf("%d statements stand in each of %d channels %v after the first of the last %d", n, len(channels), time.Since(began).Round(time.Second), n-len(feeds))
	checkArrived(t, slack, channels, n)
	refuses(t, "credentials of another operator", "the server refuses these credentials", config(trusted, other.creds))
	refuses(t, "an authority that is not known", "nats.ca", config("", k.creds))
}

// read reports whether a process has read a source.
func read(c *child) bool { return strings.Contains(c.out.String(), "msg=read ") }

// owners counts the processes that sent something.
func owners(t *testing.T, args []string) int {
	t.Helper()
	who := map[string]bool{}
	for _, d := range lines[pipeline.Delivered](t, must(t, program(t, append(args, "delivery", "list", "--json", "--limit", "0")...))) {
		who[d.Owner] = true
	}
	return len(who)
}

// refuses checks that a configuration is refused with one line, by a cluster of
// which a server is down.
func refuses(t *testing.T, name, says string, args []string) {
	t.Helper()
	out, errs, status := ask(t, program(t, append(args, "check", "--live")...))
	line := linesWith(out, "FAIL ")
	if status != 1 || strings.Count(line, "\n") != 1 || !strings.Contains(line, says) {
		t.Errorf("%s: status %d, want 1 and one line with %q:\n%s%s", name, status, says, out, errs)
	}
	t.Logf("%s: %s", name, line)
}

var statementNumber = regexp.MustCompile(`Statement (\d{6})`)

// got are the numbers of the statements in a channel, in the order in which they
// stand there.
func got(slack *notifiertest.Slack, channel string) (out []string) {
	for _, m := range slack.Messages(channel) {
		if f := statementNumber.FindStringSubmatch(m.Text); f != nil {
			out = append(out, f[1])
		}
	}
	return out
}

func missing(slack *notifiertest.Slack, channels []string, n int) (lost int) {
	for _, c := range channels {
		seen := got(slack, c)
		slices.Sort(seen)
		lost += n - len(slices.Compact(seen))
	}
	return lost
}

// checkArrived finds what came twice or in another order than elsewhere.
func checkArrived(t *testing.T, slack *notifiertest.Slack, channels []string, n int) {
	t.Helper()
	first := got(slack, channels[0])
	for _, c := range channels {
		seen := got(slack, c)
		if len(seen) != n {
			t.Errorf("%d alerts stand in %s, want each of %d once", len(seen), c, n)
		}
		if !slices.Equal(seen, first) {
			t.Errorf("%s has another order than %s:\n%v\n%v", c, channels[0], seen, first)
		}
	}
	for _, m := range slack.Messages("") {
		if strings.Contains(m.Text, "repeat") {
			t.Errorf("a message is marked as a repeat: %q", m.Text)
		}
	}
}

// tryBackupAcross takes what is stored from a server of somebody else's into a
// data directory and back to another server. Nothing is sent again.
func tryBackupAcross(t *testing.T) {
	first, second := simpleNATS(t), simpleNATS(t)
	site, slack := newPress(t), notifiertest.NewSlack(interopToken)
	site.publish(statementIn("france", 0))
	args := configuredBy(t, "", site.sources("france")+mailWatch+slackDesk(loopback(t, slack), "C00000001"))
	sent := 1
	place := natsAt("tocsin", natsPassword, first) // where the service runs
	live := func() {
		t.Helper()
		c := serving(t, append(slices.Clone(args), place...)...)
		await(t, "what was sent before is there", func() bool { return len(slack.Messages("")) == sent })
		site.publish(statementIn("france", sent))
		sent++
		await(t, "the next alert is posted", func() bool { return len(slack.Messages("")) >= sent })
		time.Sleep(2 * time.Second) // what would come again comes now
		c.stop()
		if n := len(slack.Messages("")); n != sent {
			t.Fatalf("%d messages were posted, want %d", n, sent)
		}
	}
	command := func(words ...string) string { return must(t, program(t, slices.Concat(args, place, words)...)) }
	told := func() string { return command("alert", "export", "--format", "jsonl") }

	live()
	for _, next := range [][]string{nil, natsAt("tocsin", natsPassword, second)} { // nil: the data directory
		backup := filepath.Join(commonDir(t), "backup")
		before := told()
		command("backup", backup)
		must(t, checkSums(backup))
		place = next
		command("restore", backup)
		if after := told(); after != before || strings.Count(after, "\n") != sent {
			t.Errorf("what is restored differs, or is not %d alerts:\n%s\n%s", sent, before, after)
		}
		live()
	}
}

func checkSums(dir string) *exec.Cmd {
	cmd := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	cmd.Dir = dir
	return cmd
}
