package main

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tocsin/notifiers/notifiertest"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the program as a person at a shell would. Each script of
// testdata/script has a publisher, $SITE, that serves the files of its directory
// site, and a Slack, $SLACK; both names stand for the addresses in its YAML files
// and lists (.opml) too. Beside the usual commands there are
//
//	exits STATUS COMMAND…      the command ends with this exit status
//	eventually REGEXP COMMAND… it succeeds within a minute and prints what matches
//	capture NAME REGEXP        sets a variable to the first group in stdout
//	slack refuse CHANNEL CODE  the channel answers with an error; "" ends it
//	slack has N REGEXP         so many messages match
//	hangup                     SIGHUP for the process in the background
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: *update,
		Setup: setScene,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "eventually": eventuallyPrints, "capture": capture, "slack": slackCommand, "hangup": hangupCommand,
		},
	})
}

type slackKey struct{}

func setScene(env *testscript.Env) error {
	t := env.T().(testing.TB)
	site := "http://" + loopback(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		name := filepath.Base(q.URL.Path)
		if q.URL.Path == "/" {
			name = "index.html"
		}
		data, err := os.ReadFile(filepath.Join(env.WorkDir, "site", name))
		if err != nil {
			http.NotFound(w, q)
			return
		}
		_, _ = w.Write(data)
	}))
	slack := notifiertest.NewSlack("xoxb-right")
	api := "http://" + loopback(t, slack) + "/api/"
	env.Values[slackKey{}] = slack
	env.Setenv("SITE", site)
	env.Setenv("SLACK", api)
	env.Setenv("TOKEN", "xoxb-right")
	binary, err := built()
	if err != nil {
		return err
	}
	env.Setenv("PATH", filepath.Dir(binary)+string(filepath.ListSeparator)+env.Getenv("PATH"))
	files, err := filepath.Glob(filepath.Join(env.WorkDir, "*.yaml"))
	lists, _ := filepath.Glob(filepath.Join(env.WorkDir, "*.opml"))
	files = append(files, lists...)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		text = []byte(strings.NewReplacer("$SITE", site, "$SLACK", api).Replace(string(text)))
		if err := os.WriteFile(name, text, 0o600); err != nil {
			return err
		}
	}
	return err
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if err != nil || neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND…")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		e, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = e.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func eventuallyPrints(ts *testscript.TestScript, _ bool, args []string) {
	re, err := regexp.Compile(`(?m)` + args[0])
	ts.Check(err)
	nap := 100 * time.Millisecond
	for start := time.Now(); ; time.Sleep(nap) {
		nap = min(nap*5/4, time.Second)
		out, err := commandOf(ts, args[1:]).Output()
		if err == nil && re.Match(out) {
			_, _ = ts.Stdout().Write(out)
			return
		}
		if time.Since(start) > time.Minute {
			ts.Fatalf("not within a minute: %s\n%s%v", args[0], out, err)
		}
	}
}

// commandOf is a command in the script's directory and environment, of which
// nothing is logged.
func commandOf(ts *testscript.TestScript, args []string) *exec.Cmd {
	binary, err := built()
	ts.Check(err)
	if args[0] != "tocsin" {
		ts.Fatalf("eventually runs tocsin, not %s", args[0])
	}
	c := exec.Command(binary, args[1:]...)
	c.Dir = ts.MkAbs(".")
	c.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"))
	for _, name := range []string{"TOKEN", "SITE", "SLACK"} {
		c.Env = append(c.Env, name+"="+ts.Getenv(name))
	}
	return c
}

func capture(ts *testscript.TestScript, _ bool, args []string) {
	found := regexp.MustCompile(`(?m)` + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("stdout does not match %s", args[1])
	}
	ts.Setenv(args[0], found[1])
}

func slackCommand(ts *testscript.TestScript, neg bool, args []string) {
	slack := ts.Value(slackKey{}).(*notifiertest.Slack)
	switch {
	case len(args) == 3 && args[0] == "refuse":
		slack.Refuse(args[1], args[2])
	case len(args) == 3 && args[0] == "has":
		want, err := strconv.Atoi(args[1])
		ts.Check(err)
		re, n := regexp.MustCompile(args[2]), 0
		for _, m := range slack.Messages("") {
			if re.MatchString(m.Text) {
				n++
			}
		}
		if n != want {
			ts.Fatalf("%d messages match %s, want %d: %+v", n, args[2], want, slack.Messages(""))
		}
	default:
		ts.Fatalf("usage: slack refuse CHANNEL CODE, slack has N REGEXP")
	}
}

func hangupCommand(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(hangup))
	}
}
