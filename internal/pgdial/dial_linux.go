package pgdial

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unheard is how long the server's machine may leave what we sent without a sign of life. It is shorter than a request's
// patience, so that a read on a connection that a firewall has forgotten can be tried on another.
const unheard = 3 * time.Second

// control is called with each socket before it connects.
func control(network, _ string, socket syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var set error
	err := socket.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unheard.Milliseconds()))
	})
	return errors.Join(err, set)
}
