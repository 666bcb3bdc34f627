package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestAStatementIsToldOfWithinItsInterval(t *testing.T) {
	statements := 150
	if n, _ := strconv.Atoi(os.Getenv("TOCSIN_STATEMENTS")); n > 0 {
		statements = n
	}
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		d := rand.New(rand.NewPCG(1, 7))
		hosts := []string{"a.example", "b.example", "c.example"}
		r.baseline(hosts...)
		yaml := strings.ReplaceAll(sources(hosts...), "/feed\"}", "/feed\", every: 10s}")
		r.start(r.config(yaml + desk))
		time.Sleep(5 * time.Minute)
		var late []time.Duration
		for n := range statements {
			time.Sleep(15*time.Second + time.Duration(d.IntN(10_000))*time.Millisecond)
			title := fmt.Sprintf("On missiles, %d of %d", n, d.IntN(1000))
			published := time.Now()
			r.publish(hosts[n%len(hosts)], entry(hosts[n%len(hosts)], n+1, title, fmt.Sprintf("Statement %d.", d.IntN(1_000_000))))
			time.Sleep(14 * time.Second)
			posts := r.posts("C0000001", title)
			if len(posts) != 1 {
				t.Fatalf("%q: %d messages after 14 s", title, len(posts))
			}
			late = append(late, posts[0].At.Sub(published))
		}
		r.stop()
		slices.Sort(late)
		t.Logf("%d statements at every: 10s: p50 %v, at most %v", statements, late[statements/2].Round(10*time.Millisecond), late[statements-1].Round(10*time.Millisecond))
		if late[statements-1] > 12*time.Second || late[statements/2] > 6500*time.Millisecond {
			t.Errorf("published %v before they were sent", late)
		}
	})
}
