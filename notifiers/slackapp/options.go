package slackapp

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin"
)

var optionNames = []string{"lang", "from", "country", "digest", "min-copies", "urgent", "quiet", "escalate", "fold-over"}

// aliases are what else people write.
var aliases = map[string]string{
	"langs": "lang", "language": "lang", "languages": "lang", "source": "from", "sources": "from",
	"countries": "country", "min": "min-copies", "copies": "min-copies", "mincopies": "min-copies", "min_copies": "min-copies",
	"fold_over": "fold-over", "foldover": "fold-over",
}

var (
	optionWord = regexp.MustCompile(`^([A-Za-z][A-Za-z_–-]{1,20}):(.*)$`)
	clockTime  = regexp.MustCompile(`^([01]?\d|2[0-3]):[0-5]\d$`)
	zoneName   = regexp.MustCompile(`^(UTC|[A-Z][A-Za-z_]+/[A-Za-z_/+-]+)$`)
	langTag    = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	sourceID   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	alpha2     = regexp.MustCompile(`^[A-Z]{2}$`)
)

var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// options divides what stands after subscribe into what is subscribed and the
// words of the options at its end.
func options(s string) (what string, words []string) {
	for s = strings.TrimSpace(s); ; {
		i := strings.LastIndexByte(s, ' ')
		word := s[i+1:]
		if word == "" || !isOption(word) && !follows(word) || strings.HasSuffix(word, `"`) && strings.Count(word, `"`)%2 == 1 {
			break
		}
		words = append(words, word)
		if i < 0 {
			s = ""
			break
		}
		s = strings.TrimSpace(s[:i])
	}
	slices.Reverse(words)
	// What can follow an option follows none here: it belongs to what is subscribed.
	for len(words) > 0 && follows(words[0]) && !isOption(words[0]) {
		s, words = strings.TrimSpace(s+" "+words[0]), words[1:]
	}
	// missile* AND lang:fr is all a query.
	for len(words) > 0 && joins.MatchString(s) {
		s, words = s+" "+words[0], words[1:]
	}
	if at := misplaced(s); at >= 0 {
		s, words = strings.TrimSpace(s[:at]), append(strings.Fields(s[at:]), words...)
	}
	return s, words
}

var joins = regexp.MustCompile(`(^|[ (])(AND|OR|NOT|NEAR(/\d+)?)$`)

// neverFields are options that no query can mean.
var neverFields = []string{"digest", "min-copies", "quiet", "escalate", "fold-over"}

// misplaced is where an option begins in what is subscribed, as digest: does if what
// follows it was not understood; -1 if none does.
func misplaced(s string) int {
	inside, begins := false, true
	for i, r := range s {
		if begins && !inside {
			word, _, _ := strings.Cut(s[i:], " ")
			if m := optionWord.FindStringSubmatch(word); m != nil && slices.Contains(neverFields, optionName(m[1])) {
				return i
			}
		}
		if r == '"' {
			inside = !inside
		}
		begins = r == ' '
	}
	return -1
}

var optionHead = regexp.MustCompile(`^[A-Za-z][A-Za-z_–-]{1,20}:`)

// tighten writes options as they are read: digest: "daily 08:00" as digest:daily 08:00.
// What stands between quotes is left alone.
func tighten(s string) string {
	var b strings.Builder
	inside, begins := false, true
	for i := 0; i < len(s); {
		head := ""
		if begins && !inside {
			head = optionHead.FindString(s[i:])
		}
		if head == "" || optionName(strings.TrimSuffix(head, ":")) == "" {
			if s[i] == '"' {
				inside = !inside
			}
			begins = s[i] == ' '
			b.WriteByte(s[i])
			i++
			continue
		}
		value := strings.TrimLeft(s[i+len(head):], " ")
		i, begins = len(s)-len(value), false
		b.WriteString(head)
		if quoted, ok := strings.CutPrefix(value, `"`); ok {
			if value, _, ok = strings.Cut(quoted, `"`); ok {
				b.WriteString(strings.TrimSpace(value))
				i += len(value) + len(`""`)
			}
		}
	}
	return b.String()
}

// isOption reports whether a word looks like an option, well written or not.
func isOption(word string) bool {
	if strings.EqualFold(word, "urgent") {
		return true
	}
	m := optionWord.FindStringSubmatch(word)
	return m != nil && !strings.HasPrefix(m[2], "//") && optionName(m[1]) != ""
}

// optionName is the option that a word means, "" if none.
func optionName(word string) string {
	word = strings.ToLower(strings.ReplaceAll(word, "–", "-"))
	if slices.Contains(optionNames, word) {
		return word
	}
	if name := aliases[word]; name != "" {
		return name
	}
	if len(word) <= 3 {
		return ""
	}
	if near := nearest(word, optionNames); near != "" {
		return near
	}
	return aliases[nearest(word, slices.Sorted(maps.Keys(aliases)))]
}

// follows reports whether a word can stand after an option: after digest:daily or
// quiet:22:00-07:00, or after escalate:10m.
func follows(word string) bool { return isWhen(word) || isWhere(word) }

func isWhere(word string) bool { return strings.HasPrefix(strings.ToLower(word), "to:") }

func isWhen(word string) bool {
	return clockTime.MatchString(word) || zoneName.MatchString(word) || slices.Contains(weekdays, strings.ToLower(word))
}

// plan reads the words of options. Try makes a whole command of good ones.
func plan(words []string, try func(good string) string) (s tocsin.Subscription, err error) {
	for i := 0; i < len(words); i++ {
		word, begins := words[i], i
		instead := func(good string) string {
			return try(strings.Join(slices.Concat(words[:begins], []string{good}, words[i+1:]), " "))
		}
		if strings.EqualFold(word, "urgent") {
			s.Urgent = true
			continue
		}
		m := optionWord.FindStringSubmatch(word)
		if m == nil {
			return s, usage(try(strings.Join(slices.Delete(slices.Clone(words), i, i+1), " ")), "%q is no option", cut(word, 40))
		}
		name, value := optionName(m[1]), strings.Trim(m[2], `"',`)
		if name != strings.ToLower(m[1]) && aliases[strings.ToLower(m[1])] == "" {
			return s, usage(instead(name+":"+m[2]), "there is no option %q", cut(m[1], 40))
		}
		for (name == "digest" || name == "quiet") && i+1 < len(words) && !isOption(words[i+1]) {
			i++
			value += " " + words[i]
		}
		if name == "escalate" && !strings.Contains(value, ":") && i+1 < len(words) && isWhere(words[i+1]) {
			i++
			value += words[i][len("to"):]
		}
		if err := set(&s, name, value, instead); err != nil {
			return s, err
		}
	}
	return s, nil
}

// set sets one option.
func set(s *tocsin.Subscription, name, value string, instead func(good string) string) error {
	list := func(into *[]string, shape *regexp.Regexp, fold func(string) string, like string) error {
		for v := range strings.SplitSeq(value, ",") {
			v = fold(strings.TrimSpace(v))
			if v == "" {
				continue
			}
			if !shape.MatchString(v) {
				return usage(instead(name+":"+like), "%s: %q is none; write %s:%s", name, cut(v, 40), name, like)
			}
			*into = append(*into, v)
		}
		if len(*into) == 0 {
			return usage(instead(name+":"+like), "%s: says nothing; write %s:%s", name, name, like)
		}
		return nil
	}
	switch name {
	case "lang":
		return list(&s.Langs, langTag, strings.ToLower, "fr,en")
	case "from":
		return list(&s.Sources, sourceID, strings.ToLower, "fr-mfa,un")
	case "country":
		return list(&s.Countries, alpha2, strings.ToUpper, "FR,JP")
	case "min-copies":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > 200 {
			return usage(instead("min-copies:2"), "min-copies: %q is no number from 1 to 200", cut(value, 40))
		}
		s.MinCopies = n
	case "urgent":
		return usage(instead("urgent"), "urgent stands alone")
	case "digest":
		d, ok := Digest(value)
		if !ok {
			return usage(instead("digest:daily 08:00"), "digest: %q is none; write hourly, daily 08:00 or weekly mon 08:00, and a zone such as Europe/Paris if you like", cut(value, 60))
		}
		s.Digest = d
	default:
		return setPolicy(s, name, value, instead)
	}
	return nil
}

// setPolicy sets what tocsin subscription set sets too, with its parsers.
func setPolicy(s *tocsin.Subscription, name, value string, instead func(good string) string) (err error) {
	switch name {
	case "quiet":
		value = strings.ReplaceAll(value, "–", "-") // as keyboards make it of a hyphen
		if _, err = tocsin.ParseHours(value); err != nil {
			return usage(instead("quiet:22:00-07:00 Europe/Paris"), "quiet: %v", err)
		}
		s.Quiet = value
	case "escalate":
		if s.Escalate, err = tocsin.ParseEscalation(value); err != nil {
			return usage(instead("escalate:10m:duty"), "escalate: %v, a time and a destination", err)
		}
	case "fold-over":
		if s.FoldOver, err = tocsin.ParseFoldOver(strings.ToLower(value)); err != nil {
			return usage(instead("fold-over:20"), "fold-over: %v", err)
		}
	}
	return nil
}

// Digest is the canonical form of when a digest is due: hourly, daily 08:00 or weekly
// mon 08:00, the last two with or without an IANA zone.
func Digest(s string) (string, bool) {
	words := strings.Fields(strings.Trim(s, `"'`))
	if len(words) == 0 {
		return "", false
	}
	kind := strings.ToLower(words[0])
	words = words[1:]
	zone, at, weekday := "", "08:00", "mon"
	for _, w := range words {
		switch l := strings.ToLower(w); {
		case clockTime.MatchString(w):
			at = w
			if len(at) == len("8:00") {
				at = "0" + at
			}
		case slices.Contains(weekdays, l):
			weekday = l
		case zoneName.MatchString(w):
			if _, err := time.LoadLocation(w); err != nil {
				return "", false
			}
			zone = " " + w
		default:
			return "", false
		}
	}
	switch kind {
	case "hourly":
		return "hourly", len(words) == 0
	case "daily":
		return "daily " + at + zone, true
	case "weekly":
		return "weekly " + weekday + " " + at + zone, true
	}
	return "", false
}

// nearest is the known word that was most likely meant, or "".
func nearest(word string, known []string) string {
	best, near := max(1, len(word)/3)+1, ""
	for _, k := range known {
		if d := distance(word, k); d < best {
			best, near = d, k
		}
	}
	return near
}

// distance is the number of letters to put in, take out, change or swap with the
// next to make a into b. Only the first 64 bytes of each count.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}
