// Package fetch is the only HTTP client for foreign addresses: it guards what
// is dialled, bounds what is read, and asks only for what has changed.
//
// # Properties
//
//   - No byte goes to an address that is private or reserved, however it is
//     spelt and wherever a redirect or a name server points, unless
//     Config.Allow holds it. Behind a proxy only literal addresses and the
//     names of this machine can be recognised; the proxy must guard the rest.
//   - Every answer ends: headers, silence within the body and the whole of a
//     Get have deadlines; the raw body, the decompressed body and the ratio of
//     the two have caps; redirects are counted.
//   - An unchanged body costs neither decompression nor parsing: the answer
//     304, or an equal hash of the raw bytes, ends the poll.
//   - What arrived of a body that broke off is given to the caller, marked Cut
//     and without validators, so that the next poll asks for all of it again.
//   - A host is asked at most two things at a time.
//   - No cookie is kept, and a user and password in an address go to that
//     address's own host only. They and query strings stand in no error.
package fetch

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Validators are what a source needs to be asked only for what has changed.
// The zero value asks for everything.
type Validators struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	Hash         string `json:"hash,omitempty"` // of the raw body as it came over the wire (compressed): the first 16 bytes of its SHA-256, in hex
}

// A Response is an answer with status 200 (or 203, which is 200 through a proxy)
// or 304.
type Response struct {
	Unchanged  bool          // 304, or the raw body hashes to Validators.Hash; Body is nil
	Body       []byte        // decompressed
	Type       string        // the Content-Type header as it came
	Location   string        // the Content-Location header, absolute, or ""
	Links      []string      // the Link headers as they came
	URL        string        // after redirects; without user and password
	Moved      string        // where permanent redirects (301, 308) alone led; "" if none or if a temporary one is among them
	Validators Validators    // for the next request
	Fresh      time.Duration // for which the server says that the answer holds (Cache-Control, Expires), at most a day; 0 if it does not say
	At         time.Time     // when the last byte of the body had been read; UTC
	Cut        bool          // the body ended before its end or cannot be decompressed to it: Body is what there was, Validators are zero
	Fault      error         // with Cut: what ended it, an *Error; otherwise nil
	Pushed     bool          // a hub sent it: it may hold only what is new, and has no validators
}

// Config is how foreign addresses are fetched. The zero value works.
type Config struct {
	Contact string // mail or web address of who runs this, for the User-Agent; "" leaves it out
	Version string // of tocsin, for the User-Agent; "" leaves it out

	Proxy string         // address of the proxy for all requests but those to NO_PROXY; "" means HTTPS_PROXY, HTTP_PROXY and NO_PROXY
	CA    string         // PEM file of certificates trusted beside the system's; "" means none
	Allow []netip.Prefix // networks exempt from the guard

	MaxBody   int64         // bytes of a body, raw and decompressed; 0 means 8 MiB
	KeepAlive time.Duration // how long idle connections are kept, to be longer than the poll interval; 0 means 10 min
	Connect   time.Duration // deadline of name look-up and connecting, and again of the TLS handshake; 0 means 10 s
	Header    time.Duration // deadline of an answer's headers after the request was sent; 0 means 20 s
	Stall     time.Duration // longest silence within a body; 0 means 15 s
	Total     time.Duration // deadline of a Get, redirects included, waiting for the host's turn not; 0 means 60 s

	Resolver *net.Resolver                                                     // nil means net.DefaultResolver
	Dial     func(ctx context.Context, network, addr string) (net.Conn, error) // replaces the guarded dialler, for tests; nil means that
}

const (
	maxRedirects = 5
	perHost      = 2
)

// A Client fetches foreign addresses. It may be used by many goroutines.
type Client struct {
	direct  *http.Transport // dials through the guard
	proxied *http.Transport // dials proxies only; nil where none is configured
	proxy   func(*url.URL) (*url.URL, error)
	guard   guard
	agent   []string
	max     int64
	stall   time.Duration
	total   time.Duration
	turns   turns
	expand  expander
}

// New makes a client. An error names the setting that is wrong and says what to
// do about it.
func New(cfg Config) (*Client, error) {
	agent, err := userAgent(cfg)
	if err != nil {
		return nil, err
	}
	secure, err := TLS(cfg)
	if err != nil {
		return nil, err
	}
	proxy, err := proxies(cfg)
	if err != nil {
		return nil, err
	}
	c := &Client{
		proxy: proxy,
		guard: guard{allow: cfg.Allow},
		agent: []string{agent},
		max:   cmp.Or(cfg.MaxBody, 8<<20),
		stall: cmp.Or(cfg.Stall, 15*time.Second),
		total: cmp.Or(cfg.Total, 60*time.Second),
	}
	c.direct = transport(cfg, secure, dialler(cfg, c.guard.control))
	c.direct.DisableCompression = true
	if proxy != nil {
		c.proxied = transport(cfg, secure, dialler(cfg, nil))
		c.proxied.DisableCompression = true
		c.proxied.Proxy = onlyBy(proxy)
	}
	return c, nil
}

// Close closes the idle connections.
func (c *Client) Close() {
	c.direct.CloseIdleConnections()
	if c.proxied != nil {
		c.proxied.CloseIdleConnections()
	}
}

func userAgent(cfg Config) (string, error) {
	agent := "tocsin"
	if cfg.Version != "" {
		agent += "/" + cfg.Version
	}
	if cfg.Contact != "" {
		agent += " (+" + cfg.Contact + ")"
	}
	if strings.ContainsFunc(agent, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", fmt.Errorf("read contact %q: it goes into the User-Agent; write a mail or web address in plain ASCII", cfg.Contact)
	}
	return agent, nil
}

// Get fetches rawURL unless it is unchanged since v. Its error is an *Error. A
// user and password in rawURL are sent to its host.
func (c *Client) Get(ctx context.Context, rawURL string, v Validators) (Response, error) {
	u, err := address(rawURL)
	if err != nil {
		return Response{}, err
	}
	where, permanent, left := place(u), true, c.total
	host, user := u.Host, u.User
	for hop := 0; ; hop++ {
		u.User = nil
		if u.Host == host {
			u.User = user
		}
		a, err := c.ask(ctx, u, v, &left)
		if err == nil && a.next != nil && hop == maxRedirects {
			err = fail(KindRedirect, "more than %d redirects", maxRedirects)
		}
		if err != nil {
			return Response{}, locate(err, where, place(u))
		}
		if a.next == nil {
			if a.Fault != nil {
				a.Fault = locate(a.Fault, where, place(u))
			}
			if hop > 0 && permanent {
				a.Moved = a.URL
			}
			return a.Response, nil
		}
		permanent = permanent && a.permanent
		u = a.next
	}
}

// address reads what people and publishers write as an address.
func address(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fail(KindAddress, "this is no web address")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// place is u as errors may show it.
func place(u *url.URL) string {
	s := printable(u.Host + u.EscapedPath())
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}

// bare is u without user and password.
func bare(u *url.URL) string {
	b := *u
	b.User = nil
	return b.String()
}

// An answer is what one exchange gave: a response, or where to ask next.
type answer struct {
	Response
	next      *url.URL
	permanent bool
}

var (
	accepted  = []string{"application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml, application/xml;q=0.9, text/xml;q=0.9, text/html;q=0.8, */*;q=0.7"}
	encodings = []string{"gzip, br, zstd"}
)

// ask does one exchange with u's host when it is u's turn, and takes what that
// lasts from left.
func (c *Client) ask(ctx context.Context, u *url.URL, v Validators, left *time.Duration) (answer, error) {
	host := turnOf(u)
	if err := c.turns.take(ctx, host); err != nil {
		return answer{}, ended(err)
	}
	defer c.turns.give(host)
	began := time.Now()
	defer func() { *left -= time.Since(began) }()

	by, err := c.by(u)
	if err != nil {
		return answer{}, err
	}
	x := begin(ctx, *left, c.total, c.stall)
	defer x.end()
	resp, err := by.RoundTrip(c.request(x.ctx, u, v))
	if err != nil {
		return answer{}, x.explain(err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK, http.StatusNonAuthoritativeInfo:
		return c.whole(x, u, resp, v)
	case http.StatusNotModified:
		return same(u, resp, v)
	}
	if resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 { // then the connection can be kept
		x.listen()
		_, _ = io.CopyN(io.Discard, resp.Body, 32<<10)
	}
	return other(u, resp)
}

// by is the transport that leads to u.
func (c *Client) by(u *url.URL) (*http.Transport, error) {
	if c.proxy == nil {
		return c.direct, nil
	}
	p, err := c.proxy(u)
	if err != nil {
		return nil, fail(KindProxy, "%v", err)
	}
	if p == nil {
		return c.direct, nil
	}
	return c.proxied, c.guard.literal(u.Hostname())
}

func (c *Client) request(ctx context.Context, u *url.URL, v Validators) *http.Request {
	r := &http.Request{
		Method: http.MethodGet, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"User-Agent": c.agent, "Accept": accepted, "Accept-Encoding": encodings},
	}
	if v.ETag != "" {
		r.Header["If-None-Match"] = []string{v.ETag}
	}
	if v.LastModified != "" {
		r.Header["If-Modified-Since"] = []string{v.LastModified}
	}
	if u.User != nil {
		pass, _ := u.User.Password()
		r.SetBasicAuth(u.User.Username(), pass)
	}
	return r.WithContext(ctx)
}

// same is the answer 304.
func same(u *url.URL, resp *http.Response, v Validators) (answer, error) {
	if v.ETag == "" && v.LastModified == "" {
		return answer{}, fail(KindStatus, "the server says unchanged although it was asked for everything").of(resp)
	}
	r := about(u, resp)
	r.Unchanged, r.Validators = true, kept(resp, v)
	return answer{Response: r}, nil
}

// other is an answer that sends elsewhere or away.
func other(u *url.URL, resp *http.Response) (answer, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusPermanentRedirect:
		next, err := follow(u, resp)
		return answer{next: next, permanent: true}, err
	case http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect:
		next, err := follow(u, resp)
		return answer{next: next}, err
	}
	return answer{}, fail(KindStatus, "the server answered %s", status(resp.StatusCode)).of(resp)
}

// whole is an answer that has a body.
func (c *Client) whole(x *exchange, u *url.URL, resp *http.Response, v Validators) (answer, error) {
	buf := c.expand.get()
	defer c.expand.put(buf)
	x.listen()
	raw, err := read((*buf)[:0], resp, c.max, x.heard)
	*buf = raw
	r := about(u, resp)
	var fault *Error
	switch {
	case err == errOver:
		return answer{}, tooLarge(c.max)
	case err != nil:
		fault = x.explain(err)
		if fault.Kind == KindNetwork {
			fault = because(KindRead, "the body broke off", err)
		}
		if len(raw) == 0 || fault.Kind == KindCanceled {
			return answer{}, fault
		}
	default:
		r.Validators = kept(resp, Validators{Hash: hashOf(raw)})
		if r.Unchanged = r.Validators.Hash == v.Hash; r.Unchanged {
			return answer{Response: r}, nil
		}
	}
	body, broken := c.expand.all(raw, resp.Header["Content-Encoding"], c.max)
	if fault = cmp.Or(fault, broken); fault != nil {
		if len(body) == 0 {
			return answer{}, fault
		}
		r.Cut, r.Fault, r.Validators = true, fault, Validators{}
	}
	r.Body = body
	return answer{Response: r}, nil
}

// about is what resp, which u gave and which has been read, tells of itself.
func about(u *url.URL, resp *http.Response) Response {
	r := Response{URL: bare(u), Type: resp.Header.Get("Content-Type"), Links: resp.Header["Link"], Fresh: freshness(resp.Header), At: time.Now().UTC()}
	if l := resp.Header.Get("Content-Location"); l != "" {
		if at, err := u.Parse(l); err == nil && (at.Scheme == "http" || at.Scheme == "https") {
			r.Location = bare(at)
		}
	}
	return r
}

// kept is v with the validators of resp that can be sent back. A Last-Modified
// of the second in which the answer was made is not kept: the document may have
// changed again within that second (RFC 9110, 8.8.2.2).
func kept(resp *http.Response, v Validators) Validators {
	h := resp.Header
	if tag := h.Get("ETag"); tag != "" && len(tag) <= 1024 {
		v.ETag = tag
	}
	if at := h.Get("Last-Modified"); at != "" && at != h.Get("Date") && len(at) <= 64 {
		v.LastModified = at
	}
	return v
}

// follow is where resp, which u gave, redirects to.
func follow(u *url.URL, resp *http.Response) (*url.URL, error) {
	to := resp.Header.Get("Location")
	if to == "" {
		return nil, fail(KindRedirect, "redirected without saying where to")
	}
	next, err := u.Parse(to)
	if err == nil {
		next, err = address(next.String())
	}
	if err != nil {
		return nil, fail(KindRedirect, "redirected to what is no web address")
	}
	if u.Scheme == "https" && next.Scheme == "http" {
		return nil, fail(KindRedirect, "redirected from https to http, which anyone on the way could rewrite")
	}
	return next, nil
}
