package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
	"tocsin/notifiers"
	"tocsin/notifiers/slackapp"
	"tocsin/pipeline"
)

// outside is what reaches the world. A new configuration replaces it whole.
type outside struct {
	fetch     *fetch.Client
	notifiers map[string]notifiers.Notifier
	slack     map[string]map[string]notifiers.Notifier // of each workspace that has a name: kind slack alone
	http      *http.Client
}

// open makes what reaches the world, as a configuration says.
func (s *service) open(cfg *Config) (*outside, error) {
	fc := fetch.Config{Contact: cfg.Contact, Version: version, Proxy: cfg.Fetch.Proxy, CA: cfg.Fetch.CA, Allow: cfg.Fetch.Allow, Dial: s.Dial}
	client, err := fetch.New(fc)
	if err != nil {
		return nil, err
	}
	transport, err := fetch.Transport(fc)
	if err != nil {
		return nil, err
	}
	secure, err := fetch.TLS(fc)
	if err != nil {
		return nil, err
	}
	if s.Dial != nil {
		transport.DialContext = s.Dial
	}
	ns, err := notifiers.New(notifiers.Config{
		Slack:    slackNotifier(cfg.Slack, &http.Client{Transport: transport}),
		Email:    notifiers.EmailConfig{SMTP: cfg.Email.SMTP, From: cfg.Email.From, User: cfg.Email.User, Password: cfg.Email.Password, TLS: secure, Dial: s.Dial},
		Terminal: s.Terminal, JSON: s.JSON,
	})
	if err != nil {
		return nil, err
	}
	out := &outside{fetch: client, notifiers: ns, slack: map[string]map[string]notifiers.Notifier{}, http: &http.Client{Transport: transport}}
	for _, w := range cfg.Workspaces {
		one, err := notifiers.New(notifiers.Config{Slack: slackNotifier(w, out.http)})
		if err != nil {
			out.close()
			return nil, fmt.Errorf("workspace %s: %w", w.Name, err)
		}
		out.slack[w.Name] = one
		if ns["slack"] == nil { // what asks for the kind alone, such as whether it can be searched, asks the first
			ns["slack"] = one["slack"]
		}
	}
	return out, nil
}

func (o *outside) close() {
	o.fetch.Close()
	notifiers.Close(o.notifiers)
	for _, w := range o.slack {
		notifiers.Close(w)
	}
}

// of is what reaches a destination, nil if nothing does.
func (o *outside) of(d tocsin.Destination) notifiers.Notifier {
	if d.Workspace != "" {
		return o.slack[d.Workspace][d.Kind]
	}
	if d.Kind == "slack" && len(o.slack) > 0 {
		return nil // which workspace it is of is not known
	}
	return o.notifiers[d.Kind]
}

func (s *service) notifier(d tocsin.Destination) (notifiers.Notifier, error) {
	if n := s.outside.Load().of(d); n != nil {
		return n, nil
	}
	kind := d.Kind
	if d.Workspace != "" {
		kind += " of workspace " + d.Workspace
	}
	return nil, &tocsin.Outcome{Verdict: tocsin.Install, Err: fmt.Errorf("destinations of kind %s are not configured", kind)}
}

func (s *service) traits(kind string) pipeline.Traits {
	k, _ := notifiers.KindOf(kind)
	_, finds := s.outside.Load().notifiers[kind].(notifiers.Finder)
	return pipeline.Traits{Edits: k.Edits, Finds: finds, Threads: k.Threads, Answers: k.Answers, Every: k.Every, Burst: k.Burst, EditEvery: k.EditEvery, EditBurst: k.EditBurst}
}

func (s *service) prepare(ctx context.Context, d tocsin.Delivery) (pipeline.Ready, error) {
	if d.To.Name == pipeline.CanarySource && s.canary != nil {
		return s.canary.Prepare(ctx, d)
	}
	n, err := s.notifier(d.To)
	if err != nil {
		return nil, err
	}
	return n.Prepare(ctx, d)
}

func (s *service) find(ctx context.Context, d tocsin.Delivery) (string, bool, error) {
	if d.To.Name == pipeline.CanarySource && s.canary != nil {
		return s.canary.Find(ctx, d)
	}
	n, err := s.notifier(d.To)
	if err != nil {
		return "", false, err
	}
	return n.(notifiers.Finder).Find(ctx, d)
}

// current are the notifiers as the newest configuration has them, for who keeps
// them.
func (s *service) current() map[string]notifiers.Notifier {
	out := map[string]notifiers.Notifier{}
	for _, k := range notifiers.Kinds {
		out[k.Name] = ofKind{s, k.Name}
	}
	return out
}

type ofKind struct {
	s    *service
	kind string
}

// Prepare asks the notifier of the moment.
func (k ofKind) Prepare(ctx context.Context, d tocsin.Delivery) (notifiers.Ready, error) {
	n, err := k.s.notifier(d.To)
	if err != nil {
		return nil, err
	}
	return n.Prepare(ctx, d)
}

// Find asks the notifier of the moment, if it is one that can tell.
func (k ofKind) Find(ctx context.Context, d tocsin.Delivery) (string, bool, error) {
	if f, ok := k.s.outside.Load().of(d.To).(notifiers.Finder); ok {
		return f.Find(ctx, d)
	}
	return "", false, fmt.Errorf("destinations of kind %s cannot be searched", k.kind)
}

func operatorDestinations(cfg *Config) []tocsin.Destination {
	var out []tocsin.Destination
	for _, d := range cfg.Destinations {
		if slices.Contains(cfg.Operators, d.Name) {
			out = append(out, d)
		}
	}
	return out
}

// tellEvery is how often an owner hears of one destination.
const tellEvery = time.Hour

// tellOwner tells the owner of a destination, by mail and where their id is known
// by a direct message, that alerts do not reach it. It reports whether that is done,
// as it is where there is no owner: not so soon after the last time, and not where no
// way worked.
func (s *service) tellOwner(ctx context.Context, d tocsin.Destination, text string) (done bool) {
	var ways []tocsin.Destination
	if to, ok := ownerMail(d); ok {
		ways = append(ways, to)
	}
	if d.OwnerID != "" && d.Kind == "slack" {
		ways = append(ways, tocsin.Destination{Name: d.Name + "-owner", Kind: "slack", To: d.OwnerID, Workspace: d.Workspace})
	}
	if len(ways) == 0 {
		return true
	}
	if !s.mayTell(d.Name) {
		return false
	}
	for _, to := range ways {
		err := s.notice(ctx, to, text)
		if err != nil {
			s.Log.Warn("owner not told", "to", d.Name, "by", to.Kind, "err", err)
		}
		done = done || err == nil
	}
	if !done {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.told, d.Name)
	}
	return done
}

// ownerMail is the mailbox of a destination's owner, if that is another.
func ownerMail(d tocsin.Destination) (tocsin.Destination, bool) {
	other := d.Owner != "" && !(d.Kind == "email" && d.To == d.Owner)
	return tocsin.Destination{Name: d.Name + "-owner", Kind: "email", To: d.Owner}, other
}

// handOwner sends the owner of a destination, by mail, what that refused for its form,
// and reports whether it could.
func (s *service) handOwner(ctx context.Context, d tocsin.Delivery, why string) bool {
	to, ok := ownerMail(d.To)
	if !ok {
		return false
	}
	d.Instead = fmt.Sprintf("%s %s refused this message for its form, so it comes to you, its owner: %s", d.To.Kind, d.To.Name, why)
	d.ID, d.To, d.Ref, d.NotAfter = d.ID+"-owner", to, "", time.Time{}
	err := s.sendOnce(ctx, d)
	if err != nil {
		s.Log.Warn("owner not given what was refused", "to", to.Name, "delivery", d.ID, "err", err)
	}
	return err == nil
}

// mayTell reports whether the owner of a destination was told of nothing lately.
func (s *service) mayTell(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.told[name]; ok && time.Since(last) < tellEvery {
		return false
	}
	s.told[name] = time.Now()
	return true
}

// notice sends a text to one person, once.
func (s *service) notice(ctx context.Context, to tocsin.Destination, text string) error {
	now := time.Now()
	return s.sendOnce(ctx, tocsin.Delivery{
		ID: fmt.Sprintf("%s-%d", to.Name, now.UnixNano()), Kind: tocsin.Notice, Text: text, Since: now, To: to,
	})
}

// sendFor is how long an attempt to tell an owner may take: the lane of the destination
// waits for it.
const sendFor = 15 * time.Second

// sendOnce makes one attempt at a delivery that no lane carries.
func (s *service) sendOnce(ctx context.Context, d tocsin.Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, sendFor)
	defer cancel()
	n := s.outside.Load().of(d.To)
	if n == nil {
		return errors.New(d.To.Kind + " is not configured")
	}
	ready, err := n.Prepare(ctx, d)
	if err != nil {
		return err
	}
	defer ready.Close()
	_, err = ready.Send(ctx)
	return err
}

// tryCredentials finds out, at the start and after a reload, whether tokens and
// passwords work, so that people hear of it before the first alert has to wait.
func (s *service) tryCredentials(ctx context.Context, to []tocsin.Destination) {
	type access struct{ kind, workspace string }
	var all []access
	for _, k := range notifiers.Kinds {
		all = append(all, access{kind: k.Name})
	}
	for _, w := range s.config().Workspaces {
		all = append(all, access{"slack", w.Name})
	}
	for _, k := range all {
		key, name := "check."+k.kind, k.kind
		if k.workspace != "" {
			key, name = key+"."+k.workspace, name+" of workspace "+k.workspace
		}
		c, ok := s.outside.Load().of(tocsin.Destination{Kind: k.kind, Workspace: k.workspace}).(notifiers.Checker)
		if !ok || !slices.ContainsFunc(to, func(d tocsin.Destination) bool { return d.Kind == k.kind && d.Workspace == k.workspace }) {
			s.operators.Clear(key)
			continue
		}
		call, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := c.Check(call)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err == nil:
			s.operators.Clear(key)
		default:
			s.Log.Error("credentials do not work; deliveries are kept", "kind", name, "err", err)
			s.operators.Report(key, fmt.Sprintf("%s does not work: %v. Deliveries are kept and sent once it does", name, err))
		}
	}
}

// slackNotifier says how to reach a workspace. Its alerts have buttons where
// somebody hears them.
func slackNotifier(w Workspace, client *http.Client) notifiers.SlackConfig {
	c := notifiers.SlackConfig{Token: w.Token, API: w.API, HTTP: client}
	if w.hears() {
		c.Buttons = slackapp.Buttons
	}
	return c
}
