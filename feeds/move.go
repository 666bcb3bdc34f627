package feeds

import (
	"fmt"
	"time"

	"tocsin"
)

// A Move is where a source says that it has moved for good, by permanent
// redirects alone.
type Move struct {
	To      string    `json:"to"`
	Sights  int       `json:"sights"`           // polls that were led there and read what they found, moveApart from each other
	First   time.Time `json:"first"`            // sight
	Last    time.Time `json:"last"`             // sight that counted
	Applied time.Time `json:"applied,omitzero"` // since when the source is polled there; zero while it is only proposed
}

const (
	moveSights = 3
	moveApart  = 6 * time.Hour // between sights that count: a mistake of the publisher's, or a captured network, seldom lasts that long
)

// polled is the source as it is polled: at the address that it has moved to,
// once that is applied.
func (t *task) polled() tocsin.Source {
	s := t.source
	if !t.health.move.Applied.IsZero() {
		s.URL = t.health.move.To
	}
	return s
}

// moves notes what a poll tells of a move. Only a poll that was led there and
// read a document of the source's kind, or found it unchanged, is a sight: so
// nothing moves to a login page, to another kind of document, or to where the
// guard lets nobody go.
func (h *health) moves(s tocsin.Source, r result, now time.Time) []Trouble {
	m := &h.move
	switch {
	case !m.Applied.IsZero():
		return h.moveBreaks(s, r, now)
	case !r.answered():
		return nil
	case r.moved == "":
		*m = Move{}
		return nil
	case r.moved != m.To:
		*m = Move{To: r.moved, Sights: 1, First: now, Last: now}
		return []Trouble{h.happened(s, string(Moved), now, fmt.Sprintf(
			"it redirects for good to %s: it will be read there once that was seen for %s; give the source that address", m.To, lasting((moveSights-1)*moveApart)))}
	case now.Sub(m.Last) < moveApart:
		return nil
	}
	m.Last = now
	if m.Sights++; m.Sights < moveSights {
		return nil
	}
	m.Applied = now
	return []Trouble{h.happened(s, string(Moved), now, fmt.Sprintf("it is read at %s from now on, where it redirects for good: give the source that address", m.To))}
}

// moveBreaks takes back a move to where nothing can be read, and follows one
// that goes on.
func (h *health) moveBreaks(s tocsin.Source, r result, now time.Time) []Trouble {
	if h.failures < patience || !r.failed() {
		return nil
	}
	to := h.move.To
	h.move, h.failures, h.failing = Move{}, 0, time.Time{}
	return []Trouble{h.happened(s, string(Moved), now, fmt.Sprintf("%s cannot be read any more: the source is read at its own address again", to))}
}
