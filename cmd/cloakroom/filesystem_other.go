//go:build !linux

package main

// networkFileSystem names the network file system that dir is on; "" where that can't be told.
func networkFileSystem(string) string { return "" }
