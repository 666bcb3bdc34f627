package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
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
	Kind   string   `default:"feed" placeholder:"KIND" help:"What it is: feed, page or sitemap."`
	Entry  string   `placeholder:"SELECTOR" help:"Where the entries of a page stand, in CSS or XPath."`
	Title  string   `placeholder:"SELECTOR" help:"Within an entry, its title."`
	Link   string   `placeholder:"SELECTOR" help:"Within an entry, its link."`
	Date   string   `placeholder:"SELECTOR" help:"Within an entry, its date."`
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
	kind := slices.IndexFunc(feeds.Kinds, func(k feeds.Kind) bool { return k.Name == c.Kind })
	if kind < 0 {
		return usageError(fmt.Errorf("parse: kind %q is not known: write feed, page or sitemap", c.Kind))
	}
	if err := feeds.CheckListing(c.source().Listing); err != nil {
		return usageError(fmt.Errorf("parse: %w", err))
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
	doc, err := feeds.Kinds[kind].Parse(c.source(), resp)
	if err != nil {
		return fmt.Errorf("parse %s: %w", c.File, err)
	}
	return a.printJSON(doc)
}

func (c parseCmd) source() tocsin.Source {
	return tocsin.Source{
		ID: "parse", Kind: c.Kind, URL: c.URL, Zone: c.Zone,
		Listing: tocsin.Listing{Entry: c.Entry, Title: c.Title, Link: c.Link, Date: c.Date},
	}
}

// maxParse is how many bytes a document may have: what fetching takes at most.
const maxParse = 8 << 20
