package slackapp

import (
	"context"
	"time"

	"tocsin"
)

// A Desk is what the app of one workspace can see and change. What belongs to other
// workspaces is neither seen nor changed by it. By is who changes something, for
// the record; channels are Slack's ids.
type Desk struct {
	// Standing is what the workspace asks for, and how the sources are.
	Standing func(ctx context.Context) (Standing, error)

	// Try holds a query against what is stored and sends nothing. Its error says what
	// is wrong with the query.
	Try func(ctx context.Context, t Trial) (Tried, error)

	// Save stores a watchlist: a new one, of the name or one like it, if base is 0, or
	// else the version that follows base. It returns its name.
	Save func(ctx context.Context, by string, w tocsin.Watchlist, base uint64) (name string, err error)

	// Subscribe sends the alerts of plan.Watchlist to a channel, as plan says, or
	// changes how it does. Plan.To is not looked at.
	Subscribe func(ctx context.Context, by, channel string, plan tocsin.Subscription) error

	// Fits says what plan names that is not there: a destination or sources.
	Fits func(ctx context.Context, plan tocsin.Subscription) error

	// Unsubscribe ends that.
	Unsubscribe func(ctx context.Context, by, channel, watchlist string) error

	// Mute holds the alerts of a watchlist for a channel until a time, or lets them go
	// if that is zero.
	Mute func(ctx context.Context, by, channel, watchlist string, until time.Time) error

	// Test posts a message that is marked as a test to a channel.
	Test func(ctx context.Context, channel string) error

	// Why tells, in lines, what became of a statement.
	Why func(ctx context.Context, url string) ([]string, error)

	// Alert is an alert, with the matches of watchlists that the workspace sees.
	Alert func(ctx context.Context, id string) (tocsin.Alert, error)

	// Acknowledge notes that by has an alert in hand. The first who does counts.
	Acknowledge func(ctx context.Context, by, alert string) (tocsin.Acknowledgement, error)

	// Propose finds edits by which the watchlists of an alert that the workspace may
	// change would not have found it.
	Propose func(ctx context.Context, alert string) ([]Proposal, error)

	// Exclude makes an edit that was proposed.
	Exclude func(ctx context.Context, by string, p Proposal) error
}

// Standing is what a workspace asks for, and how the sources are.
type Standing struct {
	Subscriptions []Standby // in order of channel and watchlist
	Watchlists    []Known   // in order of name
	Healthy       int       // sources
	Troubled      []Trouble // worst first
}

// A Standby is a subscription of a channel.
type Standby struct {
	tocsin.Subscription
	Channel string
	By      string    // who asked for it, or changed how, last
	Fixed   bool      // the configuration file provides it: it can be muted, not changed
	Muted   time.Time // until then; zero if it is not
	Last    time.Time // when it last had an alert; zero if that is more than 30 days ago
	Title   string    // of that
}

// A Known watchlist is one that the workspace can subscribe.
type Known struct {
	tocsin.Watchlist
	Version uint64
	Own     bool // the workspace may change it
}

// A Trouble is a source that is not well.
type Trouble struct {
	Title, State string
	Since        time.Time
	Do           string // what is wrong, and what to do
}

// A Trial is a query to try, and the subscription that it is for.
type Trial struct {
	Query string
	Plan  tocsin.Subscription
	Old   string    // a watchlist to compare with; "" for none
	Since time.Time // how far back
	Show  int       // how many of the newest statements
}

// Tried is what a query would have found.
type Tried struct {
	Query      string   // as it was understood
	Notes      []string // what is probably not meant
	Items      int      // that were looked at
	Statements int      // that would have been sent
	Added      int      // that the watchlist Old does not find
	Dropped    int      // that only it finds
	Newest     []Found
}

// A Found statement is one that a query finds.
type Found struct {
	Title, Publisher, URL, Excerpt string
	At                             time.Time
}

// A Proposal is an edit of a watchlist, and what it would do.
type Proposal struct {
	Watchlist string `json:"w"`
	Base      uint64 `json:"b"` // the version it is of
	Not       string `json:"n"` // what the query is to leave out
	Before    int    `json:"-"` // statements of 30 days
	After     int    `json:"-"`
}
