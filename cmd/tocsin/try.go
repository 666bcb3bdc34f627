package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds"
	"tocsin/feeds/fetch"
	"tocsin/pipeline"
)

// After an unclean stop, what was in hand is tried in a child process first: a
// stack overflow or a lack of memory ends the child, and what ended it goes into
// quarantine. Guessing from how often an item was in hand at a kill would blame
// the innocent.

// tryFor is how long a child may take for everything it is given, and tryMemory
// how much it may use.
const (
	tryFor    = 60 * time.Second
	tryMemory = "GOMEMLIMIT=1GiB"
)

// poisonVariable names text whose presence in an item or document ends the
// process that handles it: tests use it.
const poisonVariable = "TOCSIN_TEST_POISON"

// suffer ends the process as a stack overflow would, if text holds the poison.
func suffer[T string | []byte](text T) {
	if p := os.Getenv(poisonVariable); p != "" && strings.Contains(string(text), p) {
		debug.SetMaxStack(1 << 20)
		fmt.Fprintln(os.Stderr, overflow(0))
	}
}

func overflow(n int) int {
	if n < 0 { // the stack ends first
		return n
	}
	return overflow(n+1) + 1
}

// tryItems handles items in children and returns those that ended one.
func tryItems(ctx context.Context, t pipeline.Trial) (killers []pipeline.Stored, err error) {
	for items := t.Items; len(items) > 0; {
		t.Items = items
		done, err := tryOnce(ctx, "try-items", t)
		if err == nil || ctx.Err() != nil {
			return killers, ctx.Err()
		}
		if done >= len(items) {
			return killers, nil
		}
		killers = append(killers, items[done])
		items = items[done+1:]
	}
	return killers, nil
}

// tryOnce runs a verb of this program with input and counts the lines it printed
// before it ended.
func tryOnce(ctx context.Context, verb string, input any) (lines int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("find own program: %w", err)
	}
	data, err := json.Marshal(input)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, verb)
	cmd.Env = append(os.Environ(), tryMemory)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	return bytes.Count(out, []byte("\n")), err
}

// tryItemsCmd is the child of tryItems: one line for each item it survived.
type tryItemsCmd struct{}

func (tryItemsCmd) Run(a *app) error {
	var in pipeline.Trial
	if err := json.NewDecoder(bufio.NewReader(a.in)).Decode(&in); err != nil {
		return err
	}
	return in.Run(suffer[string], func(it pipeline.Stored) error {
		_, err := fmt.Fprintln(a.out, it.Seq)
		return err
	})
}

type tryDocumentInput struct {
	Source   tocsin.Source  `json:"source"`
	Response fetch.Response `json:"response"`
}

// tryDocument parses a document in a child.
func tryDocument(ctx context.Context, s tocsin.Source, r fetch.Response) error {
	r.Fault = nil // errors do not travel
	_, err := tryOnce(ctx, "try-document", tryDocumentInput{s, r})
	if err != nil && ctx.Err() == nil {
		return errors.New("it ended the process that tried it")
	}
	return ctx.Err()
}

// tryDocumentCmd is the child of tryDocument. A document that is no feed is no
// reason to fail.
type tryDocumentCmd struct{}

func (tryDocumentCmd) Run(a *app) error {
	var in tryDocumentInput
	if err := json.NewDecoder(bufio.NewReader(a.in)).Decode(&in); err != nil {
		return err
	}
	suffer(in.Response.Body)
	for _, k := range feeds.Kinds {
		if k.Name == in.Source.Kind || in.Source.Kind == "" && k.Name == "feed" {
			_, _ = k.Parse(in.Source, in.Response)
		}
	}
	return nil
}
