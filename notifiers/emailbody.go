package notifiers

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"regexp"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	netmail "net/mail"

	"tocsin"
)

// maxSubject is the longest subject, in characters: what mail readers show.
const maxSubject = 150

// page is what the mail's two bodies are made from.
type page struct {
	Heading []run
	Note    string
	Lead    string // plain text, for digests and notices
	Excerpt []run
	Facts   []line
	Newest  []newest
	Foot    string
}

type line struct {
	Label, Text string
	Link        string
}

var plainID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)

// messageRef is a Message-ID without its brackets, as Send gives it.
var messageRef = regexp.MustCompile(`^[A-Za-z0-9._+-]{1,200}@[A-Za-z0-9._-]{1,200}$`)

// messageID is the same for every attempt at a delivery.
func messageID(id, domain string) string {
	if !plainID.MatchString(id) {
		sum := sha256.Sum256([]byte(id))
		id = hex.EncodeToString(sum[:16])
	}
	return id + "@" + domain
}

// message writes the mail for d.
func (n *emailNotifier) message(d tocsin.Delivery, now time.Time) (*mail.Msg, error) {
	p, subject, list := pageOf(d, now)
	m := mail.NewMsg(mail.WithNoDefaultUserAgent())
	m.FromMailAddress(n.from)
	m.ToMailAddress(&netmail.Address{Address: d.To.To})
	subject = short(flat(subject), maxSubject)
	if d.Urgent {
		subject = urgentMark + subject // on all that is sent about the alert: readers thread by the subject
	}
	markUrgent(m, d)
	if d.Kind == tocsin.Reply {
		subject = "Re: " + subject
		if messageRef.MatchString(d.Ref) {
			m.SetGenHeader("In-Reply-To", "<"+d.Ref+">")
			m.SetGenHeader("References", "<"+d.Ref+">")
		}
	}
	m.Subject(subject)
	m.SetMessageIDWithValue(messageID(d.ID, n.domain))
	m.SetDateWithValue(d.Since)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's holiday note answers it
	if tocsin.Name.MatchString(list) {
		m.SetGenHeader("List-Id", "<"+list+"."+n.domain+">")
	}
	m.SetBodyString(mail.TypeTextPlain, p.text())
	return m, m.AddAlternativeHTMLTemplate(pageTemplate, p)
}

// pageOf renders any delivery. The subject is the same for all that is sent
// about an alert; list is the watchlist it belongs to.
func pageOf(d tocsin.Delivery, now time.Time) (p page, subject, list string) {
	p.Note = flat(d.Instead)
	if d.Repeat {
		p.Note = strings.TrimSpace(repeatNote + " " + p.Note)
	}
	switch d.Kind {
	case tocsin.Digest:
		g := newDigest(d.Summary, now)
		p.Heading = []run{{Text: g.Heading}}
		p.Lead, p.Newest = g.Sentence, g.Newest
		p.fact("Watchlists", g.Watchlists, "")
		for _, c := range g.Changed {
			p.fact("Withdrawn or changed", c.About+": "+strings.Join(c.said(), "; "), c.Link)
		}
		p.fact("Withdrawn or changed", g.more(), "")
		p.fact("No answer yet from", g.Silent, "")
		if len(d.Summary.Watchlists) > 0 {
			list = d.Summary.Watchlists[0]
		}
		return p, "tocsin: " + g.Sentence, list
	case tocsin.Notice:
		p.Heading = []run{{Text: "tocsin: notice to operators"}}
		p.Lead = clean(d.Text)
		return p, "tocsin: " + cmp.Or(flat(d.Text), "notice"), "operators"
	}
	c := newCard(d, now)
	if d.Kind == tocsin.Reply {
		p.Lead = newReply(d).text()
	}
	p.Heading, p.Excerpt = c.Title, c.Excerpt
	p.fact("Note", urgentNote(d), "")
	p.fact("Source", c.Source, "")
	p.fact("Times", strings.Join(c.Times, " · "), "")
	for _, m := range c.Matched {
		p.fact("Matched", m.text(), "")
	}
	p.fact("Link", c.Link, c.Link)
	p.fact("Publishers", c.published(), "")
	p.fact("Reports", c.Reported, "")
	p.fact("Signed", c.Signed, "")
	p.fact("Facets", c.Facets, "")
	p.fact("Joined", c.Joined, "")
	p.fact("Acknowledged", c.Taken, "")
	p.fact("Withdrawn", c.Withdrawn, "")
	p.fact("Changes", c.Revised, "")
	p.fact("Not read", c.Unread, "")
	if len(d.Alert.Matches) > 0 {
		list = d.Alert.Matches[0].Watchlist
	}
	if len(d.Alert.Matches) > 0 && d.Instead == "" {
		p.Foot = "You get this because this address subscribes to " + c.Matched[0].Watchlist + "."
	}
	return p, cmp.Or(flat(d.Alert.Title), titleOf(d.Alert)), list
}

func (m matched) text() string {
	if len(m.Terms) == 0 {
		return m.Watchlist
	}
	return m.Watchlist + ": " + listed(m.Terms, maxList)
}

func (p *page) fact(label, text, link string) {
	if text != "" {
		p.Facts = append(p.Facts, line{label, text, link})
	}
}

func (p page) text() string {
	var b strings.Builder
	para := func(s string) {
		if strings.TrimSpace(s) != "" {
			b.WriteString(strings.TrimSpace(s) + "\n\n")
		}
	}
	para(p.Note)
	para(joined(p.Heading))
	para(p.Lead)
	para(joined(p.Excerpt))
	for _, n := range p.Newest {
		para("- " + n.Title + "\n  " + n.Source + ", " + n.When + "\n  " + n.Link)
	}
	for _, f := range p.Facts {
		b.WriteString(f.Label + ": " + f.Text + "\n")
	}
	if p.Foot != "" {
		b.WriteString("\n-- \n" + p.Foot + "\n")
	}
	return b.String()
}

// pageTemplate fetches nothing: no images, no style sheets, no trackers.
var pageTemplate = template.Must(template.New("mail").Parse(`<!DOCTYPE html>
<html><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"></head>
<body style="margin:0;padding:16px;font-family:sans-serif;font-size:15px;line-height:1.45">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:640px">
{{with .Note}}<tr><td style="padding:0 0 8px"><strong>{{.}}</strong></td></tr>
{{end}}<tr><td style="padding:0 0 8px;font-size:19px;font-weight:bold">{{template "runs" .Heading}}</td></tr>
{{with .Lead}}<tr><td style="padding:0 0 12px;white-space:pre-wrap">{{.}}</td></tr>
{{end}}{{with .Excerpt}}<tr><td style="padding:0 0 12px;white-space:pre-wrap">{{template "runs" .}}</td></tr>
{{end}}{{range .Newest}}<tr><td style="padding:0 0 10px">{{if .Link}}<a href="{{.Link}}">{{.Title}}</a>{{else}}{{.Title}}{{end}}<br>
<span style="color:#777">{{.Source}}, {{.When}}{{with .Host}} · {{.}}{{end}}</span></td></tr>
{{end}}{{with .Facts}}<tr><td><table role="presentation" cellpadding="0" cellspacing="0">
{{range .}}<tr><td style="padding:2px 12px 2px 0;color:#777;vertical-align:top">{{.Label}}</td><td style="padding:2px 0;word-break:break-word">{{if .Link}}<a href="{{.Link}}">{{.Text}}</a>{{else}}{{.Text}}{{end}}</td></tr>
{{end}}</table></td></tr>
{{end}}{{with .Foot}}<tr><td style="padding:16px 0 0;font-size:12px;color:#777">{{.}}</td></tr>
{{end}}</table></body></html>
{{define "runs"}}{{range .}}{{if .Hit}}<b style="background:#ffe9a8;color:#222">{{.Text}}</b>{{else}}{{.Text}}{{end}}{{end}}{{end}}`))
