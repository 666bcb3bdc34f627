package pipeline

import (
	"syscall"
	"time"
)

// threadTime is the time that this thread has used processors for.
func threadTime() time.Duration { return used(1) } // RUSAGE_THREAD of getrusage(2)

// cpuTime is the time that this process has used processors for.
func cpuTime() time.Duration { return used(syscall.RUSAGE_SELF) }

func used(by int) time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(by, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
