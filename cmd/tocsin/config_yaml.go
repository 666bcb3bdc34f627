package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"tocsin"
)

// A reader takes a configuration out of its YAML and notes every fault. It
// walks the syntax tree itself: a decoder into structs stops at the first
// fault, and its messages quote the file, secrets included.
type reader struct {
	Loader
	c        *Config
	builtin  bool
	dir      string // paths in the file are relative to it
	lines    []string
	faults   []Fault
	declared map[declaration]place
	used     map[declaration]bool
	given    map[string]ast.Node // what sections hold, by whole key: "slack.token"
	refs     []reference
	places   []ast.Node // of c.Destinations
	tls      string     // email.tls
	queries  []writtenQuery
	terms    map[string]writtenList // by name
	listless bool                   // a list has faults
	signed   ast.Node               // a workspace that is reached over HTTP
	allowed  []Fault                // what is probably not meant
}

func newReader(l Loader, path string) *reader {
	return &reader{
		Loader: l, c: defaultConfig(path), builtin: true, dir: filepath.Dir(path),
		declared: map[declaration]place{}, used: map[declaration]bool{}, given: map[string]ast.Node{}, terms: map[string]writtenList{},
	}
}

// A declaration is the name that a file gives to a source, watchlist or destination.
type declaration struct{ what, name string }

// A reference is where a file names what it declares elsewhere.
type reference struct {
	declaration
	at ast.Node
}

type place struct{ line, column int }

// take reads the value n of a key; what is the key's name in faults.
type take func(n ast.Node, what string)

// keys are what a mapping may hold.
type keys map[string]take

func (r *reader) read(text []byte) { r.document(text, "a configuration", r.top) }

// document reads a YAML document that has known keys.
func (r *reader) document(text []byte, what string, known func() keys) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(text) > MaxConfig {
		r.faults = append(r.faults, Fault{Text: fmt.Sprintf("is larger than %d MiB", MaxConfig>>20)})
		return
	}
	r.lines = strings.Split(string(text), "\n")
	if i := slices.IndexFunc(r.lines, func(line string) bool { return !utf8.ValidString(line) }); i >= 0 {
		r.faults = append(r.faults, Fault{i + 1, 1, "this line is not UTF-8; save the file as UTF-8"})
		return
	}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return
	}
	for i, doc := range file.Docs {
		if i > 0 && shape(doc.Body) != nothing {
			r.fault(doc.Body, "a second document begins here; %s is one document", what)
			return
		}
		ast.Walk(r, doc)
		if shape(doc.Body) != nothing {
			r.mapping(doc.Body, what, known())
		}
	}
}

// syntax tells of text that is no YAML. Only the parser's own words are shown:
// what it would quote may be a secret.
func (r *reader) syntax(err error) {
	e, ok := errors.AsType[yaml.Error](err)
	if !ok || e.GetToken() == nil {
		r.faults = append(r.faults, Fault{Text: "is not YAML"})
		return
	}
	at := e.GetToken().Position
	text := e.GetMessage()
	line := r.line(at.Line)
	switch {
	case strings.Contains(text, "'\t'"):
		text = "a tab cannot indent; use spaces"
	case strings.Contains(line, "query:"):
		text = `this is no YAML; put the whole query in single quotes: '"ballistic missile*" AND export*'`
	case strings.Contains(text, "mapping value is not allowed"):
		text = `a second ":" on one line; put a value that holds ":" in quotes`
	case strings.Contains(text, "map key-value is pre-defined"):
		text = "something follows a value that had ended; is a quote or the indentation wrong?"
	case strings.Contains(text, "reserved character"):
		text += "; put the text in quotes"
	}
	r.faults = append(r.faults, Fault{at.Line, max(at.Column, 1), text})
}

func (r *reader) line(n int) string {
	if n < 1 || n > len(r.lines) {
		return ""
	}
	return r.lines[n-1]
}

// Visit refuses what YAML allows beyond plain values. It is for ast.Walk.
func (r *reader) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		r.fault(n, "anchors and aliases (&, *, <<) are not used here; write the value out, and put text that begins with & or * in quotes")
	case *ast.TagNode:
		r.fault(n, "tags (!) are not used here; put text that begins with ! in quotes")
	case *ast.MappingKeyNode:
		r.fault(n, `"?" is not used here; write key: value`)
	}
	return r
}

func (r *reader) fault(at ast.Node, format string, args ...any) {
	p := placeOf(at)
	r.faults = append(r.faults, Fault{p.line, p.column, fmt.Sprintf(format, args...)})
}

// placeOf is where a value begins.
func placeOf(n ast.Node) place {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return placeOf(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return placeOf(m.Key)
	}
	p := n.GetToken().Position
	return place{p.Line, max(p.Column, 1)}
}

// What a value can be, in words.
const (
	nothing  = "nothing"
	aMapping = "a mapping of keys to values"
	aList    = "a list"
	aText    = "text"
	aNumber  = "a number"
	aBool    = "true or false"
	aPuzzle  = "" // refused by Visit
)

func shape(n ast.Node) string {
	switch n.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return nothing
	case *ast.MappingNode, *ast.MappingValueNode:
		return aMapping
	case *ast.SequenceNode:
		return aList
	case *ast.BoolNode:
		return aBool
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return aNumber
	case *ast.StringNode, *ast.LiteralNode:
		return aText
	}
	return aPuzzle
}

// is reports whether n is of the wanted shape, and says so if it is not.
func (r *reader) is(n ast.Node, what, want string) bool {
	got := shape(n)
	if got != want && got != aPuzzle {
		hint := ""
		if want == aText && got == aMapping {
			hint = `; put text that holds ":" in quotes`
		}
		r.fault(n, "%s must be %s, not %s%s", what, want, got, hint)
	}
	return got == want
}

// mapping reads the entries of n and returns them by key. A key without a value
// counts as not given.
func (r *reader) mapping(n ast.Node, what string, known keys) map[string]ast.Node {
	given := map[string]ast.Node{}
	r.entries(n, what, func(key string, at, value ast.Node) {
		read, ok := known[key]
		switch {
		case !ok:
			r.unknown(at, "key", key, slices.Sorted(maps.Keys(known)))
		case shape(value) != nothing:
			given[key] = value
			read(value, key)
		}
	})
	return given
}

// entries calls f for each key of n that was not there before.
func (r *reader) entries(n ast.Node, what string, f func(key string, at, value ast.Node)) {
	if !r.is(n, what, aMapping) {
		return
	}
	values := []*ast.MappingValueNode{}
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = append(values, m)
	}
	first := map[string]int{}
	for _, v := range values {
		key, ok := scalar(v.Key)
		if !ok {
			continue
		}
		if line, twice := first[key]; twice {
			r.fault(v.Key, "this key is given twice; first on line %d", line)
			continue
		}
		first[key] = placeOf(v.Key).line
		f(key, v.Key, v.Value)
	}
}

// scalar is the text of n as it is written, if it has one.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode, *ast.NullNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func (r *reader) unknown(at ast.Node, what, word string, known []string) {
	if near := nearest(word, known); near != "" {
		r.fault(at, "unknown %s %q; did you mean %q?", what, word, near)
		return
	}
	r.fault(at, "unknown %s %q; known here: %s", what, word, strings.Join(known, ", "))
}

// section reads a mapping of known keys.
func (r *reader) section(known keys) take {
	return func(n ast.Node, what string) {
		inside := keys{}
		for key, read := range known {
			inside[key] = func(n ast.Node, _ string) {
				r.given[what+"."+key] = n
				read(n, what+"."+key)
			}
		}
		r.mapping(n, what, inside)
	}
}

// names reads a mapping whose keys are names that people give.
func (r *reader) names(what string, read func(name string, at, n ast.Node)) take {
	return func(n ast.Node, plural string) {
		r.entries(n, plural, func(name string, at, value ast.Node) {
			if err := isName(name); err != nil {
				r.fault(at, "%s %v", what, err)
			}
			r.declare(what, name, at)
			if shape(value) == nothing {
				r.fault(at, "%s %q has no settings", what, name)
				return
			}
			read(name, at, value)
		})
	}
}

// list reads a list, entry by entry.
func (r *reader) list(read take) take {
	return func(n ast.Node, what string) {
		if !r.is(n, what, aList) {
			return
		}
		for _, v := range n.(*ast.SequenceNode).Values {
			if shape(v) == nothing {
				r.fault(v, "an entry of %s is empty", what)
				continue
			}
			read(v, "an entry of "+what)
		}
	}
}

// text reads one line of text into into.
func (r *reader) text(into *string, checks ...func(string) error) take {
	return func(n ast.Node, what string) {
		s, ok := r.words(n, what)
		if !ok {
			return
		}
		*into = s
		for _, check := range checks {
			if err := check(s); err != nil {
				r.fault(n, "%s %v", what, err)
				return
			}
		}
	}
}

func (r *reader) words(n ast.Node, what string) (string, bool) {
	if shape(n) != aNumber && !r.is(n, what, aText) {
		return "", false
	}
	s, _ := scalar(n)
	if strings.TrimSpace(s) == "" {
		r.fault(n, "%s is empty", what)
		return "", false
	}
	if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		r.fault(n, "%s must be one line of text", what)
		return "", false
	}
	return s, true
}

func (r *reader) flag(into *bool) take {
	return func(n ast.Node, what string) {
		if r.is(n, what, aBool) {
			*into = n.(*ast.BoolNode).Value
		}
	}
}

// number reads a whole number that ok accepts; want says which.
func (r *reader) number(into *int, want string, ok func(int) bool) take {
	return func(n ast.Node, what string) {
		if !r.is(n, what, aNumber) {
			return
		}
		i, whole := n.(*ast.IntegerNode)
		if whole {
			if v, small := i.Value.(uint64); small && v <= 1<<31-1 && ok(int(v)) {
				*into = int(v)
				return
			}
		}
		r.fault(n, "%s must be %s", what, want)
	}
}

const day = 24 * time.Hour

var days = regexp.MustCompile(`^([0-9]{1,5})d$`)

// span reads a time such as 90s, 5m, 12h or 400d, of at least least.
func (r *reader) span(into *time.Duration, least time.Duration) take {
	return func(n ast.Node, what string) {
		if shape(n) == aNumber {
			s, _ := scalar(n)
			r.fault(n, "%s needs a unit: write %ss for seconds", what, s)
			return
		}
		s, ok := r.words(n, what)
		if !ok {
			return
		}
		d, err := duration(s)
		switch {
		case err != nil:
			r.fault(n, "%s is no time: write 90s, 5m, 12h or 400d", what)
		case d < least:
			r.fault(n, "%s must be at least %s", what, spanText(least))
		}
		*into = d
	}
}

func duration(s string) (time.Duration, error) {
	if days.MatchString(s) {
		h, err := time.ParseDuration(strings.TrimSuffix(s, "d") + "h")
		return 24 * h, err
	}
	return time.ParseDuration(s)
}

func spanText(d time.Duration) string {
	if d >= day {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

// path reads the name of a file or directory.
func (r *reader) path(into *string) take {
	return func(n ast.Node, what string) {
		s, ok := r.words(n, what)
		if !ok {
			return
		}
		if strings.HasPrefix(s, "~") {
			r.fault(n, `%s: "~" is not expanded; write the whole path`, what)
			return
		}
		*into = r.resolve(s)
	}
}

func (r *reader) resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, path)
}

// file reads the name of a file that must be readable, and whose contents must
// pass the checks.
func (r *reader) file(into *string, checks ...func([]byte) error) take {
	return func(n ast.Node, what string) {
		if r.path(into)(n, what); *into == "" {
			return
		}
		text, err := r.ReadFile(*into)
		if err != nil {
			r.fault(n, "%s cannot be read: %s", what, cause(err))
			return
		}
		for _, check := range checks {
			if err := check(text); err != nil {
				r.fault(n, "%s %v", what, err)
			}
		}
	}
}

// absentSecret stands for a secret that was not asked for.
const absentSecret = tocsin.Secret("absent")

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// secret reads where a secret is and fetches it. Nothing that stands under the
// key is ever shown: someone may have put the secret itself there.
func (r *reader) secret(into *tocsin.Secret) take {
	const form = "write {env: NAME} or {file: PATH}"
	return func(n ast.Node, what string) {
		if got := shape(n); got != aMapping {
			if got != aPuzzle {
				r.fault(n, "%s must not stand in this file; %s", what, form)
			}
			return
		}
		count := 0
		r.entries(n, what, func(key string, at, value ast.Node) {
			count++
			s, ok := scalar(value)
			switch {
			case count > 1 || !ok || s == "" || key != "env" && key != "file":
				r.fault(at, "%s is told in one of two ways: %s", what, form)
			case key == "env":
				r.fromEnv(into, value, what, s)
			default:
				r.fromFile(into, value, what, s)
			}
		})
		if count == 0 {
			r.fault(n, "%s: %s", what, form)
		}
	}
}

func (r *reader) fromEnv(into *tocsin.Secret, at ast.Node, what, name string) {
	if !envName.MatchString(name) {
		r.fault(at, "%s: env takes the name of an environment variable, not the secret itself", what)
		return
	}
	value, ok := r.Env(name)
	if !ok && r.NoSecrets {
		*into = absentSecret
		return
	}
	if !ok {
		r.fault(at, "%s: the environment variable named here is not set", what)
		return
	}
	r.keep(into, at, what, value)
}

func (r *reader) fromFile(into *tocsin.Secret, at ast.Node, what, path string) {
	value, err := r.ReadFile(r.resolve(path))
	switch {
	case err != nil && r.NoSecrets:
		*into = absentSecret
	case errors.Is(err, fs.ErrNotExist):
		r.fault(at, "%s: the file named here does not exist", what)
	case err != nil:
		r.fault(at, "%s: the file named here cannot be read: %s", what, cause(err))
	default:
		r.keep(into, at, what, string(value))
	}
}

func (r *reader) keep(into *tocsin.Secret, at ast.Node, what, value string) {
	value = strings.TrimRight(value, "\r\n")
	switch {
	case strings.TrimSpace(value) == "":
		r.fault(at, "%s is empty", what)
	case strings.ContainsAny(value, "\r\n\x00"):
		r.fault(at, "%s must be one line", what)
	}
	*into = tocsin.Secret(value)
}

// within is where byte i of the text that n holds stands in the file, unless
// folding or escapes hide it.
func (r *reader) within(n ast.Node, i int) (place, bool) {
	s, _ := scalar(n)
	head := s[:min(max(i, 0), len(s))]
	at := placeOf(n)
	switch n.GetToken().Type {
	case token.LiteralType: // after |: the lines as they are, indented
		at.line += 1 + strings.Count(head, "\n")
		head = head[strings.LastIndexByte(head, '\n')+1:]
		raw := r.line(at.line)
		at.column = len(raw) - len(strings.TrimLeft(raw, " ")) + 1
	case token.SingleQuoteType, token.DoubleQuoteType:
		at.column++
	}
	raw := []rune(r.line(at.line))
	if at.column > len(raw) || !strings.HasPrefix(string(raw[at.column-1:]), head) {
		return place{}, false
	}
	at.column += utf8.RuneCountInString(head)
	return at, true
}
