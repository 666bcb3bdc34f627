package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/pipeline/fold"
)

// What an Event says. Readers skip kinds that they do not know only when they
// are of their own format.
const (
	Opened    = "opened"    // a statement matched for the first time
	Matched   = "matched"   // further watchlists match it
	Copied    = "copied"    // another item says the same
	Revised   = "revised"   // a publisher changed an item of it
	Withdrawn = "withdrawn" // a publisher took an item of it away
	Paged     = "paged"     // the page of an item of it was fetched
	Merged    = "merged"    // it was found to be one with an older alert
	Split     = "split"     // it opened with items that a person took out of another
	Watching  = "watching"  // sources were read for the first time: no alert's event
)

// An Event is one record of ALERTS: what became known of an alert, by whom, and
// which watchlists it adds. Alerts are nothing but the sum of their events.
type Event struct {
	V        int             `json:"v"`
	Kind     string          `json:"kind"`
	Alert    string          `json:"alert,omitempty"`
	At       time.Time       `json:"at"`
	Copy     tocsin.Copy     `json:"copy,omitzero"`
	Matches  []tocsin.Match  `json:"matches,omitempty"` // that this event adds; spans in the item of Copy
	Excerpt  string          `json:"excerpt,omitempty"` // with Opened, and with Revised of the first item
	Marks    []tocsin.Span   `json:"marks,omitempty"`   // the same
	Sketch   fold.Sketch     `json:"sketch,omitzero"`
	Facets   tocsin.Facets   `json:"facets,omitzero"`    // that its text adds to those of the alert
	Reason   string          `json:"reason,omitempty"`   // with Copied, Merged and Split: why; with Revised: what makes it material, and what else is to be said
	Score    float64         `json:"score,omitempty"`    // with Merged: how sure that is, from 0 to 1
	Changes  []tocsin.Change `json:"changes,omitempty"`  // with Revised: what the publisher changed, the first few
	Material bool            `json:"material,omitempty"` // with Revised: numbers, dates, names, a negation or signatories changed
	Other    string          `json:"other,omitempty"`    // with Merged: the older alert, which goes on for both; with Split: the one that Items were of
	Items    []ItemRef       `json:"items,omitempty"`    // with Split: what is of this alert from now on
	By       string          `json:"by,omitempty"`       // with Merged, Split and Acknowledged: who said so; "" is tocsin itself
	With     []string        `json:"with,omitempty"`     // alerts that were merged into it or parted from it: whoever reads it needs them too
	Watch    uint64          `json:"watch,omitempty"`    // the WATCH sequence it was decided with
	Earlier  bool            `json:"earlier,omitempty"`  // a person had what is stored matched again: see [Logs.ApplyEarlier]

	To        string `json:"to,omitempty"`        // with Escalated: the destination that it goes on to
	Workspace string `json:"workspace,omitempty"` // with Acknowledged: only destinations of this one, and of none, are told

	Round *Round `json:"round,omitempty"` // with Watching
}

// An ItemRef names an item.
type ItemRef struct {
	Source string `json:"source"`
	Item   string `json:"item"`
}

// adds reports whether the event says that a watchlist matches.
func (ev Event) adds(watchlist string) bool {
	return slices.ContainsFunc(ev.Matches, func(m tocsin.Match) bool { return m.Watchlist == watchlist })
}

// A Round is the first reading of some sources.
type Round struct {
	First    bool     `json:"first"`            // of this installation
	Read     []string `json:"read"`             // source ids
	Sources  int      `json:"sources"`          // watched in all
	Answered int      `json:"answered"`         // of them, so far
	Silent   []string `json:"silent,omitempty"` // titles of those that did not answer, at most 20
}

// alertID names the alert that an item opens. It depends on the item alone, so
// a decision that is made again gives the same name.
func alertID(it tocsin.Item) string {
	h := sha256.Sum256(fmt.Appendf(nil, "alert %s %s %d", it.Source, it.ID, it.Rev))
	return hex.EncodeToString(h[:6])
}

// excerptBytes is the longest excerpt.
const excerptBytes = 500

// excerpt is the part of text around the first span in it, whole words, and the
// spans of text moved to it, after those in the first bytes of the title that an
// event keeps.
func excerpt(text string, spans []tocsin.Span, title int) (string, []tocsin.Span) {
	first := 0
	for _, s := range spans {
		if s.Field == tocsin.FieldText {
			first = s.Start
			break
		}
	}
	start := wordStart(text, max(0, first-excerptBytes/3))
	end := wordEnd(text, min(len(text), start+excerptBytes))
	var marks []tocsin.Span
	for _, s := range spans {
		switch {
		case s.Field == tocsin.FieldText && s.Start >= start && s.End <= end:
			s.Start, s.End = s.Start-start, s.End-start
		case s.Field != tocsin.FieldTitle || s.End > title:
			continue
		}
		marks = append(marks, s)
	}
	return strings.Clone(text[start:end]), marks // a part would keep all of text in memory
}
