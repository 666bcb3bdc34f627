package notifiers

import (
	"encoding/json"
	"time"

	"github.com/slack-go/slack"

	"tocsin"
)

// SlackShown is what goes to Slack for d: the text and the blocks, as the API takes
// them.
func SlackShown(d tocsin.Delivery, now time.Time, buttons func(alert string) []slack.BlockElement) (text string, blocks []byte, err error) {
	m := slackShown(d, now, buttons)
	blocks, err = json.Marshal(m.blocks)
	return m.text, blocks, err
}
