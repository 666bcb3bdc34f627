package main

import (
	"fmt"
	"strings"

	"tocsin/pipeline"
)

// parseOff reads the names of mechanisms that a test switches off.
func parseOff(names string) (pipeline.Off, error) {
	var off pipeline.Off
	for _, name := range strings.FieldsFunc(names, func(r rune) bool { return r == ',' || r == ' ' }) {
		switch name {
		case "match":
			off.Match = true
		case "fold":
			off.Fold = true
		case "repeat":
			off.Repeat = true
		case "version":
			off.Version = true
		case "lookup":
			off.Lookup = true
		case "wait":
			off.Wait = true
		default:
			return off, usageError(fmt.Errorf("TOCSIN_OFF: %q is no mechanism; it switches off match, fold, repeat, version, lookup or wait, for tests", name))
		}
	}
	return off, nil
}
