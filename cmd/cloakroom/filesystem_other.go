//go:build !linux

package main

// networkFileSystem returns the name of the network file system that dir is on; always "" here, where the kind is unknown.
func networkFileSystem(string) string { return "" }
