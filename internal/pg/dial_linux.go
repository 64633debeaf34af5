package pg

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unheard is TCP_USER_TIMEOUT for connections: how long sent data may stay unacknowledged. It is shorter than the timeout of a
// request, so that a read on a connection that a firewall has dropped can be repeated on another one.
const unheard = 3 * time.Second

// control sets the options of a socket before it connects.
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
