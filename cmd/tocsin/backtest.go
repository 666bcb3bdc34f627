package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin"
	"tocsin/pipeline"
	"tocsin/pipeline/watchlist"
)

type watchlistBacktestCmd struct {
	Name  string `arg:"" optional:"" help:"The watchlist."`
	Query string `placeholder:"Q" help:"The query; with NAME, what it would find more or less than the watchlist in force."`
	File  string `placeholder:"FILE" help:"A file with the query."`
	Stem  bool   `help:"Plain words of the query find their inflected forms."`
	Since string `default:"30d" placeholder:"30d" help:"How far back: a time such as 30d or 12h, a date, or all."`
	Limit int    `short:"n" default:"5" help:"How many of the newest statements are shown with their words."`
	Apply bool   `help:"Then send what it finds and nobody was told of, marked \"earlier\"."`
	Yes   bool   `help:"Do not ask before --apply."`
	changer
}

func (watchlistBacktestCmd) Help() string {
	return `Reads what is stored and sends nothing, unless --apply says so. A statement counts
once, however many published it. Statements that were there when their source was
first read count in the week of their own date.

EXIT STATUS  0 done · 1 an error, or --apply was declined · 2 wrong usage or a bad query`
}

func (c watchlistBacktestCmd) Run(a *app) error {
	since, err := c.since()
	if err != nil {
		return err
	}
	switch given := c.Query != "" || c.File != ""; {
	case c.Query != "" && c.File != "":
		return usageError(errors.New("watchlist backtest: --query or --file, not both"))
	case !given && c.Name == "":
		return usageError(errors.New("watchlist backtest: name a watchlist, or give a --query"))
	case given && c.Apply:
		return usageError(errors.New("watchlist backtest: --apply sends alerts of a watchlist in force: save the query first, with tocsin watchlist edit"))
	}
	v, err := a.vocabulary()
	if err != nil {
		return err
	}
	return a.logs(func(l *pipeline.Logs) error { return c.run(a, l, v, since) })
}

// since is the time to begin with; zero is the beginning.
func (c watchlistBacktestCmd) since() (time.Time, error) {
	if c.Since == "all" {
		return time.Time{}, nil
	}
	if d, err := duration(c.Since); err == nil && d > 0 {
		return time.Now().Add(-d), nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, c.Since); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError(fmt.Errorf("--since %q is no time: write 30d, 12h, 2024-01-10 or all", c.Since))
}

func (c watchlistBacktestCmd) run(a *app, l *pipeline.Logs, v *vocabulary, since time.Time) error {
	wanted, err := l.Wanted(a.ctx)
	if err != nil {
		return err
	}
	v.wanted, v.looked = wanted, true
	b, err := c.prepare(a, v, wanted, since)
	if err != nil {
		return err
	}
	b.stream = true
	if err := b.run(l); err != nil {
		return err
	}
	if err := b.print(); err != nil || !c.Apply {
		return err
	}
	return c.apply(a, l, wanted, b, since)
}

// prepare is the backtest that is asked for. What is in force under the name is
// compared with what is given, or with what the configuration says by now.
func (c watchlistBacktestCmd) prepare(a *app, v *vocabulary, wanted *pipeline.Wanted, since time.Time) (*backtest, error) {
	w := tocsin.Watchlist{Query: c.Query, Stem: c.Stem}
	force, inForce := wanted.Watchlists[c.Name]
	inForce = inForce && !force.Suspended
	switch {
	case c.File != "":
		text, _, err := a.queryText("", c.File)
		if err != nil {
			return nil, err
		}
		w.Query = text
	case c.Query == "" && c.Apply:
		if !inForce {
			return nil, errors.New(unknownName("watchlist", c.Name, living(wanted.Watchlists)))
		}
		w = *force.Watchlist
	case c.Query == "":
		var err error
		if w, err = v.watchlist(c.Name); err != nil {
			return nil, err
		}
	}
	if c.Name != "" && c.Query+c.File != "" && !inForce {
		return nil, errors.New(unknownName("watchlist", c.Name, living(wanted.Watchlists)))
	}
	rule, err := v.rule(w)
	if err != nil {
		return nil, inFile(c.File, err)
	}
	b := newBacktest(a, wanted, since, rule)
	b.name, b.newest = c.Name, c.Limit
	if inForce && (force.Watchlist.Query != w.Query || force.Watchlist.Stem != w.Stem) {
		b.compare = true
		if b.old, err = wanted.Rule(*force.Watchlist); err != nil {
			return nil, fmt.Errorf("the version in force does not work: %w", err)
		}
	}
	return b, nil
}

// apply stores events for what the watchlist finds in what is stored.
func (c watchlistBacktestCmd) apply(a *app, l *pipeline.Logs, wanted *pipeline.Wanted, b *backtest, since time.Time) error {
	by, err := c.name()
	if err != nil {
		return err
	}
	names, to := destinationsOf(wanted, c.Name)
	if len(to) == 0 {
		return fmt.Errorf("watchlist %s is sent to nobody: tocsin subscription add %s DESTINATION", c.Name, c.Name)
	}
	if !c.Yes {
		question := fmt.Sprintf("Send to %s what of the %s has not been alerted, marked \"earlier\"?", strings.Join(to, ", "), counted(len(b.seen), "statement"))
		answer, asked := a.confirm(question, false)
		if !asked {
			return usageError(errors.New("watchlist backtest: --apply asks before it sends, and nobody can be asked here: add --yes"))
		}
		if !answer {
			return &statusError{status: statusFailed}
		}
	}
	bar := a.newProgress("applying")
	n, err := l.ApplyEarlier(a.ctx, by, c.Name, since, bar.step)
	bar.clear()
	if err != nil {
		return err
	}
	if a.JSON {
		return a.printJSON(applied{"applied", n, names})
	}
	_, err = fmt.Fprintf(a.out, "%s stored for %s, marked \"earlier\"\n", counted(n, "event"), strings.Join(to, ", "))
	return err
}

// applied is what --apply prints as JSON.
type applied struct {
	Kind   string   `json:"kind"`
	Events int      `json:"events"`
	To     []string `json:"to"`
}

// matching says how many statements, of such a time, match.
func matching(n int, of string) string {
	if n == 1 {
		return "1 statement" + of + " matches"
	}
	return counted(n, "statement") + of + " match"
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// A backtest holds a rule, and perhaps an older version of it, against what is
// stored.
type backtest struct {
	a       *app
	wanted  *pipeline.Wanted
	since   time.Time
	name    string
	rule    *watchlist.Rule
	old     *watchlist.Rule // nil finds nothing
	compare bool            // say what the rule adds to the old one, and drops
	newest  int             // how many statements are kept with their text
	stream  bool            // print each as it is found

	stats pipeline.BacktestStats
	seen  map[uint64]*foundStatement
	kept  []foundStatement // the newest that the rule finds, or adds or drops; oldest first
}

// A foundStatement is a statement of which an item was found.
type foundStatement struct {
	pipeline.Hit
	new, old bool // which rule finds it
}

const (
	ruleNew = "new"
	ruleOld = "old"
)

func newBacktest(a *app, w *pipeline.Wanted, since time.Time, rule *watchlist.Rule) *backtest {
	return &backtest{a: a, wanted: w, since: since, rule: rule, seen: map[uint64]*foundStatement{}}
}

func (b *backtest) run(l *pipeline.Logs) (err error) {
	bar := b.a.newProgress("reading")
	rules := map[string]*watchlist.Rule{ruleNew: b.rule}
	if b.old != nil {
		rules[ruleOld] = b.old
	}
	var broken error
	cfg := pipeline.BacktestConfig{Since: b.since, Rules: rules, Progress: bar.step}
	b.stats, err = l.Backtest(b.a.ctx, cfg, func(h pipeline.Hit) {
		if s := b.add(h); s != nil && b.stream && broken == nil {
			bar.clear()
			broken = b.line(*s)
		}
	})
	bar.clear()
	return errors.Join(err, broken)
}

// add counts a hit, and returns its statement if it is to be shown.
func (b *backtest) add(h pipeline.Hit) *foundStatement {
	_, isNew := h.Results[ruleNew]
	_, isOld := h.Results[ruleOld]
	s, again := b.seen[h.Statement]
	if !again {
		s = &foundStatement{Hit: h}
		s.Item.Text, s.Item.Page, s.Results = "", nil, nil // many may be found
		b.seen[h.Statement] = s
	}
	s.new, s.old = s.new || isNew, s.old || isOld
	if again || b.compare && isNew && isOld {
		return nil
	}
	shown := foundStatement{h, isNew, isOld}
	if b.kept = append(b.kept, shown); len(b.kept) > max(2*b.newest, 64) {
		b.trim()
	}
	return &shown
}

// trim leaves the newest of what is kept.
func (b *backtest) trim() {
	slices.SortStableFunc(b.kept, func(x, y foundStatement) int { return saidAt(x.Item).Compare(saidAt(y.Item)) })
	b.kept = slices.Delete(b.kept, 0, max(0, len(b.kept)-b.newest))
}

// saidAt is when a statement came, for people: when we saw it, unless it was
// there before we first looked; then what it claims.
func saidAt(it tocsin.Item) time.Time {
	if it.Baseline && !it.Published.IsZero() && it.Published.Before(it.Seen) {
		return it.Published
	}
	return it.Seen
}

// change says what a version of the query does to a statement.
func (b *backtest) change(s foundStatement) string {
	switch {
	case !b.compare:
		return "found"
	case s.new && s.old:
		return "kept"
	case s.new:
		return "added"
	}
	return "dropped"
}

var changeMark = map[string]string{"found": "", "added": "+ ", "dropped": "- ", "kept": "  "}

// A statementFound is what backtest prints as JSON of each statement.
type statementFound struct {
	Kind    string        `json:"kind"`   // statement
	Change  string        `json:"change"` // found; of two versions kept, added or dropped
	Seq     uint64        `json:"seq"`    // of its item in ITEMS
	Source  string        `json:"source"`
	Title   string        `json:"title"`
	URL     string        `json:"url,omitempty"`
	At      time.Time     `json:"at"`
	Branch  string        `json:"branch"`
	Spans   []tocsin.Span `json:"spans"`
	Excerpt string        `json:"excerpt"`
}

// line prints a statement as it is found.
func (b *backtest) line(s foundStatement) error {
	if b.a.JSON {
		res := s.result()
		return b.a.printJSON(statementFound{
			"statement", b.change(s), s.Seq, s.Item.Source, s.Item.Title, s.Item.URL, saidAt(s.Item), res.Branch,
			append([]tocsin.Span{}, res.Spans...), strings.Join(s.excerpts(marker{}, 1), " "),
		})
	}
	_, err := fmt.Fprintf(b.a.out, "%s%s  %s  %s\n", changeMark[b.change(s)], saidAt(s.Item).UTC().Format(time.DateOnly), oneLineText(b.publisher(s), 30), oneLineText(s.Item.Title, 90))
	return err
}

func (b *backtest) publisher(s foundStatement) string {
	return cmp.Or(b.wanted.Source(s.Item.Source).Title, s.Item.Source)
}

// result is what of the statement was found, by the new rule if it finds it.
func (s foundStatement) result() *watchlist.Result {
	for _, name := range []string{ruleNew, ruleOld} {
		if r, ok := s.Results[name]; ok {
			return &r
		}
	}
	return &watchlist.Result{}
}

// excerpts are the parts of the text, or else of the title, that matched.
func (s foundStatement) excerpts(m marker, n int) (out []string) {
	for _, f := range []struct{ name, text string }{{tocsin.FieldText, s.Item.Said()}, {tocsin.FieldTitle, s.Item.Title}} {
		for _, p := range passages(f.text, f.name, s.result().Spans, n) {
			out = append(out, p.show(f.text, m))
		}
		if len(out) > 0 {
			break
		}
	}
	return out
}

// A backtestSummary is what a backtest found in all.
type backtestSummary struct {
	Kind       string      `json:"kind"` // summary
	Since      time.Time   `json:"since,omitzero"`
	Items      int         `json:"items"`              // read
	Statements int         `json:"statements"`         // that the query finds
	InForce    *int        `json:"in_force,omitempty"` // that the version in force finds
	Added      int         `json:"added"`
	Dropped    int         `json:"dropped"`
	Weeks      []weekCount `json:"weeks"` // those since the first statement found
	Seconds    struct {
		Read   float64 `json:"read"`
		Decode float64 `json:"decode"`
		Match  float64 `json:"match"`
	} `json:"seconds"` // of processors
}

// A weekCount is how many statements a week has.
type weekCount struct {
	Week       string `json:"week"` // its Monday
	Statements int    `json:"statements"`
}

func (b *backtest) summary() backtestSummary {
	s := backtestSummary{Kind: "summary", Since: b.since.UTC(), Items: b.stats.Items, Weeks: []weekCount{}}
	if b.since.IsZero() {
		s.Since = time.Time{}
	}
	s.Seconds.Read, s.Seconds.Decode, s.Seconds.Match = b.stats.Read.Seconds(), b.stats.Decode.Seconds(), b.stats.Match.Seconds()
	old := 0
	byWeek := map[time.Time]int{}
	for _, f := range b.seen {
		switch {
		case f.new && !f.old:
			s.Added++
		case f.old && !f.new:
			s.Dropped++
		}
		if f.old {
			old++
		}
		if f.new {
			s.Statements++
			byWeek[monday(saidAt(f.Item))]++
		}
	}
	if b.compare {
		s.InForce = &old
	} else {
		s.Added = 0
	}
	if len(byWeek) > 0 {
		first := slices.MinFunc(slices.Collect(maps.Keys(byWeek)), time.Time.Compare)
		for w := first; !w.After(monday(time.Now())); w = w.AddDate(0, 0, 7) {
			s.Weeks = append(s.Weeks, weekCount{w.Format(time.DateOnly), byWeek[w]})
		}
	}
	return s
}

// monday begins the week of a time.
func monday(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	back := (int(t.UTC().Weekday()) + 6) % 7
	return time.Date(y, m, d-back, 0, 0, 0, 0, time.UTC)
}

// span says how far back the backtest looked.
func (b *backtest) span() string {
	if b.since.IsZero() {
		return "all that is stored"
	}
	return "what is stored since " + b.since.UTC().Format(time.DateOnly)
}

func (b *backtest) print() error {
	s := b.summary()
	if b.a.JSON {
		return b.a.printJSON(s)
	}
	w := b.a.out
	if len(b.seen) > 0 {
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s, of %s in %s\n", matching(s.Statements, ""), counted(s.Items, "item"), b.span())
	if b.compare {
		fmt.Fprintf(w, "%d in force: the new version adds %d and drops %d\n", *s.InForce, s.Added, s.Dropped)
	}
	fmt.Fprintf(w, "read %.2f s, decoded %.2f s, matched %.2f s\n", s.Seconds.Read, s.Seconds.Decode, s.Seconds.Match)
	b.chart(s.Weeks)
	b.examples("\n")
	return nil
}

const (
	maxWeeks   = 26
	chartWidth = 40
)

// chart prints the statements of each week as bars.
func (b *backtest) chart(weeks []weekCount) {
	earlier := 0
	for ; len(weeks) > maxWeeks; weeks = weeks[1:] {
		earlier += weeks[0].Statements
	}
	most := 1
	for _, w := range weeks {
		most = max(most, w.Statements)
	}
	if len(weeks) > 0 {
		fmt.Fprintln(b.a.out)
	}
	if earlier > 0 {
		fmt.Fprintf(b.a.out, "earlier     %d\n", earlier)
	}
	for _, w := range weeks {
		fmt.Fprintf(b.a.out, "%s  %s %d\n", w.Week, blocks(w.Statements, most), w.Statements)
	}
}

// blocks is a bar of n of most, in eighths of a character.
func blocks(n, most int) string {
	eighths := n * chartWidth * 8 / most
	bar := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return bar
}

// examples prints the newest statements with their words.
func (b *backtest) examples(before string) {
	b.trim()
	m := markerFor(b.a.out)
	for _, s := range slices.Backward(b.kept) {
		fmt.Fprintf(b.a.out, "%s%s%s  %s  %s\n", before, changeMark[b.change(s)], saidAt(s.Item).UTC().Format(time.DateOnly), oneLineText(b.publisher(s), 40), oneLineText(s.Item.Title, 100))
		for _, e := range s.excerpts(m, 2) {
			fmt.Fprintf(b.a.out, "            %s\n", e)
		}
		if s.Item.URL != "" && before != "" {
			fmt.Fprintf(b.a.out, "            %s\n", plainLine(s.Item.URL))
		}
	}
}

// brief prints what add and edit say before they save.
func (b *backtest) brief() {
	s := b.summary()
	days := max(1, time.Since(b.since)/day)
	rate := float64(s.Statements) * 7 / float64(days)
	fmt.Fprintf(b.a.out, "backtest  %s, about %.1f a week\n", matching(s.Statements, fmt.Sprintf(" of the last %d days", days)), rate)
	if b.compare {
		fmt.Fprintf(b.a.out, "          %d in force: this version adds %d and drops %d\n", *s.InForce, s.Added, s.Dropped)
	}
	b.examples("          ")
}
