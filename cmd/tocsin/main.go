// Command tocsin watches official sources and tells people, once and within
// seconds, when a new statement matches what they watch for, and why.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// A cli is the command line: one field a verb, one file each.
type cli struct {
	Config string `short:"c" placeholder:"FILE" help:"Configuration (default: tocsin.yaml here, if there is one)."`
	Data   string `placeholder:"DIR" help:"Data directory (default: the configuration's, or the user's state directory)."`
	NATS   string `name:"nats" placeholder:"URL" help:"Use this NATS server instead of the embedded one."`
	Creds  string `name:"nats-creds" placeholder:"FILE" help:"Credentials file for the NATS server."`
	JSON   bool   `name:"json" help:"Print JSON."`

	Run   runCmd   `cmd:"" help:"Watch the sources and send alerts."`
	Demo  demoCmd  `cmd:"" help:"Show the whole way on a small site of our own, without any network."`
	Check checkCmd `cmd:"" help:"Check the configuration; with --live also what it reaches."`
	Parse parseCmd `cmd:"" help:"Print what a feed document says."`
	Match matchCmd `cmd:"" help:"Say whether text matches a query, and where."`
	Fold  foldCmd  `cmd:"" help:"Say which texts are copies and translations of one statement."`
	Why   whyCmd   `cmd:"" help:"Say what happened to a statement, stage by stage."`

	Watchlist    watchlistCmd    `cmd:"" help:"Watchlists: add, edit, test, explain, backtest …"`
	List         listCmd         `cmd:"" help:"Lists that queries name: list, show, import, rm, history."`
	Destination  destinationCmd  `cmd:"" help:"Destinations: list, add, rm."`
	Subscription subscriptionCmd `cmd:"" help:"Which watchlist goes where: list, add, rm, mute, unmute."`

	Source   sourceCmd   `cmd:"" help:"Sources: add, rm, show, list, status …"`
	Alert    alertCmd    `cmd:"" help:"Alerts: list, show, export, merge, split, labels."`
	Delivery deliveryCmd `cmd:"" help:"Deliveries: list, replay."`
	Backup   backupCmd   `cmd:"" help:"Copy everything stored into a directory, while the service runs or not."`
	Restore  restoreCmd  `cmd:"" help:"Fill an empty data directory, or NATS server, from a backup."`
	Version  versionCmd  `cmd:"" help:"Print the version."`

	TryItems    tryItemsCmd    `cmd:"" hidden:""`
	TryDocument tryDocumentCmd `cmd:"" hidden:""`
}

// Help ends what tocsin --help prints.
func (cli) Help() string {
	return "EXIT STATUS  0 done · 1 an error · 2 wrong usage, or faults in the configuration; tocsin COMMAND --help tells of each"
}

// An app is what a verb has to work with.
type app struct {
	*cli
	ctx      context.Context
	in       io.Reader
	out, err io.Writer
	force    bool // take a configuration although examples fail
}

// A statusError ends the process with a status of its own.
type statusError struct {
	status int
	err    error // nil prints nothing
}

func (e *statusError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

// Exit statuses, the same for every verb.
const (
	statusFailed = 1 // or: nothing matched
	statusUsage  = 2 // wrong usage, configuration or query
)

func usageError(err error) error { return &statusError{statusUsage, err} }

// run is the program without the process around it.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) (status int) {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("tocsin"),
		kong.Description("Watches official sources and tells people, once and within seconds, when a new statement matches what they watch for, and why."),
		kong.Writers(out, errs),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(errs, "tocsin:", err)
		return statusFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintf(errs, "tocsin: %v; see: tocsin --help\n", err)
		return statusUsage
	}
	return report(errs, k.Run(&app{cli: &c, ctx: ctx, in: in, out: out, err: errs}))
}

// report prints an error and gives its exit status.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if faults, ok := errors.AsType[*ConfigError](err); ok {
		fmt.Fprintln(w, faults) // each line begins with its place
	} else if faults, ok := errors.AsType[*lineError](err); ok {
		fmt.Fprintln(w, faults)
	} else if text := err.Error(); text != "" {
		fmt.Fprintln(w, "tocsin:", text)
	}
	if s, ok := errors.AsType[*statusError](err); ok {
		return s.status
	}
	return statusFailed
}
