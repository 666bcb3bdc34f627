package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/pipeline/watchlist"

	"github.com/nats-io/nats.go/jetstream"
)

// A list may be longer than a message of the server. Then its record, the head,
// names parts that hold its entries, each under its own hash. The head is written
// last, and a part is never changed, so that a reader of a head has the list as
// one person wrote it. Where a part ends depends on its entries alone: an edit of
// one name writes one part again and not all that follow it.

const (
	headBytes = 64 << 10  // of entries in the head itself
	partLeast = 16 << 10  // bytes of entries that a part has at least, but for the last
	partMost  = 128 << 10 // or one entry
	partEnds  = 256       // of this many entries about one ends a part
	partAge   = time.Hour // a part that no head names may belong to one that is being written
)

// isPart reports whether a key of WATCH is of a part.
func isPart(key string) bool { return strings.HasPrefix(key, "list.") && strings.Count(key, ".") > 1 }

// divide is a list's record without the entries that go into parts, and those.
func divide(w Watched) (head Watched, parts map[string]Watched) {
	w.Parts = nil
	if data, err := json.Marshal(w.List.Entries); err != nil || len(data) <= headBytes {
		return w, nil
	}
	parts = map[string]Watched{}
	for _, part := range cutEntries(w.List.Entries) {
		data, _ := json.Marshal(part)
		sum := sha256.Sum256(data)
		hash := hex.EncodeToString(sum[:10])
		parts[hash] = Watched{V: 2, By: w.By, Part: part}
		w.Parts = append(w.Parts, hash)
	}
	x := *w.List
	x.Entries = nil
	w.List = &x
	return w, parts
}

func cutEntries(entries []tocsin.Entry) (parts [][]tocsin.Entry) {
	start, size := 0, 0
	for i, e := range entries {
		size += len(e.Term) + len(e.Lang) + len(e.Name) + len(`{"term":"","lang":"","name":""},`)
		h := fnv.New32a()
		_, _ = h.Write([]byte(e.Term))
		if size >= partLeast && h.Sum32()%partEnds == 0 || size >= partMost || i == len(entries)-1 {
			parts = append(parts, entries[start:i+1])
			start, size = i+1, 0
		}
	}
	return parts
}

// assemble is a list's record with the entries of its parts.
func assemble(w Watched, part func(hash string) ([]tocsin.Entry, error)) (Watched, error) {
	if len(w.Parts) == 0 || w.List == nil {
		return w, nil
	}
	x := *w.List
	x.Entries = nil
	for _, hash := range w.Parts {
		entries, err := part(hash)
		if err != nil {
			return w, err
		}
		if len(entries) == 0 {
			return w, fmt.Errorf("part %s of the list is not stored", hash)
		}
		x.Entries = append(x.Entries, entries...)
	}
	w.List = &x
	return w, nil
}

// whole is a list's record with the entries of its parts, read one by one.
func (l *Logs) whole(ctx context.Context, w Watched) (Watched, error) {
	return assemble(w, func(hash string) ([]tocsin.Entry, error) {
		key := "list." + w.List.Name + "." + hash
		e, err := l.watch.Get(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
		rec, err := decode[Watched](e.Value())
		return rec.Part, err
	})
}

// sweep removes the parts of a list that no version of it needs any more. What it
// does not get to, the next change removes.
func (l *Logs) sweep(ctx context.Context, name string) {
	heads, err := l.watch.History(ctx, "list."+name)
	if err != nil {
		return
	}
	var used []string
	for _, h := range heads {
		if w, err := decode[Watched](h.Value()); err == nil {
			used = append(used, w.Parts...)
		} else {
			return
		}
	}
	parts, err := l.watch.Watch(ctx, "list."+name+".*", jetstream.MetaOnly())
	if err != nil {
		return
	}
	defer func() { _ = parts.Stop() }()
	for e := range parts.Updates() {
		if e == nil || ctx.Err() != nil {
			return
		}
		if hash := e.Key()[len("list.."+name):]; slices.Contains(used, hash) || time.Since(e.Created()) < partAge {
			continue
		}
		// Up to what was looked at: who writes the part again at this moment keeps it.
		if err := l.watchlog.Purge(ctx, jetstream.WithPurgeSubject("$KV."+bucketWatch+"."+e.Key()), jetstream.WithPurgeSequence(e.Revision()+1)); err != nil {
			return
		}
	}
}

// An auditedList is what AUDIT holds of a change to a list.
type auditedList struct {
	Watched
	Size    int      `json:"size"`              // entries
	Added   []string `json:"added,omitempty"`   // terms, at most 200
	Removed []string `json:"removed,omitempty"` // terms, at most 200
}

const maxAudited = 200

func auditLists(before, after Watched) (any, any) {
	terms := func(w Watched) (out []string) {
		if w.List != nil {
			for _, e := range w.List.Entries {
				out = append(out, e.Term)
			}
		}
		return out
	}
	was, is := terms(before), terms(after)
	head, _ := divide(after)
	out := auditedList{Watched: head, Size: len(is), Added: beyond(is, was), Removed: beyond(was, is)}
	if before.List == nil {
		return nil, out
	}
	old, _ := divide(before)
	return auditedList{Watched: old, Size: len(was)}, out
}

// beyond are the terms of a that b has not, at most maxAudited.
func beyond(a, b []string) (out []string) {
	has := make(map[string]bool, len(b))
	for _, t := range b {
		has[t] = true
	}
	for _, t := range a {
		if !has[t] && len(out) < maxAudited {
			out = append(out, clip(t, 200))
		}
	}
	return out
}

// named are the lists that a list's entries name.
func named(x tocsin.List) (out []string) {
	for _, e := range x.Entries {
		if !strings.Contains(e.Term, "@") {
			continue
		}
		if q, err := watchlist.Parse(e.Term); err == nil {
			out = append(out, q.Lists()...)
		}
	}
	return out
}
