//go:build unix

package pg

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/sys/unix"
)

// reuse checks a connection before it is used again, which costs a system call. If there is anything to read on an idle
// connection, such as the server's last message or the end of the stream, the server has closed it. After a pause reuse also
// pings the server.
func reuse() []stdlib.OptionOpenDB {
	return []stdlib.OptionOpenDB{
		stdlib.OptionShouldPing(unanswered),
		stdlib.OptionResetSession(func(_ context.Context, conn *pgx.Conn) error {
			if !quiet(conn.PgConn().Conn()) {
				return driver.ErrBadConn
			}
			return nil
		}),
	}
}

// quiet reports whether a connection is open and has nothing to read.
func quiet(conn net.Conn) bool {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return true // it can't be checked
	}
	file, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	var read error
	// file.Read would wait for a reader of the driver that is still waiting for the next answer.
	err = file.Control(func(fd uintptr) {
		_, _, read = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	})
	return err == nil && (errors.Is(read, unix.EAGAIN) || errors.Is(read, unix.EWOULDBLOCK))
}
