package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/notifiers/notifiertest"
	"tocsin/pipeline"
)

// A conversation is what the scenes play on.
type conversation struct {
	ctx   context.Context
	slack *notifiertest.SlackApp
	svc   *service
	sites *publisher
	told  *transcript
	said  int                  // commands and clicks so far
	root  notifiertest.Message // the first alert
	list  string               // Ann's watchlist
	form  *form                // what Ann has before her; nil is the channel
}

// wait waits until something is seen, and prints all that comes meanwhile.
func (v *conversation) wait(what string, seen func() bool) error {
	return v.within(demoSoon, what, seen)
}

func (v *conversation) within(d time.Duration, what string, seen func() bool) error {
	ctx, cancel := context.WithTimeoutCause(v.ctx, d, fmt.Errorf("demo: missing: %s", what))
	defer cancel()
	return until(ctx, func() (bool, error) {
		done := seen()
		v.told.catchUp(demoDesk) // with all that was seen
		return done, nil
	})
}

// publish has the sites do a step.
func (v *conversation) publish(step int) error {
	v.sites.turn(step)
	return v.wait("the sites are read", v.sites.seen)
}

// says gives a command and waits for the answer, which has to hold parts.
func (v *conversation) says(user, text string, parts ...string) error {
	name, ack, err := v.gives(user, text)
	switch {
	case err != nil:
		return err
	case ack != nil:
		return v.told.told(user, ack, parts...)
	}
	return v.answered(user, name, "/tocsin "+text, parts...)
}

// gives gives a command, whose answer is found by its name if it is not acknowledged
// with one.
func (v *conversation) gives(user, text string) (name string, ack any, err error) {
	v.told.line("#desk  %s: /tocsin %s", v.told.people[user], text)
	v.said++
	name = fmt.Sprint("said-", v.said)
	ack, ok := v.slack.Emit("slash_commands", v.slack.Slash(name, user, demoDesk, text), false)
	if !ok {
		return name, nil, fmt.Errorf("demo: missing: an acknowledgement of /tocsin %s", text)
	}
	return name, ack, nil
}

// presses clicks a button of a message, or of an answer where ts is "".
func (v *conversation) presses(user, ts string, b pressable) (name string, err error) {
	v.told.line("%s presses [%s]", v.told.people[user], b.Label)
	v.said++
	name = fmt.Sprint("pressed-", v.said)
	if _, ok := v.slack.Emit("interactive", v.slack.Click(name, user, demoDesk, ts, b.Action, b.Value), false); !ok {
		return name, fmt.Errorf("demo: missing: an acknowledgement of the click on %s", b.Label)
	}
	return name, nil
}

func (v *conversation) answered(user, name, to string, parts ...string) error {
	if err := v.wait("an answer to "+to, func() bool { return len(v.slack.Answers(name)) > 0 }); err != nil {
		return err
	}
	return v.told.told(user, v.slack.Answers(name)[0], parts...)
}

// message is what stands in the channel under a ts.
func (v *conversation) message(ts string) (m notifiertest.Message) {
	for _, m = range v.slack.Messages(demoDesk) {
		if m.TS == ts {
			return m
		}
	}
	return notifiertest.Message{}
}

// roots are the messages that stand in no thread.
func (v *conversation) roots() (out []notifiertest.Message) {
	for _, m := range v.slack.Messages(demoDesk) {
		if m.Thread == "" {
			out = append(out, m)
		}
	}
	return out
}

func (v *conversation) subscribes() error {
	if err := v.wait("a connection", func() bool { return v.slack.Connections() > 0 }); err != nil {
		return err
	}
	if err := v.publish(0); err != nil {
		return err
	}
	if err := v.idle(); err != nil {
		return err
	}
	if err := v.says(demoAnn, "subscribe "+demoQuery, "Not saved yet", "would have sent *1* statement", "Written answer"); err != nil {
		return err
	}
	save, ok := v.told.button("Save and subscribe")
	if !ok {
		return errors.New("demo: missing: a button that saves")
	}
	name, err := v.presses(demoAnn, "", save)
	if err != nil {
		return err
	}
	if err := v.answered(demoAnn, name, "the click", "Saved as *", "<#"+demoDesk+">"); err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(v.slack.Answers(name)[0]), "Saved as *")
	v.list, _, _ = strings.Cut(rest, "*")
	return nil
}

// idle waits until the first reading is matched and told of: a channel that subscribes
// before is told of it too.
func (v *conversation) idle() error {
	ctx, cancel := context.WithTimeoutCause(v.ctx, demoSoon, errors.New("demo: missing: the first reading"))
	defer cancel()
	return until(ctx, func() (bool, error) {
		sizes, err := v.svc.logs.Sizes(ctx)
		return slices.ContainsFunc(sizes, func(l pipeline.LogSize) bool { return l.Name == "ALERTS" && l.Records > 0 }), err
	})
}

func (v *conversation) isAlerted() error {
	if err := v.publish(1); err != nil {
		return err
	}
	if err := v.wait("an alert in the channel", func() bool { return len(v.roots()) > 0 }); err != nil {
		return err
	}
	v.root = v.roots()[0]
	for _, want := range []string{"Joint statement on the transfer of ballistic missiles", "Acknowledge", "Mute similar", "Not relevant", `"Why"`} {
		if !strings.Contains(string(v.root.Blocks), want) {
			return fmt.Errorf("demo: missing: the alert has no %s", want)
		}
	}
	return nil
}

// A reply is a text that has to stand in the thread, aloud or not.
type reply struct {
	text  string
	aloud bool
}

func thread(text string) reply { return reply{text, false} }
func aloud(text string) reply  { return reply{text, true} }

// sees plays a step after which the first alert has to say something, in its text or
// its thread, and after which there is no further message in the channel.
func sees(step int, wants ...any) func(*conversation) error {
	return func(v *conversation) error {
		if err := v.publish(step); err != nil {
			return err
		}
		for _, want := range wants {
			if err := v.within(demoThread, fmt.Sprint(want), func() bool { return v.has(want) }); err != nil {
				return err
			}
		}
		return v.alone()
	}
}

// alone is an error where the channel has another message than the first alert.
func (v *conversation) alone() error {
	v.told.catchUp(demoDesk)
	if n := len(v.roots()); n != 1 {
		return fmt.Errorf("demo: not expected: %d messages in the channel, want 1", n)
	}
	return nil
}

func (r reply) String() string {
	if r.aloud {
		return fmt.Sprintf("%q in the thread and in the channel", r.text)
	}
	return fmt.Sprintf("%q in the thread", r.text)
}

func (v *conversation) has(want any) bool {
	r, ok := want.(reply)
	if !ok {
		return strings.Contains(string(v.message(v.root.TS).Blocks), want.(string))
	}
	for _, m := range v.slack.Messages(demoDesk) {
		if m.Thread == v.root.TS && m.Aloud == r.aloud && strings.Contains(m.Text, r.text) {
			return true
		}
	}
	return false
}

func (v *conversation) isAcknowledged() error {
	ack, ok := buttonOf(v.message(v.root.TS).Blocks, "Acknowledge")
	if !ok {
		return errors.New("demo: missing: the alert's button to acknowledge it")
	}
	if _, err := v.presses(demoBob, v.root.TS, ack); err != nil {
		return err
	}
	return v.wait("who has it in hand, on the message", func() bool { return v.has("@" + demoBob) })
}

func (v *conversation) mutes() error {
	if err := v.says(demoAnn, "mute "+v.list+" 2h", "is muted here"); err != nil {
		return err
	}
	if err := v.publish(len(v.sites.site.Steps) - 1); err != nil {
		return err
	}
	if err := v.opened(); err != nil {
		return err
	}
	if err := v.alone(); err != nil {
		return err
	}
	if err := v.says(demoAnn, "resume "+v.list, v.list); err != nil {
		return err
	}
	return v.wait("what was held", func() bool {
		all := v.roots()
		return len(all) == 2 && strings.Contains(all[1].Text, "bans the export")
	})
}

// opened waits until the last statement is an alert, which nobody is told of yet.
func (v *conversation) opened() error {
	ctx, cancel := context.WithTimeoutCause(v.ctx, demoSoon, errors.New("demo: missing: an alert that is held"))
	defer cancel()
	return until(ctx, func() (bool, error) {
		stories, err := v.svc.logs.Stories(ctx)
		for _, st := range stories {
			if strings.Contains(st.Alert.First().Title, "bans the export") {
				return true, err
			}
		}
		return false, err
	})
}

func (v *conversation) asksWhy() error {
	why, ok := buttonOf(v.message(v.root.TS).Blocks, "Why")
	if !ok {
		return errors.New("demo: missing: the alert's button that tells why")
	}
	name, err := v.presses(demoAnn, v.root.TS, why)
	if err != nil {
		return err
	}
	return v.answered(demoAnn, name, "the click", "watchlist *"+v.list+"*", "published by 4", "ballistic missile*")
}

func (v *conversation) unsubscribes() error {
	return v.says(demoAnn, "unsubscribe "+v.list, "no further alerts")
}

// yourTurn takes commands, and the labels of buttons that were shown last, until there
// are no more.
func (v *conversation) yourTurn(in io.Reader) error {
	v.told.line("Your turn, as Ann in #desk: help, list, subscribe …, and home for the app's home; the label of a button of the last answer presses it. In a form: query: words, options: words, save, cancel. Ctrl-C ends.")
	lines, ended := make(chan string), make(chan struct{})
	go func() { // ends with the process, if not before
		defer close(ended)
		for s := bufio.NewScanner(in); s.Scan(); {
			select {
			case lines <- s.Text():
			case <-v.ctx.Done():
				return
			}
		}
	}()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-v.ctx.Done():
			return nil
		case <-ended:
			return nil
		case <-look.C:
			v.told.catchUp(demoDesk)
		case l := <-lines:
			if err := v.take(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(l), "/tocsin"))); err != nil && v.ctx.Err() == nil {
				v.told.line("%s", err)
			}
		}
	}
}

// take does what a person typed.
func (v *conversation) take(text string) error {
	if v.form != nil {
		return v.takeInForm(text)
	}
	b, ok := v.told.button(text)
	verb, _, _ := strings.Cut(text, " ")
	switch {
	case text == "":
		return nil
	case text == "home":
		return v.opensHome()
	case b.Label == "Edit first":
		return v.opens(func() error { _, err := v.presses(demoAnn, "", b); return err })
	case verb == "new" || verb == "edit" && text != verb:
		return v.opens(func() error { return v.told.answer(v.gives(demoAnn, text)) })
	case !ok:
		return v.says(demoAnn, text)
	}
	name, err := v.presses(demoAnn, "", b)
	if err != nil {
		return err
	}
	return v.answered(demoAnn, name, "the click on "+strconv.Quote(b.Label))
}

// takeInForm does what a person typed before a form: a field and what to write there,
// or one of the form's buttons.
func (v *conversation) takeInForm(text string) error {
	label, words, field := strings.Cut(text, ":")
	switch {
	case strings.EqualFold(text, "save"):
		return v.saves()
	case strings.EqualFold(text, "cancel"):
		v.form = nil
		v.told.line("the form is gone, and nothing was changed")
		return nil
	case field:
		return v.writes(strings.TrimSpace(label), strings.TrimSpace(words))
	}
	return errors.New("a form is open: query: words, options: words, save or cancel")
}
