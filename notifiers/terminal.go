package notifiers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/width"

	"tocsin"
)

// terminalKind prints to the terminal that tocsin was started from.
var terminalKind = Kind{Name: "terminal", Edits: true, Answers: true, CheckTo: checkTerminal, open: openTerminal}

func checkTerminal(to string) error {
	if to != "" {
		return fmt.Errorf("terminal %q: a terminal has no address, leave it out", short(flat(to), 60))
	}
	return nil
}

const (
	columns  = 80
	leads    = 24 // at most, of the columns, go to what stands before a text
	maxLines = 40 // of an excerpt or a notice
)

// LineFormat is the version of the JSON lines, their "v".
const LineFormat = 1

// A Line is what the terminal prints of a delivery where Config.JSON is set.
type Line struct {
	V       int             `json:"v"`    // LineFormat
	Kind    string          `json:"kind"` // tocsin.Post, Edit, Reply, Digest, Notice or Update
	ID      string          `json:"id"`   // of the delivery
	To      string          `json:"to"`   // the destination's name
	At      time.Time       `json:"at"`   // when it was printed; UTC
	Alert   *tocsin.Alert   `json:"alert,omitempty"`
	News    []tocsin.News   `json:"news,omitempty"` // with Reply
	Ref     string          `json:"ref,omitempty"`  // with Reply: the delivery of the message that it answers
	Summary *tocsin.Summary `json:"summary,omitempty"`
	Text    string          `json:"text,omitempty"`
	Late    string          `json:"late,omitempty"`
	Repeat  bool            `json:"repeat,omitempty"`
	Urgent  bool            `json:"urgent,omitempty"`
	Note    string          `json:"note,omitempty"`
}

type terminal struct {
	json, color bool

	mu    sync.Mutex
	out   io.Writer
	shown map[string]progress // by alert
}

// progress is what an alert's last print showed of its growth.
type progress struct {
	publishers, reports, revised, withdrawn int
	joined                                  bool
}

// shownMost bounds what is remembered. An alert that was forgotten names only its
// last publisher when it grows.
const shownMost = 10_000

func openTerminal(c Config) (Notifier, error) {
	if c.Terminal == nil {
		return nil, nil
	}
	return &terminal{json: c.JSON, color: c.Color || isTerminal(c.Terminal), out: c.Terminal, shown: map[string]progress{}}, nil
}

// isTerminal reports whether w shows bold text. Source for NO_COLOR: https://no-color.org
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	s, err := f.Stat()
	return err == nil && s.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != ""
}

type printed struct {
	*terminal
	d tocsin.Delivery
}

// Prepare does nothing: what is printed depends on what was printed before.
func (t *terminal) Prepare(_ context.Context, d tocsin.Delivery) (Ready, error) {
	return printed{t, d}, nil
}

func (printed) Close() {}

// Send prints.
func (p printed) Send(context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if late(p.d.NotAfter) {
		return "", withheld()
	}
	text := p.render(p.d, time.Now())
	if _, err := io.WriteString(p.out, text); err != nil {
		return "", &tocsin.Outcome{Verdict: tocsin.Retry, Err: fmt.Errorf("print: %w", causeOf(err))}
	}
	if p.d.Kind == tocsin.Post || p.d.Kind == tocsin.Edit || p.d.Kind == tocsin.Reply {
		if len(p.shown) >= shownMost {
			clear(p.shown)
		}
		p.shown[p.d.Alert.ID] = progressOf(p.d.Alert)
	}
	return p.d.ID, nil
}

// Check writes nothing: there is no credential.
func (t *terminal) Check(context.Context) error {
	if t.out == nil {
		return &tocsin.Outcome{Verdict: tocsin.Install, Err: errors.New("there is no terminal")}
	}
	return nil
}

func progressOf(a tocsin.Alert) progress {
	p := progress{publishers: len(a.Publishers()), reports: len(reporters(a)), revised: a.Revised, joined: a.Into != ""}
	for _, c := range a.Copies {
		if !c.Withdrawn.IsZero() {
			p.withdrawn++
		}
	}
	return p
}

func (t *terminal) render(d tocsin.Delivery, now time.Time) string {
	if t.json {
		return jsonLine(d, now)
	}
	note := ""
	if d.Repeat {
		note = repeatNote + "\n"
	}
	switch d.Kind {
	case tocsin.Post:
		return strings.Repeat("─", columns) + "\n" + note + marked(d, t.card(newCard(d, now)))
	case tocsin.Edit:
		return t.growth(d)
	case tocsin.Reply:
		return strings.Repeat("─", columns) + "\n" + note + replyText(newReply(d)) + t.card(newCard(d, now))
	case tocsin.Digest:
		return note + digestText(newDigest(d.Summary, now))
	}
	return note + wrap("! ", "  ", clean(d.Text), nil)
}

func jsonLine(d tocsin.Delivery, now time.Time) string {
	l := Line{V: LineFormat, Kind: d.Kind, ID: d.ID, To: d.To.Name, At: now.UTC(), Text: d.Text, Late: d.Late, Repeat: d.Repeat, Urgent: d.Urgent, Note: d.Note}
	switch d.Kind {
	case tocsin.Post, tocsin.Edit:
		l.Alert = &d.Alert
	case tocsin.Reply:
		l.Alert, l.News, l.Ref = &d.Alert, d.News, d.Ref
	case tocsin.Digest:
		l.Summary = &d.Summary
	}
	b, err := json.Marshal(l)
	if err != nil { // a time beyond the year 9999, which a publisher may claim
		b, _ = json.Marshal(Line{V: LineFormat, Kind: d.Kind, ID: d.ID, To: d.To.Name, At: now.UTC(), Text: "not shown: " + err.Error()})
	}
	return string(b) + "\n"
}

// growth is one line about what an alert gained since it was last printed.
func (t *terminal) growth(d tocsin.Delivery) string {
	now, before := progressOf(d.Alert), t.shown[d.Alert.ID]
	pubs := d.Alert.Publishers()
	if before.publishers == 0 { // forgotten
		before = progress{publishers: max(len(pubs)-1, 0), reports: now.reports, revised: now.revised}
	}
	var b strings.Builder
	if now.publishers > before.publishers {
		var names []string
		for _, p := range pubs[before.publishers:] {
			names = append(names, withCountry(p))
		}
		fmt.Fprintf(&b, "+ also published by %s (%d now): %s\n", listed(names, 5), now.publishers, short(titleOf(d.Alert), 60))
	}
	if now.reports > before.reports {
		fmt.Fprintf(&b, "+ %s: %s\n", short(reported(d.Alert), 200), short(titleOf(d.Alert), 60))
	}
	if now.revised > before.revised {
		fmt.Fprintf(&b, "~ changed by a publisher (%s): %s\n", revised(d.Alert), short(titleOf(d.Alert), 60))
	}
	if now.withdrawn > before.withdrawn {
		fmt.Fprintf(&b, "- %s: %s\n", withdrawn(d.Alert.Copies), short(titleOf(d.Alert), 60))
	}
	if now.joined && !before.joined {
		fmt.Fprintf(&b, "= %s: %s\n", joinedWith(d), short(titleOf(d.Alert), 60))
	}
	return b.String()
}

func (t *terminal) card(c card) string {
	var b strings.Builder
	b.WriteString(t.runs("", c.Title))
	if strings.TrimSpace(joined(c.Excerpt)) != "" {
		b.WriteString("\n" + t.runs("  ", c.Excerpt) + "\n")
	}
	fact := func(label, text string) {
		if text != "" {
			b.WriteString(wrap(fmt.Sprintf("  %-8s ", label), "           ", text, nil))
		}
	}
	fact("source", c.Source)
	fact("times", strings.Join(c.Times, " · "))
	for _, m := range c.Matched {
		fact("matched", m.text())
	}
	fact("link", c.Link)
	fact("copies", c.published())
	fact("reports", c.Reported)
	fact("signed", c.Signed)
	fact("facets", c.Facets)
	fact("joined", c.Joined)
	fact("taken", c.Taken)
	fact("gone", c.Withdrawn)
	fact("changes", c.Revised)
	fact("unread", c.Unread)
	return b.String()
}

// runs wraps rs, the matched words in bold where the terminal can show it.
func (t *terminal) runs(indent string, rs []run) string {
	if !t.color {
		return wrap(indent, indent, joined(rs), nil)
	}
	var hits []bool // of each byte
	for _, r := range rs {
		for range len(r.Text) {
			hits = append(hits, r.Hit)
		}
	}
	return wrap(indent, indent, joined(rs), hits)
}

func digestText(d digest) string {
	var b strings.Builder
	b.WriteString(wrap("", "  ", d.Sentence, nil))
	fact := func(label, text string) {
		if text != "" {
			b.WriteString(wrap("  "+label+": ", "    ", text, nil))
		}
	}
	fact("watchlists", d.Watchlists)
	for _, n := range d.Newest {
		b.WriteString(wrap("  - ", "    ", n.Title+" ("+n.Source+", "+n.When+")", nil))
		if n.Link != "" {
			b.WriteString(wrap("    ", "    ", n.Link, nil))
		}
	}
	for _, c := range d.Changed {
		b.WriteString(wrap("  ! ", "    ", c.About, nil))
		for _, l := range c.Lines {
			b.WriteString(wrap("    ", "    ", l.Text, nil))
		}
		if c.Link != "" {
			b.WriteString(wrap("    ", "    ", c.Link, nil))
		}
	}
	fact("withdrawn or changed", d.more())
	fact("no answer yet from", d.Silent)
	return b.String()
}

const boldOn, boldOff = "\x1b[1m", "\x1b[0m"

// A pen writes text, some of it in bold.
type pen struct {
	strings.Builder
	bold bool
}

func (p *pen) set(bold bool) {
	if bold != p.bold {
		p.bold = bold
		p.WriteString(map[bool]string{true: boldOn, false: boldOff}[bold])
	}
}

// word writes s[w.start:w.end]; bytes that hits names are bold.
func (p *pen) word(s string, w word, hits []bool) {
	for i := w.start; i < w.end; i++ {
		p.set(hits != nil && hits[i])
		p.WriteByte(s[i])
	}
}

// wrap breaks clean text at spaces to lines of at most columns. What has no spaces
// is broken where the line ends, except a link. Bytes of s that hits names are bold.
func wrap(first, rest, s string, hits []bool) string {
	var p pen
	lines, col, lead := 0, 0, first
	newline := func() {
		p.set(false)
		p.WriteByte('\n')
		lines, col, lead = lines+1, 0, rest
	}
	for _, w := range words(s) {
		if lines >= maxLines {
			if col > 0 {
				newline()
			}
			p.WriteString(rest + "…\n")
			return p.String()
		}
		if s[w.start:w.end] == "\n" {
			if col > 0 {
				newline()
			}
			continue
		}
		wide := cells(s[w.start:w.end])
		switch {
		case col > 0 && w.spaced && col+1+wide <= columns:
			p.set(p.bold && hits[w.start])
			p.WriteByte(' ')
			col++
		case col > 0 && (w.spaced || col+wide > columns):
			newline()
		}
		if col == 0 {
			p.WriteString(lead)
			col = cells(lead)
		}
		p.word(s, w, hits)
		col += wide
	}
	if col > 0 {
		newline()
	}
	return p.String()
}

// A word is a part of a text that is not broken.
type word struct {
	start, end int
	spaced     bool // a space stood before it
}

// words cuts s at spaces and around wide characters, beside which a line may
// break. A line end is a word of its own, and so are the parts of a long word
// that is no link.
func words(s string) []word {
	var out []word
	start, spaced, wide := -1, false, 0
	end := func(at int) {
		if start >= 0 {
			out = append(out, word{start, at, spaced})
			start, spaced = -1, false
		}
	}
	for i, r := range s {
		n := i + len(string(r))
		switch {
		case r == '\n':
			end(i)
			out = append(out, word{i, n, false})
			spaced = false
		case unicode.IsSpace(r):
			end(i)
			spaced = true
		case cellsOf(r) == 2:
			end(i)
			out = append(out, word{i, n, spaced})
			spaced = false
		case start < 0:
			start, wide = i, cellsOf(r)
		case wide >= columns-leads && !strings.HasPrefix(s[start:], "http"):
			end(i)
			start, wide = i, cellsOf(r)
		default:
			wide += cellsOf(r)
		}
	}
	end(len(s))
	return out
}

// cells is how many columns s takes.
func cells(s string) (n int) {
	for _, r := range s {
		n += cellsOf(r)
	}
	return n
}

func cellsOf(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}
