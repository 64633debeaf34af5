package gateway_test

import "syscall"

// likeANetwork gives a socket the segments of an Ethernet and small buffers. Those of the loopback device are so large that
// the system gives each socket megabytes, and has none left when thousands are full.
func likeANetwork(_, _ string, c syscall.RawConn) (err error) {
	controlled := c.Control(func(fd uintptr) {
		if err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1400); err == nil {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
		}
		if err == nil {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 16<<10)
		}
	})
	if err == nil {
		err = controlled
	}
	return err
}
