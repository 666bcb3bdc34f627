package feeds

import (
	"net/url"
	"regexp"
	"strings"

	"tocsin"
)

// A lead is an address that may be one of what is looked for, and how it was
// found.
type lead struct {
	url     string
	kind    string // what to read it as; "" means that it shows
	how     string // for people: "named by the page"
	rank    int    // how good a way it is to be found
	title   string // as who named it calls it
	listing tocsin.Listing
}

const (
	byAddress = 40 // the address itself, or what its host is known for
	byName    = 30 // a page names it as its feed
	byLink    = 15 // a page links to it
	byGuess   = 5  // sites often have it there
)

// places are where the channels of well-known hosts have their feeds: sources are
// what their own help pages say, and the addresses that their pages name.
func places(u *url.URL) (leads []lead, refuse string) {
	host := strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(u.Hostname()), "www."), "m.")
	path := strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' })
	at := func(i int) string {
		if i < len(path) {
			return path[i]
		}
		return ""
	}
	one := func(where, how string) []lead {
		return []lead{{url: where, kind: "feed", how: how, rank: byAddress}}
	}
	switch {
	case host == "t.me" || host == "telegram.me":
		return telegram(path), ""
	case host == "bsky.app" && at(0) == "profile" && at(1) != "":
		return one("https://bsky.app/profile/"+url.PathEscape(at(1))+"/rss", "the feed of a Bluesky account"), ""
	case host == "youtube.com":
		return youtube(u, path), ""
	case (host == "reddit.com" || host == "old.reddit.com") && at(0) == "r" && at(1) != "":
		return one("https://www.reddit.com/r/"+url.PathEscape(at(1))+"/new/.rss", "the feed of a subreddit, newest first"), ""
	case (host == "reddit.com" || host == "old.reddit.com") && (at(0) == "user" || at(0) == "u") && at(1) != "":
		return one("https://www.reddit.com/user/"+url.PathEscape(at(1))+"/.rss", "the feed of a Reddit account"), ""
	case host == "github.com" && at(0) != "":
		return github(path), ""
	case host == "gitlab.com" && at(1) != "" && at(2) == "":
		return one("https://gitlab.com/"+url.PathEscape(at(0))+"/"+url.PathEscape(at(1))+"/-/tags?format=atom", "the tags of a GitLab project"), ""
	case host == "medium.com" && at(0) != "" && at(0) != "feed":
		return one("https://medium.com/feed/"+url.PathEscape(at(0)), "the feed of a Medium account"), ""
	case under(host, "medium.com"), under(host, "substack.com"), under(host, "wordpress.com"), under(host, "ghost.io"):
		return one("https://"+u.Host+"/feed/", "the feed of such a site"), ""
	case under(host, "blogspot.com"):
		return one("https://"+u.Host+"/feeds/posts/default", "the feed of a Blogger site"), ""
	case under(host, "tumblr.com"):
		return one("https://"+u.Host+"/rss", "the feed of a Tumblr blog"), ""
	case host == "vimeo.com" && at(0) != "":
		return one("https://vimeo.com/"+url.PathEscape(at(0))+"/videos/rss", "the feed of a Vimeo account"), ""
	case host == "gov.uk":
		return govUK(u, path), ""
	case host == "x.com" || host == "twitter.com" || host == "facebook.com" || host == "instagram.com" || host == "linkedin.com" || host == "threads.net" || host == "tiktok.com":
		return nil, host + " shows what is published only to who is logged in: look for the same publisher's own site, or for its channel at Telegram, Mastodon, Bluesky or YouTube"
	case len(path) == 1 && strings.HasPrefix(path[0], "@") && !strings.HasSuffix(path[0], ".rss"): // Mastodon, on any host
		name, home, remote := strings.Cut(strings.TrimPrefix(path[0], "@"), "@")
		if remote && strings.Contains(home, ".") {
			return one("https://"+home+"/@"+url.PathEscape(name)+".rss", "the feed of a Mastodon account"), ""
		}
		return one(u.Scheme+"://"+u.Host+"/@"+url.PathEscape(name)+".rss", "the feed of a Mastodon account"), ""
	}
	return nil, ""
}

func under(host, domain string) bool { return strings.HasSuffix(host, "."+domain) }

// telegram has no feeds: the preview of a channel, for who has no app, lists its
// newest messages.
func telegram(path []string) []lead {
	if len(path) > 0 && path[0] == "s" {
		path = path[1:]
	}
	if len(path) == 0 || strings.HasPrefix(path[0], "+") || path[0] == "joinchat" {
		return nil
	}
	return []lead{{
		url: "https://t.me/s/" + url.PathEscape(path[0]), kind: "page", how: "the preview of a Telegram channel", rank: byAddress,
		listing: tocsin.Listing{
			Entry: ".tgme_widget_message_wrap", Title: ".tgme_widget_message_text",
			Link: "a.tgme_widget_message_date@href", Date: "a.tgme_widget_message_date time@datetime",
		},
	}}
}

func youtube(u *url.URL, path []string) []lead {
	feed := func(key, id string) []lead {
		return []lead{{
			url:  "https://www.youtube.com/feeds/videos.xml?" + url.Values{key: {id}}.Encode(),
			kind: "feed", how: "the feed of a YouTube channel", rank: byAddress,
		}}
	}
	switch list := u.Query().Get("list"); {
	case list != "":
		return feed("playlist_id", list)
	case len(path) > 1 && path[0] == "channel":
		return feed("channel_id", path[1])
	case len(path) > 1 && path[0] == "user":
		return feed("user", path[1])
	}
	return nil // the page of a handle names its channel
}

// youtubeChannel is how a page of a channel names it where it names no feed.
var youtubeChannel = regexp.MustCompile(`"(?:channelId|externalId)":"(UC[A-Za-z0-9_-]{22})"`)

func github(path []string) []lead {
	base := "https://github.com/" + url.PathEscape(path[0])
	if len(path) == 1 {
		return []lead{{url: base + ".atom", kind: "feed", how: "what a GitHub account does", rank: byAddress}}
	}
	if strings.HasSuffix(path[len(path)-1], ".atom") {
		return nil
	}
	base += "/" + url.PathEscape(path[1])
	return []lead{
		{url: base + "/releases.atom", kind: "feed", how: "the releases of a GitHub project", rank: byAddress},
		{url: base + "/commits.atom", kind: "feed", how: "the commits of a GitHub project", rank: byAddress - 10},
	}
}

// govUK: organisations, people, topics and searches have an Atom feed each.
func govUK(u *url.URL, path []string) []lead {
	if len(path) < 2 || strings.HasSuffix(u.Path, ".atom") {
		return nil
	}
	switch path[0] {
	case "government", "search", "world":
		feed := *u
		feed.Path = strings.TrimSuffix(u.Path, "/") + ".atom"
		return []lead{{url: feed.String(), kind: "feed", how: "the feed of such a page of GOV.UK", rank: byAddress}}
	}
	return nil
}

// usual are where sites have their feeds, by what makes them; most likely first.
func (p *probedPage) usual(at *url.URL) (leads []lead) {
	add := func(ref, how string) {
		if u, err := at.Parse(ref); err == nil {
			leads = append(leads, lead{url: u.String(), kind: "feed", how: how, rank: byGuess})
		}
	}
	made := strings.ToLower(p.generator)
	folder := strings.TrimSuffix(at.Path, "/") + "/"
	switch {
	case strings.Contains(made, "wordpress"):
		if folder != "/" && at.RawQuery == "" {
			add(folder+"feed/", "WordPress has the feed of a section there")
		}
		add("/feed/", "WordPress has its feed there")
	case strings.Contains(made, "drupal"):
		add("/rss.xml", "Drupal has its feed there")
	case strings.Contains(made, "spip"):
		add("/spip.php?page=backend", "SPIP has its feed there")
	case strings.Contains(made, "joomla"):
		add(at.Path+"?format=feed&type=rss", "Joomla has its feed there")
	case strings.Contains(made, "hugo"), strings.Contains(made, "jekyll"):
		add(folder+"index.xml", "such sites have their feed there")
	}
	const how = "sites often have their feed there"
	if lang, _, ok := strings.Cut(strings.TrimPrefix(at.Path, "/"), "/"); ok && len(lang) == 2 {
		add("/"+lang+"/rss.xml", how)
		add("/"+lang+"/feed/", how)
	}
	for _, ref := range []string{"/feed/", "/rss.xml", "/feed.xml", "/rss", "/atom.xml"} {
		add(ref, how)
	}
	return leads
}
