//go:build !linux

package main

import (
	"io"
	"os/exec"

	"github.com/rogpeppe/go-internal/testscript"
)

// onPTY is for scripts that begin with "[!linux] skip".
func onPTY(ts *testscript.TestScript, _ *exec.Cmd, _ io.Writer) func() error {
	ts.Fatalf("no terminals on this system")
	return nil
}

func tty(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("no terminals on this system") }
