package notifiertest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// A SlackApp is the part of a workspace that people use: commands, clicks, modals
// and the app's home, sent to an app over Socket Mode or signed over HTTP. It is an
// http.Handler for the API, as Slack is. Its fields are set before it serves.
type SlackApp struct {
	*Slack
	AppToken string                   // the only one that may connect; "" takes any
	Base     string                   // where it is reached: "http://127.0.0.1:80"
	Members  map[string][]string      // of channels; a channel that is not there has everybody
	Admins   []string                 // users
	Absent   map[string]bool          // channels that the app was not invited to
	Pings    time.Duration            // between pings of a connection; 0 sends none but by Ping
	Ack      func(time.Duration, any) // is told of each acknowledgement

	mu      sync.Mutex
	sockets []*socket
	opened  int
	next    int
	waits   map[string]chan any // by envelope
	views   map[string]*ShownView
	homes   map[string]json.RawMessage // by user
	answers map[string][]json.RawMessage
	spent   map[string]bool // triggers
	wake    chan struct{}
}

// A ShownView is a modal as a person sees it.
type ShownView struct {
	ID, Hash string
	View     json.RawMessage
	Updates  int
}

type socket struct {
	conn *websocket.Conn
	mu   sync.Mutex // writes
	told bool       // to go
}

// NewSlackApp makes a workspace whose people use an app.
func NewSlackApp(token string) *SlackApp {
	return &SlackApp{
		Slack: NewSlack(token), Members: map[string][]string{}, Absent: map[string]bool{}, waits: map[string]chan any{},
		views: map[string]*ShownView{}, homes: map[string]json.RawMessage{}, answers: map[string][]json.RawMessage{},
		spent: map[string]bool{}, wake: make(chan struct{}),
	}
}

// ServeHTTP answers a call, takes an answer at a response_url, or is a socket.
func (s *SlackApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case r.URL.Path == "/socket":
		s.socket(w, r)
		return
	case strings.HasPrefix(r.URL.Path, "/answer/"):
		s.answered(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil {
		http.Error(w, "cut off", http.StatusBadRequest)
		return
	}
	work := s.method(method)
	if work == nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.Slack.ServeHTTP(w, r)
		return
	}
	q := Request{Method: method, At: time.Now(), Token: strings.TrimSpace(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer"))}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		q.Form = url.Values{"json": {string(body)}}
	} else {
		q.Form, _ = url.ParseQuery(string(body))
	}
	s.Slack.mu.Lock()
	q.Fault = s.pick(method)
	s.Slack.mu.Unlock()
	answer, code := object(nil), q.Fault.Code
	if code == "" && !q.Fault.faulty() {
		answer, code = work(q)
	}
	if code != "" {
		answer = failure(code)
	}
	s.Slack.mu.Lock()
	s.requests = append(s.requests, q)
	s.Slack.mu.Unlock()
	s.stir()
	s.reply(w, r, q.Fault, answer)
}

func (s *SlackApp) method(name string) func(Request) (object, string) {
	m := map[string]func(Request) (object, string){
		"apps.connections.open": s.connectionsOpen, "views.open": s.viewsOpen, "views.update": s.viewsUpdate, "views.publish": s.viewsPublish,
		"conversations.members": s.members, "users.info": s.userInfo, "conversations.info": s.conversation,
	}[name]
	if m == nil {
		return nil
	}
	return func(q Request) (object, string) {
		want := s.Token
		if name == "apps.connections.open" {
			want = s.AppToken
		}
		if want != "" && q.Token != want {
			return nil, "invalid_auth"
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return m(q)
	}
}

func (s *SlackApp) connectionsOpen(Request) (object, string) {
	s.opened++
	return object{"ok": true, "url": fmt.Sprintf("ws%s/socket?ticket=%d", strings.TrimPrefix(s.Base, "http"), s.opened)}, ""
}

// Opened is how often a connection was asked for.
func (s *SlackApp) Opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

func (s *SlackApp) members(q Request) (object, string) {
	channel := q.Form.Get("channel")
	if s.Absent[channel] && strings.HasPrefix(channel, "G") {
		return nil, "channel_not_found"
	}
	users, ok := s.Members[channel]
	if !ok {
		users = []string{"U0000001", "UANN", "UBOB", "U1ANN000", "U2BOB000"}
	}
	return object{"ok": true, "members": users, "response_metadata": object{"next_cursor": ""}}, ""
}

func (s *SlackApp) userInfo(q Request) (object, string) {
	user := q.Form.Get("user")
	return object{"ok": true, "user": object{"id": user, "is_admin": slices.Contains(s.Admins, user)}}, ""
}

func (s *SlackApp) conversation(q Request) (object, string) {
	channel := q.Form.Get("channel")
	if code := s.refusal(channel); code == "channel_not_found" {
		return nil, code
	} else if code != "" {
		return object{"ok": true, "channel": object{"id": channel, "is_archived": code == "is_archived", "is_member": code != "not_in_channel"}}, ""
	}
	return object{"ok": true, "channel": object{"id": channel, "name": strings.ToLower(channel), "is_channel": true, "is_member": !s.Absent[channel]}}, ""
}

func (s *SlackApp) refusal(channel string) string {
	s.Slack.mu.Lock()
	defer s.Slack.mu.Unlock()
	return s.refused[channel]
}

func (s *SlackApp) socket(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{}
	c, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	sock := &socket{conn: c}
	if sock.write(object{"type": "hello", "num_connections": 1}) != nil {
		c.Close()
		return
	}
	s.mu.Lock()
	s.sockets = append(s.sockets, sock)
	s.mu.Unlock()
	s.stir()
	defer s.drop(sock)
	if s.Pings > 0 {
		ended := make(chan struct{})
		var pinging sync.WaitGroup
		pinging.Go(func() { sock.ping(s.Pings, ended) })
		defer pinging.Wait()
		defer close(ended)
	}
	for {
		var a struct {
			ID      string `json:"envelope_id"`
			Payload any    `json:"payload"`
		}
		if err := c.ReadJSON(&a); err != nil {
			return
		}
		s.mu.Lock()
		wait := s.waits[a.ID]
		delete(s.waits, a.ID)
		s.mu.Unlock()
		if wait != nil {
			wait <- a.Payload
		}
	}
}

func (k *socket) write(v any) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	return k.conn.WriteJSON(v)
}

func (k *socket) ping(every time.Duration, ended <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			_ = k.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(5*time.Second))
		}
	}
}

func (s *SlackApp) drop(k *socket) {
	k.conn.Close()
	s.mu.Lock()
	s.sockets = slices.DeleteFunc(s.sockets, func(o *socket) bool { return o == k })
	s.mu.Unlock()
	s.stir()
}

// Connections are how many sockets stand that were not told to go.
func (s *SlackApp) Connections() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.sockets {
		if !k.told {
			n++
		}
	}
	return n
}

// Ping pings all connections.
func (s *SlackApp) Ping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.sockets {
		_ = k.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(5*time.Second))
	}
}

// Refresh tells the first n connections to go, as Slack does every few hours, and
// closes them after a time.
func (s *SlackApp) Refresh(n int, after time.Duration) {
	s.mu.Lock()
	going := slices.Clone(s.sockets[:min(n, len(s.sockets))])
	for _, k := range going {
		k.told = true
	}
	s.mu.Unlock()
	for _, k := range going {
		_ = k.write(object{"type": "disconnect", "reason": "refresh_requested"})
		time.AfterFunc(after, func() { k.conn.Close() })
	}
}

// Cut breaks all connections without a word.
func (s *SlackApp) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.sockets {
		k.conn.Close()
	}
}

// Emit sends an envelope over a connection, or over all where twice is set, and
// returns what was answered to the first. It reports false if nobody listens or
// nothing comes within 3 s.
func (s *SlackApp) Emit(kind string, payload any, twice bool) (ack any, ok bool) {
	s.mu.Lock()
	s.next++
	id := fmt.Sprintf("envelope-%d", s.next)
	var to []*socket
	for _, k := range s.sockets {
		if !k.told {
			to = append(to, k)
		}
	}
	if len(to) == 0 {
		to = slices.Clone(s.sockets)
	}
	if len(to) == 0 {
		s.mu.Unlock()
		return nil, false
	}
	first := s.next % len(to)
	to[0], to[first] = to[first], to[0]
	wait := make(chan any, 1)
	s.waits[id] = wait
	s.mu.Unlock()
	if !twice {
		to = to[:1]
	}
	began := time.Now()
	for _, k := range to {
		_ = k.write(object{"type": kind, "envelope_id": id, "payload": payload, "accepts_response_payload": true})
	}
	select {
	case ack = <-wait:
	case <-time.After(3 * time.Second):
		return nil, false
	}
	if s.Ack != nil {
		s.Ack(time.Since(began), ack)
	}
	return ack, true
}

// Slash is a command that a user gives in a channel. Its answers are found by name.
func (s *SlackApp) Slash(name, user, channel, text string) map[string]any {
	return map[string]any{
		"team_id": "T0000001", "channel_id": channel, "user_id": user, "command": "/tocsin", "text": text,
		"response_url": s.Base + "/answer/" + name, "trigger_id": "trigger-" + name,
	}
}

// Click is a click on a button of a message.
func (s *SlackApp) Click(name, user, channel, ts, action, value string) map[string]any {
	return map[string]any{
		"type": "block_actions", "team": object{"id": "T0000001"}, "user": object{"id": user, "team_id": "T0000001"}, "channel": object{"id": channel},
		"container": object{"message_ts": ts, "channel_id": channel}, "response_url": s.Base + "/answer/" + name, "trigger_id": "trigger-" + name,
		"actions": []object{{"action_id": action, "block_id": "b", "value": value}},
	}
}

func (s *SlackApp) answered(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/answer/")
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var m struct {
		Text   string          `json:"text"`
		Blocks json.RawMessage `json:"blocks"`
	}
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err == nil && len(m.Blocks) > 0 && string(m.Blocks) != "null" {
		err = CheckAnswer(m.Blocks)
	}
	if err != nil || m.Text == "" {
		http.Error(w, fmt.Sprint("invalid_blocks ", err), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	full := len(s.answers[name]) >= 5
	if !full {
		s.answers[name] = append(s.answers[name], body)
	}
	s.mu.Unlock()
	if full {
		http.Error(w, "used_url", http.StatusNotFound)
		return
	}
	s.stir()
	fmt.Fprint(w, "ok")
}

func (s *SlackApp) stir() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.wake)
	s.wake = make(chan struct{})
}

// Until waits until done holds, which is asked whenever something comes in, for at
// most a minute.
func (s *SlackApp) Until(done func() bool) bool {
	end := time.NewTimer(time.Minute)
	defer end.Stop()
	for {
		s.mu.Lock()
		wake := s.wake
		s.mu.Unlock()
		if done() {
			return true
		}
		select {
		case <-wake:
		case <-end.C:
			return done()
		}
	}
}

// Answers are what came to the response_url of a name.
func (s *SlackApp) Answers(name string) []json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.answers[name])
}

// View is a modal as it is shown, the newest for "".
func (s *SlackApp) View(id string) ShownView {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.views[id]; v != nil {
		return *v
	}
	var newest ShownView
	for _, v := range s.views {
		if len(v.ID) > len(newest.ID) || len(v.ID) == len(newest.ID) && v.ID > newest.ID {
			newest = *v
		}
	}
	return newest
}

// Home is the app's home as a user sees it.
func (s *SlackApp) Home(user string) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.homes[user]
}

// Signed is a request that Slack would send over HTTP: a payload of Slash as a form,
// one of Click as a form that holds it, anything else as JSON.
func Signed(address, secret, kind string, payload map[string]any, at time.Time) (*http.Request, error) {
	body, media := "", "application/x-www-form-urlencoded"
	data, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "slash_commands":
		form := url.Values{}
		for k, v := range payload {
			form.Set(k, fmt.Sprint(v))
		}
		body = form.Encode()
	case "interactive":
		body = url.Values{"payload": {string(data)}}.Encode()
	default:
		body, media = string(data), "application/json"
	}
	q, err := http.NewRequest(http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	stamp := fmt.Sprint(at.Unix())
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":" + body))
	q.Header.Set("Content-Type", media)
	q.Header.Set("X-Slack-Request-Timestamp", stamp)
	q.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return q, nil
}

// Serve answers on l until stop is called.
func (s *SlackApp) Serve(l net.Listener) (stop func()) {
	h := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	var wg sync.WaitGroup
	wg.Go(func() { _ = h.Serve(l) })
	return func() {
		s.once.Do(func() { close(s.gone) }) // those that hang
		h.Close()
		s.Cut()
		wg.Wait()
		s.Until(func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.sockets) == 0
		})
	}
}
