package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"tocsin"
)

var update = flag.Bool("update", false, "write what is into the golden files of testdata")

// planted stands for a secret in tests; it must never come out again.
const planted = "xoxb-planted"

// testLoader reads the files of a in place of the disk, the variables of its
// file "env", and knows two built-in sources and one watchlist.
func testLoader(a *txtar.Archive) Loader {
	files := map[string]string{}
	for _, f := range a.Files {
		files[f.Name] = string(f.Data)
	}
	env := map[string]string{"HOME": "/home/ann"}
	for line := range strings.Lines(files["env"]) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[name] = value
	}
	return Loader{
		Kinds: Kinds{
			Sources:      []string{"feed", "page"},
			Destinations: []string{"email", "slack", "terminal"},
			CheckTo: func(kind, to string) error {
				if kind == "slack" && !strings.HasPrefix(to, "C") {
					return errors.New("must be a channel id such as C024BE91L")
				}
				return nil
			},
		},
		Sources: []tocsin.Source{
			{ID: "fr-mfa", Kind: "feed", URL: "https://built.example/fr", Builtin: true},
			{ID: "no-mfa", Kind: "feed", URL: "https://built.example/no", Builtin: true},
		},
		Watchlists: []tocsin.Watchlist{{Name: "missile-transfer", Query: "@missile", Builtin: true, MustMatch: []tocsin.Example{{Text: "missiles"}}}},
		Lists: []tocsin.List{
			{Name: "missile", Entries: []tocsin.Entry{{Term: "missile*"}, {Term: "@system"}}, Builtin: true},
			{Name: "system", Entries: []tocsin.Entry{{Term: `"KN-23"`}}, Builtin: true},
			{Name: "ballistic-missile", Entries: []tocsin.Entry{{Term: `"ballistic missile*"`}}, Builtin: true},
			{Name: "transfer", Entries: []tocsin.Entry{{Term: "transfer*"}}, Builtin: true},
		},
		Env: func(name string) (string, bool) {
			value, ok := env[name]
			return value, ok
		},
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	}
}

// refusals are what the watchlist language says of queries that it refuses.
// They are left out, because it may find better words.
var refusals = regexp.MustCompile(`(?m)(: query: (?:query line [0-9]+, column [0-9]+: )?).*$`)

// TestLoadTellsEveryFaultAndItsPlace holds each file of testdata/config to what
// it expects: the faults in "faults", or the whole configuration in "config".
func TestLoadTellsEveryFaultAndItsPlace(t *testing.T) {
	paths, err := filepath.Glob("testdata/config/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no cases:", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, got := loaded(t, testLoader(a))
			if strings.Contains(got, planted) {
				t.Errorf("a secret comes out:\n%s", got)
			}
			i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "faults" || f.Name == "config" })
			if *update {
				if i < 0 {
					a.Files, i = append(a.Files, txtar.File{}), len(a.Files)
				}
				a.Files[i] = txtar.File{Name: name, Data: []byte(got)}
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if i < 0 || a.Files[i].Name != name || string(a.Files[i].Data) != got {
				t.Errorf("Load gives %s:\n%s\nbut the case expects something else; see it with go test -run %s -update", name, got, t.Name())
			}
		})
	}
}

func loaded(t *testing.T, l Loader) (name, text string) {
	t.Helper()
	c, err := l.Load("tocsin.yaml")
	if err != nil {
		return "faults", refusals.ReplaceAllString(err.Error(), "${1}refused here") + "\n"
	}
	c.Lists = slices.DeleteFunc(c.Lists, func(l tocsin.List) bool { return l.Builtin }) // the same in every case
	out, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return "config", string(out) + "\n"
}

func TestWithoutFileTheTerminalGetsEveryWatchlist(t *testing.T) {
	c, err := testLoader(&txtar.Archive{}).Load("")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Sources) != 2 || len(c.Watchlists) != 1 || len(c.Notes) != 0 {
		t.Errorf("Load gives %d sources, %d watchlists and notes %q; want what is built in and no note", len(c.Sources), len(c.Watchlists), c.Notes)
	}
	if want := []tocsin.Destination{{Name: "terminal", Kind: "terminal"}}; !slices.Equal(c.Destinations, want) {
		t.Errorf("destinations are %v, want %v", c.Destinations, want)
	}
	if want := []tocsin.Subscription{{Watchlist: "missile-transfer", To: "terminal"}}; !reflect.DeepEqual(c.Subscriptions, want) {
		t.Errorf("subscriptions are %v, want %v", c.Subscriptions, want)
	}
}

func TestNamedFileMustExist(t *testing.T) {
	_, err := testLoader(&txtar.Archive{}).Load("etc/tocsin.yaml")
	if want := "etc/tocsin.yaml: there is no such file; name another, or none to run on what is built in"; err == nil || err.Error() != want {
		t.Errorf("Load gives %v, want %s", err, want)
	}
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	l := testLoader(&txtar.Archive{Files: []txtar.File{
		{Name: "etc/tocsin.yaml", Data: []byte("slack: {token: {file: token}}\ndata: state\n")},
		{Name: "etc/token", Data: []byte(planted + "\n")},
	}})
	c, err := l.Load("etc/tocsin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join("etc", "state"); c.Data != want || string(c.Slack.Token) != planted {
		t.Errorf("data is %q, want %q; the token's last line break must go: %v", c.Data, want, string(c.Slack.Token) == planted)
	}
}

// TestWindowsTextHasTheSamePlaces reads a file as a Windows editor saves it.
func TestWindowsTextHasTheSamePlaces(t *testing.T) {
	a, err := txtar.ParseFile("testdata/config/queries.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, want := loaded(t, testLoader(a))
	text := "\ufeff" + strings.ReplaceAll(string(a.Files[0].Data), "\n", "\r\n")
	a.Files[0].Data = []byte(text)
	if _, got := loaded(t, testLoader(a)); got != want {
		t.Errorf("Load gives\n%s\nwant\n%s", got, want)
	}
}

func TestTextMustBeUTF8AndOfAReasonableSize(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\nb: \xff\n":                    "tocsin.yaml:2:1: this line is not UTF-8; save the file as UTF-8",
		strings.Repeat("#\n", MaxConfig/2+1): "tocsin.yaml: is larger than 8 MiB",
	} {
		_, err := testLoader(&txtar.Archive{Files: []txtar.File{{Name: "tocsin.yaml", Data: []byte(text)}}}).Load("tocsin.yaml")
		if err == nil || err.Error() != want {
			t.Errorf("Load gives %v, want %s", err, want)
		}
	}
}

func TestFindConfigTakesTheNamedFileFirst(t *testing.T) {
	for _, tt := range []struct {
		named  string
		exists bool
		want   string
	}{
		{"other.yaml", true, "other.yaml"},
		{"", true, DefaultFile},
		{"", false, ""},
	} {
		if got := FindConfig(tt.named, func(string) bool { return tt.exists }); got != tt.want {
			t.Errorf("FindConfig(%q) = %q where the default file exists: %v; want %q", tt.named, got, tt.exists, tt.want)
		}
	}
}

func TestStateDirFollowsTheSystem(t *testing.T) {
	for _, tt := range []struct {
		system string
		env    map[string]string
		want   string
	}{
		{"linux", map[string]string{"HOME": "/home/ann", "XDG_STATE_HOME": "/state"}, "/state/tocsin"},
		{"linux", map[string]string{"HOME": "/home/ann"}, "/home/ann/.local/state/tocsin"},
		{"darwin", map[string]string{"HOME": "/Users/ann"}, "/Users/ann/Library/Application Support/tocsin"},
		{"windows", map[string]string{"LocalAppData": `/Users/ann/AppData/Local`}, "/Users/ann/AppData/Local/tocsin"},
		{"linux", nil, ""},
	} {
		env := func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok }
		if got := stateDir(tt.system, env); got != filepath.FromSlash(tt.want) {
			t.Errorf("stateDir(%s) with %v = %q, want %q", tt.system, tt.env, got, tt.want)
		}
	}
}

// TestFaultsOfSecretsRepeatNothing puts a token wherever a person may put one.
func TestFaultsOfSecretsRepeatNothing(t *testing.T) {
	for _, text := range []string{
		"slack: {token: %s}",
		"slack: {token: {env: %s}}",
		"slack: {token: {file: %s}}",
		"slack: {token: {%[1]s: x, %[1]s: y}}",
		"slack: {token: {env: [%s]}}",
		"slack: {token: [%s]}",
		"slack: {token: &a %s}",
		"slack: {token: !x %s}",
		"slack: {token: {env: OK, file: %s}}",
		"slack: {token: {env: LINES}} # %s",
		"slack: {api: \"http://%s@slack.example/\"}",
		"slack: {api: \"https://x:%s@slack.example/\"}",
		"email: {smtp: \"smtp://u:%s@mail.example\"}",
		"fetch: {proxy: \"http://u:%s@proxy.example\"}",
		"nats: {url: \"nats://u:%s@nats.example\"}",
		"sources: [{id: x, url: \"https://u:%s@mfa.example/\"}]",
		"slack: {token: \"%s",
		"slack: {token: %s: x}",
		"slack:\n  token: %s\n bad",
	} {
		text = fmt.Sprintf(text, planted)
		l := testLoader(&txtar.Archive{Files: []txtar.File{{Name: "tocsin.yaml", Data: []byte(text)}}})
		l.Env = func(name string) (string, bool) { return planted + "\nsecond line", name == "LINES" }
		_, err := l.Load("tocsin.yaml")
		if err == nil {
			t.Errorf("%s\nis accepted", text)
		} else if strings.Contains(err.Error(), planted) {
			t.Errorf("%s\ngives the secret away: %v", text, err)
		}
	}
}

// TestEveryKeyIsDescribed keeps docs/configuration.md whole.
func TestEveryKeyIsDescribed(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(testLoader(&txtar.Archive{}), "")
	for key := range maps.Keys(r.top()) {
		if !strings.Contains(string(page), "`"+key) {
			t.Errorf("docs/configuration.md does not tell of `%s`", key)
		}
	}
}

// TestWrittenConfigurationsLoad holds the example of the documentation, and the
// file that docker-compose.yml mounts, to what this build can do.
func TestWrittenConfigurationsLoad(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, _ = strings.Cut(example, "```\n")
	golden, err := txtar.ParseFile("testdata/config/example.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if example != string(golden.Files[0].Data) {
		t.Errorf("the example of docs/configuration.md differs from testdata/config/example.txtar:\n%s", example)
	}
	written, l := testLoader(golden), newLoader(builtinWatchlists)
	l.Env, l.ReadFile = written.Env, written.ReadFile
	if _, err := l.Load("tocsin.yaml"); err != nil {
		t.Errorf("the example does not load:\n%v", err)
	}
	c, err := newLoader(builtinWatchlists).Load("../../deploy/compose.tocsin.yaml")
	if err != nil {
		t.Fatalf("what docker-compose.yml runs on does not load:\n%v", err)
	}
	if len(c.Sources) != len(builtinSources()) || len(c.Notes) != 0 {
		t.Errorf("docker-compose.yml runs on %d sources, with notes %q", len(c.Sources), c.Notes)
	}
}

func TestNearestWordIsOneThatCouldBeMeant(t *testing.T) {
	known := []string{"id", "url", "every", "country", "watchlists"}
	for word, want := range map[string]string{
		"evry": "every", "Every": "every", "contry": "country", "watchlist": "watchlists", "uri": "url", "zebra": "", "x": "", "": "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

// FuzzLoad holds that no text makes Load panic, and that each fault lies within it.
func FuzzLoad(f *testing.F) {
	paths, _ := filepath.Glob("testdata/config/*.txtar")
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			if file.Name == "tocsin.yaml" {
				f.Add(string(file.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4<<10 {
			return
		}
		_, err := testLoader(&txtar.Archive{Files: []txtar.File{{Name: "tocsin.yaml", Data: []byte(text)}}}).Load("tocsin.yaml")
		if err == nil {
			return
		}
		e, ok := errors.AsType[*ConfigError](err)
		if !ok || len(e.Faults) == 0 {
			t.Fatalf("Load gives %T %v, want a *ConfigError", err, err)
		}
		for _, fault := range e.Faults {
			if fault.Line > strings.Count(text, "\n")+1 || fault.Line < 0 || fault.Text == "" {
				t.Errorf("a fault has no place: %+v", fault)
			}
		}
	})
}
