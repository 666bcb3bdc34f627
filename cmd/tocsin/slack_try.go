package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"tocsin"
	"tocsin/notifiers/slackapp"
	"tocsin/pipeline"
	"tocsin/pipeline/watchlist"
)

// canonical is a query as it is stored.
func canonical(query string) (string, error) {
	q, err := watchlist.Parse(query)
	if err != nil {
		return "", err
	}
	return q.Format(), nil
}

// A trial holds a query against what is stored, as a subscription would.
type trial struct {
	slackapp.Trial
	wanted     *pipeline.Wanted
	statements map[uint64]*triedStatement
}

// A triedStatement is a statement that one of the versions finds.
type triedStatement struct {
	slackapp.Found
	copies   []tocsin.Copy // that the new version finds
	new, old bool
}

func (d *workspaceDesk) try(ctx context.Context, t slackapp.Trial) (out slackapp.Tried, err error) {
	w, err := d.s.logs.Wanted(ctx)
	if err != nil {
		return out, err
	}
	q, err := watchlist.Parse(t.Query)
	if err != nil {
		return out, err
	}
	rule, err := w.Rule(tocsin.Watchlist{Query: t.Query})
	if err != nil {
		return out, err
	}
	out.Query = q.String()
	for _, n := range q.Lint(w.Resolver()) {
		out.Notes = append(out.Notes, n.Msg)
	}
	rules := map[string]*watchlist.Rule{ruleNew: rule}
	if t.Old != "" && d.sees(w, t.Old) {
		if old, err := w.Rule(*w.Watchlists[t.Old].Watchlist); err == nil {
			rules[ruleOld] = old
		}
	}
	x := trial{t, w, map[uint64]*triedStatement{}}
	stats, err := d.s.logs.Backtest(ctx, pipeline.BacktestConfig{Since: t.Since, Rules: rules}, x.add)
	if err != nil {
		return out, err
	}
	out.Items = stats.Items
	x.sum(&out)
	return out, nil
}

// add takes an item that is found. One from before the time that is asked for, which
// was there when its source was first read, would not have been sent.
func (x *trial) add(h pipeline.Hit) {
	if saidAt(h.Item).Before(x.Since) {
		return
	}
	src := x.wanted.Source(h.Item.Source)
	s := x.statements[h.Statement]
	if s == nil {
		s = &triedStatement{}
		x.statements[h.Statement] = s
	}
	if _, ok := h.Results[ruleOld]; ok {
		s.old = true
	}
	if _, ok := h.Results[ruleNew]; !ok {
		return
	}
	if !s.new {
		f := foundStatement{Hit: h, new: true}
		s.Found = slackapp.Found{
			Title: oneLineText(h.Item.Title, 200), Publisher: cmp.Or(src.Title, src.ID), URL: h.Item.URL,
			Excerpt: oneLineText(strings.Join(f.excerpts(marker{"[", "]"}, 1), " "), 300), At: saidAt(h.Item),
		}
	}
	s.new = true
	s.copies = append(s.copies, tocsin.Copy{Source: h.Item.Source, Country: src.Country, Lang: h.Item.Lang})
}

// sum counts what the subscription would have had.
func (x *trial) sum(out *slackapp.Tried) {
	for _, s := range x.statements {
		sent := s.new && pipeline.Wants(x.Plan, s.copies)
		switch {
		case sent:
			out.Statements++
			out.Newest = append(out.Newest, s.Found)
		case s.old:
			out.Dropped++
		}
		if sent && !s.old {
			out.Added++
		}
	}
	slices.SortFunc(out.Newest, func(a, b slackapp.Found) int {
		return cmp.Or(b.At.Compare(a.At), strings.Compare(a.Title, b.Title))
	})
	out.Newest = out.Newest[:min(len(out.Newest), x.Show)]
}

const (
	maxCandidates = 12 // edits that are tried for one watchlist
	maxOffered    = 2
)

// without is a query that leaves out what not finds.
func without(query, not string) string {
	return "(\n" + strings.TrimSpace(query) + "\n) AND NOT " + not
}

// propose finds edits of the workspace's watchlists by which an alert would not have
// come: words of its title that the fewest other statements have, and its source.
func (d *workspaceDesk) propose(ctx context.Context, id string) (out []slackapp.Proposal, err error) {
	al, err := d.alert(ctx, id)
	if err != nil {
		return nil, err
	}
	w, err := d.s.logs.Wanted(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range al.Matches {
		if !d.owns(w, m.Watchlist) {
			continue
		}
		some, err := d.edits(ctx, w, al, m)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

func (d *workspaceDesk) edits(ctx context.Context, w *pipeline.Wanted, al tocsin.Alert, m tocsin.Match) ([]slackapp.Proposal, error) {
	v := w.Watchlists[m.Watchlist]
	now, err := w.Rule(*v.Watchlist)
	if err != nil {
		return nil, err
	}
	it, err := d.s.logs.Item(ctx, al.First().Seq)
	if err != nil {
		return nil, err
	}
	doc := pipeline.Document(it, w.Source(it.Source))
	rules := map[string]*watchlist.Rule{"": now}
	for _, not := range candidates(it) {
		x := *v.Watchlist
		x.Query = without(x.Query, not)
		r, err := w.Rule(x)
		if err != nil {
			continue
		}
		if _, still := r.Match(doc); !still {
			rules[not] = r
		}
	}
	found := map[string]map[uint64]bool{}
	_, err = d.s.logs.Backtest(ctx, pipeline.BacktestConfig{Since: time.Now().Add(-quickSpan), Rules: rules}, func(h pipeline.Hit) {
		for name := range h.Results {
			if found[name] == nil {
				found[name] = map[uint64]bool{}
			}
			found[name][h.Statement] = true
		}
	})
	if err != nil {
		return nil, err
	}
	var out []slackapp.Proposal
	for not := range rules {
		if not != "" {
			out = append(out, slackapp.Proposal{Watchlist: m.Watchlist, Base: v.Seq, Not: not, Before: len(found[""]), After: len(found[not])})
		}
	}
	slices.SortFunc(out, func(a, b slackapp.Proposal) int { // the one that loses least; of these the longest
		return cmp.Or(b.After-a.After, len(b.Not)-len(a.Not), strings.Compare(a.Not, b.Not))
	})
	return out[:min(len(out), maxOffered)], nil
}

// candidates are parts of a query that find an item: two to four words of its title,
// and its source.
func candidates(it tocsin.Item) []string {
	words := strings.FieldsFunc(it.Title, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
	out := []string{"source:" + it.Source}
	for n := 4; n >= 2; n-- {
		for i := 0; i+n <= len(words) && len(out) < maxCandidates; i += n {
			out = append(out, `title:"`+strings.Join(words[i:i+n], " ")+`"`)
		}
	}
	return out
}

// exclude makes an edit that was proposed.
func (d *workspaceDesk) exclude(ctx context.Context, by string, p slackapp.Proposal) error {
	w, err := d.s.logs.Wanted(ctx)
	if err != nil {
		return err
	}
	if !d.owns(w, p.Watchlist) {
		return fmt.Errorf("watchlist %s is not this workspace's to change", p.Watchlist)
	}
	x := *w.Watchlists[p.Watchlist].Watchlist
	if x.Query, err = canonical(without(x.Query, p.Not)); err != nil {
		return errors.New("the edit no longer fits the query: ask again")
	}
	return discreet(d.s.logs.SetWatchlist(ctx, pipeline.Edit{By: by, Base: p.Base}, x))
}
