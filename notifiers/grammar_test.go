package notifiers_test

import (
	"math/rand/v2"
	"strings"
	"time"

	"tocsin"
)

// A grammar writes alerts as nobody should.
type grammar struct{ *rand.Rand }

func newGrammar(seed uint64) grammar { return grammar{rand.New(rand.NewPCG(seed, 1))} }

var bits = []string{
	"word ", "rocket", " ", "\n", "\n\n", "\t", "<!channel>", "<!here|x>", "<@U024BE7LH>", "<#C024BE7LR|general>", "<!subteam^S1>",
	"&", "&amp;", "&lt;!channel&gt;", "<", ">", "|", "*", "_", "~", "`", "```", "*bold*", ":bomb:", "@channel ", "#general ",
	"<https://evil.example|bank>", "https://x.example/?a=1&b=2 ", "\u202e", "\u2066", "\u2069", "\u200b", "\u200d", "\ufeff", "\u00ad",
	"\x00", "\x1b[31m", "\x1b]0;title\x07", "\x9b31m", "\r", "\r\nBcc: all@example.org\r\n", "\xff\xfe", "\xe4\xbd",
	"שלום ", "السلام", "弹道导弹", "ミサイル", "ракета ", "🚀", "👩‍👩‍👧‍👦", "𝕽𝖔𝖈𝖐𝖊𝖙", "\U0001F1EB\U0001F1F7", "e\u0301", strings.Repeat("z", 300),
	"</b><script>alert(1)</script>", "{{.Secret}}", "=cmd()", "\r\n.\r\n",
}

func (g grammar) text(most int) string {
	var b strings.Builder
	for range g.IntN(most + 1) {
		b.WriteString(bits[g.IntN(len(bits))])
	}
	return b.String()
}

// size is small mostly and huge sometimes.
func (g grammar) size(most int) int {
	if g.IntN(4) == 0 {
		return most
	}
	return g.IntN(6)
}

func (g grammar) spans(n, length int, field string) []tocsin.Span {
	var out []tocsin.Span
	for range n {
		from := g.IntN(length+20) - 10
		out = append(out, tocsin.Span{Term: g.text(4), Field: field, Start: from, End: from + g.IntN(30) - 3})
	}
	return out
}

func (g grammar) alert() tocsin.Alert {
	a := tocsin.Alert{ID: "a-" + g.text(1), Opened: time.Now(), Excerpt: g.text(g.size(200)), Revised: g.IntN(3)}
	for range 1 + g.size(48) {
		a.Copies = append(a.Copies, tocsin.Copy{
			Source: g.text(2), Title: g.text(g.size(200)), Publisher: g.text(3), Country: []string{"FR", "", "<!", "ZZ9"}[g.IntN(4)],
			URL:       []string{"https://mfa.example/" + g.text(3), "javascript:alert(1)", "", "https://u:p@x.example/", "http://例え.example/ミ?<!channel>|x"}[g.IntN(5)],
			Published: time.Unix(g.Int64N(1<<36), 0), Seen: time.Now(),
		})
	}
	a.Marks = append(g.spans(g.size(500), len(a.Excerpt), tocsin.FieldText), g.spans(g.IntN(9), len(a.First().Title), tocsin.FieldTitle)...)
	for range g.size(60) {
		a.Matches = append(a.Matches, tocsin.Match{Watchlist: g.text(2), Spans: g.spans(g.size(500), 100, tocsin.FieldText)})
	}
	a.Facets = tocsin.Facets{Signed: g.IntN(60) - 5, Resolutions: g.texts(30), Systems: g.texts(30)}
	for range g.size(60) {
		a.Facets.Signatories = append(a.Facets.Signatories, []string{"JP", "KR", "fr", "<!", "ZZ9", g.text(2)}[g.IntN(6)])
	}
	for i := range a.Copies {
		a.Copies[i].Report, a.Copies[i].Lang = g.IntN(4) == 0, []string{"fr", "", "<!channel>", "zh-Hant"}[g.IntN(4)]
	}
	if g.IntN(3) == 0 {
		a.Into, a.Title, a.Why, a.Material = g.text(3), g.text(9), g.text(9), g.IntN(3)
	}
	a.Changes = g.changes()
	return a
}

func (g grammar) texts(most int) (out []string) {
	for range g.size(most) {
		out = append(out, g.text(5))
	}
	return out
}

func (g grammar) changes() (out []tocsin.Change) {
	for range g.IntN(6) {
		out = append(out, tocsin.Change{Field: g.text(1), Before: g.text(5), Was: g.text(9), Is: g.text(9), After: g.text(5)})
	}
	return out
}

func (g grammar) news(a tocsin.Alert) (out []tocsin.News) {
	kinds := []string{tocsin.Matched, tocsin.Copied, tocsin.Copied, tocsin.Revised, tocsin.Withdrawn, tocsin.Merged, tocsin.Split, "unknown"}
	for range g.size(120) {
		out = append(out, tocsin.News{
			Kind: kinds[g.IntN(len(kinds))], Copy: a.Copies[g.IntN(len(a.Copies))], Changes: g.changes(),
			Material: g.IntN(2) == 0, Why: g.text(20), Other: g.text(3),
		})
	}
	return out
}

func (g grammar) delivery(to tocsin.Destination) tocsin.Delivery {
	d := tocsin.Delivery{
		ID: "d-" + g.text(2), Kind: []string{tocsin.Post, tocsin.Post, tocsin.Post, tocsin.Reply, tocsin.Reply, tocsin.Digest, tocsin.Notice}[g.IntN(7)],
		To: to, Since: time.Now(), Late: g.text(g.size(40)), Repeat: g.IntN(3) == 0, Text: g.text(g.size(400)),
	}
	d.Alert, d.Older = g.alert(), g.alert()
	d.News, d.Aloud = g.news(d.Alert), g.IntN(2) == 0
	d.Summary = tocsin.Summary{Sources: g.IntN(99), Matching: g.IntN(3), Silent: []string{g.text(3), g.text(90)}, Watchlists: []string{g.text(2), g.text(99)}}
	for range g.IntN(6) {
		d.Summary.Newest = append(d.Summary.Newest, g.alert())
	}
	d.Summary.Muted, d.Summary.Changes = g.IntN(2) == 0, g.IntN(9)
	for range g.IntN(6) {
		a := g.alert()
		d.Summary.Changed = append(d.Summary.Changed, tocsin.Changed{Alert: a, News: g.news(a)})
	}
	return d
}
