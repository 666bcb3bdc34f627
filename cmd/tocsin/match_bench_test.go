package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// BenchmarkMatchLines is match --jsonl from end to end, over statements of about
// 2 KB: one plain query, one that asks for the language, and one that all match.
// TOCSIN_PROSE names a file of text to cut them of; without it they are made of
// words drawn at random.
//
//	go test -run '^$' -bench MatchLines ./cmd/tocsin
func BenchmarkMatchLines(b *testing.B) {
	lines := proseLines(b)
	for _, bm := range []struct {
		name string
		cmd  matchCmd
	}{
		{"query", matchCmd{Query: `"ballistic missile*" AND (transfer* OR export*)`}},
		{"builtin", matchCmd{Watchlist: "missile-transfer"}},
		{"all", matchCmd{Query: "the OR of"}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			c := bm.cmd
			a := &app{cli: &cli{Config: os.DevNull}, ctx: b.Context(), out: io.Discard, err: io.Discard}
			j, err := c.judge(a)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(lines)))
			for b.Loop() {
				if _, err := c.lines(a, j, bytes.NewReader(lines)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// proseLines are 8 MB of statements as JSON lines.
func proseLines(b *testing.B) []byte {
	const size = 8 << 20
	var prose string
	if name := os.Getenv("TOCSIN_PROSE"); name != "" {
		text, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		prose = strings.ToValidUTF8(string(text), "")
	} else {
		prose = randomProse(size)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for n := 0; out.Len() < size && len(prose) > 4000; n++ {
		cut := wordEnd(prose, 1000+r.IntN(2000))
		text := prose[:cut]
		prose = prose[cut:]
		if err := enc.Encode(map[string]any{"id": n, "lang": "en", "title": oneLineText(text, 70), "text": text}); err != nil {
			b.Fatal(err)
		}
	}
	return out.Bytes()
}

// randomProse is text of words as common as words are.
func randomProse(size int) string {
	r := rand.New(rand.NewPCG(3, 4))
	common := strings.Fields("the of and to in a is that for on with as by it was from be are at this")
	rare := rand.NewZipf(r, 1.1, 8, 50_000)
	var b strings.Builder
	for b.Len() < size {
		if r.IntN(5) < 2 {
			b.WriteString(common[r.IntN(len(common))])
		} else {
			fmt.Fprintf(&b, "w%xord", rare.Uint64())
		}
		if r.IntN(12) == 0 {
			b.WriteString(".\n")
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}
