package fetch

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// keepAlive finds out within a minute that an idle connection's other end is gone.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

func connect(cfg Config) time.Duration { return cmp.Or(cfg.Connect, 10*time.Second) }

// Transport is for the addresses that people configured, such as Slack's: it has
// cfg's proxy, certificates and deadlines and no guard.
func Transport(cfg Config) (*http.Transport, error) {
	secure, err := TLS(cfg)
	if err != nil {
		return nil, err
	}
	proxy, err := proxies(cfg)
	if err != nil {
		return nil, err
	}
	t := transport(cfg, secure, dialler(cfg, nil))
	if proxy != nil {
		t.Proxy = func(r *http.Request) (*url.URL, error) { return proxy(r.URL) }
	}
	return t, nil
}

// TLS is the configuration that trusts the system's certificates and cfg.CA's.
func TLS(cfg Config) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(2048)}
	if cfg.CA == "" {
		return t, nil
	}
	pem, err := os.ReadFile(cfg.CA)
	if err != nil {
		return nil, fmt.Errorf("read fetch.ca: %w; name a file of certificates in PEM form that this user may read", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read fetch.ca: %s holds no certificate in PEM form; convert it with: openssl x509 -inform der -in FILE -out FILE.pem", cfg.CA)
	}
	t.RootCAs = roots
	return t, nil
}

// transport is tuned for a thousand hosts that are each asked one small thing a
// minute: connections are kept, and a kept connection is small.
func transport(cfg Config, secure *tls.Config, dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        secure,
		TLSHandshakeTimeout:    connect(cfg),
		ResponseHeaderTimeout:  cmp.Or(cfg.Header, 20*time.Second),
		IdleConnTimeout:        cmp.Or(cfg.KeepAlive, 10*time.Minute),
		MaxIdleConns:           4096,
		MaxIdleConnsPerHost:    64, // a proxy counts as one host
		MaxResponseHeaderBytes: 128 << 10,
		ReadBufferSize:         2 << 10, // bodies are read past it
		WriteBufferSize:        512,
		ForceAttemptHTTP2:      true,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: 512 << 10,
			SendPingTimeout:           90 * time.Second, // a connection that died unseen would fail every poll for a quarter of an hour
			PingTimeout:               15 * time.Second,
		},
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
			if r.StatusCode == http.StatusOK {
				return nil
			}
			return fail(KindProxy, "the proxy answered %s", status(r.StatusCode)).of(r)
		},
	}
}

// proxies tells which proxy leads to an address; nil where none is configured.
func proxies(cfg Config) (func(*url.URL) (*url.URL, error), error) {
	env := httpproxy.FromEnvironment()
	if cfg.Proxy != "" {
		if err := checkProxy("fetch.proxy", cfg.Proxy); err != nil {
			return nil, err
		}
		env = &httpproxy.Config{HTTPProxy: cfg.Proxy, HTTPSProxy: cfg.Proxy, NoProxy: env.NoProxy}
		return env.ProxyFunc(), nil
	}
	if env.HTTPProxy == "" && env.HTTPSProxy == "" {
		return nil, nil
	}
	return env.ProxyFunc(), errors.Join(checkProxy("HTTP_PROXY", env.HTTPProxy), checkProxy("HTTPS_PROXY", env.HTTPSProxy))
}

// checkProxy does not print value, which may hold a password.
func checkProxy(setting, value string) error {
	if value == "" {
		return nil
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value // as httpproxy does with "proxy.example:3128"
	}
	u, err := url.Parse(value)
	if err == nil && u.Hostname() != "" {
		switch u.Scheme {
		case "http", "https", "socks5", "socks5h":
			return nil
		}
	}
	return fmt.Errorf("read %s: it is no proxy address; write it like http://proxy.example:3128 (or https://, socks5://)", setting)
}

// onlyBy never lets a request pass around the proxy.
func onlyBy(proxy func(*url.URL) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		p, err := proxy(r.URL)
		if p == nil && err == nil {
			err = errors.New("no proxy leads there")
		}
		return p, err
	}
}
