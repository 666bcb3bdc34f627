package notifiers

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tocsin"
)

// invisible reports whether r can hide or reorder what stands beside it:
// bidirectional controls, zero-width and format characters, fillers and tags. Signs
// that Unicode counts as formats and that are seen, such as ARABIC NUMBER SIGN, are not.
func invisible(r rune) bool {
	switch {
	case r < 0xAD:
		return false
	case r >= 0xE0000 && r <= 0xE0FFF:
		return true
	}
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// clean makes foreign text harmless to show: valid UTF-8, without invisible and
// control characters; line ends are "\n".
func clean(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\v', r == '\f', r == 0x85, r == 0x2028, r == 0x2029:
			return '\n'
		case r == '\t', r == 0xA0:
			return ' '
		case unicode.IsControl(r), invisible(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// flat is clean text on one line.
func flat(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// spellings are the forms in which a server might echo a secret.
func spellings(x tocsin.Secret) []string {
	s := string(x)
	if s == "" {
		return nil
	}
	return []string{s, url.QueryEscape(s), base64.StdEncoding.EncodeToString([]byte(s))}
}

// A run is a stretch of clean text, matched or not.
type run struct {
	Text string
	Hit  bool
}

// runsOf cuts s where the spans of field begin and end. Spans may overlap, be
// out of order, point outside s or into a character.
func runsOf(s, field string, spans []tocsin.Span) []run {
	var hits []tocsin.Span
	for _, p := range spans {
		p.Start, p.End = max(p.Start, 0), min(p.End, len(s))
		if p.Field != field || p.Start >= p.End {
			continue
		}
		for p.Start > 0 && !utf8.RuneStart(s[p.Start]) {
			p.Start--
		}
		for p.End < len(s) && !utf8.RuneStart(s[p.End]) {
			p.End++
		}
		hits = append(hits, p)
	}
	slices.SortFunc(hits, func(a, b tocsin.Span) int { return a.Start - b.Start })
	var out []run
	at := 0
	add := func(end int, hit bool) {
		if t := clean(s[at:end]); t != "" {
			out = append(out, run{t, hit})
		}
		at = end
	}
	for _, p := range hits {
		if p.Start > at {
			add(p.Start, false)
		}
		if p.End > at {
			add(p.End, true)
		}
	}
	add(len(s), false)
	return out
}

func hasHit(rs []run) bool { return slices.ContainsFunc(rs, func(r run) bool { return r.Hit }) }

// joined is the text of rs.
func joined(rs []run) string {
	var b strings.Builder
	for _, r := range rs {
		b.WriteString(r.Text)
	}
	return b.String()
}

// link is u where it is an address that people may follow, or "". Characters
// that end a link in some markup are percent-encoded.
func link(u string) string {
	p, err := url.Parse(strings.TrimSpace(u))
	if err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Hostname() == "" || !showable(p.Host) || p.User != nil {
		return ""
	}
	var b strings.Builder
	for _, c := range []byte(p.String()) {
		if c <= ' ' || c >= 0x7F || strings.IndexByte("<>|\"'`{}\\^", c) >= 0 {
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			continue
		}
		b.WriteByte(c)
	}
	if b.Len() > maxLink {
		return ""
	}
	return b.String()
}

// showable reports whether a host is seen as what it is: beside a link it stands for
// where that leads.
func showable(host string) bool {
	return flat(host) == host && !strings.ContainsAny(host, " <>&|*~`\"'\\(){}^!#,;")
}

// maxLink is the longest link, in bytes, that a message carries: beyond it mail
// readers and Slack begin to cut.
const maxLink = 2000

// hostOf is the host that a link leads to.
func hostOf(l string) string {
	p, err := url.Parse(l)
	if err != nil {
		return ""
	}
	return flat(p.Host)
}
