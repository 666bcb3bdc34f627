package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tocsin"
	"tocsin/pipeline"
)

// fits says what a subscription names that is not there.
func (d *workspaceDesk) fits(ctx context.Context, plan tocsin.Subscription) error {
	w, err := d.s.logs.Wanted(ctx)
	if err != nil {
		return err
	}
	if plan.Escalate.To != "" {
		if err := d.escalates(w, plan.Escalate.To); err != nil {
			return err
		}
	}
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(w.Sources)) {
		if !w.Sources[id].Suspended {
			ids = append(ids, id)
		}
	}
	for _, from := range plan.Sources {
		one := tocsin.Subscription{Sources: []string{from}}
		if slices.ContainsFunc(ids, func(id string) bool { return pipeline.Wants(one, []tocsin.Copy{{Source: id}}) }) {
			continue
		}
		if near := nearest(from, ids); near != "" {
			return fmt.Errorf("from: there is no source %q: did you mean %s?", from, near)
		}
		return fmt.Errorf("from: there is no source %q, and none whose id begins with %q: nothing would ever come; there are %s", from, from+"-", some(ids, from))
	}
	return nil
}

// some are the ids that hold what was asked for, or the first of all.
func some(ids []string, like string) string {
	const most = 20
	near := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !strings.Contains(id, like) })
	if len(near) == 0 {
		near = ids
	}
	out := strings.Join(near[:min(len(near), most)], ", ")
	if n := len(ids) - min(len(near), most); n > 0 {
		out += fmt.Sprintf(" and %d more", n)
	}
	return out
}

// escalates reports that alerts of the workspace cannot go on to a destination: one
// of another workspace is as if it were not there.
func (d *workspaceDesk) escalates(w *pipeline.Wanted, to string) error {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(w.Destinations)) {
		v := w.Destinations[name]
		if v.Suspended || v.Destination.Kind == "slack" && v.Destination.Workspace != d.workspace {
			continue
		}
		if name == to {
			return nil
		}
		names = append(names, name)
	}
	if near := nearest(to, names); near != "" {
		return fmt.Errorf("escalate: there is no destination %q: did you mean %s?", to, near)
	}
	return fmt.Errorf("escalate: there is no destination %q; there are %s", to, strings.Join(names[:min(len(names), 20)], ", "))
}
