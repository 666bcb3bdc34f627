package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"tocsin/pipeline"
)

type alertMergeCmd struct {
	Younger string `arg:"" help:"The alert that opened later, as alert list names it."`
	Older   string `arg:"" help:"The alert that goes on for both."`
	Why     string `placeholder:"TEXT" help:"Why, for the record."`
	changer
}

func (alertMergeCmd) Help() string { return correctHelp }

const correctHelp = `What is said here is an event of the alert, with who and when. It holds for later
copies too; the opposite command takes it back.

EXIT STATUS  0 done · 1 refused, or an error · 2 wrong usage`

// correction is what the flags say.
func (c changer) correction(why string) (pipeline.Correction, error) {
	by, err := c.name()
	if err == nil && (len(why) > 500 || plainLine(why) != why) {
		err = usageError(errors.New("--why: write one line of at most 500 bytes"))
	}
	return pipeline.Correction{By: by, Why: why}, err
}

func (c alertMergeCmd) Run(a *app) error {
	said, err := c.correction(c.Why)
	if err != nil {
		return err
	}
	return a.change("alert", c.Younger, "merged into "+c.Older, func(l *pipeline.Logs) error {
		return l.Merge(a.ctx, said, c.Younger, c.Older)
	})
}

type alertSplitCmd struct {
	Alert  string   `arg:"" help:"The alert, as alert list names it."`
	Items  []string `arg:"" optional:"" name:"item" help:"Items that are another statement, as alert show names them."`
	Source []string `placeholder:"ID" help:"All items of this source."`
	Why    string   `placeholder:"TEXT" help:"Why, for the record."`
	changer
}

func (alertSplitCmd) Help() string { return correctHelp }

func (c alertSplitCmd) Run(a *app) error {
	said, err := c.correction(c.Why)
	if err != nil {
		return err
	}
	if len(c.Items)+len(c.Source) == 0 {
		return usageError(errors.New("alert split: name items, or sources with --source"))
	}
	return a.logs(func(l *pipeline.Logs) error {
		id, err := l.Split(a.ctx, said, c.Alert, c.Items, c.Source)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(done{"alert", id, "split from " + c.Alert})
		}
		_, err = fmt.Fprintf(a.out, "alert %s split from %s\n", id, c.Alert)
		return err
	})
}

type alertLabelsCmd struct{}

func (alertLabelsCmd) Help() string {
	return `Prints the texts of alerts that people merged or split, a JSON object a line: id,
cluster, title, text, lang, source, country, first_seen. Two texts of one cluster
are one statement.

` + readStatus
}

func (alertLabelsCmd) Run(a *app) error {
	return a.logs(func(l *pipeline.Logs) error {
		out := json.NewEncoder(a.out)
		out.SetEscapeHTML(false)
		return l.Labels(a.ctx, func(x pipeline.Label) error { return out.Encode(x) })
	})
}
