package notifiers_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"tocsin"
	"tocsin/notifiers"
	"tocsin/notifiers/slackapp"
)

// TestNoHostileAlertIsObeyedOrTooLong renders alerts as nobody should write them, and
// holds what goes to Slack against a judge of its own. TOCSIN_ALERTS says how many.
func TestNoHostileAlertIsObeyedOrTooLong(t *testing.T) {
	n := 5_000
	if s := os.Getenv("TOCSIN_ALERTS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	began, now := time.Now(), time.Date(2026, 11, 3, 9, 2, 0, 0, time.UTC)
	h := newSwarm(1, now)
	kinds, seen, buttons := map[string]int{}, map[string]int{}, 0
	longest, faults := 0, 0
	for i := range n {
		d, marked := h.delivery()
		text, blocks, err := notifiers.SlackShown(d, now, slackapp.Buttons)
		if err != nil {
			t.Fatal(err)
		}
		if why := judgeOf(d, marked).message(text, blocks); why != "" {
			if faults++; faults < 10 {
				t.Errorf("alert %d, %s: %s", i, d.Kind, why)
			}
		}
		kinds[d.Kind]++
		longest = max(longest, len(blocks))
		if strings.Contains(string(blocks), `"type":"actions"`) {
			buttons++
		}
		for what, has := range h.has(d) {
			if has {
				seen[what]++
			}
		}
	}
	for _, what := range []string{tocsin.Post, tocsin.Edit, tocsin.Reply, tocsin.Digest} {
		if kinds[what] < n/20 {
			t.Errorf("%d of kind %s", kinds[what], what)
		}
	}
	for what, least := range map[string]int{"acknowledged": 10, "merged": 20, "reports": 10, "60 publishers": 200, "300 watchlists": 1000, "10,000 letters": 200, "news of every kind": 200} {
		if seen[what] < n/least {
			t.Errorf("%d of %d alerts: %s", seen[what], n, what)
		}
	}
	t.Logf("%d alerts, %d faults; %v, %d with buttons, %v; the longest has %d bytes of blocks; %v", n, faults, kinds, buttons, seen, longest, time.Since(began).Round(time.Second))
}

// judgeOf is who judges a delivery.
func judgeOf(d tocsin.Delivery, marked bool) judge {
	j := judge{kind: d.Kind, marked: marked}
	if d.Kind == tocsin.Edit && d.Alert.Acknowledged.By == "slack:T1:U024BE7LH" {
		j.taker = "U024BE7LH"
	}
	j.headed = d.Urgent || strings.TrimFunc(d.Note, func(r rune) bool { return unicode.IsSpace(r) || hidden(r) }) != ""
	if d.Urgent {
		j.calls = "<!here>"
		if d.To.Mention == "S024BE7LH" {
			j.calls = "<!subteam^S024BE7LH>"
		}
	}
	return j
}

// TestTheJudgeOfHostileAlertsFinds keeps the judge able to fail.
func TestTheJudgeOfHostileAlertsFinds(t *testing.T) {
	for _, s := range []string{
		"<!channel>", "a <@U1> b", "<https://x.example|y.example>", "<javascript:alert(1)|x>", "<https://u:p@x.example|x.example>", "a & b", "&nbsp;", "a > b", "\u202e",
		"\u200b", "a\u200db", "\x1b[31m", "*bold*", "~struck~", "`code`", "a*", "\xff", "<https://x.example", "\u2028", "\U000E0041", "<https://x.example|x.\u202eexample>",
		"*Source* *bold*", "_italic_", "a (_b c_)", ":tada:", "a:+1:b", "&gt; quote", "a\n &gt; quote", "a\u2060b", "*Source* `code`", "*Matched* `a` `",
	} {
		if (judge{kind: tocsin.Post}).shown(s) == "" {
			t.Errorf("%q passes", s)
		}
	}
	for _, s := range []string{"a &amp; b", "*Source* France", "*Link* <https://x.example/?a=1&amp;b=2|x.example>", "*Matched* w: `a`, `b`", "ミサイル", "line\nline", "snake_case_name", "\u2060_a_", ":\u2060tada:", "\u2060&gt; a", "a &gt; b", "at 09:02, so"} {
		if why := (judge{kind: tocsin.Post}).shown(s); why != "" {
			t.Errorf("%q: %s", s, why)
		}
	}
	long := strings.Repeat("a", 3001)
	for _, m := range [][2]string{
		{long, `[{"type":"divider"}]`},
		{"", `[{"type":"divider"}]`},
		{"a", `[{"type":"section","text":{"type":"mrkdwn","text":"<!here>"}}]`},
		{"a", `[{"type":"header","text":{"type":"plain_text","text":"<!here>"}}]`},
		{"a", `[{"type":"context","elements":[{"type":"mrkdwn","text":"*a*"}]}]`},
		{"a", `[{"type":"context","elements":[{"type":"mrkdwn","text":"acknowledged by <@U024BE7LH>, 3 Nov"}]}]`},
		{"a", `[{"type":"section","text":{"type":"mrkdwn","text":"` + long + `"}}]`},
	} {
		if (judge{kind: tocsin.Post, marked: true}).message(m[0], []byte(m[1])) == "" {
			t.Errorf("%.60s %.80s passes", m[0], m[1])
		}
	}
}

// A swarm makes hostile alerts by the hundred thousand. Texts come from a pool that is
// made anew now and then.
type swarm struct {
	grammar
	now  time.Time
	pool []string
	used int
}

const (
	poolSize = 2000
	poolFor  = 20_000 // alerts
)

var worse = []string{
	"javascript:alert(1)", "data:text/html,x", "mailto:a@b.example", "<mailto:a@b.example|a>", "<!date^1^{date}|x>", "<!everyone>", "<|>", "<<", ">>", "&&", "&#60;", "&#x202e;", "%3C!channel%3E",
	"*", "**", "* *", "~~", "``", "```code```", "*bold", "bold*", "_italic_", "_", "_a", "b_", "(_c_)", ":tada:", ":+1:", ":", "::", ":カ:", ">>> quote", "> quote", "\n> quote", "\n* item", "\u2028", "\u2029", "\u0085", "\u061c", "\u200e", "\u200f", "\u202a", "\u202b", "\u202c", "\u202d",
	"\u2060", "\u2064", "\u2067", "\u2068", "\u206f", "\u180e", "\ufff9", "\ufffb", "\U000E0041", "\U000E007F", "\U0001D173", "\U0001BCA0", "\U00013430", "\u034f", "\u115f", "\u3164", "\uffa0", "\x7f", "\x80", "\x9f", "\u00a0",
	"\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "a\u0300\u0301\u0302\u0303\u0304\u0305", strings.Repeat("\u0335", 60), strings.Repeat("𝕽", 80), strings.Repeat("👩‍👩‍👧‍👦", 20), strings.Repeat("&", 200), strings.Repeat("<!channel>", 40),
	"\u200b*", "*\u200b", "\ufe0f", "\U0001F1EB", "𠮷", "Ｆｕｌｌ", "ﷺ", "<https://evil.example|mfa.example>", "https://evil.example", "|", ")", "\u0000",
}

func newSwarm(seed uint64, now time.Time) *swarm {
	return &swarm{grammar: grammar{rand.New(rand.NewPCG(seed, 2))}, now: now}
}

// refill makes the pool: mostly a few bits, one in 50 long, one in 250 a single word
// of 10,000 letters.
func (s *swarm) refill() {
	s.pool = s.pool[:0]
	all := append(bits[:len(bits):len(bits)], worse...)
	for i := range poolSize {
		n := s.IntN(7)
		switch {
		case i%250 == 1:
			s.pool = append(s.pool, strings.Repeat([]string{"z", "字", "𝕽", "&", "*", "a\u0301"}[s.IntN(6)], 10_000)+all[s.IntN(len(all))])
			continue
		case i%50 == 0:
			n = 200
		}
		var b strings.Builder
		for range n {
			b.WriteString(all[s.IntN(len(all))])
		}
		s.pool = append(s.pool, b.String())
	}
	s.used = 0
}

func (s *swarm) any() string { return s.pool[s.IntN(len(s.pool))] }

func (s *swarm) one(in int) bool { return s.IntN(in) == 0 }

// many is few mostly, and most one time in so many.
func (s *swarm) many(few, most, in int) int {
	if s.one(in) {
		return most
	}
	return s.IntN(few + 1)
}

func (s *swarm) some(n int) (out []string) {
	for range n {
		out = append(out, s.any())
	}
	return out
}

func (s *swarm) time() time.Time {
	switch s.IntN(4) {
	case 0:
		return time.Time{}
	case 1:
		return time.Unix(s.Int64N(1<<40)-1<<39, 0)
	}
	return s.now.Add(-time.Duration(s.Int64N(int64(90 * 24 * time.Hour))))
}

func (s *swarm) copies(n int) (out []tocsin.Copy) {
	for i := range n {
		c := tocsin.Copy{
			Source: fmt.Sprint("s", i), Title: s.any(), Publisher: s.any(), Country: []string{"FR", "", "<!", "ZZ9", s.any()}[s.IntN(5)], Lang: []string{"fr", "", "<!channel>", "zh-Hant", s.any()}[s.IntN(5)],
			URL: []string{
				"https://mfa.example/" + s.any(), "javascript:alert(1)", "", "https://u:p@x.example/", "http://例え.example/ミ?<!channel>|x", "https://" + s.any() + "/", s.any(), "https://mfa.example/?a=1&b=*2*`~",
			}[s.IntN(8)],
			Published: s.time(), Updated: s.time(), Seen: s.time(), Report: s.one(4), Page: []string{"", tocsin.PagePDF}[s.IntN(2)],
		}
		if s.one(5) {
			c.Withdrawn = s.now
		}
		out = append(out, c)
	}
	return out
}

func (s *swarm) where(n int, field, in string) (out []tocsin.Span) {
	for range n {
		from := s.IntN(len(in)+20) - 10
		out = append(out, tocsin.Span{Term: s.any(), List: []string{"", s.any()}[s.IntN(2)], Field: field, Start: from, End: from + s.IntN(30) - 3})
	}
	return out
}

func (s *swarm) alert(marked bool) tocsin.Alert {
	a := tocsin.Alert{ID: "a-" + strconv.Itoa(s.IntN(1e6)), Opened: s.now, Title: s.any(), Excerpt: s.any(), Copies: s.copies(1 + s.many(3, 79, 60)), Changes: s.edits(), Why: s.any()}
	a.Revised, a.Material = s.IntN(3), s.IntN(2)
	if marked {
		a.Marks = append(s.where(s.many(3, 80, 60), tocsin.FieldText, a.Excerpt), s.where(s.IntN(4), tocsin.FieldTitle, a.First().Title)...)
	}
	for range s.many(3, 300, 300) {
		a.Matches = append(a.Matches, tocsin.Match{Watchlist: s.any(), Spans: s.where(s.IntN(3), tocsin.FieldText, a.Excerpt)})
	}
	a.Facets = tocsin.Facets{Signed: s.IntN(60) - 5, Resolutions: s.some(s.many(1, 30, 50)), Systems: s.some(s.many(1, 30, 50))}
	for range s.many(2, 60, 50) {
		a.Facets.Signatories = append(a.Facets.Signatories, []string{"JP", "KR", "fr", "<!", "ZZ9", s.any()}[s.IntN(6)])
	}
	if s.one(6) {
		a.Into = s.any() + "x"
	}
	if s.one(4) {
		a.Acknowledged = tocsin.Acknowledgement{By: []string{"slack:T1:U024BE7LH", "slack:T1:" + s.any(), "x" + s.any()}[s.IntN(3)], At: s.time()}
	}
	return a
}

func (s *swarm) edits() (out []tocsin.Change) {
	for range s.IntN(5) {
		out = append(out, tocsin.Change{Field: tocsin.FieldText, Before: s.any(), Was: s.any(), Is: s.any(), After: s.any()})
	}
	return out
}

var newsKinds = []string{tocsin.Matched, tocsin.Copied, tocsin.Revised, tocsin.Withdrawn, tocsin.Merged, tocsin.Split, "unknown"}

func (s *swarm) happened(a tocsin.Alert) (out []tocsin.News) {
	n := s.many(4, 60, 30)
	for i := range n {
		k := newsKinds[s.IntN(len(newsKinds))]
		if n == 60 {
			k = newsKinds[i%len(newsKinds)]
		}
		out = append(out, tocsin.News{Kind: k, At: s.now, Copy: a.Copies[s.IntN(len(a.Copies))], Changes: s.edits(), Material: s.one(2), Why: s.any(), Other: s.any()})
	}
	return out
}

// delivery is one to Slack, and whether matched words are marked in it.
func (s *swarm) delivery() (d tocsin.Delivery, marked bool) {
	if s.used++; len(s.pool) == 0 || s.used > poolFor {
		s.refill()
	}
	marked = s.one(2)
	d = tocsin.Delivery{ID: "d", To: duty, Since: s.now, Repeat: s.one(4)}
	d.Kind = []string{tocsin.Post, tocsin.Post, tocsin.Edit, tocsin.Edit, tocsin.Reply, tocsin.Reply, tocsin.Digest}[s.IntN(7)]
	if s.one(3) {
		d.Late = s.any()
	}
	if d.Kind == tocsin.Digest {
		d.Summary = tocsin.Summary{Muted: s.one(2), Sources: s.IntN(99), Answered: s.IntN(99), Silent: s.some(s.many(3, 99, 30)), Watchlists: s.some(s.many(3, 300, 50)), Matching: s.IntN(3), Changes: s.IntN(9)}
		d.Summary.Held = []string{"", "mute", "quiet", "digest", "fold", "away", "lifted", s.any()}[s.IntN(8)]
		for range s.IntN(6) {
			d.Summary.Newest = append(d.Summary.Newest, tocsin.Alert{Copies: s.copies(s.IntN(3))})
		}
		for range s.IntN(6) {
			a := tocsin.Alert{Copies: s.copies(1 + s.IntN(3))}
			d.Summary.Changed = append(d.Summary.Changed, tocsin.Changed{Alert: a, News: s.happened(a)})
		}
		return d, marked
	}
	d.Alert = s.alert(marked)
	if d.Alert.Into != "" && s.one(2) {
		d.Older = tocsin.Alert{Copies: s.copies(1)}
	}
	if d.Kind != tocsin.Reply && s.one(5) {
		d.Urgent, d.Note, d.To.Mention = s.one(2), s.any(), []string{"", "here", "S024BE7LH", "S1|x>", s.any()}[s.IntN(5)]
	}
	if d.Kind == tocsin.Reply {
		d.News, d.Aloud = s.happened(d.Alert), s.one(2)
	}
	if d.Kind != tocsin.Post && !s.one(8) {
		d.Ref = "C0000001/1.2"
	}
	return d, marked
}

// has says what a delivery holds, so that a generator that makes none of it is seen.
func (s *swarm) has(d tocsin.Delivery) map[string]bool {
	kinds := map[string]bool{}
	for _, n := range d.News {
		kinds[n.Kind] = true
	}
	long := false
	if len(d.Alert.Copies) > 0 {
		long = len(d.Alert.First().Title) > 9999 || len(d.Alert.Excerpt) > 9999
	}
	return map[string]bool{
		"acknowledged": d.Alert.Acknowledged.By != "", "merged": d.Alert.Into != "", "reports": len(d.Alert.Reports()) > 0,
		"60 publishers": len(d.Alert.Copies) > 75, "300 watchlists": len(d.Alert.Matches) == 300, "10,000 letters": long, "news of every kind": len(kinds) == len(newsKinds),
	}
}
