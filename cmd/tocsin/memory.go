package main

import (
	"os"
	"runtime/debug"
)

// limitMemory has the collector work harder as the heap nears what this many
// sources need, so that a burst does not double it. GOMEMLIMIT and GOGC win.
func limitMemory(sources int) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(48<<20 + int64(sources)*24<<10)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}
