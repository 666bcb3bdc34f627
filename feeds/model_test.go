package feeds

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tocsin"
)

// A publisher is a source of whom everything is known.
type publisher struct {
	rng    *rand.Rand
	window int
	share  func(e *Entry)
	guids  int // 0 kept, 1 changed with every document
	links  int
	docs   int
	last   int         // entries published so far
	there  []int       // in the document, newest first
	edits  map[int]int // version of what an entry says
}

func (p *publisher) entry(n int) Entry {
	e := entry(n)
	if v := p.edits[n]; v > 0 {
		words := strings.Fields(e.Text)
		words[3+v%20] = fmt.Sprint("version", v)
		e.Text = strings.Join(words, " ")
		if v%3 == 0 {
			e.Title += fmt.Sprintf(" (%d)", v)
		}
	}
	p.share(&e)
	if p.guids > 0 && e.GUID != "" {
		e.GUID += fmt.Sprint("#", p.docs)
	}
	if p.links > 0 && e.URL != "" {
		e.URL += fmt.Sprint("?session=", p.docs)
	}
	return e
}

// document is the next one; a calm one has nothing new.
func (p *publisher) document(calm bool) (d Document) {
	p.docs++
	if !calm {
		for range p.rng.IntN(4) {
			switch p.rng.IntN(6) {
			case 0, 1, 2: // one to three statements
				for range 1 + p.rng.IntN(3) {
					p.last++
					p.there = slices.Insert(p.there, 0, p.last)
				}
			case 3: // an edit
				if len(p.there) > 0 {
					p.edits[p.there[p.rng.IntN(len(p.there))]]++
				}
			case 4: // one is taken away
				if len(p.there) > 1 {
					i := p.rng.IntN(len(p.there))
					p.there = slices.Delete(p.there, i, i+1)
				}
			case 5: // one comes back
				if n := 1 + p.rng.IntN(p.last); !slices.Contains(p.there, n) {
					p.there = slices.Insert(p.there, p.rng.IntN(len(p.there)+1), n)
				}
			}
		}
	}
	p.there = p.there[:min(len(p.there), p.window)]
	for _, n := range p.there {
		d.Items = append(d.Items, p.entry(n))
		if p.rng.IntN(40) == 0 && !calm {
			d.Items = append(d.Items, p.entry(n)) // it stands there twice
		}
	}
	d.Cut = !calm && p.docs > 1 && p.rng.IntN(20) == 0
	return d
}

// says is what makes an item that of an entry and version.
func says(e Entry) string {
	text, _ := itemText(&e)
	return e.Title + "\x00" + text
}

func TestModelNothingNewIsEverMissed(t *testing.T) {
	ways := slices.DeleteFunc(slices.Clone(shared), func(w struct {
		name string
		do   func(e *Entry)
	},
	) bool {
		return slices.Contains([]string{"equal titles and summaries", "only links"}, w.name) // the model tells entries by what they say
	})
	runs := 600
	if testing.Short() {
		runs = 150
	}
	var repeats, documents int
	for seed := range runs {
		rng := rand.New(rand.NewPCG(uint64(seed), 7))
		way := ways[rng.IntN(len(ways))]
		p := &publisher{
			rng: rng, window: []int{1, 2, 3, 5, 10, 30, 60}[rng.IntN(7)], share: way.do,
			guids: rng.IntN(5) / 4, links: rng.IntN(5) / 4, edits: map[int]int{},
		}
		honest := way.name == "nothing shared" && p.guids+p.links == 0
		p.last = 1 + rng.IntN(12)
		for n := p.last; n > 0; n-- {
			p.there = append(p.there, n)
		}
		r := newReading(t)
		told := map[string]bool{}
		tell := func(items []tocsin.Item) {
			for _, it := range items {
				told[it.Title+"\x00"+it.Text] = true
			}
		}
		d := p.document(true)
		tell(r.readDoc(d))
		said := map[int]string{} // by entry, when it was last there
		for _, n := range p.there {
			said[n] = says(p.entry(n))
		}
		for range 25 {
			if rng.IntN(12) == 0 { // the state is lost
				seq := r.st.Seq
				r.st = rebuilt(r.log)
				r.st.Seq = seq
			}
			d := p.document(false)
			items := r.readDoc(d)
			documents++
			want := 0
			for _, n := range p.there {
				now := says(p.entry(n))
				before, was := said[n]
				if said[n] = now; was && before == now {
					continue
				}
				want++
				i := slices.IndexFunc(items, func(it tocsin.Item) bool { return it.Title+"\x00"+it.Text == now })
				switch {
				case i < 0 && !told[now]:
					t.Fatalf("seed %d, %s, window %d: what statement %d says was not published", seed, way.name, p.window, n)
				case i >= 0 && !was && items[i].Rev != 1:
					t.Fatalf("seed %d, %s, window %d: new statement %d came as revision %d", seed, way.name, p.window, n, items[i].Rev)
				case honest && was && items[i].Rev == 1:
					t.Fatalf("seed %d: the edit of honest entry %d came as a new item", seed, n)
				}
			}
			if honest && len(items) != want {
				t.Fatalf("seed %d: %d items, want %d", seed, len(items), want)
			}
			repeats += max(0, len(items)-want)
			tell(items)
		}
		// Everything comes back with other GUIDs.
		d = p.document(true)
		r.readDoc(d)
		for i := range d.Items {
			d.Items[i].GUID = fmt.Sprint("changed-", i)
		}
		if got := r.readDoc(d); len(p.there) >= minMigration && len(got) > 0 {
			t.Fatalf("seed %d, %s: %d items after all GUIDs changed; notes %+v", seed, way.name, len(got), r.notes)
		}
	}
	t.Logf("%d documents, %d repeats", documents, repeats)
}
