package fetch

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// An exchange is the time of one question and its answer.
type exchange struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	deadline *time.Timer
	silence  *time.Timer // nil until the body is read
	stall    time.Duration
}

// begin starts an exchange that has left of total.
func begin(ctx context.Context, left, total, stall time.Duration) *exchange {
	x := &exchange{stall: stall}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.deadline = time.AfterFunc(left, func() { x.cancel(fail(KindTimeout, "not finished within %v", total)) })
	return x
}

func (x *exchange) end() {
	x.deadline.Stop()
	if x.silence != nil {
		x.silence.Stop()
	}
	x.cancel(nil)
}

// listen ends the exchange when nothing is heard for too long.
func (x *exchange) listen() {
	x.silence = time.AfterFunc(x.stall, func() { x.cancel(fail(KindTimeout, "the body stopped for %v", x.stall)) })
}

func (x *exchange) heard() { x.silence.Reset(x.stall) }

// explain tells what err, met during the exchange, means.
func (x *exchange) explain(err error) *Error {
	if x.ctx.Err() == nil {
		return classify(err)
	}
	if e, ok := errors.AsType[*Error](context.Cause(x.ctx)); ok {
		return e
	}
	return ended(x.ctx.Err())
}

// Buffers are reused: most polls read a body only to find it unchanged.
type buffers struct{ pool sync.Pool }

func (p *buffers) get() *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return b
	}
	return new(make([]byte, 0, 32<<10))
}

// put keeps b unless it is huge: one such body must not be remembered for ever.
func (p *buffers) put(b *[]byte) {
	if cap(*b) <= 1<<20 {
		p.pool.Put(b)
	}
}

var errOver = errors.New("more than the limit")

// fill appends all of r to b, or errOver when that makes more than limit bytes.
func fill(b []byte, r io.Reader, limit int64, heard func()) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = slices.Grow(b, max(len(b), 32<<10))
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > limit:
			return b, errOver
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		}
		heard()
	}
}

// read appends resp's body to b, as it comes over the wire.
func read(b []byte, resp *http.Response, limit int64, heard func()) ([]byte, error) {
	if resp.ContentLength > limit {
		return b, errOver
	}
	// What is announced is believed as far as it costs little.
	return fill(slices.Grow(b, int(min(max(resp.ContentLength, 0), 256<<10))+1), resp.Body, limit, heard)
}

func tooLarge(limit int64) *Error {
	return fail(KindTooLarge, "the body is larger than %d KiB", limit>>10)
}

// hashOf is the same in every process and version: it is stored.
func hashOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

const (
	maxRatio  = 200     // of decompressed to raw bytes
	freeRatio = 1 << 20 // decompressed bytes for which no ratio is too high
	maxLayers = 3       // codings around one body
)

// An expander decompresses, and keeps what that takes for the next time.
type expander struct {
	buffers
	gzips, zstds, brotlis sync.Pool
}

// all undoes the codings that were declared around raw, and gzip that was not.
// What it returns is no part of raw. With an error it returns what could be
// decompressed until then.
func (x *expander) all(raw []byte, declared []string, limit int64) ([]byte, *Error) {
	codings := codingsOf(declared)
	if len(codings) > maxLayers {
		return nil, fail(KindEncoding, "the body is compressed more than %d times", maxLayers)
	}
	b, fault := raw, (*Error)(nil)
	for layer := range maxLayers {
		coding := "gzip"
		if len(b) == 0 {
			break
		}
		if layer < len(codings) {
			coding = codings[len(codings)-1-layer]
		} else if !bytes.HasPrefix(b, gzipMagic) {
			break
		}
		out, err := x.one(coding, b, int64(len(raw)), limit)
		if err != nil && (plain(b) || coding != "gzip" && bytes.HasPrefix(b, gzipMagic)) {
			continue // declared, but not done
		}
		b, fault = out, cmp.Or(fault, err)
	}
	if len(b) == 0 {
		return []byte{}, fault
	}
	if &b[0] == &raw[0] {
		b = bytes.Clone(b)
	}
	return b, fault
}

var gzipMagic = []byte{0x1f, 0x8b, 8}

// codingsOf reads Content-Encoding, in the order in which they were applied.
func codingsOf(declared []string) []string {
	var out []string
	for _, line := range declared {
		for coding := range strings.SplitSeq(line, ",") {
			if coding = strings.ToLower(strings.TrimSpace(coding)); coding != "" && coding != "identity" {
				out = append(out, coding)
			}
		}
	}
	return out
}

// plain tells text from compressed bytes, of which one in ten is no text.
func plain(b []byte) bool { return strings.HasPrefix(http.DetectContentType(b), "text/") }

// one undoes one coding of b, a body of raw bytes on the wire.
func (x *expander) one(coding string, b []byte, raw, limit int64) ([]byte, *Error) {
	r, done, err := x.reader(coding, b)
	if err != nil {
		return nil, broken(coding, err)
	}
	defer done()
	most := min(limit, max(freeRatio, maxRatio*raw))
	buf := x.get()
	defer x.put(buf)
	*buf, err = fill((*buf)[:0], r, most, func() {})
	switch {
	case err == errOver && most < limit:
		return nil, fail(KindBomb, "the body decompresses to more than %d times its size", maxRatio)
	case err == errOver:
		return nil, tooLarge(limit)
	case err != nil:
		return bytes.Clone(*buf), broken(coding, err)
	}
	return bytes.Clone(*buf), nil
}

func broken(coding string, err error) *Error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return because(KindRead, "the compressed body broke off", err)
	}
	return because(KindEncoding, "decompress "+coding+": "+clean(err), err)
}

// reader decompresses b; done gives back what it takes.
func (x *expander) reader(coding string, b []byte) (r io.Reader, done func(), err error) {
	in := bytes.NewReader(b)
	switch coding {
	case "gzip":
		z, _ := x.gzips.Get().(*gzip.Reader)
		if z == nil {
			z = new(gzip.Reader)
		}
		return &members{z, in}, func() { x.gzips.Put(z) }, z.Reset(in)
	case "br":
		z, _ := x.brotlis.Get().(*brotli.Reader)
		if z == nil {
			z = brotli.NewReader(in)
		}
		return z, func() { x.brotlis.Put(z) }, z.Reset(in)
	case "zstd":
		z, _ := x.zstds.Get().(*zstd.Decoder)
		if z == nil {
			// The window is what RFC 9659 lets a server use.
			z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
			if err != nil {
				return nil, nil, err
			}
		}
		return z, func() { x.zstds.Put(z) }, z.Reset(in)
	}
	return nil, nil, errors.New("this coding is unknown")
}

// members reads gzip members one after another and ignores what else follows
// the first, as browsers do.
type members struct {
	z  *gzip.Reader
	in *bytes.Reader
}

func (m *members) Read(p []byte) (int, error) {
	m.z.Multistream(false)
	n, err := m.z.Read(p)
	if err != io.EOF || m.in.Len() == 0 {
		return n, err
	}
	next := make([]byte, len(gzipMagic))
	at, _ := m.in.ReadAt(next, m.in.Size()-int64(m.in.Len()))
	if !bytes.Equal(next[:at], gzipMagic) {
		return n, io.EOF
	}
	return n, m.z.Reset(m.in)
}
