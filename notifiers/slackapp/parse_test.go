package slackapp

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"tocsin"
)

func TestParseReadsWhatPeopleWrite(t *testing.T) {
	for text, want := range map[string]Command{
		"":                                   {Verb: "help"},
		"help subscribe":                     {Verb: "help"},
		" LIST ":                             {Verb: "list"},
		"subscribe missile-transfer":         {Verb: "subscribe", Watchlist: "missile-transfer"},
		"subscribe Missile-Transfer urgent":  {Verb: "subscribe", Watchlist: "missile-transfer", Plan: tocsin.Subscription{Urgent: true}},
		"subscribe “ballistic missiles”":     {Verb: "subscribe", Query: `"ballistic missiles"`},
		"subscribe «missiles balistiques»":   {Verb: "subscribe", Query: `"missiles balistiques"`},
		`subscribe "missile*"`:               {Verb: "subscribe", Query: `missile*`},
		`subscribe "a NEAR/5 (b OR c)"`:      {Verb: "subscribe", Query: `a NEAR/5 (b OR c)`},
		`subscribe "\"b m\" AND export*"`:    {Verb: "subscribe", Query: `"b m" AND export*`},
		`subscribe "b m" AND export*`:        {Verb: "subscribe", Query: `"b m" AND export*`},
		"subscribe &quot;b m&quot; &amp; x":  {Verb: "subscribe", Query: `"b m" & x`},
		`subscribe "b m" lang:fr,EN from:un`: {Verb: "subscribe", Query: `"b m"`, Plan: tocsin.Subscription{Langs: []string{"fr", "en"}, Sources: []string{"un"}}},
		`subscribe "b m" country：fr min:3`:   {Verb: "subscribe", Query: `"b m"`, Plan: tocsin.Subscription{Countries: []string{"FR"}, MinCopies: 3}},
		`subscribe x-y digest:daily 8:00`:    {Verb: "subscribe", Watchlist: "x-y", Plan: tocsin.Subscription{Digest: "daily 08:00"}},

		`subscribe x-y digest:weekly tue 17:30 Europe/Paris urgent`: {Verb: "subscribe", Watchlist: "x-y", Plan: tocsin.Subscription{Digest: "weekly tue 17:30 Europe/Paris", Urgent: true}},
		`subscribe x-y quiet:22:00-07:00 Europe/Paris escalate:10m to:duty fold-over:7 urgent`: {
			Verb: "subscribe", Watchlist: "x-y",
			Plan: tocsin.Subscription{Quiet: "22:00-07:00 Europe/Paris", Escalate: tocsin.Escalation{After: 10 * time.Minute, To: "duty"}, FoldOver: 7, Urgent: true},
		},
		`subscribe "b m" quiet:22:00–07:00 escalate:1h:duty fold_over:never`: {
			Verb: "subscribe", Query: `"b m"`, Plan: tocsin.Subscription{Quiet: "22:00-07:00", Escalate: tocsin.Escalation{After: time.Hour, To: "duty"}, FoldOver: -1},
		},
		`subscribe letters to:paris`:                {Verb: "subscribe", Query: `letters to:paris`},
		`subscribe "raid at" 08:00`:                 {Verb: "subscribe", Query: `"raid at" 08:00`},
		`subscribe "talks on mon"`:                  {Verb: "subscribe", Query: `"talks on mon"`},
		`subscribe lang:fr AND missile`:             {Verb: "subscribe", Query: `lang:fr AND missile`},
		`subscribe "export∗"`:                       {Verb: "subscribe", Query: `export*`},
		"unsubscribe x":                             {Verb: "unsubscribe", Watchlist: "x"},
		"mute x 2h":                                 {Verb: "mute", Watchlist: "x", For: 2 * time.Hour},
		`subscribe missile* AND lang:fr urgent`:     {Verb: "subscribe", Query: `missile* AND lang:fr`, Plan: tocsin.Subscription{Urgent: true}},
		`subscribe (a OR source:un) lang:fr`:        {Verb: "subscribe", Query: `(a OR source:un)`, Plan: tocsin.Subscription{Langs: []string{"fr"}}},
		`subscribe "x lang: fr" lang: de`:           {Verb: "subscribe", Query: `"x lang: fr"`, Plan: tocsin.Subscription{Langs: []string{"de"}}},
		`subscribe title:"a b" min-copies: 2`:       {Verb: "subscribe", Query: `title:"a b"`, Plan: tocsin.Subscription{MinCopies: 2}},
		`subscribe x-y digest: "daily 8:00" urgent`: {Verb: "subscribe", Watchlist: "x-y", Plan: tocsin.Subscription{Digest: "daily 08:00", Urgent: true}},
		"mute x 2 hours":                            {Verb: "mute", Watchlist: "x", For: 2 * time.Hour},
		"mute x for 90 Minutes":                     {Verb: "mute", Watchlist: "x", For: 90 * time.Minute},
		"mute x 1w":                                 {Verb: "mute", Watchlist: "x", For: 168 * time.Hour},
		"mute x for 3d":                             {Verb: "mute", Watchlist: "x", For: 72 * time.Hour},
		"unmute x":                                  {Verb: "resume", Watchlist: "x"},
		"pause":                                     {Verb: "pause"},
		"pause for 2 hours":                         {Verb: "pause", For: 2 * time.Hour},
		"pause 90m":                                 {Verb: "pause", For: 90 * time.Minute},
		"resume":                                    {Verb: "resume"},
		"why <https://x.example/a|x>":               {Verb: "why", URL: "https://x.example/a"},
		"search “b m” OR c":                         {Verb: "search", Query: `"b m" OR c`},
	} {
		if got, err := Parse(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestParseShowsTheCorrectedCommand(t *testing.T) {
	for text, try := range map[string]string{
		"subscirbe x":                                         "/tocsin subscribe x",
		"mut x 2h":                                            "/tocsin mute x 2h",
		"pause missiles":                                      "/tocsin mute missiles 2h",
		"pause 9 lives":                                       "/tocsin pause 2h",
		"add x lang:fr":                                       "/tocsin subscribe x lang:fr",
		"status":                                              "/tocsin sources",
		"frobnicate":                                          "/tocsin help",
		`subscribe "b m" lnag:fr`:                             `/tocsin subscribe "b m" lang:fr`,
		`subscribe "b m" langs:fr x:y`:                        "", // x: is of the query
		`subscribe "b m" lang:french`:                         `/tocsin subscribe "b m" lang:fr,en`,
		`subscribe x min-copies:many`:                         `/tocsin subscribe x min-copies:2`,
		`subscribe x digest:noon urgent`:                      `/tocsin subscribe x digest:daily 08:00 urgent`,
		`subscribe x quiet:late`:                              `/tocsin subscribe x quiet:22:00-07:00 Europe/Paris`,
		`subscribe x quite:22:00-07:00`:                       `/tocsin subscribe x quiet:22:00-07:00`,
		`subscribe x escalate:10m`:                            `/tocsin subscribe x escalate:10m:duty`,
		`subscribe x esclate:10m:duty`:                        `/tocsin subscribe x escalate:10m:duty`,
		`subscribe x fold-over:0 urgent`:                      `/tocsin subscribe x fold-over:20 urgent`,
		`subscribe x digest:daily 25:00 lang:fr`:              `/tocsin subscribe x digest:daily 08:00 lang:fr`,
		`subscribe "b m" digest:daily 8am`:                    `/tocsin subscribe "b m" digest:daily 08:00`,
		`subscribe x digest:daily 08:00 Europe/Pariss urgent`: `/tocsin subscribe x digest:daily 08:00 urgent`,
		`subscribe "b m" langauge:fr`:                         `/tocsin subscribe "b m" lang:fr`,
		`subscribe "b m`:                                      `/tocsin subscribe "b m"`,
		`subscribe`:                                           `/tocsin subscribe "ballistic missile*"`,
		"mute x":                                              "/tocsin mute x 2h",
		"mute x soon":                                         "/tocsin mute x 2h",
		"list all":                                            "/tocsin list",
		"why":                                                 "/tocsin why https://…",
		"mute x 900000d":                                      "/tocsin mute x 2h",
	} {
		_, err := Parse(text)
		e, ok := errors.AsType[*UsageError](err)
		switch {
		case try == "" && err != nil:
			t.Errorf("Parse(%q): %v", text, err)
		case try != "" && (!ok || e.Try != try):
			t.Errorf("Parse(%q): %v; want the command %s", text, err, try)
		}
		if _, err := Parse(strings.TrimPrefix(try, "/tocsin ")); try != "" && err != nil && !strings.Contains(try, "…") {
			t.Errorf("%s, which is proposed, is wrong: %v", try, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`subscribe “a b” lang:fr digest:weekly mon 8:00 UTC urgent`, "mute x 2h", "why <a|b>", `subscribe "\"a\" OR b`, "search \x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Parse(s)
		if err == nil && c.Verb == "" {
			t.Errorf("Parse(%q) gives no verb and no error", s)
		}
		e, ok := errors.AsType[*UsageError](err)
		if err != nil && (!ok || e.Text == "") {
			t.Errorf("Parse(%q) fails with %T %v", s, err, err)
		}
		if c.For < 0 || c.For > maxSpan || c.Plan.MinCopies < 0 {
			t.Errorf("Parse(%q) = %+v", s, c)
		}
	})
}
