package slackapp

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

func (a *App) sources(ctx context.Context) (reply, error) {
	s, err := a.Desk.Standing(ctx)
	if err != nil {
		return reply{}, err
	}
	lines := []string{"*" + coverage(s) + "*"}
	for _, t := range s.Troubled {
		lines = append(lines, fmt.Sprintf("• %s: %s since %s. %s", esc(t.Title, 120), esc(t.State, 40), date(t.Since), esc(t.Do, 250)))
	}
	return reply{text: coverage(s), blocks: sections(lines)}, nil
}

// coverage is how the sources are, in one line: 214 sources healthy, 2 blocked since
// Tuesday.
func coverage(s Standing) string {
	type group struct {
		state string
		n     int
		since time.Time
	}
	var groups []group
	for _, t := range s.Troubled {
		i := slices.IndexFunc(groups, func(g group) bool { return g.state == t.State })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{state: t.State})
		}
		groups[i].n++
		if !t.Since.IsZero() && (groups[i].since.IsZero() || t.Since.Before(groups[i].since)) {
			groups[i].since = t.Since
		}
	}
	slices.SortStableFunc(groups, func(x, y group) int { return cmp.Compare(y.n, x.n) })
	parts := []string{fmt.Sprintf("%d sources healthy", s.Healthy)}
	for _, g := range groups {
		parts = append(parts, fmt.Sprintf("%d %s%s", g.n, g.state, sinceText(g.since)))
	}
	return strings.Join(parts, ", ")
}

// sinceText is a time as people say it, with "since" before it.
func sinceText(t time.Time) string {
	switch age := time.Since(t); {
	case t.IsZero():
		return ""
	case age < 24*time.Hour:
		return " since " + t.UTC().Format("15:04Z")
	case age < 6*24*time.Hour:
		return " since " + t.UTC().Weekday().String()
	}
	return " since " + t.UTC().Format("2 January")
}

func help() reply {
	lines := []string{
		"*tocsin* alerts a channel once, within seconds, when an official source publishes a matching statement.",
		"",
	}
	for _, h := range [][2]string{
		{`/tocsin subscribe "ballistic missile*" lang:fr,en`, "shows what that would have sent in 30 days, and saves it if you say so"},
		{"/tocsin subscribe missile-transfer", "sends this channel the alerts of a watchlist that exists"},
		{"", "options: `lang:fr,en` `from:fr-mfa,un` `country:FR` `min-copies:2` `digest:daily 08:00 Europe/Paris` `urgent` `quiet:22:00-07:00 Europe/Paris` `escalate:10m to:duty` `fold-over:20`"},
		{"/tocsin unsubscribe missile-transfer", "ends it"},
		{"/tocsin new", "opens a form; /tocsin edit <watchlist> opens one of yours"},
		{"/tocsin list", "what this channel gets, and what there is"},
		{"/tocsin mute missile-transfer 2h", "holds its alerts; /tocsin resume missile-transfer ends that"},
		{"/tocsin pause", "holds all that this channel gets, or with 2h for so long; /tocsin resume ends that"},
		{"/tocsin test", "posts a message here that is marked as a test"},
		{"/tocsin why https://…", "what became of a statement"},
		{"/tocsin search embargo*", "the newest ten of the last 30 days"},
		{"/tocsin sources", "how the sources are"},
	} {
		if h[0] != "" {
			h[0] = code(h[0], 200) + "  "
		}
		lines = append(lines, h[0]+strings.ReplaceAll(strings.ReplaceAll(h[1], "<", "&lt;"), ">", "&gt;"))
	}
	return reply{text: "What /tocsin can do", blocks: sections(lines)}
}
