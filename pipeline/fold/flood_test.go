package fold

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
	"golang.org/x/tools/txtar"
)

// signers are those of the three versions of the invented joint statement: 44,
// then 48, then 50.
var signers = strings.Fields(`AL AD AR AU AT BE BG CA HR CY CZ DK EE FI FR DE GR GT HU IS IE IL IT JP
	XK LV LI LT LU MT MC ME NL NZ MK NO PS PL PT KR MD RO SM SK SI ES SE UA GB US`)

// A flood is a week: copies of one joint statement among others that share stock
// sentences with each other and with its frames.
type flood struct {
	*rand.Rand
	joint, week map[string]string // by language
	texts       []Text
	of          []string // the statement of each text
}

func newFlood(tb testing.TB, seed uint64) *flood {
	tb.Helper()
	read := func(name string) map[string]string {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			tb.Fatal(err)
		}
		out := map[string]string{}
		for _, f := range txtar.Parse(data).Files {
			out[f.Name] = string(f.Data)
		}
		return out
	}
	return &flood{Rand: rand.New(rand.NewPCG(seed, 2)), joint: read("joint.txtar"), week: read("week.txtar")}
}

var monday = time.Date(2026, 4, 13, 6, 0, 0, 0, time.UTC)

func (f *flood) add(statement string, t Text) {
	t.ID = fmt.Sprint(len(f.texts))
	f.texts, f.of = append(f.texts, t), append(f.of, statement)
}

func country2(lang, code string) string {
	return display.Regions(language.MustParse(lang)).Name(language.MustParseRegion(code))
}

// copies adds 48 publications in 12 languages over three days: plain, with a
// dateline, in a news site's frame, or cut to their first paragraph; every third
// one in a later version.
func (f *flood) copies() {
	langs := sortedKeys(f.joint)
	for i := range 48 {
		lang, code := langs[i%len(langs)], signers[i]
		n := []int{44, 48, 50}[i*3/48]
		title, text, _ := strings.Cut(f.joint[lang], "\n")
		var names []string
		for _, c := range signers[:n] {
			names = append(names, country2(lang, c))
		}
		fill := strings.NewReplacer("COUNT", fmt.Sprint(n), "SIGNERS", strings.Join(names, ", "))
		title, text = fill.Replace(title), fill.Replace(text)
		switch i % 5 {
		case 1:
			text = fmt.Sprintf("%s, %d.4.2026 — %s", country2(lang, code), 13+i/16, text)
		case 2:
			text = f.stock("en") + "\n\n" + text + "\n\n" + f.stock("en") + " " + f.stock("fr")
		case 3:
			if n == 44 {
				text, _, _ = strings.Cut(text, "\n\n")
			}
		}
		at := monday.Add(time.Duration(i) * 72 * time.Hour / 48)
		f.add("joint", Text{Lang: lang, Title: title, Text: text, Source: "mfa-" + code, Country: code, Seen: at})
	}
}

// stock is a stock sentence of a language.
func (f *flood) stock(lang string) string {
	var out []string
	for l := range strings.SplitSeq(strings.TrimSpace(f.week[lang]), "\n") {
		if !strings.HasPrefix(l, "# ") {
			out = append(out, l)
		}
	}
	return out[f.IntN(len(out))]
}

var places = strings.Fields("Norvik Almeria Castrovo Belogorsk Tangarra Ouesso Maripur Santavera Kelund Aldhara Porto-Branco Zelenitsa Hakone Dunmore Rabigh")

// others adds n statements that are none of the others' copies.
func (f *flood) others(n int) {
	langs := sortedKeys(f.week)
	for i := range n {
		lang := langs[f.IntN(len(langs))]
		var subjects []string
		for l := range strings.SplitSeq(f.week[lang], "\n") {
			if s, ok := strings.CutPrefix(l, "# "); ok {
				subjects = append(subjects, s)
			}
		}
		a, b := signers[f.IntN(len(signers))], signers[f.IntN(len(signers))]
		day := monday.AddDate(0, 0, f.IntN(7))
		figure := i // each counts something else
		fill := func(s string) string {
			words := strings.Fields(s)
			for i, w := range words {
				bare := strings.Trim(w, ".,:'s")
				switch bare {
				case "A":
					words[i] = strings.Replace(w, "A", country2(lang, a), 1)
				case "B":
					words[i] = strings.Replace(w, "B", country2(lang, b), 1)
				case "N":
					words[i] = fmt.Sprint(13 + figure)
				case "D":
					words[i] = strings.Replace(w, "D", day.Format("2.1.2006"), 1)
				case "P":
					words[i] = strings.Replace(w, "P", places[(i*7+f.IntN(len(places)))%len(places)], 1)
				}
			}
			return strings.Join(words, " ")
		}
		title, text, _ := strings.Cut(fill(subjects[f.IntN(len(subjects))]), " | ")
		for range 1 + f.IntN(3) {
			text += " " + f.stock(lang)
		}
		f.add(fmt.Sprint("other ", i), Text{Lang: lang, Title: title, Text: text, Source: "mfa-" + a, Country: a, Seen: day.Add(time.Duration(f.IntN(16*3600)) * time.Second)})
	}
}

// TestOneJointStatementIsOneAmongThousands: 48 publications of one statement in
// 12 languages and three versions, among 2,000 others of the same week.
func TestOneJointStatementIsOneAmongThousands(t *testing.T) {
	f := newFlood(t, 1)
	f.copies()
	f.others(2000)
	order := f.Perm(len(f.texts))
	slices.SortStableFunc(order, func(a, b int) int { return f.texts[a].Seen.Compare(f.texts[b].Seen) })
	var texts []Text
	var of []string
	for _, i := range order {
		texts, of = append(texts, f.texts[i]), append(of, f.of[i])
	}
	first := map[string]string{}
	for i, x := range texts {
		first[x.ID] = of[i]
	}
	alerts, wrong := map[string]bool{}, 0
	for i, got := range Sequence(texts) {
		if of[i] == "joint" {
			alerts[got.Statement] = true
		}
		if first[got.Statement] != of[i] {
			if wrong++; wrong <= 10 {
				t.Errorf("%s is folded into %s (%s): %.2f, %s\n%s", of[i], first[got.Statement], got.Kind, got.Score, got.Reason, texts[i].Title)
			}
		}
	}
	if len(alerts) != 1 || wrong > 0 {
		t.Errorf("the joint statement is %d alerts, and %d texts are folded into others", len(alerts), wrong)
	}
}
