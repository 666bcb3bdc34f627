package main

type sourceCmd struct {
	List    sourceListCmd    `cmd:"" help:"List the sources, and where each comes from."`
	Show    sourceShowCmd    `cmd:"" help:"Print one."`
	Add     sourceAddCmd     `cmd:"" help:"Add one to what the service watches, or change one that was added."`
	Probe   sourceProbeCmd   `cmd:"" help:"Find out how an address can be watched, and what would be seen."`
	Import  sourceImportCmd  `cmd:"" help:"Add the sources of an OPML file."`
	Export  sourceExportCmd  `cmd:"" help:"Print the sources as OPML, or as configuration."`
	Audit   sourceAuditCmd   `cmd:"" help:"Look at every source once, from here, and print one table."`
	Rm      sourceRmCmd      `cmd:"" help:"Remove one that was added."`
	History sourceHistoryCmd `cmd:"" help:"List its versions: who changed what, and when."`
	Status  sourceStatusCmd  `cmd:"" help:"Say how each source is, as the service last knew."`
}

// Help ends what tocsin source --help prints.
func (sourceCmd) Help() string { return readStatus }
