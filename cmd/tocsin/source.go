package main

import (
	"cmp"
	"fmt"
	"text/tabwriter"
)

type sourceCmd struct {
	List   sourceListCmd   `cmd:"" help:"List the sources of the configuration."`
	Status sourceStatusCmd `cmd:"" help:"Say how each source is, as the service last knew."`
}

// Help ends what tocsin source --help prints.
func (sourceCmd) Help() string { return readStatus }

type sourceListCmd struct{}

func (sourceListCmd) Help() string { return readStatus }

func (sourceListCmd) Run(a *app) error {
	cfg, err := a.look()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, s := range cfg.Sources {
		if a.JSON {
			if err := a.printJSON(s); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.ID, cmp.Or(s.Country, "-"), cmp.Or(s.Lang, "-"), cmp.Or(s.Title, "-"), s.URL)
	}
	return w.Flush()
}
