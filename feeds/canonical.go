package feeds

import (
	"net/url"
	"slices"
	"strings"
)

// canonicalLink leaves of an address what tells pages apart: no scheme, no
// parameters of campaigns. It is no address any more. It reports whether it is
// that of a whole site.
func canonicalLink(link string) (canonical string, home bool) {
	link = strings.TrimSpace(link)
	if !strings.Contains(link, "://") {
		return link, false
	}
	u, err := url.Parse(link)
	if err != nil || u.Host == "" {
		return link, false
	}
	host := strings.TrimPrefix(strings.ToLower(u.Host), "www.")
	host = strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")
	kept := strings.FieldsFunc(u.RawQuery, func(r rune) bool { return r == '&' })
	kept = slices.DeleteFunc(kept, func(p string) bool {
		name, _, _ := strings.Cut(p, "=")
		return isCampaign(strings.ToLower(name))
	})
	c := host + strings.TrimRight(u.EscapedPath(), "/")
	if len(kept) > 0 {
		c += "?" + strings.Join(kept, "&")
	}
	if u.Fragment != "" && !isCampaign(strings.ToLower(u.Fragment)) {
		c += "#" + u.Fragment
	}
	return c, c == host
}

// canonicalGUID is the GUID, or, where it is an address, what canonicalLink
// leaves of it: a site that moves to https keeps its GUIDs.
func canonicalGUID(guid string) string {
	c, _ := canonicalLink(guid)
	return c
}

func isCampaign(name string) bool {
	return strings.HasPrefix(name, "utm_") || strings.HasPrefix(name, "at_medium") || strings.HasPrefix(name, "at_campaign") ||
		strings.HasPrefix(name, "xtor") || name == "fbclid" || name == "gclid"
}
