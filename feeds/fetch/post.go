package fetch

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Post sends a form to rawURL with all that Get promises of what is dialled and
// how long it lasts. It follows 307 and 308, as these alone keep the form, and
// tells where permanent ones alone led, or "". Any status of 2xx is success;
// an error is an *Error.
func (c *Client) Post(ctx context.Context, rawURL string, form url.Values) (moved string, err error) {
	u, err := address(rawURL)
	if err != nil {
		return "", err
	}
	where, permanent, left := place(u), true, c.total
	host, user, body := u.Host, u.User, form.Encode()
	for hop := 0; ; hop++ {
		u.User = nil
		if u.Host == host {
			u.User = user
		}
		a, err := c.tell(ctx, u, body, &left)
		if err == nil && a.next != nil && hop == maxRedirects {
			err = fail(KindRedirect, "more than %d redirects", maxRedirects)
		}
		if err != nil {
			return "", locate(err, where, place(u))
		}
		if a.next == nil {
			if hop > 0 && permanent {
				moved = bare(u)
			}
			return moved, nil
		}
		permanent = permanent && a.permanent
		u = a.next
	}
}

// tell does one exchange with u's host when it is u's turn, and takes what that
// lasts from left.
func (c *Client) tell(ctx context.Context, u *url.URL, body string, left *time.Duration) (answer, error) {
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
	r := c.request(x.ctx, u, Validators{})
	r.Method, r.ContentLength = http.MethodPost, int64(len(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Body = io.NopCloser(strings.NewReader(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	resp, err := by.RoundTrip(r)
	if err != nil {
		return answer{}, x.explain(err)
	}
	defer resp.Body.Close()
	x.listen()
	_, _ = io.CopyN(io.Discard, resp.Body, 32<<10)
	switch {
	case resp.StatusCode/100 == 2:
		return answer{}, nil
	case resp.StatusCode == http.StatusTemporaryRedirect, resp.StatusCode == http.StatusPermanentRedirect:
		next, err := follow(u, resp)
		return answer{next: next, permanent: resp.StatusCode == http.StatusPermanentRedirect}, err
	}
	return answer{}, fail(KindStatus, "the server answered %s", status(resp.StatusCode)).of(resp)
}
