package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"tocsin/notifiers/notifiertest"
)

// A transcript prints what people see in Slack, for a reader who does not know Slack.
type transcript struct {
	out    io.Writer
	slack  *notifiertest.SlackApp
	people map[string]string
	shown  map[string][]string // lines of messages, by ts
	last   []pressable         // the buttons of the last answer
}

func newTranscript(out io.Writer, fake *notifiertest.SlackApp) *transcript {
	return &transcript{out: out, slack: fake, people: map[string]string{demoAnn: "Ann", demoBob: "Bob"}, shown: map[string][]string{}}
}

func (t *transcript) title(n, of int, says string) {
	fmt.Fprintln(t.out)
	t.put(fmt.Sprintf("── %d of %d: ", n, of), "   ", says)
}

func (t *transcript) line(format string, args ...any) {
	t.put("  ", "    ", fmt.Sprintf(format, args...))
}

// lineWidth is how many characters a line of a transcript has at most, unless a word
// is longer.
const lineWidth = 108

// put prints text, broken between words, first after one indentation and then after
// another.
func (t *transcript) put(first, then, text string) {
	n := 0
	for i, w := range strings.Fields(text) {
		switch size := utf8.RuneCountInString(w); {
		case i == 0:
			fmt.Fprint(t.out, first, w)
			n = utf8.RuneCountInString(first) + size
		case n+1+size > lineWidth:
			fmt.Fprint(t.out, "\n", then, w)
			n = utf8.RuneCountInString(then) + size
		default:
			fmt.Fprint(t.out, " ", w)
			n += 1 + size
		}
	}
	fmt.Fprintln(t.out)
}

// catchUp prints what is new or changed in a channel.
func (t *transcript) catchUp(channel string) {
	for _, m := range t.slack.Messages(channel) {
		lines, old := t.lines(m.Text, m.Blocks), t.shown[m.TS]
		if slices.Equal(lines, old) {
			continue
		}
		t.shown[m.TS] = lines
		head, bar := "#desk  tocsin:", "      "
		if m.Thread != "" {
			head, bar = "       tocsin, in the thread below it:", "       │ "
		}
		if m.Aloud {
			head = "#desk  tocsin, in the thread and shown to all in the channel:"
		}
		if old != nil {
			t.line("#desk  tocsin edits its message:")
			t.changed(bar, old, lines)
			continue
		}
		t.line("%s", head)
		t.print(bar, lines)
	}
}

func (t *transcript) print(bar string, lines []string) {
	for _, l := range lines {
		t.put(bar, bar+"  ", l)
	}
}

// changed prints the lines of an edit that are new, and those that are gone.
func (t *transcript) changed(bar string, old, lines []string) {
	for _, l := range old {
		if !slices.Contains(lines, l) {
			t.put(bar[:len(bar)-2]+"- ", bar+"  ", l)
		}
	}
	for _, l := range lines {
		if !slices.Contains(old, l) {
			t.put(bar[:len(bar)-2]+"+ ", bar+"  ", l)
		}
	}
}

// told prints an answer that a person alone sees, and reports what of it is missing.
func (t *transcript) told(user string, answer any, parts ...string) error {
	data, ok := answer.(json.RawMessage)
	if !ok {
		var err error
		if data, err = json.Marshal(answer); err != nil {
			return err
		}
	}
	var a struct {
		Text   string
		Blocks json.RawMessage
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return fmt.Errorf("demo: an answer cannot be read: %w", err)
	}
	t.line("tocsin, to %s alone:", t.people[user])
	t.print("      ", t.lines(a.Text, a.Blocks))
	t.last = buttonsOf(a.Blocks)
	raw := rawText(a.Text, a.Blocks)
	for _, p := range parts {
		if !strings.Contains(raw, p) {
			return fmt.Errorf("demo: missing: %q in the answer", p)
		}
	}
	return nil
}

// answer prints what a command that opens a form is answered with where it opens none.
func (t *transcript) answer(_ string, ack any, err error) error {
	if err == nil && ack != nil {
		return t.told(demoAnn, ack)
	}
	return err
}

// button is one of the last answer.
func (t *transcript) button(label string) (pressable, bool) {
	i := slices.IndexFunc(t.last, func(b pressable) bool { return strings.EqualFold(b.Label, label) })
	if i < 0 {
		return pressable{}, false
	}
	return t.last[i], true
}

// A pressable is a button.
type pressable struct{ Label, Action, Value string }

// A shownBlock is what a person sees of a block.
type shownBlock struct {
	Type     string
	Text     struct{ Text string }
	Elements []struct {
		Text     json.RawMessage
		ActionID string `json:"action_id"`
		Value    string
	}
}

func shownBlocks(raw json.RawMessage) (bs []shownBlock) {
	_ = json.Unmarshal(raw, &bs)
	return bs
}

func (b shownBlock) buttons() (out []pressable) {
	for _, e := range b.Elements {
		var label struct{ Text string }
		if b.Type == "actions" && json.Unmarshal(e.Text, &label) == nil {
			out = append(out, pressable{label.Text, e.ActionID, e.Value})
		}
	}
	return out
}

func buttonsOf(raw json.RawMessage) (out []pressable) {
	for _, b := range shownBlocks(raw) {
		out = append(out, b.buttons()...)
	}
	return out
}

func buttonOf(raw json.RawMessage, label string) (pressable, bool) {
	all := buttonsOf(raw)
	i := slices.IndexFunc(all, func(b pressable) bool { return b.Label == label })
	if i < 0 {
		return pressable{}, false
	}
	return all[i], true
}

// rawText is all text of a message as it was sent.
func rawText(text string, blocks json.RawMessage) string {
	var b strings.Builder
	b.WriteString(text)
	for _, s := range shownBlocks(blocks) {
		b.WriteString("\n" + s.Text.Text)
	}
	return b.String()
}

// lines are a message as a person reads it.
func (t *transcript) lines(text string, blocks json.RawMessage) (out []string) {
	add := func(s string) {
		for l := range strings.Lines(t.plain(s)) {
			if l = strings.TrimSpace(l); l != "" {
				out = append(out, l)
			}
		}
	}
	bs := shownBlocks(blocks)
	if len(bs) == 0 {
		add(text)
	}
	for _, b := range bs {
		switch b.Type {
		case "actions":
			var labels []string
			for _, p := range b.buttons() {
				labels = append(labels, "["+p.Label+"]")
			}
			out = append(out, strings.Join(labels, " "))
		case "context":
			for _, e := range b.Elements {
				var s string
				_ = json.Unmarshal(e.Text, &s)
				add(s)
			}
		default:
			add(b.Text.Text)
		}
	}
	return out
}

var (
	slackMarks = regexp.MustCompile(`<([^<>|]*)(?:\|([^<>]*))?>`)
	slackSigns = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&", "\u200b", "", ":white_check_mark:", "✅", ":bulb:", "💡", ":warning:", "⚠", ":no_bell:", "🔕", ":bell:", "🔔", ":grey_question:", "?", ":hourglass:", "⌛", ":double_vertical_bar:", "⏸")
)

// plain is mrkdwn as it is read: people and channels by name, links with where they
// lead.
func (t *transcript) plain(s string) string {
	s = slackMarks.ReplaceAllStringFunc(s, func(mark string) string {
		m := slackMarks.FindStringSubmatch(mark)
		what, label := m[1], m[2]
		switch {
		case strings.HasPrefix(what, "@"):
			return "@" + cmp.Or(t.people[what[1:]], what[1:])
		case strings.HasPrefix(what, "#"):
			return "#desk"
		case strings.HasPrefix(what, "!"):
			return label
		case strings.Contains(what, "://"+label):
			return what
		}
		return label + " " + what
	})
	return slackSigns.Replace(s)
}
