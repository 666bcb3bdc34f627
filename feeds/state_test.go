package feeds

import (
	"bytes"
	binenc "encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"tocsin"
	"tocsin/feeds/fetch"
)

func rebuilt(log []tocsin.Item) State {
	var st State
	for _, it := range log {
		st.Apply(it)
	}
	return st
}

func TestAStateIsRebuiltFromTheLog(t *testing.T) {
	for _, how := range shared {
		t.Run(how.name, func(t *testing.T) {
			r := newReading(t)
			r.read(change(entries(1, 10), how.do)...)
			r.read(change(entries(3, 15), how.do)...)
			es := change(entries(6, 20), how.do)
			r.read(es...)
			r.st = rebuilt(r.log)
			if !r.st.Read {
				t.Error("a source with history is read as if for the first time")
			}
			r.want(r.read(es...))
			got := r.read(change(entries(8, 21), how.do)...)
			if len(got) != 1 || got[0].Baseline || got[0].Rev != 1 {
				t.Errorf("one new statement gave %+v", got)
			}
		})
	}
}

func TestALostStateAndChangedGUIDsAreAMigration(t *testing.T) {
	r := newReading(t)
	for n := 10; n < 60; n++ {
		r.read(entries(n-9, n)...)
	}
	r.st = rebuilt(r.log)
	moved := change(entries(50, 59), func(e *Entry) { e.GUID, e.URL = "new:"+e.GUID, e.URL+"/new" })
	r.want(r.read(append([]Entry{entry(60)}, moved...)...), titlesOf(60, 60)...)
	if r.noted(Migrated) != 1 {
		t.Errorf("notes %+v, want one migration", r.notes)
	}
}

func TestApplyContinuesWhatIsKnown(t *testing.T) {
	a, b := newReading(t), newReading(t)
	first := entries(1, 6)
	a.read(first...)
	b.read(first...)
	b.log = append(b.log[:0:0], a.log...)
	es := append([]Entry{entry(8), entry(7)}, first...)
	es[4].Text += " edited"
	for _, it := range append(a.read(es...), a.log...) { // more than once, and old ones again
		b.st.Apply(it)
	}
	b.log = a.log
	b.want(b.read(es...))
	es[4].Text += " again"
	if got := b.read(es...); len(got) != 1 || got[0].Rev != 3 {
		t.Errorf("got %+v, want revision 3", got)
	}
}

func TestApplyRemembersFlapping(t *testing.T) {
	r := newReading(t)
	x, y := entries(1, 3), entries(1, 3)
	y[1].Title += " (second version)"
	r.read(x...)
	r.read(y...)
	r.read(x...)
	r.st = rebuilt(r.log)
	r.want(r.read(y...))
}

// fill is a state with n entries, some with history.
func fill(n int) State {
	var st State
	for i := range n {
		e := entry(i)
		st.Apply(tocsin.Item{Source: "src", ID: fmt.Sprintf("%016x", i*7919), Rev: 1, GUID: e.GUID, URL: e.URL, Title: e.Title, Text: e.Text, Seen: noon})
		if i%100 == 0 {
			st.Apply(tocsin.Item{Source: "src", ID: fmt.Sprintf("%016x", i*7919), Rev: 2, GUID: e.GUID, URL: e.URL, Title: e.Title, Text: e.Text + " edited", Seen: noon})
		}
	}
	st.tidy()
	return st
}

func TestStateSizeIsBounded(t *testing.T) {
	for _, n := range []int{40, 2000} {
		st := fill(n)
		st.Validators = fetch.Validators{ETag: `"0123456789abcdef"`, LastModified: "Sun, 01 Mar 2026 12:00:00 GMT", Hash: strings.Repeat("a", 32)}
		if per := len(st.Encode()) / n; per > 100 {
			t.Errorf("%d entries take %d bytes each, want at most 100", n, per)
		}
	}
	if size := reflect.TypeFor[known]().Size() + 3*reflect.TypeFor[alias]().Size(); size > 128 {
		t.Errorf("an entry takes %d bytes of memory, want at most 128", size)
	}
}

func TestEncodeAndDecodeAgree(t *testing.T) {
	st := fill(300)
	st.Seq, st.Read, st.address, st.begun = 1<<40, true, 77, noon.Unix()
	st.Validators = fetch.Validators{ETag: "e", LastModified: "l", Hash: "h"}
	st.reused, st.churn = [2]bool{true, false}, [2]uint8{2, 3}
	st.lose(99, aliasPrint, 5)
	st.entries[st.add("0123456789abcdef00112233")].rev = 1
	st.tidy()
	back, err := DecodeState(st.Encode())
	if err != nil {
		t.Fatal(err)
	}
	back.changed = st.changed
	if !reflect.DeepEqual(st, back) {
		t.Errorf("decoded state differs; it encodes to the same bytes: %v", bytes.Equal(back.Encode(), st.Encode()))
	}
	if zero, err := DecodeState(nil); err != nil || !reflect.DeepEqual(zero, State{}) {
		t.Errorf("DecodeState(nil) = %+v, %v", zero, err)
	}
}

func TestADamagedOrNewerStateIsAnError(t *testing.T) {
	b := fill(20).Encode()
	for i := range b {
		d := bytes.Clone(b)
		d[i] ^= 0x10
		if _, err := DecodeState(d); err == nil {
			t.Fatalf("bit of byte %d flipped: no error", i)
		}
		if _, err := DecodeState(b[:i]); err == nil && i > 0 {
			t.Fatalf("cut after %d bytes: no error", i)
		}
	}
	b[1] = stateVersion + 1
	_, err := DecodeState(b)
	if _, ok := errors.AsType[*NewerStateError](err); !ok {
		t.Errorf("a newer version gave %v", err)
	}
}

func FuzzDecodeState(f *testing.F) {
	inner := func(b []byte) []byte { return b[2 : len(b)-4] }
	f.Add(inner(fill(3).Encode()))
	f.Add(inner(State{}.Encode()))
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := DecodeState(sealed(b))
		if err != nil {
			return
		}
		Decide(st, tocsin.Source{ID: "src"}, Document{Items: entries(1, 3)}, noon)
	})
}

func TestSketchesTellAlikeFromUnlike(t *testing.T) {
	var f folder
	similar := func(a, b string) float64 {
		x, y := f.gist("s", "", a), f.gist("s", "", b)
		same, of := alike(x.text[:], y.text[:])
		return float64(same) / float64(max(of, 1))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		n := 60 + rng.IntN(200)
		a, b := prose(rng.IntN(1<<30), n), prose(rng.IntN(1<<30), n)
		if s := similar(a, b); s > 0.4 {
			t.Fatalf("unlike texts of %d words are %.2f alike", n, s)
		}
		words := strings.Fields(a)
		words[rng.IntN(n)] = "other"
		if s := similar(a, strings.Join(words, " ")); s < 0.6 {
			t.Fatalf("one of %d words changed: %.2f alike", n, s)
		}
	}
}

func TestFingerprintsLetTemplatesChange(t *testing.T) {
	var f folder
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"The Minister met the envoy.", "the minister  met\u00a0the envoy", true},
		{"« Déclaration » du ministre", "“DÉCLARATION” du ministre", true},
		{"Заявление МИД", "заявление мид", true},
		{"ｆｕｌｌ　ｗｉｄｔｈ １２", "full width 12", true},
		{"外务省 声明。", "外务省声明", true},
		{"co\u00adoperation", "cooperation", true},
		{"met 12 envoys", "met 13 envoys", false},
		{"5 $", "5 €", false},
		{"外务省声明", "外务省说明", false},
		{"will not", "will", false},
	} {
		x, y := f.gist("s", tt.a, ""), f.gist("s", tt.b, "")
		if (x.print == y.print) != tt.same {
			t.Errorf("print(%q) == print(%q) is %v, want %v", tt.a, tt.b, !tt.same, tt.same)
		}
		if x.exact == y.exact {
			t.Errorf("exact(%q) == exact(%q)", tt.a, tt.b)
		}
	}
	if f.gist("s", "a", "b").print == f.gist("s", "a b", "").print {
		t.Error("title and text run together")
	}
	if f.gist("s", "a", "b").print == f.gist("t", "a", "b").print {
		t.Error("two sources have one fingerprint")
	}
	if g := f.gist("s", " … ", ""); g.print != 0 {
		t.Errorf("an entry that says nothing has fingerprint %x", g.print)
	}
	for _, tt := range []struct {
		text string
		want bool
	}{{strings.Repeat("a ", 199), false}, {strings.Repeat("ab ", 100), true}, {strings.Repeat("é", 199), false}, {strings.Repeat("声", 200), true}} {
		if got := f.gist("s", "", tt.text).telling; got != tt.want {
			t.Errorf("telling is %v for %d bytes %.10q…", got, len(tt.text), tt.text)
		}
	}
}

func TestCanonicalLinks(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"https://www.mfa.example/a/", "http://MFA.example:80/a", true},
		{"https://mfa.example/a?utm_source=x&id=2&fbclid=9", "https://mfa.example/a?id=2", true},
		{"https://mfa.example/a#xtor=RSS-1", "https://mfa.example/a", true},
		{"https://mfa.example/a#one", "https://mfa.example/a#two", false},
		{"https://mfa.example/a?id=1", "https://mfa.example/a?id=2", false},
		{"https://mfa.example/a", "https://mfa.example/A", false},
		{"tag:mfa.example,2026:1", "tag:mfa.example,2026:2", false},
	} {
		a, _ := canonicalLink(tt.a)
		b, _ := canonicalLink(tt.b)
		if (a == b) != tt.same {
			t.Errorf("canonicalLink(%q) = %q, of %q = %q; same should be %v", tt.a, a, tt.b, b, tt.same)
		}
	}
	for link, want := range map[string]bool{"https://mfa.example": true, "http://www.mfa.example:8080/": true, "https://mfa.example/?p=2": false, "https://mfa.example/a": false, "": false} {
		if _, home := canonicalLink(link); home != want {
			t.Errorf("home page: %v for %q", home, link)
		}
	}
}

func TestForgettingKeepsAliasesWithTheirEntries(t *testing.T) {
	st := fill(500)
	for i := range st.entries {
		st.entries[i].now = i%3 == 0
	}
	names := map[uint64]uint64{}
	for _, a := range st.alias {
		names[a.hash] = st.entries[a.entry].id
	}
	st.forget(dayOf(noon.Add(401 * 24 * time.Hour)))
	if st.Len() != 167 {
		t.Fatalf("%d entries left, want 167", st.Len())
	}
	for _, a := range st.alias {
		if x := st.find(a.hash); x < 0 || st.entries[x].id != names[a.hash] {
			t.Fatal("an alias points at another entry")
		}
	}
}

// sealed is b as the inner part of an encoded state, with a right checksum.
func sealed(b []byte) []byte {
	b = append([]byte{stateMagic, stateVersion}, b...)
	return binenc.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}
