package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"golang.org/x/tools/txtar"

	"tocsin"
	"tocsin/notifiers/notifiertest"
	"tocsin/notifiers/slackapp"
)

func loadSlack(text string) (*Config, error) {
	return testLoader(&txtar.Archive{Files: []txtar.File{
		{Name: "tocsin.yaml", Data: []byte(text + "\nsources: []\n")}, {Name: "env", Data: []byte("A=xoxb-a\nB=xoxb-b\nAPP=xapp-a\nSIGN=shh\nEMPTY=\n")},
	}}).Load("tocsin.yaml")
}

func TestSlackIsOneWorkspaceOrSeveral(t *testing.T) {
	c, err := loadSlack(`slack: {token: {env: A}, app_token: {env: APP}, may_change: [admins, U024BE7LH]}`)
	if err != nil {
		t.Fatal(err)
	}
	w, ok := c.workspace("")
	if !ok || len(c.allWorkspaces()) != 1 || string(w.AppToken) != "xapp-a" || !slices.Equal(w.MayChange, []string{"admins", "U024BE7LH"}) {
		t.Errorf("one workspace: %+v", c.allWorkspaces())
	}
	c, err = loadSlack(`
slack:
  - {name: desk, token: {env: A}, app_token: {env: APP}}
  - {name: press, token: {env: B}}
destinations: {duty: {kind: slack, to: C024BE91L, workspace: press}}
subscriptions: [{watchlist: missile-transfer, to: duty, lang: [fr, en], from: [un], country: [FR], min_copies: 2, digest: daily 08:00}]`)
	if err != nil {
		t.Fatal(err)
	}
	if all := c.allWorkspaces(); len(all) != 2 || all[1].Name != "press" || all[1].hears() || c.Destinations[0].Workspace != "press" {
		t.Errorf("two workspaces: %+v %+v", all, c.Destinations)
	}
	if s := c.Subscriptions[0]; s.MinCopies != 2 || s.Digest != "daily 08:00" || s.Urgent || !slices.Equal(s.Langs, []string{"fr", "en"}) || !slices.Equal(s.Countries, []string{"FR"}) {
		t.Errorf("subscription: %+v", s)
	}
	c, err = loadSlack("slack: [{name: desk, token: {env: A}}]\ndestinations: {duty: {kind: slack, to: C024BE91L}}\noperators: [duty]")
	if err != nil || c.Destinations[0].Workspace != "desk" {
		t.Errorf("a channel where there is one workspace: %+v, %v", c, err)
	}
}

func TestFaultsOfSlackAreNamed(t *testing.T) {
	const two = "slack: [{name: desk, token: {env: A}}, {name: press, token: {env: B}}]\n"
	for text, want := range map[string]string{
		`slack: {app_token: {env: APP}}`:                                                                                          "need slack.token beside them",
		`slack: {token: {env: A}, signing_secret: {env: SIGN}}`:                                                                   "signing_secret needs listen.public",
		`slack: {token: {env: A}, signing_secret: {env: EMPTY}}`:                                                                  "signing_secret is empty",
		`slack: {token: {env: A}, name: x}`:                                                                                       "slack.name is for several workspaces",
		`slack: {token: {env: A}, may_change: [everybody]}`:                                                                       "must be members, admins or a user's id",
		`slack: [{token: {env: A}}]`:                                                                                              "name is missing",
		`slack: [{name: desk}]`:                                                                                                   "token is missing",
		`slack: [{name: desk, token: {env: A}}, {name: desk, token: {env: B}}]`:                                                   `workspace "desk" is given twice`,
		two + `destinations: {d: {kind: slack, to: C1}}`:                                                                          `destination "d" needs workspace: desk or press`,
		two + `destinations: {d: {kind: slack, to: C1, workspace: dusk}}`:                                                         `did you mean "desk"?`,
		`destinations: {d: {kind: terminal, workspace: desk}}`:                                                                    "workspace is for kind slack",
		"slack: {token: {env: A}}\ndestinations: {d: {kind: slack, to: C1, workspace: desk}}":                                     "leave workspace out",
		`subscriptions: [{watchlist: missile-transfer, to: terminal, digest: noon}]`:                                              `"noon" is none`,
		`subscriptions: [{watchlist: missile-transfer, to: terminal, country: [fr]}]`:                                             "is written FR",
		"subscriptions: [{watchlist: missile-transfer, to: terminal}, {watchlist: missile-transfer, to: terminal, urgent: true}]": "given twice",
	} {
		_, err := loadSlack(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v, want %s", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "xoxb") {
			t.Errorf("%s: a secret is shown", text)
		}
	}
}

// TestManifestHasTheLeastScopes takes each scope away in turn: check --live has to
// miss it, so none is there in vain.
func TestManifestHasTheLeastScopes(t *testing.T) {
	text, err := os.ReadFile("../../deploy/slack-manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Features struct {
			Commands []struct{ Command string } `yaml:"slash_commands"`
		}
		OAuth struct {
			Scopes struct{ Bot []string }
		} `yaml:"oauth_config"`
		Settings struct {
			Socket bool `yaml:"socket_mode_enabled"`
		}
	}
	if err := yaml.Unmarshal(text, &m); err != nil || !m.Settings.Socket || len(m.Features.Commands) != 1 || m.Features.Commands[0].Command != "/tocsin" {
		t.Fatalf("the manifest says %+v, %v", m, err)
	}
	scopes := m.OAuth.Scopes.Bot
	for i := range len(scopes) + 1 {
		s := notifiertest.NewSlackApp("xoxb-x")
		have := slices.Clone(scopes)
		if i < len(scopes) {
			have = slices.Delete(have, i, i+1)
		}
		s.Scopes = strings.Join(have, ",")
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.Base = "http://" + l.Addr().String()
		stop := s.Serve(l)
		found := slackapp.Check(context.Background(), slackapp.Config{
			Token: tocsin.Secret("xoxb-x"), AppToken: "xapp-x", API: s.Base + "/api/", HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		}, []string{"C0000001"})
		stop()
		for _, f := range found {
			switch {
			case i < len(scopes) && f.What == "scopes":
				if f.Err == nil || !strings.Contains(f.Err.Error(), scopes[i]) {
					t.Errorf("without %s: %v", scopes[i], f.Err)
				}
			case f.Err != nil:
				t.Errorf("%s: %v", f.What, f.Err)
			}
		}
		if len(found) != 4 {
			t.Errorf("%d findings, want token, scopes, app_token and a channel", len(found))
		}
	}
}
