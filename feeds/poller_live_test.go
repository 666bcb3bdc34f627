package feeds

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestASourceAddedToThousandsIsPolledWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := sources(1001)
		b := newBench(t, all[:1000]...)
		for _, s := range all {
			b.web.publish(s.URL, entry(1))
		}
		b.start(t)
		after(time.Minute)
		for i := range 5 { // the time of the first poll is drawn
			b.Set(all[:1000])
			after(time.Second)
			b.Set(all)
			after(time.Second)
			if n := len(b.web.asked(all[1000].URL)); n != i+1 {
				t.Errorf("asked %d times a second after it was added for the %dth time", n, i+1)
			}
		}
		b.stop()
	})
}
