package main

import (
	"context"
	"os"
	"runtime/debug"
	rtm "runtime/metrics"
	"time"
)

// A limit on the heap would make NATS drop and read again its 8 MiB blocks at
// every collection: measured, three times the CPU time. So a burst may take what
// it needs, and what it leaves goes back to the system.
const (
	collectAt = 60       // percent of growth after which the heap is collected
	leftOver  = 12 << 20 // bytes that are free and not given back, from which it is worth it
	tidyEvery = 20 * time.Second
)

// tidyMemory gives back what bursts leave behind, until ctx ends. GOGC and
// GOMEMLIMIT of the environment win.
func tidyMemory(ctx context.Context) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	free := []rtm.Sample{{Name: "/memory/classes/heap/free:bytes"}}
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if rtm.Read(free); free[0].Value.Uint64() > leftOver {
			debug.FreeOSMemory()
		}
	}
}
