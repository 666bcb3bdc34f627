package slackapp

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin"
)

// What people can say after /tocsin.
const (
	verbSubscribe   = "subscribe"
	verbUnsubscribe = "unsubscribe"
	verbList        = "list"
	verbNew         = "new"
	verbEdit        = "edit"
	verbMute        = "mute"
	verbPause       = "pause"
	verbResume      = "resume"
	verbTest        = "test"
	verbWhy         = "why"
	verbSearch      = "search"
	verbSources     = "sources"
	verbHelp        = "help"
)

var verbs = []string{
	verbSubscribe, verbUnsubscribe, verbList, verbNew, verbEdit, verbMute, verbPause, verbResume, verbTest, verbWhy, verbSearch, verbSources, verbHelp,
}

// maxCommand is the longest text that is read, in bytes. Slack sends less.
const maxCommand = 12_000

// A Command is what a person asked for with /tocsin.
type Command struct {
	Verb      string
	Watchlist string              // a name; "" where Query is given, or nothing
	Query     string              // in the language of watchlists
	Plan      tocsin.Subscription // of subscribe: its options
	For       time.Duration       // of mute
	URL       string              // of why
}

// A UsageError says what is wrong with a command and how it may have been meant.
type UsageError struct {
	Text string
	Try  string // a whole command, "" if nobody can guess
}

func (e *UsageError) Error() string {
	if e.Try == "" {
		return e.Text
	}
	return e.Text + "; did you mean " + e.Try
}

func usage(try, format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...), try}
}

// Parse reads what stands after /tocsin. Quotes and spaces may be of any kind that
// a keyboard makes.
//
//	subscribe <watchlist | "query"> [lang:fr,en] [from:un] [country:FR] [digest:daily 08:00] [min-copies:2] [urgent]
//	          [quiet:22:00-07:00 Europe/Paris] [escalate:10m to:duty] [fold-over:20]
//	unsubscribe <watchlist>     edit <watchlist>     mute <watchlist> 2h     resume [<watchlist>]
//	new   list   pause [2h]   test   why <url>   search <query>   sources   help
//
// Options stand at the end. A query is all before them; quotes around a whole query
// with operators in it are taken off, those of a phrase are part of it.
func Parse(text string) (Command, error) {
	if len(text) > maxCommand {
		return Command{}, usage("", "that is longer than %d characters: use /tocsin new", maxCommand)
	}
	text = straighten(text)
	verb, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	c := Command{Verb: strings.ToLower(verb)}
	switch c.Verb {
	case "":
		c.Verb = verbHelp
	case "unmute":
		c.Verb = verbResume
	}
	switch c.Verb {
	case verbSubscribe:
		return c.subscribe(rest)
	case verbUnsubscribe, verbEdit:
		return c.named(rest)
	case verbMute:
		return c.mute(rest)
	case verbPause:
		return c.pause(rest)
	case verbResume:
		if rest == "" {
			return c, nil
		}
		return c.named(rest)
	case verbWhy:
		return c.why(rest)
	case verbSearch:
		if c.Query = unwrap(rest); c.Query == "" {
			return c, usage(`/tocsin search "ballistic missile"`, "say what to search for")
		}
		return c, nil
	}
	if !slices.Contains(verbs, c.Verb) {
		return c, unknownVerb(c.Verb, rest)
	}
	if rest != "" && c.Verb != verbHelp && c.Verb != verbNew {
		return c, usage("/tocsin "+c.Verb, "%s takes nothing more", c.Verb)
	}
	return c, nil
}

// synonyms are what other apps call it.
var synonyms = map[string]string{
	"add": verbSubscribe, "watch": verbSubscribe, "follow": verbSubscribe, "remove": verbUnsubscribe, "delete": verbUnsubscribe,
	"stop": verbUnsubscribe, "start": verbResume, "snooze": verbMute, "silence": verbMute, "status": verbSources, "feeds": verbSources,
	"find": verbSearch, "create": verbNew, "change": verbEdit, "show": verbList, "subscriptions": verbList, "explain": verbWhy,
}

func unknownVerb(verb, rest string) error {
	near := nearest(verb, verbs)
	if near == "" {
		near = synonyms[verb]
	}
	if near != "" {
		return usage(strings.TrimSpace("/tocsin "+near+" "+rest), "there is no command %q", cut(verb, 40))
	}
	return usage("/tocsin help", "there is no command %q", cut(verb, 40))
}

func (c Command) named(rest string) (Command, error) {
	name := strings.ToLower(strings.Trim(rest, `"'`+"`"))
	if name == "" {
		return c, usage("/tocsin list", "say of which watchlist: /tocsin %s <watchlist>", c.Verb)
	}
	if !tocsin.Name.MatchString(name) {
		return c, usage("/tocsin list", "%q is no name of a watchlist", cut(rest, 60))
	}
	c.Watchlist = name
	return c, nil
}

// inShort writes a span at the end of a text, such as 2 hours, as 2h.
func inShort(s string) string {
	return spanWords.ReplaceAllStringFunc(s, func(s string) string {
		n := strings.TrimSpace(strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		return " " + n + strings.ToLower(strings.TrimLeft(s, " 0123456789")[:1])
	})
}

// pause is for a while, or until people resume.
func (c Command) pause(rest string) (Command, error) {
	if rest == "" {
		return c, nil
	}
	words := strings.TrimPrefix(strings.TrimSpace(inShort(" "+rest)), "for ")
	d, err := span(words)
	switch {
	case err == nil:
		c.For = d
		return c, nil
	case tocsin.Name.MatchString(words) && (words[0] < '0' || words[0] > '9'):
		return c, usage("/tocsin mute "+words+" 2h", "pause is of all that this channel gets")
	}
	return c, usage("/tocsin pause 2h", "%q is no time that a pause can last: write 30m, 2h or 3d, from a minute to a year", cut(rest, 40))
}

func (c Command) mute(rest string) (Command, error) {
	rest = inShort(rest)
	i := strings.LastIndexByte(rest, ' ')
	if i < 0 {
		try := ""
		if tocsin.Name.MatchString(rest) {
			try = "/tocsin mute " + rest + " 2h"
		}
		return c, usage(try, "say what to mute and for how long: /tocsin mute <watchlist> 2h")
	}
	name := strings.TrimSuffix(strings.TrimSpace(rest[:i]), " for")
	d, err := span(rest[i+1:])
	if err != nil {
		return c, usage("/tocsin mute "+name+" 2h", "%q is no time that a mute can last: write 30m, 2h or 3d, from a minute to a year", cut(rest[i+1:], 40))
	}
	c.For = d
	return c.named(name)
}

// maxSpan is how long a mute can last.
const maxSpan = 365 * 24 * time.Hour

// spanWords are the ways in which people write the units of a span.
var spanWords = regexp.MustCompile(`(?i) \d+ ?(m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)$`)

func span(s string) (time.Duration, error) {
	for unit, hours := range map[string]uint64{"d": 24, "w": 7 * 24} {
		if many, ok := strings.CutSuffix(s, unit); ok {
			n, err := strconv.ParseUint(many, 10, 12)
			if err != nil {
				return 0, err
			}
			s = fmt.Sprintf("%dh", n*hours)
		}
	}
	d, err := time.ParseDuration(s)
	if err == nil && (d < time.Minute || d > maxSpan) {
		err = fmt.Errorf("%s is not between a minute and a year", s)
	}
	return d, err
}

func (c Command) why(rest string) (Command, error) {
	// Slack writes an address as <https://x.example|x.example>.
	rest = strings.Trim(rest, `"<>`)
	c.URL, _, _ = strings.Cut(rest, "|")
	if c.URL == "" || strings.Contains(c.URL, " ") {
		return c, usage("/tocsin why https://…", "give the address of one statement")
	}
	return c, nil
}

func (c Command) subscribe(rest string) (Command, error) {
	rest, words := options(tighten(rest))
	plan, err := plan(words, func(good string) string { return strings.TrimSpace("/tocsin subscribe " + rest + " " + good) })
	if err != nil {
		return c, err
	}
	c.Plan = plan
	if rest == "" {
		return c, usage(`/tocsin subscribe "ballistic missile*"`, "say what to subscribe: a watchlist, or a query in quotes")
	}
	if bare := strings.ToLower(strings.Trim(rest, "`")); tocsin.Name.MatchString(bare) {
		c.Watchlist = bare
		return c, nil
	}
	if strings.Count(strings.ReplaceAll(rest, `\"`, ""), `"`)%2 == 1 {
		return c, usage("/tocsin subscribe "+rest+`"`, "a quote is not closed")
	}
	c.Query = unwrap(rest)
	return c, nil
}

var quoted = regexp.MustCompile(`^"((?:[^"\\]|\\.)*)"$`)

// unwrap takes the quotes off a whole query. A phrase keeps them.
func unwrap(s string) string {
	s = strings.Trim(s, "` ")
	m := quoted.FindStringSubmatch(s)
	if m == nil {
		return s
	}
	inner := strings.ReplaceAll(m[1], `\"`, `"`)
	if inner != m[1] || operators.MatchString(inner) || !strings.Contains(strings.TrimSpace(inner), " ") {
		return strings.TrimSpace(inner)
	}
	return s
}

var operators = regexp.MustCompile(`(^|[ (])(AND|OR|NOT|NEAR(/\d+)?|@[a-z])|[()]`)

// straighten makes of what a keyboard, an editor or Slack wrote what a person
// meant: straight quotes, plain spaces, no entities.
func straighten(s string) string {
	s = html.UnescapeString(strings.ToValidUTF8(s, ""))
	s = strings.Map(func(r rune) rune {
		switch r {
		case '“', '”', '„', '‟', '«', '»', '″', '＂', '〝', '〞':
			return '"'
		case '‘', '’', '‚', '‛', '′', '＇':
			return '\''
		case '：':
			return ':'
		case '∗': // as our messages show it
			return '*'
		case '\t', '\n', '\r', '\u00a0', '\u2007', '\u202f', '\u3000':
			return ' '
		}
		if r < ' ' || r == 0x7f || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r == 0x2060 || r >= 0x2066 && r <= 0x2069 || r == 0xfeff {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
