package notifiertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

func (s *SlackApp) viewsOpen(q Request) (object, string) {
	var in struct {
		Trigger string          `json:"trigger_id"`
		View    json.RawMessage `json:"view"`
	}
	if json.Unmarshal([]byte(q.Form.Get("json")), &in) != nil {
		return nil, "invalid_arguments"
	}
	switch {
	case s.spent[in.Trigger]:
		return nil, "exchanged_trigger_id"
	case !strings.HasPrefix(in.Trigger, "trigger-"):
		return nil, "invalid_trigger_id"
	case len(in.View) > 250_000:
		return nil, "view_too_large"
	}
	if err := CheckView(in.View); err != nil {
		return nil, "invalid_arguments: " + err.Error()
	}
	s.spent[in.Trigger] = true
	s.next++
	v := &ShownView{ID: fmt.Sprintf("V%d", s.next), Hash: fmt.Sprint(s.next), View: in.View}
	s.views[v.ID] = v
	return object{"ok": true, "view": object{"id": v.ID, "hash": v.Hash}}, ""
}

func (s *SlackApp) viewsUpdate(q Request) (object, string) {
	var in struct {
		ID   string          `json:"view_id"`
		Hash string          `json:"hash"`
		View json.RawMessage `json:"view"`
	}
	if json.Unmarshal([]byte(q.Form.Get("json")), &in) != nil {
		return nil, "invalid_arguments"
	}
	v := s.views[in.ID]
	switch {
	case v == nil:
		return nil, "not_found"
	case in.Hash != "" && in.Hash != v.Hash:
		return nil, "hash_conflict"
	}
	if err := CheckView(in.View); err != nil {
		return nil, "invalid_arguments: " + err.Error()
	}
	s.next++
	v.View, v.Hash = in.View, fmt.Sprint(s.next)
	v.Updates++
	return object{"ok": true, "view": object{"id": v.ID, "hash": v.Hash}}, ""
}

func (s *SlackApp) viewsPublish(q Request) (object, string) {
	var in struct {
		User string          `json:"user_id"`
		View json.RawMessage `json:"view"`
	}
	if json.Unmarshal([]byte(q.Form.Get("json")), &in) != nil || in.User == "" {
		return nil, "invalid_arguments"
	}
	if err := CheckView(in.View); err != nil {
		return nil, "invalid_arguments: " + err.Error()
	}
	s.homes[in.User] = in.View
	return object{"ok": true, "view": object{"id": "VHOME", "hash": "1"}}, ""
}

// CheckView holds a modal or a home to the documented limits that are not a
// message's, and to the types that Slack publishes.
func CheckView(view json.RawMessage) error {
	var v struct {
		Type     string
		Title    struct{ Text string }
		Metadata string `json:"private_metadata"`
		Blocks   []struct {
			Type    string
			BlockID string `json:"block_id"`
			Text    struct{ Text string }
			Actions []json.RawMessage `json:"elements"`
		}
	}
	if err := json.Unmarshal(view, &v); err != nil {
		return err
	}
	ids := map[string]bool{}
	switch {
	case v.Type != "modal" && v.Type != "home":
		return fmt.Errorf("type %q", v.Type)
	case v.Type == "modal" && (v.Title.Text == "" || len(v.Title.Text) > 24):
		return fmt.Errorf("title %q", v.Title.Text)
	case len(v.Metadata) > 3000:
		return fmt.Errorf("private_metadata has %d bytes", len(v.Metadata))
	case len(v.Blocks) > 100 || len(v.Blocks) == 0:
		return fmt.Errorf("%d blocks", len(v.Blocks))
	}
	for _, b := range v.Blocks {
		if b.BlockID != "" && ids[b.BlockID] {
			return fmt.Errorf("block_id %s twice", b.BlockID)
		}
		ids[b.BlockID] = true
		if b.Type == "section" && (b.Text.Text == "" || len([]rune(b.Text.Text)) > 3000) {
			return fmt.Errorf("a section has %d characters", len([]rune(b.Text.Text)))
		}
		if b.Type == "actions" && (len(b.Actions) == 0 || len(b.Actions) > 25) {
			return fmt.Errorf("%d actions", len(b.Actions))
		}
	}
	return CheckTypes(v.Type, view)
}

// CheckAnswer holds the blocks of an answer to a command or a click to the documented
// limits: those of a message, and its buttons.
func CheckAnswer(raw json.RawMessage) error {
	var all []json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return errors.New("invalid_blocks_format")
	}
	if err := CheckTypes("message", raw); err != nil {
		return fmt.Errorf("invalid_blocks: %w", err)
	}
	var rest []json.RawMessage
	for _, b := range all {
		var actions struct {
			Type     string
			Elements []struct {
				Type     string
				ActionID string `json:"action_id"`
				Value    string
				Text     struct{ Text string }
			}
		}
		if err := json.Unmarshal(b, &actions); err != nil || actions.Type != "actions" {
			rest = append(rest, b)
			continue
		}
		ids := map[string]bool{}
		for _, e := range actions.Elements {
			if e.Text.Text == "" || units(e.Text.Text) > 75 || units(e.Value) > 2000 || e.ActionID == "" || ids[e.ActionID] || len(e.ActionID) > 255 {
				return fmt.Errorf("invalid_blocks: button %q of action %q", e.Text.Text, e.ActionID)
			}
			ids[e.ActionID] = true
		}
		if n := len(actions.Elements); n == 0 || n > 25 {
			return fmt.Errorf("invalid_blocks: %d actions", n)
		}
	}
	if len(all) > 50 {
		return fmt.Errorf("invalid_blocks: %d blocks", len(all))
	}
	data, err := json.Marshal(rest)
	if err != nil || len(rest) == 0 {
		return err
	}
	return CheckBlocks(data)
}
