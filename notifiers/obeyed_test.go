package notifiers_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tocsin"
	"tocsin/notifiers/notifiertest"
)

// A judge says what is wrong with a message to Slack. It knows what ours may hold and
// takes all else for foreign; it uses nothing of what renders them.
type judge struct {
	kind   string
	marked bool   // words of it may be bold
	headed bool   // a note in bold stands above it,
	calls  string // after a mention of ours, "" for none
	taker  string // the Slack user whom the line of the acknowledgement names, "" for none
}

// ourLabels are all that begin a line of ours in bold.
var ourLabels = []string{"*Source* ", "*Times* ", "*Link* ", "*Matched* ", "*About* ", "*Watchlists* ", "*No answer yet from* "}

// Limits of the text beside the blocks, in UTF-16 units: a post is split above about
// 4,000 and an edit refused; the design stays below 3,000.
const (
	maxPlain = 3000
	maxNote  = 401 // above it
)

// message is what is wrong with a message, "" if nothing.
func (j judge) message(text string, blocks []byte) string {
	if err := notifiertest.CheckBlocks(blocks); err != nil {
		return err.Error()
	}
	most := maxPlain
	if j.headed {
		most += maxNote
	}
	if n := units(text); n == 0 || n > most {
		return fmt.Sprintf("text of %d units", n)
	}
	first := j
	j.headed = false
	if why := first.shown(text); why != "" {
		return "text: " + why
	}
	var all []struct {
		Type     string
		Text     json.RawMessage
		Elements []struct {
			Type string
			Text json.RawMessage
		}
	}
	if err := json.Unmarshal(blocks, &all); err != nil {
		return err.Error()
	}
	for i, b := range all {
		var why string
		var t struct{ Text string }
		switch b.Type {
		case "header":
			_ = json.Unmarshal(b.Text, &t)
			why = plainText(t.Text)
		case "section":
			_ = json.Unmarshal(b.Text, &t)
			if why = j.shown(t.Text); i == 0 {
				why = first.shown(t.Text)
			}
		case "context":
			var s string
			_ = json.Unmarshal(b.Elements[0].Text, &s)
			if why = plainText(s); b.Elements[0].Type != "plain_text" {
				if rest, ok := strings.CutPrefix(s, "acknowledged by <@"+j.taker+">, "); ok && j.taker != "" {
					s = rest
				}
				why = judge{kind: j.kind}.shown(s)
			}
		}
		if why != "" {
			return b.Type + ": " + why
		}
	}
	return ""
}

func units(s string) (n int) {
	for _, r := range s {
		n += max(1, utf8.RuneLen(r)-2) // two for four bytes
	}
	return n
}

// plainText is what is wrong with a text in which nothing is formatted.
func plainText(s string) string {
	if !utf8.ValidString(s) {
		return "not UTF-8"
	}
	for i, r := range s {
		if hidden(r) {
			return fmt.Sprintf("holds %U", r)
		}
		if strings.ContainsRune("<>", r) || r == '&' && !entity(s[i:]) {
			return "not escaped: " + tail(s[i:])
		}
	}
	return ""
}

// hidden reports whether nobody sees r, but what stands beside it looks otherwise.
func hidden(r rune) bool {
	if r >= ' ' && r < 0x7F || r == '\n' || unicode.Is(unicode.Prepended_Concatenation_Mark, r) { // the latter are seen
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Bidi_Control, unicode.Other_Default_Ignorable_Code_Point)
}

func entity(s string) bool {
	return strings.HasPrefix(s, "&amp;") || strings.HasPrefix(s, "&lt;") || strings.HasPrefix(s, "&gt;")
}

func tail(s string) string { return fmt.Sprintf("%q", s[:min(len(s), 40)]) }

// shown is what is wrong with mrkdwn.
func (j judge) shown(s string) string {
	s = strings.NewReplacer("\u200b*", "*", "*\u200b", "*").Replace(s) // the boundaries of bold words
	if j.headed && j.calls != "" {
		var ok bool
		if s, ok = strings.CutPrefix(s, j.calls+" "); !ok {
			return "nobody is called: " + tail(s)
		}
	}
	rest, why := unlinked(s)
	if why == "" {
		why = plainText(joined.Replace(rest))
	}
	if why != "" {
		return why
	}
	bold := j.marked
	for i, line := range strings.Split(rest, "\n") {
		matched, quoted := strings.HasPrefix(line, "*Matched* "), quote.MatchString(line)
		for _, l := range ourLabels {
			line = strings.TrimPrefix(line, l)
		}
		ticks := strings.Count(line, "`")
		if matched && ticks%2 == 0 { // what stands in code is not formatted
			line = uncoded(line)
		}
		stars := strings.Count(line, "*")
		about := i == 0 && (j.kind == tocsin.Reply || j.headed) // the title of a reply is bold
		switch {
		case italic.MatchString(line):
			return "italic: " + tail(line)
		case emoji.MatchString(line):
			return "emoji: " + tail(line)
		case quoted:
			return "quote: " + tail(line)
		case strings.Contains(line, "~"):
			return "struck out: " + tail(line)
		case ticks%2 != 0 || ticks > 0 && !matched:
			return "code: " + tail(line)
		case stars%2 != 0 || stars > 0 && !bold && !(about && stars == 2):
			return "bold: " + tail(line)
		}
	}
	return ""
}

// What else Slack makes of text: it opens italics after a space or punctuation, makes
// a picture of what has neither a space nor "/" between colons, and a quote of a line that begins
// with ">". A word joiner before the one or in the other keeps it from that.
var (
	italic = regexp.MustCompile(`(^|[\s!-/:-@\[-\x60{-~\x{2000}-\x{200F}])_[^_]*_`)
	emoji  = regexp.MustCompile(`:[^\s:/\x{2060}]+:`)
	quote  = regexp.MustCompile(`^\s*&gt;`)
	joined = strings.NewReplacer("\u2060_", "_", ":\u2060", ":", "\u2060&gt;", "&gt;")
)

// uncoded is a line without what stands between backticks.
func uncoded(line string) string {
	var b strings.Builder
	for i, part := range strings.Split(line, "`") {
		if i%2 == 0 {
			b.WriteString(part)
		}
	}
	return b.String()
}

// unlinked is s without our links, or what is wrong with one of them: each leads to a
// web address and shows no other host than that.
func unlinked(s string) (rest, why string) {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			break
		}
		b.WriteString(s[:i] + ")") // punctuation, as the end of a link is
		link, after, ok := strings.Cut(s[i+1:], ">")
		address, label, named := strings.Cut(link, "|")
		label = joined.Replace(label)
		u, err := url.Parse(strings.ReplaceAll(address, "&amp;", "&"))
		if !ok || !named || err != nil || label == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || strings.ContainsAny(link, "< \n") || strings.Contains(label, "|") {
			return "", "not escaped: " + tail(s[i:])
		}
		if host := u.Host; !slices.ContainsFunc([]byte(host), func(c byte) bool { return c >= 0x80 || strings.IndexByte("*~`&<>|", c) >= 0 }) {
			if cut, short := strings.CutSuffix(label, "…"); label != host && !(short && strings.HasPrefix(host, cut)) {
				return "", fmt.Sprintf("a link to %s says %s", host, label)
			}
		}
		if why := plainText(label); why != "" {
			return "", why
		}
		s = after
	}
	b.WriteString(s)
	return b.String(), ""
}
