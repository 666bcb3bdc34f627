//go:build !linux

package pipeline

import "time"

var loaded = time.Now()

// threadTime is how long ago something was: where the system does not tell what a
// thread used, it stands for that while nothing else runs.
func threadTime() time.Duration { return time.Since(loaded) }

// cpuTime is not known.
func cpuTime() time.Duration { return 0 }
