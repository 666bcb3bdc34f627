package slackapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/sync/errgroup"

	"tocsin"
)

// A Config is one workspace's app.
type Config struct {
	Name          string        // what the configuration calls the workspace; "" where there is but one
	Token         tocsin.Secret // the bot token, xoxb-…
	AppToken      tocsin.Secret // xapp-…: connect by Socket Mode; "" does not
	SigningSecret tocsin.Secret // take requests over HTTP that Slack signed with it; "" takes none
	API           string        // "" means https://slack.com/api/
	HTTP          *http.Client  // nil means http.DefaultClient; its dialer is the WebSocket's too
	MayChange     []string      // who may change something: MembersMay, AdminsMay or ids of users; none means MembersMay
	Desk          Desk
	Log           *slog.Logger // nil means slog.Default()
	Seen          *Seen        // what came before, to an app that this one replaces; nil means nothing

	// Trouble is told, for operators, that people cannot reach the app, and "" when
	// they can again. Nil means that nobody is to hear.
	Trouble func(text string)
}

// Who may change something, beside users by their ids.
const (
	MembersMay = "members" // of the channel that it is about
	AdminsMay  = "admins"  // of the workspace
)

// An App answers one workspace.
type App struct {
	Config
	http *http.Client
	bot  *slack.Client // by Token
	open *slack.Client // by AppToken
	jobs chan func(context.Context)

	changes chan func(context.Context) // jobs that Slack waits for
	knows   chan struct{}              // closed once team is known

	mu     sync.Mutex
	team   string            // whose Token is; "" before it is known
	typing map[string]int    // by view: how often its query was changed
	mays   map[[2]string]may // by user and channel
}

const (
	workers = 8
	waiting = 256              // jobs
	workFor = 2 * time.Minute  // one job: a backtest of 30 days among others
	callFor = 10 * time.Second // one call of Slack's API
)

// New makes an app. It is an error to give it no way of hearing from Slack.
func New(c Config) (*App, error) {
	switch {
	case c.Token == "":
		return nil, errors.New("slack app: the bot token is missing")
	case c.AppToken == "" && c.SigningSecret == "":
		return nil, errors.New("slack app: give it app_token, for Socket Mode, or signing_secret, for HTTP")
	}
	return newApp(c), nil
}

func newApp(c Config) *App {
	c.API = cmp.Or(c.API, "https://slack.com/api/")
	c.HTTP = cmp.Or(c.HTTP, http.DefaultClient)
	c.Log = cmp.Or(c.Log, slog.Default()).With("workspace", c.Name)
	c.Seen = cmp.Or(c.Seen, NewSeen(time.Time{}))
	if c.Trouble == nil {
		c.Trouble = func(string) {}
	}
	a := &App{
		Config: c, jobs: make(chan func(context.Context), waiting), changes: make(chan func(context.Context), waiting),
		knows: make(chan struct{}), typing: map[string]int{}, mays: map[[2]string]may{},
	}
	plain := *c.HTTP
	plain.Timeout = callFor
	plain.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a.http = &plain
	client := func(token tocsin.Secret) *slack.Client {
		return slack.New("", slack.OptionAPIURL(c.API), slack.OptionHTTPClient(bearer{&plain, token}))
	}
	a.bot, a.open = client(c.Token), client(c.AppToken)
	return a
}

// Run hears by Socket Mode, if it has an app token, and works until ctx ends.
func (a *App) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error { return a.labour(ctx, a.jobs) })
	}
	for range changers {
		g.Go(func() error { return a.labour(ctx, a.changes) })
	}
	g.Go(func() error { return a.learnTeam(ctx) })
	if a.AppToken != "" {
		for n := range connections {
			g.Go(func() error { return a.listen(ctx, n) })
		}
	}
	return g.Wait()
}

func (a *App) labour(ctx context.Context, jobs <-chan func(context.Context)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case job := <-jobs:
			a.work(ctx, job)
		}
	}
}

// work does a job. A panic is that job's fault: Slack would send again what it did not
// see acknowledged, and end the next process too.
func (a *App) work(ctx context.Context, job func(context.Context)) {
	call, cancel := context.WithTimeout(ctx, workFor)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			a.Log.Error("what slack asked for was not done", "err", fmt.Sprintf("panic: %v", p))
		}
	}()
	job(call)
}

// soon has job done, and reports whether there was room for it.
func (a *App) soon(job func(context.Context)) bool {
	select {
	case a.jobs <- job:
		return true
	default:
		a.Log.Warn("slack app is busy: what came now is not done")
		return false
	}
}

// learnTeam finds out whose token it is, so that what another workspace sends
// through the same app is left alone.
func (a *App) learnTeam(ctx context.Context) error {
	for wait := time.Second; ; wait = min(2*wait, 5*time.Minute) {
		who, err := a.bot.AuthTestContext(ctx)
		if err == nil {
			a.mu.Lock()
			a.team = who.TeamID
			a.mu.Unlock()
			close(a.knows)
			return nil
		}
		if ctx.Err() == nil {
			a.Log.Warn("slack app does not know its workspace yet", "err", outcome(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// foreign reports whether something is of another team than the token.
func (a *App) foreign(team string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.team != "" && team != "" && team != a.team
}

// What Slack sends, as Socket Mode names it.
const (
	slashCommands = "slash_commands"
	interactive   = "interactive"
	eventsAPI     = "events_api"
)

// take begins what Slack asks for and returns what to acknowledge it with, nil for
// nothing but that it came. It waits for what changes something, up to changeFor, and
// for nothing else.
func (a *App) take(kind string, payload json.RawMessage) any {
	switch kind {
	case slashCommands:
		var c slash
		if a.read(payload, &c) && !a.foreign(c.TeamID) {
			return a.Seen.once("command "+c.TriggerID, func() any { return a.command(c) })
		}
	case interactive:
		var i interaction
		if a.read(payload, &i) && !a.foreign(i.Team.ID) {
			return a.Seen.once(i.Type+" "+i.TriggerID, func() any { return a.interact(i) })
		}
	case eventsAPI:
		var e event
		if a.read(payload, &e) && !a.foreign(e.TeamID) {
			a.Seen.once("event "+e.EventID, func() any { a.happened(e); return nil })
		}
	}
	return nil
}

func (a *App) read(payload json.RawMessage, into any) bool {
	err := json.Unmarshal(payload, into)
	if err != nil {
		a.Log.Warn("slack sent what cannot be read", "err", fmt.Sprintf("%T", err))
	}
	return err == nil
}

// slash is a command as Slack sends it.
type slash struct {
	TeamID      string `json:"team_id"`
	ChannelID   string `json:"channel_id"`
	UserID      string `json:"user_id"`
	Text        string `json:"text"`
	ResponseURL string `json:"response_url"`
	TriggerID   string `json:"trigger_id"`
}

// interaction is a click or a submitted modal as Slack sends it.
type interaction struct {
	Type        string `json:"type"`
	TriggerID   string `json:"trigger_id"`
	ResponseURL string `json:"response_url"`
	Team        struct {
		ID string `json:"id"`
	} `json:"team"`
	User struct {
		ID     string `json:"id"`
		TeamID string `json:"team_id"`
	} `json:"user"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Container struct {
		MessageTS string `json:"message_ts"`
		ThreadTS  string `json:"thread_ts"`
		Ephemeral bool   `json:"is_ephemeral"`
	} `json:"container"`
	Actions []struct {
		ActionID string `json:"action_id"`
		Value    string `json:"value"`
	} `json:"actions"`
	View view `json:"view"`
}

// view is a modal as Slack sends it back.
type view struct {
	ID              string `json:"id"`
	Hash            string `json:"hash"`
	CallbackID      string `json:"callback_id"`
	PrivateMetadata string `json:"private_metadata"`
	State           struct {
		Values map[string]map[string]struct {
			Value        string `json:"value"`
			Conversation string `json:"selected_conversation"`
		} `json:"values"`
	} `json:"state"`
}

// event is something that happened in a workspace, as Slack sends it.
type event struct {
	TeamID  string `json:"team_id"`
	EventID string `json:"event_id"`
	Event   struct {
		Type string `json:"type"`
		User string `json:"user"`
		Tab  string `json:"tab"`
	} `json:"event"`
}

// A person is who asks, and about which channel.
type person struct {
	team, user, channel string
	in                  string // the channel where Slack says they are; "" on the app's home and in a form
}

// by is the person for the record.
func (p person) by() string { return "slack:" + p.team + ":" + p.user }
