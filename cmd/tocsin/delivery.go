package main

import (
	"fmt"
	"text/tabwriter"

	"tocsin/pipeline"
)

type deliveryCmd struct {
	List   deliveryListCmd   `cmd:"" help:"List deliveries, newest first."`
	Replay deliveryReplayCmd `cmd:"" help:"Try parked deliveries again."`
}

// Help ends what tocsin delivery --help prints.
func (deliveryCmd) Help() string { return readStatus }

type deliveryListCmd struct {
	Parked bool `help:"Only those that wait for a person."`
	Limit  int  `short:"n" default:"50" help:"How many; 0 is all."`
}

func (deliveryListCmd) Help() string { return readStatus }

func (c deliveryListCmd) Run(a *app) error {
	return a.logs(func(l *pipeline.Logs) error {
		all, err := l.Deliveries(a.ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
		n := 0
		for i := len(all) - 1; i >= 0 && (c.Limit == 0 || n < c.Limit); i-- {
			d := all[i]
			if c.Parked && d.Kind != pipeline.Parked && !d.Waits() {
				continue
			}
			n++
			if a.JSON {
				if err := a.printJSON(d); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", d.Delivery, stamp(d.At), d.To, d.Act, d.Alert, outcome(d))
		}
		return w.Flush()
	})
}

type deliveryReplayCmd struct {
	ID  string `arg:"" optional:"" help:"The delivery, as delivery list names it."`
	All bool   `help:"All that are parked."`
	To  string `placeholder:"DESTINATION" help:"Only those to this destination."`
}

func (deliveryReplayCmd) Help() string {
	return `The running service sends them at once; without one they are sent at the next
start.

EXIT STATUS  0 asked for · 1 an error, or nothing parked of that name · 2 wrong usage`
}

func (c deliveryReplayCmd) Run(a *app) error {
	if (c.ID == "") == (!c.All) {
		return usageError(fmt.Errorf("delivery replay: name one delivery, or --all"))
	}
	return a.logs(func(l *pipeline.Logs) error {
		all, err := l.Deliveries(a.ctx)
		if err != nil {
			return err
		}
		n := 0
		for _, d := range all {
			if d.Kind != pipeline.Parked || c.ID != "" && d.Delivery != c.ID || c.To != "" && d.To != c.To {
				continue
			}
			if err := l.ReplayDelivery(a.ctx, d.To, d.Delivery); err != nil {
				return err
			}
			n++
		}
		if n == 0 {
			return fmt.Errorf("delivery replay: nothing of that name is parked; see: tocsin delivery list --parked")
		}
		if a.JSON {
			return a.printJSON(map[string]int{"replayed": n})
		}
		_, err = fmt.Fprintf(a.out, "%d asked for\n", n)
		return err
	})
}
