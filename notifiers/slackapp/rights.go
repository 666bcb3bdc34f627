package slackapp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"tocsin"
)

// may is an answer to whether a person may change something, and when it was given.
type may struct {
	yes bool
	at  time.Time
}

const (
	mayFor     = time.Minute      // an answer is good for
	learnFor   = 20 * time.Second // a change waits so long until the workspace is known
	memberPage = 1000
	maxPages   = 20 // of members of a channel
)

// mayChange is nil if a person may change what is about a channel.
func (a *App) mayChange(ctx context.Context, p person, channel string) error {
	if err := a.ofUs(ctx, p); err != nil {
		return err
	}
	if slices.Contains(a.MayChange, p.user) {
		return nil
	}
	var refusal string
	for _, who := range append([]string{}, defaultMay(a.MayChange)...) {
		var ok bool
		var err error
		switch who {
		case AdminsMay:
			refusal = "admins of the workspace"
			ok, err = a.remember(p.user, "", func() (bool, error) { return a.isAdmin(ctx, p.user) })
		case MembersMay:
			refusal = "members of the channel"
			if private(channel) {
				refusal = "the person whose conversation with tocsin it is"
				ok, err = a.isTheirs(ctx, p, channel)
				break
			}
			ok, err = a.remember(p.user, channel, func() (bool, error) { return a.isMember(ctx, p.user, channel) })
		default:
			continue
		}
		if ok || err != nil {
			return err
		}
	}
	if refusal == "" {
		refusal = "people whom the configuration names"
	}
	return fmt.Errorf("only %s may change this; ask whoever runs tocsin, or see may_change in its configuration", refusal)
}

// mayEdit is nil if a person may change the query of a watchlist. That is about each
// channel that gets it. One that Slack does not let us look into gets nothing now.
func (a *App) mayEdit(ctx context.Context, p person, name string) error {
	s, err := a.Desk.Standing(ctx)
	if err != nil {
		return err
	}
	for _, b := range s.Subscriptions {
		if b.Watchlist != name || private(b.Channel) {
			continue
		}
		err := a.mayChange(ctx, p, b.Channel)
		if o, ok := errors.AsType[*tocsin.Outcome](err); errors.Is(err, errUninvited) || ok && o.Verdict == tocsin.Gone {
			continue
		}
		if err != nil {
			return fmt.Errorf("another channel gets %s too: %w; /tocsin new makes a watchlist of your own", name, err)
		}
	}
	return nil
}

// ofUs is nil if a person belongs to the workspace of the token. Before that is known
// nobody does: a guest of a shared channel could not be told from the others.
func (a *App) ofUs(ctx context.Context, p person) error {
	select {
	case <-a.knows:
	case <-ctx.Done():
	case <-time.After(learnFor):
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch a.team {
	case "":
		return errors.New("tocsin could not find out its workspace, and this was not done: try again in a minute")
	case p.team:
		return nil
	}
	return errors.New("you belong to another workspace: only its own people change what this one asks for, and acknowledge its alerts")
}

func defaultMay(given []string) []string {
	if len(given) == 0 {
		return []string{MembersMay}
	}
	return given
}

// remember asks at most once a minute.
func (a *App) remember(user, channel string, ask func() (bool, error)) (bool, error) {
	key := [2]string{user, channel}
	a.mu.Lock()
	have, ok := a.mays[key]
	a.mu.Unlock()
	if ok && time.Since(have.at) < mayFor {
		return have.yes, nil
	}
	yes, err := ask()
	if err != nil {
		return false, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.mays) > 10_000 {
		clear(a.mays)
	}
	a.mays[key] = may{yes, time.Now()}
	return yes, nil
}

func (a *App) isAdmin(ctx context.Context, user string) (bool, error) {
	u, err := a.bot.GetUserInfoContext(ctx, user)
	if err != nil {
		return false, fmt.Errorf("look whether you are an admin: %w", outcome(err))
	}
	return u.IsAdmin || u.IsOwner || u.IsPrimaryOwner, nil
}

// private reports whether a channel is a conversation of two.
func private(channel string) bool { return strings.HasPrefix(channel, "D") }

// isTheirs reports whether a conversation of two is a person's: they are in it, or it
// gets what they asked for. Its id alone, from a form or the app's home, says nothing.
func (a *App) isTheirs(ctx context.Context, p person, channel string) (bool, error) {
	if p.in == channel {
		return true, nil
	}
	s, err := a.Desk.Standing(ctx)
	return slices.ContainsFunc(s.Subscriptions, func(b Standby) bool { return b.Channel == channel && b.By == p.by() }), err
}

// shown reports whether a person is told what a channel gets: what somebody else has
// sent to their own conversation with the app is theirs alone.
func shown(p person, b Standby) bool {
	return !private(b.Channel) || b.Channel == p.in || b.By == p.by()
}

func (a *App) isMember(ctx context.Context, user, channel string) (bool, error) {
	q := &slack.GetUsersInConversationParameters{ChannelID: channel, Limit: memberPage}
	for range maxPages {
		users, next, err := a.bot.GetUsersInConversationContext(ctx, q)
		if o := outcome(err); o != nil && o.Code == "channel_not_found" {
			return false, errUninvited
		} else if o != nil {
			return false, fmt.Errorf("look who is in the channel: %w", o)
		}
		if slices.Contains(users, user) {
			return true, nil
		}
		if next == "" {
			return false, nil
		}
		q.Cursor = next
	}
	return false, fmt.Errorf("the channel has more than %d members: name who may change something with may_change in the configuration", maxPages*memberPage)
}

// errUninvited is also of a private channel, which Slack hides from the app then.
var errUninvited = errors.New("tocsin is not in this channel: say /invite @tocsin here, and then this again")

// reach is nil if the app can post to a channel.
func (a *App) reach(ctx context.Context, channel string) error {
	if private(channel) {
		return nil
	}
	c, err := a.bot.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: channel})
	if err != nil {
		o := outcome(err)
		if o.Code == "channel_not_found" {
			return errUninvited
		}
		return fmt.Errorf("look at the channel: %w", o)
	}
	switch {
	case c.IsArchived:
		return errors.New("the channel is archived: nothing can be posted there")
	case !c.IsMember && !c.IsIM:
		return errUninvited
	}
	return nil
}

// enter is nil if the app can post what a channel is to get from now on. /tocsin can
// be said between two people too, where no app can post: of a conversation of two
// nothing but a message tells, the first that comes there.
func (a *App) enter(ctx context.Context, channel string) error {
	if !private(channel) {
		return a.reach(ctx, channel)
	}
	s, err := a.Desk.Standing(ctx)
	if err != nil || slices.ContainsFunc(s.Subscriptions, func(b Standby) bool { return b.Channel == channel }) {
		return err
	}
	_, _, err = a.bot.PostMessageContext(ctx, channel, slack.MsgOptionText("Alerts that you subscribe to here come here.", false))
	if o := outcome(err); o != nil && (o.Code == "channel_not_found" || o.Code == "not_in_channel") {
		return errors.New("tocsin cannot write in a conversation that is not its own: say this in a channel, or in the messages of the app")
	} else if o != nil {
		return fmt.Errorf("write in this conversation: %w", o)
	}
	return nil
}
