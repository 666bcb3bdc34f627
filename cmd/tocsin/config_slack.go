package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"tocsin"
	"tocsin/notifiers/slackapp"
)

// A Workspace is the app of one Slack workspace.
type Workspace struct {
	Name          string        `json:"name,omitempty"` // "" where the file has but one
	Token         tocsin.Secret `json:"token,omitempty"`
	API           string        `json:"api,omitempty"` // ends in "/"; "" means Slack's own
	AppToken      tocsin.Secret `json:"app_token,omitempty"`
	SigningSecret tocsin.Secret `json:"signing_secret,omitempty"`
	MayChange     []string      `json:"may_change,omitempty"` // see slackapp.Config
}

// hears reports whether people can talk to the app.
func (w Workspace) hears() bool { return w.AppToken != "" || w.SigningSecret != "" }

// allWorkspaces are those of the file, in its order.
func (c *Config) allWorkspaces() []Workspace {
	if c.Slack.Token != "" {
		return []Workspace{c.Slack}
	}
	return c.Workspaces
}

// workspace is the one of a name.
func (c *Config) workspace(name string) (Workspace, bool) {
	all := c.allWorkspaces()
	i := slices.IndexFunc(all, func(w Workspace) bool { return w.Name == name })
	if i < 0 {
		return Workspace{}, false
	}
	return all[i], true
}

// slack reads one workspace, or a list of them.
func (r *reader) slack(n ast.Node, what string) {
	if shape(n) != aList {
		r.section(r.slackKeys(&r.c.Slack))(n, what)
		if name := r.given["slack.name"]; name != nil {
			r.fault(name, "slack.name is for several workspaces: write slack as a list, or leave the name out")
		}
		r.checkWorkspace(r.c.Slack, n, what+".")
		return
	}
	r.list(r.oneWorkspace)(n, what)
}

func (r *reader) slackKeys(w *Workspace) keys {
	return keys{
		"name":           r.text(&w.Name, isName),
		"token":          r.secret(&w.Token),
		"api":            r.text(&w.API, isAPI),
		"app_token":      r.secret(&w.AppToken),
		"signing_secret": r.secret(&w.SigningSecret),
		"may_change":     r.list(r.mayChange(w)),
	}
}

func (r *reader) oneWorkspace(n ast.Node, _ string) {
	var w Workspace
	given := r.mapping(n, "a workspace", r.slackKeys(&w))
	if shape(n) != aMapping {
		return
	}
	for _, key := range []string{"name", "token"} {
		if given[key] == nil {
			r.fault(n, "a workspace needs name and token; %s is missing", key)
		}
	}
	if slices.ContainsFunc(r.c.Workspaces, func(o Workspace) bool { return o.Name == w.Name && w.Name != "" }) {
		r.fault(given["name"], "workspace %q is given twice", w.Name)
	}
	r.checkWorkspace(w, n, "")
	r.c.Workspaces = append(r.c.Workspaces, w)
	r.given["slack.token"] = n
}

func (r *reader) checkWorkspace(w Workspace, n ast.Node, prefix string) {
	if w.hears() && w.Token == "" {
		r.fault(n, "%sapp_token and %ssigning_secret need %stoken beside them: with it the app answers", prefix, prefix, prefix)
	}
	if w.SigningSecret != "" {
		r.signed = n
	}
}

var slackUser = regexp.MustCompile(`^[UW][A-Z0-9]{6,20}$`)

func (r *reader) mayChange(w *Workspace) take {
	return func(n ast.Node, what string) {
		var who string
		r.text(&who, func(s string) error {
			if s == slackapp.MembersMay || s == slackapp.AdminsMay || slackUser.MatchString(s) {
				return nil
			}
			return fmt.Errorf("must be members, admins or a user's id such as U024BE7LH, not %q", s)
		})(n, what)
		w.MayChange = append(w.MayChange, who)
	}
}

// checkWorkspaces sees that each Slack channel is of a workspace that the file has.
func (r *reader) checkWorkspaces() {
	if r.signed != nil && r.given["listen.public"] == nil {
		r.fault(r.signed, "signing_secret needs listen.public and public_url: there Slack reaches us; app_token needs neither")
	}
	var names []string
	for _, w := range r.c.Workspaces {
		names = append(names, w.Name)
	}
	for i, d := range r.c.Destinations {
		switch {
		case d.Kind != "slack" && d.Workspace != "":
			r.fault(r.places[i], "destination %q: workspace is for kind slack", d.Name)
		case d.Kind != "slack" || r.given["slack.token"] == nil || slices.Contains(names, d.Workspace) || d.Workspace == "" && len(names) == 0:
		case d.Workspace == "" && len(names) == 1:
			r.c.Destinations[i].Workspace = names[0]
		case d.Workspace == "":
			r.fault(r.places[i], "destination %q needs workspace: %s", d.Name, strings.Join(names, " or "))
		case len(names) == 0:
			r.fault(r.places[i], "destination %q: slack has but one workspace, without a name: leave workspace out", d.Name)
		default:
			r.unknown(r.places[i], "workspace", d.Workspace, names)
		}
	}
}

// subscriptionKeys are how a subscription is narrowed and timed.
func (r *reader) subscriptionKeys(s *tocsin.Subscription) keys {
	some := func(into *[]string, check func(string) error) take {
		return r.list(func(n ast.Node, what string) {
			var one string
			if r.text(&one, check)(n, what); one != "" {
				*into = append(*into, one)
			}
		})
	}
	return keys{
		"watchlist":  r.text(&s.Watchlist),
		"to":         r.text(&s.To),
		"lang":       some(&s.Langs, isLang),
		"from":       some(&s.Sources, isName),
		"country":    some(&s.Countries, isCountry),
		"min_copies": r.number(&s.MinCopies, "a number from 1 to 200", func(n int) bool { return n >= 1 && n <= 200 }),
		"digest":     r.text(&s.Digest, isDigest),
		"urgent":     r.flag(&s.Urgent),
		"quiet":      r.text(&s.Quiet),
		"escalate":   r.escalation(&s.Escalate),
		"fold_over":  r.foldOver(&s.FoldOver),
	}
}

func isDigest(s string) error {
	if d, ok := slackapp.Digest(s); !ok {
		return fmt.Errorf("%q is none: write hourly, daily 08:00 or weekly mon 08:00, and a zone such as Europe/Paris if you like", s)
	} else if d != s {
		return fmt.Errorf("is written %q", d)
	}
	return nil
}
