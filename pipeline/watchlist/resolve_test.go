package watchlist

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tocsin"
)

func entries(terms ...string) []tocsin.Entry {
	var out []tocsin.Entry
	for _, t := range terms {
		lang, term, ok := strings.Cut(t, " ")
		if !ok || strings.HasPrefix(t, `"`) {
			lang, term = "", t
		}
		out = append(out, tocsin.Entry{Lang: lang, Term: term})
	}
	return out
}

func TestAListIsLookedForInItsLanguages(t *testing.T) {
	lists := []tocsin.List{
		{Name: "missile", Entries: entries("en missile*", "de rakete*", "pt missil", "ru ракет*", "KN-23", `"Fateh 110"`, "@more")},
		{Name: "more", Entries: entries("en rocket", "de Rakete", "ko 미사일")},
	}
	for _, tt := range []struct {
		name, query, lang, text string
		want                    []string
	}{
		{"terms of the text's language", `@missile`, "en", "missiles Raketen missil rocket", []string{"missiles", "rocket"}},
		{"of every language if it is not known", `@missile`, "", "missiles Raketen missil rocket", []string{"missiles", "Raketen", "missil", "rocket"}},
		{"in other letters than Latin in any text", `@missile`, "en", "ракета 미사일", []string{"ракета", "미사일"}},
		{"without a language in any text", `@missile`, "ja", "KN-23 Fateh-110", []string{"KN-23", "Fateh-110"}},
		{"a language of the list and what has none", `@missile.ru`, "", "missiles KN-23 ракета 미사일", []string{"KN-23", "ракета"}},
		{"also of a list within", `@missile.ko`, "", "missiles rocket 미사일", []string{"미사일"}},
		{"in a scope", `title:@missile`, "", "missile", nil},
		{"near", `@missile NEAR/1 transfer`, "", "missile transfer, a, b, rocket, a b transfer", []string{"missile", "transfer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := foundIn(t, resolve(t, tt.query, lists...), &Document{Text: tt.text, Lang: tt.lang}); !slices.Equal(got, tt.want) {
				t.Errorf("%s in %q, %q finds %q, want %q", tt.query, tt.text, tt.lang, got, tt.want)
			}
		})
	}
}

func TestASpanNamesTheListThatHoldsItsTerm(t *testing.T) {
	lists := []tocsin.List{{Name: "a", Entries: entries("one", "@b")}, {Name: "b", Entries: entries("two")}}
	res, _ := resolve(t, `@a AND three`, lists...).Match(&Document{Text: "one two three"})
	want := []tocsin.Span{
		{Term: "one", List: "a", Field: "text", Start: 0, End: 3},
		{Term: "two", List: "b", Field: "text", Start: 4, End: 7},
		{Term: "three", Field: "text", Start: 8, End: 13},
	}
	if !slices.Equal(res.Spans, want) || res.Branch != "@a AND three" {
		t.Errorf("it is %+v, want %v", res, want)
	}
}

func TestListsThatCannotBeResolvedSayWhy(t *testing.T) {
	deep := make([]tocsin.List, MaxDepth+2)
	for i := range deep {
		deep[i] = tocsin.List{Name: fmt.Sprintf("l%d", i), Entries: entries(fmt.Sprintf("@l%d", i+1))}
	}
	deep[len(deep)-1].Entries = entries("a")
	many := make([]tocsin.Entry, MaxEntries)
	for i := range many {
		many[i].Term = "a"
	}
	for _, tt := range []struct {
		name, query string
		lists       []tocsin.List
		at, says    string
	}{
		{"a list in itself", `x AND @a`, []tocsin.List{{Name: "a", Entries: entries("x", "@b")}, {Name: "b", Entries: entries("@a")}}, "@a", "list @a, entry 2: list @b, entry 1: a list cannot be part of itself: @a -> @b -> @a"},
		{"a list in itself at once", `@a`, []tocsin.List{{Name: "a", Entries: entries("@a")}}, "@a", "@a -> @a"},
		{"a cycle that the query does not begin", `@c`, []tocsin.List{{Name: "c", Entries: entries("@a")}, {Name: "a", Entries: entries("@a")}}, "@c", "itself: @a -> @a"},
		{"a name that is nearly one", `x OR @dprkk`, []tocsin.List{{Name: "dprk", Entries: entries("a")}}, "@dprkk", "there is no list @dprkk: did you mean @dprk?"},
		{"a name that is none", `@x`, []tocsin.List{{Name: "dprk", Entries: entries("a")}, {Name: "iran", Entries: entries("a")}}, "@x", "there is no list @x; there are @dprk @iran"},
		{"a name that a list has wrong", `@a`, []tocsin.List{{Name: "a", Entries: entries("@nope")}}, "@a", "list @a, entry 1: there is no list @nope"},
		{"no lists", `@x`, nil, "@x", "there is no list @x"},
		{"a language that it has no term for", `@a.ru`, []tocsin.List{{Name: "a", Entries: entries("en a")}}, "@a.ru", "list @a.ru has no term"},
		{"an empty list", `@a`, []tocsin.List{{Name: "a"}}, "@a", "list @a has no term"},
		{"lists too deep", `@l0`, deep, "@l0", "more than 20 deep"},
		{"lists too large together", `@a`, []tocsin.List{{Name: "a", Entries: entries("@b", "@c")}, {Name: "b", Entries: many}, {Name: "c", Entries: entries("a")}}, "@a", "more than 100000 terms"},
		{"fields without a word in common", `title:(x AND url:@a)`, []tocsin.List{{Name: "a", Entries: entries("a")}}, "url:", "no word is in both"},
		{"a long phrase", `x OR "` + strings.Repeat("y ", maxPhrase) + `y"`, nil, `"y`, "201 words"},
		{"a large regular expression", `x OR /(\pL\pN\pL\pN\pL\pN\pL\pN){300}/`, nil, `/(`, "steps for each letter"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, err := Parse(tt.query)
			if err == nil {
				_, err = q.Resolve(listsOf(t, tt.lists...), false)
			}
			e, ok := errors.AsType[*Error](err)
			if !ok || !strings.Contains(e.Msg, tt.says) || !strings.HasPrefix(tt.query[e.Pos:], tt.at) || len(err.Error()) > 600 {
				t.Errorf("%s: %v, want it at %s to say %q", tt.query, err, tt.at, tt.says)
			}
		})
	}
}

func TestAListEntryIsOnePlace(t *testing.T) {
	for _, tt := range []struct{ term, lang, says string }{
		{"a AND b", "", "list @x, entry 2 (a AND b): a AND b is more than one word"},
		{"a NEAR/3 b", "", "more than one word"},
		{"title:a", "", "more than one word"},
		{"lang:en", "", "more than one word"},
		{"/a/", "", "more than one word"},
		{"a b", "", `"a b"`},
		{"", "", "empty"},
		{"a", "english", `"english" is no language`},
	} {
		_, err := NewList(tocsin.List{Name: "x", Entries: []tocsin.Entry{{Term: "ok"}, {Term: tt.term, Lang: tt.lang}}})
		e, ok := errors.AsType[*ListError](err)
		if !ok || e.Entry != 2 || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q, %q: %v, want entry 2 to be refused with %q", tt.term, tt.lang, err, tt.says)
		}
	}
	for _, term := range []string{"a", `"a b"`, "missile*", "*rakete*", "=a", "==A", "~transfer", "@y", "@y.ru", "导弹"} {
		if _, err := NewList(tocsin.List{Name: "x", Entries: []tocsin.Entry{{Term: term, Lang: "ru-RU"}}}); err != nil {
			t.Errorf("%s: %v", term, err)
		}
	}
	if _, err := NewList(tocsin.List{Name: "x", Entries: make([]tocsin.Entry, MaxEntries+1)}); err == nil || !strings.Contains(err.Error(), "100000") {
		t.Errorf("a list of too many entries: %v", err)
	}
}

func TestCheckFindsAListInItself(t *testing.T) {
	ls := listsOf(t, tocsin.List{Name: "a", Entries: entries("x")}, tocsin.List{Name: "b", Entries: entries("@a", "@b")})
	e, ok := errors.AsType[*ListError](ls.Check())
	if !ok || e.List != "b" || !strings.Contains(e.Error(), "@b -> @b") {
		t.Errorf("Check: %v, want list b to be in itself", e)
	}
	if err := listsOf(t, tocsin.List{Name: "a", Entries: entries("x")}).Check(); err != nil {
		t.Error(err)
	}
}

// What many rules name is worked out once: they share the expression.
func TestRulesShareLists(t *testing.T) {
	ls := listsOf(t, tocsin.List{Name: "a", Entries: entries("x", "@b")}, tocsin.List{Name: "b", Entries: entries("y", "~z")})
	of := func(query string) *Expr {
		r, err := parse(t, query).Resolve(ls, true)
		if err != nil {
			t.Fatal(err)
		}
		return r.Root.Kids[0]
	}
	first, again, title, b := of(`@a AND q`), of(`@a AND p`), of(`title:(@a AND q)`), of(`@b AND q`)
	if first != again {
		t.Error("the same list is two expressions")
	}
	if first == title || title.Kids[0].Scope.In != InTitle {
		t.Error("a list in a field is the list without one")
	}
	if first.Op != Or || first.Kids[1] != b.Kids[0] || len(first.Kids) != 1+len(b.Kids) {
		t.Errorf("a list in a list is not its terms: %v, %v", first.Kids, b.Kids)
	}
}

func TestStemsAreForWordsThatTheQueryWrites(t *testing.T) {
	lists := listsOf(t, tocsin.List{Name: "name", Entries: entries("meeting", "en ~deliver")})
	for _, tt := range []struct {
		name, query, lang, text string
		stem                    bool
		want                    []string
	}{
		{"words", `missile`, "en", "missiles", true, []string{"missiles"}},
		{"phrases", `"missile transfer"`, "en", "missiles transferred", true, []string{"missiles transferred"}},
		{"not unless it is asked for", `missile`, "en", "missiles", false, nil},
		{"not words with a mark", `=missile`, "en", "missiles", true, nil},
		{"not words with a star", `missil*e`, "en", "missiles", true, nil},
		{"not of another language", `ракета`, "bg", "ракетой", true, nil},
		{"of every language if it is not known", `ракета`, "", "ракетой", true, []string{"ракетой"}},
		{"the word itself in any language", `missile`, "ja", "missile missiles", true, []string{"missile"}},
		{"not words of lists", `@name`, "en", "meetings", true, nil},
		{"but where the list says so", `@name`, "en", "delivered", false, []string{"delivered"}},
		{"in its language", `@name`, "fr", "delivered", false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parse(t, tt.query).Resolve(lists, tt.stem)
			if err != nil {
				t.Fatal(err)
			}
			if got := foundIn(t, r, &Document{Text: tt.text, Lang: tt.lang}); !slices.Equal(got, tt.want) {
				t.Errorf("%s in %q finds %q, want %q", tt.query, tt.text, got, tt.want)
			}
		})
	}
}

func TestABranchIsTheQueryCutDownToWhatHeld(t *testing.T) {
	lists := []tocsin.List{{Name: "missile", Entries: entries("en missile*", "KN-23")}}
	long := strings.TrimSuffix(strings.Repeat("abcdefghij AND ", 60), " AND ")
	for _, tt := range []struct{ query, text, want string }{
		{`(a OR b) AND (c OR d)`, "b c", `b AND c`},
		{`(a OR b OR c OR d OR e) AND f`, "a b d e f", `(a OR b OR d OR …) AND f`},
		{`a OR (b AND (c OR d))`, "b d", `b AND d`},
		{`a NOT (b OR c)`, "a", `a`},
		{`x AND (a NOT b)`, "a x", `x AND a`},
		{`(@missile OR rocket*) NEAR/25 (transfer* OR export*)`, "KN-23 exports", `@missile NEAR/25 export*`},
		{`(a OR b) NEAR/1 c`, "a c x x b", `a NEAR/1 c`},
		{`(a NOT NEAR/1 b) SAME/S (c OR d)`, "a d", `a SAME/S d`},
		{`ANY/2(a, b, c)`, "c a", `ANY/2(a, c)`},
		{`ATLEAST/2(a OR b OR c)`, "a b", `ATLEAST/2(a OR b)`},
		{`title:(a OR b) OR text:(c OR d)`, "d", `text:d`},
		{`FIRST/5(a OR b) AND (lang:en OR lang:unknown)`, "b", `FIRST/5(b) AND lang:unknown`},
		{`~transfer AND /\d+/ AND ==IAEA AND "a b"`, "transfers 12 IAEA a-b", `~transfer AND /\d+/ AND ==IAEA AND "a b"`},
		{long, "abcdefghij", long[:MaxBranch-len("…")] + "…"},
	} {
		res, ok := resolve(t, tt.query, lists...).Match(&Document{Text: tt.text})
		if !ok || res.Branch != tt.want {
			t.Errorf("%s in %q: %v, %s, want %s", tt.query, tt.text, ok, res.Branch, tt.want)
		}
	}
}
