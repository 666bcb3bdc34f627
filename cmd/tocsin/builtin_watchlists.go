package main

import (
	_ "embed"

	"tocsin"
)

// missileTransfer finds statements on the transfer of ballistic missiles in
// fourteen languages. docs/decisions/0008 says how it is built and what it
// finds and misses.
//
//go:embed builtin/missile-transfer.query
var missileTransfer string

// builtinWatchlists are watched unless the configuration says builtin: false or
// has a watchlist of the same name.
var builtinWatchlists = []tocsin.Watchlist{
	{Name: "missile-transfer", Query: missileTransfer, Builtin: true},
}
