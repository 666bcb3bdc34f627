package slackapp

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// What changes something is done before it is acknowledged: Slack gives up after 3 s
// and tells the person so, but what was acknowledged and then lost with the process
// would be lost in silence.
const (
	changers  = 16
	changeFor = 1500 * time.Millisecond // half of what Slack waits
)

// Of a change that is not done after changeFor people hear this, and its answer when
// it is done.
const notYet = "this takes longer than usual. Its answer follows; if none does within two minutes, it was *not* done: try again"

const tooBusy = "tocsin has much to do just now, and this was *not* done: try again in a minute"

// changeActions are the buttons that change something.
var changeActions = []string{actionAck, actionSave, actionMuteFor, actionUnmute, actionExclude}

// changes reports whether a command changes something.
func (c Command) changes() bool {
	switch c.Verb {
	case verbSubscribe:
		return c.Watchlist != "" // a query is saved by a click
	case verbUnsubscribe, verbMute, verbPause, verbResume:
		return true
	}
	return false
}

// changesAny reports whether a button changes something.
func changesAny(action string) bool {
	return slices.Contains(changeActions, strings.TrimRight(action, "_0123456789"))
}

// change has work done that changes something and returns its answer. Late is called
// with it instead where that takes longer than changeFor; what is returned then says
// so, as it does where nobody is free to do it.
func (a *App) change(work func(context.Context) reply, late func(context.Context, reply)) reply {
	var told atomic.Bool // somebody has what to say
	done := make(chan reply, 1)
	job := func(ctx context.Context) {
		r := work(ctx)
		if told.CompareAndSwap(false, true) {
			done <- r
			return
		}
		late(ctx, r)
	}
	select {
	case a.changes <- job:
	default:
		a.Log.Warn("slack app is busy: a change is not done")
		return say(":warning: %s.", tooBusy)
	}
	select {
	case r := <-done:
		return r
	case <-time.After(changeFor):
	}
	if told.CompareAndSwap(false, true) {
		return say(":hourglass: Not done yet: %s.", notYet)
	}
	return <-done
}
