//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// firstSystemdFD is the first descriptor that systemd passes.
const firstSystemdFD = 3

// systemdListeners returns the listeners that systemd has opened for this process, by socket activation (sd_listen_fds(3)); none if
// it has opened none.
func systemdListeners() (listeners []net.Listener, err error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 {
		return nil, fmt.Errorf("LISTEN_FDS=%s is not a number of sockets", os.Getenv("LISTEN_FDS"))
	}
	for fd := firstSystemdFD; fd < firstSystemdFD+n; fd++ {
		l, err := systemdListener(fd)
		if err != nil {
			closeAll(listeners)
			return nil, fmt.Errorf("socket %d of the %d that were passed by LISTEN_FDS: %w", fd-firstSystemdFD+1, n, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

func systemdListener(fd int) (net.Listener, error) {
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "LISTEN_FDS")
	defer f.Close() // the listener has a copy
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	if _, tcp := l.Addr().(*net.TCPAddr); !tcp {
		l.Close()
		return nil, fmt.Errorf("%s is no TCP address; give ListenStream= a port, or an address and a port", l.Addr())
	}
	return l, nil
}
