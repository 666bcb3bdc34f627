package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"tocsin"
	"tocsin/feeds"
	"tocsin/feeds/fetch"
)

type parseCmd struct {
	URL    string   `placeholder:"U" help:"The address it came from: relative links are resolved against it."`
	Header []string `sep:"none" placeholder:"K: V" help:"A header of the answer it came with; may be repeated."`
	Zone   string   `placeholder:"ZONE" help:"The zone of times that name none."`
	File   string   `arg:"" help:"The document; - is standard input."`
}

func (parseCmd) Help() string {
	return `Prints one JSON object {kind, encoding, repairs, feed, items}, as docs/formats.md
describes. Needs no running service.

EXIT STATUS  0 done · 1 it is no feed, or cannot be read · 2 wrong usage`
}

func (c parseCmd) Run(a *app) error {
	h := http.Header{}
	for _, line := range c.Header {
		k, v, ok := strings.Cut(line, ":")
		if !ok {
			return usageError(fmt.Errorf("parse: header %q: write 'Name: value'", line))
		}
		h.Add(strings.TrimSpace(k), strings.TrimSpace(v))
	}
	if _, err := time.LoadLocation(c.Zone); err != nil {
		return usageError(fmt.Errorf("parse: zone %q: write one like Europe/Paris", c.Zone))
	}
	r, done, err := a.open(c.File)
	if err != nil {
		return err
	}
	defer done()
	body, err := io.ReadAll(io.LimitReader(r, maxParse+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", c.File, err)
	}
	if len(body) > maxParse {
		return fmt.Errorf("parse %s: more than %d MiB are no feed", c.File, maxParse>>20)
	}
	resp := fetch.Response{Body: body, Type: h.Get("Content-Type"), Location: h.Get("Content-Location"), URL: c.URL, At: time.Now()}
	if err := fetch.Unpack(&resp, h.Get("Content-Encoding")); err != nil {
		return fmt.Errorf("parse %s: %w", c.File, err)
	}
	doc, err := feeds.ParseFeed(tocsin.Source{ID: "parse", URL: c.URL, Zone: c.Zone}, resp)
	if err != nil {
		return fmt.Errorf("parse %s: %w", c.File, err)
	}
	return a.printJSON(doc)
}

// maxParse is how many bytes a document may have: what fetching takes at most.
const maxParse = 8 << 20
