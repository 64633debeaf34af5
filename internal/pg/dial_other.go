//go:build !linux

package pg

import "syscall"

// control sets no option: the system decides how long data may stay unacknowledged.
func control(string, string, syscall.RawConn) error { return nil }
