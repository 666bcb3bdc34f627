package feeds

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"tocsin/feeds/fetch"
)

// TestWhatHostilePagesCost prints the CPU time that each family takes beside an
// honest document of the same size, in MiB, that TOCSIN_HOSTILE names.
func TestWhatHostilePagesCost(t *testing.T) {
	mib, err := strconv.Atoi(os.Getenv("TOCSIN_HOSTILE"))
	if err != nil {
		t.Skip("TOCSIN_HOSTILE is unset: what hostile pages cost is not measured")
	}
	for _, k := range hostileKinds {
		base := took(k, k.honest(mib<<20))
		worst, most, grown := time.Duration(0), "", 0
		for name, make := range k.others {
			body := make(mib << 20)
			if d := took(k, body); d > worst {
				worst, most = d, name
			}
			grown = max(grown, allocated(func() { _, _ = k.parse(k.source, fetch.Response{Body: []byte(body), URL: "https://mfa.example/press"}) })-len(body))
		}
		t.Logf("%-16s %d MiB: honest %6.1f ms; worst of %d families %6.1f ms, %.1f times: %s; at most %d MiB allocated in all", k.name, mib, base.Seconds()*1e3, len(k.others), worst.Seconds()*1e3, float64(worst)/float64(base), most, grown>>20)
	}
}

func took(k kindCase, body string) time.Duration {
	best := time.Hour
	for range 3 {
		begun := cpuTime()
		_, _ = k.parse(k.source, fetch.Response{Body: []byte(body), URL: "https://mfa.example/press"})
		best = min(best, cpuTime()-begun)
	}
	return best
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
