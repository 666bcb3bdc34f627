package pipeline

import (
	"context"
	"maps"
	"slices"
	"strings"

	"tocsin"
)

// A source that people add is a key of WATCH, source.<id>; those of the file are
// in sources.<n>. Removing one stops it being read: what was stored of it stays,
// and is still known by its title.

// SetSource adds a source or changes one that was added.
func (l *Logs) SetSource(ctx context.Context, e Edit, s tocsin.Source) error {
	s.Builtin = false
	return l.edit(ctx, "source."+s.ID, []string{"sources.*"}, func(w *Wanted, have Version) (Watched, error) {
		return Watched{V: 2, By: e.By, Source: &s}, e.checkSource(w, s.ID, have)
	})
}

// RemoveSource removes a source that was added: it is read no more, and what is
// stored of it is kept.
func (l *Logs) RemoveSource(ctx context.Context, e Edit, id string) error {
	return l.edit(ctx, "source."+id, []string{"sources.*"}, func(w *Wanted, have Version) (Watched, error) {
		if err := e.checkSource(w, id, have); err != nil {
			return Watched{}, err
		}
		if have.V == 0 || have.Removed {
			all, err := l.wanted(ctx, "sources.*", "source.*")
			if err != nil {
				return Watched{}, err
			}
			return Watched{}, &UnknownError{Kind: "source", Name: id, Have: all.sourceIDs()}
		}
		want := have.Watched
		want.By, want.Suspended, want.Removed = e.By, true, true
		return want, nil
	})
}

// checkSource is check where the file may have the source, which is no key of its
// own.
func (e Edit) checkSource(w *Wanted, id string, have Version) error {
	if v := w.Sources[id]; v.lives() {
		have = v
	}
	return e.check(w, "source", id, have)
}

// sourceIDs are the sources that are watched, in order.
// Added are the sources that people added and nobody removed, in order of their
// IDs.
func (w *Wanted) Added() (out []tocsin.Source) {
	for _, id := range slices.Sorted(maps.Keys(w.Sources)) {
		if v := w.Sources[id]; v.Source != nil && v.By != fileWrites && !v.Suspended {
			out = append(out, *v.Source)
		}
	}
	return out
}

func (w *Wanted) sourceIDs() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(w.Sources)), func(id string) bool { return !w.Sources[id].lives() })
}

// takeSources notes the sources of a record: one that was added, or those of the
// file. Of two of a name the one in force counts.
func (w *Wanted) takeSources(key string, v Version) {
	take := func(id string, one Version) {
		if have, ok := w.Sources[id]; !ok || !have.lives() {
			w.Sources[id] = one
		}
	}
	if id, ok := strings.CutPrefix(key, "source."); ok && !v.Removed {
		take(id, v)
	}
	for _, s := range v.Sources {
		one := v
		one.Sources, one.Source, one.At = nil, &s, w.places["source."+s.ID]
		if v.lives() {
			take(s.ID, one)
		}
	}
}

// Source is a source that is or was watched, or one of the name and nothing else.
func (w *Wanted) Source(id string) tocsin.Source {
	if v, ok := w.Sources[id]; ok {
		return *v.Source
	}
	if s := w.all["source."+id].Source; s != nil {
		return *s
	}
	return tocsin.Source{ID: id}
}

// Removed is the source of a name that was added and removed. What was stored under
// the name stays, so that a source at another address should take another name.
func (w *Wanted) Removed(id string) (tocsin.Source, bool) {
	v := w.all["source."+id]
	if !v.Removed || v.Source == nil {
		return tocsin.Source{}, false
	}
	return *v.Source, true
}

// replaced are the sources that people added under a name that the file now has,
// out of force.
func (p Provision) replaced(have map[string]Version, now uint64) map[string]Watched {
	out := map[string]Watched{}
	for _, s := range p.Sources {
		if old := have["source."+s.ID]; old.lives() {
			out["source."+s.ID] = old.suspended(now)
		}
	}
	return out
}

// applySource notes a source that people added or removed. Its caller holds mu.
func (v *view) applySource(id string, w Watched) {
	v.restocked = true
	if w.Source == nil || w.Suspended {
		v.left[id] = v.added[id]
		if w.Source != nil {
			v.left[id] = *w.Source
		}
		delete(v.added, id)
		return
	}
	v.added[id] = *w.Source
}

// tellSources tells of the sources that people added if they have changed.
func (v *view) tellSources() {
	v.mu.Lock()
	changed := v.restocked
	v.restocked = false
	added := slices.Collect(maps.Values(v.added))
	v.mu.Unlock()
	if changed && v.restock != nil {
		slices.SortFunc(added, func(a, b tocsin.Source) int { return strings.Compare(a.ID, b.ID) })
		v.restock(added)
	}
}
