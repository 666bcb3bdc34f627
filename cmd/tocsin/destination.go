package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tocsin"
	"tocsin/notifiers"
	"tocsin/notifiers/slackapp"
	"tocsin/pipeline"
)

type destinationCmd struct {
	List    destinationListCmd    `cmd:"" help:"List where alerts can go."`
	Add     destinationAddCmd     `cmd:"" help:"Add one, or change one that was added."`
	Rm      destinationRmCmd      `cmd:"" help:"Remove one that was added."`
	History destinationHistoryCmd `cmd:"" help:"List its versions: who changed what, and when."`
}

// Help ends what tocsin destination --help prints.
func (destinationCmd) Help() string { return readStatus }

// A shownDestination is what list prints as JSON. Its shape is a promise, see
// docs/formats.md.
type shownDestination struct {
	tocsin.Destination
	Version   uint64    `json:"version"`
	Time      time.Time `json:"time,omitzero"`
	By        string    `json:"by"`
	At        string    `json:"at,omitempty"`
	Suspended bool      `json:"suspended,omitempty"`
}

type destinationListCmd struct{}

func (destinationListCmd) Help() string { return readStatus }

func (destinationListCmd) Run(a *app) error {
	w, err := a.standing()
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(w.Destinations)) {
		v := w.Destinations[name]
		d := v.Destination
		if a.JSON {
			if err := a.printJSON(shownDestination{*d, v.Seq, v.Time, v.By, v.At, v.Suspended}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", name, d.Kind, cmp.Or(d.To, "-"), cmp.Or(d.Owner, "-"), origin(v), state(v))
	}
	return t.Flush()
}

type destinationAddCmd struct {
	Name  string `arg:"" help:"Its name."`
	Kind  string `required:"" placeholder:"KIND" help:"slack, email or terminal."`
	To    string `placeholder:"ADDRESS" help:"Channel id of Slack, or mail address."`
	Owner string `placeholder:"MAIL" help:"Who hears when it fails."`

	Workspace string `placeholder:"NAME" help:"Of kind slack, where the configuration has several."`
	OwnerID   string `name:"owner-id" placeholder:"ID" help:"Of kind slack: the owner's id there, for a direct message."`
	Mention   string `placeholder:"GROUP" help:"Of kind slack: the user group that urgent alerts mention, by its id, or here."`
	changer
}

func (destinationAddCmd) Help() string {
	return "What Slack and mail need (a token, a server) stands in the configuration.\n\n" + changeStatus
}

func (c destinationAddCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	if err := c.check(a); err != nil {
		return usageError(fmt.Errorf("destination %s: %w", c.Name, err))
	}
	return a.change("destination", c.Name, "added", func(l *pipeline.Logs) error {
		d := tocsin.Destination{Name: c.Name, Kind: c.Kind, To: c.To, Owner: c.Owner, Workspace: c.Workspace, Mention: c.Mention, OwnerID: c.OwnerID}
		return l.SetDestination(a.ctx, pipeline.Edit{By: by}, d)
	})
}

// check refuses what the configuration would refuse.
func (c destinationAddCmd) check(a *app) error {
	if err := isName(c.Name); err != nil {
		return err
	}
	k, ok := notifiers.KindOf(c.Kind)
	if !ok {
		var known []string
		for _, k := range notifiers.Kinds {
			known = append(known, k.Name)
		}
		return errors.New(unknownName("kind", c.Kind, known))
	}
	if err := k.CheckTo(c.To); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	if c.Owner != "" {
		if err := isAddress(c.Owner); err != nil {
			return fmt.Errorf("--owner: %w", err)
		}
	}
	if c.Mention != "" {
		if err := isMention(c.Mention); err != nil {
			return fmt.Errorf("--mention: %w", err)
		}
	}
	if c.OwnerID != "" {
		if err := notifiers.CheckPerson(c.OwnerID); err != nil {
			return fmt.Errorf("--owner-id: %w", err)
		}
	}
	cfg, err := a.look()
	switch {
	case err != nil:
		return err
	case c.Kind == "slack" && len(cfg.allWorkspaces()) == 0:
		return errors.New("kind slack needs slack: {token: {env: NAME}} in the configuration that the service runs on; name it with --config")
	case c.Kind == "email" && (cfg.Email.SMTP == "" || cfg.Email.From == ""):
		return errors.New("kind email needs email: {smtp: \"smtp://…\", from: …} in the configuration that the service runs on; name it with --config")
	}
	if _, ok := cfg.workspace(c.Workspace); c.Kind == "slack" && !ok {
		var names []string
		for _, w := range cfg.allWorkspaces() {
			names = append(names, cmp.Or(w.Name, "none (the configuration has but one)"))
		}
		return fmt.Errorf("--workspace: name one of %s", strings.Join(names, ", "))
	}
	return nil
}

type destinationRmCmd struct {
	Name  string `arg:"" help:"The destination."`
	Force bool   `help:"Also with subscriptions: they end."`
	changer
}

func (destinationRmCmd) Help() string { return changeStatus }

func (c destinationRmCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	return a.change("destination", c.Name, "removed", func(l *pipeline.Logs) error {
		return l.RemoveDestination(a.ctx, pipeline.Edit{By: by, Force: c.Force}, c.Name)
	})
}

type destinationHistoryCmd struct {
	Name string `arg:"" help:"The destination."`
}

func (destinationHistoryCmd) Help() string { return historyHelp }

func (c destinationHistoryCmd) Run(a *app) error { return a.history("destination", c.Name) }

type subscriptionCmd struct {
	List    subscriptionListCmd    `cmd:"" help:"List which watchlists go where."`
	Add     subscriptionAddCmd     `cmd:"" help:"Send the alerts of a watchlist to a destination, from now on."`
	Set     subscriptionSetCmd     `cmd:"" help:"Change when and how it sends, from now on."`
	Rm      subscriptionRmCmd      `cmd:"" help:"End one that was added."`
	Mute    subscriptionMuteCmd    `cmd:"" help:"Hold its alerts for a time; they are delivered then."`
	Unmute  subscriptionUnmuteCmd  `cmd:"" help:"Deliver what is held, and hold no more."`
	History subscriptionHistoryCmd `cmd:"" help:"List its versions: who changed what, and when."`
}

// Help ends what tocsin subscription --help prints.
func (subscriptionCmd) Help() string { return readStatus }

// A shownSubscription is what list prints as JSON. Its shape is a promise, see
// docs/formats.md.
type shownSubscription struct {
	tocsin.Subscription
	Version   uint64    `json:"version"`
	Time      time.Time `json:"time,omitzero"`
	By        string    `json:"by"`
	At        string    `json:"at,omitempty"`
	Suspended bool      `json:"suspended,omitempty"`
	Muted     time.Time `json:"muted,omitzero"` // until then
	MutedBy   string    `json:"muted_by,omitempty"`
}

type subscriptionListCmd struct{}

func (subscriptionListCmd) Help() string { return readStatus }

func (subscriptionListCmd) Run(a *app) error {
	w, err := a.standing()
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, key := range slices.Sorted(maps.Keys(w.Subscriptions)) {
		v := w.Subscriptions[key]
		s := shownSubscription{Subscription: *v.Subscription, Version: v.Seq, Time: v.Time, By: v.By, At: v.At, Suspended: v.Suspended}
		say := state(v)
		if m, ok := w.Mutes[key]; ok {
			s.Muted, s.MutedBy = m.Mute.Until, m.By
			say = fmt.Sprintf("muted by %s until %s", m.By, stamp(m.Mute.Until))
		}
		if a.JSON {
			if err := a.printJSON(s); err != nil {
				return err
			}
			continue
		}
		to := strings.Join(slices.Concat([]string{s.To}, slackapp.Options(s.Subscription)), " ")
		fmt.Fprintf(t, "%s\tto %s\t%s\t%s\n", s.Watchlist, to, origin(v), say)
	}
	return t.Flush()
}

// A pair names a subscription.
type pair struct {
	Watchlist string `arg:"" help:"The watchlist."`
	To        string `arg:"" name:"destination" help:"The destination."`
}

func (p pair) String() string { return p.Watchlist + " to " + p.To }

type subscriptionAddCmd struct {
	pair
	policy
	changer
}

func (subscriptionAddCmd) Help() string { return changeStatus }

func (c subscriptionAddCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	s := tocsin.Subscription{Watchlist: c.Watchlist, To: c.To}
	if err := c.apply(&s); err != nil {
		return usageError(fmt.Errorf("subscription add: %w", err))
	}
	return a.change("subscription", c.String(), "added", func(l *pipeline.Logs) error {
		return l.SetSubscription(a.ctx, pipeline.Edit{By: by, New: true}, s)
	})
}

type subscriptionRmCmd struct {
	pair
	changer
}

func (subscriptionRmCmd) Help() string { return changeStatus }

func (c subscriptionRmCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	return a.change("subscription", c.String(), "removed", func(l *pipeline.Logs) error {
		return l.Unsubscribe(a.ctx, by, c.Watchlist, c.To)
	})
}

type subscriptionMuteCmd struct {
	pair
	For string `arg:"" name:"for" help:"How long, 2h or 3d, or until when, 2024-01-10 or 2024-01-10T09:00:00Z."`
	changer
}

func (subscriptionMuteCmd) Help() string {
	return "Also of what the configuration file provides. A mute lasts a year at most.\n\n" + changeStatus
}

func (c subscriptionMuteCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	until, err := untilTime(c.For, time.Now())
	if err != nil {
		return usageError(fmt.Errorf("subscription mute: %w", err))
	}
	return a.change("subscription", c.String(), "muted until "+stamp(until), func(l *pipeline.Logs) error {
		return l.Mute(a.ctx, by, c.Watchlist, c.To, until)
	})
}

// untilTime is a time to come: so long from now, or a date.
func untilTime(s string, now time.Time) (time.Time, error) {
	if d, err := duration(s); err == nil {
		if d <= 0 {
			return time.Time{}, fmt.Errorf("%q is no time to come", s)
		}
		return now.Add(d), nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2h, 3d, 2024-01-10 or 2024-01-10T09:00:00Z", strings.TrimSpace(s))
}

type subscriptionUnmuteCmd struct {
	pair
	changer
}

func (subscriptionUnmuteCmd) Help() string { return changeStatus }

func (c subscriptionUnmuteCmd) Run(a *app) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	return a.change("subscription", c.String(), "no longer muted", func(l *pipeline.Logs) error {
		return l.Unmute(a.ctx, by, c.Watchlist, c.To)
	})
}

type subscriptionHistoryCmd struct{ pair }

func (subscriptionHistoryCmd) Help() string { return historyHelp }

func (c subscriptionHistoryCmd) Run(a *app) error {
	return a.history("subscription", c.Watchlist+"."+c.To)
}
