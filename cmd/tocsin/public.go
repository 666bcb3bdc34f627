package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"golang.org/x/net/netutil"

	"tocsin"
	"tocsin/feeds"
)

// publicConns bounds connections at listen.public: whoever opens more waits.
const publicConns = 256

// settleFor is how long the list of sources has to stay as it is.
const settleFor = 30 * time.Second

// newHubs is what subscribes sources of kind websub, nil where hubs cannot reach
// us.
func (s *service) newHubs(ctx context.Context) (*feeds.Subscriber, error) {
	if s.cfg.Listen.Public == "" || !s.Poll {
		return nil, nil
	}
	h := &feeds.Subscriber{Base: s.cfg.PublicURL, Store: s.logs, Post: s.post, Slog: s.Log}
	return h, h.Load(ctx)
}

func (s *service) post(ctx context.Context, hub string, form url.Values) (string, error) {
	return s.outside.Load().fetch.Post(ctx, hub, form)
}

// leaveHubs ends the subscriptions of sources that are no longer watched, once the
// list of sources has settled: at the start it comes in parts.
func (s *service) leaveHubs(ctx context.Context) error {
	var sources []tocsin.Source
	settled := time.NewTimer(settleFor)
	settled.Stop()
	defer settled.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case sources = <-s.watched:
			settled.Reset(settleFor)
		case <-settled.C:
			s.poller.Hubs.Keep(ctx, sources)
		}
	}
}

// watching tells what is watched, by whatever process.
func (s *service) watching(sources []tocsin.Source) {
	if s.poller.Hubs == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select { // only the newest counts
	case <-s.watched:
	default:
	}
	s.watched <- sources
}

// listenPublic serves the callbacks of hubs and what Slack calls, and nothing else,
// until ctx ends.
func (s *service) listenPublic(ctx context.Context, addr string) error {
	l, err := s.listenAt("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen.public: %w; choose another address", err)
	}
	srv := &http.Server{
		Handler: s.publicHandler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 45 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(io.Discard, "", 0), // strangers decide what it would say
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = srv.Shutdown(end)
		srv.Close()
	})
	s.Log.Info("listening for the public", "addr", l.Addr().String())
	err = srv.Serve(netutil.LimitListener(l, publicConns))
	if !stop() {
		<-stopped
	}
	if s.poller.Hubs != nil {
		s.poller.Hubs.Wait()
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("listen.public: %w", err)
	}
	return nil
}

func (s *service) listenAt(network, addr string) (net.Listener, error) {
	if s.Listen != nil {
		return s.Listen(network, addr)
	}
	return net.Listen(network, addr)
}

// isPublicURL is the address that hubs are told.
func isPublicURL(s string) error {
	u, err := isURL(s, "https", "http")
	switch {
	case err != nil:
		return err
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("must end with its path: write it like https://alerts.example/hooks")
	}
	return nil
}

func (r *reader) publicURL(n ast.Node, what string) {
	r.given[what] = n
	r.text(&r.c.PublicURL, isPublicURL)(n, what)
}

// checkPublic sees that hubs can be told where we are.
func (r *reader) checkPublic() {
	r.c.PublicURL = strings.TrimRight(r.c.PublicURL, "/")
	public, at := r.given["listen.public"], r.given["public_url"]
	if public != nil && at == nil {
		r.fault(public, "listen.public needs public_url beside it: the address under which hubs reach it")
	}
	if at != nil && public == nil {
		r.fault(at, "public_url needs listen.public beside it")
	}
	if public != nil && r.c.Listen.Public == r.c.Listen.Private {
		r.fault(public, "listen.public must not be listen.private: what is there is not for the public")
	}
	for _, s := range r.c.Sources {
		if s.Kind == feeds.WebSub && public == nil {
			p := r.declared[declaration{"source", s.ID}]
			r.allowed = append(r.allowed, Fault{p.line, p.column, fmt.Sprintf("source %q is of kind websub, but without listen.public and public_url no hub reaches us: it is polled", s.ID)})
		}
	}
}
