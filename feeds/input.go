package feeds

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// An input is a document that has been decoded, and what is needed to read it.
type input struct {
	raw   []byte   // as it came
	text  []byte   // UTF-8
	base  *url.URL // for relative addresses; nil if unknown
	dates *calendar
	notes *notes
	memo  *memo // entries that need not be read; nil means none
}

// clip is s, cut at limit bytes.
func (in input) clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	in.notes.add("cut a text at " + strconv.Itoa(limit) + " bytes")
	return strings.ToValidUTF8(s[:limit], "")
}

// date reads a date; it is zero if there is none that can be read.
func (in input) date(s string) time.Time {
	if s = strings.TrimSpace(s); s == "" {
		return time.Time{}
	}
	t, problem := in.dates.parse(s)
	if problem != "" {
		in.notes.addLike(problem, s)
	}
	return t
}

// address makes s absolute. It is "" for what is no address of a page.
func (in input) address(base *url.URL, s string) string {
	s = strings.Map(visible, strings.TrimSpace(s))
	s = strings.ReplaceAll(s, " ", "%20")
	if isPage(s) || s == "" {
		return s
	}
	u, err := url.Parse(s)
	if err != nil || len(s) > maxShort {
		in.notes.addLike("left out an address that cannot be read", s)
		return ""
	}
	switch strings.ToLower(u.Scheme) {
	case "javascript", "data", "vbscript":
		in.notes.addLike("left out an address that is a script", s)
		return ""
	case "":
		if base == nil {
			in.notes.addLike("left out a relative address, as the document's own is not known", s)
			return ""
		}
		return base.ResolveReference(u).String()
	}
	return s
}

// visible drops what no address holds and what a terminal would obey.
func visible(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
		return -1
	}
	return r
}

func isPage(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

// resolve is ref against base, or base if ref cannot be read. It is absolute or
// nil.
func resolve(base *url.URL, ref string) *url.URL {
	u, err := url.Parse(strings.TrimSpace(ref))
	if err != nil || len(ref) > maxShort {
		return base
	}
	if base != nil {
		u = base.ResolveReference(u)
	}
	if !u.IsAbs() || len(u.Path) > maxShort {
		return base
	}
	return u
}
