package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/goccy/go-yaml"

	"tocsin/notifiers/notifiertest"
)

//go:embed demo/slack.yaml
var demoSlackSite []byte

// Who and what is in the workspace of the demonstration.
const (
	demoToken    = "xoxb-demo"
	demoAppToken = "xapp-demo"
	demoDesk     = "C00DESK00"
	demoAnn      = "U000ANN00"
	demoBob      = "U000BOB00"
	demoQuery    = `"ballistic missile*"`
)

// How long what follows a step may take. Replies that nobody has to see at once are
// told together, at most twice a minute.
const (
	demoSoon   = 15 * time.Second
	demoThread = 45 * time.Second
)

// slack plays a conversation in a workspace of our own and prints it.
func (c demoCmd) slack(a *app) (err error) {
	if a.JSON {
		return usageError(errors.New("demo --slack prints a conversation for people: leave out --json"))
	}
	off, err := parseOff(os.Getenv("TOCSIN_OFF"))
	if err != nil {
		return err
	}
	st, err := slackSite()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tocsin-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := publish(st)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fake := demoWorkspace("http://" + l.Addr().String())
	defer fake.Serve(l)()
	cfg := p.config(dir)
	cfg.Slack = Workspace{Token: demoToken, AppToken: demoAppToken, API: fake.Base + "/api/"}
	cfg.Watchlists, cfg.Destinations, cfg.Subscriptions = nil, nil, nil // people make them
	s, err := newService(a.ctx, cfg, serviceOptions{
		Log: slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Off: off, Poll: true, Match: true, Send: true,
	})
	if err != nil {
		return err
	}
	s.poller.Least = demoEvery
	ctx, cancel := context.WithCancel(a.ctx)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	err = c.converse(ctx, a, &conversation{ctx: ctx, slack: fake, svc: s, sites: p, told: newTranscript(a.out, fake)})
	cancel()
	return errors.Join(err, <-done, s.Close())
}

// slackSite is the site of the demonstration, with one step more.
func slackSite() (*site, error) {
	var st, more site
	if err := errors.Join(yaml.Unmarshal(demoSite, &st), yaml.Unmarshal(demoSlackSite, &more)); err != nil {
		return nil, fmt.Errorf("read the bundled site: %w", err)
	}
	st.Steps, st.Statements = append(st.Steps, more.Steps...), append(st.Statements, more.Statements...)
	return &st, nil
}

func demoWorkspace(base string) *notifiertest.SlackApp {
	fake := notifiertest.NewSlackApp(demoToken)
	fake.Base, fake.AppToken, fake.Pings = base, demoAppToken, 20*time.Second
	fake.Members[demoDesk] = []string{demoAnn, demoBob, "U0000001"}
	return fake
}

func (c demoCmd) converse(ctx context.Context, a *app, v *conversation) error {
	fmt.Fprint(a.out, demoPrologue)
	for i, sc := range demoScenes {
		v.told.title(i+1, len(demoScenes), sc.says)
		if err := sc.play(v); err != nil {
			return ended(ctx, err)
		}
	}
	fmt.Fprintf(a.out, "\nThat was the whole conversation, and all of it came as it had to. docs/slack.md takes you to a channel of your own.\n")
	if c.Once {
		return nil
	}
	return ended(ctx, v.yourTurn(a.in))
}

const demoPrologue = `A Slack workspace of our own on loopback: nothing leaves this machine. Ann and Bob are in #desk, and so is
tocsin. Small invented ministries publish on loopback too. What stands in the channel is printed as it comes:
indented once, in a thread behind a bar; "+" and "-" are lines of a message that was edited.
`

// A scene is a part of the conversation: what happens, and what has to come of it.
type scene struct {
	says string
	play func(v *conversation) error
}

var demoScenes = []scene{
	{"tocsin has read eight small sites. Ann subscribes the channel to words of her own, sees what they would have sent, and saves them.", (*conversation).subscribes},
	{"A ministry publishes a joint statement: one message, with buttons.", (*conversation).isAlerted},
	{"Another ministry publishes it too, two more in French and in Japanese, and a newspaper tells of it. The message is edited, the copies stand in its thread (collected for half a minute), and nobody is called again.", sees(2, "published by 4", "reported by 1", thread("also published by"), thread("reported by"))},
	{"The first ministry corrects a number. That is material: the thread tells it to all in the channel.", sees(3, "1 material", aloud("36 to 38"))},
	{"A ministry takes its text away. That is told to all as well.", sees(4, "withdrawn by", aloud("withdrawn by"))},
	{"Bob takes it in hand with a click; all see who and when, on the message.", (*conversation).isAcknowledged},
	{"Ann mutes the watchlist. A further statement is held, and comes when she lifts the mute.", (*conversation).mutes},
	{"Ann asks why the first alert came. (/tocsin why ADDRESS tells it stage by stage.)", (*conversation).asksWhy},
	{"She narrows her watchlist in a form. What it would have sent shows while she writes.", (*conversation).edits},
	{"The app's home says what the workspace gets, and how the sources are.", (*conversation).seesHome},
	{"Ann unsubscribes the channel.", (*conversation).unsubscribes},
}
