// Package feeds turns sources into items: it reads what a source publishes,
// tells which entries are new or changed, and polls.
package feeds

import (
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

// A Document is what a source published at one moment.
type Document struct {
	Kind     string    `json:"kind"`     // "rss", "atom", "json", "page" or "sitemap"
	Encoding string    `json:"encoding"` // what it was decoded from: "utf-8", "windows-1251" …
	Repairs  []string  `json:"repairs"`  // what had to be done to read it, each a short sentence; never nil
	Cut      bool      `json:"-"`        // it ended before its end: entries may be missing
	Feed     Feed      `json:"feed"`
	Items    []Entry   `json:"items"`          // in document order; never nil
	More     []string  `json:"more,omitempty"` // documents that hold further entries, the likeliest to have new ones first
	Others   [][]Entry `json:"-"`              // what the entries are if it is not Items that was read before: other blocks of a page
	Beyond   []Entry   `json:"-"`              // entries that are too many for Items, and too old to be new by their dates

	hints   hints
	context uint64 // of the memo that its entries can be remembered in; 0 none
}

// A Feed is what a document says of itself.
type Feed struct {
	Title   string    `json:"title"`
	Link    string    `json:"link"` // absolute
	Lang    string    `json:"lang"`
	Updated time.Time `json:"updated"`
}

// An Entry is one item as it stands in a document.
type Entry struct {
	GUID      string    `json:"guid"`    // unaltered
	URL       string    `json:"url"`     // absolute
	Title     string    `json:"title"`   // plain text
	Summary   string    `json:"summary"` // plain text
	Text      string    `json:"text"`    // plain text of the full content, or "" where there is only a summary
	Published time.Time `json:"published"`
	Updated   time.Time `json:"updated"`
	Lang      string    `json:"lang"`
	Authors   []string  `json:"authors"` // never nil
	Tags      []string  `json:"tags"`    // never nil

	block    uint64    // hash of its bytes; 0 if that is not known
	recalled *recalled // what is known of it: then nothing else is set
}

// A Kind is a way of publishing. It is one file and one word in Kinds.
type Kind struct {
	Name  string
	Parse func(tocsin.Source, fetch.Response) (Document, error) // pure; an error means that it is no document of this kind, and a *LayoutError that a page has changed

	again func(tocsin.Source, fetch.Response, *memo) (Document, error) // Parse without the entries that a memo knows; nil means that there is no such way
}

// Kinds are the source kinds of this build.
var Kinds = []Kind{
	{Name: "feed", Parse: ParseFeed, again: readFeedAgain},
	{Name: WebSub, Parse: ParseFeed, again: readFeedAgain},
	{Name: "page", Parse: ParsePage},
	{Name: "sitemap", Parse: ParseSitemap},
}
