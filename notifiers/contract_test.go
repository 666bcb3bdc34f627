package notifiers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin"
	"tocsin/notifiers"
	"tocsin/notifiers/notifiertest"
)

const (
	canaryToken    = "xoxb-canary-token-17"
	canaryPassword = "canary-pass+word/17"
	channel        = "C024BE91L"
	mailbox        = "desk@example.org"
)

// sample is an alert with all its parts, in our own words.
func sample() tocsin.Alert {
	seen := time.Date(2026, 11, 3, 9, 2, 0, 0, time.UTC)
	excerpt := "The ministry regrets the sale of long-range rockets, and asks all states to stop the trade in rocket parts."
	at := strings.Index(excerpt, "long-range rockets")
	part := strings.Index(excerpt, "rocket parts")
	first := tocsin.Copy{
		Source: "fr-mfa", Title: "France regrets a sale of rockets", Publisher: "France: Ministry for Europe", Country: "FR",
		URL: "https://mfa.example/news/1?a=1&b=2", Item: "aa", Rev: 1, Published: seen.Add(-time.Hour), Seen: seen,
	}
	second := first
	second.Source, second.Publisher, second.Country, second.Item = "jp-mofa", "Japan: Foreign Ministry", "JP", "bb"
	return tocsin.Alert{
		ID: "a-1", Opened: seen, Copies: []tocsin.Copy{first, second}, Excerpt: excerpt, Revised: 1,
		Matches: []tocsin.Match{
			{Watchlist: "rockets", Spans: []tocsin.Span{{Term: `"long-range rocket*"`, Field: tocsin.FieldText, Start: at, End: at + 18}}},
			{Watchlist: "trade", Spans: []tocsin.Span{{Term: "rocket part*", Field: tocsin.FieldText, Start: part, End: part + 12}}},
		},
		Marks: []tocsin.Span{
			{Term: `"long-range rocket*"`, Field: tocsin.FieldText, Start: at, End: at + 18},
			{Term: "rocket part*", Field: tocsin.FieldText, Start: part, End: part + 12},
			{Term: "rocket*", Field: tocsin.FieldTitle, Start: 25, End: 32},
		},
	}
}

func sampleSummary() tocsin.Summary {
	return tocsin.Summary{Sources: 80, Answered: 61, Silent: []string{"Chad: Presidency"}, Watchlists: []string{"rockets"}, Matching: 3, Newest: []tocsin.Alert{sample()}}
}

// sampleChanges are a digest of one alert, and of what happened to two of an earlier one.
func sampleChanges() tocsin.Summary {
	return tocsin.Summary{Muted: true, Held: "digest", Watchlists: []string{"rockets"}, Matching: 1, Newest: []tocsin.Alert{sample()}, Changes: 2, Changed: []tocsin.Changed{{Alert: sample(), News: sampleNews()[1:]}}}
}

// sampleNews are a copy, a material change and a withdrawal.
func sampleNews() []tocsin.News {
	a := sample()
	gone := a.Copies[0]
	gone.Withdrawn = gone.Seen.Add(time.Hour)
	return []tocsin.News{
		{Kind: tocsin.Copied, Copy: a.Copies[1]},
		{Kind: tocsin.Revised, Copy: a.Copies[0], Changes: []tocsin.Change{{Field: tocsin.FieldText, Was: "48 states", Is: "50 states"}}, Material: true, Why: "numbers"},
		{Kind: tocsin.Withdrawn, Copy: gone},
	}
}

// deliveries are one of each kind that makes a new message.
func deliveries(to tocsin.Destination) []tocsin.Delivery {
	now := time.Now()
	return []tocsin.Delivery{
		{ID: "d-post", Kind: tocsin.Post, To: to, Alert: sample(), Since: now, Late: "slack was down"},
		{ID: "d-digest", Kind: tocsin.Digest, To: to, Summary: sampleSummary(), Since: now},
		{ID: "d-reply", Kind: tocsin.Reply, To: to, Alert: sample(), News: sampleNews(), Aloud: true, Since: now},
		{ID: "d-notice", Kind: tocsin.Notice, To: to, Text: "2 troubles:\n- mfa.example does not answer", Since: now},
		{ID: "d-changed", Kind: tocsin.Digest, To: to, Summary: sampleChanges(), Since: now},
	}
}

// A rig is a kind with its counterpart.
type rig struct {
	n       notifiers.Notifier
	to      tocsin.Destination
	arrived func() []string // what stands at the counterpart, whole
	cases   []outcomeCase
}

// An outcomeCase is what the counterpart does and what it must mean.
type outcomeCase struct {
	name    string
	set     func()
	want    tocsin.Verdict
	code    string
	arrives bool // the message is there all the same
}

var rigs = map[string]func(t *testing.T) rig{"slack": slackRig, "email": emailRig, "terminal": terminalRig}

func open(t *testing.T, c notifiers.Config) map[string]notifiers.Notifier {
	t.Helper()
	all, err := notifiers.New(c)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { notifiers.Close(all) })
	return all
}

func slackOverPipe(t *testing.T) (*notifiertest.Slack, notifiers.Notifier) {
	fake, p := notifiertest.NewSlack(canaryToken), notifiertest.NewPipe()
	stop := fake.Serve(p)
	t.Cleanup(func() { p.Close(); stop() })
	client := &http.Client{Transport: &http.Transport{DialContext: p.Dial}}
	return fake, open(t, notifiers.Config{Slack: notifiers.SlackConfig{Token: canaryToken, API: "http://localhost/api/", HTTP: client}})["slack"]
}

func slackRig(t *testing.T) rig {
	fake, n := slackOverPipe(t)
	fail := func(f notifiertest.Fault) func() {
		return func() { fake.Fail("chat.postMessage", f); fake.Fail("chat.update", f) }
	}
	code := func(c string) func() { return fail(notifiertest.Fault{Code: c}) }
	return rig{
		n: n, to: tocsin.Destination{Name: "duty", Kind: "slack", To: channel},
		arrived: func() (out []string) {
			for _, m := range fake.Messages(channel) {
				out = append(out, m.Text+string(m.Blocks))
			}
			return out
		},
		cases: []outcomeCase{
			{"429", fail(notifiertest.Fault{Status: 429, RetryAfter: 7}), tocsin.Rate, "429", false},
			{"429 without a time", fail(notifiertest.Fault{Status: 429}), tocsin.Rate, "429", false},
			{"rate_limited", code("rate_limited"), tocsin.Rate, "rate_limited", false},
			{"ratelimited", code("ratelimited"), tocsin.Rate, "ratelimited", false},
			{"message_limit_exceeded", code("message_limit_exceeded"), tocsin.Rate, "", false},
			{"service_unavailable", code("service_unavailable"), tocsin.Retry, "", false},
			{"fatal_error", code("fatal_error"), tocsin.Ambiguous, "", false},
			{"internal_error", code("internal_error"), tocsin.Ambiguous, "", false},
			{"request_timeout", code("request_timeout"), tocsin.Ambiguous, "", false},
			{"5xx not applied", fail(notifiertest.Fault{Status: 503}), tocsin.Ambiguous, "503", false},
			{"5xx applied", fail(notifiertest.Fault{Status: 502, Applied: true}), tocsin.Ambiguous, "502", true},
			{"broken before applying", fail(notifiertest.Fault{Reset: true}), tocsin.Ambiguous, "", false},
			{"broken after applying", fail(notifiertest.Fault{Reset: true, Applied: true}), tocsin.Ambiguous, "", true},
			{"no answer after applying", fail(notifiertest.Fault{Hang: true, Applied: true}), tocsin.Ambiguous, "", true},
			{"HTML with status 200", fail(notifiertest.Fault{Body: "<html>hello</html>"}), tocsin.Ambiguous, "", false},
			{"JSON that says nothing", fail(notifiertest.Fault{Body: "{}"}), tocsin.Ambiguous, "", false},
			{"refused without a code", fail(notifiertest.Fault{Body: `{"ok":false}`}), tocsin.Ambiguous, "", false},
			{"a proxy in between", fail(notifiertest.Fault{Status: 403}), tocsin.Retry, "403", false},
			{"a redirect", fail(notifiertest.Fault{Status: 302}), tocsin.Retry, "302", false},
			{"is_archived", code("is_archived"), tocsin.Gone, "is_archived", false},
			{"channel_not_found", code("channel_not_found"), tocsin.Gone, "", false},
			{"not_in_channel", code("not_in_channel"), tocsin.Gone, "", false},
			{"restricted_action_read_only_channel", code("restricted_action_read_only_channel"), tocsin.Gone, "", false},
			{"invalid_auth", code("invalid_auth"), tocsin.Install, "", false},
			{"missing_scope", code("missing_scope"), tocsin.Install, "missing_scope", false},
			{"token_revoked", code("token_revoked"), tocsin.Install, "", false},
			{"a code that is new", code("brand_new_code"), tocsin.Retry, "brand_new_code", false},
			{"blocks refused twice", func() { code("invalid_blocks")(); code("msg_too_long")() }, tocsin.Refused, "msg_too_long", false},
		},
	}
}

func emailOverPipe(t *testing.T) (*notifiertest.SMTP, notifiers.Notifier) {
	fake, p := notifiertest.NewSMTP(), notifiertest.NewPipe()
	fake.User, fake.Password = "tocsin@desk.example", canaryPassword
	stop := fake.Serve(p)
	t.Cleanup(func() { p.Close(); stop() })
	return fake, open(t, notifiers.Config{Email: notifiers.EmailConfig{
		SMTP: "smtp://localhost:2525", From: "tocsin <tocsin@desk.example>", Password: canaryPassword, Dial: p.Dial,
	}})["email"]
}

func emailRig(t *testing.T) rig {
	fake, n := emailOverPipe(t)
	mode := func(m notifiertest.Mode) func() { return func() { fake.Fail(m) } }
	return rig{
		n: n, to: tocsin.Destination{Name: "desk", Kind: "email", To: mailbox},
		arrived: func() (out []string) {
			for _, m := range fake.Mails() {
				out = append(out, string(m.Data))
			}
			return out
		},
		cases: []outcomeCase{
			{"450", mode(notifiertest.Greylist), tocsin.Retry, "450 4.2.1", false},
			{"550", mode(notifiertest.Unknown), tocsin.Gone, "550 5.1.1", false},
			{"554", mode(notifiertest.Denied), tocsin.Install, "554 5.7.1", false},
			{"full", mode(notifiertest.Full), tocsin.Retry, "552 5.2.2", false},
			{"too big", mode(notifiertest.TooBig), tocsin.Refused, "552 5.3.4", false},
			{"451 after the dot", mode(notifiertest.Refuse451), tocsin.Retry, "451 4.7.1", false},
			{"451 but stored", mode(notifiertest.Stored451), tocsin.Retry, "451 4.3.0", true},
			{"broken before the dot", mode(notifiertest.DropBeforeDot), tocsin.Ambiguous, "", false},
			{"broken after the dot", mode(notifiertest.DropAfterDot), tocsin.Ambiguous, "", true},
			{"no answer after the dot", mode(notifiertest.HangAfterDot), tocsin.Ambiguous, "", true},
		},
	}
}

// flaky is a terminal that can break.
type flaky struct {
	mu  sync.Mutex
	out []string
	err error
}

func (f *flaky) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.err; err != nil {
		f.err = nil
		return 0, err
	}
	f.out = append(f.out, string(p))
	return len(p), nil
}

func terminalRig(t *testing.T) rig {
	out := &flaky{}
	return rig{
		n: open(t, notifiers.Config{Terminal: out})["terminal"], to: tocsin.Destination{Name: "here", Kind: "terminal"},
		arrived: func() []string { return out.out },
		cases:   []outcomeCase{{"closed", func() { out.err = errors.New("broken pipe") }, tocsin.Retry, "", false}},
	}
}

// send prepares and sends once, with a minute to do it.
func send(t *testing.T, n notifiers.Notifier, d tocsin.Delivery) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := n.Prepare(ctx, d)
	if err != nil {
		return "", err
	}
	defer r.Close()
	return r.Send(ctx)
}

func TestContract(t *testing.T) {
	for _, k := range notifiers.Kinds {
		make, ok := rigs[k.Name]
		if !ok {
			t.Errorf("kind %s has no rig: give it a counterpart", k.Name)
			continue
		}
		for name, rule := range contract {
			t.Run(k.Name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { rule(t, k, make(t)) })
			})
		}
	}
}

var contract = map[string]func(*testing.T, notifiers.Kind, rig){
	"each delivery arrives once":          everyKindArrives,
	"nothing leaves after its time":       nothingLate,
	"nothing leaves unless sent":          nothingUnsent,
	"outcomes are what the provider said": outcomesAreTyped,
	"a cancelled send ends with a word":   cancelled,
	"a repeat is marked":                  repeatMarked,
	"edits change and never add":          editsNeverAdd,
	"a reply says what happened":          repliesTell,
	"an address is checked":               addressChecked,
	"credentials can be tried":            credentialsTried,
	"hostile text is accepted":            hostileAccepted,
}

func everyKindArrives(t *testing.T, _ notifiers.Kind, r rig) {
	for i, d := range deliveries(r.to) {
		ref, err := send(t, r.n, d)
		if err != nil || ref == "" {
			t.Fatalf("send %s = %q, %v; want a ref", d.Kind, ref, err)
		}
		if got := len(r.arrived()); got != i+1 {
			t.Errorf("%d messages after %s, want %d", got, d.Kind, i+1)
		}
	}
}

func nothingLate(t *testing.T, _ notifiers.Kind, r rig) {
	for _, d := range deliveries(r.to) {
		for _, when := range []string{"before Prepare", "between Prepare and Send"} {
			d.NotAfter = time.Now().Add(-time.Millisecond)
			if when != "before Prepare" {
				d.NotAfter = time.Now().Add(time.Second)
			}
			ready, err := r.n.Prepare(t.Context(), d)
			if err == nil {
				time.Sleep(2 * time.Second)
				_, err = ready.Send(t.Context())
				ready.Close()
			}
			if got := tocsin.VerdictOf(err); err == nil || got != tocsin.Withheld {
				t.Errorf("%s late %s: verdict %q (%v), want withheld", d.Kind, when, got, err)
			}
		}
	}
	if got := r.arrived(); len(got) != 0 {
		t.Errorf("%d messages arrived after their time", len(got))
	}
	d := deliveries(r.to)[0]
	d.NotAfter = time.Now().Add(time.Minute)
	if _, err := send(t, r.n, d); err != nil {
		t.Errorf("in time after being late: %v", err)
	}
}

func nothingUnsent(t *testing.T, _ notifiers.Kind, r rig) {
	for range 3 {
		ready, err := r.n.Prepare(t.Context(), deliveries(r.to)[0])
		if err != nil {
			t.Fatal(err)
		}
		ready.Close()
	}
	if got := r.arrived(); len(got) != 0 {
		t.Errorf("%d messages arrived that nobody sent", len(got))
	}
}

func outcomesAreTyped(t *testing.T, _ notifiers.Kind, r rig) {
	for _, c := range r.cases {
		before := len(r.arrived())
		c.set()
		d := deliveries(r.to)[0]
		d.ID = "d-" + strings.ReplaceAll(c.name, " ", "-")
		_, err := send(t, r.n, d)
		o, ok := errors.AsType[*tocsin.Outcome](err)
		if !ok {
			t.Fatalf("%s: error %v holds no outcome", c.name, err)
		}
		if o.Verdict != c.want || c.code != "" && o.Code != c.code {
			t.Errorf("%s: %s %q (%v), want %s %q", c.name, o.Verdict, o.Code, o.Err, c.want, c.code)
		}
		if (o.Verdict == tocsin.Rate) != (o.After > 0) {
			t.Errorf("%s: verdict %s with After %v", c.name, o.Verdict, o.After)
		}
		if arrived := len(r.arrived()) > before; arrived != c.arrives {
			t.Errorf("%s: arrived %v, want %v", c.name, arrived, c.arrives)
		}
		noSecret(t, err.Error())
		if _, err := send(t, r.n, deliveries(r.to)[1]); err != nil {
			t.Errorf("after %s the next message fails: %v", c.name, err)
		}
	}
}

func noSecret(t *testing.T, text string) {
	t.Helper()
	for _, s := range []string{canaryToken, canaryPassword} {
		if strings.Contains(text, s) {
			t.Errorf("a secret is in %q", text)
		}
	}
}

func cancelled(t *testing.T, _ notifiers.Kind, r rig) {
	ready, err := r.n.Prepare(t.Context(), deliveries(r.to)[0])
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ready.Send(ctx); err != nil {
		if _, ok := errors.AsType[*tocsin.Outcome](err); !ok {
			t.Errorf("error %v holds no outcome", err)
		}
		if got := r.arrived(); len(got) != 0 && tocsin.VerdictOf(err) == tocsin.Retry {
			t.Errorf("arrived, but the verdict is %v", err)
		}
	}
}

func repeatMarked(t *testing.T, _ notifiers.Kind, r rig) {
	for _, d := range deliveries(r.to) {
		d.Repeat = true
		if _, err := send(t, r.n, d); err != nil {
			t.Fatal(err)
		}
		got := r.arrived()
		if last := got[len(got)-1]; !strings.Contains(last, "possible repeat") {
			t.Errorf("%s: not marked as a possible repeat:\n%s", d.Kind, last)
		}
	}
}

func editsNeverAdd(t *testing.T, k notifiers.Kind, r rig) {
	d := deliveries(r.to)[0]
	ref, err := send(t, r.n, d)
	if err != nil {
		t.Fatal(err)
	}
	d.ID, d.Kind, d.Ref = "d-edit", tocsin.Edit, ref
	third := d.Alert.Copies[0]
	third.Source, third.Publisher = "cl-mfa", "Chile: Foreign Ministry"
	d.Alert.Copies = append(d.Alert.Copies, third)
	before := len(r.arrived())
	_, err = send(t, r.n, d)
	if !k.Edits {
		if tocsin.VerdictOf(err) != tocsin.NoEdit {
			t.Errorf("edit: %v, want verdict edit", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	got := r.arrived()
	if k.Name != "terminal" && len(got) != before {
		t.Errorf("%d messages after an edit, want %d", len(got), before)
	}
	if !strings.Contains(got[len(got)-1], "Chile: Foreign Ministry") {
		t.Errorf("the edit does not show the new publisher:\n%s", got[len(got)-1])
	}
}

func repliesTell(t *testing.T, _ notifiers.Kind, r rig) {
	ds := deliveries(r.to)
	ref, err := send(t, r.n, ds[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, under := range []string{ref, ""} {
		d := ds[2]
		d.ID += under
		d.Ref = under
		if _, err := send(t, r.n, d); err != nil {
			t.Fatal(err)
		}
		got := r.arrived()
		last := strings.ReplaceAll(strings.ReplaceAll(got[len(got)-1], "=\r\n", ""), "\n  ", " ")
		for _, want := range []string{
			"also published by Japan: Foreign Ministry (JP)", "material change by France: Ministry for Europe (FR): numbers: 48 states",
			"50 states", "withdrawn by France: Ministry for Europe (FR), 3 Nov 2026 10:02 UTC", "France regrets a sale of rockets", "https://mfa.example/news/1",
		} {
			if !strings.Contains(last, want) {
				t.Errorf("under %q: the reply does not say %q:\n%s", under, want, last)
			}
		}
	}
}

func addressChecked(t *testing.T, k notifiers.Kind, r rig) {
	if err := k.CheckTo(r.to.To); err != nil {
		t.Errorf("CheckTo(%q) = %v", r.to.To, err)
	}
	for _, bad := range []string{"#general", "nobody", "a@b\r\nBcc: x@y.example", "Desk <desk@example.org>", "two@example.org, three@example.org", " "} {
		if err := k.CheckTo(bad); err == nil {
			t.Errorf("CheckTo(%q) = nil, want an error that says how to write one", bad)
		}
	}
}

func credentialsTried(t *testing.T, _ notifiers.Kind, r rig) {
	c, ok := r.n.(notifiers.Checker)
	if !ok {
		t.Fatal("no Checker")
	}
	if err := c.Check(t.Context()); err != nil {
		t.Errorf("Check = %v", err)
	}
	if got := r.arrived(); len(got) != 0 {
		t.Error("Check sent something")
	}
}

func hostileAccepted(t *testing.T, _ notifiers.Kind, r rig) {
	g := newGrammar(7)
	for i := range 40 {
		d := g.delivery(r.to)
		d.ID = fmt.Sprint("d-", i)
		if _, err := send(t, r.n, d); err != nil {
			t.Fatalf("hostile delivery %d of kind %s: %v", i, d.Kind, err)
		}
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := notifiers.New(notifiers.Config{
		Slack: notifiers.SlackConfig{Token: canaryToken, API: "http://slack.example/api/"},
		Email: notifiers.EmailConfig{SMTP: "mail.example:25", From: "tocsin@desk.example", Password: canaryPassword},
	})
	if err == nil || !strings.Contains(err.Error(), "slack: ") || !strings.Contains(err.Error(), "email: ") {
		t.Fatalf("New = %v, want a fault of slack and one of email", err)
	}
	noSecret(t, err.Error())
	var none bytes.Buffer
	all, err := notifiers.New(notifiers.Config{Terminal: &none})
	if err != nil || len(all) != 1 {
		t.Errorf("New(terminal) = %d kinds, %v; want 1", len(all), err)
	}
}
