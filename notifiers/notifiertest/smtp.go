package notifiertest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/mail"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// A Mode is one way in which a mail server treats a message or a connection.
type Mode string

// The modes. A message is stored by Honest, Stored451 and the modes that
// misbehave after the dot.
const (
	Honest        Mode = ""
	Busy          Mode = "busy"            // 421 instead of a greeting
	Greylist      Mode = "450"             // 450 4.2.1 to RCPT
	Unknown       Mode = "550"             // 550 5.1.1 to RCPT
	Denied        Mode = "554"             // 554 5.7.1 to RCPT
	Full          Mode = "552"             // 552 5.2.2 to RCPT
	Refuse451     Mode = "451 after dot"   // not stored
	Stored451     Mode = "451 but stored"  // stored all the same
	TooBig        Mode = "552 after dot"   // 552 5.3.4, not stored
	DropBeforeDot Mode = "drop before dot" // the connection breaks while the message comes
	DropAfterDot  Mode = "drop after dot"  // the message is stored, and the connection breaks
	HangAfterDot  Mode = "hang after dot"  // the message is stored, and no answer comes
	DieOnReset    Mode = "die on RSET"     // the message is stored and confirmed; the next RSET breaks the connection
	Echo          Mode = "echo"            // refuses each login with what it was sent
)

// Mail is a message that was stored.
type Mail struct {
	From, To string // of the envelope
	Data     []byte
	Header   mail.Header
	User     string // who was logged in
	TLS      bool
	At       time.Time
}

// ID is the message's Message-ID with its brackets.
func (m Mail) ID() string { return m.Header.Get("Message-ID") }

// An SMTP is a mail server. Its fields are set before it serves.
type SMTP struct {
	User, Password string      // the only login it takes; "" asks for none
	TLS            *tls.Config // offers STARTTLS; nil does not
	Implicit       bool        // TLS from the first byte

	mu      sync.Mutex
	modes   []Mode
	always  Mode
	torture *torture
	mails   []Mail
	conns   int
	gone    chan struct{}
	once    sync.Once
}

// NewSMTP makes an honest server with an empty store.
func NewSMTP() *SMTP { return &SMTP{gone: make(chan struct{})} }

// Fail makes the next messages meet these modes, one by one. Busy is met by the
// next connection, and Echo by all logins while Always names it.
func (s *SMTP) Fail(modes ...Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.modes = append(s.modes, modes...)
}

// Always makes all messages meet mode that Fail does not name. Honest ends it.
func (s *SMTP) Always(mode Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = mode
}

// Faults makes that share of all messages meet a mode at random, as Slack.Faults
// does: of 14 faults 5 are 450, 3 are 451 not stored, 2 are 451 but stored, 2 drops
// after the dot, 1 hangs after it, 1 drops before it. Rate 0 ends it.
func (s *SMTP) Faults(rate float64, seed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.torture = newTorture(rate, seed)
}

// Mails are the messages that were stored, in order.
func (s *SMTP) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Conns is how many connections came.
func (s *SMTP) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// Serve answers on l until stop is called.
func (s *SMTP) Serve(l net.Listener) (stop func()) {
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &mailSession{s: s, c: c}, nil }))
	server.Domain = "localhost"
	server.TLSConfig = s.TLS
	server.AllowInsecureAuth = true
	server.MaxMessageBytes = 10 << 20
	server.ErrorLog = log.New(io.Discard, "", 0) // broken connections are the point
	l = watchedListener{l, s}
	if s.Implicit {
		l = tls.NewListener(l, s.TLS)
		server.TLSConfig = nil
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(l) })
	return func() {
		s.once.Do(func() { close(s.gone) })
		server.Close()
		l.Close()
		wg.Wait()
	}
}

// Listen serves on a loopback address, "127.0.0.1:0" for any free port.
func (s *SMTP) Listen(addr string) (at string, stop func(), err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, err
	}
	return l.Addr().String(), s.Serve(l), nil
}

// mode is how the next message is treated.
func (s *SMTP) mode() Mode {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.modes) > 0 {
		m := s.modes[0]
		s.modes = s.modes[1:]
		return m
	}
	if s.always != Honest && s.always != Echo && s.always != Busy {
		return s.always
	}
	if i := s.torture.pick(); i >= 0 {
		return tortures[i].smtp
	}
	return Honest
}

// busy reports whether the next connection is turned away.
func (s *SMTP) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns++
	if len(s.modes) > 0 && s.modes[0] == Busy {
		s.modes = s.modes[1:]
		return true
	}
	return s.always == Busy
}

// A watchedListener turns connections away where the server is busy, and watches
// the others: go-smtp itself cannot break them at the right moment.
type watchedListener struct {
	net.Listener
	s *SMTP
}

func (l watchedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if !l.s.busy() {
			return &watched{Conn: c}, nil
		}
		go func() {
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.WriteString(c, "421 4.3.2 busy, try again later\r\n")
			c.Close()
		}()
	}
}

// watched is a connection that breaks at the next RSET when it is told to. It
// sees no commands below TLS.
type watched struct {
	net.Conn
	mu  sync.Mutex
	die bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.die && bytes.Contains(bytes.ToUpper(p[:n]), []byte("RSET")) {
		w.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}

type mailSession struct {
	s        *SMTP
	c        *smtp.Conn
	user     string
	from, to string
	mode     Mode
}

func (m *mailSession) Reset()        { m.from, m.to = "", "" }
func (m *mailSession) Logout() error { return nil }

func (m *mailSession) AuthMechanisms() []string {
	if m.s.User == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (m *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		m.s.mu.Lock()
		echo := m.s.always == Echo
		m.s.mu.Unlock()
		switch {
		case echo:
			return refuse(535, 5, 7, 8, "bad login "+user+" "+password)
		case user != m.s.User || password != m.s.Password:
			return smtp.ErrAuthFailed
		}
		m.user = user
		return nil
	}), nil
}

func refuse(code, a, b, c int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{a, b, c}, Message: text}
}

func (m *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if m.s.User != "" && m.user == "" {
		return refuse(530, 5, 7, 0, "log in first")
	}
	m.from, m.mode = from, m.s.mode()
	return nil
}

func (m *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch m.mode {
	case Greylist:
		return refuse(450, 4, 2, 1, "try again later")
	case Unknown:
		return refuse(550, 5, 1, 1, "no such user")
	case Denied:
		return refuse(554, 5, 7, 1, "relay access denied")
	case Full:
		return refuse(552, 5, 2, 2, "mailbox full")
	}
	m.to = to
	return nil
}

// Data reads the message, stores it or not, and answers or not.
func (m *mailSession) Data(r io.Reader) error {
	if m.mode == DropBeforeDot {
		shut(m.c.Conn())
		return errors.New("dropped")
	}
	data, err := io.ReadAll(r)
	if err != nil { // cut off: never stored
		return err
	}
	switch m.mode {
	case Refuse451:
		return refuse(451, 4, 7, 1, "greylisted")
	case TooBig:
		return refuse(552, 5, 3, 4, "message too big")
	}
	if err := m.store(data); err != nil {
		return refuse(554, 5, 6, 0, err.Error())
	}
	switch m.mode {
	case Stored451:
		return refuse(451, 4, 3, 0, "cannot tell whether it was stored")
	case DropAfterDot:
		shut(m.c.Conn())
		return errors.New("dropped")
	case HangAfterDot:
		m.hang()
		return errors.New("hung")
	case DieOnReset:
		if w, ok := m.c.Conn().(*watched); ok {
			w.mu.Lock()
			w.die = true
			w.mu.Unlock()
		}
	}
	return nil
}

// hang waits for the sender to go away.
func (m *mailSession) hang() {
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, _ = io.Copy(io.Discard, m.c.Conn())
	}()
	select {
	case <-left:
	case <-m.s.gone:
		m.c.Conn().Close()
		<-left
	}
}

func (m *mailSession) store(data []byte) error {
	parsed, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return err
	}
	_, secure := m.c.TLSConnectionState()
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	m.s.mails = append(m.s.mails, Mail{From: m.from, To: m.to, Data: data, Header: parsed.Header, User: m.user, TLS: secure, At: time.Now()})
	return nil
}
