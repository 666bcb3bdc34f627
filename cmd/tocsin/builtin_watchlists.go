package main

import (
	_ "embed"
	"encoding/json"
	"strings"

	"tocsin"
)

// missileTransfer finds statements on the transfer of ballistic missiles in
// fourteen languages, and shall miss none; missileTransferStrict finds fewer and
// shall be right. docs/decisions/0008 says how they are built and what they find
// and miss.
//
//go:embed builtin/missile-transfer.query
var missileTransfer string

//go:embed builtin/missile-transfer-strict.query
var missileTransferStrict string

// missileTransferExamples are statements that missileTransfer has to find, or
// not, a line each.
//
//go:embed builtin/missile-transfer.examples.jsonl
var missileTransferExamples string

// builtinWatchlists are watched unless the configuration says builtin: false or
// has a watchlist of the same name.
var builtinWatchlists = []tocsin.Watchlist{
	judged(tocsin.Watchlist{Name: "missile-transfer", Query: missileTransfer, Builtin: true}, missileTransferExamples),
	{Name: "missile-transfer-strict", Query: missileTransferStrict, Builtin: true},
}

// judged is a watchlist with its examples.
func judged(w tocsin.Watchlist, lines string) tocsin.Watchlist {
	for line := range strings.Lines(lines) {
		var e struct {
			tocsin.Example
			Match bool `json:"match"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			panic(err) // they are part of the program
		}
		if e.Match {
			w.MustMatch = append(w.MustMatch, e.Example)
		} else {
			w.MustNotMatch = append(w.MustNotMatch, e.Example)
		}
	}
	return w
}
