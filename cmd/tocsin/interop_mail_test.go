//go:build interop

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/pipeline"
)

// A postfix is an instance of the real mail server that delivers rcpt.test into
// maildirs.
type postfix struct {
	t              *testing.T
	dir            string
	plain, secured int // ports: without TLS, and with TLS required
}

// tryPostfix sends alerts, digests and notices through Postfix and has Python
// read what arrived.
func tryPostfix(t *testing.T) {
	python := installed(t, "/usr/bin/python3", "python3")
	dir := commonDir(t)
	ca := newAuthority(t, dir)
	p := newPostfix(t, dir, ca)
	reader := given(t, "mails.py", dir)
	read := func(to string) []readMail { return p.mails(python, reader, to) }

	t.Run("alert, digest and notice over STARTTLS", func(t *testing.T) { p.tryAll(t, ca, read) })
	t.Run("no trust, no mail", func(t *testing.T) { p.tryDistrust(t, ca) })
	t.Run("a lost answer", func(t *testing.T) { p.tryLostAnswer(t, read) })
	t.Run("a server that wants TLS", func(t *testing.T) { p.tryClear(t, ca, read) })
}

func newPostfix(t *testing.T, dir string, ca *authority) *postfix {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("Postfix can only be started as root: run make interop as root, best in a container")
	}
	if _, err := exec.LookPath("postfix"); err != nil {
		debconf := exec.Command("debconf-set-selections") // or the package starts a server of its own
		debconf.Stdin = strings.NewReader("postfix postfix/main_mailer_type select No configuration\n")
		must(t, debconf)
	}
	binary := installed(t, "postfix", "postfix")
	cert, key := ca.issue("mail")
	p := &postfix{t, dir, freePort(t), freePort(t)}
	for _, d := range []string{"etc", "spool", "spool/pid", "data", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(dir, "mail"), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	must(t, exec.Command("chown", "postfix", filepath.Join(dir, "data")))
	wroteFile(t, filepath.Join(dir, "etc/main.cf"), fmt.Sprintf(postfixMain, dir, nobody))
	wroteFile(t, filepath.Join(dir, "etc/master.cf"), fmt.Sprintf(postfixMaster, p.plain, p.secured, cert, key))
	p.allow("desk", "duty", "owner")
	etc := filepath.Join(dir, "etc")
	launch(t, exec.Command(binary, "-c", etc, "start-fg"))
	t.Cleanup(func() { _ = exec.Command(binary, "-c", etc, "stop").Run() }) // SIGTERM does not end it
	listens(t, p.plain)
	listens(t, p.secured)
	return p
}

const nobody = 65534

// postfixMain and postfixMaster hold what differs from Postfix's defaults.
const (
	postfixMain = `compatibility_level = 3.6
queue_directory = %[1]s/spool
data_directory = %[1]s/data
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.rcpt.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
default_transport = error:nothing leaves this machine
virtual_mailbox_domains = rcpt.test
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = texthash:%[1]s/mailboxes
virtual_uid_maps = static:%[2]d
virtual_gid_maps = static:%[2]d
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_tls_received_header = yes
`
	postfixMaster = `127.0.0.1:%d inet n - n - - smtpd
127.0.0.1:%d inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_cert_file=%s
  -o smtpd_tls_key_file=%s
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`
)

// allow makes these the only mailboxes that exist.
func (p *postfix) allow(boxes ...string) {
	p.t.Helper()
	var b strings.Builder
	for _, box := range boxes {
		fmt.Fprintf(&b, "%[1]s@rcpt.test %[1]s/\n", box)
	}
	wroteFile(p.t, filepath.Join(p.dir, "mailboxes"), b.String())
}

// readMail is what mails.py prints of a mail.
type readMail struct {
	Headers map[string][]string
	To      []string
	Date    string
	Type    string
	Parts   []struct {
		Type, Charset, Text string
		Links, Faults       []string
	}
	Faults []string
}

func (m readMail) header(name string) string { return strings.Join(m.Headers[name], "\n") }

// mails are those that were delivered to a mailbox, in no order.
func (p *postfix) mails(python, reader, to string) []readMail {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "mail", to, "new", "*"))
	if err != nil {
		p.t.Fatal(err)
	}
	if len(files) == 0 {
		return nil
	}
	return lines[readMail](p.t, must(p.t, exec.Command(python, append([]string{reader}, files...)...)))
}

const mailWatch = `watchlists:
  missiles: {query: '"ballistic missile*" AND transfer*'}
`

// statement is a text that mailWatch matches, in a form that mail must encode.
func statement(n int) (id, title, text string) {
	return fmt.Sprint(n), fmt.Sprintf("Déclaration № %d — «ракеты» 弾道ミサイル", n),
		fmt.Sprintf("Statement number %d condemns the transfer of ballistic missiles, “today” & <always>.\n.\nA line with a lone dot stands above.", n)
}

func (p *postfix) tryAll(t *testing.T, ca *authority, read func(string) []readMail) {
	site := newPress(t)
	site.publish("france", "0", "Opening hours", "On the transfer of ballistic missiles, at the time of the first reading.")
	args := configuredBy(t, ca.file, site.sources("france")+mailWatch+fmt.Sprintf(`
operators: [duty]
email: {smtp: "smtp://127.0.0.1:%d", tls: required, from: "tocsin desk <tocsin@desk.example>"}
destinations:
  desk: {kind: email, to: desk@rcpt.test}
  duty: {kind: email, to: duty@rcpt.test}
  shut: {kind: email, to: shut@rcpt.test, owner: owner@rcpt.test}
subscriptions:
  - {watchlist: missiles, to: desk}
  - {watchlist: missiles, to: shut}
`, p.secured))
	serving(t, args...)
	await(t, "the digest arrives", func() bool { return len(read("desk")) == 1 })
	id, title, text := statement(1)
	site.publish("france", id, title, text)
	await(t, "the alert arrives", func() bool { return len(read("desk")) == 2 })
	id, second, text := statement(2)
	site.publish("france", id, second, text)
	await(t, "the second arrives", func() bool { return len(read("desk")) == 3 })
	await(t, "operators and the owner hear of the address that is refused", func() bool { return len(read("duty")) >= 1 && len(read("owner")) >= 1 })

	parked := p.parked(t, args, 3)
	for _, d := range parked {
		if d.To != "shut" || !strings.Contains(d.Why, "550 5.1.1") {
			t.Errorf("parked %s to %s: %s, want a refusal with 550 5.1.1", d.Delivery, d.To, d.Why)
		}
	}
	p.allow("desk", "duty", "owner", "shut")
	must(t, exec.Command("postfix", "-c", filepath.Join(p.dir, "etc"), "reload"))
	await(t, "what was parked arrives after the mend", func() bool {
		// Postfix's process for a connection that stands knows the old table.
		_, _, _ = ask(t, program(t, append(args, "delivery", "replay", "--all")...))
		return len(read("shut")) == 2
	})
	p.parked(t, args, 0)

	sent := map[string]string{} // Message-ID -> destination
	for _, d := range lines[pipeline.Delivered](t, must(t, program(t, append(args, "delivery", "list", "--json")...))) {
		sent["<"+d.Delivery+"@desk.example>"] = d.To
	}
	for _, to := range []string{"desk", "shut"} {
		for _, m := range read(to) {
			if got := sent[m.header("Message-ID")]; got != to {
				t.Errorf("Message-ID %s is not that of a delivery to %s", m.header("Message-ID"), to)
			}
			checkMail(t, m, to, "missiles")
		}
		subject, parts := title, []string{title, "number 1"}
		if to == "shut" {
			subject, parts = "missed while this channel could not be reached", []string{title, second}
		}
		if !slices.ContainsFunc(read(to), func(m readMail) bool {
			return strings.Contains(m.header("Subject"), subject) && shows(m, parts...)
		}) {
			t.Errorf("no mail to %s has %q in its subject and tells of the statement:\n%+v", to, subject, read(to))
		}
	}
	for _, to := range []string{"duty", "owner"} {
		for _, m := range read(to) {
			checkMail(t, m, to, "operators")
			if !shows(m, "550 5.1.1") {
				t.Errorf("the notice to %s does not say why: %q", to, m.Parts[0].Text)
			}
		}
	}
}

// shows reports whether both forms of a mail hold all words.
func shows(m readMail, words ...string) bool {
	for _, p := range m.Parts {
		for _, w := range words {
			if !strings.Contains(p.Text, w) {
				return false
			}
		}
	}
	return len(m.Parts) == 2
}

// parked waits until so many deliveries are parked.
func (p *postfix) parked(t *testing.T, args []string, want int) (out []pipeline.Delivered) {
	t.Helper()
	await(t, fmt.Sprintf("%d deliveries are parked", want), func() bool {
		out = lines[pipeline.Delivered](t, must(t, program(t, append(args, "delivery", "list", "--parked", "--json")...)))
		return len(out) == want
	})
	return out
}

// checkMail holds a mail to what every mail of ours promises.
func checkMail(t *testing.T, m readMail, to, list string) {
	t.Helper()
	fault := func(format string, args ...any) {
		t.Helper()
		t.Errorf("mail %s to %s: %s", m.header("Message-ID"), to, fmt.Sprintf(format, args...))
	}
	for name, want := range map[string]string{
		"Auto-Submitted": "auto-generated", "List-Id": "<" + list + ".desk.example>", "MIME-Version": "1.0",
		"From": "tocsin desk <tocsin@desk.example>", "Return-Path": "<tocsin@desk.example>",
	} {
		if got := strings.ReplaceAll(m.header(name), `"`, ""); got != want {
			fault("%s is %q, want %q", name, got, want)
		}
	}
	if len(m.To) != 1 || m.To[0] != to+"@rcpt.test" {
		fault("is addressed to %q, want it alone", m.To)
	}
	if at, err := time.Parse(time.RFC3339, m.Date); err != nil || time.Since(at) > time.Hour {
		fault("is dated %q: %v", m.Date, err)
	}
	if !strings.Contains(m.header("Received"), "using TLSv1.") {
		fault("came without TLS: %s", m.header("Received"))
	}
	if len(m.Faults) > 0 || m.Type != "multipart/alternative" || len(m.Parts) != 2 || m.Parts[0].Type != "text/plain" || m.Parts[1].Type != "text/html" {
		fault("is not well formed: %s %+v %q", m.Type, m.Parts, m.Faults)
		return
	}
	for _, p := range m.Parts {
		if p.Charset != "utf-8" || len(p.Faults) > 0 || strings.TrimSpace(p.Text) == "" {
			fault("%s part in %s: %q", p.Type, p.Charset, p.Faults)
		}
	}
}

// tryDistrust checks that no login is tried where the server cannot be trusted.
func (p *postfix) tryDistrust(t *testing.T, ca *authority) {
	for _, tt := range []struct {
		name, ca string
		port     int
		status   int
		says     string
	}{
		{"an authority that is not known", "", p.secured, 1, "fetch.ca"},
		{"a server without TLS", ca.file, p.plain, 1, "STARTTLS"},
		{"all well", ca.file, p.secured, 0, "the credentials work"},
	} {
		args := configuredBy(t, tt.ca, mailWatch+fmt.Sprintf(`
email: {smtp: "smtp://127.0.0.1:%d", tls: required, from: tocsin@desk.example}
destinations: {desk: {kind: email, to: desk@rcpt.test}}
subscriptions: [{watchlist: missiles, to: desk}]
`, tt.port))
		out, errs, status := ask(t, program(t, append(args, "check", "--live")...))
		line := linesWith(out, " email: ")
		if status != tt.status || strings.Count(line, "\n") != 1 || !strings.Contains(line, tt.says) {
			t.Errorf("%s: status %d, want %d and one line with %q:\n%s%s", tt.name, status, tt.status, tt.says, out, errs)
		}
		t.Logf("%s: %s", tt.name, line)
	}
}

// tryLostAnswer has a connection break after Postfix took a mail and before we
// heard so: it is sent again, as the same mail.
func (p *postfix) tryLostAnswer(t *testing.T, read func(string) []readMail) {
	p.allow("desk", "duty", "owner", "shut", "twice")
	must(t, exec.Command("postfix", "-c", filepath.Join(p.dir, "etc"), "reload"))
	cutter := newCutter(t, p.plain)
	site := newPress(t)
	site.publish("france", "0", "Opening hours", "Of the first reading.")
	args := configuredBy(t, "", site.sources("france")+mailWatch+fmt.Sprintf(`
email: {smtp: "smtp://127.0.0.1:%d", from: tocsin@desk.example}
destinations: {twice: {kind: email, to: twice@rcpt.test}}
subscriptions: [{watchlist: missiles, to: twice}]
`, cutter.port))
	serving(t, args...)
	await(t, "the digest arrives", func() bool { return len(read("twice")) == 1 })
	cutter.armed.Store(true)
	site.publish(statementIn("france", 2))
	await(t, "the mail arrives again", func() bool { return len(read("twice")) == 3 })
	var same []readMail
	for _, m := range read("twice") {
		if strings.Contains(m.header("Subject"), "№ 2") {
			same = append(same, m)
		}
	}
	if cutter.armed.Load() || len(same) != 2 {
		t.Fatalf("%d mails of the statement, want 2", len(same))
	}
	for _, name := range []string{"Message-ID", "Date", "Subject"} {
		if same[0].header(name) != same[1].header(name) {
			t.Errorf("%s is %q and then %q", name, same[0].header(name), same[1].header(name))
		}
	}
	if !shows(same[0], "repeat") && !shows(same[1], "repeat") {
		t.Error("neither mail says that it may be a repeat")
	}
}

func statementIn(feed string, n int) (string, string, string, string) {
	id, title, text := statement(n)
	return feed, id, title, text
}

// tryClear checks that a server which wants TLS is not given mail without it,
// and that the delivery waits for a person.
func (p *postfix) tryClear(t *testing.T, ca *authority, read func(string) []readMail) {
	site := newPress(t)
	site.publish(statementIn("france", 0))
	args := configuredBy(t, ca.file, site.sources("france")+mailWatch+fmt.Sprintf(`
email: {smtp: "smtp://127.0.0.1:%d", tls: none, from: tocsin@desk.example}
destinations: {clear: {kind: email, to: desk@rcpt.test}}
subscriptions: [{watchlist: missiles, to: clear}]
`, p.secured))
	before := len(read("desk"))
	serving(t, args...)
	var got []pipeline.Delivered
	await(t, "the delivery waits", func() bool {
		got = lines[pipeline.Delivered](t, must(t, program(t, append(args, "delivery", "list", "--json")...)))
		return len(got) == 1 && got[0].Kind == pipeline.Retried
	})
	if !strings.Contains(got[0].Why, "530 5.7.0") || len(read("desk")) != before {
		t.Errorf("it waits because %q, want 530 5.7.0 and no mail", got[0].Why)
	}
}

// A cutter stands before a mail server. Once armed, it lets the next mail
// through and breaks the connection instead of giving the answer.
type cutter struct {
	port  int
	armed atomic.Bool
}

func newCutter(t *testing.T, to int) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := &cutter{port: l.Addr().(*net.TCPAddr).Port}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", to))
			if err != nil {
				in.Close()
				continue
			}
			go c.carry(in, out)
		}
	}()
	return c
}

func (c *cutter) carry(in, out net.Conn) {
	defer in.Close()
	defer out.Close()
	var cut atomic.Bool
	go func() {
		defer out.Close()
		_, _ = io.Copy(out, io.TeeReader(in, dotWatcher{c, &cut}))
	}()
	buf := make([]byte, 4096)
	for {
		n, err := out.Read(buf)
		if err != nil || cut.Load() {
			return
		}
		if _, err := in.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A dotWatcher sees the last line of a mail go by.
type dotWatcher struct {
	*cutter
	cut *atomic.Bool
}

func (w dotWatcher) Write(p []byte) (int, error) {
	if strings.HasSuffix(string(p), "\r\n.\r\n") && w.armed.CompareAndSwap(true, false) {
		w.cut.Store(true)
	}
	return len(p), nil
}
