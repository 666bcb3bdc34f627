package fetch

import (
	"context"
	"net/url"
	"strings"
	"sync"
)

// Turns let a host be asked perHost things at a time. The zero value is ready.
type turns struct {
	mu    sync.Mutex
	hosts map[string]*turn
}

type turn struct {
	free  chan struct{}
	users int // who hold or await it
}

// turnOf is what counts as one host: all its usual ports, and each other port.
func turnOf(u *url.URL) string {
	if p := u.Port(); p != "" && p != "80" && p != "443" {
		return strings.ToLower(u.Host)
	}
	return strings.ToLower(u.Hostname())
}

func (t *turns) take(ctx context.Context, host string) error {
	t.mu.Lock()
	if t.hosts == nil {
		t.hosts = map[string]*turn{}
	}
	h := t.hosts[host]
	if h == nil {
		h = &turn{free: make(chan struct{}, perHost)}
		t.hosts[host] = h
	}
	h.users++
	t.mu.Unlock()
	select {
	case h.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		t.leave(host, h)
		return ctx.Err()
	}
}

func (t *turns) give(host string) {
	t.mu.Lock()
	h := t.hosts[host]
	t.mu.Unlock()
	<-h.free
	t.leave(host, h)
}

func (t *turns) leave(host string, h *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h.users--; h.users == 0 {
		delete(t.hosts, host)
	}
}
