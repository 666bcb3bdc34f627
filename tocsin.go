// Package tocsin holds the nouns that every other package speaks in. It imports
// only the standard library.
//
//	Source -> Item -> Statement -> Match -> Alert -> Delivery
//
// A Source yields Items, one for each entry it publishes. Items that say the
// same are one Statement. An Item that satisfies a Watchlist is a Match, and a
// Statement that was matched is an Alert: which watchlists matched and which
// copies followed are events of the same Alert. A Subscription sends the
// alerts of watchlists to a Destination, and a Delivery is one alert on its
// way there.
package tocsin

import (
	"regexp"
	"strings"
	"time"
)

// Format is the newest version that stored records carry as "v". Each carries the
// oldest whose readers understand it. A binary reads all versions up to its own,
// and stops with a word at a newer one.
const Format = 4

// Name is the shape of the names that people give to sources, watchlists,
// destinations and lists: they become parts of subjects, so no dots or spaces.
var Name = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// A Source is somewhere official statements appear.
type Source struct {
	ID      string        `json:"id"`                // see Name
	Kind    string        `json:"kind"`              // a name listed by feeds.Kinds; "" means feed
	Title   string        `json:"title,omitempty"`   // who publishes it, for people: "France: Ministry for Europe"
	URL     string        `json:"url"`               // where to look
	Country string        `json:"country,omitempty"` // ISO 3166-1 alpha-2, or "" where none applies
	Lang    string        `json:"lang,omitempty"`    // BCP 47, or "" if it varies
	Zone    string        `json:"zone,omitempty"`    // IANA zone in which its times without a zone are read; "" means UTC
	Every   time.Duration `json:"every"`             // between looks; at least 10 s, 0 means by the source's own rhythm, from 30 s to 15 min
	Listing Listing       `json:"listing,omitzero"`  // of kind page; the zero value means that the repeating block is looked for
	Archive string        `json:"archive,omitempty"` // a page or sitemap of the publisher's that goes back further than URL: read when entries may have been missed
	Builtin bool          `json:"builtin,omitempty"` // from the starter directory: never having answered is listed, not alarmed
	Canary  bool          `json:"-"`                 // it is tocsin's own: it is polled, and otherwise counts nowhere
}

// A Listing says where entries stand on a page, by CSS or XPath selectors. Title,
// Link and Date are looked for within an entry; "" means that they are found out.
type Listing struct {
	Entry string `json:"entry,omitempty"`
	Title string `json:"title,omitempty"`
	Link  string `json:"link,omitempty"`
	Date  string `json:"date,omitempty"`
}

// An Item is one revision of one entry as its source published it.
type Item struct {
	V         int       `json:"v"`
	Source    string    `json:"source"`
	ID        string    `json:"id"`  // unique within the source and the same for all revisions; hex
	Rev       int       `json:"rev"` // 1 is the first
	GUID      string    `json:"guid,omitempty"`
	URL       string    `json:"url,omitempty"`    // absolute
	Shared    bool      `json:"shared,omitempty"` // URL is that of other items too: what it shows is not this one's page
	Title     string    `json:"title"`            // plain text
	Text      string    `json:"text"`             // plain text, the longest that the source itself gives; paragraphs by "\n\n"
	Lang      string    `json:"lang,omitempty"`
	Published time.Time `json:"published,omitzero"` // as claimed; shown, never trusted
	Updated   time.Time `json:"updated,omitzero"`   // as claimed
	Authors   []string  `json:"authors,omitempty"`
	Tags      []string  `json:"tags,omitempty"`
	Seen      time.Time `json:"seen"`               // when the document that brought this revision had been read; UTC
	Baseline  bool      `json:"baseline,omitempty"` // it was there when the source was first read
	Repaired  bool      `json:"repaired,omitempty"` // from a document that had to be repaired
	Page      *Page     `json:"page,omitempty"`     // what its address showed; nil before that was fetched
	Withdrawn time.Time `json:"withdrawn,omitzero"` // when the entry had left its source and nothing was at its address any more; UTC
}

// Said is all the text of an item: that of its source, and that of its page
// where the source gives less. Spans of FieldText are offsets into it.
func (it Item) Said() string {
	switch {
	case it.Page == nil || it.Page.Text == "" || strings.Contains(it.Text, it.Page.Text):
		return it.Text
	case it.Text == "" || strings.Contains(it.Page.Text, it.Text):
		return it.Page.Text
	}
	return it.Text + "\n\n" + it.Page.Text
}

// A Page is what the address of an item showed when we fetched it. It adds to a
// revision and is never a change by the publisher.
type Page struct {
	State     string    `json:"state"`               // PageRead, PagePDF, PageGone or PageUnread
	At        time.Time `json:"at"`                  // when it was fetched; UTC
	URL       string    `json:"url,omitempty"`       // after redirects
	Text      string    `json:"text,omitempty"`      // plain text of what the page is there for; paragraphs by "\n\n"
	Rest      string    `json:"rest,omitempty"`      // what else a reader sees on it
	Lang      string    `json:"lang,omitempty"`      // as it declares it
	Documents []string  `json:"documents,omitempty"` // addresses of PDF documents: itself, or those it links
	Why       string    `json:"why,omitempty"`       // with PageUnread: why not
}

// What became of a Page.
const (
	PageRead   = "read"
	PagePDF    = "pdf"    // the statement is a PDF document: linked, not read
	PageGone   = "gone"   // nothing is there: 404 or 410
	PageUnread = "unread" // it could not be had
)

// Raw is what an address answered, byte for byte but for the encoding of its
// transfer: the evidence for an item of an alert.
type Raw struct {
	Source  string    `json:"source"`
	Item    string    `json:"item"` // Item.ID
	Rev     int       `json:"rev"`
	Of      string    `json:"of"` // RawDocument or RawPage
	Address string    `json:"address"`
	Type    string    `json:"type,omitempty"` // the Content-Type header
	At      time.Time `json:"at"`             // when the last byte had been read; UTC
	Hash    string    `json:"hash"`           // of Body: SHA-256, hex
	Body    []byte    `json:"-"`
}

// What a Raw is of.
const (
	RawDocument = "document" // the source's, that listed the item
	RawPage     = "page"     // the item's own address
)

// A Watchlist is a named query over statements.
type Watchlist struct {
	Name         string    `json:"name"` // see Name
	Query        string    `json:"query"`
	Stem         bool      `json:"stem,omitempty"`       // plain words find their inflected forms
	MustMatch    []Example `json:"must_match,omitempty"` // what the query has to find, and
	MustNotMatch []Example `json:"must_not_match,omitempty"`
	Builtin      bool      `json:"builtin,omitempty"`
	Workspace    string    `json:"workspace,omitempty"` // the Slack workspace that it was made in, and no other sees; "" is for all
}

// An Example is a statement that a watchlist is tried on before it is used.
type Example struct {
	Title string `json:"title,omitempty"`
	Text  string `json:"text,omitempty"`
	Lang  string `json:"lang,omitempty"` // BCP 47, or "" for what the text shows
}

// A List is a shared set of terms that queries name: @dprk.
type List struct {
	Name    string  `json:"name"` // see Name
	Entries []Entry `json:"entries"`
	Builtin bool    `json:"builtin,omitempty"`
}

// An Entry is one term of a list.
type Entry struct {
	Term string `json:"term"`           // a word, phrase or wildcard as a query writes it, or another list
	Lang string `json:"lang,omitempty"` // BCP 47; "" is looked for in texts of every language
	Name string `json:"name,omitempty"` // whose alias the term is; "" if it stands for itself
}

// Fields that a query can find words in.
const (
	FieldTitle = "title"
	FieldText  = "text"
)

// A Span is where words that satisfied a query stand in the original text.
type Span struct {
	Term  string `json:"term"`           // as the query, or the list, writes it
	List  string `json:"list,omitempty"` // the list that holds the term, if one does
	Field string `json:"field"`          // FieldTitle, FieldText, or another that the query names
	Start int    `json:"start"`          // byte offsets into that field: [Start, End)
	End   int    `json:"end"`
}

// A Match is an item that satisfies a watchlist, and why.
type Match struct {
	Watchlist string `json:"watchlist"`
	Version   uint64 `json:"version"`          // the WATCH sequence of the watchlist, or of a later list in it, as it matched
	Branch    string `json:"branch,omitempty"` // the query cut down to what was found, at most 300 bytes
	Spans     []Span `json:"spans"`            // in order of field (title first) and Start
}

// A Copy is one publication of an alert's statement: the first, a copy or a
// revision of either.
type Copy struct {
	Source    string    `json:"source"`
	Title     string    `json:"title"`     // the item's
	Publisher string    `json:"publisher"` // the source's Title, or its ID
	Country   string    `json:"country,omitempty"`
	Lang      string    `json:"lang,omitempty"`
	URL       string    `json:"url,omitempty"`
	Item      string    `json:"item"` // Item.ID
	Rev       int       `json:"rev"`
	Seq       uint64    `json:"seq"` // in ITEMS
	Published time.Time `json:"published,omitzero"`
	Updated   time.Time `json:"updated,omitzero"`
	Seen      time.Time `json:"seen"`
	Baseline  bool      `json:"baseline,omitempty"`
	Page      string    `json:"page,omitempty"`     // Page.State; "" before its page was fetched
	Withdrawn time.Time `json:"withdrawn,omitzero"` // when its publisher had taken it away
	Report    bool      `json:"report,omitempty"`   // it tells of the statement and is no publication of it
	Reason    string    `json:"reason,omitempty"`   // why it is held for the statement of the alert; "" for the first
	Score     float64   `json:"score,omitempty"`    // how sure that is, from 0 to 1
}

// A Change is a place where a publisher changed words of an item.
type Change struct {
	Field  string `json:"field"`            // FieldTitle or FieldText
	Before string `json:"before,omitempty"` // the words before it, at most eight
	Was    string `json:"was,omitempty"`
	Is     string `json:"is,omitempty"`
	After  string `json:"after,omitempty"` // the words after it, at most eight
}

// An Alert is a statement that matched at least one watchlist, as it stands
// after some of its events.
type Alert struct {
	ID       string    `json:"id"`
	Opened   time.Time `json:"opened"`
	Title    string    `json:"title,omitempty"`    // of the first item when it opened: the subject of its mails, whatever becomes of the item's
	Matches  []Match   `json:"matches"`            // one a watchlist, in the order they matched; spans are those of First
	Copies   []Copy    `json:"copies"`             // every item once, at its latest revision; the first is the evidence it opened on
	Excerpt  string    `json:"excerpt"`            // of the first item's text, at most 500 bytes, around the first matched words
	Marks    []Span    `json:"marks"`              // matched words in the first item's Title, and in Excerpt (Field text, offsets into Excerpt)
	Revised  int       `json:"revised"`            // changes by publishers since it opened
	Material int       `json:"material,omitempty"` // of them, those in which numbers, names, a negation or signatories changed
	Changes  []Change  `json:"changes,omitempty"`  // of the last of them, the first few
	Why      string    `json:"why,omitempty"`      // what makes the last of them material; "" if it is not
	Facets   Facets    `json:"facets,omitzero"`    // what its texts name
	Into     string    `json:"into,omitempty"`     // the older alert that it was found to be one with, which goes on for both
	Apart    []string  `json:"apart,omitempty"`    // alerts that a person said are other statements

	Acknowledged Acknowledgement `json:"acknowledged,omitzero"` // the first; zero if nobody has
}

// An Acknowledgement says that a person has an alert in hand.
type Acknowledgement struct {
	By string    `json:"by"` // a login name, or slack:<team>:<user>
	At time.Time `json:"at"`
}

// Facets are what the texts of a statement name.
type Facets struct {
	Signatories []string `json:"signatories,omitempty"` // of a joint statement: ISO 3166-1 alpha-2 codes, in order
	Signed      int      `json:"signed,omitempty"`      // how many signatories the text says it has ("48 countries"); 0 if it does not
	Resolutions []string `json:"resolutions,omitempty"` // of the Security Council: "1718 (2006)"
	Systems     []string `json:"systems,omitempty"`     // named weapons: "KN-23"
}

// First is the publication that the alert opened on.
func (a Alert) First() Copy { return a.Copies[0] }

// Publishers are the sources that published the statement, each once, in the
// order they did. Reports about it are left out.
func (a Alert) Publishers() []Copy {
	var out []Copy
	seen := map[string]bool{}
	for _, c := range a.Copies {
		if !c.Report && !seen[c.Source] {
			seen[c.Source] = true
			out = append(out, c)
		}
	}
	return out
}

// Reports are the items that tell of the statement and are no publication of it.
func (a Alert) Reports() []Copy {
	var out []Copy
	for _, c := range a.Copies {
		if c.Report {
			out = append(out, c)
		}
	}
	return out
}

// A Destination is where alerts go.
type Destination struct {
	Name  string `json:"name"`            // see Name
	Kind  string `json:"kind"`            // a name listed by notifiers.Kinds
	To    string `json:"to,omitempty"`    // channel id, mail address …, as the kind defines
	Owner string `json:"owner,omitempty"` // mail address of the person who hears when it breaks

	OwnerID string `json:"owner_id,omitempty"` // of kind slack: the owner's id there, U024BE7LH, for a direct message
	Mention string `json:"mention,omitempty"`  // of kind slack: the user group that urgent alerts mention, by its id; "" or here is @here

	Workspace string `json:"workspace,omitempty"` // of kind slack: the configuration's name for the workspace; "" where it has but one
}

// A Subscription sends the alerts of a watchlist to a destination. It is valid
// for the ALERTS sequences (From, Until].
type Subscription struct {
	Watchlist string `json:"watchlist"`
	To        string `json:"to"`              // Destination.Name
	From      uint64 `json:"from"`            // ALERTS' last sequence when it began
	Until     uint64 `json:"until,omitempty"` // 0 while it lasts

	Langs     []string   `json:"langs,omitempty"`      // only statements published in one of these, BCP 47; what does not tell its language counts
	Sources   []string   `json:"sources,omitempty"`    // only by these: ids, or what ids begin with before a "-"
	Countries []string   `json:"countries,omitempty"`  // only by publishers of these, ISO 3166-1 alpha-2
	MinCopies int        `json:"min_copies,omitempty"` // only once so many publishers that are wanted have published it; 0 is 1
	Digest    string     `json:"digest,omitempty"`     // see ParseSchedule; "" sends at once
	Quiet     string     `json:"quiet,omitempty"`      // see ParseHours: within them alerts are held, and told at their end; "" for none
	Escalate  Escalation `json:"escalate,omitzero"`    // where its alerts go on to if nobody acknowledges them; zero for nowhere
	FoldOver  int        `json:"fold_over,omitempty"`  // when more posts than this wait for the destination they are told in one digest; 0 is 20, negative is never
	Urgent    bool       `json:"urgent,omitempty"`     // it mentions people, and neither mutes nor quiet hours hold it
}

// An Escalation sends an alert on to another destination if nobody has
// acknowledged it so long after it was first sent, or tried to be sent.
type Escalation struct {
	After time.Duration `json:"after"` // at least a minute, at most a day
	To    string        `json:"to"`    // Destination.Name
}

// Summary tells a subscriber what was already there when sources were read for
// the first time or, with Muted, what was held.
type Summary struct {
	Muted      bool     `json:"muted,omitempty"` // Matching and Newest are alerts that were held; nothing is said of sources
	Held       string   `json:"held,omitempty"`  // with Muted, for what: mute, quiet, digest, fold, away or lifted; "" is a mute
	Sources    int      `json:"sources"`         // watched
	Answered   int      `json:"answered"`        // read at least once
	Silent     []string `json:"silent"`          // publishers that did not answer, in order
	Watchlists []string `json:"watchlists"`
	Matching   int      `json:"matching"` // statements already there that match the watchlists
	Newest     []Alert  `json:"newest"`   // of them, at most 5, newest claimed date first

	Changes int       `json:"changes,omitempty"` // with Muted: alerts that earlier digests told of and that were withdrawn or changed since
	Changed []Changed `json:"changed,omitempty"` // of them, at most 5, the latest first
}

// Changed is what happened to an alert that people must not miss.
type Changed struct {
	Alert Alert  `json:"alert"`
	News  []News `json:"news"`
}

// What a Delivery asks of a notifier.
const (
	Post   = "post"   // a new message about Alert
	Edit   = "edit"   // bring the message Ref to Alert's present state
	Reply  = "reply"  // a message under the message Ref: News of Alert
	Digest = "digest" // a new message about Summary
	Notice = "notice" // a new message of Text, for operators
	Update = "update" // bring the message Ref to Text, for operators
)

// A Delivery is one message on its way to one destination.
type Delivery struct {
	ID       string // opaque; the same for every attempt at the same message
	Kind     string // Post, Edit, Reply, Digest, Notice or Update
	To       Destination
	Alert    Alert     // for Post, Edit and Reply
	Older    Alert     // where Alert.Into names one: that alert
	News     []News    // for Reply: what happened since the message, or the last reply
	Aloud    bool      // for Reply: all who follow the channel are to see it
	Summary  Summary   // for Digest
	Text     string    // for Notice and Update: plain text of one or more lines
	Ref      string    // for Edit and Update: the id that Send gave for the message to change; for Reply: of the one to answer, or "" if that is gone
	Since    time.Time // when the first attempt was decided: the mail's Date, and the look-up's start
	NotAfter time.Time // no byte of the message may leave after this; zero means no bound
	Urgent   bool      // people are to be called: by a mention of To.Mention, by the marks of a mail
	Note     string    // why it comes here, or now, although it need not have; "" where that is plain
	Instead  string    // why it comes to the owner of the destination that it was for; "" where it goes there
	Late     string    // why it is sent more than a minute after it was seen; "" if it is not
	Repeat   bool      // an earlier attempt may have arrived: say so in the message
}

// What happens to an alert after it opened. They are kinds of events too.
const (
	Matched   = "matched"   // a further watchlist matches
	Copied    = "copied"    // an item is a copy of the statement, or a report about it
	Revised   = "revised"   // a publisher changed an item
	Withdrawn = "withdrawn" // a publisher took an item away
	Merged    = "merged"    // it was found to be one with another alert
	Split     = "split"     // a person took items out of it
)

// News is one thing that happened to an alert.
type News struct {
	Kind     string    `json:"kind"`
	At       time.Time `json:"at"`
	Copy     Copy      `json:"copy,omitzero"`      // with Copied, Revised and Withdrawn
	Changes  []Change  `json:"changes,omitempty"`  // with Revised
	Material bool      `json:"material,omitempty"` // with Revised: numbers, names, a negation or signatories changed
	Why      string    `json:"why,omitempty"`      // with Revised: what makes it material; with Merged and Split: who said so, and why
	Other    string    `json:"other,omitempty"`    // with Merged and Split: the other alert
}
