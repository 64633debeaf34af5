//go:build !unix || aix || solaris || illumos

package main

// echoOff leaves it to [term.ReadPassword], which comes a moment later.
func echoOff(int) error { return nil }
