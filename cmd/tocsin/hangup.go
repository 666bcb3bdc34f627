package main

import "syscall"

// hangup is the signal that has the configuration read again. It exists, and
// never comes, on Windows too.
const hangup = syscall.SIGHUP
