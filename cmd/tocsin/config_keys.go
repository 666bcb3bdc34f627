package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones are known where the system has no list of them

	"github.com/goccy/go-yaml/ast"
	"golang.org/x/text/language"

	"tocsin"
	"tocsin/feeds"
)

// top are the keys of a configuration.
func (r *reader) top() keys {
	c := r.c
	return keys{
		"revision":      r.number(&c.Revision, "a whole number from 0", func(int) bool { return true }),
		"builtin":       r.flag(&r.builtin),
		"contact":       r.text(&c.Contact, isContact),
		"operators":     r.list(r.operator),
		"sources":       r.list(r.source),
		"watchlists":    r.names("watchlist", r.watchlist),
		"lists":         r.names("list", r.terminology),
		"destinations":  r.names("destination", r.destination),
		"subscriptions": r.list(r.subscription),
		"slack":         r.slack,
		"email": r.section(keys{
			"smtp":     r.text(&c.Email.SMTP, isSMTP),
			"tls":      r.text(&r.tls, isOneOf("required", "none")),
			"from":     r.text(&c.Email.From, isAddress),
			"user":     r.text(&c.Email.User),
			"password": r.secret(&c.Email.Password),
		}),
		"fetch": r.section(keys{
			"proxy": r.text(&c.Fetch.Proxy, isProxy),
			"ca":    r.file(&c.Fetch.CA, isPEM),
			"allow": r.list(r.allow),
		}),
		"heartbeat": r.secret(&c.Heartbeat),
		"listen": r.section(keys{
			"private": r.text(&c.Listen.Private, isListen),
			"public":  r.text(&c.Listen.Public, isListen),
		}),
		"public_url": r.publicURL,
		"nats": r.section(keys{
			"url":      r.text(&c.NATS.URL, isNATS),
			"creds":    r.file(&c.NATS.Creds),
			"ca":       r.file(&c.NATS.CA, isPEM),
			"cert":     r.file(&c.NATS.Cert),
			"key":      r.file(&c.NATS.Key),
			"replicas": r.number(&c.NATS.Replicas, "1, 3 or 5", func(n int) bool { return n == 1 || n == 3 || n == 5 }),
		}),
		"items": r.section(keys{"keep": r.span(&c.Items.Keep, day)}),
		"log": r.section(keys{
			"level":  r.level,
			"format": r.text(&c.Log.Format, isOneOf("text", "json")),
		}),
		"data": r.path(&c.Data),
	}
}

func (r *reader) level(n ast.Node, what string) {
	var s string
	r.text(&s, isOneOf("debug", "info", "warn", "error"))(n, what)
	_ = r.c.Log.Level.UnmarshalText([]byte(s)) // a word that it does not know is a fault by now
}

func (r *reader) operator(n ast.Node, what string) {
	var name string
	r.text(&name)(n, what)
	if name == "" {
		return
	}
	r.refer("destination", name, n)
	if slices.Contains(r.c.Operators, name) {
		r.fault(n, "operators names %q twice", name)
	}
	r.c.Operators = append(r.c.Operators, name)
}

func (r *reader) source(n ast.Node, _ string) {
	s := tocsin.Source{Kind: "feed"}
	given := r.mapping(n, "a source", keys{
		"id":      r.text(&s.ID, isName),
		"kind":    r.kind(&s.Kind, r.Kinds.Sources),
		"title":   r.text(&s.Title),
		"url":     r.text(&s.URL, isWeb),
		"country": r.text(&s.Country, isCountry),
		"lang":    r.text(&s.Lang, isLang),
		"zone":    r.text(&s.Zone, isZone),
		"every":   r.span(&s.Every, 10*time.Second),
		"listing": func(n ast.Node, what string) { r.listing(&s.Listing, n) },
		"archive": r.text(&s.Archive, isWeb),
	})
	if shape(n) != aMapping {
		return
	}
	if s.Listing != (tocsin.Listing{}) && s.Kind != "page" {
		r.fault(given["listing"], "listing is for sources of kind page")
	}
	if id := given["id"]; id != nil && s.ID != "" {
		r.declare("source", s.ID, id)
	} else if id == nil {
		r.fault(n, "a source needs an id")
	}
	if given["url"] == nil {
		hint := ""
		if slices.ContainsFunc(r.Loader.Sources, func(b tocsin.Source) bool { return b.ID == s.ID }) {
			hint = "; it replaces the built-in one whole"
		}
		r.fault(n, "source %q needs a url%s", s.ID, hint)
	}
	r.c.Sources = append(r.c.Sources, s)
}

// listing reads where entries stand on a page.
func (r *reader) listing(l *tocsin.Listing, n ast.Node) {
	r.mapping(n, "listing", keys{
		"entry": r.text(&l.Entry),
		"title": r.text(&l.Title),
		"link":  r.text(&l.Link),
		"date":  r.text(&l.Date),
	})
	if err := feeds.CheckListing(*l); err != nil {
		r.fault(n, "%v", err)
	}
}

func (r *reader) destination(name string, at, n ast.Node) {
	d := tocsin.Destination{Name: name}
	given := r.mapping(n, fmt.Sprintf("destination %q", name), keys{
		"kind":  r.kind(&d.Kind, r.Kinds.Destinations),
		"to":    r.text(&d.To),
		"owner": r.text(&d.Owner, isAddress),

		"workspace": r.text(&d.Workspace),
		"mention":   r.text(&d.Mention, isMention),
		"owner_id":  r.text(&d.OwnerID, isPerson),
	})
	if shape(n) != aMapping {
		return
	}
	if given["kind"] == nil {
		r.fault(at, "destination %q needs a kind: %s", name, strings.Join(r.Kinds.Destinations, ", "))
	} else if slices.Contains(r.Kinds.Destinations, d.Kind) && (d.To != "" || given["to"] == nil) {
		if err := r.Kinds.CheckTo(d.Kind, d.To); err != nil {
			to := given["to"]
			if to == nil {
				to = at
			}
			r.fault(to, "destination %q: to: %v", name, err)
		}
	}
	r.c.Destinations = append(r.c.Destinations, d)
	r.places = append(r.places, at)
}

func (r *reader) subscription(n ast.Node, _ string) {
	var s tocsin.Subscription
	given := r.mapping(n, "a subscription", r.subscriptionKeys(&s))
	if shape(n) != aMapping {
		return
	}
	for _, key := range []string{"watchlist", "to"} {
		if given[key] == nil {
			r.fault(n, "a subscription needs watchlist and to; %s is missing", key)
		}
	}
	if s.Watchlist == "" || s.To == "" {
		return
	}
	r.refer("watchlist", s.Watchlist, given["watchlist"])
	r.refer("destination", s.To, given["to"])
	if slices.ContainsFunc(r.c.Subscriptions, func(o tocsin.Subscription) bool { return o.Watchlist == s.Watchlist && o.To == s.To }) {
		r.fault(n, "the subscription of %q to %q is given twice", s.To, s.Watchlist)
	}
	r.checkPolicy(n, s)
	r.c.Subscriptions = append(r.c.Subscriptions, s)
	r.at("subscription."+s.Watchlist+"."+s.To, n)
}

func (r *reader) allow(n ast.Node, what string) {
	var s string
	r.text(&s)(n, what)
	if s == "" {
		return
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		r.fault(n, "%s must be a prefix such as 10.1.0.0/16 or fd00::/8", what)
	case p != p.Masked():
		r.fault(n, "%s has bits beyond its length: write %s", what, p.Masked())
	default:
		r.c.Fetch.Allow = append(r.c.Fetch.Allow, p)
	}
}

func (r *reader) kind(into *string, known []string) take {
	return func(n ast.Node, what string) {
		if r.text(into)(n, what); shape(n) == aText && *into != "" && !slices.Contains(known, *into) {
			r.unknown(n, "kind", *into, known)
		}
	}
}

// declare notes a name that the file gives, and that it is given once.
func (r *reader) declare(what, name string, at ast.Node) {
	d := declaration{what, name}
	if first, ok := r.declared[d]; ok {
		r.fault(at, "%s %q is given twice; first on line %d", what, name, first.line)
		return
	}
	r.declared[d] = placeOf(at)
	r.at(what+"."+name, at)
}

// at notes where the file says what WATCH keeps under key.
func (r *reader) at(key string, n ast.Node) {
	r.c.At[key] = fmt.Sprintf("%s:%d", r.c.File, placeOf(n).line)
}

// refer notes that the file names an entry, which check looks for when all is
// read.
func (r *reader) refer(what, name string, at ast.Node) {
	d := declaration{what, name}
	r.refs = append(r.refs, reference{d, at})
	r.used[d] = true
}

// check finds the faults that only the whole file shows.
func (r *reader) check() {
	for _, ref := range r.refs {
		if known := r.known(ref.what); !slices.Contains(known, ref.name) {
			r.unknown(ref.at, ref.what, ref.name, known)
		}
	}
	r.checkQueries()
	r.checkDestinations()
	r.checkWorkspaces()
	r.checkEmail()
	r.checkPublic()
	cert, key := r.given["nats.cert"], r.given["nats.key"]
	if cert != nil && key == nil {
		r.fault(cert, "nats.cert needs nats.key beside it")
	}
	if key != nil && cert == nil {
		r.fault(key, "nats.key needs nats.cert beside it")
	}
}

// known are the names that a reference may use.
func (r *reader) known(what string) []string {
	var out []string
	for d := range r.declared {
		if d.what == what {
			out = append(out, d.name)
		}
	}
	switch {
	case what == "destination":
		out = append(out, TerminalName)
	case what == "watchlist" && r.builtin:
		for _, w := range r.Loader.Watchlists {
			out = append(out, w.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (r *reader) checkDestinations() {
	for i, d := range r.c.Destinations {
		switch {
		case d.Kind == "slack" && r.given["slack.token"] == nil:
			r.fault(r.places[i], "destination %q is of kind slack, which needs slack: {token: {env: NAME}}", d.Name)
		case d.Kind == "email" && (r.given["email.smtp"] == nil || r.given["email.from"] == nil):
			r.fault(r.places[i], "destination %q is of kind email, which needs email: {smtp: \"smtp://…\", from: …}", d.Name)
		}
	}
}

// checkEmail sees that no password crosses a network in clear, and makes
// email.tls a part of the server's address.
func (r *reader) checkEmail() {
	e := &r.c.Email
	user, password := r.given["email.user"], r.given["email.password"]
	if user != nil && password == nil {
		r.fault(user, "email.user needs email.password beside it")
	}
	u, err := url.Parse(e.SMTP)
	if err != nil || r.tls == "" {
		return
	}
	if r.tls == "none" && u.Scheme == "smtps" {
		r.fault(r.given["email.tls"], "email.tls is none, but smtps:// is TLS from the first byte; write smtp://")
	}
	if r.tls == "none" && password != nil && !isLoopback(u.Hostname()) {
		r.fault(password, "email.password would cross the network in clear; email.tls must not be none")
	}
	if e.SMTP != "" {
		e.SMTP += "?tls=" + r.tls
	}
}

// The checks of single values. Their errors follow the key's name, and none of
// them repeats a value that may hold a password.

func isName(s string) error {
	if !tocsin.Name.MatchString(s) {
		return fmt.Errorf("%q is no name: use a-z, 0-9, - and _, at most 64, beginning with a letter or digit", s)
	}
	return nil
}

func isOneOf(words ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("must be one of %s, not %q", strings.Join(words, ", "), s)
		}
		return nil
	}
}

// isURL reports what is wrong with an address that must have one of schemes.
func isURL(s string, schemes ...string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || strings.ContainsAny(s, " \u00a0"):
		return nil, fmt.Errorf("must be an address such as %s://host.example", schemes[0])
	case !slices.Contains(schemes, u.Scheme):
		return nil, fmt.Errorf("must begin with %s://", strings.Join(schemes, ":// or "))
	case u.User != nil:
		return nil, errors.New("must not hold a user or a password")
	}
	if p := u.Port(); p != "" && !isPort(p) {
		return nil, fmt.Errorf("has no port %s: ports end at 65535", p)
	}
	return u, nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n <= 65535
}

func isWeb(s string) error {
	_, err := isURL(s, "http", "https")
	return err
}

func isProxy(s string) error {
	if u, err := url.Parse(s); err == nil && u.User != nil {
		return errors.New("must not hold a user or a password; leave fetch.proxy out and set HTTPS_PROXY in the environment")
	}
	return isWeb(s)
}

func isAPI(s string) error {
	u, err := isURL(s, "https", "http")
	switch {
	case err != nil:
		return err
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("would send the token in clear; it must begin with https://")
	case !strings.HasSuffix(u.Path, "/"):
		return errors.New(`must end in "/", as https://slack.com/api/ does`)
	}
	return nil
}

func isSMTP(s string) error {
	u, err := url.Parse(s)
	if err == nil && u.User != nil {
		return errors.New("must not hold a user or a password; they belong in email.user and email.password")
	}
	if _, err := isURL(s, "smtp", "smtps"); err != nil {
		return err
	}
	switch {
	case strings.Contains(s, "?"):
		return errors.New("must end after the port; how to encrypt is told by email.tls: required or none")
	case u.Path != "" || u.Fragment != "":
		return errors.New("must end after the port")
	}
	return nil
}

func isNATS(s string) error {
	for one := range strings.SplitSeq(s, ",") {
		if u, err := url.Parse(one); err == nil && u.User != nil {
			return errors.New("must not hold a user or a password; use nats.creds")
		}
		if _, err := isURL(one, "nats", "tls", "ws", "wss"); err != nil {
			return err
		}
	}
	return nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func isListen(s string) error {
	if _, port, err := net.SplitHostPort(s); err != nil || !isPort(port) {
		return errors.New("must be host:port, such as 127.0.0.1:9464")
	}
	return nil
}

func isPEM(text []byte) error {
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return errors.New("holds no certificate in PEM form")
	}
	return nil
}

func isAddress(s string) error {
	if _, err := mail.ParseAddress(s); err != nil {
		return fmt.Errorf("%q is no mail address", s)
	}
	return nil
}

func isContact(s string) error {
	ascii := !strings.ContainsFunc(s, func(c rune) bool { return c > '~' })
	if !ascii || isAddress(s) != nil && isWeb(s) != nil {
		return errors.New("must be a mail address or a web address: publishers find it in the User-Agent")
	}
	return nil
}

var alpha2 = regexp.MustCompile(`^[A-Z]{2}$`)

func isCountry(s string) error {
	c, err := language.ParseRegion(s)
	switch {
	case err != nil || !c.IsCountry():
		return fmt.Errorf("%q is no country: use two letters of ISO 3166-1, such as FR", s)
	case !alpha2.MatchString(s) || c.Canonicalize().String() != s:
		return fmt.Errorf("%q is written %s", s, c.Canonicalize())
	}
	return nil
}

func isLang(s string) error {
	if _, err := language.Parse(s); err != nil {
		return fmt.Errorf("%q is no language tag: write fr, en or zh-Hant", s)
	}
	return nil
}

func isZone(s string) error {
	if _, err := time.LoadLocation(s); err != nil || s == "Local" {
		return fmt.Errorf("%q is no time zone: write Europe/Paris or UTC", s)
	}
	return nil
}

// nearest is the known word that a person most likely meant, or "".
func nearest(word string, known []string) string {
	best, near := max(1, len(word)/3)+1, ""
	for _, k := range known {
		if d := distance(word, k); d < best {
			best, near = d, k
		}
	}
	return near
}

// distance is the number of letters to put in, take out or change to make a
// into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
