package feeds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// An Audited source is what one look at it found.
type Audited struct {
	Source    tocsin.Source
	Condition Condition
	Bad       bool // nothing of it can be read
	Entries   int
	Newest    time.Time // as claimed; zero where no entry has a date
	FullText  bool      // most entries have more than a summary
	Hub       string
	Moved     string // where the publisher says it has moved for good
	Took      time.Duration
	Next      string // what a person should do, "" if nothing
}

// Audit looks at a source once, as the poller would, and keeps nothing.
func Audit(ctx context.Context, s tocsin.Source, get func(ctx context.Context, url string) (fetch.Response, error)) Audited {
	began := time.Now()
	a := Audited{Source: s}
	r, err := get(ctx, s.URL)
	a.Took = time.Since(began)
	if err != nil {
		a.Condition, a.Bad, a.Next = fetchFailed(err).condition, true, err.Error()
		return a
	}
	a.Moved = r.Moved
	d, err := auditDocument(s, r)
	if err == nil && len(d.Items) == 0 && len(d.More) > 0 { // an index: its likeliest part is looked at
		if r, err := get(ctx, d.More[0]); err == nil {
			part, _ := auditDocument(s, r)
			d.Items = part.Items
		}
	}
	switch {
	case err != nil && r.Cut:
		a.Condition, a.Bad, a.Next = Unreachable, true, cmp.Or(r.Fault, err).Error()
	case err != nil:
		a.Condition, a.Bad, a.Next = NotFeed, true, err.Error()
		if _, layout := errors.AsType[*LayoutError](err); layout {
			a.Condition = LayoutChanged
		}
		if c, what := wall(s.URL, r); c != "" {
			a.Condition, a.Next = c, what+": "+(&health{condition: c}).do(s)
		}
	default:
		a.judge(d, r)
	}
	return a
}

func auditDocument(s tocsin.Source, r fetch.Response) (Document, error) {
	name := cmp.Or(s.Kind, "feed")
	for _, k := range Kinds {
		if k.Name == name {
			return parseSafely(k, s, r)
		}
	}
	return Document{}, fmt.Errorf("this tocsin has no kind %s", name)
}

// stale is how long after its newest entry a source is worth a look.
const stale = 365 * 24 * time.Hour

func (a *Audited) judge(d Document, r fetch.Response) {
	a.Entries, a.FullText, a.Hub = len(d.Items), fullText(d.Items), hubOf(r)
	if newest, _ := inDateOrder(d.Items); len(newest) > 0 {
		a.Newest = dateOf(newest[0])
	}
	a.Condition = OK
	var next []string
	switch {
	case len(d.Items) == 0:
		a.Condition, a.Bad = Empty, true
		next = append(next, "it holds no entries: look for the publisher's present address")
	case len(d.Repairs) > 0 || r.Cut:
		a.Condition = Repaired
		next = append(next, strings.Join(d.Repairs, "; "))
	}
	if a.Moved != "" {
		next = append(next, "it has moved for good to "+a.Moved+": give the source that address")
	}
	if !a.Newest.IsZero() && time.Since(a.Newest) > stale {
		next = append(next, "nothing new since "+a.Newest.UTC().Format(time.DateOnly)+": it may be dead")
	}
	a.Next = strings.Join(next, "; ")
}
