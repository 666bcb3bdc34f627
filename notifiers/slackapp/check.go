package slackapp

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// scopes are what the app needs of its bot token, and for what.
var scopes = []struct{ name, use string }{
	{"chat:write", "to post"},
	{"channels:read", "to see whether a channel can be reached, and who is in it"},
	{"groups:read", "the same for private channels"},
	{"channels:history", "to look after a lost answer whether a message arrived"},
	{"groups:history", "the same for private channels"},
}

// A Finding is what Check tried, and what came of it.
type Finding struct {
	What string
	Say  string
	Err  error // nil if it is well
}

// Check tries the tokens and scopes of an app, and its access to channels. It posts
// nothing.
func Check(ctx context.Context, c Config, channels []string) []Finding {
	a := newApp(c)
	who, err := a.bot.AuthTestContext(ctx)
	if err != nil {
		return []Finding{{What: "token", Err: outcome(err)}}
	}
	out := []Finding{{What: "token", Say: "it is " + straighten(who.User) + "'s of " + straighten(who.Team)}}
	if have := who.Header.Get("X-OAuth-Scopes"); have != "" {
		out = append(out, a.checkScopes(strings.Split(strings.ReplaceAll(have, " ", ""), ",")))
	}
	if c.AppToken != "" {
		f := Finding{What: "app_token", Say: "Socket Mode can be used"}
		conn, err := a.connect(ctx)
		if f.Err = err; err == nil {
			conn.Close()
		}
		out = append(out, f)
	}
	for _, ch := range channels {
		out = append(out, Finding{What: "channel " + ch, Say: "the app can post there", Err: a.reach(ctx, ch)})
	}
	return out
}

func (a *App) checkScopes(have []string) Finding {
	var missing []string
	lacks := func(name, use string) {
		if !slices.Contains(have, name) {
			missing = append(missing, name+" ("+use+")")
		}
	}
	for _, s := range scopes {
		lacks(s.name, s.use)
	}
	if a.AppToken != "" || a.SigningSecret != "" {
		lacks("commands", "for /tocsin")
	}
	if slices.Contains(a.MayChange, AdminsMay) {
		lacks("users:read", "to know who is an admin, as may_change asks")
	}
	f := Finding{What: "scopes", Say: "all that are needed are there"}
	if len(missing) > 0 {
		f.Err = fmt.Errorf("the app lacks %s: add them under OAuth & Permissions and install it again", strings.Join(missing, ", "))
	}
	return f
}
