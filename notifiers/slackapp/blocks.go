package slackapp

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"tocsin/notifiers"
)

// Limits of Slack, with room to spare.
// Source: https://docs.slack.dev/reference/block-kit/blocks
const (
	maxSection = 2900
	maxText    = 10_000 // of all blocks of a message
	maxButton  = 70
	maxValue   = 2000 // of a button
	maxLine    = 600
)

// esc is foreign text on one line, shown and never obeyed.
func esc(s string, max int) string { return notifiers.SlackText(s, max) }

func mrkdwn(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, s, false, false)
}

func plain(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}

// section is a block of text that is at most maxSection long.
func section(text string) *slack.SectionBlock {
	return slack.NewSectionBlock(mrkdwn(text), nil, nil)
}

func remark(text string) slack.Block { return slack.NewContextBlock("", mrkdwn(text)) }

// sections are lines, each shorter than maxSection, in as few blocks as hold them, up
// to what a message takes.
func sections(lines []string) (out []slack.Block) {
	var b strings.Builder
	total := 0
	flush := func() {
		if b.Len() > 0 {
			out = append(out, section(strings.TrimSuffix(b.String(), "\n")))
		}
		b.Reset()
	}
	for i, l := range lines {
		if b.Len()+len(l)+1 > maxSection {
			flush()
		}
		if total += len(l) + 1; total > maxText {
			flush()
			return append(out, remark(fmt.Sprintf("… and %d lines more", len(lines)-i)))
		}
		b.WriteString(l + "\n")
	}
	flush()
	return out
}

func button(action, value, text string) *slack.ButtonBlockElement {
	return slack.NewButtonBlockElement(action, value, plain(cut(text, maxButton)))
}

func primary(b *slack.ButtonBlockElement) *slack.ButtonBlockElement {
	b.Style = slack.StylePrimary
	return b
}

// say is a reply of one text of ours.
func say(format string, args ...any) reply {
	text := fmt.Sprintf(format, args...)
	return reply{text: text, blocks: []slack.Block{section(text)}}
}

// sorry is a reply that tells what went wrong.
func sorry(err error) reply {
	return say(":warning: %s", esc(err.Error(), maxLine*3))
}

// date is a time as each reader's own clock shows it.
func date(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time}|%s>", t.Unix(), t.UTC().Format("2006-01-02 15:04Z"))
}

// link is a title that leads to an address, or the title alone where that cannot be
// one in Slack.
func link(address, title string) string {
	title = cmp.Or(esc(title, 200), "untitled")
	if !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") {
		return title
	}
	var b strings.Builder
	for i := range len(address) {
		switch c := address[i]; {
		case c <= ' ' || c > '~' || strings.IndexByte("<>|\"`", c) >= 0:
			fmt.Fprintf(&b, "%%%02X", c)
		case c == '&':
			b.WriteString("&amp;")
		default:
			b.WriteByte(c)
		}
	}
	if b.Len() > 1000 {
		return title
	}
	return "<" + b.String() + "|" + title + ">"
}

// code is what people may copy.
func code(s string, max int) string { return "`" + notifiers.SlackCode(s, max) + "`" }

// tried says what a query would have found, with its examples.
func tried(t Tried, days int) (lines []string) {
	what := "would have sent *no* statement"
	switch {
	case t.Statements == 1:
		what = "would have sent *1* statement"
	case t.Statements > 1:
		what = fmt.Sprintf("would have sent *%d* statements", t.Statements)
	}
	lines = append(lines, fmt.Sprintf("In the last %d days it %s, of %d items.", days, what, t.Items))
	for _, f := range t.Newest {
		lines = append(lines, found(f)...)
	}
	for i, n := range t.Notes {
		if i == 5 {
			lines = append(lines, fmt.Sprintf(":bulb: and %d hints more", len(t.Notes)-i))
			break
		}
		lines = append(lines, ":bulb: "+esc(n, 400))
	}
	return lines
}

func found(f Found) []string {
	lines := []string{fmt.Sprintf("• %s  %s: %s", f.At.UTC().Format(time.DateOnly), esc(f.Publisher, 80), link(f.URL, f.Title))}
	if f.Excerpt != "" {
		lines = append(lines, "> "+esc(f.Excerpt, 300))
	}
	return lines
}
