package notifiers

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"tocsin"
)

// emailKind sends mail over SMTP. A message that was sent cannot be changed or
// looked up, but every attempt at it has the same Message-ID and Date.
var emailKind = Kind{Name: "email", Answers: true, CheckTo: checkMailbox, open: openEmail}

// EmailConfig is the server that takes mail. A zero SMTP leaves the kind closed.
type EmailConfig struct {
	// SMTP is smtp://host:587 (STARTTLS) or smtps://host:465 (TLS from the first
	// byte). TLS is required unless the host is loopback; "?tls=required" asks
	// for it there too, and "?tls=none" does without it anywhere.
	SMTP     string
	From     string // "tocsin@desk.example" or "tocsin <tocsin@desk.example>"; its domain ends the Message-IDs
	User     string // "" means From's address where there is a Password
	Password tocsin.Secret
	TLS      *tls.Config                                                             // root certificates; nil means the system's
	Dial     func(ctx context.Context, network, addr string) (c net.Conn, err error) // nil means a net.Dialer
}

const (
	idleFor  = 30 * time.Second // a connection waits this long for the next message
	idleMost = 4                // connections that wait
	smtpWait = time.Minute      // for one message; a caller's context may end it sooner
)

func checkMailbox(to string) error {
	a, err := netmail.ParseAddress(to)
	if err != nil || a.Address != to || len(to) > 254 || strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r >= 0x7F }) {
		return fmt.Errorf("mail address %q: give one address without a name, like desk@example.org", short(flat(to), 60))
	}
	return nil
}

type emailNotifier struct {
	client   *mail.Client
	from     *netmail.Address
	domain   string
	host     string
	addr     string // host and port
	implicit bool
	tls      *tls.Config
	dial     dialFunc
	secrets  []tocsin.Secret

	mu     sync.Mutex
	idle   []*session
	closed bool
}

// A session is a connection past greeting, TLS and login.
type session struct {
	conn *guard
	smtp *smtp.Client
	end  *time.Timer // while idle
}

func openEmail(c Config) (Notifier, error) {
	e := c.Email
	if e.SMTP == "" {
		return nil, nil
	}
	from, err := netmail.ParseAddress(e.From)
	if err != nil {
		return nil, fmt.Errorf("from %q is no mail address: give one like tocsin@desk.example", short(flat(e.From), 60))
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	n := &emailNotifier{from: from, domain: domain, dial: e.Dial}
	if n.dial == nil {
		n.dial = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	}
	options, err := n.server(e)
	if err != nil {
		return nil, err
	}
	n.client, err = mail.NewClient(n.host, options...)
	if err != nil {
		return nil, fmt.Errorf("smtp: %w", causeOf(err, n.secrets...))
	}
	return n, nil
}

// server reads the address of the server and how to be safe with it.
func (n *emailNotifier) server(e EmailConfig) ([]mail.Option, error) {
	u, err := url.Parse(e.SMTP)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, errors.New("smtp must be like smtp://mail.example:587 or smtps://mail.example:465")
	}
	if u.User != nil {
		return nil, errors.New("smtp holds a user or password: give them as user and password")
	}
	n.host, n.implicit = u.Hostname(), u.Scheme == "smtps"
	port, err := strconv.Atoi(cmp.Or(u.Port(), map[bool]string{false: "587", true: "465"}[n.implicit]))
	if err != nil {
		return nil, fmt.Errorf("smtp: port %q is no number", u.Port())
	}
	n.addr = net.JoinHostPort(n.host, strconv.Itoa(port))
	policy := mail.TLSMandatory
	switch want := u.Query().Get("tls"); {
	case want == "none" && !n.implicit, want == "" && !n.implicit && loopback(n.host):
		policy = mail.NoTLS
	case want != "" && want != "required":
		return nil, fmt.Errorf("smtp: tls=%s is unknown: give tls=required, or tls=none with smtp://", short(flat(want), 20))
	}
	n.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if e.TLS != nil {
		n.tls = e.TLS.Clone()
	}
	n.tls.ServerName = cmp.Or(n.tls.ServerName, n.host)
	options := []mail.Option{
		mail.WithPort(port), mail.WithTLSPolicy(policy), mail.WithTLSConfig(n.tls), mail.WithTimeout(smtpWait),
		mail.WithDialContextFunc(n.connect), mail.WithHELO(n.helo()),
		mail.WithoutNoop(), mail.WithoutRset(), // RSET is sent where a connection is used again: it tells a dead one too
	}
	if n.implicit {
		options = append(options, mail.WithSSL())
	}
	auth, err := n.auth(e, policy)
	return append(options, auth...), err
}

func (n *emailNotifier) auth(e EmailConfig, policy mail.TLSPolicy) ([]mail.Option, error) {
	if e.Password == "" {
		return nil, nil
	}
	user := cmp.Or(e.User, n.from.Address)
	n.secrets = []tocsin.Secret{e.Password, tocsin.Secret("\x00" + user + "\x00" + string(e.Password))}
	how := []mail.SMTPAuthType{mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthCramMD5}
	if policy == mail.NoTLS && !n.implicit {
		if !loopback(n.host) {
			return nil, errors.New("smtp: with tls=none the password would be readable on the network: use TLS, or no password")
		}
		how = []mail.SMTPAuthType{mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthCramMD5, mail.SMTPAuthPlainNoEnc, mail.SMTPAuthLoginNoEnc}
	}
	return []mail.Option{mail.WithUsername(user), mail.WithPassword(string(e.Password)), mail.WithOpportunisticSMTPAuth(how...)}, nil
}

// helo is this machine's name if it is a full one, for some servers refuse others.
func (n *emailNotifier) helo() string {
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") {
		return name
	}
	return n.domain
}

// A dialling is what connect must know and leave behind when go-mail calls it: the
// context of go-mail's own ends when the session is open.
type dialling struct {
	ctx  context.Context
	conn *guard
	stop func() bool
}

type diallingKey struct{}

func (n *emailNotifier) connect(ctx context.Context, network, _ string) (net.Conn, error) {
	c, err := n.dial(ctx, network, n.addr) // go-mail's address lacks the brackets of IPv6
	if err != nil {
		return nil, err
	}
	d := ctx.Value(diallingKey{}).(*dialling)
	d.conn = &guard{Conn: c}
	d.stop = context.AfterFunc(d.ctx, func() { d.conn.Close() })
	if !n.implicit {
		return d.conn, nil
	}
	t := tls.Client(d.conn, n.tls)
	return t, t.HandshakeContext(ctx)
}

// open is a session that works: one that waits, or a new one.
func (n *emailNotifier) open(ctx context.Context) (*session, error) {
	for s := n.take(); s != nil; s = n.take() {
		if s.fresh(ctx) {
			return s, nil
		}
		s.conn.Close()
	}
	d := &dialling{ctx: ctx}
	c, err := n.client.DialToSMTPClientWithContext(context.WithValue(ctx, diallingKey{}, d))
	if d.conn != nil {
		d.stop()
	}
	if err != nil {
		if d.conn != nil {
			d.conn.Close() // go-mail leaves it open
		}
		return nil, n.dialOutcome(err)
	}
	return &session{conn: d.conn, smtp: c}, nil
}

// fresh asks the server to forget the last message, and so whether it still listens.
func (s *session) fresh(ctx context.Context) bool {
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	return s.smtp.UpdateDeadline(10*time.Second) == nil && s.smtp.Reset() == nil
}

func (n *emailNotifier) take() *session {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.idle) > 0 {
		s := n.idle[len(n.idle)-1]
		n.idle = n.idle[:len(n.idle)-1]
		if s.end.Stop() {
			return s
		}
	}
	return nil
}

// keep lets s wait for the next message.
func (n *emailNotifier) keep(s *session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.conn.attempt.Store(nil)
	if n.closed || len(n.idle) >= idleMost {
		go s.quit()
		return
	}
	s.end = time.AfterFunc(idleFor, func() {
		n.mu.Lock()
		for i, x := range n.idle {
			if x == s {
				n.idle = append(n.idle[:i], n.idle[i+1:]...)
				break
			}
		}
		n.mu.Unlock()
		s.quit()
	})
	n.idle = append(n.idle, s)
}

// quit says goodbye, but does not wait long for the answer.
func (s *session) quit() {
	_ = s.smtp.UpdateDeadline(2 * time.Second)
	_ = s.smtp.Quit()
	s.conn.Close()
}

func (n *emailNotifier) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	for s := n.take(); s != nil; s = n.take() {
		s.quit()
	}
}

// Check logs in and out.
func (n *emailNotifier) Check(ctx context.Context) error {
	s, err := n.open(ctx)
	if err != nil {
		return err
	}
	n.keep(s)
	return nil
}

type emailReady struct {
	*emailNotifier
	d    tocsin.Delivery
	msg  *mail.Msg
	s    *session
	good bool // the session can be used again
}

// Prepare renders d and takes a session.
func (n *emailNotifier) Prepare(ctx context.Context, d tocsin.Delivery) (Ready, error) {
	if err := checkMailbox(d.To.To); err != nil {
		return nil, &tocsin.Outcome{Verdict: tocsin.Gone, Err: err}
	}
	if isEdit(d) {
		return nil, &tocsin.Outcome{Verdict: tocsin.NoEdit, Err: errors.New("mail cannot be changed")}
	}
	msg, err := n.message(d, time.Now())
	if err != nil {
		return nil, &tocsin.Outcome{Verdict: tocsin.Refused, Err: fmt.Errorf("write the mail: %w", causeOf(err))}
	}
	s, err := n.open(ctx)
	if err != nil {
		return nil, err
	}
	return &emailReady{n, d, msg, s, true}, nil
}

func (r *emailReady) Close() {
	if r.good {
		r.keep(r.s)
		return
	}
	r.s.conn.Close()
}

// Send gives the mail to the server. The server counts it only when the last
// line has come, so every write before that may still be refused.
func (r *emailReady) Send(ctx context.Context) (string, error) {
	a := &attempt{notAfter: r.d.NotAfter, always: true}
	r.s.conn.attempt.Store(a)
	r.good = false
	defer context.AfterFunc(ctx, func() { r.s.conn.Close() })()
	err := r.client.SendWithSMTPClient(r.s.smtp, r.msg)
	switch {
	case r.msg.IsDelivered(): // whatever happened to the connection afterwards
		r.good = err == nil && ctx.Err() == nil
		return strings.Trim(r.msg.GetMessageID(), "<>"), nil
	case a.refused.Load():
		return "", withheld()
	case err == nil:
		err = errors.New("the server took no mail")
	}
	return "", r.sendOutcome(err)
}

// reply finds a server's answer in an error's text: its code and, where the
// server gives one, the enhanced code. net/textproto quotes the words.
var reply = regexp.MustCompile(`\b([45]\d\d)(?:[ -]"?([45]\.\d{1,3}\.\d{1,3}))?\b`)

func replyOf(text string) (code int, enhanced, both string) {
	m := reply.FindStringSubmatch(text)
	if m == nil {
		return 0, "", ""
	}
	code, _ = strconv.Atoi(m[1])
	return code, m[2], strings.TrimSpace(m[1] + " " + m[2])
}

func (n *emailNotifier) fault(what string, err error) error {
	return fmt.Errorf("%s: %w", what, causeOf(err, n.secrets...))
}

// dialOutcome is what it means that no session could be opened. No mail was on
// its way.
func (n *emailNotifier) dialOutcome(err error) *tocsin.Outcome {
	o := &tocsin.Outcome{Verdict: tocsin.Retry, Err: n.fault("open "+n.host, err)}
	code, text := 0, err.Error()
	if said, ok := errors.AsType[*textproto.Error](err); ok {
		code, _, o.Code = replyOf(said.Error())
	}
	_, distrust := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case code == 534 || code == 535 || code == 538:
		o.Verdict, o.Advice = tocsin.Install, "check email.user and email.password"
	case code == 530:
		o.Verdict, o.Advice = tocsin.Install, "the server wants a login or TLS: set email.password, or use smtps://"
	case code >= 500:
		o.Verdict, o.Advice = tocsin.Install, "ask the server's operator why it refuses this machine"
	case strings.Contains(text, "does not support SMTP AUTH"), strings.Contains(text, "unsupported SMTP AUTH"), errors.Is(err, mail.ErrNoSupportedAuthDiscovered):
		o.Verdict, o.Advice = tocsin.Install, "the server offers no login that can be used: check email.smtp, or leave email.password out"
	case strings.Contains(text, "does not support STARTTLS"):
		o.Verdict, o.Advice = tocsin.Install, "use smtps://, or set email.tls to none if you trust the network between"
	case distrust:
		o.Advice = "check the server's certificate; a network's own authority is set with fetch.ca"
	}
	return o
}

// sendOutcome is what it means that the server did not take a mail.
func (n *emailNotifier) sendOutcome(err error) *tocsin.Outcome {
	e, ok := errors.AsType[*mail.SendError](err)
	if !ok {
		return &tocsin.Outcome{Verdict: tocsin.Ambiguous, Err: n.fault("send mail", err)}
	}
	text, _, _ := strings.Cut(e.Error(), ", affected ")
	code, enhanced, both := 0, "", ""
	if e.ErrorCode() != 0 {
		code, enhanced, both = replyOf(text)
	}
	o := &tocsin.Outcome{Code: both, Err: n.fault("send mail", errors.New(text))}
	switch {
	case code != 0:
		o.Verdict, o.Advice = mailVerdict(code, enhanced, e.Reason)
	case e.Reason == mail.ErrSMTPDataClose: // the last line left, and no answer came
		o.Verdict = tocsin.Ambiguous
	case e.Reason == mail.ErrGetSender, e.Reason == mail.ErrGetRcpts, e.Reason == mail.ErrNoUnencoded:
		o.Verdict = tocsin.Refused
	default:
		o.Verdict = tocsin.Retry
	}
	return o
}

// mailVerdict is what a server's refusal means.
// Source: RFC 3463 for the enhanced codes, RFC 5321 section 4.2 for the others.
func mailVerdict(code int, enhanced string, at mail.SendErrReason) (tocsin.Verdict, string) {
	_, class, _ := strings.Cut(enhanced, ".")
	subject, _, _ := strings.Cut(class, ".")
	const (
		address = "check the address, or give the destination another"
		ask     = "ask the mail server's operator: it refuses this sender"
	)
	switch {
	case code < 500, code == 552 && class != "3.4", class == "2.2": // busy, greylisted; or a full mailbox, which its owner may empty
		return tocsin.Retry, ""
	case class == "1.7", class == "1.8", subject == "1" && at == mail.ErrSMTPMailFrom: // the address is ours
		return tocsin.Install, "check email.from"
	case subject == "1", class == "2.1", subject == "4":
		return tocsin.Gone, address
	case subject == "7", code == 530, code == 534, code == 535, code == 538:
		return tocsin.Install, ask
	case subject == "" && at == mail.ErrSMTPRcptTo && (code == 550 || code == 551 || code == 553):
		return tocsin.Gone, address
	case subject == "" && at == mail.ErrSMTPMailFrom:
		return tocsin.Install, ask
	}
	return tocsin.Refused, "ask the mail server's operator why it refuses the message"
}
