package notifiers

import (
	"cmp"
	"strings"
	"time"
	"unicode"

	"github.com/slack-go/slack"

	"tocsin"
)

// Limits of a message in characters, counted here as UTF-16 units of the escaped
// text: the strictest way to read the documents. The parts of one message stay
// under 12,000 together.
// Source: https://docs.slack.dev/reference/block-kit/blocks
const (
	maxHeader  = 150
	maxSection = 3000
	maxText    = 3000 // of the plain-text fallback: beyond about 4,000 Slack splits or refuses
	maxName    = 300  // of one name or reason among others
)

// mrkdwn builds a text object of at most max characters. Where foreign text does
// not fit, "…" stands and all that follows is left out; what was opened is still
// closed.
type mrkdwn struct {
	b    strings.Builder
	n    int
	max  int
	held int  // kept back to close what is open
	last rune // what was written last, 0 at the start
	full bool

	inked bool // something stands on the line
}

func width16(s string) (n int) {
	for _, r := range s {
		n++
		if r >= 0x10000 {
			n++
		}
	}
	return n
}

func (m *mrkdwn) String() string { return m.b.String() }

// room leaves one character for the "…".
func (m *mrkdwn) room() int { return m.max - 1 - m.held - m.n }

func (m *mrkdwn) put(s string) {
	m.b.WriteString(s)
	m.n += width16(s)
	for _, r := range s {
		m.last = r
		m.inked = r != '\n' && (m.inked || !unicode.IsSpace(r))
	}
}

func (m *mrkdwn) cut() {
	if !m.full {
		m.full = true
		m.put("…")
	}
}

// markup writes s, which is ours, whole or not at all.
func (m *mrkdwn) markup(s string) { m.open(s, "") }

// open writes markup of ours, and keeps room for what will close it.
func (m *mrkdwn) open(s, closer string) bool {
	if m.full || width16(s)+width16(closer) > m.room() {
		m.cut()
		return false
	}
	m.put(s)
	m.held += width16(closer)
	return true
}

func (m *mrkdwn) close(closer string) {
	m.held -= width16(closer)
	m.put(closer)
}

// text writes clean foreign text.
func (m *mrkdwn) text(s string) {
	for i, r := range s {
		if !m.whole(disarm(m.last, m.fresh(), s[i:]) + slackText(r) + splitEmoji(s[i:])) {
			return
		}
	}
}

func (m *mrkdwn) escape(s string, as func(rune) string) {
	for _, r := range s {
		if !m.whole(as(r)) {
			return
		}
	}
}

// whole writes what stands for one character, if there is room for all of it.
func (m *mrkdwn) whole(e string) bool {
	if m.full || width16(e) > m.room() {
		m.cut()
		return false
	}
	m.put(e)
	return true
}

// fresh reports whether nothing but spaces stands on the line yet.
func (m *mrkdwn) fresh() bool {
	return m.last == 0 || m.last == '\n' || unicode.IsSpace(m.last) && !m.inked
}

// slackText is how a foreign character is written. Slack decodes the entities,
// but has no escape for its formatting characters: look-alikes stand for them.
func slackText(r rune) string {
	switch r {
	case '*':
		return "∗"
	case '~':
		return "∼"
	}
	return slackCode(r)
}

// slackCode is how a foreign character is written between backticks.
func slackCode(r rune) string {
	if r == '`' {
		return "ˋ"
	}
	return slackEntity(r)
}

// slackEntity is how a foreign character is written where nothing is formatted.
func slackEntity(r rune) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	}
	return string(r)
}

// boundary stands between a bold word and a neighbour that keeps Slack from
// seeing the asterisk. Slack wants a space or ASCII punctuation there, and
// Chinese, Japanese and Thai have none.
const boundary = "\u200b"

func needsBoundary(r rune) bool {
	return r != 0 && !unicode.IsSpace(r) && (r >= 0x80 || unicode.IsLetter(r) || unicode.IsDigit(r))
}

// bold writes clean foreign text in bold; next is the character after it, or 0.
func (m *mrkdwn) bold(s string, next rune) {
	core := strings.TrimSpace(s)
	if core == "" {
		m.text(s)
		return
	}
	before, after, _ := strings.Cut(s, core)
	m.text(before)
	open, shut := "*", "*"
	if needsBoundary(m.last) {
		open = boundary + open
	}
	if after == "" && needsBoundary(next) {
		shut += boundary
	}
	if m.open(open, shut) {
		m.text(strings.ReplaceAll(core, "\n", " "))
		m.close(shut)
	}
	m.text(after)
}

// runs writes foreign text with the matched words in bold.
func (m *mrkdwn) runs(rs []run) {
	for i, r := range rs {
		if !r.Hit {
			m.text(r.Text)
			continue
		}
		var next rune
		if i+1 < len(rs) {
			after := rs[i+1].Text
			next = []rune(disarm('*', false, after) + slackText([]rune(after)[0]))[0] // as it will stand there
		}
		m.bold(r.Text, next)
	}
}

// label begins a line of ours: "*Source* ".
func (m *mrkdwn) label(s string) {
	nl := ""
	if m.n > 0 {
		nl = "\n"
	}
	m.markup(nl + "*" + s + "* ")
}

// link writes a link that shows the host it leads to, so that no label can lie.
func (m *mrkdwn) link(l, host string) {
	if l != "" && m.open("<"+strings.ReplaceAll(l, "&", "&amp;")+"|", ">") {
		m.text(strings.ReplaceAll(host, "|", ""))
		m.close(">")
	}
}

func (m *mrkdwn) terms(ts []string) {
	for i, t := range ts {
		if i > 0 {
			m.markup(", ")
		}
		if m.open("`", "`") {
			m.escape(short(t, maxName), slackCode)
			m.close("`")
		}
	}
}

// short is s or its first n characters and "…".
func short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	rs := []rune(s)
	if len(rs) <= n {
		return s
	}
	return string(rs[:n-1]) + "…"
}

// A slackMessage is what is said to Slack: blocks, and the text that stands for
// them in notifications and where the blocks are refused.
type slackMessage struct {
	text   string
	blocks []slack.Block
}

func (s *slackMessage) header(title string) {
	m := mrkdwn{max: maxHeader}
	m.escape(title, slackEntity)
	s.blocks = append(s.blocks, slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, m.String(), false, false)))
}

// verbatim keeps Slack from making links of names and addresses in the text.
func verbatim(m *mrkdwn) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, m.String(), false, true)
}

func (s *slackMessage) section(m *mrkdwn) {
	if strings.TrimSpace(m.String()) != "" {
		s.blocks = append(s.blocks, slack.NewSectionBlock(verbatim(m), nil, nil))
	}
}

// context adds a small line of at most max characters, in which nothing is formatted.
func (s *slackMessage) context(text string, most int) {
	if text != "" {
		m := &mrkdwn{max: most}
		m.escape(text, slackEntity)
		s.blocks = append(s.blocks, slack.NewContextBlock("", slack.NewTextBlockObject(slack.PlainTextType, m.String(), false, false)))
	}
}

// naming adds a small line in which Slack shows a user of its own by their name. An
// id says nothing to people, and an edit calls nobody.
func (s *slackMessage) naming(l cardLine) {
	m := &mrkdwn{max: l.most}
	before, after, _ := strings.Cut(l.text, "Slack user "+l.by)
	m.text(before)
	m.markup("<@" + l.by + ">")
	m.text(after)
	s.blocks = append(s.blocks, slack.NewContextBlock("", verbatim(m)))
}

// slackMessageOf renders any delivery.
func slackMessageOf(d tocsin.Delivery, now time.Time) slackMessage {
	switch d.Kind {
	case tocsin.Digest:
		return slackDigest(newDigest(d.Summary, now), d.Repeat)
	case tocsin.Notice, tocsin.Update:
		return slackNotice(d)
	}
	if d.Kind == tocsin.Reply {
		return slackReply(newReply(d), d.Repeat)
	}
	return slackAlert(newCard(d, now)).heading(d)
}

func slackAlert(c card) slackMessage {
	var s slackMessage
	title := joined(c.Title)
	s.header(title)
	if c.Repeat {
		s.context(repeatNote, 100)
	}
	excerpt := &mrkdwn{max: maxSection}
	if !hasHit(c.Excerpt) && hasHit(c.Title) || width16(title) >= maxHeader {
		excerpt.runs(c.Title)
		excerpt.markup("\n")
	}
	excerpt.runs(c.Excerpt)
	s.section(excerpt)
	facts := &mrkdwn{max: maxSection}
	c.facts(facts)
	s.section(facts)
	for _, l := range c.lines() {
		if l.by != "" {
			s.naming(l)
			continue
		}
		s.context(l.text, l.most)
	}

	text := &mrkdwn{max: maxText}
	if c.Repeat {
		text.markup(repeatMark + " ")
	}
	text.text(short(title, maxName))
	text.markup("\n")
	text.text(short(joined(c.Excerpt), 1000))
	c.facts(text)
	for _, l := range c.lines() {
		if l.text != "" {
			text.markup("\n")
			text.text(short(l.text, l.most))
		}
	}
	s.text = text.String()
	return s
}

// A cardLine is a small line of a card and how many characters of it are shown.
type cardLine struct {
	text string
	most int
	by   string // a Slack user whom it names
}

// lines are what an alert grew by. Together with the header and two sections they
// stay under 12,000 characters.
func (c card) lines() []cardLine {
	return []cardLine{
		{text: c.Joined, most: 350},
		{c.Taken, 150, c.TakenBy},
		{text: c.Withdrawn, most: 700},
		{text: c.Revised, most: 800},
		{text: c.Signed, most: 600},
		{text: c.published(), most: 1500},
		{text: c.Reported, most: 600},
		{text: c.Facets, most: 500},
		{text: c.Unread, most: 100},
	}
}

// facts writes the link first among what can be long, so that nothing crowds it out.
func (c card) facts(m *mrkdwn) {
	m.label("Source")
	m.text(short(c.Source, maxName))
	if c.Flag != "" {
		m.markup(" " + c.Flag)
	}
	if len(c.Times) > 0 {
		m.label("Times")
		for i, t := range c.Times {
			if i > 0 {
				m.markup(" · ")
			}
			m.text(short(t, maxName))
		}
	}
	if c.Link != "" {
		m.label("Link")
		m.link(c.Link, c.Host)
	}
	for _, w := range c.Matched {
		m.label("Matched")
		m.text(short(w.Watchlist, maxName))
		if len(w.Terms) > 0 {
			m.markup(": ")
			m.terms(w.Terms)
		}
	}
}

// slackReply shows what happened. Where it does not stand beneath the message, or
// is seen by those who do not follow the thread, it says what it is about.
func slackReply(r replyCard, repeat bool) slackMessage {
	var s slackMessage
	m := &mrkdwn{max: maxSection}
	if repeat {
		m.markup(repeatMark + " ")
	}
	if r.About != "" {
		m.bold(short(r.About, maxName), 0)
		m.markup("\n")
	}
	for i, l := range r.Lines {
		if i > 0 {
			m.markup("\n")
		}
		m.text(short(l.Text, 1000))
		if l.Link != "" && len(l.Link) < maxName {
			m.markup(" ")
			m.link(l.Link, l.Host)
		}
	}
	if r.Late != "" {
		m.markup("\n")
		m.text(short(r.Late, maxName))
	}
	if r.Link != "" && len(r.Link) < maxName {
		m.label("About")
		m.link(r.Link, r.Host)
	}
	s.section(m)
	s.text = m.String()
	return s
}

func slackDigest(d digest, repeat bool) slackMessage {
	var s slackMessage
	text := &mrkdwn{max: maxText}
	for _, part := range []func(*mrkdwn){func(m *mrkdwn) { d.news(m, repeat) }, d.changes} {
		m := &mrkdwn{max: maxSection}
		part(m)
		if m.String() == "" {
			continue
		}
		s.section(m)
		if len(s.blocks) > 1 {
			text.markup("\n")
		}
		part(text)
	}
	s.text = text.String()
	return s
}

// news writes all but what happened to alerts of earlier digests.
func (d digest) news(m *mrkdwn, repeat bool) {
	if repeat {
		m.markup(repeatMark + " ")
	}
	m.text(d.Sentence)
	if d.Watchlists != "" {
		m.label("Watchlists")
		m.text(short(d.Watchlists, 1000))
	}
	for _, n := range d.Newest {
		m.markup("\n• ")
		m.text(short(n.Title, maxName))
		m.markup(" (")
		m.text(short(n.Source, 100) + ", " + n.When)
		m.markup(") ")
		if len(n.Link) < maxName { // five long links would crowd out the titles
			m.link(n.Link, n.Host)
		}
	}
	if d.Silent != "" {
		m.label("No answer yet from")
		m.text(short(d.Silent, 600))
	}
}

// showChanges is how much of what happened to one alert a digest shows.
const showChanges = 3

// changes writes what happened to alerts of earlier digests.
func (d digest) changes(m *mrkdwn) {
	for i, c := range d.Changed {
		if i > 0 {
			m.markup("\n")
		}
		m.markup("• ")
		m.text(short(c.About, maxName))
		for _, l := range c.Lines[max(0, len(c.Lines)-showChanges):] {
			m.markup("\n")
			m.text(short(l.Text, maxName))
		}
		if c.Link != "" && len(c.Link) < maxName {
			m.markup(" ")
			m.link(c.Link, c.Host)
		}
	}
	if more := d.more(); more != "" {
		m.markup("\n")
		m.text(more)
	}
}

func slackNotice(d tocsin.Delivery) slackMessage {
	var s slackMessage
	m := &mrkdwn{max: maxSection}
	if d.Repeat {
		m.markup(repeatMark + " ")
	}
	m.text(cmp.Or(strings.TrimSpace(clean(d.Text)), "(no text)"))
	s.section(m)
	s.text = m.String()
	return s
}
