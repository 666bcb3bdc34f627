package pipeline

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tocsin"
)

func TestEvidenceComesBackByteForByteWithItsHash(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	noise := make([]byte, 3<<20) // does not compress: several records
	d := rand.NewChaCha8([32]byte{})
	_, _ = d.Read(noise)
	for name, body := range map[string][]byte{"0000000000000001": []byte("<rss>\x00\xff</rss>"), "0000000000000002": noise, "0000000000000003": {}} {
		raw := tocsin.Raw{Source: "mfa", Item: name, Rev: 1, Of: tocsin.RawPage, Address: "https://mfa.example/1", Type: "text/html", At: time.Now().UTC(), Body: body}
		r.ok(r.logs.Keep(ctx, raw))
		r.ok(r.logs.Keep(ctx, raw)) // again, after a crash
		got := must(r.logs.Raws(ctx, "mfa", name))
		if len(got) != 1 {
			t.Fatalf("%d pieces of evidence for %s, want 1", len(got), name)
		}
		sum := sha256.Sum256(body)
		if got[0].Hash != hex.EncodeToString(sum[:]) || got[0].Address != raw.Address || !got[0].At.Equal(raw.At) {
			t.Errorf("evidence %+v", got[0])
		}
		if back := must(r.logs.Body(ctx, got[0])); !bytes.Equal(back, body) {
			t.Errorf("%d bytes came back, want %d", len(back), len(body))
		}
	}
}

func TestItemsOfOneDocumentShareItsBody(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	body := []byte(strings.Repeat("an entry ", 1000))
	for _, item := range []string{"0000000000000001", "0000000000000002"} {
		r.ok(r.logs.Keep(t.Context(), tocsin.Raw{Source: "mfa", Item: item, Rev: 1, Of: tocsin.RawDocument, Body: body}))
	}
	n := 0
	for _, err := range r.logs.read(t.Context(), streamItems, "raw.mfa.*", 1) {
		r.ok(err)
		n++
	}
	if n != 3 {
		t.Errorf("%d records, want two that refer to one body", n)
	}
}

func TestBodyThatAKillLeftHalfStoredIsStoredAnew(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	body := []byte("a page")
	sum := sha256.Sum256(body)
	raw := tocsin.Raw{Source: "mfa", Item: "0000000000000001", Rev: 1, Of: tocsin.RawPage, Hash: hex.EncodeToString(sum[:]), Body: body}
	must(appendTo(ctx, r.logs.b, bodySubject(raw), bodyPart{tocsin.Format, 1, 2, []byte("half")}))
	r.ok(r.logs.Keep(ctx, raw))
	if back := must(r.logs.Body(ctx, raw)); !bytes.Equal(back, body) {
		t.Errorf("%q came back", back)
	}
	raw.Hash = strings.Repeat("0", 64)
	if _, err := r.logs.Body(ctx, raw); err == nil {
		t.Error("a body that is not there was read")
	}
}

func TestBodyThatTwoProcessesStoredAtOnceComesBack(t *testing.T) {
	r := newRig(t, t.TempDir(), missiles())
	defer r.close()
	ctx := t.Context()
	body := []byte("a page that takes three records")
	sum := sha256.Sum256(body)
	raw := tocsin.Raw{Source: "mfa", Item: "0000000000000001", Rev: 1, Of: tocsin.RawPage, Hash: hex.EncodeToString(sum[:]), Body: body}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write(body)
	_ = w.Close()
	parts := [][]byte{z.Bytes()[:10], z.Bytes()[10:20], z.Bytes()[20:]}
	for _, n := range []int{1, 2, 1, 2, 1, 3, 2, 3} {
		must(appendTo(ctx, r.logs.b, bodySubject(raw), bodyPart{tocsin.Format, n, 3, parts[n-1]}))
	}
	if back := must(r.logs.Body(ctx, raw)); !bytes.Equal(back, body) {
		t.Errorf("%q came back", back)
	}
}
