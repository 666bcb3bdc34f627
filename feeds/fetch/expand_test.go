package fetch

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// FuzzExpand builds bodies from text, wraps them in codings, cuts and dirties
// them, and holds the expander to its bounds whatever was declared.
func FuzzExpand(f *testing.F) {
	f.Add("<rss>text</rss>", uint16(1), "gz", "gzip", uint16(0), uint16(0))
	f.Add("<rss>text</rss>", uint16(900), "g", "gzip", uint16(7), uint16(0))
	f.Add("<rss>text</rss>", uint16(90), "bz", "br, zstd", uint16(0), uint16(0))
	f.Add("a", uint16(65535), "ggg", "", uint16(0), uint16(0))
	f.Add("a", uint16(65535), "b", "br", uint16(0), uint16(9))
	f.Add("", uint16(0), "z", "zstd", uint16(1), uint16(0))
	const limit = 3 << 20
	var x expander // shared, so that one body's remains may harm the next
	f.Fuzz(func(t *testing.T, text string, times uint16, layers, declared string, cut, dirt uint16) {
		body := []byte(strings.Repeat(text, min(int(times), 4<<20/max(len(text), 1))))
		whole := bytes.Clone(body)
		for _, l := range layers[:min(len(layers), 3)] {
			body = wrap(body, l)
		}
		if cut > 0 && len(body) > 0 {
			body = body[:int(cut)%len(body)]
		}
		if dirt > 0 && len(body) > 0 {
			body[int(dirt)%len(body)] ^= byte(dirt>>8) | 1
		}
		raw := bytes.Clone(body)
		out, fault := x.all(raw, []string{declared}, limit)
		if len(out) > limit || len(out) > max(freeRatio, maxRatio*len(raw)) && len(out) > len(raw) {
			t.Errorf("%d bytes became %d", len(raw), len(out))
		}
		if fault != nil && (fault.Kind == "" || fault.Err == nil) {
			t.Errorf("fault %+v says nothing", fault)
		}
		clear(raw)
		honest := layers == "g" && declared == "gzip" && cut == 0 && dirt == 0 && !bytes.HasPrefix(whole, gzipMagic)
		if honest && len(whole) <= freeRatio && (fault != nil || !bytes.Equal(out, whole)) {
			t.Errorf("an honest gzip of %d bytes became %d, %v", len(whole), len(out), fault)
		}
	})
}

func wrap(b []byte, layer rune) []byte {
	var out bytes.Buffer
	var w io.WriteCloser
	switch layer {
	case 'b':
		w = brotli.NewWriterLevel(&out, 1)
	case 'z':
		w, _ = zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	default:
		w, _ = gzip.NewWriterLevel(&out, 1)
	}
	w.Write(b)
	w.Close()
	return out.Bytes()
}
