package notifiers

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin"
)

// A card is what every kind shows of an alert, in clean text that is not yet
// escaped for any of them.
type card struct {
	Title      []run
	Excerpt    []run    // paragraphs by "\n"
	Source     string   // "France: Ministry for Europe (FR)"
	Flag       string   // the country's flag, or ""
	Times      []string // "claimed 3 Nov 2026 09:00 UTC", "first seen …", "sent …: reason"
	Matched    []matched
	Link, Host string
	Publishers []string // with their countries, in the order they published
	Reported   string   // "reported by 3: …", or ""
	Signed     string   // "37 of 48 signatories have published; missing: Japan, …", or ""
	Facets     string   // "cites resolution 1718 (2006) · names KN-23", or ""
	Joined     string   // "joined with …", or ""
	Revised    string   // "2 changes by its publishers, 1 material; the last: 48 -> 50", or ""
	Taken      string   // "acknowledged by alice, 3 Nov 2026 09:00 UTC", or ""
	TakenBy    string   // the id of the Slack user who did, or ""
	Withdrawn  string   // "withdrawn by France (FR), 3 Nov 2026 09:00 UTC", or ""
	Unread     string   // what was not read of it: "PDF not read", or ""
	Repeat     bool
}

// matched is a watchlist and the terms of it that matched.
type matched struct {
	Watchlist string
	Terms     []string
}

const (
	noTitle    = "(no title)"
	repeatMark = "(possible repeat)"
	repeatNote = repeatMark + " An earlier attempt to send this may have arrived."
)

func newCard(d tocsin.Delivery, now time.Time) card {
	a := d.Alert
	var first tocsin.Copy
	if len(a.Copies) > 0 {
		first = a.First()
	}
	c := card{
		Title:   oneLine(runsOf(first.Title, tocsin.FieldTitle, a.Marks)),
		Excerpt: runsOf(a.Excerpt, tocsin.FieldText, a.Marks),
		Source:  withCountry(first),
		Flag:    flag(first.Country),
		Link:    link(first.URL),
		Repeat:  d.Repeat,
	}
	if strings.TrimSpace(joined(c.Title)) == "" {
		c.Title = []run{{Text: noTitle}}
	}
	c.Host = hostOf(c.Link)
	c.Times = times(d, first, now)
	for _, m := range a.Matches {
		c.Matched = append(c.Matched, matched{flat(m.Watchlist), terms(m.Spans)})
	}
	for _, p := range a.Publishers() {
		c.Publishers = append(c.Publishers, withCountry(p))
	}
	c.Reported, c.Signed, c.Facets, c.Joined = reported(a), signed(a), facets(a.Facets), joinedWith(d)
	c.Revised = revised(a)
	c.Withdrawn = withdrawn(a.Copies)
	if ack := a.Acknowledged; ack.By != "" {
		c.Taken = "acknowledged by " + whoDid(ack.By) + ", " + stamp(ack.At)
		if d.Kind == tocsin.Edit { // a new message would call them
			c.TakenBy = slackUser(ack.By)
		}
	}
	if first.Page == tocsin.PagePDF {
		c.Unread = "PDF not read: matched by what the source says of it"
	}
	return c
}

// revised counts the changes by publishers and shows the last.
func revised(a tocsin.Alert) string {
	if a.Revised == 0 {
		return ""
	}
	material := "none material"
	if a.Material > 0 {
		material = strconv.Itoa(a.Material) + " material"
	}
	text := count(a.Revised, "change", "changes") + " by its publishers, " + material
	last := "; the last: "
	if why := short(flat(a.Why), maxChange); why != "" {
		last = "; the last is material (" + why + "): "
	}
	if changed := changed(a.Changes); changed != "" {
		text += last + changed
	}
	return text
}

// changed shows the first places of a revision.
func changed(changes []tocsin.Change) string {
	const show = 3
	var out []string
	for _, ch := range changes[:min(len(changes), show)] {
		was, is := short(flat(ch.Was), maxChange), short(flat(ch.Is), maxChange)
		switch {
		case was == "":
			out = append(out, "new: "+is)
		case is == "":
			out = append(out, "no longer: "+was)
		default:
			out = append(out, was+" -> "+is)
		}
	}
	if n := len(changes) - show; n > 0 {
		out = append(out, fmt.Sprintf("%d more", n))
	}
	return strings.Join(out, " · ")
}

const maxChange = 80

// whoDid is who did something, as people call each other: of slack:<team>:<user>
// the user.
func whoDid(by string) string {
	if user, ok := strings.CutPrefix(by, "slack:"); ok {
		_, user, _ = strings.Cut(user, ":")
		return "Slack user " + flat(user)
	}
	return flat(by)
}

var slackUserID = regexp.MustCompile(`^[UW][A-Z0-9]{2,20}$`)

// slackUser is the id of the user in slack:<team>:<user>, "" of anything else.
func slackUser(by string) string {
	rest, ok := strings.CutPrefix(by, "slack:")
	if _, user, _ := strings.Cut(rest, ":"); ok && slackUserID.MatchString(user) {
		return user
	}
	return ""
}

// withdrawn names the publishers that took the statement away.
func withdrawn(copies []tocsin.Copy) string {
	var out []string
	for _, c := range copies {
		if !c.Withdrawn.IsZero() {
			out = append(out, withCountry(c)+", "+stamp(c.Withdrawn))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "withdrawn by " + listed(out, maxList)
}

func oneLine(rs []run) []run {
	for i := range rs {
		rs[i].Text = strings.ReplaceAll(rs[i].Text, "\n", " ")
	}
	return rs
}

func times(d tocsin.Delivery, first tocsin.Copy, now time.Time) []string {
	var out []string
	add := func(label string, t time.Time) {
		if !t.IsZero() {
			out = append(out, label+" "+stamp(t))
		}
	}
	add("claimed", first.Published)
	add("claimed updated", first.Updated)
	add("first seen", first.Seen)
	switch {
	case d.Late == "":
	case d.Kind == tocsin.Edit: // when the message was first sent is not known here
		out = append(out, "sent late: "+flat(d.Late))
	default:
		out = append(out, "sent "+stamp(now)+", late: "+flat(d.Late))
	}
	return out
}

func stamp(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04 UTC") }

// terms are the terms that spans are of, each once, with the lists that hold them.
func terms(spans []tocsin.Span) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range spans {
		t := flat(s.Term)
		if t == "" {
			continue
		}
		if s.List != "" {
			t += " (@" + flat(s.List) + ")"
		}
		if !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	return out
}

func withCountry(c tocsin.Copy) string {
	name := cmp.Or(flat(c.Publisher), flat(c.Source), "unknown source")
	if country := flat(c.Country); country != "" {
		name += " (" + country + ")"
	}
	return name
}

// flag is the flag of an ISO 3166-1 alpha-2 code, or "".
func flag(country string) string {
	if len(country) != 2 {
		return ""
	}
	var b strings.Builder
	for _, c := range strings.ToUpper(country) {
		if c < 'A' || c > 'Z' {
			return ""
		}
		b.WriteRune(c - 'A' + 0x1F1E6)
	}
	return b.String()
}

// count is "1 time" or "3 times".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// watching is the sentence that a Digest delivers: "watching 80 sources, 61
// answered; 3 statements already there match, newest 2 days ago".
func watching(s tocsin.Summary, now time.Time) string {
	if s.Muted {
		return heldBack(s, now) + changedSince(s)
	}
	text := fmt.Sprintf("watching %s, %d answered; ", count(s.Sources, "source", "sources"), s.Answered)
	switch s.Matching {
	case 0:
		return text + "no statement already there matches"
	case 1:
		text += "1 statement already there matches"
	default:
		text += strconv.Itoa(s.Matching) + " statements already there match"
	}
	if len(s.Newest) > 0 {
		text += ", newest " + ago(now, dated(s.Newest[0]))
	}
	return text
}

// heldBack is the sentence for what was held while subscriptions were muted.
func heldBack(s tocsin.Summary, now time.Time) string {
	if s.Matching == 0 {
		return "no new alerts"
	}
	text := count(s.Matching, "alert was", "alerts were") + " held while muted"
	switch s.Held {
	case "digest":
		text = count(s.Matching, "alert", "alerts")
	case "quiet":
		text = count(s.Matching, "alert was", "alerts were") + " held over quiet hours"
	case "fold":
		text = count(s.Matching, "alert", "alerts") + " at once"
	case "away":
		text = count(s.Matching, "alert", "alerts") + " missed while this channel could not be reached"
	case "lifted":
		text = count(s.Matching, "alert was", "alerts were") + " held until now"
	}
	if len(s.Newest) > 0 {
		text += ", newest " + ago(now, dated(s.Newest[0]))
	}
	return text
}

// changedSince goes on with what happened to alerts that earlier digests told of.
func changedSince(s tocsin.Summary) string {
	if s.Changes == 0 {
		return ""
	}
	return "; " + count(s.Changes, "earlier one was", "earlier ones were") + " withdrawn or changed"
}

// dated is when an alert's first publication claims to be from, or when it was
// seen if it claims nothing.
func dated(a tocsin.Alert) time.Time {
	if len(a.Copies) == 0 {
		return a.Opened
	}
	for _, t := range []time.Time{a.First().Published, a.First().Updated, a.First().Seen} {
		if !t.IsZero() {
			return t
		}
	}
	return a.Opened
}

func ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "undated"
	case d < -time.Hour:
		return "dated " + stamp(t)
	case d < time.Hour:
		return "within the hour"
	case d < 48*time.Hour:
		return count(int(d.Hours()), "hour ago", "hours ago")
	case d < 90*24*time.Hour:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
	return "from " + t.UTC().Format("2 Jan 2006")
}

// maxList is how many names a message lists before it only counts.
const maxList = 60

// listed joins names by commas and counts what is beyond n of them.
func listed(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:n], ", ") + fmt.Sprintf(" and %d more", len(names)-n)
}

// published is "published by 3: A, B, C", or "" while there is only one.
func (c card) published() string {
	if len(c.Publishers) < 2 {
		return ""
	}
	return fmt.Sprintf("published by %d: %s", len(c.Publishers), listed(c.Publishers, maxList))
}

// titleOf is the first publication's title on one line.
func titleOf(a tocsin.Alert) string {
	if len(a.Copies) == 0 {
		return noTitle
	}
	return cmp.Or(flat(a.First().Title), noTitle)
}

// digest is what every kind shows of a Summary.
type digest struct {
	Heading    string
	Sentence   string
	Watchlists string
	Silent     string // publishers that did not answer, or ""
	Newest     []newest
	Changed    []replyCard // what happened to alerts of earlier digests
	More       int         // of which that many are not shown
}

// silent names the publishers that did not answer. The summary names only the
// first of many.
func silent(s tocsin.Summary) string {
	const show = 12
	if len(s.Silent) <= show {
		return strings.Join(flats(s.Silent), ", ")
	}
	return strings.Join(flats(s.Silent[:show]), ", ") + fmt.Sprintf(" and %d more", max(len(s.Silent), s.Sources-s.Answered)-show)
}

// more counts the changed alerts that are not shown, "" if all are.
func (d digest) more() string {
	if d.More <= 0 {
		return ""
	}
	return fmt.Sprintf("%d more", d.More)
}

type newest struct {
	Title, Source, When, Link, Host string
}

// heldHeading is what stands above a Summary of what was held, by its Held.
var heldHeading = map[string]string{
	"": "held while muted", "mute": "held while muted", "quiet": "held over quiet hours",
	"digest": "digest", "fold": "many alerts at once", "away": "missed alerts", "lifted": "held alerts",
}

func newDigest(s tocsin.Summary, now time.Time) digest {
	d := digest{Heading: "tocsin is watching", Sentence: watching(s, now), Watchlists: listed(flats(s.Watchlists), maxList), Silent: silent(s)}
	if s.Muted {
		d.Heading = heldHeading[s.Held]
	}
	for _, a := range s.Newest[:min(len(s.Newest), 5)] {
		n := newest{Title: titleOf(a), When: ago(now, dated(a))}
		if p := len(a.Publishers()); p > 1 {
			n.When += fmt.Sprintf(", published by %d", p)
		}
		if gone := withdrawals(a); gone != "" {
			n.When += ", " + gone
		}
		if len(a.Copies) > 0 {
			n.Source, n.Link = withCountry(a.First()), link(a.First().URL)
			n.Host = hostOf(n.Link)
		}
		d.Newest = append(d.Newest, n)
	}
	for _, c := range s.Changed[:min(len(s.Changed), 5)] {
		d.Changed = append(d.Changed, newReply(tocsin.Delivery{Kind: tocsin.Reply, Alert: c.Alert, News: c.News}))
	}
	d.More = s.Changes - len(d.Changed)
	return d
}

// withdrawals says how many of the publishers of an alert have withdrawn it, or "".
func withdrawals(a tocsin.Alert) string {
	all, gone := a.Publishers(), 0
	for _, c := range all {
		if !c.Withdrawn.IsZero() {
			gone++
		}
	}
	switch gone {
	case 0:
		return ""
	case len(all):
		return "withdrawn"
	}
	return fmt.Sprintf("withdrawn by %d", gone)
}

func flats(ss []string) []string {
	out := slices.Clone(ss)
	for i, s := range out {
		out[i] = flat(s)
	}
	return out
}
