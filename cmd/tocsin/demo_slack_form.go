package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A form is a modal that a person has before him, and what stands in its fields.
type form struct {
	id     string
	fields []formField
	shown  []string // as it was printed last
}

type formField struct {
	block, action, label string
	value                string
	channel              bool // it takes a channel
	judged               bool // what one writes in it is looked at at once
}

// A shownView is what a person sees of a modal.
type shownView struct {
	Title, Submit, Close struct{ Text string }
	CallbackID           string `json:"callback_id"`
	Metadata             string `json:"private_metadata"`
	Blocks               []struct {
		BlockID string `json:"block_id"`
		Type    string
		Judged  bool `json:"dispatch_action"`
		Label   struct{ Text string }
		Hint    struct{ Text string }
		Element struct {
			ActionID     string `json:"action_id"`
			Type         string
			Value        string `json:"initial_value"`
			Conversation string `json:"initial_conversation"`
			Current      bool   `json:"default_to_current_conversation"`
			Placeholder  struct{ Text string }
		}
	}
}

// viewOf reads a modal, and its fields as it was opened.
func viewOf(raw json.RawMessage) (v shownView, fields []formField) {
	_ = json.Unmarshal(raw, &v)
	for _, b := range v.Blocks {
		if b.Type != "input" {
			continue
		}
		f := formField{block: b.BlockID, action: b.Element.ActionID, label: b.Label.Text, value: b.Element.Value, judged: b.Judged}
		if f.channel = b.Element.Type == "conversations_select"; f.channel {
			if f.value = b.Element.Conversation; f.value == "" && b.Element.Current {
				f.value = demoDesk
			}
		}
		fields = append(fields, f)
	}
	return v, fields
}

// lines are the form as its reader sees it: a field a line with what stands in it, or
// else what it suggests.
func (f *form) lines(t *transcript, raw json.RawMessage) (out []string) {
	v, _ := viewOf(raw)
	out = append(out, "── "+v.Title.Text+" ──")
	for _, b := range v.Blocks {
		if b.Type != "input" {
			continue
		}
		line := b.Label.Text + ": "
		i := slices.IndexFunc(f.fields, func(x formField) bool { return x.block == b.BlockID })
		switch {
		case i >= 0 && f.fields[i].channel:
			line += t.plain("<#" + f.fields[i].value + ">")
		case i >= 0 && f.fields[i].value != "":
			line += f.fields[i].value
		case b.Element.Placeholder.Text != "":
			line += "(such as " + b.Element.Placeholder.Text + ")"
		}
		out = append(out, line)
	}
	var blocks struct{ Blocks json.RawMessage }
	_ = json.Unmarshal(raw, &blocks)
	for _, l := range t.lines("", blocks.Blocks) {
		out = append(out, "· "+l)
	}
	for _, button := range []string{v.Submit.Text, v.Close.Text} {
		if button != "" {
			out = append(out, "["+button+"]")
		}
	}
	return out
}

// state is what stands in the fields, as Slack sends it.
func (f *form) state() map[string]any {
	values := map[string]any{}
	for _, x := range f.fields {
		key := "value"
		if x.channel {
			key = "selected_conversation"
		}
		values[x.block] = map[string]any{x.action: map[string]any{key: x.value}}
	}
	return map[string]any{"values": values}
}

// opens does what has a form opened, and shows that.
func (v *conversation) opens(do func() error) error {
	before := v.slack.View("").ID
	if err := do(); err != nil {
		return err
	}
	if err := v.wait("a form", func() bool {
		now := v.slack.View("")
		_, fields := viewOf(now.View)
		judged := !slices.ContainsFunc(fields, func(f formField) bool { return f.judged && f.value != "" }) || !bytes.Contains(now.View, []byte("shows here while you write"))
		return now.ID != before && judged && (len(fields) > 0 || now.Updates > 0) // the first is a word to wait
	}); err != nil {
		return err
	}
	now := v.slack.View("")
	v.form = &form{id: now.ID}
	_, v.form.fields = viewOf(now.View)
	v.told.line("a form opens before Ann:")
	v.draw()
	if len(v.form.fields) == 0 { // it says why there is nothing to write
		v.form = nil
	}
	return nil
}

// draw prints the form, or of one that was printed what is new and what is gone.
func (v *conversation) draw() {
	lines := v.form.lines(v.told, v.slack.View(v.form.id).View)
	if v.form.shown == nil {
		v.told.print("      ", lines)
	} else if !slices.Equal(v.form.shown, lines) {
		v.told.changed("      ", v.form.shown, lines)
	}
	v.form.shown = lines
}

// inForm sends what happens in the form, and returns what the app acknowledges it with.
func (v *conversation) inForm(kind, action string) (json.RawMessage, error) {
	now := v.slack.View(v.form.id)
	view, _ := viewOf(now.View)
	v.said++
	p := v.slack.Click(fmt.Sprint("form-", v.said), demoAnn, "", "", action, "")
	delete(p, "response_url")
	p["type"] = kind
	if kind == "view_submission" {
		delete(p, "actions")
	}
	p["view"] = map[string]any{"id": now.ID, "hash": now.Hash, "callback_id": view.CallbackID, "private_metadata": view.Metadata, "state": v.form.state()}
	ack, ok := v.slack.Emit("interactive", p, false)
	if !ok {
		return nil, errors.New("demo: missing: an acknowledgement from the form")
	}
	data, err := json.Marshal(ack)
	return data, err
}

// writes puts text into the field with a label. Where that is judged it waits for what
// the app says of it, which has to hold parts.
func (v *conversation) writes(label, text string, parts ...string) error {
	i := slices.IndexFunc(v.form.fields, func(f formField) bool { return strings.HasPrefix(strings.ToLower(f.label), strings.ToLower(label)) })
	if i < 0 || v.form.fields[i].channel {
		return fmt.Errorf("the form has no field %q to write in", label)
	}
	f := &v.form.fields[i]
	f.value = text
	v.told.line("Ann writes into %s: %s", f.label, text)
	if !f.judged {
		v.draw()
		return nil
	}
	before := v.slack.View(v.form.id).Updates
	if _, err := v.inForm("block_actions", f.action); err != nil {
		return err
	}
	if err := v.wait("what the form says of it", func() bool { return v.slack.View(v.form.id).Updates > before }); err != nil {
		return err
	}
	v.draw()
	said := strings.Join(v.form.shown, "\n")
	for _, p := range parts {
		if !strings.Contains(said, p) {
			return fmt.Errorf("demo: missing: %q in the form", p)
		}
	}
	return nil
}

// saves submits the form: it closes with a word, or says what is wrong with a field.
func (v *conversation) saves(parts ...string) error {
	v.told.line("Ann presses [Save]")
	data, err := v.inForm("view_submission", "")
	if err != nil {
		return err
	}
	var ack struct {
		Errors map[string]string
		View   struct{ Blocks json.RawMessage }
	}
	if err := json.Unmarshal(data, &ack); err != nil {
		return fmt.Errorf("demo: the form's answer cannot be read: %w", err)
	}
	for _, f := range v.form.fields {
		if says := ack.Errors[f.block]; says != "" {
			v.told.line("beneath %s: %s", f.label, says)
		}
	}
	if len(ack.Errors) > 0 {
		return nil
	}
	v.form = nil
	v.told.line("the form says:")
	v.told.print("      ", v.told.lines("", ack.View.Blocks))
	raw := rawText("", ack.View.Blocks)
	for _, p := range parts {
		if !strings.Contains(raw, p) {
			return fmt.Errorf("demo: missing: %q in the form", p)
		}
	}
	return nil
}

// edits narrows the watchlist in a form.
func (v *conversation) edits() error {
	err := v.opens(func() error { return v.told.answer(v.gives(demoAnn, "edit "+v.list)) })
	if err != nil {
		return err
	}
	if err := v.writes("Query", demoQuery+" NOT", "⚠"); err != nil {
		return err
	}
	if err := v.writes("Query", demoQuery+" NOT licence*", "would have sent", "drops 2"); err != nil {
		return err
	}
	return v.saves("Saved as *" + v.list + "*")
}

// seesHome opens the home, which has to show the watchlist.
func (v *conversation) seesHome() error {
	if err := v.opensHome(); err != nil {
		return err
	}
	if !strings.Contains(string(v.slack.Home(demoAnn)), "*"+v.list+"*") {
		return fmt.Errorf("demo: missing: %s on the home", v.list)
	}
	return nil
}

// opensHome has the app show its home.
func (v *conversation) opensHome() error {
	v.told.line("Ann opens the app's home:")
	v.said++
	open := map[string]any{
		"team_id": "T0000001", "event_id": fmt.Sprint("Ev-", v.said),
		"event": map[string]any{"type": "app_home_opened", "user": demoAnn, "tab": "home"},
	}
	before := len(v.slack.Requests("views.publish"))
	if _, ok := v.slack.Emit("events_api", open, false); !ok {
		return errors.New("demo: missing: an acknowledgement of the home's opening")
	}
	if err := v.wait("the home", func() bool { return len(v.slack.Requests("views.publish")) > before }); err != nil {
		return err
	}
	var home struct{ Blocks json.RawMessage }
	_ = json.Unmarshal(v.slack.Home(demoAnn), &home)
	v.told.print("      ", v.told.lines("", home.Blocks))
	return nil
}
