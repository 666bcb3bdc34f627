package main

import (
	"fmt"
	"runtime"
)

// version is set by the linker in what make dist builds.
var version = "dev"

type versionCmd struct{}

func (versionCmd) Help() string { return "EXIT STATUS  0 always" }

func (versionCmd) Run(a *app) error {
	if a.JSON {
		return a.printJSON(map[string]string{"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}
	_, err := fmt.Fprintf(a.out, "tocsin %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
