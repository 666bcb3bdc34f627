package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/notifiers"
	"tocsin/notifiers/slackapp"
	"tocsin/pipeline"
)

// A workspaceDesk is what the people of one Slack workspace see and change. What other
// workspaces ask for is as if it were not there.
type workspaceDesk struct {
	s         *service
	workspace string // "" where the configuration has but one
}

func (d *workspaceDesk) desk() slackapp.Desk {
	return slackapp.Desk{
		Standing: d.standing, Try: d.try, Save: d.save, Subscribe: d.subscribe, Fits: d.fits, Unsubscribe: d.unsubscribe, Mute: d.mute,
		Test: d.test, Why: d.why, Alert: d.alert, Acknowledge: d.acknowledge, Propose: d.propose, Exclude: d.exclude,
	}
}

// sees reports whether the workspace sees a watchlist.
func (d *workspaceDesk) sees(w *pipeline.Wanted, name string) bool {
	v, ok := w.Watchlists[name]
	return ok && !v.Suspended && (v.Watchlist.Workspace == "" || v.Watchlist.Workspace == d.workspace)
}

// owns reports whether the workspace may change a watchlist.
func (d *workspaceDesk) owns(w *pipeline.Wanted, name string) bool {
	v := w.Watchlists[name]
	return d.sees(w, name) && v.Watchlist.Workspace == d.workspace && v.By != "file"
}

// channelOf is the channel of a destination of the workspace, "" for any other.
func (d *workspaceDesk) channelOf(w *pipeline.Wanted, name string) string {
	v, ok := w.Destinations[name]
	if !ok || v.Suspended || v.Destination.Kind != "slack" || v.Destination.Workspace != d.workspace {
		return ""
	}
	return v.Destination.To
}

func (d *workspaceDesk) standing(ctx context.Context) (s slackapp.Standing, err error) {
	w, err := d.s.logs.Wanted(ctx)
	if err != nil {
		return s, err
	}
	subs := map[string]tocsin.Subscription{}
	for _, key := range slices.Sorted(maps.Keys(w.Subscriptions)) {
		v := w.Subscriptions[key]
		channel := d.channelOf(w, v.Subscription.To)
		if v.Suspended || channel == "" || !d.sees(w, v.Subscription.Watchlist) {
			continue
		}
		b := slackapp.Standby{Subscription: *v.Subscription, Channel: channel, By: v.By, Fixed: v.By == "file"}
		if m, ok := w.Mutes[key]; ok {
			b.Muted = m.Mute.Until
		}
		subs[key] = b.Subscription
		s.Subscriptions = append(s.Subscriptions, b)
	}
	last, err := d.s.logs.LastAlerts(ctx, time.Now().Add(-quickSpan), subs)
	if err != nil {
		return s, err
	}
	for i, b := range s.Subscriptions {
		x := last[b.Subscription.Watchlist+"."+b.To]
		s.Subscriptions[i].Last, s.Subscriptions[i].Title = x.At, x.Title
	}
	slices.SortStableFunc(s.Subscriptions, func(x, y slackapp.Standby) int {
		return cmp.Or(strings.Compare(x.Channel, y.Channel), strings.Compare(x.Watchlist, y.Watchlist))
	})
	for _, name := range slices.Sorted(maps.Keys(w.Watchlists)) {
		if v := w.Watchlists[name]; d.sees(w, name) {
			s.Watchlists = append(s.Watchlists, slackapp.Known{Watchlist: *v.Watchlist, Version: v.Seq, Own: d.owns(w, name)})
		}
	}
	return s, d.coverage(ctx, &s)
}

// coverage says how the sources are.
func (d *workspaceDesk) coverage(ctx context.Context, s *slackapp.Standing) error {
	all, err := savedStatus(ctx, d.s.logs)
	if err != nil {
		return err
	}
	for _, src := range all {
		if src.Condition.Well() {
			s.Healthy++
			continue
		}
		s.Troubled = append(s.Troubled, slackapp.Trouble{
			Title: cmp.Or(src.Source.Title, src.Source.ID), State: string(src.Condition), Since: src.Since, Do: advice(src.SourceStatus),
		})
	}
	slices.SortStableFunc(s.Troubled, func(x, y slackapp.Trouble) int {
		return cmp.Or(strings.Compare(x.State, y.State), x.Since.Compare(y.Since))
	})
	return nil
}

// discreet is an error without the names that belong to other workspaces.
func discreet(err error) error {
	if u, ok := errors.AsType[*pipeline.UnknownError](err); ok {
		return fmt.Errorf("there is no %s %q any more", u.Kind, u.Name)
	}
	if c, ok := errors.AsType[*pipeline.ChangedError](err); ok {
		return fmt.Errorf("somebody changed %s %s meanwhile: look at it again", c.Kind, c.Name)
	}
	return err
}

// maxSameName is how many watchlists of one name are told apart by a number.
const maxSameName = 50

func (d *workspaceDesk) save(ctx context.Context, by string, x tocsin.Watchlist, base uint64) (string, error) {
	query, err := canonical(x.Query)
	if err != nil {
		return "", err
	}
	if base != 0 {
		w, err := d.s.logs.Wanted(ctx)
		if err != nil {
			return "", err
		}
		if !d.owns(w, x.Name) {
			return "", fmt.Errorf("watchlist %s is not this workspace's to change", x.Name)
		}
		now := *w.Watchlists[x.Name].Watchlist
		now.Query = query
		return x.Name, discreet(d.s.logs.SetWatchlist(ctx, pipeline.Edit{By: by, Base: base}, now))
	}
	x.Query, x.Workspace = query, d.workspace
	name := x.Name
	if d.workspace != "" && !strings.HasPrefix(name, d.workspace+"-") {
		name = d.workspace + "-" + name // names are one another's, workspaces are not
	}
	name = name[:min(len(name), 60)]
	for n := 1; n <= maxSameName; n++ {
		if x.Name = name; n > 1 {
			x.Name = fmt.Sprintf("%s-%d", name, n)
		}
		err = d.s.logs.SetWatchlist(ctx, pipeline.Edit{By: by, New: true}, x)
		if _, taken := errors.AsType[*pipeline.ExistsError](err); taken {
			continue
		}
		if _, taken := errors.AsType[*pipeline.ReadOnlyError](err); taken {
			continue
		}
		return x.Name, discreet(err)
	}
	return "", fmt.Errorf("there are %d watchlists %s already: choose another name", maxSameName, name)
}

// to is the destination for a channel: one that stands there, or a new one. Who asks
// for it while it gets nothing is its owner, and hears when it is lost.
func (d *workspaceDesk) to(ctx context.Context, by, channel, list string) (string, error) {
	w, err := d.s.logs.Wanted(ctx)
	if err != nil {
		return "", err
	}
	if !d.sees(w, list) {
		return "", fmt.Errorf("there is no watchlist %q", list)
	}
	name := ""
	for _, n := range slices.Sorted(maps.Keys(w.Destinations)) {
		if d.channelOf(w, n) != channel {
			continue
		}
		if v, ok := w.Subscriptions[list+"."+n]; ok && !v.Suspended {
			return n, nil
		}
		name = cmp.Or(name, n)
	}
	_, owner, _ := strings.Cut(strings.TrimPrefix(by, "slack:"), ":")
	if notifiers.CheckPerson(owner) != nil {
		owner = ""
	}
	if name != "" {
		return name, d.own(ctx, w, by, owner, name)
	}
	name = "slack-" + strings.ToLower(channel)
	if d.workspace != "" {
		name = "slack-" + d.workspace + "-" + strings.ToLower(channel)
	}
	dest := tocsin.Destination{Name: name[:min(len(name), 64)], Kind: "slack", To: channel, Workspace: d.workspace, OwnerID: owner}
	err = d.s.logs.SetDestination(ctx, pipeline.Edit{By: by, New: true}, dest)
	if _, taken := errors.AsType[*pipeline.ExistsError](err); taken {
		if w, err := d.s.logs.Wanted(ctx); err == nil && d.channelOf(w, dest.Name) == channel {
			return dest.Name, nil // another asked for it at the same time
		}
	}
	return dest.Name, discreet(err)
}

// own makes who asks for a destination its owner, if it came by Slack and has none,
// or gets nothing now. Whoever changes it at the same time goes first.
func (d *workspaceDesk) own(ctx context.Context, w *pipeline.Wanted, by, owner, name string) error {
	v := w.Destinations[name]
	gets := false
	for _, s := range w.Subscriptions {
		gets = gets || !s.Suspended && s.Subscription.To == name
	}
	if !strings.HasPrefix(v.By, "slack:") || v.Destination.Owner != "" || gets && v.Destination.OwnerID != "" {
		return nil
	}
	owned := *v.Destination
	owned.OwnerID = cmp.Or(owner, owned.OwnerID)
	err := d.s.logs.SetDestination(ctx, pipeline.Edit{By: by, Base: v.Seq}, owned)
	if _, changed := errors.AsType[*pipeline.ChangedError](err); changed {
		return nil
	}
	return discreet(err)
}

func (d *workspaceDesk) subscribe(ctx context.Context, by, channel string, plan tocsin.Subscription) error {
	to, err := d.to(ctx, by, channel, plan.Watchlist)
	if err != nil {
		return err
	}
	plan.To = to
	return discreet(d.s.logs.SetSubscription(ctx, pipeline.Edit{By: by}, plan))
}

// each calls f for the destinations by which a channel gets a watchlist.
func (d *workspaceDesk) each(ctx context.Context, channel, list string, f func(to string) error) error {
	w, err := d.s.logs.Wanted(ctx)
	if err != nil {
		return err
	}
	n := 0
	for _, key := range slices.Sorted(maps.Keys(w.Subscriptions)) {
		v := w.Subscriptions[key]
		if v.Suspended || v.Subscription.Watchlist != list || d.channelOf(w, v.Subscription.To) != channel {
			continue
		}
		n++
		if err := f(v.Subscription.To); err != nil {
			return discreet(err)
		}
	}
	if n == 0 {
		return fmt.Errorf("this channel does not get %s", list)
	}
	return nil
}

func (d *workspaceDesk) unsubscribe(ctx context.Context, by, channel, list string) error {
	return d.each(ctx, channel, list, func(to string) error { return d.s.logs.Unsubscribe(ctx, by, list, to) })
}

func (d *workspaceDesk) mute(ctx context.Context, by, channel, list string, until time.Time) error {
	return d.each(ctx, channel, list, func(to string) error {
		if until.IsZero() {
			return d.s.logs.Unmute(ctx, by, list, to)
		}
		return d.s.logs.Mute(ctx, by, list, to, until)
	})
}

func (d *workspaceDesk) alert(ctx context.Context, id string) (tocsin.Alert, error) {
	a, err := d.s.logs.Alert(ctx, id)
	if err != nil {
		return a, err
	}
	w, err := d.s.logs.Wanted(ctx)
	if err != nil {
		return a, err
	}
	if d.workspace != "" {
		a = pipeline.Visible(a, func(list string) bool { return d.sees(w, list) })
	}
	if len(a.Matches) == 0 {
		return a, fmt.Errorf("read alert %s: its watchlists are gone", id)
	}
	return a, nil
}

func (d *workspaceDesk) acknowledge(ctx context.Context, by, id string) (tocsin.Acknowledgement, error) {
	if _, err := d.alert(ctx, id); err != nil {
		return tocsin.Acknowledgement{}, err
	}
	return d.s.logs.Acknowledge(ctx, by, d.workspace, id)
}

// why tells what tocsin why tells, without what other workspaces ask for: the newest
// record first, and last which watchlists did not match that.
func (d *workspaceDesk) why(ctx context.Context, address string) ([]string, error) {
	traces, err := d.s.logs.Why(ctx, address)
	if err != nil {
		return nil, err
	}
	if len(traces) == 0 {
		return nil, noItemAt(ctx, d.s.logs, address)
	}
	w, err := d.s.logs.Wanted(ctx)
	if err != nil {
		return nil, err
	}
	var b, missed bytes.Buffer
	for i, t := range slices.Backward(traces) {
		lacks := func(v pipeline.Verdict) string { return lacking(w, t.Item, v) }
		t.Deliveries = slices.DeleteFunc(t.Deliveries, func(x pipeline.Delivered) bool { return d.channelOf(w, x.To) == "" })
		t.Verdicts = slices.DeleteFunc(t.Verdicts, func(v pipeline.Verdict) bool {
			seen := d.sees(w, v.Watchlist)
			if seen && !v.Matched && i == len(traces)-1 {
				tellVerdict(&missed, t.Item, v, lacks)
			}
			return !seen || !v.Matched
		})
		tell(&b, t, lacks)
	}
	b.Write(missed.Bytes())
	return strings.Split(strings.TrimSpace(b.String()), "\n"), nil
}

func (d *workspaceDesk) test(ctx context.Context, channel string) error {
	return postTest(ctx, d.s.outside.Load(), tocsin.Destination{Name: "test", Kind: "slack", To: channel, Workspace: d.workspace})
}

// postTest posts an alert that is marked as a test.
func postTest(ctx context.Context, out *outside, to tocsin.Destination) error {
	n := out.of(to)
	if n == nil {
		return fmt.Errorf("nothing reaches %s %s: see the configuration", to.Kind, to.To)
	}
	now := time.Now().UTC()
	c := tocsin.Copy{Source: "test", Publisher: "tocsin", Title: "TEST: this is what an alert looks like", Item: "test", Rev: 1, Seen: now}
	text := "This is a test alert: nothing was published. Real ones come from official sources."
	delivery := tocsin.Delivery{
		ID: fmt.Sprintf("test-%s-%d", to.To, now.UnixNano()), Kind: tocsin.Post, To: to, Since: now, NotAfter: now.Add(time.Minute),
		Alert: tocsin.Alert{ID: slackapp.TestAlert, Opened: now, Copies: []tocsin.Copy{c}, Excerpt: text, Matches: []tocsin.Match{{Watchlist: "test", Branch: "test"}}},
	}
	ready, err := n.Prepare(ctx, delivery)
	if err != nil {
		return err
	}
	defer ready.Close()
	_, err = ready.Send(ctx)
	return err
}
