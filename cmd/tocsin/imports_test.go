package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayImport lists every package of this module and what it may import of it.
// The arrows point one way: sources, pipeline and notifiers do not know each
// other, and only cmd/tocsin knows them all. A package that is not listed fails
// the test: say here where it belongs.
var mayImport = map[string][]string{
	"tocsin":                           {},
	"tocsin/feeds":                     {"tocsin", "tocsin/feeds/fetch", "tocsin/feeds/extract"},
	"tocsin/feeds/fetch":               {"tocsin"},
	"tocsin/feeds/extract":             {},
	"tocsin/notifiers":                 {"tocsin"},
	"tocsin/notifiers/notifiertest":    {"tocsin"},
	"tocsin/notifiers/slackapp":        {"tocsin", "tocsin/notifiers"},
	"tocsin/pipeline":                  {"tocsin", "tocsin/pipeline/watchlist", "tocsin/pipeline/watchlist/engine", "tocsin/pipeline/watchlist/words", "tocsin/pipeline/fold"},
	"tocsin/pipeline/watchlist":        {"tocsin", "tocsin/pipeline/watchlist/words"},
	"tocsin/pipeline/watchlist/words":  {},
	"tocsin/pipeline/watchlist/engine": {"tocsin", "tocsin/pipeline/watchlist", "tocsin/pipeline/watchlist/words"},
	"tocsin/pipeline/fold":             {"tocsin", "tocsin/pipeline/watchlist/words"},

	"tocsin/pipeline/watchlist/watchlisttest": {"tocsin", "tocsin/pipeline/watchlist/words"},
	"tocsin/cmd/tocsin": {
		"tocsin", "tocsin/feeds", "tocsin/feeds/fetch", "tocsin/notifiers", "tocsin/notifiers/slackapp", "tocsin/notifiers/notifiertest",
		"tocsin/pipeline", "tocsin/pipeline/watchlist", "tocsin/pipeline/watchlist/engine", "tocsin/pipeline/watchlist/words", "tocsin/pipeline/fold",
	},
}

// onlyIn names foreign code that a single package, or the named few, may know.
var onlyIn = map[string]string{
	"github.com/nats-io/":         "tocsin/pipeline",
	"github.com/synadia-io/":      "tocsin/pipeline",
	"github.com/mmcdole/":         "tocsin/feeds",
	"github.com/antchfx/":         "tocsin/feeds",
	"github.com/andybalholm/casc": "tocsin/feeds",
	"github.com/slack-go/":        "tocsin/notifiers tocsin/notifiers/slackapp",
	"github.com/gorilla/":         "tocsin/notifiers/slackapp tocsin/notifiers/notifiertest",
	"github.com/wneessen/":        "tocsin/notifiers",
	"github.com/alecthomas/kong":  "tocsin/cmd/tocsin",
	"github.com/goccy/go-yaml":    "tocsin/cmd/tocsin",
	"github.com/prometheus/":      "tocsin/cmd/tocsin",
	"github.com/emersion/go-smtp": "tocsin/notifiers/notifiertest",
}

// pure packages do no input or output and read no clock, so they can be fuzzed
// and measured, and give the same answer tomorrow. Times may be handed to them.
var (
	pure    = []string{"tocsin/pipeline/watchlist", "tocsin/pipeline/watchlist/words", "tocsin/pipeline/watchlist/engine", "tocsin/pipeline/fold", "tocsin/feeds/extract"}
	impurer = []string{"os", "net", "io/fs", "io/ioutil", "log", "syscall", "math/rand", "crypto/rand", "database", "plugin"}
	clock   = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "LoadLocation"}
)

// A listed package is what "go list -json" tells of it.
type listed struct {
	ImportPath string
	Doc        string
	Imports    []string
	Dir        string
	GoFiles    []string
}

func TestImportsPointOneWay(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, fault := range breaches(listPackages(t, system)) {
			t.Errorf("on %s: %s", system, fault)
		}
	}
}

func TestPurePackagesReadNoClock(t *testing.T) {
	for _, p := range listPackages(t, "linux") {
		if !slices.Contains(pure, p.ImportPath) {
			continue
		}
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, use := range clockUses(t, name, string(text)) {
				t.Errorf("%s: %s", p.ImportPath, use)
			}
		}
	}
	if got := clockUses(t, "bad.go", "package bad\n\nimport \"time\"\n\nvar t = time.Now()\n"); len(got) != 1 {
		t.Errorf("clockUses finds %q in a file that reads the clock once", got)
	}
}

// clockUses is where a Go file uses a function of package time that reads the
// clock.
func clockUses(t *testing.T, name, text string) []string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	var uses []string
	for n := range ast.Preorder(file) {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			continue
		}
		if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, s.Sel.Name) {
			uses = append(uses, fmt.Sprintf("%v uses time.%s", files.Position(s.Pos()), s.Sel.Name))
		}
	}
	return uses
}

// TestOnlyTheDemonstrationKnowsCounterparts keeps what is made for tests out of the
// service.
func TestOnlyTheDemonstrationKnowsCounterparts(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "demo_slack") {
			continue
		}
		if text, err := os.ReadFile(name); err != nil || strings.Contains(string(text), `"tocsin/notifiers/notifiertest"`) {
			t.Errorf("%s knows notifiertest, which is for demo_slack*.go and tests (%v)", name, err)
		}
	}
}

func TestEveryPackageSaysWhatItPromises(t *testing.T) {
	for _, p := range listPackages(t, "linux") {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// TestImportRuleSeesEachBreach keeps the rule itself able to fail.
func TestImportRuleSeesEachBreach(t *testing.T) {
	for _, tt := range []struct{ path, imports, want string }{
		{"tocsin/util", "fmt", "tocsin/util is new: say in mayImport what it may import"},
		{"tocsin", "golang.org/x/text/language", "tocsin imports golang.org/x/text/language: it is for the standard library alone"},
		{"tocsin/feeds", "tocsin/pipeline", "tocsin/feeds imports tocsin/pipeline: the arrow points the other way"},
		{"tocsin/notifiers", "github.com/nats-io/nats.go/jetstream", "tocsin/notifiers imports github.com/nats-io/nats.go/jetstream: only tocsin/pipeline may"},
		{"tocsin/cmd/tocsin", "github.com/nats-io/nats.go", "tocsin/cmd/tocsin imports github.com/nats-io/nats.go: only tocsin/pipeline may"},
		{"tocsin/notifiers", "tocsin/notifiers/notifiertest", "tocsin/notifiers imports tocsin/notifiers/notifiertest: the arrow points the other way"},
		{"tocsin/pipeline/fold", "net/http", "tocsin/pipeline/fold imports net/http: it is pure"},
		{"tocsin/pipeline/watchlist", "os", "tocsin/pipeline/watchlist imports os: it is pure"},
	} {
		got := breaches([]listed{{ImportPath: tt.path, Imports: []string{tt.imports}}})
		if !slices.Equal(got, []string{tt.want}) {
			t.Errorf("breaches(%s -> %s) = %q, want %q", tt.path, tt.imports, got, tt.want)
		}
	}
}

func breaches(packages []listed) []string {
	var out []string
	for _, p := range packages {
		allowed, known := mayImport[p.ImportPath]
		if !known {
			out = append(out, p.ImportPath+" is new: say in mayImport what it may import")
			continue
		}
		for _, imp := range p.Imports {
			if why := breach(p.ImportPath, allowed, imp); why != "" {
				out = append(out, fmt.Sprintf("%s imports %s: %s", p.ImportPath, imp, why))
			}
		}
	}
	return out
}

// breach is why path may not import imp, or "".
func breach(path string, allowed []string, imp string) string {
	first, _, _ := strings.Cut(imp, "/")
	switch {
	case first == "tocsin":
		if !slices.Contains(allowed, imp) {
			return "the arrow points the other way"
		}
	case path == "tocsin" && strings.Contains(first, "."):
		return "it is for the standard library alone"
	case slices.Contains(pure, path) && imp != "net/url" && slices.ContainsFunc(impurer, func(i string) bool { return imp == i || strings.HasPrefix(imp, i+"/") }):
		return "it is pure"
	}
	for prefix, owners := range onlyIn {
		if strings.HasPrefix(imp, prefix) && !slices.Contains(strings.Fields(owners), path) {
			return "only " + owners + " may"
		}
	}
	return ""
}

func listPackages(t *testing.T, system string) []listed {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Doc,Imports,Dir,GoFiles", "tocsin/...")
	list.Env = append(list.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		exit, _ := errors.AsType[*exec.ExitError](err)
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	}
	var packages []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 2 {
		t.Fatalf("go list names %d packages", len(packages))
	}
	return packages
}
