package slackapp

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"tocsin"
)

// A draft is a watchlist that is being written in a modal. What is not in its fields
// travels in its private metadata.
type draft struct {
	Channel string              `json:"c,omitempty"`
	Name    string              `json:"w,omitempty"` // of one that exists
	Base    uint64              `json:"b,omitempty"`
	Query   string              `json:"-"`
	Plan    tocsin.Subscription `json:"-"`
	NewName string              `json:"-"`
}

const (
	blockName    = "name"
	blockQuery   = "query"
	blockPlan    = "plan"
	blockChannel = "channel"
	blockResult  = "result"
	typingPause  = 700 * time.Millisecond // a backtest is not made for each letter
	maxQuery     = 3000                   // characters of a field of text
)

// edit opens a modal on a watchlist of the workspace's own.
func (a *App) edit(ctx context.Context, trigger, channel, name string) error {
	// The trigger is good for three seconds: open first, and look after that.
	resp, err := a.bot.OpenViewContext(ctx, trigger, waitingView("Reading "+name+" …"))
	if err != nil {
		return outcome(err)
	}
	d, err := a.draftOf(ctx, channel, name)
	v := modal(d, nil)
	if err != nil {
		v = endView(wrong(err))
	}
	shown, failed := a.bot.UpdateViewContext(ctx, v, "", "", resp.View.ID)
	if failed != nil {
		return outcome(failed)
	}
	if err == nil {
		a.judge(ctx, resp.View.ID, shown.View.Hash, d)
	}
	return nil
}

func (a *App) draftOf(ctx context.Context, channel, name string) (draft, error) {
	s, err := a.Desk.Standing(ctx)
	if err != nil {
		return draft{}, err
	}
	k, err := known(s, name)
	if err != nil {
		return draft{}, err
	}
	if !k.Own {
		return draft{}, fmt.Errorf("watchlist %s is shared and cannot be changed from Slack: make one of your own with /tocsin new, or ask whoever runs tocsin", name)
	}
	d := draft{Channel: channel, Name: k.Name, Base: k.Version, Query: k.Query}
	for _, b := range s.Subscriptions {
		if b.Channel == channel && b.Watchlist == name {
			d.Plan = b.Subscription
		}
	}
	return d, nil
}

// openModal opens a form for a new watchlist.
func (a *App) openModal(ctx context.Context, trigger string, d draft) error {
	resp, err := a.bot.OpenViewContext(ctx, trigger, modal(d, nil))
	if err != nil {
		return outcome(err)
	}
	if d.Query != "" {
		a.judge(ctx, resp.View.ID, "", d)
	}
	return nil
}

// modal is the form of a draft, with what is known of its query.
func modal(d draft, result []string) slack.ModalViewRequest {
	metadata, _ := json.Marshal(d)
	input := func(block, label, hint string, e slack.BlockElement, optional bool) *slack.InputBlock {
		b := slack.NewInputBlock(block, plain(label), nil, e)
		if hint != "" {
			b.Hint = plain(hint)
		}
		b.Optional = optional
		return b
	}
	text := func(action, placeholder, value string, max int) *slack.PlainTextInputBlockElement {
		e := slack.NewPlainTextInputBlockElement(plain(placeholder), action)
		e.InitialValue, e.MaxLength = value, max
		return e
	}
	query := text(actionQuery, `"ballistic missile*" AND (transfer* OR export*)`, d.Query, maxQuery)
	query.Multiline = true
	query.DispatchActionConfig = &slack.DispatchActionConfig{TriggerActionsOn: []string{"on_character_entered"}}
	queryBlock := input(blockQuery, "Query", `Words, "phrases", endings*, AND, OR, NOT, NEAR/5, lists such as @dprk`, query, false)
	queryBlock.DispatchAction = true
	options := text(actionPlan, "lang:fr,en min-copies:2 digest:daily 08:00", strings.Join(Options(d.Plan), " "), 300)
	options.DispatchActionConfig = query.DispatchActionConfig
	planBlock := input(blockPlan, "Options", "lang: from: country: min-copies: digest: urgent quiet: escalate: fold-over:", options, true)
	planBlock.DispatchAction = true

	title, blocks := "Edit a watchlist", []slack.Block{}
	if d.Name == "" {
		title = "New watchlist"
		blocks = append(blocks, input(blockName, "Name", "a-z, 0-9 and -; made of the query if you leave it out", text(actionName, "missile-transfer", d.NewName, 60), true))
	} else {
		blocks = append(blocks, section("*"+esc(d.Name, 80)+"*"))
	}
	first := d.Channel
	if private(first) {
		first = "" // it is none of those to choose from
	}
	channel := &slack.SelectBlockElement{
		Type: "conversations_select", ActionID: actionChannel, InitialConversation: first, DefaultToCurrentConversation: d.Channel == "",
		Filter: &slack.SelectBlockElementFilter{Include: []string{"public", "private"}, ExcludeBotUsers: true},
	}
	blocks = append(blocks, queryBlock, planBlock, input(blockChannel, "Channel that gets its alerts", "", channel, false))
	if len(result) == 0 {
		result = []string{"What it would have sent in the last 30 days shows here while you write."}
	}
	for i, b := range sections(result) {
		if s, ok := b.(*slack.SectionBlock); ok {
			s.BlockID = fmt.Sprint(blockResult, i)
		}
		blocks = append(blocks, b)
	}
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: callbackModal, Title: plain(title), Submit: plain("Save"), Close: plain("Cancel"),
		PrivateMetadata: string(metadata), Blocks: slack.Blocks{BlockSet: blocks},
	}
}

// waitingView is shown while something is looked up.
func waitingView(text string) slack.ModalViewRequest {
	return slack.ModalViewRequest{
		Type: slack.VTModal, Title: plain("tocsin"), Close: plain("Close"),
		Blocks: slack.Blocks{BlockSet: []slack.Block{section(esc(text, 300))}},
	}
}

// endView is what a modal ends with.
func endView(r reply) slack.ModalViewRequest {
	v := waitingView("")
	v.Blocks.BlockSet = r.blocks
	return v
}

// read is the draft in a view that Slack sent.
func (v view) read() (d draft, options string, err error) {
	if v.PrivateMetadata != "" {
		if err := json.Unmarshal([]byte(v.PrivateMetadata), &d); err != nil {
			return d, "", errStale
		}
	}
	value := func(block, action string) string { return strings.TrimSpace(v.State.Values[block][action].Value) }
	d.Query = unwrap(straightenQuery(value(blockQuery, actionQuery)))
	d.NewName = value(blockName, actionName)
	d.Channel = v.State.Values[blockChannel][actionChannel].Conversation
	return d, straighten(value(blockPlan, actionPlan)), nil
}

// straightenQuery keeps the lines of a query.
func straightenQuery(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = straighten(lines[i])
	}
	return strings.Join(lines, "\n")
}

// planOf reads the options of a form.
func planOf(text string) (tocsin.Subscription, error) {
	rest, words := options(tighten(text))
	if rest != "" {
		words = append(strings.Fields(rest), words...)
	}
	return plan(words, func(good string) string { return good })
}

// typed has what stands in a modal judged, once nothing more is typed.
func (a *App) typed(v view) {
	a.mu.Lock()
	if len(a.typing) > 1000 {
		clear(a.typing)
	}
	a.typing[v.ID]++
	n := a.typing[v.ID]
	a.mu.Unlock()
	time.AfterFunc(typingPause, func() {
		if !a.newest(v.ID, n) {
			return
		}
		a.soon(func(ctx context.Context) {
			d, words, err := v.read()
			if err != nil {
				return
			}
			if d.Plan, err = planOf(words); err != nil {
				a.showResult(ctx, v.ID, v.Hash, d, []string{":grey_question: " + esc(err.Error(), 400)})
				return
			}
			a.judge(ctx, v.ID, v.Hash, d)
			a.mu.Lock()
			if a.typing[v.ID] == n {
				delete(a.typing, v.ID)
			}
			a.mu.Unlock()
		})
	})
}

func (a *App) newest(view string, n int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.typing[view] == n
}

// judge shows in a modal what its query would have found.
func (a *App) judge(ctx context.Context, id, hash string, d draft) {
	if d.Query == "" {
		return
	}
	t, err := a.Desk.Try(ctx, Trial{Query: d.Query, Plan: d.Plan, Old: d.Name, Since: since(lookBack), Show: dryRunShow})
	if err != nil {
		a.showResult(ctx, id, hash, d, []string{":warning: " + esc(err.Error(), 1000)})
		return
	}
	lines := tried(t, lookBack)
	if d.Name != "" {
		lines = append(lines, fmt.Sprintf("Of the version in force it adds %d and drops %d.", t.Added, t.Dropped))
	}
	a.showResult(ctx, id, hash, d, lines)
}

// showResult changes nothing if the view has changed meanwhile: the next result is on
// its way.
func (a *App) showResult(ctx context.Context, id, hash string, d draft, lines []string) {
	_, err := a.bot.UpdateViewContext(ctx, modal(d, lines), "", hash, id)
	if o := outcome(err); o != nil && o.Code != "hash_conflict" && o.Code != "not_found" && ctx.Err() == nil {
		a.Log.Warn("modal not updated", "err", o)
	}
}

// submit takes a form, and shows in the modal what became of it.
func (a *App) submit(p person, i interaction) any {
	if i.View.CallbackID != callbackModal {
		return nil
	}
	d, words, err := i.View.read()
	if err != nil {
		return faults(blockQuery, err.Error())
	}
	if d.Query == "" {
		return faults(blockQuery, "Say what to watch for.")
	}
	if d.Channel == "" {
		return faults(blockChannel, "Choose a channel.")
	}
	if d.Plan, err = planOf(words); err != nil {
		return faults(blockPlan, err.Error())
	}
	name := cmp.Or(d.Name, strings.ToLower(d.NewName))
	if name != "" && !tocsin.Name.MatchString(name) {
		return faults(blockName, "Use a-z, 0-9 and -, and begin with a letter or digit.")
	}
	r := a.change(func(ctx context.Context) reply {
		r, err := a.save(ctx, p, d.Channel, tocsin.Watchlist{Name: name, Query: d.Query}, d.Base, d.Plan)
		if err != nil {
			r = wrong(err)
			r.blocks = append(r.blocks, section("What you wrote: "+code(strings.Join(strings.Fields(d.Query), " "), 2500)))
		}
		return r
	}, func(ctx context.Context, r reply) {
		if _, err := a.bot.UpdateViewContext(ctx, endView(r), "", "", i.View.ID); err != nil && ctx.Err() == nil {
			a.Log.Warn("modal not updated", "err", outcome(err))
		}
	})
	v := endView(r)
	return slack.NewUpdateViewSubmissionResponse(&v)
}

func faults(block, text string) any {
	return slack.NewErrorsViewSubmissionResponse(map[string]string{block: cut(text, 150)})
}
