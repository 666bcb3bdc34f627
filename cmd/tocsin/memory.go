package main

import (
	"os"
	"runtime/debug"
)

// limitMemory has the collector work harder as the heap nears what this many
// sources need, so that a burst does not double it. GOMEMLIMIT wins.
func limitMemory(sources int) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(56<<20 + int64(sources)*16<<10)
	}
}
