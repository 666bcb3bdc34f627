package feeds

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	jsonfeed "github.com/mmcdole/gofeed/json"
)

// A jsonOutline is where the entries of a JSON Feed stand.
type jsonOutline struct {
	head  []byte // the document without them
	items []span
	array bool // it has a list named items
	cut   bool
	left  int // entries that are not in items, because they are too many
}

// outlineJSON finds the entries of a JSON Feed by its brackets alone, so that
// those before a cut, and beside one that is not well formed, can be read.
func outlineJSON(b []byte) (o jsonOutline) {
	depth, start, key, inItems := 0, -1, span{}, false
	listStart, listEnd := -1, -1
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			end := stringEnd(b, i)
			if depth == 1 && !inItems {
				key = span{i + 1, end}
			}
			i = end
		case '{', '[':
			depth++
			if depth == 2 && b[i] == '[' && listStart < 0 && string(b[key.start:min(key.end, len(b))]) == "items" {
				listStart, inItems, o.array = i+1, true, true
			}
			if depth == 3 && inItems && b[i] == '{' {
				start = i
			}
		case '}', ']':
			depth--
			if depth == 2 && inItems && start >= 0 {
				o.items = append(o.items, span{start, i + 1})
				start = -1
			}
			if depth == 1 && inItems {
				inItems, listEnd = false, i
			}
			if depth == 0 {
				i = len(b)
			}
		}
	}
	o.cut = depth > 0
	o.head = headOf(b, listStart, listEnd)
	if half := maxEntries / 2; len(o.items) > maxEntries {
		o.left = len(o.items) - maxEntries
		o.items = append(o.items[:half:half], o.items[len(o.items)-half:]...)
	}
	return o
}

// stringEnd is where the quote stands that ends the string at i.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i
}

// headOf is b without its list of items, as far as it goes.
func headOf(b []byte, start, end int) []byte {
	switch {
	case start < 0:
		return b
	case end < 0:
		return append(bytes.Clone(b[:start]), "]}"...)
	}
	return append(bytes.Clone(b[:start]), b[end:]...)
}

func (in input) json() (Document, error) {
	o := outlineJSON(in.text)
	var head jsonfeed.Feed
	err := unmarshal(o.head, &head)
	if !o.array && !strings.Contains(head.Version, "jsonfeed.org") {
		return Document{}, errors.New("a JSON document without items, not a feed: check the address")
	}
	n := in.notes
	if err != nil {
		n.once("what the feed says of itself cannot be read: %s", short(err.Error()))
	}
	if o.cut {
		n.once("ends before its end: %d entries are whole", len(o.items)+o.left)
	}
	if o.left > 0 {
		n.once("has %d entries: read the first and last %d, left out %d between", o.left+len(o.items), maxEntries/2, o.left)
	}
	if in.base == nil {
		in.base = resolve(nil, cmp.Or(head.HomePageURL, head.FeedURL))
	}
	doc := Document{Kind: "json", Cut: o.cut, Items: []Entry{}}
	doc.Feed = Feed{Title: in.heading(head.Title), Link: in.address(in.base, head.HomePageURL), Lang: head.Language}
	for _, at := range o.items {
		item, err := in.item(in.text[at.start:at.end])
		if err != nil {
			n.addLike("left out an entry that cannot be read", err.Error())
			continue
		}
		doc.Items = append(doc.Items, in.jsonEntry(item, head))
	}
	return doc, nil
}

// item decodes an entry. What has a type that it should not have is left out.
func (in input) item(b []byte) (item jsonfeed.Item, err error) {
	err = unmarshal(b, &item)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		in.notes.addLike("left out a field of an entry", err.Error())
		var id struct{ ID any }
		if err = unmarshal(b, &id); id.ID != nil {
			item.ID = fmt.Sprint(id.ID)
		}
	}
	return item, err
}

// unmarshal decodes b, in whose strings line breaks and tabs may stand as they
// are.
func unmarshal(b []byte, into any) error {
	err := json.Unmarshal(b, into)
	if _, ok := errors.AsType[*json.SyntaxError](err); !ok {
		return err
	}
	var out bytes.Buffer
	for i := 0; i < len(b); {
		quote := bytes.IndexByte(b[i:], '"')
		if quote < 0 {
			out.Write(b[i:])
			break
		}
		end := min(stringEnd(b, i+quote)+1, len(b))
		out.Write(b[i : i+quote])
		_, _ = breaks.WriteString(&out, string(b[i+quote:end]))
		i = end
	}
	return json.Unmarshal(out.Bytes(), into)
}

var breaks = strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`)

func (in input) heading(s string) string { return in.clip(oneLine(lines(s)), maxShort) }

func (in input) jsonEntry(item jsonfeed.Item, head jsonfeed.Feed) Entry {
	text := plain(item.ContentHTML)
	if other := lines(item.ContentText); len(other) > len(text) {
		text = other
	}
	e := Entry{
		GUID:      in.clip(strings.TrimSpace(item.ID), maxShort),
		URL:       in.address(in.base, cmp.Or(item.URL, item.ExternalURL)),
		Title:     in.heading(item.Title),
		Summary:   in.clip(lines(item.Summary), maxText),
		Text:      in.clip(text, maxText),
		Published: in.date(item.DatePublished),
		Updated:   in.date(item.DateModified),
		Lang:      cmp.Or(item.Language, head.Language),
		Authors:   []string{},
		Tags:      []string{},
	}
	if e.URL == "" && isPage(e.GUID) {
		e.URL = e.GUID
	}
	people := append(item.Authors, item.Author)
	if len(item.Authors) == 0 && item.Author == nil {
		people = append(head.Authors, head.Author)
	}
	for _, p := range people {
		if p != nil {
			e.Authors = in.enlist(e.Authors, cmp.Or(p.Name, p.URL))
		}
	}
	for _, tag := range item.Tags {
		e.Tags = in.enlist(e.Tags, tag)
	}
	return e
}

// enlist adds what s says in one line to list, once.
func (in input) enlist(list []string, s string) []string {
	if s = in.heading(s); s == "" || len(list) >= maxList || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
