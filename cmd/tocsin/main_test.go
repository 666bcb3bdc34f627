package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestEveryHelpTellsTheExitStatus(t *testing.T) {
	parser, err := kong.New(&cli{})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	var walk func(n *kong.Node, path []string)
	walk = func(n *kong.Node, path []string) {
		for _, k := range n.Children {
			if k.Type == kong.CommandNode && !k.Hidden {
				walk(k, append(path[:len(path):len(path)], k.Name))
			}
		}
		seen++
		var out bytes.Buffer
		if code := run(context.Background(), append(path, "--help"), strings.NewReader(""), &out, &out); code != 0 || !strings.Contains(out.String(), "EXIT STATUS") {
			t.Errorf("tocsin %s --help ends with %d and tells of no exit status:\n%s", strings.Join(path, " "), code, out.String())
		}
	}
	walk(parser.Model.Node, nil)
	if seen < 45 {
		t.Errorf("%d commands were seen", seen)
	}
}

func TestEveryVerbRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range []string{
		"watchlist", "watchlist nothing", "list", "list import", "list show", "destination add x", "destination rm",
		"subscription add x", "subscription mute a b", "watchlist add", "watchlist rm", "watchlist revert x", "watchlist revert x y",
		"watchlist history", "watchlist show", "watchlist add x --query a --file b", "watchlist edit x --stem --no-stem", "match",
	} {
		var out, errs bytes.Buffer
		if code := run(context.Background(), strings.Fields(args), strings.NewReader(""), &out, &errs); code != statusUsage || errs.Len() == 0 || out.Len() > 0 {
			t.Errorf("tocsin %s ends with %d, want %d:\n%s%s", args, code, statusUsage, &out, &errs)
		}
	}
}
