package fetch

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const maxFresh = 24 * time.Hour

// freshness is how long h says that an answer holds. Expires counts from the
// server's own clock.
func freshness(h http.Header) time.Duration {
	if cc := h.Get("Cache-Control"); cc != "" {
		for part := range strings.SplitSeq(cc, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			switch {
			case strings.EqualFold(name, "no-cache"), strings.EqualFold(name, "no-store"):
				return 0
			case strings.EqualFold(name, "max-age"):
				n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 32)
				if err != nil {
					return 0
				}
				return min(time.Duration(n)*time.Second, maxFresh)
			}
		}
	}
	expires, err := http.ParseTime(h.Get("Expires"))
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(expires.Sub(now), 0), maxFresh)
}
