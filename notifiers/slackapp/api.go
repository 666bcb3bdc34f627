package slackapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/slack-go/slack"

	"tocsin"
	"tocsin/notifiers"
)

// bearer carries slack-go's requests with the token in the header and not in the
// form, where logs of bodies would show it.
type bearer struct {
	http  *http.Client
	token tocsin.Secret
}

// maxAnswer is the most bytes read of an answer.
const maxAnswer = 4 << 20

// Do sends a request with the token.
func (b bearer) Do(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") && r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, err
		}
		form.Del("token")
		text := form.Encode()
		r.Body, r.ContentLength, r.GetBody = io.NopCloser(strings.NewReader(text)), int64(len(text)), nil
	}
	r.Header.Set("Authorization", "Bearer "+string(b.token))
	p, err := b.http.Do(r)
	if err != nil {
		return nil, err
	}
	p.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(p.Body, maxAnswer), p.Body}
	return p, nil
}

// outcome is what an error of a call means. None of the calls here is repeated,
// so none is ambiguous.
func outcome(err error) *tocsin.Outcome {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return &tocsin.Outcome{Verdict: tocsin.Rate, Code: "429", After: e.RetryAfter, Err: errors.New("slack asks to wait")}
	}
	if e, ok := errors.AsType[slack.StatusCodeError](err); ok {
		return &tocsin.Outcome{Verdict: tocsin.Retry, Code: fmt.Sprint(e.Code), Err: fmt.Errorf("slack answered with HTTP status %d", e.Code)}
	}
	if e, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return refused(e)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the address
	}
	return &tocsin.Outcome{Verdict: tocsin.Retry, Err: fmt.Errorf("reach slack: %w", err)}
}

func refused(e slack.SlackErrorResponse) *tocsin.Outcome {
	code := cut(straighten(e.Err), 60)
	o := &tocsin.Outcome{Verdict: notifiers.SlackVerdict(code), Code: code, Advice: notifiers.SlackAdvice(code), Err: errors.New("slack refused")}
	switch {
	case o.Verdict == "":
		o.Verdict, o.Advice = tocsin.Refused, "look the code up at https://docs.slack.dev and report it: this version does not know it"
	case o.Verdict == tocsin.Ambiguous:
		o.Verdict = tocsin.Retry
	case strings.HasSuffix(code, "_trigger_id"):
		o.Advice = "Slack waits three seconds for an answer, and it came later: try again"
	}
	if e.Needed != "" {
		o.Err = fmt.Errorf("slack refused: needs the scope %s", cut(straighten(e.Needed), 100))
	}
	return o
}

// A reply is what a person gets to see of a command or a click.
type reply struct {
	text    string // where blocks cannot be shown
	blocks  []slack.Block
	replace bool // the message that was clicked on
}

// respond answers at a response_url. It can be used five times within 30 minutes.
func (a *App) respond(ctx context.Context, to string, r reply) {
	if to == "" {
		return
	}
	if err := a.post(ctx, to, r); err != nil && ctx.Err() == nil {
		a.Log.Warn("answer in slack not given", "err", err)
	}
}

func (a *App) post(ctx context.Context, to string, r reply) error {
	if !a.ofSlack(to) {
		return errors.New("the response_url is not Slack's")
	}
	body, err := json.Marshal(map[string]any{
		"response_type": "ephemeral", "replace_original": r.replace, "text": r.text, "blocks": r.blocks,
	})
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return errors.New("the response_url is none")
	}
	q.Header.Set("Content-Type", "application/json")
	p, err := a.http.Do(q)
	if err != nil {
		return outcome(err)
	}
	defer p.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(p.Body, 200))
	if p.StatusCode != http.StatusOK {
		return fmt.Errorf("slack answered with HTTP status %d: %s", p.StatusCode, cut(straighten(string(text)), 100))
	}
	return nil
}

// ofSlack reports whether an address that Slack gave us is one that we call: at
// slack.com or slack-gov.com, or at the host of the API.
func (a *App) ofSlack(address string) bool {
	u, err := url.Parse(address)
	api, err2 := url.Parse(a.API)
	if err != nil || err2 != nil || u.User != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	if host == strings.ToLower(api.Hostname()) {
		return u.Scheme == "https" || u.Scheme == "wss" || loopback(host)
	}
	return (u.Scheme == "https" || u.Scheme == "wss") && (strings.HasSuffix(host, ".slack.com") || strings.HasSuffix(host, ".slack-gov.com"))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
