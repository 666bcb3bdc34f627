package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// A progress bar on a terminal; elsewhere it prints nothing.
type progress struct {
	w     io.Writer // nil: nobody looks
	what  string
	drawn time.Time
	shown bool
}

// newProgress is a bar on standard error, if a person sees it.
func (a *app) newProgress(what string) *progress {
	if !isTerminal(a.err) {
		return &progress{}
	}
	return &progress{w: a.err, what: what}
}

const (
	barWidth = 30
	barEvery = 100 * time.Millisecond
)

// step draws how far the work has come.
func (p *progress) step(done, total uint64) {
	if p.w == nil || time.Since(p.drawn) < barEvery {
		return
	}
	p.drawn, p.shown = time.Now(), true
	full := 0
	if total > 0 {
		full = int(min(done, total) * barWidth / total)
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s %s%s %d of %d", p.what, strings.Repeat("█", full), strings.Repeat("░", barWidth-full), done, total)
}

// clear takes the bar away, before something else is printed.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown, p.drawn = false, time.Time{}
	}
}
