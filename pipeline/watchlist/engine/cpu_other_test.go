//go:build !linux

package engine

import "time"

var began = time.Now()

// cpuTime is the time that passed: other systems need a way of their own.
func cpuTime() time.Duration { return time.Since(began) }
