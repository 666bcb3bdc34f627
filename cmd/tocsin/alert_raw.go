package main

import (
	"cmp"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
	"strings"

	"tocsin"
	"tocsin/pipeline"
)

// changeText is a change with its context: before [-was-] {+is+} after.
func changeText(ch tocsin.Change) string {
	parts := []string{ch.Before}
	if ch.Was != "" {
		parts = append(parts, "[-"+ch.Was+"-]")
	}
	if ch.Is != "" {
		parts = append(parts, "{+"+ch.Is+"+}")
	}
	return strings.TrimSpace(strings.Join(append(parts, ch.After), " "))
}

// rawLine is what alert show --raw --json prints of each piece of evidence.
type rawLine struct {
	tocsin.Raw
	Size int    `json:"size"`
	File string `json:"file,omitempty"` // with --to
	Body []byte `json:"body,omitempty"` // without
}

// showRaw prints the evidence for each copy of an alert.
func (c alertShowCmd) showRaw(a *app, l *pipeline.Logs, al tocsin.Alert) error {
	n := 0
	for _, cp := range al.Copies {
		raws, err := l.Raws(a.ctx, cp.Source, cp.Item)
		if err != nil {
			return err
		}
		for _, r := range raws {
			if err := c.showOne(a, l, r); err != nil {
				return err
			}
			n++
		}
	}
	if n == 0 {
		return fmt.Errorf("alert %s: nothing of it was kept as fetched: it opened before tocsin kept that, its items had been stored for more than a day, or nothing was at their addresses", al.ID)
	}
	return nil
}

func (c alertShowCmd) showOne(a *app, l *pipeline.Logs, r tocsin.Raw) error {
	body, err := l.Body(a.ctx, r)
	if err != nil {
		return err
	}
	line := rawLine{Raw: r, Size: len(body), Body: body}
	if c.To != "" {
		line.File, line.Body = filepath.Join(c.To, rawName(r)), nil
		if err := os.MkdirAll(c.To, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(line.File, body, 0o600); err != nil {
			return err
		}
	}
	if a.JSON {
		return a.printJSON(line)
	}
	fmt.Fprintf(a.out, "%s of %s/%s, revision %d: %s\n  fetched %s, %d bytes, SHA-256 %s\n", r.Of, r.Source, r.Item, r.Rev, plainLine(r.Address), stamp(r.At), len(body), r.Hash)
	if c.To != "" {
		_, err = fmt.Fprintf(a.out, "  %s\n", line.File)
		return err
	}
	_, err = io.WriteString(a.out, "\n"+shownBody(a.out, body)+"\n")
	return err
}

// shownBody is a body as it is, or on a terminal without what it could obey.
func shownBody(w io.Writer, body []byte) string {
	if !isTerminal(w) {
		return string(body)
	}
	lines := strings.Split(strings.ToValidUTF8(string(body), "?"), "\n")
	for i := range lines {
		lines[i] = plainLine(lines[i])
	}
	return strings.Join(lines, "\n")
}

// rawName is a file's name for a piece of evidence, with the usual ending of its
// type.
func rawName(r tocsin.Raw) string {
	kind, _, _ := mime.ParseMediaType(r.Type)
	end := map[string]string{"text/html": ".html", "application/xhtml+xml": ".html", "application/pdf": ".pdf", "text/plain": ".txt", "application/json": ".json", "application/feed+json": ".json"}[kind]
	if end == "" && strings.Contains(kind, "xml") {
		end = ".xml"
	}
	return fmt.Sprintf("%s-%s-%d-%s%s", r.Source, r.Item, r.Rev, r.Of, cmp.Or(end, ".bin"))
}
