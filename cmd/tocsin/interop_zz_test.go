//go:build interop

package main

import "testing"

func tryDeploy(t *testing.T)     {}
func tryPrometheus(t *testing.T) {}
