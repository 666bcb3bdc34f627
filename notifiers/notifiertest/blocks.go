package notifiertest

import (
	"encoding/json"
	"errors"
	"fmt"
)

// block is what the limits are about.
type block struct {
	Type     string    `json:"type"`
	BlockID  string    `json:"block_id"`
	Text     *text     `json:"text"`
	Fields   []text    `json:"fields"`
	Elements []element `json:"elements"`
}

// An element is a text of a context, or a button, whose text is one itself.
type element struct {
	Type     string          `json:"type"`
	Text     json.RawMessage `json:"text"`
	ActionID string          `json:"action_id"`
	Value    string          `json:"value"`
}

type text struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// MaxBlockText is how many characters all blocks of a message hold together;
// somewhat above it Slack answers msg_blocks_too_long.
const MaxBlockText = 12_000

// CheckBlocks holds the blocks of a message to the documented limits and to the types
// that Slack publishes. Its error begins with Slack's code and says what is wrong. It knows the blocks that an
// alert is made of and refuses the others.
//
// Source: https://docs.slack.dev/reference/block-kit/blocks
func CheckBlocks(raw json.RawMessage) error {
	var bs []block
	if err := json.Unmarshal(raw, &bs); err != nil {
		return errors.New("invalid_blocks_format")
	}
	if len(bs) > 50 {
		return fmt.Errorf("invalid_blocks: %d blocks, at most 50", len(bs))
	}
	total := 0
	for i, b := range bs {
		n, err := b.check()
		if err != nil {
			return fmt.Errorf("invalid_blocks: /blocks/%d: %w", i, err)
		}
		total += n
	}
	if total > MaxBlockText {
		return fmt.Errorf("msg_blocks_too_long: %d characters, at most %d", total, MaxBlockText)
	}
	if err := CheckTypes("message", raw); err != nil {
		return fmt.Errorf("invalid_blocks: %w", err)
	}
	return nil
}

func (b block) check() (total int, err error) {
	if units(b.BlockID) > 255 {
		return 0, errors.New("block_id of more than 255 characters")
	}
	var texts []text
	switch b.Type {
	case "divider":
		return 0, nil
	case "header":
		if b.Text == nil || b.Text.Type != "plain_text" {
			return 0, errors.New("a header needs a plain_text")
		}
		return checkText(*b.Text, 150)
	case "section":
		if b.Text == nil && len(b.Fields) == 0 {
			return 0, errors.New("a section needs text or fields")
		}
		if b.Text != nil {
			if total, err = checkText(*b.Text, 3000); err != nil {
				return 0, err
			}
		}
		if len(b.Fields) > 10 {
			return 0, errors.New("more than 10 fields")
		}
		texts = b.Fields
	case "context":
		if len(b.Elements) < 1 || len(b.Elements) > 10 {
			return 0, errors.New("a context needs 1 to 10 elements")
		}
		for _, e := range b.Elements {
			t := text{Type: e.Type}
			if json.Unmarshal(e.Text, &t.Text) != nil {
				return 0, errors.New("an element of a context needs a text")
			}
			texts = append(texts, t)
		}
	case "actions":
		return b.checkButtons()
	default:
		return 0, fmt.Errorf("unsupported type: %s", b.Type)
	}
	for _, t := range texts {
		n, err := checkText(t, 2000)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// checkButtons holds an actions block to its limits; of what it can hold only
// buttons are known here.
func (b block) checkButtons() (total int, err error) {
	if len(b.Elements) < 1 || len(b.Elements) > 25 {
		return 0, errors.New("actions need 1 to 25 elements")
	}
	seen := map[string]bool{}
	for _, e := range b.Elements {
		var label text
		if e.Type != "button" || json.Unmarshal(e.Text, &label) != nil || label.Type != "plain_text" {
			return 0, errors.New("actions need buttons with a plain_text")
		}
		if e.ActionID == "" || units(e.ActionID) > 255 || seen[e.ActionID] || units(e.Value) > 2000 {
			return 0, errors.New("a button needs an action_id of its own of at most 255 characters, and a value of at most 2,000")
		}
		seen[e.ActionID] = true
		n, err := checkText(label, 75)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func checkText(t text, most int) (int, error) {
	if t.Type != "plain_text" && t.Type != "mrkdwn" {
		return 0, fmt.Errorf("unsupported text type: %s", t.Type)
	}
	n := units(t.Text)
	if n < 1 || n > most {
		return 0, fmt.Errorf("text of %d characters, must be 1 to %d", n, most)
	}
	return n, nil
}

// units counts UTF-16 units: the strictest way to count characters.
func units(s string) (n int) {
	for _, r := range s {
		n++
		if r >= 0x10000 {
			n++
		}
	}
	return n
}
