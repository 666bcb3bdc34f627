package feeds

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// TestABadSourceDelaysNoOther: of 50 sources five are bad: one sends its headers
// never, one a byte a second, one redirects without end, one sends 100 MB, one
// breaks off. Each takes as long as the client lets it. Whether they have hosts
// of their own or share those of good ones, every good source is asked when it
// is due.
func TestABadSourceDelaysNoOther(t *testing.T) {
	bad := []struct {
		takes time.Duration
		err   error
	}{
		{20 * time.Second, &fetch.Error{Kind: fetch.KindTimeout, Err: errors.New("no answer")}},
		{60 * time.Second, &fetch.Error{Kind: fetch.KindTimeout, Err: errors.New("too slow")}},
		{60 * time.Second, &fetch.Error{Kind: fetch.KindRedirect, Err: errors.New("more than 5 redirects")}},
		{45 * time.Second, &fetch.Error{Kind: fetch.KindTooLarge, Err: errors.New("too large")}},
		{59 * time.Second, &fetch.Error{Kind: fetch.KindRead, Err: errors.New("broke off")}},
	}
	for _, tt := range []struct {
		name  string
		hosts func(i int) int
		most  time.Duration // between two polls of a good source that is due each 10 s
	}{
		{"hosts of their own", func(i int) int { return i }, 11500 * time.Millisecond},
		{"each with nine good ones", func(i int) int { return i % 5 }, 11500 * time.Millisecond},
		{"all with the same five good ones", func(i int) int { return i / 10 }, 11500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var all []tocsin.Source
				for i := range 50 {
					s := tocsin.Source{ID: fmt.Sprint("s", i), URL: fmt.Sprintf("https://host%d.example/feed/%d", tt.hosts(i), i), Title: fmt.Sprint(i), Every: 10 * time.Second}
					all = append(all, s)
				}
				b := newBench(t, all...)
				for i, s := range all {
					if i < len(bad) {
						b.web.set(s.URL, func(p *page) { p.err, p.delay = bad[i].err, bad[i].takes })
						continue
					}
					b.web.publish(s.URL, entry(1))
					b.web.set(s.URL, func(p *page) { p.delay = 50 * time.Millisecond })
				}
				began := time.Now()
				b.start(t)
				after(30 * time.Minute)
				worst := time.Duration(0)
				for _, s := range all[len(bad):] {
					asked := b.web.asked(s.URL)
					for i := range asked[1:] {
						if asked[i].Sub(began) < 3*time.Minute { // nobody knows yet which are bad
							continue
						}
						worst = max(worst, asked[i+1].Sub(asked[i]))
					}
				}
				t.Logf("longest time between two polls of a good source: %v", worst)
				if worst > tt.most {
					t.Errorf("a good source waited %v, want at most %v", worst, tt.most)
				}
				for _, s := range all[:len(bad)] {
					if st := b.of(s.ID); st.Failures == 0 || st.Err == "" {
						t.Errorf("%s: %d failures, %q", s.ID, st.Failures, st.Err)
					}
				}
				b.stop()
			})
		})
	}
}
