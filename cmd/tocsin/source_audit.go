package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"tocsin"
	"tocsin/feeds"
	"tocsin/feeds/fetch"
)

const (
	auditAtOnce = 16 // requests
	auditAHost  = 2
)

type sourceAuditCmd struct {
	Names  []string `arg:"" optional:"" name:"source" help:"Only these."`
	Bad    bool     `help:"Print only those that are bad."`
	Resume string   `placeholder:"FILE" help:"What an audit that was broken off has printed: leave out the sources in it."`
}

func (sourceAuditCmd) Help() string {
	return fmt.Sprintf(`Looks at each source once, from here, and prints a row as soon as it is known: at
most %d at a time, %d a host. Nothing is stored, and the service need not run.

EXIT STATUS  0 all can be read · 1 some cannot, or an error · 2 wrong usage`, auditAtOnce, auditAHost)
}

// A shownAudit is what audit prints as JSON. Its shape is a promise, see
// docs/formats.md.
type shownAudit struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind"`
	URL      string          `json:"url"`
	State    feeds.Condition `json:"state"`
	Bad      bool            `json:"bad"`
	Entries  int             `json:"entries"`
	Newest   time.Time       `json:"newest,omitzero"`
	FullText bool            `json:"full_text"`
	Hub      string          `json:"hub,omitempty"`
	Moved    string          `json:"moved,omitempty"`
	MS       int64           `json:"ms"`
	Next     string          `json:"next,omitempty"`
}

func auditShown(x feeds.Audited) shownAudit {
	return shownAudit{
		ID: x.Source.ID, Kind: cmp.Or(x.Source.Kind, "feed"), URL: x.Source.URL, State: x.Condition, Bad: x.Bad, Entries: x.Entries, Newest: x.Newest,
		FullText: x.FullText, Hub: plainLine(x.Hub), Moved: plainLine(x.Moved), MS: x.Took.Milliseconds(), Next: plainLine(x.Next),
	}
}

func (c sourceAuditCmd) Run(a *app) error {
	sources, err := c.sources(a)
	if err != nil {
		return err
	}
	cfg, err := a.look()
	if err != nil {
		return err
	}
	client, err := a.visitor(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	get := func(ctx context.Context, url string) (fetch.Response, error) {
		return client.Get(ctx, url, fetch.Validators{})
	}
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	t := c.table(a, sources)
	for x := range audited(ctx, sources, get) {
		if err := t.row(auditShown(x)); err != nil {
			return err
		}
	}
	return t.end(a.ctx, len(sources))
}

// sources are those to look at, in order.
func (c sourceAuditCmd) sources(a *app) (out []tocsin.Source, err error) {
	w, err := a.standing()
	if err != nil {
		return nil, err
	}
	done, err := c.done(a)
	if err != nil {
		return nil, err
	}
	var known []string
	for id, v := range w.Sources {
		if v.Suspended {
			continue
		}
		known = append(known, id)
		if !done[id] && (len(c.Names) == 0 || slices.Contains(c.Names, id)) {
			out = append(out, *v.Source)
		}
	}
	for _, name := range c.Names {
		if !slices.Contains(known, name) {
			return nil, errors.New(unknownName("source", name, known))
		}
	}
	slices.SortFunc(out, func(a, b tocsin.Source) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// done are the sources that an earlier audit has printed: the last row may be cut.
func (c sourceAuditCmd) done(a *app) (map[string]bool, error) {
	done := map[string]bool{}
	if c.Resume == "" {
		return done, nil
	}
	text, err := a.read(c.Resume)
	if err != nil {
		return nil, err
	}
	end := bytes.LastIndexByte(text, '\n') + 1
	for line := range strings.Lines(string(text[:end])) {
		var x shownAudit
		switch {
		case json.Unmarshal([]byte(line), &x) == nil:
			done[x.ID] = true
		case strings.TrimSpace(line) != "":
			done[strings.Fields(line)[0]] = true
		}
	}
	return done, nil
}

// audited looks at sources, and gives each as soon as it is known. No host is asked
// more than auditAHost things at a time, and a slow one keeps no other waiting.
func audited(ctx context.Context, sources []tocsin.Source, get func(context.Context, string) (fetch.Response, error)) <-chan feeds.Audited {
	hosts := map[string][]tocsin.Source{}
	for _, s := range sources {
		host := s.URL
		if u, err := url.Parse(s.URL); err == nil {
			host = strings.ToLower(u.Hostname())
		}
		hosts[host] = append(hosts[host], s)
	}
	out := make(chan feeds.Audited)
	free := make(chan struct{}, auditAtOnce)
	var all sync.WaitGroup
	for _, some := range hosts {
		next := make(chan tocsin.Source, len(some))
		for _, s := range some {
			next <- s
		}
		close(next)
		for range min(auditAHost, len(some)) {
			all.Go(func() {
				for s := range next {
					auditOne(ctx, s, get, free, out)
				}
			})
		}
	}
	go func() {
		all.Wait()
		close(out)
	}()
	return out
}

func auditOne(ctx context.Context, s tocsin.Source, get func(context.Context, string) (fetch.Response, error), free chan struct{}, out chan<- feeds.Audited) {
	select {
	case <-ctx.Done():
		return
	case free <- struct{}{}:
	}
	x := feeds.Audit(ctx, s, get)
	<-free
	if ctx.Err() != nil { // the end of ours would be its fault
		return
	}
	select {
	case <-ctx.Done():
	case out <- x:
	}
}

// An auditTable prints rows as they come.
type auditTable struct {
	a       *app
	onlyBad bool
	form    string
	rows    int
	bad     int
}

func (c sourceAuditCmd) table(a *app, sources []tocsin.Source) *auditTable {
	wide := 6
	for _, s := range sources {
		wide = max(wide, utf8.RuneCountInString(s.ID))
	}
	t := &auditTable{a: a, onlyBad: c.Bad, form: fmt.Sprintf("%%-%ds  %%-8s %%-22s %%7s  %%-10s  %%-4s  %%-3s  %%-5s  %%6s  %%s\n", wide)}
	if !a.JSON && len(sources) > 0 {
		fmt.Fprintf(a.out, t.form, "source", "kind", "state", "entries", "newest", "text", "hub", "moved", "ms", "next step")
	}
	return t
}

func (t *auditTable) row(x shownAudit) error {
	t.rows++
	if x.Bad {
		t.bad++
	} else if t.onlyBad {
		return nil
	}
	if t.a.JSON {
		return t.a.printJSON(x)
	}
	newest, text, hub, moved := "-", "-", "-", "-"
	if !x.Newest.IsZero() {
		newest = x.Newest.UTC().Format(time.DateOnly)
	}
	if x.FullText {
		text = "full"
	}
	if x.Hub != "" {
		hub = "yes"
	}
	if x.Moved != "" {
		moved = "yes"
	}
	_, err := fmt.Fprintf(t.a.out, t.form, x.ID, x.Kind, x.State, fmt.Sprint(x.Entries), newest, text, hub, moved, fmt.Sprint(x.MS), x.Next)
	return err
}

// end says what it came to, beside the table.
func (t *auditTable) end(ctx context.Context, of int) error {
	fmt.Fprintf(t.a.err, "%s of %d looked at, %d cannot be read\n", counted(t.rows, "source"), of, t.bad)
	switch {
	case ctx.Err() != nil:
		return errors.New("source audit: interrupted; keep what was printed in a file and go on with --resume FILE")
	case t.bad > 0:
		return &statusError{status: statusFailed}
	}
	return nil
}
