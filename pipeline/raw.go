package pipeline

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"tocsin"
)

// rawPart is how many compressed bytes one record of a body holds: with the
// third that base64 adds, well below the largest message.
const rawPart = 512 << 10

// A kept record refers to a body: raw.<source>.<item>.
type kept struct {
	V int `json:"v"`
	tocsin.Raw
	Size  int `json:"size"`  // bytes of the body
	Parts int `json:"parts"` // records at raw.<source>.<first 16 bytes of Hash> that hold it
}

// A body record is part of a body, gzipped.
type bodyPart struct {
	V    int    `json:"v"`
	Part int    `json:"part"` // 1 is the first
	Of   int    `json:"of"`
	Gzip []byte `json:"gzip"`
}

func rawSubject(source, name string) string { return "raw." + source + "." + name }

func bodySubject(r tocsin.Raw) string { return rawSubject(r.Source, "body-"+r.Hash[:32]) }

// Keep stores the evidence for an item, once for each revision and kind. Items
// that came with one document share its body.
func (l *Logs) Keep(ctx context.Context, r tocsin.Raw) error {
	have, err := l.kept(ctx, r.Source, r.Item)
	if err != nil {
		return err
	}
	for _, k := range have {
		if k.Rev == r.Rev && k.Of == r.Of {
			return nil
		}
	}
	sum := sha256.Sum256(r.Body)
	r.Hash = hex.EncodeToString(sum[:])
	parts, err := l.keepBody(ctx, r)
	if err != nil {
		return fmt.Errorf("keep evidence for %s/%s: %w", r.Source, r.Item, err)
	}
	if _, err = appendTo(ctx, l.b, rawSubject(r.Source, r.Item), kept{2, r, len(r.Body), parts}); err != nil {
		return fmt.Errorf("keep evidence for %s/%s: %w", r.Source, r.Item, err)
	}
	return nil
}

func (l *Logs) keepBody(ctx context.Context, r tocsin.Raw) (parts int, err error) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write(r.Body) // into memory
	_ = w.Close()
	parts = max(1, (z.Len()+rawPart-1)/rawPart)
	last, err := lastRecord(ctx, l.b, streamItems, bodySubject(r))
	if err != nil {
		return 0, err
	}
	if last != nil {
		if p, err := decode[bodyPart](last.Data); err != nil || p.Part == p.Of {
			return parts, err
		}
	}
	for n := range parts {
		p := bodyPart{2, n + 1, parts, z.Next(rawPart)}
		if _, err := appendTo(ctx, l.b, bodySubject(r), p); err != nil {
			return 0, err
		}
	}
	return parts, nil
}

func (l *Logs) kept(ctx context.Context, source, item string) (out []kept, err error) {
	for m, err := range l.read(ctx, streamItems, rawSubject(source, item), 1) {
		if err != nil {
			return nil, err
		}
		k, err := decode[kept](m.Data)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

// Raws is the evidence for an item, in the order in which it was kept, without
// bodies: see Body.
func (l *Logs) Raws(ctx context.Context, source, item string) ([]tocsin.Raw, error) {
	have, err := l.kept(ctx, source, item)
	out := make([]tocsin.Raw, len(have))
	for i, k := range have {
		out[i] = k.Raw
	}
	return out, err
}

// Body reads the bytes of a Raw and holds them against its Hash.
func (l *Logs) Body(ctx context.Context, r tocsin.Raw) ([]byte, error) {
	var z, first []byte
	next := 1
	for m, err := range l.read(ctx, streamItems, bodySubject(r), 1) {
		if err != nil {
			return nil, err
		}
		p, err := decode[bodyPart](m.Data)
		if err != nil {
			return nil, err
		}
		if p.Part == 1 && !bytes.Equal(first, p.Gzip) { // an earlier try ended half way
			z, first, next = nil, p.Gzip, 1
		}
		if p.Part != next { // another process stored the same
			continue
		}
		next++
		if z = append(z, p.Gzip...); p.Part == p.Of {
			break
		}
	}
	body, err := gunzip(z)
	if err != nil {
		return nil, fmt.Errorf("read evidence for %s/%s: %w", r.Source, r.Item, err)
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != r.Hash {
		return nil, fmt.Errorf("read evidence for %s/%s: what is stored has not the hash that it was stored with", r.Source, r.Item)
	}
	return body, nil
}

func gunzip(z []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(z))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// evidenceFor bounds how long after an item was seen its document is evidence:
// what is fetched later may be another.
const evidenceFor = 24 * time.Hour

// lacks says what evidence for a copy is to be kept and is not.
func (l *Logs) lacks(ctx context.Context, c tocsin.Copy) (of []string, err error) {
	if time.Since(c.Seen) > evidenceFor {
		return nil, nil
	}
	have, err := l.kept(ctx, c.Source, c.Item)
	if err != nil {
		return nil, err
	}
	lack := map[string]bool{tocsin.RawDocument: true, tocsin.RawPage: !c.Baseline && c.URL != ""}
	for _, k := range have {
		if k.Rev == c.Rev {
			lack[k.Of] = false
		}
	}
	for _, name := range []string{tocsin.RawDocument, tocsin.RawPage} {
		if lack[name] {
			of = append(of, name)
		}
	}
	return of, nil
}
