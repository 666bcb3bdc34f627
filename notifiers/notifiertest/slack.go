package notifiertest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Fault is one way to misbehave. The zero Fault behaves.
type Fault struct {
	Code       string        // answer ok:false with this error; nothing is applied
	Status     int           // answer with this HTTP status and no JSON
	RetryAfter int           // with Status 429: seconds in the header; 0 leaves the header out
	Body       string        // answer with status 200 and this body
	Reset      bool          // break the connection without an answer
	Hang       bool          // give no answer until the caller goes away
	Slow       time.Duration // wait before answering
	Applied    bool          // do what was asked before misbehaving
}

// faulty reports whether f gives another answer than the work's.
func (f Fault) faulty() bool {
	return f.Code != "" || f.Status != 0 || f.Body != "" || f.Reset || f.Hang
}

// A Message is what stands in a channel.
type Message struct {
	Channel  string
	TS       string
	Text     string
	Blocks   json.RawMessage // nil if there are none
	Metadata Metadata
	Thread   string    // the TS of the message that it stands beneath, or ""
	Aloud    bool      // it shows in the channel too
	Edits    int       // times it was changed
	At       time.Time // when it was posted
	Edited   time.Time // when it was last changed
}

// Metadata is what a message carries for programs.
type Metadata struct {
	EventType string         `json:"event_type"`
	Payload   map[string]any `json:"event_payload"`
}

// A Request is a call as it came.
type Request struct {
	Method  string // "chat.postMessage"
	Form    url.Values
	Token   string // from the Authorization header
	At      time.Time
	Fault   Fault // how it was answered
	Applied bool  // a message was posted or changed
}

// A Slack is a workspace. It is an http.Handler for the API under any path that
// ends in the method's name. Its fields are set before it serves.
type Slack struct {
	Token  string        // the only one it takes; "" takes any
	Scopes string        // in the header X-OAuth-Scopes; "" leaves it out
	Lag    time.Duration // a message shows in the history only when it is this old

	mu       sync.Mutex
	last     int64 // microseconds of the last ts
	channels map[string][]*Message
	refused  map[string]string // channel: code
	closed   map[string]string // ts of a message: the code that replies to it get
	faults   map[string][]Fault
	always   map[string]Fault
	torture  *torture
	requests []Request
	gone     chan struct{}
	once     sync.Once
}

// NewSlack makes a workspace in which every channel exists and is empty.
func NewSlack(token string) *Slack {
	return &Slack{
		Token: token, channels: map[string][]*Message{}, refused: map[string]string{}, closed: map[string]string{},
		faults: map[string][]Fault{}, always: map[string]Fault{}, gone: make(chan struct{}),
	}
}

// Fail makes the next calls of method misbehave, one by one.
func (s *Slack) Fail(method string, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[method] = append(s.faults[method], faults...)
}

// Always makes all calls of method misbehave that Fail does not name. The zero
// Fault ends it.
func (s *Slack) Always(method string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always[method] = f
}

// Refuse makes every call for channel answer with code, "" ends it.
func (s *Slack) Refuse(channel, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[channel] = code
}

// CloseThread makes replies to the message ts, and looks at its thread, answer with
// code, "" ends it.
func (s *Slack) CloseThread(ts, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed[ts] = code
}

// Delete takes away a message, as a person would.
func (s *Slack) Delete(channel, ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels[channel] = slices.DeleteFunc(s.channels[channel], func(m *Message) bool { return m.TS == ts })
}

// Faults makes that share of all calls that post, change or look up misbehave as
// a bad day of the real one does; of 14 faults 5 are 429, 3 are 503 not applied, 2 502
// applied, 2 resets after applying, 1 never answers after applying, 1 resets before.
// Rate 0 ends it.
func (s *Slack) Faults(rate float64, seed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.torture = newTorture(rate, seed)
}

// Messages are what stands in channel, oldest first; of all channels for "".
func (s *Slack) Messages(channel string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	for name, ms := range s.channels {
		if channel == "" || channel == name {
			for _, m := range ms {
				out = append(out, *m)
			}
		}
	}
	slices.SortFunc(out, func(a, b Message) int { return cmp.Compare(a.TS, b.TS) })
	return out
}

// Requests are the calls that came, in order; of one method unless it is "".
func (s *Slack) Requests(method string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Request
	for _, r := range s.requests {
		if method == "" || method == r.Method {
			out = append(out, r)
		}
	}
	return out
}

// Serve answers on l until stop is called. The API is at url + "/api/".
func (s *Slack) Serve(l net.Listener) (stop func()) {
	h := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	var wg sync.WaitGroup
	wg.Go(func() { _ = h.Serve(l) })
	return func() {
		s.once.Do(func() { close(s.gone) }) // those that hang
		h.Close()
		wg.Wait()
	}
}

// Listen serves on a loopback address, "127.0.0.1:0" for any free port. api is
// what a notifier takes as the API address.
func (s *Slack) Listen(addr string) (api string, stop func(), err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, err
	}
	return "http://" + l.Addr().String() + "/api/", s.Serve(l), nil
}

// ServeHTTP answers one call.
func (s *Slack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if r.Method == http.MethodHead || method == "" {
		return
	}
	if err := r.ParseForm(); err != nil { // cut off: nothing is applied
		http.Error(w, "bad form", http.StatusBadRequest)
		return
	}
	f, answer := s.handle(method, r)
	if f.Slow > 0 {
		select {
		case <-time.After(f.Slow):
		case <-s.gone:
		}
	}
	s.reply(w, r, f, answer)
}

// handle does the work and picks how to answer it, in one step.
func (s *Slack) handle(method string, r *http.Request) (Fault, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := strings.TrimSpace(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer"))
	q := Request{Method: method, Form: r.Form, Token: token, At: time.Now(), Fault: s.pick(method)}
	var answer any
	code := q.Fault.Code
	if code == "" && (!q.Fault.faulty() || q.Fault.Applied) {
		answer, code = s.work(&q)
	}
	if code != "" {
		answer = failure(code)
	}
	s.requests = append(s.requests, q)
	return q.Fault, answer
}

func (s *Slack) pick(method string) Fault {
	if queue := s.faults[method]; len(queue) > 0 {
		s.faults[method] = queue[1:]
		return queue[0]
	}
	if f, ok := s.always[method]; ok && f != (Fault{}) {
		return f
	}
	if strings.HasPrefix(method, "chat.") || method == "conversations.history" || method == "conversations.replies" {
		if i := s.torture.pick(); i >= 0 {
			return tortures[i].slack
		}
	}
	return Fault{}
}

type object map[string]any

// failure is the answer for code, which may name what is wrong after a colon.
func failure(code string) object {
	code, why, _ := strings.Cut(code, ": ")
	o := object{"ok": false, "error": code}
	if why != "" {
		o["response_metadata"] = object{"messages": []string{"[ERROR] " + why}}
	}
	if code == "missing_scope" {
		o["needed"], o["provided"] = "chat:write", "channels:read"
	}
	return o
}

func (s *Slack) reply(w http.ResponseWriter, r *http.Request, f Fault, answer any) {
	switch {
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-s.gone:
		}
		panic(http.ErrAbortHandler)
	case f.Reset:
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			shut(c)
		}
	case f.Body != "":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, f.Body)
	case f.Status != 0:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		http.Error(w, "<html>status "+strconv.Itoa(f.Status)+"</html>", f.Status)
	default:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if s.Scopes != "" {
			w.Header().Set("X-OAuth-Scopes", s.Scopes)
		}
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// work does what q asks and returns the answer, or an error code.
func (s *Slack) work(q *Request) (any, string) {
	if q.Token == "" {
		return nil, "not_authed"
	}
	if s.Token != "" && q.Token != s.Token {
		return nil, "invalid_auth"
	}
	channel := q.Form.Get("channel")
	if code := s.refused[channel]; code != "" && channel != "" {
		return nil, code
	}
	switch q.Method {
	case "auth.test":
		return object{"ok": true, "url": "https://example.slack.com/", "team": "Example", "user": "tocsin", "team_id": "T0000001", "user_id": "U0000001", "bot_id": "B0000001"}, ""
	case "conversations.info":
		return object{"ok": true, "channel": object{"id": channel, "name": strings.ToLower(channel), "is_channel": true, "is_member": true}}, ""
	case "conversations.history":
		return s.history(q.Form)
	case "conversations.replies":
		return s.replies(q.Form)
	case "chat.postMessage":
		return s.post(q)
	case "chat.update":
		return s.update(q)
	}
	return nil, "unknown_method"
}

func (s *Slack) post(q *Request) (any, string) {
	m, code := messageOf(q.Form)
	if code != "" {
		return nil, code
	}
	if m.Thread = q.Form.Get("thread_ts"); m.Thread != "" {
		m.Aloud = q.Form.Get("reply_broadcast") == "true"
		if code := s.thread(m.Channel, m.Thread); code != "" {
			return nil, code
		}
	}
	now := time.Now()
	s.last = max(now.UnixMicro(), s.last+1)
	m.TS, m.At = fmt.Sprintf("%010d.%06d", s.last/1e6, s.last%1e6), now
	s.channels[m.Channel] = append(s.channels[m.Channel], m)
	q.Applied = true
	return object{"ok": true, "channel": m.Channel, "ts": m.TS, "message": m.wire(true)}, ""
}

// thread is the code that a thread is refused with, or "".
func (s *Slack) thread(channel, ts string) string {
	i := slices.IndexFunc(s.channels[channel], func(m *Message) bool { return m.TS == ts })
	switch {
	case s.closed[ts] != "":
		return s.closed[ts]
	case i < 0:
		return "thread_not_found"
	case s.channels[channel][i].Thread != "":
		return "cannot_reply_to_message"
	}
	return ""
}

func (s *Slack) update(q *Request) (any, string) {
	n, code := messageOf(q.Form)
	if code != "" {
		return nil, code
	}
	if len([]rune(n.Text)) > 4000 {
		return nil, "msg_too_long"
	}
	i := slices.IndexFunc(s.channels[n.Channel], func(m *Message) bool { return m.TS == q.Form.Get("ts") })
	if i < 0 {
		return nil, "message_not_found"
	}
	m := s.channels[n.Channel][i]
	m.Text, m.Edited = n.Text, time.Now()
	m.Edits++
	if q.Form.Has("blocks") {
		m.Blocks = n.Blocks
	}
	if q.Form.Has("metadata") {
		m.Metadata = n.Metadata
	}
	q.Applied = true
	return object{"ok": true, "channel": m.Channel, "ts": m.TS, "text": m.Text, "message": m.wire(true)}, ""
}

// wire is a message as the API gives it.
func (m *Message) wire(metadata bool) object {
	o := object{"type": "message", "ts": m.TS, "text": m.Text, "bot_id": "B0000001", "user": "U0000001"}
	if m.Blocks != nil {
		o["blocks"] = m.Blocks
	}
	if m.Thread != "" {
		o["thread_ts"] = m.Thread
	}
	if m.Aloud {
		o["subtype"] = "thread_broadcast"
	}
	if metadata && m.Metadata.EventType != "" {
		o["metadata"] = m.Metadata
	}
	return o
}

// history answers newest first, as the real one does.
func (s *Slack) history(q url.Values) (any, string) {
	limit, err := strconv.Atoi(cmp.Or(q.Get("limit"), "100"))
	if err != nil || limit < 1 || limit > 999 {
		return nil, "invalid_limit"
	}
	before := q.Get("latest")
	if c := q.Get("cursor"); c != "" {
		at, ok := strings.CutPrefix(c, "next_ts:")
		if !ok {
			return nil, "invalid_cursor"
		}
		before = at
	}
	inclusive := q.Get("inclusive") == "1" || q.Get("inclusive") == "true"
	metadata := q.Get("include_all_metadata") == "1" || q.Get("include_all_metadata") == "true"
	page := []object{}
	o := object{"ok": true, "has_more": false}
	for _, m := range slices.Backward(s.channels[q.Get("channel")]) {
		if m.Thread != "" && !m.Aloud || time.Since(m.At) < s.Lag || before != "" && m.TS >= before {
			continue
		}
		if oldest := pad(q.Get("oldest")); m.TS < oldest || m.TS == oldest && !inclusive {
			break
		}
		if len(page) == limit {
			o["has_more"] = true
			o["response_metadata"] = object{"next_cursor": "next_ts:" + page[limit-1]["ts"].(string)}
			break
		}
		page = append(page, m.wire(metadata))
	}
	o["messages"] = page
	return o, ""
}

// replies answers the message itself on each page, and what stands beneath it,
// oldest first, as the real one does.
func (s *Slack) replies(q url.Values) (any, string) {
	limit, err := strconv.Atoi(cmp.Or(q.Get("limit"), "100"))
	if err != nil || limit < 1 || limit > 999 {
		return nil, "invalid_limit"
	}
	channel, ts := q.Get("channel"), q.Get("ts")
	if code := s.thread(channel, ts); code != "" {
		return nil, code
	}
	after := pad(q.Get("oldest"))
	if c := q.Get("cursor"); c != "" {
		at, ok := strings.CutPrefix(c, "next_ts:")
		if !ok {
			return nil, "invalid_cursor"
		}
		after = at
	}
	metadata := q.Get("include_all_metadata") == "1" || q.Get("include_all_metadata") == "true"
	page := []object{}
	o := object{"ok": true, "has_more": false}
	for _, m := range s.channels[channel] {
		if m.TS == ts {
			page = append(page, m.wire(metadata))
		}
		if m.Thread != ts || m.TS <= after || time.Since(m.At) < s.Lag {
			continue
		}
		if len(page) > limit {
			o["has_more"] = true
			o["response_metadata"] = object{"next_cursor": "next_ts:" + page[limit]["ts"].(string)}
			break
		}
		page = append(page, m.wire(metadata))
	}
	o["messages"] = page
	return o, ""
}

// pad makes a ts comparable as text.
func pad(ts string) string {
	whole, part, _ := strings.Cut(ts, ".")
	return strings.Repeat("0", max(0, 10-len(whole))) + whole + "." + (part + "000000")[:6]
}

// messageOf reads a message and holds it to the limits.
func messageOf(q url.Values) (*Message, string) {
	m := &Message{Channel: q.Get("channel"), Text: q.Get("text")}
	if m.Channel == "" {
		return nil, "channel_not_found"
	}
	if b := q.Get("blocks"); b != "" && b != "[]" {
		m.Blocks = json.RawMessage(b)
		if err := CheckBlocks(m.Blocks); err != nil {
			return nil, err.Error()
		}
	}
	if m.Text == "" && m.Blocks == nil {
		return nil, "no_text"
	}
	if len([]rune(m.Text)) > 40_000 {
		return nil, "msg_too_long"
	}
	if meta := q.Get("metadata"); meta != "" {
		d := json.NewDecoder(bytes.NewReader([]byte(meta)))
		d.DisallowUnknownFields()
		if d.Decode(&m.Metadata) != nil || m.Metadata.EventType == "" || m.Metadata.Payload == nil {
			return nil, "invalid_metadata_format"
		}
		if err := CheckTypes("metadata", json.RawMessage(meta)); err != nil {
			return nil, "invalid_metadata_format: " + err.Error()
		}
		if len(meta) > 8000 {
			return nil, "metadata_too_large"
		}
	}
	return m, ""
}
