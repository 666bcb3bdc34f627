package slackapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"tocsin"
)

// Slack gives a connection a few hours and sends each event to one connection of an
// app. So there are two, and one that is told to go opens its successor before it
// goes: somebody always listens.
const (
	connections = 2
	dialFor     = 20 * time.Second
	silentFor   = 2 * time.Minute  // Slack pings more often than that
	lingerFor   = 30 * time.Second // after it was told to go
	ackFor      = 5 * time.Second
	longestWait = time.Minute // between attempts to connect

	troubleAfter = 5 // attempts that fail, about 15 s
)

// listen keeps one connection open until ctx ends.
func (a *App) listen(ctx context.Context, n int) error {
	var old sync.WaitGroup
	defer old.Wait()
	for failures := 0; ctx.Err() == nil; {
		c, err := a.connect(ctx)
		if err != nil {
			failures++
			wait := min(time.Second<<min(failures-1, 6), longestWait)
			if ctx.Err() == nil {
				a.Log.Warn("slack not connected", "connection", n, "err", err, "retry_in", wait)
				if failures >= troubleAfter {
					a.Trouble(fmt.Sprintf("people cannot reach tocsin in Slack: %v. It is tried again; alerts are not concerned", err))
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(wait + rand.N(wait/4)):
			}
			continue
		}
		if failures >= troubleAfter {
			a.Trouble("")
		}
		failures = 0
		next := make(chan struct{}) // closed when a successor is wanted
		ended := make(chan struct{})
		old.Go(func() {
			defer close(ended)
			a.hear(ctx, c, sync.OnceFunc(func() { close(next) }))
		})
		select {
		case <-next:
		case <-ended:
		}
	}
	return nil
}

// connect opens a connection and waits until Slack says hello on it.
func (a *App) connect(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialFor)
	defer cancel()
	_, address, err := a.open.StartSocketModeContext(ctx)
	if err != nil {
		o := outcome(err)
		if o.Verdict == tocsin.Install {
			o.Advice = "check app_token: it must be an app-level token (xapp-…) with the scope connections:write"
		}
		return nil, o
	}
	if !a.ofSlack(address) {
		return nil, errors.New("open a connection: the address that came is not Slack's")
	}
	d := websocket.Dialer{HandshakeTimeout: dialFor, Proxy: http.ProxyFromEnvironment}
	if t, ok := a.HTTP.Transport.(*http.Transport); ok {
		d.NetDialContext, d.Proxy = t.DialContext, t.Proxy
		if t.TLSClientConfig != nil {
			d.TLSClientConfig = t.TLSClientConfig.Clone()
			d.TLSClientConfig.NextProtos = nil
		}
	}
	c, resp, err := d.DialContext(ctx, address, nil)
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("%w: HTTP status %d", err, resp.StatusCode)
		}
		return nil, fmt.Errorf("open a connection: %w", err)
	}
	c.SetReadLimit(4 * maxBody)
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	var hello envelope
	_ = c.SetReadDeadline(time.Now().Add(dialFor))
	if err := c.ReadJSON(&hello); err != nil || hello.Type != "hello" {
		c.Close()
		return nil, errors.New("open a connection: slack does not say hello on it")
	}
	return c, nil
}

// envelope is one message of Socket Mode.
type envelope struct {
	Type       string          `json:"type"`
	EnvelopeID string          `json:"envelope_id"`
	Payload    json.RawMessage `json:"payload"`
	Reason     string          `json:"reason"`
}

// ack is our answer to an envelope.
type ack struct {
	EnvelopeID string `json:"envelope_id"`
	Payload    any    `json:"payload,omitempty"`
}

// hear takes what comes over a connection until it ends. Successor is called when
// it will end soon, at the latest then.
func (a *App) hear(ctx context.Context, c *websocket.Conn, successor func()) {
	defer successor()
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	var writing sync.Mutex
	var taking sync.WaitGroup
	defer taking.Wait()
	going := false
	alive := func() {
		if !going {
			_ = c.SetReadDeadline(time.Now().Add(silentFor))
		}
	}
	alive()
	pinged := c.PingHandler()
	c.SetPingHandler(func(data string) error {
		alive()
		return pinged(data)
	})
	for {
		var e envelope
		if err := c.ReadJSON(&e); err != nil {
			if broken, ok := errors.AsType[*json.SyntaxError](err); ok {
				a.Log.Warn("slack sent what cannot be read", "err", broken)
				continue
			}
			return
		}
		alive()
		if e.Type == "disconnect" {
			// What is on its way to this connection is still taken.
			_ = c.SetReadDeadline(time.Now().Add(lingerFor))
			going = true
			successor()
			continue
		}
		if e.EnvelopeID == "" {
			continue
		}
		taking.Go(func() { // what takes its time to be done holds up nothing else
			answer := a.take(e.Type, e.Payload)
			writing.Lock()
			defer writing.Unlock()
			_ = c.SetWriteDeadline(time.Now().Add(ackFor))
			if err := c.WriteJSON(ack{e.EnvelopeID, answer}); err != nil {
				c.Close() // Slack sends it again
			}
		})
	}
}
