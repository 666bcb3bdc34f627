package notifiers

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/slack-go/slack"
	"github.com/wneessen/go-mail"

	"tocsin"
)

// userGroup is the id of a Slack user group.
var userGroup = regexp.MustCompile(`^S[A-Z0-9]{7,20}$`)

// CheckMention reports whether a destination can mention this: here, or a Slack
// user group by its id.
func CheckMention(s string) error {
	if s == "here" || userGroup.MatchString(s) {
		return nil
	}
	return fmt.Errorf("%q cannot be mentioned: write here, or the id of a user group such as S024BE7LH", short(flat(s), 60))
}

// person is the id of a person in Slack.
var person = regexp.MustCompile(`^[UW][A-Z0-9]{7,20}$`)

// CheckPerson reports whether a person in Slack can be written to under this id.
func CheckPerson(s string) error {
	if person.MatchString(s) {
		return nil
	}
	return fmt.Errorf("%q is no id of a person in Slack, like U024BE7LH", short(flat(s), 60))
}

// urgentNote is a line about why an alert comes, and comes now: "urgent", "sent in
// quiet hours because it is urgent", or "".
func urgentNote(d tocsin.Delivery) string {
	note := flat(d.Note)
	if d.Urgent && note == "" {
		return "urgent"
	}
	return note
}

// heading puts what people must see first above a message. An edit mentions whom
// its message mentioned, and Slack pings nobody again.
func (s slackMessage) heading(d tocsin.Delivery) slackMessage {
	note := short(urgentNote(d), maxName)
	if note == "" {
		return s
	}
	m := &mrkdwn{max: maxName + 100} // with all else of a card at its longest it stays under 12,000
	if d.Urgent {
		m.markup(slackMention(d.To.Mention) + " ")
	}
	m.bold(note, 0)
	s.blocks = slices.Insert(s.blocks, 0, slack.Block(slack.NewSectionBlock(verbatim(m), nil, nil)))
	text := &mrkdwn{max: maxText}
	text.markup(m.String() + "\n")
	s.text = text.String() + s.text
	return s
}

func slackMention(group string) string {
	if userGroup.MatchString(group) {
		return "<!subteam^" + group + ">"
	}
	return "<!here>"
}

// urgentMark begins the subject of what is sent about an urgent alert.
const urgentMark = "[urgent] "

// markUrgent sets the headers by which mail readers put a message first: X-Priority,
// Importance (RFC 2156) and Priority.
func markUrgent(m *mail.Msg, d tocsin.Delivery) {
	if d.Urgent && (d.Kind == tocsin.Post || d.Kind == tocsin.Reply && d.Aloud) {
		m.SetImportance(mail.ImportanceHigh)
	}
}

// marked is the text of a card below what people must see first.
func marked(d tocsin.Delivery, text string) string {
	note := urgentNote(d)
	if note == "" {
		return text
	}
	if d.Urgent {
		note = strings.ToUpper(note[:1]) + note[1:]
	}
	return wrap("! ", "  ", note, nil) + text
}
