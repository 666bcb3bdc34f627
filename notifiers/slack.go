package notifiers

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"tocsin"
)

// slackKind posts to channels by an app's bot token. Slack takes one message a
// second and channel, and short bursts; 50 edits a minute and workspace.
// Source: https://docs.slack.dev/apis/web-api/rate-limits
var slackKind = Kind{Name: "slack", Edits: true, Threads: true, Answers: true, Every: time.Second, Burst: 3, EditEvery: time.Minute / 50, EditBurst: 10, CheckTo: checkChannel, open: openSlack}

// SlackConfig is the app that posts. A zero Token leaves the kind closed.
type SlackConfig struct {
	Token tocsin.Secret
	API   string       // "" means https://slack.com/api/; GovSlack is https://slack-gov.com/api/
	HTTP  *http.Client // nil means a client with the environment's proxy; its Transport must be an *http.Transport or nil

	// Buttons are what people can press below an alert; nil means none, for an app
	// that does not hear.
	Buttons func(alert string) []slack.BlockElement
}

const slackAPI = "https://slack.com/api/"

var channelID = regexp.MustCompile(`^[CDG][A-Z0-9]{7,20}$`)

func checkChannel(to string) error {
	if channelID.MatchString(to) {
		return nil
	}
	return fmt.Errorf("slack channel %q: give the channel's id, like C024BE91L; Slack shows it at the end of the channel's details", short(flat(to), 60))
}

type slackNotifier struct {
	api       *slack.Client
	http      *http.Client
	transport *http.Transport
	endpoint  string
	token     tocsin.Secret
	buttons   func(alert string) []slack.BlockElement

	mu     sync.Mutex
	warmed time.Time // when a connection was last known to work
}

func openSlack(c Config) (Notifier, error) {
	if c.Slack.Token == "" {
		return nil, nil
	}
	endpoint := cmp.Or(c.Slack.API, slackAPI)
	if !strings.HasSuffix(endpoint, "/") {
		endpoint += "/"
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return nil, errors.New("the API address must be like " + slackAPI)
	}
	if u.Scheme != "https" && !loopback(u.Hostname()) {
		return nil, errors.New("the API address must begin with https://: the token would be readable on the network")
	}
	client, transport, err := guardedClient(c.Slack.HTTP)
	if err != nil {
		return nil, err
	}
	s := &slackNotifier{http: client, transport: transport, endpoint: endpoint, token: c.Slack.Token, buttons: c.Slack.Buttons}
	s.api = slack.New("", slack.OptionAPIURL(endpoint), slack.OptionHTTPClient(s))
	return s, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// guardedClient is a copy of c whose connections are guards. It speaks HTTP/1.1:
// in HTTP/2 other requests write to the same connection.
func guardedClient(c *http.Client) (*http.Client, *http.Transport, error) {
	if c == nil {
		c = &http.Client{}
	}
	base := c.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	t, ok := base.(*http.Transport)
	if !ok {
		return nil, nil, fmt.Errorf("the HTTP client's transport is a %T, must be an *http.Transport", base)
	}
	t = t.Clone()
	if t.DialContext == nil {
		t.DialContext = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	}
	t.DialContext = guarded(t.DialContext)
	if t.DialTLSContext != nil {
		t.DialTLSContext = guarded(t.DialTLSContext)
	}
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	if t.TLSClientConfig != nil { // a clone, but one that may have learnt to offer HTTP/2
		t.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	t.IdleConnTimeout = time.Minute
	t.MaxIdleConnsPerHost = 8
	return &http.Client{
		Transport:     t,
		Timeout:       cmp.Or(c.Timeout, time.Minute), // a caller's context may end it sooner
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, t, nil
}

func (s *slackNotifier) close() { s.transport.CloseIdleConnections() }

// maxAnswer is the most bytes read of an answer: a page of history of 100 long
// messages is about 2 MB.
const maxAnswer = 8 << 20

// Do carries slack-go's requests. It moves the token from the form, where logs of
// bodies would show it, to the header.
func (s *slackNotifier) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	form.Del("token")
	q, err := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	q.Header = r.Header
	q.Header.Set("Authorization", "Bearer "+string(s.token))
	p, err := s.http.Do(q)
	if err != nil {
		return nil, err
	}
	if _, err := strconv.ParseInt(p.Header.Get("Retry-After"), 10, 32); err != nil {
		p.Header.Del("Retry-After") // slack-go fails on a date, and then hides the status
	}
	p.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(p.Body, maxAnswer), p.Body}
	s.mu.Lock()
	s.warmed = time.Now()
	s.mu.Unlock()
	return p, nil
}

// warm makes sure that a connection stands, so that Send need not dial.
func (s *slackNotifier) warm(ctx context.Context) error {
	s.mu.Lock()
	fresh := time.Since(s.warmed) < 30*time.Second && !s.warmed.IsZero()
	s.mu.Unlock()
	if fresh {
		return nil
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodHead, s.endpoint, nil)
	if err != nil {
		return err
	}
	p, err := s.http.Do(q)
	if err != nil {
		return &tocsin.Outcome{Verdict: tocsin.Retry, Err: s.cause(err)}
	}
	p.Body.Close()
	s.mu.Lock()
	s.warmed = time.Now()
	s.mu.Unlock()
	return nil
}

type slackReady struct {
	*slackNotifier
	d   tocsin.Delivery
	msg slackMessage
}

// Prepare renders d and opens a connection if none stands.
func (s *slackNotifier) Prepare(ctx context.Context, d tocsin.Delivery) (Ready, error) {
	if err := checkChannel(d.To.To); err != nil && !(d.Kind == tocsin.Notice && CheckPerson(d.To.To) == nil) {
		return nil, &tocsin.Outcome{Verdict: tocsin.Gone, Err: err}
	}
	msg := slackShown(d, time.Now(), s.buttons)
	if err := s.warm(ctx); err != nil {
		return nil, err
	}
	return &slackReady{s, d, msg}, nil
}

// slackShown is d as it goes to Slack, with what people can press.
func slackShown(d tocsin.Delivery, now time.Time, buttons func(alert string) []slack.BlockElement) slackMessage {
	msg := slackMessageOf(d, now)
	if post := d.Kind == tocsin.Post || d.Kind == tocsin.Edit; post && buttons != nil && d.Alert.Into == "" {
		msg.blocks = append(msg.blocks, slack.NewActionBlock("", buttons(d.Alert.ID)...))
	}
	return msg
}

func (r *slackReady) Close() {}

// Send posts or edits. Where Slack refuses the form of the message, the same
// text goes once more without it: what was refused was not applied.
func (r *slackReady) Send(ctx context.Context) (string, error) {
	ref, err := r.try(ctx, slack.MsgOptionBlocks(r.msg.blocks...), r.metadata())
	o, ok := errors.AsType[*tocsin.Outcome](err)
	if !ok || plainable[o.Code] == "" {
		return ref, err
	}
	plain := []slack.MsgOption{slack.MsgOptionBlocks()} // an edit without blocks would keep the old ones
	if !strings.Contains(o.Code, "metadata") {
		plain = append(plain, r.metadata()) // without it no look-up finds the message
	}
	return r.try(ctx, plain...)
}

// slackEvent is the metadata's event type; its payload holds nothing but the
// delivery's opaque id, for every app in the workspace can read it.
const (
	slackEvent   = "tocsin_delivery"
	slackEventID = "id"
)

func (r *slackReady) metadata() slack.MsgOption {
	if r.edits() {
		return slack.MsgOptionCompose() // chat.update keeps the post's
	}
	return slack.MsgOptionMetadata(slack.SlackMetadata{EventType: slackEvent, EventPayload: map[string]any{slackEventID: r.d.ID}})
}

func (r *slackReady) edits() bool { return isEdit(r.d) }

// isThreaded reports whether d stands beneath another message.
func isThreaded(d tocsin.Delivery) bool { return d.Kind == tocsin.Reply && d.Ref != "" }

func isEdit(d tocsin.Delivery) bool { return d.Kind == tocsin.Edit || d.Kind == tocsin.Update }

func (r *slackReady) try(ctx context.Context, options ...slack.MsgOption) (string, error) {
	a := &attempt{notAfter: r.d.NotAfter}
	options = append(options, slack.MsgOptionText(r.msg.text, false), slack.MsgOptionParse(false),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl())
	var channel, ts string
	var err error
	to, old, ok := splitRef(r.d.Ref)
	if !ok && (r.edits() || isThreaded(r.d)) {
		return "", &tocsin.Outcome{Verdict: tocsin.NoEdit, Err: fmt.Errorf("%s slack message: %q is not the ref of one", r.d.Kind, short(flat(r.d.Ref), 60))}
	}
	switch {
	case r.edits():
		channel, ts, _, err = r.api.UpdateMessageContext(a.armed(ctx), to, old, options...)
	case isThreaded(r.d):
		options = append(options, slack.MsgOptionTS(old))
		if r.d.Aloud {
			options = append(options, slack.MsgOptionBroadcast())
		}
		channel, ts, err = r.api.PostMessageContext(a.armed(ctx), to, options...)
	default:
		channel, ts, err = r.api.PostMessageContext(a.armed(ctx), r.d.To.To, options...)
	}
	if err == nil && ts == "" {
		err = errors.New("the answer names no message")
	}
	if err != nil {
		o := r.outcome(err, a)
		if isThreaded(r.d) && slackThreadCodes[o.Code] != "" {
			o.Verdict = tocsin.NoEdit // the channel is well
		}
		return "", o
	}
	return joinRef(cmp.Or(channel, r.d.To.To), ts), nil
}

// A ref is "channel/ts": for a person's id Slack answers with another channel,
// and an edit needs that one.
func joinRef(channel, ts string) string { return channel + "/" + ts }

func splitRef(ref string) (channel, ts string, ok bool) {
	channel, ts, ok = strings.Cut(ref, "/")
	return channel, ts, ok && channel != "" && ts != ""
}

// pause is how long to wait where Slack says "too fast" but not how long.
const pause = 30 * time.Second

// outcome is what err means after a. A nil a stands for a request that changes
// nothing: it is never ambiguous.
func (s *slackNotifier) outcome(err error, a *attempt) *tocsin.Outcome {
	if a != nil && a.refused.Load() {
		return withheld()
	}
	unsure := tocsin.Retry
	if a != nil && a.wrote.Load() {
		unsure = tocsin.Ambiguous
	}
	if e, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		after := min(max(e.RetryAfter, time.Second), time.Hour)
		return &tocsin.Outcome{Verdict: tocsin.Rate, Code: "429", After: after, Err: errors.New("slack asks to wait " + after.String())}
	}
	if e, ok := errors.AsType[slack.StatusCodeError](err); ok {
		return statusOutcome(e.Code, unsure)
	}
	if e, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return s.codeOutcome(e, unsure)
	}
	return &tocsin.Outcome{Verdict: unsure, Err: s.cause(err)}
}

func statusOutcome(status int, unsure tocsin.Verdict) *tocsin.Outcome {
	o := &tocsin.Outcome{Verdict: unsure, Code: strconv.Itoa(status), Err: errors.New("slack answered with HTTP status " + strconv.Itoa(status))}
	switch {
	case status == http.StatusTooManyRequests:
		o.Verdict, o.After = tocsin.Rate, pause
	case status >= 300 && status < 500 && status != http.StatusRequestTimeout:
		o.Verdict, o.Advice = tocsin.Retry, "look for a proxy that stands between, and check slack.api"
	}
	return o
}

func (s *slackNotifier) codeOutcome(e slack.SlackErrorResponse, unsure tocsin.Verdict) *tocsin.Outcome {
	code := fit(e.Err, s.token)
	o := &tocsin.Outcome{Verdict: slackCodes[code], Code: code, Advice: slackAdvice[code], Err: errors.New("slack refused")}
	switch o.Verdict {
	case tocsin.Rate:
		o.After = pause
	case tocsin.Ambiguous:
		o.Verdict = unsure
	case "":
		o.Verdict, o.Tries = tocsin.Retry, 5
		o.Advice = "look the code up at https://docs.slack.dev and report it: this version does not know it"
	}
	if e.Needed != "" {
		o.Err = fmt.Errorf("slack refused: needs %s, has %s", fit(e.Needed, s.token), fit(e.Provided, s.token))
	}
	if why := strings.Join(e.ResponseMetadata.Messages, "; "); why != "" {
		o.Err = errors.New("slack refused: " + fit(why, s.token))
	}
	return o
}

// cause drops the address of the request from err and keeps what went wrong.
func (s *slackNotifier) cause(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fmt.Errorf("reach %s: %w", hostOf(s.endpoint), causeOf(err, s.token))
}

// Check tries the token, and whether it may post.
func (s *slackNotifier) Check(ctx context.Context) error {
	who, err := s.api.AuthTestContext(ctx)
	if err != nil {
		return s.outcome(err, nil)
	}
	scopes := who.Header.Get("X-OAuth-Scopes")
	if scopes != "" && !strings.Contains(","+strings.ReplaceAll(scopes, " ", "")+",", ",chat:write,") {
		return &tocsin.Outcome{Verdict: tocsin.Install, Code: "missing_scope", Advice: slackAdvice["missing_scope"], Err: errors.New("the token lacks the scope chat:write")}
	}
	return nil
}

// findSlack is how long before Delivery.Since a look-up begins, for the clocks of
// Slack and of this machine differ; findPages bounds it, 100 messages a page.
const (
	findSlack = time.Minute
	findPages = 50
)

// Find reads the channel's history for the delivery's id, or the thread that the
// delivery belongs to.
func (s *slackNotifier) Find(ctx context.Context, d tocsin.Delivery) (string, bool, error) {
	if isEdit(d) {
		return "", false, nil
	}
	q := url.Values{
		"channel": {d.To.To}, "limit": {"100"}, "include_all_metadata": {"true"}, "inclusive": {"true"},
		"oldest": {fmt.Sprintf("%d.000000", d.Since.Add(-findSlack).Unix())},
	}
	method, in := "conversations.history", d.To.To
	if isThreaded(d) {
		channel, ts, ok := splitRef(d.Ref)
		if !ok {
			return "", false, nil // nothing was sent
		}
		method, in = "conversations.replies", channel
		q.Set("channel", channel)
		q.Set("ts", ts)
	}
	for range findPages {
		page, err := s.history(ctx, method, q)
		if err != nil {
			o := s.outcome(err, nil)
			if isThreaded(d) && slackThreadCodes[o.Code] != "" {
				return "", false, nil // who tries again hears the same
			}
			return "", false, o
		}
		for _, m := range page.Messages {
			if ts := deliveredAs(m, d.ID); ts != "" {
				return joinRef(in, ts), true, nil
			}
		}
		q.Set("cursor", page.ResponseMetadata.Cursor)
		if !page.HasMore || page.ResponseMetadata.Cursor == "" {
			return "", false, nil
		}
	}
	return "", false, &tocsin.Outcome{Verdict: tocsin.Retry, Err: fmt.Errorf("look for a message: more than %d in the channel since", findPages*100)}
}

// slackHistory is what Find reads of a page. The messages stay raw: one of
// another app that cannot be read must not hide ours.
type slackHistory struct {
	slack.SlackResponse
	HasMore  bool              `json:"has_more"`
	Messages []json.RawMessage `json:"messages"`
}

func (s *slackNotifier) history(ctx context.Context, method string, form url.Values) (page slackHistory, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint+method, strings.NewReader(form.Encode()))
	if err != nil {
		return page, err
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	p, err := s.Do(q)
	if err != nil {
		return page, err
	}
	defer p.Body.Close()
	if p.StatusCode != http.StatusOK {
		if after, err := strconv.Atoi(p.Header.Get("Retry-After")); err == nil && p.StatusCode == http.StatusTooManyRequests {
			return page, &slack.RateLimitedError{RetryAfter: time.Duration(after) * time.Second}
		}
		return page, slack.StatusCodeError{Code: p.StatusCode}
	}
	if err := json.NewDecoder(p.Body).Decode(&page); err != nil {
		return page, err
	}
	if err := page.Err(); err != nil {
		return page, err
	}
	if !page.Ok {
		return page, errors.New("the answer is no history")
	}
	return page, nil
}

// deliveredAs is the ts of message if it delivered id, or "".
func deliveredAs(message json.RawMessage, id string) string {
	var m struct {
		TS       string `json:"ts"`
		Metadata struct {
			EventType string         `json:"event_type"`
			Payload   map[string]any `json:"event_payload"`
		} `json:"metadata"`
	}
	if json.Unmarshal(message, &m) != nil || m.Metadata.EventType != slackEvent || m.Metadata.Payload[slackEventID] != id {
		return ""
	}
	return m.TS
}
