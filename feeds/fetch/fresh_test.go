package fetch

import (
	"net/http"
	"testing"
	"time"
)

func TestReadsHowLongAnAnswerHolds(t *testing.T) {
	const date = "Mon, 02 Mar 2026 10:00:00 GMT"
	for _, tt := range []struct {
		control, expires string
		want             time.Duration
	}{
		{"public, max-age=300", "", 5 * time.Minute},
		{`Max-Age="60"`, "Mon, 02 Mar 2026 12:00:00 GMT", time.Minute},
		{"no-cache, max-age=300", "", 0},
		{"max-age=-1", "", 0},
		{"max-age=999999999", "", 24 * time.Hour},
		{"private", "Mon, 02 Mar 2026 12:00:00 GMT", 2 * time.Hour},
		{"", "Mon, 02 Mar 2026 09:00:00 GMT", 0},
		{"", "0", 0},
		{"", "", 0},
	} {
		h := http.Header{"Date": {date}}
		if tt.control != "" {
			h.Set("Cache-Control", tt.control)
		}
		if tt.expires != "" {
			h.Set("Expires", tt.expires)
		}
		if got := freshness(h); got != tt.want {
			t.Errorf("Cache-Control %q, Expires %q: %v, want %v", tt.control, tt.expires, got, tt.want)
		}
	}
}
