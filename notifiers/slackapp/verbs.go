package slackapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"tocsin"
)

const (
	lookBack   = 30 // days
	dryRunShow = 3
	searchShow = 10
	pauseFor   = 364 * 24 * time.Hour
)

func since(days int) time.Time { return time.Now().AddDate(0, 0, -days) }

// command begins what a command asks for.
func (a *App) command(s slash) any {
	c, err := Parse(s.Text)
	if err != nil {
		return immediate(wrong(err))
	}
	if c.Verb == verbHelp {
		return immediate(help())
	}
	p := person{s.TeamID, s.UserID, s.ChannelID, s.ChannelID}
	work := func(ctx context.Context) reply {
		r, err := a.do(ctx, p, c, s.TriggerID)
		if err != nil {
			r = wrong(err)
		}
		return r
	}
	tell := func(ctx context.Context, r reply) {
		if r.text != "" {
			a.respond(ctx, s.ResponseURL, r)
		}
	}
	if c.changes() {
		return immediate(a.change(work, tell))
	}
	ok := a.soon(func(ctx context.Context) { tell(ctx, work(ctx)) })
	if !ok {
		return immediate(say("tocsin has much to do just now: try again in a minute"))
	}
	return nil
}

// immediate is a reply as Slack takes it with the acknowledgement.
func immediate(r reply) any {
	return map[string]any{"response_type": "ephemeral", "text": r.text, "blocks": r.blocks}
}

// wrong tells of an error, and how a command may have been meant.
func wrong(err error) reply {
	u, ok := errors.AsType[*UsageError](err)
	if !ok {
		return sorry(err)
	}
	text := ":grey_question: " + esc(u.Text, 500)
	if u.Try != "" {
		text += "\nDid you mean " + code(u.Try, 1500) + "?"
	}
	return say("%s", text)
}

// do does what a command asks for.
func (a *App) do(ctx context.Context, p person, c Command, trigger string) (reply, error) {
	switch c.Verb {
	case verbSubscribe:
		if c.Watchlist != "" {
			return a.subscribe(ctx, p, p.channel, c.Watchlist, c.Plan)
		}
		return a.preview(ctx, p, c)
	case verbUnsubscribe:
		return a.unsubscribe(ctx, p, c.Watchlist)
	case verbNew:
		return reply{}, a.openModal(ctx, trigger, draft{Channel: p.channel})
	case verbEdit:
		return reply{}, a.edit(ctx, trigger, p.channel, c.Watchlist)
	case verbList:
		return a.list(ctx, p)
	case verbMute:
		return a.mute(ctx, p, c.Watchlist, time.Now().Add(c.For))
	case verbPause:
		return a.pause(ctx, p, time.Now().Add(cmp.Or(c.For, pauseFor)))
	case verbResume:
		if c.Watchlist != "" {
			return a.mute(ctx, p, c.Watchlist, time.Time{})
		}
		return a.pause(ctx, p, time.Time{})
	case verbTest:
		if err := a.reach(ctx, p.channel); err != nil {
			return reply{}, err
		}
		return say("A message that is marked as a test was posted here."), a.Desk.Test(ctx, p.channel)
	case verbWhy:
		lines, err := a.Desk.Why(ctx, c.URL)
		for i := range lines {
			lines[i] = esc(lines[i], maxLine)
		}
		all := code("tocsin why "+shellWord(c.URL), 400) + " where tocsin runs tells all"
		return reply{text: "Why " + esc(c.URL, 300), blocks: sections(brief(lines, all))}, err
	case verbSearch:
		return a.search(ctx, c)
	case verbSources:
		return a.sources(ctx)
	}
	return help(), nil
}

// shellWord is an address as a shell takes it whole.
func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", "%27") + "'" }

// known is a watchlist that the workspace can subscribe.
func known(s Standing, name string) (Known, error) {
	var names []string
	for _, k := range s.Watchlists {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	near := nearest(name, names)
	if near == "" {
		return Known{}, usage("", "there is no watchlist %q; there are %s. To watch for words of your own, put them in quotes: /tocsin subscribe %q",
			name, cut(strings.Join(names, ", "), 400), name)
	}
	return Known{}, usage("/tocsin subscribe "+near, "there is no watchlist %q", name)
}

func (a *App) subscribe(ctx context.Context, p person, channel, name string, plan tocsin.Subscription) (reply, error) {
	if err := a.mayChange(ctx, p, channel); err != nil {
		return reply{}, err
	}
	s, err := a.Desk.Standing(ctx)
	if err != nil {
		return reply{}, err
	}
	if _, err := known(s, name); err != nil {
		return reply{}, err
	}
	if err := a.fits(ctx, plan); err != nil {
		return reply{}, err
	}
	if err := a.enter(ctx, channel); err != nil {
		return reply{}, err
	}
	plan.Watchlist = name
	if err := a.Desk.Subscribe(ctx, p.by(), channel, plan); err != nil {
		return reply{}, err
	}
	return say(":white_check_mark: %s gets the alerts of *%s* from now on%s.", mention(channel), esc(name, 80), planText(plan)), nil
}

// mention is a channel as Slack shows it by its name.
func mention(channel string) string {
	if private(channel) {
		return "This conversation"
	}
	return "<#" + esc(channel, 30) + ">"
}

// planText says how a subscription is narrowed or timed.
func planText(s tocsin.Subscription) string {
	words := Options(s)
	if len(words) == 0 {
		return ""
	}
	return " (" + code(strings.Join(words, " "), 300) + ")" // people copy it
}

// Options are the options of a subscription as a person writes them.
func Options(s tocsin.Subscription) (words []string) {
	for _, o := range []struct{ name, value string }{
		{"lang", strings.Join(s.Langs, ",")},
		{"from", strings.Join(s.Sources, ",")},
		{"country", strings.Join(s.Countries, ",")},
		{"digest", s.Digest},
		{"quiet", s.Quiet},
		{"escalate", s.Escalate.String()},
	} {
		if o.value != "" {
			words = append(words, o.name+":"+o.value)
		}
	}
	if s.MinCopies > 1 {
		words = append(words, fmt.Sprintf("min-copies:%d", s.MinCopies))
	}
	switch {
	case s.FoldOver < 0:
		words = append(words, "fold-over:never")
	case s.FoldOver > 0:
		words = append(words, fmt.Sprintf("fold-over:%d", s.FoldOver))
	}
	if s.Urgent {
		words = append(words, "urgent")
	}
	return words
}

// preview says what a new query would have sent. It is saved by a click.
func (a *App) preview(ctx context.Context, p person, c Command) (reply, error) {
	if err := a.fits(ctx, c.Plan); err != nil {
		return reply{}, err // not when it is saved
	}
	t, err := a.Desk.Try(ctx, Trial{Query: c.Query, Plan: c.Plan, Since: since(lookBack), Show: dryRunShow})
	if err != nil {
		return reply{}, fmt.Errorf("%w. The query was: %s", err, c.Query)
	}
	head := fmt.Sprintf("*Not saved yet.* %s%s", code(t.Query, 1000), planText(c.Plan))
	r := reply{text: "Not saved yet: " + esc(t.Query, 300), blocks: sections(append([]string{head}, tried(t, lookBack)...))}
	if err := a.reach(ctx, p.channel); err != nil { // now, not only when it is saved
		r.blocks = append(r.blocks, sorry(err).blocks...)
	}
	value, err := json.Marshal(offer{c.Query, c.Plan})
	if err != nil || len(value) > maxValue {
		r.blocks = append(r.blocks, remark("The query is too long to be saved from here: give it to /tocsin new."))
		return r, err
	}
	r.blocks = append(r.blocks, slack.NewActionBlock("",
		primary(button(actionSave, string(value), "Save and subscribe")),
		button(actionEditNew, string(value), "Edit first"),
		button(actionDismiss, "-", "Forget it"),
	))
	return r, nil
}

// fits is nil if a subscription can be as its options say.
func (a *App) fits(ctx context.Context, plan tocsin.Subscription) error {
	if err := plan.CheckPolicy(); err != nil {
		return err
	}
	return a.Desk.Fits(ctx, plan)
}

// An offer is a query that a click saves.
type offer struct {
	Query string              `json:"q"`
	Plan  tocsin.Subscription `json:"p"`
}

func (a *App) unsubscribe(ctx context.Context, p person, name string) (reply, error) {
	if err := a.mayChange(ctx, p, p.channel); err != nil {
		return reply{}, err
	}
	if _, err := a.standby(ctx, p.channel, name, verbUnsubscribe); err != nil {
		return reply{}, err
	}
	if err := a.Desk.Unsubscribe(ctx, p.by(), p.channel, name); err != nil {
		return reply{}, err
	}
	return say(":white_check_mark: %s gets no further alerts of *%s*.", mention(p.channel), esc(name, 80)), nil
}

// standby is a channel's subscription of a watchlist.
func (a *App) standby(ctx context.Context, channel, name, verb string) (Standby, error) {
	s, err := a.Desk.Standing(ctx)
	if err != nil {
		return Standby{}, err
	}
	var names []string
	for _, b := range s.Subscriptions {
		if b.Channel != channel {
			continue
		}
		if b.Watchlist == name {
			return b, nil
		}
		names = append(names, b.Watchlist)
	}
	switch near := nearest(name, names); {
	case near != "":
		return Standby{}, usage("/tocsin "+verb+" "+near, "this channel does not get %q", name)
	case len(names) == 0:
		return Standby{}, usage("/tocsin help", "this channel gets no watchlist")
	}
	return Standby{}, usage("/tocsin list", "this channel does not get %q; it gets %s", name, cut(strings.Join(names, ", "), 300))
}

func (a *App) list(ctx context.Context, p person) (reply, error) {
	s, err := a.Desk.Standing(ctx)
	if err != nil {
		return reply{}, err
	}
	var here []string
	elsewhere := 0
	for _, b := range s.Subscriptions {
		switch {
		case b.Channel == p.channel:
			here = append(here, "• "+standbyText(b))
		case shown(p, b):
			elsewhere++
		}
	}
	lines := []string{"*This channel gets*"}
	if len(here) == 0 {
		lines = []string{"This channel gets nothing yet: " + code(`/tocsin subscribe "ballistic missile*"`, 100)}
	}
	lines = append(lines, here...)
	if elsewhere > 0 {
		lines = append(lines, fmt.Sprintf("%d subscriptions of other channels are on the app's home.", elsewhere))
	}
	lines = append(lines, "", "*Watchlists*")
	for _, k := range s.Watchlists {
		whose := ""
		if k.Own {
			whose = ", of this workspace"
		}
		lines = append(lines, fmt.Sprintf("• *%s*%s  %s", esc(k.Name, 80), whose, code(strings.Join(strings.Fields(k.Query), " "), 200)))
	}
	return reply{text: "What this channel gets", blocks: sections(lines)}, nil
}

func standbyText(b Standby) string {
	s := "*" + esc(b.Watchlist, 80) + "*" + planText(b.Subscription)
	if !b.Muted.IsZero() {
		s += ", muted until " + date(b.Muted)
	}
	if b.Last.IsZero() {
		return s + ", no alert in 30 days"
	}
	return s + ", last alert " + date(b.Last) + ": " + esc(b.Title, 150)
}

// mute holds the alerts of a subscription until a time; a zero one ends that.
func (a *App) mute(ctx context.Context, p person, name string, until time.Time) (reply, error) {
	if err := a.mayChange(ctx, p, p.channel); err != nil {
		return reply{}, err
	}
	verb := verbMute
	if until.IsZero() {
		verb = verbResume
	}
	b, err := a.standby(ctx, p.channel, name, verb)
	if err != nil {
		if u, ok := errors.AsType[*UsageError](err); ok && strings.HasPrefix(u.Try, "/tocsin mute") {
			u.Try += " 2h"
		}
		return reply{}, err
	}
	if until.IsZero() && b.Muted.IsZero() {
		return say("*%s* is not muted here.", esc(name, 80)), nil
	}
	if err := a.Desk.Mute(ctx, p.by(), p.channel, name, until); err != nil {
		return reply{}, err
	}
	if until.IsZero() {
		return say(":bell: *%s* is no longer muted here; what was held comes now.", esc(name, 80)), nil
	}
	return say(":no_bell: *%s* is muted here until %s. Nothing is lost: what comes is held and told then.", esc(name, 80), date(until)), nil
}

// pause mutes all that a channel gets until a time; a zero one ends that.
func (a *App) pause(ctx context.Context, p person, until time.Time) (reply, error) {
	if err := a.mayChange(ctx, p, p.channel); err != nil {
		return reply{}, err
	}
	s, err := a.Desk.Standing(ctx)
	if err != nil {
		return reply{}, err
	}
	n := 0
	for _, b := range s.Subscriptions {
		if b.Channel != p.channel || until.IsZero() && b.Muted.IsZero() {
			continue
		}
		if err := a.Desk.Mute(ctx, p.by(), p.channel, b.Watchlist, until); err != nil {
			return reply{}, fmt.Errorf("%s: %w", b.Watchlist, err)
		}
		n++
	}
	switch {
	case until.IsZero() && n == 0:
		return say("Nothing is muted in this channel."), nil
	case n == 0:
		return say("This channel gets no watchlist: there is nothing to pause."), nil
	case until.IsZero():
		return say(":bell: %s on in this channel; what was held comes now.", count(n, "subscription goes", "subscriptions go")), nil
	}
	return say(":double_vertical_bar: %s in this channel until %s is said, at the latest %s. Nothing is lost: what comes is held.",
		count(n, "subscription is paused", "subscriptions are paused"), code("/tocsin resume", 40), date(until)), nil
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

func (a *App) search(ctx context.Context, c Command) (reply, error) {
	t, err := a.Desk.Try(ctx, Trial{Query: c.Query, Since: since(lookBack), Show: searchShow})
	if err != nil {
		return reply{}, err
	}
	lines := []string{fmt.Sprintf("%s: *%d* of the last %d days, newest first", code(t.Query, 500), t.Statements, lookBack)}
	for _, f := range t.Newest {
		lines = append(lines, found(f)...)
	}
	return reply{text: fmt.Sprintf("%d statements", t.Statements), blocks: sections(lines)}, nil
}
