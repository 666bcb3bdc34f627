//go:build interop

package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var keepProved = flag.Bool("keep", false, "write what other programs proved into the golden files that make test reads")

// proved holds what another program made to the file that "make test" reads, or
// writes it there.
func proved(t *testing.T, path, got string) {
	t.Helper()
	if *keepProved {
		wroteFile(t, path, got)
		return
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != got {
		t.Errorf("%s is not what was proved just now (%v): look at what changed, and write it with -args -keep", path, err)
	}
}

// trySlackTypes holds every kind of message to the types that Slack publishes, by
// Ajv, and makes the schema anew that "make test" holds them to by our own reading.
func trySlackTypes(t *testing.T) {
	node := nodePackages(t, slackPackages[1:]...)
	schema := exec.Command("node", given(t, "blocks.mjs", node), "schema")
	schema.Dir = node
	proved(t, "../../notifiers/notifiertest/slacktypes.json", must(t, schema))

	kept := filepath.Join(node, "messages.jsonl")
	cmd := exec.Command("go", "test", "-count=1", "-run", "^TestEveryKindOfMessageFitsSlacksTypes$", "tocsin/notifiers/slackapp")
	cmd.Env = append(os.Environ(), "TOCSIN_MESSAGES="+kept)
	must(t, cmd)
	text, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	holdToTypes(t, node, strings.Split(strings.TrimSpace(string(text)), "\n"))
}

// holdToTypes holds what we send, as {"is": kind, "value": …}, to the types that Slack
// publishes, and shows that the check can fail.
func holdToTypes(t *testing.T, node string, sent []string) {
	t.Helper()
	text, err := os.ReadFile("../../notifiers/notifiertest/testdata/broken.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	long := regexp.MustCompile(`\{\d+\}`).ReplaceAllStringFunc(string(text), func(n string) string {
		count, _ := strconv.Atoi(strings.Trim(n, "{}"))
		return strings.Repeat("x", count)
	})
	broken := strings.Split(strings.TrimSpace(long), "\n")
	cmd := exec.Command("node", given(t, "blocks.mjs", node))
	cmd.Dir = node
	cmd.Stdin = strings.NewReader(strings.Join(append(sent[:len(sent):len(sent)], broken...), "\n"))
	faults := lines[[]string](t, must(t, cmd))
	if len(faults) != len(sent)+len(broken) {
		t.Fatalf("%d values were judged, want %d", len(faults), len(sent)+len(broken))
	}
	for i, f := range faults {
		switch {
		case i < len(sent) && len(f) > 0:
			t.Errorf("Slack's types refuse what we send: %q\n%s", f, tail(sent[i], 2000))
		case i >= len(sent) && len(f) == 0:
			t.Errorf("the types let through what is broken: %s", tail(broken[i-len(sent)], 300))
		}
	}
	t.Logf("%d messages, views and metadata fit %s; %d broken ones do not", len(sent), slackPackages[1], len(broken))
}
