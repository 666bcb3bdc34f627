package pipeline

import (
	"cmp"
	"context"
	"time"
)

const (
	watchEvery  = time.Second
	restartWait = 5 * time.Second // before a second restart; doubles up to restartMax
	restartMax  = 5 * time.Minute // also the calm after which it is the first again
)

// Low reports whether free space is below the floor: take nothing more in.
func (s *Server) Low() bool { return s.low.Load() }

// Suspect tells that the server may have stopped to store: a write timed out. It
// is restarted within a second, at growing intervals, and not before there is
// space. The server's own report of a failed write does the same.
func (s *Server) Suspect() { s.stuck.Store(true) }

// watch looks after the disk, the lock and a server that is stuck.
func (s *Server) watch(ctx context.Context) {
	var pace restartPace
	for {
		s.measure()
		if err := s.lock.held(); err != nil {
			s.fail(err)
			return
		}
		if s.stuck.Load() && !s.low.Load() && pace.due(time.Now()) {
			s.revive(ctx)
		}
		if pause(ctx, cmp.Or(s.config.every, watchEvery)) != nil {
			return
		}
	}
}

// A restartPace spaces restarts, which may not help.
type restartPace struct {
	next time.Time
	wait time.Duration
}

func (p *restartPace) due(now time.Time) bool {
	if now.Before(p.next) {
		return false
	}
	if now.Sub(p.next) > restartMax {
		p.wait = restartWait
	}
	p.next = now.Add(p.wait)
	p.wait = min(2*p.wait, restartMax)
	return true
}

func (s *Server) measure() {
	free, err := Free(s.config.Dir)
	if err != nil {
		s.config.Log.Warn("free space is unknown", "err", err)
		return
	}
	floor, was := s.config.Floor, s.low.Load()
	if was {
		floor += floor / 8 // do not flutter
	}
	low := free < floor
	if low == was {
		return
	}
	s.low.Store(low)
	if low {
		s.config.Log.Error("disk is nearly full: nothing more is taken in", "dir", s.config.Dir, "free_bytes", free, "floor_bytes", s.config.Floor)
	} else {
		s.config.Log.Info("disk has space again", "dir", s.config.Dir, "free_bytes", free)
	}
	if s.config.Space != nil {
		s.config.Space(low, free)
	}
}

func (s *Server) revive(ctx context.Context) {
	s.config.Log.Warn("embedded server does not store: restarting it", "dir", s.config.Dir)
	s.stuck.Store(false)
	if err := s.Restart(ctx); err != nil {
		s.config.Log.Error("embedded server did not restart", "err", err)
	}
}
