//go:build unix && !aix && !solaris && !illumos

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// echoOff lets the terminal no longer show what is typed. [term.Restore] undoes it.
func echoOff(fd int) error {
	settings, err := unix.IoctlGetTermios(fd, getTermios)
	if err == nil {
		settings.Lflag &^= unix.ECHO
		err = unix.IoctlSetTermios(fd, setTermios, settings)
	}
	if err != nil {
		return fmt.Errorf("hide what is typed: %w", err)
	}
	return nil
}
