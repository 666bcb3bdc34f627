package main

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"

	"tocsin"
	"tocsin/notifiers"
	"tocsin/pipeline"
)

// A policy is when and how a subscription sends, as flags. What is not given stays
// as it is; none takes it away.
type policy struct {
	Digest   string `placeholder:"WHEN" help:"Send what comes in one message: hourly, \"daily 08:00 Europe/Paris\", \"weekly mon 08:00\"; none sends at once."`
	Quiet    string `placeholder:"HOURS" help:"Hold alerts within hours, \"22:00-07:00 Europe/Paris\", and send them at their end; none holds nothing."`
	Urgent   *bool  `negatable:"" help:"Mention people, and let neither mutes nor quiet hours hold it."`
	Escalate string `placeholder:"AFTER:DESTINATION" help:"Where alerts go on to if nobody acknowledges them, 10m:duty; none sends them on nowhere."`
	FoldOver string `placeholder:"N" help:"When more posts than this wait they are sent as one digest: 1 to 10000, never, or none for 20."`
}

// apply changes a subscription to what was given.
func (p policy) apply(s *tocsin.Subscription) error {
	given := func(flag string, into *string) {
		switch flag {
		case "":
		case "none":
			*into = ""
		default:
			*into = flag
		}
	}
	given(p.Digest, &s.Digest)
	given(p.Quiet, &s.Quiet)
	if p.Urgent != nil {
		s.Urgent = *p.Urgent
	}
	switch p.Escalate {
	case "":
	case "none":
		s.Escalate = tocsin.Escalation{}
	default:
		e, err := tocsin.ParseEscalation(p.Escalate)
		if err != nil {
			return fmt.Errorf("--escalate: %w", err)
		}
		s.Escalate = e
	}
	if p.FoldOver != "" {
		n, err := tocsin.ParseFoldOver(p.FoldOver)
		if err != nil {
			return fmt.Errorf("--fold-over: %w", err)
		}
		s.FoldOver = n
	}
	return s.CheckPolicy()
}

type subscriptionSetCmd struct {
	pair
	policy
	changer
}

func (subscriptionSetCmd) Help() string { return changeStatus }

func (c subscriptionSetCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	return a.change("subscription", c.String(), "changed", func(l *pipeline.Logs) error {
		w, err := l.Wanted(a.ctx)
		if err != nil {
			return err
		}
		v, ok := w.Subscriptions[c.Watchlist+"."+c.To]
		if !ok || v.Suspended {
			return fmt.Errorf("there is no subscription %s: tocsin subscription add %s %s", c.pair, c.Watchlist, c.To)
		}
		s := *v.Subscription
		if err := c.apply(&s); err != nil {
			return usageError(fmt.Errorf("subscription set: %w", err))
		}
		return l.SetSubscription(a.ctx, pipeline.Edit{By: by, Base: v.Seq}, s)
	})
}

// escalation reads where alerts go on to, and after what time.
func (r *reader) escalation(e *tocsin.Escalation) take {
	return func(n ast.Node, what string) {
		given := r.mapping(n, what, keys{"after": r.span(&e.After, 0), "to": r.text(&e.To)})
		if e.To != "" {
			r.refer("destination", e.To, given["to"])
		}
	}
}

// foldOver reads a number of posts, or never.
func (r *reader) foldOver(into *int) take {
	number := r.number(into, "a number from 1 to 10000, or never", func(n int) bool { return n >= 1 && n <= 10_000 })
	return func(n ast.Node, what string) {
		if s, ok := scalar(n); ok && s == "never" {
			*into = -1
			return
		}
		number(n, what)
	}
}

// checkPolicy sees that what a subscription says of when and how to send can be
// meant.
func (r *reader) checkPolicy(n ast.Node, s tocsin.Subscription) {
	if s.Digest != "" && isDigest(s.Digest) != nil {
		return // that is a fault already
	}
	if err := s.CheckPolicy(); err != nil {
		r.fault(n, "the subscription of %q to %q: %v", s.To, s.Watchlist, err)
	}
}

func isMention(s string) error { return notifiers.CheckMention(s) }

func isPerson(s string) error { return notifiers.CheckPerson(s) }
