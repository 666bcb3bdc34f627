package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin"
)

// A ReadOnlyError means that the configuration provides what was to be changed.
type ReadOnlyError struct {
	Kind, Name string
	At         string // "tocsin.yaml:12", or "" where the place is not known
	Builtin    bool   // it is part of the program
}

func (e *ReadOnlyError) Error() string {
	name := display(e.Name)
	switch {
	case e.Builtin:
		return fmt.Sprintf("%s %s is built in and cannot be changed: add a copy of it under another name and change that, or write one of this name in the configuration, which then counts", e.Kind, name)
	case e.At != "":
		return fmt.Sprintf("%s %s stands in %s and is read-only here: change it there, or add yours under another name", e.Kind, name, e.At)
	}
	return fmt.Sprintf("%s %s comes with the configuration and is read-only here: change it there, or add yours under another name", e.Kind, name)
}

// A ChangedError means that somebody else changed meanwhile what was edited.
type ChangedError struct {
	Kind, Name string
	Now        Version // what stands there
}

func (e *ChangedError) Error() string {
	if e.Now.Removed {
		return fmt.Sprintf("%s %s was removed by %s at %s while you edited it: look at its history and add it again", e.Kind, e.Name, e.Now.By, stampOf(e.Now.Time))
	}
	return fmt.Sprintf("%s %s was changed by %s at %s while you edited it: look at what it says now and edit that", e.Kind, e.Name, e.Now.By, stampOf(e.Now.Time))
}

func stampOf(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// An ExistsError means that a name which was to be new is taken.
type ExistsError struct{ Kind, Name string }

func (e *ExistsError) Error() string {
	return fmt.Sprintf("%s %s exists already: edit it, or take another name", e.Kind, e.Name)
}

// An UnknownError means that there is nothing of a name.
type UnknownError struct {
	Kind, Name string
	Have       []string // that there are, in order
}

func (e *UnknownError) Error() string {
	s := fmt.Sprintf("there is no %s %s", e.Kind, display(e.Name))
	if len(e.Have) > 0 {
		s += "; there are " + some(e.Have)
	}
	return s
}

// some names the first few of many.
func some(names []string) string {
	const few = 12
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// A UsedError means that others need what was to be removed.
type UsedError struct {
	Kind, Name string
	By         []string // "subscription missiles to desk", "watchlist missiles", "list systems"
	Forceable  bool     // with Force they end too
}

func (e *UsedError) Error() string {
	s := fmt.Sprintf("%s %s is used by %s: ", e.Kind, e.Name, some(e.By))
	if e.Forceable {
		return s + "remove them first, or force it and they end too"
	}
	return s + "change them first"
}

// A FailedExample is an example that a watchlist does not do what it must with.
type FailedExample struct {
	Key     string // "must_match" or "must_not_match"
	N       int    // from 1
	Example tocsin.Example
	Why     string
}

// An ExamplesError means that examples of a watchlist fail.
type ExamplesError struct {
	Watchlist string
	Of        int // examples that it has
	Failed    []FailedExample
}

func (e *ExamplesError) Error() string {
	s := fmt.Sprintf("watchlist %s: %d of %d examples fail", e.Watchlist, len(e.Failed), e.Of)
	for i, f := range e.Failed {
		if i == 5 {
			return s + fmt.Sprintf("; and %d more", len(e.Failed)-i)
		}
		about := f.Example.Title
		if about == "" {
			about = f.Example.Text
		}
		s += fmt.Sprintf("; %s %d (%s): %s", f.Key, f.N, clip(strings.Join(strings.Fields(about), " "), 60), f.Why)
	}
	return s
}

// A BreaksError means that a change to a list would break what uses it.
type BreaksError struct {
	List string
	Why  map[string]error // by "watchlist missiles" and "list systems"
}

func (e *BreaksError) Error() string {
	var s strings.Builder
	s.WriteString(fmt.Sprintf("list %s would break %s", e.List, some(slices.Sorted(maps.Keys(e.Why)))))
	for i, name := range slices.Sorted(maps.Keys(e.Why)) {
		if i == 3 {
			break
		}
		s.WriteString("; " + e.Why[name].Error())
	}
	return s.String()
}
