//go:build !linux

package gateway_test

import "syscall"

// likeANetwork leaves the socket as it is.
func likeANetwork(_, _ string, _ syscall.RawConn) error { return nil }
