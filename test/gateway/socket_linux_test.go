package gateway_test

import "syscall"

// likeANetwork gives a socket Ethernet's segment size and small buffers. On the loopback device the system gives each
// socket megabytes, and has no memory left when thousands of them are full.
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
