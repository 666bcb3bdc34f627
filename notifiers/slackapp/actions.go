package slackapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"tocsin"
)

// The buttons that this package handles. Those of alerts carry the alert's id.
const (
	actionAck        = "tocsin_acknowledge"
	actionMute       = "tocsin_mute_similar"
	actionIrrelevant = "tocsin_not_relevant"
	actionWhy        = "tocsin_why"

	actionSave     = "tocsin_save"
	actionEditNew  = "tocsin_edit_new"
	actionDismiss  = "tocsin_dismiss"
	actionMuteFor  = "tocsin_mute_for"
	actionExclude  = "tocsin_exclude"
	actionNew      = "tocsin_new"
	actionEdit     = "tocsin_edit"
	actionUnmute   = "tocsin_unmute"
	actionQuery    = "tocsin_query"
	actionPlan     = "tocsin_plan"
	actionName     = "tocsin_name"
	actionChannel  = "tocsin_channel"
	callbackModal  = "tocsin_watchlist"
	maxProposals   = 3
	muteChoices    = 3 // watchlists of one alert
	maxWhyExcerpt  = 500
	maxWhyPlaces   = 12
	maxWhyVersions = 20
)

// Buttons are what a message about an alert carries at its end.
func Buttons(alert string) []slack.BlockElement {
	return []slack.BlockElement{
		primary(button(actionAck, alert, "Acknowledge")),
		button(actionMute, alert, "Mute similar"),
		button(actionIrrelevant, alert, "Not relevant"),
		button(actionWhy, alert, "Why"),
	}
}

// interact begins what a click or a form asks for.
func (a *App) interact(i interaction) any {
	p := person{cmp.Or(i.User.TeamID, i.Team.ID), i.User.ID, i.Channel.ID, i.Channel.ID}
	switch i.Type {
	case "view_submission":
		return a.submit(p, i)
	case "block_actions":
		for _, act := range i.Actions {
			if act.ActionID == actionQuery || act.ActionID == actionPlan {
				a.typed(i.View)
				continue
			}
			work := func(ctx context.Context) reply {
				r, err := a.click(ctx, p, i, act.ActionID, act.Value)
				if err != nil {
					r = wrong(err)
				}
				return r
			}
			tell := func(ctx context.Context, r reply) {
				if r.text != "" {
					a.answerClick(ctx, p, i, r)
				}
			}
			if !changesAny(act.ActionID) {
				a.soon(func(ctx context.Context) { tell(ctx, work(ctx)) })
				continue
			}
			// Slack takes no answer with the acknowledgement of a click.
			r := a.change(work, tell)
			a.soon(func(ctx context.Context) { tell(ctx, r) })
		}
	}
	return nil
}

// answerClick answers where the click was: below a message, or on the app's home.
func (a *App) answerClick(ctx context.Context, p person, i interaction, r reply) {
	if i.ResponseURL != "" {
		a.respond(ctx, i.ResponseURL, r)
		return
	}
	if err := a.publishHome(ctx, p, r.text); err != nil {
		a.Log.Warn("app home not shown", "err", err)
	}
}

// TestAlert is the id of an alert that is posted as a test. There is none of this name.
const TestAlert = "test"

func (a *App) click(ctx context.Context, p person, i interaction, action, value string) (reply, error) {
	kind := strings.TrimRight(action, "_0123456789") // buttons of one kind in one block are numbered
	if value == TestAlert && slices.Contains([]string{actionAck, actionMute, actionIrrelevant, actionWhy}, kind) {
		return say(":white_check_mark: tocsin hears this button. This is a test alert: below a real one the button does its work."), nil
	}
	switch kind {
	case actionAck:
		return a.acknowledge(ctx, p, value)
	case actionMute:
		return a.offerMutes(ctx, p, value)
	case actionIrrelevant:
		return a.offerEdits(ctx, value)
	case actionWhy:
		return a.explain(ctx, value)
	case actionSave:
		return a.saveOffer(ctx, p, value)
	case actionEditNew:
		var o offer
		if err := json.Unmarshal([]byte(value), &o); err != nil {
			return reply{}, errStale
		}
		return reply{}, a.openModal(ctx, i.TriggerID, draft{Channel: p.channel, Query: o.Query, Plan: o.Plan})
	case actionDismiss:
		return reply{text: "Forgotten: nothing was saved.", blocks: []slack.Block{section("Forgotten: nothing was saved.")}, replace: true}, nil
	case actionMuteFor, actionUnmute:
		return a.clickMute(ctx, p, value)
	case actionExclude:
		return a.exclude(ctx, p, value)
	case actionNew:
		return reply{}, a.openModal(ctx, i.TriggerID, draft{})
	case actionEdit:
		channel, name, _ := strings.Cut(value, " ")
		return reply{}, a.edit(ctx, i.TriggerID, channel, name)
	}
	return reply{}, nil // a link, or of another version
}

var errStale = errors.New("this button is of another version of tocsin: ask again")

// acknowledge notes who has an alert in hand. The alert's own message shows that to
// all.
func (a *App) acknowledge(ctx context.Context, p person, alert string) (reply, error) {
	if err := a.ofUs(ctx, p); err != nil {
		return reply{}, err
	}
	ack, err := a.Desk.Acknowledge(ctx, p.by(), alert)
	if err != nil {
		return reply{}, err
	}
	if ack.By != p.by() {
		return say("%s has it in hand since %s.", who(ack.By), date(ack.At)), nil
	}
	return say(":white_check_mark: You have this in hand since %s. The alert's message shows it to all.", date(ack.At)), nil
}

// who is a person as Slack shows one, of this workspace or not.
func who(by string) string {
	if rest, ok := strings.CutPrefix(by, "slack:"); ok {
		if _, user, ok := strings.Cut(rest, ":"); ok {
			return "<@" + esc(user, 30) + ">"
		}
	}
	return esc(by, 80)
}

// offerMutes asks which watchlist of an alert is to be muted here, and for how long.
func (a *App) offerMutes(ctx context.Context, p person, alert string) (reply, error) {
	al, err := a.Desk.Alert(ctx, alert)
	if err != nil {
		return reply{}, err
	}
	s, err := a.Desk.Standing(ctx)
	if err != nil {
		return reply{}, err
	}
	r := reply{text: "Mute similar alerts", blocks: []slack.Block{section("Hold here what is found by the same watchlist. Nothing is lost: it is told at the end.")}}
	n := 0
	for _, b := range s.Subscriptions {
		if b.Channel != p.channel || !matches(al, b.Watchlist) || n == muteChoices {
			continue
		}
		n++
		var buttons []slack.BlockElement
		for j, d := range []struct{ span, say string }{{"2h", "2 hours"}, {"24h", "a day"}, {"168h", "a week"}} {
			buttons = append(buttons, button(fmt.Sprint(actionMuteFor, "_", j), p.channel+" "+b.Watchlist+" "+d.span, d.say))
		}
		r.blocks = append(r.blocks, section("*"+esc(b.Watchlist, 80)+"*"), slack.NewActionBlock("", buttons...))
	}
	if n == 0 {
		return say("This channel does not get a watchlist that this alert is of."), nil
	}
	return r, nil
}

func matches(al tocsin.Alert, name string) bool {
	for _, m := range al.Matches {
		if m.Watchlist == name {
			return true
		}
	}
	return false
}

// clickMute mutes, or ends a mute, as a button's value says: "<channel> <watchlist> 2h".
func (a *App) clickMute(ctx context.Context, p person, value string) (reply, error) {
	words := strings.Fields(value)
	if len(words) < 2 {
		return reply{}, errStale
	}
	p.channel = words[0]
	var until time.Time
	if len(words) == 3 {
		d, err := span(words[2])
		if err != nil {
			return reply{}, errStale
		}
		until = time.Now().Add(d)
	}
	r, err := a.mute(ctx, p, words[1], until)
	r.replace = true
	return r, err
}

// offerEdits proposes edits by which an alert would not have come. Each is saved only
// by a further click.
func (a *App) offerEdits(ctx context.Context, alert string) (reply, error) {
	proposals, err := a.Desk.Propose(ctx, alert)
	if err != nil {
		return reply{}, err
	}
	if len(proposals) == 0 {
		return say("No edit of a watchlist of this workspace would leave it out: the watchlists that found it are not yours to change here. Make one of your own with %s.", code("/tocsin new", 40)), nil
	}
	r := reply{text: "Edits that would leave it out", blocks: []slack.Block{section("Nothing is changed yet. Edits by which this alert would not have come, and what each would have done in 30 days:")}}
	for i, p := range proposals[:min(len(proposals), maxProposals)] {
		value, err := json.Marshal(p)
		if err != nil || len(value) > maxValue {
			continue
		}
		text := fmt.Sprintf("*%s*  add %s\n%d statements instead of %d", esc(p.Watchlist, 80), code("NOT "+p.Not, 500), p.After, p.Before)
		r.blocks = append(r.blocks, section(text), slack.NewActionBlock("", button(fmt.Sprint(actionExclude, "_", i), string(value), "Save this edit")))
	}
	r.blocks = append(r.blocks, slack.NewActionBlock("", button(actionDismiss, "-", "Leave it as it is")))
	return r, nil
}

func (a *App) exclude(ctx context.Context, p person, value string) (reply, error) {
	var e Proposal
	if json.Unmarshal([]byte(value), &e) != nil || e.Watchlist == "" || e.Not == "" {
		return reply{}, errStale
	}
	if err := a.mayChange(ctx, p, p.channel); err != nil {
		return reply{}, err
	}
	if err := a.mayEdit(ctx, p, e.Watchlist); err != nil {
		return reply{}, err
	}
	if err := a.Desk.Exclude(ctx, p.by(), e); err != nil {
		return reply{}, err
	}
	r := say(":white_check_mark: *%s* now leaves out %s. It holds for what is published from now on.", esc(e.Watchlist, 80), code(e.Not, 500))
	r.replace = true
	return r, nil
}

// explain says why an alert came.
func (a *App) explain(ctx context.Context, alert string) (reply, error) {
	al, err := a.Desk.Alert(ctx, alert)
	if err != nil {
		return reply{}, err
	}
	first := al.First()
	lines := []string{"*" + link(first.URL, first.Title) + "*", fmt.Sprintf("opened %s, published by %d", date(al.Opened), len(al.Publishers()))}
	for _, m := range al.Matches {
		lines = append(lines, fmt.Sprintf("• watchlist *%s*, version %d, by %s", esc(m.Watchlist, 80), m.Version, code(m.Branch, 300)))
		for i, s := range m.Spans {
			if i == maxWhyPlaces {
				lines = append(lines, fmt.Sprintf("    … and %d places more", len(m.Spans)-i))
				break
			}
			list := ""
			if s.List != "" {
				list = " of @" + esc(s.List, 80)
			}
			lines = append(lines, fmt.Sprintf("    %s%s in the %s", code(s.Term, 100), list, esc(s.Field, 20)))
		}
	}
	if al.Excerpt != "" {
		lines = append(lines, "> "+esc(al.Excerpt, maxWhyExcerpt))
	}
	for i, c := range al.Copies {
		if i == maxWhyVersions {
			lines = append(lines, fmt.Sprintf("… and %d copies more", len(al.Copies)-i))
			break
		}
		line := fmt.Sprintf("%s  %s", date(c.Seen), link(c.URL, c.Publisher))
		if c.Reason != "" {
			line += ": " + esc(c.Reason, 150)
		}
		lines = append(lines, line)
	}
	return reply{text: "Why: " + esc(first.Title, 200), blocks: sections(brief(lines, code("/tocsin why "+first.URL, 400)+" tells more"))}, nil
}

func (a *App) saveOffer(ctx context.Context, p person, value string) (reply, error) {
	var o offer
	if json.Unmarshal([]byte(value), &o) != nil || o.Query == "" {
		return reply{}, errStale
	}
	r, err := a.save(ctx, p, p.channel, tocsin.Watchlist{Query: o.Query}, 0, o.Plan)
	r.replace = true
	return r, err
}

// save stores a watchlist and, with a channel, subscribes that.
func (a *App) save(ctx context.Context, p person, channel string, w tocsin.Watchlist, base uint64, plan tocsin.Subscription) (reply, error) {
	if err := a.mayChange(ctx, p, channel); err != nil {
		return reply{}, err
	}
	if err := a.fits(ctx, plan); err != nil {
		return reply{}, err // before the watchlist is saved
	}
	if base != 0 {
		if err := a.mayEdit(ctx, p, w.Name); err != nil {
			return reply{}, err
		}
	}
	if err := a.enter(ctx, channel); err != nil {
		return reply{}, err
	}
	if w.Name == "" {
		w.Name = nameOf(w.Query)
	}
	name, err := a.Desk.Save(ctx, p.by(), w, base)
	if err != nil {
		return reply{}, err
	}
	plan.Watchlist = name
	if err := a.Desk.Subscribe(ctx, p.by(), channel, plan); err != nil {
		return reply{}, fmt.Errorf("watchlist %s is saved, but %w; then: /tocsin subscribe %s", name, err, name)
	}
	return say(":white_check_mark: Saved as *%s*. %s gets its alerts from now on%s.", esc(name, 80), mention(channel), planText(plan)), nil
}

// nameOf makes a name of the first words of a query.
func nameOf(query string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(query) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 40 {
			break
		}
	}
	return cmp.Or(strings.Trim(b.String(), "-"), "watch")
}
