package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds"
	"tocsin/notifiers"
)

// DefaultFile is the configuration that is read where none is named, if it
// stands in the current directory.
const DefaultFile = "tocsin.yaml"

// TerminalName is the destination that exists without being configured.
const TerminalName = "terminal"

// MaxConfig is the most bytes that a configuration may have: about 70,000 sources.
const MaxConfig = 8 << 20

// A Config is all that a process is told by its file, with what is built in and
// every default filled in. docs/configuration.md describes each key.
type Config struct {
	File          string                `json:"file,omitempty"` // as it was named; "" if there is none
	Revision      int                   `json:"revision"`
	Contact       string                `json:"contact,omitempty"`
	Operators     []string              `json:"operators"` // Destination.Name; none means that the log alone tells
	Sources       []tocsin.Source       `json:"sources"`   // the file's in its order, then the built-in ones it does not replace
	Watchlists    []tocsin.Watchlist    `json:"watchlists"`
	Lists         []tocsin.List         `json:"lists"` // what queries may name: the file's, then the built-in ones it does not replace
	Destinations  []tocsin.Destination  `json:"destinations"`
	Subscriptions []tocsin.Subscription `json:"subscriptions"`
	Slack         Workspace             `json:"slack"`                // where the file has but one
	Workspaces    []Workspace           `json:"workspaces,omitempty"` // where it has a list of them
	Email         struct {
		SMTP     string        `json:"smtp,omitempty"` // as notifiers.EmailConfig.SMTP, email.tls included
		From     string        `json:"from,omitempty"`
		User     string        `json:"user,omitempty"` // "" with a password means From's address
		Password tocsin.Secret `json:"password,omitempty"`
	} `json:"email"`
	Fetch struct {
		Proxy string         `json:"proxy,omitempty"`
		CA    string         `json:"ca,omitempty"` // path of a PEM file, trusted beside the system's
		Allow []netip.Prefix `json:"allow,omitempty"`
	} `json:"fetch"`
	Heartbeat tocsin.Secret `json:"heartbeat,omitempty"` // address that is called while canaries come through; "" means none
	Listen    struct {
		Private string `json:"private,omitempty"` // host:port
		Public  string `json:"public,omitempty"`  // host:port; for hubs
	} `json:"listen"`
	PublicURL string `json:"public_url,omitempty"` // where the world reaches listen.public; without "/" at its end
	NATS      struct {
		URL      string `json:"url,omitempty"` // "" means the embedded server
		Creds    string `json:"creds,omitempty"`
		CA       string `json:"ca,omitempty"`
		Cert     string `json:"cert,omitempty"`
		Key      string `json:"key,omitempty"`
		Replicas int    `json:"replicas"` // of each log
	} `json:"nats"`
	Items struct {
		Keep time.Duration `json:"keep"`
	} `json:"items"`
	Log struct {
		Level  slog.Level `json:"level"`
		Format string     `json:"format"` // "text" or "json"
	} `json:"log"`
	Data  string            `json:"data,omitempty"`  // a directory; "" if neither the file nor the environment tells one
	Notes []string          `json:"notes,omitempty"` // what is allowed but is probably not meant
	At    map[string]string `json:"at,omitempty"`    // where the file says it, by WATCH's key: "watchlist.missiles" is at "tocsin.yaml:12"

	examples int // of watchlists that the file has: all of them hold
}

// Kinds are what a configuration may name, and how the program reads it.
type Kinds struct {
	Sources      []string                    // names of source kinds
	Destinations []string                    // names of destination kinds
	CheckTo      func(kind, to string) error // is to an address of this destination kind?
}

// A Loader reads a configuration, at the start and at each SIGHUP.
type Loader struct {
	Kinds      Kinds
	Sources    []tocsin.Source    // built in
	Watchlists []tocsin.Watchlist // built in
	Lists      []tocsin.List      // built in
	Force      bool               // examples that fail are noted, and no fault
	Untried    bool               // watchlists are not held against their examples
	Env        func(name string) (string, bool)
	NoSecrets  bool // what only reads needs none: one that is not there is no fault
	ReadFile   func(path string) ([]byte, error)
}

// newLoader knows what this build can do and reads this machine's environment.
func newLoader(watchlists []tocsin.Watchlist) Loader {
	l := Loader{Sources: builtinSources(), Watchlists: watchlists, Lists: builtinLists(), Env: os.LookupEnv, ReadFile: os.ReadFile}
	for _, k := range feeds.Kinds {
		l.Kinds.Sources = append(l.Kinds.Sources, k.Name)
	}
	for _, k := range notifiers.Kinds {
		l.Kinds.Destinations = append(l.Kinds.Destinations, k.Name)
	}
	l.Kinds.CheckTo = func(kind, to string) error {
		k, _ := notifiers.KindOf(kind)
		return k.CheckTo(to)
	}
	return l
}

// A Fault is one thing that is wrong with a configuration.
type Fault struct {
	Line   int    `json:"line,omitempty"` // from 1; 0 where the fault has no place
	Column int    `json:"column,omitempty"`
	Text   string `json:"text"` // without secrets
}

// A ConfigError is everything that is wrong with a configuration.
type ConfigError struct {
	File   string
	Faults []Fault // in order of place
}

func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.at(e.File)
	}
	return strings.Join(lines, "\n")
}

func (f Fault) at(file string) string {
	if f.Line == 0 {
		return file + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", file, f.Line, f.Column, f.Text)
}

// FindConfig is the file to load: the named one, or DefaultFile where it
// exists, or "".
func FindConfig(named string, exists func(path string) bool) string {
	if named == "" && exists(DefaultFile) {
		return DefaultFile
	}
	return named
}

// Load reads the file at path and checks it whole; "" stands for no file, which
// is no fault. An error is a *ConfigError that names every fault.
func (l Loader) Load(path string) (*Config, error) {
	r := newReader(l, path)
	if path != "" {
		text, err := l.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, &ConfigError{path, []Fault{{Text: "there is no such file; name another, or none to run on what is built in"}}}
		case err != nil:
			return nil, &ConfigError{path, []Fault{{Text: "cannot be read: " + cause(err)}}}
		}
		r.read(text)
	}
	r.check()
	if len(r.faults) > 0 {
		return nil, r.failed()
	}
	r.complete()
	return r.c, nil
}

// failed is the error that names every fault.
func (r *reader) failed() error {
	slices.SortStableFunc(r.faults, byPlace)
	return &ConfigError{r.c.File, r.faults}
}

func byPlace(a, b Fault) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

func defaultConfig(path string) *Config {
	c := &Config{
		File: path, Operators: []string{}, Sources: []tocsin.Source{}, Watchlists: []tocsin.Watchlist{},
		Lists: []tocsin.List{}, Destinations: []tocsin.Destination{}, Subscriptions: []tocsin.Subscription{}, At: map[string]string{},
	}
	c.NATS.Replicas = 1
	c.Items.Keep = 400 * day
	c.Log.Format = "text"
	return c
}

// complete adds to a file without faults what is built in and what follows
// from it.
func (r *reader) complete() {
	c := r.c
	if r.builtin {
		c.Sources = append(c.Sources, absent(r.Loader.Sources, c.Sources, func(s tocsin.Source) string { return s.ID })...)
		c.Watchlists = append(c.Watchlists, absent(r.Loader.Watchlists, c.Watchlists, func(w tocsin.Watchlist) string { return w.Name })...)
	}
	c.Lists = append(c.Lists, absent(r.Loader.Lists, c.Lists, listName)...)
	r.note()
	if len(c.Subscriptions) == 0 {
		for _, w := range c.Watchlists {
			c.Subscriptions = append(c.Subscriptions, tocsin.Subscription{Watchlist: w.Name, To: TerminalName})
		}
	}
	named := func(name string) bool {
		return slices.Contains(c.Operators, name) ||
			slices.ContainsFunc(c.Subscriptions, func(s tocsin.Subscription) bool { return s.To == name })
	}
	if _, ok := r.declared[declaration{"destination", TerminalName}]; !ok && named(TerminalName) {
		c.Destinations = append(c.Destinations, tocsin.Destination{Name: TerminalName, Kind: "terminal"})
	}
	if c.Data == "" {
		c.Data = stateDir(runtime.GOOS, r.Env)
	}
}

// absent are the built-in entries whose name the file does not use.
func absent[E any](builtin, file []E, name func(E) string) []E {
	var out []E
	for _, b := range builtin {
		if !slices.ContainsFunc(file, func(f E) bool { return name(f) == name(b) }) {
			out = append(out, b)
		}
	}
	return out
}

// note tells of entries that nothing uses: nobody would be told, and a person
// who wrote them expects otherwise.
func (r *reader) note() {
	notes := r.allowed
	for d, at := range r.declared {
		if d.what == "source" || d.what == "list" || r.used[d] || d.what == "watchlist" && len(r.c.Subscriptions) == 0 {
			continue
		}
		text := fmt.Sprintf("no subscription names watchlist %q: its alerts are kept, and sent to nobody", d.name)
		if d.what == "destination" {
			text = fmt.Sprintf("neither a subscription nor operators names destination %q: nothing is sent there", d.name)
		}
		notes = append(notes, Fault{at.line, at.column, text})
	}
	slices.SortFunc(notes, byPlace)
	for _, n := range notes {
		r.c.Notes = append(r.c.Notes, n.at(r.c.File))
	}
	if len(r.c.Sources) == 0 {
		r.c.Notes = append(r.c.Notes, Fault{Text: "no sources: there is nothing to watch"}.at(r.c.File))
	}
	if len(r.c.Watchlists) == 0 {
		r.c.Notes = append(r.c.Notes, Fault{Text: "no watchlists: nothing can match"}.at(r.c.File))
	}
}

// stateDir is where a program keeps its data for the user on this system, or ""
// if the environment does not tell.
func stateDir(system string, env func(string) (string, bool)) string {
	under := func(name string, parts ...string) string {
		base, ok := env(name)
		if !ok || base == "" {
			return ""
		}
		return filepath.Join(append([]string{base}, parts...)...)
	}
	switch system {
	case "windows":
		return under("LocalAppData", "tocsin")
	case "darwin", "ios":
		return under("HOME", "Library", "Application Support", "tocsin")
	}
	return cmp.Or(under("XDG_STATE_HOME", "tocsin"), under("HOME", ".local", "state", "tocsin"))
}

// cause is why a file could not be read, without its path.
func cause(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
