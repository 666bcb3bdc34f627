package slackapp

import (
	"context"
	"fmt"
	"slices"

	"github.com/slack-go/slack"
)

// maxHome is how many subscriptions the home shows: each takes two of 100 blocks.
const maxHome = 40

// happened takes an event.
func (a *App) happened(e event) {
	if e.Event.Type != "app_home_opened" || e.Event.Tab == "messages" || e.Event.User == "" {
		return
	}
	a.soon(func(ctx context.Context) {
		if err := a.publishHome(ctx, person{team: e.TeamID, user: e.Event.User}, ""); err != nil && ctx.Err() == nil {
			a.Log.Warn("app home not shown", "err", err)
		}
	})
}

// publishHome shows a person the home of the app, with a word about what was just
// done, if any.
func (a *App) publishHome(ctx context.Context, p person, word string) error {
	var blocks []slack.Block
	if word != "" {
		blocks = append(blocks, section(word))
	}
	s, err := a.Desk.Standing(ctx)
	if err != nil {
		blocks = append(blocks, sorry(err).blocks...)
	} else {
		blocks = append(blocks, home(s, p)...)
	}
	v := slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: blocks}}
	if _, err := a.bot.PublishViewContext(ctx, slack.PublishViewContextRequest{UserID: p.user, View: v}); err != nil {
		return outcome(err)
	}
	return nil
}

// home is what the home says to a person of a workspace.
func home(s Standing, p person) []slack.Block {
	s.Subscriptions = slices.DeleteFunc(slices.Clone(s.Subscriptions), func(b Standby) bool { return !shown(p, b) })
	blocks := []slack.Block{
		section("*" + coverage(s) + "*"),
		slack.NewActionBlock("", primary(button(actionNew, "-", "New watchlist"))),
		slack.NewDividerBlock(),
	}
	if len(s.Subscriptions) == 0 {
		return append(blocks, section("No channel of this workspace gets alerts yet. Say "+code(`/tocsin subscribe "ballistic missile*"`, 100)+" in one."))
	}
	own := map[string]bool{}
	for _, k := range s.Watchlists {
		own[k.Name] = k.Own
	}
	for i, b := range s.Subscriptions {
		if i == maxHome {
			blocks = append(blocks, remark(fmt.Sprintf("… and %d more: say %s in a channel", len(s.Subscriptions)-i, code("/tocsin list", 20))))
			break
		}
		value := b.Channel + " " + b.Watchlist
		buttons := []slack.BlockElement{button(actionMuteFor, value+" 2h", "Mute for 2 hours")}
		if !b.Muted.IsZero() {
			buttons = []slack.BlockElement{button(actionUnmute, value, "Resume")}
		}
		if own[b.Watchlist] {
			buttons = append(buttons, button(actionEdit, value, "Edit"))
		}
		blocks = append(blocks, section(where(b.Channel)+"  "+standbyText(b)), slack.NewActionBlock("", buttons...))
	}
	return blocks
}

// where is a channel as the home names it.
func where(channel string) string {
	if private(channel) {
		return "Your conversation with tocsin"
	}
	return mention(channel)
}
